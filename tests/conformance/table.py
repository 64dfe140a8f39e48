"""All facts, in the order of their sections."""

from __future__ import annotations

import re

from tests.conformance import (
    section1,
    section2_items,
    section2_routes,
    section2_tables,
    section3,
    section4,
    section5,
    section6,
    section7,
)

from .facts import Fact

__all__ = ['FACTS', 'SECTIONS']

SECTIONS = (
    section1,
    section2_routes,
    section2_tables,
    section2_items,
    section3,
    section4,
    section5,
    section6,
    section7,
)


def _place(fact: Fact) -> list[tuple[int, str]]:
    """Return the sort key of a number: 2.10 is after 2.9."""
    return [
        (int(part), '') if part.isdecimal() else (0, part)
        for part in re.findall(r'\d+|[a-z]+', fact.number)
    ]


FACTS: tuple[Fact, ...] = tuple(
    sorted((fact for section in SECTIONS for fact in section.facts), key=_place)
)
