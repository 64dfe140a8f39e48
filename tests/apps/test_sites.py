"""Tests of several sites asked together: two archives on real sockets, and sites that fail."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.apps.sites import Counts, Sites, Vocabulary
from pyxnat.apps.sites.together import ask, listed
from pyxnat.server import serve
from tests.support.scripted import Reply, ScriptedServer, table
from tests.support.waiting import GENEROUS_S, wait_until

GENDER = 'xnat:subjectData/GENDER'
SEX = {'search': GENDER, 'column': 'gender', 'values': {'F': 'female', 'M': 'male'}}
ARM = {'search': 'xnat:subjectData/SUB_GROUP', 'column': 'group'}
FIELDS = {
    'east': {'sex': SEX, 'arm': {**ARM, 'values': {'case': ['AD', 'MCI']}}},
    'west': {'sex': SEX, 'arm': {**ARM, 'values': {'case': 'patient'}}},
    'bad': {'sex': SEX},
}
PEOPLE = {
    'east': {'S1': ('female', 'AD'), 'S2': ('male', 'MCI'), 'S3': ('female', 'control')},
    'west': {'S1': ('male', 'patient'), 'S4': ('female', 'patient')},
}


@pytest.fixture(scope='module')
def connections(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, pyxnat.Interface]]:
    """Serve two archives with the project P; return connections to both."""
    with (
        serve(tmp_path_factory.mktemp('east')) as east,
        serve(tmp_path_factory.mktemp('w')) as west,
    ):
        found = {
            name: pyxnat.Interface(one.url, one.user, one.password)
            for name, one in {'east': east, 'west': west}.items()
        }
        for name, xnat in found.items():
            project = xnat.select.project('P').create()
            for label, (gender, group) in PEOPLE[name].items():
                project.subject(label).create(gender=gender, group=group)
            project.subject('S1').experiment('S1_MR').create(
                experiments='xnat:mrSessionData', date='2020-01-02'
            )
        yield found
        for xnat in found.values():
            xnat.disconnect()


@pytest.fixture
def sites(connections: dict[str, pyxnat.Interface]) -> Sites:
    return pyxnat.Sites(connections, fields={name: FIELDS[name] for name in connections})


@pytest.fixture
def closed(tmp_path: Path) -> pyxnat.Interface:
    """Return a connection to a server that is not there any more."""
    with ScriptedServer(lambda request: Reply()) as server:
        return pyxnat.Interface(server.url, 'u', 'p', tmp_path / 'closed', retries=0)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[pyxnat.Interface]:
    """Return a connection to a server that does not answer before the end of the test."""
    over = threading.Event()

    def wait(request: Any) -> Reply:
        over.wait(GENEROUS_S)
        return Reply(silent=True)

    with ScriptedServer(wait) as server:
        yield pyxnat.Interface(server.url, 'u', 'p', tmp_path / 'silent', retries=0)
        over.set()


def test_a_table_has_the_rows_of_all_sites_in_their_order(sites: Sites) -> None:
    found = sites.select('/projects/P/subjects').table(['label', 'gender']).check()
    assert found.headers() == ['site', 'label', 'gender']
    assert sorted(found.data, key=lambda row: (row['site'], row['label'])) == [
        {'site': site, 'label': label, 'gender': gender}
        for site, people in PEOPLE.items()
        for label, (gender, _) in people.items()
    ]


@pytest.mark.parametrize('site', PEOPLE)
@pytest.mark.parametrize('path', ['/projects/P/subjects', '//experiments', '/projects/*'])
def test_the_rows_of_a_site_are_those_of_its_own_table(sites: Sites, site: str, path: str) -> None:
    columns = ['ID', 'label'] if 'projects/*' not in path else ['ID', 'name']
    together = sites.select(path).table(columns)
    assert together.of(site) == sites[site].select(path).table(columns)


def test_one_request_goes_to_each_site(sites: Sites) -> None:
    with sites['east'].trace() as east, sites['west'].trace() as west:
        sites.select('/projects/P/subjects').table(['label'])
    assert [len([*trace, *trace.from_cache]) for trace in (east, west)] == [1, 1]


def test_rows_have_common_names_and_values(sites: Sites) -> None:
    found = sites.select('/projects/P/subjects').table(['label', 'sex', 'arm'])
    assert sorted(found.items()) == [
        ('east', 'S1', 'F', 'case'),
        ('east', 'S2', 'M', 'case'),
        ('east', 'S3', 'F', 'control'),
        ('west', 'S1', 'M', 'case'),
        ('west', 'S4', 'F', 'case'),
    ]


@pytest.mark.parametrize(
    ('criteria', 'labels'),
    [
        ([('sex', '=', 'F')], 'S1 S3 S4'),
        ([('sex', '!=', 'F')], 'S2 S1'),
        ([('sex', 'IN', ['F', 'M'])], 'S1 S2 S3 S1 S4'),
        ([('arm', '=', 'case'), ('sex', '=', 'M'), 'AND'], 'S2 S1'),
        ([[('arm', '=', 'case')], [('sex', '=', 'M')], 'AND'], 'S2 S1'),
        ("arm = case AND sex = 'F'", 'S1 S4'),
        ([('arm', '=', None)], ''),
        ([(GENDER, '=', 'male')], 'S2 S1'),
    ],
)
def test_criteria_in_common_words_choose_at_each_site(
    sites: Sites, criteria: Any, labels: str
) -> None:
    chosen = sites.select('/projects/P/subjects').where(criteria)
    assert sorted(chosen.table(['label']).check()['label']) == sorted(labels.split())
    assert chosen.count().bounds() == (len(labels.split()),) * 2
    assert sites.count(criteria).bounds() == (len(labels.split()),) * 2
    searched = sites.search('xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL'], criteria)
    assert sorted(row['xnat:subjectData/SUBJECT_LABEL'] for row in searched) == sorted(
        labels.split()
    )


SAME = {
    'sex': {'female': 'F', 'male': 'M'},
    'gender': {},
    'also': {},
    'xnat:subjectData/demographics/gender': {},
    'arm': {'AD': 'case', 'MCI': 'case', 'patient': 'case'},
    'group': {},
}
"""Column -> common values of the site's own ones. The first four are one field, as the last two."""


@given(names=st.lists(st.sampled_from(sorted(SAME)), min_size=1, max_size=6))
def test_several_columns_of_a_table_can_be_one_field(
    connections: dict[str, pyxnat.Interface], names: list[str]
) -> None:
    fields = {name: {**FIELDS[name], 'also': 'gender'} for name in connections}
    found = pyxnat.Sites(connections, fields=fields).select('/projects/P/subjects').table(names)
    assert found.check().headers() == ['site', *dict.fromkeys(names)]
    for site, people in PEOPLE.items():
        expected = [
            {name: SAME[name].get(own, own) for name, own in zip(names, cells, strict=True)}
            for person in people.values()
            for cells in [[person[name in ('arm', 'group')] for name in names]]
        ]
        assert sorted(found.of(site).data, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize('count', [1, 2, 3, 5])
def test_several_columns_of_a_search_can_be_one_field(
    connections: dict[str, pyxnat.Interface], count: int
) -> None:
    mr, date = 'xnat:mrSessionData', {'search': 'xnat:mrSessionData/DATE', 'column': 'date'}
    sites = pyxnat.Sites(connections, fields={name: {'day': date} for name in connections})
    names = ['day', f'{mr}/date', f'{mr}/DATE', 'DATE', f'{mr}/LABEL'][-count:]
    found = sites.search(mr, names).check()
    assert found.headers() == ['site', *names]
    assert found.items() == [(site, *['2020-01-02'] * (count - 1), 'S1_MR') for site in PEOPLE]


@pytest.mark.parametrize(
    ('ask_for', 'kinds'),
    [
        (
            lambda sites: sites.select('//experiments').table(
                ['label', 'date', 'insert_date', 'when', 'none']
            ),
            'string string date dateTime date string',
        ),
        (
            lambda sites: sites.search(
                'xnat:mrSessionData', ['xnat:mrSessionData/LABEL', 'DATE', 'when', 'none']
            ),
            'string string date date string',
        ),
        (
            lambda sites: sites.select('/projects/P/subjects').table(['yob', 'sex', 'other']),
            'string integer string string',
        ),
    ],
)
def test_columns_have_the_types_on_which_the_sites_agree(
    connections: dict[str, pyxnat.Interface], ask_for: Any, kinds: str
) -> None:
    pyarrow = pytest.importorskip('pyarrow')
    when = {'search': 'xnat:mrSessionData/DATE', 'column': 'date'}
    fields = {
        'east': {'sex': SEX, 'when': when, 'none': None, 'other': 'yob'},
        'west': {'sex': SEX, 'when': when, 'none': None, 'other': 'group'},
    }
    found = ask_for(pyxnat.Sites(connections, fields=fields)).check()
    types = {
        'string': pyarrow.string(),
        'date': pyarrow.date32(),
        'dateTime': pyarrow.timestamp('us'),
        'integer': pyarrow.int64(),
    }
    expected = dict(zip(found.headers(), kinds.split(), strict=True))
    for one in (found, pickle.loads(pickle.dumps(found)), found.where(site='*')):
        schema = one.to_arrow().schema
        assert {name: schema.field(name).type for name in schema.names} == {
            name: types[kind] for name, kind in expected.items()
        }
    east = found.of('east').to_arrow().schema
    assert 'other' not in expected or east.field('other').type == pyarrow.int64()


def test_elements_know_their_site(sites: Sites, connections: Any) -> None:
    found = [(subject.host, subject.label()) for subject in sites.select('/projects/P/subjects')]
    assert sorted(label for host, label in found if host is connections['west']) == ['S1', 'S4']
    assert len(found) == 5


def test_equal_labels_of_two_sites_stay_two_subjects(sites: Sites) -> None:
    found = sites.select('/projects/P/subjects').table(['label']).where(label='S1')
    assert len(found) == 2
    joined = found.select(['label'])
    assert len(joined) == 2


def test_two_sites_are_joined_by_a_column_that_the_caller_names(sites: Sites) -> None:
    found = sites.select('/projects/P/subjects').table(['label', 'sex'])
    assert found.of('east').join('label', found.of('west')).items() == [('S1', 'M')]


def test_small_numbers_are_hidden(sites: Sites) -> None:
    counts = sites.count(at_least=3)
    assert dict(counts) == {'east': 3, 'west': None}
    assert counts.bounds() == (3, 5)
    assert str(counts) == 'east: 3\nwest: fewer than 3'
    assert sites.count(level='experiment').bounds() == (2, 2)


@pytest.mark.parametrize('name', ['a', 'b', 'c', 'd'])
def test_a_site_that_failed_is_not_among_the_counts(name: str) -> None:
    counts = Counts({'a': 7, 'b': 1}, {'c': errors.NetworkError('gone')}, at_least=5)
    assert (name in counts) == (name in list(counts)) == (name in ('a', 'b'))
    if name == 'c':
        with pytest.raises(errors.NetworkError):
            counts[name]


@pytest.fixture(scope='module')
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Return a site with two subjects, all of which three projects have."""
    with serve(tmp_path_factory.mktemp('sharing')) as server:
        xnat = pyxnat.Interface(server.url, server.user, server.password)
        owner, *others = [xnat.select.project(name).create() for name in 'PQR']
        for name in ('S1', 'S2'):
            subject = owner.subject(name).create()
            session = subject.experiment(f'{name}_MR').create(experiments='xnat:mrSessionData')
            for scan in '12':
                session.scan(scan).create().resource('D').file('f').put(b'f')
            assessor = session.assessor(f'{name}_QC').create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
            )
            for other in others:
                for item in (subject, session, assessor):
                    item.share(other.id(), f'{other.id()}_{item.label()}')
        yield Sites(a=xnat)
        xnat.disconnect()


@pytest.mark.parametrize(
    ('path', 'number'),
    [
        ('/projects/*/subjects', 2),
        ('/projects/*/subjects/*/experiments', 2),
        ('/projects/*/experiments', 2),
        ('//assessors', 2),
        ('//scans', 4),
        ('/projects/*/experiments/*/scans', 4),
        ('//scans/*/resources', 4),
        ('//files', 4),
        ('/projects', 3),
    ],
)
def test_what_several_projects_share_is_counted_once(
    sharing: Sites, path: str, number: int
) -> None:
    selection = sharing.select(path)
    assert dict(selection.count().check()) == {'a': number}
    assert dict(selection.count(at_least=number + 1)) == {'a': None}


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
def test_all_elements_of_a_level_are_counted_by_one_request(sharing: Sites, level: Any) -> None:
    with sharing['a'].trace() as trace:
        assert dict(sharing.count(level=level).check()) == {'a': 2}
    assert trace.requests == 1, trace


@given(st.lists(st.integers(0, 20), max_size=5), st.integers(0, 10))
def test_the_true_sum_is_within_the_bounds(numbers: list[int], at_least: int) -> None:
    counts = Counts({f's{n}': number for n, number in enumerate(numbers)}, {}, at_least)
    low, high = counts.bounds()
    assert low <= sum(numbers) <= high
    assert all(number is None or number >= at_least for number in counts.values())


class TestFailures:
    @pytest.fixture(params=['closed', 'wrong password', 'silent', 'a page'])
    def failing(self, request: Any, connections: Any, tmp_path: Path) -> Iterator[Sites]:
        """Return the sites east and west, and one that fails between them."""
        if request.param in ('closed', 'silent'):
            bad = request.getfixturevalue(request.param)
            yield Sites(
                {'east': connections['east'], 'bad': bad, 'west': connections['west']},
                timeout=0.5 if request.param == 'silent' else None,
                fields=FIELDS,
            )
        elif request.param == 'wrong password':
            server = connections['east'].connection.server
            bad = pyxnat.Interface(server, 'admin', 'wrong', tmp_path / 'wrong')
            yield Sites(
                {'east': connections['east'], 'bad': bad, 'west': connections['west']},
                fields=FIELDS,
            )
        else:
            with ScriptedServer(lambda request: Reply(200, b'<html>maintenance</html>')) as server:
                bad = pyxnat.Interface(server.url, 'u', 'p', tmp_path / 'page')
                yield Sites(
                    {'east': connections['east'], 'bad': bad, 'west': connections['west']},
                    fields=FIELDS,
                )

    def test_the_other_sites_answer(self, failing: Sites) -> None:
        found = failing.select('/projects/P/subjects').table(['label'])
        assert sorted(found['label']) == ['S1', 'S1', 'S2', 'S3', 'S4']
        assert list(found.failures) == ['bad']
        assert isinstance(found.failures['bad'], errors.Error)
        with pytest.raises(errors.OperationalError, match='1 of 3 sites failed: bad: '):
            found.check()
        with pytest.raises(errors.Error):
            found.of('bad')
        with pytest.raises(KeyError, match="no site 'wset'; there are: east, west, bad"):
            found.of('wset')
        assert len(found.of('west')) == 2

    def test_counts_and_searches_name_the_site(self, failing: Sites) -> None:
        counts = failing.count([('sex', '=', 'F')])
        assert dict(counts) == {'east': 2, 'west': 1}
        searched = failing.search('xnat:subjectData', ['sex'], 'sex = F')
        assert len(searched) == 3, searched.failures
        for found in (counts, searched):
            assert list(found.failures) == ['bad']
            with pytest.raises(errors.OperationalError, match='bad: '):
                found.check()

    def test_rows_and_elements_are_followed_by_an_error(self, failing: Sites) -> None:
        selection = failing.select('/projects/P/subjects')
        for items in (selection.rows(['label']), iter(selection)):
            seen = []
            with pytest.raises(errors.OperationalError, match='1 of 3 sites failed'):
                for item in items:
                    seen.append(item)
            assert len(seen) == 5

    def test_a_site_without_a_field_or_value_fails_alone(self, connections: Any) -> None:
        sites = Sites(connections, fields={'east': FIELDS['east'], 'west': {'sex': None}})
        chosen = sites.select('/projects/P/subjects').where([('sex', '=', 'F')])
        assert list(chosen.failures) == list(chosen.table(['label']).failures) == ['west']
        assert list(sites.count('sex = F').failures) == ['west']
        table = sites.select('/projects/P/subjects').table(['label', 'sex'])
        assert table.of('west')['sex'] == ['', '']
        assert list(sites.select('/projects/P/subjects').table(['sex']).failures) == ['west']
        with pytest.raises(errors.NotSupportedError, match="no value for 'control'"):
            sites.count([('arm', '=', 'control')])

    def test_a_fault_of_the_program_is_raised(self, connections: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            listed({'one': lambda: [1 / 0]}, {})


def test_the_sites_are_asked_at_the_same_time(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=GENEROUS_S)

    def answer(request: Any) -> Reply:
        if '/subjects' in request.uri:
            both.wait()  # passes only when the other site was asked, too
        return Reply(200, table({'ID': 'S', 'label': 'S'}), {'Content-Type': 'application/json'})

    with ScriptedServer(answer) as one, ScriptedServer(answer) as two:
        connections = {
            name: pyxnat.Interface(server.url, 'u', 'p', tmp_path / name)
            for name, server in (('one', one), ('two', two))
        }
        found = Sites(connections).select('/projects/P/subjects').table(['label']).check()
    assert found['site'] == ['one', 'two']


def test_a_loop_that_is_left_ends_the_threads() -> None:
    endless = {name: lambda: iter(int, 1) for name in ('left-1', 'left-2')}
    asked = ask(endless, {})
    next(asked)
    asked.close()
    wait_until(
        lambda: not any(thread.name.startswith('pyxnat-left') for thread in threading.enumerate()),
        'the threads to end',
    )


def test_many_items_come_complete_and_in_order() -> None:
    questions = {f's{size}': lambda size=size: range(size) for size in (0, 1, 199, 200, 201, 999)}
    assert listed(questions, {}) == {name: list(range(int(name[1:]))) for name in questions}


VALUES = st.text('abcdef', min_size=1, max_size=3)
MAPS = st.dictionaries(VALUES, st.lists(VALUES, min_size=1, max_size=3, unique=True), max_size=4)


@given(MAPS, st.lists(VALUES, max_size=5))
def test_values_of_a_site_come_back_as_the_common_one(
    values: dict[str, list[str]], others: list[str]
) -> None:
    own = [text for texts in values.values() for text in texts]
    if len(own) != len(set(own)):
        with pytest.raises(errors.ProgrammingError, match='stands for'):
            Vocabulary({'x': ('f', values)})
        return
    words = Vocabulary({'x': ('f', values)})
    for common, texts in values.items():
        field, operator, asked = words.criteria(('x', '=', common))
        assert (field, operator) == ('f', '=')
        assert ([asked] if isinstance(asked, str) else asked) == texts
        assert all(words.row(['x'], {'f': text}, 'search') == {'x': common} for text in texts)
    for text in set(others) - set(own):
        assert words.row(['x'], {'f': text}, 'search') == {'x': text}


@pytest.fixture(scope='module')
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Return a site with a subject of each group, and one of none."""
    arm = {'case': ['AD', 'MCI'], 'late': 'CN, late', 'none': '', 'absent': 'x'}
    with serve(tmp_path_factory.mktemp('grouped')) as server:
        xnat = pyxnat.Interface(server.url, server.user, server.password)
        project = xnat.select.project('P').create()
        for number, group in enumerate(('AD', 'MCI', 'CN, late', 'free', '')):
            project.subject(f'S{number}').create(**({'group': group} if group else {}))
        yield Sites(a=xnat, fields={'a': {'arm': {**ARM, 'values': arm}}})
        xnat.disconnect()


COMMON = ('case', 'late', 'none', 'absent')


@given(
    st.sampled_from(['=', '!=', 'IN', 'NOT IN']),
    st.lists(st.sampled_from(COMMON), min_size=1, max_size=3, unique=True),
    st.booleans(),
)
def test_criteria_choose_the_rows_that_show_the_common_values(
    grouped: Sites, operator: str, values: list[str], is_text: bool
) -> None:
    if operator in ('=', '!='):
        values = values[:1]
        criteria: Any = [('arm', operator, values[0])]
        text = f"arm {operator} '{values[0]}'"
    else:
        criteria = [('arm', operator, ', '.join(values) if is_text else values)]
        text = f'arm {operator} ({", ".join(values)})'
    subjects = grouped.select('/projects/P/subjects')
    shown = [cell for (cell,) in subjects.table(['arm']).of('a').items()]
    is_negated = operator in ('!=', 'NOT IN')
    expected = sorted(value for value in shown if (value in values) != is_negated)
    for given_criteria in (criteria, text):
        chosen = subjects.where(given_criteria).table(['arm']).check()
        assert sorted(cell for _, cell in chosen.items()) == expected, given_criteria
        assert dict(grouped.count(given_criteria)) == {'a': len(expected)}


@pytest.mark.parametrize(
    ('criteria', 'number'),
    [
        ([('arm', '=', '*')], 4),
        ([('arm', '=', 'NULL')], 1),
        ([('arm', '!=', None)], 4),
        ([('arm', 'IN', ['case', None])], 3),
        ("arm = ''", 1),
        ('arm IS NULL', 1),
        ('arm IS NOT NULL', 4),
        ('arm = *', 4),
    ],
)
def test_criteria_for_any_or_no_value_work_with_translated_values(
    grouped: Sites, criteria: Any, number: int
) -> None:
    assert dict(grouped.count(criteria)) == {'a': number}


@pytest.mark.parametrize(
    ('criteria', 'error'),
    [
        ([('sex', 'LIKE', 'F%')], 'only whole values'),
        ([('sex', '>', 'F')], 'only whole values'),
        ('sex = F) AND', 'parenthesis'),
        ([('sex', 'near', 'F')], 'not an operator'),
        ([], 'no constraint'),
    ],
)
def test_wrong_criteria_are_refused_before_any_request(
    sites: Sites, criteria: Any, error: str
) -> None:
    with sites['east'].trace() as trace:
        for ask_for in (sites.select('/projects/P/subjects').where, sites.count):
            with pytest.raises(errors.ProgrammingError, match=error):
                ask_for(criteria)
    assert trace.requests == 0


@pytest.mark.parametrize(
    ('make', 'error'),
    [
        (lambda xnat: Sites(), 'one connection for each name'),
        (lambda xnat: Sites({'a': xnat}, a=xnat), 'one connection for each name'),
        (lambda xnat: Sites(a='https://x.org'), "site 'a' is a str"),
        (lambda xnat: Sites(a=xnat, fields={'b': {}}), 'b is no site'),
        (lambda xnat: Sites(a=xnat, fields={'a': {'x': 3}}), 'is not a field'),
        (lambda xnat: Sites(a=xnat, fields={'a': {'x': {'colum': 'y'}}}), 'is not a field'),
        (lambda xnat: Sites(a=xnat).select('/projects/P'), 'not a collection'),
        (lambda xnat: Sites(a=xnat).select('xnat:subjectData'), 'not a collection'),
        (lambda xnat: Sites(a=xnat).search('xnat:subjectData', []), 'no columns'),
        (lambda xnat: Sites(a=xnat).search(None, ['sex']), 'no data type'),
        (lambda xnat: Sites(a=xnat).search('subjects', ['sex']), 'no data type'),
        (lambda xnat: Sites(a=xnat).count(at_least=-1), 'at_least'),
        (lambda xnat: Sites(a=xnat).count(level='scan'), 'level='),
        (lambda xnat: Sites(a=xnat).select('/projects').count(at_least='5'), 'at_least'),
        (lambda xnat: Sites(a=xnat).select('/projects').table('label'), 'not a list'),
        (lambda xnat: Sites(a=xnat).select('/projects').table(None), 'None is not a name'),
        (lambda xnat: Sites(a=xnat).select('/projects').table(['ID', 1]), '1 is not a name'),
        (lambda xnat: Sites([xnat]), 'a name for each site'),
        (lambda xnat: Sites(a=xnat, fields=3), 'a name for each site'),
        (lambda xnat: Sites(a=xnat, fields={'a': 3}), 'no map of names'),
        (lambda xnat: Sites(a=xnat, timeout='x'), 'timeout='),
        (lambda xnat: Sites(a=xnat, timeout=0), 'timeout='),
        (lambda xnat: Sites(a=xnat).copy('/projects/P', 'a', 'b', 'P'), 'b is no site'),
    ],
)
def test_wrong_arguments_are_named(connections: Any, make: Any, error: str) -> None:
    with pytest.raises(errors.ProgrammingError, match=error):
        make(connections['east'])


def test_a_column_site_of_their_own_needs_another_name(sites: Sites) -> None:
    with pytest.raises(errors.DataError, match='fields='):
        sites.select('/projects/P/subjects').table(['label', 'site'])
