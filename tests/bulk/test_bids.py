"""Downloads as BIDS data sets, and uploads of derivatives."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.services.bulk.bids import convert
from pyxnat.services.bulk.bids.mapping import Scan, read_rules
from pyxnat.services.bulk.bids.names import ENTITIES, Name, labels_of
from tests.conftest import DEEP
from tests.support.archive import new_project

DISK = Path('/var/tmp')
"""A folder on a real disk: deno reads nothing below ``/dev``, where tests may be."""
MR = {'experiments': 'xnat:mrSessionData'}


def nifti(*shape: int, seconds: float = 0.0) -> bytes:
    """Return a small compressed NIfTI-1 file of zeros."""
    header = bytearray(352)
    struct.pack_into('<i', header, 0, 348)
    struct.pack_into('<8h', header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into('<hh', header, 70, 2, 8)
    struct.pack_into('<8f', header, 76, 1, 1, 1, 1, seconds * 1000, 1, 1, 1)
    struct.pack_into('<f', header, 108, 352)
    struct.pack_into('<b', header, 123, 2 | 16)  # millimetres and milliseconds
    struct.pack_into('<4s', header, 344, b'n+1\0')
    size = 1
    for side in shape:
        size *= side
    return gzip.compress(bytes(header) + bytes(size), mtime=0)


T1, BOLD = nifti(4, 4, 4), nifti(4, 4, 4, 5, seconds=2.5)
GRADIENTS = {'d.bval': b'0 0 9 9 9\n', 'd.bvec': b'0 0 1 0 0\n0 0 0 1 0\n0 0 0 0 1\n'}
SCANS = (
    ('10', 'T1', 'MPRAGE', {'NIFTI/a.nii.gz': T1}),
    ('9', 'T1', 'MPRAGE', {'NIFTI/b.nii.gz': T1, 'NIFTI/b.json': b'{}', 'SNAPSHOTS/b.gif': b'g'}),
    ('11', 'localizer', '', {'NIFTI/a.nii.gz': T1}),
    ('12', 'BOLD', 'n-back', {'NIFTI/a.nii.gz': BOLD}),
    ('13', 'DTI', '', {'NIFTI/d.nii.gz': BOLD, **{f'BVAL/{n}': b for n, b in GRADIENTS.items()}}),
    ('14', 'odd', 'weird', {'NIFTI/a.nii.gz': T1}),
    ('15', 'T2', '', {'DICOM/a.dcm': b'no DICOM'}),
    ('16', 'ADC dwi', '', {'NIFTI/adc.nii.gz': T1}),
)


def fill(project: Any) -> None:
    """Create two subjects whose labels differ in a character that BIDS does not have."""
    for subject in ('S_1', 'S-1'):
        person = project.subject(subject).create(gender='female', age=34)
        session = person.experiment(f'{subject}_MR').create(**MR, date='2020-01-31')
        for number, kind, description, files in SCANS if subject == 'S_1' else SCANS[:1]:
            scan = session.scan(number).create(type=kind, series_description=description)
            for path, content in files.items():
                resource, _, name = path.partition('/')
                scan.resource(resource).file(name).put(content)


@pytest.fixture(scope='module')
def study(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the project that no test changes."""
    return new_project(server, tmp_path_factory.mktemp('filling'), 'BIDS', fill)


def tree(folder: Path) -> set[str]:
    """Return the images and their side files, below their subject and without its label."""
    places = (path.relative_to(folder).as_posix() for path in folder.glob('sub-*/ses-*/*/*'))
    return {re.sub(r'sub-\w+?(?=[/_])', 'sub', place) for place in places}


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    return list(csv.DictReader(path.open(encoding='utf-8'), delimiter='\t'))


def check_valid(folder: Path) -> None:
    """Check a data set with the validators that are installed."""
    validator = pytest.importorskip('bids_validator').BIDSValidator()
    ignored = (folder / '.bidsignore').read_text().split()
    places = [path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()]
    assert [
        place
        for place in places
        if not place.startswith('.') and place not in ignored and not validator.is_bids(f'/{place}')
    ] == []
    program = shutil.which('bids-validator-deno', path=str(Path(sys.executable).parent))
    if program is not None and DISK.is_dir():
        with tempfile.TemporaryDirectory(dir=DISK) as copy:
            shutil.copytree(folder, copy, dirs_exist_ok=True)
            command = [program, '--json', '--ignoreWarnings', copy]
            done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout, done.stderr
        assert json.loads(done.stdout)['issues']['issues'] == []


def test_a_project_becomes_a_valid_data_set(xnat: Any, study: str, tmp_path: Path) -> None:
    project, folder = xnat.select.project(study), tmp_path / 'out'
    report = project.download(folder, layout='bids').check()
    assert tree(folder) == {
        'sub/ses-MR/anat/sub_ses-MR_T1w.nii.gz',
        'sub/ses-MR/anat/sub_ses-MR_run-1_T1w.nii.gz',
        'sub/ses-MR/anat/sub_ses-MR_run-1_T1w.json',
        'sub/ses-MR/anat/sub_ses-MR_run-2_T1w.nii.gz',
        'sub/ses-MR/func/sub_ses-MR_task-nback_bold.nii.gz',
        'sub/ses-MR/func/sub_ses-MR_task-nback_bold.json',
        'sub/ses-MR/dwi/sub_ses-MR_dwi.nii.gz',
        'sub/ses-MR/dwi/sub_ses-MR_dwi.bval',
        'sub/ses-MR/dwi/sub_ses-MR_dwi.bvec',
    }
    people = rows(folder / 'participants.tsv')
    assert {(row['xnat_subject'], row['sex'], row['age']) for row in people} == {
        ('S_1', 'F', '34'),
        ('S-1', 'F', '34'),
    }
    assert len({row['participant_id'] for row in people}) == 2
    (folder_of,) = folder.glob(f'{people[0]["participant_id"]}/*_sessions.tsv')
    assert rows(folder_of)[0] == {
        'session_id': 'ses-MR',
        'acq_time': '2020-01-31T00:00:00',
        'xnat_session': f'{people[0]["xnat_subject"]}_MR',
    }
    left = {row['scan']: row['reason'] for row in rows(folder / 'unmapped.tsv')}
    assert set(left) == {'11', '14', '15', '16'} and len(report.notes) == 4
    assert "converter='dcm2niix'" in left['15'] and '.bval' in left['16']
    (side,) = folder.glob('sub-*/ses-MR/func/*_bold.json')
    assert json.loads(side.read_text()) == {'RepetitionTime': 2.5}
    check_valid(folder)


def test_a_second_run_fetches_nothing_and_changes_nothing(
    xnat: Any, study: str, tmp_path: Path
) -> None:
    folder = tmp_path / 'out'
    xnat.select.project(study).subject('S_1').download(folder, layout='bids').check()
    before = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    (folder / 'README').write_text('mine')
    report = xnat.select.project(study).subject('S_1').download(folder, layout='bids')
    assert report.ok == [] and len(report.skipped) == 7
    before[folder / 'README'] = b'mine'
    assert {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()} == before


def test_labels_are_kept_when_more_subjects_come(xnat: Any, study: str, tmp_path: Path) -> None:
    project, folder = xnat.select.project(study), tmp_path / 'out'
    project.subject('S-1').download(folder, layout='bids').check()
    project.download(folder, layout='bids').check()
    labels = {
        row['xnat_subject']: row['participant_id'] for row in rows(folder / 'participants.tsv')
    }
    assert labels['S-1'] == 'sub-S1' and labels['S_1'].startswith('sub-S1x')


def test_rules_of_a_file_come_before_the_default_ones(
    xnat: Any, study: str, tmp_path: Path
) -> None:
    path = tmp_path / 'mapping.json'
    path.write_text(
        json.dumps(
            {
                'rules': [
                    {'type': 'odd', 'suffix': 'T2w', 'entities': {'acq': '{description}'}},
                    {'type': 'T1', 'suffix': 'T1w', 'entities': {'run': '1'}},
                    {'type': ['DTI', 'BOLD'], 'skip': 'not now'},
                ],
                'participants': {},
            }
        )
    )
    session = xnat.select(f'/projects/{study}/subjects/S_1/experiments/S_1_MR')
    report = session.download(tmp_path / 'out', layout='bids', mapping=path).check()
    assert tree(tmp_path / 'out') == {
        'sub/ses-MR/anat/sub_ses-MR_acq-weird_T2w.nii.gz',
        'sub/ses-MR/anat/sub_ses-MR_run-1_T1w.nii.gz',
        'sub/ses-MR/anat/sub_ses-MR_run-1_T1w.json',
    }
    assert any('scan 9 has the name sub-S1_ses-MR_run-1_T1w' in note for note in report.notes)
    assert 'sex' not in rows(tmp_path / 'out' / 'participants.tsv')[0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"rules": [\n{"type": "a",}]}', 'line 2'),
        (
            '{"rules": [\n{"type": "a", "skip": true},\n\n{"tipe": "a"}]}',
            'line 4, rule 2: .*perhaps',
        ),
        ('{"rules": [{"type": "T1", "suffix": "T1W"}]}', "'T1W' is not known; perhaps T1w"),
        ('{"rules": [{"suffix": "T1w"}]}', 'fits every scan'),
        ('{"rules": [{"type": "f", "suffix": "bold"}]}', 'needs the entity "task"'),
        ('{"rules": [{"type": "f", "suffix": "x", "datatype": "y"}]}', "no datatype 'y'"),
        ('{"rules": [{"type": "f", "suffix": "T1w", "entities": {"sub": "1"}}]}', 'sub comes from'),
        ('{"rules": [{"type": 1, "suffix": "T1w"}]}', '"type" is 1'),
        ('{"participants": {"age": "age"}}', 'a column such as subject/note'),
        ('{"rules": {}}', 'a list of rules'),
        ('[]', 'has no names'),
    ],
)
def test_a_wrong_mapping_is_an_error_with_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / 'mapping.json'
    path.write_text(text)
    with pytest.raises(errors.DataError, match=message) as caught:
        read_rules(path)
    assert str(path) in str(caught.value) and caught.value.remedy


def test_options_of_bids_are_refused_elsewhere(xnat: Any, study: str, tmp_path: Path) -> None:
    project = xnat.select.project(study)
    with pytest.raises(errors.ProgrammingError, match='bids'):
        project.download(tmp_path, mapping={})
    with pytest.raises(errors.ProgrammingError, match='converter'):
        project.download(tmp_path, layout='bids', converter='dcm2nii')
    with pytest.raises(errors.ProgrammingError, match='has no scans'):
        project.resources().download(tmp_path, layout='bids')
    with pytest.raises(errors.ProgrammingError, match='bids'):
        project.upload(tmp_path, resource='X')


@pytest.mark.parametrize(
    ('kind', 'description', 'suffix'),
    [
        ('T1', '', 'T1w'),
        ('MPRAGE', 't1_mprage_sag', 'T1w'),
        ('', 'Sag T1w', 'T1w'),
        ('T2 FLAIR', '', 'FLAIR'),
        ('t2w', '', 'T2w'),
        ('T2*', '', 'T2starw'),
        ('PD', '', 'PDw'),
        ('', 'ep2d_diffusion', 'dwi'),
        ('BOLD', 'rest', 'bold'),
        ('fMRI', 'faces', 'bold'),
        ('3-plane localizer', 'T1', ''),
        ('epilepsy', '', None),
    ],
)
def test_default_rules(kind: str, description: str, suffix: str | None) -> None:
    image = read_rules().image_of(Scan('1', kind, description))
    assert (image and image.suffix) == suffix


@given(st.sets(st.text('aA1_- é', min_size=1, max_size=4), min_size=1, max_size=6), st.data())
@settings(max_examples=300 if DEEP else 20)
def test_labels_are_valid_different_and_kept(texts: set[str], data: Any) -> None:
    named = {('P', text): text for text in texts}
    earlier = labels_of(
        {key: named[key] for key in data.draw(st.sets(st.sampled_from([*named])))}, {}
    )
    labels = labels_of(named, earlier)
    assert labels.keys() == named.keys() and earlier.items() <= labels.items()
    assert all(re.fullmatch('[0-9A-Za-z]+', label) for label in labels.values())
    assert len({label.casefold() for label in labels.values()}) == len(texts)


def test_entities_have_the_order_of_the_specification() -> None:
    entities = {'run': '2', 'task': 'rest', 'ses': '1', 'sub': '3'}
    assert Name('func', 'bold', tuple(entities.items())).stem == 'sub-3_ses-1_task-rest_run-2_bold'
    assert len(set(ENTITIES)) == len(ENTITIES)


def test_echoes_of_one_scan_get_their_entity(xnat: Any, project: Any, tmp_path: Path) -> None:
    scan = project.subject('S').experiment('E').create(**MR).scan('1').create(type='BOLD rest')
    for name in ('a_e1', 'a_e2'):
        scan.resource('NIFTI').file(f'{name}.nii.gz').put(BOLD)
        scan.resource('NIFTI').file(f'{name}.json').put(b'{"RepetitionTime": 2.5}')
    project.download(tmp_path / 'out', layout='bids').check()
    assert sorted(path.name for path in (tmp_path / 'out').glob('sub-S/ses-E/func/*.nii.gz')) == [
        'sub-S_ses-E_task-rest_echo-1_bold.nii.gz',
        'sub-S_ses-E_task-rest_echo-2_bold.nii.gz',
    ]


def test_files_of_one_name_in_a_scan_are_told_apart(project: Any, tmp_path: Path) -> None:
    resource = project.subject('S').experiment('E').create(**MR).scan('1').create(type='T1')
    resource = resource.resource('NIFTI')
    for name in ('a/x.nii.gz', 'b/x.nii.gz', 'b/x.json', 'b/x.nii', 'x.bval'):
        resource.file(name).put(T1 if '.nii' in name else b'{}')
    report = project.download(tmp_path / 'out', layout='bids').check()
    assert sorted(tree(tmp_path / 'out')) == [
        'sub/ses-E/anat/sub_ses-E_run-1_T1w.nii.gz',
        'sub/ses-E/anat/sub_ses-E_run-2_T1w.json',
        'sub/ses-E/anat/sub_ses-E_run-2_T1w.nii.gz',
    ]
    assert [note.partition(': ')[2] for note in sorted(report.notes)] == [
        'its image has such a file already',
        'several images have its name',
    ]


def test_tables_of_others_are_not_overwritten(xnat: Any, study: str, tmp_path: Path) -> None:
    folder, subject = tmp_path / 'out', xnat.select.project(study).subject('S-1')
    folder.mkdir()
    table = folder / 'participants.tsv'
    table.write_text('participant_id\tage\nsub-1\t34\n')
    with pytest.raises(errors.DataError, match='made by another program'):
        subject.download(folder, layout='bids')
    table.unlink()
    subject.download(folder, layout='bids').check()
    header, line = table.read_text().splitlines()
    table.write_text(f'{header}\tsmoker\n{line}\tyes\n')
    about = folder / 'participants.json'
    about.write_text(json.dumps({'smoker': {'Description': 'mine'}}))
    subject.download(folder, layout='bids').check()
    assert json.loads(about.read_text()).keys() >= {'smoker', 'age', 'sex'}
    assert (rows(table)[0]['smoker'], rows(table)[0]['age']) == ('yes', '34')


def test_dicom_is_converted_once(xnat: Any, project: Any, tmp_path: Path) -> None:
    data = pytest.importorskip('pydicom.data')
    if shutil.which('dcm2niix', path=str(Path(sys.executable).parent)) is None:
        pytest.skip('dcm2niix is not installed')
    session = project.subject('S').experiment('E').create(**MR)
    scan = session.scan('1').create(type='T1')
    scan.resource('DICOM').file('a/1.dcm').put(data.get_testdata_file('MR_small.dcm'))
    session.scan('2').create(type='T2').resource('DICOM').file('no.dcm').put(b'no DICOM')
    folder = tmp_path / 'out'
    report = project.download(folder, layout='bids', converter='dcm2niix')
    (failure,) = report.failed
    assert failure.what.endswith('_T2w.nii.gz') and 'dcm2niix made no image' in str(failure)
    image = folder / 'sub-S/ses-E/anat/sub-S_ses-E_T1w.nii.gz'
    assert (folder / 'sourcedata/sub-S/ses-E/1/a/1.dcm').is_file()
    assert image.with_name('sub-S_ses-E_T1w.json').is_file()
    before = image.stat().st_ino
    report = project.download(folder, layout='bids', converter='dcm2niix')
    assert report.ok == [] and image.stat().st_ino == before
    check_valid(folder)
    session.scan('0').create(type='T1').resource('NIFTI').file('a.nii.gz').put(T1)
    project.download(folder, layout='bids', converter='dcm2niix')
    assert sorted(path.name for path in image.parent.iterdir()) == [
        'sub-S_ses-E_run-1_T1w.nii.gz',
        'sub-S_ses-E_run-2_T1w.json',
        'sub-S_ses-E_run-2_T1w.nii.gz',
    ]


def test_names_that_change_move_the_files(xnat: Any, project: Any, tmp_path: Path) -> None:
    """A second image of one name makes the first one run 2, since its scan has a higher ID."""
    session = project.subject('S').experiment('E').create(**MR)
    scan = session.scan('2').create(type='rest')
    scan.resource('NIFTI').file('a.nii.gz').put(BOLD)
    folder = tmp_path / 'out'
    project.download(folder, layout='bids').check()
    earlier = folder / 'sub-S/ses-E/func/sub-S_ses-E_task-rest_bold.nii.gz'
    before = earlier.stat().st_ino
    scan = session.scan('1').create(type='rest')
    scan.resource('NIFTI').file('a.nii.gz').put(BOLD + b' ')
    report = project.download(folder, layout='bids').check()
    first, second = (
        earlier.with_name(f'sub-S_ses-E_task-rest_run-{n}_bold.nii.gz') for n in (1, 2)
    )
    assert report.ok == [first.relative_to(folder).as_posix()]
    assert second.stat().st_ino == before and second.read_bytes() == BOLD
    assert sorted(path.name for path in earlier.parent.iterdir()) == [
        'sub-S_ses-E_task-rest_run-1_bold.json',
        'sub-S_ses-E_task-rest_run-1_bold.nii.gz',
        'sub-S_ses-E_task-rest_run-2_bold.json',
        'sub-S_ses-E_task-rest_run-2_bold.nii.gz',
    ]
    assert xnat.bulk.verify(folder).is_clean and project.download(folder, layout='bids').ok == []
    session.scan('1').delete()
    xnat.cache.clear()
    (note,) = project.download(folder, layout='bids').check().notes
    assert earlier.read_bytes() == BOLD and 'run-1_bold.nii.gz is no longer on the server' in note


def test_a_converter_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'executable', '/nowhere/python')
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(errors.ConfigurationError, match='pip install dcm2niix'):
        convert.Converter('dcm2niix')


def test_derivatives_go_to_the_elements_of_their_names(
    xnat: Any, server: Any, tmp_path: Path
) -> None:
    project = xnat.select.project(new_project(server, tmp_path / 'cache', 'DERIVED', fill))
    folder = tmp_path / 'out'
    project.download(folder, layout='bids').check()
    labels = {
        row['xnat_subject']: row['participant_id'] for row in rows(folder / 'participants.tsv')
    }
    derived = folder / 'derivatives' / 'prep'
    files = {
        'dataset_description.json': '{"GeneratedBy": [{"Name": "my prep"}]}',
        f'{labels["S_1"]}.html': 'a report',
        f'{labels["S_1"]}/ses-MR/anat/{labels["S_1"]}_ses-MR_desc-brain_mask.nii.gz': 'mask 1',
        f'{labels["S-1"]}/ses-MR/anat/{labels["S-1"]}_ses-MR_desc-brain_mask.nii.gz': 'mask 2',
    }
    for name, content in files.items():
        (derived / name).parent.mkdir(parents=True, exist_ok=True)
        (derived / name).write_text(content)
    plan = project.upload(derived, layout='bids', dry_run=True)
    assert sorted(plan.ok) == sorted(files) and not project.resource('my_prep').exists()
    assert '4 to upload' in str(plan)
    assert sorted(project.upload(derived, layout='bids').check().ok) == sorted(files)
    assert project.upload(derived, layout='bids').ok == []
    session = project.subject('S-1').experiment('S-1_MR').resource('my_prep')
    assert [session.file(name).get() and name for name in session.files().get()] == [[*files][3]]
    assert project.subject('S_1').resource('my_prep').files().get() == [[*files][1]]
    assert project.resource('my_prep').files().get() == ['dataset_description.json']
    (derived / 'sub-X').mkdir()
    (derived / 'sub-X' / 'sub-X_mask.nii.gz').write_text('?')
    with pytest.raises(errors.DataError, match=r'sub-X \(sub-X/sub-X_mask.nii.gz\)'):
        project.upload(derived, layout='bids', overwrite=True)


def test_a_dry_run_tells_what_an_upload_would_send(xnat: Any, project: Any, tmp_path: Path) -> None:
    session = project.subject('S').experiment('E').create(**MR)
    session.resource('A').file('same').put(b'same')
    for name in ('same', 'new'):
        (tmp_path / 'folder' / 'A').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'folder' / 'A' / name).write_text(name)
    plan = session.upload(tmp_path / 'folder', layout='{resource}/{path}', dry_run=True)
    assert (plan.ok, plan.skipped) == (['A/new'], ['A/same'])
    assert session.resource('A').files().get() == ['same']
