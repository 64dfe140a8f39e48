"""Users and rights.

Rights are XNAT's: owners may read, create, edit and delete in a project; members read, create and
edit; collaborators read. Everybody may read a public project. A protected project is visible to
everybody, but its data is not; a private project is hidden.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
import uuid
from dataclasses import replace
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select, true

from ..errors import BadRequest, WrongCredentials
from .caller import GUEST, Caller
from .guards import Guard, record
from .login_tries import LoginTries
from .passwords import Passwords, hashed_by, same_password
from .sessions import Sessions
from .store import Store, group_right, item, role, share, token, user

__all__ = [
    'ANY',
    'GUEST',
    'OTHER',
    'Caller',
    'Users',
    'check_login',
    'digest_of',
    'hash_password',
    'parse_basic',
    'readable',
    'rights',
    'visible',
]

ROLES = {
    'owner': frozenset({'read', 'create', 'edit', 'delete'}),
    'member': frozenset({'read', 'create', 'edit'}),
    'collaborator': frozenset({'read'}),
}
HASH_METHOD = 'scrypt:16384:8:1'
"""About 50 ms per check; `Users` caches passwords that were verified."""
_ALIAS = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
"""Alias of a token. Known and unknown logins take the same queries."""


def parse_basic(header: str) -> tuple[str, str]:
    """Return login and password of an ``Authorization`` header.

    A password with a colon matches no user here, as in XNAT; such a user logs in through
    ``services/auth``.

    Raises
    ------
    BadRequest
        If the decoded header is not ``user:password``.
    WrongCredentials
        If the password contains a colon.
    """
    scheme, _, payload = header.partition(' ')
    try:
        parts = base64.b64decode(payload.strip(), validate=True).decode('utf-8').split(':')
    except ValueError:  # not base64, not UTF-8
        parts = []
    if scheme.lower() != 'basic' or len(parts) < 2:
        raise BadRequest('The Authorization header must be Basic with user and password.')
    if len(parts) > 2:
        raise WrongCredentials
    return parts[0], parts[1]


def hash_password(password: str) -> str:
    """Return the salted hash of a password, as stored."""
    return hashed_by(HASH_METHOD, password)


def digest_of(secret: str) -> str:
    """Return the digest of a token's secret, as stored.

    The secret is random and long, so a fast hash is enough.
    """
    return hashlib.sha256(secret.encode('utf-8')).hexdigest()


class Users:
    """Users of the archive.

    Parameters
    ----------
    store : Store
        The database.
    sessions : Sessions or None
        Open sessions; those of a user end when the password is changed.
    """

    def __init__(self, store: Store, sessions: Sessions | None = None) -> None:
        self._store = store
        self._sessions = Sessions() if sessions is None else sessions
        self._passwords = Passwords()
        self._keys: dict[str, tuple[str, str]] = {}
        self.tries = LoginTries()

    def add(
        self,
        login: str,
        password: str,
        *,
        admin: bool = False,
        firstname: str = '',
        lastname: str = '',
        email: str = '',
    ) -> None:
        """Create a user, or set the password of an existing one.

        If it is another password than before, the user's sessions and alias tokens end.

        Parameters
        ----------
        login : str
            Login name, without a colon.
        password : str
            The password, in clear.
        admin : bool
            Whether a new user is an administrator.
        firstname : str
            First name of a new user.
        lastname : str
            Last name of a new user; the login by default.
        email : str
            Email address of a new user.

        Raises
        ------
        ValueError
            For an empty login, one with a colon, or ``guest``, and for the address of another
            user.
        """
        check_login(login)
        with self._store.read() as connection:
            before = connection.scalar(select(user.c.password).where(user.c.login == login))
        if before is not None and same_password(before, password):
            return
        hashed = hash_password(password)
        with self._store.write() as connection:
            known = connection.scalar(select(user.c.pk).where(user.c.login == login))
            if known is None:
                same = select(user.c.pk).where(func.lower(user.c.email) == email.lower())
                if email and connection.scalar(same) is not None:
                    raise ValueError(f'another user has the address {email!r}')
                values = {
                    'login': login,
                    'password': hashed,
                    'admin': admin,
                    'enabled': True,
                    'email_verified': True,
                    'modified': int(time.time() * 1000),
                }
                connection.execute(
                    user.insert().values(
                        firstname=firstname, lastname=lastname or login, email=email, **values
                    )
                )
                self._add_guest(connection)
            else:
                connection.execute(user.update().where(user.c.pk == known).values(password=hashed))
                self.end_logins(connection, login)

    def end_logins(self, connection: Connection, login: str, kept: str = '') -> None:
        """End the sessions and alias tokens of a user, as after a change of the password.

        Parameters
        ----------
        connection : Connection
            Write transaction of the change.
        login : str
            The user.
        kept : str
            ID of a session that stays open.
        """
        connection.execute(token.delete().where(token.c.login == login))
        self._sessions.end(login, kept)
        self.tries.distrust(login)

    @staticmethod
    def _add_guest(connection: Connection) -> None:
        """Create the user ``guest``, second after the first, without password."""
        if connection.scalar(select(user.c.pk).where(user.c.login == GUEST.login)) is None:
            names = {'login': GUEST.login, 'firstname': 'XNAT', 'lastname': 'Guest'}
            connection.execute(
                user.insert().values(password='', admin=False, enabled=True, **names)
            )

    def exists(self, login: str) -> bool:
        """Whether there is a user with a login."""
        with self._store.read() as connection:
            return connection.scalar(select(user.c.pk).where(user.c.login == login)) is not None

    def any(self) -> bool:
        """Whether any user exists."""
        with self._store.read() as connection:
            return connection.scalar(select(user.c.pk).limit(1)) is not None

    def check(self, login: str, password: str, address: str = '') -> Caller:
        """Return the user with a login and password, or alias and secret.

        A token's right secret is never slowed by wrong tries: it is too long to be guessed.

        Parameters
        ----------
        login : str
            Login name or alias of a token.
        password : str
            Password or secret of the token.
        address : str
            Address of the client, for the count of wrong tries.

        Raises
        ------
        WrongCredentials
            For a wrong password and for an unknown, disabled or unverified user.
        TooManyRequests
            After wrong tries, if the next one comes too early.
        """
        epoch = self._sessions.epoch
        of_key, digest = self._keys.get(login, ('', ''))
        if of_key and hmac.compare_digest(digest, digest_of(password)):
            return replace(self.find(of_key) or self._wrong(login, address), epoch=epoch)
        with self._store.read() as connection:
            if _ALIAS.fullmatch(login):
                row = self._by_token(connection, login, password)
                if row is not None and row.enabled and row.verified:
                    return Caller(row.login, bool(row.admin), row.pk, epoch)
            row = connection.execute(select(user).where(user.c.login == login)).first()
        self.tries.admit(login, address)
        hashed = row.password if row is not None and row.enabled and row.verified else ''
        if not self._passwords.matches(login, hashed, password, HASH_METHOD) or row is None:
            self._wrong(login, address)
        self.tries.succeeded(login, address)
        return Caller(row.login, bool(row.admin), row.pk, epoch)

    def _wrong(self, login: str, address: str) -> NoReturn:
        self.tries.failed(login, address)
        raise WrongCredentials

    def make_key(self, login: str) -> tuple[str, str]:
        """Return alias and secret that log a user in until the archive is closed."""
        alias, secret = str(uuid.uuid4()), secrets.token_urlsafe(32)
        self._keys[alias] = login, digest_of(secret)
        return alias, secret

    def _by_token(self, connection: Connection, alias: str, secret: str) -> Any:
        """Return the user of an alias token; None if it is invalid or expired."""
        row = connection.execute(
            select(token).where(token.c.alias == alias, token.c.expires > int(time.time()))
        ).first()
        if row is None or not hmac.compare_digest(row.digest, digest_of(secret)):
            return None
        return connection.execute(select(user).where(user.c.login == row.login)).first()

    def find(self, login: str) -> Caller | None:
        """Return the caller with a login, without a check of the password."""
        with self._store.read() as connection:
            row = connection.execute(
                select(user).where(user.c.login == login, user.c.enabled)
            ).first()
        return Caller(row.login, bool(row.admin), row.pk) if row is not None else None

    def first_administrator(self) -> Caller | None:
        """Return the administrator who was created first and is enabled."""
        query = select(user).where(user.c.admin, user.c.enabled).order_by(user.c.pk)
        with self._store.read() as connection:
            row = connection.execute(query).first()
        return Caller(row.login, True, row.pk) if row is not None else None


def check_login(login: str) -> None:
    """Check that a text can be a login.

    Raises
    ------
    ValueError
        For an empty login, one with a colon, or ``guest``.
    """
    if not login or ':' in login or login == GUEST.login:
        raise ValueError(f'{login!r} cannot be a login')


# -- rights


_RIGHTS = (
    select(item.c.access, role.c.role)
    .select_from(
        item.outerjoin(role, and_(role.c.project == item.c.id, role.c.login == bindparam('login')))
    )
    .where(item.c.level == 'project', item.c.id == bindparam('project'))
)


_GRANTED = select(group_right).where(
    group_right.c.project == bindparam('project'), group_right.c.key == bindparam('key')
)
ANY = '*'
"""Any data type, for a check before the type is known."""
OTHER = '-'
"""A data type that no group names; only rights on all types apply."""


def rights(connection: Connection, caller: Caller, project: str, kind: str = '') -> frozenset[str]:
    """Return the rights of a caller in a project.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project.
    kind : str
        Data type of the item; custom groups have rights by type. Empty for the project itself and
        its own resources, which members may only read.

    Returns
    -------
    frozenset[str]
        Some of read, create, edit and delete, and ``see`` for the project itself.
    """
    record(Guard.ITEM)
    if caller.admin:
        return ROLES['owner'] | {'see'}
    values = {'project': project, 'login': caller.login}
    access, held = connection.execute(_RIGHTS, values).first() or ('', None)
    found = ROLES.get(held or '', frozenset())
    if held and held not in ROLES:
        found = _granted(connection, project, held, kind)
    elif not kind and held != 'owner':
        found &= {'read'}
    if access == 'public':
        found |= {'read', 'see'}
    if held or access == 'protected':
        found |= {'see'}
    return found


def _granted(connection: Connection, project: str, key: str, kind: str) -> frozenset[str]:
    rows = connection.execute(_GRANTED, {'project': project, 'key': key}).all()
    if not kind:
        return frozenset({'read'} if rows else ())
    found: set[str] = set()
    for row in rows:
        if kind in (ANY, row.xsi_type):
            found |= {
                'read',
                *(('create', 'edit') if row.edit else ()),
                *(('delete',) if row.delete else ()),
            }
    return frozenset(found)


def visible(
    caller: Caller, project: ColumnElement[str], seeing: bool = False
) -> ColumnElement[bool]:
    """Return the condition that a caller may read, or see, a project.

    Parameters
    ----------
    caller : Caller
        The user.
    project : ColumnElement[str]
        Column with the ID of the project.
    seeing : bool
        Whether it is enough that the project is listed.
    """
    record(Guard.ITEM)
    if caller.admin:
        return true()
    own: Select[Any] = select(role.c.project).where(role.c.login == caller.login)
    return or_(_open(project, seeing), project.in_(own))


def _open_to_all(*states: str) -> Select[Any]:
    project = item.alias('open_project')
    return select(project.c.id).where(project.c.level == 'project', project.c.access.in_(states))


_READ_BY_ALL, _SEEN_BY_ALL = _open_to_all('public'), _open_to_all('public', 'protected')


def _open(project: ColumnElement[str], seeing: bool = False) -> ColumnElement[bool]:
    return project.in_(_SEEN_BY_ALL if seeing else _READ_BY_ALL)


def readable(caller: Caller, table: Any) -> ColumnElement[bool]:
    """Return the condition that a caller may read a row of an item table.

    The item is readable in its own project or through a share.

    Parameters
    ----------
    caller : Caller
        The user.
    table : Any
        The item table, or an alias of it.
    """
    record(Guard.ITEM)
    if caller.admin:
        return true()
    shared = share.alias()
    through = select(shared.c.item).where(
        and_(shared.c.item == table.c.pk, readable_in(caller, shared.c.project, table))
    )
    return or_(readable_in(caller, table.c.project, table), through.exists())


def readable_in(caller: Caller, project: ColumnElement[str], table: Any) -> ColumnElement[bool]:
    """Return the condition that a user may read items in a project.

    The right depends on the type of each item.

    Parameters
    ----------
    caller : Caller
        The user; not an administrator.
    project : ColumnElement[str]
        Column with the ID of the project.
    table : Any
        The item table, or an alias of it.
    """
    record(Guard.ITEM)
    own = select(role.c.project).where(role.c.login == caller.login, role.c.role.in_(tuple(ROLES)))
    held, granted = role.alias(), group_right.alias()
    same = and_(granted.c.project == held.c.project, granted.c.key == held.c.role)
    typed = select(granted.c.key).select_from(held.join(granted, same))
    typed = typed.where(
        held.c.login == caller.login,
        held.c.project == project,
        granted.c.xsi_type == table.c.xsi_type,
    )
    return or_(_open(project), project.in_(own), typed.correlate_except(held, granted).exists())
