"""Tests that a cache serves one server, one account and one request, and survives damage."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat.cache import Cache
from pyxnat.cache.accounts import account_of
from pyxnat.cache.answers import AnswerStore, Body, Entry
from pyxnat.cache.file_index import FileIndex, FileRecord
from pyxnat.cache.freshness import Moment
from pyxnat.errors import ConfigurationError
from pyxnat.model.uris import normalise_server

SERVERS = [
    'https://h',
    'http://h',
    'https://h:80',
    'http://h:80',
    'https://h/a/b',
    'https://h/a~b',
    'https://h/a%7Eb',
    'https://h/80',
    'https://h+80',
    'https://h/a=b',
    'https://http=h',
    'https://http/h',
    'https://[::1]:80',
]


def folder_of(server: str, tmp_path: Path) -> Path:
    return Cache(tmp_path, normalise_server(server), lambda: 'me').server_folder


def test_servers_have_folders_of_their_own(tmp_path: Path) -> None:
    for one, other in itertools.combinations(SERVERS, 2):
        assert folder_of(one, tmp_path) != folder_of(other, tmp_path), (one, other)
    assert folder_of('https://xnat.example.org/', tmp_path).name == 'xnat.example.org'


@given(
    st.lists(
        st.builds(
            '{}://h{}{}'.format,
            st.sampled_from(['http', 'https']),
            st.sampled_from(['', ':80', ':8', '+80']),
            st.text('/~+%=a:2B7E', max_size=5).map(lambda text: f'/{text}' if text else ''),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_equal_folders_mean_equal_servers(servers: list[str]) -> None:
    one, other = map(normalise_server, servers)
    same = folder_of(one, Path('/cache')) == folder_of(other, Path('/cache'))
    assert same == (one == other)


@pytest.mark.skipif(not hasattr(os, 'getuid') or os.getuid() != 0, reason='only root can give away')
@pytest.mark.parametrize('level', ['server_folder', 'folder'])
@pytest.mark.parametrize('linked', [True, False])
def test_a_folder_of_another_user_is_refused(
    server: Any, tmp_path: Path, level: str, linked: bool
) -> None:
    probe = Cache(tmp_path / 'cache', server.url, lambda: server.user)
    folder: Path = getattr(probe, level)
    folder.parent.mkdir(parents=True)
    real = tmp_path / 'elsewhere' if linked else folder
    real.mkdir()
    os.chown(real, 65534, 65534)
    if linked:
        folder.symlink_to(real)
    interface = pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'cache')
    with pytest.raises(ConfigurationError, match='belongs to another user'):
        interface.select.projects().get()
    assert list(real.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, 'getuid') or os.getuid() != 0, reason='only root can give away')
def test_a_shared_parent_is_accepted(server: Any, tmp_path: Path) -> None:
    (tmp_path / 'tmp').mkdir(mode=0o1777)
    os.chown(tmp_path / 'tmp', 65534, 65534)
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'tmp') as interface:
        assert isinstance(interface.select.projects().get(), list)


ENTRY = Entry('GET', '/data/a', 200, '', '', Moment(1, 2, 'x'), Moment(3, 4, ''))


@pytest.mark.parametrize('body', [b'', b'body', b'x' * 3_000_000])
def test_an_answer_is_that_of_its_request(tmp_path: Path, body: bytes) -> None:
    store = AnswerStore(tmp_path)
    store.put('aa', ENTRY, Body(body))
    packed = store.get('aa') or b''
    store.set('bb', packed)
    assert store.entry('bb') is None and store.get('bb') is None
    found = store.entry('aa')
    assert found is not None and found[1].read() == body


DAMAGED = [
    b'',
    b'guest',
    b'\xff\xfe',
    b'{}',
    b'[]',
    b'[5, "x"]',
    b'["", ""]',
    b'["admin", "x"]',
    b'[' * 100_000,
    json.dumps(['admin', 'a' * 32]).encode(),
]


@pytest.mark.parametrize('content', DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_alias_file_is_rebuilt(tmp_path: Path, content: bytes) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append('')
        return 'me'

    assert account_of(tmp_path, 'alias', ask) == account_of(tmp_path, 'alias', ask) == 'me'
    assert len(asked) == 1
    (path,) = (found for found in tmp_path.rglob('*') if found.is_file())
    whole = path.read_bytes()
    for damaged in (content, whole[:-1], whole.replace(b'me', b'us')):
        path.write_bytes(damaged)
        asked.clear()
        assert account_of(tmp_path, 'alias', ask) == 'me' and len(asked) == 1
        assert path.read_bytes() == whole
    assert account_of(tmp_path, 'other', ask) == 'me' and len(asked) == 2


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'null',
        b'[]',
        b'[1, 2, 3]',
        b'["u", "p", "5"]',
        b'["u", "p", -5]',
        b'["u", "p", true]',
        b'["u", 7, 5]',
        b'["u", "../../../victim", 5, "", "", ""]',
        b'[' * 100_000,
    ],
    ids=range(10),
)
def test_a_damaged_record_is_rebuilt(
    server: Any, scan: Any, tmp_path: Path, content: bytes
) -> None:
    file = scan.resource('R').file('f').put(b'content')
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'other'
    ) as interface:
        file = interface.select(file.uri)
        file.get()
        (record,) = (one for one in (interface.cache.folder / 'ledger').rglob('*') if one.is_file())
        (tmp_path / 'victim').write_bytes(b'keep')
        record.write_bytes(content)
        assert list(interface.cache.files.index.records()) == []
        interface.cache.prune(0)
        interface.cache.clear()
        assert Path(file.get()).read_bytes() == b'content'
        assert len(list(interface.cache.files.index.records())) == 1
        assert (tmp_path / 'victim').read_bytes() == b'keep'


def test_a_record_under_another_name_is_passed_over(tmp_path: Path) -> None:
    index = FileIndex(tmp_path)
    index.write(FileRecord('u', 'a', 1))
    os.replace(index.path('a'), index.path('a').with_name('0' * 32))
    assert list(index.records()) == [] and index.read('a') is None
