"""Server in a process of its own, for tests of its memory and of full disks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyxnat

ROOT = str(Path(pyxnat.__file__).parents[1])
PASSWORD = 'secret'


class Served:
    """Address and memory of a served archive."""

    host = '127.0.0.1'

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    def memory(self, peak: bool = False) -> float:
        """Return the resident memory in MiB, now or the highest so far."""
        status = Path(f'/proc/{self._process.pid}/status').read_text()
        found = re.search(rf'Vm{"HWM" if peak else "RSS"}:\s+(\d+)', status)
        assert found
        return int(found[1]) / 1024


@contextmanager
def served(
    folder: Path, before: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[Served]:
    """Serve a folder in a process of its own; the administrator's password is `PASSWORD`.

    Parameters
    ----------
    folder : Path
        Folder of the archive.
    before : Sequence[str]
        Words of a command that runs the server.
    options : Sequence[str]
        Options of the server.
    """
    command = [*before, sys.executable, '-m', 'pyxnat.server', str(folder), '--port', '0', *options]
    environment = {**os.environ, 'PYTHONPATH': ROOT, 'PYXNAT_SERVER_PASSWORD': PASSWORD}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = re.search(r'127\.0\.0\.1:(\d+)', process.stdout.readline())
        assert port, 'the server did not start'
        yield Served(process, int(port[1]))
    finally:
        process.terminate()
        process.communicate()
