"""Selections of a mirror: which subjects and files of a project a pull brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ... import errors
from ...interface import Interface
from ...model.wildcards import is_wildcard
from ...query.paths import Path as SelectPath
from ...query.paths import read
from ...resources.base import Element
from .file_rows import Files
from .state import State, Unit

__all__ = ['Selection', 'selected_projects', 'selection', 'stored_selections']


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

    @property
    def options(self) -> dict[str, Any]:
        """Values that are stored for later pulls."""
        return {'where': self.where, 'files': self.files.text}

    def files_of(self, name: str) -> Files:
        """Return the files of the unit with an ID."""
        return self.files if self.each is None else self.each[name]

    def by_files(
        self, units: Iterable[tuple[Unit, str]]
    ) -> list[tuple[Files, list[tuple[Unit, str]]]]:
        """Return units in groups that have the same files, in the order of the first of each."""
        groups: dict[str, tuple[Files, list[tuple[Unit, str]]]] = {}
        for unit, mark in units:
            files = self.files_of(unit.id)
            groups.setdefault(files.text, (files, []))[1].append((unit, mark))
        return list(groups.values())

    def subjects(self, remote: Interface) -> set[str] | None:
        """Return the IDs of the selected subjects; None for all. The requests of a selection."""
        if self.each is not None:
            return set(self.each)
        if self.is_whole and self.where is None:
            return None
        path = f'{self.path}/subjects' if self.is_whole else self.path
        found = remote.select(path)
        if isinstance(found, Element):
            found = [found]
        elif self.where is not None:
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
    steps: SelectPath = read(path)
    levels = [step.level for step in steps]
    if levels not in (['projects'], ['projects', 'subjects']) or is_wildcard(steps[0].name):
        raise errors.ProgrammingError(
            f'{path!r} cannot be pulled',
            remedy="Give a project, such as '/projects/P', or subjects of one.",
        )
    return Selection(steps[0].name, path, where, Files.of(files), len(levels) == 1)


def stored_selections(stored: Mapping[str, Mapping[str, Any]]) -> Iterator[Selection]:
    """Yield the selections of earlier pulls.

    Raises
    ------
    ProgrammingError
        The files of one were chosen by a function, which is not stored.
    """
    for path, options in stored.items():
        if str(options['files']).startswith('function'):
            raise errors.ProgrammingError(
                f'{path} was pulled with a function for its files',
                remedy='Name the path, and give files= again.',
            )
        yield selection(path, _criteria(options['where']), options['files'])


def _criteria(stored: Any) -> Any:
    """Return criteria as they were given: JSON has no tuples."""
    if not isinstance(stored, list):
        return stored
    if len(stored) == 3 and not any(isinstance(one, list) for one in stored):
        return tuple(stored)
    return [_criteria(one) for one in stored]
