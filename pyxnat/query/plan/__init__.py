"""Planner for selections: turns paths of levels into stages of requests.

A stage is a pure function from elements to requests, and from responses to elements. The plain
plan is a walk: for each element of a level, the listing of the level below. A :class:`Stage` that
covers several levels or several elements at once is a short cut; it names its assumption about the
server, and where the server refuses it, the walker falls back to the walk. Nothing here sends
requests: :mod:`pyxnat.services.walker` executes the plans.
"""

from .columns import (
    Column,
    Join,
    columns_of,
    level_of_type,
    levels_of,
    subject_columns,
    table_rows,
    wanted_columns,
)
from .file_shortcuts import ListDerivedFiles, ListFiles, ListOwnFiles
from .found import Conditions, Found, Listed, names_of
from .listings import Columns, Listing, Tables
from .planner import Explanation, answerable, explain, first_requests, plan, plan_below, plans
from .session_shortcuts import KeepWhereAny, ListScansTogether
from .shortcut_table import SHORT_CUTS, ShortCut
from .site_shortcuts import ListOfAll, ListScansOfAll
from .stages import (
    JoinSubjects,
    ListLevel,
    ListNamed,
    ListSessions,
    ListShares,
    Name,
    Rebase,
    Stage,
)

__all__ = [
    'SHORT_CUTS',
    'Column',
    'Columns',
    'Conditions',
    'Explanation',
    'Found',
    'Join',
    'JoinSubjects',
    'KeepWhereAny',
    'ListDerivedFiles',
    'ListFiles',
    'ListLevel',
    'ListNamed',
    'ListOfAll',
    'ListOwnFiles',
    'ListScansOfAll',
    'ListScansTogether',
    'ListSessions',
    'ListShares',
    'Listed',
    'Listing',
    'Name',
    'Rebase',
    'ShortCut',
    'Stage',
    'Tables',
    'answerable',
    'columns_of',
    'explain',
    'first_requests',
    'level_of_type',
    'levels_of',
    'names_of',
    'plan',
    'plan_below',
    'plans',
    'subject_columns',
    'table_rows',
    'wanted_columns',
]
