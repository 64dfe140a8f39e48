"""The answer to a search: computed now, or from the cached result of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from ..db.store import stamp
from ..errors import Forbidden, InternalServerError, UnprocessableEntity
from ..http.request import Call
from ..http.responses import no_table, page_asked, table_response
from ..search.order import order_asked
from ..search.query import may_query, root_of, run_search
from ..search.result_cache import View, Views
from ..search.search_xml import SearchDocument

__all__ = ['answer', 'cached', 'of_saved']


def answer(call: Call, document: SearchDocument) -> Response:
    """The table of a search.

    With ``cache=true`` the result is kept and its first page answered, by default without rows. A document with an ID is answered from
    the result that this user has under it, whatever it says now, unless ``refresh=true`` or the ID is of a generated listing (``@…``).
    """
    kept = document.id and not document.id.startswith('@') and not call.flag('refresh')
    wanted = call.get('cache').lower() == 'true'
    with call.archive.store.read() as connection:
        if not may_query(call, connection, root_of(call, document)):
            raise Forbidden(f'You cannot read {document.root} in any project.')
        view = call.archive.part(Views).of_search(call.caller.login, document.id) if kept else None
        known = view is not None
        if view is None:
            table = run_search(call, connection, document, keyed=wanted)
            if not wanted:
                return table_response(call, table)
            view = call.archive.part(Views).add(call.caller.login, document.id, table)
    return _page(call, view, known) if wanted else _whole(call, view)


def of_saved(call: Call, document: SearchDocument) -> Response:
    """The table of a saved search; XNAT does not tell its root there."""
    with call.archive.store.read() as connection:
        table = run_search(call, connection, document)
        table.meta = {}
        return table_response(call, table)


def cached(call: Call, name: str, column: str) -> Response:
    """A page of a cached result, or the values of one of its columns."""
    view = call.archive.part(Views).find(name)
    if view.login != call.caller.login:
        return no_table()  # XNAT builds none for another user, and says nothing
    if column:
        return table_response(call, call.archive.part(Views).values(view, column))
    wanted, offset = page_asked(call, None)
    with call.archive.part(Views).page(view, _order(call, view), wanted, offset) as table:
        return table_response(call, replace(table, meta={'ID': view.id}, described=None, count=False))


def _order(call: Call, view: View) -> list[Any]:
    """The order asked for; `InternalServerError` for a column that there is not."""
    try:
        return order_asked(call, {one: view.cell(one) for one in view.columns})
    except UnprocessableEntity as error:
        raise InternalServerError(str(error.description)) from error


def _page(call: Call, view: View, known: bool) -> Response:
    """The answer to a search that is kept, `known` if it was before: without rows unless a limit says how many."""
    wanted, offset = page_asked(call, 0)
    with call.archive.part(Views).page(view, _order(call, view), wanted, offset) as table:
        if known:
            table.meta['last_access'] = stamp(datetime.fromtimestamp(view.last_access))
        return table_response(call, table)


def _whole(call: Call, view: View) -> Response:
    """All rows of an earlier result, in answer to the search it is of."""
    with call.archive.part(Views).page(view, _order(call, view), None, 0) as table:
        meta = {name: value for name, value in table.meta.items() if name != 'ID'}
        return table_response(call, replace(table, meta=meta))
