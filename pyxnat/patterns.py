"""Regular expressions that are compiled on first use.

Compiling all of them took a seventh of the import of an `Interface`, and a program uses few. Those
that nearly each program uses are compiled with :func:`re.compile`.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

__all__ = ['pattern']


def pattern(text: AnyStr, flags: re.RegexFlag | int = 0) -> re.Pattern[AnyStr]:
    """Return a regular expression that is compiled on first use.

    Parameters
    ----------
    text : str or bytes
        The expression.
    flags : RegexFlag
        As for :func:`re.compile`.
    """
    return cast('re.Pattern[AnyStr]', _Pattern(text, flags))


class _Pattern:
    """Has the attributes of the compiled expression."""

    def __init__(self, text: Any, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __repr__(self) -> str:
        return f'pattern({self._text!r})'

    def __getattr__(self, name: str) -> Any:
        """Compile, and keep the attribute, so that later calls take no longer way."""
        if name.startswith('__'):  # copy and pickle look for methods of the class
            raise AttributeError(name)
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value
