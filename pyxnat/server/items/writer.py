"""Create items and merge documents into them.

`Writer` also has the methods of `sharing` and `item_changes`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select

from ...model.levels import level
from ...model.name_rules import LABEL
from ...model.schemas import canonical
from ..archive import Archive
from ..db.access import ANY, Caller, readable
from ..db.accessions import taken
from ..db.guards import Guard, record
from ..db.rows import item_row
from ..db.store import fields_of, item, now, retired, role, touch
from ..db.values import unless_null
from ..errors import BadRequest, Conflict, ExpectationFailed, Forbidden, UnprocessableEntity
from .edit import Document, check_complete, check_kept, filled, kept, merged, validated
from .item_changes import MAX_LABEL, levels_with_shared_ids
from .links import add_links, drop_unnamed, project_change
from .locate import has_alias, kind_of, labelled, need, need_on
from .sharing import Sharing

__all__ = ['Writer', 'check_access', 'check_label']

_LABEL = re.compile(r'[A-Za-z0-9_-]+')
_MAX_PROJECT = 249  # characters of the ID: XNAT accepts 200 and refuses 250
_INSERT = item.insert().returning(item)
_RETIRED = select(retired.c.id).where(retired.c.id == bindparam('id'))
_NAMES: Any = bindparam('names', expanding=True)
_NAMED = select(item.c.id).where(
    item.c.level == 'project',
    item.c.pk != bindparam('own'),
    or_(
        func.lower(item.c.id).in_(_NAMES),
        has_alias(_NAMES),
        *(
            func.lower(func.json_extract(item.c.fields, f'$."{key}"')).in_(_NAMES)
            for key in ('secondary_ID', 'name')
        ),
    ),
)
"""Other projects with one of some names, in lower case, as ID, title or alias."""
ACCESS = ('private', 'protected', 'public')


def _needed_inside(where: str) -> tuple[str, ...]:
    """Return the attributes that an item needs in the document of its parent."""
    return ('ID',) if where == 'scan' else ('ID', level(where).parent_field)


def check_label(text: str, name: str = 'label') -> str:
    """Return a label or ID of a project, subject or experiment, checked.

    Parameters
    ----------
    text : str
        The label or ID.
    name : str
        Name for it in the error.

    Raises
    ------
    ExpectationFailed
        For characters outside of ``[A-Za-z0-9_-]``, and for more than 255.
    """
    if not _LABEL.fullmatch(text) or len(text) > MAX_LABEL:
        raise ExpectationFailed(
            f'Invalid character in {name}: {text!r}. Use letters, digits, "_" and "-".'
        )
    return text


def check_access(archive: Archive, text: str) -> str:
    """Return an accessibility, checked.

    Parameters
    ----------
    archive : Archive
        The archive.
    text : str
        Private, protected or public.

    Raises
    ------
    BadRequest
        For any other word.
    Forbidden
        If the site allows private projects only.
    """
    if text not in ACCESS:
        raise BadRequest(f'{text!r} must be one of {", ".join(ACCESS)}.')
    if text != 'private' and not archive.preferences.flag('securityAllowNonPrivateProjects'):
        raise Forbidden('All projects of this site must be private.')
    return text


@lru_cache(maxsize=16)
def _visible(where: str, admin: bool) -> Any:
    """Return the query of `Writer.bearing`; building takes longer than running it."""
    caller = Caller(bindparam('caller'), admin)  # type: ignore[arg-type]
    return select(item).where(
        labelled(levels_with_shared_ids(where), bindparam('project'), bindparam('label')),
        readable(caller, item),
    )


class Writer(Sharing):
    """Writer of items in one transaction, for one caller."""

    # -- projects

    def put_project(self, text: str, document: Document, row: Any, access: str | None) -> Any:
        """Create or change a project.

        Parameters
        ----------
        text : str
            ID of the project.
        document : Document
            Document of the project.
        row : Any
            Row of the existing project; None for a new one.
        access : str | None
            Private, protected or public; None keeps it, and a new project is protected.

        Raises
        ------
        ExpectationFailed
            If the ID in the document differs.
        Forbidden
            Without the right, or if the ID is that of a deleted project.
        Conflict
            If another project has the ID, name or alias.
        """
        named = document.core.get('ID', text)
        if named.lower() != text.lower():
            raise ExpectationFailed(f'The document has project ID {named}, but the URI has {text}.')
        if access is not None:
            check_access(self.archive, access)
        if row is None or (row.id != text and self._is_retired(text)):
            return self._new_project(text, document, access or 'protected')
        need(self.connection, self.caller, row.id, 'delete' if access else 'edit')
        if row.id.lower() != text.lower():
            raise Conflict(f'{text} is an alias of project {row.id}: use its ID to change it.')
        self._check_names(row.id, document, row.pk)
        if access:
            self._set(row, access=access)
        return self.update(row, document)

    def _is_retired(self, text: str) -> bool:
        """Whether a deleted project had this ID, in the same case."""
        return self.connection.scalar(_RETIRED, {'id': text}) is not None

    def _new_project(self, text: str, document: Document, access: str) -> Any:
        record(Guard.ITEM)
        if self.caller.guest:
            raise Forbidden('A guest cannot create projects.')
        preferences = self.archive.preferences
        if not self.caller.admin and not preferences.flag('uiAllowNonAdminProjectCreation'):
            raise Forbidden('Only administrators may create projects on this site.')
        check_label(text, 'project ID')
        if len(text) > _MAX_PROJECT:
            raise BadRequest(f'The ID of a project has at most {_MAX_PROJECT} characters.')
        if self._is_retired(text) and not document.exact:  # a mirror has it of its server
            raise Forbidden(
                f"Project '{text}' was used in a previously deleted project and cannot be reused."
            )
        document.fields.setdefault('secondary_ID', text)
        document.fields.setdefault('name', text)
        document.fields.setdefault('active', '1')
        self._check_names(text, document, None)
        row = self._insert(
            'project', 'xnat:projectData', text, None, text, None, document, access=access
        )
        self.connection.execute(
            role.insert().values(project=text, login=self.caller.login, role='owner')
        )
        return row

    def _check_names(self, text: str, document: Document, pk: int | None) -> None:
        """Check that ID, secondary ID, name and aliases are unique.

        As in XNAT, they must differ from all of these of all other projects, whatever their case.
        """
        named = [
            value
            for key, value in document.fields.items()
            if key in ('secondary_ID', 'name') or canonical(key) == 'aliases/alias/alias'
        ]
        wanted = {text.lower()} | {value.lower() for value in named if value}
        found = self.connection.scalar(_NAMED, {'names': sorted(wanted), 'own': pk or 0})
        if found is not None:
            raise Conflict(f'The ID, running title, title or alias is in use by project {found}.')

    # -- items

    def create(self, where: str, text: str, parent: Any, project: str, document: Document) -> Any:
        """Create an item below a parent, with its children in the document.

        Parameters
        ----------
        where : str
            Level of the item.
        text : str
            Label, or ID of a scan or reconstruction.
        parent : Any
            Row of the parent.
        project : str
            ID of the project.
        document : Document
            Document of the item.

        Raises
        ------
        ExpectationFailed
            If the type is missing, or the label or ID has invalid characters.
        Conflict
            If the label or ID is in use.
        Forbidden
            Without the right to create.
        """
        kind = kind_of(self.connection, parent) if level(where).is_part else document.xsi_type
        need(self.connection, self.caller, project, 'create', kind or ANY)
        xsi_type = self.creatable(document, where)
        if level(where).is_part:
            self.check_part_name(where, text)
            self._check_part_is_free(where, text, parent)
            row = self._insert(where, xsi_type, text, None, project, parent.pk, document)
        else:
            if not document.exact:
                check_label(text)
            self._check_label_is_free(where, project, text)
            if where == 'subject' and any(level == 'experiment' for level, _ in document.children):
                raise BadRequest(
                    'Send the sessions of a new subject separately: XNAT fails on a document with '
                    'both.'
                )
            accession = self._accession(where, document)
            row = self._insert(
                where, xsi_type, accession, unless_null(text), project, parent.pk, document
            )
        self._put_children(row, document)
        add_links(self, row, document)
        return row

    def creatable(self, document: Document, where: str) -> str:
        """Return the data type of a new item.

        Parameters
        ----------
        document : Document
            Document of the item.
        where : str
            Level of the item.

        Raises
        ------
        ExpectationFailed
            If the document has no type.
        UnprocessableEntity
            If items of this level cannot have it; of a scan it is a `BadRequest`.
        """
        xsi_type = document.xsi_type
        if not xsi_type:
            raise ExpectationFailed(
                f'Need PUT Contents: name the type of the {where}, such as '
                f'xsiType={level(where).datatype}.'
            )
        if self.model.level_of(xsi_type) != where:
            raise (BadRequest if where == 'scan' else UnprocessableEntity)(
                f'Only {where} documents can be PUT here, not {xsi_type}.'
            )
        if (
            where == 'scan' and not document.is_inside and not self.model.can_hold(xsi_type)
        ):  # XNAT refuses a general type for scans only
            raise BadRequest(
                'Multiple scan modalities can be associated here: name one, such as '
                f'xsiType=xnat:mrScanData, not {xsi_type}.'
            )
        return xsi_type

    def check_part_name(self, where: str, text: str) -> None:
        """Check the ID of a scan or reconstruction.

        Parameters
        ----------
        where : str
            Level of the item.
        text : str
            The ID.

        Raises
        ------
        ExpectationFailed
            For invalid characters, and for more than 255.
        """
        if level(where).name_rule is LABEL:
            check_label(text, f'{where} ID')
        if (
            unless_null(text) is None
            or len(text) > MAX_LABEL
            or any(ord(char) < 32 or char in '/\\' for char in text)
            or text in ('.', '..')
        ):
            raise ExpectationFailed(f'{text!r} cannot be the ID of a {where}.')

    def _check_part_is_free(self, where: str, text: str, parent: Any) -> None:
        query = select(item.c.pk).where(item.c.level == where, item.c.id == text)
        if not level(where).can_move:
            query = query.where(item.c.parent == parent.pk)
        if self.connection.scalar(query) is not None:
            raise Conflict(f'There is a {where} {text} already.')

    def _accession(self, where: str, document: Document) -> str:
        """Return the ID of a new item."""
        wanted = document.core.get('ID')
        if not wanted:
            return self.archive.accessions.give(
                self.connection, self.archive.prefix, levels_with_shared_ids(where)
            )
        check_label(wanted, 'ID')
        if self.of_id(where, document) is not None:
            raise Conflict(f'The ID {wanted} is used already.')
        return wanted

    def of_id(self, where: str, document: Document) -> Any:
        """Return the item with the ID in a document, anywhere on the site.

        None without an ID, and for levels other than subjects, sessions and assessors.

        Parameters
        ----------
        where : str
            Level of the item.
        document : Document
            The document.
        """
        wanted = document.core.get('ID')
        if not wanted or not level(where).has_label:
            return None
        return taken(self.connection, levels_with_shared_ids(where), wanted)

    def bearing(self, where: str, project: str, label: str) -> Any:
        """Return the item of a level with a label in a project; None for none.

        Parameters
        ----------
        where : str
            Level of the item.
        project : str
            ID of the project.
        label : str
            The label.
        """
        record(Guard.ITEM)  # the statements are cached, with `readable` in them
        values = {'project': project, 'label': label, 'caller': self.caller.login}
        return self.connection.execute(_visible(where, self.caller.admin), values).first()

    def new_subject(self, label: str, project: Any) -> Any:
        """Create the subject of a session.

        Parameters
        ----------
        label : str
            Label of the subject.
        project : Any
            Row of the project.
        """
        return self.create('subject', label, project, project.id, Document('xnat:subjectData'))

    def find_or_create_subject(self, name: str, project: Any) -> Any:
        """Return the subject of a new session whose path has none in the project.

        A new subject is created if there is none with the ID.

        Parameters
        ----------
        name : str
            ID of the subject in the path or document.
        project : Any
            Row of the project.

        Raises
        ------
        BadRequest
            For an empty ID.
        """
        if not name:
            raise BadRequest(
                'subject_ID Required Field: a session needs a subject, in the path or by its ID.'
            )
        query = select(item).where(
            item.c.level == 'subject', item.c.id == name, readable(self.caller, item)
        )
        found = self.connection.execute(query).first()
        return found if found is not None else self.new_subject(name, project)

    def _insert(
        self,
        where: str,
        xsi_type: str,
        accession: str,
        label: str | None,
        project: str,
        parent: int | None,
        document: Document,
        **more: Any,
    ) -> Any:
        stamp = now()
        values = self.new_values(document, xsi_type)
        more |= project_change(where, project, document, True)
        found = self.connection.execute(
            _INSERT,
            {
                'level': where,
                'xsi_type': xsi_type,
                'id': accession,
                'label': label,
                'project': project,
                'parent': parent,
                'insert_date': stamp,
                'insert_user': self.caller.login,
                'last_modified': stamp,
                'status': 'active',
                'fields': json.dumps(values, ensure_ascii=False),
                **more,
            },
        ).one()
        touch(self.connection, found.pk)
        return found

    def new_values(self, document: Document, xsi_type: str) -> dict[str, str]:
        """Return the fields of a new item, by storage key.

        Parameters
        ----------
        document : Document
            Document of the item.
        xsi_type : str
            Its data type.

        Raises
        ------
        BadRequest
            For invalid and for missing values.
        """
        values = filled(merged({}, document, validated(self.model, document)))
        check_complete(self.model, xsi_type, values)
        return values

    def _put_children(self, row: Any, document: Document) -> None:
        for where, child in document.children:
            child.exact = document.exact
            child.complete = (
                document.complete and row.level == 'experiment'
            )  # fields of its sessions are merged
            lacking = [name for name in _needed_inside(where) if not child.core.get(name)]
            if lacking:
                raise BadRequest(
                    f"The content of element '{child.xsi_type}' is not complete: "
                    f'{", ".join(lacking)} Required Field'
                )
            name = (
                child.core.get('ID', '')
                if level(where).is_part
                else child.core.get('label') or child.core.get('ID', '')
            )
            query = select(item).where(
                item.c.level == where,
                item.c.parent == row.pk,
                or_(item.c.id == name, item.c.label == name),
            )
            found = self.connection.execute(query).first()
            if found is None and level(where).can_move and child.core.get('ID'):
                found = self.connection.execute(
                    select(item).where(item.c.level == where, item.c.id == child.core['ID'])
                ).first()
            if found is None:
                self.create(where, name, row, row.project, child)
            elif (
                found.parent == row.pk or where == 'reconstruction'
            ):  # its ID is unique on the site: it moves
                self.update(found, child, row)

    def update(self, row: Any, document: Document, parent: Any = None) -> Any:
        """Merge a document into an item; a complete one replaces its fields.

        Parameters
        ----------
        row : Any
            Row of the item.
        document : Document
            Document of the item; see `Document.complete`.
        parent : Any
            Row of the parent; the item moves there from another. None keeps the parent.

        Raises
        ------
        BadRequest
            For a changed ID, and for invalid values.
        Conflict
            If the data type differs, or the label is in use.
        Forbidden
            Without the right to edit.
        """
        if (document.core.get('ID') or row.id) != row.id and row.level not in ('project',):
            raise BadRequest(f'ID cannot be modified: it is {row.id}, not {document.core["ID"]}.')
        document.xsi_type = document.xsi_type or row.xsi_type
        if document.xsi_type != row.xsi_type:
            raise Conflict(
                f'Specified xsiType differs from existing xsiType: {row.id} is of type '
                f'{row.xsi_type}, not {document.xsi_type}.'
            )
        held = fields_of(row)
        before = kept(self.model, row.level, held, document)
        fields = merged(before, document, validated(self.model, document))
        check_kept(row.level, held, fields, document)
        check_complete(self.model, row.xsi_type, fields)
        changed: dict[str, Any] = {'fields': json.dumps(filled(fields), ensure_ascii=False)}
        changed |= project_change(row.level, row.project, document, False)
        owner = document.core.get('subject_ID')
        if parent is not None and parent.pk != row.parent:
            self._check_is_not_below(parent, row)
            changed['parent'] = parent.pk
        elif parent is None and row.level == 'experiment' and owner:
            changed.update(self._other_subject(row, owner))
        label = document.core.get('label')
        if level(row.level).has_label and label and label != row.label:
            self._check_label_is_free(row.level, row.project, label, row.pk)
            changed['label'] = unless_null(label)
        if (
            any(getattr(row, name) != value for name, value in changed.items())
            or not document.from_xml
        ):
            need_on(self.connection, self.caller, row, 'edit')
            folder = self.archive.files.item_folder(self.connection, row)
            row = self._set(row, **changed)
            self._move_folder(folder, row)
        self._put_children(row, document)
        add_links(self, row, document)
        if document.complete and row.level not in ('project', 'subject'):
            drop_unnamed(self, row, document)
        return row

    def _check_is_not_below(self, parent: Any, row: Any) -> None:
        while parent is not None:
            if parent.pk == row.pk:
                raise Conflict(f'{row.id} cannot be moved below itself.')
            parent = item_row(self.connection, parent.parent)

    def _other_subject(self, row: Any, owner: str) -> dict[str, Any]:
        """Return the change of parent for another ``subject_ID``.

        The subject is created if it does not exist.
        """
        if owner == self.connection.scalar(select(item.c.id).where(item.c.pk == row.parent)):
            return {}
        has_id = and_(item.c.level == 'subject', item.c.id == owner)
        for named in (has_id, labelled(['subject'], row.project, owner)):
            query = select(item).where(named, readable(self.caller, item))
            found = self.connection.execute(query).first()
            if found is not None:
                break
        else:
            project = self.connection.execute(
                select(item).where(item.c.level == 'project', item.c.id == row.project)
            ).one()
            found = self.new_subject(owner, project)
        return {'parent': found.pk}
