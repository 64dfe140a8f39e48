"""Mirror of projects in a folder."""

from __future__ import annotations

from .mirror import Mirror, Status
from .puller import PullReport
from .push_plan import PushPlan, Step
from .state import Conflict

__all__ = ['Conflict', 'Mirror', 'PullReport', 'PushPlan', 'Status', 'Step']
