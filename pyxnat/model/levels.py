"""REST levels of an XNAT archive, one row per level.

An XNAT server does not describe its own REST tree, so :data:`LEVELS` does. Client classes, the
``select`` grammar, plans, introspection, layouts of downloads, the routes, listings, documents and
folders of :mod:`pyxnat.server` and the reference documentation are derived from it.

Source: the routes and default columns of XNAT 1.7 and 1.8's own restlet application
(``XNATApplication``, the ``*List`` resources), and the schema ``xnat.xsd``.
"""

from __future__ import annotations

from functools import cache

from . import name_rules
from . import short_name_tables as names
from .level_row import SERVER, Chain, Level

__all__ = [
    'GAPS',
    'LEVELS',
    'SERVER',
    'Chain',
    'Level',
    'base_levels',
    'chains',
    'children',
    'depth',
    'level',
    'level_names',
    'levels_inside',
    'listed_levels',
    'parts_of_session',
]

_IN, _OUT = 'in_resources', 'out_resources'

_ITEMS: tuple[Level, ...] = (
    Level(
        plural='projects',
        singular='project',
        segment='projects',
        parents=(SERVER,),
        id_column='ID',
        label_column='ID',
        columns=('ID', 'secondary_ID', 'name', 'description', 'pi_firstname', 'pi_lastname', 'URI'),
        doc='a study; access rights are given per project',
        name_rule=name_rules.PROJECT,
        datatype='xnat:projectData',
        base='xnat:projectData',
        short_names=(names.PROJECT,),
        resources=('resources',),
        layout_doc='ID of the project',
        resources_folder='resources',
    ),
    Level(
        plural='subjects',
        singular='subject',
        segment='subjects',
        parents=('projects', SERVER),
        id_column='ID',
        label_column='label',
        columns=('ID', 'project', 'label', 'insert_date', 'insert_user', 'URI'),
        doc='a person, animal or phantom examined in a project',
        datatype='xnat:subjectData',
        base='xnat:subjectData',
        short_names=(names.SUBJECT,),
        resources=('resources',),
        layout_doc='label of the subject',
        disk_folder='subjects',
        share_type='xnat:projectParticipant',
    ),
    Level(
        plural='experiments',
        singular='experiment',
        segment='experiments',
        parents=('subjects', 'projects', SERVER),
        no_route_below=(('subjects',),),
        id_column='ID',
        label_column='label',
        columns=(
            'xnat:subjectassessordata/id',
            'ID',
            'project',
            'date',
            'xsiType',
            'label',
            'insert_date',
            'URI',
        ),
        doc='an imaging session or another assessment of a subject',
        can_move=True,
        datatype='xnat:mrSessionData',
        base='xnat:experimentData',
        further_bases=('xnat:subjectAssessorData',),
        has_types=True,
        root='xnat:subjectAssessorData',
        short_names=(names.EXPERIMENT, names.SESSION, names.MR, names.PET),
        short_names_of_types=(
            (names.PET, 'xnat:petSessionData'),
            (names.MR, 'xnat:mrSessionData'),
            (names.SESSION, 'xnat:imageSessionData'),
        ),
        short_names_above={**names.SESSION_OF, **names.SUBJECT_OF},
        resources=('resources',),
        layout_doc='label of the session',
        download_group='RESOURCES',
        disk_folder='arc001',
        resources_folder='RESOURCES',
        path_in_parent='experiments/experiment',
        parent_field='subject_ID',
        share_type='xnat:experimentData_share',
    ),
    Level(
        plural='scans',
        singular='scan',
        segment='scans',
        parents=('experiments',),
        no_route_below=(('projects', 'experiments'),),
        id_column='ID',
        label_column='ID',
        columns=(
            'xnat_imagescandata_id',
            'ID',
            'type',
            'quality',
            'xsiType',
            'note',
            'series_description',
            'URI',
        ),
        doc='one acquisition of an imaging session',
        is_part=True,
        datatype='xnat:mrScanData',
        base='xnat:imageScanData',
        has_types=True,
        short_names=(names.SCAN,),
        short_names_of_types=(
            (names.PET_SCAN, 'xnat:petScanData'),
            (names.MR, 'xnat:mrScanData'),
        ),
        resources=('resources',),
        category='scans',
        layout_doc='ID of the scan; for files of an assessor or reconstruction its label, unless '
        'the layout has that field',
        zip_folder='scans',
        download_group='RAW',
        disk_folder='SCANS',
        path_in_parent='scans/scan',
        parent_field='image_session_ID',
        resource_path='file',
        key_field='xnat_imageScanData_id',
        share_type='xnat:imageScanData_share',
    ),
    Level(
        plural='assessors',
        singular='assessor',
        segment='assessors',
        parents=('experiments',),
        no_route_below=(('projects', 'experiments'),),
        id_column='ID',
        label_column='label',
        columns=(
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
        doc='a measurement or judgement derived from an imaging session',
        can_move=True,
        listed_with='experiments',
        datatype='xnat:mrAssessorData',
        base='xnat:imageAssessorData',
        further_bases=('xnat:experimentData', 'xnat:derivedData'),
        has_types=True,
        declaring='xnat:experimentData',
        short_names=(names.ASSESSOR,),
        short_names_above=names.SESSION_OF,
        resources=('resources', _IN, _OUT),
        category='assessors',
        layout_doc='label of the assessor',
        zip_folder='assessors',
        download_group='ASSESSORS',
        disk_folder='ASSESSORS',
        has_side_folders=True,
        path_in_parent='assessors/assessor',
        parent_field='imageSession_ID',
        share_type='xnat:experimentData_share',
    ),
    Level(
        plural='reconstructions',
        singular='reconstruction',
        segment='reconstructions',
        parents=('experiments',),
        no_route_below=(('projects', 'experiments'),),
        id_column='ID',
        label_column='ID',
        columns=('xnat_reconstructedimagedata_id', 'ID', 'type', 'baseScanType', 'URI'),
        doc='an image computed from scans of an imaging session',
        name_rule=name_rules.RECONSTRUCTION,
        is_part=True,
        can_move=True,
        datatype='xnat:reconstructedImageData',
        base='xnat:reconstructedImageData',
        short_names=(names.RECONSTRUCTION,),
        resources=('resources', _IN, _OUT),
        category='reconstructions',
        layout_doc='ID of the reconstruction',
        zip_folder='reconstructions',
        download_group='RECONSTRUCTIONS',
        disk_folder='PROCESSED',
        path_in_parent='reconstructions/reconstructedImage',
        parent_field='image_session_ID',
        key_field='xnat_reconstructedImageData_id',
    ),
)


def _resources(plural: str, segment: str, doc: str) -> Level:
    return Level(
        plural=plural,
        singular=plural.removesuffix('s'),
        segment=segment,
        parents=tuple(row.plural for row in _ITEMS if plural in row.resources),
        id_column='xnat_abstractresource_id',
        label_column='label',
        columns=(
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
        ),
        doc=doc,
        name_rule=name_rules.RESOURCE,
        is_resource=True,
    )


_RESOURCES: tuple[Level, ...] = (
    _resources('resources', 'resources', 'a named folder of files that belongs to another element'),
    _resources(
        _IN, 'in/resources', 'a named folder of the input files of an assessor or reconstruction'
    ),
    _resources(
        _OUT, 'out/resources', 'a named folder of the output files of an assessor or reconstruction'
    ),
)

LEVELS: tuple[Level, ...] = (
    *_ITEMS,
    *_RESOURCES,
    Level(
        plural='files',
        singular='file',
        segment='files',
        parents=tuple(row.plural for row in _RESOURCES),
        id_column='path',
        label_column='path',
        columns=(
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
        doc='a file of a resource, identified by its path in it',
        name_rule=name_rules.FILE,
        is_file=True,
    ),
)
"""The rows, parents before children: those with documents, then resources and files."""

GAPS: frozenset[Chain] = frozenset(
    (*above, row.plural) for row in LEVELS for above in row.no_route_below
)
"""Chains that the parents of the rows allow but XNAT does not route."""

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
def listed_levels(name: str) -> tuple[Level, ...]:
    """Return the levels whose elements a listing of a level has, itself first.

    >>> [row.plural for row in listed_levels('experiments')]
    ['experiments', 'assessors']
    """
    own = level(name)
    return (own, *(row for row in LEVELS if row.listed_with == own.plural))


@cache
def parts_of_session() -> tuple[Level, ...]:
    """Return the levels inside a session, parts of it first.

    The order of XNAT's documents.

    >>> [row.plural for row in parts_of_session()]
    ['scans', 'reconstructions', 'assessors']
    """
    inside = [row for row in children('experiments') if row.is_item]
    return tuple(sorted(inside, key=lambda row: not row.is_part))


@cache
def levels_inside(name: str) -> tuple[Level, ...]:
    """Return the levels that stand in the document of an element, in its order.

    >>> [row.plural for row in levels_inside('subject')]
    ['experiments']
    """
    own = level(name).plural
    inside = [row for row in _ITEMS if row.parents[0] == own and row.path_in_parent]
    return tuple(sorted(inside, key=lambda row: not row.is_part))


@cache
def base_levels() -> tuple[Level, ...]:
    """Return the levels with documents.

    The first whose base fits a type is its level. An assessor is an experiment as well, so the
    narrower level comes first.
    """
    return tuple(sorted(_ITEMS, key=lambda row: not row.listed_with))


@cache
def depth(name: str) -> int:
    """Return the number of levels on the longest way to a level, itself included.

    >>> depth('projects'), depth('scans'), depth('files')
    (1, 4, 6)
    """
    return max(len(chain) for chain in chains() if chain[-1] == level(name).plural)


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
