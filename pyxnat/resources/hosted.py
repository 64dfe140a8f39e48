"""Base classes of all objects that make requests through an Interface."""

from __future__ import annotations

from typing import Any

from ..http.client import Connection
from .host import Host

__all__ = ['Hosted', 'Named']


class Hosted:
    """An object that belongs to an Interface.

    Attributes
    ----------
    host : Interface
        The Interface; ``_intf`` in scripts of pyxnat 1.x.
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
    """An object with a URI and a name.

    ``_uri`` and ``_urn`` are the names in scripts of pyxnat 1.x.
    """

    @property
    def uri(self) -> str:
        """The encoded URI, starting with ``/data``."""
        raise NotImplementedError

    @property
    def path_name(self) -> str:
        """The last name in the URI, decoded: an ID or a label."""
        raise NotImplementedError

    @property
    def _uri(self) -> str:
        return self.uri

    @property
    def _urn(self) -> str:
        return self.path_name
