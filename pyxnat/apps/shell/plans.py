"""Plans: the steps of a verb as JSON lines, to be read and then done exactly.

The first line names the verb, the server and its arguments; each other line is one file or element
with its present state. A plan is done only if the states are still the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import IntegrityError, InvalidArgument

__all__ = ['Plan', 'Row', 'read_plan']

_VERSION = 1

Row = dict[str, Any]


class Plan(NamedTuple):
    """Steps of a verb."""

    verb: str
    server: str
    arguments: dict[str, Any]
    """Arguments of the verb, which give the same rows while the archive is the same."""
    rows: list[Row]
    """One for each file or element; ``path`` names it."""

    def write(self, path: Path) -> None:
        """Write the plan to a file."""
        head = {'plan': _VERSION, **self._asdict()}
        del head['rows']
        lines = [json.dumps(line, ensure_ascii=False) for line in (head, *self.rows)]
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')

    def check(self, rows: Sequence[Row]) -> None:
        """Check that the rows of the same arguments are still the same.

        Raises
        ------
        IntegrityError
            Something has changed since the plan was written.
        """
        before, now = ({row['path']: row for row in some} for some in (self.rows, rows))
        changes = {
            'gone': sorted(before.keys() - now.keys()),
            'new': sorted(now.keys() - before.keys()),
            'changed': sorted(
                path for path in before.keys() & now.keys() if before[path] != now[path]
            ),
        }
        texts = [
            f'{len(paths)} {word} ({", ".join(paths[:3])}{", …" if len(paths) > 3 else ""})'
            for word, paths in changes.items()
            if paths
        ]
        if texts:
            raise IntegrityError(
                f'since the plan was written: {"; ".join(texts)}',
                remedy='Nothing was done. Write a new plan.',
            )


def read_plan(path: Path, verb: str, server: str) -> Plan:
    """Read the plan of a verb.

    Parameters
    ----------
    path : Path
        The file.
    verb : str
        Verb that is to do it.
    server : str
        Server of the login.

    Raises
    ------
    InvalidArgument
        The file is no plan, or one of another verb or server.
    """
    try:
        head, *rows = (
            json.loads(line) for line in path.read_text(encoding='utf-8').splitlines() if line
        )
        plan = Plan(head['verb'], head['server'], dict(head['arguments']), rows)
        is_plan = head['plan'] == _VERSION and all(isinstance(row['path'], str) for row in rows)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f'{path} is no plan: {error}', remedy='Write one with --plan.') from (
            error
        )
    if not is_plan or plan.verb != verb:
        raise InvalidArgument(
            f'{path} is a plan of {plan.verb}, not of {verb}', remedy=f'pyxnat {plan.verb} --apply'
        )
    if plan.server != server:
        raise InvalidArgument(
            f'{path} is a plan for {plan.server}, not for {server}', remedy='Choose its profile.'
        )
    return plan
