"""fsspec's file system over one server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK

from ...errors import InvalidArgument
from ...http.validation import PART
from ...interface import Interface
from .addresses import PROTOCOL, Address
from .opened import CachedFile, XnatUpload
from .tree import Names, Tree, is_resource, not_there

__all__ = ['XnatFileSystem']

_SECRETS = ('password', 'token', 'interface')
_SMALL = 1_000_000
"""Files up to this size, in bytes, are fetched as a whole for a part of them."""

_OF_FSSPEC = (
    'use_listings_cache',
    'listings_expiry_time',
    'max_paths',
    'asynchronous',
    'loop',
    'batch_size',
)
"""Options of the base class."""
_interfaces: dict[tuple[Any, ...], Interface] = {}
_lock = threading.Lock()


def _shared_interface(server: str | None, options: dict[str, Any]) -> Interface:
    """Return the connection of a server and login.

    All file systems of the process share it.
    """
    key = (os.getpid(), server, *sorted((name, repr(value)) for name, value in options.items()))
    with _lock:
        if key not in _interfaces:
            _interfaces[key] = Interface(server, **options)
        return _interfaces[key]


class XnatFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files of an XNAT server, below the names of their elements.

    Paths are ``P/S/E/SCAN/RESOURCE/path``, as a download with the default layout has them; an
    assessor or reconstruction is in the place of a scan, and resources of projects, subjects and
    sessions are beside subjects, sessions and scans. REST paths are understood, too.

    Parameters
    ----------
    server : str, optional
        URL of the server, as for `Interface`. Default: that of the path, or ``XNAT_HOST``.
    user, password : str, optional
        The login, as for `Interface`.
    jobs : int
        Number of parallel downloads.
    interface : Interface, optional
        A connection to use, in place of server and login.
    **options
        ``token``, ``anonymous``, ``verify``, ``proxy``, ``provider``, ``cachedir``, ``timeout``,
        ``offline`` and others of `Interface`; and those of `fsspec.AbstractFileSystem`.

    Attributes
    ----------
    interface : Interface
        The connection. File systems of one process share it per server and login.

    Notes
    -----
    Pickles and JSON have no password and no token: a process that gets them takes the login from
    its environment or ``~/.netrc``. There are no empty folders inside a resource.
    """

    protocol = PROTOCOL
    cachable = True
    root_marker = ''

    def __init__(
        self,
        server: str | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        jobs: int = 4,
        interface: Interface | None = None,
        **options: Any,
    ) -> None:
        of_fsspec = {name: options.pop(name) for name in _OF_FSSPEC if name in options}
        super().__init__(**of_fsspec)
        login = {'user': user, 'password': password, **options}
        given = {name: value for name, value in login.items() if value is not None}
        self.interface = interface or _shared_interface(server, given)
        self._jobs = jobs
        self._tree = Tree(self.interface)

    @property
    def storage_options(self) -> dict[str, Any]:
        """Options of the constructor, without secrets."""
        return self._options

    @storage_options.setter
    def storage_options(self, options: dict[str, Any]) -> None:
        server = {} if 'interface' not in options else {'server': self.interface.connection.server}
        self._options = {
            **server,
            **{name: value for name, value in options.items() if name not in _SECRETS},
        }

    @property
    def fsid(self) -> str:
        """Identity of the files: server and login."""
        return f'{PROTOCOL}_{self.interface.connection.server}_{self.interface.connection.user}'

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return Address.parse(os.fspath(path)).path

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        server = Address.parse(path).server
        return {'server': server} if server else {}

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path, with the host."""
        host = self.interface.connection.server.partition('://')[2]
        return f'{PROTOCOL}://{host}/{self._strip_protocol(name)}'

    # -- reading -----------------------------------------------------------------------------------

    def _names(self, path: Any) -> Names:
        return Address.parse(os.fspath(path)).parts

    def _file(self, path: Any) -> Any:
        """Return the element of an existing file."""
        names = self._names(path)
        file = self._tree.files(names).get(names) if len(names) > 2 else None
        if file is None:
            if self._is_folder(names):
                raise IsADirectoryError(f'{"/".join(names)} is a folder')
            raise not_there(names)
        return file

    def _is_folder(self, names: Names) -> bool:
        return not names or self._tree.element(names) is not None

    def info(self, path: Any, **options: Any) -> dict[str, Any]:
        """Return name, type and size of a file or folder.

        Parameters
        ----------
        path : str
            Its path.
        **options
            Ignored.

        Returns
        -------
        dict
            ``name``, ``type`` (``file`` or ``directory``) and ``size`` in bytes (0 for a folder);
            for a file also ``md5`` (empty if the server has none) and ``uri``.

        Raises
        ------
        FileNotFoundError
            There is none.
        """
        names = self._names(path)
        files = self._tree.files(names) if len(names) > 2 else {}
        if names in files:
            return _file_info(names, files[names])
        if files or self._is_folder(names):
            return _folder_info(names)
        raise not_there(names)

    def ls(self, path: Any, detail: bool = True, **options: Any) -> list[Any]:
        """Return the files and folders directly below a path, or the file itself.

        Parameters
        ----------
        path : str
            Path of a folder or file.
        detail : bool
            Whether to return dictionaries as of `info`, or paths.
        **options
            Ignored.
        """
        names = self._names(path)
        element = self._tree.element(names) if names else None
        if not names or (element is not None and not is_resource(element)):
            rows = [_folder_info((*names, name)) for name in sorted(self._tree.children(names))]
        else:
            files = self._tree.files(names)
            if not files and element is None:
                raise not_there(names)
            rows = _next_level(names, files)
        return rows if detail else [row['name'] for row in rows]

    def find(
        self,
        path: Any,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Return the files below a path, with the requests of one listing of them.

        Parameters
        ----------
        path : str
            A folder, or a file.
        maxdepth : int, optional
            How many levels to go down.
        withdirs : bool
            Whether to return folders that have files, too.
        detail : bool
            Whether to return a dictionary of path -> information, or a list of paths.
        **options
            Ignored.
        """
        names = self._names(path)
        try:
            files = self._tree.files(names)
        except FileNotFoundError:
            files = {}
        rows = {one: _file_info(one, file) for one, file in files.items()}
        if withdirs:
            folders = {one[:n] for one in files for n in range(len(names), len(one))} - {()}
            rows |= {one: _folder_info(one) for one in folders}
            if names and names not in rows and self._is_folder(names):
                rows[names] = _folder_info(names)
        deepest = len(names) + maxdepth if maxdepth else None
        found = {
            rows[one]['name']: rows[one]
            for one in sorted(rows)
            if deepest is None or len(one) <= deepest
        }
        return found if detail else list(found)

    def exists(self, path: Any, **options: Any) -> bool:
        """Whether there is such a file or folder; errors of network and login are raised."""
        return self._type(path) != ''

    def isdir(self, path: Any) -> bool:
        """Whether there is such a folder; errors of network and login are raised."""
        return self._type(path) == 'directory'

    def isfile(self, path: Any) -> bool:
        """Whether there is such a file; errors of network and login are raised."""
        return self._type(path) == 'file'

    def _type(self, path: Any) -> str:
        try:
            return str(self.info(path)['type'])
        except FileNotFoundError:
            return ''

    def checksum(self, path: Any) -> str:
        """Return the MD5 digest of a file, from its listing."""
        return str(self._file(path).row.get('digest', ''))

    def ukey(self, path: Any) -> str:
        """Return a text that changes with the content: the MD5 digest, or size and date."""
        file = self._file(path)
        return str(file.row.get('digest') or f'{file.size()} {file.last_modified()}')

    def modified(self, path: Any) -> datetime:
        """Return the time of the last change. One request, and the listing."""
        return parsedate_to_datetime(self._file(path).last_modified())

    def cat_file(
        self, path: Any, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """Return the content of a file, or a part of it.

        The file is fetched through the cache. Only the part is fetched from a large file, if the
        server supports ranges.

        Parameters
        ----------
        path : str
            Path of the file.
        start, end : int, optional
            Limits in bytes, as those of a slice.
        **options
            Ignored.
        """
        file = self._file(path)
        first, last, _ = slice(start, end).indices(int(file.size() or 0))
        if last - first < int(file.size() or 0) - _SMALL:
            part = self._range(file, first, last)
            if part is not None:
                return part
        with open(file.get(), 'rb') as local:
            if start is None and end is None:
                return local.read()
            local.seek(first)
            return local.read(max(last - first, 0))

    def _range(self, file: Any, first: int, last: int) -> bytes | None:
        """Return a part of a file.

        `None` if the server sends no parts, or the file has changed.
        """
        if first >= last:
            return b''
        wanted = f'bytes={first}-{last - 1}'
        answer = self.interface.connection.transport.request(
            'GET', file.uri, headers={'Range': wanted}, kind=PART
        )
        content_range = str(answer.headers.get('content-range', '')).replace(' ', '=', 1)
        is_part = answer.status == 206 and content_range == f'{wanted}/{file.size()}'
        return answer.body if is_part and len(answer.body) == last - first else None

    def cat(
        self, path: Any, recursive: bool = False, on_error: str = 'raise', **options: Any
    ) -> Any:
        """Return the content of one file, or of several, fetched in parallel.

        Parameters
        ----------
        path : str or list of str
            Paths or patterns.
        recursive : bool
            Whether to take all files below folders.
        on_error : {'raise', 'omit', 'return'}
            Treatment of the error of a file.
        **options
            Of `cat_file`.

        Returns
        -------
        bytes or dict
            A dictionary of path -> content, unless `path` names one file.
        """
        paths = self.expand_path(path, recursive=recursive)
        if recursive:
            paths = [one for one in paths if self.isfile(one)]
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0], **options)
        results = self._each(lambda one: self.cat_file(one, **options), paths)
        found = {}
        for one, result in zip(paths, results, strict=True):
            if isinstance(result, BaseException):
                if on_error == 'raise':
                    raise result
                if on_error == 'omit':
                    continue
            found[one] = result
        return found

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = 'return',
        **options: Any,
    ) -> list[Any]:
        """Return parts of files, fetched in parallel.

        Parameters
        ----------
        paths : list of str
            Paths.
        starts, ends : int or list of int
            Limits in bytes, for all files or for each.
        max_gap : None
            Not supported.
        on_error : {'return', 'raise'}
            Treatment of the error of a file.
        **options
            Of `cat_file`.
        """
        if max_gap is not None:
            raise NotImplementedError('max_gap')
        limits = [
            list(each) if isinstance(each, (list, tuple)) else [each] * len(paths)
            for each in (starts, ends)
        ]
        results = self._each(
            lambda part: self.cat_file(*part), list(zip(paths, *limits, strict=True))
        )
        for result in results:
            if on_error == 'raise' and isinstance(result, BaseException):
                raise result
        return results

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """Download files, several at a time.

        Each is verified before it appears in its place.

        Parameters
        ----------
        rpath, lpath : str or list of str
            Paths, and local places.
        recursive : bool
            Whether to take all files below folders.
        callback : fsspec.Callback
            Called for each file when it is complete.
        maxdepth : int, optional
            How many levels to go down.
        **options
            Ignored.
        """
        todo: list[tuple[str, str]] = []
        super().get(rpath, lpath, recursive=recursive, maxdepth=maxdepth, todo=todo)
        callback.set_size(len(todo))

        def fetch(pair: tuple[str, str]) -> None:
            self.get_file(*pair)
            callback.relative_update(1)

        for result in self._each(fetch, todo):
            if isinstance(result, BaseException):
                raise result

    def get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        todo: list[tuple[str, str]] | None = None,
        **options: Any,
    ) -> None:
        """Download one file; it is verified before it appears in its place.

        Parameters
        ----------
        rpath : str
            Its path.
        lpath : str or file
            Local path, or an open binary file.
        callback : fsspec.Callback
            Called with the size when the file is complete.
        outfile : file, optional
            An open binary file, in place of `lpath`.
        todo : list, optional
            Gets the pair of paths in place of a download.
        **options
            Ignored.
        """
        outfile = outfile or (lpath if hasattr(lpath, 'write') else None)
        if todo is not None and outfile is None:
            todo.append((rpath, lpath))
            return
        if outfile is not None:
            outfile.write(self.cat_file(rpath))
            return
        if self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        file = self._file(rpath)
        Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        Path(lpath).unlink(missing_ok=True)
        file.get(lpath)
        callback.absolute_update(int(file.size() or 0))

    def _each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Call a function with each item in threads; return results, or exceptions."""
        pool = ThreadPoolExecutor(self._jobs, 'pyxnat-fsspec')
        try:
            futures = [pool.submit(work, item) for item in items]
            return [future.exception() or future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)  # after an interrupt

    # -- writing -----------------------------------------------------------------------------------

    def _open(
        self,
        path: str,
        mode: str = 'rb',
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        **options: Any,
    ) -> Any:
        if mode == 'rb':
            return CachedFile(self._file(path).get())
        if mode in ('wb', 'xb'):
            if mode == 'xb' and self.exists(path):
                raise FileExistsError(path)
            file = self._tree.file(self._names(path))
            return XnatUpload(file, mode == 'xb', autocommit, options)
        raise InvalidArgument(
            f'mode {mode!r} is not supported: files are read or written as a whole',
            remedy="Give 'rb', 'wb' or 'xb'.",
        )

    def pipe_file(self, path: str, value: bytes, mode: str = 'overwrite', **options: Any) -> None:
        """Write a file, and verify it.

        Parameters
        ----------
        path : str
            Its path.
        value : bytes
            Its content.
        mode : {'overwrite', 'create'}
            Whether an existing file is replaced, or a FileExistsError.
        **options
            ``format``, ``content`` and ``tags`` of the file.
        """
        with self.open(path, 'xb' if mode == 'create' else 'wb', **options) as file:
            file.write(value)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copy a file within the server; its content passes through the cache.

        Parameters
        ----------
        path1, path2 : str
            Source and destination.
        **options
            Ignored.
        """
        if self.isdir(path1):
            self.makedirs(path2, exist_ok=True)
            return
        source = self._file(path1)
        self._tree.file(self._names(path2)).put(Path(source.get()), overwrite=True)

    def touch(self, path: str, truncate: bool = True, **options: Any) -> None:
        """Create an empty file, or empty an existing one.

        Parameters
        ----------
        path : str
            Its path.
        truncate : bool
            Must be true for an existing file: XNAT cannot set times.
        **options
            Ignored.
        """
        if not truncate and self.exists(path):
            raise NotImplementedError('XNAT cannot set the time of a file')
        self.pipe_file(path, b'')

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Create a resource; a folder in a resource needs no creation.

        Parameters
        ----------
        path : str
            Path of the resource, below an existing element.
        create_parents : bool
            Ignored: elements above are created with `create`, which knows their types.
        **options
            Ignored.

        Raises
        ------
        FileExistsError
            There is such a folder or file.
        FileNotFoundError
            There is no element above it.
        """
        names = self._names(path)
        if self.exists(path):
            raise FileExistsError(path)
        if any(self._is_resource(names[:number]) for number in range(2, min(len(names), 6))):
            return
        above = self._tree.element(names[:-1]) if len(names) > 1 else None
        if above is None:
            raise FileNotFoundError(
                f'{"/".join(names[:-1])} does not exist. Create projects, subjects and sessions '
                'with create() of pyxnat'
            )
        word = 'resource' if hasattr(above, 'resource') else 'out_resource'
        getattr(above, word)(names[-1]).create()

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a resource, as `mkdir`.

        Parameters
        ----------
        path : str
            Path of the resource.
        exist_ok : bool
            Whether an existing one is no error.
        """
        try:
            self.mkdir(path)
        except FileExistsError:
            if not exist_ok:
                raise

    def _is_resource(self, names: Names) -> bool:
        element = self._tree.element(names)
        return element is not None and is_resource(element)

    def rm_file(self, path: str) -> None:
        """Delete one file. Three requests."""
        self._file(path).delete()

    _rm = rm_file

    def rmdir(self, path: str) -> None:
        """Delete a resource without files.

        Raises
        ------
        OSError
            It has files, or is no resource.
        """
        names = self._names(path)
        element = self._tree.element(names)
        if element is None or not is_resource(element) or self._tree.files(names):
            raise OSError(f'{path} is not an empty resource')
        element.delete()

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and resources with their files.

        Parameters
        ----------
        path : str or list of str
            Paths or patterns.
        recursive : bool
            Whether to delete folders with all files below.
        maxdepth : int, optional
            How many levels to go down.

        Raises
        ------
        PermissionError
            A folder is a project, subject, session or scan, or the like: nothing is deleted.
        """
        given = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        given = self.expand_path(given)
        resources = [self._resource_to_delete(one) for one in given] if recursive else []
        files: dict[str, Any] = {}
        for one in given:
            names = self._names(one)
            found = self._tree.files(names) if len(names) > 1 else {}
            if names not in found and not recursive:
                raise IsADirectoryError(one)
            depth = len(names) + (maxdepth or len(max(found, key=len, default=())))
            files |= {'/'.join(each): file for each, file in found.items() if len(each) <= depth}
        for name in sorted(files, reverse=True):  # a longer name first: XNAT deletes by beginning
            files[name].delete()
        for resource in filter(None, resources if maxdepth is None else ()):
            resource.delete()

    def _resource_to_delete(self, path: str) -> Any:
        """Return the resource of a path; `None` for a folder or file in one.

        Raises
        ------
        PermissionError
            The path is that of another element.
        """
        names = self._names(path)
        element = self._tree.element(names) if names else self.interface.select.projects()
        if element is None or is_resource(element):
            return element
        raise PermissionError(f'{path} ({element.level.singular}) has to be deleted with pyxnat')


def _file_info(names: Names, file: Any) -> dict[str, Any]:
    return {
        'name': '/'.join(names),
        'type': 'file',
        'size': int(file.row.get('Size') or 0),
        'md5': file.row.get('digest', ''),
        'uri': file.url,
    }


def _folder_info(names: Names) -> dict[str, Any]:
    return {'name': '/'.join(names), 'type': 'directory', 'size': 0}


def _next_level(names: Names, files: dict[Names, Any]) -> list[dict[str, Any]]:
    """Return the rows of the files and folders below names, or of the file itself.

    Only those directly below.
    """
    if names in files:
        return [_file_info(names, files[names])]
    found: dict[Names, dict[str, Any]] = {}
    for one, file in files.items():
        near = one[: len(names) + 1]
        row = _file_info(one, file) if near == one else _folder_info(near)
        found.setdefault(near, row)
    return [found[near] for near in sorted(found)]
