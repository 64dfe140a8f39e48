"""Tests of the comparisons of a search (fact 4.3), also against plain Python, and of hostile
values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.server import Server, serve
from tests.support.loading import loading

from .conftest import Client, allow_many_sessions
from .searches import SCAN, M, S, criterion, document, inside, run

# name, type of scan, note, frames, tr, start, checked, date of the session, insert date of the
# session
ROWS: list[
    tuple[
        str, str | None, str | None, str | None, str | None, str | None, str | None, str | None, str
    ]
] = [
    ('a', 'T1', 'plain', '1', '0.5', '08:00:00', '1', '2020-01-31', '2020-01-31 00:00:00.0'),
    ('b', 't1', 'a,b', '2', '2.5', '12:30:00', '0', '2020-02-01', '2020-01-31 23:59:59.999'),
    ('c', 'T2', "it's", '10', '10.0', '12:30:01', '1', '2021-12-31', '2020-02-01 00:00:00.0'),
    ('d', 'T2*', '100%', '-3', '-1.5', None, None, None, '2021-06-15 10:00:00.5'),
    ('e', None, None, None, None, '23:59:59', '0', '2020-01-31', '2021-06-15 10:00:01.25'),
    ('f', 'Ärger', 'a\\b', '200', '1e3', '00:00:00', None, '1999-12-31', '2023-09-27 17:31:21.352'),
    ('g', '', 'x_y', '0', '0.0', None, '1', None, '2023-09-27 17:31:21.352'),
]


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp('archive'), password='secret') as running:
        allow_many_sessions(running)
        with loading(running.archive) as loader:
            subject = loader.add(S, 'S1', loader.project('P'), project='P', label='S1')
            for name, kind, note, frames, tr, start, checked, date, inserted in ROWS:
                given_date = {'date': date} if date else {}
                session = loader.add(
                    M,
                    f'E_{name}',
                    subject,
                    project='P',
                    label=f'E_{name}',
                    insert_date=inserted,
                    fields=given_date,
                )
                values = {
                    'type': kind,
                    'note': note,
                    'frames': frames,
                    'parameters/tr': tr and repr(float(tr)),
                    'startTime': start,
                }
                values['dcmValidation/status'] = checked
                fields = {name: value for name, value in values.items() if value is not None}
                loader.add(SCAN, name, session, project='P', insert_date=inserted, fields=fields)
        yield running


@pytest.fixture(scope='module')
def admin(server: Server) -> Iterator[Client]:
    client = Client(server, server.user, server.password)
    yield client
    client.close()


def found(client: Client, field: str, comparison: str, value: str, override: int = 0) -> str:
    root = M if field.startswith(M) else SCAN
    rows = run(
        client,
        root,
        ['LABEL' if root == M else 'ID'],
        inside(criterion(field, comparison, value, override)),
    )
    return ''.join(sorted(row['label' if root == M else 'id'].removeprefix('E_') for row in rows))


XDAY, XINSERTED = f'{M}/date', f'{M}/meta/insert_date'
TABLE = [
    # strings: equality is case-sensitive, LIKE is not; != matches NULL on a display field
    (f'{SCAN}.TYPE', '=', 'T1', 'a'),
    (f'{SCAN}.TYPE', '!=', 'T1', 'bcdefg'),
    (f'{M}/LABEL', '!=', 'E_a', 'bcdefg'),
    (f'{M}.DATE', '!=', '2020-01-31', 'bcdfg'),
    (f'{M}.DATE', '<>', '2020-01-31', 'bcf'),
    (f'{SCAN}.TYPE', '<>', 'T1', 'bcdfg'),
    (XDAY, '!=', '2020-01-31', 'bcf'),
    (f'{M}/meta/insert_date', '!=', '2020-02-01', 'abdefg'),
    (f'{SCAN}.TYPE', '<', 'T2', 'ag'),
    (f'{SCAN}.TYPE', '=', '', 'eg'),
    (f'{SCAN}.TYPE', '!=', '', 'abcdf'),
    (f'{SCAN}.TYPE', '=', '*', 'abcdf'),
    (f'{SCAN}.TYPE', 'LIKE', 't1', 'ab'),
    (f'{SCAN}.TYPE', 'LIKE', 't%', 'abcd'),
    (f'{SCAN}.TYPE', 'LIKE', 't2*', 'd'),
    (f'{SCAN}.TYPE', 'LIKE', 'äRG%', 'f'),
    (f'{SCAN}.TYPE', 'NOT LIKE', 't%', 'fg'),
    (f'{SCAN}.NOTE', 'LIKE', '%a\\\\b%', 'f'),
    (f'{SCAN}.NOTE', 'LIKE', 'x_y', 'g'),
    (f'{SCAN}.NOTE', 'LIKE', '100\\%', 'd'),
    (f'{SCAN}.NOTE', '=', "it's", 'c'),
    (f'{SCAN}.NOTE', 'IN', 'plain,"a,b"', 'ab'),
    (f'{SCAN}.NOTE', 'IN', 'plain, x_y', 'ag'),
    # numbers are compared as numbers, whatever their text
    (f'{SCAN}.FRAMES', '<', '9', 'abdg'),
    (f'{SCAN}.FRAMES', '>=', '10', 'cf'),
    (f'{SCAN}.FRAMES', '=', '2.0', 'b'),
    (f'{SCAN}.FRAMES', 'IN', '1,200', 'af'),
    (f'{SCAN}.FRAMES', 'BETWEEN', '-3 and 1', 'adg'),
    (f'{SCAN}.PARAMETERS_TR', '>', '2.5', 'cf'),
    (f'{SCAN}.PARAMETERS_TR', 'BETWEEN', '-1.5  AND  0.5', 'adg'),
    (f'{SCAN}/parameters/tr', '>', '2.5', 'cf'),
    (f'{SCAN}/parameters/tr', '!=', '2.5', 'acdfg'),
    (f'{SCAN}/parameters/tr', 'BETWEEN', '-1.5 AND 0.5', 'adg'),
    (f'{M}/scans/scan/frames', 'BETWEEN', '1 AND 2', 'ab'),
    (f'{SCAN}.FRAMES', '=', '2020-01-1010', ''),
    (f'{SCAN}.FRAMES', '=', '12-2', 'c'),  # arithmetic: XNAT does not quote it
    (f'{SCAN}.FRAMES', '=', '*', 'abcdfg'),
    # days, timestamps and times
    (f'{M}.DATE', '=', '01/31/2020', 'ae'),
    (f'{M}.DATE', '>', '2020-01-31', 'bc'),
    (f'{M}.DATE', 'BETWEEN', '2020-01-31 AND 02/01/2020', 'abe'),
    (f'{M}.DATE', 'IN', '1999-12-31,02/01/2020', 'bf'),
    (f'{M}.INSERT_DATE', '=', '2020-01-31', 'a'),  # a timestamp, not a day
    (f'{M}.INSERT_DATE', '<=', '01/31/2020', 'a'),
    (f'{M}.INSERT_DATE', 'BETWEEN', '2020-01-31 AND 2020-02-01', 'abc'),
    (f'{SCAN}.INSERT_DATE', '=', '2020-02-01', 'c'),
    (XINSERTED, '=', '2020-01-31', 'a'),
    (XINSERTED, '=', '2021-06-15 10:00:00.5', 'd'),
    (XINSERTED, '>', '06/15/2021 10:00:01', 'efg'),
    (XINSERTED, '=', '2023-09-27 17:31:21.352', 'fg'),
    (f'{SCAN}.STARTTIME', '>=', '12:30', 'bce'),
    (f'{SCAN}.STARTTIME', '=', '12:30:01', 'c'),
    (f'{SCAN}.STARTTIME', 'BETWEEN', '08:00:00 AND 12:30:00', 'ab'),
    # booleans
    (f'{SCAN}.DCMVALIDATION_STATUS', '=', 'true', 'acg'),
    (f'{SCAN}.DCMVALIDATION_STATUS', '=', '0', 'be'),
    # filled fields
    (f'{SCAN}.TYPE', 'IS NULL', '', 'eg'),
    (f'{SCAN}.TYPE', 'IS NULL', 'NULL', 'eg'),
    (f'{SCAN}.TYPE', 'IS NOT NULL', '', 'abcdf'),
    (f'{SCAN}.TYPE', 'IS', 'NULL', 'eg'),
    (f'{SCAN}.TYPE', 'IS NOT', 'NULL', 'abcdf'),
    (f'{SCAN}.TYPE', '=', 'NULL', ''),
    (f'{M}.DATE', 'IS NULL', '', 'dg'),
    (XDAY, 'IS NULL', '', 'dg'),
    (XDAY, 'IS NOT NULL', '', 'abcef'),
    (f'{SCAN}/parameters/tr', 'IS NULL', '', 'e'),
    (f'{M}/scans/scan/startTime', 'IS NULL', '', 'dg'),
]
OVERRIDDEN = [
    (f'{SCAN}.TYPE', 'IS NULL', 'NULL', 'eg'),
    (f'{SCAN}.TYPE', 'IS', 'NULL', 'eg'),
    (f'{SCAN}.TYPE', 'IS', 'null', 'eg'),
    (f'{SCAN}.TYPE', 'IS NOT NULL', 'NULL', 'abcdf'),
    (f'{SCAN}.TYPE', 'IS NOT', 'NULL', 'abcdf'),
    (f'{SCAN}.TYPE', 'IS', 'NOT NULL', 'abcdf'),
    (f'{SCAN}.TYPE', 'IS NOT NULL', 'NOT NULL', 'abcdf'),
    (f'{M}.DATE', 'IS NULL', 'NULL', 'dg'),
    (f'{SCAN}/parameters/tr', 'IS', 'NULL', 'e'),
    (f'{SCAN}.TYPE', '=', 'T1', 'a'),  # values of display fields are quoted all the same
    (f'{SCAN}.FRAMES', '>', ' 9 ', 'cf'),
    (f'{SCAN}/type', '=', "'T1'", 'a'),
    (f'{SCAN}/note', '=', "'it''s'", 'c'),
    (f'{SCAN}/frames', '=', 'NULL', ''),
    (f'{SCAN}/type', 'LIKE', "'t%'", 'abcd'),
    (f'{SCAN}/type', 'IN', "('T1', 't1')", 'ab'),
    (f'{SCAN}/frames', 'NOT IN', '(1, 2, 10)', 'dfg'),
    (f'{SCAN}/frames', 'BETWEEN', '1 AND 10', 'abc'),
    (XDAY, 'BETWEEN', "'2020-01-31' and '2020-12-31'", 'abe'),
    (f'{SCAN}/dcmValidation/status', '=', 'TRUE', 'acg'),
]


@pytest.mark.parametrize(('field', 'comparison', 'value', 'expected'), TABLE)
def test_4_3_comparisons(
    admin: Client, field: str, comparison: str, value: str, expected: str
) -> None:
    assert found(admin, field, comparison, value) == expected


@pytest.mark.parametrize(('field', 'comparison', 'value', 'expected'), OVERRIDDEN)
def test_4_3_values_that_are_sql(
    admin: Client, field: str, comparison: str, value: str, expected: str
) -> None:
    assert found(admin, field, comparison, value, 1) == expected


def test_4_3_an_unknown_display_field_is_a_path_of_the_schema(admin: Client) -> None:
    """On a field of the schema LIKE means contains, ``*`` matches anything and NULL never
    differs."""
    field = f'{SCAN}/parameters/scanSequence'
    assert found(admin, field, '!=', 'x') == found(admin, field, 'LIKE', 'x') == ''
    path = f'{M}/scans/scan/note'
    assert found(admin, path, 'LIKE', 'LAI') == 'a'
    assert found(admin, path, 'LIKE', 'p*n') == 'a'
    assert found(admin, path, '!=', 'plain') == 'bcdfg'
    assert found(admin, path, 'NOT LIKE', 'a') == 'cdg'


REFUSED = [
    (f'{SCAN}.FRAMES', '>', 'many', 0, 400),
    (f'{SCAN}.FRAMES', '>', 'nan', 0, 400),
    (f'{SCAN}.FRAMES', '>', '1_0', 0, 400),
    (f'{M}.DATE', '>', 'yesterday', 0, 400),
    (f'{M}.DATE', '=', '2020-13-01', 0, 400),
    (XINSERTED, '=', 'now', 0, 400),
    (f'{SCAN}.STARTTIME', '=', 'noon', 0, 400),
    (f'{SCAN}.FRAMES', 'BETWEEN', '1', 0, 400),
    (f'{SCAN}.FRAMES', 'BETWEEN', '1 AND 2 AND 3', 0, 400),
    # IN and BETWEEN of paths; LIKE of fields that are not texts
    (f'{M}/scans/scan/note', 'IN', 'a', 0, 400),
    (f'{M}/scans/scan/note', 'BETWEEN', 'a AND b', 0, 400),
    (XDAY, 'BETWEEN', '2020-01-01 AND 2020-12-31', 0, 400),
    (XINSERTED, 'BETWEEN', '2020-01-01 AND 2020-12-31', 0, 400),
    (f'{SCAN}/startTime', 'BETWEEN', '08:00:00 AND 09:00:00', 0, 400),
    (f'{SCAN}/frames', 'IN', '1', 0, 400),
    *(
        (field, comparison, '%2%', 0, 400)
        for comparison in ('LIKE', 'NOT LIKE')
        for field in (
            f'{SCAN}.FRAMES',
            f'{SCAN}/frames',
            f'{SCAN}.STARTTIME',
            f'{SCAN}/startTime',
            f'{M}.DATE',
            XDAY,
            f'{M}.INSERT_DATE',
            XINSERTED,
            f'{M}.AGE',
            f'{SCAN}.DCMVALIDATION_STATUS',
        )
    ),
    (f'{SCAN}.TYPE', 'NOT IN', 'a,b', 0, 400),
    (f'{SCAN}/type', 'NOT IN', 'a,b', 0, 400),
    (f'{SCAN}.TYPE', 'SOUNDS LIKE', 'a', 0, 400),
    (f'{SCAN}.TYPE', 'EQUALS', 'a', 0, 400),
    (f'{SCAN}.TYPE', 'IS', 'EMPTY', 0, 400),
    (f'{SCAN}.TYPE', 'IS', '', 0, 400),
    # values that are SQL
    (f'{SCAN}.TYPE', '=', "'T1'", 1, 400),
    (f'{SCAN}/type', '=', 'T1', 1, 400),
    (f'{SCAN}/type', '=', "'T1' OR 1=1", 1, 400),
    (f'{SCAN}/type', '=', "''T1'", 1, 400),
    (f'{SCAN}/type', 'IN', "('a') OR (1=1)", 1, 400),
    (f'{SCAN}/frames', '=', '(1)', 1, 400),
    (f'{SCAN}/frames', 'IN', '()', 1, 400),
    (f'{SCAN}.TYPE', '=', 'C:\\', 0, 500),
    (f'{SCAN}.TYPE', '=', "x' SELECT 1", 0, 500),
    (f'{SCAN}.TYPE', 'LIKE', '%SELECT 1%', 0, 500),
    (f'{SCAN}.TYPE', '=', 'x; DROP TABLE item', 0, 200),
    (f'{SCAN}.TYPE', '=', 'DROP TABLE item', 0, 200),
    (f'{SCAN}.TYPE', '=', 'select (1)', 0, 200),
    ('nonsense', '=', '1', 0, 400),
    (f'{SCAN}.NOTHING', '=', '1', 0, 400),
    ('xnat:nothing/x', '=', '1', 0, 400),
    (f'{M}.SCAN_COUNT_TYPE', '=', '1', 0, 400),
    (f'{S}/AGE', '>', '1', 0, 400),
    (f'{S}/demographics/age', '>', '1', 0, 400),
    ('xnat:demographicData/age', '>', '1', 0, 400),
    ('xnat:projectData/ID', '=', 'P', 0, 400),
]


@pytest.mark.parametrize(('field', 'comparison', 'value', 'override', 'status'), REFUSED)
def test_4_1_invalid_criteria_are_refused(
    admin: Client, field: str, comparison: str, value: str, override: int, status: int
) -> None:
    root = M if field.startswith(M) else SCAN
    answer = admin.post(
        '/data/search',
        document(
            root,
            ['ID' if root == SCAN else 'LABEL'],
            inside(criterion(field, comparison, value, override)),
        ),
    )
    assert answer.status == status, answer.text
    assert 'Traceback' not in answer.text


def test_4_3_lists_are_valid_only_in_nested_sets(admin: Client) -> None:
    """XNAT reads a set with IN at the top as another feature, and fails."""
    several = criterion(f'{SCAN}.FRAMES', 'IN', '1,2')
    assert admin.post('/data/search', document(SCAN, ['ID'], several)).status == 400
    assert [row['id'] for row in run(admin, SCAN, ['ID'], inside(several))] == ['a', 'b']
    assert admin.post('/data/search', document(SCAN, ['ID'], inside())).status == 400


@pytest.mark.parametrize(
    'root',
    [
        'xnat:imageSessionData',
        'xnat:experimentData',
        'xnat:subjectAssessorData',
        'xnat:imageScanData',
        'xnat:resourceCatalog',
    ],
)
def test_general_types_cannot_be_roots(admin: Client, root: str) -> None:
    assert admin.post('/data/search', document(root, ['ID'])).status == 400


# -- compared with Python

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    '=': lambda a, b: a == b,
    '<': lambda a, b: a < b,
    '<=': lambda a, b: a <= b,
    '>': lambda a, b: a > b,
    '>=': lambda a, b: a >= b,
}
WORDS = st.text(st.sampled_from('aAbt1T2*%_\\\',;() "ÄéİK'), min_size=1, max_size=6).filter(
    lambda text: text.strip() not in ('', '*')
)


def attacks(value: str) -> bool:
    return not re.fullmatch(r'[A-Za-z0-9 _.]*', value) and value.endswith('\\')


@given(WORDS, st.sampled_from(sorted(COMPARED)))
def test_texts_compare_as_in_python(admin: Client, value: str, comparison: str) -> None:
    if attacks(value):
        return
    expected = ''.join(
        row[0]
        for row in ROWS
        if row[1] is not None and COMPARED[comparison](row[1].encode(), value.encode())
    )
    assert found(admin, f'{SCAN}.TYPE', comparison, value) == expected


@given(
    st.integers(-5, 300) | st.floats(-5, 300, allow_nan=False), st.sampled_from(sorted(COMPARED))
)
def test_numbers_compare_as_in_python(admin: Client, value: float, comparison: str) -> None:
    expected = ''.join(
        row[0] for row in ROWS if row[3] is not None and COMPARED[comparison](float(row[3]), value)
    )
    assert found(admin, f'{SCAN}.FRAMES', comparison, repr(value)) == expected


@given(WORDS)
def test_like_is_a_case_insensitive_pattern(admin: Client, value: str) -> None:
    if attacks(value):
        return
    pattern, escaped = '', False
    for char in value.lower():
        if char == '\\' and not escaped:
            escaped = True
            continue
        pattern += re.escape(char) if escaped or char not in '%_' else {'%': '.*', '_': '.'}[char]
        escaped = False
    expected = ''.join(
        row[0]
        for row in ROWS
        if row[1] is not None and re.fullmatch(pattern, row[1].lower(), re.DOTALL)
    )
    assert found(admin, f'{SCAN}.TYPE', 'LIKE', value) == expected


@given(WORDS)
def test_a_quoted_text_is_a_value_and_not_sql(admin: Client, value: str) -> None:
    if attacks(value):
        return
    quoted = "'" + value.replace("'", "''") + "'"
    expected = ''.join(row[0] for row in ROWS if row[1] == value)
    assert found(admin, f'{SCAN}/type', '=', quoted, 1) == expected


@given(
    st.text(st.sampled_from('\'();,-= aO1R"\\%*'), max_size=12),
    st.sampled_from(['=', '!=', 'LIKE', 'IN', 'NOT IN', 'BETWEEN', '<', 'IS']),
)
def test_no_raw_value_reaches_the_database_as_sql(
    admin: Client, server: Server, value: str, comparison: str
) -> None:
    """A value that is no literal is refused; a literal finds its value, so never more than all
    rows."""
    answer = admin.post(
        '/data/search?format=csv',
        document(SCAN, ['ID'], inside(criterion(f'{SCAN}/type', comparison, value, 1))),
    )
    literal = r"\s*('([^']|'')*'|[+-]?\d+)\s*"
    if answer.status == 200:
        assert re.fullmatch(
            rf'{literal}|\s*\({literal}(,{literal})*\)\s*|{literal}AND{literal}', value
        ), value
    else:
        assert answer.status in (400, 500), answer.text
        assert 'The server failed' not in answer.text


# -- large documents


def test_many_criteria_become_one_query(admin: Client) -> None:
    several = [criterion(f'{SCAN}.FRAMES', '=', str(number)) for number in range(3000)]
    rows = run(admin, SCAN, ['ID'], *several, method='OR')
    assert ''.join(row['id'] for row in rows) == 'abcfg'


def test_too_many_criteria_for_the_database_are_a_clear_refusal(admin: Client) -> None:
    values = ','.join(map(str, range(260_000)))
    answer = admin.post(
        '/data/search', document(SCAN, ['ID'], inside(criterion(f'{SCAN}.FRAMES', 'IN', values)))
    )
    assert answer.status == 400 and 'too large for one query of the database' in answer.text


def test_sets_can_be_nested(admin: Client) -> None:
    text = criterion(f'{SCAN}.FRAMES', '>', '0')
    for depth in range(60):
        text = f'<xdat:child_set method="{("AND", "OR")[depth % 2]}">{text}</xdat:child_set>'
    assert [row['id'] for row in run(admin, SCAN, ['ID'], text)] == ['a', 'b', 'c', 'f']
