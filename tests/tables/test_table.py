"""Tests of JsonTable, and of tables in XNAT's formats."""

from __future__ import annotations

import csv
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import UnexpectedAnswer
from pyxnat.tables.json_stream import parse_result_set
from pyxnat.tables.table import JsonTable, Row, csv_to_json, iter_csv, parse_csv, write_csv
from tests.conftest import DEEP

SUBJECTS = [
    {'ID': 'XNAT_S1', 'project': 'P', 'label': 'anna'},
    {'ID': 'XNAT_S2', 'project': 'P', 'label': 'bert'},
    {'ID': 'XNAT_S3', 'project': 'Q', 'label': 'anna'},
]


@pytest.fixture
def table() -> JsonTable:
    return JsonTable(SUBJECTS, ['label', 'ID'])


# -- CSV -------------------------------------------------------------------------------------------

OLD = '"ID","label","insert_date","age"\n"S1","anna ""x"", b",2010-06-08 16:08:05.0,42\n"S2","",,\n'
NEW = 'ID,label,insert_date,age\nS1,"anna ""x"", b",2010-06-08 16:08:05.0,42\nS2,,,\n'


@pytest.mark.parametrize(
    'text', [OLD, NEW, NEW.encode(), NEW.replace('\n', '\r\n'), NEW.rstrip('\n'), NEW + '\n']
)
def test_both_dialects_of_csv_give_the_same_rows(text: str | bytes) -> None:
    assert csv_to_json(text) == [
        {'ID': 'S1', 'label': 'anna "x", b', 'insert_date': '2010-06-08 16:08:05.0', 'age': '42'},
        {'ID': 'S2', 'label': '', 'insert_date': '', 'age': ''},
    ]


def test_a_cell_can_have_several_lines() -> None:
    assert csv_to_json('ID,note\nS1,"one\ntwo"\n') == [{'ID': 'S1', 'note': 'one\ntwo'}]


@pytest.mark.parametrize('text', ['', 'ID,label\n'])
def test_a_csv_table_can_have_no_rows(text: str) -> None:
    assert csv_to_json(text) == []


@pytest.mark.parametrize('row', ['S1', 'S1,a,b', '"S1,a'])
def test_a_row_that_does_not_fit_the_header_is_an_error_that_names_it(row: str) -> None:
    with pytest.raises(UnexpectedAnswer, match='row 3'):
        csv_to_json(f'ID,label\nS0,x\n{row}\n')


def test_rows_are_yielded_line_by_line() -> None:
    def lines() -> Any:
        yield 'ID,label\n'
        yield 'S1,a\n'
        raise AssertionError('nobody has asked for a second row')

    assert next(parse_csv(lines())) == {'ID': 'S1', 'label': 'a'}


def test_a_csv_cell_can_be_long() -> None:
    assert csv_to_json('ID,note\nS1,' + 'x' * 200_000) == [{'ID': 'S1', 'note': 'x' * 200_000}]


# -- recorded responses of real servers ------------------------------------------------------------


def test_recorded_listings_are_parsed(reference: Path) -> None:
    for path in sorted((reference / 'recorded' / 'ohif-viewer-xnat').glob('0*.json')):
        recorded = json.loads(path.read_bytes())
        if 'items' in recorded:
            with pytest.raises(UnexpectedAnswer):
                parse_result_set(path.read_bytes())
            continue
        rows = parse_result_set(path.read_bytes())
        assert len(rows) == int(recorded['ResultSet']['totalRecords'])
        assert all(row['ID'] and row['URI'].startswith('/data/') for row in rows)


def test_a_recorded_search_is_equal_in_json_and_csv(reference: Path) -> None:
    folder = reference / 'recorded' / 'xnatpy'
    rows = csv_to_json((folder / 'search_mrSessionData.csv').read_bytes())
    assert rows == [
        {'project': 'sandbox', 'xnat_col_mrsessiondatalabel': 'test', 'quarantine_status': 'active'}
    ]
    assert parse_result_set((folder / 'search_mrSessionData.json').read_bytes()) == rows


def test_a_recorded_search_of_an_old_server_is_parsed(reference: Path) -> None:
    rows = csv_to_json((reference / 'recorded' / 'pyxnat' / 'results.csv').read_bytes())
    table = JsonTable(rows, ['subject_label'])
    assert len(rows) > 100 and len({tuple(row) for row in rows}) == 1
    assert (
        table.headers()[:2] == ['subject_label', 'subjectid']
        and table.headers()[-1] == 'quarantine_status'
    )
    assert csv_to_json(table.dumps_csv()) == rows


# -- JsonTable -------------------------------------------------------------------------------------


def test_requested_columns_come_first(table: JsonTable) -> None:
    assert table.headers() == ['label', 'ID', 'project']
    assert table.has_header('ID') and not table.has_header('id')
    assert JsonTable([], ['a', 'b']).headers() == ['a', 'b']
    assert JsonTable(SUBJECTS, ['nowhere']).headers() == ['ID', 'project', 'label']


def test_a_column_is_a_list_or_the_value_of_the_only_row(table: JsonTable) -> None:
    assert table.get('label') == table['label'] == ['anna', 'bert', 'anna']
    assert table[:1].get('label') == table[:1]['label'] == 'anna'
    assert table[:1].get('label', always_list=True) == ['anna']
    assert table[:0].get('label') == []


@pytest.mark.parametrize(
    'ask',
    [
        lambda t: t.get('nope'),
        lambda t: t['nope'],
        lambda t: t.select(['ID', 'nope']),
        lambda t: t[['nope']],
    ],
)
def test_an_unknown_column_is_an_error_that_names_the_existing_ones(
    table: JsonTable, ask: Any
) -> None:
    with pytest.raises(KeyError, match=r"'nope'.*label, ID, project"):
        ask(table)


def test_rows_and_slices_are_selected_by_position(table: JsonTable) -> None:
    assert table[0] == SUBJECTS[0] and table[-1] == SUBJECTS[2]
    assert isinstance(table[1:], JsonTable)
    assert table[1:].data == SUBJECTS[1:] and table[::-1].data == SUBJECTS[::-1]
    assert table[1:].headers() == table.headers()
    with pytest.raises(IndexError):
        table[3]


def test_columns_are_selected_in_the_requested_order(table: JsonTable) -> None:
    some = table[['project', 'ID']]
    assert some.headers() == ['project', 'ID']
    assert some.data == [{'project': row['project'], 'ID': row['ID']} for row in SUBJECTS]
    assert table.select(['label']).items() == [('anna',), ('bert',), ('anna',)]


@pytest.mark.parametrize(
    ('values', 'columns', 'expected'),
    [
        (['*S1'], {}, [0]),
        (['S1'], {}, []),
        (['label'], {}, [0, 1, 2]),
        (['anna'], {}, [0, 2]),
        (['anna', 'Q'], {}, [2]),
        ([], {'label': 'anna'}, [0, 2]),
        ([], {'label': 'an'}, []),
        ([], {'ID': 'XNAT_S?', 'project': 'P'}, [0, 1]),
        (['bert'], {'project': 'Q'}, []),
        ([], {'label': 'Anna'}, []),
        ([], {}, [0, 1, 2]),
    ],
)
def test_where_and_where_not_divide_the_rows(
    table: JsonTable, values: list[str], columns: dict[str, str], expected: list[int]
) -> None:
    assert table.where(*values, **columns).data == [SUBJECTS[index] for index in expected]
    assert table.where_not(*values, **columns).data == [
        row for index, row in enumerate(SUBJECTS) if index not in expected
    ]


def test_values_of_a_column_can_be_filtered_by_a_pattern(table: JsonTable) -> None:
    assert (
        table.get('label', 'a*')
        == ['anna', 'anna']
        == table.get('label', val_pattern='anna', always_list=True)
    )
    assert table.get('ID', 'XNAT_S1') == ['XNAT_S1'] and table[:1].get('ID', 'no') == []
    assert JsonTable([]).get('anything') == []


def test_tables_are_joined_by_a_column(table: JsonTable) -> None:
    ages = JsonTable(
        [
            {'ID': 'XNAT_S1', 'age': '30'},
            {'ID': 'XNAT_S1', 'age': '31'},
            {'ID': 'other', 'age': '1'},
        ]
    )
    joined = table.join('ID', ages, JsonTable([{'ID': 'XNAT_S1', 'sex': 'f'}]))
    assert joined.data == [{**SUBJECTS[0], 'age': '30', 'sex': 'f'}]
    assert joined.headers() == ['label', 'ID', 'project', 'age', 'sex']
    assert table.join('ID', table) == table and len(table.join('ID', JsonTable([]))) == 0
    with pytest.raises(KeyError, match='nope'):
        table.join('nope', ages)


def test_brackets_in_a_pattern_are_literal() -> None:
    assert len(JsonTable([{'label': 'T1[2]'}]).where(label='T1[2]')) == 1


def test_where_on_an_unknown_column_is_an_error(table: JsonTable) -> None:
    with pytest.raises(KeyError):
        table.where(nope='x')


def test_no_method_changes_a_table(table: JsonTable) -> None:
    before = [dict(row) for row in table], table.headers()
    table.where('S1').where_not(label='x').select(['ID'])[:1].data.append({'ID': 'new'})
    table.headers().append('new')
    table.items().clear()
    assert ([dict(row) for row in table], table.headers()) == before


def test_tables_compare_by_rows_and_columns(table: JsonTable) -> None:
    assert table == JsonTable(SUBJECTS, ['label', 'ID']) != JsonTable(SUBJECTS)
    assert table != table[:2] and table != SUBJECTS
    assert len(table) == 3 and list(table) == SUBJECTS and bool(table) and not table[:0]


def test_the_repr_of_a_table_shows_its_shape_and_rows(table: JsonTable) -> None:
    assert repr(table) == '<JsonTable 3 rows, 3 columns: label, ID, project>'
    lines = str(table).splitlines()
    assert (
        lines[0].split() == ['label', 'ID', 'project']
        and lines[1].split() == ['anna', 'XNAT_S1', 'P']
        and len(lines) == 4
    )
    assert str(JsonTable([])) == repr(JsonTable([]))


def test_only_the_beginning_of_a_large_table_is_shown() -> None:
    wide = JsonTable([{f'c{number}': f'<{number}>' for number in range(100)}] * 1000)
    for shown in (str(wide), wide._repr_html_()):
        assert '1000 rows, 100 columns in all' in shown and 'c19' in shown and 'c20' not in shown
        assert len(shown) < 60_000
    assert (
        len(str(wide).splitlines()) == 52
        and '<0>' not in wide._repr_html_()
        and '&lt;0&gt;' in wide._repr_html_()
    )
    assert len(repr(wide)) < 200


def test_cells_are_shown_on_one_line_and_shortened() -> None:
    lines = str(
        JsonTable([{'note': 'one\ntwo', 'b': 'x'}, {'note': 'n' * 500, 'b': 'y'}])
    ).splitlines()
    assert (
        lines[1].split('  ')[0] == 'one two' and len({line.rindex(line[-1]) for line in lines}) == 1
    )
    assert lines[2].startswith('n' * 39 + '…  y')


def test_values_that_are_not_text_can_be_shown_and_matched() -> None:
    table = JsonTable([{'age': 80, 'note': None}, {'age': 9, 'note': 'x'}])
    assert len(table.where(age=80)) == len(table.where(age='8*')) == 1 and table.get(
        'age', '9'
    ) == [9]
    assert str(table).splitlines()[1].split() == ['80', 'None']


def test_ipython_prints_the_rows(table: JsonTable) -> None:
    pretty = pytest.importorskip('IPython.lib.pretty')
    assert pretty.pretty(table) == str(table)


def test_a_repeated_column_is_kept_once() -> None:
    assert JsonTable(SUBJECTS, ['label', 'label']).headers() == ['label', 'ID', 'project']


# -- CSV of any length -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    'kind', ['path', 'Path', 'text file', 'bytes file', 'pieces', 'text pieces']
)
def test_csv_can_come_from_paths_files_and_chunks(
    table: JsonTable, tmp_path: Path, kind: str
) -> None:
    table.dump_csv(tmp_path / 'a.csv')
    text = table.dumps_csv()
    sources: dict[str, Any] = {
        'path': str(tmp_path / 'a.csv'),
        'Path': tmp_path / 'a.csv',
        'text file': io.StringIO(text, newline=''),
        'bytes file': io.BytesIO(text.encode()),
        'pieces': (bytes([byte]) for byte in text.encode()),
        'text pieces': iter([text[:5], text[5:]]),
    }
    assert JsonTable.from_csv(sources[kind]) == JsonTable(
        table.select(table.headers()), table.headers()
    )


def test_a_csv_without_rows_keeps_its_columns() -> None:
    assert JsonTable.from_csv(io.StringIO('a,b\n')).headers() == ['a', 'b']
    assert JsonTable.from_csv(io.BytesIO(b'')).headers() == []


def test_a_file_that_was_open_is_left_open() -> None:
    file = io.StringIO('a\n1\n2\n')
    assert next(iter_csv(file)) == {'a': '1'}
    assert not file.closed


def test_a_csv_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(UnexpectedAnswer, match='UTF-8'):
        list(iter_csv([b'a,b\n1,\xe4\n']))


def test_a_byte_order_mark_is_not_part_of_the_first_column() -> None:
    assert list(iter_csv([b'\xef', b'\xbb\xbfa\r\n1\r\n'])) == [{'a': '1'}]


@given(st.data())
def test_chunks_can_end_anywhere(data: st.DataObject) -> None:
    columns, rows = data.draw(tables())
    body = JsonTable(rows, columns).dumps_csv().encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    pieces = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    assert list(iter_csv(pieces)) == rows


MEMORY = """
import resource, sys
from pyxnat.tables import iter_csv
def peak_kib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**10 if sys.platform == 'darwin' else 1)
def pieces(size):
    yield b'ID,label,note\\n'
    row = b'XNAT_S00001,"a, b","two\\nlines ' + b'x' * 60 + b'"\\n'
    for _ in range(size // (len(row) * 500)):
        yield row * 500
assert sum(1 for _ in iter_csv(pieces(10**5))) > 0
before, rows = peak_kib(), sum(1 for row in iter_csv(pieces(int(sys.argv[1]))))
print(rows, peak_kib() - before)
"""


def test_a_large_csv_takes_the_memory_of_a_row() -> None:
    pytest.importorskip('resource', reason='peak memory is read where the system tells it')
    size = 50_000_000 if DEEP else 5_000_000
    done = subprocess.run(
        [sys.executable, '-c', MEMORY, str(size)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    rows, grown_kib = map(int, done.stdout.split())
    assert rows > size / 100 and grown_kib < 2048


# -- pandas ----------------------------------------------------------------------------------------


def test_a_table_can_become_a_data_frame(table: JsonTable) -> None:
    pandas = pytest.importorskip('pandas')
    frame = table.to_pandas()
    assert list(frame.columns) == table.headers() and frame['ID'].tolist() == table['ID']
    assert list(JsonTable([], ['a', 'b']).to_pandas().columns) == ['a', 'b']
    ages = JsonTable([{'age': '80.5'}, {'age': ''}]).to_pandas()['age']
    assert pandas.to_numeric(ages).isna().tolist() == [False, True]


def test_a_data_frame_has_numbers_and_dates_on_request() -> None:
    pandas = pytest.importorskip('pandas')
    rows = [
        {
            'age': '80.5',
            'count': '3',
            'label': '007',
            'date': '2020-01-02',
            'at': '2010-06-08 16:08:05.0',
            'mixed': '1',
            'none': '',
            'type': ['T1', 'T2'],
        },
        {
            'age': '',
            'count': '-1',
            'label': '12',
            'date': '',
            'at': '2010-06-08 16:08:05',
            'mixed': 'x',
            'none': '',
            'type': '',
        },
    ]
    frame = JsonTable(rows).to_pandas(convert=True)
    assert frame['age'].isna().tolist() == [False, True] and frame['age'][0] == 80.5
    assert frame['count'].tolist() == [3, -1] and pandas.api.types.is_integer_dtype(frame['count'])
    assert frame['date'][0] == pandas.Timestamp(2020, 1, 2) and frame['date'].isna().tolist() == [
        False,
        True,
    ]
    assert frame['at'].tolist() == [pandas.Timestamp('2010-06-08 16:08:05')] * 2
    assert frame[['label', 'mixed', 'none']].to_numpy().tolist() == [
        ['007', '1', ''],
        ['12', 'x', ''],
    ] and frame['type'][0] == ['T1', 'T2']
    assert all(
        cell == row[name]
        for name in rows[0]
        for cell, row in zip(JsonTable(rows).to_pandas()[name], rows, strict=True)
    )


def test_without_pandas_the_error_says_what_to_install(
    table: JsonTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(ImportError, match=r'pip install pyxnat\[pandas\]'):
        table.to_pandas()


def test_a_table_is_written_as_json_and_csv(table: JsonTable, tmp_path: Path) -> None:
    assert json.loads(table.dumps_json()) == SUBJECTS
    assert table.dumps_csv().splitlines()[:2] == ['label,ID,project', 'anna,XNAT_S1,P']
    assert table.dumps_csv('\t').splitlines()[0] == 'label\tID\tproject'
    assert table.as_list()[0] == table.headers() and table.as_list()[1] == ['anna', 'XNAT_S1', 'P']
    for write, text in ((table.dump_json, table.dumps_json()), (table.dump_csv, table.dumps_csv())):
        target, stream = tmp_path / 'out', io.StringIO()
        write(str(target))
        write(stream)
        assert target.read_text(encoding='utf-8') == stream.getvalue() == text


def test_a_table_is_written_to_a_path(table: JsonTable, tmp_path: Path) -> None:
    table.dump_csv(tmp_path / 'out.csv')
    assert (tmp_path / 'out.csv').read_text(encoding='utf-8') == table.dumps_csv()


def test_rows_are_written_one_at_a_time(tmp_path: Path) -> None:
    def rows(count: int) -> Any:
        for number in range(count):
            yield {
                'ID': f'{number}',
                'note': 'a\r\nb' if number % 3 else 'plain',
                'type': ['T1', 'T2'] if number % 2 else '',
            }
        if count > 10:
            raise UnexpectedAnswer('the listing is broken')

    place = tmp_path / 'out.csv'
    assert write_csv(place, rows(5)) == 5
    assert [row['note'] for row in iter_csv(place)] == [
        'plain',
        'a\r\nb',
        'a\r\nb',
        'plain',
        'a\r\nb',
    ]
    assert [row['type'] for row in iter_csv(place)] == ['', '["T1", "T2"]', '', '["T1", "T2"]', '']
    before = place.read_bytes()
    with pytest.raises(UnexpectedAnswer):
        write_csv(place, rows(1000))
    assert place.read_bytes() == before and list(tmp_path.iterdir()) == [place]
    stream = io.StringIO()
    assert write_csv(stream, rows(2), ['note', 'more'], '\t') == 2
    assert stream.getvalue() == 'note\tmore\nplain\t\n"a\r\nb"\t""\n'
    assert write_csv(place, [], ['ID']) == 0 and place.read_text() == 'ID\n'


@pytest.mark.skipif(not Path('/dev/stdout').exists(), reason='no such file on this system')
def test_a_special_file_can_be_written_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / 'link.csv'
    link.symlink_to(tmp_path / 'real.csv')
    JsonTable([{'a': '1'}]).dump_csv(link)
    assert link.is_symlink() and (tmp_path / 'real.csv').read_text() == 'a\n1\n'
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            'from pyxnat.tables import *; JsonTable([{"a": "1"}]).dump_csv("/dev/stdout")',
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == 'a\n1\n'


def test_rows_can_have_different_columns() -> None:
    table = JsonTable([{'ID': '1', 'a': 'x'}, {'b': 'y', 'ID': '2', 'c': 'z'}], ['ID', 'c'])
    assert table.headers() == ['ID', 'c', 'a', 'b']
    assert table.items() == [('1', '', 'x', ''), ('2', 'z', '', 'y')] and table['b'] == ['', 'y']
    assert csv_to_json(table.dumps_csv())[0] == {'ID': '1', 'c': '', 'a': 'x', 'b': ''}
    assert table.select(['b'])[0] == {'b': ''} and 'y' in str(table)


def test_rows_are_sorted_by_size_with_empty_cells_last() -> None:
    table = JsonTable(
        [
            {'age': age, 'ID': str(number)}
            for number, age in enumerate(['10', '9.5', '', 'n/a', '-3', '9.5', '007'])
        ]
    )
    assert table.sort('age')['age'] == ['-3', '9.5', '9.5', '10', '007', 'n/a', '']
    assert table.sort('age', reverse=True)['age'] == ['n/a', '007', '10', '9.5', '9.5', '-3', '']
    assert (
        table.sort('age')['ID'][1:3] == ['1', '5']
        and table.sort('age', 'ID').sort('ID')['ID'] == table['ID']
    )
    with pytest.raises(KeyError, match='nope'):
        table.sort('nope')
    assert len(JsonTable([]).sort('age')) == 0


def test_a_carriage_return_survives_csv() -> None:
    assert csv_to_json(JsonTable([{'note': 'one\rtwo', 'ID': 'S1'}]).dumps_csv()) == [
        {'note': 'one\rtwo', 'ID': 'S1'}
    ]


cells = st.text(
    st.characters(exclude_categories=['Cs'], exclude_characters='\0\r')
) | st.sampled_from(['"', ',', '\n', '', ' ', '""', "'", '\u2028'])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[Row]]:
    columns = draw(st.lists(cells.filter(bool), min_size=1, max_size=4, unique=True))
    return columns, draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, cells)), max_size=4))


@given(tables())
def test_any_table_survives_json(made: tuple[list[str], list[Row]]) -> None:
    columns, rows = made
    assert json.loads(JsonTable(rows, columns).dumps_json()) == rows


@given(tables())
def test_any_table_survives_csv(made: tuple[list[str], list[Row]]) -> None:
    columns, rows = made
    table = JsonTable(rows, columns)
    assert csv_to_json(table.dumps_csv()) == rows
    assert next(csv.reader(io.StringIO(table.dumps_csv(), newline=''))) == table.headers()
