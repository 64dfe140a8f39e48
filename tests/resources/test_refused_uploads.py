"""Tests of uploads that XNAT answers with success, although the login may not store them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.server import serve

LOGIN = 'technician'
RIGHTS = {'subjectData': 'R', 'mrSessionData': 'RE', 'petSessionData': 'R'}


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve an archive whose technician may edit MR sessions of P, read PET, and read Q."""
    given = '&'.join(
        f'xnat:{kind}_xnat:{kind}/project_P_{right}=1'
        for kind, rights in RIGHTS.items()
        for right in rights
    )
    with (
        serve(
            tmp_path_factory.mktemp('archive'),
            password='secret',
            users={LOGIN: 'pw'},
            silent_refusals=True,
            durable=False,
        ) as running,
        pyxnat.Interface(running.url, 'admin', 'secret') as admin,
    ):
        for path in (
            'P',
            'Q',
            'P/subjects/S/experiments/MR?xsiType=xnat:mrSessionData',
            'P/subjects/S/experiments/PET?xsiType=xnat:petSessionData',
            'P/subjects/S/experiments/PET/scans/1?xsiType=xnat:petScanData',
            'Q/subjects/T/experiments/THEIRS?xsiType=xnat:mrSessionData',
            'Q/subjects/T/projects/P?label=T',
            'Q/subjects/T/experiments/THEIRS/projects/P?label=THEIRS',
            f'Q/users/collaborator/{LOGIN}',
            f'P/groups/P_ANY?xdat:userGroup/displayname=Technicians&{given}',
            f'P/users/Technicians/{LOGIN}',
        ):
            admin.put(f'/data/projects/{path}').raise_for_status()
        yield running


@pytest.mark.parametrize(
    'path',
    [
        'subjects/S/experiments/PET/resources/R',
        'subjects/S/experiments/PET/scans/1/resources/R',
        'subjects/S/resources/R',
        'resources/R',
        'subjects/T/experiments/THEIRS/resources/R',
        'experiments/THEIRS/resources/R',
        'subjects/T/resources/R',
    ],
)
def test_no_upload_is_lost_after_one_that_was_stored(server: Any, path: str) -> None:
    """Rights differ by data type, and between sessions of a project and those shared with it."""
    with pyxnat.Interface(server.url, LOGIN, 'pw') as xnat:
        project = xnat.select.project('P')
        mine = project.subject('S').experiment('MR')
        mine.resource('R').file('first').put(b'stored', overwrite=True)
        mine.scan('1').resource('R').file('first').put(b'stored', overwrite=True)
        with pytest.raises(errors.PermissionDenied, match='stored nothing'):
            xnat.select(f'/projects/P/{path}').file('lost').put(b'lost')


def test_no_upload_is_lost_after_the_right_was_taken_away(server: Any) -> None:
    with (
        pyxnat.Interface(server.url, 'admin', 'secret') as admin,
        pyxnat.Interface(server.url, LOGIN, 'pw') as xnat,
    ):
        resource = xnat.select('/projects/P/subjects/S/experiments/MR/resources/R')
        resource.file('before').put(b'stored', overwrite=True)
        admin.delete(f'/data/projects/P/users/Technicians/{LOGIN}').raise_for_status()
        admin.put(f'/data/projects/P/users/collaborator/{LOGIN}').raise_for_status()
        try:
            with pytest.raises(errors.PermissionDenied, match='stored nothing'):
                resource.file('after').put(b'lost')
        finally:
            admin.put(f'/data/projects/P/users/Technicians/{LOGIN}').raise_for_status()


def test_files_of_a_folder_that_were_not_stored_are_named(server: Any, tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text('lost')
    with pyxnat.Interface(server.url, LOGIN, 'pw') as xnat:
        resource = xnat.select('/projects/P/subjects/T/experiments/THEIRS/resources/R')
        report = resource.upload(tmp_path)
        assert [failure.what for failure in report.failed] == ['a.txt'], report
