"""Tests of site preferences."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyxnat.server.archive import Archive
from pyxnat.server.db.preferences import DEFAULTS, seconds


def test_preferences_are_stored(tmp_path: Path) -> None:
    archive = Archive(tmp_path, require_login=False)
    assert archive.preferences.all() == {**DEFAULTS, 'requireLogin': False}
    archive.prefer('sessionTimeout', '1 hour')
    archive.prefer('checksums', 'false')
    assert archive.sessions.idle_limit_s == 3600
    archive.close()
    archive = Archive(tmp_path)
    assert (
        archive.require_login
        and not archive.preferences.flag('checksums')
        and archive.sessions.idle_limit_s == 3600
    )
    archive.close()


@pytest.mark.parametrize(
    ('name', 'value', 'error'),
    [
        ('nothing', True, KeyError),
        ('checksums', 'maybe', ValueError),
        ('checksums', 1, ValueError),
        ('sessionTimeout', True, ValueError),
        ('sessionTimeout', 'soon', ValueError),
    ],
)
def test_invalid_preferences_are_refused(
    tmp_path: Path, name: str, value: bool | int | str, error: type[Exception]
) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(error):
        archive.prefer(name, value)
    archive.close()


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('15 minutes', 900), ('2 days', 172_800), ('1 hour 30 minutes', 5400), ('45 seconds', 45)],
)
def test_time_spans_are_parsed(text: str, expected: int) -> None:
    assert seconds(text) == expected
