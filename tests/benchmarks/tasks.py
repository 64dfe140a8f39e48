"""Tasks of the clients, and the checks of their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.peers.common import NEW, TRANSFERS

from .filling import Filled, Rows, digests


class Outcome(NamedTuple):
    """Places of a result."""

    interface: Any
    folder: Path
    rows: list[list[str]]


class Task(NamedTuple):
    """Row of the tables.

    The program of a client has a function with its name if the client can do the task.
    """

    name: str
    title: str
    done: Callable[[Outcome], Rows]
    """Check of the result."""
    right: str = ''
    """Name of the expected result; by default that of the task."""
    is_far: bool = True
    """Whether the task is also measured with latency; False if only speed matters."""
    before: str = ''
    """Task that runs before in the same folder, and is not measured."""

    part: int = 1
    """Whether one of this number of items is requested."""

    def asked(self, filled: Filled) -> int:
        """Return the expected number of rows or files."""
        return sum(filled.rows[self.right or self.name].values()) // self.part


def rows_of_client(outcome: Outcome) -> Rows:
    """Return the rows of the client."""
    return Counter(tuple(row) for row in outcome.rows)


def fetched(outcome: Outcome) -> Rows:
    """Return the files in the folder."""
    return digests(outcome.folder)


def sent(outcome: Outcome) -> Rows:
    """Return the files of the new resource, and delete it."""
    resource = outcome.interface.select(TRANSFERS).resource(outcome.folder.name)
    rows = outcome.interface._get_json(
        f'/data{TRANSFERS}/resources/{outcome.folder.name}/files?format=json'
    )
    resource.delete()
    return Counter((row['digest'],) for row in rows)


def created(outcome: Outcome) -> Rows:
    """Return the new scan if it is in its place, and delete its subject."""
    name = outcome.folder.name
    subject = outcome.interface.select.project(NEW).subject(name)
    rows = outcome.interface._get_json(
        f'/data/projects/{NEW}/subjects/{name}/experiments/{name}_E/scans?format=json'
    )
    subject.delete()
    return Counter((row['ID'], row['xsiType']) for row in rows)


def inserted(outcome: Outcome) -> Rows:
    """Return the new subjects, and delete them."""
    interface, prefix = outcome.interface, f'{outcome.folder.name}_'
    rows = interface._get_json(
        f'/data/projects/{NEW}/subjects?format=json&columns=ID,label,gender,yob'
    )
    new = [row for row in rows if row['label'].startswith(prefix)]
    for row in new:
        interface.select.project(NEW).subject(row['ID']).delete()
    return Counter((row['label'].removeprefix(prefix), row['gender'], row['yob']) for row in new)


TASKS = (
    Task('connect', 'Python, import, login', rows_of_client),
    Task('sessions', 'ID, label, type of the sessions of all projects', rows_of_client),
    Task(
        'tree', 'sessions of all projects, with label and gender of their subjects', rows_of_client
    ),
    Task('table', 'MR sessions of the site with the gender of their subjects', rows_of_client),
    Task('fields', 'date, time, note of the sessions of a project', rows_of_client),
    Task('scans', 'type and quality of the scans of a project', rows_of_client),
    Task('files', 'names of all files below a subject', rows_of_client),
    Task('put', 'one file into a new resource', sent),
    Task('create', 'a scan, its session and its subject', created),
    Task('insert', 'subjects from a table, with gender and year of birth', inserted),
    Task('download', 'a session: 12 files of 20 kB', fetched),
    Task('again', 'the same, already complete', fetched, 'download', before='download'),
    Task('many', 'a resource of small files, 4 KiB each', fetched),
    Task('many_again', 'the same, already complete', fetched, 'many', before='many'),
    Task('single', 'some files of that resource, one by one', fetched, 'many', part=10),
    Task('middling', 'a resource of files of 1 MiB', fetched),
    Task('middling_again', 'the same, already complete', fetched, 'middling', before='middling'),
    Task('huge', 'one file of 256 MiB', fetched, is_far=False),
    Task('send_many', 'a folder of small files, 4 KiB each', sent, 'many'),
    Task('send_big', 'a folder of four files of 64 MiB', sent, 'big'),
    Task('send_huge', 'one file of 256 MiB', sent, 'huge', is_far=False),
    Task(
        'upload_many',
        'the folder of small files with upload(), which first lists existing files',
        sent,
        'many',
    ),
    Task('upload_again', 'the same, already complete', sent, 'many', before='upload_many'),
    Task('upload_big', 'the folder of four files of 64 MiB with upload()', sent, 'big'),
    Task('hits', 'the same small listing, from the cache', rows_of_client, is_far=False),
)
