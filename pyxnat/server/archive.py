"""What all requests share: the parts of one archive folder."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .db.access import Sessions, Users
from .db.accessions import Accessions
from .db.preferences import Preference, Preferences
from .db.store import Store, get_setting, put_setting
from .db.types import Model
from .jobs.pipeline_engine import Pipelines
from .prearchive import sessions
from .routes.progress import Progress
from .search.display import Displays
from .search.result_cache import Views
from .storage import old_folders
from .storage.file_area import FileArea

__all__ = ['Archive']


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
        self.model = Model(further=further)
        self.displays = Displays(self.model, further)
        self.store = Store(self.folder)
        self.files: FileArea = FileArea(self.folder)
        self.views = Views(self.folder)
        self.users = Users(self.store)
        """When users last looked at projects, by login and project, on the process's clock."""
        self.downloads: dict[str, Any] = {}
        """Downloads that were prepared, by their IDs."""
        self.pipelines = Pipelines(self.store, self.model)
        self.progress = Progress()
        self.accessions = Accessions()
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
            crashed = get_setting(connection, 'open') == '1'
            put_setting(connection, 'open', '1')
        if crashed:
            self.files.sweep(self.store)
            sessions.mend(self)
            with self.store.write() as connection:
                self.pipelines.resume(connection)
        self.files.clear_staging()
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
        self.pipelines.close()
        with self.store.write() as connection:
            put_setting(connection, 'open', '0')
        self.views.close()
        self.store.close()
