"""Tests of ``cache=true``: stored results that are read in pages (fact 4.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server.errors import Gone
from pyxnat.server.search.result_cache import Views
from pyxnat.server.table import Table

from .conftest import Client
from .searches import M, S, criterion, document, run


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str], admin: Client) -> None:
    for number in range(5):
        admin.put(
            f'/data/projects/P/subjects/S1/experiments/C{number}?xsiType=xnat:mrSessionData&'
            f'xnat:mrSessionData/age={number * 3 + 1}'
        )


def result(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)['ResultSet']
    return found


ALL = document(M, ['LABEL', 'AGE'])
FIVE = document(M, ['LABEL', 'AGE'], criterion(f'{M}.LABEL', 'LIKE', 'c%'))


def kept(client: Client, body: bytes = FIVE, query: str = '') -> dict[str, Any]:
    return result(client.post(f'/data/search?cache=true&format=json{query}', body).text)


def test_4_7_1_the_response_names_the_table_and_has_no_rows(admin: Client) -> None:
    found = kept(admin)
    assert found['Result'] == []
    assert found['totalRecords'] == '5'
    assert found['rootElementName'] == M
    assert [column['key'] for column in found['Columns']][-2:] == ['age', 'quarantine_status']
    assert 'last_access' not in found
    assert len(kept(admin, FIVE, '&limit=2')['Result']) == 2


def test_4_7_2_pages(admin: Client, filled: dict[str, str]) -> None:
    name = kept(admin)['ID']
    assert [row['label'] for row in admin.get(f'/data/search/{name}').rows] == [
        'C0',
        'C1',
        'C2',
        'C3',
        'C4',
    ]
    page = admin.get(f'/data/search/{name}?format=json&offset=1&limit=2')
    assert [row['label'] for row in page.rows] == ['C1', 'C2']
    assert set(result(page.text)) == {'Result', 'ID'}
    assert [
        row['label']
        for row in admin.get(f'/data/search/{name}?sortBy=age&sortOrder=DESC&limit=3').rows
    ] == ['C4', 'C3', 'C2']
    assert [row['age'] for row in admin.get(f'/data/search/{name}?sortBy=age').rows] == [
        '1',
        '4',
        '7',
        '10',
        '13',
    ], 'numbers as numbers'
    answer = admin.get(f'/data/search/{name}?format=csv&limit=1')
    assert (answer.header[0], answer.header[-3:]) == ('label', ['age', 'quarantine_status', 'key'])
    assert answer.csv[0]['key'].startswith('XNAT_E')
    assert admin.get(f'/data/search/{name}?limit=*&offset=4').rows[0]['label'] == 'C4'
    assert admin.get(f'/data/search/{name}?format=xml').text.count('<row>') == 5


def test_a_page_does_not_change_when_the_archive_does(admin: Client) -> None:
    name = kept(admin)['ID']
    admin.ok('PUT', '/data/projects/P/subjects/S1/experiments/C9?xsiType=xnat:mrSessionData')
    assert len(admin.get(f'/data/search/{name}').rows) == 5
    admin.ok('DELETE', '/data/projects/P/subjects/S1/experiments/C9')


@pytest.mark.parametrize(
    'query', ['limit=x', 'offset=x', 'offset=-1', 'limit=-1', 'sortBy=nothing', 'sortBy=label;drop']
)
def test_4_7_3_bad_pages_are_refused(admin: Client, query: str) -> None:
    assert admin.get(f'/data/search/{kept(admin)["ID"]}?{query}').status == (
        500 if 'sortBy' in query else 422
    )


def test_4_7_3_a_deleted_table_is_reported_as_gone(admin: Client) -> None:
    assert admin.get('/data/search/_123').status == 410
    assert admin.post('/data/search/_123', b'').status == 405


def test_4_7_2_no_table_is_built_for_another_user(
    admin: Client, client_of: Callable[[str | None], Client]
) -> None:
    answer = client_of('outsider').get(f'/data/search/{kept(admin)["ID"]}')
    assert (answer.status, answer.body) == (200, b'')


def test_4_7_4_values_of_a_column(admin: Client) -> None:
    name = kept(admin, document(S, ['SUBJECT_LABEL', 'GENDER', 'PROJECT']))['ID']
    answer = admin.get(f'/data/search/{name}/project')
    assert answer.rows == [{'values': 'P', 'count': '2'}]
    assert [
        (row['values'], row['count'])
        for row in admin.get(f'/data/search/{name}/gender?format=csv').csv
    ] == [('female', '1'), ('male', '1')]
    assert admin.get(f'/data/search/{name}/nothing').status == 410


def test_4_7_6_a_document_with_an_id_is_answered_from_its_table(
    admin: Client, client_of: Callable[[str | None], Client]
) -> None:
    first = kept(admin, document(M, ['LABEL'], criterion(f'{M}.LABEL', '=', 'C1'), ID='mine'))
    assert (
        first['totalRecords'] == '1'
        and 'last_access' not in first
        and first['ID'].startswith('_mine_admin_')
    )
    other = document(M, ['LABEL'], criterion(f'{M}.LABEL', '=', 'C2'), ID='mine')
    again = kept(admin, other)
    assert again['ID'] == first['ID'] and 'last_access' in again
    assert [row['label'] for row in admin.post('/data/search?format=csv', other).csv] == ['C1'], (
        'also without cache=true'
    )
    assert [
        row['label'] for row in admin.post('/data/search?format=csv&refresh=true', other).csv
    ] == ['C2']
    again = kept(admin, other, '&refresh=true')
    assert again['ID'] != first['ID']
    assert [row['label'] for row in admin.get(f'/data/search/{again["ID"]}').rows] == ['C2']
    assert admin.get(f'/data/search/{first["ID"]}').status == 410, 'the new one took its place'
    admin.ok('PUT', '/data/projects/P/users/member/member')
    assert [
        row['label'] for row in client_of('member').post('/data/search?format=csv', other).csv
    ] == ['C2'], "another user's is another table"


def test_a_generated_listing_is_never_answered_from_a_table(admin: Client) -> None:
    kept(admin, document(M, ['LABEL'], criterion(f'{M}.LABEL', '=', 'C1'), ID=f'@{M}'))
    assert len(run(admin, M, ['LABEL'], criterion(f'{M}.LABEL', 'LIKE', 'c%'), ID=f'@{M}')) == 5


def test_a_stored_result_has_only_readable_items(client_of: Callable[[str | None], Client]) -> None:
    assert kept(client_of('outsider'))['totalRecords'] == '0'


# -- limits

ROWS = Table(
    ['a', 'b'], [('x', 1), (None, 2)], {'rootElementName': M}, [{'key': 'a'}, {'key': 'b'}]
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def views(tmp_path: Path, clock: Clock) -> Any:
    found = Views(tmp_path, clock)
    yield found
    found.close()


def alive(views: Views, names: list[str]) -> list[str]:
    found = []
    for name in names:
        try:
            assert views.find('a', name) is not None
        except Gone:
            continue
        else:
            found.append(name)
    return found


def test_an_unused_result_is_deleted_after_a_time(views: Views, clock: Clock) -> None:
    used, left = views.add('a', '', ROWS).id, views.add('a', '', ROWS).id
    for _ in range(3):
        clock.now += 4 * 3600
        views.find('a', used)
    assert alive(views, [used, left]) == [used]


def test_the_least_used_results_are_deleted_first(
    views: Views, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('pyxnat.server.search.result_cache.MAX_VIEWS', 3)
    names = []
    for _ in range(5):
        names.append(views.add('a', '', ROWS).id)
        clock.now += 1
        views.find('a', names[0])
        clock.now += 1
    assert alive(views, names) == [names[0], names[3], names[4]]


def test_the_number_of_rows_is_limited_but_one_result_may_be_larger(
    views: Views, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('pyxnat.server.search.result_cache.MAX_ROWS', 4)
    names = []
    for _ in range(3):
        names.append(views.add('a', '', ROWS).id)
        clock.now += 1
    assert alive(views, names) == names[1:]
    large = views.add('a', '', Table(['a'], [(number,) for number in range(10)], {}, [])).id
    assert alive(views, [*names, large]) == [large]


def test_a_new_start_begins_without_stored_results(tmp_path: Path, clock: Clock) -> None:
    first = Views(tmp_path, clock)
    name = first.add('a', '', ROWS).id
    first.close()
    second = Views(tmp_path, clock)
    assert alive(second, [name]) == []
    second.close()
