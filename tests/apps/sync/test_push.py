"""Tests of pushes from a folder to an embedded archive."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync import PushPlan

from .test_pull import MR, content, pulled


def pushed(mirror: pyxnat.Mirror, *arguments: Any, **options: Any) -> list[str]:
    report = mirror.push(*arguments, **options)
    report.check()
    return [step.partition(' ')[0] for step in report.ok]


def equal(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: str) -> bool:
    """Whether both sides are equal, and know it."""
    assert content(mirror.local, project) == content(xnat, project)
    assert mirror.status() == ([], [], [])
    return True


def test_changes_are_sent_and_new_items_get_the_ids_of_the_server(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    here = mirror.local.select.project(P)
    subject, session = here.subject('S'), here.subject('S').experiment('E')
    here.attrs.set('description', 'a & b')
    subject.attrs.mset({'handedness': 'left', 'xnat:subjectData/fields/field[name=x]/field': '1'})
    session.attrs.set(f'{MR}/note', '<n>')
    session.scan('2').create(type='T2').resource('NIFTI').file('b.nii').put(b'bb', format='NIFTI')
    session.scan('1').resource('NIFTI').file('T1.nii.gz').put(b'other', overwrite=True)
    new = here.subject('NEW').create(gender='male').experiment('E2').create(experiments=MR)
    new.assessor('Q').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    new.assessor('Q').out_resource('OUT').file('q.txt').put(b'q')
    assert pushed(mirror).count('create') == 4
    assert equal(mirror, xnat, P)
    there = xnat.select.project(P).subject('NEW').experiment('E2')
    again = mirror.local.select.project(P).subject('NEW').experiment('E2')
    assert there.id().startswith('XNAT_E') and there.id() == again.id()
    assert pushed(mirror) == []


def test_nothing_is_sent_for_an_unchanged_folder(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    with xnat.trace() as trace:
        assert pushed(mirror) == []
    assert len(trace) == 0


def test_fields_of_both_sides_merge_and_the_same_field_is_not_sent(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    there.attrs.set('gender', 'male')
    here.attrs.set('handedness', 'left')
    here.experiment('E').attrs.set(f'{MR}/note', 'mine')
    there.experiment('E').attrs.set(f'{MR}/note', 'theirs')
    assert pushed(mirror) == ['change']
    for side in (there, here):
        assert side.attrs.mget(['gender', 'handedness']) == ['male', 'left']
    assert there.experiment('E').attrs.get(f'{MR}/note') == 'theirs'
    [conflict] = mirror.conflicts()
    assert conflict.key.startswith('experiments/')


@pytest.mark.sample(3)
@pytest.mark.parametrize('take', ['local', 'remote'])
def test_conflicts_are_resolved_for_one_side(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, take: str
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    for side, text in ((there, 'remote'), (here, 'local')):
        side.attrs.set('group', text)
        side.experiment('E').resource('R').file('a.txt').put(text.encode(), overwrite=True)
    mirror.pull()
    assert len(mirror.conflicts()) == 2
    for conflict in mirror.conflicts():
        mirror.resolve(conflict.key, take)
    assert mirror.conflicts() == []
    mirror.pull().check()
    pushed(mirror)
    assert there.attrs.get('group') == take
    assert equal(mirror, xnat, P)
    with pytest.raises(errors.DataError, match='no conflict'):
        mirror.resolve('subjects/NONE', take)  # type: ignore[arg-type]


def test_deletions_are_sent_only_on_request(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    here.experiment('E').assessor('A').delete()
    here.experiment('E').scan('1').resource('NIFTI').file('sub/dir/x.json').delete()
    assert pushed(mirror) == [] and there.experiment('E').assessor('A').exists()
    assert pulled(mirror).conflicts == [] and len(mirror.status().ahead) >= 2
    assert not here.experiment('E').assessor('A').exists(), 'a pull does not bring it back'
    assert sorted(pushed(mirror, delete=True)) == ['delete', 'remove']
    assert equal(mirror, xnat, P)
    here.delete()
    assert pushed(mirror) == [] and there.exists()
    assert pushed(mirror, delete=True) == ['delete'] and not there.exists()
    assert mirror.status() == ([], [], [])


def test_deleted_here_and_changed_there_is_not_deleted(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    there.attrs.set('group', 'new')
    here.delete()
    pushed(mirror, delete=True)
    assert there.experiment('E').scan('1').exists()
    mirror.pull()
    assert [one.reason for one in mirror.conflicts()][-1] == 'deleted here, changed there'


@pytest.mark.sample(3)
@pytest.mark.parametrize('gender', ['male', 'female'])
def test_the_same_label_created_on_both_sides(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, gender: str
) -> None:
    there, here = (one.select.project(P) for one in (xnat, mirror.local))
    there.subject('TWIN').create(gender='male')
    here.subject('TWIN').create(gender=gender)
    there.subject('S').experiment('T').create(experiments=MR, **{f'{MR}/note': 'male'})
    here.subject('S').experiment('T').create(experiments=MR, **{f'{MR}/note': gender})
    report = mirror.pull()
    pushed(mirror)
    if gender == 'male':
        assert equal(mirror, xnat, P)
        assert here.subject('TWIN').id() == there.subject('TWIN').id()
    else:
        assert [one.reason for one in report.conflicts] == ['created on both sides'] * 2
        assert there.subject('TWIN').attrs.get('gender') == 'male'
        assert here.subject('TWIN').attrs.get('gender') == 'female'


def test_a_plan_is_saved_and_carried_out_only_while_it_fits(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    here.attrs.set('handedness', 'left')
    here.resource('R').file('a.txt').put(b'a')
    plan = mirror.push(dry_run=True)
    assert [step.action for step in plan.steps] == ['change', 'send']
    assert str(plan).startswith('change subjects/')
    assert there.attrs.get('handedness') == 'right'
    plan.save(tmp_path / 'plan.json')
    again = PushPlan.load(tmp_path / 'plan.json')
    assert again == plan
    there.attrs.set('group', 'new')
    with pytest.raises(errors.DataError, match='does not fit'):
        mirror.push(again)
    assert pushed(mirror, mirror.push(dry_run=True)) == ['change', 'send']
    assert equal(mirror, xnat, P)
    (tmp_path / 'plan.json').write_text('{}')
    with pytest.raises(errors.DataError, match='no plan'):
        PushPlan.load(tmp_path / 'plan.json')


def test_a_push_that_was_interrupted_sends_nothing_twice(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    here, there = mirror.local.select.project(P), xnat.select.project(P)
    here.subject('NEW').create(gender='male').resource('R').file('a.txt').put(b'a')
    here.subject('S').attrs.set('handedness', 'left')
    there.subject('NEW').create(gender='male')  # sent, and the answer was lost
    there.subject('S').attrs.set('handedness', 'left')
    pulled(mirror)
    assert pushed(mirror) == ['send'] and equal(mirror, xnat, P)
    assert sorted(there.subjects().get('label')) == ['NEW', 'S']


def test_a_copied_folder_is_pushed_twice_and_a_restored_one_loses_nothing(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    here = mirror.local.select.project(P)
    here.subject('NEW').create(gender='male')
    here.subject('S').attrs.set('group', 'mine')
    mirror.close()
    shutil.copytree(tmp_path / 'study', tmp_path / 'copy')
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as other:
        other.local.select.project(P).subject('S').attrs.set('handedness', 'left')
        assert sorted(pushed(other)) == ['change', 'create']
        assert equal(other, xnat, P)
    pulled(mirror)
    assert pushed(mirror) == [] and equal(mirror, xnat, P)
    xnat.select.project(P).subject('S').attrs.set('group', 'later')
    mirror.close()
    shutil.copytree(tmp_path / 'copy', tmp_path / 'study', dirs_exist_ok=True)
    pulled(mirror)
    assert equal(mirror, xnat, P)


def test_a_subject_that_the_server_deleted_is_created_again_on_request(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    there, here = (one.select.project(P).subject('S') for one in (xnat, mirror.local))
    xnat.select.project(P).subject('OTHER').create()
    pulled(mirror)
    here.attrs.set('group', 'mine')
    there.delete()
    mirror.pull()
    [conflict] = mirror.conflicts()
    assert 'create' not in pushed(mirror)
    mirror.resolve(conflict.key, 'local')
    pushed(mirror)
    assert there.attrs.get('group') == 'mine' and there.experiment('E').scan('1').exists()
    pulled(mirror)
    assert equal(mirror, xnat, P)


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ('below', 'field'),
    [
        ('', 'xnat:subjectData/fields/field[name=q]/field'),
        ('/experiments/E', f'{MR}/fields/field[name=q]/field'),
        ('/experiments/E/scans/1', 'xnat:mrScanData/parameters/addParam[name=q]/addField'),
    ],
)
def test_the_end_of_a_variable_is_a_failure_that_names_the_remedy(
    below: str, field: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    there, here = (side.select(f'/projects/{P}/subjects/S{below}') for side in (xnat, mirror.local))
    there.attrs.set(field, 'old')
    pulled(mirror)
    here.attrs.mset({field: '', 'note' if below else 'src': 'mine'})
    [failure] = mirror.push().failed
    assert 'XNAT has no request that removes' in str(failure.error)
    assert there.attrs.get('note' if below else 'src') == 'mine', 'the rest is sent'
    here.attrs.set(field, 'new')
    assert pushed(mirror) == ['change'] and equal(mirror, xnat, P)
