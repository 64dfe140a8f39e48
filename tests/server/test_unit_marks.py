"""Tests of the marks by which a mirror sees what its folder changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat

MR = 'xnat:mrSessionData'
CHANGES: dict[str, Callable[[Any], object]] = {
    'nothing': lambda subject: None,
    'a field': lambda subject: subject.attrs.set('group', 'g'),
    'a file': lambda subject: subject.resource('R').file('f').put(b'1'),
    'a session': lambda subject: subject.experiment('E').create(experiments=MR),
    'a file of a session': lambda subject: (
        subject.experiment('E').resource('R').file('f').put(b'1')
    ),
    'a scan': lambda subject: subject.experiment('E').scan('1').create(),
    'a reconstruction': lambda subject: subject.experiment('E').reconstruction('R1').create(),
    'an assessor': lambda subject: (
        subject.experiment('E').assessor('A').create(assessors='xnat:mrAssessorData')
    ),
    'a session that moves in': lambda subject: subject.host.put(
        f'/data/projects/P/subjects/{subject.label()}/experiments/OTHER?xsiType={MR}'
    ).raise_for_status(),
}


def marks(local: pyxnat.Interface) -> dict[str, str]:
    folder = local.connection.transport.folder
    assert folder is not None
    found = {f'subjects/{row.id}': row.mark for row in folder.unit_marks('P')[1:]}
    for key, mark in found.items():
        (one,) = folder.unit_marks('P', key.partition('/')[2])
        assert one.mark == mark
    assert folder.item_marks(found) == found, 'writes are compared with these'
    return found


@pytest.mark.parametrize('change', CHANGES)
def test_every_change_changes_the_mark_of_its_subject_alone(change: str, tmp_path: Path) -> None:
    with pyxnat.open(tmp_path / 'archive', create=True) as local:
        project = local.select.project('P').create()
        subject, other = (project.subject(label).create() for label in 'ST')
        subject.experiment('BEFORE').create(experiments=MR)
        other.experiment('OTHER').create(experiments=MR)
        before = marks(local)
        CHANGES[change](subject)
        after = marks(local)
    changed = [key for key in before if after[key] != before[key]]
    expected = [] if change == 'nothing' else [subject]
    if change == 'a session that moves in':
        expected.append(other)  # that it has left
    assert sorted(changed) == sorted(f'subjects/{one.id()}' for one in expected)
