"""Modules of other packages that are executed on first use.

httplib2 reads the header ``WWW-Authenticate`` with a grammar in its module ``auth``. Importing
pyparsing and building the grammar is a quarter of the processor time in which a program connects,
and no request of this package needs it.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

__all__ = ['defer']

_LOCK = threading.RLock()


def defer(package: str, name: str) -> None:
    """Execute a module of a package when one of its attributes is read first.

    Nothing changes if the package is already imported, is missing, has no such module, or is not
    in a folder or zip of ``sys.path``.

    Parameters
    ----------
    package : str
        Name of a package at the top level.
    name : str
        Name of the module in it.
    """
    parent = None if package in sys.modules else find_spec(package)
    if parent is None or parent.submodule_search_locations is None:
        return
    full_name = f'{package}.{name}'
    spec = PathFinder.find_spec(full_name, parent.submodule_search_locations)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        module.__class__ = _Deferred
        sys.modules[full_name] = module


class _Deferred(ModuleType):
    """A module that is not executed yet.

    That of :class:`importlib.util.LazyLoader` is executed as soon as an import statement reads its
    ``__spec__``, and in Python 3.10 it is not safe for threads.
    """

    def __getattr__(self, name: str) -> Any:
        """Execute the module; other threads wait for the end."""
        with _LOCK:
            spec = self.__spec__
            if type(self) is _Deferred and spec is not None and spec.loader is not None:
                self.__class__ = _Executed
                try:
                    spec.loader.exec_module(self)
                except BaseException:
                    self.__class__ = _Deferred  # the next access tries again
                    raise
                self.__class__ = ModuleType  # type: ignore[assignment]
        return ModuleType.__getattribute__(self, name)


class _Executed(_Deferred):
    """A module while it is executed.

    What it lacks so far is missing for its own thread.
    """
