"""Bulk download of the files below a selection, verified and resumable."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ... import errors
from ...cache import Incoming
from ...files.disk import (
    CHUNK,
    PART,
    alike,
    digest_of,
    http_time,
    names_on,
    publish,
    remove_older,
    temporaries_in,
)
from ...files.unzip_stream import Unzipping, unzip
from ...http.download import Expected, fetch
from ...http.progress import progress_bar
from ...model import uris
from ...query.layouts import LAYOUT, Layout, check_places
from ...query.paths import read
from ...resources.host import Host
from ..isolation import some_names
from ..offline import CachedFiles, check_cached
from .arrangement import Arrangement
from .documents import SelectedDocument, fetch_documents
from .manifest import MANIFEST, Manifest, lock_folder
from .pieces import Single, Zipped, plan_pieces
from .report import Report
from .sidecar import FileNote, Sidecar
from .wanted import Only, RemoteFile, Scope, files_below, list_files, scope_of
from .workers import Stopped, WorkerPool, check_compression, is_fatal

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ['EXISTING', 'Downloader', 'download', 'rehearse']

_CLOCK_STEP_S = 0.01
"""Most seconds that the times of files may be behind the clock."""

EXISTING = ('refresh', 'keep', 'replace', 'error')
"""Treatments of files that exist already."""


def download(
    interface: Host,
    selection: Any,
    dest: str | os.PathLike[str],
    *,
    layout: str | Arrangement,
    jobs: int,
    existing: str,
    compression: int,
    progress: bool | None,
    only: Sequence[str] = (),
) -> Report:
    """Download the files below an element or a collection.

    Parameters
    ----------
    selection : Element or Collection
        Parent of the files.
    only : sequence of str
        IDs, labels or types of the elements of the collection to download; all if empty.
    layout : str or Arrangement
        Layout, or another arrangement of the files.
    dest, jobs, existing, compression, progress
        As in :meth:`pyxnat.resources.bulk.Downloadable.download`.
    """
    if existing not in EXISTING:
        raise errors.ProgrammingError(
            f'existing={existing!r} is not known', remedy=f'Use one of: {", ".join(EXISTING)}.'
        )
    check_compression(compression)
    plan = layout if isinstance(layout, Arrangement) else Arrangement(Layout(layout))
    folder = _folder(dest)
    downloader = Downloader(
        interface, folder, Report('downloaded', f'to {folder}'), jobs, compression
    )
    files = plan.files(selection)
    limit = Only(selection.level.plural, frozenset(only)) if only else None
    document = SelectedDocument(selection)
    everything = list(list_files(files, plan.layout, limit, document))
    listed = plan.arrange(everything, folder)
    if limit and not everything:
        raise errors.NotFoundError(
            f'there are no files of {", ".join(only)}', remedy='Check the IDs or types.'
        )
    may_collide = _may_collide(listed, plan.own)
    folder.mkdir(parents=True, exist_ok=True)
    if may_collide:
        check_places(_places(listed), plan.own, names_on(folder))
    with lock_folder(folder) as is_only_run:
        began = time.time() - _CLOCK_STEP_S
        plan.prepare(folder, listed)
        sidecar = Sidecar(folder)
        if existing != 'replace':
            _check_sources(folder, listed, sidecar.files())
        labels = fetch_documents(document, sidecar, downloader)
        sidecar.write_files(_notes(listed, labels))
        missing = downloader.find_missing(listed, existing)
        if is_only_run:
            downloader.remove_temporaries(missing, began)
            sidecar.remove_temporaries(began)
        with progress_bar(sum(file.size or 0 for file in missing), 'B', progress) as bar:
            downloader.run(missing, everything, scope_of(files, limit), bar)
        plan.complete(folder, downloader.report)
    return downloader.report.finish()


def rehearse(interface: Host, selection: Any) -> None:
    """Make all requests of a download but those of files, which fills the cache.

    Parameters
    ----------
    interface : Host
        Interface of the server.
    selection : Element or Collection
        Parent of the files.
    """
    list(list_files(files_below(selection), Layout(LAYOUT)))
    with tempfile.TemporaryDirectory() as folder:
        pool = Downloader(interface, Path(folder), Report('rehearsed'), 1)
        fetch_documents(SelectedDocument(selection), Sidecar(Path(folder)), pool)
    pool.report.check()


def _check_sources(
    folder: Path, listed: Iterable[RemoteFile], notes: Mapping[str, FileNote]
) -> None:
    """Check that no file of another element is in the place of a file.

    Raises
    ------
    DataError
        Such a file is there, with other content.
    """
    others = [
        file
        for file in listed
        if file.place in notes
        and _is_other(file, notes[file.place])
        and (folder / file.place).is_file()
        and not (file.md5 and digest_of(folder / file.place) == file.md5)
    ]
    if others:
        first = others[0]
        raise errors.DataError(
            f'{len(others)} files of the folder are of other elements: {first.place} was '
            f'{notes[first.place].uri}, not {first.uri}',
            uri=str(folder),
            remedy='Give another folder, or a layout= that tells them apart; '
            "existing='replace' replaces them.",
        )


def _is_other(file: RemoteFile, note: FileNote) -> bool:
    """Return whether a file is not the one of a note, as far as both have labels."""
    names = file.above.keys() & note.above.keys()
    return (file.label, file.path) != (note.resource, note.path) or any(
        file.above[name] != note.above[name] for name in names
    )


def _notes(
    listed: Iterable[RemoteFile], labels: Mapping[tuple[str, str], dict[str, str]]
) -> Iterator[FileNote]:
    """Yield the lines of files in the notes, with labels that only documents have."""
    found: dict[str, dict[str, str]] = {}
    for file in listed:
        if file.resource not in found:
            above = dict(file.above)
            for step in read(file.resource) if labels else ():
                above = {**labels.get((step.level, step.name), {}), **above}
            found[file.resource] = above
        yield FileNote(
            file.place, file.uri, file.label, file.path, found[file.resource], dict(file.notes)
        )


def _folder(dest: str | os.PathLike[str]) -> Path:
    """Return the download folder, after checking that it can be created.

    The check comes before any request.
    """
    folder = Path(os.fsdecode(dest)).expanduser()
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not os.fspath(dest) or not existing.is_dir():
        problem = (
            f'{existing} is not a folder' if os.fspath(dest) else 'the path of the folder is empty'
        )
        raise errors.DataError(
            problem, remedy='Give the path of a folder; it is created if needed.'
        )
    return folder


def _places(listed: Iterable[RemoteFile]) -> Iterator[tuple[str, str]]:
    return ((file.uri, file.place) for file in listed)


def _may_collide(listed: Sequence[RemoteFile], own: Sequence[str]) -> bool:
    """Return whether some file systems take two places for one.

    Raises
    ------
    DataError
        If two files have the same place.
    """
    try:
        check_places(_places(listed), own, alike)
    except errors.DataError:
        check_places(_places(listed), own)
        return True
    return False


class Downloader(WorkerPool):
    """Run of one download.

    Parameters
    ----------
    interface : Host
        Interface of the server.
    folder : Path
        Destination.
    report : Report
        Receives successes and failures.
    jobs : int
        Number of threads.
    compression : int
        0 for zips without compression, else with; XNAT has no levels.
    """

    def __init__(
        self, interface: Host, folder: Path, report: Report, jobs: int, compression: int = 0
    ) -> None:
        super().__init__(report, jobs, interface.connection.transport)
        self._compression = compression
        self._host = interface
        self._folder = folder
        self._manifest = Manifest(folder)
        self._created: set[Path] = set()
        self._verified: dict[str, str] = {}
        self._publishing: dict[str, str] = {}
        self._cached = CachedFiles(interface.cache)
        self._bar: Any = None
        self._retries: list[RemoteFile] = []

    def find_missing(self, listed: Sequence[RemoteFile], existing: str) -> list[RemoteFile]:
        """Return the files to fetch; report the others as skipped.

        Parameters
        ----------
        listed : sequence of RemoteFile
            All files of the download.
        existing : {'refresh', 'keep', 'replace', 'error'}
            Treatment of files that exist already.

        Raises
        ------
        DataError
            With ``existing='error'``, if files with other content exist.
        """
        states = {file.place: self._state(file, existing) for file in listed}
        unclear = [file for file in listed if states[file.place] == 'unclear']
        written = self._manifest.read() if unclear else {}

        def compare(file: RemoteFile) -> None:
            md5 = file.md5 or written.get(file.place, '')  # not all sites list digests
            is_right = md5 and digest_of(self._folder / file.place) == md5
            states[file.place] = 'right' if is_right else 'different'

        self.each(compare, unclear)
        wrong = [file.place for file in listed if states[file.place] == 'different']
        if wrong and existing == 'error':
            problem = f'{len(wrong)} files exist with other content: {some_names(wrong)}'
            raise errors.DataError(
                problem,
                uri=str(self._folder),
                remedy="existing='refresh' replaces them, 'keep' leaves them.",
            )
        for file in listed:
            if states[file.place] == 'right':
                self.report.add_skipped(file.place)
                if file.md5 and existing != 'keep':
                    self._verified[file.place] = file.md5
        return [file for file in listed if states[file.place] != 'right']

    def _state(self, file: RemoteFile, existing: str) -> str:
        """Return ``missing``, ``right``, ``different`` or ``unclear``.

        For ``unclear``, the content must be read.
        """
        try:
            local = (self._folder / file.place).stat()
        except (FileNotFoundError, NotADirectoryError):
            return 'missing'
        if not stat.S_ISREG(local.st_mode):
            return 'missing'
        if existing == 'keep':
            return 'right'
        return (
            'different'
            if existing == 'replace' or file.size not in (None, local.st_size)
            else 'unclear'
        )

    def remove_temporaries(self, missing: Iterable[RemoteFile], before: float) -> None:
        """Remove temporary files that a killed run left.

        Parameters
        ----------
        missing : Iterable[RemoteFile]
            The files whose temporaries are looked for.
        before : float
            Begin of this run, in seconds since 1970: later ones are of runs beside it.
        """
        names: dict[str, list[str]] = {'': [MANIFEST]}
        for file in missing:
            folder, _, name = file.place.rpartition('/')
            names.setdefault(folder, []).append(name)
        for folder in names:
            temporaries = temporaries_in(self._folder / folder)
            prefixes = {f'.{name[:50]}' for name in names[folder]} if temporaries else set()
            for temporary in temporaries:
                if temporary.name.removesuffix(PART).rpartition('.')[0] in prefixes:
                    with suppress(PermissionError):
                        remove_older(temporary, before)

    def run(
        self,
        missing: list[RemoteFile],
        listed: Sequence[RemoteFile],
        scope: Scope,
        bar: Any,
    ) -> None:
        """Fetch missing files, and write the manifest.

        Files that a zip lacks are requested again; singly if a round brings none.

        Parameters
        ----------
        missing, listed, scope
            As in `plan_pieces`.
        bar : object
            Progress bar.

        Raises
        ------
        OfflineError
            The cache is offline, and some files are not on this machine.
        """
        self._bar = bar
        pieces = self._pieces(missing, listed, scope)
        try:
            while pieces:
                self._retries = []
                self.each(self._fetch, pieces)
                brought_none = len(self._retries) == len(missing)
                missing = self._retries
                pieces = (
                    [Single(file) for file in missing]
                    if brought_none
                    else self._pieces(missing, listed, scope)
                )
        except BaseException:
            with suppress(OSError):  # the disk may be full
                self._manifest.rewrite({**self._verified, **self._just_published()})
            raise
        self._manifest.rewrite(self._verified)

    def _pieces(
        self, missing: list[RemoteFile], listed: Sequence[RemoteFile], scope: Scope
    ) -> list[Single | Zipped]:
        """Return the pieces of a download; each file of this machine is a single one.

        Raises
        ------
        OfflineError
            The cache is offline, and some files are not on this machine.
        """
        local: list[Single | Zipped] = []
        remote = []
        for file in missing:
            source = self._find_local(file)
            if source is None:
                remote.append(file)
            else:
                local.append(Single(file, source))
        if remote and self._host.cache.is_offline:
            check_cached(
                [file.place for file in remote], self._host.connection.server + remote[0].uri
            )
        return [*local, *plan_pieces(remote, listed, scope, self._jobs)]

    def _just_published(self) -> dict[str, str]:
        """Return place -> MD5 of files completed during the interruption."""
        places = {place: self._folder / place for place in self._publishing}
        return {
            place: self._publishing[place]
            for place, path in places.items()
            if path.is_file() and digest_of(path) == self._publishing[place]
        }

    def _fetch(self, piece: Single | Zipped) -> None:
        """Make one request; keep the files that a zip lacks for another try."""
        if isinstance(piece, Zipped):
            self._retries += self._fetch_zip(piece)
            return
        try:
            self._fetch_single(piece.file, piece.source)
        except (errors.DatabaseError, OSError) as error:
            self.add_failure(piece.file.place, error)

    def _fetch_single(self, file: RemoteFile, source: Path | None) -> None:
        target = self._prepare_place(file)
        if source is not None:
            self._copy_local(file, source, target)
            return

        def opened(headers: Any) -> AbstractContextManager[Incoming]:
            return self._writing(file, target, http_time(headers.get('last-modified')))

        fetch(self._host.connection.transport, file.uri, opened, Expected(file.size, file.md5))
        self._record(file, target)

    def _find_local(self, file: RemoteFile) -> Path | None:
        """Return the path of a file on the mount or, offline, in the cache.

        None if in neither.
        """
        mount = self._host.transfer.mount
        found = mount.find(file.above, file.label, file.path, file.size) if mount else None
        if found is None and self._host.cache.is_offline:
            found = self._cached.find(file.uri, file.md5)
        return found

    def _copy_local(self, file: RemoteFile, source: Path, target: Path) -> None:
        with (
            source.open('rb') as opened,
            self._writing(file, target, source.stat().st_mtime) as incoming,
        ):
            while piece := opened.read(CHUNK):
                incoming.write(piece)
        self._record(file, target)

    def _fetch_zip(self, zipped: Zipped) -> list[RemoteFile]:
        """Unpack a zip while receiving it; return the files that it lacks.

        If the connection drops, files that were complete are kept.
        """
        find, remaining = (
            lru_cache(1)(zipped.finder().find),
            {file.uri: file for file in zipped.files},
        )

        def length_of(entry: str) -> int | None:
            file = find(entry)
            return file.size if file else None

        uri = uris.with_query(
            zipped.uri, {'format': 'zip', 'compression': 8 if self._compression else 0}
        )
        try:
            with self._host.connection.stream('GET', uri) as stream:
                for entry in unzip(stream, length_of, stream.uri):
                    file = find(entry.name)
                    if file is not None and file.uri in remaining and self._unpack(entry, file):
                        del remaining[file.uri]
        except errors.DatabaseError as error:
            if is_fatal(error):
                raise
        return list(remaining.values())

    def _unpack(self, entry: Unzipping, file: RemoteFile) -> bool:
        """Write a file of a zip; return whether it is done.

        False if size or digest differ from the listing: the file must be fetched again. True also
        for failures to write, which are reported.
        """
        wrong = _WrongContent()
        entry.sums = not file.md5
        try:
            target = self._prepare_place(file)
            with self._writing(file, target) as incoming:
                for piece in entry:
                    incoming.write(piece)
                    if file.size is not None and incoming.size > file.size:
                        raise wrong
                if Expected(file.size, file.md5).differs(incoming.size, incoming.md5):
                    raise wrong
        except _WrongContent:
            return False
        except errors.DatabaseError:
            raise
        except OSError as error:
            self.add_failure(file.place, error)
        else:
            self._record(file, target)
        return True

    @contextmanager
    def _writing(
        self, file: RemoteFile, target: Path, modified: float | None = None
    ) -> Iterator[Incoming]:
        """Open a file that is moved into place when complete.

        The progress bar counts its bytes, and subtracts them if it fails.
        """
        with publish(
            target, modified, before=lambda _: self._record_digest(file, incoming.md5)
        ) as opened:
            incoming = _Watched(opened, self.stopping, self._bar)
            try:
                yield incoming
            except BaseException:
                self._bar.update(-incoming.size)
                raise

    def _prepare_place(self, file: RemoteFile) -> Path:
        target = self._folder / file.place
        if target.parent not in self._created:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._created.add(target.parent)
        return target

    def _record_digest(self, file: RemoteFile, md5: str) -> None:
        """Record the digest of a file before it is moved into place.

        If the listing has none, it is written to the manifest at once: after a kill, the next run
        must recognize the file.
        """
        if file.md5:
            self._publishing[file.place] = file.md5
        else:
            self._manifest.add(file.place, md5)

    def _record(self, file: RemoteFile, target: Path) -> None:
        if file.md5:
            self._verified[file.place] = file.md5
            self._publishing.pop(file.place, None)
        size = file.size if file.size is not None else target.stat().st_size
        self.add_success(file.place, size)


class _Watched(Incoming):
    """File being written; moves the progress bar, and stops with the threads."""

    def __init__(self, file: IO[bytes], stopping: threading.Event, bar: Any) -> None:
        super().__init__(file, None)
        self._stopping, self._bar = stopping, bar

    def write(self, piece: bytes) -> int:
        """Append bytes; raise Stopped if threads must stop."""
        if self._stopping.is_set():
            raise Stopped
        self._bar.update(len(piece))
        return super().write(piece)


class _WrongContent(Exception):
    """A file in a zip differs from the listing in size or digest."""
