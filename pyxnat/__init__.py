"""pyxnat: XNAT in Python."""

from .errors import Error
from .interface import Interface
from .tables import JsonTable
from .version import __version__

__all__ = ['Error', 'Interface', 'JsonTable', '__version__']
