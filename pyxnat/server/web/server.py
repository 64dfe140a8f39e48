"""The HTTP server: cheroot's requests and WSGI, behind :mod:`.front`."""

from __future__ import annotations

import logging
import ssl
from dataclasses import replace
from typing import Any

from cheroot import wsgi
from cheroot.server import HTTPRequest

from .bodies import Body, ChunkedBody
from .connection import Connection
from .descriptors import for_connections
from .front import Front
from .heads import HeadError, parse
from .limits import Limits
from .workers import Workers

__all__ = ['WebServer']

_log = logging.getLogger(__name__)
BACKLOG = 512
"""Connections that the system queues until they are accepted."""
UNREAD = (b'401', b'413')
"""Statuses that do not wait for the rest of a body."""


class _Connection:
    """Parts of a connection that cheroot's request uses."""

    def __init__(self, connection: Connection) -> None:
        self.base = self.wfile = connection
        self.remote_addr, self.remote_port = connection.remote_addr, connection.remote_port
        self.ssl_env = connection.ssl_env


class _Request(HTTPRequest):
    """Request whose head is parsed strictly and whose body is read with a deadline."""

    def parse_request(self) -> None:
        """Parse the head, which is there."""
        connection = self.conn.base
        head = parse(connection.take_head())
        self.started_request = True
        self.method, self.uri, self.path, self.qs = head[:4]
        self.authority = b''
        self.scheme = b'https' if connection.ssl_env else b'http'
        self.inheaders = head.headers
        self.request_protocol = self.response_protocol = 'HTTP/{}.{}'.format(*head.version)
        self.request_protocol = self.request_protocol.encode()
        self.close_connection = not head.keeps_alive
        self.chunked_read = head.is_chunked
        self.rfile = (
            ChunkedBody(connection, head.expects)
            if head.is_chunked
            else Body(connection, head.length, head.expects)
        )
        self.ready = True

    def respond(self) -> None:
        """Call the application and write its response."""
        self.server.gateway(self).respond()
        self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b'0\r\n\r\n')

    def send_headers(self) -> None:
        """Send the headers, with ``Connection: close`` if much of the body is unread."""
        status: Any = self.status[:3]
        if not self.rfile.finish(may_wait=status not in UNREAD):
            self.close_connection = True
        self.conn.base.is_corked = True
        super().send_headers()
        self.conn.base.is_corked = False


class WebServer(wsgi.Server):
    """HTTP server of a WSGI application, in threads of this process.

    Parameters
    ----------
    address : tuple[str, int]
        Host and port to listen on.
    app : Any
        The application.
    limits : Limits
        Sizes and deadlines.
    tls : ssl.SSLContext | None
        For https.
    """

    nodelay = True

    def __init__(
        self,
        address: tuple[str, int],
        app: Any,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(
            address,
            app,
            server_name='pyxnat.server',
            shutdown_timeout=1,
            request_queue_size=BACKLOG,
        )
        limits = replace(limits, connections=for_connections(limits.connections))
        self.timeout = int(limits.idle_s)  # sent to clients of HTTP/1.0
        self._limits = limits
        self._tls = tls
        self.requests = Workers(self._handle, limits)

    def prepare(self) -> None:
        """Listen, and start the workers."""
        super().prepare()
        self._connections.close()
        self._connections: Any = Front(self.socket, self.requests, self._limits, self._tls)

    def clear_stats(self) -> None:
        """Make the statistics, and take them out of cheroot's list of all servers.

        The list would keep each server, and its archive, until the process ends.
        """
        super().clear_stats()  # type: ignore[no-untyped-call]
        vars(logging)['statistics'].pop(f'Cheroot HTTPServer {id(self)}', None)

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

    def _handle(self, connection: Connection) -> None:
        """Handle one request, in a worker."""
        request = _Request(self, _Connection(connection))
        try:
            request.parse_request()
            request.respond()
        except HeadError as error:
            connection.refuse(error.status, error.reason)
        except OSError as error:
            _log.debug('lost %s: %s', connection.remote_addr, error)
            connection.abort()
            connection.end(keep=False)
        except Exception:  # noqa: BLE001  (last resort of a worker: logged, answered with 500)
            _log.exception('A response failed.')
            self._fail(connection, request)
        else:
            connection.end(not request.close_connection, linger=not request.rfile.is_finished)
        self.put_conn(connection)

    def _fail(self, connection: Connection, request: _Request) -> None:
        if request.sent_headers:  # the client sees that the response is not complete
            connection.end(keep=False)
        else:
            connection.refuse(500, 'The server failed; see its log for the reason.')
