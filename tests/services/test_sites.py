"""Tests of selections of all projects from listings of the whole site.

They equal a walk of the projects, for all shares, logins and servers.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat.query.plan import SHORT_CUTS
from pyxnat.server import serve
from tests.conftest import DEEP

_numbers = itertools.count(1)
SHARES = 'sharing/share/'


class Odd(pyxnat.Interface):
    """A connection to a server with another form of shares."""

    oddity = 'none'
    asked: list[str]

    def _exec(self, uri: str, *rest: Any, **more: Any) -> bytes:
        body = super()._exec(uri, *rest, **more)
        self.asked = [*getattr(self, 'asked', ()), uri]
        if SHARES not in uri or self.oddity == 'none':
            return body
        answer = json.loads(body)
        answer['ResultSet']['Result'] = list(self._odd(answer['ResultSet']['Result']))
        return json.dumps(answer).encode()

    def _odd(self, rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
        project, label = (
            (
                next(key for key in rows[0] if key.endswith(SHARES + end))
                for end in ('project', 'label')
            )
            if rows
            else ('', '')
        )
        match self.oddity:
            case 'tells shares twice':
                yield from (row for row in rows for _ in range(2))
            case 'tells the own project':
                owners = {row['ID']: {**row, project: row['project'], label: ''} for row in rows}
                yield from (row for row in rows if row[project])
                yield from owners.values()
            case 'crosses columns':
                for one, other in itertools.product(rows, rows):
                    if one['ID'] == other['ID']:
                        yield {**one, label: other[label]}
            case 'has no such columns':
                yield from (
                    {key: value for key, value in row.items() if SHARES not in key} for row in rows
                )


ODDITIES = [
    'none',
    'tells shares twice',
    'tells the own project',
    'crosses columns',
    'has no such columns',
]


@pytest.fixture(scope='module')
def logins(tmp_path_factory: Any) -> Iterator[tuple[Odd, Odd]]:
    """Return the administrator and a user of a separate archive, so that all projects are few."""
    folder = tmp_path_factory.mktemp('site')
    with serve(folder / 'archive') as server:
        server.add_user('walker', 'secret')
        with (
            Odd(server.url, server.user, server.password, folder / 'cache') as admin,
            Odd(server.url, 'walker', 'secret', folder / 'cache') as walker,
        ):
            yield admin, walker


targets = st.sampled_from([[], [0], [1], [2], [0, 1], [1, 2]])
session = st.fixed_dictionaries(
    {'kind': st.sampled_from(['mr', 'pet']), 'shared': targets, 'renamed': st.booleans()}
)
subject = st.fixed_dictionaries(
    {'sessions': st.lists(session, max_size=2), 'shared': targets, 'renamed': st.booleans()}
)
project = st.fixed_dictionaries(
    {
        'access': st.sampled_from(['private', 'protected', 'public']),
        'role': st.sampled_from(['', '', 'member', 'mr only', 'sessions only']),
        'subjects': st.lists(subject, max_size=2),
    }
)
archives = st.lists(project, min_size=2, max_size=3)

RIGHTS = {
    'mr only': ['xnat:subjectData', 'xnat:mrSessionData'],
    'sessions only': ['xnat:mrSessionData', 'xnat:petSessionData'],
}


def build(admin: pyxnat.Interface, plan: list[dict[str, Any]]) -> list[str]:
    """Create a planned archive; return the IDs of its projects."""
    prefix = f'W{next(_numbers):04}'
    names = [f'{prefix}_{number}' for number in range(len(plan))]
    for name, spec in zip(names, plan, strict=True):
        admin.select.project(name).create(accessibility=spec['access'])
        join(admin, name, spec['role'])
    for name, spec in zip(names, plan, strict=True):
        for number, person in enumerate(spec['subjects']):
            made = admin.select.project(name).subject(f'S{number}_{name}').create()
            share(made, names, name, person)
            for index, one in enumerate(person['sessions']):
                experiment = made.experiment(f'E{index}_{number}_{name}').create(
                    experiments=f'xnat:{one["kind"]}SessionData', note=f'{index}'
                )
                experiment.scan('1').create(type='T1')
                share(experiment, names, name, one)
    return names


def join(admin: pyxnat.Interface, name: str, role: str) -> None:
    if role in RIGHTS:
        query = '&'.join(f'{kind}_{kind}/project_{name}_R=1' for kind in RIGHTS[role])
        admin._exec(
            f'/data/projects/{name}/groups/{name}_SOME?xdat:userGroup/displayname=Some&{query}',
            'PUT',
        )
        admin._exec(f'/data/projects/{name}/users/Some/walker', 'PUT')
    elif role:
        admin.select.project(name).add_user('walker', role)


def share(made: Any, names: list[str], own: str, spec: dict[str, Any]) -> None:
    for number in spec['shared']:
        if number < len(names) and names[number] != own:
            made.share(
                names[number], label=f'{made.label()}_in_{number}' if spec['renamed'] else None
            )


PATHS = {
    '/projects/*/subjects/*': ['label', 'project'],
    '/projects/*/subjects/*/experiments/*': ['label', 'project', 'date', 'note', 'subject/label'],
    '/projects/*/experiments/*': [
        'label',
        'project',
        'xsiType',
        'note',
        'xnat:mrSessionData/fieldStrength',
    ],
    '/projects/*/subjects/*_in_*/experiments/*_in_*': ['label'],
    '/projects/*/subjects/*/experiments/*/scans/*': ['type', 'experiment/label'],
}


def found(
    interface: Odd, path: str, without: list[str], columns: list[str] | None = None
) -> tuple[Counter[Any], Counter[Any]]:
    """Return elements and their rows, and a table, in a fixed order."""
    interface.walker.without = frozenset(without)
    elements = interface.select(path).get('obj')
    told = Counter((one._uri, one.id(), one.label(), one.datatype()) for one in elements)
    return told, Counter(
        tuple(map(repr, row))
        for row in interface.select(path).table(columns or PATHS[path]).items()
    )


def person(*sessions: dict[str, Any], shared: list[int], renamed: bool = True) -> dict[str, Any]:
    return {'sessions': [*sessions], 'shared': shared, 'renamed': renamed}


def visit(kind: str, shared: list[int], renamed: bool = False) -> dict[str, Any]:
    return {'kind': kind, 'shared': shared, 'renamed': renamed}


LONE = person(visit('mr', []), visit('pet', []), shared=[])
HARD = [
    # the user's own sessions; two are shared into other projects, one of them twice
    {
        'access': 'private',
        'role': 'member',
        'subjects': [LONE, person(visit('mr', [1, 2], True), visit('pet', [1]), shared=[1, 2])],
    },
    # listed, but not readable; its items may be seen in the first project
    {'access': 'protected', 'role': '', 'subjects': [person(visit('mr', [0, 3]), shared=[0, 3])]},
    # its own PET sessions are seen only in the first project
    {
        'access': 'private',
        'role': 'mr only',
        'subjects': [
            LONE,
            person(visit('mr', []), visit('pet', [0], True), shared=[0], renamed=False),
        ],
    },
    # sessions without subjects may not be listed
    {
        'access': 'private',
        'role': 'sessions only',
        'subjects': [LONE, person(visit('mr', [0]), shared=[])],
    },
    # seen only through the other projects
    {'access': 'private', 'role': '', 'subjects': [LONE, person(visit('mr', [0, 2]), shared=[0])]},
]


@pytest.fixture(scope='module')
def hard(logins: tuple[Odd, Odd]) -> Iterator[list[str]]:
    names = build(logins[0], HARD)
    yield names
    logins[0].oddity = 'none'
    for name in names:
        logins[0].select.project(name).delete()


@pytest.fixture(params=[0, 1], ids=['admin', 'walker'])
def asking(request: Any, logins: tuple[Odd, Odd], hard: list[str]) -> Odd:
    """Return each login."""
    for interface in logins:
        interface.cache.expiration, interface.oddity = 0, 'none'
    return logins[request.param]


@pytest.fixture(scope='module')
def walked(hard: list[str]) -> Callable[[Odd, str], Any]:
    """Return the result of a walk of the projects, once for each login and path."""
    return functools.cache(lambda interface, path: found(interface, path, list(SHORT_CUTS)))


@pytest.mark.sample(3)
@pytest.mark.parametrize('oddity', ODDITIES)
@pytest.mark.parametrize('path', PATHS)
def test_rights_of_projects_are_respected_in_every_form_of_shares(
    asking: Odd, oddity: str, path: str, walked: Any
) -> None:
    expected = walked(asking, path)
    asking.oddity, asking.asked = oddity, []
    assert found(asking, path, []) == expected
    assert any(SHARES in uri for uri in asking.asked)


@settings(max_examples=400 if DEEP else 2)
@given(plan=archives, data=st.data())
def test_a_selection_equals_a_walk_of_the_projects(
    logins: tuple[Odd, Odd], plan: list[dict[str, Any]], data: Any
) -> None:
    admin = logins[0]
    admin.oddity = 'none'
    names = build(admin, plan)
    for path, interface in data.draw(
        st.lists(
            st.sampled_from([*itertools.product(PATHS, logins)]),
            min_size=3,
            max_size=3,
            unique_by=str,
        )
    ):
        interface.cache.expiration = 0
        interface.oddity = 'none'
        expected = found(interface, path, list(SHORT_CUTS))
        interface.oddity = data.draw(st.sampled_from(ODDITIES))
        assert (
            found(
                interface,
                path,
                data.draw(st.lists(st.sampled_from(sorted(SHORT_CUTS)), max_size=2)),
            )
            == expected
        ), interface.oddity
    admin.oddity = 'none'
    for name in names:
        admin.select.project(name).delete()
