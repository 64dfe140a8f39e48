"""Tests of XNAT 1.6, 1.7 and 1.8: the documented differences, and the client with each version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.versions import TRAITS, VERSIONS, Emulated, emulated, known, unknown
from tests.support.walked import Walker


@pytest.fixture(scope='module')
def old(server: Any) -> Iterator[Emulated]:
    with emulated(server) as xnat:
        yield xnat


@pytest.fixture
def xnat(old: Emulated, server: Any, tmp_path: Any) -> Iterator[pyxnat.Interface]:
    """Return a connection to an emulated XNAT, without cached responses."""
    old.traits = frozenset()
    with pyxnat.Interface(old.url, server.user, server.password, tmp_path) as interface:
        interface.cache.expiration = 0
        yield interface


@pytest.fixture
def walker(old: Emulated, server: Any) -> Walker:
    return Walker(old.url, server.user, server.password)


def test_every_version_is_documented_once() -> None:
    for trait in TRAITS.values():
        assert trait.known + trait.unknown and set(trait.known + trait.unknown) <= set(VERSIONS), (
            trait
        )
        assert not set(trait.known) & set(trait.unknown) and trait.evidence
    assert known('1.8') < known('1.7') < known('1.6') and set(unknown('1.8')) == set(
        unknown('1.7')
    ) < set(unknown('1.6'))


@pytest.mark.parametrize('version', VERSIONS)
def test_the_version_is_detected(old: Emulated, xnat: pyxnat.Interface, version: str) -> None:
    old.traits = known(version)
    assert xnat.version() == b'Version 1.6.5' if version == '1.6' else 'version' in xnat.version()


@pytest.mark.parametrize('version', VERSIONS)
def test_tables_of_searches_are_equal_with_any_quoting(
    old: Emulated, xnat: pyxnat.Interface, P: str, version: str
) -> None:
    old.traits = known(version)
    xnat.select(f'/projects/{P}/subjects/S').attrs.set('group', 'a, "b"')
    columns = [
        'xnat:subjectData/SUBJECT_LABEL',
        'xnat:subjectData/SUB_GROUP',
        'xnat:subjectData/INSERT_DATE',
    ]
    criteria = [('xnat:subjectData/PROJECT', '=', P), 'AND']
    found = xnat.select('xnat:subjectData', columns).where(criteria)
    (row,) = xnat.search.rows(
        'xnat:subjectData', columns, pyxnat.query.criteria.parse_where(criteria)
    )
    assert list(row.values()) == list(found.data[0].values()) and list(row.values())[:2] == [
        'S',
        'a, "b"',
    ]
    body = xnat._exec('/data/projects?format=csv')
    assert body.startswith(b'"ID",' if version == '1.6' else b'ID,')


def test_missing_features_of_old_versions(
    old: Emulated, xnat: pyxnat.Interface, walker: Walker, P: str
) -> None:
    identity = xnat.select(f'/projects/{P}/subjects/S/experiments/E').id()
    files = f'/data/experiments/{identity}/scans/ALL/files'
    lists = f'/data/experiments/{identity},{identity}/scans/1/files'
    assert len(walker.rows(files)) == len(walker.rows(lists)) == 2
    old.traits = known('1.6') | {
        'no ALL',
        'no lists',
        'items as XML',
        'no subject_ID',
        'speaks of /REST',
        'no digests',
    }
    assert walker.rows(files) is None and walker.rows(lists) is None
    assert walker.get(f'/data/experiments/{identity}?format=json').startswith(b'<?xml')
    (row,) = walker.rows(
        f'/data/projects/{P}/experiments', columns='ID,subject_ID,label', limit='0'
    )
    assert (
        'subject_ID' not in row
        and row['label'] == 'E'
        and row['URI'] == f'/REST/experiments/{identity}'
    )
    old.traits = frozenset({'files of resources alone'})
    assert b'"items"' in walker.get(f'/data/experiments/{identity}/files?format=json')
    assert len(walker.rows(f'/data/experiments/{identity}/scans/1/resources/NIFTI/files')) == 2


def test_old_versions_list_all_files(old: Emulated, xnat: pyxnat.Interface, P: str) -> None:
    path = f'/projects/{P}//files'
    expected = sorted(file._uri for file in xnat.select(path))
    for version in VERSIONS:
        old.traits = known(version) | {
            name for name in unknown(version) if not name.startswith('hides')
        }
        assert sorted(file._uri for file in xnat.select(path)) == expected and expected


def test_a_condition_on_subjects_is_checked_in_every_version(
    old: Emulated, xnat: pyxnat.Interface, P: str
) -> None:
    old.traits = frozenset({'no subject_ID'})
    with pytest.raises(errors.UnexpectedAnswer, match='subject_ID'):
        xnat.select(f'/projects/{P}/experiments').where(
            [('xnat:subjectData/GENDER', '=', 'male')]
        ).get()


ODD = {version: known(version) for version in VERSIONS} | {
    name: frozenset({name}) for name in unknown('1.6')
}
ODD['all of them'] = frozenset(TRAITS)


@pytest.mark.sample(2)
@pytest.mark.parametrize('odd', ODD)
def test_sessions_are_downloaded_from_all_versions(
    old: Emulated, xnat: pyxnat.Interface, P: str, odd: str, tmp_path: Any
) -> None:
    old.traits = ODD[odd]
    for what, name in (
        (xnat.select(f'/projects/{P}/subjects/S/experiments/E'), 'one'),
        (xnat.select(f'/projects/{P}/subjects/*/experiments'), 'all'),
    ):
        report = what.download(tmp_path / name)
        assert report.is_complete, report.failed
        assert len(report.ok) == 5 and what.download(tmp_path / name).ok == []
    resource = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1/resources/NIFTI')
    assert len(resource.get(tmp_path / 'resource', extract=True)) == 2
    resource.file('new.txt').put(b'new')
    assert open(resource.file('new.txt').get(), 'rb').read() == b'new'
