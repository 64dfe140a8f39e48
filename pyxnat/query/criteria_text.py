"""Parser for search criteria written as text, as in scripts and NiPyPE.

``xnat:subjectData/SUBJECT_ID = S01 AND`` is read into the list of tuples described in
:mod:`pyxnat.query.criteria`::

    expression  := operand { joiner operand } [joiner]          infix: AND binds closer than OR
                 | operand { operand | joiner }                 postfix (reverse Polish)
    operand     := constraint | '(' expression ')'
    constraint  := field operator value
    joiner      := AND | OR                                     in any case

Parts are separated by white space. A field or value with white space, or a value that is a word of
the grammar, stands in single or double quotes; within it, the quote is doubled. Lists stand in
parentheses: ``IN (a, 'b c')``; a range is ``BETWEEN 20 AND 40``. A joiner at the end is ignored
after a single constraint; otherwise it must be the joiner of the whole expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from ..errors import ProgrammingError
from ..patterns import pattern
from .operators import LONG_OPERATORS, find_operator

__all__ = ['parse_text']

_JOINERS = ('AND', 'OR')
_TOKEN = pattern(
    r"""\s*(?:(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")(?=[\s),]|$)|(?P<mark>[()])|(?P<word>\S+))"""
)
_LIST_ITEM = pattern(r"""\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|([^,'")][^,)]*))\s*""")
_REMEDY = (
    "Write it as: xnat:mrSessionData/AGE > 80 AND (xnat:subjectData/GENDER = 'female' OR …), with "
    'white space around operators.'
)


class _Token(NamedTuple):
    """A token of the text and its position."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def joiner(self) -> str | None:
        """``AND`` or ``OR``; `None` for any other token."""
        return self.text.upper() if self.kind == 'word' and self.text.upper() in _JOINERS else None


def parse_text(text: str) -> list[Any]:
    """Parse a text into a list of tuples.

    >>> parse_text("xnat:mrSessionData/AGE > 80 AND xnat:subjectData/GENDER = female")
    [('xnat:mrSessionData/AGE', '>', '80'), ('xnat:subjectData/GENDER', '=', 'female'), 'AND']
    >>> parse_text("a:b/X > 80 AND a:b/Y = 1 OR a:b/Z LIKE 'a b%'")
    [[('a:b/X', '>', '80'), ('a:b/Y', '=', '1'), 'AND'], ('a:b/Z', 'LIKE', 'a b%'), 'OR']

    Raises
    ------
    ProgrammingError
        The text does not follow the grammar; the message shows the place.
    """
    reader = _Reader(text)
    criteria = reader.expression(0)
    if reader.token is not None:
        reader.fail('there is no parenthesis to close')
    return criteria if isinstance(criteria, list) else [criteria]


class _Reader:
    """Recursive descent parser with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token: _Token | None = None
        self._move(0)

    def _move(self, position: int) -> None:
        found = _TOKEN.match(self.text, position)
        if found is None or not (kind := found.lastgroup):
            self.token = None
            return
        start, end = found.span(kind)
        if kind == 'word':
            end = start + len(_without_closing(found.group(kind)))
        self.token = _Token(kind, self.text[start:end], start, end)

    def take(self) -> _Token:
        """Return the current token and move to the next."""
        if self.token is None:
            self.fail('it ends too early')
        token = self.token
        self._move(token.end)
        return token

    def fail(self, reason: str) -> NoReturn:
        """Raise a `ProgrammingError` that shows the place."""
        rest = self.text[self.token.start :] if self.token else ''
        place = f', at {rest[:40]!r}' if rest else ''
        raise ProgrammingError(f'criteria {self.text!r}: {reason}{place}', remedy=_REMEDY)

    def expression(self, depth: int) -> Any:
        """Parse up to the end or to the closing parenthesis."""
        parts: list[Any] = []
        while self.token is not None and self.token.text != ')':
            joiner = self.token.joiner
            parts.append(self.take().text.upper() if joiner else self._operand(depth))
        if not parts:
            self.fail('a constraint is missing')
        return _joined(parts, self)

    def _operand(self, depth: int) -> Any:
        if self.token is None or self.token.kind != 'mark':
            return self._constraint()
        if depth > 50:
            self.fail('parentheses are nested too deeply')
        self.take()
        inside = self.expression(depth + 1)
        if self.token is None:
            self.fail('a parenthesis is not closed')
        self.take()
        return _Closed(inside) if isinstance(inside, list) else inside

    def _constraint(self) -> tuple[Any, ...]:
        field = self._field()
        operator = self._operator()
        found = find_operator(operator)
        kind = found.kind if found is not None else ''
        if kind == 'null':
            return field, operator, None
        if kind == 'list' and self.token is not None and self.token.text == '(':
            return field, operator, self._list()
        value = self._value()
        if kind == 'range':
            if self.token is None or self.token.joiner != 'AND':
                self.fail('BETWEEN is written: field BETWEEN low AND high')
            self.take()
            return field, operator, [value, self._value()]
        return field, operator, value

    def _field(self) -> str:
        """Parse a field; titles of forms may have blanks, and then it stands in quotes."""
        if self.token is not None and self.token.kind == 'quoted':
            return _unquoted(self.take())
        return self._word('a field is missing')

    def _word(self, missing: str) -> str:
        if self.token is None or self.token.kind != 'word':
            self.fail(missing)
        return self.take().text

    def _operator(self) -> str:
        words = [self._word('an operator is missing').upper()]
        while (
            self.token is not None
            and self.token.kind == 'word'
            and ' '.join([*words, self.token.text.upper()]) in LONG_OPERATORS
        ):
            words.append(self.take().text.upper())
        return ' '.join(words)

    def _value(self) -> str:
        if self.token is None or self.token.kind == 'mark' or self.token.joiner:
            self.fail('a value is missing (quote an empty value or a word of the grammar)')
        return _unquoted(self.take())

    def _list(self) -> list[str]:
        position = self.take().end
        values = []
        while found := _LIST_ITEM.match(self.text, position):
            single, double, plain = found.groups()
            values.append(
                single.replace("''", "'")
                if single is not None
                else double.replace('""', '"')
                if double is not None
                else plain.strip()
            )
            position = found.end()
            if self.text[position : position + 1] != ',':
                break
            position += 1
        if self.text[position : position + 1] != ')' or not values:
            self.fail('a list is written: (a, b)')
        self._move(position + 1)
        return values


class _Closed(list[Any]):
    """A group in parentheses: never merged with its neighbours."""


def _without_closing(word: str) -> str:
    """Remove closing parentheses at the end that the word does not open."""
    while word.endswith(')') and word.count('(') < word.count(')'):
        word = word[:-1]
    return word


def _unquoted(token: _Token) -> str:
    if token.kind != 'quoted':
        return token.text
    quote = token.text[0]
    return token.text[1:-1].replace(quote * 2, quote)


def _joined(parts: list[Any], reader: _Reader) -> Any:
    """Join operands in infix or postfix order into one."""
    adjacent = any(not _is_joiner(one) and not _is_joiner(other) for one, other in pairwise(parts))
    return _postfix(parts, reader) if adjacent else _infix(parts, reader)


def _is_joiner(part: Any) -> bool:
    return isinstance(part, str)


def _infix(parts: list[Any], reader: _Reader) -> Any:
    trailing = parts.pop() if _is_joiner(parts[-1]) else None
    if any(_is_joiner(part) != bool(index % 2) for index, part in enumerate(parts)) or not parts:
        reader.fail('AND and OR stand between constraints, or after both of them')
    terms = [_group('AND', list(term)) for term in _split(parts, 'OR')]
    joiners = set(parts[1::2])
    whole = 'OR' if 'OR' in joiners else 'AND'
    if trailing and joiners and trailing != whole:
        reader.fail(f'the {trailing} at the end is ambiguous: set parentheses')
    return _group('OR', terms)


def _split(parts: list[Any], joiner: str) -> Iterator[list[Any]]:
    term: list[Any] = []
    for part in parts:
        if part == joiner:
            yield term
            term = []
        elif not _is_joiner(part):
            term.append(part)
    yield term


def _postfix(parts: list[Any], reader: _Reader) -> Any:
    stack: list[Any] = []
    for part in parts:
        if not _is_joiner(part):
            stack.append(part)
        elif len(stack) == 1:
            continue  # one operand joined with nothing
        elif not stack:
            reader.fail(f'{part} has nothing before it to join')
        else:
            right = stack.pop()
            stack.append([*_opened(stack.pop(), {part}), right, part])
    joiners = {part for part in parts if _is_joiner(part)}
    if len(stack) > 1 and len(joiners) > 1:
        reader.fail('there are more constraints than AND and OR to join them')
    if len(stack) == 1:
        return stack[0]
    joiner = next(iter(joiners), 'AND')
    return _group(joiner, [member for operand in stack for member in _opened(operand, {joiner})])


def _opened(operand: Any, joiners: set[str]) -> list[Any]:
    """Return the members of an operand with the same joiner, else itself."""
    own = (
        isinstance(operand, list) and not isinstance(operand, _Closed) and {operand[-1]} == joiners
    )
    return list(operand[:-1]) if own else [operand]


def _group(joiner: str, operands: list[Any]) -> Any:
    return operands[0] if len(operands) == 1 else [*operands, joiner]
