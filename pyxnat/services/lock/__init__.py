"""Lock files: the items and files of a data set, in lines that a diff can show."""

from __future__ import annotations

from .diff import Change, LockDiff
from .lock import Lock, LockMismatch, Locks

__all__ = ['Change', 'Lock', 'LockDiff', 'LockMismatch', 'Locks']
