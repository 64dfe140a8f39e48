"""Bulk upload of files into resources, verified and resumable."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ... import errors
from ...files import zips
from ...files.disk import digest_of
from ...http.progress import progress_bar
from ...http.upload_body import check_names
from ...model import uris
from ...model.item_xml import bundled
from ...model.levels import LEVELS, Level, depth, level
from ...query.layouts import Layout, default_for
from ...query.row_owner import own_rows
from ...resources.base import as_name
from ...resources.files import about_upload
from ...resources.host import Host
from ...tables.table import Row
from ..isolation import Divided
from .arrangement import Grouping
from .members import Member, Source, check_is_no_download, members_of, sidecar_of
from .pieces import BIG, MOST_ZIPPED
from .places import by_notes, removed_files, resource_below
from .report import Report
from .restore import Restorer
from .wanted import files_below
from .workers import Stopped, WorkerPool, check_compression, is_fatal

__all__ = ['Uploader', 'upload']

log = logging.getLogger('pyxnat.services.bulk')

_FILE = level('files')
_ABOVE = tuple(row for row in LEVELS if row.layout_doc)

_Files = dict[str, Member]
"""Path below a resource -> local file."""


def upload(
    interface: Host,
    target: Any,
    source: Source,
    *,
    layout: str | Grouping | None,
    overwrite: bool,
    jobs: int,
    compression: int,
    progress: bool | None,
    params: Mapping[str, Any],
    dry_run: bool = False,
) -> Report:
    """Upload files below an element.

    Parameters
    ----------
    target : Element
        Parent of the files.
    layout : str, Grouping or None
        Layout, or another division of the files among resources.
    source, overwrite, jobs, compression, progress, params, dry_run
        As in :meth:`pyxnat.resources.bulk.Uploadable.upload`.
    """
    check_compression(compression)
    sidecar = sidecar_of(source) if layout is None else None
    members, unsent = members_of(source, sidecar.files() if sidecar is not None else ())
    if sidecar is not None:
        grouped = by_notes(target, sidecar, members)
    else:
        if layout is None:
            check_is_no_download(source)
        if layout is None or isinstance(layout, str):
            plan = Layout(layout or default_for(target.level.plural))
            grouped = _by_resource(target, plan, members)
        else:
            grouped = layout.group(target, members)
    uploader = Uploader(
        interface,
        Report('to upload' if dry_run else 'uploaded', f'to {target.path_name}'),
        jobs,
        overwrite,
        compression,
        dict(params),
    )
    for entry in unsent:
        error = errors.DataError(entry.why_not, remedy='Rename, replace or remove it.')
        uploader.report.add_failure(entry.name, error)
    if sidecar is not None and not dry_run:
        for place in removed_files(sidecar, members):
            uploader.report.add_note(f'{place} is no longer in the folder')
        restorer = Restorer(interface, target, sidecar, uploader, overwrite)
        restorer.run()
        grouped = _without(grouped, restorer.failed, uploader)
    missing = uploader.find_missing(grouped)
    if dry_run:
        for member in (member for files in missing.values() for member in files.values()):
            uploader.report.add_success(member.name)
        return uploader.report.finish()
    with progress_bar(
        sum(member.path.stat().st_size for files in missing.values() for member in files.values()),
        'B',
        progress,
    ) as bar:
        uploader.run(missing, bar)
    return uploader.report.finish()


def _without(
    grouped: dict[Any, _Files], failed: Mapping[str, errors.DatabaseError], uploader: Uploader
) -> dict[Any, _Files]:
    """Return the files without those below elements that failed; report these."""
    kept = {}
    for resource, files in grouped.items():
        error = next(
            (error for uri, error in failed.items() if resource.uri.startswith(f'{uri}/')), None
        )
        if error is None:
            kept[resource] = files
            continue
        for member in files.values():
            uploader.report.add_failure(member.name, error)
    return kept


def _by_resource(target: Any, layout: Layout, members: Iterable[Member]) -> dict[Any, _Files]:
    """Return resource -> its files.

    Files that do not fit the layout are errors, before anything is sent.
    """
    if target.level.is_file:
        raise errors.ProgrammingError(
            f'{target!r} has nothing below it', remedy='Upload to its resource, or put() one file.'
        )
    is_resource = target.level.is_resource
    known = layout.fields & _fields_above(target.level)
    if known or 'path' not in layout.fields or not ('resource' in layout.fields or is_resource):
        problem = f'{layout.text} is not a layout of files below {target!r}'
        raise errors.ProgrammingError(
            problem,
            remedy=f'Give one such as {default_for(target.level.plural)}: levels below it only, '
            f'with {{resource}} and {{path}}.',
        )
    grouped: dict[Any, _Files] = defaultdict(dict)
    for member in members:
        values = layout.values(member.name)
        if values is None:
            raise errors.DataError(
                f'{member.path} has no place in the layout {layout.text}',
                remedy='Give another layout=, or move the file.',
            )
        as_name(_FILE, values['path'])
        resource = target if is_resource else resource_below(target, values)
        other = grouped[resource].setdefault(values['path'], member)
        if other is not member:
            raise errors.DataError(
                f'{member.path} and {other.path} would be one file',
                uri=resource.file(values['path']).uri,
                remedy='Remove or rename one of them.',
            )
    return grouped


def _fields_above(row: Level) -> set[str]:
    """Return the fields of a layout that an element has by itself."""
    has_parts = depth(row.plural) <= depth('experiments')
    return {
        above.singular
        for above in _ABOVE
        if not has_parts or depth(above.plural) <= depth(row.plural)
    }


class Uploader(WorkerPool):
    """Run of one upload.

    Parameters
    ----------
    interface : Host
        Interface of the server.
    report : Report
        Receives successes and failures.
    jobs : int
        Number of threads.
    overwrite : bool
        Whether to replace files that exist with other content.
    compression : int
        Level of compression of zips, from 0 to 9.
    params : dict
        Query parameters of each upload (``format``, ``content``, …), and the data types of missing
        parents.
    """

    def __init__(
        self,
        interface: Host,
        report: Report,
        jobs: int,
        overwrite: bool,
        compression: int,
        params: dict[str, Any],
    ) -> None:
        super().__init__(report, jobs, interface.connection.transport)
        self._host = interface
        self._overwrite = overwrite
        self._compression = compression
        self._about, self._types = about_upload(params, overwrite)
        self._digests: dict[Path, str] = {}
        self._errors: dict[str, BaseException] = {}
        self._gates: dict[Any, _Gate] = {}
        self._scans_without_files: dict[Any, set[str]] = {}
        self._bar: Any = None

    def find_missing(self, grouped: dict[Any, _Files]) -> dict[Any, _Files]:
        """Return the files to send, and report the others.

        Equal files are skipped. Files with other content are failures unless they are overwritten.
        """
        listed = self._listed(grouped)
        missing: dict[Any, _Files] = {}
        for resource, files in grouped.items():
            for path, member in files.items():
                row = listed[resource].get(path)
                if uris.why_unreachable(path):
                    self._refuse(resource, path, member)
                elif row is not None and self._is_same(row, member.path):
                    self.report.add_skipped(member.name)
                elif row is not None and not self._overwrite:
                    problem, uri = (
                        'the file exists with other content, and was left as it is',
                        resource.file(path).uri,
                    )
                    self.add_failure(
                        member.name,
                        errors.DuplicateError(
                            problem, uri=uri, remedy='Replace it with overwrite=True.'
                        ),
                    )
                elif not os.access(member.path, os.R_OK):
                    self.add_failure(
                        member.name,
                        OSError(
                            errno.EACCES, 'the file is gone or cannot be read', str(member.path)
                        ),
                    )
                else:
                    missing.setdefault(resource, {})[path] = member
        return missing

    def _refuse(self, resource: Any, path: str, member: Member) -> None:
        try:
            check_names([path], resource.uri)
        except errors.DataError as error:
            self.add_failure(member.name, error)

    def _listed(self, resources: Iterable[Any]) -> dict[Any, dict[str, Row]]:
        """Return resource -> path -> row.

        Requests: one listing for all scans of a session, one for each other resource.
        """
        listed: dict[Any, dict[str, Row]] = {resource: {} for resource in resources}
        by_listing: dict[Any, list[Any]] = defaultdict(list)
        for resource in listed:
            holder = resource.parent()
            by_listing[
                holder.parent()
                if holder is not None and holder.level.plural == 'scans'
                else resource
            ].append(resource)

        def fetch_listing(group: list[Any]) -> None:
            if len(group) == 1:
                listed[group[0]] = self._rows(group[0])
                return
            by_names = {
                (resource.parent().path_name, resource.path_name): resource for resource in group
            }
            session = group[0].parent().parent()
            self._scans_without_files[session] = {scan for scan, _ in by_names}
            for file in self._files_of_scans(session):
                scan, row = (
                    next(step.name for step in file.steps if step.level == 'scans'),
                    file.row,
                )
                self._scans_without_files[session].discard(scan)
                resource = by_names.get((scan, row.get('collection', ''))) or by_names.get(
                    (scan, row.get('cat_ID', ''))
                )
                if resource is not None:
                    listed[resource][file.path_name] = row

        self.each(fetch_listing, by_listing.values())
        return listed

    def _rows(self, resource: Any) -> dict[str, Row]:
        try:
            return {
                row['path']: row
                for row in own_rows(
                    resource.steps, self._host.connection.rows(f'{resource.uri}/files')
                )
            }
        except errors.NotFoundError:
            return {}

    @staticmethod
    def _files_of_scans(session: Any) -> Iterator[Any]:
        try:
            yield from files_below(session.scans())
        except errors.NotFoundError:
            return

    def _is_same(self, row: Row, path: Path) -> bool:
        if row['Size'] != str(path.stat().st_size):
            return False
        if not row.get('digest'):
            return True
        if path not in self._digests:
            self._digests[path] = digest_of(path)
        return self._digests[path] == row['digest'].lower()

    def run(self, missing: dict[Any, _Files], bar: Any) -> None:
        """Send files, resource by resource, and verify them by listings.

        Parameters
        ----------
        missing : dict
            Resource -> files to send.
        bar : object
            Progress bar.
        """
        self._bar = bar
        self._gates = {resource.steps[:2]: _Gate() for resource in missing}
        self._create_missing_scans()
        self.each(lambda resource: self._send(resource, list(missing[resource].items())), missing)
        listed = self._listed(missing)
        for resource, files in missing.items():
            for path, member in files.items():
                row = listed[resource].get(path)
                if row is not None and self._is_same(row, member.path):
                    self.add_success(member.name, member.path.stat().st_size)
                else:
                    problem = (
                        'the server accepted it, but has other content'
                        if row is not None
                        else 'the server accepted it, but does not list it'
                    )
                    remedy = 'Upload it again; check that this login may write there.'
                    error = errors.TransferError(
                        problem, uri=resource.file(path).uri, remedy=remedy
                    )
                    self.report.add_failure(member.name, self._errors.get(member.name, error))

    def _create_missing_scans(self) -> None:
        """Create missing scans and sessions, so that no zip is refused.

        Only scans without files in the listing can be missing.
        """
        homes: dict[Any, list[Any]] = defaultdict(list)
        for session, scans in self._scans_without_files.items():
            if scans:
                homes[session.steps[:2]].append(session)
        self.each(self._create_scans, homes.values())

    def _create_scans(self, sessions: list[Any]) -> None:
        for session in sessions:
            try:
                existing = self._scans_of(session)
                new = sorted(self._scans_without_files[session] - (existing or {}).keys())
                types = {**self._type_of_scans(session, existing), **self._types} if new else {}
                for name in new:
                    session.scan(name).create_with_parents(types, {})
            except errors.DatabaseError as error:
                if is_fatal(error):
                    raise
                log.info('%s: %s', session, error)  # the upload will fail as well, and be reported

    @staticmethod
    def _scans_of(session: Any) -> dict[str, str] | None:
        """Return ID -> type of the scans of a session; `None` if it does not exist."""
        try:
            return {scan.id(): scan.row.get('xsiType', '') for scan in session.scans()}
        except errors.NotFoundError:
            return None

    def _type_of_scans(self, session: Any, existing: dict[str, str] | None) -> dict[str, str]:
        """Return the type of new scans.

        It follows that of the others, or of the session. A missing session is created.
        """
        if existing is None:
            session.create_with_parents(self._types, {})
            kind = self._types.get('experiments', session.level.datatype)
        else:
            kind = next(iter(existing.values()), '') or session.datatype()
        return _type_in(kind)

    def _send(self, resource: Any, files: list[tuple[str, Member]]) -> None:
        """Send the files of one resource, one request after the other.

        XNAT keeps one catalogue per resource, and fails on concurrent changes.
        """
        gate = self._gates[resource.steps[:2]]

        def send(bundle: list[tuple[str, Member]]) -> None:
            if self.stopping.is_set():
                raise Stopped
            with gate.passing():
                self._send_bundle(resource, bundle)

        divided = Divided(send, _size_of, self._keep_error)
        for bundle in _bundles(files):
            if self.stopping.is_set():
                return
            divided.send(bundle)

    def _keep_error(self, file: tuple[str, Member], error: Exception) -> None:
        self._errors[file[1].name] = error

    def _send_bundle(self, resource: Any, bundle: list[tuple[str, Member]]) -> None:
        send, (path, member) = self._host.transfer.send, bundle[0]
        if len(bundle) == 1:
            with member.path.open('rb') as file:
                watched = _Watched(file, self.stopping, self._bar)
                about = {**self._about, **dict(member.notes)}
                send(resource.file(path), watched, about, self._types)
            self._digests[member.path] = watched.md5
            return
        with zips.pack(
            ((path, member.path) for path, member in bundle), self._compression
        ) as packed:
            stoppable = _Stoppable(packed, self.stopping)
            name = f'{resource.path_name}.zip'
            send(
                resource.file(name if uris.is_carried(name) else 'upload.zip'),
                stoppable,
                {**self._about, **dict(member.notes), 'extract': True},
                self._types,
            )
        self._bar.update(sum(member.path.stat().st_size for _, member in bundle))


def _size_of(file: tuple[str, Member]) -> int:
    """Return the bytes of a file; 0 if it is gone."""
    try:
        return file[1].path.stat().st_size
    except OSError:
        return 0


def _type_in(kind: str) -> dict[str, str]:
    """Return the type of scans in a session, or beside a scan, of a type.

    >>> _type_in('xnat:petSessionData')
    {'scans': 'xnat:petScanData'}
    """
    scan = kind.replace('SessionData', 'ScanData')
    return {'scans': scan} if scan.endswith('ScanData') and bundled().get(scan) else {}


class _Stoppable:
    """An open file whose reads fail once threads must stop."""

    def __init__(self, file: IO[bytes], stopping: threading.Event) -> None:
        self._file, self._stopping = file, stopping
        self.tell, self.seekable = file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raise Stopped if threads must stop."""
        if self._stopping.is_set():
            raise Stopped
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, as to the start for a retry.

        Parameters
        ----------
        offset, whence : int
            As in :meth:`io.IOBase.seek`.
        """
        return self._file.seek(offset, whence)


class _Watched(_Stoppable):
    """Computes a digest of the bytes read, and moves the progress bar.

    The bar counts each byte once, even if it is read again.
    """

    def __init__(self, file: IO[bytes], stopping: threading.Event, bar: Any) -> None:
        super().__init__(file, stopping)
        self._bar, self._shown = bar, 0
        self._digest = hashlib.md5(usedforsecurity=False)

    @property
    def md5(self) -> str:
        """Digest of the bytes read since the last seek, in hexadecimal."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, with their digest and progress recorded."""
        piece = super().read(size)
        self._digest.update(piece)
        new = max(self.tell() - self._shown, 0)
        self._shown += new
        self._bar.update(new)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, and begin a new digest.

        Parameters
        ----------
        offset, whence : int
            As in :meth:`io.IOBase.seek`.
        """
        self._digest = hashlib.md5(usedforsecurity=False)
        return super().seek(offset, whence)


class _Gate:
    """Lets one thread at a time pass until one has succeeded, then all.

    So a missing parent of several resources is created once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        if self._is_open:
            yield
            return
        with self._lock:
            yield
            self._is_open = True


def _bundles(files: list[tuple[str, Member]]) -> Iterator[list[tuple[str, Member]]]:
    """Yield big and empty files singly, small ones in groups of limited size.

    The files of a group have the same notes, since a request sets them for all its files.
    """
    by_notes: dict[tuple[tuple[str, str], ...], list[tuple[str, Member]]] = defaultdict(list)
    for path, member in files:
        size = _size_of((path, member))
        if size >= BIG or size == 0:
            yield [(path, member)]
        else:
            by_notes[member.notes].append((path, member))
    for alike in by_notes.values():
        yield from _bundles_of_small(alike)


def _bundles_of_small(files: list[tuple[str, Member]]) -> Iterator[list[tuple[str, Member]]]:
    bundle: list[tuple[str, Member]] = []
    size = 0
    for path, member in files:
        added = _size_of((path, member))
        if bundle and size + added > MOST_ZIPPED:
            yield bundle
            bundle, size = [], 0
        bundle.append((path, member))
        size += added
    if bundle:
        yield bundle
