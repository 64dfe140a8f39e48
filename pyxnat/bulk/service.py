"""``interface.bulk``: the door that elements and collections go through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..layouts import LAYOUT
from .download import download
from .manifest import Verification, verify
from .report import Report

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Bulk']


class Bulk:
    """Moves many files and elements of what one Interface selects."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface

    def __repr__(self) -> str:
        return f'<Bulk of {self._intf._server}>'

    def download(
        self,
        selection: Any,
        dest: str | os.PathLike[str],
        *,
        layout: str = LAYOUT,
        jobs: int = 4,
        existing: str = 'refresh',
        progress: bool | None = None,
    ) -> Report:
        """Download the files below an element or a collection, as its own ``download`` does."""
        return download(self._intf, selection, dest, layout=layout, jobs=jobs, existing=existing, progress=progress)

    def verify(self, folder: str | os.PathLike[str]) -> Verification:
        """Compare a folder that was downloaded to with its manifest. No request."""
        return verify(folder)
