"""The users of a server: ``interface.manage.users``."""

from __future__ import annotations

from ... import errors
from ...model import uris
from ...resources.host import Host
from ...tables.json_stream import parse_result_set
from ...tables.table import JsonTable, Row

__all__ = ['Users']

_URI = f'{uris.ENTRY}/users'


class Users:
    """The users that a server has. Calling it lists their logins.

    XNAT lists those that are enabled, by last name. Roles are those of a project: see its ``users()``, ``add_user`` and ``user_role``.

    Examples
    --------
    ::

        interface.manage.users()                  # ['admin', 'anna']
        interface.manage.users.email('anna')      # 'anna@example.org'
        interface.manage.users.table()            # all that is known of all of them
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Users of {self._host.connection.server}>'

    def __call__(self) -> list[str]:
        """Logins of all users. One request.

        Raises
        ------
        PermissionDenied
            The site shows its users to administrators alone.
        """
        return [row['login'] for row in self._rows()]

    def table(self) -> JsonTable:
        """A row for each user: xdat_user_id, login, firstname, lastname, email. One request, however many users are looked up in it."""
        return JsonTable(self._rows())

    def firstname(self, login: str) -> str:
        """First name. One request.

        Raises
        ------
        NotFoundError
            There is no such user, or the account is disabled.
        """
        return self._row(login)['firstname']

    def lastname(self, login: str) -> str:
        """Last name; as `firstname`."""
        return self._row(login)['lastname']

    def email(self, login: str) -> str:
        """Address; as `firstname`."""
        return self._row(login)['email']

    def id(self, login: str) -> str:
        """The number that the server keeps the user under, as text; as `firstname`."""
        return self._row(login)['xdat_user_id']

    def resources(self) -> list[str]:
        """Names of this login's resources in its cache on the server, where files wait for an import. One request."""
        uri = f'{uris.ENTRY}/user/cache/resources'
        body = self._host.connection.request(f'{uri}?format=json')
        rows = parse_result_set(body, self._host.connection.server + uri) if body.strip() else []  # some XNAT answer nothing for none
        return [row['Resource'] for row in rows]

    def _rows(self) -> list[Row]:
        return self._host.connection.rows(_URI)

    def _row(self, login: str) -> Row:
        for row in self._rows():
            if row['login'] == login:
                return row
        raise errors.NotFoundError(
            f'no user {login!r}', uri=self._host.connection.server + _URI, remedy='manage.users() lists those that are enabled.'
        )
