"""Bulk upload: a folder's files into the resources that its layout names, verified, and none of them twice."""

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
from ...http.upload_body import check_names
from ...model import uris
from ...model.levels import children, level
from ...query.layouts import Layout, default_for
from ...query.row_owner import own_rows
from ...resources.base import as_name
from ...resources.files import about_upload
from ...resources.host import Host
from ...tables.table import Row
from .members import Member, Source, members_of
from .pieces import BIG, MOST_ZIPPED
from .report import Report
from .wanted import files_below
from .workers import Stopped, Undertaking, check_compression, is_final, meter

__all__ = ['Uploading', 'upload']

log = logging.getLogger('pyxnat.services.bulk')

_FILE = level('files')
_SIDES = {'in': 'in_resource', 'out': 'out_resource'}
_ABOVE = ('project', 'subject', 'experiment', 'scan', 'assessor', 'reconstruction')

_DEPTHS = {'projects': 1, 'subjects': 2, 'experiments': 3}

_Files = dict[str, Member]
"""Path below a resource -> what is to be its content."""


def upload(
    interface: Host,
    target: Any,
    source: Source,
    *,
    layout: str | None,
    overwrite: bool,
    jobs: int,
    compression: int,
    progress: bool | None,
    params: Mapping[str, Any],
) -> Report:
    """Upload files below an element. See :meth:`pyxnat.resources.bulk.Uploadable.upload`."""
    check_compression(compression)
    plan = Layout(layout or default_for(target.level.plural))
    grouped = _by_resource(target, plan, members_of(source))
    sending = Uploading(interface, Report('uploaded', f'to {target.path_name}'), jobs, overwrite, compression, dict(params))
    holes = sending.missing(grouped)
    with meter(sum(member.path.stat().st_size for files in holes.values() for member in files.values()), 'B', progress) as bar:
        sending.run(holes, bar)
    return sending.report.end()


def _by_resource(target: Any, layout: Layout, members: Iterable[Member]) -> dict[Any, _Files]:
    """Resource -> its files. What the layout does not place is an error before anything is sent."""
    if target.level.plural == 'files':
        raise errors.ProgrammingError(f'{target!r} has nothing below it', remedy='Upload to its resource, or put() one file.')
    is_resource = target.level.plural.endswith('resources')
    known = layout.fields & set(_ABOVE[: _DEPTHS.get(target.level.plural, len(_ABOVE))])
    if known or 'path' not in layout.fields or not ('resource' in layout.fields or is_resource):
        what = f'{layout.text} is no layout of what is below {target!r}'
        raise errors.ProgrammingError(
            what, remedy=f'It can be {default_for(target.level.plural)}: from there downwards, with {{resource}} and {{path}}.'
        )
    grouped: dict[Any, _Files] = defaultdict(dict)
    for member in members:
        values = layout.values(member.name)
        if values is None:
            raise errors.DataError(f'{member.path} has no place in the layout {layout.text}', remedy='Give its layout=, or move it elsewhere.')
        as_name(_FILE, values['path'])
        resource = target if is_resource else _resource(target, values)
        other = grouped[resource].setdefault(values['path'], member)
        if other is not member:
            raise errors.DataError(f'{member.path} and {other.path} would be one file', uri=resource.file(values['path']).uri)
    return grouped


def _resource(target: Any, values: Mapping[str, str]) -> Any:
    """The resource that the fields of a place name, below an element."""
    for name in _ABOVE:
        if name not in values:
            continue
        if name not in {row.singular for row in children(target.level.plural)}:
            raise errors.ProgrammingError(f'{target!r} has no {name} below it', remedy='Leave that field out of the layout.')
        target = getattr(target, name)(values[name])
    return getattr(target, _SIDES.get(values.get('side', ''), 'resource'))(values['resource'])


class Uploading(Undertaking):
    """One upload on its way.

    Parameters
    ----------
    overwrite : bool
        Whether files that are there with other content are replaced.
    compression : int
        How hard zips are packed.
    params : dict
        Of each upload: ``format``, ``content``, …, and the types of missing levels above.
    """

    def __init__(self, interface: Host, report: Report, jobs: int, overwrite: bool, compression: int, params: dict[str, Any]) -> None:
        super().__init__(report, jobs, interface.connection.transport)
        self._host = interface
        self._overwrite = overwrite
        self._compression = compression
        self._about, self._types = about_upload(params, overwrite)
        self._digests: dict[Path, str] = {}
        self._errors: dict[str, BaseException] = {}
        self._gates: dict[Any, _Gate] = {}
        self._unseen: dict[Any, set[str]] = {}
        self._bar: Any = None

    def missing(self, grouped: dict[Any, _Files]) -> dict[Any, _Files]:
        """What has to be sent. What is there with other content has failed, unless it may be replaced."""
        listed = self._listed(grouped)
        holes: dict[Any, _Files] = {}
        for resource, files in grouped.items():
            for path, member in files.items():
                row = listed[resource].get(path)
                if uris.why_unreachable(path):
                    self._refuse(resource, path, member)
                elif row is not None and self._is_same(row, member.path):
                    self.report.skip(member.name)
                elif row is not None and not self._overwrite:
                    what, uri = 'a file is there with other content, and was left as it is', resource.file(path).uri
                    self.failed(member.name, errors.DuplicateError(what, uri=uri, remedy='Replace it with overwrite=True.'))
                elif not os.access(member.path, os.R_OK):
                    self.failed(member.name, OSError(errno.EACCES, 'it is gone, or may not be read', str(member.path)))
                else:
                    holes.setdefault(resource, {})[path] = member
        return holes

    def _refuse(self, resource: Any, path: str, member: Member) -> None:
        try:
            check_names([path], resource.uri)
        except errors.DataError as error:
            self.failed(member.name, error)

    def _listed(self, resources: Iterable[Any]) -> dict[Any, dict[str, Row]]:
        """What resources hold: one listing for all scans of a session, one for each other resource."""
        found: dict[Any, dict[str, Row]] = {resource: {} for resource in resources}
        together: dict[Any, list[Any]] = defaultdict(list)
        for resource in found:
            holder = resource.parent()
            together[holder.parent() if holder is not None and holder.level.plural == 'scans' else resource].append(resource)

        def look(several: list[Any]) -> None:
            if len(several) == 1:
                found[several[0]] = self._rows(several[0])
                return
            wanted = {(resource.parent().path_name, resource.path_name): resource for resource in several}
            session = several[0].parent().parent()
            self._unseen[session] = {scan for scan, _ in wanted}
            for file in self._files_of_scans(session):
                scan, row = next(step.name for step in file.steps if step.level == 'scans'), file.row
                self._unseen[session].discard(scan)
                resource = wanted.get((scan, row.get('collection', ''))) or wanted.get((scan, row.get('cat_ID', '')))
                if resource is not None:
                    found[resource][file.path_name] = row

        self.each(look, together.values())
        return found

    def _rows(self, resource: Any) -> dict[str, Row]:
        try:
            return {row['path']: row for row in own_rows(resource.steps, self._host.connection.rows(f'{resource.uri}/files'))}
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

    def run(self, holes: dict[Any, _Files], bar: Any) -> None:
        """Send them, resource by resource, and compare the listings with what was sent."""
        self._bar = bar
        self._gates = {resource.steps[:2]: _Gate() for resource in holes}
        self._make_room()
        self.each(lambda resource: self._send(resource, list(holes[resource].items())), holes)
        listed = self._listed(holes)
        for resource, files in holes.items():
            for path, member in files.items():
                row = listed[resource].get(path)
                if row is not None and self._is_same(row, member.path):
                    self.did(member.name, member.path.stat().st_size)
                else:
                    what = 'the server took it, and keeps other content' if row is not None else 'the server took it, and does not list it'
                    remedy = 'Send it again; see whether this login may write there.'
                    error = errors.TransferError(what, uri=resource.file(path).uri, remedy=remedy)
                    self.failed(member.name, self._errors.get(member.name, error))

    def _make_room(self) -> None:
        """Create scans of which no file was seen, and their sessions, where they are missing, before anything is sent to them in vain."""
        homes: dict[Any, list[Any]] = defaultdict(list)
        for session, scans in self._unseen.items():
            if scans:
                homes[session.steps[:2]].append(session)
        self.each(self._create_scans, homes.values())

    def _create_scans(self, sessions: list[Any]) -> None:
        for session in sessions:
            try:
                there = self._scans_of(session)
                for name in sorted(self._unseen[session] - there):
                    session.scan(name)._create(self._types, {})
            except errors.DatabaseError as error:
                if is_final(error):
                    raise
                log.info('%s: %s', session, error)  # sending there fails as well, and is reported

    def _scans_of(self, session: Any) -> set[str]:
        """The scans that a session has; it is created if it is missing."""
        try:
            return set(session.scans().get())
        except errors.NotFoundError:
            session._create(self._types, {})
            return set()

    def _send(self, resource: Any, files: list[tuple[str, Member]]) -> None:
        """Send what one resource lacks, one request after the other: XNAT keeps one catalogue for it."""
        for bundle in _bundles(files):
            if self.ended.is_set():
                return
            try:
                with self._gates[resource.steps[:2]].passing():
                    self._send_bundle(resource, bundle)
            except (errors.DatabaseError, OSError) as error:
                if is_final(error):
                    raise
                self._errors.update({member.name: error for _, member in bundle})

    def _send_bundle(self, resource: Any, bundle: list[tuple[str, Member]]) -> None:
        send, (path, member) = self._host.transfer.send, bundle[0]
        if len(bundle) == 1:
            with member.path.open('rb') as file:
                watched = _Watched(file, self.ended, self._bar)
                send(resource.file(path), watched, self._about, self._types)
            self._digests[member.path] = watched.md5
            return
        with zips.pack(((path, member.path) for path, member in bundle), self._compression) as packed:
            stoppable = _Stoppable(packed, self.ended)
            name = f'{resource.path_name}.zip'
            send(resource.file(name if uris.is_carried(name) else 'upload.zip'), stoppable, {**self._about, 'extract': True}, self._types)
        self._bar.update(sum(member.path.stat().st_size for _, member in bundle))


class _Stoppable:
    """An open file that is read until all is to end."""

    def __init__(self, file: IO[bytes], ended: threading.Event) -> None:
        self._file, self._ended = file, ended
        self.tell, self.seekable = file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if self._ended.is_set():
            raise Stopped
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere, as to the start for another attempt."""
        return self._file.seek(offset, whence)


class _Watched(_Stoppable):
    """One that is digested on its way; the bar shows what was read of it, each byte once."""

    def __init__(self, file: IO[bytes], ended: threading.Event, bar: Any) -> None:
        super().__init__(file, ended)
        self._bar, self._shown = bar, 0
        self._digest = hashlib.md5(usedforsecurity=False)

    @property
    def md5(self) -> str:
        """Of what was read since somebody went to the start."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = super().read(size)
        self._digest.update(piece)
        new = max(self.tell() - self._shown, 0)
        self._shown += new
        self._bar.update(new)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere, as to the start for another attempt."""
        self._digest = hashlib.md5(usedforsecurity=False)
        return super().seek(offset, whence)


class _Gate:
    """Lets one at a time pass until one has: what is missing above several resources is created once."""

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
    """Big files by themselves, and empty ones; small ones up to a bound."""
    bundle: list[tuple[str, Member]] = []
    size = 0
    for path, member in files:
        added = member.path.stat().st_size
        if added >= BIG or added == 0:
            yield [(path, member)]
            continue
        if bundle and size + added > MOST_ZIPPED:
            yield bundle
            bundle, size = [], 0
        bundle.append((path, member))
        size += added
    if bundle:
        yield bundle
