"""Fields of an element, read and written by short name or xpath."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import errors
from ..model import uris
from ..model.item_xml import is_picked
from ..model.short_names import LEVELS_WITH_NAMES, find_column, key_of, list_of_names
from ..query.plan import Listing
from ..tables.table import Row
from .writing import read_fields, write_fields

if TYPE_CHECKING:
    from .base import Element

__all__ = ['Attributes']


class Attributes:
    """The fields of one element: ``subject.attrs.get('age')``, ``session.attrs.set('xnat:mrSessionData/fieldStrength', '3.0')``.

    Names are XNAT's short names (``age``, ``date``, ``quality``; upper and lower case differ) or full xpaths. Values come as text, as XNAT's
    tables have them (``'42.0'`` for a number with decimals), a missing value as the empty text.
    """

    def __init__(self, element: Element) -> None:
        self._element = element

    def __repr__(self) -> str:
        return f'<Attributes of {self._element!r}>'

    def __call__(self) -> list[str]:
        """The short names and full paths that can be read here. One request."""
        level = self._element.level
        if level.singular not in LEVELS_WITH_NAMES:
            return []
        listing = self._element.listing_uri().partition('?')[0]
        rows = self._element.connection.rows(uris.with_query(listing, {'fields': 'all'}))
        return sorted({value for row in rows for value in (row.get('key'), row.get('xpath')) if value})

    def get(self, path: str) -> Any:
        """One field: text, or a list of text where a path is repeated (``scans/scan/type`` of a session). Requests as `mget`."""
        return self.mget([path])[0]

    def mget(self, paths: Iterable[str]) -> list[Any]:
        """Several fields, in the order asked; each as `get` gives it. What the type of the element has not is the empty text.

        Raises
        ------
        NotFoundError
            The element does not exist.
        ProgrammingError
            A field is not among the columns of the answer: there is none of that name.

        Notes
        -----
        One request, none for what the listing told that the element came from. Where fields are of several data types, or of one that the element is
        not of, one more for each type. Paths that name one instance, such as ``fields/field[name=smoker]/field``, are read in the document of the
        element: XNAT's columns have the values of all instances.
        """
        wanted = list_of_names(paths)
        if self._is_told(wanted):
            return [self._element.row[key_of(name)] for name in wanted]
        named = [name for name in wanted if is_picked(name)]
        picked = read_fields(self._element, named) if named else {}
        left = [name for name in wanted if name not in picked]
        row = self._row(left) if left else {}
        return [picked[name] if name in picked else self._cell(row, name) for name in wanted]

    def set(self, path: str, value: Any, **query: Any) -> None:
        """Set one field. One request, one for the ID or the type, where they are not known yet, and the looks of `Element.create`.

        Parameters
        ----------
        path : str
            A short name, or a full path: ``xnat:subjectData/fields/field[name=smoker]/field``.
        value
            Text, a number, a boolean or a date. None or the empty text clears the field, where XNAT can.
        **query
            Further query parameters, such as ``event_reason``.

        Raises
        ------
        ProgrammingError
            The type has no such field, it is only for reading, it cannot hold the value, or XNAT cannot clear it.
        DataError
            XNAT did not clear the field.

        Notes
        -----
        It goes by document, so that any text is stored as it is. A field is cleared by the word ``NULL`` in the query, and read back: one more
        request. Types that are not among those of every XNAT are looked up in the server's schemas, once for a login.
        """
        self.mset({path: value}, **query)

    def mset(self, values: Mapping[str, Any], **query: Any) -> None:
        """Set several fields at once; as `set`."""
        element = self._element
        element.check_owner()
        if element.level.singular in LEVELS_WITH_NAMES:
            write_fields(element, values, query)
        else:
            element.connection.request(uris.with_query(element._exact_uri(), {**values, **query}), 'PUT')

    def _is_told(self, wanted: list[str]) -> bool:
        """Whether a listing that is still fresh told all of it."""
        element = self._element
        cache = element.host.cache
        if element.listed is None or not all(key_of(name) in element.row for name in wanted):
            return False
        return cache.is_offline or cache.is_fresh(element.listed, cache.expiration)

    def _row(self, wanted: list[str]) -> Row:
        """Its row in the listing with some columns, with lists where paths are repeated."""
        element = self._element
        plural = element.level.plural
        known = element.row.get('ID')
        is_filter = known and plural in ('subjects', 'experiments')
        plain = element.listing_uri().partition('?')[0] if known else element.listing_uri()
        columns = {plural: tuple(dict.fromkeys([element.level.id_column, element.level.label_column, *wanted]))}
        types = Listing(plain, plural, columns).types
        found: list[Row] = []
        for datatype in [*(types if len(types) == 1 else ()), '']:
            listing = Listing(plain, plural, columns, datatype=datatype)
            query = {'ID': known} if is_filter else None
            tables = [element.connection.rows(uris.with_query(uri, query)) for uri in listing.uris]
            rows = list(self._rows(listing, tables))
            found = [row for row in rows if known and row.get(element.level.id_column) == known]
            if found or element._match_row(rows):
                break
        return found[0] if found else element._find(rows)

    def _rows(self, listing: Listing, tables: list[list[Row]]) -> Iterable[Row]:
        try:
            return listing.rows(tables)
        except errors.ProgrammingError as error:
            error.uri = self._element.connection.server + self._element.uri
            raise

    def _cell(self, row: Row, name: str) -> Any:
        key = find_column(row, name)
        if key is None and name == 'xsiType':
            return self._element.level.datatype
        if key is None:
            raise errors.ProgrammingError(
                f'{self._element.level.singular} has no field {name!r}',
                uri=self._element.connection.server + self._element.uri,
                remedy=f'Short names are told apart by case; a full path is such as xnat:subjectData/group. The answer has: {", ".join(row)}.',
            )
        return row[key]
