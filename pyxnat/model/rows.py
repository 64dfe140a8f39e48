"""Rows of the server's tables."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import MissingColumn, UnexpectedAnswer
from ..patterns import pattern

__all__ = ['ListedRow', 'number_in', 'size_of']

_DIGITS = pattern(r'[0-9]{1,18}')


class ListedRow(dict[str, str]):
    """A row of a table of the server: column -> cell.

    A column that the server left out is an error of the library, which is a `KeyError`, too.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> str:
        raise MissingColumn(
            f'the table of the server has no column {name!r} (it has {", ".join(map(repr, self))})',
            remedy='Check the URL of the server, and whether a proxy or plugin changes its tables.',
        )


def size_of(text: str) -> int | None:
    """Return the bytes in a cell ``Size``; `None` if it is no number.

    >>> size_of('1024'), size_of(''), size_of('²')
    (1024, None, None)
    """
    return int(text) if _DIGITS.fullmatch(text) else None


def number_in(row: Mapping[str, str], name: str) -> int:
    """Return a cell that must be a number.

    Parameters
    ----------
    row : mapping
        A row of the server.
    name : str
        Its column.

    Raises
    ------
    UnexpectedAnswer
        The cell is no number, or there is none.
    """
    number = size_of(row.get(name, ''))
    if number is None:
        raise UnexpectedAnswer(
            f'{name} is no number in a row of the server: {row.get(name)!r}',
            remedy='Tell the administrators of the server.',
        )
    return number
