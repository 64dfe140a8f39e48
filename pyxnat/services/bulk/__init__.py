"""Bulk operations: download, upload, insert, map.

Methods of elements and collections call them: ``session.download(folder)``,
``resource.upload(folder)``, ``subjects.insert(rows)``, ``scans.map(function)``.
"""

from .manifest import Verification, verify
from .mapping import Mapped, Outcome
from .report import Failure, Report
from .service import Bulk

__all__ = ['Bulk', 'Failure', 'Mapped', 'Outcome', 'Report', 'Verification', 'verify']
