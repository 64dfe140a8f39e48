"""Schema documents of a server: ``interface.manage.schemas``."""

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
    """XSD documents that declare types and fields.

    `add` fetches them, `inspect.schemas` reads them. Calling it lists the added ones.

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
        """Return the names of the documents, in order of adding. No request."""
        return list(self._documents)

    def available(self) -> list[str]:
        """Return the names of the server's documents. One request.

        Names are such as ``xnat`` and ``birn/birnprov``.

        Raises
        ------
        NotSupportedError
            If the server is older than XNAT 1.7, which cannot list them.
        """
        return self._listed(_XAPI, 'schemas', "Add them by name: add('xnat').")

    def datatypes(self) -> list[str]:
        """Return the names of all data types of the server. One request.

        `interface.inspect.datatypes` has those alone that this login can search.

        Raises
        ------
        NotSupportedError
            If the server is older than XNAT 1.7, which cannot list them.
        """
        remedy = 'Ask for those that can be searched: inspect.datatypes().'
        return self._listed(f'{_XAPI}/datatypes', 'data types', remedy)

    def _listed(self, uri: str, words: str, remedy: str) -> list[str]:
        try:
            return [str(name) for name in json.loads(self._host.connection.request(uri))]
        except (errors.NotFoundError, errors.UnexpectedAnswer, ValueError) as error:
            raise errors.NotSupportedError(
                f'the server does not list its {words}',
                uri=self._host.connection.server + uri,
                remedy=remedy,
            ) from error

    def add(self, url: str | None = None) -> list[str]:
        """Fetch a document, or all documents of the server.

        Parameters
        ----------
        url : str, optional
            A name as `available` returns it (``xnat``), or a path below ``/schemas``
            (``xnat/xnat.xsd``). Default: all documents.

        Returns
        -------
        list of str
            Names of the documents added.

        Raises
        ------
        NotFoundError
            If the server has no such document.
        DataError
            If the response is not a schema; nothing is added.

        Notes
        -----
        One request per document, and one for the list if `url` is not given. One more per document
        on a server without ``/xapi`` (before XNAT 1.7).
        """
        names = self.available() if url is None else [_name(url)]
        fetched = {name: self._fetch(name) for name in names}
        documents = {**self._documents, **fetched}
        try:
            registry = Registry(documents.values())
        except ValueError as error:
            raise errors.DataError(
                f'not a schema: {error}',
                uri=self._host.connection.server + _XAPI,
                remedy='Add valid documents by name.',
            ) from error
        self._documents, self._registry = documents, registry
        return names

    def remove(self, name: str) -> None:
        """Remove an added document. No request.

        Raises
        ------
        NotFoundError
            If it was not added.
        """
        if _name(name) not in self._documents:
            raise errors.NotFoundError(
                f'no schema {name!r} was added',
                remedy=f'There are: {", ".join(self._documents) or "none"}.',
            )
        del self._documents[_name(name)]
        self._registry = None

    @property
    def registry(self) -> Registry:
        """Types and fields of the added documents. No request."""
        if self._registry is None:
            self._registry = Registry(self._documents.values())
        return self._registry

    def served(self) -> Registry | None:
        """Return the types and fields of the server, `None` if it hides them.

        `None` offline, too, if they are not in the cache. One request for the list and one per
        document, once per Interface.
        """
        if self._served is None:
            try:
                names = self.available()
                self._served = (Registry([self._fetch(name) for name in names]),)
            except errors.OfflineError:  # they are not in the cache
                return None
            except (*errors.REFUSED, *errors.HIDDEN, ValueError):
                self._served = (None,)
        return self._served[0]

    def _fetch(self, name: str) -> bytes:
        try:
            return self._document(uris.join(_XAPI, uris.quote_path(name)))
        except (errors.NotFoundError, errors.UnexpectedAnswer):
            folder = name.partition('/')[0]
            return self._document(
                uris.join(
                    '/schemas', uris.quote(folder), f'{uris.quote(name.rpartition("/")[2])}.xsd'
                )
            )

    def _document(self, uri: str) -> bytes:
        document: Any = self._host.connection.request(uri)
        return bytes(document)


def _name(url: str) -> str:
    """Return the name of a document from a name, path or URL.

    >>> _name('https://x.org/schemas/xnat/xnat.xsd'), _name('xnat.xsd'), _name('xnat')
    ('xnat', 'xnat', 'xnat')
    >>> _name('birn/birnprov.xsd')
    'birn/birnprov'
    """
    path = url.rpartition('/schemas/')[2].strip('/').removeprefix('schemas/').removesuffix('.xsd')
    folder, _, name = path.rpartition('/')
    return name if folder in ('', name) else path
