"""Create, change and delete items.

Projects, subjects, experiments, scans, assessors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import level
from ..db.access import ANY, Caller, rights
from ..db.accessions import deleted_child_ids
from ..db.types import TREE, split_path
from ..errors import BadRequest, Conflict, ExpectationFailed, NotFound, UnprocessableEntity
from ..http.request import Call, text
from ..http.responses import made_at
from ..items.edit import Document
from ..items.history import Event
from ..items.locate import Place, find, find_project, need, need_on
from ..items.rows import child_ids
from ..items.uris import ItemPath, Step
from ..items.writer import Writer
from ..jobs import change_feed
from . import triggers
from .item_bodies import document_of
from .sharing import share_by_field, target_project

__all__ = ['delete_item', 'post_item', 'put_item']

_STATUS = {
    'activate': 'active',
    'quarantine': 'quarantine',
    '_lock': 'locked',
    '_unlock': 'active',
    '_obsolete': 'obsolete',
}


def post_item(call: Call, path: ItemPath) -> Response:
    """Create an item and return its URI; query or document have the label.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        The path of the listing.
    """
    where = path.last.level.singular
    document = document_of(call, where)
    name = document.core.get('label' if level(where).has_label else 'ID') or ''
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
    used |= deleted_child_ids(connection, place.row.pk, where)
    return next(str(number) for number in range(1, len(used) + 2) if str(number) not in used)


def put_item(call: Call, path: ItemPath) -> Response:
    """Create an item, or change its fields.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        The path of the item.
    """
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
    project = find_project(connection, name)
    if project is None or 'see' not in rights(connection, caller, project.id):
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
    if level(where).has_label:  # query and document override the path
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
    return text(row.id, 201) if level(where).has_label else text(), row


def _parent(writer: Writer, place: Place, path: ItemPath, document: Document) -> Any:
    """Return the parent of an item: that of its path or document.

    The subject of a session is created if missing: also one of another project that does not share
    it is found by its ID.
    """
    if path.last.level.plural != 'experiments' or place.project is None:
        return place.row
    if 'subject' in place.rows:
        return place.rows['subject']
    project = place.rows['project']
    if path.names[-2] == 'subjects':
        return writer.find_or_create_subject(path.steps[1].id or '', project)
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
        level(row.level).has_label
        and wanted
        and wanted != row.label
        and not (document.from_xml and (row.level == 'subject' or document.exact))
    ):
        if document.from_xml:
            raise BadRequest(
                f'Label must be modified through separate URI: it is {row.label}, not {wanted}.'
            )
        if place.project and place.project != row.project:
            raise Conflict(f'{row.id} belongs to project {row.project}; rename it there.')
        return text(), writer.rename(row, wanted)
    project = document.core.get('project')
    if project and project != row.project and level(row.level).has_label:
        raise Conflict(
            f'Project must be modified through separate URI. {row.id} belongs to project '
            f'{row.project}, not {project}.'
        )
    return _written(call, writer, writer.update(row, document, _put_below(place, row, document)))


def _put_below(place: Place, row: Any, document: Document) -> Any:
    """Return the parent in the path if the item must be moved there, or None."""
    level_above = TREE[row.level] if level(row.level).can_move else ''
    above = (
        place.rows.get(level_above) if place.row is place.rows.get(row.level, place.row) else None
    )
    if above is None or (document.core.get('subject_ID') and not document.from_xml):
        return None
    return above


def _written(call: Call, writer: Writer, row: Any) -> tuple[Response, Any]:
    _manage_status(call, writer, row)
    return text(row.id) if level(row.level).has_label else text(), row


def _manage_status(call: Call, writer: Writer, row: Any) -> None:
    for name, status in _STATUS.items():
        if call.flag(name):
            writer.set_status(row, status)


def delete_item(call: Call, path: ItemPath) -> Response:
    """Delete an item, or take it out of a project that it is shared into.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        The path of the item.
    """
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
