"""``interface.array``: wide tables of experiments and scans, each with one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ProgrammingError
from ..model import uris
from ..model.short_names import find_column
from ..resources.host import Host
from ..tables.table import JsonTable

__all__ = ['ArrayData', 'listing']

_SUBJECT_ASSESSOR = 'xnat:subjectAssessorData'
_IMAGE_SESSION = 'xnat:imageSessionData'
_IMAGE_SCAN = 'xnat:imageScanData'


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
    """URI of the table: its filters and columns, each value quoted.

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

    The filters take what XNAT's listings take: a value, several separated by commas, ``*`` as wildcard. Columns are short names (``date``,
    ``subject_label``) or full paths; XNAT answers with full paths in lower case.
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
        """The experiments that this login may see. One request.

        Parameters
        ----------
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            What to keep.
        experiment_type : str
            The type, with all that extend it.
        columns : iterable of str, optional
            Columns besides ID, project, xsiType, URI and the subject's ID, which is called ``subject_ID`` for the default type, and after the
            type for others: ``xnat:mrsessiondata/subject_id``.
        constraints : dict, optional
            Further columns, and the values or patterns that they must have; compared here, with the text that XNAT sends.

        Returns
        -------
        JsonTable
        """
        first = ['ID', 'project', _subject_column(experiment_type), 'xsiType']
        return self._table(experiment_type, first, columns, constraints, project_id, subject_id, subject_label, experiment_id, experiment_label)

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
        """MR sessions; as `experiments`."""
        kind = 'xnat:mrSessionData'
        return self.experiments(project_id, subject_id, subject_label, experiment_id, experiment_label, kind, columns, constraints)

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
        """The scans of the experiments, a row for each. One request; as `experiments`.

        Parameters
        ----------
        scan_type : str
            The type of scan; the column of its ID is called after it, in lower case: ``xnat:imagescandata/id``.
        """
        first = ['ID', 'project', _subject_column(experiment_type), 'xsiType', f'{scan_type}/ID']
        table = self._table(experiment_type, first, columns, constraints, project_id, subject_id, subject_label, experiment_id, experiment_label)
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
        """MR scans of MR sessions; as `scans`."""
        kinds = 'xnat:mrSessionData', 'xnat:mrScanData'
        return self.scans(project_id, subject_id, subject_label, experiment_id, experiment_label, *kinds, columns, constraints)

    def search_experiments(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_type: str = 'xnat:mrSessionData',
        columns: Iterable[str] | None = None,
        constraints: Iterable[Any] | None = None,
    ) -> JsonTable:
        """Experiments by the search engine. One request (two without columns).

        Parameters
        ----------
        columns : iterable of str, optional
            Fields such as ``xnat:mrSessionData/AGE``; all of them by default.
        constraints : list, optional
            Search criteria (:mod:`pyxnat.query.criteria`), joined by AND.
        """
        fields = {
            f'{experiment_type}/PROJECT': project_id,
            'xnat:subjectData/SUBJECT_ID': subject_id,
            'xnat:subjectData/SUBJECT_LABEL': subject_label,
        }
        given = list(constraints or [])
        criteria = [(field, '=', value) for field, value in fields.items() if value is not None] + ([given] if 'OR' in given else given)
        search = self._host.select(experiment_type, list(columns or []))
        found: JsonTable = search.where([*criteria, 'AND']) if criteria else search.all()
        return found

    def _table(
        self, experiment_type: str, first: list[str], columns: Iterable[str] | None, constraints: Mapping[str, Any] | None, *names: str | None
    ) -> JsonTable:
        project_id, subject_id, subject_label, experiment_id, experiment_label = names
        uri = listing(
            experiment_type,
            [*first, *(columns or []), *(constraints or {})],
            project_id=project_id,
            subject_id=subject_id,
            subject_label=subject_label,
            experiment_id=experiment_id,
            experiment_label=experiment_label,
        )
        table = JsonTable(self._host.connection.iter_rows(uri))
        missing = [name for name in columns or () if table.data and find_column(table.headers(), name) is None]
        if missing:
            remedy = f'Give the full path with its type, such as xnat:imageScanData/type. The answer has: {", ".join(table.headers())}.'
            raise ProgrammingError(f'{experiment_type} has no column {", ".join(missing)}', remedy=remedy)
        wanted = {find_column(table.headers(), name) or name: str(value) for name, value in (constraints or {}).items()}
        return table.where(**wanted) if wanted and table else table


def _subject_column(experiment_type: str) -> str:
    """XNAT answers with its short name where a path is the one that a short name stands for."""
    return 'subject_ID' if experiment_type == _SUBJECT_ASSESSOR else f'{experiment_type}/subject_id'
