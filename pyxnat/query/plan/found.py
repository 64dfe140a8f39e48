"""Elements that a walk has found, and the rows of listings that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby, islice
from typing import NamedTuple

from ...errors import NotFoundError
from ...model import uris
from ...model.levels import SERVER, level
from ...model.rows import ListedRow
from ...model.short_names import cell
from ...model.wildcards import ANY, matches
from ...tables.table import Row
from ..paths import Step, read, spell
from ..row_owner import is_own

__all__ = [
    'Conditions',
    'Found',
    'Listed',
    'check_own',
    'chosen',
    'element_uri',
    'is_wanted',
    'name_in_lists',
    'names_of',
    'runs',
]

Conditions = Mapping[str, frozenset[str]]
"""Level (``subjects``, ``experiments``) -> accession IDs that its elements must have."""


class Found(NamedTuple):
    """An element found by a walk: its URI and its row in the listing."""

    uri: str
    """From the entry point on; for the server, the entry point itself."""
    row: Row = {}
    guessed: bool = False
    """Reached through a wildcard: skipped if the login may not read it."""
    above: Mapping[str, Row] = {}
    """Level -> row of the element above it on that level."""
    plural: str = SERVER
    """Level of the element."""

    def child(
        self,
        plural: str,
        name: str,
        row: Row,
        *,
        guessed: bool = True,
        between: Mapping[str, Row] | None = None,
    ) -> Found:
        """Return an element below this one.

        Parameters
        ----------
        plural : str
            Level of the child.
        name : str
            ID of the child, or the path of a file.
        row : Row
            Row of the child in its listing.
        guessed : bool
            Whether the child was reached through a wildcard.
        between : mapping, optional
            Rows of levels between this one and the child.
        """
        above = {**self.above, **({self.plural: self.row} if self.row else {}), **(between or {})}
        return Found(
            element_uri(self.uri, plural, name), row, self.guessed or guessed, above, plural
        )


class Listed:
    """Elements of one listing, created during iteration; iterates only once.

    Parameters
    ----------
    at : Found
        Element above.
    step : Step
        Level and name or pattern of the elements.
    rows : iterable of Row
        Rows of the listing.
    conditions : mapping
        Level -> accession IDs that its elements must have.
    """

    def __init__(self, at: Found, step: Step, rows: Iterable[Row], conditions: Conditions) -> None:
        self.at = at
        self._step = step
        self._rows = rows
        self._conditions = conditions
        self._begun: Iterator[Row] | None = None
        none = at.child(step.level, '', {}, guessed=not step.literal)
        self._none = none._replace(uri=none.uri.removesuffix('/'))
        self.above = none.above

    def __iter__(self) -> Iterator[Found]:
        begin, _, guessed, above, plural = self._none
        quote = uris.quote_path if level(plural).is_file else uris.quote
        for identity, row in chosen(self._step, self._rows, self._conditions):
            quoted = quote(identity)
            yield Found(f'{begin}/{quoted}', row, guessed, above, plural)

    def rows(self) -> Iterator[Row]:
        """Return the rows of the elements, without creating the elements."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun
        if self._step.name != ANY or level(self._step.level).is_file or self._conditions:
            return (row for _, row in chosen(self._step, self._rows, self._conditions))
        rows = iter(self._rows)
        first = list(islice(rows, 1))
        for row in first:
            names_of(self._step.level, row)
        return chain(first, rows)

    def is_empty(self) -> bool:
        """Return whether there are no elements; `rows` can still be called."""
        rows = self.rows()
        first = list(islice(rows, 1))
        self._begun = chain(first, rows)
        return not first


def runs(founds: Iterable[Found], key: Callable[[Found], str]) -> Iterator[list[Found]]:
    """Yield runs of adjacent elements with the same key.

    Parameters
    ----------
    founds : iterable of Found
        Elements.
    key : callable
        Returns the key of an element.
    """
    return (list(run) for _, run in groupby(founds, key))


def name_in_lists(found: Found) -> str:
    """Return the ID of an experiment, or its name in the path."""
    return cell(found.row, 'ID') if found.row else read(found.uri)[-1].name


def element_uri(parent: str, plural: str, name: str) -> str:
    """Return the URI of a child.

    Parameters
    ----------
    parent : str
        URI of the element above.
    plural : str
        Level of the child.
    name : str
        ID or label of the child, or the path of a file; not quoted.
    """
    row = level(plural)
    quoted = uris.quote_path(name) if row.is_file else uris.quote(name)
    return uris.join(parent, row.segment, quoted)


def names_of(plural: str, row: Row) -> tuple[str, str]:
    """Return ID and label of a row; for a file, twice its path.

    Parameters
    ----------
    plural : str
        Level of the row.
    row : Row
        Row of a listing.
    """
    columns = level(plural)
    if columns.is_file:
        path = row.get('path') or uris.file_path(cell(row, 'URI')) or cell(row, 'Name')
        return path, path
    if columns.is_resource:
        return cell(row, columns.id_column), uris.meaning(cell(row, columns.label_column))
    identity, label = row.get(columns.id_column), row.get(columns.label_column)
    if identity is None or label is None:  # they may have other names
        return cell(row, columns.id_column), cell(row, columns.label_column)
    return identity, label


def chosen(step: Step, rows: Iterable[Row], conditions: Conditions) -> Iterator[tuple[str, Row]]:
    """Yield ID and row of the elements that match a step and conditions.

    Parameters
    ----------
    step : Step
        Level and name or pattern.
    rows : iterable of Row
        Rows of a listing. Those of files are yielded with the added key ``path``.
    conditions : mapping
        Level -> accession IDs that its elements must have.
    """
    wants_all, is_file = step.name == ANY and not step.literal, level(step.level).is_file
    for row in rows:
        identity, label = names_of(step.level, row)
        if not (wants_all or is_wanted(step, identity, label)):
            continue
        if not conditions or _passes(conditions, step.level, identity, row):
            yield identity, ListedRow({**row, 'path': identity}) if is_file else row


def check_own(at: Found, rows: Iterable[Row]) -> None:
    """Check that rows of resources or files belong to an element.

    For an element that does not exist, XNAT lists those of an element above
    (:mod:`pyxnat.query.row_owner`).

    Parameters
    ----------
    at : Found
        Element whose resources or files were listed.
    rows : iterable of Row
        Rows of the listing; only the first is read.

    Raises
    ------
    NotFoundError
        The rows belong to an element above.
    """
    first = next(iter(rows), None)
    if first is not None and not is_own(read(at.uri), first):
        raise NotFoundError(
            f'{spell(read(at.uri))} is not there',
            uri=at.uri,
            remedy='Check the spelling, and that this login may see it.',
        )


def is_wanted(step: Step, identity: str, label: str) -> bool:
    """Return whether an element matches a step.

    Parameters
    ----------
    step : Step
        Name or pattern.
    identity : str
        ID of the element.
    label : str
        Label of the element.
    """
    if step.literal:
        return step.name in (identity, label)
    return step.name == ANY or matches(step.name, identity, label)


def _passes(conditions: Conditions, plural: str, identity: str, row: Row) -> bool:
    if plural in conditions and identity not in conditions[plural]:
        return False
    return not (
        plural == 'experiments'
        and 'subjects' in conditions
        and cell(row, 'subject_ID') not in conditions['subjects']
    )
