"""Tests of the comparison: differences that count, and those that do not."""

from __future__ import annotations

import json
from datetime import datetime
from email.message import Message
from typing import Any

import pytest

from tests.support.plain import Answer

from .comparing import compare
from .moments import Moments
from .names import Names
from .recordings import Exchange


def exchange(
    body: Any, kind: str = 'application/json', path: str = '/data/projects/P/subjects', **more: Any
) -> Exchange:
    text = body if isinstance(body, str) else json.dumps(body)
    values = {
        'place': 'x',
        'by': 'admin',
        'method': 'GET',
        'path': path,
        'headers': {},
        'send': None,
        'status': 200,
        'names': None,
        **more,
    }
    return Exchange(answer_headers={'Content-Type': kind}, body=text.encode(), **values)


def answer(body: Any, kind: str = 'application/json', status: int = 200) -> Answer:
    made = Answer.__new__(Answer)
    made.status, made.reason, made.headers = status, '', Message()  # type: ignore[assignment]
    made.headers['Content-Type'] = kind
    made.body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return made


def table(*rows: dict[str, str], **more: Any) -> dict[str, Any]:
    return {'ResultSet': {'Result': list(rows), 'totalRecords': str(len(rows)), **more}}


def kinds(recorded: Exchange, here: Answer, names: Names | None = None) -> list[str]:
    return [difference.kind for difference in compare(recorded, here, names or Names(), ())]


def test_order_ids_and_times_do_not_count() -> None:
    theirs = table(
        {'ID': 'XNAT_S00400', 'label': 'A', 'insert_date': '2026-11-28 04:07:04.72'},
        {'ID': 'XNAT_S00401', 'label': 'B', 'insert_date': ''},
    )
    ours = table(
        {'ID': 'XNAT_S00002', 'label': 'B', 'insert_date': ''},
        {'ID': 'XNAT_S00001', 'label': 'A', 'insert_date': '2020-01-01 00:00:00.1'},
    )
    names = Names()
    assert kinds(exchange(theirs), answer(ours), names) == []
    assert names.here('/data/subjects/XNAT_S00401') == '/data/subjects/XNAT_S00002'


def test_a_known_id_is_distinguished_from_others() -> None:
    names = Names()
    names.pair('XNAT_S00400', 'XNAT_S00001')
    assert (
        kinds(exchange('XNAT_S00400', 'text/plain'), answer('XNAT_S00001', 'text/plain'), names)
        == []
    )
    assert kinds(
        exchange('XNAT_S00400', 'text/plain'), answer('XNAT_S00002', 'text/plain'), names
    ) == ['text']


@pytest.mark.parametrize(
    ('ours', 'wanted'),
    [
        (table({'label': 'B'}), ['rows']),
        (table({'label': 'A', 'more': ''}), ['columns']),
        (table({'label': 'A'}, title='Subjects'), ['keys']),
        (table(), ['rows']),
        ('', ['body']),
    ],
)
def test_rows_columns_and_keys_count(ours: Any, wanted: list[str]) -> None:
    assert kinds(exchange(table({'label': 'A'})), answer(ours)) == wanted


@pytest.mark.parametrize(
    ('recorded', 'here', 'wanted'),
    [
        (200, 404, ['status']),
        (404, 403, []),
        (500, 400, []),
        (404, 500, ['status']),
        (500, 200, ['status']),
    ],
)
def test_for_refusals_the_class_of_the_status_counts(
    recorded: int, here: int, wanted: list[str]
) -> None:
    assert kinds(exchange('x', status=recorded), answer('y', status=here)) == wanted


def test_the_media_type_counts_and_its_parameters_do_not() -> None:
    assert kinds(exchange('x', 'text/plain;charset=ISO-8859-1'), answer('x', 'text/plain')) == []
    assert kinds(exchange('x', 'text/html'), answer('x', 'text/plain')) == ['type']


def test_items_are_compared_by_their_fields() -> None:
    def item(**fields: Any) -> dict[str, Any]:
        return {'items': [{'data_fields': fields, 'children': [], 'meta': {'create_event_id': 4}}]}

    assert (
        kinds(
            exchange(item(label='A', xnat_subjectData_id=4)),
            answer(item(label='A', xnat_subjectData_id=7)),
        )
        == []
    )
    assert kinds(exchange(item(label='A')), answer(item(label='A', more='x'))) == ['fields']


def test_documents_are_compared_by_their_elements() -> None:
    assert (
        kinds(
            exchange('<a><b c="1">x</b><d/></a>', 'text/xml'),
            answer('<a><d/><b c="1">x</b></a>', 'text/xml'),
        )
        == []
    )
    assert kinds(
        exchange('<a><b c="1">x</b></a>', 'text/xml'), answer('<a><b c="1">y</b></a>', 'text/xml')
    ) == ['elements']


def page(*rows: dict[str, str]) -> list[str]:
    theirs = table({'label': 'A'}, {'label': 'B'})
    return kinds(
        exchange(theirs, path='/data/projects/P/subjects?limit=2&offset=2'), answer(table(*rows))
    )


def test_a_page_may_have_any_rows_but_the_same_number() -> None:
    assert page({'label': 'C'}, {'label': 'A'}) == []
    assert page({'label': 'A'}) == ['rows']
    assert page({'name': 'A'}, {'name': 'B'}) == ['columns']


def test_in_lists_of_the_site_only_rows_of_the_recorded_projects_count() -> None:
    theirs = table({'label': 'A', 'project': 'MINE'}, {'label': 'B', 'project': 'OLD'})
    ours = table({'label': 'A', 'project': 'MINE'}, {'label': 'C', 'project': 'NEW'})
    asked = exchange(theirs, path='/data/subjects')
    assert compare(asked, answer(ours), Names(), {'MINE'}) == []
    assert [one.kind for one in compare(asked, answer(ours), Names(), {'MINE', 'NEW'})] == ['rows']


def test_a_known_item_counts_on_both_sides() -> None:
    names = Names()
    names.pair('XNAT_S00400', 'XNAT_S00001')
    asked = exchange(table({'ID': 'XNAT_S00400'}), path='/data/subjects?columns=ID')
    assert (
        compare(asked, answer(table({'ID': 'XNAT_S00001'}, {'ID': 'XNAT_S00009'})), names, ()) == []
    )
    assert compare(asked, answer(table({'ID': 'XNAT_S00009'})), names, ()) != []


def test_numbers_of_users_in_names_of_columns_do_not_count() -> None:
    assert (
        kinds(
            exchange('a,user_role_7\nx,\n', 'text/csv'), answer('a,user_role_1\nx,\n', 'text/csv')
        )
        == []
    )


@pytest.mark.parametrize(
    ('asked', 'now', 'here'),
    [
        ('since 2026-11-27', '2027-01-02 00:00:10', 'since 2027-01-01'),
        ('since 11/28/2026-11/29/2026', '2026-12-31 23:00:00', 'since 12/31/2026-01/01/2027'),
        ('since 11/28/2026 23:59:59', '2026-12-31 23:00:00', 'since 12/31/2026 23:59:59'),
        ('since 2026-11-28 03:00:00', '2026-11-30 00:30:00', 'since 2026-11-29 23:30:00'),
        ('since 2026-11-28 05:00:00', '2026-11-28 23:30:00', 'since 2026-11-29 00:30:00'),
        ('since 2020-01-31', '2026-11-30 00:30:00', 'since 2020-01-31'),
    ],
)
def test_criteria_mean_the_same_day_and_time_whenever_a_recording_is_played(
    asked: str, now: str, here: str
) -> None:
    search = exchange('-', path='/data/search', send=f'<xdat:search>{asked}</xdat:search>'.encode())
    stamped = exchange([{'insert_date': '2026-11-28 04:00:00.0'}])
    moments = Moments([search, stamped], datetime.fromisoformat(now))
    assert moments.here(search, asked) == here
    stored = search._replace(method='PUT', send=None)
    assert moments.here(stored, asked) == asked
