"""Stored logins, by name.

A file of mode 0600, and the system's keyring for secrets. The file is ``$PYXNAT_PROFILES``, else
``pyxnat/profiles.json`` below ``$XDG_CONFIG_HOME`` or ``~/.config``. A secret is in the keyring if
the package `keyring` is installed and has a working backend, else in the file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ...files.disk import publish

__all__ = ['Profile', 'Profiles', 'profiles_path']

_SERVICE = 'pyxnat'
_WARN_S = 3 * 24 * 3600
"""Seconds before the expiry of a token from which each verb warns."""


@dataclass
class Profile:
    """One stored login."""

    name: str
    server: str
    user: str
    """Login, or the alias of a token."""
    secret: str = field(default='', repr=False)
    """Password or secret of the token; empty if it is in the keyring."""
    is_token: bool = False
    login: str = ''
    """Account that the server named at login."""
    expires: float | None = None
    """Expiry of the token in seconds since 1970, if the server named one."""
    provider: str | None = None
    verify: bool | str = True

    def warning(self, now: float | None = None) -> str:
        """Return a warning if the token expires within three days, else the empty text."""
        if self.expires is None:
            return ''
        left = self.expires - (time.time() if now is None else now)
        if left > _WARN_S:
            return ''
        remedy = 'renew it with: pyxnat token renew' if left > 0 else 'log in again: pyxnat login'
        when = f'expires in {max(1, int(left // 3600))} hours' if left > 0 else 'has expired'
        return f'The token of profile {self.name} {when}; {remedy}'


def profiles_path() -> Path:
    """Return the path of the file."""
    if given := os.environ.get('PYXNAT_PROFILES'):
        return Path(given)
    home = os.environ.get('XDG_CONFIG_HOME') or Path.home() / '.config'
    return Path(home) / 'pyxnat' / 'profiles.json'


class Profiles:
    """The stored logins of this user."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or profiles_path()
        content = self._read()
        self.current: str = str(content.get('current', ''))
        self._profiles = {
            name: Profile(name=name, **values) for name, values in content['profiles'].items()
        }

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return {'profiles': {}}
        except ValueError as error:
            raise ConfigurationError(
                f'{self.path} is damaged: {error}. Remove it and log in again'
            ) from error
        names = set(Profile.__dataclass_fields__) - {'name'}
        if not isinstance(content, dict) or not isinstance(content.get('profiles'), dict):
            raise ConfigurationError(f'{self.path} holds no profiles; remove it')
        content['profiles'] = {
            str(name): {key: value for key, value in values.items() if key in names}
            for name, values in content['profiles'].items()
        }
        return content

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles.values())

    def __contains__(self, name: object) -> bool:
        return name in self._profiles

    def get(self, name: str = '') -> Profile | None:
        """Return a profile with its secret; the current one without a name.

        Parameters
        ----------
        name : str
            Name of the profile. Default: ``$PYXNAT_PROFILE``, else the current one.

        Returns
        -------
        Profile or None
            None if no name is given and there is no current one.

        Raises
        ------
        ConfigurationError
            There is no profile of that name.
        """
        wanted = name or os.environ.get('PYXNAT_PROFILE') or self.current
        if not wanted:
            return None
        if wanted not in self._profiles:
            known = ', '.join(self._profiles) or 'none'
            raise ConfigurationError(
                f'There is no profile {wanted!r} (known: {known}); log in with: pyxnat login URL'
            )
        found = self._profiles[wanted]
        if not found.secret:
            with _keyring() as ring:
                found.secret = (ring.get_password(_SERVICE, wanted) if ring else '') or ''
        return found

    def add(self, profile: Profile) -> str:
        """Store a profile and make it the current one; return the place of its secret."""
        stored = Profile(**asdict(profile))
        place = str(self.path)
        with _keyring() as ring:
            if ring is not None:
                ring.set_password(_SERVICE, profile.name, profile.secret)
                stored.secret, place = '', 'the keyring'
        self._profiles[profile.name], self.current = stored, profile.name
        self._write()
        return place

    def use(self, name: str) -> None:
        """Make a profile the current one."""
        self.get(name)
        self.current = name
        self._write()

    def remove(self, name: str) -> None:
        """Remove a profile with its secret."""
        with _keyring() as ring:
            if ring is not None and ring.get_password(_SERVICE, name) is not None:
                ring.delete_password(_SERVICE, name)
        del self._profiles[name]
        if self.current == name:
            self.current = next(iter(self._profiles), '')
        self._write()

    def _write(self) -> None:
        profiles = {}
        for profile in self:
            values = asdict(profile)
            profiles[values.pop('name')] = values
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {'current': self.current, 'profiles': profiles}
        with publish(self.path, mode=0o600) as file:
            file.write(json.dumps(content, indent=2).encode())


@contextmanager
def _keyring() -> Iterator[Any]:
    """Yield the module `keyring`, or None without a working backend."""
    if os.environ.get('PYXNAT_KEYRING') == '0':
        yield None
        return
    try:
        import keyring
        from keyring.backends import fail
    except ImportError:
        yield None
        return
    backend = keyring.get_keyring()
    usable = not isinstance(backend, fail.Keyring) and getattr(backend, 'priority', 1) > 0
    yield keyring if usable else None
