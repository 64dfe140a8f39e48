"""Pull of one unit.

Three-way comparison, then the remote's changes into the folder.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...model.levels import level
from .decisions import LABEL_TAKEN, SHARE_NEEDED, Decision, Values, decide, is_retyped, merged
from .file_pull import Download, FilePull
from .file_rows import FileRow, Files, has_file
from .folder_side import FolderSide
from .missing import Missing
from .moves import Moves, adopted, is_below
from .parts import (
    LABEL,
    PROJECT,
    SHARE,
    Part,
    known_base,
    owner_of,
    resources_of,
    shares_of,
    with_needed_shares,
    with_own_labels,
    with_unreadable_shares,
    without_temporary_labels,
)
from .sides import Side
from .state import Conflict, State, Unit

__all__ = ['Fetched', 'UnitPull', 'fetch']


class Fetched(NamedTuple):
    """A unit as the remote has it."""

    unit: Unit
    mark: str
    parts: dict[str, Part]
    files: dict[str, FileRow]
    """All that are listed; none if no files are wanted."""
    access: str = ''
    """Who may read a project."""


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
    parts = remote.parts(unit)
    listed = {} if files.is_none else remote.files_of(unit, parts)
    return Fetched(unit, mark, parts, listed, remote.accessibility(unit))


class UnitPull:
    """Brings one unit of the folder up to the remote.

    Parameters
    ----------
    remote : Side
        The remote.
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    mirror : Path
        Folder ``mirror``.
    files : Files
        Which files are wanted.
    coming : container of str
        Keys of units that the same pull brings: sessions that have moved to one are left to it.
    missing : Missing
        Guard of what the server does not show any more.

    Attributes
    ----------
    failed : list of tuple
        Key of each item or file that could not be pulled, with its error.
    conflicts : list of Conflict
        Items and files that both sides changed.
    deleted : list of str
        Keys of the sessions and assessors that were deleted in the folder.
    hidden : list of str
        Keys of those that the server has, and does not show here; they were kept.
    """

    def __init__(
        self,
        remote: Side,
        folder: FolderSide,
        state: State,
        mirror: Path,
        files: Files,
        coming: Container[str],
        missing: Missing,
    ) -> None:
        self._folder = folder
        self._remote = remote
        self._projects = remote.projects
        self._state = state
        self._moves = Moves(remote, folder, state, self._is_mirrored)
        self._mirror = mirror
        self._files = files
        self._coming = coming
        self._missing = missing
        self.failed: list[tuple[str, errors.Error]] = []
        self.conflicts: list[Conflict] = []
        self.deleted: list[str] = []
        self._held: set[str] = set()
        """Items that cannot be put, as another one has their label."""
        self._before: dict[str, Part] = {}
        """Items of the folder before the pull."""
        self._kept: set[str] = set()
        """Items that the server deleted or created again, and the folder keeps for a conflict."""
        self._superseded: frozenset[str] = frozenset()
        """Items of the server that the next push deletes, as the folder has another type."""
        self._replaced: list[str] = []
        """Items of another type that were deleted in the folder: their files are new."""

    @property
    def hidden(self) -> list[str]:
        return self._moves.hidden

    def run(self, fetched: Fetched, here: Unit | None, download: Download) -> bool:
        """Pull a unit; return whether anything was changed in the folder.

        Parameters
        ----------
        fetched : Fetched
            The unit at the remote.
        here : Unit or None
            The unit in the folder, which may have been created there with the same label.
        download : Download
            Downloads of its files.

        Raises
        ------
        ChangedMeanwhile
            Another program changed it in the folder: it has to be compared again.
        """
        unit = fetched.unit
        ours = {}
        with self._folder.comparing():
            if here is not None:
                ours = adopted(self._folder, self._state, here, unit.key, fetched.parts)
            else:
                self._folder.note_missing(unit)
            if ours and unit.key not in ours:
                self._add_twin(here or unit, ours, fetched)
                return False
            items, changed = self._pull_items(fetched, ours)
            if unit.key in items:
                self._folder.set_accessibility(unit, fetched.access)
        bases: dict[str, dict[str, Values]] = {'item': items}
        if not self._files.is_none:
            present = self._present(fetched, ours, items) if changed else frozenset(ours)
            pull = FilePull(self._folder, self._mirror, self._files, download)
            base = {
                key: values
                for key, values in {
                    **self._moves.files(unit),
                    **self._state.base(unit.key, 'file'),
                }.items()
                if not any(has_file(item, key) for item in self._replaced)
            }
            held = {key for key, file in fetched.files.items() if file.holder in self._held}
            pulled = pull.run(
                unit,
                base,
                fetched.files,
                present,
                self._kept,
                self._superseded,
                lambda key: key in held or self._moves.has_left(key),
            )
            bases['file'] = pulled.base
            self.conflicts += pulled.conflicts
            self.failed += pulled.failed
            changed = changed or pulled.changed
            self._put_resources(fetched, present)
        is_whole = not (self.failed or self.conflicts or self.hidden)
        found = self._folder.units(unit.project, '' if unit.id == unit.project else unit.id)
        mark = found[unit.key][1] if unit.key in found and self._is_base(unit, bases) else ''
        there = fetched.mark if is_whole else ''
        unit = unit._replace(there=there, here=mark, files=self._files.text)
        waiting = {project for part in fetched.parts.values() for project in part.elsewhere}
        self._state.put(unit, bases, self.conflicts, waiting)
        return changed

    def _is_mirrored(self, unit: Unit) -> bool:
        return unit.key in self._coming or unit.key in self._state.units()

    def _put_resources(self, fetched: Fetched, present: frozenset[str]) -> None:
        """Create the resources without files; give all their format, content and tags."""
        filled = {file.place for file in fetched.files.values()}
        here = self._folder.parts(fetched.unit) if present else {}
        notes = {
            (one.place, one.label): one.notes
            for part in here.values()
            for one in resources_of(here, part)
        }
        untouched = self._kept | self._superseded | self._held
        for part in fetched.parts.values():
            if part.key not in present or part.key in untouched:
                continue
            for one in resources_of(fetched.parts, part):
                place = one.place, one.label
                if place in notes and notes[place] != one.notes:
                    self._isolated(part.key, self._folder.set_notes, *place, one.notes, {})
                elif place not in filled | notes.keys():
                    self._isolated(part.key, self._folder.put_resource, one)

    def _present(
        self, fetched: Fetched, ours: Mapping[str, Part], items: Mapping[str, Values]
    ) -> frozenset[str]:
        """Return the keys of the items that the folder has now."""
        if not ours and items.keys() == fetched.parts.keys():
            return frozenset(items)  # all of them were created
        try:
            return frozenset(self._folder.parts(fetched.unit))
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
        ours = {**ours}
        self._moves.complete(fetched.unit.key, base, theirs, ours)
        self._guard(fetched.unit, base, theirs, ours)
        base = self._known(base)
        theirs = without_temporary_labels(theirs, base, ours)
        if self._remote.readable is not None:
            theirs = with_unreadable_shares(theirs, base, self._remote.readable)
        self._before = ours
        ours = with_own_labels(ours, base)
        project, changed_files = fetched.unit.project, dict[str, str]()
        decisions = _decide(base, ours, theirs, project)
        marks: dict[str, str] = {}
        if any(one.action == 'take' and _is_unlike(one.key, ours, theirs) for one in decisions):
            marks = self._folder.marks(key for key in ours if _is_unlike(key, ours, theirs))
            changed_files = self._changed_files(fetched.unit, ours)
            decisions = _decide(base, ours, theirs, project, changed_files)
        self._kept = {
            one.key
            for one in decisions
            if one.action in ('conflict', 'hold') and _is_unlike(one.key, ours, theirs)
        }
        if self._kept:
            theirs = with_needed_shares(theirs, base, [ours[key] for key in self._kept])
            decisions = _decide(base, ours, theirs, project, changed_files)
        self._superseded = frozenset(
            one.key
            for one in decisions
            if one.action == 'keep' and _is_retyped(one.key, ours, theirs)
        )
        decisions = [self._with_label(one, ours, theirs) for one in decisions]
        self._add_conflicts(fetched.unit, decisions, base, ours, theirs)
        changed = self._delete_gone(decisions, marks, base, ours, theirs)
        if self._replaced:
            decisions = _decide(base, ours, theirs, project, changed_files)
            decisions = [self._with_label(one, ours, theirs) for one in decisions]
        done = self._create_all(fetched.unit, decisions, ours, theirs)
        changed = changed or bool(done)
        taken = {one.key for one in decisions if one.action == 'take' and one.key not in ours}
        for one in decisions:
            if one.key in theirs and one.action in ('take', 'merge') and one.key not in done:
                if theirs[one.key].parent in self._held:
                    self._held.add(one.key)
                    continue
                scans = _scans_of(one.key, theirs, taken)
                arguments = fetched.unit, one.key, ours, theirs, base, scans
                if not self._isolated(one.key, self._put, *arguments):
                    self._held.add(one.key)
                elif one.key not in self._held:
                    done |= set(scans)
                    changed = True
        failed = {key for key, _ in self.failed} | self._held
        for one in decisions:
            if one.action in ('same', 'take', 'merge') and one.key not in failed:
                _rebase(base, one.key, theirs[one.key].values if one.key in theirs else None)
        return {**self._moves.left, **base}, changed

    def _guard(
        self,
        unit: Unit,
        base: dict[str, Values],
        theirs: Mapping[str, Part],
        ours: dict[str, Part],
    ) -> None:
        """Leave sessions and assessors as they are that the server has hardly deleted."""
        for key in [key for key in base if key in ours and key not in theirs]:
            part = ours.get(key)
            if part is None or not level(part.level).has_label or part.level == 'subjects':
                continue
            if part.parent in ours and part.parent not in theirs:
                continue  # it goes with its session
            project = owner_of(base[key], unit.project)
            if part.level == 'assessors' and self._is_hidden(key, project):
                self._moves.hide(key, base, ours)
            elif error := self._missing.refusal(key, project):
                self.failed.append((key, error))
                self._moves.leave(key, base, ours)

    def _is_hidden(self, key: str, project: str) -> bool:
        """Whether the server has an assessor that is not in the document of its session."""
        try:
            return self._remote.has(key) or self._missing.is_listed(key, project)
        except errors.PermissionDenied:
            return True

    def _delete_gone(
        self,
        decisions: list[Decision],
        marks: Mapping[str, str],
        base: dict[str, Values],
        ours: dict[str, Part],
        theirs: Mapping[str, Part],
    ) -> bool:
        """Delete what the server deleted, or created again with another type.

        Return if any. First of all: another item may have its label now.
        """
        gone = [one.key for one in decisions if _is_gone(one, ours, theirs)]
        tops = [key for key in gone if ours[key].parent not in gone]
        for key in tops:
            if self._isolated(key, self._folder.delete_compared, key, marks[key]):
                self.deleted += [key] if level(ours[key].level).has_label else []
        taken = [one.key for one in decisions if one.action == 'take']
        for key in taken:
            if _is_retyped(key, ours, theirs):
                self._isolated(key, self._replace, key, marks[key], base, ours)
        return bool(tops or self._replaced)

    def _replace(self, key: str, mark: str, base: dict[str, Values], ours: dict[str, Part]) -> None:
        """Delete an item that the server has created again with another type."""
        self._folder.delete_compared(key, mark)
        self._replaced.append(key)
        parents = {name: part.parent for name, part in ours.items()}
        for name in parents:
            if is_below(name, key, parents):
                del ours[name]
                base.pop(name, None)

    def _with_label(
        self, one: Decision, ours: Mapping[str, Part], theirs: Mapping[str, Part]
    ) -> Decision:
        """Return the decision that also gives an item back a label that another took."""
        actions = {'same': 'take', 'keep': 'merge'}
        if one.action not in actions or one.key not in ours or one.key not in theirs:
            return one
        if ours[one.key].values == self._before[one.key].values:
            return one
        return Decision(one.key, actions[one.action])

    def _changed_files(self, unit: Unit, ours: Mapping[str, Part]) -> dict[str, str]:
        """Return the files that the folder changed since the pull, with their items."""
        base = {**self._moves.files(unit), **self._state.base(unit.key, 'file')}
        return {
            key: file.holder
            for key, file in self._folder.files(unit, Files.of('all'), _values(ours)).items()
            if key not in base or file.values(next(iter(base[key]))) != base[key]
        }

    def _known(self, base: Mapping[str, Values]) -> dict[str, Values]:
        """Return a base without shares into projects that the folder has no more."""
        if self._projects is None:
            return {**base}
        return {**known_base(base, self._projects)}

    def _create_all(
        self,
        unit: Unit,
        decisions: list[Decision],
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
    ) -> set[str]:
        """Create a subject that the folder does not have, with all below it.

        Return the keys. Without the items of other projects. None if the folder refuses one of the
        items: then they are put one by one.
        """
        is_new = all(one.action == 'take' and one.key in theirs for one in decisions)
        if ours or not is_new or unit.key not in theirs or unit.id == unit.project:
            return set()
        own = {key: part for key, part in theirs.items() if part.project == unit.project}
        shared = [part for part in own.values() if shares_of(part.values)]
        if not all(self._make_room(unit, part, part.values) for part in shared):
            return set()
        try:
            self._folder.create(own.values(), unit.project)
        except errors.DatabaseError:
            return set()
        for part in shared:
            self._isolated(part.key, self._folder.put_shares, part, part.values)
        return set(own)

    def _make_room(self, unit: Unit, part: Part, values: Values) -> bool:
        """Take the labels of a part from items that have others at the server.

        If an item was given one in the folder, it is in conflict, and False is returned.
        """
        if not level(part.level).has_label:
            return True
        owner = owner_of(values, unit.project)
        labels = {owner: values.get(LABEL, part.label), **shares_of(values)}
        holders = {
            project: self._folder.holder(part, project, label) for project, label in labels.items()
        }
        for project, key in holders.items():
            if key and not self._was_given(key, project, labels[project]):
                ours = {_name_in(project, key, self._folder): labels[project]}
                theirs = dict(part.values)
                conflict = Conflict(key, 'item', unit.key, LABEL_TAKEN, ours, theirs)
                self.conflicts += [conflict] if conflict not in self.conflicts else []
                return False
        for project, key in holders.items():
            if key:
                self._folder.displace(part, project, labels[project], key)
        return True

    def _was_given(self, key: str, project: str, label: str) -> bool:
        """Whether an item had a label in a project when it was pulled."""
        unit = self._state.unit_of(key)
        if unit is None:
            return False
        base = self._state.base(unit.key, 'item')[key]
        name = LABEL if owner_of(base, unit.project) == project else f'{SHARE}{project}'
        return base.get(name) == label

    def _put(
        self,
        unit: Unit,
        key: str,
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
        base: Mapping[str, Values],
        scans: Mapping[str, Part],
    ) -> None:
        here, there = ours.get(key), theirs[key]
        values: Values = there.values
        if here is not None and here.values != base.get(key, here.values):
            values = merged(base[key], here.values, there.values) or values
        if not self._make_room(unit, there, values):
            self._held.add(key)
            return
        is_moved = False
        if here is not None and owner_of(values, '') != owner_of(here.values, ''):
            is_moved = self._folder.own(key, here.parent, values[PROJECT], values[LABEL])
            here = here.in_project(values[PROJECT])
            there = there.in_project(values[PROJECT])
        if here is None or values == there.values:
            self._folder.put(there, [scan.id for scan in scans.values()])
            for scan in scans.values():
                self._folder.put_forms(scan.key, {}, scan.values)
        else:
            self._folder.merge(here, there, values)
        before = {} if here is None else self._before[key].values
        self._folder.put_forms(key, before, values)
        if is_moved or shares_of(values) != shares_of(before):
            self._folder.put_shares(there, values)

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
        decisions: list[Decision],
        base: Mapping[str, Values],
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
    ) -> None:
        here, there = _values(ours), _values(theirs)
        for one in decisions:
            if one.is_conflict:
                values = dict(here.get(one.key, {})), dict(there.get(one.key, {}))
                if one.reason == SHARE_NEEDED:
                    shares = _needed_shares(one.key, base, ours, theirs)
                    values = {name: values[0][name] for name in shares if name in values[0]}, shares
                self.conflicts.append(Conflict(one.key, 'item', unit.key, one.reason, *values))


def _is_gone(one: Decision, ours: Mapping[str, Part], theirs: Mapping[str, Part]) -> bool:
    """Whether the folder deletes an item that the server deleted."""
    return one.action == 'take' and one.key in ours and one.key not in theirs


def _is_retyped(key: str, ours: Mapping[str, Part], theirs: Mapping[str, Part]) -> bool:
    """Whether both sides have an item, with different types."""
    return key in ours and key in theirs and is_retyped(ours[key].values, theirs[key].values)


def _is_unlike(key: str, ours: Mapping[str, Part], theirs: Mapping[str, Part]) -> bool:
    """Whether the server has deleted an item of the folder, or created it again."""
    return key in ours and (key not in theirs or _is_retyped(key, ours, theirs))


def _decide(
    base: Mapping[str, Values],
    ours: Mapping[str, Part],
    theirs: Mapping[str, Part],
    project: str,
    changed_files: Mapping[str, str] | None = None,
) -> list[Decision]:
    """Compare the items of a unit.

    The share of a subject counts as above the sessions of its project that the folder does not
    have: they are conflicts if the folder ended the share. If it has them, the subject is one.
    Files that the folder changed count as new things below their items.
    """
    files = changed_files or {}
    above = {key: part.parent for key, part in {**ours, **theirs}.items()} | {**files}
    here: dict[str, Values] = {**_values(ours), **{key: {} for key in files}}
    versions = {**base}, here, _values(theirs)
    others = {*files}
    for key, part in theirs.items():
        field, subject = f'{SHARE}{part.project}', part.parent
        if key in ours or part.level != 'experiments' or part.project == project:
            continue
        if subject not in ours or field not in theirs[subject].values:
            continue  # not shared, or the subject itself is compared with them
        above[key] = share = f'{subject} {field}'
        others.add(share)
        for version in versions:
            if field in version.get(subject, {}):
                version[share] = {}
    return [
        Decision(one.key, 'conflict', SHARE_NEEDED)
        if not one.is_conflict and _needed_shares(one.key, base, ours, theirs)
        else one
        for one in decide(*versions, above)
        if one.key not in others
    ]


def _needed_shares(
    key: str, base: Mapping[str, Values], ours: Mapping[str, Part], theirs: Mapping[str, Part]
) -> dict[str, str]:
    """Return the shares of a subject that sessions of both sides need.

    Only those that were changed here. XNAT can neither end such a share nor change its label.
    """
    if key not in ours or key not in theirs:
        return {}
    projects = {
        part.project for name, part in theirs.items() if part.parent == key and name in ours
    }
    before, here = shares_of(base.get(key, {})), shares_of(ours[key].values)
    return {
        f'{SHARE}{name}': label
        for name, label in shares_of(theirs[key].values).items()
        if name in projects and name in before and here.get(name) not in (before[name], label)
    }


def _scans_of(key: str, theirs: Mapping[str, Part], taken: set[str]) -> dict[str, Part]:
    """Return the scans of a session that the folder gets with it, in one document."""
    if key not in taken or not key.startswith('experiments/'):
        return {}
    return {
        name: part
        for name, part in theirs.items()
        if part.parent == key and part.level == 'scans' and name in taken
    }


def _name_in(project: str, key: str, folder: FolderSide) -> str:
    """Return the name of the value of an item that is its label in a project."""
    part = folder.part_of(key)
    is_own = part is None or part.project == project
    return LABEL if is_own else f'{SHARE}{project}'


def _values(parts: Mapping[str, Part]) -> dict[str, Values]:
    return {key: part.values for key, part in parts.items()}


def _rebase(base: dict[str, Values], key: str, values: Values | None) -> None:
    if values is None:
        base.pop(key, None)
    else:
        base[key] = values
