"""Tests of the archive server against the facts, one test for each.

The numbers and evidence are compared with the reference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .facts import Fact
from .table import FACTS
from .world import Case, World


def marked(fact: Fact) -> object:
    """Mark a fact that is left out: its check must fail, so the table stays true."""
    marks = [pytest.mark.xfail(strict=True, reason=fact.left_out)] if fact.left_out else []
    return pytest.param(fact, id=fact.number, marks=marks)


@pytest.mark.parametrize('fact', [marked(fact) for fact in FACTS if fact.check is not None])
def test_fact(world: World, fact: Fact) -> None:
    assert fact.check is not None
    fact.check(Case(world))


def test_every_fact_has_one_row_with_evidence() -> None:
    assert [
        number for number, times in Counter(fact.number for fact in FACTS).items() if times > 1
    ] == []
    for fact in FACTS:
        assert set(fact.evidence) <= set('STRBM') and fact.evidence, fact
        assert (fact.check is None) is bool(fact.unseen), fact


def test_numbers_and_evidence_are_those_of_the_reference(reference: Path) -> None:
    path = reference / 'spec' / 'xnat-rest.md'
    if not path.is_file():
        pytest.skip('the reference has no spec/xnat-rest.md')
    wanted = dict(numbers_with_evidence(path.read_text(encoding='utf-8')))
    ours = {
        fact.number: frozenset(fact.evidence) - {'M'}
        for fact in FACTS
        if not fact.number[-1].isalpha() or fact.number in wanted
    }
    sections = {fact.section for fact in FACTS}
    assert {number for number in wanted if int(number[0]) in sections} - set(ours) == set()
    assert set(ours) - set(wanted) == set()
    assert {
        number: set(evidence) for number, evidence in ours.items() if evidence != wanted[number]
    } == {}


def numbers_with_evidence(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield number and evidence of all rows of the reference's tables in sections 1 to 7, numbered
    as in `facts`."""
    section, header, counts = '', None, Counter[str]()
    for line in text.splitlines():
        if line.startswith('#'):
            found = re.match(r'#{2,4} (\d+(?:\.\d+)*)\.? ', line)
            section, header = found.group(1) if found else section, None
        elif not line.startswith('|'):
            header = None
        elif section[:1] in tuple('1234567') and not section.startswith('10'):
            cells = [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
            if header is None:
                header = cells
            elif set(''.join(cells)) - set('-: '):
                yield _number(section, header, cells, counts), _evidence(header, cells)


def _number(section: str, header: list[str], cells: list[str], counts: Counter[str]) -> str:
    if header[0] == '#':
        return cells[0] if '.' in cells[0] else f'{section}/{cells[0]}'
    counts[section] += 1
    return f'{section}/{counts[section]}'


def _evidence(header: list[str], cells: list[str]) -> frozenset[str]:
    """Return the letters of the row's column; S for tables with one evidence for all rows."""
    column = next((place for place, name in enumerate(header) if name.startswith('Ev')), None)
    if column is None or column >= len(cells):
        return frozenset('S')
    return frozenset(
        re.findall(r'\b([STRB])\b', re.sub(r'\([^)]*\)', '', cells[column]))
    ) or frozenset('S')
