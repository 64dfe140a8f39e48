"""Tests of items that have one ID or label, and different data types."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat import errors

from .test_names import is_equal
from .test_pull import MR, pulled

PET = 'xnat:petSessionData'
OTHER = 'xnat:otherDicomScanData'


def scan_of(project: Any) -> Any:
    return project.subject('S').experiment('E').scan('1')


def remake(scan: Any, kind: str = OTHER) -> None:
    """Delete a scan, and create it again with another type and other files."""
    scan.delete()
    scan.create(scans=kind)
    scan.resource('NEW').file('new.txt').put(b'new')


def kinds(project: Any) -> dict[str, str]:
    """Return the type of each session and scan of a project, by its name."""
    sessions = list(project.subjects().experiments())
    found = {one.label(): one.datatype() for one in sessions}
    return found | {
        f'{one.label()}/{scan.id()}': scan.datatype() for one in sessions for scan in one.scans()
    }


def test_a_scan_that_the_server_made_again_is_made_again_here(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, here: Any
) -> None:
    remake(scan_of(there))
    pulled(mirror)
    assert kinds(here)['E/1'] == OTHER
    assert is_equal(mirror, xnat, there.id())
    assert pulled(mirror).ok == [] and mirror.push().ok == []


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('change', ['field', 'file', 'new file'])
@pytest.mark.sample(9)
def test_one_that_was_changed_here_is_a_conflict(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, here: Any, change: str, take: Any
) -> None:
    kind = scan_of(there).datatype()
    name, *_ = [file.id() for file in scan_of(here).resource('NIFTI').files()]
    if change == 'field':
        scan_of(here).attrs.set(f'{kind}/note', 'mine')
    else:
        name = name if change == 'file' else 'mine.txt'
        scan_of(here).resource('NIFTI').file(name).put(b'mine', overwrite=True)
    remake(scan_of(there))
    conflicts = mirror.pull().conflicts
    assert 'another type' in conflicts[0].reason
    assert mirror.pull().conflicts == conflicts and mirror.push(delete=True).ok == []
    assert kinds(here)['E/1'] == kind and scan_of(here).resource('NIFTI').file(name).exists()
    assert not scan_of(here).resource('NEW').exists()
    if take == 'both':
        with pytest.raises(errors.DataError, match='another type'):
            mirror.resolve(conflicts[0], take)
        return
    mirror.resolve([one for one in conflicts if one.kind == 'item'], take)
    pulled(mirror)
    if take == 'local':
        assert mirror.push().ok == [] and kinds(there)['E/1'] == OTHER
        mirror.push(delete=True).check()
        assert scan_of(there).resource('NIFTI').file(name).exists()
    assert kinds(there)['E/1'] == kinds(here)['E/1'] == (kind if take == 'local' else OTHER)
    assert is_equal(mirror, xnat, there.id())


def test_a_scan_that_was_made_again_here_is_sent_as_a_deletion(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, here: Any
) -> None:
    kind = scan_of(there).datatype()
    remake(scan_of(here))
    assert not any('create' in step or 'delete' in step for step in mirror.push().ok)
    assert kinds(there)['E/1'] == kind
    mirror.push(delete=True).check()
    assert kinds(there)['E/1'] == OTHER
    assert is_equal(mirror, xnat, there.id())


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('level', ['experiments', 'scans'])
@pytest.mark.sample(6)
def test_what_both_created_with_different_types_is_a_conflict(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, here: Any, level: str, take: Any
) -> None:
    for project, session, scan in ((there, MR, 'xnat:mrScanData'), (here, PET, OTHER)):
        if level == 'experiments':
            made = project.subject('S').experiment('N').create(experiments=session)
            made.scan('1').create(scans=scan).resource('R').file(f'{session}.txt').put(b'r')
        else:
            project.subject('S').experiment('E').scan('9').create(scans=scan)
    conflicts = mirror.pull().conflicts
    assert conflicts[0].reason == 'created on both sides'
    assert mirror.push().failed or level == 'scans'
    if take == 'both' and level == 'scans':
        return
    mirror.resolve(mirror.conflicts(), take)
    pulled(mirror)
    mirror.push(delete=True).check()
    pulled(mirror)
    assert is_equal(mirror, xnat, there.id())
    name, kind = ('N', MR) if level == 'experiments' else ('E/9', 'xnat:mrScanData')
    ours = PET if level == 'experiments' else OTHER
    assert kinds(there)[name] == (ours if take == 'local' else kind)
    assert kinds(here) == kinds(there)
    assert (f'{name}_local' in kinds(there)) == (take == 'both')
