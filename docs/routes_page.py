"""A Sphinx directive, ``.. server-routes::``, that lists the routes of the archive server.

All of it comes from :data:`pyxnat.server.app.ROUTES`: a new row is on the page with the next
build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pyxnat.model.levels import LEVELS, children
from pyxnat.server.app import ROUTES
from pyxnat.server.http.router import ANYWHERE, Access, Route, places

PROJECT = '/data/projects/{project}'
_PARTS = [row for row in children('experiments') if row.is_item]
SECTIONS: dict[str, tuple[str, ...]] = {
    'Projects': ('…/projects',),
    'Subjects': ('…/subjects', f'{PROJECT}/subjects'),
    'Experiments': (
        '…/experiments',
        '/data/experiments',
        f'{PROJECT}/experiments',
        f'{PROJECT}/subjects/{{subject}}/experiments',
    ),
    ', '.join(row.plural for row in _PARTS).capitalize(): tuple(
        f'…/{row.segment}' for row in _PARTS
    ),
    'Resources and files': ('…/resources', '…/in', '…/out', '…/files'),
    'Settings of projects': (PROJECT,),
    'Searches': ('/data/search', f'{PROJECT}/searches'),
    'Prearchive and imports': (
        '/data/prearchive',
        '/data/services/prearchive',
        '/data/services/import',
        '/data/services/archive',
        '/data/services/validate-archive',
    ),
    'Workflows and pipelines': (
        '/data/workflows',
        '/data/services/workflows',
        '/data/status',
        f'{PROJECT}/pipelines',
    ),
    'Users and login sessions': (
        '/data/users',
        '/data/user',
        '/data/auth',
        '/data/JSESSION',
        '/data/services/auth',
        '/data/services/tokens',
    ),
    'Other routes below /data': ('/data',),
    'Site': ('/xapi/siteConfig',),
    'Users, roles and groups': ('/xapi/users', '/xapi/access'),
    'Schemas': ('/xapi/schemas', '/schemas'),
    'Custom fields and forms': ('/xapi/custom-fields', '/xapi/customforms'),
    'Other routes below /xapi': ('/xapi',),
    'Pages': ('',),
}
"""Title of a section -> beginnings of its patterns. The longest match counts."""


def section_of(route: Route) -> str:
    """Return the title of the section that a route is in."""
    path = f'{route.pattern}/'
    pairs = [(prefix, title) for title, prefixes in SECTIONS.items() for prefix in prefixes]
    return max((len(prefix), title) for prefix, title in pairs if path.startswith(f'{prefix}/'))[1]


def shown(pattern: str) -> str:
    """Return a pattern with its optional parts in brackets.

    >>> shown('/data/services/audit/{kind?}/{name?}')
    '/data/services/audit[/{kind}[/{name}]]'
    >>> shown('/data/config/{path*}'), shown('/data/x/{*}')
    ('/data/config[/{path}…]', '/data/x')
    """
    text = pattern.replace('/{*}', '').replace('!}', '}')
    optional = len(re.findall(r'[?*]\}', text))
    text = re.sub(r'/\{(\w+)\?\}', r'[/{\1}', text)
    return re.sub(r'/\{(\w+)\*\}', r'[/{\1}…', text) + ']' * optional


def page(routes: Sequence[Route]) -> str:
    """Return the list of routes as reStructuredText: a section with a table for each family."""
    found: dict[str, list[Route]] = {title: [] for title in SECTIONS}
    for route in routes:
        found[section_of(route)].append(route)
    parts = [_section(title, rows) for title, rows in found.items() if rows]
    return '\n'.join([*parts, _title('Places'), _places()])


def _section(title: str, routes: Iterable[Route]) -> str:
    rows: dict[tuple[str, str, Access], list[str]] = {}
    for route in routes:
        rows.setdefault((route.methods, route.doc, route.access), []).append(shown(_short(route)))
    lines = [_row(patterns, *key) for key, patterns in rows.items()]
    return _title(title) + _table(('Request', 'What it does', 'For whom'), (45, 40, 15), lines)


def _short(route: Route) -> str:
    """Return the pattern, expanded if it has only one place."""
    patterns = route.patterns()
    return patterns[0] if len(patterns) == 1 else route.pattern


def _row(patterns: Sequence[str], methods: str, doc: str, access: Access) -> tuple[str, str, str]:
    who = '' if access is Access.ANYBODY else access.value
    return f'| {methods.replace(" ", ", ")}\n       {_lines(patterns)}', doc, who


def _lines(patterns: Iterable[str]) -> str:
    """Return the lines of a cell, one for each pattern."""
    return '\n       '.join(f'| ``{pattern}``' for pattern in patterns)


def _title(text: str) -> str:
    return f'{text}\n{"=" * len(text)}\n\n'


def _table(heads: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        '.. list-table::',
        '   :header-rows: 1',
        f'   :widths: {" ".join(map(str, widths))}',
        '',
    ]
    for row in (heads, *rows):
        lines += [f'   {"-" if cell else "*"} {text}' for cell, text in enumerate(row)]
    return '\n'.join(lines).replace('\n   * ', '\n   * - ').replace('\n   - ', '\n     - ') + '\n'


def _places() -> str:
    """Return the places that the dots of a pattern stand for, by level."""
    intro = f'``{ANYWHERE}`` stands for every place of a level:\n\n'
    rows = [(row.plural, _lines(places(row.segment))) for row in LEVELS]
    return intro + _table(('Level', 'Places'), (20, 80), rows)


class ServerRoutes(SphinxDirective):
    """Return the list of routes, in sections."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(page(ROUTES), allow_section_headings=True)


def setup(app: Any) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive('server-routes', ServerRoutes)
    return {'parallel_read_safe': True}
