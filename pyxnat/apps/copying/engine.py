"""Copy of a project or a selection to a project of another site.

A unit of the copy is a subject with all below it, or a session. Its documents and files are
downloaded into the state folder, uploaded from there, compared, and removed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ... import errors
from ...http.progress import progress_bar
from ...resources.base import Element
from ...resources.collection import Collection
from ...services.bulk.workers import WorkerPool, check_jobs
from .copier import Copier
from .destination import Destination
from .known_types import KnownTypes
from .parts import Part, conflicts, gone, parts_of, project_part
from .report import CopyReport
from .state import CopyState, identity_of, is_new, open_state

__all__ = ['copy_items']

_LEVELS = ('projects', 'subjects', 'experiments')


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
    DatabaseError
        The login was refused, or a server or the network failed for many units in a row.

    Notes
    -----
    Requests: two or three listings of the source and the types of the destination; for each unit
    those of `download` and `upload`, four for the documents of both sides, one more for a new
    subject, and one for the mark of its copy; two or three if only its copy has changed.
    """
    check_jobs(jobs)
    _check_places(source, target)
    report = CopyReport()
    with (
        _state_folder(state, is_kept=not dry_run) as folder,
        open_state(folder, _places(source, target)) as known,
    ):
        for host in (source.host, target.host):
            host.cache.stamp.change()  # an old answer would hide a change that the new mark has
        types = KnownTypes(target.host)
        parts = list(parts_of(source, types))
        dest = Destination(target, known, report, merge=merge, overwrite=overwrite)
        todo = _todo(parts, dest, known, report, again)
        for row in gone(parts, source, known):
            if dest.copy_of(row.level, row.source):
                report.add_note(f'{row.level}/{row.label} is at the destination alone')
        if dry_run:
            for part in todo:
                report.add_success(part.unit.uri)
        else:
            transports = (one.connection.transport for one in (source, target))
            pool = WorkerPool(report, jobs, *transports)
            copier = Copier(dest, known, types, report, pool, overwrite=overwrite, again=again)
            _copy_all(copier, source, todo, known, jobs, progress)
        report.ids = {key: row.dest for key, row in known.ids.items()}
    report.finish()
    return report


def _todo(
    parts: list[Part], dest: Destination, known: CopyState, report: CopyReport, again: bool
) -> list[Part]:
    """Return the parts to copy; report those that are unchanged, or cannot be copied."""
    refused = conflicts(parts, known)
    todo = []
    for part in parts:
        if not again and _is_unchanged(part, dest, known):
            report.add_skipped(part.unit.uri)
        elif part.unit.uri in refused:
            report.add_failure(part.unit.uri, refused[part.unit.uri])
        else:
            todo.append(part)
    return todo


def _is_unchanged(part: Part, dest: Destination, known: CopyState) -> bool:
    """Whether neither a unit nor its copy has changed since they were compared."""
    level = part.element.level.plural
    copy = dest.copy_of(level, part.element.id()) if known.is_done(part.unit) else ''
    return bool(copy) and dest.marks(level).get(copy) == known.mark_there(part.unit)


def _copy_all(
    copier: Copier,
    source: Any,
    todo: list[Part],
    known: CopyState,
    jobs: int,
    progress: bool | None,
) -> None:
    """Copy the project itself, if it is the source, and then the parts in threads."""
    project = project_part(source)
    known.remove_other_stages(part.unit for part in (project, *todo) if part)
    with progress_bar(len(todo), ' items', progress) as bar:
        if project is not None:
            is_there = copier.copy_project(source, project) or copier.target.exists()
            if not is_there:  # the first subject would create it, without its access
                return
        within = jobs if len(todo) == 1 else 1

        def copy(part: Part) -> None:
            copier.copy(part, within)
            bar.update(1)

        copier.pool.each(copy, todo)


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
