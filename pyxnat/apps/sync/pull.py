"""Pull of one unit: three-way comparison, then the remote's changes into the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import digest_of
from ...model.levels import level
from .decisions import GONE_HERE, Decision, Values, decide, merged
from .parts import Part
from .sides import FileRow, Files, FolderSide, Side, version_path
from .state import Conflict, State, Unit

__all__ = ['Fetched', 'UnitPull', 'fetch']


class Fetched(NamedTuple):
    """A unit as the remote has it."""

    unit: Unit
    mark: str
    parts: dict[str, Part]
    files: dict[str, FileRow]


def fetch(remote: Side, unit: Unit, mark: str, files: Files) -> Fetched:
    """Return a unit of the remote: its document and the listings of its files.

    Parameters
    ----------
    remote : Side
        The remote.
    unit : Unit
        The unit.
    mark : str
        Its mark, which was read before.
    files : Files
        Which files are wanted.
    """
    return Fetched(unit, mark, remote.parts(unit), remote.files(unit, files))


class UnitPull:
    """Brings one unit of the folder up to the remote.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    stage : Path
        Folder for files on the way.
    files : Files
        Which files are wanted.
    marks : mapping
        Key of each unit of the folder to its mark.
    """

    def __init__(
        self,
        folder: FolderSide,
        state: State,
        stage: Path,
        files: Files,
        marks: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._marks = marks
        self._state = state
        self._stage = stage
        self._files = files
        self.failed: list[tuple[str, errors.Error]] = []
        self.conflicts: list[Conflict] = []
        self.bytes = 0

    def run(self, fetched: Fetched, here: Unit | None, pool: Executor) -> bool:
        """Pull a unit; return whether anything was changed in the folder.

        Parameters
        ----------
        fetched : Fetched
            The unit at the remote.
        here : Unit or None
            The unit in the folder, which may have been created there with the same label.
        pool : Executor
            Threads that download files.
        """
        unit = fetched.unit
        ours = {} if here is None else self._adopted(here, fetched)
        if ours and unit.key not in ours:
            self._add_twin(here or unit, ours, fetched)
            return False
        items, changed = self._pull_items(fetched, ours)
        bases: dict[str, dict[str, Values]] = {'item': items}
        if not self._files.is_none:
            present = self._present(unit) if changed else frozenset(ours)
            bases['file'], has_files = self._pull_files(fetched, present, pool)
            changed = changed or has_files
        is_whole = not (self.failed or self.conflicts)
        found = self._folder.units(unit.project, '' if unit.id == unit.project else unit.id)
        mark = found[unit.key][1] if unit.key in found and self._is_base(unit, bases) else ''
        there = fetched.mark if is_whole else ''
        unit = unit._replace(there=there, here=mark, files=self._files.text)
        self._state.put(unit, bases, self.conflicts)
        return changed

    def _present(self, unit: Unit) -> frozenset[str]:
        """Return the keys of the items that the folder has now."""
        try:
            return frozenset(self._folder.parts(unit))
        except errors.NotFoundError:
            return frozenset()

    def _is_base(self, unit: Unit, bases: Mapping[str, Mapping[str, Values]]) -> bool:
        """Whether the folder has the base and nothing else."""
        ours = {key: part.values for key, part in self._folder.parts(unit).items()}
        if ours != bases['item']:
            return False
        if 'file' not in bases:
            return True
        by = 'digest' if all('digest' in one for one in bases['file'].values()) else 'Size'
        files = self._folder.files(unit, Files.of('all'))
        ours_of = {key: file.values(by) for key, file in files.items()}
        return all(
            bases['file'].get(key) == values
            for key, values in ours_of.items()
            if key in bases['file'] or self._files.has(files[key].row)
        ) and all(key in ours_of for key in bases['file'])

    # -- items

    def _adopted(self, here: Unit, fetched: Fetched) -> dict[str, Part]:
        """Return the items of the folder, after those created on both sides got one ID.

        One that has the label and the fields of an item at the remote gets its ID. One that has
        other fields gets the other's key here, so that it is a conflict.
        """
        base = self._state.base(fetched.unit.key, 'item')
        ours = self._folder.parts(here)
        theirs = {_name_of(part): part for part in fetched.parts.values() if part.key not in ours}
        for part in list(ours.values()):
            twin = theirs.get(_name_of(part))
            if twin is None or part.key in base or not level(part.level).has_label:
                continue
            if twin.values == part.values:
                self._folder.change_id(part.id, twin.id)
                here = here._replace(key=fetched.unit.key) if part.id == here.id else here
                return self._adopted(here, fetched)
            if part.level != 'subjects':
                ours[twin.key] = ours.pop(part.key)
        return ours

    def _add_twin(self, here: Unit, ours: Mapping[str, Part], fetched: Fetched) -> None:
        key = fetched.unit.key
        values = dict(ours[here.key].values), dict(fetched.parts[key].values)
        self.conflicts.append(Conflict(key, 'item', key, 'created on both sides', *values))
        self._state.put(fetched.unit, {}, self.conflicts)

    def _pull_items(
        self, fetched: Fetched, ours: Mapping[str, Part]
    ) -> tuple[dict[str, Values], bool]:
        base: dict[str, Values] = {**self._state.base(fetched.unit.key, 'item')}
        theirs = fetched.parts
        above = {key: part.parent for key, part in {**ours, **theirs}.items()}
        decisions = [
            self._guarded(one, ours, fetched.unit)
            for one in decide(base, _values(ours), _values(theirs), above)
        ]
        self._add_conflicts(fetched.unit, 'item', decisions, _values(ours), _values(theirs))
        gone = [one.key for one in decisions if one.action == 'take' and one.key not in theirs]
        changed = False
        for key in gone:  # first: another item may have its label now
            if key in ours and ours[key].parent not in gone:
                self._isolated(key, self._folder.delete, ours[key].id_uri)
                changed = True
        for one in decisions:
            if one.key in theirs and one.action in ('take', 'merge'):
                changed = self._isolated(one.key, self._put, one.key, ours, theirs, base) or changed
        failed = {key for key, _ in self.failed}
        for one in decisions:
            if one.action in ('same', 'take', 'merge') and one.key not in failed:
                _rebase(base, one.key, theirs[one.key].values if one.key in theirs else None)
        return base, changed

    def _guarded(self, one: Decision, ours: Mapping[str, Part], unit: Unit) -> Decision:
        """Return a conflict for a session that comes from a subject with changes here.

        A PUT with its ID would move it, and these changes would be lost.
        """
        if one.action != 'take' or one.key in ours or not one.key.startswith('experiments/'):
            return one
        before = self._state.unit_of(one.key)
        if before is None or before.key == unit.key or before.here == self._marks.get(before.key):
            return one
        return Decision(one.key, 'conflict', f'moved there from {before.label}, changed here')

    def _put(
        self,
        key: str,
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
        base: Mapping[str, Values],
    ) -> None:
        here, there = ours.get(key), theirs[key]
        values: Values | None = there.values
        if here is not None and here.values != base.get(key, here.values):
            values = merged(base[key], here.values, there.values)
        if here is None or values is None or values == there.values:
            self._folder.put(there)
        else:
            self._folder.merge(here, there, values)

    # -- files

    def _pull_files(
        self, fetched: Fetched, present: frozenset[str], pool: Executor
    ) -> tuple[dict[str, Values], bool]:
        unit, theirs = fetched.unit, fetched.files
        by = 'digest' if all(file.row.get('digest') for file in theirs.values()) else 'Size'
        all_ours = self._folder.files(unit, Files.of('all')) if present else {}
        ours = {key: file for key, file in all_ours.items() if self._files.has(file.row)}
        base: dict[str, Values] = {**self._state.base(unit.key, 'file')}
        others = {key: base.pop(key) for key in [*base] if key in all_ours and key not in ours}
        here = {key: file.values(by) for key, file in ours.items()}
        there = {key: file.values(by) for key, file in theirs.items()}
        decisions = [
            Decision(one.key, 'conflict', GONE_HERE)
            if one.action == 'take' and one.key in theirs and theirs[one.key].holder not in present
            else one
            for one in decide(base, here, there)
        ]
        self._add_conflicts(unit, 'file', decisions, here, there)
        self._keep_versions([theirs[one.key] for one in decisions if _is_open(one, theirs)], pool)
        taken = [one.key for one in decisions if one.action == 'take']
        wanted = [theirs[key] for key in taken if key in theirs]
        for file, path in zip(wanted, pool.map(self._download, wanted), strict=True):
            if path is not None:
                self._isolated(file.key, self._folder.put_file, file, path)
        for key in taken:
            if key not in theirs and key in ours:
                self._isolated(key, self._folder.delete, key)
        failed = {key for key, _ in self.failed}
        for one in decisions:
            if one.action in ('same', 'take') and one.key not in failed:
                _rebase(base, one.key, there.get(one.key))
        return {**others, **base}, bool(taken)

    def _keep_versions(self, files: list[FileRow], pool: Executor) -> None:
        """Keep the server's versions of files in conflict, until it is resolved."""
        places = [version_path(self._stage.parent, file.key) for file in files]
        missing = [
            (file, place)
            for file, place in zip(files, places, strict=True)
            if not (place.exists() and file.values('digest') == {'digest': digest_of(place)})
        ]
        paths = pool.map(self._download, [file for file, _ in missing])
        for (_, place), path in zip(missing, paths, strict=True):
            if path is not None:
                place.parent.mkdir(exist_ok=True)
                os.replace(path, place)

    def _download(self, file: FileRow) -> str | None:
        """Return the path of the downloaded file; None after a failure."""
        path = self._stage / file.part
        try:
            file.element.get(path)
            digest = file.row.get('digest', '').lower()
            if digest and digest_of(path) != digest:
                raise errors.IntegrityError(
                    'the file has changed since it was listed', remedy='Pull again.'
                )
        except errors.DatabaseError as error:
            self.failed.append((file.key, error))
            return None
        self.bytes += path.stat().st_size
        return str(path)

    # -- both

    def _isolated(self, key: str, function: object, *arguments: object) -> bool:
        try:
            function(*arguments)  # type: ignore[operator]
        except errors.DatabaseError as error:
            self.failed.append((key, error))
            return False
        return True

    def _add_conflicts(
        self,
        unit: Unit,
        kind: str,
        decisions: list[Decision],
        ours: Mapping[str, Values],
        theirs: Mapping[str, Values],
    ) -> None:
        self.conflicts += [
            Conflict(
                one.key,
                kind,
                unit.key,
                one.reason,
                dict(ours.get(one.key, {})),
                dict(theirs.get(one.key, {})),
            )
            for one in decisions
            if one.action == 'conflict'
        ]


def _name_of(part: Part) -> tuple[str, str, str]:
    return part.level, part.label, part.parent


def _values(parts: Mapping[str, Part]) -> dict[str, Values]:
    return {key: part.values for key, part in parts.items()}


def _is_open(one: Decision, theirs: Mapping[str, FileRow]) -> bool:
    return one.action == 'conflict' and one.key in theirs


def _rebase(base: dict[str, Values], key: str, values: Values | None) -> None:
    if values is None:
        base.pop(key, None)
    else:
        base[key] = values
