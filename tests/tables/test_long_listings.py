"""Tests of listings of any length: as tables and elements, from server and cache, complete or
not."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP
from tests.support.scripted import Reply, Request, ScriptedServer, table

COUNT = 6_000
COLUMNS = ['ID', 'label', 'date', 'note', 'subject_ID']


def session(number: int) -> dict[str, str]:
    identity = f'XNAT_E{number:06}'
    return {
        'ID': identity,
        'project': 'P',
        'date': '2020-01-02',
        'xsiType': 'xnat:mrSessionData',
        'label': f'MR {number}',
        'insert_date': '2020-01-02 03:04:05.0',
        'note': 'one },{ "two"' if number % 7 == 0 else '',
        'subject_ID': f'XNAT_S{number // 2:06}',
        'URI': f'/data/experiments/{identity}',
    }


def listing(count: int) -> bytes:
    rows = ','.join(json.dumps(session(number)) for number in range(count))
    return f'{{"ResultSet":{{"Result":[{rows}],"totalRecords":"{count}"}}}}'.encode()


LISTING = listing(COUNT)
EXPECTED = [{name: session(number)[name] for name in COLUMNS} for number in range(COUNT)]


@contextmanager
def answering(*replies: Reply, lasting: Reply | None = None) -> Iterator[ScriptedServer]:
    """Serve these replies in order, and after them the last one, or another."""
    left = list(replies)

    def script(request: Request) -> Reply:
        reply = left.pop(0) if left else lasting or replies[-1]
        return Reply(
            reply.status,
            reply.body,
            {'Set-Cookie': 'JSESSIONID=A; Path=/', **reply.headers},
            reply.length,
            reply.close,
        )

    with ScriptedServer(script) as server:
        yield server


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pyxnat.Interface]:
    monkeypatch.setattr('pyxnat.http.transport.BACKOFF_S', 0.001)

    def make(
        server: ScriptedServer, kind: type[pyxnat.Interface] = pyxnat.Interface, **options: Any
    ) -> pyxnat.Interface:
        return kind(server.url, 'me', 'secret', tmp_path / 'cache', **options)

    return make


def sessions(interface: pyxnat.Interface) -> Any:
    return interface.select('/projects/P/experiments')


def files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob('*')
        if path.is_file() and path.name not in ('stamp', 'looked')
    ]


def test_all_rows_are_returned_once_in_their_order(connect: Any) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        assert list(sessions(interface).rows(COLUMNS)) == EXPECTED
        assert len(server.requests) == 1
        interface.cache.expiration = None
        assert sessions(interface).table(COLUMNS).data == EXPECTED
        assert sessions(interface).get('label') == [row['label'] for row in EXPECTED]
        assert sessions(interface).mget(['label', 'ID'])[-1] == [
            EXPECTED[-1]['label'],
            EXPECTED[-1]['ID'],
        ]


def subject(number: int) -> dict[str, str]:
    return {
        'ID': f'XNAT_S{number:06}',
        'project': 'P',
        'label': f's {number}',
        'URI': '',
        'age': str(number % 90),
        'more': 'x' * 400,
    }


def with_subjects(count: int) -> Callable[[Request], Reply]:
    """Return the URI of a project with all sessions and a number of their subjects.

    The other subjects belong to another project.
    """

    def script(request: Request) -> Reply:
        path, _, query = request.uri.partition('?')
        if not path.endswith('/subjects'):
            return Reply(body=LISTING, headers={'Set-Cookie': 'JSESSIONID=A; Path=/'})
        named = parse_qs(query).get('ID', [''])[0].split(',')
        rows = [
            subject(number)
            for number in range(COUNT // 2)
            if (number < count if named == [''] else f'XNAT_S{number:06}' in named)
        ]
        return Reply(body=table(*rows))

    return script


@pytest.mark.parametrize('count', [COUNT // 2, COUNT // 2 - 70, 0])
def test_rows_of_sessions_have_the_columns_of_their_subjects(connect: Any, count: int) -> None:
    names = ['label', 'subject/age', 'subject/label', 'date']
    expected = [
        (session(n)['label'], subject(n // 2)['age'], subject(n // 2)['label'], session(n)['date'])
        for n in range(COUNT)
    ]
    with ScriptedServer(with_subjects(count)) as server:
        interface = connect(server)
        assert sessions(interface).table(names).items() == expected
        guests = COUNT // 2 - count
        assert len(server.requests) <= 2 + guests / 50 + (COUNT / 500 if guests else 0)
        below = interface.select('/projects/P/subjects/*/experiments').table(names)
        assert below.items() == expected[: 2 * count]
        assert [
            element.label() for element in interface.select('/projects/P/subjects/*/experiments')
        ] == [row[0] for row in expected[: 2 * count]]


def test_columns_of_subjects_that_cannot_be_seen_are_empty(connect: Any) -> None:
    def script(request: Request) -> Reply:
        return (
            Reply(403, b'no')
            if '/subjects' in request.uri
            else Reply(body=LISTING, headers={'Set-Cookie': 'JSESSIONID=A; Path=/'})
        )

    with ScriptedServer(script) as server:
        table = sessions(connect(server)).table(['label', 'subject/age'])
        assert table.items() == [(row['label'], '') for row in EXPECTED]


def test_several_threads_can_read_one_listing_at_once(connect: Any) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        interface.cache.expiration = 60
        rows = interface.connection.iter_rows('/data/projects/P/experiments')
        for one, other in zip(rows, rows, strict=True):
            assert one == other
        assert len(server.requests) == 1


def test_the_cache_returns_a_listing_without_a_network(connect: Any, tmp_path: Path) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        assert len(list(sessions(interface).rows(COLUMNS))) == COUNT
        again = connect(server, offline=True)
        with again.trace() as trace:
            assert list(sessions(again).rows(COLUMNS)) == EXPECTED
            assert [session.label() for session in sessions(again).with_columns(*COLUMNS)] == [
                row['label'] for row in EXPECTED
            ]
        assert trace.requests == 0 and len(server.requests) == 1
        assert interface.cache.verify() == (1, (), ()) and len(files(tmp_path)) == 1
        assert interface.cache.size() > len(LISTING)


def test_a_damaged_copy_is_requested_again(connect: Any, tmp_path: Path) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        interface.cache.expiration = None
        sessions(interface).table(COLUMNS)
        [kept] = files(tmp_path)
        kept.write_bytes(kept.read_bytes().replace(b'MR 77"', b'MR 78"'))
        assert sessions(interface).table(COLUMNS).data == EXPECTED
        kept.write_bytes(kept.read_bytes()[:-1])
        assert interface.cache.verify().dropped == (kept,)
        assert len(server.requests) == 2


CUT = Reply(body=LISTING[:-1000], length=len(LISTING), close=True)


def test_a_dropped_connection_gives_no_row_twice(connect: Any) -> None:
    with answering(CUT, CUT, Reply(body=LISTING)) as server:
        assert list(sessions(connect(server)).rows(COLUMNS)) == EXPECTED
        assert len(server.requests) == 3


PAGE = b'<!DOCTYPE html><html><body><form action="j_username"></form></body></html>' + b' ' * 2**21


@pytest.mark.parametrize(
    ('reply', 'error'),
    [
        (CUT, errors.TransferError),
        (Reply(body=LISTING[:-1]), errors.UnexpectedAnswer),
        (Reply(body=LISTING[: len(LISTING) // 2]), errors.UnexpectedAnswer),
        (Reply(body=LISTING + b'x'), errors.UnexpectedAnswer),
        (Reply(body=LISTING.replace(b'MR 500"', b'MR 500')), errors.UnexpectedAnswer),
        (Reply(body=PAGE), errors.AuthenticationError),
        (Reply(body=LISTING, length=len(LISTING) - 10, close=True), errors.DatabaseError),
        (Reply(500, LISTING), errors.InternalError),
    ],
)
def test_a_broken_response_is_an_error_and_not_a_shorter_table(
    connect: Any, reply: Reply, error: type[errors.DatabaseError]
) -> None:
    with answering(reply) as server:
        interface = connect(server, retries=1)
        for ask in (
            lambda: sessions(interface).table(COLUMNS),
            lambda: list(sessions(interface)),
            lambda: sessions(interface).mget(['ID']),
        ):
            with pytest.raises(error) as caught:
                ask()
            assert caught.value.uri and '/projects/P/experiments' in caught.value.uri


@pytest.mark.parametrize('reply', [CUT, Reply(body=PAGE)])
def test_an_incomplete_listing_is_not_cached(connect: Any, tmp_path: Path, reply: Reply) -> None:
    with answering(reply) as server:
        interface = connect(server, retries=1)
        with pytest.raises(errors.DatabaseError):
            sessions(interface).table(COLUMNS)
        assert files(tmp_path) == []
        interface.cache.mode = 'offline'
        with pytest.raises(errors.OfflineError):
            sessions(interface).table(COLUMNS)


def test_cached_rows_are_used_if_the_network_fails(connect: Any) -> None:
    with answering(Reply(body=LISTING), lasting=CUT) as server:
        interface = connect(server, retries=0)
        sessions(interface).table(COLUMNS)
        interface.cache.set_usage('fallback', 0)
        with pytest.warns(UserWarning, match='using the cached response'):
            assert sessions(interface).table(COLUMNS).data == EXPECTED


def test_an_exec_of_a_subclass_gets_the_listing(connect: Any) -> None:
    class Watching(pyxnat.Interface):
        seen: list[str]

        def _exec(self, uri: str, *args: Any, **kwargs: Any) -> Any:
            self.seen.append(uri)
            return super()._exec(uri, *args, **kwargs)

    Watching.seen = []
    with answering(Reply(body=LISTING)) as server:
        assert sessions(connect(server, Watching)).table(COLUMNS).data == EXPECTED
        assert [uri.partition('?')[0] for uri in Watching.seen] == ['/data/projects/P/experiments']


def test_an_unwritable_cache_costs_only_requests(connect: Any, tmp_path: Path) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        interface.cache.answers.folder.parent.mkdir(parents=True)
        interface.cache.answers.folder.write_bytes(b'a file is in the way')
        assert sessions(interface).table(COLUMNS).data == EXPECTED
        assert sessions(interface).table(COLUMNS).data == EXPECTED
        assert len(server.requests) == 2


@pytest.mark.skipif(
    not Path('/dev/full').exists(), reason='a disk that is full is there on Linux alone'
)
def test_a_full_disk_is_an_error_that_says_so(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        monkeypatch.setattr(
            interface.cache,
            'put_aside',
            lambda: os.fdopen(os.open('/dev/full', os.O_RDWR), 'r+b', 0),
        )
        with pytest.raises(errors.ConfigurationError, match='No space left.*cachedir='):
            sessions(interface).table(COLUMNS)


def test_a_listing_takes_the_memory_of_a_chunk(connect: Any) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        assert sum(1 for _ in sessions(interface).rows(COLUMNS)) == COUNT
        interface.cache.expiration = 0
        for ask in (
            lambda: sessions(interface).rows(COLUMNS),
            lambda: sessions(interface)._fetch('all'),
            lambda: sessions(interface)._fetch('none'),
        ):
            tracemalloc.start()
            try:
                assert sum(1 for _ in ask()) == COUNT
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 4 * 2**20, peak


@pytest.fixture
def measure() -> Any:
    """Return a function that measures readers of tables, each in a process of its own."""
    pytest.importorskip('resource', reason='peak memory is read where the system tells it')
    from tests.benchmarks import tables

    return tables.measure


def test_the_memory_does_not_depend_on_the_length(measure: Any) -> None:
    counts = [100_000, 1_000_000] if DEEP else [5_000, 20_000]
    grown = {
        (figure.reader, figure.rows): figure.grown_mib
        for figure in measure(counts, 1, ('rows of a selection', 'iter_csv, row by row'))
    }
    assert max(grown.values()) < 6, grown
    assert all(abs(grown[name, counts[1]] - grown[name, counts[0]]) < 3 for name, _ in grown), grown


@pytest.mark.skipif(not DEEP, reason='a small table is as quick as the process that reads it')
@pytest.mark.parametrize('count', [100_000, 1_000_000])
def test_a_long_table_is_about_as_fast_as_the_csv_module(count: int, measure: Any) -> None:
    """Compare the same rows over HTTP.

    As CSV with csv.DictReader and with this library, and as a JSON listing that becomes a table of
    six columns.
    """
    names = (
        'csv.DictReader, row by row',
        'iter_csv, row by row',
        'rows of a selection',
        'rows from the cache',
    )
    best = {figure.reader: figure.seconds for figure in measure([count], 3, names, turns=5)}
    assert max(best.values()) < 1.5 * best[names[0]], best


def test_one_element_is_found_in_a_long_listing(connect: Any) -> None:
    with answering(Reply(body=LISTING)) as server:
        interface = connect(server)
        by_id, by_label = (
            sessions(interface).element_at(f'/data/projects/P/experiments/{name}', interface)
            for name in ('XNAT_E000007', 'MR%207')
        )
        assert (
            by_id.label() == 'MR 7'
            and by_label.id() == 'XNAT_E000007'
            and by_label.datatype() == 'xnat:mrSessionData'
        )
        assert not interface.select('/projects/P/experiments/NONE').exists()
        assert len(server.requests) <= 3
