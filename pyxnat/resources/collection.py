"""Collections: immutable, lazy queries for elements of one level.

Methods that refine a collection return a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, TypeVar

from .. import errors
from ..model.item_xml import is_picked
from ..model.kinds import Kind
from ..model.levels import Level
from ..model.short_names import list_of_names
from ..query import paths
from ..query.criteria import Group, Saved, parse_where
from ..query.paths import Path, Step
from ..query.plan import columns_of
from ..tables.table import JsonTable, Row
from .base import Element, as_name, class_of
from .bulk import Mappable
from .containers import LaunchableAll
from .forms import FormColumn, form_columns, own_documents, rows_with_forms
from .host import Host
from .hosted import Hosted
from .iteration import LazyCollection
from .spreadsheets import ToSheet
from .typed import ToArrow, kinds_of
from .writing import read_instances

__all__ = ['Collection']

_NO_NAME = ''
"""Pattern that no name matches."""


class _Where:
    """A condition on a collection: criteria, and the level they apply to."""

    def __init__(self, criteria: Group | Saved, level: str) -> None:
        self.criteria = criteria
        self.level = level

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Where) and (self.criteria, self.level) == (
            other.criteria,
            other.level,
        )

    def __hash__(self) -> int:
        return hash((self.criteria, self.level))


E = TypeVar('E', bound=Element)


class Collection(Hosted, Mappable, ToSheet, ToArrow, LaunchableAll, LazyCollection[E]):
    """Elements of one level, fetched level by level on iteration.

    Breaking off the iteration saves the remaining requests.

    Parameters
    ----------
    routes : list of Path
        The paths of its elements, with wildcards.
    interface : Interface
        The Interface that it makes its requests with.
    conditions : tuple, optional
        Conditions of `where`.
    columns : tuple of str, optional
        Further columns of `with_columns`.

    Attributes
    ----------
    host : Interface
        The Interface.
    """

    level: ClassVar[Level]
    _chosen: tuple[E, ...] | None = None
    """Its elements, if they are fixed."""

    def __init__(
        self,
        routes: list[Path],
        interface: Host,
        conditions: tuple[_Where, ...] = (),
        columns: tuple[str, ...] = (),
    ) -> None:
        self.routes = tuple(routes)
        self.host = interface
        self.conditions = conditions
        self._columns = columns

    @classmethod
    def element_at(
        cls,
        uri: str,
        interface: Host,
        known: Row | None = None,
        above: Mapping[str, Row] | None = None,
    ) -> Any:
        """Return the element of this level at a URI. No request.

        Parameters
        ----------
        uri : str
            Its URI, with or without ``/data``.
        interface : Interface
            The Interface that it makes its requests with.
        known : dict, optional
            Its row in a listing.
        above : dict, optional
            Rows of the elements above it, by level.
        """
        return class_of(cls.level.singular)(uri, interface, known, above)

    def __repr__(self) -> str:
        where = ', '.join(paths.spell(path) for path in self.routes)
        return f'<{type(self).__name__} {where}{" where …" if self.conditions else ""}>'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        mine, theirs = (
            (self.routes, self.conditions, self._columns),
            (other.routes, other.conditions, other._columns),
        )
        return mine == theirs and self.connection.is_same_as(other.connection)

    def __hash__(self) -> int:
        return hash((self.routes, self.conditions, self.connection.server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_collection, (
            self.level.plural,
            list(self.routes),
            self.host,
            self.conditions,
            self._columns,
        )

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return its identity: server, login, paths, conditions and columns. No request."""
        return (
            'pyxnat-collection',
            self.connection.server,
            self.connection.user,
            [paths.spell(route) for route in self.routes],
            [(condition.level, repr(condition.criteria)) for condition in self.conditions],
            list(self._columns),
        )

    def __contains__(self, item: object) -> bool:
        """Whether it has an element, or one of this ID or label.

        The requests of iterating. One more for the ID of a subject, experiment or assessor that is
        given as an element, if not known.
        """
        if not isinstance(item, Element):
            return super().__contains__(item)
        if item.level is not self.level or not self.connection.is_same_as(item.connection):
            return False
        if not _has_accession_id(item):
            return any(_is_same(element, item) for element in self)
        try:
            identity = item.id()
        except errors.NotFoundError:
            return False
        return any(element.id() == identity for element in self)

    def _of(self, elements: Iterable[E]) -> Collection[E]:
        """Return a collection of some of its elements. No request, nor for iterating.

        Conditions, columns and levels below are requested for each of them.
        """
        fixed = tuple(elements)
        none = [
            (*path[:-1], path[-1]._replace(name=_NO_NAME, literal=False)) for path in self.routes
        ]
        chosen = type(self)([element.steps for element in fixed] or none, self.host)
        chosen._chosen = fixed
        return chosen

    def _fetch(self, ahead: str) -> Iterator[E]:
        if self._chosen is not None:
            yield from self._chosen
            return
        wanted = columns_of(self.routes, self._listed()) if self._columns else ()
        for found, listed in self.host.walker.walk(
            self.routes, self.conditions, wanted, ahead=ahead
        ):
            element = self.element_at(found.uri, self.host, found.row, found.above)
            element.listed = listed
            callback = self.host.manage.callback
            if callback is not None:
                callback(self, element)
            yield element

    def with_columns(self, *columns: str) -> Collection[E]:
        """Return the same elements; their listings fetch more columns.

        ``attrs.get`` and ``attrs.mget`` of these columns make no request as long as the listing is
        fresh (``interface.cache.expiration``).

        Parameters
        ----------
        *columns : str
            Names as in `table`.

        Returns
        -------
        Collection
            A new collection; this one is unchanged.
        """
        columns_of(self.routes, own_documents(columns, self.level))
        return type(self)(list(self.routes), self.host, self.conditions, (*self._columns, *columns))

    def rows(self, columns: Iterable[str] = ()) -> Iterator[Row]:
        """Yield the rows of `table` one at a time.

        A million rows need the memory of a few hundred, with the exceptions listed at `table`. The
        first request is made when the first row is taken. Each listing is downloaded completely
        (long ones to disk) before its first row is yielded, so that connection errors are raised
        early and a slow loop does not hold the connection open.

        Parameters
        ----------
        columns : iterable of str, optional
            Names as in `table`.
        """
        return self._rows(self.table_columns(columns))

    def _rows(self, names: list[str]) -> Iterator[Row]:
        forms = self._forms(names)
        if not forms:
            return self._rows_of_fields(names)
        listed = [forms[name].requested if name in forms else name for name in names]
        return rows_with_forms(self._rows_of_fields(list(dict.fromkeys(listed))), names, forms)

    def _forms(self, names: list[str]) -> dict[str, FormColumn]:
        return form_columns(self.host, names, self.routes)

    def _rows_of_fields(self, names: list[str]) -> Iterator[Row]:
        if any(map(is_picked, names)):
            return self._rows_with_instances(names)
        return self.host.walker.rows(self.routes, self.conditions, columns_of(self.routes, names))

    def _rows_with_instances(self, names: list[str]) -> Iterator[Row]:
        """Yield rows with columns that name one instance, such as a custom variable.

        XNAT's columns hold the values of all instances, so these are read from documents: one
        request for each element that has such a field.
        """
        own_id = self.level.id_column
        listed = [own_id, *(name for name in names if not is_picked(name) and name != own_id)]
        picked = [name for name in names if is_picked(name)]
        rows = self.host.walker.rows(self.routes, self.conditions, columns_of(self.routes, listed))
        documents: dict[str, Row] = {}
        for element, row in zip(self, rows, strict=False):
            if row[own_id] != element.row.get(own_id, row[own_id]):
                raise errors.OperationalError(
                    'the listing changed while it was read', uri=element.url, remedy='Retry.'
                )
            row |= read_instances(element, picked, documents)
            yield {name: row[name] for name in names}

    def table_columns(self, columns: Iterable[str] = ()) -> list[str]:
        """Return the given column names, or the default ones. No request."""
        return list_of_names(columns) or list(self._columns or _defaults(self.level))

    def column_kinds(self, columns: Iterable[str] = ()) -> dict[str, Kind]:
        """Return name -> kind of the values of columns, for Arrow.

        No request, except one for the custom forms if a column is a field of one, and they were not
        fetched within the last minute.
        """
        names = self.table_columns(columns)
        return kinds_of(self.routes, names, self._forms(names))

    def table(self, columns: Iterable[str] = ()) -> JsonTable:
        """Return a table with one row per element, in the order of iteration.

        Parameters
        ----------
        columns : iterable of str, optional
            Short names (``date``, ``age``), full paths (``xnat:mrSessionData/fieldStrength``),
            custom variables (``xnat:subjectData/fields/field[name=smoker]/field``), fields of
            custom forms (``form:Enrolment/date``: title of the form, or its UUID, and key of the
            field), or a level and a name (``subject/age``, ``project/name``, ``scan/type``). A
            short name means the elements' own field if they have one, otherwise that of the nearest
            level above; the same holds for forms. Default: the columns of their listing.

        Returns
        -------
        JsonTable
            Its columns have the names given. A cell is the text of XNAT; empty for missing values
            and for elements whose type or route lacks the column; a list of texts for a path with
            several values (``xnat:mrSessionData/scans/scan/type``). Fields of forms are numbers,
            truth values, texts or lists, as stored.

        Raises
        ------
        ProgrammingError
            A column does not exist; the message names it.

        Notes
        -----
        The requests of iterating. For each listing, one more per data type that only some of its
        elements have and that a column belongs to. Subjects of experiments cost one request per
        project if the path does not lead through them. With a custom variable, one for the document
        of each element that has it. Fields of forms are in the listings; the forms cost one request
        a minute.

        The table is held in memory: 0.7 KiB for a row of six columns. `rows` yields the same rows
        without that, but still holds: the columns of subjects that the path does not lead through,
        listings of single types, listings with a full path (it may have several values), the
        sessions of a project that are fetched subject by subject, and the items of all projects.

        Examples
        --------
        ::

            sessions = xnat.select('/projects/P/experiments')
            columns = ['label', 'project', 'subject/age', 'xnat:mrSessionData/fieldStrength']
            sessions.table(columns).to_pandas()
        """
        names = self.table_columns(columns)
        return JsonTable(self._rows(names), names, lambda: self.column_kinds(names))

    def mget(self, columns: Iterable[str]) -> list[list[Any]]:
        """Return several fields of each element, in the order given.

        The same values as ``attrs.mget`` of each element, with the requests of `table`.
        """
        return [list(row.values()) for row in self.rows(columns)]

    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Collection[E]:
        """Return the elements whose subject matches search criteria.

        Parameters
        ----------
        constraints : list or str, optional
            Criteria as in :mod:`pyxnat.query.criteria`. Constraints on one data type in one list
            apply to the same item; a nested list is a search of its own.
        template : pair of str and dict, optional
            Instead of `constraints`: the name of a saved template (``interface.manage.search``) and
            values for its keys.
        query : str, optional
            Instead of `constraints`: the name of a saved search.
        level : {'subject', 'experiment', 'assessor'}
            Whose values have to match: those of the subject, with any of its sessions, or those of
            the experiment or assessor itself.

        Returns
        -------
        Collection
            A new collection; this one is unchanged. The searches run on iteration: one for the
            list, one for each nested list, and two requests for a saved template or search.

        Examples
        --------
        All experiments of subjects that were scanned at 79 and at 82::

            age = 'xnat:mrSessionData/AGE'
            experiments.where([[(age, '=', 79)], [(age, '=', 82)], 'AND'])
        """
        if level not in ('subject', 'experiment', 'assessor'):
            raise errors.ProgrammingError(
                f'where: level {level!r} is not known',
                remedy="Use 'subject', 'experiment' or 'assessor'.",
            )
        condition = _Where(parse_where(constraints, template, query), level)
        return type(self)(
            list(self.routes), self.host, (*self.conditions, condition), self._columns
        )

    def tag(self, name: str) -> Any:
        """Add all elements to a tag, and return the tag.

        Two requests after those of iterating, and up to two more for the first tag of this login.
        """
        tag = self.host.manage.tags.get(name)
        tag.reference_many([element.uri for element in self])
        return tag

    def untag(self, name: str) -> None:
        """Remove all elements from a tag.

        Two requests after those of iterating.
        """
        self.host.manage.tags.get(name).dereference_many([element.uri for element in self])

    def explain(self) -> str:
        """Return a text of the requests that iterating makes. No request."""
        return self.host.walker.explain(
            self.routes, self.conditions, columns_of(self.routes, self._listed())
        )

    def _listed(self) -> list[str]:
        """Return the further columns that listings can have."""
        return own_documents(self._columns, self.level)

    def _children(self, row: Level, name: Any, is_literal: bool = False) -> Any:
        step = Step(row.plural, as_name(row, name), is_literal)
        return class_of(row.plural)(
            [(*path, step) for path in self.routes], self.host, self.conditions
        )


def _has_accession_id(element: Element) -> bool:
    """Whether the ID of an element is unique in the archive."""
    return element.level.is_item and element.level.has_label


def _is_same(one: Element | None, other: Element | None) -> bool:
    """Whether two elements of a level are the same, by names and elements above."""
    if one is None or other is None or one == other:
        return one is other or one == other
    if _has_accession_id(one):
        return one.id() == other.id()
    return (
        bool({one.path_name, *_names_of(one)} & {other.path_name, *_names_of(other)})
        and one.level is other.level
        and _is_same(one.parent_on_path(), other.parent_on_path())
    )


def _names_of(element: Element) -> set[str]:
    """Return the ID and label of an element, as far as they are known. No request."""
    columns = element.level.id_column, element.level.label_column
    return {element.row[name] for name in columns if element.row.get(name)}


def _restore_collection(
    plural: str,
    routes: list[Path],
    interface: Host,
    conditions: tuple[_Where, ...],
    columns: tuple[str, ...] = (),
) -> Collection[Any]:
    collection: Collection[Any] = class_of(plural)(routes, interface, conditions, columns)
    return collection


def _defaults(level: Level) -> tuple[str, ...]:
    """Return the default columns of a table."""
    return tuple(
        dict.fromkeys(
            name
            for name in (level.id_column, level.label_column, *level.columns)
            if '/' not in name and name != 'URI'
        )
    )
