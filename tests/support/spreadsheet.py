"""A spreadsheet program: opens a file, changes cells, moves rows and columns, and saves it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

Grid = list[list[Any]]
"""Cells by row and column; the header is row 0."""


def grid_of(path: Path) -> Grid:
    """Return the cells that the program shows."""
    if path.suffix == '.csv':
        return list(csv.reader(io.StringIO(path.read_bytes().decode('utf-8-sig'), newline='')))
    sheet = next(one for one in openpyxl.load_workbook(path).worksheets if one.title != '_pyxnat')
    return [['' if value is None else value for value in row] for row in sheet.values]


def edit(path: Path, change: Callable[[Grid], Grid | None]) -> None:
    """Open a file, change its cells with a function, and save it.

    Parameters
    ----------
    path : Path
        The file.
    change : callable
        Changes the cells, or returns others.
    """
    grid = grid_of(path)
    grid = change(grid) or grid
    if path.suffix == '.csv':
        with path.open('w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows(grid)
        return
    book = openpyxl.load_workbook(path)
    sheet = next(one for one in book.worksheets if one.title != '_pyxnat')
    sheet.delete_rows(1, sheet.max_row)
    for number, row in enumerate(grid, 1):
        for place, value in enumerate(row, 1):
            cell = sheet.cell(number, place, None if value == '' else value)
            if isinstance(value, str) and value and cell.data_type == 'f':
                cell.data_type = 's'  # typed after an apostrophe
    book.save(path)


def set_cell(grid: Grid, label: str, column: str, value: Any) -> None:
    """Set the cell of a row, which is found by its column ``label``.

    Parameters
    ----------
    grid : list of list
        The cells.
    label : str
        The label.
    column : str
        Name of the column.
    value : object
        The new value.
    """
    header = grid[0]
    row = next(row for row in grid if row[header.index('label')] == label)
    row[header.index(column)] = value
