"""Pull of one unit.

Three-way comparison, then the remote's changes into the folder.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from .decisions import Values, decide
from .file_pull import Download, FilePull, FilesPulled
from .file_rows import FileRow, Files, is_of
from .folder_side import FolderSide
from .item_pull import ItemPull, ItemsPulled
from .missing import Missing
from .moves import Moves, adopted
from .parts import Part, resources_of, values_of
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
    notes : list of str
        About files whose content was lost in the folder, and the access of a project.
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
        self._state = state
        self._moves = Moves(remote, folder, state, self._is_mirrored)
        self._items = ItemPull(remote, folder, state, self._moves, missing)
        self._mirror = mirror
        self._files = files
        self._coming = coming
        self.failed: list[tuple[str, errors.Error]] = []
        self.conflicts: list[Conflict] = []
        self.notes: list[str] = []

    @property
    def deleted(self) -> list[str]:
        return self._items.deleted

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
            items = self._items.run(unit, fetched.parts, ours, fetched.access)
            self.failed += self._items.failed
            self.conflicts += self._items.conflicts
            bases: dict[str, dict[str, Values]] = {'item': items.base}
            bases['mark'] = {key: {'mark': mark} for key, mark in self._items.marks.items()}
            if fetched.access and unit.key in items.base:
                bases['access'] = self._pull_access(unit, fetched.access)
        changed = items.changed
        if self._files.is_none:
            bases['file'] = self._unlisted(unit, items)
        else:
            files = self._pull_files(fetched, ours, items, download)
            bases['file'] = files.base
            self.conflicts += files.conflicts
            self.notes += files.notes
            self.failed += files.failed
            changed = changed or files.changed
        is_whole = not (self.failed or self.conflicts or self.hidden)
        found = self._folder.units(unit.project, unit.subject)
        mark = found[unit.key][1] if unit.key in found and self._is_base(unit, bases) else ''
        there = fetched.mark if is_whole else ''
        unit = unit._replace(there=there, here=mark, files=self._files.text)
        waiting = {project for part in fetched.parts.values() for project in part.elsewhere}
        self._state.put(unit, bases, self.conflicts, waiting)
        return changed

    def _add_twin(self, here: Unit, ours: Mapping[str, Part], fetched: Fetched) -> None:
        key = fetched.unit.key
        values = dict(ours[here.key].values), dict(fetched.parts[key].values)
        self.conflicts.append(Conflict(key, 'item', key, 'created on both sides', *values))
        self._state.put(fetched.unit, {}, self.conflicts)

    def _pull_access(self, unit: Unit, access: str) -> dict[str, Values]:
        """Give a project the access of the server, unless it was changed here.

        Return its base.
        """
        base = self._state.base(unit.key, 'access')
        here, there = self._folder.accessibility(unit), {unit.key: {'access': access}}
        [one] = decide(base, {unit.key: {'access': here}}, there)
        if one.action == 'take':
            self._folder.set_accessibility(unit, access)
        if one.is_conflict:
            self.notes.append(
                f'{unit.id} stays {here} in the folder, which is not what was pulled; at the '
                f'server it is {access}'
            )
        return {**(there if one.action in ('same', 'take') else base)}

    def _is_mirrored(self, unit: Unit) -> bool:
        return unit.key in self._coming or unit.key in self._state.units()

    def _pull_files(
        self, fetched: Fetched, ours: Mapping[str, Part], items: ItemsPulled, download: Download
    ) -> FilesPulled:
        """Bring the files and resources of the unit."""
        unit = fetched.unit
        present = self._present(fetched, ours, items.base) if items.changed else frozenset(ours)
        pull = FilePull(self._folder, self._mirror, self._files, download)
        base = self._moves.file_base(unit)
        for key in [key for key in base if is_of(items.replaced, key)]:
            del base[key]
        pulled = pull.run(unit, base, fetched.files, present, items, self._moves.has_left)
        self._put_resources(fetched, present, items)
        return pulled

    def _put_resources(self, fetched: Fetched, present: frozenset[str], items: ItemsPulled) -> None:
        """Create the resources without files; give all their format, content and tags."""
        filled = {file.place for file in fetched.files.values()}
        here = self._folder.parts(fetched.unit) if present else {}
        notes = {
            (one.place, one.label): one.notes
            for part in here.values()
            for one in resources_of(here, part)
        }
        untouched = items.kept | items.superseded | items.held
        for part in fetched.parts.values():
            if part.key not in present or part.key in untouched:
                continue
            for one in resources_of(fetched.parts, part):
                place = one.place, one.label
                try:
                    if place in notes and notes[place] != one.notes:
                        self._folder.set_notes(*place, one.notes, {})
                    elif place not in filled | notes.keys():
                        self._folder.put_resource(one)
                except errors.DatabaseError as error:
                    self.failed.append((part.key, error))

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

    def _unlisted(self, unit: Unit, items: ItemsPulled) -> dict[str, Values]:
        """Return the base of files where none are wanted, without those of deleted items."""
        gone = self._state.base(unit.key, 'item').keys() - items.base.keys()
        gone |= {*items.replaced}
        base = self._moves.file_base(unit)
        return {key: values for key, values in base.items() if not is_of(gone, key)}

    def _is_base(self, unit: Unit, bases: Mapping[str, Mapping[str, Values]]) -> bool:
        """Whether the folder has the base and nothing else, no other file, either."""
        if values_of(self._folder.parts(unit)) != bases['item']:
            return False
        base, files = bases['file'], self._folder.files(unit, Files.of('all'))
        return files.keys() == base.keys() and all(
            file.is_as_in(base[key]) for key, file in files.items()
        )
