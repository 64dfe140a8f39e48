"""One archive folder: its database, files, data types, users and preferences.

Objects of higher layers that all requests share are kept as parts, by their class; `startup` adds
them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from .db.access import Users
from .db.accessions import Accessions
from .db.preferences import Preference, Preferences
from .db.sessions import Sessions
from .db.store import Connection, Store, get_setting, put_setting
from .db.types import Model
from .storage.file_area import FileArea
from .storage.syncing import InMemory, OnDisk

__all__ = ['Archive']

Part = TypeVar('Part')


class Archive:
    """Archive folder, open for serving.

    Parameters
    ----------
    folder : str | Path
        Folder of the archive; created if it does not exist.
    site : str
        Site ID of a new archive; an existing archive keeps its own.
    require_login : bool | None
        Whether guests are refused; None for the stored preference.
    schemas : Iterable[str | Path]
        Further XSD files, or folders of them.
    silent_refusals : bool
        Whether an upload without the right to edit is answered with 200 and stores nothing, as in
        XNAT, instead of 403.
    durable : bool
        Whether a write is answered only when it is on disk.
    shared : bool
        Whether other processes may open the folder, too, after ``store.share``.

    Raises
    ------
    ArchiveBusy
        If another process has the folder.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        site: str = 'XNAT',
        require_login: bool | None = True,
        schemas: Iterable[str | Path] = (),
        silent_refusals: bool = False,
        durable: bool = True,
        shared: bool = False,
    ) -> None:
        self.folder: Path = Path(folder).resolve()
        self.silent_refusals = silent_refusals
        further = [Path(one) for one in schemas]
        self.schema_folders = further
        """Further XSD files, or folders of them."""
        self.model = Model(further=further)
        self.store = Store(self.folder, durable, shared)
        self.files: FileArea = FileArea(self.folder, OnDisk() if durable else InMemory())
        self.sessions = Sessions()
        self.users = Users(self.store, self.sessions)
        self.downloads: dict[str, Any] = {}
        """Prepared downloads, by their IDs."""
        self.accessions = Accessions()
        self.before_project_removal: list[Callable[[Connection, str], None]] = []
        """Called before a project is deleted, with the transaction and the project's ID."""
        self.fetch: Callable[[list[tuple[str, str, str, str]]], None] | None = None
        """Fetches files that are listed without content: URI of the resources of the item, label,
        path, MD5. Set by the owner's program for a mirror."""
        self.was_crashed = False
        """Whether an earlier process ended without closing the archive."""
        self._parts: dict[type, object] = {}
        self.started = time.monotonic()
        try:
            self.site: str = self._open(site)
            self.preferences = Preferences(self.store)
            if require_login is not None:
                self.prefer('requireLogin', require_login)
            self._apply_preferences()
        except BaseException:
            self.store.close()
            raise

    def _open(self, site: str) -> str:
        """Finish pending work of an earlier process; return the site ID.

        Marks the archive as open. After a crash, files and rows are reconciled. A process that
        shares the archive with others leaves all that to the first one.
        """
        self.store.perform, self.store.settle = self.files.perform, self.files.settle
        self.store.finish, self.store.repair = self.files.finish, self.files.reconcile_all
        if self.store.is_alone:
            self.store.resume()
            self.was_crashed = self.store.was_left_open()
            self.files.clear_staging()
        with self.store.read() as connection:
            found, secret = (get_setting(connection, name) for name in ('site', 'session_secret'))
        if self.store.is_shared and found and secret and not self.was_crashed:
            self.sessions.secret = bytes.fromhex(secret)
            return found
        with self.store.write() as connection:
            found = found or site
            put_setting(connection, 'site', found)
            secret = secret or self.sessions.secret.hex()
            put_setting(connection, 'session_secret', secret)
            self.sessions.secret = bytes.fromhex(secret)
            if self.was_crashed:
                self.files.reconcile_all(connection)
            self.store.mark(connection)
        return found

    def add_part(self, part: object) -> None:
        """Keep an object of a higher layer under its class."""
        self._parts[type(part)] = part

    def part(self, kind: type[Part]) -> Part:
        """Return the part of a class.

        Raises
        ------
        LookupError
            If `startup` did not add one.
        """
        found = self._parts.get(kind)
        if not isinstance(found, kind):
            raise LookupError(
                f'The archive was opened without {kind.__name__}: use startup.ServedArchive.'
            )
        return found

    @property
    def prefix(self) -> str:
        """Start of accession IDs, made from the site ID.

        As in XNAT: without quotes, blanks and carets, and with ``_`` for ``-``.
        """
        return ''.join(char for char in self.site if char not in ' "\'^').replace('-', '_')

    def prefer(self, name: str, value: Preference) -> None:
        """Set a site preference.

        Parameters
        ----------
        name : str
            Name of the preference.
        value : Preference
            Value of the same type as the default.

        Raises
        ------
        KeyError
            For an unknown name.
        ValueError
            For a value of another type.
        """
        self.preferences.put(name, value)
        self._apply_preferences()

    def _apply_preferences(self) -> None:
        self.sessions.idle_limit_s = self.preferences.seconds('sessionTimeout')
        self.sessions.most = int(self.preferences['concurrentMaxSessions'])

    @property
    def require_login(self) -> bool:
        """Whether guests are refused."""
        return self.preferences.flag('requireLogin')

    def close(self) -> None:
        """Mark the archive as closed properly, and release the folder."""
        self.store.unmark()
        self.store.close()
        self.files.sync.close()
