"""Progress bars of transfers that take longer than a second, for a person.

Every transfer opens one; the outermost alone is shown. ``tqdm`` draws it (extra ``progress``), in
a notebook as a widget.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar, Token
from typing import Any

from ..model.uris import segments

__all__ = ['DELAY_S', 'SWITCH', 'progress_bar']

DELAY_S = 1.0
"""Seconds after which a bar appears, unless it was requested."""
SWITCH = 'PYXNAT_PROGRESS'
"""Environment variable; ``0`` hides all bars that a call does not request."""

_CURRENT: ContextVar[_Bar | None] = ContextVar('pyxnat_progress', default=None)
"""The bar of the outermost transfer."""


class _Hidden:
    """Bar that is not shown."""

    count = 0

    def update(self, count: int) -> None:
        """Do nothing."""


_HIDDEN = _Hidden()


def progress_bar(
    total: int | None,
    unit: str = 'B',
    show: bool | None = None,
    name: str = '',
    *,
    takes_parts: bool = False,
) -> AbstractContextManager[Any]:
    """Return a progress bar with ``update(count)`` and ``count``.

    It may be hidden. Bars within its block, also those of other threads of the transfer, are
    hidden.

    Parameters
    ----------
    total : int or None
        Expected sum of the counts; `None` if unknown, nothing for 0.
    unit : str
        Unit of the counts.
    show : bool or None
        Whether to show it. `None`: after `DELAY_S`, if standard error is a terminal or a notebook,
        tqdm is installed, and `SWITCH` does not hide it.
    name : str
        Text before the bar, or a URI, whose last name is the text.
    takes_parts : bool
        Whether transfers within the block count for this bar.

    Raises
    ------
    ImportError
        If `show` is true and tqdm is missing.
    """
    outer = _CURRENT.get()
    if outer is not None:
        return nullcontext(outer if outer.takes_parts else _HIDDEN)
    if show is None and not _is_wanted():
        return nullcontext(_HIDDEN)
    return _Bar(total, unit, show, name, takes_parts)


def _name_of(uri: str) -> str:
    """Return the name of a transfer for its bar.

    The last one of the path but ``files``.

    >>> _name_of('/data/experiments/E/resources/NIFTI/files?format=zip')
    'NIFTI'
    """
    names = segments(uri.partition('?')[0])
    return names[-2] if names[-1:] == ['files'] and len(names) > 1 else names[-1] if names else ''


def _is_wanted() -> bool:
    """Return whether a person watches standard error, and did not switch bars off."""
    stream = sys.stderr
    is_watched = stream is not None and (
        stream.isatty() or type(stream).__module__.startswith('ipykernel.')
    )
    return is_watched and os.environ.get(SWITCH) != '0'


class _Bar:
    """The bar of the outermost transfer.

    tqdm is imported when the bar appears, so short transfers do not wait for it.
    """

    def __init__(
        self, total: int | None, unit: str, show: bool | None, name: str, takes_parts: bool
    ) -> None:
        self.count = 0
        self.takes_parts = takes_parts
        text = _name_of(name) or None
        self._options = {'total': total, 'unit': unit, 'unit_scale': True, 'desc': text}
        self._is_requested = bool(show) and total != 0
        is_possible = show is None and total != 0
        self._due = time.monotonic() + DELAY_S if is_possible else math.inf
        self._shown: Any = None
        self._lock = threading.Lock()
        self._token: Token[_Bar | None] | None = None

    def __enter__(self) -> _Bar:
        if self._is_requested:
            self._shown = _tqdm()(**self._options)
        self._token = _CURRENT.set(self)
        return self

    def update(self, count: int) -> None:
        """Count, and show the bar when its time has come."""
        with self._lock:
            self.count += count
            if self._shown is not None:
                self._shown.update(count)
            elif time.monotonic() >= self._due:
                self._due = math.inf
                with suppress(ImportError):  # nobody has requested it
                    self._shown = _tqdm()(initial=self.count, **self._options)

    def __exit__(self, *exception: object) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)
        self._due = math.inf
        if self._shown is not None:
            self._shown.close()


def _tqdm() -> Any:
    """Import and return the class of bars for a terminal or notebook."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # a notebook without widgets gets a line of text
            from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ImportError("tqdm is missing: pip install 'pyxnat[progress]'", name='tqdm') from error
    return tqdm
