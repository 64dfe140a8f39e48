"""Python client for XNAT.

::

    import pyxnat

    with pyxnat.Interface('https://xnat.example.org', 'me', 'secret') as xnat:
        for session in xnat.select('/projects/P/subjects/*/experiments/*'):
            print(session.label())
        xnat.select.project('P').subject('S1').download('images')

`Interface` has everything else: ``select``, ``inspect``, ``manage``, ``array``, ``draw``,
``prefetch``, ``cache``. ``help(pyxnat.Interface)`` goes on from here; on the command line
``pyxnat --help``. Errors are subclasses of `Error` (:mod:`pyxnat.errors`); at an IPython prompt
they show their message, and ``%tb`` the traceback.

Each public name is loaded on first access.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import core
from .version import __version__

if TYPE_CHECKING:
    from .apps.folders import open as open  # noqa: A004
    from .apps.here import here as here
    from .apps.sites import Sites
    from .apps.sync import Mirror
    from .errors import Error
    from .interface import Interface
    from .services.inspector import Inspector
    from .services.lock import Lock
    from .services.manage.saved_searches import SearchManager
    from .services.manage.users import Users
    from .services.select import Select
    from .tables import JsonTable

__all__ = [
    'Error',
    'Inspector',
    'Interface',
    'JsonTable',
    'Lock',
    'Mirror',
    'SearchManager',
    'Select',
    'Sites',
    'Users',
    '__version__',
    'core',
]

_CLASSES = {
    **core.OLD_CLASSES,
    'Error': 'errors',
    'JsonTable': 'tables',
    'Lock': 'services.lock',
    'Mirror': 'apps.sync',
    'Sites': 'apps.sites',
}
_FUNCTIONS = {'here': 'apps.here', 'open': 'apps.folders'}
"""Functions that ``from pyxnat import *`` does not import: their names are common words."""
_MODULES = frozenset(
    {
        *core.OLD_NAMES,
        'compat',
        'files',
        'http',
        'interface',
        'model',
        'query',
        'services',
        'tables',
    }
)
"""Modules and packages that are attributes of ``pyxnat`` without an import of their own."""


def __getattr__(name: str) -> Any:
    """Load a public class or a module of the client on first access."""
    module = _CLASSES.get(name) or _FUNCTIONS.get(name)
    if module is not None:
        return getattr(import_module(f'{__name__}.{module}'), name)
    if name in _MODULES:
        return import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    """Return the names that a user needs; modules are attributes, too."""
    return sorted({*__all__, *(name for name in globals() if name.startswith('__'))})
