"""Elements and collections.

Each level of :data:`pyxnat.model.levels.LEVELS` has a class for its elements and one for its
collections.
"""

from .base import Element
from .collection import Collection
from .factory import make_classes

globals().update(make_classes())
globals().update(EObject=Element, CObject=Collection)  # names of pyxnat 1.x

__all__ = [
    'Collection',
    'Element',
    *(
        name
        for name, value in globals().items()
        if isinstance(value, type) and hasattr(value, 'level')
    ),
]
__all__.sort()
