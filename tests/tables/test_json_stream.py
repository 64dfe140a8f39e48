"""Tests of the parser of XNAT's JSON tables: equal results in chunks, and errors for broken
ones."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import DataError, UnexpectedAnswer
from pyxnat.tables.json_stream import iter_result_set, parse_result_set
from tests.conftest import DEEP

SUBJECTS = [
    {'ID': f'XNAT_S{number}', 'project': 'P', 'label': f'subject {number}'} for number in range(3)
]


def body(rows: list[dict[str, Any]], **layout: Any) -> bytes:
    return json.dumps(
        {'ResultSet': {'Result': rows, 'totalRecords': str(len(rows)), 'title': 'Projects'}},
        **layout,
    ).encode()


def test_a_result_set_gives_its_rows() -> None:
    assert parse_result_set(body(SUBJECTS)) == SUBJECTS
    assert parse_result_set(body(SUBJECTS).decode()) == SUBJECTS
    assert parse_result_set(b'\xef\xbb\xbf' + body(SUBJECTS)) == SUBJECTS
    assert parse_result_set(body([])) == []


def test_every_cell_is_text() -> None:
    assert parse_result_set(
        body([{'a': None, 'b': 3, 'c': 1.5, 'd': True, 'e': ['x'], 'f': {'g': 1}}])
    ) == [{'a': '', 'b': '3', 'c': '1.5', 'd': 'true', 'e': '["x"]', 'f': '{"g": 1}'}]


@pytest.mark.parametrize('nothing', [b'', '', b'\n', b' \r\n'])
def test_an_empty_body_is_an_error_that_names_the_request(
    nothing: bytes | str,
) -> None:
    with pytest.raises(DataError, match='the response is empty instead of a table') as caught:
        parse_result_set(nothing, 'http://server/data/projects?columns=x')
    assert caught.value.uri == 'http://server/data/projects?columns=x' and 'MM/dd/yyyy' in str(
        caught.value.remedy
    )


TABLE = body(SUBJECTS)


@pytest.mark.parametrize(
    'wrong',
    [
        b'<!DOCTYPE html><html></html>',
        b'{"ResultSet": {"Result": [',
        b'{"items": []}',
        b'{}',
        b'{"ResultSet": {}}',
        b'{"ResultSet": []}',
        b'{"ResultSet": {"Result": null}}',
        b'{"ResultSet": {"Result": {}}}',
        b'{"ResultSet": {"Result": ["a"]}}',
        b'{"ResultSet": {"Result": [{"a": "1"}, "a"]}}',
        b'{"ResultSet": {"Result": [{"a": "1"},]}}',
        b'{"ResultSet": {"Result": [{"a": "1"} {"a": "2"}]}}',
        b'{"ResultSet": {"Result": [{"a": "1"}], "Result": []}}',
        b'{"ResultSet": {"Result": []}, "ResultSet": {"Result": []}}',
        b'{"ResultSet": {"Result": []}, 1: 2}',
        b'{"ResultSet": {"Result": []}, "more": }',
        b'{"ResultSet": {"Result": [' + b'[' * 100_000,
        b'[]',
        b'null',
        b'"text"',
        b'\xff\xfe\x00',
        b'\xe4 not utf-8',
        TABLE + b'x',
        TABLE + TABLE,
        TABLE.replace(b'subject 1', b'subj\xe4ct'),
        TABLE.replace(b'subject 1', b'subj\\uzzzz'),
        TABLE.replace(b'subject 1', b'subj\nect'),
    ],
)
def test_a_body_that_is_not_a_table_is_an_error_that_shows_its_beginning(wrong: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match='not a JSON table|not in UTF-8') as caught:
        parse_result_set(wrong, 'https://x/data/projects')
    assert (
        caught.value.remedy
        and caught.value.uri == 'https://x/data/projects'
        and caught.value.__cause__ is not None
    )


def cut(whole: bytes, places: list[int]) -> Iterator[bytes]:
    for start, end in itertools.pairwise([0, *sorted(places), len(whole)]):
        yield whole[start:end]


cells = st.text(max_size=12) | st.sampled_from(
    ['', '},', '},{', '}]', '"', '\\', '\\"},', 'ä', '\U0001f9e0', '\u2028', '\n\r\t']
)
values = st.recursive(
    cells | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(cells, one, max_size=3),
)
rows_of = st.lists(st.dictionaries(cells, values, max_size=4), max_size=8) | st.lists(
    st.fixed_dictionaries({'ID': cells, 'a': cells}), max_size=40
)
layouts = st.fixed_dictionaries(
    {
        'ensure_ascii': st.booleans(),
        'indent': st.sampled_from([None, 0, 1, '\t', ' \r\n']),
        'separators': st.sampled_from(
            [None, (',', ':'), (' , ', ' : '), ('\n,\n', '\t:'), (', ', ':')]
        ),
    }
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Draw tables with members before and after the rows, in any layout of JSON."""
    beside = st.dictionaries(
        cells.filter(lambda name: name not in ('ResultSet', 'Result')), values, max_size=3
    )
    inner = {**draw(beside), 'Result': draw(rows_of)}
    inner.update(draw(beside))
    document = {**draw(beside), 'ResultSet': inner}
    document.update(draw(beside))
    blanks = st.sampled_from(['', ' ', '\n', '\t\r\n'])
    text = f'{draw(blanks)}{json.dumps(document, **draw(layouts))}{draw(blanks)}'
    return text.encode('utf-8', 'replace')  # a lone surrogate is not valid UTF-8


def expected(document: bytes) -> list[dict[str, str]]:
    def text(value: Any) -> str:
        return '' if value is None else value if isinstance(value, str) else json.dumps(value)

    return [
        {name: text(value) for name, value in row.items()}
        for row in json.loads(document)['ResultSet']['Result']
    ]


@given(documents(), st.data())
def test_a_table_in_chunks_equals_the_whole(document: bytes, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(document)), max_size=6))
    assert list(iter_result_set(cut(document, places))) == expected(document)
    assert parse_result_set(document) == expected(document)


@given(documents())
def test_a_table_in_single_bytes_equals_the_whole(document: bytes) -> None:
    assert list(iter_result_set(bytes([byte]) for byte in document)) == expected(document)


@given(documents(), st.data())
def test_a_truncated_table_is_an_error(document: bytes, data: st.DataObject) -> None:
    whole = document.rstrip()
    short = whole[: data.draw(st.integers(len(whole) - len(whole.lstrip()) + 1, len(whole) - 1))]
    with pytest.raises(UnexpectedAnswer):
        list(
            iter_result_set(cut(short, data.draw(st.lists(st.integers(0, len(short)), max_size=3))))
        )


def pieces(count: int, cell: str = 'x') -> Iterator[bytes]:
    """Return a table of many rows, in the form of a server."""
    some = 500
    rows = [
        {'ID': f'XNAT_E{number:06}', 'label': f'E{number}', 'note': cell, 'date': '2020-01-02'}
        for number in range(some)
    ]
    text = json.dumps(rows)[1:-1].encode()
    yield b'{"ResultSet":{"Result":['
    for number in range(count // some):
        yield text if number == 0 else b',' + text
    yield b'],"totalRecords":"1"}}'


@pytest.mark.parametrize('cell', ['a note', 'a "note" with },{ in it', 'ä' * 200])
def test_many_rows_take_as_much_memory_as_a_few(cell: str) -> None:
    count = 1_000_000 if DEEP else 20_000
    assert sum(1 for _ in iter_result_set(pieces(1000, cell))) == 1000
    tracemalloc.start()
    try:
        assert sum(1 for _ in iter_result_set(pieces(count, cell))) == count
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_csv_cell_can_be_long() -> None:
    rows = [
        {'ID': '1', 'note': 'n' * 5_000_000},
        {'ID': '2', 'note': '\\"},' * 200_000},
        {'ID': '3', 'note': ''},
    ]
    assert list(iter_result_set(cut(body(rows), list(range(0, 6_000_000, 10_000))))) == rows


def test_rows_are_yielded_before_the_rest_is_read() -> None:
    def broken() -> Iterator[bytes]:
        yield from itertools.islice(pieces(100_000), 20)
        raise ConnectionError('it broke')

    rows = iter_result_set(broken())
    assert next(rows)['ID'] == 'XNAT_E000000'
    with pytest.raises(ConnectionError):
        list(rows)
