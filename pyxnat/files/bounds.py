"""Bounds of unpacking: a small zip of a server must not fill the disk.

The environment can raise them: ``PYXNAT_UNPACK_RATIO`` (default 200 bytes for each byte of the
zip, beyond the first GiB) and ``PYXNAT_UNPACK_GB`` (default 1024).
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .. import errors

__all__ = ['ALLOWED_BYTES', 'Bounds']

ALLOWED_BYTES = 2**30
"""Bytes to which the ratio does not apply."""

_RATIO, _TOTAL = 'PYXNAT_UNPACK_RATIO', 'PYXNAT_UNPACK_GB'


class Bounds(NamedTuple):
    """Limits for the content of one zip."""

    ratio: float
    """Bytes for each byte of the zip."""
    total: float
    """Bytes."""

    @classmethod
    def of_environment(cls) -> Bounds:
        """Return the default limits, or those that the environment sets."""
        return cls(_number(_RATIO, 200), _number(_TOTAL, 1024) * 2**30)

    def check(self, size: int, packed: int, uri: str) -> None:
        """Raise an error if a zip unpacks to more than the limits.

        Parameters
        ----------
        size : int
            Bytes unpacked.
        packed : int
            Bytes of the zip so far.
        uri : str
            Source of the zip, for the error text.

        Raises
        ------
        TransferError
            It does.
        """
        name = ''
        if size > self.total:
            name = _TOTAL
        elif size > ALLOWED_BYTES and size > self.ratio * packed:
            name = _RATIO
        if name:
            raise errors.TransferError(
                f'the zip unpacks to more than {size} bytes from {packed}: it may be meant to fill '
                'the disk',
                uri=uri,
                remedy='If its content is right, raise the limit in the environment: '
                f'{name}={_enough(name, size, packed)} or more.',
            )


def _enough(name: str, size: int, packed: int) -> int:
    """Return a value of a limit that admits a zip."""
    return (size // 2**30 if name == _TOTAL else size // max(packed, 1)) * 2 + 1


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, '')
    try:
        return float(text) if text else default
    except ValueError:
        raise errors.ConfigurationError(f'{name}={text!r} is not a number') from None
