"""Verbs of searches and tables: search, table."""

from __future__ import annotations

from typing import Any

import click

from ....errors import InvalidArgument
from ....tables.table import write_csv
from ..options import dry_run_option
from ..places import is_collection
from ..session import Shell

__all__ = ['VERBS', 'search', 'table']


@click.command('search')
@click.argument('criteria', default='')
@click.option('-r', '--row', default='', help='Data type of the rows. Default: from the criteria.')
@click.option('-c', '--columns', default='', help='Fields, separated by commas.')
@click.option('--save', help='Save the search under this name.')
@click.option('--saved', help='Run the saved search of this name.')
@click.option('--template', help='Run the template of this name.')
@click.option('--value', multiple=True, help='KEY=VALUE for a template; may be repeated.')
@click.option('--list', 'list_', is_flag=True, help='List saved searches and templates.')
@click.option('--delete', help='Delete the saved search of this name.')
@dry_run_option
@click.pass_obj
def search(
    shell: Shell,
    criteria: str,
    row: str,
    columns: str,
    save: str | None,
    saved: str | None,
    template: str | None,
    value: tuple[str, ...],
    list_: bool,
    delete: str | None,
    dry_run: bool,
) -> None:
    """Search by CRITERIA.

    Such as "xnat:subjectData/AGE > 60 AND xnat:subjectData/GENDER = 'f'". One request; two without
    columns.
    """
    interface = shell.connect()
    searches = interface.manage.search
    if list_:
        rows = [{'name': name, 'kind': 'search'} for name in searches.saved()]
        rows += [{'name': name, 'kind': 'template'} for name in searches.saved_templates()]
        shell.output.rows(rows, ['name', 'kind'])
    elif dry_run and (delete is not None or save is not None):
        shell.would(f'delete the search {delete}' if delete else f'save the search {save}')
    elif delete is not None:
        searches.delete(delete)
    elif template is not None:
        values = dict(text.split('=', 1) for text in value if '=' in text)
        _write(shell, searches.use_template(template, values))
    elif saved is not None:
        _write(shell, searches.get(saved))
    else:
        kind, fields = row or _type_of(criteria), [name for name in columns.split(',') if name]
        if save is not None:
            searches.save(save, kind, fields, criteria or None)
            shell.output.note(f'Saved {save}.')
        found = interface.select(kind, fields)
        _write(shell, found.where(criteria) if criteria else found.all())


def _type_of(criteria: str) -> str:
    kind = criteria.strip().lstrip('(').partition('/')[0].strip()
    if ':' not in kind:
        raise InvalidArgument(
            'The data type of the rows is missing', remedy='Example: --row xnat:mrSessionData'
        )
    return kind


def _write(shell: Shell, table: Any) -> None:
    rows, names = list(table), list(table.headers())
    if shell.output.format == 'human':  # display fields without a value tell people nothing
        names = [name for name in names if any(row.get(name) for row in rows)] or names
    shell.output.rows(rows, names)
    shell.output.note(f'{len(rows)} rows')


@click.command('table')
@click.argument('path')
@click.option('-c', '--columns', default='', help='Fields, separated by commas.')
@click.option('-w', '--where', help='Criteria of the subjects.')
@click.option('-o', '--output', help='File: .csv, .tsv, .json or .parquet (with the extra arrow).')
@dry_run_option
@click.pass_obj
def table(
    shell: Shell, path: str, columns: str, where: str | None, output: str | None, dry_run: bool
) -> None:
    """Write fields of the elements of PATH, such as P/*/*, as a table.

    Columns are short names, full paths, or fields of elements above: subject/gender.
    """
    found = shell.select(path)
    if not is_collection(found):
        raise InvalidArgument(f'{path!r} names one element', remedy='Use wildcards: P/*/*.')
    if where:
        found = found.where(where)
    names = [name for name in columns.split(',') if name] or ['label', 'ID']
    if output is None:
        shell.output.rows(found.rows(names), names)
        return
    if dry_run:
        shell.would(f'write the columns {", ".join(names)} to {output}')
        return
    count = _write_file(found, names, output)
    shell.output.note(f'{count} rows in {output}')


def _write_file(found: Any, names: list[str], output: str) -> int:
    """Write a table to a file; return the number of rows.

    Its name decides on the format.
    """
    suffix = output.rpartition('.')[2].lower()
    if suffix in ('csv', 'tsv'):
        return write_csv(output, found.rows(names), names, ',' if suffix == 'csv' else '\t')
    if suffix == 'json':
        rows = found.table(names)
        rows.dump_json(output)
        return len(rows)
    if suffix == 'parquet':
        count: int = found.to_parquet(output, names)
        return count
    remedy = 'Use .csv, .tsv, .json or .parquet.'
    raise InvalidArgument(f'{output!r} has an unknown format', remedy=remedy)


VERBS: dict[str, click.Command] = {str(command.name): command for command in (search, table)}
