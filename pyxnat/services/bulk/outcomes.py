"""Outcomes of a function mapped over any number of elements, in a temporary file."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast, overload

from ...resources.host import Host
from .map_log import MapLog
from .mapping import Mapped, Outcome
from .partitions import Packed

__all__ = ['NOT_SENDABLE', 'EngineMapped', 'Recorded']

NOT_SENDABLE = (pickle.PickleError, AttributeError, TypeError, ImportError)
"""Errors of a function or result that cannot be sent, or not be loaded."""


class Recorded(NamedTuple):
    """An outcome, without its element."""

    result: Any
    error: BaseException | None
    is_earlier: bool = False


class _Store:
    """Outcomes of many elements, in a temporary file: a row for each partition."""

    def __init__(self) -> None:
        import sqlite3

        # An empty name is a file that SQLite deletes itself.
        self._db = sqlite3.connect('', check_same_thread=False, isolation_level=None)
        self._db.execute('CREATE TABLE part (start INTEGER PRIMARY KEY, part BLOB, outcomes BLOB)')
        self._db.execute('CREATE TABLE earlier (uri TEXT PRIMARY KEY, result BLOB) WITHOUT ROWID')
        self._in_memory: dict[int, list[Recorded]] = {}
        weakref.finalize(self, self._db.close)

    def add_earlier(self, successes: Iterable[tuple[str, Any]]) -> None:
        """Store URI and result of elements that succeeded in an earlier run."""
        self._db.execute('BEGIN')
        self._db.executemany(
            'INSERT OR REPLACE INTO earlier VALUES (?, ?)',
            ((uri, pickle.dumps(result)) for uri, result in successes),
        )
        self._db.execute('COMMIT')

    def earlier(self, uri: str) -> Recorded | None:
        """Return the outcome of an element that succeeded in an earlier run."""
        row = self._db.execute('SELECT result FROM earlier WHERE uri = ?', [uri]).fetchone()
        return None if row is None else Recorded(pickle.loads(row[0]), None, True)

    def add(self, start: int, part: Packed, outcomes: list[Recorded]) -> None:
        """Store the outcomes of a partition.

        Parameters
        ----------
        start : int
            Number of its first element.
        part : Packed
            Its elements.
        outcomes : list of Recorded
            One for each.
        """
        try:
            kept = pickle.dumps(outcomes)
        except NOT_SENDABLE:  # results of threads, which need not be sent
            self._in_memory[start] = outcomes
            kept = b''
        self._db.execute('INSERT INTO part VALUES (?, ?, ?)', (start, pickle.dumps(part), kept))

    def parts(self, first: int) -> Iterator[tuple[int, Packed, list[Recorded]]]:
        """Yield first number, partition and outcomes, from those of an element on."""
        rows = self._db.execute(
            'SELECT start, part, outcomes FROM part WHERE start >= '
            '(SELECT max(start) FROM part WHERE start <= ?) ORDER BY start',
            [first],
        )
        for start, part, kept in rows:
            outcomes = pickle.loads(kept) if kept else self._in_memory[start]
            yield start, pickle.loads(part), outcomes


class _Outcomes(Sequence[Outcome]):
    """Outcomes in the order of the elements, read from the store."""

    def __init__(self, store: _Store, host: Host) -> None:
        self._store, self._host = store, host
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Outcome]:
        return self._from(0)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self.size))]
        return next(self._from(range(self.size)[index]))

    def _from(self, first: int) -> Iterator[Outcome]:
        for start, part, outcomes in self._store.parts(first):
            pairs = zip(part.elements(self._host), outcomes, strict=True)
            for number, (element, outcome) in enumerate(pairs, start):
                if number >= first:
                    yield Outcome(element, *outcome)


class _Chosen(Sequence[str]):
    """URIs of the elements with some kind of outcome, counted and not held."""

    def __init__(self, outcomes: _Outcomes, is_earlier: bool) -> None:
        self._outcomes, self._is_earlier = outcomes, is_earlier
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[str]:
        for outcome in self._outcomes:
            if outcome.ok and outcome.is_earlier == self._is_earlier:
                yield outcome.element.uri

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return list(self)[index]


class EngineMapped(Mapped):
    """Report of a map with an executor.

    Its outcomes are in a temporary file, so it needs little memory for any number of elements.
    """

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._store = _Store()
        self._outcomes = _Outcomes(self._store, host)
        self._done = _Chosen(self._outcomes, False)
        self._earlier = _Chosen(self._outcomes, True)
        self.outcomes = cast('list[Outcome]', self._outcomes)
        self.ok = cast('list[str]', self._done)
        self.skipped = cast('list[str]', self._earlier)

    def read_log(self, log: MapLog) -> None:
        """Read the successes of earlier runs."""
        self._store.add_earlier(log.successes())

    def earlier(self, uri: str) -> Recorded | None:
        """Return the outcome of an element that succeeded in an earlier run."""
        return self._store.earlier(uri)

    def add_part(
        self, start: int, part: Packed, uris: Sequence[str], outcomes: list[Recorded]
    ) -> None:
        """Record the outcomes of a partition.

        Parameters
        ----------
        start : int
            Number of its first element.
        part : Packed
            Its elements.
        uris : sequence of str
            Their URIs.
        outcomes : list of Recorded
            One for each.
        """
        self._store.add(start, part, outcomes)
        self._outcomes.size += len(outcomes)
        for uri, outcome in zip(uris, outcomes, strict=True):
            if outcome.error is not None:
                self.add_failure(uri, outcome.error)
            elif outcome.is_earlier:
                self._earlier.size += 1
            else:
                self._done.size += 1
