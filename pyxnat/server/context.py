"""One question to an archive: who asks, and with which options. It knows nothing of HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from .archive import Archive
from .db.access import GUEST, Caller

__all__ = ['Context']

_FALSE = frozenset({'', 'false', '0'})


@dataclass
class Context:
    """The archive, the caller and the options of a question."""

    archive: Archive
    query: list[tuple[str, str]]
    """Names and values of the options, in order; a name may be there several times."""
    caller: Caller = GUEST

    def get(self, name: str, default: str = '') -> str:
        """Return the first value of an option.

        Parameters
        ----------
        name : str
            Name of the option.
        default : str
            Returned where the option is not given.
        """
        return next((value for key, value in self.query if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return all values of an option."""
        return [value for key, value in self.query if key == name]

    def has(self, name: str) -> bool:
        """Whether an option is given."""
        return any(key == name for key, _ in self.query)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean option: true with any value but ``false``, ``0`` and none.

        Parameters
        ----------
        name : str
            Name of the option.
        default : bool
            Returned where the option is not given.
        """
        return self.get(name).lower() not in _FALSE if self.has(name) else default
