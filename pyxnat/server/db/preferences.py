"""Site preferences under XNAT's names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from sqlalchemy import select

from .store import Store, put_setting, setting

__all__ = ['DEFAULTS', 'Preference', 'Preferences', 'seconds']

Preference = bool | int | str
_KEY = 'preference:'

DEFAULTS: Mapping[str, Preference] = {
    'aliasTokenTimeout': '2 days',
    'allowHtmlResourceRendering': False,
    'checksums': True,
    'concurrentMaxSessions': 1000,
    'defaultToSortedListings': True,
    'enableCsrfToken': True,
    'maintainFileHistory': False,
    'requireChangeJustification': False,
    'requireLogin': True,
    'restrictUserListAccessToAdmins': False,
    'security.allowProjectIdReuse': False,
    'security.prevent-data-deletion': False,
    'securityAllowNonPrivateProjects': True,
    'sessionTimeout': '15 minutes',
    'sessionXmlRebuilderInterval': 5,
    'uiAllowNonAdminProjectCreation': True,
}
"""Preferences that the archive supports, and their defaults."""

_UNITS = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400}
_SPAN = re.compile(r'(\d+)\s*(second|minute|hour|day)s?')


class Preferences:
    """Preferences of one archive, read once: only one process serves it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.read() as connection:
            rows = connection.execute(select(setting).where(setting.c.name.like(_KEY + '%')))
            self._known: dict[str, Preference] = {
                row.name[len(_KEY) :]: json.loads(row.value) for row in rows
            }

    def __getitem__(self, name: str) -> Preference:
        """Return a preference; `KeyError` for an unknown name."""
        return self._known[name] if name in self._known else DEFAULTS[name]

    def flag(self, name: str) -> bool:
        """Return a boolean preference."""
        return bool(self[name])

    def seconds(self, name: str) -> int:
        """Return a time span in seconds."""
        return seconds(str(self[name]))

    def all(self) -> dict[str, Preference]:
        """Return all preferences."""
        return {**DEFAULTS, **self._known}

    def put(self, name: str, value: object) -> None:
        """Set a preference.

        Parameters
        ----------
        name : str
            Name of the preference.
        value : object
            Value of the same type as the default.

        Raises
        ------
        KeyError
            For an unknown name.
        ValueError
            For a value of another type.
        """
        wanted = DEFAULTS[name]
        value = (
            _BOOLEANS.get(value.lower(), value)
            if isinstance(wanted, bool) and isinstance(value, str)
            else value
        )
        if not isinstance(value, (bool, int, str)) or isinstance(wanted, bool) is not isinstance(
            value, bool
        ):
            raise ValueError(f'{value!r} is not a value of {name}; the default is {wanted!r}')
        if isinstance(wanted, str) and _SPAN.fullmatch(wanted):
            seconds(str(value))
        if self[name] == value:
            return
        with self._store.write() as connection:
            put_setting(connection, _KEY + name, json.dumps(value))
        self._known[name] = value


_BOOLEANS: Mapping[str, bool] = {'true': True, 'false': False}


def seconds(text: str) -> int:
    """Return the seconds of a time span.

    >>> seconds('15 minutes'), seconds('1 hour 30 minutes')
    (900, 5400)
    """
    parts = _SPAN.findall(text.lower())
    if not parts or _SPAN.sub('', text.lower()).strip():
        raise ValueError(f'{text!r} is not a time span; write it like "15 minutes"')
    return sum(int(number) * _UNITS[unit] for number, unit in parts)
