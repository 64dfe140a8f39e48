"""Strict and bounded parsing of JSON from clients."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ..errors import BadRequest, RequestEntityTooLarge

__all__ = ['parse_json']

MAX_JSON = 4 * 2**20
"""Largest JSON document in bytes: parsed, it takes up to twenty times as much memory."""
MAX_DEPTH = 100
"""Deepest nesting of objects and lists."""
_SURROGATE = re.compile(r'\\u[dD][89a-fA-F]')


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON document.

    Raises
    ------
    BadRequest
        If it is not JSON in UTF-8, has numbers without a value (``NaN``, ``1e999``), half of a
        surrogate pair, or is nested deeper than `MAX_DEPTH`.
    RequestEntityTooLarge
        Above `MAX_JSON` bytes.
    """
    if len(body) > MAX_JSON:
        raise RequestEntityTooLarge(f'The JSON document is larger than {MAX_JSON} bytes.')
    try:
        text = body.decode('utf-8-sig')
        found = json.loads(text, parse_constant=_not_a_number, parse_float=_finite)
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise BadRequest(f'The body is not JSON: {error}') from error
    _check_depth(found)
    return found


def _not_a_number(name: str) -> Any:
    raise ValueError(f'{name} is not a number of JSON')


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f'{text[:40]} is too large a number')
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> BadRequest:
    return BadRequest(f'The JSON document is nested deeper than {MAX_DEPTH} levels.')
