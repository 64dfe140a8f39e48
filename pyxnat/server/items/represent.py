"""Items in XNAT's JSON and XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from ...model.levels import level, levels_inside, listed_levels
from ...model.schemas import canonical
from ...model.short_names import short_name
from ..db.access import Caller, readable, visible
from ..db.json_keys import Step, name_of, steps, storage_key
from ..db.store import counted, fields_of, file, item, resource, share
from ..db.types import Model, split_path
from ..errors import BadRequest
from .edit import TYPE_LEAF
from .nested import SHARE_TYPES, key_names, number_of, type_of
from .settings import CORE
from .xml import write

__all__ = ['CAT', 'Representer', 'java_date']

CAT = 'http://nrg.wustl.edu/catalog'
_GROUP = 500
"""Items whose rows are read together."""


# Queries are cached: building one takes longer than running it. Each is for many items, whose keys
# are in `of`.

_OF: BindParameter[Any] = bindparam('of', expanding=True)


def _bound_caller(admin: bool) -> Caller:
    return Caller(bindparam('caller'), admin)  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def _below(where: str, admin: bool) -> Any:
    query = select(item).where(item.c.parent.in_(_OF), item.c.level == where)
    if not level(where).is_part:  # who may read a session may read its scans
        query = query.where(readable(_bound_caller(admin), item))
    return query.order_by(item.c.pk)


@lru_cache(maxsize=1)
def _resources() -> Any:
    count, size = counted(resource, func.count(file.c.pk), func.coalesce(func.sum(file.c.size), 0))
    query = select(resource, count.label('file_count'), size.label('file_size')).select_from(
        resource.outerjoin(file)
    )
    query = query.where(resource.c.item.in_(_OF), resource.c.side == bindparam('which'))
    return query.group_by(resource.c.pk).order_by(resource.c.pk)


@lru_cache(maxsize=2)
def _shares(admin: bool) -> Any:
    return (
        select(share)
        .where(share.c.item.in_(_OF), visible(_bound_caller(admin), share.c.project))
        .order_by(share.c.pk)
    )


class _Related:
    """Rows that belong to items, read for all items of a group with one query.

    Parameters
    ----------
    connection : Connection
        The database.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._group_of: dict[int, list[int]] = {}
        self._found: dict[tuple[Any, ...], dict[int, list[Any]]] = {}

    def group(self, rows: Sequence[Any]) -> None:
        """Make a group of items of one level, such as the scans of a session."""
        for start in range(0, len(rows), _GROUP):
            some = [row.pk for row in rows[start : start + _GROUP]]
            self._group_of.update(dict.fromkeys(some, some))

    def rows(self, pk: int, query: Any, column: str, **values: str) -> list[Any]:
        """Return the rows of a query that belong to an item.

        Parameters
        ----------
        pk : int
            Key of the item.
        query : Select
            Query for the items with the keys ``of``.
        column : str
            Column with the key of the item.
        **values : str
            Other parameters of the query.
        """
        found = self._found.setdefault((query, *values.values()), {})
        if pk not in found:
            group = self._group_of.get(pk, [pk])
            found.update({one: [] for one in group})
            for row in self._connection.execute(query, {'of': group, **values}):
                found[getattr(row, column)].append(row)
        return found[pk]


class Representer:
    """Writer of items in JSON and XML for one caller.

    Parameters
    ----------
    connection : Connection
        The database.
    model : Model
        The data types.
    caller : Caller
        The user; hidden items and projects are left out.
    resource_uri : Callable[[Any, Any], str]
        Returns the path of a resource's catalogue, for resource and item.
    site_url : str
        URL of the site.
    """

    def __init__(
        self,
        connection: Connection,
        model: Model,
        caller: Caller,
        resource_uri: Callable[[Any, Any], str],
        site_url: str,
    ) -> None:
        self._connection = connection
        self.model = model
        self._caller = caller
        self.resource_uri = resource_uri
        self.site_url = site_url
        self._ids: dict[int, str] = {}
        self._related = _Related(connection)

    # -- shared

    def values(self, row: Any) -> dict[str, str]:
        """Return all simple fields of an item, by storage key.

        From columns and JSON.
        """
        found = dict(fields_of(row))
        found['ID'] = row.id
        project = (
            row.project if row.level != 'scan' or row.told_project is None else row.told_project
        )
        facts = level(row.level)
        if facts.share_type and project:
            found['project'] = project
        if row.label:
            found['label'] = row.label
        if facts.parent_field and row.parent is not None:
            if row.parent not in self._ids:
                self._ids[row.parent] = (
                    self._connection.scalar(select(item.c.id).where(item.c.pk == row.parent)) or ''
                )
            found[facts.parent_field] = self._ids[row.parent]
        return found

    def value(self, row: Any, name: str) -> str:
        """Return the value of a field of an item.

        Parameters
        ----------
        row : Any
            Row of the item.
        name : str
            Full path, short name, or path in the type.

        Raises
        ------
        BadRequest
            If the type of the item has no such field.
        """
        full, short = split_path(name), short_name(row.level, name)
        path = full[1] if full else short.path if short else name
        found = self.model.field(row.xsi_type, path)
        if found is None:
            raise BadRequest(f'{name} is not a field of {row.xsi_type}.')
        return self.values(row).get(
            canonical(path) if canonical(path) in CORE else storage_key(found, path, default='0'),
            '',
        )

    def children(self, row: Any) -> list[tuple[str, list[Any]]]:
        """Return the readable child items, by the field that holds them."""
        groups = []
        for below in levels_inside(row.level):
            query = _below(below.singular, self._caller.admin)
            rows = self._related.rows(row.pk, query, 'parent', caller=self._caller.login)
            if rows:
                groups.append((below.path_in_parent, rows))
                self._related.group(rows)
                self._ids[row.pk] = row.id
        return groups

    def resources(self, row: Any, side: str = '') -> list[Any]:
        """Return the resources of an item with number and size of their files.

        Parameters
        ----------
        row : Any
            Row of the item.
        side : str
            ``in`` or ``out`` of an assessor or reconstruction.
        """
        if side and not level(row.level).has_sides:
            return []
        return self._related.rows(row.pk, _resources(), 'item', which=side)

    def shares(self, row: Any) -> list[Any]:
        """Return the shares of an item into projects that the caller may see."""
        if not level(row.level).share_type:
            return []
        query = _shares(self._caller.admin)
        return self._related.rows(row.pk, query, 'item', caller=self._caller.login)

    def resource_path(self, row: Any, side: str) -> str:
        """Return the path of resources in the document of an item.

        Parameters
        ----------
        row : Any
            Row of the item.
        side : str
            ``in`` or ``out`` of an assessor or reconstruction.
        """
        return f'{side}/file' if side else level(row.level).resource_path

    # -- JSON

    def json(self, rows: Sequence[Any], headers: bool = False) -> str:
        """Return an item with its children as ``{"items": [...]}``.

        Parameters
        ----------
        rows : Sequence[Any]
            Row of the item, and its earlier states.
        headers : bool
            Whether the names of all fields are added as ``headers``.
        """
        found: dict[str, Any] = {
            'items': [self._json_item(rows[0]), *map(self._json_version, rows[1:])]
        }
        if headers:
            _add_headers(found)
        return json.dumps(found, ensure_ascii=False)

    def _json_version(self, row: Any) -> dict[str, Any]:
        own, nested = self._split(row)
        meta = {
            **_meta(row.xsi_type, row.pk, row.start_date),
            'isHistory': True,
            'end_date': java_date(row.end_date),
            'modified_event_id': row.event,
        }
        return {'children': nested, 'meta': meta, 'data_fields': own}

    def _json_item(self, row: Any) -> dict[str, Any]:
        own, nested = self._split(row)
        children = [
            {'field': path, 'items': [self._json_item(one) for one in rows]}
            for path, rows in self.children(row)
        ]
        for side in ('', 'in', 'out'):
            resources = [self._json_resource(one, row) for one in self.resources(row, side)]
            if resources:
                children.append({'field': self.resource_path(row, side), 'items': resources})
        shares = [_share_item(row, one) for one in self.shares(row)]
        if shares:
            children.append({'field': 'sharing/share', 'items': shares})
        return {
            'children': children + nested,
            'meta': _meta(row.xsi_type, row.pk, row.insert_date),
            'data_fields': own,
        }

    def _split(self, row: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the data fields of an item, and nested elements as children."""
        pairs = [
            (steps(key), self._native(row, key, value)) for key, value in self.values(row).items()
        ]
        numbers = count(1)
        own, nested = self._tree(row, '', pairs, numbers)
        for name in [name for name in own if '/' in name]:
            kind = self._type_at(row, name.partition('/')[0])
            if kind:  # an item of its own in JSON, like the demographics
                group, _, rest = name.partition('/')
                found = next((one for one in nested if one['field'] == group), None)
                if found is None:
                    found = {'field': group, 'items': [self._nested(row, kind, {}, numbers)]}
                    nested.append(found)
                found['items'][0]['data_fields'][rest] = own.pop(name)
        facts = level(row.level)
        if facts in listed_levels('experiments'):
            own['id'] = row.id
        if facts.key_field:
            own[facts.key_field] = row.pk
        if facts.key_field and facts.has_types:
            own[facts.key_column] = row.pk
        return own, nested

    def _native(self, row: Any, key: str, value: str) -> Any:
        found = self.model.registry.field(row.xsi_type, key)
        if found is None or not value:
            return value
        if found.kind == 'boolean':
            return 'true' if value == '1' else 'false'
        if found.kind == 'float':
            number = float(value)
            return int(number) if number.is_integer() else number
        return int(value) if found.kind == 'integer' else value

    def _nested(
        self, row: Any, kind: str, fields: dict[str, Any], numbers: Iterator[int]
    ) -> dict[str, Any]:
        """Return a nested element as an item, with the key of its row."""
        number = number_of(row.pk, next(numbers))
        return _plain_item(
            kind,
            {**fields, **dict.fromkeys(key_names(self.model.registry, kind), number)},
            row.insert_date,
        )

    def _tree(
        self, row: Any, above: str, pairs: list[tuple[list[Step], Any]], numbers: Iterator[int]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return values with single elements joined by ``/``, and children.

        The children are the repeated elements.
        """
        own: dict[str, Any] = {}
        groups: dict[str, dict[str, list[tuple[list[Step], Any]]]] = {}
        for parts, value in pairs:
            at = next((place for place, step in enumerate(parts) if step.pick), None)
            if at is None:
                own['/'.join(step.name for step in parts)] = value
                continue
            holder = '/'.join(step.name for step in parts[: at + 1])
            rest = parts[at + 1 :] or [Step(parts[at].name)]
            groups.setdefault(holder, {}).setdefault(parts[at].pick, []).append((rest, value))
        children = [
            {
                'field': holder,
                'items': [
                    self._part(row, f'{above}/{holder}'.lstrip('/'), pick, inner, numbers)
                    for pick, inner in found.items()
                ],
            }
            for holder, found in groups.items()
        ]
        return own, children

    def _part(
        self,
        row: Any,
        holder: str,
        pick: str,
        pairs: list[tuple[list[Step], Any]],
        numbers: Iterator[int],
    ) -> dict[str, Any]:
        own, nested = self._tree(row, holder, pairs, numbers)
        declared = own.pop(TYPE_LEAF, '') or type_of(self.model.registry, row.xsi_type, holder)
        if name_of(pick):
            own = {name: value for name, value in own.items() if value != ''}
            own['name'] = name_of(pick)
        return {**self._nested(row, declared, own, numbers), 'children': nested}

    def _type_at(self, row: Any, name: str) -> str:
        wanted = name.lower() + '/'
        for found in self.model.registry.fields(row.xsi_type):
            if found.key.startswith(wanted) and '@xsi:type=' in found.path:
                return found.path.partition('@xsi:type=')[2].partition(']')[0]
        return self.model.registry.element_type(row.xsi_type, name)

    def _json_resource(self, one: Any, holder: Any) -> dict[str, Any]:
        fields = {
            'xnat_abstractresource_id': one.pk,
            'xnat_abstractResource_id': one.pk,
            'URI': self.resource_uri(one, holder),
            **{
                name: getattr(one, name)
                for name in ('label', 'format', 'content', 'description', 'file_count', 'file_size')
            },
        }
        about = {name: value for name, value in fields.items() if value is not None}
        found = _plain_item('xnat:resourceCatalog', about, one.insert_date)
        if one.tags:  # one tag, even with commas
            about = {'tag': one.tags, 'xnat_abstractResource_tag_id': number_of(one.pk, 0)}
            found['children'] = [
                {
                    'field': 'tags/tag',
                    'items': [_plain_item('xnat:abstractResource_tag', about, one.insert_date)],
                }
            ]
        return found

    # -- XML

    def xml(self, row: Any, conceal: bool = False) -> bytes:
        """Return the XML document of an item with its children.

        Parameters
        ----------
        row : Any
            Row of the item.
        conceal : bool
            Whether the comments with database keys are left out.
        """
        return write(self, row, conceal)

    def key_name(self, row: Any) -> str:
        """Return the name of the key of an item without accession ID."""
        return level(row.level).key_field


def _share_item(row: Any, one: Any) -> dict[str, Any]:
    """Return a share as an item; without a label it has no such field."""
    kind = SHARE_TYPES[row.level]
    found = {'project': one.project, f'{kind.replace(":", "_")}_id': one.pk}
    if one.label:
        found['label'] = one.label
    if row.level == 'subject':
        found['subject_ID'] = row.id
    return _plain_item(kind, found, one.insert_date)


def _plain_item(xsi_type: str, fields: dict[str, Any], inserted: str) -> dict[str, Any]:
    return {'children': [], 'meta': _meta(xsi_type, 0, inserted), 'data_fields': fields}


def _meta(xsi_type: str, event: int, inserted: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {'create_event_id': event, 'xsi:type': xsi_type, 'isHistory': False}
    if inserted:
        meta['start_date'] = java_date(inserted)
    return meta


def java_date(stamp: str) -> str:
    """Return a timestamp as Java prints a date."""
    return f'{datetime.fromisoformat(stamp[:19]).astimezone():%a %b %d %H:%M:%S %Z %Y}'


def _add_headers(found: dict[str, Any]) -> None:
    """Add ``headers`` with the names of all fields, at each level."""
    found['headers'] = list(
        dict.fromkeys(name for one in found['items'] for name in one['data_fields'])
    )
    for one in found['items']:
        for child in one['children']:
            _add_headers(child)
