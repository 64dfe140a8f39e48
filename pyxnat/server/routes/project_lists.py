"""Variants of the list of projects: by XNAT's search engine, or by right.

Those by the search engine include the caller's role and last access.
"""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.wrappers import Response

from ..db.access import ANY
from ..db.store import Connection, fields_of
from ..errors import BadRequest
from ..http.request import Call
from ..http.responses import table_response
from ..search.project_lists import chosen_projects, projects_with_right
from ..search.query import Search
from ..search.search_xml import CriteriaSet, Criterion, SearchDocument, SearchField, write_document
from ..table import Table

__all__ = ['is_variant', 'variant_response']

_ROOT = 'xnat:projectData'
_FIELDS = (
    'ID',
    'NAME',
    'DESCRIPTION',
    'SECONDARY_ID',
    'PI',
    'PROJECT_INVS',
    'PROJECT_ACCESS',
    'PROJECT_ACCESS_IMG',
    'INSERT_DATE',
    'INSERT_USER',
)
_OWN_FIELDS = ('USER_ROLE', 'LAST_ACCESSED')
_ARCHIVE_FIELDS = ('PROJ_QUARANTINE', 'PROJ_PREARCHIVE_CODE')
_FILTERS = frozenset(
    {
        'accessible',
        'data',
        'prearc_code',
        'owner',
        'member',
        'collaborator',
        'activeSince',
        'recent',
        'favorite',
        'admin',
    }
)


def is_variant(call: Call) -> bool:
    """Whether a request for projects needs one of these tables."""
    return (
        any(call.has(name) for name in (*_FILTERS, 'permissions', 'creatableTypes'))
        or call.get('format').lower() == 'search_xml'
    )


def variant_response(call: Call, connection: Connection) -> Response:
    """Return the table, or as ``search_xml`` the search that gives it.

    Parameters
    ----------
    call : Call
        The request.
    connection : Connection
        The database.

    Raises
    ------
    BadRequest
        For ``permissions`` without a data type.
    """
    if call.has('creatableTypes'):
        return table_response(
            call,
            _by_right(call, connection, 'create', ('id', 'name', 'description', 'secondary_id')),
        )
    if call.has('permissions'):
        if not call.get('dataType'):
            raise BadRequest('Name a data type: dataType=xnat:mrSessionData.')
        return table_response(
            call, _by_right(call, connection, call.get('permissions'), ('id', 'secondary_id'))
        )
    document = _search(call, chosen_projects(call, connection))
    if call.get('format').lower() == 'search_xml':
        return Response(write_document(document), mimetype='text/xml')
    table = Search(call, connection, document).table()
    table.described = None
    table.meta = {'title': 'Projects', 'xdat_user_id': str(call.caller.pk)}
    return table_response(call, table)


def _search(call: Call, names: Iterable[str]) -> SearchDocument:
    number = str(call.caller.pk)
    fields = [SearchField(_ROOT, name) for name in _FIELDS] + [
        SearchField(_ROOT, name, value=number) for name in _OWN_FIELDS
    ]
    if call.flag('prearc_code'):
        fields += [SearchField(_ROOT, name) for name in _ARCHIVE_FIELDS]
    wanted = Criterion(f'{_ROOT}.ID', 'IN', ','.join(names))
    return SearchDocument(
        _ROOT,
        {'brief-description': 'Projects', 'secure': '0'},
        fields,
        [CriteriaSet('AND', (CriteriaSet('AND', (wanted,)),))],
    )  # IN is a list in a set of its own alone


def _by_right(call: Call, connection: Connection, right: str, columns: tuple[str, ...]) -> Table:
    kind = call.get('dataType') or call.get('data-type') or ANY
    names = {'id': 'ID', 'secondary_id': 'secondary_ID'}
    rows = [
        {**fields_of(row), 'ID': row.id}
        for row in projects_with_right(connection, call.caller, right, kind)
    ]
    return Table(
        columns,
        [[row.get(names.get(name, name), '') for name in columns] for row in rows],
        count=False,
    )
