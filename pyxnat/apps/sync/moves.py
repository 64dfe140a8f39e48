"""Items that are elsewhere on one side.

Moved to another subject, or created again. A session keeps its ID when it moves to another subject,
so it is compared as one item, in the unit that has it on the leading side: the server for a pull,
the folder for a push.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from ... import errors
from ...model.levels import level
from .decisions import Values
from .folder_side import FolderSide
from .parts import PARENT, PROJECT, Part, values_of
from .sides import Side, uri_of_unit
from .state import State, Unit

__all__ = ['Moves', 'adopted', 'is_below', 'return_sessions']

_SESSION = 'experiments/'


def is_below(key: str, upper: str, parents: Mapping[str, str]) -> bool:
    """Return whether an item is another one, or below it.

    Parameters
    ----------
    key, upper : str
        Keys of the items.
    parents : mapping
        Key of each item to that of the item above it.
    """
    while key != upper and key in parents:
        key = parents[key]
    return key == upper


def _below(key: str, things: Mapping[str, Values]) -> list[str]:
    parents = {name: values.get(PARENT, '') for name, values in things.items()}
    return [name for name in things if is_below(name, key, parents)]


class Moves:
    """Sessions of one unit that another unit has on one side, or in the base.

    Parameters
    ----------
    leading, other : Side
        The side whose units are compared, and the other.
    state : State
        State of the mirror.
    is_mirrored : callable
        Whether another unit will be compared, so that a session may be left to it.
    """

    def __init__(
        self, leading: Side, other: Side, state: State, is_mirrored: Callable[[Unit], bool]
    ) -> None:
        self._leading = leading
        self._other = other
        self._state = state
        self._is_mirrored = is_mirrored
        self.lent: dict[str, Unit] = {}
        """Session -> unit whose base has it."""
        self.left: dict[str, Values] = {}
        """Base of the items that another unit compares, or none."""
        self.hidden: list[str] = []
        """Sessions that the leading side does not show in a unit that is compared, and has."""
        self._left: list[str] = []

    def complete(
        self,
        unit: str,
        base: dict[str, Values],
        leading: Mapping[str, Part],
        other: dict[str, Part],
    ) -> None:
        """Add what other units have of the sessions of the leading side; remove the rest.

        Sessions of projects that cannot be read any more are removed, too: nobody knows whether
        they were deleted. So are those that the leading side has, where no unit is compared, or
        does not let the login read (`hidden`).

        Requests: two for each session that the leading side lacks, or the other; three for one
        that has moved.

        Parameters
        ----------
        unit : str
            Key of the unit.
        base : dict
            Fields of its items that both sides had.
        leading, other : mapping
            Its items on both sides.
        """
        for key in dict.fromkeys([*leading, *other, *base]):
            if not _is_session(key):
                continue
            if key in leading:
                self._borrow(key, unit, base, other)
            elif not self._is_readable(base.get(key) or other[key].values):
                self.leave(key, base, other)
            elif key in base or self._state.unit_of(key) is not None:
                self._follow(key, unit, base, other)

    def _follow(self, key: str, unit: str, base: dict[str, Values], other: dict[str, Part]) -> None:
        """Leave a session that the leading side has not deleted."""
        try:
            home = self._leading.home(key)
        except errors.PermissionDenied:
            self.hide(key, base, other)
            return
        if home is not None and home.key != unit and self._is_mirrored(home):
            self.leave(key, base, other)
        elif home is not None:
            self.hide(key, base, other)

    def _is_readable(self, values: Values) -> bool:
        """Whether the project of an item can be read, as far as both are known."""
        readable = self._leading.readable
        return readable is None or PROJECT not in values or values[PROJECT] in readable

    def _borrow(self, key: str, unit: str, base: dict[str, Values], other: dict[str, Part]) -> None:
        owner = None if key in base else self._state.unit_of(key)
        if owner is not None and owner.key != unit:
            lent = self._state.base(owner.key, 'item')
            base.update({name: lent[name] for name in _below(key, lent)})
            self.lent[key] = owner
        home = None
        if key in base and key not in other:
            with suppress(errors.PermissionDenied):  # it is not compared
                home = self._other.home(key)
        if home is not None and home.key != unit:
            parts = self._other.parts(home)
            values = values_of(parts)
            other.update({name: parts[name] for name in _below(key, values)})

    def hide(self, key: str, base: dict[str, Values], other: dict[str, Part]) -> None:
        """Leave a session or assessor, and record it.

        Parameters
        ----------
        key : str
            Its key.
        base, other : dict
            As in `leave`.
        """
        self.hidden.append(key)
        self.leave(key, base, other)

    def leave(self, key: str, base: dict[str, Values], other: dict[str, Part]) -> None:
        """Remove an item, and all below it, from the comparison of a unit.

        Parameters
        ----------
        key : str
            Its key.
        base, other : dict
            Fields that both sides had, and the items of the other side.
        """
        self._left.append(key)
        self.left |= {name: base.pop(name) for name in _below(key, base)}
        for name in _below(key, values_of(other)):
            del other[name]

    def has_left(self, file: str) -> bool:
        """Whether another unit compares the file with a key."""
        return any(f'/{key}/' in file for key in self._left)

    def files(self, unit: Unit) -> dict[str, dict[str, str]]:
        """Return the base of the files of sessions of another unit, by their keys here."""
        found: dict[str, dict[str, str]] = {}
        for key, owner in self.lent.items():
            found |= _files_of(key, self._state, owner, unit)
        return found

    def file_base(self, unit: Unit) -> dict[str, Mapping[str, str]]:
        """Return the base of the files of a unit, with its sessions from other units."""
        return {**self.files(unit), **self._state.base(unit.key, 'file')}


def _files_of(key: str, state: State, unit: Unit, other: Unit) -> dict[str, dict[str, str]]:
    """Return the base of the files of a session by their keys in another unit."""
    start, after = (f'{uri_of_unit(one)}/{key}/' for one in (unit, other))
    return {
        after + name.removeprefix(start): values
        for name, values in state.base(unit.key, 'file').items()
        if name.startswith(start)
    }


def return_sessions(folder: Side, state: State, unit: Unit) -> None:
    """Give the base of sessions to the units that have them in the folder.

    Of a subject that is deleted at the server, to which sessions had moved there alone: they are
    then compared, and deleted, where they are. Two requests for each session.

    Parameters
    ----------
    folder : Side
        The folder.
    state : State
        State of the mirror.
    unit : Unit
        The subject.
    """
    base, known = state.base(unit.key, 'item'), state.units()
    for key in filter(_is_session, base):
        home = folder.home(key)
        if home is None or home.key == unit.key or home.key not in known:
            continue
        files = _files_of(key, state, unit, home)
        for name in _below(key, base):
            state.rebase(home.key, 'item', name, base[name])
        for name, values in files.items():
            state.rebase(home.key, 'file', name, values)
        state.unmark([home.key])


def _is_session(key: str) -> bool:
    return key.startswith(_SESSION) and '/' not in key.removeprefix(_SESSION)


def adopted(
    folder: FolderSide, state: State, here: Unit, key: str, theirs: Mapping[str, Part]
) -> dict[str, Part]:
    """Return the items of a unit of the folder after some got the server's ID.

    One that was created here, and has the label and the fields of an item of the server, is that
    item; also with other fields, if that item had been pulled, and was deleted here. Otherwise it
    gets the key of that item alone, so that it is a conflict.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    here : Unit
        The unit in the folder.
    key : str
        Key of the unit at the server.
    theirs : mapping
        Its items at the server.
    """
    base = state.base(key, 'item')
    ours = folder.parts(here)
    names = {_name_of(part): part for part in theirs.values() if part.key not in ours}
    for part in list(ours.values()):
        twin = names.get(_name_of(part))
        if twin is None or part.key in base or not level(part.level).has_label:
            continue
        if state.unit_of(part.key) is not None:  # it has moved here
            continue
        if part.level != 'subjects' and folder.home(twin.key) is not None:  # elsewhere here
            continue
        if twin.values == part.values or twin.key in base:
            folder.change_id(part.id, twin.id)
            here = here._replace(key=key, id=twin.id) if part.id == here.id else here
            return adopted(folder, state, here, key, theirs)
        if part.level != 'subjects':
            ours[twin.key] = ours.pop(part.key)
    return ours


def _name_of(part: Part) -> tuple[str, str, str, str]:
    return part.level, part.project, part.label, part.parent
