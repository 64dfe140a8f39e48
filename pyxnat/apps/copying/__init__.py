"""Copy projects, subjects and sessions from one site to another."""

from __future__ import annotations

from .engine import CopyReport, copy_items

__all__ = ['CopyReport', 'copy_items']
