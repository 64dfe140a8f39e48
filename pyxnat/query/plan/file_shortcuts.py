"""Stages that list files, of all resources of an element or of several elements at once: each gives exactly what the walk gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.levels import level
from ...model.short_names import cell
from ...tables.table import Row
from ..paths import Path, chain_of, read, uri_of
from .listings import Columns, Listing, Tables
from .session_shortcuts import KeepWhereAny
from .stages import Conditions, Found, Stage, check_own, is_wanted, name_in_lists, names_of

__all__ = ['ListDerivedFiles', 'ListFiles', 'ListOwnFiles']

_MOST_CHARACTERS = 2000
"""How long a list of IDs in a URI may get."""


class ListOwnFiles(Stage):
    """The files of all resources of an element in one listing, or of up to fifty experiments, in place of one of resources and one for each."""

    assumption: ClassVar[str] = 'FileList lists X/files over all resources of X, with cat_ID and collection, and takes lists of experiments (1.8)'
    batch_level: ClassVar[str] = 'experiments'
    batch_size: int = 50

    def requests(self, at: Found) -> tuple[str, ...]:
        steps = read(at.uri)
        has_no_route = chain_of(steps) == ('projects', 'experiments')
        return self._files(uri_of(steps[1:]) if has_no_route else at.uri)

    def _files(self, uri: str) -> tuple[str, ...]:
        """The listings of files below one element, or several."""
        return (uris.join(uri, *self._inner(), 'files'),)

    def _inner(self) -> list[str]:
        """What leads from there to the files."""
        resource = self.steps[-2]
        direction = level(resource.level).segment.removesuffix('resources').strip('/')
        return [*filter(None, [direction]), *(['resources', resource.name] if resource.literal and uris.is_label(resource.name) else [])]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        check_own(at, tables[0])
        found = (self._file(at, row) for row in tables[0])
        return (one for one in found if one is not None)

    def _file(self, at: Found, row: Row) -> Found | None:
        resource_step, file_step = self.steps[-2:]
        resource, label, path = cell(row, 'cat_ID'), uris.meaning(cell(row, 'collection')), names_of('files', row)[0]
        if not (is_wanted(resource_step, resource, label) and is_wanted(file_step, path, path)):
            return None
        name = resource_step.name if resource_step.literal else resource
        between = {resource_step.level: {'xnat_abstractresource_id': resource, 'label': label}}
        return at.child(resource_step.level, name, {}, between=between).child('files', path, {**row, 'path': path})

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        batch: list[Found] = []
        for found in founds:
            if len(batch) == self.batch_size or sum(len(name_in_lists(one)) for one in [*batch, found]) > _MOST_CHARACTERS:
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
            depth = next((depth for depth, step in enumerate(steps, 1) if step.level == 'experiments'), 0)
            name = steps[depth - 1].name
            if depth == 0 or name not in of:
                raise UnexpectedAnswer(f'a file of {name!r} is listed, which was not asked for')
            of[name].append({**row, 'URI': uri_of(steps[depth:])})
        return [list(self.rows(found, [_below(found, of[name_in_lists(found)]), *tables[1:]])) for found in batch]

    def bound(self, parents: str, each: int) -> str:
        return f'1 per {self.batch_size} elements of {parents}' if self.batch_size > 1 else super().bound(parents, each)


class ListFiles(ListOwnFiles):
    """The files of all scans of a session, or of up to fifty, in one listing, in place of one for each scan and each of its resources."""

    assumption: ClassVar[str] = 'FileList takes ALL for scans, in lists of experiments too, and gives scan, resource and path in the URI (1.8)'

    def __init__(self, steps: Path, conditions: Conditions | None = None, columns: Columns | None = None) -> None:
        super().__init__(steps, conditions, columns)
        if self.columns.get('scans'):
            self.batch_size = 1  # what is wanted of scans is listed by session

    def requests(self, at: Found) -> tuple[str, ...]:
        return (*self._files(at.uri), *(self._scans(at).uris if self.columns.get('scans') else ()))

    def _scans(self, at: Found) -> Listing:
        """What is wanted of the scans themselves."""
        return Listing(uris.join(at.uri, 'scans'), 'scans', self.columns)

    def _inner(self) -> list[str]:
        return [self.steps[0].level, 'ALL', *super()._inner()]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        scans = {cell(row, 'ID'): row for row in self._scans(at).rows(tables[1:])} if tables[1:] else {}
        for row in tables[0]:
            scan = _one_name(row, 'scans')
            if scan and is_wanted(self.steps[0], scan, scan):
                found = self._file(at.child('scans', scan, scans.get(scan, {'ID': scan})), row)
                if found is not None:
                    yield found

    def fallback(self) -> tuple[Stage, ...]:
        """A list of sessions of which none has scans is refused: it is looked which have any."""
        return (KeepWhereAny('scans'), self.unbatched())


class ListDerivedFiles(ListFiles):
    """The files of all assessors or reconstructions of a session, or of up to fifty: of their own resources, of what went in, or of what came out.

    Of an assessor, XNATs do not agree what a listing without ``in`` or ``out`` holds. It is asked for with that of the resources, as it would be of
    each, and what is of no such resource is left.
    """

    assumption: ClassVar[str] = 'FileList takes ALL for assessors and reconstructions, in lists of experiments too, and so do resources (1.8)'

    def _files(self, uri: str) -> tuple[str, ...]:
        listings_of_files = super()._files(uri)
        return (*listings_of_files, uris.join(uri, self.steps[0].level, 'ALL', 'resources')) if self._has_resources else listings_of_files

    @property
    def _has_resources(self) -> bool:
        return self.steps[1].level == 'resources' and not self.steps[1].literal

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        plural = self.steps[0].level
        known = {cell(row, 'xnat_abstractresource_id') for row in tables[1]} if self._has_resources else None
        for row in tables[0]:
            steps = read(cell(row, 'URI'))
            name = _one_name(row, plural)
            if not name and 'experiments' in chain_of(steps):
                raise UnexpectedAnswer(f'{row["URI"]} is listed among files of {plural}')
            if name and (known is None or cell(row, 'cat_ID') in known):
                found = self._file(at.child(plural, name, {'ID': name}), row)
                if found is not None:
                    yield found

    def fallback(self) -> tuple[Stage, ...]:
        return (self.unbatched(),)


def _below(at: Found, rows: list[Row]) -> list[Row]:
    """Rows of one of several, with the URIs that they have below it."""
    return [{**row, 'URI': at.uri + row['URI'].removeprefix(uris.ENTRY)} for row in rows]


def _one_name(row: Row, plural: str) -> str:
    """The name of the scan, assessor or reconstruction that a file is of; nothing where its URI names none.

    Where a single resource was found below several of them, XNAT names all of them in its URI: whose it is, only the walk tells.
    """
    name = next((step.name for step in read(cell(row, 'URI')) if step.level == plural), '')
    if ',' in name:
        raise UnexpectedAnswer(f'{row["URI"]} does not tell which of the {plural} has it')
    return name
