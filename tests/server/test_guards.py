"""Tests that each row of the table of routes says who decides, and that the router insists."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import re
from collections.abc import Iterable, Iterator

import pytest
from werkzeug.test import Client as Wsgi

from pyxnat.server import Server
from pyxnat.server.app import ROUTES, App
from pyxnat.server.db.access import GUEST, visible
from pyxnat.server.db.guards import Guard, record, recording
from pyxnat.server.db.store import item
from pyxnat.server.http.request import Call, text
from pyxnat.server.http.router import Access, Route, guarded

EXEMPT = frozenset({
    '/',
    '/app/template/Login.vm',
    '/data/services/auth/{*}',
    '/data/services/mail/send',
    '/data/JSESSION',
    '/data/auth',
    '/data/search/elements',
    '/data/search/elements/{types!}/{part?}/{*}',
    '/schemas/{path*}',
    '/xapi/commands',
    '/xapi/plugins',
    '/xapi/siteConfig',
    '/xapi/users/username',
    '/xapi/users/authProviders',
    '/xapi/customforms/env',
})  # fmt: skip
"""Patterns of rows that touch no object of a user or project; those below schemas and siteConfig
have the same beginning."""
SECRET = 'the whole archive'


def undecided(routes: Iterable[Route]) -> list[str]:
    """Return the patterns of rows that neither name a guard nor are exempt."""
    found = []
    for route in routes:
        is_exempt = route.pattern in EXEMPT or route.pattern.startswith((
            '/xapi/schemas', '/xapi/siteConfig/',
        ))  # fmt: skip
        if not route.is_decided or (route.guard is Guard.NOTHING and not is_exempt):
            found.append(route.pattern)
    return found


def leak(call: Call, **names: str) -> object:
    return text(SECRET)


LEAKS = [
    Route('GET', '/data/leak', leak, 'Forget the guard.'),
    Route('GET', '/data/leak', leak, 'Ask for a login only.', Access.LOGIN),
    Route('GET', '/data/leak', leak, 'Claim to touch nothing.', guard=Guard.NOTHING),
]


def test_every_row_says_who_decides() -> None:
    assert undecided(ROUTES) == []


def functions_of_guards() -> Iterator[tuple[str, str, str]]:
    """Yield guard, module or class, and name of each function that a guard's docstring names."""
    (cls,) = ast.parse(inspect.getsource(Guard)).body
    assert isinstance(cls, ast.ClassDef)
    guard, above = '', ''
    for node in cls.body:
        if isinstance(node, ast.Assign):
            guard, above = ast.unparse(node.targets[0]), ''
        elif isinstance(node, ast.Expr):
            for path in re.findall('`([a-z_.A-Z]+)`', ast.literal_eval(node.value)):
                above = path.rpartition('.')[0] or above
                yield guard, above, path.rpartition('.')[2]


@pytest.mark.parametrize(('guard', 'above', 'name'), [*functions_of_guards()])
def test_a_guard_names_functions_of_the_module_that_decides(
    guard: str, above: str, name: str
) -> None:
    module, _, cls = above.rpartition('.')
    if not cls.istitle():
        module, cls = above, ''
    found = importlib.import_module(f'pyxnat.server.{module}')
    assert callable(getattr(getattr(found, cls) if cls else found, name))
    assert f'record(Guard.{guard})' in inspect.getsource(found)


def test_every_guard_names_a_function() -> None:
    named = {guard for guard, _, _ in functions_of_guards()}
    assert named == {guard.name for guard in Guard} - {'NOTHING'}


@pytest.mark.parametrize('row', LEAKS, ids=lambda row: row.doc)
def test_a_row_that_does_not_is_found(row: Route) -> None:
    assert undecided((*ROUTES, row)) == ['/data/leak']


@pytest.mark.parametrize('at', range(0, len(ROUTES), 29))
def test_a_row_that_lost_its_guard_is_found(at: int) -> None:
    row = next(row for row in (*ROUTES[at:], *ROUTES) if row.guard)
    assert undecided(one._replace(guard=None) if one is row else one for one in ROUTES) == [
        row.pattern
    ]


def test_rows_of_a_block_get_its_guard_unless_they_say_otherwise() -> None:
    own = Route('GET', '/b', leak, 'B.', guard=Guard.TOKEN)
    admin = Route('GET', '/c', leak, 'C.', Access.ADMIN)
    rows = guarded(Guard.SEARCH, (Route('GET', '/a', leak, 'A.'), own, admin))
    assert [row.guard for row in rows] == [Guard.SEARCH, Guard.TOKEN, None]


# -- the router


def half(call: Call) -> object:
    """Call one of two guards."""
    with call.archive.store.read() as connection:
        connection.execute(item.select().where(visible(call.caller, item.c.project)))
    return text(SECRET)


def raising(call: Call) -> object:
    return text(SECRET, 404)


GUARDED = guarded(
    Guard.ITEM,
    (
        Route('GET PUT POST DELETE', '/data/open', leak, 'Forget the guard.'),
        Route('GET', '/xapi/open', leak, 'Forget the guard.'),
        Route('GET', '/data/half', half, 'Half.', guard=Guard.ITEM | Guard.TOKEN),
        Route('GET', '/data/whole', half, 'Whole.'),
        Route('GET', '/data/refused', raising, 'Refuse.'),
    ),
)


@pytest.fixture
def wsgi(server: Server) -> Wsgi:
    return Wsgi(App(server.archive, routes=(*ROUTES, *GUARDED)))


@pytest.mark.parametrize(
    ('method', 'path'),
    [
        ('GET', '/data/open'),
        ('HEAD', '/data/open'),
        ('GET', '/REST/open'),
        ('GET', '/data/open?format=xml'),
        ('PUT', '/data/open'),
        ('POST', '/data/open?method=DELETE'),
        ('GET', '/xapi/open'),
        ('GET', '/data/half'),
    ],
)
def test_a_response_without_the_guard_is_not_sent(
    wsgi: Wsgi, server: Server, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = wsgi.open(path, method=method, auth=(server.user, server.password))
    assert answer.status_code == 500 and SECRET not in answer.text
    assert 'called no guard of' in caplog.text


@pytest.mark.parametrize(('path', 'status'), [('/data/whole', 200), ('/data/refused', 404)])
def test_a_response_with_the_guard_or_a_refusal_is_sent(
    wsgi: Wsgi, server: Server, path: str, status: int
) -> None:
    assert wsgi.get(path, auth=(server.user, server.password)).status_code == status


def test_guards_are_recorded_for_one_request_alone() -> None:
    with recording() as outer:
        visible(GUEST, item.c.project)
        with recording() as inner:
            record(Guard.TOKEN)
        assert (inner.called, outer.called) == (Guard.TOKEN, Guard.ITEM)
    record(Guard.TOKEN)  # outside: nothing
    assert outer.called == Guard.ITEM
