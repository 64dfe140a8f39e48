"""Push of one unit: changes of the folder, to the server."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import publish
from .decisions import Decision, Values, decide
from .parts import PARENT, Part, with_own_labels
from .sides import FileRow, Files, FolderSide, RemoteSide
from .state import State, Unit

__all__ = ['PushPlan', 'Step', 'UnitPush', 'is_below', 'item_steps', 'renamed']

_VERSION = 1


class Step(NamedTuple):
    """One change that a push makes at the server."""

    unit: str
    """Key of the unit."""
    action: str
    """``create``, ``change`` or ``delete`` of an item; ``send`` or ``remove`` of a file."""
    key: str
    """Key of the item, or URI of the file."""
    fields: tuple[str, ...] = ()
    """Fields that are changed."""

    def __str__(self) -> str:
        return ' '.join(filter(None, [self.action, self.key, ', '.join(self.fields)]))


class PushPlan:
    """Steps of a push, and the state of both sides that they rest on.

    Parameters
    ----------
    steps : list of Step
        The steps.
    marks : dict
        Key of each unit to its marks at the server and in the folder.
    delete : bool
        Whether deletions are pushed.
    """

    def __init__(
        self, steps: list[Step], marks: dict[str, tuple[str, str]], delete: bool = False
    ) -> None:
        self.steps = steps
        self.marks = marks
        self.delete = delete

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PushPlan) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(self.steps))

    def __repr__(self) -> str:
        return f'<PushPlan of {len(self.steps)} steps>'

    def __str__(self) -> str:
        return '\n'.join(map(str, self.steps)) or 'nothing to push'

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file."""
        content = {'version': _VERSION, 'delete': self.delete, 'marks': self.marks}
        with publish(Path(path)) as file:
            file.write(json.dumps({**content, 'steps': self.steps}, indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PushPlan:
        """Read a plan from a file.

        Raises
        ------
        DataError
            The file is no plan.
        """
        try:
            content = json.loads(Path(path).read_bytes())
            steps = [
                Step(unit, action, key, tuple(fields))
                for unit, action, key, fields in content['steps']
            ]
            marks = {key: (there, here) for key, (there, here) in content['marks'].items()}
            return cls(steps, marks, bool(content['delete']))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise errors.DataError(
                f'{path} is no plan of a push', remedy='Write one with plan.save().'
            ) from error


def item_steps(
    unit: str,
    decisions: list[Decision],
    base: Mapping[str, Values],
    ours: Mapping[str, Part],
    theirs: Mapping[str, Part],
) -> list[Step]:
    """Return the steps for the items of a unit: outer ones first, deletions at the end.

    Parameters
    ----------
    unit : str
        Key of the unit.
    decisions : list of Decision
        Comparison of the items.
    base : mapping
        Fields that both sides had.
    ours, theirs : mapping
        Items of the folder and of the server.
    """
    steps: list[Step] = []
    actions = {one.key: one.action for one in decisions}
    for key, part in ours.items():
        if actions.get(key) not in ('keep', 'merge'):
            continue
        if key not in theirs:
            steps.append(Step(unit, 'create', key))
        else:
            steps.append(Step(unit, 'change', key, _changed(base[key], part.values)))
    for key, part in theirs.items():
        is_top = part.parent in ours or part.parent not in theirs
        below = [name for name in theirs if is_below(name, key, theirs)]
        if is_top and all(name not in ours and actions.get(name) == 'keep' for name in below):
            steps.append(Step(unit, 'delete', key))  # the parts below go with it
    return steps


def is_below(key: str, upper: str, parts: Mapping[str, Part]) -> bool:
    """Return whether an item is another one, or below it.

    Parameters
    ----------
    key, upper : str
        Keys of the items.
    parts : mapping
        All items of the unit.
    """
    while key != upper and key in parts:
        key = parts[key].parent
    return key == upper


def _changed(before: Values, after: Values) -> tuple[str, ...]:
    return tuple(
        sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
    )


class UnitPush:
    """Sends the changes of one unit.

    Parameters
    ----------
    remote : RemoteSide
        The server.
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    delete : bool
        Whether deletions are sent.
    """

    def __init__(self, remote: RemoteSide, folder: FolderSide, state: State, delete: bool) -> None:
        self._remote = remote
        self._folder = folder
        self._state = state
        self._delete = delete
        self.done: list[Step] = []
        self.failed: list[tuple[str, errors.Error]] = []

    # -- items

    def items(
        self, here: Unit | None, there: Unit | None
    ) -> tuple[list[Step], dict[str, Part], dict[str, Part]]:
        """Return the steps for the items of a unit, and the items of both sides.

        Parameters
        ----------
        here, there : Unit or None
            The unit in the folder and at the server.
        """
        key = (here or there or Unit('', '', '', '')).key
        ours = {} if here is None else self._folder.parts(here)
        theirs = {} if there is None else self._remote.parts(there)
        base = self._state.base(key, 'item')
        ours = with_own_labels(ours, base)
        above = {name: part.parent for name, part in {**ours, **theirs}.items()}
        mine = {name: part.values for name, part in ours.items()}
        decisions = decide(base, mine, {name: part.values for name, part in theirs.items()}, above)
        steps = item_steps(key, decisions, base, ours, theirs)
        changed = self._holders_with_changes(key, there, steps)
        steps = [
            step
            for step in steps
            if step.action != 'delete'
            or (self._delete and not any(is_below(one, step.key, theirs) for one in changed))
        ]
        return steps, ours, theirs

    def _holders_with_changes(self, key: str, there: Unit | None, steps: list[Step]) -> set[str]:
        """Return the items whose files the server has changed; asked only before a deletion."""
        if there is None or not self._delete or all(step.action != 'delete' for step in steps):
            return set()
        base = self._state.base(key, 'file')
        files = self._remote.files(there, Files.of('all'))
        return {
            file.holder
            for name, file in files.items()
            if name not in base or file.values(next(iter(base[name]))) != base[name]
        }

    def send_items(
        self, steps: list[Step], ours: Mapping[str, Part], theirs: Mapping[str, Part]
    ) -> dict[str, str]:
        """Carry out steps; return the new ID of each item that was created.

        Parameters
        ----------
        steps : list of Step
            Steps of one unit.
        ours, theirs : mapping
            Items of both sides.
        """
        ids: dict[str, str] = {}
        for step in steps:
            try:
                self._send_item(step, ours, theirs, ids)
            except errors.DatabaseError as error:
                self.failed.append((step.key, error))
            else:
                self.done.append(step)
        return ids

    def _send_item(
        self,
        step: Step,
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
        ids: dict[str, str],
    ) -> None:
        unit = renamed(step.unit, ids)
        if step.action == 'delete':
            self._remote.delete(theirs[step.key].uri)
            self._state.rebase(unit, 'item', step.key, None)
            return
        part = ours[step.key]
        if step.action == 'change':
            before = self._state.base(unit, 'item')[step.key]
            self._remote.change(part, theirs[step.key], before)
            sent = {path: part.values[path] for path in step.fields if path in part.values}
            rest = {path: text for path, text in before.items() if path not in step.fields}
            self._state.rebase(unit, 'item', step.key, rest | sent)
            return
        owner = renamed(part.parent, ids)
        new = self._remote.create(part, owner.rpartition('/')[2])
        if new != part.id:
            self._folder.change_id(part.id, new)
            ids[part.id] = new
        values = {**part.values, PARENT: owner}
        self._state.rebase(renamed(step.unit, ids), 'item', renamed(part.key, ids), values)

    # -- files

    def files(
        self, unit: Unit, wanted: Files
    ) -> tuple[list[Step], dict[str, FileRow], dict[str, FileRow]]:
        """Return the steps for the files of a unit, and the files of both sides.

        Parameters
        ----------
        unit : Unit
            The unit, which both sides have.
        wanted : Files
            Files that the mirror has; others of the folder are new.
        """
        ours = self._folder.files(unit, Files.of('all'))
        theirs = self._remote.files(unit, Files.of('all')) if ours or not wanted.is_none else {}
        base = self._state.base(unit.key, 'file')
        by = 'digest' if all(file.row.get('digest') for file in theirs.values()) else 'Size'
        mine = {key: file.values(by) for key, file in ours.items()}
        others = {
            key: file.values(by) for key, file in theirs.items() if key in base or key in mine
        }
        steps = []
        for one in decide(base, mine, others):
            if one.action == 'keep' and one.key in ours:
                steps.append(Step(unit.key, 'send', one.key))
            elif one.action == 'keep' and self._delete:
                steps.append(Step(unit.key, 'remove', one.key))
        return steps, ours, theirs

    def send_files(
        self, steps: list[Step], ours: Mapping[str, FileRow], theirs: Mapping[str, FileRow]
    ) -> None:
        """Carry out steps for files, one after the other.

        Parameters
        ----------
        steps : list of Step
            Steps of one unit.
        ours, theirs : mapping
            Files of both sides.
        """
        for step in steps:
            try:
                if step.action == 'remove':
                    theirs[step.key].element.delete()  # it alone, not all names that begin so
                else:
                    file = ours[step.key]
                    self._remote.put_file(file, file.element.get())
            except errors.DatabaseError as error:
                self.failed.append((step.key, error))
            else:
                self.done.append(step)


def renamed(key: str, ids: Mapping[str, str]) -> str:
    """Return a key with the IDs that the server gave.

    Parameters
    ----------
    key : str
        Key of an item or unit.
    ids : mapping
        ID in the folder -> ID at the server.
    """
    return '/'.join(ids.get(name, name) for name in key.split('/'))
