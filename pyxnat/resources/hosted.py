"""The base of elements and collections: they belong to an Interface."""

from __future__ import annotations

from typing import Any

from ..http.client import Connection
from .host import Host

__all__ = ['Hosted', 'Named']


class Hosted:
    """Belongs to an Interface.

    Attributes
    ----------
    host : Interface
        The Interface; ``_intf`` for scripts of pyxnat 1.x.
    """

    host: Host

    @property
    def connection(self) -> Connection:
        """The connection of its Interface."""
        return self.host.connection

    @property
    def _intf(self) -> Any:
        return self.host


class Named(Hosted):
    """Has a URI and a name; ``_uri`` and ``_urn`` for scripts of pyxnat 1.x."""

    @property
    def uri(self) -> str:
        """The URI, encoded, from the entry point on."""
        raise NotImplementedError

    @property
    def path_name(self) -> str:
        """Its name in the URI: an ID or a label, decoded."""
        raise NotImplementedError

    @property
    def _uri(self) -> str:
        return self.uri

    @property
    def _urn(self) -> str:
        return self.path_name
