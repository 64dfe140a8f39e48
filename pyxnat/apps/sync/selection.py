"""Selections of a mirror: which subjects and files of a project a pull brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ... import errors
from ...interface import Interface
from ...model import uris
from ...model.wildcards import is_wildcard, matches
from ...query.criteria import parse, spell
from ...query.paths import Path as SelectPath
from ...query.paths import read
from ...resources.base import Element
from .file_rows import Files
from .state import State

__all__ = ['Selection', 'files_of_new', 'selected_projects', 'selection', 'stored_selections']


class Selection(NamedTuple):
    """A selection of a pull."""

    project: str
    path: str
    where: Any
    files: Files
    is_whole: bool
    each: Mapping[str, Files] | None = None
    """IDs of the units that are pulled because another project shows them, and the files of each;
    None for a selection of a user."""
    is_stored: bool = False
    """Whether it is that of an earlier pull: units that were pulled keep their files."""

    @property
    def options(self) -> dict[str, Any]:
        """Values that are stored for later pulls."""
        where = None if self.where is None else spell(parse(self.where))
        return {'where': where, 'files': self.files.text}

    def subjects(self, remote: Interface) -> set[str] | None:
        """Return the IDs of the selected subjects; None for all.

        The requests of a selection.

        Raises
        ------
        ProgrammingError
            The files were chosen by a function, in an earlier pull.
        NotFoundError
            The only subject does not exist, and was not pulled earlier.
        """
        if self.is_stored and self.files.is_unknown:
            raise errors.ProgrammingError(
                f'{self.path} was pulled with a function for its files',
                remedy='Name the path, and give files= again.',
            )
        if self.each is not None:
            return set(self.each)
        if self.is_whole and self.where is None:
            return None
        path = f'{self.path}/subjects' if self.is_whole else self.path
        found = remote.select(path)
        if isinstance(found, Element):
            try:
                only = {found.id()}
            except errors.NotFoundError:
                if self.is_stored:
                    return set()
                raise
            if self.where is None:
                return only
            found = remote.select(uris.parent(found.uri).removeprefix(uris.ENTRY))
            return only & {subject.id() for subject in found.where(self.where)}
        if self.where is not None:
            found = found.where(self.where)
        return {subject.id() for subject in found}


def selected_projects(state: State) -> set[str]:
    """Return the projects of the selections of a mirror."""
    return {read(path)[0].name for path in state.selections()}


def selection(path: str, where: Any, files: Any) -> Selection:
    """Return a selection.

    Parameters
    ----------
    path : str
        A project, or subjects of one.
    where : list, str or None
        Criteria for subjects.
    files : str, list of str or callable
        Which files, as the argument of `Mirror.pull`.

    Raises
    ------
    ProgrammingError
        The path has no single project, or goes below subjects.
    """
    steps: SelectPath = read(path) if isinstance(path, str) else ()
    levels = [step.level for step in steps]
    if levels not in (['projects'], ['projects', 'subjects']) or is_wildcard(steps[0].name):
        raise errors.ProgrammingError(
            f'{path!r} cannot be pulled',
            remedy="Give a project, such as '/projects/P', or subjects of one.",
        )
    place = ''.join(f'/{segment}' for segment in uris.strip_entry(path).split('/') if segment)
    return Selection(steps[0].name, place, where, Files.of(files), len(levels) == 1)


def stored_selections(stored: Mapping[str, Mapping[str, Any]]) -> Iterator[Selection]:
    """Yield the selections of earlier pulls; of one project, those of subjects first."""
    found = [
        selection(path, _criteria(options['where']), options['files'])._replace(is_stored=True)
        for path, options in stored.items()
    ]
    yield from sorted(found, key=lambda one: (one.project, one.is_whole))


def files_of_new(state: State, project: str, label: str) -> Files:
    """Return the files of a subject that was created in the folder.

    Those of the selection that would bring it, else of another one of the project; none if the
    project has no selection.

    Parameters
    ----------
    state : State
        State of the mirror.
    project : str
        ID of the project.
    label : str
        Label of the subject.
    """
    found = [one for one in stored_selections(state.selections()) if one.project == project]
    best = max(found, default=None, key=lambda one: (_names(one, label), one.is_whole))
    return Files.of('none') if best is None else best.files


def _names(selected: Selection, label: str) -> bool:
    """Whether the path of a selection has a subject."""
    return not selected.is_whole and matches(read(selected.path)[-1].name, label)


def _criteria(stored: Any) -> Any:
    """Return criteria with the tuples that JSON does not have.

    Field, operator and value.
    """
    if not isinstance(stored, list):
        return stored
    if len(stored) == 3 and isinstance(stored[0], str):
        return tuple(stored)
    return [_criteria(one) for one in stored]
