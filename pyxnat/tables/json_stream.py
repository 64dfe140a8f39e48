"""Streaming parser for XNAT's JSON tables of any length.

A table is an object ``ResultSet`` with an array ``Result`` of rows, and other members in no defined
order. No more than about one chunk of text is held. Complete rows are passed to Python's decoder,
many at a time. The last ``},`` of a chunk is assumed to end a row. If it is inside a string, or
after the array, the decoder rejects the chunk; if the decoder accepts it, the cut was between two
rows. A wrong guess costs time, never rows.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

import six

from ..errors import DataError, UnexpectedAnswer
from ..model.rows import ListedRow
from ..patterns import pattern
from .csv_stream import Row, texts

__all__ = ['ResultSet', 'iter_result_set', 'parse_item', 'parse_json', 'parse_result_set']

_J = TypeVar('_J', dict[str, Any], list[Any])

_STRETCH = 2**16
"""Characters that are parsed together."""
_LONGEST_TOKEN = 16
"""An error within this many characters of the end may come from a cut: ``-Infinity``, a pair of
``\\uXXXX``.
"""
_BLANKS = pattern(r'[ \t\n\r]*')
_BEGIN = 60
_REMEDY = 'Check that the URL is that of an XNAT server.'
_NOTHING = (
    'XNAT sends an empty body when a query fails: check that each column belongs to the level and '
    'type, '
    'that dates in filters are MM/dd/yyyy, and that the result of the search has not expired.'
)
_DECODER = json.JSONDecoder()


def parse_result_set(body: bytes | str, uri: str | None = None) -> list[Row]:
    """Return the rows of a JSON table.

    Parameters
    ----------
    body : bytes or str
        The document.
    uri : str, optional
        Its URI, for error texts.

    Raises
    ------
    DataError, UnexpectedAnswer
        As :func:`iter_result_set`.
    """
    text = six.ensure_binary(body)
    rows = _decode(text, {})
    return list(iter_result_set([text], uri)) if rows is None else rows


def parse_json(body: bytes | str, wanted: type[_J], uri: str | None = None) -> _J:
    """Return the value of a JSON document of a known type.

    Parameters
    ----------
    body : bytes or str
        The document.
    wanted : type
        Type of the value: `dict` or `list`.
    uri : str, optional
        Its URI, for error texts.

    Raises
    ------
    UnexpectedAnswer
        The document is not JSON, or has a value of another type.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswer(
            f'not JSON: {body[:_BEGIN]!r} ({error})', uri=uri, remedy=_REMEDY
        ) from error
    if not isinstance(value, wanted):
        raise UnexpectedAnswer(
            f'a JSON {wanted.__name__} was due: {body[:_BEGIN]!r}', uri=uri, remedy=_REMEDY
        )
    return value


def parse_item(body: bytes | str, uri: str | None = None) -> dict[str, Any]:
    """Return the fields of an item from its JSON document.

    Parameters
    ----------
    body : bytes or str
        The document: ``{"items": [{"data_fields": {…}, …}]}``.
    uri : str, optional
        Its URI, for error texts.

    Raises
    ------
    UnexpectedAnswer
        The document is not JSON, or not that of an item.
    """
    match parse_json(body, dict, uri):
        case {'items': [{'data_fields': dict(fields)}, *_]}:
            return fields
    raise UnexpectedAnswer(
        f'the fields of an item were due: {body[:_BEGIN]!r}', uri=uri, remedy=_REMEDY
    )


def iter_result_set(
    pieces: Iterable[bytes], uri: str | None = None, members: dict[str, Any] | None = None
) -> Iterator[Row]:
    """Yield the rows of a JSON table of any length.

    Cells are strings; `None` (SQL's NULL) becomes the empty string.

    Parameters
    ----------
    pieces : iterable of bytes
        The document, in chunks of any size.
    uri : str, optional
        Its URI, for error texts.
    members : dict, optional
        Receives the other members of ``ResultSet`` as they are parsed.

    Raises
    ------
    DataError
        The document is empty: with status 200, XNAT failed to build the table.
    UnexpectedAnswer
        The document is not JSON in UTF-8, is not a table, or is truncated. Rows yielded before are
        valid; more may be missing.
    """
    return chain.from_iterable(_checked(_Text(pieces), uri, {} if members is None else members))


class ResultSet:
    """Rows of a table of any length; each iteration parses the text again.

    Parameters
    ----------
    pieces : iterable of bytes
        The document; must be iterable several times.
    uri : str, optional
        Its URI, for error texts.
    is_long : bool
        Whether the rows should be streamed rather than held in memory.

    Attributes
    ----------
    members : dict
        Other members of ``ResultSet``, as far as parsed: XNAT puts ``Columns`` before the rows and
        ``totalRecords`` after them.
    """

    def __init__(
        self, pieces: Iterable[bytes], uri: str | None = None, *, is_long: bool = True
    ) -> None:
        self._pieces = pieces
        self._uri = uri
        self.is_long = is_long
        self.members: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Row]:
        rows = None if self.is_long else _decode(b''.join(self._pieces), self.members)
        return (
            iter_result_set(self._pieces, self._uri, self.members) if rows is None else iter(rows)
        )


def _decode(text: bytes, members: dict[str, Any]) -> list[Row] | None:
    """Return the rows of a table held in memory; None if anything is wrong.

    `iter_result_set` then reports the error. Members beside the rows are added to `members`.
    """
    if (
        text.count(b'"ResultSet"') != 1 or text.count(b'"Result"') != 1
    ):  # json takes the last of two
        return None
    try:
        # the codec utf-8-sig is a module that nothing else loads
        table = json.loads(text.removeprefix(codecs.BOM_UTF8).decode())['ResultSet']
        found = table.pop('Result')
        rows = _as_text(found) if isinstance(found, list) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    members.update({} if rows is None else table)
    return rows


def _checked(text: _Text, uri: str | None, members: dict[str, Any]) -> Iterator[list[Row]]:
    try:
        for rows in _tables(text, members):
            yield _as_text(rows)
    except DataError as error:
        error.uri = uri
        raise
    except UnexpectedAnswer as error:  # not UTF-8
        error.uri, error.remedy = uri, _REMEDY
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise UnexpectedAnswer(
            f'not a JSON table of XNAT: {text.begin!r} ({error})', uri=uri, remedy=_REMEDY
        ) from error


def _as_text(rows: list[Any]) -> list[Row]:
    """Convert all cells to strings."""
    try:
        ''.join(chain.from_iterable(map(dict.values, rows)))  # the fastest check for other types
    except TypeError:
        if {*map(type, rows)} != {dict}:
            raise
        return [ListedRow({name: _text(cell) for name, cell in row.items()}) for row in rows]
    return list(map(ListedRow, rows))


def _text(value: Any) -> str:
    if value is None:
        return ''
    return value if isinstance(value, str) else json.dumps(value)


def _tables(text: _Text, members: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield the rows of the table in a document, in batches."""
    if not text.next():
        raise DataError('the response is empty instead of a table', status=200, remedy=_NOTHING)
    for name in text.only('ResultSet'):
        if name == 'ResultSet':
            for inner in text.only('Result'):
                if inner == 'Result':
                    yield from text.array()
                else:
                    members[inner] = text.value()
        else:
            text.value()
    if text.next():
        raise ValueError('text after the end')


class _Text:
    """Parser of JSON text that arrives in chunks.

    Attributes
    ----------
    begin : str
        First characters of the text, for error messages.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = texts(pieces)
        self._held = ''
        self._at = 0
        self._singly_until = 0
        self.begin = ''

    def _more(self) -> bool:
        """Read another chunk; return whether there was one.

        The chunk is at least as long as the unread text, so that a long value is retried few times.
        """
        rest = self._held[self._at :]
        wanted, read = max(_STRETCH, len(rest)), [rest]
        while wanted > 0 and (piece := next(self._pieces, None)) is not None:
            read.append(piece)
            wanted -= len(piece)
        self._singly_until = max(self._singly_until - self._at, 0)
        self._held, self._at = ''.join(read), 0
        self.begin = self.begin or self._held[:_BEGIN]
        return len(self._held) > len(rest)

    def next(self) -> str:
        """Return the next non-blank character without consuming it.

        Empty at the end.
        """
        while True:
            blanks = _BLANKS.match(self._held, self._at)  # always matches
            self._at = blanks.end()  # type: ignore[union-attr]
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ''

    def _take(self, wanted: str) -> None:
        found = self.next()
        if found != wanted:
            raise ValueError(f'{wanted!r} is missing' if found else 'unexpected end')
        self._at += 1

    def value(self) -> Any:
        """Parse and return the next value."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._more():
                    raise
            else:
                if end < len(self._held) or not self._more():  # a number may continue
                    self._at = end
                    return value

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return (
            error.msg.startswith('Unterminated string')
            or error.pos >= len(self._held) - _LONGEST_TOKEN
        )

    def only(self, wanted: str) -> Iterator[str]:
        """Yield the member names of an object that must have one of them once.

        The caller must parse the value after each name.
        """
        seen = 0
        self._take('{')
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise TypeError('a name is not a string')
            self._take(':')
            seen += name == wanted
            if seen > 1:
                raise ValueError(f'{wanted} occurs twice')
            yield name
            if self.next() != ',':
                break
            self._take(',')
        self._take('}')
        if not seen:
            raise ValueError(f'{wanted} is missing')

    def array(self) -> Iterator[list[Any]]:
        """Yield the values of an array in batches."""
        self._take('[')
        if self.next() != ']':
            yield self._values()
            while self.next() == ',':
                self._take(',')
                yield self._values()
        self._take(']')

    def _values(self) -> list[Any]:
        """Return the complete values of a chunk, or a single value."""
        if self._at >= self._singly_until:
            end = self._held.rfind('},', self._at, self._at + _STRETCH) + 1
            if end:
                try:
                    values: list[Any] = _DECODER.decode(f'[{self._held[self._at : end]}]')
                except ValueError:
                    self._singly_until = end
                else:
                    self._at = end
                    return values
        return [self.value()]
