"""Short cuts that list the files of several resources, or of several elements.

Each yields exactly the elements of the walk it replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.levels import level
from ...model.rows import ListedRow
from ...model.short_names import cell
from ...tables.table import Row
from ..paths import Path, chain_of, read, uri_of
from .found import Conditions, Found, check_own, is_wanted, name_in_lists, names_of
from .listings import Columns, Listing, Tables
from .session_shortcuts import KeepWhereAny
from .stages import Stage

__all__ = ['ListDerivedFiles', 'ListFiles', 'ListFilesOfScans', 'ListOwnFiles']

_MOST_CHARACTERS = 2000
"""Greatest length of a list of IDs in a URI."""
_MOST_SESSIONS = 50
"""Greatest number of IDs in a list."""
_Holders = dict[tuple[str, str], Found]
"""URI of the element above and ID of a resource -> the resource."""


class ListOwnFiles(Stage):
    """List files of all resources of an element, or of up to 50 experiments.

    One request, in place of one for the resources and one for each of them.
    """

    assumption: ClassVar[str] = (
        'FileList lists X/files over all resources of X, with cat_ID and collection, and takes '
        'lists of experiments (1.8)'
    )
    batch_level: ClassVar[str] = 'experiments'
    batch_size: int = _MOST_SESSIONS

    def requests(self, at: Found) -> tuple[str, ...]:
        steps = read(at.uri)
        has_no_route = chain_of(steps) == ('projects', 'experiments')
        return self._files(uri_of(steps[1:]) if has_no_route else at.uri)

    def _files(self, uri: str) -> tuple[str, ...]:
        """Return the URIs that list the files below one element or several."""
        return (uris.join(uri, *self._inner(), 'files'),)

    def _inner(self) -> list[str]:
        """Return the segments of the URI between the element and ``files``."""
        resource = self.steps[-2]
        direction = level(resource.level).side
        return [
            *filter(None, [direction]),
            *(
                ['resources', resource.name]
                if resource.literal and uris.is_label(resource.name)
                else []
            ),
        ]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        check_own(at, tables[0])
        holders: _Holders = {}
        files = (self._file(at, row, holders) for row in tables[0])
        return (file for file in files if file is not None)

    def _file(self, at: Found, row: Row, holders: _Holders) -> Found | None:
        """Return the file of a row below an element, if it is selected.

        Parameters
        ----------
        at : Found
            The element.
        row : Row
            Row of a listing of files.
        holders : dict
            Resources of the rows before; that of this one is added.
        """
        resource_step, file_step = self.steps[-2:]
        resource, label, path = (
            cell(row, 'cat_ID'),
            uris.meaning(cell(row, 'collection')),
            names_of('files', row)[0],
        )
        if not (is_wanted(resource_step, resource, label) and is_wanted(file_step, path, path)):
            return None
        key = (at.uri, resource)
        if key not in holders:
            name = resource_step.name if resource_step.literal else resource
            between = {resource_step.level: {'xnat_abstractresource_id': resource, 'label': label}}
            holders[key] = at.child(resource_step.level, name, {}, between=between)
        return holders[key].child('files', path, ListedRow({**row, 'path': path}))

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        batch: list[Found] = []
        for found in founds:
            characters = sum(len(name_in_lists(member)) for member in [*batch, found])
            if len(batch) == self.batch_size or characters > _MOST_CHARACTERS:
                yield batch
                batch = []
            batch.append(found)
        if batch:
            yield batch

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        names = ','.join(dict.fromkeys(uris.quote(name_in_lists(found)) for found in batch))
        return self._files(uris.join(uris.ENTRY, 'experiments', names))

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        of: dict[str, list[Row]] = {name_in_lists(found): [] for found in batch}
        for row in tables[0]:
            steps = read(cell(row, 'URI'))
            depth = next(
                (depth for depth, step in enumerate(steps, 1) if step.level == 'experiments'), 0
            )
            name = steps[depth - 1].name
            if depth == 0 or name not in of:
                raise UnexpectedAnswer(f'a file of {name!r} is listed, which was not requested')
            of[name].append(ListedRow({**row, 'URI': uri_of(steps[depth:])}))
        return [
            list(self.rows(found, [_below(found, of[name_in_lists(found)]), *tables[1:]]))
            for found in batch
        ]

    def bound(self, parents: str, each: int) -> str:
        return (
            f'1 per {self.batch_size} elements of {parents}'
            if self.batch_size > 1
            else super().bound(parents, each)
        )


class ListFiles(ListOwnFiles):
    """List the files of all scans of a session, or of up to 50 sessions.

    One request, in place of one for each scan and each of its resources.
    """

    assumption: ClassVar[str] = (
        'FileList takes ALL for scans, in lists of experiments too, and gives scan, resource and '
        'path in the URI (1.8)'
    )

    def __init__(
        self, steps: Path, conditions: Conditions | None = None, columns: Columns | None = None
    ) -> None:
        super().__init__(steps, conditions, columns)
        if self.columns.get('scans'):
            self.batch_size = 1  # columns of scans are listed by session

    def requests(self, at: Found) -> tuple[str, ...]:
        return (*self._files(at.uri), *(self._scans(at).uris if self.columns.get('scans') else ()))

    def _scans(self, at: Found) -> Listing:
        """Return the listing of the scans, with their wanted columns."""
        return Listing(uris.join(at.uri, 'scans'), 'scans', self.columns)

    def _inner(self) -> list[str]:
        return [self.steps[0].level, 'ALL', *super()._inner()]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        scans = (
            {cell(row, 'ID'): row for row in self._scans(at).rows(tables[1:])} if tables[1:] else {}
        )
        found: dict[str, Found] = {}
        holders: _Holders = {}
        for row in tables[0]:
            scan = _one_name(row, 'scans')
            if scan and is_wanted(self.steps[0], scan, scan):
                if scan not in found:
                    found[scan] = at.child('scans', scan, scans.get(scan, {'ID': scan}))
                file = self._file(found[scan], row, holders)
                if file is not None:
                    yield file

    def fallback(self) -> tuple[Stage, ...]:
        """Return stages that keep sessions with scans and list each alone.

        XNAT refuses a list of sessions none of which has scans.
        """
        return (KeepWhereAny('scans'), self.unbatched())


class ListFilesOfScans(ListOwnFiles):
    """List the files of scans of up to 50 sessions, after a listing of the scans.

    One request, in place of one for each scan. The scans keep the columns of their listing.
    """

    assumption: ClassVar[str] = ListFiles.assumption
    batch_level: ClassVar[str] = 'scans'
    batch_size: int = 100_000

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        batch: list[Found] = []
        sessions: set[str] = set()
        for found in founds:
            sessions.add(_session_of(found))
            characters = sum(len(name) + 1 for name in sessions)
            if len(sessions) > _MOST_SESSIONS or (
                len(sessions) > 1 and characters > _MOST_CHARACTERS
            ):
                yield batch
                batch, sessions = [], {_session_of(found)}
            batch.append(found)
        if batch:
            yield batch

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        names = ','.join(dict.fromkeys(uris.quote(_session_of(found)) for found in batch))
        return self._files(uris.join(uris.ENTRY, 'experiments', names, 'scans', 'ALL'))

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        of: dict[tuple[str, str], list[Row]] = {_names_of_scan(found): [] for found in batch}
        for row in tables[0]:
            scan = _one_name(row, 'scans')
            steps = read(cell(row, 'URI'))
            levels = chain_of(steps)
            if not scan or 'experiments' not in levels:
                raise UnexpectedAnswer(f'{row["URI"]} is listed among files of scans')
            key = (steps[levels.index('experiments')].name, scan)
            if key in of:
                below = steps[levels.index('scans') + 1 :]
                of[key].append({**row, 'URI': uri_of(below)})
        return [
            list(self.rows(found, [_below(found, of[_names_of_scan(found)])])) for found in batch
        ]

    def bound(self, parents: str, each: int) -> str:
        return (
            f'1 per {_MOST_SESSIONS} sessions'
            if self.batch_size > 1
            else super().bound(parents, each)
        )


class ListDerivedFiles(ListFiles):
    """List the files of all assessors or reconstructions of up to 50 sessions.

    They are files of resources without a side, ``in`` or ``out``. The files that XNAT lists for
    assessors without a side depend on its version: a second request lists the resources, and
    files of other resources are left out.
    """

    assumption: ClassVar[str] = (
        'FileList takes ALL for assessors and reconstructions, in lists of experiments too, and so '
        'do resources (1.8)'
    )

    def _files(self, uri: str) -> tuple[str, ...]:
        listings_of_files = super()._files(uri)
        return (
            (*listings_of_files, uris.join(uri, self.steps[0].level, 'ALL', 'resources'))
            if self._has_resources
            else listings_of_files
        )

    @property
    def _has_resources(self) -> bool:
        return self.steps[1].level == 'resources' and not self.steps[1].literal

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        plural = self.steps[0].level
        known = (
            {cell(row, 'xnat_abstractresource_id') for row in tables[1]}
            if self._has_resources
            else None
        )
        holders: _Holders = {}
        for row in tables[0]:
            steps = read(cell(row, 'URI'))
            name = _one_name(row, plural)
            if not name and 'experiments' in chain_of(steps):
                raise UnexpectedAnswer(f'{row["URI"]} is listed among files of {plural}')
            if name and (known is None or cell(row, 'cat_ID') in known):
                file = self._file(at.child(plural, name, {'ID': name}), row, holders)
                if file is not None:
                    yield file

    def fallback(self) -> tuple[Stage, ...]:
        return (self.unbatched(),)


def _session_of(scan: Found) -> str:
    """Return the ID of the session of a scan, or its name in the path."""
    known = cell(scan.above.get('experiments', {}), 'ID') if 'experiments' in scan.above else ''
    return known or next(step.name for step in read(scan.uri) if step.level == 'experiments')


def _names_of_scan(scan: Found) -> tuple[str, str]:
    return _session_of(scan), read(scan.uri)[-1].name


def _below(at: Found, rows: list[Row]) -> list[Row]:
    """Return rows of one element of a batch, with URIs below that element."""
    return [{**row, 'URI': at.uri + row['URI'].removeprefix(uris.ENTRY)} for row in rows]


def _one_name(row: Row, plural: str) -> str:
    """Return the scan, assessor or reconstruction of a file, from its URI.

    Empty if the URI names none. If a resource was found below several of them, XNAT names all of
    them in the URI: then `UnexpectedAnswer` is raised, and the walk takes over.
    """
    name = next((step.name for step in read(cell(row, 'URI')) if step.level == plural), '')
    if ',' in name:
        raise UnexpectedAnswer(f'{row["URI"]} names several {plural}')
    return name
