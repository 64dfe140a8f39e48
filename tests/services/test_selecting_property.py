"""Property tests: for any archive and version of XNAT, a selection equals a walk without the
library."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.query.plan import SHORT_CUTS
from pyxnat.server import serve
from tests.conftest import DEEP
from tests.support.versions import VERSIONS, Emulated, emulated, known, unknown
from tests.support.walked import SEGMENTS, Refused, Seen, Step, Walker

_numbers = itertools.count(1)
DEEP_EXAMPLES = 1000
"""Each example is an archive with a dozen selections, each of an emulated XNAT."""
GENDER = 'xnat:subjectData/GENDER'

SCANS = ['1', '2', '-3', 'T1_a', 'x-41', 'ALL_']
FILES = [
    'f.img',
    'f.hdr',
    'a b/c&.txt',
    'files/ü.txt',
    'q\'uo"te',
    'x+y&z=1.txt',
    'resources/R/files/f',
]

CHAINS = [
    'projects',
    'projects/subjects',
    'projects/subjects/experiments',
    'projects/experiments',
    'projects/subjects/experiments/scans',
    'projects/experiments/scans',
    'projects/subjects/experiments/reconstructions',
    'projects/subjects/experiments/resources/files',
    'projects/subjects/experiments/scans/resources',
    'projects/subjects/experiments/scans/resources/files',
    'projects/subjects/resources/files',
    'projects/subjects/experiments/assessors',
    'projects/subjects/experiments/assessors/out_resources/files',
    'projects/experiments/resources/files',
    'projects/subjects/experiments/reconstructions/out_resources/files',
    'projects/resources/files',
]
BELOW = {
    'scans': ['projects/subjects/experiments/scans'],
    'files': [
        'projects/resources/files',
        'projects/subjects/resources/files',
        'projects/subjects/experiments/resources/files',
        'projects/subjects/experiments/scans/resources/files',
        'projects/subjects/experiments/assessors/in_resources/files',
        'projects/subjects/experiments/assessors/out_resources/files',
        'projects/subjects/experiments/reconstructions/in_resources/files',
        'projects/subjects/experiments/reconstructions/out_resources/files',
    ],
}
"""Meaning of ``//`` below a project, written by hand; resources of an assessor are those of its
sides."""

session = st.fixed_dictionaries(
    {
        'kind': st.sampled_from(['mr', 'pet']),
        'scans': st.lists(st.sampled_from(SCANS), max_size=2, unique=True),
        'files': st.lists(st.sampled_from(FILES), max_size=2, unique=True),
        'shared': st.booleans(),
        'derived': st.booleans(),
        'more': st.dictionaries(st.sampled_from(['date', 'note']), st.just('2020-01-02')),
    }
)
subject = st.fixed_dictionaries(
    {
        'sessions': st.lists(session, min_size=1, max_size=2),
        'shared': st.booleans(),
        'files': st.booleans(),
        'named_as_id': st.booleans(),
        'more': st.fixed_dictionaries(
            {},
            optional={
                'gender': st.sampled_from(['female', 'male']),
                'age': st.integers(1, 99),
                'group': st.just('a, b'),
            },
        ),
    }
)
project = st.fixed_dictionaries(
    {
        'access': st.sampled_from(['private', 'protected', 'public']),
        'member': st.booleans(),
        'subjects': st.lists(subject, min_size=1, max_size=2),
    }
)
archives = st.lists(project, min_size=2, max_size=3)


COLUMNS = {
    'projects': ['ID', 'name', 'description'],
    'subjects': ['label', 'gender', 'age', 'project', 'xnat:subjectData/group', 'insert_user'],
    'experiments': [
        'label',
        'date',
        'note',
        'project',
        'xsiType',
        'xnat:mrSessionData/fieldStrength',
        'xnat:imageSessionData/scans/scan/type',
    ],
    'scans': ['ID', 'type', 'quality', 'xsiType', 'xnat:mrScanData/parameters/tr'],
    'assessors': ['label', 'date', 'note', 'xsiType', 'session_ID'],
    'reconstructions': ['ID', 'type'],
    'files': ['path', 'Size', 'Name', 'collection'],
}
"""Columns of a table, by level."""


class Login(NamedTuple):
    """A user with two clients: the library and the independent walk."""

    interface: pyxnat.Interface
    walker: Walker


class World(NamedTuple):
    """An archive that can emulate any version of XNAT."""

    xnat: Emulated
    builder: pyxnat.Interface
    """Connection to the archive itself."""
    logins: tuple[Login, ...]
    """The administrator and another user, with connections to the emulated XNAT."""

    def subject_of(self, seen: Seen) -> str:
        """Return the ID of the subject that an element belongs to; None if it belongs to none."""
        place = next(
            (place for place in reversed(seen.way) if place.level in ('experiments', 'subjects')),
            None,
        )
        if place is None:
            return ''
        body = self.builder._exec(f'{place.listing}/{quote(place.name, safe="")}?format=json')
        return str(
            json.loads(body)['items'][0]['data_fields'][
                'subject_ID' if place.level == 'experiments' else 'ID'
            ]
        )


@pytest.fixture(scope='module')
def world(tmp_path_factory: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp('world')
    with (
        serve(folder / 'archive', users={'walker': 'secret'}) as server,
        emulated(server) as xnat,
        pyxnat.Interface(server.url, server.user, server.password, folder / 'builder') as builder,
        pyxnat.Interface(xnat.url, server.user, server.password, folder / 'admin') as admin,
        pyxnat.Interface(xnat.url, 'walker', 'secret', folder / 'walker') as walker,
    ):
        builder.cache.expiration = 60
        admins = Login(admin, Walker(xnat.url, server.user, server.password))
        yield World(xnat, builder, (admins, Login(walker, Walker(xnat.url, 'walker', 'secret'))))


def login_of(world: World, draw: Any) -> Login:
    """Draw a user, a version of XNAT, short cuts and the number of parallel requests."""
    login: Login = draw(st.sampled_from(world.logins))
    version = draw(st.sampled_from(VERSIONS))
    world.xnat.traits = known(version) | draw(
        st.frozensets(st.sampled_from(unknown(version)), max_size=3)
    )
    interface = login.interface
    interface.walker.without = draw(st.frozensets(st.sampled_from(sorted(SHORT_CUTS))))
    interface.walker.jobs = draw(st.sampled_from([1, 2, 4]))
    interface.cache.expiration = 0
    return login


@contextmanager
def built(admin: pyxnat.Interface, plan: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Serve an archive of a few planned projects during the block; yield their IDs."""
    names = build(admin, plan)
    try:
        yield names
    finally:
        for name in names:
            admin.select.project(name).delete()


def build(admin: pyxnat.Interface, plan: list[dict[str, Any]]) -> list[str]:
    prefix = f'H{next(_numbers):05}'
    names = [f'{prefix}_{number}' for number in range(len(plan))]
    for name, spec in zip(names, plan, strict=True):
        made = admin.select.project(name).create(accessibility=spec['access'])
        if spec['member']:
            made.add_user('walker', 'member')
    for number, (name, spec) in enumerate(zip(names, plan, strict=True)):
        for index, person in enumerate(spec['subjects']):
            build_subject(admin, name, names[(number + 1) % len(names)], f'S{index}', person)
    return names


def build_subject(
    admin: pyxnat.Interface, name: str, other: str, label: str, person: dict[str, Any]
) -> None:
    made = admin.select.project(name).subject(label).create(**person['more'])
    if person['files']:
        made.resource('NOTES').file('read me.txt').put(b'note')
    if person['shared']:
        made.share(other, label=f'{label}_of_{name}')
    for index, session in enumerate(person['sessions']):
        build_session(made.experiment(f'E{index}_{label}_{name}'), other, session)
    if person['named_as_id']:
        admin.select.project(name).subject(f'{label}x').create().rename(made.id())


def build_session(made: Any, other: str, session: dict[str, Any]) -> None:
    kind = f'xnat:{session["kind"]}SessionData'
    made.create(
        experiments=kind, **{f'{kind}/{name}': value for name, value in session['more'].items()}
    )
    if session['shared']:
        made.share(other)
    for number, name in enumerate(session['scans']):
        scan = made.scan(name).create(
            scans=f'xnat:{session["kind"]}ScanData', type=f'T{number}', quality='usable'
        )
        for file in session['files']:
            scan.resource('R_s').file(file).put(b'content')
    if session['derived']:
        made.assessor(f'{made._urn}_QC').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        ).out_resource('OUT').file('out.txt').put(b'out')
        made.reconstruction(f'{made._urn}_R').create().out_resource('OUT').file('rec.txt').put(
            b'out'
        )


def wanted(chain: str, draw: Any, projects: list[str]) -> list[Step]:
    """Draw a chain with a random name or pattern for each level."""
    pools = {
        'projects': ['*', '*', f'{projects[0][:6]}_*', *projects, f'{projects[0][:6]}_?', 'H9999*'],
        'subjects': ['*', '*', '*', 'S0', 'S?', 'XNAT_S*', 'S1*', '*of*', 'NOPE'],
        'experiments': ['*', '*', '*', 'E0*', '*_S1_*', 'XNAT_E*', 'NOPE*'],
        'scans': ['*', '*', '*', '1', '*41', '?', 'T1_?', '-3'],
        'resources': ['*', '*', 'R_s', 'R*', 'NOTES'],
        'files': ['*', '*', 'f.*', '*/*', 'a b/c&.txt', '*.txt'],
    }
    return [
        (
            level,
            draw(
                st.sampled_from(
                    pools.get(level, ['*', 'OUT'] if level.endswith('_resources') else ['*'])
                )
            ),
        )
        for level in chain.split('/')
    ]


def spell(steps: list[tuple[str, str]], draw: Any) -> str:
    """Draw the steps as a path: levels singular or plural, with or without a prefix."""
    path = draw(st.sampled_from(['', '/data', '/REST/archive', '/data/archive']))
    for level, name in steps:
        segment = SEGMENTS.get(level, level)
        path += f'/{segment.removesuffix("s") if draw(st.booleans()) else segment}/{name}'
    return path


Key = tuple[str, str, str, str]
"""URI, ID, label and type."""


def selected(
    interface: pyxnat.Interface, path: str, eager: bool
) -> list[Key] | type[errors.DatabaseError]:
    found = interface.select(path)
    assert not isinstance(found, pyxnat.resources.Element)
    try:
        elements = found.get('obj') if eager else [element for element in found]  # noqa: C416 - list() asks as get() does
        return [
            (element._uri, element.id(), element.label(), element.datatype())
            for element in elements
        ]
    except (errors.NotFoundError, errors.PermissionDenied) as error:
        return type(error)


def about(world: World, interface: pyxnat.Interface, what: Any) -> Any:
    """Return the description of a selection with a wrong result."""
    return (
        what,
        interface.walker.without,
        sorted(world.xnat.traits),
        interface.walker.jobs,
        interface._user,
    )


def assert_same(
    world: World, found: Any, expected: list[Key], interface: pyxnat.Interface, why: Any
) -> None:
    assert Counter(found) == Counter(expected), why
    if interface.walker.without == frozenset(SHORT_CUTS) and 'any order' not in world.xnat.traits:
        assert found == expected, why  # in the same order, whatever order the requests had


def ask_for_a_path(world: World, projects: list[str], draw: Any) -> None:
    steps = wanted(draw(st.sampled_from(CHAINS)), draw, projects)
    if all(not set('*?') & set(name) for _, name in steps):
        return  # an element, not a selection
    path, eager = spell(steps, draw), draw(st.booleans())
    interface, walker = login_of(world, draw)
    why = about(world, interface, path)
    try:
        expected = walker.walk(steps)
    except LookupError:
        assert isinstance(selected(interface, path, eager), type), why
    else:
        keys = [seen.key for seen in expected]
        assert_same(world, selected(interface, path, eager), keys, interface, why)


@settings(max_examples=DEEP_EXAMPLES if DEEP else 5)
@given(plan=archives, data=st.data())
def test_a_selection_equals_a_walk_of_the_listings(world, plan, data):
    with built(world.builder, plan) as projects:
        for _ in range(12):
            ask_for_a_path(world, projects, data.draw)


def walked_below(walker: Walker, name: str, leaf: str, names_subjects: bool) -> list[Key]:
    """Walk all routes from a project to a level.

    Sessions that are in the project without their subject are walked by their IDs, if the listing
    of the sessions names the subjects.
    """
    through = 'projects/subjects/experiments'
    alone: list[str] = []
    if names_subjects:
        every = walker.walk([('projects', name), ('experiments', '*')])
        below = walker.walk([('projects', name), ('subjects', '*'), ('experiments', '*')])
        alone = sorted({seen.identity for seen in every} - {seen.identity for seen in below})
    found = []
    for chain in BELOW[leaf]:
        found += walker.walk([('projects', name), *((one, '*') for one in chain.split('/')[1:])])
        if chain.startswith(through):
            rest = [(one, '*') for one in chain.removeprefix(f'{through}/').split('/')]
            for identity in alone:
                found += walker.walk(rest, f'/data/experiments/{identity}', guessed=True)
    return [seen.key for seen in found]


def ask_for_all_routes(world: World, name: str, leaf: str, draw: Any) -> None:
    interface, walker = login_of(world, draw)
    path = f'/projects/{name}//{leaf}'
    why = about(world, interface, path)
    try:
        expected = walked_below(walker, name, leaf, 'no subject_ID' not in world.xnat.traits)
    except LookupError:
        assert isinstance(selected(interface, path, True), type), why
    else:
        found = selected(interface, path, draw(st.booleans()))
        assert_same(world, found, expected, interface, why)


def ask_below_a_session(world: World, name: str, draw: Any) -> None:
    """Draw all files of one session, selected in any way, with short cuts and without."""
    interface, walker = login_of(world, draw)
    try:
        sessions = walker.walk([('projects', name), ('subjects', '*'), ('experiments', '*')])
    except LookupError:
        return
    for uri, identity, label, _ in (
        draw(st.sets(st.sampled_from([seen.key for seen in sessions]), max_size=1))
        if sessions
        else ()
    ):
        own = uri.removeprefix('/data').rpartition('/')[0]
        above = draw(
            st.sampled_from(
                [
                    f'{own}/{identity}',
                    f'{own}/{label}',
                    f'/projects/{name}/experiments/{label}',
                    f'/experiments/{identity}',
                ]
            )
        )
        why = about(world, interface, above)
        found = selected(interface, f'{above}//files', True)
        interface.walker.without = frozenset(SHORT_CUTS)
        plain = selected(interface, f'{above}//files', True)
        assert (found if isinstance(found, type) else Counter(found)) == (
            plain if isinstance(plain, type) else Counter(plain)
        ), why


@settings(max_examples=DEEP_EXAMPLES // 4 if DEEP else 3)
@given(plan=archives, data=st.data())
def test_two_slashes_follow_all_routes(world, plan, data):
    with built(world.builder, plan) as projects:
        name = data.draw(st.sampled_from(projects))
        for leaf in BELOW:
            ask_for_all_routes(world, name, leaf, data.draw)
        for _ in range(3):
            ask_below_a_session(world, name, data.draw)


def columns_of(chain: str, draw: Any) -> list[tuple[str, str]]:
    """Draw some columns of the levels of a chain, and of subjects."""
    levels = [
        one
        for one in (*chain.split('/'), *(['subjects'] if 'experiments' in chain else []))
        if one in COLUMNS
    ]
    return draw(
        st.lists(
            st.sampled_from(
                [(level, name) for level in dict.fromkeys(levels) for name in COLUMNS[level]]
            ),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )


def table(interface: pyxnat.Interface, path: str, columns: list[str], condition: Any) -> Any:
    found = interface.select(path)
    try:
        rows = (
            (found.where(condition) if condition else found)
            .table(['path' if found.level.plural == 'files' else 'ID', *columns])
            .items()
        )
    except errors.DatabaseError as error:
        return error
    return sorted(
        [[sorted(cell) if isinstance(cell, list) else cell for cell in row] for row in rows],
        key=repr,
    )


def of_gender(walker: Walker, gender: str) -> set[str]:
    """Return the IDs of the subjects of a gender.

    XNAT refuses the listing to a login that may read no project.
    """
    try:
        listed = walker.rows('/data/subjects', columns='ID,gender') or ()
    except Refused:
        return set()
    return {row['ID'] for row in listed if row['gender'] == gender}


def by_hand(
    world: World, walker: Walker, steps: list[Step], columns: list[tuple[str, str]], gender: str
) -> list[list[Any]]:
    """Return the rows of a table, each after the name of its element."""
    walker.forget()
    allowed = of_gender(walker, gender) if gender else set()
    rows = []
    for seen in walker.walk(steps):
        subject = world.subject_of(seen)
        if not gender or subject in allowed:
            rows.append(
                [
                    seen.identity,
                    *(walker.cell(seen, level, name, subject) for level, name in columns),
                ]
            )
    return sorted(rows, key=repr)


TABLES = [
    chain for chain in CHAINS if chain.split('/')[-1] in COLUMNS and 'resources/files' not in chain
] + [
    'projects/subjects/experiments/scans/resources/files',
    'projects/experiments/resources/files',
]


def ask_for_a_table(world: World, projects: list[str], draw: Any) -> None:
    chain = draw(st.sampled_from(TABLES))
    steps = wanted(chain, draw, projects)
    if all(not set('*?') & set(name) for _, name in steps):
        return
    columns, path = columns_of(chain, draw), spell(steps, draw)
    gender = (
        draw(st.sampled_from(['', 'female']))
        if 'subjects' in chain or 'experiments' in chain
        else ''
    )
    interface, walker = login_of(world, draw)
    if any(name.startswith('xnat:') for _, name in columns):
        world.xnat.traits -= {'refuses types'}  # no other request returns the columns of one type
    why = about(world, interface, (path, columns, gender))
    found = table(
        interface,
        path,
        [f'{level.removesuffix("s")}/{name}' for level, name in columns],
        gender and [(GENDER, '=', gender)],
    )
    try:
        expected = by_hand(world, walker, steps, columns, gender)
    except LookupError:
        assert isinstance(found, errors.DatabaseError), why
    else:
        if isinstance(found, errors.PermissionDenied) and gender:
            assert expected == [], (
                why
            )  # a search is refused for users who may read nothing, or finds nothing (4.4.19)
        elif isinstance(found, errors.DatabaseError) and 'no subject_ID' in world.xnat.traits:
            assert 'subject_ID' in str(found), why
        else:
            assert found == expected, why


@settings(max_examples=DEEP_EXAMPLES // 2 if DEEP else 4)
@given(plan=archives, data=st.data())
def test_a_table_has_the_values_of_the_listings(world, plan, data):
    with built(world.builder, plan) as projects:
        for _ in range(6):
            ask_for_a_table(world, projects, data.draw)
