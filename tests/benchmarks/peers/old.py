"""The tasks with pyxnat 1.6.4."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyxnat

sys.path.insert(0, str(Path(__file__).parent))
from common import ASKED, FIELDS, NEW, PROJECTS, SESSION, SUBJECT, TRANSFERS, people, run

Rows = Any


def sessions(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    return [
        (one.id(), one.label(), one.datatype())
        for one in interface.select('/projects/*/subjects/*/experiments/*')
    ]


def tree(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    subjects = [
        (one, one.label(), one.attrs.get('gender'))
        for one in interface.select('/projects/*/subjects/*')
    ]
    return [
        (one.id(), label, gender)
        for subject, label, gender in subjects
        for one in subject.experiments()
    ]


def table(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    columns = [
        'xnat:mrSessionData/SESSION_ID',
        'xnat:mrSessionData/LABEL',
        'xnat:subjectData/GENDER',
    ]
    found = interface.select('xnat:mrSessionData', columns).all()
    return [(row['session_id'], row['label'], row['xnat_subjectdata_gender']) for row in found]


def fields(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = interface.select(f'/projects/{ASKED}/subjects/*/experiments/*')
    return [
        (one.id(), *one.attrs.mget([f'xnat:experimentData/{field}' for field in FIELDS[1:]]))
        for one in found
    ]


def scans(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = interface.select(f'/projects/{ASKED}/subjects/*/experiments/*')
    rows = [(one.id(), scan) for one in found for scan in one.scans()]
    return [(session, scan.id(), *scan.attrs.mget(['type', 'quality'])) for session, scan in rows]


def files(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    return [
        (one.label(),)
        for one in interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}//files')
    ]


def put(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).file('one.dcm').put(
        str(sources / 'one' / 'one_0000.dcm')
    )


def create(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(
        f'/projects/{NEW}/subjects/{folder.name}/experiments/{folder.name}_E/scans/1'
    ).create()


def insert(interface: Any, folder: Path, sources: Path, count: int) -> None:
    project = interface.select.project(NEW)
    for row in people(folder, count):
        named = {
            f'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/{name}': row[name]
            for name in ('gender', 'yob')
        }
        project.subject(row['label']).create(**named)


def download(interface: Any, folder: Path, sources: Path, count: int) -> None:
    found = interface.select(
        f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}/experiments/{SESSION}/scans/*/resources/*/'
        'files'
    )
    for one in found:
        one.get(str(folder / one.label()))


def many(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('MANY').get(str(folder), extract=True)


def single(interface: Any, folder: Path, sources: Path, count: int) -> None:
    for number, one in enumerate(interface.select(TRANSFERS).resource('MANY').files()):
        if number == count:
            break
        one.get(str(folder / one.label()))


def middling(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('MIDDLING').get(str(folder), extract=True)


def huge(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('HUGE').file('huge_0000.dcm').get(str(folder / 'huge.dcm'))


def send_many(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).put_dir(str(sources / 'many'))


def send_big(interface: Any, folder: Path, sources: Path, count: int) -> None:
    resource = interface.select(TRANSFERS).resource(folder.name)
    for path in sorted((sources / 'big').iterdir()):
        resource.file(path.name).put(str(path))


def send_huge(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).file('huge.dcm').put(
        str(sources / 'huge' / 'huge_0000.dcm')
    )


again = download
many_again = many
middling_again = middling


def connect(url: str, user: str, password: str) -> Any:
    return pyxnat.Interface(server=url, user=user, password=password)


if __name__ == '__main__':
    run(connect, vars(), begin=lambda interface: interface._exec('/data/JSESSION'))
