"""The archive behind cheroot, in threads of this process."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest

from .app import App
from .prearchive.auto_archive import Tender
from .startup import ServedArchive

__all__ = ['Server', 'new_password', 'serve']

_log = logging.getLogger(__name__)
THREADS = 16
"""Worker threads. An idle kept-alive connection holds none: cheroot watches those with a selector."""
KEEP_ALIVE_S = 120
DRAIN_BYTES = 64 * 2**20
"""How much of a body that nobody wanted is read to keep the connection; above it the connection is closed."""


class _Request(HTTPRequest):
    """Keeps or closes a connection whose body was not read, without ever holding that body in memory."""

    def send_headers(self) -> None:
        """Read what is left of the body in pieces first, so that the client can read the answer."""
        _drain(self)
        super().send_headers()


def _drain(request: Any) -> None:
    left = getattr(request.rfile, 'remaining', 0)
    if request.close_connection and left <= 0:
        return
    budget = DRAIN_BYTES
    while budget > 0:
        piece = request.rfile.read(min(2**18, budget))
        budget -= len(piece)
        if not piece:
            return
    if getattr(request.rfile, 'remaining', 1) > 0:
        request.close_connection = True


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request


class _Cheroot(wsgi.Server):
    ConnectionClass = _Connection
    keep_alive_conn_limit = None  # type: ignore[assignment]  # None is unlimited
    expiration_interval = 0.05  # stopping takes as long as that
    nodelay = True

    def error_log(self, msg: str = '', level: int = 20, traceback: bool = False) -> None:
        """Cheroot's messages go to the log of this package."""
        _log.log(level, msg, exc_info=traceback)


class Server:
    """An archive being served; a context manager, stopped at its end.

    ``user`` and ``password`` are the administrator's, ``host`` and ``port`` where it listens, ``archive`` is what it serves.
    """

    def __init__(self, archive: ServedArchive, host: str, port: int, user: str, password: str, context: str = '') -> None:
        self.archive = archive
        self.user = user
        self.password = password
        self._context = context.rstrip('/')
        self._seen: list[tuple[str, str, int]] = []
        self._lock = threading.Lock()
        app = App(archive, self._remember, self._context)
        self._http = _Cheroot((host, port), app, THREADS, 'pyxnat.server', timeout=KEEP_ALIVE_S, shutdown_timeout=1, request_queue_size=128)
        self._http.prepare()
        self.host, self.port = self._http.bind_addr[:2]
        self._thread = threading.Thread(target=self._http.serve, name='pyxnat.server', daemon=True)
        self._thread.start()
        self._tender = Tender(archive)
        self._tender.start()

    @property
    def url(self) -> str:
        """Where it answers, without a trailing slash."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'http://{host}:{self.port}{self._context}'

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """What was asked so far (verb, path with query, status), the first first; the last 100,000 at most."""
        with self._lock:
            return list(self._seen)

    def clear_requests(self) -> None:
        """Forget what was asked."""
        with self._lock:
            self._seen.clear()

    def add_user(self, login: str, password: str, **more: Any) -> None:
        """Create a user without any rights, or give an existing one this password. A new one may have a ``firstname``, ``lastname``, ``email``."""
        self.archive.users.add(login, password, **more)

    def _remember(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self._seen.append((method, path, status))
            del self._seen[: max(0, len(self._seen) - 100_000)]

    def stop(self) -> None:
        """Stop answering, close all connections and leave the folder in order."""
        self._http.stop()
        self._thread.join(2)
        self._tender.stop()
        self.archive.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def new_password() -> str:
    """A random password of 16 characters."""
    return secrets.token_urlsafe(12)


def serve(
    folder: str | Path,
    host: str = '127.0.0.1',
    port: int = 0,
    *,
    user: str = 'admin',
    password: str | None = None,
    users: Mapping[str, str] | None = None,
    require_login: bool = True,
    site: str = 'XNAT',
    schemas: Iterable[str | Path] = (),
    silent_refusals: bool = False,
    context: str = '',
) -> Server:
    """Serve the archive in a folder, in the background; the folder is made where there is none.

    Parameters
    ----------
    folder
        The archive. Only one process can serve it at a time: `ArchiveBusy` otherwise.
    host, port
        Where to listen; port 0 takes a free one.
    user, password
        The administrator. Without a password a new archive gets a random one; it is in `Server.password`, as it is when an archive
        that exists is opened without one, where the administrator's password is set anew.
    users
        Further logins and their passwords; they have no rights until a project gives them some.
    require_login
        False lets guests see public projects.
    site
        The site ID that accession IDs of a new archive begin with.
    schemas
        Further XSD files, or folders of them: the data types of plug-ins.
    silent_refusals
        Answer 200 and store nothing, as XNAT does, where a file is uploaded without the right to edit; by default that is a 403.
    context
        Path that the archive stands below, as XNAT often does: ``/xnat``.
    """
    archive = ServedArchive(folder, site=site, require_login=require_login, schemas=schemas, silent_refusals=silent_refusals)
    try:
        secret = password if password is not None else new_password()
        archive.users.add(user, secret, admin=True)
        for login, word in (users or {}).items():
            archive.users.add(login, word)
        return Server(archive, host, port, user, secret, context)
    except BaseException:
        archive.close()
        raise
