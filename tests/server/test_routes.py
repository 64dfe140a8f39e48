"""Routes and default columns, copied by hand from what XNAT answers, so that a wrong table of levels shows here."""

from __future__ import annotations

import json

import pytest

from .conftest import Client

E = '/projects/P/subjects/S1/experiments/M1'
COLUMNS = {
    '/projects': 'ID,secondary_ID,name,description,pi_firstname,pi_lastname,URI',
    '/projects/P/subjects': 'ID,project,label,insert_date,insert_user,URI',
    '/subjects': 'ID,project,label,insert_date,insert_user,URI',
    '/projects/P/experiments': 'xnat:subjectassessordata/id,ID,project,date,xsiType,label,insert_date,URI',
    '/projects/P/subjects/S1/experiments': 'xnat:subjectassessordata/id,ID,project,date,xsiType,label,insert_date,URI',
    '/experiments': 'ID,project,date,xsiType,label,insert_date,URI',
    E + '/scans': 'xnat_imagescandata_id,ID,type,quality,xsiType,note,series_description,URI',
    E + '/reconstructions': 'xnat_reconstructedimagedata_id,ID,type,baseScanType,URI',
    E + '/assessors': 'xnat:imageassessordata/id,ID,project,label,date,xsiType,insert_date,session_ID,session_label,URI',
    E + '/scans/1/resources': 'xnat_abstractresource_id,label,element_name,category,cat_id,cat_desc,file_count,file_size,tags,content,format',
    E + '/scans/1/resources/DATA/files': 'Name,Size,URI,collection,file_tags,file_format,file_content,cat_ID,digest',
    E + '/scans/1/files': 'Name,Size,URI,collection,file_tags,file_format,file_content,cat_ID,digest',
    E + '/projects': 'label,ID,Secondary_ID,Name',
    '/users': 'xdat_user_id,login,firstname,lastname,email',
    '/projects/P/users': 'GROUP_ID,displayname,login,firstname,lastname,email',
    '/search/elements': 'ELEMENT_NAME,SINGULAR,PLURAL,SECURED,COUNT',
    '/search/elements/xnat:mrSessionData': 'FIELD_ID,HEADER,SUMMARY,TYPE,REQUIRES_VALUE,DESC,ELEMENT_NAME,SRC',
}
HOLDERS = ['/projects/P', '/projects/P/subjects/S1', '/projects/P/experiments/M1', E, E + '/scans/1', E + '/reconstructions/R1', E + '/assessors/A1']


@pytest.mark.parametrize('path', list(COLUMNS))
def test_2_6_default_columns(admin: Client, filled: dict[str, str], path: str) -> None:
    answer = admin.get(f'/data{path}?format=csv')
    assert answer.status == 200, answer.body
    assert answer.header == COLUMNS[path].split(',')
    rows = admin.get(f'/data{path}?format=json').rows
    assert not rows or set(rows[0]) == set(COLUMNS[path].split(','))
    assert all(isinstance(value, str) for row in rows for value in row.values())


@pytest.mark.parametrize('base', ['/data', '/data/archive', '/REST', '/REST/archive'])
@pytest.mark.parametrize('path', ['/projects', '/projects/P/subjects/S1/experiments', E + '/scans/1/resources/DATA/files'])
def test_1_1_every_base_answers_alike(admin: Client, filled: dict[str, str], base: str, path: str) -> None:
    assert admin.get(base + path + '?format=csv').body == admin.get('/data' + path + '?format=csv').body
    assert '/data/' in admin.get(base + path + '?format=csv').text


@pytest.mark.parametrize('holder', HOLDERS)
def test_2_1_resources_of_every_holder(admin: Client, filled: dict[str, str], holder: str) -> None:
    assert admin.put(f'/data{holder}/resources/X{HOLDERS.index(holder)}').status == 200
    assert f'X{HOLDERS.index(holder)}' in [row['label'] for row in admin.get(f'/data{holder}/resources?format=json').rows]
    expected = 'items' if holder == '/projects/P/experiments/M1' else 'ResultSet'
    assert expected in json.loads(admin.get(f'/data{holder}/files?format=json').body)


@pytest.mark.parametrize('side', ['in', 'out'])
@pytest.mark.parametrize('holder', [E + '/assessors/A1', E + '/reconstructions/R1'])
def test_2_1_in_and_out(admin: Client, filled: dict[str, str], holder: str, side: str) -> None:
    path = f'/data{holder}/{side}/resources/SIDE'
    assert admin.put(path).status == 200
    assert admin.put(f'{path}/files/f.txt?inbody=true', b'x').status == 200
    assert [row['Name'] for row in admin.get(f'{path}/files').rows] == ['f.txt']
    assert 'f.txt' in [row['Name'] for row in admin.get(f'/data{holder}/{side}/files').rows]
    assert 'SIDE' not in [row['label'] for row in admin.get(f'/data{holder}/resources').rows]


def test_2_1_2_an_unknown_sub_path_answers_the_experiment(admin: Client, filled: dict[str, str]) -> None:
    found = json.loads(admin.get('/data/projects/P/experiments/M1/scans?format=json').body)
    assert found['items'][0]['data_fields']['ID'] == filled['M1']
    assert admin.get(f'/data/subjects/{filled["S1"]}/experiments?format=json').status == 200
    assert admin.get('/data/projects/P/nothing?format=json').status == 400


def test_2_2_identifiers(admin: Client, filled: dict[str, str]) -> None:
    assert admin.get(f'/data/experiments/{filled["M1"]}?format=json').status == 200
    assert admin.get('/data/experiments/M1?format=json').status == 404
    assert admin.get(f'/data/projects/P/subjects/{filled["S1"]}/experiments/{filled["M1"]}?format=json').status == 200
    assert admin.get('/data/subjects/S1?format=json').status == 404
    assert admin.get(f'/data/experiments/{filled["A1"]}?format=json').status == 200


@pytest.mark.parametrize(
    ('method', 'path'),
    [('PUT', '/projects'), ('DELETE', '/projects'), ('POST', '/projects/P'), ('POST', '/experiments'), ('GET', '/search'), ('PUT', '/users')],
)
def test_7_12_405(admin: Client, filled: dict[str, str], method: str, path: str) -> None:
    answer = admin(method, '/data' + path)
    assert answer.status == 405
    assert 'Allow' in answer.headers


@pytest.mark.parametrize('path', ['/nothing', '/data', '/data/nothing', '/data/version'])
def test_7_12_404_and_the_page(admin: Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status == 404
    assert answer.headers['Content-Type'].startswith('text/html')
    assert '<h3>' in answer.text


def test_2_9_ids(filled: dict[str, str]) -> None:
    assert filled['S1'] == 'XNAT_S00001'
    assert filled['M1'] == 'XNAT_E00001'


def test_columns_of_one_type(admin: Client, filled: dict[str, str]) -> None:
    header = admin.get('/data/projects/P/experiments?xsiType=xnat:mrSessionData&format=csv').header
    assert header[0] == 'xnat:mrsessiondata/id'
    assert header[-3:] == ['subject_ID', 'subject_label', 'URI']
    found = admin.get('/data/experiments?xsiType=xnat:qcManualAssessorData&format=csv')
    assert found.header[-3:] == ['session_ID', 'session_label', 'URI']
    assert found.csv[0]['session_label'] == 'M1'


def test_2_6_asked_columns(admin: Client, filled: dict[str, str]) -> None:
    path = '/data/projects/P/subjects?format=csv&columns=label,gender,xnat:subjectData/demographics/handedness,nonsense'
    answer = admin.get(path)
    assert answer.header == ['label', 'gender', 'xnat:subjectdata/demographics/handedness', 'ID', 'URI']
    assert answer.csv[0]['gender'] == 'female'
    answer = admin.get('/data/projects/P/experiments?format=csv&columns=label,xnat:mrSessionData/scans/scan/ID,subject_label,insert_user')
    assert [(row['label'], row['xnat:mrsessiondata/scans/scan/id']) for row in answer.csv] == [('M1', '1'), ('M1', '2'), ('M2', ''), ('T1', '')]
    assert {row['subject_label'] for row in answer.csv} == {'S1', 'S2'}


FILTERS = [
    ('/projects/P/subjects?gender=female', ['S1']),
    ('/projects/P/subjects?gender=female,male', ['S1', 'S2']),
    ('/projects/P/subjects?label=s*', ['S1', 'S2']),
    ('/projects/P/subjects?age=80-90', ['S1']),
    ('/projects/P/experiments?date=01/31/2020', ['M1']),
    ('/projects/P/experiments?date=1/1/2021-12/31/2023', ['M2', 'T1']),
    ('/projects/P/experiments?xnat:mrSessionData/fieldStrength=3.0', ['M2']),
    ('/projects/P/experiments?xsiType=xnat:petSessionData', ['T1']),
    ('/projects/P/experiments?xsiType=xnat:imageSessionData', ['M1', 'M2', 'T1']),
    ('/projects/P/subjects/S1/experiments?label=M2', ['M2']),
    ('/experiments?project=P&xsiType=xnat:imageSessionData&limit=2', ['M1', 'M2']),
    ('/experiments?project=P&xsiType=xnat:imageSessionData&limit=*&offset=1', ['M2', 'T1']),
    ('/projects/P/experiments?sortBy=date&sortOrder=DESC', ['M2', 'T1', 'M1']),
    ('/projects/P/experiments?nonsense=1', ['M1', 'M2', 'T1']),
]


@pytest.mark.parametrize(('path', 'labels'), FILTERS)
def test_2_4_1_filters(admin: Client, filled: dict[str, str], path: str, labels: list[str]) -> None:
    answer = admin.get('/data' + path)
    assert answer.status == 200, answer.body
    assert [row['label'] for row in answer.rows] == labels


def test_2_7_formats(admin: Client, filled: dict[str, str]) -> None:
    admin.ok('PUT', '/data/projects/W?description=' + 'a,%22b%22%0Ac')
    found = json.loads(admin.get('/data/projects').body)['ResultSet']
    assert found['totalRecords'] == str(len(found['Result']))
    line = next(line for line in admin.get('/data/projects?format=csv').text.splitlines() if line.startswith('W,'))
    assert line == 'W,W,W,"a,""b"" c",,,/data/projects/W'
    assert admin.get('/data/projects?format=xml').text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<ResultSet totalRecords=')
    assert 'x_rs_t' in admin.get('/data/projects', Accept='text/html').text
    assert admin.get('/data/projects?format=csv').headers['Content-Type'].startswith('text/csv')
    assert admin.get('/data/projects?format=zip').status == 400
    assert admin.get('/data/projects?sortBy=nothing').status == 422


def test_7_nothing_but_files_can_be_cached(admin: Client, filled: dict[str, str]) -> None:
    for path in ('/data/projects', '/data/projects/P?format=xml', '/data/JSESSION'):
        headers = admin.get(path).headers
        assert not {'Last-Modified', 'ETag', 'Cache-Control', 'Expires'} & set(headers)


def test_head(admin: Client, filled: dict[str, str]) -> None:
    answer = admin('HEAD', '/data/projects')
    assert (answer.status, answer.body) == (200, b'')
    assert admin.get('/data/projects').status == 200
