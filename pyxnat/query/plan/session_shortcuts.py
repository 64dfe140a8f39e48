"""Short cuts below several sessions at once: scans, tests for derived data.

Each yields exactly the elements of the walk it replaces.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import ClassVar, NamedTuple

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.levels import level
from ...model.short_names import cell, key_of, short_name, types_with
from ...tables.table import Row
from ..paths import read
from .found import Found, name_in_lists, runs
from .listings import Tables
from .stages import ListLevel, Stage

__all__ = ['KeepWhereAny', 'ListResources', 'ListScansTogether', 'is_listed_with_sessions']

_SCAN = 'xnat:imageSessionData/scans/scan'
_DERIVED = (
    'xnat:imageSessionData/assessors/assessor/ID',
    'xnat:imageSessionData/reconstructions/reconstructedImage/ID',
)
_RESOURCE = 'xnat:subjectData/resources/resource'


class _Probe(NamedTuple):
    """A listing that shows which elements have any children of a level."""

    of: str
    """Level of the elements."""
    datatype: str | None
    """Type listed; `None` for the default of the level."""
    columns: tuple[str, ...]
    """Columns to request."""
    evidence: tuple[str, ...]
    """Those of the columns that have a value if the element has any children."""


_PROBES = {
    'scans': _Probe('experiments', 'xnat:imageSessionData', (f'{_SCAN}/ID',), (f'{_SCAN}/ID',)),
    'assessors': _Probe('experiments', 'xnat:imageSessionData', _DERIVED, _DERIVED[:1]),
    'reconstructions': _Probe('experiments', 'xnat:imageSessionData', _DERIVED, _DERIVED[1:]),
    'resources': _Probe(
        'subjects', None, *[(f'{_RESOURCE}/label', f'{_RESOURCE}/xnat_abstractResource_id')] * 2
    ),
}
"""Assessors and reconstructions have the same columns, so that one request serves both."""


class ListScansTogether(ListLevel):
    """List the scans of all sessions of a project in one request.

    It replaces one request for each session. Only sessions of the preceding listing get scans; a
    session without a row is requested alone.
    """

    assumption: ClassVar[str] = (
        'listings of sessions give a row for each value of a repeated path, and its columns stay '
        'together (1.8)'
    )
    batch_level: ClassVar[str] = 'experiments'
    batch_size: int = 100_000

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        return runs(founds, _project)

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        columns = ','.join(['ID', *self._paths().values()])
        return (
            uris.with_query(
                uris.join(self._above(batch[0]), 'experiments'),
                {'xsiType': 'xnat:imageSessionData', 'columns': columns},
            ),
        )

    def _above(self, found: Found) -> str:
        """Return the URI below which the sessions are listed."""
        return _project(found)

    def _paths(self) -> dict[str, str]:
        """Map the columns of the walk to their full paths from a session."""
        names = [*level('scans').columns, *self.columns.get('scans', ())]
        return {
            key_of(name): f'{_SCAN}/{path}' for name in names if (path := _path_in_session(name))
        }

    def batch_rows(
        self, batch: Sequence[Found], tables: Tables
    ) -> Sequence[Iterable[Found] | None]:
        """Return the scans of each session; those of a long listing are held packed.

        Parameters
        ----------
        batch : sequence of Found
            The sessions.
        tables : Tables
            The listing of the scans of all of them.
        """
        paths = {name: path.lower() for name, path in self._paths().items()}
        is_long = not isinstance(tables[0], list)
        of: dict[str, _Scans] = {}
        for session, rows in groupby(tables[0], lambda row: cell(row, 'ID')):
            scans = of.pop(session).unpack() if session in of else {}
            for row in rows:
                name = cell(row, paths['ID'])
                if name in scans:
                    raise UnexpectedAnswer(
                        f'{name!r} of {session} is listed twice: the columns do not stay together'
                    )
                scans[name] = [cell(row, key) for key in paths.values()]
            of[session] = _Scans(scans, is_long)
        names = [*paths]
        found = [(at, of.get(name_in_lists(at))) for at in batch]
        below = [None if scans is None else _Below(self, at, names, scans) for at, scans in found]
        return below if is_long else [one and list(one) for one in below]

    def unbatched(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return '1 per project'


class _Scans:
    """Scans of a session: ID -> cells."""

    __slots__ = ('_scans',)

    def __init__(self, scans: dict[str, list[str]], is_packed: bool) -> None:
        self._scans: dict[str, list[str]] | bytes = scans
        if is_packed:
            self._scans = zlib.compress(json.dumps(scans).encode(), 1)

    def unpack(self) -> dict[str, list[str]]:
        """Return the scans; the row of a session without any has an empty ID."""
        if isinstance(self._scans, dict):
            return self._scans
        scans: dict[str, list[str]] = json.loads(zlib.decompress(self._scans))
        return scans


class _Below(Iterable[Found]):
    """Scans of a session as elements, which are created on iteration."""

    __slots__ = ('_at', '_columns', '_scans', '_stage')

    def __init__(self, stage: ListLevel, at: Found, columns: list[str], scans: _Scans) -> None:
        self._stage, self._at, self._columns, self._scans = stage, at, columns, scans

    def __iter__(self) -> Iterator[Found]:
        named = self._scans.unpack()
        rows = [
            dict(zip(self._columns, cells, strict=True)) for name, cells in named.items() if name
        ]
        return iter(self._stage.rows(self._at, [rows]))


class ListResources(ListLevel):
    """List the resources of up to 50 experiments in one request.

    Those of their scans and assessors are not among them.
    """

    assumption: ClassVar[str] = (
        'listings of resources take lists of experiments, and give each in cat_id (1.8)'
    )
    batch_level: ClassVar[str] = 'experiments'
    batch_size: int = 50

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        for at in range(0, len(founds), self.batch_size):
            yield list(founds[at : at + self.batch_size])

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        names = ','.join(dict.fromkeys(uris.quote(name_in_lists(found)) for found in batch))
        return (uris.join(uris.ENTRY, 'experiments', names, 'resources'),)

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        of: dict[str, list[Row]] = {name_in_lists(found): [] for found in batch}
        for row in tables[0]:
            name = cell(row, 'cat_id')
            if name not in of or row.get('category', 'resources') != 'resources':
                raise UnexpectedAnswer(f'a resource of {name!r} is listed, which was not requested')
            of[name].append(row)
        return [list(self.rows(found, [of[name_in_lists(found)]])) for found in batch]

    def unbatched(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return f'1 per {self.batch_size} elements of {parents}'


class KeepWhereAny(Stage):
    """Drop sessions without scans or derived data, subjects without resources.

    One listing shows them, so that no request is sent for elements that have no children. An
    element without a row in it is kept. The children themselves come from other listings, which
    also decide whether the login may see them.

    Parameters
    ----------
    plural : str
        Level of the children: ``scans``, ``assessors``, ``reconstructions`` or ``resources``.
    for_one : bool, optional
        Whether the request is worth sending for a single element.
    """

    assumption: ClassVar[str] = 'listings give a row for each value of a repeated path (1.8)'
    batch_size: int = 100_000

    def __init__(self, plural: str, *, for_one: bool = False) -> None:
        super().__init__()
        self.plural = plural
        self.for_one = for_one
        self._probe = _PROBES[plural]

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.batch_requests([at]) if self.for_one else ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        return self.batch_rows([at], tables)[0] or () if tables else [at]

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        return runs(founds, _project)

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        above = {uris.parent(found.uri) for found in batch}
        is_beside = len(above) == 1 and '/projects/' in batch[0].uri
        uri = above.pop() if is_beside else uris.join(_project(batch[0]), self._probe.of)
        identity = None if '/projects/' in uri else name_in_lists(batch[0])
        columns = ','.join(['ID', 'label', *self._probe.columns])
        return (
            uris.with_query(
                uri, {'ID': identity, 'xsiType': self._probe.datatype, 'columns': columns}
            ),
        )

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        paths = [path.lower() for path in self._probe.evidence]
        known: dict[str, bool] = {}
        for row in tables[0]:
            has_any = ''.join(cell(row, path) for path in paths) != ''
            for name in (cell(row, 'ID'), cell(row, 'label')):  # a name in a path may be either
                known[name] = known.get(name, False) or has_any
        return [[found] if known.get(name_in_lists(found), True) else [] for found in batch]

    def unbatched(self) -> Stage:
        stage = KeepWhereAny(self.plural)
        stage.batch_size = 1
        return stage

    def bound(self, parents: str, each: int) -> str:
        return '1 per project' if parents else '1'


def is_listed_with_sessions(name: str) -> bool:
    """Return whether scans of every type have a column."""
    return _path_in_session(name) != ''


def _path_in_session(name: str) -> str:
    """Return the path of a column in a scan; empty for a single type's."""
    if '/' in name:
        kind, _, path = name.partition('/')
        return path if kind == 'xnat:imageScanData' else ''
    found = short_name('scan', name)
    return found.path if found and not types_with('scan', name) else ''


def _project(found: Found) -> str:
    """Return the URI of an element's project, or the entry point."""
    step = next((step for step in read(found.uri) if step.level == 'projects'), None)
    name = step.name if step else found.row.get('project', '')
    return uris.join(uris.ENTRY, 'projects', uris.quote(name)) if name else uris.ENTRY
