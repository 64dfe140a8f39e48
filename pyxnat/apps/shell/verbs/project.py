"""Verbs about projects: share, access, users, run, jobs."""

from __future__ import annotations

import click

from ....errors import InvalidArgument
from ..options import dry_run_option
from ..session import Shell

__all__ = ['VERBS', 'access', 'jobs', 'run', 'share', 'users']


@click.command('share')
@click.argument('path')
@click.argument('project', default='')
@click.option('--label', help='Its label there.')
@click.option('--primary', is_flag=True, help='Make PROJECT its owner.')
@click.option('--end', is_flag=True, help='End the share in PROJECT.')
@dry_run_option
@click.pass_obj
def share(
    shell: Shell,
    path: str,
    project: str,
    label: str | None,
    primary: bool,
    end: bool,
    dry_run: bool,
) -> None:
    """Share PATH into PROJECT; without PROJECT, list the projects that have it."""
    element = shell.existing(path)
    if not hasattr(element, 'share'):
        raise InvalidArgument(
            f'{path!r} cannot be shared', remedy='Subjects, sessions and assessors can.'
        )
    if not project:
        shell.output.rows(({'project': name} for name in element.shares().get()), ['project'])
    elif dry_run:
        shell.would(
            f'end the share of {path} in {project}' if end else f'share {path} into {project}'
        )
    elif end:
        element.unshare(project)
    else:
        element.share(project, label, primary)


@click.command('access')
@click.argument('project')
@click.argument('level', default='', type=click.Choice(['', 'private', 'protected', 'public']))
@dry_run_option
@click.pass_obj
def access(shell: Shell, project: str, level: str, dry_run: bool) -> None:
    """Show who may read PROJECT, or set it to LEVEL."""
    found = shell.connect().select.project(project)
    if level and dry_run:
        shell.would(f'set the access of {project} from {found.accessibility()} to {level}')
        return
    if level:
        found.set_accessibility(level)
    shell.output.fields({'access': found.accessibility()})


@click.command('users')
@click.argument('project')
@click.option('--add', help='Login to add, or whose role to change.')
@click.option('--role', type=click.Choice(['owner', 'member', 'collaborator']), default='member')
@click.option('--remove', help='Login to remove.')
@dry_run_option
@click.pass_obj
def users(
    shell: Shell, project: str, add: str | None, role: str, remove: str | None, dry_run: bool
) -> None:
    """List the users of PROJECT with their roles, or change them."""
    found = shell.connect().select.project(project)
    if dry_run and (add or remove):
        added = [f'make {add} {role} of {project}'] if add else []
        shell.would(*added, *([f'remove {remove} from {project}'] if remove else []))
        return
    if add:
        found.add_user(add, role)
    if remove:
        found.remove_user(remove)
    rows = [
        {'login': login, 'role': name}
        for name in ('owner', 'member', 'collaborator')
        for login in getattr(found, f'{name}s')()
    ]
    shell.output.rows(rows, ['login', 'role'])


@click.command('run')
@click.argument('project')
@click.argument('pipeline', default='')
@click.argument('session', default='')
@click.option('--set', 'settings', multiple=True, help='PARAMETER=VALUE; may be repeated.')
@click.option('--container', is_flag=True, help='PIPELINE is a wrapper of the Container Service.')
@click.option('--wait', is_flag=True, help='Wait for the container, and print its output.')
@dry_run_option
@click.pass_obj
def run(
    shell: Shell,
    project: str,
    pipeline: str,
    session: str,
    settings: tuple[str, ...],
    container: bool,
    wait: bool,
    dry_run: bool,
) -> None:
    """Start PIPELINE of PROJECT on SESSION.

    Without a pipeline, list those of the project.
    """
    if container and not session:
        raise InvalidArgument(
            'A session is missing', remedy='pyxnat run PROJECT WRAPPER SESSION --container'
        )
    found = shell.connect().select.project(project)
    pipelines = found.pipelines
    if not pipeline:
        shell.output.rows(({'pipeline': name} for name in pipelines.aliases()), ['pipeline'])
        return
    if not session:
        raise InvalidArgument('A session is missing', remedy='pyxnat run PROJECT PIPELINE SESSION')
    parameters = dict(text.split('=', 1) for text in settings if '=' in text)
    if dry_run:
        shell.would(f'start {pipeline} on {session} with {parameters or "its defaults"}')
        return
    if container:
        started = found.experiment(session).run(pipeline, **parameters)
        shell.output.note(f'Started; its status: pyxnat api GET {started.uri}')
        if wait:
            started.wait(float('inf'))
            shell.output.note(started.logs().rstrip('\n'))
        return
    pipelines.pipeline(pipeline).run(session, parameters)
    shell.output.note(f'Queued; see: pyxnat jobs {project} {pipeline} {session}')


@click.command('jobs')
@click.argument('project')
@click.argument('pipeline')
@click.argument('session')
@click.pass_obj
def jobs(shell: Shell, project: str, pipeline: str, session: str) -> None:
    """List the runs of PIPELINE on SESSION, the latest first."""
    runs = shell.connect().select.project(project).pipelines.pipeline(pipeline).runs(session)
    shell.output.rows(runs, ['launch_time', 'status'])


VERBS: dict[str, click.Command] = {
    str(command.name): command for command in (share, access, users, run, jobs)
}
