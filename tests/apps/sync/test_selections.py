"""Tests of the selections of a mirror: what later pulls bring, and with which files."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.puller import Puller
from pyxnat.apps.sync.sides import always_fresh

from .test_pull import content, pulled
from .test_push import pushed


@pytest.fixture
def mirror(tmp_path: Path, xnat: pyxnat.Interface) -> Iterator[pyxnat.Mirror]:
    """Return a mirror that has nothing yet."""
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as opened:
        yield opened


@pytest.fixture
def there(xnat: pyxnat.Interface, P: str) -> Any:
    """Return a project with subjects of both genders, and a file of each."""
    project = xnat.select.project(P)
    for label, gender in (('A', 'male'), ('B', 'female'), ('C', 'male')):
        project.subject(label).create(gender=gender)
        project.subject(label).resource('R').file('a.txt').put(label.encode())
    project.resource('R').file('p.txt').put(b'p')
    return project


def labels(mirror: pyxnat.Mirror, project: str) -> list[str]:
    return sorted(mirror.local.select.project(project).subjects().get('label'))


def with_files(mirror: pyxnat.Mirror, project: str) -> list[str]:
    here = mirror.local.select.project(project)
    found = [one.label() for one in here.subjects() if one.resources().files().get()]
    return sorted(found) + [here.id()] * bool(here.resources().files().get())


# -- files of each subject -------------------------------------------------------------------------


@pytest.mark.sample(2)
@pytest.mark.parametrize('path', ['subjects/B', 'subjects/B*'])
def test_a_pull_of_one_subject_changes_the_files_of_no_other(
    path: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}', files='none')
    pulled(mirror, f'/projects/{P}/{path}', files='all')
    assert with_files(mirror, P) == ['B']
    pulled(mirror)
    with xnat.trace() as trace:
        assert pulled(mirror).ok == []
    assert len(trace) < 10, 'two selections'
    there.subject('B').resource('R').file('b.txt').put(b'b')
    there.subject('C').resource('R').file('b.txt').put(b'b')
    there.subject('B2').create().resource('R').file('a.txt').put(b'a')
    pulled(mirror)
    assert with_files(mirror, P) == ['B', 'B2'] if path.endswith('*') else ['B']
    assert len(mirror.local.select(f'/projects/{P}/subjects/B//files').get()) == 2
    pulled(mirror, f'/projects/{P}', files='all')
    assert content(mirror.local, P) == content(xnat, P)
    assert pulled(mirror).ok == []


def test_other_files_of_an_interrupted_pull_are_pulled_by_the_next(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str, monkeypatch: Any
) -> None:
    pulled(mirror, f'/projects/{P}', files='none')
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Puller, 'apply', _interrupted)
        mirror.pull(f'/projects/{P}', files='all')
    pulled(mirror)
    assert content(mirror.local, P) == content(xnat, P)


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize('wanted', ['none', 'lazy', 'R', ['R', 'Q'], 'all'], ids=str)
@pytest.mark.parametrize('path', ['', 'subjects/N*', 'subjects/A'])
@pytest.mark.sample(5)
def test_a_subject_of_the_folder_gets_the_files_of_its_selection(
    path: str, wanted: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    there.subject('N1').create()
    pulled(mirror, f'/projects/{P}/{path}'.rstrip('/'), files=wanted)
    before = len(mirror._state.selections())
    new = mirror.local.select.project(P).subject('NEW')
    new.create()
    for text in (b'first', b'second'):
        new.resource('MINE').file('a.txt').put(text, overwrite=True)
        new.resource('R').file('a.txt').put(text, overwrite=True)
        assert pushed(mirror)[-2:] == ['send', 'send']
        assert mirror.status() == ([], [], [])
    for label in ('MINE', 'R'):
        file = there.subject('NEW').resource(label).file('a.txt')
        assert Path(file.get()).read_bytes() == b'second'
        there.subject('NEW').resource(label).file('large.txt').put(b'large')
    pulled(mirror)
    has = {label: new.resource(label).file('large.txt').exists() for label in ('MINE', 'R')}
    assert has == {
        'MINE': wanted in ('lazy', 'all'),
        'R': wanted != 'none',
    }
    new.resource('MINE').file('a.txt').delete()
    assert pushed(mirror, delete=True) == ['remove']
    assert not there.subject('NEW').resource('MINE').file('a.txt').exists()
    assert len(mirror._state.selections()) == before


def test_a_file_that_no_pull_compares_is_named_if_both_sides_changed_it(
    mirror: pyxnat.Mirror, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}', files='none')
    mine = mirror.local.select.project(P).subject('A').resource('MINE').file('a.txt')
    mine.put(b'mine')
    assert pushed(mirror) == ['send']
    file = there.subject('A').resource('MINE').file('a.txt')
    file.put(b'theirs', overwrite=True)
    mine.put(b'mine again', overwrite=True)
    [failed] = mirror.push().failed
    assert 'both sides changed the file' in str(failed)
    assert Path(file.get()).read_bytes() == b'theirs'
    assert [one.kind for one in mirror.pull(f'/projects/{P}', files='MINE').conflicts] == ['file']
    mirror.resolve(mirror.conflicts(), 'local')
    assert pushed(mirror) == ['send']
    assert Path(file.get()).read_bytes() == b'mine again'


# -- subjects --------------------------------------------------------------------------------------

GENDER = 'xnat:subjectData/GENDER'
MANY = datetime.date(1990, 1, 1), datetime.datetime(1990, 1, 1, 12, 30)


@pytest.mark.parametrize(
    ('where', 'found'),
    [
        ([(GENDER, 'IN', ['male', 'unknown'])], ['A', 'C']),
        ([(GENDER, 'IN', ('male', 'other'))], ['A', 'C']),
        ([(GENDER, '=', 'male'), [('xnat:subjectData/LABEL', '=', 'A')], 'AND'], ['A']),
        ([[(GENDER, '=', 'male')], [(GENDER, '=', 'female')], 'OR'], ['A', 'B', 'C', 'S']),
        ([('xnat:subjectData/INSERT_DATE', '>', MANY[0])], ['A', 'B', 'C', 'S']),
        ([('xnat:subjectData/INSERT_DATE', 'BETWEEN', (*MANY[:1], datetime.date(1991, 1, 1)))], []),
        ([('xnat:subjectData/LABEL', 'LIKE', 'A%')], ['A']),
        ([('xnat:subjectData/demographics/age', '=', None)], ['A', 'B', 'C', 'S']),
        (f'{GENDER} IN (male, unknown)', ['A', 'C']),
    ],
    ids=str,
)
@pytest.mark.sample(9)
def test_criteria_are_read_back(
    where: Any, found: list[str], mirror: pyxnat.Mirror, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}', where=where)
    assert labels(mirror, P) == found
    there.subject('A2').create(gender='male')
    selected = there.subjects().where(where).get('label')
    pulled(mirror)
    assert labels(mirror, P) == sorted(selected)


@pytest.mark.sample(3)
@pytest.mark.parametrize('selected', ['subjects/A', 'subjects/A*', 'where'])
def test_a_subject_that_both_sides_created_is_compared_whatever_is_selected(
    selected: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    where = [('xnat:subjectData/LABEL', '=', 'A')] if selected == 'where' else None
    path = f'/projects/{P}' if where else f'/projects/{P}/{selected}'
    pulled(mirror, path, where=where)
    mirror.local.select.project(P).subject('B').create(gender='female')
    mirror.local.select.project(P).subject('C').create(gender='female')
    assert pushed(mirror) == []
    assert [one.ours['/demographics/gender'] for one in mirror.pull().conflicts] == ['female']
    assert labels(mirror, P) == ['A', 'B', 'C']
    mirror.resolve(mirror.conflicts(), 'remote')
    pulled(mirror)
    assert mirror.local.select.project(P).subject('B').id() == there.subject('B').id()
    assert mirror.local.select.project(P).subject('C').attrs.get('gender') == 'male'
    assert with_files(mirror, P) == ['A', 'B', 'C', P]
    assert mirror.status() == ([], [], [])


def test_criteria_hold_for_a_single_subject(mirror: pyxnat.Mirror, there: Any, P: str) -> None:
    for label, gender in (('A', 'female'), ('B', 'female'), ('C', 'female')):
        pulled(mirror, f'/projects/{P}/subjects/{label}', where=[(GENDER, '=', gender)])
    assert labels(mirror, P) == ['B']
    there.subject('C').attrs.set('gender', 'female')
    pulled(mirror)
    assert labels(mirror, P) == ['B', 'C']


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    'options', [{'files': 'none'}, {'files': ['R']}, {'where': [(GENDER, '=', 'male')]}]
)
def test_options_of_a_path_need_one(
    options: Any, mirror: pyxnat.Mirror, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    with pytest.raises(errors.ProgrammingError, match='those of a path'):
        mirror.pull(**options)


# -- what cannot be pulled any more ----------------------------------------------------------------


@pytest.fixture
def others(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str) -> tuple[str, str]:
    """Pull the project between two others; return their IDs."""
    names = f'A_{P}', f'Z_{P}'
    for name in names:
        xnat.put(f'/data/projects/{name}').raise_for_status()
        xnat.select.project(name).subject('X').create()
    for name in (names[0], P, names[1]):
        pulled(mirror, f'/projects/{name}')
    return names


@pytest.mark.sample(2)
@pytest.mark.parametrize('max_delete', [0.1, 1])
def test_a_project_that_is_gone_does_not_stop_the_others(
    max_delete: float, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, others: Any, P: str
) -> None:
    before = content(mirror.local, P)
    xnat.select.project(P).delete()
    for name in others:
        xnat.select.project(name).subject('NEW').create()
    report = mirror.pull(max_delete=max_delete)
    assert [one.what for one in report.failed] == [f'/projects/{P}']
    assert content(mirror.local, P) == before
    assert all(labels(mirror, name) == ['NEW', 'X'] for name in others)
    assert mirror.status().behind == [f'projects/{P}']
    mirror.forget(f'/projects/{P}')
    assert all(note.startswith(f'{P} ') for note in pulled(mirror).notes)
    assert mirror.status().behind == []
    assert content(mirror.local, P) == before


def test_a_project_deleted_in_the_folder_does_not_stop_a_push(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, others: Any, P: str
) -> None:
    mirror.local.select.project(P).delete()
    for name in others:
        mirror.local.select.project(name).subject('X').attrs.set('group', 'mine')
    for delete in (False, True):
        report = mirror.push(delete=delete, max_delete=1)
        assert [(one.what, f"forget('/projects/{P}')" in str(one)) for one in report.failed] == [
            (f'projects/{P}', True)
        ]
    for name in others:
        assert xnat.select.project(name).subject('X').attrs.get('group') == 'mine'
    mirror.forget(f'/projects/{P}')
    assert pushed(mirror, delete=True, max_delete=1) == []
    assert len(xnat.select.project(P).subjects().get()) == 4


@pytest.mark.parametrize('path', ['', 'subjects/A', 'subjects/*'])
@pytest.mark.parametrize('meanwhile', ['', 'changed', 'deleted', 'pulled'])
@pytest.mark.sample(10)
def test_a_project_deleted_in_the_folder_comes_back_if_it_is_named(
    meanwhile: str,
    path: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    others: Any,
    there: Any,
    P: str,
) -> None:
    there.subject('S').share(others[1], 'SHARED')
    foreign = xnat.select.project(others[1]).subject('X')
    foreign.share(P, 'FOREIGN')
    own = there.subject('FOREIGN').experiment('OWN').create(experiments='xnat:mrSessionData')
    own.scan('1').create(type='T1').resource('R').file('a.txt').put(b'a')
    pulled(mirror)
    mirror.local.select.project(P).subject('A').attrs.set('group', 'lost with it')
    mirror.local.select.project(P).delete()
    if meanwhile == 'changed':
        there.subject('A').attrs.set('group', 'changed')
        there.subject('D').create()
    if meanwhile == 'deleted':
        there.subject('B').delete()
        there.subject('C').delete()
    if meanwhile == 'pulled':
        foreign.attrs.set('group', 'changed')
        foreign.host.select.project(others[0]).subject('X').attrs.set('group', 'changed')
    for _ in range(2):
        report = pulled(mirror)
        [note] = [one for one in report.notes if 'was deleted in the folder' in one]
        assert f"pull('/projects/{P}')" in note and f"forget('/projects/{P}')" in note
        assert not mirror.local.select.project(P).exists()
    place = f'/projects/{P}/{path}'.rstrip('/')
    planned = mirror.pull(place, dry_run=True).ok
    assert not mirror.local.select.project(P).exists()
    report = pulled(mirror, place)
    assert set(planned) <= set(report.ok) and report.deleted == []
    pulled(mirror, f'/projects/{P}')
    pulled(mirror)
    for name in (P, *others):
        assert content(mirror.local, name) == content(xnat, name)
    assert mirror.status() == ([], [], []) and pushed(mirror, delete=True) == []


def test_a_project_that_others_show_and_that_was_deleted_comes_back_with_these(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    name = f'Q_{P}'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    there.subject('S').share(name, 'SHARED')
    pulled(mirror, f'/projects/{name}')
    before = content(mirror.local, P)
    mirror.local.select.project(P).delete()
    [failed] = mirror.push().failed
    assert f"forget('/projects/{P}')" in str(failed)
    [note] = pulled(mirror).notes
    assert note.endswith(f"pull('/projects/{name}') brings it back")
    pulled(mirror, f'/projects/{name}')
    assert content(mirror.local, P) == before
    assert content(mirror.local, name) == content(xnat, name)
    mirror.local.select.project(P).delete()
    mirror.forget(f'/projects/{P}')
    assert pushed(mirror) == []


def test_a_single_subject_that_was_deleted_is_deleted_in_the_folder(
    mirror: pyxnat.Mirror, there: Any, P: str
) -> None:
    for label in 'AB':
        pulled(mirror, f'/projects/{P}/subjects/{label}')
    there.subject('A').delete()
    assert len(pulled(mirror).deleted) == 1
    assert labels(mirror, P) == ['B'] and pulled(mirror).deleted == []
    there.subject('A').create()
    pulled(mirror)
    assert labels(mirror, P) == ['A', 'B']


@pytest.mark.sample(5)
@pytest.mark.parametrize(
    ('path', 'where'),
    [
        ('subjects/TYPO', None),
        ('subjects/S[01]', None),
        ('', [('xnat:subjectData/NOPE', '=', '1')]),
        ('', 'garbage ='),
        ('', [(GENDER, 'IN', object())]),
    ],
)
def test_a_selection_that_fails_is_not_stored(
    path: str, where: Any, mirror: pyxnat.Mirror, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}/subjects/A')
    with pytest.raises(errors.DatabaseError):
        mirror.pull(f'/projects/{P}/{path}'.rstrip('/'), where=where)
    assert pulled(mirror).ok == []
    assert labels(mirror, P) == ['A']


def test_a_forgotten_path_is_not_pulled(mirror: pyxnat.Mirror, there: Any, P: str) -> None:
    for label in ('A', 'B*'):
        pulled(mirror, f'/projects/{P}/subjects/{label}')
    pulled(mirror, f'projects/{P}/subjects/B*/')
    mirror.forget(f'/data/projects/{P}/subjects/B*')
    there.subject('B2').create()
    there.subject('B').attrs.set('group', 'changed')
    pulled(mirror)
    assert labels(mirror, P) == ['A', 'B']
    assert mirror.local.select.project(P).subject('B').attrs.get('group') == 'changed'
    with pytest.raises(errors.DataError, match=rf'Pulled were: /projects/{P}/subjects/A\.'):
        mirror.forget(f'/projects/{P}')


# -- threads ---------------------------------------------------------------------------------------


def test_blocks_without_stored_answers_may_overlap(xnat: pyxnat.Interface) -> None:
    barrier = Barrier(4)
    before = xnat.cache.expiration

    def run(number: int) -> list[float | None]:
        seen = []
        for _ in range(20):
            barrier.wait(60)
            with always_fresh(xnat):
                time.sleep(0.002 * (number % 2))
                seen.append(xnat.cache.expiration)
        return seen

    with ThreadPoolExecutor(4) as pool:
        found = [one for seen in pool.map(run, range(4)) for one in seen]
    assert set(found) == {0}
    assert xnat.cache.expiration == before


# -- files of the folder that no pull compares -----------------------------------------------------


@pytest.mark.parametrize('done', ['new', 'changed', 'deleted'])
@pytest.mark.parametrize('files', ['none', 'OTHER', ['OTHER', 'DATA'], 'all'])
@pytest.mark.sample(12)
def test_a_pull_forgets_no_change_of_files_that_it_does_not_compare(
    files: Any, done: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    pulled(mirror, f'/projects/{P}', files=files)
    pulled(mirror)
    here = mirror.local.select.project(P).subject('A').resource('R')
    if done == 'new':
        here.file('sub/new.txt').put(b'mine')
    elif done == 'changed':
        here.file('a.txt').put(b'mine', overwrite=True)
    else:
        here.file('a.txt').delete()
    for _ in range(2):
        there.subject('A').attrs.set('group', 'new')
        assert pulled(mirror).conflicts == []
        assert len(mirror.status().ahead) == 1
    assert pushed(mirror, delete=True) == ['remove' if done == 'deleted' else 'send']
    assert content(mirror.local, P) == content(xnat, P)
    assert mirror.status() == ([], [], [])
    assert pulled(mirror).ok == [] == pushed(mirror)


@pytest.mark.sample(2)
@pytest.mark.parametrize('files', ['none', 'OTHER'])
def test_files_that_were_pulled_before_are_deleted_with_their_items(
    files: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    pulled(mirror, f'/projects/{P}', files=files)
    there.subject('S').experiment('E').scan('1').delete()
    there.subject('S').experiment('E').assessor('A').delete()
    pulled(mirror)
    assert content(mirror.local, P) == content(xnat, P)
    assert mirror.status() == ([], [], [])
    assert pushed(mirror, delete=True) == []
