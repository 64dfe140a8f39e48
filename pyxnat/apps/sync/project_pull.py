"""Pull of one project: which of its units the server changed or deleted."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...interface import Interface
from .behind import units_named
from .feed import Feed, read_feed
from .file_rows import Files
from .folder_side import FolderSide
from .moves import return_sessions
from .parts import known_base
from .puller import Here, Puller, PullReport
from .selection import Selection
from .sides import Side
from .state import Conflict, State, Unit

__all__ = ['ProjectPull', 'PullOptions', 'units_here']

_NAMED = 10
"""So many labels has a note, and so many subjects are asked for their projects."""


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

    def run(self, selected: Selection, options: PullOptions) -> None:
        """Pull a selection.

        Parameters
        ----------
        selected : Selection
            The project, or subjects of it.
        options : PullOptions
            How to pull.
        """
        self._remote.projects = self._folder.all_projects() | {selected.project}
        there, shared = self._remote.listing(selected.project)
        if not options.dry_run:
            self._move_in(there)
        known = self._state.units(selected.project)
        gone = [unit for key, unit in known.items() if key not in there]
        _check_deletions(gone, known, selected.project, options.max_delete)
        overwritten = self._overwritten(selected, there, options)
        if options.dry_run:
            todo = self._todo(selected, there, known, overwritten)
            self._report.ok += [unit.key for unit, _ in todo]
            self._report.deleted += [unit.key for unit in gone]
            return
        here = units_here(self._folder, selected.project)
        self._state.select(selected.path, selected.options)
        for unit in gone:  # first: another subject may have the label now
            project = self._remote.project_of(unit)
            if project in (None, unit.project) or not self._move(unit, str(project)):
                self._bury(unit, here)
        left = self._state.units(selected.project) if gone else known
        todo = self._todo(selected, there, left, overwritten)
        puller = Puller(self._remote, self._folder, self._state, self._mirror, self._report)
        puller.run(todo, Here(here, known), selected.files, options.jobs)
        waiting = {unit.key: unit for unit in self._state.waiting(selected.project)}
        self._pull_others({**waiting, **overwritten}, selected.project, puller, options)
        self._note_shared(selected.project, shared)
        self._note_sessions(selected.project, there)

    # -- shares

    def _pull_others(
        self,
        units: Mapping[str, Unit],
        project: str,
        puller: Puller,
        options: PullOptions,
    ) -> None:
        """Pull units of other projects.

        Those that waited for this one, to be shared into it or to get its sessions, and those with
        sessions of this one whose files were overwritten.
        """
        now = self._state.units()
        for unit in units.values():
            is_there = unit.key in now and now[unit.key].project == unit.project
            if unit.project == project or not is_there:
                continue
            here = units_here(self._folder, unit.project)
            puller.run([(unit, unit.there)], Here(here, here), Files.of(unit.files), options.jobs)

    def _note_shared(self, project: str, shared: Mapping[str, str]) -> None:
        known = self._state.units()
        lacking = {key: owner for key, owner in shared.items() if key not in known}
        if lacking:
            owners = ', '.join(sorted(set(lacking.values())))
            self._report.add_note(
                f'{len(lacking)} subjects of other projects ({owners}) are shared into {project}: '
                'pull these projects, too'
            )

    def _note_sessions(self, project: str, there: Container[str]) -> None:
        """Name the sessions of a project whose subjects are in no pulled project.

        One request, and one for each of the first such subjects.
        """
        known = self._state.units()
        lacking: dict[str, list[str]] = {}
        for label, subject in self._remote.sessions(project):
            if subject not in known and subject not in there:
                lacking.setdefault(subject, []).append(label)
        labels = sorted(label for some in lacking.values() for label in some)
        if labels:
            named = ', '.join(labels[:_NAMED]) + (', …' if len(labels) > _NAMED else '')
            self._report.add_note(
                f'{len(labels)} sessions in {project} ({named}) were not pulled, as their subjects '
                f'are in other projects{self._owners(lacking)}: pull these projects, too'
            )

    def _owners(self, subjects: Iterable[str]) -> str:
        """Return the projects of some subjects, in brackets, as far as they can be read."""
        some = itertools.islice(subjects, _NAMED)
        units = (Unit(key, '', key.partition('/')[2], '') for key in some)
        owners = filter(None, dict.fromkeys(map(self._remote.project_of, units)))
        text = ', '.join(sorted(owners))
        return f' ({text})' if text else ''

    def _todo(
        self,
        selected: Selection,
        there: Mapping[str, tuple[Unit, str]],
        known: Mapping[str, Unit],
        overwritten: Container[str],
    ) -> list[tuple[Unit, str]]:
        """Return the units to fetch, with their marks; the others are skipped."""
        chosen = selected.subjects(self._remote.interface)
        todo = []
        for key, (unit, mark) in there.items():
            before = known.get(key)
            is_subject = unit.id != unit.project
            if before is None and is_subject and chosen is not None and unit.id not in chosen:
                continue
            is_same = before is not None and before.there == mark != '' and key not in overwritten
            if is_same and before is not None and before.files == selected.files.text:
                self._report.add_skipped(key)
            else:
                todo.append((unit, mark))
        return todo

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
                self._bury(before, units_here(self._folder, before.project))

    def _move(self, unit: Unit, project: str) -> bool:
        """Move a subject in the folder, its sessions first; return whether it was possible."""
        if not (self._state.units(project) and units_here(self._folder, project)):
            return False
        try:
            self._folder.move_subject(unit, project)
        except errors.DatabaseError as error:  # such as a label that is taken there
            self._report.add_failure(unit.key, error)
            return True
        self._state.move(unit, project)
        return True

    # -- deleted subjects

    def _bury(self, unit: Unit, here: Mapping[str, tuple[Unit, str]]) -> None:
        """Delete a subject that the server deleted, unless it was changed here."""
        now = here.get(unit.key)
        if now is not None and now[1] != unit.here and not self._has_base(unit):
            conflict = Conflict(unit.key, 'item', unit.key, 'deleted there, changed here', {}, {})
            self._state.put(unit, {}, [conflict])
            self._report.conflicts.append(conflict)
            return
        return_sessions(self._folder, self._state, unit)
        if now is not None:
            self._folder.delete_subject(unit)
        self._state.bury(unit)
        self._report.deleted.append(unit.key)

    def _has_base(self, unit: Unit) -> bool:
        """Whether a unit of the folder has its base, and no other file."""
        ours = {key: part.values for key, part in self._folder.parts(unit).items()}
        projects = self._folder.all_projects()
        items = known_base(self._state.base(unit.key, 'item'), projects)
        files = self._folder.files(unit, Files.of('all'))
        base = self._state.base(unit.key, 'file')
        return ours == items and all(
            key in base and file.values(next(iter(base[key]))) == base[key]
            for key, file in files.items()
        )


def units_here(folder: FolderSide, project: str) -> dict[str, tuple[Unit, str]]:
    """Return the units of a project of the folder; none if it does not have it.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    project : str
        ID of the project.
    """
    try:
        return folder.units(project)
    except errors.NotFoundError:
        return {}


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
    most = max(1, int(max_delete * subjects))
    if len(gone) > most or (gone and len(gone) == subjects and max_delete < 1):
        raise errors.DataError(
            f'{len(gone)} of {subjects} subjects of {project} are missing at the server',
            remedy='Check that the login can still read them. If they were deleted, pull with '
            'max_delete=1.',
        )
