"""Layouts: map files of an archive to paths below a folder, and back.

::

    layout  = segment { '/' segment }
    segment = text with fields in braces, such as '{subject}_{experiment}'
    field   = one of FIELDS, or a column of an element above: '{scan/quality}',
              '{xnat:mrSessionData/note}'; '{n:03}' has three digits

A segment that is empty for a file is left out: a file of the session itself has no scan. Nothing
here reads or writes files.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..errors import DataError, ProgrammingError
from ..files.disk import safe_name
from ..model.levels import LEVELS, depth, level, level_names, parts_of_session
from ..patterns import pattern

__all__ = [
    'COLUMNS',
    'FIELDS',
    'LAYOUT',
    'STAND_INS',
    'Layout',
    'check_places',
    'default_for',
]

LAYOUT = '{project}/{subject}/{experiment}/{scan}/{resource}/{path}'
"""Default layout."""

FIELDS: Mapping[str, str] = {
    **{row.singular: row.layout_doc for row in LEVELS if row.layout_doc},
    'side': 'in or out, for such resources of assessors and reconstructions',
    'resource': 'label of the resource; its number where it has none',
    'path': 'path below the resource, with its folders',
    'name': 'last part of the path',
    'n': 'number of the file in its resource, from 1, in the order of paths',
    'type': 'type of the scan',
    'date': 'date of the session',
}
"""Fields of a layout."""

COLUMNS = {'type': 'scan/type', 'date': 'experiment/date'}
"""Fields that are columns of elements above."""

_OF_FILES = {'path', 'name', 'n'}

_NUMBER = pattern(r'n(:0?\d)?')
_SLASH = pattern(r'/(?![^{}]*\})')
"""A slash outside braces."""


class _Piece(NamedTuple):
    """A part of a segment: literal text, and the field after it."""

    before: str
    field: str
    """Name of the field; may be empty."""
    width: int
    """Digits of the field ``n``; 0 for as many as it has."""


_Segment = list[_Piece]

STAND_INS = tuple(
    row.singular for row in parts_of_session() if row.layout_doc and row.singular != 'scan'
)
"""Fields that fill an empty ``scan``."""


class Layout:
    """A parsed layout.

    Parameters
    ----------
    text : str
        Layout such as ``{subject}/{scan}/{path}``.

    Raises
    ------
    ProgrammingError
        The layout has an unknown field, or none of ``path``, ``name`` and ``n``.

    Examples
    --------
    >>> Layout('{subject}/{scan}/{path}').place({'subject': 'S1', 'scan': '3', 'path': 'a/b.dcm'})
    'S1/3/a/b.dcm'
    >>> Layout('{subject}/{scan}/{path}').values('S1/3/a/b.dcm')
    {'subject': 'S1', 'scan': '3', 'path': 'a/b.dcm'}
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ProgrammingError(
                f'a layout is text, not {text!r}', remedy=f'Write it like {LAYOUT}.'
            )
        self.text = text
        self._segments = [_parsed(segment, text) for segment in _SLASH.split(text) if segment]
        self.fields = {piece.field for part in self._segments for piece in part if piece.field}
        if not self.fields & _OF_FILES:
            raise ProgrammingError(
                f'the layout {text!r} has one place for all files of a resource',
                remedy='Let it end in {path}.',
            )

    def __repr__(self) -> str:
        return f'Layout({self.text!r})'

    @property
    def columns(self) -> dict[str, str]:
        """Field -> name of the column of an element above."""
        return {
            field: COLUMNS.get(field, field)
            for field in self.fields
            if field in COLUMNS or field not in FIELDS
        }

    def with_side(self) -> Layout:
        """Return the layout with the folder ``{side}`` before that of the resource."""
        segments = _SLASH.split(self.text)
        of_files = [f'{{{name}' for name in ('resource', *sorted(_OF_FILES))]
        at = next(
            number
            for begin in of_files
            for number, segment in enumerate(segments)
            if begin in segment
        )
        return Layout('/'.join([*segments[:at], '{side}', *segments[at:]]))

    def place(self, values: Mapping[str, str]) -> str:
        """Return the path of a file below the folder, with ``/``.

        Every part is a safe name: the path never leads out of the folder.

        Parameters
        ----------
        values : mapping
            Field -> text. ``name`` is derived from ``path``, and a missing ``scan`` from
            ``assessor`` or ``reconstruction``.
        """
        return self.places(values)(values.get('path', ''), int(values.get('n') or 1))

    def places(self, values: Mapping[str, str]) -> Callable[[str, int], str]:
        """Return a function from ``path`` and ``n`` to place, for files of one resource.

        Faster than `place`: the segments that are the same for all of them are filled in once.
        """
        known = dict(values)
        if not known.get('scan'):
            known['scan'] = next(
                (known[item] for item in STAND_INS if known.get(item) and item not in self.fields),
                '',
            )
        pieces = [
            segment if _OF_FILES & {piece.field for piece in segment} else _part(segment, known)
            for segment in self._segments
        ]

        def place(path: str, number: int) -> str:
            own = {**known, 'path': path, 'name': path.rpartition('/')[2], 'n': str(number)}
            parts = [piece if isinstance(piece, str) else _part(piece, own) for piece in pieces]
            return '/'.join(filter(None, parts)) or safe_name('')

        return place

    def values(self, place: str) -> dict[str, str] | None:
        """Return the fields of a path below the folder (inverse of `place`).

        `None` if the path does not match the layout. Names that `place` had to change to make them
        safe are returned in their changed form.
        """
        match = self._pattern().fullmatch(place)
        if match is None:
            return None
        named = sorted(self.fields)
        found = match.groupdict()
        order = {f'f{number}': field for number, field in enumerate(named)}
        return {order[group]: value for group, value in found.items()}

    def _pattern(self) -> re.Pattern[str]:
        seen: set[str] = set()
        groups = {field: f'f{number}' for number, field in enumerate(sorted(self.fields))}
        segments = []
        for segment in self._segments:
            expression = ''
            for before, field, _ in segment:
                expression += re.escape(before)
                if field:
                    group, kind = groups[field], '.+' if field == 'path' else '[^/]+'
                    expression += f'(?P={group})' if field in seen else f'(?P<{group}>{kind})'
                    seen.add(field)
            segments.append(expression)
        return re.compile('/'.join(segments), re.DOTALL)


def _part(segment: _Segment, values: Mapping[str, str]) -> str:
    """Fill in the fields of a segment and make its parts safe names.

    Empty if it has fields and none of them has a value.
    """
    fields = [piece.field for piece in segment if piece.field]
    if fields and not any(map(values.get, fields)):
        return ''
    texts = [
        piece.before + (value.zfill(piece.width) if (value := values.get(piece.field)) else '')
        for piece in segment
    ]
    text = ''.join(texts)
    if '/' in text and 'path' in fields:
        return '/'.join([safe_name(part) for part in text.split('/') if part])
    return safe_name(text) if text else ''


def _name(field: str) -> str:
    """Return the name of a field, without the number of digits of ``n``."""
    return 'n' if _NUMBER.fullmatch(field) else field


def _is_field(field: str) -> bool:
    """Return whether a field is known, or spelled like a column of an element above."""
    head, slash, rest = field.partition('/')
    is_column = bool(slash and head and rest) and (':' in head or head in level_names())
    return _name(field) in FIELDS or is_column


def _parsed(segment: str, text: str) -> _Segment:
    """Split a segment into its pieces."""
    parts = []
    try:
        for before, begin, form, conversion in string.Formatter().parse(segment):
            field = f'{begin}:{form}' if form else begin
            if (field is not None and not _is_field(field)) or conversion:
                raise ProgrammingError(
                    f'the layout {text!r} has no field {{{field}}}',
                    remedy=f'There are {", ".join(FIELDS)}, and columns such as '
                    '{subject/gender} and {xnat:mrSessionData/note}.',
                )
            name = _name(field or '')
            parts.append(_Piece(before, name, int(form or 0) if name == 'n' else 0))
    except ValueError as error:
        raise ProgrammingError(
            f'the layout {text!r} cannot be read: {error}', remedy=f'Write it like {LAYOUT}.'
        ) from error
    return parts


def default_for(plural: str) -> str:
    """Return the default layout of a folder for one element's files.

    >>> default_for('experiments')
    '{scan}/{resource}/{path}'
    """
    row = level(plural)
    return '/'.join(LAYOUT.split('/')[depth(plural) if row.layout_doc else -1 :])


def check_places(
    places: Iterable[tuple[str, str]],
    occupied: Iterable[str] = (),
    name_of: Callable[[str], str] = str,
) -> None:
    """Check that no two files have the same place.

    A file where another file needs a folder is a conflict as well.

    Parameters
    ----------
    places : iterable of pairs
        URI and place of each file.
    occupied : iterable of str
        Names directly below the folder that are reserved.
    name_of : callable
        Returns the same text for names that the file system treats as equal.

    Raises
    ------
    DataError
        Two files conflict; the message names both.
    """
    taken = {name_of(name): f'a file of this library ({name})' for name in occupied}
    folders: dict[str, str] = {}
    for uri, place in places:
        key = name_of(place)
        above = [key[:end] for end, char in enumerate(key) if char == '/']
        other = (
            taken.get(key)
            or folders.get(key)
            or next((taken[folder] for folder in above if folder in taken), None)
        )
        if other is not None:
            raise DataError(
                f'two files would have the place {place}: {other} and {uri}',
                remedy='Give a layout= that tells them apart.',
            )
        taken[key] = uri
        for folder in above:
            folders.setdefault(folder, uri)
