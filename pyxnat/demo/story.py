"""Chapters of the demo, printed with the requests and bytes they used."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..interface import Interface
from ..version import __version__
from . import by_hand, montage
from .cohort import AGING, PET, PROJECTS, SEED, cohort
from .fill import fill
from .images import KINDS
from .printing import Cost, explain, in_megabytes, indented, measured, relative, say, table, title

__all__ = ['READER', 'Story']

READER = 'reader'
"""Login of a second person, who may only read."""

OVER = 80
SCANS = f'/projects/{AGING.id}/subjects/*/experiments/*/scans'
OVER_80 = [('xnat:mrSessionData/AGE', '>', OVER)]

ROW = 'xnat:mrSessionData'
COLUMNS = {
    'subject': f'{ROW}/SUBJECT_LABEL',
    'session': f'{ROW}/LABEL',
    'age': f'{ROW}/AGE',
    'gender': 'xnat:subjectData/GENDER',
    'handedness': 'xnat:subjectData/HANDEDNESS',
    'group': 'xnat:subjectData/SUB_GROUP',
}
CRITERIA = [
    (f'{ROW}/PROJECT', '=', AGING.id),
    (f'{ROW}/AGE', '>', 60),
    [
        ('xnat:subjectData/HANDEDNESS', '=', 'left'),
        [
            ('xnat:subjectData/GENDER', '=', 'female'),
            ('xnat:subjectData/SUB_GROUP', '=', 'patient'),
            'AND',
        ],
        'OR',
    ],
    'AND',
]
TEMPLATE = 'a group over an age'
KEYS = [('xnat:subjectData/SUB_GROUP', '=', 'group'), (f'{ROW}/AGE', '>', 'age'), 'AND']
VALUES = {'group': 'patient', 'age': OVER}

ROUND_TRIP_S = 0.05


class Step(NamedTuple):
    """Row of the table of costs; `by_hand_s` is None if nothing was sent."""

    name: str
    requests: int
    seconds: float
    by_hand: int
    by_hand_s: float | None = None


class Story:
    """The chapters; each prints itself.

    Parameters
    ----------
    folder : Path
        Folder of the demo.
    example : Path
        Script of the second chapter.
    server : Server
        The archive's server, with ``url``, ``user`` and ``password``.
    reader_password : str
        Password of `READER`.
    """

    def __init__(self, folder: Path, example: Path, server: Any, reader_password: str) -> None:
        self._folder = folder
        self._example = example
        self._server = server
        self._reader_password = reader_password
        self._steps: list[Step] = []

    def _connect(self, user: str, password: str, offline: bool = False) -> Interface:
        cache = str(self._folder / 'cache')
        return Interface(self._server.url, user, password, cache, offline=offline)

    def tell(self) -> None:
        """Print the chapters that need the server."""
        say(f'pyxnat {__version__}, the demo. An archive in {self._folder}, at {self._server.url}.')
        with self._connect(self._server.user, self._server.password) as interface:
            self._fill(interface)
            self._process(interface)
            self._draw(interface)
            self._search(interface)
            self._look(interface)
            self._save_and_share(interface)
            self._fetch_again(interface)

    def tell_offline(self) -> None:
        """Print the chapters after the server was stopped."""
        self._stay_offline()
        self._count()

    def _fill(self, interface: Interface) -> None:
        title('1. An archive to work with')
        people = cohort()
        explain(
            f'Invented people (seed {SEED}). Files named "made" are made from samples that nibabel '
            'and pydicom ship, the others are such samples. The archive answers as an XNAT 1.8.'
        )
        with measured(interface) as cost:
            added = fill(interface, people)
        say()
        table([_project_row(project.id, people) for project in PROJECTS])
        outcome = (
            f'{added} projects, subjects, sessions, scans and files added'
            if added
            else 'Nothing to add, everything exists'
        )
        say(f'{outcome}: {cost}, {in_megabytes(cost.trace.bytes_sent)} sent.')

    def _process(self, interface: Interface) -> None:
        title(f'2. The example of the paper: brain masks of everybody scanned over {OVER}')
        say(f"select('{SCANS}')", f'    .where({OVER_80})')
        explain(
            'and of these the T1 scans. The script fetches and processes them in parallel, and '
            'sends each mask into its session. One subject was scanned at 79 and at 82: both '
            'sessions are selected.'
        )
        say()
        cache = str(self._folder / 'cache')
        words = [relative(self._example), AGING.id, '--over', str(OVER), '--cachedir', cache]
        say('$ python ' + shlex.join(words))
        subprocess.run([sys.executable, *words], check=True, env=self._environment())
        with measured(interface) as cost:
            images = [file for file in _images(interface) if file.label().endswith('.img')]
        with measured(interface) as slow:
            by_hand.find_images(interface, AGING.id, OVER)
        self._keep(f'select the {len(images)} images', cost, slow)

    def _environment(self) -> dict[str, str]:
        """Return the environment of the example.

        It has the login, and this pyxnat on its path, whether it is installed or not.
        """
        foreign = ('XNAT_TOKEN', 'PYXNAT_OFFLINE')
        inherited = {name: value for name, value in os.environ.items() if name not in foreign}
        home = str(Path(__file__).parents[2])
        path = os.pathsep.join([home, *filter(None, [os.environ.get('PYTHONPATH')])])
        login = {
            'XNAT_HOST': self._server.url,
            'XNAT_USER': self._server.user,
            'XNAT_PASS': self._server.password,
        }
        return {**inherited, 'PYTHONPATH': path, **login}

    def _draw(self, interface: Interface) -> None:
        """Draw the masks of the oldest as the archive has them, and upload the picture."""
        project = interface.select.project(AGING.id)
        ages = sorted(
            (session.age, subject.label, session.label)
            for subject in cohort()
            for session in subject.sessions
            if subject.project == AGING.id and 'pair' in session.scans[0].kinds
        )
        rows = []
        for age, subject, label in ages[:-4:-1]:
            session = project.subject(subject).experiment(label)
            head = session.scan('1').resource('NIFTI')
            head.file('head_made.hdr').get()  # the cache puts it beside its image
            mask = session.resource('BRAIN_MASK').files()[0]
            caption = f'{label}, {age} years'
            rows.append(montage.Row(caption, head.file('head_made.img').get(), mask.get()))
        path = self._folder / 'brain_masks.png'
        montage.draw(rows, path)
        project.resource('FIGURES').file(path.name).put(str(path), format='PNG', overwrite=True)
        say(
            '',
            f'The masks of three of the oldest are drawn on their images in {relative(path)},',
            f'which is now in the archive, too: resource FIGURES of {AGING.id}.',
        )

    def _search(self, interface: Interface) -> None:
        title('3. A search: over 60 and left-handed, or a woman among the patients')
        say("select('xnat:mrSessionData', columns).where(", f'{indented(CRITERIA)})')
        with measured(interface) as cost:
            rows = _found(interface)
        say()
        table(rows)
        say(f'{len(rows)} sessions: {cost}.')
        with measured(interface) as slow:
            by_hand.search(interface, AGING.id)
        self._keep('search with nested criteria', cost, slow)

    def _look(self, interface: Interface) -> None:
        title('4. Which types, fields and values are there?')
        subject, hands = 'xnat:subjectData', 'xnat:subjectData/HANDEDNESS'
        with measured(interface) as cost:
            types = interface.inspect.datatypes()
            fields = interface.inspect.datatypes(subject)
            values = interface.inspect.field_values(hands)
            scans = interface.inspect.scan_types()
        calls = {
            'datatypes()': f'{len(types)}, such as {subject}',
            f"datatypes('{subject}')": f'{len(fields)} fields',
            f"field_values('{hands}')": ', '.join(sorted(values)),
            'scan_types()': ', '.join(sorted(scans)),
        }
        for call, result in calls.items():
            say(f'inspect.{call:<44}  {result}')
        say(f'{cost}.')

    def _save_and_share(self, interface: Interface) -> None:
        title('5. A template of a search, and a subject, shared with others')
        project = interface.select.project(AGING.id)
        project.add_user(READER, 'collaborator')
        interface.manage.search.save_template(
            TEMPLATE, ROW, list(COLUMNS.values()), KEYS, sharing='public', overwrite=True
        )
        say(
            f"manage.search.save_template('{TEMPLATE}', row, columns,",
            f'{indented(KEYS)},',
            "    sharing='public')",
            f"The login '{READER}', which may only read, finds it and fills in the values:",
            f"manage.search.use_template('{TEMPLATE}', {VALUES})",
        )
        with self._connect(READER, self._reader_password) as reader:
            reader.whoami()
            with measured(reader) as cost:
                found = reader.manage.search.use_template(TEMPLATE, VALUES)
        say(f'{len(found)} sessions: {cost}.', '')
        ages = [[(f'{ROW}/AGE', '=', 79)], [(f'{ROW}/AGE', '=', 82)], 'AND']
        subject = project.subjects().where(ages)[0]
        with measured(interface) as cost:
            labels = _lend(interface, subject, PET.id)
        explain(
            f"subject.share('{PET.id}') lends {subject.label()} to another project, with its "
            f'sessions {" and ".join(labels)} and without a copy; unshare takes them back: {cost}.'
        )

    def _fetch_again(self, interface: Interface) -> None:
        title('6. The same images again')
        with measured(interface) as cost:
            paths = [file.get() for file in _images(interface)]
        size = sum(map(os.path.getsize, paths))
        content = sum(record.received for record in cost.trace if '/files/' in record.uri)
        say(
            f'{len(paths)} files, {in_megabytes(size)}: {cost}, {content} bytes of content.',
            f'They are in the cache, below {relative(Path(os.path.commonpath(paths)))}',
        )
        first = self._steps[0]
        again = first.by_hand + len(paths)
        self._steps.append(Step('fetch them again', cost.trace.requests, cost.seconds, again))

    def _stay_offline(self) -> None:
        title('7. Offline: the server is stopped')
        with (
            self._connect(self._server.user, self._server.password, offline=True) as interface,
            measured(interface) as cost,
        ):
            paths = [file.get() for file in _images(interface)]
            rows = _found(interface)
        say(
            f'The selection with its {len(paths)} files, and the search with its {len(rows)} rows: '
            f'{cost}.'
        )

    def _count(self) -> None:
        title('8. Requests and time saved')
        table(
            [
                {
                    'step': step.name,
                    'requests': step.requests,
                    'seconds': f'{step.seconds:.1f}',
                    'one by one': step.by_hand,
                    'seconds ': '-' if step.by_hand_s is None else f'{step.by_hand_s:.1f}',
                    f'at {1000 * ROUND_TRIP_S:.0f} ms': f'{ROUND_TRIP_S * step.requests:.1f}',
                    'one by one ': f'{ROUND_TRIP_S * step.by_hand:.1f}',
                }
                for step in self._steps
            ]
        )
        explain(
            '"One by one" is a request for each element, as a script on the REST API sends them '
            '(pyxnat/demo/by_hand.py). Both ways were run just now, counted and measured on this '
            'machine. Where there is a "-", the requests are reckoned: those of the selection, and '
            'one for each file. The last columns are reckoned: the seconds if each request takes '
            f'{1000 * ROUND_TRIP_S:.0f} ms, as over a network, one after the other.'
        )

    def _keep(self, name: str, cost: Cost, slow: Cost) -> None:
        self._steps.append(
            Step(name, cost.trace.requests, cost.seconds, slow.trace.requests, slow.seconds)
        )


def _project_row(project: str, people: Iterable[Any]) -> dict[str, Any]:
    subjects = [subject for subject in people if subject.project == project]
    sessions = [session for subject in subjects for session in subject.sessions]
    scans = [scan for session in sessions for scan in session.scans]
    kinds = [KINDS[kind] for scan in scans for kind in scan.kinds]
    return {
        'project': project,
        'subjects': len(subjects),
        'sessions': len(sessions),
        'scans': len(scans),
        'files': sum(len(kind.labels) for kind in kinds),
        'types of scans': ', '.join(sorted({scan.type for scan in scans})),
        'formats': ', '.join(sorted({kind.format for kind in kinds})),
    }


def _images(interface: Interface) -> list[Any]:
    """Return the header and image files of the T1 scans of everybody scanned over 80."""
    scans = interface.select(SCANS).where(OVER_80)
    t1 = {scan for scan in list(scans.with_columns('type')) if scan.attrs.get('type') == 'T1'}
    files = list(scans.resources().files())
    return [
        file
        for file in files
        if file.parent().parent() in t1 and file.label().endswith(('.img', '.hdr'))
    ]


def _found(interface: Interface) -> list[dict[str, str]]:
    """Return the rows of the search, with the short names of the columns."""
    found = interface.select(ROW, list(COLUMNS.values())).where(CRITERIA)
    return [dict(zip(COLUMNS, row.values(), strict=True)) for row in found]


def _lend(interface: Interface, subject: Any, project: str) -> list[str]:
    """Share a subject and its sessions; end the share.

    Return the labels that the project showed.
    """
    sessions = list(subject.experiments())
    for element in [subject, *sessions]:
        if project not in element.shares().get():
            element.share(project)
    lent = interface.select.project(project).subject(subject.label()).experiments()
    labels = sorted(lent.get('label'))
    for element in [*sessions, subject]:
        element.unshare(project)
    return labels
