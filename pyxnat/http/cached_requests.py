"""Requests with small answers, answered from the cache where that is as good as asking."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import IO, Any

import six

from .. import errors
from ..cache import IN_MEMORY, Body, Cache, Entry, LongBody, Moment, age_s, is_kept, key_of
from ..model import uris
from . import body as payload
from .download import fetch
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
        body: payload.Body = None,
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
            As :meth:`pyxnat.http.transport.Transport.request`; that there is no such thing, or none to be seen, comes from the cache as well.
        """
        method, uri = method.upper(), self._transport.relative(uri)
        if not _can_be_kept(method, uri, body, headers):
            return self._transport.request(method, uri, body, headers, timeout=timeout).body

        def ask() -> Body:
            return Body(self._transport.request(method, uri, body, headers, timeout=timeout).body)

        plain = six.ensure_binary(body) if isinstance(body, (bytes, str)) else b''
        return self._answer(method, uri, plain, expiration, ask).read()

    def long(self, uri: str, method: str = 'GET', body: bytes = b'', headers: Mapping[str, str] | None = None) -> Body:
        """The body of an answer that may be long, which is brought over before it is read. At most one request.

        It comes over as fast as the network gives it, whatever is done with it; one that is longer than a mebibyte lies on disk. So a connection
        that breaks in the middle, or an answer that is not whole, is known before anything of it is used, and can be asked for again. Errors as
        `request`.

        Raises
        ------
        ConfigurationError
            There is no place for it.
        """
        uri = self._transport.relative(uri)

        def ask() -> Body:
            return self._brought(method, uri, body, headers)

        return self._answer(method, uri, body, AS_SET, ask) if _can_be_kept(method, uri, body, headers) else ask()

    def _brought(self, method: str, uri: str, body: bytes, headers: Mapping[str, str] | None) -> Body:
        file: Any = None

        def place(headers: Mapping[str, str]) -> AbstractContextManager[IO[bytes]]:
            nonlocal file
            file = self._cache.put_aside()
            return nullcontext(file)

        try:
            if method == 'GET':
                fetch(self._transport, uri, place, headers=headers)
            else:
                with self._transport.stream(method, uri, body, headers) as stream, place(stream.headers) as target:
                    target.writelines(stream)
        except OSError as error:
            if isinstance(error, errors.Error):
                raise  # the network's
            what = f'a long answer cannot be put aside in {self._cache.folder} ({error})'
            raise errors.ConfigurationError(f'{what}. Make room, or give cachedir=') from error
        if file.tell() > IN_MEMORY:
            return LongBody(file)
        file.seek(0)
        return Body(file.read())

    def _answer(self, method: str, uri: str, plain: bytes, expiration: Any, ask: Callable[[], Body]) -> Body:
        key = key_of(method, uri, plain)
        kept = self._cache.answers.entry(key)
        if kept is not None and self._may_be_given(kept[0], expiration):
            return self._given(*kept)
        if self._cache.is_offline:
            raise self._offline(method, uri)
        return self._asked(key, method, uri, ask, kept)

    def _may_be_given(self, entry: Entry, expiration: Any) -> bool:
        """Whether an answer stands for a new one. A login that the server has not accepted yet is given nothing: it may be wrong."""
        if self._cache.is_offline:
            return True
        if not self._transport.session.is_accepted:
            return False
        return self._cache.is_fresh(entry, self._cache.expiration if expiration is AS_SET else expiration)

    def _given(self, entry: Entry, body: Body) -> Body:
        record = Record(entry.method, entry.uri)
        record.status, record.received, record.from_cache = entry.status, body.size, True
        self._transport.note(record)
        if entry.status in _HIDDEN:
            raise errors.from_status(entry.status, entry.message, method=entry.method, uri=self._transport.server + entry.uri)
        return body

    def _asked(self, key: str, method: str, uri: str, ask: Callable[[], Body], older: tuple[Entry, Body] | None) -> Body:
        stamp, asked = self._cache.stamp.read(), Moment.now()
        try:
            body = ask()
        except errors.NetworkError as error:
            if self._cache.mode != 'fallback' or older is None:
                raise
            return self._stale(*older, error)
        except errors.DatabaseError as error:
            if error.status in _HIDDEN:
                self._cache.remember(key, Entry(method, uri, error.status, error.message, stamp, asked, Moment.now()), Body(b''))
            raise
        self._cache.remember(key, Entry(method, uri, 200, '', stamp, asked, Moment.now()), body)
        return body

    def _stale(self, entry: Entry, body: Body, error: errors.NetworkError) -> Body:
        age = _in_words(age_s(entry.received, Moment.now()))
        warnings.warn(f'{entry.method} {entry.uri}: answered from the cache, as it was {age} ago, since {error.message}', UserWarning, stacklevel=2)
        return self._given(entry, body)

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
    return not headers or _SEARCH_HEADERS.issuperset(map(str.lower, headers))


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
