"""Copy of one part, by way of the state folder.

Its documents and files are downloaded there, uploaded, compared and removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import errors
from ...model.copies import Item, read_item
from ...services.bulk.sidecar import Sidecar, StoredDocument
from ...services.bulk.workers import WorkerPool
from ...services.isolation import is_fatal, some_names
from .comparison import Comparison
from .destination import Destination
from .known_types import KnownTypes, types_below
from .marks import mark_of
from .parts import Part
from .report import CopyReport
from .stage import refresh
from .state import CopiedId, CopyState

__all__ = ['Copier']

_WITH_ID = ('subjects', 'experiments', 'assessors')
_ACCESS = ('private', 'protected', 'public')
"""Access of other users to a project, least first."""


class Copier:
    """Copies units to one project.

    Parameters
    ----------
    dest : Destination
        The project.
    state : CopyState
        State of the copy.
    types : KnownTypes
        Types of the destination.
    report : CopyReport
        Receives the units.
    pool : WorkerPool
        Threads that call `copy`.
    overwrite, again : bool
        As of `copy_items`.

    Attributes
    ----------
    target : Project
        The project.
    pool : WorkerPool
        As given.
    """

    def __init__(
        self,
        dest: Destination,
        state: CopyState,
        types: KnownTypes,
        report: CopyReport,
        pool: WorkerPool,
        *,
        overwrite: bool,
        again: bool,
    ) -> None:
        self.target = dest.target
        self.pool = pool
        self._dest = dest
        self._state = state
        self._types = types
        self._report = report
        self._overwrite = overwrite
        self._again = again

    def copy_project(self, source: Any, part: Part) -> bool:
        """Copy the fields and the resources of a project; create it if it is missing.

        Parameters
        ----------
        source : Project
            The project.
        part : Part
            Its resources.

        Returns
        -------
        bool
            Whether they are there.
        """
        if self._is_unchanged(part):
            return True
        self._check_access(source)
        return self._isolated(part, lambda: self._copy_project(source, part))

    def _is_unchanged(self, part: Part) -> bool:
        """Whether a project's own fields and files have changed at neither site."""
        if self._again or not self._state.is_done(part.unit):
            return False
        try:
            return mark_of(self.target) == self._state.mark_there(part.unit)
        except errors.NotFoundError:
            return False

    def _check_access(self, source: Any) -> None:
        """Refuse to publish a project that is not public at the source."""
        if not self.target.exists() or self.target.accessibility() != 'public':
            return
        access = source.accessibility()
        if access != 'public':
            raise errors.DataError(
                f'{self.target.path_name} is public, and {source.path_name} is {access}',
                uri=self.target.url,
                remedy="Use set_accessibility('private') there, and publish the copy afterwards.",
            )

    def _copy_project(self, source: Any, part: Part) -> None:
        stage, files = self._download(part, 1)
        document = StoredDocument(
            'project.xml', 'projects', source.path_name, source.uri, source.accessibility()
        )
        sidecar, content = Sidecar(stage), source.get()
        sidecar.write_content(document, content)
        sidecar.write_documents([document])
        sidecar.write_files([])
        self._upload(self.target, stage, files, 1)
        access = self.target.accessibility()
        if access in _ACCESS[_ACCESS.index(document.accessibility) + 1 :]:
            self._report.add_note(
                f'{self.target.uri} is {access}, {source.uri} is {document.accessibility}'
            )
        item, there = (read_item(one, 'projects') for one in (content, self.target.get()))
        for note in Comparison(item, there, source.path_name, self.target.path_name).notes():
            self._report.add_note(note)
        self._state.add(part.unit._replace(there=mark_of(self.target)), ())

    def copy(self, part: Part, jobs: int) -> None:
        """Copy a unit, and compare it.

        Parameters
        ----------
        part : Part
            The unit.
        jobs : int
            Number of parallel requests.
        """
        self._isolated(part, lambda: self._copy(part, jobs))

    def _isolated(self, part: Part, work: Callable[[], object]) -> bool:
        """Do the work for a unit; return False if it failed. Its files are removed then.

        Several failures of the server or the network in a row are raised.
        """
        try:
            work()
        except (errors.Error, OSError) as error:
            if is_fatal(error) or self.pool.stopping.is_set():  # its requests were aborted
                raise
            self.pool.add_failure(part.unit.uri, error)
            self._state.remove_stage(part.unit)
            return False
        return True

    def _copy(self, part: Part, jobs: int) -> None:
        element = part.element
        item = read_item(element.get(), element.level.plural)
        first = element.steps[0]
        project = first.name if first.level == 'projects' else item.project
        if not item.is_in(project):
            raise errors.DataError(
                f'it is not in a project with the ID {project}',
                uri=element.url,
                remedy='Select it by the ID of its project, not by an alias.',
            )
        if self._has_same_copy(part, item, project):
            return
        self._types.check(types_below(item, project))
        if item.level == 'subjects':
            target = self._place_subject(item, project)
        elif item.project != project and (copy := self._dest.share_session(item, project)):
            self._add(part, self._compared(item, project, copy))
            return
        else:
            person = read_item(element.host.select.subject(item.parent).get(), 'subjects')
            target = self._dest.place_subject(person, project)
            self._dest.place_session(item, project, target)
        stage, files = self._download(part, jobs)
        self._upload(target, stage, files, jobs)
        ids = []
        for document, sent in Sidecar(stage).documents():
            copy = getattr(self.target, document.level.rstrip('s'))(sent.label_in(project))
            ids += self._compared(sent, project, copy)
        self._add(part, ids)

    def _has_same_copy(self, part: Part, item: Item, project: str) -> bool:
        """Whether a unit is unchanged and its copy, whose mark differs, is the same.

        Two requests; none if the unit has to be copied anyway.
        """
        copy = self._dest.copy_of(item.level, item.id)
        if self._again or not copy or not self._state.is_done(part.unit):
            return False
        element = getattr(self.target, part.element.level.singular)(copy)
        there = read_item(element.get(), item.level)
        if there.label_in(self.target.path_name) != item.label_in(project):
            return False
        if not Comparison(item, there, project, self.target.path_name).is_complete:
            return False
        self._state.add(part.unit._replace(there=mark_of(element)), [])
        self._report.add_skipped(part.unit.uri)
        return True

    def _add(self, part: Part, ids: list[CopiedId]) -> None:
        """Record a unit as copied and compared, with the mark that its copy has now."""
        level = part.element.level
        copy = next(row.dest for row in ids if row.level == level.plural)
        mark = mark_of(getattr(self.target, level.singular)(copy))
        self._state.add(part.unit._replace(there=mark), ids)
        self.pool.add_success(part.unit.uri)

    def _place_subject(self, item: Item, project: str) -> Any:
        """Prepare the destination for a subject and its sessions.

        Return where to upload it.
        """
        subject = self._dest.place_subject(item, project)
        for session in item.below:
            if session.is_in(project):
                self._dest.place_session(session, project, subject)
        return self.target

    def _download(self, part: Part, jobs: int) -> tuple[Path, set[str]]:
        """Return the folder of a unit, and the paths of its files there."""
        stage = self._state.stage(part.unit)
        report = refresh(part.element, stage, jobs=jobs, progress=False).check()
        return stage, {*report.ok, *report.skipped}

    def _upload(self, target: Any, stage: Path, files: set[str], jobs: int) -> None:
        sent = target.upload(stage, overwrite=self._overwrite, jobs=jobs, progress=False).check()
        lost = sorted(files.difference(sent.ok, sent.skipped))
        if lost:
            raise errors.IntegrityError(
                f'{len(lost)} downloaded files were not sent: {some_names(lost)}',
                uri=target.url,
                remedy='Let no other program change the state folder, and copy once more.',
            )
        self._report.files += len(sent.ok)
        self._report.bytes += sent.bytes
        for uri in sent.created:
            self._report.add_created(uri)
        for note in sent.notes:
            self._report.add_note(note)

    def _compared(self, item: Item, project: str, copy: Any) -> list[CopiedId]:
        """Return the IDs of an item and those below, after a comparison with copies."""
        there = read_item(copy.get(), item.level)
        comparison = Comparison(item, there, project, self.target.path_name)
        comparison.check(copy.url)
        for note in comparison.notes():
            self._report.add_note(note)
        return [
            CopiedId(pair.item.level, pair.item.label_in(project), pair.item.id, pair.copy.id)
            for pair in comparison.pairs
            if pair.item.level in _WITH_ID and pair.copy is not None
        ]
