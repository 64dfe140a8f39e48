"""Tests of CSV files as spreadsheets, databases and people write them."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import DataError
from pyxnat.tables.csv_file import read_csv_file

ROWS = [
    {'label': 'S1', 'group': 'Zürich é', 'note': '3,5; or | more'},
    {'label': 'S2', 'group': '', 'note': 'a "quoted" word'},
    {'label': 'S3', 'group': 'two\nlines', 'note': '7'},
]
ENCODINGS = ['utf-8', 'utf-8-sig', 'utf-16', 'utf-32', 'utf-16-le BOM', 'utf-16-be BOM']
ENDS = {'LF': '\n', 'CR LF': '\r\n', 'CR': '\r'}
DELIMITERS = {'comma': ',', 'semicolon': ';', 'tab': '\t', 'bar': '|'}


def text_of(rows: list[dict[str, str]], delimiter: str, end: str = '\n') -> str:
    file = io.StringIO(newline='')
    quoting = (
        csv.QUOTE_ALL if end == '\r' else csv.QUOTE_MINIMAL
    )  # csv quotes LF only if it ends rows
    writer = csv.DictWriter(
        file, list(rows[0]), delimiter=delimiter, lineterminator=end, quoting=quoting
    )
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def encode(text: str, encoding: str) -> bytes:
    bom = {'utf-16-le BOM': codecs.BOM_UTF16_LE, 'utf-16-be BOM': codecs.BOM_UTF16_BE}
    return bom.get(encoding, b'') + text.encode(encoding.removesuffix(' BOM'))


def cells_in(path: Path) -> list[dict[str, str]]:
    return [row.cells for row in read_csv_file(path)]


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('end', ENDS)
@pytest.mark.parametrize('delimiter', DELIMITERS)
def test_encoding_delimiter_and_line_ends_are_recognized(
    delimiter: str, end: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / 'table.csv'
    path.write_bytes(encode(text_of(ROWS, DELIMITERS[delimiter], ENDS[end]), encoding))
    assert cells_in(path) == ROWS


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters='\x00', codec='utf-8')), min_size=3, max_size=3
        ),
        max_size=5,
    ),
    st.sampled_from(',;\t|'),
)
def test_any_cells_are_read_as_they_were_written(
    tmp_path: Path, rows: list[list[str]], delimiter: str
) -> None:
    path, file = tmp_path / 'any.csv', io.StringIO(newline='')
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([['a', 'b', 'c'], *rows])
    path.write_bytes(file.getvalue().encode())
    expected = [dict(zip('abc', row, strict=True)) for row in rows if ''.join(row).strip()]
    assert cells_in(path) == expected


@pytest.mark.parametrize(
    ('text', 'rows'),
    [
        ('label,yob\n', []),
        ('label,yob', []),
        ('label\nS1\nS2', [{'label': 'S1'}, {'label': 'S2'}]),
        ('\n\nlabel,yob\n\nS1,1\n,\n  \n\nS2,2\n\n', [('S1', '1'), ('S2', '2')]),
        (' label , yob \nS1,1\n', [('S1', '1')]),
        ('label,yob,,\nS1,1,,\nS2,2,,\n', [('S1', '1'), ('S2', '2')]),
        ('sep=;\nlabel;yob\nS1;1,5\n', [('S1', '1,5')]),
        ('sep=,\r\nlabel,yob\r\nS1,1\r\n', [('S1', '1')]),
        ('label;yob\nS1;1,5\nS2;2,5\n', [('S1', '1,5'), ('S2', '2,5')]),
        ('label;x[name=a,b]/y\nS1;1\n', [{'label': 'S1', 'x[name=a,b]/y': '1'}]),
        ('"label";"yob"\n"S1";"1"\n', [('S1', '1')]),
        ('label\tyob\nS1\t1,5;6\n', [('S1', '1,5;6')]),
    ],
)
def test_odd_files_are_read(
    text: str, rows: list[dict[str, str] | tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / 'table.csv'
    path.write_text(text, encoding='utf-8', newline='')
    expected = [
        row if isinstance(row, dict) else dict(zip(('label', 'yob'), row, strict=True))
        for row in rows
    ]
    assert cells_in(path) == expected


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        (b'', 'is empty'),
        (b'\n \n', 'is empty'),
        (b'label,yob\nS1,1\nS2,2,5\n', r'row 2 \(line 3\) has 3 cells, the header 2'),
        (b'label,yob\n\nS1,1\n\nS2,2,\n', r'row 2 \(line 5\) has 3 cells'),
        (b'label,yob\nS1\n', r'row 1 \(line 2\) has 1 cells'),
        (b'label;yob\nS1;1;5\n', r'row 1 \(line 2\) has 3 cells'),
        (b'label\nS1,1\n', r'row 1 \(line 2\) has 2 cells, the header 1'),
        (b'label,yob,label\nS1,1,S2\n', "'label' more than once"),
        (b'label,yob,yob \nS1,1,1\n', "'yob' more than once"),
        (b'label,,yob\nS1,lost,1\n', "column 2 has no name, but 'lost' in it"),
        ('label,group\nS1,x\nS2,Zürich\n'.encode('latin-1'), r'line 3 is not UTF-8 \(byte 0xfc\)'),
        ('label,group\nS1,x\n'.encode('utf-16-le'), 'NUL'),
        (b'label,group\nS1,x\x00\n', 'line 2 has a NUL'),
        ('label,group\nS1,x\n'.encode('utf-16')[:-1], 'is not UTF-16'),
        (b'label,group\nS1,"x\nS2,y\n', 'is no CSV'),
        (b'label,group\nS1,"x"y\n', 'line 2 is no CSV'),
        (b'label,a;b,c\nS1,1;2,3\n', 'could be separated by commas and semicolons'),
    ],
)
def test_a_file_that_would_lose_cells_is_an_error_with_line_and_remedy(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / 'table.csv'
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as raised:
        read_csv_file(path)
    assert str(path) in str(raised.value) and raised.value.remedy
