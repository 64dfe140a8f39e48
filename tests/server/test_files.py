"""Upload, download, listings and archives of files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.plain import Client, multipart, tarred, zipped

S = '/data/projects/P/subjects/S1/experiments/M1'
R = S + '/resources/UP/files'


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str]) -> None:
    pass


def names(client: Client, path: str) -> list[str]:
    return [row['URI'].partition('/files/')[2] for row in client.get(path).rows]


def test_3_1_upload_download_and_what_is_told_of_it(admin: Client, folder: Path) -> None:
    answer = admin.put(f'{R}/a/b%20c.dat?inbody=true&format=DAT&content=RAW&tags=x,y', b'12345')
    assert (answer.status, answer.body) == (200, b'')
    row = next(row for row in admin.get(R).rows if row['Name'] == 'b c.dat')
    assert row['Size'] == '5'
    assert row['digest'] == hashlib.md5(b'12345').hexdigest()
    assert (row['file_format'], row['file_content'], row['file_tags'], row['collection']) == ('DAT', 'RAW', 'x,y', 'UP')
    assert row['URI'].endswith('/files/a/b%20c.dat') and f'/resources/{row["cat_ID"]}/' in row['URI']
    assert row['URI'].startswith('/data/projects/P/subjects/XNAT_S')
    assert admin.get(row['URI']).body == b'12345'
    assert (folder / 'archive/P/arc001/M1/RESOURCES/UP/a/b c.dat').read_bytes() == b'12345'
    listed = next(row for row in admin.get(S + '/resources').rows if row['label'] == 'UP')
    assert (listed['category'], listed['element_name'], int(listed['file_size']) >= 5) == ('resources', 'xnat:resourceCatalog', True)


def test_3_1_5_duplicates(admin: Client) -> None:
    path = f'{R}/dup.txt?inbody=true'
    admin.ok('PUT', path, b'first')
    answer = admin.put(path, b'second')
    assert answer.status == 200
    assert answer.headers['Content-Type'].startswith('text/html')
    assert json.loads(answer.body) == {'duplicates': ['dup.txt']}
    assert admin.get(f'{R}/dup.txt').body == b'first'
    assert admin.put(path + '&overwrite=true', b'third').body == b''
    assert admin.get(f'{R}/dup.txt').body == b'third'


def test_multipart(admin: Client) -> None:
    body, headers = multipart(('one.txt', b'1'), ('two.txt', b'22'))
    assert admin('POST', f'{S}/resources/MP/files', body, headers).status == 200
    assert names(admin, f'{S}/resources/MP/files') == ['one.txt', 'two.txt']
    body, headers = multipart(('client-name.txt', b'333'))
    assert admin('PUT', f'{S}/resources/MP/files/named.txt', body, headers).status == 200
    assert admin('PUT', f'{S}/resources/MP/files/sub/', body, headers).status == 200
    assert names(admin, f'{S}/resources/MP/files') == ['named.txt', 'one.txt', 'sub/client-name.txt', 'two.txt']
    body, headers = multipart(('one.txt', b'again'), ('new.txt', b'4'))
    assert json.loads(admin('POST', f'{S}/resources/MP/files', body, headers).body) == {'duplicates': ['one.txt']}
    assert admin.get(f'{S}/resources/MP/files/new.txt').body == b'4'
    assert admin('PUT', f'{S}/resources/MP/files/x?inbody=true', body, headers).status == 406


CUT = multipart(('a', b'1'))[0][:-20]


@pytest.mark.parametrize(('body', 'bound'), [(b'--XX\r\nbad', '; boundary=XX'), (b'zz', ''), (CUT, '; boundary=XX')])
def test_broken_forms(admin: Client, folder: Path, body: bytes, bound: str) -> None:
    assert admin('POST', f'{S}/resources/BROKEN/files', body, {'Content-Type': f'multipart/form-data{bound}'}).status == 400
    assert list((folder / 'staging').iterdir()) == []


def test_a_form_with_one_bad_name_stores_nothing(admin: Client, folder: Path) -> None:
    body, headers = multipart(('good.txt', b'1'), ('..', b'2'))
    assert admin('POST', f'{S}/resources/BADNAME/files', body, headers).status == 400
    assert admin.get(f'{S}/resources/BADNAME/files').status == 404
    assert list((folder / 'staging').iterdir()) == []


def test_an_upload_of_several_files_is_all_or_nothing(admin: Client) -> None:
    base = f'{S}/resources/WHOLE/files'
    admin.ok('PUT', f'{base}/kept?inbody=true', b'old')
    admin.ok('PUT', f'{base}/way?inbody=true', b'file')
    body = zipped({'kept': b'new', 'way/below': b'x'})
    assert admin.put(f'{base}/x.zip?inbody=true&extract=true&overwrite=true', body).status == 400
    assert admin.get(f'{base}/kept').body == b'old'
    assert names(admin, base) == ['kept', 'way']


def test_chunked_and_raw_bodies(admin: Client) -> None:
    assert admin('PUT', f'{R}/chunked?inbody=true', iter([b'ab' * 1000, b'c']), {'Content-Type': 'application/octet-stream'}).status == 200
    assert admin.get(f'{R}/chunked').body == b'ab' * 1000 + b'c'
    assert admin('PUT', f'{R}/raw', b'raw', {'Content-Type': 'application/octet-stream'}).status == 200
    assert admin.put(f'{R}/empty?inbody=true', b'').status == 400
    assert admin.put(f'{R}/none').status == 400


def test_3_1_refusals(admin: Client) -> None:
    for path, status in (
        (f'{R}/../x', 400),
        (f'{R}/%2Fabs', 400),
        (f'{R}/{"n" * 300}', 400),
        (f'{R}/a%0Ab', 400),
        (S + '/scans/99/resources/R/files/f', 404),
        ("/data/projects/P/resources/it's/files/f", 400),
        ('/data/projects/NONE/resources/R/files/f', 404),
    ):
        answer = admin.put(f'{path}?inbody=true', b'x')
        assert answer.status == status, (path, answer.status, answer.body)
    assert admin.put(f'{R}/file?inbody=true', b'x').status == 200
    assert admin.put(f'{R}/file/below?inbody=true', b'x').status == 400


def test_unlabelled_resource(admin: Client) -> None:
    admin.ok('PUT', f'{S}/scans/2/files/loose.txt?inbody=true', b'loose')
    row = admin.get(f'{S}/scans/2/files').rows[0]
    assert (row['collection'], row['Name']) == ('', 'loose.txt')
    assert admin.get(row['URI']).body == b'loose'
    assert admin.get(f'{S}/scans/2/files/loose.txt').body == b'loose'


def test_3_1_7_extract(admin: Client) -> None:
    members = {'top.txt': b't', 'd/e/deep.txt': b'd'}
    assert admin.put(f'{S}/resources/ZIP/files/x.zip?inbody=true&extract=true', zipped(members)).status == 200
    assert names(admin, f'{S}/resources/ZIP/files') == ['d/e/deep.txt', 'top.txt']
    assert admin.put(f'{S}/resources/TGZ/files/sub/?inbody=true&extract=true', tarred(members)).status == 200
    assert names(admin, f'{S}/resources/TGZ/files') == ['sub/d/e/deep.txt', 'sub/top.txt']
    assert admin.put(f'{S}/resources/KEPT/files/x.zip?inbody=true', zipped(members)).status == 200
    assert names(admin, f'{S}/resources/KEPT/files') == ['x.zip']


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
)
def test_hostile_archives(admin: Client, folder: Path, body: bytes) -> None:
    before = sorted(path for path in folder.rglob('*') if path.is_file())
    answer = admin.put(f'{S}/resources/HOSTILE/files/h.zip?inbody=true&extract=true', body)
    assert answer.status == 400, answer.body
    assert sorted(path for path in folder.rglob('*') if path.is_file()) == before


def test_zip_bomb(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pyxnat.server.archives.FREE_BYTES', 10_000)
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('zeros', bytes(20_000_000))
    assert admin.put(f'{S}/resources/BOMB/files/b.zip?inbody=true&extract=true', target.getvalue()).status == 413


def test_3_2_headers_and_revalidation(admin: Client) -> None:
    path = f'{S}/resources/DATA/files/a/one.txt'
    answer = admin.get(path)
    assert answer.headers['Content-Type'].startswith('text/plain')
    assert answer.headers['Content-Length'] == '3'
    assert answer.headers['Cache-Control'] == 'must-revalidate'
    assert 'ETag' not in answer.headers
    again = admin.get(path, **{'If-Modified-Since': answer.headers['Last-Modified']})
    assert (again.status, again.body) == (304, b'')
    assert admin.get(path, **{'If-Modified-Since': formatdate(0, usegmt=True)}).status == 200
    assert admin.get(path, Range='bytes=0-0').status == 200
    assert (
        admin.get('/data/projects/P/subjects/S1/experiments/M1/assessors/A1/out/resources/OUT/files/two.nii.gz')
        .headers['Content-Type']
        .startswith('application/octet-stream')
    )
    assert admin('HEAD', path).headers['Content-Length'] == '3'


def test_3_2_missing(admin: Client) -> None:
    assert admin.get(f'{R}/nothing').status == 404
    assert admin.get(f'{R}/nothing?accept-not-found=true').status == 204
    assert admin.get(f'{S}/resources/NOTHING/files').status == 404


def test_3_2_folders_and_patterns(admin: Client) -> None:
    for name in ('f/a.txt', 'f/b.dat', 'g.txt'):
        admin.ok('PUT', f'{S}/resources/PAT/files/{name}?inbody=true&content={name[-1]}', b'x')
    base = f'{S}/resources/PAT/files'
    assert names(admin, base + '/f/') == ['f/a.txt', 'f/b.dat']
    assert names(admin, base + '/f/a*') == ['f/a.txt']
    assert admin.get(base + '?index=0').body == b'x'
    assert names(admin, base + '?file_content=t&file_content=none') == ['f/a.txt', 'f/b.dat', 'g.txt']
    assert names(admin, base + '?file_format=none') == []
    assert admin.delete(base + '/f/').status == 200
    assert names(admin, base) == ['g.txt']
    assert admin.delete(base + '/g*').status == 200
    assert admin.delete(base + '/g*').status == 404
    assert admin.get(base).rows == []


@pytest.mark.parametrize(
    ('query', 'expected'),
    [
        ('', 'M1/scans/1-T1_w/resources/DATA/files/a/one.txt'),
        ('&structure=simplified', 'M1/scans/1/DATA/a/one.txt'),
        ('&structure=legacy', 'SCANS/1/DATA/a/one.txt'),
        ('&structure=improved', 'scans/1_T1 w/DATA/a/one.txt'),
        ('&projectIncludedInPath=true&subjectIncludedInPath=true', 'P/S1/M1/scans/1-T1_w/resources/DATA/files/a/one.txt'),
    ],
)
def test_3_4_layouts(admin: Client, query: str, expected: str) -> None:
    answer = admin.get(f'{S}/scans/1/files?format=zip{query}')
    assert answer.headers['Content-Disposition'] == 'attachment; filename="M1.zip"'
    assert 'Content-Length' not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == [expected]
        assert archive.read(expected) == b'one'


@pytest.mark.parametrize('form', ['tar', 'tar.gz'])
def test_3_4_tar(admin: Client, form: str) -> None:
    body = admin.get(f'{S}/resources/DATA/files?format={form}').body
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames() == ['M1/resources/DATA/files/a/one.txt']


@pytest.mark.parametrize('scans', ['ALL', '*', '1,2', '1', 'T1%20w'])
def test_3_4_12_sets_of_scans(admin: Client, scans: str) -> None:
    assert [row['Name'] for row in admin.get(f'{S}/scans/{scans}/resources/DATA/files').rows] == ['one.txt']
    assert admin.get(f'{S}/scans/{scans}/resources/DATA/files?format=zip').status == 200


def test_all_resources_of_a_session(admin: Client) -> None:
    own = {row['category'] for row in admin.get(S + '/resources').rows}
    everything = {row['category'] for row in admin.get(S + '/resources?all=true').rows}
    assert own == {'resources'} and {'resources', 'scans', 'assessors'} <= everything


def test_3_5_catalogue_and_deleting_a_resource(admin: Client, folder: Path) -> None:
    admin.ok('PUT', f'{S}/resources/CAT/files/f.txt?inbody=true', b'cat')
    answer = admin.get(f'{S}/resources/CAT')
    assert answer.headers['Content-Type'].startswith('text/xml')
    assert 'URI="f.txt"' in answer.text and '<cat:entries>' in answer.text
    assert admin.delete(f'{S}/resources/CAT').status == 200
    assert admin.delete(f'{S}/resources/CAT').status == 200
    assert admin.get(f'{S}/resources/CAT').status == 404
    assert not (folder / 'archive/P/arc001/M1/RESOURCES/CAT').exists()


def test_odd_but_legal_names(admin: Client, folder: Path) -> None:
    for name in ('%C3%A9t%C3%A9.txt', 'a%2Bb.txt', 'a+b%26c=d;.txt', '%2525.txt', '.hidden', "it's", 'x%23y'):
        admin.ok('PUT', f'{S}/resources/ODD%20%3A%20x/files/{name}?inbody=true', name.encode())
        assert admin.get(f'{S}/resources/ODD%20%3A%20x/files/{name}').text == name
    for row in admin.get(f'{S}/resources/ODD%20%3A%20x/files').rows:
        assert admin.get(row['URI']).status == 200, row
    assert (folder / 'archive/P/arc001/M1/RESOURCES/ODD %3A x/été.txt').is_file()


def test_nothing_is_left_in_staging(folder: Path) -> None:
    assert list((folder / 'staging').iterdir()) == []
