"""Services and functions that are loaded when they are used first."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ['forget', 'function', 'service']


def function(path: str) -> Callable[..., Any]:
    """Return a function, or a class, that is imported when it is called first.

    Parameters
    ----------
    path : str
        Module below ``pyxnat``, and function: ``services.bulk.insert.insert``.
    """
    module, _, name = path.rpartition('.')

    def call(*values: Any, **options: Any) -> Any:
        return _load(module, name)(*values, **options)

    return call


def _load(module: str, name: str) -> Any:
    return getattr(import_module(f'..{module}', __package__), name)


def service(path: str, host: str = '') -> Any:
    """Return an attribute for a class: a service that is made on first access.

    Its module is imported then.

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
        cls = _load(self._module, self._class)
        made = cls(getattr(instance, self._host) if self._host else instance)
        # all threads get the service of the first
        return instance.__dict__.setdefault(self._name, made)
