"""The routes of searches: ``/data/search`` and ``/data/projects/P/searches``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from werkzeug.wrappers import Response

from ..errors import MethodNotAllowed
from ..http.request import Call
from ..search.search_xml import parse_document
from . import saved_searches, search_results, searchable_types

__all__ = ['find']

Handler = Callable[[Call], Response]


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is about searches."""
    plain = [part for part in parts if part]
    if plain[:2] == ['archive', 'projects']:
        plain = plain[1:]
    if plain[:1] == ['projects'] and plain[2:3] == ['searches'] and len(plain) == 4:
        return saved_searches.of_project
    if plain[:1] != ['search']:
        return None
    if len(plain) == 1:
        return _post
    return {'elements': searchable_types.answer, 'saved': saved_searches.answer}.get(plain[1], _cached)


def _post(call: Call) -> Response:
    """``POST /search``: the search of a document."""
    if call.method != 'POST':
        raise MethodNotAllowed(['POST'])
    return search_results.answer(call, parse_document(call.posted_document()))


def _cached(call: Call) -> Response:
    """``/search/ID[/COLUMN]``: what a cached search found."""
    if call.method != 'GET':
        raise MethodNotAllowed(['GET'])
    _, name, *column = (part for part in call.parts if part)
    return search_results.cached(call, name, '/'.join(column))
