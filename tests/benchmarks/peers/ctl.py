"""The tasks with the Python interface of xnatctl 0.6.0.

It cannot create scans or download single files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import xnatctl
from xnatctl.models.hierarchy import ExperimentRef, ScanRef, SubjectRef

sys.path.insert(0, str(Path(__file__).parent))
from common import (
    ASKED,
    FIELDS,
    HOLDER,
    HOLDERS_PROJECT,
    NEW,
    PROJECTS,
    SESSION,
    SUBJECT,
    people,
    run,
)

Rows = Any


def sessions(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = [
        one
        for project in client.projects.list()
        for one in client.sessions.list(project=project.id, columns=['ID', 'label', 'xsiType'])
    ]
    return [(one.id, one.label, one.xsi_type) for one in found]


def tree(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    rows = []
    for project in client.projects.list():
        subjects = {
            one.id: (one.label, one.gender)
            for one in client.subjects.list(project=project.id, columns=['ID', 'label', 'gender'])
        }
        rows += [
            (one.id, *subjects[one.subject_id])
            for one in client.sessions.list(project=project.id, columns=['ID', 'subject_ID'])
        ]
    return rows


def table(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    genders = {one.id: one.gender for one in client.subjects.list(columns=['ID', 'gender'])}
    found = {
        one.id: one
        for one in client.sessions.list(modality='MR', columns=['ID', 'label', 'subject_ID'])
    }  # once for each project that shares it
    return [(one.id, one.label, genders[one.subject_id]) for one in found.values()]


def fields(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    return [
        (one.id, one.session_date, one.time, one.note)
        for one in client.sessions.list(project=ASKED, columns=FIELDS)
    ]


def scans(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    found = client.sessions.list(project=ASKED, columns=['ID'])
    rows = [
        (one.id, scan)
        for one in found
        for scan in client.scans.list(one.id, columns=['ID', 'type', 'quality'])
    ]
    return [(session, scan.id, scan.type, scan.quality) for session, scan in rows]


def files(client: Any, folder: Path, sources: Path, count: int) -> Rows:
    """Download all files; it ignores files of assessors."""
    holders: list[Any] = [SubjectRef(SUBJECT, PROJECTS[0], is_label=True)]
    for one in client.sessions.list(project=PROJECTS[0], subject=SUBJECT, columns=['ID']):
        session = ExperimentRef(one.id)
        holders += [
            session,
            *(ScanRef(session, scan.id) for scan in client.scans.list(one.id, columns=['ID'])),
        ]
    resources = [
        (holder, resource.label)
        for holder in holders
        for resource in client.resources.list(parent=holder)
    ]
    return [
        (file.name,)
        for holder, label in resources
        for file in client.resources.list_files(resource_label=label, parent=holder)
    ]


def put(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.resources.upload_file(_holder(client), folder.name, sources / 'one' / 'one_0000.dcm')


def insert(client: Any, folder: Path, sources: Path, count: int) -> None:
    for row in people(folder, count):
        client.subjects.create(NEW, row['label'], gender=row['gender'], yob=int(row['yob']))


def download(client: Any, folder: Path, sources: Path, count: int) -> None:
    found = client.hierarchy.resolve_experiment(
        ExperimentRef(SESSION, PROJECTS[0], experiment_is_label=True)
    )
    outcome = client.downloads.download_session_fast(
        session_project=PROJECTS[0],
        subject=SUBJECT,
        resolved_session_id=found.experiment_id,
        session_dir=folder,
    )
    assert not outcome.failed, outcome


def many(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.downloads.download_resource(
        HOLDER, 'MANY', folder, project=HOLDERS_PROJECT, extract=True
    )


def middling(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.downloads.download_resource(
        HOLDER, 'MIDDLING', folder, project=HOLDERS_PROJECT, extract=True
    )


def huge(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.downloads.download_resource(
        HOLDER, 'HUGE', folder, project=HOLDERS_PROJECT, extract=True
    )


def send_many(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.resources.upload_directory(_holder(client), folder.name, sources / 'many')


def send_big(client: Any, folder: Path, sources: Path, count: int) -> None:
    session = _holder(client)
    for path in sorted((sources / 'big').iterdir()):
        client.resources.upload_file(session, folder.name, path)


def send_huge(client: Any, folder: Path, sources: Path, count: int) -> None:
    client.resources.upload_file(_holder(client), folder.name, sources / 'huge' / 'huge_0000.dcm')


def _holder(client: Any) -> str:
    """Return the accession ID, because files are uploaded to sessions by ID."""
    return client.hierarchy.resolve_experiment(
        ExperimentRef(HOLDER, HOLDERS_PROJECT, experiment_is_label=True)
    ).experiment_id


def connect(url: str, user: str, password: str) -> Any:
    client = xnatctl.XNATClient(url, user, password)
    client.authenticate()
    return client


again = download
many_again = many
middling_again = middling

if __name__ == '__main__':
    run(connect, vars())
