"""Verbs that change elements: rm, mv, cp, vars."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from ....errors import InvalidArgument
from ...copying import copy_items
from ...copying.stage import refresh
from ...copying.state import identity_of, is_new
from ..exit_codes import Exit
from ..options import dry_run_option, planned
from ..places import is_collection, place_of
from ..session import Shell
from ..state import staging_folder
from .transfer import file_rows, item_rows, plan_to_apply, summary, write_plan

__all__ = ['VERBS', 'cp', 'mv', 'rm', 'vars_']


@click.command('rm')
@click.argument('paths', nargs=-1)
@dry_run_option
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
        rows = [row for target in targets for row in _state(target)]
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


def _state(target: Any) -> list[dict[str, Any]]:
    """Return a row with ID, mark, and number and size of files of an element.

    Those of `item_rows`. A file has its digest in place of the mark.
    """
    files = file_rows(target)
    if target.level.is_file:
        return files
    size = sum(row['size'] for row in files)
    row = {'path': place_of(target), 'ID': target.id(), 'files': len(files), 'size': size}
    own, *below = item_rows(target) or [{}]
    return [{**row, **own}, *below]


@click.command('mv')
@click.argument('path')
@click.argument('label')
@dry_run_option
@click.pass_obj
def mv(shell: Shell, path: str, label: str, dry_run: bool) -> None:
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
    if dry_run:
        shell.would(f'rename {place_of(found)} to {name}')
        return
    found.rename(name)
    shell.output.fields({'path': f'{above}/{name}' if above else name})


@click.command('cp')
@click.argument('source', default='')
@click.argument('dest', default='')
@click.option('--merge', is_flag=True, help='Subjects that DEST has already are the same persons.')
@click.option('--overwrite', is_flag=True, help='Replace values and files that differ.')
@click.option('--state', metavar='DIR', help='Keep the state of a copied project, for later runs.')
@dry_run_option
@planned
@click.pass_obj
def cp(
    shell: Shell,
    source: str,
    dest: str,
    merge: bool,
    overwrite: bool,
    state: str | None,
    dry_run: bool,
    plan: str | None,
    apply: str | None,
) -> int:
    """Copy SOURCE, with everything below, to DEST, also on another server.

    lab:P/S1 is a place of the profile lab. Types, fields, custom variables and files are the same;
    items that DEST has already are not sent again. The files pass through a folder that belongs to
    this source and destination; if interrupted, the same command does the rest.

    A project is copied subject by subject, and so are subjects or sessions ('lab:P/S*') to a
    project. Subjects that DEST has already under the same labels may be other persons: they are
    failures without --merge. With --state, a later run copies the subjects that have changed since,
    and DIR/ids.tsv has the IDs on both servers.
    """
    known = plan_to_apply(shell, apply, 'cp')
    if known is not None:
        source, dest = known.arguments['source'], known.arguments['dest']
        merge, overwrite = known.arguments['merge'], known.arguments['overwrite']
        state = known.arguments['state']
    if not source or not dest:
        raise InvalidArgument('A path is missing', remedy='Example: pyxnat cp P/S01 Q/S01')
    original, target = shell.existing(source), shell.select(dest)
    is_by_subject = _is_by_subject(original, target)
    if not is_by_subject:
        _check_pair(original, target, state)
    if plan or known is not None:
        rows = [*_side('from', original), *_side('to', target)]
        if known is None:
            given = {'source': source, 'dest': dest, 'merge': merge, 'overwrite': overwrite}
            given |= {'state': str(Path(state).resolve()) if state else None}
            write_plan(shell, str(plan), 'cp', given, rows)
            return int(Exit.DONE)
        known.check(rows)
    if is_by_subject:
        return _copy_by_subject(shell, original, target, state, merge, overwrite, dry_run)
    if dry_run:
        shell.output.rows(file_rows(original), ['path', 'size'])
        shell.output.note('Nothing was transferred.')
        return int(Exit.DONE)
    folder = staging_folder(original.url, target.url)
    status = _copy(shell, original, target, folder, overwrite)
    if status == Exit.DONE:
        shutil.rmtree(folder)
    return int(status)


def _check_pair(original: Any, target: Any, state: str | None) -> None:
    """Check that one element can be copied to another."""
    if is_collection(original) or is_collection(target):
        raise InvalidArgument(
            'cp copies one element, or subjects or sessions to a project',
            remedy="Example: pyxnat cp 'lab:P/S*' lab:Q",
        )
    if state:
        raise InvalidArgument('--state belongs to copies to a project', remedy='Leave it out.')
    if original.level.singular != target.level.singular:
        places = [f'{place_of(one)!r} is a {one.level.singular}' for one in (original, target)]
        raise InvalidArgument(', '.join(places), remedy='Give the full new path.')


def _is_by_subject(original: Any, target: Any) -> bool:
    """Whether a copy is one of a project, or of several items to a project."""
    is_to_project = not is_collection(target) and target.level.singular == 'project'
    levels = ('subject', 'experiment') if is_collection(original) else ('project',)
    return is_to_project and original.level.singular in levels


def _copy_by_subject(
    shell: Shell,
    original: Any,
    target: Any,
    state: str | None,
    merge: bool,
    overwrite: bool,
    dry_run: bool,
) -> int:
    """Copy a project or several of its items.

    The state is that from which a later run goes on.
    """
    source = f'{original.connection.server}{identity_of(original)}'
    folder = Path(state) if state else staging_folder(source, target.url)
    report = copy_items(
        original,
        target,
        state=folder,
        merge=merge,
        overwrite=overwrite,
        jobs=shell.jobs,
        dry_run=dry_run,
    )
    if dry_run:
        shell.output.rows(({'path': uri.removeprefix('/data')} for uri in report.ok), ['path'])
        for failure in report.failed:
            shell.output.error(f'failed: {failure}')
        shell.output.note('Nothing was transferred.')
        if not state and is_new(folder):
            folder.rmdir()
        return int(Exit.DONE if report.is_complete else Exit.SOME_FAILED)
    status = summary(shell, report)
    if not state and status == Exit.DONE:
        shutil.rmtree(folder)
    return int(status)


def _copy(shell: Shell, original: Any, target: Any, folder: Path, overwrite: bool) -> Exit:
    if original.level.singular == 'file':
        target.put(original.get(folder / 'file'), overwrite=overwrite)
        return Exit.DONE
    status = summary(shell, refresh(original, folder, jobs=shell.jobs))
    if status != Exit.DONE:
        return status
    return summary(shell, target.upload(folder, overwrite=overwrite, jobs=shell.jobs))


def _side(name: str, found: Any) -> list[dict[str, Any]]:
    """Return the server of elements, their marks and the files.

    Each path begins with a name.
    """
    is_there = is_collection(found) or found.exists()
    elements = list(found) if is_collection(found) else [found] if is_there else []
    rows = item_rows(found) if is_there else []
    rows += [row for element in elements for row in file_rows(element)]
    return [
        {'path': name, 'server': found.host.connection.server},
        *({**row, 'path': f'{name} {row["path"]}'} for row in rows),
    ]


@click.command('vars')
@click.argument('path')
@click.argument('settings', nargs=-1)
@dry_run_option
@click.pass_obj
def vars_(shell: Shell, path: str, settings: tuple[str, ...], dry_run: bool) -> None:
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
        fields = {_field(element, name): value for name, value in values.items()}
        if dry_run:
            now = element.attrs.mget(list(fields))
            pairs = zip(fields.items(), now, strict=True)
            shell.would(*(f'set {name} from {old!r} to {new!r}' for (name, new), old in pairs))
            return
        element.attrs.mset(fields)
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
