"""Runs the programs of the clients in processes of their own, behind a proxy.

The archive and the proxy are processes, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .filling import Filled
from .tasks import Outcome, Task

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).with_name('peers')
ENVIRONMENTS = ROOT / '.bench'
PASSWORD = 'benchmark'
PATIENCE_S = 12
"""Longest waiting time for a client: if its requests, one after the other, would wait longer for
latency alone, it is not run, and that time is its result."""
STALE_S = 1.1
"""Seconds after which cached responses of the previous round are stale."""

Server = tuple[str, str, str]
"""URL, user, password."""


class Client(NamedTuple):
    """A client that is measured."""

    name: str
    program: str
    python: str = sys.executable
    installed: tuple[str, ...] = ()
    """Arguments of pip for an environment of its own; empty for one with the others."""

    @property
    def is_ours(self) -> bool:
        """Whether it is this library."""
        return self.program == OURS.program


OURS = Client('pyxnat 2', 'ours.py', installed=('httplib2', 'lxml', 'six'))
CURL = Client('curl', 'curl.py')
PARALLEL = (OURS.name, CURL.name)
CLIENTS = (
    OURS,
    Client('pyxnat 1.6.4', 'old.py', installed=('--no-binary', 'pyxnat', 'pyxnat==1.6.4')),
    Client('xnatpy 0.8.1', 'xnatpy.py'),
    Client('xnatctl 0.6.0', 'ctl.py'),
    CURL,
)


def clients(names: tuple[str, ...] = ('',), *, alone: bool = True) -> list[Client]:
    """Return the clients whose names begin with one of these.

    This library and pyxnat 1.6.4 have environments of their own, which are made if they are
    missing: Python starts more slowly in one with many packages. Without `alone` this library
    shares that of the others.
    """
    chosen = [client for client in CLIENTS if client.name.startswith(names)]
    return [
        client._replace(python=_python_of(client))
        if client.installed and (alone or not client.is_ours)
        else client
        for client in chosen
    ]


def _python_of(client: Client) -> str:
    """Return the interpreter of a client's own environment."""
    folder = ENVIRONMENTS / client.name.replace(' ', '-')
    executable = folder / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
    if not executable.exists():
        subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
        install = [str(executable), '-m', 'pip', 'install', '--quiet', *client.installed]
        subprocess.run(install, check=True)
    return str(executable)


class Row(NamedTuple):
    """Result of one client for one task at one latency: the fastest of some rounds, and the lowest
    processor time and memory."""

    task: str
    client: str
    delay_ms: int
    asked: int
    """Expected number of items."""
    found: int
    """Number of them in the result."""
    wrong: int
    """Number of other items in the result."""
    requests: int
    first_requests: int
    """Requests of the first round, with a cache folder that has no facts about the server."""
    sent: int
    """Bytes, including the headers."""
    received: int
    seconds: float
    cpu_s: float
    peak_mib: float
    is_reckoned: bool = False
    """Whether the seconds are computed: requests times latency, plus the time without latency."""

    @property
    def is_right(self) -> bool:
        """Whether the result has all items and no others."""
        return self.found == self.asked and not self.wrong


class Far:
    """The proxy before an archive."""

    def __init__(self, url: str) -> None:
        self.url = url

    def counts(self) -> dict[str, int]:
        """Return its counts since the previous call."""
        counts: dict[str, int] = self._ask('count')
        return counts

    def delay(self, milliseconds: int) -> None:
        """Set the latency of the archive."""
        self._ask(f'delay/{milliseconds}')

    def _ask(self, words: str) -> Any:
        with urllib.request.urlopen(f'{self.url}/!{words}', timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def archive(folder: Path) -> Iterator[Server]:
    """Serve an archive in a process of its own."""
    (folder / 'password').write_text(PASSWORD, encoding='ascii')
    words = [
        sys.executable,
        '-m',
        'pyxnat.server',
        str(folder / 'archive'),
        '--password-file',
        str(folder / 'password'),
        '--port',
        '0',
        '--fast',
    ]
    with _serving(words, r'http://[\w.:]+') as url:
        yield url, 'admin', PASSWORD


@contextmanager
def far(server: Server) -> Iterator[Far]:
    """Start a proxy in a process of its own."""
    with _serving(
        [sys.executable, '-m', 'tests.benchmarks.latency', server[0]], r'http://\S+'
    ) as url:
        yield Far(url)


@contextmanager
def _serving(words: Sequence[str], pattern: str) -> Iterator[str]:
    """Return the URL that a process prints."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield next(found[0] for line in process.stdout if (found := re.search(pattern, line)))
        finally:
            process.terminate()


class Runner:
    """Runs tasks with clients.

    Without latency, requests and bytes are counted in a round through the proxy, and time is
    measured in rounds without it, because the proxy would take its part of a small machine's
    processors. With latency, all is measured in the same rounds.
    """

    def __init__(
        self, interface: Any, server: Server, proxy: Far, filled: Filled, folder: Path
    ) -> None:
        self.interface, self.server, self.proxy, self.filled, self.folder = (
            interface,
            server,
            proxy,
            filled,
            folder,
        )
        self._number = 0
        self._first: dict[str, int] = {}
        self._ended: dict[Path, float] = {}
        self._near: dict[tuple[str, str], Row] = {}

    def rows(
        self, tasks: Sequence[Task], who: Sequence[Client], delay_ms: int, rounds: int
    ) -> Iterator[Row]:
        """Return a row for each task and each client that can do it.

        They take turns, so that all run under the same load; in each task and round another one
        begins.
        """
        for task in tasks:
            for client in who:
                if client.is_ours and task.is_far and task.name not in ('connect', *self._first):
                    self._first[task.name] = self._learn(task, client)
        pairs = [(task, client) for task in tasks for client in who]
        reckoned = {
            pair: row for pair in pairs if (row := self._reckoned(*pair, delay_ms)) is not None
        }
        found: dict[tuple[Task, Client], list[Row]] = {
            pair: [] for pair in pairs if pair not in reckoned
        }
        for number in range(rounds + (delay_ms == 0)):
            direct = delay_ms == 0 and number > 0
            for turn, task in enumerate(tasks, start=number):
                first = turn % len(who)
                for client in (*who[first:], *who[:first]):
                    if (task, client) not in found:
                        continue
                    row = self._round(
                        task, client, delay_ms, self.server[0] if direct else self.proxy.url
                    )
                    if row is not None:
                        found[task, client].append(row)
        best = {pair: self._best(rows, pair[1], delay_ms) for pair, rows in found.items() if rows}
        if not delay_ms:
            self._near = {(row.task, row.client): row for row in best.values()}
        yield from ((best | reckoned)[pair] for pair in pairs if pair in best or pair in reckoned)

    def _reckoned(self, task: Task, client: Client, delay_ms: int) -> Row | None:
        """Return the least time of a client if that is too long to wait for.

        For clients with parallel requests it cannot be computed.
        """
        near = self._near.get((task.name, client.name))
        if near is None or client.name in PARALLEL or near.requests * delay_ms / 1000 <= PATIENCE_S:
            return None
        return near._replace(
            delay_ms=delay_ms, seconds=near.requests * delay_ms / 1000, is_reckoned=True
        )

    def _learn(self, task: Task, client: Client) -> int:
        """Return the requests of the first use.

        Facts about either address of the archive are then in the cache folder.
        """
        self._round(task, client, 0, self.server[0])
        row = self._round(task, client, 0, self.proxy.url)
        return row.requests if row else 0

    def _best(self, rows: list[Row], client: Client, delay_ms: int) -> Row:
        timed = rows if delay_ms else rows[1:]
        best = min(timed, key=lambda row: row.seconds)
        counted = best if delay_ms else rows[0]
        return counted._replace(
            first_requests=self._first.get(best.task, counted.requests)
            if client.is_ours
            else counted.requests,
            found=min(row.found for row in rows),
            wrong=max(row.wrong for row in rows),
            seconds=best.seconds,
            cpu_s=min(row.cpu_s for row in timed),
            peak_mib=min(row.peak_mib for row in timed),
        )

    def _round(self, task: Task, client: Client, delay_ms: int, url: str) -> Row | None:
        self._number += 1
        place = self.folder / f'{task.name}_{Path(client.program).stem}_{self._number}'
        place.mkdir()
        try:
            if task.before and self._run(task.before, task, client, url, 0, place) is None:
                return None
            if hasattr(os, 'sync'):
                os.sync()  # what others wrote would be written to the disk during this one's time
            said = self._run(task.name, task, client, url, delay_ms, place)
            if said is None:
                return None
            done = task.done(Outcome(self.interface, place, said.pop('rows', [])))
        finally:
            shutil.rmtree(place)
        print(
            f'{delay_ms} ms, {task.name}, {client.name}: {said["seconds"]:.3f} s',
            file=sys.stderr,
            flush=True,
        )
        right = self.filled.rows[task.right or task.name]
        asked = task.asked(self.filled)
        return Row(
            task.name,
            client.name,
            delay_ms,
            asked,
            sum((done & right).values()),
            sum((done - right).values()),
            first_requests=0,
            **said,
        )

    def _run(
        self, name: str, task: Task, client: Client, url: str, delay_ms: int, place: Path
    ) -> dict[str, Any] | None:
        """Run one program; return None if the client has no such task."""
        cache = self.folder / f'cache_{Path(client.program).stem}_{task.name}'
        environment = {
            **os.environ,
            'PYXNAT_CACHEDIR': str(cache),
            'XNAT_NO_UPDATE_CHECK': '1',
            'HOME': str(self.folder),
        }
        # installed packages have byte code; that of this one may be older than its source
        for variable in ('PYTHONPATH', 'PYTHONDONTWRITEBYTECODE'):
            environment.pop(variable, None)
        if client.is_ours:
            environment['PYTHONPATH'] = str(ROOT)
            time.sleep(max(0.0, self._ended.get(cache, 0.0) + STALE_S - time.monotonic()))
        words = [
            client.python,
            str(PEERS / client.program),
            name,
            str(task.asked(self.filled)),
            url,
            *self.server[1:],
            str(place),
        ]
        self.proxy.delay(delay_ms if name == 'connect' else 0)
        with (self.folder / 'errors.txt').open('w+') as errors:
            pipes: dict[str, Any] = {
                'stdin': subprocess.PIPE,
                'stdout': subprocess.PIPE,
                'stderr': errors,
                'text': True,
                'env': environment,
            }
            with subprocess.Popen([*words, str(self.filled.sources)], **pipes) as process:
                try:
                    return self._follow(process, name, delay_ms)
                except EOFError:
                    errors.seek(0)
                    raise RuntimeError(
                        f'{client.name} failed to do {name}:\n{errors.read()}'
                    ) from None
                finally:
                    process.kill()
                    self._ended[cache] = time.monotonic()

    def _follow(self, process: Any, name: str, delay_ms: int) -> dict[str, Any] | None:
        started = time.perf_counter()
        if _line(process) == 'none':
            return None
        connected = time.perf_counter() - started
        if name == 'connect':
            return {**self._counted(), **json.loads(_line(process)), 'seconds': connected}
        _line(process)
        self.proxy.delay(delay_ms)
        _go_on(process)
        said = json.loads(_line(process))
        counted = self._counted()
        _go_on(process)
        process.wait(60)
        return {**counted, **said}

    def _counted(self) -> dict[str, int]:
        counts = self.proxy.counts()
        return {name: counts[name] for name in ('requests', 'sent', 'received')}


def _line(process: Any) -> str:
    """Return the next line of a process."""
    line: str = process.stdout.readline()
    if not line:
        raise EOFError
    return line.strip()


def _go_on(process: Any) -> None:
    process.stdin.write('\n')
    process.stdin.flush()
