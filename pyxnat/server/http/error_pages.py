"""Error pages of XNAT and of its servlet container.

XNAT's page has the message in ``<h3>``. The servlet container refuses some requests itself, for
their login, ``Accept`` header or path. Its page has the message, if any, after ``<b>Message</b>``,
and the name of the container in ``<h3>``. The status line of neither has a reason phrase.
"""

from __future__ import annotations

import html

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from ..errors import (
    BadRequest,
    BareRefusal,
    InternalServerError,
    MethodNotAllowed,
    Refusal,
    RequestEntityTooLarge,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
    WrongCredentials,
)

__all__ = ['page', 'plain_page', 'plain_refusal', 'refusal_of']

_PAGE = '<html><head><title>{title}</title></head><body><h3>{words}</h3>{more}</body></html>'
_CONTAINER = (
    '<!doctype html><html lang="en"><head><title>HTTP Status {title}</title></head><body><h1>HTTP '
    'Status {title}</h1>'
    '<p><b>Type</b> Status Report</p>{message}<p><b>Description</b> '
    '{described}</p><h3>pyxnat.server</h3></body></html>'
)


def plain_page(title: str, words: str, more: str = '') -> Response:
    """Return a short HTML page.

    Parameters
    ----------
    title : str
        Title of the page.
    words : str
        Heading, as HTML.
    more : str
        HTML that follows the heading.
    """
    return Response(_PAGE.format(title=title, words=words, more=more), mimetype='text/html')


def page(error: Refusal, realm: str) -> Response:
    """Return the page of a refusal, without a traceback.

    Parameters
    ----------
    error : Refusal
        The refusal.
    realm : str
        Name of the archive, for the login challenge.
    """
    if isinstance(error, BareRefusal):
        return Response(
            status=error.status, headers={'Location': error.location} if error.location else None
        )
    response = (_container_page if error.is_by_container else _status_page)(error)
    response.status_code = error.status
    if isinstance(error, Unauthorized) and not isinstance(error, WrongCredentials):
        response.headers['WWW-Authenticate'] = f'Basic realm="{realm}"'
    if isinstance(error, MethodNotAllowed) and error.methods:
        response.headers['Allow'] = ', '.join(error.methods)
    if isinstance(error, TooManyRequests):
        response.headers['Retry-After'] = str(error.wait_s)
    return response


def plain_refusal(error: Refusal) -> Response:
    """Return a refusal in plain text, as XNAT writes it below ``/xapi``."""
    response = Response(
        f'{error.description or error.name}', status=error.status, mimetype='text/plain'
    )
    if isinstance(error, TooManyRequests):
        response.headers['Retry-After'] = str(error.wait_s)
    return response


def refusal_of(error: HTTPException) -> Refusal:
    """Return the refusal for an error of Werkzeug's request parsing."""
    classes = {
        cls.status: cls
        for cls in (
            BadRequest,
            RequestEntityTooLarge,
            RequestTimeout,
            UnsupportedMediaType,
            MethodNotAllowed,
        )
    }
    return classes.get(error.code or 500, InternalServerError)(description=error.description)


def _status_page(error: Refusal) -> Response:
    # not well-formed XML, like XNAT's page
    more = f'<p>{error.status}<br>{html.escape(error.name)}</p>'
    return plain_page('Status page', html.escape(error.description or error.name), more)


def _container_page(error: Refusal) -> Response:
    own = error.description != error.words or isinstance(error, WrongCredentials)
    message = (
        f'<p><b>Message</b> {html.escape(error.description)}</p>'
        if own and error.description
        else ''
    )
    title = f'{error.status} – {error.name}'
    described = html.escape(
        type(error).words if not isinstance(error, WrongCredentials) else Unauthorized.words
    )
    return Response(
        _CONTAINER.format(title=title, message=message, described=described), mimetype='text/html'
    )
