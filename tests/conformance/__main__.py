"""``python -m tests.conformance [--url URL --user U --password P]``: count the facts that hold.

It counts by section and by evidence, and lists the facts that do not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .facts import Fact
from .remote import Inside, Remote
from .table import FACTS
from .world import PASSWORDS, Case, World

EVIDENCE = {'S': 'source', 'T': 'rest-tests', 'R': 'recorded', 'B': 'belief', 'M': 'measured'}


SWEEP = 20
"""Number of facts after which the sessions of all users are ended on a remote server."""


def main() -> int:
    """Run the command.

    The exit status is 1 if a fact does not hold that the table says holds, or the other way round.
    """
    parser = argparse.ArgumentParser(prog='python -m tests.conformance', description=__doc__)
    parser.add_argument(
        '--url', help='a server that is there for tests; without it archives are served here'
    )
    parser.add_argument('--user', default='admin', help='its administrator, best one of that name')
    parser.add_argument('--password', help='by default what CONFORMANCE_PASSWORD holds')
    parser.add_argument('--only', default='', help='facts whose numbers begin so')
    options = parser.parse_args()
    facts = [fact for fact in FACTS if fact.number.startswith(options.only)]
    if not options.url:
        with World() as world:
            return _report(facts, dict(_asked(world, facts)), elsewhere=False)
    remote = Remote(
        options.url, options.user, options.password or os.environ['CONFORMANCE_PASSWORD']
    )
    with World(remote) as world, contextlib.closing(remote):
        return _report(facts, dict(_asked(world, facts)), elsewhere=True)


def _asked(world: World, facts: Sequence[Fact]) -> Iterator[tuple[str, bool]]:
    """Yield the number of each fact that can be checked, and whether it holds."""
    skipped = []
    for count, fact in enumerate((fact for fact in facts if fact.check is not None), 1):
        try:
            yield fact.number, _holds(world, fact)
        except Inside:
            skipped.append(fact.number)
        if world.remote is not None and count % SWEEP == 0:
            world.remote.end_sessions([world.remote.user, *PASSWORDS])
    if skipped:
        print(f'{len(skipped)} facts need an archive that is served here: {", ".join(skipped)}\n')


def _report(facts: Sequence[Fact], held: Mapping[str, bool], elsewhere: bool) -> int:
    """Print the table and the facts that do not hold.

    On a remote server every fact is expected to hold, including those that this archive leaves out.
    """
    print(_table(facts, held))
    missing = [fact for fact in facts if held.get(fact.number) is False]
    print(f'\n{"not held" if elsewhere else "left out"}: {len(missing)}')
    for fact in missing:
        print(
            f'  {fact.number:8} {fact.evidence:3} '
            f'{fact.words}{"" if elsewhere else ": " + (fact.left_out or "FAILED")}'
        )
    wrong = [
        fact.number
        for fact in facts
        if fact.number in held and held[fact.number] is (bool(fact.left_out) and not elsewhere)
    ]
    if wrong:
        print(f'\nnot as the table says: {", ".join(wrong)}')
    return 1 if wrong else 0


def _holds(world: World, fact: Fact) -> bool:
    assert fact.check is not None
    try:
        fact.check(Case(world))
    except Inside:
        raise
    except Exception as error:
        if not fact.left_out or world.remote is not None:
            print(
                f'{fact.number}: {"".join(traceback.format_exception_only(error)).strip()[:2000]}',
                file=sys.stderr,
            )
        return False
    return True


def _table(facts: Sequence[Fact], held: Mapping[str, bool]) -> str:
    """Return a line for each section; a fact with two kinds of evidence counts in both columns."""
    sections = sorted({fact.section for fact in facts})
    lines = [['section', *EVIDENCE.values(), 'all', '', 'unseen']]
    for section in sections:
        lines.append(
            [str(section), *_counts([fact for fact in facts if fact.section == section], held)]
        )
    lines.append(['all', *_counts(facts, held)])
    proved = [fact for fact in facts if 2 <= fact.section <= 6 and set(fact.evidence) & {'S', 'T'}]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    drawn = '\n'.join(
        '  '.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return (
        f'{drawn}\n\nsections 2 to 6, source or rest-tests: {_count(proved, held)}, '
        f'{_share(proved, held)}'
    )


def _counts(facts: Sequence[Fact], held: Mapping[str, bool]) -> list[str]:
    by_evidence = [
        _count([fact for fact in facts if letter in fact.evidence], held) for letter in EVIDENCE
    ]
    return [
        *by_evidence,
        _count(facts, held),
        _share(facts, held),
        str(sum(1 for fact in facts if fact.check is None)),
    ]


def _seen(facts: Iterable[Fact], held: Mapping[str, bool]) -> list[bool]:
    return [held[fact.number] for fact in facts if fact.number in held]


def _count(facts: Iterable[Fact], held: Mapping[str, bool]) -> str:
    seen = _seen(facts, held)
    return f'{sum(seen)} of {len(seen)}' if seen else '-'


def _share(facts: Iterable[Fact], held: Mapping[str, bool]) -> str:
    seen = _seen(facts, held)
    return f'{100 * sum(seen) / len(seen):.1f} %' if seen else '-'


if __name__ == '__main__':
    sys.exit(main())
