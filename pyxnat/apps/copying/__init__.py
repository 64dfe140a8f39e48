"""Copy projects, subjects and sessions from one site to another."""

from __future__ import annotations

from .engine import copy_items
from .report import CopyReport

__all__ = ['CopyReport', 'copy_items']
