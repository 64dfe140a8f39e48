"""Migration of the folders of an older archive.

The older version named an assessor's folder by its label, with sides of assessors and
reconstructions in ``IN`` and ``OUT``, and other resources in ``RESOURCES``. All folders are first
moved aside: the new place of one may be the old place of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...model.levels import LEVELS
from ..db.rows import items_of_level, rename_resource_folder, resources_of
from ..db.store import Connection, Store, get_setting, put_setting
from .file_area import FileArea, safe_name

__all__ = ['renew']

_LAYOUT = '2'


def renew(area: FileArea, store: Store, connection: Connection) -> None:
    """Schedule the moves of an older archive's folders, once per archive.

    They are carried out after the commit.

    Parameters
    ----------
    area : FileArea
        Folders of the archive.
    store : Store
        The database.
    connection : Connection
        Write transaction.
    """
    if get_setting(connection, 'layout') == _LAYOUT:
        return
    moves = [
        (str(one.pk), before, after)
        for one, before, after in _places(area, connection)
        if before != after
    ]
    aside = area.root / '.moving'
    for name, before, _ in moves:
        store.later(connection, area.relative(before), area.relative(aside / name))
    for name, _, after in moves:
        store.later(connection, area.relative(aside / name), area.relative(after))
    put_setting(connection, 'layout', _LAYOUT)


def _places(area: FileArea, connection: Connection) -> Iterator[tuple[Any, Path, Path]]:
    """Yield resources of assessors and reconstructions, old and new place."""
    taken: set[Path] = set()
    holders = (row.singular for row in LEVELS if row.has_sides)
    for holder in items_of_level(connection, *holders):
        for one in sorted(
            resources_of(connection, holder.pk), key=lambda one: one.side, reverse=True
        ):
            after = area.resource_folder(connection, one, holder)
            if after in taken:  # the same label on both sides, which was possible
                after = after.with_name(f'{after.name}%{one.pk}')
                rename_resource_folder(connection, one.pk, after.name)
            taken.add(after)
            yield one, _old_folder(area, connection, one, holder), after


def _old_folder(area: FileArea, connection: Connection, row: Any, holder: Any) -> Path:
    """Return the place of a resource in the older version."""
    name = safe_name(row.label) if row.label else str(row.pk)
    home = area.item_folder(connection, holder)
    if holder.level == 'assessor':
        home = home.with_name(safe_name(holder.label or holder.id))
    return home / (row.side.upper() or 'RESOURCES') / name
