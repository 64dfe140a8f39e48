"""Writing files to disk before an upload is answered.

A rename and a commit can be on disk before the content of the file: after a power cut the archive
would then have an empty file for an upload that it had confirmed. `OnDisk` asks the operating
system to write content and folders first, `InMemory` leaves that to it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

__all__ = ['InMemory', 'OnDisk', 'Sync']

THREADS = 8
"""Files that are written at a time: file systems write them with one commit of their journal."""
MOST_OPEN = 64
"""Files that wait to be written, each with a descriptor; further uploads wait."""


class Sync(Protocol):
    """When content and folders are written to disk."""

    def start(self, descriptor: int) -> Future[None] | None:
        """Begin to write an open file; the future is done when it is on disk."""

    def folders(self, paths: Iterable[Path]) -> None:
        """Write the entries of folders."""

    def close(self) -> None:
        """Release the threads."""


class InMemory:
    """Nothing is written before the operating system chooses to: for tests."""

    def start(self, descriptor: int) -> Future[None] | None:
        """Return None: there is nothing to wait for."""
        return None

    def folders(self, paths: Iterable[Path]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class OnDisk:
    """Files are written in threads while the next are received."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, 'pyxnat.server.sync')
        self._slots = threading.BoundedSemaphore(MOST_OPEN)

    def start(self, descriptor: int) -> Future[None] | None:
        """Begin to write an open file, which the caller may close and rename at once."""
        self._slots.acquire()
        try:
            return self._pool.submit(self._write, os.dup(descriptor))
        except BaseException:
            self._slots.release()
            raise

    def _write(self, descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            self._slots.release()

    def folders(self, paths: Iterable[Path]) -> None:
        """Write the entries of folders, each once.

        Windows has no way to, and does so itself. A folder that was removed in the meantime has
        none.
        """
        if os.name == 'nt':
            return
        for path in set(paths):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Wait for the files that are being written."""
        self._pool.shutdown()
