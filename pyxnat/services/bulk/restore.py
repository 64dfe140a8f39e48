"""Creation of items from the documents of a download folder.

A missing item is created from its document. An item that exists gets the fields that it lacks;
fields with other values are failures, unless they are overwritten. Files are uploaded afterwards,
by `pyxnat.services.bulk.upload`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ... import errors
from ...model.copies import Item, copy_document, differences, read_item, values_of
from ...model.levels import LEVELS, children, level
from ...resources.forms import fields_uri
from ...resources.host import Host
from .sidecar import Sidecar
from .workers import WorkerPool

__all__ = ['Restorer']

_JSON = {'Content-Type': 'application/json'}
_SHOWN = 5


class Restorer:
    """Restores the items of a download folder at and below an element.

    Parameters
    ----------
    host : Host
        Interface of the destination.
    target : Element
        Element that takes the place of the one that was downloaded.
    sidecar : Sidecar
        Folder with the documents.
    pool : WorkerPool
        Threads, and the report.
    overwrite : bool
        Whether to replace fields that have other values at the destination.

    Attributes
    ----------
    failed : dict
        URI of each element that could not be restored -> the error. No file belongs below it.
    """

    def __init__(
        self, host: Host, target: Any, sidecar: Sidecar, pool: WorkerPool, overwrite: bool
    ) -> None:
        self._host = host
        self._target = target
        self._pool = pool
        self._overwrite = overwrite
        self._roots: list[Item] = []
        self._project = ''
        self._access = ''
        self._projects: dict[str, bool] = {}
        self.failed: dict[str, errors.DatabaseError] = {}
        for document, item in sidecar.documents():
            self._roots.append(item)
            self._project = self._project or document.project or item.project
            self._access = self._access or document.accessibility
        notes = list(sidecar.files().values())
        self._subjects = {
            note.above['experiment']: note.above['subject']
            for note in notes
            if note.above.get('experiment') and note.above.get('subject')
        }
        """Label of a session -> label of its subject, from the list of files."""
        self._labels = {item.id: self._label(item) for root in self._roots for item in root.all()}
        self._notes: dict[tuple[Any, ...], list[dict[str, str]]] = defaultdict(list)
        """Holder and label of a resource -> the notes of its files."""
        for note in notes:
            holder = list(_names(note.above))[-1]
            self._notes[holder, note.above.get('side', ''), note.resource].append(note.notes)
        self._seen = {name for note in notes for name in _names(note.above)}
        self._others = {name for note in sidecar.others() for name in _names(note.above)}

    def run(self) -> None:
        """Restore all items; each of those below the target in a thread.

        At a resource there are none: neither it nor its files have documents.
        """
        if not self._target.level.is_item:
            return
        root, there = self._root(), self._present(self._target)
        if root is not None and not self._restore(root, self._target, there):
            return
        owner = ''
        if self._target.level.plural == 'experiments':
            owner = there.id if there else str(self._target.row.get('ID', ''))
        is_written = root is not None and there is None
        # The document of a project has no subjects.
        is_known = self._target.level.plural != 'projects' or there is None
        of_there = self._by_label(there)

        def restore(pair: tuple[Item, Any]) -> None:
            item, element = pair
            key = (item.level, self._label(item))
            present = of_there.get(key) if is_known else self._present(element)
            self._restore_all(item, element, present, owner, is_written and item.level == 'scans')

        self._pool.each(restore, list(self._below_target(root)))

    def _root(self) -> Item | None:
        """Return the item that becomes the target, if a document has it.

        Raises
        ------
        DataError
            There are several.
        """
        plural = self._target.level.plural
        found = {
            (item.id, item.parent): item
            for root in self._roots
            for item in root.all()
            if item.level == plural and self._is_wanted(item)
        }
        if len(found) > 1:
            names = sorted(self._label(item) for item in found.values())
            raise errors.DataError(
                f'the folder holds several {plural}: {", ".join(names[:_SHOWN])}',
                remedy='Upload it to the element above them.',
            )
        return next(iter(found.values()), None)

    def _below_target(self, root: Item | None) -> Iterator[tuple[Item, Any]]:
        """Yield the items directly below the target, each with its element."""
        if self._target.level.plural == 'projects':
            yield from self._below_project()
            return
        below = {row.plural for row in children(self._target.level.plural)}
        items = root.below if root is not None else self._roots
        for item in items:
            if item.level in below and self._is_wanted(item):
                yield item, self._child(self._target, item)

    def _below_project(self) -> Iterator[tuple[Item, Any]]:
        subjects = {item.id: item for item in self._roots if item.level == 'subjects'}
        nested = {item.id for subject in subjects.values() for item in subject.below}
        for item in subjects.values():
            if self._is_wanted(item):
                yield item, self._child(self._target, item)
        for item in self._roots:
            if item.level != 'experiments' or item.id in nested or not self._is_wanted(item):
                continue
            subject = subjects.get(item.parent)
            label = self._label(subject) if subject else self._subjects.get(self._label(item))
            if not label:
                raise errors.DataError(
                    f'the folder does not tell the subject of {self._label(item)}',
                    remedy='Upload it to a subject or a session.',
                )
            yield item, self._child(self._target.subject(label), item)

    def _child(self, element: Any, item: Item) -> Any:
        return getattr(element, level(item.level).singular)(self._label(item))

    def _by_label(self, there: Item | None) -> dict[tuple[str, str], Item]:
        """Return the items below one at the destination, by their labels in its project."""
        first = self._target.steps[0]
        if there is None or first.level != 'projects':
            return {(below.level, below.label): below for below in (there.below if there else ())}
        return {
            (below.level, below.label_in(first.name)): below
            for below in there.below
            if below.is_in(first.name)
        }

    def _label(self, item: Item) -> str:
        """Return the label of an item in the project that it was downloaded from."""
        return item.label_in(self._project)

    def _is_wanted(self, item: Item) -> bool:
        """Return whether an item was seen in the project that it was downloaded from.

        The document of a subject also has sessions that belong to other projects. If a part of a
        download folder is uploaded, its items are those with files there, and those without any
        file below an element that is there as a whole.
        """
        if not item.is_in(self._project):
            return False
        name = self._name(item)
        if name in self._seen or item.level == 'projects':
            return True
        above = (level(item.level).parents[0], self._labels.get(item.parent, ''))
        return name not in self._others and above not in self._others

    def _name(self, item: Item) -> tuple[str, ...]:
        """Return the name of an item among those that the notes of files give."""
        own = self._label(item)
        if 'experiments' in level(item.level).parents:
            return (item.level, self._labels.get(item.parent, ''), own)
        return (item.level, own)

    def _present(self, element: Any) -> Item | None:
        """Return an element that exists, with the items below it. One request."""
        try:
            return read_item(element.get(), element.level.plural)
        except errors.NotFoundError:
            return None
        except ValueError as error:
            raise errors.UnexpectedAnswer(
                f'no XML document: {error}', uri=element.uri, remedy='Try again.'
            ) from error

    def _restore_all(
        self, item: Item, element: Any, there: Item | None, owner: str, written: bool = False
    ) -> None:
        """Restore an item and everything below it.

        Parameters
        ----------
        item : Item
            The item.
        element : Element
            Its element at the destination.
        there : Item or None
            The item at the destination, if it exists.
        owner : str
            Accession ID of the session above, if there is one.
        written : bool
            Whether the document of the session above had it.
        """
        shared = self._restore_shared(item, element, there) if self._is_of_others(item) else None
        if shared is not None and item.level != 'subjects':
            return
        if not (self._restore(item, element, there, owner, written) if shared is None else shared):
            return
        identity = there.id if there else str(element.row.get('ID', ''))
        of_there = self._by_label(there)
        for below in item.below:
            if self._is_wanted(below):
                self._restore_all(
                    below,
                    self._child(element, below),
                    of_there.get((below.level, self._label(below))),
                    identity if item.level == 'experiments' else '',
                    there is None and below.level == 'scans',
                )

    def _restore(
        self, item: Item, element: Any, there: Item | None, owner: str = '', written: bool = False
    ) -> bool:
        """Restore one item; return whether those below it can be restored."""
        try:
            if there is not None:
                self._complete(item, element, there, owner)
            elif not written:
                scans = [below.id for below in item.below if self._is_wanted(below)]
                document = copy_document(item, session=owner, name=element.path_name, scans=scans)
                # With the request that creates it: a project is never seen by more persons.
                is_project = item.level == 'projects' and bool(self._access)
                access = {'accessibility': self._access} if is_project else {}
                element.create_with_parents({}, access, document)
            if there is None:
                self._pool.report.add_created(element.uri)
            self._write_custom_fields(item, element, there, owner)
            self._create_resources(item, element, there)
            self._share(item, element, there)
        except errors.DatabaseError as error:
            self._pool.add_failure(element.uri, error)
            self.failed[element.uri] = error
            return False
        return True

    def _complete(self, item: Item, element: Any, there: Item, owner: str) -> None:
        """Write the fields that an existing item lacks.

        If fields have other values and are not overwritten, that is a failure, and none is written.
        The items below can be restored all the same, but not those of a subject: it may be another
        person.
        """
        missing, other = _fields(item, there)
        if other and not self._overwrite:
            error = errors.DuplicateError(
                f'{", ".join(other[:_SHOWN])} exists with another value, and was left as it is',
                uri=element.uri,
                remedy='Replace it with overwrite=True.',
            )
            if item.level == 'subjects':
                raise error
            self._pool.add_failure(element.uri, error)
        elif missing or other:
            document = copy_document(item, session=owner, scans=(), name=there.id)
            element.put_document(document, {'allowDataDeletion': False})

    def _write_custom_fields(
        self, item: Item, element: Any, there: Item | None, owner: str
    ) -> None:
        """Write the values of custom forms, which XNAT takes from no document."""
        if not item.custom_fields or (there and there.custom_fields == item.custom_fields):
            return
        own = there.id if there else str(element.row.get('ID') or item.id)
        if item.level in ('projects', 'scans'):
            own = element.path_name if item.level == 'projects' else item.id
        session = owner if item.level in ('scans', 'assessors') else ''
        self._host.connection.request(
            fields_uri(item.level, own, session),
            'PUT',
            item.custom_fields.encode(),
            _JSON,
        )

    def _create_resources(self, item: Item, element: Any, there: Item | None) -> None:
        """Create the resources without files, and those with notes that their files lack.

        The only resource of an item gets its notes from its first file. Several are created in
        order, because XNAT adds the content ``RAW`` to the first one of a scan. Those on the side
        ``in`` are always created by a file, since XNAT creates an empty one on the side ``out``.
        """
        known = {resource.label for resource in there.resources} if there else set()
        for resource in item.resources:
            row = level(resource.level)
            of_files = self._notes.get((self._name(item), row.side, resource.label), [])
            is_only = len(item.resources) == 1
            by_file = is_only and bool(of_files) and all(n == resource.notes for n in of_files)
            if resource.label and resource.label not in known and row.side != 'in' and not by_file:
                getattr(element, row.singular)(resource.label).create(params=resource.notes)

    def _share(self, item: Item, element: Any, there: Item | None) -> None:
        """Share an item of a project as it was shared.

        Note the projects that do not exist.
        """
        if self._target.level.plural != 'projects' or not level(item.level).has_label:
            return
        for project, label in item.shares.items():
            if project in (self._target.path_name, *(there.shares if there else ())):
                continue
            if self._is_project(project):
                element.share(project, label)
            else:
                self._pool.report.add_note(
                    f'{element.uri} was shared into {project}, which is not here'
                )

    def _is_of_others(self, item: Item) -> bool:
        """Return whether another project owned an item of a downloaded project."""
        return (
            self._target.level.plural == 'projects'
            and item.level in ('subjects', 'experiments')
            and item.project != self._project
        )

    def _restore_shared(self, item: Item, element: Any, there: Item | None) -> bool | None:
        """Share an item from the project that owns it.

        Returns
        -------
        bool or None
            Whether those below it can be restored; `None` if that project does not have it: then
            it becomes the target's own.
        """
        original = getattr(self._host.select.project(item.project), level(item.level).singular)(
            item.label
        )
        try:
            if there is not None and there.project == self._target.path_name:
                return None
            if there is None and not (self._is_project(item.project) and original.exists()):
                self._pool.report.add_note(
                    f'{element.uri} was shared from {item.project}, where it is not: it was '
                    f'created in {self._target.path_name}'
                )
                return None
            self._check_same(item, there or self._present(original), original)
            if there is None:
                original.share(self._target.path_name, self._label(item))
        except errors.DatabaseError as error:
            self._pool.add_failure(element.uri, error)
            self.failed[element.uri] = error
            return False
        return True

    def _check_same(self, item: Item, owned: Item | None, original: Any) -> None:
        """Raise DuplicateError if another project has other values in an item's fields."""
        other = _fields(item, owned)[1] if owned is not None else []
        if other:
            raise errors.DuplicateError(
                f'{", ".join(other[:_SHOWN])} has another value there',
                uri=original.uri,
                remedy=f'Correct it in {item.project}, which owns it.',
            )

    def _is_project(self, name: str) -> bool:
        if name not in self._projects:
            self._projects[name] = bool(self._host.select.project(name).exists())
        return self._projects[name]


def _fields(item: Item, there: Item) -> tuple[list[str], list[str]]:
    """Return the fields that an item lacks there, and those with other values."""
    wanted = values_of(copy_document(item, scans=(), name=there.id))
    return differences(wanted, values_of(copy_document(there, scans=())))


def _names(above: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield the names of the elements above a file.

    Those in a session with its label.
    """
    session = above.get('experiment', '')
    for row in LEVELS:
        name = above.get(row.singular)
        if name and row.layout_doc:
            in_session = 'experiments' in row.parents
            yield (row.plural, session, name) if in_session else (row.plural, name)
