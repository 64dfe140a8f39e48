"""Download of listed files to chosen places, without further listings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...http.progress import progress_bar
from ...model.rows import size_of
from ...query.paths import uri_of
from ...resources.host import Host
from .download import Downloader
from .report import Report
from .wanted import RemoteFile, Scope

__all__ = ['fetch_listed']

_WHOLE = Scope(whole_resources=True, whole_scans=True, whole_sessions=True)


def fetch_listed(
    interface: Host,
    files: Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    beside: Iterable[Any],
    jobs: int,
) -> Report:
    """Download files that were listed, in zips where these take fewer requests.

    Parameters
    ----------
    interface : Host
        Interface of the server.
    files : mapping of str to File
        Place of each file below the folder; the elements are those of a listing.
    folder : path
        Destination; created if missing.
    beside : iterable of File
        The other files of the same items, from their listings.
    jobs : int
        Number of threads.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    wanted = [_remote_file(file, place) for place, file in files.items()]
    listed = [*wanted, *(_remote_file(file, '') for file in beside)]
    downloader = Downloader(interface, target, Report('downloaded', f'to {target}'), jobs)
    with progress_bar(sum(file.size or 0 for file in wanted), 'B', False) as bar:
        downloader.run(wanted, listed, _WHOLE, bar)
    return downloader.report.finish()


def _remote_file(file: Any, place: str) -> RemoteFile:
    """Return a file of a listing as the engine takes it."""
    steps, row = file.steps, file.row
    at = next((number for number, step in enumerate(steps) if step.level == 'scans'), None)
    session, scan = (uri_of(steps[:at]), steps[at].name) if at is not None else ('', '')
    return RemoteFile(
        file.uri,
        place,
        size_of(row.get('Size', '')),
        row.get('digest', '').lower(),
        uri_of(steps[:-1]),
        session,
        scan,
        row.get('collection') or row.get('cat_ID', ''),
        row['path'],
    )
