"""The archive as a WSGI application: authentication, routing, error pages.

Routes of data elements follow from the table of REST levels; the others are listed in `_SERVICES`. Everything below ``/data`` is
there below ``/REST`` too, and data elements also with ``/archive`` inserted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from . import xapi
from .archive import Archive
from .errors import InternalServerError, MethodNotAllowed, NotFound, Refusal, by_container
from .http.error_pages import page, plain_page, refusal_of
from .http.request import Call, parse_query
from .items.uris import admit_path, admit_target, decoded, parse, segments
from .routes import items, login, search, services, users

__all__ = ['App']

_log = logging.getLogger(__name__)
_BASES = ('data', 'REST')
_PUBLIC = frozenset({('services', 'auth')})
_TUNNELLED = frozenset({'GET', 'PUT', 'DELETE'})


class App:
    """Answers requests for one archive, which may stand below a context path: ``/xnat``."""

    def __init__(self, archive: Archive, seen: Callable[[str, str, int], None] | None = None, context: str = '') -> None:
        self.archive = archive
        self._seen = seen
        self._context = context.rstrip('/')

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ['SCRIPT_NAME'] = root = environ.get('SCRIPT_NAME') or self._context
        _tunnel(environ)
        request = Request(environ, populate_request=False)
        raw = environ.get('REQUEST_URI') or environ.get('PATH_INFO', '')
        cookies: list[tuple[str, str]] = []
        try:
            response = self._answer(request, raw, cookies)
        except MethodNotAllowed as error:
            response = self._page(error) if request.method != 'OPTIONS' else _options(error)
        except Refusal as error:
            response = self._page(error)
        except HTTPException as error:
            response = self._page(refusal_of(error))
        except Exception:  # noqa: BLE001  (the last resort of a server: logged with its trace, answered with 500)
            _log.exception('%s %s failed', request.method, raw)
            response = self._page(InternalServerError('The server failed; its log tells why.'))
        self._finish(response, cookies, root or '/')
        if self._seen is not None:
            self._seen(request.method, raw, response.status_code)
        return response(environ, lambda status, headers, *more: start_response(f'{status[:3]} ', headers, *more))

    def _page(self, error: Refusal) -> Response:
        return page(error, self.archive.prefix)

    # -- one request

    def _answer(self, request: Request, raw: str, cookies: list[tuple[str, str]]) -> Response:
        path, _, query = raw.partition('?')
        if '://' in path.split('?')[0][:12]:
            path = '/' + path.split('://', 1)[1].partition('/')[2]
        if not f'{path}/'.startswith(f'{request.root_path}/'):
            raise NotFound(f'There is nothing at {path}.')
        admit_target(raw)
        admit_path(request.method, path)
        raw_parts = segments(path[len(request.root_path) :])
        parts = decoded(raw_parts)
        call = Call(self.archive, parse_query(query), request=request, parts=parts[1:], cookies=cookies, raw_parts=raw_parts[1:])
        base = parts[0] if parts else ''
        if base in _BASES and tuple(call.parts[:2]) in _PUBLIC:
            return users.login(call)
        if '/'.join(parts) == login.LOGIN_PAGE:
            return plain_page('Log in', *_LOGIN_PAGE)
        login.admit(call, base)
        return self._routed(call, path, base)

    def _routed(self, call: Call, path: str, base: str) -> Response:
        if base == 'xapi':
            return xapi.answer(call)
        if base == 'schemas':
            return xapi.schema_document(call)
        if not base and not call.parts:
            return plain_page(
                'XNAT', 'An XNAT-compatible archive. Its REST API is below /data.'
            )  # clients ask for it to see whether a login is right
        if base not in _BASES:
            raise by_container(NotFound(f'There is nothing at {path}.'))
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
        return items.answer(call, route)

    # -- answers

    def _finish(self, response: Response, cookies: list[tuple[str, str]], root: str) -> None:
        for name, value in cookies:
            response.set_cookie(name, value, path=root, httponly=True)
        limit = int(self.archive.sessions.idle_limit_s * 1000)
        moment = f'"{int(time.time() * 1000)},{limit}"'  # in quotes, as Tomcat writes a value with a comma
        response.headers.add('Set-Cookie', f'SESSION_EXPIRATION_TIME={moment}; Path={root}')
        response.headers['X-Frame-Options'] = 'SAMEORIGIN'
        response.headers['Content-Security-Policy'] = "frame-ancestors 'self'"


_LOGIN_PAGE = (
    'Log in',
    '<form name="form1" method="post" action="/data/services/auth"><input name="username"><input type="password" name="password"></form>'
    '<p>Or log in with HTTP Basic.</p>',
)


def _tunnel(environ: dict[str, Any]) -> None:
    """Take ``method`` in the query of a POST for the method: some clients can send no other."""
    if environ.get('REQUEST_METHOD') == 'POST' and 'method=' in environ.get('QUERY_STRING', ''):
        wanted = dict(parse_query(environ['QUERY_STRING'])).get('method', '').upper()
        environ['REQUEST_METHOD'] = wanted if wanted in _TUNNELLED else 'POST'


def _options(error: MethodNotAllowed) -> Response:
    """What a path allows."""
    return Response(headers={'Allow': ', '.join([*error.methods, 'OPTIONS'])})
