"""Methods of collections for Arrow and Parquet, and the kinds of their columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..model.item_xml import bundled
from ..model.kinds import TEXT, Kind, full_path, kind_of_path
from ..query.paths import Path
from ..query.plan import columns_of
from .forms import FormColumn
from .host import Host

__all__ = ['ToArrow', 'kinds_of']

_OF_FORMS = {'number': Kind('float'), 'boolean': Kind('boolean')}


def kinds_of(
    routes: Sequence[Path],
    names: Iterable[str],
    forms: Mapping[str, FormColumn],
    host: Host | None = None,
) -> dict[str, Kind]:
    """Return the kinds of columns.

    Parameters
    ----------
    routes : sequence of Path
        Paths of the elements.
    names : iterable of str
        Names of the columns.
    forms : mapping
        Those that are fields of custom forms.
    host : Host, optional
        Its server tells the types that not every XNAT has: one request for the list of its
        schemas and one for each, once per Interface. Default: their columns are text.
    """
    kinds = {name: _OF_FORMS.get(form.field.kind, TEXT) for name, form in forms.items()}
    plain = [name for name in names if name not in forms]
    for column in columns_of(routes, plain):
        path = full_path(column.level, column.requested)
        kind = kind_of_path(bundled(), path)
        if kind is None and host is not None:
            served = host.manage.schemas.served()
            kind = None if served is None else kind_of_path(served, path)
        kinds[column.name] = kind or TEXT
    return kinds


class ToArrow:
    """Mixin for collections."""

    host: Host

    def to_arrow(
        self, columns: Iterable[str] = (), *, unfit: str = 'error', as_text: Iterable[str] = ()
    ) -> Any:
        """Return the rows of `table` as a stream of typed Arrow batches.

        Programs that speak Arrow take it as it is: ``polars.from_arrow``, ``duckdb``,
        ``reader.read_pandas()``. It can be read once.

        Parameters
        ----------
        columns : iterable of str, optional
            Names as in `table`.
        unfit : {'error', 'null'}
            How to treat a value that is not of the type of its column.
        as_text : iterable of str, optional
            Columns to keep as text.

        Returns
        -------
        pyarrow.RecordBatchReader
            Types are those of the schemas: whole and other numbers, truth values, dates, times and
            timestamps of the server's clock; lists for paths with several values. IDs, labels,
            custom variables and all else are text. An empty cell is null.

        Raises
        ------
        DataError
            While it is read: a value is not of the type of its column.
        ImportError
            pyarrow is not installed (extra ``arrow``).

        Notes
        -----
        The requests of `rows`, when the first batch is read; memory holds 2,000 rows. Columns of
        types that not every XNAT has take the server's schemas: one request for the list and one
        for each, once per Interface.

        Examples
        --------
        ::

            scans = xnat.select('/projects/P/experiments/*/scans')
            frame = polars.from_arrow(scans.to_arrow(['experiment/date', 'ID', 'frames']))
        """
        return self.host.arrow.reader(self, columns, unfit=unfit, as_text=as_text)

    def to_parquet(
        self,
        path: str | os.PathLike[str],
        columns: Iterable[str] = (),
        *,
        partition_by: Iterable[str] = (),
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> int:
        """Write the rows of `table` to Parquet, with the types of `to_arrow`.

        Parameters
        ----------
        path : path
            A file, which is replaced when the new one is complete; with `partition_by` a folder,
            which must be new or empty.
        columns : iterable of str, optional
            Names as in `table`.
        partition_by : iterable of str, optional
            Columns whose values become folders (``project=P``), outermost first.
        unfit, as_text : optional
            As in `to_arrow`, which also has the errors and requests.

        Returns
        -------
        int
            Number of rows.
        """
        rows: int = self.host.arrow.write(
            self.to_arrow(columns, unfit=unfit, as_text=as_text), path, partition_by
        )
        return rows
