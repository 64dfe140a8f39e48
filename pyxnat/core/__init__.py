"""Module names of pyxnat 1.x, for programs that import them.

``pyxnat.core.errors`` is :mod:`pyxnat.errors`, the same module object, loaded on first access.
Modules with further old names (``uriutil``, ``jsonutil``, ``manage``, ``help``, ``schema``) are in
this folder. Old modules without a counterpart (``derivatives``, ``downloadutils``) are missing, so
that importing them fails at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..interface import Interface
    from ..services.inspector import Inspector
    from ..services.manage.saved_searches import SearchManager
    from ..services.manage.users import Users
    from ..services.select import Select

__all__ = ['OLD_CLASSES', 'OLD_NAMES', 'Inspector', 'Interface', 'SearchManager', 'Select', 'Users']

OLD_NAMES = {
    'array': 'services.arrays',
    'attributes': 'resources.attributes',
    'cache': 'cache',
    'errors': 'errors',
    'help': 'core.help',
    'interfaces': 'interface',
    'jsonutil': 'core.jsonutil',
    'manage': 'core.manage',
    'pathutil': 'core.pathutil',
    'pipelines': 'resources.pipelines',
    'provenance': 'resources.provenance',
    'resources': 'resources',
    'schema': 'core.schema',
    'search': 'services.search',
    'select': 'services.select',
    'tags': 'services.manage.tags',
    'uriutil': 'core.uriutil',
    'users': 'services.manage.users',
    'xpass': 'compat.xpass',
    'xpath_store': 'services.xpath_store',
}
"""Module below ``pyxnat.core`` in pyxnat 1.x -> module below ``pyxnat``."""

OLD_CLASSES = {
    'Inspector': 'services.inspector',
    'Interface': 'interface',
    'SearchManager': 'services.manage.saved_searches',
    'Select': 'services.select',
    'Users': 'services.manage.users',
}
"""Class of ``pyxnat.core`` itself -> its module below ``pyxnat``."""

_TOP = __name__.rpartition('.')[0]
_MODULES = {
    **{
        f'{__name__}.{old}': f'{_TOP}.{new}'
        for old, new in OLD_NAMES.items()
        if new != f'core.{old}'
    },
    **{f'{_TOP}.{old}': f'{_TOP}.{new}' for old, new in OLD_NAMES.items() if old != new},
}
"""Old full name -> new full name; ``pyxnat`` itself had them too: ``pyxnat.jsonutil``."""


class _OldNames:
    """Import hook that finds a module by its old name and loads the new one."""

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """Return a spec for an old name, `None` for any other.

        Parameters
        ----------
        name : str
            Full name of the module.
        _path, _target : object
            Passed by Python's import system and not used.
        """
        return ModuleSpec(name, self) if name in _MODULES else None  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        """Return `None`, so that Python creates the module.

        `exec_module` then replaces it.
        """

    def exec_module(self, module: ModuleType) -> None:
        """Put the new module into ``sys.modules`` under the old name."""
        sys.modules[module.__name__] = import_module(_MODULES[module.__name__])


sys.meta_path.insert(0, _OldNames())


def __getattr__(name: str) -> Any:
    """Load an old module or class on first access."""
    if name in OLD_NAMES:
        return import_module(f'{__name__}.{name}')
    if name in OLD_CLASSES:
        return getattr(import_module(f'{_TOP}.{OLD_CLASSES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*__all__, *OLD_NAMES, *(name for name in globals() if name.startswith('__'))})
