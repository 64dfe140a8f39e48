"""Bulk operations: download, upload, insert, map.

Methods of elements and collections call them: ``session.download(folder)``,
``resource.upload(folder)``, ``subjects.insert(rows)``, ``scans.map(function)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .manifest import Verification, verify
from .report import Failure, Report
from .service import Bulk

if TYPE_CHECKING:
    from .mapping import Mapped, Outcome

__all__ = ['Bulk', 'Failure', 'Mapped', 'Outcome', 'Report', 'Verification', 'verify']


def __getattr__(name: str) -> Any:
    """Load the results of ``map`` on first access."""
    if name not in ('Mapped', 'Outcome'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module('.mapping', __name__), name)
