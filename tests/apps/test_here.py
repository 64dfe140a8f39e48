"""The element of a Jupyter server, and files on the mount of the archive."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.services.mount import Mount
from tests.support.archive import new_project

SESSION = '/projects/HERE/subjects/S/experiments/S_MR'
FILES = {
    f'{SESSION}/scans/1/resources/NIFTI/files/a/b.nii': b'scan',
    f'{SESSION}/resources/NOTES/files/note.txt': b'session',
    f'{SESSION}/assessors/A/out/resources/QC/files/qc.txt': b'assessor',
    '/projects/HERE/subjects/S/resources/FORMS/files/f.txt': b'subject',
    '/projects/HERE/resources/DOCS/files/d.txt': b'project',
}


@pytest.fixture(scope='module')
def filled(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the archive with a project whose items have a file at each level."""

    def fill(project: Any) -> None:
        session = project.subject('S').create().experiment('S_MR')
        session.create(experiments='xnat:mrSessionData').scan('1').create(type='T1')
        session.assessor('A').create()
        for path, content in FILES.items():
            project.host.select(path).put(content)

    new_project(server, tmp_path_factory.mktemp('filling'), 'HERE', fill)
    return server


@pytest.fixture
def data(filled: Any, tmp_path: Path) -> Path:
    """Return a copy of the project's folders, as JupyterHub mounts them."""
    archive = filled.archive.files.root / 'HERE'
    home = tmp_path / 'data' / 'projects' / 'HERE'
    for folder, name in (
        ('arc001', 'experiments'),
        ('subjects', 'subjects'),
        ('resources', 'resources'),
    ):
        shutil.copytree(archive / folder, home / name)
    (assessor,) = home.glob('experiments/S_MR/ASSESSORS/*')
    assessor.rename(assessor.with_name('A'))  # XNAT names it by the label
    return tmp_path / 'data'


@pytest.fixture
def on_hub(
    filled: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Return a function that sets the variables of a Jupyter server, and calls `here`."""
    found = []

    def start(kind: str, identity: str) -> Any:
        for name, value in {
            'XNAT_HOST': filled.url,
            'XNAT_USER': filled.user,
            'XNAT_PASS': filled.password,
            'XNAT_DATA': str(data),
            'XNAT_XSI_TYPE': kind,
            'XNAT_ITEM_ID': identity,
        }.items():
            monkeypatch.setenv(name, value)
        found.append(pyxnat.here(cachedir=tmp_path / 'cache'))
        return found[-1]

    yield start
    for element in found:
        if hasattr(element, 'host'):
            element.host.disconnect()


def test_the_element_is_that_of_the_variables(on_hub: Any, xnat: Any) -> None:
    session = xnat.select(SESSION)
    assert on_hub('xnat:projectData', 'HERE') == xnat.select.project('HERE')
    assert on_hub('xnat:subjectData', session.parent().id()).label() == 'S'
    for kind in ('xnat:experimentData', 'xnat:mrSessionData'):
        assert on_hub(kind, session.id()).label() == 'S_MR'
    assert on_hub('xnat:imageScanData', '17').attrs.get('type') == 'T1'


def test_stored_searches_and_lists_of_the_site(on_hub: Any, xnat: Any) -> None:
    columns = ['xnat:subjectData/SUBJECT_LABEL']
    xnat.manage.search.save(
        'all', 'xnat:subjectData', columns, [('xnat:subjectData/SUBJECT_LABEL', '=', 'S'), 'AND']
    )
    assert len(on_hub('xdat:stored_search', 'all')) == 1
    assert on_hub('xdat:stored_search', '@xnat:projectData').get() == ['HERE']
    assert on_hub('xdat:stored_search', '@xnat:subjectData').get('label') == ['S']
    assert on_hub('xdat:stored_search', '@xnat:mrSessionData').get('label') == ['S_MR']


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.split('/')[-3])
def test_a_mounted_file_is_not_downloaded(on_hub: Any, data: Path, path: str) -> None:
    xnat = on_hub('xnat:projectData', 'HERE').host
    with xnat.trace() as trace:
        place = Path(xnat.select(path).get())
    assert place.read_bytes() == FILES[path] and place.is_relative_to(data.resolve())
    assert not any('/files/' in call.uri for call in trace)


def test_a_download_copies_from_the_mount(on_hub: Any, data: Path, tmp_path: Path) -> None:
    project = on_hub('xnat:projectData', 'HERE')
    (data / 'projects/HERE/resources/DOCS/d.txt').write_bytes(b'longer than on the server')
    with project.host.trace() as trace:
        report = project.download(tmp_path / 'out').check()
    assert len(report.ok) == len(FILES)
    fetched = [call.uri for call in trace if '/files/' in call.uri]
    assert [uri.rpartition('/')[2] for uri in fetched] == ['d.txt']
    contents = [path.read_bytes() for path in (tmp_path / 'out').rglob('*.*') if path.is_file()]
    assert set(FILES.values()) <= set(contents)


def test_an_offline_download_copies_what_is_mounted(
    on_hub: Any, data: Path, tmp_path: Path
) -> None:
    project = on_hub('xnat:projectData', 'HERE')
    project.host.bulk.rehearse(project)  # no file is in the cache
    project.host.cache.mode = 'offline'
    report = project.download(tmp_path / 'out').check()
    assert {Path(tmp_path / 'out', place).read_bytes() for place in report.ok} == {*FILES.values()}


def damage(place: Path, kind: str) -> None:
    """Make a mounted file one that must not be read."""
    content = place.read_bytes()
    place.unlink()
    if kind == 'other size':
        place.write_bytes(content + b'+')
    elif kind == 'link out':
        outside = place.parents[7] / 'outside'
        outside.write_bytes(content)
        place.symlink_to(outside)
    elif kind == 'folder':
        place.mkdir()


@pytest.mark.parametrize('kind', ['other size', 'link out', 'folder', 'gone'])
def test_other_files_on_the_mount_are_not_read(on_hub: Any, data: Path, kind: str) -> None:
    xnat = on_hub('xnat:projectData', 'HERE').host
    damage(data / 'projects/HERE/experiments/S_MR/RESOURCES/NOTES/note.txt', kind)
    place = Path(xnat.select(f'{SESSION}/resources/NOTES/files/note.txt').get())
    assert place.read_bytes() == b'session' and not place.is_relative_to(data.resolve())


def test_a_link_within_the_mount_is_followed(data: Path) -> None:
    folder = data / 'projects/HERE/resources/DOCS'
    (folder / 'e.txt').symlink_to(folder / 'd.txt')
    assert Mount(data).find({'project': 'HERE'}, 'DOCS', 'e.txt', 7) == (folder / 'd.txt').resolve()
    assert Mount(data).find({'project': 'HERE'}, 'DOCS', '../../../../../etc/hosts', 7) is None
    assert Mount(data).find({'project': 'HERE'}, 'DOCS', 'd.txt', None) is None


def test_elsewhere_the_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith('XNAT_'):
            monkeypatch.delenv(name)
    with pytest.raises(errors.ConfigurationError, match='XNAT_ITEM_ID: not set'):
        pyxnat.here()


def test_a_type_without_a_level_is_an_error(on_hub: Any) -> None:
    with pytest.raises(errors.DataError, match='xnat:investigatorData'):
        on_hub('xnat:investigatorData', '3')


def test_the_example_counts_the_mounted_files(
    on_hub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    on_hub('xnat:projectData', 'HERE')
    example = Path(__file__).parents[2] / 'examples' / 'jupyter_here.py'
    assert runpy.run_path(str(example))['main']() == 0
    size = sum(map(len, FILES.values()))
    assert capsys.readouterr().out.splitlines() == [
        f'HERE: 5 files, {size} bytes',
        f'on the mount: 5 files, {size} bytes',
    ]
