"""What a download wants: the files that listings name below a selection, each with its place in the folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ... import errors
from ...model import uris
from ...model.levels import level
from ...model.short_names import cell
from ...model.wildcards import ANY
from ...query.layouts import Layout
from ...query.paths import Path, Step, chain_of, read, routes_below, uri_of
from ...query.plan import Found, columns_of
from ...resources import Element
from ...resources.base import class_of
from ...tables.table import Row

__all__ = ['Scope', 'Wanted', 'files_below', 'scope_of', 'told_apart', 'wanted']

_LABELLED = ('subjects', 'experiments', 'assessors')
_SIDES = {'in_resources': 'in', 'out_resources': 'out'}


class Wanted(NamedTuple):
    """A file to be had."""

    uri: str
    place: str
    """Path below the folder."""
    size: int | None
    """Bytes, as the listing says."""
    md5: str
    """Empty where the site keeps no checksums."""
    resource: str
    """URI of its resource."""
    session: str = ''
    """URI of what has the scan; empty where it belongs to none."""
    scan: str = ''
    """ID of the scan."""
    label: str = ''
    """Of the resource, as it stands in zips."""
    path: str = ''
    """Below the resource."""
    other: str = ''
    """Its place if another file has that one: by the name as it is stored, where that is another than what it means."""


def told_apart(files: Sequence[Wanted]) -> list[Wanted]:
    """Files with places of their own, as far as their names differ as they are stored."""
    count = Counter(file.place for file in files)
    return [file._replace(place=file.other) if count[file.place] > 1 else file for file in files]


class Scope(NamedTuple):
    """How much of what it touches a selection wants."""

    whole_resources: bool
    """Every file of a resource."""
    whole_scans: bool
    """Every resource of a scan."""
    whole_sessions: bool
    """Every scan of a session."""


def files_below(selection: Any) -> Any:
    """The collection of files that an element or a collection has; no request."""
    if isinstance(selection, Element):
        routes, conditions = [selection.steps], ()
    else:
        routes, conditions = list(selection.routes), selection.conditions
    if routes and routes[0][-1].level != 'files':
        routes = [_past_subjects(route, longer) for route in routes for longer in routes_below(route, 'files')]
    return class_of('files')(routes, selection.host, conditions)


def _past_subjects(route: Path, longer: Path) -> Path:
    """Below projects, the sessions of the projects themselves: one may be shared into a project that its subject is not shared into."""
    end = len(route)
    is_round = chain_of(longer)[end - 1 : end + 2] == ('projects', 'subjects', 'experiments')
    return (*route, *longer[end + 1 :]) if is_round else longer


def scope_of(files: Any) -> Scope:
    """What the paths of a collection of files leave out."""
    names = [{step.level: step.name for step in route} for route in files.routes]

    def are_all(*levels: str) -> bool:
        return all(route.get(plural, ANY) == ANY for route in names for plural in levels)

    whole_resources = are_all('files')
    whole_scans = whole_resources and are_all('resources')
    return Scope(whole_resources, whole_scans, whole_scans and are_all('scans'))


def wanted(files: Any, layout: Layout) -> Iterator[Wanted]:
    """The files of a collection with their places. Requests: those of iterating, and what labels take that no listing told (`_Names`)."""
    names = _Names(files, layout)
    resources: dict[str, _Resource] = {}
    for found, _ in files.host.walker.walk(files.routes, files.conditions, names.columns, ahead='all'):
        row, path = found.row, found.row['path']
        uri = found.uri[: -len('/files/' + uris.quote_path(path).strip('/'))]
        if uri not in resources:
            resources[uri] = _resource(uri, row, names.of(uri, found), layout)
        resource, size = resources[uri], row.get('Size', '')
        yield Wanted(
            found.uri,
            resource.place(uris.meaning(path)),
            int(size) if size.isdigit() else None,
            row.get('digest', '').lower(),
            uri,
            resource.session,
            resource.scan,
            resource.label,
            path,
            resource.place(path),
        )


class _Resource(NamedTuple):
    """What the files of one resource have in common."""

    place: Callable[[str], str]
    """Of a path below it."""
    label: str
    session: str
    scan: str


def _resource(uri: str, row: Row, above: dict[str, str], layout: Layout) -> _Resource:
    steps, label = read(uri), row.get('collection') or row.get('cat_ID', '')
    place = layout.places({**above, 'side': _SIDES.get(steps[-1].level, ''), 'resource': uris.meaning(label)})
    at = next((number for number, step in enumerate(steps) if step.level == 'scans'), None)
    return _Resource(place, label, *((uri_of(steps[:at]), steps[at].name) if at is not None else ('', '')))


class _Names:
    """What the fields of a layout are for what stands above files.

    Each label that no listing told is asked for once. Sessions of a project that are reached past their subjects are listed with the labels of those;
    others are asked about one by one.

    Attributes
    ----------
    columns : tuple of Column
        What listings are to tell besides.
    """

    def __init__(self, files: Any, layout: Layout) -> None:
        self._host = files.host
        self._fields = layout.fields | ({'assessor', 'reconstruction'} if 'scan' in layout.fields else set())
        self._known: dict[Path, dict[str, str]] = {}
        self._sessions: dict[str, dict[str, Row]] = {}
        homes = {route[0].name if route[0].level == 'projects' and route[0].literal else '' for route in files.routes}
        self._home = homes.pop() if len(homes) == 1 else ''
        """The project that all was selected in."""
        past = [route for route in files.routes if 'experiments' in chain_of(route)]
        are_listed = bool(past) and all(chain_of(route)[:2] == ('projects', 'experiments') for route in past)
        self.columns = columns_of(files.routes, ['experiment/subject_label'] if are_listed and 'subject' in self._fields else [])

    def of(self, uri: str, found: Found) -> dict[str, str]:
        """The fields of what stands above a resource."""
        steps = read(uri)[:-1]
        values: dict[str, str] = {}
        for end in range(1, len(steps) + 1):
            above = steps[:end]
            if above not in self._known:
                self._known[above] = self._look(above, found)
            values.update(self._known[above])
        return values

    def _look(self, above: Path, found: Found) -> dict[str, str]:
        """The fields that the last of some steps tells."""
        step, row = above[-1], level(above[-1].level)
        if step.level == 'experiments' and 'subjects' not in chain_of(above) and {'project', 'subject', 'experiment'} & self._fields:
            return self._of_session(above, found)
        is_asked = row.singular in self._fields and step.level in _LABELLED and not _is_label(step, found)
        values = {row.singular: str(self._element(above, found).label()) if is_asked else step.name}
        if step.level == 'subjects' and len(above) == 1 and 'project' in self._fields:
            values['project'] = self._home or str(self._element(above, found).value_of('project'))
        return values

    def _of_session(self, above: Path, found: Found) -> dict[str, str]:
        """Project, subject and label of a session that was reached past its subject."""
        home = self._home or (above[0].name if len(above) > 1 else '')
        element = self._element(above, found)
        row = element.row
        if 'subject_label' not in row:
            row = self._session(home, element.id() if len(above) > 1 or 'ID' in row else above[0].name)
        return {'project': home or row.get('project', ''), 'subject': row.get('subject_label', ''), 'experiment': row.get('label', '')}

    def _session(self, home: str, identity: str) -> Row:
        """What is listed of a session: with all of its project, or by itself where that is not known."""
        key = home or identity
        if key not in self._sessions:
            scope = ('projects', uris.quote(home)) if home else ()
            columns = {'xsiType': 'xnat:subjectAssessorData', 'columns': 'ID,label,project,subject_label'}
            query = {'ID': None if home else identity, **columns}
            rows = self._host.connection.rows(uris.with_query(uris.join(uris.ENTRY, *scope, 'experiments'), query))
            self._sessions[key] = {cell(row, 'ID'): row for row in rows}
        return self._sessions[key].get(identity, {})

    def _element(self, above: Path, found: Found) -> Any:
        """The element of some steps above a file, with what listings said of it."""
        return class_of(above[-1].level).element_at(uri_of(above), self._host, found.above.get(above[-1].level), found.above)


def _is_label(step: Step, found: Found) -> bool:
    """Whether a name that was given is a label, as far as a listing of files tells, whose URIs have IDs in place of the names that were asked for.

    XNAT takes the name of a subject or experiment for an ID first, and for its label in the project if it is none.
    """
    if step.level not in ('subjects', 'experiments') or step.level in found.above:
        return False
    try:
        listed = {one.level: one.name for one in read(found.row['URI'])}
    except errors.ProgrammingError:
        return False
    return listed.get(step.level, step.name) != step.name
