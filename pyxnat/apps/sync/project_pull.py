"""Pull of one project: which of its units the server changed or deleted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...interface import Interface
from .behind import units_named
from .feed import Feed, read_feed
from .file_rows import Files
from .folder_side import FolderSide, again_if_changed, units_here
from .missing import largest_deletion
from .moves import return_sessions
from .parts import known_base, values_of
from .puller import Here, Puller, PullReport
from .selection import Selection, selected_projects
from .shared_subjects import SharedSubjects
from .sides import Side
from .state import Conflict, State, Unit

__all__ = ['ProjectPull', 'PullOptions']


class PullOptions(NamedTuple):
    """Arguments of `Mirror.pull` that hold for all selections."""

    max_delete: float
    jobs: int
    dry_run: bool
    check: str


class ProjectPull:
    """Pulls one project, or subjects of one.

    Parameters
    ----------
    remote, local : Interface
        The server and the folder.
    state : State
        State of the mirror.
    mirror : Path
        Folder ``mirror``.
    report : PullReport
        Report that it adds to.
    """

    def __init__(
        self, remote: Interface, local: Interface, state: State, mirror: Path, report: PullReport
    ) -> None:
        self._remote = Side(remote)
        self._folder = FolderSide(local)
        self._state = state
        self._mirror = mirror
        self._report = report
        self._shared = SharedSubjects(self._remote, state)

    def run(self, selected: Selection, options: PullOptions) -> None:
        """Pull a selection.

        Parameters
        ----------
        selected : Selection
            The project, or subjects of it.
        options : PullOptions
            How to pull.
        """
        there, shared = self._remote.listing(selected.project)
        chosen = selected.subjects(self._remote.interface)
        is_named = not selected.is_stored
        pulled = self._pull(selected, there, chosen, options, is_named=is_named)
        asks = is_named and not options.dry_run
        self._shared.add(selected, chosen, shared, pulled, asks=asks)
        for note in self._shared.notes:
            self._report.add_note(note)

    def run_shared(self, options: PullOptions, *, is_all: bool) -> None:
        """Pull the subjects of other projects that are shared into the pulled ones.

        Also those that have sessions of them. Three requests for each of these projects.

        Parameters
        ----------
        options : PullOptions
            How to pull.
        is_all : bool
            Whether all selections of the mirror were pulled.
        """
        for selected in self._shared.selections(is_all=is_all):
            if not selected.each:
                continue
            project = selected.project
            there: dict[str, tuple[Unit, str]] = {}
            reason = f'{project} does not list them'
            if project:
                try:
                    there, _ = self._remote.listing(project)
                except (errors.NotFoundError, errors.PermissionDenied) as error:
                    reason = f'{project} cannot be read ({error.message})'
                    if self._state.units(project):
                        self._report.add_note(f'{reason}: what was pulled of it stays as it was')
            if note := self._shared.note(project, there, reason):
                self._report.add_note(note)
            with self._report.isolated(f'projects/{project}') if is_all else nullcontext():
                if there:
                    is_named = not is_all and project not in selected_projects(self._state)
                    self._pull(selected, there, selected.each, options, is_named=is_named)

    def _pull(
        self,
        selected: Selection,
        there: Mapping[str, tuple[Unit, str]],
        chosen: Container[str] | None,
        options: PullOptions,
        *,
        is_named: bool,
    ) -> Iterable[str]:
        """Pull what a listing has of a selection; return the keys of its units.

        `is_named` tells whether the user has named it, or what shows it.
        """
        project = selected.project
        self._remote.projects = self._folder.all_projects() | {project}
        self._folder.checks_disk = options.check == 'files'
        if not options.dry_run:
            self._move_in(there)
        known = self._state.units(project)
        here = units_here(self._folder, project)
        if not here and self._state.base(f'projects/{project}', 'item'):
            if not is_named:
                self._report.add_note(self._left_note(selected))
                return ()
            known = {}
            if not options.dry_run:
                self._state.forget_project(project)
        wanted = _wanted(selected, there, known, chosen, here)
        gone = [unit for key, unit in known.items() if key not in there]
        _check_deletions(gone, known, project, options.max_delete)
        overwritten = self._overwritten(selected, there, options)
        found = [(unit, self._found_again(unit)) for unit in gone]
        chosen_files = {
            key: _files(selected, unit, known.get(key), chosen) for key, (unit, _) in wanted.items()
        }
        if options.dry_run:
            todo = self._todo(chosen_files, wanted, known, overwritten)
            self._report.ok += [unit.key for some in todo.values() for unit, _ in some]
            self._report.deleted += [unit.key for unit, now in found if now is None]
            return wanted
        if selected.each is None:
            self._state.select(selected.path, selected.options)
        self._state.want({key: files.text for key, files in chosen_files.items()})
        for unit, now in found:  # first: another subject may have the label now
            if now is None:
                self._bury(unit)
            elif now in ('', project) or not self._move(unit, now):
                self._report.add_hidden([unit.key])
        left = self._state.units(project) if gone else known
        todo = self._todo(chosen_files, wanted, left, overwritten)
        puller = Puller(
            self._remote,
            self._folder,
            self._state,
            self._mirror,
            self._report,
            options.max_delete,
        )
        for files, some in todo.items():
            puller.run(some, Here(here, known), files, options.jobs)
        waiting = {unit.key: unit for unit in self._state.waiting(project)}
        self._pull_others({**waiting, **overwritten}, project, puller, options)
        return wanted

    def _left_note(self, selected: Selection) -> str:
        """Return the note for a project that the folder deleted, and no user named."""
        project, path = selected.project, selected.path
        if not path and project in selected_projects(self._state):
            path = f'/projects/{project}'
        note = f'{project} was deleted in the folder, and stays so'
        if not path:
            return f"{note}: pull('{self._shared.shown_by(project)}') brings it back"
        return f"{note}: pull('{path}') brings it back, forget('{path}') ends its pulls"

    # -- shares

    def _pull_others(
        self,
        units: Mapping[str, Unit],
        project: str,
        puller: Puller,
        options: PullOptions,
    ) -> None:
        """Pull units of other projects that waited for this one.

        Or that have overwritten files of it. They waited to be shared into it, or to get its
        sessions.
        """
        now = self._state.units()
        groups: dict[tuple[str, str], list[tuple[Unit, str]]] = {}
        for unit in units.values():
            is_there = unit.key in now and now[unit.key].project == unit.project
            if unit.project != project and is_there:
                groups.setdefault((unit.project, unit.files), []).append((unit, unit.there))
        for (owner, files), some in groups.items():
            here = units_here(self._folder, owner)
            puller.run(some, Here(here, here), Files.of(files), options.jobs)

    def _todo(
        self,
        files: Mapping[str, Files],
        wanted: Mapping[str, tuple[Unit, str]],
        known: Mapping[str, Unit],
        overwritten: Container[str],
    ) -> dict[Files, list[tuple[Unit, str]]]:
        """Return the units to fetch, with their marks, by their files.

        The others are skipped.
        """
        groups: dict[str, tuple[Files, list[tuple[Unit, str]]]] = {}
        for key, (unit, mark) in wanted.items():
            before, own = known.get(key), files[key]
            is_same = before is not None and before.there == mark != '' and key not in overwritten
            if is_same and before is not None and before.files == own.text:
                self._report.add_skipped(key)
            else:
                groups.setdefault(own.text, (own, []))[1].append((unit, mark))
        return dict(groups.values())

    # -- overwritten files

    def _overwritten(
        self,
        selected: Selection,
        there: Mapping[str, tuple[Unit, str]],
        options: PullOptions,
    ) -> dict[str, Unit]:
        """Return the units with files that may have been overwritten. One request.

        Also those of other projects that have sessions of this one.
        """
        if selected.files.is_none:
            return {}
        if options.check == 'files':
            return {key: unit for key, (unit, _) in there.items()}
        before = self._state.feed(selected.project)
        marks = (mark for _, mark in there.values())
        feed = read_feed(self._remote.interface, selected.project, before, marks)
        if feed.refusal:
            self._report.add_note(_refusal(selected.project, feed))
            return {}
        known = self._state.units()
        changed = units_named(self._state, known, feed)
        if not options.dry_run:
            self._state.put_feed(selected.project, feed.ended(), changed)
        return {key: known[key] for key in changed}

    # -- subjects that came from another project, or went there

    def _move_in(self, there: Mapping[str, tuple[Unit, str]]) -> None:
        """Move subjects that came from other projects of the mirror, or bury them there."""
        everywhere = self._state.units()
        for key, (unit, _) in there.items():
            before = everywhere.get(key, unit)
            if before.project != unit.project and not self._move(before, unit.project):
                self._bury(before)

    def _move(self, unit: Unit, project: str) -> bool:
        """Move a subject in the folder, its sessions first.

        Return whether it was possible.
        """
        if not (self._state.units(project) and units_here(self._folder, project)):
            return False
        try:
            again_if_changed(lambda _: self._folder.move_subject(unit, project))
        except errors.NotFoundError:  # deleted here
            pass
        except errors.DatabaseError as error:  # such as a label that is taken there, or BusyError
            self._report.add_failure(unit.key, error)
            return True
        self._state.move(unit, project)
        return True

    # -- deleted subjects

    def _found_again(self, unit: Unit) -> str | None:
        """Return the project of a subject that is not listed; None if it was deleted.

        Empty if the login may not read it. One request.
        """
        try:
            return self._remote.project_of(unit)
        except errors.PermissionDenied:
            return ''

    def _bury(self, unit: Unit) -> None:
        """Delete a subject that the server deleted, unless it was changed here."""
        try:
            again_if_changed(lambda _: self._try_to_bury(unit))
        except errors.BusyError as error:
            self._report.add_failure(unit.key, error)

    def _try_to_bury(self, unit: Unit) -> None:
        now = self._folder.units(unit.project, unit.subject).get(unit.key)
        if now is not None and now[1] != unit.here and not self._has_base(unit):
            ours = self._folder.parts(unit)[unit.key].values
            conflict = Conflict(unit.key, 'item', unit.key, 'deleted there, changed here', ours, {})
            self._state.put(unit, {'mark': {unit.key: {'mark': now[1]}}}, [conflict])
            self._report.conflicts.append(conflict)
            return
        if now is not None:
            self._folder.delete_compared(unit.key, now[1])
        return_sessions(self._folder, self._state, unit)
        self._state.bury(unit)
        self._report.deleted.append(unit.key)

    def _has_base(self, unit: Unit) -> bool:
        """Whether a unit of the folder has its base, and no other file."""
        ours = values_of(self._folder.parts(unit))
        projects = self._folder.all_projects()
        items = known_base(self._state.base(unit.key, 'item'), projects)
        files = self._folder.files(unit, Files.of('all'))
        base = self._state.base(unit.key, 'file')
        return ours == items and all(file.is_as_in(base.get(key)) for key, file in files.items())


def _files(
    selected: Selection, unit: Unit, before: Unit | None, chosen: Container[str] | None
) -> Files:
    """Return the files of a unit: its own before, unless a user has chosen it now.

    Parameters
    ----------
    selected : Selection
        The selection.
    unit : Unit
        The unit at the server.
    before : Unit or None
        The unit as it was pulled.
    chosen : container of str or None
        IDs of the subjects that are selected; None for all.
    """
    if selected.each is not None:
        return selected.each[unit.id]
    is_chosen = selected.is_whole if unit.is_project else chosen is None or unit.id in chosen
    if before is None or not before.files:  # new, or in conflict from the beginning
        return selected.files
    if is_chosen and not selected.is_stored:
        return selected.files
    return Files.of(before.files)


def _wanted(
    selected: Selection,
    there: Mapping[str, tuple[Unit, str]],
    known: Container[str],
    chosen: Container[str] | None,
    here: Mapping[str, tuple[Unit, str]],
) -> dict[str, tuple[Unit, str]]:
    """Return the units of a selection.

    Those of it, those pulled before, and those created here. The latter have the label of a subject
    of the server: a push leaves them to the pull.
    """
    if selected.each is not None:
        return {key: found for key, found in there.items() if found[0].id in selected.each}
    created = {unit.label for key, (unit, _) in here.items() if key not in known}
    return {
        key: (unit, mark)
        for key, (unit, mark) in there.items()
        if chosen is None
        or unit.id in chosen
        or key in known
        or unit.label in created
        or unit.is_project
    }


def _refusal(project: str, feed: Feed) -> str:
    return (
        f'{project}: files that were overwritten by others of the same size may be missing, as the '
        f"changes cannot be read ({feed.refusal}); pull(check='files') compares all files"
    )


def _check_deletions(
    gone: list[Unit], known: Mapping[str, Unit], project: str, max_delete: float
) -> None:
    """Raise an error if so many subjects are missing that they were hardly deleted."""
    subjects = sum(1 for key in known if key.startswith('subjects/'))
    most = largest_deletion(max_delete, subjects)
    if len(gone) > most or (gone and len(gone) == subjects and max_delete < 1):
        raise errors.DataError(
            f'{len(gone)} of {subjects} subjects of {project} are missing at the server',
            remedy='Check that the login can still read them. If they were deleted, pull with '
            'max_delete=1.',
        )
