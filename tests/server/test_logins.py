"""Tests of passwords: changes end logins, guesses are slowed, all users take the same time."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat.errors import BusyError
from pyxnat.server import Server, serve
from pyxnat.server.db import access, passwords
from pyxnat.server.db.login_tries import FORGET_S, FREE_TRIES, LONGEST_WAIT_S, LoginTries
from pyxnat.server.errors import TooManyRequests, WrongCredentials
from tests.conftest import DEEP
from tests.support.plain import FORM, Answer

from .conftest import Client

JSON = {'Content-Type': 'application/json'}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path / 'a', password='secret', users={'ann': 'old', 'bob': 'bob'}) as running:
        yield running


@pytest.fixture
def clock(server: Server) -> list[float]:
    """Turn the clock of the wrong logins by hand."""
    now = [0.0]
    server.archive.users.tries.clock = lambda: now[0]
    return now


def ask(
    server: Server,
    path: str = '/data/JSESSION',
    login: str | None = None,
    word: str = '',
    **headers: str,
) -> Answer:
    client = Client(server, login, word)
    try:
        return client.get(path, **headers)
    finally:
        client.close()


def by_cookie(server: Server, key: str, path: str = '/data/JSESSION') -> Answer:
    return ask(server, path, Cookie=f'JSESSIONID={key}')


def form(server: Server, login: str, word: str) -> Answer:
    client = Client(server)
    try:
        return client.post('/data/services/auth', f'username={login}&password={word}', **FORM)
    finally:
        client.close()


def put(server: Server, login: str, word: str, path: str, body: Any, **headers: str) -> Answer:
    client = Client(server, login, word)
    try:
        return client.put(path, json.dumps(body), **JSON, **headers)
    finally:
        client.close()


# -- a change of the password ends logins


def by_the_user(server: Server, word: str, key: str) -> None:
    body = {'password': word, 'currentPassword': 'old'}
    assert put(server, 'ann', 'old', '/xapi/users/update', body).status == 200


def by_the_user_in_a_session(server: Server, word: str, key: str) -> None:
    body = {'password': word, 'currentPassword': 'old'}
    found = put(server, 'ann', 'x', '/xapi/users/update', body, Cookie=f'JSESSIONID={key}')
    assert found.status == 200


def by_an_administrator(server: Server, word: str, key: str) -> None:
    assert put(server, 'admin', 'secret', '/xapi/users/ann', {'password': word}).status == 200


def by_python(server: Server, word: str, key: str) -> None:
    server.add_user('ann', word)


CHANGES = [by_the_user, by_the_user_in_a_session, by_an_administrator, by_python]


@pytest.mark.parametrize('change', CHANGES, ids=lambda change: change.__name__)
def test_another_password_ends_sessions_and_tokens(
    server: Server, change: Callable[[Server, str, str], None]
) -> None:
    token = ask(server, '/data/services/tokens/issue', 'ann', 'old').json
    keys = [ask(server, login='ann', word='old').text, form(server, 'ann', 'old').text]
    keys.append(ask(server, login=token['alias'], word=token['secret']).text)
    others = ask(server, login='bob', word='bob').text
    change(server, 'new', keys[0])
    kept = change is by_the_user_in_a_session
    assert by_cookie(server, keys[0]).status == (200 if kept else 401)
    assert {by_cookie(server, key).status for key in keys[1:]} == {401}
    assert ask(server, login=token['alias'], word=token['secret']).status == 401
    assert ask(server, login='ann', word='old').status == 401
    assert ask(server, login='ann', word='new').status == 200
    assert by_cookie(server, others).status == 200


@pytest.mark.parametrize('change', CHANGES, ids=lambda change: change.__name__)
def test_the_same_password_ends_nothing(
    server: Server, change: Callable[[Server, str, str], None]
) -> None:
    token = ask(server, '/data/services/tokens/issue', 'ann', 'old').json
    keys = [ask(server, login='ann', word='old').text, form(server, 'ann', 'old').text]
    change(server, 'old', keys[0])
    assert {by_cookie(server, key).status for key in keys} == {200}
    assert ask(server, login=token['alias'], word=token['secret']).status == 200


def test_other_changes_of_a_user_end_nothing(server: Server) -> None:
    key = ask(server, login='ann', word='old').text
    assert put(server, 'admin', 'secret', '/xapi/users/ann', {'lastName': 'New'}).status == 200
    assert by_cookie(server, key).status == 200


def test_tokens_survive_a_restart_with_the_same_password_only(tmp_path: Path) -> None:
    def issue(server: Server, login: str, word: str) -> tuple[str, str]:
        token = ask(server, '/data/services/tokens/issue', login, word).json
        return token['alias'], token['secret']

    def status(server: Server, token: tuple[str, str]) -> int:
        return ask(server, '/data/JSESSION', *token).status

    with serve(tmp_path, password='one', users={'ann': 'old'}) as server:
        tokens = issue(server, 'admin', 'one'), issue(server, 'ann', 'old')
    with serve(tmp_path, password='one', users={'ann': 'old'}) as server:
        assert [status(server, token) for token in tokens] == [200, 200]
    with serve(tmp_path, password='two', users={'ann': 'new'}) as server:
        assert [status(server, token) for token in tokens] == [401, 401]


def test_a_login_that_is_under_way_does_not_outlive_the_change(server: Server) -> None:
    """The password is compared before the change, and the session is opened after it."""
    archive = server.archive
    caller = archive.users.check('ann', 'old')
    archive.users.add('ann', 'new')
    with pytest.raises(WrongCredentials):
        archive.sessions.open(caller)
    archive.sessions.open(archive.users.check('ann', 'new'))


@pytest.mark.parametrize('word', ['\ud800', 'a\udfffb'])
def test_a_password_that_is_no_text_is_refused(server: Server, word: str) -> None:
    assert put(server, 'admin', 'secret', '/xapi/users/ann', {'password': word}).status == 400
    assert ask(server, login='ann', word='old').status == 200


# -- guesses are slowed


WAYS: dict[str, Callable[[Server, str, str], Answer]] = {
    'basic': lambda server, login, word: ask(server, '/data/JSESSION', login, word),
    'listing': lambda server, login, word: ask(server, '/data/projects', login, word),
    'xapi': lambda server, login, word: ask(server, '/xapi/users', login, word),
    'REST': lambda server, login, word: ask(server, '/REST/projects', login, word),
    'form': form,
}


@pytest.mark.parametrize('login', ['ann', 'nobody', '0f000000-0000-4000-8000-00000000000a'])
@pytest.mark.parametrize('way', WAYS)
def test_guesses_are_slowed_after_ten(
    server: Server, clock: list[float], way: str, login: str
) -> None:
    for _ in range(FREE_TRIES):
        assert WAYS[way](server, login, 'wrong').status == 401
    for wait in (1, 2, 4):
        found = WAYS[way](server, login, 'wrong')
        assert (found.status, found.headers['Retry-After']) == (429, str(wait))
        assert f'{wait} second' in found.text and 'JSESSIONID' not in str(found.headers)
        clock[0] += wait
        assert WAYS[way](server, login, 'wrong').status == 401
    assert WAYS[way](server, login, 'old').status == 429, 'also the right one'
    clock[0] += 8
    assert WAYS[way](server, 'ann', 'old').status == 200


def test_a_right_login_resets_the_count(server: Server, clock: list[float]) -> None:
    for _ in range(3):
        for _ in range(FREE_TRIES - 1):
            assert ask(server, login='ann', word='wrong').status == 401
        assert ask(server, login='ann', word='old').status == 200


def test_nobody_is_locked_out_for_ever(server: Server, clock: list[float]) -> None:
    for _ in range(100):
        ask(server, login='ann', word='wrong')
        clock[0] += LONGEST_WAIT_S / 3
    clock[0] += LONGEST_WAIT_S
    assert ask(server, login='ann', word='old').status == 200
    for _ in range(FREE_TRIES):
        ask(server, login='bob', word='wrong')
    clock[0] += FORGET_S + 1
    for _ in range(FREE_TRIES):
        assert ask(server, login='bob', word='wrong').status == 401


def test_working_logins_are_not_slowed_by_others_on_the_address(
    server: Server, clock: list[float]
) -> None:
    """One attacker behind the router of a hospital does not lock the others out."""
    token = ask(server, '/data/services/tokens/issue', 'ann', 'old').json
    key = ask(server, login='bob', word='bob').text
    for number in range(3 * FREE_TRIES):
        ask(server, login=f'name{number}', word='wrong')
    assert ask(server, login='new', word='x').status == 429
    assert by_cookie(server, key).status == 200
    assert ask(server, login=token['alias'], word=token['secret']).status == 200
    assert ask(server, login='bob', word='bob').status == 200, 'logged in here before'
    assert ask(server, login='admin', word='secret').status == 429, 'never here before'
    clock[0] += LONGEST_WAIT_S
    assert ask(server, login='admin', word='secret').status == 200


def test_guessed_session_ids_count(server: Server, clock: list[float]) -> None:
    def guess(number: int) -> Answer:
        return by_cookie(server, f'{number:032X}')

    assert [guess(number).status for number in range(FREE_TRIES)] == [401] * FREE_TRIES
    assert guess(99).status == ask(server, login='ann', word='old').status == 429
    assert guess(1).status == 401, 'one that was counted'


def test_stale_session_ids_do_not_count(tmp_path: Path) -> None:
    """Clients go on with the cookies of sessions that ended, also after a restart."""
    with serve(tmp_path, password='secret') as server:
        keys = [ask(server, login='admin', word='secret').text for _ in range(2 * FREE_TRIES)]
        for key in keys[:FREE_TRIES]:
            server.archive.sessions.close(key)
            assert by_cookie(server, key).status == 401
    with serve(tmp_path, password='secret') as server:
        assert {by_cookie(server, key).status for key in keys} == {401}
        assert {by_cookie(server, 'D' * 32).status for _ in range(20)} == {401}, 'repeated'
        assert ask(server, login='admin', word='secret').status == 200


def test_guesses_of_the_current_password_count(server: Server, clock: list[float]) -> None:
    """A stolen session does not help to guess the password."""
    key = ask(server, login='ann', word='old').text

    def guess(word: str) -> int:
        body = {'password': 'mine', 'currentPassword': word}
        cookie = f'JSESSIONID={key}'
        return put(server, 'ann', '', '/xapi/users/update', body, Cookie=cookie).status

    assert [guess('wrong') for _ in range(FREE_TRIES)] == [400] * FREE_TRIES
    assert guess('old') == 429


def test_guesses_at_the_validation_of_tokens_count(server: Server, clock: list[float]) -> None:
    token = ask(server, '/data/services/tokens/issue', 'ann', 'old').json
    path = f'/data/services/tokens/validate/{token["alias"]}'
    bob = Client(server, 'bob', 'bob')
    assert [bob.get(f'{path}/{number}').json for number in range(FREE_TRIES)] == [{}] * FREE_TRIES
    assert bob.get(f'{path}/wrong').status == 429
    assert bob.get(f'{path}/{token["secret"]}').json == {'valid': 'ann'}
    bob.close()


def test_other_clients_end(server: Server, clock: list[float]) -> None:
    """They show an error, and do not try for ever."""
    library = pytest.importorskip('xnat')
    for _ in range(FREE_TRIES):
        ask(server, login='ann', word='wrong')
    for word in ('wrong', 'old'):
        before = len(server.requests)
        with pytest.raises(Exception, match='Too many wrong logins.*1 second'):
            library.connect(server.url, user='ann', password=word, loglevel='CRITICAL')
        assert len(server.requests) - before < 5


def test_many_tries_at_once_are_one_try() -> None:
    tries = LoginTries(lambda: 100.0)
    for number in range(FREE_TRIES):
        tries.failed('ann', f'192.0.2.{number}')
    tries.clock = lambda: 101.0
    tries.admit('ann', '198.51.100.1')
    with pytest.raises(TooManyRequests):
        tries.admit('ann', '198.51.100.2')


def refused(tries: LoginTries, login: str, address: str) -> bool:
    try:
        tries.admit(login, address)
    except TooManyRequests:
        return True
    return False


def test_accounts_and_addresses_are_counted_separately() -> None:
    tries = LoginTries(lambda: 0.0)
    for number in range(FREE_TRIES):
        tries.failed('ann', f'192.0.2.{number}')
    assert refused(tries, 'ann', '198.51.100.1') and not refused(tries, 'bob', '192.0.2.1')
    tries = LoginTries(lambda: 0.0)
    for number in range(FREE_TRIES):
        tries.failed(f'user{number}', '2001:db8::1')
    assert refused(tries, 'bob', '2001:db8::ffff') and not refused(tries, 'bob', '2001:db8:1::1')


def test_an_own_account_does_not_help_to_guess_others() -> None:
    tries = LoginTries(lambda: 0.0)
    for number in range(FREE_TRIES):
        tries.failed(f'victim{number}', '192.0.2.1')
        tries.succeeded('mine', '192.0.2.1')
    assert refused(tries, 'victim', '192.0.2.1') and not refused(tries, 'mine', '192.0.2.1')


def test_own_wrong_tries_of_a_right_login_are_forgotten() -> None:
    tries = LoginTries(lambda: 0.0)
    for name in ('a', 'b', 'c', 'd'):
        for _ in range(FREE_TRIES - 1):
            assert not refused(tries, name, '192.0.2.1')
            tries.failed(name, '192.0.2.1')
        tries.succeeded(name, '192.0.2.1')


def test_a_known_place_of_a_user_keeps_its_own_count() -> None:
    tries = LoginTries(lambda: 0.0)
    tries.succeeded('ann', 'home')
    for _ in range(FREE_TRIES):
        tries.failed('ann', 'elsewhere')
    assert refused(tries, 'ann', 'elsewhere') and not refused(tries, 'ann', 'home')
    for _ in range(FREE_TRIES):
        tries.failed('ann', 'home')
    assert refused(tries, 'ann', 'home')
    tries = LoginTries(lambda: 0.0)
    tries.succeeded('ann', 'home')
    tries.distrust('ann')
    for _ in range(FREE_TRIES):
        tries.failed('ann', 'elsewhere')
    assert refused(tries, 'ann', 'home')


def test_memory_is_bounded_and_slowed_accounts_are_not_displaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('pyxnat.server.db.login_tries.MOST_ENTRIES', 50)
    tries = LoginTries(lambda: 0.0)
    for _ in range(FREE_TRIES):
        tries.failed('ann', 'home')
    for number in range(1000):
        tries.failed(f'{number}' * 1000, f'{number}')
        tries.guessed(f'{number}', f'place {number}')
        tries.succeeded(f'user{number}', f'{number}')
    assert len(tries) <= 8 * 50 and refused(tries, 'ann', 'other')


STEPS = st.lists(
    st.tuples(
        st.sampled_from(['try', 'right', 'wait']),
        st.sampled_from(['ann', 'bob']),
        st.sampled_from(['here', 'there']),
        st.floats(0.1, 100),
    ),
    max_size=80,
)


@given(STEPS)
def test_waits_are_bounded_and_end(steps: list[tuple[str, str, str, float]]) -> None:
    """Whatever happened: nobody waits longer than the limit, and after it one try is admitted."""
    now = [0.0]
    tries = LoginTries(lambda: now[0])
    for step, login, address, seconds in steps:
        if step == 'wait':
            now[0] += seconds
            continue
        try:
            tries.admit(login, address)
        except TooManyRequests as error:
            assert 1 <= error.wait_s <= LONGEST_WAIT_S
            continue
        (tries.succeeded if step == 'right' else tries.failed)(login, address)
    for login in ('ann', 'bob'):
        now[0] += LONGEST_WAIT_S
        tries.admit(login, 'here')


def test_the_client_waits_as_long_as_the_server_asks(
    server: Server, clock: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library retries a few times, after the pauses that the server asks for."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds * (word == 'old')

    monkeypatch.setattr('pyxnat.http.transport.time.sleep', sleep)
    for _ in range(FREE_TRIES + 1):
        ask(server, login='ann', word='wrong')
    word = 'wrong'
    with (
        pyxnat.Interface(server.url, 'ann', word, tmp_path) as xnat,
        pytest.raises(BusyError, match='Too many wrong logins.*1 second'),
    ):
        xnat.select.projects().get()
    assert len(pauses) == 4
    word = 'old'
    with pyxnat.Interface(server.url, 'ann', word, tmp_path) as xnat:
        assert xnat.select.projects().get() == [] and len(pauses) == 5 and pauses[-1] >= 1
        before = server.archive.sessions.count('ann')
        assert xnat.get('/data/projects').text and server.archive.sessions.count('ann') == before


# -- known and unknown users take the same time


CASES = {
    'known': ('ann', 'wrong'),
    'used before': ('bob', 'wrong'),
    'unknown': ('nobody', 'wrong'),
    'disabled': ('off', 'wrong'),
    'disabled, right': ('off', 'off'),
    'unverified': ('new', 'wrong'),
    'unverified, right': ('new', 'new'),
    'without password': ('bare', ''),
    'guest': ('guest', ''),
    'empty': ('', ''),
    'unknown token': ('0f000000-0000-4000-8000-00000000000a', 'wrong'),
    'known token': ('TOKEN', 'wrong'),
}


@pytest.fixture
def many(server: Server) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Create a user of each kind; return the login and word of a case."""
    admin = Client(server, 'admin', 'secret')
    for login in ('off', 'new', 'bare'):
        more = {} if login == 'bare' else {'password': login}
        body = {
            'username': login,
            'email': f'{login}@example.org',
            'firstName': 'A',
            'lastName': 'B',
        }
        assert admin.post('/xapi/users', json.dumps({**body, **more}), **JSON).status == 201
    ask(server, login='off', word='off')
    ask(server, login='bob', word='bob')
    admin.put('/xapi/users/off/enabled/false')
    admin.put('/xapi/users/new/verified/false')
    alias = ask(server, '/data/services/tokens/issue', 'ann', 'old').json['alias']
    admin.close()
    yield lambda case: (CASES[case][0].replace('TOKEN', alias), CASES[case][1])


@pytest.mark.parametrize('case', CASES)
def test_every_refused_login_computes_one_hash_of_the_same_cost(
    server: Server,
    many: Callable[[str], tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    counted: list[str] = []
    compare = passwords.check_password_hash

    def count(hashed: str, word: str) -> bool:
        counted.append(hashed.partition('$')[0])
        return compare(hashed, word)

    monkeypatch.setattr(passwords, 'check_password_hash', count)
    login, word = many(case)
    for way in (form, WAYS['basic']):
        counted.clear()
        assert way(server, login, word).status == 401
        made = access.hash_password('x').partition('$')[0]
        assert [one.split(':')[0] for one in counted] == [made.split(':')[0]]


@pytest.mark.skipif(not DEEP, reason='measures time')
def test_known_and_unknown_users_take_the_same_time(
    server: Server, many: Callable[[str], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, 'HASH_METHOD', 'scrypt:16384:8:1')
    server.add_user('ann', 'longer')
    users = server.archive.users

    def seconds(login: str, word: str) -> float:
        users.tries = LoginTries()
        start = time.perf_counter()
        with pytest.raises(WrongCredentials):
            users.check(login, word, 'here')
        return time.perf_counter() - start

    known, unknown = zip(
        *((seconds('ann', 'wrong'), seconds('nobody', 'wrong')) for _ in range(60)), strict=True
    )
    middle = statistics.median(known), statistics.median(unknown)
    assert abs(middle[0] - middle[1]) < 0.1 * max(middle)
