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
        try:
            return cls(
                str(fields['alias']),
                str(fields.get('secret') or ''),
                str(fields.get('xdatUserId') or ''),
                float(fields.get('estimatedExpirationTime') or 0) / 1000,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise errors.UnexpectedAnswer(
                f'the response is no token: {error}',  # without its secret
                remedy='Check that the URL is that of an XNAT server.',
            ) from None


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
        return [Token.of(fields)._replace(secret='') for fields in self._call(list, 'show')]

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
        return Token.of(self._call(dict, 'issue', *(('user', login) if login else ())))

    def validate(self, token: Any) -> str | None:
        """Return the account of a valid token, else `None`. One request."""
        alias, secret = token[:2]
        try:
            answer = self._call(dict, 'validate', alias, secret)
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
        self._call(object, 'invalidate', token if isinstance(token, str) else token[0])

    def renew(self, token: Any) -> Token:
        """Issue a token and revoke an old one. Two requests."""
        new = self.issue()
        with suppress(errors.NotFoundError):  # the old token has expired
            self.revoke(token)
        return new

    def _call(self, wanted: type, *segments: str) -> Any:
        uri = uris.join(_SERVICE, *map(uris.quote, segments))
        body = self._host.connection.request(uri)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if found is None or not isinstance(found, wanted):
            raise errors.UnexpectedAnswer(  # without the body, which may have secrets
                'the response is not JSON from the token service',
                uri=self._host.connection.server + uri,
                method='GET',
                remedy='Check that the URL is that of an XNAT server of version 1.6 or later.',
            )
        return found
