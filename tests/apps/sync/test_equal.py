"""Property test: a mirror answers as its server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings

import pyxnat
from tests.conftest import DEEP
from tests.support.random_projects import NUMBERS, build, differences, projects, state

from .test_pull import pulled


@settings(max_examples=40 if DEEP else 1)
@given(plan=projects)
def test_a_mirror_answers_as_its_server(
    xnat: pyxnat.Interface, tmp_path_factory: Any, plan: dict[str, Any]
) -> None:
    name = f'MIRROR_{next(NUMBERS)}'
    other = xnat.select.project(f'{name}_OTHER').create()
    build(xnat, name, plan, other)
    with pyxnat.Mirror(tmp_path_factory.mktemp('study'), remote=xnat) as mirror:
        pulled(mirror, f'/projects/{name}')
        pulled(mirror, f'/projects/{name}_OTHER')
        for project in (name, f'{name}_OTHER'):
            found = differences(state(mirror.local, project), state(xnat, project))
            assert not found, found


FORMS = '/xapi/custom-fields'


def forms(side: pyxnat.Interface, place: str) -> Any:
    return json.loads(side.connection.request(f'{FORMS}/{place}/fields'))


def put_forms(side: pyxnat.Interface, place: str, values: dict[str, Any]) -> None:
    side.connection.request(
        f'{FORMS}/{place}/fields',
        'PUT',
        json.dumps(values).encode(),
        {'content-type': 'application/json'},
    )


def test_values_of_forms_are_merged_by_field(
    xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    session = xnat.select(f'/projects/{P}/subjects/S/experiments/E').id()
    places = [f'projects/{P}', f'experiments/{session}', f'experiments/{session}/scans/1']
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        for place in places:
            put_forms(xnat, place, {'a': 1, 'b': [1, 'x'], 'c': None, 'ended': ''})
        pulled(mirror, f'/projects/{P}')
        for place in places:
            assert forms(mirror.local, place) == {'a': 1, 'b': [1, 'x'], 'c': None, 'ended': ''}
            put_forms(mirror.local, place, {'a': 2, 'new': 'ä'})
            put_forms(xnat, place, {'b': 'there'})
            xnat.connection.request(f'{FORMS}/{place}/fields/ended', 'DELETE')
        xnat.select(f'/projects/{P}').attrs.set('description', 'moves the mark')
        assert pulled(mirror).conflicts == []
        assert mirror.push().failed == []
        for place in places:
            wanted = {'a': 2, 'b': 'there', 'c': None, 'new': 'ä'}
            assert forms(mirror.local, place) == wanted == forms(xnat, place)
        assert mirror.status() == ([], [], [])
