"""Tests of columns of listings: found by name, under any key that XNAT uses, and joined by ID."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.model.short_names import cell, find_column, key_of
from pyxnat.query.plan import Listing
from pyxnat.tables.table import Row

DEMOGRAPHICS = 'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]'
HEADERS = [
    ('ID,group,URI', 'xnat:subjectData/group', 'group'),
    ('ID,label,URI', 'xnat:subjectData/label', 'label'),
    ('ID,gender,URI', f'{DEMOGRAPHICS}/gender', 'gender'),
    ('ID,gender,URI', 'xnat:subjectData/demographics/gender', 'gender'),
    ('ID,insert_date,URI', 'xnat:subjectData/meta/insert_date', 'insert_date'),
    (
        'ID,xnat:subjectdata/sharing/share/project,URI',
        'xnat:subjectData/sharing/share/project',
        'xnat:subjectdata/sharing/share/project',
    ),
    ('ID,keywords,URI', 'xnat:projectData/keywords', 'keywords'),
    ('ID,pi_lastname,URI', 'xnat:projectData/PI/lastname', 'pi_lastname'),
    ('xnat:subjectassessordata/id,ID,date,xsiType,project,URI', 'xnat:experimentData/date', 'date'),
    (
        'xnat:mrsessiondata/id,xnat:mrsessiondata/date,ID,URI',
        'xnat:mrSessionData/date',
        'xnat:mrsessiondata/date',
    ),
    (
        'xnat:mrsessiondata/id,fieldStrength,ID,URI',
        'xnat:mrSessionData/fieldStrength',
        'fieldStrength',
    ),
    ('xnat:mrsessiondata/id,fieldStrength,ID,URI', 'fieldStrength', 'fieldStrength'),
    (
        'xnat:mrsessiondata/id,xnat:mrsessiondata/scans/scan/id,session_label,URI',
        'xnat:imageSessionData/label',
        'session_label',
    ),
    (
        'xnat:mrsessiondata/id,xnat:mrsessiondata/subject_id,ID,URI',
        'subject_ID',
        'xnat:mrsessiondata/subject_id',
    ),
    ('session_ID,scanner,ID,xsiType,project,URI', 'xnat:imageSessionData/scanner', 'scanner'),
    (
        'xnat:imageassessordata/id,xnat:imageassessordata/note,ID,URI',
        'xnat:imageAssessorData/note',
        'xnat:imageassessordata/note',
    ),
    ('xnat_imagescandata_id,ID,frames,URI', 'xnat:imageScanData/frames', 'frames'),
    (
        'xnat:mrscandata/xnat_imagescandata_id,xnat:mrscandata/frames,ID,URI',
        'xnat:mrScanData/frames',
        'xnat:mrscandata/frames',
    ),
    (
        'xnat:mrscandata/xnat_imagescandata_id,coil,ID,URI',
        'xnat_imagescandata_id',
        'xnat:mrscandata/xnat_imagescandata_id',
    ),
    (
        'xnat:mrsessiondata/id,xnat:mrsessiondata/scans/scan/id,label,URI',
        'ID',
        'xnat:mrsessiondata/id',
    ),
    ('session_ID,scanner,xsiType,project,URI', 'ID', 'session_ID'),
    ('xnat:imageassessordata/id,session_ID,session_label,URI', 'ID', 'xnat:imageassessordata/id'),
    ('xnat:imageassessordata/id,session_ID,ID,URI', 'session_ID', 'session_ID'),
    # older servers return every full path under itself
    ('ID,xnat:subjectdata/group,URI', 'xnat:subjectData/group', 'xnat:subjectdata/group'),
    ('ID,xnat:experimentdata/date,URI', 'date', 'xnat:experimentdata/date'),
    (
        'ID,xnat:experimentdata/date,date,URI',
        'xnat:experimentData/date',
        'xnat:experimentdata/date',
    ),
    # missing columns
    ('ID,label,URI', 'Label', None),
    ('ID,label,URI', 'visit', None),
    ('ID,label,URI', 'xnat:imageScanData/nothing', None),
    ('ID,type,URI', 'xnat:imageSessionData/scans/scan/type', None),
    ('ID,label,URI', 'xnat_imagescandata_id', None),
]


@pytest.mark.parametrize(('header', 'name', 'expected'), HEADERS)
def test_a_column_is_found_by_its_short_name_and_by_its_path(
    header: str, name: str, expected: str | None
) -> None:
    columns = header.split(',')
    assert find_column(columns, name) == expected
    row = {column: column for column in columns}
    if expected is None:
        with pytest.raises(errors.UnexpectedAnswer, match='no column'):
            cell(row, name)
    else:
        assert cell(row, name) == expected


DROPPED = {
    'label',
    'last_modified',
    'insert_date',
    'insert_user',
    'visit',
    'protocol',
    'project_access',
    'users',
    'user_role',
    'last_accessed',
    'proj_mr_count',
    'quarantine_status',
    'custom_fields',
    'startTime',
    'nonsense',
    'LABEL',
    'session_project',
    'studyInstanceUID',
}
"""Columns that XNAT omits without an error, on some levels or all."""


def listings(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield recorded requests with columns, and the columns of the responses."""
    for path in sorted((folder / 'recorded' / 'xnat-1.8.11').rglob('*.jsonl')):
        for line in path.read_text().split('\n')[:-1]:
            for exchange in exchanges(json.loads(line)):
                body, uri = exchange.get('body'), exchange['path']
                is_listing = (
                    exchange['method'] == 'GET'
                    and 'columns=' in uri
                    and '/files' not in uri
                    and '/resources' not in uri
                    and 'handler' not in uri
                )
                if (
                    is_listing
                    and exchange['status'] == 200
                    and isinstance(body, str)
                    and (header := header_of(body))
                ):
                    yield uri, header


def exchanges(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and {'path', 'status', 'method'} <= value.keys():
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from exchanges(inner)


def header_of(body: str) -> list[str]:
    if body.startswith('{"ResultSet"'):
        try:
            rows = json.loads(body)['ResultSet']['Result']
        except ValueError:  # a long body was shortened
            return []
        return list(rows[0]) if rows else []
    table = list(csv.reader(io.StringIO(body)))
    return table[0] if len(table) > 1 and not body.startswith('<') else []


def test_every_column_of_a_recorded_response_is_found(reference: Path) -> None:
    seen = 0
    for uri, header in listings(reference):
        asked = parse_qs(unquote(uri).partition('?')[2])['columns'][0].split(',')
        for name in asked:
            seen += find_column(header, name) is not None
            assert (
                find_column(header, name) is not None
                or name in DROPPED
                or name == 'URI'
                or not name
            ), (uri, header)
        assert find_column(header, 'ID') is not None or 'alias' in asked, (uri, header)
    assert seen > 1000


# -- listings, and their joined rows


def test_columns_of_one_type_come_from_a_listing_of_that_type_joined_by_id() -> None:
    columns = {'experiments': ('note', 'scanner', 'xnat:mrSessionData/date', 'fieldStrength')}
    listing = Listing('/data/projects/P/experiments', 'experiments', columns)
    assert (
        listing.types == ['xnat:imageSessionData', 'xnat:mrSessionData']
        and len(listing) == len(listing.uris) == 3
    )
    general = [
        {'ID': f'E{number}', 'label': f'L{number}', 'note': 'n', 'xsiType': ''}
        for number in (1, 2, 3)
    ]
    sessions = [
        {'session_ID': 'E3', 'scanner': 'Trio'},
        {'session_ID': 'E1', 'scanner': 'Prisma'},
    ]  # in any order
    mr = [
        {
            'xnat:mrsessiondata/id': 'E1',
            'xnat:mrsessiondata/date': '2020-01-02',
            'fieldStrength': '3',
        }
    ]
    rows = {row['ID']: row for row in listing.rows([general, sessions, mr])}
    names = ('note', 'scanner', 'xnat:mrsessiondata/date', 'fieldStrength')
    assert [tuple(rows[f'E{number}'][name] for name in names) for number in (1, 2, 3)] == [
        ('n', 'Prisma', '2020-01-02', '3'),
        ('n', '', '', ''),
        ('n', 'Trio', '', ''),
    ]


@pytest.mark.parametrize('key', ['group', 'xnat:subjectdata/group'])
def test_a_column_requested_by_path_has_the_path_as_key(key: str) -> None:
    listing = Listing(
        '/data/projects/P/subjects', 'subjects', {'subjects': ('xnat:subjectData/group',)}
    )
    (row,) = listing.rows([[{'ID': 'S', 'label': 'L', key: 'control'}]])
    assert row[key_of('xnat:subjectData/group')] == 'control'


@pytest.mark.parametrize(
    ('plural', 'name'),
    [
        ('scans', 'type'),
        ('scans', 'fieldStrength'),
        ('reconstructions', 'type'),
        ('assessors', 'note'),
    ],
)
def test_the_id_is_always_requested(plural: str, name: str) -> None:
    for uri in Listing('/data/experiments/E/x', plural, {plural: (name,)}).uris:
        assert '?' not in uri or 'ID' in parse_qs(uri.partition('?')[2])['columns'][0].split(',')


def test_the_type_of_reconstructions_is_not_requested() -> None:
    listing = Listing(
        '/data/experiments/E/reconstructions',
        'reconstructions',
        {'reconstructions': ('xsiType', 'type')},
    )
    assert 'xsiType' not in listing.uris[0]


def test_demographics_are_requested_with_their_type() -> None:
    (uri,) = Listing(
        '/data/subjects', 'subjects', {'subjects': ('xnat:subjectData/demographics/age',)}
    ).uris
    assert unquote(uri).endswith(f'{DEMOGRAPHICS}/age')


def test_subject_columns_of_experiments_of_the_site_are_requested_with_a_type() -> None:
    columns = {'experiments': ('subject_label', 'note')}
    of_site = Listing('/data/experiments', 'experiments', columns)
    assert of_site.types == [
        'xnat:subjectAssessorData'
    ]  # the listing includes assessors, too, and fails for these columns
    assert Listing('/data/projects/P/experiments', 'experiments', columns).types == []
    assert (
        Listing(
            '/data/experiments', 'experiments', columns, datatype='xnat:subjectAssessorData'
        ).types
        == []
    )


# -- fields of one element, with responses of a real server


class AnsweringInterface(pyxnat.Interface):
    """A connection that answers listings itself."""

    answer: Callable[[str, dict[str, str]], list[Row] | None]
    asked: list[str]

    def _exec(self, uri: str, *rest: Any, **more: Any) -> bytes:
        path, _, query = unquote(uri).partition('?')
        self.asked.append(unquote(uri).replace('&format=json', '').replace('?format=json', ''))
        rows = self.answer(path, {name: several[0] for name, several in parse_qs(query).items()})
        if rows is None:
            raise errors.InternalError('an accident', uri=uri, status=500)
        return json.dumps({'ResultSet': {'Result': rows}}).encode()


@pytest.fixture
def answering(tmp_path: Path) -> AnsweringInterface:
    interface = AnsweringInterface('http://localhost:1', 'nobody', 'nothing', tmp_path)
    interface.asked = []
    return interface


def experiments(path: str, query: dict[str, str]) -> list[Row] | None:
    """Answer ``/data/experiments``: an MR session, E1.

    Without a type XNAT fails for columns of subjects.
    """
    kind, columns = query.get('xsiType'), query.get('columns', 'ID,project,date,label').split(',')
    if kind is None and any(name.startswith('subject_') for name in columns):
        return None
    if kind == 'xnat:petSessionData' or query.get('ID', 'E1') != 'E1':
        return []
    known = {
        'ID': 'E1',
        'label': 'L1',
        'project': 'P',
        'subject_label': 'S1',
        'note': 'n',
        'date': '2020-01-02',
        'fieldStrength': '3',
        'subject_ID': 'S',
    }
    key = {
        'xnat:mrSessionData': 'xnat:mrsessiondata/id',
        'xnat:subjectAssessorData': 'xnat:subjectassessordata/id',
    }.get(kind or '', 'ID')
    return [
        {
            key: 'E1',
            **{
                name: known[name.rpartition('/')[2]]
                for name in columns
                if name.rpartition('/')[2] in known
            },
            'URI': '/data/experiments/E1',
        }
    ]


def test_fields_of_an_experiment_are_read_by_its_id(answering: AnsweringInterface) -> None:
    answering.answer = experiments
    attrs = answering.select.experiment('E1').attrs
    assert attrs.mget(['subject_label', 'note']) == ['S1', 'n'] and len(answering.asked) == 1
    assert (
        'xsiType=xnat:subjectAssessorData' in answering.asked[0] and 'ID=E1' in answering.asked[0]
    )
    answering.asked.clear()
    assert (
        attrs.mget(['fieldStrength', 'date']) == ['3', '2020-01-02'] and len(answering.asked) == 1
    )
    assert 'xsiType=xnat:mrSessionData' in answering.asked[0]
    assert attrs.get('tracer_name') == ''  # not a PET session
    assert attrs.get('note') == 'n'


def test_a_missing_element_is_not_found_and_not_an_internal_error(
    answering: AnsweringInterface,
) -> None:
    answering.answer = experiments
    for name in ('subject_label', 'note', 'fieldStrength', 'tracer_name'):
        with pytest.raises(errors.NotFoundError):
            answering.select.experiment('E2').attrs.get(name)


def test_exists_checks_level_by_level_if_the_server_fails(
    answering: AnsweringInterface,
) -> None:
    def answer(path: str, query: dict[str, str]) -> list[Row] | None:
        if path.endswith('/projects'):
            return [{'ID': 'P', 'name': 'P'}]
        if path == '/data/projects/P/subjects':
            return [{'ID': 'XS', 'label': 'S'}]
        if path.endswith('/P/subjects/S/experiments'):
            return [{'ID': 'XE', 'label': 'E', 'xsiType': 'xnat:mrSessionData'}]
        if '/projects/P/' not in path:
            raise (
                errors.NotFoundError('no such project', uri=path, status=404)
                if path.endswith('subjects')
                else errors.InternalError('', status=500)
            )
        return None

    answering.answer = answer
    assert answering.select('/projects/NOPE/subjects/S/experiments/E/scans/1').exists() is False
    assert (
        answering.select('/projects/NOPE/subjects/S/experiments/E/scans/1/resources/R').exists()
        is False
    )
    with pytest.raises(errors.InternalError):
        answering.select('/projects/P/subjects/S/experiments/E/scans/1').exists()
