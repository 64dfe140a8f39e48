"""Connections through a proxy.

httplib2 needs another library for them, so they are built on http.client here.
"""

from __future__ import annotations

import base64
import os
import socket
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit

import httplib2

from ..errors import ConfigurationError

__all__ = ['Proxy', 'ProxyUnreachableError', 'connection_type', 'proxy_for', 'without_credentials']


class ProxyUnreachableError(OSError):
    """There is no connection to the proxy."""


class Proxy(NamedTuple):
    """An HTTP proxy; ``repr`` hides its password."""

    host: str
    port: int
    login: str = ''
    secret: str = ''
    source: str = 'proxy='
    """Argument, or variable of the environment, that named it."""

    def __repr__(self) -> str:
        return f'Proxy(host={self.host!r}, port={self.port}, login={self.login!r}, secret=…)'

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Parse a URL such as ``http://user:password@proxy.example.org:3128``.

        Scheme and port may be missing; the default port is 3128.

        Raises
        ------
        ConfigurationError
            The text is not the URL of an HTTP proxy.
        """
        parts = urlsplit(url if '://' in url else f'http://{url}')
        if parts.scheme not in ('http', 'https') or not parts.hostname:
            raise ConfigurationError(
                'The proxy is not the URL of an HTTP proxy: give one such as '
                'http://proxy.example.org:3128'
            )
        return cls(
            parts.hostname,
            parts.port or 3128,
            unquote(parts.username or ''),
            unquote(parts.password or ''),
        )

    def headers(self) -> dict[str, str]:
        """Return the headers for the proxy: credentials, if it has any."""
        if not self.login:
            return {}
        return {
            'Proxy-Authorization': 'Basic '
            + base64.b64encode(f'{self.login}:{self.secret}'.encode()).decode('ascii')
        }

    def connect(self, timeout: Any) -> socket.socket:
        """Open a connection to the proxy; `timeout` in seconds.

        Raises
        ------
        ProxyUnreachableError
            The proxy does not answer, or its host is not known.
        """
        try:
            sock = socket.create_connection((self.host, self.port), timeout)
        except OSError as error:
            problem = f'{self.host}:{self.port}, from {self.source}: {error}'
            raise ProxyUnreachableError(problem) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def proxy_for(server: str, explicit: str | None = None) -> Proxy | None:
    """Return the proxy for a server, or `None`.

    Parameters
    ----------
    server : str
        URL of the server.
    explicit : str, optional
        URL of the proxy; by default ``http_proxy``, ``https_proxy`` and ``no_proxy`` of the
        environment decide.
    """
    parts = urlsplit(server)
    if explicit:
        return Proxy.parse(explicit)
    name = f'{parts.scheme}_proxy'
    url = _environ(name)
    if not url or _is_excepted(parts.hostname or ''):
        return None
    return Proxy.parse(url)._replace(source=name if os.environ.get(name) else name.upper())


def _environ(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ''


def _is_excepted(host: str) -> bool:
    for entry in _environ('no_proxy').split(','):
        name = entry.strip().lower().partition(':')[0].lstrip('*').lstrip('.')
        if entry.strip() == '*' or (name and (host == name or host.endswith(f'.{name}'))):
            return True
    return False


def without_credentials(url: str | None) -> str | None:
    """Return the URL of a proxy without user and password."""
    return (
        url
        if url is None or '@' not in url
        else url[: url.find('//') + 2 if '//' in url else 0] + url.rpartition('@')[2]
    )


class _ThroughProxy(httplib2.HTTPConnectionWithTimeout):
    """Connection for plain HTTP: requests the full URL from the proxy."""

    proxy: ClassVar[Proxy]

    def connect(self) -> None:
        self.sock = self.proxy.connect(self.timeout)

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        # with the full URL, as a proxy needs it
        port = f':{self.port}' if self.port != 80 else ''
        super().putrequest(
            method, f'http://{self.host}{port}{url}', skip_host, skip_accept_encoding
        )
        for name, value in self.proxy.headers().items():
            self.putheader(name, value)


class _ThroughTunnel(httplib2.HTTPSConnectionWithTimeout):
    """Connection for HTTPS: the proxy only passes on encrypted bytes."""

    proxy: ClassVar[Proxy]

    def connect(self) -> None:
        self.sock = self.proxy.connect(self.timeout)
        self._tunnel_host: str | None = None
        self.set_tunnel_to(self.host, self.port or 443)
        self._tunnel()  # type: ignore[attr-defined]
        context = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def set_tunnel_to(self, host: str, port: int) -> None:
        """Set the end of the tunnel.

        http.client refuses this on an open connection, so the socket is removed for the call.

        Parameters
        ----------
        host : str
            Host of the server.
        port : int
            Its port.
        """
        sock, self.sock = self.sock, None
        self.set_tunnel(host, port, self.proxy.headers())
        self.sock = sock


def connection_type(scheme: str, proxy: Proxy | None) -> Any:
    """Return the class of connections for httplib2; `None` for its default.

    Parameters
    ----------
    scheme : str
        ``http`` or ``https``.
    proxy : Proxy or None
        Proxy of the server.
    """
    if proxy is None:
        return None
    base = _ThroughTunnel if scheme == 'https' else _ThroughProxy
    return type(base.__name__, (base,), {'proxy': proxy})
