"""Layouts: where the files of an archive lie in a folder, and back.

::

    layout  = segment { '/' segment }
    segment = text with fields in braces, such as '{subject}_{experiment}'

A segment that comes out empty is left out: a file of the session itself has no scan. Pure: no file is touched.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping

from ..errors import DataError, ProgrammingError
from ..files.disk import safe_name

__all__ = ['FIELDS', 'LAYOUT', 'Layout', 'check_places', 'default_for']

LAYOUT = '{project}/{subject}/{experiment}/{scan}/{resource}/{path}'
"""Where files lie unless told otherwise."""

FIELDS: Mapping[str, str] = {
    'project': 'ID of the project',
    'subject': 'label of the subject',
    'experiment': 'label of the session',
    'scan': 'ID of the scan; of what belongs to an assessor or reconstruction its label, unless the layout names that field',
    'assessor': 'label of the assessor',
    'reconstruction': 'ID of the reconstruction',
    'side': 'in or out, for such resources of assessors and reconstructions',
    'resource': 'label of the resource; its number where it has none',
    'path': 'path below the resource, with its folders',
    'name': 'last part of the path',
}
"""What a layout can hold."""

_Segment = list[tuple[str, str]]
"""Text and field by turns."""

_ITEMS = ('assessor', 'reconstruction')


class Layout:
    """A layout that was read.

    Raises
    ------
    ProgrammingError
        It holds a field that there is not, or none that tells the files of a resource apart.

    Examples
    --------
    >>> Layout('{subject}/{scan}/{path}').place({'subject': 'S1', 'scan': '3', 'path': 'a/b.dcm'})
    'S1/3/a/b.dcm'
    >>> Layout('{subject}/{scan}/{path}').values('S1/3/a/b.dcm')
    {'subject': 'S1', 'scan': '3', 'path': 'a/b.dcm'}
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ProgrammingError(f'a layout is text, not {text!r}', remedy=f'Write such as {LAYOUT}.')
        self.text = text
        self._segments = [_parsed(segment, text) for segment in text.split('/') if segment]
        self.fields = {field for segment in self._segments for _, field in segment if field}
        if not self.fields & {'path', 'name'}:
            raise ProgrammingError(f'the layout {text!r} has one place for all files of a resource', remedy='Let it end in {path}.')

    def __repr__(self) -> str:
        return f'Layout({self.text!r})'

    def place(self, values: Mapping[str, str]) -> str:
        """Path of a file below the folder, with ``/``; nothing in it leads out of there.

        Parameters
        ----------
        values : mapping
            Field -> text. ``name`` follows from ``path``, and ``scan``, where it is missing, from ``assessor`` or ``reconstruction``.
        """
        return self.places(values)(values.get('path', ''))

    def places(self, values: Mapping[str, str]) -> Callable[[str], str]:
        """What gives the place of each file that all of this holds for, by its ``path``."""
        known = dict(values)
        if not known.get('scan'):
            known['scan'] = next((known[item] for item in _ITEMS if known.get(item) and item not in self.fields), '')
        pieces = [segment if _names_files(segment) else _part(segment, known) for segment in self._segments]

        def place(path: str) -> str:
            own = {**known, 'path': path, 'name': path.rpartition('/')[2]}
            parts = [piece if isinstance(piece, str) else _part(piece, own) for piece in pieces]
            return '/'.join(filter(None, parts)) or safe_name('')

        return place

    def values(self, place: str) -> dict[str, str] | None:
        """The fields of a path below the folder; `None` where the layout has no such path. The inverse of `place` for ordinary names."""
        found = self._pattern().fullmatch(place)
        return found.groupdict() if found else None

    def _pattern(self) -> re.Pattern[str]:
        seen: set[str] = set()
        segments = []
        for segment in self._segments:
            expression = ''
            for before, field in segment:
                expression += re.escape(before)
                if field:
                    again = field in seen
                    expression += f'(?P={field})' if again else f'(?P<{field}>{".+" if field == "path" else "[^/]+"})'
                    seen.add(field)
            segments.append(expression)
        return re.compile('/'.join(segments), re.DOTALL)


def _names_files(segment: _Segment) -> bool:
    """Whether it is another for each file of a resource."""
    return any(field in ('path', 'name') for _, field in segment)


def _part(segment: _Segment, values: Mapping[str, str]) -> str:
    """A segment with its fields filled in, each part of it a safe name."""
    text = ''.join([before + (values.get(field, '') if field else '') for before, field in segment])
    if '/' in text and any(field == 'path' for _, field in segment):
        return '/'.join([safe_name(part) for part in text.split('/') if part])
    return safe_name(text) if text else ''


def _parsed(segment: str, text: str) -> _Segment:
    """Text and field by turns."""
    parts = []
    try:
        for before, field, form, conversion in string.Formatter().parse(segment):
            if (field is not None and field not in FIELDS) or form or conversion:
                raise ProgrammingError(f'the layout {text!r} has no field {{{field}}}', remedy=f'There are {", ".join(FIELDS)}.')
            parts.append((before, field or ''))
    except ValueError as error:
        raise ProgrammingError(f'the layout {text!r} cannot be read: {error}', remedy=f'Write such as {LAYOUT}.') from error
    return parts


def default_for(plural: str) -> str:
    """The layout of a folder that holds what is below an element.

    >>> default_for('experiments')
    '{scan}/{resource}/{path}'
    """
    depth = {'projects': 1, 'subjects': 2, 'experiments': 3, 'scans': 4, 'assessors': 4, 'reconstructions': 4}
    return '/'.join(LAYOUT.split('/')[depth.get(plural, 5) :])


def check_places(places: Iterable[tuple[str, str]], occupied: Iterable[str] = (), name_of: Callable[[str], str] = str) -> None:
    """See that no two files have one place, and that none lies where another's folder would be.

    Parameters
    ----------
    places : iterable of pairs
        URI and place of each file.
    occupied : iterable of str
        Names right below the folder that are not free.
    name_of : callable
        Gives the same text for all names that a disk takes for one.

    Raises
    ------
    DataError
        Naming both.
    """
    taken = {name_of(name): f'a file of this library ({name})' for name in occupied}
    folders: dict[str, str] = {}
    for uri, place in places:
        key = name_of(place)
        above = [key[:end] for end, char in enumerate(key) if char == '/']
        other = taken.get(key) or folders.get(key) or next((taken[folder] for folder in above if folder in taken), None)
        if other is not None:
            raise DataError(f'two files would have the place {place}: {other} and {uri}', remedy='Give a layout= that tells them apart.')
        taken[key] = uri
        for folder in above:
            folders.setdefault(folder, uri)
