"""Stages of plans: from elements to requests, from responses to elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import ClassVar

from ...errors import NotFoundError
from ...model import uris
from ...model.levels import level
from ...model.short_names import cell
from ...tables.table import Row
from ..paths import Path, read, spell
from .found import Conditions, Found, Listed, check_own, chosen, element_uri, is_wanted, names_of
from .listings import Columns, Listing, Tables

__all__ = [
    'JoinSubjects',
    'ListLevel',
    'ListNamed',
    'ListSessions',
    'ListShares',
    'Name',
    'Rebase',
    'Stage',
]


class Stage:
    """One step of a plan.

    Attributes
    ----------
    steps : tuple of Step
        Levels that it covers.
    conditions : mapping
        Level -> accession IDs that its elements must have.
    columns : mapping
        Level -> columns wanted in addition to those of its listing.
    assumption : str
        Behaviour of the server that it relies on, with the versions of XNAT that have it.
    batch_level : str
        Level of the elements above that one request can cover.
    batch_size : int
        Greatest number of those elements in a batch.
    has_requests : bool
        Whether it sends any request.
    """

    assumption: ClassVar[str] = ''
    batch_level: ClassVar[str] = ''
    has_requests: ClassVar[bool] = True
    batch_size: int = 1

    def __init__(
        self, steps: Path = (), conditions: Conditions | None = None, columns: Columns | None = None
    ) -> None:
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
        """Return the columns of a level that the stage needs itself."""
        return ()

    def requests(self, at: Found) -> tuple[str, ...]:
        """Return the URIs of the tables to request below an element."""
        raise NotImplementedError

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        """Return the elements in the responses, in order.

        Parameters
        ----------
        at : Found
            Element above.
        tables : sequence of iterables of Row
            Responses to `requests`.
        """
        raise NotImplementedError

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        """Return the elements in the rows of each covered level.

        Parameters
        ----------
        at : Found
            Element above.
        listed : sequence of iterables of Row
            Rows of each level in `steps`.
        """
        raise NotImplementedError

    def bound(self, parents: str, each: int) -> str:
        """Describe the number of requests in words, for `explain`.

        Parameters
        ----------
        parents : str
            Level of the elements above, if there may be several.
        each : int
            Number of requests for one of them.
        """
        return f'{each} per element of {parents}' if parents else str(each)

    # -- batches of elements

    def batches(self, founds: Sequence[Found]) -> Iterator[list[Found]]:
        """Divide elements above into batches, in order."""
        for found in founds:
            yield [found]

    def batch_requests(self, batch: Sequence[Found]) -> tuple[str, ...]:
        """Return the URIs of the tables to request below a batch."""
        raise NotImplementedError

    def batch_rows(
        self, batch: Sequence[Found], tables: Tables
    ) -> Sequence[Iterable[Found] | None]:
        """Return the elements below each element of a batch.

        Parameters
        ----------
        batch : sequence of Found
            Elements above.
        tables : sequence of iterables of Row
            Responses to `batch_requests`.

        Returns
        -------
        sequence
            For each element of the batch its children, or `None` if it must be requested alone.
        """
        raise NotImplementedError

    def unbatched(self) -> Stage:
        """Return the stage that sends requests for one element at a time."""
        stage = copy(self)
        stage.batch_size = 1
        return stage

    def fallback(self) -> tuple[Stage, ...]:
        """Return the stages to use if the server refuses a batch."""
        return (self.unbatched(),)


class Name(Stage):
    """Literal names in a path, accepted without a request."""

    has_requests: ClassVar[bool] = False

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        for step in self.steps:
            at = at.child(step.level, step.name, {}, guessed=False)
        return [at]


class ListLevel(Stage):
    """List one level below an element.

    One request, and one for each data type that wanted columns are specific to.
    """

    assumption: ClassVar[str] = 'XNAT 1.4 and later: every level has its listing'

    def _listing(self, at: Found) -> Listing:
        plural = self.steps[0].level
        return Listing(
            uris.join(at.uri, level(plural).segment), plural, self.columns, self.needed(plural)
        )

    def requests(self, at: Found) -> tuple[str, ...]:
        return self._listing(at).uris

    def needed(self, plural: str) -> tuple[str, ...]:
        return ('subject_ID',) if plural == 'experiments' and 'subjects' in self.conditions else ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        return self.below(at, [self._listing(at).rows(tables)])

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        if not level(self.steps[0].level).is_item:
            check_own(at, listed[0])
        return Listed(at, self.steps[0], listed[0], self.conditions)


class ListNamed(ListLevel):
    """Look up a literal name in its listing; `NotFoundError` if absent."""

    def rows(self, at: Found, tables: Tables) -> Iterator[Found]:
        step = self.steps[0]
        if not at.guessed and not any(
            is_wanted(step, *names_of(step.level, row)) for row in tables[0]
        ):
            raise NotFoundError(
                f'{level(step.level).singular} {step.name!r} is not listed',
                uri=at.uri,
                remedy='Check the spelling, and that this login may see it.',
            )
        yield from super().rows(at, tables)


class ListSessions(Stage):
    """List the experiments of all subjects of a project in two requests.

    They replace one request for each subject. Subjects are listed too, since an experiment may be
    shared into a project without its subject, and is then below no subject of the project. If the
    step of the subjects is passable, such experiments come last, below no project either: XNAT
    routes their children at the root only.
    """

    assumption: ClassVar[str] = (
        'ProjSubExptList lists a project with subject_ID; ID and label of a shared row are those '
        'in the project (1.7, 1.8)'
    )

    def _listings(self, at: Found) -> list[Listing]:
        return [
            Listing(
                uris.join(at.uri, step.level), step.level, self.columns, self.needed(step.level)
            )
            for step in self.steps
        ]

    def requests(self, at: Found) -> tuple[str, ...]:
        return tuple(uri for listing in self._listings(at) for uri in listing.uris)

    def needed(self, plural: str) -> tuple[str, ...]:
        return ('subject_ID',) if plural == 'experiments' else ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        subjects, experiments = self._listings(at)
        return self.below(
            at, [subjects.rows(tables[: len(subjects)]), experiments.rows(tables[len(subjects) :])]
        )

    def below(self, at: Found, listed: Tables) -> Iterable[Found]:
        subject_step, experiment_step = self.steps
        subjects, experiments = listed
        if subject_step.passable:
            subjects = list(subjects)
        sessions: dict[str, list[Row]] = {}
        for row in experiments:
            sessions.setdefault(cell(row, 'subject_ID'), []).append(row)
        for identity, subject in chosen(subject_step, subjects, self.conditions):
            found = at.child('subjects', identity, subject)
            for session, row in chosen(
                experiment_step, sessions.get(identity, []), self.conditions
            ):
                yield found.child('experiments', session, row)
        if subject_step.passable:
            known = {cell(row, 'ID') for row in subjects}
            others = [
                row for subject in sessions if subject not in known for row in sessions[subject]
            ]
            for session, row in chosen(experiment_step, others, self.conditions):
                yield at.child('experiments', session, row)._replace(
                    uri=element_uri(uris.ENTRY, 'experiments', session)
                )


class JoinSubjects(Stage):
    """Join columns of subjects to experiments whose path has no subjects.

    The subjects of the project are listed; those of experiments that were shared without their
    subject are requested by ID, up to 50 a request.
    """

    assumption: ClassVar[str] = (
        'experiments name their subject_ID, and listings take several IDs as a filter (1.7, 1.8)'
    )
    most_ids: ClassVar[int] = 50

    def beside(self, uri: str) -> tuple[str, ...]:
        """Return the URIs that list subjects of a project or the server."""
        return self._listing(uris.join(uri, 'subjects')).uris

    def named(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return the URIs of the listings of subjects with given IDs."""
        return self._listing(
            uris.with_query(uris.join(uris.ENTRY, 'subjects'), {'ID': ','.join(ids)})
        ).uris

    def subjects(self, tables: Tables) -> Iterable[tuple[str, Row]]:
        """Yield ID and row of each subject in the responses."""
        return ((cell(row, 'ID'), row) for row in self._listing('').rows(tables))

    def _listing(self, uri: str) -> Listing:
        return Listing(uri, 'subjects', self.columns)

    def requests(self, at: Found) -> tuple[str, ...]:
        return self.beside(uris.parent(uris.parent(at.uri))) + self.named(['{subject_ID}'])

    def bound(self, parents: str, each: int) -> str:
        return '1 per project, and 1 per 50 of those shared without their subject'


class ListShares(Stage):
    """List the projects of an element: its own and those it is shared into."""

    assumption: ClassVar[str] = (
        'ItemResource lists the projects of an item, its own among them (1.7, 1.8)'
    )

    def requests(self, at: Found) -> tuple[str, ...]:
        return (uris.join(self.steps[0].of, 'projects'),)

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        for row in tables[0]:
            if is_wanted(self.steps[0], cell(row, 'ID'), cell(row, 'ID')):
                yield at.child('projects', row['ID'], {'ID': row['ID']})


class Rebase(Stage):
    """Replace an element's URI by the one that has its children. No request.

    XNAT routes the children of a project's experiments below ``/experiments`` only, and those of
    the server's subjects below their own project only.
    """

    has_requests: ClassVar[bool] = False

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Tables) -> Iterable[Found]:
        name = read(at.uri)[-1].name
        home = (
            uris.ENTRY
            if at.plural == 'experiments'
            else element_uri(uris.ENTRY, 'projects', cell(at.row, 'project'))
        )
        yield at._replace(uri=element_uri(home, at.plural, name))
