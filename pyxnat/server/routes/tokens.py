"""``services/tokens``: alias tokens, temporary logins for programs.

A token is an alias and a secret, so a program need not know the user's password.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..db.guards import Guard
from ..db.store import Connection
from ..db.tokens import (
    delete_token,
    issue_token,
    need_issue,
    need_token,
    tokens_of,
    user_of_token,
)
from ..db.users import find_user
from ..errors import BadRequest, NotFound, Unauthorized
from ..http.request import Call
from ..http.router import Access, Route, guarded

__all__ = ['ROUTES']


def _service(work: Callable[[Call, Connection, list[str]], Any]) -> Callable[[Call, str], Any]:
    """Return a handler that calls `work` with a transaction.

    `work` also gets the segments that follow the path of the service.
    """

    def handle(call: Call, more: str) -> Any:
        with call.archive.store.write() as connection:
            return work(call, connection, more.split('/') if more else [])

    return handle


def _unknown(call: Call, more: str) -> Any:
    raise BadRequest('Name one of issue, show, validate, invalidate.')


def _issue(call: Call, connection: Connection, rest: list[str]) -> Any:
    login = rest[1] if rest[:1] == ['user'] and len(rest) > 1 else call.caller.login
    need_issue(call.caller, login)
    if find_user(connection, login) is None:
        raise NotFound(f'Unable to find the specified user: {login}')
    if call.archive.sessions.caller(call.session) is None:
        raise Unauthorized  # it ended with a change of the password, a moment ago
    row, secret = issue_token(
        connection, login, call.archive.preferences.seconds('aliasTokenTimeout')
    )
    return {**_described(row), 'secret': secret}


def _described(row: Any) -> dict[str, Any]:
    """Return a token without its secret, which only its creation returns."""
    moments = {
        'estimatedExpirationTime': row.expires * 1000,
        'created': row.created * 1000,
        'timestamp': row.created * 1000,
        'disabled': 0,
    }
    return {
        'id': row.pk,
        'alias': row.alias,
        'xdatUserId': row.login,
        'singleUse': False,
        'enabled': True,
        'expired': False,
        **moments,
    }


def _show(call: Call, connection: Connection, rest: list[str]) -> Any:
    return [_described(row) for row in tokens_of(connection, call.caller)]


def _validate(call: Call, connection: Connection, rest: list[str]) -> Any:
    if len(rest) < 2:
        raise Unauthorized('Name the alias and the secret.')
    login = user_of_token(connection, rest[0], rest[1])
    if login is None:
        call.archive.users.tries.admit(rest[0], call.address)
        call.archive.users.tries.failed(rest[0], call.address)
    return {'valid': login} if login is not None else {}


def _invalidate(call: Call, connection: Connection, rest: list[str]) -> Any:
    if not rest:
        raise Unauthorized('Name the alias.')
    delete_token(connection, need_token(connection, call.caller, rest[0]).pk)
    return {'result': 'OK'}


ROUTES = guarded(
    Guard.TOKEN,
    (
        Route(
            'GET',
            '/data/services/tokens/issue/{more*}',
            _service(_issue),
            'Issue an alias token; below `user/{login}` to another user.',
            Access.LOGIN,
            writes=True,
        ),
        Route(
            'GET',
            '/data/services/tokens/show/{more*}',
            _service(_show),
            "List the caller's tokens.",
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/data/services/tokens/validate/{more*}',
            _service(_validate),
            'Name the user of an alias and its secret.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/data/services/tokens/invalidate/{more*}',
            _service(_invalidate),
            'Delete the token of an alias.',
            Access.LOGIN,
            writes=True,
        ),
        Route(
            'GET', '/data/services/tokens/{more*}', _unknown, 'Refuse any other word.', Access.LOGIN
        ),
    ),
)
