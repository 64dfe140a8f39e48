"""One request as the handlers see it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO
from urllib.parse import unquote_plus

from werkzeug.formparser import parse_form_data
from werkzeug.wrappers import Request, Response

from ..context import Context
from ..errors import BadRequest, RequestEntityTooLarge

__all__ = ['Call', 'parse_query', 'text']

MAX_DOCUMENT = 64 * 2**20
"""Bytes of an XML document or a form; files have no limit."""


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Names and values of a query string. The first ``=`` divides, wherever it stands: those of field paths must be quoted.

    >>> parse_query('xnat:subjectData/fields/field%5Bname%3Dx%5D/field=1')
    [('xnat:subjectData/fields/field[name=x]/field', '1')]
    """
    pairs = (part.partition('=') for part in raw.split('&') if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


@dataclass(kw_only=True)
class Call(Context):
    """A request: a question that came over HTTP."""

    request: Request
    base: str = ''
    """First segment of the path: ``data``, ``xapi``; ``data`` for its other name, too."""
    names: dict[str, str] = field(default_factory=dict)
    """Segments that the route has in braces, decoded, by name."""
    session: str = ''
    cookies: list[tuple[str, str]] = field(default_factory=list)
    raw_parts: list[str] = field(default_factory=list)
    """Segments below ``/data`` as they were sent."""

    @property
    def method(self) -> str:
        """The verb; HEAD counts as GET."""
        return 'GET' if self.request.method == 'HEAD' else self.request.method

    @property
    def is_head(self) -> bool:
        """Whether it is a HEAD request."""
        return self.request.method == 'HEAD'

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
        """The whole body, for XML and forms; `RequestEntityTooLarge` above `MAX_DOCUMENT`."""
        return self._document

    @cached_property
    def _document(self) -> bytes:
        pieces, size = [], 0
        for piece in self.pieces():
            size += len(piece)
            if size > MAX_DOCUMENT:
                raise RequestEntityTooLarge('The document is too large.')
            pieces.append(piece)
        return b''.join(pieces)

    def pieces(self, size: int = 2**18) -> Iterator[bytes]:
        """The body in pieces; `BadRequest` if the connection ends before it does."""
        expected = int(self.request.environ.get('CONTENT_LENGTH') or -1)
        seen = 0
        while piece := self.stream.read(size):
            seen += len(piece)
            yield piece
        if 0 <= expected != seen:
            raise BadRequest(f'The body was announced with {expected} bytes and ended after {seen}.')

    def posted_document(self) -> bytes:
        """Return the body, or the first file of a form; `BadRequest` for a form without one."""
        if self.mimetype != 'multipart/form-data':
            return self.document()
        files = self.multipart()[1]
        if not files:
            raise BadRequest('The form holds no document.')
        return files[0][2]

    def form(self) -> list[tuple[str, str]]:
        """The fields of an urlencoded or multipart body."""
        if self.mimetype == 'multipart/form-data':
            return self.multipart()[0]
        return parse_query(self.document().decode('utf-8', 'replace'))

    def multipart(self) -> tuple[list[tuple[str, str]], list[tuple[str, str, bytes]]]:
        """The fields of a multipart body, and its files by name and type. For documents: it is read whole."""
        environ = {**self.request.environ, 'wsgi.input': io.BytesIO(self.document())}
        _, fields, files = parse_form_data(environ, max_form_memory_size=MAX_DOCUMENT)
        parts = [(part.filename or '', part.mimetype, part.read()) for _, part in files.items(multi=True)]
        return list(fields.items(multi=True)), parts


def text(body: str = '', status: int = 200, mimetype: str = 'text/plain') -> Response:
    """A short answer, in Latin-1 as XNAT's are: what that cannot write is a question mark."""
    return Response(body.encode('latin-1', 'replace'), status=status, content_type=f'{mimetype};charset=ISO-8859-1')
