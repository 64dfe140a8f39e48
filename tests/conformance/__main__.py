"""``python -m tests.conformance``: how many facts hold, by section and by evidence, and which do not."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Sequence

from .facts import Fact
from .table import FACTS
from .world import Case, World

EVIDENCE = {'S': 'source', 'T': 'rest-tests', 'R': 'recorded', 'B': 'belief', 'M': 'measured'}


def main() -> int:
    """The exit status is 1 where a fact does not hold that the table says holds, or the other way round."""
    with World() as world:
        held = {fact.number: _holds(world, fact) for fact in FACTS if fact.check is not None}
    print(_table(held))
    missing = [fact for fact in FACTS if fact.check is not None and not held[fact.number]]
    print(f'\nleft out: {len(missing)}')
    for fact in missing:
        print(f'  {fact.number:8} {fact.evidence:3} {fact.words}: {fact.left_out or "FAILED"}')
    wrong = [fact.number for fact in FACTS if fact.check is not None and held[fact.number] is bool(fact.left_out)]
    if wrong:
        print(f'\nnot as the table says: {", ".join(wrong)}')
    return 1 if wrong else 0


def _holds(world: World, fact: Fact) -> bool:
    assert fact.check is not None
    try:
        fact.check(Case(world))
    except Exception as error:
        if not fact.left_out:
            print(f'{fact.number}: {"".join(traceback.format_exception_only(error)).strip()[:2000]}', file=sys.stderr)
        return False
    return True


def _table(held: dict[str, bool]) -> str:
    """A line for each section; a fact with two kinds of evidence counts in both columns."""
    sections = sorted({fact.section for fact in FACTS})
    lines = [['section', *EVIDENCE.values(), 'all', '', 'unseen']]
    for section in sections:
        lines.append([str(section), *_counts([fact for fact in FACTS if fact.section == section], held)])
    lines.append(['all', *_counts(FACTS, held)])
    proved = [fact for fact in FACTS if 2 <= fact.section <= 6 and set(fact.evidence) & {'S', 'T'}]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    drawn = '\n'.join('  '.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return f'{drawn}\n\nsections 2 to 6, source or rest-tests: {_count(proved, held)}, {_share(proved, held)}'


def _counts(facts: Sequence[Fact], held: dict[str, bool]) -> list[str]:
    by_evidence = [_count([fact for fact in facts if letter in fact.evidence], held) for letter in EVIDENCE]
    return [*by_evidence, _count(facts, held), _share(facts, held), str(sum(1 for fact in facts if fact.check is None))]


def _seen(facts: Iterable[Fact], held: dict[str, bool]) -> list[bool]:
    return [held[fact.number] for fact in facts if fact.check is not None]


def _count(facts: Iterable[Fact], held: dict[str, bool]) -> str:
    seen = _seen(facts, held)
    return f'{sum(seen)} of {len(seen)}' if seen else '-'


def _share(facts: Iterable[Fact], held: dict[str, bool]) -> str:
    seen = _seen(facts, held)
    return f'{100 * sum(seen) / len(seen):.1f} %' if seen else '-'


if __name__ == '__main__':
    sys.exit(main())
