"""Folder with the state of a copy, so that a later run does the rest.

::

    copy.json      servers and places of the copy that the folder belongs to
    units.jsonl    a line for each unit that was copied and compared; the last line counts
    ids.tsv        level, label, ID at the source, ID at the destination
    stage/         documents and files of units that are being copied
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from ...files.disk import publish, safe_name

__all__ = ['CopiedId', 'CopyState', 'Unit']

_REMEDY = 'Give another folder as state, or remove this one to copy all again.'


class Unit(NamedTuple):
    """A subject or session that was copied, or the fields and resources of the project."""

    uri: str
    """URI at the source."""
    mark: str
    """Its ``last_modified`` at the source before it was read; empty if it has none."""


class CopiedId(NamedTuple):
    """Accession ID of an item at both sites."""

    level: str
    """Plural name of its level."""
    label: str
    source: str
    dest: str


class CopyState:
    """State of one copy in a folder.

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
    """

    def __init__(self, folder: Path, places: dict[str, str]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        head = folder / 'copy.json'
        if head.exists() or any(folder.iterdir()):
            known = _read_json(head)
            if known != places:
                raise DataError(f'{folder} is no state of this copy', remedy=_REMEDY)
        else:
            with publish(head) as file:
                file.write(json.dumps(places, indent=1, sort_keys=True).encode())
        self._units = {unit.uri: unit for unit in self._read_units()}
        self.ids: dict[tuple[str, str], CopiedId] = {
            (row.level, row.source): row for row in self._read_ids()
        }

    def is_done(self, unit: Unit) -> bool:
        """Whether a unit was copied, and has the same mark since."""
        return bool(unit.mark) and self._units.get(unit.uri) == unit

    def stage(self, unit: Unit) -> Path:
        """Return the folder for the files of a unit; created if missing."""
        place = self._folder / 'stage' / safe_name(unit.uri.replace('/', '+'))
        place.mkdir(parents=True, exist_ok=True)
        return place

    def add(self, unit: Unit, ids: Iterable[CopiedId]) -> None:
        """Record a unit as copied, and remove its staged files.

        Parameters
        ----------
        unit : Unit
            The unit.
        ids : iterable of CopiedId
            Its items.
        """
        with self._lock:
            self.ids |= {(row.level, row.source): row for row in ids}
            with publish(self._folder / 'ids.tsv') as file:
                lines = ('\t'.join(row) + '\n' for row in (CopiedId._fields, *self.ids.values()))
                file.writelines(line.encode() for line in lines)
            with open(self._folder / 'units.jsonl', 'ab') as file:
                file.write(json.dumps(unit._asdict()).encode() + b'\n')
                file.flush()
                os.fsync(file.fileno())
            self._units[unit.uri] = unit
        shutil.rmtree(self.stage(unit))

    def _read_units(self) -> list[Unit]:
        place = self._folder / 'units.jsonl'
        lines = place.read_bytes().split(b'\n') if place.exists() else []
        units = []
        for number, line in enumerate(lines, 1):
            try:
                if line:
                    units.append(Unit(**json.loads(line)))
            except (TypeError, ValueError) as error:
                if number == len(lines):  # a killed run wrote half of it
                    place.write_bytes(b''.join(kept + b'\n' for kept in lines[:-1]))
                    break
                raise DataError(f'{place}, line {number} is damaged', remedy=_REMEDY) from error
        return units

    def _read_ids(self) -> list[CopiedId]:
        place = self._folder / 'ids.tsv'
        lines = place.read_text(encoding='utf-8').splitlines()[1:] if place.exists() else []
        try:
            return [CopiedId(*line.split('\t')) for line in lines]
        except TypeError as error:
            raise DataError(f'{place} is damaged', remedy=_REMEDY) from error


def _read_json(place: Path) -> object:
    try:
        return json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f'{place.parent} is no state of a copy', remedy=_REMEDY) from error
