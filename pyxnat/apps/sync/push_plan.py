"""Plan of a push: its steps, their order, and the file that a plan is saved in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import publish
from .decisions import Decision, Values, is_retyped
from .moves import is_below
from .parts import Part

__all__ = ['PushPlan', 'Step', 'item_steps', 'labels_first']

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
            There is no such file, it is no plan, or one of another version of pyxnat.
        """
        try:
            content = json.loads(Path(path).read_bytes())
            if content['version'] != _VERSION:
                raise ValueError(content['version'])
            steps = [
                Step(unit, action, key, tuple(fields))
                for unit, action, key, fields in content['steps']
            ]
            marks = {key: (there, here) for key, (there, here) in content['marks'].items()}
            return cls(steps, marks, bool(content['delete']))
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise errors.DataError(
                f'{path} is no plan of a push for this version of pyxnat',
                remedy='Write one with plan.save().',
            ) from error


def item_steps(
    unit: str,
    decisions: list[Decision],
    base: Mapping[str, Values],
    ours: Mapping[str, Part],
    theirs: Mapping[str, Part],
) -> list[Step]:
    """Return the steps for the items of a unit.

    Outer ones first, deletions at the end. An item whose type the folder changed is deleted first,
    and created again with all below it.

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
    actions = {one.key: one.action for one in decisions}
    sent = [key for key in ours if actions.get(key) in ('keep', 'merge')]
    both = [key for key in sent if key in theirs]
    retyped = [key for key in both if is_retyped(ours[key].values, theirs[key].values)]
    parents = {key: part.parent for key, part in ours.items()}
    again = {key for key in ours if any(is_below(key, upper, parents) for upper in retyped)}
    new = [Step(unit, 'create', key) for key in ours if key in again or key in {*sent} - {*both}]
    labels = {key: (theirs[key].label, ours[key].label) for key in both if key not in again}
    changes = [
        Step(unit, 'change', key, _changed(base[key], ours[key].values))
        for key in labels_first(labels)
    ]
    tops = [step for step in new if step.key == unit]  # a session may move there
    first, last = _deletions(unit, actions, ours, theirs)
    first += [Step(unit, 'delete', key) for key in retyped]
    return [*first, *tops, *changes, *(one for one in new if one not in tops), *last]


def _deletions(
    unit: str, actions: Mapping[str, str], ours: Mapping[str, Part], theirs: Mapping[str, Part]
) -> tuple[list[Step], list[Step]]:
    """Return the deletions before other steps, and those after them.

    Before them those of sessions below a subject of another project, with which XNAT refuses to
    delete the subject, and which it would delete with the share of the subject.
    """
    first, last = list[Step](), list[Step]()
    parents = {key: part.parent for key, part in theirs.items()}
    for key, part in theirs.items():
        above = theirs.get(part.parent)
        is_other = above is not None and above.project != part.project
        below = [name for name in theirs if is_below(name, key, parents)]
        if (above is None or part.parent in ours or is_other) and all(
            name not in ours and actions.get(name) == 'keep' for name in below
        ):  # the parts below go with it
            (first if is_other else last).append(Step(unit, 'delete', key))
    return first, last


def labels_first(labels: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return keys in an order in which a new label is free when it is given.

    Parameters
    ----------
    labels : mapping
        Key of each item to its labels before and after.

    Examples
    --------
    >>> labels_first({'a': ('A', 'B'), 'b': ('B', 'C'), 'c': ('D', 'D')})
    ['b', 'c', 'a']
    """
    waiting, found = dict(labels), list[str]()
    while waiting:
        taken = {before: key for key, (before, _) in waiting.items()}
        free = [key for key, (_, after) in waiting.items() if taken.get(after, key) == key]
        found += free or waiting
        waiting = {key: waiting[key] for key in waiting if key not in found}
    return found


def _changed(before: Values, after: Values) -> tuple[str, ...]:
    return tuple(
        sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
    )
