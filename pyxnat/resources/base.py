"""What all elements and all collections have in common.

An element is a handle on one thing of the archive: making it, comparing it and showing it asks nothing. A collection is a question that has not
been asked yet; it never changes, and refining it gives another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import six

from .. import errors, paths, uris
from ..criteria import Group, parse
from ..paths import Path, Step
from ..structure import GAPS, LEVELS, Level, children
from ..tables import Row
from .attributes import Attributes

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Collection', 'Element', 'class_of', 'register']

_CLASSES: dict[str, type[Any]] = {}


def register(name: str, cls: type[Any]) -> None:
    """Make a class known under the name of its level (plural: collection, singular: element)."""
    _CLASSES[name] = cls


def class_of(name: str) -> type[Any]:
    """The class for a plural or singular level name."""
    return _CLASSES[name]


class Element:
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

    _level: ClassVar[Level]

    def __init__(self, uri: str, interface: Interface, known: Row | None = None, above: Mapping[str, Row] | None = None) -> None:
        self._path: Path = paths.read(uri)
        self._intf = interface
        self._known: Row = dict(known or {})
        self._above: dict[str, Row] = dict(above or {})
        self._home: Path | None = None
        self.attrs = Attributes(self)

    @property
    def _uri(self) -> str:
        """The URI, encoded, from the entry point on.

        XNAT has no scans, assessors and reconstructions below ``/projects/P/experiments/E``, and no experiments below ``/subjects/S``: one
        reached that way has its URI below ``/experiments``, or in the subject's project, and the first look at it asks for what that takes
        (one request).
        """
        chain = paths.chain_of(self._path)
        gap = next((chain[:end] for end in range(2, len(chain) + 1) if chain[:end] in GAPS), ())
        if not gap:
            return paths.uri_of(self._path)
        if self._home is None:
            self._home = self._find_home(len(gap) - 1)
        return paths.uri_of((*self._home, *self._path[len(gap) - 1 :]))

    def _find_home(self, depth: int) -> Path:
        """The path of the ancestor of that depth from where XNAT routes its children."""
        ancestor = self._path[depth - 1]
        element = class_of(ancestor.level)._element(paths.uri_of(self._path[:depth]), self._intf, self._above.get(ancestor.level))
        itself = Step(ancestor.level, element.id(), True)
        return (itself,) if ancestor.level == 'experiments' else (Step('projects', element._known_or_asked('project'), True), itself)

    @property
    def _urn(self) -> str:
        """The name it is addressed by: an ID or a label."""
        return self._path[-1].name

    @property
    def _urt(self) -> str:
        """Plural name of its level."""
        return self._level.plural

    def __repr__(self) -> str:
        return f'<{type(self).__name__} Object> {self._urn}'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return self._path == other._path and self._intf._server == other._intf._server and self._intf._user == other._intf._user

    def __hash__(self) -> int:
        return hash((self._path, self._intf._server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._level.singular, paths.uri_of(self._path), self._intf, self._known, self._above)

    def exists(self) -> bool:
        """Whether the server has it, by ID or label, and this login may see it.

        One request: the listing of its level. `False` means that the server said so (not listed, or 404 or 403 for what is above it); a
        server that cannot be reached, a wrong password or a failure are errors.
        """
        try:
            self._look()
        except (errors.NotFoundError, errors.PermissionDenied):
            return False
        return True

    def id(self) -> str:
        """The ID: an accession ID such as ``XNAT_S00001``; of a scan what the scanner gave, of a resource a number. One request if not known."""
        return self._known_or_asked(self._level.id_column)

    def label(self) -> str:
        """The label; the ID where XNAT knows none. One request if not known."""
        return self._known_or_asked(self._level.label_column)

    def datatype(self) -> str:
        """The XNAT type, such as ``xnat:mrSessionData``. One request if not known; none for projects, subjects and reconstructions."""
        if 'xsiType' in self._level.columns:
            return self._known_or_asked('xsiType')
        return self._level.datatype

    def _known_or_asked(self, column: str) -> str:
        return self._known[column] if column in self._known else self._look()[column]

    def _look(self) -> Row:
        """Its row in the listing of its level: the row with its name as ID, or else as label, as the server resolves names."""
        row = self._find(self._intf._get_json(self._listing()))
        self._known.update(row)
        return row

    def _listing(self) -> str:
        """URI of the listing it stands in."""
        uri = uris.join(uris.ENTRY if len(self._path) == 1 else paths.uri_of(paths.read(self._uri)[:-1]), self._level.segment)
        at_server = len(self._path) == 1 and self._urt != 'projects'
        return uris.with_query(uri, {'ID': self._urn}) if at_server else uri

    def _find(self, rows: list[Row]) -> Row:
        for column in (self._level.id_column, self._level.label_column):
            for row in rows:
                if row.get(column) == self._urn:
                    return row
        raise errors.NotFoundError(
            f'no {self._level.singular} {self._urn!r}',
            uri=self._intf._server + self._uri,
            remedy='Check the spelling; what this login may not see is hidden.',
        )

    def parent(self) -> Element | None:
        """The element above; `None` above a project, and above what was selected from the server itself. No request."""
        if len(self._path) == 1:
            return None
        above = self._path[:-1]
        level = above[-1].level
        parent: Element = class_of(level)._element(paths.uri_of(above), self._intf, self._above.get(level), self._above)
        return parent

    def children(self, show_names: bool = True) -> Any:
        """Names of the collections below it; with ``show_names=False`` the collections themselves. No request."""
        names = [row.plural for row in children(self._urt)]
        return names if show_names else [getattr(self, name)() for name in names]

    def create(self, **params: Any) -> Any:
        """Create it, and whatever is missing above it.

        Parameters
        ----------
        **params
            Fields by short name or xpath (``gender='female'``, ``**{'xnat:mrSessionData/fieldStrength': '3.0'}``); the type of a level by its
            plural name (``experiments='xnat:petSessionData'``) or ``xsiType``; ``params={…}`` for further query parameters.

        Returns
        -------
        Element
            Itself.

        Raises
        ------
        ProgrammingError
            A field or label that the server refuses.
        PermissionDenied
            This login may not create it.

        Notes
        -----
        One request where everything above it exists. Where the server answers that something is missing (404, 417), the nearest missing
        element is created and the request repeated: a scan with its session and its subject takes three.
        """
        types = {row.plural: str(params.pop(row.plural)) for row in LEVELS if row.plural in params}
        extra = dict(params.pop('params', {}))
        params.pop('use_label', None)
        self._create(types, {**params, **extra})
        return self

    insert = create

    def _create(self, types: dict[str, str], fields: dict[str, Any]) -> None:
        uri = uris.with_query(self._uri, {**self._type_of_new(types, fields), **fields})
        try:
            answer = self._intf._exec(uri, 'PUT')
        except errors.DatabaseError as error:
            parent = self.parent()
            if error.status not in (404, 417) or parent is None or not self._is_well_named():
                raise
            parent._create(types, {})
            answer = self._intf._exec(uri, 'PUT')
        self._learn(six.ensure_text(answer or b'').strip())

    def _type_of_new(self, types: dict[str, str], fields: dict[str, Any]) -> Row:
        given = str(types.get(self._urt) or fields.get('xsiType') or self._level.datatype)
        typed = 'xsiType' in self._level.columns
        return {'xsiType': given} if given and typed else {}

    def _is_well_named(self) -> bool:
        """Whether the name is one that XNAT takes for the label of a new element; if not, its refusal is not about what is above."""
        strict = self._urt in ('projects', 'subjects', 'experiments', 'assessors')
        return not strict or all(char.isascii() and (char.isalnum() or char in '-_') for char in self._urn)

    def _learn(self, accession_id: str) -> None:
        """Keep the accession ID that the server answers a PUT of a subject, experiment or assessor with."""
        if self._urt in ('subjects', 'experiments', 'assessors') and accession_id and '/' not in accession_id:
            self._known[self._level.id_column] = accession_id

    def delete(self, delete_files: bool = True) -> None:
        """Delete it and all that belongs to it. One request.

        Parameters
        ----------
        delete_files : bool
            Whether its files go too; otherwise they stay on the server's disk, out of reach.

        Raises
        ------
        NotFoundError
            There is no such thing.
        PermissionDenied
            This login may not delete it.
        """
        self._intf._exec(uris.with_query(self._uri, {'removeFiles': delete_files}), 'DELETE')
        self._known.clear()

    def get(self) -> bytes:
        """Its XML document. One request."""
        document: bytes = self._intf._exec(uris.with_query(self._uri, {'format': 'xml'}), 'GET')
        return document

    def _child(self, row: Level, name: Any) -> Any:
        step = Step(row.plural, _name(row, name), True)
        above = {**self._above, **({self._urt: self._known} if self._known else {})}
        return class_of(row.singular)(paths.uri_of((*self._path, step)), self._intf, None, above)

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, _name(row, id_filter), False)
        return class_of(row.plural)([(*self._path, step)], self._intf)


class _Where:
    """A condition on a collection: criteria, and whose they are."""

    def __init__(self, criteria: Group, level: str) -> None:
        self.criteria = criteria
        self.level = level

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Where) and (self.criteria, self.level) == (other.criteria, other.level)

    def __hash__(self) -> int:
        return hash((self.criteria, self.level))


E = TypeVar('E', bound=Element)


class Collection(Generic[E]):
    """Elements of one level, not asked for yet. Iterating asks, level by level, and no further than it is iterated.

    Parameters
    ----------
    routes : list of Path
        Where they are.
    interface : Interface
        The connection it belongs to.
    """

    _level: ClassVar[Level]

    def __init__(self, routes: list[Path], interface: Interface, conditions: tuple[_Where, ...] = ()) -> None:
        self._paths = tuple(routes)
        self._intf = interface
        self._conditions = conditions

    @classmethod
    def _element(cls, uri: str, interface: Interface, known: Row | None = None, above: Mapping[str, Row] | None = None) -> Any:
        return class_of(cls._level.singular)(uri, interface, known, above)

    def __repr__(self) -> str:
        where = ', '.join(paths.spell(path) for path in self._paths)
        return f'<{type(self).__name__} {where}{" where …" if self._conditions else ""}>'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        mine, theirs = (self._paths, self._conditions), (other._paths, other._conditions)
        return mine == theirs and self._intf._server == other._intf._server and self._intf._user == other._intf._user

    def __hash__(self) -> int:
        return hash((self._paths, self._conditions, self._intf._server))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_collection, (self._level.plural, list(self._paths), self._intf, self._conditions)

    def __iter__(self) -> Iterator[E]:
        for found in self._intf.transfer.walk(self._paths, self._conditions):
            yield self._element(found.uri, self._intf, found.row, found.above)

    def get(self, *what: str) -> list[Any]:
        """All of them, as a list.

        Parameters
        ----------
        *what : str
            ``'id'`` (default) or ``'label'`` for names, any other word (``'obj'``) for elements; several give tuples.
        """
        wanted = what or ('id',)
        rows = [tuple(_as(element, word) for word in wanted) for element in self]
        return [row[0] for row in rows] if len(wanted) == 1 else rows

    fetchall = get

    def first(self) -> E | None:
        """The first of them; `None` where there is none. Asks no more than it needs."""
        return next(iter(self), None)

    fetchone = first

    def fetchmany(self, size: int = 1) -> list[E]:
        """The first `size` of them."""
        return list(islice(self, size))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self.first() is not None

    def __contains__(self, item: object) -> bool:
        if isinstance(item, Element):
            return any(element == item or element.id() == item._urn for element in self if type(element) is type(item))
        return any(item in (element.id(), element.label()) for element in self)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            negative = any(bound is not None and bound < 0 for bound in (index.start, index.stop, index.step))
            return list(self)[index] if negative else list(islice(self, index.start, index.stop, index.step))
        if index < 0:
            return list(self)[index]
        found = next(islice(self, index, None), None)
        if found is None:
            raise IndexError(f'{self!r} has no element {index}')
        return found

    def where(self, criteria: Any, *, level: str = 'subject') -> Collection[E]:
        """Those of them whose subject satisfies search criteria.

        Parameters
        ----------
        criteria : list
            Constraints as :mod:`pyxnat.criteria` has them. Those on one data type in one list hold for the same item; a nested list is a search
            of its own.
        level : {'subject', 'experiment'}
            Whether the subject is to satisfy them, by whatever of its sessions, or the experiment itself.

        Returns
        -------
        Collection
            A new one; this one stays as it is. The searches run when it is first iterated: one for the list, one for each nested list.

        Examples
        --------
        Everything of a subject that was scanned at 79 and at 82::

            age = 'xnat:mrSessionData/AGE'
            experiments.where([[(age, '=', 79)], [(age, '=', 82)], 'AND'])
        """
        if level not in ('subject', 'experiment'):
            raise errors.ProgrammingError(f'where: level {level!r} is not known', remedy="Use 'subject' or 'experiment'.")
        condition = _Where(parse(criteria), level)
        return type(self)(list(self._paths), self._intf, (*self._conditions, condition))

    def explain(self) -> str:
        """What iterating it will ask, in words. No request."""
        return self._intf.transfer.explain(self._paths, self._conditions)

    def _children(self, row: Level, id_filter: Any) -> Any:
        step = Step(row.plural, _name(row, id_filter), False)
        return class_of(row.plural)([(*path, step) for path in self._paths], self._intf, self._conditions)


def _as(element: Element, word: str) -> Any:
    return {'id': element.id, 'label': element.label}.get(word, lambda: element)()


def _name(row: Level, name: Any) -> str:
    """A name as text; the shape of one, not its existence, is checked."""
    text = six.ensure_text(name) if isinstance(name, bytes) else str(name)
    if name is None or not text or (row.plural != 'files' and '/' in text) or '\x00' in text:
        raise errors.ProgrammingError(f'{name!r} is not a name of a {row.singular}', remedy='Give an ID or a label.')
    return text


def _restore(singular: str, uri: str, interface: Interface, known: Row, above: dict[str, Row]) -> Element:
    element: Element = class_of(singular)(uri, interface, known, above)
    return element


def _restore_collection(plural: str, routes: list[Path], interface: Interface, conditions: tuple[_Where, ...]) -> Collection[Any]:
    collection: Collection[Any] = class_of(plural)(routes, interface, conditions)
    return collection
