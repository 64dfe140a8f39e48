"""Change columns of items, and delete items: the base of `sharing` and `writer`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ...model.levels import listed_levels
from ..archive import Archive
from ..db.access import Caller
from ..db.rows import delete_project_rows
from ..db.store import (
    fields_of,
    item,
    now,
    resource,
    retired,
    touch,
)
from ..db.values import unless_null
from ..errors import BadRequest, Conflict, Forbidden
from .history import Event, record
from .locate import labelled, need, need_on

__all__ = ['EXPERIMENTS', 'MAX_LABEL', 'ItemChanges', 'levels_with_shared_ids']

MAX_LABEL = 255
"""Characters of a label or ID."""
EXPERIMENTS = tuple(row.singular for row in listed_levels('experiments'))
"""Levels of experiments: their IDs and labels are unique together."""


def _is_equal(name: str, before: Any, after: Any) -> bool:
    return bool(json.loads(before) == json.loads(after) if name == 'fields' else before == after)


def _general_fields(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields that XNAT stores with an item's general type.

    Those that cannot repeat; so no custom variables.
    """
    return {key: value for key, value in fields.items() if '[' not in key}


def levels_with_shared_ids(where: str) -> tuple[str, ...]:
    """Return the levels that share IDs and labels with a level."""
    return EXPERIMENTS if where in EXPERIMENTS else (where,)


@lru_cache(maxsize=8)
def _with_label(where: str) -> Any:
    """Return the query for other items with a label.

    Building takes longer than running it.
    """
    return select(item.c.pk).where(
        labelled(levels_with_shared_ids(where), bindparam('project'), bindparam('label')),
        item.c.pk != bindparam('own'),
    )


class ItemChanges:
    """Changes of items in one transaction, by one caller.

    Folders are renamed and removed after the commit.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        Write transaction.
    caller : Caller
        The user.
    event : Event | None
        User and reason of the changes, for the history.
    """

    def __init__(
        self, archive: Archive, connection: Connection, caller: Caller, event: Event | None = None
    ) -> None:
        self.archive = archive
        self.model = archive.model
        self.connection = connection
        self.caller = caller
        self.event = event or Event(caller.login)

    def _check_label_is_free(
        self, where: str, project: str, text: str | None, pk: int | None = None
    ) -> None:
        values = {'project': project, 'label': text, 'own': pk or 0}
        if self.connection.scalar(_with_label(where), values) is not None:
            raise Conflict(f'Label already in use: {text} in project {project}')

    def _set(self, row: Any, **values: Any) -> Any:
        """Change columns of a row, and record its earlier state.

        Without a difference nothing is written, and ``last_modified`` stays.
        """
        values = {
            name: value
            for name, value in values.items()
            if not _is_equal(name, getattr(row, name), value)
        }
        if not values:
            return row
        if row.status == 'locked' and 'status' not in values:
            raise Forbidden(f'{row.id} is locked.')
        if 'label' in values or (
            'fields' in values
            and _general_fields(fields_of(row)) != _general_fields(json.loads(values['fields']))
        ):
            values['own_modified'] = now()
        changed = self.connection.execute(
            item.update().where(item.c.pk == row.pk).values(**values).returning(item)
        ).one()
        if set(values) != {'access'}:
            touch(self.connection, row.pk)
        record(self.connection, row, changed, self.event)
        return changed

    def rename(self, row: Any, label: str) -> Any:
        """Change the label of a subject, session or assessor, and its folder.

        Parameters
        ----------
        row : Any
            Row of the item.
        label : str
            The label; any characters are allowed.

        Raises
        ------
        BadRequest
            For more than 255 characters.
        Conflict
            If the label is in use.
        """
        need_on(self.connection, self.caller, row, 'edit')
        if len(label) > MAX_LABEL:
            raise BadRequest(f'A label has at most {MAX_LABEL} characters.')
        self._check_label_is_free(row.level, row.project, label, row.pk)
        before = self.archive.files.item_folder(self.connection, row)
        row = self._set(row, label=unless_null(label))
        self._touch_files_below(row)
        self._move_folder(before, row)
        return row

    def change_id(self, row: Any, accession: str) -> Any:
        """Change the accession ID of an item, and its folder.

        XNAT cannot: it is for a mirror, whose item got another ID at the server.

        Parameters
        ----------
        row : Any
            Row of a subject, session or assessor.
        accession : str
            The ID.
        """
        need_on(self.connection, self.caller, row, 'edit')
        before = self.archive.files.item_folder(self.connection, row)
        row = self._set(row, id=accession)
        self._move_folder(before, row)
        return row

    def _touch_files_below(self, row: Any) -> None:
        """Set ``last_modified`` of parts of a session that have files.

        Their files move with its folder.
        """
        query = (
            select(item.c.pk)
            .join(resource, resource.c.item == item.c.pk)
            .where(item.c.parent == row.pk)
            .distinct()
        )
        for pk in self.connection.scalars(query).all() if row.level == 'experiment' else ():
            touch(self.connection, pk)

    def set_status(self, row: Any, status: str) -> Any:
        """Quarantine, lock or activate an item.

        Parameters
        ----------
        row : Any
            Row of the item.
        status : str
            The status, like ``locked``.
        """
        need_on(self.connection, self.caller, row, 'edit')
        return self._set(row, status=status)

    # -- deleting

    def delete(self, row: Any) -> None:
        """Delete an item and all below it, with their files.

        Raises
        ------
        Forbidden
            Without the right to delete, if the site prevents deletion, or if an item below it
            belongs to another project.
        """
        need_on(self.connection, self.caller, row, 'delete')
        if self.archive.preferences.flag('security.prevent-data-deletion'):
            raise Forbidden('Deletion is disabled on this site.')
        doomed = list(self._below(row))
        for kind in {
            one.xsi_type
            for one in doomed
            if one.project == row.project and one.level in EXPERIMENTS
        }:
            need(self.connection, self.caller, row.project, 'delete', kind)
        foreign = [one for one in doomed if one.project != row.project]
        if foreign and row.level != 'project':
            raise Forbidden(f'{foreign[0].id} below it belongs to project {foreign[0].project}.')
        pks = [one.pk for one in doomed if one.project == row.project]
        folders = [
            self.archive.files.item_folder(self.connection, one)
            for one in doomed
            if one.project == row.project
        ]
        if row.level == 'project':
            self._retire(row)
        if foreign:
            raise Forbidden(f'{foreign[0].id} in it belongs to project {foreign[0].project}.')
        touch(self.connection, row.parent, below=True)
        for start in range(0, len(pks), 500):
            self.connection.execute(item.delete().where(item.c.pk.in_(pks[start : start + 500])))
        for path in reversed(folders):
            self._remove_folder(path)

    def sessions_of_others(self, row: Any) -> list[Any]:
        """Return the sessions of a subject that other projects own; none of other items."""
        query = select(item).where(item.c.parent == row.pk, item.c.project != row.project)
        return list(self.connection.execute(query)) if row.level == 'subject' else []

    def _retire(self, row: Any) -> None:
        for hook in self.archive.before_project_removal:
            hook(self.connection, row.id)
        delete_project_rows(self.connection, row.id)
        self.connection.execute(retired.delete().where(retired.c.id == row.id))
        self.connection.execute(retired.insert().values(id=row.id))

    def _below(self, row: Any) -> Iterable[Any]:
        """Return an item and all below it, parents first."""
        found = [row]
        layer = [row.pk]
        if row.level == 'project':  # also its items below those of other projects
            found += list(
                self.connection.execute(
                    select(item)
                    .where(item.c.project == row.id, item.c.level.in_(EXPERIMENTS))
                    .order_by(item.c.pk)
                )
            )
            layer += [one.pk for one in found[1:]]
        seen = set(layer)
        while layer:
            rows = []
            for start in range(0, len(layer), 500):
                query = (
                    select(item)
                    .where(item.c.parent.in_(layer[start : start + 500]))
                    .order_by(item.c.pk)
                )
                rows += [one for one in self.connection.execute(query) if one.pk not in seen]
            seen |= {one.pk for one in rows}
            found += rows
            layer = [one.pk for one in rows]
        return found

    def delete_resource(self, row: Any, holder: Any) -> None:
        """Delete a resource with its files.

        Parameters
        ----------
        row : Any
            Row of the resource.
        holder : Any
            Row of its item.
        """
        self._remove_folder(self.archive.files.resource_folder(self.connection, row, holder))
        touch(self.connection, holder.pk)
        self.connection.execute(resource.delete().where(resource.c.pk == row.pk))

    # -- folders

    def _move_folder(self, before: Path, row: Any) -> None:
        files = self.archive.files
        after = files.item_folder(self.connection, row)
        if before != after:
            self.archive.store.later(self.connection, files.relative(before), files.relative(after))

    def _remove_folder(self, path: Path) -> None:
        if path.exists():
            self.archive.store.later(self.connection, self.archive.files.relative(path), None)
