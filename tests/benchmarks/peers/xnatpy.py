"""The tasks with xnatpy 0.8.1."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import xnat

sys.path.insert(0, str(Path(__file__).parent))
from common import PROJECTS, SESSION, SUBJECT, run


def sessions(connection: Any, folder: Path) -> int:
    return len(
        [
            (one.id, one.label, one.__xsi_type__)
            for project in PROJECTS
            for subject in connection.projects[project].subjects.values()
            for one in subject.experiments.values()
        ]
    )


def table(connection: Any, folder: Path) -> int:
    return len(
        [
            (one.id, one.label, subject.demographics.gender)
            for project in PROJECTS
            for subject in connection.projects[project].subjects.values()
            for one in subject.experiments.values()
        ]
    )


def files(connection: Any, folder: Path) -> int:
    subject = connection.projects[PROJECTS[0]].subjects[SUBJECT]
    return sum(
        len(resource.files) for session in subject.experiments.values() for scan in session.scans.values() for resource in scan.resources.values()
    )


def mget(connection: Any, folder: Path) -> int:
    experiments = connection.projects[PROJECTS[0]].experiments.values()
    return len([(one.date, one.scanner, one.age) for one in experiments])


def scans(connection: Any, folder: Path) -> int:
    experiments = connection.projects[PROJECTS[0]].experiments.values()
    return len([(scan.id, scan.type, scan.quality) for one in experiments for scan in one.scans.values()])


def put(connection: Any, folder: Path) -> int:
    resource = connection.projects[PROJECTS[0]].create_resource(folder.name)
    resource.upload(str(folder / 'one.txt'), 'f.txt')
    return 1


def create(connection: Any, folder: Path) -> int:
    subject = connection.classes.SubjectData(parent=connection.projects[PROJECTS[1]], label=folder.name)
    session = connection.classes.MrSessionData(parent=subject, label=f'{folder.name}_E')
    connection.classes.MrScanData(parent=session, id='1', type='T1')
    return 3


def download(connection: Any, folder: Path) -> int:
    session = connection.projects[PROJECTS[0]].subjects[SUBJECT].experiments[SESSION]
    session.download_dir(str(folder), verbose=False)
    return sum(1 for path in folder.rglob('*') if path.is_file() and path.suffix == '.dcm')


def many(connection: Any, folder: Path) -> int:
    connection.projects[PROJECTS[0]].resources['MANY'].download_dir(str(folder), verbose=False)
    return sum(1 for path in folder.rglob('*') if path.is_file() and path.suffix == '.dcm')


again = download

if __name__ == '__main__':
    run(lambda url, user, password: xnat.connect(url, user=user, password=password, verify=True, loglevel='ERROR'), vars())
