"""Tests of modules of other packages that are executed on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyxnat.http.on_first_use import defer
from tests.conftest import ROOT

HTTPLIB2 = """
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyxnat.http
import httplib2
from httplib2 import auth

assert 'pyparsing' not in sys.modules
assert auth is sys.modules['httplib2.auth'] is httplib2.auth


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        scheme = self.path[1:]
        is_known = self.headers.get('Authorization', '').startswith(scheme)
        self.send_response(200 if is_known else 401)
        if not is_known:
            challenge = f'{scheme} realm="a, b", nonce="n", qop="auth", algorithm=MD5'
            self.send_header('WWW-Authenticate', challenge)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ready = threading.Barrier(6)
statuses = []


def get(scheme):
    http = httplib2.Http()
    http.add_credentials('ann', 'secret')
    ready.wait()
    response, _ = http.request(f'http://127.0.0.1:{server.server_port}/{scheme}')
    statuses.append((scheme, response.status))


threads = [threading.Thread(target=get, args=(scheme,)) for scheme in ('Basic', 'Digest') * 3]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(statuses) == [('Basic', 200)] * 3 + [('Digest', 200)] * 3, statuses
assert 'pyparsing' in sys.modules
assert not hasattr(auth, 'nothing')
server.shutdown()
"""

FAILING = """
import sys
sys.modules['pyparsing'] = None
import pyxnat.http
from httplib2 import auth

for _ in range(2):
    try:
        auth.challenge
    except ImportError as error:
        print(error.name)
del sys.modules['pyparsing']
print(auth._parse_www_authenticate({'www-authenticate': 'Basic realm=a'}))
"""


def output_of(program: str) -> str:
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def test_httplib2_reads_challenges_in_all_threads() -> None:
    output_of(HTTPLIB2)


def test_a_module_that_cannot_be_executed_is_tried_again() -> None:
    assert output_of(FAILING).split('\n') == [
        'pyparsing',
        'pyparsing',
        "{'basic': {'realm': 'a'}}",
        '',
    ]


@pytest.mark.parametrize(
    ('package', 'name'), [('json', 'tool'), ('no_such_package', 'x'), ('wave', 'x'), ('xml', 'x')]
)
def test_nothing_changes_without_a_module_to_defer(package: str, name: str) -> None:
    """json is imported, wave is a module, and xml has no x."""
    before = sys.modules.copy()
    defer(package, name)
    assert sys.modules == before
