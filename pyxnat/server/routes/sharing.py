"""``projects`` below an item: the projects that show it, and sharing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, level
from ..db.access import Caller, rights
from ..db.guards import Guard
from ..db.rows import project_row
from ..db.store import fields_of
from ..errors import BadRequest, Forbidden, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.edit import Document
from ..items.history import Event
from ..items.locate import find, find_project
from ..items.rows import visible_shares
from ..items.uris import ItemPath
from ..items.writer import Writer
from ..jobs import change_feed
from ..table import Table
from .item_paths import on_item

__all__ = ['ROUTES', 'share_by_field', 'target_project']


def _projects_of(call: Call, path: ItemPath) -> Response:
    with call.archive.store.read() as connection:
        return _projects_table(call, connection, find(connection, call.caller, path.steps).row)


def _projects_table(call: Call, connection: Any, row: Any) -> Response:
    """Return the projects of an item, its own first.

    An item that is shared without a label has its ID as label there.
    """
    others = visible_shares(connection, call.caller, row)
    names = [(row.project, row.label), *((one.project, one.label or row.id) for one in others)]
    rows = [(label, name, *_names(connection, name)) for name, label in names]
    return table_response(
        call, Table(['label', 'ID', 'Secondary_ID', 'Name'], rows, count=False), 'html'
    )


def _names(connection: Any, project: str) -> tuple[str, str]:
    fields = fields_of(project_row(connection, project))
    return fields.get('secondary_ID', ''), fields.get('name', '')


def _share(call: Call, path: ItemPath) -> Response:
    """Share an item.

    As in XNAT, the response is the ID of a session; for other items it is the table of projects
    before the change.
    """
    where = path.last.level.singular
    with call.archive.store.write() as connection:
        try:
            row = find(connection, call.caller, path.steps).row
        except NotFound as error:
            raise (
                Forbidden(f'Sharing is not allowed. {error.description}')
                if where == 'subject'
                else error
            ) from error
        if row.level == 'assessor' and where == 'experiment':
            raise BadRequest(
                'An assessor is shared below its session: '
                '/data/experiments/SESSION/assessors/A/projects/Q'
            )
        target = target_project(connection, call.caller, path.tail[1])
        before = _projects_table(call, connection, row)
        Writer(call.archive, connection, call.caller, Event.of(call)).share(
            row, target, call.get('label') or None, call.flag('primary')
        )
        change_feed.shared(call, connection, row)
    if row.level == 'experiment':
        return text(row.id, 201 if path.names == ('experiments',) else 200)
    return before


def share_by_field(connection: Any, writer: Writer, row: Any, document: Document) -> None:
    """Share an item as ``sharing/share/project`` of its document says.

    Nothing is done if the project shows it already.

    Parameters
    ----------
    connection
        The database.
    writer : Writer
        Writer of the request.
    row
        The item.
    document : Document
        The document.
    """
    target = target_project(connection, writer.caller, document.share['project'])
    if level(row.level).has_label and not writer.is_in(row, target.id):
        writer.show(row, target, document.share.get('label') or None)


def target_project(connection: Any, caller: Caller, name: str) -> Any:
    """Return a project that the caller sees.

    Parameters
    ----------
    connection
        The database.
    caller : Caller
        The user.
    name : str
        ID of the project.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = find_project(connection, name)
    if found is None or 'see' not in rights(connection, caller, found.id):
        raise NotFound(f'Unable to find the specified project: {name}')
    return found


def _refuse(call: Call, path: ItemPath) -> Response:
    raise BadRequest('The share of a scan goes with that of its session.')


def _unshare(call: Call, path: ItemPath) -> Response:
    with call.archive.store.write() as connection:
        row = find(connection, call.caller, path.steps).row
        target = target_project(connection, call.caller, path.tail[1])
        (change_feed.removed if target.id == row.project else change_feed.shared)(
            call, connection, row
        )  # removal from its own project deletes it
        Writer(call.archive, connection, call.caller, Event.of(call)).unshare(row, target.id)
    return text()


def _routes(segment: str, name: str) -> Iterator[Route]:
    place = f'…/{segment}/{{{name}}}/projects'
    yield Route('GET', place, on_item(_projects_of), f'List the projects that show the {name}.')
    yield Route(
        'GET',
        f'{place}/{{other}}/{{*}}',
        on_item(_projects_of),
        f'List the projects that show the {name}.',
    )
    yield Route(
        'PUT',
        f'{place}/{{other}}/{{*}}',
        on_item(_share),
        f'Share the {name} with a project; `primary=true` moves it there.',
    )
    if level(name).is_part:
        yield Route(
            'DELETE',
            f'{place}/{{other}}/{{*}}',
            on_item(_refuse),
            'Refuse: the share of a scan goes with that of its session.',
        )
    else:
        yield Route(
            'DELETE',
            f'{place}/{{other}}/{{*}}',
            on_item(_unshare),
            f'Take the {name} out of a project.',
        )


ROUTES = guarded(
    Guard.ITEM,
    (route for row in LEVELS if row.share_type for route in _routes(row.segment, row.singular)),
)
