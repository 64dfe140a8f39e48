"""Tests of bulk uploads: a folder goes to the resources of its layout, verified, no file twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.services.bulk import pieces, upload
from tests.support import faults
from tests.support.faults import FaultProxy, cut, says

FILES = {
    '1/DICOM/a.dcm': b'a' * 1000,
    '1/DICOM/sub/b.dcm': b'b' * 2000,
    '1/DICOM/empty.dcm': b'',
    '1/NIFTI/t1.nii': b'n' * 500,
    '2/DICOM/a.dcm': b'c' * 1500,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a folder with the layout scan, resource, path."""
    for name, content in FILES.items():
        path = tmp_path / 'folder' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / 'folder'


@pytest.fixture
def session(project: Any, xnat: pyxnat.Interface) -> Any:
    xnat.cache.expiration = 0
    return project.subject('S').experiment('E')


def stored(session: Any) -> dict[str, bytes]:
    found = {}
    for file in session.scans().resources().files():
        place = f'{file.steps[-3].name}/{file.row["collection"]}/{file._urn}'
        found[place] = session._intf.get(file._uri).content
    return found


def test_a_folder_is_uploaded_completely_and_not_a_second_time(
    session: Any, xnat: pyxnat.Interface, folder: Path
) -> None:
    report = session.upload(folder)
    assert (
        report.is_complete
        and sorted(report.ok) == sorted(FILES)
        and report.bytes == sum(map(len, FILES.values()))
    )
    assert stored(session) == FILES
    with xnat.trace() as again:
        report = session.upload(folder)
    assert report.ok == [] and sorted(report.skipped) == sorted(FILES)
    assert [record.method for record in again] == ['GET'] and 'scans/ALL/files' in next(
        iter(again)
    ).uri


@pytest.mark.parametrize('name', ['.t1.part', '.a.nii.gz.part', '.part', 'part', 'x.part'])
def test_a_file_with_a_name_like_a_temporary_one_is_uploaded(
    session: Any, folder: Path, name: str
) -> None:
    (folder / '1' / 'NIFTI' / name).write_bytes(b'own')
    (folder / '1' / 'NIFTI' / '.t1.nii.0123456789abcdef.part').write_bytes(b'left by a killed run')
    session.upload(folder).check()
    assert stored(session) == {**FILES, f'1/NIFTI/{name}': b'own'}


def test_one_resource_takes_a_listing_a_zip_and_a_listing(
    session: Any, xnat: pyxnat.Interface, folder: Path
) -> None:
    scan = session.scan('1').create()
    with xnat.trace() as trace:
        assert scan.resource('DICOM').upload(folder / '1/DICOM').is_complete
    assert [record.method for record in trace] == [
        'GET',
        'PUT',
        'PUT',
        'GET',
    ]  # an empty file is sent by itself


@pytest.mark.parametrize(('scans', 'files'), [(2, 1), (5, 10)])
def test_missing_parents_are_created_first_and_no_upload_is_repeated(
    project: Any, session: Any, xnat: pyxnat.Interface, tmp_path: Path, scans: int, files: int
) -> None:
    for scan in range(scans):
        for number in range(files):
            path = tmp_path / f'new/{scan}/DICOM/{number}.dcm'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'x')
    with xnat.trace() as trace:
        assert session.upload(tmp_path / 'new').is_complete
    # the files, twice the missing scans; the owner of the session; the session, scan by scan
    # a PUT and a zip; the files
    assert trace.requests == 6 + 2 * scans
    assert all(record.status in (200, 201) for record in trace if record.method == 'PUT')
    (tmp_path / 'new/0').rename(tmp_path / 'new/another')
    with xnat.trace() as trace:
        assert len(session.upload(tmp_path / 'new').ok) == files
    assert [(record.method, record.status) for record in trace] == [
        *[('GET', 200)] * 2,
        ('PUT', 200),
        ('PUT', 200),
        ('GET', 200),
    ]
    with xnat.trace() as trace:
        assert session.upload(
            {'another/DICOM/new.dcm': tmp_path / 'new/another/DICOM/0.dcm'}
        ).is_complete
    assert [record.method for record in trace] == ['GET', 'PUT', 'GET']


def test_only_missing_or_different_files_are_sent(
    session: Any, xnat: pyxnat.Interface, folder: Path
) -> None:
    session.upload(folder)
    session.scan('2').resource('DICOM').file('a.dcm').delete()
    (folder / '1/NIFTI/t1.nii').write_bytes(b'm' * 500)
    (folder / '1/NIFTI/new.nii').write_bytes(b'new')
    report = session.upload(folder)
    assert sorted(report.ok) == ['1/NIFTI/new.nii', '2/DICOM/a.dcm']
    [failure] = report.failed
    assert (
        failure.what == '1/NIFTI/t1.nii'
        and isinstance(failure.error, errors.DuplicateError)
        and 'overwrite=True' in str(failure.error)
    )
    with xnat.trace() as trace:
        assert session.upload(folder, overwrite=True).ok == ['1/NIFTI/t1.nii']
    assert [
        record.uri.partition('?')[0].rpartition('/')[2]
        for record in trace
        if record.method == 'PUT'
    ] == ['t1.nii']
    assert stored(session)['1/NIFTI/t1.nii'] == b'm' * 500


def test_large_files_are_sent_singly_and_small_files_in_bounded_zips(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, 'BIG', 5000)
    monkeypatch.setattr(upload, 'MOST_ZIPPED', 2500)
    for number in range(5):
        (tmp_path / f'{number}.bin').write_bytes(os.urandom(1000))
    (tmp_path / 'big.bin').write_bytes(os.urandom(6000))
    (tmp_path / 'cache').mkdir(exist_ok=True)
    session.scan('1').create()
    with xnat.trace() as trace:
        members = {f'{path.name}': path for path in tmp_path.glob('*.bin')}
        assert session.scan('1').resource('R').upload(members).is_complete
    puts = sorted(
        record.uri.partition('?')[0].rpartition('/')[2]
        for record in trace
        if record.method == 'PUT'
    )
    assert len(puts) == 4 and puts.count('R.zip') == 2 and 'big.bin' in puts
    assert pieces.BIG == 16 * 2**20


def test_downloaded_files_are_uploaded_by_their_manifest(
    session: Any, project: Any, folder: Path, tmp_path: Path
) -> None:
    session.upload(folder)
    session.download(tmp_path / 'down', layout='{scan}/{resource}/{path}')
    copy = project.subject('S2').experiment('E2')
    assert copy.upload(tmp_path / 'down/MD5SUMS').is_complete and stored(copy) == FILES
    assert project.subject('S3').experiment('E3').upload(tmp_path / 'down').is_complete
    (tmp_path / 'down/1/DICOM/a.dcm').write_bytes(b'changed')
    with pytest.raises(errors.DataError, match=r'a\.dcm'):
        copy.upload(tmp_path / 'down/MD5SUMS')


def test_uploading_to_a_project_creates_subjects_and_sessions(
    project: Any, folder: Path, tmp_path: Path
) -> None:
    for subject in ('S1', 'S2'):
        for name in ('1/DICOM/a.dcm', '2/DICOM/a.dcm'):
            path = tmp_path / 'tree' / subject / f'{subject}_MR' / name
            path.parent.mkdir(parents=True)
            path.write_bytes(FILES[name])
    assert project.upload(tmp_path / 'tree', experiments='xnat:petSessionData').is_complete
    assert sorted(project.subjects().get('label')) == ['S1', 'S2']
    assert {one.datatype() for one in project.subjects().experiments()} == {'xnat:petSessionData'}


def test_resources_of_a_session_and_of_assessors_have_their_layouts(
    session: Any, tmp_path: Path
) -> None:
    (tmp_path / 'NOTES').mkdir()
    (tmp_path / 'NOTES/a.txt').write_bytes(b'note')
    session.create()
    session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    assert session.upload(
        {'NOTES/a.txt': tmp_path / 'NOTES/a.txt'}, layout='{resource}/{path}'
    ).is_complete
    assert session.upload(
        {'A/out/M/a.txt': tmp_path / 'NOTES/a.txt'}, layout='{assessor}/{side}/{resource}/{path}'
    ).is_complete
    assert session.resource('NOTES').files().get() == ['a.txt'] and session.assessor(
        'A'
    ).out_resource('M').files().get() == ['a.txt']


def test_a_file_without_a_place_is_an_error_before_any_request(
    session: Any, xnat: pyxnat.Interface, folder: Path, tmp_path: Path
) -> None:
    wrong: list[tuple[Any, dict[str, Any]]] = [
        (folder, {'layout': '{experiment}/{scan}/{resource}/{path}'}),
        (folder, {'layout': '{scan}/{path}'}),
        (folder, {'layout': '{scan}/{assessor}/{resource}/{path}'}),
        (folder / '1', {'layout': '{scan}/{resource}/x/{path}'}),
        (tmp_path / 'nowhere', {}),
        (folder / '1/NIFTI/t1.nii', {}),
        (None, {}),
        ([folder / '1/NIFTI/t1.nii'], {}),
        ({'1/R/../a': folder / '1/NIFTI/t1.nii'}, {}),
        ({'1/R/a': tmp_path / 'nowhere'}, {}),
        ([('1/R/a', folder / '1/NIFTI/t1.nii'), ('1/R/a', folder / '2/DICOM/a.dcm')], {}),
    ]
    with xnat.trace() as trace:
        for source, how in wrong:
            with pytest.raises(errors.DatabaseError) as raised:
                session.upload(source, **how)
            assert str(raised.value)
        with pytest.raises(errors.ProgrammingError):
            session.resource('R').file('f').upload(folder)
    assert trace.requests == 0


# -- failures


@pytest.mark.parametrize(
    'fault',
    [faults.reset, faults.reset_after, cut(lambda length: 5), says(503, b'', 'Retry-After: 0')],
)
def test_an_interrupted_upload_is_completed(
    fault: Any, through: tuple[Any, FaultProxy], folder: Path
) -> None:
    session, proxy = through
    proxy.applies, proxy.faults = (lambda method, uri: method == 'PUT'), [fault]
    session.upload(folder)
    proxy.faults.clear()
    assert session.upload(folder).is_complete and stored(session) == FILES


def test_failures_are_collected_and_only_those_are_sent_next_time(
    through: tuple[Any, FaultProxy], folder: Path
) -> None:
    session, proxy = through
    proxy.applies, proxy.faults = (
        (lambda method, uri: method == 'PUT' and 'NIFTI' in uri),
        [says(500, b'broken')] * 99,
    )
    report = session.upload(folder)
    assert [failure.what for failure in report.failed] == ['1/NIFTI/t1.nii'] and isinstance(
        report.failed[0].error, errors.InternalError
    )
    assert len(report.ok) == len(FILES) - 1
    proxy.faults, proxy.seen[:] = [], []
    assert session.upload(folder).ok == ['1/NIFTI/t1.nii']
    assert len([line for line in proxy.seen if line.startswith('PUT')]) == 1


def test_a_file_that_disappears_is_a_failure_and_the_others_are_uploaded(
    through: tuple[Any, FaultProxy], folder: Path
) -> None:
    session, proxy = through

    def vanish(method: str, uri: str) -> bool:
        if 'scans/ALL/files' in uri:
            (folder / '1/NIFTI/t1.nii').unlink(missing_ok=True)
        return False

    proxy.applies, proxy.faults = vanish, [faults.reset]
    report = session.upload(folder)
    assert [failure.what for failure in report.failed] == ['1/NIFTI/t1.nii'] and len(
        report.ok
    ) == len(FILES) - 1
    assert 't1.nii' in str(report.failed[0].error)


def test_a_wrong_login_stops_the_run(through: tuple[Any, FaultProxy], folder: Path) -> None:
    session, proxy = through
    proxy.applies, proxy.faults = (lambda method, uri: method == 'PUT'), [says(401)] * 99
    with pytest.raises(errors.AuthenticationError):
        session.upload(folder)
