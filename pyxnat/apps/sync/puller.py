"""Pull of many units: fetched in threads, written to the folder one by one."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ... import errors
from ...files.disk import safe_name
from ...http.progress import progress_bar
from ...services.bulk.report import Report
from .file_pull import Download
from .file_rows import Files
from .folder_side import FolderSide, again_if_changed, units_here
from .missing import Missing
from .pull import Fetched, UnitPull, fetch
from .sides import Side
from .state import Conflict, State, Unit

__all__ = ['Here', 'PullReport', 'Puller']

_AHEAD = 8
"""Units that are fetched before they are needed, for each thread."""


class PullReport(Report):
    """Report of a pull.

    ``ok`` are the units that were changed, ``skipped`` the unchanged ones.

    Attributes
    ----------
    deleted : list of str
        Subjects, sessions and assessors that the remote deleted.
    conflicts : list of Conflict
        Items and files that both sides changed.
    """

    def __init__(self, doing: str = 'pulled') -> None:
        super().__init__(doing)
        self.deleted: list[str] = []
        self.conflicts: list[Conflict] = []

    @contextmanager
    def isolated(self, key: str) -> Iterator[None]:
        """Add an error that the block raises to the failures.

        Those of the connection or the login are raised: all that follows would fail, too.

        Parameters
        ----------
        key : str
            Key of the unit.
        """
        try:
            yield
        except errors.DatabaseError as error:
            if isinstance(error, (errors.NetworkError, errors.AuthenticationError)):
                raise
            self.add_failure(key, error)

    def add_hidden(self, keys: Iterable[str]) -> None:
        """Add a note for each item that the server has, and does not list where it was.

        Parameters
        ----------
        keys : iterable of str
            Keys of the items.
        """
        for key in keys:
            self.add_note(
                f'{key} stays as it was: it was not deleted at the server, but is not listed where '
                'it was, as the login may not read it, or as it is where the mirror has nothing'
            )

    def __str__(self) -> str:
        text = super().__str__()
        for name in ('deleted', 'conflicts'):
            if getattr(self, name):
                text += f'\n  {len(getattr(self, name))} {name}'
        return text


class Here:
    """Units of the folder before a pull.

    Parameters
    ----------
    here : mapping
        The units with their marks, by key.
    known : container of str
        Keys of the units that were pulled before: the others were created in the folder.
    """

    def __init__(self, here: Mapping[str, tuple[Unit, str]], known: Container[str]) -> None:
        self._known = known
        self._units = {key: unit for key, (unit, _) in here.items()}
        self._created = {unit.label: unit for key, unit in self._units.items() if key not in known}

    def now(self, here: Mapping[str, tuple[Unit, str]]) -> Here:
        """Return the same with the units that the folder has now."""
        return Here(here, self._known)

    def unit_of(self, unit: Unit) -> Unit | None:
        """Return the unit with a key, or one that was created here with the same label."""
        return self._units.get(unit.key) or self._created.get(unit.label)


class Puller:
    """Pulls units: fetches them in threads, and writes them to the folder one by one.

    Parameters
    ----------
    remote, folder : Side
        Both sides.
    state : State
        State of the mirror.
    mirror : Path
        Folder ``mirror``.
    report : PullReport
        Report that it adds to.
    max_delete : float
        Largest share of the sessions or assessors of a type that may have been deleted.
    """

    def __init__(
        self,
        remote: Side,
        folder: FolderSide,
        state: State,
        mirror: Path,
        report: PullReport,
        max_delete: float,
    ) -> None:
        self._remote = remote
        self._folder = folder
        self._state = state
        self._mirror = mirror
        self._report = report
        self._coming: frozenset[str] = frozenset()
        self._missing = Missing(remote, folder, state, max_delete)

    def run(self, todo: list[tuple[Unit, str]], here: Here, files: Files, jobs: int) -> None:
        """Pull units.

        Parameters
        ----------
        todo : list
            The units, with their marks at the remote.
        here : Here
            Units of the folder.
        files : Files
            Which files are wanted.
        jobs : int
            Number of threads.
        """
        stage = self._mirror / 'stage'
        shutil.rmtree(stage, ignore_errors=True)  # of a pull that was killed
        self._coming = frozenset(unit.key for unit, _ in todo)
        bar = progress_bar(len(todo), ' subjects', name='pull')
        with ThreadPoolExecutor(jobs, 'pyxnat-pull') as pool, bar as shown:
            try:
                for unit, future in self._fetched(todo, here, files, pool, jobs):
                    self._apply_fetched(unit, future, here, files)
                    shown.update(1)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                shutil.rmtree(stage, ignore_errors=True)

    def _apply_fetched(
        self, unit: Unit, future: Future[tuple[Fetched, Download]], here: Here, files: Files
    ) -> None:
        with self._report.isolated(unit.key):
            fetched, download = future.result()
            self.apply(fetched, here, files, download)

    def _fetched(
        self,
        todo: list[tuple[Unit, str]],
        here: Here,
        files: Files,
        pool: ThreadPoolExecutor,
        jobs: int,
    ) -> Iterator[tuple[Unit, Future[tuple[Fetched, Download]]]]:
        """Yield the units in order; some are fetched in advance.

        Of those that the folder does not have, the files are downloaded with them.
        """
        waiting: deque[tuple[Unit, Future[tuple[Fetched, Download]]]] = deque()
        ahead = jobs * (_AHEAD if files.is_none or files.is_lazy else 1)
        for unit, mark in todo:
            is_new = here.unit_of(unit) is None
            threads = max(1, jobs // len(todo)) if is_new else jobs
            waiting.append((unit, pool.submit(self._fetch, unit, mark, files, is_new, threads)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def _fetch(
        self, unit: Unit, mark: str, files: Files, is_new: bool, jobs: int
    ) -> tuple[Fetched, Download]:
        fetched = fetch(self._remote, unit, mark, files)
        download = self.download(fetched, jobs)
        if is_new and not files.is_lazy:
            download.run(key for key, file in fetched.files.items() if files.has(file.row))
        return fetched, download

    def download(self, fetched: Fetched, jobs: int = 1) -> Download:
        """Return the downloads of a unit, of which none has begun.

        Parameters
        ----------
        fetched : Fetched
            The unit.
        jobs : int
            Number of threads.
        """
        folder = self._mirror / 'stage' / safe_name(fetched.unit.id)
        return Download(self._remote, folder, fetched.files, jobs)

    def _run(
        self, fetched: Fetched, here: Here, files: Files, download: Download
    ) -> tuple[UnitPull, bool]:
        """Compare and write a unit.

        Again if other programs change it in the folder meanwhile.
        """
        unit = fetched.unit

        def attempt(is_again: bool) -> tuple[UnitPull, bool]:
            now = here.now(units_here(self._folder, unit.project)) if is_again else here
            pull = UnitPull(
                self._remote,
                self._folder,
                self._state,
                self._mirror,
                files,
                self._coming,
                self._missing,
            )
            try:
                changed = pull.run(fetched, now.unit_of(unit), download)
            finally:
                self._report.deleted += pull.deleted
            return pull, changed or is_again

        return again_if_changed(attempt)

    def apply(self, fetched: Fetched, here: Here, files: Files, download: Download) -> None:
        """Write a fetched unit to the folder.

        Parameters
        ----------
        fetched : Fetched
            The unit.
        here : Here
            Units of the folder.
        files : Files
            Which files are wanted.
        download : Download
            Downloads of its files.
        """
        key = fetched.unit.key
        try:
            pull, changed = self._run(fetched, here, files, download)
        except errors.BusyError as busy:
            self._state.unmark([key])
            self._report.add_failure(key, busy)
            return
        finally:
            download.remove()
        for place, error in pull.failed:
            self._report.add_failure(place, error)
        self._report.add_hidden(pull.hidden)
        for note in pull.notes:
            self._report.add_note(note)
        others = [one for one in self._report.conflicts if one.unit != key]
        self._report.conflicts = others + pull.conflicts  # two projects may name one unit
        if changed:
            self._report.add_success(key, download.bytes)
        else:
            self._report.add_skipped(key)
