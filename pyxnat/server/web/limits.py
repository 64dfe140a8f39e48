"""Limits of the HTTP server, for clients that nobody has logged in yet."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['Limits']


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes and times in seconds that the HTTP server allows.

    A client beyond them gets 400, 408, 414 or 431, and its connection is closed.
    """

    request_line: int = 8 * 2**10
    """Longest request line."""
    headers: int = 64 * 2**10
    """Largest block of headers."""
    head_s: float = 20
    """Time for the TLS handshake, request line and headers."""
    idle_s: float = 120
    """Time that a connection is kept between two requests."""
    stall_s: float = 20
    """Time in which `least_rate` is measured while the server waits for a body."""
    least_rate: int = 1024
    """Least bytes per second of a body that the server waits for."""
    unread_s: float = 60
    """Time in which a client must read something of a response."""
    spare_s: float = 1
    """Time after which a stalled client is dropped if its worker is needed for others."""
    discarded: int = 64 * 2**20
    """Bytes of an unread body that are discarded, so that the client can read the response."""
    linger_s: float = 30
    """Time in which they are discarded."""
    connections: int = 1000
    """Connections at a time, at most half of the file descriptors of the process; beyond them, the
    one that has waited longest is closed."""
    entries: int = 100_000
    """Entries of an uploaded archive."""
    workers: int = 16
    """Worker threads."""
    most_workers: int = 128
    """Worker threads if some of them wait for their clients."""
