"""What `Interface` keeps of pyxnat 1.x, in one place: the plain requests, and the names that programs came to use though they begin with ``_``."""

from __future__ import annotations

import json
import logging
from typing import Any

from .. import errors
from ..http.settings import Settings
from ..http.transport import Transport
from ..model import uris
from .requests_api import Connection, Headers, Response, request

__all__ = ['Classic']

_SESSION = f'{uris.ENTRY}/JSESSION'
_LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


class Classic:
    """The base of `Interface` that is there for programs written for pyxnat 1.x.

    ``_pwd`` is left out: passwords are in no attribute.
    """

    _transport: Transport
    _settings: Settings

    def get(self, uri: str, **options: Any) -> Response:
        """GET, in the words of requests: see :func:`pyxnat.compat.requests_api.request` for the options. Statuses are not checked."""
        return request(self._transport, 'GET', uri, **options)

    def put(self, uri: str, data: Any = None, **options: Any) -> Response:
        """PUT, as `get`."""
        return request(self._transport, 'PUT', uri, data=data, **options)

    def post(self, uri: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """POST, as `get`."""
        return request(self._transport, 'POST', uri, data=data, json=json, **options)

    def delete(self, uri: str, **options: Any) -> Response:
        """DELETE, as `get`."""
        return request(self._transport, 'DELETE', uri, **options)

    def head(self, uri: str, **options: Any) -> Response:
        """HEAD, as `get`; redirects are not followed unless asked for. ``interface.head('').ok`` tells whether the login is right."""
        return request(self._transport, 'HEAD', uri, **{'allow_redirects': False, **options})

    def version(self) -> Any:
        """What the server says of its version: `bytes` (XNAT up to 1.6) or a `dict` (later). One request, or two."""
        try:
            return self._exec(f'{uris.ENTRY}/version')
        except (errors.NotFoundError, errors.NotSupportedError, errors.UnexpectedAnswer, errors.PermissionDenied):
            return json.loads(self._exec('/xapi/siteConfig/buildInfo'))

    def close_jsession(self) -> None:
        """End the session on the server, whoever opened it. One request, or none where there is no session."""
        if self._transport.session.is_open:
            self._exec(_SESSION, 'DELETE')

    @staticmethod
    def set_logging(level: int = 0) -> None:
        """Write what the library does to standard error, or wherever the program's logging goes.

        Parameters
        ----------
        level : int
            0 for warnings, 1 for what happens, 2 for every request as well; or a level of :mod:`logging`.
        """
        log = logging.getLogger('pyxnat')
        log.setLevel(_LEVELS.get(level, level))
        if not log.hasHandlers():
            log.addHandler(logging.StreamHandler())

    def _exec(
        self, uri: str, method: str = 'GET', body: Any = None, headers: Any = None, force_preemptive_auth: bool = False, **kwargs: Any
    ) -> bytes:
        raise NotImplementedError

    def _get_head(self, uri: str) -> Headers:
        """The headers of a thing, found in any case: ``_get_head(uri)['Last-Modified']``. One request.

        Raises
        ------
        DatabaseError
            As `_exec`.
        """
        answer = self.head(uri)
        answer.raise_for_status()
        return answer.headers

    @staticmethod
    def _get_entry_point() -> str:
        """``/data``. No request."""
        return uris.ENTRY

    _entry = uris.ENTRY

    @property
    def _http(self) -> Connection:
        """What stands for the session object of requests: ``cookies``, ``headers``, the verbs."""
        return Connection(self._transport)

    @property
    def _jsession(self) -> str:
        """ID of the session, once there is one; else the empty text."""
        return self._transport.session.cookies().get('JSESSIONID', '')

    @property
    def _anonymous(self) -> bool:
        """Whether the server is asked as a guest."""
        return not self._transport.session.login

    @property
    def _verify(self) -> bool | str:
        """Whether certificates are checked."""
        return self._settings.verify

    def _connect(self, **options: Any) -> None:
        """Close the connections; the next request makes new ones. Options of requests' session object are taken and have no effect."""
        self._transport.close_connections()
