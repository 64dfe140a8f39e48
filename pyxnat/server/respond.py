"""Tables as responses, in the format that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any

from sqlalchemy import ColumnElement
from werkzeug.exceptions import BadRequest, UnprocessableEntity
from werkzeug.http import http_date
from werkzeug.wrappers import Response

from .calls import Call
from .tables import FORMATS, Table, render

__all__ = ['no_table', 'order_asked', 'page_asked', 'table_response']

_ACCEPTED = {'application/json': 'json', 'text/html': 'html', 'text/xml': 'xml', 'application/xml': 'xml', 'text/csv': 'csv'}
_IN_MEMORY = 2**20
_PIECE = 2**18


def no_table() -> Response:
    """The answer where a table is asked for that there is not: nothing, out of date at once."""
    return Response(headers={'Expires': http_date()}, content_type='application/json;charset=ISO-8859-1')


def table_response(call: Call, table: Table, default: str = 'json') -> Response:
    """A table as ``format`` or else ``Accept`` wants it, in the order of ``sortBy``; a table of no asked kind is JSON.

    It is written whole before the answer begins, in memory if it is short and to a file that nobody else sees if it is long: the
    database is read no longer than that takes, however slow the client, and what goes wrong on the way is still a status.
    """
    form = _form(call, default)
    keys, descending = _sort_keys(call)
    if keys and not table.ordered:
        try:
            table = table.sorted(keys, descending)
        except KeyError as error:
            raise UnprocessableEntity(f'There is no column {error} to sort by.') from error
    written = SpooledTemporaryFile(_IN_MEMORY, dir=str(call.archive.files.staging))  # noqa: SIM115  (the response closes it)
    try:
        for piece in render(table, form):
            written.write(piece)
    except BaseException:
        written.close()
        raise
    response = Response(_pieces(written), content_type=FORMATS[form])
    response.content_length = written.tell()
    response.call_on_close(written.close)
    return response


def _pieces(written: Any) -> Iterator[bytes]:
    written.seek(0)
    while piece := written.read(_PIECE):
        yield piece


def order_asked(call: Call, columns: Mapping[str, ColumnElement[Any]]) -> list[Any]:
    """``sortBy`` and ``sortOrder`` as SQL, numbers as numbers; empty where nothing is asked, `UnprocessableEntity` for an unknown column."""
    keys, descending = _sort_keys(call)
    lower = {name.lower(): found for name, found in columns.items()}
    unknown = [key for key in keys if key.lower() not in lower]
    if unknown:
        raise UnprocessableEntity(f'There is no column {unknown[0]!r} to sort by.')
    wanted = [part for key in keys for part in (lower[key.lower()].op('+')(0), lower[key.lower()])]
    return [part.desc() for part in wanted] if descending else wanted


def _sort_keys(call: Call) -> tuple[list[str], bool]:
    order = call.get('sortOrder', 'ASC').strip().upper() or 'ASC'
    if order not in ('ASC', 'DESC'):
        raise UnprocessableEntity(f'sortOrder is ASC or DESC, not {order!r}.')
    return [key for value in call.all('sortBy') for key in value.split(',') if key], order == 'DESC'


def page_asked(call: Call, limit: int | None) -> tuple[int | None, int]:
    """``limit``, with a default, and ``offset``; a limit ``*`` or None is none. `UnprocessableEntity` for what is no number."""
    asked, offset = call.get('limit'), call.get('offset') or '0'
    if not re.fullmatch(r'\*|\d{0,9}', asked) or not re.fullmatch(r'\d{1,9}', offset):
        raise UnprocessableEntity('limit and offset are whole numbers; limit may be *.')
    return (None if asked == '*' else int(asked) if asked else limit), int(offset)


def _form(call: Call, default: str) -> str:
    asked = call.get('format').lower()
    if asked:
        form = _ACCEPTED.get(asked, asked)
        if form not in FORMATS:
            raise BadRequest(f'{asked!r} is none of {", ".join(FORMATS)}.')
        return form
    best = call.request.accept_mimetypes.best_match(list(_ACCEPTED)) if call.request.headers.get('Accept', '*/*') != '*/*' else None
    return _ACCEPTED.get(best or '', default)
