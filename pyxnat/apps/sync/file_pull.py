"""Pull of the files of one unit.

Downloads, then changes of the folder, resource by resource.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import digest_of
from .decisions import BOTH, GONE_HERE, PATH_TAKEN, Decision, Values, decide
from .file_rows import FileRow, Files, blocked, is_of, version_path
from .folder_side import FolderSide
from .item_pull import ItemsPulled
from .sides import Side
from .state import Conflict, Unit

__all__ = ['Download', 'FilePull', 'FilesPulled']


class Download:
    """Downloads of files of one unit, to a folder of its own.

    Parameters
    ----------
    remote : Side
        The server.
    folder : Path
        The folder; created when it is needed.
    listed : mapping
        All files of the unit at the server, by key.
    jobs : int
        Number of threads.
    """

    def __init__(
        self, remote: Side, folder: Path, listed: Mapping[str, FileRow], jobs: int
    ) -> None:
        self._remote = remote
        self._folder = folder
        self._listed = listed
        self._jobs = jobs
        self._done: set[str] = set()
        self.failed: dict[str, errors.Error] = {}
        self.bytes = 0

    def run(self, keys: Iterable[str]) -> None:
        """Download files, unless they are there. Failures are in `failed`.

        Requests: one for each file or zip.
        """
        wanted = {key: self._listed[key] for key in keys if self.path(key) is None}
        if not wanted:
            return
        others = [file.element for key, file in self._listed.items() if key not in wanted]
        places = {file.part: key for key, file in wanted.items()}
        report = self._remote.interface.bulk.fetch(
            {place: wanted[key].element for place, key in places.items()},
            self._folder,
            beside=others,
            jobs=self._jobs,
        )
        self.bytes += report.bytes
        for place, error in report.failed:
            if not isinstance(error, errors.Error):
                raise error
            self.failed[places[place]] = error
        self._done |= {places[place] for place in report.ok}

    def remove(self) -> None:
        """Remove the downloaded files that were not moved."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, key: str) -> Path | None:
        """Return the path of a file that was downloaded.

        None if it was not, or was moved.
        """
        path = self._folder / self._listed[key].part
        return path if key in self._done and path.exists() else None


class FilesPulled(NamedTuple):
    """Result of a pull of files."""

    base: dict[str, Values]
    """The files that both sides have now."""
    conflicts: list[Conflict]
    failed: list[tuple[str, errors.Error]]
    changed: bool
    """Whether the folder was changed."""
    notes: list[str]
    """About files whose content was lost in the folder."""


class _Sides(NamedTuple):
    """The files of a unit that are compared."""

    ours: dict[str, FileRow]
    theirs: dict[str, FileRow]
    base: dict[str, Values]
    here: dict[str, Values]
    there: dict[str, Values]
    base_of_others: dict[str, Values]
    """Those that are not compared."""

    def base_after(self, equal: set[str], now: Mapping[str, FileRow]) -> dict[str, Values]:
        """Return the base of all files after some became equal on both sides."""
        return {
            **self.base_of_others,
            **{key: values for key, values in self.base.items() if key not in equal},
            **{key: self.theirs[key].base(now.get(key)) for key in equal & self.theirs.keys()},
        }


class FilePull:
    """Compares the files of one unit, and brings those that the server changed.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    mirror : Path
        Folder ``mirror``, for the server's versions of files in conflict.
    files : Files
        Which files are wanted.
    download : Download
        Downloads of the unit.
    """

    def __init__(self, folder: FolderSide, mirror: Path, files: Files, download: Download) -> None:
        self._folder = folder
        self._mirror = mirror
        self._files = files
        self._download = download
        self._failed: dict[str, errors.Error] = {}

    def run(
        self,
        unit: Unit,
        base: Mapping[str, Values],
        listed: Mapping[str, FileRow],
        present: frozenset[str],
        items: ItemsPulled,
        has_left: Callable[[str], bool],
    ) -> FilesPulled:
        """Pull the files of a unit.

        Parameters
        ----------
        unit : Unit
            The unit.
        base : mapping
            Files that both sides had.
        listed : mapping
            All files at the server.
        present : frozenset of str
            Keys of the items that the folder has.
        items : ItemsPulled
            The items that were pulled before.
        has_left : callable
            Whether another unit compares the file with a key.
        """
        held = self._folder.files(unit, Files.of('all')) if present else {}
        sides = self._compare(base, listed, held, items, has_left)
        ours, theirs, here = sides.ours, sides.theirs, sides.here
        decisions = [
            _of_file(one, theirs, present) for one in decide(sides.base, here, sides.there)
        ]
        in_the_way = _in_the_way(decisions, theirs, held)
        decisions = [_with_blocked(one, in_the_way) for one in decisions]
        here = here | {
            key: {held[name].path: held[name].version for name in names}
            for key, names in in_the_way.items()
        }
        conflicts = [
            _conflict(one, unit, here, sides.there) for one in decisions if one.is_conflict
        ]
        self._keep_versions([theirs[one.key] for one in conflicts if one.key in theirs])
        taken = [one.key for one in decisions if one.action == 'take']
        self._take({key: theirs.get(key) or ours[key] for key in taken}, theirs, held)
        lost = self._folder.lost_files(unit) & ours.keys()
        lacking = self._lacking(lost, ours, theirs)
        self._put({key: theirs[key] for key in lacking}, held)
        is_sized = any(file.by == 'Size' for file in theirs.values())
        now = self._folder.files(unit, Files.of('all')) if is_sized and taken else held
        equal = {
            one.key
            for one in decisions
            if one.action in ('same', 'take') and one.key not in self._failed
        }
        return FilesPulled(
            sides.base_after(equal, now),
            conflicts,
            list(self._failed.items()),
            bool(taken or lacking),
            [*_notes(unit, lost - self._failed.keys() - ({*taken} - {*lacking}), lacking)],
        )

    def _compare(
        self,
        base: Mapping[str, Values],
        listed: Mapping[str, FileRow],
        held: Mapping[str, FileRow],
        items: ItemsPulled,
        has_left: Callable[[str], bool],
    ) -> _Sides:
        """Choose the files to compare: wanted ones, of items on both sides."""
        both = {**held, **listed}
        newer = {key for key in {**both, **base} if is_of(items.superseded, key)}
        others = newer | {key for key in {**both, **base} if has_left(key)}
        others |= {key for key, file in both.items() if file.holder in items.kept}
        others |= {key for key, file in listed.items() if file.holder in items.held}
        unwanted = {key for key, file in both.items() if not self._files.has(file.row)} - others
        others |= unwanted
        ours = {key: file for key, file in held.items() if key not in others}
        theirs = {key: file for key, file in listed.items() if key not in others}
        base_of_others = {key: base[key] for key in base if key in others - newer}
        base_of_others |= {key: listed[key].base(None) for key in newer & listed.keys()}
        base_of_others |= {  # sent by a push, or equal by chance
            key: listed[key].base(held[key])
            for key in unwanted & held.keys() & listed.keys() - base.keys()
            if held[key].here(None, listed[key]) == listed[key].there(None)
        }
        return _Sides(
            ours,
            theirs,
            {key: values for key, values in base.items() if key not in others},
            {key: file.here(base.get(key), theirs.get(key)) for key, file in ours.items()},
            {key: file.there(base.get(key)) for key, file in theirs.items()},
            base_of_others,
        )

    def _lacking(
        self, lost: Container[str], ours: Mapping[str, FileRow], theirs: Mapping[str, FileRow]
    ) -> list[str]:
        """Return files without content, lost or not fetched, that the server has."""
        return [
            key
            for key, file in ours.items()
            if key in theirs
            and file.has_content_of(theirs[key])
            and (key in lost or not (file.is_fetched or self._files.is_lazy))
        ]

    def _take(
        self,
        files: Mapping[str, FileRow],
        theirs: Mapping[str, FileRow],
        held: Mapping[str, FileRow],
    ) -> None:
        """Make files of the folder those of the server."""
        gone = {key: file for key, file in files.items() if key not in theirs}
        for (place, label), some in _by_resource(gone):
            self._try(some, self._folder.delete_files, place, label, some.values())
        noted = {
            key: file
            for key, file in files.items()
            if key in theirs and key in held and held[key].digest == file.digest != ''
        }
        for (place, label), some in _by_resource(noted):
            notes = {file.path: file.notes for file in some.values()}
            self._try(some, self._folder.set_notes, place, label, None, notes)
        rest = {key: file for key, file in files.items() if key in theirs and key not in noted}
        self._put(rest, held)

    def _put(self, files: Mapping[str, FileRow], held: Mapping[str, FileRow]) -> None:
        """Store files of the server, with or without content, in place of those compared."""
        if not self._files.is_lazy:
            self._download.run(files)
        for (place, label), some in _by_resource(files):
            found: list[tuple[FileRow, Path | None]] = []
            for key, file in some.items():
                path = None if self._files.is_lazy else self._download.path(key)
                if self._files.is_lazy or path is not None:
                    found.append((file, path))
                else:
                    self._failed[key] = self._download.failed[key]
            versions = {
                file.path: held[key].version if key in held else '' for key, file in some.items()
            }
            self._try(some, self._folder.put_files, place, label, found, versions)

    def _try(
        self, files: Mapping[str, FileRow], change: Callable[..., object], *arguments: object
    ) -> None:
        try:
            change(*arguments)
        except errors.DatabaseError as error:
            self._failed |= dict.fromkeys(files, error)

    def _keep_versions(self, files: list[FileRow]) -> None:
        """Keep the server's versions of files in conflict, until it is resolved."""
        places = {file.key: version_path(self._mirror, file.key) for file in files}
        missing = [
            file.key
            for file in files
            if not places[file.key].exists() or file.digest != digest_of(places[file.key])
        ]
        self._download.run(missing)
        for key in missing:
            path = self._download.path(key)
            if path is None:
                self._failed[key] = self._download.failed[key]
            else:
                places[key].parent.mkdir(exist_ok=True)
                os.replace(path, places[key])


def _in_the_way(
    decisions: Iterable[Decision], theirs: Mapping[str, FileRow], held: Mapping[str, FileRow]
) -> dict[str, list[str]]:
    """Return files of the server, each with those of the folder in its way."""
    gone = {one.key for one in decisions if one.action == 'take' and one.key not in theirs}
    wanted = [
        one.key
        for one in decisions
        if one.action in ('take', 'conflict') and one.key in theirs and one.key not in held
    ]
    return blocked(wanted, held.keys() - gone) if wanted and held else {}


def _with_blocked(one: Decision, in_the_way: Mapping[str, list[str]]) -> Decision:
    """Return the decision about a file; those in the way of another go with it."""
    if one.key in in_the_way:
        return Decision(one.key, 'conflict', PATH_TAKEN)
    if one.is_conflict and any(one.key in names for names in in_the_way.values()):
        return Decision(one.key, 'keep')
    return one


def _of_file(one: Decision, theirs: Mapping[str, FileRow], present: frozenset[str]) -> Decision:
    """Return a decision on values as one on a file."""
    if one.action == 'take' and one.key in theirs and theirs[one.key].holder not in present:
        return Decision(one.key, 'conflict', GONE_HERE)  # its item
    if one.action == 'merge':  # content here, tags there: they may belong together
        return Decision(one.key, 'conflict', BOTH)
    return one


def _notes(unit: Unit, lost: set[str], restored: Iterable[str]) -> Iterator[str]:
    """Yield notes about files whose content was lost in the folder."""
    for some, end in (
        (lost & set(restored), 'the folder has them again; other content is in its "recovered"'),
        (lost - set(restored), 'the server has other versions: delete them or store them again'),
    ):
        if some:
            yield (
                f'{unit.key}: {len(some)} files were missing on the disk, or of another size '
                f'(such as {min(some)}): {end}'
            )


def _conflict(
    one: Decision, unit: Unit, here: Mapping[str, Values], there: Mapping[str, Values]
) -> Conflict:
    ours, theirs = here.get(one.key, {}), there.get(one.key, {})
    return Conflict(one.key, 'file', unit.key, one.reason, dict(ours), dict(theirs))


def _by_resource(
    files: Mapping[str, FileRow],
) -> list[tuple[tuple[str, str], dict[str, FileRow]]]:
    """Return URI and label of each resource, with its files."""
    ordered = sorted(files.values(), key=lambda file: (file.place, file.key))
    return [
        (place, {file.key: file for file in some})
        for place, some in groupby(ordered, key=lambda file: file.place)
    ]
