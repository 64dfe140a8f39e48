"""Tests of creating, reading, changing, sharing and deleting items."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from pyxnat.server import serve

from .conftest import Client

NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'xsi': 'http://www.w3.org/2001/XMLSchema-instance'}


@pytest.fixture(autouse=True)
def projects(admin: Client) -> None:
    admin.put('/data/projects/I')
    admin.put('/data/projects/J')


def fields(client: Client, path: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(client.get(path + '?format=json').body)['items'][0][
        'data_fields'
    ]
    return found


def test_fields_are_set_read_and_cleared(admin: Client) -> None:
    path = '/data/projects/I/subjects/F'
    admin.ok(
        'PUT',
        f'{path}?gender=female&yob=1980&xnat:subjectData/'
        'demographics%5B@xsi:type%3Dxnat:demographicData%5D/handedness=left',
    )
    admin.ok(
        'PUT',
        f'{path}?xnat:subjectData/fields/field%5Bname%3DScore%5D/field=7&src=here&nonsense=1&'
        'xnat:mrSessionData/coil=x',
    )
    row = admin.get('/data/projects/I/subjects?label=F&columns=gender,yob,handedness,src').rows[0]
    assert (row['gender'], row['yob'], row['handedness'], row['src']) == (
        'female',
        '1980',
        'left',
        'here',
    )
    assert (
        admin.get(
            '/data/projects/I/subjects?label=F&columns=xnat:subjectData/fields/'
            'field%5Bname%3Dscore%5D/field'
        ).csv
        is not None
    )
    children = json.loads(admin.get(path + '?format=json').body)['items'][0]['children']
    assert {child['field'] for child in children} == {'demographics', 'fields/field'}
    assert (
        next(child for child in children if child['field'] == 'fields/field')['items'][0][
            'data_fields'
        ].items()
        >= {'field': '7', 'name': 'Score'}.items()
    )
    admin.ok('PUT', path + '?src=')
    assert fields(admin, path)['src'] == 'here'
    admin.ok('PUT', path + '?src=NULL')
    assert 'src' not in fields(admin, path)


@pytest.mark.parametrize(
    ('setting', 'read'),
    [
        ('date=2020-02-30', '2020-03-01'),
        ('date=31.01.2020', '2022-07-01'),
        ('date=2020', None),
        ('date=02/01/2020', '2020-02-01'),
        ('date=20200201', '2020-02-01'),
        ('time=25:00:00', None),
        ('time=08:52:11', '08:52:11'),
        ('xnat:mrSessionData/age=forty', None),
        ('xnat:mrSessionData/age=42', 42.0),
        ('note=' + 'n' * 2501, None),
        ('scanner=' + 'n' * 256, None),
        ('pi_firstname=' + 'n' * 26, None),
    ],
)
def test_8_3_values(admin: Client, setting: str, read: object) -> None:
    admin.put('/data/projects/I/subjects/V/experiments/V?xsiType=xnat:mrSessionData')
    answer = admin.put(f'/data/projects/I/subjects/V/experiments/V?{setting}')
    assert answer.status == (400 if read is None else 200), answer.body
    if read is not None:
        name = setting.partition('=')[0].rpartition('/')[2]
        assert fields(admin, '/data/projects/I/experiments/V')[name] == read


def test_2_11_2_an_element_with_a_type_is_a_child(admin: Client) -> None:
    admin.ok(
        'PUT',
        '/data/projects/PI1?xnat:projectData/PI/lastname=Curie&xnat:projectData/PI/firstname=Marie',
    )
    found = json.loads(admin.get('/data/projects/PI1?format=json').body)['items'][0]
    (child,) = found['children']
    assert (
        child['field'] == 'PI'
        and {'lastname': 'Curie', 'firstname': 'Marie'}.items()
        <= child['items'][0]['data_fields'].items()
    )
    assert child['items'][0]['meta']['xsi:type'] == 'xnat:investigatorData' and not any(
        'PI' in name for name in found['data_fields']
    )


def test_the_site_wide_listing_has_the_short_name_of_the_subject_column(
    admin: Client, filled: dict[str, str]
) -> None:
    """yaxil requests the full path and reads the short name."""
    (row,) = admin.get(
        '/data/experiments?columns=ID,xnat:subjectassessordata/subject_id,subject_label&label=M1&'
        'project=P'
    ).rows
    assert (row['subject_ID'], row['subject_label']) == (filled['S1'], 'S1')


def test_the_xml_declaration_is_that_of_java(admin: Client, filled: dict[str, str]) -> None:
    """A client recognizes a catalogue by its first bytes."""
    assert admin.get(f'/data/experiments/{filled["M1"]}?format=xml').body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<'
    )
    admin.ok('PUT', f'/data/experiments/{filled["M1"]}/resources/CAT')
    catalogue = admin.get(f'/data/experiments/{filled["M1"]}/resources/CAT?format=json').body
    assert catalogue.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog')


def test_2_11_xml_and_its_round_trip(admin: Client) -> None:
    path = '/data/projects/I/subjects/X1'
    admin.ok(
        'PUT', f'{path}?gender=male&age=40&xnat:subjectData/fields/field%5Bname%3Da%5D/field=b'
    )
    admin.ok('PUT', f'{path}/experiments/X1?xsiType=xnat:mrSessionData&date=2020-01-01')
    admin.ok(
        'PUT',
        f'{path}/experiments/X1/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/parameters/'
        'voxelRes/x=1&note=a%26b',
    )
    answer = admin.get(path + '?format=xml')
    assert answer.headers['Content-Type'].startswith('text/xml')
    root = etree.fromstring(answer.body)
    assert root.tag == '{http://nrg.wustl.edu/xnat}Subject'
    assert list(root.attrib)[:3] == ['ID', 'project', 'label']
    assert root.findtext('.//xnat:demographics/xnat:gender', namespaces=NS) == 'male'
    scan = root.find('.//xnat:scan', NS)
    assert scan is not None and scan.get(f'{{{NS["xsi"]}}}type') == 'xnat:mrScanData'
    assert 'hidden_fields[xnat_imageScanData_id' in answer.text
    assert 'hidden_fields' not in admin.get(path + '?format=xml&concealHiddenFields=true').text
    assert admin.put(path, answer.body, **{'Content-Type': 'text/xml'}).status == 200
    assert admin.get(path + '?format=xml').body == answer.body
    changed = answer.body.replace(b'>male<', b'>female<').replace(b'<xnat:age>40</xnat:age>', b'')
    assert (
        admin.put(path + '?allowDataDeletion=true', changed, **{'Content-Type': 'text/xml'}).status
        == 200
    )
    again = etree.fromstring(admin.get(path + '?format=xml').body)
    assert again.findtext('.//xnat:gender', namespaces=NS) == 'female'
    assert again.find('.//xnat:demographics/xnat:age', NS) is None


def test_an_item_is_created_from_xml(admin: Client) -> None:
    body = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<xnat:date>2019-05-01</xnat:date><xnat:scanner '
        'manufacturer="M">Big</xnat:scanner><xnat:scans>'
        '<xnat:scan ID="4" type="T1" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality>'
        '<xnat:parameters><xnat:tr>2.5</xnat:tr><xnat:addParam '
        'name="p">v</xnat:addParam></xnat:parameters></xnat:scan>'
        '</xnat:scans></xnat:MRSession>'
    )
    assert (
        admin.put(
            '/data/projects/I/subjects/XC/experiments/XC', body, **{'Content-Type': 'text/xml'}
        ).status
        == 201
    )
    found = fields(admin, '/data/projects/I/experiments/XC')
    assert (found['date'], found['scanner'], found['scanner/manufacturer']) == (
        '2019-05-01',
        'Big',
        'M',
    )
    scan = json.loads(
        admin.get('/data/projects/I/subjects/XC/experiments/XC/scans/4?format=json').body
    )['items'][0]
    assert scan['data_fields']['parameters/tr'] == 2.5
    assert {'addField': 'v', 'name': 'p'}.items() <= scan['children'][0]['items'][0][
        'data_fields'
    ].items()


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        ('<a', 422),
        ('<a/>', 422),
        ('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', 422),
        ('<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"/>', 422),
    ],
)
def test_hostile_and_wrong_xml(admin: Client, body: str, status: int) -> None:
    answer = admin.put('/data/projects/I/subjects/Z9', body, **{'Content-Type': 'text/xml'})
    assert answer.status == status, answer.body
    assert 'Traceback' not in answer.text


@pytest.mark.parametrize('kept', [0, 1, 2])
def test_the_id_of_a_deleted_item_is_not_used_again(admin: Client, kept: int) -> None:
    """XNAT remembers the IDs that it generated; a program that kept one must not find another item
    by it."""

    def make(label: str) -> tuple[str, str]:
        subject = f'/data/projects/I/subjects/AGAIN{kept}{label}'
        return admin.ok('PUT', subject), admin.ok(
            'PUT', f'{subject}/experiments/AGAIN{kept}{label}?xsiType=xnat:mrSessionData'
        )

    made = [make(str(number)) for number in range(3)]
    for number in range(kept, 3):
        admin.ok('DELETE', f'/data/projects/I/subjects/AGAIN{kept}{number}')
    after = make('NEW')
    assert not {ident for pair in made for ident in pair} & set(after)


def test_a_deleted_item_leaves_no_files(admin: Client, server: object, folder: object) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/DF/experiments/DFE?xsiType=xnat:mrSessionData')
    admin.ok(
        'PUT',
        '/data/projects/I/subjects/DF/experiments/DFE/resources/R/files/deep/f?inbody=true',
        b'x',
    )
    path = folder / 'archive/I/arc001/DFE'  # type: ignore[operator]
    assert (path / 'RESOURCES/R/deep/f').is_file()
    admin.ok('DELETE', '/data/projects/I/subjects/DF')
    assert not path.exists()


@pytest.mark.parametrize(
    'path',
    [
        '/data/projects/..',
        '/data/projects/%2e%2e',
        '/data/projects/a%00b',
        '/data/projects/I/subjects/..%2f..',
        '/data/projects/%ff',
        '/data/' + 'a' * 9000,
    ],
)
def test_hostile_paths(admin: Client, path: str) -> None:
    answer = admin.put(path)
    assert 400 <= answer.status < 500, answer.status
    assert 'Traceback' not in answer.text


def test_sharing_by_a_field(admin: Client) -> None:
    query = 'xnat:subjectData/sharing/share/project=J&xnat:subjectData/sharing/share/label=BYFIELD'
    for _ in range(2):
        admin.ok('PUT', f'/data/projects/I/subjects/FIELD?{query}')
    assert [
        row['label']
        for row in admin.get('/data/projects/I/subjects/FIELD/projects?format=json').rows
    ] == ['FIELD', 'BYFIELD']
    assert (
        admin.put(
            '/data/projects/I/subjects/FIELD?xnat:subjectData/sharing/share/project=NOWHERE'
        ).status
        == 404
    )


def test_a_session_is_created_below_a_subject_of_another_project(admin: Client) -> None:
    for project in ('FOREIGN_I', 'FOREIGN_J'):
        admin.ok('PUT', f'/data/projects/{project}')
    subject = admin.put('/data/projects/FOREIGN_J/subjects/S').text
    new = '?xsiType=xnat:mrSessionData'
    by_id = admin.ok('PUT', f'/data/projects/FOREIGN_I/subjects/{subject}/experiments/BY_ID{new}')
    assert admin.get('/data/projects/FOREIGN_I/subjects?columns=ID').rows == [], (
        'found, not created'
    )
    admin.ok('PUT', f'/data/subjects/{subject}/projects/FOREIGN_I?label=S_IN_I')
    shared = admin.ok('PUT', f'/data/projects/FOREIGN_I/subjects/S_IN_I/experiments/SHARED{new}')
    for session in (by_id, shared):
        found = fields(admin, f'/data/experiments/{session}')
        assert (found['project'], found['subject_ID']) == ('FOREIGN_I', subject)
    admin.ok('PUT', f'/data/projects/FOREIGN_I/subjects/S/experiments/BY_LABEL{new}')
    labels = admin.get('/data/projects/FOREIGN_I/subjects?columns=label').rows
    assert sorted(row['label'] for row in labels) == ['S', 'S_IN_I'], 'a label is of the project'


@pytest.mark.parametrize('project', ['I1', 'I2'])
def test_a_subjects_document_adds_sessions_only_to_an_existing_subject(
    admin: Client, project: str
) -> None:
    """XNAT fails on sessions in the document of a new subject, and stores nothing."""
    labels, owner = [f'E{number}' for number in range(int(project[1:]))], f'{project}_S'
    sessions = ''.join(
        f'<xnat:experiment ID="{project}_{label}" project="{project}" label="{label}" '
        f'xsi:type="xnat:mrSessionData"><xnat:subject_ID>{owner}'
        '</xnat:subject_ID><xnat:scans><xnat:scan ID="1" type="T1" '
        'xsi:type="xnat:mrScanData"/></xnat:scans></xnat:experiment>'
        for label in labels
    )
    spaces = ' '.join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
    document = (
        f'<xnat:Subject {spaces} '
        f'ID="{owner}"><xnat:experiments>{sessions}</xnat:experiments></xnat:Subject>'
    ).encode()
    path, listing, xml = (
        f'/data/projects/{project}/subjects/NEW',
        f'/data/projects/{project}/experiments',
        {'Content-Type': 'text/xml'},
    )
    admin.put(f'/data/projects/{project}')
    assert admin('PUT', path, document, xml).status in (400, 500)
    assert (admin.get(path).status, admin.get(listing).rows) == (404, [])
    admin.ok('PUT', f'{path}?ID={owner}')
    assert admin('PUT', path, document, xml).status == 200
    assert sorted(row['label'] for row in admin.get(listing).rows) == labels


@pytest.mark.parametrize('word', ['NULL', 'null', 'Null'])
def test_the_word_null_is_not_a_label(admin: Client, word: str) -> None:
    """The database treats it as no value: the item is created, and can be reached only by its
    ID."""
    project = f'/data/projects/N{word}'
    admin.put(project)
    admin.put('/data/projects/J')
    admin.ok('PUT', f'{project}/subjects/S')
    for path, query, listing in (
        (f'{project}/subjects', '', f'{project}/subjects?columns=label'),
        (
            f'{project}/subjects/S/experiments',
            '?xsiType=xnat:mrSessionData',
            f'{project}/experiments?columns=label',
        ),
    ):
        name, other = (admin.ok('PUT', f'{path}/{word}{query}') for _ in range(2))
        assert name != other, 'nothing is found by that label, so another one is made'
        assert admin.get(f'{path}/{word}?format=json').status == 404
        shown = {row['URI'].rpartition('/')[2]: row['label'] for row in admin.get(listing).rows}
        assert (shown[name], shown[other]) == ('', '')
        assert 'label' not in fields(admin, f'{path}/{name}')
        admin.ok('PUT', f'{path}/{name}/resources/R/files/f.txt?inbody=true', b'x')
        assert admin.get(f'{path}/{name}/resources/R/files/f.txt').body == b'x'
        admin.ok('PUT', f'{path}/{other}?label=NAMED')
        admin.ok('PUT', f'{path}/NAMED?label={word}')
        assert admin.get(f'{path}/NAMED?format=json').status == 404
        admin.ok('PUT', f'{path}/{other}/projects/J?label={word}')
        assert (
            admin.get(f'/data/projects/J/{path.rpartition("/")[2]}/{word}?format=json').status
            == 404
        )


@pytest.mark.parametrize('word', ['NULL', 'null'])
def test_the_word_null_clears_a_text(admin: Client, word: str) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/CLEARED?group=g&src=s')
    admin.ok('PUT', f'/data/projects/I/subjects/CLEARED?group={word}')
    assert fields(admin, '/data/projects/I/subjects/CLEARED').keys() & {'group', 'src'} == {'src'}


def test_without_a_project_an_assessor_is_found_only_by_its_id(admin: Client) -> None:
    session = '/data/projects/I/subjects/S/experiments/ASSESSED'
    number = admin.ok('PUT', f'{session}?xsiType=xnat:mrSessionData')
    path = f'{session}/assessors/QC'
    name = admin.ok(
        'PUT', f'{path}?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1'
    )
    admin.ok('PUT', f'{path}/out/resources/O/files/f.txt?inbody=true', b'x')
    for wanted, status in (('QC', 404), (name, 200)):
        assert (
            admin.get(f'/data/experiments/{number}/assessors/{wanted}?format=json').status == status
        )
        assert admin.get(f'{session}/assessors/{wanted}?format=json').status == 200
        for below in (
            'files',
            'resources',
            'out/resources',
            'out/resources/O/files',
            'out/resources/O/files/f.txt',
        ):
            assert (
                admin.get(f'/data/experiments/{number}/assessors/{wanted}/{below}').status == 200
            ), (wanted, below)
    assert admin.delete(f'/data/experiments/{number}/assessors/QC').status == 404
    admin.ok('DELETE', f'/data/experiments/{number}/assessors/{name}')


@pytest.mark.parametrize(('length', 'status'), [(200, 200), (250, 400), (255, 400)])
def test_the_id_of_a_project_has_a_length_limit(admin: Client, length: int, status: int) -> None:
    assert admin.put(f'/data/projects/{"L" * length}').status == status


@pytest.mark.parametrize('query', ['', '?description=other', '?name=another'])
def test_a_project_can_be_read_but_not_changed_by_its_alias(
    admin: Client, client_of: Callable[[str | None], Client], query: str
) -> None:
    admin.ok('PUT', '/data/projects/ALIASED?alias=known_as')
    assert admin.get('/data/projects/known_as?format=json').status == 200
    assert admin.put(f'/data/projects/known_as{query}').status == 409
    assert client_of('outsider').put(f'/data/projects/known_as{query}').status == 403


@pytest.mark.parametrize(
    ('path', 'name', 'expected'),
    [
        ('', 'xnat:MRSession', 'xnat:mrSessionData'),
        ('', 'xnat:PETSession', 'xnat:petSessionData'),
        ('/scans/1', 'xnat:MRScan', 'xnat:mrScanData'),
        ('/reconstructions/BY_ELEMENT', 'xnat:ReconstructedImage', 'xnat:reconstructedImageData'),
        ('/assessors/A', 'xnat:QCAssessment', 'xnat:qcAssessmentData'),
    ],
)
def test_the_name_of_an_element_can_replace_its_type(
    admin: Client, path: str, name: str, expected: str
) -> None:
    base = '/data/projects/I/subjects/ELEMENTS/experiments/' + (
        'OTHER' if 'PET' in name else 'FIRST'
    )
    if path:
        admin.put(f'{base}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{base}{path}?xsiType={name}')
    told = json.loads(admin.get(f'{base}{path}?format=json').body)['items'][0]
    assert told['meta']['xsi:type'] == expected
    assert admin.put(f'{base}/scans/9?xsiType=xnat:NoSuchElement').status == 400


@pytest.mark.parametrize(
    ('path', 'body'),
    [('subjects', b''), ('subjects', b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"/>')],
)
def test_a_missing_right_is_reported_before_a_missing_item(
    admin: Client, client_of: Callable[[str | None], Client], path: str, body: bytes
) -> None:
    admin.ok('PUT', '/data/projects/PROTECTED?accessibility=protected')
    assert client_of('outsider').post(f'/data/projects/PROTECTED/{path}', body).status == 403
    assert admin.post(f'/data/projects/PROTECTED/{path}', body).status == 417


@pytest.mark.parametrize(
    ('where', 'kind'),
    [('subjects/N', ''), ('subjects/N/experiments/E', 'xsiType=xnat:mrSessionData&')],
)
def test_an_id_that_a_client_chose_is_skipped(admin: Client, where: str, kind: str) -> None:
    path = f'/data/projects/I/{where}'
    first = admin.ok('PUT', f'{path}1?{kind}')
    mine, others, gone, after = (
        f'{first[:-5]}{int(first[-5:]) + more:05d}' for more in range(1, 5)
    )
    admin.ok('PUT', f'{path}2?{kind}ID={mine}')
    admin.ok('PUT', f'/data/projects/J/{where}3?{kind}ID={others}')
    admin.ok('PUT', f'{path}4?{kind}ID={gone}')
    assert admin.delete(f'{path}4').status == 200
    assert admin.ok('PUT', f'{path}5?{kind}') == after
    assert fields(admin, f'{path}2')['ID'] == mine
    assert fields(admin, f'/data/projects/J/{where}3')['ID'] == others


def test_ids_that_exist_at_the_start_are_skipped(tmp_path: Path) -> None:
    for expected in (['XNAT_S00001', 'XNAT_S00002'], ['XNAT_S00005', 'XNAT_S00006']):
        with serve(tmp_path, password='p') as server:
            client = Client(server, 'admin', 'p')
            client.put('/data/projects/P')
            assert [
                client.ok('PUT', f'/data/projects/P/subjects/{expected[0]}_{count}')
                for count in range(2)
            ] == expected
            client.put('/data/projects/P/subjects/MINE?ID=XNAT_S00004')
            client.close()


def test_ids_of_deleted_items_are_not_given_again(tmp_path: Path) -> None:
    """Also after a restart, of what was deleted with something above it, and chosen by clients."""
    session = '/data/projects/P/subjects/S/experiments/E'
    kind, qc = 'xsiType=xnat:mrSessionData', 'xsiType=xnat:qcManualAssessorData'
    given: list[str] = []
    for deleted in (session, '/data/projects/P/subjects/S', f'{session}/assessors/A', session):
        with serve(tmp_path, password='p', durable=False) as server:
            client = Client(server, 'admin', 'p')
            client.put('/data/projects/P')
            if client.get('/data/projects/P/subjects/S').status == 404:
                given.append(client.ok('PUT', '/data/projects/P/subjects/S'))
            if client.get(session).status == 404:
                given.append(client.ok('PUT', f'{session}?{kind}'))
            given.append(
                client.ok('PUT', f'{session}/assessors/A?{qc}&xnat:qcManualAssessorData/pass=1')
            )
            client.ok('DELETE', f'{deleted}?removeFiles=true')
            client.close()
    assert len(set(given)) == len(given) == 9, given


def test_a_deleted_id_is_given_to_an_item_that_asks_for_it(admin: Client) -> None:
    path = '/data/projects/I/subjects'
    deleted = admin.ok('PUT', f'{path}/RESTORED')
    admin.ok('DELETE', f'{path}/RESTORED')
    assert admin.ok('PUT', f'{path}/RESTORED?ID={deleted}') == deleted


def test_the_number_of_a_deleted_scan_is_not_given_again(admin: Client) -> None:
    session = '/data/projects/I/subjects/SCANS/experiments/SCANS'
    admin.ok('PUT', f'{session}?xsiType=xnat:mrSessionData')
    scans = f'{session}/scans'
    numbers = []
    for _ in range(3):
        uri = admin.ok('POST', f'{scans}?xsiType=xnat:mrScanData')
        numbers.append(uri.rpartition('/')[2])
        admin.ok('DELETE', f'{scans}/{numbers[-1]}')
    assert numbers == ['1', '2', '3']


def test_numbers_of_deleted_rows_are_not_given_again(tmp_path: Path) -> None:
    """Resources and scans, whose numbers of the database clients see, also after a restart."""
    session = '/data/projects/P/subjects/S/experiments/E'
    given: list[tuple[str, str]] = []
    for _ in range(3):
        with serve(tmp_path, password='p', durable=False) as server:
            client = Client(server, 'admin', 'p')
            client.put('/data/projects/P')
            client.put(f'{session}?xsiType=xnat:mrSessionData')
            client.ok('PUT', f'{session}/resources/R')
            client.ok('PUT', f'{session}/scans/1?xsiType=xnat:mrScanData')
            (row,) = client.get(f'{session}/resources').rows
            (scan,) = client.get(f'{session}/scans').rows
            given.append((row['xnat_abstractresource_id'], scan['xnat_imagescandata_id']))
            client.ok('DELETE', f'{session}/resources/R')
            client.ok('DELETE', f'{session}/scans/1')
            client.close()
    assert [len({*numbers}) for numbers in zip(*given, strict=True)] == [3, 3]
