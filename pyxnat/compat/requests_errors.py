"""Errors of the library that are exceptions of the requests library as well."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import errors

__all__ = ['also_of_requests', 'network_errors']

_NAMES: tuple[tuple[type[errors.DatabaseError], str], ...] = (
    (errors.NetworkTimeout, 'Timeout'),
    (errors.NetworkError, 'ConnectionError'),
)
_CLASSES: dict[tuple[type[Any], str], type[Any]] = {}
"""Classes created by `also_of_requests`, by the library's class and the name in requests."""


@contextmanager
def network_errors(asked: object = None) -> Iterator[None]:
    """Raise network errors that are exceptions of requests as well.

    Parameters
    ----------
    asked : object, optional
        The request, for their attribute ``request``.
    """
    try:
        yield
    except errors.NetworkError as error:
        also = also_of_requests(error, request=asked)
        if also is error:
            raise
        raise also from error


def also_of_requests(
    error: errors.DatabaseError, name: str = '', **parts: object
) -> errors.DatabaseError:
    """Return the error as one that is an exception of requests as well.

    Programs written for pyxnat 1.x catch ``requests.Timeout``, ``requests.ConnectionError`` or
    ``requests.HTTPError``. ``except`` looks only at base classes, so the returned error derives
    from the library's class and that of requests. If the program has not loaded requests, which is
    not imported here, the error itself is returned. Pickling yields the plain error.

    Parameters
    ----------
    error : DatabaseError
        Error of the library.
    name : str
        Class of requests; by default chosen by the type of the error.
    **parts
        ``request`` and ``response`` of the error, as in requests.
    """
    requests = sys.modules.get('requests.exceptions')
    name = name or next((theirs for ours, theirs in _NAMES if isinstance(error, ours)), '')
    if requests is None or not name:
        return error
    ours, theirs = type(error), getattr(requests, name)
    if (ours, name) not in _CLASSES:
        members = {
            '__module__': ours.__module__,
            '__doc__': ours.__doc__,
            '__reduce__': _reduce,
            'request': None,
            'response': None,
        }
        _CLASSES[ours, name] = type(ours.__name__, (ours, theirs), members)
    combined: errors.DatabaseError = _CLASSES[ours, name](
        error.message, uri=error.uri, method=error.method, status=error.status, remedy=error.remedy
    )
    vars(combined).update(parts)
    return combined


def _reduce(error: Any) -> Any:
    plain = type(error).__mro__[1]
    return plain(
        error.message, uri=error.uri, method=error.method, status=error.status, remedy=error.remedy
    ).__reduce__()
