"""Tests of pulls from an embedded archive into a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.file_rows import Files
from pyxnat.apps.sync.sides import Side, always_fresh
from pyxnat.http import transport
from pyxnat.model.copies import values_of
from pyxnat.server import serve

ROOT = Path(__file__).parents[3]
MR = 'xnat:mrSessionData'


@pytest.fixture
def mirror(tmp_path: Path, xnat: pyxnat.Interface) -> Iterator[pyxnat.Mirror]:
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as opened:
        yield opened


def pulled(mirror: pyxnat.Mirror, *arguments: Any, **options: Any) -> Any:
    report = mirror.pull(*arguments, **options)
    report.check()
    return report


def content(xnat: pyxnat.Interface, project: str) -> Any:
    """Return the fields of all items of a project, and the digests of its files."""
    side, found = Side(xnat), {}
    with always_fresh(xnat):
        for unit, _ in side.units(project).values():
            items = {key: part.values for key, part in side.parts(unit).items()}
            files = side.files(unit, Files.of('all'), items)
            found[unit.key] = (
                items,
                {key: (file.values('digest'), file.notes) for key, file in files.items()},
            )
    return found


def test_a_pulled_project_is_equal_and_a_second_pull_costs_four_listings(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    xnat.select.project(P).attrs.set('description', 'a & <b>')
    xnat.select.project(P).resource('R').file('with blank.txt').put(b'r')
    subject = xnat.select.project(P).subject('S')
    subject.attrs.set('xnat:subjectData/fields/field[name=smoker]/field', 'no')
    report = pulled(mirror, f'/projects/{P}')
    assert len(report.ok) == 2 and report.bytes > 2000 and report.notes == []
    assert content(mirror.local, P) == content(xnat, P)
    assert not mirror.status().ahead and not mirror.status().behind
    with xnat.trace() as trace:
        report = pulled(mirror)
    assert len(trace) == 4 and report.ok == [] and len(report.skipped) == 2
    session = mirror.local.select.project(P).subject('S').experiment('E')
    assert session.id() == xnat.select.project(P).subject('S').experiment('E').id()
    women = mirror.local.select(f'/projects/{P}/subjects').where(
        [('xnat:subjectData/GENDER', '=', 'female')]
    )
    assert women.get() == [subject.id()]


def test_changes_of_the_server_are_taken(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    project = xnat.select.project(P)
    subject, session = project.subject('S'), project.subject('S').experiment('E')
    field = 'xnat:subjectData/fields/field[name=smoker]/field'
    subject.attrs.mset({field: 'yes', 'group': 'g'})
    pulled(mirror, f'/projects/{P}')
    subject.attrs.mset({field: 'no', 'group': None})
    session.attrs.set('label', 'RENAMED')
    session = subject.experiment('RENAMED')
    session.scan('2').create(type='T2')
    session.scan('1').resource('NIFTI').file('T1.nii.gz').put(b'shorter', overwrite=True)
    session.resource('BBRC_VALIDATOR').delete()
    session.assessor('A').delete()
    session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '0'}
    )
    project.subject('NEW').create(gender='male')
    assert len(mirror.status().behind) >= 1
    pulled(mirror)
    assert content(mirror.local, P) == content(xnat, P)
    assert mirror.status() == ([], [], [])


def test_a_moved_session_keeps_its_id(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    project = xnat.select.project(P)
    project.subject('A').create()
    pulled(mirror, f'/projects/{P}')
    before = project.subject('S').experiment('E').id()
    xnat.connection.request(f'/data/projects/{P}/subjects/A/experiments/E?xsiType={MR}', 'PUT')
    pulled(mirror)
    assert content(mirror.local, P) == content(xnat, P)
    assert mirror.local.select.project(P).subject('A').experiments().get() == [before]


def test_changes_of_the_folder_stay_and_merge_by_field(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    here.attrs.set('handedness', 'left')
    here.experiment('MINE').create(experiments=MR)
    here.resource('MINE').file('a.txt').put(b'mine')
    there.attrs.set('gender', 'male')
    there.experiment('E').scan('3').create(type='T3')
    key = f'subjects/{there.id()}'
    assert key in mirror.status().ahead and len(mirror.status().ahead) == 3
    report = pulled(mirror)
    assert report.conflicts == [] and mirror.status().behind == []
    assert here.attrs.mget(['gender', 'handedness']) == ['male', 'left']
    assert here.experiment('E').scan('3').exists() and here.experiment('MINE').exists()
    assert here.experiment('MINE').id().startswith('LOCAL_E')
    assert here.resource('MINE').file('a.txt').exists()
    assert len(mirror.status().ahead) == 3, 'they are still ahead'


def test_the_same_field_of_both_sides_is_a_conflict_of_that_item_only(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    for side, hand, text in ((there, 'left', b'there'), (here, 'ambidextrous', b'here!')):
        side.attrs.set('handedness', hand)
        side.experiment('E').scan('1').resource('NIFTI').file('T1.nii.gz').put(text, overwrite=True)
    there.experiment('E').attrs.set(f'{MR}/note', 'taken')
    report = pulled(mirror)
    assert [(one.kind, one.reason) for one in report.conflicts] == [
        ('item', 'changed on both sides'),
        ('file', 'changed on both sides'),
    ]
    assert here.attrs.get('handedness') == 'ambidextrous'
    assert here.experiment('E').attrs.get(f'{MR}/note') == 'taken'
    file = here.experiment('E').scan('1').resource('NIFTI').file('T1.nii.gz')
    assert Path(file.get()).read_bytes() == b'here!'
    ours, theirs = mirror.conflicts()[1].ours, mirror.conflicts()[1].theirs
    assert ('left' in str(theirs) and 'ambidextrous' in str(ours)) or 'digest' in ours
    here.attrs.set('handedness', 'left')
    file.put(b'there', overwrite=True)
    assert pulled(mirror).conflicts == [] == mirror.conflicts(), 'equal sides are no conflict'
    assert mirror.status() == ([], [], [])


FILES = [
    'resources/R/files/a.txt',
    'subjects/S/experiments/E/scans/1/resources/NIFTI/files/T1.nii.gz',
    'subjects/S/experiments/E/assessors/A/out/resources/R/files/o.txt',
]


@pytest.mark.sample(2)
@pytest.mark.parametrize('place', FILES)
def test_a_file_that_keeps_its_size_was_changed_in_the_folder(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, place: str
) -> None:
    file = f'/projects/{P}/{place}'
    xnat.select(file).put(b'one', overwrite=True)
    pulled(mirror, f'/projects/{P}')
    mirror.local.select(file).put(b'two', overwrite=True)
    assert len(mirror.status().ahead) == 1
    assert mirror.push().failed == []
    assert Path(xnat.select(file).get()).read_bytes() == b'two'
    assert mirror.status() == ([], [], [])


@pytest.mark.sample(2)
@pytest.mark.parametrize('place', FILES)
def test_a_file_that_keeps_its_size_was_changed_at_the_server(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, place: str
) -> None:
    file = f'/projects/{P}/{place}'
    xnat.select(file).put(b'one', overwrite=True)
    pulled(mirror, f'/projects/{P}')
    xnat.select(file).put(b'two', overwrite=True)
    changed = mirror.pull(dry_run=True).ok
    assert len(changed) == 1 and mirror.status() == ([], changed, [])
    report = pulled(mirror)
    assert len(report.ok) == 1 and report.bytes == 3 and report.notes == []
    assert mirror.status() == ([], [], [])
    assert content(mirror.local, P) == content(xnat, P)
    with xnat.trace() as trace:
        assert pulled(mirror).ok == []
    assert len(trace) == 4


def test_changes_that_cannot_be_read_are_noted_and_all_files_can_be_compared(
    tmp_path: Path,
) -> None:
    with (
        serve(tmp_path / 'archive', durable=False, require_login=False) as server,
        pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'cache') as xnat,
        pyxnat.Interface(server.url, anonymous=True, cachedir=tmp_path / 'guest') as guest,
        pyxnat.Mirror(tmp_path / 'study', remote=guest) as mirror,
    ):
        xnat.put('/data/projects/P?accessibility=public')
        file = '/projects/P/subjects/S/resources/R/files/a.txt'
        xnat.select(file).put(b'one')
        assert "check='files'" in pulled(mirror, '/projects/P').notes[0]
        xnat.select(file).put(b'two', overwrite=True)
        assert pulled(mirror).ok == []
        assert len(pulled(mirror, check='files').ok) == 1
        assert Path(mirror.local.select(file).get()).read_bytes() == b'two'


@pytest.mark.sample(3)
@pytest.mark.parametrize('side', ['there', 'here'])
def test_deleted_on_one_side_and_changed_on_the_other(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, side: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    one, other = (there, here) if side == 'there' else (here, there)
    one.experiment('E').delete()
    other.experiment('E').scan('1').attrs.set('quality', 'questionable')
    report = mirror.pull()
    assert report.conflicts and other.experiment('E').scan('1').exists()
    assert one.experiments().get() == []
    assert {conflict.reason.partition(',')[0] for conflict in mirror.conflicts()} == {
        f'deleted {side}'
    }


def test_a_deleted_subject_leaves_a_tombstone_unless_it_was_changed(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    project, here = xnat.select.project(P), mirror.local.select.project(P)
    for label in ('A', 'B'):
        project.subject(label).create()
    pulled(mirror, f'/projects/{P}')
    project.subject('A').delete()
    [key] = pulled(mirror).deleted
    assert mirror.deleted() == {key: 'A'}
    assert sorted(here.subjects().get('label')) == ['B', 'S']
    here.subject('B').attrs.set('group', 'mine')
    project.subject('B').delete()
    report = mirror.pull()
    assert report.deleted == [] and len(report.conflicts) == 1
    assert here.subject('B').exists()


def test_many_missing_subjects_stop_the_pull(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    project = xnat.select.project(P)
    project.subject('A').create()
    pulled(mirror, f'/projects/{P}')
    for subject in project.subjects():
        subject.delete()
    with pytest.raises(errors.DataError, match='2 of 2 subjects .* are missing'):
        mirror.pull(f'/projects/{P}')
    assert [one.what for one in mirror.pull().failed] == [f'/projects/{P}']
    assert len(mirror.local.select.project(P).subjects().get()) == 2
    assert len(mirror.pull(max_delete=1).deleted) == 2
    assert mirror.local.select.project(P).subjects().get() == []


def test_a_project_that_cannot_be_read_any_more_is_no_deletion(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    pulled(mirror, f'/projects/{P}')
    xnat.select.project(P).delete()
    with pytest.raises(errors.NotFoundError):
        mirror.pull(f'/projects/{P}')
    assert [one.what for one in mirror.pull(max_delete=1).failed] == [f'/projects/{P}']
    assert mirror.local.select.project(P).subject('S').exists()


def test_an_empty_project(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any) -> None:
    name = project.id()
    assert len(pulled(mirror, f'/projects/{name}').ok) == 1
    project.subject('S').create()
    assert len(pulled(mirror).ok) == 1
    assert content(mirror.local, name) == content(xnat, name)


def test_a_selective_mirror_takes_nothing_for_deleted(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    project, here = xnat.select.project(P), mirror.local.select.project(P)
    project.subject('MAN').create(gender='male')
    where = [('xnat:subjectData/GENDER', '=', 'female')]
    pulled(mirror, f'/projects/{P}', where=where, files='none')
    assert here.subjects().get('label') == ['S']
    assert mirror.local.select(f'/projects/{P}/subjects/S//files').get() == []
    assert pulled(mirror).deleted == [] and mirror.status() == ([], [], [])
    pulled(mirror, f'/projects/{P}/subjects/S', files='NIFTI')
    assert len(mirror.local.select(f'/projects/{P}/subjects/S//files').get()) == 2
    pulled(mirror, f'/projects/{P}', files=lambda row: row['Name'].endswith('.pdf'))
    assert len(mirror.local.select(f'/projects/{P}/subjects/S//files').get()) == 3
    failures = mirror.pull().failed
    assert any('function' in str(one.error) for one in failures)
    assert len(pulled(mirror, f'/projects/{P}').ok) > 0
    assert content(mirror.local, P) == content(xnat, P)


def test_a_dry_run_changes_nothing(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str) -> None:
    report = mirror.pull(f'/projects/{P}', dry_run=True)
    assert len(report.ok) == 2 and mirror.local.select.projects().get() == []
    assert mirror.status() == ([], [], [])


@pytest.mark.parametrize('path', ['/projects/*', '/projects/P/subjects/S/experiments', '/nothing'])
def test_a_path_that_cannot_be_pulled(mirror: pyxnat.Mirror, path: str) -> None:
    with pytest.raises(errors.ProgrammingError):
        mirror.pull(path)


def test_the_state_may_be_lost(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    pulled(mirror, f'/projects/{P}')
    here = mirror.local.select.project(P).subject('S')
    here.attrs.set('group', 'mine')
    mirror.close()
    shutil.rmtree(tmp_path / 'study' / 'mirror')
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as again:
        report = again.pull(f'/projects/{P}')
        assert [one.reason for one in report.conflicts] == ['created on both sides']
        assert here.attrs.get('group') == 'mine'
        xnat.select.project(P).subject('S').experiment('E').scan('1').attrs.set('note', 'new')
        again.pull()
        assert here.experiment('E').scan('1').attrs.get('note') == 'new', 'equal items have a base'


def test_the_mirror_knows_its_server(
    mirror: pyxnat.Mirror, server: Any, P: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(mirror, f'/projects/{P}')
    monkeypatch.setenv('XNAT_HOST', server.url)
    monkeypatch.setenv('XNAT_USER', server.user)
    monkeypatch.setenv('XNAT_PASS', server.password)
    with pyxnat.Mirror(tmp_path / 'study') as again, again.remote:
        assert again.status() == ([], [], []) and server.url in repr(again)
    other = pyxnat.Interface('http://localhost:9', 'me', 'secret')
    with pytest.raises(errors.ConfigurationError, match='use another folder'):
        pyxnat.Mirror(tmp_path / 'study', remote=other)
    with pytest.raises(errors.ConfigurationError, match='has no server yet'):
        _ = pyxnat.Mirror(tmp_path / 'new').remote


def test_a_folder_that_is_served_is_not_written(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    mirror.close()
    with (
        serve(tmp_path / 'study', durable=False),
        pytest.raises(errors.ConfigurationError, match='stop the server'),
    ):
        mirror.pull(f'/projects/{P}')


def test_offline_nothing_is_sent(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(mirror, f'/projects/{P}')
    monkeypatch.setattr(transport, 'BACKOFF_S', 0)
    with xnat.trace() as trace:
        assert mirror.status(ask_remote=False).ahead == []
        assert len(mirror.local.select(f'/projects/{P}/subjects/*/experiments/*//files').get()) == 5
    assert len(trace) == 0


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='signals')
@pytest.mark.sample(4)
@pytest.mark.parametrize('part', [0.1, 0.3, 0.5, 0.8])
def test_a_killed_pull_is_finished_by_the_next(
    server: Any, xnat: pyxnat.Interface, P: str, tmp_path: Path, part: float
) -> None:
    code = """
        import os, signal, sys, pyxnat
        url, password, folder, project, at = sys.argv[1:]
        seen = []
        def hook(event, arguments):
            if event in ('sqlite3.connect', 'os.rename', 'os.mkdir'):
                seen.append(event)
                if len(seen) == int(at):
                    os.kill(os.getpid(), signal.SIGKILL)
        mirror = pyxnat.Mirror(folder, remote=pyxnat.Interface(url, 'admin', password))
        sys.addaudithook(hook)
        mirror.pull(f'/projects/{project}')
        print(len(seen))
        """

    def run(folder: str, at: int) -> subprocess.CompletedProcess[str]:
        arguments = (server.url, server.password, str(tmp_path / folder), P, str(at))
        return subprocess.run(
            [sys.executable, '-c', textwrap.dedent(code), *arguments],
            cwd=ROOT,
            env={**os.environ, 'PYXNAT_CACHEDIR': str(tmp_path / f'{folder} cache')},
            timeout=60,
            stdout=subprocess.PIPE,
            text=True,
        )

    for label in ('A', 'B'):
        xnat.select.project(P).subject(label).resource('R').file('a.txt').put(label.encode())
    events = int(run('whole', 0).stdout)
    assert run('study', max(1, round(part * events))).returncode == -signal.SIGKILL
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        report = pulled(mirror, f'/projects/{P}')
        assert report.conflicts == []
        assert content(mirror.local, P) == content(xnat, P)
        assert mirror.status() == ([], [], [])


def test_documents_are_restricted_to_fields() -> None:
    from pyxnat.model.copies import keep_fields

    text = b'<a x="1" y="2"><b name="k">t</b><b name="l" z="3">u</b><c><d>v</d></c></a>'
    assert values_of(keep_fields(text, ['/@x', '/b[l]/@z'])) == {
        '/@x': '1',
        '/b[l]/@name': 'l',
        '/b[l]/@z': '3',
    }
    assert values_of(keep_fields(text, values_of(text))) == values_of(text)
