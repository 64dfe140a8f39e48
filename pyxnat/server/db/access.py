"""Users, sessions and rights.

Rights are XNAT's: owners may read, create, edit and delete in a project, members read, create and edit, collaborators read. A public
project can be read by everybody; of a protected one everybody sees the project itself, not its data; a private one is hidden.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select, true
from werkzeug.security import check_password_hash, generate_password_hash

from ..errors import BadRequest, WrongCredentials
from .store import Store, group_right, item, role, share, token, user

__all__ = ['ANY', 'GUEST', 'OTHER', 'Caller', 'Sessions', 'Users', 'digest_of', 'hash_password', 'parse_basic', 'readable', 'rights', 'visible']

ROLES = {
    'owner': frozenset({'read', 'create', 'edit', 'delete'}),
    'member': frozenset({'read', 'create', 'edit'}),
    'collaborator': frozenset({'read'}),
}
IDLE_LIMIT_S = 15 * 60
MOST_SESSIONS = 1000
_DROP_EVERY_S = 10
HASH_METHOD = 'scrypt:16384:8:1'
"""About 50 ms a check: the cost is bounded, and `Users` remembers what it has checked."""


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    login: str
    admin: bool = False
    pk: int = 0

    @property
    def guest(self) -> bool:
        """Whether nobody logged in."""
        return self.login == GUEST.login


GUEST = Caller('guest')


def parse_basic(header: str) -> tuple[str, str]:
    """Login and password of an ``Authorization`` header; `BadRequest` for what is not ``user:password`` once decoded.

    A password with a colon fits no user here, as in XNAT: such a user logs in through ``services/auth``.
    """
    scheme, _, payload = header.partition(' ')
    try:
        parts = base64.b64decode(payload.strip(), validate=True).decode('utf-8').split(':')
    except (binascii.Error, UnicodeDecodeError):
        parts = []
    if scheme.lower() != 'basic' or len(parts) < 2:
        raise BadRequest('The Authorization header is not Basic with a user and a password.')
    if len(parts) > 2:
        raise WrongCredentials
    return parts[0], parts[1]


def hash_password(password: str) -> str:
    """What is kept of a password."""
    return generate_password_hash(password, method=HASH_METHOD)


def digest_of(secret: str) -> str:
    """What is kept of a token's secret: it is random and long, so a fast hash will do."""
    return hashlib.sha256(secret.encode('utf-8')).hexdigest()


class Users:
    """The archive's users. A password that was right is remembered as a keyed digest, so the slow hash is computed once a user."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = secrets.token_bytes(32)
        self._checked: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def add(self, login: str, password: str, *, admin: bool = False, firstname: str = '', lastname: str = '', email: str = '') -> None:
        """Create a user, or give an existing one this password."""
        if not login or ':' in login or login == GUEST.login:
            raise ValueError(f'{login!r} cannot be a login')
        hashed = hash_password(password)
        with self._store.write() as connection:
            known = connection.scalar(select(user.c.pk).where(user.c.login == login))
            if known is None:
                values = {'login': login, 'password': hashed, 'admin': admin, 'enabled': True, 'modified': int(time.time() * 1000)}
                connection.execute(user.insert().values(firstname=firstname, lastname=lastname or login, email=email, **values))
                self._add_guest(connection)
            else:
                connection.execute(user.update().where(user.c.pk == known).values(password=hashed))

    @staticmethod
    def _add_guest(connection: Connection) -> None:
        """Have the user that guests are, second to the first, with whose password nobody can log in."""
        if connection.scalar(select(user.c.pk).where(user.c.login == GUEST.login)) is None:
            names = {'login': GUEST.login, 'firstname': 'XNAT', 'lastname': 'Guest'}
            connection.execute(user.insert().values(password='', admin=False, enabled=True, **names))

    def any(self) -> bool:
        """Whether there is a user at all."""
        with self._store.read() as connection:
            return connection.scalar(select(user.c.pk).limit(1)) is not None

    def check(self, login: str, password: str) -> Caller:
        """The caller with this login; `WrongCredentials` for a wrong password, an unknown, a disabled or an unverified user."""
        with self._store.read() as connection:
            row = connection.execute(select(user).where(user.c.login == login)).first()
            row = row if row is not None else self._by_token(connection, login, password)
            if row is not None and row.login != login and row.enabled and row.verified:
                return Caller(row.login, bool(row.admin), row.pk)
        if row is None or not self._matches(row, password) or not (row.enabled and row.verified):
            raise WrongCredentials
        return Caller(row.login, bool(row.admin), row.pk)

    def _by_token(self, connection: Connection, alias: str, secret: str) -> Any:
        """The user that an alias and its secret stand for; None where they stand for nobody, or no more."""
        row = connection.execute(select(token).where(token.c.alias == alias, token.c.expires > int(time.time()))).first()
        if row is None or not hmac.compare_digest(row.digest, digest_of(secret)):
            return None
        return connection.execute(select(user).where(user.c.login == row.login)).first()

    def find(self, login: str) -> Caller | None:
        """The caller with this login, unchecked."""
        with self._store.read() as connection:
            row = connection.execute(select(user).where(user.c.login == login, user.c.enabled)).first()
        return Caller(row.login, bool(row.admin), row.pk) if row is not None else None

    def _matches(self, row: Any, password: str) -> bool:
        digest = hmac.new(self._key, password.encode('utf-8'), hashlib.sha256).digest()
        with self._lock:
            known = self._checked.get(row.login)
        if known is not None and known[0] == row.password and hmac.compare_digest(known[1], digest):
            return True
        if not check_password_hash(row.password, password):
            return False
        with self._lock:
            self._checked[row.login] = (row.password, digest)
        return True


@dataclass
class _Session:
    caller: Caller
    last_used: float
    data: dict[str, str] = field(default_factory=dict)


class Sessions:
    """Open sessions, in memory: like XNAT's they do not outlive the server."""

    def __init__(self, idle_limit_s: float = IDLE_LIMIT_S, clock: Callable[[], float] = time.monotonic, most: int = MOST_SESSIONS) -> None:
        self.idle_limit_s = idle_limit_s
        self.most = most
        """How many sessions of one user can be open."""
        self._clock = clock
        self._open: dict[str, _Session] = {}
        self._numbers: dict[str, int] = {}
        """How many of them each user has."""
        self.last_login: dict[str, int] = {}
        """When each user last logged in, in milliseconds since 1970; nobody before the archive was opened."""
        self._next_drop = 0.0
        self._lock = threading.Lock()

    def open(self, caller: Caller) -> str:
        """A new session's id; `WrongCredentials` where the user has as many as are allowed: guests may have any number."""
        key = secrets.token_hex(16).upper()
        with self._lock:
            self._drop_idle()
            if not caller.guest and self._numbers.get(caller.login, 0) >= self.most:
                raise WrongCredentials
            self._open[key] = _Session(caller, self._clock())
            self._numbers[caller.login] = self._numbers.get(caller.login, 0) + 1
            self.last_login[caller.login] = int(time.time() * 1000)
        return key

    def caller(self, key: str) -> Caller | None:
        """Whose session it is; None for one that is unknown or was idle too long. Being asked for keeps it alive."""
        with self._lock:
            found = self._open.get(key)
            if found is None or self._clock() - found.last_used > self.idle_limit_s:
                self._forget(key)
                return None
            found.last_used = self._clock()
            return found.caller

    def close(self, key: str) -> None:
        """End a session, if there is one."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: str) -> None:
        found = self._open.pop(key, None)
        if found is not None:
            self._numbers[found.caller.login] -= 1

    def token(self, key: str) -> str:
        """What a browser must tell when it writes in a session (CSRF); empty for a session that is over."""
        with self._lock:
            found = self._open.get(key)
            return found.data.setdefault('token', str(uuid.uuid4())) if found is not None else ''

    def count(self, login: str | None = None) -> int:
        """Number of open sessions, of one user or of all."""
        return sum(len(keys) for name, keys in self.by_login().items() if login in (None, name))

    def by_login(self) -> dict[str, list[str]]:
        """The ids of the open sessions of each user who has any."""
        found: dict[str, list[str]] = {}
        oldest = self._clock() - self.idle_limit_s
        with self._lock:
            for key, one in self._open.items():
                if one.last_used >= oldest:
                    found.setdefault(one.caller.login, []).append(key)
        return found

    def change(self, caller: Caller) -> None:
        """Have the open sessions of a user go on with other rights."""
        with self._lock:
            for one in self._open.values():
                one.caller = caller if one.caller.login == caller.login else one.caller

    def _drop_idle(self) -> None:
        if self._clock() < self._next_drop:
            return
        self._next_drop = self._clock() + _DROP_EVERY_S
        oldest = self._clock() - self.idle_limit_s
        for key in [key for key, one in self._open.items() if one.last_used < oldest]:
            self._forget(key)


# -- rights


_RIGHTS = (
    select(item.c.access, role.c.role)
    .select_from(item.outerjoin(role, and_(role.c.project == item.c.id, role.c.login == bindparam('login'))))
    .where(item.c.level == 'project', item.c.id == bindparam('project'))
)


_GRANTED = select(group_right).where(group_right.c.project == bindparam('project'), group_right.c.key == bindparam('key'))
ANY = '*'
"""Stands for whatever data type, where the right one is not known yet."""
OTHER = '-'
"""Stands for a data type that no group speaks of: what remains are rights to all types."""


def rights(connection: Connection, caller: Caller, project: str, kind: str = '') -> frozenset[str]:
    """What a caller may do in a project: some of read, create, edit, delete, and ``see`` for the project itself.

    `kind` is the data type of the item that is meant: in a group of the project's own, rights are given by type. Without one it is the
    project itself that is meant, with its own resources: members, too, can only read it.
    """
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
            found |= {'read', *(('create', 'edit') if row.edit else ()), *(('delete',) if row.delete else ())}
    return frozenset(found)


def visible(caller: Caller, project: ColumnElement[str], seeing: bool = False) -> ColumnElement[bool]:
    """The condition that a project, given by a column with its ID, can be read (or, ``seeing``, is listed at all)."""
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
    """The condition that a row of an alias of the item table can be read, in its own project or through a share."""
    if caller.admin:
        return true()
    shared = share.alias()
    through = select(shared.c.item).where(and_(shared.c.item == table.c.pk, readable_in(caller, shared.c.project, table)))
    return or_(readable_in(caller, table.c.project, table), through.exists())


def readable_in(caller: Caller, project: ColumnElement[str], table: Any) -> ColumnElement[bool]:
    """The condition that items of the type of a row can be read in a project, by who is no administrator."""
    own = select(role.c.project).where(role.c.login == caller.login, role.c.role.in_(tuple(ROLES)))
    held, granted = role.alias(), group_right.alias()
    same = and_(granted.c.project == held.c.project, granted.c.key == held.c.role)
    typed = select(granted.c.key).select_from(held.join(granted, same))
    typed = typed.where(held.c.login == caller.login, held.c.project == project, granted.c.xsi_type == table.c.xsi_type)
    return or_(_open(project), project.in_(own), typed.correlate_except(held, granted).exists())
