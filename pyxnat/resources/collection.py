"""Collections: questions that have not been asked yet. They never change; refining one gives another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, TypeVar

from .. import errors
from ..model.levels import Level
from ..model.short_names import list_of_names
from ..query import paths
from ..query.criteria import Group, Saved, given
from ..query.paths import Path, Step
from ..query.plan import columns_of
from ..tables.table import JsonTable, Row
from .base import Element, as_name, class_of
from .bulk import Mappable
from .host import Host
from .hosted import Hosted
from .lazy import LazyCollection

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


class Collection(Hosted, Mappable, LazyCollection[E]):
    """Elements of one level, not asked for yet. Iterating asks, level by level, and no further than it is iterated.

    Parameters
    ----------
    routes : list of Path
        Where they are.
    interface : Interface
        The connection it belongs to.
    """

    level: ClassVar[Level]

    def __init__(self, routes: list[Path], interface: Host, conditions: tuple[_Where, ...] = (), columns: tuple[str, ...] = ()) -> None:
        self.routes = tuple(routes)
        self.host = interface
        self.conditions = conditions
        self._columns = columns

    @classmethod
    def element_at(cls, uri: str, interface: Host, known: Row | None = None, above: Mapping[str, Row] | None = None) -> Any:
        return class_of(cls.level.singular)(uri, interface, known, above)

    def __repr__(self) -> str:
        where = ', '.join(paths.spell(path) for path in self.routes)
        return f'<{type(self).__name__} {where}{" where …" if self.conditions else ""}>'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        mine, theirs = (self.routes, self.conditions, self._columns), (other.routes, other.conditions, other._columns)
        return mine == theirs and self.connection.server == other.connection.server and self.connection.user == other.connection.user

    def __hash__(self) -> int:
        return hash((self.routes, self.conditions, self.connection.server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_collection, (self.level.plural, list(self.routes), self.host, self.conditions, self._columns)

    def _ask(self, ahead: str) -> Iterator[E]:
        wanted = columns_of(self.routes, self._columns)
        for found, heard in self.host.walker.walk(self.routes, self.conditions, wanted, ahead=ahead):
            element = self.element_at(found.uri, self.host, found.row, found.above)
            element.listed = heard
            if self.host.manage.callback is not None:
                self.host.manage.callback(self, element)
            yield element

    def with_columns(self, *columns: str) -> Collection[E]:
        """The same elements, knowing more: the listings that find them are asked for these columns, too.

        ``attrs.get`` and ``attrs.mget`` of what a listing told make no request while that is fresh (``interface.cache.expiration``).

        Parameters
        ----------
        *columns : str
            As `table` has them.

        Returns
        -------
        Collection
            A new one; this one stays as it is.
        """
        columns_of(self.routes, columns)
        return type(self)(list(self.routes), self.host, self.conditions, (*self._columns, *columns))

    def rows(self, columns: Iterable[str] = ()) -> Iterator[Row]:
        """The rows of `table`, one at a time: a million takes the memory of a few hundred (see `table` for what is held).

        Requests are made when the first is taken. A listing is brought over whole, to disk if it is long, before its first row is given: whatever is
        wrong with the connection is known by then, and a slow loop keeps no server waiting.
        """
        return self.host.walker.rows(self.routes, self.conditions, columns_of(self.routes, self._names(columns)))

    def _names(self, columns: Iterable[str]) -> list[str]:
        """The columns that are meant."""
        return list_of_names(columns) or list(self._columns or _defaults(self.level))

    def table(self, columns: Iterable[str] = ()) -> JsonTable:
        """A table of them: a row for each, in the order of iterating.

        Parameters
        ----------
        columns : iterable of str, optional
            Short names (``date``, ``age``), full paths (``xnat:mrSessionData/fieldStrength``), or a level and a name (``subject/age``,
            ``project/name``, ``scan/type``). A short name is the elements' own if they have one such, else that of the nearest level above.
            By default the columns of their listing.

        Returns
        -------
        JsonTable
            Its columns are called as you asked for them. A cell is text as XNAT has it; empty for what has no value, and for elements whose type
            or route has no such column; a list of texts where a path has several values (``xnat:mrSessionData/scans/scan/type``).

        Raises
        ------
        ProgrammingError
            There is no such column; it is named.

        Notes
        -----
        The requests of iterating, and for each listing among them one more for each data type that only some of the elements have and a column is
        of. Subjects of experiments that the path does not lead through take one request a project.

        A table is held, 0.7 KiB for a row of six columns. `rows` gives the same without that. It holds the columns of subjects that the path does not
        lead through, listings of single types, listings with a full path (it may have several values), the sessions of a project
        that are walked subject by subject, and what is in all projects.

        Examples
        --------
        ::

            sessions = xnat.select('/projects/P/experiments')
            sessions.table(['label', 'project', 'subject/age', 'xnat:mrSessionData/fieldStrength']).to_pandas()
        """
        names = self._names(columns)
        return JsonTable(self.rows(names), names)

    def mget(self, columns: Iterable[str]) -> list[list[Any]]:
        """Several fields of each of them, in the order asked, as ``attrs.mget`` of each would give them. Requests as `table`."""
        return [list(row.values()) for row in self.rows(columns)]

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
            Criteria as :mod:`pyxnat.query.criteria` has them. Constraints on one data type in one list hold for the same item; a nested list is a search
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
        return type(self)(list(self.routes), self.host, (*self.conditions, condition), self._columns)

    def tag(self, name: str) -> Any:
        """Put all of them into a named set; the tag. Two requests after those of iterating, and up to two for the first tag of all."""
        tag = self.host.manage.tags.get(name)
        tag.reference_many([element.uri for element in self])
        return tag

    def untag(self, name: str) -> None:
        """Take all of them out of a named set. Two requests after those of iterating."""
        self.host.manage.tags.get(name).dereference_many([element.uri for element in self])

    def explain(self) -> str:
        """What iterating it will ask, in words. No request."""
        return self.host.walker.explain(self.routes, self.conditions, columns_of(self.routes, self._columns))

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, as_name(row, id_filter), False)
        return class_of(row.plural)([(*path, step) for path in self.routes], self.host, self.conditions)


def _restore_collection(
    plural: str, routes: list[Path], interface: Host, conditions: tuple[_Where, ...], columns: tuple[str, ...] = ()
) -> Collection[Any]:
    collection: Collection[Any] = class_of(plural)(routes, interface, conditions, columns)
    return collection


def _defaults(level: Level) -> tuple[str, ...]:
    """The columns of a table where none are named."""
    return tuple(dict.fromkeys(name for name in (level.id_column, level.label_column, *level.columns) if '/' not in name and name != 'URI'))
