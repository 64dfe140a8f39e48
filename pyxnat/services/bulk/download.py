"""Bulk download: the files below a selection, into a folder, verified, and none of them twice."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ... import errors
from ...cache import Incoming
from ...files.disk import PART, alike, digest_of, http_time, names_on, publish
from ...files.unzip_stream import Unzipping, unzip
from ...http.download import Expected, fetch
from ...model import uris
from ...query.layouts import Layout, check_places
from ...resources.host import Host
from .manifest import LOCK, MANIFEST, Manifest, running
from .pieces import Single, Zipped, plan_pieces
from .report import Report
from .wanted import Wanted, files_below, scope_of, told_apart, wanted
from .workers import Stopped, Undertaking, check_compression, is_final, meter

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ['EXISTING', 'Downloading', 'download']

_OWN = (MANIFEST, LOCK)

EXISTING = ('refresh', 'keep', 'replace', 'error')
"""What may be done about files that are there already."""


def download(
    interface: Host,
    selection: Any,
    dest: str | os.PathLike[str],
    *,
    layout: str,
    jobs: int,
    existing: str,
    compression: int,
    progress: bool | None,
) -> Report:
    """Download the files below an element or a collection. See :meth:`pyxnat.resources.bulk.Downloadable.download`."""
    if existing not in EXISTING:
        raise errors.ProgrammingError(f'existing={existing!r} is not known', remedy=f'There are {", ".join(EXISTING)}.')
    check_compression(compression)
    plan, folder = Layout(layout), _folder(dest)
    downloading = Downloading(interface, folder, Report('downloaded', f'to {folder}'), jobs, compression)
    files = files_below(selection)
    listed = told_apart(list(wanted(files, plan)))
    are_alike = _are_alike(listed)
    folder.mkdir(parents=True, exist_ok=True)
    if are_alike:
        check_places(_places(listed), _OWN, names_on(folder))
    with running(folder) as alone:
        holes = downloading.missing(listed, existing)
        if alone:
            downloading.sweep(holes)
        with meter(sum(file.size or 0 for file in holes), 'B', progress) as bar:
            downloading.run(holes, lambda some: plan_pieces(some, listed, scope_of(files), jobs), bar)
    return downloading.report.end()


def _folder(dest: str | os.PathLike[str]) -> Path:
    """The folder that is meant, which need not be there; that it can be one is seen before anything is asked for."""
    folder = Path(os.fsdecode(dest)).expanduser()
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not os.fspath(dest) or not there.is_dir():
        what = f'{there} is no folder' if os.fspath(dest) else 'no folder is named'
        raise errors.DataError(what, remedy='Give the path of a folder; it is made if needed.')
    return folder


def _places(listed: Iterable[Wanted]) -> Iterator[tuple[str, str]]:
    return ((file.uri, file.place) for file in listed)


def _are_alike(listed: Sequence[Wanted]) -> bool:
    """Whether some disk would take two places for one. Where two are the same, that is an error."""
    try:
        check_places(_places(listed), _OWN, alike)
    except errors.DataError:
        check_places(_places(listed), _OWN)
        return True
    return False


class Downloading(Undertaking):
    """One download on its way.

    Parameters
    ----------
    folder : Path
        Where it goes.
    compression : int
        0 for zips in which files are stored as they are; XNAT knows no degrees.
    """

    def __init__(self, interface: Host, folder: Path, report: Report, jobs: int, compression: int = 0) -> None:
        super().__init__(report, jobs, interface.connection.transport)
        self._compression = compression
        self._host = interface
        self._folder = folder
        self._manifest = Manifest(folder)
        self._made: set[Path] = set()
        self._right: dict[str, str] = {}
        self._under_way: dict[str, str] = {}
        self._bar: Any = None
        self._owed: list[Wanted] = []

    def missing(self, listed: Sequence[Wanted], existing: str) -> list[Wanted]:
        """Those that have to be fetched.

        Raises
        ------
        DataError
            With ``existing='error'``, when others are there in their places.
        """
        states = {file.place: self._state(file, existing) for file in listed}
        unclear = [file for file in listed if states[file.place] == 'unclear']
        written = self._manifest.read() if unclear else {}

        def look(file: Wanted) -> None:
            states[file.place] = self._compared(file, written)

        self.each(look, unclear)
        wrong = [file.place for file in listed if states[file.place] == 'different']
        if wrong and existing == 'error':
            what = f'{len(wrong)} files are there with other content: {", ".join(wrong[:5])}{" …" if len(wrong) > 5 else ""}'
            raise errors.DataError(what, uri=str(self._folder), remedy="existing='refresh' replaces them, 'keep' leaves them.")
        for file in listed:
            if states[file.place] == 'right':
                self.report.skip(file.place)
                if file.md5 and existing != 'keep':
                    self._right[file.place] = file.md5
        return [file for file in listed if states[file.place] != 'right']

    def _state(self, file: Wanted, existing: str) -> str:
        """Whether a file is ``missing``, ``right``, ``different``, or, as long as its content was not read, ``unclear``."""
        try:
            there = (self._folder / file.place).stat()
        except (FileNotFoundError, NotADirectoryError):
            return 'missing'
        if not stat.S_ISREG(there.st_mode):
            return 'missing'
        if existing == 'keep':
            return 'right'
        return 'different' if existing == 'replace' or file.size not in (None, there.st_size) else 'unclear'

    def _compared(self, file: Wanted, written: dict[str, str]) -> str:
        """The same by the content. Without a digest in the listing, a file as it was put there is right."""
        md5 = file.md5 or written.get(file.place, '')
        return 'right' if md5 and digest_of(self._folder / file.place) == md5 else 'different'

    def sweep(self, holes: Iterable[Wanted]) -> None:
        """Remove the temporaries that a killed run left beside the places of files."""
        names: dict[str, list[str]] = {}
        for file in holes:
            folder, _, name = file.place.rpartition('/')
            names.setdefault(folder, []).append(name)
        for folder in names:
            found = list((self._folder / folder).glob(f'.*{PART}'))
            starts = {f'.{name[:50]}' for name in names[folder]} if found else set()
            for temporary in found:
                if temporary.name.removesuffix(PART).rpartition('.')[0] in starts:
                    with suppress(PermissionError):
                        temporary.unlink(missing_ok=True)

    def run(self, holes: list[Wanted], plan: Callable[[list[Wanted]], list[Single | Zipped]], bar: Any) -> None:
        """Fetch them all; what a zip did not bring is asked for again, in the end singly."""
        self._bar = bar
        try:
            while holes:
                self._owed = []
                self.each(self._fetch, plan(holes))
                if len(self._owed) == len(holes):
                    plan = _singly
                holes = self._owed
        except BaseException:
            with suppress(OSError):  # a full disk, which may be what ended it
                self._manifest.settle({**self._right, **self._just_published()})
            raise
        self._manifest.settle(self._right)

    def _just_published(self) -> dict[str, str]:
        """Files that took their places as the run was interrupted."""
        places = {place: self._folder / place for place in self._under_way}
        return {place: self._under_way[place] for place, path in places.items() if path.is_file() and digest_of(path) == self._under_way[place]}

    def _fetch(self, piece: Single | Zipped) -> None:
        """Fetch a piece; what a zip still owes is noted."""
        if isinstance(piece, Zipped):
            self._owed += self._fetch_zip(piece)
            return
        try:
            self._fetch_one(piece.file)
        except (errors.DatabaseError, OSError) as error:
            self.failed(piece.file.uri, error)

    def _fetch_one(self, file: Wanted) -> None:
        target = self._place(file)

        def opened(headers: Any) -> AbstractContextManager[Incoming]:
            return self._writing(file, target, http_time(headers.get('last-modified')))

        accept_pages = file.path.lower().endswith(('.html', '.htm', '.xhtml'))
        fetch(self._host.connection.transport, file.uri, opened, Expected(file.size, file.md5), accept_pages=accept_pages)
        self._did(file, target)

    def _fetch_zip(self, zipped: Zipped) -> list[Wanted]:
        """Unpack a zip as it comes; the files that it did not bring. Those it brought whole stay, whatever happens to the rest."""
        find, owed = lru_cache(1)(zipped.finder().find), {file.uri: file for file in zipped.files}

        def length_of(entry: str) -> int | None:
            file = find(entry)
            return file.size if file else None

        uri = uris.with_query(zipped.uri, {'format': 'zip', 'compression': 8 if self._compression else 0})
        try:
            with self._host.connection.transport.stream('GET', uri) as stream:
                for entry in unzip(stream, length_of, stream.uri):
                    file = find(entry.name)
                    if file is not None and file.uri in owed and self._unpack(entry, file):
                        del owed[file.uri]
        except errors.DatabaseError as error:
            if is_final(error):
                raise
        return list(owed.values())

    def _unpack(self, entry: Unzipping, file: Wanted) -> bool:
        """Write one file of a zip; whether that is settled: a wrong one is still owed."""
        wrong = _Wrong()
        entry.sums = not file.md5
        try:
            target = self._place(file)
            with self._writing(file, target) as incoming:
                for piece in entry:
                    incoming.write(piece)
                    if file.size is not None and incoming.size > file.size:
                        raise wrong
                if Expected(file.size, file.md5).differs(incoming.size, incoming.md5):
                    raise wrong
        except _Wrong:
            return False
        except errors.DatabaseError:
            raise
        except OSError as error:
            self.failed(file.uri, error)
        else:
            self._did(file, target)
        return True

    @contextmanager
    def _writing(self, file: Wanted, target: Path, modified: float | None = None) -> Iterator[Incoming]:
        """A file on its way; the bar shows what has come of it, and takes that back if it cannot be used."""
        with publish(target, modified, before=lambda _: self._note(file, incoming.md5)) as opened:
            incoming = _Watched(opened, self.ended, self._bar)
            try:
                yield incoming
            except BaseException:
                self._bar.update(-incoming.size)
                raise

    def _place(self, file: Wanted) -> Path:
        target = self._folder / file.place
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        return target

    def _note(self, file: Wanted, md5: str) -> None:
        """See that a later run, even of one that is killed, will know the file for right where no listing tells."""
        if file.md5:
            self._under_way[file.place] = file.md5
        else:
            self._manifest.note(file.place, md5)

    def _did(self, file: Wanted, target: Path) -> None:
        if file.md5:
            self._right[file.place] = file.md5
            self._under_way.pop(file.place, None)
        size = file.size if file.size is not None else target.stat().st_size
        self.did(file.place, size)


class _Watched(Incoming):
    """A file that is written until all is to end."""

    def __init__(self, file: IO[bytes], ended: threading.Event, bar: Any) -> None:
        super().__init__(file, None)
        self._ended, self._bar = ended, bar

    def write(self, piece: bytes) -> int:
        """Add bytes at the end."""
        if self._ended.is_set():
            raise Stopped
        self._bar.update(len(piece))
        return super().write(piece)


class _Wrong(Exception):
    """What a zip has under a file's name is not what the listing says; it is fetched singly."""


def _singly(files: Iterable[Wanted]) -> list[Single | Zipped]:
    return [Single(file) for file in files]
