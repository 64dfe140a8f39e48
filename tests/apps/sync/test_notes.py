"""Tests of format, content and tags of files and resources."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat.apps.sync.parts import resources_of
from pyxnat.apps.sync.sides import Side, always_fresh

from .test_names import is_equal
from .test_pull import content, pulled

NOTES = {'format': 'NIFTI', 'content': 'T1_RAW', 'tags': 'a,b'}
PLACES = ['', 'subjects/S', 'subjects/S/experiments/E', 'subjects/S/experiments/E/scans/1']


def resources(xnat: pyxnat.Interface, project: str) -> dict[Any, dict[str, str]]:
    """Return the notes of all resources of a project."""
    side, found = Side(xnat), {}
    with always_fresh(xnat):
        for unit, _ in side.units(project).values():
            parts = side.parts(unit)
            for part in parts.values():
                for one in resources_of(parts, part):
                    found[one.place, one.label] = one.notes
    return found


def at(xnat: pyxnat.Interface, project: str, place: str, label: str) -> Any:
    """Return a resource of an item of a project."""
    return xnat.select('/'.join(filter(None, ['/projects', project, place, 'resources', label])))


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.sample(2)
def test_notes_of_files_and_resources_are_pulled(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, place: str
) -> None:
    for label, notes in (('PLAIN', {}), ('ZZ', NOTES), ('AA', {'content': 'x'})):
        at(xnat, P, place, label).create(**notes)
        at(xnat, P, place, label).file('a.txt').put(b'a', **NOTES)
        at(xnat, P, place, label).file('b.txt').put(b'b')
    pulled(mirror)
    assert resources(mirror.local, P) == resources(xnat, P)
    assert is_equal(mirror, xnat, P)
    file = at(xnat, P, place, 'PLAIN').file('a.txt')
    file.put(b'a', overwrite=True, format='DICOM', tags='c')
    at(xnat, P, place, 'PLAIN').file('b.txt').put(b'b', overwrite=True, content='y')
    at(xnat, P, place, 'AA').delete()
    at(xnat, P, place, 'AA').create(format='F')
    at(xnat, P, place, 'AA').file('a.txt').put(b'a')
    before = mirror.status().behind
    report = pulled(mirror)
    assert len(before) == 1 and report.ok
    assert resources(mirror.local, P) == resources(xnat, P)
    assert is_equal(mirror, xnat, P) and pulled(mirror).ok == []


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.sample(4)
def test_notes_of_files_and_of_new_resources_are_pushed(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, place: str
) -> None:
    at(xnat, P, place, 'OLD').file('a.txt').put(b'a')
    pulled(mirror)
    at(mirror.local, P, place, 'OLD').file('a.txt').put(b'a', overwrite=True, **NOTES)
    at(mirror.local, P, place, 'NEW').create(**NOTES)
    at(mirror.local, P, place, 'NEW').file('b.txt').put(b'b', content='z')
    assert len(mirror.status().ahead) == 2
    assert len(mirror.push().check().ok) == 2
    assert resources(mirror.local, P) == resources(xnat, P)
    assert is_equal(mirror, xnat, P) and mirror.push().ok == []


def test_notes_that_both_changed_are_a_conflict(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    at(xnat, P, PLACES[1], 'R').file('a.txt').put(b'a', tags='old')
    pulled(mirror)
    for side, tags in ((xnat, 'theirs'), (mirror.local, 'ours')):
        at(side, P, PLACES[1], 'R').file('a.txt').put(b'a', overwrite=True, tags=tags)
    [conflict] = mirror.pull().conflicts
    assert (conflict.ours['tags'], conflict.theirs['tags']) == ('ours', 'theirs')
    mirror.resolve(conflict, 'remote')
    pulled(mirror)
    assert is_equal(mirror, xnat, P)


def test_notes_alone_are_pulled_without_the_content(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    file = at(xnat, P, PLACES[3], 'NIFTI').file('T1.nii.gz')
    data = open(file.get(), 'rb').read()
    file.put(data, overwrite=True, tags='new')
    with xnat.trace() as trace:
        pulled(mirror)
    assert not any('T1.nii.gz' in request.uri for request in trace)
    assert content(mirror.local, P) == content(xnat, P)
