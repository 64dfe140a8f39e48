"""Result of an import in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...resources.imported import ARCHIVED
from .journal import Skipped

__all__ = ['INCOMPLETE', 'ImportReport', 'ImportedStudy']

INCOMPLETE = 'INCOMPLETE'
"""Status of a session that lacks files, or has some twice; it is not archived."""


class ImportedStudy(NamedTuple):
    """Result of an import for one session of a study."""

    uri: str
    """URI, starting with ``/data``; empty if the server has none."""
    status: str
    """As that of :class:`pyxnat.resources.imported.Imported`; or ``INCOMPLETE``."""
    element: Any
    """The experiment, or the session in the prearchive; None if the server has none."""
    study: str
    """Its StudyInstanceUID."""
    why: str = ''
    """Reason for a status that is not wanted."""
    missing: tuple[str, ...] = ()
    """Local files of the study that the server lacks."""

    @property
    def ok(self) -> bool:
        """Whether it is complete, and archived or ready to be."""
        return self.status in (ARCHIVED, 'READY') and not self.missing and not self.why


class ImportReport(list[ImportedStudy]):
    """Results of an import, one for each session.

    Parameters
    ----------
    studies : iterable of ImportedStudy
        The sessions.
    skipped : iterable of Skipped
        Files that were not sent.
    sent : int
        Number of files that this run sent.
    earlier : int
        Number of files that earlier runs had sent.

    Attributes
    ----------
    skipped : list of Skipped
    sent, earlier : int
    """

    def __init__(
        self,
        studies: Iterable[ImportedStudy],
        skipped: Iterable[Skipped] = (),
        sent: int = 0,
        earlier: int = 0,
    ) -> None:
        super().__init__(studies)
        self.skipped = list(skipped)
        self.sent, self.earlier = sent, earlier

    @property
    def ok(self) -> bool:
        """Whether all sessions are complete, and archived or ready to be."""
        return all(study.ok for study in self)

    def __str__(self) -> str:
        counts = Counter(study.status for study in self)
        sessions = ', '.join(f'{count} {status}' for status, count in sorted(counts.items()))
        return (
            f'{self.sent} files sent, {self.earlier} were sent earlier, {len(self.skipped)} '
            f'skipped; sessions: {sessions or "none"}'
        )
