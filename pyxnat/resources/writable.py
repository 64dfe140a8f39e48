"""An element as the modules that read and write its fields see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

from ..http.client import Connection
from ..model.levels import Level
from ..tables.table import Row
from .host import Host

__all__ = ['Writable']


class Writable(Protocol):
    """The part of :class:`pyxnat.resources.Element` that its fields need.

    `Element` itself holds an `Attributes`, so that module cannot import it.
    """

    level: ClassVar[Level]
    host: Host
    row: Row
    listed: Any
    attrs: Any

    @property
    def connection(self) -> Connection: ...
    @property
    def uri(self) -> str: ...
    @property
    def path_name(self) -> str: ...
    def datatype(self) -> str: ...
    def get(self) -> bytes: ...
    def listing_uri(self) -> str: ...
    def exact_uri(self) -> str: ...
    def writing_uri(self) -> str: ...
    def require_row(self, rows: Iterable[Row]) -> Row: ...
    def match_row(self, rows: Iterable[Row]) -> Row | None: ...
    def check_owner(self, move: bool = False, fresh: bool = False) -> bool | None: ...
    def put_document(self, document: bytes, query: Mapping[str, Any]) -> bytes: ...
