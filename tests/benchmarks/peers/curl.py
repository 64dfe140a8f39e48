"""The transfers with curl: all files of a task in one command, in parallel, with one session
cookie.

The files to download are listed first, as in the other programs; nothing is compared afterwards.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from common import PARALLEL, PROJECTS, SESSION, SUBJECT, TRANSFERS, run


class Server(NamedTuple):
    """Base URL and session."""

    url: str
    cookie: str


_peaks = [0.0]


def _curl(*words: Any) -> bytes:
    """Return the output of a run of curl, and record its memory while it runs."""
    with subprocess.Popen(['curl', '-sfS', *map(str, words)], stdout=subprocess.PIPE) as process:
        ended = threading.Event()
        watching = threading.Thread(
            target=_watch, args=(Path(f'/proc/{process.pid}/status'), ended)
        )
        watching.start()
        said = process.communicate()[0]
        ended.set()
        watching.join()
    if process.returncode:
        raise RuntimeError(f'curl ended with {process.returncode}')
    return said


def _watch(status: Path, ended: threading.Event) -> None:
    while not ended.wait(0.005):
        try:
            found = re.search(r'VmHWM:\s+(\d+)', status.read_text())
        except OSError:
            return
        if found:
            _peaks.append(int(found[1]) / 1024)


def connect(url: str, user: str, password: str) -> Server:
    return Server(
        url, _curl('-u', f'{user}:{password}', '-X', 'POST', f'{url}/data/JSESSION').decode()
    )


def _all(server: Server, folder: Path, words: list[tuple[str, str]]) -> None:
    """Run any number of transfers from one configuration file."""
    config = folder / 'curl.config'
    config.write_text('\n'.join(f'{name} = "{value}"' for name, value in words), encoding='utf-8')
    _curl(
        '--parallel', '--parallel-max', PARALLEL, '-b', f'JSESSIONID={server.cookie}', '-K', config
    )


def _fetch(server: Server, listing: str, folder: Path, count: int | None = None) -> None:
    rows = json.loads(
        _curl('-b', f'JSESSIONID={server.cookie}', f'{server.url}{listing}?format=json')
    )['ResultSet']['Result']
    words = []
    for row in rows[:count]:
        words += [('url', f'{server.url}{row["URI"]}'), ('output', str(folder / row['Name']))]
    _all(server, folder, words)


def _send(server: Server, paths: list[Path], folder: Path) -> None:
    words = []
    for path in paths:
        target = (
            f'{server.url}/data{TRANSFERS}/resources/{folder.name}/files/{path.name}?inbody=true'
        )
        words += [('url', target), ('upload-file', str(path)), ('output', str(folder / 'said'))]
    _all(server, folder, words)


def put(server: Server, folder: Path, sources: Path, count: int) -> None:
    _send(server, [sources / 'one' / 'one_0000.dcm'], folder)


def download(server: Server, folder: Path, sources: Path, count: int) -> None:
    _fetch(
        server,
        f'/data/projects/{PROJECTS[0]}/subjects/{SUBJECT}/experiments/{SESSION}/scans/ALL/files',
        folder,
    )


def many(server: Server, folder: Path, sources: Path, count: int) -> None:
    _fetch(server, f'/data{TRANSFERS}/resources/MANY/files', folder)


def single(server: Server, folder: Path, sources: Path, count: int) -> None:
    _fetch(server, f'/data{TRANSFERS}/resources/MANY/files', folder, count)


def middling(server: Server, folder: Path, sources: Path, count: int) -> None:
    _fetch(server, f'/data{TRANSFERS}/resources/MIDDLING/files', folder)


def huge(server: Server, folder: Path, sources: Path, count: int) -> None:
    url = f'{server.url}/data{TRANSFERS}/resources/HUGE/files/huge_0000.dcm'
    _curl('-b', f'JSESSIONID={server.cookie}', '-o', folder / 'huge.dcm', url)


def send_many(server: Server, folder: Path, sources: Path, count: int) -> None:
    _send(server, sorted((sources / 'many').iterdir()), folder)


def send_big(server: Server, folder: Path, sources: Path, count: int) -> None:
    _send(server, sorted((sources / 'big').iterdir()), folder)


def send_huge(server: Server, folder: Path, sources: Path, count: int) -> None:
    _send(server, [sources / 'huge' / 'huge_0000.dcm'], folder)


again = download
many_again = many
middling_again = middling

if __name__ == '__main__':
    run(connect, vars(), peak=lambda: max(_peaks))
