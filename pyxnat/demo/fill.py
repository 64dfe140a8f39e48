"""Puts the demo's cohort into an archive, through the public methods of an Interface; what is there already stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError
from .cohort import PROJECTS, Project, Scan, Session, Subject
from .images import KINDS, contents

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Held', 'fill', 'held']


class Held(NamedTuple):
    """What a project has: labels of subjects, of sessions, ``(session, scan)`` and ``(session, scan, file)``."""

    subjects: set[str]
    sessions: set[str]
    scans: set[tuple[str, str]]
    files: set[tuple[str, str, str]]


def held(interface: Interface, project: str) -> Held:
    """Ask for everything in a project: a few listings, however many subjects it has."""
    path = f'/projects/{project}/subjects'
    labels = dict(interface.select(f'{path}/*/experiments').get('id', 'label'))
    scans = interface.select(f'{path}/*/experiments/*/scans')
    files = interface.select(f'{path}/*/experiments/*/scans/*/resources/*/files')
    return Held(
        set(interface.select(path).get('label')),
        set(labels.values()),
        {_scan_key(scan, labels) for scan in scans},
        {(*_scan_key(file.parent().parent(), labels), file.label()) for file in files},
    )


def _scan_key(scan: Any, labels: dict[str, str]) -> tuple[str, str]:
    """Label of the session and ID of the scan, from the URI alone: an element that was listed is addressed by IDs."""
    return labels[scan.parent().path_name], scan.path_name


def fill(interface: Interface, people: Iterable[Subject]) -> int:
    """Create what is missing of the three projects and their subjects. A run that was cut short is completed by the next.

    Returns
    -------
    int
        How many projects, subjects, sessions, scans and files were added.
    """
    people = list(people)
    added = _put_missing(interface, people)
    if added and _put_missing(interface, people):
        raise DataError('not all that was put is there', remedy='See whether somebody else deletes in these projects.')
    return added


def _put_missing(interface: Interface, people: Iterable[Subject]) -> int:
    there = set(interface.select.projects().get())
    added, known = 0, {}
    for project in PROJECTS:
        known[project.id] = held(interface, project.id) if project.id in there else _create(interface, project)
        added += project.id not in there
    return added + sum(_put_subject(interface, subject, known[subject.project]) for subject in people)


def _create(interface: Interface, project: Project) -> Held:
    interface.select.project(project.id).create(name=project.name, secondary_ID=project.id, description=project.description)
    return Held(set(), set(), set(), set())


def _put_subject(interface: Interface, subject: Subject, known: Held) -> int:
    element = interface.select.project(subject.project).subject(subject.label)
    new = subject.label not in known.subjects
    if new:
        element.create(gender=subject.gender, handedness=subject.handedness, group=subject.group, age=subject.age)
    return new + sum(_put_session(element, subject, session, known) for session in subject.sessions)


def _put_session(parent: Any, subject: Subject, session: Session, known: Held) -> int:
    element = parent.experiment(session.label)
    new = session.label not in known.sessions
    if new:
        age = {f'{session.datatype}/age': session.age}
        element.create(experiments=session.datatype, date=session.date, scanner=session.scanner, **age)
    return new + sum(_put_scan(element.scan(scan.id), subject, session, scan, known) for scan in session.scans)


def _put_scan(element: Any, subject: Subject, session: Session, scan: Scan, known: Held) -> int:
    new = (session.label, scan.id) not in known.scans
    if new:
        element.create(scans=scan.datatype, type=scan.type, quality='usable', series_description=scan.description)
    return new + sum(_put_files(element, kind, subject, session, scan, known) for kind in scan.kinds)


def _put_files(element: Any, kind: str, subject: Subject, session: Session, scan: Scan, known: Held) -> int:
    missing = [label for label in KINDS[kind].labels if (session.label, scan.id, label) not in known.files]
    bodies = contents(kind, subject, session) if missing else {}
    for label in missing:
        form = KINDS[kind]
        element.resource(form.resource).file(label).put(bodies[label], format=form.format, content=form.content)
    return len(missing)
