"""Tests of mirrors whose server gets another URL, and of those of guests."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.server import serve

from .test_names import is_equal
from .test_pull import pulled


def test_a_mirror_follows_its_server_to_another_url(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, server: object, P: str, tmp_path: Path
) -> None:
    mirror.local.select.project(P).subject('S').attrs.set('group', 'mine')
    folder, url = mirror.folder, mirror.server.replace('127.0.0.1', 'localhost')
    mirror.close()
    login = server.user, server.password  # type: ignore[attr-defined]
    with pyxnat.Interface(url, *login, cachedir=tmp_path / 'cache') as moved:
        with pytest.raises(errors.ConfigurationError, match='move_to'):
            pyxnat.Mirror(folder, remote=moved)
        with pyxnat.Mirror(folder) as again:
            again.move_to(moved)
            assert again.server == url and again.push().check().ok
            assert is_equal(again, moved, P) and pulled(again).ok == []
        assert xnat.select.project(P).subject('S').attrs.get('group') == 'mine'


def test_it_does_not_follow_to_another_server(
    mirror: pyxnat.Mirror, P: str, tmp_path: Path
) -> None:
    before = mirror.server
    with (
        serve(tmp_path / 'other', durable=False) as other,
        pyxnat.Interface(other.url, other.user, other.password, tmp_path / 'cache') as remote,
    ):
        remote.select.project(P).subject('OTHER').create()
        with pytest.raises(errors.DataError, match='0 of 1'):
            mirror.move_to(remote)
    assert mirror.server == before


def test_a_mirror_of_a_guest_is_opened_again(tmp_path: Path) -> None:
    with (
        serve(tmp_path / 'open', durable=False, require_login=False) as server,
        pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'c') as xnat,
    ):
        xnat.select.project('P').create()
        xnat.select.project('P').set_accessibility('public')
        xnat.select.project('P').subject('S').create()
        with (
            pyxnat.Interface(server.url, anonymous=True) as guest,
            pyxnat.Mirror(tmp_path / 'study', remote=guest) as mirror,
        ):
            pulled(mirror, '/projects/P')
        with pyxnat.Mirror(tmp_path / 'study') as again:
            assert pulled(again).skipped and again.remote.connection.user == ''
