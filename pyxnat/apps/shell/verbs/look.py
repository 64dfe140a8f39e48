"""Verbs that only read: ls, tree, show, fields, du, cat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from ....errors import InvalidArgument
from ..output import size_text
from ..places import Place, is_collection, joined, names_of
from ..session import Shell

__all__ = ['CHILDREN', 'COLUMNS', 'VERBS', 'cat', 'du', 'fields', 'ls', 'show', 'tree']

COLUMNS: dict[str, tuple[str, ...]] = {
    'projects': ('ID', 'name', 'description'),
    'subjects': ('label', 'ID', 'gender', 'group'),
    'experiments': ('label', 'ID', 'xsiType', 'date'),
    'assessors': ('label', 'ID', 'xsiType', 'date'),
    'scans': ('ID', 'type', 'quality', 'series_description'),
    'reconstructions': ('ID', 'type'),
    'resources': ('label', 'file_count', 'file_size', 'format'),
    'files': ('path', 'Size', 'digest'),
}
"""Columns of ``ls`` by level."""

CHILDREN = {
    'project': 'subjects',
    'subject': 'experiments',
    'experiment': 'scans',
    'assessor': 'out_resources',
    'reconstruction': 'out_resources',
}
"""Collection that ``ls`` shows below an element; of all others: resources, or files."""


_ELEMENTS = {
    'experiments/experiment',
    'scans/scan',
    'assessors/assessor',
    'reconstructions/reconstructedimage',
    'reconstructions/reconstructedImage',
    'resources/resource',
    'sharing/share',
    'file',
    'out/file',
    'in/file',
}
"""Fields of an item that are elements of their own."""


def _children(element: Any) -> Any:
    names = element.children()
    name = CHILDREN.get(element.level.singular, 'resources' if 'resources' in names else 'files')
    if name not in names:
        raise InvalidArgument(
            f'{element.level.singular} {element.path_name!r} has nothing below it',
            remedy='Show its content with cat, its fields with show.',
        )
    return getattr(element, name)()


def _columns(collection: Any, given: str) -> list[str]:
    if given:
        return [name for name in given.split(',') if name]
    level = collection.level.plural.removeprefix('in_').removeprefix('out_')
    return list(COLUMNS.get(level, ('label', 'ID')))


def _rows(collection: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a listing by name, with the full path of files."""
    if 'path' in columns:
        rows = [{**file.row, 'path': file.path_name} for file in collection]
    else:
        rows = list(collection.rows(columns))
    yield from sorted(rows, key=lambda row: _natural(row.get(columns[0], '')))


def _natural(name: Any) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers in names by value.

    >>> sorted(['S10', 'S9', 'a', '2'], key=_natural)
    ['2', 'S9', 'S10', 'a']
    """
    return [
        (0, int(part), '') if part.isdecimal() else (1, 0, part)
        for part in re.split(r'(\d+)', str(name))
        if part
    ]


@click.command('ls')
@click.argument('path', default='')
@click.option('--columns', default='', help='Fields, separated by commas.')
@click.option('-a', '--all', 'all_', is_flag=True, help='All kinds of elements below.')
@click.pass_obj
def ls(shell: Shell, path: str, columns: str, all_: bool) -> None:
    """List the elements below PATH, or those that a path with wildcards names.

    One request; with --all one for each kind of elements below.
    """
    found = shell.select(path)
    if is_collection(found):
        names = _columns(found, columns)
        shell.output.rows(_rows(found, names), names)
        return
    if not all_:
        below = _children(found)
        names = _columns(below, columns)
        shell.output.rows(_rows(below, names), names)
        return
    shell.existing(path)
    kinds = [name for name in found.children() if name not in ('in_resources', 'out_resources')]
    rows = (
        {'name': child.label(), 'kind': child.level.singular, **child.row}
        for kind in kinds
        for child in getattr(found, kind)()
    )
    shell.output.rows(rows, ['name', 'kind', *([] if not columns else columns.split(','))])


@click.command('tree')
@click.argument('path', default='')
@click.option('-d', '--depth', type=click.IntRange(1, 4), default=2, help='Levels below PATH.')
@click.pass_obj
def tree(shell: Shell, path: str, depth: int) -> None:
    """Show the levels below PATH as a tree: subjects, sessions, scans, resources.

    The requests of a selection of each level, whatever the number of elements.
    """
    found = shell.select(path)
    names: dict[tuple[str, ...], str] = {}
    level, above = found, list[str]()
    for _ in range(depth):
        singular = level.level.singular
        if is_collection(level) and not above:
            below = level
        else:
            name = CHILDREN.get(singular, 'resources')
            if not hasattr(level, name):
                break
            below = getattr(level, name)()
        own = 'ID' if below.level.singular in ('project', 'scan', 'reconstruction') else 'label'
        for row in below.rows([*above, own]):
            names[tuple(row[column] for column in (*above, own))] = below.level.singular
        above = [*above, f'{below.level.singular}/{own}']
        level = below
    if shell.output.is_terminal:
        shell.output.text(path or shell.connect().connection.server)
        for line in _drawn(sorted(names)):
            shell.output.text(line)
        return
    rows = ({'path': '/'.join(key), 'kind': names[key]} for key in sorted(names))
    shell.output.rows(rows, ['path', 'kind'] if shell.output.format != 'human' else ['path'])


def _drawn(keys: list[tuple[str, ...]], depth: int = 0, prefix: str = '') -> Iterator[str]:
    """Yield the lines of a tree."""
    groups = [(name, list(group)) for name, group in groupby(keys, key=lambda key: key[depth])]
    for number, (name, group) in enumerate(groups, 1):
        is_last = number == len(groups)
        yield f'{prefix}{"└── " if is_last else "├── "}{name}'
        below = [key for key in group if len(key) > depth + 1]
        yield from _drawn(below, depth + 1, prefix + ('    ' if is_last else '│   '))


@click.command('show')
@click.argument('path')
@click.option('--xml', is_flag=True, help='Its XML document.')
@click.pass_obj
def show(shell: Shell, path: str, xml: bool) -> None:
    """Show the fields of one element's listing, or its document. One request."""
    element = shell.element(path)
    if xml:
        shell.output.text(element.get().decode('utf-8', 'replace'))
    else:
        shell.output.fields({name: value for name, value in element.attributes().items() if value})


@click.command('fields')
@click.argument('path')
@click.option('--names', is_flag=True, help='Names only, those without a value too.')
@click.pass_obj
def fields(shell: Shell, path: str, names: bool) -> None:
    """List the fields of an element by full path, with their values.

    One or two requests. Fields of custom forms are named by form and key; they take one more.
    """
    element = shell.element(path)
    if names:
        shell.output.rows(({'field': name} for name in element.attrs()), ['field'])
        return
    interface = shell.connect(Place.read(path).profile)
    answer = interface.get(f'{element.uri}?format=json')
    answer.raise_for_status()
    [item] = answer.json()['items']
    found = {name: value for name, value in _values(item) if value not in ('', None)}
    rows = {f'{element.datatype()}/{name}': value for name, value in found.items()}
    if 'custom_fields' in found:
        rows |= interface.manage.forms.named(found['custom_fields'])
    shell.output.rows(
        ({'field': name, 'value': value} for name, value in rows.items()), ['field', 'value']
    )


def _values(item: Any, above: str = '') -> Iterator[tuple[str, Any]]:
    """Yield path and value of the fields of an item, without those of other elements."""
    for name, value in item.get('data_fields', {}).items():
        yield f'{above}{name}', value
    for child in item.get('children', ()):
        if child['field'] in _ELEMENTS:
            continue
        for number, inner in enumerate(child['items'], 1):
            key = inner.get('data_fields', {}).get('name')
            which = f'[name={key}]' if key else f'[{number}]' if len(child['items']) > 1 else ''
            yield from _values(inner, f'{above}{child["field"]}{which}/')


@click.command('du')
@click.argument('path', default='')
@click.option('-b', '--bytes', 'in_bytes', is_flag=True, help='Sizes in bytes.')
@click.pass_obj
def du(shell: Shell, path: str, in_bytes: bool) -> None:
    """Show number and size of the files below each element of PATH, and of all.

    The requests of a selection of files.
    """
    place = Place.read(path)
    select = shell.connect(place.profile).select
    found = select(place.path)
    depth = len(place.path.split('/')) // 2 + (0 if is_collection(found) else 1)
    sizes: dict[str, list[int]] = {}
    for file in select(f'{place.path}//files'):
        total = sizes.setdefault(joined(names_of(file)[:depth]), [0, 0])
        total[0] += 1
        total[1] += int(file.row.get('Size') or 0)
    rows = [
        {'path': name, 'files': files, 'size': size if in_bytes else size_text(size)}
        for name, (files, size) in sorted(sizes.items())
    ]
    files, size = (sum(column) for column in zip(*sizes.values(), strict=True)) if sizes else (0, 0)
    whole = {'path': 'total', 'files': files, 'size': size if in_bytes else size_text(size)}
    shell.output.rows([*rows, whole], ['path', 'files', 'size'])


@click.command('cat')
@click.argument('path')
@click.pass_obj
def cat(shell: Shell, path: str) -> None:
    """Write the content of a file to standard output. One request, or two."""
    element = shell.element(path)
    if element.level.singular != 'file':
        raise InvalidArgument(f'{path!r} is no file', remedy='Use get for all files below it.')
    shell.output.file(element.get())


VERBS: dict[str, click.Command] = {
    str(command.name): command for command in (ls, tree, show, fields, du, cat)
}
