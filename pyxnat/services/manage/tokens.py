"""Alias tokens: a pair that stands for a login for a while, for programs that should not know its password."""

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
    """One token. It shows its secret in no text."""

    alias: str
    secret: str
    """Empty where the server does not tell it: only the answer that issues a token does."""
    login: str
    """The account it stands for."""
    expires: float
    """Seconds since 1970, as the server estimates; XNAT's tokens last two days unless the site says otherwise."""

    def __repr__(self) -> str:
        return f'Token(alias={self.alias!r}, secret=…, login={self.login!r}, expires={self.expires!r})'

    @classmethod
    def _of(cls, told: dict[str, Any]) -> Token:
        return cls(told['alias'], told.get('secret') or '', told.get('xdatUserId') or '', (told.get('estimatedExpirationTime') or 0) / 1000)


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
        """The valid tokens of this login, without their secrets, which XNAT tells again. One request."""
        return [Token._of({**told, 'secret': ''}) for told in self._ask('show')]

    def issue(self, login: str | None = None) -> Token:
        """A new token, of this login or, for an administrator, of another. One request.

        Raises
        ------
        PermissionDenied
            For a guest, and for the login of another.
        """
        return Token._of(self._ask('issue', *(('user', login) if login else ())))

    def validate(self, token: Any) -> str | None:
        """The account that a token stands for; `None` where it is not, or no longer, valid. One request."""
        alias, secret = token[:2]
        try:
            said = self._ask('validate', alias, secret)
        except errors.NotFoundError:  # of an alias that was revoked
            return None
        found = said.get('valid')
        return str(found) if found else None

    def revoke(self, token: Any) -> None:
        """End a token, given whole or by its alias. One request.

        Raises
        ------
        NotFoundError
            There is no such token.
        PermissionDenied
            It is somebody else's.
        """
        self._ask('invalidate', token if isinstance(token, str) else token[0])

    def renew(self, token: Any) -> Token:
        """A new token in place of an old one, which is revoked. Two requests."""
        new = self.issue()
        with suppress(errors.NotFoundError):  # it has expired
            self.revoke(token)
        return new

    def _ask(self, *words: str) -> Any:
        uri = uris.join(_SERVICE, *map(uris.quote, words))
        body = self._host.connection.request(uri)
        try:
            return json.loads(body)
        except ValueError as error:
            remedy = 'Check that the URL is that of an XNAT server of version 1.6 or later.'
            raise errors.UnexpectedAnswer(
                'no answer of the token service', uri=self._host.connection.server + uri, method='GET', remedy=remedy
            ) from error
