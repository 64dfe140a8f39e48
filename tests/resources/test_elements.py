"""Tests of elements: created, read, changed and deleted with a known number of requests."""

from __future__ import annotations

import pytest

from pyxnat import errors


def test_an_element_exists_after_creation_and_not_after_deletion(project):
    subject = project.subject('S1')
    assert not subject.exists()
    assert subject.create() is subject
    assert subject.exists()
    subject.delete()
    assert not subject.exists()


def test_exists_is_false_below_an_element_that_does_not_exist(xnat):
    for path in (
        '/projects/NOPE',
        '/projects/NOPE/subjects/S',
        '/projects/NOPE/subjects/S/experiments/E/scans/1',
        '/experiments/NOPE',
    ):
        assert xnat.select(path).exists() is False, path
    assert xnat.select('/projects/NOPE/resources/R/files/a/b.txt').exists() is False


def test_ids_labels_and_types(scan):
    session, subject = scan.parent(), scan.parent().parent()
    assert (scan.id(), scan.label(), scan.datatype()) == ('1', '1', 'xnat:mrScanData')
    assert (
        session.label() == 'S1_MR'
        and session.id().startswith('XNAT_E')
        and session.datatype() == 'xnat:mrSessionData'
    )
    assert (
        subject.label() == 'S1'
        and subject.id().startswith('XNAT_S')
        and subject.datatype() == 'xnat:subjectData'
    )


def test_the_parent_of_an_experiment_is_its_subject_however_it_was_selected(xnat, project):
    session = project.subject('S1').experiment('S1_MR').create()
    guests = xnat.select.project(f'{project.id()}_GUEST').create()
    session.share(guests.id())
    subject = project.subject(session.parent().id())
    with xnat.trace() as trace:
        assert session.parent().label() == 'S1' and session.parent() != subject
    assert trace.requests <= 1  # the label
    for same in (
        project.experiment('S1_MR'),
        xnat.select.experiment(session.id()),
        guests.experiment('S1_MR'),
        *project.experiments(),
    ):
        assert same.parent() == subject and same.scan('1').parent().parent() == subject
    with pytest.raises(errors.NotFoundError):
        project.experiment('NOPE').parent()
    project.experiment('S1_MR').scan('3').create()  # needs no subject
    assert project.subject('S1').experiment('S1_MR').scan('3').exists()


def test_an_element_is_found_by_id_and_by_label(project):
    subject = project.subject('S1').create()
    same = project.subject(subject.id())
    assert same.exists() and same.label() == 'S1'


def test_exists_id_label_and_create_take_one_request_if_the_parent_exists(xnat, project):
    xnat.cache.expiration = 0
    subject = project.subject('S1')
    for ask in (
        subject.create,
        subject.exists,
        project.subject('S1').id,
        project.subject('S1').label,
        lambda: subject.attrs.mget(['age', 'group']),
    ):
        with xnat.trace() as trace:
            ask()
        assert trace.requests == 1, f'{ask}\n{trace}'
    xnat.cache.expiration = 60
    for ask in (subject.exists, project.subject('S1').id, subject.exists):
        with xnat.trace() as trace:
            ask()
    assert trace.requests == 0, 'what was just asked is known'
    with xnat.trace() as trace:
        (
            repr(subject),
            subject.parent(),
            subject.children(),
            subject.id(),
            subject.datatype(),
            subject == project.subject('S1'),
        )
    assert trace.requests == 0


def test_a_scan_with_its_session_and_subject_takes_two_requests(xnat, project):
    scan = project.subject('S1').experiment('E1').scan('1')
    with xnat.trace() as trace:
        scan.create(experiments='xnat:petSessionData', scans='xnat:petScanData', quality='usable')
    assert trace.requests == 2, trace
    assert (
        scan.datatype() == 'xnat:petScanData' and scan.parent().datatype() == 'xnat:petSessionData'
    )
    assert scan.attrs.get('quality') == 'usable'


def test_create_never_changes_an_existing_parent(xnat, project):
    session = project.subject('S1').experiment('E1').create(experiments='xnat:petSessionData')
    with xnat.trace() as trace:
        session.scan('1').create(scans='xnat:petScanData', experiments='xnat:mrSessionData')
    assert [record.method for record in trace] == ['PUT']
    assert project.subject('S1').experiment('E1').datatype() == 'xnat:petSessionData'


def test_a_label_that_the_server_refuses_creates_nothing(project):
    with pytest.raises(errors.DatabaseError) as caught:
        project.subject('S 1').experiment('E1').create()
    assert (
        caught.value.status is None and "' '" in caught.value.message
    )  # the error comes before any PUT
    assert len(project.subjects()) == 0


def test_fields_at_creation_keep_unusual_values(project):
    title = 'a & b = "c" / 100% ünïcode'
    subject = project.subject('S1').create(
        group=title, gender='female', params={'event_reason': 'because'}
    )
    assert subject.attrs.get('group') == title
    assert subject.attrs.mget(['gender', 'group', 'label']) == ['female', title, 'S1']


def test_attributes_are_texts_and_a_missing_one_is_empty(project):
    subject = project.subject('S1').create()
    subject.attrs.set('age', 81)
    assert subject.attrs.mget(['age', 'gender']) == ['81', '']
    subject.attrs.mset({'gender': 'male', 'xnat:subjectData/group': 'control'})
    assert subject.attrs.get('xnat:subjectData/group') == 'control'


def test_names_of_attributes_must_be_a_list(project):
    with pytest.raises(errors.ProgrammingError, match='is one name, not a list'):
        project.subject('S').create().attrs.mget('gender')


def test_attributes_of_sessions_and_scans(scan):
    session = scan.parent()
    session.attrs.set('xnat:mrSessionData/fieldStrength', '3.0')
    scan.attrs.set('quality', 'usable')
    assert session.attrs.get('xnat:mrSessionData/fieldStrength') == '3.0'
    assert scan.attrs.mget(['type', 'quality']) == ['T1', 'usable']


def test_an_unknown_field_is_an_error_and_never_a_similar_field(project):
    subject = project.subject('S1').create(**{'height': '170'})
    with pytest.raises(errors.ProgrammingError, match="no column 'heigth'"):
        subject.attrs.get('heigth')
    with pytest.raises(errors.NotFoundError):
        project.subject('NOPE').attrs.get('age')


def test_the_xml_document(project):
    subject = project.subject('S1').create(gender='female')
    assert b'<xnat:gender>female</xnat:gender>' in subject.get()
    with pytest.raises(errors.NotFoundError):
        project.subject('NOPE').get()


def test_deleting_a_missing_element_is_an_error(project):
    with pytest.raises(errors.NotFoundError):
        project.subject('NOPE').delete()


def test_a_session_selected_below_its_project_has_children(xnat, scan):
    session = scan.parent()
    below_project = xnat.select.project(scan.steps[0].name).experiment('S1_MR')
    assert below_project.id() == session.id()
    assert below_project.scan('1').exists()
    assert below_project.scans().get() == ['1']
    assert below_project.scan('1').attrs.get('type') == 'T1'


def test_elements_are_equal_if_their_uris_are(xnat, project):
    assert project.subject('S1') == xnat.select(f'{project._uri}/subject/S1')
    assert (
        len(
            {
                project.subject('S1'),
                xnat.select(f'{project._uri}/subject/S1'),
                project.subject('S2'),
            }
        )
        == 2
    )


@pytest.mark.parametrize('name', ['', None, 'a/b', 'a\x00b'])
def test_an_invalid_name_is_an_error_before_any_request(xnat, project, name):
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='not a name'):
        project.subject(name)
    assert trace.requests == 0


@pytest.mark.parametrize('name', ['0', '3-MR1', '_', '-x', 'x' * 200])
def test_scans_can_have_any_name_of_letters_digits_and_dashes(scan, name):
    other = scan.parent().scan(name).create(type='odd')
    assert other.exists() and other.attrs.get('type') == 'odd'
    assert name in scan.parent().scans().get()
    other.resource('R_s').file(f'f {name}.txt').put(b'content')
    assert [
        open(file.get()).read()
        for file in scan.parent().scans().resources().files()
        if file.label() == f'f {name}.txt'
    ] == ['content']


def test_facts_from_a_listing_about_elements_above_are_kept(xnat, project):
    project.subject('S1').experiment('S1_MR').scan('1').resource('NIFTI').file('f').put(b'content')
    (file,) = xnat.select(
        f'/projects/{project._urn}/subjects/*/experiments/*/scans/*/resources/*/files'
    )
    with xnat.trace() as trace:
        session = file.parent().parent().parent()
        assert (session.label(), session.parent().label(), session.datatype()) == (
            'S1_MR',
            'S1',
            'xnat:mrSessionData',
        )
        assert (file.parent().label(), file.parent().parent().id()) == ('NIFTI', '1')
    assert trace.requests == 0


def test_a_subject_of_the_site_has_its_experiments(xnat, scan):
    subject = xnat.select.subject(scan.parent().parent().id())
    assert subject.experiments().get('label') == ['S1_MR']
    assert subject.experiment('S1_MR').scan('1').exists()
    assert subject.experiment('S1_MR')._uri.startswith('/data/projects/')


def test_a_repeated_field_is_a_list(scan):
    session = scan.parent()
    session.scan('2').create(type='T2')
    assert session.attrs.mget(['label', 'xnat:mrSessionData/scans/scan/type']) == [
        'S1_MR',
        ['T1', 'T2'],
    ]


def test_a_field_that_xnat_would_ignore_is_an_error(xnat, project):
    subject = project.subject('S1').create()
    for name in ('nonsense', 'Gender', 'insert_date'):
        with pytest.raises(errors.ProgrammingError, match=name):
            subject.attrs.set(name, 'x')


def test_the_fields_of_an_element_are_listed(project):
    names = project.subject('S1').attrs()
    assert 'gender' in names and any('demographics' in name for name in names)


def test_old_arguments_have_no_effect(project):
    assert (
        project.exists(consistent=True)
        and project.resource('R').file('f').exists(consistent=True) is False
    )
