"""What is in an archive: its types, their fields, the values they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import uris
from .criteria import Field
from .paths import is_wildcard, matches

if TYPE_CHECKING:
    from .interface import Interface

__all__ = ['Inspector']


class Inspector:
    """Looks into the data model of a server: ``interface.inspect``."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface

    def __repr__(self) -> str:
        return f'<Inspector of {self._intf._server}>'

    def datatypes(self, pattern: str = '*', fields_pattern: str | None = None) -> list[str]:
        """The types that can be searched, or their fields.

        Parameters
        ----------
        pattern : str
            ``xnat:*`` gives types that match; a type in full gives its fields.
        fields_pattern : str, optional
            Gives the fields that match, of all types that match.

        Returns
        -------
        list of str
            Types (``xnat:subjectData``) or fields (``xnat:subjectData/AGE``), sorted. Fields that need an argument end in ``=``.

        Notes
        -----
        One request for types; one more for each type whose fields are asked for, and none for the types where one is given in full.
        """
        if fields_pattern is None and not is_wildcard(pattern):
            return self._fields(pattern, '*')
        types = [pattern] if not is_wildcard(pattern) else self._types(pattern)
        if fields_pattern is None:
            return types
        return [field for datatype in types for field in self._fields(datatype, fields_pattern)]

    def _types(self, pattern: str) -> list[str]:
        rows = self._intf._get_json(f'{uris.ENTRY}/search/elements')
        return sorted(row['ELEMENT_NAME'] for row in rows if matches(pattern, row['ELEMENT_NAME']))

    def _fields(self, datatype: str, pattern: str) -> list[str]:
        rows = self._intf._get_json(f'{uris.ENTRY}/search/elements/{uris.quote(datatype)}')
        names = {row['FIELD_ID'] + ('=' if row.get('REQUIRES_VALUE') == 'true' and '=' not in row['FIELD_ID'] else '') for row in rows}
        return sorted(f'{datatype}/{name}' for name in names if matches(pattern, name, f'{datatype}/{name}'))

    def field_values(self, field: str) -> list[str]:
        """The different values that a field takes, sorted; numbers by size. One request, whose answer has a row for each item of the type.

        Parameters
        ----------
        field : str
            Such as ``xnat:subjectData/HANDEDNESS``.
        """
        datatype = Field.parse(field).datatype
        table = self._intf.search.table(datatype, [field], None)
        return sorted({value for row in table for value in row.values() if value}, key=_by_size)

    def project_values(self) -> list[str]:
        """IDs of the projects, sorted. One request."""
        return self._values('projects', 'ID', {})

    def subject_values(self, project: str | None = None) -> list[str]:
        """IDs of the subjects, of one project or of all, sorted. One request."""
        return self._values('subjects', 'ID', {'columns': 'ID', 'project': project})

    def experiment_values(self, datatype: str, project: str | None = None) -> list[str]:
        """IDs of the experiments of a type, sorted. One request."""
        return self._values('experiments', 'ID', {'columns': 'ID', 'xsiType': datatype, 'project': project})

    def scan_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """The different IDs of scans in experiments of a type, sorted. One request, whose answer has a row for each scan."""
        return self._below(experiment_type, 'scans/scan/id', project)

    def assessor_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """IDs of the assessors of experiments of a type; as `scan_values`."""
        return self._below(experiment_type, 'assessors/assessor/id', project)

    def reconstruction_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """IDs of the reconstructions of experiments of a type; as `scan_values`."""
        return self._below(experiment_type, 'reconstructions/reconstructedimage/id', project)

    def _below(self, experiment_type: str, path: str, project: str | None) -> list[str]:
        column = f'{experiment_type}/{path}'
        query = {'columns': f'ID,{column}', 'xsiType': experiment_type, 'project': project}
        return self._values('experiments', column.lower(), query)

    def _values(self, level: str, column: str, query: dict[str, str | None]) -> list[str]:
        rows = self._intf._get_json(uris.with_query(f'{uris.ENTRY}/{level}', query))
        return sorted({row[column] for row in rows if row.get(column)}, key=_by_size)


def _by_size(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
