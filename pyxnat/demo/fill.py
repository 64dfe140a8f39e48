"""Fill an archive with the demo's cohort; existing elements stay as they are."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError
from .cohort import PROJECTS, Project, Scan, Session, Subject
from .images import KINDS, Kind, contents

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Existing', 'fill', 'list_existing']


class Existing(NamedTuple):
    """Labels of existing subjects and sessions, and keys of scans and files.

    The keys are ``(session, scan)`` and ``(session, scan, file)``.
    """

    subjects: set[str]
    sessions: set[str]
    scans: set[tuple[str, str]]
    files: set[tuple[str, str, str]]


def list_existing(interface: Interface, project: str) -> Existing:
    """List all elements of a project.

    The number of requests does not depend on the number of subjects.

    Parameters
    ----------
    interface : Interface
        Connection to the archive.
    project : str
        ID of the project.
    """
    path = f'/projects/{project}/subjects'
    labels = dict(interface.select(f'{path}/*/experiments').get('id', 'label'))
    scans = interface.select(f'{path}/*/experiments/*/scans')
    files = interface.select(f'{path}/*/experiments/*/scans/*/resources/*/files')
    return Existing(
        set(interface.select(path).get('label')),
        set(labels.values()),
        {_scan_key(scan, labels) for scan in scans},
        {(*_scan_key(file.parent().parent(), labels), file.label()) for file in files},
    )


def _scan_key(scan: Any, labels: dict[str, str]) -> tuple[str, str]:
    """Return the label of the session and the ID of the scan.

    No request: the URI of a listed element has IDs.
    """
    return labels[scan.parent().path_name], scan.path_name


def fill(interface: Interface, people: Iterable[Subject]) -> int:
    """Create the missing elements of the three projects.

    Running it again completes an interrupted run.

    Parameters
    ----------
    interface : Interface
        Connection to the archive.
    people : iterable of Subject
        The cohort.

    Returns
    -------
    int
        Number of projects, subjects, sessions, scans and files added.

    Raises
    ------
    DataError
        An element is missing after it was added.
    """
    people = list(people)
    added = _put_missing(interface, people)
    if added and _put_missing(interface, people):
        raise DataError(
            'some added elements are missing',
            remedy='Check whether another user deletes in these projects.',
        )
    return added


def _put_missing(interface: Interface, people: Iterable[Subject]) -> int:
    there = set(interface.select.projects().get())
    added, known = 0, {}
    for project in PROJECTS:
        known[project.id] = (
            list_existing(interface, project.id)
            if project.id in there
            else _create(interface, project)
        )
        added += project.id not in there
    return added + sum(
        _put_subject(interface, subject, known[subject.project]) for subject in people
    )


def _create(interface: Interface, project: Project) -> Existing:
    interface.select.project(project.id).create(
        name=project.name, secondary_ID=project.id, description=project.description
    )
    return Existing(set(), set(), set(), set())


def _put_subject(interface: Interface, subject: Subject, known: Existing) -> int:
    element = interface.select.project(subject.project).subject(subject.label)
    new = subject.label not in known.subjects
    if new:
        element.create(
            gender=subject.gender,
            handedness=subject.handedness,
            group=subject.group,
            age=subject.age,
        )
    return new + sum(_put_session(element, subject, session, known) for session in subject.sessions)


def _put_session(parent: Any, subject: Subject, session: Session, known: Existing) -> int:
    element = parent.experiment(session.label)
    new = session.label not in known.sessions
    if new:
        age = {f'{session.datatype}/age': session.age}
        element.create(
            experiments=session.datatype, date=session.date, scanner=session.scanner, **age
        )
    return new + sum(
        _put_scan(element.scan(scan.id), subject, session, scan, known) for scan in session.scans
    )


def _put_scan(element: Any, subject: Subject, session: Session, scan: Scan, known: Existing) -> int:
    new = (session.label, scan.id) not in known.scans
    if new:
        element.create(
            scans=scan.datatype,
            type=scan.type,
            quality='usable',
            series_description=scan.description,
        )
    return new + sum(
        _put_files(element, kind, subject, session, scan, known) for kind in scan.kinds
    )


def _put_files(
    element: Any, kind: str, subject: Subject, session: Session, scan: Scan, known: Existing
) -> int:
    missing = [
        label for label in KINDS[kind].labels if (session.label, scan.id, label) not in known.files
    ]
    if missing:
        bodies = contents(kind, subject, session)
        form = KINDS[kind]
        _send(element.resource(form.resource), {label: bodies[label] for label in missing}, form)
    return len(missing)


def _send(resource: Any, bodies: dict[str, bytes], form: Kind) -> None:
    """Send a series as a zip, and a few files one by one."""
    options = {'format': form.format, 'content': form.content}
    if len(bodies) > 2:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'series.zip')
            with zipfile.ZipFile(path, 'w') as archive:
                for label, body in bodies.items():
                    archive.writestr(label, body)
            resource.put_zip(path, **options)
    else:
        for label, body in bodies.items():
            resource.file(label).put(body, **options)
