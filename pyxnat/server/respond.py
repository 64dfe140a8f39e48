"""Tables as responses, in the format that was asked for."""

from __future__ import annotations

from werkzeug.exceptions import BadRequest, UnprocessableEntity
from werkzeug.wrappers import Response

from .calls import Call
from .tables import FORMATS, Table, render

__all__ = ['table_response']

_ACCEPTED = {'application/json': 'json', 'text/html': 'html', 'text/xml': 'xml', 'application/xml': 'xml', 'text/csv': 'csv'}


def table_response(call: Call, table: Table, default: str = 'json') -> Response:
    """A table as ``format`` or else ``Accept`` wants it, sorted by ``sortBy``; a table of no asked kind is JSON."""
    form = _form(call, default)
    keys = [key for value in call.all('sortBy') for key in value.split(',') if key]
    if keys:
        try:
            table = table.sorted(keys, call.get('sortOrder').upper() == 'DESC')
        except KeyError as error:
            raise UnprocessableEntity(f'There is no column {error} to sort by.') from error
    if isinstance(table.rows, list) and len(table.rows) <= 200:  # short: one piece with a Content-Length
        return Response(b''.join(render(table, form)), content_type=FORMATS[form])
    return Response(render(table, form), content_type=FORMATS[form])


def _form(call: Call, default: str) -> str:
    asked = call.get('format').lower()
    if asked:
        form = _ACCEPTED.get(asked, asked)
        if form not in FORMATS:
            raise BadRequest(f'{asked!r} is none of {", ".join(FORMATS)}.')
        return form
    best = call.request.accept_mimetypes.best_match(list(_ACCEPTED)) if call.request.headers.get('Accept', '*/*') != '*/*' else None
    return _ACCEPTED.get(best or '', default)
