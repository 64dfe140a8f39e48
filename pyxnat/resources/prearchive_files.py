"""Elements and collections of the prearchive: scans, resources, files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from .. import errors
from ..model import uris
from ..model.rows import ListedRow
from ..model.wildcards import ANY, matches
from ..tables.table import Row
from .host import Host
from .hosted import Hosted, Named
from .iteration import LazyCollection

__all__ = [
    'PrearchiveCollection',
    'PrearchiveElement',
    'PrearchiveFile',
    'PrearchiveGroup',
    'PrearchiveResource',
    'PrearchiveScan',
]


class PrearchiveElement(Named):
    """A session of the prearchive, or an item below it.

    Creating one makes no request.
    """

    _id_column: ClassVar[str]

    def __init__(self, uri: str, interface: Host, known: Row | None = None) -> None:
        self._address = uri
        self.host = interface
        self.row: Row = ListedRow(known or {})

    @property
    def uri(self) -> str:
        """The encoded URI, starting with ``/data``."""
        return self._address

    @property
    def path_name(self) -> str:
        """The last name in the URI, decoded."""
        return uris.unquote(self.uri.rpartition('/')[2])

    @property
    def path(self) -> str:
        """The URI as a person writes it: decoded, without ``/data``."""
        return f'/{"/".join(uris.segments(self.uri))}'

    def __repr__(self) -> str:
        return errors.printable(f'<{type(self).__name__} Object> {self.path_name}')

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrearchiveElement):
            return NotImplemented
        return self.uri == other.uri and self.connection.is_same_as(other.connection)

    def __hash__(self) -> int:
        return hash((self.uri, self.connection.server))

    def id(self) -> str:
        """Return its name in URIs. No request."""
        return self.path_name

    def label(self) -> str:
        """Return its label; only sessions have other labels than `id`.

        No request.
        """
        return self.path_name

    def datatype(self) -> str:
        """Return its XNAT type if a listing had it, else the empty text.

        No request.
        """
        return self.row.get('xsiType', '')

    def exists(self) -> bool:
        """Whether the prearchive lists it for this login. One request."""
        try:
            self.fetch_row()
        except errors.HIDDEN:
            return False
        return True

    def attributes(self) -> dict[str, str]:
        """Return its row in the listing: column -> text. One request."""
        return dict(self.fetch_row())

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of its level. One request."""
        rows = self.connection.rows(uris.parent(self.uri))
        row = next((row for row in rows if row.get(self._id_column) == self.path_name), None)
        if row is None:
            raise errors.NotFoundError(
                'not in the prearchive',
                uri=self.connection.server + self.uri,
                remedy='Check the spelling.',
            )
        self.row.update(row)
        return row

    def _rows(self, plural: str) -> list[Row]:
        return self.connection.rows(f'{self.uri}/{plural}')

    def members(self, plural: str) -> Iterator[PrearchiveElement]:
        """Yield the elements of a level below it.

        Raises
        ------
        ProgrammingError
            It has no such level.
        """
        raise errors.ProgrammingError(
            f'{self.path} has no {plural}',
            remedy='Sessions have scans, scans have resources, resources have files.',
        )

    def below(self, plural: str, pattern: str) -> PrearchiveCollection:
        """Return the elements of a level below it. No request.

        Parameters
        ----------
        plural : str
            ``scans``, ``resources`` or ``files``.
        pattern : str
            Pattern for their names.
        """
        return PrearchiveCollection(self, [self], plural, pattern)


class PrearchiveFile(PrearchiveElement):
    """A file of a resource."""

    _id_column = 'path'

    @property
    def path_name(self) -> str:
        return uris.file_path(self.uri) or super().path_name

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of its level. One request."""
        resource = PrearchiveResource(self.uri.partition('/files/')[0], self.host)
        row: Row | None = next(
            (file.row for file in resource.files() if file.path_name == self.path_name), None
        )
        if row is None:
            raise errors.NotFoundError(
                'not in the prearchive',
                uri=self.connection.server + self.uri,
                remedy='Check the spelling.',
            )
        self.row.update(row)
        return row

    refetch_row = fetch_row  # responses of the prearchive are never cached

    def size(self) -> str:
        """Return the size in bytes, as text. One request if not known."""
        return str(self.row['Size'] if 'Size' in self.row else self.fetch_row()['Size'])

    def get(self, dest: str | os.PathLike[str] | None = None) -> str:
        """Download the file. One request.

        Parameters
        ----------
        dest : path, optional
            A file to write, or an existing folder. Default: the cache.

        Returns
        -------
        str
            Path of the local file.
        """
        return str(self.host.transfer.download(self, dest))


class PrearchiveResource(PrearchiveElement):
    """A named folder of files."""

    _id_column = 'label'

    def file(self, name: str) -> PrearchiveFile:
        """Return a file by its path. No request."""
        return PrearchiveFile(f'{self.uri}/files/{uris.quote_path(name)}', self.host)

    def files(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return its files. One request when iterated."""
        return self.below('files', id_filter)

    def members(self, plural: str) -> Iterator[PrearchiveElement]:
        if plural != 'files':
            yield from super().members(plural)
        for row in self._rows('files'):
            path = uris.file_path(row.get('URI', '')) or row['Name']
            yield PrearchiveFile(
                f'{self.uri}/files/{uris.quote_path(path)}',
                self.host,
                ListedRow({**row, 'path': path}),
            )


class PrearchiveScan(PrearchiveElement):
    """A scan of a session."""

    _id_column = 'ID'

    def resource(self, label: str) -> PrearchiveResource:
        """Return a resource by its label, such as ``DICOM``. No request."""
        return PrearchiveResource(f'{self.uri}/resources/{uris.quote(label)}', self.host)

    def resources(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return its resources. One request when iterated."""
        return self.below('resources', id_filter)

    def files(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the files of its resources.

        When iterated, one request and one for each resource.
        """
        return self.below('files', id_filter)

    def members(self, plural: str) -> Iterator[PrearchiveElement]:
        if plural == 'scans':
            yield from super().members(plural)
        for row in self._rows('resources'):
            resource = PrearchiveResource(
                f'{self.uri}/resources/{uris.quote(row["label"])}', self.host, row
            )
            yield from [resource] if plural == 'resources' else resource.members(plural)


class PrearchiveGroup(Hosted, LazyCollection[Any]):
    """A collection in the prearchive: sessions, scans, resources or files."""

    path: str

    def __repr__(self) -> str:
        return errors.printable(f'<{type(self).__name__} {self.path}>')

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrearchiveGroup):
            return NotImplemented
        return self.path == other.path and self.connection.is_same_as(other.connection)

    def __hash__(self) -> int:
        return hash((self.path, self.connection.server))

    def below(self, plural: str, pattern: str) -> PrearchiveCollection:
        """Return the elements of a level below it. No request.

        Parameters
        ----------
        plural : str
            ``scans``, ``resources`` or ``files``.
        pattern : str
            Pattern for their names.
        """
        return PrearchiveCollection(self, self, plural, pattern)

    def scans(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the scans below. No request."""
        return self.below('scans', id_filter)

    def resources(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the resources below. No request."""
        return self.below('resources', id_filter)

    def files(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the files below. No request."""
        return self.below('files', id_filter)


class PrearchiveCollection(PrearchiveGroup):
    """Scans, resources or files of the prearchive.

    Iterating fetches the listing of each element above in turn.
    """

    def __init__(self, above: Any, holders: Iterable[Any], plural: str, pattern: str) -> None:
        self.host = above.host
        self._holders = holders
        self._plural = plural
        self._pattern = pattern
        self.path = f'{above.path}/{plural}/{pattern}'

    def _fetch(self, ahead: str) -> Iterator[Any]:
        for holder in self._holders:
            for element in holder.members(self._plural):
                if matches(self._pattern, element.path_name):
                    yield element
