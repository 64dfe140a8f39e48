"""Tests of searches as tables, of conditions on selections, and of introspection."""

from __future__ import annotations

import datetime
import json
import pickle
import re

import pytest

import pyxnat
from pyxnat import errors
from tests.support.scripted import Reply, ScriptedServer

AGE = 'xnat:mrSessionData/AGE'
#         subject  age gender    handed   sessions (label, type, age, field strength)
COHORT = [
    ('W1', 70, 'female', 'left', [('W1_MR1', 'mr', 79, '1.5'), ('W1_MR2', 'mr', 82, '3.0')]),
    ('W2', 81, 'male', 'right', [('W2_MR', 'mr', 81, '1.5'), ('W2_PT', 'pet', 81, '')]),
    ('W3', 40, 'female', 'right', [('W3_MR', 'mr', 40, '3.0')]),
    ('W4', 85, 'female', 'left', [('W4_PT', 'pet', 85, '')]),
    ('W5', 79, 'male', 'left', [('W5_MR', 'mr', 79, '3.0')]),
]


@pytest.fixture(scope='module')
def cohort(server):
    with pyxnat.Interface(server.url, server.user, server.password) as xnat:
        for project in ('WHERE', 'OTHERWHERE'):
            for subject, age, gender, handedness, sessions in COHORT:
                person = (
                    xnat.select.project(project)
                    .create()
                    .subject(subject if project == 'WHERE' else f'{subject}o')
                )
                person.create(age=age, gender=gender, handedness=handedness)
                for label, kind, age_then, strength in sessions:
                    session = person.experiment(label if project == 'WHERE' else f'{label}o')
                    fields = {
                        f'xnat:{kind}SessionData/age': age_then,
                        'date': datetime.date(2019, 5, 6),
                    }
                    if strength:
                        fields['xnat:mrSessionData/fieldStrength'] = strength
                    session.create(experiments=f'xnat:{kind}SessionData', **fields)
    return 'WHERE'


def labels(collection):
    return sorted(collection.get('label'))


def test_where_keeps_to_the_project_of_the_path(xnat, cohort):
    sessions = xnat.select('/projects/WHERE/subjects/*/experiments/*')
    over = sessions.where([(AGE, '>', '80'), 'AND'])
    assert labels(over) == [
        'W1_MR1',
        'W1_MR2',
        'W2_MR',
        'W2_PT',
        'W4_PT',
    ]  # W4 has no MR session, and its age is 85
    assert all('/projects/WHERE/' in session._uri for session in over)
    assert labels(xnat.select('/projects/*/subjects/W2*/experiments').where([(AGE, '>', 80)])) == [
        'W2_MR',
        'W2_MRo',
        'W2_PT',
        'W2_PTo',
    ]


def test_where_does_not_change_the_collection(xnat, cohort):
    sessions = xnat.select('/projects/WHERE/subjects/*/experiments/*')
    before = labels(sessions)
    over = sessions.where([(AGE, '>', 80)])
    young = sessions.where([(AGE, '<', 50)])
    assert labels(over) != labels(young) == ['W3_MR']
    assert labels(sessions) == before and len(before) == 7
    assert sessions == xnat.select('/projects/WHERE/subjects/*/experiments/*') != over


def test_where_filters_subjects_and_with_level_experiments(xnat, cohort):
    sessions = xnat.select('/projects/WHERE/subjects/*/experiments/*')
    assert labels(sessions.where([(AGE, '>', 80)], level='experiment')) == ['W1_MR2', 'W2_MR']
    assert labels(xnat.select('/projects/WHERE/subjects').where([(AGE, '>', 80)])) == [
        'W1',
        'W2',
        'W4',
    ]


def test_constraints_in_one_list_apply_to_one_item_and_nested_lists_to_any(xnat, cohort):
    subjects = xnat.select('/projects/WHERE/subjects')
    strength = 'xnat:mrSessionData/fieldStrength'
    assert labels(subjects.where([(AGE, '>', 80), (strength, '=', '1.5'), 'AND'])) == ['W2']
    assert labels(subjects.where([[(AGE, '>', 80)], [(strength, '=', '1.5')], 'AND'])) == [
        'W1',
        'W2',
    ]
    assert labels(subjects.where([[(AGE, '=', 79)], [(AGE, '=', 82)], 'AND'])) == ['W1']
    assert labels(subjects.where([[(AGE, '=', 40)], [(AGE, '=', 82)], 'OR'])) == ['W1', 'W3']
    assert labels(
        subjects.where([('xnat:subjectData/GENDER', '=', 'female'), (AGE, '>', 50), 'AND'])
    ) == ['W1', 'W4']
    assert labels(subjects.where([(AGE, 'IN', [40, 81])])) == ['W2', 'W3']
    assert labels(subjects.where([(AGE, 'BETWEEN', (40, 79))])) == ['W1', 'W3', 'W5']


def test_conditions_are_combined(xnat, cohort):
    subjects = (
        xnat.select('/projects/WHERE/subjects')
        .where([(AGE, '>', 78)])
        .where([('xnat:subjectData/GENDER', '=', 'male')])
    )
    assert labels(subjects) == ['W2', 'W5']


def test_where_filters_files_scans_and_experiments_below_the_project(xnat, cohort):
    scan = xnat.select('/projects/WHERE/subjects/W2/experiments/W2_MR/scans/1').create()
    scan.resource('R').file('f.img').put(b'image', overwrite=True)
    assert xnat.select('/projects/WHERE//files').where([(AGE, '>', 80)]).get() == ['f.img']
    assert xnat.select('/projects/WHERE//files').where([(AGE, '<', 80)]).get() == []
    assert labels(xnat.select('/projects/WHERE/experiments').where([(AGE, '>', 80)])) == [
        'W1_MR1',
        'W1_MR2',
        'W2_MR',
        'W2_PT',
        'W4_PT',
    ]
    assert labels(
        xnat.select('/projects/WHERE/subjects/W1/experiments').where([(AGE, '>', 80)])
    ) == ['W1_MR1', 'W1_MR2']
    assert (
        labels(xnat.select('/projects/WHERE/subjects/W3/experiments').where([(AGE, '>', 80)])) == []
    )


def test_conditions_are_kept_by_collections_below(xnat, cohort):
    chained = xnat.select.project('WHERE').subjects().where([(AGE, '>', 80)]).experiments('*_MR*')
    assert labels(chained) == ['W1_MR1', 'W1_MR2', 'W2_MR']


def test_where_takes_one_search_for_each_list(xnat, cohort):
    sessions = xnat.select('/projects/WHERE/subjects/*/experiments/*')
    with xnat.trace() as trace:
        sessions.where([(AGE, '>', 80)]).get('label')
    assert [record.method for record in trace] == ['POST', 'GET', 'GET']
    with xnat.trace() as trace:
        sessions.where([[(AGE, '=', 79)], [(AGE, '=', 82)], 'AND'])
    assert trace.requests == 0


@pytest.mark.parametrize('path', ['/projects', '/projects/WHERE/resources'])
def test_where_without_subjects_is_an_error(xnat, cohort, path):
    with pytest.raises(errors.ProgrammingError, match='no subjects'):
        xnat.select(path).where([(AGE, '>', 80)]).get()


@pytest.mark.parametrize(
    'criteria',
    [
        [],
        'x',
        [(AGE, '~', 3)],
        [(AGE, '>', 3), 'XOR'],
        [(AGE, '>', 1), 'AND', (AGE, '<', 2), 'OR'],
        [('AGE', '=', 1)],
        [(AGE, '<', None)],
    ],
)
def test_invalid_criteria_are_an_error_before_any_request(xnat, criteria):
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError):
        xnat.select('/projects/WHERE/subjects').where(criteria)
    assert trace.requests == 0


def test_a_search_gives_a_table_with_the_requested_columns(xnat, cohort):
    columns = [
        'xnat:subjectData/SUBJECT_LABEL',
        'xnat:mrSessionData/LABEL',
        AGE,
        'xnat:mrSessionData/fieldStrength',
    ]
    criteria = [
        ('xnat:mrSessionData/PROJECT', '=', 'WHERE'),
        [('xnat:subjectData/GENDER', '=', 'female'), (AGE, '=', 81), 'OR'],
        'AND',
    ]
    with xnat.trace() as trace:
        table = xnat.select('xnat:mrSessionData', columns).where(criteria)
    assert trace.requests == 2  # one for the display fields: fieldStrength might be a display field
    assert table.headers()[:3] == ['xnat_subjectdata_subject_label', 'label', 'age']
    assert sorted(row['label'] for row in table) == ['W1_MR1', 'W1_MR2', 'W2_MR', 'W3_MR']
    assert {row['label']: row[table.headers()[3]] for row in table}['W3_MR'] == '3.0'
    assert {row['label']: float(row['age']) for row in table} == {
        'W1_MR1': 79,
        'W1_MR2': 82,
        'W2_MR': 81,
        'W3_MR': 40,
    }


def test_rows_are_yielded_one_at_a_time_and_equal_the_table(xnat, cohort):
    search = xnat.select(
        'xnat:mrSessionData', ['xnat:mrSessionData/LABEL', 'xnat:subjectData/GENDER']
    )
    criteria = [('xnat:mrSessionData/PROJECT', '=', 'WHERE'), (AGE, '>', 50)]
    xnat.cache.expiration = 60
    with xnat.trace() as trace:
        rows = search.rows(criteria)
        assert trace.requests == 0
        first = next(rows)
        assert (
            list(first) == ['label', 'xnat_subjectdata_gender']
            and xnat.select.project('WHERE').exists()
        )
        assert [first, *rows] == search.where(criteria).data
    assert sorted(record.method for record in trace) == ['GET', 'POST']
    assert sum(1 for _ in search.rows()) == len(search.all())
    every = next(xnat.select('xnat:mrSessionData').rows(criteria))
    assert (
        list(every) == xnat.select('xnat:mrSessionData').where(criteria).headers()
        and len(every) > 15
    )
    rows = search.rows()
    next(rows)
    rows.close()
    assert len(list(search.rows([(AGE, '>', 1000)]))) == 0


def answer_to_a_search(count: int, key: str, behind: bool = False) -> bytes:
    """Return XNAT's response to a search for one field, with a key that XNAT chooses.

    The members around the rows have no fixed order.
    """
    columns = [
        {'key': key, 'element_name': 'xnat:mrSessionData', 'id': 'AGE', 'header': 'Age'},
        {'key': 'quarantine_status'},
    ]
    rows = [
        {key: f'{number % 90}\nyears', 'quarantine_status': 'active', 'more': 'x' * 60}
        for number in range(count)
    ]
    beside = (
        {'Result': rows, 'Columns': columns} if behind else {'Columns': columns, 'Result': rows}
    )
    return json.dumps(
        {'ResultSet': {'title': 'a search', **beside, 'totalRecords': str(count)}}
    ).encode()


@pytest.mark.parametrize(('count', 'behind'), [(3, False), (3, True), (20_000, False)])
def test_a_search_of_any_length_is_cached_and_read_without_a_network(tmp_path, count, behind):
    body = answer_to_a_search(count, 'df_alias_0', behind)
    with ScriptedServer(
        lambda request: Reply(200, body, {'Set-Cookie': 'JSESSIONID=A; Path=/'})
    ) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
        search = interface.select('xnat:mrSessionData', [AGE])
        expected = [{'df_alias_0': f'{number % 90}\nyears'} for number in range(count)]
        assert list(search.rows([(AGE, '>', 1)])) == expected
        interface.cache.mode = 'offline'
        assert search.where([(AGE, '>', 1)]).data == expected == list(search.rows([(AGE, '>', 1)]))
        assert len(server.requests) == 1
        with pytest.raises(errors.OfflineError):
            next(search.rows([(AGE, '>', 2)]))


def test_a_truncated_search_is_an_error(tmp_path):
    body = answer_to_a_search(20_000, 'age')
    with ScriptedServer(
        lambda request: Reply(
            200, body[:-9], {'Set-Cookie': 'JSESSIONID=A; Path=/'}, len(body), close=True
        )
    ) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
        for ask in (lambda search: next(search.rows()), lambda search: search.all()):
            with pytest.raises(errors.TransferError):
                ask(interface.select('xnat:mrSessionData', [AGE]))


def test_iterating_rows_raises_the_error_of_a_search(xnat, cohort):
    search = xnat.select('xnat:mrSessionData', [AGE])
    with pytest.raises(errors.ProgrammingError, match='not an operator'):
        search.rows([(AGE, '~', 1)])
    with pytest.raises(errors.ProgrammingError, match='kind of its field'):
        next(search.rows([(AGE, '>', 'old')]))
    long = 'xnat:mrSessionData/' + 'x' * 80
    with pytest.raises(errors.DatabaseError):
        next(xnat.select('xnat:mrSessionData', [long]).rows())


def test_all_returns_every_row(xnat, cohort):
    table = xnat.select(
        'xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL', 'xnat:subjectData/PROJECT']
    ).all()
    assert sorted(table.where(project='WHERE').get('subject_label')) == [
        'W1',
        'W2',
        'W3',
        'W4',
        'W5',
    ]


def test_a_search_without_results_is_an_empty_table(xnat, cohort):
    table = xnat.select('xnat:mrSessionData', [AGE]).where([(AGE, '>', 200)])
    assert len(table) == 0 and list(table) == []


def test_a_column_that_the_search_engine_omits_is_an_error():
    from tests.support.scripted import Reply, ScriptedServer, table

    with ScriptedServer(lambda request: Reply(200, table({'subject_label': 'S1'}))) as server:
        search = pyxnat.Interface(server.url, 'me', 'secret').select(
            'xnat:subjectData', ['xnat:subjectData/AGE']
        )
        with pytest.raises(
            errors.ProgrammingError, match=r'without xnat:subjectData/AGE.*subject_label'
        ):
            search.all()


def test_a_column_with_a_shortened_key_is_found(xnat, project):
    project.subject('S').create().attrs.set(
        'xnat:subjectData/fields/field[name=' + 'x' * 60 + ']/field', 'long'
    )
    long = 'xnat:subjectData/XNAT_SUBJECTDATA_FIELD_MAP=' + 'x' * 60
    search = xnat.select(
        'xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL', long, 'xnat:subjectData/INSERT_USER']
    )
    table = search.where([('xnat:subjectData/PROJECT', '=', project.id())])
    assert table.items() == [('S', 'long', xnat._user)] and re.fullmatch(
        r'df_alias_\d+', table.headers()[1]
    )


def test_columns_are_found_by_name_in_any_order(xnat, cohort):
    """Links of a label add columns of their own; a requested column among them has the place of the
    link."""
    names = [
        'LABEL',
        'scanner',
        'INSERT_USER',
        'date',
        'fieldStrength',
        'PROJECT',
        'SESSION_ID',
        'xnat:subjectData/SUBJECT_LABEL',
    ]
    table = xnat.select('xnat:mrSessionData', names).where(
        [('xnat:mrSessionData/LABEL', '=', 'W5_MR')]
    )
    (row,) = table.items()
    assert row[:6] == ('W5_MR', '', xnat._user, '2019-05-06', '3.0', 'WHERE') and row[7:] == ('W5',)
    assert table.headers()[3:5] == ['date', 'xnat_col_mrsessiondatafieldstrength']


@pytest.mark.parametrize(
    ('root', 'column', 'remedy'),
    [
        ('xnat:subjectData', 'xnat:subjectData/AGE', 'demographics/age.*mrSessionData/AGE'),
        ('xnat:subjectData', 'xnat:subjectData/YOB', 'DOB'),
        ('xnat:subjectData', 'xnat:subjectData/demographics/age', r'leave out paths with'),
        ('xnat:petSessionData', 'xnat:petSessionData/NOPE', 'has the columns'),
        ('xnat:petSessionData', 'xnat:mrSessionData/scanner/model', 'has the columns'),
    ],
)
def test_the_error_of_an_omitted_column_suggests_another_field(xnat, cohort, root, column, remedy):
    label = 'xnat:subjectData/SUBJECT_LABEL' if root == 'xnat:subjectData' else f'{root}/LABEL'
    for columns in ([label, column], [column]):
        for criteria in (None, [(label, '=', 'nobody')]):
            search = xnat.select(root, columns)
            with pytest.raises(errors.ProgrammingError, match='without') as caught:
                search.all() if criteria is None else search.where(criteria)
            assert re.search(remedy, caught.value.remedy)


def test_ages_of_subjects_are_compared_by_demographics_or_by_sessions(xnat, cohort):
    subjects = xnat.select('/projects/WHERE/subjects')
    assert labels(subjects.where([('xnat:subjectData/demographics/age', '>', 80)])) == ['W2', 'W4']
    with pytest.raises(errors.DatabaseError, match='demographics/age'):
        subjects.where([('xnat:subjectData/AGE', '>', 80)]).get()


def test_values_of_a_field_take_two_requests_if_searches_can_be_cached(xnat, cohort):
    with xnat.trace() as trace:
        assert {'1.5', '3.0'} <= set(xnat.inspect.field_values('xnat:mrSessionData/fieldStrength'))
    assert [record.method for record in trace] == ['POST', 'GET']


LISTED = {'Set-Cookie': 'JSESSIONID=A; Path=/'}


def server_without_values(reply):
    """Return a server that caches searches, and answers otherwise in place of their values."""
    found = answer_to_a_search(3, 'age').replace(b'{"title"', b'{"ID": "cached_1", "title"')
    return ScriptedServer(
        lambda request: reply if 'cached_1' in request.uri else Reply(200, found, LISTED)
    )


@pytest.mark.parametrize(
    'reply',
    [
        *(Reply(status, headers=LISTED) for status in (400, 403, 404, 405, 500)),
        Reply(200, b'<html><body>Values</body></html>', LISTED),
        Reply(200, b'{"ResultSet": {"Result": [{"other": "1"}]}}', LISTED),
    ],
    ids=lambda reply: f'{reply.status}-{len(reply.body)}',
)
def test_values_that_are_refused_come_from_the_search_itself(reply):
    with server_without_values(reply) as server:
        values = pyxnat.Interface(server.url, 'me', 'secret').inspect.field_values(AGE)
        assert len(values) == 3 and server.count('POST') == 2 and server.count('GET') > 0


@pytest.mark.parametrize(
    ('reply', 'error'),
    [
        (Reply(silent=True), errors.NetworkError),
        (Reply(200, b'{"ResultSet"', LISTED, length=200, close=True), errors.NetworkError),
        (Reply(401), errors.AuthenticationError),
        (Reply(503, headers=LISTED), errors.BusyError),
    ],
    ids=['silent', 'cut', '401', '503'],
)
def test_a_failure_of_network_or_login_is_no_refusal_of_values(reply, error):
    with server_without_values(reply) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', retries=0)
        with pytest.raises(error):
            interface.inspect.field_values(AGE)
        assert server.count('POST') == 1 or error is errors.AuthenticationError


def test_an_unknown_type_or_field_is_an_error(xnat, cohort):
    for root, column in (
        ('xnat:nopeData', 'xnat:nopeData/AGE'),
        ('xnat:mrSessionData', 'xnat:mrSessionData/NOPE'),
    ):
        with pytest.raises(errors.DatabaseError):
            xnat.select(root, [column]).all()


@pytest.mark.parametrize(('operator', 'kept'), [('IN', ['S1']), ('NOT IN', ['S2'])])
def test_a_list_can_have_a_thousand_values(xnat, project, operator, kept):
    project.subject('S1').create()
    project.subject('S2').create()
    many = [f'X{number}' for number in range(1200)] + ['S1']
    for field in ('xnat:subjectData/SUBJECT_LABEL', 'xnat:subjectData/label'):
        assert project.subjects().where([(field, operator, many)]).get('label') == kept


@pytest.mark.parametrize(
    'value', ["O'Brien", 'a & b', '<x>', 'ünïcode', '100%', '"quoted"', "x' OR '1'='1"]
)
def test_values_are_not_parsed_as_criteria(xnat, project, value):
    project.subject('S1').create(group=value)
    project.subject('S2').create(group='other')
    assert project.subjects().where([('xnat:subjectData/SUB_GROUP', '=', value)]).get('label') == [
        'S1'
    ]


def test_missing_values_and_dates(xnat, project):
    project.subject('S1').create(gender='male')
    project.subject('S2').create().experiment('E').create(date=datetime.date(2020, 2, 29))
    assert project.subjects().where([('xnat:subjectData/GENDER', '=', None)]).get('label') == ['S2']
    assert project.subjects().where([('xnat:subjectData/GENDER', '!=', None)]).get('label') == [
        'S1'
    ]
    assert project.subjects().where(
        [('xnat:mrSessionData/DATE', '=', datetime.date(2020, 2, 29))]
    ).get('label') == ['S2']


@pytest.mark.parametrize('field', ['xnat:mrSessionData/DATE', 'xnat:mrSessionData/date'])
def test_dates_compare_as_dates(xnat, project, field):
    for day in (1, 2, 3):
        project.subject('S').experiment(f'E{day}').create(date=datetime.date(2020, 1, day))
    sessions = project.subject('S').experiments()
    second = datetime.date(2020, 1, 2)
    for operator, value, kept in (
        ('=', second, ['E2']),
        ('!=', second, ['E1', 'E3']),
        ('<', second, ['E1']),
        ('>=', '2020-01-02', ['E2', 'E3']),
        ('=', '01/02/2020', ['E2']),
        ('IN', [second, '01/03/2020'], ['E2', 'E3']),
        ('BETWEEN', ('2020-01-02', datetime.datetime(2020, 1, 3, 12)), ['E2', 'E3']),
    ):
        assert labels(sessions.where([(field, operator, value)], level='experiment')) == kept, (
            operator,
            value,
        )


def test_times_timestamps_and_booleans_are_values(xnat, project):
    session = 'xnat:petSessionData'
    for label, time in (('E1', '10:11:12'), ('E2', '23:00:00')):
        fields = {f'{session}/time': time, f'{session}/start_time_scan': f'2020-01-02 {time}'}
        project.subject('S').experiment(label).create(experiments=session, **fields)
    sessions = project.subject('S').experiments()

    def kept(name, operator, value):
        return labels(sessions.where([(f'{session}/{name}', operator, value)], level='experiment'))

    assert kept('time', '=', datetime.time(10, 11, 12)) == ['E1'] and kept(
        'time', '>', datetime.time(11)
    ) == ['E2']
    moment = datetime.datetime(2020, 1, 2, 10, 11, 12)
    assert kept('start_time_scan', '=', moment) == ['E1'] and kept(
        'start_time_scan', '>', moment
    ) == ['E2']
    project.attrs.set('xnat:projectData/active', 'true')
    search = xnat.select('xnat:projectData', ['xnat:projectData/ID'])
    for value, found in ((True, 1), (False, 0)):
        criteria = [
            ('xnat:projectData/ID', '=', project.id()),
            ('xnat:projectData/active', '=', value),
        ]
        assert len(search.where(criteria)) == found


def test_lists_of_another_level_use_the_type_that_the_criteria_name(xnat, cohort):
    sessions = xnat.select('/projects/WHERE/subjects/*/experiments/*')
    women = [('xnat:subjectData/GENDER', '=', 'female')]
    assert labels(sessions.where([[(AGE, '>', 50)], women], level='experiment')) == [
        'W1_MR1',
        'W1_MR2',
    ]
    both = [[(AGE, '>', 81)], [('xnat:petSessionData/AGE', '>', 84)], 'OR']
    assert labels(sessions.where(both, level='experiment')) == ['W1_MR2', 'W4_PT']
    for unclear in (
        [women],
        [*both[:2], women, 'OR'],
        [(AGE, '>', 1), ('xnat:petSessionData/AGE', '>', 1)],
    ):
        with pytest.raises(errors.ProgrammingError, match='one type of experiment'):
            sessions.where(unclear, level='experiment').get()


def test_assessors_are_selected_by_their_own_fields(xnat, project):
    kind = 'xnat:qcManualAssessorData'
    for label, rater in (('A1', 'me'), ('A2', 'you')):
        session = project.subject('S').experiment(f'E_{label}')
        session.create().assessor(label).create(
            assessors=kind, **{f'{kind}/rater': rater, f'{kind}/pass': '1'}
        )
    assessors, mine = project.subjects().experiments().assessors(), [(f'{kind}/rater', '=', 'me')]
    assert assessors.where(mine, level='assessor').get('label') == ['A1']
    assert project.subjects().experiments().assessors('A*').where(mine, level='assessor').get(
        'label'
    ) == ['A1']
    with pytest.raises(errors.ProgrammingError, match='has no assessors'):
        project.subjects().where(mine, level='assessor').get()
    with pytest.raises(errors.ProgrammingError, match='no type of assessor'):
        assessors.where([('xnat:subjectData/GENDER', '=', None)], level='assessor').get()


def test_types_without_a_display_document_are_found(xnat, project):
    project.subject('S').experiment('US').create(
        experiments='xnat:usSessionData', **{'xnat:usSessionData/age': 7}
    )
    criteria = [('xnat:usSessionData/age', '>', 3)]
    assert project.subjects().where(criteria).get('label') == ['S']
    assert labels(project.subject('S').experiments().where(criteria, level='experiment')) == ['US']


def test_a_search_accepts_its_arguments_as_in_scripts(xnat, cohort):
    label = 'xnat:subjectData/SUBJECT_LABEL'
    where = [('xnat:subjectData/PROJECT', '=', 'WHERE'), ('xnat:subjectData/GENDER', '=', 'male')]
    tables = [
        xnat.select('xnat:subjectData', [label]).where(constraints=where),
        xnat.select('xnat:subjectData', label).where(where),
        xnat.select('xnat:subjectData', (label, label)).where('PROJECT = WHERE AND GENDER = male'),
        xnat.select('xnat:subjectData', ['SUBJECT_LABEL']).where(
            "xnat:subjectData.PROJECT = 'WHERE' AND xnat:subjectData.GENDER = male AND"
        ),
    ]
    assert [table.items() for table in tables] == [[('W2',), ('W5',)]] * 4
    for wrong in ({}, {'constraints': where, 'query': 'x'}):
        with pytest.raises(errors.ProgrammingError, match='where: '):
            xnat.select('xnat:subjectData', [label]).where(**wrong)


def test_the_error_of_a_refused_search_names_the_fields_to_check(xnat, cohort):
    with pytest.raises(errors.DatabaseError, match=r"'old'.*kind of its field"):
        xnat.select('xnat:mrSessionData', [AGE]).where([(AGE, '>', 'old')])


def test_a_saved_condition_is_pickled_by_its_name(xnat, cohort):
    chosen = xnat.select('/projects/WHERE/subjects').where(template=('t', {'a': [1, 2]}))
    assert pickle.loads(pickle.dumps(chosen)) == chosen


def test_types_fields_and_values(xnat, cohort):
    assert {
        'xnat:subjectData',
        'xnat:mrSessionData',
        'xnat:petSessionData',
        'xnat:ctSessionData',
    } <= set(xnat.inspect.datatypes())
    assert 'xnat:mrSessionData/AGE' in xnat.inspect.datatypes('xnat:mrSessionData')
    assert set(xnat.inspect.datatypes('xnat:*SessionData')) < set(xnat.inspect.datatypes())
    assert xnat.inspect.datatypes('xnat:mrSessionData', 'AGE') == ['xnat:mrSessionData/AGE']
    assert {'left', 'right'} <= set(xnat.inspect.field_values('xnat:subjectData/HANDEDNESS'))
    ages = xnat.inspect.field_values(AGE)
    assert ages == sorted(ages, key=float) and {'40', '79', '81', '82'} <= {
        str(int(float(age))) for age in ages
    }
