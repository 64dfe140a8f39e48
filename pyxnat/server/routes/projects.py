"""Settings of a project, and lists of its scan types and scanners."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.project_settings import DEFAULTS, put_setting_of, setting_of
from ..errors import BadRequest
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.rows import INVESTIGATOR_FIELDS, find_investigators, set_access
from ..items.scan_types import distinct_scan_values
from ..items.writer import ACCESS, check_access
from ..jobs.pipeline_engine import Pipelines
from ..jobs.pipeline_xml import write_archive_spec
from ..table import Table
from .project_scope import project_of

__all__ = ['ROUTES']

Handler = Callable[..., Response]
_READABLE = frozenset({'prearchive_code', 'quarantine_code', 'current_arc'})
"""Settings that can be read."""


# -- settings


def _accessibility(call: Call, project: str, level: str) -> Response:
    with call.archive.store.read() as connection:
        return text(project_of(call, connection).access)


def _set_accessibility(call: Call, project: str, level: str) -> Response:
    if not level:
        raise BadRequest(f'Name one of {", ".join(ACCESS)}.')
    with call.archive.store.write() as connection:
        row = project_of(call, connection, 'delete')
        access = level if level in ACCESS else 'private'  # as XNAT, for any other word
        check_access(call.archive, access)
        set_access(connection, row, access)
    return text(access)


def _setting(name: str) -> Handler:
    def read(call: Call, project: str, value: str) -> Response:
        with call.archive.store.read() as connection:
            return text(
                setting_of(connection, project_of(call, connection).id, name), mimetype='text/html'
            )

    return read


def _set(name: str) -> Handler:
    def change(call: Call, project: str, value: str) -> Response:
        if not value or (name.endswith('_code') and not value.isdecimal()):
            raise BadRequest(f'{value!r} cannot be the {name} of a project.')
        with call.archive.store.write() as connection:
            row = project_of(call, connection, 'edit')
            put_setting_of(connection, row.id, name, value)
        return text()

    return change


def _refuse(name: str, verb: str) -> Handler:
    def refuse(call: Call, project: str, value: str) -> Response:
        raise BadRequest(f'{name} cannot be {verb}.')

    return refuse


def _archive_spec(call: Call, project: str) -> Response:
    """Return the storage settings of a project, as XNAT's ``arc:project``."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection, 'edit')
        values = {
            name: setting_of(connection, row.id, name)
            for name in ('current_arc', 'quarantine_code', 'prearchive_code')
        }
        found = call.archive.part(Pipelines).of(connection, row.id)
    body = write_archive_spec(row.id, values, str(call.archive.files.root / row.id), found)
    return Response(body, mimetype='text/xml')


# -- lists


def _of_scans(call: Call, *names: str) -> list[tuple[str, ...]]:
    """Return distinct field values over the readable scans.

    They are those of the project in the path, or of all projects.
    """
    with call.archive.store.read() as connection:
        project = project_of(call, connection, 'read').id if 'project' in call.names else None
        return distinct_scan_values(connection, call.caller, names, project)


def _scan_types(call: Call, project: str = '') -> Response:
    """Return the scan types with their descriptions, each followed by a comma."""
    found: dict[str, str] = {}
    for kind, description in _of_scans(call, 'type', 'series_description'):
        found[kind] = found.get(kind, '') + (f'{description},' if description else '')
    rows = [(descriptions, kind) for kind, descriptions in found.items()]
    return table_response(
        call, Table(('series_descriptions', 'type'), rows, {'title': 'Scan Types'})
    )


def _scanners(call: Call, project: str = '') -> Response:
    """Return the names of the scanners."""
    rows = [(name,) for (name,) in _of_scans(call, 'scanner') if name]
    return table_response(call, Table(('scanner',), rows, {'title': 'Scanners'}))


def _investigators(call: Call) -> Response:
    """Return the principal investigators of the visible projects."""
    with call.archive.store.read() as connection:
        found = find_investigators(connection, call.caller)
    rows = [(*row, number, '') for number, row in enumerate(found, 1)]
    columns = [*INVESTIGATOR_FIELDS, 'xnat_investigatordata_id', 'login']
    return table_response(call, Table(columns, rows, {'title': 'Investigators'}))


def _settings() -> Iterator[Route]:
    for name in DEFAULTS:
        pattern = f'/data/projects/{{project}}/{name}/{{value*}}'
        if name in _READABLE:
            yield Route('GET', pattern, _setting(name), f'Return the `{name}` of a project.')
        else:
            yield Route(
                'GET', pattern, _refuse(name, 'read'), 'Refuse: XNAT has no way to read it.'
            )
        yield Route(
            'PUT', pattern, _set(name), f'Set the `{name}` of a project to the last segment.'
        )
        yield Route(
            'DELETE', pattern, _refuse(name, 'deleted'), 'Refuse: a setting cannot be deleted.'
        )


_ACCESSIBILITY = '/data/projects/{project}/accessibility'
ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'GET',
            f'{_ACCESSIBILITY}/{{level?}}/{{*}}',
            _accessibility,
            'Return `private`, `protected` or `public`.',
        ),
        Route(
            'PUT',
            f'{_ACCESSIBILITY}/{{level?}}/{{*}}',
            _set_accessibility,
            'Set who may see a project.',
        ),
        *_settings(),
        Route(
            'GET',
            '/data/projects/{project}/archive_spec/{*}',
            _archive_spec,
            'Return where and how a project is archived as XML.',
        ),
        Route(
            'GET',
            '/data/projects/{project}/scan_types/{*}',
            _scan_types,
            'List the types of the scans of a project.',
        ),
        Route(
            'GET',
            '/data/projects/{project}/scanners/{*}',
            _scanners,
            'List the scanners of a project.',
        ),
        Route('GET', '/data/scan_types', _scan_types, 'List the types of all scans.'),
        Route('GET', '/data/scanners', _scanners, 'List all scanners.'),
        Route(
            'GET',
            '/data/investigators',
            _investigators,
            'List the principal investigators of projects.',
        ),
    ),
)
