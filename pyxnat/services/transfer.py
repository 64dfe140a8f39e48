"""Moves file bodies between disk and archive."""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .. import errors
from ..cache import Page
from ..files import zips
from ..files.disk import copy_file, digest_of, http_time, publish, safe_name
from ..http.body import Payload
from ..http.download import Expected, fetch
from ..http.upload_body import Carried, carried, check_names
from ..model import uris
from ..model.levels import children
from ..query.paths import uri_of
from ..query.row_owner import may_be_of_others, own_rows
from ..resources import Element
from ..resources.host import Host
from ..tables.table import Row

__all__ = ['Sent', 'Transfer', 'duplicates_in']


class Sent(NamedTuple):
    """A file that was sent."""

    size: int
    """Bytes."""
    is_plain: bool
    """Whether it went by its path."""


class Transfer:
    """Moves what one Interface selects.

    Attributes
    ----------
    proved : set
        Project and level of those whose uploads a listing has shown to be stored.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self.proved: set[tuple[str, str]] = set()
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def download(self, file: Any, dest: str | os.PathLike[str] | None = None) -> Path:
        """Fetch a file to the cache, or to a place; its local path."""
        self._find_below(file)
        uri = file.uri
        if dest is None:
            return self._to_cache(uri, file)
        target = Path(dest).expanduser()
        if target.is_dir():
            target = target / safe_name(file.path_name.rpartition('/')[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        page = self._host.cache.files.page(uri)
        if self._host.cache.is_offline or (page is not None and page.modified):
            copy_file(self._to_cache(uri, file), target)
            return target
        fetch(
            self._host.connection.transport,
            uri,
            lambda headers: publish(target, http_time(headers.get('last-modified'))),
            _expected(file),
            accept_pages=_is_page_name(uri),
        )
        return target

    def _find_below(self, file: Any) -> None:
        """See by its listing that a file is where it is asked for: of a session that is not there XNAT gives those of the subject."""
        if isinstance(file, Element) and not file.row and may_be_of_others(file.steps) and not self._host.cache.is_offline:
            file._fetch_row()

    def prefetch(self, selection: Any) -> int:
        """Ask for all that is below an element, or the elements of a collection, and bring the files to the cache; how many."""
        elements = [selection] if isinstance(selection, Element) else list(selection)
        return sum(self._prefetch(element) for element in elements)

    def _prefetch(self, element: Any) -> int:
        self._ask_below(element)
        files = [element] if element.level.plural == 'files' else list(self._host.select(f'{element.uri}//files'))
        for file in files:
            self.download(file)
        return len(files)

    def _ask_below(self, element: Any) -> None:
        """The listings and documents that an element and all below it answer questions with."""
        element.exists()
        if element.level.plural.endswith('resources') or element.level.plural == 'files':
            return
        element.get()
        for row in children(element.level.plural):
            found = list(getattr(element, row.plural)())
            if (element.level.plural, row.plural) != ('projects', 'experiments'):  # they come below their subjects
                for below in found:
                    self._ask_below(below)

    def _to_cache(self, uri: str, file: Any) -> Path:
        """The file in the cache, as the server has it now: it says so itself (304), or its listing does where dates are too coarse."""
        store = self._host.cache.files
        path = store.path(uri)
        while True:
            page = store.page(uri)
            try:
                if not self._is_current(uri, file, page):
                    self._fetch_to_cache(uri, file, page.modified if page is not None else '')
            except errors.NetworkError as error:
                if self._host.cache.mode != 'fallback' or page is None:
                    raise
                warnings.warn(f'{uri}: the file in the cache, which may be old, since {error.message}', UserWarning, stacklevel=4)
            if store.use(uri):
                return path

    def _is_current(self, uri: str, file: Any, page: Page | None) -> bool:
        """Whether what is in the cache need not be asked for: it is all there is, or it has the digest that the listing gives."""
        if self._host.cache.is_offline:
            return page is not None
        store = self._host.cache.files
        if (page is not None and page.modified) or not store.path(uri).exists():
            return False
        row = file._fetch_row()
        return store.holds(uri, page, row.get('Size', ''), row.get('digest', ''))

    def _fetch_to_cache(self, uri: str, file: Any, since: str) -> None:
        """Bring the file over, unless the server says that it has not changed since a date."""
        store, expected = self._host.cache.files, _expected(file)
        fetch(
            self._host.connection.transport,
            uri,
            lambda headers: store.writing(uri, headers, digested=bool(expected.md5)),
            expected,
            headers={'if-modified-since': since} if since else None,
            accept_pages=_is_page_name(uri),
            accept_status=frozenset({304}) if since else frozenset(),
        )

    def upload(self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]) -> None:
        """Send a file, and see that the server keeps it."""
        sent = self.send(file, source, about, types)
        self._verify(file, sent)

    def send(self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]) -> Sent:
        """Send a file. Whether the server keeps it, the caller has to see."""
        resource = file.parent()
        resource._check_label()
        payload = source if isinstance(source, Payload) else Payload(source)
        with self._turn(resource), carried(resource.uri, file.path_name, payload, about) as request:
            self._send_below(file, request, types)
        return Sent(request.size, request.is_plain)

    @contextmanager
    def _turn(self, resource: Any) -> Iterator[None]:
        """One upload at a time into a resource: XNAT keeps a catalogue for it, and fails where two change that."""
        with self._lock:
            turn = self._turns.setdefault(resource.uri, threading.Lock())
        with turn:
            yield

    def _send_below(self, file: Any, request: Carried, types: dict[str, str]) -> None:
        """Send a file, creating what holds its resource if that is missing; what the server has already, and kept, is an error."""
        file.check_owner()
        try:
            duplicates = self._send(file, request)
        except errors.NotFoundError:
            holder = file.parent().parent()
            if holder is None or holder.exists() or not request.payload.rewinds:
                raise
            holder._create(types, {})
            duplicates = self._send(file, request)
        if duplicates:
            what = f'{_some(duplicates)} is there already, and was left as it is'
            url = self._host.connection.server + file.uri
            raise errors.DuplicateError(what, uri=url, method='PUT', status=200, remedy='Replace it with overwrite=True.')

    def upload_archive(self, resource: Any, name: str, source: Any, about: dict[str, Any], types: dict[str, str]) -> None:
        """Send a zip or tar, for the server to unpack if `about` says so."""
        file = resource.file(name)
        sent = self.send(file, source, about, types)
        if not about.get('extract'):
            self._verify(file, sent)

    def upload_unpacked(self, resource: Any, path: Path, about: dict[str, Any], types: dict[str, str]) -> None:
        """Send a zip or tar for the server to unpack, and compare the listing with what is in it."""
        members = zips.sizes(path)
        check_names(list(members), self._host.connection.server + resource.uri)
        self.upload_archive(resource, _archive_name(path.name), path, about, types)
        listed = self._listed(resource)
        self._compare(resource, [name for name, size in members.items() if listed.get(name, {}).get('Size') != str(size)])

    def _listed(self, resource: Any) -> dict[str | None, Row]:
        return {row['path']: row for row in self._host.connection.rows(f'{resource.uri}/files')}

    def _compare(self, resource: Any, wrong: list[str]) -> None:
        if wrong:
            what = f'{_some(wrong)} is not on the server as it is here'
            raise errors.TransferError(what, uri=self._host.connection.server + resource.uri, remedy='Send it again.')

    def upload_members(self, resource: Any, members: list[tuple[str, Path]], about: dict[str, Any], types: dict[str, str]) -> None:
        """Send files as one zip, and compare the listing with them."""
        check_names([name for name, _ in members], self._host.connection.server + resource.uri)
        with zips.pack(members) as packed:
            self.upload_archive(resource, _archive_name(f'{resource.path_name}.zip'), packed, about, types)
        if not about.get('extract'):
            return
        listed = self._listed(resource)
        self._compare(resource, [name for name, path in members if not _is_same(listed.get(name), path)])

    def download_resource(self, resource: Any, dest: Path, extract: bool) -> Any:
        """Fetch all files of a resource as a zip, and unpack it if asked."""
        label = safe_name(resource.label() if resource.path_name.isdigit() else resource.path_name)
        target, uri = dest / f'{label}.zip', f'{resource.uri}/files'
        dest.mkdir(parents=True, exist_ok=True)
        with self._fetched_zip(uri, target) as part:
            listed = own_rows(resource.steps, self._host.connection.rows(uri))
            if not listed and not resource.exists():  # XNAT answers for a resource without files as if there were none
                raise errors.NotFoundError('there is no such resource', uri=self._host.connection.server + resource.uri, remedy='Check the spelling.')
            missing = zips.missing([row['path'] for row in listed], part)
            if missing:
                what = f'the server lists {_some(missing)}, and does not send it: it is gone from its disk'
                raise errors.TransferError(
                    what, uri=self._host.connection.server + uri, remedy='Download the other files singly; tell the administrators.'
                )
            if extract:
                return zips.unpack(part, dest / label, uri=self._host.connection.server + uri) if part else []
            if part:
                zips.repack(part, target, self._host.connection.server + uri)
            else:
                with publish(target) as file, zipfile.ZipFile(file, 'w'):
                    pass
        return str(target)

    def download_level(self, uri: str, target: Path, extract: bool, keep: bool) -> Any:
        """Fetch the files of some elements of a level as a zip, in XNAT's own layout."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._fetched_zip(uri, target) as part:
            if part is None:
                raise errors.NotFoundError('there are no such files', uri=self._host.connection.server + uri, remedy='Check the IDs or types.')
            paths = zips.unpack(part, target.parent, str, self._host.connection.server + uri) if extract else []
            if keep:
                os.replace(part, target)
        return paths if extract else str(target)

    @contextmanager
    def _fetched_zip(self, uri: str, target: Path) -> Iterator[Path | None]:
        """A zip from the server, beside its target while the block runs; `None` where the server has no files."""
        part = target.with_name(f'.{target.name}.{os.getpid()}.part')
        try:
            try:
                fetch(self._host.connection.transport, uris.with_query(uri, {'format': 'zip'}), lambda headers: publish(part))
            except errors.NotFoundError:
                yield None
            else:
                zips.check(part, self._host.connection.server + uri)
                yield part
        finally:
            part.unlink(missing_ok=True)

    def _send(self, file: Any, request: Carried) -> list[str]:
        """The names that the server says it has already, and kept."""
        with self._host.connection.transport.stream('PUT', request.uri, request.payload, request.headers, accept_pages=True) as stream:
            said = stream.read()
            attempts = stream.record.attempt
        duplicates = duplicates_in(said)
        if duplicates and attempts > 1 and request.is_plain and self._stored_size(file) == request.payload.length:
            return []  # the first attempt had arrived
        return duplicates

    def _stored_size(self, file: Any) -> int | None:
        """Bytes of the stored file; `None` where there is none."""
        row = self._listed(file.parent()).get(file.path_name)
        return int(row['Size']) if row else None

    def _verify(self, file: Any, sent: Sent) -> None:
        """See once for a project and level that uploads are stored: XNAT answers one that it may not store as if it had.

        What did not go by its path is always looked for under its name.
        """
        proof = self._proof(file)
        if proof in self.proved and sent.is_plain:
            return
        if self._stored_size(file) != sent.size:
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
        """What rights depend on: the project (or what was selected from the server itself) and the level that is written to."""
        top, holder = file.steps[0], file.parent().parent()
        return uri_of((top,)), holder.level.plural


def duplicates_in(said: bytes) -> list[str]:
    """The files of ``{"duplicates": […]}``: XNAT answers an upload so, with status 200, having stored nothing of them."""
    if not said.lstrip().startswith(b'{'):
        return []
    try:
        return [str(name) for name in json.loads(said).get('duplicates', ())]
    except ValueError:
        return []


def _archive_name(name: str) -> str:
    """The name that an archive is sent by to be unpacked, of which nothing stays."""
    return name if uris.is_carried(name) and not uris.why_unreachable(name) else 'upload' + ''.join(re.findall(r'\.tar\.\w+$|\.\w+$', name))


def _some(names: list[str]) -> str:
    """The first of some names, for a message."""
    return f'{", ".join(names[:5])}{" …" if len(names) > 5 else ""}'


def _is_same(row: Row | None, path: Path) -> bool:
    """Whether a row of a listing of files speaks of this content."""
    if row is None or row['Size'] != str(path.stat().st_size):
        return False
    return not row.get('digest') or digest_of(path) == row['digest'].lower()


def _expected(file: Any) -> Expected:
    return Expected.of(file.row, file._refetch_row) if file.row else Expected()


def _is_page_name(uri: str) -> bool:
    return uri.lower().endswith(('.html', '.htm', '.xhtml'))
