"""The stages that plans are made of: each a pure function from elements to requests, and from answers to elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain, groupby, islice
from typing import ClassVar, NamedTuple

from ...errors import NotFoundError
from ...model import uris
from ...model.levels import SERVER, level
from ...model.short_names import cell
from ...model.wildcards import ANY, matches
from ...tables.table import Row
from ..paths import Path, Step, read, spell
from ..row_owner import is_own
from .listings import Columns, Listing, Tables

__all__ = [
    'Conditions',
    'Found',
    'JoinSubjects',
    'ListLevel',
    'ListNamed',
    'ListSessions',
    'ListShares',
    'Listed',
    'Name',
    'Rebase',
    'Stage',
    'check_own',
    'chosen',
    'element_uri',
    'is_wanted',
    'name_in_lists',
    'names_of',
    'runs',
]

Conditions = Mapping[str, frozenset[str]]
"""Level (``subjects``, ``experiments``) -> the accession IDs that may pass."""


class Found(NamedTuple):
    """An element on the way: where it is, and what the listing it came from said of it."""

    uri: str
    """From the entry point on; of the server itself: the entry point."""
    row: Row = {}
    guessed: bool = False
    """It was reached under a wildcard: one that this login may not look into is passed over."""
    above: Mapping[str, Row] = {}
    """What listings said of the elements above it, by level."""
    plural: str = SERVER
    """Its level."""

    def child(self, plural: str, name: str, row: Row, *, guessed: bool = True, between: Mapping[str, Row] | None = None) -> Found:
        """An element below it; `between` are the rows of levels that were passed on the way."""
        above = {**self.above, **({self.plural: self.row} if self.row else {}), **(between or {})}
        return Found(element_uri(self.uri, plural, name), row, self.guessed or guessed, above, plural)


class Listed:
    """Elements below one, as its listing has them: made as they are taken, so that there may be any number. They are taken once.

    Parameters
    ----------
    at : Found
        What they are below.
    rows : iterable of Row
        Of the listing.
    """

    def __init__(self, at: Found, step: Step, rows: Iterable[Row], conditions: Conditions) -> None:
        self.at = at
        self._step = step
        self._rows = rows
        self._conditions = conditions
        self._begun: Iterator[Row] | None = None
        none = at.child(step.level, '', {}, guessed=not step.literal)
        self._none = none._replace(uri=none.uri.removesuffix('/'))
        self.above = none.above

    def __iter__(self) -> Iterator[Found]:
        begin, _, guessed, above, plural = self._none
        for identity, row in chosen(self._step, self._rows, self._conditions):
            quoted = uris.quote_path(identity) if plural == 'files' else uris.quote(identity)
            yield Found(f'{begin}/{quoted}', row, guessed, above, plural)

    def rows(self) -> Iterator[Row]:
        """What the listing says of them, in place of themselves."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun
        if self._step.name != ANY or self._step.level == 'files' or self._conditions:
            return (row for _, row in chosen(self._step, self._rows, self._conditions))
        rows = iter(self._rows)
        first = list(islice(rows, 1))
        for row in first:
            names_of(self._step.level, row)
        return chain(first, rows)

    def is_empty(self) -> bool:
        """Whether there are none; rows can still be taken."""
        rows = self.rows()
        first = list(islice(rows, 1))
        self._begun = chain(first, rows)
        return not first


class Stage:
    """One step of a plan.

    Attributes
    ----------
    steps : tuple of Step
        The levels it covers.
    conditions : mapping
        Level -> the accession IDs that may pass.
    columns : mapping
        Level -> the columns that are wanted of it.
    assumption : str
        Where it is known that XNAT answers so.
    batch_level : str
        Level of the elements above that can be asked for together.
    at_most : int
        How many of those.
    asks : bool
        Whether it asks for anything.
    """

    assumption: ClassVar[str] = ''
    batch_level: ClassVar[str] = ''
    has_requests: ClassVar[bool] = True
    batch_size: int = 1

    def __init__(self, steps: Path = (), conditions: Conditions | None = None, columns: Columns | None = None) -> None:
        self.steps = steps
        self.conditions: Conditions = conditions or {}
        self.columns: Columns = columns or {}

    def __repr__(self) -> str:
        return f'{type(self).__name__}({spell(self.steps)})'

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self.steps))

    def needed(self, plural: str) -> tuple[str, ...]:
        """Columns of a level that it needs itself."""
        return ()

    def requests(self, at: Found) -> tuple[str, ...]:
        """URIs of the tables to ask for below an element."""
        raise NotImplementedError

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        """The elements that the answers speak of, in their order."""
        raise NotImplementedError

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        """The elements that rows of each of its levels speak of."""
        raise NotImplementedError

    def bound(self, parents: str, each: int) -> str:
        """How many requests it takes, in words, where it asks for so many tables at once."""
        return f'{each} per element of {parents}' if parents else str(each)

    # -- several elements at once

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        """Elements above, divided into what is asked for at once; in their order."""
        for found in founds:
            yield [found]

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        """URIs of the tables to ask for below several elements."""
        raise NotImplementedError

    def batch_rows(self, batch: Sequence[Found], tables: Tables) -> list[list[Found] | None]:
        """What the answers speak of below each of several elements; `None` for one that is to be asked by itself."""
        raise NotImplementedError

    def unbatched(self) -> Stage:
        """The stage that asks for one element after the other."""
        one = copy(self)
        one.batch_size = 1
        return one

    def fallback(self) -> tuple[Stage, ...]:
        """The stages that stand for it where a server refuses to answer for several."""
        return (self.unbatched(),)


class Name(Stage):
    """A literal name on the way down: nothing to ask."""

    has_requests: ClassVar[bool] = False

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        yield at.child(self.steps[0].level, self.steps[0].name, {}, guessed=False)


class ListLevel(Stage):
    """The plain listing of one level; columns of single types are listings of their own, since others of that level do not have them."""

    assumption: ClassVar[str] = 'XNAT 1.4 and later: every level has its listing'

    def _listing(self, at: Found) -> Listing:
        plural = self.steps[0].level
        return Listing(uris.join(at.uri, level(plural).segment), plural, self.columns, self.needed(plural))

    def requests(self, at: Found) -> tuple[str, ...]:
        return self._listing(at).uris

    def needed(self, plural: str) -> tuple[str, ...]:
        return ('subject_ID',) if plural == 'experiments' and 'subjects' in self.conditions else ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        return self.below(at, [self._listing(at).rows(tables)])

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        if self.steps[0].level == 'files' or self.steps[0].level.endswith('resources'):
            check_own(at, listed[0])
        return Listed(at, self.steps[0], listed[0], self.conditions)


class ListNamed(ListLevel):
    """The same for a name on the way down, of which more is to be known: what was named must be there."""

    def rows(self, at: Found, tables: Tables) -> Iterator[Found]:
        step = self.steps[0]
        if not at.guessed and not any(is_wanted(step, *names_of(step.level, row)) for row in tables[0]):
            what = f'{level(step.level).singular} {step.name!r} is not listed'
            raise NotFoundError(what, uri=at.uri, remedy='Check the spelling, and that this login may see it.')
        yield from super().rows(at, tables)


class ListSessions(Stage):
    """The experiments of all subjects of a project in two listings, in place of one for each subject.

    Both are needed: an experiment may be shared into a project that its subject is not shared into, and is then below none of its subjects.
    """

    assumption: ClassVar[str] = 'ProjSubExptList lists a project with subject_ID; ID and label of a shared row are those in the project (1.7, 1.8)'

    def _listings(self, at: Found) -> list[Listing]:
        return [Listing(uris.join(at.uri, step.level), step.level, self.columns, self.needed(step.level)) for step in self.steps]

    def requests(self, at: Found) -> tuple[str, ...]:
        return tuple(uri for listing in self._listings(at) for uri in listing.uris)

    def needed(self, plural: str) -> tuple[str, ...]:
        return ('subject_ID',) if plural == 'experiments' else ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        subjects, experiments = self._listings(at)
        return self.below(at, [subjects.rows(tables[: len(subjects)]), experiments.rows(tables[len(subjects) :])])

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        subject_step, experiment_step = self.steps
        subjects, experiments = listed
        sessions: dict[str, list[Row]] = {}
        for row in experiments:
            sessions.setdefault(cell(row, 'subject_ID'), []).append(row)
        for identity, subject in chosen(subject_step, subjects, self.conditions):
            found = at.child('subjects', identity, subject)
            for session, row in chosen(experiment_step, sessions.get(identity, []), self.conditions):
                yield found.child('experiments', session, row)


class JoinSubjects(Stage):
    """What is wanted of the subjects of experiments, where the path has none: from the subjects listed beside them.

    Experiments that were shared without their subjects are asked about by the IDs of those.
    """

    assumption: ClassVar[str] = 'experiments name their subject_ID, and listings take several IDs as a filter (1.7, 1.8)'
    most_ids: ClassVar[int] = 50

    def beside(self, uri: str) -> tuple[str, ...]:
        """URIs of the tables of the subjects of a project, or of the server."""
        return self._listing(uris.join(uri, 'subjects')).uris

    def named(self, ids: Iterable[str]) -> tuple[str, ...]:
        """URIs of the tables of subjects with some IDs."""
        return self._listing(uris.with_query(uris.join(uris.ENTRY, 'subjects'), {'ID': ','.join(ids)})).uris

    def subjects(self, tables: Tables) -> Iterable[tuple[str, Row]]:
        """IDs of subjects, and what answers say of them."""
        return ((cell(row, 'ID'), row) for row in self._listing('').rows(tables))

    def _listing(self, uri: str) -> Listing:
        return Listing(uri, 'subjects', self.columns)

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.beside(uris.parent(uris.parent(at.uri))) + self.named(['{subject_ID}'])

    def bound(self, parents: str, each: int) -> str:
        return '1 per project, and 1 per 50 of those shared without their subject'


class ListShares(Stage):
    """The projects that an element is seen in."""

    assumption: ClassVar[str] = 'ItemResource lists the projects of an item, its own among them (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        return (uris.join(self.steps[0].of, 'projects'),)

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        for row in tables[0]:
            if is_wanted(self.steps[0], cell(row, 'ID'), cell(row, 'ID')):
                yield at.child('projects', row['ID'], {'ID': row['ID']})


class Rebase(Stage):
    """To where an element has the children that XNAT does not route below it. Nothing to ask.

    Experiments below a project have them below ``/experiments``, subjects below the server in their own project.
    """

    has_requests: ClassVar[bool] = False

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        name = read(at.uri)[-1].name
        home = uris.ENTRY if at.plural == 'experiments' else element_uri(uris.ENTRY, 'projects', cell(at.row, 'project'))
        yield at._replace(uri=element_uri(home, at.plural, name))


# -- rows


def runs(founds: Iterable[Found], key: Callable[[Found], str]) -> Iterator[list[Found]]:
    """Neighbours with the same key."""
    return (list(run) for _, run in groupby(founds, key))


def name_in_lists(found: Found) -> str:
    """ID of an experiment that was found; the name that was given for one that was not listed."""
    return cell(found.row, 'ID') if found.row else read(found.uri)[-1].name


def element_uri(parent: str, plural: str, name: str) -> str:
    """URI of a child."""
    quoted = uris.quote_path(name) if plural == 'files' else uris.quote(name)
    return uris.join(parent, level(plural).segment, quoted)


def names_of(plural: str, row: Row) -> tuple[str, str]:
    """ID and label of a row of a level's listing."""
    if plural == 'files':
        path = row.get('path') or uris.file_path(cell(row, 'URI')) or cell(row, 'Name')
        return path, path
    columns = level(plural)
    if plural.endswith('resources'):
        return cell(row, columns.id_column), uris.meaning(cell(row, columns.label_column))
    return cell(row, columns.id_column), cell(row, columns.label_column)


def chosen(step: Step, rows: Iterable[Row], conditions: Conditions) -> Iterator[tuple[str, Row]]:
    """ID and row of those that a step and conditions let pass; rows of files get their ``path``."""
    for row in rows:
        identity, label = names_of(step.level, row)
        if is_wanted(step, identity, label) and _passes(conditions, step.level, identity, row):
            yield identity, {**row, 'path': identity} if step.level == 'files' else row


def check_own(at: Found, rows: Iterable[Row]) -> None:
    """`NotFoundError` where the rows of resources or files are of what stands above: XNAT answers so for what is not there."""
    first = next(iter(rows), None)
    if first is not None and not is_own(read(at.uri), first):
        raise NotFoundError(f'{spell(read(at.uri))} is not there', uri=at.uri, remedy='Check the spelling; what this login may not see is hidden.')


def is_wanted(step: Step, identity: str, label: str) -> bool:
    """Whether a step means what has this ID and label."""
    if step.literal:
        return step.name in (identity, label)
    return step.name == ANY or matches(step.name, identity, label)


def _passes(conditions: Conditions, plural: str, identity: str, row: Row) -> bool:
    if plural in conditions and identity not in conditions[plural]:
        return False
    return not (plural == 'experiments' and 'subjects' in conditions and cell(row, 'subject_ID') not in conditions['subjects'])
