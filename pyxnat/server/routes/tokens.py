"""``services/tokens``: an alias and a secret that stand for a login for a while, for programs that should not know its password."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from typing import Any

from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from ..db.access import digest_of
from ..db.store import token, user
from ..errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, Unauthorized
from ..http.request import Call

__all__ = ['answer']


def answer(call: Call) -> Response:
    """``issue[/user/U]``, ``show``, ``validate/ALIAS/SECRET``, ``invalidate/ALIAS[/SECRET]``."""
    if call.method != 'GET':
        raise MethodNotAllowed(['GET', 'HEAD'])
    if call.caller.guest:
        raise Forbidden('A guest has no tokens.')
    rest = [part for part in call.parts if part][2:]
    handlers = {'issue': _issue, 'show': _show, 'validate': _validate, 'invalidate': _invalidate}
    if not rest or rest[0] not in handlers:
        raise BadRequest(f'Name one of {", ".join(handlers)}.')
    with call.archive.store.write() as connection:
        found = handlers[rest[0]](call, connection, rest[1:])
    return Response(json.dumps(found), mimetype='application/json')


def _issue(call: Call, connection: Connection, rest: list[str]) -> Any:
    login = rest[1] if rest[:1] == ['user'] and len(rest) > 1 else call.caller.login
    if login != call.caller.login and not call.caller.admin:
        raise Forbidden('Only an administrator can have tokens issued for others.')
    if connection.scalar(select(user.c.pk).where(user.c.login == login)) is None:
        raise NotFound(f'Unable to find the specified user: {login}')
    connection.execute(token.delete().where(token.c.expires <= int(time.time())))
    secret = secrets.token_hex(32)
    created = int(time.time())
    times = {'created': created, 'expires': created + call.archive.preferences.seconds('aliasTokenTimeout')}
    values = {'alias': str(uuid.uuid4()), 'digest': digest_of(secret), 'login': login, **times}
    row = connection.execute(token.insert().values(**values).returning(token)).one()
    return {**_described(row), 'secret': secret}


def _described(row: Any) -> dict[str, Any]:
    """A token without its secret, which only its issue tells."""
    moments = {'estimatedExpirationTime': row.expires * 1000, 'created': row.created * 1000, 'timestamp': row.created * 1000, 'disabled': 0}
    return {'id': row.pk, 'alias': row.alias, 'xdatUserId': row.login, 'singleUse': False, 'enabled': True, 'expired': False, **moments}


def _show(call: Call, connection: Connection, rest: list[str]) -> Any:
    query = select(token).where(token.c.login == call.caller.login, token.c.expires > int(time.time())).order_by(token.c.pk.desc())
    return [_described(row) for row in connection.execute(query)]


def _validate(call: Call, connection: Connection, rest: list[str]) -> Any:
    if len(rest) < 2:
        raise Unauthorized('Name the alias and the secret.')
    row = connection.execute(select(token).where(token.c.alias == rest[0], token.c.expires > int(time.time()))).first()
    if row is None:
        raise NotFound(f'There is no token {rest[0]}.')
    return {'valid': row.login} if secrets.compare_digest(row.digest, digest_of(rest[1])) else {}


def _invalidate(call: Call, connection: Connection, rest: list[str]) -> Any:
    if not rest:
        raise Unauthorized('Name the alias.')
    row = connection.execute(select(token).where(token.c.alias == rest[0])).first()
    if row is None:
        raise NotFound(f'There is no token {rest[0]}.')
    if row.login != call.caller.login and not call.caller.admin:
        raise Forbidden('The token is not yours.')
    connection.execute(token.delete().where(token.c.pk == row.pk))
    return {'result': 'OK'}
