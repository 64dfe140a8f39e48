"""Hashes of passwords, and comparisons that take the same time for every user."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from werkzeug.security import check_password_hash, generate_password_hash

from ..errors import BadRequest

__all__ = ['Passwords', 'hashed_by', 'same_password']


def hashed_by(method: str, password: str) -> str:
    """Return the salted hash of a password, as stored.

    Parameters
    ----------
    method : str
        Method and cost, in Werkzeug's notation.
    password : str
        The password.

    Raises
    ------
    BadRequest
        If the password cannot be written in UTF-8.
    """
    _encode(password)
    return generate_password_hash(password, method=method)


def _encode(password: str) -> bytes:
    try:
        return password.encode('utf-8')
    except UnicodeEncodeError as error:
        raise BadRequest('The password has characters that are no text.') from error


def same_password(hashed: str, password: str) -> bool:
    """Whether a password is that of a stored hash.

    Parameters
    ----------
    hashed : str
        The hash; empty for a user without a password.
    password : str
        The password.
    """
    _encode(password)
    return bool(hashed) and check_password_hash(hashed, password)


class Passwords:
    """Comparisons of passwords with stored hashes.

    A verified password is cached as a keyed digest, so that the slow hash is computed once per
    user. Every comparison that fails computes one slow hash of the same cost, also for a user that
    does not exist, has no password or may not log in.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def matches(self, login: str, hashed: str, password: str, method: str) -> bool:
        """Whether a password is that of a user.

        Parameters
        ----------
        login : str
            The user.
        hashed : str
            The stored hash; empty for a user who cannot log in, or does not exist.
        password : str
            The password.
        method : str
            Method and cost of the hash that is computed without a stored one.
        """
        digest = hmac.new(self._key, _encode(password), hashlib.sha256).digest()
        with self._lock:
            known = self._verified.get(login)
        if known is not None and known[0] == hashed and hmac.compare_digest(known[1], digest):
            return True
        if not check_password_hash(hashed or f'{method}$nobody$00', password) or not hashed:
            return False
        with self._lock:
            self._verified[login] = (hashed, digest)
        return True
