"""Typed tables of collections and searches, as Arrow and Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..resources.forms import form_columns
from ..resources.host import Host
from ..resources.typed import kinds_of
from ..tables.arrow import Typed, write_parquet

__all__ = ['ArrowTables']


class ArrowTables:
    """Streams of typed rows: ``interface.arrow``."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<ArrowTables of {self._host.connection.server}>'

    def reader(
        self,
        collection: Any,
        columns: Iterable[str] = (),
        *,
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> Any:
        """Return the rows of a collection as a :class:`pyarrow.RecordBatchReader`.

        Parameters
        ----------
        collection : Collection
            The elements.
        columns, unfit, as_text : optional
            As of :meth:`pyxnat.resources.typed.ToArrow.to_arrow`.
        """
        names = collection.table_columns(columns)
        routes = collection.routes
        forms = form_columns(self._host, names, routes)
        kinds = kinds_of(routes, names, forms, self._host)
        typed = Typed(lambda: collection.rows(names), names, kinds, unfit=unfit, as_text=as_text)
        return typed.reader()

    def write(
        self, reader: Any, path: str | os.PathLike[str], partition_by: Iterable[str] = ()
    ) -> int:
        """Write a stream to Parquet, and return the number of its rows.

        Parameters
        ----------
        reader : pyarrow.RecordBatchReader
            The stream.
        path, partition_by
            As of :meth:`pyxnat.resources.typed.ToArrow.to_parquet`.
        """
        return write_parquet(reader, path, partition_by)
