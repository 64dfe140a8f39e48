"""Tests of the methods of single levels: settings and users, parameters, provenance, documents."""

from __future__ import annotations

import pytest

from pyxnat import errors


def test_accessibility(project):
    assert project.accessibility() == 'protected'
    for access in ('private', 'public', 'protected'):
        project.set_accessibility(access)
        assert project.accessibility() == access
    with pytest.raises(errors.ProgrammingError, match='private'):
        project.set_accessibility('open')


def test_users_and_roles(server, project):
    server.add_user('ann', 'secret')
    server.add_user('bob', 'secret')
    project.add_user('ann', 'owner')
    project.add_user('bob', 'collaborator')
    assert {'ann', 'bob'} <= set(project.users())
    assert (
        'ann' in project.owners() and project.collaborators() == ['bob'] and project.members() == []
    )
    project.add_user('bob')
    assert (project.user_role('bob'), project.user_role('ann'), project.user_role('nobody')) == (
        'member',
        'owner',
        '',
    )
    project.remove_user('bob')
    assert project.user_role('bob') == ''
    with pytest.raises(errors.NotFoundError, match='no role'):
        project.remove_user('bob')
    with pytest.raises(errors.ProgrammingError, match='no role'):
        project.add_user('bob', 'king')
    assert project._intf.manage.project(project._urn).users() == project.users()


def test_project_settings(project):
    project.set_prearchive_code(4)
    project.set_quarantine_code('1')
    assert (project.prearchive_code(), project.quarantine_code()) == (4, 1)
    assert isinstance(project.current_arc(), str)
    project.attrs.set('description', 'A study of ageing')
    assert project.description() == 'A study of ageing'


def test_aliases(xnat, project):
    assert project.aliases() == []


def test_last_modified_dates_of_subjects(project):
    subject = project.subject('S1').create()
    before = project.last_modified()
    assert list(before) == [subject.id()]
    subject.experiment('E1').create()
    assert project.last_modified()[subject.id()] >= before[subject.id()]


def test_parameters_of_scans_and_assessors(scan):
    assessor = (
        scan.parent()
        .assessor('A1')
        .create(assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'})
    )
    for element in (scan, assessor):
        assert element.params() == [] and element.get_param('k') is None
        element.set_param('k', 'value & more')
        element.set_param('n', '3')
        assert element.get_param('k') == 'value & more'
        assert element.get_params(['n', 'nope', 'k']) == ['3', None, 'value & more'] and sorted(
            element.params()
        ) == ['k', 'n']


ODD_NAMES = [
    'a[b]',
    'a=b',
    '[x',
    'x]',
    'a]b[c',
    '=',
    '[name=x]',
    '[@name="x"]',
    'a/b',
    "a'b",
    '"a"',
    'a & <b>',
    'a]/b',
    'é 日本',
    'a.b@c',
    ' a',
    'x;y%z',
]


@pytest.mark.parametrize('level', ['scan', 'assessor'])
def test_names_and_values_of_parameters_can_be_any_text(scan, level):
    assessor = (
        scan.parent()
        .assessor('A1')
        .create(assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'})
    )
    element = {'scan': scan, 'assessor': assessor}[level]
    for name in ODD_NAMES:
        element.set_param(name, f'[{name}]')
    assert {name: element.get_param(name) for name in ODD_NAMES} == {
        name: f'[{name}]' for name in ODD_NAMES
    }
    element.set_param('a[b]', 'again')
    assert element.get_param('a[b]') == 'again' and sorted(element.params()) == sorted(ODD_NAMES)
    element.set_param('plain', 'x')
    element.set_param('plain', '')
    assert not element.get_param('plain')


@pytest.mark.parametrize('name', ['', 'a\nb', '\x00', '\ufffe', '\ud800'])
def test_a_text_that_no_document_can_hold_is_no_name_of_a_parameter(xnat, scan, name):
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError):
        scan.set_param(name, 'x')
    assert trace.requests == 0


@pytest.mark.parametrize('name', ['a[b]', 'a=b', "a'b", 'a/b'])
def test_a_parameter_that_no_query_can_name_is_not_cleared(xnat, scan, name):
    scan.set_param(name, 'x')
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='cannot be cleared'):
        scan.set_param(name, '')
    assert {record.method for record in trace} <= {'GET'} and scan.get_param(name) == 'x'


def test_provenance(scan):
    session = scan.parent()
    for element in (
        session.assessor('A1').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        ),
        session.reconstruction('R1').create(),
    ):
        assert element.provenance.get() == []
        element.provenance.set({'program': 'young', 'program_version': '1.0'})
        (step,) = element.provenance.get()
        assert (
            step['program'] == 'young'
            and step['program_version'] == '1.0'
            and step['machine']
            and step['timestamp']
        )
        element.provenance.set([{'program': 'second'}, {'program': 'third', 'machine': 'big'}])
        assert [step['program'] for step in element.provenance.get()] == [
            'young',
            'second',
            'third',
        ]
        for step in ({'machine': 'x'}, {'program': ''}, {'program': 'p', 'made_up': 1}):
            with pytest.raises(errors.InvalidArgument, match='needs a program') as refused:
                element.provenance.set(step)
            assert 'program_version' in refused.value.remedy
    assessor, reconstruction = session.assessor('A1'), session.reconstruction('R1')
    assessor.provenance.set({'program': 'alone'}, overwrite=True)
    assert [step['program'] for step in assessor.provenance.get()] == ['alone']
    assessor.provenance.delete()
    assert assessor.provenance.get() == []
    with pytest.raises(
        errors.NotSupportedError, match='kept 3 steps'
    ):  # as XNAT does with those of reconstructions
        reconstruction.provenance.delete()
    assert [step['program'] for step in reconstruction.provenance.get()] == [
        'young',
        'second',
        'third',
    ]


def test_triggers(xnat, scan):
    session = scan.parent()
    for act in (
        session.trigger_pipelines,
        session.fix_scan_types,
        session.pull_data_from_headers,
        session.trigger,
    ):
        act()
    with xnat.trace() as trace:
        session.trigger(False, False, False)
    assert trace.requests == 0


def test_custom_variable_values(project):
    subject = project.subject('S1').create()
    path = 'xnat:subjectData/fields/field[name=smoker]/field'
    subject.attrs.set(path, 'no')
    assert (
        b'>no<' in subject.get()
        and subject.xpath('//xnat:field[@name="smoker"]/text()')[-1] == 'no'
    )


def test_an_xml_document_is_read_and_written(project, tmp_path):
    subject = project.subject('S1').create(gender='female', handedness='left')
    (tmp_path / 'subject.xml').write_bytes(subject.get().replace(b'>left<', b'>right<'))
    subject.create(xml=str(tmp_path / 'subject.xml'), allowDataDeletion=False)
    assert subject.attrs.mget(['gender', 'handedness']) == ['female', 'right']
    assert subject.namespaces()['xnat'] == 'http://nrg.wustl.edu/xnat'
    (tmp_path / 'broken.xml').write_text('<xnat:Subject')
    with pytest.raises(errors.DataError, match=r'broken\.xml'):
        subject.create(xml=tmp_path / 'broken.xml')


def test_an_xml_document_creates_a_new_element(xnat, project, tmp_path):
    document = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" project="{}" '
        'label="E1"><xnat:date>2020-01-02</xnat:date></xnat:MRSession>'
    )
    (tmp_path / 'session.xml').write_text(document.format(project._urn))
    session = project.subject('S1').experiment('E1').create(xml=tmp_path / 'session.xml')
    assert session.datatype() == 'xnat:mrSessionData' and session.attrs.get('date') == '2020-01-02'


def test_definitions_of_custom_variables(xnat, project, tmp_path):
    for name in ('Subjects', 'subjects', ''):
        with pytest.raises(errors.InvalidArgument, match=f'no protocol {name!r}') as refused:
            project.add_custom_variables({name: {'habits': {'smoker': 'boolean'}}})
        assert 'web page' in refused.value.remedy
    protocol = (
        '<xnat:studyProtocol xsi:type="xnat:datatypeProtocol" ID="X_subjectData" name="Subjects" '
        'data-type="xnat:subjectData"><xnat:definitions><xnat:definition ID="default" '
        'data-type="xnat:subjectData" description="" project-specific="0"/></xnat:definitions>'
        '</xnat:studyProtocol></xnat:Project>'
    )
    (tmp_path / 'project.xml').write_text(
        project.get().decode().replace('</xnat:Project>', protocol)
    )
    project.create(xml=tmp_path / 'project.xml')
    project.add_custom_variables({'Subjects': {'habits': {'smoker': 'boolean', 'cups': 'integer'}}})
    project.add_custom_variables({'Subjects': {'habits': {'tea': 'string'}}})
    assert project.get_custom_variables() == {
        'Subjects': {
            'default': {},
            'habits': {'smoker': 'boolean', 'cups': 'integer', 'tea': 'string'},
        }
    }
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        project.add_custom_variables({'Subjects': {'habits': {'tea': 'string'}}})
    assert trace.requests == 1
