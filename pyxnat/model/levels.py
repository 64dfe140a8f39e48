"""REST levels of an XNAT archive, one row per level.

An XNAT server does not describe its own REST tree, so :data:`LEVELS` does. Client classes, the
``select`` grammar, plans, introspection, the routes of :mod:`pyxnat.server` and the reference
documentation are derived from it.

Source: the routes and default columns of XNAT 1.7 and 1.8's own restlet application
(``XNATApplication``, the ``*List`` resources).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

__all__ = [
    'GAPS',
    'LEVELS',
    'SERVER',
    'Chain',
    'Level',
    'chains',
    'children',
    'is_route',
    'level',
    'level_names',
]

SERVER = ''
"""Name of the root of the tree among the parents of a level."""

Chain = tuple[str, ...]
"""Plural names of the levels from the root down to a collection: ``('projects', 'subjects')``."""


class Level(NamedTuple):
    """Level of the REST tree."""

    plural: str
    """Name of the collection: ``subjects``."""
    singular: str
    """Name of an element: ``subject``."""
    segment: str
    """Segment of the level in a URI: ``subjects``, ``in/resources``."""
    parents: tuple[str, ...]
    """Plural names of the levels that it is listed below; :data:`SERVER` for the root."""
    id_column: str
    """Column of the level's listing that identifies an element in URIs."""
    label_column: str
    """Column that holds the label; the ID column if XNAT has no label there."""
    datatype: str
    """XNAT type of an element whose listing lacks ``xsiType``, and of an element created without a
    type; empty if it has none.
    """
    columns: tuple[str, ...]
    """Default columns of the listing, in the order of XNAT's CSV."""
    doc: str
    """Description of the level, as a noun phrase."""

    @property
    def element_class(self) -> str:
        """Name of the class of its elements: ``In_Resource``."""
        return self.singular.title()

    @property
    def collection_class(self) -> str:
        """Name of the class of its collections: ``In_Resources``."""
        return self.plural.title()


_HOLDERS = ('assessors', 'reconstructions')
_RESOURCE_COLUMNS = (
    'xnat_abstractresource_id',
    'label',
    'element_name',
    'category',
    'cat_id',
    'cat_desc',
    'file_count',
    'file_size',
    'tags',
    'content',
    'format',
)

LEVELS: tuple[Level, ...] = (
    Level(
        'projects',
        'project',
        'projects',
        (SERVER,),
        'ID',
        'ID',
        'xnat:projectData',
        ('ID', 'secondary_ID', 'name', 'description', 'pi_firstname', 'pi_lastname', 'URI'),
        'a study; access rights are given per project',
    ),
    Level(
        'subjects',
        'subject',
        'subjects',
        ('projects', SERVER),
        'ID',
        'label',
        'xnat:subjectData',
        ('ID', 'project', 'label', 'insert_date', 'insert_user', 'URI'),
        'a person, animal or phantom examined in a project',
    ),
    Level(
        'experiments',
        'experiment',
        'experiments',
        ('subjects', 'projects', SERVER),
        'ID',
        'label',
        'xnat:mrSessionData',
        (
            'xnat:subjectassessordata/id',
            'ID',
            'project',
            'date',
            'xsiType',
            'label',
            'insert_date',
            'URI',
        ),
        'an imaging session or another assessment of a subject',
    ),
    Level(
        'scans',
        'scan',
        'scans',
        ('experiments',),
        'ID',
        'ID',
        'xnat:mrScanData',
        (
            'xnat_imagescandata_id',
            'ID',
            'type',
            'quality',
            'xsiType',
            'note',
            'series_description',
            'URI',
        ),
        'one acquisition of an imaging session',
    ),
    Level(
        'assessors',
        'assessor',
        'assessors',
        ('experiments',),
        'ID',
        'label',
        'xnat:mrAssessorData',
        (
            'xnat:imageassessordata/id',
            'ID',
            'project',
            'label',
            'date',
            'xsiType',
            'insert_date',
            'session_ID',
            'session_label',
            'URI',
        ),
        'a measurement or judgement derived from an imaging session',
    ),
    Level(
        'reconstructions',
        'reconstruction',
        'reconstructions',
        ('experiments',),
        'ID',
        'ID',
        'xnat:reconstructedImageData',
        ('xnat_reconstructedimagedata_id', 'ID', 'type', 'baseScanType', 'URI'),
        'an image computed from scans of an imaging session',
    ),
    Level(
        'resources',
        'resource',
        'resources',
        ('projects', 'subjects', 'experiments', 'scans', *_HOLDERS),
        'xnat_abstractresource_id',
        'label',
        '',
        _RESOURCE_COLUMNS,
        'a named folder of files that belongs to another element',
    ),
    Level(
        'in_resources',
        'in_resource',
        'in/resources',
        _HOLDERS,
        'xnat_abstractresource_id',
        'label',
        '',
        _RESOURCE_COLUMNS,
        'a named folder of the input files of an assessor or reconstruction',
    ),
    Level(
        'out_resources',
        'out_resource',
        'out/resources',
        _HOLDERS,
        'xnat_abstractresource_id',
        'label',
        '',
        _RESOURCE_COLUMNS,
        'a named folder of the output files of an assessor or reconstruction',
    ),
    Level(
        'files',
        'file',
        'files',
        ('resources', 'in_resources', 'out_resources'),
        'path',
        'path',
        '',
        (
            'Name',
            'Size',
            'URI',
            'collection',
            'file_tags',
            'file_format',
            'file_content',
            'cat_ID',
            'digest',
        ),
        'a file of a resource, identified by its path in it',
    ),
)

GAPS: frozenset[Chain] = frozenset(
    {
        ('subjects', 'experiments'),
        ('projects', 'experiments', 'scans'),
        ('projects', 'experiments', 'assessors'),
        ('projects', 'experiments', 'reconstructions'),
    }
)
"""Chains that the parents of the rows allow but XNAT does not route.

XNAT answers 200 there, with the element itself.
"""

_BY_NAME: dict[str, Level] = {name: row for row in LEVELS for name in (row.plural, row.singular)}


@cache
def level(name: str) -> Level:
    """Return the row of a level by its plural or singular name.

    Raises
    ------
    KeyError
        There is no such level.
    """
    return _BY_NAME[name]


@cache
def level_names() -> frozenset[str]:
    """Return all plural and singular names."""
    return frozenset(_BY_NAME)


@cache
def children(plural: str) -> tuple[Level, ...]:
    """Return the levels below a level, in table order.

    The name :data:`SERVER` stands for the root.
    """
    return tuple(row for row in LEVELS if plural in row.parents)


@cache
def chains() -> tuple[Chain, ...]:
    """Return every collection that XNAT routes, from the root down.

    The first are ``('projects',)`` and ``('projects', 'subjects')``.
    """
    found: list[Chain] = []
    pending: list[Chain] = [()]
    while pending:
        chain = pending.pop(0)
        parent = chain[-1] if chain else SERVER
        longer = [
            (*chain, row.plural) for row in children(parent) if (*chain, row.plural) not in GAPS
        ]
        found.extend(longer)
        pending.extend(longer)
    return tuple(found)


def is_route(chain: Chain) -> bool:
    """Whether XNAT has a listing for this chain of levels."""
    return chain in chains()
