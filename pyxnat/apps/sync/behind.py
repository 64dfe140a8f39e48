"""Units that the server changed since the last pull."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ... import errors
from .feed import Feed, read_feed
from .file_rows import Files
from .sides import Side
from .state import State, Unit

__all__ = ['units_behind', 'units_named']


def units_named(state: State, known: Mapping[str, Unit], feed: Feed) -> set[str]:
    """Return the keys of the units that new entries of a feed name.

    Parameters
    ----------
    state : State
        State of the mirror.
    known : mapping
        Its units that are of interest.
    feed : Feed
        The feed of the project.
    """
    named = {f'{plural}/{name}' for name in feed.changed for plural in ('projects', 'subjects')}
    return (named | state.units_of(feed.changed)) & known.keys()


def units_behind(remote: Side, state: State, project: str) -> list[str]:
    """Return the keys of units that the server changed or deleted since the pull.

    Requests: two listings, and one for the operations that the server recorded since the pull, if
    files were pulled; the listings of the files of each unit that these name, if it has no other
    change. A login that may not read the operations sees no file that was replaced by one of the
    same size.

    Parameters
    ----------
    remote : Side
        The server.
    state : State
        State of the mirror.
    project : str
        ID of the project.
    """
    known = state.units(project)
    marks = {key: mark for key, (_, mark) in remote.units(project).items()}
    behind = {key for key, unit in known.items() if unit.there != marks.get(key)}
    everywhere = state.units()
    for key in _named(remote, state, project, marks.values()) - behind:
        if _has_other_files(remote, state, everywhere[key]):
            behind.add(key)
    return [key for key in dict.fromkeys([*marks, *known, *sorted(behind)]) if key in behind]


def _named(remote: Side, state: State, project: str, marks: Iterable[str]) -> set[str]:
    """Return the units with operations since the pull, of those with files.

    One request. Units of other projects, too, if they have sessions of this one.
    """
    with_files = {key: unit for key, unit in state.units().items() if unit.files != 'none'}
    before = state.feed(project)
    if before is None or not with_files:
        return set()
    feed = read_feed(remote.interface, project, before, marks)
    return units_named(state, with_files, feed)


def _has_other_files(remote: Side, state: State, unit: Unit) -> bool:
    """Whether the server has another content of a file that was pulled."""
    base = state.base(unit.key, 'file')
    try:
        listed = remote.files(unit, Files.of('all'), state.base(unit.key, 'item'))
    except (errors.NotFoundError, errors.PermissionDenied):  # of a session listed by its ID
        return True
    return any(
        key not in listed or listed[key].there(values) != values for key, values in base.items()
    )
