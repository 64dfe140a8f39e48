"""Resolution of conflicts: the folder's version, the server's, or both."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote

from ... import errors
from ...http.folder import ChangedMeanwhile
from ...interface import Interface
from ...model import uris
from ...model.levels import level
from ...resources.base import class_of
from .decisions import GONE_HERE, LABEL_TAKEN, PATH_TAKEN, SHARE_NEEDED, is_retyped
from .file_rows import FileRow, Files, blocked, has_file, version_path
from .folder_side import FolderSide
from .moves import is_below
from .parts import FORM, LABEL, PARENT, PROJECT, SHARE, Part, values_of, with_own_labels
from .sides import always_fresh
from .state import Conflict, State, Unit

__all__ = ['Resolver', 'Take', 'free_name', 'remove_versions']

Take = Literal['local', 'remote', 'both']
_ID = '/@ID'
"""Name of the ID among the values of a scan."""
_COMPRESSED = ('.gz', '.bz2', '.xz', '.zst')


class Resolver:
    """Ends conflicts of one mirror. No request to the server.

    Each ends whole: first the folder is written, only while it is as it was compared, and then the
    state, in one transaction. If it is interrupted in between, the conflict stands, and can be
    resolved again.

    Parameters
    ----------
    local : Interface
        The folder.
    state : State
        State of the mirror.
    folder : Path
        Folder ``mirror``, with the server's versions of files.
    """

    def __init__(self, local: Interface, state: State, folder: Path) -> None:
        self._local = local
        self._side = FolderSide(local)
        self._state = state
        self._folder = folder

    def resolve(self, keys: Collection[str], take: Take) -> None:
        """End the conflicts with some keys.

        Parameters
        ----------
        keys : collection of str
            Keys of conflicts, or their IDs.
        take : {'local', 'remote', 'both'}
            The side whose version is right.

        Raises
        ------
        DataError
            There is no such conflict; none is ended. Or an item was changed since its conflict was
            found; the others are ended.
        ConfigurationError
            A server has the folder.
        """
        conflicts = self._state.conflicts()
        known = {name: one.key for one in conflicts for name in (one.id, one.key)}
        if unknown := [name for name in keys if name not in known]:
            raise errors.DataError(
                f'no conflict of {", ".join(unknown)}',
                remedy='mirror.conflicts() lists them, with their keys.',
            )
        wanted = {known[name] for name in keys}
        refused: list[errors.DataError] = []
        with always_fresh(self._local):
            for one in conflicts:
                if one.key in wanted:
                    try:
                        self._resolve(one, take)
                    except errors.DataError as error:
                        refused.append(error)
        remove_versions(self._folder, {one.key for one in self._state.conflicts()})
        if refused:
            raise refused[0]

    def _resolve(self, conflict: Conflict, take: Take) -> None:
        try:
            with self._side.comparing(), self._state.whole():
                home = self._home(conflict)
                self._end(conflict, take)
                if conflict.key.startswith('experiments/'):
                    self._state.recompare(conflict.unit if home is None else home.key)
        except ChangedMeanwhile as error:
            self._state.unmark([conflict.unit])
            raise errors.DataError(
                f'{conflict.key} was changed since the conflict was found', remedy='Pull again.'
            ) from error

    def _end(self, conflict: Conflict, take: Take) -> None:
        """End a conflict: write the folder, then the state.

        Raises
        ------
        ChangedMeanwhile
            The folder is not as it was when the conflict was found.
        DataError
            It cannot be ended so.
        """
        if conflict.reason == LABEL_TAKEN:
            self._resolve_label(conflict, take)
            return
        if conflict.reason == SHARE_NEEDED:
            self._resolve_share(conflict, take)
            return
        if conflict.reason == PATH_TAKEN:
            self._resolve_path(conflict, take)
            return
        if take != 'local' and is_retyped(conflict.ours, conflict.theirs):
            self._give_way(conflict, take)
            return
        is_gone_here = conflict.reason == GONE_HERE  # it, or the item above
        is_deleted = is_gone_here or not (conflict.ours and conflict.theirs)
        if take == 'both' and is_deleted:
            take = 'remote' if conflict.theirs else 'local'
        if take == 'both':
            take = self._keep_both(conflict)
        if conflict.key == conflict.unit and not conflict.theirs:
            self._resolve_deleted(conflict, take)
            return
        if conflict.kind == 'item' and not conflict.theirs:
            self._resolve_gone(conflict, take)
            return
        if conflict.kind == 'item' and not is_deleted and take != 'both':
            self._give_id(conflict)
        if take == 'remote' and (is_gone_here or not conflict.ours):
            self._take_above(conflict)
        base = {'remote': conflict.ours, 'local': conflict.theirs}.get(take)
        self._state.rebase(conflict.unit, conflict.kind, conflict.key, base or None)

    def _take_above(self, conflict: Conflict) -> None:
        """Take the items above one that is taken, too, as far as the folder deleted them.

        So is all that is below an item, and the share of a subject with the project of a session.
        """
        base = self._state.base(conflict.unit, 'item')
        if conflict.kind == 'item':
            key = conflict.theirs.get(PARENT, '')
            if not conflict.ours:
                self._forget_below(conflict, base)
        else:
            element = class_of('file')(conflict.key, self._local)
            key = FileRow(conflict.key, element, {}).holder
        project = conflict.theirs.get(PROJECT)
        while key in base and not self._is_here(key):
            project = base[key].get(PROJECT, project)
            self._state.rebase(conflict.unit, 'item', key, None)
            key = base[key].get(PARENT, '')
        if key.startswith('subjects/') and project not in (None, self._unit(conflict).project):
            self._state.rebase_field(key, f'{SHARE}{project}', None)

    def _resolve_deleted(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of a subject that the server deleted and the folder changed."""
        unit = self._unit(conflict)
        if take == 'local':
            self._state.forget(unit.key)  # it is new, and will be created again
            return
        self._side.delete_compared(unit.key, self._mark(conflict, unit.key))
        self._state.bury(unit)

    def _mark(self, conflict: Conflict, key: str) -> str:
        """Return the mark of an item, if it is that of its conflict.

        Empty if there is none: it was deleted by a resolution that was interrupted.
        """
        mark = self._side.marks([key])[key]
        if mark and self._state.base(conflict.unit, 'mark').get(conflict.key) != {'mark': mark}:
            raise _changed(conflict)
        return mark

    def _is_here(self, key: str) -> bool:
        """Whether the folder has an item."""
        session, _, scan = key.partition('/scans/')
        part = self._side.part_of(session)
        scans = () if part is None else [one.id for one in part.item.below if one.level == 'scans']
        return scan in scans if scan else part is not None

    def _forget_below(self, conflict: Conflict, base: Mapping[str, Mapping[str, str]]) -> None:
        """Remove all that is below an item from the base.

        It is new on the side that has it.
        """
        parents = {key: one.get(PARENT, '') for key, one in base.items()}
        for key in base:
            if is_below(key, conflict.key, parents):
                self._state.rebase(conflict.unit, 'item', key, None)
        for key in self._state.base(conflict.unit, 'file'):
            if has_file(conflict.key, key):
                self._state.rebase(conflict.unit, 'file', key, None)

    def _resolve_gone(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of an item below a subject that the server deleted.

        All that is below it goes with it: it is new for the next push, or deleted by the next pull.
        """
        base = self._state.base(conflict.unit, 'item')
        if take == 'local':
            self._forget_below(conflict, base)
            self._state.rebase(conflict.unit, 'item', conflict.key, None)
            subject, project = conflict.ours.get(PARENT, ''), conflict.ours.get(PROJECT)
            if subject.startswith('subjects/') and project != self._unit(conflict).project:
                self._state.rebase_field(subject, f'{SHARE}{project}', None)
            return
        names = (name for one in self._state.base(conflict.unit, 'file').values() for name in one)
        by = next(names, 'digest')
        unit = self._home(conflict) or self._unit(conflict)
        ours = values_of(self._side.parts(unit))
        files = self._side.files(unit, Files.of('all'), ours)
        self._mark(conflict, conflict.key)  # last: what is written now is not in the base
        parents = {key: one.get(PARENT, '') for key, one in ours.items()}
        for key in ours:
            if is_below(key, conflict.key, parents):
                self._state.rebase(conflict.unit, 'item', key, ours[key])
        self._state.rebase(conflict.unit, 'item', conflict.key, conflict.ours)
        for key, file in files.items():
            if has_file(conflict.key, key):
                self._state.rebase(conflict.unit, 'file', key, file.values(by))

    def _home(self, conflict: Conflict) -> Unit | None:
        """Return the unit that has the session of an item now.

        It may have moved in the folder.
        """
        session = '/'.join(conflict.key.split('/')[:2])
        return self._side.home(session) if session.startswith('experiments/') else None

    def _unit(self, conflict: Conflict) -> Unit:
        return self._state.units()[conflict.unit]

    # -- labels

    def _resolve_label(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of an item that has a label of another one.

        Raises
        ------
        DataError
            The item should keep it.
        ChangedMeanwhile
            It was changed since.
        """
        if conflict not in self._state.conflicts():
            return  # another unit had the same one
        [(name, label)] = conflict.ours.items()
        if take == 'local':
            raise errors.DataError(
                f'{label} is the label of another item at the server',
                remedy="Rename that item there and pull, or take 'both': the item of the folder is "
                'renamed.',
            )
        part = self._side.part_of(conflict.key)
        if part is None or part.values.get(name) != label:
            raise _changed(conflict)
        unit = self._state.unit_of(part.key)
        if take == 'both':
            self._rename(part, name, label)
        elif unit is None and name == LABEL:
            self._side.delete_compared(part.key, self._mark(conflict, part.key))
        elif unit is None:
            others = {other: text for other, text in part.values.items() if other != name}
            self._side.put_shares(part, others)
        else:  # the next pull takes the server's label
            self._state.rebase_field(part.key, name, label)
            self._state.unmark([unit.key])
        self._state.end_conflicts(conflict.key, LABEL_TAKEN)

    def _rename(self, part: Part, name: str, label: str) -> None:
        """Give an item another label in its own project, or in one that shares it."""
        project = part.project if name == LABEL else name.removeprefix(SHARE)
        fresh = free_name(label, lambda name: bool(self._side.holder(part, project, name)))
        if name != LABEL:
            self._side.put_shares(part, {**part.values, name: fresh})
            return
        self._side.rename(part, fresh)

    def _resolve_share(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of a subject whose shares were changed here.

        They are pulled again.

        Raises
        ------
        DataError
            They should stay as they are here.
        """
        if take == 'local':
            raise errors.DataError(
                f'{conflict.key}: its share is needed by sessions of that project',
                remedy='Delete these sessions or move them to another subject, and push.',
            )
        for name in conflict.theirs:
            self._state.rebase_field(conflict.key, name, conflict.ours.get(name))
        self._state.end_conflicts(conflict.key, SHARE_NEEDED)

    # -- paths

    def _resolve_path(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of a file of the server whose path the folder has otherwise.

        The files in its way are new for the next push, or are deleted; for both, copies of them
        with another path are new.

        Raises
        ------
        ChangedMeanwhile
            One of them was changed since.
        """
        files = self._side.files(self._unit(conflict), Files.of('all'))
        names = blocked([conflict.key], files).get(conflict.key, [])
        if any(conflict.ours.get(files[name].path) != files[name].version for name in names):
            raise _changed(conflict)
        for name in names:
            if take == 'both':
                copy = files[name]._replace(key=_moved_aside(name, conflict.key, files))
                self._side.put_file(copy, copy.element.get(), overwrite=False)
            if take == 'local':
                self._state.rebase(conflict.unit, 'file', name, None)
            else:
                self._side.delete_files(*files[name].place, [files[name]])
        base = conflict.theirs if take == 'local' else None
        self._state.rebase(conflict.unit, 'file', conflict.key, base)

    # -- data types

    def _give_way(self, conflict: Conflict, take: Take) -> None:
        """End the conflict of an item that the server has with another type.

        That of the folder is deleted, or gets another label; the next pull creates the other.

        Raises
        ------
        DataError
            Both are kept, and it has no other label.
        ChangedMeanwhile
            It was changed since.
        """
        part = self._twin(conflict)
        if take == 'remote':
            part = part or self._side.parts(self._unit(conflict)).get(conflict.key)
        elif part is None:
            raise errors.DataError(
                f'{conflict.key} has another type at the server, and its ID cannot be changed',
                remedy="Copy what you need of it to another item, then take 'remote'.",
            )
        if part is None or part.values != conflict.ours:
            raise _changed(conflict)
        if take == 'both':
            self._side.rename(part, self._free_label(part))
        else:
            self._side.delete_compared(part.key, self._mark(conflict, part.key))
            self._forget_below(conflict, self._state.base(conflict.unit, 'item'))
        self._state.rebase(conflict.unit, conflict.kind, conflict.key, None)

    # -- both versions

    def _keep_both(self, conflict: Conflict) -> Take:
        """Store the folder's version under another name; return what is left to resolve."""
        if conflict.kind == 'file':
            self._keep_file(conflict)
            return 'remote'
        twin = self._twin(conflict)
        if twin is None:
            self._keep_item(conflict)
            return 'remote'
        self._side.rename(twin, self._free_label(twin))
        return 'both'

    def _keep_file(self, conflict: Conflict) -> None:
        """Copy a file to another name.

        Unless an interrupted resolution has done so.
        """
        files = self._side.files(self._unit(conflict), Files.of('all'))
        file = files.get(conflict.key)
        if file is None or not file.is_as_in(conflict.ours):
            raise _changed(conflict)
        place = str(file.row['path'])
        stem = conflict.key.removesuffix(uris.quote_path(place))

        def is_taken(name: str) -> bool:
            other = files.get(stem + uris.quote_path(name))
            return other is not None and not other.digest == file.digest != ''

        key = stem + uris.quote_path(free_name(place, is_taken))
        if key in files:
            return
        copy = FileRow(key, file.element, file.row)
        try:
            self._side.put_file(copy, file.element.get(), overwrite=False)
        except errors.DuplicateError as error:
            raise _changed(conflict) from error

    def _keep_item(self, conflict: Conflict) -> None:
        """Copy the fields of an item that both sides have to a new one.

        Unless an interrupted resolution has done so.
        """
        parts = self._side.parts(self._unit(conflict))
        part = with_own_labels(parts, self._state.base(conflict.unit, 'item')).get(conflict.key)
        if part is None or part.values != conflict.ours:
            raise _changed(conflict)
        if part.level == 'projects':
            raise errors.DataError(
                f'{conflict.key}: a project is not kept twice', remedy='Take local or remote.'
            )

        def key_of(name: str) -> str:
            if level(part.level).has_label:
                return self._side.holder(part, part.project, name)
            key = part.key.removesuffix(part.id) + name
            return key if key in parts else ''

        def is_taken(name: str) -> bool:
            key = key_of(name)
            is_subject = key.startswith('subjects/')
            found = self._side.part_of(key) if is_subject else parts.get(key)
            return key != '' and (found is None or _fields(found) != _fields(part))

        name = free_name(part.values.get(LABEL, part.label), is_taken)
        if not key_of(name):
            self._side.copy(part, name)

    def _free_label(self, part: Part) -> str:
        """Return a label that no item of its project has."""
        label = part.values.get(LABEL, part.label)
        return free_name(label, lambda name: bool(self._side.holder(part, part.project, name)))

    # -- items that were created on both sides

    def _twin(self, conflict: Conflict) -> Part | None:
        """Return the item of the folder that has an ID of its own.

        None if both have one ID.

        Raises
        ------
        ChangedMeanwhile
            It was changed since the conflict was found.
        """
        if conflict.key.startswith('experiments/') and self._side.home(conflict.key) is not None:
            return None
        project = self._unit(conflict).project
        units = [unit for unit, _ in self._side.units(project).values()]
        near = [unit for unit in units if unit.key == conflict.unit]
        near = near or [unit for unit in units if unit.label == conflict.ours.get(LABEL)]
        parts = [part for unit in near for part in self._side.parts(unit).values()]
        if any(part.key == conflict.key for part in parts):
            return None
        for part in parts:
            if part.values == conflict.ours and level(part.level).has_label:
                return part
        raise _changed(conflict)

    def _give_id(self, conflict: Conflict) -> None:
        """Give an item that was created on both sides the ID that it has at the server."""
        twin = self._twin(conflict)
        if twin is not None:
            self._side.change_id(twin.id, conflict.key.rpartition('/')[2])


def _changed(conflict: Conflict) -> ChangedMeanwhile:
    return ChangedMeanwhile(f'{conflict.key} is not as it was')


def _fields(part: Part) -> dict[str, str]:
    """Return the values of an item that its copy has, too."""
    return {
        name: text
        for name, text in part.values.items()
        if name not in (LABEL, _ID) and not name.startswith((SHARE, FORM))
    }


def _moved_aside(key: str, wanted: str, files: Iterable[str]) -> str:
    """Return another key for a file in the way of another one.

    The part of the path that both need gets a free name.

    Parameters
    ----------
    key, wanted : str
        Keys of the file, and of the other one.
    files : iterable of str
        Keys of the files that are there.
    """
    shared = min(key, wanted, key=len).rstrip('/')
    home, _, name = shared.rpartition('/')
    start = f'{home}/'

    def is_taken(name: str) -> bool:
        place = start + uris.quote(name)
        return any(one == place or one.startswith(f'{place}/') for one in files)

    fresh = uris.quote(free_name(unquote(name), is_taken))
    return start + fresh + key[len(shared) :]


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name for the folder's version of an item or file, when both are kept.

    Parameters
    ----------
    name : str
        Label, or path of a file.
    is_taken : callable
        Whether there is an item or file of a name.

    Examples
    --------
    >>> taken = {'S01_local'}
    >>> [free_name(name, taken.__contains__) for name in ('S01', 'sub/T1.nii.gz', '1.2.3.dcm')]
    ['S01_local2', 'sub/T1_local.nii.gz', '1.2.3_local.dcm']
    """
    path = PurePosixPath(name)
    suffix = path.suffix
    if suffix in _COMPRESSED:
        suffix = PurePosixPath(path.stem).suffix + suffix
    marks = itertools.chain(['_local'], (f'_local{number}' for number in itertools.count(2)))
    names = (f'{name.removesuffix(suffix)}{mark}{suffix}' for mark in marks)
    return next(name for name in names if not is_taken(name))


def remove_versions(folder: Path, but: Iterable[str]) -> None:
    """Remove the server's versions of files that are not in conflict any more.

    Parameters
    ----------
    folder : Path
        Folder ``mirror``.
    but : iterable of str
        Keys of the files in conflict.
    """
    kept = {version_path(folder, key) for key in but}
    for path in (folder / 'conflicts').glob('*'):
        if path not in kept:
            path.unlink()
