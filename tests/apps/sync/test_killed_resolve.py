"""Tests of resolutions that are killed, at each moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from itertools import groupby
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP, ROOT

from .conflicts import KINDS, create, texts
from .test_pull import content, pulled
from .test_push import equal

MOMENTS = 30
"""More than the writes of any resolution."""
CASES = [
    (kind, take)
    for kind, one in KINDS.items()
    for take in ('local', 'remote', 'both')
    if getattr(one, take) is not None
]

PROGRAM = """
import json, os, sys
import pyxnat
from pyxnat.apps.sync.state import State
from pyxnat.http.folder import Folder, FolderHttp
WRITES = [Folder.put_exact, Folder.change_id, Folder.set_shares, Folder.delete_item]
WRITES += [getattr(State, name) for name in ('rebase', 'rebase_field', 'end_conflicts', 'unmark')]
WRITES += [State.bury, State.forget, State.recompare, FolderHttp.request]
CODES = {one.__code__ for one in WRITES}
left = 10**9
def count():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
def hook(event, arguments):
    if event in ('os.rename', 'os.remove'):
        count()
def profile(frame, event, argument):
    if event in ('call', 'return') and frame.f_code in CODES:
        if frame.f_locals.get('method') != 'GET':
            count()
place, take, todo = sys.argv[1:]
killed = []
for moment, keys in json.loads(todo):
    process = os.fork()
    if not process:
        with pyxnat.Mirror(place) as mirror:
            sys.addaudithook(hook)
            sys.setprofile(profile)
            left = moment
            mirror.resolve(keys, take)
            left = 10**9
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    assert status in (0, 9), status
    killed.append(status == 9)
print(json.dumps(killed))
"""
"""Ends conflicts, each in a process that kills itself before or after so many writes to the folder
or the state, or in them."""


@pytest.mark.parametrize(('kind', 'take'), CASES)
@pytest.mark.sample(36)
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='processes')
def test_a_killed_resolution_is_finished_by_the_next(
    kind: str, take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    moments = [*range(MOMENTS)] if DEEP else [0, *range(1 + len(kind + take) % 3, 9, 3), MOMENTS]
    names = [f'K{moment:03}' for moment in moments]
    for name in names:
        create(there, name)
    pulled(mirror)
    for name in names:
        for side, project in (('there', there), ('here', here)):
            KINDS[kind].change(project.subject(name), side)
    assert not mirror.pull(max_delete=1).failed
    units = groupby(sorted(mirror.conflicts(), key=lambda one: one.unit), lambda one: one.unit)
    todo = [
        (moment, [one.key for one in some])
        for moment, (_, some) in zip(moments, units, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, str(mirror.folder), take, json.dumps(todo)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert not done.returncode, done.stderr.decode()
    killed = json.loads(done.stdout)
    assert killed[0] and not killed[-1], sum(killed)
    for _ in range(4):
        mirror.pull(max_delete=1)
        with suppress(errors.DataError):
            mirror.resolve(mirror.conflicts(), take)
        mirror.pull(max_delete=1)
        mirror.push(delete=True, max_delete=1)
        if mirror.status() == ([], [], []):
            break
    assert equal(mirror, xnat, there.id())
    found = texts(content(xnat, there.id()))
    wrong = {
        moment: found.get(name, '')
        for moment, name in zip(moments, names, strict=True)
        if found.get(name, '') != getattr(KINDS[kind], take)
    }
    assert not wrong, (sum(killed), wrong)
