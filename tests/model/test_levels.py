"""Tests of the table of levels, compared with literals from the facts (sections 2.1, 2.6)."""

from __future__ import annotations

import inspect

import pytest

from pyxnat import resources
from pyxnat.model.levels import (
    GAPS,
    LEVELS,
    SERVER,
    Level,
    chains,
    children,
    level,
    level_names,
)
from pyxnat.resources import Collection, Element
from pyxnat.resources.base import class_of

each_row = pytest.mark.parametrize('row', LEVELS, ids=lambda row: row.plural)

# Copied by hand from the route table of XNATApplication: one line for each collection that a
# client lists.
ROUTES = """
/projects
/projects/resources
/projects/resources/files
/projects/subjects
/projects/subjects/resources
/projects/subjects/resources/files
/projects/experiments
/projects/experiments/resources
/projects/experiments/resources/files
/projects/subjects/experiments
/projects/subjects/experiments/resources
/projects/subjects/experiments/resources/files
/projects/subjects/experiments/scans
/projects/subjects/experiments/scans/resources
/projects/subjects/experiments/scans/resources/files
/projects/subjects/experiments/reconstructions
/projects/subjects/experiments/reconstructions/resources
/projects/subjects/experiments/reconstructions/resources/files
/projects/subjects/experiments/reconstructions/in_resources
/projects/subjects/experiments/reconstructions/in_resources/files
/projects/subjects/experiments/reconstructions/out_resources
/projects/subjects/experiments/reconstructions/out_resources/files
/projects/subjects/experiments/assessors
/projects/subjects/experiments/assessors/resources
/projects/subjects/experiments/assessors/resources/files
/projects/subjects/experiments/assessors/in_resources
/projects/subjects/experiments/assessors/in_resources/files
/projects/subjects/experiments/assessors/out_resources
/projects/subjects/experiments/assessors/out_resources/files
/subjects
/subjects/resources
/subjects/resources/files
/experiments
/experiments/resources
/experiments/resources/files
/experiments/scans
/experiments/scans/resources
/experiments/scans/resources/files
/experiments/reconstructions
/experiments/reconstructions/resources
/experiments/reconstructions/resources/files
/experiments/reconstructions/in_resources
/experiments/reconstructions/in_resources/files
/experiments/reconstructions/out_resources
/experiments/reconstructions/out_resources/files
/experiments/assessors
/experiments/assessors/resources
/experiments/assessors/resources/files
/experiments/assessors/in_resources
/experiments/assessors/in_resources/files
/experiments/assessors/out_resources
/experiments/assessors/out_resources/files
"""

COLUMNS = {
    'projects': 'ID, secondary_ID, name, description, pi_firstname, pi_lastname, URI',
    'subjects': 'ID, project, label, insert_date, insert_user, URI',
    'experiments': 'xnat:subjectassessordata/id, ID, project, date, xsiType, label, insert_date, '
    'URI',
    'scans': 'xnat_imagescandata_id, ID, type, quality, xsiType, note, series_description, URI',
    'reconstructions': 'xnat_reconstructedimagedata_id, ID, type, baseScanType, URI',
    'assessors': 'xnat:imageassessordata/id, ID, project, label, date, xsiType, insert_date, '
    'session_ID, session_label, URI',
    'resources': 'xnat_abstractresource_id, label, element_name, category, cat_id, cat_desc, '
    'file_count, file_size, tags, content, format',
    'in_resources': 'xnat_abstractresource_id, label, element_name, category, cat_id, cat_desc, '
    'file_count, file_size, tags, content, format',
    'out_resources': 'xnat_abstractresource_id, label, element_name, category, cat_id, cat_desc, '
    'file_count, file_size, tags, content, format',
    'files': 'Name, Size, URI, collection, file_tags, file_format, file_content, cat_ID, digest',
}

SEGMENTS = {
    'projects': 'projects',
    'subjects': 'subjects',
    'experiments': 'experiments',
    'scans': 'scans',
    'reconstructions': 'reconstructions',
    'assessors': 'assessors',
    'resources': 'resources',
    'in_resources': 'in/resources',
    'out_resources': 'out/resources',
    'files': 'files',
}


def test_the_chains_are_the_routes_of_xnat() -> None:
    written = {tuple(line.strip('/').split('/')) for line in ROUTES.split()}
    assert set(chains()) == written
    assert len(chains()) == len(written)


def test_shorter_chains_come_first() -> None:
    assert [len(chain) for chain in chains()] == sorted(len(chain) for chain in chains())


def test_listings_that_xnat_answers_with_the_parent_are_no_routes() -> None:
    assert ('subjects', 'experiments') not in chains()
    assert ('projects', 'experiments', 'scans') not in chains()
    assert ('projects', 'experiments', 'scans', 'resources') not in chains()
    assert ('projects', 'experiments', 'resources') in chains()
    assert all(gap[-1] in {row.plural for row in children(gap[-2])} for gap in GAPS), (
        'a gap closes a route that the parents would allow'
    )


def test_default_columns_are_those_of_xnat() -> None:
    assert {row.plural: ', '.join(row.columns) for row in LEVELS} == COLUMNS


def test_uri_segments_are_those_of_xnat() -> None:
    assert {row.plural: row.segment for row in LEVELS} == SEGMENTS


def test_names_are_unique() -> None:
    names = [name for row in LEVELS for name in (row.plural, row.singular)]
    assert len(names) == len(set(names))
    assert level_names() == frozenset(names)


@each_row
def test_parents_exist(row: Level) -> None:
    assert row.parents
    assert set(row.parents) <= {SERVER} | {other.plural for other in LEVELS}
    assert all(row in children(parent) for parent in row.parents)


@each_row
def test_a_row_is_found_by_both_names(row: Level) -> None:
    assert level(row.plural) is level(row.singular) is row


@each_row
def test_the_listing_has_columns_for_id_and_label(row: Level) -> None:
    columns = {
        *row.columns,
        *(('path',) if row.plural == 'files' else ()),
    }  # the path is derived from the URI
    assert {row.id_column, row.label_column} <= columns


@each_row
def test_a_level_without_a_column_for_types_has_a_fixed_type(row: Level) -> None:
    assert row.datatype or not row.columns or row.plural.endswith(('resources', 'files'))


@each_row
def test_a_row_has_a_class_for_elements_and_one_for_collections(row: Level) -> None:
    element, collection = (
        getattr(resources, row.element_class),
        getattr(resources, row.collection_class),
    )
    assert issubclass(element, Element) and issubclass(collection, Collection)
    assert class_of(row.singular) is element and class_of(row.plural) is collection
    assert element.level is collection.level is row
    for cls in (element, collection):
        assert (
            cls.__module__ == 'pyxnat.resources'
            and row.doc in cls.__doc__[:1].lower() + cls.__doc__[1:]
        )


@pytest.mark.parametrize(
    ('parent', 'row'),
    [(parent, row) for row in LEVELS for parent in row.parents if parent],
    ids=lambda x: getattr(x, 'plural', x),
)
def test_a_parent_has_documented_accessors(parent: str, row: Level) -> None:
    element, collection = class_of(level(parent).singular), class_of(parent)
    one, many = getattr(element, row.singular), getattr(element, row.plural)
    assert row.doc in one.__doc__.lower() and row.element_class in one.__doc__
    assert row.doc in many.__doc__.lower() and row.collection_class in many.__doc__
    assert (one.__name__, many.__name__) == (row.singular, row.plural)
    assert list(inspect.signature(one).parameters) == ['self', 'ID']
    assert inspect.signature(many).parameters['id_filter'].default == '*'
    assert getattr(collection, row.plural).__doc__ == many.__doc__
    of_one_name = getattr(collection, row.singular)
    assert of_one_name.__name__ == row.singular and of_one_name.__doc__
    assert list(inspect.signature(of_one_name).parameters) == ['self', 'ID']


@each_row
def test_an_element_has_no_accessor_for_levels_that_are_not_below_it(row: Level) -> None:
    element = class_of(row.singular)
    below = {name for child in children(row.plural) for name in (child.plural, child.singular)}
    assert {name for name in level_names() if hasattr(element, name)} == below
