"""Tags: named sets of elements, kept on the server so that they are there tomorrow and elsewhere.

XNAT has no tags for elements. They are kept as text files, a URI a line, in a private project of the login's own, which the first tag creates.
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
    """The elements of a tag, in the order in which they were tagged. No request; they need not exist."""

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
        """``'id'`` the names in their URIs, ``'uri'`` the URIs, any other word the elements."""
        if what == 'uri':
            return list(self._uris)
        return [element.path_name if what == 'id' else element for element in self]

    fetchall = get


class Tag:
    """One tag."""

    def __init__(self, name: str, tags: Tags) -> None:
        if not re.fullmatch(r'[\w. -]+', name):
            raise errors.ProgrammingError(f'{name!r} is not a name of a tag', remedy='Use letters, digits, blanks, dots, "-" and "_".')
        self.name = name
        self._tags = tags

    def __repr__(self) -> str:
        return f'<Tag {self.name}>'

    @property
    def _file(self) -> Any:
        return self._tags._folder().file(f'{self.name}.txt')

    def exists(self) -> bool:
        """Whether there is such a tag. One request."""
        return bool(self._file.exists())

    def create(self) -> Tag:
        """Make it, if there is none of the name; it needs an element to be kept. Up to two requests."""
        self._tags._project(create=True)
        return self

    def references(self) -> References:
        """Its elements; none where it does not exist. One request."""
        try:
            text = self._tags.host.connection.request(self._file.uri).decode('utf-8')
        except errors.NotFoundError:
            text = ''
        return References(self._tags.host, filter(None, text.splitlines()))

    def reference(self, uri: str) -> None:
        """Add an element by its URI. Two requests, and one or two for the first tag of all."""
        self.reference_many([uri])

    def reference_many(self, references: Iterable[str]) -> None:
        """Add elements by their URIs. Two requests, and one or two for the first tag of all."""
        self._write(dict.fromkeys([*self.references().get('uri'), *references]))

    def dereference(self, uri: str) -> None:
        """Take an element out; a tag without any goes. Two requests."""
        self.dereference_many([uri])

    def dereference_many(self, references: Iterable[str]) -> None:
        """Take elements out; a tag without any goes. Two requests."""
        gone = set(references)
        self._write(uri for uri in self.references().get('uri') if uri not in gone)

    def delete(self) -> None:
        """Remove the tag; its elements stay. One request."""
        self._file.delete()

    def _write(self, references: Iterable[str]) -> None:
        lines = ''.join(f'{uri}\n' for uri in references)
        if not lines:
            self.delete()
            return
        self._tags._project(create=True)
        self._file.put(lines.encode(), format='text', content='tag', overwrite=True)


class Tags:
    """The tags of the login: ``interface.manage.tags``. Calling it lists their names."""

    def __init__(self, interface: Host) -> None:
        self.host = interface
        self._made = False

    def __repr__(self) -> str:
        return f'<Tags of {self.host.connection.user or "guest"}>'

    def __call__(self) -> list[str]:
        """Names of all tags. One request."""
        try:
            return [name.removesuffix('.txt') for name in self._folder().files().get()]
        except errors.NotFoundError:
            return []

    def get(self, name: str) -> Tag:
        """A tag, whether it exists or not. No request."""
        return Tag(name, self)

    def new(self, name: str) -> Tag:
        """A tag to put elements into: it is kept once it has one. Up to two requests."""
        return self.get(name).create()

    def delete(self, name: str) -> None:
        """Remove a tag; its elements stay. One request."""
        self.get(name).delete()

    def _project(self, create: bool = False) -> Any:
        login = re.sub(r'[^A-Za-z0-9_-]', '_', self.host.connection.user or 'guest')
        project = self.host.select.project(f'metabase_{login}')
        if create and not self._made:
            if not project.exists():
                project.create(accessibility='private', description=f'Tags of {login}, kept by pyxnat')
            self._made = True
        return project

    def _folder(self) -> Any:
        return self._project().resource(_RESOURCE)
