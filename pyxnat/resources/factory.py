"""Classes of all levels, generated from the table of levels.

Each level gets an element class and a collection class, with one accessor for each level
below it; each accessor has its own name, signature and docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model.levels import LEVELS, Level, children
from .base import Element, register
from .collection import Collection
from .elements import BEHAVIOUR
from .groups import collection_base

__all__ = ['make_classes']

_MODULE = 'pyxnat.resources'


def make_classes() -> dict[str, type[Any]]:
    """Return all element and collection classes by name."""
    classes: dict[str, type[Any]] = {}
    for row in LEVELS:
        for name, base, doc in (
            (row.element_class, BEHAVIOUR.get(row.plural, Element), f'{_sentence(row.doc)}.'),
            (
                row.collection_class,
                collection_base(row),
                f'Collection of {_words(row.plural)}.\n\nEach is {row.doc}.',
            ),
        ):
            classes[name] = _make_class(name, base, row, doc)
        register(row.singular, classes[row.element_class])
        register(row.plural, classes[row.collection_class])
    return classes


def _make_class(name: str, base: type[Any], row: Level, doc: str) -> type[Any]:
    attributes: dict[str, Any] = {
        '__module__': _MODULE,
        '__qualname__': name,
        '__doc__': doc,
        'level': row,
    }
    for below in children(row.plural):
        by_name = _named_accessor if issubclass(base, Collection) else _element_accessor
        accessors = _collection_accessor(below, name), by_name(below, name)
        attributes.update({accessor.__name__: accessor for accessor in accessors})
    return type(name, (base,), attributes)


def _collection_accessor(row: Level, owner: str) -> Callable[..., Any]:
    def accessor(self: Any, id_filter: str = '*') -> Any:
        return self._children(row, id_filter)

    doc = f"""Return the {_words(row.plural)} below, as a lazy collection.

        Each is {row.doc}.
        No request until the collection is iterated.

        Parameters
        ----------
        id_filter : str
            Pattern for the ID or label: ``*`` matches any text, ``?`` one character.

        Returns
        -------
        {row.collection_class}
        """
    return _rename(accessor, row.plural, owner, doc)


def _element_accessor(row: Level, owner: str) -> Callable[..., Any]:
    def accessor(self: Any, ID: str) -> Any:  # noqa: N803 - XNAT's word
        return self._child(row, ID)

    name = 'path' if row.is_file else 'ID or label'
    doc = f"""Return the {_words(row.singular)} with this {name}, whether it exists or not.

        {_sentence(row.doc)}. No request.

        Parameters
        ----------
        ID : str
            {_sentence(name)}{' below the resource' if row.is_file else ''}.

        Returns
        -------
        {row.element_class}
        """
    return _rename(accessor, row.singular, owner, doc)


def _named_accessor(row: Level, owner: str) -> Callable[..., Any]:
    def accessor(self: Any, ID: str) -> Any:  # noqa: N803 - XNAT's word
        return self._children(row, ID, is_literal=True)

    name = 'path' if row.is_file else 'ID or label'
    doc = f"""Return the {_words(row.plural)} with this {name}, as a lazy collection.

        It has one for each element of this collection that has such a {_words(row.singular)}.
        No request until the collection is iterated.

        Parameters
        ----------
        ID : str
            {_sentence(name)}{' below the resource' if row.is_file else ''}.

        Returns
        -------
        {row.collection_class}
        """
    return _rename(accessor, row.singular, owner, doc)


def _rename(accessor: Callable[..., Any], name: str, owner: str, doc: str) -> Callable[..., Any]:
    accessor.__name__ = name
    accessor.__qualname__ = f'{owner}.{name}'
    accessor.__module__ = _MODULE
    accessor.__doc__ = doc
    return accessor


def _words(name: str) -> str:
    return name.replace('_', ' ')


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
