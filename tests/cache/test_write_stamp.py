"""Tests of the write marker's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyxnat.cache.write_stamp import Stamp

SERVER = 'http://127.0.0.1:1'


def _link(path: Path) -> None:
    path.with_name('other').write_bytes(b'of another program')
    path.symlink_to('other')


STATES: dict[str, Callable[[Path], object]] = {
    'missing': lambda path: None,
    'of a write': lambda path: Stamp(path, SERVER).change(),
    'empty': lambda path: path.touch(),
    'longer': lambda path: path.write_bytes(b'x' * 40),
    'read-only': lambda path: (path.write_bytes(b'x' * 16), path.chmod(0o400)),
    'a link': _link,
}


@pytest.mark.parametrize('state', STATES)
def test_each_write_changes_the_marker_for_all_processes(state: str, tmp_path: Path) -> None:
    stamp, of_another = (Stamp(tmp_path / 'login' / 'stamp', SERVER) for _ in range(2))
    if state != 'missing':
        stamp.path.parent.mkdir()
    STATES[state](stamp.path)
    markers = [stamp.read()]
    for writer in (stamp, of_another, stamp):
        writer.change()
        markers.append(stamp.read())
        assert of_another.read() == markers[-1]
    assert len({*markers}) == len(markers)
    assert not stamp.path.is_symlink()
    if state == 'a link':
        assert stamp.path.with_name('other').read_bytes() == b'of another program'
