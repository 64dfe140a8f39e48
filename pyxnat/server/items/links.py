"""Resources, shares and projects in an item's document.

Those in the document are added; those missing from a complete document are removed.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.access import Caller
from ..db.store import item, now, resource, share, touch
from ..errors import BadRequest
from .edit import Document
from .locate import find_project

__all__ = ['add_links', 'drop_unnamed', 'project_change']

_SHARE = 'sharing/share'
_KEPT = ('format', 'content', 'description')
_COUNTS = {'told_count': 'file_count', 'told_size': 'file_size'}
"""Columns of a resource, and the attributes of a document that fill them."""


class ItemWriter(Protocol):
    """Interface of `writer.Writer` for links."""

    archive: Archive
    connection: Connection
    caller: Caller

    def delete(self, row: Any) -> None:
        """Delete an item."""

    def delete_resource(self, row: Any, holder: Any) -> None:
        """Delete a resource of an item.

        Parameters
        ----------
        row : Any
            Row of the resource.
        holder : Any
            Row of the item.
        """

    def is_in(self, row: Any, project: str) -> bool:
        """Whether a project owns an item, or shares it.

        Parameters
        ----------
        row : Any
            Row of the item.
        project : str
            ID of the project.
        """

    def show(self, row: Any, target: Any, label: str | None) -> None:
        """Share an item into a project.

        Parameters
        ----------
        row : Any
            Row of the item.
        target : Any
            Row of the project.
        label : str | None
            Label there; None for none.
        """

    def unshare(self, row: Any, project: str) -> None:
        """Remove an item from a project.

        Parameters
        ----------
        row : Any
            Row of the item.
        project : str
            ID of the project.
        """


def project_change(
    where: str, owner: str, document: Document, is_new: bool
) -> dict[str, str | None]:
    """Return the change of a scan's project by its document.

    A new scan in the document of its session has no project unless the document names one.

    Parameters
    ----------
    where : str
        Level of the item.
    owner : str
        ID of the project that owns it.
    document : Document
        Document of the item.
    is_new : bool
        Whether the item is new.

    Returns
    -------
    dict[str, str | None]
        Value for the column ``told_project``; empty for no change.
    """
    project = document.core.get('project')
    if where != 'scan' or (project is None and not (is_new and document.is_inside)):
        return {}
    return {'told_project': None if project == owner else project or ''}


def add_links(writer: ItemWriter, row: Any, document: Document) -> None:
    """Add the resources and shares in a document that the item lacks.

    Parameters
    ----------
    writer : ItemWriter
        The writer.
    row : Any
        Row of the item.
    document : Document
        Document of the item.

    Raises
    ------
    BadRequest
        For a resource outside of the item's folder: it may be another item's.
    """
    for path, about in document.links:
        if path == _SHARE:
            _share(writer, row, about)
        else:
            _add_resource(writer, row, _side(path), about)


def drop_unnamed(writer: ItemWriter, row: Any, document: Document) -> None:
    """Remove parts, resources and shares missing from a complete document.

    Parts are scans, reconstructions and assessors.

    Parameters
    ----------
    writer : ItemWriter
        The writer.
    row : Any
        Row of the item.
    document : Document
        Document of the item.
    """
    parts = {(where, child.core.get('ID')) for where, child in document.children}
    for one in writer.connection.execute(select(item).where(item.c.parent == row.pk)).all():
        if (one.level, one.id) not in parts:
            writer.delete(one)
    named = {(_side(path), about.get('label')) for path, about in document.links if path != _SHARE}
    for one in writer.connection.execute(select(resource).where(resource.c.item == row.pk)).all():
        if (one.side, one.label) not in named:
            writer.delete_resource(one, row)
    projects = {about.get('project') for path, about in document.links if path == _SHARE}
    for known in writer.connection.execute(select(share).where(share.c.item == row.pk)).all():
        if known.project not in projects:
            writer.unshare(row, known.project)


def _side(path: str) -> str:
    """Return the side of a resource's path: ``in``, ``out`` or empty."""
    return path.partition('/')[0] if path in ('in/file', 'out/file') else ''


def _share(writer: ItemWriter, row: Any, about: dict[str, str]) -> None:
    target = find_project(writer.connection, about.get('project', ''))
    if target is not None and not writer.is_in(row, target.id):
        writer.show(row, target, about.get('label') or None)


def _add_resource(writer: ItemWriter, row: Any, side: str, about: dict[str, str]) -> None:
    there = about.get('URI', '')
    home = writer.archive.files.item_folder(writer.connection, row)
    below = (
        f'/{writer.archive.files.relative(home.with_name(name))}/' for name in (home.name, row.id)
    )
    if '..' in there or not any(folder in there for folder in below):
        raise BadRequest(f'{there!r} cannot be a resource of {row.id}: it is outside of {home}.')
    label = about.get('label')
    known = select(resource.c.pk).where(resource.c.item == row.pk, resource.c.label == label)
    if not label or writer.connection.scalar(known) is not None:
        return
    values = {name: about.get(name) for name in _KEPT} | {
        name: _number(about.get(attribute, '')) for name, attribute in _COUNTS.items()
    }
    writer.connection.execute(
        resource.insert().values(
            item=row.pk,
            side=side,
            label=label,
            insert_date=now(),
            insert_user=writer.caller.login,
            **values,
        )
    )
    touch(writer.connection, row.pk)


def _number(text: str) -> int | None:
    """Return a count in a document; None if it is not a number."""
    return int(text) if text.isdecimal() else None
