"""The module names of pyxnat 1.x, for programs that import them.

``pyxnat.core.errors`` is :mod:`pyxnat.errors`, the same module object, and is loaded when it
is first asked for. Old modules without a counterpart (``derivatives``, ``downloadutils``,
``pathutil``) are missing, so that importing them fails at once.
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
    'help': 'services.inspector',
    'interfaces': 'interface',
    'jsonutil': 'tables',
    'manage': 'services.manage',
    'pipelines': 'resources.pipelines',
    'provenance': 'resources.provenance',
    'resources': 'resources',
    'schema': 'model.schemas',
    'search': 'services.search',
    'select': 'services.select',
    'tags': 'services.manage.tags',
    'uriutil': 'model.uris',
    'users': 'services.manage.users',
    'xpass': 'compat.xpass',
    'xpath_store': 'services.xpath_store',
}
"""Name of the module below ``pyxnat.core`` in pyxnat 1.x -> the module below ``pyxnat``."""

OLD_CLASSES = {
    'Inspector': 'services.inspector',
    'Interface': 'interface',
    'SearchManager': 'services.manage.saved_searches',
    'Select': 'services.select',
    'Users': 'services.manage.users',
}
"""Class that ``pyxnat.core`` itself had -> its module below ``pyxnat``."""

_TOP = __name__.rpartition('.')[0]
_MODULES = {
    **{f'{__name__}.{old}': f'{_TOP}.{new}' for old, new in OLD_NAMES.items()},
    **{f'{_TOP}.{old}': f'{_TOP}.{new}' for old, new in OLD_NAMES.items() if old != new},
}
"""Old full name -> new full name. ``pyxnat`` itself showed the modules of its core, too: ``pyxnat.jsonutil``."""


class _OldNames:
    """Finds a module under its old name, and loads it under its new one."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Answer for the old names alone."""
        return ModuleSpec(name, self) if name in _MODULES else None  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave it to Python to make a module, which `exec_module` then replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the new module in the place of the old one."""
        sys.modules[module.__name__] = import_module(_MODULES[module.__name__])


sys.meta_path.insert(0, _OldNames())


def __getattr__(name: str) -> Any:
    """Load an old module, or a class of the package, when it is first asked for."""
    if name in OLD_NAMES:
        return import_module(f'{__name__}.{name}')
    if name in OLD_CLASSES:
        return getattr(import_module(f'{_TOP}.{OLD_CLASSES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*__all__, *OLD_NAMES, *(name for name in globals() if name.startswith('__'))})
