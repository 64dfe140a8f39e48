"""Context of a request below HTTP: archive, caller and query parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .archive import Archive
from .db.access import GUEST, Caller

__all__ = ['EXACT', 'FILES', 'Context', 'OwnFiles']

EXACT = 'pyxnat.exact'
"""Key of the WSGI environment of a request whose document replaces all fields of its item.

Its label, too, which may have any characters: XNAT gives such labels to items that it has.

For mirrors, in their own process: no request over a network can set it, because keys made of
headers begin with ``HTTP_``.
"""
FILES = 'pyxnat.files'
"""Key of the WSGI environment of a request for exactly these files: an `OwnFiles`. As `EXACT`."""
_FALSE = frozenset({'', 'false', '0'})


class OwnFiles(NamedTuple):
    """Files of one resource, whatever the characters of their names."""

    label: str
    """Label of the resource; the path of the request has any other in its place."""
    files: Sequence[tuple[str, Path | None, int, str]]
    """Path in the resource; local file, which is moved, or None to list the file without content;
    bytes; MD5. A deletion uses the path alone."""
    compared: Mapping[str, str]
    """Path of each file that must still be as it was compared: its digest, or size if it has none;
    empty for no file."""


@dataclass
class Context:
    """Archive, caller and query parameters of one request."""

    archive: Archive
    query: list[tuple[str, str]]
    """Names and values of the query parameters, in order; a name may occur several times."""
    caller: Caller = GUEST

    def get(self, name: str, default: str = '') -> str:
        """Return the first value of a query parameter.

        Parameters
        ----------
        name : str
            Name of the parameter.
        default : str
            Value if the request does not have the parameter.
        """
        return next((value for key, value in self.query if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return all values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def has(self, name: str) -> bool:
        """Whether the request has a query parameter."""
        return any(key == name for key, _ in self.query)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter: true unless ``false``, ``0`` or empty.

        Parameters
        ----------
        name : str
            Name of the parameter.
        default : bool
            Value if the request does not have the parameter.
        """
        return self.get(name).lower() not in _FALSE if self.has(name) else default
