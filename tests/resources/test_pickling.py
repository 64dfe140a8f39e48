"""Tests of pickled interfaces, elements and collections: the same session, and no password."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest

import pyxnat
from pyxnat import errors


def fetch(file):
    """Download a file in a worker, and return the number of requests."""
    with file._intf.trace() as trace:
        path = file.get()
    return path, [record.uri for record in trace], os.getpid()


@pytest.fixture
def images(project):
    for subject in ('S1', 'S2'):
        for scan in ('1', '2', '3'):
            project.subject(subject).experiment(f'{subject}_MR').scan(scan).resource('NIFTI').file(
                f'{subject}_{scan}.img'
            ).put(scan.encode())
    return list(project._intf.select(f'/projects/{project._urn}//files'))


@pytest.mark.parametrize('method', multiprocessing.get_all_start_methods())
def test_a_pool_downloads_every_image_once_without_listings_in_one_session(
    server, xnat, images, method
):
    tasks = pickle.dumps(images)
    assert server.password.encode() not in tasks
    start, sessions = len(server.requests), server.archive.sessions.count()
    with multiprocessing.get_context(method).Pool(8) as pool:
        results = pool.map(fetch, images, chunksize=1)
    asked = [path for _, path, _ in list(server.requests)[start:]]
    assert sorted(asked) == sorted({file._uri for file in images})
    assert sorted(open(path).read() for path, _, _ in results) == ['1', '1', '2', '2', '3', '3']
    assert all(len(uris) == 1 for _, uris, _ in results)
    assert server.archive.sessions.count() <= sessions  # unused sessions may have ended


def test_pickling_opens_the_session_and_makes_no_other_request(server, tmp_path):
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path) as interface:
        file = interface.select('/projects/P/resources/R/files/f')
        with interface.trace() as trace:
            pickle.dumps(file)
            pickle.dumps(interface)
        assert [record.uri for record in trace] == ['/data/JSESSION']


def test_an_unpickled_object_is_equal_and_works(xnat, project):
    project.subject('S1').create()
    collection = project.subjects('S*').where([('xnat:subjectData/SUBJECT_LABEL', '=', 'S1')])
    for thing in (project, collection, project.subject('S1')):
        again = pickle.loads(pickle.dumps(thing))
        assert again == thing and hash(again) == hash(thing)
    assert pickle.loads(pickle.dumps(collection)).get('label') == ['S1']
    assert pickle.loads(pickle.dumps(project.subjects().first())).label() == 'S1'


def test_names_that_need_quoting_survive(xnat, project):
    project.subject('S1').create().rename('a b é')
    subject = project.subject('a b é')
    assert pickle.loads(pickle.dumps(subject))._uri == subject._uri
    assert pickle.loads(pickle.dumps(subject)).exists()


CHILD = (
    'import pickle, sys; project = pickle.load(sys.stdin.buffer); '
    'sys.stdout.write(str(project.exists()))'
)


def run_child(data: bytes, **environ: str) -> subprocess.CompletedProcess:
    env = {'PATH': os.environ['PATH'], 'PYTHONPATH': os.getcwd(), 'HOME': os.devnull, **environ}
    return subprocess.run(
        [sys.executable, '-c', CHILD],
        input=data,
        capture_output=True,
        env=env,
        timeout=60,
        check=False,
    )


def test_a_program_without_credentials_uses_the_pickled_session(project):
    done = run_child(pickle.dumps(project))
    assert done.stdout == b'True', done.stderr.decode()


def test_an_expired_session_needs_credentials_and_the_error_says_so(server, project, tmp_path):
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path) as interface:
        data = pickle.dumps(interface.select.project(project._urn))
    done = run_child(data)
    assert b'XNAT_USER' in done.stderr and b'netrc' in done.stderr and done.returncode == 1
    done = run_child(data, XNAT_USER=server.user, XNAT_PASS=server.password)
    assert done.stdout == b'True', done.stderr.decode()


def test_the_cookie_is_not_pickled_without_sharing(server, project, tmp_path):
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path, share_session=False
    ) as interface:
        interface.select.project(project._urn).exists()
        cookie = interface._transport.session.cookies()['JSESSIONID']
        data = pickle.dumps(interface.select.project(project._urn))
    assert cookie.encode() not in data
    assert run_child(data, XNAT_USER=server.user, XNAT_PASS=server.password).stdout == b'True'


def test_errors_can_be_sent_between_processes():
    error = errors.DuplicateError(
        'there', uri='http://x/y', method='PUT', status=409, remedy='Rename it.'
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status, type(again)) == (str(error), 409, errors.DuplicateError)


def test_verified_uploads_are_known_in_other_processes(xnat, project):
    project.resource('R').file('first').put(b'content')
    restored = pickle.loads(pickle.dumps(project.resource('R')))
    with restored._intf.trace() as trace:
        restored.file('second').put(b'content')
    assert [record.method for record in trace] == ['PUT']
