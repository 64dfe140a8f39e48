"""HTTP server for an archive: cheroot, in threads of this process."""

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
from werkzeug.middleware.proxy_fix import ProxyFix

from .app import App
from .prearchive.auto_archive import Tender
from .startup import ServedArchive

__all__ = ['Server', 'new_password', 'serve']

_log = logging.getLogger(__name__)
THREADS = 16
"""Worker threads. An idle keep-alive connection uses none: cheroot polls those with a selector."""
KEEP_ALIVE_S = 120
DRAIN_BYTES = 64 * 2**20
"""Bytes of an unread body that are discarded to keep a connection; for more it is closed."""


class _Request(HTTPRequest):
    """Request whose unread body is discarded in pieces.

    If more than `DRAIN_BYTES` are left, the connection is closed.
    """

    def send_headers(self) -> None:
        """Discard the rest of the body, then send the headers.

        Otherwise the client could not read the response while it still sends.
        """
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
    keep_alive_conn_limit = None  # type: ignore[assignment]  # unlimited
    expiration_interval = 0.05  # seconds; the longest wait of stop()
    nodelay = True

    def error_log(self, msg: str = '', level: int = 20, traceback: bool = False) -> None:
        """Send cheroot's messages to the logger of this module.

        Parameters
        ----------
        msg : str
            The message.
        level : int
            Level of :mod:`logging`.
        traceback : bool
            Whether the current exception is logged with it.
        """
        _log.log(level, msg, exc_info=traceback)


class Server:
    """Running HTTP server; a context manager that stops it at the end.

    Parameters
    ----------
    archive : ServedArchive
        The archive to serve; closed by `stop`.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 for a free one. The attribute ``port`` has the actual number.
    user : str
        Login of the administrator.
    password : str
        Password of the administrator.
    context : str
        Path prefix of all URIs, like ``/xnat``.
    trust_proxy : bool
        Whether ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of the proxy in front are believed.
    """

    def __init__(
        self,
        archive: ServedArchive,
        host: str,
        port: int,
        user: str,
        password: str,
        context: str = '',
        trust_proxy: bool = False,
    ) -> None:
        self.archive = archive
        self.user = user
        self.password = password
        self._context = context.rstrip('/')
        self._seen: list[tuple[str, str, int]] = []
        self._lock = threading.Lock()
        app = App(archive, self._remember, self._context)
        self._http = _Cheroot(
            (host, port),
            ProxyFix(app, x_for=1, x_proto=1) if trust_proxy else app,
            THREADS,
            'pyxnat.server',
            timeout=KEEP_ALIVE_S,
            shutdown_timeout=1,
            request_queue_size=128,
        )
        self._http.prepare()
        self.host, self.port = self._http.bind_addr[:2]
        self._thread = threading.Thread(target=self._http.serve, name='pyxnat.server', daemon=True)
        self._thread.start()
        self._tender = Tender(archive)
        self._tender.start()

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'http://{host}:{self.port}{self._context}'

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Requests so far as (method, path with query, status), oldest first.

        At most the last 100,000 are kept.
        """
        with self._lock:
            return list(self._seen)

    def clear_requests(self) -> None:
        """Empty the list of requests."""
        with self._lock:
            self._seen.clear()

    def add_user(self, login: str, password: str, **more: Any) -> None:
        """Create a user without rights, or set an existing user's password.

        Parameters
        ----------
        login : str
            Login name.
        password : str
            Password of the user.
        **more
            ``firstname``, ``lastname`` and ``email`` of a new user.
        """
        self.archive.users.add(login, password, **more)

    def _remember(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self._seen.append((method, path, status))
            del self._seen[: max(0, len(self._seen) - 100_000)]

    def stop(self) -> None:
        """Stop serving, close all connections and close the archive."""
        self._http.stop()
        self._thread.join(2)
        self._tender.stop()
        self.archive.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def new_password() -> str:
    """Return a random password of 16 characters."""
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
    trust_proxy: bool = False,
    durable: bool = True,
) -> Server:
    """Serve the archive in a folder, in the background.

    Parameters
    ----------
    folder : str | Path
        Folder of the archive; created if it does not exist.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 for a free one.
    user : str
        Login of the administrator.
    password : str | None
        Password of the administrator. By default a random one, which replaces that of an existing
        archive; it is in `Server.password`.
    users : Mapping[str, str] | None
        Further logins and their passwords; they have no rights until a project grants some.
    require_login : bool
        Whether guests are refused; otherwise they see public projects.
    site : str
        Site ID of a new archive; its accession IDs start with it.
    schemas : Iterable[str | Path]
        Further XSD files, or folders of them: the data types of plug-ins.
    silent_refusals : bool
        Whether an upload without the right to edit is answered with 200 and stores nothing, as in
        XNAT, instead of 403.
    context : str
        Path prefix of all URIs, like ``/xnat``.
    trust_proxy : bool
        Whether ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of the proxy in front are believed:
        only if no client reaches the port without it.
    durable : bool
        Whether a write is answered only when it is on disk. Without, a power cut can lose the last
        seconds: for tests.

    Raises
    ------
    ArchiveBusy
        If another process serves the folder.
    """
    archive = ServedArchive(
        folder,
        site=site,
        require_login=require_login,
        schemas=schemas,
        silent_refusals=silent_refusals,
        durable=durable,
    )
    try:
        secret = password if password is not None else new_password()
        archive.users.add(user, secret, admin=True)
        for login, word in (users or {}).items():
            archive.users.add(login, word)
        return Server(archive, host, port, user, secret, context, trust_proxy)
    except BaseException:
        archive.close()
        raise
