"""Variants of ``/projects``: as XNAT's search engine answers them, with the caller's own part in them; and by right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, or_, select, true
from werkzeug.wrappers import Response

from ..db.access import ANY, Caller, rights, visible
from ..db.store import favorite, fields_of, item, role
from ..db.values import parse_date
from ..errors import BadRequest
from ..http.request import Call
from ..http.responses import table_response
from ..search.query import Search
from ..search.search_xml import CriteriaSet, Criterion, SearchDocument, SearchField, write_document
from ..table import Table

__all__ = ['answer', 'is_variant', 'owned_by']

_ROOT = 'xnat:projectData'
_FIELDS = ('ID', 'NAME', 'DESCRIPTION', 'SECONDARY_ID', 'PI', 'PROJECT_INVS', 'PROJECT_ACCESS', 'PROJECT_ACCESS_IMG', 'INSERT_DATE', 'INSERT_USER')
_OWN_FIELDS = ('USER_ROLE', 'LAST_ACCESSED')
_ARCHIVE_FIELDS = ('PROJ_QUARANTINE', 'PROJ_PREARCHIVE_CODE')
_FILTERS = frozenset({'accessible', 'data', 'prearc_code', 'owner', 'member', 'collaborator', 'activeSince', 'recent', 'favorite', 'admin'})
_RIGHTS = frozenset({'read', 'create', 'edit', 'delete', 'activate'})


def is_variant(call: Call) -> bool:
    """Whether a request for projects asks for one of these tables."""
    return any(call.has(name) for name in (*_FILTERS, 'permissions', 'creatableTypes')) or call.get('format').lower() == 'search_xml'


def answer(call: Call, connection: Connection) -> Response:
    """The table, or, as ``search_xml``, the search that gives it."""
    if call.has('creatableTypes'):
        return table_response(call, _by_right(call, connection, 'create', ('id', 'name', 'description', 'secondary_id')))
    if call.has('permissions'):
        if not call.get('dataType'):
            raise BadRequest('Name a data type: dataType=xnat:mrSessionData.')
        return table_response(call, _by_right(call, connection, call.get('permissions'), ('id', 'secondary_id')))
    found = sorted(connection.scalars(select(item.c.id).where(item.c.level == 'project', *_conditions(call))))
    document = _search(call, found)
    if call.get('format').lower() == 'search_xml':
        return Response(write_document(document), mimetype='text/xml')
    table = Search(call, connection, document).table()
    table.described = None
    table.meta = {'title': 'Projects', 'xdat_user_id': str(call.caller.pk)}
    return table_response(call, table)


def _search(call: Call, names: Iterable[str]) -> SearchDocument:
    number = str(call.caller.pk)
    fields = [SearchField(_ROOT, name) for name in _FIELDS] + [SearchField(_ROOT, name, value=number) for name in _OWN_FIELDS]
    if call.flag('prearc_code'):
        fields += [SearchField(_ROOT, name) for name in _ARCHIVE_FIELDS]
    wanted = Criterion(f'{_ROOT}.ID', 'IN', ','.join(names))
    return SearchDocument(
        _ROOT, {'brief-description': 'Projects', 'secure': '0'}, fields, [CriteriaSet('AND', (CriteriaSet('AND', (wanted,)),))]
    )  # IN is a list in a set of its own alone


# -- which projects


def _conditions(call: Call) -> Iterator[ColumnElement[bool]]:
    mine = select(role.c.project).where(role.c.login == call.caller.login)
    project, everything = item.c.id, true() if call.caller.admin else false()
    ways = {'readable': or_(project.in_(mine), item.c.access == 'public'), 'writable': project.in_(mine.where(role.c.role != 'collaborator'))}
    if call.has('data'):
        if call.get('data').lower() not in ways:
            raise BadRequest(f'{call.get("data")!r} is none of {", ".join(ways)}.')
        yield or_(everything, ways[call.get('data').lower()])
    if call.has('accessible'):
        open_to_all = item.c.access.in_(('public', 'protected'))
        yield or_(everything, project.in_(mine), open_to_all) if call.flag('accessible') else project.not_in(mine)
    if call.has('activeSince'):
        yield _active_since(call.get('activeSince'))
    chosen = list(_chosen(call, mine))
    if chosen:
        yield or_(*chosen)


def _chosen(call: Call, mine: Any) -> Iterator[ColumnElement[bool]]:
    """What is joined by OR: the caller's roles, what he keeps at hand."""
    for name in ('owner', 'member', 'collaborator'):
        if call.has(name):
            yield item.c.id.in_(mine.where(role.c.role == name)) if call.flag(name) else item.c.id.not_in(mine)
    if call.flag('recent'):
        yield false()  # XNAT counts the looks at its pages alone, and this archive has none
    if call.flag('favorite'):
        kept = favorite.c.login == call.caller.login, func.lower(favorite.c.type).in_(('project', _ROOT.lower()))
        yield item.c.id.in_(select(favorite.c.id).where(*kept))
    if call.flag('admin'):
        yield true() if call.caller.admin else false()


def _active_since(text: str) -> ColumnElement[bool]:
    day = parse_date(text.partition(' ')[0])  # a time of day is passed over
    if day is None:
        raise BadRequest(f'{text!r} is not a date; use MM/dd/yyyy.')
    below = item.alias('active')
    return item.c.id.in_(select(below.c.project).where(below.c.last_modified >= day.isoformat()))


def owned_by(caller: Caller, project: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a user is an owner of a project."""
    return project.in_(select(role.c.project).where(role.c.login == caller.login, role.c.role == 'owner'))


# -- by right


def _with_right(call: Call, connection: Connection, right: str, kind: str = ANY) -> Iterator[Any]:
    """The projects that the caller has a right in, on items of a data type; `BadRequest` for no right."""
    if right not in _RIGHTS:
        raise BadRequest(f'{right!r} is none of {", ".join(sorted(_RIGHTS))}.')
    wanted = 'delete' if right == 'activate' else right
    query = select(item).where(item.c.level == 'project', visible(call.caller, item.c.id, seeing=True)).order_by(item.c.id)
    for row in connection.execute(query).all():
        if wanted in rights(connection, call.caller, row.id, kind):
            yield row


def _by_right(call: Call, connection: Connection, right: str, columns: tuple[str, ...]) -> Table:
    kind = call.get('dataType') or call.get('data-type') or ANY
    names = {'id': 'ID', 'secondary_id': 'secondary_ID'}
    rows = [{**fields_of(row), 'ID': row.id} for row in _with_right(call, connection, right, kind)]
    return Table(columns, [[row.get(names.get(name, name), '') for name in columns] for row in rows], count=False)
