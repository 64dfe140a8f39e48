"""Proxy process that adds latency: it delays each request by a round trip, and counts it.

::

    python -m tests.benchmarks.latency URL

It prints its own URL. ``GET /!count`` returns the counts since the previous such request, as JSON:
requests, connections, bytes in each direction; ``GET /!delay/MS`` sets the milliseconds that each
request waits. A new connection waits once more, as TCP's handshake does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlsplit

CHUNK = 2**18


class Proxy:
    """Forwards requests, in order on each connection."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.host, self.port = parts.hostname or '', parts.port or 80
        self.delay_s = 0.0
        self.counts: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Reset the counters."""
        self.counts = {'requests': 0, 'connections': 0, 'sent': 0, 'received': 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while True:
                head = await reader.readuntil(b'\r\n\r\n')
                if head.split(b' ', 2)[1].startswith(b'/!'):
                    writer.write(self.command(head.split(b' ', 2)[1].decode('ascii')))
                    await writer.drain()
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection(self.host, self.port, limit=CHUNK)
                    self.counts['connections'] += 1
                    await asyncio.sleep(self.delay_s)
                self.counts['requests'] += 1
                self.counts['sent'] += len(head)
                await self.exchange(head, reader, writer, *upstream)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one side closed the connection, which is allowed
        finally:
            for one in (writer, upstream[1] if upstream else None):
                if one is not None:
                    one.close()

    def command(self, path: str) -> bytes:
        """Return a response of the proxy itself."""
        if path.startswith('/!delay/'):
            self.delay_s = float(path.rpartition('/')[2]) / 1000
        body = json.dumps(self.counts).encode()
        self.reset()
        return b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body) + body

    async def exchange(
        self,
        head: bytes,
        client: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        on: asyncio.StreamWriter,
    ) -> None:
        """Forward one request and its response."""
        on.write(head)
        passing = asyncio.create_task(self.body(head, client, on, 'sent'))
        await asyncio.sleep(self.delay_s)
        while True:
            answer = await server.readuntil(b'\r\n\r\n')
            back.write(answer)
            self.counts['received'] += len(answer)
            if not answer.split(b' ', 2)[1].startswith(b'1'):
                break
            await asyncio.sleep(self.delay_s)  # until the body for this header has arrived
        without = head.startswith(b'HEAD ') or answer.split(b' ', 2)[1] in (b'204', b'304')
        if not without:
            await self.body(answer, server, back, 'received')
        await back.drain()
        await passing

    async def body(
        self, head: bytes, source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: str
    ) -> None:
        """Forward a body, however it is delimited."""
        fields = dict(
            line.lower().split(b':', 1) for line in head.split(b'\r\n')[1:] if b':' in line
        )
        if fields.get(b'transfer-encoding', b'').strip() == b'chunked':
            while True:
                line = await source.readuntil(b'\r\n')
                size = int(line.split(b';')[0], 16)
                sink.write(line)
                await self.bytes(size + 2, source, sink, count)
                if not size:
                    return
        await self.bytes(int(fields.get(b'content-length', b'0')), source, sink, count)

    async def bytes(
        self, size: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: str
    ) -> None:
        """Forward a number of bytes."""
        while size:
            piece = await source.read(min(size, CHUNK))
            if not piece:
                raise ConnectionResetError
            size -= len(piece)
            self.counts[count] += len(piece)
            sink.write(piece)
            await sink.drain()


async def main(target: str) -> None:
    """Serve until killed."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, '127.0.0.1', 0, limit=CHUNK)
    print(f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}', flush=True)
    async with server:
        await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
