"""Share items into projects, move them, and remove them from projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from ...model.levels import level
from ..db.access import rights
from ..db.store import item, now, share, touch
from ..db.values import unless_null
from ..errors import Conflict, Forbidden
from .item_changes import ItemChanges
from .locate import kind_of, need, need_on

__all__ = ['Sharing']


class Sharing(ItemChanges):
    """Changes of the projects that own or share an item."""

    def share(self, row: Any, target: Any, label: str | None, primary: bool) -> None:
        """Share an item into another project, or move it there.

        A session is shared with its scans, and a scan with its session.

        Parameters
        ----------
        row : Any
            Row of the item.
        target : Any
            Row of the other project.
        label : str | None
            Label there; None for none.
        primary : bool
            Whether the other project becomes the owner.

        Raises
        ------
        Conflict
            If it is shared there already, or the label is in use.
        """
        if primary and target.id != row.project:
            need(self.connection, self.caller, target.id, 'create', kind_of(self.connection, row))
            self.move(row, target, label)
            return
        if self._shared(row, target.id) is not None:
            raise Conflict(f'Already assigned to project:{target.id}')
        if row.level == 'scan':
            session = self.connection.execute(select(item).where(item.c.pk == row.parent)).one()
            if not self.is_in(session, target.id):
                self.share(session, target, None, False)
                return
            label = row.id
        self.show(row, target, label)
        if row.level == 'experiment':
            for scan in self.connection.execute(
                select(item).where(item.c.parent == row.pk, item.c.level == 'scan')
            ).all():
                if self._shared(scan, target.id) is None:
                    self._add_share(scan, target.id, scan.id)

    def show(self, row: Any, target: Any, label: str | None) -> None:
        """Share an item without its children into another project.

        Parameters
        ----------
        row : Any
            Row of the item.
        target : Any
            Row of the other project.
        label : str | None
            Label there; None for none.

        Raises
        ------
        Forbidden
            Without the rights to edit the item and to create in the other project.
        """
        need_on(self.connection, self.caller, row, 'edit')
        need(self.connection, self.caller, target.id, 'create', kind_of(self.connection, row))
        if label and row.level != 'scan':
            self._check_label_is_free(row.level, target.id, label)
        self._add_share(row, target.id, label)

    def _add_share(self, row: Any, project: str, label: str | None) -> None:
        touch(self.connection, row.pk)
        self.connection.execute(
            share.insert().values(
                item=row.pk, project=project, label=unless_null(label), insert_date=now()
            )
        )

    def set_shares(self, row: Any, wanted: Mapping[str, str]) -> None:
        """Give an item exactly some shares, and the scans of a session the same.

        XNAT cannot: the end of a share there takes those of the items below along. It is for a
        mirror, which knows the shares of each item.

        Parameters
        ----------
        row : Any
            Row of a subject, session or assessor.
        wanted : mapping
            Project -> label there; empty for none.

        Raises
        ------
        Conflict
            If another item has a label.
        """
        need_on(self.connection, self.caller, row, 'edit')
        scans = select(item).where(item.c.parent == row.pk, item.c.level == 'scan')
        for one in [row, *self.connection.execute(scans).all()]:
            labels = wanted if one.pk == row.pk else dict.fromkeys(wanted, one.id)
            known = select(share.c.project, share.c.label).where(share.c.item == one.pk)
            held = {project: label or '' for project, label in self.connection.execute(known)}
            for project in held:
                if labels.get(project) != held[project]:
                    touch(self.connection, one.pk)
                    self.connection.execute(
                        share.delete().where(share.c.item == one.pk, share.c.project == project)
                    )
            for project, label in labels.items():
                if held.get(project) != label:
                    if label and one.pk == row.pk:
                        self._check_label_is_free(row.level, project, label)
                    self._add_share(one, project, label or None)

    def free_label(self, row: Any, project: str) -> None:
        """Give an item its ID as label in a project that owns or shares it.

        Parameters
        ----------
        row : Any
            Row of a subject, session or assessor.
        project : str
            ID of the project.
        """
        if row.project == project:
            self.rename(row, row.id)
            return
        self.connection.execute(
            share.update()
            .where(share.c.item == row.pk, share.c.project == project)
            .values(label=row.id)
        )
        touch(self.connection, row.pk)

    def is_in(self, row: Any, project: str) -> bool:
        """Whether a project owns an item, or shares it.

        Parameters
        ----------
        row : Any
            Row of the item.
        project : str
            ID of the project.
        """
        return row.project == project or self._shared(row, project) is not None

    def _shared(self, row: Any, project: str) -> Any:
        """Return the share of an item in a project; None for none."""
        return self.connection.execute(
            select(share).where(share.c.item == row.pk, share.c.project == project)
        ).first()

    def move(self, row: Any, target: Any, label: str | None) -> None:
        """Make another project the owner of an item and of its parts.

        Parts are scans, assessors and reconstructions; sessions of a subject stay with their
        project. Needs the right to delete in the old project.

        Parameters
        ----------
        row : Any
            Row of the item.
        target : Any
            Row of the other project.
        label : str | None
            Label there; None keeps it.

        Raises
        ------
        Conflict
            If the label of the item or of a part is in use there.
        """
        need_on(self.connection, self.caller, row, 'delete')
        label = unless_null(label or row.label)
        self.connection.execute(
            share.delete().where(share.c.item == row.pk, share.c.project == target.id)
        )
        self._check_label_is_free(row.level, target.id, label, row.pk)
        moving = (
            [row]
            if row.level == 'subject'
            else [one for one in self._below(row) if one.project == row.project]
        )
        for one in moving[1:]:
            if level(one.level).has_label and one.label is not None:
                self._check_label_is_free(one.level, target.id, one.label, one.pk)
        before = [self.archive.files.item_folder(self.connection, one) for one in moving]
        parent = {'parent': target.pk} if row.level == 'subject' else {}
        changed = [
            self._set(row, project=target.id, label=label, **parent),
            *(self._set(one, project=target.id) for one in moving[1:]),
        ]
        for source, one in zip(before, changed, strict=True):
            self._move_folder(source, one)

    def unshare(self, row: Any, project: str) -> None:
        """Remove an item from a project.

        As in XNAT, its own project deletes it, and a project that does not share it is ignored. The
        sessions of a subject are removed, too: their shares are deleted, and sessions that the
        project owns are deleted with their data.

        Parameters
        ----------
        row : Any
            Row of the item.
        project : str
            ID of the project.

        Raises
        ------
        Forbidden
            Without the right to delete.
        """
        if row.project == project:
            self.delete(row)
            return
        if self._shared(row, project) is None:
            return
        kind = kind_of(self.connection, row)
        held = rights(self.connection, self.caller, project, kind) | rights(
            self.connection, self.caller, row.project, kind
        )
        if 'delete' not in held:
            raise Forbidden(f'User cannot delete {row.level}s for project {project}')
        touch(self.connection, row.pk)
        for one in self._below(row):
            if one.project == project and one.level == 'experiment':
                self.delete(one)
        pks = [one.pk for one in self._below(row)]
        for start in range(0, len(pks), 500):
            self.connection.execute(
                share.delete().where(
                    share.c.item.in_(pks[start : start + 500]), share.c.project == project
                )
            )
