"""Create an item with all items below it, with IDs that the caller gives.

For the owner's programs: no rights are checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, CompoundSelect, bindparam, select, union_all

from ...model.levels import level
from ..db.store import item, mark, now, share
from ..db.values import unless_null
from ..errors import Conflict
from .custom_fields import stored_forms
from .edit import parse_item
from .item_changes import levels_with_shared_ids
from .writer import Writer, check_label

__all__ = ['NewItem', 'NewItems']

_INSERT = item.insert().returning(item)


class NewItem(NamedTuple):
    """An item to create."""

    key: str
    """Any name that the items below it refer to."""
    above: str
    """Key of the item above; empty for the project."""
    where: str
    """Its level."""
    id: str
    name: str
    """Label; ID of a scan or reconstruction."""
    document: bytes
    """Its document, without the items below it."""
    forms: Mapping[str, Any]
    """Values of custom forms, by name."""


class NewItems(Writer):
    """Writer of many new items in one transaction."""

    def create_all(self, project: Any, items: Sequence[NewItem]) -> Iterator[Any]:
        """Create items below a project; yield the row of each.

        The items below are inserted with their subject, so one statement an item is enough.

        Parameters
        ----------
        project : Any
            Row of the project.
        items : sequence of NewItem
            The items, outer ones first.

        Raises
        ------
        Conflict
            If an ID or label is in use.
        ExpectationFailed
            If a type is missing, or an ID has invalid characters. A label may have any, as an
            item of XNAT can be renamed to it.
        BadRequest
            For invalid values.
        """
        self._check_free(project.id, items)
        keys = {'': project.pk}
        for one in items:
            row = self._create_one(one, keys[one.above], project.id)
            keys[one.key] = row.pk
            yield row

    def _create_one(self, one: NewItem, parent: int, project: str) -> Any:
        document = parse_item(self.model, one.document)
        has_label = level(one.where).has_label
        if has_label:
            check_label(one.id, 'ID')
        else:
            self.check_part_name(one.where, one.name)
        values = self.new_values(document, self.creatable(document, one.where))
        stamp = now()
        return self.connection.execute(
            _INSERT,
            {
                'level': one.where,
                'xsi_type': document.xsi_type,
                'id': one.id,
                'label': unless_null(one.name) if has_label else None,
                'project': project,
                'parent': parent,
                'insert_date': stamp,
                'insert_user': self.caller.login,
                'last_modified': mark(),
                'status': 'active',
                'fields': json.dumps({**values, **stored_forms(one.forms)}, ensure_ascii=False),
            },
        ).one()

    def _check_free(self, project: str, items: Sequence[NewItem]) -> None:
        """Check that no other item has an ID or label of the items."""
        for where in dict.fromkeys(one.where for one in items):
            facts = level(where)
            if not (facts.has_label or facts.can_move):  # the ID of a scan is unique in its session
                continue
            some = [one for one in items if one.where == where]
            values = {
                'project': project,
                'ids': [one.id for one in some],
                'labels': [one.name for one in some if facts.has_label],
            }
            found = self.connection.scalar(_clash(where), values)
            if found is not None:
                raise Conflict(f'The ID or the label of {found} is used already.')


@lru_cache
def _clash(where: str) -> CompoundSelect[Any]:
    """Return the query for items of a level with one of some IDs, or of some labels."""
    project: BindParameter[str] = bindparam('project')
    labels: BindParameter[str] = bindparam('labels', expanding=True)
    of_levels = select(item.c.id).where(item.c.level.in_(levels_with_shared_ids(where)))
    shared = of_levels.join(share, share.c.item == item.c.pk).where(share.c.project == project)
    return union_all(
        of_levels.where(item.c.id.in_(bindparam('ids', expanding=True))),
        of_levels.where(item.c.project == project, item.c.label.in_(labels)),
        shared.where(share.c.label.in_(labels)),
    ).limit(1)
