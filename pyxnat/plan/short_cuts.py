"""Stages that ask for several levels, or below several elements, at once: each gives exactly what the walk gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from .. import uris
from ..errors import UnexpectedAnswer
from ..names import short_name, types_with
from ..paths import chain_of, read, uri_of
from ..structure import level
from ..tables import Row
from .listings import Tables, cell, key_of, listings, merged
from .stages import Found, ListLevel, Stage, is_wanted, names_of, runs

__all__ = [
    'ListFiles',
    'ListFilesTogether',
    'ListIfAny',
    'ListOwnFiles',
    'ListOwnFilesTogether',
    'ListScansTogether',
    'ListWhereAny',
    'is_told_by_sessions',
]

_MOST_IDS = 50
_MOST_CHARACTERS = 2000
"""How long a list of IDs in a URI may get."""
_IN_SESSIONS = {
    'scans': (
        'xnat:imageSessionData/scans/scan',
        {
            'xnat_imagescandata_id': 'xnat_imageScanData_id',
            'ID': 'ID',
            'type': 'type',
            'quality': 'quality',
            'xsiType': 'extension_item/element_name',
            'note': 'note',
            'series_description': 'series_description',
        },
    ),
}
"""Level -> the path of its items from their session, and column of the level's listing -> path of the same in an item."""

_IDS_IN_SESSIONS = {
    'assessors': 'xnat:imageSessionData/assessors/assessor/ID',
    'reconstructions': 'xnat:imageSessionData/reconstructions/reconstructedImage/ID',
}


class ListOwnFiles(Stage):
    """The files of all resources of an element in one listing, in place of one of resources and one for each."""

    rests_on: ClassVar[str] = 'FileList lists X/files over all resources of X, with cat_ID and collection (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        steps = read(at.uri)
        has_no_route = chain_of(steps) == ('projects', 'experiments')
        return (uris.join(uri_of(steps[1:]) if has_no_route else at.uri, *self._inner(), 'files'),)

    def _inner(self) -> list[str]:
        resource = self.steps[0]
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
        files = uris.join(at.uri, *self._inner(), 'files')
        return (files, *self._scan_listings(at))

    def _scan_listings(self, at: Found) -> tuple[str, ...]:
        """What is wanted of the scans themselves."""
        return listings(uris.join(at.uri, 'scans'), 'scans', self.columns) if self.columns.get('scans') else ()

    def _inner(self) -> list[str]:
        resource = self.steps[1]
        return ['scans', 'ALL', *(['resources', uris.quote(resource.name)] if resource.literal else [])]

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
                if sum(len(_name(one)) for one in [*unit, found]) > _MOST_CHARACTERS:
                    yield unit
                    unit = []
                unit.append(found)
            yield unit

    def together(self, unit: Sequence[Found]) -> tuple[str, ...]:
        names = ','.join(dict.fromkeys(uris.quote(_name(found)) for found in unit))
        return (uris.join(_home(unit[0]), names, *self._inner(), 'files'),)

    def apart(self, unit: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        of: dict[str, list[Row]] = {_name(found): [] for found in unit}
        for row in tables[0]:
            steps = read(cell(row, 'URI'))
            depth = next((depth for depth, step in enumerate(steps, 1) if step.level == unit[0].plural), 0)
            name = steps[depth - 1].name
            if depth == 0 or name not in of:
                raise UnexpectedAnswer(f'a file of {name!r} is listed, which was not asked for')
            of[name].append({**row, 'URI': uri_of(steps[depth:])})
        return [list(self._below(found, of[_name(found)])) for found in unit]

    def _below(self, at: Found, rows: list[Row]) -> Iterable[Found]:
        """The files of one of them, with the URIs that they have below it."""
        return self.rows(at, [[{**row, 'URI': at.uri + row['URI'].removeprefix(uris.ENTRY)} for row in rows]])

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


class ListOwnFilesTogether(_OfSeveral):
    """The files of the resources of up to fifty experiments, or subjects of a project, in one listing."""

    belief: ClassVar[str] = 'files of several elements'
    follows_from: ClassVar[str] = ListFilesTogether.belief
    rests_on: ClassVar[str] = 'XNATTemplate takes lists of subjects and experiments in files routes (1.7, 1.8); that rows tell them apart: compared'

    def alone(self) -> Stage:
        return ListOwnFiles(self.steps, self.conditions, self.columns)


class ListScansTogether(ListLevel):
    """The scans of all sessions of a project in one listing, in place of one for each session.

    Whose they are is told by the listing that was walked before: it alone decides what is seen. A session that is not among the answers is asked
    by itself.

    Two scans of one session prove it: each has a number of its own (``xnat_imagescandata_id``) in the same table of XNAT's as its type and quality,
    which would stand beside the other's ID if columns were mixed up. Where no session has two, there is nothing to mix up.
    """

    belief: ClassVar[str] = 'scans of a project'
    rests_on: ClassVar[str] = 'listings of sessions give a row for each value of a repeated path (1.7, 1.8); that its columns stay together: compared'
    at_most: ClassVar[int] = 100_000

    def units(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from runs(founds, _project, self.at_most)

    def together(self, unit: Sequence[Found]) -> tuple[str, ...]:
        columns = ','.join(['ID', *self._paths().values()])
        projects = {_project(found) for found in unit}
        uri = uris.join(projects.pop() if len(projects) == 1 else uris.ENTRY, 'experiments')
        return (uris.with_query(uri, {'xsiType': 'xnat:imageSessionData', 'columns': columns}),)

    def _paths(self) -> dict[str, str]:
        """Column as the walk has it -> full path of the same from a session."""
        plural = self.steps[0].level
        base, paths = _IN_SESSIONS[plural]
        more = {key_of(name): path for name in self.columns.get(plural, ()) if (path := _path_in_session(plural, name))}
        return {name: f'{base}/{path}' for name, path in {**paths, **more}.items()}

    def apart(self, unit: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        paths = {name: path.lower() for name, path in self._paths().items()}
        of: dict[str, dict[str, Row]] = {}
        for row in tables[0]:
            session, name = cell(row, 'ID'), cell(row, paths['ID'])
            there = of.setdefault(session, {})
            if name in there:
                raise UnexpectedAnswer(f'{name!r} of {session} is listed twice: the columns do not stay together')
            there[name] = {column: cell(row, key) for column, key in paths.items()}
        for there in of.values():
            there.pop('', None)  # a session that has none
        return [list(self.rows(at, [[*of[_name(at)].values()]])) if _name(at) in of else None for at in unit]

    def alone(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def proves(self, founds: Sequence[Sequence[Found]], tables: Tables) -> bool:
        return any(len({scan.row.get('xnat_imagescandata_id') for scan in scans}) > 1 for scans in founds)

    def is_harmless(self, below: Sequence[list[Found] | None]) -> bool:
        return all(scans is None or len(scans) < 2 for scans in below)

    def bound(self, parents: str) -> str:
        return '1 per project'


class ListWhereAny(ListLevel):
    """The assessors or reconstructions of several sessions: one listing tells which sessions have any, and those are asked.

    What of them may be seen is told by the listing of each session. A session that the first listing does not speak of is asked, too.
    """

    rests_on: ClassVar[str] = 'listings of sessions give a row for each value of a repeated path (1.7, 1.8)'
    at_most: ClassVar[int] = 100_000

    def units(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from runs(founds, _project, self.at_most)

    def together(self, unit: Sequence[Found]) -> tuple[str, ...]:
        above = {uris.parent(found.uri) for found in unit}
        beside = len(above) == 1 and '/projects/' in unit[0].uri
        uri = above.pop() if beside else uris.join(_project(unit[0]), 'experiments')
        return (uris.with_query(uri, {'xsiType': 'xnat:imageSessionData', 'columns': f'ID,{self._path}'}),)

    @property
    def _path(self) -> str:
        return _IDS_IN_SESSIONS[self.steps[0].level]

    def apart(self, unit: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        has_any: dict[str, bool] = {}
        for row in tables[0]:
            has_any[cell(row, 'ID')] = has_any.get(cell(row, 'ID'), False) or cell(row, self._path.lower()) != ''
        return [[] if has_any.get(_name(found)) is False else None for found in unit]

    def alone(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def bound(self, parents: str) -> str:
        return '1 per project, and 1 per session that has any'


class ListIfAny(ListWhereAny):
    """The assessors or reconstructions of one session, where both are wanted: one listing tells which of the two it has at all."""

    at_most: ClassVar[int] = 1
    is_look: ClassVar[bool] = True

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.together([at])

    def together(self, unit: Sequence[Found]) -> tuple[str, ...]:
        *above, session = read(unit[0].uri)
        beside = 'subjects' in chain_of(tuple(above))
        uri = uris.parent(unit[0].uri) if beside else uris.join(uris.ENTRY, 'experiments')
        columns = ','.join(['ID', 'label', *_IDS_IN_SESSIONS.values()])
        query = {'ID': None if beside else session.name, 'xsiType': 'xnat:imageSessionData', 'columns': columns}
        return (uris.with_query(uri, query),)

    def apart(self, unit: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        name = read(unit[0].uri)[-1].name
        rows = [row for row in tables[0] if cell(row, 'ID') == name] or [row for row in tables[0] if cell(row, 'label') == name]
        has_none = rows and not any(cell(row, self._path.lower()) for row in rows)
        return [[] if has_none else None]

    def bound(self, parents: str) -> str:
        return '1, and 1 if there are any'


def is_told_by_sessions(plural: str, name: str) -> bool:
    """Whether a column of scans or reconstructions is one that they have whatever their type."""
    return _path_in_session(plural, name) != ''


def _path_in_session(plural: str, name: str) -> str:
    """The path of a column in an item; nothing for one of a single type."""
    if '/' in name:
        kind, _, path = name.partition('/')
        return path if kind in ('xnat:imageScanData', 'xnat:reconstructedImageData') else ''
    singular = level(plural).singular
    found = short_name(singular, name)
    return found.path if found and not types_with(singular, name) else ''


def _name(found: Found) -> str:
    """ID of an experiment or subject that was found."""
    return cell(found.row, 'ID') if found.row else read(found.uri)[-1].name


def _home(found: Found) -> str:
    """Where it can be asked for in a list: experiments below the server, subjects in their project."""
    return uris.join(uris.ENTRY, 'experiments') if found.plural == 'experiments' else uris.parent(found.uri)


def _project(found: Found) -> str:
    """URI of the project that an experiment was found in."""
    step = next((step for step in read(found.uri) if step.level == 'projects'), None)
    return uris.join(uris.ENTRY, 'projects', uris.quote(step.name if step else cell(found.row, 'project')))
