"""What all collections have in common: their elements are asked for as they are wanted, and each time anew."""

from __future__ import annotations

import html
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from .. import errors
from ..tables.table import html_table
from .cursor import Cursor

__all__ = ['LazyCollection']

_MOST_COMPLETED = 100
_MOST_SHOWN = 20


class _Named(Protocol):
    """What an element has to have."""

    @property
    def path_name(self) -> str: ...

    def id(self) -> str: ...

    def label(self) -> str: ...

    def datatype(self) -> str: ...


E = TypeVar('E', bound=_Named)


class _Iteration(Iterator[E]):
    """Elements that are asked for when the first is taken.

    ``list(collection)`` makes an iterator and calls ``len`` before it takes anything: what that asked for is then given to the iterator, so that it
    is not asked for twice.
    """

    def __init__(self, ask: Callable[[], Iterator[E]]) -> None:
        self._ask = ask
        self._elements: Iterator[E] | None = None

    def give(self, elements: list[E]) -> None:
        """Take what was asked for meanwhile, unless it has begun."""
        if self._elements is None:
            self._elements = iter(elements)

    def __next__(self) -> E:
        if self._elements is None:
            self._elements = self._ask()
        return next(self._elements)


class LazyCollection(Generic[E]):
    """Elements that are not asked for yet. A derived class says, by ``_ask``, where they come from."""

    _rowcount = -1
    _begun: weakref.ref[_Iteration[E]] | None = None

    def __iter__(self) -> Iterator[E]:
        iteration = _Iteration(lambda: self._ask('some'))
        self._begun = weakref.ref(iteration)
        return iteration

    def _ask(self, ahead: str) -> Iterator[E]:
        """Its elements, asked for anew; ``none``, ``some`` or ``all`` ahead of what is taken."""
        raise NotImplementedError

    def get(self, *what: str) -> list[Any]:
        """All of them, as a list.

        Parameters
        ----------
        *what : str
            ``'id'`` (default), ``'label'`` or ``'datatype'``, any other word (``'obj'``) for elements; several give tuples.
        """
        wanted = what or ('id',)
        rows = [tuple(_as(element, word) for word in wanted) for element in self._ask('all')]
        return [row[0] for row in rows] if len(wanted) == 1 else rows

    fetchall = get

    def first(self) -> E | None:
        """The first of them; `None` where there is none. Asks no more than it needs."""
        return next(self._ask('none'), None)

    fetchone = first

    def fetchmany(self, size: int = 1) -> list[E]:
        """The first `size` of them."""
        return list(islice(self._ask('none'), size))

    def cursor(self) -> Cursor:
        """A cursor as the Python database API has it: it remembers how far it has come."""
        return Cursor(self)

    @property
    def rowcount(self) -> int:
        """How many there were when they were counted last with ``len``; -1 before."""
        return self._rowcount

    def __len__(self) -> int:
        elements = list(self._ask('all'))
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
        return any(element == item or (isinstance(item, type(element)) and element.id() == item.path_name) for element in self)

    def __getitem__(self, index: int | slice | str) -> Any:
        if isinstance(index, str):
            return self._named(index)
        if isinstance(index, slice):
            negative = any(bound is not None and bound < 0 for bound in (index.start, index.stop, index.step))
            if negative or index.stop is None:
                return list(self._ask('all'))[index]
            return list(islice(self._ask('none'), index.start, index.stop, index.step))
        if index < 0:
            return list(self._ask('all'))[index]
        found = next(islice(self._ask('none'), index, None), None)
        if found is None:
            raise errors.NoElementError(f'{self!r} has no element {index}')
        return found

    def _named(self, name: str) -> E:
        found = next((element for element in self if name in (element.id(), element.label())), None)
        if found is None:
            raise KeyError(name)
        return found

    def _ipython_key_completions_(self) -> list[str]:
        """Labels to complete ``collection['…`` with; the first hundred."""
        return sorted(element.label() for element in islice(self._ask('none'), _MOST_COMPLETED))

    def _repr_html_(self) -> str:
        """The first of them as a table, for a notebook; asks what iterating that far asks."""
        shown = list(islice(self._ask('none'), _MOST_SHOWN + 1))
        rows = [{'ID': element.id(), 'label': element.label(), 'type': element.datatype()} for element in shown[:_MOST_SHOWN]]
        more = f'<p>The first {_MOST_SHOWN}.</p>' if len(shown) > _MOST_SHOWN else ''
        return f'<p>{html.escape(repr(self))}</p>{html_table(rows)}{more}'


def _as(element: _Named, word: str) -> Any:
    return {'id': element.id, 'label': element.label, 'datatype': element.datatype}.get(word, lambda: element)()
