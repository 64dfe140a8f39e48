"""The files of a BIDS data set beside its images: tables and descriptions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .... import errors
from ....files.disk import publish
from ....version import __version__
from ..manifest import MANIFEST
from .headers import repetition_time
from .images import Left, Placed
from .mapping import Rules

__all__ = ['FILES', 'LEFT', 'Dataset', 'People']

LEFT = 'unmapped.tsv'
"""Table of the scans and files that are not in the data set."""

_PARTICIPANTS = 'participants.tsv'
FILES = (
    'dataset_description.json',
    'README',
    '.bidsignore',
    _PARTICIPANTS,
    'participants.json',
    'sessions.json',
    LEFT,
)
_VERSION = '1.10.0'
"""Version of BIDS that is written into the description."""

_KEYS = {'participants': ('xnat_project', 'xnat_subject'), 'sessions': ('xnat_session',)}
_LABELS = frozenset({*_KEYS['participants'], *_KEYS['sessions']})
_LEFT_COLUMNS = (
    *('xnat_project', 'xnat_subject', 'xnat_session', 'scan', 'type', 'series_description'),
    *('file', 'reason'),
)
_LEVELS = {
    'age': {'Description': 'age of the participant', 'Units': 'years'},
    'sex': {'Description': 'sex', 'Levels': {'F': 'female', 'M': 'male', 'O': 'other'}},
    'acq_time': {'Description': 'date of the session; the time of day is not known'},
    'xnat_project': {'Description': 'ID of the project on the XNAT server'},
    'xnat_subject': {'Description': 'label of the subject on the XNAT server'},
    'xnat_session': {'Description': 'label of the session on the XNAT server'},
}
_SEX = {'male': 'M', 'female': 'F', 'other': 'O', 'unknown': ''}

_Key = tuple[str, ...]
_Row = dict[str, str]


class People(NamedTuple):
    """Labels and fields of the subjects and sessions of a data set."""

    subjects: dict[_Key, str]
    """Project and subject -> label in BIDS."""
    sessions: dict[_Key, str]
    """Project, subject and session -> label in BIDS."""
    fields: dict[_Key, _Row]
    """Key of a subject or session -> its columns."""

    def add_fields(self, session: _Key, above: Mapping[str, str], rules: Rules) -> None:
        """Take the columns of a session and its subject from fields of a file.

        Parameters
        ----------
        session : tuple
            Project, subject and session.
        above : mapping
            Fields of the elements above the file.
        rules : Rules
            The mapping, which names the columns.
        """
        for key, columns in ((session[:2], rules.participants), (session, rules.sessions)):
            self.fields.setdefault(key, {}).update(
                {name: _cell(name, above.get(column, '')) for name, column in columns.items()}
            )


def _cell(name: str, value: str) -> str:
    """Return a value as BIDS writes it."""
    if name == 'sex':
        return _SEX.get(value.casefold(), value)
    if name == 'acq_time' and len(value) == len('2020-01-31'):
        return f'{value}T00:00:00'
    return value.casefold() if name == 'handedness' else value


class Dataset:
    """The folder of a data set.

    Parameters
    ----------
    folder : Path
        The folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def people(self) -> People:
        """Return the subjects and sessions that the tables of the folder have."""
        people = People({}, {}, {})
        for row in self._rows(self._folder / _PARTICIPANTS):
            if not row.keys() >= {'participant_id', *_KEYS['participants']}:
                continue  # of another program
            subject = (row.get('xnat_project', ''), row.get('xnat_subject', ''))
            label = row.pop('participant_id').removeprefix('sub-')
            people.subjects[subject] = label
            people.fields[subject] = _without(row, _KEYS['participants'])
            for line in self._rows(self._sessions_of(label)):
                session = (*subject, line.get('xnat_session', ''))
                people.sessions[session] = line.pop('session_id').removeprefix('ses-')
                people.fields[session] = _without(line, _KEYS['sessions'])
        return people

    def check_own(self) -> None:
        """Raise an error if another program has made the table of participants.

        Raises
        ------
        DataError
            It has no labels of a server, and would be lost.
        """
        rows = self._rows(self._folder / _PARTICIPANTS)
        if rows and not rows[0].keys() >= {*_KEYS['participants']}:
            raise errors.DataError(
                f'{self._folder / _PARTICIPANTS} was made by another program: it has no columns '
                f'{" and ".join(_KEYS["participants"])}',
                remedy='Give another folder, or add the columns with IDs and labels.',
            )

    def _sessions_of(self, subject: str) -> Path:
        return self._folder / f'sub-{subject}' / f'sub-{subject}_sessions.tsv'

    def write_people(self, people: People) -> None:
        """Write ``participants.tsv``, each ``sessions.tsv``, and their descriptions."""
        lines, columns = [], set()
        for subject, label in sorted(people.subjects.items(), key=lambda item: item[1]):
            if not (self._folder / f'sub-{label}').is_dir():
                continue  # none of its scans is in the data set
            fields = people.fields.get(subject, {})
            lines.append(
                {
                    'participant_id': f'sub-{label}',
                    **fields,
                    **dict(zip(_KEYS['participants'], subject, strict=True)),
                }
            )
            sessions = self._session_rows(people, subject, label)
            columns |= {name for row in sessions for name in row}
            self._write_table(self._sessions_of(label), sessions)
        if lines:
            self._write_table(self._folder / _PARTICIPANTS, lines)
        self._describe('participants.json', {name for row in lines for name in row})
        self._describe('sessions.json', columns)

    def _session_rows(self, people: People, subject: _Key, label: str) -> list[_Row]:
        return [
            {
                'session_id': f'ses-{session}',
                **people.fields.get(key, {}),
                'xnat_session': key[2],
            }
            for key, session in sorted(people.sessions.items(), key=lambda item: item[1])
            if key[:2] == subject and (self._folder / f'sub-{label}' / f'ses-{session}').is_dir()
        ]

    def _describe(self, name: str, columns: set[str]) -> None:
        """Describe the columns of a table; descriptions that are there stay."""
        known = {column: _LEVELS[column] for column in sorted(columns) if column in _LEVELS}
        path = self._folder / name
        try:
            there = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
        except ValueError as error:
            raise errors.DataError(
                f'{path} is no JSON: {error}', remedy='Correct or remove it.'
            ) from error
        if known:
            self._write(path, _json({**known, **there}))

    def write_description(self, server: str, images: Iterable[Placed]) -> None:
        """Write the description, the README, and fields that BIDS requires.

        Keep those there are.

        Parameters
        ----------
        server : str
            URL of the server.
        images : iterable of Placed
            The images. Those of a task need its name, and the repetition time if they have no side
            file: it is taken from their header.
        """
        description = {
            'Name': self._folder.resolve().name,
            'BIDSVersion': _VERSION,
            'DatasetType': 'raw',
            'GeneratedBy': [{'Name': 'pyxnat', 'Version': __version__}],
            'SourceDatasets': [{'URL': server}],
        }
        self._write_new('dataset_description.json', _json(description))
        self._write_new('README', f'Downloaded from {server} with pyxnat {__version__}.\n')
        self._write_new('.bidsignore', f'{MANIFEST}\n{LEFT}\n')
        for placed in images:
            task = dict(placed.name.entities).get('task')
            if not task:
                continue
            self._write_new(f'task-{task}_{placed.name.suffix}.json', _json({'TaskName': task}))
            side = f'{placed.name.folder}/{placed.name.stem}.json'
            seconds = None
            if '.json' not in placed.image.files and not (self._folder / side).exists():
                seconds = repetition_time(self._folder / placed.first)
            if seconds is not None:
                self._write_new(side, _json({'RepetitionTime': seconds}))

    def write_left(self, left: Iterable[Left], sessions: Collection[_Key]) -> None:
        """Write the table of omissions.

        Parameters
        ----------
        left : iterable of Left
            Scans and files that this download left out.
        sessions : collection of tuple
            The sessions of this download; lines of others are kept.
        """
        path = self._folder / LEFT
        rows = [row for row in self._rows(path) if _session_of(row) not in sessions]
        rows += [dict(zip(_LEFT_COLUMNS, one.cells, strict=True)) for one in left]
        self._write_table(path, sorted(rows, key=_session_of)) if rows else path.unlink(True)

    def _rows(self, path: Path) -> list[_Row]:
        try:
            text = path.read_text(encoding='utf-8')
        except FileNotFoundError:
            return []
        rows = csv.DictReader(io.StringIO(text), delimiter='\t', quoting=csv.QUOTE_NONE)
        return [
            {name: '' if cell == 'n/a' else cell or '' for name, cell in row.items()}
            for row in rows
        ]

    def _write_table(self, path: Path, rows: list[_Row]) -> None:
        """Write a table without the fields that are empty in all rows.

        Labels are always there.
        """
        names = list(dict.fromkeys(name for row in rows for name in row))
        filled = [name for name in names if name in _LABELS or any(row.get(name) for row in rows)]
        lines = [filled, *([_text(row.get(name, '')) for name in filled] for row in rows)]
        self._write(path, ''.join('\t'.join(line) + '\n' for line in lines))

    def _write_new(self, name: str, text: str) -> None:
        if not (self._folder / name).exists():
            self._write(self._folder / name, text)

    def _write(self, path: Path, text: str) -> None:
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            with publish(path) as file:
                file.write(text.encode('utf-8'))


def _session_of(row: _Row) -> _Key:
    return tuple(row.get(name, '') for name in _LEFT_COLUMNS[:3])


def _without(row: _Row, keys: Iterable[str]) -> _Row:
    return {name: cell for name, cell in row.items() if name not in keys}


def _text(cell: str) -> str:
    return ' '.join(cell.split()) or 'n/a'


def _json(values: Any) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + '\n'
