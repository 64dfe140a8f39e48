"""Row of the table of levels.

All that the rest of the package asks about a level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .name_rules import LABEL, NameRule
from .short_name_tables import ShortName

__all__ = ['SERVER', 'Chain', 'Level']

SERVER = ''
"""Name of the root of the tree among the parents of a level."""

Chain = tuple[str, ...]
"""Plural names of the levels from the root down to a collection: ``('projects', 'subjects')``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """Level of the REST tree.

    Fields without a default are those that each level needs. A row equals itself alone.
    """

    plural: str
    """Name of the collection: ``subjects``."""
    singular: str
    """Name of an element: ``subject``."""
    segment: str
    """Segment of the level in a URI: ``subjects``, ``in/resources``."""
    parents: tuple[str, ...]
    """Plural names of the levels that it is listed below; :data:`SERVER` for the root."""
    no_route_below: tuple[Chain, ...] = ()
    """Chains to a parent below which XNAT does not route the level: it answers 200 there, with the
    parent itself.
    """
    id_column: str
    """Column of the level's listing that identifies an element in URIs."""
    label_column: str
    """Column that holds the label; the ID column if XNAT has no label there."""
    columns: tuple[str, ...]
    """Default columns of the listing, in the order of XNAT's CSV."""
    doc: str
    """Description of the level, as a noun phrase."""
    name_rule: NameRule = LABEL
    """Rule for new names."""

    is_resource: bool = False
    """Whether its elements are folders of files."""
    is_file: bool = False
    """Whether its elements are files, named by their paths."""
    is_part: bool = False
    """Whether its elements are parts of a session, with neither label nor rights of their own."""
    can_move: bool = False
    """Whether a PUT below another parent, with an ID that exists, moves the element there."""
    listed_with: str = ''
    """Plural name of the level whose listings of a site or project have its elements, too:
    ``experiments`` for assessors.
    """

    datatype: str = ''
    """XNAT type of an element whose listing lacks ``xsiType``, and of an element created without a
    type; empty if it has none.
    """
    base: str = ''
    """Most general type: types that extend it are of this level. Empty for resources and files."""
    further_bases: tuple[str, ...] = ()
    """Other types that all its elements derive from."""
    has_types: bool = False
    """Whether its elements are of several types, so that a new one needs a type."""
    root: str = ''
    """Root of the query of its listing, if that is not `base`."""
    declaring: str = ''
    """Type that declares its short names, if that is not `base`."""

    short_names: tuple[Mapping[str, str], ...] = ()
    """Tables of its short names, general types first."""
    short_names_of_types: tuple[tuple[Mapping[str, str], str], ...] = ()
    """Short names that only elements of one type have, with that type; the first type counts."""
    short_names_above: Mapping[str, ShortName] = field(default_factory=dict)
    """Short names of fields of its parents."""

    resources: tuple[str, ...] = ()
    """Plural names of the levels of its resources; empty if it has no files."""
    category: str = 'resources'
    """Column ``category`` in listings of its resources."""
    layout_doc: str = ''
    """Description of its field in download layouts; empty if it has none."""
    zip_folder: str = ''
    """Folder of the level below that of the session in zips."""
    download_group: str = ''
    """Name of the level in catalogues of ``/xapi/archive/download``."""
    disk_folder: str = ''
    """Folder of the level below the folder of its parent on the archive's disk."""
    resources_folder: str = ''
    """Folder of its resources below the folder of an element on the archive's disk."""
    has_side_folders: bool = False
    """Whether that folder is ``in`` or ``out``, by the resource."""

    path_in_parent: str = ''
    """Element in the document of its parent: ``scans/scan``. Empty if it is not in it."""
    parent_field: str = ''
    """Attribute of a document that holds the ID of its parent."""
    resource_path: str = 'resources/resource'
    """Element of its document that holds a resource without side."""
    key_field: str = ''
    """Attribute for the key of its row, on a level without accession IDs."""
    share_type: str = ''
    """Type of the element that holds a share; empty if its elements cannot be shared."""

    def __post_init__(self) -> None:
        for name in ('root', 'declaring'):
            object.__setattr__(self, name, getattr(self, name) or self.base)

    @property
    def element_class(self) -> str:
        """Name of the class of its elements: ``In_Resource``."""
        return self.singular.title()

    @property
    def collection_class(self) -> str:
        """Name of the class of its collections: ``In_Resources``."""
        return self.plural.title()

    @property
    def is_item(self) -> bool:
        """Whether its elements have a data type and a document.

        All but resources and files.
        """
        return bool(self.base)

    @property
    def has_sides(self) -> bool:
        """Whether its resources are inputs or outputs."""
        return len(self.resources) > 1

    @property
    def has_label(self) -> bool:
        """Whether its elements have a label beside an accession ID."""
        return self.is_item and self.label_column != self.id_column

    @property
    def side(self) -> str:
        """``in`` or ``out`` on levels of such resources, otherwise empty."""
        return self.segment.rpartition('/')[0]

    @property
    def key_column(self) -> str:
        """Column with the key of a row in its listing; empty where that is the ID."""
        return self.key_field.lower()
