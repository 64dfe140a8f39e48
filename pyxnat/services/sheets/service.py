"""Spreadsheets of one Interface: ``interface.sheets``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ... import errors
from ...files.disk import publish
from ...model.levels import Level
from ...query.paths import spell
from ...resources.base import class_of
from ...resources.host import Host
from ...tables.sheet import KEY, Sheet, check_suffix, exported, read_sheet
from .diff import compare, edited_columns, edited_uris
from .fields import LEVELS, Columns, cell_text, element_of, key_columns, uri_of_row
from .report import SheetReport
from .sending import Present, Sending

__all__ = ['Sheets']


class Sheets:
    """Exports fields to spreadsheets, and applies the edited ones."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Sheets of {self._host.connection.server}>'

    def export(
        self, collection: Any, path: str | os.PathLike[str], columns: Iterable[str] = ()
    ) -> int:
        """Write fields of the elements of a collection to a spreadsheet.

        Parameters
        ----------
        collection : Collection
            The elements.
        path, columns
            As in :meth:`pyxnat.resources.collection.Collection.to_sheet`.

        Returns
        -------
        int
            Number of rows.
        """
        own, suffix = _checked_level(collection.level), check_suffix(path)
        names = [name for name in collection.table_columns(columns) if name != KEY]
        keys = key_columns(own)
        self._host.cache.stamp.change()  # stored responses may be older than the last change
        found, examples = dict[str, dict[str, str]](), dict[str, Any]()
        for cells in collection.rows(dict.fromkeys([*keys, *names])):
            uri, kind = uri_of_row(own, cells), cells.get('xsiType', '')
            examples[kind] = examples.get(kind) or element_of(self._host, own, uri, cells)
            # an element that several projects share comes from each
            found.setdefault(uri, {KEY: uri, **{name: cell_text(cells[name]) for name in names}})
        rows = sorted(found.values(), key=lambda row: [_natural(row[name]) for name in names])
        known = Columns(collection, names)
        editable = [
            name
            for name in names
            if any(known.is_editable(name, example) for example in examples.values())
        ]
        sheet = exported([KEY, *names], rows, self._origin(collection))
        content = sheet.content(suffix, editable)
        with publish(Path(path).expanduser()) as file:
            file.write(content)
        return len(rows)

    def _origin(self, collection: Any) -> dict[str, str]:
        return {
            'server': self._host.connection.server,
            'of': '\n'.join(spell(route) for route in collection.routes),
        }

    def apply(
        self,
        target: Any,
        path: str | os.PathLike[str],
        *,
        dry_run: bool = False,
        jobs: int = 4,
        progress: bool | None = None,
    ) -> SheetReport:
        """Send the edited cells of a spreadsheet.

        Parameters
        ----------
        target : Project, Collection or None
            Elements that the sheet may change; `None` for those that it was exported from.
        path, dry_run, jobs, progress
            As in :meth:`pyxnat.resources.collection.Collection.apply_sheet`.
        """
        sheet = read_sheet(path)
        names, notes = _columns_to_compare(sheet)
        collection = self._collection(sheet, target)
        present = Present(collection, names)
        edited = edited_uris(sheet, names)
        if edited:
            present.fetch(edited)
        is_csv = check_suffix(path) == '.csv'
        diffs = compare(sheet, present.values, present.checker, names, is_csv)
        sending = Sending(collection, present, diffs)
        if not dry_run:
            sending.send(jobs, progress)
        rewritten = sum(diff.rewritten for diff in diffs)
        if rewritten:
            notes.append(
                f'{rewritten} cells look rewritten by a spreadsheet program (007 as 7, dates in '
                'another notation) and count as unchanged; XLSX files avoid that.'
            )
        return SheetReport(sending.results(dry_run), notes, dry_run)

    def _collection(self, sheet: Sheet, target: Any) -> Any:
        """Return the elements that a sheet was exported from.

        Raises
        ------
        ProgrammingError
            They are those of another server, project or level than `target`.
        """
        server, of = sheet.origin.get('server', ''), sheet.origin.get('of', '').split('\n')
        if server != self._host.connection.server:
            raise errors.ProgrammingError(
                f'the sheet was exported from {server}, and this is {self._host.connection.server}',
                remedy='Connect to that server.',
            )
        parts = [self._host.select(path) for path in of]
        routes = [route for part in parts for route in part.routes]
        own = _checked_level(parts[0].level)
        is_one = target is not None and hasattr(target, 'exists')
        fits = target is None or (
            all(route[: len(target.steps)] == target.steps for route in routes)
            if is_one
            else target.level is own
        )
        if not fits:
            raise errors.ProgrammingError(
                f'the sheet was exported from {", ".join(of)}, not from {target!r}',
                remedy='Apply it to the project or collection that it was exported from.',
            )
        return class_of(own.plural)(routes, self._host) if target is None or is_one else target


def _natural(text: str) -> list[Any]:
    """Return a sort key that puts ``S2`` before ``S10``."""
    parts = re.split(r'([0-9]+)', text.lower())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _checked_level(row: Level) -> Level:
    """Return a level if its elements can be rows of a spreadsheet."""
    if row.plural not in LEVELS:
        raise errors.ProgrammingError(
            f'{row.plural} cannot be in a spreadsheet', remedy=f'Use {", ".join(LEVELS)}.'
        )
    return row


def _columns_to_compare(sheet: Sheet) -> tuple[list[str], list[str]]:
    """Return the edited columns, and notes about those that were not exported."""
    known = {name for row in sheet.rows for name in row.exported or ()}
    names = [name for name in edited_columns(sheet) if name in known and name != KEY]
    added = [name for name in sheet.columns if name not in known and name != KEY]
    notes = [f'{name!r} was not exported, and is ignored.' for name in added]
    return names, notes
