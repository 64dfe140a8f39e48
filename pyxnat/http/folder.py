"""Requests to the archive in a folder, for servers of the scheme ``file``.

The archive is opened in this process; if a server has the folder, requests go there.
"""

from __future__ import annotations

import atexit
import base64
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httplib2

from ..errors import ConfigurationError, DatabaseError, from_status, server_message
from .body import Payload
from .connection import Http, Timeouts
from .wsgi import Application, LocalResponse, call

__all__ = ['ChangedMeanwhile', 'Folder', 'FolderHttp', 'create', 'is_folder']

_CHANGED = 412
"""Status of a write whose program has compared what others have changed since."""
_MIRRORS = 'pyxnat.apps.sync.lazy'
"""Module of the programs above this layer that knows the servers of mirrors."""
_LOCK = threading.RLock()
_OPEN: dict[Path, _Opened] = {}
"""Archives that this process has open."""
_OF_PARENT: list[_Opened] = []
"""Those of the parent of a forked process: SQLite must not close them here."""


def is_folder(server: str) -> bool:
    """Whether the URL of a server is that of a folder."""
    return server.startswith('file:')


def _archives() -> Any:
    """Return the module of the server that opens folders.

    Raises
    ------
    ConfigurationError
        The extra ``server`` is not installed.
    """
    try:
        from ..server import local
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"An archive in a folder needs {error.name}: pip install 'pyxnat[server]'"
        ) from error
    return local


def _fetch(path: Path, files: list[tuple[str, str, str, str]]) -> None:
    """Fetch files of a mirror that are listed without content, through its server."""
    import_module(_MIRRORS).fetch(path, files)


def create(path: Path, site: str) -> None:
    """Create an archive in a folder, unless it has one.

    Parameters
    ----------
    path : Path
        The folder.
    site : str
        Site ID; accession IDs start with it.
    """
    _archives().create_folder(path, site)


class ChangedMeanwhile(Exception):
    """Another program has changed what this one has compared; nothing was written.

    Callers compare again: it never reaches a user.
    """


class _Opened:
    """Archive that this process has open, until its last user closes it."""

    def __init__(self, path: Path, archive: Any) -> None:
        self.archive = archive
        self.login: str = archive.login
        self._path = path
        self._process = os.getpid()
        self._file = _database(path)
        self._users = 0

    @property
    def is_current(self) -> bool:
        """Whether this process opened it, and the folder still has it."""
        return self._process == os.getpid() and self._file == _database(self._path)

    def enter(self) -> _Opened:
        """Count a user: an Interface, or a response under way."""
        with _LOCK:
            self._users += 1
        return self

    def leave(self) -> None:
        """Close the archive after the last user, but not that of a parent process."""
        with _LOCK:
            self._users -= 1
            if self._users or self._process != os.getpid():
                return
            if _OPEN.get(self._path) is self:
                del _OPEN[self._path]
            self.archive.close()


def _database(path: Path) -> tuple[int, int] | None:
    """Return which file the database of a folder is; None if it has none."""
    try:
        status = (path / 'archive.sqlite').stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_usable(place: Any) -> bool:
    """Whether there is an archive or server, and the folder still has that archive."""
    return place.is_current if isinstance(place, _Opened) else place is not None


@atexit.register
def _close_all() -> None:
    with _LOCK:
        while _OPEN:
            _OPEN.popitem()[1].archive.close()


def _after_fork() -> None:
    global _LOCK
    _LOCK = threading.RLock()
    _OF_PARENT.extend(_OPEN.values())
    _OPEN.clear()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_after_fork)


class Folder:
    """The archive in a folder, as one Interface reaches it.

    Parameters
    ----------
    server : str
        URL of the folder.
    as_owner : bool
        Whether its requests need no login.
    """

    def __init__(self, server: str, as_owner: bool) -> None:
        self.server = server
        self.as_owner = as_owner
        from urllib.request import url2pathname  # slow, and only a folder needs it

        self.path = Path(url2pathname(urlsplit(server).path)).resolve()
        self._place: Any = None
        self._of_thread = threading.local()

    def place(self) -> Any:
        """Return the archive of this process, or the server that has the folder.

        Raises
        ------
        ConfigurationError
            The folder has no archive, or it cannot be opened.
        """
        found = self._place
        if not _is_usable(found):
            with _LOCK:
                found = self._place  # another thread may have opened it
                if not _is_usable(found):
                    self.close()
                    found = self._place = self._open()
        return found

    def _open(self) -> Any:
        opened = _OPEN.get(self.path)
        if opened is None or not opened.is_current:
            found = _archives().open_folder(self.path, partial(_fetch, self.path))
            if hasattr(found, 'url'):
                return found
            opened = _OPEN[self.path] = _Opened(self.path, found)
        return opened.enter()

    @property
    def login(self) -> str:
        """Login of the owner.

        Raises
        ------
        ConfigurationError
            No administrator is enabled.
        """
        login: str = self.place().login
        if not login:
            raise ConfigurationError(
                f'{self.path} has no administrator who is enabled: pass user= and password='
            )
        return login

    @property
    def compared(self) -> Any:
        """Record of what the thread has compared; None outside of `comparing`."""
        return getattr(self._of_thread, 'compared', None)

    @contextmanager
    def comparing(self) -> Iterator[None]:
        """Write only while others leave what is compared as it is.

        Each write of this thread, by this object or its Interface, is made only if no other program
        has changed a unit that was read by `document` or `note_missing` in the block.

        Raises
        ------
        ChangedMeanwhile
            By the writes, if one has.
        """
        with self._opened() as archive:
            self._of_thread.compared = archive.compared()
            try:
                yield
            finally:
                self._of_thread.compared = None

    def note_missing(self, where: str, project: str, accession: str, label: str) -> None:
        """Note in `comparing` that the folder lacks a project or subject.

        Parameters
        ----------
        where : str
            Its level.
        project, accession, label : str
            ID of the project, its own ID and label.
        """
        with self._opened() as archive:
            archive.note_missing(where, project, accession, label, self.compared)

    def put_exact(self, uri: str, document: bytes) -> None:
        """Give an item exactly the fields of a document, and create it if it is missing.

        XNAT itself merges documents: no request can take a custom variable away. The label of the
        document may have any characters, and replaces the one before.

        Parameters
        ----------
        uri : str
            URI of the item, by IDs.
        document : bytes
            Its document, without the items below it.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        DatabaseError
            The archive refuses the document.
        """
        headers = {'content-type': 'text/xml', 'content-length': str(len(document))}
        with self._opened() as archive:
            self._send(archive.put_exact, 'PUT', uri, Payload(document), headers)

    def put_files(
        self,
        uri: str,
        label: str,
        files: Sequence[tuple[str, Path | None, int, str]],
        notes: Mapping[str, str],
        compared: Mapping[str, str],
    ) -> None:
        """Store files in a resource, in one transaction, in place of those that it has.

        Names may have any characters: XNAT takes some only in zips.

        Parameters
        ----------
        uri : str
            URI of the item's resources.
        label : str
            Label of the resource; created if missing.
        files : sequence of tuple
            Path in the resource; local file on the same file system, which is moved, or None to
            list the file without content; bytes; MD5, which the caller has checked.
        notes : mapping
            ``format``, ``content`` and ``tags`` of all of them.
        compared : mapping
            Path of each file that must be as it was compared: its digest, or size if it has none;
            empty for no file.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        ChangedMeanwhile
            One of the files is not as it was compared.
        DatabaseError
            The archive refuses the files.
        """
        uri = f'{uri}?{urlencode({**notes, "overwrite": "true"})}'
        self._change_files('PUT', uri, label, files, compared)

    def delete_files(self, uri: str, label: str, compared: Mapping[str, str]) -> None:
        """Delete files of a resource, and no others whose names begin like theirs.

        Parameters
        ----------
        uri : str
            URI of the item's resources.
        label : str
            Label of the resource.
        compared : mapping
            Path of each, and its digest, or size if it has none.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        ChangedMeanwhile
            One of the files is not as it was compared.
        NotFoundError
            None of them exists.
        """
        files = [(path, None, 0, '') for path in compared]
        self._change_files('DELETE', uri, label, files, compared)

    def _change_files(
        self,
        method: str,
        uri: str,
        label: str,
        files: Sequence[tuple[str, Path | None, int, str]],
        compared: Mapping[str, str],
    ) -> None:
        place, _, query = uri.partition('?')
        with self._opened() as archive:
            self._send(
                lambda environ, start: archive.change_files(environ, start, label, files, compared),
                method,
                f'{place}/_/files?{query}',
                Payload(None),
                {},
            )

    def _send(
        self,
        application: Application,
        method: str,
        uri: str,
        payload: Payload,
        headers: Mapping[str, str],
    ) -> None:
        """Send a request to the archive; raise an error if it is refused."""
        response = call(application, uri, method, payload, headers)
        body = response.read_all()
        if response.status not in (200, 201):
            message = server_message(body)
            raise from_status(response.status, message, method=method, uri=self.server + uri)

    def change_id(self, before: str, after: str) -> None:
        """Give an item the accession ID that it has at another server.

        Parameters
        ----------
        before, after : str
            The IDs.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        DuplicateError
            Another item has the ID.
        """
        with self._opened() as archive:
            archive.change_id(before, after)

    def set_shares(self, where: str, accession: str, labels: Mapping[str, str]) -> None:
        """Give an item exactly the shares that it has at another server.

        Parameters
        ----------
        where : str
            Singular name of the level.
        accession : str
            Its ID.
        labels : mapping
            Project -> label there; empty for none. No other item may have it.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            archive.set_shares(where, accession, labels)

    def set_notes(
        self,
        uri: str,
        label: str,
        notes: Mapping[str, str] | None,
        files: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Give a resource and files of it their format, content and tags; no others stay.

        Parameters
        ----------
        uri : str
            URI of the item's resources, by IDs.
        label : str
            Label of the resource.
        notes : mapping or None
            Those of the resource; None leaves them.
        files : mapping
            Path of each file -> its notes.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        DatabaseError
            The item does not exist.
        """
        with self._opened() as archive:
            archive.set_notes(uri, label, notes, files)

    def free_label(self, where: str, project: str, label: str, holder: str = '') -> str:
        """Return level and ID of the item that has a label; empty for none.

        Parameters
        ----------
        where : str
            Singular name of the level.
        project : str
            ID of the project.
        label : str
            The label.
        holder : str
            ID of the item that gets its ID as label, if it has the label.

        Returns
        -------
        str
            Like ``experiments/XNAT_E00001``.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            found: str = archive.free_label(where, project, label, holder)
            return found

    def create_items(self, project: str, items: Sequence[tuple[Any, ...]]) -> None:
        """Create items with all below them, in one transaction.

        Parameters
        ----------
        project : str
            ID of the project.
        items : sequence of tuple
            Outer ones first: any key; key of the item above, empty for the project; level; ID;
            label, or ID of a scan; document without the items below; values of custom forms.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        DatabaseError
            The archive refuses one of them; none is created.
        """
        with self._opened() as archive:
            archive.create_items(project, items)

    def document(self, where: str, project: str, accession: str) -> bytes:
        """Return the document of a project or subject, with all items below it.

        No request.

        Parameters
        ----------
        where : str
            Its level.
        project : str
            ID of the project.
        accession : str
            ID of the item.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        NotFoundError
            The project has no such item.
        """
        with self._opened() as archive:
            found: bytes = archive.document(where, project, accession, self.compared)
            return found

    def item_marks(self, keys: Iterable[str]) -> dict[str, str]:
        """Return a mark of each item, which changes with the item and all below it.

        Parameters
        ----------
        keys : iterable of str
            Levels and IDs, such as ``subjects/XNAT_S00001`` or ``experiments/XNAT_E00001/scans/1``.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            found: dict[str, str] = archive.item_marks(keys)
            return found

    def delete_item(self, key: str, mark: str) -> None:
        """Delete an item with all below it, of a subject also sessions of other projects.

        Parameters
        ----------
        key : str
            Levels and IDs, as for `item_marks`; nothing if there is no such item.
        mark : str
            Mark of the item when it was compared.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        ChangedMeanwhile
            It has another mark now.
        DatabaseError
            The archive refuses it.
        """
        with self._opened() as archive:
            archive.delete_item(key, mark)

    def runs(self) -> int:
        """Return how many runs of a mirror the archive has counted; 0 for none.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            number: int = archive.runs()
            return number

    def put_runs(self, number: int) -> None:
        """Store the number of runs of a mirror.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            archive.put_runs(number)

    def unit_marks(self, project: str, subject: str = '') -> list[Any]:
        """Return a project and its subjects, with marks of their last changes.

        No request.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the only subject of interest.

        Returns
        -------
        list of tuple
            Level, ID, label, and a mark that also changes if a file is replaced.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            found: list[Any] = archive.unit_marks(project, subject)
            return found

    def files_below(self, project: str, subject: str = '') -> list[Any]:
        """Return all files of a subject, or those of a project itself. No request.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the subject; empty for the project.

        Returns
        -------
        list of tuple
            URI of the resources of the item, by IDs; label of the resource; path in it; columns of
            a listing of files.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            found: list[Any] = archive.files_below(project, subject)
            return found

    def lost_files(self, project: str, subject: str = '') -> list[Any]:
        """Return those of `files_below` whose content is missing, or has another size.

        No request. No content is read.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the subject; empty for the project.

        Raises
        ------
        ConfigurationError
            A server has the folder.
        """
        with self._opened() as archive:
            found: list[Any] = archive.lost_files(project, subject)
            return found

    @property
    def is_served(self) -> bool:
        """Whether a server has the folder."""
        return not isinstance(self.place(), _Opened)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield the archive, which this process must have open."""
        opened = self.place()
        if not isinstance(opened, _Opened):
            raise ConfigurationError(f'{self.path} is served: stop the server first')
        opened.enter()
        try:
            with opened.archive.only_if(self.compared):
                yield opened.archive
        except DatabaseError as error:
            if error.status == _CHANGED:
                raise ChangedMeanwhile(error.message) from error
            raise
        finally:
            opened.leave()

    def close(self) -> None:
        """Close the archive, if no other Interface of this process uses it."""
        with _LOCK:
            place, self._place = self._place, None
            if isinstance(place, _Opened):
                place.leave()


class FolderHttp:
    """Connection of the transport to the archive in a folder.

    Parameters
    ----------
    folder : Folder
        The folder.
    timeouts : Timeouts
        Of requests to a server.
    """

    def __init__(self, folder: Folder, timeouts: Timeouts) -> None:
        self._folder = folder
        self._served: Http | None = None
        self._local: LocalResponse | None = None
        self.timeouts = timeouts

    @property
    def raw(self) -> Any:
        """Last response; its body may be unread."""
        return self._local if self._served is None else self._served.raw

    def request(
        self,
        uri: str,
        method: str,
        body: Any,
        headers: dict[str, str],
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request, as `Http` does.

        Parameters
        ----------
        uri : str
            The whole URL.
        method : str
            HTTP method.
        body : Payload
            Body of the request.
        headers : dict
            Its headers.
        connection_type : type, optional
            Ignored: no proxy is between.
        """
        place, target = self._folder.place(), uri.removeprefix(self._folder.server)
        if isinstance(place, _Opened):
            self._served = None
            return self._ask(place, target, method, body, headers)
        try:
            return self._pass_on(place, target, method, body, headers)
        except ConnectionRefusedError:
            self._folder.close()
            place = self._folder.place()
            if not isinstance(place, _Opened):
                raise
        self._served = None  # that server has ended
        return self._ask(place, target, method, body, headers)

    def _ask(
        self, opened: _Opened, target: str, method: str, body: Payload, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        as_owner = self._folder.as_owner
        opened.enter()
        try:
            with opened.archive.only_if(self._folder.compared):
                self._local = call(
                    lambda environ, start: opened.archive(environ, start, as_owner),
                    target,
                    method,
                    body,
                    headers,
                )
            if self._folder.compared is not None and self._local.status == _CHANGED:
                raise ChangedMeanwhile(server_message(self._local.read_all()))
        except BaseException:
            opened.leave()
            raise
        self._local.on_close(opened.leave)
        return self._local.headers(), b''

    def _pass_on(
        self, server: Any, target: str, method: str, body: Any, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        if self._served is None:
            self._served = Http(self.timeouts, ca_certs=server.certificate or None)
        self._served.timeouts = self.timeouts
        if self._folder.as_owner:
            key = base64.b64encode(f'{server.alias}:{server.secret}'.encode()).decode('ascii')
            headers = {**headers, 'authorization': f'Basic {key}'}
        response: httplib2.Response
        response, content = self._served.request(server.url + target, method, body, headers)
        return response, content

    def close(self) -> None:
        """Give up the response under way."""
        if self._local is not None:
            self._local.close()
        if self._served is not None:
            self._served.close()

    def close_idle(self) -> None:
        """Close the connection, if no response is under way."""
        if self._served is not None:
            self._served.close_idle()

    def abort(self) -> None:
        """Make the request of another thread fail."""
        if self._local is not None:
            self._local.abort()
        if self._served is not None:
            self._served.abort()
