"""Display fields: their properties, and makers of the usual fields and links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from . import display_sql as sql
from .display_sql import Maker

__all__ = [
    'DisplayField',
    'Link',
    'column_field',
    'hidden_field',
    'inserted_fields',
    'onclick_link',
    'project_links',
    'report_links',
    'schema_field',
    'titled_links',
]


class Link(NamedTuple):
    """Property of a link on XNAT's pages: an ``HREF`` with ``@Field1`` in it."""

    name: str
    value: str
    inserts: tuple[tuple[str, str], ...]
    """Placeholders to IDs of display fields of the item, or to ``@WHERE``, the field's value."""


@dataclass(frozen=True)
class DisplayField:
    """One display field of a type."""

    id: str
    header: str
    kind: str
    """string, integer, float, date, time, dateTime or boolean; empty for that of `path`."""
    make: Maker
    requires_value: bool = False
    searchable: bool = True
    """Whether ``/search/elements`` lists the field. All fields can be used, listed or not."""
    path: str = ''
    """Path of the schema's field that is shown unchanged; empty if the field is computed."""
    description: str = ''
    image: bool = False
    links: tuple[Link, ...] = ()
    secured: tuple[str, ...] = ()
    """IDs of the fields that decide whether the link is active; in rows, but not described."""
    type: str = ''
    """XNAT's name for the kind, if different."""

    def helpers(self) -> tuple[str, ...]:
        """Return the IDs of the fields that become helper columns, in order."""
        inserts = (
            name for link in self.links for _, name in link.inserts if not name.startswith('@')
        )
        return tuple(dict.fromkeys((*inserts, *self.secured)))


def schema_field(
    name: str, path: str, header: str = '', kind: str = '', listed: bool = True, about: str = ''
) -> DisplayField:
    """Return a field that shows a field of the schema unchanged.

    Parameters
    ----------
    name : str
        ID of the display field.
    path : str
        Path of the schema's field.
    header : str
        Heading; empty for the last part of the path.
    kind : str
        Kind of the values; empty for that of the schema.
    listed : bool
        Whether ``/search/elements`` lists the field.
    about : str
        Description.
    """
    return DisplayField(
        name,
        header or path.rpartition('/')[2],
        kind,
        sql.path(path),
        searchable=listed,
        path=path,
        description=about,
    )


def column_field(
    name: str, header: str, path: str, column: str, about: str = '', listed: bool = True
) -> DisplayField:
    """Return a field that shows a column of the item's row.

    Parameters
    ----------
    name, header : str
        ID and heading of the display field.
    path : str
        Path of the schema's field with the same value.
    column : str
        Name of the column.
    about : str
        Description.
    listed : bool
        Whether ``/search/elements`` lists the field.
    """
    return DisplayField(
        name, header, 'string', sql.column(column), searchable=listed, path=path, description=about
    )


def inserted_fields(kind: str, about: str = '', by: str = '') -> Iterator[DisplayField]:
    """Yield the fields for time and user of an item's creation.

    Parameters
    ----------
    kind : str
        XNAT's name for the kind of the time: string or date, by type.
    about, by : str
        Descriptions of time and user.
    """
    when = DisplayField(
        'INSERT_DATE',
        'Inserted',
        'dateTime',
        sql.column('insert_date'),
        path='meta/insert_date',
        description=about,
        type=kind,
    )
    yield when
    yield column_field('INSERT_USER', 'Creator', 'meta/insert_user/login', 'insert_user', by)


def hidden_field(name: str, header: str, make: Maker, kind: str = 'string') -> DisplayField:
    """Return a field that requires a value, not listed.

    Parameters
    ----------
    name, header, kind : str
        ID, heading and kind of the display field.
    make : Maker
        Makes the SQL.
    """
    return DisplayField(name, header, kind, make, True, False)


# -- links


def onclick_link(type_name: str, field: str) -> Link:
    """Return the script that opens the page of an item at a click.

    Parameters
    ----------
    type_name : str
        Type of the item.
    field : str
        ID of the display field that has the ID of the item.
    """
    return Link(
        'ONCLICK', f"return rpt('@Field1','{type_name}','{type_name}.ID');", (('Field1', field),)
    )


def _page_link(type_name: str, field: str) -> Link:
    """Return the link to the page of an item.

    Parameters
    ----------
    type_name : str
        Type of the item.
    field : str
        ID of the display field that has the ID of the item.
    """
    href = (
        f'/app/action/DisplayItemAction/search_value/@Field1/search_element/{type_name}/'
        f'search_field/{type_name}.ID'
    )
    return Link('HREF', href, (('Field1', field),))


def report_links(type_name: str, field: str) -> tuple[Link, ...]:
    """Return the link to the page of an item, with its script.

    Parameters
    ----------
    type_name : str
        Type of the item.
    field : str
        ID of the display field that has the ID of the item.
    """
    return (_page_link(type_name, field), onclick_link(type_name, field))


def titled_links(type_name: str, field: str) -> tuple[Link, ...]:
    """Return the links of `report_links`, and a title with time and user of creation.

    Parameters
    ----------
    type_name : str
        Type of the item.
    field : str
        ID of the display field that has the ID of the item.
    """
    title = Link(
        'TITLE',
        'Inserted: @Field1 (@Field2)',
        (('Field2', 'INSERT_USER'), ('Field1', 'INSERT_DATE')),
    )
    return (*report_links(type_name, field), title)


def project_links(type_name: str, field: str, clicked: bool) -> tuple[Link, ...]:
    """Return the links of a label in the project that is the field's value.

    Parameters
    ----------
    type_name : str
        Type of the item.
    field : str
        ID of the display field that has the ID of the item.
    clicked : bool
        Whether to add the script of `onclick_link`.
    """
    page = _page_link(type_name, field)
    href = page._replace(
        value=f'{page.value}/project/@Field2', inserts=(('Field2', '@WHERE'), *page.inserts)
    )
    return (href, onclick_link(type_name, field)) if clicked else (href,)
