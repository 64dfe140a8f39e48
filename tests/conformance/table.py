"""All facts, in the order of their sections."""

from __future__ import annotations

from . import section1, section2_items, section2_routes, section2_tables, section3, section4, section5, section6, section7
from .facts import LATER, Fact

__all__ = ['FACTS', 'SECTIONS']

SECTIONS = (section1, section2_routes, section2_tables, section2_items, section3, section4, section5, section6, section7)
_BEING_BUILT = '4.4.19 4.1.6'
BEING_BUILT = frozenset(_BEING_BUILT.split())
_ROWS = [fact._replace(left_out=LATER) if fact.number in BEING_BUILT else fact for section in SECTIONS for fact in section.facts]
FACTS: tuple[Fact, ...] = tuple(sorted(_ROWS, key=lambda fact: fact.section))
