"""Files with equal names: none replaces another without an error."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.files.disk import alike
from pyxnat.files.zips import same_places


@pytest.fixture
def session(project: Any) -> Any:
    """A session whose two scans have files with equal names."""
    session = project.subject('S').experiment('E').create()
    for scan in ('1', '2'):
        resource = session.scan(scan).create(type=f'T{scan}').resource('DICOM')
        for name in ('a.dcm', 'sub/a.dcm', 'same.txt'):
            content = b'same' if name == 'same.txt' else f'{scan} {name}'.encode()
            resource.file(name).put(content)
    return session


def contents(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('cached', [False, True])
@pytest.mark.parametrize('name', ['a.dcm', '*a.dcm'])
def test_a_loop_over_files_does_not_replace_one_by_another(
    session: Any, tmp_path: Path, cached: bool, name: str
) -> None:
    files = list(session.scans().resources().files(name))
    assert len(files) >= 2
    if cached:
        for file in files:
            file.get()
    first = files[0].get(tmp_path)
    with pytest.raises(errors.DataError, match='downloaded from'):
        for file in files[1:]:
            file.get(tmp_path)
    assert Path(first).read_bytes() == Path(files[0].get()).read_bytes()
    assert files[0].get(tmp_path) == first  # the same file once more
    files[1].get(first)  # a path was named: it may be replaced
    assert Path(first).read_bytes() == Path(files[1].get()).read_bytes()


def test_equal_content_and_files_of_others_are_no_conflict(session: Any, tmp_path: Path) -> None:
    for file in session.scans().resources().files('same.txt'):
        file.get(tmp_path)
    (tmp_path / 'a.dcm').write_text('mine')
    one, two = session.scan('1').resource('DICOM'), session.scan('2').resource('DICOM')
    place = Path(one.file('a.dcm').get(tmp_path))
    place.unlink()
    two.file('a.dcm').get(tmp_path)
    place.write_text('processed')
    one.file('a.dcm').get(tmp_path)
    assert contents(tmp_path / 'cache' / 'none') == set()


@pytest.mark.parametrize('extract', [True, False])
def test_a_loop_over_resources_does_not_replace_one_by_another(
    session: Any, tmp_path: Path, extract: bool
) -> None:
    resources = list(session.scans().resources())
    resources[0].get(tmp_path / 'd', extract=extract)
    before = {path: path.read_bytes() for path in (tmp_path / 'd').rglob('*') if path.is_file()}
    with pytest.raises(errors.DataError, match='downloaded from'):
        resources[1].get(tmp_path / 'd', extract=extract)
    assert before == {path: path.read_bytes() for path in before}
    resources[0].get(tmp_path / 'd', extract=extract)
    resources[1].get(tmp_path / 'e', extract=extract)


@pytest.mark.parametrize('extract', [True, False])
def test_one_item_by_several_uris_is_no_conflict(
    session: Any, tmp_path: Path, extract: bool
) -> None:
    project, by_id = session.steps[0].name, session.host.select.experiment(session.id())
    routes = [
        session,
        by_id,
        session.host.select(f'/projects/{project}/experiments/E'),
    ]
    for route in routes:
        route.scan('1').resource('DICOM').get(tmp_path / 'd', extract=extract)
        route.scans().download(tmp_path / 'e', extract=extract)
        route.scan('1').resource('DICOM').file('a.dcm').get(tmp_path)


@pytest.fixture
def cohort(xnat: pyxnat.Interface, project: Any) -> list[str]:
    """Two projects with sessions of the same label."""
    names = [project.id(), f'{project.id()}_B']
    for name in names:
        session = xnat.select.project(name).create().subject('S').experiment('S_MR').create()
        session.scan('1').create(type='T1').resource('R').file('f.txt').put(name.encode())
        other = session.parent().experiment(f'ONLY_{name}').create()
        other.scan('1').create(type='T1').resource('R').file('f.txt').put(b'only')
    return names


@pytest.mark.parametrize('extract', [True, False])
@pytest.mark.parametrize('path', ['/projects/{}*/subjects/*/experiments/*/scans', None])
def test_equal_labels_of_two_projects_have_two_places(
    xnat: pyxnat.Interface, cohort: list[str], tmp_path: Path, extract: bool, path: str | None
) -> None:
    scans = xnat.select((path or '/projects/{}*/experiments/*/scans').format(cohort[0]))
    results = scans.download(tmp_path / 'd', extract=extract)
    assert len(results) == 4
    if extract:
        found = {Path(one).read_text() for result in results for one in result}
    else:
        assert len(set(results)) == 4
        found = set()
        for result in results:
            with zipfile.ZipFile(result) as packed:
                found |= {packed.read(name).decode() for name in packed.namelist()}
    assert found == {*cohort, 'only'}


def test_sessions_of_two_projects_in_a_loop_are_an_error(
    xnat: pyxnat.Interface, cohort: list[str], tmp_path: Path
) -> None:
    first, second = (xnat.select.project(name).subject('S').experiment('S_MR') for name in cohort)
    first.scans().download(tmp_path / 'd', extract=True)
    with pytest.raises(errors.DataError, match='downloaded from'):
        second.scans().download(tmp_path / 'd', extract=True)
    with pytest.raises(errors.DataError, match='downloaded from'):
        for session in (first, second):
            session.scans().download(tmp_path / 'z', name='same')
    paths = [session.scans().download(tmp_path / 'z') for session in (first, second)]
    assert len(set(paths)) == 2  # the names of zips begin with the project


def test_one_name_for_the_zips_of_several_sessions_is_an_error(
    xnat: pyxnat.Interface, cohort: list[str], tmp_path: Path
) -> None:
    scans = xnat.select(f'/projects/{cohort[0]}*/subjects/*/experiments/*/scans')
    with pytest.raises(errors.ProgrammingError, match='one session'):
        scans.download(tmp_path / 'd', name='all')
    assert not (tmp_path / 'd').exists()


def test_a_second_download_of_another_session_into_the_same_places_is_an_error(
    xnat: pyxnat.Interface, cohort: list[str], tmp_path: Path
) -> None:
    first, second = (xnat.select.project(name).subject('S').experiment('S_MR') for name in cohort)
    layout = '{experiment}/{scan}/{path}'
    first.download(tmp_path / 'd', layout=layout).check()
    for how in ({}, {'existing': 'keep'}):
        with pytest.raises(errors.DataError, match='other'):
            second.download(tmp_path / 'd', layout=layout, **how)
    assert (tmp_path / 'd/S_MR/1/f.txt').read_text() == cohort[0]
    first.download(tmp_path / 'd', layout=layout).check()
    again = xnat.select(f'/experiments/{first.id()}')
    assert again.download(tmp_path / 'd', layout=layout).check().ok == []
    second.download(tmp_path / 'd', layout=layout, existing='replace').check()
    assert (tmp_path / 'd/S_MR/1/f.txt').read_text() == cohort[1]


@pytest.mark.parametrize(
    'names, expected',
    [
        (['a', 'b'], []),
        (['x/A.dcm', 'x/a.dcm'], ['x/A.dcm', 'x/a.dcm']),
        (['X/a', 'x/a'], ['X/a', 'x/a']),
        (['e\u0301', '\u00e9'], ['e\u0301', '\u00e9']),
        (['stra\u00dfe', 'STRASSE'], ['stra\u00dfe', 'STRASSE']),
    ],
)
def test_names_that_a_disk_may_take_for_one(names: list[str], expected: list[str]) -> None:
    assert same_places(names, alike) == expected
    assert same_places(names, str) == []


@pytest.mark.parametrize('extract', [False, True])
@pytest.mark.parametrize('lost', ['a.txt', 'sub/b.txt'])
@pytest.mark.parametrize('level', ['scans', 'assessors'])
def test_a_zip_without_a_file_that_is_gone_from_the_disk_is_an_error(
    level: str, lost: str, extract: bool, project: Any, server: Any, tmp_path: Path
) -> None:
    session = project.subject('S').experiment('E').create()
    kinds = {'assessors': 'xnat:qcManualAssessorData', 'xnat:qcManualAssessorData/pass': '1'}
    for number in '12':
        item = getattr(session, level.removesuffix('s'))(f'{project.id()}_{number}')
        item.create(**(kinds if level == 'assessors' else {}))
        resource = item.resource('R') if level == 'scans' else item.out_resource('R')
        for name in ('a.txt', 'sub/b.txt'):
            resource.file(name).put(name.encode())
    assert getattr(session, level)().download(tmp_path / 'all')
    folder = server.archive.folder / 'archive' / project.id()
    [place] = [path for path in folder.rglob(lost) if {item.id(), item.label()} & {*path.parts}]
    place.unlink()
    with pytest.raises(errors.TransferError, match=f'lists {lost},.*gone from'):
        getattr(session, level)().download(tmp_path / 'some', extract=extract)
    if extract:
        kept = [*(tmp_path / 'some').rglob('*.txt')]
    else:
        [found] = (tmp_path / 'some').glob('*.zip')
        kept = [name for name in zipfile.ZipFile(found).namelist() if name.endswith('.txt')]
    assert len(kept) == 3
