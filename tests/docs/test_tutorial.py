"""The examples of the tutorial, the page on searching and the how-to pages print what is shown.

Examples with ``>>>`` run in order against an archive with the people of the demo. The tutorial
connects itself; the other pages find ``xnat`` and ``pyxnat``, and an empty current folder.
"""

from __future__ import annotations

import dataclasses
import doctest
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.apps.shell import main as shell_main
from pyxnat.apps.shell.exit_codes import Exit
from pyxnat.apps.shell.output import FORMATS
from pyxnat.demo.cohort import Session, Subject, cohort
from pyxnat.demo.fill import fill
from pyxnat.server import serve
from tests.conftest import DEEP

pytest.importorskip('nibabel')
pytest.importorskip('pydicom')

DOCS = Path(__file__).parents[2] / 'docs'
TUTORIAL = DOCS / 'tutorial.rst'
PAGES = [
    DOCS / 'index.rst',
    DOCS / 'searching.rst',
    *(
        path
        for path in sorted((DOCS / 'howto').glob('*.rst'))
        if '>>> ' in path.read_text(encoding='utf-8')
    ),
]
ADDRESS = 'http://127.0.0.1:8080'
"""URL of the demo's archive on the pages."""

WITH_FILES = {'AG03', 'AG08', 'AG20', 'CT01'}
"""Subjects whose images are used on the pages; of others only the scans are created."""


def without_files(subject: Subject) -> Subject:
    """Return the same person, with scans without content."""

    def emptied(session: Session) -> Session:
        return dataclasses.replace(
            session, scans=tuple(dataclasses.replace(scan, kinds=()) for scan in session.scans)
        )

    return dataclasses.replace(subject, sessions=tuple(map(emptied, subject.sessions)))


PASSWORD = 'a secret'
RUNS = 2 if DEEP else 1
"""Times that the examples of a page run; the second time, their items are there already."""


@pytest.fixture(scope='module')
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill the archive of ``make demo``, with fewer files; return its folder."""
    folder = tmp_path_factory.mktemp('demo')
    users = {'reader': 'another secret'}
    with (
        serve(folder / 'archive', password=PASSWORD, users=users, durable=False) as server,
        pyxnat.Interface(server.url, server.user, server.password, folder / 'cache') as xnat,
    ):
        people = cohort()
        fill(xnat, [one if one.label in WITH_FILES else without_files(one) for one in people])
    return folder / 'archive'


@pytest.fixture
def demo(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve a copy of the archive: pages change it."""
    copy = tmp_path_factory.mktemp('copy') / 'archive'
    shutil.copytree(filled, copy)
    with serve(copy, password=PASSWORD, durable=False) as server:
        add_containers(server)
        yield server


def add_containers(server: Any) -> None:
    """Add the functions of the page on containers."""

    def count_scans(container: Any) -> None:
        with pyxnat.Interface(server.url, server.user, server.password) as xnat:
            scans = len(xnat.select(f'/experiments/{container.item}/scans').get())
        container.log(f'{scans} scans, {container.inputs["note"]}')

    def fails(container: Any) -> None:
        raise ValueError('no such scan')

    containers = server.archive.containers
    containers.add('count-scans', 'xnat:imageSessionData', run=count_scans, inputs={'note': 'none'})
    containers.add('fails', 'xnat:mrSessionData', run=fails)


@pytest.fixture
def folder(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder with the files of the demo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYXNAT_CACHEDIR', str(tmp_path / 'cache'))
    (tmp_path / 'demo-archive').mkdir()
    (tmp_path / 'demo-archive' / 'password').write_text(demo.password, encoding='ascii')
    return tmp_path


def run(page: Path, names: dict[str, Any], demo: Any) -> None:
    """Run the examples of a page; the first with another output is a failure."""
    text = page.read_text(encoding='utf-8').replace(ADDRESS, demo.url)
    examples = doctest.DocTestParser().get_doctest(text, names, page.stem, str(page), 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF
    doctest.DebugRunner(optionflags=options).run(examples, out=lambda told: None)


def checked(page: Path, names: dict[str, Any], demo: Any) -> None:
    """Report a failure with the example and both outputs in the message."""
    try:
        run(page, names, demo)
    except doctest.DocTestFailure as failure:
        wanted, got = failure.example.want, failure.got
        pytest.fail(
            f'{page.name}, line {failure.example.lineno + 1}: {failure.example.source}shows '
            f'{wanted}but answers {got}',
            pytrace=False,
        )
    except doctest.UnexpectedException as failure:
        error = failure.exc_info[1]
        pytest.fail(
            f'{page.name}, line {failure.example.lineno + 1}: '
            f'{failure.example.source}{type(error).__name__}: {error}',
            pytrace=False,
        )


@pytest.mark.skipif(os.name == 'nt', reason='the pages show paths with slashes')
def test_the_tutorial_prints_the_shown_output_also_a_second_time(demo: Any, folder: Path) -> None:
    for _ in range(RUNS):
        checked(TUTORIAL, {}, demo)


@pytest.mark.skipif(os.name == 'nt', reason='the pages show paths with slashes')
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_a_page_prints_the_shown_output_also_a_second_time(
    page: Path, demo: Any, folder: Path
) -> None:
    for _ in range(RUNS):
        with pyxnat.Interface(demo.url, demo.user, demo.password) as xnat:
            checked(page, {'xnat': xnat, 'pyxnat': pyxnat}, demo)


def test_the_tutorial_shows_the_offers_of_the_tabulator_key(demo: Any, folder: Path) -> None:
    shown = re.search(r"subjects\(\)\['AG0<TAB>\n\s+(.*)", TUTORIAL.read_text(encoding='utf-8'))
    assert shown is not None
    with pyxnat.Interface(demo.url, demo.user, demo.password) as xnat:
        offered = xnat.select.project('DEMO_AGING').subjects()._ipython_key_completions_()
    assert [label for label in offered if label.startswith('AG0')] == shown.group(1).split()


def test_the_numbers_of_people_in_the_tutorial_are_those_of_the_demo() -> None:
    assert f'{len(cohort())} subjects of three projects' in TUTORIAL.read_text(encoding='utf-8')


AGENTS = DOCS / 'agents.rst'


def commands(page: Path) -> list[str]:
    """Return the arguments of the commands of a page, but for those that would ask."""
    return [
        line.removeprefix('    $ pyxnat ')
        for line in page.read_text(encoding='utf-8').splitlines()
        if line.startswith('    $ pyxnat ') and 'login' not in line
    ]


@pytest.mark.parametrize('page', [DOCS / 'howto' / 'shell.rst', AGENTS], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_also_a_second_time(
    page: Path, demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv('PYXNAT_PROFILES', str(tmp_path / 'profiles.json'))
    monkeypatch.setenv('XNAT_PASS', demo.password)
    monkeypatch.setenv('XNAT_USER', demo.user)
    monkeypatch.setenv('XNAT_HOST', demo.url)
    assert len(commands(page)) > 5
    for number in range(RUNS):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        for command in commands(page):
            wanted = Exit.NOT_FOUND if 'NOBODY' in command else Exit.DONE
            assert shell_main(shlex.split(command)) == wanted, (command, *capfd.readouterr())


def test_the_page_for_agents_has_every_exit_status_and_format() -> None:
    text = AGENTS.read_text(encoding='utf-8')
    statuses = re.findall(r'^   \* - (\d+)$', text, re.MULTILINE)
    assert [int(status) for status in statuses] == list(Exit)
    assert [name for name in FORMATS if f'``{name}``' not in text] == []
