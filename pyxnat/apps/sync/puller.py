"""Pull of many units: fetched in threads, written to the folder one by one."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ... import errors
from ...http.progress import progress_bar
from ...services.bulk.report import Report
from .pull import Fetched, UnitPull, fetch
from .sides import Files, FolderSide, Side
from .state import Conflict, State, Unit

__all__ = ['Here', 'PullReport', 'Puller']

_AHEAD = 8
"""Units that are fetched before they are needed, for each thread."""


class PullReport(Report):
    """Report of a pull: ``ok`` are the units that were changed, ``skipped`` the unchanged ones.

    Attributes
    ----------
    deleted : list of str
        Units that the remote deleted.
    conflicts : list of Conflict
        Items and files that both sides changed.
    """

    def __init__(self, doing: str = 'pulled') -> None:
        super().__init__(doing)
        self.deleted: list[str] = []
        self.conflicts: list[Conflict] = []

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
        self.marks = {key: mark for key, (_, mark) in here.items()}
        self._units = {key: unit for key, (unit, _) in here.items()}
        self._created = {unit.label: unit for key, unit in self._units.items() if key not in known}

    def unit_of(self, unit: Unit) -> Unit | None:
        """Return the unit with a key, or one that was created here with the same label."""
        return self._units.get(unit.key) or self._created.get(unit.label)


class Puller:
    """Pulls units: fetches them in threads, and writes them to the folder one by one."""

    def __init__(
        self, remote: Side, folder: FolderSide, state: State, stage: Path, report: PullReport
    ) -> None:
        self._remote = remote
        self._folder = folder
        self._state = state
        self._stage = stage
        self._report = report

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
        bar = progress_bar(len(todo), ' subjects', name='pull')
        with ThreadPoolExecutor(jobs, 'pyxnat-pull') as pool, bar as shown:
            for unit, future in self._fetched(todo, files, pool, jobs):
                try:
                    fetched = future.result()
                except errors.DatabaseError as error:
                    if isinstance(error, (errors.NetworkError, errors.AuthenticationError)):
                        pool.shutdown(wait=False, cancel_futures=True)
                        raise
                    self._report.add_failure(unit.key, error)
                    continue
                self.apply(fetched, here, files, pool)
                shown.update(1)

    def _fetched(
        self, todo: list[tuple[Unit, str]], files: Files, pool: ThreadPoolExecutor, jobs: int
    ) -> Iterator[tuple[Unit, Future[Fetched]]]:
        """Yield the units in order; some are fetched in advance."""
        waiting: deque[tuple[Unit, Future[Fetched]]] = deque()
        for unit, mark in todo:
            waiting.append((unit, pool.submit(fetch, self._remote, unit, mark, files)))
            if len(waiting) > jobs * _AHEAD:
                yield waiting.popleft()
        yield from waiting

    def apply(self, fetched: Fetched, here: Here, files: Files, pool: ThreadPoolExecutor) -> None:
        """Write a fetched unit to the folder.

        Parameters
        ----------
        fetched : Fetched
            The unit.
        here : Here
            Units of the folder.
        files : Files
            Which files are wanted.
        pool : ThreadPoolExecutor
            Threads that download files.
        """
        key = fetched.unit.key
        self._stage.mkdir(parents=True, exist_ok=True)
        pull = UnitPull(self._folder, self._state, self._stage, files, here.marks)
        try:
            changed = pull.run(fetched, here.unit_of(fetched.unit), pool)
        finally:
            shutil.rmtree(self._stage)
        for place, error in pull.failed:
            self._report.add_failure(place, error)
        self._report.conflicts += pull.conflicts
        if changed:
            self._report.add_success(key, pull.bytes)
        else:
            self._report.add_skipped(key)
