"""Routes below ``/data`` that are no data elements: workflows, the prearchive, lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

from . import batches, imports, prearchive, progress, projects, tokens, usercache
from .auth import visible
from .calls import Call
from .respond import table_response
from .store import workflow
from .tables import Table

__all__ = ['find']

Handler = Callable[[Call], Response]


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is no data element."""
    plain = [part for part in parts if part]
    data = plain[1:] if plain[:1] == ['archive'] else plain
    found = projects.handler(data)
    if found is not None:
        return found
    if plain[:2] == ['services', 'tokens']:
        return tokens.answer
    if plain[:2] == ['services', 'workflows']:
        return _workflows
    if plain[:1] == ['prearchive']:
        return prearchive.answer
    if tuple(plain) in batches.HANDLERS:
        return batches.HANDLERS[tuple(plain)]
    if plain == ['services', 'import']:
        return imports.answer
    if plain[:1] == ['status'] and len(plain) == 2:
        return progress.answer
    if plain[:3] == ['user', 'cache', 'resources']:
        return usercache.answer
    return _LISTS[data[0]] if len(data) == 1 and data[0] in _LISTS else None


def _allow(call: Call, *methods: str) -> None:
    if call.method not in methods:
        raise MethodNotAllowed(list(methods))


# -- what the server did


def _workflows(call: Call) -> Response:
    """``services/workflows[/NAME]?experiment=E``: what was done with an item, the latest first."""
    _allow(call, 'GET')
    name = call.parts[2] if len(call.parts) > 2 else ''
    table = workflow.c
    query = select(table.pk, table.pipeline_name, table.status, table.launch_time, table.item, table.data_type, table.project, table.login)
    for column, wanted in ((table.item, call.get('experiment')), (table.pipeline_name, name), (table.project, call.get('project'))):
        query = query.where(column == wanted) if wanted else query
    query = query.where(visible(call.caller, table.project)).order_by(table.pk.desc())
    if call.get('display', 'LATEST').upper() == 'LATEST':
        query = query.limit(1)
    with call.archive.store.read() as connection:
        rows = connection.execute(query).all()
    columns = ['wrk_workflowdata_id', 'pipeline_name', 'status', 'launch_time', 'id', 'data_type', 'externalid', 'user']
    return table_response(call, Table(columns, rows, {'title': 'Workflows'}))


_LISTS: dict[str, Handler] = {'scan_types': projects.scan_types, 'scanners': projects.scanners, 'investigators': projects.investigators}
