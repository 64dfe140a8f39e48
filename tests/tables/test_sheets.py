"""Tests of spreadsheet files: any text survives, whatever programs do to rows and columns."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.tables.sheet import HIDDEN, KEY, Sheet, SheetRow, exported, read_sheet
from tests.conftest import DEEP
from tests.support.spreadsheet import Grid, edit, grid_of

ORIGIN = {'server': 'https://xnat.example.org', 'of': '/projects/P/subjects/*'}
COLUMNS = [KEY, 'label', 'group', 'form:Visit 1/day']
MANY = 400 if DEEP else 25
each_format = pytest.mark.parametrize('suffix', ['.csv', '.xlsx'])
PIECES = [
    '=',
    '+',
    '-',
    '@',
    "'",
    '"',
    ',',
    ';',
    '\n',
    '\t',
    '_x000D_',
    '007',
    '1E5',
    'é',
    'Ω',
    ' ',
    'a',
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=4).map(''.join)
CHARACTERS = st.text(
    st.characters(exclude_categories=['Cs', 'Cc'], exclude_characters='\ufffe\uffff'), max_size=6
)


def made(texts: list[tuple[str, str]]) -> Sheet:
    rows = [
        {KEY: f'/data/subjects/X_{number}', 'label': f'S{number}', 'group': group, COLUMNS[3]: day}
        for number, (group, day) in enumerate(texts)
    ]
    return exported(COLUMNS, rows, ORIGIN)


def written(folder: Path, sheet: Sheet, suffix: str) -> Path:
    path = folder / f'sheet{suffix}'
    path.write_bytes(sheet.content(suffix, ['group']))
    return path


@each_format
@settings(max_examples=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(TEXTS, CHARACTERS), max_size=4))
def test_any_text_comes_back(tmp_path: Path, suffix: str, texts: list[tuple[str, str]]) -> None:
    sheet = made(texts)
    assert read_sheet(written(tmp_path, sheet, suffix)) == sheet if texts else True


@each_format
@settings(max_examples=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4),
    order=st.permutations(range(4)),
    columns=st.permutations(range(len(COLUMNS))),
    dropped=st.sets(st.integers(0, 3)),
)
def test_moved_and_missing_rows_and_columns_keep_their_exported_values(
    tmp_path: Path,
    suffix: str,
    texts: list[tuple[str, str]],
    order: list[int],
    columns: list[int],
    dropped: set[int],
) -> None:
    sheet = made(texts)
    path = written(tmp_path, sheet, suffix)
    kept = [number for number in order if number < len(texts) and number not in dropped]
    if not kept:
        return

    def move(grid: Grid) -> Grid:
        hidden = range(len(COLUMNS), len(grid[0]))
        return [
            [grid[row][one] for one in [*columns, *hidden]] for row in (0, *(n + 1 for n in kept))
        ]

    edit(path, move)
    found = read_sheet(path)
    assert found.columns == [COLUMNS[one] for one in columns] and found.origin == ORIGIN
    assert [(row.cells, row.exported) for row in found.rows] == [
        (sheet.rows[number].cells, sheet.rows[number].exported) for number in kept
    ]


def test_no_program_takes_a_text_of_csv_for_a_formula(tmp_path: Path) -> None:
    texts = ['=1+1', '+A1', '-A1', '@SUM(A1)', '\tx', '\rx', "'=x", '-5', '+3.5', "'quoted'"]
    grid = grid_of(written(tmp_path, made([(text, '') for text in texts]), '.csv'))
    shown = [row[2] for row in grid[1:]]
    assert shown == ["'=1+1", "'+A1", "'-A1", "'@SUM(A1)", "'\tx", "'\rx", "''=x", *texts[7:]]
    assert not any(cell.startswith(('=', '@')) for row in grid for cell in row)


def test_all_cells_of_xlsx_are_texts(tmp_path: Path) -> None:
    path = written(tmp_path, made([('007', '2020-01-02'), ('=1+1', '')]), '.xlsx')
    book = openpyxl.load_workbook(path)
    assert book[HIDDEN].sheet_state == 'hidden' and len(book.worksheets) == 2
    cells = [cell for row in book.worksheets[0].iter_rows() for cell in row]
    assert {cell.number_format for cell in cells} == {'@'}
    assert {cell.data_type for cell in cells if cell.value is not None} == {'s'}
    greys = {
        cell.column_letter
        for cell in cells
        if cell.font.color and cell.font.color.rgb == '00808080'
    }
    assert greys == {'A', 'B', 'D'}


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (7, '7'),
        (7.0, '7'),
        (7.25, '7.25'),
        (1e20, '1e+20'),
        (True, 'true'),
        (datetime.datetime(2020, 1, 2), '2020-01-02'),
        (datetime.datetime(2020, 1, 2, 3, 4), '2020-01-02T03:04:00'),
        (datetime.time(3, 4), '03:04:00'),
        ('text', 'text'),
        (None, ''),
    ],
    ids=repr,
)
def test_values_of_a_spreadsheet_program_are_texts(tmp_path: Path, value: Any, text: str) -> None:
    path = written(tmp_path, made([('x', '')]), '.xlsx')
    edit(path, lambda grid: grid[1].__setitem__(2, value))
    assert read_sheet(path).rows[0].cells['group'] == text


def test_cells_without_a_value_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, made([('x', 'y')]), '.xlsx')
    book = openpyxl.load_workbook(path)
    book.worksheets[0]['C2'] = '=1+1'
    book.worksheets[0]['D2'] = '#N/A'
    book.worksheets[0]['D2'].data_type = 'e'
    book.save(path)
    (row,) = read_sheet(path).rows
    assert row.unreadable == {
        'group': 'a formula that no program has computed',
        'form:Visit 1/day': 'the error #N/A',
    }


@pytest.mark.parametrize('text', ['x' * 32768, 'a\x01b', 'a\rb'], ids=['long', 'control', 'CR'])
def test_xlsx_refuses_what_it_cannot_hold(text: str) -> None:
    sheet = made([(text, '')])
    with pytest.raises(errors.DataError, match='Export as CSV'):
        sheet.content('.xlsx')
    assert sheet.content('.csv')


@pytest.mark.parametrize(
    ('delimiter', 'encoding', 'end'),
    [
        (';', 'utf-8-sig', '\r\n'),
        ('\t', 'utf-16', '\r\n'),
        (',', 'utf-8', '\n'),
        (';', 'utf-8', '\r'),
    ],
    ids=['excel', 'unicode', 'unix', 'mac'],
)
def test_csv_of_any_program_is_read(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    sheet = made([('é, "q"; x', '2020'), ('', '=x')])
    path = written(tmp_path, sheet, '.csv')
    text = io.StringIO(newline='')
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(grid_of(path))
    path.write_bytes(text.getvalue().encode(encoding))
    assert read_sheet(path) == sheet


def test_rows_that_lost_their_exported_values(tmp_path: Path) -> None:
    path = written(tmp_path, made([('a', ''), ('b', ''), ('c', '')]), '.csv')

    def damage(grid: Grid) -> None:
        grid[1][-1], grid[2][-1] = '', grid[2][-1][:20]

    edit(path, damage)
    assert [row.exported is None for row in read_sheet(path).rows] == [True, True, False]
    edit(path, lambda grid: grid.append([*grid[3][:-1], grid[3][-1].replace('/P/', '/Q/')]))
    with pytest.raises(errors.DataError, match='several exports'):
        read_sheet(path)


@pytest.mark.parametrize(
    ('name', 'content', 'problem'),
    [
        ('a.csv', b'', 'it is empty'),
        ('a.csv', b'label\nS\n', "no column 'URI'"),
        ('a.csv', b'URI,label\nx,S\n', 'exported values are missing'),
        ('a.xlsx', b'no zip', 'is no XLSX'),
        ('a.xlsx', b'PK\x03\x04', 'is no XLSX'),
    ],
    ids=['empty', 'key', 'values', 'text', 'cut'],
)
def test_other_files_are_errors(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.DataError, match=problem):
        read_sheet(tmp_path / name)


def test_a_plain_workbook_is_an_error(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(['URI', 'label', 'label'])
    book.save(tmp_path / 'twice.xlsx')
    with pytest.raises(errors.DataError, match='label more than once'):
        read_sheet(tmp_path / 'twice.xlsx')
    book.active['C1'] = 'group'
    book.save(tmp_path / 'plain.xlsx')
    with pytest.raises(errors.DataError, match='exported values are missing'):
        read_sheet(tmp_path / 'plain.xlsx')


def test_a_row_knows_its_place() -> None:
    assert made([('a', ''), ('b', '')]).rows[1] == SheetRow(
        '3',
        {KEY: '/data/subjects/X_1', 'label': 'S1', 'group': 'b', 'form:Visit 1/day': ''},
        {KEY: '/data/subjects/X_1', 'label': 'S1', 'group': 'b', 'form:Visit 1/day': ''},
    )
