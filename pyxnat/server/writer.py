"""Creating, changing, sharing, moving and deleting items."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, or_, select
from werkzeug.exceptions import BadRequest, Conflict, ExpectationFailed, Forbidden, NotFound, UnprocessableEntity

from ..schemas import canonical
from .archive import Archive
from .arrivals import discard_all
from .auth import ANY, Caller, readable, rights
from .edit import Document, merged, validated
from .history import Event, record
from .locate import has_alias, kind_of, labelled, need, need_on
from .store import (
    config,
    fields_of,
    group_right,
    invitation,
    item,
    next_id,
    now,
    project_pipeline,
    project_setting,
    project_visit,
    resource,
    retired,
    role,
    share,
    touch,
    user_group,
)

__all__ = ['Writer', 'check_access', 'check_label']

_LABEL = re.compile(r'[A-Za-z0-9_-]+')
_MAX_LABEL = 255
ACCESS = ('private', 'protected', 'public')
_EXPERIMENTS = ('experiment', 'assessor')


def check_label(text: str, what: str = 'label') -> str:
    """A label or ID of a project, subject or experiment; `ExpectationFailed` for characters outside ``[A-Za-z0-9_-]``."""
    if not _LABEL.fullmatch(text) or len(text) > _MAX_LABEL:
        raise ExpectationFailed(f'Invalid character in {what}: {text!r}. Use letters, digits, "_" and "-".')
    return text


def check_access(archive: Archive, text: str) -> str:
    """An accessibility; `BadRequest` for another word, `Forbidden` where the site has private projects alone."""
    if text not in ACCESS:
        raise BadRequest(f'{text!r} is none of {", ".join(ACCESS)}.')
    if text != 'private' and not archive.preferences.flag('securityAllowNonPrivateProjects'):
        raise Forbidden('Projects of this site are private.')
    return text


class Writer:
    """Writes in one transaction for one caller. Folders are renamed and removed when it is committed."""

    def __init__(self, archive: Archive, connection: Connection, caller: Caller, event: Event | None = None) -> None:
        self.archive = archive
        self.model = archive.model
        self.connection = connection
        self.caller = caller
        self.event = event or Event(caller.login)

    # -- projects

    def put_project(self, text: str, document: Document, row: Any, access: str | None) -> Any:
        """Create or change a project."""
        named = document.core.get('ID', text)
        if named.lower() != text.lower():
            raise ExpectationFailed(f'The document is of project {named}, the URI of {text}.')
        if access is not None:
            check_access(self.archive, access)
        if row is None:
            return self._new_project(text, document, access or 'protected')
        need(self.connection, self.caller, row.id, 'delete' if access else 'edit')
        self._check_names(row.id, document, row.pk)
        if access:
            self._set(row, access=access)
        return self.update(row, document)

    def _new_project(self, text: str, document: Document, access: str) -> Any:
        if self.caller.guest:
            raise Forbidden('A guest cannot create projects.')
        preferences = self.archive.preferences
        if not self.caller.admin and not preferences.flag('uiAllowNonAdminProjectCreation'):
            raise Forbidden('Only administrators create projects at this site.')
        check_label(text, 'project ID')
        used = self.connection.scalar(select(retired.c.id).where(func.lower(retired.c.id) == text.lower()))
        if used and not preferences.flag('security.allowProjectIdReuse'):
            raise Forbidden(f'{text} was the ID of a project that was deleted; it cannot be used again.')
        document.fields.setdefault('secondary_ID', text)
        document.fields.setdefault('name', text)
        self._check_names(text, document, None)
        row = self._insert('project', 'xnat:projectData', text, None, text, None, document, access=access)
        self.connection.execute(role.insert().values(project=text, login=self.caller.login, role='owner'))
        return row

    def _check_names(self, text: str, document: Document, pk: int | None) -> None:
        """XNAT keeps ID, secondary ID, name and aliases of all projects apart, whatever their case."""
        named = [value for key, value in document.fields.items() if key in ('secondary_ID', 'name') or canonical(key) == 'aliases/alias/alias']
        wanted = {text.lower()} | {value.lower() for value in named if value}
        columns = [func.lower(func.json_extract(item.c.fields, f'$."{key}"')) for key in ('secondary_ID', 'name')]
        clash = or_(func.lower(item.c.id).in_(wanted), has_alias(sorted(wanted)), *(column.in_(wanted) for column in columns))
        query = select(item.c.id).where(item.c.level == 'project', clash)
        if pk is not None:
            query = query.where(item.c.pk != pk)
        found = self.connection.scalar(query)
        if found is not None:
            raise Conflict(f'The ID, running title, title or alias is that of project {found}.')

    # -- items

    def create(self, where: str, text: str, parent: Any, project: str, document: Document) -> Any:
        """A new item below a parent, with what its document holds inside."""
        kind = kind_of(self.connection, parent) if where in ('scan', 'reconstruction') else document.xsi_type
        need(self.connection, self.caller, project, 'create', kind or ANY)
        xsi_type = self._creatable(document.xsi_type, where)
        if where in ('scan', 'reconstruction'):
            self._free_scan(where, text, parent)
            row = self._insert(where, xsi_type, text, None, project, parent.pk, document)
        else:
            check_label(text)
            self._free_label(where, project, text)
            accession = self._accession(where, document)
            row = self._insert(where, xsi_type, accession, text, project, parent.pk, document)
        self._put_children(row, document)
        return row

    def _creatable(self, xsi_type: str, where: str) -> str:
        if not xsi_type:
            if where == 'scan':
                raise BadRequest('Name the type of the scan: xsiType=xnat:mrScanData, for example.')
            raise ExpectationFailed(f'Name the type of the {where}: xsiType=xnat:mrSessionData, for example.')
        if self.model.level_of(xsi_type) != where:
            raise (UnprocessableEntity if where == 'subject' else BadRequest)(f'Only {where} documents can be PUT here, not {xsi_type}.')
        if where == 'scan' and not self.model.can_hold(xsi_type):  # XNAT refuses a general type for scans alone (2.8.2)
            raise BadRequest(f'{xsi_type} is too general: name a type that extends it.')
        return xsi_type

    def _free_scan(self, where: str, text: str, parent: Any) -> None:
        if not text or len(text) > _MAX_LABEL or any(ord(char) < 32 or char in '/\\' for char in text) or text in ('.', '..'):
            raise ExpectationFailed(f'{text!r} cannot be the ID of a {where}.')
        query = select(item.c.pk).where(item.c.level == where, item.c.id == text)
        if where == 'scan':
            query = query.where(item.c.parent == parent.pk)
        if self.connection.scalar(query) is not None:
            raise Conflict(f'There is a {where} {text} already.')

    def _free_label(self, where: str, project: str, text: str, pk: int | None = None) -> None:
        levels = _EXPERIMENTS if where in _EXPERIMENTS else (where,)
        query = select(item.c.pk).where(item.c.level.in_(levels), labelled(project, text))
        if pk is not None:
            query = query.where(item.c.pk != pk)
        if self.connection.scalar(query) is not None:
            raise Conflict(f'The label {text} is used in project {project} already.')

    def _accession(self, where: str, document: Document) -> str:
        wanted = document.core.get('ID')
        levels = _EXPERIMENTS if where in _EXPERIMENTS else (where,)
        if not wanted:
            return next_id(self.connection, self.archive.prefix, 'S' if where == 'subject' else 'E', levels)
        check_label(wanted, 'ID')
        if self.connection.scalar(select(item.c.pk).where(item.c.level.in_(levels), item.c.id == wanted)) is not None:
            raise Conflict(f'The ID {wanted} is used already.')
        return wanted

    def _insert(
        self, where: str, xsi_type: str, accession: str, label: str | None, project: str, parent: int | None, document: Document, **more: Any
    ) -> Any:
        stamp = now()
        touch(self.connection, parent)
        values = {key: value for key, value in validated(self.model, document).items() if value != ''}
        found = self.connection.execute(
            item.insert()
            .values(level=where, xsi_type=xsi_type, id=accession, label=label, project=project, parent=parent, insert_date=stamp,
                    insert_user=self.caller.login, last_modified=stamp, status='active', fields=json.dumps(values, ensure_ascii=False), **more)
            .returning(item)
        )  # fmt: skip
        return found.one()

    def _put_children(self, row: Any, document: Document) -> None:
        for where, child in document.children:
            name = child.core.get('ID', '') if where in ('scan', 'reconstruction') else child.core.get('label') or child.core.get('ID', '')
            query = select(item).where(item.c.level == where, item.c.parent == row.pk, or_(item.c.id == name, item.c.label == name))
            found = self.connection.execute(query).first()
            if found is None and where in _EXPERIMENTS and child.core.get('ID'):
                found = self.connection.execute(select(item).where(item.c.level == where, item.c.id == child.core['ID'])).first()
            if found is None:
                self.create(where, name, row, row.project, child)
            elif found.parent == row.pk:
                self.update(found, child)

    def update(self, row: Any, document: Document) -> Any:
        """Merge a document into an item; with `Document.complete` it replaces the fields."""
        if document.core.get('ID', row.id) != row.id and row.level not in ('project',):
            raise BadRequest(f'The ID of an item does not change: it is {row.id}, not {document.core["ID"]}.')
        document.xsi_type = document.xsi_type or row.xsi_type
        if document.xsi_type != row.xsi_type:
            raise Conflict(f'{row.id} is of type {row.xsi_type}, not {document.xsi_type}.')
        before = {} if document.complete else fields_of(row)
        fields = merged(before, document, validated(self.model, document))
        changed = {'fields': json.dumps({key: value for key, value in fields.items() if value != ''}, ensure_ascii=False)}
        owner = document.core.get('subject_ID')
        if row.level == 'experiment' and owner:
            changed.update(self._other_subject(row, owner))
        if any(getattr(row, name) != value for name, value in changed.items()) or not document.from_xml:
            need_on(self.connection, self.caller, row, 'edit')
            row = self._set(row, **changed)
        self._put_children(row, document)
        if document.complete:
            self._drop_parts(row, document)
        return row

    def _drop_parts(self, row: Any, document: Document) -> None:
        """Delete scans and reconstructions that a complete document does not have; sessions and assessors are never dropped so."""
        kept = {(where, child.core.get('ID')) for where, child in document.children}
        query = select(item).where(item.c.parent == row.pk, item.c.level.in_(('scan', 'reconstruction')))
        for one in self.connection.execute(query).all():
            if (one.level, one.id) not in kept:
                self.delete(one)

    def _other_subject(self, row: Any, owner: str) -> dict[str, Any]:
        """PUT with subject_ID moves a session to that subject."""
        if owner == self.connection.scalar(select(item.c.id).where(item.c.pk == row.parent)):
            return {}
        named = or_(item.c.id == owner, labelled(row.project, owner))
        query = select(item).where(item.c.level == 'subject', named, readable(self.caller, item)).order_by(item.c.id != owner)
        found = self.connection.execute(query).first()
        if found is None:
            raise NotFound(f'Unable to find the specified subject: {owner}')
        return {'parent': found.pk}

    def _set(self, row: Any, **values: Any) -> Any:
        values['last_modified'] = now()
        touch(self.connection, row.parent)
        changed = self.connection.execute(item.update().where(item.c.pk == row.pk).values(**values).returning(item)).one()
        record(self.connection, row, changed, self.event)
        return changed

    def rename(self, row: Any, label: str) -> Any:
        """Give a subject, session or assessor another label; its folder goes with it."""
        need_on(self.connection, self.caller, row, 'edit')
        check_label(label)
        self._free_label(row.level, row.project, label, row.pk)
        before = self.archive.files.item_folder(self.connection, row)
        row = self._set(row, label=label)
        self._move_folder(before, row)
        return row

    def set_status(self, row: Any, status: str) -> Any:
        """Quarantine, lock or activate an item."""
        need_on(self.connection, self.caller, row, 'delete')
        return self._set(row, status=status)

    # -- sharing

    def share(self, row: Any, target: Any, label: str | None, primary: bool) -> None:
        """Show an item in another project, or, `primary`, give it to that project."""
        need(self.connection, self.caller, target.id, 'create', kind_of(self.connection, row))
        if primary and target.id != row.project:
            self.move(row, target, label)
            return
        if self.is_in(row, target.id):
            raise Conflict(f'{row.id} is in project {target.id} already.')
        if row.level == 'scan':
            session = self.connection.execute(select(item).where(item.c.pk == row.parent)).one()
            if not self.is_in(session, target.id):
                self.share(session, target, None, False)
            label = None
        elif row.label or label:
            self._free_label(row.level, target.id, check_label(label or row.label))
        self.connection.execute(share.insert().values(item=row.pk, project=target.id, label=label or None))

    def is_in(self, row: Any, project: str) -> bool:
        """Whether an item is owned by a project or shared into it."""
        return row.project == project or self._shared(row, project) is not None

    def _shared(self, row: Any, project: str) -> Any:
        """The share of an item in a project; None where there is none."""
        return self.connection.execute(select(share).where(share.c.item == row.pk, share.c.project == project)).first()

    def move(self, row: Any, target: Any, label: str | None) -> None:
        """Change the owner of an item and of what it holds; `delete` in the old project is needed."""
        need_on(self.connection, self.caller, row, 'delete')
        known = self._shared(row, target.id)
        label = label or (known.label if known is not None else None)
        self.connection.execute(share.delete().where(share.c.item == row.pk, share.c.project == target.id))
        moving = [one for one in self._below(row) if one.project == row.project]
        for one in moving:
            if one.label:
                self._free_label(one.level, target.id, (label or one.label) if one.pk == row.pk else one.label, one.pk)
        before = [self.archive.files.item_folder(self.connection, one) for one in moving]
        changed = []
        for one in moving:
            if one.pk == row.pk:
                parent = {'parent': target.pk} if row.level == 'subject' else {}
                changed.append(self._set(one, project=target.id, label=check_label(label or one.label), **parent))
            else:
                changed.append(self._set(one, project=target.id))
        for source, one in zip(before, changed, strict=True):
            self._move_folder(source, one)

    def unshare(self, row: Any, project: str) -> None:
        """Take an item out of a project that does not own it; the data stay."""
        kind = kind_of(self.connection, row)
        held = rights(self.connection, self.caller, project, kind) | rights(self.connection, self.caller, row.project, kind)
        if 'delete' not in held:
            raise Forbidden(f'Insufficient privileges: delete in project {project}.')
        gone = self.connection.execute(share.delete().where(share.c.item == row.pk, share.c.project == project))
        if gone.rowcount == 0:
            raise NotFound(f'{row.id} is not shared into project {project}.')

    # -- deleting

    def delete(self, row: Any) -> None:
        """Delete an item and all below it. Its files become unreachable at once and are removed: nothing could reach them again."""
        need_on(self.connection, self.caller, row, 'delete')
        if self.archive.preferences.flag('security.prevent-data-deletion'):
            raise Forbidden('Nothing is deleted at this site.')
        doomed = list(self._below(row))
        for kind in {one.xsi_type for one in doomed if one.project == row.project and one.level in ('experiment', 'assessor')}:
            need(self.connection, self.caller, row.project, 'delete', kind)
        foreign = [one for one in doomed if one.project != row.project]
        if foreign and row.level != 'project':
            raise Forbidden(f'{foreign[0].id} below it belongs to project {foreign[0].project}.')
        pks = [one.pk for one in doomed if one.project == row.project]
        folders = [self.archive.files.item_folder(self.connection, one) for one in doomed if one.project == row.project]
        if row.level == 'project':
            self._retire(row)
        if foreign:
            raise Forbidden(f'{foreign[0].id} in it belongs to project {foreign[0].project}.')
        touch(self.connection, row.parent)
        for start in range(0, len(pks), 500):
            self.connection.execute(item.delete().where(item.c.pk.in_(pks[start : start + 500])))
        for path in reversed(folders):
            self._remove_folder(path)

    def _retire(self, row: Any) -> None:
        discard_all(self.archive, self.connection, row.id)
        self.connection.execute(retired.delete().where(retired.c.id == row.id))
        self.connection.execute(retired.insert().values(id=row.id))
        for table in (role, user_group, group_right, project_setting, project_pipeline, config, share, invitation, project_visit):
            self.connection.execute(table.delete().where(table.c.project == row.id))

    def _below(self, row: Any) -> Iterable[Any]:
        """An item and all below it, parents first."""
        found = [row]
        layer = [row.pk]
        while layer:
            rows = []
            for start in range(0, len(layer), 500):
                query = select(item).where(item.c.parent.in_(layer[start : start + 500])).order_by(item.c.pk)
                rows += list(self.connection.execute(query))
            found += rows
            layer = [one.pk for one in rows]
        return found

    def delete_resource(self, row: Any, holder: Any) -> None:
        """Delete a resource with its files."""
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
