"""Push of all units.

Steps of each, then a pull of it, which records the new base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...interface import Interface
from .file_rows import Files
from .folder_side import FolderSide
from .parts import PARENT, Part
from .pull import fetch
from .puller import Here, Puller, PullReport
from .push import UnitPush
from .push_plan import PushPlan, Step, labels_first
from .remote_side import RemoteSide
from .selection import files_of_new
from .state import State, Unit

__all__ = ['Pusher']


_Marked = Mapping[str, tuple[Unit, str]]
"""Key of each unit to it, with its mark."""


class _Both(NamedTuple):
    """A unit on both sides, with its marks."""

    here: Unit | None
    there: Unit | None
    marks: tuple[str, str]
    """At the server, and in the folder."""
    files: Files

    @property
    def key(self) -> str:
        """Key of the unit."""
        return next(unit.key for unit in (self.here, self.there) if unit is not None)


class Pusher:
    """Sends the changes of a folder.

    Parameters
    ----------
    remote, local : Interface
        Both sides.
    state : State
        State of the mirror.
    delete : bool
        Whether deletions are sent.
    max_delete : float
        Largest share of the subjects of a project that may be deleted.
    """

    def __init__(
        self, remote: Interface, local: Interface, state: State, delete: bool, max_delete: float
    ) -> None:
        self._remote = RemoteSide(remote)
        self._folder = FolderSide(local)
        self._state = state
        self._delete = delete
        self._max_delete = max_delete
        self._left: dict[str, Unit] = {}
        self._failed: dict[str, errors.Error] = {}

    def plan(self) -> PushPlan:
        """Return the steps, without sending anything."""
        self._begin()
        steps: list[Step] = []
        marks: dict[str, tuple[str, str]] = {}
        for both in self._changed():
            push = self._push()
            found = push.items(both.here, both.there).steps
            if both.here is not None and both.there is not None:
                found += push.files(both.here, both.files)[0]
            elif both.here is not None:
                files = self._folder.files(both.here, Files.of('all'))
                found += [Step(both.here.key, 'send', key) for key in files]
            if found:
                steps += found
                marks[found[0].unit] = both.marks
        for unit, _ in self._moved_subjects():
            steps.append(_move_step(unit))
            marks[unit.key] = unit.there, unit.here
        return PushPlan(steps, marks, self._delete)

    def run(self, mirror: Path) -> PullReport:
        """Send the changes, and record them.

        Parameters
        ----------
        mirror : Path
            Folder ``mirror``.
        """
        self._begin()
        report = PullReport('pushed')
        recorded = PullReport()
        puller = Puller(self._remote, self._folder, self._state, mirror, recorded, self._max_delete)
        with progress_bar(None, ' subjects', name='push') as shown:
            for unit, project in self._moved_subjects():
                self._move(unit, project, report)
            for both in self._changed():
                self._run(both, puller, report)
                shown.update(1)
            for unit in self._left.values():
                with report.isolated(unit.key):
                    self._record(unit, Files.of(unit.files), puller)
        report.failed += recorded.failed
        report.deleted += recorded.deleted
        for note in recorded.notes:
            report.add_note(note)
        for key, error in self._failed.items():
            report.add_failure(key, error)
        report.conflicts += self._state.conflicts()
        report.finish()
        return report

    def _begin(self) -> None:
        self._failed.clear()
        self._remote.projects = self._folder.all_projects()

    def _projects(self) -> list[str]:
        """Return the pulled projects, without those that the folder has no more."""
        pulled = dict.fromkeys(unit.project for unit in self._state.units().values())
        present = self._folder.all_projects()
        self._failed |= {
            f'projects/{project}': errors.NotFoundError(
                f'{project} was deleted in the folder, which is not sent',
                remedy=f"mirror.pull('/projects/{project}') brings it back. Or delete it at the "
                f"server yourself; mirror.forget('/projects/{project}') lets the mirror leave it "
                'alone.',
            )
            for project in pulled
            if project not in present
        }
        return [project for project in pulled if project in present]

    def _moved_subjects(self) -> Iterator[tuple[Unit, str]]:
        """Yield subjects that are in another project in the folder, with that project."""
        known = self._state.units()
        for project in self._projects():
            here = self._folder.units(project)
            for key, unit in known.items():
                if unit.project == project and key not in here:
                    now = self._folder.project_of(unit)
                    if now is not None:
                        yield unit, now

    def _move(self, unit: Unit, project: str, report: PullReport) -> None:
        if not self._state.units(project):
            return  # no mirror of that project: it is a failure below
        try:
            self._remote.move_subject(unit, project)
        except errors.DatabaseError as error:
            report.add_failure(unit.key, error)
        else:
            self._state.move(unit, project)
            report.ok.append(str(_move_step(unit)))

    def _push(self) -> UnitPush:
        return UnitPush(self._remote, self._folder, self._state, self._delete)

    def _run(self, both: _Both, puller: Puller, report: PullReport) -> None:
        push = self._push()
        with report.isolated(both.key):
            self._send(both, push, puller)
        self._state.add_conflicts(push.races)
        self._left |= {owner.key: owner for owner in push.moved_from}
        report.ok += [str(step) for step in push.done]
        for key, error in push.failed:
            report.add_failure(key, error)

    def _send(self, both: _Both, push: UnitPush, puller: Puller) -> None:
        compared = push.items(both.here, both.there)
        ids = push.send_items(compared)
        unit = both.here or both.there
        if both.here is not None and unit is not None:
            plural, _, name = unit.key.partition('/')
            new = ids.get(name, name)
            unit = unit._replace(key=f'{plural}/{new}', id=new)
            if both.there is not None or new != name:
                if compared.steps:
                    self._record(
                        unit,
                        both.files,
                        puller,
                        lambda now: push.confirm(compared, unit, ids, now),
                    )
                if self._send_files(unit, both.files, push) or not compared.steps:
                    self._record(unit, both.files, puller)
        elif unit is not None and push.done:
            self._state.bury(unit)

    @staticmethod
    def _send_files(unit: Unit, files: Files, push: UnitPush) -> bool:
        """Send the files of a unit; return whether there were any."""
        steps, ours, theirs = push.files(unit, files)
        sent = push.send_files(steps, ours, theirs)
        push.confirm_files(unit, files, sent, ours, theirs)
        return bool(steps)

    def _record(
        self,
        unit: Unit,
        files: Files,
        puller: Puller,
        confirm: Callable[[Mapping[str, Part]], None] = lambda now: None,
    ) -> None:
        """Pull a unit that was pushed, so that its base is the present state.

        `confirm` gets the items of the server, before they are compared.
        """
        found = self._remote.units(unit.project, unit.subject)
        if unit.key not in found:
            return
        there, mark = found[unit.key]
        here = self._folder.units(unit.project, unit.subject)
        fetched = fetch(self._remote, there, mark, files)
        confirm(fetched.parts)
        puller.apply(fetched, Here(here, here), files, puller.download(fetched))

    def _changed(self) -> Iterator[_Both]:
        """Yield the units that the folder changed, of the projects that it mirrors."""
        projects = self._projects()
        for project in projects:  # of all before anything is sent
            self._check_deletions(project)
        for project in projects:
            known, everywhere = self._state.units(project), self._state.units()
            here = self._folder.units(project)
            if {key: unit.here for key, unit in known.items()} == {
                key: mark for key, (_, mark) in here.items()
            }:
                continue
            try:
                there = self._remote.units(project)
            except (errors.NotFoundError, errors.PermissionDenied) as error:
                self._failed[f'projects/{project}'] = error
                continue
            self._put_back(known, here, there)
            labels = {unit.label for key, (unit, _) in there.items() if key not in here}
            for key in _in_order(known, here, there):
                mine, mark = here.get(key, (None, ''))
                before = known.get(key)
                if mine is not None and before is not None and before.here == mark:
                    continue
                other, there_mark = there.get(key, (None, ''))
                if (before is None and key in everywhere) or (
                    before is not None and mine is None and self._folder.project_of(before)
                ):
                    self._failed[key] = _moved(key)
                    continue
                if mine is not None and before is None and mine.label in labels:
                    continue  # a pull compares them: it may be the same
                if before is not None and other is None:
                    continue  # the server has deleted it: a pull decides
                files = (
                    files_of_new(self._state, project, '' if mine is None else mine.label)
                    if before is None
                    else Files.of(before.files)
                )
                yield _Both(mine, other, (there_mark, mark), files)

    def _check_deletions(self, project: str) -> None:
        """Raise an error if so many subjects are missing that they were hardly deleted."""
        if not self._delete:
            return
        known, here = self._state.units(project), self._folder.units(project)
        subjects = [key for key in known if key.startswith('subjects/')]
        gone = [key for key in subjects if key not in here and self._state.base(key, 'item')]
        if len(gone) > max(1, int(self._max_delete * len(subjects))):
            raise errors.DataError(
                f'{len(gone)} of {len(subjects)} subjects of {project} are missing in the folder',
                remedy='If they were deleted there, push with delete=True and max_delete=1.',
            )

    def _put_back(
        self, known: Mapping[str, Unit], here: dict[str, tuple[Unit, str]], there: _Marked
    ) -> None:
        """Give subjects that were deleted and created again their ID before."""
        deleted = {
            unit.label: unit for key, (unit, _) in there.items() if key in known and key not in here
        }
        for key, (unit, mark) in list(here.items()):
            before = deleted.get(unit.label)
            if key not in known and before is not None:
                self._folder.change_id(unit.id, before.id)
                del here[key]
                here[before.key] = before, mark


def _move_step(unit: Unit) -> Step:
    return Step(unit.key, 'change', unit.key, (PARENT,))


def _moved(key: str) -> errors.Error:
    return errors.NotSupportedError(
        f'{key} is in another project in the folder',
        remedy='Pull that project into the mirror, too; or move it at the server, its sessions '
        'first, then pull.',
    )


def _in_order(known: Mapping[str, Unit], here: _Marked, there: _Marked) -> list[str]:
    """Return keys of units.

    Renamed ones before those that get their labels, deleted ones last.
    """
    both = {
        key: (there[key][0].label, here[key][0].label)
        for key in known
        if key in here and key in there
    }
    return [*dict.fromkeys([*labels_first(both), *here, *known])]
