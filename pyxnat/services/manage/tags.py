"""Tags: named sets of elements, saved on the server.

XNAT has no tags for elements. They are stored as text files with one URI per line, in the private
project ``metabase_<login>``, which the first tag creates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ... import errors
from ...query import paths
from ...resources.base import class_of
from ...resources.host import Host

__all__ = ['References', 'Tag', 'Tags']

_RESOURCE = 'tags'


class References:
    """Elements of a tag, in order of tagging; they need not exist. No request."""

    def __init__(self, interface: Host, references: Iterable[str]) -> None:
        self._host = interface
        self._uris = list(references)

    def __repr__(self) -> str:
        return f'<References to {len(self)} elements>'

    def __iter__(self) -> Iterator[Any]:
        for uri in self._uris:
            level = paths.read(uri)[-1].level
            yield class_of(level).element_at(uri, self._host)

    def __len__(self) -> int:
        return len(self._uris)

    def get(self, what: str = 'id') -> list[Any]:
        """Return names, URIs or elements. No request.

        Parameters
        ----------
        what : str
            ``'id'`` for the names in the URIs, ``'uri'`` for the URIs, anything else for elements.
        """
        if what == 'uri':
            return list(self._uris)
        return [element.path_name if what == 'id' else element for element in self]

    fetchall = get


class Tag:
    """One tag."""

    def __init__(self, name: str, tags: Tags) -> None:
        if not re.fullmatch(r'[\w. -]+', name):
            raise errors.ProgrammingError(
                f'{name!r} is not a valid name of a tag',
                remedy='Use letters, digits, spaces, ".", "-" and "_".',
            )
        self.name = name
        self._tags = tags

    def __repr__(self) -> str:
        return f'<Tag {self.name}>'

    @property
    def _file(self) -> Any:
        return self._tags.resource().file(f'{self.name}.txt')

    def exists(self) -> bool:
        """Return whether the tag exists. One request."""
        return bool(self._file.exists())

    def create(self) -> Tag:
        """Create the project of the tags if it is missing. Up to two requests.

        The tag itself is stored with its first element.
        """
        self._tags.create_project()
        return self

    def references(self) -> References:
        """Return the elements, none if the tag does not exist. One request."""
        try:
            lines = self._tags.host.connection.request(self._file.uri).decode('utf-8').splitlines()
        except errors.NotFoundError:
            lines = []
        return References(self._tags.host, filter(None, lines))

    def reference(self, uri: str) -> None:
        """Add an element by its URI.

        Two requests; one or two more the first time, to check that the project of the tags exists.
        """
        self.reference_many([uri])

    def reference_many(self, uris: Iterable[str]) -> None:
        """Add elements by their URIs; requests as `reference`."""
        self._write(dict.fromkeys([*self.references().get('uri'), *uris]))

    def dereference(self, uri: str) -> None:
        """Remove an element by its URI. Two requests.

        Removing the last element deletes the tag.
        """
        self.dereference_many([uri])

    def dereference_many(self, uris: Iterable[str]) -> None:
        """Remove elements by their URIs; otherwise as `dereference`."""
        removed = set(uris)
        self._write(uri for uri in self.references().get('uri') if uri not in removed)

    def delete(self) -> None:
        """Delete the tag; its elements stay. One request."""
        self._file.delete()

    def _write(self, references: Iterable[str]) -> None:
        lines = ''.join(f'{uri}\n' for uri in references)
        if not lines:
            self.delete()
            return
        self._tags.create_project()
        self._file.put(lines.encode(), format='text', content='tag', overwrite=True)


class Tags:
    """Tags of the login: ``interface.manage.tags``. Calling it lists names."""

    def __init__(self, interface: Host) -> None:
        self.host = interface
        self._project_exists = False

    def __repr__(self) -> str:
        return f'<Tags of {self.host.connection.user or "guest"}>'

    def __call__(self) -> list[str]:
        """Return the names of all tags. One request."""
        try:
            return [name.removesuffix('.txt') for name in self.resource().files().get()]
        except errors.NotFoundError:
            return []

    def get(self, name: str) -> Tag:
        """Return a tag, whether it exists or not. No request."""
        return Tag(name, self)

    def new(self, name: str) -> Tag:
        """Prepare a tag for adding elements; see `Tag.create`."""
        return self.get(name).create()

    def delete(self, name: str) -> None:
        """Delete a tag; its elements stay. One request."""
        self.get(name).delete()

    def create_project(self) -> None:
        """Create the project that stores the tags, if it is missing.

        Up to two requests, once.
        """
        if self._project_exists:
            return
        project = self._project()
        if not project.exists():
            project.create(
                accessibility='private', description=f'Tags of {self._owner()}, kept by pyxnat'
            )
        self._project_exists = True

    def resource(self) -> Any:
        """Return the resource that stores the tags. No request."""
        return self._project().resource(_RESOURCE)

    def _project(self) -> Any:
        return self.host.select.project(f'metabase_{self._owner()}')

    def _owner(self) -> str:
        """Return the login, with characters that the ID of a project can have."""
        return re.sub(r'[^A-Za-z0-9_-]', '_', self.host.connection.user or 'guest')
