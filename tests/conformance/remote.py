"""A remote server: the facts that can be checked on it."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tests.support.plain import Client

__all__ = ['Inside', 'Remote']

JSON = {'Content-Type': 'application/json'}
STUDY = 'a study'
"""Description of the project P of the seed; a project P without it belongs to somebody else."""


class Inside(Exception):
    """The check of a fact needs the inside of an archive, or a site with other settings."""


class Remote:
    """A server by its URL, with an administrator's login."""

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
        """Create a user; an existing user must have this password, which is never changed."""
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
        """Create the users; `RuntimeError` if the server has projects P and Q of somebody else."""
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
        """End the sessions of users: these clients keep no cookie, and a server limits the
        sessions."""
        for login in logins:
            self._admin.delete(f'/xapi/users/active/{login}')

    def close(self) -> None:
        """End the administrator's session."""
        self._admin.close()
