"""Exit status of the command, by class of error."""

from __future__ import annotations

from enum import IntEnum

from ... import errors

__all__ = ['TABLE', 'Exit', 'exit_code']


class Exit(IntEnum):
    """Exit status of the command."""

    DONE = 0
    SOME_FAILED = 1
    """Some items of several failed, or an error of another kind."""
    USAGE = 2
    NOT_FOUND = 3
    LOGIN = 4
    RIGHTS = 5
    NETWORK = 6
    CONFLICT = 7
    INTEGRITY = 8
    INTERRUPTED = 130


TABLE: tuple[tuple[type[BaseException], Exit], ...] = (
    (errors.NotFoundError, Exit.NOT_FOUND),
    (errors.NoElementError, Exit.NOT_FOUND),
    (FileNotFoundError, Exit.NOT_FOUND),
    (errors.ConfigurationError, Exit.LOGIN),
    (errors.AuthenticationError, Exit.LOGIN),
    (errors.PermissionDenied, Exit.RIGHTS),
    (errors.TransferError, Exit.INTEGRITY),
    (errors.NetworkError, Exit.NETWORK),
    (errors.BusyError, Exit.NETWORK),
    (errors.LocalFileExists, Exit.CONFLICT),
    (errors.IntegrityError, Exit.CONFLICT),
    (errors.ProgrammingError, Exit.USAGE),
    (errors.NotSupportedError, Exit.USAGE),
    (errors.UnexpectedAnswer, Exit.INTEGRITY),
    (errors.DataError, Exit.INTEGRITY),
    (PermissionError, Exit.RIGHTS),
    (KeyboardInterrupt, Exit.INTERRUPTED),
)
"""Class of error and status; the first row that matches counts."""


def exit_code(error: BaseException) -> Exit:
    """Return the exit status for an error.

    >>> exit_code(errors.NotFoundError('no')), exit_code(ValueError())
    (<Exit.NOT_FOUND: 3>, <Exit.SOME_FAILED: 1>)
    """
    return next((code for kind, code in TABLE if isinstance(error, kind)), Exit.SOME_FAILED)
