"""Catalogues of files in XNAT's XML: of one resource, and of the files that a request names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lxml import etree
from sqlalchemy import Connection, select
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ..documents import write_xml
from .calls import Call
from .holdings import Held, file_uri, resources_at, split
from .locate import find
from .represent import CAT
from .routes import Route
from .store import file

__all__ = ['catalogue_of_files', 'catalogue_of_resource', 'divided']


def divided(tags: str) -> tuple[list[str], dict[str, str]]:
    """The tags of an upload: those that are words, and those that are ``name=value`` or ``name:value``."""
    words, named = [], {}
    for tag in (one.strip() for one in tags.split(',')):
        place = min((found for found in (tag.find('='), tag.find(':')) if found > 0), default=0)
        if place:
            named[tag[:place]] = tag[place + 1 :]
        elif tag:
            words.append(tag)
    return words, named


def catalogue_of_resource(call: Call, connection: Connection, route: Route) -> Response:
    """``X/resources/L``: its tags, and what is known of each of its files, by their paths in it."""
    steps, step, _ = split(route)
    place = find(connection, call.caller, steps, inside=True)
    rows = resources_at(connection, place.row, step)
    if not rows:
        raise NotFound(f'Unable to find the specified resource: {step.id}')
    row = rows[0]
    root = _root(row.label or str(row.pk))
    words, named = divided(row.tags or '')
    _meta_fields(root, named)
    _tags(root, words)
    entries = etree.SubElement(root, _name('entries'))
    for one in connection.execute(select(file).where(file.c.resource == row.pk).order_by(file.c.path)):
        _entry(entries, one, {'URI': one.path, 'ID': one.path, 'cachePath': one.path})
    return Response(write_xml(root), mimetype='text/xml')


def catalogue_of_files(call: Call, held: Iterable[Held]) -> Response:
    """``format=xcat``: the files with the whole URI of each."""
    root = _root('')
    entries = etree.SubElement(root, _name('entries'))
    site = call.request.root_url.rstrip('/')
    for one in held:
        _entry(entries, one.file, {'URI': site + file_uri(one), 'ID': one.file.path})
    return Response(write_xml(root), mimetype='text/xml')


def _root(identifier: str) -> etree._Element:
    return etree.Element(_name('Catalog'), {'ID': identifier} if identifier else {}, nsmap={'cat': CAT})


def _name(text: str) -> str:
    return f'{{{CAT}}}{text}'


def _entry(entries: etree._Element, one: Any, places: dict[str, str]) -> None:
    told = {
        'name': one.path.rpartition('/')[2], 'format': one.format, 'content': one.content, 'description': one.description, 'digest': one.digest,
        'createdBy': one.insert_user, 'createdTime': one.insert_date, 'createdEventId': str(one.pk), 'modifiedTime': one.modified_date,
    }  # fmt: skip
    entry = etree.SubElement(entries, _name('entry'), {name: value for name, value in {**places, **told}.items() if value})
    _meta_fields(entry, {'RELATIVE_PATH': one.path, 'SIZE': str(one.size), **json.loads(one.meta or '{}')})
    _tags(entry, [tag for tag in (one.tags or '').split(',') if tag])


def _meta_fields(node: etree._Element, values: dict[str, str]) -> None:
    if values:
        holder = etree.SubElement(node, _name('metaFields'))
        for name, value in values.items():
            etree.SubElement(holder, _name('metaField'), name=name).text = value


def _tags(node: etree._Element, words: list[str]) -> None:
    if words:
        holder = etree.SubElement(node, _name('tags'))
        for word in words:
            etree.SubElement(holder, _name('tag')).text = word
