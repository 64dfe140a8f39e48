"""Tests of XPath over the documents of many subjects."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat


@pytest.fixture
def study(xnat: pyxnat.Interface, project: Any) -> Any:
    """Create two subjects, one with a session of two scans."""
    project.subject('S1').create(gender='female', handedness='left')
    project.subject('S2').create(gender='male')
    session = project.subject('S1').experiment('S1_MR').create(experiments='xnat:mrSessionData')
    session.scan('1').create(type='T1', quality='usable')
    session.scan('2').create(type='T2')
    return project


def test_a_project_is_checked_out(xnat: pyxnat.Interface, study: Any) -> None:
    project = study.id()
    with xnat.trace() as trace:
        ids = xnat.xpath.checkout(project=project)
    assert len(trace) == 1 + 2 and len(xnat.xpath) == 2
    assert sorted(ids) == sorted(study.subjects().get()) == sorted(xnat.xpath.subjects())
    with xnat.trace() as trace:
        assert sorted(xnat.xpath('//xnat:scan/@ID')) == ['1', '2']
        assert sorted(xnat.xpath('string(@label)')) == ['S1', 'S2']
    assert len(trace) == 0


def test_subjects_can_be_checked_out_one_by_one(xnat: pyxnat.Interface, study: Any) -> None:
    first, second = study.subject('S1').id(), study.subject('S2').id()
    assert xnat.xpath.checkout(subjects=[first]) == [first]
    assert xnat.xpath.checkout(study.id(), ['S2']) == [second]
    assert xnat.xpath.subjects() == [first, second]
    assert xnat.xpath.checkout(subjects=first) == [first] and len(xnat.xpath) == 2
    xnat.xpath.clear()
    assert xnat.xpath.subjects() == [] and xnat.xpath('//xnat:scan') == []


def test_update_fetches_changes_of_others(
    xnat: pyxnat.Interface, server: Any, study: Any, tmp_path: Any
) -> None:
    xnat.xpath.checkout(project=study.id())
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'elsewhere'
    ) as other:
        other.select.project(study.id()).subject('S2').attrs.set('gender', 'unknown')
    assert sorted(xnat.xpath.element_text('xnat:gender')) == ['female', 'male']
    assert xnat.xpath.update() == xnat.xpath.subjects()
    assert sorted(xnat.xpath.element_text('xnat:gender')) == ['female', 'unknown']


def test_update_of_an_empty_store_makes_no_request(xnat: pyxnat.Interface) -> None:
    with xnat.trace() as trace:
        assert xnat.xpath.update() == []
    assert len(trace) == 0


def test_the_documents_can_be_queried(xnat: pyxnat.Interface, study: Any) -> None:
    store = xnat.xpath
    store.checkout(project=study.id())
    assert {'ID', 'label', 'project'} <= set(store.keys())
    assert sorted(store.values('label')) == ['S1', 'S2'] and store.values('nothing') == []
    assert {row['label'] for row in store.attrs()} == {'S1', 'S2'}
    assert {'xnat:Subject', 'xnat:gender', 'xnat:scan'} <= set(store.elements())
    assert {row['type'] for row in store.element_attrs('xnat:scan')} == {'T1', 'T2'}
    assert {'ID', 'type', 'xsi:type'} <= set(store.element_keys('xnat:scan'))
    assert store.element_values('xnat:scan', 'xsi:type') == ['xnat:mrScanData']
    assert {'1', '2', 'T1', 'T2'} <= set(store.element_values('xnat:scan'))
    assert (
        store.element_text('xnat:quality') == ['usable']
        and store.element_text('xnat:nothing') == []
    )


def test_one_subject_can_be_queried_in_the_same_ways(xnat: pyxnat.Interface, study: Any) -> None:
    xnat.xpath.checkout(project=study.id())
    one = xnat.xpath.subject(study.subject('S1').id())
    assert one.values('label') == ['S1'] and one('count(//xnat:scan)') == [2.0]
    with pytest.raises(pyxnat.errors.NotFoundError, match='checkout'):
        xnat.xpath.subject('nobody')


def test_mistakes_are_errors_with_a_remedy(xnat: pyxnat.Interface, study: Any) -> None:
    with pytest.raises(pyxnat.errors.ProgrammingError, match='project= or subjects='):
        xnat.xpath.checkout()
    with pytest.raises(pyxnat.errors.NotFoundError):
        xnat.xpath.checkout(subjects=['nobody'])
    xnat.xpath.checkout(project=study.id())
    for wrong in ('//nobodys:scan', '//['):
        with pytest.raises(pyxnat.errors.ProgrammingError, match='xnat'):
            xnat.xpath(wrong)
