"""Tests of who may read a project, which a pull brings and no push sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat

from .test_meanwhile import before_each
from .test_pull import pulled

LEVELS = ('private', 'protected', 'public')


def changed(mirror: pyxnat.Mirror, there: Any) -> list[str]:
    """Pull after a change of the project, as XNAT marks none of its access; return the notes."""
    there.attrs.set('description', f'{there.attrs.get("description")}.')
    return pulled(mirror).notes


@pytest.mark.parametrize('at_server', LEVELS)
@pytest.mark.parametrize('in_folder', LEVELS)
@pytest.mark.parametrize('before', LEVELS)
@pytest.mark.sample(12)
def test_the_access_of_a_project_is_compared_with_that_of_its_last_pull(
    before: str,
    in_folder: str,
    at_server: str,
    tmp_path: Path,
    xnat: pyxnat.Interface,
    P: str,
) -> None:
    there = xnat.select.project(P)
    there.set_accessibility(before)
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}')
        here = mirror.local.select.project(P)
        assert here.accessibility() == before
        here.set_accessibility(in_folder)
        assert mirror.status() == ([], [], []) and mirror.push().ok == []
        there.set_accessibility(at_server)
        is_kept = in_folder != before
        for _ in range(2):
            notes = changed(mirror, there)
            assert here.accessibility() == (in_folder if is_kept else at_server)
            assert bool(notes) == (is_kept and at_server not in (before, in_folder)), notes
            assert all(in_folder in note and at_server in note for note in notes)
        assert there.accessibility() == at_server and mirror.status() == ([], [], [])
        here.set_accessibility(at_server)
        assert changed(mirror, there) == []
        there.set_accessibility(before)
        assert changed(mirror, there) == [] and here.accessibility() == before


def test_without_a_base_the_access_of_the_folder_stays(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    mirror.close()
    (mirror.folder / 'mirror' / 'state.sqlite').unlink()
    there.set_accessibility('public')
    before = here.accessibility()
    with pyxnat.Mirror(mirror.folder, remote=xnat) as again:
        [note] = pulled(again, f'/projects/{there.id()}').notes
        assert again.local.select.project(there.id()).accessibility() == before
    assert before in note and 'public' in note


def test_an_access_that_another_program_sets_meanwhile_stays(
    mirror: pyxnat.Mirror, here: Any, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.set_accessibility('public')
    there.attrs.set('description', 'new')
    todo = ['private']

    with pyxnat.open(mirror.folder) as other, monkeypatch.context() as patched:
        project = other.select.project(there.id())
        real = type(mirror.local.connection).request

        def request(self: Any, uri: str, *arguments: Any, **options: Any) -> Any:
            if uri.endswith('/accessibility/public') and todo:
                project.set_accessibility(todo.pop())
            return real(self, uri, *arguments, **options)

        patched.setattr(type(mirror.local.connection), 'request', request)
        [note] = pulled(mirror).notes
    assert not todo and here.accessibility() == 'private' and 'private' in note


def test_a_project_that_another_program_creates_meanwhile_is_not_replaced(
    tmp_path: Path, xnat: pyxnat.Interface, P: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror,
        pyxnat.open(mirror.folder) as other,
    ):
        here = other.select.project(P)

        def write(text: str) -> None:
            if not here.exists():
                here.create(description='mine')

        with before_each(monkeypatch, 'put_exact', write):
            mirror.pull(f'/projects/{P}')
        assert here.attrs.get('description') == 'mine'
        assert [one.key for one in mirror.conflicts()] == [f'projects/{P}']
