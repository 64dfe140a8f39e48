"""Routes of data elements; listings and documents of items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, Level
from ..db.guards import Guard
from ..errors import BadRequest, ExpectationFailed, InternalServerError, NotAcceptable
from ..http.request import Call, text
from ..http.responses import nothing, send, table_response
from ..http.router import Route, guarded
from ..http.table_formats import render
from ..items.catalogues import catalogue_of_resource
from ..items.history import versions
from ..items.locate import Place, find
from ..items.represent import Representer
from ..items.rows import visible_projects
from ..items.uris import ItemPath
from ..search.listing import listing
from ..table import Table
from . import file_reads, file_writes, item_writes, project_lists
from .audit import history
from .item_paths import on_item

__all__ = ['ROUTES']


# -- resources and files


def _resource_list(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return table_response(call, file_reads.resource_table(call, connection, path))


def _resource_get(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return send(catalogue_of_resource(call, connection, path))


def _files_get(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        files = file_reads.download(call, connection, path)
    return table_response(call, files) if isinstance(files, Table) else files


# -- collections


def _post_sessions(call: Call, path: ItemPath) -> Response:
    raise ExpectationFailed(
        'Sessions are created below their subject: /data/projects/P/subjects/S/experiments/E'
    )


def _list(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        if path.names == ('projects',) and project_lists.is_variant(call):
            return project_lists.variant_response(call, connection)
        if path.names == ('subjects',):
            _check_reader(call, connection)
        place = find(connection, call.caller, path.steps[:-1])
        table = listing(call, connection, path, place)
        return nothing(call) if table is None else table_response(call, table)


def _check_reader(call: Call, connection: Any) -> None:
    """Raise `InternalServerError` for users who may read no project.

    XNAT cannot list all subjects for them; its list of all sessions is empty.
    """
    if not call.caller.admin and not visible_projects(connection, call.caller):
        raise InternalServerError(
            'XNAT cannot list the subjects of a user who may read no project.'
        )


# -- items


def _get(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        place = find(connection, call.caller, path.steps)
        return _representation(call, connection, place)


def _representation(call: Call, connection: Any, place: Place) -> Response:
    def uri(row: Any, holder: Any) -> str:
        folder = call.archive.files.resource_folder(connection, row, holder)
        return str(folder / f'{row.label or row.pk}_catalog.xml')

    representer = Representer(
        connection, call.archive.model, call.caller, uri, call.request.host_url.rstrip('/')
    )
    if call.has('handler'):
        return _handled(call, representer, place.row)
    form = call.get('format').lower() or _accepted(call)
    if form in ('json', 'application/json'):
        past = versions(connection, place.row) if call.flag('includeHistory') else ()
        return Response(
            representer.json([place.row, *past], call.flag('includeHeaders')),
            content_type='application/json',
        )
    if form in ('html', 'text/html'):
        table = Table(['field', 'value'], list(representer.values(place.row).items()))
        return Response(
            b'<!DOCTYPE html>' + b''.join(render(table, 'html')), content_type='text/html'
        )
    return Response(
        representer.xml(place.row, call.flag('concealHiddenFields')), content_type='text/xml'
    )  # also for unknown formats


def _handled(call: Call, representer: Representer, row: Any) -> Response:
    """Return some fields of an item as a table, or with ``asValue`` one value.

    This is ``handler=values``.
    """
    if call.get('handler') != 'values':
        raise BadRequest(f'{call.get("handler")!r} is not a handler of items; use values.')
    columns = [name for value in call.all('columns') for name in value.split(',') if name]
    if not columns or (call.flag('asValue') and len(columns) > 1):
        raise BadRequest('Name the columns to return; asValue returns one.')
    row = [representer.value(row, name) for name in columns]
    return (
        text(row[0])
        if call.flag('asValue')
        else table_response(call, Table(columns, [row]), 'html')
    )


def _accepted(call: Call) -> str:
    """Return the best media type of ``Accept``: HTML before XML, as in XNAT.

    `NotAcceptable` if neither is accepted.
    """
    if 'Accept' not in call.request.headers:
        return 'html'
    best = call.request.accept_mimetypes.best_match(['text/html', 'text/xml'])
    if best is None:
        raise NotAcceptable(
            'An item can be sent as text/html or text/xml; for JSON use format=json.'
        )
    return best


# -- sub-paths of items


def _below(call: Call, path: ItemPath) -> Response:
    """Return the status or history of an item, else the item, as XNAT does."""
    where = path.last.level.singular
    if (where, path.tail) not in _ITSELF and path.tail in _SUB_PATHS:
        with call.archive.store.read() as connection:
            row = find(connection, call.caller, path.steps).row
            return _SUB_PATHS[path.tail](connection, call.caller, row)
    return _get(call, path)


def _no_part(call: Call, path: ItemPath) -> Response:
    raise BadRequest(f'{"/".join(path.tail)} is not a part of a {path.last.level.singular}.')


_SUB_PATHS: Mapping[tuple[str, ...], Callable[[Any, Any, Any], Response]] = {
    ('status',): lambda connection, caller, row: text(row.status, mimetype='text/html'),
    ('history',): history,
}
"""Sub-paths of items with a response of their own."""
_ITSELF = frozenset({('subject', ('history',))})
"""Sub-paths for which XNAT returns the item."""


# -- the routes


def _routes(row: Level) -> Iterator[Route]:
    if row.is_file:
        return _file_routes(f'…/{row.segment}/{{path*}}')
    if row.is_resource:
        return _resource_routes(f'…/{row.segment}', row)
    return _item_routes(f'…/{row.segment}', row)


def _file_routes(pattern: str) -> Iterator[Route]:
    yield Route(
        'GET',
        pattern,
        on_item(_files_get),
        'List the files of a resource or of all resources, pack them, or return one.',
    )
    yield Route(
        'PUT POST',
        pattern,
        on_item(file_writes.put_files),
        'Store a file, the files of a form, or those of an archive.',
    )
    yield Route(
        'DELETE',
        pattern,
        on_item(file_writes.delete_files),
        'Delete the files whose paths begin with the path.',
    )


def _resource_routes(pattern: str, row: Level) -> Iterator[Route]:
    element = f'{pattern}/{{{row.singular}}}/{{*}}'
    yield Route('GET', pattern, on_item(_resource_list), 'List the resources.')
    yield Route(
        'PUT POST', pattern, on_item(file_writes.put_resource), 'Create a resource without a label.'
    )
    yield Route('GET', element, on_item(_resource_get), 'Return the catalogue of a resource.')
    yield Route(
        'PUT POST',
        element,
        on_item(file_writes.put_resource),
        'Create a resource, or change its format, content or tags.',
    )
    yield Route(
        'DELETE', element, on_item(file_writes.delete_resource), 'Delete a resource with its files.'
    )


def _item_routes(pattern: str, row: Level) -> Iterator[Route]:
    element = f'{pattern}/{{{row.singular}}}'
    name = f'{"an" if row.singular[0] in "aeiou" else "a"} {row.singular}'
    yield Route('GET', pattern, on_item(_list), f'List the {row.plural}.')
    yield from (
        Route('POST', place, on_item(item_writes.post_item), f'Create {name}.')
        for place in _POSTED.get(row.plural, (pattern,))
    )
    yield Route('GET', element, on_item(_get), f'Return {name} as JSON, XML or a page.')
    yield Route(
        'PUT', element, on_item(item_writes.put_item), f'Create {name}, or change its fields.'
    )
    gone = (
        f'Delete {name}'
        if row.plural == 'projects'
        else f'Delete {name}, or take it out of a project that it is shared into'
    )
    yield Route('DELETE', element, on_item(item_writes.delete_item), f'{gone}.')
    if row.plural == 'projects':
        yield Route(
            'GET PUT POST DELETE',
            f'{element}/{{tail*}}',
            on_item(_no_part),
            'Refuse: the path is not a part of a project.',
        )
        return
    yield Route(
        'GET',
        f'{element}/{{tail*}}',
        on_item(_below),
        f'Return the `status` or `history` of {name}, with other words {name} itself.',
    )
    yield Route(
        'PUT POST DELETE',
        f'{element}/{{tail*}}',
        on_item(_no_part),
        f'Refuse: the path is not a part of {name}.',
    )


_POSTED = {
    'subjects': ('/data/projects/{project}/subjects',),
    'experiments': ('/data/projects/{project}/subjects/{subject}/experiments',),
}
"""Patterns for POST at some levels; items of the others are created wherever they are listed."""
ROUTES = guarded(
    Guard.ITEM,
    (
        *(route for row in LEVELS for route in _routes(row)),
        Route(
            'POST',
            '/data/projects/{project}/experiments',
            on_item(_post_sessions),
            'Refuse: sessions are created below their subject.',
        ),
    ),
)
