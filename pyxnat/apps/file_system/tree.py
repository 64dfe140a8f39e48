"""The names below a server as folders and files, from listings.

A name after a project may be a subject or a resource, and so on. Elements come before resources,
and a scan, assessor or reconstruction before a resource of the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...errors import NotFoundError
from ...interface import Interface

__all__ = ['Names', 'Tree', 'is_resource', 'not_there']

Names = tuple[str, ...]
"""Names below the server, such as project, subject and session."""

_SESSION = 3
"""Number of names down to a session."""
_OF_PLACE = ('projects', 'subjects', 'experiments')
_RESOURCES = ('resources', 'in_resources', 'out_resources')
_PARTS = ('scans', 'assessors', 'reconstructions')
_HOLDERS = ('experiments', *_PARTS)
"""Elements for which writing a file creates a missing resource."""
_LEVELS_BELOW = {
    'projects': ('subjects', 'resources'),
    'subjects': ('experiments', 'resources'),
    'experiments': (*_PARTS, 'resources'),
    'scans': ('resources',),
    'assessors': ('out_resources', 'in_resources'),
    'reconstructions': ('out_resources', 'in_resources'),
}


def not_there(names: Names) -> FileNotFoundError:
    """Return the error for names without a file or folder."""
    return FileNotFoundError(f'{"/".join(names)} does not exist, or this login may not see it')


class _Below(NamedTuple):
    """An element or resource, with the names that lead to it."""

    names: Names
    element: Any


class Tree:
    """Folders and files of one server.

    Parameters
    ----------
    interface : Interface
        Its connection.
    """

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    def files(self, names: Names) -> dict[Names, Any]:
        """Return the files at and below names, as file elements.

        Parameters
        ----------
        names : tuple of str
            Names of a project, subject, session or anything below.

        Returns
        -------
        dict
            Names of each file -> its element. Empty if there are none.

        Raises
        ------
        FileNotFoundError
            There is no such project, subject or session, nor a resource of that name.

        Notes
        -----
        One request for a file in a resource of a scan. Otherwise those of ``select('…//files')``
        for the project, subject or session, which are three for a session, and one more if it has
        assessors, for their labels. If there is no such element, one or two for each place where a
        resource may have the name.
        """
        for place in self._places(names):
            try:
                found = dict(_named(place, self._of(place)))
            except NotFoundError:
                continue
            if found or not is_resource(place.element):
                return {one: file for one, file in found.items() if one[: len(names)] == names}
        raise not_there(names)

    def _places(self, names: Names) -> Iterator[_Below]:
        """Yield the elements and resources that may hold names, the nearest first."""
        select = self._interface.select
        if not names:
            yield _Below((), select)
            return
        project = select.project(names[0])
        if len(names) >= _SESSION:
            session = project.subject(names[1]).experiment(names[2])
            if len(names) > _SESSION + 2:
                resource = session.scan(names[3]).resource(names[4])
                yield _Below(names[: _SESSION + 2], resource)
            yield _Below(names[:_SESSION], session)
            yield _Below(names[:_SESSION], project.subject(names[1]).resource(names[2]))
        elif len(names) == 2:
            yield _Below(names, project.subject(names[1]))
        if len(names) > 1:
            yield _Below(names[:2], project.resource(names[1]))
        else:
            yield _Below(names, project)

    def _of(self, place: _Below) -> Any:
        """Return the files below an element, each once."""
        if is_resource(place.element):
            return place.element.files()
        below = place.element.uri.removeprefix('/data') if place.names else '/projects/*'
        return self._interface.select(f'{below}//files')

    def children(self, names: Names) -> dict[str, Any]:
        """Return the elements and resources directly below names.

        Parameters
        ----------
        names : tuple of str
            Names of the server (empty), a project, subject, session, or a scan and the like.

        Returns
        -------
        dict
            Name -> element; empty for a resource, which has files alone.

        Raises
        ------
        FileNotFoundError
            There is nothing of these names.

        Notes
        -----
        One request for each level below: two for a project or subject, four for a session.
        """
        if not names:
            return {project.id(): project for project in self._interface.select.projects()}
        element = self.element(names)
        if element is None:
            raise not_there(names)
        return self._children_of(element)

    def element(self, names: Names) -> Any:
        """Return the element or resource of exactly these names; `None` if there is none.

        Parameters
        ----------
        names : tuple of str
            Names of a project or below.

        Notes
        -----
        One request for an element; two more for a resource of a project or subject, and five for
        an item below a session that is no scan.
        """
        project = self._interface.select.project(names[0])
        if len(names) == 1:
            return _existing(project)
        subject = project.subject(names[1])
        if len(names) == 2:
            return _existing(subject) or _existing(project.resource(names[1]))
        session = subject.experiment(names[2])
        if len(names) == _SESSION:
            return _existing(session) or _existing(subject.resource(names[2]))
        part = _existing(session.scan(names[3])) or self._other_part(session, names[3])
        if len(names) == _SESSION + 1 or part is None or is_resource(part):
            return part if len(names) == _SESSION + 1 else None
        if len(names) > _SESSION + 2:
            return None
        return self._children_of(part).get(names[4])

    def _other_part(self, session: Any, name: str) -> Any:
        """Return an assessor, reconstruction or resource of a session.

        `None` without one.
        """
        return self._children_of(session).get(name) if session.exists() else None

    def _children_of(self, element: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for level in _LEVELS_BELOW.get(element.level.plural, ()):
            for child in getattr(element, level)():
                found.setdefault(child.label(), child)
        return found

    def file(self, names: Names) -> Any:
        """Return the file element of names, to write to it.

        Parameters
        ----------
        names : tuple of str
            Names down to the path of the file.

        Raises
        ------
        FileNotFoundError
            The names lead to no resource, and it is not clear which one to create.

        Notes
        -----
        The requests of `element`, for the element and for the resource.
        """
        for number in range(len(names) - 1, 1, -1):
            element = self.element(names[:number]) if number <= _SESSION + 2 else None
            if element is None:
                continue
            path = '/'.join(names[number:])
            if is_resource(element):
                return element.file(path)
            is_near = element.level.plural in _PARTS or len(names) == number + 2
            if element.level.plural in _HOLDERS and is_near and len(names) > number + 1:
                word = 'resource' if hasattr(element, 'resource') else 'out_resource'
                resource = getattr(element, word)(names[number])
                return resource.file('/'.join(names[number + 1 :]))
            break
        raise FileNotFoundError(
            f'{"/".join(names)} is in no resource of the server. Create one with mkdir'
        )


def _existing(element: Any) -> Any:
    return element if element.exists() else None


def is_resource(element: Any) -> bool:
    """Whether an element is a resource, which holds files."""
    return element.level.plural in _RESOURCES


def _named(place: _Below, files: Any) -> Iterator[tuple[Names, Any]]:
    """Yield the files of a place with their names: labels as far as they are listed."""
    labels: dict[str, str] = {}
    for file in files:
        below = [step for step in file.steps if step.level not in _OF_PLACE[: len(place.names)]]
        if is_resource(place.element):
            below = file.steps[-1:]
        names: list[str] = []
        for step in below:
            label = file.above.get(step.level, {}).get('label')
            if step.level == 'assessors' and not label:
                labels = labels or _assessors(place)
                label = labels.get(step.name)
            names += (
                (label or step.name).split('/') if step.level == 'files' else [label or step.name]
            )
        yield (*place.names, *names), file


def _assessors(place: _Below) -> dict[str, str]:
    """Return the labels of the assessors below an element, by ID."""
    below = place.element.uri.removeprefix('/data') if place.names else '/projects/*'
    rest = {0: '/subjects/*/experiments/*', 1: '/subjects/*/experiments/*', 2: '/experiments/*'}
    path = f'{below}{rest.get(len(place.names), "")}/assessors'
    return {one.id(): one.label() for one in place.element.host.select(path)}
