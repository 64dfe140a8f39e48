"""Routes of data elements: collections, items, resources and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, Level
from ..db.access import ANY, Caller, rights
from ..db.types import split_path
from ..errors import (
    BadRequest,
    Conflict,
    ExpectationFailed,
    InternalServerError,
    NotAcceptable,
    NotFound,
    UnprocessableEntity,
)
from ..http.request import Call, text
from ..http.responses import made_at, nothing, send, table_response
from ..http.router import Route
from ..http.table_formats import render
from ..items.catalogues import catalogue_of_resource
from ..items.edit import Document
from ..items.history import Event, versions
from ..items.locate import Place, find, find_project, need, need_on
from ..items.represent import Representer
from ..items.rows import child_ids, visible_projects
from ..items.uris import ItemPath, Step
from ..items.writer import Writer
from ..jobs import change_feed
from ..search.listing import listing
from ..table import Table
from . import file_reads, file_writes, project_lists, triggers
from .audit import history
from .item_bodies import document_of
from .item_paths import on_item
from .sharing import share_by_field, target_project

__all__ = ['ROUTES']

_WITH_ACCESSION = frozenset({'subject', 'experiment', 'assessor'})
_STATUS = {
    'activate': 'active',
    'quarantine': 'quarantine',
    '_lock': 'locked',
    '_unlock': 'active',
    '_obsolete': 'obsolete',
}


# -- resources and files


def _resource_list(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return table_response(call, file_reads.resource_table(call, connection, path))


def _resource_get(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return send(catalogue_of_resource(call, connection, path))


def _files_get(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        found = file_reads.download(call, connection, path)
    return table_response(call, found) if isinstance(found, Table) else found


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


def _post(call: Call, path: ItemPath) -> Response:
    """Create an element and return its URI; query or document have the label."""
    where = path.last.level.singular
    document = document_of(call, where)
    name = document.core.get('label' if where in _WITH_ACCESSION else 'ID') or ''
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, path.steps[:-1], 'PUT')
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        if where == 'project':
            if not name:
                raise ExpectationFailed('Name the ID of the project.')
            if find_project(connection, name) is not None:
                raise Conflict(f'There is a project {name} already.')
            row = writer.put_project(name, document, None, call.get('accessibility') or None)
        else:
            name = name or _next_number(call, connection, where, place)
            row = writer.create(where, name, place.row, place.project or place.owner, document)
        (change_feed.project_made if where == 'project' else change_feed.added)(
            call, connection, row
        )
    return made_at(call, row.id)


def _next_number(call: Call, connection: Any, where: str, place: Place) -> str:
    """Return the number of a scan that is posted without an ID.

    Other levels need a label; a caller without the create right is refused first.
    """
    if where != 'scan':
        need(
            connection,
            call.caller,
            place.project or place.owner,
            'create',
            call.archive.model.default_type(where) or '',
        )
        raise ExpectationFailed(f'Name the label of the {where}.')
    used = child_ids(connection, place.row, where)
    return next(str(number) for number in range(1, len(used) + 2) if str(number) not in used)


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


def _put(call: Call, path: ItemPath) -> Response:
    where = path.last.level.singular
    document = None
    if call.has_body:  # read before the transaction, but after the check of rights
        with call.archive.store.read() as connection:
            known = _known(_place_for_put(call, connection, path))
        document = _read(call, path, known)
    with call.archive.store.write() as connection:
        place = _place_for_put(call, connection, path)
        document = document or _read(call, path, _known(place))
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        if where == 'project':
            text_id = path.last.id or ''
            row = writer.put_project(
                text_id,
                document,
                place.row if place.missing is None else None,
                call.get('accessibility') or None,
            )
            if place.missing is None:
                change_feed.modified(call, connection, place.row, row)
            else:
                change_feed.project_made(call, connection, row)
            return text()
        if where == 'scan':
            document.core['project'] = (
                place.project or place.owner
            )  # the path overrides the document
        if place.missing is not None:
            response, row = _create(call, path, place, writer, document)
            change_feed.added(call, connection, row)
        else:
            response, row = _change(call, path, place, writer, document)
            change_feed.modified(call, connection, place.row, row)
        if document.share.get('project'):
            share_by_field(connection, writer, row, document)
    if where == 'experiment':
        triggers.run(call, row)
    return response


def _known(place: Place) -> Any:
    return place.row if place.missing is None else None


def _read(call: Call, path: ItemPath, known: Any) -> Document:
    """Return the document of a PUT.

    If the path of a session names no subject, short names are ignored, and a data type in the query
    makes it a new item.
    """
    where = path.last.level.singular
    if where != 'experiment' or 'subjects' in path.names:
        return document_of(call, where, known)
    named = any(name in ('xsiType', 'ELEMENT_0') or split_path(name) for name, _ in call.query)
    document = document_of(call, where, None if named else known, short=False)
    document.core.update(
        {name: call.get(name) for name in ('label', 'subject_ID') if call.get(name)}
    )
    if not named and not document.from_xml:
        return document
    if 'projects' not in path.names and not document.core.get('project'):
        raise UnprocessableEntity('Submitted experiment record must include the project attribute.')
    if not document.core.get('subject_ID'):
        raise BadRequest(
            "The content of element 'xnat:subjectAssessorData' is not complete: subject_ID "
            'Required Field'
        )
    return document


def _place_for_put(call: Call, connection: Any, path: ItemPath) -> Place:
    """Return the place of the item of a PUT; a missing subject is allowed."""
    steps, where = path.steps, path.last.level.singular
    if steps[0].level.plural == 'projects' and where in ('subject', 'experiment'):
        _need_project(connection, call.caller, steps[0].id or '', where)
    if path.names == ('projects', 'subjects', 'experiments'):
        above = find(connection, call.caller, steps[:2], 'PUT', may_miss=True)
        if above.missing is not None:
            return _session_of_no_subject(call, connection, path, above)
    place = _found_for_put(call, connection, path)
    if path.names == ('subjects',) and place.missing is not None:
        return place  # the document names the project
    if place.missing is None:
        if where != 'project':
            need_on(connection, call.caller, place.row, 'edit')
    elif place.row is not None:
        need(connection, call.caller, place.project or place.row.project, 'create', ANY)
    return place


def _found_for_put(call: Call, connection: Any, path: ItemPath) -> Place:
    """Return the place of a path, with XNAT's errors for a missing session."""
    where = path.last.level.singular
    try:
        place = find(connection, call.caller, path.steps, 'PUT', may_miss=True)
    except NotFound as error:
        if where == 'scan':
            return _scan_of_document(call, connection, path, error)
        if where == 'assessor':
            raise BadRequest(f'imageSession_ID Required Field. {error.description}') from error
        raise
    scan_id = (
        _core_of_scan(call).get('ID') if where == 'scan' and place.missing is not None else None
    )
    return (
        find(
            connection,
            call.caller,
            [*path.steps[:-1], path.last._replace(id=scan_id)],
            'PUT',
            may_miss=True,
        )
        if scan_id
        else place
    )


def _core_of_scan(call: Call) -> Mapping[str, str]:
    """Return the core fields of a scan's document."""
    return document_of(call, 'scan').core if call.has_body else {}


def _scan_of_document(call: Call, connection: Any, path: ItemPath, error: NotFound) -> Place:
    """Return the place of a scan whose session only the document names."""
    core = _core_of_scan(call)
    if not core.get('image_session_ID'):
        raise ExpectationFailed(
            f'Specified scan must reference a valid image session. {error.description}'
        ) from error
    steps = [
        Step(path.steps[-2].level, core['image_session_ID']),
        path.last._replace(id=core.get('ID') or path.last.id),
    ]
    place = find(connection, call.caller, steps, 'PUT', may_miss=True)
    project = (
        find_project(connection, path.steps[0].id or '') if path.names[0] == 'projects' else None
    )
    if project is not None and 'see' in rights(connection, call.caller, project.id):
        place.project = project.id
    return place


def _need_project(connection: Any, caller: Caller, name: str, where: str) -> None:
    """Raise `UnprocessableEntity` for a missing or invisible project.

    XNAT's response is the same for both.
    """
    found = find_project(connection, name)
    if found is None or 'see' not in rights(connection, caller, found.id):
        raise UnprocessableEntity(
            f'Submitted {where} record must include the project attribute. Unable to find the '
            f'project: {name}'
        )


def _session_of_no_subject(call: Call, connection: Any, path: ItemPath, above: Place) -> Place:
    """Return the place of a session whose subject is missing.

    An existing session keeps its subject; for a new one the subject is created.
    """
    place = find(connection, call.caller, [path.steps[0], path.steps[2]], 'PUT', may_miss=True)
    if place.missing is None:
        need_on(connection, call.caller, place.row, 'edit')
        return place
    need(connection, call.caller, above.owner, 'create', 'xnat:subjectData')
    above.missing = path.steps[2]
    return above


def _create(
    call: Call, path: ItemPath, place: Place, writer: Writer, document: Document
) -> tuple[Response, Any]:
    where = path.last.level.singular
    name = (place.missing.id if place.missing is not None else None) or ''
    if path.names == ('subjects',):
        place.row = _project_of_document(call, writer, document)
    if place.row is None:
        raise UnprocessableEntity(
            f'Submitted {where} record must include the project attribute. Unable to find the '
            f'specified {where}: {name}'
        )
    parent = place.row
    project = place.project or parent.project
    known = writer.of_id(where, document)
    if where in _WITH_ACCESSION:  # query and document override the path
        name = document.core.get('label') or name
        wanted = (
            document.core.get('project', project)
            if where == 'subject' and document.from_xml
            else project
        )
        project = (
            wanted
            if wanted == project
            else target_project(writer.connection, call.caller, wanted).id
        )
        known = known if known is not None else writer.bearing(where, project, name)
    if known is not None:
        if known.project != project:
            raise Conflict(
                f'Project must be modified through separate URI. {known.id} belongs to project '
                f'{known.project}.'
            )
        document.core['label'] = name
        return _written(
            call, writer, writer.update(known, document, _parent(writer, place, path, document))
        )
    parent = _parent(writer, place, path, document) or parent
    row = writer.create(where, name, parent, project, document)
    _manage_status(call, writer, row)
    return text(row.id, 201) if where in _WITH_ACCESSION else text(), row


def _parent(writer: Writer, place: Place, path: ItemPath, document: Document) -> Any:
    """Return the parent of an item: that of its path or document.

    The subject of a session is created if missing.
    """
    if path.last.level.plural != 'experiments' or place.project is None:
        return place.row
    if 'subject' in place.rows:
        return place.rows['subject']
    project = place.rows['project']
    if path.names[-2] == 'subjects':
        return writer.new_subject(path.steps[1].id or '', project)
    return writer.find_or_create_subject(document.core.get('subject_ID', ''), project)


def _project_of_document(call: Call, writer: Writer, document: Document) -> Any:
    """Return the project that a document for ``/subjects/S`` names.

    `UnprocessableEntity` if it names none.
    """
    name = document.core.get('project', '')
    if not name:
        raise UnprocessableEntity('Submitted subject record must include the project attribute.')
    return target_project(writer.connection, call.caller, name)


def _change(
    call: Call, path: ItemPath, place: Place, writer: Writer, document: Document
) -> tuple[Response, Any]:
    row = place.row
    wanted = document.core.get('label')
    if (
        row.level in _WITH_ACCESSION
        and wanted
        and wanted != row.label
        and not (document.from_xml and row.level == 'subject')
    ):
        if document.from_xml:
            raise BadRequest(
                f'Label must be modified through separate URI: it is {row.label}, not {wanted}.'
            )
        if place.project and place.project != row.project:
            raise Conflict(f'{row.id} belongs to project {row.project}; rename it there.')
        return text(), writer.rename(row, wanted)
    project = document.core.get('project')
    if project and project != row.project and row.level in _WITH_ACCESSION:
        raise Conflict(
            f'Project must be modified through separate URI. {row.id} belongs to project '
            f'{row.project}, not {project}.'
        )
    return _written(call, writer, writer.update(row, document, _put_below(place, row, document)))


def _put_below(place: Place, row: Any, document: Document) -> Any:
    """Return the parent in the path if the item must be moved there, or None."""
    level_above = {
        'experiment': 'subject',
        'assessor': 'experiment',
        'reconstruction': 'experiment',
    }.get(row.level, '')
    above = (
        place.rows.get(level_above) if place.row is place.rows.get(row.level, place.row) else None
    )
    if above is None or (document.core.get('subject_ID') and not document.from_xml):
        return None
    return above


def _written(call: Call, writer: Writer, row: Any) -> tuple[Response, Any]:
    _manage_status(call, writer, row)
    return text(row.id) if row.level in _WITH_ACCESSION else text(), row


def _manage_status(call: Call, writer: Writer, row: Any) -> None:
    for name, status in _STATUS.items():
        if call.flag(name):
            writer.set_status(row, status)


def _delete(call: Call, path: ItemPath) -> Response:
    with call.archive.store.write() as connection:
        try:
            place = find(connection, call.caller, path.steps, 'DELETE')
        except NotFound as error:
            raise (
                BadRequest(error.description) if path.names == ('projects',) else error
            ) from error  # as XNAT, for projects only
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        row = place.row
        if (
            place.project
            and row.level != 'project'
            and row.level != 'scan'
            and row.project != place.project
        ):
            writer.unshare(row, place.project)
            change_feed.shared(call, connection, row)
        else:
            change_feed.removed(call, connection, row)
            writer.delete(row)
    return text()


# -- sub-paths of items


def _below(call: Call, path: ItemPath) -> Response:
    """Return the status or history of an item, else the item, as XNAT does."""
    where = path.last.level.singular
    if (where, path.tail) not in _ITSELF and path.tail in _SUB_PATHS:
        with call.archive.store.read() as connection:
            return _SUB_PATHS[path.tail](connection, find(connection, call.caller, path.steps).row)
    return _get(call, path)


def _no_part(call: Call, path: ItemPath) -> Response:
    raise BadRequest(f'{"/".join(path.tail)} is not a part of a {path.last.level.singular}.')


_SUB_PATHS: Mapping[tuple[str, ...], Callable[[Any, Any], Response]] = {
    ('status',): lambda connection, row: text(row.status, mimetype='text/html'),
    ('history',): history,
}
"""Sub-paths of items with a response of their own."""
_ITSELF = frozenset({('subject', ('history',))})
"""Sub-paths for which XNAT returns the item."""


# -- the routes


def _routes(row: Level) -> Iterator[Route]:
    if row.plural == 'files':
        return _file_routes(f'…/{row.segment}/{{path*}}')
    if row.plural.endswith('resources'):
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
        Route('POST', place, on_item(_post), f'Create {name}.')
        for place in _POSTED.get(row.plural, (pattern,))
    )
    yield Route('GET', element, on_item(_get), f'Return {name} as JSON, XML or a page.')
    yield Route('PUT', element, on_item(_put), f'Create {name}, or change its fields.')
    gone = (
        f'Delete {name}'
        if row.plural == 'projects'
        else f'Delete {name}, or take it out of a project that it is shared into'
    )
    yield Route('DELETE', element, on_item(_delete), f'{gone}.')
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
ROUTES = (
    *(route for row in LEVELS for route in _routes(row)),
    Route(
        'POST',
        '/data/projects/{project}/experiments',
        on_item(_post_sessions),
        'Refuse: sessions are created below their subject.',
    ),
)
