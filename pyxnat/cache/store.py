"""The cache of one login on one server, as its user sees it: ``interface.cache``."""

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
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..files.disk import PART, digest_of, private_folder, safe_name
from .answers import IN_MEMORY, AnswerStore, Body, Entry
from .file_index import Ledger, Page, identity_of
from .files import HANDED_OUT_S, FileStore
from .freshness import Moment, age_s
from .write_stamp import Stamp

__all__ = ['MAX_BYTES', 'Cache', 'CacheEntry', 'Disk', 'Verified']

log = logging.getLogger('pyxnat.cache')

_MODES = ('online', 'offline', 'fallback')
MAX_BYTES = 50 * 2**30
"""Bytes that a cache grows to before the least recently used goes, unless told otherwise."""

_PRUNED_TO = 0.9
_LOOKED_EVERY_BYTES = 2**26
_LOOKED_EVERY_S = 3600.0
"""A process looks at the size of the cache when it has added so many bytes; and when it adds for the first time, if none has looked for so long."""
_ABANDONED_S = 24 * 3600.0


class CacheEntry(NamedTuple):
    """One thing in the cache."""

    kind: str
    """``answer`` or ``file``."""
    uri: str
    method: str
    bytes: int
    used: float
    """When it was last given or handed out, in seconds since 1970; of answers to the hour."""
    path: Path


class Disk(NamedTuple):
    """Bytes of a disk."""

    total: int
    used: int
    free: int


class Verified(NamedTuple):
    """What `Cache.verify` found."""

    checked: int
    """Answers and files that were looked at."""
    dropped: tuple[Path, ...]
    """What was damaged, and was removed."""
    foreign: tuple[Path, ...]
    """Files that this library did not put there; they were left alone."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was damaged."""
        return not self.dropped


class Cache:
    """What a login was told and given by one server, kept on disk for all processes of its owner.

    Answers (listings, items, searches) are given again while they are younger than `expiration` and nothing was written through the library since;
    files after the server said that they are unchanged. In the mode ``offline`` all of it is given whatever its age, and nothing is asked.

    Parameters
    ----------
    cachedir : Path
        Shared by all servers and logins.
    server : str
        URL.
    login : callable
        Gives the XNAT login; empty for a guest. Called when the folder is needed for the first time.

    Attributes
    ----------
    expiration : float or None
        Seconds for which an answer counts as fresh, from its reception by the clock of this machine; 1 by default, 0 asks always, `None` never again.
    max_bytes : int or None
        Bytes that may be kept, 50 GiB by default; `None` for no bound. What was used least recently goes, but no file that was handed out within the
        last 24 hours.
    """

    def __init__(self, cachedir: Path, server: str, login: Callable[[], str], *, mode: str = 'online') -> None:
        self.cachedir = cachedir
        self.expiration: float | None = 1.0
        self.max_bytes: int | None = MAX_BYTES
        self._server = server
        self._login = login
        self._lock = threading.Lock()
        self._added = 0
        self._looked = False
        self._warned = False
        self.mode = mode

    def __repr__(self) -> str:
        return f'<Cache of {self._server} in {self.cachedir}, {self.mode}>'

    @property
    def mode(self) -> str:
        """``online``; ``offline``: nothing is asked, what is not here is an `OfflineError`; ``fallback``: what is here is given, with a warning that
        says how old it is, where the network fails.
        """
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in _MODES:
            raise ConfigurationError(f'{mode!r} is no mode of the cache: there are {", ".join(_MODES)}')
        self._mode = mode

    @property
    def is_offline(self) -> bool:
        """Whether nothing may be asked of the server."""
        return self._mode == 'offline'

    @cached_property
    def server_folder(self) -> Path:
        """The folder of this server, with one for each login."""
        parts = urlsplit(self._server)
        return self.cachedir / safe_name(f'{parts.netloc}{parts.path}'.replace(':', '+').replace('/', '~'))

    @cached_property
    def folder(self) -> Path:
        """The folder of this server and login."""
        return self.server_folder / safe_name(self._login() or 'guest')

    @cached_property
    def files(self) -> FileStore:
        """Downloaded files."""
        return FileStore(self.folder / 'files', Ledger(self.folder / 'ledger'), self.grew)

    @cached_property
    def answers(self) -> AnswerStore:
        """Listings, items, searches."""
        return AnswerStore(self.folder / 'answers')

    @cached_property
    def stamp(self) -> Stamp:
        """The mark of the last write."""
        return Stamp(self.folder / 'stamp', self._server)

    # -- answers

    def moment(self) -> Entry:
        """This moment, as an answer without content: what is heard from now on is fresh as long as it is."""
        now = Moment.now()
        return Entry('', '', 200, '', self.stamp.read(), now, now)

    def is_fresh(self, entry: Entry, expiration: float | None) -> bool:
        """Whether an answer may be given in place of a new one."""
        if entry.stamp != self.stamp.read() or not self.stamp.covers(entry.asked):
            return False
        return expiration is None or age_s(entry.received, Moment.now()) < expiration

    def remember(self, key: str, entry: Entry, body: Body) -> None:
        """Keep an answer; a cache that cannot be written is worth a warning in the log, and costs nothing but requests."""
        try:
            count = self.answers.put(key, entry, body)
        except OSError as error:
            if not self._warned:
                log.warning('the cache %s cannot be written (%s): answers are asked for each time', self.folder, error)
            self._warned = True
        else:
            self.grew(count)

    def put_aside(self) -> IO[bytes]:
        """A temporary for an answer, on disk as soon as it is long: here, or where the system has its own if nothing can be written here."""
        try:
            folder: str | None = str(private_folder(self.answers.folder))
        except OSError:
            folder = None
        return SpooledTemporaryFile(IN_MEMORY, dir=folder)

    def grew(self, count: int) -> None:
        """Say that bytes were added; every now and then this prunes."""
        with self._lock:
            self._added += count
            due = self._added >= _LOOKED_EVERY_BYTES or not (self._looked or self._was_looked_at())
            self._added, self._looked = 0 if due else self._added, True
        if due and self.max_bytes is not None:
            self.prune()

    def _was_looked_at(self) -> bool:
        """Whether any process looked at the size not long ago: to look takes as long as there are things in the cache."""
        try:
            return 0 <= time.time() - self._looked_path.stat().st_mtime < _LOOKED_EVERY_S
        except OSError:
            return False

    @property
    def _looked_path(self) -> Path:
        """The file whose time is that of the last look."""
        return self.folder / 'looked'

    # -- looking after it

    def size(self) -> int:
        """Bytes of all answers and files in it."""
        return sum(entry.bytes for entry in self.entries())

    def entries(self) -> Iterator[CacheEntry]:
        """All that is in it, in no order."""
        for path in self.answers.paths():
            kept = self.answers.entry(path.name)
            if kept is not None:
                with suppress(FileNotFoundError):
                    found, (entry, _) = path.stat(), kept
                    yield CacheEntry('answer', entry.uri, entry.method, found.st_size, found.st_mtime, path)
        for page, used in self.files.ledger.pages():
            path = self.files.folder / page.place
            if identity_of(path):
                yield CacheEntry('file', page.uri, 'GET', page.size, used, path)

    def clear(self) -> None:
        """Remove all answers and files of this server and login. Files that others put there stay."""
        for path in list(self.answers.paths()):
            path.unlink(missing_ok=True)
        for page, _ in list(self.files.ledger.pages()):
            self.files.remove(page, math.inf)

    def prune(self, max_bytes: int | None = None) -> int:
        """Remove what was used least recently, until the cache is a tenth below its bound; the bytes that gave.

        Files that were handed out within 24 hours stay, and so may leave it above the bound.

        Parameters
        ----------
        max_bytes : int, optional
            In place of the attribute.
        """
        bound = self.max_bytes if max_bytes is None else max_bytes
        self._sweep()
        with suppress(OSError):  # nothing is there yet, or nothing can be written: then it is looked at again
            self._looked_path.touch(0o600)
        if bound is None:
            return 0
        sizes = [(found.st_mtime, found.st_size, path) for path, found in _stats(self.answers.paths())]
        held = [(used, page.size, page) for page, used in self.files.ledger.pages()]
        total = sum(size for _, size, _ in sizes) + sum(size for _, size, _ in held)
        excess = total - bound * _PRUNED_TO if total > bound else 0.0
        freed = 0
        everything: list[tuple[float, int, Any]] = [*sizes, *held]
        for _, size, what in sorted(everything, key=lambda row: row[0]):
            if freed >= excess:
                break
            freed += self._remove(what, size)
        return freed

    def _remove(self, what: Any, size: int) -> int:
        if isinstance(what, Page):
            return self.files.remove(what, time.time() - HANDED_OUT_S)
        what.unlink(missing_ok=True)
        return size

    def _sweep(self) -> None:
        """Remove temporaries that a killed process left a day ago."""
        for path, found in _stats(self.folder.rglob(f'.*{PART}')):
            if time.time() - found.st_mtime > _ABANDONED_S and found.st_ctime < time.time() - _ABANDONED_S:
                path.unlink(missing_ok=True)

    def verify(self) -> Verified:
        """Read all of it, and remove what is not as it was put there. No request."""
        answers, pages = list(self.answers.paths()), list(self.files.ledger.pages())
        dropped = [path for path in answers if not self.answers.is_sound(path.name)]
        for path in dropped:
            self.answers.delete(path.name)
        known = set()
        for page, _ in pages:
            path = self.files.folder / page.place
            known.add(path)
            if identity_of(path) and not _is_as_put(page, path) and self.files.ledger.read(page.place) == page:
                self.files.remove(page, math.inf)
                dropped.append(path)
        foreign = [path for path in self.files.folder.rglob('*') if path.is_file() and path not in known and not path.name.endswith(PART)]
        return Verified(len(answers) + len(pages), tuple(dropped), tuple(path for path in foreign if not self.files.owns(path)))

    # -- the names of pyxnat 0.9

    def set_usage(self, mode: str = 'online', expiration: float | None = 1.0) -> None:
        """Set mode and expiration at once."""
        self.mode, self.expiration = mode, expiration

    def total_disk(self) -> int:
        """Bytes of the disk that it lies on."""
        return self._disk().total

    def used_disk(self) -> int:
        """Bytes in use on that disk, by anybody."""
        return self._disk().used

    def available_disk(self) -> int:
        """Bytes free on that disk."""
        return self._disk().free

    def disk_ready(self, size: int) -> bool:
        """Whether a number of bytes would fit."""
        return size <= self.available_disk()

    def _disk(self) -> Disk:
        there = next(path for path in [self.cachedir, *self.cachedir.parents] if path.exists())
        return Disk(*shutil.disk_usage(there))


def _stats(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.stat()


def _is_as_put(page: Page, path: Path) -> bool:
    if page.md5:
        return path.stat().st_size == page.size and digest_of(path) == page.md5
    return not page.identity or identity_of(path) == page.identity
