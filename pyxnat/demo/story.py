"""Five chapters of the demo, printed with the requests and bytes they used."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .cohort import AGING, PROJECTS, SEED, cohort
from .fill import fill
from .images import KINDS

if TYPE_CHECKING:
    from ..http.tracing import Trace
    from ..interface import Interface

__all__ = ['run_story']

IMAGES = f'/projects/{AGING.id}/subjects/*/experiments/*/scans/*/resources/*/files'
OVER_80 = [('xnat:mrSessionData/AGE', '>', '80'), 'AND']

COLUMNS = {
    'subject': 'xnat:mrSessionData/SUBJECT_LABEL',
    'session': 'xnat:mrSessionData/LABEL',
    'age': 'xnat:mrSessionData/AGE',
    'gender': 'xnat:subjectData/GENDER',
    'handedness': 'xnat:subjectData/HANDEDNESS',
    'group': 'xnat:subjectData/SUB_GROUP',
}
CRITERIA = [
    ('xnat:mrSessionData/PROJECT', '=', AGING.id),
    ('xnat:mrSessionData/AGE', '>', '60'),
    [
        ('xnat:subjectData/HANDEDNESS', '=', 'left'),
        [
            ('xnat:subjectData/GENDER', '=', 'female'),
            ('xnat:subjectData/SUB_GROUP', '=', 'patient'),
            'AND',
        ],
        'OR',
    ],
    'AND',
]


def run_story(interface: Interface, server: Any, folder: Path, example: Path, cache: Path) -> None:
    """Run all chapters in order.

    Parameters
    ----------
    interface : Interface
        Connection to the archive.
    server : Server
        The archive's server, with ``url``, ``user`` and ``password``.
    folder : Path
        Folder of the demo.
    example : Path
        Script of the example in the second chapter.
    cache : Path
        Folder of the cache.
    """
    _print(f'pyxnat {__version__}, the demo: an archive in {folder}, served at {server.url}')
    _filling(interface)
    _processing(server, example, cache)
    _searching(interface)
    _looking(interface)
    _from_the_cache(interface)


def _filling(interface: Interface) -> None:
    _title('1. An archive to work with')
    people = cohort()
    _print(
        f'Invented subjects (seed {SEED}). Files named "made" are derived from samples that '
        'nibabel and'
    )
    _print(
        'pydicom ship: one head, a map, a CT slice. The other files are those samples unchanged.'
    )
    started = time.perf_counter()
    with interface.trace() as trace:
        added = fill(interface, people)
    _print()
    _table([_project_row(project.id, people) for project in PROJECTS])
    outcome = (
        f'{added} projects, subjects, sessions, scans and files added'
        if added
        else 'Nothing to add, everything exists'
    )
    _print(
        f'{outcome}: {_cost(trace)}, {_mb(trace.bytes_sent)} sent, '
        f'{time.perf_counter() - started:.1f} s.'
    )


def _project_row(project: str, people: Iterable[Any]) -> dict[str, Any]:
    subjects = [subject for subject in people if subject.project == project]
    sessions = [session for subject in subjects for session in subject.sessions]
    scans = [scan for session in sessions for scan in session.scans]
    kinds = [KINDS[kind] for scan in scans for kind in scan.kinds]
    counts = {
        'subjects': len(subjects),
        'sessions': len(sessions),
        'scans': len(scans),
        'files': sum(len(kind.labels) for kind in kinds),
    }
    return {
        'project': project,
        **counts,
        'formats': ' '.join(sorted({kind.format for kind in kinds})),
    }


def _processing(server: Any, example: Path, cache: Path) -> None:
    _title('2. The example of the paper: brain masks of everybody scanned over 80')
    _print(f"select('{IMAGES}')")
    _print(f'    .where({OVER_80})')
    _print(
        'It selects subjects with a matching session: the one scanned at 79 and 82 comes with both '
        'sessions.'
    )
    _print()
    words = [_short(example), AGING.id, '--over', '80', '--workers', '8', '--cachedir', str(cache)]
    _print('With XNAT_HOST, XNAT_USER and XNAT_PASS in the environment:')
    _print('$ python ' + shlex.join(words))
    _print()
    environment = _environment(server, example.parents[1])
    subprocess.run([sys.executable, *words], check=True, env=environment)


def _environment(server: Any, checkout: Path) -> dict[str, str]:
    """Return the environment of the example.

    It has the login, and this pyxnat on its path, whether it is installed or not.
    """
    inherited = {name: value for name, value in os.environ.items() if name != 'XNAT_TOKEN'}
    path = os.pathsep.join([str(checkout), *filter(None, [os.environ.get('PYTHONPATH')])])
    return {
        **inherited,
        'PYTHONPATH': path,
        'XNAT_HOST': server.url,
        'XNAT_USER': server.user,
        'XNAT_PASS': server.password,
    }


def _searching(interface: Interface) -> None:
    _title(
        '3. A search with nested criteria: over 60 and left-handed, or a woman among the patients'
    )
    _print("select('xnat:mrSessionData', columns).where(")
    _print(_indented(CRITERIA) + ')')
    with interface.trace() as trace:
        table = interface.select('xnat:mrSessionData', list(COLUMNS.values())).where(CRITERIA)
        rows = [dict(zip(COLUMNS, row.values(), strict=True)) for row in table]
    _print()
    _table(rows)
    _print(f'{len(rows)} sessions: {_cost(trace)}.')


def _looking(interface: Interface) -> None:
    _title('4. Data types, fields and values')
    with interface.trace() as trace:
        types = interface.inspect.datatypes()
        fields = interface.inspect.datatypes('xnat:subjectData')
        hands = interface.inspect.field_values('xnat:subjectData/HANDEDNESS')
    _print(
        f'inspect.datatypes()                                      {len(types)}, such as '
        'xnat:subjectData'
    )
    _print(f"inspect.datatypes('xnat:subjectData')                    {len(fields)} fields")
    _print(f"inspect.field_values('xnat:subjectData/HANDEDNESS')      {', '.join(sorted(hands))}")
    _print(f'{_cost(trace)}.')


def _from_the_cache(interface: Interface) -> None:
    _title('5. The same images again, from the cache')
    with interface.trace() as trace:
        files = [
            file
            for file in interface.select(IMAGES).where(OVER_80)
            if file.label().endswith(('.img', '.hdr'))
        ]
        paths = [file.get() for file in files]
    size = sum(map(os.path.getsize, paths))
    content = sum(record.received for record in trace if '/files/' in record.uri)
    _print(
        f'{len(paths)} files, {_mb(size)}: {_cost(trace)}, {content} bytes of content. They are '
        'below'
    )
    _print(_short(Path(os.path.commonpath(paths))))


# -- printing --------------------------------------------------------------------------------------


def _title(text: str) -> None:
    print(f'\n{text}\n{"-" * len(text)}', flush=True)


def _print(text: str = '') -> None:
    print(text, flush=True)


def _table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows in aligned columns, numbers to the right."""
    cells = (
        [list(rows[0]), *([str(value) for value in row.values()] for row in rows)] if rows else []
    )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print(
            '  '
            + '  '.join(
                _fitted(cell, width) for cell, width in zip(line, widths, strict=True)
            ).rstrip(),
            flush=True,
        )


def _fitted(cell: str, width: int) -> str:
    return cell.rjust(width) if cell.replace('.', '').isdigit() else cell.ljust(width)


def _cost(trace: Trace) -> str:
    return f'{trace.requests} request{"s" if trace.requests != 1 else ""}'


def _mb(count: int) -> str:
    return f'{count / 1e6:.1f} MB'


def _indented(criteria: Sequence[Any], depth: int = 4) -> str:
    """Return criteria as text, one per line, with nested lists indented."""
    pad = ' ' * depth
    lines = [
        _indented(item, depth + 1).strip() if isinstance(item, list) else repr(item)
        for item in criteria
    ]
    return pad + '[' + (',\n ' + pad).join(lines) + ']'


def _short(path: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    return (
        str(path.relative_to(Path.cwd()))
        if path.is_absolute() and path.is_relative_to(Path.cwd())
        else str(path)
    )
