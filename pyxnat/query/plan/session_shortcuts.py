"""Stages that ask below several sessions at once for their scans, and for what was derived from them: each gives exactly what the walk gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.levels import level
from ...model.short_names import cell, key_of, short_name, types_with
from ...tables.table import Row
from ..paths import read
from .listings import Tables
from .stages import Found, ListLevel, Stage, name_in_lists, runs

__all__ = ['KeepWhereAny', 'ListScansTogether', 'is_listed_with_sessions']

_SCAN = 'xnat:imageSessionData/scans/scan'
_DERIVED = ('xnat:imageSessionData/assessors/assessor/ID', 'xnat:imageSessionData/reconstructions/reconstructedImage/ID')
_RESOURCE = 'xnat:subjectData/resources/resource'


class _Probe(NamedTuple):
    """What tells which elements have any of something."""

    of: str
    """Level of the elements."""
    datatype: str | None
    """Of the listing."""
    asked: tuple[str, ...]
    """Its columns."""
    tells: tuple[str, ...]
    """Those that an element has a value of, if it has any."""


_PROBES = {
    'scans': _Probe('experiments', 'xnat:imageSessionData', (f'{_SCAN}/ID',), (f'{_SCAN}/ID',)),
    'assessors': _Probe('experiments', 'xnat:imageSessionData', _DERIVED, _DERIVED[:1]),
    'reconstructions': _Probe('experiments', 'xnat:imageSessionData', _DERIVED, _DERIVED[1:]),
    'resources': _Probe('subjects', None, *[(f'{_RESOURCE}/label', f'{_RESOURCE}/xnat_abstractResource_id')] * 2),
}
"""One look tells of assessors and of reconstructions."""


class ListScansTogether(ListLevel):
    """The scans of all sessions of a project in one listing, in place of one for each session.

    Whose they are is told by the listing that was walked before: it alone decides what is seen. A session that is not among the answers is asked
    by itself.
    """

    assumption: ClassVar[str] = 'listings of sessions give a row for each value of a repeated path, and its columns stay together (1.8)'
    batch_level: ClassVar[str] = 'experiments'
    batch_size: int = 100_000

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        return runs(founds, _project)

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        columns = ','.join(['ID', *self._paths().values()])
        return (uris.with_query(uris.join(self._above(batch[0]), 'experiments'), {'xsiType': 'xnat:imageSessionData', 'columns': columns}),)

    def _above(self, found: Found) -> str:
        """Where the sessions are listed."""
        return _project(found)

    def _paths(self) -> dict[str, str]:
        """Column as the walk has it -> full path of the same from a session."""
        names = [*level('scans').columns, *self.columns.get('scans', ())]
        return {key_of(name): f'{_SCAN}/{path}' for name in names if (path := _path_in_session(name))}

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
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
        return [list(self.rows(at, [[*of[name_in_lists(at)].values()]])) if name_in_lists(at) in of else None for at in batch]

    def unbatched(self) -> Stage:
        return ListLevel(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return '1 per project'


class KeepWhereAny(Stage):
    """Of sessions, those that have any scans, assessors or reconstructions; of subjects, those that have resources: as far as one listing tells.

    What is below them, and may be seen, is told by other listings. An element that this one does not speak of is kept.

    Parameters
    ----------
    plural : str
        What they are to have.
    for_one : bool, optional
        Whether looking is worth it for one element by itself.
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
        columns = ','.join(['ID', 'label', *self._probe.asked])
        return (uris.with_query(uri, {'ID': identity, 'xsiType': self._probe.datatype, 'columns': columns}),)

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        paths = [path.lower() for path in self._probe.tells]
        known: dict[str, bool] = {}
        for row in tables[0]:
            has_any = ''.join(cell(row, path) for path in paths) != ''
            for name in (cell(row, 'ID'), cell(row, 'label')):  # a name that was given may be either
                known[name] = known.get(name, False) or has_any
        return [[found] if known.get(name_in_lists(found), True) else [] for found in batch]

    def unbatched(self) -> Stage:
        one = KeepWhereAny(self.plural)
        one.batch_size = 1
        return one

    def bound(self, parents: str, each: int) -> str:
        return '1 per project' if parents else '1'


def is_listed_with_sessions(name: str) -> bool:
    """Whether a column of scans is one that they have whatever their type."""
    return _path_in_session(name) != ''


def _path_in_session(name: str) -> str:
    """The path of a column in a scan; nothing for one of a single type."""
    if '/' in name:
        kind, _, path = name.partition('/')
        return path if kind == 'xnat:imageScanData' else ''
    found = short_name('scan', name)
    return found.path if found and not types_with('scan', name) else ''


def _project(found: Found) -> str:
    """URI of the project that an experiment was found in; of the server where that is not known."""
    step = next((step for step in read(found.uri) if step.level == 'projects'), None)
    name = step.name if step else found.row.get('project', '')
    return uris.join(uris.ENTRY, 'projects', uris.quote(name)) if name else uris.ENTRY
