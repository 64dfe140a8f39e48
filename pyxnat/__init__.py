"""pyxnat: XNAT in Python."""

from . import core
from .errors import Error
from .inspector import Inspector
from .interface import Interface
from .select import Select
from .tables import JsonTable
from .version import __version__

__all__ = ['Error', 'Inspector', 'Interface', 'JsonTable', 'Select', '__version__', 'core']
