"""Open login sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import WrongCredentials
from .caller import Caller

__all__ = ['Sessions']

IDLE_LIMIT_S = 15 * 60
MOST_SESSIONS = 1000
_DROP_EVERY_S = 10


@dataclass
class _Session:
    caller: Caller
    last_used: float
    data: dict[str, str] = field(default_factory=dict)


class Sessions:
    """Open sessions, in memory: like XNAT's, they end with the server.

    Parameters
    ----------
    idle_limit_s : float
        Seconds after which an unused session ends.
    clock : Callable[[], float]
        Monotonic clock in seconds.
    most : int
        Limit of open sessions per user.
    """

    def __init__(
        self,
        idle_limit_s: float = IDLE_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_SESSIONS,
    ) -> None:
        self.idle_limit_s = idle_limit_s
        self.most = most
        """Limit of open sessions per user."""
        self._clock = clock
        self._open: dict[str, _Session] = {}
        self._numbers: dict[str, int] = {}
        """Number of open sessions per user."""
        self.last_login: dict[str, int] = {}
        """Last login of each user since the archive was opened, in milliseconds since 1970."""
        self._next_drop = 0.0
        self.secret = secrets.token_bytes(32)
        """Key of the second half of session IDs; an archive keeps it over a restart."""
        self.epoch = 0
        """Number of `end` calls so far."""
        self._ended: dict[str, int] = {}
        """Epoch in which the logins of a user were ended last."""
        self._lock = threading.Lock()

    def open(self, caller: Caller) -> str:
        """Open a session and return its ID.

        Raises
        ------
        WrongCredentials
            If the user has the maximum number of sessions; guests have no limit. Also if the
            logins of the user were ended since the password was compared.
        """
        word = secrets.token_hex(8)
        key = f'{word}{self._mark_of(word)}'.upper()
        with self._lock:
            self._drop_idle()
            if caller.epoch < self._ended.get(caller.login, 0):
                raise WrongCredentials
            if not caller.guest and self._numbers.get(caller.login, 0) >= self.most:
                raise WrongCredentials
            self._open[key] = _Session(caller, self._clock())
            self._numbers[caller.login] = self._numbers.get(caller.login, 0) + 1
            self.last_login[caller.login] = int(time.time() * 1000)
        return key

    def _mark_of(self, word: str) -> str:
        return hmac.new(self.secret, word.encode('utf-8'), hashlib.sha256).hexdigest()[:16]

    def was_issued(self, key: str) -> bool:
        """Whether an ID is that of a session, perhaps an ended one, and not a guess."""
        word, mark = key[:16].lower(), key[16:].lower()
        return hmac.compare_digest(mark.encode('utf-8'), self._mark_of(word).encode('utf-8'))

    def caller(self, key: str) -> Caller | None:
        """Return the user of a session, and reset its idle time.

        None for a session that is unknown or was idle too long.
        """
        with self._lock:
            found = self._open.get(key)
            if found is None or self._clock() - found.last_used > self.idle_limit_s:
                self._forget(key)
                return None
            found.last_used = self._clock()
            return found.caller

    def close(self, key: str) -> None:
        """Close a session, if it is open."""
        with self._lock:
            self._forget(key)

    def end(self, login: str, kept: str = '') -> None:
        """Close all sessions of a user, and those that are about to open.

        Parameters
        ----------
        login : str
            The user.
        kept : str
            ID of a session that stays open.
        """
        with self._lock:
            self.epoch += 1
            self._ended[login] = self.epoch
            for key in [key for key, one in self._open.items() if one.caller.login == login]:
                if key != kept:
                    self._forget(key)

    def _forget(self, key: str) -> None:
        found = self._open.pop(key, None)
        if found is not None:
            self._numbers[found.caller.login] -= 1

    def token(self, key: str) -> str:
        """Return the CSRF token of a session; empty for one that is closed."""
        with self._lock:
            found = self._open.get(key)
            return found.data.setdefault('token', str(uuid.uuid4())) if found is not None else ''

    def count(self, login: str | None = None) -> int:
        """Return the number of open sessions, of one user or of all."""
        return sum(len(keys) for name, keys in self.by_login().items() if login in (None, name))

    def by_login(self) -> dict[str, list[str]]:
        """Return the IDs of open sessions by user."""
        found: dict[str, list[str]] = {}
        oldest = self._clock() - self.idle_limit_s
        with self._lock:
            for key, one in self._open.items():
                if one.last_used >= oldest:
                    found.setdefault(one.caller.login, []).append(key)
        return found

    def change(self, caller: Caller) -> None:
        """Replace the rights of a user in all open sessions."""
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
