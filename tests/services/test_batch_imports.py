"""Tests of imports in batches: resumed, verified, and no study mixed with another."""

from __future__ import annotations

import re
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.services.dicom.headers import NotDicom, read_header
from pyxnat.services.dicom.journal import Journal
from pyxnat.services.dicom.report import INCOMPLETE, ImportReport
from tests.conftest import DEEP
from tests.support.archive import EXAMPLES
from tests.support.dicoms import DATA, STUDY_UID, changed, members, write_images
from tests.support.faults import Exchange, FaultProxy, reset_after, says, stall_after
from tests.support.waiting import GENEROUS_S, wait_until


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Write 24 images of two studies with two series each."""
    write_images(tmp_path / 'in', 24, studies=2, series=2)
    return tmp_path / 'in'


def names_in(project: Any) -> Counter[str]:
    """Count the names of the images that the archive has of a project."""
    files = project.experiments().scans().resources().files()
    return Counter(file.label() for file in files)


def names_of(folder: Path) -> Counter[str]:
    return Counter(f'{read_header(path).instance}.dcm' for path in folder.rglob('*.dcm'))


def uploads(trace: Any) -> list[str]:
    return [record.uri for record in trace if '/services/import' in record.uri]


def imported(project: Any, folder: Any, tmp_path: Path, **options: Any) -> ImportReport:
    how = {'dest': 'archive', 'jobs': 2, 'state': tmp_path / 'state', 'batch': 5, **options}
    report = project.import_dicom(folder, **how)
    assert isinstance(report, ImportReport)
    return report


def test_a_folder_is_sent_in_batches_and_archived_once(
    xnat: pyxnat.Interface, project: Any, images: Path, tmp_path: Path
) -> None:
    with xnat.trace() as trace:
        report = imported(project, images, tmp_path)
    assert [study.status for study in report] == ['ARCHIVED', 'ARCHIVED'] and report.ok
    assert (report.sent, report.earlier, report.skipped) == (24, 0, [])
    assert len(uploads(trace)) == 6  # 12 files of each study, in batches of 5
    assert not any('dest=' in uri or 'action=' in uri for uri in uploads(trace))
    assert names_in(project) == names_of(images)
    assert str(report) == ('24 files sent, 0 were sent earlier, 0 skipped; sessions: 2 ARCHIVED')
    with xnat.trace() as trace:
        again = imported(project, images, tmp_path)
    assert uploads(trace) == [] and again.ok and (again.sent, again.earlier) == (0, 24)


def test_a_batch_has_one_study_and_few_series(images: Path, tmp_path: Path) -> None:
    with closing(Journal(tmp_path / 'state', {})) as journal:
        journal.scan(sorted(images.rglob('*.dcm')))
        batches = journal.plan(journal.studies(), 5)
        assert [batch.study for batch in batches] == [
            study for study in journal.studies() for _ in range(3)
        ]
        series = [
            {read_header(member.path).series for member in journal.members(batch)}
            for batch in batches
        ]
    assert [len(some) for some in series] == [1, 2, 1] * 2


@pytest.mark.parametrize('dest', [None, 'prearchive'])
def test_sessions_stay_in_the_prearchive(
    project: Any, images: Path, tmp_path: Path, dest: str | None
) -> None:
    project.set_prearchive_code(0)
    report = imported(project, images, tmp_path, dest=dest)
    assert [study.status for study in report] == ['READY', 'READY'] and report.ok
    assert [len(study.element.files()) for study in report] == [12, 12]
    if dest is None:
        project.set_prearchive_code(4)
        again = imported(project, images, tmp_path)
        assert [study.status for study in again] == ['ARCHIVED', 'ARCHIVED'] and again.sent == 0
        assert names_in(project) == names_of(images)


def test_new_files_of_an_archived_study_need_append(
    project: Any, images: Path, tmp_path: Path
) -> None:
    held = images / '0' / '1'
    shutil.move(held, tmp_path / 'held')
    assert imported(project, images, tmp_path).ok
    shutil.move(tmp_path / 'held', held)
    report = imported(project, images, tmp_path)
    assert sorted(study.status for study in report) == ['ARCHIVED', 'CONFLICT'] and not report.ok
    assert '6 of the files' in next(study.why for study in report if not study.ok)
    report = imported(project, images, tmp_path, overwrite='append')
    assert report.ok and report.sent == 6 and names_in(project) == names_of(images)


def test_a_lost_state_sends_nothing_twice(
    xnat: pyxnat.Interface, project: Any, images: Path, tmp_path: Path
) -> None:
    assert imported(project, images, tmp_path).ok
    shutil.rmtree(tmp_path / 'state')
    with xnat.trace() as trace:
        report = imported(project, images, tmp_path)
    assert report.ok and uploads(trace) == [] and names_in(project) == names_of(images)


def test_the_example(
    project: Any, images: Path, login: None, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(EXAMPLES / 'import_folder.py'))['main']
    assert main(str(images), project.id()) == 0
    assert capsys.readouterr().out.startswith('24 files sent')
    assert main(str(images), project.id()) == 0
    assert capsys.readouterr().out.startswith('0 files sent, 24 were sent earlier')


# -- files and studies that are not as they should be


def test_other_files_are_refused_or_reported(project: Any, images: Path, tmp_path: Path) -> None:
    (images / 'notes.txt').write_text('no image')
    shutil.copy(DATA / 'dicomdirtests' / 'DICOMDIR', images / 'DICOMDIR')
    with pytest.raises(errors.DataError, match=r"1 files .*'notes.txt'.*nothing was sent"):
        imported(project, images, tmp_path)
    assert project.subjects().get() == []
    report = imported(project, images, tmp_path, ignore_unparsable=True)
    assert report.ok and [(one.path.name, one.why_not) for one in report.skipped] == [
        ('DICOMDIR', 'it is a DICOMDIR'),
        ('notes.txt', 'it is not DICOM'),
    ]


def test_an_object_that_is_there_twice_is_sent_once(
    project: Any, images: Path, tmp_path: Path
) -> None:
    first = images / '0' / '0' / '0.dcm'
    shutil.copy(first, images / 'copy.dcm')
    (images / 'other.dcm').write_bytes(first.read_bytes() + bytes(2))
    report = imported(project, images, tmp_path)
    assert report.ok and report.sent == 24
    assert [str(one.why_not) for one in report.skipped] == [
        f'it is the same object as {first}',
        f'it has the SOPInstanceUID, but not the content, of {first}',
    ]


def test_two_studies_do_not_get_one_label(project: Any, images: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match=r"2 studies would get the label 'S1'.*nothing was"):
        imported(project, images, tmp_path, session='S1')
    assert project.subjects().get() == []


def test_studies_of_one_label_by_their_headers_are_not_mixed(project: Any, tmp_path: Path) -> None:
    for number in range(2):
        body = changed(
            'MR_small.dcm',
            PatientID='SAME',
            StudyInstanceUID=f'1.2.{number + 1}',
            SOPInstanceUID=f'1.2.3.{number + 1}',
        )
        (tmp_path / 'in').mkdir(exist_ok=True)
        (tmp_path / 'in' / f'{number}.dcm').write_bytes(body)
    report = imported(project, tmp_path / 'in', tmp_path, overwrite='append')
    assert [study.status for study in report] == ['ARCHIVED', 'CONFLICT']
    assert report[1].why.startswith('another study has the label SAME: ')
    assert len(names_in(project)) == 1


def test_a_session_of_another_study_in_the_archive_is_left_alone(
    project: Any, images: Path, tmp_path: Path
) -> None:
    study = tmp_path / 'study'
    study.mkdir()
    for name, body in members().items():
        (study / name.replace('/', '_')).write_bytes(body)
    first = imported(project, study, tmp_path, session='S1')
    assert first.ok and first[0].study == STUDY_UID
    shutil.rmtree(images / '1')
    report = imported(
        project, images, tmp_path / 'b', session='S1', subject=first[0].element.parent().label(),
        overwrite='append',
    )  # fmt: skip
    assert [one.status for one in report] == ['CONFLICT'] and STUDY_UID in report[0].why


def test_a_state_belongs_to_its_source_and_destination(
    xnat: pyxnat.Interface, project: Any, images: Path, tmp_path: Path
) -> None:
    imported(project, images, tmp_path)
    with pytest.raises(errors.DataError, match=r'state of another import: project "TEST_'):
        xnat.manage.import_dicom(images, 'OTHER', state=tmp_path / 'state')


@pytest.mark.parametrize(
    'wrong', [{'handler': 'SI'}, {'wait': False}, {'dest': '/archive'}, {'batch': 0}, {'jobs': 0}]
)
def test_options_that_do_not_go_with_batches(
    project: Any, images: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(errors.ProgrammingError, match='in batches has no other|is no'):
        imported(project, images, tmp_path, **wrong)


def test_files_and_archives_as_sources(project: Any, images: Path, tmp_path: Path) -> None:
    paths = (path for path in sorted(images.rglob('*.dcm'))[:3])
    assert imported(project, paths, tmp_path).sent == 3
    (tmp_path / 'images.zip').write_bytes(b'PK')
    with pytest.raises(errors.ProgrammingError, match='is sent in one request.*or unpack it'):
        imported(project, tmp_path / 'images.zip', tmp_path)


def test_headers_of_other_files(tmp_path: Path) -> None:
    for body in (b'', b'text', bytes(200), bytes(128) + b'DICM', b'\x08\x00' + bytes(500)):
        path = tmp_path / 'file'
        path.write_bytes(body)
        with pytest.raises(NotDicom):
            read_header(path)
    for name in (
        'MR_small.dcm',
        'ExplVR_LitEndNoMeta.dcm',
        'ExplVR_BigEndNoMeta.dcm',
        'image_dfl.dcm',
    ):
        assert all(read_header(DATA / name)), name


# -- breaks


@pytest.fixture
def faulty(
    server: Any, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FaultProxy, Any]]:
    """Return a proxy that damages uploads, and the project behind it."""
    monkeypatch.setattr('pyxnat.services.dicom.sending._PAUSES_S', (0.01, 0.01, 0.01))
    with (
        FaultProxy(server.url) as proxy,
        pyxnat.Interface(proxy.url, server.user, server.password, tmp_path / 'other') as xnat,
    ):
        proxy.applies = lambda method, uri: 'services/import' in uri
        yield proxy, xnat.select.project(project.id())


CONCURRENT = b'<h3>Concurrent file sends of the same data is not supported.</h3>'


@pytest.mark.parametrize(
    'fault', [reset_after, stall_after, says(503), says(409), says(400, CONCURRENT)],
    ids=['lost-answer', 'half-answer', '503', '409', 'concurrent'],
)  # fmt: skip
def test_a_batch_is_sent_again_after_a_break(
    faulty: tuple[FaultProxy, Any], images: Path, tmp_path: Path, fault: Any
) -> None:
    proxy, project = faulty
    shutil.rmtree(images / '1')
    proxy.faults = [fault]
    report = imported(project, images, tmp_path, timeout_s=2 if fault is stall_after else 60)
    assert report.ok and names_in(project) == names_of(images)


def test_a_refused_batch_leaves_its_study_open(
    faulty: tuple[FaultProxy, Any], images: Path, tmp_path: Path
) -> None:
    """The other study is archived, and the next run sends the rest."""
    proxy, project = faulty
    proxy.faults = [says(500)]
    report = imported(project, images, tmp_path, jobs=1)
    assert [study.status for study in report] == [INCOMPLETE, 'ARCHIVED'] and not report.ok
    assert '500' in report[0].why and sum(names_in(project).values()) == 12
    again = imported(project, images, tmp_path)
    assert again.ok and again.sent == 12 and names_in(project) == names_of(images)


def test_files_that_the_server_confirmed_and_lacks_are_sent_again(
    faulty: tuple[FaultProxy, Any], images: Path, tmp_path: Path
) -> None:
    proxy, project = faulty
    shutil.rmtree(images / '1')
    answers = []

    def first(exchange: Exchange) -> None:
        answers.append(exchange.forward())
        exchange.client.sendall(answers[0])

    def second(exchange: Exchange) -> None:
        exchange.client.sendall(answers[0])

    proxy.faults = [first, second]
    report = imported(project, images, tmp_path)
    assert report.ok and names_in(project) == names_of(images)
    assert len([uri for uri in proxy.writes if 'services/import' in uri]) == 3
    assert len([uri for uri in proxy.seen if 'services/import' in uri]) == 4


@pytest.mark.parametrize('is_anonymous', [False, True])
def test_a_break_while_a_session_is_archived(
    faulty: tuple[FaultProxy, Any], images: Path, tmp_path: Path, is_anonymous: bool
) -> None:
    """A script of the site may give the session another UID; its files tell that it is the one."""
    proxy, project = faulty
    proxy.applies = lambda method, uri: 'services/archive' in uri
    proxy.faults = [reset_after]
    report = imported(project, images, tmp_path)
    assert [study.status for study in report] == ['UNKNOWN', 'ARCHIVED']
    if is_anonymous:
        project.experiment('ID000000').attrs.set('UID', '9.9')
    again = imported(project, images, tmp_path)
    assert again.ok and again.sent == 0 and names_in(project) == names_of(images)


# -- kills

_RUN = """
import sys, pyxnat
url, password, project, folder, state, cache, batch = sys.argv[1:]
with pyxnat.Interface(url, 'admin', password, cache) as xnat:
    report = xnat.manage.import_dicom(
        folder, project, dest='archive', jobs=2, state=state, batch=int(batch)
    )
    print(report)
sys.exit(0 if report.ok else 1)
"""
FILES, STUDIES, KILLS, BATCH = (100_000, 20, 20, 500) if DEEP else (60, 2, 1, 5)


def test_kills_lose_and_double_no_file(server: Any, project: Any, tmp_path: Path) -> None:
    """Runs are killed wherever they are, until the last one is left alone."""
    write_images(tmp_path / 'in', FILES, studies=STUDIES, series=5)
    for kill in range(KILLS):
        with subprocess.Popen(_command(server, project, tmp_path)) as run:
            is_due = partial(_is_due, run, tmp_path, kill)
            wait_until(is_due, 'files to be confirmed', GENEROUS_S * (10 if DEEP else 1))
            peak = peak_memory(run.pid)
            run.kill()
        assert run.returncode == -signal.SIGKILL and peak < 150 * 2**20
    report = imported(project, tmp_path / 'in', tmp_path, batch=BATCH)
    assert report.ok and report.sent + report.earlier == FILES
    assert names_in(project) == names_of(tmp_path / 'in')
    labels = project.experiments().get('label')
    assert sorted(labels) == [f'ID{number:06}' for number in range(STUDIES)]


def _command(server: Any, project: Any, tmp_path: Path) -> list[str]:
    places = [str(tmp_path / name) for name in ('in', 'state', 'runs')]
    given = [server.url, server.password, project.id(), *places, str(BATCH)]
    return [sys.executable, '-c', _RUN, *given]


def _is_due(run: subprocess.Popen[bytes], tmp_path: Path, kill: int) -> bool:
    """Whether a run has got to the place of a kill: sending, or every other one archiving."""
    confirmed = _number(tmp_path, 'SELECT SUM(is_sent) FROM file')
    archiving = "SELECT COUNT(*) FROM place WHERE label != '' AND archived = ''"
    is_there = kill % 2 == 0 or _number(tmp_path, archiving) > 0
    return run.poll() is not None or (confirmed > FILES * kill // KILLS and is_there)


def _number(tmp_path: Path, query: str) -> int:
    """Return the result of a query on the journal of a run."""
    path = tmp_path / 'state' / 'import.sqlite'
    try:
        with closing(sqlite3.connect(f'file:{path}?mode=ro', uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0] or 0)
    except sqlite3.OperationalError:  # it is not there yet
        return 0


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process has had in memory; 0 where no /proc tells."""
    status = Path(f'/proc/{pid}/status')
    found = re.search(r'VmHWM:\s*(\d+) kB', status.read_text()) if status.exists() else None
    return int(found.group(1)) * 1024 if found else 0
