"""The tasks with xnatpy 0.8.1: tables of its listings where they have the columns, its search, and
objects for the rest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import xnat
from xnat.search import DisplayFieldSearchField

sys.path.insert(0, str(Path(__file__).parent))
from common import (
    ASKED,
    FIELDS,
    HOLDER,
    HOLDERS_PROJECT,
    HOLDERS_SUBJECT,
    NEW,
    PROJECTS,
    SESSION,
    SUBJECT,
    people,
    run,
)

Rows = Any


def sessions(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    return [
        row
        for project in connection.projects.values()
        for row in project.experiments.tabulate(columns=['ID', 'label', 'xsiType'])
    ]


def tree(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    rows = []
    for project in connection.projects.values():
        subjects = {
            row.ID: (row.label, row.gender)
            for row in project.subjects.tabulate(columns=['ID', 'label', 'gender'])
        }
        rows += [
            (row.ID, *subjects[row.subject_ID])
            for row in project.experiments.tabulate(columns=['ID', 'subject_ID'])
        ]
    return rows


def table(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    session, subject = connection.classes.MrSessionData, connection.classes.SubjectData
    # XNAT lists neither LABEL nor GENDER among the fields of its types, so the classes lack them.
    label = DisplayFieldSearchField(session, 'LABEL', 'xs:string')
    gender = DisplayFieldSearchField(subject, 'GENDER', 'xs:string')
    found = session.query().view(session.SESSION_ID, label, gender).tabulate_dict()
    return [(row['session_id'], row['label'], row['xnat_subjectdata_gender']) for row in found]


def fields(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    return connection.projects[ASKED].experiments.tabulate(columns=FIELDS)


def scans(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = connection.projects[ASKED].experiments.values()
    return [
        (one.id, *row)
        for one in found
        for row in one.scans.tabulate(columns=['ID', 'type', 'quality'])
    ]


def files(connection: Any, folder: Path, sources: Path, count: int) -> Rows:
    subject = connection.projects[PROJECTS[0]].subjects[SUBJECT]
    holders = [subject]
    for session in subject.experiments.values():
        # Without reconstructions: XNAT returns 500 for the columns that xnatpy requests.
        holders += [session, *session.scans.values(), *session.assessors.values()]
    return [
        (Path(file.id).name,)
        for holder in holders
        for resource in holder.resources.values()
        for file in resource.files.values()
    ]


def put(connection: Any, folder: Path, sources: Path, count: int) -> None:
    resource = _holder(connection).create_resource(folder.name)
    resource.upload(str(sources / 'one' / 'one_0000.dcm'), 'one.dcm')


def create(connection: Any, folder: Path, sources: Path, count: int) -> None:
    subject = connection.classes.SubjectData(parent=connection.projects[NEW], label=folder.name)
    session = connection.classes.MrSessionData(parent=subject, label=f'{folder.name}_E')
    connection.classes.MrScanData(parent=session, id='1', type='T1')


def insert(connection: Any, folder: Path, sources: Path, count: int) -> None:
    project = connection.projects[NEW]
    for row in people(folder, count):
        subject = connection.classes.SubjectData(parent=project, label=row['label'])
        subject.demographics.gender = row['gender']
        subject.demographics.yob = int(row['yob'])


def download(connection: Any, folder: Path, sources: Path, count: int) -> None:
    session = connection.projects[PROJECTS[0]].subjects[SUBJECT].experiments[SESSION]
    session.download_dir(str(folder), verbose=False)


def many(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).resources['MANY'].download_dir(str(folder), verbose=False)


def single(connection: Any, folder: Path, sources: Path, count: int) -> None:
    for one in list(_holder(connection).resources['MANY'].files.values())[:count]:
        one.download(str(folder / one.id), verbose=False)


def middling(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).resources['MIDDLING'].download_dir(str(folder), verbose=False)


def huge(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).resources['HUGE'].files['huge_0000.dcm'].download(
        str(folder / 'huge.dcm'), verbose=False
    )


def send_many(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).create_resource(folder.name).upload_dir(sources / 'many', method='tar_file')


def send_big(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).create_resource(folder.name).upload_dir(sources / 'big', method='per_file')


def send_huge(connection: Any, folder: Path, sources: Path, count: int) -> None:
    _holder(connection).create_resource(folder.name).upload(
        str(sources / 'huge' / 'huge_0000.dcm'), 'huge.dcm'
    )


def _holder(connection: Any) -> Any:
    return connection.projects[HOLDERS_PROJECT].subjects[HOLDERS_SUBJECT].experiments[HOLDER]


again = download
many_again = many
middling_again = middling

if __name__ == '__main__':
    run(
        lambda url, user, password: xnat.connect(
            url, user=user, password=password, loglevel='ERROR'
        ),
        vars(),
    )
