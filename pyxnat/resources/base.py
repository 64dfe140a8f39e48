"""What all elements have in common. An element is a handle on one thing of the archive: making, comparing and showing it asks nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, ClassVar, cast

import six

from .. import errors
from ..model import labels, uris
from ..model.levels import GAPS, LEVELS, Level, children
from ..model.xml import parse_xml
from ..query import paths
from ..query.paths import Path, Step
from ..tables.table import Row, html_table
from .attributes import Attributes
from .bulk import Uploadable
from .host import Host
from .hosted import Named
from .writing import XML, Fields, divide, fields_above

__all__ = ['Element', 'as_name', 'class_of', 'register']

_LONGEST_ID = 255
_CHECKED = frozenset({'projects', 'subjects', 'experiments', 'assessors', 'scans', 'reconstructions'})
"""Levels whose names are checked before they are sent."""
_CLASSES: dict[str, type[Any]] = {}


def register(name: str, cls: type[Any]) -> None:
    """Make a class known under the name of its level (plural: collection, singular: element)."""
    _CLASSES[name] = cls


def class_of(name: str) -> type[Any]:
    """The class for a plural or singular level name."""
    return _CLASSES[name]


class Element(Named, Uploadable):
    """One thing of the archive, whether it exists or not.

    Parameters
    ----------
    uri : str
        Its URI, with or without ``/data``.
    interface : Interface
        The connection it belongs to.
    known : dict, optional
        What a listing said of it.
    above : dict, optional
        What listings said of the elements above it, by level.

    Attributes
    ----------
    attrs : Attributes
        Its fields.
    """

    level: ClassVar[Level]

    def __init__(self, uri: str, interface: Host, known: Row | None = None, above: Mapping[str, Row] | None = None) -> None:
        self.steps: Path = paths.read(uri)
        self.host = interface
        self.row: Row = dict(known or {})
        self.above: dict[str, Row] = dict(above or {})
        self._home: Path | None = None
        self.listed: Any = None
        self.attrs = Attributes(self)

    @property
    def uri(self) -> str:
        """The URI, encoded, from the entry point on.

        XNAT has no scans, assessors and reconstructions below ``/projects/P/experiments/E``, and no experiments below ``/subjects/S``: one
        reached that way has its URI below ``/experiments``, or in the subject's project, and the first look at it asks for what that takes
        (one request).
        """
        step = self.steps[-1]
        if len(self.steps) > 1 and labels.needs_id(step.level, step.name):
            step = step._replace(name=self.value_of(self.level.id_column))
        return paths.uri_of((*self._above_path(), step))

    def _above_path(self) -> Path:
        """The path of what is above it as XNAT takes it: from where it has routes, and by the ID where a label has to be quoted.

        XNAT compares labels with paths as they were sent. Each label of that kind costs one request, once for an element.
        """
        self._check_sent()
        chain = paths.chain_of(self.steps)
        gap = next((chain[:end] for end in range(2, len(chain) + 1) if chain[:end] in GAPS), ())
        if gap or any(labels.needs_id(step.level, step.name) for step in self.steps[1:-1]):
            if self._home is None:
                begin = len(gap) - 1 if gap else 1
                home = self._find_home(begin) if gap else self.steps[:begin]
                self._home = (*home, *(self._step_above(place) for place in range(begin, len(self.steps) - 1)))
            return self._home
        return self.steps[:-1]

    def _step_above(self, place: int) -> Step:
        """A step of its path, by the ID where the name is a label that has to be quoted."""
        step = self.steps[place]
        if labels.needs_id(step.level, step.name):
            above = class_of(step.level).element_at(paths.uri_of(self.steps[: place + 1]), self.host, self.above.get(step.level), self.above)
            return step._replace(name=above.id())
        return step

    @property
    def url(self) -> str:
        """Where it is, for messages. No request."""
        return self.connection.server + paths.uri_of(self.steps)

    def _check_sent(self) -> None:
        """Refuse names that no path can hold. Those of resources and files are matters of their own."""
        for step in self.steps:
            if step.level in _CHECKED and step.literal and labels.why_not_sent(step.name):
                labels.check_sent(class_of(step.level).level.singular, step.name, self.connection.server + paths.uri_of(self.steps))

    def _exact_uri(self) -> str:
        """A URI to write to that means this element and no other."""
        return self.uri

    def writing_uri(self) -> str:
        """A URI to write fields to that means this element, which is there, and no other."""
        self.datatype()
        return self._exact_uri()

    def _find_home(self, depth: int) -> Path:
        """The path of the ancestor of that depth from where XNAT routes its children."""
        ancestor = self.steps[depth - 1]
        element = class_of(ancestor.level).element_at(paths.uri_of(self.steps[:depth]), self.host, self.above.get(ancestor.level))
        itself = Step(ancestor.level, element.id(), True)
        return (itself,) if ancestor.level == 'experiments' else (Step('projects', element.value_of('project'), True), itself)

    @property
    def path_name(self) -> str:
        """The name it is addressed by: an ID or a label."""
        return self.steps[-1].name

    def __repr__(self) -> str:
        return f'<{type(self).__name__} Object> {self.path_name}'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return self.steps == other.steps and self.connection.server == other.connection.server and self.connection.user == other.connection.user

    def __hash__(self) -> int:
        return hash((self.steps, self.connection.server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.level.singular, paths.uri_of(self.steps), self.host, self.row, self.above)

    def exists(self, consistent: bool = False) -> bool:
        """Whether the server has it, by ID or label, and this login may see it.

        One request: the listing of its level. `False` means that the server said so (not listed, or 404 or 403 for what is above it); a
        server that cannot be reached, a wrong password or a failure are errors. XNAT fails for some listings below what is not there: then it is
        looked for what is above, a request for each level.

        Parameters
        ----------
        consistent : bool
            Whether to ask the server even if it was asked within the last second.
        """
        try:
            self._look_again() if consistent else self._look()
        except (errors.NotFoundError, errors.PermissionDenied):
            return False
        except errors.InternalError:
            above = self._above_it()
            if above is None or above.exists(consistent):
                raise
            return False
        return True

    def id(self) -> str:
        """The ID: an accession ID such as ``XNAT_S00001``; of a scan what the scanner gave, of a resource a number. One request if not known."""
        return self.value_of(self.level.id_column)

    def label(self) -> str:
        """The label; the ID where XNAT knows none. One request if not known."""
        return self.value_of(self.level.label_column)

    def datatype(self) -> str:
        """The XNAT type, such as ``xnat:mrSessionData``. One request if not known; none for projects, subjects and reconstructions."""
        if 'xsiType' in self.level.columns:
            return self.value_of('xsiType')
        return self.level.datatype

    def value_of(self, column: str) -> str:
        return self.row[column] if column in self.row else self._look()[column]

    def _look(self) -> Row:
        """Its row in the listing of its level."""
        row = self._find(self.connection.iter_rows(self.listing_uri()))
        self.row.update(row)
        return row

    def _look_again(self) -> Row:
        """The same as the server has it now, whatever the cache holds."""
        self.connection.request(uris.with_query(self.listing_uri(), {'format': 'json'}), expiration=0)
        return self._look()

    def listing_uri(self) -> str:
        """URI of the listing it stands in."""
        uri = uris.join(uris.ENTRY if len(self.steps) == 1 else paths.uri_of(self._above_path()), self.level.segment)
        at_server = len(self.steps) == 1 and self.level.plural != 'projects'
        return uris.with_query(uri, {'ID': self.path_name}) if at_server else uri

    def _find(self, rows: Iterable[Row]) -> Row:
        found = self._among(rows)
        if found is not None:
            return found
        raise errors.NotFoundError(
            f'no {self.level.singular} {self.path_name!r}',
            uri=self.url,
            remedy='Check the spelling; what this login may not see is hidden.',
        )

    def _among(self, rows: Iterable[Row]) -> Row | None:
        """Its row among some: the one with its name as ID, or else as label, as XNAT reads names of what is not below them."""
        first, second = self.level.id_column, self.level.label_column
        other = None
        for row in rows:
            if row.get(first) == self.path_name:
                return row
            if other is None and row.get(second) == self.path_name:
                other = row
        return other

    def parent(self) -> Element | None:
        """The element above; `None` above a project, and above a subject that was selected from the server itself.

        That of an experiment is its subject, whatever it was selected by: one request where the path does not name the subject. Else none.
        """
        return self._above_it()

    def _above_it(self) -> Element | None:
        """The element above it on its path."""
        if len(self.steps) == 1:
            return None
        above = self.steps[:-1]
        level = above[-1].level
        return cast('Element', class_of(level).element_at(paths.uri_of(above), self.host, self.above.get(level), self.above))

    def children(self, show_names: bool = True) -> Any:
        """Names of the collections below it; with ``show_names=False`` the collections themselves. No request."""
        names = [row.plural for row in children(self.level.plural)]
        return names if show_names else [getattr(self, name)() for name in names]

    def create(self, **params: Any) -> Any:
        """Create it, and whatever is missing above it.

        Parameters
        ----------
        **params
            Fields by short name or xpath (``gender='female'``, ``**{'xnat:mrSessionData/fieldStrength': '3.0'}``); the type of a level by its
            plural name (``experiments='xnat:petSessionData'``) or ``xsiType``; full paths of types above it count where that is created, too;
            ``params={…}`` for further query parameters; ``xml=`` the path of an XNAT document to create it from, with ``allowDataDeletion`` if
            fields that the document has not are to go; ``move=True`` to move a session, an assessor or a reconstruction here that is elsewhere
            in the project (XNAT does so without being asked).

        Returns
        -------
        Element
            Itself.

        Raises
        ------
        ProgrammingError
            A field or label that the server refuses.
        IntegrityError
            The session on the path is that of another subject, or the assessor or reconstruction that of another session: XNAT would move it.
        PermissionDenied
            This login may not create it.

        Notes
        -----
        One request where everything above it exists, and one look at the sessions of the project where the path names a subject and a session that no
        listing led to; an assessor or reconstruction takes one more look. Fields go by document. Where the server answers that something is missing,
        the nearest missing element is created and the request repeated. A scan of a new session goes in the session's document, with which XNAT makes
        the subject, too: two requests for all three.
        """
        document = _document(params.pop('xml', None))
        types = {row.plural: str(params.pop(row.plural)) for row in LEVELS if row.plural in params}
        extra = dict(params.pop('params', {}))
        for ignored in ('use_label', 'overwrite'):
            params.pop(ignored, None)
        move = bool(params.pop('move', False))
        self._create(types, {**params, **extra}, document, move=move)
        return self

    insert = create

    def _create(
        self, types: dict[str, str], fields: dict[str, Any], document: bytes | None = None, inner: Sequence[Any] = (), *, move: bool = False
    ) -> None:
        """Create it with what is missing above it; `inner` are elements that its document holds. One look at whose things are serves all of it."""
        with self.host.owners.one_look():
            self._create_looking(types, fields, document, inner, move)

    def _create_looking(self, types: dict[str, str], fields: dict[str, Any], document: bytes | None, inner: Sequence[Any], move: bool) -> None:
        kind = str(types.get(self.level.plural) or fields.get('xsiType') or self.level.datatype)
        above = {} if document else fields_above(kind, fields)
        fields = {name: value for name, value in fields.items() if name not in above}
        made = None if document or not kind else self._fields_of_new(kind, fields)
        is_in_vain = self._check_new(fields, move) is False and self.level.plural != 'experiments'
        if made is not None:
            _, query = divide(self, fields)
            document, fields = made.document(inner), {**made.query(), **query}
            if document is None and 'xsiType' in self.level.columns:
                fields['xsiType'] = made.kind
        parent = self._above_it()
        if is_in_vain and parent is not None:  # its session is not there
            answer = self._create_below(parent, types, above, made, fields, document)
        else:
            try:
                answer = self._put(fields, document)
            except errors.DatabaseError as error:
                if parent is None or not self._is_well_named() or not self._lacks_parent(error, parent):
                    raise
                answer = self._create_below(parent, types, above, made, fields, document)
        self._learn(six.ensure_text(answer or b'', errors='replace').strip())

    def _create_below(
        self, parent: Element, types: dict[str, str], above: dict[str, Any], made: Fields | None, fields: dict[str, Any], document: bytes | None
    ) -> bytes:
        """Create what is above it, with it in the document of that where it can stand there; else after it."""
        within = made.as_inner(self) if made is not None and not made.query() and fields.keys() <= {'xsiType'} else []
        parent._create(types, above, inner=within)
        return b'' if within else self._put(fields, document)

    def _fields_of_new(self, kind: str, fields: dict[str, Any]) -> Fields:
        """The fields that it is created with, checked."""
        values, _ = divide(self, fields)
        made = Fields(self, kind, {name: value for name, value in values.items() if value not in (None, '')})
        made.check_new()
        return made

    @staticmethod
    def _lacks_parent(error: errors.DatabaseError, parent: Element) -> bool:
        """Whether a refusal says that what is above is missing. XNAT has many words for it; where they may mean another thing, it is looked up."""
        if isinstance(error, errors.NotFoundError) or error.status in (404, 417):
            return True
        return error.status in (400, 422, 500) and not parent.exists()

    def _check_new(self, fields: Mapping[str, Any], move: bool) -> bool | None:
        """Refuse a name that XNAT does not take, a place that is another's, an ID that another has; as `check_owner` returns."""
        if self.level.plural in _CHECKED and labels.why_not_new(self.level.plural, self.path_name) and not self.exists():
            labels.check_new(self.level.plural, self.level.singular, self.path_name, self.url)
        self.host.owners.check_id(self, fields.get('ID'))
        return self.check_owner(move)

    def check_owner(self, move: bool = False, fresh: bool = False) -> bool | None:
        """Refuse a path that names another owner than that of what is on it, unless it is to `move` there; whether the session on it is there."""
        self._check_sent()
        try:
            return self.host.owners.check(self, move, fresh)
        except errors.NotFoundError:  # there is no such project: the request that follows says so, or what is above it is created
            return None

    def _put(self, query: Mapping[str, Any], document: bytes | None) -> bytes:
        if document is not None:
            return self.put_document(document, query)
        answer: bytes = self.connection.request(uris.with_query(self.uri, query), 'PUT')
        return answer

    def _is_well_named(self) -> bool:
        """Whether the name is one that XNAT takes for the label of a new element; if not, its refusal is not about what is above."""
        return self.level.plural not in _CHECKED or not labels.why_not_new(self.level.plural, self.path_name)

    def _learn(self, accession_id: str) -> None:
        """Keep the accession ID that the server answers a PUT of a subject, experiment or assessor with."""
        if self.level.plural not in ('subjects', 'experiments', 'assessors') or not accession_id:
            return
        if len(accession_id) > _LONGEST_ID or not accession_id.isprintable():
            what, remedy = f'no accession ID: {accession_id[:60]!r}', 'See whether it is there now.'
            raise errors.UnexpectedAnswer(what, uri=self.url, method='PUT', remedy=remedy)
        if '/' not in accession_id:
            self.row[self.level.id_column] = accession_id
            self.host.owners.learn(self)

    def delete(self, delete_files: bool = True) -> None:
        """Delete it and all that belongs to it; what is seen through a project that it is only shared into is taken out of there.

        One request; one more for the accession ID of a subject, experiment or assessor, if that is not known; where the path names subject and
        session by label, one for whose the session is: XNAT would delete that of another. One more for an assessor or reconstruction.

        Parameters
        ----------
        delete_files : bool
            Whether its files go too; otherwise they stay on the server's disk, out of reach.

        Raises
        ------
        NotFoundError
            There is no such thing.
        IntegrityError
            The session on the path is that of another subject, or the assessor or reconstruction that of another session.
        PermissionDenied
            This login may not delete it.
        """
        self.check_owner(fresh=True)
        self.connection.request(uris.with_query(self._uri_to_delete(), {'removeFiles': delete_files}), 'DELETE')
        self.row.clear()
        self.host.owners.forget()

    def _uri_to_delete(self) -> str:
        """A URI to delete that means this element and no other."""
        return self.uri

    def get(self) -> bytes:
        """Its XML document. One request.

        Raises
        ------
        UnexpectedAnswer
            What came is no document, or not all of it.
        """
        document: bytes = self.connection.request(uris.with_query(self.uri, {'format': 'xml'}), 'GET')
        if not (document.lstrip(b'\xef\xbb\xbf \r\n\t').startswith(b'<') and document.rstrip().endswith(b'>')):
            raise errors.UnexpectedAnswer(
                f'no XML document: {document[:60]!r}', uri=self.connection.server + self.uri, method='GET', remedy='Ask again.'
            )
        return document

    def attributes(self) -> dict[str, str]:
        """Its row in its level's listing: column -> text. One request."""
        return dict(self._look())

    def tag(self, name: str) -> Any:
        """Put it into a named set; the tag. Two requests, and up to two for the first tag of all."""
        tag = self.host.manage.tags.get(name)
        tag.reference(self.uri)
        return tag

    def untag(self, name: str) -> None:
        """Take it out of a named set. Two requests."""
        self.host.manage.tags.get(name).dereference(self.uri)

    def _repr_html_(self) -> str:
        """What its listing says of it, for a notebook. One request, none where a listing said it already."""
        known = self.row or (self._look() if self.exists() else {'': 'not on the server, or hidden from this login'})
        return f'<p>{html.escape(repr(self))}</p>{html_table([known])}'

    def xpath(self, expression: str) -> list[Any]:
        """What an XPath finds in its XML document, by the document's own prefixes (``//xnat:scan``). One request."""
        root = parse_xml(self.get())
        found: Any = root.xpath(expression, namespaces={prefix: uri for prefix, uri in root.nsmap.items() if prefix})
        return list(found) if isinstance(found, list) else [found]

    def namespaces(self) -> dict[str, str]:
        """Prefixes of its XML document. One request."""
        return {prefix: uri for prefix, uri in parse_xml(self.get()).nsmap.items() if prefix}

    def put_document(self, document: bytes, query: Mapping[str, Any]) -> bytes:
        answer: bytes = self.connection.request(uris.with_query(self.uri, query), 'PUT', document, XML)
        return answer

    def _child(self, row: Level, name: Any) -> Any:
        step = Step(row.plural, as_name(row, name), True)
        above = {**self.above, **({self.level.plural: self.row} if self.row else {})}
        return class_of(row.singular)(paths.uri_of((*self.steps, step)), self.host, None, above)

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, as_name(row, id_filter), False)
        return class_of(row.plural)([(*self.steps, step)], self.host)


def _document(location: Any) -> bytes | None:
    """An XNAT document from a file; what is not well-formed is refused here, where the file can be named."""
    if location is None:
        return None
    text = FilePath(location).expanduser().read_bytes()
    try:
        parse_xml(text)
    except ValueError as error:
        raise errors.DataError(f'{location}: {error}', remedy='Give the path of an XML document as get() returns it.') from error
    return text


def as_name(row: Level, name: Any) -> str:
    """A name as text; the shape of one, not its existence, is checked."""
    text = six.ensure_text(name) if isinstance(name, bytes) else str(name)
    parts = text.split('/')
    if name is None or not text or (row.plural != 'files' and len(parts) > 1) or '\x00' in text or {'.', '..'} & set(parts):
        raise errors.ProgrammingError(f'{name!r} is not a name of a {row.singular}', remedy='Give an ID or a label.')
    return text


def _restore(singular: str, uri: str, interface: Host, known: Row, above: dict[str, Row]) -> Element:
    return cast('Element', class_of(singular)(uri, interface, known, above))
