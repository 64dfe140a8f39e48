"""One side of a mirror: marks, documents and files of units."""

from __future__ import annotations

import json
import threading
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlencode

from ... import errors
from ...interface import Interface
from ...model import uris
from ...model.copies import read_item
from ...resources.base import class_of
from ...tables.json_stream import parse_result_set
from ...tables.table import Row
from .file_rows import FileRow, Files, file_row
from .parts import (
    FORM,
    PARENT,
    Part,
    of_other_projects,
    parts_of,
    resources_of,
    uri_below_session,
    uri_of_key,
    uri_of_project,
    values_of,
)
from .state import Unit

__all__ = [
    'XML',
    'Side',
    'always_fresh',
    'forms_of',
    'names_session',
    'uri_of_share',
    'uri_of_unit',
]

XML = {'content-type': 'text/xml'}
"""Headers of a request with a document."""
_JSON = {'content-type': 'application/json'}
_FORMS = '/xapi/custom-fields'
_FRESH: dict[int, tuple[int, float | None]] = {}
"""ID of each Interface -> blocks of `always_fresh` that run, and its expiration before."""
_FRESH_LOCK = threading.Lock()
_PROJECT_MARK = 'xnat:projectData/meta/last_modified'


@contextmanager
def always_fresh(*interfaces: Interface) -> Iterator[None]:
    """Send every request while the block runs.

    A listing a second old would hide a change. Blocks of several threads may overlap: the first to
    begin, and the last to end, set it.
    """
    with _FRESH_LOCK:
        for interface in interfaces:
            count, expiration = _FRESH.get(id(interface), (0, interface.cache.expiration))
            _FRESH[id(interface)] = count + 1, expiration
            interface.cache.expiration = 0
    try:
        yield
    finally:
        with _FRESH_LOCK:
            for interface in interfaces:
                count, expiration = _FRESH.pop(id(interface))
                if count > 1:
                    _FRESH[id(interface)] = count - 1, expiration
                else:
                    interface.cache.expiration = expiration


class Side:
    """One side of a mirror.

    Parameters
    ----------
    interface : Interface
        Its connection.

    Attributes
    ----------
    projects : container of str or None
        Projects that both sides have: units have the items of these alone, and shares into these.
        None for all.
    readable : container of str or None
        Projects that the login could read at the last listing; None before.
    """

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self.projects: Container[str] | None = None
        self.readable: Container[str] | None = None

    def put_file(self, file: FileRow, path: str, overwrite: bool = True) -> None:
        """Store a file of the other side. One request, and two more.

        Parameters
        ----------
        file : FileRow
            The file.
        path : str
            Local file with its content.
        overwrite : bool
            Whether to replace a file of the same name.
        """
        target = class_of('file')(uri_below_session(file.key), self.interface)
        with open(path, 'rb') as content:
            target.put(content, overwrite=overwrite, **file.notes)

    def _rows(self, uri: str, **query: str) -> list[Row]:
        uri = f'{uri}?{urlencode({**query, "format": "json"}, safe=":/,")}'
        body = self.interface.connection.request(uri)
        return parse_result_set(body, self.interface.connection.server + uri)

    def units(self, project: str, subject: str = '') -> dict[str, tuple[Unit, str]]:
        """Return the units of a project with their marks, by key. Two requests, or one.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the only subject of interest.

        Raises
        ------
        NotFoundError
            The project does not exist, or the login cannot read it.
        """
        return self.listing(project, subject)[0]

    def listing(
        self, project: str, subject: str = ''
    ) -> tuple[dict[str, tuple[Unit, str]], dict[str, str]]:
        """Return the units of a project, and the subjects that it shares.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the only subject of interest.

        Returns
        -------
        tuple of dict
            The units with their marks, as `units`; key of each other subject to its project.
        """
        at = uri_of_project(project)
        only = {'ID': subject} if subject else {}
        found: dict[str, tuple[Unit, str]] = {}
        shared: dict[str, str] = {}
        if not subject:
            rows = self._rows(uris.join(uris.ENTRY, 'projects'), columns=f'ID,{_PROJECT_MARK}')
            self.readable = frozenset(row['ID'] for row in rows)
            for row in rows:
                if row['ID'] == project:
                    unit = Unit(f'projects/{project}', project, project, project)
                    found[unit.key] = unit, _mark(row)
        columns = 'ID,label,project,last_modified'
        for row in self._rows(f'{at}/subjects', columns=columns, **only):
            unit = Unit(f'subjects/{row["ID"]}', project, row['ID'], row['label'])
            if row['project'] == project:
                found[unit.key] = unit, _mark(row)
            else:
                shared[unit.key] = row['project']
        return found, shared

    def subjects_of_sessions(self, project: str) -> dict[str, str]:
        """Return the subjects of the sessions that a project owns or shares. One request.

        Parameters
        ----------
        project : str
            ID of the project.

        Returns
        -------
        dict
            Key of each subject -> its project, which XNAT lists for each session (measured on
            1.8.11; the project of the session itself is the one that was asked).
        """
        uri = uris.join(uri_of_project(project), 'experiments')
        query = {'columns': 'ID,subject_ID,subject_project', 'format': 'json'}
        return {
            f'subjects/{row["subject_ID"]}': row.get('subject_project', '')
            for row in self.interface.connection.iter_rows(f'{uri}?{urlencode(query, safe=",")}')
            if row.get('subject_ID')  # not an assessor
        }

    def home_of_assessor(self, name: str, project: str) -> Unit | None:
        """Return the subject of an assessor that another project shares into one.

        Three requests. None if the login may not read its session, or the project owns it.

        Parameters
        ----------
        name : str
            ID of the assessor.
        project : str
            ID of the project that shows it.
        """
        with suppress(errors.PermissionDenied):
            document = self._experiment(f'assessors/{name}')
            item = None if document is None else read_item(document, 'assessors')
            if item is not None and item.project != project:
                return self.home(f'experiments/{item.parent}')
        return None

    def document(self, unit: Unit) -> bytes:
        """Return the document of a unit, with all items below it. One request."""
        return self.interface.connection.request(f'{uri_of_unit(unit)}?format=xml')

    def parts(self, unit: Unit) -> dict[str, Part]:
        """Return the items of a unit. One request."""
        found = parts_of(self.document(unit), unit.key.partition('/')[0], unit.project)
        if self.projects is None:
            return found
        kept = {
            key: part.limited(self.projects)
            for key, part in found.items()
            if part.project in self.projects
        }
        others = {part.project for part in found.values()} - {
            part.project for part in kept.values()
        }
        if others and unit.key in kept:
            top = kept[unit.key]
            kept[unit.key] = top._replace(elsewhere=top.elsewhere | others)
        return kept

    def project_of(self, unit: Unit) -> str | None:
        """Return the project of a subject; None if there is no such subject. One request.

        Raises
        ------
        PermissionDenied
            The login may not read it.
        """
        uri = uris.join(uris.ENTRY, 'subjects', uris.quote(unit.id))
        try:
            document = self.interface.connection.request(f'{uri}?format=xml')
        except errors.NotFoundError:
            return None
        return read_item(document, 'subjects').project

    def rename(self, part: Part, label: str) -> None:
        """Give an item another label, of any characters. One request.

        Parameters
        ----------
        part : Part
            The item.
        label : str
            The label.
        """
        uri = uris.with_query(part.id_uri, {'label': label})
        self.interface.connection.request(uri, 'PUT')

    def move_subject(self, unit: Unit, project: str) -> None:
        """Move a subject to another project. A listing, and two requests for each item.

        Its sessions first: XNAT leaves them in the old project (measured on 1.8.11).

        Parameters
        ----------
        unit : Unit
            The subject.
        project : str
            ID of the other project.
        """
        subject = self.interface.select.project(unit.project).subject(unit.id)
        for session in subject.experiments():
            session.share(project, primary=True)
        subject.share(project, primary=True)

    def own(self, key: str, above: str, project: str, label: str) -> bool:
        """Make a project the owner of a session or assessor. Two requests.

        Parameters
        ----------
        key, above : str
            Keys of the item, and of the one above it.
        project : str
            ID of the project.
        label : str
            Its label there.

        Returns
        -------
        bool
            Whether it was that of another one; not if it went with its session.
        """
        uri = uri_of_share(key, above, project)
        [owner, *_] = self._rows(uris.parent(uri))
        if owner['ID'] == project:
            return False
        query = {'primary': 'true', 'label': label, 'format': 'json'}
        self.interface.connection.request(uris.with_query(uri, query), 'PUT')
        return True

    def home(self, key: str) -> Unit | None:
        """Return the subject of a session; None if there is no such session.

        Two requests.

        Raises
        ------
        PermissionDenied
            The login may not read the session.
        """
        document = self._experiment(key)
        if document is None:
            return None
        item = read_item(document, 'experiments')
        unit = Unit(f'subjects/{item.parent}', item.project, item.parent, '')
        with suppress(errors.PermissionDenied):
            unit = unit._replace(project=self.project_of(unit) or item.project)
        return unit

    def has(self, key: str) -> bool:
        """Return whether there is a session or assessor. One request.

        Raises
        ------
        PermissionDenied
            The login may not read it.
        """
        return self._experiment(key) is not None

    def _experiment(self, key: str) -> bytes | None:
        uri = uris.join(uris.ENTRY, 'experiments', uris.quote(key.rpartition('/')[2]))
        try:
            return self.interface.connection.request(f'{uri}?format=xml')
        except errors.NotFoundError:
            return None

    def datatype(self, key: str) -> str:
        """Return the data type of a session or assessor. One request."""
        uri = uris.join(uris.ENTRY, 'experiments', uris.quote(key.rpartition('/')[2]))
        return str(class_of('experiment')(uri, self.interface).datatype())

    def experiments(self, project: str, datatype: str) -> frozenset[str]:
        """Return the IDs of the sessions or assessors of a type. One request.

        Parameters
        ----------
        project : str
            ID of the project that has them or shares them.
        datatype : str
            Their data type.
        """
        uri = uris.join(uri_of_project(project), 'experiments')
        query = urlencode({'xsiType': datatype, 'columns': 'ID', 'format': 'json'}, safe=':')
        return frozenset(row['ID'] for row in self.interface.connection.iter_rows(f'{uri}?{query}'))

    def files(
        self, unit: Unit, wanted: Files, things: Mapping[str, Mapping[str, str]] | None = None
    ) -> dict[str, FileRow]:
        """Return the files of a unit, by key. The requests of selections of its files.

        One selection, and one for each session or assessor that belongs to another project.

        Parameters
        ----------
        unit : Unit
            The unit.
        wanted : Files
            Which of them.
        things : mapping, optional
            Values of its items; by default, sessions of other projects are left out.
        """
        if wanted.is_none:
            return {}
        home = uri_of_unit(unit)
        below = '/resources/*/files' if unit.key.startswith('projects/') else '//files'
        found = [file_row(file) for file in self.interface.select(_path(home) + below)]
        others = of_other_projects(things or {}, unit.project)
        parents = {key: values.get(PARENT, '') for key, values in (things or {}).items()}
        for key in others:
            place = uri_below_session(uri_of_key(key, parents, unit.project))
            found += [
                row._replace(key=home + row.key.removeprefix(uris.ENTRY))
                for row in map(file_row, self.interface.select(f'{_path(place)}//files'))
            ]
        return {file.key: file for file in found if wanted.has(file.row)}

    def files_of(self, unit: Unit, parts: Mapping[str, Part]) -> dict[str, FileRow]:
        """Return the files of the items of a unit, by key.

        The requests of `files`, or more. A selection leaves out what the server refuses to list, as
        if there were no files. So each resource of the items without listed files is listed by
        itself: one request more.

        Parameters
        ----------
        unit : Unit
            The unit.
        parts : mapping
            Its items.

        Raises
        ------
        NotFoundError, PermissionDenied
            The server does not list the files of an item.
        """
        things = values_of(parts)
        listed = self.files(unit, Files.of('all'), things)
        found = {key: file for key, file in listed.items() if file.holder in parts}
        filled = {file.place for file in found.values()}
        home = uri_of_unit(unit)
        for resource in (one for part in parts.values() for one in resources_of(parts, part)):
            if (resource.place, resource.label) not in filled:
                for key, file in self.resource_files(resource.place, resource.label).items():
                    own = key if key.startswith(home) else home + key.removeprefix(uris.ENTRY)
                    found[own] = file._replace(key=own)
        return found

    def put_forms(self, key: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Give an item the values of custom forms.

        A request, and one for each that ended.

        Parameters
        ----------
        key : str
            Key of the item.
        before, after : mapping
            Values of the part that it has, and that it gets.
        """
        plural, _, rest = key.partition('/')
        top = 'experiments' if plural == 'assessors' else plural
        uri = uris.join(_FORMS, top, *map(uris.quote, rest.split('/')), 'fields')
        had, wanted = forms_of(before), forms_of(after)
        changed = {name: json.loads(text) for name, text in wanted.items() if had.get(name) != text}
        if changed:
            self.interface.connection.request(uri, 'PUT', json.dumps(changed).encode(), _JSON)
        for name in (name for name in had if name not in wanted):
            self.interface.connection.request(uris.join(uri, uris.quote(name)), 'DELETE')

    def accessibility(self, unit: Unit) -> str:
        """Return who may read a project; empty for subjects. One request."""
        if unit.id != unit.project:
            return ''
        found = self.interface.connection.request(f'{uri_of_unit(unit)}/accessibility')
        return found.decode('utf-8', 'replace').strip()

    def resource_files(self, place: str, label: str) -> dict[str, FileRow]:
        """Return the files of one resource, by key. One request.

        Parameters
        ----------
        place : str
            URI of the resources of an item, as `FileRow.place`.
        label : str
            Label of the resource.

        Raises
        ------
        NotFoundError, PermissionDenied
            The server does not list them.
        """
        listed = uri_below_session(place)
        found = self.interface.select(f'{_path(listed)}/{uris.quote(label)}/files')
        rows = [
            row._replace(key=place + row.key.removeprefix(listed)) for row in map(file_row, found)
        ]
        return {row.key: row for row in rows}


def uri_of_share(key: str, above: str, project: str) -> str:
    """Return the URI of a share: XNAT shares an assessor only below its session.

    Parameters
    ----------
    key, above : str
        Keys of the item, and of the one above it.
    project : str
        ID of the project.
    """
    place = f'{above}/{key}' if key.startswith('assessors/') else key
    places = [*place.split('/'), 'projects', project]
    return uris.join(uris.ENTRY, *map(uris.quote, places))


def _path(uri: str) -> str:
    return uri.removeprefix(uris.ENTRY)


def uri_of_unit(unit: Unit) -> str:
    """Return the URI of a unit, by IDs."""
    plural, _, name = unit.key.partition('/')
    start = uri_of_project(unit.project)
    return start if plural == 'projects' else uris.join(start, plural, uris.quote(name))


def names_session(part: Part) -> bool:
    """Whether the document of an item names its session."""
    return part.level in ('assessors', 'reconstructions')


def forms_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of custom forms among values, as JSON."""
    return {name.removeprefix(FORM): text for name, text in values.items() if name.startswith(FORM)}


def _mark(row: Row) -> str:
    return next((text for name, text in row.items() if name.endswith('last_modified')), '')
