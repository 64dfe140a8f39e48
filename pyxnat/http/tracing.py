"""Records of requests, and traces that collect them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import IO, Any

from ..errors import without_secrets

__all__ = ['Record', 'Trace']


class Record:
    """A record of one request.

    Attributes
    ----------
    method, uri : str
        Method and URI, without the server.
    status : int or None
        Status of the response; `None` if the request failed without one.
    sent, received : int
        Bytes of the bodies.
    ms : float
        Milliseconds from sending the request to the end of the response body.
    attempt : int
        1, or more for a retry.
    from_cache : bool
        Whether the response came from the cache.
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
        """Return the attributes, for JSON."""
        return {**vars(self), 'ms': round(self.ms, 3)}

    def __str__(self) -> str:
        retry = f' attempt {self.attempt}' if self.attempt > 1 else ''
        source = 'from cache' if self.from_cache else f'{self.ms:.0f} ms{retry}'
        return (
            f'{self.method} {self.uri} {self.status or "no answer"} sent={self.sent} '
            f'received={self.received} {source}'
        )


class Trace:
    """Requests recorded during a block, in the order in which they ended.

    ``str`` returns them as a table. Iteration and the counts exclude responses from the cache.

    Parameters
    ----------
    file : text file, optional
        Receives a line of JSON for each request.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        """Add a record."""
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
        """Records of responses from the cache."""
        return [record for record in self._all() if record.from_cache]

    @property
    def requests(self) -> int:
        """Number of requests sent to the server, retries included."""
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
            lines.append(
                f'{r.method:7}{r.status or "-":>7}{r.sent:>12}{r.received:>12}{took:>11}  {r.uri}'
            )
        lines.append(
            f'{self.requests} requests, {self.bytes_sent} bytes sent, {self.bytes_received} bytes '
            'received'
        )
        return '\n'.join(lines)
