"""Users, tokens, tags, searches, schemas, imports: ``interface.manage``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...resources.host import Host
from ..deferred import service

if TYPE_CHECKING:
    from .forms import Forms
    from .imports import Importer
    from .prearchive import Prearchive
    from .saved_searches import SearchManager
    from .schemas import Schemas
    from .tags import Tags
    from .tokens import Tokens
    from .users import Users

__all__ = ['Callback', 'Manager']

Callback = Callable[[Any, Any], Any]
"""Called with a collection and each element that iterating over it yields."""


class Manager:
    """Management of one archive.

    Attributes
    ----------
    callback : callable or None
        Called for each element that iterating over a collection yields.
    forms : Forms
        Custom forms of the server, whose fields are columns: ``manage.forms('P')``.
    import_dicom : Importer
        Sends DICOM files: ``manage.import_dicom('/scanner/monday', project='P')``.
    prearchive : Prearchive
        Sessions received and not archived yet.
    schemas : Schemas
        XSD documents that declare the types and fields of the server.
    search : SearchManager
        Searches and search templates saved on the server.
    tags : Tags
        Named sets of elements.
    tokens : Tokens
        Alias tokens, which expire.
    users : Users
        The users of the server.
    """

    forms: Forms = service('services.manage.forms.Forms', host='_host')
    import_dicom: Importer = service('services.manage.imports.Importer', host='_host')
    prearchive: Prearchive = service('services.manage.prearchive.Prearchive', host='_host')
    schemas: Schemas = service('services.manage.schemas.Schemas', host='_host')
    search: SearchManager = service('services.manage.saved_searches.SearchManager', host='_host')
    tags: Tags = service('services.manage.tags.Tags', host='_host')
    tokens: Tokens = service('services.manage.tokens.Tokens', host='_host')
    users: Users = service('services.manage.users.Users', host='_host')

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.callback: Callback | None = None

    def __repr__(self) -> str:
        return f'<Manager of {self._host.connection.server}>'

    def register_callback(self, func: Callback) -> None:
        """Call a function for each element that a collection yields.

        It is called with the collection and the element, and replaces an earlier callback. An
        exception that it raises ends the iteration.
        """
        self.callback = func

    def unregister_callback(self) -> None:
        """Remove the callback."""
        self.callback = None

    def project(self, project_id: str) -> Any:
        """Return a project by its ID. No request."""
        return self._host.select.project(project_id)
