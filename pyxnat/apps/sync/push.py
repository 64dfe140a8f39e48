"""Push of one unit: changes of the folder, to the server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from ... import errors
from .decisions import CREATED_TWICE, LABEL_TAKEN, Values, decide, is_alike, is_retyped, merged
from .file_rows import NOTES, FileRow, Files, blocked, has_file, is_of
from .folder_side import FolderSide
from .moves import Moves, adopted, is_below
from .parts import (
    LABEL,
    PARENT,
    SHARE,
    Part,
    Resource,
    known_base,
    known_shares,
    resources_of,
    temporary_label,
    uri_of_key,
    values_of,
    with_own_labels,
    without_temporary_labels,
)
from .push_plan import Step, item_steps
from .remote_side import RemoteSide
from .share_push import SharePush, with_ended_shares
from .state import Conflict, State, Unit

__all__ = ['Compared', 'UnitPush', 'renamed']


class Compared(NamedTuple):
    """Items of a unit on both sides, and the steps that follow."""

    unit: str
    """Its key."""
    steps: list[Step]
    ours: Mapping[str, Part]
    theirs: Mapping[str, Part]
    base: Mapping[str, Values]
    parents: dict[str, str]
    """Key of each item of the server to that of the item above it, which a step may change."""


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
        self.races: list[Conflict] = []
        self._present: dict[str, Values] = {}
        """Items of the server, also those that were sent."""
        self._unlike: list[str] = []
        """Items that the server has with another type: their files are not compared."""
        self._resources: dict[tuple[str, str], Resource] = {}
        """Resources that the server has without files, or not: they are created with notes."""
        self._moves = Moves(folder, remote, state, lambda unit: True)
        self._projects = remote.projects or frozenset()

    @property
    def moved_from(self) -> list[Unit]:
        """Units that sessions have left."""
        return [self._moves.lent[key] for key in self._moved]

    @property
    def _moved(self) -> list[str]:
        """Sessions that were moved."""
        moved = {step.key for step in self.done if PARENT in step.fields}
        return [key for key in self._moves.lent if key in moved]

    # -- items

    def items(self, here: Unit | None, there: Unit | None) -> Compared:
        """Compare the items of a unit.

        Parameters
        ----------
        here, there : Unit or None
            The unit in the folder and at the server.
        """
        key = (here or there or Unit('', '', '', '')).key
        theirs = {} if there is None else self._remote.parts(there)
        listed = dict(theirs)
        ours = {} if here is None else adopted(self._folder, self._state, here, key, theirs)
        base: dict[str, Values] = {**self._state.base(key, 'item')}
        parents = {name: part.parent for name, part in theirs.items()}
        self._moves.complete(key, base, ours, theirs)
        base = {**known_base(base, self._projects)}
        theirs = without_temporary_labels(theirs, base, ours)
        ours = with_own_labels(ours, base)
        if not self._delete:
            ours = with_ended_shares(ours, base, theirs)
        for name, part in theirs.items():
            parents[name] = part.parent
        above = {name: part.parent for name, part in {**ours, **theirs}.items()}
        mine = values_of(ours)
        self._present = values_of(theirs)
        decisions = decide(base, mine, self._present, above)
        steps = item_steps(key, decisions, base, ours, theirs)
        kept = self._holders_with_changes(key, there, listed, steps) | (
            parents.keys() - theirs.keys()
        )
        steps = [
            step
            for step in steps
            if step.action != 'delete'
            or (self._delete and not any(is_below(one, step.key, parents) for one in kept))
        ]
        deleted = [step.key for step in steps if step.action == 'delete']
        self._unlike = [
            name
            for name, part in ours.items()
            if is_retyped(part.values, self._present.get(name)) and name not in deleted
        ]
        steps = [
            step
            for step in steps
            if step.action != 'create'
            or step.key not in theirs
            or any(is_below(step.key, upper, parents) for upper in deleted)
        ]
        return Compared(key, steps, ours, theirs, base, parents)

    def _holders_with_changes(
        self, key: str, there: Unit | None, theirs: Mapping[str, Part], steps: list[Step]
    ) -> set[str]:
        """Return the items whose files the server has changed.

        Asked only before a deletion.
        """
        if there is None or not self._delete or all(step.action != 'delete' for step in steps):
            return set()
        base = self._state.base(key, 'file')
        files = self._remote.files_of(there, theirs)
        return {
            file.holder
            for name, file in files.items()
            if name not in base or file.there(base[name]) != base[name]
        }

    def send_items(self, compared: Compared) -> dict[str, str]:
        """Carry out the steps of a unit; return the new ID of each item that was created.

        Parameters
        ----------
        compared : Compared
            The unit.
        """
        ids: dict[str, str] = {}
        shares = SharePush(self._remote, self._state, compared.base, compared.ours, compared.theirs)
        for step in compared.steps:
            try:
                self._send_item(step, compared, ids)
                self._note_present(step, compared.ours, ids)
                is_done = step.action == 'delete' or self._send_shares(step, compared, ids, shares)
            except errors.DatabaseError as error:
                self.failed.append((step.key, error))
            else:
                self.done += [step] if is_done else []
        self.failed += shares.failed
        return ids

    def _note_present(self, step: Step, ours: Mapping[str, Part], ids: Mapping[str, str]) -> None:
        """Record what the server has after a step."""
        self._present.pop(step.key, None)
        if step.action != 'delete':
            values = ours[step.key].values
            above = {PARENT: renamed(values[PARENT], ids)} if PARENT in values else {}
            self._present[renamed(step.key, ids)] = {**values, **above}

    @staticmethod
    def _send_shares(
        step: Step, compared: Compared, ids: Mapping[str, str], shares: SharePush
    ) -> bool:
        """Send the shares of an item; return whether anything of the step was sent."""
        part = compared.ours[step.key]
        names = step.fields if step.action == 'change' else tuple(part.values)
        projects = [name.removeprefix(SHARE) for name in names if name.startswith(SHARE)]
        place, above = renamed(step.key, ids), renamed(part.parent, ids)
        is_sent = shares.send(step.key, place, above, projects)
        return is_sent or len(projects) < len(names)

    def _send_item(self, step: Step, compared: Compared, ids: dict[str, str]) -> None:
        if step.action == 'delete':
            self._delete_item(step, compared, ids)
        elif step.action == 'change':
            self._change_item(step, compared, ids)
        else:
            self._create_item(step, compared, ids)

    def _delete_item(self, step: Step, compared: Compared, ids: Mapping[str, str]) -> None:
        unit, project = renamed(step.unit, ids), compared.theirs[step.key].project
        self._remote.delete(uri_of_key(step.key, compared.parents, project))
        self._state.rebase(unit, 'item', step.key, None)
        for key in self._state.base(unit, 'file'):
            if has_file(step.key, key):
                self._state.rebase(unit, 'file', key, None)

    def _change_item(self, step: Step, compared: Compared, ids: Mapping[str, str]) -> None:
        part, place = compared.ours[step.key], compared.theirs[step.key]
        place = place._replace(uri=uri_of_key(step.key, compared.parents, place.project))
        owner = renamed(part.parent, ids)
        arguments = part, place, compared.base[step.key], owner.rpartition('/')[2]
        try:
            self._remote.change(*arguments)
        except errors.DuplicateError:
            holder = self._remote.namesake(part) if LABEL in step.fields else None
            if holder is None or not self._makes_room(holder, part.label):
                raise
            self._remote.change(*arguments)
        if PARENT in step.fields:
            compared.parents[step.key] = owner

    def _create_item(self, step: Step, compared: Compared, ids: dict[str, str]) -> None:
        """Create an item, and record the ID that the server gave it."""
        part = compared.ours[step.key]
        if part.parent in dict(self.failed):
            raise errors.NotFoundError('the item above could not be created')
        owner = renamed(part.parent, ids)
        twin = self._remote.namesake(part)
        if twin is not None and not self._makes_room(twin, part.label):
            self._add_race(renamed(step.unit, ids), part, twin, owner)
            raise errors.DuplicateError(
                f'the server has {part.label} already',
                uri=twin.uri,
                remedy='Pull, and resolve the conflict.',
            )
        place = part._replace(uri=renamed(part.uri, ids))
        new = self._remote.create(place, owner.rpartition('/')[2])
        if new != part.id:
            self._folder.change_id(part.id, new)
            ids[part.id] = new

    def _add_race(self, unit: str, part: Part, twin: Part, owner: str) -> None:
        """Record that the server has another item of the label of a new one."""
        is_own = twin.project == part.project
        if is_own and twin.parent == owner:
            if part.level == 'subjects':
                return  # a pull compares them
            values = dict(part.values), dict(twin.values)
            self.races.append(Conflict(twin.key, 'item', unit, CREATED_TWICE, *values))
            return
        above = twin.key if part.level == 'subjects' else twin.parent
        if part.level == 'assessors':
            with suppress(errors.PermissionDenied):
                home = self._remote.home(above)
                above = above if home is None else home.key
        values = {LABEL: part.label}, dict(twin.values)
        self.races.append(Conflict(part.key, 'item', above, LABEL_TAKEN, *values))

    def _makes_room(self, holder: Part, label: str) -> bool:
        """Take a label from an item of the server that gets another one by this push.

        It has a temporary one until then.
        """
        unit = self._state.unit_of(holder.key)
        ours = None if unit is None else self._folder.part_of(holder.key)
        base = {} if unit is None else self._state.base(unit.key, 'item')[holder.key]
        if ours is None or base.get(LABEL) != label or ours.values.get(LABEL) == label:
            return False
        theirs = known_shares(holder.values, self._projects)
        if merged(known_shares(base, self._projects), ours.values, theirs) is None:
            return False  # a conflict: it is not sent
        self._remote.rename(holder, temporary_label(holder.id))
        return True

    def confirm(
        self, compared: Compared, unit: Unit, ids: Mapping[str, str], now: Mapping[str, Part]
    ) -> None:
        """Record the fields that the server has as they were sent.

        XNAT has no conditional write, so another program may have written at the same time. Fields
        that read otherwise keep their base, and are a conflict.

        Parameters
        ----------
        compared : Compared
            The unit before.
        unit : Unit
            The unit, with the ID that it has now.
        ids : mapping
            IDs of items that were created.
        now : mapping
            Items of the server, read after the steps.
        """
        files = self._moves.files(unit)
        for session in self._moved:
            for key, values in compared.base.items():
                if is_below(key, session, compared.parents):
                    self._state.rebase(unit.key, 'item', key, values)
            for key, values in files.items():
                if f'/{session}/' in key:
                    self._state.rebase(unit.key, 'file', key, values)
        for step in self.done:
            key = renamed(step.key, ids)
            if step.action == 'delete' or key not in now:
                continue
            sent = dict(compared.ours[step.key].values)
            if PARENT in sent:
                sent[PARENT] = renamed(sent[PARENT], ids)
            base = dict(compared.base.get(step.key, {}))
            for name in step.fields or sent:
                if is_alike(sent.get(name), now[key].values.get(name)):
                    base.pop(name, None)
                    base |= {name: sent[name]} if name in sent else {}
            self._state.rebase(unit.key, 'item', key, base)

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
        base = self._moves.file_base(unit)
        is_any = bool(ours or base) or not wanted.is_none
        theirs = self._remote.files(unit, Files.of('all'), self._present) if is_any else {}
        others = {
            key: file.there(base.get(key))
            for key, file in theirs.items()
            if key in base or key in ours
        }
        mine = {  # no request ends a format, content or tags
            key: file.here(base.get(key), theirs.get(key))
            | _missing(others.get(key, {}), file.notes)
            for key, file in ours.items()
        }
        steps = []
        for one in decide(base, mine, others):
            if self._moves.has_left(one.key):
                continue
            if is_of(self._unlike, one.key):
                continue
            if one.action == 'keep' and one.key in ours:
                steps.append(Step(unit.key, 'send', one.key))
            elif one.action == 'keep' and self._delete:
                steps.append(Step(unit.key, 'remove', one.key))
            elif one.is_conflict and not wanted.has((ours.get(one.key) or theirs[one.key]).row):
                self.failed.append((one.key, _changed_twice(unit)))  # no pull compares it
        steps = self._without_blocked(steps, theirs)
        if steps:
            parts = self._folder.parts(unit)
            filled = {file.place for file in theirs.values()}
            self._resources = {
                (one.place, one.label): one
                for part in parts.values()
                for one in resources_of(parts, part)
                if one.notes and (one.place, one.label) not in filled
            }
        return steps, ours, theirs

    def _without_blocked(self, steps: list[Step], theirs: Mapping[str, FileRow]) -> list[Step]:
        """Return the steps for files, removals first.

        Without files whose paths the server has otherwise, which are failures.
        """
        removed = [step for step in steps if step.action == 'remove']
        sent = [step for step in steps if step.action == 'send']
        left = theirs.keys() - {step.key for step in removed}
        in_the_way = blocked([step.key for step in sent if step.key not in theirs], left)
        for key, names in in_the_way.items():
            self.failed.append((key, _path_taken(theirs[names[0]])))
        return [*removed, *(step for step in sent if step.key not in in_the_way)]

    def send_files(
        self, steps: list[Step], ours: Mapping[str, FileRow], theirs: Mapping[str, FileRow]
    ) -> list[str]:
        """Carry out steps for files, one after the other; return the keys of those done.

        Parameters
        ----------
        steps : list of Step
            Steps of one unit.
        ours, theirs : mapping
            Files of both sides.
        """
        done = []
        for step in steps:
            try:
                self._send_file(step, ours.get(step.key), theirs.get(step.key))
            except errors.DatabaseError as error:
                self.failed.append((step.key, error))
            else:
                done.append(step)
        self.done += done
        return [step.key for step in done]

    def confirm_files(
        self,
        unit: Unit,
        wanted: Files,
        sent: list[str],
        ours: Mapping[str, FileRow],
        theirs: Mapping[str, FileRow],
    ) -> None:
        """Record the files that were sent, and that no pull compares.

        A selection of the files of the unit, if there are any.

        Parameters
        ----------
        unit : Unit
            The unit.
        wanted : Files
            Files that a pull compares.
        sent : list of str
            Keys of the files that were sent or removed.
        ours, theirs : mapping
            Files of both sides before.
        """
        others = [key for key in sent if not wanted.has((ours.get(key) or theirs[key]).row)]
        now = self._remote.files(unit, Files.of('all'), self._present) if others else {}
        for key in others:
            here, there = ours.get(key), now.get(key)
            if here is None and there is None:
                self._state.rebase(unit.key, 'file', key, None)
            elif here is not None and there is not None and here.has_content_of(there):
                self._state.rebase(unit.key, 'file', key, there.base(here))

    def _send_file(self, step: Step, ours: FileRow | None, theirs: FileRow | None) -> None:
        """Send or remove a file, if the server has it as it was listed."""
        if theirs is not None:
            self._remote.check_unchanged(theirs)
        if theirs is not None and step.action == 'remove':
            theirs.element.delete()  # it alone, not all names that begin so
        elif ours is not None:
            if ours.holder not in self._present:
                raise errors.NotFoundError(
                    'the server has deleted its item', uri=ours.key, remedy='Pull, and resolve it.'
                )
            resource = self._resources.pop(ours.place, None)
            if resource is not None:
                self._remote.put_resource(resource)
            self._remote.put_file(ours, ours.element.get(), overwrite=theirs is not None)
            if theirs is not None and not theirs.digest:  # no listing shows that it is there
                self._state.rebase(step.unit, 'file', step.key, ours.sent())


def _missing(theirs: Values, notes: Values) -> dict[str, str]:
    """Return the notes of a file of the server that the file of the folder lacks."""
    return {name: text for name, text in theirs.items() if name in NOTES and name not in notes}


def _path_taken(file: FileRow) -> errors.Error:
    return errors.DuplicateError(
        f'the server has {file.path}: no path is both a file and a folder',
        uri=file.key,
        remedy='Pull, and resolve the conflict. If it was deleted in the folder: push with '
        'delete=True.',
    )


def _changed_twice(unit: Unit) -> errors.Error:
    return errors.IntegrityError(
        'both sides changed the file, which is none of those that are pulled',
        remedy=f"Pull it, with its resource in files=, from '/projects/{unit.project}', and "
        'resolve the conflict.',
    )


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
