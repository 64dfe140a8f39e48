"""Tests of the number of requests of transfers, for archives of any size."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.support import filled as archives
from tests.support.filled import cost

filled, size, xnat = archives.filled, archives.size, archives.xnat

_numbers = itertools.count(1)


@pytest.fixture
def session(xnat: pyxnat.Interface) -> Any:
    """Create a session with a note and two scans of one file each."""
    return xnat.select('/projects/P0/subjects/S0/experiments/S0_0')


def new(what: str) -> str:
    return f'{what}_{next(_numbers)}'


def content_asked(trace: Any) -> list[str]:
    """Return the requests for contents of files."""
    return [record.uri for record in trace if 'format=zip' in record.uri or '/files/' in record.uri]


def test_a_file_takes_one_request_and_the_first_of_a_level_one_more(
    session: Any, xnat: pyxnat.Interface
) -> None:
    there, scan = session.resource('NOTES'), session.scan('1')
    assert (
        cost(xnat, lambda: there.file(new('f')).put(b'1'))[0] == 1 + 1 + 1
        # the owner of the session, once a minute for each project; the check of stored uploads,
        # once for each login, project and level
    )
    assert cost(xnat, lambda: there.file(new('f')).put(b'1'))[0] == 1
    assert cost(xnat, lambda: session.resource(new('R')).file(new('f')).put(b'1'))[0] == 1
    assert cost(xnat, lambda: scan.resource(new('R')).file(new('f')).put(b'1'))[0] == 1 + 1
    assert cost(xnat, lambda: session.scan('2').resource('NIFTI').file(new('f')).put(b'1'))[0] == 1
    (listed,) = (
        one for one in xnat.select('/projects/P0/subjects/S0/experiments') if one.label() == 'S0_0'
    )
    assert cost(xnat, lambda: listed.resource(new('R')).file(new('f')).put(b'1'))[0] == 1
    assert cost(xnat, lambda: listed.scan('2').resource('NIFTI').file(new('f')).put(b'1'))[0] == 1


def test_three_new_levels_take_three_requests_and_one_with_parents_takes_one(
    xnat: pyxnat.Interface,
) -> None:
    subject = xnat.select.project('P1').subject(new('S'))
    scan = subject.experiment('E').scan('1')
    assert (
        cost(xnat, scan.create)[0] == 2
    )  # the listing of the project's sessions; subject and scan are created with the session
    assert cost(xnat, subject.experiment('E').scan('2').create)[0] == 1
    assert (
        cost(xnat, subject.experiment(new('E')).scan('2').create)[0] == 1 + 1
    )  # the owner is requested each time: the session could have been moved
    assert cost(xnat, subject.experiment(new('E')).create)[0] == 1 + 1
    assert cost(xnat, xnat.select.project('P1').subject(new('S')).create)[0] == 1
    assert sorted(found.label() for found in subject.experiment('E').scans()) == ['1', '2']


def test_a_session_takes_three_listings_a_document_and_one_request_for_each_group(
    xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    session = xnat.select('/projects/P0/subjects/S0/experiments/S0_1')
    with xnat.trace() as first:
        assert session.download(tmp_path / 'down').is_complete
    assert (
        first.requests == 4 + len(content_asked(first)) and len(content_asked(first)) <= 2
    )  # its own files, those of its scans, whether it has assessors; its document
    with xnat.trace() as second:
        assert session.download(tmp_path / 'down').is_complete
    assert second.requests == 4 and content_asked(second) == []


def test_downloading_all_sessions_of_a_subject_takes_a_document_more_for_each(
    xnat: pyxnat.Interface, size: Any, tmp_path: Path
) -> None:
    sessions = xnat.select('/projects/P0/subjects/S0/experiments')
    with xnat.trace() as first:
        assert sessions.download(tmp_path / 'down').is_complete
    with xnat.trace() as second:
        report = sessions.download(tmp_path / 'down')
    assert report.is_complete and content_asked(second) == []
    assert second.requests == first.requests - len(content_asked(first)) <= 6 + size.sessions
    assert len(report.skipped) >= size.sessions * 3


def test_a_file_takes_one_request_if_a_listing_has_it(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    file = session.resource('NOTES').file('note.txt')
    assert (
        cost(xnat, lambda: file.get(str(tmp_path / 'note.txt')))[0] == 2
    )  # for a session that does not exist XNAT returns files of the subject
    assert cost(xnat, file.get)[0] == 1
    with xnat.trace() as trace:
        file.get()
    (record,) = list(trace)  # the listing with the digest; or the file, if it changed
    assert record.status == 304 or content_asked(trace) == []


def test_uploading_a_folder_takes_two_requests_and_again_one(
    session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    folder = tmp_path / 'up'
    folder.mkdir()
    for number in range(30):
        (folder / f'{number}.txt').write_text(str(number))
    assert (
        cost(xnat, lambda: session.resource(new('DIR')).put_dir(folder))[0] == 3
    )  # the owner of the session, the zip, the listing
    resource = session.resource(new('UP'))
    assert (
        cost(xnat, lambda: resource.upload(folder))[0] == 3
    )  # the listing, all of it as a zip, the listing
    assert cost(xnat, lambda: resource.upload(folder))[0] == 1


def test_inserting_subjects_takes_one_listing_and_one_request_for_each_new_one(
    xnat: pyxnat.Interface,
) -> None:
    rows = [{'label': new('I')} for _ in range(5)]
    subjects = xnat.select.project('P1').subjects()
    assert cost(xnat, lambda: subjects.insert(rows))[0] == 1 + len(rows)
    assert cost(xnat, lambda: subjects.insert(rows))[0] == 1
