"""Responses with tables, in the format of the request."""

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
"""Formats of a table by the media types of ``Accept``."""
_NAMED = {**_ACCEPTED, 'application/xml': 'xml', 'text/csv': 'csv'}
"""Media types that ``format`` may name."""
_IN_MEMORY = 2**20
_PIECE = 2**18


def no_table() -> Response:
    """Return an empty, expired response, as XNAT does where it has no table."""
    return Response(
        headers={'Expires': http_date()}, content_type='application/json;charset=ISO-8859-1'
    )


def nothing(call: Call) -> Response:
    """Return an empty, expired response in the format of the request.

    XNAT does so where the query of a listing fails.
    """
    return Response(
        headers={'Expires': http_date()},
        content_type=f'{FORMATS[_form(call, "json")]};charset=ISO-8859-1',
    )


def made_at(call: Call, name: str | int) -> Response:
    """Return the response of a POST that created an element.

    The body is its whole URL, below that of the request. ``Location`` also has the query.

    Parameters
    ----------
    call : Call
        The request.
    name : str or int
        ID of the element.
    """
    url = f'{call.request.base_url.rstrip("/")}/{quote(str(name), safe="")}'
    query = call.request.query_string.decode('latin-1')
    return Response(
        url, mimetype='text/plain', headers={'Location': f'{url}?{query}' if query else url}
    )


def send(sending: Sending) -> Response:
    """Return a response with a body that a lower layer wrote."""
    headers = {'Content-Disposition': sending.disposition} if sending.disposition else {}
    return Response(sending.body, content_type=sending.content_type, headers=headers)


def table_response(call: Call, table: Table, default: str = 'json') -> Response:
    """Return a table in the format of ``format`` or else ``Accept``.

    The rows are in the order of ``sortBy``. An unknown ``format`` gives HTML, as in XNAT. The table
    is written whole before the response starts: in memory up to 1 MiB, then to a temporary file. So
    a slow client does not keep the database connection, and an error still gets its own status.

    Parameters
    ----------
    call : Call
        The request.
    table : Table
        The table.
    default : str
        Format if the request names none.

    Raises
    ------
    NotAcceptable
        If ``Accept`` names no format of tables.
    """
    form = _form(call, default)
    keys, descending = sort_keys(call)
    staging = str(call.archive.files.staging)
    if keys and not table.ordered:
        table = table.sorted(keys, descending, staging)
    written = SpooledTemporaryFile(_IN_MEMORY, dir=staging)  # noqa: SIM115  (response closes it)
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
    """Return the parameters ``limit`` and ``offset``.

    Parameters
    ----------
    call : Call
        The request.
    limit : int or None
        Limit if the request has none.

    Returns
    -------
    tuple[int or None, int]
        The limit, None for ``*`` (no limit), and the offset.

    Raises
    ------
    UnprocessableEntity
        If one of them is not a whole number.
    """
    asked, offset = call.get('limit'), call.get('offset') or '0'
    if not re.fullmatch(r'\*|\d{0,9}', asked) or not re.fullmatch(r'\d{1,9}', offset):
        raise UnprocessableEntity('limit and offset are whole numbers; limit may be *.')
    return (None if asked == '*' else int(asked) if asked else limit), int(offset)


def _form(call: Call, default: str) -> str:
    asked = call.get('format').lower()
    if asked:
        form = _NAMED.get(asked, asked)
        return form if form in FORMATS else 'html'  # as XNAT, for an unknown format
    header = call.request.headers.get('Accept', '*/*')
    if header == '*/*':
        return default
    best = call.request.accept_mimetypes.best_match(list(_ACCEPTED))
    if best is None:
        raise NotAcceptable(
            f'A table can be sent as {", ".join(_ACCEPTED)}, not as {header}; use format= in the '
            'query.'
        )
    return _ACCEPTED[best]
