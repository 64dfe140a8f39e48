"""What files and the resources that hold them can do besides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import errors, uris
from ..tables import Row
from .base import Element

if TYPE_CHECKING:
    from ..payload import Body

__all__ = ['FileElement', 'ResourceElement']


class ResourceElement(Element):
    """A named folder of files."""

    def _find(self, rows: list[Row]) -> Row:
        """By label first: a resource is created under a label, and only a number can be its ID."""
        by_label = [row for row in rows if row.get('label') == self._urn]
        return by_label[0] if by_label else super()._find(rows)

    def attributes(self) -> dict[str, str]:
        """Its row in the listing: label, file_count, file_size (bytes), tags, format, content. One request."""
        return dict(self._look())


class FileElement(Element):
    """A file of a resource."""

    def _look(self) -> Row:
        row = self._find([{**row, 'path': uris.file_path(row['URI']) or row['Name']} for row in self._intf._get_json(self._listing())])
        self._known.update(row)
        return row

    def id(self) -> str:
        """Its path below the resource. No request."""
        return self._urn

    label = id

    def datatype(self) -> str:
        """Files have no XNAT type: the empty text. No request."""
        return ''

    def get(self, dest: str | os.PathLike[str] | None = None) -> str:  # type: ignore[override]
        """Download it.

        Parameters
        ----------
        dest : path, optional
            A file to write, or a folder to put it into. Without it the file goes to the cache, under its own name, beside its siblings, and is
            fetched again only if it changed on the server.

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
        One request. The content is never whole in memory.
        """
        return str(self._intf.transfer.download(self, dest))

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
        src : path, open file, bytes or iterable of bytes
            A `str` is the path of a file, which must exist.
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
        One request where the session, subject or project above exists; once per login session, project and level of the holder, a
        listing that shows that uploads are stored: XNAT answers 200 to a login without the right, too.
        """
        extra = dict(params.pop('params', {}))
        params.pop('use_label', None)
        about = {'format': format, 'content': content, 'tags': tags, 'overwrite': overwrite or None, **extra}
        types = {name: str(value) for name, value in params.items()}
        self._intf.transfer.upload(self, _source(src), about, types)
        self._known.clear()
        return self

    insert = create = put  # type: ignore[assignment]

    def _cell(self, column: str) -> str:
        return self._known_or_asked(column)

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

    def attributes(self) -> dict[str, str]:
        """Its row in the listing: Name, path, Size (bytes), URI, digest (MD5), file_tags, file_format, file_content. One request."""
        return dict(self._look())


def _source(src: Body) -> Any:
    """A `str` names a file here; one that does not exist must not be uploaded as its own name."""
    if not isinstance(src, (str, os.PathLike)):
        return src
    path = Path(src).expanduser()
    if not path.is_file():
        raise errors.DataError(f'there is no file {os.fspath(src)!r} to upload', remedy='Correct the path; give content as bytes.')
    return path
