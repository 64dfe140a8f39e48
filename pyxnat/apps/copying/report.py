"""Report of a copy."""

from __future__ import annotations

from ...services.bulk.report import Report

__all__ = ['CopyReport']


class CopyReport(Report):
    """Report of a copy.

    ``ok`` are the units copied, ``skipped`` those that are unchanged.

    Attributes
    ----------
    ids : dict of tuple to str
        Level and accession ID at the source -> accession ID at the destination.
    files : int
        Number of files sent.
    """

    def __init__(self) -> None:
        super().__init__('copied')
        self.ids: dict[tuple[str, str], str] = {}
        self.files = 0
