"""The tables of short names against the names that the conformance tests request."""

from __future__ import annotations

import pytest

from pyxnat.model.short_names import LEVELS_WITH_NAMES, READ_ONLY, short_names
from tests.conformance.section2_tables import NAMES, NAMES_OF_PROJECTS

PLACES = {
    'project': (),
    'subject': ('subject',),
    'experiment': ('experiment (any)', 'image session', 'MR session', 'PET session'),
    'assessor': ('experiment (any)', 'assessor'),
    'scan': ('scan',),
    'reconstruction': ('reconstruction',),
}
"""Level -> rows of the conformance table that have its names."""
REMEDY = (
    'Only names that XNAT has can be used: it drops all others without an error. With evidence '
    "(`?fields=true` of a listing of a real server, or XNAT's source), add the name to NAMES in "
    'tests/conformance/section2_tables.py, too.'
)


def names_of(level: str) -> set[str]:
    """Return the names that the conformance tests request on a level."""
    names = {name for place in PLACES[level] for name in NAMES[place][1].split()}
    return names | set(NAMES_OF_PROJECTS.split()) if level == 'project' else names


def test_every_level_with_short_names_is_compared() -> None:
    assert set(PLACES) == LEVELS_WITH_NAMES


@pytest.mark.parametrize('level', PLACES)
def test_every_short_name_is_one_of_xnat(level: str) -> None:
    added = set(short_names(level)) - names_of(level)
    if level == 'experiment':  # columns of assessors, which a listing of a site has, too
        added -= {'session_ID', 'session_label', 'session_project'}
    assert added == set(), f'{level}: {REMEDY}'


@pytest.mark.parametrize('level', PLACES)
def test_no_short_name_of_xnat_is_missing(level: str) -> None:
    of_other_levels = {
        'assessor': {'visit', 'protocol', 'subject_ID', 'subject_label', 'subject_project'},
        'reconstruction': {'insert_date', 'insert_user', 'last_modified'},
    }
    missing = names_of(level) - set(short_names(level)) - of_other_levels.get(level, set())
    assert missing == set(), f'{level}: add them to pyxnat/model/short_names.py'


def test_every_read_only_name_exists() -> None:
    names = {name for level in LEVELS_WITH_NAMES for name in short_names(level)}
    assert READ_ONLY - names == {'URI'}
