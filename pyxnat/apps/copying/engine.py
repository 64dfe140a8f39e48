"""Copy of a project or a selection to a project of another site.

A unit of the copy is a subject with all below it, or a session. Its documents and files are
downloaded into the state folder, uploaded from there, compared, and removed.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...model.copies import Item, read_item
from ...resources.base import Element
from ...resources.collection import Collection
from ...services.bulk.report import Report
from ...services.bulk.sidecar import Sidecar, StoredDocument
from ...services.bulk.workers import WorkerPool, check_jobs
from ...services.isolation import is_fatal
from .comparison import Pairs, check_same, extra, lacks
from .destination import Destination
from .known_types import KnownTypes, types_below
from .marks import elements_with_marks, mark_of
from .stage import refresh
from .state import CopiedId, CopyState, Unit, identity_of, is_new, open_state

__all__ = ['CopyReport', 'copy_items']

_LEVELS = ('projects', 'subjects', 'experiments')
_WITH_ID = ('subjects', 'experiments', 'assessors')
_PERSON = ('subject_ID', 'subject_label')
"""Columns of sessions that tell whose they are."""
_ACCESS = ('private', 'protected', 'public')
"""Access of other users to a project, least first."""
_SHOWN = 5


class CopyReport(Report):
    """Report of a copy.

    ``ok`` are the units copied, ``skipped`` those that are unchanged.

    Attributes
    ----------
    ids : dict of tuple to str
        Level and accession ID at the source -> accession ID at the destination.
    files : int
        Number of files sent.
    """

    def __init__(self) -> None:
        super().__init__('copied')
        self.ids: dict[tuple[str, str], str] = {}
        self.files = 0


class _Part(NamedTuple):
    """An element of the source to copy, with its row in the state."""

    element: Any
    unit: Unit


def copy_items(
    source: Element | Collection[Any],
    target: Any,
    *,
    state: str | os.PathLike[str] | None = None,
    merge: bool = False,
    overwrite: bool = False,
    again: bool = False,
    jobs: int = 4,
    dry_run: bool = False,
    progress: bool | None = None,
) -> CopyReport:
    """Copy items to a project, also of another server.

    Types, fields, custom variables and values of custom forms, scans, assessors, reconstructions,
    resources and files are copied; with whole subjects also their shares, as far as the other
    projects exist. Accession IDs, users, rights and pipelines are those of the destination.
    Items and files that it has already are not sent again.

    Parameters
    ----------
    source : Element or Collection
        A project, subject or session, or a selection of subjects or sessions.
    target : Project
        The project at the destination. It is created as a copy if `source` is a project; else it
        must exist.
    state : path, optional
        Folder that keeps the state, so that a run after an interruption does the rest, and a later
        one copies only the subjects or sessions that have changed, or whose copies lack something
        that they had. Needs room for the files of `jobs` of them. Default: a temporary folder.
    merge : bool
        Whether a subject that the destination has already, under the same label, is the same
        person. Otherwise it is a failure, unless an earlier run with the same `state` created it.
    overwrite : bool
        Whether to replace fields and files that differ at the destination, and to rename and move
        copies as their originals were; otherwise these are failures.
    again : bool
        Whether to copy what has not changed since the last run, too. XNAT marks no change of a file
        that keeps its size.
    jobs : int
        Number of subjects or sessions in parallel; of requests, if there is only one.
    dry_run : bool
        Whether to send nothing, and to create no state; ``ok`` are the units that would be copied
        or compared.
    progress : bool, optional
        Whether to show a progress bar. Default: if there is a terminal.

    Returns
    -------
    CopyReport
        Units copied, unchanged and failed, and the IDs at both sites.

    Raises
    ------
    NotSupportedError
        The destination does not have a data type of the sessions; nothing is sent. If it lacks one
        of a scan or an assessor, that is a failure of the unit, of which nothing is sent.
    NotFoundError
        The target project does not exist, and `source` is no project.
    DataError
        The folder `state` belongs to another copy, or the target project is public, and the project
        to copy is not.
    BusyError
        Another run has the folder `state`.

    Notes
    -----
    Requests: two or three listings of the source and the types of the destination; for each unit
    those of `download` and `upload`, four for the documents of both sides, and one for the mark of
    its copy; two or three if only its copy has changed.
    """
    check_jobs(jobs)
    _check_places(source, target)
    report = CopyReport()
    with (
        _state_folder(state, is_kept=not dry_run) as folder,
        open_state(folder, _places(source, target)) as known,
    ):
        types = KnownTypes(target.host)
        parts = list(_parts(source, types))
        dest = Destination(target, known, report, merge=merge, overwrite=overwrite)
        twice = _twice(parts, known)
        todo = []
        for part in parts:
            if not again and _is_unchanged(part, dest, known):
                report.add_skipped(part.unit.uri)
            elif part.unit.uri in twice:
                report.add_failure(part.unit.uri, twice[part.unit.uri])
            else:
                todo.append(part)
        if dry_run:
            for part in todo:
                report.add_success(part.unit.uri)
        else:
            project = _project_part(source)
            known.remove_other_stages(part.unit for part in (project, *todo) if part)
            with progress_bar(len(todo), ' items', progress) as bar:
                transports = (one.connection.transport for one in (source, target))
                pool = WorkerPool(report, jobs, *transports)
                copier = _Copier(dest, known, types, report, pool, overwrite, again)
                _copy_all(copier, source, project, todo, jobs, bar)
        report.ids = {key: row.dest for key, row in known.ids.items()}
    report.finish()
    return report


def _is_unchanged(part: _Part, dest: Destination, known: CopyState) -> bool:
    """Whether neither a unit nor its copy has changed since they were compared."""
    level = part.element.level.plural
    copy = dest.copy_of(level, part.element.id()) if known.is_done(part.unit) else ''
    return bool(copy) and dest.marks(level).get(copy) == known.mark_there(part.unit)


def _twice(parts: list[_Part], known: CopyState) -> dict[str, errors.DuplicateError]:
    """Return the units that would get the label of another, or of its subject.

    A label belongs to the subject or session whose copy has it already, else to a subject of a
    copied project; of several others none gets it.

    Returns
    -------
    dict
        URI of a unit -> the error.
    """
    bearers: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for part in parts:
        for level, source, label, rank in _names(part):
            is_copied = known.ids.get((level, source), ('', ''))[1] == label
            ranks = bearers[level, label]
            ranks[source] = max(ranks.get(source, 0), 2 if is_copied else rank)
    found = {}
    for part in parts:
        for level, source, label, _ in _names(part):
            ranks = bearers[level, label]
            others = sorted(ranks.keys() - {source})
            if others and max(ranks[other] for other in others) >= ranks[source]:
                found[part.unit.uri] = errors.DuplicateError(
                    f'{label} would be {level} {source} and {", ".join(others[:_SHOWN])}',
                    uri=part.element.url,
                    remedy='Copy them to different projects, or rename one of them.',
                )
    return found


def _names(part: _Part) -> Iterator[tuple[str, str, str, int]]:
    """Yield level, ID, label and rank of a unit, and of the subject of a session."""
    element = part.element
    is_subject = element.level.plural == 'subjects'
    yield element.level.plural, element.id(), element.label(), int(is_subject)
    if not is_subject:
        person, label = (element.attrs.get(name) for name in _PERSON)
        yield 'subjects', person, label, 0


def _check_places(source: Any, target: Any) -> None:
    level = getattr(source, 'level', None)
    if level is None or level.plural not in _LEVELS:
        raise errors.ProgrammingError(
            f'{source!r} is not copied by itself',
            remedy='Give a project, subjects or experiments.',
        )
    if level.plural == 'projects' and isinstance(source, Collection):
        raise errors.ProgrammingError(
            'several projects do not fit into one', remedy='Copy one project at a time.'
        )
    if not isinstance(target, Element) or target.level.plural != 'projects':
        raise errors.ProgrammingError(
            f'{target!r} is not a project', remedy="Give such as other.select.project('P')."
        )
    if level.plural != 'projects' and not target.exists():
        raise errors.NotFoundError(
            f'no project {target.path_name!r} to copy to',
            uri=target.url,
            remedy='Create it first.',
        )


def _places(source: Any, target: Any) -> dict[str, str]:
    return {
        'source server': source.connection.server,
        'source': identity_of(source),
        'destination server': target.connection.server,
        'destination': target.uri,
    }


@contextmanager
def _state_folder(state: str | os.PathLike[str] | None, *, is_kept: bool) -> Iterator[Path]:
    """Yield the folder of the state.

    A temporary one if none is given, or a new one is not kept.
    """
    if state is not None and (is_kept or not is_new(Path(state))):
        yield Path(state)
        return
    with tempfile.TemporaryDirectory(prefix='pyxnat-copy-') as folder:
        yield Path(folder)


def _parts(source: Any, types: KnownTypes) -> Iterator[_Part]:
    """Yield the units of a source, after a check of the types of its sessions."""
    if source.level.plural == 'projects':
        sessions = list(source.experiments().with_columns(*_PERSON))
        types.check(session.datatype() for session in sessions)
        subjects = elements_with_marks(source.subjects())
        yield from map(_marked, subjects)
        there = {subject.id() for subject, _ in subjects}
        alone = {one.id() for one in sessions if one.attrs.get('subject_ID') not in there}
        if alone:  # shared without their subjects
            marked = elements_with_marks(source.experiments().with_columns(*_PERSON))
            yield from (_marked(pair) for pair in marked if pair[0].id() in alone)
        return
    is_one, is_session = isinstance(source, Element), source.level.plural == 'experiments'
    if is_session and not is_one:
        source = source.with_columns(*_PERSON)
    elements = [(source, mark_of(source))] if is_one else elements_with_marks(source)
    sessions = [one for one, _ in elements] if is_session else source.experiments()
    types.check(session.datatype() for session in sessions)
    yield from map(_marked, elements)


def _project_part(source: Any) -> _Part | None:
    """Return the fields and the resources of a project; `None` for another source."""
    if source.level.plural != 'projects':
        return None
    return _Part(source.resources(), Unit(source.uri, mark_of(source)))


def _marked(pair: tuple[Any, str]) -> _Part:
    """Return an element and its mark as a part."""
    element, mark = pair
    return _Part(element, Unit(element.uri, mark))


def _copy_all(
    copier: _Copier,
    source: Any,
    project: _Part | None,
    parts: list[_Part],
    jobs: int,
    bar: Any,
) -> None:
    if project is not None:
        is_there = copier.copy_project(source, project) or copier.target.exists()
        if not is_there:  # the first subject would create it, without its access
            return
    within = jobs if len(parts) == 1 else 1

    def copy(part: _Part) -> None:
        copier.copy(part, within)
        bar.update(1)

    copier.pool.each(copy, parts)


class _Copier:
    """Copies units to one project."""

    def __init__(
        self,
        dest: Destination,
        state: CopyState,
        types: KnownTypes,
        report: CopyReport,
        pool: WorkerPool,
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

    def copy_project(self, source: Any, part: _Part) -> bool:
        """Copy the fields and the resources of a project; create it if it is missing.

        Parameters
        ----------
        source : Project
            The project.
        part : _Part
            Its resources.

        Returns
        -------
        bool
            Whether they are there.
        """
        if self._state.is_done(part.unit) and self.target.exists():
            return True
        self._check_access(source)
        return self._isolated(part, lambda: self._copy_project(source, part))

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

    def _copy_project(self, source: Any, part: _Part) -> None:
        stage = self._download(part, 1)
        document = StoredDocument(
            'project.xml', 'projects', source.path_name, source.uri, source.accessibility()
        )
        sidecar = Sidecar(stage)
        sidecar.write_content(document, source.get())
        sidecar.write_documents([document])
        sidecar.write_files([])
        self._upload(self.target, stage, 1)
        access = self.target.accessibility()
        if access in _ACCESS[_ACCESS.index(document.accessibility) + 1 :]:
            self._report.add_note(
                f'{self.target.uri} is {access}, {source.uri} is {document.accessibility}'
            )
        self._state.add(part.unit, ())

    def copy(self, part: _Part, jobs: int) -> None:
        """Copy a unit, and compare it.

        Parameters
        ----------
        part : _Part
            The unit.
        jobs : int
            Number of parallel requests.
        """
        self._isolated(part, lambda: self._copy(part, jobs))

    def _isolated(self, part: _Part, work: Callable[[], object]) -> bool:
        """Do the work for a unit; return False if it failed. Its files are removed then."""
        try:
            work()
        except (errors.Error, OSError) as error:
            if is_fatal(error) or self.pool.stopping.is_set():  # its requests were aborted
                raise
            self._report.add_failure(part.unit.uri, error)
            self._state.remove_stage(part.unit)
            return False
        return True

    def _copy(self, part: _Part, jobs: int) -> None:
        element = part.element
        item = read_item(element.get(), element.level.plural)
        first = element.steps[0]
        project = first.name if first.level == 'projects' else item.project
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
        stage = self._download(part, jobs)
        self._upload(target, stage, jobs)
        ids = []
        for document, sent in Sidecar(stage).documents():
            copy = getattr(self.target, document.level.rstrip('s'))(sent.label_in(project))
            ids += self._compared(sent, project, copy)
        self._add(part, ids)

    def _has_same_copy(self, part: _Part, item: Item, project: str) -> bool:
        """Whether a unit is unchanged and its copy, whose mark differs, is the same.

        Two requests; none if the unit has to be copied anyway.
        """
        copy = self._dest.copy_of(item.level, item.id)
        if self._again or not copy or not self._state.is_done(part.unit):
            return False
        element = getattr(self.target, part.element.level.singular)(copy)
        there = read_item(element.get(), item.level)
        pairs = Pairs(project, self.target.path_name)
        if there.label_in(pairs.dest) != item.label_in(project) or lacks(pairs, item, there):
            return False
        self._state.add(part.unit._replace(there=mark_of(element)), [])
        self._report.add_skipped(part.unit.uri)
        return True

    def _add(self, part: _Part, ids: list[CopiedId]) -> None:
        """Record a unit as copied and compared, with the mark that its copy has now."""
        level = part.element.level
        copy = next(row.dest for row in ids if row.level == level.plural)
        mark = mark_of(getattr(self.target, level.singular)(copy))
        self._state.add(part.unit._replace(there=mark), ids)
        self._report.add_success(part.unit.uri)

    def _place_subject(self, item: Item, project: str) -> Any:
        """Prepare the destination for a subject and its sessions.

        Return where to upload it.
        """
        subject = self._dest.place_subject(item, project)
        for session in item.below:
            if session.is_in(project):
                self._dest.place_session(session, project, subject)
        return self.target

    def _download(self, part: _Part, jobs: int) -> Path:
        stage = self._state.stage(part.unit)
        refresh(part.element, stage, jobs=jobs, progress=False).check()
        return stage

    def _upload(self, target: Any, stage: Path, jobs: int) -> None:
        sent = target.upload(stage, overwrite=self._overwrite, jobs=jobs, progress=False).check()
        self._report.files += len(sent.ok)
        self._report.bytes += sent.bytes
        for uri in sent.created:
            self._report.add_created(uri)
        for note in sent.notes:
            self._report.add_note(note)

    def _compared(self, item: Item, project: str, copy: Any) -> list[CopiedId]:
        """Return the IDs of an item and those below, after a comparison with copies."""
        there = read_item(copy.get(), item.level)
        pairs = Pairs(project, self.target.path_name)
        check_same(pairs, item, there, copy.url)
        for note in extra(pairs, item, there):
            self._report.add_note(note)
        return [
            CopiedId(one.level, one.label_in(project), one.id, other.id)
            for one, other in pairs.of(item, there)
            if one.level in _WITH_ID and other is not None
        ]
