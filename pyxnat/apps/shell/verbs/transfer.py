"""Verbs of transfers: get, put."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ....errors import InvalidArgument
from ....files.disk import digest_of
from ....services.bulk.sidecar import Sidecar
from ...copying.marks import elements_with_marks, mark_of
from ..batch import Batch
from ..exit_codes import Exit
from ..filters import Filter, Rule, read_rules
from ..id_lists import read_id_list
from ..options import dry_run_option, planned
from ..output import size_text
from ..places import Place, is_collection, place_of
from ..plans import Plan, read_plan
from ..session import Shell

__all__ = [
    'VERBS',
    'file_rows',
    'get',
    'item_rows',
    'local_files',
    'plan_to_apply',
    'put',
    'summary',
    'write_plan',
]


log = logging.getLogger('pyxnat.shell')

_OWN = {'.xnat', 'MD5SUMS', '.MD5SUMS.lock'}
"""Names that a download adds to a folder."""


def _rule(includes: bool) -> Any:
    def add(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> None:
        rules: list[Rule] = context.meta.setdefault('rules', [])
        rules.extend(Rule(includes, pattern) for pattern in given)

    return add


def _rules_of_file(context: click.Context, option: click.Parameter, given: str | None) -> None:
    if given:
        context.meta.setdefault('rules', []).extend(read_rules(Path(given)))


def _filters(command: Any) -> Any:
    """Add the options of filters, which keep their order."""
    for option in (
        click.option('--include', multiple=True, callback=_rule(True), expose_value=False),
        click.option('--exclude', multiple=True, callback=_rule(False), expose_value=False),
        click.option('--filter-from', callback=_rules_of_file, expose_value=False),
    ):
        command = option(command)
    return command


@click.command('get')
@click.argument('paths', nargs=-1)
@click.option('--from', 'list_', help='CSV or text file with IDs or labels of sessions.')
@click.option('--column', default='', help='Column of the IDs in that file: header or number.')
@click.option(
    '--layout', default='', help='Paths of the files, or bids; see the page on many files.'
)
@click.option('--mapping', default='', help='JSON file with rules for --layout bids.')
@click.option('--converter', default='', help='dcm2niix, for --layout bids.')
@click.option(
    '--existing',
    type=click.Choice(['refresh', 'keep', 'replace', 'error']),
    default='refresh',
    help='How to treat files that exist.',
)
@dry_run_option
@planned
@_filters
@click.pass_context
def get(
    context: click.Context,
    paths: tuple[str, ...],
    list_: str | None,
    column: str,
    layout: str,
    mapping: str,
    converter: str,
    existing: str,
    dry_run: bool,
    plan: str | None,
    apply: str | None,
) -> int:
    """Download the files below PATHS into the last of them, a folder.

    Without a folder, into the current one. Each file is compared with the listing before it
    appears. An interrupted download is completed by the same command. With --from, PATHS are the
    folder alone, or a project and the folder, and the result of each row is written beside the
    list.
    """
    shell: Shell = context.obj
    rules = context.meta.get('rules', [])
    places = {'layout': layout, 'mapping': mapping, 'converter': converter}
    options = {'existing': existing, **{name: value for name, value in places.items() if value}}
    if list_ is not None:
        if plan or apply:
            raise InvalidArgument('a list has no plan', remedy='Use --dry-run.')
        ids = read_id_list(Path(list_), column)
        batch = Batch(shell, ids, paths, {**options, 'jobs': shell.jobs}, Filter(rules))
        return batch.run(dry_run)
    known = plan_to_apply(shell, apply, 'get')
    if known is not None:
        paths, options = tuple(known.arguments['paths']), known.arguments['options']
        rules = [Rule(*rule) for rule in known.arguments['rules']]
    if not paths:
        raise InvalidArgument('A path is missing', remedy='Example: pyxnat get P/S01 images')
    *sources, dest = paths if len(paths) > 1 else (*paths, '.')
    if dest == '-':
        for source in sources:
            shell.output.file(shell.select(source).get())
        return int(Exit.DONE)
    if plan or known or dry_run:
        rows = [row for source in sources for row in _rows(shell, source, Filter(rules))]
        if known is not None:
            known.check(rows)
        elif plan:
            arguments = {'paths': [*sources, str(Path(dest).resolve())], 'options': options}
            write_plan(shell, plan, 'get', {**arguments, 'rules': rules}, rows)
            return int(Exit.DONE)
        else:
            _show(shell, rows)
            return int(Exit.DONE)
    return int(
        max(
            _get(shell, source, dest, {**options, 'jobs': shell.jobs}, Filter(rules))
            for source in sources
        )
    )


def _get(shell: Shell, source: str, dest: str, options: dict[str, Any], chosen: Filter) -> Exit:
    """Download the files below one place."""
    found = shell.existing(source)
    is_file = found.level.singular == 'file' and not is_collection(found)
    if is_file and 'layout' not in options:
        shell.output.text(found.get(_file_target(dest, found.path_name)))
        return Exit.DONE
    if not chosen:
        return summary(shell, found.download(dest, **options))
    files = [file for file, _ in _files_of(shell, source, chosen)]
    if not files:
        shell.output.note('No file matches the filters.')
        return Exit.DONE
    interface = shell.connect(Place.read(source).profile)
    return summary(shell, interface.bulk.download(files, dest, **options))


def plan_to_apply(shell: Shell, path: str | None, verb: str) -> Plan | None:
    """Return the plan to do, None if none is given.

    Parameters
    ----------
    shell : Shell
        The run.
    path : str or None
        File of the plan.
    verb : str
        Verb that is to do it.
    """
    if path is None:
        return None
    return read_plan(Path(path), verb, shell.connect().connection.server)


def write_plan(
    shell: Shell, path: str, verb: str, arguments: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Write a plan.

    Parameters
    ----------
    shell : Shell
        The run.
    path : str
        File of the plan.
    verb : str
        Verb that is to do it.
    arguments : dict
        Its arguments.
    rows : list of dict
        Files or elements with their present state.
    """
    Plan(verb, shell.connect().connection.server, arguments, rows).write(Path(path))
    shell.output.note(f'{len(rows)} items are in the plan {path}; nothing was done.')


def _rows(shell: Shell, source: str, chosen: Filter) -> Iterator[dict[str, Any]]:
    """Yield place, size and digest of the files below a place."""
    for file, _ in _files_of(shell, source, chosen):
        yield _file_row(file)


def _show(shell: Shell, rows: list[dict[str, Any]]) -> None:
    shell.output.rows(rows, [name for name in ('path', 'size', 'md5') if rows and name in rows[0]])
    total = size_text(sum(row['size'] for row in rows))
    shell.output.note(f'{len(rows)} files, {total}; nothing was transferred.')


def _file_target(dest: str, name: str) -> Path:
    """Return where a single file goes: into a folder that exists or ends in a slash."""
    target = Path(dest)
    if dest.endswith('/') or dest == '.' or target.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return target
    return target


def _files_of(shell: Shell, source: str, chosen: Filter) -> Iterator[tuple[Any, str]]:
    """Yield the files below a place that pass the filter, each with its short path."""
    place = Place.read(source)
    interface = shell.connect(place.profile)
    found = interface.select(place.path)
    if found.level.singular == 'file':
        files = [found] if not is_collection(found) else found
    else:
        files = interface.select(f'{place.path}//files')
    for file in files:
        path = place_of(file)
        if chosen(path):
            yield file, path


def summary(shell: Shell, report: Any) -> Exit:
    """Write the result of a transfer, failures last; return its exit status.

    Parameters
    ----------
    shell : Shell
        Where it is written.
    report : Report
        The result, with its notes and failures.
    """
    shell.output.note(repr(report).strip('<>').partition(': ')[2])
    for note in report.notes:
        shell.output.note(f'note: {note}')
    for failure in report.failed:
        shell.output.error(f'failed: {failure}')
        log.info('failed: %s', failure.what, exc_info=failure.error)
    return Exit.DONE if report.is_complete else Exit.SOME_FAILED


@click.command('put')
@click.argument('words', nargs=-1, metavar='SOURCES... PATH')
@click.option('--layout', default=None, help='Paths of the files below the sources.')
@click.option('--overwrite', is_flag=True, help='Replace files of other content.')
@dry_run_option
@planned
@_filters
@click.pass_context
def put(
    context: click.Context,
    words: tuple[str, ...],
    layout: str | None,
    overwrite: bool,
    dry_run: bool,
    plan: str | None,
    apply: str | None,
) -> int:
    """Upload SOURCES, files or folders, to PATH.

    A folder goes to a project, subject, session, scan or resource, by its layout; missing sessions
    and subjects are created. Files go into a resource. - reads standard input into a file of the
    archive. Files that exist with the same content are not sent again.
    """
    shell: Shell = context.obj
    rules = context.meta.get('rules', [])
    known = plan_to_apply(shell, apply, 'put')
    if known is not None:
        words, layout = tuple(known.arguments['words']), known.arguments['layout']
        overwrite = known.arguments['overwrite']
        rules = [Rule(*rule) for rule in known.arguments['rules']]
    if len(words) < 2:
        raise InvalidArgument('A path is missing', remedy='Example: pyxnat put images P/S01/E01')
    *sources, path = words
    target, chosen = shell.element(path), Filter(rules)
    if sources == ['-']:
        _check_level(target, 'file', path)
        target.put(sys.stdin.buffer, overwrite=overwrite)
        return int(Exit.DONE)
    files = {name: found for source in sources for name, found in local_files(source, chosen)}
    if dry_run:
        _show(shell, [{'path': name, 'size': file.stat().st_size} for name, file in files.items()])
        return int(Exit.DONE)
    if plan or known:
        rows = _both_sides(sources, target, files)
        if known is None:
            arguments = {
                'words': [*(str(Path(source).resolve()) for source in sources), path],
                'layout': layout,
                'overwrite': overwrite,
                'rules': chosen.rules,
            }
            write_plan(shell, str(plan), 'put', arguments, rows)
            return int(Exit.DONE)
        known.check(rows)
    return _put(shell, sources, target, files, layout, overwrite, is_whole=not chosen)


def _put(
    shell: Shell,
    sources: list[str],
    target: Any,
    files: dict[str, Path],
    layout: str | None,
    overwrite: bool,
    *,
    is_whole: bool,
) -> int:
    """Send files to an element.

    Parameters
    ----------
    shell : Shell
        The run.
    sources : list of str
        Files and folders as given.
    target : Element
        The element.
    files : dict
        Path below the sources -> local file.
    layout : str or None
        Layout of these paths; by default that of the element.
    overwrite : bool
        Whether to replace files of other content.
    is_whole : bool
        Whether all files of the sources are sent.
    """
    if target.level.singular == 'file':
        if len(files) != 1:
            raise InvalidArgument('Several files for one', remedy='Name a resource.')
        target.put(str(*files.values()), overwrite=overwrite)
        return int(Exit.DONE)
    if len(sources) == 1 and Path(sources[0]).is_dir() and is_whole:
        report = target.upload(sources[0], layout=layout, overwrite=overwrite, jobs=shell.jobs)
    else:
        layout = layout or ('{path}' if target.level.singular == 'resource' else None)
        places = {name: str(found) for name, found in files.items()}
        report = target.upload(places, layout=layout, overwrite=overwrite, jobs=shell.jobs)
    return int(summary(shell, report))


def _both_sides(sources: list[str], target: Any, files: dict[str, Path]) -> list[dict[str, Any]]:
    """Return the files to send, the notes of their download, and those of the target."""
    sidecars = filter(None, (Sidecar.of(Path(source)) for source in sources))
    notes = {str(path): path for one in sidecars for path in one.path.rglob('*') if path.is_file()}
    rows: list[dict[str, Any]] = [
        {'path': f'local {name}', 'size': found.stat().st_size, 'md5': digest_of(found)}
        for name, found in sorted({**files, **notes}.items())
    ]
    return [*rows, *([*item_rows(target), *file_rows(target)] if target.exists() else ())]


def file_rows(element: Any) -> list[dict[str, Any]]:
    """Return place, size and digest of the files below an element, or of a file."""
    is_file = element.level.singular == 'file'
    select = element.host.select
    files = [element] if is_file else select(f'{element.uri.removeprefix("/data")}//files')
    return list(map(_file_row, files))


def item_rows(found: Any) -> list[dict[str, Any]]:
    """Return place and mark of an item, or of each of a selection.

    None for resources and files. XNAT moves the mark with each change of the item or below it. That
    of a project is followed by those of its subjects and sessions.

    Parameters
    ----------
    found : Element or Collection
        Items that exist.
    """
    if not found.level.is_item:
        return []
    if is_collection(found):
        marked = elements_with_marks(found)
    else:
        marked = [(found, mark_of(found))]
        if found.level.singular == 'project':
            marked += elements_with_marks(found.subjects())
            marked += elements_with_marks(found.experiments())
    return [{'path': place_of(element), 'modified': mark} for element, mark in marked]


def _file_row(file: Any) -> dict[str, Any]:
    row = file.row or file.fetch_row()
    size, md5 = int(row.get('Size') or 0), row.get('digest', '')
    return {'path': place_of(file), 'size': size, 'md5': md5}


def _check_level(target: Any, singular: str, path: str) -> None:
    if target.level.singular != singular:
        raise InvalidArgument(
            f'{path!r} is a {target.level.singular}, not a {singular}',
            remedy='Example: P/S/E/1/NIFTI/image.nii.gz',
        )


def local_files(source: str, chosen: Filter | None = None) -> Iterator[tuple[str, Path]]:
    """Yield path below the source and local path of its files.

    Parameters
    ----------
    source : str
        A file or a folder.
    chosen : Filter, optional
        Files to take. Default: all.
    """
    root = Path(source)
    if not root.is_dir():
        root.stat()
        yield root.name, root
        return
    for found in sorted(root.rglob('*')):
        name = found.relative_to(root).as_posix()
        if (
            found.is_file()
            and name.partition('/')[0] not in _OWN
            and (chosen is None or chosen(name))
        ):
            yield name, found


VERBS: dict[str, click.Command] = {str(command.name): command for command in (get, put)}
