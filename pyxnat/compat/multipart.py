"""Multipart forms, streamed from the open files in them."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import six

from ..errors import InvalidArgument
from ..files.disk import CHUNK
from ..http.body import Body

__all__ = ['Multipart', 'Part', 'parts']


class Part(NamedTuple):
    """A field or a file of a form."""

    name: str
    file_name: str | None
    """`None` for a field."""
    content: Any
    """Text, bytes, a path object or an open file."""
    content_type: str | None = None
    headers: Mapping[str, str] = {}


def parts(given: Any, are_files: bool = False) -> Iterator[Part]:
    """Yield the parts of a form given as ``data=`` or ``files=`` of requests.

    Parameters
    ----------
    given : mapping or iterable of pairs
        Name -> value, as described in :func:`pyxnat.compat.requests_api.request`.
    are_files : bool
        Whether the values are files.
    """
    for name, value in given.items() if isinstance(given, Mapping) else (given or ()):
        if isinstance(value, (tuple, list)) and are_files:
            file_name, content, content_type, headers = (*value, None, None)[:4]
            yield Part(name, file_name, content, content_type, headers or {})
        elif are_files:
            yield Part(name, _name_of(value) or name, value)
        else:
            for item in value if isinstance(value, (tuple, list)) else [value]:
                yield Part(name, None, item if isinstance(item, (bytes, str)) else str(item))


def _name_of(file: Any) -> str | None:
    name = getattr(file, 'name', None)
    return Path(name).name if isinstance(name, str) and not name.startswith('<') else None


class Multipart:
    """A multipart form, read piece by piece from the open files in it.

    Parameters
    ----------
    parts : iterable of Part
        Fields and files.

    Attributes
    ----------
    content_type : str
        Value of its ``Content-Type`` header.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f'multipart/form-data; boundary={boundary}'
        self._pieces: list[Any] = []
        for part in parts:
            self._pieces += [_head(part, boundary), _content(part.content), b'\r\n']
        self._pieces.append(f'--{boundary}--\r\n'.encode())

    def body(self) -> Body:
        """Return the body of the request.

        A seekable file of known length; with a pipe among the parts, an iterator of unknown length.
        """
        if all(isinstance(piece, bytes) or piece.seekable() for piece in self._pieces):
            return _Joined(self._pieces)
        return _flowing(self._pieces)


def _head(part: Part, boundary: str) -> bytes:
    file_name = '' if part.file_name is None else f'; filename="{_escaped(part.file_name)}"'
    lines = [
        f'--{boundary}',
        f'Content-Disposition: form-data; name="{_escaped(part.name)}"{file_name}',
    ]
    lines += [f'Content-Type: {part.content_type}'] if part.content_type else []
    lines += [f'{name}: {value}' for name, value in part.headers.items()]
    if any('\r' in line or '\n' in line for line in lines):
        raise InvalidArgument(
            f'a line break in a header of part {part.name!r}',
            remedy='Remove it from the headers and the content type of the part.',
        )
    return '\r\n'.join([*lines, '', '']).encode()


def _escaped(name: str) -> str:
    return six.ensure_text(name).replace('"', '%22').replace('\r', '%0D').replace('\n', '%0A')


def _content(content: Any) -> Any:
    if isinstance(content, (bytes, bytearray, str)):
        return six.ensure_binary(content) if isinstance(content, str) else bytes(content)
    if isinstance(content, os.PathLike):
        return Path(content).open('rb')
    return content.buffer if isinstance(content, io.TextIOWrapper) else content


def _flowing(pieces: list[Any]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            while content := piece.read(CHUNK):
                yield six.ensure_binary(content)


class _Joined(io.RawIOBase):
    """Concatenation of bytes and open files, as one open file."""

    def __init__(self, pieces: list[Any]) -> None:
        self._files: list[IO[bytes]] = [
            io.BytesIO(piece) if isinstance(piece, bytes) else piece for piece in pieces
        ]
        self._starts = [file.tell() for file in self._files]
        self._sizes = [
            file.seek(0, io.SEEK_END) - start
            for file, start in zip(self._files, self._starts, strict=True)
        ]
        self._at = 0
        self.seek(0)

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position.

        Parameters
        ----------
        offset : int
            Bytes.
        whence : int
            ``io.SEEK_SET`` or ``io.SEEK_END``.
        """
        self._at = offset + (sum(self._sizes) if whence == io.SEEK_END else 0)
        left = self._at
        for file, start, size in zip(self._files, self._starts, self._sizes, strict=True):
            file.seek(start + min(left, size))
            left -= min(left, size)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, all of the same part."""
        for file in self._files:
            piece = six.ensure_binary(file.read(size))
            if piece:
                self._at += len(piece)
                return piece
        return b''
