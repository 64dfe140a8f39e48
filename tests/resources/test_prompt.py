"""Tests of collections as cursors, and of output at the prompt and in notebooks."""

from __future__ import annotations

import os
import zipfile

import pytest

from pyxnat import errors
from pyxnat.errors import InterfaceError


@pytest.fixture
def subjects(project):
    for number in range(5):
        project.subject(f'S{number}').create(gender='female')
    return project.subjects()


def test_a_cursor_remembers_its_position(subjects):
    labels = subjects.get('label')  # in the order of the listing
    cursor = subjects.cursor()
    assert cursor.rowcount == -1 and cursor.description[0][0] == 'element'
    assert cursor.fetchone().label() == labels[0]
    assert [element.label() for element in cursor.fetchmany(2)] == labels[1:3]
    assert [element.label() for element in cursor.fetchmany()] == [labels[3]]
    assert [element.label() for element in cursor] == [labels[4]]
    assert cursor.fetchone() is None and cursor.fetchall() == [] and cursor.rowcount == 5
    with subjects.cursor() as closing:
        assert len(closing.fetchall()) == 5
    with pytest.raises(InterfaceError, match='closed'):
        closing.fetchone()


def test_a_collection_keeps_no_state_but_its_last_count(subjects):
    assert subjects.rowcount == -1
    assert subjects.fetchmany(2) == subjects.fetchmany(2)
    assert len(subjects) == subjects.rowcount == 5


def test_elements_by_name(subjects):
    assert subjects['S3'].label() == 'S3' and subjects[subjects['S3'].id()] == subjects['S3']
    with pytest.raises(KeyError):
        subjects['nope']


def test_a_callback_sees_every_element(xnat, subjects):
    seen = []
    xnat.manage.register_callback(
        lambda collection, element: seen.append((collection, element.label()))
    )
    subjects.get()
    xnat.manage.unregister_callback()
    subjects.get()
    assert (
        sorted(label for _, label in seen) == ['S0', 'S1', 'S2', 'S3', 'S4']
        and seen[0][0] == subjects
    )


def test_a_repr_makes_no_request_and_names_the_object(xnat, project, subjects):
    with xnat.trace() as trace:
        assert repr(project.subject('S1')) == '<Subject Object> S1'
        assert repr(subjects) == f'<Subjects /projects/{project._urn}/subjects/*>'
        assert repr(subjects.where([('xnat:subjectData/GENDER', '=', 'female')])).endswith(
            'where …>'
        )
        assert all(
            repr(thing)
            for thing in (
                xnat,
                xnat.select,
                xnat.inspect,
                xnat.manage,
                project.attrs,
                project.resource('R').file('f'),
            )
        )
    assert trace.requests == 0


def test_completion_offers_names(subjects, project):
    assert subjects._ipython_key_completions_() == ['S0', 'S1', 'S2', 'S3', 'S4']
    assert {'subjects', 'subject', 'resource', 'experiments', 'attrs', 'create', 'users'} <= set(
        dir(project)
    )


def test_a_notebook_shows_tables_shortened_and_escaped(xnat, project, subjects):
    project.subject('S1').attrs.set('group', '<b>')
    page = subjects._repr_html_()
    assert page.count('<tr>') == 6 and '&lt;Subjects' in page and '<Subjects' not in page
    assert '<td>S1</td>' in project.subject('S1')._repr_html_()
    assert 'not on the server' in project.subject('NOPE')._repr_html_()
    table = xnat.select('xnat:subjectData', ['xnat:subjectData/SUB_GROUP']).where(
        [('xnat:subjectData/SUB_GROUP', '=', '<b>')]
    )
    assert '<td>&lt;b&gt;</td>' in table._repr_html_()
    with xnat.trace() as trace:
        xnat.select('/projects/*/subjects/*/experiments/*/scans')._repr_html_()
    assert trace.requests < 400


def test_scans_are_downloaded_in_one_zip_for_each_session(project, tmp_path):
    for session in ('E1', 'E2'):
        for scan in ('1', '2'):
            project.subject('S1').experiment(session).scan(scan).create(
                type='T1' if scan == '1' else 'T2'
            )
            project.subject('S1').experiment(session).scan(scan).resource('NIFTI').file(
                f'{session}_{scan}.nii'
            ).put(b'image')
    scans = project.subject('S1').experiment('E1').scans()
    path = scans.download(str(tmp_path), type='ALL')
    assert (
        os.path.basename(path) == f'{project.id()}_S1_E1_scans_ALL.zip'
        and len(zipfile.ZipFile(path).namelist()) == 2
    )
    with pytest.raises(errors.DataError, match='already'):
        scans.download(tmp_path, safe=True)
    (file,) = scans.download(tmp_path, type='T2', name='second', extract=True, removeZip=True)
    assert (
        file
        == str(tmp_path / 'E1' / 'scans' / '2-T2' / 'resources' / 'NIFTI' / 'files' / 'E1_2.nii')
        and not (tmp_path / 'second.zip').exists()
    )
    both = project.subjects().experiments().scans().download(tmp_path / 'all')
    assert sorted(os.path.basename(path) for path in both) == [
        f'{project.id()}_S1_E1_scans_ALL.zip',
        f'{project.id()}_S1_E2_scans_ALL.zip',
    ]
    with pytest.raises(errors.NotFoundError):
        scans.download(tmp_path, type='NOPE')
    with pytest.raises(errors.NotFoundError, match='condition'):
        scans.where([('xnat:subjectData/GENDER', '=', 'female')]).download(tmp_path)


def test_tags_are_stored_on_the_server(server, xnat, project, subjects, tmp_path):
    import pyxnat

    assert xnat.select.tag('nobody').get() == []
    project.subject('S1').tag('old')
    subjects.where([('xnat:subjectData/SUBJECT_LABEL', 'IN', ['S2', 'S3'])]).tag('old')
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'elsewhere'
    ) as other:
        assert 'old' in other.select.tags() and 'old' in other.select('/tags')
        assert sorted(element.label() for element in other.select('/tag/old')) == ['S1', 'S2', 'S3']
        assert len(other.select.tag('old')) == 3 and other.manage.tags.get('old').exists()
    subjects.untag('old')
    project.subject('S1').untag('old')
    assert 'old' not in xnat.select.tags() and not xnat.manage.tags.get('old').exists()
    with pytest.raises(errors.ProgrammingError, match='name of a tag'):
        xnat.manage.tags.get('../x')
