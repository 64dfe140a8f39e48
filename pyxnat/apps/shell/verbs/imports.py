"""Verbs of incoming images: import, prearchive."""

from __future__ import annotations

from typing import Any

import click

from ..exit_codes import Exit
from ..session import Shell

__all__ = ['VERBS', 'archive', 'import_', 'list_', 'move', 'prearchive', 'rebuild', 'remove']


@click.command('import')
@click.argument('sources', nargs=-1, required=True)
@click.option('--project', help='Project. Default: from the headers.')
@click.option('--subject', help='Label of the subject. Default: from the headers.')
@click.option('--session', help='Label of the session. Default: from the headers.')
@click.option('--to', type=click.Choice(['archive', 'prearchive']), help="Default: the project's.")
@click.option(
    '--overwrite', type=click.Choice(['none', 'append', 'delete']), default='none', help='Merge.'
)
@click.option('--skip-others', is_flag=True, help='Skip files that are no DICOM.')
@click.pass_obj
def import_(
    shell: Shell,
    sources: tuple[str, ...],
    project: str | None,
    subject: str | None,
    session: str | None,
    to: str | None,
    overwrite: str,
    skip_others: bool,
) -> int:
    """Send DICOM files: folders, zips, tars or files. One request for each source."""
    imported = [
        one
        for source in sources
        for one in shell.connect().manage.import_dicom(
            source,
            project,
            subject,
            session,
            dest=to,
            overwrite=overwrite,
            ignore_unparsable=skip_others,
        )
    ]
    rows = [{'path': one.uri.removeprefix('/data'), 'status': one.status} for one in imported]
    shell.output.rows(rows, ['path', 'status'])
    return int(Exit.DONE if all(one.ok for one in imported) else Exit.SOME_FAILED)


@click.group('prearchive')
def prearchive() -> None:
    """List, archive, move, rebuild or delete sessions that are not archived yet."""


@prearchive.command('ls')
@click.argument('project', default='*')
@click.pass_obj
def list_(shell: Shell, project: str) -> None:
    """List the sessions of PROJECT, or all. One request."""
    names = ['path', 'status', 'subject', 'name', 'uploaded']
    rows = ({**session.row, 'path': session.path} for session in _sessions(shell).sessions(project))
    shell.output.rows(rows, names)


def _sessions(shell: Shell) -> Any:
    return shell.connect().manage.prearchive


@prearchive.command('archive')
@click.argument('paths', nargs=-1, required=True)
@click.option(
    '--overwrite',
    type=click.Choice(['none', 'append', 'delete', 'replace']),
    default='none',
    help='How to treat a session that exists.',
)
@click.pass_obj
def archive(shell: Shell, paths: tuple[str, ...], overwrite: str) -> None:
    """Move sessions into the archive."""
    for path in paths:
        for session in _sessions(shell).archive(path, overwrite):
            shell.output.fields({'path': session.uri.removeprefix('/data')})


@prearchive.command('move')
@click.argument('paths', nargs=-1, required=True)
@click.argument('project')
@click.pass_obj
def move(shell: Shell, paths: tuple[str, ...], project: str) -> None:
    """Move sessions to the prearchive of another project."""
    for session in _sessions(shell).move(list(paths), project):
        shell.output.fields({'path': session.path})


@prearchive.command('rebuild')
@click.argument('paths', nargs=-1, required=True)
@click.pass_obj
def rebuild(shell: Shell, paths: tuple[str, ...]) -> None:
    """Read the headers of sessions again."""
    for path, status in zip(paths, _sessions(shell).rebuild(list(paths)), strict=True):
        shell.output.fields({'path': path, 'status': status})


@prearchive.command('rm')
@click.argument('paths', nargs=-1, required=True)
@click.pass_obj
def remove(shell: Shell, paths: tuple[str, ...]) -> int:
    """Delete sessions, after a confirmation."""
    if not shell.confirm(f'Delete {len(paths)} sessions of the prearchive?'):
        return int(Exit.SOME_FAILED)
    for path in paths:
        _sessions(shell).delete(path)
        shell.output.note(f'Deleted {path}')
    return int(Exit.DONE)


VERBS: dict[str, click.Command] = {str(command.name): command for command in (import_, prearchive)}
