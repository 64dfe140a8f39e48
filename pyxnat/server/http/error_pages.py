"""Pages that say why a request was refused: XNAT's own, and those of the servlet container before it.

XNAT's page has the message in ``<h3>``. What the container refuses itself, a login, an ``Accept`` header, a path, has it after
``<b>Message</b>``, where there is one, and the name of the container in ``<h3>``. Neither has a reason phrase in the status line.
"""

from __future__ import annotations

import html
from typing import TypeVar

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotAcceptable, Unauthorized
from werkzeug.wrappers import Response

__all__ = ['WrongCredentials', 'by_container', 'is_by_container', 'page', 'plain_page']

_PAGE = '<html><head><title>{title}</title></head><body><h3>{words}</h3>{more}</body></html>'
_CONTAINER = (
    '<!doctype html><html lang="en"><head><title>HTTP Status {title}</title></head><body><h1>HTTP Status {title}</h1>'
    '<p><b>Type</b> Status Report</p>{message}<p><b>Description</b> {described}</p><h3>pyxnat.server</h3></body></html>'
)
Error = TypeVar('Error', bound=HTTPException)


class WrongCredentials(Unauthorized):
    """A user and a password, or an alias and a secret, that do not fit: the answer asks for no others."""

    description = 'The login failed: user and password do not fit, or the user has the maximum number of user sessions open.'


def by_container(error: Error) -> Error:
    """Have a refusal told by the container's page."""
    error.told_by_container = True  # type: ignore[attr-defined]
    return error


def is_by_container(error: HTTPException) -> bool:
    """Whether the container's page tells a refusal."""
    return isinstance(error, (Unauthorized, NotAcceptable)) or getattr(error, 'told_by_container', False)


def plain_page(title: str, words: str, more: str = '') -> Response:
    """A page of few words, which are HTML."""
    return Response(_PAGE.format(title=title, words=words, more=more), mimetype='text/html')


def page(error: HTTPException, realm: str) -> Response:
    """The page of a refusal; never a trace."""
    if error.response is not None:
        return Response(status=error.response.status, headers=error.response.headers)
    response = (_container_page if is_by_container(error) else _status_page)(error)
    response.status_code = error.code or 500
    if isinstance(error, Unauthorized) and not isinstance(error, WrongCredentials):
        response.headers['WWW-Authenticate'] = f'Basic realm="{realm}"'
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers['Allow'] = ', '.join(error.valid_methods)
    return response


def _status_page(error: HTTPException) -> Response:
    more = f'<p>{error.code or 500}<br>{html.escape(error.name)}</p>'  # like XNAT's page, no XML
    return plain_page('Status page', html.escape(str(error.description or error.name)), more)


def _container_page(error: HTTPException) -> Response:
    own = error.description != type(error).description or isinstance(error, WrongCredentials)
    message = f'<p><b>Message</b> {html.escape(str(error.description))}</p>' if own and error.description else ''
    title = f'{error.code or 500} – {error.name}'
    described = html.escape(str(type(error).description or error.name))
    return Response(_CONTAINER.format(title=title, message=message, described=described), mimetype='text/html')
