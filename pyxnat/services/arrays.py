"""Wide tables of experiments and scans, one request each: ``interface.array``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ProgrammingError
from ..model import uris
from ..model.short_names import find_column, list_of_names, short_names
from ..query.criteria import Field
from ..query.criteria import parse as parse_criteria
from ..resources.host import Host
from ..tables.table import JsonTable

__all__ = ['ArrayData', 'listing']

_SUBJECT_ASSESSOR = 'xnat:subjectAssessorData'
_IMAGE_SESSION = 'xnat:imageSessionData'
_IMAGE_SCAN = 'xnat:imageScanData'
_SPELLINGS = {name.lower(): name for name in short_names('experiment')}


def listing(
    experiment_type: str,
    columns: Iterable[str],
    *,
    project_id: str | None = None,
    subject_id: str | None = None,
    subject_label: str | None = None,
    experiment_id: str | None = None,
    experiment_label: str | None = None,
) -> str:
    """Return the URI of a table of experiments.

    Parameters
    ----------
    experiment_type : str
        Data type, such as ``xnat:mrSessionData``.
    columns : iterable of str
        Short names or paths; duplicates are removed.
    project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
        Values that rows must have; the URI quotes them.

    Examples
    --------
    >>> listing('xnat:mrSessionData', ['ID', 'label'], project_id='A&B')
    '/data/experiments?xsiType=xnat:mrSessionData&project=A%26B&columns=ID,label'
    """
    filters = {
        'xsiType': experiment_type,
        'project': project_id,
        f'{experiment_type}/subject_id': subject_id,
        'xnat:subjectData/label': subject_label,
        'ID': experiment_id,
        'label': experiment_label,
        'columns': ','.join(dict.fromkeys(columns)),
    }
    return uris.with_query(f'{uris.ENTRY}/experiments', filters)


class ArrayData:
    """Tables of experiments and scans.

    A filter takes a value, several values separated by commas, or ``*`` as a wildcard. Columns are
    short names (``date``, ``subject_label``) or full paths; the header of a full path is in lower
    case.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<ArrayData of {self._host.connection.server}>'

    def experiments(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        experiment_type: str = _SUBJECT_ASSESSOR,
        columns: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> JsonTable:
        """Return the experiments that this login may see. One request.

        Parameters
        ----------
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            Filters.
        experiment_type : str
            Data type; types that extend it are included.
        columns : iterable of str, optional
            Columns in addition to ID, project, URI and the ID of the subject. The header of the
            latter is ``subject_ID`` for the default type, else it begins with the type:
            ``xnat:mrsessiondata/subject_id``. XNAT adds ``xsiType`` for the default type and for
            ``xnat:imageSessionData``. Short names can be in any case, and are headers as they are
            given.
        constraints : dict, optional
            Further columns, with the value or pattern that each must have. The client compares
            them with the text that XNAT sends.

        Returns
        -------
        JsonTable
            One row per experiment.

        Raises
        ------
        ProgrammingError
            If XNAT does not know one of `columns`.
        """
        first = ['ID', 'project', _subject_column(experiment_type)]
        return self._table(
            experiment_type,
            first,
            columns,
            constraints,
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
        )

    def mrsessions(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        columns: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> JsonTable:
        """Return the MR sessions that this login may see. One request.

        Parameters
        ----------
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            Filters.
        columns, constraints : optional
            As in `experiments`.
        """
        kind = 'xnat:mrSessionData'
        return self.experiments(
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
            kind,
            columns,
            constraints,
        )

    def scans(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        experiment_type: str = _IMAGE_SESSION,
        scan_type: str = _IMAGE_SCAN,
        columns: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> JsonTable:
        """Return the scans of experiments, one row per scan. One request.

        Parameters
        ----------
        scan_type : str
            Data type of the scans. The header of their ID begins with it, in lower case:
            ``xnat:imagescandata/id``.
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            Filters.
        experiment_type, columns, constraints : optional
            As in `experiments`.
        """
        first = ['ID', 'project', _subject_column(experiment_type), f'{scan_type}/ID']
        table = self._table(
            experiment_type,
            first,
            columns,
            constraints,
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
        )
        scan = find_column(table.headers(), first[-1])
        return JsonTable((row for row in table if scan is None or row[scan]), table.headers())

    def mrscans(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        columns: Iterable[str] | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> JsonTable:
        """Return the MR scans of MR sessions, one row per scan. One request.

        Parameters
        ----------
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            Filters.
        columns, constraints : optional
            As in `experiments`.
        """
        kinds = 'xnat:mrSessionData', 'xnat:mrScanData'
        return self.scans(
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
            *kinds,
            columns,
            constraints,
        )

    def search_experiments(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_type: str | None = None,
        columns: Iterable[str] | None = None,
        constraints: Iterable[Any] | None = None,
    ) -> JsonTable:
        """Search experiments with XNAT's search engine.

        One request, or two for each type.

        Parameters
        ----------
        project_id, subject_id, subject_label : str, optional
            Values that experiments must have.
        experiment_type : str, optional
            Data type that a row stands for. Default: the type that `columns` and `constraints`
            name; if they name none, every type that the project or archive has, which takes one
            more request. XNAT cannot search experiments of all types at once.
        columns : iterable of str, optional
            Fields such as ``xnat:mrSessionData/AGE``. Default: all, which takes a second request.
        constraints : list, optional
            Criteria of :mod:`pyxnat.query.criteria`, joined by AND with the values above.

        Returns
        -------
        JsonTable
            One row per experiment; columns that its type lacks are empty.
        """
        fields, criteria = list(columns or []), list(constraints or [])
        kinds = [experiment_type] if experiment_type else self._types_named(fields, criteria)
        tables = [
            self._search(kind, project_id, subject_id, subject_label, fields, criteria)
            for kind in kinds or self._host.inspect.experiment_types(project_id)
        ]
        if len(tables) == 1:
            return tables[0]
        headers = list(dict.fromkeys(name for table in tables for name in table.headers()))
        empty = dict.fromkeys(headers, '')
        return JsonTable([{**empty, **row} for table in tables for row in table], headers)

    @staticmethod
    def _types_named(columns: list[str], constraints: list[Any]) -> list[str]:
        """Return the type of experiments that fields belong to; empty if they name none."""
        criteria = parse_criteria(constraints).constraints() if constraints else ()
        fields = [*map(Field.parse, columns), *(constraint.field for constraint in criteria)]
        kinds = {field.datatype for field in fields} - {'xnat:subjectData', 'xnat:projectData'}
        return sorted(kinds)[:1]

    def _search(
        self,
        experiment_type: str,
        project_id: str | None,
        subject_id: str | None,
        subject_label: str | None,
        columns: list[str],
        constraints: list[Any],
    ) -> JsonTable:
        fields = {
            f'{experiment_type}/PROJECT': project_id,
            'xnat:subjectData/SUBJECT_ID': subject_id,
            'xnat:subjectData/SUBJECT_LABEL': subject_label,
        }
        criteria = [(field, '=', value) for field, value in fields.items() if value is not None] + (
            [constraints] if 'OR' in constraints else constraints
        )
        search = self._host.select(experiment_type, columns)
        table: JsonTable = search.where([*criteria, 'AND']) if criteria else search.all()
        return table

    def _table(
        self,
        experiment_type: str,
        first: list[str],
        columns: Iterable[str] | None,
        constraints: Mapping[str, Any] | None,
        *names: str | None,
    ) -> JsonTable:
        project_id, subject_id, subject_label, experiment_id, experiment_label = names
        asked = list_of_names(columns or ())
        uri = listing(
            experiment_type,
            [*first, *map(_spelling, [*(constraints or {}), *asked])],
            project_id=project_id,
            subject_id=subject_id,
            subject_label=subject_label,
            experiment_id=experiment_id,
            experiment_label=experiment_label,
        )
        table = JsonTable(self._host.connection.iter_rows(uri))
        headers = table.headers()
        places = {name: find_column(headers, _spelling(name)) for name in asked}
        missing = [name for name, place in places.items() if table.data and place is None]
        if missing:
            remedy = (
                'Give the full path with its type, such as xnat:imageScanData/type. The columns '
                f'are: {", ".join(table.headers())}.'
            )
            raise ProgrammingError(
                f'{experiment_type} has no column {", ".join(missing)}', remedy=remedy
            )
        short = {
            name: place
            for name, place in places.items()
            if place and name not in headers and ':' not in name
        }
        if short:
            table = JsonTable(
                ({**row, **{name: row[place] for name, place in short.items()}} for row in table),
                [*headers, *short],
            )
        values = {
            find_column(headers, _spelling(name)) or name: str(value)
            for name, value in (constraints or {}).items()
        }
        return table.where(**values) if values and table else table


def _spelling(name: str) -> str:
    """Return a short name of experiments or scans as XNAT spells it.

    >>> _spelling('Subject_id'), _spelling('xnat:mrSessionData/Date')
    ('subject_ID', 'xnat:mrSessionData/Date')
    """
    return _SPELLINGS.get(name.lower(), name)


def _subject_column(experiment_type: str) -> str:
    """Return the column of the subject's ID.

    XNAT sends the short name as the header if the path equals that of the short name.
    """
    return 'subject_ID' if experiment_type == _SUBJECT_ASSESSOR else f'{experiment_type}/subject_id'
