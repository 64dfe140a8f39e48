"""Tests of the store of downloaded files: names, places, atomic writes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import threading
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyxnat.cache import Cache, FileStore
from pyxnat.errors import ConfigurationError, DataError, NetworkError
from pyxnat.files.disk import http_time, md5_of, publish, safe_name
from pyxnat.model.uris import quote

URI = '/data/experiments/E1/scans/1/resources/12/files/run 1/head.img'
posix = pytest.mark.skipif(os.name != 'posix', reason='permissions are those of POSIX')
anybody = pytest.mark.skipif(
    getattr(os, 'geteuid', lambda: 1)() == 0, reason='root may write everywhere'
)

DOTS = [
    '.',
    '..',
    '...',
    '../..',
    '/',
    '//',
    '/etc/passwd',
    '\\',
    '..\\..',
    'C:\\x',
    'a/../../b',
    '%2e%2e',
    '%2E%2E',
    '%',
    '%%',
    '\x00',
]
ODD = ['\n', '~', '~root', '-rf', '.bashrc', 'CON', 'a b', 'T1 (1).nii.gz', '$(id)', '*']
LONG = ['a' * 300, 'é' * 150, 'x' * 195 + '%2F' * 3, '日' * 80]
hostile = st.sampled_from(DOTS + ODD + LONG)
names = (
    hostile
    | st.text(st.characters(exclude_categories=['Cs']), min_size=1)
    | st.text('a./\\%2EFef\x00', min_size=1, max_size=300)
)


def store_of(cachedir: Path, server: str, login: str) -> FileStore:
    return Cache(cachedir, server, lambda: login).files


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return store_of(tmp_path / 'cache', 'https://xnat.example.org/xnat', 'me')


# -- names -----------------------------------------------------------------------------------------


@given(names)
def test_a_safe_name_belongs_to_one_file(name: str) -> None:
    safe = safe_name(name)
    assert safe and safe not in ('.', '..')
    assert not set(safe) & set('/\\\0\n')
    assert len(os.fsencode(safe)) <= 255
    assert safe_name(name) == safe


@given(names, names)
def test_different_names_have_different_safe_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@example('', '%')
@given(st.text('./%25EeFf\\', max_size=4), st.text('./%25EeFf\\', max_size=4))
def test_escapes_and_dots_have_different_safe_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@pytest.mark.parametrize(
    'name',
    ['head.img', 'T1 (1).nii.gz', 'ä', '日本.dcm', '100%', '50% off', '.hidden', 'a+b=c', "it's"],
)
def test_a_harmless_name_is_unchanged(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ('name', 'other'),
    [
        ('%2F', '/'),
        ('%2E%2E', '..'),
        ('%25', '%'),
        ('%5C', '\\'),
        ('a%2Fb', 'a/b'),
        ('%252F', '%2F'),
    ],
)
def test_a_name_that_looks_encoded_differs_from_the_decoded_name(name: str, other: str) -> None:
    assert safe_name(name) != safe_name(other)


def test_a_long_name_keeps_its_beginning_and_its_suffixes() -> None:
    safe = safe_name('subject_' + 'x' * 300 + '.nii.gz')
    assert safe.startswith('subject_xxx') and safe.endswith('.nii.gz') and len(safe) <= 200
    assert safe != safe_name('subject_' + 'x' * 301 + '.nii.gz')


def test_a_shortened_name_differs_from_the_names_of_other_files() -> None:
    long = 'x' * 300
    assert safe_name(safe_name(long)) != safe_name(long)


# -- places ----------------------------------------------------------------------------------------


def test_a_file_has_its_real_name_beside_its_siblings(store: FileStore, tmp_path: Path) -> None:
    path = store.path('/data/experiments/E1/scans/1/resources/12/files/run%201/head.img')
    assert (
        path
        == tmp_path
        / 'cache/xnat.example.org~xnat/me/files/experiments/E1/scans/1/resources/12/files/run '
        '1/head.img'
    )
    assert (
        store.path('/data/experiments/E1/scans/1/resources/12/files/run%201/head.hdr').parent
        == path.parent
    )


def test_every_entry_point_and_query_leads_to_the_same_file(store: FileStore) -> None:
    uris = [
        f'{entry}/projects/P/resources/1/files/a' for entry in ('/data', '/REST', '/data/archive')
    ]
    assert len({store.path(uri) for uri in [*uris, uris[0] + '?format=zip']}) == 1


@given(st.lists(names, min_size=1, max_size=4), st.booleans())
def test_no_uri_leads_outside_the_folder(parts: list[str], encoded: bool) -> None:
    store = store_of(Path('/cache'), 'https://host', 'me')
    uri = '/data/' + '/'.join(map(quote, parts) if encoded else parts)
    path = store.path(uri)
    assert os.path.normpath(path) == str(path)
    assert path == store.folder or store.folder in path.parents


@pytest.mark.parametrize(
    'uri',
    [
        '/data/../../../etc/passwd',
        '/data/%2e%2e/%2e%2e/x',
        '/data/..%2F..%2Fx',
        '/../../x',
        '/data/a/%5C..%5Cx',
        '/data//etc/x',
    ],
)
def test_a_hostile_uri_stays_in_the_folder(uri: str, store: FileStore) -> None:
    assert store.folder in Path(os.path.normpath(store.path(uri))).parents


@given(names, names)
def test_hostile_servers_and_logins_stay_in_the_cache(server: str, login: str) -> None:
    folder = store_of(Path('/cache'), f'https://{quote(server)}', login).folder
    assert os.path.normpath(folder) == str(folder) and Path('/cache') in folder.parents


def test_servers_and_logins_have_folders_of_their_own() -> None:
    made = [
        ('https://a.org', 'me'),
        ('https://b.org', 'me'),
        ('https://a.org', 'you'),
        ('https://a.org', ''),
        ('https://a.org/x', 'me'),
        ('https://a.org:8443', 'me'),
    ]
    assert len({store_of(Path('/cache'), *one).folder for one in made}) == len(made)


def test_a_port_is_not_a_context_path() -> None:
    assert (
        store_of(Path('/c'), 'https://host:80', 'me').folder
        != store_of(Path('/c'), 'https://host/80', 'me').folder
    )


def test_a_name_of_300_characters_can_be_stored(store: FileStore) -> None:
    uri = f'/data/projects/P/resources/1/files/{"x" * 300}.nii.gz'
    with store.writing(uri, {}) as file:
        file.write(b'content')
    assert store.path(uri).read_bytes() == b'content'


@pytest.mark.parametrize(
    ('before', 'after'), [(['a'], 'a/b/c'), (['a/b', 'a/c/d'], 'a'), (['x', 'a/b'], 'a/b/c')]
)
def test_a_path_may_become_that_of_a_folder_and_back(
    before: list[str], after: str, store: FileStore
) -> None:
    home = '/data/projects/P/resources/1/files/'

    def put(name: str) -> None:
        with store.writing(home + name, {}) as file:
            file.write(name.encode())

    for names in (before, [after], before):
        for name in names:
            put(name)
            assert store.path(home + name).read_bytes() == name.encode()
    foreign = store.path(home + before[-1])
    content = foreign.read_bytes()
    foreign.unlink()
    store.index.path(f'projects/P/resources/1/files/{before[-1]}').unlink()
    foreign.write_bytes(content)
    with pytest.raises(DataError, match='not a file of the cache'):
        put(after)
    assert foreign.read_bytes() == content


# -- writing ---------------------------------------------------------------------------------------

MODIFIED = 1_600_000_000
HEADERS = {
    'last-modified': formatdate(MODIFIED, usegmt=True),
    'date': formatdate(MODIFIED + 60, usegmt=True),
}


def put(store: FileStore, content: bytes = b'content', headers: dict[str, str] = HEADERS) -> Path:
    with store.writing(URI, headers) as file:
        file.write(content)
    return store.path(URI)


def validator(store: FileStore) -> str:
    """Return the date of the conditional request; empty if no date can be trusted."""
    record = store.record(URI)
    return record.modified if record is not None else ''


def test_a_stored_file_has_the_time_of_the_server_and_is_validated_by_it(store: FileStore) -> None:
    assert not validator(store)
    assert put(store).stat().st_mtime == MODIFIED
    assert validator(store) == HEADERS['last-modified']


@pytest.mark.parametrize(
    'headers',
    [
        {},
        {'last-modified': 'yesterday'},
        {'last-modified': HEADERS['last-modified']},
        {'last-modified': HEADERS['last-modified'], 'date': HEADERS['last-modified']},
        {'last-modified': HEADERS['last-modified'], 'date': 'now'},
    ],
)
def test_a_time_that_proves_nothing_is_not_sent(headers: dict[str, str], store: FileStore) -> None:
    put(store, headers=headers)
    assert not validator(store)


def test_a_file_that_was_modified_locally_is_not_validated_by_its_time(store: FileStore) -> None:
    path = put(store)
    path.chmod(0o600)
    path.write_bytes(b'changed by hand')
    os.utime(path, ns=(MODIFIED * 10**9 + 1, MODIFIED * 10**9 + 1))
    assert not validator(store)


@posix
def test_a_stored_file_is_read_only_and_its_folders_are_not(store: FileStore) -> None:
    path = put(store)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert os.access(path.parent, os.W_OK) and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_read_only_file_is_replaced(store: FileStore) -> None:
    put(store, b'old')
    assert put(store, b'new').read_bytes() == b'new'


def test_many_threads_can_create_the_folders_at_once(store: FileStore) -> None:
    started = threading.Barrier(8)

    def work(number: int) -> None:
        started.wait()
        put(store, bytes([number]) * 100_000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = store.path(URI).read_bytes()
    assert len(content) == 100_000 and len(set(content)) == 1, 'one of them, whole'
    assert [path.name for path in store.path(URI).parent.iterdir()] == ['head.img']


class _Broke(BaseException):
    """A signal like KeyboardInterrupt."""


@pytest.mark.parametrize(
    ('error', 'seen'),
    [
        (ValueError, ValueError),
        (OSError, ConfigurationError),
        (NetworkError, NetworkError),
        (_Broke, _Broke),
    ],
)
def test_an_error_leaves_nothing_behind(
    error: type[BaseException], seen: type[BaseException], store: FileStore
) -> None:
    with pytest.raises(seen), store.writing(URI, HEADERS) as file:
        file.write(b'half of it')
        raise error('broke')
    assert list(store.path(URI).parent.iterdir()) == [] and not validator(store)


def test_an_error_leaves_the_older_file_unchanged(store: FileStore) -> None:
    put(store, b'old')
    with pytest.raises(ValueError), store.writing(URI, {}) as file:
        file.write(b'new')
        raise ValueError
    assert store.path(URI).read_bytes() == b'old' and validator(store) == HEADERS['last-modified']


def test_a_file_appears_only_when_it_is_complete(store: FileStore) -> None:
    with store.writing(URI, HEADERS) as file:
        file.write(b'half of it')
        assert not store.path(URI).exists()
    assert store.path(URI).exists()


def test_a_cache_folder_that_cannot_be_created_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'')
    store = store_of(tmp_path / 'file', 'https://host', 'me')
    with (
        pytest.raises(ConfigurationError, match=r'cachedir=.*PYXNAT_CACHEDIR'),
        store.writing(URI, {}),
    ):
        pass
    assert not validator(store)


@anybody
@posix
def test_a_cache_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / 'cache').mkdir(mode=0o500)
    with (
        pytest.raises(ConfigurationError, match='PYXNAT_CACHEDIR'),
        store_of(tmp_path / 'cache', 'https://host', 'me').writing(URI, {}),
    ):
        pass


def test_the_digest_of_the_listing_shows_whether_a_file_is_the_same(store: FileStore) -> None:
    digest = hashlib.md5(b'content').hexdigest()
    assert not store.holds(URI, store.record(URI), '7', digest)
    put(store)
    assert store.holds(URI, store.record(URI), '7', digest) and store.holds(
        URI, store.record(URI), '7', digest.upper()
    )
    assert not store.holds(URI, store.record(URI), '8', digest)
    assert not store.holds(URI, store.record(URI), '7', '0' * 32)
    assert not store.holds(URI, store.record(URI), '7', ''), 'without a digest nothing is sure'
    assert md5_of([b'con', b'tent']) == digest


def test_a_store_shows_its_folder(store: FileStore) -> None:
    assert repr(store) == f'<FileStore {store.folder}>'


# -- atomic writes outside the cache ---------------------------------------------------------------


@posix
def test_a_published_file_has_the_permissions_of_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with publish(tmp_path / 'a') as file:
            file.write(b'x')
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / 'a').stat().st_mode) == 0o640


def test_a_name_of_the_longest_allowed_length_can_be_published(tmp_path: Path) -> None:
    path = tmp_path / ('日' * 85)
    with publish(path) as file:
        file.write(b'x')
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize('name', ['missing/a', 'file/a'])
def test_a_missing_folder_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(OSError), publish(tmp_path / name):
        pass


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('Sun, 13 Sep 2020 12:26:40 GMT', MODIFIED),
        ('Sun, 13 Sep 2020 14:26:40 +0200', MODIFIED),
        (None, None),
        ('', None),
        ('yesterday', None),
        ('Sun, 99 Sep 2020 12:26:40 GMT', None),
    ],
)
def test_an_http_date_is_seconds_or_nothing(text: str | None, seconds: float | None) -> None:
    assert http_time(text) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(
        r'\w{3}, \d{1,12} (Jan|Sep|Dec) \d{1,12} \d{1,3}:\d{1,3}:\d{1,3} (GMT|[+-]\d{1,8})',
        fullmatch=True,
    )
)
def test_any_text_is_a_date_or_nothing(text: str) -> None:
    assert isinstance(http_time(text), float | None)


@posix
def test_folders_of_a_private_file_are_recreated_if_they_are_removed(tmp_path: Path) -> None:
    path = tmp_path / 'a' / 'b' / 'file'
    for content in (b'first', b'second'):
        with publish(path, mode=0o600, private=True) as file:
            file.write(content)
        assert path.read_bytes() == content
        assert [
            stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)
        ] == [0o700, 0o700]
        shutil.rmtree(tmp_path / 'a')
