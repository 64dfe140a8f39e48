"""The archive as a WSGI application: authentication, routing, error pages.

Routes of data elements follow from the table of REST levels; the others are listed in `_SERVICES`. Everything below ``/data`` is
there below ``/REST`` too, and data elements also with ``/archive`` inserted.
"""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import Forbidden, HTTPException, InternalServerError, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.wrappers import Request, Response

from . import elements, guard, search, services, users, xapi
from .archive import Archive
from .calls import Call, parse_query
from .routes import admit_path, decoded, parse, segments

__all__ = ['App']

_log = logging.getLogger(__name__)
_BASES = ('data', 'REST')
_PUBLIC = frozenset({('services', 'auth')})
REALM = 'XNAT Protected Area'


class App:
    """Answers requests for one archive, which may stand below a context path: ``/xnat``."""

    def __init__(self, archive: Archive, seen: Callable[[str, str, int], None] | None = None, context: str = '') -> None:
        self.archive = archive
        self._seen = seen
        self._context = context.rstrip('/')

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ['SCRIPT_NAME'] = root = environ.get('SCRIPT_NAME') or self._context
        request = Request(environ, populate_request=False)
        raw = environ.get('REQUEST_URI') or environ.get('PATH_INFO', '')
        cookies: list[tuple[str, str]] = []
        try:
            response = self._answer(request, raw, cookies)
        except HTTPException as error:
            response = _page(error)
        except Exception:  # noqa: BLE001  (the last resort of a server: logged with its trace, answered with 500)
            _log.exception('%s %s failed', request.method, raw)
            response = _page(InternalServerError('The server failed; its log tells why.'))
        self._finish(response, cookies, root or '/')
        if self._seen is not None:
            self._seen(request.method, raw, response.status_code)
        return response(environ, start_response)

    # -- one request

    def _answer(self, request: Request, raw: str, cookies: list[tuple[str, str]]) -> Response:
        path, _, query = raw.partition('?')
        if '://' in path.split('?')[0][:12]:
            path = '/' + path.split('://', 1)[1].partition('/')[2]
        if not f'{path}/'.startswith(f'{request.root_path}/'):
            raise NotFound(f'There is nothing at {path}.')
        admit_path(request.method, path)
        raw_parts = segments(path[len(request.root_path) :])
        parts = decoded(raw_parts)
        call = Call(self.archive, request, parts[1:], parse_query(query), cookies=cookies, raw_parts=raw_parts[1:])
        base = parts[0] if parts else ''
        if base in _BASES and tuple(call.parts[:2]) in _PUBLIC:
            return users.login(call)
        if '/'.join(parts) == guard.LOGIN_PAGE:
            return Response(_LOGIN_PAGE, mimetype='text/html')
        guard.admit(call, base)
        try:
            return self._routed(call, path, base)
        except (Forbidden, NotFound):
            if call.caller.guest and call.method == 'GET' and guard.is_browser(call):
                guard.to_login_page(call, 307)
            raise

    def _routed(self, call: Call, path: str, base: str) -> Response:
        if base == 'xapi':
            return xapi.answer(call)
        if base == 'schemas':
            return xapi.schema_document(call)
        if not base and not call.parts:
            return Response(_FRONT_PAGE, mimetype='text/html')  # clients ask for it to see whether a login is right
        if base not in _BASES:
            raise NotFound(f'There is nothing at {path}.')
        return self._data(call)

    def _data(self, call: Call) -> Response:
        handler = users.find(call.parts) or services.find(call.parts) or search.find(call.parts)
        if handler is not None:
            return handler(call)
        if call.parts[:1] == ['archive']:
            call.parts, call.raw_parts = call.parts[1:], call.raw_parts[1:]
        route = parse(call.raw_parts)
        if route is None:
            raise NotFound(f'There is nothing at {call.request.environ.get("PATH_INFO", "")}.')
        return elements.answer(call, route)

    # -- answers

    def _finish(self, response: Response, cookies: list[tuple[str, str]], root: str) -> None:
        for name, value in cookies:
            response.set_cookie(name, value, path=root, httponly=True)
        limit = int(self.archive.sessions.idle_limit_s * 1000)
        moment = f'"{int(time.time() * 1000)},{limit}"'  # in quotes, as Tomcat writes a value with a comma
        response.headers.add('Set-Cookie', f'SESSION_EXPIRATION_TIME={moment}; Path={root}')
        response.headers['X-Frame-Options'] = 'SAMEORIGIN'
        response.headers['Content-Security-Policy'] = "frame-ancestors 'self'"


_PAGE = '<html><head><title>{title}</title></head><body><h3>{words}</h3>{more}</body></html>'
_FRONT_PAGE = _PAGE.format(title='XNAT', words='An XNAT-compatible archive. Its REST API is below /data.', more='')
_LOGIN_PAGE = _PAGE.format(title='Log in', words='Log in with HTTP Basic, or send username and password to /data/services/auth.', more='')


def _page(error: HTTPException) -> Response:
    """A short HTML page with the message, as XNAT's framework writes it, and the message as the reason phrase; never a trace."""
    if error.response is not None:
        return Response(status=error.response.status, headers=error.response.headers)
    code = error.code or 500
    message = str(error.description or error.name)
    body = _PAGE.format(title='Status page', words=html.escape(message), more=f'<p>{code}<br>{html.escape(error.name)}</p>')  # like its page, no XML
    response = Response(body, status=f'{code} {_phrase(message)}', mimetype='text/html')
    if isinstance(error, Unauthorized):
        response.headers['WWW-Authenticate'] = f'Basic realm="{REALM}"'
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers['Allow'] = ', '.join(error.valid_methods)
    return response


def _phrase(message: str) -> str:
    """A message as it can stand in a status line."""
    return ''.join(char if ' ' <= char <= '~' else '?' for char in ' '.join(message.split())[:200])
