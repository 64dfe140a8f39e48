"""From a row of the table to a pair of classes.

For each level: an element class and a collection class, with one accessor for each level below, each with a name, a signature and a docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model.levels import LEVELS, Level, children
from .base import Element, register
from .collection import Collection
from .elements import BEHAVIOUR
from .groups import GROUPS

__all__ = ['make_classes']

_MODULE = 'pyxnat.resources'


def make_classes() -> dict[str, type[Any]]:
    """All element and collection classes by their names."""
    made: dict[str, type[Any]] = {}
    for row in LEVELS:
        for name, base, doc in (
            (row.element_class, BEHAVIOUR.get(row.plural, Element), f'{_sentence(row.doc)}.'),
            (row.collection_class, GROUPS.get(row.plural, Collection), f'{row.plural.replace("_", " ").capitalize()}: each is {row.doc}.'),
        ):
            made[name] = _make(name, base, row, doc)
        register(row.singular, made[row.element_class])
        register(row.plural, made[row.collection_class])
    return made


def _make(name: str, base: type[Any], row: Level, doc: str) -> type[Any]:
    attributes: dict[str, Any] = {'__module__': _MODULE, '__qualname__': name, '__doc__': doc, 'level': row}
    for below in children(row.plural):
        accessors = [_collection_accessor(below, name)]
        if not issubclass(base, Collection):
            accessors.append(_element_accessor(below, name))
        attributes.update({accessor.__name__: accessor for accessor in accessors})
    return type(name, (base,), attributes)


def _collection_accessor(row: Level, owner: str) -> Callable[..., Any]:
    def accessor(self: Any, id_filter: str = '*') -> Any:
        return self._children(row, id_filter)

    doc = f"""The {row.plural.replace('_', ' ')} below: each is {row.doc}. No request until it is iterated.

        Parameters
        ----------
        id_filter : str
            Pattern that ID or label must match; ``*`` is any text, ``?`` any character.

        Returns
        -------
        {row.collection_class}
        """
    return _named(accessor, row.plural, owner, doc)


def _element_accessor(row: Level, owner: str) -> Callable[..., Any]:
    def accessor(self: Any, ID: str) -> Any:  # noqa: N803 - XNAT's word
        return self._child(row, ID)

    doc = f"""One {row.singular.replace('_', ' ')}: {row.doc}, whether it exists or not. No request.

        Parameters
        ----------
        ID : str
            Its {'path below the resource' if row.plural == 'files' else 'ID or label'}.

        Returns
        -------
        {row.element_class}
        """
    return _named(accessor, row.singular, owner, doc)


def _named(accessor: Callable[..., Any], name: str, owner: str, doc: str) -> Callable[..., Any]:
    accessor.__name__ = name
    accessor.__qualname__ = f'{owner}.{name}'
    accessor.__module__ = _MODULE
    accessor.__doc__ = doc
    return accessor


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
