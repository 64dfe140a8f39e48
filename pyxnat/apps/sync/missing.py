"""Sessions and assessors that the server does not show any more.

Deleted, or hidden.
"""

from __future__ import annotations

from ... import errors
from .folder_side import FolderSide
from .sides import Side
from .state import State

__all__ = ['Missing', 'largest_deletion']


class Missing:
    """Guards a mirror against the loss of a right that looks like deletions.

    XNAT answers 404 both for what was deleted and for what a login may not see, and its rights are
    those to data types. So of each type of a project, no more may be missing than `max_delete`.
    Its listing of a project may have assessors that the login cannot see: these are not deleted.

    Parameters
    ----------
    remote, folder : Side
        Both sides.
    state : State
        State of the mirror.
    max_delete : float
        Largest share of the items of one data type that may have been deleted; one may always.
    """

    def __init__(self, remote: Side, folder: FolderSide, state: State, max_delete: float) -> None:
        self._remote = remote
        self._folder = folder
        self._state = state
        self._max_delete = max_delete
        self._listed: dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {}

    def refusal(self, key: str, project: str) -> errors.DataError | None:
        """Return why an item is hardly deleted; None if it is.

        A request for each data type.

        Parameters
        ----------
        key : str
            Key of a session or assessor that the server does not show.
        project : str
            ID of its project.
        """
        if self._max_delete >= 1:
            return None
        datatype = self._folder.datatype(key)
        known, there = self._list(project, datatype)
        missing = known - there
        if len(missing) <= largest_deletion(self._max_delete, len(known)):
            return None
        return errors.DataError(
            f'{len(missing)} of {len(known)} {datatype} of {project} are missing at the server',
            remedy='Check that the login can still read this data type. If they were deleted, pull '
            'with max_delete=1.',
        )

    def is_listed(self, key: str, project: str) -> bool:
        """Return whether the server lists an item. A request for each data type.

        Parameters
        ----------
        key : str
            Key of a session or assessor that the server does not show.
        project : str
            ID of its project.
        """
        _, there = self._list(project, self._folder.datatype(key))
        return key.rpartition('/')[2] in there

    def _list(self, project: str, datatype: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the IDs of the items of a type: those pulled, and those at the server."""
        if (project, datatype) not in self._listed:
            pulled = self._state.experiments(project)
            known = self._folder.experiments(project, datatype) & pulled
            self._listed[project, datatype] = known, self._remote.experiments(project, datatype)
        return self._listed[project, datatype]


def largest_deletion(max_delete: float, count: int) -> int:
    """Return how many of some items may have been deleted.

    Parameters
    ----------
    max_delete : float
        The largest share.
    count : int
        Number of the items.

    Examples
    --------
    >>> largest_deletion(0.1, 39), largest_deletion(0.1, 5)
    (3, 1)
    """
    return max(1, int(max_delete * count))
