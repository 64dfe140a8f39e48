"""Collections: questions that have not been asked yet. They never change; refining one gives another."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from .. import errors, paths
from ..criteria import Group, parse
from ..paths import Path, Step
from ..structure import Level
from ..tables import Row, html_table
from .base import Element, as_name, class_of
from .cursor import Cursor

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Collection']

_MOST_COMPLETED = 100
_MOST_SHOWN = 20


class _Where:
    """A condition on a collection: criteria, and whose they are."""

    def __init__(self, criteria: Group, level: str) -> None:
        self.criteria = criteria
        self.level = level

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Where) and (self.criteria, self.level) == (other.criteria, other.level)

    def __hash__(self) -> int:
        return hash((self.criteria, self.level))


E = TypeVar('E', bound=Element)


class Collection(Generic[E]):
    """Elements of one level, not asked for yet. Iterating asks, level by level, and no further than it is iterated.

    Parameters
    ----------
    routes : list of Path
        Where they are.
    interface : Interface
        The connection it belongs to.
    """

    _level: ClassVar[Level]

    def __init__(self, routes: list[Path], interface: Interface, conditions: tuple[_Where, ...] = ()) -> None:
        self._paths = tuple(routes)
        self._intf = interface
        self._conditions = conditions
        self._rowcount = -1

    @classmethod
    def _element(cls, uri: str, interface: Interface, known: Row | None = None, above: Mapping[str, Row] | None = None) -> Any:
        return class_of(cls._level.singular)(uri, interface, known, above)

    def __repr__(self) -> str:
        where = ', '.join(paths.spell(path) for path in self._paths)
        return f'<{type(self).__name__} {where}{" where …" if self._conditions else ""}>'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        mine, theirs = (self._paths, self._conditions), (other._paths, other._conditions)
        return mine == theirs and self._intf._server == other._intf._server and self._intf._user == other._intf._user

    def __hash__(self) -> int:
        return hash((self._paths, self._conditions, self._intf._server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_collection, (self._level.plural, list(self._paths), self._intf, self._conditions)

    def __iter__(self) -> Iterator[E]:
        for found in self._intf.transfer.walk(self._paths, self._conditions):
            element = self._element(found.uri, self._intf, found.row, found.above)
            if self._intf.manage.callback is not None:
                self._intf.manage.callback(self, element)
            yield element

    def get(self, *what: str) -> list[Any]:
        """All of them, as a list.

        Parameters
        ----------
        *what : str
            ``'id'`` (default) or ``'label'`` for names, any other word (``'obj'``) for elements; several give tuples.
        """
        wanted = what or ('id',)
        rows = [tuple(_as(element, word) for word in wanted) for element in self]
        return [row[0] for row in rows] if len(wanted) == 1 else rows

    fetchall = get

    def first(self) -> E | None:
        """The first of them; `None` where there is none. Asks no more than it needs."""
        return next(iter(self), None)

    fetchone = first

    def fetchmany(self, size: int = 1) -> list[E]:
        """The first `size` of them."""
        return list(islice(self, size))

    def cursor(self) -> Cursor:
        """A cursor as the Python database API has it: it remembers how far it has come."""
        return Cursor(self)

    @property
    def rowcount(self) -> int:
        """How many there were when they were counted last with ``len``; -1 before."""
        return self._rowcount

    def __len__(self) -> int:
        self._rowcount = sum(1 for _ in self)
        return self._rowcount

    def __bool__(self) -> bool:
        return self.first() is not None

    def __contains__(self, item: object) -> bool:
        if isinstance(item, Element):
            return any(element == item or element.id() == item._urn for element in self if type(element) is type(item))
        return any(item in (element.id(), element.label()) for element in self)

    def __getitem__(self, index: int | slice | str) -> Any:
        if isinstance(index, str):
            return self._named(index)
        if isinstance(index, slice):
            negative = any(bound is not None and bound < 0 for bound in (index.start, index.stop, index.step))
            return list(self)[index] if negative else list(islice(self, index.start, index.stop, index.step))
        if index < 0:
            return list(self)[index]
        found = next(islice(self, index, None), None)
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
        return [element.label() for element in islice(self, _MOST_COMPLETED)]

    def _repr_html_(self) -> str:
        """The first of them as a table, for a notebook; asks what iterating that far asks."""
        shown = list(islice(self, _MOST_SHOWN + 1))
        rows = [{'ID': element.id(), 'label': element.label(), 'type': element.datatype()} for element in shown[:_MOST_SHOWN]]
        more = f'<p>The first {_MOST_SHOWN}.</p>' if len(shown) > _MOST_SHOWN else ''
        return f'<p>{html.escape(repr(self))}</p>{html_table(rows)}{more}'

    def where(self, criteria: Any, *, level: str = 'subject') -> Collection[E]:
        """Those of them whose subject satisfies search criteria.

        Parameters
        ----------
        criteria : list
            Constraints as :mod:`pyxnat.criteria` has them. Those on one data type in one list hold for the same item; a nested list is a search
            of its own.
        level : {'subject', 'experiment'}
            Whether the subject is to satisfy them, by whatever of its sessions, or the experiment itself.

        Returns
        -------
        Collection
            A new one; this one stays as it is. The searches run when it is first iterated: one for the list, one for each nested list.

        Examples
        --------
        Everything of a subject that was scanned at 79 and at 82::

            age = 'xnat:mrSessionData/AGE'
            experiments.where([[(age, '=', 79)], [(age, '=', 82)], 'AND'])
        """
        if level not in ('subject', 'experiment'):
            raise errors.ProgrammingError(f'where: level {level!r} is not known', remedy="Use 'subject' or 'experiment'.")
        condition = _Where(parse(criteria), level)
        return type(self)(list(self._paths), self._intf, (*self._conditions, condition))

    def tag(self, name: str) -> Any:
        """Put all of them into a named set; the tag. Two requests after those of iterating, and up to two for the first tag of all."""
        tag = self._intf.manage.tags.get(name)
        tag.reference_many([element._uri for element in self])
        return tag

    def untag(self, name: str) -> None:
        """Take all of them out of a named set. Two requests after those of iterating."""
        self._intf.manage.tags.get(name).dereference_many([element._uri for element in self])

    def explain(self) -> str:
        """What iterating it will ask, in words. No request."""
        return self._intf.transfer.explain(self._paths, self._conditions)

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, as_name(row, id_filter), False)
        return class_of(row.plural)([(*path, step) for path in self._paths], self._intf, self._conditions)


def _as(element: Element, word: str) -> Any:
    return {'id': element.id, 'label': element.label}.get(word, lambda: element)()


def _restore_collection(plural: str, routes: list[Path], interface: Interface, conditions: tuple[_Where, ...]) -> Collection[Any]:
    collection: Collection[Any] = class_of(plural)(routes, interface, conditions)
    return collection
