"""The module names of pyxnat 1.x, for programs that import them: ``pyxnat.core.errors`` is :mod:`pyxnat.errors`, the same module object.

The classes that stood in the package itself are here, too. Old modules without a counterpart (``derivatives``, ``downloadutils``, ``pathutil``) are
missing, so that importing them fails at once. ``pyxnat`` itself imports this package: programs write ``pyxnat.core.errors`` after no more than
``import pyxnat``.
"""

from __future__ import annotations

import sys
from types import ModuleType

from .. import cache, errors, interface, resources
from ..compat import xpass
from ..interface import Interface
from ..model import schemas, uris
from ..resources import attributes, pipelines, provenance
from ..services import arrays, inspector, manage, search, select, xpath_store
from ..services.inspector import Inspector
from ..services.manage import tags, users
from ..services.manage.saved_searches import SearchManager
from ..services.manage.users import Users
from ..services.select import Select
from ..tables import table

__all__ = ['OLD_NAMES', 'Inspector', 'Interface', 'SearchManager', 'Select', 'Users']

OLD_NAMES: dict[str, ModuleType] = {
    'array': arrays,
    'attributes': attributes,
    'cache': cache,
    'errors': errors,
    'help': inspector,
    'interfaces': interface,
    'jsonutil': table,
    'manage': manage,
    'pipelines': pipelines,
    'provenance': provenance,
    'resources': resources,
    'schema': schemas,
    'search': search,
    'select': select,
    'tags': tags,
    'uriutil': uris,
    'users': users,
    'xpass': xpass,
    'xpath_store': xpath_store,
}
"""Name of the module in pyxnat 1.x -> the module."""

_AT_THE_TOP = ('attributes', 'help', 'interfaces', 'jsonutil', 'schema', 'uriutil', 'users')
"""Those that ``import pyxnat`` showed as its own: ``pyxnat.jsonutil``."""


def _install() -> None:
    package = sys.modules[__name__]
    top = sys.modules[__name__.rpartition('.')[0]]
    for name, module in OLD_NAMES.items():
        sys.modules[f'{__name__}.{name}'] = module
        setattr(package, name, module)
    for name in _AT_THE_TOP:
        sys.modules[f'{top.__name__}.{name}'] = OLD_NAMES[name]
        setattr(top, name, OLD_NAMES[name])


_install()
