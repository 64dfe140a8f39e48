"""Stages that ask for what is in all projects at once, by listings of the whole site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.short_names import cell, key_of
from ...tables.table import Row
from ..paths import chain_of
from .listings import Columns, Listing, Tables
from .session_shortcuts import ListScansTogether
from .stages import Found, ListLevel, ListSessions, Stage

__all__ = ['ListOfAll', 'ListScansOfAll', 'is_listed_by_site']

_TYPES = {'subjects': 'xnat:subjectData', 'experiments': 'xnat:subjectAssessorData'}
"""What a listing of the site is to hold: that of experiments has assessors too, where no type is asked for."""


class _SiteListing:
    """A listing of the site, taken apart: what each project shows, its own and what is shared into it."""

    def __init__(self, plural: str, columns: Columns, needed: Sequence[str], tables: Tables) -> None:
        self._plural = plural
        self._rows: dict[str, list[Row]] = {}
        self._readable: set[tuple[str, str]] = set()
        project, self._label = map(key_of, _shares(plural))
        items: dict[str, dict[str, list[Row]]] = {}
        for row in tables[0]:
            items.setdefault(cell(row, 'ID'), {}).setdefault(cell(row, project), []).append(row)
        listing = Listing('', plural, columns, needed)
        each = None if listing.may_repeat else 1  # shares may be told several times
        first = [row for shares in items.values() for row in next(iter(shares.values()))[:each]]
        for row in listing.rows([first, *tables[1:]]):
            self._add({key: value for key, value in row.items() if '/share/' not in key}, items[cell(row, 'ID')])

    def _add(self, row: Row, shares: dict[str, list[Row]]) -> None:
        """One item: in its own project, and as each other one shows it."""
        self._rows.setdefault(row['project'], []).append(row)
        others = shares.keys() - {'', row['project']}
        if not others:
            self._readable.add((row['project'], row.get('xsiType', '')))
        for project in others:
            labels = {cell(one, self._label) for one in shares[project]}
            if len(labels) > 1:
                raise UnexpectedAnswer(f'{row["ID"]} has the labels {sorted(labels)} in {project}: the columns do not stay together')
            shown = {**row, 'label': labels.pop() or row['label']}
            self._rows.setdefault(project, []).append(shown if self._plural == 'subjects' else {**shown, 'project': project})

    def of(self, project: str) -> list[Row]:
        """The rows of a project."""
        return self._rows.get(project, [])

    def is_readable(self, project: str) -> bool:
        """Whether those may be seen in the project, and not by way of other projects alone."""
        return all((project, row.get('xsiType', '')) in self._readable for row in self.of(project))


class ListOfAll(Stage):
    """What all projects have of subjects or experiments, or of both, in one listing each.

    A listing of the site holds what may be read by way of any project, and says which other projects an item is shared into, and under which
    label. That a project itself may be looked into, for items of a type, is told by an item of that type that is in no other; a project without
    such is asked by itself.
    """

    assumption: ClassVar[str] = 'listings give a row for each project that an item is shared into (1.8)'
    batch_level: ClassVar[str] = 'projects'
    batch_size: int = 100_000

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from [list(founds)] if founds else []

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        return tuple(uri for asked in self._listings().values() for uri in asked)

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.unbatched().requests(at)

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        return self.unbatched().rows(at, tables)

    def _listings(self) -> dict[str, tuple[str, ...]]:
        """The listings of each level: that of subjects too, since experiments may be seen where subjects may be."""
        plurals = dict.fromkeys(['subjects', *chain_of(self.steps)])
        return {plural: _site_requests(plural, self._columns(plural), self._needed(plural)) for plural in plurals}

    def _columns(self, plural: str) -> Columns:
        return self.columns if plural in chain_of(self.steps) else {}

    def _needed(self, plural: str) -> tuple[str, ...]:
        return self.unbatched().needed(plural)

    def _shown(self, tables: Tables) -> dict[str, _SiteListing]:
        """The answers, level by level."""
        left = iter(tables)
        parts = {plural: list(islice(left, len(asked))) for plural, asked in self._listings().items()}
        return {plural: _SiteListing(plural, self._columns(plural), self._needed(plural), part) for plural, part in parts.items()}

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        shown = self._shown(tables)
        return [self._of(project, shown) for project in batch]

    def _of(self, project: Found, shown: Mapping[str, _SiteListing]) -> list[Found] | None:
        """What one project shows; `None` where it is to be asked by itself."""
        name = cell(project.row, 'ID')
        if not all(one.is_readable(name) for one in shown.values()):
            return None
        return list(self.unbatched().below(project, [shown[step.level].of(name) for step in self.steps]))

    def unbatched(self) -> Stage:
        return (ListSessions if len(self.steps) > 1 else ListLevel)(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return str(each)


class ListScansOfAll(ListScansTogether):
    """The scans of the sessions of all projects in one listing; those that it does not speak of are asked for project by project."""

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from [list(founds)] if founds else []

    def _above(self, found: Found) -> str:
        return uris.ENTRY

    def unbatched(self) -> Stage:
        return ListScansTogether(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return '1'


def _site_requests(plural: str, columns: Columns, needed: Sequence[str]) -> tuple[str, ...]:
    """The URIs of a listing of the site, and of those of single types."""
    wanted = {**columns, plural: (*columns.get(plural, ()), *_shares(plural))}
    datatype = _TYPES[plural] if plural == 'experiments' else ''
    return Listing(uris.join(uris.ENTRY, plural), plural, wanted, needed, datatype).uris


def _shares(plural: str) -> tuple[str, str]:
    """Full paths of the projects that an item is shared into, and of its labels there."""
    base = f'{_TYPES[plural]}/sharing/share'
    return f'{base}/project', f'{base}/label'


def is_listed_by_site(columns: Columns) -> bool:
    """Whether what is wanted is the same in all projects, but for the label."""
    wanted = [name for plural in _TYPES for name in columns.get(plural, ())]
    return not any('sharing/' in name or name == 'subject_label' for name in wanted)
