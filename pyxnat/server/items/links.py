"""Resources, shares and projects that an item's document names: checked and added; and what a complete document does not name: taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..db.store import item, now, resource, share, touch
from ..errors import BadRequest
from .edit import Document
from .locate import find_project

if TYPE_CHECKING:
    from .writer import Writer

__all__ = ['add_links', 'drop_unnamed', 'project_told']

_SHARE = 'sharing/share'
_KEPT = ('format', 'content', 'description')
_TOLD = {'told_count': 'file_count', 'told_size': 'file_size'}
"""Columns of a resource, and the attributes of a document that fill them."""


def project_told(where: str, owner: str, document: Document, is_new: bool) -> dict[str, str | None]:
    """What a document changes of the project that a scan tells: a new one in the document of its session tells none unless the document does."""
    project = document.core.get('project')
    if where != 'scan' or (project is None and not (is_new and document.is_inside)):
        return {}
    return {'told_project': None if project == owner else project or ''}


def add_links(writer: Writer, row: Any, document: Document) -> None:
    """Add what a document names and the item has not.

    `BadRequest` for a resource that lies elsewhere than below the item: that of another item is never taken.
    """
    for path, about in document.links:
        if path == _SHARE:
            _share(writer, row, about)
        else:
            _add_resource(writer, row, _side(path), about)


def drop_unnamed(writer: Writer, row: Any, document: Document) -> None:
    """Take away the scans, reconstructions, assessors, resources and shares of an item that a complete document does not name."""
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
    """``in`` or ``out`` of an assessor or reconstruction; empty for an item's own resources."""
    return path.partition('/')[0] if path in ('in/file', 'out/file') else ''


def _share(writer: Writer, row: Any, about: dict[str, str]) -> None:
    target = find_project(writer.connection, about.get('project', ''))
    if target is not None and not writer.is_in(row, target.id):
        writer.show(row, target, about.get('label') or None)


def _add_resource(writer: Writer, row: Any, side: str, about: dict[str, str]) -> None:
    there = about.get('URI', '')
    home = writer.archive.files.item_folder(writer.connection, row)
    below = (f'/{writer.archive.files.relative(home.with_name(name))}/' for name in (home.name, row.id))
    if '..' in there or not any(folder in there for folder in below):
        raise BadRequest(f'{there!r} is no place for a resource of {row.id}: it lies outside of {home}.')
    label = about.get('label')
    known = select(resource.c.pk).where(resource.c.item == row.pk, resource.c.label == label)
    if not label or writer.connection.scalar(known) is not None:
        return
    values = {name: about.get(name) for name in _KEPT} | {name: _number(about.get(told, '')) for name, told in _TOLD.items()}
    writer.connection.execute(
        resource.insert().values(item=row.pk, side=side, label=label, insert_date=now(), insert_user=writer.caller.login, **values)
    )
    touch(writer.connection, row.pk)


def _number(text: str) -> int | None:
    """A count as a document tells it; None where it tells none."""
    return int(text) if text.isdecimal() else None
