"""What is believed of a server: compared with the walk once, remembered, and not believed against the evidence."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.cache import Beliefs
from pyxnat.plan import SHORT_CUTS

SCANS = '/projects/BELIEVED/experiments/*/scans/*'
NAME = 'scans of a project'


class Other(pyxnat.Interface):
    """A connection to a server that answers a listing of several sessions in its own way."""

    error: errors.DatabaseError | None = None
    replaced = (b'', b'')

    def _exec(self, uri: str, *rest: Any, **more: Any) -> bytes:
        if 'imageSessionData' not in uri:
            return super()._exec(uri, *rest, **more)
        if self.error is not None:
            raise self.error
        return super()._exec(uri, *rest, **more).replace(*self.replaced)


@pytest.fixture(scope='module')
def filled(server: Any) -> None:
    """A project with two sessions of two scans each."""
    with pyxnat.Interface(server.url, server.user, server.password) as interface:
        for session in ('A', 'B'):
            for scan in ('1', '2'):
                interface.select.project('BELIEVED').subject('S').experiment(session).scan(scan).create(type=f'T{scan}', quality='good')


@pytest.fixture
def xnat(server: Any, filled: None, tmp_path: Path) -> Iterator[Other]:
    with Other(server.url, server.user, server.password, tmp_path) as interface:
        interface.cache.expiration = 0
        yield interface


def asked(xnat: Other) -> tuple[int, list[tuple[str, str, str]]]:
    with xnat.trace() as trace:
        rows = xnat.select(SCANS).table(['ID', 'type', 'quality']).items()
    return trace.requests, rows


ROWS = [('1', 'T1', 'good'), ('2', 'T2', 'good')] * 2


def test_what_agrees_is_relied_upon_by_every_interface_that_shares_the_cache(xnat: Other, server: Any, tmp_path: Path) -> None:
    assert xnat.cache.beliefs.holds(NAME) is None
    assert asked(xnat) == (2 + 2, ROWS)  # each of the two sessions is compared
    assert xnat.cache.beliefs.holds(NAME) is True
    assert asked(xnat) == (2, ROWS)
    with Other(server.url, server.user, server.password, tmp_path) as second:
        second.cache.expiration = 0
        assert asked(second) == (2, ROWS)


def test_what_does_not_agree_is_walked_and_not_tried_again(xnat: Other) -> None:
    xnat.replaced = (b'"good"', b'"bad"')
    assert asked(xnat)[1] == ROWS
    assert xnat.cache.beliefs.holds(NAME) is False
    assert asked(xnat) == (1 + 2, ROWS) and 'imageSessionData' not in xnat.select(SCANS).explain()


@pytest.mark.parametrize(
    ('error', 'seen'),
    [
        (errors.DataError('what?', status=400), False),
        (errors.InternalError('an accident', status=500), None),
        (errors.PermissionDenied('not you', status=403), None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_is_refused_is_walked_and_remembered_unless_it_may_be_of_the_moment(xnat: Other, error: Any, seen: bool | None) -> None:
    xnat.error = error
    assert asked(xnat)[1] == ROWS
    assert xnat.cache.beliefs.holds(NAME) is seen


def test_a_server_that_stops_doing_it_is_walked(xnat: Other) -> None:
    assert asked(xnat)[1] == ROWS
    xnat.error = errors.InternalError('not any more', status=500)
    assert asked(xnat)[1] == ROWS


def test_a_broken_network_is_an_error_and_no_evidence(xnat: Other) -> None:
    xnat.error = errors.NetworkError('gone')
    with pytest.raises(errors.NetworkError):
        asked(xnat)
    assert xnat.cache.beliefs.holds(NAME) is None


def test_a_belief_is_looked_at_again_after_a_month_and_when_forgotten(tmp_path: Path) -> None:
    beliefs = Beliefs(tmp_path / 'beliefs')
    for name in SHORT_CUTS:
        assert beliefs.holds(name) is None
        beliefs.remember(name, True)
        assert beliefs.holds(name) is True and Beliefs(tmp_path / 'beliefs').holds(name) is True
        beliefs.remember(name, False)
        assert beliefs.holds(name) is False
    month_ago = time.time() - 31 * 24 * 3600
    for path in (tmp_path / 'beliefs').iterdir():
        os.utime(path, (month_ago, month_ago))
    assert {beliefs.holds(name) for name in SHORT_CUTS} == {None}
    beliefs.remember(NAME, True)
    beliefs.forget(NAME)
    assert beliefs.holds(NAME) is None


def test_what_one_login_saw_is_its_own_and_goes_before_what_all_know(tmp_path: Path) -> None:
    one, other = (Beliefs(tmp_path / 'beliefs', tmp_path / login / 'beliefs') for login in ('one', 'other'))
    one.remember(NAME, True, own=True)
    assert (one.holds(NAME), other.holds(NAME)) == (True, None)
    other.remember(NAME, False)
    assert (one.holds(NAME), other.holds(NAME)) == (True, False)
    one.forget(NAME)
    assert one.holds(NAME) is None


def test_what_could_not_be_told_is_looked_at_again_after_a_day(tmp_path: Path) -> None:
    beliefs = Beliefs(tmp_path / 'beliefs')
    beliefs.remember(NAME, None)
    assert beliefs.holds(NAME) is False
    (path,) = beliefs.folder.iterdir()
    day_ago = time.time() - 25 * 3600
    os.utime(path, (day_ago, day_ago))
    assert beliefs.holds(NAME) is None


def test_a_folder_that_cannot_be_written_costs_no_more_than_another_look_in_another_process(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    beliefs = Beliefs(tmp_path / 'file' / 'beliefs')
    beliefs.remember(NAME, True)
    assert beliefs.holds(NAME) is True and Beliefs(beliefs.folder).holds(NAME) is None


def fill(xnat: Other, project: str, scans: int) -> list[tuple[str, str, str]]:
    """A project with eight sessions whose scans are all alike."""
    for number in range(8):
        session = xnat.select.project(project).subject('S').experiment(f'E{number}').create()
        for scan in range(scans):
            session.scan(str(scan)).create(type='T1', quality='usable')
    return [(str(scan), 'T1', 'usable') for scan in range(scans)] * 8


@pytest.mark.parametrize(('scans', 'seen'), [(2, True), (1, None), (0, None)])
def test_scans_that_are_all_alike_are_compared_for_four_sessions(xnat: Other, scans: int, seen: bool | None) -> None:
    rows = fill(xnat, f'ALIKE{scans}', scans)
    paths = f'/projects/ALIKE{scans}/experiments/*/scans/*'
    with xnat.trace() as trace:
        assert xnat.select(paths).table(['ID', 'type', 'quality']).items() == rows
    assert trace.requests <= 2 + 4
    assert xnat.cache.beliefs.holds(NAME) is seen


def test_a_column_that_the_server_does_not_know_is_no_evidence(xnat: Other) -> None:
    with pytest.raises(errors.DatabaseError):
        xnat.select(SCANS).table(['ID', 'xnat:imageScanData/nothing'])
    assert xnat.cache.beliefs.holds(NAME) is None


def test_what_was_compared_is_not_asked_for_again(xnat: Other) -> None:
    xnat.replaced = (b'"good"', b'"bad"')
    assert asked(xnat) == (2 + 2, ROWS)
