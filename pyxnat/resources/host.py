"""Protocols for the services that elements use.

The services are in a higher layer, so elements cannot import their classes. These protocols
declare the methods that elements call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path as FilePath
from typing import Any, Protocol

from ..cache import Cache
from ..http.client import Connection
from ..model.kinds import Kind
from ..query.criteria import Field, Group, Saved
from ..query.paths import Path
from ..query.plan import Column, Found
from ..tables.table import JsonTable, Row

__all__ = ['Host']


class Host(Protocol):
    """A Connection and the services on it: :class:`pyxnat.Interface`."""

    @property
    def connection(self) -> Connection: ...
    @property
    def cache(self) -> Cache: ...
    @property
    def owners(self) -> _Owners: ...
    @property
    def sides(self) -> _Sides: ...
    @property
    def walker(self) -> _Walker: ...
    @property
    def transfer(self) -> _Transfer: ...
    @property
    def bulk(self) -> _Bulk: ...
    @property
    def locks(self) -> _Locks: ...
    @property
    def sheets(self) -> _Sheets: ...
    @property
    def arrow(self) -> _Arrow: ...
    @property
    def search(self) -> _Search: ...
    @property
    def inspect(self) -> _Inspector: ...
    @property
    def select(self) -> Any: ...
    @property
    def manage(self) -> Any: ...
    def without_secrets(self) -> Callable[[], Any]: ...


class _Locks(Protocol):
    def create(
        self,
        selection: Any,
        path: str | os.PathLike[str],
        *,
        fields: Iterable[str] = (),
        files: bool | str | Sequence[str] = True,
        layout: str = '',
    ) -> Any: ...


class _Owners(Protocol):
    def check(self, element: Any, move: bool = False, fresh: bool = False) -> bool | None: ...
    def check_id(self, element: Any, identity: Any) -> None: ...
    def check_project(self, element: Any) -> None: ...
    def store(self, element: Any) -> None: ...
    def invalidate(self) -> None: ...
    def reuse_lookups(self) -> AbstractContextManager[None]: ...


class _Sides(Protocol):
    def check(self, resource: Any, fresh: bool = False) -> None: ...


class _Walker(Protocol):
    def walk(
        self,
        routes: tuple[Path, ...],
        conditions: Any = (),
        columns: tuple[Column, ...] = (),
        *,
        ahead: str = 'some',
        meanwhile: Callable[[], object] | None = None,
    ) -> Iterator[tuple[Found, Any]]: ...
    def rows(
        self, routes: tuple[Path, ...], conditions: Any, columns: tuple[Column, ...]
    ) -> Iterator[Row]: ...
    def explain(
        self, routes: tuple[Path, ...], conditions: Any = (), columns: tuple[Column, ...] = ()
    ) -> str: ...


class _Mount(Protocol):
    def find(
        self, above: Mapping[str, str], resource: str, path: str, size: int | None
    ) -> FilePath | None: ...


class _ZipDownloads(Protocol):
    def of_resource(self, resource: Any, dest: FilePath, extract: bool) -> Any: ...
    def of_files(
        self, uri: str, target: FilePath, extract: bool, keep: bool, *, is_listed: bool = True
    ) -> Any: ...


class _Transfer(Protocol):
    proved: set[tuple[str, str]]

    @property
    def mount(self) -> _Mount | None: ...
    @property
    def zips(self) -> _ZipDownloads: ...

    def download(self, file: Any, dest: str | os.PathLike[str] | None = None) -> FilePath: ...
    def upload(
        self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]
    ) -> None: ...
    def upload_archive(
        self, resource: Any, name: str, source: Any, about: dict[str, Any], types: dict[str, str]
    ) -> None: ...
    def upload_unpacked(
        self, resource: Any, path: FilePath, about: dict[str, Any], types: dict[str, str]
    ) -> None: ...
    def upload_members(
        self,
        resource: Any,
        members: list[tuple[str, FilePath]],
        about: dict[str, Any],
        types: dict[str, str],
        unsent: Mapping[str, Exception] = ...,
    ) -> None: ...
    def send(self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]) -> Any: ...


class _Bulk(Protocol):
    def fetch(
        self,
        files: Mapping[str, Any],
        folder: str | os.PathLike[str],
        *,
        beside: Iterable[Any] = (),
        jobs: int = 4,
    ) -> Any: ...
    @property
    def download(self) -> Callable[..., Any]: ...
    @property
    def rehearse(self) -> Callable[..., Any]: ...
    @property
    def upload(self) -> Callable[..., Any]: ...
    @property
    def insert(self) -> Callable[..., Any]: ...
    @property
    def map(self) -> Callable[..., Any]: ...
    @property
    def partitions(self) -> Callable[..., Any]: ...
    @property
    def dask_bag(self) -> Callable[..., Any]: ...


class _Sheets(Protocol):
    @property
    def export(self) -> Callable[..., Any]: ...
    @property
    def apply(self) -> Callable[..., Any]: ...


class _Arrow(Protocol):
    @property
    def reader(self) -> Callable[..., Any]: ...
    @property
    def write(self) -> Callable[..., int]: ...


class _Search(Protocol):
    def table(
        self, root: str, columns: Iterable[str], criteria: Group | Saved | None
    ) -> JsonTable: ...
    def rows(
        self, root: str, columns: Iterable[str], criteria: Group | Saved | None
    ) -> Iterator[Row]: ...
    def typed_rows(
        self, root: str, columns: Iterable[str], criteria: Group | Saved | None
    ) -> tuple[list[str], dict[str, Kind], Iterator[Row]]: ...
    def distinct(self, field: Field) -> list[str] | None: ...
    def saved(self, identity: str) -> JsonTable: ...
    def fields(self, root: str, columns: Iterable[str]) -> list[str]: ...
    def known_fields(self, fields: Sequence[Field]) -> list[Field]: ...
    def resolved(self, criteria: Group | Saved | None) -> Group | None: ...
    def ids(self, criteria: Group | Saved, level: str) -> frozenset[str]: ...


class _Inspector(Protocol):
    def datatypes(self, pattern: str = '*', fields_pattern: str | None = None) -> list[str]: ...
    def experiment_types(self, project: str | None = None) -> list[str]: ...
    def summary(self, project: str | None = None) -> JsonTable: ...
