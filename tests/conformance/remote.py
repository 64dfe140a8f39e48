"""A server that runs somewhere: what the facts can ask of it, and what only an archive that is
served here can tell."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tests.support.plain import Client

__all__ = ['Inside', 'Remote']

JSON = {'Content-Type': 'application/json'}
STUDY = 'a study'
"""The description of the seed's project P: a project P without it is somebody's own."""


class Inside(Exception):
    """A fact whose check looks into an archive that is served here, or sets the site up in a way of
    its own."""


class Remote:
    """A server by its URL, and an administrator of it."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = urlsplit(url)
        self.secure = parts.scheme == 'https'
        self.host = parts.hostname or ''
        self.port = parts.port or (443 if self.secure else 80)
        self.base = parts.path.rstrip('/')
        """The context path."""
        self.user = user
        self.password = password
        self._admin = Client(self, user, password)

    def __getattr__(self, name: str) -> NoReturn:
        raise Inside(f'the {name} of an archive that is served here')

    def add_user(self, login: str, password: str, **more: str) -> None:
        """Create a user; one who is there must have this password already, for no password of
        somebody else's is changed."""
        named = {
            'firstName': login,
            'lastName': login,
            'email': more.get('email') or f'{login}@example.org',
        }
        body = {'username': login, 'password': password, **named, 'enabled': True, 'verified': True}
        answer = self._admin('POST', '/xapi/users', json.dumps(body), JSON)
        if answer.status == 409:
            known = Client(self, login, password)
            answer = known.get('/data/JSESSION')
            known.close()
        if answer.status not in (200, 201):
            raise RuntimeError(
                f'{login} cannot be a user with the password {password!r}: {answer.status} '
                f'{answer.text[:200]}'
            )

    def prepare(self, users: dict[str, str]) -> None:
        """Make the users;

        `RuntimeError` where the server has projects P and Q that are somebody's own.
        """
        for project, description in (('P', STUDY), ('Q', '')):
            answer = self._admin.get(f'/data/projects/{project}?format=json')
            if (
                answer.status == 200
                and answer.item['data_fields'].get('description', '') != description
            ):
                raise RuntimeError(
                    f'The server has a project {project} of its own: ask one that is there for '
                    'tests.'
                )
        for login, password in users.items():
            self.add_user(login, password)

    def end_sessions(self, logins: Any) -> None:
        """End the sessions of users: the clients here keep no cookie, and a server has room for so
        many."""
        for login in logins:
            self._admin.delete(f'/xapi/users/active/{login}')

    def close(self) -> None:
        """End the administrator's connection."""
        self._admin.close()
