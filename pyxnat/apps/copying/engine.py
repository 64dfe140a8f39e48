"""Copy of a project or a selection to a project of another site.

A unit of the copy is a subject with all below it, or a session. Its documents and files are
downloaded into the state folder, uploaded from there, compared, and removed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...model.copies import Item, copy_document, differences, read_item, values_of
from ...resources.base import Element
from ...resources.collection import Collection
from ...services.bulk.report import Report
from ...services.bulk.sidecar import Sidecar, StoredDocument
from ...services.isolation import is_fatal
from .known_types import KnownTypes, types_below
from .marks import elements_with_marks, mark_of
from .stage import refresh
from .state import CopiedId, CopyState, Unit, identity_of, open_state

__all__ = ['CopyReport', 'copy_items']

_LEVELS = ('projects', 'subjects', 'experiments')
_WITH_ID = ('subjects', 'experiments', 'assessors')
_ACCESS = ('private', 'protected', 'public')
"""Access of other users to a project, least first."""
_SHOWN = 5


class CopyReport(Report):
    """Report of a copy: ``ok`` are the units copied, ``skipped`` those that are unchanged.

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
        one copies only the subjects or sessions that have changed. Needs room for the files of
        `jobs` of them. Default: a temporary folder.
    overwrite : bool
        Whether to replace fields and files that differ at the destination; otherwise they are
        failures.
    again : bool
        Whether to copy what has not changed since the last run, too. XNAT marks no change of a file
        that keeps its size.
    jobs : int
        Number of subjects or sessions in parallel; of requests, if there is only one.
    dry_run : bool
        Whether to send nothing; ``ok`` are the units that would be copied.
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
        The folder `state` belongs to another copy.
    BusyError
        Another run has the folder `state`.

    Notes
    -----
    Requests: two or three listings of the source and the types of the destination; for each unit
    those of `download` and `upload`, and one to compare the documents.
    """
    _check_places(source, target)
    report = CopyReport()
    with (
        _state_folder(state) as folder,
        open_state(folder, _places(source, target)) as known,
    ):
        types = KnownTypes(target.host)
        parts = list(_parts(source, types))
        there = _ids_there(target, known, {part.element.level.plural for part in parts})
        todo = []
        for part in parts:
            key = (part.element.level.plural, part.element.id())
            if again or not (known.is_done(part.unit) and key in there):
                todo.append(part)
            else:
                report.add_skipped(part.unit.uri)
        if dry_run:
            for part in todo:
                report.add_success(part.unit.uri)
        else:
            project = _project_part(source)
            known.remove_other_stages(part.unit for part in (project, *todo) if part)
            with progress_bar(len(todo), ' items', progress) as bar:
                _copy_all(
                    _Copier(target, known, types, report, overwrite),
                    source,
                    project,
                    todo,
                    jobs,
                    bar,
                )
        report.ids = {key: row.dest for key, row in known.ids.items()}
    report.finish()
    return report


def _ids_there(target: Any, known: CopyState, levels: Iterable[str]) -> set[tuple[str, str]]:
    """Return level and source ID of the copied items that the destination still has.

    One request for each level of which some were copied.
    """
    found: set[tuple[str, str]] = set()
    for plural in levels:
        copied = {row.dest: key for key, row in known.ids.items() if row.level == plural}
        try:
            present = (
                {row['ID'] for row in getattr(target, plural)().rows(['ID'])} if copied else {}
            )
        except errors.NotFoundError:
            present = {}
        found |= {key for dest, key in copied.items() if dest in present}
    return found


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


def _places(source: Any, target: Any) -> dict[str, str]:
    return {
        'source server': source.connection.server,
        'source': identity_of(source),
        'destination server': target.connection.server,
        'destination': target.uri,
    }


@contextmanager
def _state_folder(state: str | os.PathLike[str] | None) -> Iterator[Path]:
    if state is not None:
        yield Path(state)
        return
    with tempfile.TemporaryDirectory(prefix='pyxnat-copy-') as folder:
        yield Path(folder)


def _parts(source: Any, types: KnownTypes) -> Iterator[_Part]:
    """Yield the units of a source, after a check of the types of its sessions."""
    if source.level.plural == 'projects':
        sessions = list(source.experiments().with_columns('subject_ID'))
        types.check(session.datatype() for session in sessions)
        subjects = elements_with_marks(source.subjects())
        yield from map(_marked, subjects)
        there = {subject.id() for subject, _ in subjects}
        alone = {one.id() for one in sessions if one.attrs.get('subject_ID') not in there}
        if alone:  # shared without their subjects
            marked = elements_with_marks(source.experiments())
            yield from (_marked(pair) for pair in marked if pair[0].id() in alone)
        return
    is_one = isinstance(source, Element)
    elements = [(source, mark_of(source))] if is_one else elements_with_marks(source)
    is_session = source.level.plural == 'experiments'
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
        if not copier.copy_project(source, project) and not copier.target.exists():
            return  # the first subject would create it, without its access
    elif not copier.target.exists():
        raise errors.NotFoundError(
            f'no project {copier.target.path_name!r} to copy to',
            uri=copier.target.url,
            remedy='Create it first.',
        )
    within = jobs if len(parts) == 1 else 1
    with ThreadPoolExecutor(jobs, 'pyxnat-copy') as pool:
        futures = [pool.submit(copier.copy, part, within) for part in parts]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Copier:
    """Copies units to one project."""

    def __init__(
        self,
        target: Any,
        state: CopyState,
        types: KnownTypes,
        report: CopyReport,
        overwrite: bool,
    ) -> None:
        self.target = target
        self._state = state
        self._types = types
        self._report = report
        self._overwrite = overwrite

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
        return self._isolated(part, lambda: self._copy_project(source, part))

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
            if is_fatal(error):
                raise
            self._report.add_failure(part.unit.uri, error)
            self._state.remove_stage(part.unit)
            return False
        return True

    def _copy(self, part: _Part, jobs: int) -> None:
        is_session = part.element.level.plural == 'experiments'
        stage = self._download(part, jobs)
        for _, item in Sidecar(stage).documents():
            self._types.check(types_below(item))
        target = self._subject_of(part.element) if is_session else self.target
        self._upload(target, stage, jobs)
        self._state.add(part.unit, self._compared(stage))
        self._report.add_success(part.unit.uri)

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

    def _subject_of(self, session: Any) -> Any:
        """Return the subject for a session; create it with its fields, without other sessions."""
        owner = session.host.select.subject(session.attrs.get('subject_ID'))
        item = read_item(owner.get(), 'subjects')
        subject = self.target.subject(item.label)
        if not subject.exists():
            subject.create_with_parents({}, {}, copy_document(item))
        return subject

    def _compared(self, stage: Path) -> Iterator[CopiedId]:
        """Yield the IDs of a unit, after its documents were compared with those sent."""
        for document, item in Sidecar(stage).documents():
            project = document.project or item.project
            if item.level not in _LEVELS[1:]:
                continue
            label = item.label_in(project)
            copied = getattr(self.target, document.level.rstrip('s'))(label)
            there = read_item(copied.get(), item.level)
            _compare(item, there, copied.url)
            yield from _ids(item, there)


def _compare(item: Item, there: Item, url: str) -> None:
    """Raise IntegrityError if an item, or one below, lacks something at the destination."""
    problems = [
        f'{one.level}/{one.label}{problem}'
        for one, copy in _pairs(item, there)
        for problem in _problems(one, copy)
    ]
    if problems:
        raise errors.IntegrityError(
            f'the copy differs in {", ".join(problems[:_SHOWN])}',
            uri=url,
            remedy='Copy once more with overwrite=True.',
        )


def _problems(item: Item, copy: Item | None) -> list[str]:
    """Return the fields that an item lacks at the destination, without the items below it."""
    if copy is None:
        return [' is missing']
    wanted, present = (values_of(copy_document(one, scans=())) for one in (item, copy))
    missing, other = differences(wanted, present)
    return [f': {path}' for path in (*missing, *other)]


def _pairs(item: Item, copy: Item | None) -> Iterator[tuple[Item, Item | None]]:
    """Yield an item and those below it, each with its copy."""
    yield item, copy
    copies = {(one.level, one.label): one for one in copy.below} if copy is not None else {}
    for below in item.below:
        yield from _pairs(below, copies.get((below.level, below.label)))


def _ids(item: Item, there: Item) -> Iterator[CopiedId]:
    for one, copy in _pairs(item, there):
        if one.level in _WITH_ID and copy is not None:
            yield CopiedId(one.level, one.label, one.id, copy.id)
