"""Tests of mirrors of a server with data types of plug-ins."""

from __future__ import annotations

from pathlib import Path

import pyxnat
from pyxnat.server import serve
from tests.server.test_plugins import FS

from .test_pull import content, pulled

SCAN = FS.replace('xnat:mrAssessorData', 'xnat:mrSessionData').replace('Freesurfer', 'Special')
SCAN = SCAN.replace('fsData', 'ownData').replace('example.org/fs', 'example.org/own')
SCAN = SCAN.replace('fs:', 'own:').replace(':fs=', ':own=')


def test_types_of_the_site_are_pulled_searched_and_created(tmp_path: Path) -> None:
    (tmp_path / 'xsd').mkdir()
    for name, text in (('fs', FS), ('own', SCAN)):
        (tmp_path / 'xsd' / f'{name}.xsd').write_text(text)
    with (
        serve(tmp_path / 'archive', durable=False, schemas=[tmp_path / 'xsd']) as server,
        pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'cache') as xnat,
        pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror,
    ):
        session = xnat.select('/projects/P/subjects/S/experiments/E')
        session.create(experiments='own:ownData', **{'own:ownData/fs_version': '5'})
        session.assessor('A').create(assessors='fs:fsData', **{'fs:fsData/fs_version': '6'})
        pulled(mirror, '/projects/P')
        assert content(mirror.local, 'P') == content(xnat, 'P')
        assert sorted(path.name for path in (tmp_path / 'study/mirror/schemas').iterdir()) == [
            'fs.xsd',
            'own.xsd',
        ]
        for side in (mirror.local, xnat):
            criteria = [('own:ownData/fs_version', '=', '5')]
            assert (
                len(list(side.select('own:ownData', ['own:ownData/fs_version']).where(criteria)))
                == 1
            )
            path = '/projects/P/subjects/*/experiments/*/assessors'
            assert side.select(path).get('label') == ['A']
        mine = mirror.local.select('/projects/P/subjects/S/experiments/MINE')
        mine.create(experiments='own:ownData', **{'own:ownData/fs_version': '7'})
        assert mirror.push().failed == []
        assert content(mirror.local, 'P') == content(xnat, 'P')
        with xnat.trace() as trace:
            pulled(mirror)
        assert not any('/xapi/' in request.uri for request in trace)
    with pyxnat.open(tmp_path / 'study') as local:
        assert len(list(local.select('own:ownData', ['own:ownData/fs_version']).rows())) == 2
