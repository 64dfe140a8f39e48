"""The repetition time in the header of a NIfTI file."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

__all__ = ['repetition_time']

_MOST = 540
"""Bytes of the longest header."""
_UNITS_S = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""Code of a unit of time -> seconds."""


def repetition_time(path: Path) -> float | None:
    """Return the seconds between two volumes.

    None if the header has none or is no header.
    """
    with path.open('rb') as file:
        try:
            header = (gzip.GzipFile(fileobj=file) if path.name.endswith('.gz') else file).read(
                _MOST
            )
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return None
    for order in '<>':
        for size, pixdim, units in ((348, '8f@76', 'b@123'), (540, '8d@104', 'i@500')):
            if len(header) >= size and _read(header, order, 'i@0')[0] == size:
                step = _read(header, order, pixdim)[4]
                unit = _UNITS_S.get(int(_read(header, order, units)[0]) & 0x38, 1.0)
                return round(step * unit, 6) if step > 0 else None
    return None


def _read(header: bytes, order: str, field: str) -> tuple[float, ...]:
    kind, _, offset = field.partition('@')
    return struct.unpack_from(order + kind, header, int(offset))
