"""Emulation of XNAT 1.6, 1.7 and 1.8: a table of their differences, in front of the embedded
archive.

The archive itself answers as XNAT 1.8 does. Each row names the versions that are known to differ,
those for which it is unknown, and the evidence: a fact of the reference by its number and evidence
(S source, T rest-tests, R recorded, B belief), or nothing if no source describes 1.6, or requests
that only current clients send.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import md5
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import unquote

from cheroot import wsgi
from werkzeug.wrappers import Response

from pyxnat.server import Server
from pyxnat.server.app import App

VERSIONS = ('1.6', '1.7', '1.8')
Ask = Callable[[str], Response]
Rows = list[dict[str, str]]

_LIST = re.compile(r'/(?:experiments|subjects)/([^/?]*,[^/?]*)/')
_NUMBER_OR_MOMENT = re.compile(r'-?\d+(\.\d+)?|\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?')
_LONGEST_LINE = 8192
_VERSION_LABEL = b'Version 1.6.5'


# -- changes of a response


def _changed(response: Response, change: Callable[[Rows], Rows]) -> Response:
    """Return a response with other rows, if it is a JSON table."""
    if (
        response.status_code == 200
        and response.mimetype == 'application/json'
        and response.get_data().startswith(b'{"ResultSet"')
    ):
        table = json.loads(response.get_data())
        table['ResultSet']['Result'] = change(table['ResultSet']['Result'])
        response.set_data(json.dumps(table))
    return response


def _query_without(uri: str, *names: str) -> str:
    path, _, query = uri.partition('?')
    left = [part for part in query.split('&') if part.partition('=')[0] not in names]
    return f'{path}?{"&".join(left)}'


def _path(uri: str) -> str:
    return uri.partition('?')[0]


def no_paging(ask: Ask, uri: str) -> Response:
    return ask(_query_without(uri, 'limit', 'offset'))


def no_xapi(ask: Ask, uri: str) -> Response:
    return Response(status=404) if uri.startswith('/xapi') else ask(uri)


def tells_version(ask: Ask, uri: str) -> Response:
    return (
        Response(_VERSION_LABEL, mimetype='text/plain')
        if _path(uri) in ('/data/version', '/REST/version')
        else ask(uri)
    )


def quotes_csv(ask: Ask, uri: str) -> Response:
    response = ask(uri)
    if response.mimetype == 'text/csv':
        header, *rows = csv.reader(io.StringIO(response.get_data(as_text=True), newline=''))
        lines = [
            ','.join(map(_quoted, header)),
            *(','.join(_quoted_if_text(cell) for cell in row) for row in rows),
        ]
        response.set_data('\n'.join([*lines, '']))
    return response


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _quoted_if_text(cell: str) -> str:
    return cell if cell == '' or _NUMBER_OR_MOMENT.fullmatch(cell) else _quoted(cell)


def items_as_xml(ask: Ask, uri: str) -> Response:
    response = ask(uri)
    is_item = response.mimetype == 'application/json' and response.get_data().startswith(
        b'{"items"'
    )
    return ask(_query_without(uri, 'format') + '&format=xml') if is_item else response


def no_lists(ask: Ask, uri: str) -> Response:
    return Response(status=404) if _LIST.search(unquote(uri)) else ask(uri)


def no_all(ask: Ask, uri: str) -> Response:
    return Response(status=404) if '/ALL/' in uri else ask(uri)


def no_all_in_lists(ask: Ask, uri: str) -> Response:
    return Response(status=404) if '/ALL/' in uri and _LIST.search(unquote(uri)) else ask(uri)


def files_of_resources_alone(ask: Ask, uri: str) -> Response:
    """Return the element itself: ``files`` is an unknown sub-path elsewhere."""
    holder, is_files, query = uri.partition('/files?')
    return ask(f'{holder}?{query}') if is_files and '/resources/' not in holder else ask(uri)


def no_digests(ask: Ask, uri: str) -> Response:
    return _changed(
        ask(uri),
        lambda rows: [
            {name: value for name, value in row.items() if name != 'digest'} for row in rows
        ],
    )


def speaks_of_rest(ask: Ask, uri: str) -> Response:
    return _changed(
        ask(uri),
        lambda rows: [
            {**row, 'URI': row['URI'].replace('/data/', '/REST/', 1)} if 'URI' in row else row
            for row in rows
        ],
    )


def no_subject_id(ask: Ask, uri: str) -> Response:
    return ask(re.sub(r'(?<=[=,])subject_ID(?=,|&|$),?', '', uri))


def hides_with_403(ask: Ask, uri: str) -> Response:
    response = ask(uri)
    return Response(status=403) if response.status_code == 404 and '/projects/' in uri else response


def any_order(ask: Ask, uri: str) -> Response:
    return _changed(
        ask(uri),
        lambda rows: sorted(rows, key=lambda row: md5(repr(sorted(row.items())).encode()).digest()),
    )


def bounds_lines(ask: Ask, uri: str) -> Response:
    return Response(status=400) if len(uri) > _LONGEST_LINE else ask(uri)


def refuses_lists(ask: Ask, uri: str) -> Response:
    return Response(status=400) if _LIST.search(unquote(uri)) else ask(uri)


def refuses_all(ask: Ask, uri: str) -> Response:
    return Response(status=400) if '/ALL/' in uri else ask(uri)


def refuses_types(ask: Ask, uri: str) -> Response:
    return Response(status=400) if 'xsiType=' in uri else ask(uri)


def leaves_out_sessions_without(ask: Ask, uri: str) -> Response:
    """Keep only the rows that have a value in a repeated column."""
    return _changed(
        ask(uri),
        lambda rows: [
            row
            for row in rows
            if all(row[key] for key in row if key.startswith('xnat:imagesessiondata/'))
        ],
    )


def no_share_columns(ask: Ask, uri: str) -> Response:
    return Response(status=500) if '/sharing/share/' in unquote(uri) else ask(uri)


# -- differences of the versions


class Trait(NamedTuple):
    """A difference of some servers."""

    conduct: Callable[[Ask, str], Response]
    """Changes the request or the response of the archive."""
    known: tuple[str, ...]
    """Versions that are known to have it."""
    unknown: tuple[str, ...]
    """Versions that may have it."""
    evidence: str


_NOTHING = 'nothing tells; known of 1.7 and 1.8: '
_OPEN = 'nothing tells of other versions; measured of 1.8.11: it is otherwise'
TRAITS: dict[str, Trait] = {
    'no paging': Trait(no_paging, ('1.6', '1.7'), (), '2.4, 9 (S: P17 against WR)'),
    'no xapi': Trait(no_xapi, ('1.6',), (), '9 (S)'),
    'tells its version': Trait(
        tells_version, ('1.6',), (), '1.1.6 (B for 1.6; S: no route in 1.7 and 1.8)'
    ),
    'quotes CSV': Trait(quotes_csv, ('1.6',), (), '2.7.7, 4.4.13 (R5)'),
    'long request lines': Trait(
        bounds_lines, VERSIONS, (), 'Tomcat, maxHttpHeaderSize: 8 KiB unless set'
    ),
    'items as XML': Trait(items_as_xml, (), ('1.6',), '2.11.9 (B: before 1.6.5)'),
    'no lists': Trait(no_lists, (), ('1.6',), f'{_NOTHING}2.2.5 (S)'),
    'no ALL': Trait(no_all, (), ('1.6',), f'{_NOTHING}2.2.5 (S)'),
    'files of resources alone': Trait(
        files_of_resources_alone, (), ('1.6',), f'{_NOTHING}2.1 (S); the answer is 2.12 (S)'
    ),
    'no digests': Trait(no_digests, (), ('1.6',), f'{_NOTHING}2.6 (S)'),
    'speaks of /REST': Trait(speaks_of_rest, (), ('1.6',), f'{_NOTHING}1.1.1 (S)'),
    'no subject_ID': Trait(
        no_subject_id, (), ('1.6',), f'{_NOTHING}2.5 (S); the answer is 2.6.e (S)'
    ),
    'hides with 403': Trait(hides_with_403, (), VERSIONS, '1.7 (T: the suite takes either)'),
    'any order': Trait(any_order, (), VERSIONS, '2.6 (S: undefined unless sortBy is used)'),
    'no ALL in lists': Trait(no_all_in_lists, (), VERSIONS, _OPEN),
    'refuses lists': Trait(refuses_lists, (), VERSIONS, _OPEN),
    'refuses ALL': Trait(refuses_all, (), VERSIONS, _OPEN),
    'refuses types': Trait(refuses_types, (), VERSIONS, _OPEN),
    'leaves out sessions without': Trait(leaves_out_sessions_without, (), VERSIONS, _OPEN),
    'no share columns': Trait(
        no_share_columns, (), VERSIONS, '2.6.e (B: an unknown full path can give 500)'
    ),
}


def known(version: str) -> frozenset[str]:
    """Return the differences that a version has."""
    return frozenset(name for name, trait in TRAITS.items() if version in trait.known)


def unknown(version: str) -> list[str]:
    """Return the differences that a version may have."""
    return [name for name, trait in TRAITS.items() if version in trait.unknown]


class Emulated:
    """WSGI application of an archive with differences that can be changed at any time."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.traits: frozenset[str] = frozenset()
        self.url = ''

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        uri: str = environ['REQUEST_URI']
        ask: Ask = partial(self._ask, environ)
        if environ['REQUEST_METHOD'] == 'GET' or _path(uri).endswith('/search'):
            for name in sorted(self.traits):
                ask = partial(TRAITS[name].conduct, ask)
        return ask(uri)(environ, start_response)

    def _ask(self, environ: dict[str, Any], uri: str) -> Response:
        path, _, query = uri.partition('?')
        return Response.from_app(
            self._app,
            {**environ, 'REQUEST_URI': uri, 'PATH_INFO': unquote(path), 'QUERY_STRING': query},
            buffered=True,
        )


@contextmanager
def emulated(server: Server) -> Iterator[Emulated]:
    """Serve the same archive at another URL, with these differences."""
    app = Emulated(App(server.archive))
    http = wsgi.Server(('127.0.0.1', 0), app, 16, shutdown_timeout=1)
    http.expiration_interval = 0.05
    http.nodelay = True
    http.prepare()
    app.url = f'http://127.0.0.1:{http.bind_addr[1]}'
    thread = Thread(target=http.serve, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        http.stop()
        thread.join(2)
