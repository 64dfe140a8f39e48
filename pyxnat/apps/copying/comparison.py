"""Comparison of an item with its copy in another project."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from ... import errors
from ...model.copies import Item, differences, values_of_item

__all__ = ['Comparison', 'Pair', 'check_fields']

_SHOWN = 5


class Pair:
    """An item and its copy, without those below them.

    Parameters
    ----------
    item : Item
        The item at the source.
    copy : Item or None
        Its copy, if there is one.
    """

    def __init__(self, item: Item, copy: Item | None) -> None:
        self.item = item
        self.copy = copy

    @cached_property
    def _wanted(self) -> dict[str, str]:
        return values_of_item(self.item)

    @cached_property
    def _present(self) -> dict[str, str]:
        return values_of_item(self.copy) if self.copy is not None else {}

    @property
    def differing(self) -> list[str]:
        """The fields that have other values at the destination."""
        return differences(self._wanted, self._present)[1]

    @property
    def problems(self) -> list[str]:
        """What the copy lacks of the fields, as ends of sentences."""
        if self.copy is None:
            return [' is missing']
        missing, other = differences(self._wanted, self._present)
        return [f': {path}' for path in (*missing, *other)]

    @property
    def extra_fields(self) -> list[str]:
        """The fields that the copy alone has."""
        return [path for path in self._present if path not in self._wanted]

    @property
    def lacks_files(self) -> bool:
        """Whether a resource of the copy is missing, or has fewer files.

        An input without files is not counted: XNAT creates it with its first file alone.
        """
        present = _number_of_files(self.copy)
        return any(
            present.get((level, label), 0 if level == 'in_resources' else -1) < number
            for (level, label), number in _number_of_files(self.item).items()
        )

    @property
    def missing_resources(self) -> list[str]:
        """The resources that the copy does not have."""
        present = _number_of_files(self.copy)
        wanted = _number_of_files(self.item)
        return [f'{level}/{label}' for level, label in wanted if (level, label) not in present]

    @property
    def extra_files(self) -> list[str]:
        """The resources that the copy alone has, and the number of files in the others."""
        wanted, found = _number_of_files(self.item), []
        for (level, label), number in _number_of_files(self.copy).items():
            more = number - wanted.get((level, label), 0)
            if (level, label) not in wanted:
                found.append(f'{level}/{label}')
            elif more > 0:
                found.append(f'{more} files in {level}/{label}')
        return found


def _number_of_files(item: Item | None) -> dict[tuple[str, str], int]:
    """Return level and label of each resource of an item -> number of its files."""
    resources = item.resources if item is not None else []
    return {(note.level, note.label): note.files for note in resources}


def check_fields(item: Item, copy: Item, url: str) -> None:
    """Raise DuplicateError if an item at the destination has fields of other values.

    Parameters
    ----------
    item, copy : Item
        The item at the source, and that at the destination.
    url : str
        Address of the second.
    """
    other = Pair(item, copy).differing
    if other:
        raise errors.DuplicateError(
            f'{", ".join(other[:_SHOWN])} exists with another value',
            uri=url,
            remedy='It may be another person; if not, copy with overwrite=True.',
        )


class Comparison:
    """Comparison of an item and those below it with their copies.

    Copies have the same labels.

    Parameters
    ----------
    item, copy : Item
        The item at the source, and its copy.
    source : str
        ID of the project at the source: what it neither owns nor shares is not compared.
    dest : str
        ID of the project at the destination.

    Attributes
    ----------
    pairs : list of Pair
        The item and those below it, each with its copy.
    """

    def __init__(self, item: Item, copy: Item, source: str, dest: str) -> None:
        self._source = source
        self._dest = dest
        self.pairs = list(self._pairs(item, copy))

    def _pairs(self, item: Item, copy: Item | None) -> Iterator[Pair]:
        yield Pair(item, copy)
        copies = _by_label(copy, self._dest)
        for below in item.below:
            if below.is_in(self._source):
                key = (below.level, below.label_in(self._source))
                yield from self._pairs(below, copies.get(key))

    @property
    def is_complete(self) -> bool:
        """Whether the copy lacks nothing and has no other values.

        Fields, items, resources and numbers of files.
        """
        return not any(pair.problems or pair.lacks_files for pair in self.pairs)

    def check(self, url: str) -> None:
        """Raise IntegrityError if the copy lacks something, or has another value.

        Files are compared by the upload.

        Parameters
        ----------
        url : str
            Address of the copy.
        """
        problems = [
            f'{pair.item.level}/{pair.item.label}{problem}'
            for pair in self.pairs
            for problem in pair.problems
        ]
        if problems:
            raise errors.IntegrityError(
                f'the copy differs in {", ".join(problems[:_SHOWN])}',
                uri=url,
                remedy='Copy once more with overwrite=True.',
            )

    def notes(self) -> Iterator[str]:
        """Yield what one side alone has, as sentences.

        Fields, items, resources and files that the copy has; resources without files that it
        lacks, as `check` has made sure of the rest.
        """
        for pair in self.pairs:
            if pair.copy is None:
                continue
            place = f'{pair.item.level}/{pair.item.label_in(self._source)}'
            found = [*pair.extra_fields, *self._extra_items(pair), *pair.extra_files]
            if found:
                yield f'{place} has at the destination alone: {", ".join(found)}'
            if pair.missing_resources:
                yield f'{place} lacks at the destination: {", ".join(pair.missing_resources)}'

    def _extra_items(self, pair: Pair) -> list[str]:
        wanted = _by_label(pair.item, self._source)
        present = _by_label(pair.copy, self._dest)
        return [f'{level}/{label}' for level, label in present if (level, label) not in wanted]


def _by_label(item: Item | None, project: str) -> dict[tuple[str, str], Item]:
    """Return the items below one in a project, by level and label there."""
    return {
        (below.level, below.label_in(project)): below
        for below in (item.below if item is not None else ())
        if below.is_in(project)
    }
