"""Download into a folder in which an interrupted run may have left files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ...services.bulk.manifest import LOCK, MANIFEST
from ...services.bulk.report import Report
from ...services.bulk.sidecar import SIDECAR

__all__ = ['refresh']


def refresh(element: Any, folder: Path, *, jobs: int = 4, progress: bool | None = None) -> Report:
    """Download an element; remove files that it no longer has.

    Files of an earlier run that are the same are not fetched again.

    Parameters
    ----------
    element : Element
        The element.
    folder : Path
        Download folder of this element alone.
    jobs, progress
        As in `download`.

    Returns
    -------
    Report
        Its notes name the files that are gone from the source.
    """
    shutil.rmtree(folder / SIDECAR, ignore_errors=True)  # labels and notes of the earlier run
    report: Report = element.download(folder, jobs=jobs, progress=progress)
    if report.is_complete:
        for name in _remove_others(folder, {*report.ok, *report.skipped}):
            report.add_note(f'{name} is gone from the source')
    return report


def _remove_others(folder: Path, places: set[str]) -> list[str]:
    """Remove all files but those in some places; return the paths of those removed."""
    removed = []
    for path in sorted(folder.rglob('*')):
        place = path.relative_to(folder).as_posix()
        is_own = place.partition('/')[0] in (SIDECAR, MANIFEST, LOCK)
        if not is_own and place not in places and (path.is_symlink() or not path.is_dir()):
            path.unlink()
            removed.append(place)
    return removed
