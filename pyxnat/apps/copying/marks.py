"""Marks of items.

XNAT moves them with each change of an item, or of anything below it. They are times of the server,
to be compared for equality. Measured on 1.8.11: no mark moves with other content of a file that
keeps its size; that of a project moves with its own fields and resources alone.
"""

from __future__ import annotations

from typing import Any

from ...model.short_names import key_of
from ...resources.collection import Collection

__all__ = ['elements_with_marks', 'mark_of']


def mark_of(element: Any) -> str:
    """Return the mark of an item; that of a reconstruction is its session's.

    One request, two if the type of the item is not known; none if it is in a fresh listing.

    Parameters
    ----------
    element : Element
        A project, subject or session, or a part of a session.

    Raises
    ------
    NotFoundError
        There is no such item.
    """
    if element.level.plural == 'reconstructions':
        return mark_of(element.parent())
    return str(element.attrs.get(_path(element)))


def elements_with_marks(selection: Collection[Any]) -> list[tuple[Any, str]]:
    """Return the elements of a selection, each with its mark.

    The requests of iterating; for sessions once more, with a listing for each of their types.

    Parameters
    ----------
    selection : Collection
        Subjects or sessions.
    """
    paths = (
        {_path(selection)} if selection.level.plural == 'subjects' else set(map(_path, selection))
    )
    elements = list(selection.with_columns(*sorted(paths)))
    return [(element, str(element.row.get(key_of(_path(element)), ''))) for element in elements]


def _path(found: Any) -> str:
    """Return the path of the mark.

    XNAT's short name says nothing about changes below sessions.
    """
    if found.level.plural == 'subjects':
        return 'last_modified'
    datatype = 'xnat:projectData' if found.level.plural == 'projects' else found.datatype()
    return f'{datatype}/meta/last_modified'
