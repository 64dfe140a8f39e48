"""Short cuts that list elements of all projects in one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar

from ...errors import UnexpectedAnswer
from ...model import uris
from ...model.levels import level, listed_levels
from ...model.rows import ListedRow
from ...model.short_names import cell, key_of
from ...tables.table import Row
from ..paths import chain_of
from .found import Found
from .listings import Columns, Listing, Tables
from .session_shortcuts import ListScansTogether
from .stages import ListLevel, ListSessions, Stage

__all__ = ['ListOfAll', 'ListScansOfAll', 'is_listed_by_site']


class _SiteListing:
    """A listing of the site, divided by project.

    A project has its own items and those that are shared into it, with their label there.
    """

    def __init__(
        self, plural: str, columns: Columns, needed: Sequence[str], tables: Tables
    ) -> None:
        self._plural = plural
        self._rows: dict[str, list[Row]] = {}
        self._readable: set[tuple[str, str]] = set()
        project, self._label = map(key_of, _shares(plural))
        items: dict[str, dict[str, list[Row]]] = {}
        for row in tables[0]:
            items.setdefault(cell(row, 'ID'), {}).setdefault(cell(row, project), []).append(row)
        listing = Listing('', plural, columns, needed)
        each = None if listing.may_repeat else 1  # an item may have several rows for one share
        first = [row for shares in items.values() for row in next(iter(shares.values()))[:each]]
        for row in listing.rows([first, *tables[1:]]):
            self._add(
                {key: value for key, value in row.items() if '/share/' not in key},
                items[cell(row, 'ID')],
            )

    def _add(self, row: Row, shares: dict[str, list[Row]]) -> None:
        """Add an item to its own project and to those it is shared into."""
        self._rows.setdefault(row['project'], []).append(row)
        others = shares.keys() - {'', row['project']}
        if not others:
            self._readable.add((row['project'], row.get('xsiType', '')))
        for project in others:
            labels = {cell(share, self._label) for share in shares[project]}
            if len(labels) > 1:
                raise UnexpectedAnswer(
                    f'{row["ID"]} has the labels {sorted(labels)} in {project}: the columns do not '
                    'stay together'
                )
            shown = ListedRow({**row, 'label': labels.pop() or row['label']})
            self._rows.setdefault(project, []).append(
                shown if self._plural == 'subjects' else {**shown, 'project': project}
            )

    def of(self, project: str) -> list[Row]:
        """Return the rows of a project."""
        return self._rows.get(project, [])

    def is_readable(self, project: str) -> bool:
        """Return whether the login may read the rows in the project itself.

        Shown by an item of the same type that is in no other project.
        """
        return all((project, row.get('xsiType', '')) in self._readable for row in self.of(project))


class ListOfAll(Stage):
    """List subjects or experiments of all projects, with one request a level.

    A listing of the site holds the items that the login may read in any project, with the
    projects that each is shared into and its label there. The login may read items of a type in
    a project if one of that type is in no other project; a project without one is requested alone.
    """

    assumption: ClassVar[str] = (
        'listings give a row for each project that an item is shared into (1.8)'
    )
    batch_level: ClassVar[str] = 'projects'
    batch_size: int = 100_000

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from [list(founds)] if founds else []

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        return tuple(uri for requests in self._listings().values() for uri in requests)

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.unbatched().requests(at)

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        return self.unbatched().rows(at, tables)

    def _listings(self) -> dict[str, tuple[str, ...]]:
        """Return the requests for each level.

        Subjects are always listed: experiments may be readable where subjects are.
        """
        plurals = dict.fromkeys(['subjects', *chain_of(self.steps)])
        return {
            plural: _site_requests(plural, self._columns(plural), self._needed(plural))
            for plural in plurals
        }

    def _columns(self, plural: str) -> Columns:
        return self.columns if plural in chain_of(self.steps) else {}

    def _needed(self, plural: str) -> tuple[str, ...]:
        return self.unbatched().needed(plural)

    def _site_listings(self, tables: Tables) -> dict[str, _SiteListing]:
        """Divide the responses by level."""
        left = iter(tables)
        parts = {
            plural: list(islice(left, len(requests)))
            for plural, requests in self._listings().items()
        }
        return {
            plural: _SiteListing(plural, self._columns(plural), self._needed(plural), part)
            for plural, part in parts.items()
        }

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        listings = self._site_listings(tables)
        return [self._of(project, listings) for project in batch]

    def _of(self, project: Found, listings: Mapping[str, _SiteListing]) -> list[Found] | None:
        """Return a project's elements; `None` to request it alone."""
        name = cell(project.row, 'ID')
        if not all(listing.is_readable(name) for listing in listings.values()):
            return None
        return list(
            self.unbatched().below(project, [listings[step.level].of(name) for step in self.steps])
        )

    def unbatched(self) -> Stage:
        return (ListSessions if len(self.steps) > 1 else ListLevel)(
            self.steps, self.conditions, self.columns
        )

    def bound(self, parents: str, each: int) -> str:
        return str(each)


class ListScansOfAll(ListScansTogether):
    """List the scans of the sessions of all projects in one request.

    Sessions without a row are requested project by project.
    """

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        yield from [list(founds)] if founds else []

    def _above(self, found: Found) -> str:
        return uris.ENTRY

    def unbatched(self) -> Stage:
        return ListScansTogether(self.steps, self.conditions, self.columns)

    def bound(self, parents: str, each: int) -> str:
        return '1'


def _site_requests(plural: str, columns: Columns, needed: Sequence[str]) -> tuple[str, ...]:
    """Return the URIs of a listing of the site, single types included."""
    wanted = {**columns, plural: (*columns.get(plural, ()), *_shares(plural))}
    row = level(plural)
    datatype = row.root if len(listed_levels(plural)) > 1 else ''  # leaves out assessors
    return Listing(uris.join(uris.ENTRY, plural), plural, wanted, needed, datatype).uris


def _shares(plural: str) -> tuple[str, str]:
    """Return the paths of the projects that share an item, and its labels."""
    base = f'{level(plural).root}/sharing/share'
    return f'{base}/project', f'{base}/label'


def is_listed_by_site(columns: Columns) -> bool:
    """Return whether the wanted columns are the same in all projects.

    The label may differ: the listing has it for each project.
    """
    wanted = [name for plural in ('subjects', 'experiments') for name in columns.get(plural, ())]
    return not any('sharing/' in name or name == 'subject_label' for name in wanted)
