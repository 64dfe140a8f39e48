"""pyxnat: XNAT in Python."""

from . import core
from .errors import Error
from .interface import Interface
from .services.inspector import Inspector
from .services.manage.saved_searches import SearchManager
from .services.manage.users import Users
from .services.select import Select
from .tables.table import JsonTable
from .version import __version__

__all__ = ['Error', 'Inspector', 'Interface', 'JsonTable', 'SearchManager', 'Select', 'Users', '__version__', 'core']
