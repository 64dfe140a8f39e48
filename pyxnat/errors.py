"""Errors that the library raises.

The names are those of the Python database API (PEP 249)::

    Warning
    Error
    ├── InterfaceError                  wrong call or wrong set-up; no request was sent
    │   ├── ConfigurationError          no server, no credentials, an unusable configuration
    │   └── NoElementError              no element at that index of a collection (also IndexError)
    └── DatabaseError                   a request failed, or its response is unusable
        ├── OperationalError            a cause outside the caller's program
        │   ├── NetworkError            no connection, or a broken one        (also ConnectionError)
        │   │   ├── OfflineError        offline mode, and not in the cache
        │   │   ├── TransferError       a truncated response, or a wrong length or checksum
        │   │   └── NetworkTimeout      no response in time                   (also TimeoutError)
        │   ├── AuthenticationError     wrong login, or a session that cannot be renewed
        │   ├── PermissionDenied        the login lacks the right             (also PermissionError)
        │   ├── BusyError               the server refuses work for now
        │   └── UnexpectedAnswer        a response of another kind, such as a web page
        │       ├── MalformedDocument   a document is no XML                  (also ValueError)
        │       └── MissingColumn       a table lacks a column                (also KeyError)
        ├── DataError                   a malformed value or file
        │   ├── NotFoundError           no such object, or a hidden one         (also LookupError)
        │   │   ├── PipelineNotFoundError   the project has no such pipeline
        │   │   ├── UnknownLabel        no element of a collection has it       (also KeyError)
        │   │   └── ExperimentNotFoundError   no such experiment              (also ValueError)
        │   ├── LockMismatch            another file than that of a lock file
        │   └── LocalFileExists         a local file that would be replaced (also FileExistsError)
        ├── IntegrityError              a conflict with the data on the server
        │   └── DuplicateError          the file, label or ID exists
        ├── InternalError               the server failed
        ├── ProgrammingError            an invalid path, criterion, name or request
        │   ├── InvalidArgument         an argument with an unusable value      (also ValueError)
        │   └── WrongTypeError          an item of an unusable data type         (also TypeError)
        └── NotSupportedError           the server, or its version, lacks the function

A `DatabaseError` carries ``uri``, ``method``, ``status`` (`None` without a response), ``message``
(the server's own words) and ``remedy``; its text has them all. :data:`STATUS_TABLE` alone maps
responses to errors.
"""

from __future__ import annotations

import html
import json
import re
import traceback
from typing import Any, NamedTuple

from .patterns import pattern

__all__ = [
    'HIDDEN',
    'MESSAGE_LENGTH',
    'REFUSED',
    'STATUS_TABLE',
    'AuthenticationError',
    'BusyError',
    'ConfigurationError',
    'DataError',
    'DatabaseError',
    'DuplicateError',
    'Error',
    'ExperimentNotFoundError',
    'IntegrityError',
    'InterfaceError',
    'InternalError',
    'InvalidArgument',
    'LocalFileExists',
    'LockMismatch',
    'MalformedDocument',
    'MissingColumn',
    'NetworkError',
    'NetworkTimeout',
    'NoElementError',
    'NotFoundError',
    'NotSupportedError',
    'OfflineError',
    'OperationalError',
    'PermissionDenied',
    'PipelineNotFoundError',
    'ProgrammingError',
    'StatusRow',
    'TransferError',
    'UnexpectedAnswer',
    'UnknownLabel',
    'Warning',
    'WrongTypeError',
    'from_status',
    'printable',
    'server_message',
    'without_secrets',
]


_SECRETS = pattern(
    r'(?P<token>/services/tokens/(?:validate|invalidate)/[^/?]+/)[^/?]+|(?P<name>[?&'
    r'](?:j_)?(?:password|secret|signature|x-amz-[a-z-]+)=)[^&]*',
    re.IGNORECASE,
)


_CONTROLS = pattern(
    '[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]'
)
"""Characters that a terminal takes for commands, or that change the order of text."""


def printable(text: str) -> str:
    """Replace control characters of a server's text by their codes.

    Lines and tabs stay. A terminal would take them for commands.

    >>> printable(chr(27) + '[2Jred')[1:]
    'x1b[2Jred'
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def without_secrets(uri: str) -> str:
    """Replace the secrets of tokens and passwords in a URI by an ellipsis.

    >>> without_secrets('/data/services/tokens/validate/alias/s3cret')
    '/data/services/tokens/validate/alias/…'
    """
    return _SECRETS.sub(lambda found: f'{found["token"] or found["name"]}…', uri)


class Warning(Exception):  # noqa: A001 - PEP 249's name
    """Condition worth a look that did not stop the operation."""


class Error(Exception):
    """Base of all errors of the library.

    IPython and notebooks show its message alone; ``%tb`` shows the traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows.

        The message, and the traceback if repeated.
        """
        if self.__dict__.get('_was_shown'):
            return ''.join(traceback.format_exception(self)).splitlines()
        self._was_shown = True
        return [*self._message().splitlines(), '(%tb shows the traceback)']

    def _message(self) -> str:
        return printable(''.join(traceback.format_exception_only(self)).strip())


class InterfaceError(Error):
    """Wrong call or set-up of the library; no request was sent."""


class ConfigurationError(InterfaceError):
    """Missing server or credentials, or an unusable configuration."""


class NoElementError(InterfaceError, IndexError, StopIteration):
    """Index beyond the end of a collection.

    Also a `StopIteration`: scripts written for pyxnat 1.x expect that of ``collection[0]``.
    """


class DatabaseError(Error):
    """Failed request, or a response that cannot be used.

    Attributes
    ----------
    message : str
        The server's own words where it sent some, otherwise a description of the failure.
    uri, method : str or None
        The request.
    status : int or None
        Status of the response; `None` without one.
    remedy : str or None
        Advice to the user.
    attempts : int
        Number of times that the request was sent. If more than once, an earlier attempt may have
        been carried out.
    """

    attempts = 1

    def __init__(
        self,
        message: str,
        *,
        uri: str | None = None,
        method: str | None = None,
        status: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.uri = without_secrets(uri) if uri else uri
        self.method = method
        self.status = status
        self.remedy = remedy

    def __str__(self) -> str:
        where = ' '.join(filter(None, (self.method, self.uri)))
        if self.status is not None:
            where = f'{where} answered {self.status}' if where else f'status {self.status}'
        text = ': '.join(filter(None, (where, self.message)))
        return printable(f'{text.rstrip(".")}. {self.remedy}' if self.remedy else text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    cls: type[DatabaseError], args: tuple[Any, ...], state: dict[str, Any]
) -> DatabaseError:
    error = cls(*args)
    error.__dict__.update(state)
    return error


class OperationalError(DatabaseError):
    """Failure with a cause outside the caller's program."""


class NetworkError(OperationalError, ConnectionError):
    """No connection to the server, or a connection that broke."""


class OfflineError(NetworkError):
    """Request in offline mode for something that is not in the cache."""


class TransferError(NetworkError):
    """Truncated response, or one that differs from its length or checksum."""


class NetworkTimeout(NetworkError, TimeoutError):
    """No connection, or no further byte, within the timeout."""


class AuthenticationError(OperationalError):
    """Wrong login, or an ended session that cannot be renewed."""


class PermissionDenied(OperationalError, PermissionError):
    """Request that needs a right that the login lacks."""


class BusyError(OperationalError):
    """Server that is starting, overloaded or unreachable behind its gateway."""


class UnexpectedAnswer(OperationalError):
    """Response of another kind than requested, such as a web page."""


class MalformedDocument(UnexpectedAnswer, ValueError):
    """Document that is no XML, or has a DOCTYPE."""


class MissingColumn(UnexpectedAnswer, KeyError):
    """Table of the server without a column that every such table has."""


class DataError(DatabaseError):
    """Malformed value or file."""


class NotFoundError(DataError, LookupError):
    """Object that the server does not have, or hides from this login.

    Also a `LookupError`: scripts written for pyxnat 1.x expect that of ``scans().download``.
    """


class PipelineNotFoundError(NotFoundError):
    """Pipeline that the project does not have."""


class ExperimentNotFoundError(NotFoundError, ValueError):
    """Experiment that the project does not have; pyxnat 1.x raised `ValueError`."""


class UnknownLabel(NotFoundError, KeyError):
    """ID or label in brackets that no element of a collection has."""


class LocalFileExists(DataError, FileExistsError):
    """Local file that a download would replace."""


class LockMismatch(DataError):
    """A file on the server is not the one of a lock file."""


class IntegrityError(DatabaseError):
    """Conflict with the data on the server."""


class DuplicateError(IntegrityError):
    """File, label or ID that exists already.

    Attributes
    ----------
    names : tuple of str
        The files that an upload found, and left as they were.
    """

    names: tuple[str, ...] = ()


class InternalError(DatabaseError):
    """Failure of the server itself."""


class ProgrammingError(DatabaseError):
    """Invalid path, criterion, name or request."""


class InvalidArgument(ProgrammingError, ValueError):
    """Argument with a value that the call cannot use."""


class WrongTypeError(ProgrammingError, TypeError):
    """Item of a data type that the call cannot use."""


class NotSupportedError(DatabaseError):
    """Function that the server, or its version, does not have."""


HIDDEN = (NotFoundError, PermissionDenied)
"""Errors for an object that does not exist, or that the login cannot see."""
REFUSED = (DataError, ProgrammingError, InternalError, NotSupportedError, UnexpectedAnswer)
"""Errors for a request that the server does not carry out; those of network and login are none."""


class StatusRow(NamedTuple):
    """Row of :data:`STATUS_TABLE`; the first match gives the class."""

    first: int
    last: int
    pattern: str
    """Regular expression searched for in the server's message, ignoring case; empty matches all."""
    error: type[DatabaseError]
    remedy: str
    methods: tuple[str, ...] = ()
    """Methods of the request; empty matches all."""


_READING = ('GET', 'HEAD')
_LOGIN = (
    'Check user and password (or token); a login of another provider needs provider=. XNAT answers '
    'alike if the account is disabled or not verified yet: the administrator knows.'
)
_AGAIN = 'Try again later; if it keeps failing, inform the administrator of the server.'

STATUS_TABLE: tuple[StatusRow, ...] = (
    StatusRow(
        300,
        399,
        r'',
        UnexpectedAnswer,
        'The server redirects: check the URL (http or https, context path such as /xnat).',
    ),
    StatusRow(
        400,
        409,
        r'exists.*overwrite',
        DuplicateError,
        "overwrite='append' adds to it, and 'delete' also overwrites files; 'replace' of archive() "
        'of a session in the prearchive deletes the old one first.',
    ),
    StatusRow(
        400, 400, r'', ProgrammingError, 'The server rejects a name or value of the request.'
    ),
    StatusRow(401, 401, r'', AuthenticationError, _LOGIN),
    StatusRow(
        403,
        403,
        r'password .*expired|expired .*password',
        AuthenticationError,
        'Log in on the web site and change the password.',
    ),
    StatusRow(
        403,
        403,
        r'previously deleted project',
        PermissionDenied,
        'Choose another ID: XNAT does not use the ID of a deleted project again.',
    ),
    StatusRow(
        403,
        403,
        r'',
        PermissionDenied,
        'This login is no member of the project: ask an owner for access.',
        _READING,
    ),
    StatusRow(
        403,
        403,
        r'',
        PermissionDenied,
        'A collaborator may only read, a member may not delete: project.user_role(login) shows the '
        'role. Ask an owner for another.',
    ),
    StatusRow(
        404,
        404,
        r'',
        NotFoundError,
        'Check the spelling; the server hides objects that this login may not read.',
    ),
    StatusRow(
        405, 405, r'', NotSupportedError, 'The server does not support this method for this URI.'
    ),
    StatusRow(
        407,
        407,
        r'',
        AuthenticationError,
        'The proxy needs a login: give it in the URL of the proxy.',
    ),
    StatusRow(408, 408, r'', NetworkTimeout, _AGAIN),
    StatusRow(
        409, 409, r'', DuplicateError, 'Choose another name, or change the existing element.'
    ),
    StatusRow(410, 410, r'', NotFoundError, 'It has expired: request it again.'),
    StatusRow(413, 414, r'', ProgrammingError, 'Split the request into smaller ones.'),
    StatusRow(416, 416, r'', TransferError, 'The file changed on the server: download it again.'),
    StatusRow(429, 429, r'', BusyError, _AGAIN),
    StatusRow(
        400, 499, r'', ProgrammingError, 'The server rejects a name, value or type of the request.'
    ),
    StatusRow(
        500,
        500,
        r'InvalidCsrf|CSRF',
        PermissionDenied,
        'XNAT takes the request for one of a browser, which needs XNAT_CSRF=TOKEN in the query: '
        'leave the User-Agent header as it is.',
    ),
    StatusRow(
        500,
        500,
        r'insufficient privileges',
        PermissionDenied,
        'The login lacks the right: ask an owner of the project for another role.',
    ),
    StatusRow(501, 501, r'', NotSupportedError, 'This server lacks the function.'),
    StatusRow(502, 504, r'', BusyError, _AGAIN),
    StatusRow(
        500,
        599,
        r'',
        InternalError,
        'If the request is right, inform the administrator of the server.',
    ),
)
"""(status, message) -> class and remedy.

The statuses are those of XNAT's REST application and of the gateways in front of it.
"""


def from_status(
    status: int, message: str, *, method: str | None = None, uri: str | None = None
) -> DatabaseError:
    """Return the error for a response with a failure status.

    Parameters
    ----------
    status : int
        HTTP status. One that no row names (1xx, 600, …) gives `UnexpectedAnswer`.
    message : str
        The server's own words; some rows match on them.
    method, uri : str, optional
        The request, for the error's text.

    Returns
    -------
    DatabaseError
        An instance, not yet raised.
    """
    for row in STATUS_TABLE:
        if (
            row.first <= status <= row.last
            and (not row.methods or method in row.methods)
            and re.search(row.pattern, message, re.IGNORECASE | re.DOTALL)
        ):
            return row.error(message, method=method, uri=uri, status=status, remedy=row.remedy)
    return UnexpectedAnswer(message or 'unknown HTTP status', method=method, uri=uri, status=status)


_TAG = pattern(
    r'<(script|style|title|head)\b[^<>]*>.*?</\1\s*>|<[^<>]*>', re.IGNORECASE | re.DOTALL
)
_CONTAINER = pattern(
    r'<h1[^<>]*>\s*HTTP Status\s+[0-9]*[^\w<>]*([^<>]*)</h1>(?:.*?<b>\s*Message\s*</b>(.*?)</p>)?',
    re.IGNORECASE | re.DOTALL,
)
"""Title and message of a page of Tomcat, whose ``<h3>`` is its own name."""
_HEADING = pattern(r'<h3[^<>]*>(.*?)</h3>', re.IGNORECASE | re.DOTALL)
_SEARCHED = 8192
"""Bytes of a response that are searched for a message; bounds the cost of a hostile page."""

MESSAGE_LENGTH = 500
"""Maximum length, in characters, of a message taken from a response."""


def server_message(body: bytes, reason: str = '') -> str:
    """Extract the server's own words from the HTML page or the JSON around them.

    XNAT puts its message into the reason phrase and into an ``<h3>`` of a small page; a servlet
    container writes a page of its own with a paragraph for the message; plug-ins below ``/xapi``
    send an object with a ``message``.

    Parameters
    ----------
    body : bytes
        Body of the response, of which the first 8,192 bytes are searched.
    reason : str
        Reason phrase, used when the body has no text.

    Returns
    -------
    str
        Plain text, at most `MESSAGE_LENGTH` characters.
    """
    text = _json_message(body[:_SEARCHED]) or body[:_SEARCHED].decode('utf-8', 'replace')
    container, heading = _CONTAINER.search(text), _HEADING.search(text)
    if container:
        text = ': '.join(part for part in container.groups() if part)
    elif heading and heading.group(1).strip():
        text = heading.group(1)
    words = ' '.join(html.unescape(_TAG.sub(' ', text)).split())
    return (words or reason)[:MESSAGE_LENGTH]


def _json_message(body: bytes) -> str:
    """Return the ``message`` of a JSON object.

    Empty if the body is none, or has none.
    """
    if not body.lstrip().startswith(b'{'):
        return ''
    try:
        message = json.loads(body).get('message')
    except ValueError:
        return ''
    return message if isinstance(message, str) else ''
