"""Listings of one walk, fetched by several threads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..cache import Entry
from ..resources.host import Host
from ..tables.table import Row

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ['Listings', 'PendingListing']


class PendingListing:
    """A listing that is fetched by a thread, or when its rows are taken.

    Attributes
    ----------
    requested : Entry
        Time before the request, as the cache records it.
    """

    def __init__(
        self, interface: Host, uri: str, requested: Entry, pool: ThreadPoolExecutor | None
    ) -> None:
        self._host, self._uri, self.requested = interface, uri, requested
        self._future: Future[Iterable[Row]] | None = (
            pool.submit(interface.connection.iter_rows, uri) if pool else None
        )
        self._rows: Iterable[Row] | None = None

    def rows(self) -> Iterable[Row]:
        """Return the rows, waiting for the thread or making the request."""
        if self._rows is None:
            self._rows = (
                self._future.result()
                if self._future
                else self._host.connection.iter_rows(self._uri)
            )
        return self._rows


class Listings:
    """Listings of one walk, fetched by several threads.

    Routes with common first levels share their listings.

    Parameters
    ----------
    interface : Host
        Interface of the server.
    jobs : int
        Number of threads.
    keep : bool
        Whether listings, except those of files, are kept for further routes.
    """

    def __init__(self, interface: Host, jobs: int, keep: bool) -> None:
        self._host = interface
        self.jobs = jobs
        self._keep = keep
        self._shared: dict[str, PendingListing] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Listings:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def prefetch(self, uris: Iterable[str]) -> None:
        """Fetch the first listings of several routes in parallel."""
        distinct, now = dict.fromkeys(uris), self._host.cache.moment()
        if len(distinct) > 1:
            self._shared.update({uri: self._new(uri, now, at_once=True) for uri in distinct})

    def get(self, uri: str, now: Entry, at_once: bool = False) -> PendingListing:
        """Return a listing, a shared one if there is one.

        Parameters
        ----------
        uri : str
            URI of the listing.
        now : Entry
            The current time, as the cache records it.
        at_once : bool
            Whether another thread fetches it now, instead of the caller when rows are taken.
        """
        listing = self._shared.pop(uri, None) or self._new(uri, now, at_once)
        if self._keep and not uri.endswith('/files'):
            self._shared[uri] = listing
        return listing

    def _new(self, uri: str, now: Entry, at_once: bool) -> PendingListing:
        if self._pool is None and at_once:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self.jobs, 'pyxnat-walk')
        return PendingListing(self._host, uri, now, self._pool if at_once else None)
