"""Tests of copies between two archives on real sockets: complete, resumed, refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

import pyxnat
from pyxnat import errors
from pyxnat.apps.copying import copy_items
from pyxnat.apps.copying.stage import refresh
from pyxnat.apps.copying.state import CopiedId, CopyState, Unit, open_state
from pyxnat.services.bulk.members import members_of
from pyxnat.services.bulk.upload import Uploader
from tests.conftest import DEEP
from tests.support.faults import Exchange, FaultProxy, reset, reset_after, says
from tests.support.plain import Client
from tests.support.random_projects import NUMBERS, build, differences, projects, state
from tests.support.waiting import GENEROUS_S, wait_until


@pytest.fixture
def study(project: Any) -> Any:
    """Return a project of three subjects with a session each, with scans and files."""
    for number in range(1, 4):
        subject = project.subject(f'S{number}').create(gender='female', yob=str(1950 + number))
        session = subject.experiment(f'S{number}_MR').create(
            experiments='xnat:mrSessionData', date='2020-01-02'
        )
        session.scan('1').create(type='T1')
        session.scan('1').resource('NIFTI').file('a.nii').put(b'image %d' % number)
        session.assessor(f'S{number}_QC').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        )
    project.resource('NOTES').file('n.txt').put(b'note')
    return project


@pytest.fixture
def target(dest: pyxnat.Interface, study: Any) -> Any:
    """Return a project of the other archive that does not exist yet."""
    return dest.select.project(f'{study.id()}_C')


@settings(max_examples=100 if DEEP else 3, phases=[Phase.explicit, Phase.generate])
@given(projects)
def test_a_copied_project_is_the_same_and_has_nothing_to_do_again(
    xnat: pyxnat.Interface,
    dest: pyxnat.Interface,
    tmp_path_factory: pytest.TempPathFactory,
    wanted: dict[str, Any],
) -> None:
    name = f'COPY{next(NUMBERS)}'
    for interface in (xnat, dest):
        interface.select.project(f'{name}_O').create()
    project = build(xnat, name, wanted, xnat.select.project(f'{name}_O'))
    folder = tmp_path_factory.mktemp('copy')
    report = copy_items(project, dest.select.project(name), state=folder).check()
    assert len(report.ok) == len(wanted['subjects'])
    assert differences(state(dest, name), state(xnat, name)) == {}
    again = copy_items(project, dest.select.project(name), state=folder).check()
    assert (again.ok, len(again.skipped)) == ([], len(wanted['subjects']))


@pytest.mark.sample(2)
@pytest.mark.parametrize('has_state', [True, False])
def test_ids_of_both_sites_are_reported_and_kept(
    study: Any, target: Any, tmp_path: Path, has_state: bool
) -> None:
    folder = tmp_path / 'state' if has_state else None
    report = copy_items(study, target, state=folder).check()
    expected = {
        (level, element.id()): getattr(target, level[:-1])(element.label()).id()
        for level in ('subjects', 'experiments')
        for element in getattr(study, level)()
    }
    assert {key: own for key, own in report.ids.items() if key[0] != 'assessors'} == expected
    assert sum(level == 'assessors' for level, _ in report.ids) == 3
    if folder is not None:
        lines = (folder / 'ids.tsv').read_text().splitlines()
        assert lines[0].split('\t') == ['level', 'label', 'source', 'dest']
        assert len(lines) == 1 + len(report.ids)
        assert list((folder / 'stage').iterdir()) == []


def test_a_changed_subject_alone_is_copied_again(
    study: Any, target: Any, tmp_path: Path, xnat: pyxnat.Interface
) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    session = study.subject('S2').experiment('S2_MR')
    session.scan('1').resource('NIFTI').file('b.nii').put(b'new')
    with xnat.trace() as source, target.host.trace() as other:
        report = copy_items(study, target, state=tmp_path / 'state').check()
    assert [uri.rpartition('/')[2] for uri in report.ok] == [study.subject('S2').id()]
    assert (report.files, len(report.skipped)) == (1, 2)
    assert target.subject('S2').experiment('S2_MR').scan('1').resource('NIFTI').files().get() == [
        'a.nii',
        'b.nii',
    ]
    assert source.requests < 20, source
    assert other.requests < 20, other


SESSIONS = {
    'all': lambda study, other: study.experiments(),
    'some': lambda study, other: study.subjects().experiments('S2*'),
    'one': lambda study, other: study.subject('S2').experiment('S2_MR'),
    'shared': lambda study, other: other,
}


@pytest.mark.parametrize('selection', SESSIONS)
@pytest.mark.parametrize('change', ['none', 'file', 'field', 'assessor', 'deleted there'])
@pytest.mark.sample(6)
def test_a_changed_session_alone_is_copied_again(
    study: Any, target: Any, tmp_path: Path, selection: str, change: str
) -> None:
    other = study.host.select.project(f'{study.id()}_SHARING').create()
    session = study.subject('S2').experiment('S2_MR')
    for name in ('S1', 'S2'):
        study.subject(name).experiment(f'{name}_MR').share(other.id())
    study.subject('S1').experiment('S1_PET').create(experiments='xnat:petSessionData')
    target.create()
    source = SESSIONS[selection](study, other)
    first = copy_items(source, target, state=tmp_path / 'state').check()
    if change == 'file':
        session.scan('1').resource('NIFTI').file('b.nii').put(b'new')
    elif change == 'field':
        session.scan('1').attrs.set('note', 'new')
    elif change == 'assessor':
        session.assessor('S2_QC').delete()
    elif change == 'deleted there':
        target.subject('S2').experiment('S2_MR').delete()
    report = copy_items(source, target, state=tmp_path / 'state').check()
    expected = [] if change == 'none' else [session.id()]
    assert [uri.rpartition('/')[2] for uri in report.ok] in (expected, ['S2_MR'] * len(expected))
    assert len(report.ok + report.skipped) == len(first.ok)
    assert target.subject('S2').experiment('S2_MR').scan('1').exists()


OF_PROJECT = {
    'content': lambda study, target: (
        study.resource('NOTES').file('n.txt').put(b'NOTE', overwrite=True)
    ),
    'new file': lambda study, target: study.resource('NOTES').file('m.txt').put(b'm'),
    'field': lambda study, target: study.attrs.set('description', 'new'),
    'deleted there': lambda study, target: target.resource('NOTES').file('n.txt').delete(),
    'resource deleted there': lambda study, target: target.resource('NOTES').delete(),
    'field there': lambda study, target: target.attrs.set('description', 'other'),
}


@pytest.mark.parametrize('again', [True, False])
@pytest.mark.parametrize('change', OF_PROJECT)
@pytest.mark.sample(12)
def test_the_own_fields_and_files_of_a_project_are_copied_again(
    study: Any, target: Any, tmp_path: Path, change: str, again: bool
) -> None:
    if change == 'content' and not again:
        pytest.skip('XNAT marks no change of a file that keeps its size')
    study.attrs.set('description', 'old')
    copy_items(study, target, state=tmp_path / 'state').check()
    OF_PROJECT[change](study, target)
    copy_items(study, target, state=tmp_path / 'state', again=again, overwrite=True).check()
    assert target.attrs.get('description') == study.attrs.get('description')
    found = [
        {file.path_name: file.row['digest'] for file in one.resource('NOTES').files()}
        for one in (study, target)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ('clear', 'note'),
    [
        (lambda project: project.resource('NOTES').file('m.txt').delete(), '1 files in'),
        (lambda project: project.resource('MORE').delete(), 'resources/MORE'),
        (lambda project: project.attrs.set('description', None), 'description'),
    ],
)
@pytest.mark.sample(3)
def test_what_the_destination_has_alone_of_a_project_is_noted(
    study: Any, target: Any, tmp_path: Path, clear: Any, note: str
) -> None:
    study.attrs.set('description', 'text')
    for name in ('NOTES', 'MORE'):
        study.resource(name).file('m.txt').put(b'm')
    assert copy_items(study, target, state=tmp_path / 'state').check().notes == []
    clear(study)
    report = copy_items(study, target, state=tmp_path / 'state').check()
    assert len(report.notes) == 1 and note in report.notes[0]
    assert copy_items(study, target, state=tmp_path / 'state').check().notes == []


def test_a_second_run_asks_for_the_listings_alone(
    study: Any, target: Any, tmp_path: Path, xnat: pyxnat.Interface
) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    xnat.cache.clear()
    with xnat.trace() as source, target.host.trace() as other:
        copy_items(study, target, state=tmp_path / 'state').check()
    assert source.requests <= 4, source
    assert other.requests <= 4, other


CHANGED = {
    '/subjects/S2': 'group',
    '/subjects/S2/experiments/S2_MR': 'note',
    '/subjects/S2/experiments/S2_MR/scans/1': 'quality',
}
"""Place of an element in a project -> a field."""


@pytest.mark.sample(3)
@pytest.mark.parametrize('place', CHANGED)
def test_a_change_of_another_program_that_the_cache_hides_is_copied(
    study: Any, target: Any, tmp_path: Path, server: Any, place: str
) -> None:
    study.host.cache.expiration = 3600
    copy_items(study, target, state=tmp_path / 'state').check()
    client = Client(server, server.user, server.password)
    client.ok('PUT', f'{study.uri}{place}?{CHANGED[place]}=new')
    client.close()
    report = copy_items(study, target, state=tmp_path / 'state', overwrite=True).check()
    assert (len(report.ok), len(report.skipped)) == (1, 2)
    copy = target.host.select(f'/projects/{target.path_name}{place}')
    assert copy.attrs.get(CHANGED[place]) == 'new'


def test_an_interrupted_copy_goes_on(study: Any, target: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'state'
    second = study.subject('S2').experiment('S2_MR').scan('1').resource('NIFTI').file('a.nii')
    path = (
        target.create().subject('S2').experiment('S2_MR').create(experiments='xnat:mrSessionData')
    )
    path.scan('1').create(type='T1').resource('NIFTI').file('a.nii').put(b'of others')
    report = copy_items(study, target, state=folder, merge=True)
    assert (len(report.ok), len(report.failed)) == (2, 1)
    assert 'S2' in str(report.failed[0]) or 'XNAT_S' in report.failed[0].what
    assert list((folder / 'stage').iterdir()) == []
    assert path.scan('1').resource('NIFTI').file('a.nii').get_copy() is not None
    report = copy_items(study, target, state=folder, overwrite=True).check()
    assert (len(report.ok), len(report.skipped)) == (1, 2)
    copied = path.scan('1').resource('NIFTI').file('a.nii').get(tmp_path / 'copied')
    assert Path(copied).read_bytes() == Path(second.get(tmp_path / 'source')).read_bytes()


@pytest.mark.parametrize('gone', ['a.nii', 'b.nii', ''])
@pytest.mark.parametrize('level', ['subject', 'session', 'resource'])
@pytest.mark.sample(3)
def test_a_staged_download_loses_the_files_that_the_source_has_no_more(
    study: Any, tmp_path: Path, level: str, gone: str
) -> None:
    resource = study.experiment('S1_MR').scan('1').resource('NIFTI')
    resource.file('b.nii').put(b'b')
    element = {
        'subject': study.subject('S1'),
        'session': study.experiment('S1_MR'),
        'resource': resource,
    }[level]
    for _ in range(2):
        assert refresh(element, tmp_path / 'stage', progress=False).check().notes == []
    if gone:
        resource.file(gone).delete()
    notes = refresh(element, tmp_path / 'stage', progress=False).check().notes
    assert [note.rpartition('/')[2] for note in notes] == (
        [f'{gone} is gone from the source'] if gone else []
    )
    left = {path.name for path in (tmp_path / 'stage').rglob('*.nii')}
    assert left == {'a.nii', 'b.nii'} - {gone}


@pytest.mark.parametrize('folder', ['', 'sub/'])
@pytest.mark.parametrize(
    'name', ['.a.part', '.a.nii.0123456789abcdef.part', '.0123456789abcdef.part', '.a.moved.part']
)
@pytest.mark.parametrize('where', ['project', 'scan'])
@pytest.mark.sample(8)
def test_files_with_names_of_temporary_ones_are_copied(
    study: Any, target: Any, where: str, name: str, folder: str
) -> None:
    def resource(project: Any) -> Any:
        scan = project.experiment('S1_MR').scan('1')
        return project.resource('NOTES') if where == 'project' else scan.resource('NIFTI')

    resource(study).file(f'{folder}{name}').put(b'content')
    for _ in range(2):
        copy_items(study, target, merge=True).check()
        assert sorted(resource(target).files().get()) == sorted(resource(study).files().get())
        assert len(resource(target).files().get()) == 2


@pytest.mark.parametrize('jobs', [1, 3])
@pytest.mark.parametrize('name', ['a.nii', 'n.txt'])
@pytest.mark.sample(4)
def test_a_staged_file_that_vanishes_is_a_failure(
    study: Any, target: Any, monkeypatch: pytest.MonkeyPatch, name: str, jobs: int
) -> None:
    def without(source: Any, *args: Any) -> Any:
        for path in Path(source).rglob(name):
            path.unlink()
        return members_of(source, *args)

    with monkeypatch.context() as patch:
        patch.setattr('pyxnat.services.bulk.upload.members_of', without)
        report = copy_items(study, target, jobs=jobs)
    assert len(report.failed) == (3 if name == 'a.nii' else 1)
    assert f'{name}' in str(report.failed[0])
    copy_items(study, target, merge=True).check()
    paths = [
        project.host.select(f'/projects/{project.path_name}//files').get()
        for project in (study, target)
    ]
    assert sorted(paths[0]) == sorted(paths[1])


def _interrupt(error: BaseException) -> Any:
    def dying(self: Any, *args: Any) -> None:
        raise error

    return dying


@pytest.mark.parametrize('jobs', [1, 3])
@pytest.mark.parametrize(
    'gone',
    [
        lambda subject: subject.experiment('S2_MR').scan('1').resource('NIFTI').file('a.nii'),
        lambda subject: subject.experiment('S2_MR').scan('1').resource('NIFTI'),
        lambda subject: subject.experiment('S2_MR').scan('1'),
        lambda subject: subject.experiment('S2_MR'),
        lambda subject: subject,
    ],
)
@pytest.mark.sample(10)
def test_what_the_source_deletes_after_an_interruption_does_not_arrive(
    study: Any, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: Any, jobs: int
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        target.create()
        patch.setattr(Uploader, 'run', _interrupt(KeyboardInterrupt()))
        copy_items(study.subjects('S2'), target, state=tmp_path / 'state', jobs=jobs)
    assert list((tmp_path / 'state' / 'stage').rglob('a.nii'))
    gone(study.subject('S2')).delete()
    copy_items(study.subjects('S2'), target, state=tmp_path / 'state').check()
    assert not list((tmp_path / 'state' / 'stage').rglob('a.nii'))
    assert target.host.select(f'/projects/{target.path_name}//files').get() == []


INTERRUPTED = """
import signal, sys, pyxnat
from pyxnat.apps.copying import copy_items
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell ignores it
url, user, password, there, its_user, its_password, project, folder, jobs = sys.argv[1:]
source = pyxnat.Interface(url, user, password, folder + '-a').select.project(project)
target = pyxnat.Interface(there, its_user, its_password, folder + '-b').select.project(project)
copy_items(source, target, state=folder, jobs=int(jobs), progress=False).check()
"""


@pytest.mark.parametrize('side', ['source', 'destination'])
@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.sample(4)
def test_an_interrupt_ends_a_copy_soon(
    study: Any,
    target: Any,
    server: Any,
    other_server: Any,
    tmp_path: Path,
    side: str,
    jobs: int,
) -> None:
    folder, released = tmp_path / 'state', threading.Event()

    def nothing(exchange: Exchange) -> None:
        assert released.wait(GENEROUS_S)

    with FaultProxy((server if side == 'source' else other_server).url) as proxy:
        method = 'GET' if side == 'source' else 'PUT'
        proxy.applies = lambda found, uri: found == method and '/scans/' in uri and '/files' in uri
        proxy.faults = [nothing] * 9
        urls = [proxy.url, other_server.url] if side == 'source' else [server.url, proxy.url]
        logins = [[one.user, one.password] for one in (server, other_server)]
        places = [urls[0], *logins[0], urls[1], *logins[1], study.id(), str(folder), str(jobs)]
        words = [sys.executable, '-c', INTERRUPTED, *places]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: len(proxy.faults) <= 9 - jobs, 'all to be stalled')
                begun = time.monotonic()
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=GENEROUS_S)
                took_s = time.monotonic() - begun
            finally:
                released.set()
                process.kill()
    assert said.rstrip().endswith('KeyboardInterrupt'), said
    assert took_s < 6, took_s
    assert len(list((folder / 'stage').iterdir())) == jobs
    assert len(target.host.select.project(study.id()).experiments().get()) <= jobs


@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.parametrize('reaches', [True, False])
@pytest.mark.parametrize('number', range(1, 65))
@pytest.mark.sample(80)
def test_a_copy_that_is_killed_at_any_request_goes_on(
    study: Any,
    server: Any,
    other_server: Any,
    dest: pyxnat.Interface,
    tmp_path: Path,
    number: int,
    reaches: bool,
    jobs: int,
) -> None:
    folder, seen = tmp_path / 'state', iter(range(1, 10**6))

    def kill(exchange: Exchange) -> None:
        if reaches:
            exchange.forward()
        process.kill()

    with FaultProxy(other_server.url) as proxy:
        proxy.applies = lambda method, uri: next(seen) == number
        proxy.faults = [kill]
        logins = [[one.user, one.password] for one in (server, other_server)]
        places = [server.url, *logins[0], proxy.url, *logins[1], study.id(), str(folder), str(jobs)]
        for run in range(2):
            words = [sys.executable, '-c', INTERRUPTED, *places]
            with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
                _, said = process.communicate(timeout=GENEROUS_S)
            assert process.returncode in ((0, -signal.SIGKILL) if run == 0 else (0,)), said
            proxy.faults = []  # the first run may have ended before
        sent = [write for write in proxy.writes if '/files' in write]
    assert differences(state(dest, study.id()), state(study.host, study.id())) == {}
    assert len(sent) == len(set(sent)) and list((folder / 'stage').iterdir()) == []
    ids = (folder / 'ids.tsv').read_text().splitlines()
    assert len(ids) == len(set(ids)) == 1 + len(CopyState(folder).ids)


@pytest.mark.sample(2)
@pytest.mark.parametrize('is_whole', [True, False])
def test_items_deleted_at_the_destination_are_copied_again(
    study: Any, target: Any, tmp_path: Path, is_whole: bool
) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    for subject in list(target.subjects('*' if is_whole else 'S2')):
        subject.delete()
    report = copy_items(study, target, state=tmp_path / 'state').check()
    assert len(report.ok) == (3 if is_whole else 1)
    assert sorted(target.subjects().get('label')) == ['S1', 'S2', 'S3']
    assert report.ids['subjects', study.subject('S2').id()] == target.subject('S2').id()


@pytest.mark.parametrize('selected', ['project', 'subjects', 'experiments'])
@pytest.mark.parametrize(
    'gone',
    [
        lambda session: session,
        lambda session: session.scan('1'),
        lambda session: session.scan('1').resource('NIFTI'),
        lambda session: session.scan('1').resource('NIFTI').file('a.nii'),
        lambda session: session.assessor('S2_QC'),
    ],
)
@pytest.mark.sample(8)
def test_what_is_deleted_below_a_copy_is_copied_again(
    study: Any, target: Any, tmp_path: Path, gone: Any, selected: str
) -> None:
    source = study if selected == 'project' else getattr(target.create() and study, selected)()
    copy_items(source, target, state=tmp_path / 'state').check()
    gone(target.experiment('S2_MR')).delete()
    report = copy_items(source, target, state=tmp_path / 'state').check()
    assert (len(report.ok), len(report.skipped)) == (1, 2)
    assert gone(target.experiment('S2_MR')).exists()
    assert copy_items(source, target, state=tmp_path / 'state').check().ok == []


@pytest.mark.sample(2)
@pytest.mark.parametrize('selected', ['project', 'experiments'])
def test_a_copy_that_has_more_is_compared_and_not_sent_again(
    study: Any, target: Any, tmp_path: Path, selected: str, xnat: pyxnat.Interface
) -> None:
    source = study if selected == 'project' else getattr(target.create() and study, selected)()
    copy_items(source, target, state=tmp_path / 'state').check()
    target.experiment('S2_MR').resource('OWN').file('o.txt').put(b'own')
    for number in range(2):
        xnat.cache.clear()
        with xnat.trace() as trace:
            report = copy_items(source, target, state=tmp_path / 'state').check()
        assert (report.ok, len(report.skipped)) == ([], 3)
        assert not [one for one in trace if '/files' in one.uri]
        assert len([one for one in trace if 'format=xml' in one.uri]) == 1 - number


def test_a_half_line_of_a_killed_run_is_copied_again(
    study: Any, target: Any, tmp_path: Path
) -> None:
    folder = tmp_path / 'state'
    copy_items(study, target, state=folder).check()
    lines = (folder / 'units.jsonl').read_bytes()
    (folder / 'units.jsonl').write_bytes(lines[:-20])
    report = copy_items(study, target, state=folder).check()
    assert (len(report.ok), len(report.skipped), report.files) == (1, 2, 0)
    assert copy_items(study, target, state=folder).check().ok == []


@pytest.mark.parametrize(
    ('select', 'labels'),
    [
        (lambda study: study.subject('S1'), {'S1'}),
        (lambda study: study.subjects('S1*'), {'S1'}),
        (lambda study: study.subjects(), {'S1', 'S2', 'S3'}),
        (lambda study: study.subject('S3').experiment('S3_MR'), {'S3'}),
        (lambda study: study.experiments('S*_MR'), {'S1', 'S2', 'S3'}),
        (
            lambda study: study.subjects().where(
                [
                    ('xnat:subjectData/SUBJECT_LABEL', '=', 'S2'),
                    ('xnat:subjectData/PROJECT', '=', study.id()),
                ]
            ),
            {'S2'},
        ),
    ],
)
@pytest.mark.sample(6)
def test_parts_of_a_project_are_copied_into_an_existing_one(
    study: Any, target: Any, select: Any, labels: set[str]
) -> None:
    target.create()
    report = copy_items(select(study), target).check()
    assert set(target.subjects().get('label')) == labels
    for label in labels:
        assert target.subject(label).attrs.get('yob') == study.subject(label).attrs.get('yob')
        files = target.subject(label).experiment(f'{label}_MR').scan('1').resource('NIFTI').files()
        assert files.get() == ['a.nii']
    assert len(report.ok) == len(labels)
    assert copy_items(select(study), target, merge=True).check().files == 0


@pytest.mark.parametrize(
    'select',
    [
        lambda study: study.subject('S1'),
        lambda study: study.subjects(),
        lambda study: study.experiment('S1_MR'),
        lambda study: study.experiments(),
        lambda study: study.subject('S1').experiments(),
    ],
)
def test_nothing_is_sent_of_a_project_that_is_named_by_its_alias(
    study: Any, target: Any, select: Any
) -> None:
    alias = f'{study.id()}_ALIAS'
    study.host.put(f'/data/projects/{study.id()}?alias={alias}').raise_for_status()
    target.create()
    try:
        report = copy_items(select(study.host.select.project(alias)), target)
    except errors.NotFoundError:  # where XNAT lists nothing for it
        pass
    else:
        assert report.ok == [] and all('alias' in str(failure) for failure in report.failed)
    assert target.subjects().get() == target.experiments().get() == []


@pytest.mark.parametrize('side', ['in_resource', 'out_resource'])
@pytest.mark.parametrize('selected', ['project', 'experiments'])
@pytest.mark.sample(4)
def test_an_empty_resource_is_copied_or_noted(
    study: Any, target: Any, tmp_path: Path, selected: str, side: str
) -> None:
    resource = getattr(study.experiment('S2_MR').assessor('S2_QC'), side)('EMPTY')
    resource.file('f').put(b'f')
    resource.file('f').delete()
    source = study if selected == 'project' else getattr(target.create() and study, selected)()
    report = copy_items(source, target, state=tmp_path / 'state').check()
    assert report.notes == (
        ['assessors/S2_QC lacks at the destination: in_resources/EMPTY']
        if side == 'in_resource'
        else []
    )
    target.experiment('S2_MR').resource('OWN').file('o.txt').put(b'own')
    report = copy_items(source, target, state=tmp_path / 'state').check()
    assert (report.ok, len(report.skipped)) == ([], 3)


@pytest.mark.parametrize('status', [500, 503])
@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.sample(4)
def test_a_destination_that_fails_for_all_stops_the_copy(
    study: Any, target: Any, other_server: Any, tmp_path: Path, jobs: int, status: int
) -> None:
    study.subjects().insert([{'label': f'M{number:02}'} for number in range(30)])
    with FaultProxy(other_server.url) as proxy:
        proxy.applies = lambda method, uri: '/subjects/' in uri
        proxy.faults = [says(status)] * 500
        login = (other_server.user, other_server.password)
        with pyxnat.Interface(proxy.url, *login, tmp_path / 'proxied', retries=0) as interface:
            copy = interface.select.project(target.path_name)
            with pytest.raises((errors.InternalError, errors.BusyError)):
                copy_items(study, copy, state=tmp_path / 'state', jobs=jobs)
            assert len(proxy.faults) > 450
            proxy.faults = []
            report = copy_items(study, copy, state=tmp_path / 'state').check()
    assert len(report.ok) == len(target.subjects().get()) == 33


@pytest.mark.parametrize('reaches', [True, False])
@pytest.mark.parametrize('first', [0, 1])
@pytest.mark.parametrize('access', ['private', 'protected', 'public'])
@pytest.mark.sample(8)
def test_a_new_project_has_the_access_of_the_original_whenever_it_is_interrupted(
    study: Any,
    target: Any,
    other_server: Any,
    tmp_path: Path,
    access: str,
    first: int,
    reaches: bool,
) -> None:
    study.set_accessibility(access)
    folder = tmp_path / 'state'
    with FaultProxy(target.host.connection.server) as proxy:
        proxy.applies = lambda method, uri: (
            method == 'PUT' and len([one for one in proxy.seen if one[:3] == 'PUT']) > first
        )
        proxy.faults = [reset_after if reaches else reset] * 200
        login = (other_server.user, other_server.password)
        with pyxnat.Interface(proxy.url, *login, tmp_path / 'proxied', retries=0) as interface:
            copy = interface.select.project(target.path_name)
            with suppress(errors.Error):
                copy_items(study, copy, state=folder)
            assert len(proxy.faults) < 200
            assert not target.exists() or target.accessibility() == access
            proxy.faults = []
            copy_items(study, copy, state=folder).check()
    assert target.accessibility() == access
    assert len(target.subjects().get()) == 3


@pytest.mark.sample(3)
@pytest.mark.parametrize('access', ['private', 'protected', 'public'])
def test_no_subject_creates_a_project_that_could_not_be_created(
    study: Any, target: Any, access: str
) -> None:
    study.set_accessibility(access)
    study.attrs.set('name', f'Study of {study.id()}')
    target.host.select.project(f'{target.path_name}2').create(name=f'Study of {study.id()}')
    report = copy_items(study, target)
    assert [failure.what for failure in report.failed] == [study.uri]
    assert (report.ok, target.exists()) == ([], False)


@pytest.mark.parametrize('access', ['private', 'protected', 'public'])
@pytest.mark.parametrize('there', ['private', 'protected', 'public'])
@pytest.mark.sample(9)
def test_a_project_that_exists_keeps_its_access_and_a_note_names_a_wider_one(
    study: Any, target: Any, access: str, there: str
) -> None:
    study.set_accessibility(access)
    target.create().set_accessibility(there)
    if there == 'public' and access != 'public':
        with pytest.raises(errors.DataError, match=f'is public, and .* is {access}'):
            copy_items(study, target)
        assert target.subjects().get() == target.resources().get() == []
        return
    report = copy_items(study, target).check()
    assert target.accessibility() == there
    is_wider = ('private', 'protected', 'public').index(there) > (
        ('private', 'protected', 'public').index(access)
    )
    assert report.notes == ([f'{target.uri} is {there}, {study.uri} is {access}'] * is_wider)


def test_failed_subjects_leave_no_files_in_the_state(
    study: Any, target: Any, tmp_path: Path
) -> None:
    target.create()
    for label in ('S1', 'S2', 'S3'):
        target.subject(label).create(gender='male')
    report = copy_items(study, target, state=tmp_path / 'state', jobs=2)
    assert len(report.failed) == 3
    assert list((tmp_path / 'state' / 'stage').iterdir()) == []


def test_a_dry_run_sends_nothing(study: Any, target: Any, tmp_path: Path) -> None:
    with target.host.trace() as trace:
        report = copy_items(study, target, state=tmp_path / 'state', dry_run=True)
    assert len(report.ok) == 3
    assert {record.method for record in trace} <= {'GET', 'POST'}  # POST opens the session
    assert not target.exists() and not (tmp_path / 'state').exists()
    assert len(copy_items(study, target, state=tmp_path / 'state').check().ok) == 3


@pytest.mark.parametrize('dry_run', [True, False])
@pytest.mark.parametrize(
    'source', [lambda study: study.subjects(), lambda study: study.subject('S1')]
)
def test_a_missing_project_is_named(
    study: Any, target: Any, tmp_path: Path, source: Any, dry_run: bool
) -> None:
    with pytest.raises(errors.NotFoundError, match='no project'):
        copy_items(source(study), target, dry_run=dry_run, state=tmp_path / 'state')
    assert not (tmp_path / 'state').exists()


@pytest.mark.parametrize('jobs', [0, -1, '4', 1.5, None])
def test_a_wrong_number_of_jobs_is_named(study: Any, target: Any, jobs: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='jobs='):
        copy_items(study, target, jobs=jobs)


@pytest.mark.parametrize(
    ('place', 'dry_run'), [('file', True), ('file', False), ('file/below', False)]
)
def test_a_state_in_the_place_of_a_file_is_named(
    study: Any, target: Any, tmp_path: Path, place: str, dry_run: bool
) -> None:
    (tmp_path / 'file').write_bytes(b'x')
    with pytest.raises(errors.DataError, match='not a folder'):
        copy_items(study, target, state=tmp_path / place, dry_run=dry_run)
    assert (tmp_path / 'file').read_bytes() == b'x'


def test_a_state_folder_belongs_to_one_copy(study: Any, target: Any, tmp_path: Path) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    for source, dest in (
        (study.subjects(), target),
        (study.subjects('S1'), target),
        (study, target.host.select.project('OTHER')),
    ):
        with pytest.raises(errors.DataError, match='no state of this copy'):
            copy_items(source, dest, state=tmp_path / 'state')


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    'other',
    [
        lambda selection, chosen: selection,
        lambda selection, chosen: chosen('S2'),
        lambda selection, chosen: chosen('S1').where('xnat:subjectData/GENDER = male'),
    ],
)
def test_a_state_folder_belongs_to_one_selection(
    study: Any, target: Any, tmp_path: Path, other: Any
) -> None:
    selection = study.subjects()

    def chosen(label: str) -> Any:
        return selection.where([('xnat:subjectData/SUBJECT_LABEL', '=', label)])

    target.create()
    copy_items(chosen('S1'), target, state=tmp_path / 'state').check()
    assert copy_items(chosen('S1'), target, state=tmp_path / 'state').check().ok == []
    with pytest.raises(errors.DataError, match='no state of this copy'):
        copy_items(other(selection, chosen), target, state=tmp_path / 'state')


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('copy.json', b'{'),
        ('copy.json', b'[]'),
        ('units.jsonl', b'no json\n{}\n'),
        ('units.jsonl', b'{"uri": "x"}\n'),
        ('ids.tsv', b'level\tlabel\nonly\n'),
        ('photo.jpg', None),
    ],
)
@pytest.mark.sample(6)
def test_a_damaged_state_is_an_error_with_a_remedy(
    study: Any, target: Any, tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = tmp_path / 'state'
    if content is None:
        folder.mkdir()
        (folder / name).write_bytes(b'x')
    else:
        copy_items(study, target, state=folder).check()
        (folder / name).write_bytes(content)
    with pytest.raises(errors.DataError, match=r'(state|damaged).*another folder'):
        copy_items(study, target, state=folder)


@pytest.mark.parametrize('cut', range(0, 40, 3))
def test_a_half_written_line_of_the_state_is_cut_off(tmp_path: Path, cut: int) -> None:
    state = CopyState(tmp_path)
    for number in range(3):
        row = CopiedId('subjects', 'ä', f'XNAT_S{number}', f'Y_S{number}')
        state.add(Unit(f'/u{number}', 'mark'), [row])
    sizes = {}
    for name in ('ids.tsv', 'units.jsonl'):
        content = (tmp_path / name).read_bytes()
        sizes[name] = len(content)
        (tmp_path / name).write_bytes(content[: len(content) - cut])
    again = CopyState(tmp_path)
    assert again.is_done(Unit('/u2', 'mark')) == (cut == 0)
    assert again.is_done(Unit('/u0', 'mark'))
    again.add(Unit('/u2', 'mark'), [CopiedId('subjects', 'ä', 'XNAT_S2', 'Y_S2')])
    again.add(Unit('/u1', 'mark'), [CopiedId('subjects', 'ä', 'XNAT_S1', 'Y_S1')])
    assert CopyState(tmp_path).ids == state.ids
    assert (tmp_path / 'ids.tsv').stat().st_size == sizes['ids.tsv']


@pytest.mark.parametrize('room', [0, 1, 10, 40])
@pytest.mark.parametrize('name', ['units.jsonl', 'ids.tsv', 'claims.tsv'])
def test_a_line_for_which_the_disk_had_no_room_leaves_no_half_one(
    tmp_path: Path, name: str, room: int
) -> None:
    resource = pytest.importorskip('resource')
    state = CopyState(tmp_path)

    def add(number: int) -> None:
        label = f'S{number}' * 20
        if name == 'claims.tsv':
            state.claim(f'XNAT_S{number}', label)
        else:
            ids = [CopiedId('subjects', label, f'XNAT_S{number}', f'Y_S{number}')]
            state.add(Unit(f'/u{number}' * 20, 'mark'), ids if name == 'ids.tsv' else [])

    add(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, ((tmp_path / name).stat().st_size + room, before[1])
        )
        with pytest.raises(OSError, match='too large'):
            add(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    add(3)
    again = CopyState(tmp_path)
    lines = (tmp_path / name).read_text().splitlines()
    assert len(lines) == 2 + (name == 'ids.tsv') and 'S2' not in ''.join(lines)
    assert again.ids == state.ids
    assert [again.is_done(Unit(f'/u{n}' * 20, 'mark')) for n in (1, 2, 3)] == [
        name != 'claims.tsv',
        False,
        name != 'claims.tsv',
    ]


def test_a_run_that_was_killed_at_its_begin_goes_on(
    study: Any, target: Any, tmp_path: Path
) -> None:
    (tmp_path / 'state').mkdir()
    (tmp_path / 'state' / '.copy.json.0123456789abcdef.part').write_bytes(b'{"dest')
    copy_items(study, target, state=tmp_path / 'state').check()
    assert len(copy_items(study, target, state=tmp_path / 'state').check().skipped) == 3


def test_one_run_at_a_time_has_the_state(study: Any, target: Any, tmp_path: Path) -> None:
    places: dict[str, str] = {}
    with open_state(tmp_path / 'other', places):
        copy_items(study, target, state=tmp_path / 'state').check()
        with (
            pytest.raises(errors.BusyError, match='another run'),
            open_state(tmp_path / 'other', places),
        ):
            pass
    with open_state(tmp_path / 'other', places):
        pass
    places = json.loads((tmp_path / 'state' / 'copy.json').read_text())
    for subject in target.subjects():
        subject.delete()
    with open_state(tmp_path / 'state', places), pytest.raises(errors.BusyError):
        copy_items(study, target, state=tmp_path / 'state')
    assert target.subjects().get() == []
    assert len(copy_items(study, target, state=tmp_path / 'state').check().ok) == 3


def test_each_unit_adds_its_lines_alone_to_the_state(tmp_path: Path) -> None:
    state = CopyState(tmp_path)
    grown = []
    for number in range(30):
        state.add(
            Unit(f'/u{number:03}', 'mark'),
            [CopiedId('subjects', f'S{number:03}', f'XNAT_S{number:03}', f'Y_S{number:03}')],
        )
        grown.append((tmp_path / 'ids.tsv').stat().st_ino)
    assert len(set(grown)) == 1, 'the file was written anew'


@pytest.mark.parametrize(
    ('source', 'place', 'error'),
    [
        (lambda study: study.host.select.projects(), lambda target: target, 'several projects'),
        (
            lambda study: study.subject('S1').experiment('x').scan('1'),
            lambda target: target,
            'by itself',
        ),
        (lambda study: 'P', lambda target: target, 'by itself'),
        (lambda study: study, lambda target: target.subject('S'), 'not a project'),
        (lambda study: study, lambda target: 'P', 'not a project'),
    ],
)
def test_wrong_places_are_named(
    study: Any, target: Any, source: Any, place: Any, error: str
) -> None:
    with pytest.raises(errors.ProgrammingError, match=error):
        copy_items(source(study), place(target))


def test_sites_copy_by_name(study: Any, target: Any, xnat: pyxnat.Interface) -> None:
    sites = pyxnat.Sites(here=xnat, there=target.host)
    report = sites.copy(f'/projects/{study.id()}', 'here', 'there', target.path_name).check()
    assert len(report.ok) == len(target.subjects().get()) == 3


def test_the_state_is_readable(study: Any, target: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'state'
    copy_items(study, target, state=folder).check()
    assert json.loads((folder / 'copy.json').read_text())['source'] == study.uri
    lines = [json.loads(line) for line in (folder / 'units.jsonl').read_text().splitlines()]
    assert {line['uri'] for line in lines} == {
        study.uri,
        *(subject.uri for subject in study.subjects()),
    }
    assert all(line['mark'] for line in lines)
