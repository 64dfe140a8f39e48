"""Files of a local folder: those that can be sent, and the names of all others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ['Entry', 'entries']

_KINDS = {
    stat.S_IFIFO: 'a FIFO',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFBLK: 'a device',
    stat.S_IFCHR: 'a device',
}


class Entry(NamedTuple):
    """A file of a folder, or something else in it that cannot be sent."""

    name: str
    """Path below the folder, with ``/``."""
    path: Path
    why_not: str = ''
    """Reason why it cannot be sent; empty for a file."""
    is_data: bool = True
    """Whether it has content, or should have."""


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the files of a folder by name, and all else that is no folder.

    Links to files count as files. Links to folders are not followed, since they may lead round in
    a circle.
    """
    yield from _below(folder, '')


def _below(folder: Path, prefix: str) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        why = f'the folder cannot be read ({error.strerror})'
        yield Entry(prefix.rstrip('/') or '.', folder, why)
        return
    for entry in found:
        name, path = f'{prefix}{entry.name}', folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, f'{name}/')
        else:
            yield _entry(name, path)


def _entry(name: str, path: Path) -> Entry:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        is_link = path.is_symlink()
        why = 'it is a link that leads to no file' if is_link else f'{error.strerror}'
        return Entry(name, path, why)
    if stat.S_ISDIR(mode):
        return Entry(name, path, 'it is a link to a folder, which is not followed', False)
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), 'no file')
        return Entry(name, path, f'it is {kind}', False)
    try:
        name.encode()
    except UnicodeEncodeError:
        return Entry(name, path, 'its name is not in UTF-8')
    return Entry(name, path)
