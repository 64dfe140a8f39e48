"""Order of rows by the parameters ``sortBy`` and ``sortOrder``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from ..context import Context
from ..errors import UnprocessableEntity

__all__ = ['order_asked', 'sort_keys']


def order_asked(context: Context, columns: Mapping[str, ColumnElement[Any]]) -> list[Any]:
    """Return ``sortBy`` and ``sortOrder`` as SQL, with numbers as numbers.

    Parameters
    ----------
    context : Context
        The request.
    columns : Mapping[str, ColumnElement[Any]]
        SQL of each column by name, whatever its case.

    Returns
    -------
    list[Any]
        Sort keys; empty without ``sortBy``.

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
    """Return the columns to sort by, and whether the order is descending."""
    descending = context.get('sortOrder').strip().upper() == 'DESC'
    return [key for value in context.all('sortBy') for key in value.split(',') if key], descending
