"""Tests of imports and archiving with a server that is slow, disconnected or answers otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.scripted import Reply, Request, ScriptedServer, table
from tests.support.waiting import GENEROUS_S

SOON_S = 2.0
"""Seconds to wait for a response that never comes; a busy machine answers others within them."""
PLACE = '/prearchive/projects/P/20240131_120000123/S1_MR'
ROW = {'project': 'P', 'subject': 'S1', 'name': 'S1_MR', 'folderName': 'S1_MR', 'url': PLACE}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / 'a.dcm'
    path.write_bytes(bytes(128) + b'DICM')
    return path


@contextmanager
def archive(
    tmp_path: Path, answers: dict[str, list[Reply]], late: bool = False, **options: Any
) -> Iterator[tuple[ScriptedServer, pyxnat.Interface]]:
    """Start a server that returns the listed responses of each path, the last one forever.

    If it is late, it answers a POST only at the end of the test.
    """
    over = threading.Event()

    def script(request: Request) -> Reply:
        if late and request.method == 'POST':
            over.wait(GENEROUS_S)
        found = next(
            (replies for path, replies in answers.items() if request.uri.startswith(path)),
            [Reply(404)],
        )
        return found.pop(0) if len(found) > 1 else found[0]

    with ScriptedServer(script) as server:
        try:
            yield server, pyxnat.Interface(server.url, 'me', 'x', tmp_path / 'cache', **options)
        finally:
            over.set()


def is_(*statuses: str) -> list[Reply]:
    """Return listings of a session with these statuses, in order; empty: it no longer exists."""
    return [
        Reply(body=table({**ROW, 'status': status})) if status else Reply(404)
        for status in statuses
    ]


def imported_to(place: str) -> list[Reply]:
    return [Reply(body=f'/data{place}\r\n'.encode())]


EXPERIMENT = '/data/projects/P/subjects/S1/experiments'
THERE = [Reply(body=table({'ID': 'X_E1', 'label': 'S1_MR', 'xsiType': 'xnat:mrSessionData'}))]


def test_building_of_a_session_is_waited_for(tmp_path: Path, image: Path) -> None:
    answers = {
        '/data/services/import': imported_to(PLACE),
        f'/data{PLACE}': is_('RECEIVING', 'QUEUED_BUILDING', 'BUILDING', 'CONFLICT'),
    }
    with archive(tmp_path, answers) as (server, interface):
        [imported] = interface.manage.import_dicom(image, 'P')
    assert (imported.status, imported.ok, imported.uri) == ('CONFLICT', False, f'/data{PLACE}')
    assert server.count('POST') == 1 and server.count('GET') == 4


def test_without_waiting_the_current_status_is_returned(tmp_path: Path, image: Path) -> None:
    with archive(
        tmp_path, {'/data/services/import': imported_to(PLACE), f'/data{PLACE}': is_('BUILDING')}
    ) as (_, interface):
        [imported] = interface.manage.import_dicom(image, 'P', wait=False)
    assert (imported.status, imported.ok) == ('BUILDING', False)


def test_a_session_archived_in_the_meantime_is_found(tmp_path: Path, image: Path) -> None:
    answers = {
        '/data/services/import': imported_to(PLACE),
        f'/data{PLACE}': is_('ARCHIVING', ''),
        EXPERIMENT: THERE,
    }
    with archive(tmp_path, answers) as (_, interface):
        [imported] = interface.manage.import_dicom(image, 'P')
        assert (imported.status, imported.element) == (
            'ARCHIVED',
            interface.select.project('P').subject('S1').experiment('S1_MR'),
        )


@pytest.mark.parametrize(
    ('replies', 'status', 'timeout_s'),
    [
        (is_('ARCHIVING', ''), 'GONE', GENEROUS_S),
        (is_(''), 'GONE', GENEROUS_S),
        ([Reply(403)], 'UNKNOWN', GENEROUS_S),
        (is_('BUILDING'), 'BUILDING', SOON_S),
    ],
    ids=['nowhere', 'nowhere at once', 'not to be seen', 'not in time'],
)
def test_a_session_of_unknown_status_is_reported(
    tmp_path: Path, image: Path, replies: list[Reply], status: str, timeout_s: float
) -> None:
    with archive(
        tmp_path, {'/data/services/import': imported_to(PLACE), f'/data{PLACE}': replies}
    ) as (_, interface):
        [imported] = interface.manage.import_dicom(image, 'P', timeout_s=timeout_s)
        assert imported == (f'/data{PLACE}', status, interface.select(PLACE)) and not imported.ok


@pytest.mark.parametrize(
    'path', ['/archive/projects/P/subjects/S1/experiments/S1_MR', '/archive/experiments/X_E1']
)
def test_the_uri_of_an_archived_session_gives_its_element(
    tmp_path: Path, image: Path, path: str
) -> None:
    with archive(tmp_path, {'/data/services/import': imported_to(path)}) as (server, interface):
        [imported] = interface.manage.import_dicom(image, 'P', dest='archive')
    assert (imported.status, imported.uri) == (
        'ARCHIVED',
        f'/data{path.removeprefix("/archive")}',
    ) and len(server.requests) == 1


@pytest.mark.parametrize(
    ('late', 'error'),
    [(False, pyxnat.errors.NetworkError), (True, pyxnat.errors.NetworkTimeout)],
    ids=['connection lost', 'no answer in time'],
)
def test_an_upload_is_sent_once_and_its_error_says_where_to_look(
    tmp_path: Path, image: Path, late: bool, error: type[Exception]
) -> None:
    with archive(tmp_path, {'/data/services/import': [Reply(silent=True)]}, late) as (
        server,
        interface,
    ):
        with pytest.raises(error, match='may have taken it all the same: look at'):
            interface.manage.import_dicom(image, 'P', timeout_s=SOON_S)
        assert server.count('POST') == 1


@pytest.mark.parametrize('status', [429, 500, 503])
def test_an_upload_that_is_refused_is_not_repeated(
    tmp_path: Path, image: Path, status: int
) -> None:
    with archive(tmp_path, {'/data/services/import': [Reply(status)]}) as (server, interface):
        with pytest.raises(pyxnat.errors.DatabaseError) as caught:
            interface.manage.import_dicom(image, 'P')
        assert caught.value.status == status and server.count('POST') == 1


def test_an_html_page_is_an_error(tmp_path: Path, image: Path) -> None:
    page = Reply(body=b'<!DOCTYPE html><html><body>Welcome</body></html>')
    with (
        archive(tmp_path, {'/data/services/import': [page]}) as (_, interface),
        pytest.raises(pyxnat.errors.UnexpectedAnswer),
    ):
        interface.manage.import_dicom(image, 'P')


def test_given_arguments_are_sent(tmp_path: Path) -> None:
    packed = tmp_path / 'study.zip'
    packed.write_bytes(b'PK not really')
    with (
        archive(tmp_path, {'/data/services/import': [Reply()]}) as (server, interface),
        pytest.raises(errors.UnexpectedAnswer, match='names no session'),
    ):
        interface.manage.import_dicom(packed, 'P & Q', dest='prearchive', overwrite='append')
    [sent] = server.requests
    assert (
        sent.body == b'PK not really'
        and 'project=P%20%26%20Q' in sent.uri
        and 'overwrite=append' in sent.uri
    )


# -- archiving -------------------------------------------------------------------------------------


@pytest.mark.parametrize(('names', 'label'), [({}, 'S1_MR'), ({'session': 'X'}, 'X')])
def test_archiving_that_takes_longer_than_the_timeout_is_waited_for(
    tmp_path: Path, names: dict[str, str], label: str
) -> None:
    answers = {
        '/data/services/archive': [Reply(silent=True)],
        f'/data{PLACE}': is_('ARCHIVING', 'ARCHIVING', ''),
    }
    with archive(tmp_path, answers, late=True, timeout=(GENEROUS_S, SOON_S)) as (server, interface):
        experiment = interface.select(PLACE).archive(**names)
        assert (
            experiment == interface.select.project('P').subject('S1').experiment(label)
            and server.count('POST') == 1
        )


def test_archiving_that_ends_in_a_conflict_raises_the_conflict(tmp_path: Path) -> None:
    answers = {
        '/data/services/archive': [Reply(silent=True)],
        f'/data{PLACE}': is_('ARCHIVING', 'CONFLICT'),
    }
    with (
        archive(tmp_path, answers, late=True, timeout=(GENEROUS_S, SOON_S)) as (_, interface),
        pytest.raises(pyxnat.errors.NetworkTimeout),
    ):
        interface.select(PLACE).archive()


def test_a_queued_move_is_waited_for(tmp_path: Path) -> None:
    target = PLACE.replace('/P/', '/Q/')
    row = {**ROW, 'project': 'Q', 'url': target, 'status': 'QUEUED_MOVING'}
    answers = {
        '/data/services/prearchive/move': [Reply(body=table(row))],
        f'/data{target}': is_('MOVING', 'READY'),
    }
    with archive(tmp_path, answers) as (server, interface):
        moved = interface.select(PLACE).move('Q')
    assert (
        moved.project() == 'Q'
        and b'async=false' in server.requests[0].body
        and len(server.requests) == 3
    )
