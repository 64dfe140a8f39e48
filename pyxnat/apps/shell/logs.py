"""Log of a run, written if the run fails."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ...version import __version__
from .state import state_folder

__all__ = ['RunLog']

_MOST_RECORDS = 5000
_MOST_FILES = 20
"""Logs that are kept."""
_FORMAT = '%(asctime)s %(name)s %(levelname)s %(message)s'
_SECRET = ('api', 'login', 'token')
"""Verbs whose arguments may have secrets."""


class RunLog(logging.Handler):
    """The last records of a run.

    Each request, each retry, each failure with its traceback. Warnings go to standard error as
    well, as they do without a log.

    Attributes
    ----------
    has_failure : bool
        Whether a failure was recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[logging.LogRecord] = deque(maxlen=_MOST_RECORDS)
        self._logger = logging.getLogger('pyxnat')
        self._level = self._logger.level
        self.has_failure = False
        self._logger.addHandler(self)
        self._logger.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._records.append(record)
        self.has_failure = self.has_failure or bool(record.exc_info)
        if record.levelno >= logging.WARNING and logging.lastResort is not None:
            logging.lastResort.handle(record)

    def end(self) -> None:
        """Stop recording."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)

    def write(self, arguments: Sequence[str]) -> Path:
        """Write the log to a file that only its owner can read, and return its path.

        Of older logs the last 20 stay.
        """
        folder = state_folder('logs')
        path = folder / time.strftime(f'%Y%m%d-%H%M%S-{os.getpid()}.log')
        path.touch(mode=0o600)
        secret = [word for word in arguments if word in _SECRET]
        shown = [*secret, '…'] if secret else arguments
        formatter = logging.Formatter(_FORMAT)
        lines = [f'pyxnat {__version__}: {" ".join(shown)}', *map(formatter.format, self._records)]
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8', errors='replace')
        for old in sorted(folder.glob('*.log'))[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
        return path
