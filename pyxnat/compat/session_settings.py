"""Settings of the requests library that an Interface has for all of its requests."""

from __future__ import annotations

import warnings
from typing import Any

from .. import errors
from ..http.proxies import Proxy, proxy_for
from ..http.transport import Transport

__all__ = ['check_settings', 'proxies_of']


def check_settings(
    transport: Transport,
    *,
    verify: Any = None,
    auth: Any = None,
    cert: Any = None,
    proxies: Any = None,
    cookies: Any = None,
) -> None:
    """Check that the settings of one request are those of the Interface.

    Parameters
    ----------
    transport : Transport
        Has the settings.
    verify : bool or str, optional
        ``False`` is ignored with a warning if certificates are checked.
    auth : pair or object, optional
        Login and password, or an object with ``username``.
    cert : str or pair of str, optional
        Client certificate.
    proxies : mapping, optional
        Scheme -> URL.
    cookies : mapping, optional
        Cookies of the session.

    Raises
    ------
    ProgrammingError
        A setting is another one.
    """
    if verify is False and transport.verify is not False:
        warnings.warn(
            'verify=False of one request is ignored: give it to the Interface', stacklevel=4
        )
    elif verify not in (None, True, transport.verify) or (verify and transport.verify is False):
        raise _other('verify', transport)
    login = auth[0] if isinstance(auth, (tuple, list)) else getattr(auth, 'username', None)
    if auth is not None and login != transport.session.login:
        raise _other('user', transport)
    given = tuple(cert) if isinstance(cert, (tuple, list)) else (cert, cert)
    if cert is not None and given != transport.cert:
        raise _other('cert', transport)
    known = proxy_for(transport.server, transport.proxy)
    scheme = transport.server.partition(':')[0]
    proxy = (proxies or {}).get(scheme) or (proxies or {}).get('all')
    if proxy and (known is None or Proxy.parse(proxy)[:4] != known[:4]):
        raise _other('proxy', transport)
    if not dict(cookies or {}).items() <= transport.session.cookies().items():
        raise errors.ProgrammingError(
            'a single request cannot have cookies of its own',
            uri=transport.server,
            remedy='Add them to the session: interface._http.cookies.update(…).',
        )


def _other(name: str, transport: Transport) -> errors.ProgrammingError:
    return errors.ProgrammingError(
        f'a single request cannot have another {name} than its Interface',
        uri=transport.server,
        remedy=f'Give it once: Interface(…, {name}=…).',
    )


def proxies_of(transport: Transport) -> dict[str, str]:
    """Return scheme -> URL of the proxy, without its password."""
    proxy = proxy_for(transport.server, transport.proxy)
    if proxy is None:
        return {}
    return {transport.server.partition(':')[0]: f'http://{proxy.host}:{proxy.port}'}
