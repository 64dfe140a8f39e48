"""``/data/search/saved`` and ``/data/projects/P/searches``: searches kept under an ID."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, select
from werkzeug.exceptions import BadRequest, Forbidden, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from . import bundles, results
from .auth import Caller, rights
from .calls import Call, text
from .locate import find_project, need
from .query import may_query, root_of
from .respond import table_response
from .search_documents import SearchDocument, document_of, parse_document, write_document
from .store import role
from .store import search as saved
from .tables import Table

__all__ = ['answer', 'of_project']

_COLUMNS = (
    'id', 'description', 'root_element_name', 'brief_description', 'tag', 'secure', 'layered_sequence', 'allow_diff_columns',
    'sort_by_element_name', 'sort_by_field_id', 'users',
)  # fmt: skip


def answer(call: Call) -> Response:
    """The list, one search (GET, PUT, DELETE), or what one finds."""
    plain = [part for part in call.parts if part][2:]
    if not plain:
        if call.method != 'GET':
            raise MethodNotAllowed(['GET'])
        return _list(call)
    if len(plain) == 2 and plain[1].startswith('results') and call.method == 'GET':
        found = _visible(call, plain[0])
        if found is None:
            raise NotFound(f'There is no saved search {plain[0]}.')
        return results.answer(call, found)
    handlers: dict[str, Callable[[Call, str], Response]] = {'GET': _get, 'PUT': _put, 'DELETE': _delete}
    if call.method not in handlers or len(plain) != 1:
        raise MethodNotAllowed(list(handlers))
    return handlers[call.method](call, plain[0])


def of_project(call: Call) -> Response:
    """``/projects/P/searches/ID``: as XML, or in another format what it finds; ``@TYPE`` is the project's listing of a type."""
    if call.method not in ('GET', 'PUT', 'DELETE'):
        raise MethodNotAllowed(['GET', 'PUT', 'DELETE'])
    name, _, wanted = [part for part in call.parts if part][-3:]
    with call.archive.store.read() as connection:
        row = find_project(connection, name)
        if row is None or 'see' not in rights(connection, call.caller, row.id):
            raise NotFound(f'Unable to find the specified project: {name}')
        need(connection, call.caller, row.id, 'read')
        found = _find(connection, f'{row.id}_{wanted[1:]}' if wanted.startswith('@') else wanted)
        if found is None and wanted.startswith('@'):
            found = bundles.of_project(call, connection, wanted[1:], row.id)
    if call.method != 'GET':
        return (_put if call.method == 'PUT' else _delete)(call, wanted)
    as_document = call.get('format').lower() in ('', 'xml', 'text/xml')
    if found is None or (wanted.startswith('@') and not as_document):  # the listing of a type is told as a document alone
        raise NotFound(f'There is no search {wanted} in project {row.id}.')
    return _xml(found) if as_document else results.answer(call, found)


# -- reading


def _list(call: Call) -> Response:
    """Untagged searches that are for all or for the caller; ``includeTag=true`` or ``=P`` those of projects, ``all=true`` all of them."""
    tag = call.get('includeTag')
    with call.archive.store.read() as connection:
        if tag not in ('', 'true') and find_project(connection, tag) is None:
            raise BadRequest(f'Unknown tag: {tag}')
        everything = call.caller.admin and call.get('all').lower() == 'true'
        caller = call.caller
        if caller.admin and call.get('user'):
            caller = Caller(call.get('user'))
        groups = _groups(connection, caller)
        rows = [
            _row(found)
            for found in _all(connection)
            if everything or (_is_tagged(found, tag) and (_is_public(found) or _is_for(found, caller.login, groups)))
        ]
    return table_response(call, Table(_COLUMNS, rows, {'title': 'Stored Searches'}))


def _all(connection: Connection) -> Iterator[SearchDocument]:
    for row in connection.execute(select(saved).order_by(saved.c.id)):
        yield parse_document(row.document)


def _is_tagged(found: SearchDocument, wanted: str) -> bool:
    tag = found.attributes.get('tag', '')
    return bool(tag) if wanted == 'true' else tag == wanted


def _row(found: SearchDocument) -> tuple[Any, ...]:
    given = {name.replace('-', '_').lower(): value for name, value in found.attributes.items()}
    given |= {'root_element_name': found.root, 'users': '{' + ','.join(found.users) + '}'}
    if found.sort_by is not None:
        given['sort_by_element_name'], given['sort_by_field_id'] = found.sort_by
    return tuple(given.get(name) for name in _COLUMNS)


def _find(connection: Connection, name: str) -> SearchDocument | None:
    found = connection.scalar(select(saved.c.document).where(saved.c.id == name))
    return None if found is None else parse_document(found)


def _visible(call: Call, name: str) -> SearchDocument | None:
    """A search that the caller may see; None for an unknown one, `Forbidden` for one that is not for the caller."""
    if name.startswith('@'):
        found: SearchDocument | None = bundles.of_site(call, name[1:], call.get('dv') or 'listing')
    else:
        with call.archive.store.read() as connection:
            found = _find(connection, name)
    if found is None:
        return None
    with call.archive.store.read() as connection:
        mine = call.caller.admin or _is_for(found, call.caller.login, _groups(connection, call.caller))
        if not mine and (found.flag('secure') or not may_query(call, connection, root_of(call, found))):
            raise Forbidden(f'The saved search {name} is not for you.')
    return found


def _get(call: Call, name: str) -> Response:
    found = _visible(call, name)
    return text(mimetype='text/xml') if found is None else _xml(found)  # of an unknown one XNAT says nothing, and says that with 200


def _xml(found: SearchDocument) -> Response:
    return Response(write_document(found), mimetype='text/xml')


# -- for whom


def _is_public(found: SearchDocument) -> bool:
    return 'secure' in found.attributes and not found.flag('secure')


def _is_for(found: SearchDocument, login: str, groups: set[str]) -> bool:
    return login in found.users or bool(groups.intersection(found.groups))


def _groups(connection: Connection, caller: Caller) -> set[str]:
    """IDs of the caller's groups: ``P_owner``."""
    return {f'{row.project}_{row.role}' for row in connection.execute(select(role).where(role.c.login == caller.login))}


# -- writing


def _put(call: Call, name: str) -> Response:
    """Keep a document under an ID; under another with ``saveAs=true`` where that is taken."""
    document = parse_document(document_of(call))
    root_of(call, document)
    if name.startswith('@') or not re.fullmatch(r'[^\x00-\x1f/]{1,255}', name):
        raise BadRequest(f'{name!r} cannot be the ID of a saved search.')
    with call.archive.store.write() as connection:
        if not may_query(call, connection, document.root):
            raise Forbidden(f'You may read {document.root} in no project.')
        document.attributes['ID'] = _free(connection, name) if call.flag('saveAs') else _replaced(connection, document, name)
        if call.flag('saveAs'):
            document.users = document.groups = ()
        known = _find(connection, document.id)
        _check_put(call, connection, document, known)
        if known is not None:
            document.users, document.groups = (tuple({*a, *b}) for a, b in ((known.users, document.users), (known.groups, document.groups)))
        if known is None or not (document.users or document.groups):
            document.users = tuple({*document.users, call.caller.login})
        document.users, document.groups = tuple(sorted(document.users)), tuple(sorted(document.groups))
        _keep(connection, call.caller.login, document)
    return text()


def _keep(connection: Connection, login: str, document: SearchDocument) -> None:
    kept = connection.scalar(select(saved.c.login).where(saved.c.id == document.id))
    connection.execute(saved.delete().where(saved.c.id == document.id))
    connection.execute(saved.insert().values(id=document.id, login=kept or login, document=write_document(document).decode('utf-8')))


def _free(connection: Connection, name: str) -> str:
    """The ID, or one made of it that is not taken."""
    while connection.scalar(select(saved.c.id).where(saved.c.id == name)) is not None:
        name += '_1'
    return name


def _replaced(connection: Connection, document: SearchDocument, name: str) -> str:
    """The ID of what a document takes the place of: that of a search with the same tag and title, else the one it was put under."""
    tag, title = (document.attributes.get(one, '') for one in ('tag', 'brief-description'))
    if tag and connection.scalar(select(saved.c.id).where(saved.c.id == name)) is None:
        for found in _all(connection):
            if (found.attributes.get('tag', ''), found.attributes.get('brief-description', '')) == (tag, title):
                return found.id
    return name


def _check_put(call: Call, connection: Connection, document: SearchDocument, known: SearchDocument | None) -> None:
    """`Forbidden` for another's search, and for a project's own listing without the right to edit the project."""
    tag, root = document.attributes.get('tag', ''), root_of(call, document)
    listing = tag and (document.id == f'{tag}_{root}' or document.attributes.get('brief-description') == call.archive.model.plural(root))
    if call.caller.admin or (known is None and not listing):
        return
    if known is not None and _is_for(known, call.caller.login, _groups(connection, call.caller)):
        return
    tag = known.attributes.get('tag', '') if known is not None else tag
    if not tag or 'edit' not in rights(connection, call.caller, tag):
        raise Forbidden(f'The saved search {document.id} is not yours.')


def _delete(call: Call, name: str) -> Response:
    """Take the caller, or a group of the caller's, from those a search is for; the last one's going removes it. Unknown ones are fine."""
    with call.archive.store.write() as connection:
        found = _find(connection, name)
        if found is None:
            return text()
        groups = _groups(connection, call.caller).intersection(found.groups)
        if not call.caller.admin and call.caller.login not in found.users and not groups:
            raise Forbidden(f'The saved search {name} is not yours.')
        if call.caller.login in found.users:
            found.users = tuple(login for login in found.users if login != call.caller.login)
        elif groups:
            found.groups = tuple(one for one in found.groups if one != min(groups))
        else:
            found.users = found.groups = ()  # an administrator's word
        if found.users or found.groups:
            _keep(connection, call.caller.login, found)
        else:
            connection.execute(saved.delete().where(saved.c.id == name))
    return text()
