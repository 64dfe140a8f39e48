"""Items as XNAT's JSON and XML."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from lxml import etree
from sqlalchemy import Connection, func, select

from ..schemas import Field, canonical
from .auth import Caller, readable
from .model import Model
from .store import fields_of, file, item, resource, share

__all__ = ['Representer']

XSI = 'http://www.w3.org/2001/XMLSchema-instance'
CAT = 'http://nrg.wustl.edu/catalog'
_CHILDREN = {
    'subject': (('experiments/experiment', 'experiment'),),
    'experiment': (('scans/scan', 'scan'), ('reconstructions/reconstructedImage', 'reconstruction'), ('assessors/assessor', 'assessor')),
}
_NUMBER = {'integer': int, 'float': float}
_PK_NAMES = {'scan': 'xnat_imageScanData_id', 'reconstruction': 'xnat_reconstructedImageData_id'}


class Representer:
    """Writes items for one caller; `resource_uri` gives the path of a resource's catalogue."""

    def __init__(self, connection: Connection, model: Model, caller: Caller, resource_uri: Callable[[Any, Any], str], site_url: str) -> None:
        self._connection = connection
        self._model = model
        self._caller = caller
        self._resource_uri = resource_uri
        self._site_url = site_url

    # -- shared

    def values(self, row: Any) -> dict[str, str]:
        """All simple fields of an item, keyed as stored: the columns and the JSON."""
        found = dict(fields_of(row))
        found['ID'] = row.id
        if row.level != 'project':
            found['project'] = row.project
        if row.label:
            found['label'] = row.label
        link = {'experiment': 'subject_ID', 'scan': 'image_session_ID', 'reconstruction': 'image_session_ID', 'assessor': 'imageSession_ID'}
        if row.level in link and row.parent is not None:
            found[link[row.level]] = self._connection.scalar(select(item.c.id).where(item.c.pk == row.parent)) or ''
        return found

    def children(self, row: Any) -> list[tuple[str, list[Any]]]:
        """Readable items below an item, by the field that holds them."""
        groups = []
        for path, where in _CHILDREN.get(row.level, ()):
            query = select(item).where(item.c.parent == row.pk, item.c.level == where)
            if where in ('experiment', 'assessor'):  # who may read a session may read its scans
                query = query.where(readable(self._caller, item))
            rows = list(self._connection.execute(query.order_by(item.c.pk)))
            if rows:
                groups.append((path, rows))
        return groups

    def resources(self, row: Any, side: str = '') -> list[Any]:
        """Resources of an item with their counts."""
        count, size = func.count(file.c.pk), func.coalesce(func.sum(file.c.size), 0)
        query = select(resource, count.label('file_count'), size.label('file_size')).select_from(resource.outerjoin(file))
        query = query.where(resource.c.item == row.pk, resource.c.side == side).group_by(resource.c.pk)
        return list(self._connection.execute(query.order_by(resource.c.pk)))

    def shares(self, row: Any) -> list[Any]:
        """Projects an item is shared into."""
        return list(self._connection.execute(select(share).where(share.c.item == row.pk).order_by(share.c.pk)))

    def _resource_path(self, row: Any, side: str) -> str:
        return f'{side}/file' if side else 'file' if row.level == 'scan' else 'resources/resource'

    # -- JSON

    def json(self, row: Any) -> str:
        """The item and what is in it as ``{"items": [...]}``."""
        return json.dumps({'items': [self._json_item(row)]}, ensure_ascii=False)

    def _json_item(self, row: Any) -> dict[str, Any]:
        own, nested = self._split(row)
        children = [{'field': path, 'items': [self._json_item(one) for one in rows]} for path, rows in self.children(row)]
        for side in ('', 'in', 'out'):
            resources = [self._json_resource(one, row) for one in self.resources(row, side)]
            if resources:
                children.append({'field': self._resource_path(row, side), 'items': resources})
        shares = [
            _plain_item('xnat:projectParticipant', {'project': one.project, 'label': one.label or '', 'xnat_projectParticipant_id': one.pk})
            for one in self.shares(row)
        ]
        if shares:
            children.append({'field': 'sharing/share', 'items': shares})
        return {'children': children + nested, 'meta': _meta(row.xsi_type, row.pk, row.insert_date), 'data_fields': own}

    def _split(self, row: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The item's own data fields, and its nested elements as children."""
        own: dict[str, Any] = {}
        groups: dict[str, dict[str, dict[str, Any]]] = {}
        for key, value in self.values(row).items():
            found = self._model.registry.field(row.xsi_type, key)
            native = _native(found, value)
            holder, picked, leaf = _instance(key)
            if holder:
                entry = groups.setdefault(holder, {}).setdefault(picked, {})
                entry[leaf or holder.rpartition('/')[2]] = native
                if picked.startswith('name='):
                    entry['name'] = picked[5:]
            elif found is not None and '@xsi:type=' in found.path:
                group, _, rest = key.partition('/')
                groups.setdefault(group, {}).setdefault('', {})[rest] = native
            else:
                own[key] = native
        if row.level in ('experiment', 'assessor'):
            own['id'] = row.id
        if row.level in _PK_NAMES:
            own[_PK_NAMES[row.level]] = own[_PK_NAMES[row.level].lower()] = row.pk
        nested = [(name, self._type_at(row, name), group) for name, group in groups.items()]
        return own, [{'field': name, 'items': [_plain_item(kind, one) for one in group.values()]} for name, kind, group in nested]

    def _type_at(self, row: Any, name: str) -> str:
        wanted = name.lower() + '/'
        for found in self._model.registry.fields(row.xsi_type):
            if found.key.startswith(wanted) and '@xsi:type=' in found.path:
                return found.path.partition('@xsi:type=')[2].partition(']')[0]
        return f'{row.xsi_type}_{name.rpartition("/")[2]}'

    def _json_resource(self, one: Any, holder: Any) -> dict[str, Any]:
        fields = {
            'xnat_abstractresource_id': one.pk,
            'xnat_abstractResource_id': one.pk,
            'URI': self._resource_uri(one, holder),
            **{name: getattr(one, name) for name in ('label', 'format', 'content', 'description', 'file_count', 'file_size')},
        }
        found = _plain_item('xnat:resourceCatalog', {name: value for name, value in fields.items() if value is not None})
        tags = [tag for tag in (one.tags or '').split(',') if tag]
        if tags:
            found['children'] = [{'field': 'tags/tag', 'items': [_plain_item('xnat:abstractResource_tag', {'tag': tag}) for tag in tags]}]
        return found

    # -- XML

    def xml(self, row: Any, conceal: bool = False) -> bytes:
        """The item and what is in it as a document."""
        found = self._model.registry.get(row.xsi_type)
        namespace = found.namespace if found else ''
        spaces = {prefix: uri for uri, prefix in self._model.registry.prefixes.items()}
        root = etree.Element(f'{{{namespace}}}{(found.root if found else "") or row.xsi_type.partition(":")[2]}', nsmap={**spaces, 'xsi': XSI})
        self._fill(root, row, conceal)
        places = ' '.join(f'{uri} {self._site_url}/schemas/{prefix}/{prefix}.xsd' for prefix, uri in spaces.items())
        root.set(f'{{{XSI}}}schemaLocation', places)
        return etree.tostring(root, xml_declaration=True, encoding='UTF-8', pretty_print=True)

    def _fill(self, node: etree._Element, row: Any, conceal: bool) -> None:
        values = self.values(row)
        groups: dict[str, list[Any]] = dict(self.children(row))
        if row.level in _PK_NAMES and not conceal:
            node.append(etree.Comment(f'hidden_fields[{_PK_NAMES[row.level]}="{row.pk}"]'))
        keyed: dict[str, list[str]] = {}
        for key in values:
            keyed.setdefault(canonical(key).lower(), []).append(key)
        for found in self._model.registry.fields(row.xsi_type):
            if found.kind:
                for key in keyed.get(found.key, ()):
                    _write(node, found, key, values[key])
            else:
                self._fill_items(node, found, row, groups, conceal)

    def _fill_items(self, node: etree._Element, found: Field, row: Any, groups: dict[str, list[Any]], conceal: bool) -> None:
        for one in groups.get(found.path, ()):
            child = _grow(node, found.path, fresh=True)
            child.set(f'{{{XSI}}}type', one.xsi_type)
            self._fill(child, one, conceal)
        side = found.path.partition('/')[0] if found.path in ('in/file', 'out/file') else ''
        if found.path == self._resource_path(row, side):
            for one in self.resources(row, side):
                self._fill_resource(_grow(node, found.path, fresh=True), one, row, conceal)
        if found.path == 'sharing/share':
            for one in self.shares(row):
                child = _grow(node, found.path, fresh=True)
                for name in ('label', 'project'):
                    if getattr(one, name):
                        child.set(name, getattr(one, name))

    def _fill_resource(self, node: etree._Element, one: Any, holder: Any, conceal: bool) -> None:
        node.set(f'{{{XSI}}}type', 'xnat:resourceCatalog')
        for name in ('label', 'file_count', 'file_size', 'format', 'content', 'description'):
            value = getattr(one, name)
            if value is not None:
                node.set(name, str(value))
        node.set('URI', self._resource_uri(one, holder))
        if not conceal:
            node.append(etree.Comment(f'hidden_fields[xnat_abstractResource_id="{one.pk}"]'))
        for tag in (one.tags or '').split(','):
            if tag:
                child = _grow(node, 'tags/tag', fresh=True)
                child.text = tag


def _plain_item(xsi_type: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {'children': [], 'meta': _meta(xsi_type, 0, None), 'data_fields': fields}


def _meta(xsi_type: str, event: int, inserted: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {'create_event_id': event, 'xsi:type': xsi_type, 'isHistory': False}
    if inserted:
        meta['start_date'] = f'{datetime.fromisoformat(inserted[:19]).astimezone():%a %b %d %H:%M:%S %Z %Y}'
    return meta


def _native(found: Field | None, value: str) -> Any:
    convert = _NUMBER.get(found.kind) if found is not None else None
    return convert(value) if convert is not None and value else value


def _instance(key: str) -> tuple[str, str, str]:
    """``fields/field[name=x]/field`` as (``fields/field``, ``name=x``, ``field``); an empty first part for a single element."""
    holder, bracket, rest = key.partition('[')
    if not bracket:
        return '', '', key
    picked, _, leaf = rest.rpartition(']')
    return holder, picked, leaf.lstrip('/')


def _grow(node: etree._Element, path: str, fresh: bool = False) -> etree._Element:
    """The element at a path below a node, made where it is not there; `fresh` makes a new last one."""
    namespace = etree.QName(node).namespace
    names = path.split('/')
    for place, name in enumerate(names):
        tag = f'{{{namespace}}}{name}'
        existing = None if fresh and place == len(names) - 1 else node.find(tag)
        node = etree.SubElement(node, tag) if existing is None else existing
    return node


def _write(node: etree._Element, found: Field, key: str, value: str) -> None:
    if value == '':
        return
    holder, picked, _ = _instance(key)
    value = value.replace(' ', 'T', 1) if found.kind == 'dateTime' else value
    value = ''.join(char for char in value if char in '\t\n\r' or ord(char) >= 32)
    if holder:
        child = _grow(node, holder, fresh=True)
        if picked.startswith('name='):
            child.set('name', picked[5:])
        child.text = value
        return
    path = canonical(found.path)
    parent, _, name = path.rpartition('/')
    target = _grow(node, parent) if parent else node
    if '@xsi:type=' in found.path:
        first = _grow(node, path.partition('/')[0])
        first.set(f'{{{XSI}}}type', found.path.partition('@xsi:type=')[2].partition(']')[0])
    if found.attribute:
        target.set(name, value)
    else:
        _grow(target, name).text = value
