"""The order of rows that the options ``sortBy`` and ``sortOrder`` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from ..context import Context
from ..errors import UnprocessableEntity

__all__ = ['order_asked', 'sort_keys']


def order_asked(context: Context, columns: Mapping[str, ColumnElement[Any]]) -> list[Any]:
    """Return ``sortBy`` and ``sortOrder`` as SQL, numbers ordered as numbers; empty where none is given.

    Parameters
    ----------
    context : Context
        The question.
    columns : mapping
        Name of each column to its SQL; the case of names does not count.

    Raises
    ------
    UnprocessableEntity
        For an unknown column.
    """
    keys, descending = sort_keys(context)
    lower = {name.lower(): found for name, found in columns.items()}
    unknown = [key for key in keys if key.lower() not in lower]
    if unknown:
        raise UnprocessableEntity(f'There is no column {unknown[0]!r} to sort by.')
    wanted = [part for key in keys for part in (lower[key.lower()].op('+')(0), lower[key.lower()])]
    return [part.desc() for part in wanted] if descending else wanted


def sort_keys(context: Context) -> tuple[list[str], bool]:
    """Return the names of columns to sort by, and whether in descending order."""
    descending = context.get('sortOrder').strip().upper() == 'DESC'
    return [key for value in context.all('sortBy') for key in value.split(',') if key], descending
