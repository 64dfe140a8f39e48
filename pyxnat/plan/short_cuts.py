"""Stages that ask below several sessions at once for their scans, and for what was derived from them: each gives exactly what the walk gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from .. import uris
from ..errors import UnexpectedAnswer
from ..names import short_name, types_with
from ..paths import chain_of, read
from ..structure import level
from ..tables import Row
from .files import ListDerivedFiles, ListDerivedFilesTogether, name_in_lists
from .listings import Tables, cell, key_of
from .stages import Found, ListLevel, Stage, runs

__all__ = ['ListDerivedFilesWhereAny', 'ListIfAny', 'ListScansTogether', 'ListWhereAny', 'is_told_by_sessions']

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
        return (uris.with_query(uris.join(self._above(unit[0]), 'experiments'), {'xsiType': 'xnat:imageSessionData', 'columns': columns}),)

    def _above(self, found: Found) -> str:
        """Where the sessions are listed."""
        return _project(found)

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
        return [list(self.rows(at, [[*of[name_in_lists(at)].values()]])) if name_in_lists(at) in of else None for at in unit]

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
        return [[] if has_any.get(name_in_lists(found)) is False else None for found in unit]

    def alone(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def bound(self, parents: str) -> str:
        return '1 per project'


class ListDerivedFilesWhereAny(ListWhereAny):
    """The files of all assessors or reconstructions of those sessions that have any."""

    is_look: ClassVar[bool] = True

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.together([at])

    def alone(self) -> Stage:
        return ListDerivedFilesTogether(self.steps, self.conditions, self.columns)


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

    def alone(self) -> Stage:
        return (ListDerivedFiles if len(self.steps) > 1 else ListLevel)(self.steps, self.conditions, self.columns)

    def bound(self, parents: str) -> str:
        return '1'


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


def _project(found: Found) -> str:
    """URI of the project that an experiment was found in."""
    step = next((step for step in read(found.uri) if step.level == 'projects'), None)
    return uris.join(uris.ENTRY, 'projects', uris.quote(step.name if step else cell(found.row, 'project')))
