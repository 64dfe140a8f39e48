"""Tests of tables as Arrow and Parquet: types, cells that do not fit, files and folders."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.model.item_xml import bundled
from pyxnat.model.kinds import TEXT, Kind, kind_of_path, kinds_of_search
from pyxnat.tables.arrow import Typed, write_parquet
from pyxnat.tables.table import JsonTable

pyarrow = pytest.importorskip('pyarrow')
parquet = pytest.importorskip('pyarrow.parquet')


def cells(kind: str, *texts: Any, is_list: bool = False, **options: Any) -> list[Any]:
    """Return the values of a column with these cells."""
    rows = [{'x': text} for text in texts]
    typed = Typed(lambda: rows, ['x'], {'x': Kind(kind, is_list)}, **options)
    return typed.reader().read_all()['x'].to_pylist()


DAY, MOMENT = datetime.date(2020, 1, 31), datetime.datetime(2020, 1, 31, 3, 4, 5)
EIGHT = datetime.time(8, 5, 9)


@pytest.mark.parametrize(
    ('kind', 'text', 'value'),
    [
        ('integer', '42', 42),
        ('integer', '-7', -7),
        ('integer', '42.0', 42),
        ('integer', '9007199254740993.00', 2**53 + 1),
        ('float', '42.0', 42.0),
        ('float', '1e-3', 0.001),
        ('float', 'Infinity', float('inf')),
        ('boolean', '1', True),
        ('boolean', 'false', False),
        ('date', '2020-01-31', DAY),
        ('date', '2020-01-31 00:00:00.0', DAY),
        ('time', '08:05:09', EIGHT),
        ('time', '08:05:09.000', EIGHT),
        ('dateTime', '2020-01-31 03:04:05.0', MOMENT),
        ('dateTime', '2020-01-31T03:04:05', MOMENT),
        ('string', '007', '007'),
        ('string', '2020-01-31', '2020-01-31'),
    ],
)
def test_a_cell_of_xnat_has_a_value(kind: str, text: str, value: Any) -> None:
    assert cells(kind, text, '', text) == [value, None, value]
    assert cells(kind, [text, text], text, '', is_list=True) == [[value, value], [value], None]


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        ('integer', '1.5'),
        ('integer', '1.05'),
        ('integer', 'NaN'),
        ('integer', '9' * 30),
        ('float', '3,5'),
        ('boolean', 'yes'),
        ('date', '31.01.2020'),
        ('date', '2020-01-31 10:20:30.0'),
        ('time', '25:00:00'),
        ('dateTime', 'yesterday'),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_or_null(kind: str, text: str) -> None:
    fits = {'integer': '7', 'float': '7', 'boolean': '1', 'time': '08:05:09'}.get(
        kind, '2020-01-31'
    )
    with pytest.raises(errors.DataError, match=rf'x: .* in row 1 is no {kind}.*as_text=') as info:
        cells(kind, fits, text)
    assert repr(text) in str(info.value)
    assert cells(kind, fits, text, unfit='null') == [cells(kind, fits)[0], None]
    assert cells(kind, fits, text, as_text=['x']) == [fits, text]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_stay_exact(numbers: list[int]) -> None:
    assert cells('integer', *map(str, numbers)) == numbers
    assert cells('integer', *[f'{number}.0' for number in numbers]) == numbers


def test_errors_count_rows_over_all_batches() -> None:
    with pytest.raises(errors.DataError, match='in row 10003 is no integer'):
        cells('integer', *['1'] * 10_003, 'x')


def test_unknown_options_are_errors() -> None:
    with pytest.raises(errors.ProgrammingError, match="unfit='skip'"):
        cells('integer', '1', unfit='skip')
    with pytest.raises(errors.ProgrammingError, match='no column'):
        cells('integer', '1', as_text='y')


def test_nothing_is_read_before_the_first_batch() -> None:
    taken: list[int] = []

    def rows() -> Any:
        for number in range(25_000):
            taken.append(number)
            yield {'x': str(number)}

    reader = Typed(rows, ['x'], {'x': Kind('integer')}).reader()
    assert taken == []
    assert reader.read_next_batch().num_rows == len(taken) == 2_000


PEOPLE = JsonTable(
    [{'label': 'S1', 'age': '80'}, {'label': 'S2', 'age': ''}, {'label': 'S3', 'age': '7'}],
    ['label', 'age'],
    {'age': Kind('integer')},
)


def test_derived_tables_keep_the_kinds() -> None:
    other = JsonTable([{'label': 'S1', 'born': '1940-01-02'}], kinds={'born': Kind('date')})
    for table in (PEOPLE.sort('age'), PEOPLE.where(label='S*'), PEOPLE[:2], PEOPLE.select(['age'])):
        assert table.to_arrow().schema.field('age').type == pyarrow.int64()
    joined = PEOPLE.join('label', other).to_arrow()
    assert joined.to_pylist() == [{'label': 'S1', 'age': 80, 'born': datetime.date(1940, 1, 2)}]
    again = pickle.loads(pickle.dumps(PEOPLE))
    assert again == PEOPLE and again.to_arrow() == PEOPLE.to_arrow()


def test_an_empty_table_has_its_types() -> None:
    assert PEOPLE[:0].to_arrow().schema == PEOPLE.to_arrow().schema
    assert JsonTable([]).to_arrow().num_columns == 0


def test_programs_read_the_table_itself() -> None:
    assert pyarrow.table(PEOPLE) == PEOPLE.to_arrow()
    wanted = [('S1', 80), ('S2', None), ('S3', 7)]
    polars = pytest.importorskip('polars')
    assert polars.DataFrame(PEOPLE).rows() == wanted
    duckdb = pytest.importorskip('duckdb')
    people = PEOPLE
    with duckdb.connect() as connection:
        assert connection.sql('select * from people').fetchall() == wanted
    assert len(people) == 3


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / 'x.parquet'
    assert PEOPLE.to_parquet(path) == 3
    assert parquet.read_table(path) == PEOPLE.to_arrow()
    before = path.read_bytes()

    def rows() -> Any:
        yield from [{'x': '1'}] * 10_000
        raise errors.NetworkError('lost')

    for where in (path, tmp_path / 'y.parquet'):
        with pytest.raises(errors.NetworkError):
            write_parquet(Typed(rows, ['x'], {}).reader(), where)
    with pytest.raises(errors.NetworkError):
        write_parquet(Typed(rows, ['x'], {}).reader(), tmp_path / 'z', ['x'])
    assert [one.name for one in tmp_path.iterdir()] == ['x.parquet']
    assert path.read_bytes() == before


def test_a_folder_of_partitions(tmp_path: Path) -> None:
    folder = tmp_path / 'people'
    rows = [{'P': f'P/{number % 3}', 'x': str(number)} for number in range(20_000)]
    table = JsonTable([*rows, {'P': '', 'x': '9'}], kinds={'x': Kind('integer')})
    assert table.to_parquet(folder, partition_by=['P']) == 20_001
    names = sorted(path.name for path in folder.iterdir())
    assert names == ['P=P%2F0', 'P=P%2F1', 'P=P%2F2', 'P=__HIVE_DEFAULT_PARTITION__']
    found = parquet.read_table(folder).to_pylist()
    assert sorted((row['P'] or '', str(row['x'])) for row in found) == sorted(
        (row['P'], row['x']) for row in table
    )
    with pytest.raises(errors.ProgrammingError, match='there already'):
        table.to_parquet(folder, partition_by='P')
    with pytest.raises(errors.ProgrammingError, match="no column 'Q'"):
        table.to_parquet(tmp_path / 'other', partition_by=['Q'])
    assert [path.name for path in tmp_path.iterdir()] == ['people']


@pytest.mark.parametrize(
    ('path', 'kind'),
    [
        ('xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/age', Kind('integer')),
        ('xnat:mrSessionData/scans/scan/type', Kind('string', True)),
        ('xnat:mrSessionData/scans/scan/frames', Kind('integer', True)),
        ('xnat:experimentData/meta/insert_date', Kind('dateTime')),
        ('xnat:subjectData/fields/field[name=smoker]/field', TEXT),
        ('xnat:mrSessionData/no/such/field', TEXT),
        ('Size', Kind('integer')),
        ('label', TEXT),
        ('my:studyData/score', None),
    ],
)
def test_kinds_of_paths(path: str, kind: Kind | None) -> None:
    assert kind_of_path(bundled(), path) == kind


def test_kinds_of_the_columns_of_a_search() -> None:
    columns = [
        {'key': 'label', 'type': 'string', 'id': 'LABEL'},
        {'key': 'age', 'type': 'double', 'id': 'AGE'},
        {'key': 'insert_date', 'type': 'date', 'id': 'INSERT_DATE'},
        {'key': 'date', 'type': 'date', 'id': 'DATE'},
        {'key': 'image', 'type': 'UNKNOWN'},
        {'key': 'quarantine_status'},
    ]
    names = [kind.name for kind in kinds_of_search(columns).values()]
    assert names == ['string', 'float', 'dateTime', 'date', 'string', 'string']
