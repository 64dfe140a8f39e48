"""An element as the modules that create it, and read and write its fields, see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from ..http.client import Connection
from ..model.levels import Level
from ..query.paths import Path
from ..tables.table import Row
from .host import Host

__all__ = ['Writable']


class Writable(Protocol):
    """The part of :class:`pyxnat.resources.Element` that those modules need.

    `Element` imports them, so they cannot import it.
    """

    level: ClassVar[Level]
    steps: Path
    host: Host
    row: Row
    listed: Any

    @property
    def attrs(self) -> Any: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def uri(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def path_name(self) -> str: ...
    def exists(self, consistent: bool = False) -> bool: ...
    def parent_on_path(self) -> Writable | None: ...
    def create_with_parents(
        self,
        types: dict[str, str],
        fields: dict[str, Any],
        document: bytes | None = None,
        inner: Sequence[Any] = (),
        *,
        move: bool = False,
    ) -> None: ...
    def datatype(self) -> str: ...
    def get(self) -> bytes: ...
    def listing_uri(self) -> str: ...
    def exact_uri(self) -> str: ...
    def writing_uri(self) -> str: ...
    def require_row(self, rows: Iterable[Row]) -> Row: ...
    def match_row(self, rows: Iterable[Row]) -> Row | None: ...
    def check_owner(self, move: bool = False, fresh: bool = False) -> bool | None: ...
    def put_document(self, document: bytes, query: Mapping[str, Any]) -> bytes: ...
