"""Results of a question to several sites: tables and counts, with the failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ...errors import OperationalError, ProgrammingError
from ...model.kinds import TEXT, Kind
from ...tables.table import JsonTable, Row
from .together import Failures

__all__ = ['SITE', 'Counts', 'Kinds', 'SiteTable', 'check', 'check_at_least']

Kinds = Callable[[], Mapping[str, Kind]]
"""Function that returns the kinds of the columns of a site."""

SITE = 'site'
"""Column with the name of the site."""


def check(failures: Failures, asked: int) -> None:
    """Raise OperationalError if a site failed.

    Parameters
    ----------
    failures : dict
        Errors of the sites that failed.
    asked : int
        Number of all sites.
    """
    if failures:
        reasons = '; '.join(f'{name}: {error}' for name, error in failures.items())
        first = next(iter(failures.values()))
        raise OperationalError(f'{len(failures)} of {asked} sites failed: {reasons}') from first


class SiteTable(JsonTable):
    """Rows of all sites that answered; the column ``site`` tells whose they are.

    Methods that return a part of the table return a `JsonTable`.

    Parameters
    ----------
    rows : mapping of str to list of dict
        Rows of each site that answered.
    columns : iterable of str
        Names of the columns, without ``site``.
    failures : dict
        Errors of the other sites.
    kinds : mapping of str to callable
        Name of a site -> function that returns the kinds of its columns, for Arrow; called when
        they are needed. A column has a kind if it is the same at all sites that have it; else it
        is text.

    Attributes
    ----------
    failures : dict
        Name of a site -> its error.
    """

    def __init__(
        self,
        rows: Mapping[str, list[Row]],
        columns: Iterable[str],
        failures: Failures,
        kinds: Mapping[str, Kinds],
    ) -> None:
        columns = list(columns)
        self._heads = {name: JsonTable((), columns, kinds[name]) for name in rows}
        """Name of a site -> a table with its columns and their kinds, without rows."""
        super().__init__(
            ({SITE: name, **row} for name, of_site in rows.items() for row in of_site),
            (SITE, *columns),
            lambda: _common_kinds([head.kinds for head in self._heads.values()]),
        )
        self.failures = failures

    def check(self) -> SiteTable:
        """Return the table.

        Raises
        ------
        OperationalError
            A site failed; the message names all that did, with their reasons.
        """
        check(self.failures, len(self._heads) + len(self.failures))
        return self

    def of(self, site: str) -> JsonTable:
        """Return the rows of one site, without the column ``site``.

        Rows of two sites are never combined by themselves, since labels of one site mean nothing at
        another. If both have a column that identifies a person: ``a.join(column, b)``.

        Parameters
        ----------
        site : str
            Its name.

        Raises
        ------
        Exception
            The site's error, if it failed.
        KeyError
            There is no such site.
        """
        if site in self.failures:
            raise self.failures[site]
        if site not in self._heads:
            names = ', '.join([*self._heads, *self.failures])
            raise KeyError(f'no site {site!r}; there are: {names}')
        return JsonTable(
            (
                {key: cell for key, cell in row.items() if key != SITE}
                for row in self
                if row[SITE] == site
            ),
            [name for name in self.order_by if name != SITE],
            self._heads[site].kinds,
        )


def _common_kinds(kinds: Iterable[Mapping[str, Kind]]) -> dict[str, Kind]:
    """Return the kinds on which all mappings agree; others are text.

    >>> number = Kind('integer')
    >>> _common_kinds([{'a': number, 'b': number}, {'a': number, 'b': Kind('date')}, {}])
    {'a': Kind(name='integer', is_list=False), 'b': Kind(name='string', is_list=False)}
    """
    found: dict[str, Kind] = {}
    for name, kind in (pair for some in kinds for pair in some.items()):
        other = found.setdefault(name, kind)
        if kind != other:
            found[name] = TEXT._replace(is_list=kind.is_list or other.is_list)
    return found


def check_at_least(number: int) -> None:
    """Raise ProgrammingError if a number is no threshold of `Counts`."""
    if not isinstance(number, int) or number < 0:
        raise ProgrammingError(f'at_least={number!r}', remedy='Give 0 or a whole number.')


class Counts(Mapping[str, 'int | None']):
    """Number of elements at each site that answered.

    `None` for a number that is not shown.

    Parameters
    ----------
    numbers : mapping of str to int
        Exact numbers.
    failures : dict
        Errors of the other sites.
    at_least : int
        Smallest number that is shown.

    Attributes
    ----------
    failures : dict
        Name of a site -> its error.
    at_least : int
        Smallest number that is shown.

    Examples
    --------
    >>> counts = Counts({'a': 12, 'b': 3}, {}, at_least=5)
    >>> counts['a'], counts['b'], counts.bounds()
    (12, None, (12, 16))
    >>> print(counts)
    a: 12
    b: fewer than 5
    """

    def __init__(self, numbers: Mapping[str, int], failures: Failures, at_least: int = 0) -> None:
        check_at_least(at_least)
        self._shown = {
            name: number if number >= at_least else None for name, number in numbers.items()
        }
        self.failures = failures
        self.at_least = at_least

    def __getitem__(self, site: str) -> int | None:
        if site in self.failures:
            raise self.failures[site]
        return self._shown[site]

    def __contains__(self, site: object) -> bool:
        return site in self._shown

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown)

    def __len__(self) -> int:
        return len(self._shown)

    def check(self) -> Counts:
        """Return the counts.

        Raises
        ------
        OperationalError
            A site failed; the message names all that did, with their reasons.
        """
        check(self.failures, len(self._shown) + len(self.failures))
        return self

    def bounds(self) -> tuple[int, int]:
        """Return the smallest and largest sum that the shown numbers allow.

        Both are the sum if all numbers are shown. Sites that failed count nothing.
        """
        shown = [number for number in self._shown.values() if number is not None]
        hidden = len(self._shown) - len(shown)
        return sum(shown), sum(shown) + hidden * max(self.at_least - 1, 0)

    def __str__(self) -> str:
        lines = [
            f'{name}: {f"fewer than {self.at_least}" if number is None else number}'
            for name, number in self._shown.items()
        ]
        return '\n'.join([*lines, *(f'{name}: {error}' for name, error in self.failures.items())])

    def __repr__(self) -> str:
        low, high = self.bounds()
        total = f'{low}' if low == high else f'{low} to {high}'
        failed = f', {len(self.failures)} failed' if self.failures else ''
        return f'<Counts {total} at {len(self)} sites{failed}>'
