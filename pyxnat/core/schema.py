"""Tables of levels of pyxnat 1.x.

The names of :mod:`pyxnat.model.schemas` are here, too.
"""

from __future__ import annotations

from ..model.levels import LEVELS, children
from ..model.schemas import *  # noqa: F403 - the names of the new module

__all__ = [
    'class_name',
    'default_datatypes',
    'json',
    'resources_plural',
    'resources_singular',
    'resources_tree',
    'resources_types',
]

resources_tree = {row.plural: [below.plural for below in children(row.plural)] for row in LEVELS}
"""Level -> levels below it."""

json = {row.plural: [row.id_column, row.label_column] for row in LEVELS}
"""Level -> columns of the ID and label in its listings."""

resources_plural = list(resources_tree)
resources_singular = [row.singular for row in LEVELS]
resources_types = [*resources_singular, *resources_plural]

default_datatypes = {row.plural: row.datatype or None for row in LEVELS if not row.is_file}
"""Level -> type of new elements."""


def class_name(element: object) -> str:
    """Return the name of the class of an element or collection."""
    return type(element).__name__
