"""What was asked of the server: records of requests and the table of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import IO, Any

from ..errors import without_secrets

__all__ = ['Record', 'Trace']


class Record:
    """One request.

    Attributes
    ----------
    method, uri : str
        What was asked; the URI without server.
    status : int or None
        Of the answer; `None` where none came.
    sent, received : int
        Bytes of the bodies.
    ms : float
        Milliseconds from the first byte out to the end of the body.
    attempt : int
        1, or more for a repeat.
    from_cache : bool
        Whether nothing went to the network.
    """

    def __init__(self, method: str, uri: str, attempt: int = 1) -> None:
        self.method = method
        self.uri = without_secrets(uri)
        self.attempt = attempt
        self.status: int | None = None
        self.sent = 0
        self.received = 0
        self.ms = 0.0
        self.from_cache = False

    def __repr__(self) -> str:
        return f'<Record {self}>'

    def as_dict(self) -> dict[str, Any]:
        """Its attributes, for JSON."""
        return {**vars(self), 'ms': round(self.ms, 3)}

    def __str__(self) -> str:
        again = f' attempt {self.attempt}' if self.attempt > 1 else ''
        source = 'from cache' if self.from_cache else f'{self.ms:.0f} ms{again}'
        return f'{self.method} {self.uri} {self.status or "no answer"} sent={self.sent} received={self.received} {source}'


class Trace:
    """The requests made while it was on, in the order in which they ended. ``str`` gives them as a table.

    Parameters
    ----------
    file : text file, optional
        Gets a line of JSON for each.

    Notes
    -----
    Iterating, and the numbers, leave out what was answered from the cache.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        """Take one more record."""
        with self._lock:
            self._records.append(record)
            if self._file is not None:
                self._file.write(json.dumps(record.as_dict()) + '\n')

    def _all(self) -> list[Record]:
        with self._lock:
            return list(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter([record for record in self._all() if not record.from_cache])

    def __len__(self) -> int:
        return self.requests

    @property
    def from_cache(self) -> list[Record]:
        """What was answered from the cache."""
        return [record for record in self._all() if record.from_cache]

    @property
    def requests(self) -> int:
        """How many requests went to the network, repeats included."""
        return sum(1 for _ in self)

    @property
    def bytes_sent(self) -> int:
        """Bytes of all bodies sent."""
        return sum(record.sent for record in self)

    @property
    def bytes_received(self) -> int:
        """Bytes of all bodies received."""
        return sum(record.received for record in self)

    def __repr__(self) -> str:
        return f'<Trace of {self.requests} requests>'

    def __str__(self) -> str:
        lines = [f'{"method":7}{"status":>7}{"sent":>12}{"received":>12}{"ms":>11}  uri']
        for r in self._all():
            took = 'from cache' if r.from_cache else f'{r.ms:.0f}'
            lines.append(f'{r.method:7}{r.status or "-":>7}{r.sent:>12}{r.received:>12}{took:>11}  {r.uri}')
        lines.append(f'{self.requests} requests, {self.bytes_sent} bytes sent, {self.bytes_received} bytes received')
        return '\n'.join(lines)
