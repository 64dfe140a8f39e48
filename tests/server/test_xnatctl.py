"""Tests with xnatctl, an independent command-line client, unmodified, over a real socket."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import Server, serve
from tests.support.dicoms import OTHER_STUDY, members, zipped
from tests.support.plain import Client

pytest.importorskip('xnatctl', reason='xnatctl is in the extra "test", for Python 3.11 and later')
from click.testing import CliRunner, Result

Run = Callable[..., Result]
FILES = {'a.dcm': b'a' * 1000, 'sub/b c.dcm': b'b' * 10, 'ü b.bin': b''}
LOGIN, NOT_FOUND, FORBIDDEN = 1, 5, 6
"""Its exit codes for a refused login, for a missing item, and for a missing right."""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(
        tmp_path_factory.mktemp('archive'), password='secret', users={'joe': 'j'}
    ) as running:
        yield running


@pytest.fixture(scope='module')
def main(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the command, imported with a separate folder of settings.

    xnatctl names its files when it is imported, and another test may have done so.
    """
    for name in [name for name in sys.modules if name.partition('.')[0] == 'xnatctl']:
        del sys.modules[name]
    home = str(tmp_path_factory.mktemp('home'))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            'HOME': home,
            'USERPROFILE': home,
            'NO_COLOR': '1',
            'XNAT_NO_UPDATE_CHECK': '1',
            'COLUMNS': '200',
        }.items():
            patch.setenv(name, value)
        yield importlib.import_module('xnatctl.cli.main').cli


@pytest.fixture
def run(main: Any, server: Server) -> Run:
    """Run the command as the administrator, or as another user, and check its exit status."""

    def invoke(
        *words: Any, expected: int = 0, user: str = 'admin', password: str = 'secret'
    ) -> Result:
        (Path.home() / '.config' / 'xnatctl' / '.session').unlink(
            missing_ok=True
        )  # it keeps a login for the next user
        environment = {'XNAT_URL': server.url, 'XNAT_USER': user, 'XNAT_PASS': password}
        result = CliRunner().invoke(main, [str(word) for word in words], env=environment)
        assert result.exit_code == expected, (words, result.exit_code, result.output)
        return result

    return invoke


@pytest.fixture
def rows(run: Run) -> Callable[..., Any]:
    """Return the JSON output of a command."""
    return lambda *words, **more: json.loads(run(*words, '-o', 'json', **more).stdout)


@pytest.fixture
def E(server: Server) -> Iterator[str]:
    """Create a session with two scans, files in them, and a resource; return its ID."""
    admin = Client(server, 'admin', 'secret')
    admin.ok('PUT', '/data/projects/P1?name=First&accessibility=private')
    admin.ok('PUT', '/data/projects/P2')
    ident = admin.ok(
        'PUT',
        '/data/projects/P1/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData&date=2020-01-02',
    )
    for scan in ('1', '2'):
        admin.ok(
            'PUT',
            f'/data/experiments/{ident}/scans/{scan}?xsiType=xnat:mrScanData&type=T{scan}&'
            'quality=usable',
        )
        for name, content in FILES.items():
            path = name.replace(' ', '%20').replace('ü', '%C3%BC')
            admin.ok(
                'PUT',
                f'/data/experiments/{ident}/scans/{scan}/resources/DICOM/files/{path}?inbody=true',
                content + scan.encode(),
            )
    admin.ok('PUT', f'/data/experiments/{ident}/resources/QC/files/q.json?inbody=true', b'{}')
    yield ident
    admin.close()


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


# -- connecting


def test_ping_whoami_and_version_work(run: Run) -> None:
    assert 'Authenticated  Yes' in run('health', 'ping').stdout
    assert 'admin' in run('whoami').stdout
    assert 'pyxnat' in run('admin', 'version').stdout


def test_refusals_have_their_exit_codes(run: Run, E: str) -> None:
    assert (
        'Authentication failed' in run('project', 'list', expected=LOGIN, password='wrong').output
    )
    run('project', 'show', 'NOTHING', expected=NOT_FOUND)
    run('project', 'show', 'P1', expected=NOT_FOUND, user='joe', password='j')
    run(
        'admin',
        'site-config',
        'set',
        'siteId',
        'MINE',
        '--yes',
        expected=FORBIDDEN,
        user='joe',
        password='j',
    )


# -- listing


def test_lists_of_every_level(rows: Callable[..., Any], E: str) -> None:
    assert {row['id']: row['name'] for row in rows('project', 'list')}['P1'] == 'First'
    assert [(row['label'], row['sessions']) for row in rows('subject', 'list', '-P', 'P1')] == [
        ('S1', 1)
    ]
    assert [
        (row['id'], row['label'], row['modality']) for row in rows('session', 'list', '-P', 'P1')
    ] == [(E, 'E1', 'MR')]
    assert [(row['id'], row['type'], row['quality']) for row in rows('scan', 'list', '-E', E)] == [
        ('1', 'T1', 'usable'),
        ('2', 'T2', 'usable'),
    ]
    assert [row['label'] for row in rows('resource', 'list', E)] == ['QC']
    sizes = sum(len(content) + 1 for content in FILES.values())
    assert [
        (row['label'], int(row['file_count']), int(row['file_size']))
        for row in rows('resource', 'list', E, '--scan', '1')
    ] == [('DICOM', len(FILES), sizes)]


def test_items_are_shown(run: Run, rows: Callable[..., Any], E: str) -> None:
    assert rows('project', 'show', 'P1')['sessions'] == 1
    assert rows('subject', 'show', 'S1', '-P', 'P1')['sessions'] == ['E1']
    shown = run('session', 'show', '-E', 'E1', '-P', 'P1').stdout
    assert E in shown and 'Scans (2)' in shown and 'QC' in shown
    assert rows('scan', 'show', '-E', E, '1')['resources'] == ['DICOM']


# -- downloading


@pytest.mark.parametrize(('workers', 'folder'), [(1, 'scans/{0}-T{0}'), (4, 'scans/{0}')])
def test_downloading_a_session(run: Run, E: str, tmp_path: Path, workers: int, folder: str) -> None:
    run(
        'session',
        'download',
        '-E',
        E,
        '--out',
        tmp_path,
        '-w',
        workers,
        '--extract',
        '--session-resources',
    )
    expected = {
        f'{E}/{folder.format(scan)}/resources/DICOM/files/{name}': content + scan.encode()
        for scan in ('1', '2')
        for name, content in FILES.items()
    }
    assert below(tmp_path) == {**expected, f'{E}/resources/QC/files/q.json': b'{}'}


def test_downloading_one_scan(run: Run, E: str, tmp_path: Path) -> None:
    run('scan', 'download', '-E', E, '--scans', '2', '-r', 'DICOM', '--out', tmp_path)
    with zipfile.ZipFile(tmp_path / E / 'scans.zip') as archive:
        assert {hashlib.md5(archive.read(name)).hexdigest() for name in archive.namelist()} == {
            hashlib.md5(content + b'2').hexdigest() for content in FILES.values()
        }


def test_verification_takes_the_number_of_a_resource_for_its_label(
    run: Run, E: str, tmp_path: Path
) -> None:
    """XNAT names resources by number in the URIs of its file listings (fact 2.6.2), so there is
    nothing to compare."""
    told = run(
        'scan', 'download', '-E', E, '--scans', '1', '--out', tmp_path, '--verify', expected=1
    ).output
    assert '0 mismatched, 3 missing, 0 colliding' in told
    assert 'MISSING: scans/1/resources/1/a.dcm' in told


# -- uploading


def test_uploading_and_downloading_resources(run: Run, E: str, tmp_path: Path) -> None:
    source = tmp_path / 'source'
    for name, content in {**FILES, 'ü b.bin': b'x'}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    run('resource', 'upload', E, 'FOLDER', source)
    run('resource', 'download', E, 'FOLDER', '-f', tmp_path / 'folder.zip')
    with zipfile.ZipFile(tmp_path / 'folder.zip') as archive:
        names = {name.partition('/files/')[2]: archive.read(name) for name in archive.namelist()}
    assert names == below(source)
    run('resource', 'upload', E, 'ONE', source / 'a.dcm', '--scan', '1')
    run('resource', 'upload', '-P', 'P1', 'OF_PROJECT', source / 'a.dcm')
    run('resource', 'upload', '-P', 'P1', '-S', 'S1', 'OF_SUBJECT', source / 'a.dcm')
    run(
        'resource', 'download', '-P', 'P1', '-S', 'S1', 'OF_SUBJECT', '-f', tmp_path / 'subject.zip'
    )
    with zipfile.ZipFile(tmp_path / 'subject.zip') as archive:
        assert [archive.read(name) for name in archive.namelist()] == [FILES['a.dcm']]


def test_uploading_dicom_to_the_prearchive_and_archiving_it(
    run: Run, rows: Callable[..., Any], E: str, tmp_path: Path
) -> None:
    (tmp_path / 's.zip').write_bytes(zipped(members(OTHER_STUDY)))
    run(
        'session',
        'upload',
        tmp_path / 's.zip',
        '-P',
        'P2',
        '-S',
        'SUB',
        '-E',
        'SES',
        '--prearchive',
    )
    (waiting,) = rows('prearchive', 'list', '--project', 'P2')
    assert (waiting['status'], waiting['subject'], waiting['name']) == ('READY', 'SUB', 'SES')
    run('prearchive', 'archive', 'P2', waiting['timestamp'], 'SES')
    assert rows('prearchive', 'list', '--project', 'P2') == []
    (archived,) = rows('session', 'list', '-P', 'P2')
    assert sorted(row['id'] for row in rows('scan', 'list', '-E', archived['id'])) == ['1', '2']


@pytest.mark.parametrize('mode', ['tar', 'zip'])
def test_uploading_a_folder_of_dicom(
    run: Run, server: Server, E: str, tmp_path: Path, mode: str
) -> None:
    for name, content in members(OTHER_STUDY).items():
        (tmp_path / name.replace('/', '_')).write_bytes(content)
    assert (
        'Uploaded 3 files'
        in run(
            'session',
            'upload',
            tmp_path,
            '-P',
            'P1',
            '-S',
            'FOLDER',
            '-E',
            f'BY_{mode}',
            '--mode',
            mode,
            '-w',
            '1',
        ).output
    )


# -- administration


def test_users(run: Run, rows: Callable[..., Any], E: str) -> None:
    assert {'admin', 'joe'} <= {row['username'] for row in rows('admin', 'user', 'list')}
    assert rows('admin', 'user', 'show', 'joe')['enabled'] is True
    run('admin', 'user', 'disable', 'joe', '--yes')
    run('project', 'list', expected=LOGIN, user='joe', password='j')
    run('admin', 'user', 'enable', 'joe', '--yes')
    assert rows('project', 'list', user='joe', password='j') != rows('project', 'list')
    run('admin', 'user', 'kill-sessions', 'joe', '--yes')
    run('admin', 'user', 'add', 'joe', 'P2_member')
    run('project', 'grant', 'P1', 'joe', '--role', 'collaborator', '--yes')
    told = run('admin', 'user', 'groups', 'joe').stdout
    assert 'P2_member' in told and 'P1_collaborator' in told
    run('project', 'revoke', 'P1', 'joe', '--yes')
    assert 'P1_' not in run('admin', 'user', 'groups', 'joe').stdout
    run('admin', 'user', 'roles', 'joe', '--grant', 'Administrator', '--yes')
    assert 'Administrator' in run('admin', 'user', 'roles', 'joe').stdout
    run('admin', 'user', 'roles', 'joe', '--revoke', 'Administrator', '--yes')


def test_settings_of_projects_and_of_the_site(run: Run, rows: Callable[..., Any], E: str) -> None:
    run('project', 'access', 'P2', '--set', 'public', '--yes')
    assert 'public' in run('project', 'access', 'P2').stdout
    run('admin', 'site-config', 'set', 'siteDescriptionText', 'a site', '--yes')
    assert rows('admin', 'site-config', 'get')['siteDescriptionText'] == 'a site'


def test_sharing_and_custom_variables(run: Run, rows: Callable[..., Any], E: str) -> None:
    run('session', 'share', '-E', E, '--into', 'P2', '--label', 'SHARED', '--yes')
    assert 'SHARED' in [row['label'] for row in rows('session', 'list', '-P', 'P2')]
    run('session', 'unshare', '-E', E, '--from', 'P2', '--yes')
    assert 'SHARED' not in [row['label'] for row in rows('session', 'list', '-P', 'P2')]
    run('subject', 'vars', 'set', 'S1', '-P', 'P1', 'cohort=two', '--yes')
    assert rows('subject', 'vars', 'S1', '-P', 'P1') == [{'name': 'cohort', 'value': 'two'}]


def test_renaming_and_deleting_subjects(
    run: Run, rows: Callable[..., Any], server: Server, E: str, tmp_path: Path
) -> None:
    admin = Client(server, 'admin', 'secret')
    admin.ok('PUT', '/data/projects/P2/subjects/OLD')
    admin.close()
    (tmp_path / 'names.json').write_text('{"OLD": "NEW"}')
    run('subject', 'rename', '-P', 'P2', '--mapping', tmp_path / 'names.json')
    assert 'NEW' in [row['label'] for row in rows('subject', 'list', '-P', 'P2')]
    run('subject', 'delete', 'NEW', '-P', 'P2', '--yes')
    assert 'NEW' not in [row['label'] for row in rows('subject', 'list', '-P', 'P2')]


# -- containers


def test_containers_are_launched_and_read(
    run: Run, rows: Callable[..., Any], server: Server, E: str
) -> None:
    def told(container: Any) -> None:
        container.log(f'level {container.inputs["level"]}')

    server.archive.containers.add('tells', 'xnat:mrSessionData', run=told, inputs={'level': '1'})
    assert [row['name'] for row in rows('wrapper', 'list')] == ['tells']
    launch = ('container', 'launch', 'tells', '-P', 'P1', '-E', E, '--param', 'level=2')
    assert 'Status: Complete' in run(*launch, '--wait').output
    (container,) = rows('container', 'list', '-P', 'P1')
    assert (container['status'], container['project']) == ('Complete', 'P1')
    assert run('container', 'logs', container['id']).stdout == 'level 2\n'
    run('container', 'logs', '7', expected=NOT_FOUND)
