"""Elements and collections: one pair of classes for each level of :data:`pyxnat.model.levels.LEVELS`."""

from .base import Element
from .collection import Collection
from .factory import make_classes

globals().update(make_classes())

__all__ = ['Collection', 'Element', *(name for name, value in globals().items() if isinstance(value, type) and hasattr(value, 'level'))]
__all__.sort()
