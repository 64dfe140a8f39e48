"""Files to download: those listed below a selection, with their local places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ... import errors
from ...model import uris
from ...model.levels import level
from ...model.rows import size_of
from ...model.short_names import cell
from ...model.wildcards import ANY
from ...query.layouts import COLUMNS, STAND_INS, Layout
from ...query.paths import Path, Step, chain_of, read, routes_below, uri_of
from ...query.plan import Found, columns_of
from ...resources import Element
from ...resources.base import class_of
from ...tables.table import Row
from .documents import SelectedDocument

__all__ = [
    'Only',
    'RemoteFile',
    'Scope',
    'distinct_places',
    'files_below',
    'list_files',
    'scope_of',
]

_NOTES = ('format', 'content', 'tags')


class RemoteFile(NamedTuple):
    """A file on the server, and its place in the download folder."""

    uri: str
    place: str
    """Path below the download folder, with the decoded name of the file."""
    size: int | None
    """Bytes, from the listing."""
    md5: str
    """From the listing; empty if the site keeps no checksums."""
    resource: str
    """URI of the resource."""
    session: str = ''
    """URI of the session of the scan; empty if the file belongs to no scan."""
    scan: str = ''
    """ID of the scan."""
    label: str = ''
    """Label of the resource, as it appears in zips."""
    path: str = ''
    """Path below the resource."""
    other: str = ''
    """Place by the name as stored, used if two files have the same place."""
    above: Mapping[str, str] = MappingProxyType({})
    """Labels of the elements above it by level, and its ``side``."""
    sided: str = ''
    """Place with a folder ``in`` or ``out``, used if both have a resource of one label."""
    notes: Mapping[str, str] = MappingProxyType({})
    """Its ``format``, ``content`` and ``tags`` in the listing, as far as they are set."""


def distinct_places(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return files with the other place where two have the same place.

    Resources of one label on the sides ``in`` and ``out`` of one element have a folder for each.
    """
    sides: dict[tuple[str, str], set[str]] = {}
    for file in files:
        if file.sided:
            sides.setdefault(_holder(file), set()).add(file.above['side'])
    files = [
        file._replace(place=file.sided, other=file.sided)
        if file.sided and len(sides[_holder(file)]) > 1
        else file
        for file in files
    ]
    count = Counter(file.place for file in files)
    return [file._replace(place=file.other) if count[file.place] > 1 else file for file in files]


def _holder(file: RemoteFile) -> tuple[str, str]:
    """Return the element that has a file's resource, and the resource's label."""
    return uri_of(read(file.resource)[:-1]), file.label


class Scope(NamedTuple):
    """Completeness of a selection of files."""

    whole_resources: bool
    """Whether it has every file of a resource."""
    whole_scans: bool
    """Whether it has every resource of a scan."""
    whole_sessions: bool
    """Whether it has every scan of a session."""


def files_below(selection: Any) -> Any:
    """Return the files below an element or a collection. No request."""
    if isinstance(selection, Element):
        routes, conditions = [selection.steps], ()
    else:
        routes, conditions = list(selection.routes), selection.conditions
    if routes and not level(routes[0][-1].level).is_file:
        routes = [
            _past_subjects(route, longer)
            for route in routes
            for longer in routes_below(route, 'files')
        ]
    return class_of('files')(routes, selection.host, conditions)


def _past_subjects(route: Path, longer: Path) -> Path:
    """Replace subjects/experiments by experiments in a path below projects.

    A session may be shared into a project without its subject.
    """
    end = len(route)
    has_subjects = chain_of(longer)[end - 1 : end + 2] == ('projects', 'subjects', 'experiments')
    return (*route, *longer[end + 1 :]) if has_subjects else longer


def scope_of(files: Any, only: Only | None = None) -> Scope:
    """Return the completeness of a collection of files, from its paths.

    Parameters
    ----------
    files : Files
        Collection of files.
    only : Only, optional
        Limit of its elements above: no session is whole then.
    """
    names = [{step.level: step.name for step in route} for route in files.routes]

    def are_all(*levels: str) -> bool:
        return all(route.get(plural, ANY) == ANY for route in names for plural in levels)

    whole_resources = are_all('files')
    whole_scans = whole_resources and are_all('resources')
    return Scope(whole_resources, whole_scans, whole_scans and are_all('scans') and only is None)


class Only(NamedTuple):
    """Limit of a download to elements above the files, by ID, label or type."""

    plural: str
    """Level of the elements."""
    names: frozenset[str]

    @property
    def column(self) -> str:
        """Name of the column with the type."""
        row = level(self.plural)
        return f'{row.singular}/{"type" if row.is_part else "xsiType"}'

    def has(self, file: Found) -> bool:
        """Return whether a file is below one of the elements."""
        row = file.above.get(self.plural, {})
        own = level(self.plural)
        names = {row.get(own.id_column), row.get(own.label_column), row.get('type')}
        return bool(self.names & {*names, row.get('xsiType')})


def list_files(
    files: Any,
    layout: Layout,
    only: Only | None = None,
    document: SelectedDocument | None = None,
) -> Iterator[RemoteFile]:
    """Yield the files of a collection with their places.

    Requests: those of iterating over it, and those for labels that no listing has (`_Names`).

    Parameters
    ----------
    files : Files
        Collection of files.
    layout : Layout
        Layout of the download folder.
    only : Only, optional
        Limit of the elements above.
    document : SelectedDocument, optional
        Document of the selected element, which may tell that names are labels. It is fetched while
        other threads fetch the listings, if they do.
    """
    names = _Names(files, layout, only, document)
    resources: dict[str, _Resource] = {}
    numbers = _Numbers('n' in layout.fields)
    walked = files.host.walker.walk(
        files.routes,
        files.conditions,
        names.columns,
        ahead='all',
        meanwhile=document.prefetch if document is not None else None,
    )
    founds = (file for file, _ in walked if only is None or only.has(file))
    for file, number in numbers.of(founds):
        row, path = file.row, file.row['path']
        uri = _resource_uri(file)
        if uri not in resources:
            resources[uri] = _resource(uri, row, names.of(uri, file), layout)
        resource, size = resources[uri], row.get('Size', '')
        meant, place = uris.meaning(path), resource.place(path, number)
        yield RemoteFile(
            file.uri,
            place if meant == path else resource.place(meant, number),
            size_of(size),
            row.get('digest', '').lower(),
            uri,
            resource.session,
            resource.scan,
            resource.label,
            path,
            place,
            resource.above,
            resource.sided(meant, number),
            {name: row[f'file_{name}'] for name in _NOTES if row.get(f'file_{name}')},
        )


def _resource_uri(file: Found) -> str:
    return file.uri[: -len('/files/' + uris.quote_path(file.row['path']).strip('/'))]


class _Numbers:
    """Numbers of files in their resources, from 1, in the order of paths."""

    def __init__(self, are_wanted: bool) -> None:
        self._are_wanted = are_wanted

    def of(self, files: Iterable[Found]) -> Iterator[tuple[Found, int]]:
        """Yield files with their numbers; 1 for all if none is wanted."""
        if not self._are_wanted:
            yield from ((file, 1) for file in files)
            return
        resources: dict[str, list[Found]] = {}
        for file in files:
            resources.setdefault(_resource_uri(file), []).append(file)
        for members in resources.values():
            yield from (
                (file, number)
                for number, file in enumerate(sorted(members, key=lambda f: f.row['path']), 1)
            )


class _Resource(NamedTuple):
    """Common properties of the files of a resource."""

    place: Callable[[str, int], str]
    """Returns the place of a path below the resource, with the number of the file."""
    sided: Callable[[str, int], str]
    """Returns the same with a folder for the side; empty if the layout has one."""
    label: str
    above: Mapping[str, str]
    session: str
    scan: str


def _resource(uri: str, row: Row, above: dict[str, str], layout: Layout) -> _Resource:
    steps, label = read(uri), row.get('collection') or row.get('cat_ID', '')
    side = level(steps[-1].level).side
    values = {**above, 'side': side, 'resource': uris.meaning(label)}
    has_both = bool(side) and 'side' not in layout.fields
    at = next((number for number, step in enumerate(steps) if step.level == 'scans'), None)
    return _Resource(
        layout.places(values),
        layout.with_side().places(values) if has_both else lambda path, number: '',
        label,
        {**above, **({'side': side} if side else {})},
        *((uri_of(steps[:at]), steps[at].name) if at is not None else ('', '')),
    )


class _Names:
    """Values of layout fields for the elements above files.

    Each label that no listing has is fetched once. If paths lead from a project to its sessions,
    one listing has the labels of their subjects; other sessions are fetched one by one.

    Attributes
    ----------
    columns : tuple of Column
        Additional columns of the listings.
    """

    def __init__(
        self, files: Any, layout: Layout, only: Only | None, document: SelectedDocument | None
    ) -> None:
        self._host = files.host
        self._document = document
        self._fields = layout.fields | (set(STAND_INS) if 'scan' in layout.fields else set())
        self._known: dict[Path, dict[str, str]] = {}
        self._sessions: dict[str, dict[str, Row]] = {}
        homes = {
            route[0].name if route[0].level == 'projects' and route[0].literal else ''
            for route in files.routes
        }
        self._home = homes.pop() if len(homes) == 1 else ''
        """ID of the project, if the whole selection is in one."""
        past = [route for route in files.routes if 'experiments' in chain_of(route)]
        are_listed = bool(past) and all(
            chain_of(route)[:2] == ('projects', 'experiments') for route in past
        )
        present = {step.level for route in files.routes for step in route}
        self._extra = {
            field: column
            for field, column in layout.columns.items()
            if field not in COLUMNS or level(column.partition('/')[0]).plural in present
        }
        self.columns = columns_of(
            files.routes,
            [
                *(['experiment/subject_label'] if are_listed and 'subject' in self._fields else []),
                *self._extra.values(),
                *([only.column] if only else []),
            ],
        )

    def of(self, uri: str, file: Found) -> dict[str, str]:
        """Return the fields of the elements above a resource, without the unknown ones.

        Parameters
        ----------
        uri : str
            URI of the resource.
        file : Found
            A file of the resource.
        """
        steps = read(uri)[:-1]
        values: dict[str, str] = {}
        for end in range(1, len(steps) + 1):
            above = steps[:end]
            if above not in self._known:
                self._known[above] = self._look(above, file)
            values.update(self._known[above])
        values.update(self._of_columns(file))
        return {name: value for name, value in values.items() if value}

    def _of_columns(self, file: Found) -> dict[str, str]:
        """Return the fields that are columns of elements above a file."""
        cells = {
            column.name: str(file.above.get(column.level, {}).get(column.key) or '')
            for column in self.columns
        }
        return {field: cells[column] for field, column in self._extra.items()}

    def _look(self, above: Path, file: Found) -> dict[str, str]:
        """Return the fields of one element, the last of `above`.

        A label that the layout does not need is left out, unless it is known.
        """
        step, row = above[-1], level(above[-1].level)
        if (
            step.level == 'experiments'
            and 'subjects' not in chain_of(above)
            and {'project', 'subject', 'experiment'} & self._fields
        ):
            return self._of_session(above, file)
        values = {row.singular: step.name}
        if row.has_label and not self._is_label(step, file):
            element = self._element(above, file)
            values[row.singular] = (
                str(element.label())
                if row.singular in self._fields
                else element.row.get(row.label_column, '')
            )
        if step.level == 'subjects' and len(above) == 1 and 'project' in self._fields:
            values['project'] = self._home or str(self._element(above, file).value_of('project'))
        return values

    def _of_session(self, above: Path, file: Found) -> dict[str, str]:
        """Return the fields of a session that has no subject in its path."""
        home = self._home or (above[0].name if len(above) > 1 else '')
        element = self._element(above, file)
        row = element.row
        if 'subject_label' not in row:
            row = self._session(
                home, element.id() if len(above) > 1 or 'ID' in row else above[0].name
            )
        return {
            'project': home or row.get('project', ''),
            'subject': row.get('subject_label', ''),
            'experiment': row.get('label', ''),
        }

    def _session(self, home: str, identity: str) -> Row:
        """Return the row of a session from the listing of its project.

        If the project is unknown, the session is listed by itself.
        """
        key = home or identity
        if key not in self._sessions:
            scope = ('projects', uris.quote(home)) if home else ()
            columns = {
                'xsiType': 'xnat:subjectAssessorData',
                'columns': 'ID,label,project,subject_label',
            }
            query = {'ID': None if home else identity, **columns}
            rows = self._host.connection.rows(
                uris.with_query(uris.join(uris.ENTRY, *scope, 'experiments'), query)
            )
            self._sessions[key] = {cell(row, 'ID'): row for row in rows}
        return self._sessions[key].get(identity, {})

    def _element(self, above: Path, file: Found) -> Any:
        """Return an element above a file, with its row from the listing."""
        return class_of(above[-1].level).element_at(
            uri_of(above), self._host, file.above.get(above[-1].level), file.above
        )

    def _is_label(self, step: Step, file: Found) -> bool:
        """Return whether a name in the path of a file must be a label, not an ID.

        The URIs in listings of files have IDs in place of the names in the request; the document
        of a session has the ID of its subject. XNAT takes the name of a subject or experiment as an
        ID first, then as a label in the project.
        """
        if step.level not in ('subjects', 'experiments') or step.level in file.above:
            return False
        try:
            ids = {listed.level: listed.name for listed in read(file.row['URI'])}
        except errors.ProgrammingError:
            return False
        if step.level not in ids and self._document is not None:
            ids = self._document.ids()
        return ids.get(step.level, step.name) != step.name
