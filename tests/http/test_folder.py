"""Tests of servers of the scheme ``file``: the archive in a folder, in this process."""

from __future__ import annotations

import gc
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http.body import Payload
from pyxnat.server import ArchiveBusy, serve

MR = 'xnat:mrSessionData'
ROOT = Path(__file__).parents[2]


def run(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        **options,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'study'


@pytest.fixture
def study(folder: Path) -> Iterator[pyxnat.Interface]:
    with pyxnat.open(folder, create=True) as opened:
        yield opened


def fill(xnat: pyxnat.Interface) -> None:
    """Create a project with a subject, a session with a scan, and files."""
    subject = xnat.select.project('P').create().subject('S').create(gender='female')
    session = subject.experiment('E').create(experiments=MR, **{f'{MR}/date': '2020-01-02'})
    files = session.scan('1').create(type='T1').resource('NIFTI')
    files.file('a.nii').put(bytes(range(256)) * 2000)
    files.file('empty.txt').put(b'')
    files.file('sub/b c.txt').put(b'b')


ANSWERS = (
    '/data/projects',
    '/data/projects?format=csv',
    '/data/projects/P?format=xml',
    '/data/projects/P/subjects?columns=ID,label,gender',
    '/data/projects/P/subjects/S?format=json',
    '/data/experiments?xsiType=xnat:mrSessionData&columns=ID,label,date',
    '/data/projects/P/subjects/S/experiments/E/scans/1/files',
    '/data/projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/a.nii',
    '/data/projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/sub/b%20c.txt',
    '/data/projects/P/subjects/S/experiments/E/scans/ALL/files?format=zip',
    '/data/projects/NOPE',
    '/data/projects/P/subjects/NOPE',
    '/data/nothing/here',
    '/data/projects/P/subjects/S?format=nonsense',
    '/data/search/elements',
    '/data/search/elements/xnat:mrSessionData',
    '/data/auth',
    '/data/version',
    '/xapi/users',
    '/xapi/schemas',
)
VOLATILE = (
    'date',
    'content-length',
    'content-location',
    'expires',
    'server',
    'set-cookie',
    'connection',
    'transfer-encoding',
)


def answer(xnat: pyxnat.Interface, uri: str, method: str, headers: dict[str, str]) -> Any:
    """Return status, headers and body, or the error, of a request."""
    try:
        with xnat.connection.stream(method, uri, headers=headers) as stream:
            body = stream.read()
    except errors.DatabaseError as error:
        return type(error), error.status, error.message.replace(xnat.connection.server, '')
    kept = {name: value for name, value in stream.headers.items() if name not in VOLATILE}
    if 'format=zip' in uri:
        return stream.status, kept, len(body)
    return stream.status, kept, re.sub(rb'http://(localhost|127.0.0.1:\d+)/', b'http://HOST/', body)


@pytest.mark.parametrize(
    ('method', 'headers'),
    [('GET', {}), ('HEAD', {}), ('GET', {'range': 'bytes=5-9'})],
    ids=['get', 'head', 'range'],
)
def test_the_answers_are_those_of_a_server(
    folder: Path, tmp_path: Path, method: str, headers: dict[str, str]
) -> None:
    with (
        serve(folder, durable=False) as server,
        pyxnat.Interface(server.url, 'admin', server.password, tmp_path / 'a') as xnat,
    ):
        fill(xnat)
        served = {uri: answer(xnat, uri, method, headers) for uri in ANSWERS}
    with pyxnat.open(folder) as study:
        here = {uri: answer(study, uri, method, headers) for uri in ANSWERS}
    assert here == served
    assert len({str(one) for one in here.values()}) > 5


def test_everyday_calls(study: pyxnat.Interface, local: Any) -> None:
    fill(study)
    project = study.select.project('P')
    session = project.subject('S').experiment('E')
    assert study.whoami() == 'admin' and session.id().startswith('LOCAL_E')
    assert study.select('/projects/P/subjects/*/experiments/*').get('label') == ['E']
    assert session.attrs.get(f'{MR}/date') == '2020-01-02'
    session.attrs.set(f'{MR}/note', 'a & <b>')
    assert session.attrs.get(f'{MR}/note') == 'a & <b>'
    found = study.select('/projects/P/subjects').where([('xnat:subjectData/GENDER', '=', 'female')])
    assert [subject.label() for subject in found] == ['S']
    files = session.scan('1').resource('NIFTI')
    assert sorted(files.files().get()) == ['a.nii', 'empty.txt', 'sub/b c.txt']
    assert Path(files.file('a.nii').get()).read_bytes() == bytes(range(256)) * 2000
    assert project.download(local('x') + '.d').failed == []
    files.file('a.nii').delete()
    assert not files.file('a.nii').exists()
    session.delete()
    assert study.select('/projects/P/subjects/*/experiments/*').get() == []


def test_a_body_of_unknown_length_and_an_error_while_it_is_read(study: pyxnat.Interface) -> None:
    fill(study)
    resource = study.select.project('P').resource('R')
    resource.file('pieces.bin').put(iter([b'abc', b'', b'def']))
    assert Path(resource.file('pieces.bin').get()).read_bytes() == b'abcdef'

    def failing() -> Iterator[bytes]:
        yield b'abc'
        raise KeyError('mine')

    with (
        pytest.raises(KeyError, match='mine'),
        study.connection.stream(
            'PUT', f'{resource.uri}/files/broken.bin?inbody=true', Payload(failing(), 10)
        ),
    ):
        pass
    assert resource.files().get() == ['pieces.bin']


def test_a_body_that_is_not_read_is_released(study: pyxnat.Interface) -> None:
    fill(study)
    uri = ANSWERS[7]
    before = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0
    for _ in range(5):
        with study.connection.stream('GET', uri) as stream:
            assert len(stream.peek(10)) >= 10
        with study.connection.stream('GET', ANSWERS[9]) as stream:
            stream.peek(10)
    gc.collect()
    after = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0
    assert after <= before + 4, 'files of the archive stay open'


def test_threads(study: pyxnat.Interface) -> None:
    fill(study)
    project, faults = study.select.project('P'), []

    def work(number: int) -> None:
        try:
            for at in range(3):
                project.subject(f'T{number}-{at}').create(gender='male')
                project.resource(f'R{number}').file(f'{at}.txt').put(b'x')
        except errors.Error as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(project.subjects().get()) == 13
    assert len(project.resources().files().get()) == 12


def test_a_pickle_is_of_the_same_folder(study: pyxnat.Interface, folder: Path) -> None:
    fill(study)
    other = pickle.loads(pickle.dumps(study))
    assert other.select.projects().get() == ['P'] and other.whoami() == 'admin'


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork')
def test_a_fork_opens_the_folder_itself(folder: Path) -> None:
    code = """
        import os, sys, pyxnat
        study = pyxnat.open(sys.argv[1], create=True)
        project = study.select.project('P').create()
        children = []
        for number in range(2):
            pid = os.fork()
            if not pid:
                for at in range(3):
                    project.subject(f'C{number}-{at}').create()
                sys.exit(0)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        project.subject('parent').create()
        study.cache.expiration = 0
        print(len(project.subjects().get()))
        """
    done = run(code, folder)
    assert (done.stdout.strip(), done.returncode) == ('7', 0), done.stderr
    with pyxnat.open(folder) as study:
        assert len(study.select.project('P').subjects().get()) == 7


def test_no_socket_is_opened(folder: Path) -> None:
    code = """
        import sys
        events = []
        sys.addaudithook(lambda name, _: events.append(name) if name.startswith('socket.') else 0)
        import pyxnat
        with pyxnat.open(sys.argv[1], create=True) as study:
            subject = study.select.project('P').create().subject('S').create(gender='male')
            subject.resource('R').file('a.txt').put(b'abc')
            assert study.select('/projects/P/subjects/*/resources/*/files').get() == ['a.txt']
            subject.resource('R').file('a.txt').get()
            subject.delete()
        print(sorted(set(events)))
        """
    done = run(code, folder)
    assert done.stdout.strip() == '[]', done.stderr


def test_the_number_of_requests_is_that_of_a_server(study: pyxnat.Interface) -> None:
    fill(study)
    study.cache.expiration = 0
    with study.trace() as trace:
        study.select('/projects/P/subjects/*/experiments/*').get()
    assert len(trace) == 2
    with study.trace() as trace:
        study.select.projects().get()
    assert [record.status for record in trace] == [200]


# -- logins


def test_a_member_of_a_project_logs_in(study: pyxnat.Interface, folder: Path) -> None:
    fill(study)
    study.connection.request(
        '/xapi/users',
        'POST',
        json.dumps(
            {
                'username': 'me',
                'password': 'secret',
                'email': 'me@x.org',
                'enabled': True,
                'verified': True,
                'firstName': 'M',
                'lastName': 'E',
            }
        ),
        {'content-type': 'application/json'},
    )
    url = folder.as_uri()
    with pyxnat.Interface(url, 'me', 'secret') as mine:
        assert mine.whoami() == 'me'
        assert not mine.select.project('P').subject('S').exists()
    with pyxnat.Interface(url, 'me', 'wrong') as mine, pytest.raises(errors.AuthenticationError):
        mine.whoami()
    with pyxnat.Interface(url, anonymous=True) as guest, pytest.raises(errors.AuthenticationError):
        guest.select.projects().get()


def test_the_environment_gives_no_login_to_a_folder(
    study: pyxnat.Interface, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_HOST', 'https://xnat.example.org')
    monkeypatch.setenv('XNAT_USER', 'me')
    monkeypatch.setenv('XNAT_PASS', 'secret')
    with pyxnat.Interface(folder.as_uri()) as other:
        assert other.whoami() == 'admin'
    monkeypatch.setenv('XNAT_HOST', folder.as_uri())
    monkeypatch.delenv('XNAT_USER')
    monkeypatch.delenv('XNAT_PASS')
    with pyxnat.Interface() as other:
        assert other.whoami() == 'admin'


def test_a_configuration_of_a_folder_has_no_login(
    study: pyxnat.Interface, folder: Path, tmp_path: Path
) -> None:
    study.save_config(tmp_path / 'study.json')
    assert set(json.loads((tmp_path / 'study.json').read_text())) == {'server', 'verify'}
    with pyxnat.Interface(config=tmp_path / 'study.json') as other:
        assert other.whoami() == 'admin'


# -- folders that cannot be opened


@pytest.mark.parametrize(
    ('url', 'message'),
    [
        ('file:///no/such/folder', 'has no archive'),
        ('file://study', 'three slashes'),
        ('file://study/x', 'three slashes'),
        ('file:///', 'three slashes'),
        ('file:study', 'three slashes'),
    ],
)
def test_a_wrong_url_names_the_remedy(url: str, message: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=message):
        pyxnat.Interface(url)


def test_open_creates_an_archive_only_on_request(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match='create=True'):
        pyxnat.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(errors.ConfigurationError, match='other files'):
        pyxnat.open(tmp_path, create=True)
    with pyxnat.open(tmp_path / 'new', create=True, site='LAB') as study:
        assert study.select.project('P').create().subject('S').create().id() == 'LAB_S00001'


@pytest.mark.skipif(os.name == 'nt', reason='Windows refuses most of these names')
@pytest.mark.parametrize(
    'name',
    ['with blank', 'ü', 'a%20b', '50%', 'a?b', 'a#b', 'a&b=c', "it's", 'a:b', 'a;b', 'file:a'],
)
@pytest.mark.sample(3)
def test_a_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name / name
    with pyxnat.open(folder, create=True) as study:
        study.select.project('P').create().resource('R').file('a.txt').put(b'a')
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pyxnat.open(folder) as study, pyxnat.Interface(folder.as_uri()) as same:
        assert same.select('/projects/*').get() == ['P']
        assert Path(study.select('/projects/P/resources/R/files/a.txt').get()).read_bytes() == b'a'
    with serve(folder) as server, pyxnat.open(folder) as study:
        assert server.archive.folder == folder
        assert study.select('/projects/*').get() == ['P']


def projects(opened: pyxnat.Interface) -> list[str]:
    opened.cache.clear()
    return [project.id() for project in opened.select.projects()]


@pytest.mark.parametrize('is_asked_first', ['old', 'new'])
@pytest.mark.parametrize('way', ['deleted', 'moved away', 'restored'])
def test_a_folder_that_was_replaced_is_opened_again(
    way: str, is_asked_first: str, folder: Path, tmp_path: Path
) -> None:
    with pyxnat.open(tmp_path / 'other', create=True) as other:
        other.select.project('Other').create()
    with pyxnat.open(folder, create=True) as old:
        old.select.project('Old').create()
        assert projects(old) == ['Old']
        if way == 'moved away':
            folder.rename(tmp_path / 'away')
        else:
            shutil.rmtree(folder)
        with pytest.raises(errors.ConfigurationError, match='has no archive'):
            projects(old)
        if way == 'restored':
            shutil.copytree(tmp_path / 'other', folder)
        with pyxnat.open(folder, create=True) as new:
            wanted = ['Other'] if way == 'restored' else []
            for opened in (old, new) if is_asked_first == 'old' else (new, old):
                assert projects(opened) == wanted
            new.select.project('New').create()
            assert sorted(projects(old)) == ['New', *wanted]
        old.select.project('Newer').create()
        assert sorted(projects(old)) == ['New', 'Newer', *wanted]
    with serve(folder, users={'admin': 'admin'}):
        pass  # nobody has it open any more


@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write')
def test_a_folder_that_cannot_be_written(study: pyxnat.Interface, folder: Path) -> None:
    study.disconnect()
    folder.chmod(0o500)
    with pytest.raises(errors.ConfigurationError, match='copy it to another place'):
        pyxnat.open(folder)
    folder.chmod(0o700)


# -- beside a server


def test_a_server_is_found_and_used(folder: Path) -> None:
    with serve(folder, durable=False) as server:
        with pyxnat.open(folder) as study:
            fill(study)
            assert study.whoami() == 'admin' and study.select.projects().get() == ['P']
            assert ('GET', '/data/projects?format=json', 200) in server.requests
        state = os.stat(folder / 'serving.json')
        assert os.name == 'nt' or state.st_mode & 0o077 == 0, 'others can read the key'
    assert not (folder / 'serving.json').exists()


def test_when_the_server_ends_the_folder_is_opened_here(folder: Path) -> None:
    with serve(folder, durable=False):
        study = pyxnat.open(folder)
        fill(study)
    study.cache.expiration = 0
    with study:
        assert study.select.projects().get() == ['P']
        study.select.project('Q').create()
    with serve(folder, durable=False), study:
        assert sorted(study.select.projects().get()) == ['P', 'Q']


def test_the_key_of_a_server_ends_with_it(folder: Path, tmp_path: Path) -> None:
    with serve(folder, durable=False):
        known = json.loads((folder / 'serving.json').read_text())
    with serve(folder, durable=False) as server:
        token = (known['alias'], known['secret'])
        xnat = pyxnat.Interface(server.url, token=token, cachedir=tmp_path / 'c')
        with xnat, pytest.raises(errors.AuthenticationError):
            xnat.select.projects().get()


def test_a_server_waits_for_nobody(study: pyxnat.Interface, folder: Path) -> None:
    fill(study)
    with pytest.raises(ArchiveBusy, match='open in another process'):
        serve(folder)
    study.disconnect()
    with serve(folder, durable=False):
        pass
