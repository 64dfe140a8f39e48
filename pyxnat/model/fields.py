"""Fields and data types of XNAT's schemas, as values."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from .xml import Node

__all__ = ['DataType', 'Field', 'Position', 'canonical', 'join_path']


class Field(NamedTuple):
    """Field of a data type."""

    path: str
    """Path from the type, without the type's name."""
    kind: str = 'string'
    """``string``, ``integer``, ``float``, ``boolean``, ``date``, ``time`` or ``dateTime``
    (empty for a field that holds items).
    """
    type: str = 'string'
    """XML Schema type that it is derived from: ``double`` and ``decimal`` are both of kind
    ``float``.
    """
    attribute: bool = False
    """Whether XML has it as an attribute."""
    holders: tuple[str, ...] = ()
    """Paths of the repeated elements above it, outermost first, without predicates."""
    namespaces: tuple[str, ...] = ()
    """XML namespace of each segment of the path."""
    text: bool = False
    """Whether it is the text of a repeated element, which has a segment of its own in the path."""
    required: bool = False
    item_type: str = ''
    """Data type of the items that it holds (``xnat:imageScanData``); empty for other fields."""
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def repeated(self) -> bool:
        """Whether an item can have several values."""
        return bool(self.holders)

    def around(self, inner: Field) -> Field:
        """Return a field of the items held here as a field of this type."""
        below = canonical(self.path)
        return inner._replace(
            path=join_path(self.path, inner.path),
            holders=self.holders + tuple(join_path(below, path) for path in inner.holders),
            namespaces=self.namespaces + inner.namespaces,
        )

    @property
    def key(self) -> str:
        """The path without predicates in lower case, the key of look-ups."""
        return canonical(self.path).lower()


class DataType(NamedTuple):
    """Complex type, with its prefixed name (``xnat:mrSessionData``)."""

    name: str
    base: str
    """Name of the type that it extends; empty if none."""
    abstract: bool
    root: str
    """Name of its root element (``MRSession``); empty if none."""
    namespace: str
    node: Node
    """Node of its declaration."""


@lru_cache(4096)
def canonical(path: str) -> str:
    """Remove the ``[…]`` predicates from a path.

    >>> canonical('demographics[@xsi:type=xnat:demographicData]/age')
    'demographics/age'
    """
    return re.sub(r'\[[^\]]*\]', '', path)


class Position(NamedTuple):
    """Position within a type: path, namespaces and repeated elements so far."""

    path: str = ''
    namespaces: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()

    def step(self, node: Node, name: str) -> Position:
        """Return the position of a child element or attribute.

        Parameters
        ----------
        node : Node
            Node that declares the child.
        name : str
            Segment to append to the path.
        """
        namespace = node.getroottree().getroot().get('targetNamespace', '')
        return Position(join_path(self.path, name), (*self.namespaces, namespace), self.holders)

    def many(self) -> Position:
        """Return the same position, marked as a repeated element."""
        return self._replace(holders=(*self.holders, canonical(self.path)))

    @property
    def is_many(self) -> bool:
        return self.holders[-1:] == (canonical(self.path),)

    def mark(self, row: Field, **more: Any) -> Field:
        """Return a field at this position.

        Parameters
        ----------
        row : Field
            Field with its type and limits.
        more : object
            Other attributes of the field.
        """
        return row._replace(
            path=self.path, namespaces=self.namespaces, holders=self.holders, **more
        )


def join_path(path: str, name: str) -> str:
    """Append a segment to a path, which may be empty.

    Parameters
    ----------
    path : str
        Path from the type.
    name : str
        Segment to append.
    """
    return f'{path}/{name}' if path else name
