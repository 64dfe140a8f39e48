"""What files and the resources that hold them can do besides."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import errors
from ..files import zips
from ..model import uris
from ..model.levels import LEVELS
from ..query.row_owner import own_rows
from ..tables.table import Row
from .base import Element

if TYPE_CHECKING:
    from ..http.body import Body

__all__ = ['FileElement', 'ResourceElement', 'about_upload']

_LONGEST_LABEL = 99


def _spelled(size: str | None) -> str:
    """A number of bytes with its unit; of a size that XNAT does not know, as of none."""
    number = float(size or 0)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if number < 1024:
            return f'{number:.2f} {unit}'
        number /= 1024
    return f'{number:.2f} TB'


class ResourceElement(Element):
    """A named folder of files."""

    def _find(self, rows: Iterable[Row]) -> Row:
        """By label first: a resource is created under a label, and only a number can be its ID."""
        found = own_rows(self.steps, rows)
        by_label = [row for row in found if self.path_name in (row.get('label'), uris.meaning(row.get('label', '')))]
        by_number = [row for row in found if row.get('xnat_abstractresource_id') == self.path_name]
        if not (by_label or by_number):
            uri = self.connection.server + super().uri
            raise errors.NotFoundError(
                f'no resource {self.path_name!r}', uri=uri, remedy='Check the spelling; what this login may not see is hidden.'
            )
        return (by_label or by_number)[0]

    @property
    def uri(self) -> str:
        """The URI; by its number where the label is one that XNAT stores otherwise, which takes a look at its listing (one request)."""
        if not self._is_odd:
            return super().uri
        number = self.value_of('xnat_abstractresource_id')
        return uris.join(uris.parent(super().uri), number)

    def listing_uri(self) -> str:
        return uris.parent(super().uri)

    @property
    def _is_odd(self) -> bool:
        """Whether its label is not of letters, digits and ``-._``: XNAT keeps others as they were sent, encoded."""
        return not uris.is_label(self.path_name)

    def _check_label(self) -> None:
        """`DataError` where a resource of that label can only be found, not made, and is not there."""
        if (self._is_odd or len(self.path_name) > _LONGEST_LABEL) and not self.exists():
            what = f'{self.path_name!r} cannot be the label of a resource: XNAT would store it encoded, or not at all'
            remedy = f'Use letters, digits, "-", "." and "_", {_LONGEST_LABEL} characters at most.'
            raise errors.DataError(what, uri=self.connection.server + uris.parent(super().uri), remedy=remedy)

    def _create(
        self, types: dict[str, str], fields: dict[str, Any], document: bytes | None = None, inner: Sequence[Any] = (), *, move: bool = False
    ) -> None:
        self._check_label()
        super()._create(types, fields, document, inner, move=move)

    def __repr__(self) -> str:
        """With what a listing told, as pyxnat 1.x wrote it: programs read the number of files from it."""
        known = self.row
        if not {'xnat_abstractresource_id', 'label', 'file_count'} <= set(known):
            return super().__repr__()
        told = f'{known["xnat_abstractresource_id"]} `{uris.meaning(known["label"])}`'
        return f'<{type(self).__name__} Object> {told} ({known["file_count"] or 0} files {_spelled(known.get("file_size"))})'

    def label(self) -> str:
        """Its label; one that XNAT stored encoded, by its meaning. One request if not known."""
        return uris.meaning(super().label())

    def get(self, dest_dir: str | os.PathLike[str], extract: bool = False) -> Any:  # type: ignore[override]
        """Download all of its files, in one request.

        Parameters
        ----------
        dest_dir : path
            A folder; made if needed. Nothing in it is touched but what is written.
        extract : bool
            Whether to unpack: the files then lie in ``dest_dir/<label>/``, as they lie in the resource.

        Returns
        -------
        str or list of str
            Path of the zip ``dest_dir/<label>.zip``, which `put_zip` takes as it is; of the files, where they were unpacked.

        Raises
        ------
        NotFoundError
            There is no such resource.
        TransferError
            The zip did not come whole, is damaged, or lacks files that are listed.

        Notes
        -----
        Two requests: the listing, and the zip, in which XNAT leaves out what is gone from its disk. Two more where the resource is addressed by its
        number, or is empty.
        """
        return self.host.transfer.download_resource(self, Path(dest_dir).expanduser(), extract)

    def put(self, sources: Any, overwrite: bool = False, extract: bool = True, **params: Any) -> ResourceElement:
        """Upload files under their own names, in one request, and see by the listing that they are there.

        Files of several folders are named from the folder that holds them all.

        Parameters
        ----------
        sources : path or list of paths
            Files on this computer.
        overwrite : bool
            Whether files of the same name are replaced; otherwise they are an error, and the others are stored.
        extract : bool
            Whether the zip they travel in is unpacked by the server, or kept as one file.
        **params
            ``format``, ``content``, ``tags``; types of missing levels above; ``params={…}`` for further query parameters.
        """
        if isinstance(sources, (bytes, bytearray)) or hasattr(sources, 'read'):
            raise errors.ProgrammingError('a resource takes paths of files', remedy='Give content to one file: resource.file(name).put(content).')
        given = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
        return self._put_members(zips.named(map(_existing, given)), overwrite, extract, params)

    batch_insert = put

    def put_dir(self, src_dir: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> ResourceElement:
        """Upload a folder with all folders in it; as `put`. Names are relative to it."""
        root = Path(src_dir).expanduser()
        if not root.is_dir():
            raise errors.DataError(f'there is no folder {os.fspath(src_dir)!r} to upload', remedy='Correct the path.')
        return self._put_members(zips.below(root), overwrite, extract, params)

    dir_insert = put_dir

    def put_zip(self, zip_location: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> ResourceElement:
        """Upload a zip (or tar, tar.gz), and see by the listing that its files are there. With ``extract=False`` it stays one file.

        Raises
        ------
        DataError
            The file is no zip and no tar; nothing is sent.
        DuplicateError
            Files of those names are there, and were left as they are; the others are stored.
        """
        path = _existing(zip_location)
        about, types = about_upload(params, overwrite)
        if extract:
            self.host.transfer.upload_unpacked(self, path, {**about, 'extract': True}, types)
        else:
            self.host.transfer.upload_archive(self, path.name, path, about, types)
        return self

    zip_insert = put_zip

    def _put_members(self, members: list[tuple[str, Path]], overwrite: bool, extract: bool, params: dict[str, Any]) -> ResourceElement:
        if not members:
            raise errors.DataError('there are no files to upload', uri=self.uri, remedy='Name at least one file.')
        about, types = about_upload(params, overwrite)
        self.host.transfer.upload_members(self, members, {**about, 'extract': extract or None}, types)
        return self

    def datatype(self) -> str:
        """Its XNAT type, such as ``xnat:resourceCatalog``. One request if not known."""
        return self.value_of('element_name')

    def attributes(self) -> dict[str, str]:
        """Its row in the listing: label, file_count, file_size (bytes), tags, format, content. One request."""
        return dict(self._fetch_row())


class FileElement(Element):
    """A file of a resource."""

    def _fetch_row(self) -> Row:
        row = self._find(own_rows(self.steps, self.connection.rows(self.listing_uri())))
        self.row.update(row)
        return row

    @property
    def uri(self) -> str:
        return uris.join(self.listing_uri(), uris.quote_path(self.path_name))

    def listing_uri(self) -> str:
        resource = self._parent_on_path()
        return f'{resource.uri if resource else ""}/files'

    def delete(self, delete_files: bool = True) -> None:
        """Delete it, and no other.

        XNAT deletes all files of a resource whose paths begin as was asked: a listing shows first that there are no others. Two requests.

        Parameters
        ----------
        delete_files : bool
            Whether it goes from the server's disk, too.

        Raises
        ------
        NotFoundError
            There is no such file.
        DataError
            Others begin with its name, and would go with it; or XNAT cannot be told its name. Nothing was deleted.
        PermissionDenied
            This login may not delete it.
        """
        rows = own_rows(self.steps, self.connection.rows(self.listing_uri()))
        self._find(rows)
        others = [row['path'] for row in rows if row['path'] != self.path_name and row['path'].startswith(self.path_name)]
        if others:
            what = f'XNAT would delete {", ".join(others[:5])} with it'
            raise errors.DataError(
                what, uri=self.connection.server + self.uri, remedy='Delete the resource, or the files together: DELETE takes a prefix.'
            )
        if not uris.is_carried(self.path_name) and '%' not in self.path_name:
            what = f'XNAT cannot be told to delete a file with the name {self.path_name!r}'
            raise errors.DataError(what, uri=self.connection.server + self.uri, remedy='Delete its resource.')
        super().delete(delete_files)

    def id(self) -> str:
        """Its path below the resource. No request."""
        return self.path_name

    label = id

    def datatype(self) -> str:
        """Files have no XNAT type: the empty text. No request."""
        return ''

    def get(self, dest: str | os.PathLike[str] | None = None, force: bool = True) -> str:  # type: ignore[override]
        """Download it.

        Parameters
        ----------
        dest : path, optional
            A file to write, or a folder to put it into. Without it the file goes to the cache, under its own name, beside its siblings, and is
            fetched again only if it changed on the server.
        force : bool
            Has no effect: old scripts give a second argument.

        Returns
        -------
        str
            Path of the local file. One in the cache can be read, not written.

        Raises
        ------
        NotFoundError
            The archive has no such file.
        TransferError
            The file did not come whole; nothing is left in its place.

        Notes
        -----
        One request; for a file below a session that no listing told of, one before it: of what is not there XNAT gives the subject's. The content is
        never whole in memory.
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
        """Upload it, creating its resource if needed.

        Parameters
        ----------
        src : path, open file, bytes, iterable of bytes, or str
            A `str` is the path of a file, which must exist, unless it cannot be one: text of several lines, or that begins like JSON or XML, is
            content. Give other text as bytes, or as `io.StringIO`.
        format, content, tags : str, optional
            What XNAT's catalogue keeps of it: such as ``NIFTI``, ``T1_RAW``, ``a,b``.
        overwrite : bool
            Whether a file of that name is replaced; otherwise it is an error.
        **params
            Types of missing levels above it (``experiments='xnat:petSessionData'``); ``params={…}`` for query parameters such as
            ``event_reason``.

        Returns
        -------
        File
            Itself.

        Raises
        ------
        DuplicateError
            A file of that name is there, and was left as it is.
        PermissionDenied
            The server stored nothing: this login may not write there.

        Notes
        -----
        One request where the session, subject or project above exists; one before it, to see whose the session is, where the path names that and its
        subject and no listing led to it; once per login session, project and level of the holder, a
        listing that shows that uploads are stored: XNAT answers 200 to a login without the right, too.
        """
        about, types = about_upload({**params, 'format': format, 'content': content, 'tags': tags}, overwrite)
        self.host.transfer.upload(self, _source(src), about, types)
        self.row.clear()
        return self

    insert = create = put  # type: ignore[assignment]

    def _cell(self, column: str) -> str:
        return self.value_of(column)

    def size(self) -> str:
        """Bytes, as text. One request if not known."""
        return self._cell('Size')

    def format(self) -> str:
        """Its format in the catalogue. One request if not known."""
        return self._cell('file_format')

    def content(self) -> str:
        """Its content in the catalogue. One request if not known."""
        return self._cell('file_content')

    def tags(self) -> str:
        """Its tags in the catalogue. One request if not known."""
        return self._cell('file_tags')

    labels = tags

    def last_modified(self) -> str:
        """When it was changed last, as an HTTP date. One request."""
        return str(self.connection.transport.request('HEAD', self.uri).headers.get('last-modified', ''))

    def attributes(self) -> dict[str, str]:
        """Its row in the listing: Name, path, Size (bytes), URI, digest (MD5), file_tags, file_format, file_content. One request."""
        return dict(self._fetch_row())


def _source(src: Body) -> Any:
    """A `str` names a file; one that does not exist must not be uploaded as its own name, and only what cannot be a path is content."""
    if isinstance(src, str) and _is_content(src) and not (len(src) < 4096 and '\x00' not in src and Path(src).is_file()):
        return src
    return _existing(src) if isinstance(src, (str, os.PathLike)) else src


def _is_content(text: str) -> bool:
    """Whether a text cannot be meant as a path: several lines, XML, or JSON of more than a word."""
    if '\n' in text or (text.lstrip().startswith('<') and text.rstrip().endswith('>')):
        return True
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _existing(location: str | os.PathLike[str]) -> Path:
    path = Path(location).expanduser()
    if not path.is_file():
        raise errors.DataError(f'there is no file {os.fspath(location)!r} to upload', remedy='Correct the path; give content as bytes.')
    return path


def about_upload(params: dict[str, Any], overwrite: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """What to tell the server of an upload, and the types of missing levels above it."""
    rest = {name: value for name, value in params.items() if name != 'use_label'}
    types = {row.plural: str(rest.pop(row.plural)) for row in LEVELS if row.plural in rest}
    about = {name: rest.pop(name, None) for name in ('format', 'content', 'tags', 'description')}
    about.update(rest.pop('params', {}))
    if rest:
        warnings.warn(f'an upload takes no {", ".join(rest)}', stacklevel=4)
    return {**about, 'overwrite': overwrite or None}, types
