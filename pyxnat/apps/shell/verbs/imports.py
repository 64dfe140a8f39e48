"""Verbs of incoming images: import, prearchive."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ....errors import InvalidArgument
from ....files.disk import digest_of
from ....resources.imported import ARCHIVED
from ....services.dicom.report import ImportReport
from ....services.manage.imports import is_archive
from ..exit_codes import Exit
from ..options import dry_run_option, planned
from ..session import Shell
from ..state import staging_folder
from .transfer import local_files, plan_to_apply, write_plan

__all__ = ['VERBS', 'archive', 'import_', 'list_', 'move', 'prearchive', 'rebuild', 'remove']

_SHOWN = 20
_TARGET = ('project', 'subject', 'session')


@click.command('import')
@click.argument('sources', nargs=-1)
@click.option('--project', help='Project. Default: from the headers.')
@click.option('--subject', help='Label of the subject. Default: from the headers.')
@click.option('--session', help='Label of the session. Default: from the headers.')
@click.option('--to', type=click.Choice(['archive', 'prearchive']), help="Default: the project's.")
@click.option(
    '--overwrite', type=click.Choice(['none', 'append', 'delete']), default='none', help='Merge.'
)
@click.option('--skip-others', is_flag=True, help='Skip files that are no DICOM.')
@click.option('--state', metavar='DIR', help='Folder of the journal, to go on after a break.')
@dry_run_option
@planned
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
    state: str | None,
    dry_run: bool,
    plan: str | None,
    apply: str | None,
) -> int:
    """Send DICOM files: folders, zips, tars or files.

    A zip or tar is one request. Folders and files are sent in batches; after a break, the same
    command sends the rest. Sessions are archived once the server has all of their files.

    A plan has the files, and the sessions that the project has in archive and prearchive.
    """
    known = plan_to_apply(shell, apply, 'import')
    how: dict[str, Any] = {
        'project': project,
        'subject': subject,
        'session': session,
        'dest': to,
        'overwrite': overwrite,
        'ignore_unparsable': skip_others,
    }
    if known is not None:
        sources, how = tuple(known.arguments['sources']), known.arguments['how']
    if not sources:
        raise InvalidArgument('A source is missing', remedy='Example: pyxnat import DICOM_FOLDER')
    if plan or known is not None or dry_run:
        rows = [*_local_rows(sources), *_sessions_of(shell, how['project'])]
        if known is not None:
            known.check(rows)
        elif plan:
            absolute = [str(Path(source).resolve()) for source in sources]
            write_plan(shell, plan, 'import', {'sources': absolute, 'how': how}, rows)
            return int(Exit.DONE)
        else:
            files = [row for row in rows if 'size' in row]
            shell.output.rows(files, ['path', 'size'])
            shell.output.note(f'{len(files)} files; nothing was transferred.')
            return int(Exit.DONE)
    imported = [one for source in sources for one in _imported(shell, source, how, state)]
    rows = [{'path': one.uri.removeprefix('/data'), 'status': one.status} for one in imported]
    shell.output.rows(rows, ['path', 'status'])
    return int(Exit.DONE if all(one.ok for one in imported) else Exit.SOME_FAILED)


def _imported(shell: Shell, source: str, how: dict[str, Any], state: str | None) -> list[Any]:
    """Import a source, in batches if it is no archive; print unsent and failed files."""
    interface = shell.connect()
    if is_archive(source):
        return list(interface.manage.import_dicom(source, **how))
    target = ' '.join([interface.connection.server, *(str(how[name] or '') for name in _TARGET)])
    folder = state or staging_folder(str(Path(source).resolve()), target, 'imports')
    report = interface.manage.import_dicom(source, **how, jobs=shell.jobs, state=folder)
    assert isinstance(report, ImportReport)  # as every import in batches
    for skipped in report.skipped[:_SHOWN]:
        shell.output.note(f'Skipped {skipped.path}: {skipped.why_not}.')
    for study in report:
        if study.why:
            shell.output.error(f'{study.uri or study.study}: {study.why}')
    shell.output.note(f'{report}.')
    if state is None and all(study.ok and study.status == ARCHIVED for study in report):
        shutil.rmtree(folder)  # there is nothing to go on with
    return list(report)


def _local_rows(sources: Sequence[str]) -> list[dict[str, Any]]:
    """Return path, size and digest of the local files."""
    return [
        {'path': str(path.resolve()), 'size': path.stat().st_size, 'md5': digest_of(path)}
        for source in sources
        for _, path in local_files(source)
    ]


def _sessions_of(shell: Shell, project: str | None) -> list[dict[str, Any]]:
    """Return the sessions that a project has, archived or not. Two requests."""
    if project is None:
        return []
    interface = shell.connect()
    archived = interface.select.project(project).experiments().get('label', 'id')
    waiting = interface.manage.prearchive.sessions(project)
    return [
        *({'path': f'archived {label}', 'ID': identity} for label, identity in archived),
        *({'path': session.path, 'ID': session.row.get('lastmod', '')} for session in waiting),
    ]


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
@dry_run_option
@click.pass_obj
def archive(shell: Shell, paths: tuple[str, ...], overwrite: str, dry_run: bool) -> None:
    """Move sessions into the archive."""
    if dry_run:
        shell.would(*(f'archive {path}' for path in paths))
        return
    for path in paths:
        for session in _sessions(shell).archive(path, overwrite):
            shell.output.fields({'path': session.uri.removeprefix('/data')})


@prearchive.command('move')
@click.argument('paths', nargs=-1, required=True)
@click.argument('project')
@dry_run_option
@click.pass_obj
def move(shell: Shell, paths: tuple[str, ...], project: str, dry_run: bool) -> None:
    """Move sessions to the prearchive of another project."""
    if dry_run:
        shell.would(*(f'move {path} to {project}' for path in paths))
        return
    for session in _sessions(shell).move(list(paths), project):
        shell.output.fields({'path': session.path})


@prearchive.command('rebuild')
@click.argument('paths', nargs=-1, required=True)
@dry_run_option
@click.pass_obj
def rebuild(shell: Shell, paths: tuple[str, ...], dry_run: bool) -> None:
    """Read the headers of sessions again."""
    if dry_run:
        shell.would(*(f'rebuild {path}' for path in paths))
        return
    for path, status in zip(paths, _sessions(shell).rebuild(list(paths)), strict=True):
        shell.output.fields({'path': path, 'status': status})


@prearchive.command('rm')
@click.argument('paths', nargs=-1, required=True)
@dry_run_option
@click.pass_obj
def remove(shell: Shell, paths: tuple[str, ...], dry_run: bool) -> int:
    """Delete sessions, after a confirmation."""
    if dry_run:
        shell.would(*(f'delete {path}' for path in paths))
        return int(Exit.DONE)
    if not shell.confirm(f'Delete {len(paths)} sessions of the prearchive?'):
        return int(Exit.SOME_FAILED)
    for path in paths:
        _sessions(shell).delete(path)
        shell.output.note(f'Deleted {path}')
    return int(Exit.DONE)


VERBS: dict[str, click.Command] = {str(command.name): command for command in (import_, prearchive)}
