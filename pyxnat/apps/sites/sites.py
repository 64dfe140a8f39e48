"""Several XNAT sites as one: selections, searches and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from ...errors import DataError, NotSupportedError, ProgrammingError
from ...interface import Interface
from ...model.kinds import Kind
from ...model.levels import level as level_row
from ...model.short_names import list_of_names
from ...model.uris import ENTRY
from ...query.criteria import parse_where
from ...query.paths import Step
from ...resources.base import Element
from ...resources.collection import Collection
from ...services.arrays import listing
from ...tables.table import Row
from ..copying import CopyReport, copy_items
from .results import SITE, Counts, Kinds, SiteTable, check, check_at_least
from .together import Failures, ask, listed
from .vocabulary import Vocabulary

__all__ = ['Level', 'Sites', 'SitesSelection', 'columns_of']

Level = Literal['subject', 'experiment', 'assessor']
_LISTINGS = {
    'subject': f'{ENTRY}/subjects?columns=ID',
    'experiment': listing('xnat:subjectAssessorData', ['ID']),
    'assessor': listing('xnat:imageAssessorData', ['ID']),
}
"""Listing of all elements of a level, each once; XNAT lists assessors with the experiments."""


class Sites(Mapping[str, Interface]):
    """Several sites that are asked together.

    Each site is asked in a thread of its own, so an answer takes as long as the slowest site. A
    site that fails does not stop the others: its error is in ``failures`` of the result, and
    ``check()`` raises it.

    Parameters
    ----------
    sites : mapping of str to Interface, optional
        Name of each site -> its connection.
    fields : mapping of str to mapping, optional
        Name of a site -> its fields and values for common names
        (:class:`pyxnat.apps.sites.Vocabulary`).
    timeout : float, optional
        Seconds to wait for the next rows of a site, after which it fails; more than 0. Default:
        only the timeouts of its Interface.
    **named : Interface
        More sites, by name.

    Attributes
    ----------
    timeout : float or None
        As given.
    words : dict of str to Vocabulary
        Vocabulary of each site.

    Raises
    ------
    ProgrammingError
        There is no site, a name has two sites, a value is no Interface, `fields` has a name that
        is no site, or `timeout` is no number of seconds.

    Examples
    --------
    ::

        female = {'F': 'female'}
        sites = pyxnat.Sites(here=xnat, there=other, fields={
            'here': {'sex': ('xnat:subjectData/GENDER', female)},
            'there': {'sex': ('xnat:subjectData/SEX', {})},
        })
        sites.select('/projects/*/subjects').where('sex = F').table(['label', 'age']).check()
        sites.count('sex = F', at_least=5)
    """

    def __init__(
        self,
        sites: Mapping[str, Interface] | None = None,
        /,
        *,
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        timeout: float | None = None,
        **named: Interface,
    ) -> None:
        given, fields = sites or {}, fields or {}
        if not isinstance(given, Mapping) or not isinstance(fields, Mapping):
            raise ProgrammingError(
                'sites and fields have a name for each site',
                remedy="Such as Sites({'a': one}, fields={'a': {'sex': 'gender'}}).",
            )
        self._interfaces = {**given, **named}
        if not self._interfaces or len(self._interfaces) != len(given) + len(named):
            raise ProgrammingError(
                'Sites needs one connection for each name', remedy='Such as Sites(a=one, b=other).'
            )
        for name, interface in self._interfaces.items():
            if not isinstance(interface, Interface):
                raise ProgrammingError(
                    f'site {name!r} is a {type(interface).__name__}', remedy='Give an Interface.'
                )
        self._check_names('fields', fields)
        is_seconds = isinstance(timeout, (int, float)) and timeout > 0
        if timeout is not None and not is_seconds:
            raise ProgrammingError(f'timeout={timeout!r}', remedy='Give a number of seconds.')
        self.timeout = timeout
        self.words = {name: Vocabulary(fields.get(name)) for name in self._interfaces}

    def _check_names(self, what: str, names: Iterable[str]) -> None:
        unknown = [str(name) for name in names if name not in self._interfaces]
        if unknown:
            raise ProgrammingError(
                f'{what}: {", ".join(sorted(unknown))} is no site',
                remedy=f'There are: {", ".join(self._interfaces)}.',
            )

    def __getitem__(self, name: str) -> Interface:
        return self._interfaces[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._interfaces)

    def __len__(self) -> int:
        return len(self._interfaces)

    def __repr__(self) -> str:
        return f'<Sites {", ".join(self._interfaces)}>'

    def select(self, path: str) -> SitesSelection:
        """Select a collection by path at all sites. No request.

        Parameters
        ----------
        path : str
            A path with a wildcard, or to a level, such as ``/projects/*/subjects``.

        Raises
        ------
        ProgrammingError
            The path is not valid, or is that of one element.
        """
        found = {name: interface.select(path) for name, interface in self.items()}
        if not all(isinstance(one, Collection) for one in found.values()):
            raise ProgrammingError(
                f'{path!r} is not a collection', remedy="Select such as '/projects/*/subjects'."
            )
        return SitesSelection(self, found)

    def search(self, row: str, columns: Sequence[str], criteria: Any = None) -> SiteTable:
        """Run a search at all sites. One request for each site.

        Parameters
        ----------
        row : str
            Data type that a row stands for, such as ``xnat:mrSessionData``.
        columns : sequence of str
            Fields or common names; at least one. The columns of the table have these names.
        criteria : list or str, optional
            Criteria of :mod:`pyxnat.query.criteria`, with fields or common names. Default: all
            rows.

        Raises
        ------
        ProgrammingError
            The type is none, there is no column, or the criteria are not valid.
        DataError
            A column is named ``site``.
        """
        if not isinstance(row, str) or ':' not in row:
            raise ProgrammingError(f'{row!r} is no data type', remedy="Such as 'xnat:subjectData'.")
        names = columns_of(columns)
        if not names:
            raise ProgrammingError('no columns', remedy='Name fields that the sites have.')

        kinds: dict[str, Kinds] = {}

        def rows(name: str, own_criteria: Any) -> Iterator[Row]:
            words, engine = self.words[name], self[name].search
            fields = words.fields(names, 'search')
            parsed = None if own_criteria is None else parse_where(own_criteria, default=row)
            keys, of_keys, found = engine.typed_rows(row, engine.fields(row, fields), parsed)
            column_of = dict(zip(fields, keys, strict=True))
            of_fields = {field: of_keys[key] for field, key in column_of.items()}
            kinds[name] = partial(words.kinds, names, of_fields, 'search')
            return (
                words.row(names, {field: each[key] for field, key in column_of.items()}, 'search')
                for each in found
            )

        failures: Failures = {}
        own = self.criteria_of(criteria, failures, row)
        found = listed(
            {name: partial(rows, name, own[name]) for name in own}, failures, self.timeout
        )
        return SiteTable(found, names, failures, kinds)

    def count(self, criteria: Any = None, at_least: int = 0, *, level: Level = 'subject') -> Counts:
        """Count the elements that satisfy criteria; only their IDs are fetched.

        Parameters
        ----------
        criteria : list or str, optional
            Criteria of :mod:`pyxnat.query.criteria`, with fields or common names. Default: all
            that the login may see.
        at_least : int
            Smallest number that is shown, since small numbers can tell who the persons are.
            Default: all are shown.
        level : {'subject', 'experiment', 'assessor'}
            Level of the elements.

        Raises
        ------
        ProgrammingError
            The criteria, `at_least` or `level` are not valid.

        Notes
        -----
        One request for each site, and one for each nested list of criteria.
        """
        check_at_least(at_least)
        if level not in _LISTINGS:
            raise ProgrammingError(
                f'level={level!r}', remedy=f'Give one of: {", ".join(_LISTINGS)}.'
            )

        def ids(name: str, own_criteria: Any) -> Iterable[str]:
            if own_criteria is None:
                return {found['ID'] for found in self[name].connection.rows(_LISTINGS[level])}
            return self[name].search.ids(parse_where(own_criteria), level)

        failures: Failures = {}
        own = self.criteria_of(criteria, failures)
        found = listed(
            {name: partial(ids, name, own[name]) for name in own}, failures, self.timeout
        )
        return Counts({name: len(each) for name, each in found.items()}, failures, at_least)

    def copy(self, path: str, source: str, dest: str, project: str, **options: Any) -> CopyReport:
        """Copy a project, or selected subjects or sessions, from one site to another.

        Parameters
        ----------
        path : str
            Path at the source, such as ``/projects/P``.
        source, dest : str
            Names of the sites.
        project : str
            ID of the project at the destination.
        **options
            As of :func:`pyxnat.apps.copying.copy_items`: ``state``, ``merge``, ``overwrite``, …

        Raises
        ------
        ProgrammingError
            There is no such site.
        """
        self._check_names('copy', (source, dest))
        target = self[dest].select.project(project)
        return copy_items(self[source].select(path), target, **options)

    def criteria_of(self, criteria: Any, failures: Failures, default: str = '') -> dict[str, Any]:
        """Return criteria in the fields and values of each site. No request.

        Parameters
        ----------
        criteria : list, tuple, str or None
            Criteria with common names.
        failures : dict
            Gets an error for each site that lacks one of the fields or values.
        default : str
            Data type of fields without one.

        Raises
        ------
        ProgrammingError
            The criteria are not valid.
        NotSupportedError
            No site has the fields and values.
        """
        found = {}
        for name in self:
            try:
                found[name] = self.words[name].criteria(criteria, default)
            except NotSupportedError as error:
                failures[name] = error
            else:
                if criteria is not None:
                    parse_where(found[name], default=default)
        if not found:
            raise next(iter(failures.values()))
        return found


class SitesSelection:
    """A collection of each site; `Sites.select` makes it.

    Iterating yields the elements of all sites as they come, and raises OperationalError at the end
    if a site failed.

    Parameters
    ----------
    sites : Sites
        The sites.
    collections : mapping of str to Collection
        The collection of each site.
    failures : dict, optional
        Errors of the sites that cannot be asked.

    Attributes
    ----------
    collections : dict of str to Collection
        The collection of each site, for all that a collection can do.
    failures : dict of str to Exception
        Errors of the sites that cannot be asked, since they lack a field of `where`.
    """

    def __init__(
        self,
        sites: Sites,
        collections: Mapping[str, Collection[Any]],
        failures: Failures | None = None,
    ) -> None:
        self.collections = dict(collections)
        self.failures = dict(failures or {})
        self._sites = sites

    def __repr__(self) -> str:
        lines = (f'{name}: {one!r}' for name, one in self.collections.items())
        return f'<SitesSelection {", ".join(lines)}>'

    def where(self, criteria: Any, *, level: Level = 'subject') -> SitesSelection:
        """Return the elements that satisfy criteria. No request.

        Parameters
        ----------
        criteria : list or str
            Criteria as in `Collection.where`, with fields or common names.
        level : {'subject', 'experiment', 'assessor'}
            Whose values have to match.

        Returns
        -------
        SitesSelection
            A new selection, without the sites that lack a field: these are among the `failures`.
        """
        failures: Failures = {}
        own = self._sites.criteria_of(criteria, failures)
        found = {
            name: one.where(own[name], level=level)
            for name, one in self.collections.items()
            if name in own
        }
        return SitesSelection(self._sites, found, {**self.failures, **failures})

    def table(self, columns: Iterable[str]) -> SiteTable:
        """Return a table with one row per element, site after site.

        Parameters
        ----------
        columns : iterable of str
            Columns of `Collection.table`, or common names.

        Raises
        ------
        DataError
            A column is named ``site``.

        Notes
        -----
        The requests of `Collection.table` at each site.
        """
        names = columns_of(columns)
        failures = dict(self.failures)
        found = listed(self._questions(names), failures, self._sites.timeout)
        kinds = {name: partial(self._kinds, name, names) for name in found}
        return SiteTable(found, names, failures, kinds)

    def rows(self, columns: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of `table` as they come; memory holds only a few hundred.

        Parameters
        ----------
        columns : iterable of str
            Columns of `Collection.table`, or common names.

        Raises
        ------
        OperationalError
            At the end, if a site failed.
        """
        names = columns_of(columns)
        failures = dict(self.failures)
        for site, rows in ask(self._questions(names), failures, self._sites.timeout):
            yield from ({SITE: site, **row} for row in rows)
        check(failures, len(self._sites))

    def __iter__(self) -> Iterator[Element]:
        failures = dict(self.failures)
        for _, elements in ask(
            {name: one.__iter__ for name, one in self.collections.items()},
            failures,
            self._sites.timeout,
        ):
            yield from elements
        check(failures, len(self._sites))

    def count(self, at_least: int = 0) -> Counts:
        """Count the elements, with the requests of iterating.

        One that several projects share counts once, so the number may be less than that of the rows
        of `table`.

        Parameters
        ----------
        at_least : int
            Smallest number that is shown, as in `Sites.count`.

        Raises
        ------
        ProgrammingError
            `at_least` is not valid.
        """
        check_at_least(at_least)
        failures = dict(self.failures)
        questions = {
            name: partial(map, _steps_from_id, one) for name, one in self.collections.items()
        }
        found = listed(questions, failures, self._sites.timeout)
        return Counts({name: len({*each}) for name, each in found.items()}, failures, at_least)

    def _questions(self, names: list[str]) -> dict[str, Callable[[], Iterable[Row]]]:
        return {name: partial(self._rows, name, names) for name in self.collections}

    def _rows(self, name: str, names: list[str]) -> Iterator[Row]:
        words = self._sites.words[name]
        found = self.collections[name].rows(words.fields(names, 'column'))
        return (words.row(names, each, 'column') for each in found)

    def _kinds(self, name: str, names: list[str]) -> dict[str, Kind]:
        words = self._sites.words[name]
        kinds = self.collections[name].column_kinds(words.fields(names, 'column'))
        return words.kinds(names, kinds, 'column')


def _steps_from_id(element: Element) -> tuple[Step, ...]:
    """Return an element's path from its last accession ID, else the whole path.

    It is the same for each project that shares the element, or an element above it. No request.
    """
    rows = {**element.above, element.level.plural: element.row}
    for number in reversed(range(len(element.steps))):
        step = element.steps[number]
        if level_row(step.level).has_label and rows.get(step.level, {}).get('ID') == step.name:
            return element.steps[number:]
    return element.steps


def columns_of(names: Iterable[str]) -> list[str]:
    """Return names of columns, each once.

    Parameters
    ----------
    names : iterable of str
        Names that a user gave.

    Raises
    ------
    DataError
        One is ``site``, which each row has already.
    """
    found = list(dict.fromkeys(list_of_names(names)))
    if SITE in found:
        raise DataError(
            f'each row has a column {SITE!r} already',
            remedy='Give the field another name in fields=.',
        )
    return found
