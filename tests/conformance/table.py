"""All facts, in the order of their sections."""

from __future__ import annotations

from . import section1
from .facts import LATER, Fact

__all__ = ['FACTS', 'SECTIONS']

SECTIONS = (section1,)
BEING_BUILT = frozenset(
    ['1.1.3', '1.1.8', '1.1.9', '1.2.12', '1.3/8', '1.8/a', '1.8/6', '1.8/8', '1.8/9', '1.8/10', '1.8/11', '1.8/12', '1.8/13', '1.8/14', '1.8/15']
)
_ROWS = [fact._replace(left_out=LATER) if fact.number in BEING_BUILT else fact for section in SECTIONS for fact in section.facts]
FACTS: tuple[Fact, ...] = tuple(sorted(_ROWS, key=lambda fact: fact.section))
