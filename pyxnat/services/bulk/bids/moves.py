"""Files of an earlier download whose names have changed.

Such as a first run of two now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ....files.disk import PART
from ..manifest import Manifest
from ..sidecar import Sidecar
from ..wanted import RemoteFile
from .images import extension_of

__all__ = ['move_earlier']


def move_earlier(folder: Path, listed: Iterable[RemoteFile]) -> None:
    """Move the files that have another place now.

    Their lines in notes and manifest change, too. A side file that was written here follows its
    image. A process that dies in between leaves files that the download fetches again.

    Parameters
    ----------
    folder : Path
        The download folder.
    listed : iterable of RemoteFile
        The files of this download.
    """
    sidecar = Sidecar(folder)
    notes = sidecar.files()
    earlier = {note.uri: place for place, note in notes.items()}
    moves = {
        earlier[file.uri]: file.place
        for file in listed
        if earlier.get(file.uri, file.place) != file.place
    }
    followers = {
        _side(old): _side(new)
        for old, new in moves.items()
        if extension_of(old) in ('.nii', '.nii.gz') and _side(old) not in notes
    }
    if moves:
        _rename(folder, {**moves, **followers})
        sidecar.rename(moves)
        Manifest(folder).rename(moves)


def _side(place: str) -> str:
    return f'{place[: -len(extension_of(place))]}.json'


def _rename(folder: Path, moves: Mapping[str, str]) -> None:
    """Rename files, all to temporary names first: the names may be exchanged."""
    waiting = {}
    for old, new in moves.items():
        path = folder / old
        if path.is_file():
            waiting[path.rename(path.with_name(f'.{path.name}.moved{PART}'))] = folder / new
    for temporary, target in waiting.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
