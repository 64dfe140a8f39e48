"""Documents of the items of a download, for the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ... import errors
from ...model.copies import Item, read_item
from ...model.levels import depth, level
from ...resources import Element
from .sidecar import Sidecar, StoredDocument
from .workers import WorkerPool

__all__ = ['fetch_document', 'fetch_documents']

_DEEPEST = depth('experiments')


def fetch_document(selection: Any) -> dict[str, bytes | errors.DatabaseError]:
    """Fetch the document of a selected element for `fetch_documents`.

    At most one request.

    Parameters
    ----------
    selection : Element or Collection
        Parent of the downloaded files.

    Returns
    -------
    dict
        URI of the element -> its document, or the error; empty for others.
    """
    if not (isinstance(selection, Element) and selection.level.is_item):
        return {}
    try:
        return {selection.uri: selection.get()}
    except errors.DatabaseError as error:
        return {selection.uri: error}


def fetch_documents(
    selection: Any,
    sidecar: Sidecar,
    pool: WorkerPool,
    known: Mapping[str, bytes | errors.DatabaseError] = MappingProxyType({}),
) -> dict[tuple[str, str], dict[str, str]]:
    """Store the documents of a selection, with all items below.

    Requests: one for each subject of a project, or each selected element; three more for each
    project. The document of a subject has its sessions, that of a session its scans, assessors and
    reconstructions. Failures are in the report.

    Parameters
    ----------
    selection : Element or Collection
        Parent of the downloaded files.
    sidecar : Sidecar
        Where to store them.
    pool : WorkerPool
        Threads, and the report.
    known : mapping, optional
        Result of `fetch_document`.

    Returns
    -------
    dict
        Level and accession ID -> the labels of that item, and of the subject above, by level.
    """
    fetcher = _Fetcher(sidecar, pool, known)
    row = selection.level
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

    def __init__(
        self,
        sidecar: Sidecar,
        pool: WorkerPool,
        known: Mapping[str, bytes | errors.DatabaseError],
    ) -> None:
        self._sidecar = sidecar
        self._pool = pool
        self._known = known
        self.documents: list[StoredDocument] = []
        self.labels: dict[tuple[str, str], dict[str, str]] = {}

    def fetch(self, element: Any) -> None:
        """Fetch and store the document of an element."""
        try:
            content = self._known[element.uri] if element.uri in self._known else element.get()
            if isinstance(content, errors.DatabaseError):
                raise content
            item = read_item(content, element.level.plural)
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
