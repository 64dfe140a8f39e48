"""Result of an import of images: one for each session that they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Union

__all__ = ['ARCHIVED', 'GONE', 'UNKNOWN', 'Imported', 'Source']

Source = Union[str, 'os.PathLike[str]', Iterable[Union[str, 'os.PathLike[str]']]]
"""DICOM files to send: a file, a folder, an archive, or several of these."""

ARCHIVED = 'ARCHIVED'
"""Status of an import that is in the archive."""

UNKNOWN = 'UNKNOWN'
"""Status of one that this login may not see, or that the server could not be asked about any more."""

GONE = 'GONE'
"""Status of one that is neither in the prearchive nor, under the name it had there, in the archive."""


class Imported(NamedTuple):
    """What became of one session of an import."""

    uri: str
    """Where it is, from ``/data`` on."""
    status: str
    """``ARCHIVED``; for one in the prearchive ``READY``, ``CONFLICT``, ``ERROR`` or, where the time was over or it was not to be waited for, what it
    was then (``BUILDING``, …); ``UNKNOWN`` where this login may not see it, as one without a project; ``GONE`` where it is not found any more."""
    element: Any
    """The experiment, or the session of the prearchive."""

    @property
    def ok(self) -> bool:
        """Whether it is where it was sent to: archived, or ready to be."""
        return self.status in (ARCHIVED, 'READY')
