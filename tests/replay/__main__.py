"""``python -m tests.replay [--all] FILE...``: compare this server with recorded responses."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from .playing import Outcome, play


def main() -> int:
    """Run the command.

    The exit status is 1 if a response has a difference that is not intended.
    """
    parser = argparse.ArgumentParser(prog='python -m tests.replay', description=__doc__)
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE')
    parser.add_argument('--only', default='', help='show differences of places that begin so')
    parser.add_argument('--quiet', action='store_true', help='print the counts alone')
    options = parser.parse_args()
    counts = {path: _shown(play(path), options) for path in options.files}
    width = max(len(path.stem) for path in options.files)
    print(f'{"file".ljust(width)}  alike  on purpose  different')
    for path, count in counts.items():
        print(
            f'{path.stem.ljust(width)}  {count["alike"]:5}  {count["meant"]:10}  '
            f'{count["different"]:9}'
        )
    total = sum(counts.values(), Counter())
    print(f'{"all".ljust(width)}  {total["alike"]:5}  {total["meant"]:10}  {total["different"]:9}')
    return 1 if total['different'] else 0


def _shown(outcomes: list[Outcome], options: argparse.Namespace) -> Counter[str]:
    count: Counter[str] = Counter()
    for outcome in outcomes:
        kind = 'alike' if outcome.alike else 'meant' if outcome.reason else 'different'
        count[kind] += 1
        if (
            kind == 'different'
            and not options.quiet
            and outcome.exchange.place.startswith(options.only)
        ):
            exchange = outcome.exchange
            print(f'\n{exchange.place} ({exchange.by}) {exchange.method} {exchange.path}')
            for difference in outcome.differences:
                print(f'  {difference}')
    return count


if __name__ == '__main__':
    sys.exit(main())
