"""``/data/search/saved``, ``/data/projects/P/searches``: saved searches."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.wrappers import Response

from ..db.access import Caller, rights
from ..db.guards import Guard, record
from ..db.store import Connection
from ..errors import BadRequest, Forbidden, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.locate import find_project, need
from ..search import default_searches
from ..search.query import may_query, root_of
from ..search.saved_searches import (
    delete_saved,
    find_saved,
    is_public,
    may_read,
    need_change,
    replaced_by,
    save_search,
    seen_searches,
)
from ..search.search_xml import SearchDocument, parse_document, write_document
from ..table import Table
from . import search_results

__all__ = ['ROUTES']

EXTENSION = '0'
"""Key of the type of saved searches in XNAT's database; it differs between sites."""
_COLUMNS = (
    'allow_diff_columns',
    'stored_search_info',
    'extension',
    'sort_by_field_id',
    'brief_description',
    'description',
    'layeredsequence',
    'secure',
    'users',
    'root_element_name',
    'id',
    'tag',
    'sort_by_element_name',
)


def _results(call: Call, name: str) -> Response:
    found = _visible(call, name)
    if found is None:
        raise NotFound(f'There is no saved search {name}.')
    return search_results.saved_search_response(call, found)


def _of_project(call: Call, project: str, name: str) -> Response:
    """Return a search of a project as XML, or in other formats its results.

    ``@TYPE`` is the project's listing of a type.
    """
    with call.archive.store.read() as connection:
        row = find_project(connection, project)
        if row is None or 'see' not in rights(connection, call.caller, row.id):
            raise NotFound(f'Unable to find the specified project: {project}')
        need(connection, call.caller, row.id, 'read')
        if call.method == 'PUT':
            record(Guard.SEARCH)  # XNAT parses the document and answers 200, but does not store it
            parse_document(call.posted_document())
            return text()
        found = find_saved(connection, f'{row.id}_{name[1:]}' if name.startswith('@') else name)
        if found is not None and call.method == 'GET' and not may_read(call, connection, found):
            if not name.startswith('@'):
                raise Forbidden(f'You cannot read the saved search {name}.')
            found = None
        if found is None and name.startswith('@') and _wants_xml(call):
            found = default_searches.of_project(call, connection, name[1:], row.id)
    if call.method == 'DELETE':
        return _delete(call, name)
    if found is None:
        raise NotFound(f'There is no search {name} in project {row.id}.')
    return _xml(call, found) if _wants_xml(call) else search_results.search_response(call, found)


def _wants_xml(call: Call) -> bool:
    return call.get('format').lower() in ('', 'xml', 'text/xml')


# -- reading


def _list(call: Call) -> Response:
    """Return the untagged searches that are public or the caller's.

    ``includeTag=true`` gives those of projects, ``includeTag=P`` those of one, and ``all=true``
    all, for administrators.
    """
    tag = call.get('includeTag')
    with call.archive.store.read() as connection:
        if tag not in ('', 'true') and not _is_seen(call, connection, tag):
            raise BadRequest(f'Unknown tag: {tag}')
        everything = call.caller.admin and call.get('all').lower() == 'true'
        caller = call.caller
        if caller.admin and call.get('user'):
            caller = Caller(call.get('user'))
        rows = [
            _row(number, found)
            for number, found in seen_searches(call, connection)
            if everything
            or (_is_tagged(found, tag) and (is_public(found) or caller.login in found.users))
        ]
    return table_response(call, Table(_COLUMNS, rows, {'title': 'Stored Searches'}, count=False))


def _is_seen(call: Call, connection: Connection, project: str) -> bool:
    row = find_project(connection, project)
    return row is not None and 'see' in rights(connection, call.caller, row.id)


def _is_tagged(found: SearchDocument, wanted: str) -> bool:
    tag = found.attributes.get('tag', '')
    return bool(tag) if wanted == 'true' else tag == wanted


def _row(number: int, found: SearchDocument) -> tuple[Any, ...]:
    given = {name.replace('-', '_').lower(): value for name, value in found.attributes.items()}
    given |= {
        name: str(int(found.flag(name.replace('_', '-'))))
        for name in ('secure', 'allow_diff_columns')
        if name in given
    }
    given |= {
        'stored_search_info': str(number),
        'extension': EXTENSION,
        'layeredsequence': given.get('layered_sequence', ''),
    }
    given |= {'root_element_name': found.root, 'users': '{' + ','.join(found.users) + '}'}
    if found.sort_by is not None:
        given['sort_by_element_name'], given['sort_by_field_id'] = found.sort_by
    return tuple(given.get(name) for name in _COLUMNS)


def _visible(call: Call, name: str) -> SearchDocument | None:
    """Return a search that the caller may see, or None for an unknown one.

    `Forbidden` for a search of other users.
    """
    if name.startswith('@'):
        return default_searches.of_site(call, name[1:], call.get('dv') or 'listing')
    with call.archive.store.read() as connection:
        found = find_saved(connection, name)
        if found is None:
            return None
        if not may_read(call, connection, found):
            raise Forbidden(f'You cannot read the saved search {name}.')
    return found


def _get(call: Call, name: str) -> Response:
    found = _visible(call, name)
    if found is None or (name.startswith('@') and not _wants_xml(call)):
        raise NotFound(f'There is no saved search {name}.')
    return _xml(call, found)


def _xml(call: Call, found: SearchDocument) -> Response:
    site = call.request.host_url.rstrip('/')
    places = ' '.join(
        f'{uri} {site}/schemas/{path}' for uri, path in call.archive.model.places.items()
    )
    return Response(write_document(found, places), mimetype='text/xml')


# -- writing


def _put(call: Call, name: str) -> Response:
    """Save a document under an ID, replacing the caller's own.

    Its groups are stored but grant no access.
    """
    document = parse_document(call.posted_document())
    root_of(call, document)
    if name.startswith('@') or not re.fullmatch(r'[^\x00-\x1f/]{1,255}', name):
        raise BadRequest(f'{name!r} cannot be the ID of a saved search.')
    with call.archive.store.write() as connection:
        if not may_query(call, connection, document.root):
            raise Forbidden(f'You cannot read {document.root} in any project.')
        document.attributes['ID'] = replaced_by(connection, document, name)
        known = find_saved(connection, document.id)
        need_change(call, connection, known, document)
        if call.flag('saveAs'):
            document.users = document.groups = ()
        else:
            document.attributes.setdefault('allow-diff-columns', '1')
            document.users = tuple(
                dict.fromkeys(
                    (*document.users, *(known.users if known is not None else (call.caller.login,)))
                )
            )
        document.users = document.users or (call.caller.login,)
        save_search(connection, call.caller.login, document)
    return text()


def _delete(call: Call, name: str) -> Response:
    """Delete a search, if the caller may change it.

    An unknown search is no error.
    """
    with call.archive.store.write() as connection:
        need_change(call, connection, find_saved(connection, name), None)
        delete_saved(connection, name)
    return text()


ROUTES = guarded(
    Guard.SEARCH,
    (
        Route(
            'GET',
            '/data/search/saved',
            _list,
            'List the saved searches; `includeTag=P` those of a project.',
        ),
        Route('GET', '/data/search/saved/{name!}', _get, 'Return a saved search as XML.'),
        Route('PUT', '/data/search/saved/{name!}', _put, 'Save a search document.'),
        Route('DELETE', '/data/search/saved/{name!}', _delete, 'Delete a saved search.'),
        Route(
            'GET',
            '/data/search/saved/{name!}/results',
            _results,
            'Run a saved search.',
            guard=Guard.SEARCH | Guard.RESULT,
        ),
        Route(
            'GET PUT DELETE',
            '/data/projects/{project!}/searches/{name!}',
            _of_project,
            "Return, run or delete a saved search of a project; `@TYPE` is the project's listing "
            'of a type.',
        ),
    ),
)
