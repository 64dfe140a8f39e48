"""Data sets of the Brain Imaging Data Structure (BIDS).

Downloads and derivatives. ``download(layout='bids')`` puts the scans of sessions at the places that
BIDS has for them, and ``upload(layout='bids')`` sends a folder of derivatives to the sessions that
it came from. Both are arrangements of files for :mod:`pyxnat.services.bulk`, which transfers and
verifies them.

Each class is loaded on first access.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrangement import BidsArrangement
    from .derivatives import BidsGrouping

__all__ = ['BidsArrangement', 'BidsGrouping']

_MODULES = {'BidsArrangement': 'arrangement', 'BidsGrouping': 'derivatives'}


def __getattr__(name: str) -> Any:
    """Load a class on first access."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_MODULES[name]}', __name__), name)
