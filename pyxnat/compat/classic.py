"""Base class of `Interface` with the API of pyxnat 1.x.

Plain requests, and the names with a leading underscore that programs use.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from .. import errors
from ..http.proxies import without_credentials
from ..http.settings import Settings
from ..http.transport import Transport
from ..model import uris
from .requests_api import Connection, request
from .requests_response import Headers, Response

__all__ = ['Classic']

_SESSION = f'{uris.ENTRY}/JSESSION'
_LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


class Classic:
    """Methods and attributes of `Interface` that programs for pyxnat 1.x use.

    ``_pwd`` does not exist: no attribute holds a password.
    """

    _transport: Transport
    _settings: Settings
    manage: Any

    def get(self, uri: str, **options: Any) -> Response:
        """Send a GET request, as ``requests.get`` does.

        The status is not checked.

        Parameters
        ----------
        uri : str
            Below the server's URL.
        **options
            Keyword arguments of :func:`pyxnat.compat.requests_api.request`.
        """
        return request(self._transport, 'GET', uri, **options)

    def put(self, uri: str, data: Any = None, **options: Any) -> Response:
        """Send a PUT request; the status is not checked.

        Parameters
        ----------
        uri : str
            Below the server's URL.
        data : dict, list of pairs, str, bytes, open file or iterable of bytes, optional
            Form or body.
        **options
            Keyword arguments of :func:`pyxnat.compat.requests_api.request`.
        """
        return request(self._transport, 'PUT', uri, data=data, **options)

    def post(self, uri: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a POST request; the status is not checked.

        Parameters
        ----------
        uri : str
            Below the server's URL.
        data : dict, list of pairs, str, bytes, open file or iterable of bytes, optional
            Form or body.
        json : object, optional
            Body, sent as JSON.
        **options
            Keyword arguments of :func:`pyxnat.compat.requests_api.request`.
        """
        return request(self._transport, 'POST', uri, data=data, json=json, **options)

    def delete(self, uri: str, **options: Any) -> Response:
        """Send a DELETE request as `get` does; the status is not checked."""
        return request(self._transport, 'DELETE', uri, **options)

    def head(self, uri: str, **options: Any) -> Response:
        """Send a HEAD request as `get` does; the status is not checked.

        Redirects are followed only with ``allow_redirects=True``. ``interface.head('').ok`` is true
        if the server accepts the login.
        """
        return request(self._transport, 'HEAD', uri, **{'allow_redirects': False, **options})

    def version(self) -> Any:
        """Return the version of the server. One request, or two.

        `bytes` from XNAT up to 1.6, a `dict` of build information from later versions.
        """
        try:
            return self._exec(f'{uris.ENTRY}/version')
        except (
            errors.NotFoundError,
            errors.NotSupportedError,
            errors.UnexpectedAnswer,
            errors.PermissionDenied,
        ):
            return json.loads(self._exec('/xapi/siteConfig/buildInfo'))

    def close_jsession(self) -> None:
        """End the session on the server, even one opened by another program.

        One request; none without a session.
        """
        if self._transport.session.is_open:
            self._exec(_SESSION, 'DELETE')

    @staticmethod
    def set_logging(level: int = 0) -> None:
        """Set the level of the logger ``pyxnat``.

        Messages go to standard error if the program has not configured :mod:`logging`.

        Parameters
        ----------
        level : int
            0 for warnings, 1 for information, 2 for every request; or a level of :mod:`logging`.
        """
        log = logging.getLogger('pyxnat')
        log.setLevel(_LEVELS.get(level, level))
        if not log.hasHandlers():
            log.addHandler(logging.StreamHandler())

    def _exec(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Any = None,
        force_preemptive_auth: bool = False,
        **kwargs: Any,
    ) -> bytes:
        raise NotImplementedError

    def _get_head(self, uri: str) -> Headers:
        """Return the headers of a URI, names in any case. One request.

        Raises
        ------
        DatabaseError
            The status is 400 or more.
        """
        response = self.head(uri)
        response.raise_for_status()
        return response.headers

    @staticmethod
    def _get_entry_point() -> str:
        """Return ``/data``. No request."""
        return uris.ENTRY

    _entry = uris.ENTRY

    @property
    def _http(self) -> Connection:
        """Replacement for the ``requests.Session`` of pyxnat 1.x."""
        return Connection(self._transport)

    @property
    def _callback(self) -> Any:
        """Function called for each element that a collection yields."""
        return self.manage.callback

    @_callback.setter
    def _callback(self, callback: Any) -> None:
        self.manage.callback = callback

    @property
    def _interactive(self) -> bool:
        """Whether a setting was entered at a prompt."""
        return self._settings.prompted

    @property
    def _proxy_url(self) -> str | None:
        """The proxy, without credentials."""
        return without_credentials(self._settings.proxy)

    @property
    def _jsession(self) -> str:
        """ID of the session; empty if none is open."""
        return self._transport.session.cookies().get('JSESSIONID', '')

    @property
    def _anonymous(self) -> bool:
        """Whether requests are made as a guest."""
        return not self._transport.session.login

    @property
    def _verify(self) -> bool | str:
        """Whether certificates are checked. It can be set to the value that it has."""
        return self._settings.verify

    @_verify.setter
    def _verify(self, verify: bool | str) -> None:
        self._http.verify = verify

    def _connect(self, **options: Any) -> None:
        """Close the connections; the next request opens new ones."""
        self._transport.close_connections()
