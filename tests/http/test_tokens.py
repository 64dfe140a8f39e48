"""Tests of alias tokens, of the account of a login, and of secrets in traces and messages."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.errors import without_secrets
from tests.support.scripted import Reply, Request, ScriptedServer, table


def test_a_token_is_issued_used_renewed_and_revoked(
    server: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    tokens = xnat.manage.tokens
    token = tokens.issue()
    assert token.login == server.user and token.expires > 1.7e9
    assert token.secret not in repr(token) + str(token) + f'{token}'
    assert tokens.validate(token) == server.user and tokens.validate((token.alias, 'wrong')) is None
    assert [one.alias for one in tokens()].count(token.alias) == 1 and not any(
        one.secret for one in tokens()
    )
    with pyxnat.Interface(server.url, token=token, cachedir=tmp_path / 'other') as other:
        assert other.whoami() == server.user
        other.select.projects().get()
        assert other.cache.folder.name == server.user, 'the cache is the account’s, not the token’s'
    renewed = tokens.renew(token)
    assert tokens.validate(token) is None and tokens.validate(renewed) == server.user
    tokens.revoke(renewed.alias)
    with pytest.raises(errors.AuthenticationError):
        pyxnat.Interface(server.url, token=renewed).whoami()
    with pytest.raises(errors.NotFoundError):
        tokens.revoke(renewed)
    assert tokens.renew(renewed).login == server.user


def test_a_token_for_another_user_needs_an_administrator(
    server: Any, xnat: pyxnat.Interface
) -> None:
    server.add_user('tokens', 'secret')
    token = xnat.manage.tokens.issue('tokens')
    with pyxnat.Interface(server.url, token=token) as other:
        assert other.whoami() == 'tokens'
        with pytest.raises(errors.PermissionDenied):
            other.manage.tokens.issue(server.user)


def test_the_account_of_a_token_is_requested_once_and_known_offline(
    server: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    token = xnat.manage.tokens.issue()
    for requests in (2, 1):
        with (
            pyxnat.Interface(server.url, token=token, cachedir=tmp_path) as interface,
            interface.trace() as trace,
        ):
            interface._exec('/data/projects')
        assert trace.requests == requests, trace
    offline = pyxnat.Interface(server.url, token=token, cachedir=tmp_path, offline=True)
    assert offline._exec('/data/projects')


def test_the_account_of_a_guest_is_guest(tmp_path: Path) -> None:
    from pyxnat.server import serve

    with serve(tmp_path / 'open', require_login=False) as server:
        assert pyxnat.Interface(server.url, anonymous=True).whoami() == 'guest'


def test_no_secret_is_in_traces_logs_or_messages(
    server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = tmp_path / 'requests.jsonl'
    with (
        caplog.at_level(logging.DEBUG, 'pyxnat'),
        pyxnat.Interface(server.url, server.user, server.password) as interface,
    ):
        interface.cache.expiration = 60
        with interface.trace(lines) as trace:
            token = interface.manage.tokens.issue()
            interface.manage.tokens.validate(token)
            interface._exec('/data/projects')
            interface._exec('/data/projects')
            with pytest.raises(errors.DatabaseError) as caught:
                interface._exec(
                    f'/data/services/tokens/validate/{token.alias}/{token.secret}/'
                    'more?password=hunter2',
                    'DELETE',
                )
        cookie = interface._jsession
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [one['from_cache'] for one in told] == [False] * 3 + [True, False]
    assert {'method', 'uri', 'status', 'sent', 'received', 'ms', 'attempt'} <= set(told[0])
    shown = lines.read_text() + caplog.text + str(trace) + str(caught.value) + repr(caught.value)
    for secret in (token.secret, server.password, cookie, 'hunter2'):
        assert secret not in shown
    with interface.trace(lines):
        pass
    assert len(lines.read_text().splitlines()) == len(told), 'a file is added to, not begun anew'


@pytest.mark.parametrize(
    ('uri', 'shown'),
    [
        ('/data/services/tokens/invalidate/a/b?x=1', '/data/services/tokens/invalidate/a/…?x=1'),
        ('https://h/x?a=1&j_password=p%20q&b=2', 'https://h/x?a=1&j_password=…&b=2'),
        ('/data/projects/secret', '/data/projects/secret'),
    ],
)
def test_secrets_in_uris_are_masked(uri: str, shown: str) -> None:
    assert without_secrets(uri) == shown


@pytest.mark.parametrize('status', [429, 502, 503, 504])
def test_a_busy_server_is_not_taken_for_one_without_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Only the response to a login says whether the server has sessions."""
    monkeypatch.setattr('pyxnat.http.transport.BACKOFF_S', 0.001)
    seen: list[dict[str, str]] = []

    def answer(request: Request) -> Reply:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        cookie = {'Set-Cookie': 'JSESSIONID=A1; Path=/'}
        return Reply(status, b'') if len(seen) == 1 else Reply(200, table({'ID': 'P'}), cookie)

    with (
        ScriptedServer(answer) as running,
        pyxnat.Interface(running.url, 'me', 'secret', tmp_path) as xnat,
    ):
        for _ in range(3):
            assert xnat.get('/data/projects').text
    assert ['authorization' in one for one in seen[:4]] == [True, True, False, False]
