"""A server with one project of any number of scans, which it makes up as it sends them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import islice
from typing import NamedTuple

from tests.support.handled import serve_handler

IN_SESSION = 20
"""Scans of a session."""
_SCAN = 'xnat:imagesessiondata/scans/scan/'


class Served(NamedTuple):
    """The server."""

    url: str
    requests: Counter[str]
    """Number of requests by their path; logging out left aside."""


def _sessions(count: int) -> Iterator[dict[str, str]]:
    for number in range(count // IN_SESSION):
        yield {
            'ID': f'XNAT_E{number:06}',
            'project': 'P',
            'date': f'20{number % 20:02}-0{1 + number % 9}-1{number % 10}',
            'xsiType': 'xnat:mrSessionData',
            'label': f'S{number:06}_MR',
            'insert_date': '2020-01-02 03:04:05.0',
            'URI': f'/data/experiments/XNAT_E{number:06}',
        }


def _scans(count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        session = f'XNAT_E{number // IN_SESSION:06}'
        yield {
            'session_ID': session,
            f'{_SCAN}xnat_imagescandata_id': str(number),
            f'{_SCAN}id': str(1 + number % IN_SESSION),
            f'{_SCAN}type': ('T1', 'EPI', 'DTI')[number % 3],
            f'{_SCAN}quality': 'usable',
            f'{_SCAN}extension_item/element_name': 'xnat:mrScanData',
            f'{_SCAN}note': '',
            f'{_SCAN}series_description': f'series {number % 7}',
            f'{_SCAN}frames': str(number % 300),
            'ID': session,
            'xsiType': 'xnat:mrSessionData',
            'project': 'P',
            'URI': f'/data/experiments/{session}',
        }


def _of_session(session: int) -> Iterator[dict[str, str]]:
    for number in range(IN_SESSION):
        yield {
            'xnat_imagescandata_id': str(session * IN_SESSION + number),
            'ID': str(1 + number),
            'type': 'T1',
            'quality': 'usable',
            'xsiType': 'xnat:mrScanData',
            'note': '',
            'series_description': '',
            'URI': f'/data/experiments/XNAT_E{session:06}/scans/{1 + number}',
        }


def _table(rows: Iterator[dict[str, str]]) -> Iterator[str]:
    """Return the pieces of a listing in JSON."""
    yield '{"ResultSet":{"Result":['
    comma = ''
    while some := list(islice(rows, 1000)):
        yield comma + json.dumps(some, separators=(',', ':'))[1:-1]
        comma = ','
    yield ']}}'


@contextmanager
def serve_scans(count: int) -> Iterator[Served]:
    """Serve the project ``P`` with this number of scans, over a real socket."""
    requests: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self) -> None:
            path, _, query = self.path.partition('?')
            requests[path] += 1
            one = re.fullmatch(r'/data/(?:projects/P/)?experiments/XNAT_E(\d+)/scans', path)
            if path == '/data/projects/P/experiments':
                rows = _scans(count) if 'scans/scan' in query else _sessions(count)
            elif one:
                rows = _of_session(int(one[1]))
            else:
                self._start(404, [('Content-Length', '0')])
                return
            self._start(200, [('Transfer-Encoding', 'chunked')])
            for piece in _table(rows):
                self.wfile.write(f'{len(piece):x}\r\n{piece}\r\n'.encode())
            self.wfile.write(b'0\r\n\r\n')

        def do_DELETE(self) -> None:
            self._start(200, [('Content-Length', '0')])

        def _start(self, status: int, headers: list[tuple[str, str]]) -> None:
            self.send_response(status)
            for name, text in [
                ('Content-Type', 'application/json'),
                ('Set-Cookie', 'JSESSIONID=A; Path=/'),
                ('Set-Cookie', 'SESSION_EXPIRATION_TIME="1,900000"; Path=/'),
                *headers,
            ]:
                self.send_header(name, text)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with serve_handler(Handler) as url:
        yield Served(url, requests)
