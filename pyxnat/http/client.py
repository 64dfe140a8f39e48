"""Connection: requests to one server with one login, through the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import six

from .. import errors
from ..cache import IN_MEMORY, Body, Cache
from ..model import uris
from ..model.uris import file_row
from ..tables.json_stream import ResultSet, parse_result_set
from ..tables.table import Row
from .body import Body as Sendable
from .body import Payload
from .cached_requests import AS_SET, CachedRequests
from .connection import Stream
from .tracing import Trace
from .transport import Transport

__all__ = ['Connection', 'Execute']

_NO_ROWS = b'{"ResultSet":{"Result":[],"totalRecords":"0"}}'


class Execute(Protocol):
    """Signature of ``Interface._exec``, which a subclass may override."""

    def __call__(
        self, uri: str, method: str = 'GET', body: Any = None, headers: Any = None, **options: Any
    ) -> bytes: ...


class Connection:
    """Requests to one server with one login, with responses from the cache.

    Parameters
    ----------
    transport : Transport
        Sends the requests that the cache cannot answer.
    cache : Cache
        Stored responses and files of the login.
    execute : Execute, optional
        Called for every small response in place of `send`: the `_exec` of a subclass of
        Interface. Long tables are then held in memory, too.
    convert_error : callable, optional
        Takes a network error and returns the one to raise in its place.

    Attributes
    ----------
    server : str
        URL of the server, without a slash at its end.
    """

    def __init__(
        self,
        transport: Transport,
        cache: Cache,
        execute: Execute | None = None,
        convert_error: Callable[[errors.DatabaseError], errors.DatabaseError] | None = None,
    ) -> None:
        self.transport = transport
        self.cache = cache
        self.server = transport.server
        self._requests = CachedRequests(transport, cache)
        self._execute = execute
        self._convert_error = convert_error

    def __repr__(self) -> str:
        return f'<Connection {self.user or "guest"}@{self.server}>'

    @property
    def user(self) -> str:
        """The login; empty for a guest."""
        return self.transport.session.login

    def is_same_as(self, other: Connection) -> bool:
        """Return whether both have the same server and login."""
        return self.server == other.server and self.user == other.user

    def request(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> bytes:
        """Return the body of a small response. At most one request.

        Parameters
        ----------
        uri : str
            Encoded; below the server's URL.
        method : str
            HTTP method.
        body : Body, or dict for GET
            Body of the request; a dict is added to the query.
        headers : mapping, optional
            Headers of the request.
        **options
            ``timeout`` and ``expiration``, as for `send`.

        Raises
        ------
        DatabaseError
            The status is not 2xx, the response is an HTML page, or the network failed.
        """
        return (self._execute or self.send)(uri, method, body, headers, **options)

    def send(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: Any = None,
        expiration: Any = AS_SET,
    ) -> bytes:
        """Send a request as `request` does, ignoring an overridden ``_exec``.

        Parameters
        ----------
        uri, method, body, headers
            As for `request`.
        timeout : float or pair, optional
            Seconds for this request: for connecting, and between two bytes.
        expiration : float or None, optional
            Seconds for which a stored response is used; 0 sends the request in any case, `None`
            accepts a stored response of any age.
        """
        if method == 'GET' and body is not None:
            uri, body = uris.with_query(uri, body), None
        try:
            answer = self._requests.request(
                method, uri, body, headers, timeout=timeout, expiration=expiration
            )
        except errors.NetworkError as error:
            self._raise_converted(error)
            raise
        if method == 'DELETE' and uri.partition('?')[0].endswith('/JSESSION'):
            self.transport.session.forget()
        return answer

    def rows(self, uri: str) -> list[Row]:
        """Return the rows of a listing. At most one request.

        Rows of files have an additional key ``path``, the name below the resource.
        """
        try:
            body = self.request(_as_json(uri))
        except errors.InternalError as error:
            body = self._no_subjects(uri, error)
        rows = parse_result_set(body, self.server + uri)
        return list(map(file_row, rows)) if _lists_files(uri) else rows

    def iter_rows(self, uri: str) -> Iterable[Row]:
        """Return the rows of a listing of any length. At most one request.

        They can be iterated repeatedly.
        """
        table = self.result_set(uri)
        rows = _FileRows(table) if _lists_files(uri) else table
        return rows if table.is_long else list(rows)

    def result_set(
        self,
        uri: str,
        method: str = 'GET',
        body: bytes = b'',
        headers: Mapping[str, str] | None = None,
    ) -> ResultSet:
        """Return a table of any length. At most one request.

        A long table is stored on disk before its first row is read, and can be iterated
        repeatedly.

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
        """
        uri = _as_json(uri)
        try:
            answer = self._long_answer(uri, method, body, headers)
        except errors.InternalError as error:
            answer = Body(self._no_subjects(uri, error))
        return ResultSet(answer, self.server + uri, is_long=answer.size > IN_MEMORY)

    def _long_answer(
        self, uri: str, method: str, body: bytes, headers: Mapping[str, str] | None
    ) -> Body:
        if self._execute is not None:
            return Body(six.ensure_binary(self._execute(uri, method, body or None, headers)))
        try:
            return self._requests.request_long(uri, method, body, headers)
        except errors.NetworkError as error:
            self._raise_converted(error)
            raise

    def _raise_converted(self, error: errors.NetworkError) -> None:
        """Raise the error that the converter returns, if it is another one."""
        converted = error if self._convert_error is None else self._convert_error(error)
        if converted is not error:
            raise converted from error

    def _no_subjects(self, uri: str, error: errors.InternalError) -> bytes:
        """Return an empty listing in place of an error, or raise the error.

        XNAT fails for the subjects of all projects if the login may read none of them (measured on
        1.8.11). One request for the projects, and one for the subjects of each; if one of those
        succeeds, the error has another cause and is raised.
        """
        if uri.partition('?')[0] != uris.join(uris.ENTRY, 'subjects'):
            raise error
        for row in self.rows(uris.join(uris.ENTRY, 'projects')):
            try:
                self.request(
                    uris.join(
                        uris.ENTRY,
                        'projects',
                        uris.quote(row['ID']),
                        'subjects?columns=ID&format=json',
                    )
                )
            except errors.HIDDEN:
                continue
            raise error
        return _NO_ROWS

    def stream(
        self,
        method: str,
        uri: str,
        body: Sendable | Payload = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> AbstractContextManager[Stream]:
        """Send a request and yield the response before its body is read.

        Parameters
        ----------
        method : str
            HTTP method.
        uri : str
            Encoded; below the server's URL.
        body : Body, optional
            Body of the request.
        headers : mapping, optional
            Headers of the request.
        **options
            Other arguments of :meth:`Transport.stream`.
        """
        return self.transport.stream(method, uri, body, headers, **options)

    def trace(self, path: str | os.PathLike[str] | None = None) -> AbstractContextManager[Trace]:
        """Record requests while a block runs, optionally to a file as well."""
        return self.transport.trace(path)


class _FileRows:
    """Rows of a long listing of files, with encoded URIs and ``path``.

    They can be iterated repeatedly.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return map(file_row, self._rows)


def _lists_files(uri: str) -> bool:
    return uri.partition('?')[0].endswith('/files')


def _as_json(uri: str) -> str:
    path, _, query = uri.partition('?')
    if not query:
        return f'{path}?format=json'
    kept = '&'.join([part for part in query.split('&') if part and not part.startswith('format=')])
    return f'{path}?{kept}&format=json' if kept else f'{path}?format=json'
