"""Derivatives of a BIDS data set, and the resources that they belong to."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .... import errors
from ....patterns import pattern
from ..arrangement import Grouping
from ..members import Member
from .names import labels_of, session_text
from .tables import Dataset, People

__all__ = ['BidsGrouping']

_SUBJECT = pattern(r'(?:^|/)sub-([0-9A-Za-z+]+)(?=[_/.])')
_SESSION = pattern(r'[/_]ses-([0-9A-Za-z+]+)(?=[_/.])')
_SHOWN = 5


class BidsGrouping(Grouping):
    """Derivatives as resources of sessions, subjects and the project.

    A file of a session (``sub-`` and ``ses-`` in its path) belongs to a resource of the session,
    one of a subject to one of the subject, and any other to one of the project. Its path there is
    the path in the folder.

    Parameters
    ----------
    source : path
        The folder of the derivatives.
    resource : str, optional
        Label of the resources. Default: the name of the program in ``dataset_description.json``, or
        the name of the folder.

    Raises
    ------
    DataError
        There is no such folder.
    """

    def __init__(self, source: Any, resource: str | None = None) -> None:
        if not isinstance(source, (str, os.PathLike)) or not Path(source).expanduser().is_dir():
            raise errors.DataError(
                f'{source!r:.200} is no folder', remedy="layout='bids' uploads a folder."
            )
        self._folder = Path(source).expanduser()
        self._resource = resource or _program_of(self._folder) or self._folder.resolve().name

    def group(self, target: Any, members: Iterable[Member]) -> dict[Any, dict[str, Member]]:
        """Return resource -> path -> file. One request, or two.

        Parameters
        ----------
        target : Project
            The project of the data set.
        members : iterable of Member
            The files.

        Raises
        ------
        DataError
            The project lacks subjects or sessions of the folder.
        ProgrammingError
            The target is no project.
        """
        if target.level.plural != 'projects':
            raise errors.ProgrammingError(
                f'{target!r} is no project', remedy="layout='bids' uploads to a project."
            )
        people = self._people(target)
        grouped: dict[Any, dict[str, Member]] = defaultdict(dict)
        unknown: dict[str, str] = {}
        for member in members:
            subject, session = _SUBJECT.search(member.name), _SESSION.search(member.name)
            key = (subject.group(1) if subject else '', session.group(1) if session else '')
            if key in people:
                grouped[people[key].resource(self._resource)][member.name] = member
            else:
                unknown.setdefault(f'sub-{key[0]}' + f'/ses-{key[1]}' * bool(key[1]), member.name)
        if unknown:
            shown = ', '.join(f'{name} ({file})' for name, file in list(unknown.items())[:_SHOWN])
            raise errors.DataError(
                f'{len(unknown)} subjects or sessions are not in project {target.path_name}: '
                f'{shown}',
                remedy='Check the project; participants.tsv of the data set tells the labels.',
            )
        return grouped

    def _people(self, project: Any) -> dict[tuple[str, str], Any]:
        """Return pair of BIDS labels -> element.

        A subject has no session, the project neither.
        """
        name = project.id()
        rows = project.subjects().experiments().rows(['subject/label', 'label'])
        listed: list[tuple[str, ...]] = [(name, row['subject/label'], row['label']) for row in rows]
        people = self._known()
        subjects = labels_of(
            {key[:2]: key[1] for key in listed},
            {key: label for key, label in people.subjects.items() if key[0] == name},
        )
        found: dict[tuple[str, str], Any] = {('', ''): project}
        for subject, label in subjects.items():
            element = project.subject(subject[1])
            found[label, ''] = element
            texts = {key: session_text(*key[1:]) for key in listed if key[:2] == subject}
            known = {key: one for key, one in people.sessions.items() if key[:2] == subject}
            for key, session in labels_of(texts, known).items():
                found[label, session] = element.experiment(key[2])
        return found

    def _known(self) -> People:
        """Return the labels of the data set that the folder is in, or beside."""
        place = self._folder.resolve()
        for folder in (place, *place.parents[:3]):
            people = Dataset(folder).people()
            if people.subjects:
                return people
        return People({}, {}, {})


def _program_of(folder: Path) -> str:
    """Return the name of the program that made derivatives; empty if it is not known."""
    path = folder / 'dataset_description.json'
    try:
        values = json.loads(path.read_text(encoding='utf-8-sig'))
        name = values['GeneratedBy'][0]['Name']
    except (FileNotFoundError, KeyError, IndexError, TypeError):
        return ''
    except ValueError as error:
        raise errors.DataError(f'{path} is no JSON: {error}', remedy='Correct it.') from error
    return re.sub(r'[^0-9A-Za-z_.-]+', '_', str(name))
