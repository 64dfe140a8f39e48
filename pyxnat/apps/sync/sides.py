"""The two sides of a mirror: marks, documents and files of units."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode

from lxml import etree

from ... import errors
from ...files.disk import digest_of, safe_name
from ...http.folder import Folder
from ...interface import Interface
from ...model import uris
from ...model.copies import copy_document, keep_fields, read_item
from ...model.levels import level
from ...model.rows import size_of
from ...model.xml import parse_xml
from ...query.paths import uri_of
from ...resources.base import class_of
from ...tables.json_stream import parse_result_set
from ...tables.table import Row
from .parts import FORM, LABEL, PARENT, Part, Resource, parts_of
from .state import Unit

__all__ = [
    'FileRow',
    'Files',
    'FolderSide',
    'RemoteSide',
    'Side',
    'always_fresh',
    'version_path',
]

_FUNCTION = 'function '
_XML = {'content-type': 'text/xml'}
_JSON = {'content-type': 'application/json'}
_FORMS = '/xapi/custom-fields'
_PROJECT_MARK = 'xnat:projectData/meta/last_modified'


class Files(NamedTuple):
    """Which files a mirror has."""

    text: str
    """``all``, ``lazy``, ``none``, the labels of resources, or the name of a function."""
    has: Callable[[Row], bool]
    """Whether it has the file of a row."""

    @classmethod
    def of(cls, wanted: Any) -> Files:
        """Return the files for the argument of `Mirror.pull`."""
        if callable(wanted):
            return cls(f'{_FUNCTION}{getattr(wanted, "__qualname__", "")}', wanted)
        if wanted in ('all', 'lazy', 'none'):
            return cls(wanted, lambda row: wanted != 'none')
        if str(wanted).startswith(_FUNCTION):  # of an earlier pull: nobody knows its files
            return cls(wanted, lambda row: False)
        labels = {wanted} if isinstance(wanted, str) else set(wanted)
        return cls(', '.join(sorted(labels)), lambda row: row.get('collection') in labels)

    @property
    def is_lazy(self) -> bool:
        """Whether it lists files without fetching them."""
        return self.text == 'lazy'

    @property
    def is_none(self) -> bool:
        """Whether it has no files."""
        return self.text == 'none'


class FileRow(NamedTuple):
    """A file of a unit."""

    key: str
    """Its URI with IDs and with the label of its resource: the same on both sides."""
    element: Any
    row: Row

    def values(self, by: str) -> dict[str, str]:
        """Return the column that content is compared by: ``digest`` or ``Size``."""
        return {by: self.row.get(by, '').lower()}

    @property
    def notes(self) -> dict[str, str]:
        """Its ``format``, ``content`` and ``tags``, as far as they are set."""
        found = {name: self.row.get(f'file_{name}', '') for name in ('format', 'content', 'tags')}
        return {name: value for name, value in found.items() if value}

    @property
    def place(self) -> tuple[str, str]:
        """URI of the resources of its item, by IDs, and label of its resource."""
        home, _, rest = self.key.partition('/resources/')
        return f'{home}/resources', unquote(rest.partition('/')[0])

    @property
    def path(self) -> str:
        """Path in its resource."""
        return unquote(self.key.partition('/resources/')[2].partition('/files/')[2])

    @property
    def is_fetched(self) -> bool:
        """Whether the folder has its content."""
        return self.row.get('is_fetched') != ''

    @property
    def holder(self) -> str:
        """Key of its item, as `Part.key`."""
        *above, item = self.element.steps[:-2]
        own = f'{item.level}/{item.name}'
        return f'{above[-1].level}/{above[-1].name}/{own}' if level(item.level).is_part else own

    @property
    def part(self) -> str:
        """Name of a local file for its content on the way."""
        return _file_name(self.key)


def _file_name(key: str) -> str:
    return safe_name(key.replace('/', '+'))


def version_path(folder: Path, key: str) -> Path:
    """Return the place of the server's version of a file in conflict.

    Parameters
    ----------
    folder : Path
        Folder ``mirror``.
    key : str
        Key of the file.
    """
    return folder / 'conflicts' / _file_name(key)


@contextmanager
def always_fresh(*interfaces: Interface) -> Iterator[None]:
    """Send every request while the block runs: a listing a second old would hide a change."""
    before = [interface.cache.expiration for interface in interfaces]
    for interface in interfaces:
        interface.cache.expiration = 0
    try:
        yield
    finally:
        for interface, expiration in zip(interfaces, before, strict=True):
            interface.cache.expiration = expiration


class Side:
    """One side of a mirror.

    Parameters
    ----------
    interface : Interface
        Its connection.
    """

    def __init__(self, interface: Interface) -> None:
        self.interface = interface

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
        target = class_of('file')(file.key, self.interface)
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
        at = uris.join(uris.ENTRY, 'projects', uris.quote(project))
        only = {'ID': subject} if subject else {}
        found: dict[str, tuple[Unit, str]] = {}
        if not subject:
            for row in self._rows(uris.join(uris.ENTRY, 'projects'), columns=f'ID,{_PROJECT_MARK}'):
                if row['ID'] == project:
                    unit = Unit(f'projects/{project}', project, project, project)
                    found[unit.key] = unit, _mark(row)
        columns = 'ID,label,project,last_modified'
        for row in self._rows(f'{at}/subjects', columns=columns, **only):
            if row['project'] == project:  # a shared one belongs to another project
                unit = Unit(f'subjects/{row["ID"]}', project, row['ID'], row['label'])
                found[unit.key] = unit, _mark(row)
        return found

    def parts(self, unit: Unit) -> dict[str, Part]:
        """Return the items of a unit. One request."""
        uri = _uri(unit)
        document = self.interface.connection.request(f'{uri}?format=xml')
        return parts_of(document, unit.key.partition('/')[0], unit.project)

    def project_of(self, unit: Unit) -> str | None:
        """Return the project of a subject; None if there is no such subject. One request."""
        uri = uris.join(uris.ENTRY, 'subjects', uris.quote(unit.id))
        try:
            document = self.interface.connection.request(f'{uri}?format=xml')
        except (errors.NotFoundError, errors.PermissionDenied):
            return None
        return read_item(document, 'subjects').project

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

    def home(self, key: str) -> Unit | None:
        """Return the subject of a session; None if there is no such session. One request."""
        uri = uris.join(uris.ENTRY, 'experiments', uris.quote(key.rpartition('/')[2]))
        try:
            document = self.interface.connection.request(f'{uri}?format=xml')
        except (errors.NotFoundError, errors.PermissionDenied):
            return None
        item = read_item(document, 'experiments')
        return Unit(f'subjects/{item.parent}', item.project, item.parent, '')

    def files(self, unit: Unit, wanted: Files) -> dict[str, FileRow]:
        """Return the files of a unit, by key. The requests of a selection of its files.

        Parameters
        ----------
        unit : Unit
            The unit.
        wanted : Files
            Which of them.
        """
        if wanted.is_none:
            return {}
        below = '/resources/*/files' if unit.key.startswith('projects/') else '//files'
        path = _uri(unit).removeprefix(uris.ENTRY) + below
        found = (_file_row(file) for file in self.interface.select(path))
        return {file.key: file for file in found if wanted.has(file.row)}

    def put_forms(self, key: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Give an item the values of custom forms. A request, and one for each that ended.

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
        had, wanted = _forms(before), _forms(after)
        changed = {name: json.loads(text) for name, text in wanted.items() if had.get(name) != text}
        if changed:
            self.interface.connection.request(uri, 'PUT', json.dumps(changed).encode(), _JSON)
        for name in (name for name in had if name not in wanted):
            self.interface.connection.request(uris.join(uri, uris.quote(name)), 'DELETE')

    def accessibility(self, unit: Unit) -> str:
        """Return who may read a project; empty for subjects. One request."""
        if unit.id != unit.project:
            return ''
        found = self.interface.connection.request(f'{_uri(unit)}/accessibility')
        return found.decode('utf-8', 'replace').strip()

    def resource_files(self, place: str, label: str) -> dict[str, FileRow]:
        """Return the files of one resource, by key. The requests of a selection of its files.

        Parameters
        ----------
        place : str
            URI of the resources of an item, as `FileRow.place`.
        label : str
            Label of the resource.
        """
        path = f'{place.removeprefix(uris.ENTRY)}/*/files'
        found = (_file_row(file) for file in self.interface.select(path))
        return {file.key: file for file in found if file.place == (place, label)}


def _uri(unit: Unit) -> str:
    plural, _, name = unit.key.partition('/')
    start = uris.join(uris.ENTRY, 'projects', uris.quote(unit.project))
    return start if plural == 'projects' else uris.join(start, plural, uris.quote(name))


def _forms(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of custom forms among values."""
    return {name.removeprefix(FORM): text for name, text in values.items() if name.startswith(FORM)}


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are no fields of custom forms."""
    return {name: text for name, text in values.items() if not name.startswith(FORM)}


def _level_of(unit: Unit) -> str:
    return level(unit.key.partition('/')[0]).singular


def _mark(row: Row) -> str:
    return next((text for name, text in row.items() if name.endswith('last_modified')), '')


def _file_row(file: Any) -> FileRow:
    *above, resource, _ = file.steps
    side = resource.level.rpartition('_')[0]
    label = uris.quote(file.row.get('collection') or resource.name)
    places = [uri_of(tuple(above)), *filter(None, [side]), 'resources', label, 'files']
    return FileRow(uris.join(*places, uris.quote_path(file.row['path'])), file, file.row)


class RemoteSide(Side):
    """The server of a mirror, which gets the changes of the folder.

    One request at a time: XNAT loses fields of parallel writes to one item, and refuses parallel
    uploads to one resource (measured on 1.8.11).
    """

    def create(self, part: Part, owner: str) -> str:
        """Create an item; return its accession ID, or the ID of a scan. One request.

        Parameters
        ----------
        part : Part
            The item as the folder has it.
        owner : str
            ID of the item above at the server.
        """
        document = copy_document(part.item, session=owner if _names_session(part) else '', scans=())
        answer = self.interface.connection.request(part.uri, 'PUT', document, _XML)
        found = answer.decode('utf-8', 'replace').strip().rpartition('/')[2]
        name = found if level(part.level).has_label and found else part.id
        above = f'experiments/{owner}/' if level(part.level).is_part else ''
        self.put_forms(f'{above}{part.level}/{name}', {}, part.values)
        return name

    def namesake(self, part: Part) -> Part | None:
        """Return the item of the project that has the label of a new one.

        A PUT would change that item, or move it. One request; one more if there is one.

        Parameters
        ----------
        part : Part
            The new item.
        """
        if not level(part.level).has_label:
            return None
        project = '/'.join(part.uri.split('/')[:4])
        top = 'subjects' if part.level == 'subjects' else 'experiments'
        uri = uris.join(project, top, uris.quote(part.label))
        try:
            document = self.interface.connection.request(f'{uri}?format=xml')
        except errors.NotFoundError:
            return None
        found = read_item(document, part.level)
        subject = found.id if top == 'subjects' else found.parent
        if part.level == 'assessors':
            home = self.home(found.parent)
            subject = '' if home is None else home.id
        unit = Unit(f'subjects/{subject}', uris.segments(project)[-1], subject, '')
        return next((one for one in self.parts(unit).values() if one.id == found.id), None)

    def change(self, part: Part, place: Part, before: Mapping[str, str], owner: str) -> None:
        """Change the fields of an item that the folder changed. A request, or some more.

        Parameters
        ----------
        part : Part
            The item as the folder has it.
        place : Part
            The same item as the server has it.
        before : mapping
            Fields that both sides had.
        owner : str
            ID of the item above at the server, to which the item moves if it is another one.

        Raises
        ------
        DatabaseError
            XNAT has no request for a change: the end of a custom variable, or of a move.
        """
        now, base, there = (_plain(values) for values in (part.values, before, place.values))
        paths = {
            path for path, text in now.items() if text not in (base.get(path), there.get(path))
        }
        gone = [path for path in base if path in there and path not in now]
        uri = self._move(part, place, owner) if PARENT in paths else place.uri
        if fields := paths - {LABEL, PARENT}:
            above = place.parent.rpartition('/')[2] if _names_session(part) else ''
            document = copy_document(part.item, session=above, scans=())
            kept = fields | {f'/{level(part.level).parent_field}'}
            content = keep_fields(document, kept)
            self.interface.connection.request(uri, 'PUT', content, _XML)
        element = class_of(level(part.level).singular)(uri, self.interface)
        for path in gone:
            name = path.removeprefix('/').replace('@', '')
            element.attrs.set(f'{element.datatype()}/{name}', None)
        if LABEL in paths:
            element.attrs.set('label', part.label)
        self.put_forms(place.key, before, part.values)

    def _move(self, part: Part, place: Part, owner: str) -> str:
        """Move a session to another subject; return its URI there."""
        if part.level != 'experiments':
            raise errors.NotSupportedError(
                'it belongs to another item here',
                uri=place.uri,
                remedy='Move it at the server, then pull.',
            )
        project = '/'.join(place.uri.split('/')[:4])
        uri = uris.join(project, 'subjects', uris.quote(owner), 'experiments')
        uri = f'{uri}/{uris.quote(place.label)}'
        document = keep_fields(copy_document(place.item, scans=()), ())
        self.interface.connection.request(uri, 'PUT', document, _XML)
        return uri

    def check_unchanged(self, file: FileRow) -> None:
        """Check that a file is still as it was listed. One request.

        Raises
        ------
        IntegrityError
            The server has another content now, or none.
        """
        by = 'digest' if file.row.get('digest') else 'Size'
        rows = {str(one.row['path']): _file_row(one) for one in file.element.parent().files()}
        now = rows.get(str(file.row['path']))
        if now is None or now.values(by) != file.values(by):
            raise errors.IntegrityError(
                'the file was changed at the server meanwhile', remedy='Pull again.'
            )

    def delete(self, uri: str) -> None:
        """Delete an item. One request."""
        self.interface.connection.request(uri, 'DELETE')


def _names_session(part: Part) -> bool:
    return part.level in ('assessors', 'reconstructions')


class FolderSide(Side):
    """The folder of a mirror, which becomes equal to the remote."""

    @property
    def _archive(self) -> Folder:
        folder = self.interface.connection.transport.folder
        assert folder is not None
        return folder

    def units(self, project: str, subject: str = '') -> dict[str, tuple[Unit, str]]:
        """Return the units of a project with their marks, as `Side.units`.

        A mark includes a digest of the files, so it also changes if a file is overwritten by one
        of the same size.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the only subject of interest.

        Raises
        ------
        NotFoundError
            The project does not exist.
        """
        found = super().units(project, subject)
        digests = self._archive.file_digests(project, subject)
        return {
            key: (unit, f'{mark} {digests.get((_level_of(unit), unit.id), "")}'.strip())
            for key, (unit, mark) in found.items()
        }

    def files(self, unit: Unit, wanted: Files) -> dict[str, FileRow]:
        """Return the files of a unit, by key. No request, unless a server has the folder.

        Parameters
        ----------
        unit : Unit
            The unit.
        wanted : Files
            Which of them.
        """
        if self._archive.is_served:
            return super().files(unit, wanted)
        subject = '' if unit.id == unit.project else unit.id
        found: dict[str, FileRow] = {}
        for place, label, path, row in self._archive.files_below(unit.project, subject):
            if wanted.has(row):
                key = uris.join(place, uris.quote(label), 'files', uris.quote_path(path))
                element = class_of('files').element_at(key, self.interface, {**row, 'path': path})
                found[key] = FileRow(key, element, element.row)
        return found

    def put(self, part: Part, scans: Iterable[str] = ()) -> None:
        """Give an item the fields of a part; create it with its ID if it is missing.

        Parameters
        ----------
        part : Part
            The part.
        scans : iterable of str
            IDs of scans of a session that are put with it.
        """
        self._put(part, _document(part, scans))

    def merge(self, ours: Part, theirs: Part, values: Mapping[str, str]) -> None:
        """Give an item the fields that were merged of both sides.

        Parameters
        ----------
        ours, theirs : Part
            Both versions.
        values : mapping
            The fields; each is that of one of them.
        """
        of_theirs = {path for path, text in values.items() if theirs.values.get(path) == text}
        place = (
            ours
            if all(values.get(name) == ours.values.get(name) for name in (LABEL, PARENT))
            else theirs
        )
        self._put(place._replace(item=theirs.item), keep_fields(_document(theirs), of_theirs))
        rest = keep_fields(_document(ours), set(values) - of_theirs)
        self.interface.connection.request(place.uri, 'PUT', rest, _XML)

    def _put(self, part: Part, document: bytes) -> None:
        with self.interface.cache.stamp.changing():
            self._archive.put_exact(part.uri, document)

    def delete(self, uri: str) -> None:
        """Delete an item; nothing if it does not exist."""
        try:
            self.interface.connection.request(uri, 'DELETE')
        except errors.NotFoundError:
            return

    def holder(self, part: Part, project: str) -> str:
        """Return the ID of another item that has the label of a part; empty for none.

        Parameters
        ----------
        part : Part
            The part.
        project : str
            ID of the project.
        """
        where = level(part.level).singular
        found = self._archive.free_label(where, project, part.label)
        return '' if found == part.id else found

    def displace(self, part: Part, project: str, holder: str) -> None:
        """Give another item that has the label of a part its ID as label.

        Parameters
        ----------
        part : Part
            The part.
        project : str
            ID of the project.
        holder : str
            ID of the other item.
        """
        with self.interface.cache.stamp.changing():
            self._archive.free_label(level(part.level).singular, project, part.label, holder)

    def put_files(
        self, place: str, label: str, files: Iterable[tuple[FileRow, Path | None]]
    ) -> None:
        """Store files of the server in a resource, in place of those that it has.

        Parameters
        ----------
        place : str
            URI of the resources of an item.
        label : str
            Label of the resource; it is created if it is missing.
        files : iterable of tuple
            Files of the listing, and local files with their content, which are moved; None for
            one that is fetched when it is read.
        """
        by_notes: dict[tuple[tuple[str, str], ...], list[tuple[str, Path | None, int, str]]] = {}
        for file, path in files:
            digest = file.row.get('digest', '').lower()
            size = size_of(file.row.get('Size', '')) or 0
            if path is not None:
                digest, size = digest or digest_of(path), path.stat().st_size
            own = file.path, path, size, digest
            by_notes.setdefault(tuple(file.notes.items()), []).append(own)
        with self.interface.cache.stamp.changing():
            for notes, some in by_notes.items():
                self._archive.put_files(place, label, some, dict(notes))

    def put_resource(self, resource: Resource) -> None:
        """Create a resource without files, unless it exists."""
        uri = uris.join(resource.place, uris.quote(resource.label))
        query = f'?{urlencode(resource.notes)}' if resource.notes else ''
        with suppress(errors.DuplicateError):
            self.interface.connection.request(f'{uri}{query}', 'PUT')

    def delete_files(self, place: str, label: str, files: Iterable[FileRow]) -> None:
        """Delete files of a resource, and no others; nothing if they do not exist.

        Parameters
        ----------
        place : str
            URI of the resources of an item.
        label : str
            Label of the resource.
        files : iterable of FileRow
            The files.
        """
        with self.interface.cache.stamp.changing(), suppress(errors.NotFoundError):
            self._archive.delete_files(place, label, [file.path for file in files])

    def set_accessibility(self, unit: Unit, access: str) -> None:
        """Set who may read a project.

        Parameters
        ----------
        unit : Unit
            The project.
        access : str
            ``private``, ``protected`` or ``public``.
        """
        if access and access != self.accessibility(unit):
            self.interface.connection.request(f'{_uri(unit)}/accessibility/{access}', 'PUT')

    def copy(self, part: Part, name: str) -> None:
        """Create an item with the fields of another one.

        Parameters
        ----------
        part : Part
            The other one.
        name : str
            Label of the new item; ID of a scan or reconstruction.
        """
        owner = part.parent.rpartition('/')[2] if _names_session(part) else ''
        document = copy_document(part.item, session=owner, name=name, scans=())
        uri = f'{part.uri.rpartition("/")[0]}/{uris.quote(name)}'
        self.interface.connection.request(uri, 'PUT', document, _XML)

    def change_id(self, before: str, after: str) -> None:
        """Give an item the accession ID that it has at the server.

        Parameters
        ----------
        before, after : str
            The IDs.
        """
        with self.interface.cache.stamp.changing():
            self._archive.change_id(before, after)


def _document(part: Part, scans: Iterable[str] = ()) -> bytes:
    """Return the document of a part with the ID that it has at the remote."""
    owner = part.parent.rpartition('/')[2] if level(part.level).parent_field else ''
    root = parse_xml(copy_document(part.item, session=owner, scans=scans))
    root.set('ID', part.id)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')
