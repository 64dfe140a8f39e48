"""Result of a DICOM import: one record per session."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Union

__all__ = ['ARCHIVED', 'GONE', 'UNKNOWN', 'Imported', 'Source']

Source = Union[str, 'os.PathLike[str]', Iterable[Union[str, 'os.PathLike[str]']]]
"""DICOM files to send: a file, a folder, an archive, or several of these."""

ARCHIVED = 'ARCHIVED'
"""Status of a session that is in the archive."""

UNKNOWN = 'UNKNOWN'
"""Status of a session that is hidden from this login, or that could not be checked."""

GONE = 'GONE'
"""Status of a session that is no longer in the prearchive, and not in the archive by that name."""


class Imported(NamedTuple):
    """Result of an import for one session."""

    uri: str
    """URI, starting with ``/data``."""
    status: str
    """``ARCHIVED``; in the prearchive ``READY``, ``CONFLICT`` or ``ERROR``, or after a timeout or
    without waiting the present status (``BUILDING``, …). ``UNKNOWN`` if this login may not see the
    session, such as one without a project; ``GONE`` if it is not found any more.
    """
    element: Any
    """The experiment, or the session in the prearchive."""

    @property
    def ok(self) -> bool:
        """Whether it is archived, or ready to be."""
        return self.status in (ARCHIVED, 'READY')
