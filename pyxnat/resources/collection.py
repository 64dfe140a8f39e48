"""Collections: questions that have not been asked yet. They never change; refining one gives another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from .. import errors, paths
from ..criteria import Group, Saved, given
from ..paths import Path, Step
from ..structure import Level
from ..tables import Row
from .base import Element, as_name, class_of
from .bulk import Downloadable
from .lazy import LazyCollection

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Collection']


class _Where:
    """A condition on a collection: criteria, perhaps such as are saved on the server, and whose they are."""

    def __init__(self, criteria: Group | Saved, level: str) -> None:
        self.criteria = criteria
        self.level = level

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Where) and (self.criteria, self.level) == (other.criteria, other.level)

    def __hash__(self) -> int:
        return hash((self.criteria, self.level))


E = TypeVar('E', bound=Element)


class Collection(Downloadable, LazyCollection[E]):
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

    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Collection[E]:
        """Those of them whose subject satisfies search criteria.

        Parameters
        ----------
        constraints : list or str, optional
            Criteria as :mod:`pyxnat.criteria` has them. Constraints on one data type in one list hold for the same item; a nested list is a search
            of its own.
        template : pair of str and dict, optional
            In their place, the criteria of a saved template (``interface.manage.search``), with values for its keys.
        query : str, optional
            In their place, the criteria of a saved search, by its name.
        level : {'subject', 'experiment', 'assessor'}
            Whether the subject is to satisfy them, by whatever of its sessions, or the experiment or assessor itself.

        Returns
        -------
        Collection
            A new one; this one stays as it is. The searches run when it is iterated: one for the list, one for each nested list, and two requests
            for what is saved on the server.

        Examples
        --------
        Everything of a subject that was scanned at 79 and at 82::

            age = 'xnat:mrSessionData/AGE'
            experiments.where([[(age, '=', 79)], [(age, '=', 82)], 'AND'])
        """
        if level not in ('subject', 'experiment', 'assessor'):
            raise errors.ProgrammingError(f'where: level {level!r} is not known', remedy="Use 'subject', 'experiment' or 'assessor'.")
        condition = _Where(given(constraints, template, query), level)
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


def _restore_collection(plural: str, routes: list[Path], interface: Interface, conditions: tuple[_Where, ...]) -> Collection[Any]:
    collection: Collection[Any] = class_of(plural)(routes, interface, conditions)
    return collection
