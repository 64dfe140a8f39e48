"""pyxnat: XNAT in Python."""

from . import core
from .errors import Error
from .inspector import Inspector
from .interface import Interface
from .manage.search import SearchManager
from .manage.users import Users
from .select import Select
from .tables import JsonTable
from .version import __version__

__all__ = ['Error', 'Inspector', 'Interface', 'JsonTable', 'SearchManager', 'Select', 'Users', '__version__', 'core']
