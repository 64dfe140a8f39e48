"""Comparison of an item with its copy in another project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ... import errors
from ...model.copies import Item, copy_document, differences, values_of

__all__ = ['Pairs', 'check_fields', 'check_same', 'differing', 'extra', 'lacks']

_SHOWN = 5


class Pairs(NamedTuple):
    """Pairs of items, each with the copy that has its label."""

    source: str
    """ID of the project at the source: what it neither owns nor shares is not compared."""
    dest: str
    """ID of the project at the destination."""

    def of(self, item: Item, copy: Item | None) -> Iterator[tuple[Item, Item | None]]:
        """Yield an item and those below it, each with its copy.

        Parameters
        ----------
        item : Item
            Item at the source.
        copy : Item or None
            Its copy.
        """
        yield item, copy
        copies = self._by_label(copy)
        for below in item.below:
            if below.is_in(self.source):
                yield from self.of(below, copies.get((below.level, below.label_in(self.source))))

    def only_in_copy(self, item: Item, copy: Item) -> Iterator[Item]:
        """Yield the items directly below a copy that are not below its original.

        Parameters
        ----------
        item, copy : Item
            As yielded by `of`.
        """
        wanted = {
            (below.level, below.label_in(self.source))
            for below in item.below
            if below.is_in(self.source)
        }
        for key, below in self._by_label(copy).items():
            if key not in wanted:
                yield below

    def _by_label(self, copy: Item | None) -> dict[tuple[str, str], Item]:
        return {
            (below.level, below.label_in(self.dest)): below
            for below in (copy.below if copy is not None else ())
            if below.is_in(self.dest)
        }


def check_fields(item: Item, copy: Item, url: str) -> None:
    """Raise DuplicateError if an item at the destination has fields of other values.

    Parameters
    ----------
    item, copy : Item
        The item at the source, and that at the destination.
    url : str
        Address of the second.
    """
    other = differing(item, copy)
    if other:
        raise errors.DuplicateError(
            f'{", ".join(other[:_SHOWN])} exists with another value',
            uri=url,
            remedy='It may be another person; if not, copy with overwrite=True.',
        )


def differing(item: Item, copy: Item) -> list[str]:
    """Return the fields of an item that have other values at the destination."""
    return differences(_values(item), _values(copy))[1]


def lacks(pairs: Pairs, item: Item, copy: Item) -> bool:
    """Return whether a copy lacks something, or has other values.

    Fields, items, resources and files are compared.

    Parameters
    ----------
    pairs : Pairs
        Projects of both.
    item, copy : Item
        The item at the source, and its copy.
    """
    for one, other in pairs.of(item, copy):
        if other is None or _problems(one, other):
            return True
        counts = {(note.level, note.label): note.files for note in other.resources}
        if any(counts.get((note.level, note.label), -1) < note.files for note in one.resources):
            return True
    return False


def check_same(pairs: Pairs, item: Item, copy: Item, url: str) -> None:
    """Raise IntegrityError if the destination lacks something of an item or below.

    Parameters
    ----------
    pairs : Pairs
        Projects of both.
    item, copy : Item
        The item at the source, and its copy.
    url : str
        Address of the copy.
    """
    problems = [
        f'{one.level}/{one.label}{problem}'
        for one, other in pairs.of(item, copy)
        for problem in _problems(one, other)
    ]
    if problems:
        raise errors.IntegrityError(
            f'the copy differs in {", ".join(problems[:_SHOWN])}',
            uri=url,
            remedy='Copy once more with overwrite=True.',
        )


def _problems(item: Item, copy: Item | None) -> list[str]:
    """Return the fields that an item lacks at the destination.

    The items below it are left out.
    """
    if copy is None:
        return [' is missing']
    missing, other = differences(_values(item), _values(copy))
    return [f': {path}' for path in (*missing, *other)]


def extra(pairs: Pairs, item: Item, copy: Item) -> Iterator[str]:
    """Yield the parts that the source does not have, as sentences.

    Fields, items, resources and files.

    Parameters
    ----------
    pairs : Pairs
        Projects of both.
    item, copy : Item
        The item at the source, and its copy.
    """
    for one, other in pairs.of(item, copy):
        if other is None:
            continue
        place = f'{one.level}/{one.label_in(pairs.source)}'
        found = [path for path in _values(other) if path not in _values(one)]
        found += [f'{below.level}/{below.label}' for below in pairs.only_in_copy(one, other)]
        counts = {(note.level, note.label): note.files for note in one.resources}
        for note in other.resources:
            count = counts.get((note.level, note.label))
            if count is None:
                found.append(f'{note.level}/{note.label}')
            elif count < note.files:
                found.append(f'{note.files - count} files in {note.level}/{note.label}')
        if found:
            yield f'{place} has at the destination alone: {", ".join(found)}'


def _values(item: Item) -> dict[str, str]:
    return values_of(copy_document(item, scans=()))
