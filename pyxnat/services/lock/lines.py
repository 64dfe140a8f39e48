"""Lines of a lock file.

::

    {"xnatlock": 1, "server": "https://…", "selection": ["/projects/P/subjects/*"], …}
    {"path": "P/S1", "kind": "item", "level": "subjects", "id": "XNAT_S1", "type": …, "fields": {…}}
    {"path": "P/S1/E1/1/NIFTI/a.nii", "kind": "file", "size": 352, "md5": "…"}

The first line is the header. All others are sorted by path and kind, so that two lock files are
compared line by line, without holding either in memory.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from ...errors import DataError
from ...files.disk import publish

__all__ = [
    'Entry',
    'FileLine',
    'Header',
    'ItemLine',
    'Line',
    'damaged',
    'entries',
    'key_of',
    'read_header',
    'read_lines',
    'write',
]

_VERSION = 1
_TOGETHER = 200_000
"""Lines that are sorted in memory."""
_REMEDY = 'Write it again with lock() of a selection.'


class Header(NamedTuple):
    """First line of a lock file."""

    server: str
    """URL of the server."""
    selection: list[str]
    """Paths of `select`."""
    where: list[dict[str, Any]]
    """Conditions: criteria and their level."""
    fields: list[str]
    """Columns of the items."""
    files: str
    """``all``, ``none``, or the label of the resources whose files are locked."""
    layout: str
    """Layout of the places."""
    date: str
    """Time of the listing, in UTC."""


class ItemLine(NamedTuple):
    """A project, subject, session, scan, assessor or reconstruction."""

    path: str
    """Labels down to the item: ``P/S1/E1``."""
    level: str
    """Plural name of its level."""
    id: str
    type: str
    """Data type; empty where a listing has none."""
    fields: dict[str, str]


class FileLine(NamedTuple):
    """A file."""

    path: str
    """Labels down to the resource, and path below it: ``P/S1/E1/1/NIFTI/a.nii``."""
    size: int | None
    """Bytes; `None` if the listing has no size."""
    md5: str
    """Digest; empty if the server keeps none."""
    uri: str
    """URI of the file when it was locked."""
    place: str = ''
    """Path below a download folder, if it is not `path`."""


Line = ItemLine | FileLine
_KINDS: dict[str, type[ItemLine] | type[FileLine]] = {'item': ItemLine, 'file': FileLine}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def key_of(line: Line) -> tuple[str, str]:
    """Return the sort key of a line."""
    return line.path, _NAMES[type(line)]


def _text(line: Line) -> str:
    values = {name: value for name, value in line._asdict().items() if value not in ('', None, {})}
    return json.dumps({'path': line.path, 'kind': _NAMES[type(line)], **values}, ensure_ascii=False)


def write(path: Path, header: Header, lines: Iterable[Line]) -> None:
    """Write a lock file; it appears when it is complete.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        Its first line.
    lines : iterable of Line
        All others, in any order; memory holds 200,000 of them.

    Raises
    ------
    DataError
        Two lines have the same path and kind.
    """
    with ExitStack() as stack, publish(path) as file:
        file.write(_encoded({'xnatlock': _VERSION, **header._asdict()}))
        before: tuple[str, str] | None = None
        for key, text in _sorted(lines, stack):
            if key == before:
                raise DataError(
                    f'{key[0]} is twice in the selection',
                    remedy='Lock the two selections on their own.',
                )
            before = key
            file.write(text.encode() + b'\n')


def _sorted(lines: Iterable[Line], stack: ExitStack) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield keys and texts of lines by key; long lists are sorted in parts on disk."""
    rest = iter(lines)
    parts: list[Iterator[tuple[tuple[str, str], str]]] = []
    while some := sorted((key_of(line), _text(line)) for line in islice(rest, _TOGETHER)):
        if len(some) < _TOGETHER:
            parts.append(iter(some))
            break
        spool = stack.enter_context(tempfile.TemporaryFile('w+', encoding='utf-8'))  # noqa: SIM115
        parts.append(_spilled(some, spool))
    return heapq.merge(*parts)


def _spilled(
    some: list[tuple[tuple[str, str], str]], file: IO[str]
) -> Iterator[tuple[tuple[str, str], str]]:
    file.writelines(json.dumps([*key, text]) + '\n' for key, text in some)
    file.seek(0)
    return (((path, kind), text) for path, kind, text in map(json.loads, file))


def _encoded(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b'\n'


def read_header(path: Path) -> Header:
    """Return the header of a lock file.

    Raises
    ------
    DataError
        It is no lock file, or one of a later version.
    """
    with open(path, 'rb') as file:
        first = _parsed(path, 1, file.readline())
    if first.pop('xnatlock', None) != _VERSION or set(first) != set(Header._fields):
        raise DataError(f'{path} is no lock file of version {_VERSION}', remedy=_REMEDY)
    return Header(**first)


class Entry:
    """A line of a lock file, parsed when it is needed.

    Parameters
    ----------
    path : Path
        The lock file.
    number : int
        Number of the line, from 1.
    text : bytes
        The line.
    """

    __slots__ = ('_parsed', 'number', 'path', 'text')

    def __init__(self, path: Path, number: int, text: bytes) -> None:
        self.path = path
        self._parsed: Line | None = None
        self.number = number
        self.text = text

    @property
    def line(self) -> Line:
        """The parsed line; DataError if it is damaged."""
        if self._parsed is None:
            self._parsed = _line(self.path, self.number, self.text)
        return self._parsed

    @property
    def key(self) -> tuple[str, str]:
        """Its sort key."""
        return key_of(self.line)


def entries(path: Path) -> Iterator[Entry]:
    """Yield the lines after the header, unparsed.

    Raises
    ------
    DataError
        It is no lock file.
    """
    read_header(path)
    with open(path, 'rb') as file:
        yield from (Entry(path, number, text) for number, text in enumerate(file, 1) if number > 1)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines after the header, in their order.

    Raises
    ------
    DataError
        A line is damaged, or not in its place; the message has its number.
    """
    before = ('', '')
    for entry in entries(path):
        if entry.key <= before:
            raise _damaged(path, entry.number)
        before = entry.key
        yield entry.line


def damaged(entry: Entry) -> DataError:
    """Return the error for a line that is damaged or not in its place."""
    return _damaged(entry.path, entry.number)


def _line(path: Path, number: int, text: bytes) -> Line:
    values = _parsed(path, number, text)
    kind = _KINDS.get(values.pop('kind', ''))
    empty: dict[str, Any] = {'level': '', 'id': '', 'type': '', 'fields': {}, 'size': None}
    defaults = {**empty, 'md5': '', 'uri': '', 'place': '', 'path': ''}
    if kind is None or not set(values) <= set(kind._fields):
        raise _damaged(path, number)
    line = kind(**{name: values.get(name, defaults[name]) for name in kind._fields})
    right: dict[str, Any] = {'size': (int, type(None)), 'fields': dict}
    if not line.path or not all(
        isinstance(value, right.get(name, str)) and value is not True
        for name, value in zip(line._fields, line, strict=True)
    ):
        raise _damaged(path, number)
    if isinstance(line, FileLine) and (line.size or 0) < 0:
        raise _damaged(path, number)
    return line


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, number) from error
    if not isinstance(values, dict) or not text.endswith(b'\n'):
        raise _damaged(path, number)
    return values


def _damaged(path: Path, number: int) -> DataError:
    return DataError(f'{path}, line {number}: not a line of a lock file', remedy=_REMEDY)
