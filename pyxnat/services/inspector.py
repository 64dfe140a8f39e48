"""Types, fields and values of an archive: ``interface.inspect``."""

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
    """Reads the data model and contents of a server: ``interface.inspect``.

    Attributes
    ----------
    schemas : SchemaInspector
        Types and fields in the server's schema documents.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.schemas = SchemaInspector(interface)

    def __repr__(self) -> str:
        return f'<Inspector of {self._host.connection.server}>'

    @staticmethod
    def structure() -> Structure:
        """Return the tree of REST levels. No request.

        A prompt shows the tree; a program can ``print(inspect.structure())``.
        """
        return Structure()

    def datatypes(self, pattern: str = '*', fields_pattern: str | None = None) -> list[str]:
        """Return the types that can be searched, or their fields.

        Parameters
        ----------
        pattern : str
            A pattern such as ``xnat:*`` for types; the full name of a type for its fields.
        fields_pattern : str, optional
            Pattern of fields: return the matching fields of all matching types.

        Returns
        -------
        list of str
            Types (``xnat:subjectData``) or fields (``xnat:mrSessionData/AGE``), in the order of the
            server. Fields that need an argument are left out; see `fields`.

        Notes
        -----
        One request for the types, none if `pattern` is a full name; one for the fields of each
        type.
        """
        if fields_pattern is None and not is_wildcard(pattern):
            return self._plain_fields(pattern, ANY)
        types = [pattern] if not is_wildcard(pattern) else self._types(pattern)
        if fields_pattern is None:
            return types
        return [
            field for datatype in types for field in self._plain_fields(datatype, fields_pattern)
        ]

    def _plain_fields(self, datatype: str, pattern: str) -> list[str]:
        return [
            field
            for field in self.fields(datatype, pattern)
            if '=' not in field and not field.endswith('SHARINGSHAREPROJECT')
        ]

    def fields(self, datatype: str, pattern: str = ANY) -> list[str]:
        """Return the fields of a type that the server lists. One request.

        XNAT does not list labels, counts and texts that its pages do not offer as criteria. They
        can be used in searches, too, and so can every path of the schema.

        Parameters
        ----------
        datatype : str
            Full name of a type: ``xnat:subjectData``.
        pattern : str
            Pattern of fields, with or without their type: ``*AGE*``.

        Returns
        -------
        list of str
            In the order of the server. Fields that need an argument end in ``=``, or have one:
            ``SUB_PROJECT_IDENTIFIER=P``.
        """
        rows = self._host.connection.rows(f'{uris.ENTRY}/search/elements/{uris.quote(datatype)}')
        names = [
            row['FIELD_ID']
            + ('=' if row.get('REQUIRES_VALUE') == 'true' and '=' not in row['FIELD_ID'] else '')
            for row in rows
        ]
        return [
            f'{datatype}/{name}'
            for name in dict.fromkeys(names)
            if matches(pattern, name, f'{datatype}/{name}')
        ]

    def _types(self, pattern: str) -> list[str]:
        rows = self._host.connection.rows(f'{uris.ENTRY}/search/elements')
        names = dict.fromkeys(row['ELEMENT_NAME'] for row in rows)
        return [name for name in names if matches(pattern, name)]

    def field_values(self, field_name: str) -> list[str]:
        """Return the distinct values of a field, sorted; numbers by size.

        Two requests: the server caches a search for the field and lists the distinct values of the
        column. If it does not, two or three, the last with a row for each item of the type that
        this login may see.

        Parameters
        ----------
        field_name : str
            Such as ``xnat:subjectData/HANDEDNESS``.
        """
        parsed = Field.parse(field_name)
        values = self._host.search.distinct(parsed)
        if values is None:
            table = self._host.search.table(parsed.datatype, [field_name], None)
            values = [value for row in table for value in row.values() if value]
        return sorted(set(values), key=_by_size)

    def project_values(self) -> list[str]:
        """Return the IDs of the projects, sorted. One request."""
        return self._values('projects', 'ID', {})

    def subject_values(self, project: str | None = None) -> list[str]:
        """Return the IDs of the subjects, of a project or all. One request."""
        return self._values('subjects', 'ID', {'columns': 'ID', 'project': project})

    def experiment_values(self, datatype: str, project: str | None = None) -> list[str]:
        """Return the IDs of the experiments of a type, sorted. One request.

        Parameters
        ----------
        datatype : str
            Full name of a type; types that extend it are included.
        project : str, optional
            ID of a project. Default: the whole archive.
        """
        return self._values(
            'experiments', 'ID', {'columns': 'ID', 'xsiType': datatype, 'project': project}
        )

    def scan_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the distinct IDs of scans in experiments of a type, sorted.

        One request, whose response has a row for each scan.

        Parameters
        ----------
        experiment_type : str
            Full name of a type of experiment.
        project : str, optional
            ID of a project. Default: the whole archive.
        """
        return self._below(experiment_type, 'scans/scan/id', project)

    def assessor_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the IDs of assessors of experiments of a type, sorted.

        One request, whose response has a row for each assessor.

        Parameters
        ----------
        experiment_type : str
            Full name of a type of experiment.
        project : str, optional
            ID of a project. Default: the whole archive.
        """
        return self._below(experiment_type, 'assessors/assessor/id', project)

    def reconstruction_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the IDs of reconstructions in experiments of a type, sorted.

        One request, whose response has a row for each reconstruction.

        Parameters
        ----------
        experiment_type : str
            Full name of a type of experiment.
        project : str, optional
            ID of a project. Default: the whole archive.
        """
        return self._below(experiment_type, 'reconstructions/reconstructedimage/id', project)

    def experiment_types(self, project: str | None = None) -> list[str]:
        """Return the types of existing experiments, sorted.

        One request: a listing of two columns with a row for each experiment of the archive or of a
        project, shared ones included. `datatypes` lists the types that are possible.
        """
        return self._types_of('xnat:subjectAssessorData', 'xsiType', project)

    def assessor_types(self, project: str | None = None) -> list[str]:
        """Return the types of existing assessors; see `experiment_types`.

        The listing has a row for each assessor.
        """
        return self._types_of('xnat:imageAssessorData', 'xsiType', project)

    def scan_types(self, project: str | None = None) -> list[str]:
        """Return the types of existing scans; see `experiment_types`.

        The listing has a row for each scan of a session.
        """
        return self._types_of('xnat:imageSessionData', _SCAN_TYPE, project)

    def reconstruction_types(self, project: str | None = None) -> list[str]:
        """Return the types of reconstructions; see `experiment_types`.

        The listing has a row for each reconstruction of a session.
        """
        rows = self._rows(
            'experiments',
            project,
            {'xsiType': 'xnat:imageSessionData', 'columns': f'ID,{_RECONSTRUCTION}/ID'},
        )
        return [_RECONSTRUCTION] if any(cell(row, f'{_RECONSTRUCTION}/ID') for row in rows) else []

    def _types_of(self, experiment_type: str, column: str, project: str | None) -> list[str]:
        rows = self._rows(
            'experiments', project, {'xsiType': experiment_type, 'columns': f'ID,{column}'}
        )
        return sorted({cell(row, column) for row in rows} - {''})

    def summary(self, project: str | None = None) -> JsonTable:
        """Count the elements of each type, in the archive or a project.

        Five requests for a project, six for the archive: listings of two to four columns with a row
        for each element.

        Returns
        -------
        JsonTable
            Columns ``level``, ``type``, ``within`` and ``count``, from projects down. ``within`` is
            the type of the session that scans, reconstructions and assessors belong to.
        """
        counts: Counter[tuple[str, str, str]] = Counter()
        counts['projects', 'xnat:projectData', ''] = (
            1 if project is not None else len(self._host.connection.rows(f'{uris.ENTRY}/projects'))
        )
        counts['subjects', 'xnat:subjectData', ''] = len(
            self._rows('subjects', project, {'columns': 'ID'})
        )
        experiments = self._rows(
            'experiments', project, {'xsiType': 'xnat:subjectAssessorData', 'columns': 'ID,xsiType'}
        )
        types = {cell(row, 'ID'): cell(row, 'xsiType') for row in experiments}
        counts.update(('experiments', kind, '') for kind in types.values())
        scans, reconstructions = ['xnat:imageScanData/ID', _SCAN_TYPE], [f'{_RECONSTRUCTION}/ID']
        for plural, columns, constant in (
            ('scans', scans, ''),
            ('reconstructions', reconstructions, _RECONSTRUCTION),
        ):
            rows = self._rows(
                'experiments',
                project,
                {'xsiType': 'xnat:imageSessionData', 'columns': ','.join(['ID', *columns])},
            )
            pairs = ((cell(row, 'ID'), cell(row, columns[-1])) for row in rows)
            counts.update(
                (plural, constant or of, types.get(session, '')) for session, of in pairs if of
            )
        rows = self._rows(
            'experiments',
            project,
            {'xsiType': 'xnat:imageAssessorData', 'columns': 'ID,xsiType,session_ID'},
        )
        counts.update(
            ('assessors', cell(row, 'xsiType'), types.get(cell(row, 'session_ID'), ''))
            for row in rows
        )
        names = ('level', 'type', 'within', 'count')
        return JsonTable(
            [dict(zip(names, (*key, str(count)), strict=True)) for key, count in counts.items()],
            names,
        )

    def _rows(self, plural: str, project: str | None, query: dict[str, str]) -> list[Row]:
        place = plural if project is None else f'projects/{uris.quote(project)}/{plural}'
        return self._host.connection.rows(uris.with_query(f'{uris.ENTRY}/{place}', query))

    @staticmethod
    def set_autolearn(auto: bool | None = None, tick: int | None = None) -> None:
        """Do nothing, with a DeprecationWarning.

        pyxnat 1.x learnt types from listings made before, so results depended on earlier calls.

        Parameters
        ----------
        auto : bool, optional
            Ignored.
        tick : int, optional
            Ignored.
        """
        warnings.warn(
            'set_autolearn has no effect: experiment_types() and similar methods request the types '
            'from the server',
            DeprecationWarning,
            2,
        )

    def _below(self, experiment_type: str, path: str, project: str | None) -> list[str]:
        column = f'{experiment_type}/{path}'
        query = {'columns': f'ID,{column}', 'xsiType': experiment_type, 'project': project}
        return self._values('experiments', column, query)

    def _values(self, level: str, column: str, query: dict[str, str | None]) -> list[str]:
        rows = self._host.connection.rows(uris.with_query(f'{uris.ENTRY}/{level}', query))
        return sorted({cell(row, column) for row in rows} - {''}, key=_by_size)


_SCAN_TYPE = 'xnat:imageScanData/extension_item/element_name'
"""Path of the type of a scan; ``xsiType`` is short for it (XNAT 1.7, 1.8)."""

_RECONSTRUCTION = 'xnat:reconstructedImageData'
"""Only type of reconstructions; XNAT fails if a listing has a column for it."""


class Structure:
    """Tree of REST levels.

    ``str`` gives the tree, iterating the path of each level, from the server down.
    """

    def __iter__(self) -> Iterator[str]:
        return (
            ''.join(f'/{level(name).segment}' for name in chain) for chain in self._in_order(())
        )

    def _in_order(self, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for chain in chains():
            if chain[:-1] == above:
                yield chain
                yield from self._in_order(chain)

    def __str__(self) -> str:
        return '\n'.join(
            f'{"  " * (len(chain) - 1)}{"+" if chain[1:] else "-"} {chain[-1].upper()}'
            for chain in self._in_order(())
        )

    __repr__ = __str__


class Types:
    """Data types of schema documents. Iterating gives their names.

    ``str`` has a line for each type, or, for a single type, a line for each of its fields.
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
            return '\n'.join(
                [
                    self._line(self._names[0]),
                    *map(_field_line, self._registry.fields(self._names[0])),
                ]
            )
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
    """Reads the documents of ``manage.schemas``: ``inspect.schemas``.

    Unlike the search engine, they list every field that can be read and set, with its path. If no
    document was added yet, all documents of the server are fetched and added: one request for each,
    and one for the list.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<SchemaInspector of {self._host.connection.server}>'

    def __call__(self, pattern: str = ANY) -> Types:
        """Return types with their bases and numbers of fields.

        A single type is shown with its fields.

        Parameters
        ----------
        pattern : str
            Such as ``xnat:*Scan*``, or the full name of a type.
        """
        registry = self._registry()
        return Types(registry, sorted(name for name in registry.names() if matches(pattern, name)))

    def look_for(self, element_name: str, datatype_name: str = ANY) -> list[str]:
        """Return the paths of the fields with a name.

        ``attrs.get`` and ``attrs.set`` take these paths.

        Parameters
        ----------
        element_name : str
            Last part of the path, ignoring case, or a pattern: ``age``, ``*date*``.
        datatype_name : str
            A type or pattern of types. Default: all types that have documents of their own.

        Examples
        --------
        ::

            interface.inspect.schemas.look_for('gender', 'xnat:subjectData')
            # ['xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender']
        """
        registry = self._registry()
        types = [
            row.name
            for row in registry
            if matches(datatype_name, row.name) and (row.root or datatype_name != ANY)
        ]
        pattern = element_name.lower()
        return [
            f'{name}/{field.path}'
            for name in sorted(types)
            for field in registry.fields(name)
            if matches(pattern, field.key.rpartition('/')[2])
        ]

    def _registry(self) -> Registry:
        schemas: Schemas = self._host.manage.schemas
        if not schemas():
            schemas.add()
        return schemas.registry


def _by_size(value: str) -> tuple[int, float, str]:
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value
