"""HTTP server for an archive, in threads of this process."""

from __future__ import annotations

import secrets
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from .app import App
from .db.access import check_login
from .prearchive.auto_archive import Tender
from .presence import Presence, announce, withdraw
from .startup import ServedArchive
from .web.limits import Limits
from .web.server import WebServer
from .web.tls import secured

__all__ = ['Listener', 'Server', 'new_password', 'serve']

REMEMBERED = 100_000
"""Requests that `Server.requests` keeps."""
REMEMBERED_CHARACTERS = 8 * 2**20
"""Characters of their paths."""
DEFAULT_LIMITS = Limits()


class Listener:
    """Bound port. Clients can connect; a `Server` answers them.

    It is bound before an archive is opened: on a port in use nothing is created, and no password
    is set that nobody gets to see.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 for a free one.
    limits : Limits
        Sizes and deadlines of requests.
    tls : ssl.SSLContext | None
        For https; None for plain http.
    certificate : str | Path | None
        File with the certificate of https, for programs of the owner.

    Raises
    ------
    OSError
        If the port is in use, or not allowed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        limits: Limits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        certificate: str | Path | None = None,
    ) -> None:
        self.scheme = 'http' if tls is None else 'https'
        self.certificate = '' if certificate is None else str(Path(certificate).resolve())
        self.http = WebServer((host, port), None, limits, tls)
        self.http.prepare()

    def close(self) -> None:
        """Release the port."""
        self.http.stop()


class Server:
    """Running HTTP server; a context manager that stops it at the end.

    Parameters
    ----------
    archive : ServedArchive
        The archive to serve; closed by `stop`.
    listener : Listener
        The port. The attribute ``port`` has its number.
    user : str
        Login of the administrator.
    password : str
        Password of the administrator.
    context : str
        Path prefix of all URIs, like ``/xnat``.
    trust_proxy : bool
        Whether ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of the proxy in front are believed.
    limits : Limits
        Limits of unpacking.
    """

    def __init__(
        self,
        archive: ServedArchive,
        listener: Listener,
        user: str,
        password: str,
        context: str = '',
        trust_proxy: bool = False,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.archive = archive
        archive.files.max_entries = limits.entries
        self.user = user
        self.password = password
        self._context = context.rstrip('/')
        self._seen: deque[tuple[str, str, int]] = deque()
        self._characters = 0
        self._lock = threading.Lock()
        app = App(archive, self._remember, self._context)
        self._scheme = listener.scheme
        self._http = listener.http
        self._http.wsgi_app = ProxyFix(app, x_for=1, x_proto=1) if trust_proxy else app
        self.host, self.port = self._http.bind_addr[:2]
        self._thread = threading.Thread(target=self._http.serve, name='pyxnat.server', daemon=True)
        self._thread.start()
        self._tender = Tender(archive)
        self._tender.start()
        key = archive.users.make_key(user)
        announce(archive.folder, Presence(self._near_url, user, *key, listener.certificate))

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{self._scheme}://{host}:{self.port}{self._context}'

    @property
    def _near_url(self) -> str:
        """URL for programs of this machine, also if the server listens on all addresses."""
        near = {'0.0.0.0': '127.0.0.1', '::': '[::1]'}.get(str(self.host))
        return self.url if near is None else f'{self._scheme}://{near}:{self.port}{self._context}'

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Requests so far as (method, path with query, status), oldest first.

        At most the last 100,000 are kept, with 8 MiB of paths.
        """
        with self._lock:
            return list(self._seen)

    def clear_requests(self) -> None:
        """Empty the list of requests."""
        with self._lock:
            self._seen.clear()
            self._characters = 0

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
            self._characters += len(path)
            while len(self._seen) > REMEMBERED or self._characters > REMEMBERED_CHARACTERS:
                self._characters -= len(self._seen.popleft()[1])

    def stop(self) -> None:
        """Stop serving, close all connections and close the archive."""
        withdraw(self.archive.folder)
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
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    insecure: bool = False,
    limits: Limits = DEFAULT_LIMITS,
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
    certificate : str | Path | None
        File with a certificate and its chain, in PEM: serve https.
    key : str | Path | None
        File with its private key; by default in the same file.
    insecure : bool
        Whether plain http may be served on another address than loopback.
    limits : Limits
        Sizes and deadlines of requests.

    Raises
    ------
    ArchiveBusy
        If another process serves the folder.
    ValueError
        For plain http on another address than loopback without `insecure`.
    OSError
        If the port is in use. Then nothing is created or changed.
    """
    tls = secured(host, certificate, key, insecure)
    for login in (user, *(users or {})):
        check_login(login)
    listener = Listener(host, port, limits, tls, certificate)
    with ExitStack() as undo:
        undo.callback(listener.close)
        archive = ServedArchive(
            folder,
            site=site,
            require_login=require_login,
            schemas=schemas,
            silent_refusals=silent_refusals,
            durable=durable,
        )
        undo.callback(archive.close)
        secret = password if password is not None else new_password()
        archive.users.add(user, secret, admin=True)
        for login, word in (users or {}).items():
            archive.users.add(login, word)
        server = Server(archive, listener, user, secret, context, trust_proxy, limits=limits)
        undo.pop_all()
    return server
