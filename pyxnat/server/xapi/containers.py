"""Container Service.

``/xapi/commands``, ``/xapi/containers``, launches in projects. Facts from the source of the
plug-in, 3.7, and from the answers of a real 3.7.2 that xnatctl 0.6 handles: a launch is queued
before it is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from ...errors import ProgrammingError
from ...model.levels import level
from ...model.uris import quote
from ...query.paths import read
from ..db.access import rights
from ..db.guards import Guard, record
from ..db.store import Connection
from ..errors import BadRequest, Forbidden, InternalServerError, NotFound, Refusal, by_container
from ..http.request import Call, text
from ..http.router import Access, Route
from ..items.locate import find, need_on
from ..items.uris import Step
from ..jobs.container_engine import Container, Containers, Wrapper
from ..jobs.workflow_log import find as find_workflow
from ..routes.project_scope import project_of
from .json_body import json_body

__all__ = ['ROUTES']

_TO_BE_ASSIGNED = 'To be assigned'
_LEVELS = {'Project': 'projects', 'Subject': 'subjects'}


def _engine(call: Call) -> Containers:
    """Return the wrappers.

    Without any, the routes are not there, as without the plug-in.
    """
    engine: Containers = call.archive.part(Containers)
    if not engine.is_installed:
        raise by_container(NotFound('There is no Container Service.'))
    return engine


# -- commands


def _commands(call: Call) -> list[dict[str, Any]]:
    return [
        {
            'id': wrapper.id,
            'name': wrapper.name,
            'label': wrapper.name,
            'description': wrapper.description,
            'image': wrapper.image,
            'type': 'docker',
            'xnat': [
                {
                    'id': wrapper.id,
                    'name': wrapper.name,
                    'description': wrapper.description,
                    'contexts': [wrapper.datatype],
                    'external-inputs': [
                        {'name': wrapper.root, 'type': wrapper.kind, 'required': True}
                    ],
                }
            ],
        }
        for wrapper in _engine(call).wrappers()
    ]


def _available(call: Call, project: str) -> list[dict[str, Any]]:
    """Return the wrappers for a type that are enabled in a project."""
    engine, kind = _engine(call), call.get('xsiType')
    if not kind:
        raise BadRequest("Required String parameter 'xsiType' is not present")
    with call.archive.store.read() as connection:
        row = project_of(call, connection, 'read')
    return [
        {
            'command-id': wrapper.id,
            'command-name': wrapper.name,
            'command-label': wrapper.name,
            'wrapper-id': wrapper.id,
            'wrapper-name': wrapper.name,
            'wrapper-label': wrapper.name,
            'wrapper-description': wrapper.description,
            'wrapper-contexts': [wrapper.datatype],
            'image-name': wrapper.image,
            'image-type': 'docker',
            'enabled': True,
            'root-element-name': wrapper.root,
        }
        for wrapper in engine.available(row.id, kind)
    ]


# -- launches


def _launch(call: Call, project: str, wrapper: str, root: str = '') -> Response:
    """Launch a wrapper; a launch that cannot be queued is a report with status 500.

    Without a root in the path the workflow is not notified, as on a real server (seen on 3.7.2).
    """
    engine, inputs = _engine(call), _inputs(call)
    with call.archive.store.write() as connection:
        owner = project_of(call, connection, 'read')
        report, container = _queued(call, connection, owner.id, wrapper, root, inputs)
    if container is not None:
        engine.start(container)
    is_queued = report['status'] == 'success'
    if is_queued and not root:
        report['workflow-id'] = _TO_BE_ASSIGNED
    return Response(
        json.dumps(report), status=200 if is_queued else 500, mimetype='application/json'
    )


def _bulk_launch(call: Call, project: str, wrapper: str, root: str) -> dict[str, Any]:
    """Launch a wrapper on several items; the report has no workflows yet, as XNAT's."""
    engine, inputs = _engine(call), _inputs(call)
    try:
        targets = json.loads(inputs.get(root, ''))
    except ValueError as error:
        raise BadRequest(f'{root} is no list of URIs.') from error
    reports: dict[str, list[dict[str, Any]]] = {'successes': [], 'failures': []}
    started = []
    with call.archive.store.write() as connection:
        owner = project_of(call, connection, 'read')
        for target in targets:
            one = {**inputs, root: str(target)}
            report, container = _queued(call, connection, owner.id, wrapper, root, one)
            if report['status'] == 'failure':
                reports['failures'].append(report)
                continue
            reports['successes'].append({**report, 'workflow-id': _TO_BE_ASSIGNED})
            started += [container] if container else []
    for container in started:
        engine.start(container)
    found = engine.wrapper(wrapper)
    name = found.name if found else ''
    return {'bulk-launch-id': f'bulk-{call.caller.login}', 'pipeline-name': name, **reports}


def _inputs(call: Call) -> dict[str, str]:
    return {str(name): str(value) for name, value in json_body(call).items()}


def _queued(
    call: Call,
    connection: Connection,
    project: str,
    number: str,
    root: str,
    inputs: Mapping[str, str],
) -> tuple[dict[str, Any], Container | None]:
    """Record a launch; return its report, and the container if there is one."""
    engine = _engine(call)
    wrapper = engine.wrapper(number)
    report = {
        'params': dict(inputs),
        'id': None,
        'command-id': wrapper.id if wrapper else None,
        'wrapper-id': wrapper.id if wrapper else None,
    }
    try:
        found, uri = _rooted(wrapper, number, root, inputs)
        row = _target(call, connection, found, uri)
    except Refusal as error:
        return {**report, 'status': 'failure', 'message': str(error)}, None
    problem = _problem(engine, project, found, row.xsi_type, inputs)
    if problem:
        workflow, container = (
            engine.refuse(connection, row, found, call.caller.login, problem),
            None,
        )
    else:
        container = engine.launch(connection, row, found, project, call.caller.login, inputs)
        workflow = container.workflow
    return {**report, 'status': 'success', 'workflow-id': str(workflow)}, container


def _rooted(
    wrapper: Wrapper | None, number: str, root: str, inputs: Mapping[str, str]
) -> tuple[Wrapper, str]:
    """Return the wrapper, and the path of its item in the inputs."""
    if wrapper is None:
        raise NotFound(f'No command wrapper with ID {number}')
    if root not in ('', wrapper.root) or not inputs.get(wrapper.root):
        raise BadRequest(f'Missing values for required inputs: {root or wrapper.root}')
    return wrapper, inputs[wrapper.root]


def _problem(
    engine: Containers, project: str, wrapper: Wrapper, xsi_type: str, inputs: Mapping[str, str]
) -> str:
    """Return why a launch cannot run, which XNAT finds only after it has queued it."""
    if wrapper.projects is not None and project not in wrapper.projects:
        return f'{wrapper.name} is not enabled in project {project}'
    if wrapper not in engine.available(project, xsi_type):
        return f'{wrapper.name} is not for items of type {xsi_type}'
    needed = [name for name, default in wrapper.inputs.items() if not default]
    missing = [name for name in needed if not inputs.get(name)]
    return f'Missing values for required inputs: {", ".join(missing)}' if missing else ''


def _target(call: Call, connection: Connection, wrapper: Wrapper, uri: str) -> Any:
    """Return the row of an item by its ID or path.

    Such as ``/archive/experiments/E1``.
    """
    path = uri.removeprefix('/archive/').removeprefix('/data/')
    if '/' not in uri:
        path = f'{_LEVELS.get(wrapper.kind, "experiments")}/{quote(uri)}'
    try:
        steps = [Step(level(step.level), step.name) for step in read(f'/data/{path}')]
    except ProgrammingError as error:
        raise BadRequest(f'{uri} is not the URI of an object') from error
    row = find(connection, call.caller, steps).row
    need_on(connection, call.caller, row, 'edit')
    return row


# -- containers


def _listing(call: Call, project: str = '') -> list[dict[str, Any]]:
    """Return the containers whose workflows the caller may see."""
    engine = _engine(call)
    with call.archive.store.read() as connection:
        name = project_of(call, connection, 'read').id if project else ''
        record(Guard.WORKFLOW)
        return [
            _as_json(container)
            for container in engine.all(name)
            if _may_control(call, connection, container)
        ]


def _may_control(call: Call, connection: Connection, container: Container) -> bool:
    """Whether the caller launched a container or owns its project.

    True for administrators.
    """
    return (
        call.caller.admin
        or container.login == call.caller.login
        or 'delete' in rights(connection, call.caller, container.project)
    )


def _found(call: Call, number: str) -> Container:
    container = _engine(call).find(number)
    with call.archive.store.read() as connection:
        is_seen = container is not None and find_workflow(
            connection, call.caller, str(container.workflow), {}
        )
        if container is None or not is_seen:
            record(Guard.WORKFLOW)
            raise NotFound(f'No container with ID {number}')
        if not _may_control(call, connection, container):
            raise Forbidden(f'User {call.caller.login} cannot control container {number}')
    return container


def _container(call: Call, number: str) -> dict[str, Any]:
    return _as_json(_found(call, number))


def _as_json(container: Container) -> dict[str, Any]:
    return {
        'id': container.id,
        'command-id': container.wrapper.id,
        'wrapper-id': container.wrapper.id,
        'status': container.status,
        'container-id': f'function-{container.id}',
        'workflow-id': str(container.workflow),
        'user-id': container.login,
        'project': container.project,
        'backend': 'docker',
        'docker-image': container.wrapper.image,
        'command-line': container.wrapper.name,
        'history': container.history,
        'log-paths': [],
    }


def _log(call: Call, number: str, file: str) -> Response:
    """Return a log; any other name than stdout is stderr, as in XNAT."""
    _engine(call)
    try:
        logs = _found(call, number).logs
    except NotFound as error:  # 500 on a real server, too (seen on 3.7.2)
        raise InternalServerError(str(error)) from error
    return text(logs['stdout' if file in 'stdout.log' else 'stderr'])


def _kill(call: Call, number: str, project: str = '') -> str:
    container = _found(call, number)
    if project and container.project != project:
        raise NotFound(f'No container with ID {number} in project {project}')
    _engine(call).kill(container, call.caller.login)
    return f'function-{container.id}'


_PROJECT = '/xapi/projects/{project}'
_WRAPPER = f'{_PROJECT}/wrappers/{{wrapper}}/root/{{root}}'
_SEEN = Guard.WORKFLOW
ROUTES = (
    Route(
        'GET',
        '/xapi/commands',
        _commands,
        'List the commands of containers.',
        Access.LOGIN,
        guard=Guard.NOTHING,
    ),
    Route(
        'GET',
        f'{_PROJECT}/commands/available',
        _available,
        'List the commands for items of `xsiType` in a project.',
        guard=Guard.ITEM,
    ),
    Route('POST', f'{_WRAPPER}/launch', _launch, 'Launch a container.', guard=Guard.ITEM),
    Route(
        'POST',
        f'{_PROJECT}/wrappers/{{wrapper}}/launch',
        _launch,
        'Launch a container on the item that the inputs name.',
        guard=Guard.ITEM,
    ),
    Route(
        'POST',
        f'{_WRAPPER}/bulklaunch',
        _bulk_launch,
        'Launch containers on several items.',
        guard=Guard.ITEM,
    ),
    Route('GET', '/xapi/containers', _listing, 'List the containers.', Access.LOGIN, guard=_SEEN),
    Route(
        'GET',
        f'{_PROJECT}/containers',
        _listing,
        'List those of a project.',
        Access.LOGIN,
        guard=_SEEN,
    ),
    Route('GET', '/xapi/containers/{number}', _container, 'Return a container.', guard=_SEEN),
    Route('GET', '/xapi/containers/{number}/logs/{file}', _log, 'Return a log.', guard=_SEEN),
    Route('POST', '/xapi/containers/{number}/kill', _kill, 'Kill a container.', guard=_SEEN),
    Route(
        'POST', f'{_PROJECT}/containers/{{number}}/kill', _kill, 'Kill a container.', guard=_SEEN
    ),
)
