"""Alias tokens: credentials that expire, for use in place of a password."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from ... import errors
from ...model import uris
from ...resources.host import Host

__all__ = ['Token', 'Tokens']

_SERVICE = f'{uris.ENTRY}/services/tokens'


class Token(NamedTuple):
    """One token. Its ``repr`` hides the secret."""

    alias: str
    secret: str
    """Empty except in the result of `Tokens.issue`."""
    login: str
    """Account that the token authenticates."""
    expires: float
    """Seconds since 1970, estimated by the server; by default two days ahead."""

    def __repr__(self) -> str:
        return (
            f'Token(alias={self.alias!r}, secret=…, login={self.login!r}, expires={self.expires!r})'
        )

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Token:
        """Return the token that XNAT describes by these fields."""
        return cls(
            fields['alias'],
            fields.get('secret') or '',
            fields.get('xdatUserId') or '',
            (fields.get('estimatedExpirationTime') or 0) / 1000,
        )


class Tokens:
    """Tokens of the login: ``interface.manage.tokens``.

    Examples
    --------
    ::

        token = interface.manage.tokens.issue()
        with pyxnat.Interface(server, token=token) as other:
            ...
        interface.manage.tokens.revoke(token)
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Tokens on {self._host.connection.server}>'

    def __call__(self) -> list[Token]:
        """Return the valid tokens of this login. One request.

        Their secrets are left out, although XNAT sends them.
        """
        return [Token.of({**fields, 'secret': ''}) for fields in self._call('show')]

    def issue(self, login: str | None = None) -> Token:
        """Issue a token. One request.

        Parameters
        ----------
        login : str, optional
            Account of the token; this login by default. Only administrators may name another.

        Raises
        ------
        PermissionDenied
            For a guest, or if this login may not issue tokens for `login`.
        """
        return Token.of(self._call('issue', *(('user', login) if login else ())))

    def validate(self, token: Any) -> str | None:
        """Return the account of a valid token, else `None`. One request."""
        alias, secret = token[:2]
        try:
            answer = self._call('validate', alias, secret)
        except errors.NotFoundError:  # the alias was revoked
            return None
        login = answer.get('valid')
        return str(login) if login else None

    def revoke(self, token: Any) -> None:
        """Revoke a token, given whole or by its alias. One request.

        Raises
        ------
        NotFoundError
            If there is no such token.
        PermissionDenied
            If the token belongs to another account.
        """
        self._call('invalidate', token if isinstance(token, str) else token[0])

    def renew(self, token: Any) -> Token:
        """Issue a token and revoke an old one. Two requests."""
        new = self.issue()
        with suppress(errors.NotFoundError):  # the old token has expired
            self.revoke(token)
        return new

    def _call(self, *segments: str) -> Any:
        uri = uris.join(_SERVICE, *map(uris.quote, segments))
        body = self._host.connection.request(uri)
        try:
            return json.loads(body)
        except ValueError as error:
            remedy = 'Check that the URL is that of an XNAT server of version 1.6 or later.'
            raise errors.UnexpectedAnswer(
                'the response is not JSON from the token service',
                uri=self._host.connection.server + uri,
                method='GET',
                remedy=remedy,
            ) from error
