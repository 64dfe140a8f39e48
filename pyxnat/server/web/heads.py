"""Heads of requests: where they end, and a strict parser of RFC 9112.

A head that could be read in two ways is refused, so that no proxy in front of the server can
disagree with it about where a request ends.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from .limits import Limits

__all__ = ['Head', 'HeadError', 'end_of_head', 'parse', 'short_response']

_LINE = re.compile(rb'([!#$%&\'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/(\d)\.(\d)')
_HEADER = re.compile(rb'([!#$%&\'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)')
_BARE = re.compile(rb'(?<!\r)\n|\r[^\n]')
_FIRST = re.compile(rb'\r?\n?[A-Za-z]')
_NUMBER = re.compile(rb'\d{1,18}')
_SLASH = re.compile(rb'(?i)%2f')
_ONCE = frozenset(
    {b'Content-Length', b'Transfer-Encoding', b'Host', b'Expect', b'Content-Type', b'Authorization'}
)
"""Headers that a request may have once."""


class HeadError(Exception):
    """A head that is refused.

    Parameters
    ----------
    status : int
        Status of the response.
    reason : str
        Text of the response.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head(NamedTuple):
    """Parsed request line and headers."""

    method: bytes
    target: bytes
    path: bytes
    """Decoded, except encoded slashes."""
    query: bytes
    version: tuple[int, int]
    headers: dict[bytes, bytes]
    """By name in title case; repeated ones joined with commas."""
    length: int
    """Length of the body; 0 if it is chunked."""
    is_chunked: bool
    keeps_alive: bool
    expects: bool
    """Whether the client waits for ``100 Continue`` before it sends the body."""


def short_response(status: int, reason: str) -> bytes:
    """Return a whole response in plain text that ends the connection.

    Parameters
    ----------
    status : int
        HTTP status.
    reason : str
        Text of the body.
    """
    body = reason.encode()
    head = (
        f'HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain\r\n'
        f'Content-Length: {len(body)}\r\nConnection: close\r\n\r\n'
    )
    return head.encode() + body


def end_of_head(data: bytearray, start: int, limits: Limits) -> int:
    """Return where the head ends in received bytes; 0 if it is not complete.

    Parameters
    ----------
    data : bytearray
        The received bytes.
    start : int
        Number of bytes that were there at the last call.
    limits : Limits
        Largest sizes.

    Raises
    ------
    HeadError
        For a head that is too large, or that cannot be one.
    """
    end = data.find(b'\r\n\r\n', max(0, start - 3))
    length = end if end >= 0 else len(data)
    line = data.find(b'\r\n', 2, limits.request_line + 4)
    if line < 0 and length > limits.request_line:
        raise HeadError(414, f'The request line is longer than {limits.request_line} bytes.')
    if length - line > limits.headers and line >= 0:
        raise HeadError(431, f'The headers are larger than {limits.headers} bytes.')
    if end >= 0:
        return end + 4
    if len(data) > 2 and not _FIRST.match(data):
        raise HeadError(400, 'This is not an HTTP request.')
    if _BARE.search(data, max(0, start - 2)):
        raise HeadError(400, 'Lines of the head must end with CRLF.')
    return 0


def parse(head: bytes) -> Head:
    """Parse a whole head.

    Raises
    ------
    HeadError
        For anything but a valid request in origin form.
    """
    line, *lines = head.removeprefix(b'\r\n')[:-4].split(b'\r\n')
    found = _LINE.fullmatch(line)
    if found is None:
        raise HeadError(400, 'The request line is malformed.')
    method, target = found[1], found[2]
    version = min((int(found[3]), int(found[4])), (1, 1))
    if found[3] != b'1':
        raise HeadError(505, 'This server speaks HTTP/1.1.')
    path, query = _split(method, target)
    headers = _headers(lines)
    length, is_chunked = _framing(headers, version)
    return Head(
        method,
        target,
        path,
        query,
        version,
        headers,
        length,
        is_chunked,
        _keeps_alive(headers.get(b'Connection', b''), version),
        _expects(headers, version),
    )


def _split(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    if method != method.upper():
        raise HeadError(400, 'Methods are written in upper case.')
    if method == b'CONNECT':
        raise HeadError(405, 'This server is not a proxy.')
    if not (target.startswith(b'/') or (method == b'OPTIONS' and target == b'*')):
        raise HeadError(400, 'The request target must begin with a slash.')
    if b'#' in target:
        raise HeadError(400, 'The request target has a fragment.')
    path, _, query = target.partition(b'?')
    # a slash that was sent encoded stays so
    decoded = b'%2F'.join(unquote_to_bytes(part) for part in _SLASH.split(path))
    return decoded if decoded.startswith(b'/') else b'/' + decoded, query


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise HeadError(400, 'A header line is malformed.')
        name, value = match[1].title(), match[2].rstrip(b' \t')
        if b'_' in name:  # would be another header's name in a WSGI environment
            continue
        if name not in found:
            found[name] = value
        elif name in _ONCE:
            raise HeadError(400, f'The header {name.decode()} is repeated.')
        else:
            found[name] += (b'; ' if name == b'Cookie' else b', ') + value
    return found


def _framing(headers: dict[bytes, bytes], version: tuple[int, int]) -> tuple[int, bool]:
    """Return the length of the body, and whether it is chunked."""
    coding, length = headers.get(b'Transfer-Encoding'), headers.get(b'Content-Length')
    if coding is not None:
        if length is not None or version < (1, 1):
            raise HeadError(400, 'The length of the body is given in two ways.')
        if coding.lower() != b'chunked':
            raise HeadError(501, 'The only transfer coding is chunked.')
        return 0, True
    if length is not None and not _NUMBER.fullmatch(length):
        raise HeadError(400, 'The Content-Length is not a number.')
    return int(length or 0), False


def _keeps_alive(connection: bytes, version: tuple[int, int]) -> bool:
    options = [option.strip() for option in connection.lower().split(b',')]
    return b'close' not in options if version == (1, 1) else b'keep-alive' in options


def _expects(headers: dict[bytes, bytes], version: tuple[int, int]) -> bool:
    expected = headers.get(b'Expect')
    if expected is None or version < (1, 1):
        return False
    if expected.lower() != b'100-continue':
        raise HeadError(417, 'The only expectation is 100-continue.')
    return True
