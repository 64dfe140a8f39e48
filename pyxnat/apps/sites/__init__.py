"""Federation: one question to several XNAT sites at once."""

from __future__ import annotations

from .results import Counts, SiteTable
from .sites import Sites, SitesSelection
from .vocabulary import Vocabulary

__all__ = ['Counts', 'SiteTable', 'Sites', 'SitesSelection', 'Vocabulary']
