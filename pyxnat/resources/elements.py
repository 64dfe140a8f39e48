"""What single levels can do besides: attached to the generated classes by :mod:`pyxnat.resources.factory`."""

from __future__ import annotations

from .base import Element
from .files import FileElement, ResourceElement

__all__ = ['BEHAVIOUR']

BEHAVIOUR: dict[str, type[Element]] = {
    'resources': ResourceElement,
    'in_resources': ResourceElement,
    'out_resources': ResourceElement,
    'files': FileElement,
}
"""Plural name of a level -> the class its element class derives from; :class:`Element` where none stands here."""
