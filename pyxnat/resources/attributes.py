"""Fields of an element, read and written by short name or full path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import errors
from ..model import uris
from ..model.item_xml import is_picked
from ..model.levels import SERVER
from ..model.near import did_you_mean
from ..model.short_names import LEVELS_WITH_NAMES, find_column, key_of, list_of_names, short_names
from ..query.plan import Listing
from ..tables.table import Row
from .forms import forms_of, read_document, split_forms, write_forms
from .writable import Writable
from .writing import paths_of_type, read_fields, write_fields

__all__ = ['Attributes', 'EAttrs']


class Attributes:
    """Fields of one element.

    ::

        subject.attrs.get('age')
        session.attrs.set('xnat:mrSessionData/fieldStrength', '3.0')

    Names are XNAT's short names (``age``, ``date``, ``quality``; case matters), full paths, or
    fields of custom forms (``form:Enrolment/date``). Values are texts as in XNAT's tables:
    ``'42.0'`` for a decimal number, ``''`` for a missing value. Those of forms have the types that
    they are stored with.
    """

    def __init__(self, element: Writable) -> None:
        self._element = element

    def __repr__(self) -> str:
        return f'<Attributes of {self._element!r}>'

    def __call__(self) -> list[str]:
        """Return all readable short names and full paths, sorted.

        The paths are those that the server lists, and those of the schema of the element's type.

        One request; one more for the type if not known. Schemas outside the standard ones are
        fetched once per login.
        """
        level = self._element.level
        if level.singular not in LEVELS_WITH_NAMES:
            return []
        listing = self._element.listing_uri().partition('?')[0]
        rows = self._element.connection.rows(uris.with_query(listing, {'fields': 'all'}))
        listed = {value for row in rows for value in (row.get('key'), row.get('xpath')) if value}
        return sorted(listed | set(paths_of_type(self._element)))

    def get(self, path: str) -> Any:
        """Return one field. Requests as for `mget`.

        A text, or a list of texts if the path has several values (``scans/scan/type`` of a
        session).
        """
        return self.mget([path])[0]

    def mget(self, paths: Iterable[str]) -> list[Any]:
        """Return several fields, in the order given.

        Each as `get` returns it; ``''`` for a field that the element's type lacks.

        Parameters
        ----------
        paths : iterable of str
            Short names, full paths, or fields of custom forms: ``form:Enrolment/date``.

        Raises
        ------
        NotFoundError
            The element does not exist.
        ProgrammingError
            There is no field of that name: the response has no such column.

        Notes
        -----
        One request; none for columns of the listing that the element came from. One more per type
        if the fields belong to several data types, or to one that the element does not have. Paths
        that name one instance, such as ``fields/field[name=smoker]/field``, are read from the
        element's document: XNAT's columns hold the values of all instances.
        """
        given = list_of_names(paths)
        forms = forms_of(self._element, given)
        if not forms:
            return self._texts(given)
        wanted = [forms[name].requested if name in forms else name for name in given]
        values = dict(zip(wanted, self._texts(wanted), strict=True))
        documents = {
            name: read_document(values[name]) for name in {one.requested for one in forms.values()}
        }
        return [
            forms[name].read(documents[forms[name].requested]) if name in forms else values[name]
            for name in given
        ]

    def _texts(self, wanted: list[str]) -> list[Any]:
        """Return fields of the schema as `mget` does."""
        if self._is_listed(wanted):
            return [self._element.row[key_of(name)] for name in wanted]
        named = [name for name in wanted if is_picked(name)]
        picked = read_fields(self._element, named) if named else {}
        left = [name for name in wanted if name not in picked]
        row = self._row(left) if left else {}
        return [picked[name] if name in picked else self._cell(row, name) for name in wanted]

    def set(self, path: str, value: Any, **query: Any) -> None:
        """Set one field.

        Parameters
        ----------
        path : str
            A short name, a full path: ``xnat:subjectData/fields/field[name=smoker]/field``, or a
            field of a custom form: ``form:Enrolment/date``.
        value : str, number, bool, date or None
            None or the empty text clears the field, if XNAT can.
        **query
            Further query parameters, such as ``event_reason``.

        Raises
        ------
        ProgrammingError
            The type has no such field, the field is read-only or cannot hold the value, or XNAT
            cannot clear it.
        DataError
            XNAT did not clear the field.

        Notes
        -----
        One request; one more for the ID or type if not known, and the owner lookups of
        `Element.create`. The value is sent in an XML document, so any text is stored unchanged. To
        clear a field, the word ``NULL`` is sent in the query and the field read back: one more
        request. Types outside the standard XNAT schemas are looked up in the server's schemas, once
        per login. Fields of custom forms take two requests, as XNAT replaces a form as a whole, and
        one a minute for the forms.
        """
        self.mset({path: value}, **query)

    def mset(self, dict_attrs: Mapping[str, Any], **query: Any) -> None:
        """Set several fields in one request; two more for fields of custom forms.

        Parameters
        ----------
        dict_attrs : mapping
            Values by name, as for `set`.
        **query
            Further query parameters, such as ``event_reason``.

        Raises
        ------
        ProgrammingError
            As for `set`; or the element is a file or an existing resource, whose fields XNAT does
            not change.
        """
        element = self._element
        forms, values = split_forms(element, dict_attrs)
        element.check_owner()
        if values and element.level.singular in LEVELS_WITH_NAMES:
            write_fields(element, values, query)
        elif values:
            _write_once(element, {**values, **query})
        if forms:
            write_forms(element, forms)

    def _is_listed(self, wanted: list[str]) -> bool:
        """Whether the element has all columns from a fresh listing."""
        element = self._element
        cache = element.host.cache
        if element.listed is None or not all(
            key_of(name) in element.row and not is_picked(name) for name in wanted
        ):
            return False
        return cache.is_offline or cache.is_fresh(element.listed, cache.expiration)

    def _row(self, wanted: list[str]) -> Row:
        """Fetch the element's row with these columns.

        Columns with several values hold lists.
        """
        element = self._element
        plural = element.level.plural
        known = element.row.get('ID')
        is_filter = known and element.level.has_label and SERVER in element.level.parents
        plain = element.listing_uri().partition('?')[0] if known else element.listing_uri()
        columns = {
            plural: tuple(
                dict.fromkeys([element.level.id_column, element.level.label_column, *wanted])
            )
        }
        general = Listing(plain, plural, columns)
        typed = [Listing(plain, plural, columns, datatype=datatype) for datatype in general.types]
        found: list[Row] = []
        for listing in [*(typed if len(typed) == 1 else ()), general]:
            query = {'ID': known} if is_filter else None
            try:
                tables = [
                    element.connection.rows(uris.with_query(uri, query)) for uri in listing.uris
                ]
            except (
                errors.InternalError,
                errors.ProgrammingError,
                errors.UnexpectedAnswer,
            ) as error:  # XNAT fails for an unknown path
                if error.status is not None:
                    hints = ''.join(map(self._near_names, wanted))
                    error.remedy = f'{hints}{error.remedy or ""}'
                raise
            rows = list(self._rows(listing, tables))
            found = [row for row in rows if known and row.get(element.level.id_column) == known]
            if found or element.match_row(rows):
                break
        return found[0] if found else element.require_row(rows)

    def _near_names(self, name: str) -> str:
        """Return a sentence with similar short names; empty for a short name that exists."""
        known = short_names(self._element.level.singular)
        return '' if name in known else did_you_mean(name.rpartition('/')[2], known)

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
                remedy=f'{self._near_names(name)}Short names are case-sensitive; a full path is '
                f'such as xnat:subjectData/group. Columns received: {", ".join(row)}.',
            )
        return row[key]


def _write_once(element: Writable, values: Mapping[str, Any]) -> None:
    """Create a resource with these fields.

    XNAT changes none of an existing resource or file.
    """
    singular = element.level.singular
    error = errors.ProgrammingError(
        f'XNAT does not change fields of an existing {singular}',
        uri=element.url,
        method='PUT',
        remedy='Put the file again with these fields and overwrite=True.'
        if element.level.is_file
        else 'Fields of a resource are given when it is created: create(format=...).',
    )
    if element.level.is_file:
        raise error
    try:
        element.connection.request(uris.with_query(element.exact_uri(), values), 'PUT')
    except errors.DuplicateError as reason:
        raise error from reason


EAttrs = Attributes
"""Name of the class in pyxnat 1.x."""
