"""``/projects/P/pipelines``: pipelines of a project, and their launch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import level
from ..db.guards import Guard
from ..db.store import Connection
from ..db.types import Model
from ..errors import ExpectationFailed, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.locate import find, need_on
from ..items.uris import Step
from ..jobs.pipeline_engine import AUTO, Pipelines, stem
from ..jobs.pipeline_xml import parse_parameters, write_pipeline, write_pipelines
from ..table import Table
from . import triggers
from .project_scope import project_of

__all__ = ['ROUTES']

COLUMNS = ('Applies To', 'Generates', 'Name', 'Description', 'Path', 'Datatype')


# -- the pipelines of a project


def _table(call: Call, project: str) -> Response:
    """Return the pipelines of a project.

    With ``additional=true`` those of the site that are not enabled in it.
    """
    archive = call.archive
    with archive.store.read() as connection:
        row = project_of(call, connection, 'delete')
        found = archive.part(Pipelines).of(connection, row.id)
        if call.flag('additional'):
            known = {one.path for one in found}
            found = [
                one for one in archive.part(Pipelines).of_site(connection) if one.path not in known
            ]
    if call.get('format').lower() in ('xml', 'text/xml'):
        return Response(write_pipelines(row.id, found), mimetype='text/xml')
    rows = []
    for one in found:
        names = [
            _name(archive.model, kind)
            for kind in (one.datatype, *json.loads(one.document)['generates'])
        ]
        rows.append(
            (names[0], ','.join(names[1:]), one.name, one.description, one.path, one.datatype)
        )
    return table_response(call, Table(COLUMNS, rows, count=False))


def _name(model: Model, xsi_type: str) -> str:
    row = model.registry.get(xsi_type)
    return (row.root if row is not None else '') or xsi_type


def _remove(call: Call, project: str) -> Response:
    path, kind = call.get('path'), call.get('datatype')
    if not path or not kind:
        raise ExpectationFailed('Expecting path and datatype as query parameters')
    with call.archive.store.write() as connection:
        row = project_of(call, connection, 'delete')
        for one in call.archive.part(Pipelines).of(connection, row.id):
            if one.path == path and one.datatype == kind:
                call.archive.part(Pipelines).disable(connection, row.id, one.step)
    return _table(call, project)


def _named(call: Call, connection: Connection, project: str, name: str) -> list[Any]:
    """Return the pipelines of a project by alias, name or descriptor name.

    `NotFound` if there is none.
    """
    every = call.archive.part(Pipelines).of(connection, project)
    found = [
        one
        for one in every
        if name in (one.step, one.step.removeprefix(AUTO), one.name, stem(one.path))
    ]
    if not found:
        raise NotFound(f'There is no pipeline {name} in project {project}.')
    return sorted(found, key=lambda one: one.step != name)


def _details(call: Call, project: str, name: str) -> Response:
    with call.archive.store.read() as connection:
        row = project_of(call, connection, 'read')
        one = _named(call, connection, row.id, name)[0]
    known = json.loads(one.document)
    described: dict[str, Any] = {
        'path': one.path,
        'description': one.description,
        'appliesTo': _name(call.archive.model, one.datatype),
    }
    described['generates'] = ','.join(
        _name(call.archive.model, kind) for kind in known.pop('generates')
    )
    described = {name: value for name, value in {**described, **known}.items() if value} | {
        'steps': known['steps']
    }
    described['inputParameters'] = [_parameter(stored) for stored in json.loads(one.parameters)]
    return Response(json.dumps(described), mimetype='application/json')


def _parameter(stored: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        'name': stored['name'],
        **({'description': stored['description']} if stored.get('description') else {}),
    }
    if stored.get('schemaLink'):
        return {**found, 'values': {'schemaLink': stored['schemaLink']}}
    return {
        **found,
        **({'values': {'csv': str(stored['csvValues'])}} if stored.get('csvValues') else {}),
    }


# -- launching


def _on_experiment(call: Call, project: str, name: str, experiment: str) -> Response:
    """Launch a pipeline on POST; on GET return the one for the item's type."""
    parameters = _parameters(call) if call.method == 'POST' else {}
    archive = call.archive
    with archive.store.read() if call.method == 'GET' else archive.store.write() as connection:
        owner = project_of(call, connection)
        steps = [Step(level('projects'), owner.id), Step(level('experiments'), experiment)]
        row = find(connection, call.caller, steps).row
        if call.method == 'POST':
            need_on(connection, call.caller, row, 'edit')
            if name in triggers.NAMES:
                launch = None
            else:
                one = _fitting(call, connection, owner.id, name, row)
                launch = archive.part(Pipelines).launch(
                    connection, row, one, call.caller.login, parameters
                )
        else:
            return Response(
                write_pipeline(_fitting(call, connection, owner.id, name, row)), mimetype='text/xml'
            )
    if launch is None:
        call.query.append((name, 'true'))
        triggers.run(call, row)
    else:
        archive.part(Pipelines).start(one.path, launch)
    return text()


def _fitting(call: Call, connection: Connection, project: str, name: str, row: Any) -> Any:
    found = [
        one
        for one in _named(call, connection, project, name)
        if call.archive.part(Pipelines).fits(one, row.xsi_type)
    ]
    if not found:
        raise NotFound(f'The pipeline {name} is not for items of type {row.xsi_type}.')
    return found[0]


def _parameters(call: Call) -> dict[str, str]:
    """Return the parameters of a launch from the query and the body.

    The body is a form, or a document with elements ``parameter`` with ``name`` and ``values``.
    """
    parameters = dict(call.query)
    if call.has_body and call.mimetype == 'application/x-www-form-urlencoded':
        return parameters | dict(call.form())
    body = call.document() if call.has_body else b''
    if body.strip().startswith(b'<'):
        parameters |= parse_parameters(body)
    return parameters


_PIPELINES = '/data/projects/{project}/pipelines'
ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'GET',
            _PIPELINES,
            _table,
            'List the pipelines of a project; with `additional=true` those of the site that it '
            'lacks.',
        ),
        Route(
            'DELETE',
            _PIPELINES,
            _remove,
            'Take the pipeline of `path` and `datatype` out of a project.',
        ),
        Route('GET', f'{_PIPELINES}/{{name}}', _details, 'Describe a pipeline.'),
        Route('GET', f'{_PIPELINES}/{{name}}/details', _details, 'Describe a pipeline.'),
        Route(
            'GET',
            f'{_PIPELINES}/{{name}}/experiments/{{experiment}}',
            _on_experiment,
            'Return the pipeline for the type of an experiment as XML.',
        ),
        Route(
            'POST',
            f'{_PIPELINES}/{{name}}/experiments/{{experiment}}',
            _on_experiment,
            'Launch a pipeline on an experiment.',
        ),
    ),
)
