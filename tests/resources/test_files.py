"""Tests of files: uploads and downloads, complete or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.cache import store as cache_module
from tests.support.scripted import Reply, ScriptedServer, table


@pytest.fixture
def resource(scan):
    return scan.resource('NIFTI')


def test_a_downloaded_file_equals_the_uploaded_one(resource, tmp_path):
    content = os.urandom(300_000)
    (tmp_path / 'head.img').write_bytes(content)
    sources = [
        str(tmp_path / 'head.img'),
        tmp_path / 'head.img',
        content,
        io.BytesIO(content),
        iter([content[:9], content[9:]]),
    ]
    for number, source in enumerate(sources):
        file = resource.file(f'sub dir/head {number}.img')
        assert file.put(source, 'NIFTI', 'T1_RAW', 'a,b') is file
        assert open(file.get(), 'rb').read() == content
        assert (file.size(), file.format(), file.content(), file.tags()) == (
            str(len(content)),
            'NIFTI',
            'T1_RAW',
            'a,b',
        )
        assert file.attributes()['digest'] == hashlib.md5(content).hexdigest()


@pytest.mark.parametrize('by', ['names', 'listing', 'ID'])
def test_an_upload_takes_one_request_into_new_and_old_resources(xnat, scan, by):
    """A session named by its label takes one more request in a minute, for its owner."""
    scan.resource('FIRST').file('f').put(b'proves once that uploads are stored')
    session = scan.parent()
    listed = xnat.select(f'/projects/{session.steps[0].name}//scans').first()
    found = {
        'names': scan,
        'listing': listed,
        'ID': xnat.select.experiment(session.id()).scan('1'),
    }[by]
    found.resource('FIRST').file('g').put(b'the same, below another path')
    for name in ('first.txt', 'second.txt'):
        with xnat.trace() as trace:
            found.resource('NEW').file(name).put(b'content')
        assert [record.method for record in trace] == ['PUT'], trace


def test_an_upload_creates_missing_parents(project):
    file = project.subject('S9').experiment('E9').scan('1').resource('R').file('f.txt')
    file.put(b'content', experiments='xnat:ctSessionData', scans='xnat:ctScanData')
    assert file.parent().parent().datatype() == 'xnat:ctScanData'
    assert open(file.get()).read() == 'content'


def test_an_existing_file_is_kept_unless_overwrite_is_set(resource):
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


def test_an_upload_that_the_server_confirms_but_does_not_store_is_an_error():
    listing = Reply(200, table(), {'Set-Cookie': 'JSESSIONID=A; Path=/'})
    with ScriptedServer(
        lambda request: listing if request.method == 'GET' else Reply(200, b'')
    ) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret').select(
            '/projects/P/resources/R/files/f'
        )
        with pytest.raises(errors.PermissionDenied, match='stored nothing'):
            file.put(b'content')


def test_a_repeated_upload_that_finds_its_own_file_succeeds():
    replies = iter(
        [Reply(silent=True), Reply(200, b'{"duplicates":["f"]}', {'Content-Type': 'text/html'})]
    )
    row = {
        'Name': 'f',
        'Size': '7',
        'URI': '/data/projects/P/resources/1/files/f',
        'cat_ID': '1',
        'collection': 'R',
        'digest': '',
    }
    with ScriptedServer(
        lambda request: (
            next(replies, Reply()) if request.method == 'PUT' else Reply(200, table(row))
        )
    ) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret')
        interface.select('/projects/P/resources/R/files/f').put(b'content')
        assert server.count('PUT') == 2


def test_the_cached_file_has_its_real_name_and_is_read_only(xnat, resource, tmp_path):
    for name in ('head.img', 'head.hdr'):
        resource.file(name).put(b'content')
    image, header = (resource.file(name).get() for name in ('head.img', 'head.hdr'))
    assert (
        os.path.dirname(image) == os.path.dirname(header) and os.path.basename(image) == 'head.img'
    )
    host = xnat._server.replace('://', '=').replace(':', '+')
    assert image.startswith(str(tmp_path / 'cache' / host / 'admin' / 'files' / 'projects'))
    mode = stat.S_IMODE(os.stat(image).st_mode)
    assert mode & 0o222 == 0 and os.access(os.path.dirname(image), os.W_OK)


def test_the_second_download_transfers_no_content(xnat, resource):
    resource.file('f').put(b'x' * 5000)
    first = resource.file('f').get()
    with xnat.trace() as trace:
        assert resource.file('f').get() == first
    assert trace.requests <= 1, trace
    assert all(
        record.status == 304 or record.uri.endswith('/files?format=json') for record in trace
    ), trace


def test_a_file_changed_in_the_same_second_is_fetched_again(resource):
    resource.file('f').put(b'first')
    for content in ('other', 'third', 'fourth'):
        resource.file('f').get()
        resource.file('f').put(content.encode(), overwrite=True)
        assert open(resource.file('f').get()).read() == content


def test_an_old_file_is_validated_by_its_date(tmp_path):
    dates = {
        'Last-Modified': 'Mon, 02 Nov 2026 10:00:00 GMT',
        'Date': 'Mon, 02 Nov 2026 10:00:05 GMT',
    }

    def script(request):
        since = request.headers.get('if-modified-since')
        return (
            Reply(304, b'', dates)
            if since == dates['Last-Modified']
            else Reply(200, b'content', dates)
        )

    with ScriptedServer(script) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret', tmp_path).select(
            '/projects/P/resources/R/files/f'
        )
        assert open(file.get()).read() == open(file.get()).read() == 'content'
        assert [request.headers.get('if-modified-since') for request in server.requests] == [
            None,
            dates['Last-Modified'],
        ]


def test_a_modified_file_in_the_cache_is_not_used(resource):
    resource.file('f').put(b'content')
    path = resource.file('f').get()
    os.chmod(path, 0o600)
    with open(path, 'w') as file:
        file.write('CONTENT')
    assert open(resource.file('f').get()).read() == 'content'


def test_a_download_to_a_place_is_complete_and_replaces_the_old_file(resource, tmp_path):
    resource.file('dir/f.txt').put(b'content')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'f.txt').write_text('old')
    (tmp_path / 'mine' / 'other').write_text('untouched')
    assert resource.file('dir/f.txt').get(tmp_path / 'mine') == str(tmp_path / 'mine' / 'f.txt')
    assert resource.file('dir/f.txt').get(tmp_path / 'new' / 'g.txt') == str(
        tmp_path / 'new' / 'g.txt'
    )
    assert (
        (tmp_path / 'mine' / 'f.txt').read_text()
        == (tmp_path / 'new' / 'g.txt').read_text()
        == 'content'
    )
    assert (tmp_path / 'mine' / 'other').read_text() == 'untouched'
    assert sorted(path.name for path in (tmp_path / 'mine').iterdir()) == ['f.txt', 'other']


def test_a_missing_file_is_a_data_error(resource, tmp_path):
    resource.file('f').put(b'content')
    for dest in (None, tmp_path / 'out'):
        with pytest.raises(errors.DataError):
            resource.file('nope').get(dest)
    assert not (tmp_path / 'out').exists()
    with pytest.raises(errors.NotFoundError):
        resource.file('nope').delete()


def listing(name: str, digest: str = '') -> ScriptedServer:
    """Return a server whose resource R has one file, of 7 bytes."""
    row = {
        'Name': name,
        'Size': '7',
        'URI': f'/data/projects/P/resources/1/files/{name}',
        'cat_ID': '1',
        'collection': 'R',
        'digest': digest,
    }
    return ScriptedServer(
        lambda request: Reply(200, table(row) if request.uri.endswith('json') else b'content')
    )


def test_a_wrong_digest_is_an_error(tmp_path):
    with listing('f', '0' * 32) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        file = interface.select('/projects/P/resources/R/files').first()
        with pytest.raises(errors.TransferError, match='MD5'):
            file.get()
    assert [path for path in (tmp_path / 'cache').glob('*/me/files/**/*') if path.is_file()] == []


@pytest.mark.parametrize('name', ['../../etc/passwd', 'a/../../b', '..', 'a/.'])
def test_a_name_with_dot_segments_is_never_requested(tmp_path, name):
    with listing(name) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        (file,) = interface.select('/projects/P/resources/R/files')
        for act in (file.get, lambda: file.get(tmp_path), file.delete):
            with pytest.raises(errors.ProgrammingError, match='has a segment'):
                act()
        assert len(server.requests) == 1
    select = interface.select
    for make in (
        lambda: select('/projects/P/subjects/..'),
        lambda: select.project('P').subject('.'),
        lambda: select.project('..'),
    ):
        with pytest.raises(errors.ProgrammingError):
            make()


@pytest.mark.parametrize('name', ['/etc/passwd', 'C:\\x', 'a\\..\\b', 'con', 'a' * 300])
def test_a_hostile_name_never_leads_outside_the_cache(tmp_path, name):
    with listing(name) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        for file in interface.select('/projects/P/resources/R/files'):
            path = os.path.realpath(file.get())
            assert path.startswith(str(tmp_path / 'cache') + os.sep)
            assert os.path.dirname(os.path.realpath(file.get(tmp_path))) == str(tmp_path)


def test_an_html_file_is_downloaded_like_any_other(resource):
    page = b'<!DOCTYPE html><html><body>a report</body></html>'
    resource.file('report.html').put(page)
    assert open(resource.file('report.html').get(), 'rb').read() == page


def test_listed_files_keep_the_facts_of_the_listing(xnat, resource):
    resource.file('a/b.txt').put(b'content', format='TXT')
    file = resource.files().first()
    with xnat.trace() as trace:
        assert (file.id(), file.label(), file.size(), file.format()) == (
            'a/b.txt',
            'a/b.txt',
            '7',
            'TXT',
        )
    assert trace.requests == 0


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / 'source'
    for name in ('a.txt', 'sub dir/b.txt', 'sub dir/files/ü c.txt'):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    return source


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_a_folder_is_uploaded_in_one_request_and_downloaded_unchanged(
    xnat, resource, folder, tmp_path
):
    with xnat.trace() as trace:
        resource.put_dir(folder, format='TXT')
    assert [record.method for record in trace] == ['PUT', 'GET']  # the zip; the listing
    assert sorted(resource.files().get()) == sorted(contents(folder))
    assert {file.format() for file in resource.files()} == {'TXT'}
    with xnat.trace() as trace:
        paths = resource.get(tmp_path / 'dest', extract=True)
    assert trace.requests == 1
    assert contents(tmp_path / 'dest' / 'NIFTI') == contents(folder) and len(paths) == 3
    assert all(os.path.isfile(path) for path in paths)


def test_a_resource_comes_as_a_zip_named_after_it(resource, folder, tmp_path):
    import zipfile

    resource.put_dir(folder)
    path = resource.get(tmp_path / 'dest')
    assert path == str(tmp_path / 'dest' / 'NIFTI.zip') and os.listdir(tmp_path / 'dest') == [
        'NIFTI.zip'
    ]
    assert len(zipfile.ZipFile(path).namelist()) == 3


def test_unpacking_changes_no_other_file(resource, folder, tmp_path):
    resource.put_dir(folder)
    for name in ('S1_MR/scans/mine.txt', 'NIFTI/mine.txt', 'scans/mine.txt'):
        (tmp_path / 'dest' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'dest' / name).write_text('mine')
    resource.get(tmp_path / 'dest', extract=True)
    assert all(
        (tmp_path / 'dest' / name).read_text() == 'mine'
        for name in ('S1_MR/scans/mine.txt', 'NIFTI/mine.txt', 'scans/mine.txt')
    )


def test_files_can_be_selected_by_name_and_by_glob(resource, folder):
    resource.put([folder / 'a.txt', folder / 'sub dir' / 'b.txt'])
    assert sorted(resource.files().get()) == ['a.txt', 'sub dir/b.txt']
    assert resource.files('*b.t?t').get() == ['sub dir/b.txt']
    with pytest.raises(errors.DuplicateError, match=r'a\.txt'):
        resource.put(str(folder / 'a.txt'))
    resource.put(folder / 'a.txt', overwrite=True)


def test_a_zip_is_unpacked_or_kept(scan, folder, tmp_path):
    import shutil

    packed = shutil.make_archive(str(tmp_path / 'packed'), 'zip', folder)
    scan.resource('UNPACKED').put_zip(packed)
    scan.resource('KEPT').put_zip(packed, extract=False)
    assert sorted(scan.resource('UNPACKED').files().get()) == sorted(contents(folder))
    assert scan.resource('KEPT').files().get() == ['packed.zip']
    tarred = shutil.make_archive(str(tmp_path / 'packed'), 'gztar', folder)
    scan.resource('TAR').put_zip(tarred)
    assert sorted(scan.resource('TAR').files().get()) == sorted(contents(folder))


def test_a_bulk_upload_of_nothing_is_an_error(resource, tmp_path):
    for attempt in (
        lambda: resource.put([]),
        lambda: resource.put('/nowhere'),
        lambda: resource.put_dir('/nowhere'),
        lambda: resource.put_zip('/x.zip'),
    ):
        with pytest.raises(errors.DataError):
            attempt()
    assert not resource.exists()


def test_an_empty_resource_is_an_empty_zip_and_a_missing_one_an_error(scan, tmp_path):
    empty = scan.resource('EMPTY')
    empty.create()
    assert empty.get(tmp_path / 'dest', extract=True) == []
    assert os.path.getsize(empty.get(tmp_path / 'dest')) > 0
    with pytest.raises(errors.NotFoundError):
        scan.resource('NOPE').get(tmp_path / 'dest')


@pytest.mark.parametrize('body', [b'PK\x03\x04 this is no zip', b'', b'PK'])
def test_a_body_that_is_not_a_zip_leaves_nothing(tmp_path, body):
    with ScriptedServer(lambda request: Reply(200, body)) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        for extract in (True, False):
            with pytest.raises(errors.TransferError, match='zip'):
                interface.select('/projects/P/resources/R').get(tmp_path / 'dest', extract=extract)
    assert list((tmp_path / 'dest').iterdir()) == []


def test_hostile_names_in_a_zip_stay_below_the_folder(tmp_path):
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as archive:
        for name in (
            '../../escaped',
            '/absolute',
            'P/resources/R/files/../../../up',
            'P/resources/R/files/fine.txt',
        ):
            archive.writestr(name, b'content')
    listing = table(
        {'Name': 'fine.txt', 'Size': '7', 'URI': '/data/projects/P/resources/1/files/fine.txt'}
    )
    with ScriptedServer(
        lambda request: Reply(200, packed.getvalue() if 'format=zip' in request.uri else listing)
    ) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache')
        paths = interface.select('/projects/P/resources/R').get(tmp_path / 'dest', extract=True)
    assert all(
        os.path.realpath(path).startswith(str(tmp_path / 'dest' / 'R') + os.sep) for path in paths
    )
    assert (tmp_path / 'dest' / 'R' / 'fine.txt').exists()


def test_text_that_cannot_be_a_path_is_content(resource):
    for number, text in enumerate(['{"a": 1}', '<x/>', 'two\nlines', io.StringIO('ünïcode')]):
        expected = text.getvalue() if isinstance(text, io.StringIO) else text
        assert (
            open(
                resource.file(f'{number}.txt').put(text).get(), encoding='utf-8', newline=''
            ).read()
            == expected
        )


def test_the_attributes_of_a_file_are_those_of_the_listing(resource):
    from email.utils import parsedate_to_datetime

    file = resource.file('f').put(b'content', tags='a,b')
    assert file.labels() == file.tags() == 'a,b'
    assert parsedate_to_datetime(file.last_modified()).year >= 2026


def test_keywords_without_effect_give_a_warning(resource):
    with pytest.warns(UserWarning, match='xsi:type'):
        resource.file('f').put(b'content', **{'xsi:type': 'xnat:resourceCatalog'})


def test_a_downloaded_zip_can_be_uploaded_again(scan, resource, folder, tmp_path):
    resource.put_dir(folder)
    scan.resource('COPY').put_zip(resource.get(tmp_path / 'dest'))
    assert sorted(scan.resource('COPY').files().get()) == sorted(contents(folder))


def test_files_of_several_folders_keep_their_folders(resource, folder):
    resource.put([str(path) for path in folder.rglob('*') if path.is_file()])
    assert sorted(resource.files().get()) == sorted(contents(folder))


def test_an_existing_file_takes_precedence_over_content(resource, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '[1].txt').write_text('of the file')
    assert open(resource.file('f').put('[1].txt').get()).read() == 'of the file'
    for missing in ('{missing}.nii', '[2].txt', '<x'):
        with pytest.raises(errors.DataError, match='no file'):
            resource.file('g').put(missing)
    with pytest.raises(errors.ProgrammingError, match='paths of files'):
        resource.put(b'content')


def test_the_type_of_a_resource(resource):
    resource.file('f').put(b'content')
    assert resource.datatype() == 'xnat:resourceCatalog'


def test_a_file_that_is_not_an_archive_is_not_sent_for_unpacking(xnat, resource, tmp_path):
    (tmp_path / 'no.zip').write_bytes(b'PK no zip')
    with xnat.trace() as trace, pytest.raises(errors.DataError, match='not a readable zip'):
        resource.put_zip(tmp_path / 'no.zip')
    assert trace.requests == 0
    resource.put_zip(tmp_path / 'no.zip', extract=False)
    assert resource.files().get() == ['no.zip']


def test_an_archive_that_the_server_did_not_unpack_is_an_error(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('in.txt', 'content')
    with ScriptedServer(
        lambda request: Reply(200, table() if request.method == 'GET' else b'')
    ) as server:
        resource = pyxnat.Interface(server.url, 'me', 'secret').select('/projects/P/resources/R')
        with pytest.raises(errors.TransferError, match=r'in\.txt is not on the server'):
            resource.put_zip(tmp_path / 'a.zip')


def test_files_added_to_the_cache_count_for_its_limit(xnat, scan, tmp_path, monkeypatch):
    file = scan.resource('R').file('f.txt').put(b'twenty bytes, and one')
    monkeypatch.setattr(cache_module, '_CHECK_EVERY_BYTES', 20)
    xnat.cache.prune()
    looked = xnat.cache.folder / 'looked'
    os.utime(looked, (time.time() - 60, time.time() - 60))
    file.get()
    assert time.time() - looked.stat().st_mtime < 50
