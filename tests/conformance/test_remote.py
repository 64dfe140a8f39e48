"""Tests of the table on a remote server: an archive below a context path, known by URL."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from tests.support.plain import Client

from .__main__ import main
from .remote import Inside, Remote
from .world import PASSWORDS, World


@pytest.fixture
def elsewhere(tmp_path: Path) -> Server:
    with serve(tmp_path / 'archive', password='word', context='/xnat') as server:
        yield server  # type: ignore[misc]


def run(monkeypatch: pytest.MonkeyPatch, server: Server, only: str) -> int:
    monkeypatch.setattr(
        sys, 'argv', ['conformance', '--url', server.url, '--password', 'word', '--only', only]
    )
    return main()


def test_facts_are_checked_at_a_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], elsewhere: Server
) -> None:
    assert run(monkeypatch, elsewhere, '5.2/') == 0
    told = capsys.readouterr().out
    assert (
        '100.0 %' in told and '5.2/5' in told.partition('need an archive that is served here')[2]
    ), 'guests are elsewhere'
    assert elsewhere.archive.sessions.count() < 200
    assert run(monkeypatch, elsewhere, '5.2/2') == 0, 'and again, with what is there'


def test_a_project_of_somebody_else_is_not_touched(elsewhere: Server) -> None:
    admin = Client(elsewhere, 'admin', 'word')
    admin.ok('PUT', '/xnat/data/projects/P?description=mine')
    with pytest.raises(RuntimeError, match='project P of its own'):
        Remote(elsewhere.url, 'admin', 'word').prepare(PASSWORDS)
    assert admin.get('/xnat/data/projects/Q').status == 404
    admin.close()


def test_no_password_of_somebody_else_is_changed(elsewhere: Server) -> None:
    elsewhere.add_user('member', 'own')
    with pytest.raises(RuntimeError, match='member cannot be'):
        Remote(elsewhere.url, 'admin', 'word').prepare(PASSWORDS)
    assert elsewhere.archive.users.check('member', 'own').login == 'member'


def test_facts_about_the_inside_of_an_archive_are_skipped(elsewhere: Server) -> None:
    world = World(Remote(elsewhere.url, 'admin', 'word'))
    for inside in (
        lambda: world.closed.archive,
        lambda: world.closed.requests,
        lambda: world.open,
        lambda: world.below,
    ):
        with pytest.raises(Inside):
            inside()
