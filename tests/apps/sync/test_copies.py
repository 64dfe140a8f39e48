"""Tests of copied folders, and of two programs that pull or push one folder at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import ROOT

from .test_pull import pulled
from .test_push import equal, pushed

PULLING = """
import sys
import pyxnat
folder, server, user, word = sys.argv[1:]
def hook(event, arguments):
    if event == 'socket.connect':
        print('pulling', flush=True)
        sys.stdin.readline()
with pyxnat.Interface(server, user, word) as xnat, pyxnat.Mirror(folder, remote=xnat) as mirror:
    sys.addaudithook(hook)
    mirror.pull()
"""


@pytest.mark.parametrize('first', ['copy', 'original'])
@pytest.mark.sample(3)
def test_copies_of_a_folder_lose_and_double_nothing(
    first: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, tmp_path: Path
) -> None:
    here.subject('BEFORE').create(group='both')
    mirror.close()
    shutil.copytree(tmp_path / 'study', tmp_path / 'copy')
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as copy:
        sides = {'original': mirror, 'copy': copy}
        for name, side in sides.items():
            project = side.local.select.project(there.id())
            project.subject(f'OF_{name}').create()
            project.subject('S').attrs.set('group' if name == 'copy' else 'src', name)
            project.subject('BOTH').create(group=name)
        assert here.subject('OF_original').id().startswith('LOCAL_S')
        order = sorted(sides, key=lambda name: name != first)
        for name in order:
            assert not sides[name].pull().failed
            sides[name].push()
        assert len(sides[order[1]].conflicts()) == 1, 'BOTH has two groups'
        sides[order[1]].resolve(sides[order[1]].conflicts(), 'both')
        pulled(sides[order[1]])
        pushed(sides[order[1]])
        pulled(sides[order[0]])
        wanted = ['BEFORE', 'BOTH', 'BOTH_local', 'OF_copy', 'OF_original', 'S']
        assert sorted(there.subjects().get('label')) == wanted
        assert there.subject('S').attrs.mget(['group', 'src']) == ['copy', 'original']
        assert equal(mirror, xnat, there.id())


def test_a_copy_is_told_once_and_a_renamed_or_restored_folder_is_none(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    mirror.close()
    shutil.copytree(tmp_path / 'study', tmp_path / 'copy')
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as copy:
        assert 'is a copy of another mirror' in pulled(copy).notes[0]
        assert pulled(copy).notes == []
    for source in tmp_path.glob('copy/*.sqlite*'):
        shutil.copyfile(source, tmp_path / 'study' / source.name)
    for source in tmp_path.glob('copy/mirror/*.sqlite*'):
        shutil.copyfile(source, tmp_path / 'study' / 'mirror' / source.name)
    os.rename(tmp_path / 'copy', tmp_path / 'renamed')
    with pyxnat.Mirror(tmp_path / 'renamed', remote=xnat) as renamed:
        assert pulled(renamed).notes == []


def test_one_program_pulls_or_pushes_a_folder_at_a_time(
    mirror: pyxnat.Mirror, server: Any, here: Any, tmp_path: Path
) -> None:
    here.subject('S').attrs.set('group', 'mine')
    login = (server.url, server.user, server.password)
    with subprocess.Popen(
        [sys.executable, '-c', PULLING, str(tmp_path / 'study'), *login],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == b'pulling\n'
            for change in (mirror.pull, mirror.push, lambda: mirror.resolve([], 'local')):
                with pytest.raises(errors.BusyError, match='by another program'):
                    change()
            assert len(mirror.status().ahead) == 1, 'reading needs no turn'
        finally:
            other.kill()
    assert pushed(mirror) == ['change']
