"""The schema documents of a server: ``interface.manage.schemas``."""

from __future__ import annotations

import json
from typing import Any

from ... import errors
from ...model import uris
from ...model.schemas import Registry
from ...resources.host import Host

__all__ = ['Schemas']

_XAPI = '/xapi/schemas'


class Schemas:
    """XSD documents, which say what types and fields a server has. Calling it lists those that were added here.

    Nothing is fetched by itself: `add` fetches, `inspect.schemas` reads what was added.

    Examples
    --------
    ::

        interface.manage.schemas.add('xnat')
        interface.inspect.schemas.look_for('gender', 'xnat:subjectData')
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self._documents: dict[str, bytes] = {}
        self._registry: Registry | None = None
        self._served: tuple[Registry | None] | None = None

    def __repr__(self) -> str:
        return f'<Schemas {", ".join(self._documents) or "(none added)"}>'

    def __call__(self) -> list[str]:
        """Names of the documents that were added, in that order. No request."""
        return list(self._documents)

    def available(self) -> list[str]:
        """Names of the documents that the server has (``xnat``, ``birn/birnprov``). One request.

        Raises
        ------
        NotSupportedError
            The server is older than XNAT 1.7, and cannot list them.
        """
        try:
            return [str(name) for name in json.loads(self._host.connection.request(_XAPI))]
        except (errors.NotFoundError, errors.UnexpectedAnswer, ValueError) as error:
            uri = self._host.connection.server + _XAPI
            raise errors.NotSupportedError('the server does not list its schemas', uri=uri, remedy="Add them by name: add('xnat').") from error

    def add(self, url: str | None = None) -> list[str]:
        """Fetch a document, or all that the server has.

        Parameters
        ----------
        url : str, optional
            A name as `available` gives it (``xnat``), or a path below ``/schemas`` (``xnat/xnat.xsd``); without it, all of them.

        Returns
        -------
        list of str
            Names of the documents added.

        Raises
        ------
        NotFoundError
            The server has no such document.
        DataError
            What it answers with is no schema; nothing is added.

        Notes
        -----
        One request for each document, and one for the list of all. Where a server has no ``/xapi`` (before XNAT 1.7), one more for each.
        """
        names = self.available() if url is None else [_name(url)]
        fetched = {name: self._fetch(name) for name in names}
        documents = {**self._documents, **fetched}
        try:
            registry = Registry(documents.values())
        except ValueError as error:
            raise errors.DataError(
                f'not a schema: {error}', uri=self._host.connection.server + _XAPI, remedy='Add those that are, by name.'
            ) from error
        self._documents, self._registry = documents, registry
        return names

    def remove(self, name: str) -> None:
        """Forget a document. No request.

        Raises
        ------
        NotFoundError
            It was not added.
        """
        if _name(name) not in self._documents:
            raise errors.NotFoundError(f'no schema {name!r} was added', remedy=f'There are: {", ".join(self._documents) or "none"}.')
        del self._documents[_name(name)]
        self._registry = None

    @property
    def registry(self) -> Registry:
        """The types and fields of the documents that were added. No request."""
        if self._registry is None:
            self._registry = Registry(self._documents.values())
        return self._registry

    def served(self) -> Registry | None:
        """The types and fields of the server; None where it does not give them. One request for each document, once for a login."""
        if self._served is None:
            try:
                names = self.available()
                self._served = (Registry([self._fetch(name) for name in names]),)
            except (errors.DatabaseError, ValueError):  # not all logins may read them, and fields can be set without
                self._served = (None,)
        return self._served[0]

    def _fetch(self, name: str) -> bytes:
        try:
            return self._document(uris.join(_XAPI, uris.quote_path(name)))
        except (errors.NotFoundError, errors.UnexpectedAnswer):
            folder = name.partition('/')[0]
            return self._document(uris.join('/schemas', uris.quote(folder), f'{uris.quote(name.rpartition("/")[2])}.xsd'))

    def _document(self, uri: str) -> bytes:
        document: Any = self._host.connection.request(uri)
        return bytes(document)


def _name(url: str) -> str:
    """The name of a document, however it is addressed.

    >>> _name('https://x.org/schemas/xnat/xnat.xsd'), _name('xnat.xsd'), _name('birn/birnprov.xsd'), _name('xnat')
    ('xnat', 'xnat', 'birn/birnprov', 'xnat')
    """
    path = url.rpartition('/schemas/')[2].strip('/').removeprefix('schemas/').removesuffix('.xsd')
    folder, _, name = path.rpartition('/')
    return name if folder in ('', name) else path
