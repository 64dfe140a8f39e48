"""The routes of data elements: what each verb does on a collection, an item, a resource, a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, Level
from ..db.access import ANY, Caller, rights
from ..db.types import split_path
from ..errors import BadRequest, Conflict, ExpectationFailed, InternalServerError, NotAcceptable, NotFound, UnprocessableEntity
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
_STATUS = {'activate': 'active', 'quarantine': 'quarantine', '_lock': 'locked', '_unlock': 'active', '_obsolete': 'obsolete'}


# -- resources and files


def _resource_list(call: Call, route: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return table_response(call, file_reads.resource_table(call, connection, route))


def _resource_get(call: Call, route: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return send(catalogue_of_resource(call, connection, route))


def _files_get(call: Call, route: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        found = file_reads.download(call, connection, route)
    return table_response(call, found) if isinstance(found, Table) else found


# -- collections


def _post_sessions(call: Call, route: ItemPath) -> Response:
    raise ExpectationFailed('Sessions are made below their subject: /data/projects/P/subjects/S/experiments/E')


def _list(call: Call, route: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        if route.names == ('projects',) and project_lists.is_variant(call):
            return project_lists.answer(call, connection)
        if route.names == ('subjects',):
            _check_reader(call, connection)
        place = find(connection, call.caller, route.steps[:-1])
        table = listing(call, connection, route, place)
        return nothing(call) if table is None else table_response(call, table)


def _check_reader(call: Call, connection: Any) -> None:
    """`InternalServerError` for who may read no project: there XNAT fails over all subjects, and of all sessions it says that there are none."""
    if not call.caller.admin and not visible_projects(connection, call.caller):
        raise InternalServerError('XNAT cannot list the subjects of a user who may read no project.')


def _post(call: Call, route: ItemPath) -> Response:
    """Create an element whose label is in the query or the document; the answer is its URI."""
    where = route.last.level.singular
    document = document_of(call, where)
    name = document.core.get('label' if where in _WITH_ACCESSION else 'ID') or ''
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, route.steps[:-1], 'PUT')
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
        (change_feed.project_made if where == 'project' else change_feed.added)(call, connection, row)
    return made_at(call, row.id)


def _next_number(call: Call, connection: Any, where: str, place: Place) -> str:
    """XNAT numbers scans that are posted without an ID; who may not create is told that first."""
    if where != 'scan':
        need(connection, call.caller, place.project or place.owner, 'create', call.archive.model.default_type(where) or '')
        raise ExpectationFailed(f'Name the label of the {where}.')
    used = child_ids(connection, place.row, where)
    return next(str(number) for number in range(1, len(used) + 2) if str(number) not in used)


# -- items


def _get(call: Call, route: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        place = find(connection, call.caller, route.steps)
        return _representation(call, connection, place)


def _representation(call: Call, connection: Any, place: Place) -> Response:
    def uri(row: Any, holder: Any) -> str:
        folder = call.archive.files.resource_folder(connection, row, holder)
        return str(folder / f'{row.label or row.pk}_catalog.xml')

    representer = Representer(connection, call.archive.model, call.caller, uri, call.request.host_url.rstrip('/'))
    if call.has('handler'):
        return _handled(call, representer, place.row)
    form = call.get('format').lower() or _accepted(call)
    if form in ('json', 'application/json'):
        past = versions(connection, place.row) if call.flag('includeHistory') else ()
        return Response(representer.json([place.row, *past], call.flag('includeHeaders')), content_type='application/json')
    if form in ('html', 'text/html'):
        table = Table(['field', 'value'], list(representer.values(place.row).items()))
        return Response(b'<!DOCTYPE html>' + b''.join(render(table, 'html')), content_type='text/html')
    return Response(representer.xml(place.row, call.flag('concealHiddenFields')), content_type='text/xml')  # whatever else was asked


def _handled(call: Call, representer: Representer, row: Any) -> Response:
    """``handler=values``: some fields of an item as a table of one row, or, with ``asValue``, the value of one."""
    if call.get('handler') != 'values':
        raise BadRequest(f'{call.get("handler")!r} is no handler of items; there is: values.')
    columns = [name for value in call.all('columns') for name in value.split(',') if name]
    if not columns or (call.flag('asValue') and len(columns) > 1):
        raise BadRequest('Name the columns to return; asValue returns one.')
    row = [representer.value(row, name) for name in columns]
    return text(row[0]) if call.flag('asValue') else table_response(call, Table(columns, [row]), 'html')


def _accepted(call: Call) -> str:
    """HTML comes first for items, then XML: `*/*` gets a page, as from XNAT; `NotAcceptable` for what is neither."""
    if 'Accept' not in call.request.headers:
        return 'html'
    best = call.request.accept_mimetypes.best_match(['text/html', 'text/xml'])
    if best is None:
        raise NotAcceptable('The item is told as text/html or text/xml; JSON wants format=json.')
    return best


def _put(call: Call, route: ItemPath) -> Response:
    where = route.last.level.singular
    document = None
    if call.has_body:  # read before the transaction; and a caller who may not is told before it is read
        with call.archive.store.read() as connection:
            known = _known(_place_for_put(call, connection, route))
        document = _read(call, route, known)
    with call.archive.store.write() as connection:
        place = _place_for_put(call, connection, route)
        document = document or _read(call, route, _known(place))
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        if where == 'project':
            text_id = route.last.id or ''
            row = writer.put_project(text_id, document, place.row if place.missing is None else None, call.get('accessibility') or None)
            if place.missing is None:
                change_feed.modified(call, connection, place.row, row)
            else:
                change_feed.project_made(call, connection, row)
            return text()
        if where == 'scan':
            document.core['project'] = place.project or place.owner  # the path beats the document
        if place.missing is not None:
            response, row = _create(call, route, place, writer, document)
            change_feed.added(call, connection, row)
        else:
            response, row = _change(call, route, place, writer, document)
            change_feed.modified(call, connection, place.row, row)
        if document.share.get('project'):
            share_by_field(connection, writer, row, document)
    if where == 'experiment':
        triggers.run(call, row)
    return response


def _known(place: Place) -> Any:
    return place.row if place.missing is None else None


def _read(call: Call, route: ItemPath, known: Any) -> Document:
    """What a PUT says. Where the path of a session names no subject, short names count for nothing, and a type makes it another item."""
    where = route.last.level.singular
    if where != 'experiment' or 'subjects' in route.names:
        return document_of(call, where, known)
    named = any(name in ('xsiType', 'ELEMENT_0') or split_path(name) for name, _ in call.query)
    document = document_of(call, where, None if named else known, short=False)
    document.core.update({name: call.get(name) for name in ('label', 'subject_ID') if call.get(name)})
    if not named and not document.from_xml:
        return document
    if 'projects' not in route.names and not document.core.get('project'):
        raise UnprocessableEntity('Submitted experiment record must include the project attribute.')
    if not document.core.get('subject_ID'):
        raise BadRequest("The content of element 'xnat:subjectAssessorData' is not complete: subject_ID Required Field")
    return document


def _place_for_put(call: Call, connection: Any, route: ItemPath) -> Place:
    """The item of a PUT; where its subject is missing too, a PUT of a session makes it."""
    steps, where = route.steps, route.last.level.singular
    if steps[0].level.plural == 'projects' and where in ('subject', 'experiment'):
        _need_project(connection, call.caller, steps[0].id or '', where)
    if route.names == ('projects', 'subjects', 'experiments'):
        above = find(connection, call.caller, steps[:2], 'PUT', may_miss=True)
        if above.missing is not None:
            return _session_of_no_subject(call, connection, route, above)
    place = _found_for_put(call, connection, route)
    if route.names == ('subjects',) and place.missing is not None:
        return place  # the document tells the project
    if place.missing is None:
        if where != 'project':
            need_on(connection, call.caller, place.row, 'edit')
    elif place.row is not None:
        need(connection, call.caller, place.project or place.row.project, 'create', ANY)
    return place


def _found_for_put(call: Call, connection: Any, route: ItemPath) -> Place:
    """What a path names; for a scan or an assessor of no session XNAT's own refusal."""
    where = route.last.level.singular
    try:
        place = find(connection, call.caller, route.steps, 'PUT', may_miss=True)
    except NotFound as error:
        if where == 'scan':
            return _scan_of_document(call, connection, route, error)
        if where == 'assessor':
            raise BadRequest(f'imageSession_ID Required Field. {error.description}') from error
        raise
    told = _scan_told(call).get('ID') if where == 'scan' and place.missing is not None else None
    return find(connection, call.caller, [*route.steps[:-1], route.last._replace(id=told)], 'PUT', may_miss=True) if told else place


def _scan_told(call: Call) -> Mapping[str, str]:
    """What a document says of the place of a scan."""
    return document_of(call, 'scan').core if call.has_body else {}


def _scan_of_document(call: Call, connection: Any, route: ItemPath, error: NotFound) -> Place:
    """The scan of the session that a document names, where its path names no session that is there."""
    told = _scan_told(call)
    if not told.get('image_session_ID'):
        raise ExpectationFailed(f'Specified scan must reference a valid image session. {error.description}') from error
    steps = [Step(route.steps[-2].level, told['image_session_ID']), route.last._replace(id=told.get('ID') or route.last.id)]
    place = find(connection, call.caller, steps, 'PUT', may_miss=True)
    project = find_project(connection, route.steps[0].id or '') if route.names[0] == 'projects' else None
    if project is not None and 'see' in rights(connection, call.caller, project.id):
        place.project = project.id
    return place


def _need_project(connection: Any, caller: Caller, name: str, where: str) -> None:
    """XNAT says the same of a project that is not there and of one that the caller does not see."""
    found = find_project(connection, name)
    if found is None or 'see' not in rights(connection, caller, found.id):
        raise UnprocessableEntity(f'Submitted {where} record must include the project attribute. Unable to find the project: {name}')


def _session_of_no_subject(call: Call, connection: Any, route: ItemPath, above: Place) -> Place:
    """A session that the project has keeps its subject; a new one gets a subject that is made for it."""
    place = find(connection, call.caller, [route.steps[0], route.steps[2]], 'PUT', may_miss=True)
    if place.missing is None:
        need_on(connection, call.caller, place.row, 'edit')
        return place
    need(connection, call.caller, above.owner, 'create', 'xnat:subjectData')
    above.missing = route.steps[2]
    return above


def _create(call: Call, route: ItemPath, place: Place, writer: Writer, document: Document) -> tuple[Response, Any]:
    where = route.last.level.singular
    name = (place.missing.id if place.missing is not None else None) or ''
    if route.names == ('subjects',):
        place.row = _project_told(call, writer, document)
    if place.row is None:
        raise UnprocessableEntity(f'Submitted {where} record must include the project attribute. Unable to find the specified {where}: {name}')
    parent = place.row
    project = place.project or parent.project
    known = writer.of_id(where, document)
    if where in _WITH_ACCESSION:  # the label that is told, and the project of a document, beat the path
        name = document.core.get('label') or name
        told = document.core.get('project', project) if where == 'subject' and document.from_xml else project
        project = told if told == project else target_project(writer.connection, call.caller, told).id
        known = known if known is not None else writer.bearing(where, project, name)
    if known is not None:
        if known.project != project:
            raise Conflict(f'Project must be modified through separate URI. {known.id} belongs to project {known.project}.')
        document.core['label'] = name
        return _written(call, writer, writer.update(known, document, _parent(writer, place, route, document)))
    parent = _parent(writer, place, route, document) or parent
    row = writer.create(where, name, parent, project, document)
    _manage_status(call, writer, row)
    return text(row.id, 201) if where in _WITH_ACCESSION else text(), row


def _parent(writer: Writer, place: Place, route: ItemPath, document: Document) -> Any:
    """What an item is put below: what its path names, or, of a session, what the document does; made where it is not there."""
    if route.last.level.plural != 'experiments' or place.project is None:
        return place.row
    if 'subject' in place.rows:
        return place.rows['subject']
    project = place.rows['project']
    if route.names[-2] == 'subjects':
        return writer.new_subject(route.steps[1].id or '', project)
    return writer.find_or_create_subject(document.core.get('subject_ID', ''), project)


def _project_told(call: Call, writer: Writer, document: Document) -> Any:
    """The project that a document for ``/subjects/S`` names; `UnprocessableEntity` where it names none."""
    name = document.core.get('project', '')
    if not name:
        raise UnprocessableEntity('Submitted subject record must include the project attribute.')
    return target_project(writer.connection, call.caller, name)


def _change(call: Call, route: ItemPath, place: Place, writer: Writer, document: Document) -> tuple[Response, Any]:
    row = place.row
    wanted = document.core.get('label')
    if row.level in _WITH_ACCESSION and wanted and wanted != row.label and not (document.from_xml and row.level == 'subject'):
        if document.from_xml:
            raise BadRequest(f'Label must be modified through separate URI: it is {row.label}, not {wanted}.')
        if place.project and place.project != row.project:
            raise Conflict(f'{row.id} belongs to project {row.project}; rename it there.')
        return text(), writer.rename(row, wanted)
    project = document.core.get('project')
    if project and project != row.project and row.level in _WITH_ACCESSION:
        raise Conflict(f'Project must be modified through separate URI. {row.id} belongs to project {row.project}, not {project}.')
    return _written(call, writer, writer.update(row, document, _put_below(place, row, document)))


def _put_below(place: Place, row: Any, document: Document) -> Any:
    """What the path puts an item below, where that is not what it is below: XNAT moves it there."""
    level_above = {'experiment': 'subject', 'assessor': 'experiment', 'reconstruction': 'experiment'}.get(row.level, '')
    above = place.rows.get(level_above) if place.row is place.rows.get(row.level, place.row) else None
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


def _delete(call: Call, route: ItemPath) -> Response:
    with call.archive.store.write() as connection:
        try:
            place = find(connection, call.caller, route.steps, 'DELETE')
        except NotFound as error:
            raise (BadRequest(error.description) if route.names == ('projects',) else error) from error  # so XNAT says of projects alone
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        row = place.row
        if place.project and row.level != 'project' and row.level != 'scan' and row.project != place.project:
            writer.unshare(row, place.project)
            change_feed.shared(call, connection, row)
        else:
            change_feed.removed(call, connection, row)
            writer.delete(row)
    return text()


# -- sub-paths of items


def _below(call: Call, route: ItemPath) -> Response:
    """What XNAT does with segments that name no level: the status, the history, else the item itself."""
    where = route.last.level.singular
    if (where, route.tail) not in _ITSELF and route.tail in _TOLD:
        with call.archive.store.read() as connection:
            return _TOLD[route.tail](connection, find(connection, call.caller, route.steps).row)
    return _get(call, route)


def _no_part(call: Call, route: ItemPath) -> Response:
    raise BadRequest(f'{"/".join(route.tail)} is no part of a {route.last.level.singular}.')


_TOLD: Mapping[tuple[str, ...], Callable[[Any, Any], Response]] = {
    ('status',): lambda connection, row: text(row.status, mimetype='text/html'),
    ('history',): history,
}
"""What an item tells of itself below it."""
_ITSELF = frozenset({('subject', ('history',))})
"""What XNAT answers with the item all the same."""


# -- the routes


def _routes(row: Level) -> Iterator[Route]:
    if row.plural == 'files':
        return _file_routes(f'…/{row.segment}/{{path*}}')
    if row.plural.endswith('resources'):
        return _resource_routes(f'…/{row.segment}', row)
    return _item_routes(f'…/{row.segment}', row)


def _file_routes(pattern: str) -> Iterator[Route]:
    yield Route('GET', pattern, on_item(_files_get), 'List the files of a resource or of all resources, pack them, or return one.')
    yield Route('PUT POST', pattern, on_item(file_writes.put_files), 'Store a file, the files of a form, or those of an archive.')
    yield Route('DELETE', pattern, on_item(file_writes.delete_files), 'Delete the files whose paths begin so.')


def _resource_routes(pattern: str, row: Level) -> Iterator[Route]:
    element = f'{pattern}/{{{row.singular}}}/{{*}}'
    yield Route('GET', pattern, on_item(_resource_list), 'List the resources.')
    yield Route('PUT POST', pattern, on_item(file_writes.put_resource), 'Create a resource without a label.')
    yield Route('GET', element, on_item(_resource_get), 'Return the catalogue of a resource.')
    yield Route('PUT POST', element, on_item(file_writes.put_resource), 'Create a resource, or change its format, content or tags.')
    yield Route('DELETE', element, on_item(file_writes.delete_resource), 'Delete a resource with its files.')


def _item_routes(pattern: str, row: Level) -> Iterator[Route]:
    element = f'{pattern}/{{{row.singular}}}'
    name = f'{"an" if row.singular[0] in "aeiou" else "a"} {row.singular}'
    yield Route('GET', pattern, on_item(_list), f'List the {row.plural}.')
    yield from (Route('POST', place, on_item(_post), f'Create {name}.') for place in _POSTED.get(row.plural, (pattern,)))
    yield Route('GET', element, on_item(_get), f'Return {name} as JSON, XML or a page.')
    yield Route('PUT', element, on_item(_put), f'Create {name}, or change its fields.')
    gone = f'Delete {name}' if row.plural == 'projects' else f'Delete {name}, or take it out of a project that it is shared into'
    yield Route('DELETE', element, on_item(_delete), f'{gone}.')
    if row.plural == 'projects':
        yield Route('GET PUT POST DELETE', f'{element}/{{tail*}}', on_item(_no_part), 'Refuse what is no part of a project.')
        return
    yield Route('GET', f'{element}/{{tail*}}', on_item(_below), f'Return the `status` or `history` of {name}, with other words {name} itself.')
    yield Route('PUT POST DELETE', f'{element}/{{tail*}}', on_item(_no_part), f'Refuse what is no part of {name}.')


_POSTED = {
    'subjects': ('/data/projects/{project}/subjects',),
    'experiments': ('/data/projects/{project}/subjects/{subject}/experiments',),
}
"""Where items of some levels are created by POST; those of others wherever they are listed."""
ROUTES = (
    *(route for row in LEVELS for route in _routes(row)),
    Route('POST', '/data/projects/{project}/experiments', on_item(_post_sessions), 'Refuse: sessions are made below their subject.'),
)
