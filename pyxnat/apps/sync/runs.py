"""Count of the runs of a mirror, which shows a folder older than its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .folder_side import FolderSide
from .state import State

__all__ = ['Runs']


class Runs:
    """Pulls and pushes that changed the base, counted by folder and state.

    The archive may be restored from a backup without the state, or copied before it by a program
    that copies one file after the other. Then its older values, and all that it lacks, would be
    taken for changes of the folder, and be sent.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    state : State
        State of the mirror.
    """

    def __init__(self, folder: FolderSide, state: State) -> None:
        self._folder = folder
        self._state = state
        self._is_counted = False

    @property
    def _known(self) -> int:
        return int(self._state.about.get('runs', '0'))

    @property
    def is_folder_older(self) -> bool:
        """Whether the folder is older than the state. No request."""
        return not self._folder.is_served and self._folder.runs() < self._known

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the run before it first changes the base, and at its end."""
        self._is_counted = False
        self._state.before_change = self._count_once
        try:
            yield
        finally:
            self._state.before_change = None
        if self._is_counted:
            self._count()

    def _count_once(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._count()

    def _count(self) -> None:
        number = max(self._known, self._folder.runs()) + 1
        self._folder.put_runs(number)
        self._state.tell(runs=str(number))
