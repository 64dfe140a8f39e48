"""Base class of all elements.

An element is a handle on one item of the archive: creating, comparing and printing it makes no
request.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

import six

from .. import errors
from ..model import labels, uris
from ..model.levels import GAPS, LEVELS, Level, children
from ..model.near import did_you_mean
from ..model.rows import ListedRow
from ..model.xml import parse_xml
from ..query import paths
from ..query.paths import Path, Step
from ..tables.table import Row, html_table
from .above import check_types
from .attributes import Attributes
from .bulk import Uploadable
from .creation import create, read_document
from .host import Host
from .hosted import Named
from .repeated import accept_if_done
from .writing import XML

__all__ = ['Element', 'as_name', 'class_of', 'register']

log = logging.getLogger('pyxnat.resources')

_CLASSES: dict[str, type[Any]] = {}


def register(name: str, cls: type[Any]) -> None:
    """Register a class under the name of its level.

    Parameters
    ----------
    name : str
        Plural name of the level for a collection class, singular for an element class.
    cls : type
        The collection or element class.
    """
    _CLASSES[name] = cls


class_of: Callable[[str], type[Any]] = _CLASSES.__getitem__
"""Look up a class by the plural or singular name of its level."""


class Element(Named, Uploadable):
    """An item of the archive, whether it exists or not.

    Parameters
    ----------
    uri : str
        Its URI, with or without ``/data``.
    interface : Interface
        The Interface that it makes its requests with.
    known : dict, optional
        Its row in a listing.
    above : dict, optional
        Rows of the elements above it, by level.

    Attributes
    ----------
    host : Interface
        The Interface that it makes its requests with.
    steps : tuple of Step
        Its path: level and name of each step.
    above : dict
        Rows of the elements above it, by level.
    listed : Entry or None
        The cached response of the listing that it came from.
    row : dict
        The columns known so far, as text.
    level : Level
        Its row in the table of levels.
    """

    level: ClassVar[Level]

    def __init__(
        self,
        uri: str,
        interface: Host,
        known: Row | None = None,
        above: Mapping[str, Row] | None = None,
    ) -> None:
        self.steps: Path = paths.read(uri)
        self.host = interface
        self.row: Row = ListedRow(known or {})
        self.above: dict[str, Row] = dict(above or {})
        self._home: Path | None = None
        self.listed: Any = None

    @cached_property
    def attrs(self) -> Attributes:
        """Its fields."""
        return Attributes(self)

    @property
    def uri(self) -> str:
        """The encoded URI, starting with ``/data``.

        XNAT has no scans, assessors or reconstructions below ``/projects/P/experiments/E``, and no
        experiments below ``/subjects/S``. An element selected that way has its URI below
        ``/experiments``, or in the subject's own project; the first use costs one request.
        """
        if paths.is_as_routed(self.steps):
            return paths.uri_of(self.steps)
        step = self.steps[-1]
        if len(self.steps) > 1 and labels.needs_id(step.level, step.name):
            step = step._replace(name=self.value_of(self.level.id_column))
        return paths.uri_of((*self._above_path(), step))

    def _above_path(self) -> Path:
        """Return the path above, with routes and names that XNAT accepts.

        XNAT compares labels with the encoded path, so a label that needs quoting never matches;
        the ID replaces it. Each such label costs one request, once per element.
        """
        if paths.is_as_routed(self.steps):
            return self.steps[:-1]
        self._check_names()
        chain = paths.chain_of(self.steps)
        gap = next((chain[:end] for end in range(2, len(chain) + 1) if chain[:end] in GAPS), ())
        if gap or any(labels.needs_id(step.level, step.name) for step in self.steps[1:-1]):
            if self._home is None:
                begin = len(gap) - 1 if gap else 1
                home = self._find_home(begin) if gap else self.steps[:begin]
                self._home = (
                    *home,
                    *(self._step_above(place) for place in range(begin, len(self.steps) - 1)),
                )
            return self._home
        return self.steps[:-1]

    def _step_above(self, place: int) -> Step:
        """Return a step of the path; an ID replaces a label to be quoted."""
        step = self.steps[place]
        if labels.needs_id(step.level, step.name):
            above = class_of(step.level).element_at(
                paths.uri_of(self.steps[: place + 1]),
                self.host,
                self.above.get(step.level),
                self.above,
            )
            return step._replace(name=above.id())
        return step

    @property
    def url(self) -> str:
        """The full address for messages, including the server. No request."""
        return self.connection.server + paths.uri_of(self.steps)

    def _check_names(self) -> None:
        """Raise an error for names that no path can hold.

        Resources and files check their own names.
        """
        if paths.is_as_routed(self.steps):
            return
        for step in self.steps:
            if step.level in labels.CHECKED and step.literal and labels.why_not_sent(step.name):
                labels.check_sent(
                    class_of(step.level).level.singular,
                    step.name,
                    self.connection.server + paths.uri_of(self.steps),
                )

    def exact_uri(self) -> str:
        """Return a URI for writing that cannot match another element."""
        return self.uri

    def writing_uri(self) -> str:
        """Return a URI for writing fields that matches no other element.

        The element must exist.
        """
        self.datatype()
        return self.exact_uri()

    def _find_home(self, depth: int) -> Path:
        """Return the path below which XNAT routes the children of an ancestor.

        ``/experiments/ID`` or ``/projects/P/subjects/ID``. One request if the ID is not known.
        """
        ancestor = self.steps[depth - 1]
        element = class_of(ancestor.level).element_at(
            paths.uri_of(self.steps[:depth]), self.host, self.above.get(ancestor.level)
        )
        itself = Step(ancestor.level, element.id(), True)
        return (
            (itself,)
            if ancestor.level == 'experiments'
            else (Step('projects', element.value_of('project'), True), itself)
        )

    @property
    def path_name(self) -> str:
        """The last name in the URI, decoded: an ID or a label."""
        return self.steps[-1].name

    def __repr__(self) -> str:
        """Show the name, and the label if it is known and another one. No request."""
        label = self.row.get(self.level.label_column, '') if self.level.has_label else ''
        shown = f' `{uris.meaning(label)}`' if label not in ('', self.path_name) else ''
        return errors.printable(f'<{type(self).__name__} Object> {self.path_name}{shown}')

    def __str__(self) -> str:
        """Return a summary as pyxnat 1.x does, or `repr` without access to its row.

        Requests as for `summary`.
        """
        try:
            return self.summary()
        except (*errors.HIDDEN, errors.NetworkError) as error:
            log.info('no summary of %s: %s', self.url, error)
            return repr(self)

    def summary(self) -> str:
        """Return one line about it, as ``print`` shows it. No request.

        For projects and subjects two requests, for experiments three, for scans and resources one.
        """
        return repr(self)

    def _summary_of(self, text: str) -> str:
        return (
            f'<{type(self).__name__} Object> {text} {self.connection.server}{self.uri}?format=html'
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return self.steps == other.steps and self.connection.is_same_as(other.connection)

    def __hash__(self) -> int:
        return hash((self.steps, self.connection.server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (
            self.level.singular,
            paths.uri_of(self.steps),
            self.host,
            self.row,
            self.above,
        )

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Return its identity: server, login and path. No request."""
        return (
            'pyxnat-element',
            self.connection.server,
            self.connection.user,
            paths.uri_of(self.steps),
        )

    def exists(self, consistent: bool = False) -> bool:
        """Whether the server lists the element for this login.

        One request: the listing of its level is searched for the ID or label. False means that the
        listing lacks it, or that the server answered 404 or 403 for an element above. A failed
        connection, a wrong password or a server failure raises an error. If XNAT answers 500
        because an element above is missing, each level above costs one more request.

        Parameters
        ----------
        consistent : bool
            Fetch the listing again even if it was fetched within the last second.
        """
        try:
            self.refetch_row() if consistent else self.fetch_row()
        except errors.HIDDEN:
            return False
        except errors.InternalError:
            above = self.parent_on_path()
            if above is None or above.exists(consistent):
                raise
            return False
        return True

    def id(self) -> str:
        """Return the ID.

        An accession ID such as ``XNAT_S00001``; for a scan the number given by the scanner; for a
        resource a number. One request if not known.
        """
        return self.value_of(self.level.id_column)

    def label(self) -> str:
        """Return the label, or the ID for levels without labels.

        One request if not known.
        """
        return self.value_of(self.level.label_column)

    def datatype(self) -> str:
        """Return the XNAT type, such as ``xnat:mrSessionData``.

        One request if not known; none for projects, subjects and reconstructions.
        """
        if 'xsiType' in self.level.columns:
            return self.value_of('xsiType')
        return self.level.datatype

    def value_of(self, column: str) -> str:
        """Return a column of the listing. One request if not known."""
        return self.row[column] if column in self.row else self.fetch_row()[column]

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of its level. One request."""
        row = self.require_row(self.connection.iter_rows(self.listing_uri()))
        self.row.update(row)
        return row

    def refetch_row(self) -> Row:
        """Fetch its row from the server, even if the listing is cached. One request."""
        self.connection.request(
            uris.with_query(self.listing_uri(), {'format': 'json'}), expiration=0
        )
        return self.fetch_row()

    @property
    def _urt(self) -> str:
        return self.level.plural

    def listing_uri(self) -> str:
        """Return the URI of the listing that contains it."""
        uri = uris.join(
            uris.ENTRY if len(self.steps) == 1 else paths.uri_of(self._above_path()),
            self.level.segment,
        )
        at_server = len(self.steps) == 1 and self.level.plural != 'projects'
        return uris.with_query(uri, {'ID': self.path_name}) if at_server else uri

    def require_row(self, rows: Iterable[Row]) -> Row:
        """Return its row among the rows of a listing; `NotFoundError` if it has none."""
        found = self.match_row(rows)
        if found is not None:
            return found
        names = dict.fromkeys(
            row.get(column, '')
            for row in rows
            for column in (self.level.label_column, self.level.id_column)
        )
        raise errors.NotFoundError(
            f'no {self.level.singular} {self.path_name!r}',
            uri=self.url,
            remedy=f'{did_you_mean(self.path_name, names)}Check the spelling; items hidden from '
            'this login are not listed.',
        )

    def match_row(self, rows: Iterable[Row]) -> Row | None:
        """Return its row: the one with its name as ID, or else as label.

        XNAT resolves the last name of a path in the same order.
        """
        first, second = self.level.id_column, self.level.label_column
        other = None
        for row in rows:
            if row.get(first) == self.path_name:
                return row
            if other is None and row.get(second) == self.path_name:
                other = row
        return other

    def parent(self) -> Element | None:
        """Return the element above.

        None for a project, and for a subject selected from the server itself. The parent of an
        experiment is always its subject: one request if the path does not name it. No request
        otherwise.
        """
        return self.parent_on_path()

    def parent_on_path(self) -> Element | None:
        """Return the element above on its path; None at its begin. No request."""
        if len(self.steps) == 1:
            return None
        above = self.steps[:-1]
        level = above[-1].level
        return cast(
            'Element',
            class_of(level).element_at(
                paths.uri_of(above), self.host, self.above.get(level), self.above
            ),
        )

    def children(self, show_names: bool = True) -> Any:
        """Return the names of the collections below. No request.

        Parameters
        ----------
        show_names : bool
            False returns the collections themselves.
        """
        names = [row.plural for row in children(self.level.plural)]
        return names if show_names else [getattr(self, name)() for name in names]

    def create(self, **params: Any) -> Any:
        """Create the element, and all missing elements above it.

        Parameters
        ----------
        **params
            Any of:

            - fields by short name or full path: ``gender='female'``,
              ``**{'xnat:mrSessionData/fieldStrength': '3.0'}``; fields of custom forms:
              ``**{'form:Enrolment/date': '2020-01-02'}``;
            - the type of a level by its plural name (``experiments='xnat:petSessionData'``), or
              ``xsiType`` for this one;
            - full paths of types above it, for that element if it is created, too; if it exists, it
              must have these values;
            - ``params={…}``: further query parameters;
            - ``xml=``: path of an XNAT document to create it from; ``allowDataDeletion=True``
              deletes fields that the document lacks;
            - ``move=True``: move a session, assessor or reconstruction of this name here from
              elsewhere in the project. XNAT itself would do so silently.

        Returns
        -------
        Element
            This element.

        Raises
        ------
        ProgrammingError
            The server rejects a field or label, or no element on the path has such a field or type.
        IntegrityError
            The session on the path belongs to another subject, or the assessor or reconstruction to
            another session: XNAT would move it. Or an element above exists with other values than
            those given for it.
        PermissionDenied
            This login may not create it.

        Notes
        -----
        One request if everything above exists. One more (the sessions of the project) if the path
        names a subject and a session and neither came from a listing; one more for an assessor or
        reconstruction. Two more for each element above that is given fields: its listing, and its
        document or creation. Two to four more for fields of forms.

        Fields are sent as an XML document. If the server reports a missing element, the nearest one
        above is created and the request repeated. A scan of a new session is sent in the session's
        document, from which XNAT also creates the subject: two requests for all three.
        """
        document = read_document(params.pop('xml', None))
        types = {row.plural: str(params.pop(row.plural)) for row in LEVELS if row.plural in params}
        check_types(self, types)
        extra = dict(params.pop('params', {}))
        for ignored in ('use_label', 'overwrite'):
            params.pop(ignored, None)
        move = bool(params.pop('move', False))
        self.create_with_parents(types, {**params, **extra}, document, move=move)
        return self

    insert = create

    def create_with_parents(
        self,
        types: dict[str, str],
        fields: dict[str, Any],
        document: bytes | None = None,
        inner: Sequence[Any] = (),
        *,
        move: bool = False,
    ) -> None:
        """Create it and all missing elements above it; see `create`.

        Parameters
        ----------
        types : dict
            Plural names of levels to data types.
        fields : dict
            Fields of the element, and parameters of the request.
        document : bytes, optional
            XML document of the element.
        inner : sequence of XML elements
            Children for its document.
        move : bool
            Accept another owner: the element is moved.

        Notes
        -----
        One lookup of owners serves all levels.
        """
        with self.host.owners.reuse_lookups():
            create(self, types, fields, document, inner, move)

    def check_owner(self, move: bool = False, fresh: bool = False) -> bool | None:
        """Raise an error if the path names a wrong owner of the element.

        Parameters
        ----------
        move : bool
            Accept another owner: the element is moved.
        fresh : bool
            Fetch the owner even if it was fetched within the last minute.

        Returns
        -------
        bool or None
            Whether the session on the path exists; None if that was not checked.

        Raises
        ------
        IntegrityError
            The session belongs to another subject, or the assessor or reconstruction to another
            session.
        ProgrammingError
            A name on the path means several elements to XNAT, such as the scan ``ALL``.
        """
        self._check_names()
        url = self.url
        for step in self.steps:
            labels.check_single(step.level, step.name, url)
        self.host.owners.check_project(self)
        try:
            return self.host.owners.check(self, move, fresh)
        except errors.NotFoundError:  # no such project: the next request fails, or creates it
            return None

    def delete(self, delete_files: bool = True) -> None:
        """Delete the element and everything below it.

        If the project on the path only shares the element, the share ends and the element stays.

        One request; one more for the accession ID of a subject, experiment or assessor if not
        known; one more for the session's owner if the path names subject and session by label (XNAT
        would delete another subject's session); one more for an assessor or reconstruction.

        Parameters
        ----------
        delete_files : bool
            Delete its files, too. False leaves them on the server's disk, out of reach of clients.

        Raises
        ------
        NotFoundError
            It does not exist.
        IntegrityError
            The session on the path belongs to another subject, or the assessor or reconstruction to
            another session.
        PermissionDenied
            This login may not delete it.
        """
        self.check_owner(fresh=True)
        uri = uris.with_query(self._uri_to_delete(), {'removeFiles': delete_files})
        with accept_if_done(lambda: not self.exists(consistent=True)):
            self.connection.request(uri, 'DELETE')
        self.row.clear()
        self.host.owners.invalidate()

    def _uri_to_delete(self) -> str:
        """Return a URI for deleting that cannot match another element."""
        return self.uri

    def get(self) -> bytes:
        """Return the XML document. One request.

        Raises
        ------
        UnexpectedAnswer
            The response is no XML document, or is truncated.
        """
        document: bytes = self.connection.request(
            uris.with_query(self.uri, {'format': 'xml'}), 'GET'
        )
        if not (
            document.lstrip(b'\xef\xbb\xbf \r\n\t').startswith(b'<')
            and document.rstrip().endswith(b'>')
        ):
            raise errors.UnexpectedAnswer(
                f'no XML document: {document[:60]!r}',
                uri=self.connection.server + self.uri,
                method='GET',
                remedy='Retry.',
            )
        return document

    def attributes(self) -> dict[str, str]:
        """Return the row in the listing: column -> text. One request."""
        return dict(self.fetch_row())

    def tag(self, name: str) -> Any:
        """Add the element to a tag, and return the tag.

        Two requests, and up to two more for the first tag of this login.
        """
        tag = self.host.manage.tags.get(name)
        tag.reference(self.uri)
        return tag

    def untag(self, name: str) -> None:
        """Remove the element from a tag. Two requests."""
        self.host.manage.tags.get(name).dereference(self.uri)

    def _repr_html_(self) -> str:
        """Render its row as an HTML table, for a notebook.

        One request; none if its row is known.
        """
        known = self.row or (
            self.fetch_row()
            if self.exists()
            else {'': 'not on the server, or hidden from this login'}
        )
        return f'<p>{html.escape(repr(self))}</p>{html_table([known])}'

    def xpath(self, xpath: str) -> list[Any]:
        """Evaluate an XPath expression on the XML document. One request.

        The prefixes are those of the document: ``//xnat:scan``.
        """
        root = parse_xml(self.get())
        found: Any = root.xpath(
            xpath, namespaces={prefix: uri for prefix, uri in root.nsmap.items() if prefix}
        )
        return list(found) if isinstance(found, list) else [found]

    def namespaces(self) -> dict[str, str]:
        """Return the namespaces of the XML document by prefix. One request."""
        return {prefix: uri for prefix, uri in parse_xml(self.get()).nsmap.items() if prefix}

    def put_document(self, document: bytes, query: Mapping[str, Any]) -> bytes:
        """Send an XML document to the element. One request.

        Parameters
        ----------
        document : bytes
            The XML document.
        query : mapping
            Query parameters.

        Returns
        -------
        bytes
            The response body: the accession ID of a subject, experiment or assessor.
        """
        response: bytes = self.connection.request(
            uris.with_query(self.uri, query), 'PUT', document, XML
        )
        return response

    def _child(self, row: Level, name: Any) -> Any:
        step = Step(row.plural, as_name(row, name), True)
        above = {**self.above, **({self.level.plural: self.row} if self.row else {})}
        return class_of(row.singular)(paths.uri_of((*self.steps, step)), self.host, None, above)

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, as_name(row, id_filter), False)
        return class_of(row.plural)([(*self.steps, step)], self.host)


def as_name(row: Level, name: Any) -> str:
    """Return an element's name as text, after a check of its form.

    Parameters
    ----------
    row : Level
        The level of the element.
    name : str, bytes or int
        Its ID or label; for files a path.

    Raises
    ------
    ProgrammingError
        The name is empty or None, or has a slash (except for files), a NUL or a ``.`` or ``..``.
    """
    text = six.ensure_text(name) if isinstance(name, bytes) else str(name)
    parts = text.split('/')
    if (
        name is None
        or not text
        or (not row.is_file and len(parts) > 1)
        or '\x00' in text
        or {'.', '..'} & set(parts)
    ):
        raise errors.ProgrammingError(
            f'{name!r} is not a name of a {row.singular}', remedy='Give an ID or a label.'
        )
    return text


def _restore(
    singular: str, uri: str, interface: Host, known: Row, above: dict[str, Row]
) -> Element:
    return cast('Element', class_of(singular)(uri, interface, known, above))
