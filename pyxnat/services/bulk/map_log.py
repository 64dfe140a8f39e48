"""Log of a mapped function: a line of JSON for each element."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ['MapLog', 'entry_of']


class MapLog:
    """Log with a line of JSON for each element; one program writes it at a time.

    Parameters
    ----------
    path : path, optional
        The file. Without one, nothing is written.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = Path(path).expanduser() if path is not None else None
        self._lock = threading.Lock()

    def successes(self) -> Iterator[tuple[str, Any]]:
        """Yield URI and result of successes, ignoring incomplete lines."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open('rb') as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    if entry['ok']:
                        yield entry['uri'], entry.get('result')
                except (ValueError, KeyError, TypeError):
                    continue

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        """Append entries of `entry_of`, in one write."""
        if self._path is None:
            return
        lines = b''.join(_json(entry).encode() + b'\n' for entry in entries)
        with self._lock, self._path.open('ab+') as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b'\n':
                    file.write(b'\n')  # a run was killed while it wrote
            file.write(lines)


def entry_of(uri: str, result: Any, error: BaseException | None, seconds: float) -> dict[str, Any]:
    """Return the entry of an element.

    Parameters
    ----------
    uri : str
        URI of the element.
    result : object
        Return value of the function; left out if JSON cannot hold it.
    error : BaseException or None
        Exception that it raised.
    seconds : float
        Duration of the function.
    """
    entry = {
        'uri': uri,
        'ok': error is None,
        'seconds': round(seconds, 3),
        'at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    }
    if error is None:
        return {**entry, 'result': result}
    return {**entry, 'error': f'{type(error).__name__}: {error}'}


def _json(entry: dict[str, Any]) -> str:
    try:
        return json.dumps(entry)
    except (TypeError, ValueError):
        entry.pop('result', None)
        return json.dumps(entry)
