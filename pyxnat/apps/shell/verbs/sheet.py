"""Verb of spreadsheets: sheet out, sheet apply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ....errors import InvalidArgument
from ..exit_codes import Exit
from ..options import dry_run_option
from ..places import is_collection
from ..session import Shell

__all__ = ['VERBS', 'apply', 'out', 'sheet']

_COLUMNS = ['row', 'label', 'field', 'exported', 'server', 'sheet', 'status', 'message']


@click.group('sheet')
def sheet() -> None:
    """Write fields to a spreadsheet; apply the edited one."""


@sheet.command('out')
@click.argument('path')
@click.argument('file')
@click.option('-c', '--columns', default='', help='Fields, separated by commas.')
@click.option('-w', '--where', help='Criteria of the subjects.')
@dry_run_option
@click.pass_obj
def out(shell: Shell, path: str, file: str, columns: str, where: str | None, dry_run: bool) -> None:
    """Write fields of the elements of PATH, such as P/*/*, to FILE (.xlsx or .csv).

    Columns are short names, full paths, fields of custom forms (form:Enrolment/date), or fields of
    elements above, which cannot be changed there: subject/gender.
    """
    found = shell.select(path)
    if not is_collection(found):
        raise InvalidArgument(f'{path!r} names one element', remedy='Use wildcards: P/*/*.')
    if where:
        found = found.where(where)
    if dry_run:
        shell.would(f'write {columns or "the columns of the listing"} of {path} to {file}')
        return
    count = found.to_sheet(file, [name for name in columns.split(',') if name])
    shell.output.note(f'{count} rows in {file}. Edit it, then: pyxnat sheet apply {file}')


@sheet.command('apply')
@click.argument('file')
@click.argument('path', default='')
@dry_run_option
@click.pass_obj
def apply(shell: Shell, file: str, path: str, dry_run: bool) -> int:
    """Show the edited cells of FILE, and send them after a confirmation.

    An empty cell clears the field. A value that was changed on the server since "sheet out" is a
    conflict, and stays. PATH limits the elements to those of a project or collection. The status of
    each row is written beside FILE. Exit status: 7 if there are conflicts, 1 if rows were refused
    or failed.
    """
    interface = shell.select(path).host if path else shell.connect()
    target = shell.select(path) if path else None
    found = interface.sheets.apply(target, file, dry_run=True)
    _show(shell, found)
    changes = list(found.cells('change'))
    if changes and not dry_run:
        question = f'Change {len(changes)} cells in {len({row.uri for row, _ in changes})} rows?'
        if not shell.confirm(question):
            return int(Exit.SOME_FAILED)
        found = interface.sheets.apply(target, file, jobs=shell.jobs)
        status = Path(file).with_name(f'{Path(file).stem}.status.csv')
        found.write(status)
        for row in found.with_status('failed'):
            shell.output.error(f'row {row.place} {row.label}: {row.message}')
        shell.output.note(f'{found.summary()}\nThe status of each row is in {status}')
    if found.conflicts:
        return int(Exit.CONFLICT)
    return int(Exit.DONE if found.is_complete else Exit.SOME_FAILED)


def _show(shell: Shell, report: Any) -> None:
    shell.output.rows(_cells(report), _COLUMNS)
    shell.output.note('\n'.join([report.summary(), *report.notes]))


def _cells(report: Any) -> Iterator[dict[str, str]]:
    """Yield a row for each edited cell that is not sent, and for each refused row.

    A cell whose value the server has already is left out.
    """
    for row in report.rows:
        about = {'row': row.place, 'label': row.label}
        if row.problem:
            yield {**about, 'status': row.status, 'message': row.problem}
        for cell in row.cells:
            if cell.status != 'same':
                yield {
                    **about,
                    'field': cell.column,
                    'exported': cell.exported,
                    'server': cell.present,
                    'sheet': cell.edited,
                    'status': cell.status,
                    'message': cell.message,
                }


VERBS: dict[str, click.Command] = {'sheet': sheet}
