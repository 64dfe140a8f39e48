"""Tests of the session mirror: a session copied between two archives on real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.session_mirror import create_parser, main, mirror_session
from pyxnat.server import serve

FILES = {'a/b c#.dcm': b'x' * 1000, 'ü+&.dcm': b'y', 'big.dcm': b'z' * 700_000}


@pytest.fixture(scope='module')
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A second archive."""
    with serve(tmp_path_factory.mktemp('other')) as running:
        yield running


@pytest.fixture
def dest(other_server: Any, tmp_path: Path) -> Iterator[pyxnat.Interface]:
    """Return the administrator's connection to the second archive."""
    with pyxnat.Interface(
        other_server.url, other_server.user, other_server.password, tmp_path / 'dest-cache'
    ) as interface:
        yield interface


@pytest.fixture
def session(project: Any) -> Any:
    """Create a session with an item of every kind below it."""
    subject = project.subject('S1').create(gender='female', yob='1960')
    session = subject.experiment('MR_1').create(experiments='xnat:mrSessionData')
    session.attrs.mset(
        {'xnat:experimentData/date': '2020-02-29', 'xnat:mrSessionData/fieldStrength': '3.0'}
    )
    session.scan('1').create(
        type='T1', quality='usable', **{'xnat:mrScanData/parameters/tr': '2.3'}
    )
    session.scan('2-MR1').create(type='T2 (ä)', quality='unusable')
    for name, content in FILES.items():
        session.scan('1').resource('DICOM').file(name).put(
            content, format='DICOM', content='RAW', tags='t1,t2'
        )
    session.resource('NOTES').file('n.txt').put(b'note')
    session.assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    session.assessor('QC').out_resource('O').file('o.txt').put(b'o')
    session.assessor('QC').in_resource('I').file('i.txt').put(b'i')
    session.reconstruction(f'REC_{project.id()}').out_resource('O').file('o.txt').put(b'r')
    return session


@pytest.fixture
def target(dest: pyxnat.Interface, project: Any) -> Any:
    """Create an empty project at the destination."""
    return dest.select.project(f'COPY_{project.id()}').create()


def contents(session: Any) -> dict[str, tuple[str, str, str, str]]:
    """Return size, digest, format and content of each file below a session, from the server."""
    found = {}
    for chain in ('', 'scans/*/', 'reconstructions/*/', 'assessors/*/'):
        for kind in (
            ('in_resources', 'out_resources') if chain[:1] in 'ra' and chain else ('resources',)
        ):
            base = '/'.join(
                [
                    '/projects',
                    session.steps[0].name,
                    'subjects',
                    session.steps[1].name,
                    'experiments',
                    session.steps[2].name,
                ]
            )
            for file in session._intf.select(f'{base}/{chain}{kind}/*/files'):
                row = file.attributes()
                resource = file.parent()
                holder = resource.parent()
                above = f'{holder.level.singular}:{holder.label()}'
                name = f'{above}:{resource.level.singular}:{resource.label()}:{file.id()}'
                found[name] = row['Size'], row['digest'], row['file_format'], row['file_content']
    return found


def test_everything_below_a_session_is_copied(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    copied = mirror_session(xnat, dest, session.id(), target.id())
    assert (copied.items, copied.resources, copied.files) == (4, 5, 7)
    assert copied.bytes == sum(map(len, FILES.values())) + len(b'note') + len(b'oir')
    twin = target.subject('S1').experiment('MR_1')
    assert copied.session == twin
    assert len(contents(session)) == 7
    assert contents(twin) == contents(session)


def test_fields_are_copied(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    mirror_session(xnat, dest, session.id(), target.id())
    subject = target.subject('S1')
    assert subject.attrs.mget(['gender', 'yob']) == ['female', '1960']
    twin = subject.experiment('MR_1')
    assert twin.datatype() == 'xnat:mrSessionData'
    wanted = ['xnat:experimentData/date', 'xnat:mrSessionData/fieldStrength']
    assert twin.attrs.mget(wanted) == session.attrs.mget(wanted)
    assert twin.scan('1').attrs.mget(['type', 'quality', 'xnat:mrScanData/parameters/tr']) == [
        'T1',
        'usable',
        '2.3',
    ]
    assert twin.scan('2-MR1').attrs.get('type') == 'T2 (ä)'
    assert twin.assessor('QC').datatype() == 'xnat:qcManualAssessorData'


def test_a_second_run_sends_no_file(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    mirror_session(xnat, dest, session.id(), target.id())
    before = contents(target.subject('S1').experiment('MR_1'))
    copied = mirror_session(xnat, dest, session.id(), target.id())
    assert (copied.files, copied.bytes, copied.present) == (0, 0, 7)
    assert contents(target.subject('S1').experiment('MR_1')) == before


def test_an_interrupted_copy_is_completed(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    mirror_session(xnat, dest, session.id(), target.id())
    twin = target.subject('S1').experiment('MR_1')
    twin.scan('1').resource('DICOM').file('big.dcm').delete()
    assert mirror_session(xnat, dest, session.id(), target.id()).files == 1
    assert contents(twin) == contents(session)


def test_a_different_file_is_replaced_only_with_overwrite(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    note = target.subject('S1').experiment('MR_1').resource('NOTES').file('n.txt').put(b'mine')
    with pytest.raises(errors.DuplicateError):
        mirror_session(xnat, dest, session.id(), target.id())
    assert Path(note.get()).read_bytes() == b'mine'
    mirror_session(xnat, dest, session.id(), target.id(), overwrite=True)
    assert Path(note.get()).read_bytes() == b'note'


def test_labels_at_the_destination_may_differ(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    mirror_session(xnat, dest, session.id(), target.id(), subject='ANON', label='MR_ANON')
    assert target.subjects().get('label') == ['ANON']
    assert target.experiments().get('label') == ['MR_ANON']


def test_source_and_destination_may_be_the_same_archive(
    xnat: pyxnat.Interface, project: Any, session: Any
) -> None:
    session.reconstruction(f'REC_{project.id()}').delete()
    goal = xnat.select.project(f'{project.id()}_2').create()
    mirror_session(xnat, xnat, session.id(), goal.id())
    assert goal.subjects().get() != project.subjects().get()
    assert len(contents(goal.subject('S1').experiment('MR_1'))) == 6


def test_a_missing_project_or_session_is_an_error(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any
) -> None:
    with pytest.raises(errors.NotFoundError, match="no project 'NOPE'"):
        mirror_session(xnat, dest, session.id(), 'NOPE')
    with pytest.raises(errors.NotFoundError, match="no session 'NOPE'"):
        mirror_session(xnat, dest, 'NOPE', target.id())


def test_the_temporary_folder_is_removed(
    xnat: pyxnat.Interface, dest: pyxnat.Interface, session: Any, target: Any, tmp_path: Path
) -> None:
    room = tmp_path / 'room'
    room.mkdir()
    mirror_session(xnat, dest, session.id(), target.id(), folder=room)
    assert list(room.iterdir()) == []


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def configs(server: Any, other_server: Any, tmp_path: Path) -> list[str]:
    """Return options that name the configuration files of both archives."""
    options = []
    for option, one in (('--h1', server), ('--h2', other_server)):
        path = tmp_path / f'{option.strip("-")}.cfg'
        path.write_text(json.dumps({'server': one.url, 'user': one.user, 'password': one.password}))
        path.chmod(0o600)
        options += [option, str(path)]
    return options


def test_the_command_copies_and_prints_a_summary(
    configs: list[str], session: Any, target: Any
) -> None:
    said: list[str] = []
    assert main([*configs, '-e', session.id(), '-p', target.id(), '-v'], said.append) == 0
    assert '7 files' in said[-1]
    assert len(contents(target.subject('S1').experiment('MR_1'))) == 7


def test_the_command_fails_with_a_message(configs: list[str], target: Any) -> None:
    said: list[str] = []
    assert main([*configs, '-e', 'NOPE', '-p', target.id()], said.append) == 1
    assert "no session 'NOPE'" in said[-1]


def test_the_old_options_still_exist() -> None:
    options = create_parser().parse_args(
        [
            '--source_config',
            'a',
            '--dest_config',
            'b',
            '--experiment_id',
            'E',
            '--project_id',
            'P',
            '--verbose',
        ]
    )
    assert (
        options.source_config,
        options.dest_config,
        options.experiment_id,
        options.project_id,
        options.verbose,
    ) == ('a', 'b', 'E', 'P', True)
