"""Tests of cached responses: their age, and responses without a network."""

from __future__ import annotations

import os
import pickle
import socket
import stat
import warnings
from pathlib import Path
from typing import Any

import pytest
import requests

import pyxnat
from pyxnat import errors
from pyxnat.cache import IN_MEMORY, AnswerStore, Body, Entry, Moment, age_s, is_kept, is_write
from pyxnat.server import serve
from tests.support.scripted import Reply, ScriptedServer, table

PROJECTS = '/data/projects'


def connect(server: Any, cachedir: Path, **options: Any) -> pyxnat.Interface:
    return pyxnat.Interface(server.url, 'me', 'secret', cachedir, **options)


def keeping(server: Any, cachedir: Path) -> pyxnat.Interface:
    """Make responses fresh for the duration of a test."""
    interface = connect(server, cachedir)
    interface.cache.expiration = None
    return interface


def answering(*rows: dict[str, str]) -> ScriptedServer:
    return ScriptedServer(
        lambda request: Reply(200, table(*rows), {'Set-Cookie': 'JSESSIONID=A; Path=/'})
    )


# -- freshness -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('later', 'age'),
    [
        (Moment(105, 55, 'b'), 5),
        (Moment(105, 60, 'b'), 10),  # the wall clock was set back in between
        (Moment(130, 55, 'b'), 30),  # the machine slept
        (Moment(99, 55, 'b'), float('inf')),
        (Moment(105, 49, 'b'), float('inf')),
        (Moment(105, 1, 'other'), 5),
        (Moment(105, 1, ''), 5),
    ],
)
def test_the_age_of_a_response_is_the_longest_of_both_clocks(later: Moment, age: float) -> None:
    assert age_s(Moment(100, 50, 'b'), later) == age


def test_which_requests_are_cached_and_which_are_writes() -> None:
    kept = [
        ('GET', '/data/projects'),
        ('GET', '/REST/projects/P?format=xml'),
        ('POST', '/data/search?format=json'),
        ('GET', '/xapi/siteConfig/buildInfo'),
    ]
    passing = [
        ('GET', '/data/JSESSION'),
        ('GET', '/data/services/tokens/issue'),
        ('GET', '/data/prearchive'),
        ('HEAD', '/data/projects'),
    ]
    passing += [
        ('POST', '/data/services/import'),
        ('PUT', '/data/search/saved/x'),
        ('POST', '/data/search/saved/x'),
    ]
    assert all(is_kept(*asked) for asked in kept) and not any(is_kept(*asked) for asked in passing)
    writes = [
        ('PUT', '/data/projects/P'),
        ('DELETE', '/data/projects/P'),
        ('POST', '/data/services/import'),
        ('PUT', '/data/search/saved/x'),
    ]
    others = [
        ('DELETE', '/data/JSESSION'),
        ('POST', '/data/search'),
        ('PUT', '/data/services/auth'),
        ('GET', '/data/projects'),
    ]
    assert all(is_write(*asked) for asked in writes) and not any(
        is_write(*asked) for asked in others
    )


def test_an_entry_is_read_back_unless_it_is_damaged(tmp_path: Path) -> None:
    entry = Entry('POST', '/data/search', 200, '', 'stamp', Moment(1, 2, 'x'), Moment(3, 4, ''))
    for body in (b'a\nb\x00', b'', b'long ' * IN_MEMORY):
        store = AnswerStore(tmp_path)
        size = store.put('key', entry, Body(body))
        packed = store.get('key') or b''
        assert size == len(packed) > len(body)
        found = store.entry('key')
        assert (
            found is not None
            and found[0] == entry
            and found[1].read() == b''.join(found[1]) == body
            and found[1].size == len(body)
        )
        for damaged in (
            b'',
            packed[:-1],
            packed + b'x',
            packed.replace(b'search', b'sEarch'),
            b'garbage\n[]',
        ):
            store.set('key', damaged)
            assert store.entry('key') is None and store.get('key') is None


def test_a_response_is_reused_for_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({'ID': 'P'}) as server:
        interface, now, passed_s = connect(server, tmp_path), Moment.now(), 0.0
        monkeypatch.setattr(
            Moment,
            'now',
            classmethod(
                lambda cls: Moment(now.wall + passed_s, now.monotonic + passed_s, now.boot)
            ),
        )
        for passed_s, requests_sent in ((0, 1), (0.5, 1), (0.9, 1), (1.5, 2), (2.4, 2), (2.6, 3)):  # noqa: B007 - the clock shows it
            assert interface._get_json(PROJECTS) == [{'ID': 'P'}]
            assert len(server.requests) == requests_sent


def test_the_expiration_is_set_for_an_interface_or_a_call(tmp_path: Path) -> None:
    with answering() as server:
        interface = connect(server, tmp_path)
        for _ in range(3):
            interface._exec(PROJECTS, expiration=0)
        interface.cache.expiration = 0
        interface._exec(PROJECTS)
        assert len(server.requests) == 4
        interface.cache.expiration = None
        interface._exec(PROJECTS)
        assert len(server.requests) == 4


def test_a_write_invalidates_responses_in_every_process(tmp_path: Path) -> None:
    with answering() as server:
        one, other = connect(server, tmp_path), connect(server, tmp_path)
        for interface in (one, other):
            interface.cache.expiration = None
            interface._exec(PROJECTS, expiration=0)
        for write in (
            lambda: one._exec(f'{PROJECTS}/P', 'PUT'),
            lambda: one.put(f'{PROJECTS}/P'),
            lambda: one.delete(f'{PROJECTS}/P'),
        ):
            before = len(server.requests)
            other._exec(PROJECTS)
            write()
            other._exec(PROJECTS)
            one._exec(PROJECTS)
            assert len(server.requests) - before in (2, 3)


def test_a_search_is_cached_by_its_criteria(tmp_path: Path) -> None:
    with answering() as server:
        interface = keeping(server, tmp_path)
        for body in (b'<a/>', b'<b/>', b'<a/>', '<b/>'):
            interface._exec('/data/search?format=json', 'POST', body, {'content-type': 'text/xml'})
        assert [request.body for request in server.requests] == [b'<a/>', b'<b/>']


def test_a_404_is_cached(tmp_path: Path) -> None:
    def script(request: Any) -> Reply:
        return (
            Reply(404, b'<h3>no such project</h3>')
            if 'NONE' in request.uri
            else Reply(200, table(), {'Set-Cookie': 'JSESSIONID=A; Path=/'})
        )

    with ScriptedServer(script) as server:
        interface = keeping(server, tmp_path)
        interface._exec(PROJECTS)
        for _ in range(3):
            with pytest.raises(errors.NotFoundError, match='no such project') as caught:
                interface._exec(f'{PROJECTS}/NONE')
            assert caught.value.status == 404
        assert len(server.requests) == 2


def test_a_rejected_login_gets_nothing_from_the_cache(tmp_path: Path, server: Any) -> None:
    pyxnat.Interface(server.url, server.user, server.password, tmp_path)._get_json(PROJECTS)
    with pytest.raises(errors.AuthenticationError):
        pyxnat.Interface(server.url, server.user, 'wrong', tmp_path)._get_json(PROJECTS)


def test_an_unwritable_cache_costs_only_requests(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'')
    with answering({'ID': 'P'}) as server:
        interface = connect(server, tmp_path / 'file' / 'below')
        assert interface._get_json(PROJECTS) == interface._get_json(PROJECTS) == [{'ID': 'P'}]
        interface._exec(f'{PROJECTS}/P', 'PUT')
        assert len(server.requests) == 3


def test_responses_from_the_cache_are_marked_in_a_trace(tmp_path: Path) -> None:
    with answering() as server:
        interface = keeping(server, tmp_path)
        with interface.trace() as trace:
            interface._exec(PROJECTS)
            interface._exec(PROJECTS)
        assert (trace.requests, len(trace.from_cache)) == (1, 1)
        assert 'from cache' in str(trace) and len(list(trace)) == 1


# -- its bound -------------------------------------------------------------------------------------


def test_the_size_of_the_cache_is_checked_once_an_hour_by_any_process(tmp_path: Path) -> None:
    with answering({'ID': 'P'}) as server:

        def left_after(uri: str) -> int:
            interface = connect(server, tmp_path)
            interface.cache.max_bytes = 1
            interface._exec(uri)
            return len(list(interface.cache.entries()))

        assert left_after(PROJECTS) == 0
        assert left_after('/data/subjects') == 1
        assert left_after('/data/experiments') == 2
        (looked,) = tmp_path.rglob('looked')
        os.utime(looked, (0, 0))
        assert left_after('/data/users') == 0


# -- offline ---------------------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path) -> Any:
    """Return URL, user and cache of an archive that was used and has stopped."""
    with serve(tmp_path / 'archive') as server:
        with pyxnat.Interface(
            server.url, server.user, server.password, tmp_path / 'cache'
        ) as interface:
            session = interface.select.project('P').subject('S').experiment('E')
            session.scan('1').create(**{'xnat:mrScanData/quality': 'usable'})
            session.scan('1').resource('R').file('a b.txt').put(b'content')
            assert interface.select.project('NONE').exists() is False
            assert interface.prefetch('/projects/P') == 1
            interface.select('/projects/*/subjects').where(
                [('xnat:subjectData/PROJECT', '=', 'P')]
            ).get()
        return server.url, server.user, tmp_path / 'cache'


@pytest.fixture
def no_sockets(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError('a connection was opened')

    monkeypatch.setattr(socket, 'create_connection', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)


@pytest.mark.usefixtures('no_sockets')
def test_cached_responses_are_used_offline(asked: Any, tmp_path: Path) -> None:
    url, user, cachedir = asked
    with pyxnat.Interface(url, user, cachedir=cachedir, offline=True) as interface:
        assert interface.select('/projects/P//files').get('label') == ['a b.txt']
        file = interface.select('/projects/P//files').first()
        assert (
            Path(file.get()).read_bytes()
            == Path(file.get(tmp_path / 'copy')).read_bytes()
            == b'content'
        )
        assert interface.select('/projects/*/subjects').where(
            [('xnat:subjectData/PROJECT', '=', 'P')]
        ).get('label') == ['S']
        assert (
            interface.select.project('P').exists() and not interface.select.project('NONE').exists()
        )
        pickle.loads(pickle.dumps(interface))


@pytest.mark.usefixtures('no_sockets')
def test_an_uncached_request_offline_is_an_error_that_lists_the_cache(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, user, cachedir = asked
    monkeypatch.setenv('PYXNAT_OFFLINE', '1')
    interface = pyxnat.Interface(url, user, cachedir=cachedir)
    with pytest.raises(
        errors.OfflineError,
        match=r'/data/projects/Q/subjects.*no response to this request.*It holds',
    ) as caught:
        interface.select('/projects/Q/subjects').get()
    assert isinstance(caught.value, ConnectionError)
    for ask in (
        lambda: interface.select.project('Q').create(),
        lambda: interface.get('/data/projects'),
        interface.whoami,
    ):
        with pytest.raises(errors.OfflineError, match='offline'):
            ask()
    interface.disconnect()


def test_a_network_failure_falls_back_to_older_responses_with_a_warning(asked: Any) -> None:
    url, user, cachedir = asked
    interface = pyxnat.Interface(url, user, 'any', cachedir, retries=0)
    with pytest.raises(errors.NetworkError):
        interface._get_json(PROJECTS)
    interface.cache.mode = 'fallback'
    with pytest.warns(
        UserWarning,
        match=r'GET /data/projects\?format=json: using the cached response of \d+ second',
    ):
        assert [row['ID'] for row in interface._get_json(PROJECTS)] == ['P']
    with warnings.catch_warnings(), pytest.raises(errors.NetworkError):
        warnings.simplefilter('error')
        interface._get_json('/data/projects/NEVER/subjects')


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    interface = pyxnat.Interface('https://example.org', 'me', 'secret', tmp_path)
    with pytest.raises(errors.ConfigurationError, match='offline'):
        interface.cache.mode = 'off'
    interface.cache.set_usage('offline', 5)
    assert (interface.cache.mode, interface.cache.expiration) == ('offline', 5)


def test_a_network_failure_falls_back_to_the_cached_file(asked: Any) -> None:
    url, user, cachedir = asked
    interface = pyxnat.Interface(url, user, cachedir=cachedir, offline=True)
    file = interface.select('/projects/P//files').first()
    interface.cache.mode = 'fallback'
    with pytest.warns(UserWarning, match=r'using the (file in the cache|cached response)'):
        assert Path(file.get()).read_bytes() == b'content'


@pytest.mark.skipif(os.name != 'posix', reason='permissions are those of POSIX')
def test_other_users_cannot_read_the_cache(asked: Any) -> None:
    _, _, cachedir = asked
    for path in [cachedir, *cachedir.rglob('*')]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f'{path} {mode:o}'


def test_consistent_mode_always_requests(server: Any, xnat: pyxnat.Interface, project: Any) -> None:
    subject = project.subject('S')
    assert not subject.exists()
    body = f'{server.url}{subject._uri}'
    with pyxnat.Interface(server.url, 'other', 'secret') as other:
        server.add_user('other', 'secret')
        project.add_user('other', 'owner')
        assert not subject.exists()
        other_write(other, body)
        assert subject.exists(consistent=True)


def other_write(other: pyxnat.Interface, url: str) -> None:
    """Write without invalidating any cache of this process."""
    other.whoami()
    answer = requests.put(url, cookies=other._transport.session.cookies(), timeout=30)
    assert answer.status_code == 201
