"""Documents of the items of a download, for the way back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from ... import errors
from ...model.copies import Item, read_item
from ...model.levels import depth, level
from ...resources import Element
from .sidecar import Sidecar, StoredDocument
from .workers import WorkerPool

__all__ = ['SelectedDocument', 'fetch_documents']

_DEEPEST = depth('experiments')
_Fetched = tuple[bytes, Item] | errors.DatabaseError
"""A document with the item that it describes, or why there is none."""


class SelectedDocument:
    """The document of a selected element, which is fetched when it is needed first.

    Parameters
    ----------
    selection : Element or Collection
        Parent of the downloaded files; only an item has a document.
    """

    def __init__(self, selection: Any) -> None:
        self.selection = selection
        is_item = isinstance(selection, Element) and selection.level.is_item
        self.element: Any = selection if is_item else None

    @cached_property
    def fetched(self) -> _Fetched:
        """The document of the element, or the error. At most one request."""
        return _fetch(self.element)

    def prefetch(self) -> None:
        """Fetch the document if there is an element; an error is kept for later."""
        if self.element is not None:
            self.fetched  # noqa: B018 - keeps it

    def ids(self) -> dict[str, str]:
        """Return level -> accession ID of the element, and of the one that it belongs to.

        Empty without a document. At most one request.
        """
        if self.element is None or not isinstance(self.fetched, tuple):
            return {}
        _, item = self.fetched
        above = {level(item.level).parents[0]: item.parent} if item.parent else {}
        return {item.level: item.id, **above}


def _fetch(element: Any) -> _Fetched:
    try:
        content = element.get()
    except errors.DatabaseError as error:
        return error
    return content, read_item(content, element.level.plural)


def fetch_documents(
    document: SelectedDocument, sidecar: Sidecar, pool: WorkerPool
) -> dict[tuple[str, str], dict[str, str]]:
    """Store the documents of a selection, with all items below.

    Requests: one for each subject of a project, or each selected element; three more for each
    project. The document of a subject has its sessions, that of a session its scans, assessors and
    reconstructions. Failures are in the report.

    Parameters
    ----------
    document : SelectedDocument
        The selection, with the document of a single element.
    sidecar : Sidecar
        Where to store them.
    pool : WorkerPool
        Threads, and the report.

    Returns
    -------
    dict
        Level and accession ID -> the labels of that item, and of the subject above, by level.
    """
    fetcher = _Fetcher(sidecar, pool, document)
    selection, row = document.selection, document.selection.level
    if isinstance(selection, Element):
        elements = [selection] if row.is_item else []
    else:  # the parts of sessions are too many for a request each
        elements = list(selection) if row.is_item and depth(row.plural) <= _DEEPEST else []
    pool.each(fetcher.fetch, list(_with_subjects(elements)))
    pool.each(fetcher.fetch, list(fetcher.other_sessions(elements)))
    if fetcher.documents:
        sidecar.write_documents(fetcher.documents)
    return fetcher.labels


def _with_subjects(elements: list[Any]) -> Iterator[Any]:
    for element in elements:
        yield element
        if element.level.plural == 'projects':
            yield from element.subjects()


class _Fetcher:
    """Fetches documents, and keeps the labels of all items that they have."""

    def __init__(self, sidecar: Sidecar, pool: WorkerPool, selected: SelectedDocument) -> None:
        self._sidecar = sidecar
        self._pool = pool
        self._selected = selected
        self.documents: list[StoredDocument] = []
        self.labels: dict[tuple[str, str], dict[str, str]] = {}

    def fetch(self, element: Any) -> None:
        """Fetch and store the document of an element."""
        is_selected = element is self._selected.element
        try:
            fetched = self._selected.fetched if is_selected else _fetch(element)
            if not isinstance(fetched, tuple):
                raise fetched
            content, item = fetched
            access = element.accessibility() if item.level == 'projects' else ''
        except errors.DatabaseError as error:
            self._pool.add_failure(element.uri, error)
            return
        first = element.steps[0]
        project = first.name if first.level == 'projects' else ''
        self._add_labels(item, project, {})
        document = StoredDocument(_name(item), item.level, project, element.uri, access)
        self._sidecar.write_content(document, content)
        self.documents.append(document)

    def _add_labels(self, item: Item, project: str, above: dict[str, str]) -> None:
        row = level(item.level)
        own = dict(above)
        if row.has_label:
            own[row.singular] = item.label_in(project)
            self.labels[item.level, item.id] = own
        for below in item.below:
            self._add_labels(below, project, own)

    def other_sessions(self, elements: list[Any]) -> Iterator[Any]:
        """Yield the sessions of projects that no document has.

        They are shared or moved into the project without their subject.
        """
        for project in elements:
            if project.level.plural == 'projects':
                for session in project.experiments():
                    if ('experiments', session.id()) not in self.labels:
                        yield session


def _name(item: Item) -> str:
    """Return the name of a document's file; IDs of parts are unique in their session."""
    row = level(item.level)
    return f'{row.singular}_{item.id}{f"@{item.parent}" if row.is_part else ""}.xml'
