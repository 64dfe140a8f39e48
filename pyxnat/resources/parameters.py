"""Additional parameters of scans and assessors: pairs of name and text.

XNAT keeps them in ``parameters/addParam`` of the item's document.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ProgrammingError
from ..model.short_names import list_of_names
from .base import Element
from .writing import write_picked

__all__ = ['Parameters']


class Parameters(Element):
    """An element with additional parameters."""

    def set_param(self, key: str, value: str) -> None:
        """Set an additional parameter. Requests as for ``attrs.set``.

        Parameters
        ----------
        key : str
            Name; any text that XML can hold.
        value : str
            Any text. The empty text clears the parameter, unless its name has brackets, quotes,
            ``=``, ``/``, ``.`` or ``@``, which XNAT's query string cannot hold.

        Raises
        ------
        ProgrammingError
            XNAT cannot store the name or value, or cannot clear it.
        """
        if not key or any(
            ord(char) < 32 or char in '\ufffe\uffff' or '\ud800' <= char <= '\udfff' for char in key
        ):
            raise ProgrammingError(
                f'{key!r} cannot be the name of a parameter',
                remedy='Use printable characters only.',
            )
        self.check_owner()
        write_picked(self, f'{self.datatype()}/parameters/addParam{{}}/addField', key, value)

    def get_param(self, key: str) -> str | None:
        """Return the value of a parameter, or None. One request."""
        return self._params().get(key)

    def get_params(self, keys: Iterable[str] | None = None) -> list[str | None]:
        """Return the values of several parameters, in order. One request.

        Parameters
        ----------
        keys : iterable of str, optional
            Names; the value of a missing one is None. Default: all, in the order of `params`.
        """
        found = self._params()
        return [found.get(key) for key in (found if keys is None else list_of_names(keys))]

    def params(self) -> list[str]:
        """Return the names of all parameters. One request."""
        return list(self._params())

    def _params(self) -> dict[str, str]:
        nodes = self.xpath('//xnat:parameters/xnat:addParam')
        return {node.get('name', ''): ''.join(node.xpath('text()')).strip() for node in nodes}
