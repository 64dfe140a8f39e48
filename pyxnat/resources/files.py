"""Element classes of resources and files."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .. import errors
from ..files import zips
from ..files.local import entries
from ..model import uris
from ..model.levels import LEVELS, level
from ..model.rows import size_of
from ..query.paths import is_as_routed, uri_of
from ..query.row_owner import own_rows
from ..tables.table import Row
from .above import is_full_path
from .base import Element

if TYPE_CHECKING:
    from ..http.body import Body

__all__ = ['FileElement', 'ResourceElement', 'about_upload']

_LONGEST_LABEL = 99


def _format_size(size: str | None) -> str:
    """Format a number of bytes with its unit; an unknown size counts as 0."""
    if not size:
        return '0.0 B'
    number = float(size_of(size) or 0)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if number < 1024:
            return f'{number:.2f} {unit}'
        number /= 1024
    return f'{number:.2f} TB'


class ResourceElement(Element):
    """A named folder of files."""

    def require_row(self, rows: Iterable[Row]) -> Row:
        """Return its row: the one with its name as label, or else as number.

        Labels come first, because resources are created by label and IDs are always numbers.
        """
        found = own_rows(self.steps, rows)
        by_label = [
            row
            for row in found
            if self.path_name in (row.get('label'), uris.meaning(row.get('label', '')))
        ]
        by_number = [row for row in found if row.get('xnat_abstractresource_id') == self.path_name]
        if not (by_label or by_number):
            uri = self.connection.server + super().uri
            raise errors.NotFoundError(
                f'no resource {self.path_name!r}',
                uri=uri,
                remedy='Check the spelling; items hidden from this login are not listed.',
            )
        return (by_label or by_number)[0]

    @property
    def uri(self) -> str:
        """The encoded URI, starting with ``/data``.

        A label that XNAT stores encoded is replaced by the resource's number: one request.
        """
        if is_as_routed(self.steps) or not self._is_odd:
            return super().uri
        number = self.value_of('xnat_abstractresource_id')
        return uris.join(uris.parent(super().uri), number)

    def listing_uri(self) -> str:
        """Return the URI of the listing that contains the resource."""
        return uris.parent(super().uri)

    @property
    def _is_odd(self) -> bool:
        """Whether the label has characters other than letters, digits, ``-._``.

        XNAT stores such labels encoded, as they were sent.
        """
        return not uris.is_label(self.path_name)

    def check_label(self, fresh: bool = False) -> None:
        """Raise an error if XNAT would store it under another label, or in another place.

        Below an assessor or reconstruction up to one request a minute, unless its row is known.

        Parameters
        ----------
        fresh : bool
            Look in any case.

        Raises
        ------
        DataError
            The label is invalid.
        DuplicateError
            An input has the label of an output, or an output that of an input.
        """
        never = self.path_name.upper() in self.level.name_rule.never
        if (self._is_odd or never or len(self.path_name) > _LONGEST_LABEL) and not self.exists():
            message = (
                f'{self.path_name!r} cannot be the label of a resource: XNAT would store it '
                'encoded, or not at all'
            )
            remedy = f'Use letters, digits, "-", "." and "_", {_LONGEST_LABEL} characters at most.'
            raise errors.DataError(
                message, uri=self.connection.server + uris.parent(super().uri), remedy=remedy
            )
        if level(self.steps[-2].level).has_sides:
            self.host.sides.check(self, fresh)

    def _uri_to_delete(self) -> str:
        """Return its URI, unless the resource of that label is on the other side."""
        if level(self.steps[-2].level).has_sides:
            self.host.sides.check(self)
        return super()._uri_to_delete()

    def create_with_parents(
        self,
        types: dict[str, str],
        fields: dict[str, Any],
        document: bytes | None = None,
        inner: Sequence[Any] = (),
        *,
        move: bool = False,
    ) -> None:
        """Create it and all missing elements above it, after a check of its label.

        Parameters
        ----------
        types, fields, document, inner, move
            As for other elements.
        """
        self.check_label()
        super().create_with_parents(types, fields, document, inner, move=move)

    def __repr__(self) -> str:
        """Show the label and number of files in the format of pyxnat 1.x.

        Scripts parse the number of files. Needs the row of a listing; shorter without it.
        """
        known = self.row
        if not {'xnat_abstractresource_id', 'label', 'file_count'} <= set(known):
            return super().__repr__()
        name = f'{known["xnat_abstractresource_id"]} `{uris.meaning(known["label"])}`'
        return errors.printable(
            f'<{type(self).__name__} Object> {name} ({known["file_count"] or 0} files '
            f'{_format_size(known.get("file_size"))})'
        )

    def summary(self) -> str:
        """Return one line: number, label, number of files and size.

        One request if they are not known.
        """
        if not {'xnat_abstractresource_id', 'label', 'file_count'} <= set(self.row):
            self.fetch_row()
        return repr(self)

    def label(self) -> str:
        """Return its label, decoded. One request if not known."""
        return uris.meaning(super().label())

    def get(  # type: ignore[override]
        self, dest_dir: str | os.PathLike[str], extract: bool = False
    ) -> Any:
        """Download all of its files as one zip.

        Parameters
        ----------
        dest_dir : path
            A folder; created if needed. Other files in it are left alone.
        extract : bool
            Unpack the zip: the files are then in ``dest_dir/<label>/``, with the paths that they
            have in the resource.

        Returns
        -------
        str or list of str
            Path of the zip ``dest_dir/<label>.zip``, which `put_zip` accepts unchanged; or the
            paths of the unpacked files.

        Raises
        ------
        NotFoundError
            The resource does not exist.
        TransferError
            The zip is truncated or damaged, or lacks listed files; then all others are kept.
        DataError
            It would replace files that this Interface downloaded from another resource.

        Notes
        -----
        Two requests: the listing and the zip, since XNAT leaves files that are missing on its disk
        out of the zip. Two more if the resource is addressed by its number, or is empty.
        """
        return self.host.transfer.zips.of_resource(self, Path(dest_dir).expanduser(), extract)

    def put(
        self, sources: Any, overwrite: bool = False, extract: bool = True, **params: Any
    ) -> ResourceElement:
        """Upload files under their own names, in one request.

        A listing then verifies that they are stored. Files from several folders get names relative
        to their common folder. If the server refuses the request, for one of the files or for its
        size, it is divided, down to single files: all others are stored, and the error has the
        reason of each. The next call for the resource sends only the files that are missing.

        Parameters
        ----------
        sources : path or list of paths
            Local files.
        overwrite : bool
            Replace files of the same name. False raises an error for them and stores the others.
        extract : bool
            Let the server unpack the zip that is sent. False stores the zip as one file.
        **params
            ``format``, ``content``, ``tags``; types of missing levels above; ``params={…}`` for
            further query parameters.

        Returns
        -------
        Resource
            This element.

        Raises
        ------
        DataError
            A local file does not exist, or there are no files to upload; nothing is sent.
        DuplicateError
            Files of the same name are present and unchanged; the others are stored. Files that are
            present with the same content are no error if others were missing.
        """
        if isinstance(sources, bytes) and _is_local_path(sources):
            sources = [sources]
        if isinstance(sources, (bytes, bytearray)) or hasattr(sources, 'read'):
            raise errors.ProgrammingError(
                'a resource uploads paths of files',
                remedy='Upload content as one file: resource.file(name).put(content).',
            )
        given = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
        return self._put_members(zips.named(map(_existing_file, given)), overwrite, extract, params)

    batch_insert = put

    def put_dir(
        self,
        src_dir: str | os.PathLike[str],
        overwrite: bool = False,
        extract: bool = True,
        **params: Any,
    ) -> ResourceElement:
        """Upload a folder with its subfolders. Requests as for `put`.

        Parameters
        ----------
        src_dir : path
            A local folder; the names of the files are relative to it. Links to files count as
            files. Links to folders, FIFOs, sockets and devices are left out with a warning.
        overwrite, extract, **params
            As for `put`.

        Returns
        -------
        Resource
            This element.

        Raises
        ------
        DataError
            Files cannot be read, or have names that are not in UTF-8; links lead to no file. All
            other files are stored.
        """
        root = Path(os.fsdecode(src_dir)).expanduser()
        if not root.is_dir():
            raise errors.DataError(
                f'there is no folder {os.fspath(src_dir)!r} to upload', remedy='Correct the path.'
            )
        found = list(entries(root))
        left_out = [f'{entry.name} ({entry.why_not})' for entry in found if not entry.is_data]
        if left_out:
            warnings.warn(f'not uploaded: {", ".join(left_out)}', stacklevel=2)
        unsent = {
            entry.name: errors.DataError(
                entry.why_not, remedy='Rename or remove it; all others are stored.'
            )
            for entry in found
            if entry.why_not and entry.is_data
        }
        members = [(entry.name, entry.path) for entry in found if not entry.why_not]
        return self._put_members(members, overwrite, extract, params, unsent)

    dir_insert = put_dir

    def put_zip(
        self,
        zip_location: str | os.PathLike[str],
        overwrite: bool = False,
        extract: bool = True,
        **params: Any,
    ) -> ResourceElement:
        """Upload a zip or tar, and verify its files in the listing.

        An archive that XNAT would not unpack to the same files is packed again as a zip: a tar.bz2
        or tar.xz, a tar with links, a zip with names that are not marked as UTF-8 or have
        backslashes.

        Parameters
        ----------
        zip_location : path
            A local file.
        overwrite, **params
            As for `put`.
        extract : bool
            Let the server unpack it. False stores it as one file.

        Returns
        -------
        Resource
            This element.

        Raises
        ------
        DataError
            The file is no zip or tar, is encrypted, or has a member that cannot be stored; nothing
            is sent.
        DuplicateError
            Files of the same name are present and unchanged; the others are stored.
        """
        path = _existing_file(zip_location)
        about, types = about_upload(params, overwrite)
        if extract:
            self.host.transfer.upload_unpacked(self, path, {**about, 'extract': True}, types)
        else:
            self.host.transfer.upload_archive(self, path.name, path, about, types)
        return self

    zip_insert = put_zip

    def _put_members(
        self,
        members: list[tuple[str, Path]],
        overwrite: bool,
        extract: bool,
        params: dict[str, Any],
        unsent: Mapping[str, Exception] = MappingProxyType({}),
    ) -> ResourceElement:
        if not (members or unsent):
            raise errors.DataError(
                'there are no files to upload', uri=self.uri, remedy='Name at least one file.'
            )
        about, types = about_upload(params, overwrite)
        self.host.transfer.upload_members(
            self, members, {**about, 'extract': extract or None}, types, unsent
        )
        return self

    def datatype(self) -> str:
        """Return its XNAT type, such as ``xnat:resourceCatalog``.

        One request if not known.
        """
        return self.value_of('element_name')

    def attributes(self) -> dict[str, str]:
        """Return its row in the listing of its level. One request.

        Columns: label, file_count, file_size (bytes), tags, format, content.
        """
        return dict(self.fetch_row())


class FileElement(Element):
    """A file of a resource."""

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of its level. One request."""
        row = self.require_row(own_rows(self.steps, self.connection.rows(self.listing_uri())))
        self.row.update(row)
        return row

    @property
    def uri(self) -> str:
        """The encoded URI, starting with ``/data``."""
        if is_as_routed(self.steps):
            return uri_of(self.steps)
        return uris.join(self.listing_uri(), uris.quote_path(self.path_name))

    def listing_uri(self) -> str:
        """Return the URI of the listing that contains the file."""
        if is_as_routed(self.steps):
            return f'{uri_of(self.steps[:-1])}/files'
        resource = self.parent_on_path()
        return f'{resource.uri if resource else ""}/files'

    def delete(self, delete_files: bool = True) -> None:
        """Delete this file and no other. Two requests.

        XNAT deletes all files of the resource whose paths begin with the given one. A listing first
        checks that there are no others.

        Parameters
        ----------
        delete_files : bool
            Delete it from the server's disk, too.

        Raises
        ------
        NotFoundError
            The file does not exist.
        DataError
            Other files begin with its name, or XNAT cannot delete a file of this name. Nothing was
            deleted.
        PermissionDenied
            This login may not delete it.
        """
        rows = own_rows(self.steps, self.connection.rows(self.listing_uri()))
        self.require_row(rows)
        others = [
            row['path']
            for row in rows
            if row['path'] != self.path_name and row['path'].startswith(self.path_name)
        ]
        if others:
            message = f'XNAT would also delete {", ".join(others[:5])}'
            raise errors.DataError(
                message,
                uri=self.connection.server + self.uri,
                remedy='Delete the resource, or all files with this prefix by a DELETE request.',
            )
        if not uris.is_carried(self.path_name) and '%' not in self.path_name:
            message = f'XNAT cannot delete a file with the name {self.path_name!r}'
            raise errors.DataError(
                message, uri=self.connection.server + self.uri, remedy='Delete its resource.'
            )
        super().delete(delete_files)

    def id(self) -> str:
        """Return its path below the resource. No request."""
        return self.path_name

    label = id

    def datatype(self) -> str:
        """Return the empty text: files have no XNAT type. No request."""
        return ''

    def get(  # type: ignore[override]
        self, dest: str | os.PathLike[str] | None = None, force: bool = True
    ) -> str:
        """Download the file.

        Parameters
        ----------
        dest : path, optional
            A file to write, or an existing folder. Default: the cache, where the file keeps its
            name and is fetched again only if it changed on the server.
        force : bool
            Ignored; old scripts pass a second argument.

        Returns
        -------
        str
            Path of the local file. Files in the cache are read-only.

        Raises
        ------
        NotFoundError
            The file does not exist.
        TransferError
            The download is incomplete; no partial file is left at `dest`.
        DataError
            The folder `dest` has a file of this name that this Interface downloaded from elsewhere.

        Notes
        -----
        One request. One more for a file below a session that came from no listing: for a missing
        resource of a session, XNAT answers with that of the subject. The content is streamed to
        disk.
        """
        return str(self.host.transfer.download(self, dest))

    get_copy = get

    def put(
        self,
        src: Body,
        format: str | None = None,  # noqa: A002 - XNAT's word
        content: str | None = None,
        tags: str | None = None,
        overwrite: bool = False,
        **params: Any,
    ) -> FileElement:
        """Upload the file, and create its resource if needed.

        Parameters
        ----------
        src : path, open file, bytes, iterable of bytes, or str
            A `str` is the path of an existing file, unless it cannot be a path: text of several
            lines, JSON or XML is content. Pass other text as bytes, or as `io.StringIO`. Bytes are
            content, unless they are the absolute path of an existing file.
        format, content, tags : str, optional
            Attributes in XNAT's catalogue, such as ``NIFTI``, ``T1_RAW``, ``a,b``.
        overwrite : bool
            Replace a file of this name. False raises an error for it.
        **params
            Types of missing levels above (``experiments='xnat:petSessionData'``); ``params={…}``
            for query parameters such as ``event_reason``.

        Returns
        -------
        File
            This element.

        Raises
        ------
        DuplicateError
            A file of this name is present and unchanged.
        PermissionDenied
            The server stored nothing: this login may not write there.

        Notes
        -----
        One request if the session, subject or project above exists. One before it for the session's
        owner, if the path names subject and session and neither came from a listing. One listing
        after it, once per login session, project and level of the resource's parent, and if the
        response has no media type: it verifies the upload, because XNAT answers 200 even if the
        login may not write (measured on 1.8.11: then without ``Content-Type``).
        """
        about, types = about_upload(
            {**params, 'format': format, 'content': content, 'tags': tags}, overwrite
        )
        self.host.transfer.upload(self, _source(src), about, types)
        self.row.clear()
        return self

    insert = create = put  # type: ignore[assignment]

    def _cell(self, column: str) -> str:
        return self.value_of(column)

    def size(self) -> str:
        """Return the size in bytes, as text. One request if not known."""
        return self._cell('Size')

    def format(self) -> str:
        """Return its format in the catalogue. One request if not known."""
        return self._cell('file_format')

    def content(self) -> str:
        """Return its content in the catalogue. One request if not known."""
        return self._cell('file_content')

    def tags(self) -> str:
        """Return its tags in the catalogue. One request if not known."""
        return self._cell('file_tags')

    labels = tags

    def last_modified(self) -> str:
        """Return the time of the last change, as an HTTP date. One request."""
        return str(
            self.connection.transport.request('HEAD', self.uri).headers.get('last-modified', '')
        )

    def attributes(self) -> dict[str, str]:
        """Return its row in the listing of its level. One request.

        Columns: Name, path, Size (bytes), URI, digest (MD5), file_tags, file_format, file_content.
        """
        return dict(self.fetch_row())


def _source(src: Body) -> Any:
    """Return the path of an existing file, or the content to upload.

    A missing file raises an error, so that its name is never uploaded as its content.
    """
    if (
        isinstance(src, str)
        and _is_content(src)
        and not (len(src) < 4096 and '\x00' not in src and Path(src).is_file())
    ):
        return src
    is_path = isinstance(src, (str, os.PathLike)) or (
        isinstance(src, bytes) and _is_local_path(src)
    )
    return _existing_file(src) if is_path else src  # type: ignore[arg-type]


def _is_local_path(content: bytes) -> bool:
    """Whether bytes are the absolute path of an existing file.

    Functions of :mod:`os` return such paths if they are given bytes.
    """
    if len(content) >= 4096 or b'\x00' in content or b'\n' in content:
        return False
    path = Path(os.fsdecode(content))
    return path.is_absolute() and path.is_file()


def _is_content(text: str) -> bool:
    """Whether a text cannot be a path: several lines, XML, or JSON.

    JSON means a list or object here.
    """
    if '\n' in text or (text.lstrip().startswith('<') and text.rstrip().endswith('>')):
        return True
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _existing_file(location: str | bytes | os.PathLike[str]) -> Path:
    path = Path(os.fsdecode(location)).expanduser()
    if not path.is_file():
        raise errors.DataError(
            f'there is no file {os.fspath(location)!r} to upload',
            remedy='Correct the path; give content as bytes.',
        )
    return path


def about_upload(params: dict[str, Any], overwrite: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Split upload parameters into query parameters and types of levels above.

    Parameters
    ----------
    params : dict
        Keyword arguments of `put`. Unknown ones cause a warning, and fields of elements above are
        an error.
    overwrite : bool
        Whether to replace files that are present.

    Returns
    -------
    tuple of dict
        The query parameters, and the types by plural level name.
    """
    rest = {name: value for name, value in params.items() if name != 'use_label'}
    types = {row.plural: str(rest.pop(row.plural)) for row in LEVELS if row.plural in rest}
    about = {name: rest.pop(name, None) for name in ('format', 'content', 'tags', 'description')}
    about.update(rest.pop('params', {}))
    lost = [name for name in [*rest, *about] if is_full_path(name)]
    if lost:
        raise errors.ProgrammingError(
            f'an upload cannot set {", ".join(lost)}',
            remedy='Give fields to create() of the element that is to hold the file.',
        )
    if rest:
        warnings.warn(f'unknown upload parameters: {", ".join(rest)}', stacklevel=4)
    return {**about, 'overwrite': overwrite or None}, types
