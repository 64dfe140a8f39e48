"""The request as handlers get it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO
from urllib.parse import unquote_plus

from werkzeug.datastructures import MultiDict
from werkzeug.formparser import parse_form_data
from werkzeug.wrappers import Request, Response

from ..context import Context
from ..db.access import GUEST
from ..errors import BadRequest, RequestEntityTooLarge

__all__ = ['MAX_FORM', 'Call', 'named_fields', 'parse_query', 'text']

MAX_DOCUMENT = 16 * 2**20
"""Largest size in bytes of a document or of a form with documents; files have no limit."""
MAX_FORM = 2**20
"""Largest size in bytes of the fields of a form, and of any document before a login."""
MAX_FIELDS = 10_000
"""Most fields of a form, as in Tomcat."""
MAX_PARTS = 1_000
"""Most parts of a multipart form with documents."""


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Return the names and values of a query string.

    The first ``=`` separates name and value, so a field path that contains ``=`` must be quoted.

    >>> parse_query('xnat:subjectData/fields/field%5Bname%3Dx%5D/field=1')
    [('xnat:subjectData/fields/field[name=x]/field', '1')]
    """
    pairs = (part.partition('=') for part in raw.split('&') if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


@dataclass(kw_only=True)
class Call(Context):
    """HTTP request with its user, options and archive."""

    request: Request
    base: str = ''
    """First segment of the path: ``data`` or ``xapi``; ``data`` also for ``REST``."""
    names: dict[str, str] = field(default_factory=dict)
    """Segments in braces of the route's pattern, decoded, by name."""
    session: str = ''
    cookies: list[tuple[str, str]] = field(default_factory=list)
    raw_parts: list[str] = field(default_factory=list)
    """Segments below ``/data``, not decoded."""

    @property
    def method(self) -> str:
        """The method; HEAD counts as GET."""
        return 'GET' if self.request.method == 'HEAD' else self.request.method

    @property
    def is_head(self) -> bool:
        """Whether it is a HEAD request."""
        return self.request.method == 'HEAD'

    @property
    def address(self) -> str:
        """Address of the client."""
        return self.request.remote_addr or ''

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, to be read in pieces."""
        return self.request.environ['wsgi.input'] if self._framed else io.BytesIO()

    @property
    def _framed(self) -> bool:
        environ = self.request.environ
        return bool(environ.get('CONTENT_LENGTH')) or bool(environ.get('wsgi.input_terminated'))

    @property
    def has_body(self) -> bool:
        """Whether the request has a body that is not known to be empty."""
        return self._framed and self.request.environ.get('CONTENT_LENGTH') != '0'

    @property
    def mimetype(self) -> str:
        """Type of the body, in lower case, without parameters."""
        return self.request.mimetype

    def document(self) -> bytes:
        """Return the whole body, for documents and forms.

        Raises
        ------
        RequestEntityTooLarge
            Above `MAX_DOCUMENT` bytes; `MAX_FORM` for guests.
        """
        return self._document

    @cached_property
    def _document(self) -> bytes:
        is_form = self.mimetype == 'application/x-www-form-urlencoded'
        most = MAX_FORM if is_form or self.caller is GUEST else MAX_DOCUMENT
        if (self.request.content_length or 0) > most:
            raise _too_large(most)
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > most:
                raise _too_large(most)
        return bytes(found)

    def pieces(self, size: int = 2**18) -> Iterator[bytes]:
        """Yield the body in pieces.

        Parameters
        ----------
        size : int
            Largest number of bytes of a piece.

        Raises
        ------
        BadRequest
            If the connection ends before the body does.
        """
        expected = int(self.request.environ.get('CONTENT_LENGTH') or -1)
        seen = 0
        while piece := self.stream.read(size):
            seen += len(piece)
            yield piece
        if 0 <= expected != seen:
            raise BadRequest(
                f'The body was announced with {expected} bytes and ended after {seen}.'
            )

    def posted_document(self) -> bytes:
        """Return the body, or the first file of a form.

        Raises
        ------
        BadRequest
            For a form without a file.
        """
        if self.mimetype != 'multipart/form-data':
            return self.document()
        files = self.multipart()[1]
        if not files:
            raise BadRequest('The form holds no document.')
        return files[0][2]

    def form(self) -> list[tuple[str, str]]:
        """Return the fields of an urlencoded or multipart body."""
        if self.mimetype == 'multipart/form-data':
            return self.multipart()[0]
        body = self.document()
        if body.count(b'&') > MAX_FIELDS:
            raise RequestEntityTooLarge(f'A form can have {MAX_FIELDS} fields.')
        return parse_query(body.decode('utf-8', 'replace'))

    def multipart(self) -> tuple[list[tuple[str, str]], list[tuple[str, str, bytes]]]:
        """Return the fields and files of a multipart body, read into memory.

        Returns
        -------
        tuple[list[tuple[str, str]], list[tuple[str, str, bytes]]]
            The fields as (name, value), and the files as (file name, media type, content).

        Raises
        ------
        BadRequest
            If the form is malformed.
        RequestEntityTooLarge
            If it is too large, or has too many parts.
        """
        environ = {**self.request.environ, 'wsgi.input': io.BytesIO(self.document())}
        _, fields, files = parse_form_data(
            environ, max_form_memory_size=MAX_FORM, max_form_parts=MAX_PARTS
        )
        parts = [
            (part.filename or '', part.mimetype, part.read()) for _, part in files.items(multi=True)
        ]
        return named_fields(fields), parts


def named_fields(fields: MultiDict[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a multipart form.

    Raises
    ------
    BadRequest
        If a part has no name.
    """
    found = list(fields.items(multi=True))
    if any(name is None for name, _ in found):
        raise BadRequest('A part of the form has no name.')
    return found


def _too_large(most: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f'The document is larger than {most} bytes.')


def text(body: str = '', status: int = 200, mimetype: str = 'text/plain') -> Response:
    """Return a text as a response in Latin-1, like XNAT's.

    Characters outside Latin-1 become question marks.

    Parameters
    ----------
    body : str
        The text.
    status : int
        HTTP status.
    mimetype : str
        Media type.
    """
    return Response(
        body.encode('latin-1', 'replace'),
        status=status,
        content_type=f'{mimetype};charset=ISO-8859-1',
    )
