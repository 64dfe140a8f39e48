"""Resources and shares that an item's document names: checked, added, and, by a complete document, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from werkzeug.exceptions import BadRequest

from .edit import Document
from .locate import find_project
from .store import now, resource, share, touch

if TYPE_CHECKING:
    from .writer import Writer

__all__ = ['add_links', 'drop_links']

_SHARE = 'sharing/share'
_KEPT = ('format', 'content', 'description')


def add_links(writer: Writer, row: Any, document: Document) -> None:
    """Add what a document names and the item has not.

    `BadRequest` for a resource that lies elsewhere than below the item: that of another item is never taken.
    """
    for path, about in document.links:
        if path == _SHARE:
            _share(writer, row, about)
        else:
            _add_resource(writer, row, _side(path), about)


def drop_links(writer: Writer, row: Any, document: Document) -> None:
    """Take away the resources and shares that a complete document does not name."""
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
    if target is not None and row.level != 'scan' and not writer.is_in(row, target.id):
        writer.share(row, target, about.get('label') or None, False)


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
    values = {name: about.get(name) for name in _KEPT}
    writer.connection.execute(
        resource.insert().values(item=row.pk, side=side, label=label, insert_date=now(), insert_user=writer.caller.login, **values)
    )
    touch(writer.connection, row.pk)
