"""Users of a server: ``interface.manage.users``."""

from __future__ import annotations

from ... import errors
from ...model import uris
from ...resources.host import Host
from ...tables.json_stream import parse_result_set
from ...tables.table import JsonTable, Row

__all__ = ['Users']

_URI = f'{uris.ENTRY}/users'


class Users:
    """Users of a server. Calling it lists their logins.

    XNAT lists enabled accounts, by last name. Roles belong to projects: see the ``users()``,
    ``add_user`` and ``user_role`` of a project.

    Examples
    --------
    ::

        interface.manage.users()                  # ['admin', 'anna']
        interface.manage.users.email('anna')      # 'anna@example.org'
        interface.manage.users.table()            # all columns of all users
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Users of {self._host.connection.server}>'

    def __call__(self) -> list[str]:
        """Return the logins of all users. One request.

        Raises
        ------
        PermissionDenied
            If the site shows its users to administrators only.
        """
        return [row['login'] for row in self._rows()]

    def table(self) -> JsonTable:
        """Return a row per user. One request.

        Columns: xdat_user_id, login, firstname, lastname, email.
        """
        return JsonTable(self._rows())

    def firstname(self, login: str) -> str:
        """Return the first name of a user. One request.

        Raises
        ------
        NotFoundError
            If there is no such user, or the account is disabled.
        """
        return self._row(login)['firstname']

    def lastname(self, login: str) -> str:
        """Return the last name of a user; see `firstname`."""
        return self._row(login)['lastname']

    def email(self, login: str) -> str:
        """Return the email address of a user; see `firstname`."""
        return self._row(login)['email']

    def id(self, login: str) -> str:
        """Return the number of a user as text; see `firstname`."""
        return self._row(login)['xdat_user_id']

    def resources(self) -> list[str]:
        """Return the resources in this login's server cache. One request.

        Files wait there for an import.
        """
        uri = f'{uris.ENTRY}/user/cache/resources'
        body = self._host.connection.request(f'{uri}?format=json')
        if not body.strip():  # as some versions send in place of an empty list
            return []
        rows = parse_result_set(body, self._host.connection.server + uri)
        return [row['Resource'] for row in rows]

    def _rows(self) -> list[Row]:
        return self._host.connection.rows(_URI)

    def _row(self, login: str) -> Row:
        for row in self._rows():
            if row['login'] == login:
                return row
        raise errors.NotFoundError(
            f'no user {login!r}',
            uri=self._host.connection.server + _URI,
            remedy='manage.users() lists those that are enabled.',
        )
