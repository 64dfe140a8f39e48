"""Result tables in XNAT's formats: JSON, CSV, XML, HTML and xlist.

All values are text and NULL is the empty text, also in JSON. CSV quotes only values with a comma, a
quote or a line break, and turns line breaks into blanks, as XNAT 1.7 and later do. Rows are read in
batches and written in pieces: no table is ever whole in memory.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring
from tempfile import SpooledTemporaryFile
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from ..table import BATCH, Table, cell

__all__ = ['FORMATS', 'render']

_IN_MEMORY = 2**20
FORMATS = {
    'json': 'application/json',
    'csv': 'text/csv',
    'xml': 'text/xml',
    'html': 'text/html',
    'xlist': 'text/html',
}
"""Media type of each format, without a charset, as in XNAT; the bytes are UTF-8."""


def render(table: Table, form: str) -> Iterator[bytes]:
    """Yield the table in a format, in pieces.

    Parameters
    ----------
    table : Table
        The table.
    form : str
        A key of `FORMATS`.
    """
    return _WRITERS[form](table)


def _batches(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    source = iter(rows)
    while batch := list(islice(source, BATCH)):
        yield batch


def _json(table: Table) -> Iterator[bytes]:
    start = '{"ResultSet":{'
    if table.described is not None:
        start += '"Columns":' + _dumps(table.described) + ','
    yield (start + '"Result":[').encode()
    names = [encode_basestring(name) + ':' for name in table.columns]
    total = 0
    for batch in _batches(table.rows):
        texts = [
            ','.join(
                [
                    name + encode_basestring(cell(value))
                    for name, value in zip(names, row, strict=True)
                ]
            )
            for row in batch
        ]
        yield ((',{' if total else '{') + '},{'.join(texts) + '}').encode('utf-8')
        total += len(batch)
    meta = dict(table.meta)
    if table.count:
        meta.setdefault('totalRecords', str(total))
    tail = ''.join(f', {_dumps(name)}: {_dumps(value)}' for name, value in meta.items())
    yield f']{tail}}}}}'.encode()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


def _csv(table: Table) -> Iterator[bytes]:
    yield _csv_text([table.columns]).encode('utf-8')
    for batch in _batches(table.rows):
        yield _csv_text(batch).encode('utf-8')


def _csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV lines.

    Rows with line breaks or a lone empty value are written by hand, because the csv module writes
    them differently from XNAT.
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='\n').writerows(
        [[value if value.__class__ is str else cell(value) for value in row] for row in rows]
    )
    text = buffer.getvalue()
    if text.count('\n') == len(rows) and '\r' not in text and len(rows[0]) > 1:
        return text
    return ''.join(','.join(_csv_cell(cell(value)) for value in row) + '\n' for row in rows)


def _csv_cell(text: str) -> str:
    if '\n' in text or '\r' in text:
        return (
            '"'
            + text.replace('\r\n', ' ').replace('\n', ' ').replace('\r', ' ').replace('"', '""')
            + '"'
        )
    if ',' in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _xml(table: Table) -> Iterator[bytes]:
    with SpooledTemporaryFile(_IN_MEMORY) as rows:  # the number of rows is written before them
        total = 0
        for batch in _batches(table.rows):
            total += len(batch)
            rows.write(_xml_rows(batch))
        meta = dict(table.meta)
        if table.count:
            meta.setdefault('totalRecords', str(total))
        attributes = ''.join(
            f' {name}={quoteattr(_xml_text(cell(value)))}'
            for name, value in meta.items()
            if isinstance(value, str)
        )
        yield f'<ResultSet{attributes}><results><columns>'.encode()
        columns = ''.join(
            f'<column{_column_attributes(table.attributes.get(name, {}))}>'
            f'{escape(_xml_text(name))}</column>'
            for name in table.columns
        )
        yield columns.encode('utf-8') + b'</columns>\n<rows>'
        rows.seek(0)
        while piece := rows.read(_IN_MEMORY):
            yield piece
        yield b'</rows></results></ResultSet>'


def _column_attributes(column: dict[str, Any]) -> str:
    return ''.join(
        f' {name}={quoteattr(column[name])}'
        for name in ('type', 'xPATH', 'element_name', 'header', 'id')
        if name in column
    )


def _xml_rows(batch: Sequence[Sequence[Any]]) -> bytes:
    lines = (
        ''.join(f'<cell>{escape(_xml_text(cell(value)))}</cell>' for value in row) for row in batch
    )
    return ''.join(f'<row>{line}</row>\n' for line in lines).encode()


def _xml_text(text: str) -> str:
    """Return a text without characters that XML does not allow."""
    return (
        text
        if text.isprintable()
        else ''.join(char for char in text if char in '\t\n\r' or ord(char) >= 32)
    )


def _html(table: Table) -> Iterator[bytes]:
    return _page(table, '<th>{}</th>', '<td>{}</td>')


def _xlist(table: Table) -> Iterator[bytes]:
    """Return the HTML page without markup of its cells, as XNAT does."""
    return _page(table, '{}', '{}')


_PAGE = (
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en"><body><table '
    'class="x_rs_t" cellpadding="0" cellspacing="0">\n'
)
_PARITY = ('odd', 'even')


def _page(table: Table, head: str, data: str) -> Iterator[bytes]:
    names = ''.join(head.format(html.escape(name)) for name in table.columns)
    yield (
        f'{_PAGE}<thead class="x_rs_thead">\n<tr '
        f'class="x_rs_tr_head">{names}</tr>\n</thead>\n<tbody id="dataRows">\n'
    ).encode()
    total = 0
    for batch in _batches(table.rows):
        lines = []
        for row in batch:
            cells = ''.join(data.format(html.escape(cell(value))) for value in row)
            lines.append(f'<tr class="x_rs_tr_data {_PARITY[total % 2]}">\n{cells}</tr>')
            total += 1
        yield ''.join(lines).encode('utf-8')
    yield b'</tbody>\n</table></body></html>'


_WRITERS: dict[str, Callable[[Table], Iterator[bytes]]] = {
    'json': _json,
    'csv': _csv,
    'xml': _xml,
    'html': _html,
    'xlist': _xlist,
}
