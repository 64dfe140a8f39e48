"""Folder with the state of a copy, so that a later run does the rest.

::

    copy.json      servers and places of the copy that the folder belongs to
    units.jsonl    a line for each unit that was copied and compared; the last line counts
    ids.tsv        level, label, ID at the source, ID at the destination; the last line counts
    claims.tsv     ID at the source and label of each subject whose creation began; the last line
                   counts, without a label once it has ended
    stage/         documents and files of units that are being copied
    lock.sqlite    lock of the run that has the folder
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DataError
from ...files.disk import is_temporary, publish, safe_name
from ...files.folder_lock import locked
from ...query.paths import spell
from ...resources.base import Element
from ...resources.collection import Collection

__all__ = ['CopiedId', 'CopyState', 'Unit', 'identity_of', 'is_new', 'open_state']

_REMEDY = 'Give another folder as state, or remove this one to copy all again.'


class Unit(NamedTuple):
    """A subject or session that was copied, or the project's own fields and files."""

    uri: str
    """URI at the source."""
    mark: str
    """Its ``last_modified`` at the source before it was read; empty if it has none."""
    there: str = ''
    """That of the copy at the destination, after it was compared."""


class CopiedId(NamedTuple):
    """Accession ID of an item at both sites."""

    level: str
    """Plural name of its level."""
    label: str
    source: str
    dest: str


def identity_of(source: Element | Collection[Any]) -> str:
    """Return a text that tells the source of a copy from others of its server.

    No request. It is the URI of an element; the paths and criteria of a collection.
    """
    if isinstance(source, Element):
        return source.uri
    conditions = (f'{where.level}: {where.criteria!r}' for where in source.conditions)
    return ' '.join([*map(spell, source.routes), *conditions])


def is_new(folder: Path) -> bool:
    """Return whether a folder has no state: it does not exist, or is empty.

    A run that was killed at its begin leaves a temporary file.
    """
    return not folder.exists() or (
        folder.is_dir() and all(is_temporary(path.name) for path in folder.iterdir())
    )


@contextmanager
def open_state(folder: Path, places: dict[str, str]) -> Iterator[CopyState]:
    """Have the state of one copy in a folder for one run.

    Parameters
    ----------
    folder : Path
        The folder; created if missing.
    places : dict of str to str
        Servers and places, which tell one copy from another.

    Raises
    ------
    DataError
        The folder belongs to another copy, or is damaged.
    BusyError
        Another run has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f'{folder} is not a folder', remedy=_REMEDY) from error
    head = folder / 'copy.json'
    if is_new(folder):
        with publish(head) as file:
            file.write(json.dumps(places, indent=1, sort_keys=True).encode())
    if _read_json(head) != places:
        raise DataError(f'{folder} is no state of this copy', remedy=_REMEDY)
    with locked(folder, f'another run has the state {folder}'):
        yield CopyState(folder)


class CopyState:
    """State of one copy in a folder, which `open_state` has checked.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    DataError
        It is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._units = {unit.uri: unit for unit in self._read_units()}
        self.ids: dict[tuple[str, str], CopiedId] = {
            (row.level, row.source): row for row in self._read_ids()
        }
        self._claims = dict(self._read_claims())

    def is_done(self, unit: Unit) -> bool:
        """Whether a unit was copied, and has the same mark at the source since."""
        known = self._units.get(unit.uri)
        return known is not None and bool(unit.mark) and known.mark == unit.mark

    def mark_there(self, unit: Unit) -> str:
        """Return the mark that the copy of a unit had when it was compared.

        Empty if unknown.
        """
        known = self._units.get(unit.uri)
        return known.there if known is not None else ''

    def stage(self, unit: Unit) -> Path:
        """Return the folder for the files of a unit; created if missing."""
        place = self._stages / _stage_name(unit)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def remove_stage(self, unit: Unit) -> None:
        """Remove the files of a unit."""
        shutil.rmtree(self._stages / _stage_name(unit), ignore_errors=True)

    def remove_other_stages(self, units: Iterable[Unit]) -> None:
        """Remove the files of all units but some, which an interrupted run may have left."""
        kept = {_stage_name(unit) for unit in units}
        for stage in self._stages.iterdir() if self._stages.exists() else ():
            if stage.name not in kept:
                shutil.rmtree(stage)

    def add(self, unit: Unit, ids: Iterable[CopiedId]) -> None:
        """Record a unit as copied, and remove its staged files.

        Parameters
        ----------
        unit : Unit
            The unit.
        ids : iterable of CopiedId
            Its items.
        """
        self.add_ids(ids)
        with self._lock:
            _append(self._units_path, [json.dumps(unit._asdict())])
            self._units[unit.uri] = unit
        self.remove_stage(unit)

    def add_ids(self, ids: Iterable[CopiedId]) -> None:
        """Record the IDs of items, also of a unit that is not complete."""
        with self._lock:
            given = {(row.level, row.source): row for row in ids}
            rows = [row for key, row in given.items() if self.ids.get(key) != row]
            if rows:
                is_new = not (self.ids or _read_lines(self._ids_path))
                head = [CopiedId(*CopiedId._fields)] if is_new else []
                _append(self._ids_path, ['\t'.join(row) for row in head + rows])
                self.ids |= given
            for level, source in given:
                if level == 'subjects' and self._claims.get(source):
                    self._set_claim(source, '')

    def claim(self, source: str, label: str) -> None:
        """Record that a subject is about to be created.

        With an empty label, that it was not. If the run ends before it has the response, the
        subject is known by its label; afterwards by its ID, which ends the claim.

        Parameters
        ----------
        source : str
            ID of the subject at the source.
        label : str
            Label at the destination, where no subject has it.
        """
        with self._lock:
            self._set_claim(source, label)

    def is_claimed(self, source: str, label: str) -> bool:
        """Whether the creation of a subject began, with unknown end.

        Parameters
        ----------
        source, label : str
            As for `claim`.
        """
        return self._claims.get(source) == label

    def _set_claim(self, source: str, label: str) -> None:
        _append(self._claims_path, [f'{source}\t{label}'])
        self._claims[source] = label

    @property
    def _stages(self) -> Path:
        return self._folder / 'stage'

    @property
    def _ids_path(self) -> Path:
        return self._folder / 'ids.tsv'

    @property
    def _claims_path(self) -> Path:
        return self._folder / 'claims.tsv'

    @property
    def _units_path(self) -> Path:
        return self._folder / 'units.jsonl'

    def _read_units(self) -> Iterator[Unit]:
        for number, line in enumerate(_read_lines(self._units_path), 1):
            try:
                yield Unit(**json.loads(line))
            except (TypeError, ValueError) as error:
                raise DataError(
                    f'{self._units_path}, line {number} is damaged', remedy=_REMEDY
                ) from error

    def _read_claims(self) -> Iterator[tuple[str, str]]:
        for line in _read_lines(self._claims_path):
            source, _, label = line.partition('\t')
            yield source, label

    def _read_ids(self) -> list[CopiedId]:
        try:
            return [CopiedId(*line.split('\t')) for line in _read_lines(self._ids_path)[1:]]
        except TypeError as error:
            raise DataError(f'{self._ids_path} is damaged', remedy=_REMEDY) from error


def _stage_name(unit: Unit) -> str:
    return safe_name(unit.uri.replace('/', '+'))


def _append(place: Path, lines: list[str]) -> None:
    """Append lines to a file; they are on disk when it returns.

    After an error none of them is in it.
    """
    content = ''.join(f'{line}\n' for line in lines).encode()
    with open(place, 'ab', buffering=0) as file:
        end = file.tell()
        try:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(end)  # the next line would be the rest of a half one
            raise


def _read_lines(place: Path) -> list[str]:
    """Return the lines of a file, and cut off one that a killed run wrote half."""
    content = place.read_bytes() if place.exists() else b''
    whole = content[: content.rfind(b'\n') + 1]
    if whole != content:
        os.truncate(place, len(whole))
    return whole.decode().split('\n')[:-1]


def _read_json(place: Path) -> object:
    try:
        return json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f'{place.parent} is no state of a copy', remedy=_REMEDY) from error
