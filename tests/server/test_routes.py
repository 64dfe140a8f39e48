"""Tests of the table of routes: patterns, responses, and the page of the documentation."""

from __future__ import annotations

import base64
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client as Wsgi
from werkzeug.test import TestResponse

from pyxnat.model.levels import chains, level
from pyxnat.server import Server, routes, xapi
from pyxnat.server.app import ROUTES, App
from pyxnat.server.http.request import Call, text
from pyxnat.server.http.router import Access, Route, Router, prefix_length
from pyxnat.server.items.uris import parse

from .conftest import Client

ROUTER = Router(ROUTES)
NAMES = [f'{route.methods} {route.pattern}' for route in ROUTES]
each_route = pytest.mark.parametrize('route', ROUTES, ids=NAMES)


def filled(pattern: str) -> list[str]:
    """Return the segments of a path that matches a pattern, with all optional parts."""
    return [re.sub(r'\{(\w*)[?*!]?\}', 'v-\\1', part) for part in pattern.split('/') if part]


def router(*patterns: str) -> Router:
    """Return a router of rows for GET whose handlers have the names of their patterns."""
    return Router([Route('GET', pattern, lambda call: None, pattern) for pattern in patterns])


def found(table: Router, path: str, method: str = 'GET') -> tuple[str, dict[str, str]] | None:
    """Return the description of the row for a path, and the names."""
    parts = [part for part in path.split('/') if part]
    pair = table.match(parts, parts).of(method)
    return None if pair is None else (pair[0].doc, pair[1])


# -- patterns


@pytest.mark.parametrize(
    ('pattern', 'path', 'names'),
    [
        ('/', '/', {}),
        ('/a/b', '/a/b', {}),
        ('/a/b', '/a', None),
        ('/a/b', '/a/b/c', None),
        ('/a/{x}', '/a/1', {'x': '1'}),
        ('/a/{x}', '/a', None),
        ('/a/{x?}', '/a', {'x': ''}),
        ('/a/{x?}/{y?}', '/a/1', {'x': '1', 'y': ''}),
        ('/a/{x?}/{y?}', '/a/1/2', {'x': '1', 'y': '2'}),
        ('/a/{x?}/{y?}', '/a/1/2/3', None),
        ('/a/{x*}', '/a', {'x': ''}),
        ('/a/{x*}', '/a/1/2/3', {'x': '1/2/3'}),
        ('/a/{x}/{y*}', '/a/1', {'x': '1', 'y': ''}),
        ('/a/{x?}/{y*}', '/a', {'x': '', 'y': ''}),
        ('/a/{x?}/{y*}', '/a/1/2/3', {'x': '1', 'y': '2/3'}),
        ('/a/{x}/{*}', '/a/1/2/3', {'x': '1'}),
        ('/a/{x?}/{*}', '/a', {'x': ''}),
    ],
)
def test_a_pattern_matches_paths(pattern: str, path: str, names: dict[str, str] | None) -> None:
    assert found(router(pattern), path) == (None if names is None else (pattern, names))


@pytest.mark.parametrize(
    ('path', 'pattern'),
    [
        ('/a/b', '/a/b'),
        ('/a/c', '/a/{x}'),
        ('/a/c/d', '/a/{x}/d'),
        ('/a/b/d', '/a/{x}/d'),
        ('/a/b/e', '/a/b/{x*}'),
        ('/a/c/e', '/a/{*}'),
    ],
)
def test_words_come_before_names_and_names_before_a_rest(path: str, pattern: str) -> None:
    table = router('/a/{*}', '/a/{x}', '/a/{x}/d', '/a/b', '/a/b/{x*}')
    assert (found(table, path) or ('', {}))[0] == pattern


def test_rows_for_one_path_are_combined_and_a_rest_matches_last() -> None:
    def row(methods: str, pattern: str) -> Route:
        return Route(methods, pattern, lambda call: None, pattern)

    table = Router([row('GET', '/a/b'), row('PUT', '/a/{x}'), row('DELETE', '/a/{*}')])
    assert found(table, '/a/b', 'PUT') == ('/a/{x}', {'x': 'b'})
    assert table.match(['a', 'b'], ['a', 'b']).methods == ['GET', 'PUT']
    assert found(table, '/a/b', 'DELETE') is None
    assert found(table, '/a/b/c', 'DELETE') == ('/a/{*}', {})


def test_two_rows_for_the_same_path_and_method_are_an_error() -> None:
    with pytest.raises(ValueError, match='two handlers of PUT'):
        Router([Route('GET PUT', '/a/{x?}', print, ''), Route('PUT POST', '/a', print, '')])


def test_words_are_compared_encoded_and_names_are_decoded() -> None:
    table = router('/a/{x!}/{y}')
    assert table.match(['%61', 'b', 'c'], ['a', 'b', 'c']).of('GET') is None
    pair = table.match(['a', '%62', '%63'], ['a', 'b', 'c']).of('GET')
    assert pair is not None
    assert pair[1] == {'x': '%62', 'y': 'c'}


@pytest.mark.parametrize(
    ('path', 'count'),
    [
        ('REST/projects', 1),
        ('data', 1),
        ('data/archive', 1),
        ('data/archive/projects', 2),
        ('data/archive/users', 1),
        ('xapi/users', 0),
    ],
)
def test_a_prefix_is_removed(path: str, count: int) -> None:
    assert prefix_length(path.split('/')) == count


# -- the table


@each_route
def test_a_row_is_found_by_its_pattern(route: Route) -> None:
    for pattern in route.patterns():
        parts = filled(pattern)
        for method in route.methods.split():
            pair = ROUTER.match(parts, parts).of(method)
            assert pair is not None, (method, pattern)
            assert pair[0] is route


@pytest.mark.parametrize('names', chains(), ids='/'.join)
def test_every_level_has_rows_at_every_place(names: tuple[str, ...]) -> None:
    *above, last = (level(name) for name in names)
    collection = [
        'data',
        *(part for row in above for part in (*row.segment.split('/'), 'v')),
        *last.segment.split('/'),
    ]
    for parts, is_element in ((collection, False), ([*collection, 'v'], True)):
        path = parse(parts[1:])
        assert path is not None
        assert (path.names, path.tail, path.last.id is not None) == (names, (), is_element)
        route, _ = ROUTER.match(parts, parts).of('GET') or (None, {})
        assert route is not None
        assert route.pattern.startswith(f'…/{last.segment}')


def test_every_module_with_routes_is_in_the_list_of_the_application() -> None:
    for package in (routes, xapi):
        for found in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):
            rows = getattr(importlib.import_module(found.name), 'ROUTES', ())
            assert set(rows) <= set(ROUTES), f'add {found.name} to the list in server/app.py'


# -- the documentation


@pytest.fixture(scope='module')
def page() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[2] / 'docs'))
    try:
        return pytest.importorskip('routes_page')
    finally:
        del sys.path[0]


@each_route
def test_a_row_has_a_description_of_one_line(route: Route) -> None:
    assert re.fullmatch(r'[A-Z][^\n]{5,98}\.', route.doc)


def test_the_page_has_every_route(page: Any) -> None:
    text = page.page(ROUTES)
    for route in ROUTES:
        patterns = (route.pattern, route.patterns()[0])
        assert any(f'``{page.shown(pattern)}``' in text for pattern in patterns)
        assert route.doc in text


def test_every_section_has_routes(page: Any) -> None:
    assert {page.section_of(route) for route in ROUTES} == set(page.SECTIONS)


# -- a new route


def _greet(call: Call, name: str, more: str) -> Any:
    return text(f'{name} {more}') if call.method == 'GET' else {'put': name}


NEW = Route('GET PUT', '/data/greetings/{name}/{more?}', _greet, 'Greet somebody.', Access.LOGIN)


@pytest.fixture
def ask(server: Server) -> Callable[..., TestResponse]:
    client = Wsgi(App(server.archive, routes=(*ROUTES, NEW)))
    login = base64.b64encode(f'{server.user}:{server.password}'.encode()).decode()
    headers = {'Authorization': f'Basic {login}'}
    return lambda method, path: client.open(path, method=method, headers=headers)


def test_a_new_route_needs_only_a_row_and_a_handler(
    ask: Callable[..., TestResponse], page: Any
) -> None:
    assert ask('GET', '/data/greetings/J%C3%B6').data.decode('latin-1') == 'Jö '
    assert ask('GET', '/REST/greetings/Ann/too').text == 'Ann too'
    assert ask('PUT', '/data/greetings/Ann').json == {'put': 'Ann'}
    assert ask('POST', '/data/greetings/Ann?method=PUT').json == {'put': 'Ann'}
    assert (
        ask('HEAD', '/data/greetings/Ann').status_code,
        ask('HEAD', '/data/greetings/Ann').data,
    ) == (200, b'')
    assert ask('GET', '/data/greetings').status_code == 404
    refused = ask('DELETE', '/data/greetings/Ann')
    assert (refused.status_code, refused.headers['Allow']) == (405, 'GET, PUT, HEAD, OPTIONS')
    allowed = ask('OPTIONS', '/data/greetings/Ann')
    assert (allowed.status_code, allowed.headers['Allow']) == (200, 'GET, PUT, HEAD, OPTIONS')
    assert 'Greet somebody.' in page.page((*ROUTES, NEW))


def test_the_row_says_who_may_send_the_request(server: Server) -> None:
    client = Wsgi(App(server.archive, routes=(*ROUTES, NEW)))
    assert client.get('/data/greetings/Ann').status_code == 401


# -- responses


@pytest.mark.parametrize(
    ('path', 'allow'),
    [
        ('/data/projects', 'GET, POST, HEAD, OPTIONS'),
        ('/data/projects/P', 'GET, PUT, DELETE, HEAD, OPTIONS'),
        ('/REST/services/import', 'POST, OPTIONS'),
        ('/xapi/users', 'GET, POST, HEAD, OPTIONS'),
        ('/data/services/auth', 'POST, PUT, OPTIONS'),
    ],
)
def test_options_returns_the_methods(admin: Client, path: str, allow: str) -> None:
    answer = admin('OPTIONS', path)
    assert (answer.status, answer.headers['Allow']) == (200, allow)


def test_options_of_an_unknown_path_is_404(admin: Client) -> None:
    assert admin('OPTIONS', '/data/nothing').status == 404
