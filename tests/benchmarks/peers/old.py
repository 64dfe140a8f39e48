"""The tasks with pyxnat 1.6.4."""

from __future__ import annotations

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


def files(interface: Any, folder: Path) -> int:
    return len(list(interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}//files')))


def mget(interface: Any, folder: Path) -> int:
    return len([one.attrs.mget(FIELDS) for one in interface.select(f'/projects/{PROJECTS[0]}/subjects/*/experiments/*')])


def scans(interface: Any, folder: Path) -> int:
    found = interface.select(f'/projects/{PROJECTS[0]}/subjects/*/experiments/*/scans/*')
    return len([(one.id(), *one.attrs.mget(['type', 'quality'])) for one in found])


def put(interface: Any, folder: Path) -> int:
    interface.select(f'/projects/{PROJECTS[0]}/resources/{folder.name}/files/f.txt').put(str(folder / 'one.txt'))
    return 1


def create(interface: Any, folder: Path) -> int:
    interface.select(f'/projects/{PROJECTS[1]}/subjects/{folder.name}/experiments/{folder.name}_E/scans/1').create()
    return 3


def download(interface: Any, folder: Path) -> int:
    return len([one.get(str(folder / f'{number}')) for number, one in enumerate(_session_files(interface))])


def _session_files(interface: Any) -> Any:
    return interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}/experiments/{SESSION}/scans/*/resources/*/files')


def many(interface: Any, folder: Path) -> int:
    return len(interface.select(f'/projects/{PROJECTS[0]}/resources/MANY').get(str(folder), extract=True))


again = download

if __name__ == '__main__':
    run(lambda url, user, password: pyxnat.Interface(server=url, user=user, password=password), vars())
