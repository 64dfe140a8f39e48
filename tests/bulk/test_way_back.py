"""The way back: a download uploaded into another archive gives the same project or session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from lxml import etree

import pyxnat
from pyxnat import errors
from pyxnat.model import uris
from tests.conftest import DEEP
from tests.support.random_projects import (
    NUMBERS,
    build,
    differences,
    projects,
    state,
)


@settings(max_examples=120 if DEEP else 4, phases=[Phase.explicit, Phase.generate])
@given(projects)
def test_a_project_uploaded_into_another_archive_is_the_same_project(
    xnat: pyxnat.Interface,
    dest: pyxnat.Interface,
    tmp_path_factory: pytest.TempPathFactory,
    wanted: dict[str, Any],
) -> None:
    name = f'WAY{next(NUMBERS)}'
    for interface in (xnat, dest):
        interface.select.project(f'{name}_O').create()
    project = build(xnat, name, wanted, xnat.select.project(f'{name}_O'))
    folder = tmp_path_factory.mktemp('way')
    project.download(folder).check()
    copy = dest.select.project(name)
    copy.upload(folder).check()
    assert differences(state(dest, name), state(xnat, name)) == {}
    again = copy.upload(folder).check()
    assert (again.ok, again.created) == ([], [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads go; the caches are beside it."""
    return tmp_path / 'down'


@pytest.fixture
def session(project: Any) -> Any:
    """A PET session with files of all its holders."""
    session = project.subject('S').create(gender='female').experiment('PET')
    session.create(experiments='xnat:petSessionData', date='2020-02-03', note='kept')
    session.scan('1').create(scans='xnat:petScanData', type='A', quality='usable')
    session.scan('1').resource('DICOM').file('a.dcm').put(b'dicom', format='DICOM')
    session.resource('NOTES').file('n.txt').put(b'note')
    session.assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    session.assessor('QC').out_resource('OUT').file('o.txt').put(b'out')
    return session


@pytest.fixture
def goal(dest: pyxnat.Interface, project: Any) -> Any:
    """A project of the other archive."""
    return dest.select.project(f'{project.id()}_G').create()


def places(element: Any) -> list[str]:
    """Level and label of the holder, and the path, of each file below an element."""
    return sorted(
        f'{file.parent().parent().level.singular} {file.parent().parent().label()} '
        f'{file.row["collection"]} {file.row["path"]}'
        for file in element.host.select(f'{element.uri}//files')
    )


PLACES = ['assessor QC OUT o.txt', 'experiment {} NOTES n.txt', 'scan 1 DICOM a.dcm']


@pytest.mark.parametrize('layout', [None, '{path}', '{subject}-{experiment}/{resource}_{path}'])
def test_a_session_is_the_same_below_another_subject_whatever_the_layout(
    session: Any, goal: Any, folder: Path, layout: str | None
) -> None:
    session.download(folder, **({'layout': layout} if layout else {})).check()
    copy = goal.subject('T').experiment('COPY')
    copy.upload(folder).check()
    assert copy.datatype() == 'xnat:petSessionData'
    assert copy.attrs.mget(['date', 'note']) == ['2020-02-03', 'kept']
    assert copy.scans().table(['ID', 'xsiType', 'type']).items() == [('1', 'xnat:petScanData', 'A')]
    assert places(copy) == [place.format('COPY') for place in PLACES]


@pytest.mark.parametrize('level', ['subject', 'project'])
def test_a_session_uploaded_to_an_element_above_keeps_its_label(
    session: Any, goal: Any, folder: Path, level: str
) -> None:
    session.download(folder).check()
    target = goal if level == 'project' else goal.subject('S')
    target.upload(folder).check()
    assert places(goal.subject('S').experiment('PET')) == [p.format('PET') for p in PLACES]


@pytest.mark.parametrize('holder', ['scan', 'assessor'])
def test_a_part_of_a_session_is_uploaded_into_another(
    session: Any, goal: Any, folder: Path, holder: str
) -> None:
    name = {'scan': '1', 'assessor': 'QC'}[holder]
    getattr(session, holder)(name).download(folder).check()
    other = goal.subject('T').experiment('E').create(experiments='xnat:petSessionData')
    copy = getattr(other, holder)(f'N{name}' if holder == 'assessor' else '7')
    copy.upload(folder).check()
    assert copy.datatype() == getattr(session, holder)(name).datatype()
    assert len(places(copy)) == 1


RESOURCES = {
    'project': lambda project: project.resource('R'),
    'subject': lambda project: project.subject('S').resource('R'),
    'session': lambda project: project.subject('S').experiment('PET').resource('NOTES'),
    'scan': lambda project: project.subject('S').experiment('PET').scan('1').resource('DICOM'),
    'output': lambda project: (
        project.subject('S').experiment('PET').assessor('QC').out_resource('OUT')
    ),
}


@pytest.mark.parametrize('holder', RESOURCES)
def test_a_downloaded_resource_is_uploaded_to_a_resource(
    project: Any, session: Any, goal: Any, folder: Path, tmp_path: Path, holder: str
) -> None:
    original, copy = RESOURCES[holder](project), RESOURCES[holder](goal)
    original.file('below/x.txt').put(b'x', content='TEXT')
    if holder == 'output':
        session.download(tmp_path / 'session').check()
        goal.subject('S').experiment('PET').upload(tmp_path / 'session').check()
        copy.delete()
    original.download(folder).check()
    copy.upload(folder).check()
    names = ['path', 'file_content', 'digest']
    sent, there = (sorted(one.files().table(names).items()) for one in (original, copy))
    assert there == sent
    assert copy.upload(folder).check().ok == []


def test_the_folder_of_a_resource_in_the_download_of_a_project_is_that_resource(
    project: Any, session: Any, goal: Any, folder: Path
) -> None:
    project.download(folder).check()
    for part, copy in (
        (next(folder.rglob('a.dcm')).parent, goal.resource('OTHER')),
        (next(folder.rglob('n.txt')).parent, goal.subject('T').resource('OTHER')),
    ):
        copy.upload(part).check()
        assert copy.files().get() == [path.name for path in part.iterdir()]


def test_fields_that_exist_with_other_values_stay_without_overwrite(
    session: Any, goal: Any, folder: Path
) -> None:
    session.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.create(experiments='xnat:petSessionData', note='mine')
    report = copy.upload(folder)
    assert [type(failure.error) for failure in report.failed] == [errors.DuplicateError]
    assert 'note' in str(report.failed[0])
    assert copy.attrs.mget(['date', 'note']) == ['', 'mine']
    copy.upload(folder, overwrite=True).check()
    assert copy.attrs.mget(['date', 'note']) == ['2020-02-03', 'kept']


def test_an_existing_element_gets_the_fields_it_lacks(
    session: Any, goal: Any, folder: Path
) -> None:
    session.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.create(experiments='xnat:petSessionData', note='kept')
    copy.scan('1').create(scans='xnat:petScanData')
    copy.upload(folder).check()
    assert copy.attrs.get('date') == '2020-02-03'
    assert copy.scan('1').attrs.mget(['type', 'quality']) == ['A', 'usable']


def test_the_folder_of_a_session_in_the_download_of_a_project_is_that_session(
    project: Any, session: Any, goal: Any, folder: Path
) -> None:
    other = project.subject('S').experiment('OTHER').create(experiments='xnat:ctSessionData')
    other.scan('1').create(scans='xnat:ctScanData').resource('R').file('f').put(b'f')
    session.scan('2').create(scans='xnat:petScanData', type='no files')
    project.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.upload(folder / project.id() / 'S' / 'PET').check()
    assert copy.datatype() == 'xnat:petSessionData'
    assert places(copy) == [place.format('COPY') for place in PLACES]
    assert sorted(copy.scans().get()) == ['1', '2']
    assert goal.experiments().get('label') == ['COPY']


def test_the_folder_of_a_scan_is_that_scan_alone(session: Any, goal: Any, folder: Path) -> None:
    session.scan('2').create(scans='xnat:petScanData').resource('R').file('f').put(b'f')
    session.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.upload(next(folder.rglob('a.dcm')).parents[1]).check()
    assert copy.datatype() == 'xnat:petSessionData'
    assert places(copy) == ['scan 1 DICOM a.dcm'] and copy.scans().get() == ['1']
    assert copy.assessors().get() == []


def test_a_file_added_to_the_folder_of_a_resource_is_uploaded_there(
    session: Any, goal: Any, folder: Path
) -> None:
    session.download(folder).check()
    new = next(folder.rglob('a.dcm')).parent / 'sub' / 'new.dcm'
    new.parent.mkdir()
    new.write_bytes(b'new')
    copy = goal.subject('T').experiment('COPY')
    copy.upload(folder).check()
    assert 'scan 1 DICOM sub/new.dcm' in places(copy)


def test_a_file_without_a_place_is_refused_before_anything_is_sent(
    session: Any, goal: Any, folder: Path
) -> None:
    session.download(folder).check()
    (folder / 'stray.txt').write_bytes(b'?')
    with pytest.raises(errors.DataError, match='stray.txt'):
        goal.subject('T').experiment('COPY').upload(folder)
    assert not goal.subject('T').exists()


def test_a_removed_file_is_noted_and_an_unfinished_download_is_refused(
    session: Any, goal: Any, folder: Path
) -> None:
    session.download(folder).check()
    next(folder.rglob('n.txt')).unlink()
    report = goal.subject('T').experiment('A').upload(folder).check()
    assert any('n.txt' in note for note in report.notes)
    (folder / 'MD5SUMS').unlink()
    with pytest.raises(errors.DataError, match=r'missing: .*n\.txt'):
        goal.subject('T').experiment('B').upload(folder)


def test_a_download_without_notes_is_refused_unless_a_layout_is_given(
    session: Any, goal: Any, folder: Path
) -> None:
    session.scan('1').download(folder, layout='{scan}/{resource}/{path}').check()
    for path in sorted((folder / '.xnat').rglob('*'), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / '.xnat').rmdir()
    copy = goal.subject('T').experiment('COPY')
    with pytest.raises(errors.DataError, match='layout='):
        copy.upload(folder)
    copy.upload(folder, layout='{scan}/{resource}/{path}').check()
    assert places(copy) == ['scan 1 DICOM a.dcm']


@pytest.mark.parametrize('target', ['session', 'scan', 'resource', 'subject'])
def test_a_folder_of_several_elements_is_not_uploaded_to_one(
    project: Any, goal: Any, folder: Path, target: str
) -> None:
    for subject, label, scan in (('A', 'E1', '1'), ('A', 'E1', '2'), ('B', 'E2', '1')):
        made = project.subject(subject).experiment(label).scan(scan)
        made.resource('R').file('f').put(b'f')
        made.resource('Q').file('f').put(b'q')
    project.download(folder).check()
    session = goal.subject('T').experiment('E')
    of = {'session': session, 'scan': session.scan('1'), 'subject': goal.subject('T')}
    with pytest.raises(errors.DataError, match='several'):
        of.get(target, session.scan('1').resource('R')).upload(folder)
    assert goal.subjects().get() == []


LINE = {
    'place': 'a/b',
    'uri': '/data/projects/P/resources/R/files/b',
    'resource': 'R',
    'path': 'b',
    'above': {'project': 'P'},
    'notes': {},
}


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('files.jsonl', b'{"place": '),
        ('files.jsonl', b'[]\n'),
        ('files.jsonl', b'{"place": "x"}\n'),
        ('files.jsonl', b'[' * 5000),
        *(
            ('files.jsonl', json.dumps({**LINE, **odd}).encode())
            for odd in (
                {'place': 1},
                {'uri': '/data/nonsense/x'},
                {'uri': None},
                {'above': ['project']},
                {'above': {'scan': 1}},
                {'notes': 'RAW'},
                {'more': ''},
            )
        ),
        ('documents.jsonl', b'\xff\xfe'),
        (
            'documents.jsonl',
            b'{"name": "../../x", "level": "experiments", "project": "", "uri": ""}',
        ),
        ('documents/*', b'<not xml'),
        ('documents/*', b''),
        ('documents/*', b'<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>'),
    ],
)
def test_damaged_notes_are_an_error_that_names_the_file(
    session: Any, goal: Any, folder: Path, name: str, content: bytes
) -> None:
    session.download(folder).check()
    for path in (folder / '.xnat').glob(name):
        path.write_bytes(content)
    with pytest.raises(errors.DataError, match='damaged'):
        goal.subject('T').experiment('COPY').upload(folder)


def test_a_session_of_another_subject_is_not_moved(session: Any, goal: Any, folder: Path) -> None:
    session.download(folder).check()
    goal.subject('OTHER').experiment('PET').create(experiments='xnat:petSessionData')
    report = goal.upload(folder)
    assert errors.IntegrityError in [type(failure.error) for failure in report.failed]
    assert places(goal) == []
    assert goal.subject('OTHER').experiments().get('label') == ['PET']


@pytest.mark.parametrize('owner_first', [True, False])
def test_shared_items_are_shared_again_or_noted(
    xnat: pyxnat.Interface,
    dest: pyxnat.Interface,
    project: Any,
    session: Any,
    folder: Path,
    owner_first: bool,
) -> None:
    guest = xnat.select.project(f'{project.id()}_SH').create()
    session.parent().share(guest.id(), 'GUEST')
    session.share(guest.id(), 'GUEST_PET')
    names = [project.id(), guest.id()] if owner_first else [guest.id()]
    for name in names:
        xnat.select.project(name).download(folder / name).check()
    reports = [dest.select.project(name).upload(folder / name).check() for name in names]
    copy = dest.select.project(guest.id())
    assert copy.subjects().get('label') == ['GUEST']
    assert copy.experiments().get('label') == ['GUEST_PET']
    owners = [etree.fromstring(found.get()).get('project') for found in copy.experiments()]
    assert owners == [project.id() if owner_first else guest.id()]
    assert bool(reports[-1].notes) is not owner_first


@pytest.mark.parametrize('label', ['S', 'GUEST'])
@pytest.mark.parametrize('session_label', ['PET', 'GUEST_PET'])
def test_items_that_are_shared_there_already_are_found(
    xnat: pyxnat.Interface,
    dest: pyxnat.Interface,
    project: Any,
    session: Any,
    folder: Path,
    label: str,
    session_label: str,
) -> None:
    guest = xnat.select.project(f'{project.id()}_SH').create()
    copy = dest.select.project(guest.id()).create()  # so that the first upload shares into it
    session.parent().share(guest.id(), label)
    session.share(guest.id(), session_label)
    for name in (project.id(), guest.id(), guest.id()):
        xnat.select.project(name).download(folder / name).check()
        dest.select.project(name).upload(folder / name).check()
    assert (copy.subjects().get('label'), copy.experiments().get('label')) == (
        [label],
        [session_label],
    )


def test_an_item_that_became_the_projects_own_is_completed(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, project: Any, session: Any, folder: Path
) -> None:
    guest = xnat.select.project(f'{project.id()}_SH').create()
    session.parent().share(guest.id(), 'GUEST')
    session.share(guest.id(), 'GUEST_PET')
    guest.download(folder).check()
    copy = dest.select.project(guest.id())
    for _ in range(2):
        copy.upload(folder).check()
        scan = copy.subject('GUEST').experiment('GUEST_PET').scan('1')
        assert scan.attrs.get('type') == session.scan('1').attrs.get('type')
        scan.delete()


@pytest.mark.parametrize('name', ['gender', 'yob', 'group'])
@pytest.mark.parametrize('owner', ['own', 'shared'])
def test_nothing_is_stored_below_a_subject_with_other_values(
    xnat: pyxnat.Interface,
    dest: pyxnat.Interface,
    project: Any,
    session: Any,
    folder: Path,
    owner: str,
    name: str,
) -> None:
    values = {'gender': ('female', 'male'), 'yob': ('1950', '1930'), 'group': ('a', 'b')}[name]
    session.parent().attrs.set(name, values[0])
    other = dest.select.project(project.id()).create()
    person = other.subject('S').create(**{name: values[1]})
    target = other
    if owner == 'shared':
        guest = xnat.select.project(f'{project.id()}_SH').create()
        session.parent().share(guest.id(), 'S')
        guest.subject('S').experiment('OWN').create(experiments='xnat:mrSessionData')
        target = dest.select.project(guest.id())
        guest.download(folder).check()
    else:
        project.download(folder).check()
    report = target.upload(folder)
    assert {type(failure.error) for failure in report.failed} == {errors.DuplicateError}
    assert person.experiments().get() == []
    assert person.attrs.get(name) == values[1]
    if owner == 'own':
        target.upload(folder, overwrite=True).check()
        assert person.attrs.get(name) == values[0]
        assert person.experiments().get('label') == ['PET']
    else:
        assert target.subjects().get() == target.experiments().get() == []


def test_a_project_of_n_subjects_takes_a_document_for_each(
    xnat: pyxnat.Interface, project: Any, folder: Path
) -> None:
    for number in range(4):
        project.subject(f'S{number}').experiment(f'E{number}').scan('1').create()
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        project.download(folder).check()
    documents = [record.uri for record in trace if 'format=xml' in record.uri]
    assert len(documents) == 1 + 4


ODD_NAMES = [
    'a b.txt',
    'x&y (1).txt',
    'é/ü.txt',
    'n' * 230,
    f'{"d" * 210}/{"ü" * 100}.nii.gz',
    'CON',
]


@pytest.mark.parametrize('name', ODD_NAMES)
def test_a_name_that_changes_on_disk_goes_back_up(
    session: Any, goal: Any, folder: Path, name: str
) -> None:
    session.scan('1').resource('ODD').file(name).put(b'odd')
    session.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.upload(folder).check()
    assert copy.scan('1').resource('ODD').files().get() == [name]


@pytest.mark.parametrize('stored', ['a%26b.txt', 'a%28b%29.txt', 'd%5Bx%5D/f.txt', 'a%20b.txt'])
def test_a_name_that_is_stored_encoded_goes_back_up(
    session: Any, goal: Any, folder: Path, stored: str
) -> None:
    resource = session.scan('1').resource('ODD')
    uri = f'{resource.uri}/files/{stored}?inbody=true'
    binary = {'content-type': 'application/octet-stream'}
    session.host.connection.request(uri, 'PUT', b'odd', binary)
    session.download(folder).check()
    copy = goal.subject('T').experiment('COPY')
    copy.upload(folder).check()
    (name,) = copy.scan('1').resource('ODD').files().get()
    assert name == uris.unquote(stored)
    assert Path(copy.scan('1').resource('ODD').file(name).get()).read_bytes() == b'odd'
    assert copy.upload(folder).check().ok == []
