"""What was asked of the server: records of requests and the table of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

__all__ = ['Record', 'Trace']


class Record:
    """One request that went to the network.

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
    """

    def __init__(self, method: str, uri: str, attempt: int = 1) -> None:
        self.method = method
        self.uri = uri
        self.attempt = attempt
        self.status: int | None = None
        self.sent = 0
        self.received = 0
        self.ms = 0.0

    def __repr__(self) -> str:
        return f'<Record {self}>'

    def __str__(self) -> str:
        again = f' attempt {self.attempt}' if self.attempt > 1 else ''
        return f'{self.method} {self.uri} {self.status or "no answer"} sent={self.sent} received={self.received} {self.ms:.0f} ms{again}'


class Trace:
    """The requests made while it was on, in the order in which they ended. ``str`` gives them as a table."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        """Take one more record."""
        with self._lock:
            self._records.append(record)

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    @property
    def requests(self) -> int:
        """How many requests went to the network, repeats included."""
        return len(self._records)

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
        lines = [f'{"method":7}{"status":>7}{"sent":>12}{"received":>12}{"ms":>8}  uri']
        lines += [f'{r.method:7}{r.status or "-":>7}{r.sent:>12}{r.received:>12}{r.ms:>8.0f}  {r.uri}' for r in self]
        lines.append(f'{self.requests} requests, {self.bytes_sent} bytes sent, {self.bytes_received} bytes received')
        return '\n'.join(lines)
