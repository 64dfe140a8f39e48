"""Whatever is in an archive, and whatever its server does with short cuts: selecting a path gives what walking the listings by hand gives."""

from __future__ import annotations

import itertools
import json
import re
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.plan import SHORT_CUTS
from tests.conftest import DEEP

_numbers = itertools.count(1)

SCANS = ['1', '2', 'T1 a', 'ü%41', "it's", 'a&b=c', '+', '[1]']
FILES = ['f.img', 'f.hdr', 'a b/c%.txt', 'files/ü.txt', 'q\'uo"te', 'x+y&z=1.txt', 'resources/R/files/f']
SEGMENTS = {'in_resources': 'in/resources', 'out_resources': 'out/resources'}
COLUMNS = {'scans': ('ID', 'ID'), 'projects': ('ID', 'ID'), 'reconstructions': ('ID', 'ID')}
TYPES = {'projects': 'xnat:projectData', 'subjects': 'xnat:subjectData', 'reconstructions': 'xnat:reconstructedImageData'}

CHAINS = [
    'projects', 'projects/subjects', 'projects/subjects/experiments', 'projects/experiments', 'projects/subjects/experiments/scans',
    'projects/experiments/scans', 'projects/subjects/experiments/reconstructions', 'projects/subjects/experiments/resources/files',
    'projects/subjects/experiments/scans/resources', 'projects/subjects/experiments/scans/resources/files', 'projects/subjects/resources/files',
    'projects/subjects/experiments/assessors', 'projects/subjects/experiments/assessors/out_resources/files', 'projects/experiments/resources/files',
    'projects/subjects/experiments/reconstructions/out_resources/files', 'projects/resources/files',
]  # fmt: skip
BELOW = {
    'scans': ['projects/subjects/experiments/scans'],
    'files': [
        'projects/resources/files', 'projects/subjects/resources/files', 'projects/subjects/experiments/resources/files',
        'projects/subjects/experiments/scans/resources/files', 'projects/subjects/experiments/assessors/resources/files',
        'projects/subjects/experiments/assessors/in_resources/files', 'projects/subjects/experiments/assessors/out_resources/files',
        'projects/subjects/experiments/reconstructions/in_resources/files', 'projects/subjects/experiments/reconstructions/out_resources/files',
    ],
}  # fmt: skip
"""What ``//`` stands for below a project, written down by hand."""

session = st.fixed_dictionaries(
    {
        'kind': st.sampled_from(['mr', 'pet']),
        'scans': st.lists(st.sampled_from(SCANS), max_size=2, unique=True),
        'files': st.lists(st.sampled_from(FILES), max_size=2, unique=True),
        'shared': st.booleans(),
        'derived': st.booleans(),
    }
)
subject = st.fixed_dictionaries(
    {'sessions': st.lists(session, max_size=2), 'shared': st.booleans(), 'files': st.booleans(), 'named_as_id': st.booleans()}
)
project = st.fixed_dictionaries(
    {'access': st.sampled_from(['private', 'protected', 'public']), 'member': st.booleans(), 'subjects': st.lists(subject, max_size=2)}
)
archives = st.lists(project, min_size=2, max_size=3)


BELIEFS = sorted(name for name, short_cut in SHORT_CUTS.items() if short_cut.stage.belief)
LISTS = re.compile(r'/(?:experiments|subjects)/([^/]*,[^/?]*)/')
REPEATED = 'xnat:imagesessiondata/'
QUIRKS = ['none', 'refuses lists', 'answers the first of a list', 'refuses ALL', 'crosses columns', 'leaves out sessions without', 'refuses types']


class Quirky(pyxnat.Interface):
    """A connection to a server that does not do what is believed of XNAT, in one way or another."""

    quirk = 'none'

    def _exec(self, uri: str, method: str = 'GET', *rest: Any, **more: Any) -> bytes:
        several = LISTS.search(uri)
        if (
            (self.quirk == 'refuses lists' and several)
            or (self.quirk == 'refuses ALL' and '/ALL/' in uri)
            or (self.quirk == 'refuses types' and 'xsiType=' in uri)
        ):
            raise errors.DataError('not understood', uri=uri, method=method, status=400)
        if self.quirk == 'answers the first of a list' and several:
            uri = uri.replace(several.group(1), several.group(1).split(',')[0])
        body = super()._exec(uri, method, *rest, **more)
        return self._spoilt(body) if 'imageSessionData' in uri else body

    def _spoilt(self, body: bytes) -> bytes:
        answer = json.loads(body)
        rows = answer['ResultSet']['Result']
        keys = [key for key in (rows[0] if rows else ()) if key.startswith(REPEATED)]
        if self.quirk == 'leaves out sessions without':
            rows = [row for row in rows if any(row[key] for key in keys)]
        if self.quirk == 'crosses columns' and keys:
            pairs = itertools.product(rows, rows)
            rows = [{**one, keys[0]: other[keys[0]]} for one, other in pairs if one['ID'] == other['ID']]
        answer['ResultSet']['Result'] = rows
        return json.dumps(answer).encode()


@pytest.fixture(scope='module')
def logins(server, tmp_path_factory):
    server.add_user('walker', 'secret')
    folder = tmp_path_factory.mktemp('logins')
    with (
        Quirky(server.url, server.user, server.password, folder / 'admin') as admin,
        Quirky(server.url, 'walker', 'secret', folder / 'walker') as walker,
    ):
        yield admin, walker


def ways(interface: Any, draw: Any) -> None:
    """Have an Interface ask in any way: with some short cuts or none, believing or not, of a server that does as believed or not, at once or not."""
    interface.walker.without = draw(st.frozensets(st.sampled_from(sorted(SHORT_CUTS))))
    interface.walker.jobs = draw(st.sampled_from([1, 2, 4]))
    interface.quirk = draw(st.sampled_from(QUIRKS))
    interface.cache.expiration = 0
    believing = draw(st.booleans()) and interface.quirk in ('none', 'refuses lists', 'refuses ALL', 'leaves out sessions without')
    for name in BELIEFS:
        interface.cache.beliefs.forget(name)
        if believing:
            interface.cache.beliefs.remember(name, True)


def build(admin: pyxnat.Interface, plan: list[dict[str, Any]]) -> list[str]:
    """An archive of a few projects after a plan; their IDs."""
    prefix = f'H{next(_numbers):04}'
    names = [f'{prefix}_{number}' for number in range(len(plan))]
    for name, spec in zip(names, plan, strict=True):
        made = admin.select.project(name).create(accessibility=spec['access'])
        if spec['member']:
            made.add_user('walker', 'member')
    for number, (name, spec) in enumerate(zip(names, plan, strict=True)):
        for index, person in enumerate(spec['subjects']):
            build_subject(admin, name, names[(number + 1) % len(names)], f'S{index}', person)
    return names


def build_subject(admin: pyxnat.Interface, name: str, other: str, label: str, person: dict[str, Any]) -> None:
    made = admin.select.project(name).subject(label).create()
    if person['files']:
        made.resource('NOTES').file('read me.txt').put(b'note')
    if person['shared']:
        made.share(other, label=f'{label}_of_{name}')
    for index, session in enumerate(person['sessions']):
        build_session(made.experiment(f'E{index}_{label}_{name}'), other, session)
    if person['named_as_id']:
        admin.select.project(name).subject(f'{label}x').create().rename(made.id())


def build_session(made: Any, other: str, session: dict[str, Any]) -> None:
    made.create(experiments=f'xnat:{session["kind"]}SessionData')
    if session['shared']:
        made.share(other)
    for name in session['scans']:
        scan = made.scan(name).create(scans=f'xnat:{session["kind"]}ScanData')
        for file in session['files']:
            scan.resource('R s').file(file).put(b'content')
    if session['derived']:
        made.assessor(f'{made._urn}_QC').create(assessors='xnat:qcManualAssessorData').out_resource('OUT').file('out.txt').put(b'out')
        made.reconstruction(f'{made._urn}_R').create().out_resource('OUT').file('rec.txt').put(b'out')


class Walker:
    """Walks listings with nothing but urllib."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self.url = url
        self.headers = {'Authorization': 'Basic ' + b64encode(f'{login}:{password}'.encode()).decode()}

    def rows(self, uri: str) -> list[dict[str, str]] | None:
        try:
            with urllib.request.urlopen(urllib.request.Request(f'{self.url}{uri}?format=json', headers=self.headers)) as answer:
                return json.load(answer)['ResultSet']['Result']
        except urllib.error.HTTPError as error:
            assert error.code in (403, 404), error
            return None

    def walk(self, steps: list[tuple[str, str]], uri: str = '/data', guessed: bool = False) -> list[tuple[str, str, str, str]]:
        (level, name), rest = steps[0], steps[1:]
        listing = f'{uri}/{SEGMENTS.get(level, level)}'
        literal = not set('*?') & set(name)
        if literal and rest and not (level == 'experiments' and rest[0][0] == 'scans' and uri.count('/') == 3):
            return self.walk(rest, f'{listing}/{quote(name, safe="")}', guessed)
        rows = self.rows(listing)
        if rows is None:
            if not guessed:
                raise LookupError(listing)
            return []
        found = []
        for row in rows:
            identity, label = names(level, row)
            if matches(name, identity) or matches(name, label):
                here = f'{listing}/{quote(identity, safe="/" if level == "files" else "")}'
                if level == 'experiments' and rest and rest[0][0] == 'scans' and uri.count('/') == 3:
                    here = f'/data/experiments/{identity}'
                kind = row['element_name'] if level in ('resources', *SEGMENTS) else row.get('xsiType') or TYPES.get(level, '')
                found += self.walk(rest, here, guessed or not literal) if rest else [(here, identity, label, kind)]
        return found


def names(level: str, row: dict[str, str]) -> tuple[str, str]:
    if level == 'files':
        path = unquote(row['URI'].split('/resources/', 1)[1].split('/files/', 1)[1])
        return path, path
    default = ('xnat_abstractresource_id', 'label') if level.endswith('resources') else ('ID', 'label')
    identity, label = COLUMNS.get(level, default)
    return row[identity], row[label]


def matches(pattern: str, name: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r'\*', '.*').replace(r'\?', '.'), name, re.DOTALL) is not None


def wanted(chain: str, draw: Any, projects: list[str]) -> list[tuple[str, str]]:
    """A chain with a random name or pattern for each level."""
    pools = {
        'projects': [f'{projects[0][:5]}_*', *projects, f'{projects[0][:5]}_?', 'H9999*'],
        'subjects': ['*', 'S0', 'S?', 'XNAT_S*', 'S1*', '*of*', 'NOPE'],
        'experiments': ['*', 'E0*', '*_S1_*', 'XNAT_E*', 'NOPE*'],
        'scans': ['*', '1', '*%41', '?', "it's", '[1]'],
        'resources': ['*', 'R s', 'R*', 'NOTES'],
        'files': ['*', 'f.*', '*/*', 'a b/c%.txt', '*.txt'],
    }
    return [(level, draw(st.sampled_from(pools.get(level, ['*', 'OUT'] if level.endswith('_resources') else ['*'])))) for level in chain.split('/')]


def spell(steps: list[tuple[str, str]], draw: Any) -> str:
    """The steps as a path: levels singular or plural, with or without a prefix."""
    path = draw(st.sampled_from(['', '/data', '/REST/archive', '/data/archive']))
    for level, name in steps:
        segment = SEGMENTS.get(level, level)
        path += f'/{segment.removesuffix("s") if draw(st.booleans()) else segment}/{name}'
    return path


Selected = list[tuple[str, str, str, str]]


def selected(interface: pyxnat.Interface, path: str, eager: bool) -> Selected | type[errors.DatabaseError]:
    found = interface.select(path)
    assert not isinstance(found, pyxnat.resources.Element)
    try:
        elements = found.get('obj') if eager else [element for element in found]  # noqa: C416 - list() asks as get() does
        return [(element._uri, element.id(), element.label(), element.datatype()) for element in elements]
    except (errors.NotFoundError, errors.PermissionDenied) as error:
        return type(error)


def assert_same(found: Any, expected: Selected, interface: pyxnat.Interface, path: str) -> None:
    about = path, interface.walker.without, interface.quirk, interface.walker.jobs
    assert Counter(found) == Counter(expected), about
    if interface.walker.without == frozenset(SHORT_CUTS):
        assert found == expected, about  # and in the same order, whatever was asked when


@settings(max_examples=200 if DEEP else 6)
@given(plan=archives, data=st.data())
def test_selecting_a_path_is_walking_the_listings(server, logins, plan, data):
    admin, walker = logins
    admin.quirk = 'none'
    projects = build(admin, plan)
    for _ in range(8):
        interface, login = data.draw(st.sampled_from([(admin, (server.user, server.password)), (walker, ('walker', 'secret'))]))
        steps = wanted(data.draw(st.sampled_from(CHAINS)), data.draw, projects)
        if all(not set('*?') & set(name) for _, name in steps):
            continue  # an element, not a selection
        path = spell(steps, data.draw)
        ways(interface, data.draw)
        eager = data.draw(st.booleans())
        try:
            expected = Walker(server.url, *login).walk(steps)
        except LookupError:
            assert isinstance(selected(interface, path, eager), type), path
        else:
            assert_same(selected(interface, path, eager), expected, interface, path)


@settings(max_examples=100 if DEEP else 4)
@given(plan=archives, data=st.data())
def test_two_slashes_are_all_routes(server, logins, plan, data):
    admin, _ = logins
    admin.quirk = 'none'
    name = data.draw(st.sampled_from(build(admin, plan)))
    for leaf, chains in BELOW.items():
        walker = Walker(server.url, server.user, server.password)
        expected = [row for chain in chains for row in walker.walk([('projects', name), *((level, '*') for level in chain.split('/')[1:])])]
        ways(admin, data.draw)
        assert_same(selected(admin, f'/projects/{name}//{leaf}', data.draw(st.booleans())), expected, admin, f'/projects/{name}//{leaf}')
