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

from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.wrappers import Request, Response

from . import elements, search, services, xapi
from .archive import Archive
from .auth import GUEST, parse_basic
from .calls import Call, parse_query
from .routes import parse, segments

__all__ = ['App']

_log = logging.getLogger(__name__)
_BASES = ('data', 'REST')
_PUBLIC = frozenset({('services', 'auth')})
REALM = 'XNAT Protected Area'


class App:
    """Answers requests for one archive."""

    def __init__(self, archive: Archive, seen: Callable[[str, str, int], None] | None = None) -> None:
        self.archive = archive
        self._seen = seen

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
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
        self._finish(response, cookies)
        if self._seen is not None:
            self._seen(request.method, raw, response.status_code)
        return response(environ, start_response)

    # -- one request

    def _answer(self, request: Request, raw: str, cookies: list[tuple[str, str]]) -> Response:
        path, _, query = raw.partition('?')
        if '://' in path.split('?')[0][:12]:
            path = '/' + path.split('://', 1)[1].partition('/')[2]
        parts = segments(path)
        call = Call(self.archive, request, parts[1:], parse_query(query), cookies=cookies)
        base = parts[0] if parts else ''
        if base in _BASES and tuple(call.parts[:2]) in _PUBLIC:
            return services.login(call)
        self._authenticate(call)
        if base == 'xapi':
            return xapi.answer(call)
        if base == 'schemas':
            return xapi.schema_document(call)
        if parts in ([], ['']):
            return Response(_FRONT_PAGE, mimetype='text/html')  # clients ask for it to see whether a login is right
        if base not in _BASES:
            raise NotFound(f'There is nothing at {path}.')
        return self._data(call)

    def _data(self, call: Call) -> Response:
        handler = services.find(call.parts) or search.find(call.parts)
        if handler is not None:
            return handler(call)
        if call.parts[:1] == ['archive']:
            call.parts = call.parts[1:]
        route = parse(call.parts)
        if route is None:
            raise NotFound(f'There is nothing at {call.request.environ.get("PATH_INFO", "")}.')
        return elements.answer(call, route)

    def _authenticate(self, call: Call) -> None:
        """Who asks: by session cookie, else by Basic, which opens a session; else a guest where the site lets them in."""
        key = call.request.cookies.get('JSESSIONID', '')
        header = call.request.headers.get('Authorization', '')
        caller = self.archive.sessions.caller(key) if key else None
        login = parse_basic(header) if header else None
        if caller is not None and (login is None or login[0] == caller.login):
            call.caller, call.session = caller, key
        elif login is not None:
            call.caller = self.archive.users.check(*login)
            call.session = self.archive.sessions.open(call.caller)
            call.cookies.append(('JSESSIONID', call.session))
        elif self.archive.require_login or key:
            raise Unauthorized('Log in: the site is not open to guests.' if not key else 'The session is over; log in again.')
        else:
            call.caller = GUEST
            call.session = self.archive.sessions.open(GUEST)
            call.cookies.append(('JSESSIONID', call.session))

    # -- answers

    def _finish(self, response: Response, cookies: list[tuple[str, str]]) -> None:
        for name, value in cookies:
            response.set_cookie(name, value, path='/', httponly=True)
        limit = int(self.archive.sessions.idle_limit_s * 1000)
        response.headers.add('Set-Cookie', f'SESSION_EXPIRATION_TIME={int(time.time() * 1000)},{limit}; Path=/')
        response.headers['X-Frame-Options'] = 'SAMEORIGIN'
        response.headers['Content-Security-Policy'] = "frame-ancestors 'self'"


_FRONT_PAGE = '<html><head><title>XNAT</title></head><body><h3>An XNAT-compatible archive. Its REST API is below /data.</h3></body></html>'


def _page(error: HTTPException) -> Response:
    """A short HTML page with the message, as XNAT's framework writes it; never a trace."""
    code = error.code or 500
    message = html.escape(str(error.description or error.name))
    body = f'<html><head><title>Status page</title></head><body><h3>{message}</h3><p>{code} {html.escape(error.name)}</p></body></html>'
    response = Response(body, status=code, mimetype='text/html')
    if isinstance(error, Unauthorized):
        response.headers['WWW-Authenticate'] = f'Basic realm="{REALM}"'
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers['Allow'] = ', '.join(error.valid_methods)
    return response
