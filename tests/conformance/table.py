"""All facts, in the order of their sections."""

from __future__ import annotations

from . import section1, section2_items, section2_routes, section2_tables, section3, section5, section7
from .facts import LATER, Fact

__all__ = ['FACTS', 'SECTIONS']

SECTIONS = (section1, section2_routes, section2_tables, section2_items, section3, section5, section7)
_BEING_BUILT = (
    '1.1.3 2.1/7 2.1/13 2.1/25 2.1/32 2.3.11 2.4/1 2.4/10 2.6/33 2.6.1/2 2.6.1/3 2.6.1/4 2.6.1/5 2.6.1/6 2.6.1/7 2.6.1/8 2.6.1/9 '
    '2.7.11 2.8.3/5 2.8.3/8 2.11.12 2.11.11 3.1.6 3.1.8 3.1.14 3.1.12 3.4.14 3.5.2 3.5.1 3.5.4 3.5.6 3.6.2 5.1/4 5.2/11 5.2/12 '
    '5.2/13'
)
BEING_BUILT = frozenset(_BEING_BUILT.split())
_ROWS = [fact._replace(left_out=LATER) if fact.number in BEING_BUILT else fact for section in SECTIONS for fact in section.facts]
FACTS: tuple[Fact, ...] = tuple(sorted(_ROWS, key=lambda fact: fact.section))
