"""Catalogues of files in XNAT's XML: of a resource, or of any files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lxml import etree
from sqlalchemy import Connection, select

from ...model.levels import level
from ...model.xml import Node, write_xml
from ..context import Context
from ..db.store import file
from ..errors import NotFound
from .find_files import Held, file_uri, resources_at, split, with_parts
from .holders import holders_of, need_project
from .represent import CAT, java_date
from .sending import Sending
from .uris import ItemPath
from .zip_tar import entry_name

__all__ = ['catalogue', 'catalogue_of_files', 'catalogue_of_resource']


def catalogue_of_resource(context: Context, connection: Connection, route: ItemPath) -> Sending:
    """Return the catalogue of ``X/resources/L``.

    XNAT searches for the label in all parts of a session: it finds nothing if two parts have it,
    and that of a scan if the session has none.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    route : ItemPath
        Items and a resource.

    Raises
    ------
    NotFound
        If there is not exactly one such resource.
    """
    steps, step, _ = split(route)
    place = holders_of(connection, context.caller, steps)[0]
    need_project(place)
    rows = [
        (row, one)
        for one in with_parts(connection, context, place)
        for row in resources_at(connection, one.row, step)
    ]
    if len(rows) != 1:
        raise NotFound('Unable to find the specified catalog.')
    return Sending(catalogue(connection, rows[0][0], rows[0][1].row), 'text/xml; charset=utf-8')


def catalogue(connection: Connection, row: Any, holder: Any) -> bytes:
    """Return the catalogue of a resource.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the resource.
    holder : Any
        Row of its item.
    """
    is_of_part = level(holder.level).is_part and not row.counted
    root = _root(holder.id if is_of_part else row.label or str(row.pk))
    files = connection.execute(
        select(file).where(file.c.resource == row.pk).order_by(file.c.path)
    ).all()
    _meta_fields(root, {'PROJECT': holder.project or holder.id, **_audit(files)})
    if files:
        entries = etree.SubElement(root, _name('entries'))
        for one in files:
            _entry(entries, one, {'URI': one.path, 'ID': one.path, 'cachePath': one.path})
    return write_xml(root)


def _audit(files: Iterable[Any]) -> dict[str, str]:
    """Return the AUDIT member: when each file was added and changed."""
    events = []
    for one in files:
        events.append(f'{one.pk}:{java_date(one.insert_date)}=Added:1')
        if one.modified_date:
            events.append(f'{one.pk}:{java_date(one.modified_date)}=Modified:1')
    return {'AUDIT': '|'.join(events)} if events else {}


def catalogue_of_files(context: Context, held: Iterable[Held], site: str) -> Sending:
    """Return a catalogue of files with their full URIs (``format=xcat``).

    Parameters
    ----------
    context : Context
        The request; its parameter ``structure`` chooses the form of paths.
    held : Iterable[Held]
        The files.
    site : str
        URL of the archive.
    """
    root = _root('')
    entries = etree.SubElement(root, _name('entries'))
    for one in held:
        path = entry_name(context, one, 'zip')
        entry = etree.SubElement(
            entries, _name('entry'), URI=site.rstrip('/') + file_uri(one), cachePath=path
        )
        _meta_fields(entry, {'RELATIVE_PATH': path, 'SIZE': str(one.file.size)})
    return Sending(write_xml(root), 'application/xcat', 'inline; filename="files.xcat";')


def _root(identifier: str) -> Node:
    return etree.Element(
        _name('Catalog'), {'ID': identifier} if identifier else {}, nsmap={'cat': CAT}
    )


def _name(text: str) -> str:
    return f'{{{CAT}}}{text}'


def _entry(entries: Node, one: Any, places: dict[str, str]) -> None:
    attributes = {
        'name': one.path.rstrip('/').rpartition('/')[2],
        'format': one.format,
        'content': one.content,
        'description': one.description,
        'digest': one.digest,
        'createdBy': one.insert_user,
        'createdTime': _moment(one.insert_date),
        'createdEventId': str(one.pk),
        'modifiedTime': _moment(one.modified_date),
        'modifiedBy': one.modified_user,
        'modifiedEventId': str(one.pk) if one.modified_date else '',
    }
    entry = etree.SubElement(
        entries,
        _name('entry'),
        {name: value for name, value in {**places, **attributes}.items() if value},
    )
    _meta_fields(entry, {'SIZE': str(one.size)})
    _tags(entry, [one.tags] if one.tags else [])


def _moment(text: str | None) -> str:
    return (text or '').replace(' ', 'T')


def _meta_fields(node: Node, values: dict[str, str]) -> None:
    if values:
        holder = etree.SubElement(node, _name('metaFields'))
        for name, value in values.items():
            etree.SubElement(holder, _name('metaField'), name=name).text = value


def _tags(node: Node, words: list[str]) -> None:
    if words:
        holder = etree.SubElement(node, _name('tags'))
        for word in words:
            etree.SubElement(holder, _name('tag')).text = word
