"""Responses of searches: computed, or from a cached result."""

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

__all__ = ['cached_page', 'saved_search_response', 'search_response']


def search_response(call: Call, document: SearchDocument) -> Response:
    """Return the table of a search.

    With ``cache=true`` the result is cached and its first page returned, by default without rows. A
    document with an ID is answered from the user's cached result of that ID, even if the document
    has changed, unless ``refresh=true`` or the ID is of a generated listing (``@…``).

    Parameters
    ----------
    call : Call
        The request.
    document : SearchDocument
        The search.

    Raises
    ------
    Forbidden
        If the caller may not search the root type.
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


def saved_search_response(call: Call, document: SearchDocument) -> Response:
    """Return the table of a saved search; as in XNAT, without its root.

    Parameters
    ----------
    call : Call
        The request.
    document : SearchDocument
        The search.
    """
    with call.archive.store.read() as connection:
        table = run_search(call, connection, document)
        table.meta = {}
        return table_response(call, table)


def cached_page(call: Call, name: str, column: str) -> Response:
    """Return a page of a cached result, or the values of one column.

    Parameters
    ----------
    call : Call
        The request.
    name : str
        ID of the cached result.
    column : str
        The column; empty for a page.
    """
    view = call.archive.part(Views).find(call.caller.login, name)
    if view is None:
        return no_table()  # as XNAT, for another user's result
    if column:
        return table_response(call, call.archive.part(Views).values(view, column))
    wanted, offset = page_asked(call, None)
    with call.archive.part(Views).page(view, _order(call, view), wanted, offset) as table:
        return table_response(
            call, replace(table, meta={'ID': view.id}, described=None, count=False)
        )


def _order(call: Call, view: View) -> list[Any]:
    """Return the order of the request.

    `InternalServerError` for an unknown column.
    """
    try:
        return order_asked(call, {one: view.cell(one) for one in view.columns})
    except UnprocessableEntity as error:
        raise InternalServerError(str(error.description)) from error


def _page(call: Call, view: View, known: bool) -> Response:
    """Return a page of a cached result; without ``limit`` it has no rows.

    A result that was cached earlier has ``last_access``.
    """
    wanted, offset = page_asked(call, 0)
    with call.archive.part(Views).page(view, _order(call, view), wanted, offset) as table:
        if known:
            table.meta['last_access'] = stamp(datetime.fromtimestamp(view.last_access))
        return table_response(call, table)


def _whole(call: Call, view: View) -> Response:
    """Return all rows of a cached result for its search."""
    with call.archive.part(Views).page(view, _order(call, view), None, 0) as table:
        meta = {name: value for name, value in table.meta.items() if name != 'ID'}
        return table_response(call, replace(table, meta=meta))
