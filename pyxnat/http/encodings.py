"""Content codings: decompression of bodies, and files that are stored compressed.

No request allows compression. Some gateways compress all the same, and some servers (Apache's
mod_mime) declare the compression of a stored ``.gz`` file as a coding of the response.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping

__all__ = ['coding_of', 'decompress', 'decompress_begin', 'has_own_coding', 'is_known']

_KNOWN = frozenset({'gzip', 'x-gzip', 'deflate'})
_GZIP_OR_ZLIB = 47
"""Window size for zlib: gzip or zlib, by the header of the data."""
_GZIP = ('.gz', '.tgz', '.svgz')
_BZIP2 = ('.bz2', '.tbz', '.tbz2')
_SUFFIXES = {
    'gzip': _GZIP,
    'x-gzip': _GZIP,
    'compress': ('.z', '.taz'),
    'x-compress': ('.z', '.taz'),
    'bzip2': _BZIP2,
    'x-bzip2': _BZIP2,
    'x-bzip': _BZIP2,
    'xz': ('.xz', '.txz'),
    'x-xz': ('.xz', '.txz'),
    'zstd': ('.zst', '.tzst'),
    'br': ('.br',),
}
"""Coding -> suffixes of files that are stored with it."""


def coding_of(headers: Mapping[str, str]) -> str:
    """Return the ``Content-Encoding``; empty for none.

    >>> coding_of({'content-encoding': 'GZip'}), coding_of({'content-encoding': 'identity'})
    ('gzip', '')
    """
    coding = headers.get('content-encoding', '').strip().lower()
    return '' if coding == 'identity' else coding


def is_known(coding: str) -> bool:
    """Return whether `decompress` knows a coding."""
    return coding in _KNOWN


def has_own_coding(name: str, coding: str) -> bool:
    """Return whether a file of this name is usually stored with a coding.

    Parameters
    ----------
    name : str
        Name or URI of the file.
    coding : str
        As `coding_of` returns it.

    Examples
    --------
    >>> has_own_coding('scan.nii.gz', 'gzip'), has_own_coding('scan.nii', 'gzip')
    (True, False)
    """
    return name.lower().endswith(_SUFFIXES.get(coding, ()) or ('\0',))


def decompress_begin(first: bytes, most: int) -> bytes:
    """Return the begin of a decompressed body; empty if it is damaged or too short.

    Parameters
    ----------
    first : bytes
        Begin of the compressed body.
    most : int
        Limit of the result in bytes.
    """
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(first, most)
    except zlib.error:
        return b''


def decompress(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield a body decompressed; several members of gzip are one body.

    Parameters
    ----------
    pieces : iterable of bytes
        The body as sent.
    size : int
        Largest piece to yield, in bytes.

    Raises
    ------
    ValueError
        The data is damaged, or ends too early.
    """
    inflater, has_begun = zlib.decompressobj(_GZIP_OR_ZLIB), False
    for piece in pieces:
        left = piece
        while left:
            if inflater.eof:
                left = left.lstrip(b'\0')  # padding, as gzip takes it
                if not left:
                    break
                inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
            has_begun = True
            try:
                inflated = inflater.decompress(left, size)
            except zlib.error as error:
                raise ValueError(f'its compression is damaged ({error})') from error
            if inflated:
                yield inflated
            left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if has_begun and not inflater.eof:
        raise ValueError('its compression ends too early')
