"""The server of a mirror, which gets the changes of the folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlencode

from ... import errors
from ...model import uris
from ...model.copies import copy_document, keep_fields, read_item
from ...model.labels import check_label, needs_id, why_not_new
from ...model.levels import level
from ...resources.base import class_of
from .file_rows import FileRow, file_row
from .parts import (
    FORM,
    LABEL,
    PARENT,
    PROJECT,
    SHARE,
    TYPE,
    Part,
    Resource,
    parts_of,
    temporary_label,
    uri_of_project,
)
from .sides import XML, Side, names_session, uri_of_share

__all__ = ['RemoteSide']


class RemoteSide(Side):
    """The server of a mirror, which gets the changes of the folder.

    One request at a time: XNAT loses fields of parallel writes to one item, and refuses parallel
    uploads to one resource (measured on 1.8.11).
    """

    def create(self, part: Part, owner: str) -> str:
        """Create an item; return its accession ID, or the ID of a scan. One request.

        One more for a label that only a rename gives; if that fails, the item has a temporary one
        until the next push.

        Raises
        ------
        ProgrammingError
            No request gives an item its label.

        Parameters
        ----------
        part : Part
            The item as the folder has it.
        owner : str
            ID of the item above at the server.
        """
        document = copy_document(part.item, session=owner if names_session(part) else '', scans=())
        is_refused = level(part.level).has_label and why_not_new(part.level, part.label)
        label = part.label
        if is_refused:
            check_label(level(part.level).singular, label, part.uri)
            label = temporary_label(part.id)
        uri = uris.join(part.uri.rpartition('/')[0], uris.quote(label))
        answer = self.interface.connection.request(uri, 'PUT', document, XML)
        found = answer.decode('utf-8', 'replace').strip().rpartition('/')[2]
        name = found if level(part.level).has_label and found else part.id
        if is_refused:
            self.rename(part._replace(key=f'{part.level}/{name}'), part.label)
        above = f'experiments/{owner}/' if level(part.level).is_part else ''
        self.put_forms(f'{above}{part.level}/{name}', {}, part.values)
        return name

    def namesake(self, part: Part) -> Part | None:
        """Return the item that has the label of a new one in its project.

        The project may only share it. A PUT would change that item, or move it. One request; a
        listing more for a label by which XNAT finds none, and one for the type of a session or
        assessor.

        Parameters
        ----------
        part : Part
            The new item.
        """
        if not level(part.level).has_label:
            return None
        top = 'subjects' if part.level == 'subjects' else 'experiments'
        place, name = uris.join(uri_of_project(part.project), top), part.label
        if needs_id(part.level, name):
            rows = self._rows(place, columns='ID,label')
            name = next((row['ID'] for row in rows if row['label'] == name), '')
            if not name:
                return None
        uri = uris.join(place, uris.quote(name))
        try:
            document = self.interface.connection.request(f'{uri}?format=xml')
        except errors.NotFoundError:
            return None
        item = read_item(document, part.level)
        found = parts_of(document, part.level, item.project)[f'{part.level}/{item.id}']
        if top == 'experiments':
            found.values[PARENT] = f'{level(part.level).parents[0]}/{item.parent}'
            element = class_of(level(part.level).singular)(found.id_uri, self.interface)
            found.values[TYPE] = element.datatype()
        return found

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
        if PROJECT in paths:
            label = part.label if LABEL in paths else place.label
            if self.own(place.key, place.parent, part.project, label):
                paths.discard(LABEL)
            place = place.in_project(part.project)
        uri = self._move(part, place, owner) if PARENT in paths else place.uri
        if fields := paths - {LABEL, PARENT, PROJECT}:
            above = place.parent.rpartition('/')[2] if names_session(part) else ''
            document = copy_document(part.item, session=above, scans=())
            kept = fields | {f'/{level(part.level).parent_field}'}
            content = keep_fields(document, kept)
            self.interface.connection.request(uri, 'PUT', content, XML)
        element = class_of(level(part.level).singular)(uri, self.interface)
        ended = [path for path in gone if '[' in path]  # one of several alike
        for path in (path for path in gone if path not in ended):
            name = path.removeprefix('/').replace('@', '')
            element.attrs.set(f'{element.datatype()}/{name}', None)
        if LABEL in paths:
            element.attrs.set('label', part.label)
        self.put_forms(place.key, before, part.values)
        if ended:
            raise errors.NotSupportedError(
                f'XNAT has no request that removes {", ".join(ended)}',
                uri=uri,
                remedy='Give it another value in the folder, or that of the server.',
            )

    def owns_sessions(self, key: str, project: str) -> bool:
        """Whether a project has sessions of its own below a subject. One request.

        Parameters
        ----------
        key : str
            Key of the subject, which may be that of another project.
        project : str
            ID of the project.
        """
        uri = uris.join(uris.ENTRY, *map(uris.quote, key.split('/')))
        document = self.interface.connection.request(f'{uri}?format=xml')
        return any(item.project == project for item in read_item(document, 'subjects').below)

    def share(self, key: str, above: str, project: str, label: str) -> None:
        """Share an item into a project. One request.

        Parameters
        ----------
        key, above : str
            Keys of the item, and of the one above it.
        project : str
            ID of the project.
        label : str
            Label there; empty for none.
        """
        query = {'label': label, 'format': 'json'} if label else {'format': 'json'}
        uri = uris.with_query(uri_of_share(key, above, project), query)
        self.interface.connection.request(uri, 'PUT')

    def unshare(self, key: str, above: str, project: str) -> None:
        """End the share of an item, and those of the items below it. Two requests.

        Parameters
        ----------
        key, above : str
            Keys of the item, and of the one above it.
        project : str
            ID of the project.

        Raises
        ------
        NotSupportedError
            The project owns the item by now: XNAT would delete it.
        """
        uri = uri_of_share(key, above, project)
        [owner, *_] = self._rows(uris.parent(uri))
        if owner['ID'] == project:
            raise errors.NotSupportedError(
                f'{project} owns it by now, and XNAT would delete it', uri=uri, remedy='Pull first.'
            )
        self.interface.connection.request(uri, 'DELETE')

    def _move(self, part: Part, place: Part, owner: str) -> str:
        """Move a session to another subject; return its URI there."""
        if part.level != 'experiments':
            raise errors.NotSupportedError(
                'it belongs to another item here',
                uri=place.uri,
                remedy='Move it at the server, then pull.',
            )
        name = place.id if needs_id(place.level, place.label) else place.label
        home = uris.join(uri_of_project(place.project), 'subjects', uris.quote(owner))
        # below a subject of another project that is not shared into its own, a PUT moves nothing
        self.interface.connection.request(uris.with_query(place.uri, {'subject_ID': owner}), 'PUT')
        return uris.join(home, place.level, uris.quote(name))

    def put_resource(self, resource: Resource) -> None:
        """Create a resource without files, unless it exists. One request."""
        uri = uris.join(resource.place, uris.quote(resource.label))
        query = f'?{urlencode(resource.notes)}' if resource.notes else ''
        with suppress(errors.DuplicateError):
            self.interface.connection.request(f'{uri}{query}', 'PUT')

    def check_unchanged(self, file: FileRow) -> None:
        """Check that a file is still as it was listed. One request.

        Raises
        ------
        IntegrityError
            The server has another content now, or none.
        """
        by = 'digest' if file.row.get('digest') else 'Size'
        rows = {str(one.row['path']): file_row(one) for one in file.element.parent().files()}
        now = rows.get(str(file.row['path']))
        if now is None or now.values(by) != file.values(by):
            raise errors.IntegrityError(
                'the file was changed at the server meanwhile', remedy='Pull again.'
            )

    def delete(self, uri: str) -> None:
        """Delete an item. One request."""
        self.interface.connection.request(uri, 'DELETE')


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a document has, and label and item above."""
    return {name: text for name, text in values.items() if not name.startswith((FORM, SHARE))}
