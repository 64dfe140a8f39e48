"""One archive folder: its database, files, data types, users and preferences.

What is made of these in higher rooms and shared by all requests, an archive keeps as parts, by their class; `startup` adds them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from .db.access import Sessions, Users
from .db.accessions import Accessions
from .db.preferences import Preference, Preferences
from .db.store import Connection, Store, get_setting, put_setting
from .db.types import Model
from .storage import old_folders
from .storage.file_area import FileArea

__all__ = ['Archive']

Part = TypeVar('Part')


class Archive:
    """An archive folder, open for serving."""

    def __init__(
        self,
        folder: str | Path,
        *,
        site: str = 'XNAT',
        require_login: bool = True,
        schemas: Iterable[str | Path] = (),
        silent_refusals: bool = False,
    ) -> None:
        self.folder: Path = Path(folder).resolve()
        self.silent_refusals = silent_refusals
        further = [Path(one) for one in schemas]
        self.schema_folders = further
        """Further XSD files, or folders of them."""
        self.model = Model(further=further)
        self.store = Store(self.folder)
        self.files: FileArea = FileArea(self.folder)
        self.users = Users(self.store)
        self.downloads: dict[str, Any] = {}
        """Downloads that were prepared, by their IDs."""
        self.accessions = Accessions()
        self.before_project_removal: list[Callable[[Connection, str], None]] = []
        """Called with the transaction and the ID of a project that is about to be deleted."""
        self.was_crashed = False
        """Whether an earlier process ended without closing the archive."""
        self._parts: dict[type, object] = {}
        self.started = time.monotonic()
        try:
            self.site: str = self._open(site)
            self.preferences = Preferences(self.store)
            self.sessions = Sessions()
            self.prefer('requireLogin', require_login)
        except BaseException:
            self.store.close()
            raise

    def _open(self, site: str) -> str:
        """Finish what an earlier process could not, and say that the archive is open; the site ID."""
        self.store.perform, self.store.settle = self.files.perform, self.files.settle
        self.store.resume()
        with self.store.write() as connection:
            old_folders.renew(self.files, self.store, connection)
            found = get_setting(connection, 'site', site)
            put_setting(connection, 'site', found)
            self.was_crashed = get_setting(connection, 'open') == '1'
            put_setting(connection, 'open', '1')
        if self.was_crashed:
            self.files.sweep(self.store)
        self.files.clear_staging()
        return found

    def add_part(self, part: object) -> None:
        """Keep an object that a higher room works with, under its class."""
        self._parts[type(part)] = part

    def part(self, kind: type[Part]) -> Part:
        """Return the part of a class; `LookupError` where `startup` did not add it."""
        found = self._parts.get(kind)
        if not isinstance(found, kind):
            raise LookupError(f'The archive was opened without {kind.__name__}: use startup.ServedArchive.')
        return found

    @property
    def prefix(self) -> str:
        """Start of accession IDs: XNAT takes quotes, blanks and carets out of the site ID and writes ``_`` for ``-``."""
        return ''.join(char for char in self.site if char not in ' "\'^').replace('-', '_')

    def prefer(self, name: str, value: Preference) -> None:
        """Set a site preference; `KeyError` for an unknown name, `ValueError` for a value of another kind."""
        self.preferences.put(name, value)
        self.sessions.idle_limit_s = self.preferences.seconds('sessionTimeout')
        self.sessions.most = int(self.preferences['concurrentMaxSessions'])

    @property
    def require_login(self) -> bool:
        """Whether guests are refused."""
        return self.preferences.flag('requireLogin')

    def close(self) -> None:
        """Leave the folder in order for the next start."""
        with self.store.write() as connection:
            put_setting(connection, 'open', '0')
        self.store.close()
