"""Base class of all collections: elements are fetched on iteration."""

from __future__ import annotations

import html
import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from operator import methodcaller
from typing import Any, Generic, Protocol, TypeVar

from .. import errors
from ..model.near import did_you_mean
from ..tables.table import JsonTable, Row, html_table
from .cursor import Cursor

__all__ = ['LazyCollection']

_MOST_COMPLETED = 100
_MOST_SHOWN = 20
_SHOWN = ('type', 'quality', 'series_description', 'date', 'format', 'file_count', 'Size')
"""Columns of listings that are shown if the listing has them."""
_VALUES: dict[str, Callable[[Any], Any]] = {
    word: methodcaller(word) for word in ('id', 'label', 'datatype')
}
"""Word that `get` takes for a text -> function of an element."""


class _Named(Protocol):
    """The methods of an element that a collection calls."""

    @property
    def row(self) -> Row: ...
    @property
    def path_name(self) -> str: ...

    def id(self) -> str: ...

    def label(self) -> str: ...

    def datatype(self) -> str: ...


E = TypeVar('E', bound=_Named)


class _Iteration(Iterator[E]):
    """Iterator that fetches the elements when the first one is taken.

    ``list(collection)`` creates an iterator, then calls ``len``, and only then takes elements. The
    elements fetched by ``len`` are handed to the iterator, so that they are fetched once.
    """

    def __init__(self, fetch: Callable[[], Iterator[E]]) -> None:
        self._fetch = fetch
        self._elements: Iterator[E] | None = None

    def give(self, elements: list[E]) -> None:
        """Use elements fetched elsewhere, unless the iteration has begun."""
        if self._elements is None:
            self._elements = iter(elements)

    def __next__(self) -> E:
        if self._elements is None:
            self._elements = self._fetch()
        return next(self._elements)


class LazyCollection(Generic[E]):
    """Elements that are fetched on iteration, again each time.

    Derived classes implement ``_fetch``.
    """

    _rowcount = -1
    _begun: weakref.ref[_Iteration[E]] | None = None

    def __iter__(self) -> Iterator[E]:
        iteration = _Iteration(lambda: self._fetch('some'))
        self._begun = weakref.ref(iteration)
        return iteration

    def _fetch(self, ahead: str) -> Iterator[E]:
        """Yield the elements; prefetch ``none``, ``some`` or ``all``."""
        raise NotImplementedError

    def get(self, *fields: str) -> list[Any]:
        """Return all elements as a list.

        Parameters
        ----------
        *fields : str
            ``'id'`` (default), ``'label'`` or ``'datatype'`` for text; any other word (``'obj'``)
            for the elements themselves. Several words give tuples.
        """
        values = [_VALUES.get(word, _itself) for word in fields or ('id',)]
        if len(values) > 1:
            return [tuple([value(each) for value in values]) for each in self._fetch('all')]
        return list(map(values[0], self._fetch('all')))

    fetchall = get

    def first(self) -> E | None:
        """Return the first element; None if there is none.

        Makes no more requests than needed.
        """
        return next(self._fetch('none'), None)

    fetchone = first

    def fetchmany(self, size: int = 1) -> list[E]:
        """Return the first `size` elements."""
        return list(islice(self._fetch('none'), size))

    def cursor(self) -> Cursor:
        """Return a cursor (PEP 249), which keeps its position."""
        return Cursor(self)

    @property
    def rowcount(self) -> int:
        """Number of elements at the last call of ``len``; -1 before."""
        return self._rowcount

    def __len__(self) -> int:
        elements = list(self._fetch('all'))
        begun = self._begun() if self._begun is not None else None
        if begun is not None:
            begun.give(elements)
        self._rowcount = len(elements)
        return self._rowcount

    def __bool__(self) -> bool:
        return self.first() is not None

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return any(item in (element.id(), element.label()) for element in self)
        return any(
            element == item or (isinstance(item, type(element)) and element.id() == item.path_name)
            for element in self
        )

    def __getitem__(self, index: int | slice | str) -> Any:
        if isinstance(index, str):
            return self._named(index)
        if isinstance(index, slice):
            negative = any(
                bound is not None and bound < 0 for bound in (index.start, index.stop, index.step)
            )
            if negative or index.stop is None:
                return list(self._fetch('all'))[index]
            return list(islice(self._fetch('none'), index.start, index.stop, index.step))
        if index < 0:
            return list(self._fetch('all'))[index]
        found = next(islice(self._fetch('none'), index, None), None)
        if found is None:
            raise errors.NoElementError(f'{self!r} has no element {index}')
        return found

    def _named(self, name: str) -> E:
        names: list[str] = []
        for element in self:
            own = element.id(), element.label()
            if name in own:
                return element
            names.extend(own)
        raise errors.UnknownLabel(
            f'{self!r} has no {name!r}',
            remedy=f'{did_you_mean(name, dict.fromkeys(names))}Check the spelling; items hidden '
            'from this login are not listed.',
        )

    def _ipython_key_completions_(self) -> list[str]:
        """Return up to 100 labels to complete ``collection['…``.

        An error is printed as one line, because a prompt would show its traceback.
        """
        try:
            found = [element.label() for element in islice(self._fetch('none'), _MOST_COMPLETED)]
        except errors.Error as error:
            line = ' '.join(str(error).split())
            sys.stderr.write(f'\nno completion: {line}\n')
            return []
        return sorted(found)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the first 20 elements as a table, for IPython and notebooks.

        Makes the requests of iterating over 21 elements.
        """
        rows, more = self._first_rows()
        table = f'\n{JsonTable(rows)}' if rows else '\n(none)'
        return {
            'text/plain': f'{self!r}{table}{more and chr(10)}{more}',
            'text/html': self._page(rows, more),
        }

    def _repr_html_(self) -> str:
        """Return the first 20 elements as an HTML table. Requests as for 21 elements."""
        return self._page(*self._first_rows())

    def _first_rows(self) -> tuple[list[Row], str]:
        """Return the first elements as rows, and a note if there are more."""
        elements = list(islice(self._fetch('none'), _MOST_SHOWN + 1))
        rows = [_shown_row(element) for element in elements[:_MOST_SHOWN]]
        empty = [name for name in _SHOWN if not any(row[name] for row in rows)]
        if all(row['label'] == row['ID'] for row in rows):
            empty.append('label')
        for row in rows:
            for name in empty:
                del row[name]
        return rows, f'The first {_MOST_SHOWN}.' if len(elements) > _MOST_SHOWN else ''

    def _page(self, rows: list[Row], more: str) -> str:
        note = f'<p>{more}</p>' if more else ''
        return f'<p>{html.escape(repr(self))}</p>{html_table(rows)}{note}'


def _shown_row(element: _Named) -> Row:
    known = {name: element.row.get(name, '') for name in _SHOWN}
    return {'ID': element.id(), 'label': element.label(), **known, 'datatype': element.datatype()}


def _itself(element: _Named) -> _Named:
    return element
