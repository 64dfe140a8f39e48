"""``/data/search``: search documents and cached results."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..http.request import Call
from ..http.router import Route, guarded
from ..search.search_xml import parse_document
from . import search_results

__all__ = ['ROUTES']


def _post(call: Call) -> Response:
    """Run the search of a document."""
    return search_results.search_response(call, parse_document(call.posted_document()))


ROUTES = guarded(
    Guard.RESULT,
    (
        Route(
            'POST',
            '/data/search',
            _post,
            'Run a search document; `cache=true` keeps the result for paging.',
        ),
        Route(
            'GET',
            '/data/search/{name}/{column*}',
            search_results.cached_page,
            'Page through a cached result, or group it by a column.',
        ),
    ),
)
