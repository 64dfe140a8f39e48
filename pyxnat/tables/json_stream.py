"""XNAT's tables in JSON, of any length: rows are read as the text comes, and no more of it is held than a piece.

A table is an object ``ResultSet`` with an array ``Result`` of rows, and members of no defined order beside it. Rows that are whole are given to
Python's own decoder, many at a time. They are found by the last ``},`` of a stretch of text. If that stands within a text, or behind the array, the
stretch is no array of values and the decoder refuses it; if the decoder takes it, it was cut between two values. So a guess can cost time, and never
rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import six

from ..errors import DataError, UnexpectedAnswer
from .table import Row, texts

__all__ = ['ResultSet', 'iter_result_set', 'parse_result_set']

_STRETCH = 2**16
"""Characters that are looked at together."""
_LONGEST_TOKEN = 16
"""What the decoder finds wrong within so many characters of the end may be cut: ``-Infinity``, a pair of ``\\uXXXX``."""
_BLANKS = re.compile(r'[ \t\n\r]*')
_BEGIN = 60
_REMEDY = 'Check that the URL is that of an XNAT server.'
_NOTHING = (
    'XNAT answers so where a query fails inside: check that each column is one of the level and type, that dates in filters are MM/dd/yyyy, '
    'and that what was searched for is still kept.'
)
_DECODER = json.JSONDecoder()


def parse_result_set(body: bytes | str, uri: str | None = None) -> list[Row]:
    """The rows of a JSON table, which came from a URI. Shape and errors are those of :func:`iter_result_set`."""
    return list(iter_result_set([six.ensure_binary(body)], uri))


def iter_result_set(pieces: Iterable[bytes], uri: str | None = None, said: dict[str, Any] | None = None) -> Iterator[Row]:
    """The rows of a JSON table of any length, which came from a URI, as its pieces come.

    Cells are text, in which `None` (SQL's NULL) is the empty one.

    Parameters
    ----------
    said : dict, optional
        Is given what stands beside the rows, once that was read.

    Raises
    ------
    DataError
        There is nothing: XNAT answers so, with status 200, where it failed to build a table.
    UnexpectedAnswer
        It is not JSON in UTF-8, or not a table, or ends too early. Rows that
        were given before were in it; there may have been more.
    """
    return chain.from_iterable(_checked(_Text(pieces), uri, {} if said is None else said))


class ResultSet:
    """The rows of a table that may be long, to be gone through as often as one likes; each time it is read anew.

    Parameters
    ----------
    pieces : iterable of bytes
        Its text, to be gone through as often.
    is_long : bool
        Whether it is better not held.

    Attributes
    ----------
    said : dict
        What stands beside the rows, as far as they were gone through: XNAT puts ``Columns`` before them, and ``totalRecords`` behind.
    """

    def __init__(self, pieces: Iterable[bytes], uri: str | None = None, *, is_long: bool = True) -> None:
        self._pieces = pieces
        self._uri = uri
        self.is_long = is_long
        self.said: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter_result_set(self._pieces, self._uri, self.said)


def _checked(text: _Text, uri: str | None, said: dict[str, Any]) -> Iterator[list[Row]]:
    try:
        for rows in _tables(text, said):
            yield _as_text(rows)
    except DataError as error:
        error.uri = uri
        raise
    except UnexpectedAnswer as error:  # it is no text
        error.uri, error.remedy = uri, _REMEDY
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise UnexpectedAnswer(f'not a JSON table of XNAT: {text.begin!r} ({error})', uri=uri, remedy=_REMEDY) from error


def _as_text(rows: list[Any]) -> list[Row]:
    """Rows with text alone."""
    try:
        ''.join(chain.from_iterable(map(dict.values, rows)))  # the quickest that refuses what is no text
    except TypeError:
        if {*map(type, rows)} != {dict}:
            raise
        return [{name: _text(value) for name, value in row.items()} for row in rows]
    return rows


def _text(value: Any) -> str:
    if value is None:
        return ''
    return value if isinstance(value, str) else json.dumps(value)


def _tables(text: _Text, said: dict[str, Any]) -> Iterator[list[Any]]:
    """The rows of the one table of a document."""
    if not text.next():
        raise DataError('nothing came where a table was asked for', status=200, remedy=_NOTHING)
    for name in text.only('ResultSet'):
        if name == 'ResultSet':
            for inner in text.only('Result'):
                if inner == 'Result':
                    yield from text.array()
                else:
                    said[inner] = text.value()
        else:
            text.value()
    if text.next():
        raise ValueError('it goes on behind its end')


class _Text:
    """Text that is read from its beginning to its end.

    Attributes
    ----------
    begin : str
        Its first characters.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = texts(pieces)
        self._held = ''
        self._at = 0
        self._singly_until = 0
        self.begin = ''

    def _more(self) -> bool:
        """Read on: by a stretch, or by as much as is held, so that a long value is tried few times. Whether there was more."""
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
        """The next character that is no blank, which stays to be read; empty at the end."""
        while True:
            self._at = _BLANKS.match(self._held, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ''

    def _take(self, wanted: str) -> None:
        found = self.next()
        if found != wanted:
            raise ValueError(f'{wanted!r} is missing' if found else 'it ends too early')
        self._at += 1

    def value(self) -> Any:
        """The next value."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._more():
                    raise
            else:
                if end < len(self._held) or not self._more():  # a number may go on
                    self._at = end
                    return value

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith('Unterminated string') or error.pos >= len(self._held) - _LONGEST_TOKEN

    def only(self, wanted: str) -> Iterator[str]:
        """The names of an object's members, of which one must be there, once. Whoever asks reads the value of each."""
        seen = 0
        self._take('{')
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise TypeError('a name is not a text')
            self._take(':')
            seen += name == wanted
            if seen > 1:
                raise ValueError(f'there are two of {wanted}')
            yield name
            if self.next() != ',':
                break
            self._take(',')
        self._take('}')
        if not seen:
            raise ValueError(f'there is no {wanted}')

    def array(self) -> Iterator[list[Any]]:
        """The values of an array, some at a time."""
        self._take('[')
        if self.next() != ']':
            yield self._values()
            while self.next() == ',':
                self._take(',')
                yield self._values()
        self._take(']')

    def _values(self) -> list[Any]:
        """The next values: those of a stretch that are whole, or one."""
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
