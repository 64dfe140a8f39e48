"""Lock files: which items and files a data set has, in lines that a diff can show."""

from __future__ import annotations

from .diff import Change, LockDiff
from .lock import Lock, LockMismatch, Locks

__all__ = ['Change', 'Lock', 'LockDiff', 'LockMismatch', 'Locks']
