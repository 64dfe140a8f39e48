"""Project that is copied to, and the copies in it.

It knows which item there is the copy of which at the source. A label proves nothing: two persons
may have one. A copy is known by the accession ID that a run stored when it made it; for any other
subject of the same label the caller says that it is the same person.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ... import errors
from ...model.copies import Item, copy_document, read_item
from ...model.levels import level as level_row
from ...tables.table import Row
from .comparison import Pair, check_fields
from .marks import elements_with_marks
from .state import CopiedId, CopyState

__all__ = ['Destination']

_COLUMNS = {'subjects': ['ID', 'label'], 'experiments': ['ID', 'label', 'subject_ID']}


class Destination:
    """Subjects and sessions of the project that is copied to.

    Parameters
    ----------
    target : Project
        The project.
    state : CopyState
        IDs of the copies.
    report : Report
        Receives subjects that were created, and notes.
    merge : bool
        Whether a subject of the same label is the same person.
    overwrite : bool
        Whether copies that were renamed or moved at one site are renamed or moved here.
    """

    def __init__(
        self, target: Any, state: CopyState, report: Any, *, merge: bool, overwrite: bool
    ) -> None:
        self.target = target
        self._state = state
        self._report = report
        self._merge = merge
        self._overwrite = overwrite
        self._listed: dict[str, dict[str, Row]] = {}
        self._marks: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()
        self._one_by_one: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def rows(self, level: str) -> dict[str, Row]:
        """Return ID -> row of the subjects or sessions. One request, for all calls."""
        with self._lock:
            if level not in self._listed:
                try:
                    rows = list(getattr(self.target, level)().rows(_COLUMNS[level]))
                except errors.NotFoundError:
                    rows = []
                self._listed[level] = {row['ID']: row for row in rows}
            return self._listed[level]

    def copy_of(self, level: str, source: str) -> str:
        """Return the ID of the copy that a run has made of an item.

        Empty if it is not there.

        Parameters
        ----------
        level : str
            ``subjects`` or ``experiments``.
        source : str
            ID of the item at the source.
        """
        known = self._state.ids.get((level, source))
        return known.dest if known is not None and known.dest in self.rows(level) else ''

    def marks(self, level: str) -> dict[str, str]:
        """Return ID -> mark of the subjects or sessions.

        Requests: one for subjects, for sessions a listing more for each of their types; for all
        calls.
        """
        if level not in self._marks:
            marked = elements_with_marks(getattr(self.target, level)())
            self._marks[level] = {element.id(): mark for element, mark in marked}
        return self._marks[level]

    def find(self, level: str, source: str, label: str) -> str:
        """Return the ID of the copy of an item; empty if it has none.

        Parameters
        ----------
        level : str
            ``subjects`` or ``experiments``.
        source : str
            ID of the item at the source.
        label : str
            Label that its copy has.

        Raises
        ------
        DuplicateError
            The copy has another label, or the label is that of another item, or of a subject that
            may be another person.
        """
        rows = self.rows(level)
        with self._lock:
            known = self._state.ids.get((level, source))
            bearer = next((own for own, row in rows.items() if row['label'] == label), '')
            copies = {row.dest: row.source for row in self._state.ids.values() if bearer}
        if known is not None and known.dest in rows:
            if bearer != known.dest:
                self._rename(level, known, label, bearer)
            return known.dest
        noun = level_row(level).singular
        other = copies.get(bearer, source)
        if other != source:
            raise errors.DuplicateError(
                f'{noun} {label} at the destination is the copy of {other}, not of {source}',
                uri=self.target.url,
                remedy='Rename one of them, or delete the copy.',
            )
        is_ours = self._merge or level != 'subjects' or self._state.is_claimed(source, label)
        if bearer and not is_ours:
            raise self._another_person(label)
        return bearer

    def _another_person(self, label: str) -> errors.DuplicateError:
        return errors.DuplicateError(
            f'{self.target.path_name} has a subject {label} that this copy did not create: it may '
            'be another person',
            uri=self.target.url,
            remedy='If it is the same person, copy with merge=True; else rename one of them.',
        )

    def _rename(self, level: str, known: CopiedId, label: str, bearer: str) -> None:
        """Give a copy the label that the original has now; only to overwrite."""
        row = self.rows(level)[known.dest]
        copy = getattr(self.target, level_row(level).singular)(known.dest)
        is_free = not bearer and self._is_own(copy, level)
        if not (self._overwrite and is_free):
            option = ', or copy with overwrite=True' if is_free else ''
            raise errors.DuplicateError(
                f'the copy of {known.source} is {row["label"]} at the destination, not {label}',
                uri=copy.url,
                remedy=f'Rename it there{option}.',
            )
        copy.rename(label)
        with self._lock:
            self._listed[level][known.dest] = {**row, 'label': label}

    def _is_own(self, copy: Any, level: str) -> bool:
        """Whether the project owns an item, and does not only share it. One request."""
        return bool(read_item(copy.get(), level).project == self.target.path_name)

    def place_subject(self, item: Item, project: str) -> Any:
        """Return the subject for the copy of one; create it with its fields.

        Parameters
        ----------
        item : Item
            The subject at the source.
        project : str
            ID of the project that it is copied from.

        Raises
        ------
        DuplicateError
            It may be another person, or is the copy of another.
        """
        with self._alone(item.id):
            label = item.label_in(project)
            identity = self.find('subjects', item.id, label)
            subject = self.target.subject(label)
            if identity:
                if item.is_in(project):
                    self._check(item, subject)
            elif not self._share(item, project, subject):
                self._create(item, project, subject)
                identity = str(subject.row.get('ID', ''))
            self._store(item, label, identity or subject.id())
            return subject

    def _create(self, item: Item, project: str, subject: Any) -> None:
        """Create a subject, after a check that there is none since the listing.

        Its fields are not seen in a project that has only sessions of it.
        """
        label = subject.path_name
        if not self._state.is_claimed(item.id, label):
            with suppress(errors.NotFoundError):
                subject.get()
                raise self._another_person(label)
        document = copy_document(item) if item.is_in(project) else None
        self._state.claim(item.id, label)
        try:
            subject.create_with_parents({}, {}, document)
        except errors.DatabaseError as error:
            if error.status is not None:  # the server refused it
                self._state.claim(item.id, '')
            raise
        self._report.add_created(subject.uri)

    def place_session(self, item: Item, project: str, subject: Any) -> None:
        """Check the place of the copy of a session; move the copy there to overwrite.

        Parameters
        ----------
        item : Item
            The session at the source.
        project : str
            ID of the project that it is copied from.
        subject : Subject
            The subject at the destination.

        Raises
        ------
        DuplicateError
            The copy is at another place, or its label is that of another session.
        """
        label = item.label_in(project)
        identity = self.find('experiments', item.id, label)
        if not identity:
            return
        row, owner = self.rows('experiments')[identity], subject.id()
        if row['subject_ID'] == owner:
            return
        copy = self.target.experiment(identity)
        is_known = ('experiments', item.id) in self._state.ids
        if not (self._overwrite and is_known and self._is_own(copy, 'experiments')):
            option = ', or copy with overwrite=True' if is_known else ''
            raise errors.DuplicateError(
                f'session {label} belongs to subject {row["subject_ID"]} at the destination, not '
                f'to {owner}',
                uri=copy.url,
                remedy=f'Move or rename it there{option}.',
            )
        subject.experiment(label).create_with_parents(
            {'experiments': copy.datatype()}, {}, move=True
        )
        with self._lock:
            self._listed['experiments'][identity] = {**row, 'subject_ID': owner}

    def share_session(self, item: Item, project: str) -> Any:
        """Share a session from the project that owns it, as it is shared at the source.

        Parameters
        ----------
        item : Item
            The session at the source, which another project owns.
        project : str
            ID of the project that it is copied from.

        Returns
        -------
        Experiment or None
            The session; `None` if it is to become the target's own, since its owner is missing.
        """
        label = item.label_in(project)
        identity = self.find('experiments', item.id, label)
        session = self.target.experiment(identity or label)
        if identity:
            if self._is_own(session, 'experiments'):
                return None
            self._check(item, session)
        elif not self._share(item, project, session):
            return None
        return session

    def _share(self, item: Item, project: str, copy: Any) -> bool:
        """Share an item from the project that owns it; return False if it is not there."""
        if item.project == project or not item.is_in(project):
            return False
        noun = level_row(item.level).singular
        owner = self.target.host.select.project(item.project)
        original = getattr(owner, noun)(item.label)
        if not (owner.exists() and original.exists()):
            self._report.add_note(
                f'{copy.uri} was shared from {item.project}, where it is not: it was created in '
                f'{self.target.path_name}'
            )
            return False
        if not self._merge:
            raise errors.DuplicateError(
                f'{noun} {item.label} of {item.project} at the destination may be another '
                f'{"person" if noun == "subject" else "one"}',
                uri=original.url,
                remedy='If it is the same, copy with merge=True, which shares it.',
            )
        check_fields(item, read_item(original.get(), item.level), original.url)
        original.share(self.target.path_name, item.label_in(project))
        return True

    def _check(self, item: Item, copy: Any) -> None:
        """Compare the fields of an item; to overwrite, replace those of other values."""
        there = read_item(copy.get(), item.level)
        is_own = there.project == self.target.path_name
        if not (self._overwrite and is_own):
            check_fields(item, there, copy.url)
        elif Pair(item, there).differing:
            copy.put_document(
                copy_document(item, scans=(), name=there.id), {'allowDataDeletion': False}
            )

    def _store(self, item: Item, label: str, identity: str) -> None:
        with self._lock:
            self.rows(item.level)[identity] = {'ID': identity, 'label': label}
            self._state.add_ids([CopiedId(item.level, label, item.id, identity)])

    @contextmanager
    def _alone(self, source: str) -> Iterator[None]:
        """Let one thread at a time place a subject, which several sessions may have."""
        with self._lock:
            lock = self._one_by_one[source]
        with lock:
            yield
