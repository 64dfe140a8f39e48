"""What is managed rather than selected: ``interface.manage``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...resources.host import Host
from .imports import Importer
from .prearchive import Prearchive
from .saved_searches import SearchManager
from .schemas import Schemas
from .tags import Tags
from .tokens import Tokens
from .users import Users

__all__ = ['Callback', 'Manager']

Callback = Callable[[Any, Any], Any]
"""Called with a collection and each element that iterating it finds."""


class Manager:
    """Management of one archive.

    Attributes
    ----------
    callback : callable or None
        What is called for each element that iterating a collection finds.
    import_dicom : Importer
        Sends DICOM files: ``manage.import_dicom('/scanner/monday', project='P')``.
    prearchive : Prearchive
        Sessions that were received and not archived yet.
    schemas : Schemas
        Documents that say what types and fields the server has.
    search : SearchManager
        Searches and templates of searches that are kept on the server.
    tags : Tags
        Named sets of elements.
    tokens : Tokens
        Aliases that stand for this login for a while.
    users : Users
        The users of the server.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.callback: Callback | None = None
        self.import_dicom = Importer(interface)
        self.prearchive = Prearchive(interface)
        self.schemas = Schemas(interface)
        self.search = SearchManager(interface)
        self.tags = Tags(interface)
        self.tokens = Tokens(interface)
        self.users = Users(interface)

    def __repr__(self) -> str:
        return f'<Manager of {self._host.connection.server}>'

    def register_callback(self, callback: Callback) -> None:
        """Have a function called with the collection and each element that iterating it finds; it takes the place of an earlier one.

        What the function raises ends the iteration.
        """
        self.callback = callback

    def unregister_callback(self) -> None:
        """Have nothing called any more."""
        self.callback = None

    def project(self, ID: str) -> Any:  # noqa: N803 - XNAT's word
        """A project, with its users, settings and accessibility. No request."""
        return self._host.select.project(ID)
