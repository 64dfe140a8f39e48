"""Tests of custom forms: fields as attributes, columns and criteria; requests; errors."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.server import Server, serve
from tests.support.versions import emulated, known

LABEL = 'xnat:subjectData/SUBJECT_LABEL'
EVERYWHERE = ('projects', 'subjects', 'experiments', 'scans', 'assessors')


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve an archive of these tests alone: forms are for all projects of a site."""
    with serve(tmp_path_factory.mktemp('archive'), durable=False) as running:
        yield running


@pytest.fixture(scope='module')
def xnat(server: Any, tmp_path_factory: Any) -> Iterator[pyxnat.Interface]:
    """Create the projects FORM and OTHER, forms of every level, and subjects with values."""
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path_factory.mktemp('cache')
    ) as interface:
        interface.cache.expiration = 60
        project = interface.select.project('FORM').create()
        interface.select.project('OTHER').create()
        create = interface.manage.forms.create
        create(
            'Enrolment',
            'xnat:subjectData',
            {
                'date': 'datetime',
                'score': 'number',
                'agreed': 'checkbox',
                'site': {'type': 'container', 'components': [_text('city')]},
                'grid': {'type': 'datagrid', 'components': [_text('x')]},
            },
        )
        for title, datatype in (
            ('Of a project', 'xnat:projectData'),
            ('Of a session', 'xnat:mrSessionData'),
            ('Of a scan', 'xnat:mrScanData'),
            ('Of an assessor', 'xnat:qcManualAssessorData'),
            ('Note', 'xnat:subjectData'),
            ('Note', 'xnat:mrSessionData'),
        ):
            create(title, datatype, {'note': 'textfield'}, ['FORM'])
        create('Elsewhere', 'xnat:subjectData', {'note': 'textfield'}, ['OTHER'])
        for label in ('S1', 'S2'):
            session = (
                project.subject(label)
                .experiment(f'{label}_MR')
                .create(experiments='xnat:mrSessionData')
            )
            session.scan('1').create()
            session.assessor(f'{label}_QC').create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
            )
        yield interface


def _text(key: str) -> dict[str, Any]:
    return {'key': key, 'type': 'textfield', 'input': True, 'label': key}


def test_values_keep_their_types(xnat: pyxnat.Interface) -> None:
    values = {
        'form:Enrolment/date': '2020-01-02',
        'form:Enrolment/score': '3.5',
        'form:Enrolment/agreed': True,
        'form:Enrolment/site/city': 'Köln & "Bonn"',
        'group': 'control',
    }
    subject = xnat.select('/projects/FORM/subjects/S1')
    subject.attrs.mset(values)
    expected = ['2020-01-02', 3.5, True, 'Köln & "Bonn"', 'control']
    with xnat.trace() as trace:
        assert subject.attrs.mget(values) == expected
    assert len(trace) == 1
    assert subject.attrs.get('form:Enrolment/site.city') == 'Köln & "Bonn"'
    assert xnat.select('/projects/FORM/subjects/S2').attrs.mget(values) == [''] * 5


def test_a_set_value_costs_two_requests_and_keeps_the_others(xnat: pyxnat.Interface) -> None:
    subject = xnat.select(f'/subjects/{xnat.select("/projects/FORM/subjects/S2").id()}')
    subject.attrs.set('form:Enrolment/site/city', 'Ulm')
    with xnat.trace() as trace:
        subject.attrs.set('form:Note/note', 'seen')
        subject.attrs.set('form:Enrolment/score', 7)
    assert [request.method for request in trace] == ['GET', 'PUT'] * 2
    names = ['form:Enrolment/site/city', 'form:Note/note', 'form:Enrolment/score']
    assert subject.attrs.mget(names) == ['Ulm', 'seen', 7]
    subject.attrs.mset(dict.fromkeys(names, ''))
    assert subject.attrs.mget(names) == ['', '', '']


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('/projects/FORM', 'form:Of a project/note'),
        ('/projects/FORM/subjects/S1', 'form:Note/note'),
        ('/projects/FORM/subjects/S1/experiments/S1_MR', 'form:Of a session/note'),
        ('/projects/FORM/experiments/S2_MR', 'form:Note/note'),
        ('/projects/FORM/subjects/S1/experiments/S1_MR/scans/1', 'form:Of a scan/note'),
        (
            '/projects/FORM/subjects/S1/experiments/S1_MR/assessors/S1_QC',
            'form:Of an assessor/note',
        ),
    ],
)
def test_every_level_has_forms(xnat: pyxnat.Interface, path: str, name: str) -> None:
    element = xnat.select(path)
    element.attrs.set(name, f'of {path}')
    assert element.attrs.get(name) == f'of {path}'
    table = xnat.select(path.rpartition('/')[0]).table([name])
    assert f'of {path}' in [value for (value,) in table.items()]


def test_fields_of_forms_are_columns_in_the_listing(xnat: pyxnat.Interface) -> None:
    xnat.select('/projects/FORM/subjects/S1').attrs.set('form:Enrolment/score', 3)
    for path, note in (
        ('experiments/S1_MR', 'session'),
        ('experiments/S2_MR', ''),
        ('subjects/S1', 'subject'),
        ('subjects/S2', ''),
    ):
        xnat.select(f'/projects/FORM/{path}').attrs.set('form:Note/note', note)
    names = ['label', 'form:Note/note', 'form:Enrolment/score', 'subject/label']
    with xnat.trace() as trace:
        rows = xnat.select('/projects/FORM/experiments').table(names)
    assert len(trace) == 2, 'the listings of sessions and subjects'
    assert rows.headers() == names
    assert sorted(rows.items()) == [('S1_MR', 'session', 3, 'S1'), ('S2_MR', '', '', 'S2')]
    if importlib.util.find_spec('pyarrow'):
        typed = xnat.select('/projects/FORM/experiments').to_arrow(names).read_all()
        assert typed == rows.to_arrow()
        assert sorted(typed['form:Enrolment/score'].to_pylist(), key=str) == [3.0, None]
    with xnat.trace() as trace:
        subjects = list(xnat.select('/projects/FORM/subjects').with_columns('form:Note/note'))
        notes = [subject.attrs.get('form:Note/note') for subject in subjects]
    assert (sorted(notes), len(trace)) == (['', 'subject'], 0), 'the same listing'


def test_fields_of_forms_are_criteria(xnat: pyxnat.Interface) -> None:
    subject = xnat.select('/projects/FORM/subjects/S1')
    subject.attrs.mset({'form:Enrolment/site/city': 'Jena', 'form:Enrolment/date': '2021-05-06'})
    city = "form:Enrolment/site/city = 'Jena'"
    assert xnat.select('xnat:subjectData', [LABEL]).where(city).items() == [('S1',)]
    subjects = xnat.select('/projects/FORM/subjects')
    assert [one.label() for one in subjects.where([('form:Enrolment/date', 'LIKE', '2021*')])] == [
        'S1'
    ]
    subject.attrs.set('form:Enrolment/agreed', True)
    table = xnat.select('xnat:subjectData', [LABEL, 'form:Enrolment/agreed'])
    found = table.where([('form:Enrolment/site/city', '=', 'Jena'), (LABEL, '=', 'S1')])
    assert found.headers()[1] == 'form:Enrolment/agreed' and found.items() == [('S1', 'true')]
    with pytest.raises(errors.ProgrammingError, match='one of them at a time'):
        xnat.select('xnat:subjectData', ['form:Enrolment/date', 'form:Enrolment/agreed']).all()
    xnat.select('/projects/FORM/experiments/S1_MR').attrs.set('form:Of a session/note', 'ok')
    sessions = xnat.select('/projects/FORM/experiments')
    here = sessions.where("'form:Of a session/note' = ok", level='experiment')
    assert [session.label() for session in here] == ['S1_MR']
    xnat.manage.search.save('of a form', 'xnat:subjectData', [LABEL], city)
    assert [row[0] for row in xnat.manage.search.get('of a form').items()] == ['S1']


def test_new_elements_have_values_of_forms(xnat: pyxnat.Interface, tmp_path: Path) -> None:
    project = xnat.select.project('FORM')
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='no number'):
        project.subject('NEW').create(group='g', **{'form:Enrolment/score': 'x'})
    assert 'PUT' not in [request.method for request in trace]
    names = ['form:Enrolment/score', 'group']
    subject = project.subject('NEW').create(group='g', **{'form:Enrolment/score': 3})
    assert subject.attrs.mget(names) == [3, 'g']
    table = tmp_path / 'people.csv'
    table.write_text('label,group,form:Enrolment/score\nA1,x,4\nA2,y,\nNEW,z,5\n')
    assert len(project.subjects().insert(table, existing='update').check().ok) == 3
    found = [project.subject(label).attrs.mget(names) for label in ('A1', 'A2', 'NEW')]
    assert found == [[4, 'x'], ['', 'y'], [5, 'z']]
    table.write_text('label,form:Enrolment/none\nA4,1\n')
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match="no field 'none'"):
        project.subjects().insert(table)
    assert len(trace) == 0
    scan = project.subject('A1').experiment('A1_MR').scan('9')
    scan.create(type='T1', **{'form:Of a scan/note': 'first'})
    assert scan.attrs.mget(['type', 'form:Of a scan/note']) == ['T1', 'first']
    for label in ('NEW', 'A1', 'A2'):
        project.subject(label).delete()


def test_values_of_a_shared_session_are_set_through_any_project(xnat: pyxnat.Interface) -> None:
    xnat.select('/projects/FORM/experiments/S2_MR').share('OTHER', label='VISITOR')
    uuid = next(form.uuid for form in xnat.manage.forms() if form.title == 'Of a session')
    for path, form in (
        ('/projects/OTHER/experiments/VISITOR', uuid),
        ('/projects/FORM/subjects/S2/experiments/S2_MR', 'Of a session'),
    ):
        xnat.select(path).attrs.set(f'form:{form}/note', path)
        assert xnat.select('/projects/OTHER/experiments').mget([f'form:{uuid}/note']) == [[path]]
    xnat.select('/projects/FORM/experiments/S2_MR').unshare('OTHER')


@pytest.mark.parametrize(
    ('name', 'problem'),
    [
        ('form:Enrollment/date', 'Forms: Enrolment'),
        ('form:Enrolment/datum', 'Its fields: date'),
        ('form:Elsewhere/note', "no form 'Elsewhere'"),
        ('form:Of a scan/note', 'is for xnat:mrScanData'),
    ],
)
def test_unknown_fields_are_errors(xnat: pyxnat.Interface, name: str, problem: str) -> None:
    subject = xnat.select('/projects/FORM/subjects/S1')
    for call in (
        lambda: subject.attrs.get(name),
        lambda: subject.attrs.set(name, 'x'),
        lambda: xnat.select('/projects/FORM/subjects').table([name]),
    ):
        with pytest.raises(errors.ProgrammingError, match=problem):
            call()


def test_a_form_of_two_levels_means_the_nearer_one_and_a_uuid_tells(xnat: pyxnat.Interface) -> None:
    with pytest.raises(errors.ProgrammingError, match='2 forms') as caught:
        xnat.select('xnat:subjectData', ['form:Note/note']).all()
    names = str(caught.value).partition('UUID: ')[2].rstrip('.').split(', ')
    xnat.select('/projects/FORM/subjects/S2').attrs.set('form:Note/note', 'by title')
    of_subject = next(
        f'form:{form.uuid}/note'
        for form in xnat.manage.forms()
        if (form.title, form.datatype) == ('Note', 'xnat:subjectData')
    )
    assert of_subject in names
    rows = xnat.select('/projects/FORM/experiments').table(['label', of_subject])
    assert ('S2_MR', 'by title') in rows.items()


def test_nothing_is_sent_if_a_value_does_not_fit(xnat: pyxnat.Interface) -> None:
    subject = xnat.select('/projects/FORM/subjects/S1')
    for values in (
        {'form:Note/note': 'x', 'form:Enrolment/score': 'many'},
        {'form:Note/note': 'x', 'nonsense': 'y'},
    ):
        with xnat.trace() as trace, pytest.raises(errors.ProgrammingError):
            subject.attrs.mset(values)
        assert 'PUT' not in [request.method for request in trace]


def test_values_of_web_pages_are_read_as_stored(xnat: pyxnat.Interface) -> None:
    form = next(form for form in xnat.manage.forms('FORM') if form.title == 'Enrolment')
    subject = xnat.select('/projects/FORM/subjects/WEB').create()
    stored = {'grid': [{'x': 'a'}], 'score': '4', 'date': None, 'agreed': 0}
    uri = f'/xapi/custom-fields/subjects/{subject.id()}/fields'
    body = json.dumps({form.uuid: stored})
    xnat.put(uri, body, headers={'Content-Type': 'application/json'})
    names = [f'form:Enrolment/{key}' for key in ('grid', 'score', 'date', 'agreed', 'site/city')]
    assert subject.attrs.mget(names) == [[{'x': 'a'}], '4', '', 0, '']
    with pytest.raises(errors.ProgrammingError, match='datagrid'):
        xnat.select('xnat:subjectData', ['form:Enrolment/grid']).all()
    subject.delete()


def test_a_search_for_all_fields_leaves_out_those_of_several_forms(xnat: pyxnat.Interface) -> None:
    names = xnat.inspect.datatypes('xnat:subjectData')
    assert sum('CUSTOM-FORM' in name for name in names) > 1
    headers = xnat.select('xnat:subjectData').all().headers()
    assert 'gender_text' in headers and not any('custom-form' in name for name in headers)
    assert len(headers) > 5
    with pytest.raises(errors.ProgrammingError, match='one of them at a time'):
        xnat.select('xnat:subjectData', names).all()


def test_a_server_without_forms(server: Any, tmp_path: Any) -> None:
    with (
        emulated(server) as old,
        pyxnat.Interface(old.url, server.user, server.password, tmp_path) as xnat,
    ):
        old.traits = known('1.6')
        with pytest.raises(errors.NotSupportedError, match='no custom forms'):
            xnat.manage.forms()
        with pytest.raises(errors.NotSupportedError, match='custom variables'):
            xnat.select('/projects/FORM/subjects').table(['form:Enrolment/date'])
