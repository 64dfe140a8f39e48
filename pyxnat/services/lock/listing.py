"""Lines of a selection, from listings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import ProgrammingError
from ...model.levels import level
from ...query import criteria, paths
from ...query.criteria import Saved
from ...query.layouts import LAYOUT, Layout
from ...resources import Element
from ...resources.base import class_of
from ...resources.host import Host
from ..bulk.wanted import distinct_places, files_below, list_files
from .lines import FileLine, Header, ItemLine, Line

__all__ = ['described', 'list_lines', 'selected']

_CONTEXT = {
    'projects': (),
    'subjects': ('project',),
    'experiments': ('project', 'subject/label'),
    'scans': ('project/ID', 'subject/label', 'experiment/label'),
    'assessors': ('project/ID', 'subject/label', 'experiment/label'),
    'reconstructions': ('project/ID', 'subject/label', 'experiment/label'),
}
"""Level -> columns with the labels above an item."""
_TYPES = {'projects': 'xnat:projectData', 'subjects': 'xnat:subjectData'}


def described(selection: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the paths and conditions of a selection, for the header.

    Raises
    ------
    ProgrammingError
        It is no selection, or has criteria saved on the server, which may change.
    """
    if isinstance(selection, Element):
        return [paths.spell(selection.steps)], []
    conditions = []
    for condition in selection.conditions:
        if isinstance(condition.criteria, Saved):
            raise ProgrammingError(
                'a lock file holds criteria, not the name of a saved search',
                remedy='Give the criteria themselves to where().',
            )
        conditions.append(
            {'criteria': criteria.spell(condition.criteria), 'level': condition.level}
        )
    return [paths.spell(route) for route in selection.routes], conditions


def selected(header: Header, host: Host) -> Any:
    """Return the selection of a header. No request.

    Parameters
    ----------
    header : Header
        The header.
    host : Host
        Interface of the server.
    """
    routes = [path for text in header.selection for path in paths.parse(text).paths]
    found = class_of(routes[0][-1].level)(routes, host)
    for condition in header.where:
        found = found.where(_tuples(condition['criteria']), level=condition['level'])
    return found


def _tuples(member: Any) -> Any:
    """Return criteria read from JSON, in which a constraint is a list, too."""
    if isinstance(member, list) and member and isinstance(member[0], str) and len(member) == 3:
        return tuple(member)
    return [_tuples(one) for one in member] if isinstance(member, list) else member


def list_lines(header: Header, host: Host) -> Iterator[Line]:
    """Yield the lines of a selection, as the server lists it now.

    Parameters
    ----------
    header : Header
        Selection, fields, files and layout.
    host : Host
        Interface of the server.

    Notes
    -----
    The requests of ``table`` for the items, and of listing the files; twice for another layout than
    the default. No content is fetched.
    """
    selection = selected(header, host)
    if selection.level.plural in _CONTEXT:
        yield from _items(selection, header.fields)
    if header.files != 'none':
        yield from _files(selection, header)


def _items(selection: Any, fields: list[str]) -> Iterator[ItemLine]:
    plural = selection.level.plural
    row = level(plural)
    label = row.label_column if row.has_label else row.id_column
    columns = dict.fromkeys([row.id_column, label, *_CONTEXT[plural], *fields])
    typed = [] if plural in (*_TYPES, 'reconstructions') else ['xsiType']
    for cells in selection.rows([*columns, *typed]):
        names = [cells[column] for column in (*_CONTEXT[plural], label)]
        yield ItemLine(
            '/'.join(filter(None, names)),
            plural,
            cells[row.id_column],
            _TYPES.get(plural, cells.get('xsiType', '')),
            {name: cells[name] for name in fields if cells[name]},
        )


def _files(selection: Any, header: Header) -> Iterator[FileLine]:
    wanted = None if header.files == 'all' else set(header.files.split(','))
    files = files_below(selection)
    places = {}
    if header.layout != LAYOUT:
        listed = distinct_places(list(list_files(files, Layout(header.layout))))
        places = {file.uri: file.place for file in listed}
    for file in distinct_places(list(list_files(files, Layout(LAYOUT)))):
        if wanted is None or file.label in wanted:
            place = places.get(file.uri, '')
            yield FileLine(
                file.place, file.size, file.md5, file.uri, place if place != file.place else ''
            )
