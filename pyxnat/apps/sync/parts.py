"""Items of a document as parts that are compared one by one.

A part is one item without the items below it. Its key is the same on both sides, because a mirror
keeps accession IDs: ``subjects/XNAT_S00001``, ``experiments/XNAT_E00001``,
``experiments/XNAT_E00001/scans/1``.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from ...model import uris
from ...model.copies import Item, read_item, values_of_item
from ...model.levels import level

__all__ = [
    'FORM',
    'LABEL',
    'PARENT',
    'PROJECT',
    'SHARE',
    'TYPE',
    'Part',
    'Resource',
    'known_base',
    'known_shares',
    'of_other_projects',
    'owner_of',
    'parts_of',
    'resources_of',
    'shares_of',
    'temporary_label',
    'uri_below_session',
    'uri_of_key',
    'uri_of_project',
    'values_of',
    'with_needed_shares',
    'with_own_labels',
    'with_unreadable_shares',
    'without_temporary_labels',
]

LABEL, PARENT, PROJECT, TYPE = '@label', '@parent', '@project', '@type'
"""Names of values of a part: label, key of the item above, project of a session or assessor, which
may be another one than that of its subject, and data type of all below a subject."""
FORM, SHARE = '@form ', '@share '
"""Begins of names of values: fields of custom forms, whose values are JSON, and shares, with the ID
of a project: the label there."""


class Resource(NamedTuple):
    """A resource in a document."""

    place: str
    """URI of the resources of its item, by IDs, as in the keys of files."""
    label: str
    notes: dict[str, str]
    """Its ``format``, ``content`` and ``tags``, as far as they are set."""


class Part(NamedTuple):
    """One item of a document."""

    key: str
    level: str
    """Plural name of its level."""
    id: str
    label: str
    uri: str
    """URI below the project, by IDs: a label may be that of another item on the other side, and
    XNAT finds none by a label of other characters than those of new ones."""
    values: dict[str, str]
    """Path of each field to its text, with `LABEL`, `PARENT`, `PROJECT` and `TYPE`."""
    item: Item
    elsewhere: frozenset[str] = frozenset()
    """Projects whose shares of it are not among the values, or whose items below are left out."""

    def limited(self, projects: Container[str]) -> Part:
        """Return the part without its shares into other projects than some."""
        values = known_shares(self.values, projects)
        if len(values) == len(self.values):
            return self
        others = frozenset(shares_of(self.values).keys() - shares_of(values).keys())
        return self._replace(values=values, elsewhere=others)

    @property
    def project(self) -> str:
        """ID of the project that owns it."""
        return uris.segments(self.uri)[1]

    def in_project(self, project: str) -> Part:
        """Return the part at its place in another project."""
        rest = self.uri.removeprefix(uri_of_project(self.project))
        return self._replace(uri=f'{uri_of_project(project)}{rest}')

    @property
    def id_uri(self) -> str:
        """URI by IDs, which holds after a rename; of a subject or anything below."""
        plural, _, rest = self.key.partition('/')
        top = 'experiments' if plural == 'assessors' else plural
        return uris.join(uris.ENTRY, top, *map(uris.quote, rest.split('/')))

    @property
    def parent(self) -> str:
        """Key of the item above; empty for projects."""
        return self.values.get(PARENT, '')


def uri_of_key(key: str, parents: Mapping[str, str], project: str) -> str:
    """Return the URI of an item, by IDs from the project down.

    Parameters
    ----------
    key : str
        Key of the item.
    parents : mapping
        Key of each item to that of the item above it.
    project : str
        ID of the project that owns it.

    Examples
    --------
    >>> uri_of_key('experiments/E/scans/1', {'experiments/E/scans/1': 'experiments/E',
    ...     'experiments/E': 'subjects/S', 'subjects/S': 'projects/P'}, 'P')
    '/data/projects/P/subjects/S/experiments/E/scans/1'
    """
    names: list[str] = []
    while key and not key.startswith('projects/'):
        names[:0] = map(uris.quote, key.split('/')[-2:])
        key = parents.get(key, '')
    return uris.join(uri_of_project(project), *names)


def parts_of(document: bytes, plural: str, project: str) -> dict[str, Part]:
    """Return the items of a document, outer ones first.

    None if a project does not own the root.

    Parameters
    ----------
    document : bytes
        XML of a subject or project.
    plural : str
        Level of its root.
    project : str
        ID of the project.
    """
    root = read_item(document, plural)
    if root.project != project:
        return {}
    return {part.key: part for part in _parts(root, None, project, ())}


def resources_of(parts: Mapping[str, Part], part: Part) -> Iterator[Resource]:
    """Yield the resources of an item that have a label.

    Parameters
    ----------
    parts : mapping
        All items of the unit.
    part : Part
        The item.
    """
    steps: list[str] = []
    one: Part | None = part
    while one is not None and one.level != 'projects':
        steps = [one.level, uris.quote(one.id), *steps]
        one = parts.get(one.parent)
    home = uri_below_session(uris.join(uri_of_project(part.project), *steps))
    for found in part.item.resources:
        side = level(found.level).side or ('out' if level(part.level).has_sides else '')
        notes = {name: text for name, text in found.notes.items() if name != 'description'}
        if found.label:
            yield Resource(uris.join(home, *filter(None, [side]), 'resources'), found.label, notes)


def shares_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of the shares among the values of an item, by project."""
    return {
        name.removeprefix(SHARE): text for name, text in values.items() if name.startswith(SHARE)
    }


def known_shares(values: Mapping[str, str], projects: Container[str]) -> dict[str, str]:
    """Return the values of an item without its shares into other projects.

    Parameters
    ----------
    values : mapping
        Values of a part.
    projects : container of str
        Projects whose shares are kept.
    """
    return {
        name: text
        for name, text in values.items()
        if not name.startswith(SHARE) or name.removeprefix(SHARE) in projects
    }


def known_base(
    base: Mapping[str, Mapping[str, str]], projects: Container[str]
) -> dict[str, dict[str, str]]:
    """Return a base without the items of other projects, and shares into them.

    Parameters
    ----------
    base : mapping
        Fields of items that both sides had.
    projects : container of str
        Projects whose items and shares are kept.
    """
    others = {
        key for key, values in base.items() if PROJECT in values and values[PROJECT] not in projects
    }
    return {
        key: known_shares(values, projects)
        for key, values in base.items()
        if '/'.join(key.split('/')[:2]) not in others
    }


def owner_of(values: Mapping[str, str], project: str) -> str:
    """Return the ID of the project that owns an item.

    Parameters
    ----------
    values : mapping
        Values of a part.
    project : str
        ID of the project of its subject.
    """
    return values.get(PROJECT, project)


def of_other_projects(things: Mapping[str, Mapping[str, str]], project: str) -> list[str]:
    """Return the keys of items of another project than that of the item above.

    Parameters
    ----------
    things : mapping
        Values of all items of a unit.
    project : str
        ID of the project of the unit.
    """
    return [
        key
        for key, values in things.items()
        if PROJECT in values
        and values[PROJECT] != owner_of(things.get(values.get(PARENT, ''), {}), project)
    ]


def uri_below_session(uri: str) -> str:
    """Return a URI of something below a session, without project and subject.

    It holds whatever these are.

    Examples
    --------
    >>> uri_below_session('/data/projects/P/subjects/S/experiments/E/resources')
    '/data/experiments/E/resources'
    >>> uri_below_session('/data/projects/P/subjects/S/resources')
    '/data/projects/P/subjects/S/resources'
    """
    steps = uris.segments(uri)
    if steps[0] != 'projects' or steps[4:5] != ['experiments']:
        return uri
    return uris.join(uris.ENTRY, *uri.split('/')[6:])


def temporary_label(name: str) -> str:
    """Return the label that an item has until a push gives it its new one.

    Parameters
    ----------
    name : str
        Accession ID of the item.
    """
    return f'{name}_to_be_renamed'


def with_own_labels(
    parts: Mapping[str, Part], base: Mapping[str, Mapping[str, str]]
) -> dict[str, Part]:
    """Return the folder's items with the labels they had before a pull took them.

    A pull that needs the label of an item for another one gives it its ID as label, until its own
    new label is pulled; so for labels of shares.

    Parameters
    ----------
    parts : mapping
        Items of the folder.
    base : mapping
        Fields that both sides had.
    """
    found = dict(parts)
    for key, part in parts.items():
        taken = {
            name: text
            for name, text in base.get(key, {}).items()
            if name.startswith((LABEL, SHARE)) and part.values.get(name) == part.id != text
        }
        if taken:
            found[key] = part._replace(values={**part.values, **taken})
    return found


def with_needed_shares(
    parts: Mapping[str, Part], base: Mapping[str, Mapping[str, str]], kept: Iterable[Part]
) -> dict[str, Part]:
    """Return the server's items with shares that ended there and the folder needs.

    Parameters
    ----------
    parts : mapping
        Items of the server.
    base : mapping
        Fields that both sides had.
    kept : iterable of Part
        Items that the server deleted, and the folder keeps: their subjects stay shared into their
        projects.
    """
    found = dict(parts)
    for part in kept:
        share, above = f'{SHARE}{part.project}', found.get(part.parent)
        before = base.get(part.parent, {})
        if above is not None and share in before and share not in above.values:
            values = {**above.values, share: before[share]}
            found[part.parent] = above._replace(values=values)
    return found


def with_unreadable_shares(
    parts: Mapping[str, Part], base: Mapping[str, Mapping[str, str]], readable: Container[str]
) -> dict[str, Part]:
    """Return the server's items with the shares pulled before a right was lost.

    Parameters
    ----------
    parts : mapping
        Items of the server.
    base : mapping
        Fields that both sides had.
    readable : container of str
        Projects that the login can read.
    """
    found = dict(parts)
    for key, part in parts.items():
        before = shares_of(base.get(key, {}))
        hidden = {f'{SHARE}{name}': text for name, text in before.items() if name not in readable}
        if hidden:
            found[key] = part._replace(values={**part.values, **hidden})
    return found


def without_temporary_labels(
    parts: Mapping[str, Part], base: Mapping[str, Mapping[str, str]], ours: Mapping[str, Part]
) -> dict[str, Part]:
    """Return the server's items with the labels they had before a push took them.

    Not of one whose label a pull took in the folder, too: it would never get one again.

    Parameters
    ----------
    parts : mapping
        Items of the server.
    base : mapping
        Fields that both sides had.
    ours : mapping
        Items of the folder.
    """
    found = dict(parts)
    for key, part in parts.items():
        before = base.get(key, {}).get(LABEL)
        is_taken_here = key in ours and ours[key].label == part.id
        if before is not None and part.label == temporary_label(part.id) and not is_taken_here:
            found[key] = part._replace(label=before, values={**part.values, LABEL: before})
    return found


def _parts(item: Item, above: Part | None, project: str, steps: tuple[str, ...]) -> Iterator[Part]:
    row = level(item.level)
    name = item.label if row.has_label else item.id
    own = f'{item.level}/{item.id}'
    key = own if above is None or not row.is_part else f'{above.key}/{own}'
    values = {path: text for path, text in values_of_item(item).items() if text}
    if item.level != 'projects':
        values |= {LABEL: name, PARENT: above.key if above is not None else f'projects/{project}'}
    if item.level not in ('projects', 'subjects'):
        values[TYPE] = item.type
    if row.has_label and item.level != 'subjects':
        project = item.project or project
        values[PROJECT] = project
    forms = json.loads(item.custom_fields or '{}')
    values |= {
        f'{FORM}{field}': json.dumps(value, sort_keys=True) for field, value in forms.items()
    }
    if row.has_label:  # scans are shared with their session
        values |= {f'{SHARE}{other}': text for other, text in item.own_shares.items()}
    inner = () if item.level == 'projects' else (*steps, item.level, uris.quote(item.id))
    home = uris.join(uri_of_project(project), *inner)
    part = Part(key, item.level, item.id, name, home, values, item)
    yield part
    for below in item.below:
        yield from _parts(below, part, project, inner)


def uri_of_project(project: str) -> str:
    """Return the URI of a project."""
    return uris.join(uris.ENTRY, 'projects', uris.quote(project))


def values_of(parts: Mapping[str, Part]) -> dict[str, Mapping[str, str]]:
    """Return the values of items, by key."""
    return {key: part.values for key, part in parts.items()}
