"""Texts as values of fields: what each kind can hold, and the form it is answered in."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from ..schemas import Field

__all__ = ['normalise', 'parse_date', 'parse_stamp', 'parse_time']

_DATES = ('%Y-%m-%d', '%m/%d/%Y', '%m.%d.%Y', '%Y%m%d', '%a %b %d %H:%M:%S %Z %Y')
_STAMPS = ('%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M:%S.%f', '%m/%d/%Y %H:%M:%S', '%Y-%m-%d %H:%M')
_BOOLEANS = {'true': '1', '1': '1', 'false': '0', '0': '0'}


def normalise(row: Field, text: str) -> str:
    """A value in the form XNAT answers it; `ValueError`, with the reason, where the field cannot hold it.

    Dates are read as ``yyyy-MM-dd``, ``MM/dd/yyyy``, ``MM.dd.yyyy`` and ``yyyyMMdd``, and become ``yyyy-MM-dd``; a float 42 becomes
    ``42.0``; a boolean ``1`` or ``0``.
    """
    value = text.strip() if row.kind != 'string' else text
    value = _READ.get(row.kind, _string)(row, value)
    if row.choices and value not in row.choices:
        raise ValueError(f'{row.path}: {text!r} is none of {", ".join(row.choices)}')
    return value


def _string(row: Field, value: str) -> str:
    if row.max_length is not None and len(value) > row.max_length:
        raise ValueError(f'{row.path}: longer than {row.max_length} characters')
    return value


def _integer(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?\d{1,18}', value):
        raise ValueError(f'{row.path}: {value!r} is not an integer')
    return _ranged(row, str(int(value)))


def _float(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?', value):
        raise ValueError(f'{row.path}: {value!r} is not a number')
    return _ranged(row, repr(float(value)))


def _ranged(row: Field, value: str) -> str:
    number = float(value)
    if (row.minimum is not None and number < row.minimum) or (row.maximum is not None and number > row.maximum):
        raise ValueError(f'{row.path}: {value} is outside {row.minimum} to {row.maximum}')
    return value


def _boolean(row: Field, value: str) -> str:
    if value.lower() not in _BOOLEANS:
        raise ValueError(f'{row.path}: {value!r} is not a boolean')
    return _BOOLEANS[value.lower()]


def parse_date(value: str) -> date | None:
    """A day in any of the forms XNAT reads; None where it is none."""
    for form in _DATES:
        try:
            return datetime.strptime(value, form).date()
        except ValueError:
            continue
    return None


def _date(row: Field, value: str) -> str:
    found = parse_date(value) or parse_date(value[:10])
    if found is None:
        raise ValueError(f'{row.path}: {value!r} is not a date; use yyyy-MM-dd')
    return found.isoformat()


def parse_time(value: str) -> time | None:
    """A time of day, ``HH:mm`` or ``HH:mm:ss``; None where it is none."""
    try:
        return time.fromisoformat(value if value.count(':') == 2 else value + ':00').replace(tzinfo=None)
    except ValueError:
        return None


def _time(row: Field, value: str) -> str:
    found = parse_time(value)
    if found is None:
        raise ValueError(f'{row.path}: {value!r} is not a time; use HH:mm:ss')
    return found.isoformat()


def parse_stamp(value: str) -> datetime | None:
    """A moment in any of the forms XNAT reads; None where it is none."""
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
        raise ValueError(f'{row.path}: {value!r} is not a date and time')
    fraction = f'{found.microsecond:06d}'.rstrip('0') or '0'
    return f'{found:%Y-%m-%d %H:%M:%S}.{fraction}'


_READ = {
    'string': _string, 'integer': _integer, 'float': _float, 'boolean': _boolean,
    'date': _date, 'time': _time, 'dateTime': _datetime,
}  # fmt: skip
