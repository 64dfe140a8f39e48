"""Compare a response with the recorded one: status class, media type, keys, columns and rows.

Parts that differ between any two servers are ignored: generated names are matched, times, hosts and
numbers of database rows are masked, rows and children have no order. For a refusal only the status
class counts.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from lxml import etree

from tests.support.plain import Answer

from .names import Names, mask
from .recordings import Exchange

Row = Mapping[str, Any]
NUMBERED = ('_id', '_info', 'eventid', 'event_id')
"""Ends of keys, in lower case, whose integers are numbers of database rows."""
_EVENT = re.compile(r'(?<![^|])\d+:')
"""Number of an event in the entries of a catalogue."""
PASSED_OVER = frozenset({'lastSuccessfulLogin'})
"""Fields of users that only users with a login since the start of the server have."""
NOISE = frozenset(
    {
        'create_event_id',
        'modified_event_id',
        'totalRecords',
        'file_size',
        'xdat_user_id',
        'quarantine_status',
        'extension',
        'schemaLocation',
    }
)
"""Keys that depend on the server and its age: its own numbers, and its schemas."""


class Difference(NamedTuple):
    """A difference, with both sides in short."""

    kind: str
    recorded: str
    here: str

    def __str__(self) -> str:
        return f'{self.kind}: recorded {self.recorded[:400]} | here {self.here[:400]}'


def compare(
    exchange: Exchange, answer: Answer, names: Names, ours: Collection[str]
) -> list[Difference]:
    """Return all differences.

    `ours` are the projects and users of the recording; rows of others are ignored.
    """
    if exchange.status // 100 != answer.status // 100:
        fault = (
            answer.status // 100 >= 4 and exchange.status >= 500
        )  # a defect of XNAT: any refusal is accepted
        return (
            []
            if fault
            else [
                Difference(
                    'status',
                    f'{exchange.status} {_start(exchange.body)}',
                    f'{answer.status} {_start(answer.body)}',
                )
            ]
        )
    if exchange.status >= 300 or exchange.method == 'HEAD':
        return []
    kind = (answer.headers.get('Content-Type') or '').partition(';')[0].strip().lower()
    empty = not exchange.body and not exchange.content_type  # an empty body has no type
    found = (
        []
        if empty or kind == exchange.content_type
        else [Difference('type', exchange.content_type, kind)]
    )
    return found + _bodies(exchange, answer, names, ours)


def _start(body: bytes | None) -> str:
    return ' '.join((body or b'').decode('utf-8', 'replace').split())[:200]


def _bodies(
    exchange: Exchange, answer: Answer, names: Names, ours: Collection[str]
) -> list[Difference]:
    if exchange.names is not None:
        return _compare_members(exchange.names, answer, names)
    if exchange.body is None:
        return []
    theirs, here = _text(exchange.body), _text(answer.body)
    if theirs is None or here is None:
        return (
            []
            if exchange.body == answer.body
            else [Difference('bytes', repr(exchange.body[:40]), repr(answer.body[:40]))]
        )
    if exchange.content_type == 'text/plain' or names.tells_one(theirs):
        names.learn(theirs, here)
    whole = not exchange.path.startswith(
        ('/data/projects/', '/data/archive/projects/', '/REST/projects/')
    ) and not names.knows(exchange.path)
    comparing = _Comparing(names, frozenset(ours) if whole else None, _is_page(exchange.path))
    return comparing.texts(theirs, here, exchange.content_type)


def _is_page(path: str) -> bool:
    """Whether a request wants some rows of a listing: rows have no order, so any rows are right."""
    query = path.partition('?')[2]
    return path.startswith(('/data/projects', '/data/subjects', '/data/experiments')) and bool(
        re.search(r'(^|&)(limit|offset)=\d', query)
    )


def _text(body: bytes) -> str | None:
    try:
        return body.decode('utf-8')
    except UnicodeDecodeError:
        return None


def _compare_members(recorded: Iterable[str], answer: Answer, names: Names) -> list[Difference]:
    try:
        here = answer.names
    except (ValueError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        return [Difference('zip', 'a zip', f'{error}')]
    theirs = sorted(names.from_record(one) for one in recorded)
    mine = sorted(names.from_answer(one) for one in here if not one.endswith('/'))
    return [] if theirs == mine else [Difference('members', *_only(theirs, mine))]


def _only(theirs: Iterable[str], ours: Iterable[str]) -> tuple[str, str]:
    """Return the members that only one side has."""
    one, other = Counter(list(theirs)), Counter(list(ours))
    return f'{sorted((one - other).elements())}', f'{sorted((other - one).elements())}'


def _unnumbered(row: Any) -> Any:
    """Return a row without numbers of users in the names of its columns: ``user_role_7``."""
    if not isinstance(row, dict):
        return row
    return {_OF_USER.sub(r'\1_<user>', key): value for key, value in row.items()}


_OF_USER = re.compile(r'(user_role|last_accessed)_\d+$')


class _Comparing:
    """One comparison: the names, the relevant rows (None: all), and whether rows are a
    selection."""

    def __init__(self, names: Names, ours: frozenset[str] | None, any_rows: bool = False) -> None:
        self._names = names
        self._ours = ours
        self._any_rows = any_rows

    def texts(self, theirs: str, here: str, kind: str) -> list[Difference]:
        """Compare two bodies of one kind."""
        readers: Mapping[str, Callable[[str, str], list[Difference]]] = {
            'application/json': self._json,
            'text/csv': self._csv,
            'application/vnd.ms-excel': self._csv,
            'text/xml': self._xml,
            'application/xml': self._xml,
            'application/xcat': self._xml,
            'text/html': self._html,
            'application/xhtml+xml': self._html,
        }
        if not theirs.strip() or not here.strip():
            return (
                []
                if theirs.strip() == here.strip()
                else [Difference('body', repr(theirs[:200]), repr(here[:200]))]
            )
        try:
            return readers.get(kind, self._plain)(theirs, here)
        except (ValueError, KeyError, etree.XMLSyntaxError):
            return self._plain(theirs, here)

    # -- tables

    def _csv(self, theirs: str, here: str) -> list[Difference]:
        one, other = (list(csv.reader(io.StringIO(text))) for text in (theirs, here))
        rows = [
            [dict(zip(table[0], row, strict=False)) for row in table[1:]] for table in (one, other)
        ]
        headers = [
            [_OF_USER.sub(r'\1_<user>', name) for name in table[0]] for table in (one, other)
        ]
        found = (
            []
            if sorted(headers[0]) == sorted(headers[1])
            else [Difference('columns', *_only(*headers))]
        )
        return found + self._rows(rows[0], rows[1])

    def _rows(self, theirs: list[Any], here: list[Any]) -> list[Difference]:
        if not all(isinstance(row, dict) for row in [*theirs, *here]):
            return []
        theirs, here = ([_unnumbered(row) for row in rows] for rows in (theirs, here))
        theirs, here = (
            [{key: row[key] for key in row if key not in PASSED_OVER} for row in rows]
            for rows in (theirs, here)
        )
        theirs = [row for row in theirs if self._counts(row, self._names.knows)]
        here = [row for row in here if self._counts(row, self._names.gave)]
        if theirs and here and (set(theirs[0]) != set(here[0])):
            shared = set(theirs[0]) & set(here[0])
            found = [Difference('columns', *_only(theirs[0], here[0]))]
            theirs, here = (
                [{key: row.get(key, '') for key in shared} for row in rows]
                for rows in (theirs, here)
            )
        else:
            found = []
        if self._any_rows:
            return (
                found
                if len(theirs) == len(here)
                else [*found, Difference('rows', f'{len(theirs)} rows', f'{len(here)} rows')]
            )
        self._learn(theirs, here)
        one = [self._row(row, self._names.from_record) for row in theirs]
        other = [self._row(row, self._names.from_answer) for row in here]
        return (
            found
            if Counter(one) == Counter(other)
            else [*found, Difference('rows', *_only(one, other))]
        )

    def _counts(self, row: Row, known: Callable[[str], bool]) -> bool:
        """Whether a row is of a project or user of the recording.

        A row that names none counts if its item has a known name.
        """
        if self._ours is None:
            return True
        texts = [str(value) for value in row.values()]
        owner = row.get('project') or row.get('Project') or ''
        if owner:
            return owner in self._ours
        return any(
            text in self._ours or set(text.split('/')) & self._ours or known(text) for text in texts
        )

    def _learn(self, theirs: list[Row], here: list[Row]) -> None:
        """Pair names by rows that are otherwise equal, if there is one such row on each side."""
        places: list[dict[str, list[Row]]] = [{}, {}]
        for place, rows in zip(places, (theirs, here), strict=True):
            for row in rows:
                place.setdefault(self._row(row, mask), []).append(row)
        for key, rows in places[0].items():
            other = places[1].get(key, [])
            if len(rows) == len(other) == 1:
                for name, value in rows[0].items():
                    self._names.learn(str(value), str(other[0][name]))
                    if name in ('xnat_abstractresource_id', 'cat_ID') and str(value).isdecimal():
                        self._names.pair(str(value), str(other[0][name]))

    def _row(self, row: Row, show: Callable[[str], str]) -> str:
        if 'pipeline_name' in row and str(row.get('id', '')).isdecimal():
            row = {**row, 'id': '<number>'}  # a workflow of an item that has no ID of its own
        return json.dumps(
            {key: self._cell(key, row[key], show) for key in sorted(row)}, ensure_ascii=False
        )

    @staticmethod
    def _cell(key: str, value: Any, show: Callable[[str], str]) -> Any:
        if (
            key in NOISE
            or (key == 'id' and isinstance(value, int))
            or (key.lower().endswith(NUMBERED) and str(value).isdecimal())
            or (key == 'cat_ID')
        ):
            return '<number>' if str(value) else ''
        return show(value if isinstance(value, str) else json.dumps(value, sort_keys=True))

    # -- JSON

    def _json(self, theirs: str, here: str) -> list[Difference]:
        one, other = json.loads(theirs), json.loads(here)
        if (
            isinstance(one, dict)
            and isinstance(other, dict)
            and isinstance(one.get('ResultSet'), dict)
        ):
            return self._result_sets(one['ResultSet'], other.get('ResultSet') or {})
        if (
            isinstance(one, list)
            and isinstance(other, list)
            and all(isinstance(row, dict) for row in [*one, *other])
            and one
        ):
            return self._rows(one, other)
        if self._ours is not None and isinstance(one, list):
            return [] if isinstance(other, list) else [Difference('body', 'a list', here[:200])]
        return self._values(one, other)

    def _result_sets(self, theirs: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
        found = [] if set(theirs) == set(here) else [Difference('keys', *_only(theirs, here))]
        if isinstance(theirs.get('ID'), str) and isinstance(here.get('ID'), str):
            self._names.pair(theirs['ID'], here['ID'])
        columns = [
            [column.get('key') for column in one.get('Columns') or []] for one in (theirs, here)
        ]
        if 'Columns' in theirs and 'Columns' in here and columns[0] != columns[1]:
            found.append(Difference('columns', f'{columns[0]}', f'{columns[1]}'))
        return found + self._rows(theirs.get('Result') or [], here.get('Result') or [])

    def _values(self, theirs: Any, here: Any) -> list[Difference]:
        one, other = (
            self._leaves(theirs, self._names.from_record),
            self._leaves(here, self._names.from_answer),
        )
        return (
            [] if one == other else [Difference('fields', *_only(one.elements(), other.elements()))]
        )

    def _leaves(self, value: Any, show: Callable[[str], str], path: str = '') -> Counter[str]:
        """Return all values of a document by their path, without positions in lists."""
        found: Counter[str] = Counter()
        if isinstance(value, dict):
            if not value:
                found[f'{path}={{}}'] += 1
            for key, inner in value.items():
                at = (
                    f'{path}/{inner}'
                    if key in ('field', 'xsi:type') and isinstance(inner, str)
                    else f'{path}/{show(key)}'
                )
                if isinstance(inner, (dict, list)):
                    found += self._leaves(inner, show, at)
                else:
                    found[f'{at}={self._cell(key, inner, show)}'] += 1
        elif isinstance(value, list):
            for inner in value:
                found += self._leaves(inner, show, path + '[]')
        else:
            found[f'{path}={show(value) if isinstance(value, str) else json.dumps(value)}'] += 1
        return found

    # -- XML, pages, texts

    def _xml(self, theirs: str, here: str) -> list[Difference]:
        if theirs.startswith('<ResultSet') and '<ResultSet' in here[:200]:
            return self._cells(theirs, here)
        one = self._nodes(theirs, self._names.from_record)
        other = self._nodes(here, self._names.from_answer)
        return (
            []
            if one == other
            else [Difference('elements', *_only(one.elements(), other.elements()))]
        )

    def _cells(self, theirs: str, here: str) -> list[Difference]:
        """Compare tables in XML row by row."""
        roots = [etree.fromstring(text.encode()) for text in (theirs, here)]
        names = [[column.text or '' for column in root.iter('column')] for root in roots]
        rows = [
            [
                dict(zip(one, [cell.text or '' for cell in row], strict=False))
                for row in root.iter('row')
            ]
            for one, root in zip(names, roots, strict=True)
        ]
        found = (
            [] if names[0] == names[1] else [Difference('columns', f'{names[0]}', f'{names[1]}')]
        )
        titles = [root.get('title') for root in roots]
        found += (
            [] if titles[0] == titles[1] else [Difference('keys', f'{titles[0]}', f'{titles[1]}')]
        )
        return found + self._rows(rows[0], rows[1])

    def _nodes(self, text: str, show: Callable[[str], str]) -> Counter[str]:
        found: Counter[str] = Counter()
        for node in etree.fromstring(text.encode()).iter():
            if not isinstance(node.tag, str):
                continue
            name = etree.QName(node).localname
            inner = ''.join(node.itertext(with_tail=False)).strip() if not len(node) else ''
            inner = (
                '|'.join(sorted(_EVENT.sub('', inner).split('|')))
                if node.get('name') == 'AUDIT'
                else inner
            )
            attributes = {
                etree.QName(key).localname: value for key, value in sorted(node.attrib.items())
            }
            kept = {key: self._cell(key, value, show) for key, value in attributes.items()}
            found[f'{name} {kept} {show(inner)}'] += 1
        return found

    @staticmethod
    def _html(theirs: str, here: str) -> list[Difference]:
        """Compare HTML pages: it is enough that both are pages."""
        del theirs, here
        return []

    def _plain(self, theirs: str, here: str) -> list[Difference]:
        if theirs.lstrip()[:1] in ('{', '[') and here.lstrip()[:1] == theirs.lstrip()[:1]:
            try:
                return self._json(theirs, here)
            except ValueError:
                pass
        one, other = self._names.from_record(theirs.strip()), self._names.from_answer(here.strip())
        return [] if one == other else [Difference('text', one[:300], other[:300])]
