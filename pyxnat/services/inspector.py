"""What is in an archive: its types, their fields, the values they take."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator

from ..model import uris
from ..model.levels import chains, level
from ..model.schemas import Field as SchemaField
from ..model.schemas import Registry
from ..model.short_names import cell
from ..model.wildcards import ANY, is_wildcard, matches
from ..query.criteria import Field
from ..resources.host import Host
from ..tables.table import JsonTable, Row
from .manage.schemas import Schemas

__all__ = ['Inspector', 'SchemaInspector', 'Structure', 'Types']


class Inspector:
    """Looks into the data model of a server: ``interface.inspect``.

    Attributes
    ----------
    schemas : SchemaInspector
        Types and fields as the server's schema documents declare them.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.schemas = SchemaInspector(interface)

    def __repr__(self) -> str:
        return f'<Inspector of {self._host.connection.server}>'

    @staticmethod
    def structure() -> Structure:
        """The tree of REST levels that elements are selected by. Shown at a prompt; ``print(inspect.structure())`` in a program. No request."""
        return Structure()

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
            Types (``xnat:subjectData``) or fields (``xnat:mrSessionData/AGE``), sorted. The fields are those that can stand as columns of a search as
            they are: `fields` has those that take an argument, too.

        Notes
        -----
        One request for types; one more for each type whose fields are asked for, and none for the types where one is given in full.
        """
        if fields_pattern is None and not is_wildcard(pattern):
            return self._plain_fields(pattern, ANY)
        types = [pattern] if not is_wildcard(pattern) else self._types(pattern)
        if fields_pattern is None:
            return types
        return [field for datatype in types for field in self._plain_fields(datatype, fields_pattern)]

    def _plain_fields(self, datatype: str, pattern: str) -> list[str]:
        return [field for field in self.fields(datatype, pattern) if '=' not in field and not field.endswith('SHARINGSHAREPROJECT')]

    def fields(self, datatype: str, pattern: str = ANY) -> list[str]:
        """The fields of a type that the server lists for searches. One request.

        A server lists few: XNAT leaves out labels, counts and texts that its pages do not offer as criteria. They can be used in searches all
        the same, and so can every path of the schema.

        Those that need an argument end in ``=``, or have one: ``SUB_PROJECT_IDENTIFIER=P``.

        Parameters
        ----------
        datatype : str
            A type in full: ``xnat:subjectData``.
        pattern : str
            Gives those that match, with or without their type: ``*AGE*``.
        """
        rows = self._host.connection.rows(f'{uris.ENTRY}/search/elements/{uris.quote(datatype)}')
        names = {row['FIELD_ID'] + ('=' if row.get('REQUIRES_VALUE') == 'true' and '=' not in row['FIELD_ID'] else '') for row in rows}
        return sorted(f'{datatype}/{name}' for name in names if matches(pattern, name, f'{datatype}/{name}'))

    def _types(self, pattern: str) -> list[str]:
        rows = self._host.connection.rows(f'{uris.ENTRY}/search/elements')
        return sorted(row['ELEMENT_NAME'] for row in rows if matches(pattern, row['ELEMENT_NAME']))

    def field_values(self, field: str) -> list[str]:
        """The different values that a field takes, sorted; numbers by size.

        Two requests: the server keeps a search for that field, and tells the different values in its column. Where it does not, one or two
        more, whose answer has a row for each item of the type that this login may see.

        Parameters
        ----------
        field : str
            Such as ``xnat:subjectData/HANDEDNESS``.
        """
        wanted = Field.parse(field)
        values = self._host.search.distinct(wanted)
        if values is None:
            table = self._host.search.table(wanted.datatype, [field], None)
            values = [value for row in table for value in row.values() if value]
        return sorted(set(values), key=_by_size)

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

    def experiment_types(self, project: str | None = None) -> list[str]:
        """The types of experiments that there are, in the archive or in a project (what is shared into it counts), sorted.

        One request: a listing of two columns with a row for each experiment. `datatypes` tells what there could be.
        """
        return self._types_of('xnat:subjectAssessorData', 'xsiType', project)

    def assessor_types(self, project: str | None = None) -> list[str]:
        """The types of assessors that there are; as `experiment_types`, a row for each assessor."""
        return self._types_of('xnat:imageAssessorData', 'xsiType', project)

    def scan_types(self, project: str | None = None) -> list[str]:
        """The types of scans that there are (``xnat:mrScanData``); as `experiment_types`, a row for each scan of a session."""
        return self._types_of('xnat:imageSessionData', _SCAN_TYPE, project)

    def reconstruction_types(self, project: str | None = None) -> list[str]:
        """The types of reconstructions that there are; as `experiment_types`, a row for each reconstruction of a session."""
        rows = self._rows('experiments', project, {'xsiType': 'xnat:imageSessionData', 'columns': f'ID,{_RECONSTRUCTION}/ID'})
        return [_RECONSTRUCTION] if any(cell(row, f'{_RECONSTRUCTION}/ID') for row in rows) else []

    def _types_of(self, experiment_type: str, column: str, project: str | None) -> list[str]:
        rows = self._rows('experiments', project, {'xsiType': experiment_type, 'columns': f'ID,{column}'})
        return sorted({cell(row, column) for row in rows} - {''})

    def summary(self, project: str | None = None) -> JsonTable:
        """How many there are of each type, in the archive or in a project.

        Five requests for a project, six for the archive: listings of two to four columns with a row for each thing counted.

        Returns
        -------
        JsonTable
            ``level``, ``type``, ``within`` (for what belongs to sessions: their type) and ``count``, from projects down.
        """
        counts: Counter[tuple[str, str, str]] = Counter()
        counts['projects', 'xnat:projectData', ''] = 1 if project is not None else len(self._host.connection.rows(f'{uris.ENTRY}/projects'))
        counts['subjects', 'xnat:subjectData', ''] = len(self._rows('subjects', project, {'columns': 'ID'}))
        experiments = self._rows('experiments', project, {'xsiType': 'xnat:subjectAssessorData', 'columns': 'ID,xsiType'})
        types = {cell(row, 'ID'): cell(row, 'xsiType') for row in experiments}
        counts.update(('experiments', kind, '') for kind in types.values())
        scans, reconstructions = ['xnat:imageScanData/ID', _SCAN_TYPE], [f'{_RECONSTRUCTION}/ID']
        for plural, columns, constant in (('scans', scans, ''), ('reconstructions', reconstructions, _RECONSTRUCTION)):
            rows = self._rows('experiments', project, {'xsiType': 'xnat:imageSessionData', 'columns': ','.join(['ID', *columns])})
            found = ((cell(row, 'ID'), cell(row, columns[-1])) for row in rows)
            counts.update((plural, constant or of, types.get(session, '')) for session, of in found if of)
        rows = self._rows('experiments', project, {'xsiType': 'xnat:imageAssessorData', 'columns': 'ID,xsiType,session_ID'})
        counts.update(('assessors', cell(row, 'xsiType'), types.get(cell(row, 'session_ID'), '')) for row in rows)
        names = ('level', 'type', 'within', 'count')
        return JsonTable([dict(zip(names, (*key, str(count)), strict=True)) for key, count in counts.items()], names)

    def _rows(self, plural: str, project: str | None, query: dict[str, str]) -> list[Row]:
        place = plural if project is None else f'projects/{uris.quote(project)}/{plural}'
        return self._host.connection.rows(uris.with_query(f'{uris.ENTRY}/{place}', query))

    @staticmethod
    def set_autolearn(auto: bool | None = None, tick: int | None = None) -> None:
        """Nothing: pyxnat 1.x learnt from what was listed in passing, so answers depended on what had been asked before."""
        warnings.warn('set_autolearn has no effect: experiment_types() and its like ask the server when they are called', DeprecationWarning, 2)

    def _below(self, experiment_type: str, path: str, project: str | None) -> list[str]:
        column = f'{experiment_type}/{path}'
        query = {'columns': f'ID,{column}', 'xsiType': experiment_type, 'project': project}
        return self._values('experiments', column, query)

    def _values(self, level: str, column: str, query: dict[str, str | None]) -> list[str]:
        rows = self._host.connection.rows(uris.with_query(f'{uris.ENTRY}/{level}', query))
        return sorted({cell(row, column) for row in rows} - {''}, key=_by_size)


_SCAN_TYPE = 'xnat:imageScanData/extension_item/element_name'
"""Where XNAT keeps the type of a scan: its short name ``xsiType`` stands for this path (1.7, 1.8)."""

_RECONSTRUCTION = 'xnat:reconstructedImageData'
"""The one type of reconstructions; XNAT fails where it is asked for."""


class Structure:
    """The tree of REST levels: its text is the tree, iterating gives the path of each level, from the server down."""

    def __iter__(self) -> Iterator[str]:
        return (''.join(f'/{level(name).segment}' for name in chain) for chain in self._in_order(()))

    def _in_order(self, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for chain in chains():
            if chain[:-1] == above:
                yield chain
                yield from self._in_order(chain)

    def __str__(self) -> str:
        return '\n'.join(f'{"  " * (len(chain) - 1)}{"+" if chain[1:] else "-"} {chain[-1].upper()}' for chain in self._in_order(()))

    __repr__ = __str__


class Types:
    """Data types of schema documents: its text has a line for each, or, where it is but one, for each of its fields.

    Iterating gives names of types.
    """

    def __init__(self, registry: Registry, names: list[str]) -> None:
        self._registry = registry
        self._names = names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __str__(self) -> str:
        if len(self) == 1:
            return '\n'.join([self._line(self._names[0]), *map(_field_line, self._registry.fields(self._names[0]))])
        return '\n'.join(map(self._line, self._names)) or 'no such type'

    __repr__ = __str__

    def _line(self, name: str) -> str:
        row = self._registry.get(name)
        base = f' (extends {row.base})' if row is not None and row.base else ''
        return f'{name}{base}: {len(self._registry.fields(name))} fields'


def _field_line(field: SchemaField) -> str:
    kind = field.kind or field.item_type
    return f'  {field.path}: {kind}{", any number" if field.repeated else ""}'


class SchemaInspector:
    """Reads the schema documents that ``manage.schemas`` holds: ``interface.inspect.schemas``.

    They have what the search engine does not list: every field that can be read and set, with its path. Where none was added yet, those that
    the server has are fetched and added: one request for each, and one for their list.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<SchemaInspector of {self._host.connection.server}>'

    def __call__(self, pattern: str = ANY) -> Types:
        """The types, with what they extend and how many fields they have; of a single type, its fields.

        Parameters
        ----------
        pattern : str
            Such as ``xnat:*Scan*``, or a type in full.
        """
        registry = self._registry()
        return Types(registry, sorted(name for name in registry.names() if matches(pattern, name)))

    def look_for(self, element: str, datatype: str = ANY) -> list[str]:
        """Paths of the fields of a name: what ``attrs.get`` and ``attrs.set`` take.

        Parameters
        ----------
        element : str
            Last part of the path, upper and lower case alike, or a pattern: ``age``, ``*date*``.
        datatype : str
            A type or pattern of types to look in; by default all that have documents of their own.

        Examples
        --------
        ::

            interface.inspect.schemas.look_for('gender', 'xnat:subjectData')
            # ['xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender']
        """
        registry = self._registry()
        types = [row.name for row in registry if matches(datatype, row.name) and (row.root or datatype != ANY)]
        wanted = element.lower()
        return [f'{name}/{field.path}' for name in sorted(types) for field in registry.fields(name) if matches(wanted, field.key.rpartition('/')[2])]

    def _registry(self) -> Registry:
        schemas: Schemas = self._host.manage.schemas
        if not schemas():
            schemas.add()
        return schemas.registry


def _by_size(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
