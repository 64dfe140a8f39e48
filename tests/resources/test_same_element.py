"""Tests of elements that are found again: in collections, after a rename, in lists, at a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

# -- membership ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('element', 'collection'),
    [
        ('subjects/S', 'subjects'),
        ('subjects/S/experiments/E', 'subjects/S/experiments'),
        ('subjects/S/experiments/E', 'experiments'),
        ('experiments/E', 'subjects/S/experiments'),
        ('subjects/S/experiments/E/assessors/A', 'experiments/E/assessors'),
        ('subjects/S/experiments/E/scans/1', 'subjects/S/experiments/E/scans'),
        ('experiments/E/scans/1', 'subjects/S/experiments/E/scans'),
        ('experiments/E/scans/1', 'subjects/*/experiments/*/scans'),
        ('subjects/S/experiments/E/resources/BBRC_VALIDATOR', 'experiments/E/resources'),
        ('experiments/E/scans/1/resources/NIFTI', 'subjects/S/experiments/E/scans/1/resources'),
    ],
)
def test_an_element_is_in_a_collection_however_it_was_selected(
    xnat: pyxnat.Interface, P: str, element: str, collection: str
) -> None:
    there = xnat.select(f'/projects/{P}/{collection}')
    one = xnat.select(f'/projects/{P}/{element}')
    assert one in there and xnat.select(one.uri) in there
    (listed, *_) = (found for found in there if found.label() == one.label())
    assert listed in there
    missing = xnat.select(f'/projects/{P}/{element.rpartition("/")[0]}/NOPE')
    assert missing not in there and xnat.select.project(P) not in there


def test_an_equal_label_elsewhere_is_another_element(xnat: pyxnat.Interface, project: Any) -> None:
    other = xnat.select.project(f'{project.id()}_2').create()
    for one in (project, other):
        one.subject('S').experiment('E').scan('1').create()
    assert other.subject('S') not in project.subjects()
    assert other.subject('S').experiment('E') not in project.experiments()
    assert other.subject('S').experiment('E').scan('1') not in project.experiments().scans()
    project.subject('S').experiment('F').scan('1').create()
    scans = project.subject('S').experiment('F').scans()
    assert project.subject('S').experiment('E').scan('1') not in scans
    assert project.experiment('F').scan('1') in scans


def test_a_shared_subject_is_in_the_other_project(xnat: pyxnat.Interface, project: Any) -> None:
    other = xnat.select.project(f'{project.id()}_2').create()
    project.subject('S').create().share(other.id(), label='T')
    assert project.subject('S') in other.subjects() and other.subject('T') in project.subjects()


# -- renaming --------------------------------------------------------------------------------------


def test_elements_below_a_renamed_subject_are_selected_again(project: Any) -> None:
    subject = project.subject('S1').create()
    session, by_id = subject.experiment('E').create(), project.subject(subject.id())
    inner = by_id.experiment('E')
    subject.rename('S2')
    again = subject.experiment('E')
    assert again.exists() and inner.exists() and by_id.label() == 'S2'
    assert [one.label() for one in subject.experiments()] == ['E']
    with pytest.raises(errors.IntegrityError, match='belongs to subject S2'):
        session.resource('R').file('f').put(b'x')


# -- lists -----------------------------------------------------------------------------------------


def test_a_list_of_elements_and_paths_is_downloaded(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    for name in ('A', 'B', 'C'):
        project.subject(name).experiment(f'E{name}').resource('R').file('f').put(name.encode())
    below = f'/projects/{project.id()}/subjects'
    chosen = [project.subject('A'), f'{below}/B']
    report = xnat.bulk.download(chosen, tmp_path / 'list')
    assert len(report.ok) == 2 and not report.failed
    found = {path.read_bytes() for path in (tmp_path / 'list').rglob('f')}
    assert found == {b'A', b'B'}
    assert len(xnat.bulk.download(f'{below}/C', tmp_path / 'path').ok) == 1
    listed = list(project.subjects())
    assert len(xnat.bulk.download(listed, tmp_path / 'all').ok) == 3
    assert len(xnat.bulk.download([*listed, *listed], tmp_path / 'twice').ok) == 3
    some = project.subjects().where([('xnat:subjectData/GENDER', '=', 'x')])
    for wrong in ([], [project, project.subject('A')], [some]):
        with pytest.raises(errors.ProgrammingError):
            xnat.bulk.download(wrong, tmp_path / 'wrong')


# -- the prompt ------------------------------------------------------------------------------------


@pytest.mark.parametrize('way', ['down', 'password', 'missing'])
def test_completion_prints_an_error_in_one_line(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    url = 'http://127.0.0.1:9' if way == 'down' else server.url
    password = 'wrong' if way == 'password' else server.password
    with pyxnat.Interface(url, server.user, password, tmp_path, retries=0) as interface:
        assert interface.select.project('NOPE').subjects()._ipython_key_completions_() == []
    printed = capsys.readouterr().err
    assert printed.startswith('\nno completion: ') and printed.count('\n') == 2


def test_names_are_completed_at_the_prompt(project: Any) -> None:
    completer = pytest.importorskip('IPython.core.completer')
    for name in ('AG01', 'AG02'):
        project.subject(name).create()
    names = {'project': project, 'subjects': project.subjects()}

    def offered(text: str, evaluation: str) -> set[str]:
        prompt = completer.IPCompleter(namespace=names, global_namespace=names, use_jedi=False)
        prompt.evaluation = evaluation
        return {found.rpartition("['")[2].strip('\'"]') for found in prompt.complete(text)[1]}

    assert {'AG01', 'AG02'} <= offered("subjects['AG0", 'limited')
    assert {'AG01', 'AG02'} <= offered("project.subjects()['AG0", 'unsafe')
