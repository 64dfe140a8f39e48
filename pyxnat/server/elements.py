"""The routes of data elements: what each verb does on a collection, an item, a resource, a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from werkzeug.exceptions import BadRequest, Conflict, ExpectationFailed, MethodNotAllowed, NotFound, UnprocessableEntity
from werkzeug.wrappers import Response

from . import events, folders, project_lists, resources, triggers, uploads
from .audit import history
from .auth import ANY, Caller, rights, visible
from .calls import Call, text
from .catalogues import catalogue_of_resource
from .edit import Document, read_document
from .history import Event, versions
from .listings import listing
from .locate import Place, find, find_project, need, need_on
from .represent import Representer
from .respond import table_response
from .routes import Route, Step
from .store import fields_of, item, share
from .tables import Table, render
from .writer import Writer, check_label

__all__ = ['answer']

_POST = frozenset({('projects',), ('projects', 'subjects'), ('projects', 'subjects', 'experiments')})
_WITH_FOLDER = frozenset({('experiments',), ('projects', 'experiments')})
"""Routes of experiments below which ``DIR`` and ``XAR`` are."""
_STATUS = {'activate': 'active', 'quarantine': 'quarantine', '_lock': 'locked', '_unlock': 'active', '_obsolete': 'obsolete'}


def answer(call: Call, route: Route) -> Response:
    """Answer a request for a data element."""
    if call.method != 'GET':
        Event.of(call)  # a site may want a reason
    name = route.last.level.plural
    if name == 'files':
        return _files(call, route)
    if name.endswith('resources'):
        return _resource(call, route)
    if route.last.id is None:
        return _collection(call, route)
    if route.tail:
        return _below(call, route)
    return _verb(call, {'GET': _get, 'PUT': _put, 'DELETE': _delete})(call, route)


def _verb(call: Call, handlers: Mapping[str, Callable[[Call, Route], Response]]) -> Callable[[Call, Route], Response]:
    if call.method not in handlers:
        raise MethodNotAllowed([*handlers, 'HEAD'])
    return handlers[call.method]


# -- resources and files


def _resource(call: Call, route: Route) -> Response:
    if route.last.id is None:
        return _verb(call, {'GET': _resource_list, 'POST': uploads.put_resource})(call, route)
    handlers = {'GET': _resource_get, 'PUT': uploads.put_resource, 'DELETE': uploads.delete_resource}
    return _verb(call, handlers)(call, route)


def _resource_list(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        return table_response(call, resources.resource_table(call, connection, route))


def _resource_get(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        return catalogue_of_resource(call, connection, route)


def _files(call: Call, route: Route) -> Response:
    handlers = {'GET': _files_get, 'PUT': uploads.put_files, 'POST': uploads.put_files, 'DELETE': uploads.delete_files}
    return _verb(call, handlers)(call, route)


def _files_get(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        found = resources.download(call, connection, route)
    return table_response(call, found) if isinstance(found, Table) else found


# -- collections


def _collection(call: Call, route: Route) -> Response:
    names = route.names
    creating = names in _POST or names[-1] in ('scans', 'assessors', 'reconstructions')
    return _verb(call, {'GET': _list, **({'POST': _post} if creating else {})})(call, route)


def _list(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        if route.names == ('projects',) and project_lists.is_variant(call):
            return project_lists.answer(call, connection)
        place = find(connection, call.caller, route.steps[:-1])
        return table_response(call, listing(call, connection, route, place))


def _post(call: Call, route: Route) -> Response:
    """Create an element whose label is in the query or the document; the answer is its URI."""
    where = route.last.level.singular
    document = read_document(call, where)
    name = document.core.get('label') or document.core.get('ID') or ''
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
            name = name or _next_number(connection, where, place)
            row = writer.create(where, name, place.row, place.owner, document)
        (events.project_made if where == 'project' else events.added)(call, connection, row)
    uri = _uri(call, route, row)
    return Response(uri, mimetype='text/plain', headers={'Location': uri})


def _next_number(connection: Any, where: str, place: Place) -> str:
    """XNAT numbers scans that are posted without an ID."""
    if where != 'scan':
        raise ExpectationFailed(f'Name the label of the {where}.')
    used = set(connection.scalars(select(item.c.id).where(item.c.parent == place.row.pk, item.c.level == where)))
    return next(str(number) for number in range(1, len(used) + 2) if str(number) not in used)


def _uri(call: Call, route: Route, row: Any) -> str:
    if row.level in ('project', 'subject', 'experiment', 'assessor'):
        path = f'/data/{"experiments" if row.level == "assessor" else row.level + "s"}/{row.id}'
    else:
        path = '/data/' + '/'.join(part for step in route.steps[:-1] for part in (step.level.segment, step.id or '')) + f'/{row.level}s/{row.id}'
    return path


# -- items


def _get(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        place = find(connection, call.caller, route.steps)
        response = _representation(call, connection, place)
    if route.names == ('projects',):
        project_lists.note_visit(call, place.row)
    return response


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
    if form in ('xml', 'text/xml', 'application/xml'):
        return Response(representer.xml(place.row, call.flag('concealHiddenFields')), content_type='text/xml')
    if form in ('html', 'text/html'):
        table = Table(['field', 'value'], list(representer.values(place.row).items()))
        return Response(b'<!DOCTYPE html>' + b''.join(render(table, 'html')), content_type='text/html')
    raise BadRequest(f'{form!r} is none of html, json, xml.')


def _handled(call: Call, representer: Representer, row: Any) -> Response:
    """``handler=values``: some fields of an item as a table of one row, or, with ``asValue``, the value of one."""
    if call.get('handler') != 'values':
        raise BadRequest(f'{call.get("handler")!r} is no handler of items; there is: values.')
    columns = [name for value in call.all('columns') for name in value.split(',') if name]
    if not columns or (call.flag('asValue') and len(columns) > 1):
        raise BadRequest('Name the columns to return; asValue returns one.')
    row = [representer.value(row, name) for name in columns]
    return text(row[0]) if call.flag('asValue') else table_response(call, Table(columns, [row]))


def _accepted(call: Call) -> str:
    """HTML comes first for items, then XML: `*/*` gets a page, as from XNAT."""
    if 'Accept' not in call.request.headers:
        return 'html'
    best = call.request.accept_mimetypes.best_match(['text/html', 'text/xml', 'application/xml', 'application/json'], default='text/html')
    return best or 'html'


def _put(call: Call, route: Route) -> Response:
    where = route.last.level.singular
    document = None
    if call.has_body:  # read before the transaction; and a caller who may not is told before it is read
        with call.archive.store.read() as connection:
            known = _known_type(_place_for_put(call, connection, route))
        document = read_document(call, where, known)
    with call.archive.store.write() as connection:
        place = _place_for_put(call, connection, route)
        document = document or read_document(call, where, _known_type(place))
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        if where == 'project':
            text_id = route.last.id or ''
            row = writer.put_project(text_id, document, place.row if place.missing is None else None, call.get('accessibility') or None)
            if place.missing is None:
                events.modified(call, connection, place.row, row)
            else:
                events.project_made(call, connection, row)
            return text()
        if place.missing is not None:
            response, row = _create(call, route, place, writer, document)
            events.added(call, connection, row)
        else:
            response, row = _change(call, place, writer, document)
            events.modified(call, connection, place.row, row)
        if document.share.get('project'):
            _share_by_field(connection, writer, row, document)
    if where == 'experiment':
        triggers.run(call, row)
    return response


def _known_type(place: Place) -> str:
    return str(place.row.xsi_type) if place.missing is None else ''


def _place_for_put(call: Call, connection: Any, route: Route) -> Place:
    """The item of a PUT; where its subject is missing too, a PUT of a session makes it."""
    steps = route.steps
    if route.names == ('projects', 'subjects', 'experiments'):
        above = find(connection, call.caller, steps[:2], 'PUT', may_miss=True)
        if above.missing is not None:
            need(connection, call.caller, above.owner, 'create', 'xnat:subjectData')
            above.missing = steps[2]
            return above
    place = find(connection, call.caller, steps, 'PUT', may_miss=True)
    if route.names == ('subjects',) and place.missing is not None:
        return place  # the document tells the project
    if place.missing is None:
        if route.last.level.singular != 'project':
            need_on(connection, call.caller, place.row, 'edit')
    elif place.row is not None:
        need(connection, call.caller, place.project or place.row.project, 'create', ANY)
    return place


def _create(call: Call, route: Route, place: Place, writer: Writer, document: Any) -> tuple[Response, Any]:
    where = route.last.level.singular
    name = route.last.id or ''
    if route.names == ('subjects',):
        place.row = _project_told(call, writer, document)
    if place.row is None or (where == 'experiment' and route.names[-2] != 'subjects'):
        raise NotFound(f'Unable to find the specified {where}: {name}')
    parent = place.row
    if where == 'experiment' and parent.level == 'project':
        parent = _subject_on_the_fly(writer, place, route.steps[1])
    project = place.project or parent.project
    row = writer.create(where, name, parent, project, document)
    _manage_status(call, writer, row)
    return text(row.id, 201) if where in ('subject', 'experiment', 'assessor') else text(), row


def _project_told(call: Call, writer: Writer, document: Document) -> Any:
    """The project that a document for ``/subjects/S`` names; `UnprocessableEntity` where it names none."""
    name = document.core.get('project', '')
    if not name:
        raise UnprocessableEntity('Name the project of the subject.')
    return _target(writer.connection, call.caller, name)


def _subject_on_the_fly(writer: Writer, place: Place, step: Step) -> Any:
    label = check_label(step.id or '')
    return writer.create('subject', label, place.row, place.project or '', Document('xnat:subjectData'))


def _change(call: Call, place: Place, writer: Writer, document: Any) -> tuple[Response, Any]:
    row = place.row
    wanted = document.core.get('label')
    if row.level in ('subject', 'experiment', 'assessor') and wanted and wanted != row.label:
        if place.project and place.project != row.project:
            raise Conflict(f'{row.id} belongs to project {row.project}; rename it there.')
        return text(), writer.rename(row, wanted)
    project = document.core.get('project')
    if project and project != row.project and row.level in ('subject', 'experiment', 'assessor'):
        raise Conflict(f'{row.id} belongs to project {row.project}, not {project}.')
    row = writer.update(row, document)
    _manage_status(call, writer, row)
    return text(row.id) if row.level in ('subject', 'experiment', 'assessor') else text(), row


def _manage_status(call: Call, writer: Writer, row: Any) -> None:
    for name, status in _STATUS.items():
        if call.flag(name):
            writer.set_status(row, status)


def _delete(call: Call, route: Route) -> Response:
    with call.archive.store.write() as connection:
        try:
            place = find(connection, call.caller, route.steps, 'DELETE')
        except NotFound as error:
            raise (BadRequest(error.description) if route.names == ('projects',) else error) from error  # so XNAT says of projects alone
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        row = place.row
        if place.project and row.level != 'project' and row.level != 'scan' and row.project != place.project:
            writer.unshare(row, place.project)
            events.shared(call, connection, row)
        else:
            events.removed(call, connection, row)
            writer.delete(row)
    return text()


# -- sub-paths of items


def _below(call: Call, route: Route) -> Response:
    """What XNAT does with segments that name no level: sharing, the status; else the item itself, or a refusal."""
    where = route.last.level.singular
    if route.tail[0] == 'projects' and where in ('subject', 'experiment', 'assessor', 'scan'):
        return _sharing(call, route)
    if route.tail[0] in ('DIR', 'XAR') and route.names in _WITH_FOLDER:
        return folders.answer(call, route)
    if route.tail == ('DICOMDIR',) and where == 'scan':
        return folders.dicomdir(call, route)
    if call.method == 'GET' and (where, route.tail) not in _ITSELF and where != 'project' and route.tail in _TOLD:
        with call.archive.store.read() as connection:
            return _TOLD[route.tail](connection, find(connection, call.caller, route.steps).row)
    if where == 'project' or call.method not in ('GET',):
        raise BadRequest(f'{"/".join(route.tail)} is no part of a {where}.')
    return _get(call, route)


_TOLD: Mapping[tuple[str, ...], Callable[[Any, Any], Response]] = {
    ('status',): lambda connection, row: text(row.status, mimetype='text/html'),
    ('history',): history,
}
"""What an item tells of itself below it."""
_ITSELF = frozenset({('subject', ('history',))})
"""What XNAT answers with the item all the same."""


def _sharing(call: Call, route: Route) -> Response:
    if len(route.tail) == 1:
        return _verb(call, {'GET': _projects_of})(call, route)
    handlers = {'GET': _projects_of, 'PUT': _share, 'DELETE': _unshare}
    return _verb(call, handlers)(call, route)


def _projects_of(call: Call, route: Route) -> Response:
    with call.archive.store.read() as connection:
        row = find(connection, call.caller, route.steps).row
        own = select(item.c.id, item.c.fields).where(item.c.level == 'project', item.c.id == row.project)
        others = select(share.c.project, share.c.label).where(share.c.item == row.pk, visible(call.caller, share.c.project)).order_by(share.c.pk)
        names = [(connection.execute(own).one().id, row.label), *((one.project, one.label or row.label) for one in connection.execute(others))]
        rows = [(label, name, *_names(connection, name)) for name, label in names]
    return table_response(call, Table(['label', 'ID', 'Secondary_ID', 'Name'], rows))


def _names(connection: Any, project: str) -> tuple[str, str]:
    fields = fields_of(connection.execute(select(item.c.fields).where(item.c.level == 'project', item.c.id == project)).one())
    return fields.get('secondary_ID', ''), fields.get('name', '')


def _share(call: Call, route: Route) -> Response:
    with call.archive.store.write() as connection:
        row = find(connection, call.caller, route.steps).row
        target = _target(connection, call.caller, route.tail[1])
        Writer(call.archive, connection, call.caller, Event.of(call)).share(row, target, call.get('label') or None, call.flag('primary'))
        events.shared(call, connection, row)
    return text()


def _share_by_field(connection: Any, writer: Writer, row: Any, document: Document) -> None:
    """A setting of ``sharing/share/project`` shares the item, if it is not there already."""
    target = _target(connection, writer.caller, document.share['project'])
    if row.level in ('subject', 'experiment', 'assessor') and not writer.is_in(row, target.id):
        writer.share(row, target, document.share.get('label') or None, False)


def _target(connection: Any, caller: Caller, name: str) -> Any:
    found = find_project(connection, name)
    if found is None or 'see' not in rights(connection, caller, found.id):
        raise NotFound(f'Unable to find the specified project: {name}')
    return found


def _unshare(call: Call, route: Route) -> Response:
    with call.archive.store.write() as connection:
        row = find(connection, call.caller, route.steps).row
        target = find_project(connection, route.tail[1])
        Writer(call.archive, connection, call.caller, Event.of(call)).unshare(row, target.id if target is not None else route.tail[1])
        events.shared(call, connection, row)
    return text()
