"""Values of fields: validation by kind, and the form in responses."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from ...model.schemas import Field

__all__ = ['normalise', 'parse_date', 'parse_stamp', 'parse_time', 'unless_null']

_DATES = ('%Y-%m-%d', '%m/%d/%Y', '%m.%d.%Y', '%Y%m%d', '%a %b %d %H:%M:%S %Z %Y')
_STAMPS = ('%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M:%S.%f', '%m/%d/%Y %H:%M:%S', '%Y-%m-%d %H:%M')
_LENIENT = (
    (re.compile(r'(\d{4})-(\d{1,3})-(\d{1,3})(?!\d)'), (1, 2, 3)),
    (re.compile(r'(\d{1,3})/(\d{1,3})/(\d{4})(?!\d)'), (3, 1, 2)),
    (re.compile(r'(\d{1,3})\.(\d{1,3})\.(\d{4})(?!\d)'), (3, 1, 2)),
)
_BOOLEANS = {'true': '1', '1': '1', 'false': '0', '0': '0'}


def unless_null(text: str | None) -> str | None:
    """Return a text, or None if it is empty or ``NULL`` in any case.

    XNAT's database stores both as nothing.
    """
    return None if not text or text.upper() == 'NULL' else text


def normalise(row: Field, text: str) -> str:
    """Return a value in the form of XNAT's responses.

    Dates are read as ``yyyy-MM-dd``, ``MM/dd/yyyy``, ``MM.dd.yyyy`` and ``yyyyMMdd``, all but the
    last leniently (30 February is a day of March), and become ``yyyy-MM-dd``. A float 42 becomes
    ``42.0``; a boolean becomes ``1`` or ``0``. Choices are compared without case.

    Parameters
    ----------
    row : Field
        The field.
    text : str
        Value as sent.

    Raises
    ------
    ValueError
        If the field cannot hold the value; the text is the reason.
    """
    value = text.strip() if row.kind != 'string' else text
    value = _READ.get(row.kind, _string)(row, value)
    if row.choices and value.lower() not in (choice.lower() for choice in row.choices):
        raise ValueError(f'{text!r} Must Match Pre-Defined Values...({",".join(row.choices)})')
    return value


def _string(row: Field, value: str) -> str:
    if row.max_length is not None and len(value) > row.max_length:
        raise ValueError(
            f'Must Be Less Than {row.max_length} Characters : Current Length ({len(value)})'
        )
    return value


def _integer(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?\d{1,18}', value):
        raise ValueError('Must Be A Valid Integer')
    return _ranged(row, str(int(value)))


def _float(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?', value):
        raise ValueError('Must Be A Valid Float')
    return _ranged(row, repr(float(value)))


def _ranged(row: Field, value: str) -> str:
    number = float(value)
    if (row.minimum is not None and number < row.minimum) or (
        row.maximum is not None and number > row.maximum
    ):
        raise ValueError(f'Must Be Between {row.minimum} And {row.maximum}: {value}')
    return value


def _boolean(row: Field, value: str) -> str:
    if value.lower() not in _BOOLEANS:
        raise ValueError('Must Be A Valid Boolean')
    return _BOOLEANS[value.lower()]


def parse_date(value: str) -> date | None:
    """Parse a date in any format of XNAT; None if it is invalid."""
    for form in _DATES:
        try:
            return datetime.strptime(value, form).date()
        except ValueError:
            continue
    return None


def _date(row: Field, value: str) -> str:
    found = _lenient_date(value) or parse_date(value)
    if found is None:
        raise ValueError('Must Be A Valid Date')
    return found.isoformat()


def _lenient_date(value: str) -> date | None:
    """Parse a date leniently, as XNAT does before it stores one.

    Month 31 counts on into later years, 30 February into March.
    """
    for form, order in _LENIENT:
        found = form.match(value)
        if found is not None:
            year, month, day = (int(found.group(place)) for place in order)
            first = date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
            return first + timedelta(days=day - 1)
    return None


def parse_time(value: str) -> time | None:
    """Parse a time of day, ``HH:mm`` or ``HH:mm:ss``; None if it is invalid."""
    try:
        return time.fromisoformat(value if value.count(':') == 2 else value + ':00').replace(
            tzinfo=None
        )
    except ValueError:
        return None


def _time(row: Field, value: str) -> str:
    found = parse_time(value)
    if found is None:
        raise ValueError('Must Be A Valid Time')
    return found.isoformat()


def parse_stamp(value: str) -> datetime | None:
    """Parse a timestamp in any format of XNAT; None if it is invalid."""
    plain = re.sub(r'Z$|[+-]\d\d:\d\d$', '', value.replace('T', ' '))
    for form in _STAMPS:
        try:
            return datetime.strptime(plain, form)
        except ValueError:
            continue
    day = parse_date(plain)
    return datetime(day.year, day.month, day.day) if day else None


def _datetime(row: Field, value: str) -> str:
    found = parse_stamp(value)
    if found is None:
        raise ValueError('Must Be A Valid Date And Time')
    fraction = f'{found.microsecond:06d}'.rstrip('0') or '0'
    return f'{found:%Y-%m-%d %H:%M:%S}.{fraction}'


_READ = {
    'string': _string, 'integer': _integer, 'float': _float, 'boolean': _boolean,
    'date': _date, 'time': _time, 'dateTime': _datetime,
}  # fmt: skip
