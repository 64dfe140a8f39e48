"""Tests of writes of other programs while a pull or resolution compares and writes the folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.apps.sync.state import Conflict
from pyxnat.http.folder import Folder, FolderHttp

from .conflicts import KINDS, create, session
from .test_pull import content, pulled
from .test_push import equal

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


@pytest.mark.sample(3)
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
@pytest.mark.sample(3)
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


# -- resolutions


@contextmanager
def before_write(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[], object], uri: str = ''
) -> Iterator[list[str]]:
    """Run code once, right before the first write to the folder; yield the names of the writes.

    Of requests, those alone count whose URI has a text.
    """
    writes: list[str] = []

    def is_write(name: str, arguments: tuple[Any, ...]) -> bool:
        return name != 'request' or (arguments[1] == 'PUT' and uri in arguments[0])

    def patch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            if is_write(name, arguments):
                writes.append(name)
                if len(writes) == 1:
                    run()
            return real(self, *arguments, **options)

        patched.setattr(owner, name, call)

    with monkeypatch.context() as patched:
        for name in ('put_exact', 'change_id', 'set_shares', 'delete_item'):
            patch(Folder, name)
        patch(FolderHttp, 'request')
        yield writes


def _note(subject: Any, name: str) -> None:
    one = session(subject, name)
    one.attrs.set(f'{one.datatype()}/note', 'mine')


def _file(item: Any) -> None:
    item.resource('R').file('a.txt').put(b'mine!!', overwrite=True)


MEANWHILE: dict[tuple[str, str], Callable[[Any], object]] = {
    ('field', 'both'): lambda subject: subject.attrs.set('src', 'mine'),
    ('scan', 'both'): lambda subject: session(subject).scan('1_local').create(note='mine'),
    ('file', 'both'): lambda subject: (
        session(subject).resource('R').file('a_local.txt').put(b'mine!!')
    ),
    ('new subject', 'local'): lambda subject: (
        subject.parent().subject(f'{subject.path_name}_new').attrs.set('src', 'mine')
    ),
    ('new session', 'remote'): lambda subject: _note(subject, 'N'),
    ('new session', 'both'): lambda subject: session(subject, 'N').attrs.set('label', 'mine'),
    ('new type', 'remote'): lambda subject: _file(session(subject, 'N')),
    ('new type', 'both'): lambda subject: session(subject, 'N').attrs.set('label', 'mine'),
    ('scan type', 'remote'): lambda subject: _file(session(subject).scan('1')),
    ('subject gone', 'remote'): lambda subject: _file(session(subject)),
    ('label of new', 'remote'): lambda subject: _file(session(subject, 'L')),
    ('label of new', 'both'): lambda subject: session(subject, 'L').attrs.set('label', 'mine'),
    ('label of renamed', 'both'): lambda subject: session(subject, 'L').attrs.set('label', 'mine'),
}
"""Kind of conflict and how it ends -> what another program writes then."""

SINCE: dict[str, Callable[[Any], object]] = {
    'new type': lambda subject: _file(session(subject, 'N')),
    'scan type': lambda subject: _file(session(subject).scan('1')),
    'subject gone': lambda subject: _file(session(subject)),
    'session gone': lambda subject: _file(session(subject)),
    'scan gone': lambda subject: _file(session(subject).scan('1')),
    'label of new': lambda subject: _file(session(subject, 'L')),
}
"""Kind of conflict whose end deletes something -> what is written there after it was found."""


def conflict_of(kind: str, mirror: pyxnat.Mirror, there: Any) -> list[Conflict]:
    """Make a conflict of subject K; return all of it."""
    create(there, 'K')
    pulled(mirror)
    for side, project in (
        ('there', there),
        ('here', mirror.local.select.project(there.id())),
    ):
        KINDS[kind].change(project.subject('K'), side)
    assert not mirror.pull(max_delete=1).failed
    return mirror.conflicts()


def has_mine(mirror: pyxnat.Mirror, project: str) -> bool:
    text = str(content(mirror.local, project))
    return 'mine' in text or md5(b'mine!!', usedforsecurity=False).hexdigest() in text


def settle(mirror: pyxnat.Mirror, take: Any) -> None:
    for _ in range(3):
        mirror.pull(max_delete=1)
        mirror.resolve(mirror.conflicts(), take)
        mirror.pull(max_delete=1)
        mirror.push(delete=True, max_delete=1)


@pytest.mark.parametrize(('kind', 'take'), MEANWHILE)
@pytest.mark.sample(7)
def test_a_resolution_replaces_nothing_that_others_write_meanwhile(
    kind: str,
    take: Any,
    mirror: pyxnat.Mirror,
    other: pyxnat.Interface,
    xnat: pyxnat.Interface,
    there: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conflicts = conflict_of(kind, mirror, there)
    subject = other.select.project(there.id()).subject('K')
    with (
        before_write(monkeypatch, lambda: MEANWHILE[kind, take](subject)) as writes,
        pytest.raises(pyxnat.errors.DataError, match='was changed since the conflict was found'),
    ):
        mirror.resolve(conflicts, take)
    assert writes and has_mine(mirror, there.id())
    assert {one.key for one in conflicts} & {one.key for one in mirror.conflicts()}
    settle(mirror, take)
    assert equal(mirror, xnat, there.id())


@pytest.mark.parametrize('when', ['before', 'meanwhile'])
@pytest.mark.parametrize('kind', SINCE)
@pytest.mark.sample(12)
def test_a_resolution_deletes_nothing_that_was_written_since_its_conflict_was_found(
    kind: str,
    when: str,
    mirror: pyxnat.Mirror,
    other: pyxnat.Interface,
    xnat: pyxnat.Interface,
    there: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conflicts = conflict_of(kind, mirror, there)
    todo = [other.select.project(there.id()).subject('K')]

    def write(text: str) -> None:
        while todo:
            SINCE[kind](todo.pop())

    if when == 'before':
        write('')
    with (
        before_each(monkeypatch, 'item_marks', write),
        pytest.raises(pyxnat.errors.DataError, match='was changed since the conflict was found'),
    ):
        mirror.resolve(conflicts, 'remote')
    mirror.pull(max_delete=1)
    assert not todo and has_mine(mirror, there.id()) and mirror.conflicts()
    settle(mirror, 'remote')
    assert equal(mirror, xnat, there.id()) and not has_mine(mirror, there.id())


# -- moves


@pytest.mark.sample(2)
@pytest.mark.parametrize('what', ['subject', 'session'])
def test_a_moved_subject_keeps_the_label_that_others_give_meanwhile(
    what: str,
    mirror: pyxnat.Mirror,
    other: pyxnat.Interface,
    xnat: pyxnat.Interface,
    there: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = f'{there.id()}_2'
    xnat.put(f'/data/projects/{second}').raise_for_status()
    pulled(mirror, f'/projects/{second}')
    create(there, 'K')
    pulled(mirror)
    for one in there.subject('K').experiments():
        one.share(second, primary=True)
    there.subject('K').share(second, primary=True)
    subject = other.select.project(there.id()).subject('K')
    item = {'subject': subject, 'session': session(subject)}[what]
    name = item.id()
    label_of = f'/data/{item.level.plural}/{name}?label=mine'

    def rename() -> None:
        other.put(label_of).raise_for_status()

    with before_write(monkeypatch, rename, uri=f'/{name}/projects/') as writes:
        pulled(mirror)
    assert writes
    labels = [
        *other.select(f'/projects/{second}/subjects').get('label'),
        *other.select(f'/projects/{second}/experiments').get('label'),
    ]
    assert 'mine' in labels
    mirror.push().check()
    pulled(mirror)
    assert mirror.status() == ([], [], [])
    assert content(mirror.local, second) == content(xnat, second)
