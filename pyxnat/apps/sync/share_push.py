"""Push of shares: those that the folder made, changed or ended.

XNAT has no request for another label of a share: it is ended, and made again. The end of a share
also ends those of the items below, and deletes sessions of a subject that the other project owns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ... import errors
from .decisions import Values
from .moves import is_below
from .parts import PARENT, SHARE, Part, shares_of
from .remote_side import RemoteSide
from .state import State

__all__ = ['SharePush', 'with_ended_shares']


def with_ended_shares(
    ours: Mapping[str, Part], base: Mapping[str, Values], theirs: Mapping[str, Part]
) -> dict[str, Part]:
    """Return the items of the folder with the shares that ended there.

    They are not sent.

    Parameters
    ----------
    ours, theirs : mapping
        Items of the folder and of the server.
    base : mapping
        Fields that both sides had.
    """
    found = dict(ours)
    for key, part in ours.items():
        there = theirs[key].values if key in theirs else {}
        ended = {
            name: text
            for name, text in base.get(key, {}).items()
            if name.startswith(SHARE) and name in there and name not in part.values
        }
        if ended:
            found[key] = part._replace(values={**part.values, **ended})
    return found


class SharePush:
    """Sends the shares of the items of one unit.

    Parameters
    ----------
    remote : RemoteSide
        The server.
    state : State
        State of the mirror.
    base : mapping
        Fields that both sides had.
    ours, theirs : mapping
        Items of the folder and of the server.
    """

    def __init__(
        self,
        remote: RemoteSide,
        state: State,
        base: Mapping[str, Values],
        ours: Mapping[str, Part],
        theirs: Mapping[str, Part],
    ) -> None:
        self._remote = remote
        self._state = state
        self._base = base
        self._ours = ours
        self._theirs = theirs
        self._there = {key: shares_of(part.values) for key, part in theirs.items()}
        self.failed: list[tuple[str, errors.Error]] = []

    def send(self, key: str, place: str, above: str, projects: Iterable[str]) -> bool:
        """Send shares of an item; return whether one was sent. Failures are in `failed`.

        Parameters
        ----------
        key, place, above : str
            Keys of the item in the folder and at the server, and of the item above it there.
        projects : iterable of str
            Projects whose shares are sent.
        """
        is_sent = False
        for project in projects:
            wanted = shares_of(self._ours[key].values).get(project)
            try:
                self._send(key, place, above, project, wanted)
            except errors.DatabaseError as error:
                self.failed.append((key, error))
            else:
                is_sent = True
        return is_sent

    def _send(self, key: str, place: str, above: str, project: str, wanted: str | None) -> None:
        present = self._there.setdefault(key, {}).get(project)
        if project == self._ours[key].project:
            self._there[key].pop(project, None)  # it owns the item by now, and shares it no more
            return
        if present == wanted:
            return
        below = self._end(key, above, project) if present is not None else {}
        if wanted is not None:
            self._remote.share(place, above, project, wanted)
            self._there[key][project] = wanted
        for name, label in below.items():
            self._remote.share(name, self._theirs[name].parent, project, label)
            self._there[name][project] = label

    def _end(self, key: str, above: str, project: str) -> dict[str, str]:
        """End a share; return the items below whose shares ended with it.

        Each with its label. Those that the folder has ended, too, are left out. The others leave
        the base first, so a push after an interruption makes them again.
        """
        if key.startswith('subjects/') and self._remote.owns_sessions(key, project):
            raise errors.NotSupportedError(
                f'{project} has sessions of its own of this subject, which XNAT would delete with '
                'the share',
                uri=self._theirs[key].uri,
                remedy='Move or delete these sessions first.',
            )
        parents = {name: part.values.get(PARENT, '') for name, part in self._theirs.items()}
        ended = {
            name: shares[project]
            for name, shares in self._there.items()
            if project in shares and is_below(name, key, parents)
        }
        field = f'{SHARE}{project}'
        kept = {
            name: label
            for name, label in ended.items()
            if name != key and not self._is_ended(name, field)
        }
        for name in (key, *kept):
            self._state.rebase_field(name, field, None)
        self._remote.unshare(key, above, project)
        for name in ended:
            del self._there[name][project]
        return kept

    def _is_ended(self, key: str, field: str) -> bool:
        """Whether the folder has ended a share, or deleted its item."""
        ours = self._ours[key].values if key in self._ours else {}
        return field in self._base.get(key, {}) and field not in ours
