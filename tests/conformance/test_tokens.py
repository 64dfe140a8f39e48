"""Alias tokens (facts 1.6)."""

from __future__ import annotations

import json

from .conftest import Client

T = '/data/services/tokens'


def test_1_6_tokens(admin: Client, member: Client, outsider: Client, server: object) -> None:
    token = json.loads(member.get(f'{T}/issue').body)
    assert token['xdatUserId'] == 'member' and len(token['secret']) == 64
    assert {'alias', 'secret', 'singleUse', 'estimatedExpirationTime', 'validIPAddresses', 'id', 'enabled', 'created'} <= set(token)
    assert [one['alias'] for one in json.loads(member.get(f'{T}/show').body)] == [token['alias']]
    assert json.loads(member.get(f'{T}/validate/{token["alias"]}/{token["secret"]}').body) == {'valid': 'member'}
    assert json.loads(member.get(f'{T}/validate/{token["alias"]}/wrong').body).get('valid') is None
    assert member.get(f'{T}/validate').status == 401
    assert member.get(f'{T}/nonsense').status == 400
    alias = Client(server, token['alias'], token['secret'])  # type: ignore[arg-type]
    assert alias.get('/data/auth').text == "User 'member' is logged in"
    assert Client(server, token['alias'], 'wrong').get('/data/auth').status == 401  # type: ignore[arg-type]
    assert outsider.get(f'{T}/invalidate/{token["alias"]}').status == 403
    assert member.get(f'{T}/invalidate/nobody').status == 404
    assert json.loads(member.get(f'{T}/invalidate/{token["alias"]}/{token["secret"]}').body) == {'result': 'OK'}
    assert alias.get('/data/auth').status == 401
    assert member.get(f'{T}/issue/user/outsider').status == 403
    assert json.loads(admin.get(f'{T}/issue/user/outsider').body)['xdatUserId'] == 'outsider'
    alias.close()
