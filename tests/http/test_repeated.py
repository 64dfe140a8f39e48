"""Writes that the server did, and that a gateway answered with 502, 503 or 504: done once, without
an error; and refusals of repeated writes stay refusals."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from tests.support.faults import FaultProxy, done_but, says

_NUMBERS = itertools.count(1)


class Write(NamedTuple):
    """A write, what it needs before, and how to see that it is done."""

    method: str
    run: Callable[[Any, Path], Any]
    is_done: Callable[[Any, Path], bool]


def _names(resource: Any) -> list[str]:
    return sorted(row['Name'] for row in resource.connection.rows(f'{resource.uri}/files'))


def _folder(folder: Path) -> Path:
    source = folder / 'source'
    source.mkdir(exist_ok=True)
    for name in ('a.txt', 'b.txt'):
        (source / name).write_bytes(name.encode() * 10)
    return source


def _zip(folder: Path) -> Path:
    path = folder / 'source.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        for name in ('a.txt', 'b.txt'):
            archive.writestr(name, name * 10)
    return path


def _search_and_delete(project: Any, folder: Path) -> None:
    searches, name = project.host.manage.search, f's-{project.path_name}'
    if name not in searches.saved():
        constraints = [('xnat:subjectData/PROJECT', '=', project.path_name)]
        searches.save(name, 'xnat:subjectData', ['xnat:subjectData/SUBJECT_ID'], constraints)
    searches.delete(name)


WRITES = {
    'share': Write(
        'PUT',
        lambda project, folder: project.subject('S').share('OTHER', 'T'),
        lambda project, folder: 'OTHER' in [one.id() for one in project.subject('S').shares()],
    ),
    'unshare': Write(
        'DELETE',
        lambda project, folder: project.subject('SHARED').unshare('OTHER'),
        lambda project, folder: 'OTHER' not in [
            one.id() for one in project.subject('SHARED').shares()
        ],
    ),
    'unshare several': Write(
        'DELETE',
        lambda project, folder: project.subjects('SHARED').unshare('OTHER'),
        lambda project, folder: 'OTHER' not in [
            one.id() for one in project.subject('SHARED').shares()
        ],
    ),
    'share an experiment': Write(
        'PUT',
        lambda project, folder: project.subject('S').experiment('E').share('OTHER'),
        lambda project, folder: 'OTHER' in [
            one.id() for one in project.subject('S').experiment('E').shares()
        ],
    ),
    'rename': Write(
        'PUT',
        lambda project, folder: project.subject('S').rename('RENAMED'),
        lambda project, folder: project.subject('RENAMED').exists(),
    ),
    'create': Write(
        'PUT',
        lambda project, folder: project.subject('S').experiment('N').scan('1').create(),
        lambda project, folder: project.subject('S').experiment('N').scan('1').exists(),
    ),
    'delete a subject': Write(
        'DELETE',
        lambda project, folder: project.subject('S').delete(),
        lambda project, folder: not project.subject('S').exists(),
    ),
    'delete a session': Write(
        'DELETE',
        lambda project, folder: project.subject('S').experiment('E').delete(),
        lambda project, folder: not project.subject('S').experiment('E').exists(),
    ),
    'delete a scan': Write(
        'DELETE',
        lambda project, folder: project.subject('S').experiment('E').scan('1').delete(),
        lambda project, folder: not project.subject('S').experiment('E').scan('1').exists(),
    ),
    'delete a resource': Write(
        'DELETE',
        lambda project, folder: project.resource('R').delete(),
        lambda project, folder: not project.resource('R').exists(),
    ),
    'delete a file': Write(
        'DELETE',
        lambda project, folder: project.resource('R').file('old.txt').delete(),
        lambda project, folder: _names(project.resource('R')) == [],
    ),
    'delete a search': Write(
        'DELETE',
        _search_and_delete,
        lambda project, folder: f's-{project.path_name}' not in project.host.manage.search.saved(),
    ),
    'put': Write(
        'PUT',
        lambda project, folder: project.resource('R').file('new.txt').put(b'content'),
        lambda project, folder: _names(project.resource('R')) == ['new.txt', 'old.txt'],
    ),
    'put a name in a form': Write(
        'PUT',
        lambda project, folder: project.resource('R').file('é(1).txt').put(b'content'),
        lambda project, folder: len(_names(project.resource('R'))) == 2,
    ),
    'put no bytes': Write(
        'PUT',
        lambda project, folder: project.resource('R').file('empty.txt').put(b''),
        lambda project, folder: _names(project.resource('R')) == ['empty.txt', 'old.txt'],
    ),
    'put_dir': Write(
        'PUT',
        lambda project, folder: project.resource('R').put_dir(_folder(folder)),
        lambda project, folder: _names(project.resource('R')) == ['a.txt', 'b.txt', 'old.txt'],
    ),
    'put_zip': Write(
        'PUT',
        lambda project, folder: project.resource('R').put_zip(_zip(folder), extract=True),
        lambda project, folder: _names(project.resource('R')) == ['a.txt', 'b.txt', 'old.txt'],
    ),
    'put_zip as it is': Write(
        'PUT',
        lambda project, folder: project.resource('R').put_zip(_zip(folder), extract=False),
        lambda project, folder: _names(project.resource('R')) == ['old.txt', 'source.zip'],
    ),
    'put several': Write(
        'PUT',
        lambda project, folder: project.resource('R').put(sorted(_folder(folder).iterdir())),
        lambda project, folder: _names(project.resource('R')) == ['a.txt', 'b.txt', 'old.txt'],
    ),
}  # fmt: skip


@pytest.fixture
def proxy(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.001)
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def project(server: Any, proxy: FaultProxy, tmp_path: Path) -> Iterator[Any]:
    name = f'REPEATED_{next(_NUMBERS)}'
    with pyxnat.Interface(
        proxy.url, server.user, server.password, tmp_path / 'cache', retries=2
    ) as interface:
        interface.cache.expiration = 0
        found = interface.select.project(name)
        found.create()
        if not interface.select.project('OTHER').exists():
            interface.select.project('OTHER').create()
        found.subject('S').experiment('E').scan('1').create()
        found.subject('SHARED').create()
        found.subject('SHARED').share('OTHER', f'SHARED-{name[-60:]}')
        found.resource('R').file('old.txt').put(b'old')
        yield found
        proxy.faults.clear()
        found.delete()


@pytest.mark.sample(3)
@pytest.mark.parametrize('status', [502, 503, 504])
@pytest.mark.parametrize('write', WRITES)
def test_what_was_done_is_no_error(
    write: str, status: int, project: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    done = WRITES[write]
    proxy.applies = lambda method, uri: method == done.method
    proxy.faults = [done_but(status)]
    done.run(project, tmp_path)
    assert proxy.faults == []
    assert done.is_done(project, tmp_path)


@pytest.mark.parametrize('write', WRITES)
def test_what_was_not_done_is_done_by_the_next_attempt(
    write: str, project: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    done = WRITES[write]
    proxy.applies = lambda method, uri: method == done.method
    proxy.faults = [says(502)]
    done.run(project, tmp_path)
    assert done.is_done(project, tmp_path)


@pytest.mark.parametrize('write', sorted(set(WRITES) - {'create', 'rename'}))
def test_a_gateway_that_always_answers_ends_in_an_error_or_the_deed(
    write: str, project: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    done = WRITES[write]
    proxy.applies = lambda method, uri: method == done.method
    proxy.faults = [done_but(504), *[says(504)] * 2]
    try:
        done.run(project, tmp_path)
    except errors.BusyError:
        assert write in ('put_zip', 'put a name in a form')
    assert done.is_done(project, tmp_path)
    proxy.faults = [says(504)] * 3
    if write.startswith(('put', 'share')):
        return
    try:
        done.run(project, tmp_path)  # it is done already
    except errors.DatabaseError as error:
        assert isinstance(error, (errors.NotFoundError, errors.BusyError))


@pytest.mark.parametrize('fault', [says(502), done_but(502)])
def test_a_file_with_other_content_stays_a_duplicate(
    fault: Any, project: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    resource = project.resource('R')
    resource.file('a.txt').put(b'x' * 50)  # of the same size as the one of the folder
    proxy.applies = lambda method, uri: method == 'PUT'
    for run in (
        lambda: resource.file('old.txt').put(b'new'),
        lambda: resource.put_dir(_folder(tmp_path)),
    ):
        proxy.faults = [fault]
        with pytest.raises(errors.DuplicateError):
            run()
    assert Path(resource.file('old.txt').get()).read_bytes() == b'old'
    assert Path(resource.file('a.txt').get()).read_bytes() == b'x' * 50


def test_a_label_that_is_taken_stays_a_duplicate(project: Any, proxy: FaultProxy) -> None:
    other = project.host.select.project('OTHER')
    label = f'TAKEN-{project.path_name[-50:]}'
    other.subject(label).create()
    proxy.applies = lambda method, uri: method == 'PUT'
    proxy.faults = [says(502)]
    with pytest.raises(errors.DatabaseError):
        project.subject('S').share('OTHER', label)
