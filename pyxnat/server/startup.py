"""Opens an archive with all that serving it needs: displays, cached results, pipelines, progress, the prearchive."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .archive import Archive
from .jobs.pipeline_engine import Pipelines
from .jobs.progress import Progress
from .prearchive import sessions
from .search.display import Displays
from .search.result_cache import Views

__all__ = ['ServedArchive']


class ServedArchive(Archive):
    """An archive folder, open for serving."""

    def __init__(self, folder: str | Path, **options: Any) -> None:
        """Open a folder.

        Parameters
        ----------
        folder : str or Path
            The archive; made where there is none.
        **options
            Those of `Archive`.
        """
        super().__init__(folder, **options)
        try:
            self._assemble()
        except BaseException:
            if self.was_crashed:
                self.store.close()  # still open to the next start, which has to mend it
            else:
                super().close()
            raise

    def _assemble(self) -> None:
        self.displays = Displays(self.model, self.schema_folders)
        self.views = Views(self.folder)
        self.pipelines = Pipelines(self.store, self.model)
        self.progress = Progress()
        for part in (self.displays, self.views, self.pipelines, self.progress):
            self.add_part(part)
        self.before_project_removal.append(partial(sessions.discard_all, self))
        if self.was_crashed:
            sessions.mend(self)
            with self.store.write() as connection:
                self.pipelines.resume(connection)

    def close(self) -> None:
        """Let pipelines end, and leave the folder in order for the next start."""
        self.pipelines.close()
        self.views.close()
        super().close()
