"""Tests that a deletion leaves nothing behind that refers to what has gone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from pyxnat.server.app import ROUTES
from pyxnat.server.http.router import METHODS
from pyxnat.server.upkeep.checking import check
from tests.server.archives.make import SEARCH
from tests.support.dicoms import members, zipped

from .conftest import Client

DEEP = os.environ.get('PYXNAT_DEEP') == '1'
MR, QC = 'xsiType=xnat:mrSessionData', 'xsiType=xnat:qcManualAssessorData'
PASSED = 'xnat:qcManualAssessorData/pass=1'
ALIVE, GONE = 'Q', 'P'
"""Names of a project that stays, and of one that is deleted."""


def fill(admin: Client, project: str) -> None:
    """Create a project with everything that can refer to one."""
    base = f'/data/projects/{project}'
    session = f'{base}/subjects/S/experiments/E'
    for method, path, body in (
        ('PUT', f'{base}?description=d', None),
        ('PUT', f'{base}/users/Members/ann', None),
        ('PUT', f'{base}/groups/G?xdat:userGroup/displayname=Readers', None),
        ('PUT', f'{base}/users/Collaborators/new@example.org', None),
        ('PUT', f'{session}?{MR}', None),
        ('PUT', f'{session}/scans/1?xsiType=xnat:mrScanData', None),
        ('PUT', f'{session}/assessors/A?{QC}&{PASSED}', None),
        ('PUT', f'{session}/reconstructions/R{project}?type=t', None),
        ('PUT', f'{session}/scans/1/resources/R/files/f?inbody=true', b'1'),
        ('PUT', f'{session}/assessors/A/out/resources/R/files/f?inbody=true', b'1'),
        ('PUT', f'{base}/resources/R/files/f?inbody=true', b'1'),
        ('PUT', f'{base}/config/tool/path?inbody=true', b'contents'),
        ('PUT', f'{base}/prearchive_code/4', None),
        ('POST', f'/data/services/import?inbody=true&dest=/prearchive/projects/{project}', IMAGES),
        (
            'PUT',
            f'/data/search/saved/of{project}',
            SEARCH.replace('ID="mine"', f'ID="of{project}" tag="{project}"'),
        ),
        ('PUT', f'/data/users/favorites/Project/{project}', None),
    ):
        admin.ok(method, path, body)
    about = {
        'isThisASiteWideConfiguration': 'No',
        'xnatDatatype': {'value': 'xnat:mrSessionData'},
        'xnatProject': [{'value': project}],
        'zIndex': 10,
    }
    builder = {'title': 'T', 'components': [{'key': 'k', 'type': 'textfield', 'label': 'k'}]}
    form = json.dumps({'submission': {'data': about}, 'builder': builder})
    admin.put('/xapi/customforms/save', form, **{'Content-Type': 'application/json'})


IMAGES = zipped(members())


@pytest.fixture(scope='module')
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp('deletions')
    with serve(folder, password='p', users={'ann': 'a'}, durable=False) as server:
        yield server


@pytest.fixture(scope='module')
def admin(served: Server) -> Iterator[Client]:
    client = Client(served, 'admin', 'p')
    yield client
    client.close()


def findings(server: Server) -> list[str]:
    return [f'{one.kind} {one.place} {one.detail}' for one in check(server.archive.folder).findings]


def test_what_refers_to_a_deleted_project_goes_with_it(served: Server, admin: Client) -> None:
    fill(admin, 'K')
    fill(admin, 'D')
    keep, doomed = ('/data/projects/K/subjects/S', '/data/projects/D/subjects/S')
    admin.ok('PUT', f'{keep}/projects/D?label=FROM_K')
    admin.ok('PUT', f'{keep}/experiments/E/projects/D?label=FROM_K')
    admin.ok('PUT', f'{doomed}/projects/K?label=FROM_D')
    admin.ok('PUT', f'{doomed}/experiments/E/projects/K?label=FROM_D')
    admin.ok('DELETE', '/data/projects/D?removeFiles=true')
    assert findings(served) == []
    uses = [
        use['entityId']
        for form in admin.get('/xapi/customforms').json
        for use in form['appliesToList']
    ]
    assert (uses.count('K'), uses.count('D')) == (1, 0)
    assert admin.get('/data/search/saved/ofD').status == 404
    assert admin.get('/data/search/saved/ofK').status == 200
    assert [row['label'] for row in admin.get('/data/projects/K/subjects').rows] == ['S']
    assert not (served.archive.folder / 'archive/D').exists()
    assert not (served.archive.folder / 'prearchive/D').exists()


@pytest.mark.parametrize('what', ['experiments/E', 'experiments/E/assessors/A'])
def test_a_project_that_holds_items_of_another_is_refused_or_leaves_nothing(
    served: Server, admin: Client, what: str
) -> None:
    """As in XNAT: what belongs to another project is not deleted."""
    name = what[-1]
    for project in (f'X{name}', f'Y{name}'):
        fill(admin, project)
    admin.ok('DELETE', f'/data/projects/Y{name}/subjects/S')  # labels of moved parts are in use
    moved = f'/data/projects/X{name}/subjects/S/{what}'
    admin.ok('PUT', f'{moved}/projects/Y{name}?primary=true&label=MOVED')
    assert admin.delete(f'/data/projects/X{name}?removeFiles=true').status == 403
    assert findings(served) == []
    assert admin.get(f'/data/projects/X{name}').status == 200
    admin.ok('DELETE', f'/data/projects/Y{name}?removeFiles=true')
    assert findings(served) == []
    admin.ok('DELETE', f'/data/projects/X{name}?removeFiles=true')
    assert findings(served) == []


NAMES = {
    GONE: {
        'project': GONE,
        'projects': GONE,
        'other': GONE,
        'subject': 'S',
        'experiment': 'E',
        'session': 'E',
        'scan': '1',
        'assessor': 'A',
        'reconstruction': 'RP',
        'resource': 'R',
        'in_resource': 'R',
        'out_resource': 'R',
        'group': 'P_Readers',
        'username': 'ann',
        'logins': 'ann',
        'kind': 'Project',
        'types': 'xnat:mrSessionData',
        'tool': 'tool',
        'names': 'path',
        'level': 'private',
        'name': 'ofP',
        'part': 'info',
    }
}
NAMES[ALIVE] = {**NAMES[GONE], 'project': ALIVE, 'projects': ALIVE, 'group': 'Q_Readers'}
LIKE_XNAT = re.compile('PUT /xapi/archive/catalogs/refresh')
"""Requests without a body that XNAT, too, answers with 500."""


def paths(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the requests of the table of routes, reading ones first."""
    for method in METHODS:
        for route in ROUTES:
            if method in route.methods.split():
                for pattern in route.patterns():
                    yield (
                        method,
                        re.sub(
                            r'\{(\w*)[?*!]?\}',
                            lambda found: values.get(found.group(1), 'f'),
                            pattern,
                        ),
                    )


@pytest.mark.parametrize('login', ['admin', 'ann'])
def test_no_route_fails_after_deletions(tmp_path: Path, login: str) -> None:
    """The project P is deleted; of Q the subject, session, scan, group, resource and search."""
    with serve(tmp_path, password='p', users={'ann': 'a'}, durable=False) as server:
        admin = Client(server, 'admin', 'p')
        for project in NAMES:
            fill(admin, project)
        ids = {
            'subject': admin.item('/data/projects/Q/subjects/S')['data_fields']['ID'],
            'experiment': admin.item('/data/projects/Q/subjects/S/experiments/E')['data_fields'][
                'ID'
            ],
        }
        for gone in (
            'subjects/S/experiments/E/scans/1',
            'subjects/S/experiments/E',
            'subjects/S',
            'groups/Q_Readers',
            'resources/R',
        ):
            admin.ok('DELETE', f'/data/projects/Q/{gone}?removeFiles=true')
        admin.ok('DELETE', '/data/projects/P?removeFiles=true')
        admin.ok('DELETE', '/data/search/saved/ofQ')
        assert findings(server) == []
        client = Client(server, login, {'admin': 'p', 'ann': 'a'}[login])
        wrong = []
        every = (NAMES[GONE], {**NAMES[ALIVE], **ids}, NAMES[ALIVE])
        for values in every if DEEP else every[:2] if login == 'admin' else every[2:]:
            for method, path in paths(values):
                if not (DEEP or method == 'GET' or (login, values) == ('admin', NAMES[GONE])):
                    continue
                answer = client(method, path)
                if answer.status >= 500 and not LIKE_XNAT.match(f'{method} {path}'):
                    wrong.append(f'{answer.status} {method} {path}: {answer.text[:300]}')
        assert wrong == []
        assert findings(server) == []
        for one in (client, admin):
            one.close()
