"""Decide whether a response fits its request, before a byte of it is used.

`kind_of` gives a request its row of :data:`KINDS`, and `find_fault` compares a response with the
row. Statuses are those of a real XNAT (measured on 1.8.11): it creates with 200 or 201, deletes
with 200, and answers uploads and many other writes with an empty body. Gateways, firewalls and
portals answer with the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .. import errors
from ..patterns import pattern
from .pages import PAGE_BYTES, is_page_name, is_page_type

__all__ = [
    'ANY',
    'KINDS',
    'PART',
    'Fault',
    'Kind',
    'empty_table',
    'file_kind',
    'find_fault',
    'is_plainly_right',
    'kind_of',
]

_READ = frozenset({200})
_WRITTEN = frozenset({200, 201})


class Kind(NamedTuple):
    """A kind of requests, and the responses that are right for it."""

    statuses: frozenset[int] = _READ
    empty: str = 'never'
    """When the body may be empty: ``never``, ``announced`` (as length 0), or ``always``."""
    content: str = ''
    """Format of the body, such as ``json`` or ``file``; empty for any."""
    is_page: bool = False
    """Whether the body may be an HTML page."""
    size: int | None = None
    """Bytes of a file by its listing; `None` if unknown."""

    @property
    def is_of_files(self) -> bool:
        """Whether the body is a file, or an archive of files."""
        return self.content in ('file', 'zip', 'tar')


class Fault(NamedTuple):
    """Why a response does not fit its request."""

    error: type[errors.DatabaseError]
    message: str
    remedy: str
    is_page: bool = False
    """The body is an HTML page, whose words tell more."""


KINDS: dict[str, Kind] = {
    'json': Kind(content='json'),
    'csv': Kind(content='csv'),
    'xml': Kind(content='xml'),
    'zip': Kind(content='zip'),
    'tar': Kind(content='tar'),
    'file': Kind(empty='announced', content='file'),
    'value': Kind(empty='always'),
    'head': Kind(empty='always', is_page=True),
    'search': Kind(content='search'),
    'create': Kind(_WRITTEN, content='id'),
    'write': Kind(_WRITTEN, 'always', 'text'),
    'xapi write': Kind(_WRITTEN | {202, 204}, 'always'),
    'login': Kind(_WRITTEN, content='id'),
}
"""Kind of a request -> the responses that are right for it."""

_PAGE_FILE = KINDS['file']._replace(is_page=True)

ANY = Kind(frozenset(range(100, 600)), 'always', is_page=True)
"""Any response, for callers that look at status and body themselves."""

PART = Kind(frozenset({200, 206}), 'always', 'file', is_page=True)
"""The rest of a file, which the caller compares with its begin."""

_FORMAT = re.compile(r'(?:^|&)format=([^&]*)')
_FORMATS = {
    'json': 'json',
    'csv': 'csv',
    'xml': 'xml',
    'zip': 'zip',
    'tar': 'tar',
    'tar.gz': 'tar',
    'tgz': 'tar',
}
_WITH_ID = re.compile(r'/(?:subjects|experiments|assessors)/[^/]+/?\Z')
"""Paths of elements that get an accession ID, which the response to their PUT names."""
_MAY_BE_EMPTY = '/data/user/cache'
"""Files of a user outside of projects, for whose table XNAT 1.8.11 sends an empty body."""
_MAY_BE_MISSING = 'accept-not-found=true'
_GATEWAY = (
    'Check the URL of the server, and whether a proxy, firewall or portal stands in between; try '
    'again.'
)
_NO_TABLE = (
    'XNAT sends an empty body when a query fails: check that each column belongs to the level and '
    'type, that dates in filters are MM/dd/yyyy, and that the result of the search has not expired.'
)
_BEGINS = {'json': (b'{', b'['), 'xml': (b'<',), 'zip': (b'PK',)}
_DECLARED: dict[str, bytes | tuple[bytes, ...]] = {
    'csv': (),
    'tar': (),
    'zip': b'PK',
    'xml': b'<?xml',
}
"""Contents that are no page by their type, unless they begin like this."""
_STORED = frozenset({'id', 'text'})
"""Contents of responses to writes."""
_ID_BYTES = frozenset(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789{')
_NO_TEXT = pattern(rb'[\x00-\x08\x0e-\x1f\x7f]')
_WORDS = {'json': 'a JSON table of XNAT', 'xml': 'an XML document'}


def kind_of(method: str, uri: str) -> Kind:
    """Return the kind of a request.

    Parameters
    ----------
    method : str
        HTTP method, in capitals.
    uri : str
        Relative to the server.

    Examples
    --------
    >>> kind_of('GET', '/data/projects?format=json').content
    'json'
    """
    path, _, query = uri.partition('?')
    if method == 'GET':
        found = _FORMAT.search(query) if query else None
        name = _FORMATS.get(found[1], '') if found is not None else ''
        if not name and '/files/' in path and path.startswith('/data/'):
            kind = file_kind(path)
        else:
            kind = KINDS['value' if path.startswith(_MAY_BE_EMPTY) else name or 'value']
    elif method == 'HEAD':
        kind = KINDS['head']
    elif method == 'POST' and path == '/data/search':
        kind = KINDS['search']
    elif path.startswith('/xapi/'):
        kind = KINDS['xapi write']
    elif method == 'PUT' and 'label=' not in query and _WITH_ID.search(path) is not None:
        kind = KINDS['create']
    else:
        kind = KINDS['write']
    return kind._replace(statuses=kind.statuses | {204}) if _MAY_BE_MISSING in query else kind


def is_plainly_right(kind: Kind, headers: Mapping[str, str], first: bytes) -> bool:
    """Return whether a response with a right status needs no closer look.

    This is so for nearly all. `find_fault` agrees, but takes longer.

    Parameters
    ----------
    kind : Kind
        Kind of the request.
    headers : mapping
        Headers of the response, names in lower case.
    first : bytes
        First bytes of the body.
    """
    if 'content-encoding' in headers:
        return False
    if not first:
        return kind.empty == 'always'
    content = kind.content
    if content == 'json' or content == 'search':
        return first[0] in b'{['
    if content == 'file':
        return first[0] not in PAGE_BYTES and 'html' not in headers.get('content-type', '')
    return content in _STORED and first[0] in _ID_BYTES


def file_kind(name: str, size: int | None = None) -> Kind:
    """Return the kind of a request for the content of a file.

    Parameters
    ----------
    name : str
        Name or URI of the file.
    size : int, optional
        Its bytes by a listing. A listed file may be anything, its size and digest decide.
    """
    plain = name.removesuffix('.gz')  # its coding may be that of the response
    kind = _PAGE_FILE if is_page_name(plain) else KINDS['file']
    return kind if size is None else kind._replace(size=size)


def find_fault(
    kind: Kind,
    status: int,
    headers: Mapping[str, str],
    first: bytes,
    page: str = '',
    *,
    is_foreign: bool = False,
) -> Fault | None:
    """Return why a response does not fit its request; `None` if it does.

    Parameters
    ----------
    kind : Kind
        Kind of the request.
    status : int
        Status of the response.
    headers : mapping
        Headers of the response, names in lower case.
    first : bytes
        First bytes of the body, decompressed; empty only if the body is.
    page : str
        ``login`` if the body is a page with a login form, ``page`` for any other page.
    is_foreign : bool
        Whether the response lacks the cookie that the other responses of the session set. XNAT
        answers many writes with an empty body; a gateway that does so has done nothing.
    """
    if status not in kind.statuses:
        return _wrong_status(kind, status)
    if status not in _WRITTEN:
        return None  # without a body, or a part that the caller compares
    if not first:
        return _empty(kind, status, headers, is_foreign)
    if _is_wrong_page(kind, headers, first, page):
        return _page_fault(page)
    return _foreign() if is_foreign and kind.content in _STORED else _wrong_content(kind, first)


def _wrong_status(kind: Kind, status: int) -> Fault:
    wanted = ' or '.join(map(str, sorted(kind.statuses)))
    return Fault(errors.UnexpectedAnswer, f'status {status} in place of {wanted}', _GATEWAY)


def _empty(kind: Kind, status: int, headers: Mapping[str, str], is_foreign: bool) -> Fault | None:
    if kind.content == 'file' and kind.size == 0:
        return None
    if is_foreign:
        return _foreign()
    if kind.empty == 'always':
        return None
    if kind.empty == 'announced' and status == 200 and headers.get('content-length') == '0':
        return None
    if kind.content in ('json', 'csv', 'search'):
        return empty_table()
    if kind.content == 'zip':
        return _no_zip()
    return Fault(errors.UnexpectedAnswer, 'the response is empty', _GATEWAY)


def _foreign() -> Fault:
    return Fault(errors.UnexpectedAnswer, 'the response is not from XNAT', _GATEWAY)


def _no_zip() -> Fault:
    return Fault(
        errors.TransferError,
        'the response is not a zip, or is truncated',
        'Try again, or download the files one by one.',
    )


def empty_table() -> Fault:
    """Return the fault of a table without a byte."""
    return Fault(errors.DataError, 'the response is empty instead of a table', _NO_TABLE)


def _is_wrong_page(kind: Kind, headers: Mapping[str, str], first: bytes, page: str) -> bool:
    is_html = is_page_type(headers)
    if kind.content == 'file':
        if kind.size is not None:
            is_other = headers.get('content-length', '') not in ('', str(kind.size))
            return is_other and (bool(page) or is_html)
        return page == 'login' or (not kind.is_page and (bool(page) or is_html))
    if kind.is_page:
        return False
    begin = _DECLARED.get(kind.content)
    return bool(page) or (is_html and begin is not None and not first.startswith(begin))


def _page_fault(page: str) -> Fault:
    if page == 'login':
        return Fault(
            errors.AuthenticationError,
            'the server sent its login page',
            'Check user and password; the session may have ended.',
            True,
        )
    return Fault(
        errors.UnexpectedAnswer,
        'the server sent a web page in place of data',
        'Check the URL of the server (context path such as /xnat?), and whether a proxy or portal '
        'stands in between.',
        True,
    )


def _wrong_content(kind: Kind, first: bytes) -> Fault | None:
    if kind.content == 'id' and _NO_TEXT.search(first):
        return Fault(errors.UnexpectedAnswer, f'not text: {first[:60]!r}', _GATEWAY)
    begins = _BEGINS.get(kind.content)
    if begins is None:
        return None
    text = first if kind.content == 'zip' else first.removeprefix(b'\xef\xbb\xbf').lstrip()
    if not text or text.startswith(begins):
        return None
    if kind.content == 'zip':
        return _no_zip()
    return Fault(
        errors.UnexpectedAnswer,
        f'not {_WORDS[kind.content]}: {first[:60]!r}',
        _GATEWAY,
    )
