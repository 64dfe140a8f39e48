"""The archive as a WSGI application: login, routes and error pages.

`ROUTES` is the table of routes, collected from the modules in ``routes`` and ``xapi``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from .archive import Archive
from .errors import (
    InsufficientStorage,
    InternalServerError,
    NotFound,
    Refusal,
    by_container,
    is_full,
)
from .http.error_pages import page, refusal_of
from .http.request import Call, parse_query
from .http.router import Route, Router, prefix_length
from .items.uris import admit_path, admit_target, decoded, segments
from .routes import (
    audit,
    config,
    dicom_import,
    dicomdump,
    favorites,
    features,
    groups,
    invitations,
    items,
    login,
    mail,
    move_files,
    pipelines,
    prearchive,
    prearchive_batches,
    progress,
    projects,
    protocols,
    refresh_catalogue,
    saved_searches,
    search,
    searchable_types,
    session_folders,
    sharing,
    tokens,
    user_cache,
    users,
    workflows,
)
from .xapi import containers, downloads, fields, forms, schemas, site, user_roles
from .xapi import users as xapi_users

__all__ = ['ROUTES', 'App']

_log = logging.getLogger(__name__)
SHOWN = 500
"""Characters of a path that the log shows."""
_TUNNELLED = frozenset({'GET', 'PUT', 'DELETE'})
ROUTES: tuple[Route, ...] = tuple(
    route
    for module in (
        login,
        items,
        sharing,
        session_folders,
        projects,
        groups,
        invitations,
        protocols,
        pipelines,
        config,
        search,
        searchable_types,
        saved_searches,
        prearchive,
        prearchive_batches,
        dicom_import,
        dicomdump,
        move_files,
        refresh_catalogue,
        workflows,
        audit,
        features,
        mail,
        tokens,
        users,
        favorites,
        user_cache,
        progress,
        schemas,
        site,
        xapi_users,
        user_roles,
        fields,
        forms,
        downloads,
        containers,
    )
    for route in module.ROUTES
)


class App:
    """WSGI application of one archive, at the root or below a context path.

    Parameters
    ----------
    archive : Archive
        The archive to serve.
    seen : Callable[[str, str, int], None] or None
        Called with the method, the path with query and the status of each response.
    context : str
        Path prefix of all URIs, like ``/xnat``.
    routes : Sequence[Route]
        The table of routes.
    """

    def __init__(
        self,
        archive: Archive,
        seen: Callable[[str, str, int], None] | None = None,
        context: str = '',
        routes: Sequence[Route] = ROUTES,
    ) -> None:
        self.archive = archive
        self.router = _router_of(tuple(routes))
        self._seen = seen
        self._context = context.rstrip('/')

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ['SCRIPT_NAME'] = root = environ.get('SCRIPT_NAME') or self._context
        _tunnel(environ)
        request = Request(environ, populate_request=False)
        raw = environ.get('REQUEST_URI') or environ.get('PATH_INFO', '')
        cookies: list[tuple[str, str]] = []
        try:
            response = self._dispatch(request, raw, cookies)
        except Refusal as error:
            response = self._page(error)
        except HTTPException as error:
            response = self._page(refusal_of(error))
        except Exception as error:  # noqa: BLE001  (last resort: logged, and answered with 500)
            response = self._failed(request.method, raw, error)
        self._finish(response, cookies, root or '/', request.is_secure)
        if self._seen is not None:
            self._seen(request.method, raw, response.status_code)
        return response(
            environ, lambda status, headers, *more: start_response(f'{status[:3]} ', headers, *more)
        )

    def _failed(self, method: str, raw: str, error: Exception) -> Response:
        if is_full(error):
            _log.error('%s %s: the disk is full: %s', method, raw[:SHOWN], error)
            return self._page(InsufficientStorage())
        _log.exception('%s %s failed', method, raw[:SHOWN])
        return self._page(InternalServerError('The server failed; see its log for the reason.'))

    def _page(self, error: Refusal) -> Response:
        return page(error, self.archive.prefix)

    # -- one request

    def _dispatch(self, request: Request, raw: str, cookies: list[tuple[str, str]]) -> Response:
        path, _, query = raw.partition('?')
        if '://' in path.split('?')[0][:12]:
            path = '/' + path.split('://', 1)[1].partition('/')[2]
        if not f'{path}/'.startswith(f'{request.root_path}/'):
            raise by_container(NotFound(f'There is nothing at {path}.'))
        admit_target(raw)
        admit_path(request.method, path)
        raw_parts = segments(path[len(request.root_path) :])
        above = prefix_length(raw_parts)
        rest = raw_parts[above:]
        words = [*['data'] * bool(above), *filter(None, rest)]
        names = decoded(words)
        call = Call(
            self.archive,
            parse_query(query),
            request=request,
            base=''.join(names[:1]),
            cookies=cookies,
            raw_parts=rest,
        )
        match = self.router.match(words, names)
        writes = match.writes(call.method)
        if writes:
            login.check_origin(call)
        if not match.is_public:
            login.admit(call, call.base, writes)
        return self.router.answer(call, match)

    # -- answers

    def _finish(
        self, response: Response, cookies: list[tuple[str, str]], root: str, secure: bool
    ) -> None:
        for name, value in cookies:
            response.set_cookie(
                name, value, path=root, httponly=True, samesite='Lax', secure=secure
            )
        limit = int(self.archive.sessions.idle_limit_s * 1000)
        # in quotes, as Tomcat writes a value with a comma
        moment = f'"{int(time.time() * 1000)},{limit}"'
        kind = 'Secure; SameSite=Lax' if secure else 'SameSite=Lax'
        response.headers.add('Set-Cookie', f'SESSION_EXPIRATION_TIME={moment}; {kind}; Path={root}')
        response.headers['X-Frame-Options'] = 'SAMEORIGIN'
        response.headers['Content-Security-Policy'] = "frame-ancestors 'self'"
        response.headers['X-Content-Type-Options'] = 'nosniff'
        caching = response.headers.get('Cache-Control', '')
        if not caching.startswith('private'):
            response.headers['Cache-Control'] = 'private, no-store'


@lru_cache(maxsize=2)
def _router_of(routes: tuple[Route, ...]) -> Router:
    """Return the router of a table.

    To build its tree takes longer than to open an archive.
    """
    return Router(routes)


def _tunnel(environ: dict[str, Any]) -> None:
    """Use the parameter ``method`` of a POST as its method.

    Some clients can send no method but GET and POST.
    """
    if environ.get('REQUEST_METHOD') == 'POST' and 'method=' in environ.get('QUERY_STRING', ''):
        wanted = dict(parse_query(environ['QUERY_STRING'])).get('method', '').upper()
        environ['REQUEST_METHOD'] = wanted if wanted in _TUNNELLED else 'POST'
