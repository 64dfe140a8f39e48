"""Files: up and down, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import stat

import pytest

import pyxnat
from pyxnat import errors
from tests.scripted import Reply, ScriptedServer, table


@pytest.fixture
def resource(scan):
    return scan.resource('NIFTI')


def test_a_file_comes_back_as_it_went(resource, tmp_path):
    content = os.urandom(300_000)
    (tmp_path / 'head.img').write_bytes(content)
    sources = [str(tmp_path / 'head.img'), tmp_path / 'head.img', content, io.BytesIO(content), iter([content[:9], content[9:]])]
    for number, source in enumerate(sources):
        file = resource.file(f'sub dir/head {number}.img')
        assert file.put(source, 'NIFTI', 'T1_RAW', 'a,b') is file
        assert open(file.get(), 'rb').read() == content
        assert (file.size(), file.format(), file.content(), file.tags()) == (str(len(content)), 'NIFTI', 'T1_RAW', 'a,b')
        assert file.attributes()['digest'] == hashlib.md5(content).hexdigest()


def test_putting_a_file_takes_one_request_into_a_new_resource_and_an_old_one(xnat, scan):
    scan.resource('FIRST').file('f').put(b'proves once that uploads are stored')
    for name in ('first.txt', 'second.txt'):
        with xnat.trace() as trace:
            scan.resource('NEW').file(name).put(b'content')
        assert [record.method for record in trace] == ['PUT'], trace


def test_putting_a_file_creates_what_is_missing_above_it(project):
    file = project.subject('S9').experiment('E9').scan('1').resource('R').file('f.txt')
    file.put(b'content', experiments='xnat:ctSessionData', scans='xnat:ctScanData')
    assert file.parent().parent().datatype() == 'xnat:ctScanData'
    assert open(file.get()).read() == 'content'


def test_a_file_that_is_there_is_kept_and_said_so(resource):
    file = resource.file('f').put(b'first')
    with pytest.raises(errors.DuplicateError, match='overwrite=True'):
        file.put(b'second')
    assert open(file.get()).read() == 'first'
    file.put(b'third', overwrite=True)
    assert open(resource.file('f').get()).read() == 'third'


def test_a_mistyped_path_is_an_error_and_not_content(resource):
    with pytest.raises(errors.DataError, match='no file .*haed'):
        resource.file('f').put('/nowhere/haed.img')
    assert not resource.file('f').exists()


def test_an_empty_file_is_an_error_before_it_is_sent(xnat, resource):
    with xnat.trace() as trace, pytest.raises(errors.DataError, match='empty'):
        resource.file('f').put(b'')
    assert trace.requests == 0


def test_an_upload_that_the_server_answers_and_does_not_store_is_an_error():
    listing = Reply(200, table(), {'Set-Cookie': 'JSESSIONID=A; Path=/'})
    with ScriptedServer(lambda request: listing if request.method == 'GET' else Reply(200, b'')) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret').select('/projects/P/resources/R/files/f')
        with pytest.raises(errors.PermissionDenied, match='stored nothing'):
            file.put(b'content')


def test_a_repeated_upload_that_meets_itself_succeeded():
    replies = iter([Reply(silent=True), Reply(200, b'{"duplicates":["f"]}', {'Content-Type': 'text/html'})])
    row = {'Name': 'f', 'Size': '7', 'URI': '/data/projects/P/resources/1/files/f', 'cat_ID': '1', 'collection': 'R', 'digest': ''}
    with ScriptedServer(lambda request: next(replies, Reply()) if request.method == 'PUT' else Reply(200, table(row))) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret')
        interface.select('/projects/P/resources/R/files/f').put(b'content')
        assert server.count('PUT') == 2


def test_the_cached_file_lies_under_its_name_and_cannot_be_written(xnat, resource, tmp_path):
    for name in ('head.img', 'head.hdr'):
        resource.file(name).put(b'content')
    image, header = (resource.file(name).get() for name in ('head.img', 'head.hdr'))
    assert os.path.dirname(image) == os.path.dirname(header) and os.path.basename(image) == 'head.img'
    host = xnat._server.removeprefix('http://').replace(':', '+')
    assert image.startswith(str(tmp_path / 'cache' / host / 'admin' / 'files' / 'projects'))
    mode = stat.S_IMODE(os.stat(image).st_mode)
    assert mode & 0o222 == 0 and os.access(os.path.dirname(image), os.W_OK)


def test_the_second_download_moves_no_content(xnat, resource):
    resource.file('f').put(b'x' * 5000)
    first = resource.file('f').get()
    with xnat.trace() as trace:
        assert resource.file('f').get() == first
    (record,) = trace
    assert record.status == 304 or record.uri.endswith('/files?format=json'), trace


def test_a_file_changed_on_the_server_is_fetched_anew_even_in_the_same_second(resource):
    resource.file('f').put(b'first')
    for content in ('other', 'third', 'fourth'):
        resource.file('f').get()
        resource.file('f').put(content.encode(), overwrite=True)
        assert open(resource.file('f').get()).read() == content


def test_a_settled_file_is_asked_about_by_its_date(tmp_path):
    dates = {'Last-Modified': 'Mon, 02 Nov 2026 10:00:00 GMT', 'Date': 'Mon, 02 Nov 2026 10:00:05 GMT'}

    def script(request):
        since = request.headers.get('if-modified-since')
        return Reply(304, b'', dates) if since == dates['Last-Modified'] else Reply(200, b'content', dates)

    with ScriptedServer(script) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret', tmp_path).select('/projects/P/resources/R/files/f')
        assert open(file.get()).read() == open(file.get()).read() == 'content'
        assert [request.headers.get('if-modified-since') for request in server.requests] == [None, dates['Last-Modified']]


def test_a_cached_file_that_was_tampered_with_is_not_served(resource):
    resource.file('f').put(b'content')
    path = resource.file('f').get()
    os.chmod(path, 0o600)
    with open(path, 'w') as file:
        file.write('CONTENT')
    assert open(resource.file('f').get()).read() == 'content'


def test_a_place_gets_the_file_whole_and_replaces_what_was_there(resource, tmp_path):
    resource.file('dir/f.txt').put(b'content')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'f.txt').write_text('old')
    (tmp_path / 'mine' / 'other').write_text('untouched')
    assert resource.file('dir/f.txt').get(tmp_path / 'mine') == str(tmp_path / 'mine' / 'f.txt')
    assert resource.file('dir/f.txt').get(tmp_path / 'new' / 'g.txt') == str(tmp_path / 'new' / 'g.txt')
    assert (tmp_path / 'mine' / 'f.txt').read_text() == (tmp_path / 'new' / 'g.txt').read_text() == 'content'
    assert (tmp_path / 'mine' / 'other').read_text() == 'untouched'
    assert sorted(path.name for path in (tmp_path / 'mine').iterdir()) == ['f.txt', 'other']


def test_a_file_that_is_not_there_is_a_data_error(resource, tmp_path):
    resource.file('f').put(b'content')
    for dest in (None, tmp_path / 'out'):
        with pytest.raises(errors.DataError):
            resource.file('nope').get(dest)
    assert not (tmp_path / 'out').exists()
    with pytest.raises(errors.NotFoundError):
        resource.file('nope').delete()


def test_a_digest_that_does_not_fit_is_an_error(tmp_path):
    row = {'Name': 'f', 'Size': '7', 'URI': '/data/projects/P/resources/1/files/f', 'cat_ID': '1', 'collection': 'R', 'digest': '0' * 32}
    with ScriptedServer(lambda request: Reply(200, table(row) if request.uri.endswith('json') else b'content')) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        file = interface.select('/projects/P/resources/R/files').first()
        with pytest.raises(errors.TransferError, match='MD5'):
            file.get()
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


@pytest.mark.parametrize('name', ['../../etc/passwd', 'a/../../b', '..', '/etc/passwd', 'C:\\x', 'a\\..\\b'])
def test_a_hostile_name_never_leaves_the_cache(tmp_path, name):
    row = {'Name': name, 'Size': '7', 'URI': f'/data/projects/P/resources/1/files/{name}', 'cat_ID': '1', 'collection': 'R', 'digest': ''}
    with ScriptedServer(lambda request: Reply(200, table(row) if request.uri.endswith('json') else b'content')) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        for file in interface.select('/projects/P/resources/R/files'):
            path = os.path.realpath(file.get())
            assert path.startswith(str(tmp_path / 'cache') + os.sep)
            assert os.path.dirname(os.path.realpath(file.get(tmp_path))) == str(tmp_path)


def test_an_html_file_is_a_file(resource):
    page = b'<!DOCTYPE html><html><body>a report</body></html>'
    resource.file('report.html').put(page)
    assert open(resource.file('report.html').get(), 'rb').read() == page


def test_listed_files_know_what_the_listing_said(xnat, resource):
    resource.file('a/b.txt').put(b'content', format='TXT')
    file = resource.files().first()
    with xnat.trace() as trace:
        assert (file.id(), file.label(), file.size(), file.format()) == ('a/b.txt', 'a/b.txt', '7', 'TXT')
    assert trace.requests == 0
