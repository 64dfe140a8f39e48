"""One server and one login: all that resources and services need of the network."""

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
from .cached_requests import AS_SET, CachedRequests
from .connection import Stream
from .tracing import Trace
from .transport import Transport

__all__ = ['Connection', 'Execute']

_NO_ROWS = b'{"ResultSet":{"Result":[],"totalRecords":"0"}}'


class Execute(Protocol):
    """Makes a request with a small answer: ``Interface._exec``, which a subclass may replace."""

    def __call__(self, uri: str, method: str = 'GET', body: Any = None, headers: Any = None, **options: Any) -> bytes: ...


class Connection:
    """Requests to one server with one login, answered from the cache where that is as good.

    Parameters
    ----------
    transport : Transport
        Sends what the cache does not answer.
    cache : Cache
        Stored answers and files of the login.
    execute : Execute, optional
        Is asked for every small answer in place of `send`: the `_exec` of a subclass of
        Interface. Long tables then are answers held in memory, too.
    convert_error : callable, optional
        Takes an error of the network and returns the one to raise in its place.

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
        """Whether both have the same server and login."""
        return self.server == other.server and self.user == other.user

    def request(self, uri: str, method: str = 'GET', body: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> bytes:
        """Return the body of a small answer. At most one request.

        Parameters
        ----------
        uri : str
            Encoded; below the server's URL.
        method : str
        body : Body, or dict for GET
            A dict is added to the query.
        headers : dict, optional
        **options
            ``timeout`` and ``expiration``, as `send` takes them.

        Raises
        ------
        DatabaseError
            The status is not 2xx, the answer is an HTML page, or the network failed.
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
        """Make a request as `request` does, whether or not a subclass of Interface replaces that.

        Parameters
        ----------
        uri, method, body, headers
            As `request` takes them.
        timeout : float or pair, optional
            Seconds for this request: for connecting, and between two bytes.
        expiration : float or None, optional
            Seconds for which a stored answer is used; 0 asks the server in any case, None
            takes an answer of any age.
        """
        if method == 'GET' and body is not None:
            uri, body = uris.with_query(uri, body), None
        try:
            answer = self._requests.request(method, uri, body, headers, timeout=timeout, expiration=expiration)
        except errors.NetworkError as error:
            self._raise_converted(error)
            raise
        if method == 'DELETE' and uri.partition('?')[0].endswith('/JSESSION'):
            self.transport.session.forget()
        return answer

    def rows(self, uri: str) -> list[Row]:
        """Return the rows of a listing. At most one request.

        Rows of a listing of files have ``path`` as well, the name below the resource.
        """
        try:
            body = self.request(_as_json(uri))
        except errors.InternalError as error:
            body = self._no_subjects(uri, error)
        rows = parse_result_set(body, self.server + uri)
        return list(map(file_row, rows)) if _lists_files(uri) else rows

    def iter_rows(self, uri: str) -> Iterable[Row]:
        """Return the rows of a listing of any length; they can be iterated again. At most one request."""
        found = self.result_set(uri)
        rows = _FileRows(found) if _lists_files(uri) else found
        return rows if found.is_long else list(rows)

    def result_set(self, uri: str, method: str = 'GET', body: bytes = b'', headers: Mapping[str, str] | None = None) -> ResultSet:
        """Return a table of any length. At most one request.

        A long one lies on disk, is whole before its first row is read, and can be iterated
        again.
        """
        uri = _as_json(uri)
        try:
            answer = self._long_answer(uri, method, body, headers)
        except errors.InternalError as error:
            answer = Body(self._no_subjects(uri, error))
        return ResultSet(answer, self.server + uri, is_long=answer.size > IN_MEMORY)

    def _long_answer(self, uri: str, method: str, body: bytes, headers: Mapping[str, str] | None) -> Body:
        if self._execute is not None:
            return Body(six.ensure_binary(self._execute(uri, method, body or None, headers)))
        try:
            return self._requests.long(uri, method, body, headers)
        except errors.NetworkError as error:
            self._raise_converted(error)
            raise

    def _raise_converted(self, error: errors.NetworkError) -> None:
        """Raise an error of the network as the converter has it, if it is another then."""
        converted = error if self._convert_error is None else self._convert_error(error)
        if converted is not error:
            raise converted from error

    def _no_subjects(self, uri: str, error: errors.InternalError) -> bytes:
        """Return an empty listing in place of a failure, or raise the failure.

        XNAT fails for the subjects of all projects where the login may read those of none
        (measured on 1.8.11). One request for the projects, and one for the subjects of each
        until some may be read; then the failure is another.
        """
        if uri.partition('?')[0] != uris.join(uris.ENTRY, 'subjects'):
            raise error
        for row in self.rows(uris.join(uris.ENTRY, 'projects')):
            try:
                self.request(uris.join(uris.ENTRY, 'projects', uris.quote(row['ID']), 'subjects?columns=ID&format=json'))
            except (errors.NotFoundError, errors.PermissionDenied):
                continue
            raise error
        return _NO_ROWS

    def stream(
        self, method: str, uri: str, body: Sendable = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AbstractContextManager[Stream]:
        """Send a request and give the answer before its body is read; options as :meth:`Transport.stream`."""
        return self.transport.stream(method, uri, body, headers, **options)

    def trace(self, path: str | os.PathLike[str] | None = None) -> AbstractContextManager[Trace]:
        """Record the requests made while a block runs, to a file as well if one is named."""
        return self.transport.trace(path)


class _FileRows:
    """Rows of a long listing of files, with encoded URIs and paths; they can be iterated again."""

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
