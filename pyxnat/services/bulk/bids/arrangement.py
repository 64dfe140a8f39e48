"""The arrangement of a download as a BIDS data set."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .... import errors
from ....query.layouts import Layout
from ....query.paths import chain_of
from ....resources.base import class_of
from ..arrangement import Arrangement
from ..report import Report
from ..sidecar import Sidecar
from ..wanted import RemoteFile, files_below
from .convert import Converted, Converter
from .images import Left, Placed, images_of, place_images
from .mapping import Scan, read_rules
from .moves import move_earlier
from .names import labels_of, session_text
from .tables import FILES, Dataset, People

__all__ = ['BidsArrangement']

_DESCRIPTION = 'scan/series_description'
_QUALITY = 'scan/quality'
_FIELDS = ('project', 'subject', 'experiment', 'scan', 'type', 'date', _DESCRIPTION, _QUALITY)
_LEVELS = frozenset({'project', 'subject', 'experiment', 'scan', 'side'})


class BidsArrangement(Arrangement):
    """Images of scans at the places that BIDS has for them.

    Parameters
    ----------
    server : str
        URL of the server, for the description of the data set.
    mapping : path, mapping or None
        Rules before those of the default mapping.
    converter : {'dcm2niix'}, optional
        Program that converts scans with DICOM files alone.
    """

    own = (*Arrangement.own, *FILES)

    def __init__(
        self,
        server: str,
        mapping: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        converter: str | None = None,
    ) -> None:
        self._server = server
        self._rules = read_rules(mapping)
        self._converter = Converter(converter) if converter is not None else None
        columns = {*self._rules.participants.values(), *self._rules.sessions.values()} - {'date'}
        fields = [*_FIELDS, *sorted(columns), 'resource', 'path']
        super().__init__(Layout('/'.join(f'{{{field}}}' for field in fields)))
        self._people = People({}, {}, {})
        self._placed: list[Placed] = []
        self._left: list[Left] = []
        self._sessions: set[tuple[str, ...]] = set()

    def files(self, selection: Any) -> Any:
        """Return the collection of the files of scans. No request.

        Raises
        ------
        ProgrammingError
            The selection has no scans.
        """
        files = files_below(selection)
        routes = [route for route in files.routes if 'scans' in chain_of(route)]
        if not routes:
            raise errors.ProgrammingError(
                f'{selection!r} has no scans', remedy="layout='bids' is for scans and levels above."
            )
        return class_of('files')(routes, files.host, files.conditions)

    def arrange(self, listed: Sequence[RemoteFile], folder: Path) -> list[RemoteFile]:
        """Return the images with their places; keep the rest for the report.

        Parameters
        ----------
        listed : sequence of RemoteFile
            The files of the download.
        folder : Path
            The download folder, which may not exist yet.
        """
        dataset = Dataset(folder)
        dataset.check_own()
        self._people = dataset.people()
        sessions: dict[tuple[str, ...], list[RemoteFile]] = defaultdict(list)
        for file in listed:
            if file.scan:
                sessions[_session_of(file.above)].append(file)
        self._sessions = set(sessions)
        self._name(sessions)
        for key in sorted(sessions):
            self._arrange_session(key, sessions[key])
        return [
            file._replace(
                place=place,
                above={name: text for name, text in file.above.items() if name in _LEVELS},
            )
            for placed in self._placed
            for file, place in placed.files()
        ]

    def _name(self, sessions: Mapping[tuple[str, ...], list[RemoteFile]]) -> None:
        """Give each subject and session of the download its label."""
        people = self._people
        subjects = {key[:2]: key[1] for key in sessions}
        people.subjects.update(labels_of(subjects, people.subjects))
        for subject in subjects:
            texts = {key: session_text(key[1], key[2]) for key in sessions if key[:2] == subject}
            known = {key: label for key, label in people.sessions.items() if key[:2] == subject}
            people.sessions.update(labels_of(texts, known))
        for key, files in sessions.items():
            people.add_fields(key, files[0].above, self._rules)

    def _arrange_session(self, key: tuple[str, ...], files: Iterable[RemoteFile]) -> None:
        scans: dict[str, list[RemoteFile]] = defaultdict(list)
        for file in files:
            scans[file.scan].append(file)
        own = {'sub': self._people.subjects[key[:2]], 'ses': self._people.sessions[key]}
        images, converts = [], self._converter is not None
        for members in scans.values():
            scan = _scan_of(members[0], key)
            found, left = images_of(scan, members, self._rules, own, converts)
            images += found
            self._left += [one._replace(session=key) for one in left]
        placed, left = place_images(images)
        self._placed += placed
        self._left += [one._replace(session=key) for one in left]

    def prepare(self, folder: Path, listed: Sequence[RemoteFile]) -> None:
        """Move the images of an earlier download whose names have changed.

        Parameters
        ----------
        folder : Path
            The download folder.
        listed : sequence of RemoteFile
            The images of this download, with their places.
        """
        move_earlier(folder, listed)

    def complete(self, folder: Path, report: Report) -> None:
        """Convert DICOM, and write the tables, the description and the list of omissions.

        Parameters
        ----------
        folder : Path
            The download folder, with the files that could be fetched.
        report : Report
            Receives notes and failures.
        """
        dataset = Dataset(folder)
        self._convert(folder, report)
        there = [placed for placed in self._placed if (folder / placed.first).is_file()]
        dataset.write_people(self._people)
        dataset.write_description(self._server, there)
        dataset.write_left(self._left, self._sessions)
        for left in self._left:
            report.add_note(str(left))
        for place in self._gone(folder):
            report.add_note(f'{place} is no longer on the server, or in no rule')

    def _gone(self, folder: Path) -> list[str]:
        """Return the files of earlier downloads of these sessions that this one lacks."""
        places = {place for placed in self._placed for _, place in placed.files()}
        return [
            place
            for place, note in Sidecar(folder).files().items()
            if place not in places
            and _session_of(note.above) in self._sessions
            and (folder / place).is_file()
        ]

    def _convert(self, folder: Path, report: Report) -> None:
        """Convert the scans with new DICOM files, or with missing or renamed images."""
        fetched, converted = set(report.ok), Converted(folder)
        for placed in self._placed:
            places = [place for _, place in placed.files()]
            if self._converter is None or not placed.image.sources:
                continue
            if not all((folder / place).is_file() for place in places):
                continue  # their failures are in the report
            if fetched.isdisjoint(places) and converted.has(placed.source, placed.name):
                continue
            try:
                made = self._converter.convert(folder / placed.source, folder, placed.name)
            except (errors.DataError, OSError) as error:
                report.add_failure(placed.first, error)
            else:
                converted.put(placed.source, placed.name, made)


def _session_of(above: Mapping[str, str]) -> tuple[str, ...]:
    """Return project, subject and session of a file.

    A session without a subject is its own.
    """
    session = above.get('experiment', '')
    return above.get('project', ''), above.get('subject') or session, session


def _scan_of(file: RemoteFile, key: tuple[str, ...]) -> Scan:
    above = file.above
    return Scan(
        file.scan,
        above.get('type', ''),
        above.get(_DESCRIPTION, ''),
        above.get(_QUALITY, ''),
        key[2],
    )
