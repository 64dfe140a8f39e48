"""Tests of writes of other programs to the folder while a pull compares and writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.http.folder import Folder

from .test_pull import pulled

FORM = {'content-type': 'application/json'}


@pytest.fixture
def other(mirror: pyxnat.Mirror) -> Iterator[pyxnat.Interface]:
    """Return the folder as another program opens it."""
    with pyxnat.open(mirror.folder) as opened:
        yield opened


@contextmanager
def before_each(
    monkeypatch: pytest.MonkeyPatch, name: str, run: Callable[[str], object]
) -> Iterator[None]:
    """Run code right before each call of a method of the folder; it gets the arguments as text."""
    real = getattr(Folder, name)

    def call(self: Folder, *arguments: Any) -> Any:
        run(str(arguments))
        return real(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Folder, name, call)
        yield


class Writes:
    """Writes of another program, each to a subject of its own, once in its pull."""

    def __init__(self, interface: pyxnat.Interface, P: str) -> None:
        self.interface = interface
        self.project = interface.select.project(P)
        self.todo: dict[str, str] = {}
        """ID of a subject -> the write."""
        self.done: dict[str, Any] = {}
        """ID of a subject -> what the folder has after it."""

    def names(self) -> list[str]:
        return sorted(name.removeprefix('do_') for name in dir(self) if name.startswith('do_'))

    def __call__(self, arguments: str) -> None:
        for name, write in list(self.todo.items()):
            if not any(one in arguments for one in (name, f"/{write}'", f'_{write}/')):
                continue
            del self.todo[name]
            getattr(self, f'do_{write}')(self.project.subject(name))
            self.done[name] = self.state(name)

    def state(self, name: str) -> Any:
        """Return what these writes change of a subject."""
        subject, _exec = self.project.subject(name), self.interface.connection.request
        if not subject.exists():
            return None
        session = subject.experiment(f'E_{subject.label()}')
        forms = f'/xapi/custom-fields/subjects/{name}/fields'
        return {
            'label': subject.label(),
            'fields': subject.attrs.mget(['handedness', 'yob', 'src']),
            'forms': json.loads(_exec(forms)),
            'note': session.attrs.get('note') if session.exists() else None,
            'scans': sorted(scan.id() for scan in session.scans()) if session.exists() else [],
            'files': {
                file.attributes()['Name']: Path(file.get()).read_bytes()
                for file in self.interface.select(
                    f'/projects/{self.project.id()}/subjects/{name}//files'
                )
            },
        }

    # -- the kinds of writes

    def do_field(self, subject: Any) -> None:
        subject.attrs.set('handedness', 'left')

    def do_years(self, subject: Any) -> None:
        subject.attrs.mset({'yob': '1950', 'src': 'mine'})

    def do_session_field(self, subject: Any) -> None:
        subject.experiment(f'E_{subject.label()}').attrs.set('note', 'mine')

    def do_form(self, subject: Any) -> None:
        uri = f'/xapi/custom-fields/subjects/{subject.id()}/fields'
        self.interface.connection.request(uri, 'PUT', b'{"mine": 1}', FORM)

    def do_rename(self, subject: Any) -> None:
        subject.attrs.set('label', f'{subject.label()}_mine')

    def do_scan(self, subject: Any) -> None:
        subject.experiment(f'E_{subject.label()}').scan('9').create(scans='xnat:mrScanData')

    def do_session(self, subject: Any) -> None:
        subject.experiment(f'N_{subject.label()}').create(experiments='xnat:mrSessionData')

    def do_overwrite(self, subject: Any) -> None:
        subject.resource('R').file('a.txt').put(b'mine!', overwrite=True)

    def do_longer_file(self, subject: Any) -> None:
        subject.resource('R').file('a.txt').put(b'mine, and longer', overwrite=True)

    def do_new_file(self, subject: Any) -> None:
        subject.resource('R').file('new.txt').put(b'mine')

    def do_overwrite_in_session(self, subject: Any) -> None:
        session = subject.experiment(f'E_{subject.label()}')
        session.scan('1').resource('R').file('b.txt').put(b'mine!', overwrite=True)


@pytest.fixture
def writes(other: pyxnat.Interface, P: str) -> Writes:
    return Writes(other, P)


@pytest.fixture
def subjects(writes: Writes, mirror: pyxnat.Mirror, there: Any) -> dict[str, Any]:
    """Return a pulled subject of the server for each kind of write, by its ID."""
    for name in writes.names():
        subject = there.subject(name).create(group='before')
        session = subject.experiment(f'E_{name}').create(experiments='xnat:mrSessionData')
        session.scan('1').create(scans='xnat:mrScanData')
        session.scan('1').resource('R').file('b.txt').put(b'there')
        subject.resource('R').file('a.txt').put(b'there')
    pulled(mirror)
    return {subject.id(): subject for subject in there.subjects() if subject.label() != 'S'}


def kept(mirror: pyxnat.Mirror, writes: Writes, at_least: int) -> list[str]:
    """Check that the folder has all that was written; return the subjects with conflicts."""
    assert not writes.todo and len(writes.done) >= at_least
    for name, state in writes.done.items():
        assert writes.state(name) == state, name
    found = mirror.status(ask_remote=False)
    conflicts = {one.unit.rpartition('/')[2] for one in found.conflicts}
    known = ' '.join([*found.ahead, *(one.key for one in found.conflicts)])
    for name in writes.done:
        sessions = [one.id() for one in writes.project.subject(name).experiments()]
        assert any(one in known for one in (name, *sessions)), (name, known)
    return sorted(conflicts)


def test_fields_of_others_are_merged(
    mirror: pyxnat.Mirror,
    writes: Writes,
    subjects: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, subject in subjects.items():
        writes.todo[name] = subject.label()
        subject.attrs.set('group', 'there')
    with before_each(monkeypatch, 'put_exact', writes):
        report = mirror.pull()
    assert report.failed == [] and report.conflicts == []
    assert kept(mirror, writes, len(subjects)) == []
    groups = {name: writes.project.subject(name).attrs.get('group') for name in subjects}
    assert set(groups.values()) == {'there'}, groups
    mirror.push().check()
    pulled(mirror)
    assert mirror.status() == ([], [], [])


FILES = ['overwrite', 'longer_file', 'new_file', 'overwrite_in_session', 'session_field']


@pytest.mark.parametrize('content', [b'there', b'x', b'new there, and longer'])
def test_files_of_others_are_not_replaced(
    mirror: pyxnat.Mirror,
    writes: Writes,
    subjects: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    used = {name: one for name, one in subjects.items() if one.label() in FILES}
    for name, subject in used.items():
        writes.todo[name] = subject.label()
        session = subject.experiment(f'E_{subject.label()}')
        subject.resource('R').file('a.txt').put(content[::-1], overwrite=True)
        subject.resource('R').file('new.txt').put(content)
        session.scan('1').resource('R').file('b.txt').put(content[::-1], overwrite=True)
    with before_each(monkeypatch, 'put_files', writes):
        report = mirror.pull()
    assert report.failed == []
    for name, subject in used.items():
        here, file = writes.state(name)['files'], FILE_OF.get(subject.label(), 'none')
        assert {path: text for path, text in here.items() if path == file} == {
            path: text for path, text in writes.done[name]['files'].items() if path == file
        }
        theirs = {'a.txt', 'new.txt', 'b.txt'} - {file}
        assert all(here[path] in (content, content[::-1]) for path in theirs)
    conflicts = {one.unit.rpartition('/')[2] for one in mirror.conflicts()}
    assert conflicts == {name for name, one in used.items() if one.label() in FILE_OF}


FILE_OF = {
    'overwrite': 'a.txt',
    'longer_file': 'a.txt',
    'new_file': 'new.txt',
    'overwrite_in_session': 'b.txt',
}


def test_files_of_others_are_not_deleted(
    mirror: pyxnat.Mirror,
    writes: Writes,
    subjects: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = {name: one for name, one in subjects.items() if one.label() in FILES[:2]}
    for name, subject in used.items():
        writes.todo[name] = subject.label()
        subject.resource('R').file('a.txt').delete()
    with before_each(monkeypatch, 'delete_files', writes):
        assert mirror.pull().failed == []
    assert kept(mirror, writes, 2) == sorted(used)


@pytest.mark.parametrize('what', ['scan', 'session', 'subject'])
def test_items_with_new_work_of_others_are_not_deleted(
    mirror: pyxnat.Mirror,
    writes: Writes,
    subjects: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    inside = {
        'scan': ['overwrite_in_session'],
        'session': ['overwrite_in_session', 'session_field', 'scan'],
        'subject': [name for name in writes.names() if name != 'rename'],
    }[what]
    used = {name: one for name, one in subjects.items() if one.label() in inside}
    for name, subject in used.items():
        writes.todo[name] = subject.label()
        session = subject.experiment(f'E_{subject.label()}')
        {'scan': session.scan('1'), 'session': session, 'subject': subject}[what].delete()
    here = {
        session.id(): name
        for name in used
        for session in writes.project.subject(name).experiments()
    }

    def write(text: str) -> None:
        writes(' '.join([text, *(name for one, name in here.items() if one in text)]))

    with before_each(monkeypatch, 'delete_item', write):
        assert mirror.pull(max_delete=1).failed == []
    assert kept(mirror, writes, len(inside)) == sorted(used)


def test_new_subjects_of_others_are_not_replaced(
    mirror: pyxnat.Mirror, other: pyxnat.Interface, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = other.select.project(there.id())

    def write(text: str) -> None:
        if 'TWIN' in text and not here.subject('TWIN').exists():
            here.subject('TWIN').create(handedness='left')

    there.subject('TWIN').create(handedness='right')
    with before_each(monkeypatch, 'create_items', write):
        assert mirror.pull().failed == []
    assert here.subject('TWIN').attrs.get('handedness') == 'left'
    assert [one.reason for one in mirror.conflicts()] == ['created on both sides']


def test_a_unit_that_others_change_again_and_again_is_left_to_the_next_pull(
    mirror: pyxnat.Mirror, other: pyxnat.Interface, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, years = other.select.project(there.id()).subject('S'), iter(range(1900, 2000))

    def write(text: str) -> None:
        here.attrs.set('yob', str(next(years)))

    there.subject('S').attrs.set('group', 'there')
    with before_each(monkeypatch, 'put_exact', write):
        report = mirror.pull()
    assert [type(error) for _, error in report.failed] == [pyxnat.errors.BusyError]
    year = here.attrs.get('yob')
    assert year == str(next(years) - 1) and mirror.status().behind
    pulled(mirror)
    assert here.attrs.mget(['group', 'yob']) == ['there', year]


def test_lazy_files_do_not_replace_those_of_others(
    mirror: pyxnat.Mirror, other: pyxnat.Interface, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.subject('S').resource('LAZY').file('a.txt').put(b'there')
    pulled(mirror, f'/projects/{there.id()}', files='lazy')
    here = other.select.project(there.id()).subject('S').resource('LAZY').file('a.txt')

    def write(text: str) -> None:
        here.put(b'mine!', overwrite=True)

    file = mirror.local.select.project(there.id()).subject('S').resource('LAZY').file('a.txt')
    with before_each(monkeypatch, 'put_files', write), pytest.raises(pyxnat.errors.Error):
        file.get()
    assert Path(file.get()).read_bytes() == b'mine!'
