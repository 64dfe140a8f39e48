"""What to ask for a selection: from level paths to stages, each a pure function from rows to requests and from answers to rows.

The plain way is a walk: for each element of a level, the listing of the level below. A :class:`Stage` that covers several levels at once is a
short cut; it names what it rests on, and a server that refuses it is walked instead. Nothing here touches the network:
:mod:`pyxnat.transfer` executes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

from . import uris
from .errors import ProgrammingError, UnexpectedAnswer
from .paths import ANY, Path, Step, chain_of, matches, read, spell
from .structure import GAPS, SERVER, level
from .tables import Row

__all__ = [
    'SHORT_CUTS',
    'Conditions',
    'Found',
    'ListFiles',
    'ListLevel',
    'ListSessions',
    'ListShares',
    'Name',
    'Rebase',
    'Stage',
    'answerable',
    'element_uri',
    'explain',
    'names_of',
    'plan',
    'plan_below',
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


class Stage:
    """One step of a plan.

    Attributes
    ----------
    steps : tuple of Step
        The levels it covers.
    conditions : mapping
        Level -> the accession IDs that may pass.
    rests_on : str
        Where it is known that XNAT answers so.
    """

    rests_on: ClassVar[str] = ''

    def __init__(self, steps: Path, conditions: Conditions | None = None) -> None:
        self.steps = steps
        self.conditions: Conditions = conditions or {}

    def __repr__(self) -> str:
        return f'{type(self).__name__}({spell(self.steps)})'

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.steps, self.conditions) == (other.steps, other.conditions)

    def __hash__(self) -> int:
        return hash((type(self), self.steps))

    def requests(self, at: Found) -> tuple[str, ...]:
        """URIs of the tables to ask for below an element."""
        raise NotImplementedError

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        """The elements that the answers speak of, in their order."""
        raise NotImplementedError

    def bound(self, parents: str) -> str:
        """How many requests it takes, in words."""
        return f'1 per element of {parents}' if parents else '1'


class Name(Stage):
    """A literal name on the way down: nothing to ask."""

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        yield at.child(self.steps[0].level, self.steps[0].name, {}, guessed=False)

    def bound(self, parents: str) -> str:
        return '0'


class ListLevel(Stage):
    """The plain listing of one level."""

    rests_on: ClassVar[str] = 'XNAT 1.4 and later: every level has its listing'

    def requests(self, at: Found) -> tuple[str, ...]:
        step = self.steps[0]
        uri = uris.join(at.uri, level(step.level).segment)
        if step.level == 'experiments' and 'subjects' in self.conditions:
            uri = uris.with_query(uri, {'columns': 'ID,project,date,xsiType,label,insert_date,subject_ID'})
        return (uri,)

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        step = self.steps[0]
        for identity, row in _chosen(step, tables[0], self.conditions):
            yield at.child(step.level, identity, row, guessed=not step.literal)


class ListSessions(Stage):
    """The experiments of all subjects of a project in two listings, in place of one for each subject.

    Both are needed: an experiment may be shared into a project that its subject is not shared into, and is then below none of its subjects.
    """

    rests_on: ClassVar[str] = 'ProjSubExptList lists a project with subject_ID; ID and label of a shared row are those in the project (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        columns = 'ID,project,date,xsiType,label,insert_date,subject_ID'
        return uris.join(at.uri, 'subjects'), uris.with_query(uris.join(at.uri, 'experiments'), {'columns': columns})

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        subject_step, experiment_step = self.steps
        sessions: dict[str, list[Row]] = {}
        for row in tables[1]:
            sessions.setdefault(_cell(row, 'subject_ID'), []).append(row)
        for identity, subject in _chosen(subject_step, tables[0], self.conditions):
            found = at.child('subjects', identity, subject)
            for session, row in _chosen(experiment_step, sessions.get(identity, []), self.conditions):
                yield found.child('experiments', session, row)

    def bound(self, parents: str) -> str:
        return f'2 per element of {parents}' if parents else '2'


class ListFiles(Stage):
    """The files of all scans of a session in one listing, in place of one for each scan and each of its resources."""

    rests_on: ClassVar[str] = 'XNATTemplate takes ALL for the scans of files routes; FileList gives scan, resource and path in the URI (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        resource = self.steps[1]
        inner = ['resources', uris.quote(resource.name)] if resource.literal else []
        return (uris.join(at.uri, 'scans', 'ALL', *inner, 'files'),)

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        scan_step, resource_step, file_step = self.steps
        for row in tables[0]:
            scan = next((step.name for step in read(_cell(row, 'URI')) if step.level == 'scans'), '')
            resource, path = _cell(row, 'cat_ID'), names_of('files', row)[0]
            wanted = _wanted(scan_step, scan, scan) and _wanted(resource_step, resource, _cell(row, 'collection'))
            if scan and wanted and _wanted(file_step, path, path):
                between = {'scans': {'ID': scan}, 'resources': {'xnat_abstractresource_id': resource, 'label': _cell(row, 'collection')}}
                holder = at.child('scans', scan, {}).child('resources', resource, {}, between=between)
                yield holder.child('files', path, {**row, 'path': path})


class ListShares(Stage):
    """The projects that an element is seen in."""

    rests_on: ClassVar[str] = 'ItemResource lists the projects of an item, its own first (1.7, 1.8)'

    def requests(self, at: Found) -> tuple[str, ...]:
        return (uris.join(self.steps[0].of, 'projects'),)

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        for row in tables[0]:
            if _wanted(self.steps[0], _cell(row, 'ID'), _cell(row, 'ID')):
                yield at.child('projects', row['ID'], {'ID': row['ID']})


class Rebase(Stage):
    """To where an element has the children that XNAT does not route below it. Nothing to ask.

    Experiments below a project have them below ``/experiments``, subjects below the server in their own project.
    """

    def requests(self, at: Found) -> tuple[str, ...]:
        return ()

    def rows(self, at: Found, tables: Sequence[list[Row]]) -> Iterator[Found]:
        name = read(at.uri)[-1].name
        home = uris.ENTRY if at.plural == 'experiments' else element_uri(uris.ENTRY, 'projects', _cell(at.row, 'project'))
        yield at._replace(uri=element_uri(home, at.plural, name))

    def bound(self, parents: str) -> str:
        return '0'


SHORT_CUTS: dict[str, type[Stage]] = {'sessions of a project': ListSessions, 'files of a session': ListFiles}
"""Name -> stage; each can be switched off by its name."""


def plan(path: Path, conditions: Conditions | None = None, without: frozenset[str] = frozenset()) -> tuple[Stage, ...]:
    """The stages of one path.

    Parameters
    ----------
    conditions : mapping, optional
        Accession IDs that subjects or experiments must have to pass.
    without : frozenset of str
        Names of short cuts not to use.
    """
    conditions = conditions or {}
    stages: list[Stage] = []
    done: Path = ()
    while len(done) < len(path):
        rest = path[len(done) :]
        stage = _short_cut(done, rest, conditions, without) or _single(done, rest, conditions)
        stages.append(stage)
        done = path[: len(done) + len(stage.steps)]
        if _is_gap(done, path[len(done) :]):
            stages.append(Rebase(()))
    return tuple(stages)


def plan_below(uri: str, refused: Stage) -> tuple[Stage, ...]:
    """The walk that stands for a short cut a server refused."""
    conditions = refused.conditions
    above = chain_of(read(uri))
    return tuple(ListLevel((step,), _relevant(step.level, above + chain_of(refused.steps), conditions)) for step in refused.steps)


def _is_gap(done: Path, rest: Path) -> bool:
    """Whether the next level has no route below this one, but has one below the server."""
    return bool(rest) and (*chain_of(done), rest[0].level) in GAPS


def answerable(routes: Sequence[Path], conditions: Conditions) -> tuple[Path, ...]:
    """Those of some paths that conditions can be asked of: what belongs to no subject satisfies none.

    Raises
    ------
    ProgrammingError
        When there is none.
    """
    if not conditions:
        return tuple(routes)
    needed = [{'subjects', 'experiments'} if name == 'subjects' else {name} for name in conditions]
    kept = tuple(route for route in routes if all(levels & set(chain_of(route)) for levels in needed))
    if not kept:
        what = next((name for name in conditions if name != 'subjects'), 'subjects or experiments')
        raise ProgrammingError(f'where: {", ".join(map(spell, routes))} has no {what}', remedy=f'Select {what}, or something below them.')
    return kept


def _single(done: Path, rest: Path, conditions: Conditions) -> Stage:
    step = rest[0]
    if step.of:
        return ListShares((step,))
    relevant = _relevant(step.level, chain_of(done), conditions)
    if step.literal and len(rest) > 1 and not relevant and not _is_gap((*done, step), rest[1:]):
        return Name((step,))
    return ListLevel((step,), relevant)


def _relevant(plural: str, above: tuple[str, ...], conditions: Conditions) -> Conditions:
    """The conditions to check at a level: those on subjects are checked on experiments where the path has no subjects."""
    mine = {plural} | ({'subjects'} if plural == 'experiments' and 'subjects' not in above else set())
    return {name: ids for name, ids in conditions.items() if name in mine}


def _short_cut(done: Path, rest: Path, conditions: Conditions, without: frozenset[str]) -> Stage | None:
    levels = chain_of(rest)
    if rest[0].literal:
        return None
    if 'sessions of a project' not in without and chain_of(done) == ('projects',) and levels[:2] == ('subjects', 'experiments'):
        return ListSessions(rest[:2], conditions)
    if 'files of a session' not in without and levels == ('scans', 'resources', 'files'):
        return ListFiles(rest)
    return None


def element_uri(parent: str, plural: str, name: str) -> str:
    """URI of a child."""
    quoted = uris.quote_path(name) if plural == 'files' else uris.quote(name)
    return uris.join(parent, level(plural).segment, quoted)


def names_of(plural: str, row: Row) -> tuple[str, str]:
    """ID and label of a row of a level's listing."""
    if plural == 'files':
        path = uris.file_path(_cell(row, 'URI')) or _cell(row, 'Name')
        return path, path
    columns = level(plural)
    return _cell(row, columns.id_column), _cell(row, columns.label_column)


def _cell(row: Row, column: str) -> str:
    if column not in row:
        raise UnexpectedAnswer(f'the listing has no column {column!r}; it has: {", ".join(row)}')
    return row[column]


def _chosen(step: Step, rows: list[Row], conditions: Conditions) -> Iterator[tuple[str, Row]]:
    """ID and row of those that a step and conditions let pass; rows of files get their ``path``."""
    for row in rows:
        identity, label = names_of(step.level, row)
        if _wanted(step, identity, label) and _passes(conditions, step.level, identity, row):
            yield identity, {**row, 'path': identity} if step.level == 'files' else row


def _wanted(step: Step, identity: str, label: str) -> bool:
    if step.literal:
        return step.name in (identity, label)
    return step.name == ANY or matches(step.name, identity, label)


def _passes(conditions: Conditions, plural: str, identity: str, row: Row) -> bool:
    if plural in conditions and identity not in conditions[plural]:
        return False
    return not (plural == 'experiments' and 'subjects' in conditions and 'subject_ID' in row and row['subject_ID'] not in conditions['subjects'])


def explain(path: Path, stages: Sequence[Stage]) -> str:
    """The plan in words: what is asked at each stage, literally where it is known before asking, and how often."""
    lines = [f'{spell(path)}']
    uri, parents = uris.ENTRY, ''
    for stage in stages:
        asked = [uris.unquote(request) for request in stage.requests(Found(uri))]
        lines += [f'  GET {request}   ({stage.bound(parents)}; {stage.rests_on})' for request in asked]
        if isinstance(stage, Rebase):
            home = ('projects', '{project}') if uri.split('/')[-2] == 'subjects' else ()
            uri = uris.join(uris.ENTRY, *home, *uri.split('/')[-2:])
        for step in stage.steps:
            uri = element_uri(uri, step.level, step.name) if step.literal and not asked else uris.join(uri, level(step.level).segment, '{ID}')
            parents = parents if step.literal else step.level
    return '\n'.join(lines)
