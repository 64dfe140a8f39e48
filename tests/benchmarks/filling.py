"""Content of the archive of the benchmarks, and the expected results.

Some projects of subjects with two sessions of two scans each; the last session of a project is a
PET session, the others are MR sessions. One subject with a session is shared into another project,
and one session has an assessor: a client that confuses these with other items gets wrong results.
One subject has files in its scans and beside them, and a session of another project has resources
for transfers of many files.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from tests.benchmarks.peers.common import ASKED, PROJECTS, SESSION, SUBJECT, TRANSFERS

XNAT, XSI = 'http://nrg.wustl.edu/xnat', 'http://www.w3.org/2001/XMLSchema-instance'
SPACES = {'xnat': XNAT, 'xsi': XSI}
SMALL, MIDDLE = 4096, 2**20
"""Bytes of a small and of a medium file."""

Rows = Counter[tuple[str, ...]]


class Size(NamedTuple):
    """Numbers of items and files."""

    projects: int = 5
    subjects: int = 20
    many: int = 1000
    """Small files of one resource."""
    middling: int = 200
    """Medium files of one resource."""
    big: int = 4
    """Size of the files to upload; 64 MiB each in the full size."""
    big_bytes: int = 2**26
    huge_bytes: int = 2**28
    inserted: int = 100
    hits: int = 10_000
    """Responses from the cache."""


TINY = Size(
    projects=3,
    subjects=2,
    many=60,
    middling=4,
    big=2,
    big_bytes=2**20,
    huge_bytes=2**21,
    inserted=4,
    hits=50,
)
"""Size for the test of the benchmarks."""


class Filled(NamedTuple):
    """Expected result of each task: rows, or names or digests of files; and the folder to upload
    from."""

    rows: dict[str, Rows]
    sources: Path


class Session(NamedTuple):
    """A planned session."""

    project: str
    number: int
    visit: int
    size: Size

    @property
    def subject(self) -> str:
        """Return the label of its subject."""
        return f'{self.project[0]}{self.number:02}'

    @property
    def label(self) -> str:
        """Return a date that no other session has."""
        return f'{self.subject}_E{self.visit}'

    @property
    def kind(self) -> str:
        """Return its data type."""
        return (
            'xnat:petSessionData'
            if self.visit and self.number == self.size.subjects - 1
            else 'xnat:mrSessionData'
        )


def fill(interface: Any, folder: Path, size: Size) -> Filled:
    """Fill an archive.

    Only the accession IDs are chosen by the archive; they are read from listings.
    """
    names = PROJECTS[: size.projects]
    for name in names:
        interface.select.project(name).create()
        for number in range(size.subjects):
            label = f'{name[0]}{number:02}'
            subject = f'/data/projects/{name}/subjects/{label}'
            _put(interface, subject, _subject(number))
            for visit in range(2):
                kind = 'pet' if visit and number == size.subjects - 1 else 'mr'
                _put(
                    interface,
                    f'{subject}/experiments/{label}_E{visit}',
                    _session(kind, number, visit),
                )
    first = interface.select.project(names[0]).subject(SUBJECT)
    first.share(ASKED)
    first.experiment(SESSION).share(ASKED)
    first.experiment(f'{SUBJECT}_E1').assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    rows = _files(interface, folder, size) | _metadata(interface, names, folder, size)
    return Filled(rows, folder)


def _put(interface: Any, uri: str, root: Any) -> None:
    interface._exec(uri, 'PUT', etree.tostring(root), {'content-type': 'text/xml'})


def _subject(number: int) -> Any:
    root = etree.Element(f'{{{XNAT}}}Subject', nsmap=SPACES)
    _element(_element(root, 'demographics', kind='xnat:demographicData'), 'gender', gender(number))
    return root


def _session(kind: str, number: int, visit: int) -> Any:
    """Return a session with its scans as one document."""
    session = etree.Element(f'{{{XNAT}}}{kind.upper()}Session', nsmap=SPACES)
    for field, value in fields(number, visit).items():
        _element(session, field, value)
    scans = _element(session, 'scans')
    for scan in ('1', '2'):
        _element(
            _element(scans, 'scan', kind=f'xnat:{kind}ScanData', ID=scan, type=f'T{scan}'),
            'quality',
            'usable',
        )
    return session


def _element(
    parent: Any, name: str, text: str | None = None, kind: str | None = None, **attributes: str
) -> Any:
    made = etree.SubElement(parent, f'{{{XNAT}}}{name}', attributes)
    made.text = text
    if kind is not None:
        made.set(f'{{{XSI}}}type', kind)
    return made


def gender(number: int) -> str:
    """Return the fields of a subject by its number."""
    return 'female' if number % 2 else 'male'


def fields(number: int, visit: int) -> dict[str, str]:
    """Return the fields of a session, in the order of the schema."""
    return {
        'date': f'2020-01-{visit + 1:02}',
        'time': f'10:{number:02}:00.000',
        'note': f'visit {visit} of {number}',
    }


def _metadata(interface: Any, names: list[str], folder: Path, size: Size) -> dict[str, Rows]:
    ids = {
        row['label']: row['ID']
        for name in names
        for row in interface._get_json(
            f'/data/projects/{name}/experiments?format=json&columns=ID,label,project'
        )
    }
    sessions = [
        Session(name, number, visit, size)
        for name in names
        for number in range(size.subjects)
        for visit in range(2)
    ]
    shared = sessions[0]
    asked = [session for session in sessions if session.project == ASKED] + [shared]
    return {
        'sessions': Counter((ids[one.label], one.label, one.kind) for one in [*sessions, shared]),
        'tree': Counter(
            (ids[one.label], one.subject, gender(one.number)) for one in [*sessions, shared]
        ),
        'table': Counter(
            (ids[one.label], one.label, gender(one.number))
            for one in sessions
            if one.kind == 'xnat:mrSessionData'
        ),
        'fields': Counter(
            (ids[one.label], *fields(one.number, one.visit).values()) for one in asked
        ),
        'scans': Counter(
            (ids[one.label], scan, f'T{scan}', 'usable') for one in asked for scan in ('1', '2')
        ),
        'put': digests(_folder(folder / 'one', 1, SMALL)),
        'create': Counter([('1', 'xnat:mrScanData')]),
        'connect': Counter(),
        'hits': Counter({(): size.hits}),
        'insert': Counter(
            (f'{number:03}', gender(number), str(1950 + number)) for number in range(size.inserted)
        ),
    }


def _files(interface: Any, folder: Path, size: Size) -> dict[str, Rows]:
    """Write random files locally and to the archive."""
    rows: dict[str, Rows] = {'files': Counter(), 'download': Counter()}
    subject = interface.select.project(PROJECTS[0]).subject(SUBJECT)
    for visit in range(2):
        for scan in ('1', '2'):
            here = _folder(folder / f'{visit}{scan}', 6, 20_000)
            subject.experiment(f'{SUBJECT}_E{visit}').scan(scan).resource('DICOM').put_dir(here)
            rows['files'] += Counter((path.name,) for path in here.iterdir())
            rows['download'] += digests(here) if visit == 0 else Counter()
    session = subject.experiment(f'{SUBJECT}_E1')
    for holder, name in (
        (subject, 'of_subject.txt'),
        (session, 'of_session.txt'),
        (session.assessor('QC'), 'of_assessor.txt'),
    ):
        holder.resource('NOTES').file(name).put(b'note')
        rows['files'][name,] += 1
    for label, count, each in (
        ('many', size.many, SMALL),
        ('middling', size.middling, MIDDLE),
        ('huge', 1, size.huge_bytes),
    ):
        interface.select(TRANSFERS).resource(label.upper()).upload(
            _folder(folder / label, count, each)
        ).check()
        rows[label] = digests(folder / label)
    rows['big'] = digests(_folder(folder / 'big', size.big, size.big_bytes))
    return rows


def _folder(folder: Path, count: int, size: int) -> Path:
    """Return a folder of files of random bytes, which do not compress."""
    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f'{folder.name}_{number:04}.dcm').open('wb') as file:
            for begin in range(0, size, MIDDLE):
                file.write(os.urandom(min(MIDDLE, size - begin)))
    return folder


def digests(folder: Path) -> Rows:
    """Return the MD5 of each data file below a folder."""
    found: Rows = Counter()
    for path in folder.rglob('*.dcm'):
        with path.open('rb') as file:
            digest = hashlib.md5(usedforsecurity=False)
            while piece := file.read(MIDDLE):
                digest.update(piece)
        found[(digest.hexdigest(),)] += 1
    return found
