"""Present values of a spreadsheet's elements, and the requests that change them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ... import errors
from ...http.progress import progress_bar
from ...model.forms import as_cell
from ...resources.forms import read_document, write_forms
from ...resources.writing import read_fields, write_fields
from ...tables.table import Row
from ..bulk.report import Report
from ..bulk.workers import WorkerPool
from .diff import Checker, RowDiff
from .fields import Columns, cell_text, element_of, key_columns, uri_of_row
from .report import SheetResult

__all__ = ['Present', 'Sending']


class Present:
    """Present values of elements.

    Parameters
    ----------
    collection : Collection
        The elements.
    names : sequence of str
        Columns of the spreadsheet.

    Attributes
    ----------
    elements : dict
        The elements by URI.
    values : dict
        Texts by URI and column.
    """

    def __init__(self, collection: Any, names: Sequence[str]) -> None:
        self._collection = collection
        self.columns = Columns(collection, names)
        self.elements: dict[str, Any] = {}
        self.values: dict[str, dict[str, str]] = {}

    def fetch(self, wanted: Iterable[str]) -> None:
        """Fetch the values of some elements.

        The requests of one table. One more for each of the elements if a column is a custom
        variable.

        Parameters
        ----------
        wanted : iterable of str
            Their URIs.
        """
        uris_wanted, collection = frozenset(wanted), self._collection
        own, host = collection.level, collection.host
        host.cache.stamp.change()  # stored responses may be older than another program's change
        for cells in collection.rows(dict.fromkeys([*key_columns(own), *self.columns.listed])):
            uri = uri_of_row(own, cells)
            if uri in uris_wanted:
                self.elements[uri] = element_of(host, own, uri, cells)
                self._take(uri, cells)

    def _take(self, uri: str, cells: Row) -> None:
        """Store the values in a row, and those of custom variables.

        The latter take one request.
        """
        columns = self.columns
        documents = {name: read_document(cells[name]) for name in columns.documents}
        own = [name for name in columns.picked if columns.is_editable(name, self.elements[uri])]
        picked = read_fields(self.elements[uri], own) if own else {}
        self.values[uri] = {
            name: as_cell(columns.forms[name].read(documents[columns.forms[name].requested]))
            if name in columns.forms
            else picked.get(name, '')
            if name in columns.picked
            else cell_text(cells[name])
            for name in columns.names
        }

    def checker(self, uri: str, name: str) -> Checker:
        """Return the values that a column may hold for an element.

        Parameters
        ----------
        uri : str
            URI of the element.
        name : str
            The column.
        """
        return self.columns.checker(name, self.elements[uri])


class Sending:
    """Sends the changes of the rows of a spreadsheet, and reads them back.

    Parameters
    ----------
    collection : Collection
        The elements.
    present : Present
        Present values.
    diffs : list of RowDiff
        The comparison of each row.
    """

    def __init__(self, collection: Any, present: Present, diffs: list[RowDiff]) -> None:
        self._collection = collection
        self._present = present
        self._diffs = diffs
        self._problems: dict[str, str] = {}

    def send(self, jobs: int, progress: bool | None) -> None:
        """Send the changes.

        One request per element, and two more if it has fields of forms. Then the values are read
        back: the requests of `Present.fetch`.

        Parameters
        ----------
        jobs : int
            Number of elements in parallel.
        progress : bool or None
            Show a progress bar. `None`: if there is a terminal.
        """
        todo = [diff for diff in self._diffs if diff.changes]
        host = self._collection.host
        pool = WorkerPool(Report('changed'), jobs, host.connection.transport)
        with (
            host.owners.reuse_lookups(),
            progress_bar(len(todo), self._collection.level.singular, progress) as bar,
        ):

            def put(diff: RowDiff) -> None:
                try:
                    self._put(diff)
                except errors.DatabaseError as error:
                    pool.add_failure(diff.uri, error)
                    self._problems[diff.uri] = str(error)
                else:
                    pool.add_success(diff.uri)
                bar.update(1)

            pool.each(put, todo)
        self._read_back([diff for diff in todo if diff.uri not in self._problems])

    def _put(self, diff: RowDiff) -> None:
        forms = self._present.columns.forms
        element = self._present.elements[diff.uri]
        element.check_owner()
        fields = {cell.column: cell.edited for cell in diff.changes if cell.column not in forms}
        if fields:
            write_fields(element, fields, {}, read_back=False)
        values = {
            forms[cell.column]: forms[cell.column].field.value(cell.edited)
            for cell in diff.changes
            if cell.column in forms
        }
        if values:
            write_forms(element, values)

    def _read_back(self, sent: Sequence[RowDiff]) -> None:
        """Compare the fields on the server with those sent; forms are in the responses."""
        forms = self._present.columns.forms
        names = {cell.column for diff in sent for cell in diff.changes} - forms.keys()
        if not names:
            return
        stored = Present(self._collection, sorted(names))
        stored.fetch([diff.uri for diff in sent])
        for diff in sent:
            lost = [
                cell.column
                for cell in diff.changes
                if cell.column in names
                and not stored.checker(diff.uri, cell.column).is_same(
                    cell.edited, stored.values.get(diff.uri, {}).get(cell.column, '')
                )
            ]
            if lost:
                self._problems[diff.uri] = f'the server did not store {", ".join(lost)}'

    def results(self, is_dry_run: bool) -> list[SheetResult]:
        """Return the results of all rows.

        Parameters
        ----------
        is_dry_run : bool
            Whether nothing was sent.
        """
        return [
            SheetResult(
                diff.row.place,
                diff.uri,
                _label_of(diff),
                diff.cells,
                diff.problem or self._problems.get(diff.uri, ''),
                not is_dry_run and not diff.problem,
            )
            for diff in self._diffs
        ]


def _label_of(diff: RowDiff) -> str:
    """Return the exported label of a row, or the best name in place of it."""
    known = diff.row.exported or diff.row.cells
    return known.get('label') or known.get('ID') or diff.uri
