"""Differences of two sorted lists of lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .lines import Entry, FileLine, Line, damaged, entries

__all__ = ['Change', 'LockDiff', 'compare', 'compare_files']

_SHOWN = 20


class Change(NamedTuple):
    """One difference."""

    kind: str
    """``changed``, ``moved``, ``gone`` or ``new``."""
    path: str
    """Path before; that after for ``new``."""
    detail: str
    """Difference: ``md5``, ``size``, names of fields, or the new path."""

    def __str__(self) -> str:
        return f'{self.kind:7}  {self.path}' + (f'  ({self.detail})' if self.detail else '')


class LockDiff:
    """Differences of a lock file and something else.

    Parameters
    ----------
    changes : list of Change
        The differences, by path.
    same : int
        Number of lines without a difference.

    Attributes
    ----------
    changes : list of Change
        The differences.
    same : int
        Number of items and files without a difference.
    """

    def __init__(self, changes: list[Change], same: int) -> None:
        self.changes = changes
        self.same = same

    @property
    def is_clean(self) -> bool:
        """Whether there is no difference."""
        return not self.changes

    def of(self, kind: str) -> list[str]:
        """Return the paths of one kind of difference.

        ``changed``, ``moved``, ``gone``, ``new``.
        """
        return [change.path for change in self.changes if change.kind == kind]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __repr__(self) -> str:
        counts = ', '.join(
            f'{len(self.of(kind))} {kind}' for kind in ('moved', 'changed', 'gone', 'new')
        )
        return f'<LockDiff: {self.same} same, {counts}>'

    def __str__(self) -> str:
        rest = len(self.changes) - _SHOWN
        lines = [repr(self)[1:-1], *map(str, self.changes[:_SHOWN])]
        return '\n'.join([*lines, *([f'… and {rest} more in .changes'] if rest > 0 else [])])


def compare_files(old: Path, new: Path) -> LockDiff:
    """Compare two lock files; memory holds the differences alone.

    A file that is gone, while one with its size and digest is new, was moved. Lines with the same
    text are not parsed.

    Parameters
    ----------
    old, new : Path
        The files.

    Raises
    ------
    DataError
        One is no lock file, or a line that differs is damaged or not in its place.
    """
    changes: list[Change] = []
    gone: list[Line] = []
    added: list[Line] = []
    same = 0
    for before, after in _pairs(entries(old), entries(new)):
        if before is None or after is None:
            gone += [before.line] if before is not None else []
            added += [after.line] if after is not None else []
        elif before.text == after.text:
            same += 1
        elif detail := _difference(before.line, after.line):
            changes.append(Change('changed', before.line.path, detail))
        else:
            same += 1
    return _diff(changes, gone, added, same)


def compare(old: Mapping[str, FileLine], new: Mapping[str, FileLine]) -> LockDiff:
    """Compare files by their places.

    Parameters
    ----------
    old, new : mapping of str to FileLine
        Place -> file.
    """
    both = old.keys() & new.keys()
    details = {place: _difference(old[place], new[place]) for place in both}
    changes = [Change('changed', place, detail) for place, detail in details.items() if detail]
    gone: list[Line] = [old[place] for place in sorted(old.keys() - both)]
    added: list[Line] = [new[place] for place in sorted(new.keys() - both)]
    return _diff(changes, gone, added, len(both) - len(changes))


def _diff(changes: list[Change], gone: list[Line], added: list[Line], same: int) -> LockDiff:
    return LockDiff(sorted([*changes, *_moved(gone, added)], key=lambda one: one.path), same)


def _pairs(
    old: Iterator[Entry], new: Iterator[Entry]
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield the lines of both files, those of one key together."""
    before, after = next(old, None), next(new, None)
    while before is not None or after is not None:
        if before is not None and after is not None and before.text == after.text:
            yield before, after
            before, after = next(old, None), next(new, None)
        elif after is None or (before is not None and before.key < after.key):
            yield before, None
            before = _following(before, old)
        elif before is None or after.key < before.key:
            yield None, after
            after = _following(after, new)
        else:
            yield before, after
            before, after = _following(before, old), _following(after, new)


def _following(before: Entry | None, rest: Iterator[Entry]) -> Entry | None:
    """Return the next line.

    Raises
    ------
    DataError
        It is not behind the line before.
    """
    after = next(rest, None)
    if before is not None and after is not None and after.key <= before.key:
        raise damaged(after)
    return after


def _difference(before: Line, after: Line) -> str:
    """Return the names of the differences of two lines of one path."""
    if isinstance(before, FileLine) and isinstance(after, FileLine):
        found = [] if before.size == after.size else ['size']
        if before.md5 and after.md5 and before.md5 != after.md5:
            found.append('md5')
        return ', '.join(found)
    first, second = _values(before), _values(after)
    return ', '.join(
        name for name in sorted({*first, *second}) if first.get(name) != second.get(name)
    )


def _values(line: Line) -> dict[str, Any]:
    values = dict(line._asdict())
    return {**values.pop('fields', {}), **values}


def _moved(gone: list[Line], added: list[Line]) -> Iterator[Change]:
    """Yield the changes of lines that only one side has."""
    by_content: dict[tuple[Any, ...], list[FileLine]] = defaultdict(list)
    for line in added:
        if isinstance(line, FileLine) and line.md5:
            by_content[line.size, line.md5].append(line)
    found = set()
    for before in gone:
        content = (before.size, before.md5) if isinstance(before, FileLine) else ()
        if by_content.get(content):
            after = by_content[content].pop(0)
            found.add(after.path)
            yield Change('moved', before.path, after.path)
        else:
            yield Change('gone', before.path, '')
    for line in added:
        if not (isinstance(line, FileLine) and line.path in found):
            yield Change('new', line.path, '')
