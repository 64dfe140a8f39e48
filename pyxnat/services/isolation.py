"""Isolation of refused files.

A refused zip is divided until each reason has its own file. A server or a gateway before it may
refuse a zip for one of its files, or for its size. The zip is halved, down to single files, so that
all others are stored.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from .. import errors
from ..http.connection import is_lasting

__all__ = ['Divided', 'is_fatal', 'not_stored', 'some_names']

_DISK_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, 'EDQUOT', errno.ENOSPC)}
_TOO_LARGE = 413
_SAME_FOR_ALL = (
    errors.PermissionDenied,
    errors.NotFoundError,
    errors.NetworkError,
    errors.BusyError,
    errors.InternalError,
)
"""Errors that are seldom about one file."""
_MOST_ALIKE = 4
_MOST_REFUSED = 20
"""Single files refused in a row for one reason, after which no further file is tried."""
_SHOWN = 5

_T = TypeVar('_T')


def is_fatal(error: BaseException) -> bool:
    """Return whether an error would affect all other items, too.

    Such as a wrong login, an unreachable server, or a full disk.
    """
    if isinstance(error, errors.NetworkTimeout):
        return False
    if isinstance(error, errors.NetworkError):
        return isinstance(error, errors.OfflineError) or (
            error.__cause__ is not None and is_lasting(error.__cause__)
        )
    if isinstance(error, errors.DatabaseError):
        return isinstance(error, errors.AuthenticationError)
    return (isinstance(error, OSError) and error.errno in _DISK_FULL) or not isinstance(
        error, Exception
    )


class Divided(Generic[_T]):
    """Sends groups of files, and divides those that are refused.

    Parameters
    ----------
    send : callable
        Sends a group in one request.
    size_of : callable
        Returns the bytes of a file.
    failed : callable
        Receives a file and the reason why it was not sent.
    """

    def __init__(
        self,
        send: Callable[[list[_T]], object],
        size_of: Callable[[_T], int],
        failed: Callable[[_T, Exception], object],
    ) -> None:
        self._send = send
        self._size_of = size_of
        self._failed = failed
        self._in_a_row = 0
        self._last: Exception | None = None
        self._too_large: int | None = None

    def send(self, group: list[_T]) -> None:
        """Send a group of files, in as few requests as the server allows.

        Errors that concern all other files, too, are raised.
        """
        waiting = [group]
        while waiting:
            files = waiting.pop()
            if self._is_hopeless:
                self._fail(files, self._last)
            elif len(files) > 1 and self._is_too_large(files):
                waiting += self._halves(files)
            else:
                waiting += self._try(files)

    def _try(self, files: list[_T]) -> list[list[_T]]:
        """Send files; return the parts to send if they were refused."""
        try:
            self._send(files)
        except (errors.DatabaseError, OSError) as error:
            if is_fatal(error):
                raise
            if isinstance(error, errors.DatabaseError) and error.status == _TOO_LARGE:
                self._too_large = self._bytes(files)
            if len(files) > 1 and _may_be_of_one(error):
                return self._halves(files)
            self._count(error, files)
            self._fail(files, error)
        else:
            self._in_a_row = 0
        return []

    def _count(self, error: Exception, files: list[_T]) -> None:
        is_same = self._last is not None and _reason(self._last) == _reason(error)
        self._in_a_row = self._in_a_row + 1 if is_same else 1
        self._last = error

    @property
    def _is_hopeless(self) -> bool:
        most = _MOST_ALIKE if isinstance(self._last, _SAME_FOR_ALL) else _MOST_REFUSED
        return self._in_a_row >= most

    def _is_too_large(self, files: list[_T]) -> bool:
        return self._too_large is not None and self._bytes(files) >= self._too_large

    def _bytes(self, files: list[_T]) -> int:
        return sum(map(self._size_of, files))

    @staticmethod
    def _halves(files: list[_T]) -> list[list[_T]]:
        """Return the halves of a list; the first is last, to be taken next."""
        middle = len(files) // 2
        return [files[middle:], files[:middle]]

    def _fail(self, files: list[_T], error: Exception | None) -> None:
        if error is not None:
            for file in files:
                self._failed(file, error)


def _may_be_of_one(error: Exception) -> bool:
    """Return whether a group may be refused for one of its files.

    Files that the server has do not keep it from storing the others, and a busy server is not
    asked more often.
    """
    is_busy = isinstance(error, errors.BusyError) and error.status not in (502, 504)
    return not is_busy and not isinstance(error, (errors.DuplicateError, errors.OfflineError))


def _reason(error: Exception) -> tuple[type, str]:
    return type(error), error.message if isinstance(error, errors.DatabaseError) else ''


def not_stored(reasons: Mapping[str, Exception], uri: str) -> errors.DatabaseError:
    """Return one error for all files that were not stored, each with its reason.

    Parameters
    ----------
    reasons : mapping
        Name of each file, and its error.
    uri : str
        Resource, for the error text.
    """
    (first, *others) = {id(error): error for error in reasons.values()}.values()
    if isinstance(first, errors.DuplicateError) and not others:
        return first
    names: dict[str, list[str]] = {}
    for name, error in reasons.items():
        text = error.message if isinstance(error, errors.DatabaseError) else str(error)
        names.setdefault(text, []).append(name)
    problem = '; '.join(f'{some_names(alike)}: {text}' for text, alike in names.items())
    kinds = {type(error) for error in reasons.values()}
    if len(kinds) == 1 and isinstance(first, errors.DatabaseError):
        kind, status, remedy = type(first), first.status, first.remedy
    else:
        kind, status, remedy = errors.TransferError, None, None
    return kind(
        f'not stored: {problem}',
        uri=uri,
        status=status,
        remedy=remedy or 'Correct these files and send them again; all others are stored.',
    )


def some_names(names: list[str]) -> str:
    """Join the first five names for a message, in characters that every terminal has."""
    shown = ', '.join(names[:_SHOWN]).encode('utf-8', 'backslashreplace').decode()
    return f'{shown}{" …" if len(names) > _SHOWN else ""}'
