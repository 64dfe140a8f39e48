"""Paths of the command: ``P/S/E/SCAN/RESOURCE/file``, or a path of ``select``.

::

    place = [ profile ':' ] path
    path  = '/' path-of-select | short
    short = [ project [ '/' subject [ '/' session [ '/' scan [ '/' resource [ '/' file ]]]]]]

``*`` and ``?`` are wildcards in names. Nothing here makes a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ['SHORT', 'Place', 'is_collection', 'joined', 'names_of', 'place_of', 'select_path']

SHORT = ('projects', 'subjects', 'experiments', 'scans', 'resources', 'files')
"""Levels of a short path."""


class Place(NamedTuple):
    """A path of an archive: profile of its login, and path for ``select``."""

    profile: str
    """Empty: the current profile."""
    path: str

    @classmethod
    def read(cls, text: str) -> Place:
        """Read a place such as ``P/S/E``, ``/projects/P//files`` or ``lab:P/S``.

        Text before a colon is a profile, as no project has a colon in its ID.

        Examples
        --------
        >>> Place.read('lab:P/S1')
        Place(profile='lab', path='/projects/P/subjects/S1')
        """
        profile, colon, path = text.partition(':')
        if colon and '/' not in profile:
            return cls(profile, select_path(path))
        return cls('', select_path(text))


def select_path(text: str) -> str:
    """Return the path for ``select``.

    >>> select_path(''), select_path('P/S/E/1/DICOM/a/b.dcm')[-37:]
    ('/projects', 'scans/1/resources/DICOM/files/a/b.dcm')
    >>> select_path('/experiments/X_E1//files')
    '/experiments/X_E1//files'
    """
    if text.startswith('/') and text.strip('/'):
        return text.rstrip('/')
    names = [name for name in text.strip('/').split('/') if name]
    if not names:
        return '/projects'
    last = len(SHORT) - 1
    names[last:] = ['/'.join(names[last:])] if len(names) > last else []
    return ''.join(f'/{level}/{name}' for level, name in zip(SHORT, names, strict=False))


def is_collection(found: Any) -> bool:
    """Whether a result of ``select`` is a collection, not one element."""
    return not hasattr(found, 'exists')


def names_of(element: Any) -> list[tuple[str, str]]:
    """Return the levels on the path of an element with their names. No request.

    Names are labels as far as these are known.
    """
    names = [
        (step.level, str(element.above.get(step.level, {}).get('label') or step.name))
        for step in element.steps
    ]
    label = element.row.get('label')
    if label and element.level.has_label:
        names[-1] = (names[-1][0], label)
    return names


def place_of(element: Any) -> str:
    """Return the place of an element.

    Short if it can be: ``P/S1/E1/1/NIFTI/image.nii``.
    """
    return joined(names_of(element))


def joined(names: Sequence[tuple[str, str]]) -> str:
    """Return the place of levels and names.

    >>> joined([('projects', 'P'), ('subjects', 'S')]), joined([('experiments', 'X_E1')])
    ('P/S', '/experiments/X_E1')
    """
    if tuple(level for level, _ in names) == SHORT[: len(names)]:
        return '/'.join(name for _, name in names)
    return ''.join(f'/{level}/{name}' for level, name in names)
