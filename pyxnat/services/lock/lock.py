"""Lock files: written, verified, fetched, compared, updated, exported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...errors import LockMismatch, ProgrammingError
from ...files.disk import copy_file, digest_of, publish
from ...http.progress import progress_bar
from ...model.short_names import list_of_names
from ...query.layouts import LAYOUT, Layout, check_places
from ...resources.host import Host
from ..bulk.download import Downloader
from ..bulk.manifest import LOCK, MANIFEST, Manifest
from ..bulk.report import Report
from ..bulk.sidecar import SIDECAR
from ..bulk.wanted import RemoteFile, Scope, files_below, list_files
from .diff import LockDiff, compare, compare_files
from .exports import FORMATS, Locked
from .lines import FileLine, Header, ItemLine, Line, read_header, read_lines, write
from .listing import described, list_lines, selected

__all__ = ['Lock', 'LockMismatch', 'Locks']

_OWN = (MANIFEST, LOCK, SIDECAR)
_PARTS = Scope(False, False, False)


class Locks:
    """Writes lock files of selections: ``interface.locks``."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Locks of {self._host.connection.server}>'

    def create(
        self,
        selection: Any,
        path: str | os.PathLike[str],
        *,
        fields: Iterable[str] = (),
        files: bool | str | Sequence[str] = True,
        layout: str = LAYOUT,
    ) -> Lock:
        """Write the lock file of a selection.

        Parameters
        ----------
        selection, path, fields, files, layout
            As of :meth:`pyxnat.resources.bulk.Lockable.lock`.
        """
        Layout(layout)
        chosen, where = described(selection)
        header = Header(
            self._host.connection.server,
            chosen,
            where,
            list_of_names(fields),
            _files_word(files),
            layout,
            datetime.now(timezone.utc).isoformat(timespec='seconds'),
        )
        write(Path(path), header, list_lines(header, self._host))
        return Lock(path)


def _files_word(files: bool | str | Sequence[str]) -> str:
    if isinstance(files, bool):
        return 'all' if files else 'none'
    labels = [files] if isinstance(files, str) else list(files)
    if not labels or any(',' in label or label in ('', 'all', 'none') for label in labels):
        raise ProgrammingError(
            f'files={files!r}', remedy='Give True, False, or labels of resources.'
        )
    return ','.join(labels)


class Lock:
    """A lock file.

    Parameters
    ----------
    path : path
        The file.

    Attributes
    ----------
    path : Path
        The file.
    header : Header
        Its first line: server, selection, fields and date.

    Raises
    ------
    DataError
        It is no lock file.

    Examples
    --------
    ::

        lock = xnat.select('/projects/P/subjects').lock('study.xnatlock', fields=['gender'])
        lock.verify(xnat).is_clean
        pyxnat.Lock('study.xnatlock').fetch('data', xnat)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.header = read_header(self.path)

    def __repr__(self) -> str:
        return f'<Lock {self.path}>'

    def lines(self) -> Iterator[Line]:
        """Yield its lines, items and files by path; memory holds one."""
        return read_lines(self.path)

    def items(self) -> Iterator[ItemLine]:
        """Yield its items."""
        return (line for line in self.lines() if isinstance(line, ItemLine))

    def files(self) -> Iterator[FileLine]:
        """Yield its files."""
        return (line for line in self.lines() if isinstance(line, FileLine))

    def diff(self, other: Lock | str | os.PathLike[str]) -> LockDiff:
        """Compare with a later lock file. Memory holds the differences alone.

        Parameters
        ----------
        other : Lock or path
            The later one.
        """
        later = other if isinstance(other, Lock) else Lock(other)
        return compare_files(self.path, later.path)

    def verify(self, place: Host | str | os.PathLike[str]) -> LockDiff:
        """Compare with a server or a folder.

        Parameters
        ----------
        place : Interface or path
            A server is listed, and sends no content. The files of a folder are read for their
            digests; items are not compared.

        Returns
        -------
        LockDiff
            The differences: ``changed``, ``moved``, ``gone``, ``new``.

        Raises
        ------
        OSError
            The folder, or one below, does not exist or cannot be read.
        """
        if isinstance(place, (str, os.PathLike)):
            return self._compared_with_folder(Path(place))
        with tempfile.TemporaryDirectory(prefix='pyxnat-lock-') as folder:
            now = Path(folder) / 'now'
            write(now, self.header, list_lines(self.header, place))
            return compare_files(self.path, now)

    def _compared_with_folder(self, folder: Path) -> LockDiff:
        locked = {_place(line): line for line in self.files()}
        there = {
            path.relative_to(folder).as_posix(): path
            for path in _files_below(folder)
            if path.relative_to(folder).parts[0] not in _OWN
        }
        sizes = {line.size for place, line in locked.items() if place not in there}
        return compare(
            {place: line._replace(path=place) for place, line in locked.items()},
            {place: _local(place, path, locked.get(place), sizes) for place, path in there.items()},
        )

    def fetch(
        self,
        dest: str | os.PathLike[str],
        xnat: Host | None = None,
        *,
        sources: Sequence[str | os.PathLike[str]] = (),
        jobs: int = 4,
        progress: bool | None = None,
    ) -> Report:
        """Bring the locked files into a folder.

        Parameters
        ----------
        dest : path
            A folder; created if needed. Files that are there and right are left alone.
        xnat : Interface, optional
            The server. Not needed if all files are in `dest` and `sources`.
        sources : sequence of path
            Folders of earlier downloads. Files with the right digest are linked from there, or
            copied where links are not possible.
        jobs : int
            Number of parallel requests.
        progress : bool, optional
            Show a progress bar. Default: if there is a terminal.

        Returns
        -------
        Report
            Files fetched (``ok``), there or linked (``skipped``), and failed: `LockMismatch` for a
            file that the server has changed or does not have.

        Raises
        ------
        ProgrammingError
            Files are missing, and no server was given.
        DataError
            Two files have the same place; nothing is fetched.

        Notes
        -----
        Requests: those of listing the files if any is missing, and those of `download` for the
        missing ones. A file that was moved on the server is fetched from its new place.
        """
        folder = Path(dest)
        wanted = list(self.files())
        check_places([(line.uri, line.place or line.path) for line in wanted], _OWN)
        report = Report('fetched', f'to {folder}')
        missing = [line for line in wanted if not _is_right(folder / _place(line), line)]
        found = _linked(missing, folder, [Path(source) for source in sources])
        missing = [line for line in missing if line not in found]
        to_fetch = set(missing)
        for line in wanted:
            if line not in to_fetch:
                report.add_skipped(_place(line))
        if missing and xnat is None:
            raise ProgrammingError(
                f'{len(missing)} files are in none of the folders', remedy='Give an Interface.'
            )
        folder.mkdir(parents=True, exist_ok=True)
        if missing and xnat is not None:
            self._fetch(xnat, missing, Downloader(xnat, folder, report, jobs), progress)
        return report.finish()

    def _fetch(
        self,
        host: Host,
        missing: list[FileLine],
        downloader: Downloader,
        progress: bool | None,
    ) -> None:
        listed = list(list_files(files_below(selected(self.header, host)), Layout(LAYOUT)))
        by_path = {file.place: file for file in listed}
        by_content = {(file.size, file.md5): file for file in listed if file.md5}
        todo = []
        for line in missing:
            there = by_path.get(line.path)
            if there is None or not _is_same(there, line):
                there = by_content.get((line.size, line.md5)) if line.md5 else None
            if there is None:
                has = 'has another file there' if line.path in by_path else 'does not have it'
                problem = f'{host.connection.server} {has} than was locked'
                downloader.add_failure(
                    line.path,
                    LockMismatch(
                        problem.replace(' have it than was locked', ' have it any more'),
                        remedy='verify() lists the changes; update() accepts them.',
                    ),
                )
            else:
                todo.append(there._replace(place=_place(line), other=_place(line)))
        with progress_bar(sum(file.size or 0 for file in todo), 'B', progress) as bar:
            downloader.run(todo, listed, _PARTS, bar)

    def update(self, xnat: Host) -> LockDiff:
        """Rewrite the lock file from the present listings; return the differences.

        Parameters
        ----------
        xnat : Interface
            The server.
        """
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        header = self.header._replace(server=xnat.connection.server, date=now)
        with tempfile.TemporaryDirectory(prefix='pyxnat-lock-') as folder:
            new = Path(folder) / 'new'
            write(new, header, list_lines(header, xnat))
            changes = compare_files(self.path, new)
            with publish(self.path) as file, open(new, 'rb') as lines:
                for line in lines:
                    file.write(line)
        self.header = header
        return changes

    def export(self, form: str, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the files in the format of another tool.

        Parameters
        ----------
        form : {'md5sums', 'bagit', 'dvc', 'addurls', 'croissant'}
            The format: a manifest for ``md5sum -c``; the tags and ``fetch.txt`` of a BagIt bag; a
            ``.dvc`` file; a table for datalad's ``addurls``; Croissant's JSON.
        folder : path
            Where to write; created if needed.

        Returns
        -------
        list of Path
            The files written.

        Raises
        ------
        ProgrammingError
            There is no such format.
        """
        if form not in FORMATS:
            raise ProgrammingError(
                f'no format {form!r}', remedy=f'There are: {", ".join(FORMATS)}.'
            )
        written = []
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, texts in FORMATS[form](Locked(self.path.stem, self.header, self.lines)):
            with publish(Path(folder) / name) as file:
                file.writelines(text.encode() for text in texts)
            written.append(Path(folder) / name)
        return written


def _place(line: FileLine) -> str:
    return line.place or line.path


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; raise the error of one that cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    for above, _, names in os.walk(folder, onerror=refuse):
        yield from (path for path in (Path(above, name) for name in names) if path.is_file())


def _local(place: str, path: Path, line: FileLine | None, sizes: set[int | None]) -> FileLine:
    """Return a local file as a line.

    Its content is read only if the digest may matter.
    """
    size = path.stat().st_size
    is_read = size in sizes if line is None else size == line.size and bool(line.md5)
    return FileLine(place, size, digest_of(path) if is_read else '', '')


def _is_same(file: RemoteFile, line: FileLine) -> bool:
    """Whether a listed file is the locked one, as far as both sides have digests."""
    return file.size == line.size and (not file.md5 or not line.md5 or file.md5 == line.md5)


def _is_right(path: Path, line: FileLine) -> bool:
    """Whether a local file is the locked one."""
    if not path.is_file() or path.stat().st_size != line.size:
        return False
    return not line.md5 or digest_of(path) == line.md5


def _linked(missing: list[FileLine], folder: Path, sources: Sequence[Path]) -> set[FileLine]:
    """Link files from other folders by their digests; return those that were found."""
    by_digest = {
        md5: source / place for source in sources for place, md5 in Manifest(source).read().items()
    }
    found = set()
    for line in missing:
        original = by_digest.get(line.md5) if line.md5 else None
        if original is None or not _is_right(original, line):
            continue
        target = folder / _place(line)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(original, target)
        except OSError:  # another disk, or one without links
            copy_file(original, target)
        found.add(line)
    return found
