"""The tasks with this library."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pyxnat

sys.path.insert(0, str(Path(__file__).parent))
from common import PROJECTS, SESSION, SUBJECT, run

FIELDS = ['xnat:mrSessionData/date', 'xnat:mrSessionData/scanner', 'xnat:mrSessionData/age']


def sessions(interface: Any, folder: Path) -> int:
    found = interface.select('/projects/BENCH*/subjects/*/experiments/*')
    return len([(one.id(), one.label(), one.datatype()) for one in found])


def table(interface: Any, folder: Path) -> int:
    columns = ['xnat:mrSessionData/SESSION_ID', 'xnat:mrSessionData/LABEL', 'xnat:subjectData/GENDER']
    return len(interface.select('xnat:mrSessionData', columns).where([('xnat:mrSessionData/PROJECT', 'LIKE', 'BENCH%'), 'AND']))


def mget(interface: Any, folder: Path) -> int:
    return len(interface.select(f'/projects/{PROJECTS[0]}/subjects/*/experiments/*').mget(FIELDS))


def scans(interface: Any, folder: Path) -> int:
    found = interface.select(f'/projects/{PROJECTS[0]}/subjects/*/experiments/*/scans/*')
    return len(found.table(['ID', 'type', 'quality']))


def files(interface: Any, folder: Path) -> int:
    return len(list(interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}//files')))


def put(interface: Any, folder: Path) -> int:
    interface.select(f'/projects/{PROJECTS[0]}/resources/{folder.name}/files/f.txt').put(folder / 'one.txt')
    return 1


def create(interface: Any, folder: Path) -> int:
    interface.select(f'/projects/{PROJECTS[1]}/subjects/{folder.name}/experiments/{folder.name}_E/scans/1').create()
    return 3


def download(interface: Any, folder: Path) -> int:
    session = interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}/experiments/{SESSION}')
    report = session.download(folder)
    return len(report.ok) + len(report.skipped)


again = download


def many(interface: Any, folder: Path) -> int:
    return len(interface.select(f'/projects/{PROJECTS[0]}/resources/MANY').download(folder).ok)


def connect(url: str, user: str, password: str) -> pyxnat.Interface:
    return pyxnat.Interface(url, user, password, os.environ['PYXNAT_CACHEDIR'])


if __name__ == '__main__':
    run(connect, vars())
