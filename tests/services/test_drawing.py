"""Tests of pictures of levels, types and values, read back from the figures."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.model.levels import chains


@pytest.fixture(scope='module', autouse=True)
def figures() -> Any:
    """Return matplotlib's module; each process of tests would import it with this file."""
    pytest.importorskip('networkx')
    return pytest.importorskip('matplotlib.figure')


@pytest.fixture
def study(project: Any) -> Any:
    """Create two subjects, an MR session of two scans with an assessor, and a PET session."""
    session = (
        project.subject('S1')
        .create(gender='female')
        .experiment('S1_MR')
        .create(experiments='xnat:mrSessionData')
    )
    session.scan('1').create(scans='xnat:mrScanData')
    session.scan('2').create(scans='xnat:mrScanData')
    session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    project.subject('S2').create(gender='male').experiment('S2_PET').create(
        experiments='xnat:petSessionData'
    )
    return project


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_summary_counts_each_type(xnat: pyxnat.Interface, study: Any) -> None:
    project = study.id()
    with xnat.trace() as trace:
        table = xnat.inspect.summary(project)
    assert len(trace) == 5
    assert set(table.items()) == {
        ('projects', 'xnat:projectData', '', '1'),
        ('subjects', 'xnat:subjectData', '', '2'),
        ('experiments', 'xnat:mrSessionData', '', '1'),
        ('experiments', 'xnat:petSessionData', '', '1'),
        ('scans', 'xnat:mrScanData', 'xnat:mrSessionData', '2'),
        ('assessors', 'xnat:qcManualAssessorData', 'xnat:mrSessionData', '1'),
    }
    assert sum(int(row['count']) for row in xnat.inspect.summary().where(level='scans')) >= 2


def test_the_architecture_shows_the_existing_levels(
    xnat: pyxnat.Interface, study: Any, figures: Any
) -> None:
    figure = xnat.draw.architecture(project=study.id())
    assert isinstance(figure, figures.Figure)
    assert {
        'archive',
        'projects (1)',
        'subjects (2)',
        'xnat:mrSessionData (1)',
        'xnat:petSessionData (1)',
        'xnat:mrScanData (2)',
    } <= set(texts(figure))
    assert texts(figure).count('xnat:qcManualAssessorData (1)') == 1


def test_the_architecture_without_counts_makes_no_request(xnat: pyxnat.Interface) -> None:
    with xnat.trace() as trace:
        figure = xnat.draw.architecture(with_count=False)
    assert len(trace) == 0 and len(texts(figure)) == 1 + len(chains())


def test_types_and_fields(xnat: pyxnat.Interface) -> None:
    assert {'types', 'xnat', 'xnat:mrSessionData'} <= set(texts(xnat.draw.datatypes('xnat:mr*')))
    assert {'xnat:subjectData', 'GENDER_TEXT'} <= set(
        texts(xnat.draw.datatypes('xnat:subjectData', 'GENDER*'))
    )


def test_a_level(xnat: pyxnat.Interface, study: Any) -> None:
    assert texts(xnat.draw.rest_resource('scans', study.id())) == ['scans', 'xnat:mrScanData (2)']
    assert texts(xnat.draw.rest_resource('reconstruction', study.id())) == ['reconstructions']
    assert {'files', 'resources', 'in_resources', 'assessors'} <= set(
        texts(xnat.draw.rest_resource('files'))
    )


def test_values_of_a_field(xnat: pyxnat.Interface, study: Any) -> None:
    values = xnat.inspect.field_values('xnat:subjectData/GENDER_TEXT')
    shown = texts(xnat.draw.field_values('xnat:subjectData/GENDER_TEXT'))
    assert (
        shown[0] == 'xnat:subjectData/GENDER_TEXT'
        and [text.partition(' ')[0] for text in shown[1:]] == values
    )


@pytest.mark.parametrize(
    ('ending', 'begin'), [('png', b'\x89PNG'), ('pdf', b'%PDF'), ('svg', b'<?xml')]
)
def test_a_picture_is_saved(
    xnat: pyxnat.Interface, tmp_path: Path, ending: str, begin: bytes
) -> None:
    target = tmp_path / f'levels.{ending}'
    xnat.draw.architecture(with_count=False, save=target)
    assert target.read_bytes().startswith(begin)


def test_a_picture_can_be_drawn_into_given_axes(xnat: pyxnat.Interface, figures: Any) -> None:
    figure = figures.Figure()
    first, second = figure.subplots(1, 2)
    assert xnat.draw.architecture(with_count=False, ax=second) is figure
    assert not first.texts and second.texts


def test_without_the_extra_the_error_says_what_to_install(
    xnat: pyxnat.Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == 'networkx':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match=r"networkx is missing.*pip install 'pyxnat\[draw\]'"):
        xnat.draw.architecture(with_count=False)
