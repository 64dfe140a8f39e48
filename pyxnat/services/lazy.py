"""Services that are loaded on first access."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ['forget', 'service']


def service(path: str, host: str = '') -> Any:
    """Return an attribute for a class: a service that is imported and made on first access.

    Parameters
    ----------
    path : str
        Module below ``pyxnat``, and class: ``services.sheets.Sheets``.
    host : str
        Attribute of the object that is the Interface; by default the object itself is.
    """
    return _Service(path, host)


def forget(interface: Any) -> None:
    """Make the services of an Interface again on access, for another connection."""
    for cls in type(interface).__mro__:
        for name, value in vars(cls).items():
            if isinstance(value, _Service):
                interface.__dict__.pop(name, None)


class _Service:
    """A service that is imported and made on first access."""

    def __init__(self, path: str, host: str) -> None:
        self._module, _, self._class = path.rpartition('.')
        self._host = host

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        cls = getattr(import_module(f'..{self._module}', __package__), self._class)
        made = cls(getattr(instance, self._host) if self._host else instance)
        # all threads get the service of the first
        return instance.__dict__.setdefault(self._name, made)
