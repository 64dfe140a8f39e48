"""Tests of uploads, downloads, listings and archives of files."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.plain import Client, multipart, tarred, zipped

S = '/data/projects/P/subjects/S1/experiments/M1'
R = S + '/resources/UP/files'


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str]) -> None:
    pass


def names(client: Client, path: str) -> list[str]:
    return [row['URI'].partition('/files/')[2] for row in client.get(path).rows]


def test_3_1_upload_download_and_the_facts_in_listings(admin: Client, folder: Path) -> None:
    answer = admin.put(f'{R}/a/b%20c.dat?inbody=true&format=DAT&content=RAW&tags=x,y', b'12345')
    assert (answer.status, answer.body) == (200, b'')
    row = next(row for row in admin.get(R).rows if row['Name'] == 'b c.dat')
    assert row['Size'] == '5'
    assert row['digest'] == hashlib.md5(b'12345').hexdigest()
    assert (row['file_format'], row['file_content'], row['file_tags'], row['collection']) == (
        'DAT',
        'RAW',
        'x,y',
        'UP',
    )
    assert row['URI'].endswith('/files/a/b c.dat') and f'/resources/{row["cat_ID"]}/' in row['URI']
    assert row['URI'].startswith('/data/projects/P/subjects/XNAT_S')
    assert admin.get(quote(row['URI'])).body == b'12345'
    assert (folder / 'archive/P/arc001/M1/RESOURCES/UP/a/b c.dat').read_bytes() == b'12345'
    listed = next(row for row in admin.get(S + '/resources').rows if row['label'] == 'UP')
    assert (listed['category'], listed['element_name'], int(listed['file_size']) >= 5) == (
        'resources',
        'xnat:resourceCatalog',
        True,
    )


CUT = multipart(('a', b'1'))[0][:-20]


@pytest.mark.parametrize(
    ('body', 'bound'), [(b'--XX\r\nbad', '; boundary=XX'), (b'zz', ''), (CUT, '; boundary=XX')]
)
def test_broken_forms(admin: Client, folder: Path, body: bytes, bound: str) -> None:
    assert (
        admin(
            'POST',
            f'{S}/resources/BROKEN/files',
            body,
            {'Content-Type': f'multipart/form-data{bound}'},
        ).status
        == 400
    )
    assert list((folder / 'staging').iterdir()) == []


def test_a_form_with_one_bad_name_stores_nothing(admin: Client, folder: Path) -> None:
    body, headers = multipart(('good.txt', b'1'), ('..', b'2'))
    assert admin('POST', f'{S}/resources/BADNAME/files', body, headers).status == 400
    assert admin.get(f'{S}/resources/BADNAME/files').rows == []
    assert 'BADNAME' not in {row['label'] for row in admin.get(f'{S}/resources').rows}
    assert list((folder / 'staging').iterdir()) == []


def test_an_upload_of_several_files_is_stored_completely_or_not_at_all(admin: Client) -> None:
    base = f'{S}/resources/WHOLE/files'
    admin.ok('PUT', f'{base}/kept?inbody=true', b'old')
    admin.ok('PUT', f'{base}/way?inbody=true', b'file')
    body = zipped({'kept': b'new', 'way/below': b'x'})
    assert admin.put(f'{base}/x.zip?inbody=true&extract=true&overwrite=true', body).status == 400
    assert admin.get(f'{base}/kept').body == b'old'
    assert names(admin, base) == ['kept', 'way']


def test_3_1_refusals(admin: Client) -> None:
    for path, status in (
        (f'{R}/../x', 405),
        (f'{R}/%2Fabs', 400),
        (f'{R}/{"n" * 300}', 400),
        (f'{R}/a%0A%20b', 400),
        (f'{R}/UP_catalog.xml', 400),
        (S + '/scans/99/resources/R/files/f', 404),
        ('/data/projects/P/resources/1000/files/f', 404),
        ('/data/projects/NONE/resources/R/files/f', 404),
    ):
        answer = admin.put(f'{path}?inbody=true', b'x')
        assert answer.status == status, (path, answer.status, answer.body)
    assert admin.put(f'{R}/file?inbody=true', b'x').status == 200
    assert admin.put(f'{R}/file/below?inbody=true', b'x').status == 400


@pytest.mark.parametrize(
    'body',
    [
        zipped({'../out': b'x'}),
        zipped({'/abs': b'x'}),
        tarred({'a/../../out': b'x'}),
        tarred({'ok': b'x'}, link='link'),
        b'neither',
        b'PK\x03\x04cut',
    ],
    ids=['above', 'absolute', 'tar above', 'tar with a link', 'neither', 'cut'],
)
def test_hostile_archives(admin: Client, folder: Path, body: bytes) -> None:
    before = sorted(path for path in folder.rglob('*') if path.is_file())
    answer = admin.put(f'{S}/resources/HOSTILE/files/h.zip?inbody=true&extract=true', body)
    assert answer.status == 400, answer.body
    assert sorted(path for path in folder.rglob('*') if path.is_file()) == before


@pytest.mark.parametrize('link', ['link', 'd/u.nii.gz'])
def test_a_refused_link_of_a_tar_is_named(admin: Client, link: str) -> None:
    uri = f'{S}/resources/HOSTILE/files/h.tar.gz?inbody=true&extract=true'
    assert f'{link}&#x27; is a link to ' in admin.put(uri, tarred({'ok': b'x'}, link=link)).text


def test_zip_bomb(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pyxnat.server.items.unpacking.FREE_BYTES', 10_000)
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('zeros', bytes(20_000_000))
    assert (
        admin.put(
            f'{S}/resources/BOMB/files/b.zip?inbody=true&extract=true', target.getvalue()
        ).status
        == 413
    )


def test_odd_but_legal_names(admin: Client, folder: Path) -> None:
    base = f'{S}/resources/ODD%20%3A%20x/files'
    for name in (
        '%C3%A9t%C3%A9.txt',
        '%C3%A9t%C3%A9%20.txt',
        'a%2Bb.txt',
        'a+b%26c=d.txt',
        '.hidden',
        "it's",
        'x%23y',
    ):
        admin.ok('PUT', f'{base}/{name}?inbody=true', name.encode())
        assert admin.get(f'{base}/{name}').text == name
    (label,) = {row['collection'] for row in admin.get(base).rows}
    assert (
        label == 'ODD%20%3A%20x' and not (folder / 'archive/P/arc001/M1/RESOURCES/ODD : x').exists()
    )
    stored = {row['URI'].partition('/files/')[2] for row in admin.get(base).rows}
    assert stored == {
        '%C3%A9t%C3%A9.txt',
        'été .txt',
        'a+b.txt',
        'a+b%26c=d.txt',
        '.hidden',
        "it's",
        'x%23y',
    }


NAMES = [
    'é.txt',
    'a b',
    'a+b',
    'a&b',
    '(a)',
    "it's",
    'a,b',
    'a#b',
    'a?b',
    '[a]',
    'a=b',
    'a:b',
    'a@b',
    'd/é x.txt',
    'a~b',
    '日本.txt',
]


@pytest.mark.parametrize('name', NAMES)
def test_forms_and_archives_keep_the_exact_names(admin: Client, name: str) -> None:
    """A path keeps them only if it is decoded completely; each file is read by its quoted name."""
    for label, body, headers, path in (
        ('FORM', *multipart((name.rpartition('/')[2], name.encode())), ''),
        ('ZIP', zipped({name: name.encode()}), {}, '/x.zip?inbody=true&extract=true'),
        ('TAR', tarred({name: name.encode()}), {}, '/deep/er/x.tar.gz?inbody=true&extract=true'),
    ):
        base = f'{S}/resources/TRUE{label}{NAMES.index(name)}/files'
        assert admin('PUT', base + path, body, headers).status == 200
        wanted = name.rpartition('/')[2] if label == 'FORM' else name
        assert [row['URI'].partition('/files/')[2] for row in admin.get(base).rows] == [wanted]
        assert admin.get(f'{base}/{quote(wanted)}').body == name.encode()
    admin.ok('PUT', f'{S}/resources/PATH{NAMES.index(name)}/files/{quote(name)}?inbody=true', b'x')
    (row,) = admin.get(f'{S}/resources/PATH{NAMES.index(name)}/files').rows
    is_decoded = '%20' in quote(name) or '%2B' in quote(name)
    assert row['URI'].partition('/files/')[2] == (name if is_decoded else quote(name))


@pytest.mark.parametrize(
    'below',
    [
        'experiments/NOPE',
        'experiments/NOPE/scans/1',
        'experiments/M1/scans/NOPE',
        'experiments/M1/assessors/NOPE/out',
    ],
)
def test_an_unknown_item_has_the_files_of_the_subject(admin: Client, below: str) -> None:
    """As on XNAT; requests that would change something are refused."""
    subject = '/data/projects/P/subjects/S1'
    admin.ok('PUT', f'{subject}/resources/SUB/files/s.txt?inbody=true&overwrite=true', b'subject')
    for path in (f'{below}/files', f'{below}/resources/SUB/files'):
        uris = [row['URI'] for row in admin.get(f'{subject}/{path}').rows]
        assert uris and all(
            '/subjects/XNAT_S' in uri and '/experiments/' not in uri for uri in uris
        )
    assert admin.get(f'{subject}/{below}/resources/SUB/files/s.txt').body == b'subject'
    assert 'SUB' in {row['label'] for row in admin.get(f'{subject}/{below}/resources').rows}
    for method, path in (
        ('PUT', 'N'),
        ('PUT', 'N/files/n'),
        ('DELETE', 'SUB'),
        ('DELETE', 'SUB/files/s.txt'),
    ):
        assert admin(method, f'{subject}/{below}/resources/{path}', b'x').status == 404
    assert admin.get(f'{subject}/resources/SUB/files/s.txt').body == b'subject'


def test_a_delete_removes_all_names_with_the_same_beginning(admin: Client) -> None:
    base = f'{S}/resources/BEGINS/files'
    for name in ('a.txt', 'a.txt.bak', 'b.txt'):
        admin.ok('PUT', f'{base}/{name}?inbody=true', b'x')
    assert admin.delete(f'{base}/a.txt').status == 200
    assert names(admin, base) == ['b.txt']


def test_a_file_missing_on_the_disk_is_listed_and_left_out_of_zips(
    admin: Client, folder: Path
) -> None:
    base = f'{S}/resources/GONE/files'
    for name in ('a.txt', 'b.txt'):
        admin.ok('PUT', f'{base}/{name}?inbody=true', b'x')
    (folder / 'archive/P/arc001/M1/RESOURCES/GONE/a.txt').unlink()
    assert names(admin, base) == ['a.txt', 'b.txt'] and admin.get(f'{base}/a.txt').status == 404
    assert admin.get(f'{base}?format=zip').names == ['M1/resources/GONE/files/b.txt']
    (folder / 'archive/P/arc001/M1/RESOURCES/GONE/b.txt').unlink()
    assert admin.get(f'{base}?format=zip').status == 404


def test_nothing_is_left_in_staging(folder: Path) -> None:
    assert list((folder / 'staging').iterdir()) == []


def test_a_failed_upload_changes_nothing(admin: Client, folder: Path) -> None:
    """The database may refuse the last of several files when the others are already in their
    places."""
    path = f'{S}/resources/UNDONE/files'
    admin.ok('PUT', f'{path}/b.txt?inbody=true', b'old')
    before = {
        one: one.stat().st_mtime_ns
        for one in folder.rglob('*')
        if one.is_file() and 'archive.sqlite' not in one.name
    }
    with sqlite3.connect(folder / 'archive.sqlite') as database:
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON file WHEN NEW.path = 'c.txt' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    database.close()
    body = zipped({'a/a.txt': b'new', 'b.txt': b'new', 'c.txt': b'new'})
    assert admin.put(f'{path}/x.zip?inbody=true&extract=true&overwrite=true', body).status == 500
    assert {
        one: one.stat().st_mtime_ns
        for one in folder.rglob('*')
        if one.is_file() and 'archive.sqlite' not in one.name
    } == before
    assert [row['Name'] for row in admin.get(path).rows] == ['b.txt'] and admin.get(
        f'{path}/b.txt'
    ).body == b'old'
    with sqlite3.connect(folder / 'archive.sqlite') as database:
        database.execute('DROP TRIGGER no')
    database.close()
    assert admin.put(f'{path}/x.zip?inbody=true&extract=true&overwrite=true', body).status == 200
    assert (
        sorted(row['Name'] for row in admin.get(path).rows) == ['a.txt', 'b.txt', 'c.txt']
        and admin.get(f'{path}/b.txt').body == b'new'
    )
    assert list((folder / 'staging').iterdir()) == []
