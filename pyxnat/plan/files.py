"""Stages that list files, of all resources of an element or of several elements at once: each gives exactly what the walk gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from .. import uris
from ..errors import UnexpectedAnswer
from ..paths import chain_of, read, uri_of
from ..structure import level
from ..tables import Row
from .listings import Tables, cell, listings, merged
from .stages import Found, Stage, is_wanted, names_of, runs

__all__ = [
    'ListDerivedFiles',
    'ListDerivedFilesTogether',
    'ListFiles',
    'ListFilesTogether',
    'ListOwnFiles',
    'ListOwnFilesTogether',
    'name_in_lists',
]

_MOST_IDS = 50
_MOST_CHARACTERS = 2000
"""How long a list of IDs in a URI may get."""


class ListOwnFiles(Stage):
    """The files of all resources of an element in one listing, in place of one of resources and one for each."""

    rests_on: ClassVar[str] = 'FileList lists X/files over all resources of X, with cat_ID and collection (1.7, 1.8)'

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
        return [*filter(None, [direction]), *(['resources', uris.quote(resource.name)] if resource.literal else [])]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        for row in tables[0]:
            found = self._file(at, row)
            if found is not None:
                yield found

    def _file(self, at: Found, row: Row) -> Found | None:
        resource_step, file_step = self.steps[-2:]
        resource, label, path = cell(row, 'cat_ID'), cell(row, 'collection'), names_of('files', row)[0]
        if not (is_wanted(resource_step, resource, label) and is_wanted(file_step, path, path)):
            return None
        name = resource_step.name if resource_step.literal else resource
        between = {resource_step.level: {'xnat_abstractresource_id': resource, 'label': label}}
        return at.child(resource_step.level, name, {}, between=between).child('files', path, {**row, 'path': path})


class ListFiles(ListOwnFiles):
    """The files of all scans of a session in one listing, in place of one for each scan and each of its resources."""

    rests_on: ClassVar[str] = 'XNATTemplate takes ALL for the scans of files routes; FileList gives scan, resource and path in the URI (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        return (*self._files(at.uri), *self._scan_listings(at))

    def _scan_listings(self, at: Found) -> tuple[str, ...]:
        """What is wanted of the scans themselves."""
        return listings(uris.join(at.uri, 'scans'), 'scans', self.columns) if self.columns.get('scans') else ()

    def _inner(self) -> list[str]:
        return [self.steps[0].level, 'ALL', *super()._inner()]

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        scans = {row['ID']: row for row in merged('scans', self.columns, tables[1:])} if tables[1:] else {}
        for row in tables[0]:
            scan = next((step.name for step in read(cell(row, 'URI')) if step.level == 'scans'), '')
            if scan and is_wanted(self.steps[0], scan, scan):
                found = self._file(at.child('scans', scan, scans.get(scan, {'ID': scan})), row)
                if found is not None:
                    yield found


class _OfSeveral(ListOwnFiles):
    """Listings of files that are asked of a list of experiments or subjects."""

    at_most: ClassVar[int] = _MOST_IDS

    def units(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        for run in runs(founds, _home, self.at_most):
            unit: list[Found] = []
            for found in run:
                if sum(len(name_in_lists(one)) for one in [*unit, found]) > _MOST_CHARACTERS:
                    yield unit
                    unit = []
                unit.append(found)
            yield unit

    def together(self, unit: Sequence[Found]) -> tuple[str, ...]:
        names = ','.join(dict.fromkeys(uris.quote(name_in_lists(found)) for found in unit))
        return self._files(uris.join(_home(unit[0]), names))

    def apart(self, unit: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        of: dict[str, list[Row]] = {name_in_lists(found): [] for found in unit}
        for row in tables[0]:
            steps = read(cell(row, 'URI'))
            depth = next((depth for depth, step in enumerate(steps, 1) if step.level == unit[0].plural), 0)
            name = steps[depth - 1].name
            if depth == 0 or name not in of:
                raise UnexpectedAnswer(f'a file of {name!r} is listed, which was not asked for')
            of[name].append({**row, 'URI': uri_of(steps[depth:])})
        return [list(self.rows(found, [_below(found, of[name_in_lists(found)]), *tables[1:]])) for found in unit]

    def proves(self, founds: Sequence[Sequence[Found]], tables: Tables) -> bool:
        return sum(1 for files in founds if files) > 1

    def bound(self, parents: str) -> str:
        return f'1 per {self.at_most} elements of {parents}'


class ListFilesTogether(_OfSeveral, ListFiles):
    """The files of all scans of up to fifty sessions in one listing."""

    belief: ClassVar[str] = 'files of several sessions'
    rests_on: ClassVar[str] = 'XNATTemplate takes lists of experiments, and ALL for their scans, in files routes (1.7, 1.8); both together: compared'

    def alone(self) -> Stage:
        return ListFiles(self.steps, self.conditions, self.columns)


class ListDerivedFiles(ListFiles):
    """The files of all assessors or reconstructions of a session: of their own resources, of what went in, or of what came out.

    Of an assessor, XNATs do not agree what a listing without ``in`` or ``out`` holds. It is asked for with that of the resources, as it would be of
    each, and what is of no such resource is left.
    """

    rests_on: ClassVar[str] = 'XNATTemplate takes ALL for assessors and reconstructions in routes of files and resources, too (1.6 to 1.8)'

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
            name = next((step.name for step in steps if step.level == plural), '')
            if not name and 'experiments' in chain_of(steps):
                raise UnexpectedAnswer(f'{row["URI"]} is listed among files of {plural}')
            if name and (known is None or cell(row, 'cat_ID') in known):
                found = self._file(at.child(plural, name, {'ID': name}), row)
                if found is not None:
                    yield found


class ListDerivedFilesTogether(_OfSeveral, ListDerivedFiles):
    """The files of all assessors or reconstructions of up to fifty sessions."""

    belief: ClassVar[str] = ListFilesTogether.belief

    def alone(self) -> Stage:
        return ListDerivedFiles(self.steps, self.conditions, self.columns)


class ListOwnFilesTogether(_OfSeveral):
    """The files of the resources of up to fifty experiments, or subjects of a project, in one listing."""

    belief: ClassVar[str] = 'files of several elements'
    follows_from: ClassVar[str] = ListFilesTogether.belief
    rests_on: ClassVar[str] = 'XNATTemplate takes lists of subjects and experiments in files routes (1.7, 1.8); that rows tell them apart: compared'

    def alone(self) -> Stage:
        return ListOwnFiles(self.steps, self.conditions, self.columns)


def _below(at: Found, rows: list[Row]) -> list[Row]:
    """Rows of one of several, with the URIs that they have below it."""
    return [{**row, 'URI': at.uri + row['URI'].removeprefix(uris.ENTRY)} for row in rows]


def name_in_lists(found: Found) -> str:
    """ID of an experiment or subject that was found."""
    return cell(found.row, 'ID') if found.row else read(found.uri)[-1].name


def _home(found: Found) -> str:
    """Where it can be asked for in a list: experiments below the server, subjects in their project."""
    return uris.join(uris.ENTRY, 'experiments') if found.plural == 'experiments' else uris.parent(found.uri)
