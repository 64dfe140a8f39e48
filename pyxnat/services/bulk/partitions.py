"""Parts of a selection, for tasks of other processes and machines."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import threading
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from typing import Any, NamedTuple

from ...errors import ProgrammingError
from ...model.levels import level, level_names
from ...query.paths import uri_of
from ...resources.base import class_of
from ...resources.host import Host

__all__ = ['Connect', 'Packed', 'Partition', 'Recipe', 'partitions']

Connect = Callable[[], Host]
"""Function that returns an Interface, in a worker."""

_connected: dict[tuple[int, str], Host] = {}
"""Process and key of a function -> its Interface, which all tasks of the process share."""
_connecting = threading.Lock()


class Packed(NamedTuple):
    """Elements of one level as compressed text: URIs, and rows of listings."""

    plural: str
    size: int
    text: bytes

    @classmethod
    def of(cls, elements: Sequence[Any]) -> Packed:
        """Pack elements; a row that several share is held once."""
        rows: dict[int, tuple[int, Any]] = {}

        def number(row: Any) -> int:
            return rows.setdefault(id(row), (len(rows), row))[0]

        members = [
            (
                uri_of(element.steps),
                number(element.row),
                {plural: number(row) for plural, row in element.above.items()},
            )
            for element in elements
        ]
        text = json.dumps({'rows': [row for _, row in rows.values()], 'elements': members})
        plural = elements[0].level.plural
        return cls(plural, len(elements), zlib.compress(text.encode(), 1))

    def elements(self, host: Host) -> Iterator[Any]:
        """Yield the elements, for an Interface to their server. No request."""
        cls = class_of(self.plural)
        content = json.loads(zlib.decompress(self.text))
        rows = content['rows']
        for uri, own, above in content['elements']:
            known = {plural: rows[number] for plural, number in above.items()}
            yield cls.element_at(uri, host, rows[own], known)


class Partition:
    """Some elements of a selection: iterating it yields them.

    Pickles are small, and have no password, no token and no cookie. In another process, the
    elements belong to an Interface that the process makes itself, once: one session on the server.

    Parameters
    ----------
    elements : sequence of Element
        Elements of one level.
    recipe : Recipe
        How other processes connect.

    Attributes
    ----------
    packed : Packed
        The elements.
    """

    def __init__(self, elements: Sequence[Any], recipe: Recipe) -> None:
        self._recipe = recipe
        self._host: Host | None = recipe.host
        self.packed = Packed.of(elements)

    def __len__(self) -> int:
        return self.packed.size

    def __iter__(self) -> Iterator[Any]:
        host = self._host if self._host is not None else self._recipe.connect()
        return self.packed.elements(host)

    def __repr__(self) -> str:
        return f'<Partition of {len(self)} {self.packed.plural} on {self._recipe.server}>'

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_host': None}

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Return the identity of its elements. No request."""
        content = hashlib.sha256(self.packed.text).hexdigest()
        return ('pyxnat-partition', *self._recipe.identity, self.packed.plural, content)


class Recipe:
    """How the processes that get partitions connect.

    Parameters
    ----------
    host : Interface
        The Interface of this process.
    connect : callable, optional
        Returns the Interface of another process. Default: one to the same server with the same
        login, whose password the process finds in its environment or ``~/.netrc``.
    """

    def __init__(self, host: Host, connect: Connect | None = None) -> None:
        self.host: Host | None = host
        self.server = host.connection.server
        self.identity = (self.server, host.connection.user)
        self._connect = connect or host.without_secrets()
        try:
            self._key = hashlib.sha256(pickle.dumps(self._connect)).hexdigest()
        except (pickle.PicklingError, AttributeError, TypeError):  # for engines with cloudpickle
            self._key = uuid.uuid4().hex

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, 'host': None}

    def connect(self) -> Host:
        """Return the Interface of this process, the same for all partitions."""
        key = (os.getpid(), self._key)
        with _connecting:
            if key not in _connected:
                _connected[key] = self._connect()
            return _connected[key]


def partitions(
    elements: Iterable[Any], size: int = 200, by: str | None = 'experiment'
) -> Iterator[list[Any]]:
    """Yield elements in groups, in order.

    Parameters
    ----------
    elements : iterable of Element
        The elements.
    size : int
        Largest number of elements in a group.
    by : str, optional
        Level whose elements are not divided, as far as their elements follow each other: a group
        has all scans of an experiment, even if these are more.

    Raises
    ------
    ProgrammingError
        The size is not a positive number, or there is no such level.
    """
    if size < 1:
        raise ProgrammingError(f'size={size!r} is too small', remedy='Give 1 or more.')
    if by is not None and by not in level_names():
        raise ProgrammingError(f'by={by!r} is no level', remedy="Use 'experiment', or None.")
    return _groups(elements, size, by)


def _groups(elements: Iterable[Any], size: int, by: str | None) -> Iterator[list[Any]]:
    numbers = count()
    plural = None if by is None else level(by).plural

    def key(element: Any) -> Any:
        places = (at for at, step in enumerate(element.steps, 1) if step.level == plural)
        above = element.steps[: next(places, 0)]
        return above or next(numbers)

    group: list[Any] = []
    for _, run in groupby(elements, key):
        together = list(run)
        if group and len(group) + len(together) > size:
            yield group
            group = []
        group += together
    if group:
        yield group
