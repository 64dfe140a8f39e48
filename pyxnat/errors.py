"""Every error the library raises.

The names are those of the Python database API (PEP 249)::

    Warning
    Error
    ├── InterfaceError                  the library was called or set up wrongly; nothing was asked
    │   ├── ConfigurationError          no server, no credentials, an unusable configuration
    │   └── NoElementError              a collection has none at that place   (also IndexError)
    └── DatabaseError                   what came back from, or never reached, the server
        ├── OperationalError            not the caller's fault
        │   ├── NetworkError            no connection, or one that broke      (also ConnectionError)
        │   │   ├── OfflineError        not in the cache, and nothing is asked while it is offline
        │   │   ├── TransferError       an answer that was cut or does not match what was announced
        │   │   └── NetworkTimeout      no answer in time                     (also TimeoutError)
        │   ├── AuthenticationError     the login is wrong, or its session ended and cannot be renewed
        │   ├── PermissionDenied        the login may not do this             (also PermissionError)
        │   ├── BusyError               the server refuses work for now
        │   └── UnexpectedAnswer        a web page, or another thing that is not what was asked for
        ├── DataError                   a value or a file that is not as it should be
        │   └── NotFoundError           the server has no such thing, or hides it
        │       └── PipelineNotFoundError   the project has no such pipeline
        ├── IntegrityError              in conflict with what the server has
        │   └── DuplicateError          a file, label or ID that is there already
        ├── InternalError               the server failed
        ├── ProgrammingError            a path, criterion, name or request that cannot be
        └── NotSupportedError           the server, or its version, cannot do this

A `DatabaseError` carries ``uri``, ``method``, ``status`` (`None` where no answer came), ``message`` (the server's own words) and ``remedy``;
its text has them all. :data:`STATUS_TABLE` is the one place where answers become errors.
"""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple

__all__ = [
    'MESSAGE_LENGTH',
    'STATUS_TABLE',
    'AuthenticationError',
    'BusyError',
    'ConfigurationError',
    'DataError',
    'DatabaseError',
    'DuplicateError',
    'Error',
    'IntegrityError',
    'InterfaceError',
    'InternalError',
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
    'Warning',
    'from_status',
    'server_message',
    'without_secrets',
]


_SECRETS = re.compile(
    r'(?P<token>/services/tokens/(?:validate|invalidate)/[^/?]+/)[^/?]+|(?P<name>[?&](?:j_)?(?:password|secret|signature|x-amz-[a-z-]+)=)[^&]*',
    re.IGNORECASE,
)


def without_secrets(uri: str) -> str:
    """A URI with the secrets of tokens and passwords taken out, for logs and messages.

    >>> without_secrets('/data/services/tokens/validate/alias/s3cret')
    '/data/services/tokens/validate/alias/…'
    """
    return _SECRETS.sub(lambda found: f'{found["token"] or found["name"]}…', uri)


class Warning(Exception):  # noqa: A001 - PEP 249's name
    """Something to look at that stopped nothing."""


class Error(Exception):
    """Base of all errors of the library."""


class InterfaceError(Error):
    """The library was called or set up wrongly; nothing was asked of the server."""


class ConfigurationError(InterfaceError):
    """No server, no credentials, or a configuration that cannot be used."""


class NoElementError(InterfaceError, IndexError, StopIteration):
    """A collection has no element at that place.

    It is a `StopIteration`, too, because scripts written for pyxnat 1.x expect that of ``collection[0]``.
    """


class DatabaseError(Error):
    """What came back from the server, or never reached it.

    Attributes
    ----------
    message : str
        What happened, in the server's words where it said something.
    uri, method : str or None
        The request.
    status : int or None
        Status of the answer; `None` where there was none.
    remedy : str or None
        What to do about it.
    """

    def __init__(
        self, message: str, *, uri: str | None = None, method: str | None = None, status: int | None = None, remedy: str | None = None
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
        return f'{text.rstrip(".")}. {self.remedy}' if self.remedy else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[DatabaseError], args: tuple[Any, ...], state: dict[str, Any]) -> DatabaseError:
    error = cls(*args)
    error.__dict__.update(state)
    return error


class OperationalError(DatabaseError):
    """The operation failed for a reason outside the caller's program."""


class NetworkError(OperationalError, ConnectionError):
    """No connection to the server, or one that broke."""


class OfflineError(NetworkError):
    """The cache is offline, and what was asked for is not in it."""


class TransferError(NetworkError):
    """An answer that was cut short, or does not match what was announced."""


class NetworkTimeout(NetworkError, TimeoutError):
    """No connection, or no further byte, in the time allowed."""


class AuthenticationError(OperationalError):
    """The login is wrong, or its session ended and cannot be renewed."""


class PermissionDenied(OperationalError, PermissionError):
    """The login may not do this."""


class BusyError(OperationalError):
    """The server is starting, overloaded or behind a gateway that cannot reach it."""


class UnexpectedAnswer(OperationalError):
    """A web page or another thing that is not what was asked for."""


class DataError(DatabaseError):
    """A value or a file that is not as it should be."""


class NotFoundError(DataError):
    """The server has no such thing, or hides it from this login."""


class PipelineNotFoundError(NotFoundError):
    """The project has no such pipeline."""


class IntegrityError(DatabaseError):
    """In conflict with what the server has."""


class DuplicateError(IntegrityError):
    """A file, label or ID that is there already."""


class InternalError(DatabaseError):
    """The server failed."""


class ProgrammingError(DatabaseError):
    """A path, criterion, name or request that cannot be."""


class NotSupportedError(DatabaseError):
    """The server, or its version, cannot do this."""


class StatusRow(NamedTuple):
    """One row of :data:`STATUS_TABLE`; the first row that fits an answer names its class."""

    first: int
    last: int
    pattern: str
    """Regular expression searched in the server's message, case ignored; empty fits every message."""
    error: type[DatabaseError]
    remedy: str


_LOGIN = 'Check user and password (or token); a login of another provider needs provider=.'
_AGAIN = 'Try again later; if it stays so, tell the administrator of the server.'

STATUS_TABLE: tuple[StatusRow, ...] = (
    StatusRow(300, 399, r'', UnexpectedAnswer, 'The server sends elsewhere: check the URL (http or https, context path such as /xnat).'),
    StatusRow(400, 409, r'exists.*overwrite', DuplicateError, "overwrite='append' adds to what is there, 'delete' replaces it."),
    StatusRow(400, 400, r'', ProgrammingError, 'A name or value of the request is not one the server accepts.'),
    StatusRow(401, 401, r'', AuthenticationError, _LOGIN),
    StatusRow(403, 403, r'password .*expired|expired .*password', AuthenticationError, 'Log in on the web site and change the password.'),
    StatusRow(403, 403, r'', PermissionDenied, 'Ask an owner of the project for the right.'),
    StatusRow(404, 404, r'', NotFoundError, 'Check the spelling; what this login may not see is hidden in the same way.'),
    StatusRow(405, 405, r'', NotSupportedError, 'The server does not offer this method there.'),
    StatusRow(407, 407, r'', AuthenticationError, 'The proxy wants a login: give it in the URL of the proxy.'),
    StatusRow(408, 408, r'', NetworkTimeout, _AGAIN),
    StatusRow(409, 409, r'', DuplicateError, 'Choose another name, or change the element that has it.'),
    StatusRow(410, 410, r'', NotFoundError, 'What was there has expired: ask for it anew.'),
    StatusRow(413, 414, r'', ProgrammingError, 'Ask for, or send, less in one request.'),
    StatusRow(416, 416, r'', TransferError, 'The file changed on the server: fetch it anew.'),
    StatusRow(429, 429, r'', BusyError, _AGAIN),
    StatusRow(400, 499, r'', ProgrammingError, 'A name, value or type of the request is not one the server accepts.'),
    StatusRow(501, 501, r'', NotSupportedError, 'This server cannot do it.'),
    StatusRow(502, 504, r'', BusyError, _AGAIN),
    StatusRow(500, 599, r'', InternalError, 'If the request was right, tell the administrator of the server.'),
)
"""(status, message) -> class and remedy. Statuses are those in use in XNAT's REST application and in front of it (gateways)."""


def from_status(status: int, message: str, *, method: str | None = None, uri: str | None = None) -> DatabaseError:
    """The error for an answer that was a refusal.

    A status no row names (1xx, 600, …) gives `UnexpectedAnswer`.
    """
    for row in STATUS_TABLE:
        if row.first <= status <= row.last and re.search(row.pattern, message, re.IGNORECASE | re.DOTALL):
            return row.error(message, method=method, uri=uri, status=status, remedy=row.remedy)
    return UnexpectedAnswer(message or 'a status that HTTP does not know', method=method, uri=uri, status=status)


_TAG = re.compile(r'<(script|style|title|head)\b[^<>]*>.*?</\1\s*>|<[^<>]*>', re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r'<h3[^<>]*>(.*?)</h3>', re.IGNORECASE | re.DOTALL)
_SEARCHED = 8192
"""How many bytes of an answer are searched for a message: a bound on what a hostile page costs."""

MESSAGE_LENGTH = 500
"""Longest message, in characters, that is taken out of an answer."""


def server_message(body: bytes, reason: str = '') -> str:
    """The server's own words, taken out of the HTML page it wraps them in.

    XNAT puts its message both into the reason phrase and into an ``<h3>`` of a small page; a servlet container into a larger one.
    """
    text = body[:_SEARCHED].decode('utf-8', 'replace')
    heading = _HEADING.search(text)
    if heading and heading.group(1).strip():
        text = heading.group(1)
    words = ' '.join(html.unescape(_TAG.sub(' ', text)).split())
    return (words or reason)[:MESSAGE_LENGTH]
