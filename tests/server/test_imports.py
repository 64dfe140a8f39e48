"""Tests of ``services/import``: destinations, responses (facts 6.2), and hostile uploads."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.dicoms import (
    OTHER_STUDY,
    STUDY,
    STUDY_UID,
    changed,
    content,
    members,
    tarred,
    zipped,
)
from tests.support.plain import multipart

from .conftest import Answer, Client

IMPORT = '/data/services/import'
_numbers = itertools.count(1)


@pytest.fixture
def P(admin: Client) -> str:
    """Create a project that keeps arriving sessions in the prearchive."""
    name = f'IMPORT{next(_numbers)}'
    admin.ok('PUT', f'/data/projects/{name}')
    admin.ok('PUT', f'/data/projects/{name}/prearchive_code/0')
    return name


def send(client: Client, body: bytes, **parameters: str) -> Answer:
    query = '&'.join(
        f'{name.replace("_", "-") if name == "import_handler" else name}={value}'
        for name, value in parameters.items()
    )
    return client.post(f'{IMPORT}?inbody=true&{query}', body, **typed(body))


def typed(body: bytes) -> dict[str, str]:
    """Return the header with the type of a body, which DICOM-zip needs."""
    return {'Content-Type': 'application/zip'} if body[:2] == b'PK' else {}


def test_dicom_zip_takes_a_body_by_its_type(admin: Client, P: str) -> None:
    """Measured on 1.8.11: without a known type, the format is UNKNOWN."""
    path = f'{IMPORT}?inbody=true&import-handler=DICOM-zip&project={P}'
    unknown: tuple[dict[str, str], ...] = ({}, {'Content-Type': 'application/octet-stream'})
    for headers in unknown:
        answer = admin.post(path, zipped(members()), **headers)
        assert answer.status == 400 and 'Unsupported format UNKNOWN' in answer.text
    for kind, body in (('x-tar', tarred(members(), 'w')), ('x-gtar', tarred(members()))):
        assert admin.post(path, body, **{'Content-Type': f'application/{kind}'}).status == 200


def waiting(client: Client, project: str) -> list[dict[str, str]]:
    return client.get(f'/data/prearchive/projects/{project}').rows


def test_6_2_a_session_for_the_prearchive(admin: Client, P: str, folder: Path) -> None:
    answer = send(admin, zipped(members()), project=P)
    assert answer.status == 200
    (row,) = waiting(admin, P)
    assert answer.text == f'/data/prearchive/projects/{P}/{row["timestamp"]}/98890234\r\n'
    told = {
        name: row[name]
        for name in ('subject', 'name', 'tag', 'status', 'scan_date', 'scan_time', 'autoarchive')
    }
    assert told == {
        'subject': 'Doe_Peter',
        'name': '98890234',
        'tag': STUDY_UID,
        'status': 'READY',
        'scan_date': '2003-05-05',
        'scan_time': '04:53:57',
        'autoarchive': 'Manual',
    }
    home = folder / 'prearchive' / P / row['timestamp'] / '98890234' / 'SCANS'
    assert sorted(
        path.relative_to(home).as_posix() for path in home.rglob('*') if path.is_file()
    ) == [
        '1/DICOM/5641',
        '2/DICOM/6273',
        '2/DICOM/6605',
        '2/DICOM/6935',
        '700/DICOM/4467',
        '700/DICOM/4528',
    ]
    assert (home / '700/DICOM/4467').read_bytes() == content(STUDY['MR700/4467'])


def test_6_2_a_session_for_the_archive(admin: Client, P: str) -> None:
    answer = send(admin, zipped(members()), dest=f'/archive/projects/{P}/subjects/S/experiments/E')
    assert (answer.status, answer.text) == (
        200,
        f'/data/archive/projects/{P}/subjects/S/experiments/E\r\n',
    )
    (session,) = admin.get(f'/data/projects/{P}/experiments').rows
    assert (session['label'], session['xsiType'], session['date']) == (
        'E',
        'xnat:mrSessionData',
        '2003-05-05',
    )
    fields = json.loads(admin.get(f'{session["URI"]}?format=json').body)['items'][0]['data_fields']
    assert (
        fields['UID'],
        fields['dcmPatientName'],
        fields['modality'],
        fields['fieldStrength'],
    ) == (STUDY_UID, 'Doe^Peter', 'MR', '1.5')
    assert (fields['scanner/manufacturer'], fields['scanner/model']) == (
        'Philips Medical Systems, Inc.',
        'Eclipse 1.5T',
    )
    scans = admin.get(f'{session["URI"]}/scans').rows
    assert sorted((row['ID'], row['xsiType'], row['quality']) for row in scans) == [
        (name, 'xnat:mrScanData', 'usable') for name in ('1', '2', '700')
    ]
    scan = json.loads(admin.get(f'{session["URI"]}/scans/2?format=json').body)['items'][0][
        'data_fields'
    ]
    assert scan['frames'] == 3
    assert scan['parameters/voxelRes/z'] > 0 and scan['parameters/orientation'] in (
        'Sag',
        'Cor',
        'Tra',
    )
    files = admin.get(f'{session["URI"]}/scans/ALL/resources/DICOM/files').rows
    assert {row['Name']: row['file_format'] for row in files} == {
        name.partition('/')[2]: 'DICOM' for name in STUDY
    }
    (one,) = [row for row in files if row['Name'] == '6605']
    assert admin.get(one['URI']).body == content(STUDY['MR2/6605'])
    assert waiting(admin, P) == []


@pytest.mark.parametrize('pack', [zipped, tarred])
@pytest.mark.parametrize('handler', ['SI', 'DICOM-zip'])
def test_zips_and_tars_in_forms(
    admin: Client, P: str, handler: str, pack: Callable[..., bytes]
) -> None:
    body, headers = multipart(
        ('upload.tar.gz' if pack is tarred else 'upload.zip', pack(members()))
    )
    answer = admin(
        'POST', f'{IMPORT}?import-handler={handler}&dest=/archive/projects/{P}', body, headers
    )
    assert (answer.status, answer.text) == (
        200,
        f'/data/archive/projects/{P}/subjects/Doe_Peter/experiments/98890234\r\n',
    )


def test_fields_of_the_form_are_parameters(admin: Client, P: str) -> None:
    body, headers = multipart(('upload.zip', zipped(members())))
    part = '--XX\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    fields = part.format('project', P) + part.format('session', 'E')
    assert admin('POST', IMPORT, fields.encode() + body, headers).status == 200
    assert [row['name'] for row in waiting(admin, P)] == ['E']


def test_6_2_a_session_that_exists(admin: Client, P: str) -> None:
    dest = f'/archive/projects/{P}'
    assert send(admin, zipped(members()), dest=dest).status == 200
    assert send(admin, zipped(members()), dest=dest).status == 409
    assert [row['status'] for row in waiting(admin, P)] == ['CONFLICT']
    assert send(admin, zipped(members()), dest=dest, import_handler='DICOM-zip').status == 400
    more = {'6605': changed(STUDY['MR2/6605'], SOPInstanceUID='1.2.3.4')}
    assert send(admin, zipped(more), dest=dest, overwrite='append').status == 409
    assert send(admin, zipped({'new': more['6605']}), dest=dest, overwrite='append').status == 200
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    assert [row['Name'] for row in admin.get(f'{session}/scans/2/resources/DICOM/files').rows] == [
        '6273',
        '6605',
        '6935',
        'new',
    ]
    assert (
        json.loads(admin.get(f'{session}/scans/2?format=json').body)['items'][0]['data_fields'][
            'frames'
        ]
        == 4
    )
    assert send(admin, zipped(more), dest=dest, overwrite='delete').status == 200
    (found,) = [
        row
        for row in admin.get(f'{session}/scans/2/resources/DICOM/files').rows
        if row['Name'] == '6605'
    ]
    assert admin.get(found['URI']).body == more['6605']
    assert len(admin.get(f'{session}/scans').rows) == 3


def test_an_append_that_would_change_the_session_is_refused(admin: Client, P: str) -> None:
    dest = f'/archive/projects/{P}/subjects/S/experiments/E'
    assert send(admin, zipped(members()), dest=dest).status == 200
    assert (
        send(admin, zipped(members(OTHER_STUDY)), dest=dest, overwrite='append').status == 409
    )  # another study
    other = f'/archive/projects/{P}/subjects/T/experiments/E'
    assert (
        send(admin, zipped(members()), dest=other, overwrite='delete').status == 409
    )  # another subject
    assert (
        send(admin, content('CT_small.dcm'), dest=dest, overwrite='delete').status == 409
    )  # another modality
    assert send(admin, zipped(members(OTHER_STUDY)), dest=dest, overwrite='delete').status == 200
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    assert sorted(row['ID'] for row in admin.get(f'{session}/scans').rows) == [
        '1',
        '1_1',
        '2',
        '2_1',
        '700',
    ]


@pytest.mark.parametrize(('code', 'second'), [('4', 409), ('5', 200)])
def test_the_project_decides_whether_sessions_are_archived(
    admin: Client, P: str, code: str, second: int
) -> None:
    admin.ok('PUT', f'/data/projects/{P}/prearchive_code/{code}')
    archived = f'/data/archive/projects/{P}/subjects/Doe_Peter/experiments/98890234\r\n'
    assert send(admin, zipped(members()), project=P).text == archived
    assert send(admin, zipped(members()), project=P).status == second
    assert '/prearchive/' in send(admin, zipped(members()), project=P, AA='false', session='E').text
    assert (
        '/prearchive/'
        in send(admin, zipped(members()), project=P, prearchive_code='0', session='E').text
    )


@pytest.mark.parametrize('parameter', ['AA=true', 'auto-archive=true', 'prearchive_code=4'])
def test_the_request_decides_whether_sessions_are_archived(
    admin: Client, P: str, parameter: str
) -> None:
    answer = admin.post(f'{IMPORT}?inbody=true&project={P}&{parameter}', zipped(members()))
    assert answer.text == f'/data/archive/projects/{P}/subjects/Doe_Peter/experiments/98890234\r\n'


@pytest.mark.parametrize(
    'parameters',
    [
        {'project': '{P}', 'subject': 'S', 'session': 'E'},
        {'PROJECT_ID': '{P}', 'SUBJECT_ID': 'S', 'EXPT_LABEL': 'E'},
        {'project': '{P}', 'subject': 'S 1^', 'session': 'E/2'},
    ],
)
def test_overrides(admin: Client, P: str, parameters: dict[str, str]) -> None:
    query = {
        name: value.format(P=P).replace(' ', '%20').replace('^', '%5E')
        for name, value in parameters.items()
    }
    assert send(admin, zipped(members()), **query).status == 200
    (row,) = waiting(admin, P)
    expected = ('S', 'E') if '/' not in parameters.get('session', '') else ('S_1_', 'E_2')
    assert (row['subject'], row['name']) == expected


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({'PatientComments': 'Project:{P} Subject:S Session:E'}, ('S', 'E')),
        ({'PatientComments': 'hello, project : {P}; session:E2'}, ('Doe_Peter', 'E2')),
        ({'StudyDescription': '{P}'}, ('Doe_Peter', '98890234')),
        ({'AccessionNumber': '{P}'}, ('Doe_Peter', '98890234')),
        (
            {'AdditionalPatientHistory': 'Project:{P}', 'PatientID': ''},
            ('Doe_Peter', 'dicom_upload'),
        ),
    ],
)
def test_the_header_gives_project_subject_and_session(
    admin: Client, P: str, values: dict[str, str], expected: tuple[str, str]
) -> None:
    body = changed(STUDY['MR1/5641'], **{name: value.format(P=P) for name, value in values.items()})
    assert send(admin, body).status == 200
    (row,) = waiting(admin, P)
    assert (row['subject'], row['name']) == expected


def test_a_session_of_no_project_is_unassigned(
    admin: Client, client_of: Callable[..., Client]
) -> None:
    answer = send(admin, content('MR_small.dcm'))
    assert answer.text.startswith('/data/prearchive/projects/Unassigned/')
    uri = answer.text.strip()
    assert admin.get(f'{uri}?format=json').rows[0]['project'] == 'Unassigned'
    assert admin.post(f'/data/services/archive?src={uri}').status == 400
    assert client_of('member').get('/data/prearchive/projects/Unassigned').status == 403
    assert client_of('member').get(f'{uri}?format=json').status == 403
    admin.delete(uri)


def test_6_2_several_studies(admin: Client, P: str) -> None:
    body = zipped({**members(), **members(OTHER_STUDY)})
    answer = send(admin, body, dest=f'/prearchive/projects/{P}')
    assert answer.status == 200 and len(answer.text.split('\r\n')) == 3
    assert send(admin, body, dest=f'/archive/projects/{P}').status == 400


def test_series_with_the_same_number_become_different_scans(admin: Client, P: str) -> None:
    """As XNAT's DICOMSessionBuilder: ``<number>-<modality><n>`` in the order of the UIDs."""
    first, second = (
        changed(STUDY['MR1/5641'], SeriesInstanceUID=f'1.2.{n}', SOPInstanceUID=f'1.3.{n}')
        for n in (2, 1)
    )
    assert send(admin, zipped({'a': first, 'b': second}), project=P).status == 200
    uri = waiting(admin, P)[0]['url']
    assert sorted(row['ID'] for row in admin.get(f'/data{uri}/scans').rows) == ['1-MR1', '1-MR2']
    third = changed(STUDY['MR1/5641'], SeriesInstanceUID='1.2.0', SOPInstanceUID='1.3.0')
    assert (
        send(admin, third, project=P, import_handler='gradual-DICOM', action='commit').text
        == f'/data{uri}\r\n'
    )
    assert sorted(row['ID'] for row in admin.get(f'/data{uri}/scans').rows) == [
        '1-MR1',
        '1-MR2',
        '1-MR3',
    ]
    assert admin.get(f'/data{uri}/scans/1-MR2/resources/DICOM/files/a').body == first
    answer = admin.post(f'/data/services/archive?src={uri}')
    assert answer.status == 200
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    assert admin.get(f'{session}/scans/1-MR2/resources/DICOM/files/a').body == first


def test_a_later_clash_renames_the_first_scan(admin: Client, P: str) -> None:
    def gradual(body: bytes) -> Answer:
        return send(admin, body, project=P, import_handler='gradual-DICOM')

    first, second = (
        changed(STUDY['MR1/5641'], SeriesInstanceUID=f'1.2.{n}', SOPInstanceUID=f'1.3.{n}')
        for n in (1, 2)
    )
    uri = gradual(first).text.strip()
    assert waiting(admin, P)[0]['status'] == 'RECEIVING'
    assert gradual(second).text.strip() == uri
    assert admin.post(f'{uri}?action=build').status == 200
    assert sorted(row['ID'] for row in admin.get(f'{uri}/scans').rows) == ['1-MR1', '1-MR2']
    assert admin.get(f'{uri}/scans/1-MR1/resources/DICOM/files/1.3.1.dcm').body == first


def test_gradual_imports_fill_one_session(admin: Client, P: str) -> None:
    uris = {
        send(admin, body, project=P, import_handler='gradual-DICOM').text
        for body in members().values()
    }
    assert len(uris) == 1
    (row,) = waiting(admin, P)
    assert row['status'] == 'RECEIVING'
    again = send(
        admin,
        content(STUDY['MR1/5641']),
        project=P,
        import_handler='gradual-DICOM',
        action='commit',
        AA='true',
    )
    assert again.text == f'/data/archive/projects/{P}/subjects/Doe_Peter/experiments/98890234\r\n'
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    assert [row['file_count'] for row in admin.get(f'{session}/resources?all=true').rows] == [
        '1',
        '3',
        '2',
    ]


def test_from_the_cache_of_the_user(admin: Client, P: str) -> None:
    admin.ok('PUT', '/data/user/cache/resources/UP/files/x.zip?inbody=true', zipped(members()))
    src = '/user/cache/resources/UP/files/x.zip'
    assert admin.post(f'{IMPORT}?src={src}&project={P}').text.startswith(
        f'/data/prearchive/projects/{P}/'
    )
    form = f'src={src}&dest=/archive/projects/{P}'.encode()
    assert (
        admin('POST', IMPORT, form, {'Content-Type': 'application/x-www-form-urlencoded'}).status
        == 200
    )
    assert (
        admin.post(f'{IMPORT}?src=/user/cache/resources/UP/files/y.zip&project={P}').status == 404
    )
    assert admin.post(f'{IMPORT}?src=/archive/projects/{P}&project={P}').status == 400
    assert (
        admin.post(f'{IMPORT}?src=/user/cache/resources/UP/files/../../x&project={P}').status == 400
    )


def test_6_2_refusals(admin: Client, client_of: Callable[..., Client], P: str) -> None:
    body = zipped(members())
    assert admin.get(IMPORT).status == 405
    assert send(admin, body, project=P, import_handler='XYZ').status == 404
    assert admin.post(f'{IMPORT}?project={P}').status == 400
    assert 'Unable to identify upload format.' in admin.post(f'{IMPORT}?project={P}').text
    two, headers = multipart(('a.zip', body), ('b.zip', body))
    assert admin('POST', f'{IMPORT}?project={P}', two, headers).status == 400
    assert send(admin, body, dest='/nowhere').status == 400
    assert send(admin, body, dest=f'/prearchive/projects/{P}/../x').status == 400
    assert send(admin, body, project='NOSUCH').status == 404
    for login in ('outsider', 'collaborator'):
        assert send(client_of(login), body, project=P).status == 403
        assert send(client_of(login), body, dest=f'/archive/projects/{P}').status == 403
    assert waiting(admin, P) == []


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        (b'not dicom', 400),
        (zipped({'README': b'text', 'x.txt': b'more'}), 400),
        (zipped({'../../up.dcm': content('MR_small.dcm')}), 400),
        (zipped({'/abs.dcm': content('MR_small.dcm')}), 400),
        (content('MR_small.dcm')[:140], 400),
    ],
    ids=['text', 'no dicom', 'climbing', 'absolute', 'cut in the header'],
)
def test_hostile_uploads_leave_nothing(
    admin: Client, P: str, folder: Path, body: bytes, status: int
) -> None:
    for handler in ('SI', 'DICOM-zip'):
        answer = send(admin, body, project=P, import_handler=handler)
        assert answer.status == status, answer.text
    assert list((folder / 'staging').iterdir()) == []
    assert waiting(admin, P) == []


def test_6_2_a_zip_that_cannot_be_read(admin: Client, P: str, folder: Path) -> None:
    body, headers = multipart(('x.zip', zipped(members())[:-40]))
    assert admin('POST', f'{IMPORT}?project={P}', body, headers).status == 500
    assert (
        admin('POST', f'{IMPORT}?project={P}&import-handler=DICOM-zip', body, headers).status == 400
    )
    for broken in (zipped(members())[:5000], b'PK\x03\x04 a broken zip'):
        assert [
            send(admin, broken, project=P, import_handler=handler).status
            for handler in ('SI', 'DICOM-zip')
        ] == [500, 400]
    assert list((folder / 'staging').iterdir()) == []


def test_a_zip_that_unpacks_to_too_much(
    admin: Client, P: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('pyxnat.server.items.unpacking.FREE_BYTES', 2**20)
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr('a.dcm', content('MR_small.dcm') + bytes(2**26))
    for handler in ('SI', 'DICOM-zip'):
        assert send(admin, target.getvalue(), project=P, import_handler=handler).status == 413
    assert list((folder / 'staging').iterdir()) == [] and waiting(admin, P) == []


def test_files_that_are_not_dicom_are_skipped_or_refused(admin: Client, P: str) -> None:
    mixed = zipped({**members(), 'README': b'text', 'DICOMDIR': content('dicomdirtests/DICOMDIR')})
    assert send(admin, mixed, project=P, import_handler='DICOM-zip', action='commit').status == 400
    assert (
        send(
            admin,
            mixed,
            project=P,
            import_handler='DICOM-zip',
            action='commit',
            **{'Ignore-Unparsable': 'true'},
        ).status
        == 200
    )
    assert send(admin, mixed, project=P, session='E').status == 200
    counts = [admin.get(f'/data{row["url"]}/resources').rows for row in waiting(admin, P)]
    assert [[one['file_count'] for one in rows] for rows in counts] == [
        ['1', '3', '2'],
        ['1', '3', '2'],
    ]


def test_names_that_clash_keep_both_files(admin: Client, P: str) -> None:
    other = changed(STUDY['MR2/6605'], SOPInstanceUID='1.2.3.4')
    body = zipped(
        {
            'a/im': content(STUDY['MR2/6605']),
            'b/im': other,
            'c/IM': content(STUDY['MR2/6935']),
            'd/im': content(STUDY['MR2/6605']),
        }
    )
    assert send(admin, body, project=P).status == 200
    uri = waiting(admin, P)[0]['url']
    files = {
        row['Name']: row['URI']
        for row in admin.get(f'/data{uri}/scans/2/resources/DICOM/files').rows
    }
    assert len(files) == 3 and {'im', '1.2.3.4.dcm'} < set(files)
    assert admin.get(files['1.2.3.4.dcm']).body == other
    assert admin.get(files['im']).body == content(STUDY['MR2/6605'])


def test_unusual_names_are_kept(admin: Client, P: str) -> None:
    names = ['.hidden', 'a b c?.dcm', 'x' * 240, 'ünï.dcm', 'con', 'back\\slash', 'line\nbreak']
    kept = [name for name in names if name.isprintable() and '\\' not in name]
    body = {
        name: changed(STUDY['MR2/6605'], SOPInstanceUID=f'1.2.3.{n}')
        for n, name in enumerate(names)
    }
    answer = send(
        admin,
        zipped({name: body[name] for name in kept}),
        dest=f'/archive/projects/{P}',
    )
    assert answer.status == 200
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    rows = admin.get(f'{session}/scans/2/resources/DICOM/files').rows
    assert len(rows) == 5
    assert {admin.get(quote(row['URI'])).body for row in rows} == {body[name] for name in kept}
    for name in set(names) - set(kept):
        answer = send(admin, zipped({name: body[name]}), dest=f'/archive/projects/{P}')
        assert answer.status == 400


@pytest.mark.parametrize(
    'name',
    [
        'image_dfl.dcm',
        'MR_truncated.dcm',
        'rtplan_truncated.dcm',
        'badVR.dcm',
        'ExplVR_BigEndNoMeta.dcm',
        'zipMR.gz',
    ],
)
def test_unusual_dicom_files_are_read_or_refused(admin: Client, P: str, name: str) -> None:
    """Deflated, truncated after the header, with values of wrong types, without meta information;
    and files that are not DICOM."""
    answer = send(admin, content(name), project=P, session='E', subject='S')
    assert answer.status == (400 if name == 'zipMR.gz' else 200)


TYPES = {
    'CT_small.dcm': ('xnat:ctSessionData', 'xnat:ctScanData'),
    'JPEG2000.dcm': ('xnat:nmSessionData', 'xnat:scScanData'),
    'waveform_ecg.dcm': ('xnat:ecgSessionData', 'xnat:ecgScanData'),
    'liver_1frame.dcm': ('xnat:otherDicomSessionData', 'xnat:segScanData'),
    'reportsi.dcm': ('xnat:srSessionData', 'xnat:srScanData'),
    'rtplan.dcm': ('xnat:rtSessionData', 'xnat:otherDicomScanData'),
    'examples_ybr_color.dcm': ('xnat:usSessionData', 'xnat:usScanData'),
    'dicomdirtests/77654033/CR1/6154': ('xnat:crSessionData', 'xnat:crScanData'),
}


@pytest.mark.parametrize('name', TYPES)
def test_types_follow_sop_classes(admin: Client, P: str, name: str) -> None:
    assert (
        send(admin, content(name), dest=f'/archive/projects/{P}/subjects/S/experiments/E').status
        == 200
    )
    (session,) = admin.get(f'/data/projects/{P}/experiments').rows
    (scan,) = admin.get(f'{session["URI"]}/scans').rows
    assert (session['xsiType'], scan['xsiType']) == TYPES[name]


def test_progress_is_reported(admin: Client, client_of: Callable[..., Client], P: str) -> None:
    """``http-session-listener=ID`` reports it at ``/data/status/ID``, to the login session that
    sent it."""
    assert admin.get('/data/status/none').text == 'StatusLog'
    key = admin.get('/data/JSESSION').text
    cookie = {'Cookie': f'JSESSIONID={key}'}
    answer = admin(
        'POST',
        f'{IMPORT}?inbody=true&project={P}&http-session-listener=one',
        zipped(members()),
        cookie,
    )
    found = json.loads(admin('GET', '/data/status/one?format=json', headers=cookie).body)['msgs'][0]
    assert found[-1] == {
        'status': 'COMPLETED',
        'msg': f'Prearchive:{answer.text.strip()}',
        'terminal': True,
    }
    assert found[0]['status'] == 'PROCESSING'
    assert 'COMPLETED' in admin('GET', '/data/status/one', headers=cookie).text
    assert json.loads(client_of('member').get('/data/status/one?format=json').body) == {
        'msgs': [[]]
    }
    admin(
        'POST', f'{IMPORT}?inbody=true&project={P}&http-session-listener=two', b'no dicom', cookie
    )
    assert (
        json.loads(admin('GET', '/data/status/two?format=json', headers=cookie).body)['msgs'][0][
            -1
        ]['status']
        == 'FAILED'
    )
    form = {**cookie, 'Content-Type': 'application/x-www-form-urlencoded'}
    assert admin('POST', '/data/status/two', b'status=WARNING&message=%3Cb%3E', form).status == 200
    assert admin('POST', '/data/status/two', b'status=WRONG&message=x', form).status == 400
    assert '&lt;b&gt;' in admin('GET', '/data/status/two?format=html', headers=cookie).text
    assert admin('DELETE', '/data/status/two', headers=cookie).status == 200
    assert admin('GET', '/data/status/two', headers=cookie).text == 'StatusLog'


def test_dicom_by_its_content_type(admin: Client, P: str) -> None:
    answer = admin(
        'POST',
        f'{IMPORT}?project={P}',
        content('MR_small.dcm'),
        {'Content-Type': 'application/dicom'},
    )
    assert answer.status == 200
    assert [row['status'] for row in waiting(admin, P)] == ['RECEIVING']


def test_the_prearchive_code_of_the_upload_page(admin: Client, P: str) -> None:
    for status, body in (
        (200, members()),
        (409, members()),
        (200, {'new': changed(STUDY['MR2/6605'], SOPInstanceUID='1.2.3.4')}),
    ):
        assert send(admin, zipped(body), project=P, prearchive_code='1').status == status
    admin.ok('PUT', f'/data/projects/{P}/prearchive_code/5')
    assert send(admin, zipped(members()), project=P, prearchive_code='1').status == 200
    assert send(admin, zipped(members()), project=P, prearchive_code='7').status == 400


def test_uploads_of_one_study_under_two_labels_are_separate(admin: Client, P: str) -> None:
    for label in ('E1', 'E2'):
        assert (
            send(
                admin,
                content(STUDY['MR1/5641']),
                project=P,
                session=label,
                import_handler='gradual-DICOM',
            ).status
            == 200
        )
    assert [row['name'] for row in waiting(admin, P)] == ['E1', 'E2']
    for _ in range(2):  # XNAT's PrearcDatabase finds a session by project, study and label
        answer = send(admin, content(STUDY['MR2/6605']), project=P, import_handler='gradual-DICOM')
        assert answer.status == 200
        assert [row['name'] for row in waiting(admin, P)] == ['E1', 'E2', '98890234']
    done = send(
        admin,
        zipped(members()),
        dest=f'/archive/projects/{P}/subjects/S/experiments/E2',
        import_handler='DICOM-zip',
    )
    assert done.text == f'/data/archive/projects/{P}/subjects/S/experiments/E2\r\n'
    assert [row['name'] for row in waiting(admin, P)] == ['E1', '98890234']
