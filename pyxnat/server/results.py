"""The answer to a search: computed now, or from the cached result of an earlier one."""

from __future__ import annotations

from datetime import datetime

from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from .cached import View
from .calls import Call
from .query import Search, may_query, root_of
from .respond import no_table, order_asked, page_asked, table_response
from .search_documents import SearchDocument
from .store import stamp

__all__ = ['answer', 'cached']


def answer(call: Call, document: SearchDocument) -> Response:
    """The table of a search.

    With ``cache=true`` the result is kept and its first page answered, by default without rows. A document with an ID is answered from
    the result that this user has under it, whatever it says now, unless ``refresh=true`` or the ID is of a generated listing (``@…``).
    """
    kept = document.id and not document.id.startswith('@') and not call.flag('refresh')
    wanted = call.get('cache').lower() == 'true'
    with call.archive.store.read() as connection:
        if not may_query(call, connection, root_of(call, document)):
            raise Forbidden(f'You may read {document.root} in no project.')
        view = call.archive.views.of_search(call.caller.login, document.id) if kept else None
        if view is None:
            table = Search(call, connection, document).table(keyed=wanted)
            if not wanted:
                return table_response(call, table)
            view = call.archive.views.make(call.caller.login, document.id, table)
    return _page(call, view, 0 if wanted else None, document.id)


def cached(call: Call, name: str, column: str) -> Response:
    """A page of a cached result, or the values of one of its columns."""
    view = call.archive.views.find(name)
    if view.login != call.caller.login:
        return no_table()  # XNAT builds none for another user, and says nothing
    if column:
        return table_response(call, call.archive.views.values(view, column))
    return _page(call, view, None, '')


def _page(call: Call, view: View, limit: int | None, search: str) -> Response:
    wanted, offset = page_asked(call, limit)
    order = order_asked(call, {one: view.cell(one) for one in view.columns})
    with call.archive.views.page(view, order, wanted, offset) as table:
        if search:
            table.meta['last_access'] = stamp(datetime.fromtimestamp(view.last_access))
        return table_response(call, table)
