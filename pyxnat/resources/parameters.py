"""Additional parameters of scans and assessors: free pairs of name and text in the XNAT document."""

from __future__ import annotations

from ..errors import ProgrammingError
from .base import Element

__all__ = ['Parameters']


class Parameters(Element):
    """An element with additional parameters."""

    def set_param(self, key: str, value: str) -> None:
        """Set one. One request (and one for the type, if that is not known yet)."""
        if any(char in key for char in '[]=') or not key:
            raise ProgrammingError(f'{key!r} cannot be the name of a parameter', remedy='Leave out brackets and equal signs.')
        self.attrs.set(f'{self.datatype()}/parameters/addParam[name={key}]/addField', value)

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
