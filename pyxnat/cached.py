"""Requests with small answers, answered from the cache where that is as good as asking."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import six

from . import errors, uris
from .cache import Cache, Entry, Moment, age_s, is_kept, key_of
from .payload import Body
from .tracing import Record
from .transport import Transport

__all__ = ['AS_SET', 'CachedRequests']

log = logging.getLogger('pyxnat.cache')

AS_SET: Any = object()
"""The expiration of the cache itself."""

_HIDDEN = frozenset({403, 404})
_SEARCH_HEADERS = {'content-type'}
_NAMED = 3


class CachedRequests:
    """Asks the transport, or the cache in its place.

    Parameters
    ----------
    transport : Transport
    cache : Cache
    """

    def __init__(self, transport: Transport, cache: Cache) -> None:
        self._transport = transport
        self._cache = cache

    def request(
        self,
        method: str,
        uri: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: Any = None,
        expiration: Any = AS_SET,
    ) -> bytes:
        """The body of an answer: of a fresh one in the cache, or of the server's. At most one request.

        Parameters
        ----------
        expiration : float or None
            Seconds, in place of the cache's.

        Raises
        ------
        OfflineError
            The cache is offline and has no answer.
        DatabaseError
            As :meth:`pyxnat.transport.Transport.request`; that there is no such thing, or none to be seen, comes from the cache as well.
        """
        method, uri = method.upper(), self._transport.relative(uri)
        if not _can_be_kept(method, uri, body, headers):
            return self._transport.request(method, uri, body, headers, timeout=timeout).body
        plain = six.ensure_binary(body) if isinstance(body, (bytes, str)) else b''
        key = key_of(method, uri, plain)
        entry = self._cache.answers.entry(key)
        if entry is not None and self._may_be_given(entry, expiration):
            return self._given(entry)
        if self._cache.is_offline:
            raise self._offline(method, uri)
        return self._asked(key, method, uri, plain or None, headers, timeout, entry)

    def _may_be_given(self, entry: Entry, expiration: Any) -> bool:
        """Whether an answer stands for a new one. A login that the server has not accepted yet is given nothing: it may be wrong."""
        if self._cache.is_offline:
            return True
        if not self._transport.session.is_accepted:
            return False
        return self._cache.is_fresh(entry, self._cache.expiration if expiration is AS_SET else expiration)

    def _given(self, entry: Entry) -> bytes:
        record = Record(entry.method, entry.uri)
        record.status, record.received, record.from_cache = entry.status, len(entry.body), True
        self._transport.note(record)
        if entry.status in _HIDDEN:
            raise errors.from_status(entry.status, entry.message, method=entry.method, uri=self._transport.server + entry.uri)
        return entry.body

    def _asked(self, key: str, method: str, uri: str, body: Body, headers: Any, timeout: Any, older: Entry | None) -> bytes:
        stamp, asked = self._cache.stamp.read(), Moment.now()
        try:
            answer = self._transport.request(method, uri, body, headers, timeout=timeout).body
        except errors.NetworkError as error:
            if self._cache.mode != 'fallback' or older is None:
                raise
            return self._stale(older, error)
        except errors.DatabaseError as error:
            if error.status in _HIDDEN:
                self._cache.remember(key, Entry(method, uri, error.status, error.message, stamp, asked, Moment.now(), b''))
            raise
        self._cache.remember(key, Entry(method, uri, 200, '', stamp, asked, Moment.now(), answer))
        return answer

    def _stale(self, entry: Entry, error: errors.NetworkError) -> bytes:
        age = _in_words(age_s(entry.received, Moment.now()))
        warnings.warn(f'{entry.method} {entry.uri}: answered from the cache, as it was {age} ago, since {error.message}', UserWarning, stacklevel=2)
        return self._given(entry)

    def _offline(self, method: str, uri: str) -> errors.OfflineError:
        beside = list(islice(self._beside(uri), _NAMED))
        there = f'It holds, of the same level: {", ".join(beside)}.' if beside else 'It holds nothing of that level.'
        return errors.OfflineError(
            'this was not asked before, and the cache is offline',
            uri=self._transport.server + uri,
            method=method,
            remedy=f'{there} Ask once while online (interface.prefetch fills the cache), or set interface.cache.mode to "online".',
        )

    def _beside(self, uri: str) -> Iterator[str]:
        level = uris.parent(uri.partition('?')[0])
        for entry in self._cache.entries():
            if uris.parent(entry.uri.partition('?')[0]) == level:
                yield entry.uri


def _can_be_kept(method: str, uri: str, body: Any, headers: Mapping[str, str] | None) -> bool:
    if not is_kept(method, uri) or not (body is None or isinstance(body, (bytes, str))):
        return False
    return not {name.lower() for name in headers or {}} - _SEARCH_HEADERS


def _in_words(seconds: float) -> str:
    """An age as people say it.

    >>> _in_words(7300)
    '2 hours'
    """
    for size, unit in ((86400, 'day'), (3600, 'hour'), (60, 'minute')):
        if seconds >= size:
            count = int(min(seconds, 1e9) // size)
            return f'{count} {unit}{"s" if count != 1 else ""}'
    return f'{seconds:.0f} seconds'
