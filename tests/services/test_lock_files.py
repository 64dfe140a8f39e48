"""Tests of lock files: written, compared with servers and folders, fetched, exported."""

from __future__ import annotations

import csv
import json
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.services.lock import lines
from pyxnat.services.lock.lines import FileLine, Header, ItemLine, key_of
from tests.support.archive import EXAMPLES
from tests.support.unreadable import make_unreadable


@pytest.fixture
def study(project: Any) -> Any:
    """Return a project with two subjects, a session each, and files of all holders."""
    for label in ('S1', 'S2'):
        subject = project.subject(label).create(gender='female', group='ä')
        session = subject.experiment(f'{label}_MR').create(
            experiments='xnat:mrSessionData', date='2020-01-02'
        )
        session.scan('1').create(type='T1')
        for name in ('a.nii', 'b/c.nii'):
            session.scan('1').resource('NIFTI').file(name).put(f'{label} {name}'.encode())
        session.scan('1').resource('NOTES').file('n.txt').put(label.encode())
    project.resource('DOCS').file('p.txt').put(b'project')
    return project


@pytest.fixture
def lock(study: Any, tmp_path: Path) -> pyxnat.Lock:
    return study.lock(tmp_path / 'study.xnatlock', fields=['description'])


def nifti(study: Any, subject: str = 'S1') -> Any:
    return study.subject(subject).experiment(f'{subject}_MR').scan('1').resource('NIFTI')


def test_a_lock_file_is_sorted_lines_of_json(study: Any, lock: pyxnat.Lock) -> None:
    texts = lock.path.read_text(encoding='utf-8').splitlines()
    header, *rest = map(json.loads, texts)
    assert header['xnatlock'] == 1
    assert header['selection'] == [f'/projects/{study.id()}']
    assert [line['path'] for line in rest] == sorted(line['path'] for line in rest)
    files = [line['path'] for line in rest if line['kind'] == 'file']
    assert files == [
        f'{study.id()}/DOCS/p.txt',
        *(
            f'{study.id()}/{label}/{label}_MR/1/{path}'
            for label in ('S1', 'S2')
            for path in ('NIFTI/a.nii', 'NIFTI/b/c.nii', 'NOTES/n.txt')
        ),
    ]
    assert [line for line in rest if line['kind'] == 'item'] == [
        {
            'path': study.id(),
            'kind': 'item',
            'level': 'projects',
            'id': study.id(),
            'type': 'xnat:projectData',
        }
    ]


@pytest.mark.parametrize(
    ('select', 'fields', 'items'),
    [
        (lambda p: p.subjects(), ['gender', 'group'], [('S1', 'ä'), ('S2', 'ä')]),
        (lambda p: p.subject('S1'), ['group'], [('S1', 'ä')]),
        (lambda p: p.experiments(), ['date'], [('S1/S1_MR', ''), ('S2/S2_MR', '')]),
        (lambda p: p.subjects().experiments('S1*'), [], [('S1/S1_MR', '')]),
        (
            lambda p: p.experiments().scans(),
            ['type'],
            [('S1/S1_MR/1', ''), ('S2/S2_MR/1', '')],
        ),
        (lambda p: nifti(p), [], []),
    ],
)
def test_items_have_their_labels_and_fields(
    study: Any, tmp_path: Path, select: Any, fields: list[str], items: list[Any]
) -> None:
    lock = select(study).lock(tmp_path / 'x', fields=fields)
    found = [(line.path, line.fields.get('group', '')) for line in lock.items()]
    assert found == [(f'{study.id()}/{path}', group) for path, group in items]
    assert all(line.id and line.type for line in lock.items())
    assert lock.verify(study.host).is_clean
    assert any(lock.files())


def test_criteria_are_kept(study: Any, tmp_path: Path) -> None:
    criteria = [
        [('xnat:subjectData/SUBJECT_LABEL', 'IN', ['S1', 'X'])],
        [('xnat:subjectData/GENDER', '=', 'female'), ('xnat:subjectData/GENDER', '=', None), 'OR'],
        'AND',
    ]
    chosen = study.subjects().where(criteria)
    lock = chosen.lock(tmp_path / 'x')
    assert [line.path for line in lock.items()] == [f'{study.id()}/S1']
    study.subject('X').create(gender='female')
    assert lock.verify(study.host).of('new') == [f'{study.id()}/X']


@pytest.mark.parametrize(
    ('files', 'count'), [(True, 7), (False, 0), ('NIFTI', 4), (['NOTES', 'DOCS'], 3)]
)
def test_files_are_chosen_by_their_resource(
    study: Any, tmp_path: Path, files: Any, count: int
) -> None:
    lock = study.lock(tmp_path / 'x', files=files)
    assert len(list(lock.files())) == count
    assert lock.verify(study.host).is_clean


def test_changes_of_the_server_are_told_apart(study: Any, lock: pyxnat.Lock) -> None:
    project = study.id()
    nifti(study).file('a.nii').put(b'of another size', overwrite=True)
    nifti(study, 'S2').file('a.nii').put(b'S2 A.NII', overwrite=True)  # of the same size
    study.subject('S1').experiment('S1_MR').scan('1').resource('NOTES').file('n.txt').delete()
    nifti(study).file('moved.nii').put(b'S1 b/c.nii')
    nifti(study).file('b/c.nii').delete()
    study.resource('DOCS').file('q.txt').put(b'q')
    with study.host.trace() as trace:
        found = lock.verify(study.host)
    assert not any('/files/' in record.uri for record in trace)
    assert [tuple(change) for change in found] == [
        ('new', f'{project}/DOCS/q.txt', ''),
        ('changed', f'{project}/S1/S1_MR/1/NIFTI/a.nii', 'size, md5'),
        (
            'moved',
            f'{project}/S1/S1_MR/1/NIFTI/b/c.nii',
            f'{project}/S1/S1_MR/1/NIFTI/moved.nii',
        ),
        ('gone', f'{project}/S1/S1_MR/1/NOTES/n.txt', ''),
        ('changed', f'{project}/S2/S2_MR/1/NIFTI/a.nii', 'md5'),
    ]
    assert repr(found) == '<LockDiff: 4 same, 1 moved, 2 changed, 1 gone, 1 new>'
    before = lock.path.read_bytes()
    assert [*lock.update(study.host)] == [*found]
    assert lock.verify(study.host).is_clean
    assert lock.path.read_bytes() != before


def test_a_changed_field_is_a_change_of_the_item(study: Any, tmp_path: Path) -> None:
    lock = study.subjects().lock(tmp_path / 'x', fields=['group'], files=False)
    study.subject('S1').attrs.set('group', 'new')
    assert [tuple(change) for change in lock.verify(study.host)] == [
        ('changed', f'{study.id()}/S1', 'group')
    ]


def test_the_example(
    study: Any, tmp_path: Path, login: None, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(EXAMPLES / 'lock_study.py'))['main']
    path = str(tmp_path / 'study.xnatlock')
    assert main(study.id(), path) == 0
    assert capsys.readouterr().out == f'4 files locked in {path}\n'
    assert main(study.id(), path, tmp_path / 'data') == 0
    nifti(study).file('new.nii').put(b'new')
    assert main(study.id(), path, tmp_path / 'data') == 1
    assert '1 new' in capsys.readouterr().out


def test_a_fetched_folder_is_the_locked_one(study: Any, lock: pyxnat.Lock, tmp_path: Path) -> None:
    report = lock.fetch(tmp_path / 'data', study.host).check()
    assert (len(report.ok), len(report.skipped)) == (7, 0)
    found = lock.verify(tmp_path / 'data')
    assert (found.is_clean, found.same) == (True, 7)
    again = lock.fetch(tmp_path / 'data').check()  # needs no server
    assert (len(again.ok), len(again.skipped)) == (0, 7)


def test_a_folder_that_differs_is_described(study: Any, lock: pyxnat.Lock, tmp_path: Path) -> None:
    data = tmp_path / 'data'
    lock.fetch(data, study.host).check()
    images = data / study.id() / 'S1' / 'S1_MR' / '1' / 'NIFTI'
    (images / 'a.nii').write_bytes(b'X1 a.nii')
    (images / 'b' / 'c.nii').rename(images / 'd.nii')
    (data / 'own.txt').write_bytes(b'own')
    found = lock.verify(data)
    assert [change.kind for change in found] == ['changed', 'moved', 'new']
    report = lock.fetch(data, study.host).check()
    assert len(report.ok) == 2
    assert lock.verify(data).of('changed') == []


def test_files_are_linked_from_earlier_folders(
    study: Any, lock: pyxnat.Lock, tmp_path: Path
) -> None:
    study.download(tmp_path / 'early')
    damaged = next((tmp_path / 'early').rglob('p.txt'))
    damaged.write_bytes(b'PROJECT')
    with study.host.trace() as trace:
        report = lock.fetch(tmp_path / 'data', study.host, sources=[tmp_path / 'early']).check()
    assert (len(report.ok), len(report.skipped)) == (1, 6)
    assert sum('/files/' in record.uri for record in trace) <= 1
    linked = next((tmp_path / 'data').rglob('a.nii'))
    assert linked.stat().st_nlink == 2
    assert lock.verify(tmp_path / 'data').is_clean


def test_a_changed_file_is_not_fetched(study: Any, lock: pyxnat.Lock, tmp_path: Path) -> None:
    nifti(study).file('a.nii').put(b'S1 A.NII', overwrite=True)
    nifti(study).file('moved.nii').put(b'S1 b/c.nii')
    nifti(study).file('b/c.nii').delete()
    study.resource('DOCS').file('p.txt').delete()
    report = lock.fetch(tmp_path / 'data', study.host)
    assert len(report.ok) == 5
    assert {failure.what.rpartition('/')[2] for failure in report.failed} == {'a.nii', 'p.txt'}
    assert all(isinstance(failure.error, errors.LockMismatch) for failure in report.failed)
    moved = tmp_path / 'data' / study.id() / 'S1' / 'S1_MR' / '1' / 'NIFTI' / 'b' / 'c.nii'
    assert moved.read_bytes() == b'S1 b/c.nii'
    assert lock.verify(tmp_path / 'data').of('changed') == []


def test_missing_files_need_a_server(lock: pyxnat.Lock, tmp_path: Path) -> None:
    with pytest.raises(errors.ProgrammingError, match='7 files.*Interface'):
        lock.fetch(tmp_path / 'data')


@pytest.mark.parametrize('kind', ['missing', 'unreadable', 'one below'])
def test_a_folder_that_cannot_be_read_is_not_compared(
    lock: pyxnat.Lock, tmp_path: Path, kind: str
) -> None:
    if kind != 'missing':
        make_unreadable(tmp_path / 'data' / ('below' if kind == 'one below' else ''))
    with pytest.raises(OSError, match='data'):
        lock.verify(tmp_path / 'data')


def test_another_layout_is_kept(study: Any, tmp_path: Path) -> None:
    lock = study.lock(tmp_path / 'x', files='NIFTI', layout='{subject}_{scan}/{path}')
    assert lock.verify(study.host).is_clean
    lock.fetch(tmp_path / 'data', study.host).check()
    assert (tmp_path / 'data' / 'S1_1' / 'b' / 'c.nii').read_bytes() == b'S1 b/c.nii'
    assert lock.verify(tmp_path / 'data').is_clean


class TestExports:
    def test_md5sums_and_bagit(self, study: Any, lock: pyxnat.Lock, tmp_path: Path) -> None:
        lock.fetch(tmp_path / 'bag' / 'data', study.host).check()
        (manifest,) = lock.export('md5sums', tmp_path / 'sums')
        check = ['md5sum', '-c', '--strict', str(manifest)]
        assert subprocess.run(check, cwd=tmp_path / 'bag' / 'data', check=False).returncode == 0
        names = {path.name for path in lock.export('bagit', tmp_path / 'bag')}
        assert names == {'bagit.txt', 'bag-info.txt', 'manifest-md5.txt', 'fetch.txt'}
        check = ['md5sum', '-c', '--strict', 'manifest-md5.txt']
        assert subprocess.run(check, cwd=tmp_path / 'bag', check=False).returncode == 0
        lines = (tmp_path / 'bag' / 'fetch.txt').read_text().splitlines()
        assert len(lines) == 7 and all(line.split(' ')[0].startswith('http') for line in lines)

    def test_tables_have_urls_that_work(
        self, study: Any, lock: pyxnat.Lock, tmp_path: Path
    ) -> None:
        (table,) = lock.export('addurls', tmp_path)
        rows = list(csv.DictReader(table.open(encoding='utf-8')))
        server = study.host.connection.server
        for row in rows:
            content = study.host.connection.request(row['url'].removeprefix(server))
            assert len(content) == int(row['size'])
        (croissant,) = lock.export('croissant', tmp_path)
        about = json.loads(croissant.read_text(encoding='utf-8'))
        assert [file['contentUrl'] for file in about['distribution']] == [r['url'] for r in rows]
        (dvc,) = lock.export('dvc', tmp_path)
        assert dvc.read_text(encoding='utf-8').count('md5: ') == 7

    def test_another_format_is_an_error(self, lock: pyxnat.Lock, tmp_path: Path) -> None:
        with pytest.raises(errors.ProgrammingError, match='md5sums, bagit'):
            lock.export('tar', tmp_path)


HEADER = Header('http://x', ['/projects/P'], [], [], 'all', '{path}', '2026-01-01T00:00:00+00:00')
paths = st.text('ab/ä"\\', min_size=1, max_size=6)
file_lines = st.builds(
    FileLine,
    paths,
    st.one_of(st.none(), st.integers(0, 9)),
    st.sampled_from(['', '1', '2', '3']),
    st.just('/data/x'),
    st.sampled_from(['', 'place']),
)
item_lines = st.builds(
    ItemLine,
    paths,
    st.just('subjects'),
    st.just('ID'),
    st.just('t'),
    st.dictionaries(st.sampled_from('ab'), st.text('xyä', min_size=1, max_size=2), max_size=2),
)
many = st.lists(st.one_of(file_lines, item_lines), max_size=12, unique_by=key_of)


@given(many, many)
def test_lines_come_back_and_differences_are_complete(
    tmp_path_factory: pytest.TempPathFactory, old: list[Any], new: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp('lock')
    for name, content in (('old', old), ('new', new)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, '_TOGETHER', 3)
            lines.write(folder / name, HEADER, content)
        assert list(lines.read_lines(folder / name)) == sorted(content, key=key_of)
    found = pyxnat.Lock(folder / 'old').diff(folder / 'new')
    keys = {key_of(line): line for line in old}, {key_of(line): line for line in new}
    count = {what: len(found.of(what)) for what in ('gone', 'new', 'moved', 'changed')}
    assert count['gone'] + count['moved'] == len(keys[0].keys() - keys[1].keys())
    assert count['new'] + count['moved'] == len(keys[1].keys() - keys[0].keys())
    assert found.same + count['changed'] == len(keys[0].keys() & keys[1].keys())
    assert pyxnat.Lock(folder / 'old').diff(folder / 'old').is_clean
    back = pyxnat.Lock(folder / 'new').diff(folder / 'old')
    assert (len(back.of('moved')), back.same) == (count['moved'], found.same)


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{}\n',
        b'no json\n',
        b'[1]\n',
        b'{"xnatlock": 2}\n',
        b'\xff\xfe\n',
    ],
)
def test_what_is_no_lock_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'x').write_bytes(content)
    with pytest.raises(errors.DataError, match='lock file.*Write it again'):
        pyxnat.Lock(tmp_path / 'x')


@pytest.mark.parametrize(
    'line',
    [
        b'{"path": "b", "kind": "file"',
        b'{"path": "b", "kind": "file"}',
        b'{"path": "b", "kind": "other"}\n',
        b'{"path": "", "kind": "file"}\n',
        b'{"path": 3, "kind": "file"}\n',
        b'{"path": "b", "kind": "file", "size": -1}\n',
        b'{"path": "b", "kind": "file", "more": 1}\n',
        b'{"path": "a", "kind": "file", "md5": ""}\n',
        b'\n',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    lines.write(tmp_path / 'x', HEADER, [FileLine('a', 1, '', '/data/x')])
    with open(tmp_path / 'x', 'ab') as file:
        file.write(line)
    with pytest.raises(errors.DataError, match='line 3'):
        list(pyxnat.Lock(tmp_path / 'x').lines())


def test_two_items_of_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match='a is twice'):
        lines.write(tmp_path / 'x', HEADER, [FileLine('a', 1, '', ''), FileLine('a', 2, '', '')])
    assert not (tmp_path / 'x').exists()


@pytest.mark.parametrize('files', ['', 'a,b', [], ['all'], 'none'])
def test_wrong_resources_are_refused(study: Any, tmp_path: Path, files: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='labels of resources'):
        study.lock(tmp_path / 'x', files=files)


def test_saved_criteria_cannot_be_locked(study: Any, tmp_path: Path) -> None:
    with pytest.raises(errors.ProgrammingError, match='saved search'):
        study.subjects().where(query='mine').lock(tmp_path / 'x')
