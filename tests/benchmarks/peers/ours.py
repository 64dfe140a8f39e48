"""The tasks with this library."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pyxnat

sys.path.insert(0, str(Path(__file__).parent))
from common import ASKED, FIELDS, NEW, PARALLEL, PROJECTS, SESSION, SUBJECT, TRANSFERS, people, run

Rows = Any


def sessions(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    return interface.select('/projects/*/experiments/*').get('id', 'label', 'datatype')


def tree(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = interface.select('/projects/*/subjects/*/experiments/*').table(
        ['ID', 'subject/label', 'subject/gender']
    )
    return found.items()


def table(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    columns = [
        'xnat:mrSessionData/SESSION_ID',
        'xnat:mrSessionData/LABEL',
        'xnat:subjectData/GENDER',
    ]
    found = interface.select('xnat:mrSessionData', columns).all()
    return [(row['session_id'], row['label'], row['xnat_subjectdata_gender']) for row in found]


def fields(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    return interface.select(f'/projects/{ASKED}/experiments/*').table(FIELDS).items()


def scans(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = interface.select(f'/projects/{ASKED}/experiments/*/scans/*')
    return found.table(['experiment/ID', 'ID', 'type', 'quality']).items()


def files(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    return [
        (one.label(),)
        for one in interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}//files')
    ]


def put(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).file('one.dcm').put(
        sources / 'one' / 'one_0000.dcm'
    )


def create(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(
        f'/projects/{NEW}/subjects/{folder.name}/experiments/{folder.name}_E/scans/1'
    ).create()


def insert(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select.project(NEW).subjects().insert(people(folder, count)).check()


def download(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(f'/projects/{PROJECTS[0]}/subjects/{SUBJECT}/experiments/{SESSION}').download(
        folder
    ).check()


def many(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('MANY').download(folder).check()


def single(interface: Any, folder: Path, sources: Path, count: int) -> None:
    found = interface.select(TRANSFERS).resource('MANY').files()[:count]
    interface.bulk.map(found, lambda one: one.get(folder / one.label()), jobs=PARALLEL).check()


def middling(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('MIDDLING').download(folder).check()


def huge(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource('HUGE').file('huge_0000.dcm').get(folder / 'huge.dcm')


def send_many(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).put_dir(sources / 'many')


def send_big(interface: Any, folder: Path, sources: Path, count: int) -> None:
    resource = interface.select(TRANSFERS).resource(folder.name)
    for path in sorted((sources / 'big').iterdir()):
        resource.file(path.name).put(path)


def upload_many(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).upload(sources / 'many').check()


def upload_big(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).upload(sources / 'big').check()


def send_huge(interface: Any, folder: Path, sources: Path, count: int) -> None:
    interface.select(TRANSFERS).resource(folder.name).file('huge.dcm').put(
        sources / 'huge' / 'huge_0000.dcm'
    )


def hits(interface: Any, folder: Path, sources: Path, count: int) -> Rows:
    """Repeat the same small listing, which comes from the cache."""
    interface.cache.expiration = None
    found = [interface._exec(f'/data{TRANSFERS}/scans?format=json') for _ in range(count)]
    return [() for one in found if one == found[0]]


again = download
many_again = many
upload_again = upload_many
middling_again = middling


def connect(url: str, user: str, password: str) -> pyxnat.Interface:
    return pyxnat.Interface(url, user, password, os.environ['PYXNAT_CACHEDIR'])


if __name__ == '__main__':
    run(connect, vars(), begin=lambda interface: interface._exec('/data/JSESSION'))
