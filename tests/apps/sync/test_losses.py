"""Tests of pushes that would lose data in other two-way tools, and of races with other programs."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.remote_side import RemoteSide
from tests.conftest import ROOT

from .test_pull import pulled
from .test_push import equal, pushed


def test_what_is_equal_without_a_base_is_recorded(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    for project in (here, there):
        project.subject('S').experiment('E').scan('7').create(type='T1')
        project.subject('S').resource('R').file('a.txt').put(b'a')
    pulled(mirror)
    here.subject('S').experiment('E').scan('7').delete()
    here.subject('S').resource('R').file('a.txt').delete()
    assert pulled(mirror).ok == [], 'the deletions stay'
    assert sorted(pushed(mirror, delete=True)) == ['delete', 'remove']
    assert equal(mirror, xnat, there.id())


def test_a_lost_state_pushes_nothing_before_a_pull(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, tmp_path: Path
) -> None:
    here.subject('S').attrs.set('group', 'mine')
    here.subject('S').experiment('E').scan('1').delete()
    name = there.id()
    mirror.close()
    shutil.rmtree(tmp_path / 'study' / 'mirror')
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as again:
        assert pushed(again, delete=True) == []
        again.pull(f'/projects/{name}')
        again.push(delete=True)
        assert there.subject('S').experiment('E').scan('1').exists()
        again.resolve(again.conflicts(), 'local')
        again.push()
        pulled(again)
        assert equal(again, xnat, name)
        assert there.subject('S').attrs.get('group') == 'mine'


def test_an_emptied_folder_deletes_nothing_at_the_server(
    mirror: pyxnat.Mirror, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    for subject in here.subjects():
        subject.delete()
    with pytest.raises(errors.DataError, match='2 of 2 subjects'):
        mirror.push(delete=True)
    assert len(there.subjects().get()) == 2
    assert pushed(mirror, delete=True, max_delete=1) == ['delete', 'delete']
    assert there.subjects().get() == []


@pytest.mark.sample(2)
@pytest.mark.parametrize('first', 'AZ')
def test_too_many_deletions_in_one_project_stop_a_push_before_it_sends_anything(
    first: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    other = xnat.select.project(f'{first}{there.id()}').create()
    for name in ('T', 'U'):
        other.subject(name).create()
    pulled(mirror, f'/projects/{other.id()}')
    here.subject('S').attrs.set('group', 'mine')
    for subject in mirror.local.select.project(other.id()).subjects():
        subject.delete()
    with pytest.raises(errors.DataError, match='2 of 2 subjects'):
        mirror.push(delete=True)
    assert there.subject('S').attrs.get('group') == ''
    assert pushed(mirror) == ['change']


@pytest.mark.parametrize(
    'options', [{'files': 'none'}, {'where': [('xnat:subjectData/GENDER', '=', 'male')]}]
)
@pytest.mark.sample(2)
def test_a_selective_mirror_deletes_only_what_it_had(
    options: Any, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    there = xnat.select.project(P)
    there.subject('M').create(gender='male').resource('R').file('m.txt').put(b'm')
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}', **options)
        mirror.local.select.project(P).subject('M').attrs.set('group', 'mine')
        assert pushed(mirror, delete=True) == ['change']
    assert sorted(there.subjects().get('label')) == ['M', 'S']
    files = xnat.select(f'/projects/{P}//files')
    assert len(list(files)) == 6


def test_the_first_push_into_an_empty_project(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{project.id()}')
        here = mirror.local.select.project(project.id())
        here.subject('S').experiment('E').scan('1').create(type='T1')
        here.subject('S').experiment('E').scan('1').resource('R').file('a.txt').put(b'a')
        assert pushed(mirror) == ['create', 'create', 'create', 'send']
        assert equal(mirror, xnat, project.id())


def test_a_subject_in_another_project_is_neither_deleted_nor_copied(
    mirror: pyxnat.Mirror, here: Any, there: Any, P: str
) -> None:
    mirror.local.put(f'/data/projects/{P}_2').raise_for_status()
    here.subject('S').experiment('E').share(f'{P}_2', primary=True)
    here.subject('S').share(f'{P}_2', primary=True)
    report = mirror.push(delete=True)
    assert [str(one.error) for one in report.failed if 'another project' in str(one.error)]
    assert there.subject('S').experiment('E').exists()


# -- races -----------------------------------------------------------------------------------------


def between(monkeypatch: Any, name: str, change: Any) -> None:
    """Let another program change the server right before a request of a push."""
    method = getattr(RemoteSide, name)

    def racing(self: Any, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(RemoteSide, name, method)
        change()
        return method(self, *arguments, **options)

    monkeypatch.setattr(RemoteSide, name, racing)


@pytest.mark.sample(2)
@pytest.mark.parametrize('is_new', [True, False])
def test_a_file_that_another_program_wrote_meanwhile_is_a_conflict(
    is_new: bool, mirror: pyxnat.Mirror, here: Any, there: Any, monkeypatch: Any
) -> None:
    name = 'new.txt' if is_new else 'T1.nii.gz'
    files = [
        project.subject('S').experiment('E').scan('1').resource('NIFTI').file(name)
        for project in (here, there)
    ]
    files[0].put(b'mine', overwrite=True)
    between(
        monkeypatch,
        'put_file' if is_new else 'check_unchanged',
        lambda: files[1].put(b'theirs', overwrite=True),
    )
    report = mirror.push()
    assert len(report.failed) == 1
    assert [Path(file.get()).read_bytes() for file in files] == [b'mine', b'theirs']
    assert [one.kind for one in mirror.conflicts()] == ['file']


@pytest.mark.sample(2)
@pytest.mark.parametrize('field', ['group', 'src'])
def test_a_field_that_reads_otherwise_than_it_was_sent_is_a_conflict(
    field: str, mirror: pyxnat.Mirror, here: Any, there: Any, monkeypatch: Any
) -> None:
    here.subject('S').attrs.set('group', 'mine')
    here.subject('S').resource('R').file('a.txt').put(b'a')
    change = RemoteSide.change

    def overtaken(self: Any, *arguments: Any) -> None:
        change(self, *arguments)
        there.subject('S').attrs.set(field, 'theirs')

    monkeypatch.setattr(RemoteSide, 'change', overtaken)
    mirror.push()
    assert here.subject('S').attrs.get('group') == 'mine'
    assert [one.kind for one in mirror.conflicts()] == (['item'] if field == 'group' else [])


# -- on a cluster ----------------------------------------------------------------------------------

JOB = """
import sys
import pyxnat
folder, project, task = sys.argv[1:]
with pyxnat.open(folder) as study:
    for scan in study.select(f'/projects/{project}/subjects/*/experiments/*/scans'):
        if int(scan.id()) % 2 == int(task):
            scan.resource('MASK').file('mask.nii').put(b'mask of ' + scan.id().encode())
            scan.attrs.set('note', 'masked')
"""


def test_an_array_job_writes_its_results_into_one_folder(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, tmp_path: Path
) -> None:
    for number in range(2, 5):
        there.subject('S').experiment('E').scan(str(number)).create(type='T1')
    pulled(mirror)
    mirror.close()
    jobs = [
        subprocess.Popen(
            [sys.executable, '-c', JOB, tmp_path / 'study', there.id(), task], cwd=ROOT
        )
        for task in ('0', '1')
    ]
    assert [job.wait(120) for job in jobs] == [0, 0]
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as again:
        steps = pushed(again)
        assert (steps.count('send'), steps.count('change')) == (4, 4)
        assert equal(again, xnat, there.id())


def test_the_example(
    server: Any, xnat: pyxnat.Interface, P: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    for name, value in (('HOST', server.url), ('USER', server.user), ('PASS', server.password)):
        monkeypatch.setenv(f'XNAT_{name}', value)
    main = runpy.run_path(str(ROOT / 'examples' / 'mirror_study.py'))['main']
    folder = str(tmp_path / 'example')
    assert main(['pull', folder, P, '--files', 'NIFTI']) == 0
    assert main(['work', folder, P]) == 0
    assert main(['push', folder]) == 0
    assert 'send ' in capsys.readouterr().out
    assert main(['work', folder, P]) == main(['push', folder]) == 0
    assert 'nothing to push' in capsys.readouterr().out
    sizes = xnat.select.project(P).subject('S').experiment('E').scan('1').resource('FILE_SIZES')
    lines = Path(sizes.file('sizes.txt').get()).read_text().splitlines()
    assert sorted(line.partition(' ')[0] for line in lines) == ['T1.nii.gz', 'sub/dir/x.json']
