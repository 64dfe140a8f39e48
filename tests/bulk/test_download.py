"""Tests of bulk downloads: all files, verified, in the places of the layout, and none twice."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from pyxnat.http.tracing import Trace
from pyxnat.query.plan import SHORT_CUTS
from pyxnat.services.bulk import verify
from tests.support import faults
from tests.support.faults import LOGIN_PAGE, FaultProxy, cut, says
from tests.support.waiting import GENEROUS_S

PER_SCAN = 60
SCANS = ('1', '1-MR', '2')


def content_of(scan: str, number: int) -> bytes:
    return hashlib.sha256(f'{scan}/{number}'.encode()).digest() * (number % 7 * 10 + 1)


@pytest.fixture(scope='module')
def filled(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Create a project with a session of three scans with 60 files each.

    A resource and an assessor have one file each.
    """
    with pyxnat.Interface(server.url, server.user, server.password) as interface:
        session = interface.select.project('BULK').create().subject('S').experiment('E').create()
        for scan in SCANS:
            folder = tmp_path_factory.mktemp('files')
            for number in range(PER_SCAN):
                (folder / f'{number}.dcm').write_bytes(content_of(scan, number))
            session.scan(scan).create(type='MR')
            session.scan(scan).resource('DICOM').put_dir(folder)
        session.resource('NOTES').file('sub/notes.txt').put(b'notes')
        session.assessor('A').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        )
        session.assessor('A').out_resource('MAPS').file('m.nii').put(b'map')
    return 'BULK'


@pytest.fixture
def session(xnat: pyxnat.Interface, filled: str) -> Any:
    xnat.cache.expiration = 0
    return xnat.select.project(filled).subject('S').experiment('E')


def contents(trace: Trace) -> list[str]:
    """Return the requests for contents of files."""
    return [record.uri for record in trace if 'format=zip' in record.uri or '/files/' in record.uri]


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and 'MD5SUMS' not in path.name and '.xnat' not in path.parts
    }


def expected(above: str = 'BULK/S/E/') -> dict[str, bytes]:
    scans = {
        f'{above}{scan}/DICOM/{number}.dcm': content_of(scan, number)
        for scan in SCANS
        for number in range(PER_SCAN)
    }
    return {**scans, f'{above}NOTES/sub/notes.txt': b'notes', f'{above}A/MAPS/m.nii': b'map'}


def test_a_session_is_downloaded_completely_and_not_a_second_time(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    with xnat.trace() as first:
        report = session.download(tmp_path / 'd')
    assert (
        report.is_complete
        and len(report.ok) == len(expected())
        and report.bytes == sum(map(len, expected().values()))
    )
    assert files_in(tmp_path / 'd') == expected()
    assert (
        sum('scans' in uri for uri in contents(first)) == 2 and len(contents(first)) == 4
    )  # a zip of 1 and 2, one of 1-MR; two single files
    with xnat.trace() as again:
        report = session.download(tmp_path / 'd')
    assert (len(report.ok), len(report.skipped), report.bytes) == (0, len(expected()), 0)
    assert contents(again) == [] and again.requests == first.requests - 4


def test_all_scans_of_a_session_take_one_listing_and_one_zip(
    scan: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    for number in ('1', '2'):
        for name in ('a.dcm', 'b.dcm'):
            scan.parent().scan(number).resource('DICOM').file(name).put(name.encode())
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        assert len(scan.parent().scans().download(tmp_path, layout='{scan}/{path}').ok) == 4
    assert [record.uri.partition('/S1_MR')[2] for record in trace] == [
        '/scans/ALL/files?format=json',
        '/scans/ALL/files?format=zip&compression=0',
    ]


def kinds(trace: Trace) -> list[str]:
    """Return the ends of the requested URIs."""
    words = {
        'format=zip': 'zip',
        'format=xml': 'document',
        'xsiType=': 'look',
        'scans/ALL/files': 'scans',
        '/files/': 'file',
        '/files?': 'own',
        '/subjects?': 'subjects',
    }
    return sorted(
        next((word for part, word in words.items() if part in record.uri), record.uri)
        for record in trace
    )


@pytest.mark.parametrize('sessions', [1, 5])
def test_a_session_with_scans_takes_three_listings_a_document_and_a_zip(
    project: Any, xnat: pyxnat.Interface, tmp_path: Path, sessions: int
) -> None:
    for number in range(sessions):
        for scan in range(1, 2 * sessions + 1):
            resource = (
                project.subject(f'S{number}')
                .experiment(f'E{number}')
                .scan(str(scan))
                .resource('DICOM')
            )
            resource.file('a.dcm').put(b'a')
            resource.file('b.dcm').put(b'b')
    xnat.cache.expiration = 0
    session = project.subject('S0').experiment('E0')
    with xnat.trace() as trace:
        assert len(session.download(tmp_path / 'd').ok) == 4 * sessions
    assert kinds(trace) == ['document', 'look', 'own', 'scans', 'zip']
    with xnat.trace() as trace:
        assert len(session.download(tmp_path / 'd').skipped) == 4 * sessions
    assert kinds(trace) == ['document', 'look', 'own', 'scans']
    with xnat.trace() as trace:
        session.scan('1').download(tmp_path / 'scan')
        session.scan('1').resource('DICOM').download(tmp_path / 'resource')
    assert (
        trace.requests == 6
        # a listing and a zip for each, the label of the subject, which the listing of all
        # resources and that of the scan do not have, and the document of the scan
    )
    assert files_in(tmp_path / 'scan') == files_in(tmp_path / 'resource') != {}


def test_the_document_is_fetched_beside_the_first_listings(session: Any, tmp_path: Path) -> None:
    with session.host.trace() as trace:
        session.download(tmp_path)
    uris = [call.uri for call in trace]
    document = next(place for place, uri in enumerate(uris) if 'format=xml' in uri)
    assert document < next(place for place, uri in enumerate(uris) if '/assessors/ALL' in uri)


def test_an_error_of_the_document_is_in_the_report(session: Any, tmp_path: Path) -> None:
    missing = session.parent().experiment('X')
    with session.host.trace() as trace:
        report = missing.download(tmp_path / 'down')
    assert [failure.what for failure in report.failed] == [missing.uri]
    assert isinstance(report.failed[0].error, errors.NotFoundError)
    assert len([call for call in trace if 'format=xml' in call.uri]) == 1


def test_sessions_of_a_project_are_listed_once_with_labels_of_their_subjects(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    for selection in (
        xnat.select.project('BULK').experiment('E').scans(),
        xnat.select('/projects/BULK/experiments/*/scans'),
    ):
        with xnat.trace() as trace:
            report = selection.download(
                tmp_path, layout='{project}/{subject}/{experiment}/{scan}/{path}'
            )
        assert (
            len([*report.ok, *report.skipped]) == len(SCANS) * PER_SCAN
            and (tmp_path / 'BULK/S/E/1/0.dcm').is_file()
        )
        assert len([record for record in trace if '/experiments?' in record.uri]) == 1


def test_labels_are_requested_for_names_that_are_ids(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    by_id = xnat.select.project('BULK').subject(session.parent().id()).experiment(session.id())
    assert (
        set(files_in(tmp_path / 'd')) == set()
        and by_id.scan('2').download(tmp_path / 'd').is_complete
    )
    assert set(files_in(tmp_path / 'd')) == {
        name for name in expected() if name.startswith('BULK/S/E/2/')
    }


@pytest.mark.parametrize('is_shared', [False, True])
@pytest.mark.parametrize('names', list(itertools.product(('label', 'ID'), repeat=2)))
@pytest.mark.parametrize('selected', ['subject', 'session'])
def test_the_labels_of_an_element_are_in_its_document_unless_an_id_names_it(
    scan: Any,
    xnat: pyxnat.Interface,
    tmp_path: Path,
    selected: str,
    names: tuple[str, str],
    is_shared: bool,
) -> None:
    scan.resource('DICOM').file('a.dcm').put(b'a')
    session = scan.parent()
    subject = session.parent()
    project, labels = subject.parent(), ('S1', 'S1_MR')
    if is_shared:
        project, labels = xnat.select.project(f'{project.id()}_Q').create(), ('S_Q', 'E_Q')
        for element, label in zip((subject, session), labels, strict=True):
            element.share(project.id(), label)
    spelled = [
        label if by == 'label' else element.id()
        for by, label, element in zip(names, labels, (subject, session), strict=True)
    ]
    selection = project.subject(spelled[0])
    selection = selection if selected == 'subject' else selection.experiment(spelled[1])
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        report = selection.download(tmp_path)
    assert report.ok == [f'{project.id()}/{"/".join(labels)}/1/DICOM/a.dcm']
    listings = [record.uri for record in trace if '/subjects?' in record.uri]
    assert len(listings) == (names[0] == 'ID')


def test_a_subject_that_does_not_exist_is_an_error(session: Any, tmp_path: Path) -> None:
    wrong = session.parent().parent().subject('NOBODY').experiment('E')
    with pytest.raises(errors.NotFoundError):
        wrong.download(tmp_path / 'd')
    assert not (tmp_path / 'd').exists()


@pytest.mark.parametrize(
    'has', ['', 'assessors', 'reconstructions', 'assessors reconstructions', 'subject assessor']
)
def test_other_files_of_a_session_are_the_same_as_in_the_walk(
    project: Any, xnat: pyxnat.Interface, has: str
) -> None:
    subject, other = project.subject('S'), project.subject('S').experiment('OTHER')
    session = subject.experiment('E').create(
        **{'experiments': 'xnat:subjectVariablesData'} if has.startswith('subject') else {}
    )
    for one in (other, session):
        if 'assessors' in has:
            one.assessor(f'{one._urn}_A').create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
            )
            one.assessor(f'{one._urn}_A').out_resource('MAPS').file('m.nii').put(b'map')
        if 'reconstructions' in has:
            one.reconstruction(f'{project._urn}_{one._urn}_R').create()
            one.reconstruction(f'{project._urn}_{one._urn}_R').out_resource('MAPS').file(
                'r.nii'
            ).put(b'map')
    other.assessor('B').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    xnat.cache.expiration = 0
    for above in (
        f'/projects/{project._urn}/subjects/S/experiments/E',
        f'/experiments/{session.id()}',
        f'/projects/{project._urn}/experiments/E',
    ):
        xnat.walker.without = frozenset()
        with xnat.trace() as trace:
            found = [file._uri for file in xnat.select(f'{above}//files')]
        looks = sum('xsiType=' in record.uri for record in trace)
        xnat.walker.without = frozenset(SHORT_CUTS)
        assert found == [file._uri for file in xnat.select(f'{above}//files')]
        assert (len(found), looks) == (
            len(has.split()) if has and not has.startswith('subject') else 0,
            1,
        )


@pytest.mark.parametrize(
    'select',
    [
        lambda x: x.select.project('BULK'),
        lambda x: x.select.project('BULK').subjects(),
        lambda x: x.select.project('BULK').experiments(),
        lambda x: x.select.project('BULK').experiment('E'),
        lambda x: x.select.project('BULK').subject('S').experiments().first(),
        lambda x: x.select.experiment(x.select.project('BULK').experiment('E').id()),
        lambda x: x.select('/projects/BULK//files'),
    ],
)
def test_files_have_the_same_place_however_they_were_selected(
    select: Any, session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    session.download(tmp_path / 'd')
    report = select(xnat).download(tmp_path / 'd')
    assert report.is_complete and report.ok == [] and len(report.skipped) == len(expected())


def test_shared_sessions_are_downloaded_with_the_project_they_are_shared_into(
    scan: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    scan.resource('DICOM').file('a.dcm').put(b'a')
    other = xnat.select.project(f'{scan.parent().parent().parent()._urn}_OTHER').create()
    scan.parent().share(other._urn)
    above = f'{other._urn}/S1/S1_MR'
    assert other.download(tmp_path / 'd').ok == [f'{above}/1/DICOM/a.dcm']
    assert other.experiments().download(tmp_path / 'd').skipped == [f'{above}/1/DICOM/a.dcm']


def test_a_folder_in_the_place_of_a_file_is_a_failure(session: Any, tmp_path: Path) -> None:
    (tmp_path / '2').write_bytes(b'a file where a folder is due')
    (tmp_path / '1/DICOM/7.dcm').mkdir(parents=True)
    report = session.scans().download(tmp_path, layout='{scan}/{resource}/{path}')
    assert len(report.failed) == PER_SCAN + 1 and len(report.ok) == 2 * PER_SCAN - 1
    assert all(isinstance(failure.error, OSError) for failure in report.failed)


def test_parallel_downloads_into_one_folder_do_not_disturb_each_other(
    session: Any, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: session.download(tmp_path / 'd'), range(3)))
    assert all(report.is_complete for report in reports)
    assert (
        verify(tmp_path / 'd').is_clean
        and len(verify(tmp_path / 'd').ok) == len(expected())
        and files_in(tmp_path / 'd') == expected()
    )


def test_parts_of_a_session_can_be_downloaded(session: Any, tmp_path: Path) -> None:
    assert len(session.scan('2').download(tmp_path / 'scan').ok) == PER_SCAN
    assert session.resource('NOTES').download(tmp_path / 'resource').ok == [
        'BULK/S/E/NOTES/sub/notes.txt'
    ]
    assert (
        len(session.scans('1*').resources('DICOM').files('1?.dcm').download(tmp_path / 'files').ok)
        == 20
    )
    assert session.assessor('A').download(
        tmp_path / 'assessor', layout='{assessor}/{side}/{resource}/{name}'
    ).ok == ['A/out/MAPS/m.nii']
    assert session.resource('NOTES').file('sub/notes.txt').download(tmp_path / 'file').ok == [
        'BULK/S/E/NOTES/sub/notes.txt'
    ]


def test_few_missing_files_come_singly_and_many_in_a_zip(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    scans, layout = session.scans(), '{scan}/{path}'
    scans.download(tmp_path, layout=layout)
    for count, kind in ((3, '/files/'), (49, '/files/'), (50, 'format=zip')):
        for number in range(count):
            (tmp_path / f'2/{number}.dcm').unlink()
        with xnat.trace() as trace:
            assert len(scans.download(tmp_path, layout=layout).ok) == count
        assert all(kind in uri for uri in contents(trace)), contents(trace)[:4]
        assert len(contents(trace)) == (count if count < 50 else 1)


def test_only_a_changed_file_is_fetched_again(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    scan, layout = session.scan('2'), '{path}'
    scan.download(tmp_path, layout=layout)
    (tmp_path / '7.dcm').write_bytes(bytes(len(content_of('2', 7))))
    assert verify(tmp_path).changed == ('7.dcm',)
    assert scan.download(tmp_path, layout=layout, existing='keep').ok == []
    with pytest.raises(errors.DataError, match=r'7\.dcm'):
        scan.download(tmp_path, layout=layout, existing='error')
    with xnat.trace() as trace:
        assert scan.download(tmp_path, layout=layout).ok == ['7.dcm']
    assert len(contents(trace)) == 1 and verify(tmp_path).is_clean
    assert len(scan.download(tmp_path, layout=layout, existing='replace').ok) == PER_SCAN


def test_md5sum_reads_the_manifest(session: Any, tmp_path: Path) -> None:
    session.download(tmp_path)
    lines = (tmp_path / 'MD5SUMS').read_text().splitlines()
    assert len(lines) == len(expected()) and lines == sorted(lines, key=lambda line: line[34:])
    assert all(
        line == f'{hashlib.md5(expected()[line[34:]]).hexdigest()}  {line[34:]}' for line in lines
    )
    if os.name == 'posix':
        subprocess.run(
            ['md5sum', '--check', '--strict', '--quiet', 'MD5SUMS'], cwd=tmp_path, check=True
        )
    (tmp_path / 'BULK/S/E/A/MAPS/m.nii').unlink()
    assert verify(tmp_path).missing == ('BULK/S/E/A/MAPS/m.nii',)


def test_a_folder_without_manifest_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match='MD5SUMS'):
        verify(tmp_path)


def test_two_files_for_one_place_are_an_error_before_any_request(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    with (
        xnat.trace() as trace,
        pytest.raises(
            errors.DataError, match=r'scans/1.*files/0\.dcm and .*scans/1-MR.*files/0\.dcm'
        ),
    ):
        session.download(tmp_path / 'd', layout='{experiment}/{name}')
    assert contents(trace) == [] and not (tmp_path / 'd').exists()


def test_hostile_names_stay_in_the_folder(project: Any, tmp_path: Path) -> None:
    names = ['CON', 'x' * 220 + '.nii', 'é ü.txt', '(41)', '~', 'MD5SUMS', '-rf', '.0.dcm.part']
    resource = project.resource('HOSTILE')
    for name in names:
        resource.file(name).put(name.encode())
    report = project.download(tmp_path / 'in' / 'here', layout='{resource}/{path}')
    assert report.is_complete
    assert sorted(
        path.read_bytes().decode() for path in (tmp_path / 'in/here/HOSTILE').iterdir()
    ) == sorted(names)
    assert {path.name for path in tmp_path.iterdir()} == {'in', 'cache'} and [
        path.name for path in (tmp_path / 'in').iterdir()
    ] == ['here']
    assert verify(tmp_path / 'in/here').is_clean
    assert len(project.download(tmp_path / 'in/here', layout='{resource}/{path}').skipped) == len(
        names
    )
    with pytest.raises(errors.DataError, match='MD5SUMS'):
        project.download(tmp_path / 'other', layout='{path}')


def test_the_method_of_scans_downloads_in_both_ways(session: Any, tmp_path: Path) -> None:
    path = session.scans().download(tmp_path)
    name = '_'.join(step.name for step in session.steps)
    assert path == str(tmp_path / f'{name}_scans_ALL.zip') and Path(path).is_file()
    assert len(session.scans().download(tmp_path, jobs=2).ok) == len(SCANS) * PER_SCAN
    with pytest.raises(errors.ProgrammingError, match='are for zips only'):
        session.scans().download(tmp_path, extract=True, jobs=2)


def test_wrong_arguments_are_an_error(session: Any, tmp_path: Path) -> None:
    for wrong in (
        {'existing': 'perhaps'},
        {'layout': '{nobody}/{path}'},
        {'layout': None},
        {'jobs': 0},
        {'jobs': '4'},
        {'compression': 10},
    ):
        with pytest.raises(errors.ProgrammingError) as raised:
            session.download(tmp_path / 'd', **wrong)
        assert raised.value.remedy
    assert not (tmp_path / 'd').exists()


def test_names_that_differ_only_in_case_are_two_files_on_a_case_sensitive_disk(
    project: Any, tmp_path: Path
) -> None:
    for name in ('a.dcm', 'A.dcm'):
        project.resource('CASE').file(name).put(name.encode())
    (tmp_path / 'probe').touch()
    if (tmp_path / 'PROBE').exists():
        with pytest.raises(errors.DataError, match=r'[aA]\.dcm and'):
            project.download(tmp_path / 'd', layout='{path}')
    else:
        assert sorted(project.download(tmp_path / 'd', layout='{path}').ok) == ['A.dcm', 'a.dcm']


def test_an_impossible_folder_is_an_error_before_any_request(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    (tmp_path / 'file').write_bytes(b'mine')
    with xnat.trace() as trace:
        for dest in (tmp_path / 'file', tmp_path / 'file/below', ''):
            with pytest.raises(errors.DataError, match='folder'):
                session.download(dest)
    assert trace.requests == 0 and (tmp_path / 'file').read_bytes() == b'mine'
    assert (
        session.resource('NOTES').download(os.fsencode(tmp_path / 'bytes')).is_complete
        and (tmp_path / 'bytes').is_dir()
    )


def test_kept_files_are_not_in_the_manifest(session: Any, tmp_path: Path) -> None:
    (tmp_path / '7.dcm').write_bytes(b'mine')
    report = session.scan('2').download(tmp_path, layout='{path}', existing='keep')
    assert report.skipped == ['7.dcm'] and (tmp_path / '7.dcm').read_bytes() == b'mine'
    assert verify(tmp_path).is_clean and len(verify(tmp_path).ok) == PER_SCAN - 1


def test_a_report_lists_the_results(session: Any, tmp_path: Path) -> None:
    report = session.download(tmp_path)
    assert repr(report) == f'<Report: {len(expected())} downloaded, 0 skipped, 0 failed>'
    assert (
        str(report).startswith(f'{len(expected())} downloaded to {tmp_path} (')
        and report.check() is report
    )


def test_a_progress_bar_is_shown_on_request(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('tqdm')
    session.download(tmp_path / 'a')
    assert capsys.readouterr().err == ''  # not a terminal
    session.download(tmp_path / 'b', progress=True)
    assert '100%' in capsys.readouterr().err
    session.scan('1').upload(tmp_path / 'b/BULK/S/E/1', progress=True)
    session.scans().map(lambda scan: scan.id(), progress=False)


# -- failures


@pytest.fixture
def proxy(server: Any, filled: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.005)
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def through(server: Any, proxy: FaultProxy, tmp_path: Path) -> Iterator[Any]:
    """Return the session behind a proxy that damages chosen responses."""
    with pyxnat.Interface(
        proxy.url, server.user, server.password, tmp_path / 'cache', timeout=GENEROUS_S, retries=1
    ) as interface:
        interface._exec('/data/projects')
        interface.cache.expiration = 0
        yield interface.select.project('BULK').subject('S').experiment('E')
        proxy.faults.clear()


def is_zip(method: str, uri: str) -> bool:
    return 'format=zip' in uri


@pytest.mark.parametrize(
    'fault',
    [
        cut(lambda length: length // 3),
        cut(lambda length: length - 30),
        cut(lambda length: 300),
        faults.reset,
        faults.garbage,
        says(503, b'', 'Retry-After: 0'),
        says(200, b'<html>Welcome to the hotel</html>'),
        says(500, b'out of memory'),
    ],
)
def test_files_missing_from_a_damaged_zip_are_fetched_singly(
    fault: Any, through: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.applies, proxy.faults = is_zip, [fault]
    report = through.download(tmp_path / 'd')
    assert report.is_complete and files_in(tmp_path / 'd') == expected()


def test_the_progress_bar_counts_each_byte_once_despite_retries(
    through: Any, proxy: FaultProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('tqdm')
    proxy.applies, proxy.faults = (
        (lambda method, uri: is_zip(method, uri) or uri.endswith('notes.txt')),
        [cut(lambda length: length // 3)] * 3,
    )
    assert through.download(tmp_path / 'd', progress=True).is_complete
    done, total = re.findall(r'(\S+)/(\S+) \[', capsys.readouterr().err)[-1]
    assert done == total
    through.download(tmp_path / 'd', progress=True)
    assert capsys.readouterr().err == ''  # no file was missing


def test_files_from_a_truncated_zip_are_not_requested_again(
    through: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.applies, proxy.faults = is_zip, [cut(lambda length: length // 3)]
    assert through.scan('2').download(tmp_path, layout='{path}').is_complete
    singly = [line for line in proxy.seen if '/files/' in line]
    assert 0 < len(singly) < 50, proxy.seen


@pytest.mark.parametrize(
    ('fault', 'error'),
    [
        (cut(lambda length: length - 1), errors.TransferError),
        (says(404), errors.NotFoundError),
        (says(403), errors.PermissionDenied),
        (says(500, b'broken'), errors.InternalError),
    ],
)
def test_failures_are_collected_and_only_those_are_fetched_next_time(
    fault: Any, error: type, through: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.applies, proxy.faults = (
        (lambda method, uri: uri.endswith(('notes.txt', 'm.nii'))),
        [fault] * 99,
    )
    report = through.download(tmp_path / 'd')
    assert [type(failure.error) for failure in report.failed] == [error, error] and len(
        report.ok
    ) == len(expected()) - 2
    assert all('notes.txt' in failure.what or 'm.nii' in failure.what for failure in report.failed)
    assert 'notes.txt' in str(report) and not report.is_complete
    with pytest.raises(errors.DataError, match='2 of'):
        report.check()
    proxy.faults, proxy.seen[:] = [], []
    assert through.download(tmp_path / 'd').is_complete and files_in(tmp_path / 'd') == expected()
    assert len([line for line in proxy.seen if '/files/' in line or is_zip('', line)]) == 2


def test_an_expired_login_stops_the_run(through: Any, proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.applies, proxy.faults = is_zip, [says(200, LOGIN_PAGE)] * 9
    with pytest.raises(errors.AuthenticationError):
        through.download(tmp_path / 'd')


def test_an_unreachable_server_stops_the_run(xnat: pyxnat.Interface, tmp_path: Path) -> None:
    with (
        pyxnat.Interface('http://127.0.0.1:1', 'u', 'p', tmp_path / 'cache') as interface,
        pytest.raises(errors.NetworkError),
    ):
        interface.select.project('BULK').download(tmp_path / 'd')


def test_without_checksums_the_manifest_identifies_downloaded_files(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = xnat._get_json
    monkeypatch.setattr(
        xnat,
        '_get_json',
        lambda uri: [{**row, 'digest': ''} if 'Size' in row else row for row in listing(uri)],
    )
    scan = session.scan('1')
    assert len(scan.download(tmp_path, layout='{path}').ok) == PER_SCAN
    assert len(scan.download(tmp_path, layout='{path}').skipped) == PER_SCAN
    (tmp_path / '3.dcm').write_bytes(bytes(len(content_of('1', 3))))
    assert scan.download(tmp_path, layout='{path}').ok == ['3.dcm']


def test_leftovers_of_a_killed_run_are_removed(session: Any, tmp_path: Path) -> None:
    layout = '{path}'
    (tmp_path / '.5.dcm.abcdefgh.part').write_bytes(b'half')
    os.utime(tmp_path / '.5.dcm.abcdefgh.part', (1e9, 1e9))
    (tmp_path / '.mine.abcdefgh.part').write_bytes(b'mine')
    (tmp_path / 'MD5SUMS').write_bytes(b'0123')
    session.scan('1').download(tmp_path, layout=layout)
    assert (
        not (tmp_path / '.5.dcm.abcdefgh.part').exists()
        and (tmp_path / '.mine.abcdefgh.part').exists()
    )
    assert verify(tmp_path).is_clean and len(verify(tmp_path).ok) == PER_SCAN


def test_an_interrupt_just_after_a_rename_leaves_the_file_in_the_manifest(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, taken = os.replace, []

    def interrupted(source: Any, target: Any) -> None:
        replace(source, target)
        taken.append(
            Path(target).is_relative_to(tmp_path / 'd') and '.xnat' not in Path(target).parts
        )
        if taken.count(True) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.download(tmp_path / 'd', jobs=1)
    assert len(files_in(tmp_path / 'd')) == 3
    assert len(verify(tmp_path / 'd').ok) == 3 and verify(tmp_path / 'd').is_clean
