"""Rows of the conformance tables, and the expectations of their requests.

A fact has the number that the reference on XNAT's REST API gives it. For a table without numbers,
the number is the section and the row, counted through the tables of that section: ``2.8/7``. Facts
outside of the tables have letters: ``1.3/a``. The evidence is the reference's: S (XNAT's source), T
(its REST tests), R (a recorded response), B (belief); ``ST`` has both. M means that a real server
was measured (``spec/measured.md`` of the reference): such a row counts even if the reference says
otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support.plain import Answer

from .world import Case

Check = Callable[[Case], None]
POSTED = '^https?://[^/]+/data/'
"""Beginning of the response to a POST: the whole URL of the created item."""


class Fact(NamedTuple):
    """One row: a fact, and a check that a client can make."""

    number: str
    evidence: str
    words: str
    check: Check | None = None
    """Fails if the fact does not hold; None if no client can see it."""
    unseen: str = ''
    """Reason why no client can see the fact."""
    left_out: str = ''
    """Reason why the archive does not follow the fact; its check must then fail."""

    @property
    def section(self) -> int:
        return int(self.number[0])


class Facts(list[Fact]):
    """Table of facts."""

    def row(self, number: str, evidence: str, words: str, *asks: Ask, left_out: str = '') -> None:
        """Add a fact that is checked by requests, in order."""

        def check(case: Case) -> None:
            for ask in asks:
                ask.verify(case)

        self.append(Fact(number, evidence, words, check, left_out=left_out))

    def shown(
        self, number: str, evidence: str, words: str, left_out: str = ''
    ) -> Callable[[Check], Check]:
        """Add a fact that the decorated function checks; several can stand above one function."""

        def add(check: Check) -> Check:
            self.append(Fact(number, evidence, words, check, left_out=left_out))
            return check

        return add

    def unseen(self, number: str, evidence: str, words: str, why: str) -> None:
        """Add a fact that no client can see."""
        self.append(Fact(number, evidence, words, unseen=why))


class Ask(NamedTuple):
    """A request and the expectations of its response."""

    method: str
    path: str
    status: int | tuple[int, ...] = 200
    by: str = 'admin'
    send: Any = None
    headers: Mapping[str, str] = {}
    keep: str = ''
    """Name under which later requests can use the text of the response."""
    wanted: Mapping[str, Any] = {}

    def verify(self, case: Case) -> None:
        """Send the request and check the response; `AssertionError` shows both."""
        path = case.fill(self.path)
        client = case.client(self.by)
        send = case.fill(self.send) if isinstance(self.send, str) else self.send
        answer = client(
            self.method, path, iter(send) if isinstance(send, tuple) else send, {**self.headers}
        )
        told = (
            f'{self.method} {path} by {self.by} -> {answer.status} {dict(answer.headers)} '
            f'{answer.body[:1500]!r}'
        )
        assert answer.status in (
            self.status if isinstance(self.status, tuple) else (self.status,)
        ), f'not {self.status}: {told}'
        for name, value in self.wanted.items():
            seen = EXPECTATIONS[name](answer, _filled(case, value))
            assert seen is True, f'{name} {value!r}: {seen!r} in {told}'
        if self.keep:
            case.names[self.keep] = answer.text


def _filled(case: Case, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(case, one) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(case, one) for one in value]
    return case.fill(value) if isinstance(value, str) else value


def _ask(method: str) -> Callable[..., Ask]:
    def make(
        path: str,
        status: int | tuple[int, ...] = 200,
        *,
        by: str = 'admin',
        send: Any = None,
        headers: Mapping[str, str] | None = None,
        keep: str = '',
        **wanted: Any,
    ) -> Ask:
        assert set(wanted) <= set(EXPECTATIONS), wanted
        return Ask(method, path, status, by, send, headers or {}, keep, wanted)

    return make


get, put, post, delete, head = map(_ask, ('GET', 'PUT', 'POST', 'DELETE', 'HEAD'))


def made(path: str, send: Any = None, **more: Any) -> Ask:
    """Return a request that creates an item a fact needs."""
    return put(path, (200, 201), send=send, **more)


# -- expectations: True, or the value that was received instead


def _same(seen: Any, wanted: Any) -> Any:
    return True if seen == wanted else seen


def _headers(answer: Answer, wanted: Mapping[str, str | None]) -> Any:
    """Match each header with its pattern from the start; None for a header that must be missing."""
    seen = {name: answer.headers.get(name) for name in wanted}
    fits = all(
        seen[name] is None if text is None else re.match(text, seen[name] or '')
        for name, text in wanted.items()
    )
    return True if fits else seen


def _rows(answer: Answer, wanted: Mapping[str, list[str]]) -> Any:
    """Compare the values of some columns in any order: XNAT's rows have none."""
    seen = _cells(answer, wanted)
    return True if _lines(seen) == _lines(wanted) else seen


def _ordered(answer: Answer, wanted: Mapping[str, list[str]]) -> Any:
    """Compare the values of some columns, in the order of the rows."""
    return _same(_cells(answer, wanted), dict(wanted))


def _cells(answer: Answer, wanted: Mapping[str, list[str]]) -> dict[str, list[str | None]]:
    rows = (
        answer.csv if (answer.headers['Content-Type'] or '').startswith('text/csv') else answer.rows
    )
    return {name: [row.get(name) for row in rows] for name in wanted}


def _lines(columns: Mapping[str, Any]) -> list[str]:
    return sorted(map(repr, zip(*columns.values(), strict=True)))


def _values(answer: Answer, wanted: Mapping[str, list[str]]) -> Any:
    """Compare the values of each column in any order: XNAT's rows have none."""
    seen = {
        name: sorted(cell or '' for cell in cells) for name, cells in _cells(answer, wanted).items()
    }
    return _same(seen, {name: sorted(values) for name, values in wanted.items()})


def _part(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    """Compare members of an object; None for a member that must be missing."""
    return _same({name: seen.get(name) for name in wanted}, dict(wanted))


EXPECTATIONS: Mapping[str, Callable[[Answer, Any], Any]] = {
    'text': lambda answer, wanted: _same(answer.text, wanted),
    'body': lambda answer, wanted: _same(answer.body, wanted),
    'like': lambda answer, wanted: bool(re.search(wanted, answer.text)) or 'no match',
    'unlike': lambda answer, wanted: not re.search(wanted, answer.text) or 'a match',
    'type': lambda answer, wanted: _headers(answer, {'Content-Type': re.escape(wanted)}),
    'header': _headers,
    'columns': lambda answer, wanted: _same(answer.header, wanted.split(',')),
    'rows': _rows,
    'ordered': _ordered,
    'values': _values,
    'keys': lambda answer, wanted: _same(set(answer.rows[0]), set(wanted.split(','))),
    'count': lambda answer, wanted: _same(len(answer.rows), wanted),
    'meta': lambda answer, wanted: _part(answer.result, wanted),
    'item': lambda answer, wanted: _part(answer.item['data_fields'], wanted),
    'json': lambda answer, wanted: (
        _part(answer.json, wanted) if isinstance(wanted, dict) else _same(answer.json, wanted)
    ),
    'named': lambda answer, wanted: (
        bool(re.search(wanted, '\n'.join(answer.names))) or answer.names
    ),
    'names': lambda answer, wanted: _same(sorted(answer.names), sorted(wanted)),
}
