"""What the cache knows of each file it holds. A file that is not in the ledger is somebody else's, and is left alone."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..files.disk import PART, publish

__all__ = ['Ledger', 'Page', 'identity_of']

_CLAIMED = '.claimed.'
_DEAD_S = 5.0
"""Removing a file takes less: who has not ended a claim by then was killed."""
_POLL_S = 0.005


class Page(NamedTuple):
    """What is known of one file."""

    uri: str
    place: str
    """Of the file, below the store's folder."""
    size: int
    md5: str = ''
    """Empty until somebody needed it."""
    modified: str = ''
    """The server's ``Last-Modified``, if it proves the content: a file fetched in the second it was changed in may be changed again in it."""
    identity: str = ''
    """Of the file as it was put there; it is another as soon as anybody writes to the file, renames it or changes its time."""


def identity_of(path: Path) -> str:
    """What changes when a file is written to, replaced or touched; empty for what is no plain file or not there."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ''
    return f'{found.st_size}:{found.st_ino}:{found.st_mtime_ns}:{found.st_ctime_ns}' if stat.S_ISREG(found.st_mode) else ''


class Ledger:
    """The pages of a store, one small file each.

    The time of a page is when its file was last handed out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, place: str) -> Path:
        """Where the page of a file lies."""
        name = hashlib.blake2b(place.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()
        return self.folder / name[:2] / name

    def read(self, place: str) -> Page | None:
        """The page of a file; `None` where there is none, or a damaged one."""
        page = _read(self.path(place))
        return page if page is not None and page.place == place else None

    def write(self, page: Page) -> None:
        """Set the page of a file, used now."""
        with publish(self.path(page.place), mode=0o600, private=True) as file:
            file.write(json.dumps(page).encode('ascii'))

    def use(self, place: str) -> bool:
        """Say that a file is handed out; `False` where it was pruned."""
        try:
            os.utime(self.path(place))
        except FileNotFoundError:
            return False
        return True

    def owns(self, place: str) -> bool:
        """Whether a file is the store's, also one that is being pruned."""
        path = self.path(place)
        return path.exists() or bool(_claims(path)) or path.exists()

    def claim(self, place: str, unused_before: float) -> Path | None:
        """Take a page away to remove its file: who wants the file from now on finds it gone, and who fetches it anew waits for `settle`.

        `None` where another took it, or it was used since `unused_before` (seconds since 1970): then it is given back.
        """
        path = self.path(place)
        claim = path.with_name(f'{path.name}{_CLAIMED}{time.time_ns()}.{os.getpid()}.{threading.get_ident()}')
        given_up = [one for one in _claims(path) if _is_given_up(one)]
        try:
            os.replace(given_up[0] if given_up and not path.exists() else path, claim)
        except FileNotFoundError:
            return None
        with suppress(FileExistsError, FileNotFoundError):  # fetched anew meanwhile; or given up, by others' clocks
            if claim.stat().st_mtime < unused_before:
                return claim
            os.link(claim, path)
        self.settle(claim)
        return None

    @staticmethod
    def settle(claim: Path) -> None:
        """End a claim."""
        claim.unlink(missing_ok=True)

    def await_settled(self, place: str) -> None:
        """Wait until whoever removes the file is done; one that died is not waited for."""
        path = self.path(place)
        while claims := _claims(path):
            for claim in claims:
                if _is_given_up(claim):
                    claim.unlink(missing_ok=True)
            time.sleep(_POLL_S)

    def pages(self) -> Iterator[tuple[Page, float]]:
        """Every page, with the time of last use, in seconds since 1970; a page whose claim was cut short is one, too."""
        for path in self.folder.glob('??/*'):
            if path.name.endswith(PART):
                continue
            page = _read(path)
            with suppress(FileNotFoundError):
                used = path.stat().st_mtime
                if page is not None:
                    yield page, used


def _claims(path: Path) -> list[Path]:
    """The claims on a page. Each is a file of its own, so that two who prune at once take nothing from each other."""
    return [*path.parent.glob(f'{path.name}{_CLAIMED}*')]


def _is_given_up(claim: Path) -> bool:
    """Whether a claim is so old that who made it must have been killed; its time is in its name."""
    began = claim.name.partition(_CLAIMED)[2].partition('.')[0]
    return not began.isdigit() or abs(time.time_ns() - int(began)) > _DEAD_S * 1e9


def _read(path: Path) -> Page | None:
    try:
        told = json.loads(path.read_bytes())
        return Page(*told)
    except (OSError, ValueError, TypeError):
        return None
