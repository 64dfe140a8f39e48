"""Refusals of the archive: one class for each status.

They know nothing of HTTP but the number: :mod:`pyxnat.server.http.error_pages` writes the
page. The text says what is wrong in words for the person who asked.
"""

from __future__ import annotations

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
    'InternalServerError',
    'MethodNotAllowed',
    'NotAcceptable',
    'NotFound',
    'NotSupported',
    'PreconditionFailed',
    'Refusal',
    'RequestEntityTooLarge',
    'ServiceUnavailable',
    'Unauthorized',
    'UnprocessableEntity',
    'UnsupportedMediaType',
    'WrongCredentials',
    'by_container',
]


class Refusal(Exception):
    """A request that is refused.

    Parameters
    ----------
    description : str, optional
        What is wrong; by default the words of the class.

    Attributes
    ----------
    status : int
        The status of the answer.
    is_by_container : bool
        Whether the page is that of the servlet container in front of XNAT, not XNAT's own.
    """

    status: ClassVar[int] = 500
    words: ClassVar[str] = 'The server failed.'
    is_by_container = False

    def __init__(self, description: str | None = None) -> None:
        self.description = self.words if description is None else description
        super().__init__(self.description)

    @property
    def name(self) -> str:
        """The reason phrase of the status."""
        return HTTPStatus(self.status).phrase


class BadRequest(Refusal):
    """Something in the request cannot be read."""

    status = 400
    words = 'The request cannot be read.'


class Unauthorized(Refusal):
    """Nobody is logged in."""

    status = 401
    words = 'Log in first.'
    is_by_container = True


class WrongCredentials(Unauthorized):
    """User and password, or alias and secret, do not fit: the answer asks for no others."""

    words = 'The login failed: user and password do not fit, or the user has the maximum number of user sessions open.'


class Forbidden(Refusal):
    """The login may not do this."""

    status = 403
    words = 'This login may not do that.'


class NotFound(Refusal):
    """There is no such thing, or none that the login may see."""

    status = 404
    words = 'There is no such thing here.'


class MethodNotAllowed(Refusal):
    """The URI has no such method.

    Parameters
    ----------
    methods : iterable of str
        Those that it has.
    description : str, optional
        What is wrong.
    """

    status = 405
    words = 'The method is not one of this URI.'

    def __init__(self, methods: Iterable[str] = (), description: str | None = None) -> None:
        super().__init__(description)
        self.methods = tuple(methods)


class NotAcceptable(Refusal):
    """The answer is not to be had in the media type asked for."""

    status = 406
    words = 'The answer is not to be had in that form.'
    is_by_container = True


class Conflict(Refusal):
    """It contradicts something stored."""

    status = 409
    words = 'It contradicts what is stored.'


class Gone(Refusal):
    """It was there, and is not kept any longer."""

    status = 410
    words = 'It is not kept any longer.'


class PreconditionFailed(Refusal):
    """Something that the request takes for granted does not hold."""

    status = 412
    words = 'Something the request takes for granted does not hold.'


class RequestEntityTooLarge(Refusal):
    """The body is larger than the server takes."""

    status = 413
    words = 'The body is too large.'


class UnsupportedMediaType(Refusal):
    """The body is of a media type that the URI does not take."""

    status = 415
    words = 'The body is of a type that is not taken here.'


class ExpectationFailed(Refusal):
    """XNAT's status for things that the request needs and that are missing."""

    status = 417
    words = 'Something the request needs is missing.'


class UnprocessableEntity(Refusal):
    """The request can be read, and cannot be meant."""

    status = 422
    words = 'The request can be read, but not carried out.'


class InternalServerError(Refusal):
    """The server failed; also XNAT's status for many a wrong request."""


class NotSupported(Refusal):
    """The server does not do this."""

    status = 501
    words = 'The server does not do this.'


class ServiceUnavailable(Refusal):
    """The server does not do this now."""

    status = 503
    words = 'The server does not do this now.'


class BareRefusal(Refusal):
    """A status with no page.

    Parameters
    ----------
    status : int
    location : str
        Where to ask instead; empty for nowhere.
    """

    def __init__(self, status: int, location: str = '') -> None:
        super().__init__('')
        self.status = status  # type: ignore[misc]
        self.location = location


Error = TypeVar('Error', bound=Refusal)


def by_container(error: Error) -> Error:
    """Have a refusal answered with the page of the servlet container, and return it."""
    error.is_by_container = True
    return error
