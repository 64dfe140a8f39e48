"""Verbs that change elements: rm, mv, cp, vars."""

from __future__ import annotations

import tempfile
from typing import Any

import click

from ....errors import InvalidArgument
from ..exit_codes import Exit
from ..places import is_collection, place_of
from ..session import Shell
from .transfer import plan_to_apply, planned, summary, write_plan

__all__ = ['VERBS', 'cp', 'mv', 'rm', 'vars_']


@click.command('rm')
@click.argument('paths', nargs=-1)
@click.option('-n', '--dry-run', is_flag=True, help='Show them, and delete nothing.')
@planned
@click.pass_obj
def rm(
    shell: Shell, paths: tuple[str, ...], dry_run: bool, plan: str | None, apply: str | None
) -> int:
    """Delete the elements of PATHS with everything below them, after a confirmation.

    Elements that their project only shares stay: the share ends.
    """
    known = plan_to_apply(shell, apply, 'rm')
    paths = tuple(known.arguments['paths']) if known is not None else paths
    if not paths:
        raise InvalidArgument('A path is missing', remedy='Example: pyxnat rm P/S01')
    targets = []
    for path in paths:
        found = shell.existing(path)
        targets.extend(list(found) if is_collection(found) else [found])
    if not targets:
        shell.output.note('Nothing matches.')
        return int(Exit.DONE)
    if plan or known is not None:
        rows = [_state(target) for target in targets]
        if known is None:
            write_plan(shell, str(plan), 'rm', {'paths': paths}, rows)
            return int(Exit.DONE)
        known.check(rows)
    names = [place_of(target) for target in targets]
    if dry_run:
        shell.output.rows(({'path': name} for name in names), ['path'])
        shell.output.note(f'{len(names)} elements; nothing was deleted.')
        return int(Exit.DONE)
    shown = ', '.join(names[:3]) + (', …' if len(names) > 3 else '')
    if not shell.confirm(f'Delete {shown} with everything below?'):
        return int(Exit.SOME_FAILED)
    for target, name in zip(targets, names, strict=True):
        target.delete()
        shell.output.note(f'Deleted {name}')
    return int(Exit.DONE)


def _state(target: Any) -> dict[str, Any]:
    """Return place and ID of an element, and number and size of the files below it."""
    files = [] if target.level.singular == 'file' else list(_files(target))
    size = sum(int(file.row.get('Size') or 0) for file in files)
    return {'path': place_of(target), 'ID': target.id(), 'files': len(files), 'size': size}


@click.command('mv')
@click.argument('path')
@click.argument('label')
@click.pass_obj
def mv(shell: Shell, path: str, label: str) -> None:
    """Rename the subject, session or assessor of PATH to LABEL; its files move along.

    LABEL may be the whole new path, if only its last name differs.
    """
    found = shell.existing(path)
    above, _, name = label.rpartition('/')
    if above and above != path.rstrip('/').rpartition('/')[0]:
        raise InvalidArgument(
            f'{label!r} is below another element',
            remedy='Rename within one place; to move use cp and rm, or share --primary.',
        )
    if not hasattr(found, 'rename'):
        raise InvalidArgument(
            f'a {found.level.singular} has no label', remedy='Use cp and rm in place of it.'
        )
    found.rename(name)
    shell.output.fields({'path': f'{above}/{name}' if above else name})


@click.command('cp')
@click.argument('source')
@click.argument('dest')
@click.option('--overwrite', is_flag=True, help='Replace values and files that differ.')
@click.option('-n', '--dry-run', is_flag=True, help='List the files, and copy nothing.')
@click.pass_obj
def cp(shell: Shell, source: str, dest: str, overwrite: bool, dry_run: bool) -> int:
    """Copy the element SOURCE, with everything below, to DEST, also on another server.

    lab:P/S1 is a place of the profile lab. Types, fields, custom variables and files are the same;
    what DEST has already is not sent again. The files pass through a temporary folder.
    """
    original, target = shell.existing(source), shell.select(dest)
    if is_collection(original) or is_collection(target):
        raise InvalidArgument('cp copies one element', remedy='Name one; for many: get, put.')
    if original.level.singular != target.level.singular:
        raise InvalidArgument(
            f'{source!r} is a {original.level.singular}, {dest!r} a {target.level.singular}',
            remedy='Give the full new path.',
        )
    if dry_run:
        files = [original] if original.level.singular == 'file' else list(_files(original))
        shell.output.rows(
            ({'path': place_of(file), 'size': file.row.get('Size', '')} for file in files),
            ['path', 'size'],
        )
        return int(Exit.DONE)
    with tempfile.TemporaryDirectory(prefix='pyxnat-cp-') as folder:
        if original.level.singular == 'file':
            target.put(original.get(f'{folder}/file'), overwrite=overwrite)
            return int(Exit.DONE)
        status = summary(shell, original.download(folder, jobs=shell.jobs))
        if status != Exit.DONE:
            return int(status)
        report = target.upload(folder, overwrite=overwrite, jobs=shell.jobs)
        return int(summary(shell, report))


def _files(element: Any) -> Any:
    select = element.host.select
    return select(f'{element.uri.removeprefix("/data")}//files')


@click.command('vars')
@click.argument('path')
@click.argument('settings', nargs=-1)
@click.pass_obj
def vars_(shell: Shell, path: str, settings: tuple[str, ...]) -> None:
    """Show fields of PATH (NAME ...), or set them (NAME=VALUE ...; NAME= clears).

    A name with a colon or a slash is a full path, one of XNAT's short names is that field, any
    other a custom variable. Without names, all custom variables are listed.
    """
    element = shell.existing(path)
    values = dict(text.split('=', 1) for text in settings if '=' in text)
    wanted = [text for text in settings if '=' not in text]
    if values and wanted:
        raise InvalidArgument('Names and settings are mixed', remedy='Give either of them.')
    if values:
        element.attrs.mset({_field(element, name): value for name, value in values.items()})
        return
    if not wanted:
        prefix = f'{element.datatype()}/fields/field'
        names = [name for name in element.attrs() if name.startswith(prefix)]
        shell.output.rows(({'field': name} for name in names), ['field'])
        return
    found = element.attrs.mget([_field(element, name) for name in wanted])
    shell.output.fields(dict(zip(wanted, found, strict=True)))


def _field(element: Any, name: str) -> str:
    """Return the field of a name: a path, a short name, or a custom variable."""
    known = name in element.attrs() if '/' not in name else True
    return name if known else f'{element.datatype()}/fields/field[name={name}]/field'


VERBS: dict[str, click.Command] = {str(command.name): command for command in (rm, mv, cp, vars_)}
