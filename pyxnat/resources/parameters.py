"""Additional parameters of scans and assessors: free pairs of name and text in the XNAT document."""

from __future__ import annotations

from ..errors import ProgrammingError
from .base import Element
from .writing import write_picked

__all__ = ['Parameters']


class Parameters(Element):
    """An element with additional parameters."""

    def set_param(self, key: str, value: str) -> None:
        """Set one. Requests as `attrs.set`.

        Parameters
        ----------
        key : str
            Any text that XML can hold: it goes by document.
        value : str
            Any text; the empty one clears it, where XNAT can be told the name in a query: without brackets, quotes, ``=``, ``/``, ``.`` and ``@``.

        Raises
        ------
        ProgrammingError
            XNAT cannot keep the name or the value, or cannot clear it.
        """
        if not key or any(ord(char) < 32 or char in '\ufffe\uffff' or '\ud800' <= char <= '\udfff' for char in key):
            raise ProgrammingError(f'{key!r} cannot be the name of a parameter', remedy='Give it characters that can be seen.')
        self.check_owner()
        write_picked(self, f'{self.datatype()}/parameters/addParam{{}}/addField', key, value)

    def get_param(self, key: str) -> str | None:
        """The value of one; `None` where there is none of that name. One request."""
        return self._params().get(key)

    def get_params(self, keys: list[str]) -> list[str | None]:
        """The values of several, in the order asked. One request."""
        found = self._params()
        return [found.get(key) for key in keys]

    def params(self) -> list[str]:
        """The names of all. One request."""
        return list(self._params())

    def _params(self) -> dict[str, str]:
        nodes = self.xpath('//xnat:parameters/xnat:addParam')
        return {node.get('name', ''): ''.join(node.xpath('text()')).strip() for node in nodes}
