"""Methods of collections and projects for spreadsheets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .host import Host

__all__ = ['FromSheet', 'ToSheet']


class FromSheet:
    """Mixin for projects and collections, whose elements a spreadsheet can change."""

    host: Host

    def apply_sheet(
        self,
        path: str | os.PathLike[str],
        *,
        dry_run: bool = False,
        jobs: int = 4,
        progress: bool | None = None,
    ) -> Any:
        """Send the edited cells of a spreadsheet that `to_sheet` wrote.

        Three values are compared for each cell: the exported one, that of the sheet, and that of
        the server. A cell that differs from the exported value was edited; an empty one clears the
        field. If the server's value changed since the export, too, that is a conflict: it is
        reported and left as it is. Rows may be sorted or missing, and columns moved, missing or
        added; columns that were not exported are ignored.

        After an interruption, apply the same file again: cells that the server has already count
        as done.

        Parameters
        ----------
        path : path
            CSV or XLSX file, as any spreadsheet program saves it.
        dry_run : bool
            Compare only, and send nothing.
        jobs : int
            Number of requests in parallel.
        progress : bool, optional
            Show a progress bar (needs the extra ``progress``). Default: if there is a terminal.

        Returns
        -------
        SheetReport
            The result of each row: ``print`` shows the changes, ``conflicts`` has the conflicts,
            ``write`` writes the statuses of all rows.

        Raises
        ------
        DataError
            The file cannot be read, or lacks the column ``URI`` or the exported values.
        ProgrammingError
            The sheet was exported from another server, project or level.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. Other failures are in the report.

        Notes
        -----
        None if no cell was edited; else the requests of one table of the edited columns, one for
        each element that changes, and those of one table to read the fields back. Fields of custom
        forms take two for each element: XNAT replaces a form as a whole, so it is read just before.
        With custom variables, one more for each edited row before and after.

        Values that the type of a field cannot hold are refused before anything is sent, so are
        cells of IDs, labels and elements above. Between comparing and sending, another program may
        change a value unseen: XNAT has no conditional requests.
        """
        return self.host.sheets.apply(self, path, dry_run=dry_run, jobs=jobs, progress=progress)


class ToSheet(FromSheet):
    """Mixin for collections."""

    def to_sheet(self, path: str | os.PathLike[str], columns: Iterable[str] = ()) -> int:
        """Write fields to a spreadsheet, to be edited and applied with `apply_sheet`.

        Rows are sorted by their columns, numbers in them by value: ``S2`` before ``S10``.

        Parameters
        ----------
        path : path
            ``.csv``, or ``.xlsx`` (needs the extra ``xlsx``), where IDs and dates are texts that no
            program rewrites. A file at the path is replaced.
        columns : iterable of str, optional
            Names as in `table`. The column ``URI`` is added: it tells which row is which. Default:
            the columns of the listing.

        Returns
        -------
        int
            Number of rows.

        Raises
        ------
        ProgrammingError
            The path has another suffix; a column does not exist; the elements are neither projects,
            subjects, experiments, scans nor assessors.
        DataError
            XLSX cannot hold a value, because it is too long or has control characters.

        Notes
        -----
        The requests of `table`. The exported values go along: in a hidden sheet ``_pyxnat``, or in
        a last column ``_pyxnat`` of CSV. In CSV, a text that spreadsheet programs would take for a
        formula gets an apostrophe, which `apply_sheet` removes.
        """
        rows: int = self.host.sheets.export(self, path, columns)
        return rows
