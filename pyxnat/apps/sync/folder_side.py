"""The folder of a mirror, which becomes equal to the remote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

from lxml import etree

from ... import errors
from ...files.disk import digest_of
from ...http.folder import ChangedMeanwhile, Folder
from ...model import uris
from ...model.copies import copy_document, keep_fields
from ...model.levels import level
from ...model.rows import size_of
from ...model.xml import parse_xml
from ...resources.base import class_of
from .file_rows import NOTES, FileRow, Files
from .parts import (
    LABEL,
    PARENT,
    Part,
    Resource,
    shares_of,
    temporary_label,
    uri_below_session,
    values_of,
)
from .sides import XML, Side, forms_of, names_session, uri_of_unit
from .state import Unit

__all__ = ['FolderSide', 'again_if_changed', 'units_here']

_Result = TypeVar('_Result')
_TRIES = 3

_LABEL = '/@label'
"""Path of the label in a document."""


class FolderSide(Side):
    """The folder of a mirror, which becomes equal to the remote.

    Attributes
    ----------
    checks_disk : bool
        Whether files are looked up on the disk, and not in the database alone.
    """

    checks_disk = False

    @property
    def _archive(self) -> Folder:
        folder = self.interface.connection.transport.folder
        assert folder is not None
        return folder

    @property
    def is_served(self) -> bool:
        """Whether a server has the folder."""
        return self._archive.is_served

    def runs(self) -> int:
        """Return how many runs of the mirror the folder has counted. No request."""
        return self._archive.runs()

    def put_runs(self, number: int) -> None:
        """Store the number of runs of the mirror. No request."""
        self._archive.put_runs(number)

    def all_projects(self) -> frozenset[str]:
        """Return the IDs of all projects of the folder."""
        rows = self._rows(uris.join(uris.ENTRY, 'projects'), columns='ID')
        return frozenset(row['ID'] for row in rows)

    def units(self, project: str, subject: str = '') -> dict[str, tuple[Unit, str]]:
        """Return the units of a project with their marks, by key.

        No request, unless a server has the folder.

        A mark includes digests of the files and of the items that can move, so it also changes if
        a file is overwritten by one of the same size, or a session leaves.

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
        if self._archive.is_served:
            return super().units(project, subject)
        rows = self._archive.unit_marks(project, subject)
        if not (rows or subject):
            raise errors.NotFoundError(f'{project} is not in {self.interface.connection.server}')
        found = {}
        for where, name, label, mark in rows:
            unit = Unit(f'{level(where).plural}/{name}', project, name, label)
            found[unit.key] = unit, mark
        return found

    def document(self, unit: Unit) -> bytes:
        """Return the document of a unit. No request, unless a server has the folder."""
        if self._archive.is_served:
            return super().document(unit)
        plural, _, name = unit.key.partition('/')
        return self._archive.document(level(plural).singular, unit.project, name)

    def files(
        self, unit: Unit, wanted: Files, things: Mapping[str, Mapping[str, str]] | None = None
    ) -> dict[str, FileRow]:
        """Return the files of a unit, by key. No request, unless a server has the folder.

        Parameters
        ----------
        unit : Unit
            The unit.
        wanted : Files
            Which of them.
        things : mapping, optional
            Values of its items, if the caller has them.
        """
        if self._archive.is_served:
            things = things or values_of(self.parts(unit))
            return super().files(unit, wanted, things)
        found: dict[str, FileRow] = {}
        for place, label, path, row in self._archive.files_below(unit.project, unit.subject):
            if wanted.has(row):
                key = _file_key(place, label, path)
                uri = uri_below_session(key)
                element = class_of('files').element_at(uri, self.interface, {**row, 'path': path})
                found[key] = FileRow(key, element, element.row)
        return found

    def lost_files(self, unit: Unit) -> set[str]:
        """Return the keys of files that are missing on the disk, or of another size.

        None unless `checks_disk` is set. No request.
        """
        found = self._archive.lost_files(unit.project, unit.subject) if self.checks_disk else []
        return {_file_key(place, label, path) for place, label, path, _ in found}

    def comparing(self) -> AbstractContextManager[None]:
        """Write only while others leave what is compared as it is, as `Folder.comparing`."""
        return self._archive.comparing()

    def note_missing(self, unit: Unit) -> None:
        """Note in `comparing` that the folder lacks a unit."""
        where = level(unit.key.partition('/')[0]).singular
        self._archive.note_missing(where, unit.project, unit.id, unit.label)

    def marks(self, keys: Iterable[str]) -> dict[str, str]:
        """Return a mark of each of some items; that of a subject is that of its unit."""
        return self._archive.item_marks(keys)

    def delete_compared(self, key: str, mark: str) -> None:
        """Delete an item that is as it was compared.

        Parameters
        ----------
        key : str
            Its key.
        mark : str
            Its mark, read before it was compared.
        """
        with self.interface.cache.stamp.changing():
            self._archive.delete_item(key, mark)

    def move_subject(self, unit: Unit, project: str) -> None:
        """Move a subject to another project, its sessions first.

        Parameters
        ----------
        unit : Unit
            The subject.
        project : str
            ID of the other project.

        Raises
        ------
        ChangedMeanwhile
            Another program has changed it: it may be elsewhere now, or have another label.
        """
        with self.comparing():
            self.document(unit)
            super().move_subject(unit, project)

    def put(self, part: Part, scans: Iterable[str] = (), access: str = '') -> None:
        """Give an item the fields of a part; create it with its ID if it is missing.

        Parameters
        ----------
        part : Part
            The part.
        scans : iterable of str
            IDs of scans of a session that are put with it.
        access : str
            Who may read a project, as `set_accessibility`; empty leaves it.
        """
        uri = uris.with_query(part.uri, {'accessibility': access or None})
        self._put(part._replace(uri=uri), _document(part, scans))

    def create(self, parts: Iterable[Part], project: str) -> None:
        """Create a subject with all below it, in one transaction.

        Parameters
        ----------
        parts : iterable of Part
            The items, outer ones first.
        project : str
            ID of the project.

        Raises
        ------
        DatabaseError
            The folder refuses one of them; none is created.
        """
        items = [
            (
                part.key,
                '' if part.level == 'subjects' else part.parent,
                level(part.level).singular,
                part.id,
                part.label,
                copy_document(part.item, scans=()),
                {name: json.loads(text) for name, text in forms_of(part.values).items()},
            )
            for part in parts
        ]
        with self.interface.cache.stamp.changing():
            self._archive.create_items(project, items)

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
        place = ours if values.get(PARENT) == ours.values.get(PARENT) else theirs
        document = _document(theirs._replace(label=values.get(LABEL, theirs.label)))
        self._put(place, keep_fields(document, of_theirs | {_LABEL}))
        rest = keep_fields(_document(ours), set(values) - of_theirs)
        self.interface.connection.request(place.uri, 'PUT', rest, XML)

    def _put(self, part: Part, document: bytes) -> None:
        with self.interface.cache.stamp.changing():
            self._archive.put_exact(part.uri, document)

    def put_shares(self, part: Part, values: Mapping[str, str]) -> None:
        """Give an item exactly the shares among some values.

        Parameters
        ----------
        part : Part
            The item.
        values : mapping
            Values as `Part.values`.
        """
        with self.interface.cache.stamp.changing():
            self._archive.set_shares(level(part.level).singular, part.id, shares_of(values))

    def holder(self, part: Part, project: str, label: str) -> str:
        """Return the key of another item that has a label in a project; empty for none.

        Parameters
        ----------
        part : Part
            The item that needs the label.
        project : str
            ID of the project, which owns or shares it.
        label : str
            The label.
        """
        found = self._archive.free_label(level(part.level).singular, project, label)
        return '' if found.rpartition('/')[2] == part.id else found

    def displace(self, part: Part, project: str, label: str, holder: str) -> None:
        """Give another item that has the label of an item its ID as label.

        Parameters
        ----------
        part : Part
            The item that needs the label.
        project : str
            ID of the project, which owns or shares both.
        label : str
            The label.
        holder : str
            Key of the other item.
        """
        where, name = level(part.level).singular, holder.rpartition('/')[2]
        with self.interface.cache.stamp.changing():
            self._archive.free_label(where, project, label, name)

    def part_of(self, key: str) -> Part | None:
        """Return a subject, session or assessor; None if there is none.

        Two requests, or three.

        Parameters
        ----------
        key : str
            Its key.
        """
        if key.startswith('subjects/'):
            name = key.partition('/')[2]
            unit = Unit(key, self.project_of(Unit(key, '', name, '')) or '', name, '')
        else:
            unit = self.home(key) or Unit('', '', '', '')
        if not unit.project:
            return None
        return self.parts(unit).get(key)

    def put_files(
        self,
        place: str,
        label: str,
        files: Iterable[tuple[FileRow, Path | None]],
        compared: Mapping[str, str],
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
        compared : mapping
            Path to `FileRow.version` of those that must be as they were; empty for no file.
        """
        blank = dict.fromkeys(NOTES, '')
        by_notes: dict[tuple[tuple[str, str], ...], list[tuple[str, Path | None, int, str]]] = {}
        for file, path in files:
            digest = file.digest
            size = size_of(file.row.get('Size', '')) or 0
            if path is not None:
                digest, size = digest or digest_of(path), path.stat().st_size
            own = file.path, path, size, digest
            by_notes.setdefault(tuple({**blank, **file.notes}.items()), []).append(own)
        with self.interface.cache.stamp.changing():
            for notes, some in by_notes.items():
                held = {path: compared[path] for path, *_ in some if path in compared}
                self._archive.put_files(place, label, some, dict(notes), held)

    def put_resource(self, resource: Resource) -> None:
        """Create a resource without files, unless it exists.

        It may be an input of an assessor. XNAT's own request creates an output, whatever its path.
        """
        with self.interface.cache.stamp.changing():
            self._archive.put_files(resource.place, resource.label, [], resource.notes, {})

    def set_notes(
        self,
        place: str,
        label: str,
        notes: Mapping[str, str] | None,
        files: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Give a resource and files of it the format, content and tags of the server.

        Parameters
        ----------
        place : str
            URI of the resources of an item.
        label : str
            Label of the resource.
        notes : mapping or None
            Those of the resource; None leaves them.
        files : mapping
            Path of each file -> its notes.
        """
        with self.interface.cache.stamp.changing():
            self._archive.set_notes(place, label, notes, files)

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
            compared = {file.path: file.version for file in files}
            self._archive.delete_files(place, label, compared)

    def set_accessibility(self, unit: Unit, access: str) -> None:
        """Set who may read a project.

        Parameters
        ----------
        unit : Unit
            The project.
        access : str
            ``private``, ``protected`` or ``public``.
        """
        self.interface.connection.request(f'{uri_of_unit(unit)}/accessibility/{access}', 'PUT')

    def copy(self, part: Part, name: str) -> None:
        """Create an item with the fields of another one.

        Parameters
        ----------
        part : Part
            The other one.
        name : str
            Label of the new item; ID of a scan or reconstruction.
        """
        owner = part.parent.rpartition('/')[2] if names_session(part) else ''
        document = copy_document(part.item, session=owner, name=name, scans=())
        if not level(part.level).has_label:
            uri = f'{part.uri.rpartition("/")[0]}/{uris.quote(name)}'
            self.interface.connection.request(uri, 'PUT', document, XML)
            return
        root = parse_xml(document)
        root.set('label', name)
        place = f'{part.uri.rpartition("/")[0]}/{temporary_label(part.id)}'
        self._put(part._replace(uri=place), etree.tostring(root))

    def change_id(self, before: str, after: str) -> None:
        """Give an item the accession ID that it has at the server.

        Parameters
        ----------
        before, after : str
            The IDs.
        """
        with self.interface.cache.stamp.changing():
            self._archive.change_id(before, after)


def units_here(folder: FolderSide, project: str) -> dict[str, tuple[Unit, str]]:
    """Return the units of a project of the folder; none if it does not have it.

    Parameters
    ----------
    folder : FolderSide
        The folder.
    project : str
        ID of the project.
    """
    try:
        return folder.units(project)
    except errors.NotFoundError:
        return {}


def again_if_changed(attempt: Callable[[bool], _Result]) -> _Result:
    """Return the result of a function that compares and writes.

    It is called again, a few times, if other programs change what it has compared.

    Parameters
    ----------
    attempt : callable
        The function; its argument is whether it was called before.

    Raises
    ------
    BusyError
        They did each time.
    """
    for count in range(_TRIES):
        try:
            return attempt(count > 0)
        except ChangedMeanwhile as error:
            reason = error
    raise errors.BusyError(
        str(reason), remedy='Nothing of that was overwritten: pull again.'
    ) from reason


def _file_key(place: str, label: str, path: str) -> str:
    return uris.join(place, uris.quote(label), 'files', uris.quote_path(path))


def _document(part: Part, scans: Iterable[str] = ()) -> bytes:
    """Return the document of a part with the ID and label that it has at the remote."""
    owner = part.parent.rpartition('/')[2] if level(part.level).parent_field else ''
    root = parse_xml(copy_document(part.item, session=owner, scans=scans))
    root.set('ID', part.id)
    if level(part.level).has_label:
        root.set('label', part.label)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')
