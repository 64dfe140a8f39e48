"""Tests of labels given as fields: a rename or an error, never a write to another element."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.archive import put_each

LEVELS = {
    'subject': ('xnat:subjectData', {'group': 'g'}),
    'experiment': ('xnat:mrSessionData', {'note': 'n'}),
    'assessor': ('xnat:qcManualAssessorData', {'note': 'n'}),
}
TAKEN = {'subject': 'OTHER', 'experiment': 'OTHER_E', 'assessor': 'OTHER_A'}
NAMES = {
    'short': 'label',
    'full': '{}/label',
}


@pytest.fixture
def items(xnat: pyxnat.Interface, project: Any) -> dict[str, Any]:
    """Return one element of each level with a label, and one of each beside it."""
    passed = '?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1'
    paths = (
        'S',
        'S/experiments/E?xsiType=xnat:mrSessionData',
        f'S/experiments/E/assessors/A{passed}',
        'OTHER',
        'S/experiments/OTHER_E?xsiType=xnat:mrSessionData',
        f'S/experiments/E/assessors/OTHER_A{passed}',
    )
    put_each(xnat, f'/projects/{project.id()}/subjects/', dict.fromkeys(paths))
    session = project.subject('S').experiment('E')
    return {
        'subject': project.subject('S'),
        'experiment': session,
        'assessor': session.assessor('A'),
    }


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('level', LEVELS)
def test_setting_the_label_renames(level: str, name: str, items: dict[str, Any]) -> None:
    element, (kind, _) = items[level], LEVELS[level]
    accession_id = element.id()
    element.attrs.set(NAMES[name].format(kind), 'NEW')
    assert element.label() == 'NEW' and element.exists() and element.id() == accession_id


@pytest.mark.parametrize('level', LEVELS)
def test_other_fields_are_set_with_the_label(level: str, items: dict[str, Any]) -> None:
    element, (_, fields) = items[level], LEVELS[level]
    element.attrs.mset({'label': 'NEW', **fields})
    assert element.label() == 'NEW' and element.attrs.mget(list(fields)) == list(fields.values())


@pytest.mark.parametrize('level', LEVELS)
def test_the_present_label_changes_nothing(
    level: str, items: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    element = items[level]
    with xnat.trace() as trace:
        element.attrs.set('label', element.label())
    assert not [record for record in trace if record.method != 'GET'] and element.exists()


@pytest.mark.parametrize('level', LEVELS)
def test_a_label_in_use_is_refused(level: str, items: dict[str, Any]) -> None:
    with pytest.raises(errors.DatabaseError):
        items[level].attrs.set('label', TAKEN[level])
    assert items[level].exists()


@pytest.mark.parametrize('empty', ['', None])
@pytest.mark.parametrize('level', LEVELS)
def test_a_label_is_not_cleared(level: str, empty: str | None, items: dict[str, Any]) -> None:
    with pytest.raises(errors.ProgrammingError):
        items[level].attrs.set('label', empty)
    assert items[level].exists()


@pytest.mark.sample(3)
@pytest.mark.parametrize('label', ['D', *TAKEN.values(), ''])
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('is_new', [False, True])
@pytest.mark.parametrize('level', LEVELS)
def test_an_element_is_not_created_with_the_label_of_another(
    level: str, is_new: bool, name: str, label: str, items: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    element = items[level]
    if is_new:
        element = getattr(element.parent(), level)('NEW')
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='label'):
        element.create(**{NAMES[name].format(LEVELS[level][0]): label})
    assert not [record for record in trace if record.method != 'GET']


@pytest.mark.parametrize('level', LEVELS)
def test_the_own_label_may_be_given(level: str, items: dict[str, Any]) -> None:
    kind = {f'{level}s': LEVELS[level][0]} if level != 'subject' else {}
    more = {f'{LEVELS[level][0]}/pass': '1'} if level == 'assessor' else {}
    new = getattr(items[level].parent(), level)('NEW').create(label='NEW', **kind, **more)
    assert new.exists() and new.label() == 'NEW'


@pytest.mark.parametrize('value', ['x', '', None])
def test_fields_of_existing_files_and_resources_cannot_be_set(
    value: str | None, items: dict[str, Any]
) -> None:
    resource = items['experiment'].resource('R').create(format='NIFTI')
    resource.file('f').put(b'content', format='TXT')
    for element in (resource, resource.file('f')):
        with pytest.raises(errors.ProgrammingError, match='XNAT does not change fields'):
            element.attrs.set('format', value)
    assert resource.file('f').get_copy() and resource.files().get() == ['f']


def test_setting_a_field_of_a_new_resource_creates_it(items: dict[str, Any]) -> None:
    resource = items['experiment'].resource('R')
    resource.attrs.set('format', 'NIFTI')
    assert resource.exists() and resource.attrs.get('format') == 'NIFTI'


DOCUMENTS = {
    'subject': ('Subject', lambda project: project.subject('S')),
    'experiment': ('MRSession', lambda project: project.subject('S').experiment('E')),
    'assessor': (
        'QCManualAssessment',
        lambda project: project.subject('S').experiment('E').assessor('A'),
    ),
    'scan': ('MRScan', lambda project: project.subject('S').experiment('E').scan('1')),
}
NAMED_BY = {'scan': 'ID'}
"""Attribute with the name on the path, if not the label."""


def document(folder: Path, root: str, **attributes: str) -> Path:
    """Write a document with these attributes and return its path."""
    texts = ' '.join(f'{name}="{value}"' for name, value in attributes.items())
    path = folder / 'document.xml'
    path.write_text(f'<xnat:{root} xmlns:xnat="http://nrg.wustl.edu/xnat" {texts}/>')
    return path


@pytest.mark.parametrize('where', ['below the session', 'beside it'])
@pytest.mark.parametrize('fault', ['name', 'project', 'ID'])
@pytest.mark.parametrize('level', DOCUMENTS)
def test_a_document_of_another_element_is_refused(
    level: str,
    fault: str,
    where: str,
    items: dict[str, Any],
    project: Any,
    xnat: pyxnat.Interface,
    tmp_path: Path,
) -> None:
    root, select = DOCUMENTS[level]
    if level == 'scan' and fault == 'ID':
        pytest.skip('the name of a scan is its ID')
    element = select(project)
    if where == 'beside it':
        element = getattr(element.parent(), level)('NEW')
    name = element.path_name
    attributes = {NAMED_BY.get(level, 'label'): name, 'project': project.id()}
    if fault == 'name':
        attributes[NAMED_BY.get(level, 'label')] = TAKEN.get(level, '7')
    elif fault == 'project':
        attributes['project'] = 'ELSEWHERE'
    else:
        attributes['ID'] = getattr(items[level].parent(), level)(TAKEN[level]).id()
    before = project.subjects().get('label'), project.experiments().get('label')
    with xnat.trace() as trace, pytest.raises(errors.IntegrityError):
        element.create(xml=document(tmp_path, root, **attributes))
    assert not [record for record in trace if record.method != 'GET']
    xnat.cache.expiration = 0
    assert (project.subjects().get('label'), project.experiments().get('label')) == before


@pytest.mark.parametrize('names', [(), ('label',), ('project',), ('label', 'project')])
@pytest.mark.parametrize('level', ['subject', 'experiment'])
def test_a_document_with_its_own_names_or_none_is_taken(
    level: str, names: tuple[str, ...], items: dict[str, Any], project: Any, tmp_path: Path
) -> None:
    root, _ = DOCUMENTS[level]
    own = {'label': 'NEW', 'project': project.id()}
    new = getattr(items[level].parent(), level)('NEW')
    new.create(xml=document(tmp_path, root, **{name: own[name] for name in names}))
    assert new.exists() and new.label() == 'NEW'


def test_the_document_of_an_element_selected_by_its_id_is_taken(
    items: dict[str, Any], xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    element = items['experiment']
    path = tmp_path / 'session.xml'
    path.write_bytes(element.get())
    xnat.select.experiment(element.id()).create(xml=path)
    assert element.label() == 'E'
