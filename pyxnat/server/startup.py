"""The archive with all parts that serving needs.

The parts are displays, cached results, pipelines, progress logs and the prearchive.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from .archive import Archive
from .jobs.container_engine import Containers
from .jobs.pipeline_engine import Pipelines
from .jobs.progress import Progress
from .prearchive import sessions
from .private_files import make_folder
from .search import saved_searches
from .search.display import Displays
from .search.result_cache import Views

__all__ = ['ServedArchive']


class ServedArchive(Archive):
    """Archive folder that is open for serving."""

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
        """Open a folder.

        Parameters
        ----------
        folder : str or Path
            Folder of the archive; created if it does not exist.
        site : str
            Site ID of a new archive.
        require_login : bool | None
            Whether guests are refused; None for the stored preference.
        schemas : Iterable[str or Path]
            Further XSD files, or folders of them, beside those that a mirror has of its server.
        silent_refusals : bool
            Whether an upload without the right to edit is answered with 200 and stores nothing.
        durable : bool
            Whether a write is answered only when it is on disk.
        shared : bool
            Whether other processes of this machine may open the folder, too.
        """
        super().__init__(
            folder,
            site=site,
            require_login=require_login,
            schemas=[*schemas, *_schemas_of_mirror(Path(folder))],
            silent_refusals=silent_refusals,
            durable=durable,
            shared=shared,
        )
        self._scratch = self.files.staging / f'local-{uuid.uuid4().hex}' if shared else None
        try:
            self._assemble()
            if shared:
                self.store.share()
        except BaseException:
            if self.was_crashed:
                self.store.close()  # not marked as closed: the next start has to repair it
            else:
                super().close()
            raise

    def _assemble(self) -> None:
        self.displays = Displays(self.model, self.schema_folders)
        if self._scratch is not None:
            make_folder(self._scratch)
        self.views = Views(self._scratch or self.folder)
        self.pipelines = Pipelines(self.store, self.model)
        self.containers = Containers(self.store, self.model)
        self.progress = Progress()
        parts = (self.displays, self.views, self.pipelines, self.containers, self.progress)
        for part in parts:
            self.add_part(part)
        self.before_project_removal.append(partial(sessions.discard_all, self))
        self.before_project_removal.append(saved_searches.delete_of_project)
        if self.was_crashed:
            sessions.mend(self)
            with self.store.write() as connection:
                self.pipelines.resume(connection)
                self.containers.resume(connection)

    def close(self) -> None:
        """Wait for running pipelines and containers, then close the archive."""
        self.pipelines.close()
        self.containers.close()
        self.views.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)  # the folder may be gone
        super().close()


def _schemas_of_mirror(folder: Path) -> list[Path]:
    """Return the folder with the schemas of a mirror's server, if there are any."""
    schemas = folder / 'mirror' / 'schemas'
    return [schemas] if any(schemas.rglob('*.xsd')) else []
