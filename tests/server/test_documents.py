"""Tests of the effects of documents on items below: project and shares of scans, resources, missing
parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from .conftest import Client

NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'xsi': 'http://www.w3.org/2001/XMLSchema-instance'}
XML = {'Content-Type': 'text/xml'}
SCANS = (
    '<xnat:scans><xnat:scan ID="1" {} xsi:type="xnat:mrScanData"/><xnat:scan ID="2" '
    'xsi:type="xnat:mrScanData"/></xnat:scans>'
)


@pytest.fixture(autouse=True)
def projects(admin: Client) -> None:
    for name in 'IJK':
        admin.put(f'/data/projects/{name}')


def document(root: str, inside: str = '', attributes: str = '') -> bytes:
    spaces = ' '.join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
    return f'<xnat:{root} {spaces} {attributes}>{inside}</xnat:{root}>'.encode()


def send(client: Client, path: str, root: str, inside: str = '', attributes: str = '') -> int:
    return client('PUT', path, document(root, inside, attributes), XML).status


def session_of(name: str) -> str:
    return f'/data/projects/I/subjects/{name}/experiments/{name}E'


def projects_and_shares(client: Client, path: str) -> dict[str, tuple[Any, list[Any]]]:
    """Return the project and the shares that each scan of a session has, equal in both forms."""
    item = client.get(f'{path}?format=json').item
    scans = next(child['items'] for child in item['children'] if child['field'] == 'scans/scan')
    found = {}
    for scan in scans:
        shares = [
            one['data_fields']
            for child in scan['children']
            if child['field'] == 'sharing/share'
            for one in child['items']
        ]
        found[scan['data_fields']['ID']] = (
            scan['data_fields'].get('project'),
            sorted((one['project'], one['label']) for one in shares),
        )
    root = etree.fromstring(client.get(f'{path}?format=xml').body)
    in_xml = {
        str(scan.get('ID')): (
            scan.get('project'),
            sorted(
                (one.get('project'), one.get('label'))
                for one in scan.iterfind('xnat:sharing/xnat:share', NS)
            ),
        )
        for scan in root.iterfind('xnat:scans/xnat:scan', NS)
    }
    assert in_xml == found
    return found


# -- the project of scans


@pytest.mark.parametrize('project', ['', 'I', 'J'])
def test_a_scan_of_a_document_has_the_project_of_the_document(admin: Client, project: str) -> None:
    path = session_of(f'P{project}')
    assert (
        send(admin, path, 'MRSession', SCANS.format(f'project="{project}"' if project else ''))
        == 201
    )
    assert projects_and_shares(admin, path) == {'1': (project or None, []), '2': (None, [])}
    rows = admin.get(f'{path}/scans?columns=ID,xnat:imageScanData/project').rows
    assert {row['ID']: row['xnat:imagescandata/project'] for row in rows} == {'1': project, '2': ''}


def test_a_scan_below_the_document_of_its_subject_has_no_project(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/OS?ID=OS_ID')
    inside = SCANS.format('')
    one = (
        '<xnat:experiment ID="OS_E" project="I" label="OSE" '
        f'xsi:type="xnat:mrSessionData"><xnat:subject_ID>OS_ID</xnat:subject_ID>{inside}'
    )
    assert (
        send(
            admin,
            '/data/projects/I/subjects/OS',
            'Subject',
            f'<xnat:experiments>{one}</xnat:experiment></xnat:experiments>',
        )
        == 200
    )
    assert projects_and_shares(admin, session_of('OS')) == {'1': (None, []), '2': (None, [])}


def test_a_put_of_the_scan_sets_the_project_of_its_path(admin: Client) -> None:
    path = session_of('URI')
    assert send(admin, path, 'MRSession', SCANS.format('')) == 201
    admin.ok('PUT', f'{path}/scans/1?quality=usable')
    assert send(admin, f'{path}/scans/3', 'MRScan', attributes='project="J"') == 200
    assert projects_and_shares(admin, path) == {'1': ('I', []), '2': (None, []), '3': ('I', [])}
    admin.ok('PUT', f'{path}/projects/J?label=URIJ')
    admin.ok('PUT', '/data/projects/I/subjects/URI/projects/J?label=URIJ')
    admin.ok('PUT', '/data/projects/J/subjects/URIJ/experiments/URIJ/scans/2?quality=usable')
    assert projects_and_shares(admin, path)['2'][0] == 'J'
    assert (
        send(admin, path, 'MRSession', SCANS.format('')) == 200
    )  # a document does not change missing fields
    assert {name: project for name, (project, _) in projects_and_shares(admin, path).items()} == {
        '1': 'I',
        '2': 'J',
        '3': 'I',
    }


def test_scans_without_a_project_have_the_rights_of_their_session(
    admin: Client, client_of: Any
) -> None:
    path, outsider = session_of('RIGHT'), client_of('outsider')
    admin.put('/data/projects/I/accessibility/private')
    assert send(admin, path, 'MRSession', SCANS.format('')) == 201
    assert outsider.get(f'{path}/scans/1').status == 404
    assert outsider.put(f'{path}/scans/1?quality=usable').status in (404, 417)
    assert admin.get(f'{path}/scans/1').status == 200


# -- shares


def test_a_share_by_uri_includes_the_scans_and_one_by_document_does_not(admin: Client) -> None:
    by_uri, by_document, by_field = (session_of(name) for name in ('SU', 'SD', 'SF'))
    for path in (by_uri, by_document, by_field):
        assert send(admin, path, 'MRSession', SCANS.format('')) == 201
    admin.ok('PUT', f'{by_uri}/projects/J?label=SUJ')
    assert (
        send(
            admin,
            by_document,
            'MRSession',
            '<xnat:sharing><xnat:share project="J" label="SDJ"/></xnat:sharing>',
        )
        == 200
    )
    admin.ok(
        'PUT',
        f'{by_field}?xsiType=xnat:mrSessionData&xnat:mrSessionData/sharing/share/project=J&'
        'xnat:mrSessionData/sharing/share/label=SFJ',
    )
    assert projects_and_shares(admin, by_uri) == {
        '1': (None, [('J', '1')]),
        '2': (None, [('J', '2')]),
    }
    for path, label in ((by_document, 'SDJ'), (by_field, 'SFJ')):
        assert projects_and_shares(admin, path) == {'1': (None, []), '2': (None, [])}
        assert admin.get(f'/data/projects/J/experiments/{label}?format=json').status == 200


def test_a_document_shares_the_scans_that_it_names(admin: Client) -> None:
    path = session_of('SS')
    scan = (
        '<xnat:scan ID="{0}" xsi:type="xnat:mrScanData"><xnat:sharing><xnat:share project="{1}" '
        'label="{0}"/></xnat:sharing></xnat:scan>'
    )
    for _ in range(2):
        assert send(
            admin,
            path,
            'MRSession',
            f'<xnat:scans>{scan.format(1, "J")}{scan.format(2, "NOWHERE")}</xnat:scans>',
        ) in (200, 201)
    assert projects_and_shares(admin, path) == {'1': (None, [('J', '1')]), '2': (None, [])}


def test_a_document_shares_a_scan_with_projects_in_which_the_caller_may_create(
    admin: Client, client_of: Any
) -> None:
    member, path = client_of('member'), session_of('SR')
    admin.ok('PUT', '/data/projects/I/users/Members/member')
    scan = (
        '<xnat:scans><xnat:scan ID="1" xsi:type="xnat:mrScanData"><xnat:sharing><xnat:share '
        'project="J"/></xnat:sharing></xnat:scan></xnat:scans>'
    )
    assert send(member, path, 'MRSession', scan) == 403
    assert admin.get(path).status == 404


# -- complete documents


def test_a_complete_document_of_a_session_clears_the_fields_that_its_parts_lack(
    admin: Client,
) -> None:
    path = session_of('CL')
    admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData&note=n')
    admin.ok(
        'PUT',
        f'{path}/scans/1?xsiType=xnat:mrScanData&type=T1&quality=usable&xnat:mrScanData/parameters/'
        'tr=2000',
    )
    admin.ok('PUT', f'{path}/scans/1/resources/GOES')
    admin.ok(
        'PUT',
        f'{path}/assessors/QC?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1&'
        'xnat:qcManualAssessorData/rater=me',
    )
    before = etree.fromstring(admin.get(f'{path}?format=xml').body)
    for name in ('.//xnat:tr', './/xnat:rater', './/xnat:scan/xnat:file', 'xnat:note'):
        node = before.find(name, NS)
        assert node is not None
        node.getparent().remove(node)  # type: ignore[union-attr]
    del before.find('.//xnat:scan', NS).attrib['type']  # type: ignore[union-attr]
    body = etree.tostring(before)
    assert admin('PUT', path, body, XML).status == 200
    kept = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [
        kept.findtext(f'.//xnat:{name}', namespaces=NS) for name in ('tr', 'rater', 'note')
    ] == ['2000.0', 'me', 'n']
    assert admin('PUT', f'{path}?allowDataDeletion=true', body, XML).status == 200
    after = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [
        after.findtext(f'.//xnat:{name}', namespaces=NS)
        for name in ('tr', 'rater', 'note', 'quality', 'pass')
    ] == [
        None,
        None,
        None,
        'usable',
        '1',
    ]
    assert after.find('.//xnat:scan', NS).get('type') == 'T1'  # type: ignore[union-attr]
    assert admin.get(f'{path}/scans/1/resources').rows == []


# -- resources


def test_a_resource_has_the_counts_of_its_document_until_it_gets_a_file(
    admin: Client, folder: Path
) -> None:
    path = session_of('RC')
    admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    where = folder / 'archive/I/arc001/RCE/RESOURCES'
    about = {
        'TOLD': 'file_count="3" file_size="700"',
        'NONE': '',
        'ODD': 'file_count="x" file_size="-1"',
    }
    inside = ''.join(
        f'<xnat:resource label="{label}" {counts} URI="{where}/{label}/{label}_catalog.xml" '
        'xsi:type="xnat:resourceCatalog"/>'
        for label, counts in about.items()
    )
    assert send(admin, path, 'MRSession', f'<xnat:resources>{inside}</xnat:resources>') == 200
    assert counts_of(admin, path) == {'TOLD': ('3', '700'), 'NONE': ('', ''), 'ODD': ('', '')}
    for label in about:
        admin.ok('PUT', f'{path}/resources/{label}/files/f?inbody=true', b'12345')
    assert counts_of(admin, path) == dict.fromkeys(about, ('1', '5'))
    admin.ok('DELETE', f'{path}/resources/TOLD/files/f')
    assert counts_of(admin, path)['TOLD'] == ('0', '0')


def counts_of(client: Client, path: str) -> dict[str, tuple[str, str]]:
    """Return the counts of a session's resources.

    They are equal in the listing, in both forms of the document and as columns.
    """
    names = ('file_count', 'file_size')
    rows = client.get(f'{path}/resources').rows
    found = {row['label']: (row['file_count'], row['file_size']) for row in rows}
    root = etree.fromstring(client.get(f'{path}?format=xml').body)
    nodes = list(root.iterfind('xnat:resources/xnat:resource', NS))
    assert {
        node.get('label'): tuple(node.get(name, '') for name in names) for node in nodes
    } == found
    children = client.get(f'{path}?format=json').item['children']
    items = next(child['items'] for child in children if child['field'] == 'resources/resource')
    assert {
        one['data_fields']['label']: tuple(str(one['data_fields'].get(name, '')) for name in names)
        for one in items
    } == found
    base = 'xnat:mrSessionData/resources/resource'
    columns = ','.join(f'{base}/{name}' for name in ('label', *names))
    label = path.rpartition('/')[2]
    listed = client.get(
        f'/data/projects/I/experiments?xsiType=xnat:mrSessionData&label={label}&columns=label,'
        f'{columns}'
    ).rows
    assert sorted(
        tuple(value for key, value in row.items() if key.endswith(names)) for row in listed
    ) == sorted(found.values())
    return found


# -- scans whose document names their session


def test_the_document_of_a_scan_names_its_session_if_the_path_does_not(admin: Client) -> None:
    path = session_of('WH')
    accession = admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{path}/scans/1?xsiType=xnat:mrScanData')
    inside = (
        f'<xnat:image_session_ID>{accession}</xnat:image_session_ID><xnat:quality>usable</'
        'xnat:quality>'
    )
    nowhere = '/data/projects/J/subjects/NOBODY/experiments/NOTHING/scans/10'
    assert send(admin, nowhere, 'MRScan', '<xnat:quality>usable</xnat:quality>', 'ID="1"') == 417
    assert (
        send(
            admin,
            nowhere,
            'MRScan',
            '<xnat:image_session_ID>NO_E1</xnat:image_session_ID>',
            'ID="1"',
        )
        == 404
    )
    assert send(admin, nowhere, 'MRScan', inside, 'ID="1"') == 200
    assert admin.get(nowhere).status == 404
    assert {row['ID']: row['quality'] for row in admin.get(f'{path}/scans').rows} == {'1': 'usable'}
    assert projects_and_shares(admin, path)['1'][0] == 'J'
    assert send(admin, nowhere, 'MRScan', inside) == 200
    assert sorted(row['ID'] for row in admin.get(f'{path}/scans').rows) == ['1', '10']


def test_the_caller_needs_the_right_to_edit_the_session_named_by_a_document(
    admin: Client, client_of: Any
) -> None:
    path = session_of('WR')
    accession = admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    nowhere = '/data/projects/K/subjects/NOBODY/experiments/NOTHING/scans/1'
    inside = f'<xnat:image_session_ID>{accession}</xnat:image_session_ID>'
    assert send(client_of('outsider'), nowhere, 'MRScan', inside, 'ID="1"') in (403, 404)
    assert admin.get(f'{path}/scans').rows == []


def test_the_id_in_a_document_takes_precedence_over_the_path_for_a_new_scan(admin: Client) -> None:
    path = session_of('WI')
    admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    for quality in ('usable', 'questionable'):
        assert (
            send(
                admin,
                f'{path}/scans/10',
                'MRScan',
                f'<xnat:quality>{quality}</xnat:quality>',
                'ID="1"',
            )
            == 200
        )
        assert {row['ID']: row['quality'] for row in admin.get(f'{path}/scans').rows} == {
            '1': quality
        }
