"""Cache of one login on one server, as users see it: ``interface.cache``."""

from __future__ import annotations

import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..files.disk import PART, digest_of, private_folder, safe_name
from .answers import IN_MEMORY, AnswerStore, Body, Entry
from .file_index import FileIndex, FileRecord, identity_of
from .files import HANDED_OUT_S, FileStore
from .freshness import Moment, age_s
from .write_stamp import Stamp

__all__ = ['MAX_BYTES', 'Cache', 'CacheEntry', 'Disk', 'Verified']

log = logging.getLogger('pyxnat.cache')

_MODES = ('online', 'offline', 'fallback')
MAX_BYTES = 50 * 2**30
"""Default maximum size; beyond it the least recently used entries are evicted."""

_PRUNED_TO = 0.9
_CHECK_EVERY_BYTES = 2**26
_CHECK_EVERY_S = 3600.0
"""Limits of the size check.

A process checks the size of the cache after it added `_CHECK_EVERY_BYTES`, and on its first
addition if no process checked within `_CHECK_EVERY_S`.
"""
_ABANDONED_S = 24 * 3600.0
_ENCODED = str.maketrans({mark: f'%{ord(mark):02X}' for mark in '%+~='})
"""Marks of a URL that mean something else in the name of its folder."""


class CacheEntry(NamedTuple):
    """Response or file in the cache."""

    kind: str
    """``answer`` or ``file``."""
    uri: str
    method: str
    bytes: int
    used: float
    """Time of last use in seconds since 1970; for responses to the hour."""
    path: Path


class Disk(NamedTuple):
    """Size of a disk, in bytes."""

    total: int
    used: int
    free: int


class Verified(NamedTuple):
    """Result of `Cache.verify`."""

    checked: int
    """Number of responses and files checked."""
    dropped: tuple[Path, ...]
    """Damaged responses and files, which were removed."""
    foreign: tuple[Path, ...]
    """Files of other programs, which were left alone."""

    @property
    def is_clean(self) -> bool:
        """Whether no damage was found."""
        return not self.dropped


class Cache:
    """Responses and files of a login, kept on disk and shared by processes.

    A cached response (listing, item, search) is used while it is younger than `expiration` and the
    library has written nothing to the server since. A cached file is used after the server
    confirmed that it is unchanged. In ``offline`` mode everything is used whatever its age, and no
    request is sent.

    Parameters
    ----------
    cachedir : Path
        Folder shared by all servers and logins.
    server : str
        URL.
    login : callable
        Returns the XNAT login, empty for a guest; called when the folder is needed first.
    mode : str
        ``online``, ``offline`` or ``fallback``; see `mode`.

    Attributes
    ----------
    is_offline : bool
        Whether the mode is ``offline``: no request may be sent.
    expiration : float or None
        Seconds for which a response is fresh, from its reception by this machine's clock. Default
        1; 0 sends every request, `None` never expires.
    max_bytes : int or None
        Maximum size, 50 GiB by default; `None` for no limit. The least recently used entries are
        evicted, except files handed out within the last 24 hours.
    """

    def __init__(
        self, cachedir: Path, server: str, login: Callable[[], str], *, mode: str = 'online'
    ) -> None:
        self.cachedir = cachedir
        self.expiration: float | None = 1.0
        self.max_bytes: int | None = MAX_BYTES
        self._server = server
        self._login = login
        self._lock = threading.Lock()
        self._added = 0
        self._checked = False
        self._warned = False
        self.mode = mode

    def __repr__(self) -> str:
        return f'<Cache of {self._server} in {self.cachedir}, {self.mode}>'

    @property
    def mode(self) -> str:
        """``online``, ``offline`` or ``fallback``.

        ``offline`` sends no request, and raises `OfflineError` for anything not cached.
        ``fallback`` uses the cache when the network fails, and warns how old the content is.
        """
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in _MODES:
            raise ConfigurationError(
                f'{mode!r} is no mode of the cache; choose from {", ".join(_MODES)}'
            )
        self._mode = mode
        self.is_offline = mode == 'offline'

    @cached_property
    def server_folder(self) -> Path:
        """Folder of this server, which has one for each login.

        Raises
        ------
        ConfigurationError
            The folder belongs to another user.
        """
        return _own_folder(self.cachedir / safe_name(_name_of(self._server)))

    @cached_property
    def folder(self) -> Path:
        """Folder of this server and login; errors as for `server_folder`."""
        return _own_folder(self.server_folder / safe_name(self._login() or 'guest'))

    @cached_property
    def files(self) -> FileStore:
        """Downloaded files."""
        return FileStore(self.folder / 'files', FileIndex(self.folder / 'ledger'), self.grew)

    @cached_property
    def answers(self) -> AnswerStore:
        """Cached listings, items and searches."""
        return AnswerStore(self.folder / 'answers')

    @cached_property
    def stamp(self) -> Stamp:
        """Write marker of this login."""
        return Stamp(self.folder / 'stamp', self._server)

    # -- answers

    def moment(self) -> Entry:
        """Return the current time and write marker as an empty response.

        A response received from now on is fresh as long as `is_fresh` holds for it.
        """
        now = Moment.now()
        return Entry('', '', 200, '', self.stamp.read(), now, now)

    def is_fresh(self, entry: Entry, expiration: float | None) -> bool:
        """Whether a cached response may be used without a request.

        Parameters
        ----------
        entry : Entry
            Metadata of the response.
        expiration : float or None
            Maximum age in seconds; `None` for no limit.
        """
        if expiration is not None and age_s(entry.received, Moment.now()) >= expiration:
            return False  # without a look at the marker, which is a file
        return self.stamp.covers(entry.asked) and entry.stamp == self.stamp.read()

    def remember(self, key: str, entry: Entry, body: Body) -> None:
        """Store a response; if the cache is not writable, log one warning.

        Parameters
        ----------
        key : str
            Result of `key_of`.
        entry : Entry
            Metadata of the response.
        body : Body
            Its body.
        """
        try:
            count = self.answers.put(key, entry, body)
        except OSError as error:
            if not self._warned:
                log.warning(
                    'the cache %s is not writable (%s): every request goes to the server',
                    self.folder,
                    error,
                )
            self._warned = True
        else:
            self.grew(count)

    def put_aside(self) -> IO[bytes]:
        """Return a temporary file for a response, on disk once it is long.

        It is in the cache, or in the system's folder if the cache is not writable.
        """
        try:
            folder: str | None = str(private_folder(self.answers.folder))
        except OSError:
            folder = None
        return SpooledTemporaryFile(IN_MEMORY, dir=folder)

    def grew(self, count: int) -> None:
        """Count added bytes, and evict entries from time to time."""
        with self._lock:
            self._added += count
            due = self._added >= _CHECK_EVERY_BYTES or not (self._checked or self._was_checked())
            self._added, self._checked = 0 if due else self._added, True
        if due and self.max_bytes is not None:
            self.prune()

    def _was_checked(self) -> bool:
        """Whether any process checked the size recently.

        A check takes time proportional to the number of entries.
        """
        try:
            return 0 <= time.time() - self._check_path.stat().st_mtime < _CHECK_EVERY_S
        except OSError:
            return False

    @cached_property
    def _check_path(self) -> Path:
        """File whose modification time is that of the last size check."""
        return self.folder / 'looked'

    # -- maintenance

    def size(self) -> int:
        """Return the bytes of all responses and files."""
        return sum(entry.bytes for entry in self.entries())

    def entries(self) -> Iterator[CacheEntry]:
        """Yield all responses and files, in no order."""
        for path in self.answers.paths():
            kept = self.answers.entry(path.name)
            if kept is not None:
                with suppress(FileNotFoundError):
                    found, (entry, _) = path.stat(), kept
                    yield CacheEntry(
                        'answer', entry.uri, entry.method, found.st_size, found.st_mtime, path
                    )
        for record, used in self.files.index.records():
            path = self.files.folder / record.place
            if identity_of(path):
                yield CacheEntry('file', record.uri, 'GET', record.size, used, path)

    def clear(self) -> None:
        """Remove all responses and files of this server and login.

        Files of other programs stay.
        """
        for path in list(self.answers.paths()):
            path.unlink(missing_ok=True)
        for record, _ in list(self.files.index.records()):
            self.files.remove(record, math.inf)

    def prune(self, max_bytes: int | None = None) -> int:
        """Evict the least recently used entries down to 90 % of the limit.

        Nothing is evicted below the limit. Files handed out within 24 hours stay, so the size may
        remain above it.

        Parameters
        ----------
        max_bytes : int, optional
            Limit to use in place of the attribute.

        Returns
        -------
        int
            Bytes freed.
        """
        bound = self.max_bytes if max_bytes is None else max_bytes
        self._sweep()
        with suppress(OSError):  # folder missing or not writable: checked again next time
            self._check_path.touch(0o600)
        if bound is None:
            return 0
        sizes = [
            (found.st_mtime, found.st_size, path) for path, found in _stats(self.answers.paths())
        ]
        held = [(used, record.size, record) for record, used in self.files.index.records()]
        everything: list[tuple[float, int, Any]] = [*sizes, *held]
        total = sum(map(itemgetter(1), everything))
        excess = total - bound * _PRUNED_TO if total > bound else 0.0
        freed = 0
        for _, size, target in sorted(everything, key=itemgetter(0)):
            if freed >= excess:
                break
            freed += self._remove(target, size)
        return freed

    def _remove(self, target: Any, size: int) -> int:
        if isinstance(target, FileRecord):
            return self.files.remove(target, time.time() - HANDED_OUT_S)
        target.unlink(missing_ok=True)
        return size

    def _sweep(self) -> None:
        """Remove temporary files that a killed process left over a day ago."""
        for path, found in _stats(self.folder.rglob(f'.*{PART}')):
            if (
                time.time() - found.st_mtime > _ABANDONED_S
                and found.st_ctime < time.time() - _ABANDONED_S
            ):
                path.unlink(missing_ok=True)

    def verify(self) -> Verified:
        """Read all responses and files, and remove damaged ones. No request."""
        answers, records = list(self.answers.paths()), list(self.files.index.records())
        dropped = [path for path in answers if not self.answers.is_sound(path.name)]
        for path in dropped:
            self.answers.delete(path.name)
        known = set()
        for record, _ in records:
            path = self.files.folder / record.place
            known.add(path)
            if (
                identity_of(path)
                and not _is_as_put(record, path)
                and self.files.index.read(record.place) == record
            ):
                self.files.remove(record, math.inf)
                dropped.append(path)
        foreign = [
            path
            for path in self.files.folder.rglob('*')
            if path.is_file() and path not in known and not path.name.endswith(PART)
        ]
        return Verified(
            len(answers) + len(records),
            tuple(dropped),
            tuple(path for path in foreign if not self.files.owns(path)),
        )

    # -- the names of pyxnat 0.9

    def set_usage(self, mode: str = 'online', expiration: float | None = 1.0) -> None:
        """Set mode and expiration.

        Parameters
        ----------
        mode : str
            ``online``, ``offline`` or ``fallback``.
        expiration : float or None
            Seconds for which a response is fresh.
        """
        self.mode, self.expiration = mode, expiration

    def total_disk(self) -> int:
        """Return the size of the cache's disk in bytes."""
        return self._disk().total

    def used_disk(self) -> int:
        """Return the bytes in use on the cache's disk, by all programs."""
        return self._disk().used

    def available_disk(self) -> int:
        """Return the free bytes on the cache's disk."""
        return self._disk().free

    def disk_ready(self, size: int) -> bool:
        """Whether a number of bytes would fit on the disk."""
        return size <= self.available_disk()

    def _disk(self) -> Disk:
        there = next(path for path in [self.cachedir, *self.cachedir.parents] if path.exists())
        return Disk(*shutil.disk_usage(there))


def _name_of(server: str) -> str:
    """Return the name of a server's folder; different servers have different names.

    >>> _name_of('https://xnat.example.org:8443/a/b'), _name_of('http://h/a~b')
    ('xnat.example.org+8443~a~b', 'http=h~a%7Eb')
    """
    parts = urlsplit(server)
    plain = f'{parts.netloc}{parts.path}'.translate(_ENCODED)
    scheme = '' if parts.scheme == 'https' else f'{parts.scheme}='
    return scheme + plain.replace(':', '+').replace('/', '~')


def _own_folder(path: Path) -> Path:
    """Return a folder, unless it belongs to another user of this machine.

    Its owner could read the files there, and could plant answers and files.
    """
    try:
        owners = {path.lstat().st_uid, path.stat().st_uid}
    except OSError:  # missing or not readable: found out where it is used
        return path
    if hasattr(os, 'getuid') and owners != {os.getuid()}:
        raise ConfigurationError(
            f'The cache folder {path} belongs to another user, who could change its content. Give '
            'cachedir= a folder of your own, or set PYXNAT_CACHEDIR'
        )
    return path


def _stats(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.stat()


def _is_as_put(record: FileRecord, path: Path) -> bool:
    if record.md5:
        return path.stat().st_size == record.size and digest_of(path) == record.md5
    return not record.identity or identity_of(path) == record.identity
