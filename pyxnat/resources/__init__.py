"""Elements and collections: one pair of classes for each level of :data:`pyxnat.structure.LEVELS`."""

from .base import Collection, Element
from .factory import make_classes

globals().update(make_classes())

__all__ = sorted(['Collection', 'Element', *(name for name, value in globals().items() if isinstance(value, type) and hasattr(value, '_level'))])
