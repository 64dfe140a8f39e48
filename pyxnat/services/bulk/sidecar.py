"""Folder ``.xnat`` of a download.

All that the files alone do not tell, for the way back.

::

    .xnat/files.jsonl       a line for each file: its place, its URI, its resource, its labels
    .xnat/documents.jsonl   a line for each document: its name, level, project and URI
    .xnat/documents/*.xml   documents as the server wrote them

Each run adds its lines; the last line of a place or document counts. Programs that ignore names
with a dot at the start, as most do, ignore the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...files.disk import publish, remove_older, safe_name, temporaries_in
from ...model.copies import Item, read_item
from ...query.paths import read
from .manifest import Manifest

__all__ = ['SIDECAR', 'FileNote', 'Sidecar', 'StoredDocument']

SIDECAR = '.xnat'
"""Name of the folder."""

_FILES = 'files.jsonl'
_DOCUMENTS = 'documents.jsonl'


class FileNote(NamedTuple):
    """A downloaded file, as the server listed it."""

    place: str
    """Path below the download folder."""
    uri: str
    """URI of the file."""
    resource: str
    """Label of its resource."""
    path: str
    """Path below the resource, as the server stores it."""
    above: dict[str, str]
    """Labels of the elements above it by level (``project``, ``scan``, …), and its ``side``."""
    notes: dict[str, str]
    """Its ``format``, ``content`` and ``tags``, as far as they are set."""


class StoredDocument(NamedTuple):
    """A document in the folder."""

    name: str
    """Name of its file in ``documents``."""
    level: str
    """Plural name of the level of its root."""
    project: str
    """ID of the project that it was downloaded from; empty if that was not known."""
    uri: str
    accessibility: str = ''
    """``private``, ``protected`` or ``public`` of a project."""


class Sidecar:
    """The folder ``.xnat`` of one download folder.

    Parameters
    ----------
    folder : Path
        The download folder.
    part : str
        Path of a folder in it, with ``/``, if only the files there are of interest.
    """

    def __init__(self, folder: Path, part: str = '') -> None:
        self.path = folder / SIDECAR
        self._prefix = f'{part}/' if part else ''

    @classmethod
    def of(cls, folder: Path) -> Sidecar | None:
        """Return the notes about a folder: its own, or those of a download above it."""
        place = folder.resolve()
        for above in (place, *place.parents):
            if (above / SIDECAR / _FILES).is_file():
                part = place.relative_to(above).as_posix()
                return cls(above, '' if part == '.' else part)
        return None

    def write_files(self, notes: Iterable[FileNote]) -> None:
        """Add lines for files; replace older lines of the same places."""
        lines = {note.place: note for note in (*self._notes, *notes)}
        self._notes = [lines[place] for place in sorted(lines)]
        self._write(_FILES, self._notes)

    def rename(self, moves: Mapping[str, str]) -> None:
        """Change places of files, from the keys to the values."""
        self._notes = sorted(
            note._replace(place=moves.get(note.place, note.place)) for note in self._notes
        )
        self._write(_FILES, self._notes)

    def files(self) -> dict[str, FileNote]:
        """Return place -> file, of the part. Places begin at the part.

        Raises
        ------
        DataError
            The folder holds something else.
        """
        start = len(self._prefix)
        return {
            note.place[start:]: note._replace(place=note.place[start:])
            for note in self._notes
            if note.place.startswith(self._prefix)
        }

    def others(self) -> list[FileNote]:
        """Return the files outside the part."""
        return [note for note in self._notes if not note.place.startswith(self._prefix)]

    @cached_property
    def _notes(self) -> list[FileNote]:
        """The lines of all files, read once."""
        return self._read(_FILES, FileNote)

    def fetched(self) -> set[str]:
        """Return the places of the files in the manifest, of the part."""
        start = len(self._prefix)
        lines = Manifest(self.path.parent).read()
        return {place[start:] for place in lines if place.startswith(self._prefix)}

    def write_content(self, document: StoredDocument, content: bytes) -> None:
        """Store the content of a document; replace an older one of the same name.

        Parameters
        ----------
        document : StoredDocument
            Its description, which `write_documents` stores.
        content : bytes
            XML, as the server wrote it.
        """
        place = self.path / 'documents' / safe_name(document.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        with publish(place) as file:
            file.write(content)

    def write_documents(self, documents: Iterable[StoredDocument]) -> None:
        """Add lines for documents; replace older lines of the same names."""
        lines = {
            document.name: document
            for document in (*self._read(_DOCUMENTS, StoredDocument), *documents)
        }
        self._write(_DOCUMENTS, [lines[name] for name in sorted(lines)])

    def documents(self) -> Iterator[tuple[StoredDocument, Item]]:
        """Yield the documents, each with its item.

        Raises
        ------
        DataError
            A document is missing or damaged.
        """
        for document in self._read(_DOCUMENTS, StoredDocument):
            place = self.path / 'documents' / safe_name(document.name)
            try:
                item = read_item(place.read_bytes(), document.level)
            except (OSError, ValueError) as error:
                raise _damaged(place, error) from error
            yield document, item

    def remove_temporaries(self, before: float) -> None:
        """Remove temporary files that a killed run left: those of before a time."""
        for folder in (self.path, self.path / 'documents'):
            for temporary in temporaries_in(folder):
                remove_older(temporary, before)

    def _read(self, name: str, kind: Any) -> list[Any]:
        place = self.path / name
        try:
            lines = place.read_text(encoding='utf-8', errors='surrogateescape').splitlines()
        except FileNotFoundError:
            return []
        try:
            return [_parsed(kind, json.loads(line)) for line in lines if line]
        except (TypeError, ValueError, RecursionError, errors.ProgrammingError) as error:
            raise _damaged(place, error) from error

    def _write(self, name: str, notes: Iterable[FileNote | StoredDocument]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with publish(self.path / name) as file:
            file.writelines(json.dumps(note._asdict()).encode('ascii') + b'\n' for note in notes)


def _parsed(kind: Any, values: Any) -> Any:
    """Return a line as its tuple.

    Raises
    ------
    TypeError, ValueError, ProgrammingError
        It has other fields, values of other types, or a URI of no element.
    """
    note = kind(**values)
    for name, value in values.items():
        texts = dict(value) if name in ('above', 'notes') else {'': value}
        if not all(isinstance(text, str) for text in (*texts, *texts.values())):
            raise TypeError(f'{name} is {value!r:.80}')
    read(note.uri)
    return note


def _damaged(place: Path, error: Exception) -> errors.DataError:
    return errors.DataError(
        f'{place} is damaged: {error}',
        remedy=f'Download once more into the folder, or remove {SIDECAR} and give layout=.',
    )
