"""Verbs of mirrors: mirror pull, status, push, resolve, forget, and so on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ....errors import InvalidArgument, NotFoundError
from ....interface import Interface
from ...sync import Conflict, Mirror, PushPlan
from ..exit_codes import Exit
from ..options import dry_run_option, planned
from ..places import Place
from ..plans import Plan, read_plan
from ..session import Shell
from .transfer import summary

__all__ = [
    'VERBS',
    'conflicts',
    'deleted',
    'forget',
    'mirror',
    'move_to',
    'pull',
    'push',
    'resolve',
    'status',
]

_PUSH = 'mirror push'
_STEP = ['path', 'action', 'fields']
_STATE = ['path', 'state', 'reason']


_max_delete = click.option(
    '--max-delete',
    type=float,
    default=0.1,
    help='Largest share of deleted subjects, and of sessions of a type.',
)


@click.group('mirror')
def mirror() -> None:
    """Keep projects of a server in a folder, to work there without a network."""


@mirror.command('pull')
@click.argument('folder')
@click.argument('path', default='')
@click.option(
    '--files', default='all', help='all, lazy, none, or labels of resources, with commas.'
)
@click.option('-w', '--where', help='Criteria of the subjects to add.')
@click.option(
    '--check',
    type=click.Choice(['marks', 'files']),
    default='marks',
    help='files compares all files, and looks for lost ones in FOLDER.',
)
@_max_delete
@dry_run_option
@click.pass_obj
def pull(
    shell: Shell,
    folder: str,
    path: str,
    files: str,
    where: str | None,
    check: str,
    max_delete: float,
    dry_run: bool,
) -> int:
    """Bring PATH, a project (P) or subjects of it (P/A*), into FOLDER.

    Without PATH, all that was pulled before is brought up to date. Changes made in FOLDER stay.
    Exit status: 7 if both sides changed the same, 1 if items failed.
    """
    is_new = not _is_mirror(folder)
    if is_new and not path:
        raise NotFoundError(
            f'{folder} is no mirror yet', remedy='Name a project: pyxnat mirror pull FOLDER P'
        )
    if not path and (files != 'all' or where):
        raise InvalidArgument(
            '--files and --where are those of a PATH',
            remedy='Without PATH, those of earlier pulls are used.',
        )
    place = Place.read(path)
    options: dict[str, Any] = {
        'max_delete': max_delete,
        'jobs': shell.jobs,
        'dry_run': dry_run,
        'check': check,
    }
    if path:
        labels = [label.strip() for label in files.split(',')]
        options.update(path=place.path, files=labels if labels[1:] else labels[0], where=where)
    with _place(folder, is_new and dry_run) as used, _opened(shell, used, place.profile) as opened:
        report = opened.pull(**options)
    rows = [{'path': key, 'state': 'changed'} for key in report.ok]
    rows += [{'path': key, 'state': 'deleted'} for key in report.deleted]
    shell.output.rows([*rows, *map(_state, report.conflicts)], _STATE)
    if dry_run:
        shell.output.note('Nothing was pulled.')
        return int(Exit.DONE)
    return _finish(shell, report, report.conflicts)


@contextmanager
def _place(folder: str, is_thrown_away: bool) -> Iterator[str]:
    with tempfile.TemporaryDirectory() if is_thrown_away else nullcontext(folder) as place:
        yield place


@mirror.command('status')
@click.argument('folder')
@click.pass_obj
def status(shell: Shell, folder: str) -> int:
    """Show the changes in FOLDER and at the server since the last pull.

    With --offline the server is not asked. Exit status: 7 if there are conflicts.
    """
    with _opened(shell, folder) as opened:
        found = opened.status(ask_remote=not shell.offline)
    rows = [
        {'path': key, 'state': name} for name in ('ahead', 'behind') for key in getattr(found, name)
    ]
    shell.output.rows([*rows, *map(_state, found.conflicts)], _STATE)
    if not rows and not found.conflicts:
        shell.output.note('No differences.')
    return int(Exit.CONFLICT if found.conflicts else Exit.DONE)


@mirror.command('push')
@click.argument('folder')
@click.option('--delete', is_flag=True, help='Make deletions in FOLDER at the server, too.')
@_max_delete
@dry_run_option
@planned
@click.pass_obj
def push(
    shell: Shell,
    folder: str,
    delete: bool,
    max_delete: float,
    dry_run: bool,
    plan: str | None,
    apply: str | None,
) -> int:
    """Send the changes in FOLDER to the server.

    Fields and files that the server has changed, too, are not sent. Exit status: 7 if there are
    conflicts, or if something has changed since the plan was written, 1 if items failed.
    """
    with _opened(shell, folder) as opened:
        known = read_plan(Path(apply), _PUSH, opened.server) if apply else None
        delete = bool(known.arguments['delete']) if known is not None else delete
        max_delete = 1 if known is not None else max_delete
        steps: PushPlan | None = None
        if dry_run or plan or known is not None:
            steps = opened.push(delete=delete, max_delete=max_delete, dry_run=True)
            rows = _step_rows(steps)
        if plan:
            Plan(_PUSH, opened.server, {'delete': delete}, rows).write(Path(plan))
            shell.output.note(f'{len(rows)} steps are in the plan {plan}; nothing was done.')
            return int(Exit.DONE)
        if dry_run:
            shell.output.rows(rows, _STEP)
            shell.output.note('Nothing was sent.')
            return int(Exit.DONE)
        if known is not None:
            known.check(rows)
        report = opened.push(steps, delete=delete, max_delete=max_delete)
    shell.output.rows(map(_row_of_step, report.ok), _STEP)
    return _finish(shell, report, report.conflicts)


def _step_rows(plan: PushPlan) -> list[dict[str, Any]]:
    """Return a row for each step, with the marks of both sides that it rests on."""
    return [
        {
            'path': step.key,
            'action': step.action,
            'fields': list(step.fields),
            'marks': list(plan.marks[step.unit]),
        }
        for step in plan.steps
    ]


def _row_of_step(text: str) -> dict[str, str]:
    action, _, rest = text.partition(' ')
    path, _, fields = rest.partition(' ')
    return {'path': path, 'action': action, 'fields': fields}


@mirror.command('conflicts')
@click.argument('folder')
@click.pass_obj
def conflicts(shell: Shell, folder: str) -> None:
    """Show the items and files that both sides changed, with both values. No request."""
    with _opened(shell, folder) as opened:
        rows = [row for one in opened.conflicts() for row in _versions(one)]
    columns = ['path', 'label', 'reason', 'field', 'local', 'remote']
    shell.output.rows(rows, columns)


def _versions(conflict: Conflict) -> Iterator[dict[str, str]]:
    """Yield a row for each field that differs; one for a deletion."""
    label = {**conflict.ours, **conflict.theirs}.get('@label', '')
    about = {'path': conflict.key, 'label': label, 'reason': conflict.reason}
    if not (conflict.ours and conflict.theirs):
        yield about
        return
    for name in dict.fromkeys([*conflict.ours, *conflict.theirs]):
        local, remote = conflict.ours.get(name, ''), conflict.theirs.get(name, '')
        if local != remote:
            yield {**about, 'field': name, 'local': local, 'remote': remote}


@mirror.command('resolve')
@click.argument('folder')
@click.argument('paths', nargs=-1)
@click.option(
    '--take',
    type=click.Choice(['local', 'remote', 'both']),
    required=True,
    help='The version that is right; both keeps the local one under a new name.',
)
@click.option('--all', 'all_', is_flag=True, help='All conflicts.')
@dry_run_option
@click.pass_obj
def resolve(
    shell: Shell, folder: str, paths: tuple[str, ...], take: str, all_: bool, dry_run: bool
) -> None:
    """End conflicts of FOLDER, by their PATHS. The next pull or push does the rest."""
    if bool(paths) == all_:
        raise InvalidArgument(
            'Conflicts are missing', remedy='Give paths of "pyxnat mirror conflicts", or --all.'
        )
    with _opened(shell, folder) as opened:
        conflicts = opened.conflicts()
        known = {name for one in conflicts for name in (one.key, one.id)}
        names = [one.key for one in conflicts] if all_ else list(paths)
        if unknown := [name for name in names if name not in known]:
            raise NotFoundError(
                f'There is no conflict of {", ".join(unknown)}',
                remedy=f'"pyxnat mirror conflicts {folder}" shows their paths.',
            )
        if dry_run:
            shell.would(*(f'take {take} of {name}' for name in names))
            return
        opened.resolve(names, take)  # type: ignore[arg-type]
    shell.output.note(f'{len(names)} resolved. Next: pyxnat mirror pull, then push.')


@mirror.command('forget')
@click.argument('folder')
@click.argument('path')
@dry_run_option
@click.pass_obj
def forget(shell: Shell, folder: str, path: str, dry_run: bool) -> None:
    """Leave PATH, a project (P) or subjects of it (P/A*), out of later pulls.

    What it brought stays in FOLDER.
    """
    selected = Place.read(path).path
    with _opened(shell, folder) as opened:
        if dry_run:
            shell.would(f'forget {selected}')
            return
        opened.forget(selected)


@mirror.command('deleted')
@click.argument('folder')
@click.pass_obj
def deleted(shell: Shell, folder: str) -> None:
    """Show the subjects of FOLDER that the server deleted, in all pulls. No request."""
    with _opened(shell, folder) as opened:
        rows = [{'path': key, 'label': label} for key, label in opened.deleted().items()]
    shell.output.rows(rows, ['path', 'label'])


@mirror.command('move-to')
@click.argument('folder')
@click.argument('server')
@dry_run_option
@click.pass_obj
def move_to(shell: Shell, folder: str, server: str, dry_run: bool) -> None:
    """Record that the server of FOLDER has another URL now.

    SERVER is the name of a stored login there (pyxnat login URL), or the URL. It has to have the
    pulled subjects with their IDs.
    """
    if not _is_mirror(folder):
        raise _no_mirror(folder)
    with Mirror(folder) as opened:
        if dry_run:
            shell.would(f'move {folder} from {opened.server} to {server}')
            return
        opened.move_to(_at(shell, server))
    shell.output.fields({'server': opened.server})


def _at(shell: Shell, server: str) -> Interface:
    """Return the connection to a server, by its URL or the name of a stored login."""
    named = [one.name for one in shell.profiles if one.name == server]
    return _remote(shell, server, *(named or [''])) or replace(shell, server=server).connect()


def _is_mirror(folder: str) -> bool:
    return (Path(folder).expanduser() / 'mirror' / 'state.sqlite').exists()


def _no_mirror(folder: str) -> NotFoundError:
    return NotFoundError(f'{folder} is no mirror', remedy='pyxnat mirror pull FOLDER P makes it.')


@contextmanager
def _opened(shell: Shell, folder: str, profile: str | None = None) -> Iterator[Mirror]:
    """Open a mirror, with the login of a profile or of the one for its server.

    Raises
    ------
    NotFoundError
        The folder is no mirror; with `profile`, it becomes one.
    """
    if profile is None and not _is_mirror(folder):
        raise _no_mirror(folder)
    with Mirror(folder) as opened:
        remote = _remote(shell, opened.server, profile or '')
        if remote is not None:
            opened.remote = remote
        yield opened


def _remote(shell: Shell, server: str, profile: str) -> Interface | None:
    """Return the connection to the server of a mirror.

    None for the login of the environment.
    """
    if profile or shell.profile or shell.server or not server:
        return shell.connect(profile)
    names = [one.name for one in shell.profiles if one.server.rstrip('/') == server.rstrip('/')]
    if shell.profiles.current in names:
        return shell.connect(shell.profiles.current)
    return shell.connect(names[0]) if names else None


def _state(conflict: Conflict) -> dict[str, str]:
    return {'path': conflict.key, 'state': 'conflict', 'reason': conflict.reason}


def _finish(shell: Shell, report: Any, found: list[Conflict]) -> int:
    status = summary(shell, report)
    if found:
        shell.output.note(f'{len(found)} conflicts: pyxnat mirror conflicts shows them.')
        return int(Exit.CONFLICT)
    return int(status)


VERBS: dict[str, click.Command] = {'mirror': mirror}
