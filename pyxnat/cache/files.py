"""Downloaded files, under their real names, in a folder that many processes share.

``<cachedir>/<server>/<login>/files/<URI path>``: siblings of a resource lie side by side, as programs expect of ``.img`` and ``.hdr``. The folders
can be written to, the files only read. A file appears whole, by a rename; its time is the server's ``Last-Modified``, which is what the server is
asked about before the file is handed out again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigurationError, DataError, Error
from ..files.disk import digest_of, http_time, publish, safe_name
from ..model.uris import segments
from .file_index import Ledger, Page, identity_of

__all__ = ['HANDED_OUT_S', 'FileStore', 'Incoming', 'is_proof']

HANDED_OUT_S = 24 * 3600.0
"""A file that was handed out within this time is not pruned: somebody may be reading it."""

_DIGESTED_BYTES = 64 * 2**20
"""Files up to this size get a digest while they come in, in case somebody asks for it; larger ones when somebody does."""


class Incoming:
    """A file that is being written: an open file that counts and digests.

    Parameters
    ----------
    most_digested : int or None
        Bytes up to which a digest is computed; `None` for any number.

    Attributes
    ----------
    size : int
        Bytes written.
    """

    def __init__(self, file: IO[bytes], most_digested: int | None) -> None:
        self._file = file
        self._most_digested = most_digested
        self._digest: Any = hashlib.md5(usedforsecurity=False) if most_digested != 0 else None
        self.size = 0

    def write(self, piece: bytes) -> int:
        """Add bytes at the end."""
        self.size += len(piece)
        if self._digest is not None:
            self._digest.update(piece)
            if self._most_digested is not None and self.size > self._most_digested:
                self._digest = None
        return self._file.write(piece)

    @property
    def md5(self) -> str:
        """Of what was written; empty where none was computed."""
        return str(self._digest.hexdigest()) if self._digest is not None else ''


class FileStore:
    """The files of one login on one server.

    Parameters
    ----------
    folder : Path
        Made with the first file.
    ledger : Ledger
        Tells the store's files from others'.
    grew : callable
        Told the size of each file that came, in bytes.
    """

    def __init__(self, folder: Path, ledger: Ledger, grew: Callable[[int], None]) -> None:
        self.folder = folder
        self.ledger = ledger
        self._grew = grew

    def __repr__(self) -> str:
        return f'<FileStore {self.folder}>'

    def path(self, uri: str) -> Path:
        """Where the file of a URI lies, or would lie."""
        return self.folder / _place(uri)

    def page(self, uri: str) -> Page | None:
        """What is known of the file of a URI, if it lies there as it was put; `None` where it does not."""
        place = _place(uri)
        page = self.ledger.read(place)
        if page is None or not page.identity:
            return None
        path = self.folder / place
        identity = identity_of(path)
        if identity == page.identity:
            return page
        if identity and page.md5 and path.stat().st_size == page.size and digest_of(path) == page.md5:  # renamed, copied, or only its time changed
            page = page._replace(identity=identity_of(path), modified='')
            self.ledger.write(page)
            return page
        return None

    def holds(self, uri: str, page: Page | None, size: str, digest: str) -> bool:
        """Whether the stored file has this size (bytes, as text) and MD5; without a digest nothing is sure.

        A file that somebody else put there, and that has them, is taken in.

        Parameters
        ----------
        page : Page or None
            What is known of it.
        """
        path, place = self.path(uri), _place(uri)
        identity = identity_of(path)
        if not identity or not digest or str(path.stat().st_size) != size:
            return False
        md5 = page.md5 if page is not None and page.md5 else digest_of(path)
        if md5 != digest.lower():
            return False
        if page is None or not page.md5:
            modified = page.modified if page is not None else ''
            self.ledger.write(Page(uri, place, int(size), md5, modified, identity))
        return True

    def use(self, uri: str) -> bool:
        """Say that the file is handed out; `False` where it is not there any more."""
        return self.ledger.use(_place(uri)) and self.path(uri).exists()

    @contextmanager
    def writing(self, uri: str, headers: Mapping[str, str], digested: bool = False) -> Iterator[Incoming]:
        """A file whose content becomes the stored one when the block ends well.

        Parameters
        ----------
        headers : mapping
            Of the answer, names in lower case.
        digested : bool
            Whether its digest is wanted, whatever its size.

        Raises
        ------
        ConfigurationError
            The cache cannot be written.
        DataError
            A file that somebody else put there is in the way.
        """
        path, place = self.path(uri), _place(uri)
        if identity_of(path) and not self.ledger.owns(place):
            raise DataError(f'{path} was not put there by this library, and is in the way', uri=uri, remedy='Move it elsewhere.')
        entering = _Entering(self.ledger, uri, place)
        modified = http_time(headers.get('last-modified'))
        time_s = int(time.time()) if modified is None else modified
        try:
            with publish(path, time_s, mode=0o400, before=entering.enter, private=True) as file:
                entering.incoming = Incoming(file, None if digested else _DIGESTED_BYTES)
                yield entering.incoming
            entering.settle(path, formatdate(time_s, usegmt=True) if is_proof(headers) else '')
        except OSError as error:
            if isinstance(error, Error):
                raise  # the network's
            raise ConfigurationError(f'The cache {self.folder} cannot be written ({error}). Give cachedir=, or set PYXNAT_CACHEDIR') from error
        self._grew(entering.incoming.size)

    def owns(self, path: Path) -> bool:
        """Whether a file below the folder was put there by this library."""
        return self.ledger.owns(path.relative_to(self.folder).as_posix())

    def remove(self, page: Page, unused_before: float) -> int:
        """Remove a file that was not used since a time; the bytes that gives."""
        claim = self.ledger.claim(page.place, unused_before)
        if claim is None:
            return 0
        (self.folder / page.place).unlink(missing_ok=True)
        self.ledger.settle(claim)
        return page.size


class _Entering:
    """The page of a file that is about to take its place. It is there first: no file is without a page, though a page may be without its file."""

    incoming: Incoming

    def __init__(self, ledger: Ledger, uri: str, place: str) -> None:
        self._ledger = ledger
        self._page = Page(uri, place, 0)
        self._inode = 0

    def enter(self, temporary: Path) -> None:
        """Before the file takes its place."""
        self._inode = temporary.stat().st_ino
        self._page = self._page._replace(size=self.incoming.size, md5=self.incoming.md5)
        self._ledger.write(self._page)
        self._ledger.await_settled(self._page.place)

    def settle(self, path: Path, modified: str) -> None:
        """After it: what is known of the file, if it is still the one."""
        identity = identity_of(path)
        if identity and os.lstat(path).st_ino == self._inode:
            self._ledger.write(self._page._replace(modified=modified, identity=identity))


@lru_cache(1024)
def _place(uri: str) -> str:
    """Where the file of a URI lies, below the store's folder. A function of values alone."""
    return '/'.join(safe_name(part) for segment in segments(uri) for part in segment.split('/'))


def is_proof(headers: Mapping[str, str]) -> bool:
    """Whether ``Last-Modified`` tells this content from a later one.

    HTTP dates count seconds: a file fetched in the second in which it was changed may be changed again in it.
    """
    modified, answered = http_time(headers.get('last-modified')), http_time(headers.get('date'))
    return modified is not None and answered is not None and answered - modified >= 2
