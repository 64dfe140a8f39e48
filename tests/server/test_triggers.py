"""Tests of actions on a session, and of the effects of changes below a subject."""

from __future__ import annotations

import json

import pytest

from tests.support.plain import Client, image

P = '/data/projects/PR'


@pytest.fixture(autouse=True, scope='module')
def _made(admin: Client) -> None:
    admin.ok('PUT', P)
    admin.ok('PUT', f'{P}/subjects/S/experiments/E?xsiType=xnat:mrSessionData')


STEPS = [
    ('PUT', f'{P}/subjects/LM?group=g'),
    ('PUT', f'{P}/subjects/LM/experiments/LME?xsiType=xnat:mrSessionData'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1?xsiType=xnat:mrScanData'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1?type=T1'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R/files/f?inbody=true'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R/files/f'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME/scans/1'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME'),
]


def test_last_modified_of_a_subject_follows_changes_below(admin: Client) -> None:
    seen = []
    for method, path in STEPS:
        admin.ok(method, path, b'x' if 'inbody' in path else None)
        seen.append(
            admin.get(f'{P}/subjects?columns=last_modified&label=LM').rows[0]['last_modified']
        )
    assert len(set(seen)) == len(STEPS)


def test_triggers_are_accepted_and_recorded(admin: Client) -> None:
    path = f'{P}/subjects/S/experiments/E'
    identifier = admin.ok('PUT', f'{path}?triggerPipelines=true')
    assert (
        admin.ok('PUT', f'{path}?triggerPipelines=true&fixScanTypes=true&pullDataFromHeaders=true')
        == identifier
    )
    rows = admin.get(
        f'/data/services/workflows/triggerPipelines?display=ALL&format=json&experiment={identifier}'
    ).rows
    assert [row['status'] for row in rows] == ['Complete', 'Complete']


def test_fix_scan_types(admin: Client) -> None:
    known, new = f'{P}/subjects/S/experiments/KNOWN', f'{P}/subjects/S/experiments/NEW'
    for path in (known, new):
        admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok(
        'PUT', f'{known}/scans/1?xsiType=xnat:mrScanData&type=ANATOMY&series_description=t1_mpr'
    )
    for number, described in enumerate(('t1_mpr', 'unheard_of'), 1):
        admin.ok(
            'PUT', f'{new}/scans/{number}?xsiType=xnat:mrScanData&series_description={described}'
        )
    admin.ok('PUT', f'{new}?fixScanTypes=true')
    assert [row['type'] for row in admin.get(f'{new}/scans').rows] == ['ANATOMY', '']
    assert ('ANATOMY', 't1_mpr,') in [
        (row['type'], row['series_descriptions']) for row in admin.get(f'{P}/scan_types').rows
    ]


def test_pull_data_from_headers(admin: Client) -> None:
    path = f'{P}/subjects/S/experiments/DCM'
    admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{path}/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{path}/scans/1/resources/DICOM/files/1.dcm?inbody=true', image())
    admin.ok('PUT', f'{path}/scans/2?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{path}/scans/2/resources/DICOM/files/no.dcm?inbody=true', b'this is no DICOM')
    admin.ok('PUT', f'{path}?pullDataFromHeaders=true')
    fields = admin.item(path)['data_fields']
    assert (fields['date'], fields['time'], fields['dcmPatientId'], fields['dcmPatientName']) == (
        '2020-01-31',
        '08:15:30',
        'pid',
        'A^B',
    )
    scan = admin.item(f'{path}/scans/1')['data_fields']
    assert (scan['UID'], scan['series_description'], scan['parameters/tr']) == (
        '1.2.3.4',
        't1_mpr',
        2300.0,
    )
    assert (
        json.loads(admin.get(f'{path}/scans/2?format=json').body)['items'][0]['data_fields'].get(
            'UID'
        )
        is None
    )
