"""Filters of paths, with rsync's words: the first rule that matches decides.

::

    rule = ('+' | '-') blank pattern      in a file (--filter-from); '#' begins a comment
    --include PATTERN, --exclude PATTERN  on the command line, in their order

A pattern with a slash matches the whole path, one without any name on it. ``*`` stops at slashes,
``**`` does not. A path that no rule matches is included, unless there are only ``--include`` rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import InvalidArgument

__all__ = ['Filter', 'Rule', 'read_rules']


class Rule(NamedTuple):
    """One rule."""

    includes: bool
    pattern: str

    def matches(self, path: str) -> bool:
        """Whether the rule applies to a path with ``/``."""
        if '/' in self.pattern.strip('/'):
            return _regex(self.pattern.strip('/')).fullmatch(path) is not None
        return any(_regex(self.pattern.strip('/')).fullmatch(name) for name in path.split('/'))


class Filter:
    """Decides which paths belong to a transfer.

    Examples
    --------
    >>> only_headers = Filter([Rule(True, '*.json'), Rule(False, '*')])
    >>> only_headers('S/E/1/NIFTI/a.json'), only_headers('S/E/1/NIFTI/a.nii')
    (True, False)
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = list(rules)
        self._default = not rules or not all(rule.includes for rule in rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __call__(self, path: str) -> bool:
        """Whether a path belongs to the transfer."""
        for rule in self.rules:
            if rule.matches(path):
                return rule.includes
        return self._default


def read_rules(path: Path) -> list[Rule]:
    """Read the rules of a file.

    Raises
    ------
    InvalidArgument
        A line is no rule.
    """
    rules = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        text = line.strip()
        if not text or text.startswith('#'):
            continue
        sign, _, pattern = text.partition(' ')
        if sign not in ('+', '-') or not pattern.strip():
            raise InvalidArgument(
                f'{path}, line {number}: no rule: {text!r}',
                remedy='Write "+ PATTERN" or "- PATTERN".',
            )
        rules.append(Rule(sign == '+', pattern.strip()))
    return rules


def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r'(\*\*|\*|\?)', pattern)
    words = {'**': '.*', '*': '[^/]*', '?': '[^/]'}
    return re.compile(''.join(words.get(part) or re.escape(part) for part in parts), re.DOTALL)
