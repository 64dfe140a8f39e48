"""Connections through a proxy. httplib2 leaves them to a library that is not among ours, so they are made here, from what http.client has."""

from __future__ import annotations

import base64
import os
import socket
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit

import httplib2

from ..errors import ConfigurationError

__all__ = ['Proxy', 'connection_type', 'proxy_for', 'without_credentials']


class Proxy(NamedTuple):
    """An HTTP proxy; its password shows in no text."""

    host: str
    port: int
    login: str = ''
    secret: str = ''

    def __repr__(self) -> str:
        return f'Proxy(host={self.host!r}, port={self.port}, login={self.login!r}, secret=…)'

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """From a URL such as ``http://user:password@proxy.example.org:3128``."""
        parts = urlsplit(url if '://' in url else f'http://{url}')
        if parts.scheme not in ('http', 'https') or not parts.hostname:
            raise ConfigurationError('The proxy is not the URL of an HTTP proxy: give one such as http://proxy.example.org:3128')
        return cls(parts.hostname, parts.port or 3128, unquote(parts.username or ''), unquote(parts.password or ''))

    def headers(self) -> dict[str, str]:
        """What the proxy wants to know."""
        if not self.login:
            return {}
        return {'Proxy-Authorization': 'Basic ' + base64.b64encode(f'{self.login}:{self.secret}'.encode()).decode('ascii')}

    def connect(self, timeout: Any) -> socket.socket:
        """A connection to the proxy."""
        sock = socket.create_connection((self.host, self.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def proxy_for(server: str, explicit: str | None = None) -> Proxy | None:
    """The proxy that a server is asked through: as given, or ``http_proxy``, ``https_proxy`` and ``no_proxy`` of the environment."""
    parts = urlsplit(server)
    if explicit:
        return Proxy.parse(explicit)
    url = _environ(f'{parts.scheme}_proxy')
    return Proxy.parse(url) if url and not _is_excepted(parts.hostname or '') else None


def _environ(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ''


def _is_excepted(host: str) -> bool:
    for entry in _environ('no_proxy').split(','):
        name = entry.strip().lower().partition(':')[0].lstrip('*').lstrip('.')
        if entry.strip() == '*' or (name and (host == name or host.endswith(f'.{name}'))):
            return True
    return False


def without_credentials(url: str | None) -> str | None:
    """The URL of a proxy without user and password."""
    return url if url is None or '@' not in url else url[: url.find('//') + 2 if '//' in url else 0] + url.rpartition('@')[2]


class _ThroughProxy(httplib2.HTTPConnectionWithTimeout):
    """Plain HTTP: the proxy is asked for the whole URL."""

    proxy: ClassVar[Proxy]

    def connect(self) -> None:
        self.sock = self.proxy.connect(self.timeout)

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        port = f':{self.port}' if self.port != 80 else ''
        super().putrequest(method, f'http://{self.host}{port}{url}', skip_host, skip_accept_encoding)
        for name, value in self.proxy.headers().items():
            self.putheader(name, value)


class _ThroughTunnel(httplib2.HTTPSConnectionWithTimeout):
    """HTTPS: the proxy only passes bytes on, and sees neither headers nor data."""

    proxy: ClassVar[Proxy]

    def connect(self) -> None:
        self.sock = self.proxy.connect(self.timeout)
        self._tunnel_host: str | None = None
        self.set_tunnel_to(self.host, self.port or 443)
        self._tunnel()  # type: ignore[attr-defined]
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)  # type: ignore[attr-defined]

    def set_tunnel_to(self, host: str, port: int) -> None:
        """Name the end of the tunnel; http.client refuses that once there is a socket, so the socket is put aside meanwhile."""
        sock, self.sock = self.sock, None
        self.set_tunnel(host, port, self.proxy.headers())
        self.sock = sock


def connection_type(scheme: str, proxy: Proxy | None) -> Any:
    """The class of connections to a server; `None` for httplib2's own."""
    if proxy is None:
        return None
    base = _ThroughTunnel if scheme == 'https' else _ThroughProxy
    return type(base.__name__, (base,), {'proxy': proxy})
