"""Tables as responses, in the format that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import quote

from werkzeug.http import http_date
from werkzeug.wrappers import Response

from ..errors import NotAcceptable, UnprocessableEntity
from ..items.sending import Sending
from ..search.order import sort_keys
from ..table import Table
from .request import Call
from .table_formats import FORMATS, render

__all__ = ['made_at', 'no_table', 'nothing', 'page_asked', 'send', 'table_response']

_ACCEPTED = {'application/json': 'json', 'text/html': 'html', 'text/xml': 'xml'}
"""What a table can be had as by ``Accept``."""
_NAMED = {**_ACCEPTED, 'application/xml': 'xml', 'text/csv': 'csv'}
"""Media types that ``format`` may name."""
_IN_MEMORY = 2**20
_PIECE = 2**18


def no_table() -> Response:
    """The answer where a table is asked for that there is not: nothing, out of date at once."""
    return Response(headers={'Expires': http_date()}, content_type='application/json;charset=ISO-8859-1')


def nothing(call: Call) -> Response:
    """The answer of a list whose query failed: nothing, in the format that was asked for, out of date at once."""
    return Response(headers={'Expires': http_date()}, content_type=f'{FORMATS[_form(call, "json")]};charset=ISO-8859-1')


def made_at(call: Call, name: str | int) -> Response:
    """The answer to a POST that made something: its whole URL below what was posted to; ``Location`` has the query, too."""
    url = f'{call.request.base_url.rstrip("/")}/{quote(str(name), safe="")}'
    query = call.request.query_string.decode('latin-1')
    return Response(url, mimetype='text/plain', headers={'Location': f'{url}?{query}' if query else url})


def send(sending: Sending) -> Response:
    """Make a response of a body that a lower room made."""
    headers = {'Content-Disposition': sending.disposition} if sending.disposition else {}
    return Response(sending.body, content_type=sending.content_type, headers=headers)


def table_response(call: Call, table: Table, default: str = 'json') -> Response:
    """A table as ``format`` or else ``Accept`` wants it, in the order of ``sortBy``; a table of no asked kind is JSON.

    It is written whole before the answer begins, in memory if it is short and to a file that nobody else sees if it is long: the
    database is read no longer than that takes, however slow the client, and what goes wrong on the way is still a status.
    """
    form = _form(call, default)
    keys, descending = sort_keys(call)
    if keys and not table.ordered:
        table = table.sorted(keys, descending)
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


def page_asked(call: Call, limit: int | None) -> tuple[int | None, int]:
    """``limit``, with a default, and ``offset``; a limit ``*`` or None is none. `UnprocessableEntity` for what is no number."""
    asked, offset = call.get('limit'), call.get('offset') or '0'
    if not re.fullmatch(r'\*|\d{0,9}', asked) or not re.fullmatch(r'\d{1,9}', offset):
        raise UnprocessableEntity('limit and offset are whole numbers; limit may be *.')
    return (None if asked == '*' else int(asked) if asked else limit), int(offset)


def _form(call: Call, default: str) -> str:
    asked = call.get('format').lower()
    if asked:
        form = _NAMED.get(asked, asked)
        return form if form in FORMATS else 'html'  # XNAT shows a page for what it does not know
    header = call.request.headers.get('Accept', '*/*')
    if header == '*/*':
        return default
    best = call.request.accept_mimetypes.best_match(list(_ACCEPTED))
    if best is None:
        raise NotAcceptable(f'There is a table as {", ".join(_ACCEPTED)}, not as {header}; name the format in the query.')
    return _ACCEPTED[best]
