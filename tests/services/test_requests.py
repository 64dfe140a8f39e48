"""Tests of the number of requests of a call, for archives of any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import pyxnat
from tests.support import filled as archives
from tests.support.filled import Size, cost

filled, size, xnat = archives.filled, archives.size, archives.xnat

SESSIONS = '/projects/*/subjects/*/experiments/*'


def test_ids_labels_and_types_of_all_sessions_take_three_requests(
    xnat: pyxnat.Interface, size: Size
) -> None:
    requests, rows = cost(xnat, lambda: xnat.select(SESSIONS).get('id', 'label', 'datatype'))
    assert requests == 3
    assert len(rows) == size.in_all == len({identity for identity, _, _ in rows})
    assert {kind for _, _, kind in rows} == {'xnat:mrSessionData', 'xnat:petSessionData'}


def test_a_field_of_the_subject_takes_no_more(xnat: pyxnat.Interface, size: Size) -> None:
    requests, table = cost(
        xnat,
        lambda: xnat.select(SESSIONS).table(['ID', 'label', 'xsiType', 'subject/age', 'project']),
    )
    assert requests == 3
    assert len(table) == size.in_all
    assert {row['subject/age'] for row in table if row['label'].startswith('S1_')} == {'22'}
    assert set(table.get('project')) == {f'P{number}' for number in range(size.projects)}


@pytest.mark.parametrize(
    ('below', 'requests'),
    [('subjects/*', 2), ('experiments/*', 3), ('subjects/*/experiments/*/scans/*', 4)],
)
def test_other_levels_of_all_projects_take_one_listing_each(
    xnat: pyxnat.Interface, size: Size, below: str, requests: int
) -> None:
    found, ids = cost(xnat, lambda: xnat.select(f'/projects/*/{below}').get())
    number = {'subjects/*': size.projects * size.subjects, 'experiments/*': size.in_all}.get(
        below, 2 * size.in_all
    )
    assert (found, len(ids)) == (requests, number)


def test_shared_items_take_no_more(xnat: pyxnat.Interface, size: Size) -> None:
    subject = xnat.select.project('P1').subject('S0')
    shared = [subject, subject.experiments().first()]
    for one in shared:
        one.share('P0', label=f'{one.label()}_of_P1')
    requests, rows = cost(xnat, lambda: xnat.select(SESSIONS).get('id', 'label', 'datatype'))
    for one in shared:
        one.unshare('P0')
    assert (requests, len(rows)) == (3, size.in_all + 1)


def test_names_of_one_project_take_two(xnat: pyxnat.Interface, size: Size) -> None:
    requests, rows = cost(
        xnat,
        lambda: xnat.select('/projects/P1/subjects/*/experiments/*').get('id', 'label', 'datatype'),
    )
    assert (requests, len(rows)) == (2, size.subjects * size.sessions)


@pytest.mark.parametrize('consume', [list, len, tuple, sorted], ids=lambda one: one.__name__)
def test_every_call_on_a_whole_collection_lists_once(xnat: pyxnat.Interface, consume: Any) -> None:
    key = {'key': lambda one: one.id()} if consume is sorted else {}
    assert cost(xnat, lambda: consume(xnat.select('/projects/P1/experiments'), **key))[0] == 1


def test_scans_of_a_project_with_type_and_quality_take_two(
    xnat: pyxnat.Interface, size: Size
) -> None:
    scans = xnat.select('/projects/P1/experiments/*/scans')
    requests, table = cost(
        xnat, lambda: scans.table(['ID', 'xsiType', 'type', 'quality', 'experiment/label'])
    )
    assert (requests, len(table)) == (2, size.subjects * size.sessions * 2)
    assert {(row['ID'], row['type'], row['quality']) for row in table} == {
        ('1', 'T1', 'usable'),
        ('2', 'T2', 'usable'),
    }
    assert {row['xsiType'] for row in table} == {'xnat:mrScanData', 'xnat:petScanData'}


def test_scans_selected_through_subjects_take_three(xnat: pyxnat.Interface, size: Size) -> None:
    requests, rows = cost(xnat, lambda: xnat.select('/projects/P1//scans').get('id', 'datatype'))
    assert (requests, len(rows)) == (3, size.subjects * size.sessions * 2)


def test_three_fields_that_all_sessions_have_take_one(xnat: pyxnat.Interface, size: Size) -> None:
    requests, values = cost(
        xnat, lambda: xnat.select('/projects/P1/experiments').mget(['label', 'date', 'note'])
    )
    assert (requests, len(values)) == (1, size.subjects * size.sessions)
    assert all(date == '2020-01-02' for _, date, _ in values)


def test_fields_of_single_types_take_one_more_for_each_type(
    xnat: pyxnat.Interface, size: Size
) -> None:
    sessions = xnat.select('/projects/P1/experiments')
    requests, values = cost(
        xnat, lambda: sessions.mget(['xsiType', 'fieldStrength', 'xnat:petSessionData/tracer/name'])
    )
    assert (requests, len(values)) == (3, size.subjects * size.sessions)
    assert {tuple(row) for row in values} == {
        ('xnat:mrSessionData', '3.0', ''),
        ('xnat:petSessionData', '', ''),
    }


def test_files_of_a_subject_take_five_for_fifty_sessions(
    xnat: pyxnat.Interface, size: Size
) -> None:
    requests, files = cost(xnat, lambda: xnat.select('/projects/P0/subjects/S0//files').get())
    assert len(files) == size.sessions * 3
    assert (
        requests == 1 + 1 + 2 + 1
    )  # its own, its sessions, theirs and those of their scans, a check for derived data


def test_files_of_assessors_and_reconstructions_take_no_more_for_each(
    xnat: pyxnat.Interface, size: Size
) -> None:
    subject = xnat.select.project('P1').subject('S1')
    before, files = cost(xnat, lambda: xnat.select('/projects/P1/subjects/S1//files').get())
    made = []
    for number, session in enumerate(subject.experiments()):
        for each in range(3):
            made += [
                session.assessor(f'A{number}{each}').create(
                    assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
                )
            ]
            made += [session.reconstruction(f'R{number}{each}').create()]
    for one in made:
        one.in_resource('IN').file('in.txt').put(b'in')
        one.out_resource('OUT').file('out.txt').put(b'out')
    for one in made[::2]:
        one.resource('OWN').file('own.txt').put(b'own')
    requests, more = cost(xnat, lambda: xnat.select('/projects/P1/subjects/S1//files').get())
    assert len(more) - len(files) == size.sessions * 3 * (3 + 2)
    assert requests == before + 2 + 2  # of all assessors: in, out; of all reconstructions: in, out
    for one in made:
        one.delete()


def test_files_of_a_project_take_no_more_for_sessions_with_only_scans(
    xnat: pyxnat.Interface, size: Size
) -> None:
    requests, files = cost(xnat, lambda: xnat.select('/projects/P0//files').get())
    assert len(files) == size.sessions * 3
    fifties = math.ceil(size.subjects * size.sessions / 50)
    assert requests == 1 + 2 + 2 * fifties + 2  # its own, subjects and sessions, two checks
    assert requests <= 8 or fifties > 1


def test_files_of_subjects_take_one_for_each_subject_that_has_any(
    xnat: pyxnat.Interface, size: Size
) -> None:
    files = xnat.select('/projects/P1/subjects/*/resources/*/files')
    assert cost(xnat, lambda: files.get()) == (2, [])
    resources = [
        xnat.select.project('P1').subject(f'S{number}').resource('NOTES') for number in range(2)
    ]
    for resource in resources:
        resource.file('a.txt').put(b'a')
    assert cost(xnat, lambda: len(files)) == (2 + 2, 2)
    for resource in resources:
        resource.delete()


def test_files_of_all_scans_of_a_project_take_one_for_fifty_sessions(
    xnat: pyxnat.Interface, size: Size
) -> None:
    requests, files = cost(
        xnat,
        lambda: xnat.select(
            '/projects/P0/subjects/*/experiments/*/scans/*/resources/*/files'
        ).get(),
    )
    assert len(files) == size.sessions * 2
    assert requests == 2 + math.ceil(size.subjects * size.sessions / 50)


@pytest.mark.parametrize(
    'look',
    [lambda c: c.first(), bool, lambda c: c[0], lambda c: next(iter(c)), lambda c: c.fetchmany(1)],
)
def test_first_makes_only_the_needed_requests(
    xnat: pyxnat.Interface, look: Callable[[Any], Any]
) -> None:
    assert (
        cost(xnat, lambda: look(xnat.select('/projects/P0/subjects/*/experiments/*/scans/*')))[0]
        == 3
    )


def test_a_stopped_loop_requests_only_the_elements_it_reached(xnat: pyxnat.Interface) -> None:
    def loop() -> None:
        for number, _ in enumerate(xnat.select('/projects/P0/experiments/*/scans/*')):
            if number == 1:
                break

    assert cost(xnat, loop)[0] == 2


def test_files_of_experiments_take_one_for_fifty(xnat: pyxnat.Interface, size: Size) -> None:
    files = xnat.select('/projects/P1/experiments/*/resources/*/files')
    assert cost(xnat, lambda: files.get()) == (
        1 + math.ceil(size.subjects * size.sessions / 50),
        [],
    )


def test_elements_keep_the_row_of_their_listing(xnat: pyxnat.Interface, size: Size) -> None:
    xnat.cache.expiration = 60
    sessions = xnat.select('/projects/P1/experiments').with_columns('note')
    requests, rows = cost(
        xnat,
        lambda: [
            (one.id(), one.label(), one.datatype(), *one.attrs.mget(['date', 'note']))
            for one in sessions
        ],
    )
    assert (requests, len(rows)) == (1, size.subjects * size.sessions)


def test_the_row_of_a_listing_is_requested_again_if_it_is_old_or_overwritten(
    xnat: pyxnat.Interface,
) -> None:
    xnat.cache.expiration = 60
    session = xnat.select('/projects/P1/experiments').with_columns('note').first()
    assert cost(xnat, lambda: session.attrs.get('note')) == (0, '')
    session.attrs.set('note', 'seen')
    assert cost(xnat, lambda: session.attrs.get('note')) == (1, 'seen')
    session.attrs.set('note', '')
    again = xnat.select('/projects/P1/experiments').with_columns('note').first()
    xnat.cache.expiration = 0
    assert cost(xnat, lambda: again.attrs.get('note'))[0] == 1
