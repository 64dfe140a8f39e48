"""Functions on lists of rows of pyxnat 1.x, beside those of :mod:`pyxnat.tables`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..tables import *  # noqa: F403 - the names of the new module
from ..tables import JsonTable

__all__ = [
    'get_column',
    'get_headers',
    'get_selection',
    'get_where',
    'get_where_not',
    'join_tables',
]

_Rows = Mapping[str, str] | Iterable[Mapping[str, str]]


def _table(rows: _Rows) -> JsonTable:
    """Return rows, or a single row, as a table."""
    given = [rows] if isinstance(rows, Mapping) else rows
    return JsonTable([dict(row) for row in given])


def join_tables(join_column: str, jdata: _Rows, *others: _Rows) -> list[dict[str, str]]:
    """Return rows joined with those of other tables by the value of a column.

    Parameters
    ----------
    join_column : str
        Name of the column.
    jdata, *others : list of dict
        The tables.
    """
    return _table(jdata).join(join_column, *map(_table, others)).data


def get_column(jdata: _Rows, col: str, val_pattern: str = '*') -> list[str]:
    """Return the values of a column.

    Parameters
    ----------
    jdata : list of dict
        Rows; those without the column are passed over.
    col : str
        Name of the column.
    val_pattern : str
        Pattern of the values.
    """
    having = [row for row in _table(jdata) if col in row]
    values: list[str] = _table(having).get(col, val_pattern, always_list=True) if having else []
    return values


def get_where(jdata: _Rows, *values: str, **columns: str) -> list[dict[str, str]]:
    """Return the rows that have all given values.

    Parameters
    ----------
    jdata : list of dict
        Rows.
    *values, **columns : str
        As for `JsonTable.where`.
    """
    return _table(jdata).where(*values, **columns).data


def get_where_not(jdata: _Rows, *values: str, **columns: str) -> list[dict[str, str]]:
    """Return the rows that have none of the given values.

    Parameters
    ----------
    jdata : list of dict
        Rows.
    *values, **columns : str
        As for `JsonTable.where_not`.
    """
    return _table(jdata).where_not(*values, **columns).data


def get_headers(jdata: _Rows) -> list[str]:
    """Return the names of the columns."""
    return _table(jdata).headers()


def get_selection(jdata: _Rows, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows with some of their columns.

    Parameters
    ----------
    jdata : list of dict
        Rows.
    columns : iterable of str
        Names of the columns.
    """
    wanted = set(columns)
    return [{name: row[name] for name in row if name in wanted} for row in _table(jdata)]
