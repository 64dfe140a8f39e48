"""Shared data (facts 2.3) and identifiers that are both an ID and a label (facts 2.2)."""

from __future__ import annotations

import pytest

from .conftest import Client, item_of

OWN, SECOND = '/data/projects/OWN', '/data/projects/SECOND'
S = f'{OWN}/subjects/S'
E = f'{S}/experiments/E'


@pytest.fixture(autouse=True, scope='module')
def ids(admin: Client) -> dict[str, str]:
    """OWN shares a subject, a session, an assessor and a scan into SECOND, whose member is no user of OWN; both are private."""
    admin.ok('PUT', f'{OWN}?accessibility=private')
    admin.ok('PUT', f'{SECOND}?accessibility=private')
    admin.ok('PUT', f'{SECOND}/users/member/member')
    admin.ok('PUT', f'{SECOND}/users/owner/owner')
    admin.ok('PUT', f'{SECOND}/users/collaborator/collaborator')
    found = {'S': admin.ok('PUT', S), 'E': admin.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')}
    found['E2'] = admin.ok('PUT', f'{S}/experiments/E2?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{E}/scans/1?xsiType=xnat:mrScanData&type=T1')
    admin.ok('PUT', f'{E}/scans/1/resources/R/files/f?inbody=true', b'shared')
    found['A'] = admin.ok('PUT', f'{E}/assessors/A?xsiType=xnat:qcManualAssessorData')
    found['HIDDEN'] = admin.ok('PUT', f'{E}/assessors/HIDDEN?xsiType=xnat:qcManualAssessorData')
    assert admin.put(f'{S}/projects/SECOND?label=S_IN_Q').body == b''
    assert admin.put(f'{E}/projects/SECOND?label=E_IN_Q').body == b''
    assert admin.put(f'{E}/assessors/A/projects/SECOND?label=A_IN_Q').body == b''
    return found


def test_2_3_1_and_2_3_6_the_table_of_projects(admin: Client) -> None:
    for path, own, there in ((S, 'S', 'S_IN_Q'), (E, 'E', 'E_IN_Q'), (f'{E}/assessors/A', 'A', 'A_IN_Q')):
        answer = admin.get(f'{path}/projects?format=csv')
        assert answer.header == ['label', 'ID', 'Secondary_ID', 'Name']
        assert [(row['label'], row['ID'], row['Name']) for row in answer.csv] == [(own, 'OWN', 'OWN'), (there, 'SECOND', 'SECOND')]


def test_2_3_2_refusals(admin: Client, client_of: object, outsider: Client, member: Client, collaborator: Client) -> None:
    admin.ok('PUT', f'{SECOND}/subjects/TAKEN')
    admin.ok('PUT', f'{OWN}/subjects/OTHER')
    assert admin.put(f'{S}/projects/SECOND').status == 409  # shared already
    assert admin.put(f'{S}/projects/OWN').status == 409
    assert admin.put(f'{OWN}/subjects/OTHER/projects/SECOND?label=TAKEN').status == 409
    assert admin.put(f'{OWN}/subjects/OTHER/projects/SECOND?label=S_IN_Q').status == 409
    assert admin.put(f'{OWN}/subjects/OTHER/projects/SECOND?label=a%20b').status == 417
    assert admin.put(f'{OWN}/subjects/OTHER/projects/NOWHERE').status == 404
    assert admin.put(f'{OWN}/subjects/NOBODY/projects/SECOND').status == 404
    admin.ok('PUT', f'{OWN}/users/collaborator/collaborator')
    assert collaborator.put(f'{OWN}/subjects/OTHER/projects/SECOND').status == 403  # no create right there
    admin.ok('DELETE', f'{OWN}/users/collaborator/collaborator')
    assert outsider.put(f'{OWN}/subjects/OTHER/projects/SECOND').status in (403, 404)
    assert member.put(f'{OWN}/subjects/OTHER/projects/SECOND').status in (403, 404)


def test_2_3_5_unsharing_leaves_the_data(admin: Client, collaborator: Client) -> None:
    for name in ('U1', 'U2'):
        admin.ok('PUT', f'{OWN}/subjects/{name}')
        admin.ok('PUT', f'{OWN}/subjects/{name}/projects/SECOND')
    assert collaborator.delete(f'{SECOND}/subjects/U1').status == 403
    assert admin.delete(f'{SECOND}/subjects/U1').status == 200  # through the other project's route
    assert admin.delete(f'{OWN}/subjects/U2/projects/SECOND').status == 200
    assert admin.delete(f'{OWN}/subjects/U2/projects/SECOND').status == 404
    for name in ('U1', 'U2'):
        assert admin.get(f'{OWN}/subjects/{name}?format=json').status == 200
        assert admin.get(f'{SECOND}/subjects/{name}?format=json').status == 404


def test_2_3_7_a_scan(admin: Client, member: Client) -> None:
    base = f'{S}/experiments/E2'
    admin.ok('PUT', f'{base}/scans/7?xsiType=xnat:mrScanData')
    assert admin.get(f'{SECOND}/experiments/E2?format=json').status == 404
    assert admin.put(f'{base}/scans/7/projects/SECOND').status == 200
    assert [row['ID'] for row in admin.get(f'{base}/projects').rows] == ['OWN', 'SECOND']  # the session with it
    assert admin.put(f'{base}/scans/7/projects/SECOND').status == 409
    assert [row['ID'] for row in admin.get(f'{base}/scans/7/projects').rows] == ['OWN', 'SECOND']
    assert member.get(f'{SECOND}/subjects/S_IN_Q/experiments/E2/scans/7?format=json').status == 200
    assert admin.delete(f'{base}/scans/7/projects/SECOND').status == 200
    assert admin.delete(f'{base}/projects/SECOND').status == 200


def test_2_3_8_the_subject_listing_tells_the_owner(member: Client, ids: dict[str, str]) -> None:
    row = next(row for row in member.get(f'{SECOND}/subjects').rows if row['ID'] == ids['S'])
    assert (row['label'], row['project'], row['URI']) == ('S_IN_Q', 'OWN', f'/data/subjects/{ids["S"]}')
    rows = member.get('/data/subjects').rows
    assert [row['label'] for row in rows if row['ID'] == ids['S']] == ['S']


@pytest.mark.parametrize('scope', ['', '/subjects/S_IN_Q'])
def test_2_3_9_the_experiment_listing_tells_the_second_project(member: Client, ids: dict[str, str], scope: str) -> None:
    rows = member.get(f'{SECOND}{scope}/experiments?columns=ID,label,subject_label,project,subject_ID').rows
    assert [(row['ID'], row['label'], row['subject_label'], row['project'], row['subject_ID']) for row in rows] == [
        (ids['E'], 'E_IN_Q', 'S_IN_Q', 'SECOND', ids['S'])
    ]
    rows = member.get(f'{SECOND}{scope}/experiments').rows
    assert [(row['label'], row['project']) for row in rows] == [('E_IN_Q', 'SECOND')]
    assert [row['label'] for row in member.get(f'{SECOND}/experiments?label=E_IN_Q').rows] == ['E_IN_Q']
    assert member.get(f'{SECOND}/experiments?label=E').rows == []


def test_2_3_9_assessors(member: Client, admin: Client, ids: dict[str, str]) -> None:
    path = f'{SECOND}/subjects/S_IN_Q/experiments/E_IN_Q/assessors'
    assert [(row['ID'], row['label'], row['project']) for row in member.get(path).rows] == [(ids['A'], 'A_IN_Q', 'SECOND')]
    assert [row['label'] for row in admin.get(f'{E}/assessors').rows] == ['A', 'HIDDEN']
    assert member.get(f'{path}/A_IN_Q?format=json').status == 200
    assert member.get(f'{path}/HIDDEN?format=json').status == 404
    assert member.get(f'/data/experiments/{ids["HIDDEN"]}?format=json').status == 404


def test_2_3_10_refusals_of_the_listing(outsider: Client, admin: Client) -> None:
    assert outsider.get(f'{SECOND}/experiments').status in (403, 404)
    assert admin.get('/data/projects/NOWHERE/experiments').status == 404
    admin.ok('PUT', '/data/projects/PROT?accessibility=protected')
    assert outsider.get('/data/projects/PROT/experiments').status == 403


def test_2_3_visibility_of_what_is_shared(member: Client, outsider: Client, ids: dict[str, str]) -> None:
    there = f'{SECOND}/subjects/S_IN_Q/experiments/E_IN_Q'
    for path in (f'{SECOND}/subjects/S_IN_Q', there, f'/data/experiments/{ids["E"]}', f'/data/subjects/{ids["S"]}', f'{there}/scans/1'):
        assert member.get(f'{path}?format=json').status == 200, path
        assert outsider.get(f'{path}?format=json').status in (403, 404), path
    assert member.get(f'{there}/scans/1/resources/R/files/f').body == b'shared'
    assert member.get(f'{SECOND}/subjects/S_IN_Q/experiments/E2?format=json').status == 404  # not shared
    assert member.get(f'{E}?format=json').status in (403, 404)  # through a project that he may not see
    children = item_of(member, f'{SECOND}/subjects/S_IN_Q')['children']
    experiments = next(child for child in children if child['field'] == 'experiments/experiment')['items']
    assert [one['data_fields']['ID'] for one in experiments] == [ids['E']]


@pytest.mark.parametrize(('method', 'path'), [('PUT', '?group=x'), ('PUT', '?label=NEW'), ('PUT', '/resources/R2'), ('DELETE', '/resources/R')])
def test_1_7_a_reader_by_share_changes_nothing(member: Client, method: str, path: str) -> None:
    assert member(method, f'{SECOND}/subjects/S_IN_Q{path}').status in (403, 404, 409)


def test_2_3_3_moving(admin: Client, member: Client) -> None:
    admin.ok('PUT', f'{OWN}/subjects/M/experiments/ME?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{OWN}/subjects/M/experiments/ME/resources/R/files/f?inbody=true', b'moved')
    admin.ok('PUT', f'{OWN}/subjects/M/projects/SECOND?label=M2')
    assert member.put(f'{SECOND}/subjects/M2/projects/SECOND?primary=true').status in (403, 409)  # no delete right in the old project
    assert admin.put(f'{OWN}/subjects/M/projects/SECOND?primary=true').status == 200
    assert admin.get(f'{OWN}/subjects/M?format=json').status == 404
    assert item_of(admin, f'{SECOND}/subjects/M2')['data_fields']['project'] == 'SECOND'
    assert member.get(f'{SECOND}/subjects/M2/experiments/ME/resources/R/files/f').body == b'moved'
    assert admin.get('/data/projects/OWN/experiments/ME?format=json').status == 404


def test_2_3_3_moving_a_session(admin: Client) -> None:
    admin.ok('PUT', f'{OWN}/subjects/MS/experiments/MSE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{OWN}/subjects/MS/projects/SECOND')
    assert admin.put(f'{OWN}/subjects/MS/experiments/MSE/projects/SECOND?primary=true&label=NEWNAME').status == 200
    assert admin.get(f'{OWN}/experiments/MSE?format=json').status == 404
    assert item_of(admin, f'{SECOND}/subjects/MS/experiments/NEWNAME')['data_fields']['project'] == 'SECOND'


def test_2_2_2_a_label_that_is_another_ones_id(admin: Client) -> None:
    base = '/data/projects/AMB/subjects'
    admin.ok('PUT', '/data/projects/AMB')
    first = admin.ok('PUT', f'{base}/first?group=first')
    second = admin.ok('PUT', f'{base}/second?group=second')
    assert admin.put(f'{base}/second?label={first}').status == 200
    assert item_of(admin, f'{base}/{first}')['data_fields']['ID'] == first  # GET: the ID first
    assert admin.ok('PUT', f'{base}/{first}?src=put') == second  # PUT: the label first
    assert item_of(admin, f'/data/subjects/{second}')['data_fields']['src'] == 'put'
    assert admin.post(f'{base}?label={second}').status == 200  # by POST also
    assert admin.delete(f'{base}/{first}').status == 200  # DELETE: the ID first
    assert admin.get(f'/data/subjects/{first}?format=json').status == 404
    assert item_of(admin, f'{base}/{first}')['data_fields']['ID'] == second


def test_2_2_2_experiments(admin: Client) -> None:
    base = '/data/projects/AMB/subjects/E/experiments'
    first = admin.ok('PUT', f'{base}/first?xsiType=xnat:mrSessionData')
    second = admin.ok('PUT', f'{base}/second?xsiType=xnat:mrSessionData')
    assert admin.put(f'{base}/second?label={first}').status == 200
    for path in (f'{base}/{first}', f'/data/projects/AMB/experiments/{first}'):
        assert item_of(admin, path)['data_fields']['ID'] == first
        assert admin.ok('PUT', f'{path}?note=put') == second
    assert admin.delete(f'{base}/{first}').status == 200
    assert item_of(admin, f'{base}/{first}')['data_fields']['ID'] == second


def test_2_2_3_no_labels_at_the_root(admin: Client, ids: dict[str, str]) -> None:
    assert admin.get('/data/subjects/S?format=json').status == 404
    assert admin.get('/data/experiments/E?format=json').status == 404
    assert admin.get(f'/data/experiments/{ids["E"]}?format=json').status == 200


def test_2_8_3_moving_to_another_subject(admin: Client) -> None:
    base = '/data/projects/AMB/subjects'
    owner = admin.ok('PUT', f'{base}/TO')
    admin.ok('PUT', f'{base}/FROM/experiments/WANDERER?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{base}/FROM/experiments/WANDERER/resources/R/files/f?inbody=true', b'kept')
    admin.ok('PUT', f'{base}/FROM/experiments/WANDERER?subject_ID={owner}')
    assert admin.get(f'{base}/FROM/experiments/WANDERER?format=json').status == 404
    assert admin.get(f'{base}/TO/experiments/WANDERER/resources/R/files/f').body == b'kept'
    assert admin.put(f'{base}/TO/experiments/WANDERER?subject_ID=NOBODY').status == 404


def test_sharing_by_a_field(admin: Client, collaborator: Client) -> None:
    query = 'xnat:subjectData/sharing/share/project=SECOND&xnat:subjectData/sharing/share/label=BYFIELD'
    for _ in range(2):
        admin.ok('PUT', f'{OWN}/subjects/FIELD?{query}')
    assert [row['label'] for row in admin.get(f'{OWN}/subjects/FIELD/projects').rows] == ['FIELD', 'BYFIELD']
    assert admin.put(f'{OWN}/subjects/FIELD?xnat:subjectData/sharing/share/project=NOWHERE').status == 404
