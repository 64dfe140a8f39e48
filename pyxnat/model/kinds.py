"""Kinds of the values of columns: text, numbers, truth values, dates and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .fields import canonical
from .item_xml import is_picked
from .levels import level
from .schemas import Registry
from .short_names import LEVELS_WITH_NAMES, full_paths

__all__ = ['TEXT', 'Kind', 'full_path', 'kind_of_path', 'kinds_of_search']


class Kind(NamedTuple):
    """Kind of the values of a column."""

    name: str = 'string'
    """``string``, ``integer``, ``float``, ``boolean``, ``date``, ``time`` or ``dateTime``."""
    is_list: bool = False
    """Whether a cell can have several values."""


TEXT = Kind()
_MOMENT = Kind('dateTime')
_MOMENTS = ('insert_date', 'last_modified')
"""Last segments of paths that no schema has; XNAT writes ``2020-01-31 10:20:30.0`` there."""
_COUNTS = ('file_count', 'file_size', 'Size')
"""Columns of files and resources with whole numbers."""
_SEARCH = {
    'integer': 'integer',
    'float': 'float',
    'double': 'float',
    'decimal': 'float',
    'boolean': 'boolean',
    'date': 'date',
    'time': 'time',
    'timestamp': 'dateTime',
    'datetime': 'dateTime',
}
"""Type of a column of a search, in lower case -> kind; any other is text."""


def full_path(plural: str, name: str) -> str:
    """Return the type and path of a column.

    Parameters
    ----------
    plural : str
        Level that has the column.
    name : str
        Short name, full path, or a name that only listings have, which is returned as it is.

    Examples
    --------
    >>> full_path('experiments', 'date'), full_path('files', 'Size')
    ('xnat:experimentData/date', 'Size')
    """
    singular = level(plural).singular
    if ':' in name or singular not in LEVELS_WITH_NAMES:
        return name
    return full_paths(singular).get(name, name)


def kind_of_path(registry: Registry, path: str) -> Kind | None:
    """Return the kind of a column.

    Parameters
    ----------
    registry : Registry
        Schemas that declare the types.
    path : str
        Type and path, by `full_path`.

    Returns
    -------
    Kind or None
        `None` if the schemas do not declare the type. A field that its type does not have is
        text.

    Examples
    --------
    >>> from pyxnat.model.item_xml import bundled
    >>> kind_of_path(bundled(), 'xnat:mrSessionData/date').name
    'date'
    """
    datatype, slash, inner = path.partition('/')
    last = canonical(path).rpartition('/')[2]
    if last in _MOMENTS:
        return _MOMENT
    if not slash:
        return Kind('integer') if path in _COUNTS else TEXT
    if datatype not in registry:
        return None
    field = registry.text_of(datatype, inner)
    return TEXT if field is None else Kind(field.kind, field.repeated and not is_picked(path))


def kinds_of_search(columns: Iterable[Mapping[str, Any]]) -> dict[str, Kind]:
    """Return key -> kind of the columns that a search describes.

    Parameters
    ----------
    columns : iterable of mapping
        Descriptions in the response, with ``key``, ``id`` and ``type``. XNAT calls its
        ``INSERT_DATE`` a date, and sends a date with a time.

    Examples
    --------
    >>> kinds_of_search([{'key': 'age', 'type': 'integer'}])
    {'age': Kind(name='integer', is_list=False)}
    """
    kinds = {}
    for column in columns:
        is_moment = str(column.get('id', '')).lower().endswith(_MOMENTS)
        name = _SEARCH.get(str(column.get('type', '')).lower(), 'string')
        kinds[str(column['key'])] = _MOMENT if is_moment and name == 'date' else Kind(name)
    return kinds
