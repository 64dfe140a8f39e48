"""Mirror of projects in a folder."""

from __future__ import annotations

from .mirror import Mirror, PullReport, Status
from .state import Conflict

__all__ = ['Conflict', 'Mirror', 'PullReport', 'Status']
