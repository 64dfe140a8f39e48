"""Responses that are wrong in their content: errors of the library, without secrets."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from pyxnat.tables.csv_stream import csv_to_json
from tests.support.scripted import Reply, Request, ScriptedServer, table

SECRET = 'A1B2C3SECRET'
COOKIE = {'Set-Cookie': f'JSESSIONID={SECRET}; Path=/'}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.001)
    monkeypatch.setattr(transport, 'MAX_RETRY_AFTER_S', 0.01)


def answering(body: bytes, **headers: str) -> Callable[[Request], Reply]:
    return lambda request: Reply(200, body, {**COOKIE, **headers})


def connect(server: ScriptedServer, folder: Path, **options: Any) -> pyxnat.Interface:
    interface = pyxnat.Interface(server.url, 'me', 'password', folder / 'cache', **options)
    interface.cache.expiration = 0
    return interface


CALLS: dict[str, Callable[[pyxnat.Interface], Any]] = {
    'projects': lambda x: [p.id() for p in x.select.projects()],
    'labels': lambda x: x.select('/projects/P/subjects').get('label'),
    'ids': lambda x: x.select('/projects/P/subjects/*/experiments/*').get('ID', 'label'),
    'exists': lambda x: x.select.project('P').subject('S').exists(),
    'attributes': lambda x: x.select.project('P').subject('S').attributes(),
    'id': lambda x: x.select('/projects/P/subjects/S').id(),
    'share': lambda x: x.select('/projects/P/subjects/S').share('Q'),
    'unshare': lambda x: x.select('/projects/P/subjects/S').unshare('Q'),
    'rename': lambda x: x.select('/projects/P/subjects/S').rename('T'),
    'delete': lambda x: x.select('/projects/P/subjects/S').delete(),
    'create': lambda x: x.select('/projects/P/subjects/S/experiments/E').create(),
    'scans': lambda x: x.select('/projects/P/subjects/S/experiments/E/scans').get('type'),
    'files': lambda x: list(x.select('/experiments/E/scans/1/resources/R/files')),
    'all files': lambda x: list(x.select('/projects/P//files')),
    'size': lambda x: x.select('/projects/P/resources/R/files/f').size(),
    'file': lambda x: x.select('/projects/P/subjects/S/experiments/E/resources/R/files/f').get(),
    'put': lambda x: x.select('/projects/P/resources/R/files/f').put(b'content'),
    'resource': lambda x: x.select('/projects/P/resources/R').label(),
    'users': lambda x: x.select.project('P').users(),
    'role': lambda x: x.select.project('P').user_role('me'),
    'code': lambda x: x.select.project('P').prearchive_code(),
    'quarantine': lambda x: x.select.project('P').quarantine_code(),
    'variables': lambda x: x.select.project('P').get_custom_variables(),
    'table': lambda x: x.select('/projects/P/subjects').table(['label', 'gender']),
    'search': lambda x: x.select('xnat:subjectData').where([('xnat:subjectData/ID', '=', 'x')]),
    'where': lambda x: x.select('/projects/P/subjects').where(
        [('xnat:subjectData/ID', '=', 'x')]
    ).get(),
    'types': lambda x: x.inspect.datatypes(),
    'fields': lambda x: x.inspect.datatypes('xnat:subjectData'),
    'summary': lambda x: x.inspect.summary('P'),
    'saved': lambda x: x.manage.search.get('name'),
    'tags': lambda x: list(x.manage.tags()),
    'tokens': lambda x: x.manage.tokens(),
    'token': lambda x: x.manage.tokens.issue(),
    'validate': lambda x: x.manage.tokens.validate(('a', 'b')),
    'accounts': lambda x: x.manage.users(),
    'emails': lambda x: x.manage.users.email('me'),
    'prearchive': lambda x: x.manage.prearchive.get(),
    'waiting': lambda x: list(x.manage.prearchive.sessions()),
    'status': lambda x: x.manage.prearchive.status(['P', '20200101_000000', 'S']),
    'archive': lambda x: x.manage.prearchive.archive(['P', '20200101_000000', 'S']),
    'move': lambda x: x.manage.prearchive.move([['P', '20200101_000000', 'S']], 'Q'),
    'pipelines': lambda x: x.select.project('P').pipelines.info(),
    'pipeline': lambda x: x.select.project('P').pipelines.pipeline('p').info(),
    'aliases': lambda x: x.select.project('P').pipelines.aliases(),
    'xpath': lambda x: x.select.project('P').xpath('//x'),
    'namespaces': lambda x: x.select.project('P').namespaces(),
    'steps': lambda x: x.select('/experiments/E/reconstructions/R').provenance.get(),
    'experiments': lambda x: x.array.experiments(project_id='P'),
    'whoami': lambda x: x.whoami(),
    'version': lambda x: x.version,
}  # fmt: skip
"""A call of each part of the library that reads an answer."""

BODIES: dict[str, bytes] = {
    'no body': b'',
    'text': b'queued for later',
    'a path': b'/data/cache/user_uploads/1\r\n',
    'a search': b'xnat:mrSessionData',
    'null': b'null',
    'a number': b'5',
    'a list': b'[]',
    'a list of numbers': b'[1, 2]',
    'an object': b'{}',
    'another object': json.dumps({'items': [{'children': []}]}).encode(),
    'rows without columns': table({}, {}),
    'rows of another table': table({'x': '1'}, {'y': '2'}),
    'cells of other kinds': table(
        {'ID': '', 'label': '', 'Name': 'f', 'Size': 'x²', 'URI': '..', 'url': 'a', 'count': '½',
         'status': '', 'login': '', 'element_name': ''}
    ),
    'no rows': table(),
    'XML': b'<?xml version="1.0"?><a><b/></a>',
    'XML that ends early': b'<?xml version="1.0"?><a><b>',
    'XML with a DOCTYPE': b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    'bytes': bytes(range(256)),
    'UTF-16': '{"ResultSet": {"Result": []}}'.encode('utf-16'),
    'deep': b'[' * 100_000,
}  # fmt: skip


@pytest.mark.sample(3)
@pytest.mark.parametrize('body', BODIES)
@pytest.mark.parametrize('call', CALLS)
def test_no_answer_makes_anything_but_an_error_of_the_library(
    call: str, body: str, tmp_path: Path
) -> None:
    with ScriptedServer(answering(BODIES[body])) as server:
        interface = connect(server, tmp_path, retries=0)
        try:
            CALLS[call](interface)
        except errors.Error as error:
            assert SECRET not in str(error) and 'password' not in str(error).partition('Check')[0]
        except ImportError:
            pytest.skip('an optional library is missing')


@pytest.mark.parametrize(
    'value', ['²', '-1', '1e3', '1_0', '٣', 'soon', '', '9' * 400, 'Mon, 99 Foo 2020', ',', '\t1']
)
def test_any_retry_after_is_a_pause_of_some_length(value: str, tmp_path: Path) -> None:
    headers = {**COOKIE, 'Retry-After': value.encode().decode('latin-1')}
    replies = iter([Reply(503, b'', headers)] * 2)
    with ScriptedServer(lambda request: next(replies, Reply(200, table(), COOKIE))) as server:
        assert connect(server, tmp_path)._get_json('/data/projects') == []


@pytest.mark.parametrize('value', ['"a\\012b"', '"a\\015\\012X: y"', '"a\\000"', 'a\x01b',
                                   '"a\\073b"', 'é', '"\\351"', '"\\012\\012"'])  # fmt: skip
@pytest.mark.parametrize('name', ['JSESSIONID', 'AWSALB'])
def test_a_cookie_that_cannot_be_sent_back_is_left_out(
    name: str, value: str, tmp_path: Path
) -> None:
    count = itertools.count()

    def script(request: Request) -> Reply:
        cookie = f'{name}={value}; Path=/' if next(count) else COOKIE['Set-Cookie']
        return Reply(200, table(), {'Set-Cookie': cookie.encode().decode('latin-1')})

    with ScriptedServer(script) as server:
        interface = connect(server, tmp_path)
        for _ in range(3):
            assert interface._get_json('/data/projects') == []
        assert server.requests[-1].headers['cookie'] == f'JSESSIONID={SECRET}'


@pytest.mark.parametrize(
    'text', ['a,b\r1,2\r', 'a,b\n1,"2\n', 'a\rb\n1\n', '"a"b,c\n1,2\n', 'a,b\n1\n']
)
def test_csv_that_is_none_is_an_error(text: str) -> None:
    try:
        rows = csv_to_json(text)
    except errors.UnexpectedAnswer:
        return
    assert all(len(row) in (1, 2) for row in rows)


def test_a_missing_column_is_an_error_of_the_library_and_a_key_error() -> None:
    (row,) = csv_to_json('a,b\n1,2\n')
    assert row['a'] == '1' and row.get('c') is None and dict(row) == row
    for kind in (errors.UnexpectedAnswer, KeyError):
        with pytest.raises(kind, match="no column 'c' .it has 'a', 'b'"):
            row['c']


# -- zips ------------------------------------------------------------------------------------------


def packed(*names: str, change: Callable[[bytes], bytes] = bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b'content ' * 50)
    return change(file.getvalue())


def encrypted(body: bytes) -> bytes:
    """Set the flag of encryption, in the header of each file and in the directory."""
    return body.replace(b'PK\x03\x04\x14\x00\x00', b'PK\x03\x04\x14\x00\x01').replace(
        b'PK\x01\x02\x14\x03\x14\x00\x00', b'PK\x01\x02\x14\x03\x14\x00\x01'
    )


def damaged(body: bytes) -> bytes:
    return body[:45] + bytes(20) + body[65:]


ZIPS = {
    'encrypted': packed('a', 'b', change=encrypted),
    'damaged': packed('a', change=damaged),
    'unknown compression': packed(
        'a', change=lambda body: body.replace(b'\x14\0\0\0\x08', b'\x14\0\0\0\x63')
    ),
    'a file that is a folder': packed('x', 'x/y'),
    'a folder that is a file': packed('x/y/z', 'x/y'),
    'the same name twice': packed('x', 'x//'),
    'names that meet on disk': packed('a/b', 'a//b'),
    'deep': packed('/'.join('d' * 1500)),
    'deeper than a path': packed('/'.join(['d' * 150] * 100)),
    'no zip': b'PK\x03\x04 and nothing more',
}  # fmt: skip


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize('extract', [True, False])
@pytest.mark.parametrize('name', ZIPS)
def test_a_zip_that_cannot_be_unpacked_is_an_error(
    name: str, extract: bool, tmp_path: Path
) -> None:
    def script(request: Request) -> Reply:
        return Reply(200, ZIPS[name] if 'format=zip' in request.uri else table(), COOKIE)

    with ScriptedServer(script) as server:
        interface = connect(server, tmp_path, retries=0)
        resource = interface.select('/projects/P/resources/R')
        resource.exists = lambda consistent=False: True
        try:
            resource.get(tmp_path / 'dest', extract=extract)
        except (errors.TransferError, errors.DataError) as error:
            assert error.uri
        else:
            assert not extract or name == 'the same name twice'
