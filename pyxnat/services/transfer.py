"""Transfer of file contents between disk and archive."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .. import errors
from ..cache import FileRecord
from ..files import zips
from ..files.disk import copy_file, digest_of, http_time, md5_of, publish, safe_name
from ..http.body import Payload
from ..http.download import Expected, fetch
from ..http.pages import is_page_name
from ..http.progress import progress_bar
from ..http.upload_body import FileUpload, check_names, file_upload
from ..model import uris
from ..model.levels import children
from ..model.rows import number_in, size_of
from ..query.paths import uri_of
from ..query.row_owner import may_be_of_others
from ..resources import Element
from ..resources.host import Host
from ..tables.table import Row
from .deferred import function
from .isolation import Divided, not_stored, some_names
from .mount import Mount
from .offline import CachedFiles, check_cached
from .placed import Placed
from .zip_downloads import ZipDownloads
from .zipped_file import fetch_from_zip, is_in_zips_alone

__all__ = ['Sent', 'Transfer', 'duplicates_in']

_unpackable = function('files.archives.unpackable')


class Sent(NamedTuple):
    """Size and route of an uploaded file."""

    size: int
    """Bytes."""
    is_plain: bool
    """Whether the request URI was the file's own path."""
    is_confirmed: bool
    """Whether the response has a media type.

    An upload that XNAT 1.8.11 stores is answered with ``text/plain``, one that the login may not
    store with the same status and no type.
    """


class Transfer:
    """Downloads and uploads of one Interface.

    Attributes
    ----------
    mount : Mount or None
        Folder of the archive on this machine, whose files are read there.
    proved : set
        Pairs of project and level for which a listing has confirmed an upload.
    zips : ZipDownloads
        Downloads of many files in one zip.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.mount: Mount | None = None
        self.proved: set[tuple[str, str]] = set()
        self._incomplete: set[str] = set()
        self._placed = Placed()
        self.zips = ZipDownloads(interface, self._placed)
        self._upload_locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def download(self, file: Any, dest: str | os.PathLike[str] | None = None) -> Path:
        """Download a file to the cache or to a path, and return the path.

        Parameters
        ----------
        file : File
            Element of the file.
        dest : path, optional
            A file, or an existing folder. Default: the cache, or the file on the mount itself.
        """
        # For a session that does not exist XNAT sends the files of the subject.
        # A page of a portal differs from a stored page by its size and digest.
        must_look = (
            isinstance(file, Element)
            and not file.row
            and (may_be_of_others(file.steps) or is_page_name(file.path_name))
        )
        row = file.fetch_row() if must_look and not self._host.cache.is_offline else None
        uri = file.uri
        mounted = self._on_mount(file)
        if dest is None:
            return mounted or self._to_cache(uri, file, row)
        target = Path(dest).expanduser()
        if target.is_dir():
            target = target / safe_name(file.path_name.rpartition('/')[2])
            self._placed.check([target], uri, partial(_has_content, file))
        if mounted is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_file(mounted, target)
        else:
            self._download_to(target, uri, file, row)
        self._placed.add([target], uri)
        return target

    def _on_mount(self, file: Any) -> Path | None:
        """Return the path of a file on the mount, None if it is not there."""
        return self.mount.find_element(file) if self.mount and isinstance(file, Element) else None

    def _download_to(self, target: Path, uri: str, file: Any, row: Row | None) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        record = self._host.cache.files.record(uri)
        if self._host.cache.is_offline or (record is not None and record.modified):
            copy_file(self._to_cache(uri, file, row), target)
            return
        if is_in_zips_alone(file):
            fetch_from_zip(self._host, file, publish(target))
            return
        fetch(
            self._host.connection.transport,
            uri,
            lambda headers: publish(target, http_time(headers.get('last-modified'))),
            _expected(file),
        )

    def prefetch(self, selection: Any) -> int:
        """Fetch listings, documents and files below a selection to the cache.

        Return the number of files.
        """
        elements = [selection] if isinstance(selection, Element) else list(selection)
        files = [file for element in elements for file in self._listed_below(element)]
        self._host.bulk.rehearse(selection)
        sizes = [size_of(file.row.get('Size', '')) or 0 for file in files]
        with progress_bar(sum(sizes), name='prefetch', takes_parts=True) as bar:
            done = 0
            for file, size in zip(files, sizes, strict=True):
                self.download(file)
                done += size
                bar.update(done - bar.count)
        return len(files)

    def _listed_below(self, element: Any) -> list[Any]:
        """Fetch all listings and documents of an element; return the files below it."""
        self._fetch_listings_below(element)
        if element.level.is_file:
            return [element]
        return list(self._host.select(f'{element.uri}//files'))

    def _fetch_listings_below(self, element: Any) -> None:
        """Fetch the listings and documents of an element and of all below it."""
        element.exists()
        self._host.bulk.rehearse(element)
        if not element.level.is_item:
            return
        element.get()
        for row in children(element.level.plural):
            level_below = list(getattr(element, row.plural)())
            # Experiments of a project are fetched below its subjects.
            if (element.level.plural, row.plural) != ('projects', 'experiments'):
                for child in level_below:
                    self._fetch_listings_below(child)

    def _to_cache(self, uri: str, file: Any, row: Row | None) -> Path:
        """Return the path of a current copy in the cache.

        The server confirms the copy by status 304, or a listing by its digest if the date of the
        file is too recent to rely on.
        """
        if self._host.cache.is_offline:
            return self._offline_copy(uri, file)
        store = self._host.cache.files
        path = store.path(uri)
        while True:
            record = store.record(uri)
            try:
                if not self._is_current(uri, file, record, row):
                    self._fetch_to_cache(uri, file, record.modified if record is not None else '')
            except errors.NetworkError as error:
                if self._host.cache.mode != 'fallback' or record is None:
                    raise
                warnings.warn(
                    f'{uri}: using the file in the cache, which may be outdated: {error.message}',
                    UserWarning,
                    stacklevel=4,
                )
            if store.use(uri):
                return path
            row = None  # it was removed meanwhile, and may have changed

    def _offline_copy(self, uri: str, file: Any) -> Path:
        """Return the path of the copy in the cache.

        Raise `OfflineError` if there is none.
        """
        cached = CachedFiles(self._host.cache)
        found = cached.find(uri, '')
        if found is None:
            row = file.row if 'digest' in file.row else file.fetch_row()
            found = cached.find(uri, row.get('digest', ''))
        check_cached([] if found else [file.path_name], self._host.connection.server + uri)
        assert found is not None
        return found

    def _is_current(self, uri: str, file: Any, record: FileRecord | None, row: Row | None) -> bool:
        """Return whether the copy in the cache has the size and digest of the listing."""
        store = self._host.cache.files
        if (record is not None and record.modified) or not store.path(uri).exists():
            return False
        row = row or file.fetch_row()
        return store.holds(uri, record, row.get('Size', ''), row.get('digest', ''))

    def _fetch_to_cache(self, uri: str, file: Any, since: str) -> None:
        """Download a file to the cache unless it is unmodified since a date."""
        store, expected = self._host.cache.files, _expected(file)
        if is_in_zips_alone(file):
            fetch_from_zip(self._host, file, store.writing(uri, {}, digested=True))
            return
        fetch(
            self._host.connection.transport,
            uri,
            lambda headers: store.writing(uri, headers, digested=bool(expected.md5)),
            expected,
            headers={'if-modified-since': since} if since else None,
            accept=frozenset({304}) if since else frozenset(),
        )

    def upload(self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]) -> None:
        """Upload a file, and verify that the server stored it.

        Parameters
        ----------
        file : File
            Element to create.
        source : path, bytes, file object, iterator of bytes or Payload
            Content.
        about : dict
            Query parameters of the upload, such as ``format`` and ``overwrite``.
        types : dict
            Level -> data type, for levels above that do not exist.

        Raises
        ------
        DuplicateError
            If the server has the file already and kept it.
        PermissionDenied
            If the server accepted the file and stored nothing.
        """
        self._verify(file, self.send(file, source, about, types))

    def send(
        self,
        file: Any,
        source: Any,
        about: dict[str, Any],
        types: dict[str, str],
        is_stored: Callable[[bool], bool] | None = None,
    ) -> Sent:
        """Upload a file without verification, which is left to the caller.

        Parameters
        ----------
        file, source, about, types
            As in `upload`.
        is_stored : callable, optional
            Looks whether an earlier attempt has stored the content; its argument tells whether a
            digest must prove it. Default: the listed file is compared.
        """
        resource = file.parent()
        resource.check_label()
        payload = source if isinstance(source, Payload) else Payload(source)
        with (
            self._locked(resource),
            file_upload(resource.uri, file.path_name, payload, about) as request,
        ):
            is_confirmed = self._send_below(
                file,
                request,
                types,
                is_stored or (lambda strict: self._is_stored(file, request, strict)),
            )
        return Sent(request.size, request.is_plain, is_confirmed)

    @contextmanager
    def _locked(self, resource: Any) -> Iterator[None]:
        """Hold the upload lock of a resource.

        XNAT keeps a catalogue for each resource, and fails if two uploads change it concurrently.
        """
        with self._lock:
            lock = self._upload_locks.setdefault(resource.uri, threading.Lock())
        with lock:
            yield

    def _send_below(
        self,
        file: Any,
        request: FileUpload,
        types: dict[str, str],
        is_stored: Callable[[bool], bool],
    ) -> bool:
        """Upload a file, creating the element of its resource if it is missing.

        Returns `Sent.is_confirmed`.
        """
        file.check_owner()
        try:
            duplicates, is_confirmed = self._send(request, is_stored)
        except errors.NotFoundError:
            holder = file.parent().parent()
            if holder is None or holder.exists() or not request.payload.rewinds:
                raise
            holder.create_with_parents(types, {})
            duplicates, is_confirmed = self._send(request, is_stored)
        if duplicates:
            problem = f'{some_names(duplicates)} is there already, and was left as it is'
            url = self._host.connection.server + file.uri
            error = errors.DuplicateError(
                problem, uri=url, method='PUT', status=200, remedy='Replace it with overwrite=True.'
            )
            error.names = tuple(duplicates)
            raise error
        return is_confirmed

    def upload_archive(
        self,
        resource: Any,
        name: str,
        source: Any,
        about: dict[str, Any],
        types: dict[str, str],
        is_stored: Callable[[bool], bool] | None = None,
    ) -> None:
        """Upload a zip or tar; the server unpacks it with ``extract``.

        Parameters
        ----------
        resource : Resource
            Destination.
        name : str
            Name of the archive file.
        source, about, types, is_stored
            As in `send`.
        """
        file = resource.file(name)
        sent = self.send(file, source, about, types, is_stored)
        if not about.get('extract'):
            self._verify(file, sent)

    def upload_unpacked(
        self, resource: Any, path: Path, about: dict[str, Any], types: dict[str, str]
    ) -> None:
        """Upload a zip or tar that the server unpacks; verify its members.

        One listing is fetched after the upload.

        Parameters
        ----------
        resource : Resource
            Destination.
        path : Path
            The archive file.
        about, types
            As in `upload`.

        Raises
        ------
        TransferError
            If the listing lacks a member or has another size.
        """
        uri = self._host.connection.server + resource.uri
        with _unpackable(path) as archive:
            check_names(list(archive.sizes), uri)

            def wrong() -> list[str]:
                listed = self._listed(resource)
                sizes = {name: row.get('Size') for name, row in listed.items()}
                return [
                    name for name, size in archive.sizes.items() if sizes.get(name) != str(size)
                ]

            self.upload_archive(
                resource,
                _archive_name(path.name, archive.ending),
                archive.source,
                about,
                types,
                lambda strict: not strict and not wrong(),
            )
        self._raise_if_wrong(resource, wrong())

    def _listed(self, resource: Any) -> dict[str | None, Row]:
        return {row['path']: row for row in self._host.connection.rows(f'{resource.uri}/files')}

    def _raise_if_wrong(self, resource: Any, wrong: list[str]) -> None:
        if wrong:
            resource.check_label(fresh=True)
            problem = f'{some_names(wrong)} is not on the server as it is here'
            raise errors.TransferError(
                problem, uri=self._host.connection.server + resource.uri, remedy='Send it again.'
            )

    def upload_members(
        self,
        resource: Any,
        members: list[tuple[str, Path]],
        about: dict[str, Any],
        types: dict[str, str],
        unsent: Mapping[str, Exception] = MappingProxyType({}),
    ) -> None:
        """Upload files as one zip, and verify them if it is unpacked.

        If the zip is refused, it is divided until each reason has its own file. After a failure the
        next upload to the resource sends only the files that are missing; that takes one listing
        more.

        Parameters
        ----------
        resource : Resource
            Destination.
        members : list of tuple
            Path below the resource and local path of each file.
        about, types
            As in `upload`.
        unsent : mapping
            Names of files that cannot be sent, and the reasons; they are raised at the end.

        Raises
        ------
        DatabaseError
            Files were not stored. The class is that of the reason if it is the same for all, and
            `TransferError` for several reasons.
        """
        uri = self._host.connection.server + resource.uri
        check_names([name for name, _ in members], uri)
        if not about.get('extract'):
            self._send_zip(resource, members, about, types)
            if unsent:
                raise not_stored(unsent, uri)
            return
        missing = self._missing(resource, members) if uri in self._incomplete else members
        self._incomplete.add(uri)
        reasons: dict[str, Exception] = dict(unsent)
        divided = Divided[tuple[str, Path]](
            lambda part: self._send_zip(resource, part, about, types),
            lambda member: member[1].stat().st_size,
            lambda member, error: reasons.update({member[0]: error}),
        )
        if missing:
            divided.send(missing)
            reasons = {**self._reasons(resource, missing, reasons), **unsent}
        if reasons:
            raise not_stored(reasons, uri) from next(iter(reasons.values()))
        self._incomplete.discard(uri)

    def _send_zip(
        self,
        resource: Any,
        members: list[tuple[str, Path]],
        about: dict[str, Any],
        types: dict[str, str],
    ) -> None:
        def is_unpacked(strict: bool) -> bool:
            return not self._missing(resource, members, strict)

        is_stored = is_unpacked if about.get('extract') else None
        with zips.pack(members) as packed:
            name = _archive_name(f'{resource.path_name}.zip')
            self.upload_archive(resource, name, packed, about, types, is_stored)

    def _missing(
        self, resource: Any, members: list[tuple[str, Path]], strict: bool = False
    ) -> list[tuple[str, Path]]:
        """Return the files that the server lacks, or has with other content."""
        try:
            listed = self._listed(resource)
        except errors.NotFoundError:
            return members
        return [
            (name, path) for name, path in members if not _is_same(listed.get(name), path, strict)
        ]

    def _reasons(
        self, resource: Any, members: list[tuple[str, Path]], reasons: dict[str, Exception]
    ) -> dict[str, Exception]:
        """Return the files that are not stored, each with its reason.

        Files that the server had with the same content count as stored if others were missing: an
        earlier upload was interrupted.
        """
        found = {
            name
            for error in reasons.values()
            if isinstance(error, errors.DuplicateError)
            for name in error.names
        }
        if found >= {name for name, _ in members}:
            return reasons
        missing = [name for name, _ in self._missing(resource, members)]
        problem = 'it is not on the server as it is here'
        unknown = errors.TransferError(problem, remedy='Send it again.')
        return {name: reasons.get(name, unknown) for name in missing}

    def _send(
        self, request: FileUpload, is_stored: Callable[[bool], bool]
    ) -> tuple[list[str], bool]:
        """Send the request; return files that the server kept, and `is_confirmed`.

        An earlier attempt may have stored the files, although a gateway answered it.
        """
        try:
            with self._host.connection.stream(
                'PUT', request.uri, request.payload, request.headers
            ) as stream:
                body = stream.read()
                attempts = stream.record.attempt
                is_confirmed = 'content-type' in stream.headers
        except errors.BusyError as error:
            if error.attempts == 1 or not is_stored(True):
                raise
            return [], True
        duplicates = duplicates_in(body)
        if duplicates and attempts > 1 and is_stored(False):
            duplicates = []
        return duplicates, is_confirmed

    def _is_stored(self, file: Any, request: FileUpload, strict: bool) -> bool:
        """Return whether the listed file is the one of a request.

        Without digests in the listing its size decides, unless `strict`.
        """
        row = self._listed(file.parent()).get(file.path_name)
        if row is None or size_of(row.get('Size', '')) != request.size:
            return False
        digest = row.get('digest', '').lower()
        if not digest or not request.content.rewinds:
            return not strict
        return md5_of(request.content.open_pieces()) == digest

    def _verify(self, file: Any, sent: Sent) -> None:
        """Verify an upload by a listing, once per project and level.

        XNAT responds with success to an upload that the login may not store. Files that were not
        sent to their own path are always verified, and those that the server did not confirm:
        rights can differ by data type, and between sessions of a project and shared ones.
        """
        proof = self._proof(file)
        if proof in self.proved and sent.is_plain and sent.is_confirmed:
            return
        row = self._listed(file.parent()).get(file.path_name)
        if not row or number_in(row, 'Size') != sent.size:
            file.parent().check_label(fresh=True)
            raise errors.PermissionDenied(
                'the server took the file and stored nothing',
                uri=self._host.connection.server + file.uri,
                method='PUT',
                status=200,
                remedy='The login may not write there.',
            )
        self.proved.add(proof)

    @staticmethod
    def _proof(file: Any) -> tuple[str, str]:
        """Return the key of a right to write: top element (project) and level."""
        *_, holder, _, _ = file.steps
        return uri_of(file.steps[:1]), holder.level


def duplicates_in(body: bytes) -> list[str]:
    """Return the files of ``{"duplicates": […]}``.

    XNAT responds so to an upload, with status 200, if it has stored none of them.
    """
    if not body.lstrip().startswith(b'{'):
        return []
    try:
        return [str(name) for name in json.loads(body).get('duplicates', ())]
    except ValueError:
        return []


def _archive_name(name: str, ending: str = '.zip') -> str:
    """Return a name for an uploaded archive that a URI can contain, with its ending."""
    is_usable = uris.is_carried(name) and not uris.why_unreachable(name)
    return name if is_usable and name.endswith(ending) else f'upload{ending}'


def _is_same(row: Row | None, path: Path, strict: bool = False) -> bool:
    """Return whether the size and digest in a row are those of a file.

    A row without a digest is enough unless `strict`.
    """
    if row is None or row['Size'] != str(path.stat().st_size):
        return False
    return digest_of(path) == row['digest'].lower() if row.get('digest') else not strict


def _has_content(file: Any, path: Path) -> bool:
    """Return whether a local file has the digest of a file on the server.

    Up to one request.
    """
    row = file.row if file.row.get('digest') else file.fetch_row()
    return bool(row.get('digest')) and _is_same(row, path)


def _expected(file: Any) -> Expected:
    return Expected.of(file.row, file.refetch_row) if file.row else Expected()
