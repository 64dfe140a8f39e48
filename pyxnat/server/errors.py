"""Errors of the archive: one class for each status.

They do not depend on HTTP except for the number: :mod:`pyxnat.server.http.error_pages` writes the
error page. The text is for the user who sent the request.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar, TypeVar

__all__ = [
    'BadRequest',
    'BareRefusal',
    'Conflict',
    'ExpectationFailed',
    'Forbidden',
    'Gone',
    'InsufficientStorage',
    'InternalServerError',
    'MethodNotAllowed',
    'NotAcceptable',
    'NotFound',
    'NotSupported',
    'PreconditionFailed',
    'Refusal',
    'RequestEntityTooLarge',
    'RequestTimeout',
    'ServiceUnavailable',
    'TooManyRequests',
    'Unauthorized',
    'UnprocessableEntity',
    'UnsupportedMediaType',
    'WrongCredentials',
    'by_container',
    'is_full',
]


class Refusal(Exception):
    """Base of the errors that refuse a request.

    Parameters
    ----------
    description : str, optional
        Text of the error; by default that of the class.

    Attributes
    ----------
    status : int
        Status of the response.
    is_by_container : bool
        Whether the error page is that of the servlet container in front of XNAT.
    """

    status: ClassVar[int] = 500
    words: ClassVar[str] = 'The server failed.'
    is_by_container = False

    def __init__(self, description: str | None = None) -> None:
        self.description = self.words if description is None else description
        super().__init__(self.description)

    @property
    def name(self) -> str:
        """Reason phrase of the status."""
        return HTTPStatus(self.status).phrase


class BadRequest(Refusal):
    """The request cannot be parsed, or a value in it is invalid."""

    status = 400
    words = 'The request cannot be parsed.'


class Unauthorized(Refusal):
    """The request needs a login."""

    status = 401
    words = 'Log in first.'
    is_by_container = True


class WrongCredentials(Unauthorized):
    """Wrong password or secret; the browser is not prompted for another."""

    words = (
        'The login failed: wrong user or password, or the user has the maximum number of user '
        'sessions open.'
    )


class Forbidden(Refusal):
    """The user lacks the right to do this."""

    status = 403
    words = 'This user does not have the right to do that.'


class NotFound(Refusal):
    """The resource does not exist, or the user may not see it."""

    status = 404
    words = 'Not found, or not visible to this user.'


class MethodNotAllowed(Refusal):
    """The URI does not support the method.

    Parameters
    ----------
    methods : iterable of str
        Methods that it supports.
    description : str, optional
        Text of the error.
    """

    status = 405
    words = 'This URI does not support the method.'

    def __init__(self, methods: Iterable[str] = (), description: str | None = None) -> None:
        super().__init__(description)
        self.methods = tuple(methods)


class NotAcceptable(Refusal):
    """The requested media type is not available."""

    status = 406
    words = 'The requested media type is not available.'
    is_by_container = True


class RequestTimeout(Refusal):
    """The body was sent too slowly."""

    status = 408
    words = 'The body was sent too slowly.'


class Conflict(Refusal):
    """The request contradicts stored data."""

    status = 409
    words = 'The request contradicts stored data.'


class Gone(Refusal):
    """The resource existed, but is no longer kept."""

    status = 410
    words = 'The resource is no longer kept.'


class PreconditionFailed(Refusal):
    """A precondition of the request does not hold."""

    status = 412
    words = 'A precondition of the request does not hold.'


class RequestEntityTooLarge(Refusal):
    """The body is larger than the server accepts."""

    status = 413
    words = 'The body is too large.'


class UnsupportedMediaType(Refusal):
    """The media type of the body is not supported."""

    status = 415
    words = 'The media type of the body is not supported.'


class ExpectationFailed(Refusal):
    """XNAT's status for something missing that the request needs."""

    status = 417
    words = 'Something that the request needs is missing.'


class UnprocessableEntity(Refusal):
    """The request can be parsed, but not carried out."""

    status = 422
    words = 'The request can be parsed, but not carried out.'


class TooManyRequests(Refusal):
    """A login comes too early after wrong ones.

    Parameters
    ----------
    wait_s : float
        Seconds until the next one is admitted.
    """

    status = 429

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, math.ceil(wait_s))
        """Whole seconds, for ``Retry-After``."""
        super().__init__(
            f'Too many wrong logins. The next one is admitted in {self.wait_s} '
            f'second{"s" if self.wait_s > 1 else ""}.'
        )


class InternalServerError(Refusal):
    """The server failed; also XNAT's status for many invalid requests."""


class NotSupported(Refusal):
    """The server does not support this."""

    status = 501
    words = 'The server does not support this.'


class ServiceUnavailable(Refusal):
    """The server cannot do this at present."""

    status = 503
    words = 'The server cannot do this at present.'


class InsufficientStorage(Refusal):
    """The disk is full."""

    status = 507
    words = 'The disk of the server is full: nothing was stored.'


class BareRefusal(Refusal):
    """Status without an error page.

    Parameters
    ----------
    status : int
        The status.
    location : str
        URI of a redirect; empty for none.
    """

    def __init__(self, status: int, location: str = '') -> None:
        super().__init__('')
        self.status = status  # type: ignore[misc]
        self.location = location


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: BaseException) -> bool:
    """Whether a file could not be written because the disk or a quota is full."""
    return isinstance(error, OSError) and error.errno in _FULL


Error = TypeVar('Error', bound=Refusal)


def by_container(error: Error) -> Error:
    """Mark an error for the servlet container's error page, and return it."""
    error.is_by_container = True
    return error
