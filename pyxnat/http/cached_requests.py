"""Requests that are answered from the cache if it has a fresh response."""

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
"""Marker: use the expiration of the cache."""

_HIDDEN = frozenset({403, 404})
_SEARCH_HEADERS = {'content-type'}
_NAMED = 3


class CachedRequests:
    """Requests through the cache.

    Parameters
    ----------
    transport : Transport
        Sends the requests that the cache cannot answer.
    cache : Cache
        Stored responses of the login.
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
        """Return the body of a response, cached or new. At most one request.

        Parameters
        ----------
        method : str
            HTTP method, in any case.
        uri : str
            Encoded; below the server's URL.
        body : Body, optional
            Body of the request.
        headers : mapping, optional
            Headers of the request.
        timeout : float or pair, optional
            Seconds, in place of the Interface's timeouts.
        expiration : float or None
            Seconds for which a stored response is used, in place of the cache's.

        Raises
        ------
        OfflineError
            The cache is offline and has no response.
        DatabaseError
            As :meth:`pyxnat.http.transport.Transport.request`. Statuses 403 and 404 are cached
            as well.
        """
        method, uri = method.upper(), self._transport.relative(uri)
        if not _can_be_kept(method, uri, body, headers):
            return self._transport.request(method, uri, body, headers, timeout=timeout).body

        def send() -> Body:
            return Body(self._transport.request(method, uri, body, headers, timeout=timeout).body)

        plain = six.ensure_binary(body) if isinstance(body, (bytes, str)) else b''
        return self._through_cache(method, uri, plain, expiration, send).read()

    def request_long(
        self,
        uri: str,
        method: str = 'GET',
        body: bytes = b'',
        headers: Mapping[str, str] | None = None,
    ) -> Body:
        """Return the body of a response of any length. At most one request.

        The body is downloaded in full before it is used, to disk if it is longer than 1 MiB. So a
        dropped connection or an incomplete body is noticed in time to retry.

        Parameters
        ----------
        uri : str
            Encoded; below the server's URL.
        method : str
            HTTP method.
        body : bytes
            Body of the request.
        headers : mapping, optional
            Headers of the request.

        Raises
        ------
        ConfigurationError
            The response cannot be written to the cache folder.
        DatabaseError
            As for `request`.
        """
        uri = self._transport.relative(uri)

        def send() -> Body:
            return self._download(method, uri, body, headers)

        return (
            self._through_cache(method, uri, body, AS_SET, send)
            if _can_be_kept(method, uri, body, headers)
            else send()
        )

    def _download(
        self, method: str, uri: str, body: bytes, headers: Mapping[str, str] | None
    ) -> Body:
        file: Any = None

        def place(headers: Mapping[str, str]) -> AbstractContextManager[IO[bytes]]:
            nonlocal file
            file = self._cache.put_aside()
            return nullcontext(file)

        try:
            if method == 'GET':
                fetch(self._transport, uri, place, headers=headers)
            else:
                with (
                    self._transport.stream(method, uri, body, headers) as stream,
                    place(stream.headers) as target,
                ):
                    target.writelines(stream)
        except OSError as error:
            if isinstance(error, errors.Error):
                raise  # raised by the transport
            raise errors.ConfigurationError(
                f'A long response cannot be written to {self._cache.folder} ({error}). Free disk '
                'space, or give cachedir='
            ) from error
        if file.tell() > IN_MEMORY:
            return LongBody(file)
        file.seek(0)
        return Body(file.read())

    def _through_cache(
        self, method: str, uri: str, plain: bytes, expiration: Any, send: Callable[[], Body]
    ) -> Body:
        key = key_of(method, uri, plain)
        kept = self._cache.answers.entry(key)
        if kept is not None and self._is_usable(kept[0], expiration):
            return self._from_cache(*kept)
        if self._cache.is_offline:
            raise self._offline(method, uri)
        return self._from_server(key, method, uri, send, kept)

    def _is_usable(self, entry: Entry, expiration: Any) -> bool:
        """Return whether a stored response can be used.

        Online, not before the server has accepted the login: its password may be wrong.
        """
        if self._cache.is_offline:
            return True
        if not self._transport.session.is_accepted:
            return False
        return self._cache.is_fresh(
            entry, self._cache.expiration if expiration is AS_SET else expiration
        )

    def _from_cache(self, entry: Entry, body: Body) -> Body:
        record = Record(entry.method, entry.uri)
        record.status, record.received, record.from_cache = entry.status, body.size, True
        self._transport.note(record)
        if entry.status in _HIDDEN:
            raise errors.from_status(
                entry.status,
                entry.message,
                method=entry.method,
                uri=self._transport.server + entry.uri,
            )
        return body

    def _from_server(
        self,
        key: str,
        method: str,
        uri: str,
        send: Callable[[], Body],
        older: tuple[Entry, Body] | None,
    ) -> Body:
        stamp, sent = self._cache.stamp.read(), Moment.now()
        try:
            body = send()
        except errors.NetworkError as error:
            if self._cache.mode != 'fallback' or older is None:
                raise
            return self._stale(*older, error)
        except errors.DatabaseError as error:
            if error.status in _HIDDEN:
                self._cache.remember(
                    key,
                    Entry(method, uri, error.status, error.message, stamp, sent, Moment.now()),
                    Body(b''),
                )
            raise
        self._cache.remember(key, Entry(method, uri, 200, '', stamp, sent, Moment.now()), body)
        return body

    def _stale(self, entry: Entry, body: Body, error: errors.NetworkError) -> Body:
        age = _in_words(age_s(entry.received, Moment.now()))
        warnings.warn(
            f'{entry.method} {entry.uri}: using the cached response of {age} ago: {error.message}',
            UserWarning,
            stacklevel=2,
        )
        return self._from_cache(entry, body)

    def _offline(self, method: str, uri: str) -> errors.OfflineError:
        stored = list(islice(self._same_level(uri), _NAMED))
        holds = (
            f'It holds, of the same level: {", ".join(stored)}.'
            if stored
            else 'It holds nothing of that level.'
        )
        return errors.OfflineError(
            'the cache is offline and has no response to this request',
            uri=self._transport.server + uri,
            method=method,
            remedy=f'{holds} Send it once while online (interface.prefetch fills the cache), or '
            'set interface.cache.mode to "online".',
        )

    def _same_level(self, uri: str) -> Iterator[str]:
        level = uris.parent(uri.partition('?')[0])
        for entry in self._cache.entries():
            if uris.parent(entry.uri.partition('?')[0]) == level:
                yield entry.uri


def _can_be_kept(method: str, uri: str, body: Any, headers: Mapping[str, str] | None) -> bool:
    if not is_kept(method, uri) or not (body is None or isinstance(body, (bytes, str))):
        return False
    return not headers or _SEARCH_HEADERS.issuperset(map(str.lower, headers))


def _in_words(seconds: float) -> str:
    """Return an age in words.

    >>> _in_words(7300)
    '2 hours'
    """
    for size, unit in ((86400, 'day'), (3600, 'hour'), (60, 'minute')):
        if seconds >= size:
            count = int(min(seconds, 1e9) // size)
            return f'{count} {unit}{"s" if count != 1 else ""}'
    return f'{seconds:.0f} seconds'
