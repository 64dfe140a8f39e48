"""Downloaded files, under their real names, in a folder that many processes share.

``<cachedir>/<server>/<login>/files/<URI path>``: siblings of a resource lie side by side, as programs expect of ``.img`` and ``.hdr``. The folders
can be written to, the files only read. A file appears whole, by a rename; its time is the server's ``Last-Modified``, which is what the server is
asked about before the file is handed out again.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .uris import segments

__all__ = ['FileStore', 'digest_of', 'http_time', 'md5_of', 'publish', 'safe_name']

_NAME_BYTES = 200
"""Longest file name, in bytes of UTF-8; file systems allow 255, temporaries need some of it."""

_SECOND_NS = 10**9

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\]|%(?=[0-9A-Fa-f]{2})|~(?=[0-9a-f]{16}(\.|$))' + (r'|[<>:"|?*]|[. ]$' if os.name == 'nt' else ''))

_DEVICE = re.compile(r'(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def safe_name(name: str) -> str:
    """A name from a server as the name of one file or folder: its own unless that is impossible or dangerous.

    Different names stay different; what has to change is percent-encoded, and what is too long ends in a digest.

    >>> safe_name('T1 (1).nii.gz'), safe_name('..'), safe_name('a/b')
    ('T1 (1).nii.gz', '%2E%2E', 'a%2Fb')
    """
    if name in ('', '.', '..'):
        return '%2E' * len(name) or '%'
    safe = _UNSAFE.sub(lambda found: f'%{ord(found.group()):02X}', name)
    if os.name == 'nt' and _DEVICE.match(safe):
        safe = f'%{ord(safe[0]):02X}{safe[1:]}'
    if len(_encoded(safe)) <= _NAME_BYTES:
        return safe
    digest = hashlib.sha256(_encoded(name)).hexdigest()[:16]
    suffix = ''.join(Path(safe[-20:]).suffixes[-2:])
    kept = safe.encode('utf-8', 'replace')[: _NAME_BYTES - 17 - len(suffix.encode('utf-8', 'replace'))].decode('utf-8', 'ignore')
    return f'{kept}~{digest}{suffix}'


def _encoded(name: str) -> bytes:
    return name.encode('utf-8', 'surrogateescape')


class FileStore:
    """The files of one login on one server.

    Parameters
    ----------
    cachedir : Path
        The cache folder, shared by all servers and logins.
    server : str
        URL of the server.
    login : str
        Name of the login; empty for a guest.
    """

    def __init__(self, cachedir: Path, server: str, login: str) -> None:
        parts = urlsplit(server)
        place = f'{parts.netloc}{parts.path}'.replace(':', '+').replace('/', '~')
        self.cachedir = cachedir
        self.folder = cachedir / safe_name(place) / safe_name(login or 'guest') / 'files'

    def __repr__(self) -> str:
        return f'<FileStore {self.folder}>'

    def path(self, uri: str) -> Path:
        """Where the file of a URI lies, or would lie."""
        return self.folder.joinpath(*(safe_name(part) for segment in segments(uri) for part in segment.split('/')))

    def validator(self, uri: str) -> str | None:
        """Value of ``If-Modified-Since`` that the server's answer can be trusted for; `None` where there is none."""
        nanoseconds = self._time_ns(uri)
        if nanoseconds is None or nanoseconds % _SECOND_NS:
            return None
        return formatdate(nanoseconds // _SECOND_NS, usegmt=True)

    def holds(self, uri: str, size: str, digest: str) -> bool:
        """Whether the stored file has this size (bytes, as text) and MD5; without a digest nothing is sure."""
        path = self.path(uri)
        if self._time_ns(uri) is None or not digest or str(path.stat().st_size) != size:
            return False
        return digest_of(path) == digest.lower()

    def _time_ns(self, uri: str) -> int | None:
        try:
            return self.path(uri).stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def writing(self, uri: str, headers: Mapping[str, str]) -> Iterator[IO[bytes]]:
        """An open file whose content becomes the stored file when the block ends well; `headers` are the answer's."""
        path = self.path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f'The cache {self.cachedir} cannot be written ({error}). Give cachedir=, or set PYXNAT_CACHEDIR') from error
        with publish(path, _stored_time(headers), mode=0o400) as file:
            yield file


def _stored_time(headers: Mapping[str, str]) -> float:
    """The time a stored file gets: ``Last-Modified``, with half a second added where a later change could have the same one.

    HTTP dates count seconds. A file fetched in the second in which it was changed may be changed again in it; half a second says that its time
    proves nothing. A file that somebody touched or wrote to has some fraction, too.
    """
    modified, answered = http_time(headers.get('last-modified')), http_time(headers.get('date'))
    if modified is None:
        return int(time.time()) + 0.5
    return modified if answered is not None and answered - modified >= 2 else modified + 0.5


@contextmanager
def publish(path: Path, modified: float | None = None, mode: int | None = None) -> Iterator[IO[bytes]]:
    """An open temporary beside `path` that takes its place, at once and whole, when the block ends well.

    Parameters
    ----------
    modified : float, optional
        The file's time, in seconds since 1970.
    mode : int, optional
        Permissions; otherwise those that new files have.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name[:50]}.', suffix='.part')
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, 'wb') as file:
            yield file
        if modified is not None:
            os.utime(temporary, (modified, modified))
        temporary.chmod(mode if mode is not None else 0o666 & ~_umask())
        if os.name == 'nt' and path.exists():
            path.chmod(0o600)  # Windows does not replace what cannot be written
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def digest_of(path: Path) -> str:
    """The digest that XNAT lists, of a file."""
    with path.open('rb') as file:
        return md5_of(iter(lambda: file.read(2**18), b''))


def md5_of(pieces: Iterable[bytes]) -> str:
    """The digest that XNAT lists, of content in pieces."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def http_time(text: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date; `None` for what is none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
