"""Files and resources: what section 3 says beyond the plain upload and download."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator

import pytest

from pyxnat.server import Server, serve

from .conftest import Client, item_of

P = '/data/projects/FI'
S = f'{P}/subjects/S'
E = f'{S}/experiments/E'
R = f'{E}/resources/R/files'


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w') as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return target.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return target.getvalue()


@pytest.fixture(autouse=True, scope='module')
def _made(admin: Client) -> None:
    admin.ok('PUT', P)
    admin.ok('PUT', f'{P}/users/member/member')
    admin.ok('PUT', f'{P}/users/collaborator/collaborator')
    admin.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')
    for number, kind in ((1, 'T1'), (2, 'T2'), (3, 'T1')):
        admin.ok('PUT', f'{E}/scans/{number}?xsiType=xnat:mrScanData&type={kind}')
        admin.ok('PUT', f'{E}/scans/{number}/resources/DICOM/files/{number}.dcm?inbody=true&format=DICOM&content=RAW', b'%d' % number)
        admin.ok('PUT', f'{E}/scans/{number}/resources/NIFTI/files/sub/{number}.nii.gz?inbody=true&format=NIFTI', b'nifti')
    admin.ok('PUT', f'{R}/plain.txt?inbody=true', b'plain')
    admin.ok('PUT', f'{R}/bag.zip?inbody=true', zipped({'in/one.txt': b'one', 'two.txt': b'two'}))


def uris(client: Client, path: str) -> list[str]:
    return [row['URI'].partition('/files/')[2] for row in client.get(path).rows]


@pytest.mark.parametrize('entry', ['bag.zip!/in/one.txt', 'bag.zip/in/one.txt', 'bag.zip%21/in/one.txt'])
def test_3_2_12_entries_of_a_stored_zip(admin: Client, entry: str) -> None:
    assert admin.get(f'{R}/{entry}').body == b'one'


def test_3_2_12_what_a_stored_zip_holds(admin: Client) -> None:
    assert [(row['File Name'], row['Size']) for row in admin.get(f'{R}/bag.zip?listContents=true').rows] == [('in/one.txt', '3'), ('two.txt', '3')]
    assert admin.get(f'{R}/bag.zip!/none').status == 404
    assert admin.get(f'{R}/plain.txt!/none').status == 404


def test_3_2_8_missing_files(admin: Client) -> None:
    assert admin.get(f'{R}/none').status == 404
    answer = admin.get(f'{R}/none?accept-not-found=true')
    assert (answer.status, answer.body) == (204, b'')


def test_3_2_11_folders_and_wildcards(admin: Client) -> None:
    for name in ('d/a1', 'd/a2', 'd/e/a3', 'b1'):
        admin.ok('PUT', f'{E}/resources/W/files/{name}?inbody=true', b'x')
    base = f'{E}/resources/W/files'
    assert uris(admin, f'{base}/d/') == ['d/a1', 'd/a2', 'd/e/a3']
    assert uris(admin, f'{base}/d/a*') == ['d/a1', 'd/a2']
    assert uris(admin, f'{base}/*') == ['b1', 'd/a1', 'd/a2', 'd/e/a3']
    assert admin.delete(f'{base}/d/a*').status == 200
    assert uris(admin, base) == ['b1', 'd/e/a3']
    assert admin.delete(f'{base}/d/').status == 200
    assert uris(admin, base) == ['b1']
    assert admin.delete(f'{base}/*').status == 200  # the last: the empty resource stays (3.6.3)
    assert admin.get(base).rows == [] and 'W' in [row['label'] for row in admin.get(f'{E}/resources').rows]
    assert admin.delete(f'{base}/*').status == 404
    assert admin.delete(f'{base}/*?accept-not-found=true').status == 204


def test_3_2_10_a_file_by_its_own_name_before_a_wildcard(admin: Client) -> None:
    base = f'{E}/resources/STAR/files'
    for name in ('a*', 'ab'):
        admin.ok('PUT', f'{base}/{name}?inbody=true', name.encode())
    assert admin.get(f'{base}/a*').body == b'a*'
    assert admin.delete(f'{base}/a*').status == 200
    assert uris(admin, base) == ['ab']


def test_3_2_13_a_file_as_a_zip(admin: Client) -> None:
    body = admin.get(f'{R}/plain.txt?format=zip').body
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        assert found.namelist() == ['E/resources/R/files/plain.txt']
    with zipfile.ZipFile(io.BytesIO(admin.get(f'{R}/bag.zip?format=zip').body)) as found:
        assert found.namelist() == ['in/one.txt', 'two.txt']


def test_3_2_14_by_index(admin: Client) -> None:
    assert admin.get(f'{E}/scans/ALL/files?file_format=DICOM&index=1').body == b'2'
    assert admin.get(f'{E}/scans/ALL/files?index=99').status == 404


@pytest.mark.parametrize(
    ('query', 'count'),
    [('', 6), ('file_format=DICOM', 3), ('file_format=DICOM&file_format=NIFTI', 6), ('file_content=RAW', 3), ('file_content=NULL', 3),
     ('file_content=RAW&file_format=NIFTI', 0)],
)  # fmt: skip
def test_3_3_filters(admin: Client, query: str, count: int) -> None:
    assert len(admin.get(f'{E}/scans/ALL/files?{query}').rows) == count


@pytest.mark.parametrize(
    ('asked', 'expected'),
    [('ALL', '123'), ('*', '123'), ('1,3', '13'), ('T1', '13'), ('2', '2'), ('T2,1', '12'), ('NULL', '')],
)
def test_2_2_5_lists_of_scans(admin: Client, asked: str, expected: str) -> None:
    answer = admin.get(f'{E}/scans/{asked}/resources/DICOM/files')
    found = ''.join(sorted(row['Name'][0] for row in answer.rows)) if answer.status == 200 else ''
    assert found == expected
    listed = admin.get(f'{E}/scans/{asked}/resources')
    assert sorted({row['cat_id'] for row in listed.rows} if listed.status == 200 else []) == list(expected)


def test_2_2_6_no_writing_to_a_list(admin: Client) -> None:
    assert admin.put(f'{E}/scans/ALL/resources/NEW').status == 404
    assert admin.put(f'{E}/scans/1,2/resources/NEW/files/f?inbody=true', b'x').status == 404


def test_2_2_7_several_resources_and_numbers(admin: Client) -> None:
    assert len(admin.get(f'{E}/scans/1/resources/DICOM,NIFTI/files').rows) == 2
    number = admin.get(f'{E}/scans/1/resources').rows[0]['xnat_abstractresource_id']
    assert uris(admin, f'{E}/scans/1/resources/{number}/files') == ['1.dcm']


def test_3_3_locators(admin: Client) -> None:
    row = admin.get(f'{E}/scans/1/resources/DICOM/files?locator=absolutePath').rows[0]
    assert row['absolutePath'].endswith('1.dcm') and 'URI' not in row
    assert admin.get(f'{E}/scans/1/resources/DICOM/files?locator=projectPath').rows[0]['projectPath'] == 'arc001/E/SCANS/1/DICOM/1.dcm'


@pytest.mark.parametrize(('form', 'name'), [('w', 'x.tar'), ('w:gz', 'x.tar.gz'), ('w:gz', 'x.tgz'), ('zip', 'x.zip')])
@pytest.mark.parametrize('below', ['', 'deep/er/'])
def test_3_1_7_extract(admin: Client, form: str, name: str, below: str) -> None:
    members = {'a.txt': b'a', 'b/c.txt': b'c'}
    body = zipped(members) if form == 'zip' else tarred(members, form)
    base = f'{E}/resources/X_{name.replace(".", "_")}_{len(below)}/files'
    admin.ok('PUT', f'{base}/{below}{name}?inbody=true&extract=true&format=TXT&content=EX', body)
    found = admin.get(base).rows
    assert sorted(row['Name'] for row in found) == ['a.txt', 'c.txt']
    assert {row['file_format'] for row in found} == {'TXT'}
    assert uris(admin, base) == [f'{below}a.txt', f'{below}b/c.txt']


def test_3_1_8_metadata_of_new_resources(admin: Client) -> None:
    admin.ok('PUT', f'{E}/resources/META?format=DICOM&content=RAW&tags=a,b&description=why%20not')
    admin.ok('PUT', f'{E}/resources/META2/files/f?inbody=true&format=NIFTI&content=T1&tags=c', b'x')
    rows = {row['label']: row for row in admin.get(f'{E}/resources?file_stats=true').rows}
    assert (rows['META']['format'], rows['META']['content'], rows['META']['tags'], rows['META']['file_count']) == ('DICOM', 'RAW', 'a,b', '0')
    assert (rows['META2']['format'], rows['META2']['content'], rows['META2']['tags'], rows['META2']['file_size']) == ('NIFTI', 'T1', 'c', '1')
    children = item_of(admin, E)['children']
    resource = next(child for child in children if child['field'] == 'resources/resource')
    described = [one['data_fields'].get('description') for one in resource['items'] if one['data_fields']['label'] == 'META']
    assert described == ['why not']
    assert 'totalRecords' not in json.loads(admin.get(f'{E}/files').body)['ResultSet']


def test_3_1_3_files_without_a_resource(admin: Client) -> None:
    admin.ok('PUT', f'{S}/files/loose.txt?inbody=true', b'loose')
    row = admin.get(f'{S}/files').rows[0]
    assert (row['Name'], row['collection']) == ('loose.txt', '')
    assert admin.get(row['URI']).body == b'loose'
    assert admin.delete(f'{S}/files/loose.txt').status == 400  # no resource named (3.6.2)
    assert admin.delete(row['URI']).status == 200


def test_3_6_2_deleting_needs_the_delete_right(member: Client, admin: Client) -> None:
    assert member.put(f'{R}/members.txt?inbody=true', b'm').status == 200
    assert member.delete(f'{R}/members.txt').status == 403
    assert member.delete(f'{E}/resources/R').status == 403
    assert admin.delete(f'{R}/members.txt').status == 200


def test_3_1_11_without_edit_right(collaborator: Client, outsider: Client) -> None:
    assert collaborator.put(f'{R}/c.txt?inbody=true', b'c').status == 403
    assert outsider.put(f'{R}/c.txt?inbody=true', b'c').status in (403, 404)
    assert collaborator.get(f'{R}/c.txt').status == 404


@pytest.fixture
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Client, Client]]:
    with serve(tmp_path_factory.mktemp('silent'), password='secret', users={'reader': 'r'}, silent_refusals=True) as running:
        admin, reader = Client(running, 'admin', 'secret'), Client(running, 'reader', 'r')
        yield running, admin, reader
        admin.close()
        reader.close()


def test_3_1_11_as_xnat_does_it(silent: tuple[Server, Client, Client]) -> None:
    _, admin, reader = silent
    admin.ok('PUT', '/data/projects/P?accessibility=public')
    admin.ok('PUT', '/data/projects/P/subjects/S')
    answer = reader.put('/data/projects/P/subjects/S/resources/R/files/f?inbody=true', b'x' * 1000)
    assert (answer.status, answer.body) == (200, b'')
    assert reader.get('/data/projects/P/subjects/S/files').rows == []
    admin.ok('PUT', '/data/projects/P/accessibility/private')
    assert reader.put('/data/projects/P/subjects/S/resources/R/files/f?inbody=true', b'x').status == 404


# -- the user's cache


def test_3_7_the_cache_of_a_user(member: Client, outsider: Client) -> None:
    base = '/data/user/cache/resources'
    assert member.get(base).rows == []
    answer = member.put(f'{base}/X')
    assert answer.status == 200 and answer.headers['Content-Type'].startswith('text/html')
    assert member.put(f'{base}/X').status == 412
    assert member.put(f'{base}/X/files?inbody=true', b'x').status == 400
    assert member.put(f'{base}/X/files/d/a%20b.txt?inbody=true', b'abc').status == 200
    assert member.post(f'{base}/X/files/z.zip?inbody=true&extract=true', zipped({'one': b'1', 'd/two': b'22'})).status == 201
    assert member.get(base).rows == [{'Resource': 'X', 'URI': f'{base}/X'}]
    rows = member.get(f'{base}/X/files').rows
    assert [(row['Name'], row['Size']) for row in rows] == [('a b.txt', '3'), ('two', '2'), ('one', '1')]
    assert member.get(rows[0]['URI']).body == b'abc'
    with zipfile.ZipFile(io.BytesIO(member.get(f'{base}/X/files?format=zip').body)) as found:
        assert sorted(found.namelist()) == ['d/a b.txt', 'd/two', 'one']
    assert outsider.get(base).rows == [] and outsider.get(f'{base}/X/files').status == 404
    assert member.delete(f'{base}/X/files/one,d/two').status == 200
    assert [row['Name'] for row in member.get(f'{base}/X/files').rows] == ['a b.txt']
    assert member.put(f'{base}/X/files/../../../f?inbody=true', b'x').status == 400
    assert member.put(f'{base}/X/files/%2e%2e/f?inbody=true', b'x').status == 400
    assert member.delete(f'{base}/X').status == 200
    assert member.delete(f'{base}/X').status == 404
