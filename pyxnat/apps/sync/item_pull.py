"""Pull of the items of one unit: its fields, labels, shares and deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ... import errors
from ...model.levels import level
from .decisions import LABEL_TAKEN, SHARE_NEEDED, Decision, Values, merged
from .file_rows import Files
from .folder_side import FolderSide
from .item_versions import ItemVersions
from .missing import Missing
from .moves import Moves, is_below
from .parts import (
    LABEL,
    PROJECT,
    SHARE,
    Part,
    known_base,
    owner_of,
    shares_of,
    values_of,
    with_needed_shares,
    with_own_labels,
    with_unreadable_shares,
    without_temporary_labels,
)
from .sides import Side
from .state import Conflict, State, Unit

__all__ = ['ItemPull', 'ItemsPulled']


class ItemsPulled(NamedTuple):
    """Result of a pull of items."""

    base: dict[str, Values]
    """The items that both sides have now."""
    changed: bool
    """Whether the folder was changed."""
    held: set[str]
    """Items that cannot be put, as another one has their label."""
    kept: set[str]
    """Items that the server deleted or created again, and the folder keeps for a conflict."""
    superseded: frozenset[str]
    """Items of the server that the next push deletes, as the folder has another type."""
    replaced: list[str]
    """Items of another type that were deleted in the folder: their files are new."""


class ItemPull:
    """Compares the items of one unit, and brings those that the server changed.

    Parameters
    ----------
    remote : Side
        The remote.
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    moves : Moves
        Sessions that one side has below another unit.
    missing : Missing
        Guard of what the server does not show any more.

    Attributes
    ----------
    failed : list of tuple
        Key of each item that could not be pulled, with its error.
    conflicts : list of Conflict
        Items that both sides changed.
    deleted : list of str
        Keys of the sessions and assessors that were deleted in the folder.
    marks : dict
        Key of each item in conflict that its end may delete in the folder -> its mark.
    """

    def __init__(
        self, remote: Side, folder: FolderSide, state: State, moves: Moves, missing: Missing
    ) -> None:
        self._remote = remote
        self._folder = folder
        self._state = state
        self._moves = moves
        self._missing = missing
        self.failed: list[tuple[str, errors.Error]] = []
        self.conflicts: list[Conflict] = []
        self.deleted: list[str] = []
        self.marks: dict[str, str] = {}
        self._held: set[str] = set()
        self._replaced: list[str] = []
        self._before: Mapping[str, Part] = {}
        """Items of the folder before the pull."""
        self._access = ''

    def run(
        self, unit: Unit, theirs: Mapping[str, Part], ours: Mapping[str, Part], access: str
    ) -> ItemsPulled:
        """Pull the items of a unit.

        Parameters
        ----------
        unit : Unit
            The unit.
        theirs, ours : mapping
            Its items at the server and in the folder, by key.
        access : str
            Who may read a project, if it is created; empty for a subject.
        """
        self._access = access
        versions = self._prepared(unit, theirs, ours)
        decisions, is_unlike = versions.decide(), versions.is_unlike
        marks: dict[str, str] = {}
        if any(one.action in ('take', 'conflict') for one in decisions if is_unlike(one.key)):
            names = {key: part.key for key, part in versions.ours.items() if is_unlike(key)}
            found = self._folder.marks(names.values())
            marks = {key: found[name] for key, name in names.items()}
            versions.changed_files = self._changed_files(versions)
            decisions = versions.decide()
        kept = {
            one.key
            for one in decisions
            if one.action in ('conflict', 'hold') and is_unlike(one.key)
        }
        if kept:
            needing = [versions.ours[key] for key in kept]
            versions.theirs = with_needed_shares(versions.theirs, versions.base, needing)
            decisions = versions.decide()
        superseded = frozenset(
            one.key for one in decisions if one.action == 'keep' and versions.is_retyped(one.key)
        )
        decisions = [self._with_label(one, versions) for one in decisions]
        self._add_conflicts(decisions, versions)
        self.marks |= {
            one.key: marks[one.key] for one in decisions if one.is_conflict and one.key in marks
        }
        changed = self._delete_gone(decisions, marks, versions)
        if self._replaced:
            decisions = [self._with_label(one, versions) for one in versions.decide()]
        changed |= self._put_all(decisions, versions)
        failed = {key for key, _ in self.failed} | self._held
        for one in decisions:
            if one.action in ('same', 'take', 'merge') and one.key not in failed:
                versions.rebase(one.key)
        base = {**self._moves.left, **versions.base}
        return ItemsPulled(base, changed, self._held, kept, superseded, self._replaced)

    def _prepared(
        self, unit: Unit, theirs: Mapping[str, Part], ours: Mapping[str, Part]
    ) -> ItemVersions:
        """Return the three versions without differences that are none.

        Such as sessions that have moved, items that the login cannot see, and shares into projects
        that the folder does not have.
        """
        base: dict[str, Values] = {**self._state.base(unit.key, 'item')}
        here = {**ours}
        self._moves.complete(unit.key, base, theirs, here)
        self._guard(unit, base, theirs, here)
        if self._remote.projects is not None:
            base = {**known_base(base, self._remote.projects)}
        there = without_temporary_labels(theirs, base, here)
        if self._remote.readable is not None:
            there = with_unreadable_shares(there, base, self._remote.readable)
        self._before = here
        return ItemVersions(unit, base, with_own_labels(here, base), there)

    def _put_all(self, decisions: list[Decision], versions: ItemVersions) -> bool:
        """Give the folder the items that the server created or changed; return if any."""
        theirs = versions.theirs
        done = self._create_all(decisions, versions)
        changed = bool(done)
        taken = {one.key for one in decisions if one.action == 'take'} - versions.ours.keys()
        for one in decisions:
            if one.key not in theirs or one.action not in ('take', 'merge') or one.key in done:
                continue
            if theirs[one.key].parent in self._held:
                self._held.add(one.key)
                continue
            scans = _scans_of(one.key, theirs, taken)
            if not self._isolated(one.key, self._put, one.key, versions, scans):
                self._held.add(one.key)
            elif one.key not in self._held:
                done |= set(scans)
                changed = True
        return changed

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
        self, decisions: list[Decision], marks: Mapping[str, str], versions: ItemVersions
    ) -> bool:
        """Delete what the server deleted, or created again with another type.

        Return if any. First of all: another item may have its label now.
        """
        ours = versions.ours
        gone = [one.key for one in decisions if versions.is_gone(one)]
        tops = [key for key in gone if ours[key].parent not in gone]
        for key in tops:
            if self._isolated(key, self._folder.delete_compared, key, marks[key]):
                self.deleted += [key] if level(ours[key].level).has_label else []
        taken = [one.key for one in decisions if one.action == 'take']
        for key in taken:
            if versions.is_retyped(key):
                self._isolated(key, self._replace, key, marks[key], versions)
        return bool(tops or self._replaced)

    def _replace(self, key: str, mark: str, versions: ItemVersions) -> None:
        """Delete an item that the server has created again with another type."""
        self._folder.delete_compared(key, mark)
        self._replaced.append(key)
        parents = {name: part.parent for name, part in versions.ours.items()}
        for name in parents:
            if is_below(name, key, parents):
                del versions.ours[name]
                versions.base.pop(name, None)

    def _with_label(self, one: Decision, versions: ItemVersions) -> Decision:
        """Return the decision that also gives an item back a label that another took."""
        actions = {'same': 'take', 'keep': 'merge'}
        is_on_both = one.key in versions.ours and one.key in versions.theirs
        if one.action not in actions or not is_on_both:
            return one
        if versions.ours[one.key].values == self._before[one.key].values:
            return one
        return Decision(one.key, actions[one.action])

    def _changed_files(self, versions: ItemVersions) -> dict[str, str]:
        """Return the files that the folder changed since the pull, with their items."""
        unit, things = versions.unit, values_of(versions.ours)
        base = self._moves.file_base(unit)
        return {
            key: file.holder
            for key, file in self._folder.files(unit, Files.of('all'), things).items()
            if not file.is_as_in(base.get(key))
        }

    def _create_all(self, decisions: list[Decision], versions: ItemVersions) -> set[str]:
        """Create a subject that the folder does not have, with all below it.

        Return the keys. Without the items of other projects. None if the folder refuses one of the
        items: then they are put one by one.
        """
        unit, theirs = versions.unit, versions.theirs
        is_new = all(one.action == 'take' and one.key in theirs for one in decisions)
        is_subject = unit.key in theirs and unit.id != unit.project
        if versions.ours or not is_new or not is_subject:
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
                self.marks |= self._folder.marks([key])
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

    def _put(self, key: str, versions: ItemVersions, scans: Mapping[str, Part]) -> None:
        base = versions.base
        here, there = versions.ours.get(key), versions.theirs[key]
        values: Values = there.values
        if here is not None and here.values != base.get(key, here.values):
            values = merged(base[key], here.values, there.values) or values
        if not self._make_room(versions.unit, there, values):
            self._held.add(key)
            return
        is_moved = False
        if here is not None and owner_of(values, '') != owner_of(here.values, ''):
            is_moved = self._folder.own(key, here.parent, values[PROJECT], values[LABEL])
            here = here.in_project(values[PROJECT])
            there = there.in_project(values[PROJECT])
        if here is None or values == there.values:
            access = self._access if here is None else ''
            self._folder.put(there, [scan.id for scan in scans.values()], access)
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

    def _add_conflicts(self, decisions: list[Decision], versions: ItemVersions) -> None:
        here, there = values_of(versions.ours), values_of(versions.theirs)
        for one in decisions:
            if one.is_conflict:
                values = dict(here.get(one.key, {})), dict(there.get(one.key, {}))
                if one.reason == SHARE_NEEDED:
                    shares = versions.needed_shares(one.key)
                    values = {name: values[0][name] for name in shares if name in values[0]}, shares
                unit = versions.unit.key
                self.conflicts.append(Conflict(one.key, 'item', unit, one.reason, *values))


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
