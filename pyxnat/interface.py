"""The door: one object that stands for a server, and assembles everything else."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from . import errors
from .cache import Cache, account_of
from .compat.classic import Classic
from .compat.requests_api import also_of_requests
from .http import settings as configuration
from .http.client import Connection
from .http.connection import Timeouts
from .http.proxies import without_credentials
from .http.session import Session, known_session
from .http.tracing import Trace
from .http.transport import Transport
from .model import uris
from .resources.owners import Owners
from .services.arrays import ArrayData
from .services.bulk import Bulk
from .services.draw import Draw
from .services.inspector import Inspector
from .services.manage import Manager
from .services.search import SearchEngine
from .services.select import Select
from .services.transfer import Transfer
from .services.walker import Walker
from .services.xpath_store import XpathStore
from .tables.table import Row

__all__ = ['Interface']

log = logging.getLogger('pyxnat')


class Interface(Classic):
    """A connection to an XNAT server.

    Making one asks nothing of the server; the first request logs in.

    Parameters
    ----------
    server : str, optional
        URL, with the context path where there is one: ``https://central.xnat.org``, ``https://example.org/xnat``.
    user, password : str, optional
        The login.
    cachedir : path, optional
        Folder for downloaded files; by default ``PYXNAT_CACHEDIR``, or the system's place for caches.
    config : path, optional
        A JSON file as `save_config` writes it; it wins over every other argument.
    anonymous : bool
        Ask as a guest.
    proxy : str, optional
        URL of a proxy; by default the environment's.
    verify : bool or str, optional
        Whether certificates are checked (they are); a `str` is the path of a CA bundle.
    token : pair of str, or str, optional
        Alias and secret of an alias token, in place of user and password.
    provider : str, optional
        The authentication provider that knows the user (LDAP, …).
    cert : path, or pair of paths, optional
        The client's certificate for servers that want one: a PEM file that holds the key too, or the files of certificate and key.
    timeout : float or pair
        Seconds to wait for a connection, and for each next byte.
    retries : int
        How often requests that can be repeated are repeated when the connection breaks or the server is busy.
    jobs : int
        How many listings are asked for at once where all of a selection is wanted; 1 for one after the other. A subclass with an `_exec` of its own
        has 1, since that may not be made for threads, unless it sets ``walker.jobs``.
    offline : bool, optional
        Whether all is answered from the cache, and nothing asked of the server, which needs no password; by default whether ``PYXNAT_OFFLINE``
        is 1.
    share_session : bool
        Whether a pickle carries the session cookie. Without it, a process that unpickles needs credentials of its own.

    Attributes
    ----------
    connection : Connection
        Requests to the server; elements and services use it.
    cache : Cache
        What was asked and downloaded before: its mode, expiration and size.
    select : Select
        The way to elements, collections and searches.
    array : ArrayData
        Tables of experiments and scans, each with one request.
    inspect : Inspector
        Types, fields and values of the archive.
    draw : Draw
        Pictures of types, fields and values; needs the extra ``draw``.
    search : SearchEngine
        Runs searches; `select` and `where` use it.
    manage : Manager
        Projects, users, schemas, tags, callbacks.
    xpath : XpathStore
        XPath over the documents of many subjects.
    transfer : Transfer
        Moves files; elements use it.
    bulk : Bulk
        Moves many files and elements at once; elements and collections use it.
    walker : Walker
        Walks selections; collections use it.

    Raises
    ------
    ConfigurationError
        Something is missing, and there is no terminal to ask at.

    Notes
    -----
    What is not given is looked for, item by item, in the environment (``XNAT_HOST``, ``XNAT_USER``, ``XNAT_PASS``, ``XNAT_TOKEN``), in
    ``~/.netrc``, in ``~/.xnatPass``, and then asked for on the terminal.

    Examples
    --------
    ::

        with pyxnat.Interface('https://central.xnat.org', 'me', 'secret') as central:
            for subject in central.select.project('OASIS3').subjects():
                print(subject.label())
    """

    def __init__(
        self,
        server: str | None = None,
        user: str | None = None,
        password: str | None = None,
        cachedir: str | os.PathLike[str] | None = None,
        config: str | os.PathLike[str] | None = None,
        anonymous: bool = False,
        proxy: str | None = None,
        verify: bool | str | None = None,
        *,
        token: Any = None,
        provider: str | None = None,
        cert: Any = None,
        timeout: Any = (10, 300),
        retries: int = 4,
        jobs: int = 4,
        offline: bool | None = None,
        share_session: bool = True,
    ) -> None:
        self._end_previous()
        config, cachedir = _config_or_cachedir(config, cachedir)
        offline = os.environ.get('PYXNAT_OFFLINE') == '1' if offline is None else offline
        if config is not None:
            settings = configuration.read_config(config)
        else:
            settings = configuration.resolve(
                server,
                user,
                password,
                anonymous=anonymous,
                token=token,
                provider=provider,
                verify=verify,
                proxy=proxy,
                cert=cert,
                offline=offline,
            )
        session = Session(settings.server, settings.credentials)
        self._share_session = share_session
        self._assemble(settings, session, Timeouts.of(timeout), retries, cachedir, jobs)
        self.cache.mode = 'offline' if offline else 'online'
        if settings.prompted:
            self._transport.open_session()

    def _assemble(self, settings: configuration.Settings, session: Session, timeouts: Timeouts, retries: int, cachedir: Any, jobs: int) -> None:
        self._settings = settings
        this = weakref.ref(self)  # what the finalizer holds must not hold the Interface
        self.cache = Cache(configuration.cache_folder(cachedir), settings.server, lambda: _account(session, this()))
        self._transport = Transport(
            session, self.cache, verify=settings.verify, proxy=settings.proxy, timeouts=timeouts, retries=retries, cert=settings.cert
        )
        self.connection = Connection(self._transport, self.cache, None if self._asks_itself else self._exec, also_of_requests)
        self.select = Select(self)
        self.search = SearchEngine(self)
        self.inspect = Inspector(self)
        self.array = ArrayData(self)
        self.draw = Draw(self)
        self.owners = Owners(self)
        self.transfer = Transfer(self)
        self.bulk = Bulk(self)
        self.walker = Walker(self, jobs if self._asks_itself else 1)
        self.manage = Manager(self)
        self.xpath = XpathStore(self)
        self._finalizer = weakref.finalize(self, _close, self._transport)

    def _end_previous(self) -> None:
        """Close what an earlier ``__init__`` of the same object opened: subclasses connect again that way."""
        finalizer = self.__dict__.get('_finalizer')
        if finalizer is not None:
            finalizer()

    @property
    def _server(self) -> str:
        return self._settings.server

    @property
    def _user(self) -> str:
        return self._transport.session.login

    def whoami(self) -> str:
        """The name of the account that the server takes this login for; ``guest`` for none. With a token it is its owner's. One request."""
        said = self._exec(f'{uris.ENTRY}/auth').decode('utf-8', 'replace')
        found = re.search("User '(.*)' is logged in", said)
        if found is None:
            raise errors.UnexpectedAnswer(f'the server says {said[:100]!r}', uri=f'{self._server}{uris.ENTRY}/auth', method='GET')
        return found.group(1)

    def prefetch(self, selection: Any) -> int:
        """Fill the cache for work without a network: an element or a collection with all that is below, files too.

        Parameters
        ----------
        selection : Element, collection or str
            A `str` is a path of `select`.

        Returns
        -------
        int
            The number of files, which are in the cache now.

        Notes
        -----
        One request for each listing and document, and one for each file that is not there yet.

        Examples
        --------
        ::

            interface.prefetch('/projects/P/subjects/S1')
            interface.cache.mode = 'offline'
        """
        return self.transfer.prefetch(self.select(selection) if isinstance(selection, str) else selection)

    def __repr__(self) -> str:
        return f'<Interface {self._user or "guest"}@{self._server}>'

    def __enter__(self) -> Interface:
        return self

    def __exit__(self, *exception: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """End the session, if this process opened it, and close the connections. One request, or none. A later request opens another."""
        self._transport.close_session()

    def trace(self, path: str | os.PathLike[str] | None = None) -> AbstractContextManager[Trace]:
        """Record the requests made while a block runs, and what was answered from the cache.

        Parameters
        ----------
        path : path, optional
            A file that gets a line of JSON for each, behind what is in it: method, uri, status, bytes, milliseconds, attempt, whether from the cache.
            No secret is in it.

        Examples
        --------
        ::

            with interface.trace() as trace:
                interface.select.projects().get()
            print(trace)
        """
        return self._transport.trace(path)

    def save_config(self, location: str | os.PathLike[str]) -> None:
        """Write server and login, the password too, to a JSON file that only its owner can read (0600). No request."""
        path = configuration.write_config(location, self._settings)
        log.info('wrote %s, readable by its owner alone', path)

    def load_config(self, location: str | os.PathLike[str]) -> None:
        """Connect as a file says that `save_config` wrote. Elements selected before ask the new server from now on."""
        settings = configuration.read_config(location)
        self._end_previous()
        session = Session(settings.server, settings.credentials)
        self._assemble(settings, session, self._transport.timeouts, self._transport.retries, self.cache.cachedir, self.walker.jobs)

    def _exec(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        force_preemptive_auth: bool = False,
        **kwargs: Any,
    ) -> bytes:
        """One request with a small answer; every one of the library's goes through here, so a subclass can see and change them.

        Parameters
        ----------
        uri : str
            Encoded; below the server's URL, a leading slash may be missing.
        body : Body or dict
            For GET, query parameters.
        force_preemptive_auth : bool
            Accepted and without effect: credentials always go with the first request.
        timeout : float or pair, optional
            Seconds for this request.
        expiration : float or None, optional
            Seconds for which an answer in the cache is as good; 0 asks the server in any case.

        Returns
        -------
        bytes
            The body of the answer.

        Raises
        ------
        DatabaseError
            Everything but a status of 2xx, and an HTML page. Where the program has loaded requests, one of the network is also requests' own.
        """
        return self.connection.send(uri, method, body, headers, **kwargs)

    @property
    def _asks_itself(self) -> bool:
        """Whether `_exec` is this one, and no other that has to see every request."""
        return getattr(self._exec, '__func__', None) is Interface._exec

    def _get_json(self, uri: str) -> list[Row]:
        """The rows of a table; those of a listing of files have ``path`` besides. One request."""
        return self.connection.rows(uri)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._share_session:
            self._transport.open_session()
        session = self._transport.session
        state = {
            'class': type(self),
            'server': self._server,
            'login': session.login,
            'cookies': session.cookies() if self._share_session else {},
            'verify': self._settings.verify,
            'proxy': without_credentials(self._settings.proxy),
            'cert': self._settings.cert,
            'timeouts': self._transport.timeouts,
            'retries': self._transport.retries,
            'jobs': self.walker.jobs,
            'cachedir': str(self.cache.cachedir),
            'cache': (self.cache.mode, self.cache.expiration, self.cache.max_bytes),
            'share_session': self._share_session,
            'proved': sorted(self.transfer.proved),
        }
        return _restore, (state,)


def _config_or_cachedir(config: Any, cachedir: Any) -> tuple[Any, Any]:
    """The fourth argument was a cache folder in pyxnat 0.9 and a configuration file in 1.x: an existing file is the latter."""
    if config is None and cachedir is not None and os.path.isfile(os.path.expanduser(cachedir)):
        warnings.warn('give a configuration file as config=; the fourth argument is the cache folder', DeprecationWarning, stacklevel=3)
        return cachedir, None
    return config, cachedir


_RESTORED: dict[tuple[Any, ...], Interface] = {}
"""Interfaces that came by pickle, kept so that the tasks of a worker share connections and session."""

_EXIT_TIMEOUT_S = (2, 5)


def _restore(state: dict[str, Any]) -> Interface:
    """The Interface for a pickle: on the session that this process has, or on the one that the pickle carries."""
    key = (state['class'], state['server'], state['login'], state['cachedir'], state['verify'], state['proxy'], state['cert'])
    interface = _RESTORED.get(key)
    if interface is None:
        interface = _RESTORED[key] = _rebuild(state)
    session = interface._transport.session
    if not session.is_open:
        session.add_cookies(state['cookies'])
    interface.transfer.proved.update(state['proved'])
    return interface


def _rebuild(state: dict[str, Any]) -> Interface:
    server, login = state['server'], state['login']
    session = known_session(server, login)
    if session is None:
        session = Session(server, login=login, cookies=state['cookies'], find_credentials=lambda: _found_credentials(server, login))
        if login and not state['cookies']:
            session.credentials = _found_credentials(server, login, offline=state['cache'][0] == 'offline')
    settings = configuration.Settings(server, session.credentials, state['verify'], state['proxy'], state['cert'])
    interface: Interface = state['class'].__new__(state['class'])
    interface._share_session = state['share_session']
    interface._assemble(settings, session, state['timeouts'], state['retries'], state['cachedir'], state['jobs'])
    interface.cache.mode, interface.cache.expiration, interface.cache.max_bytes = state['cache']
    finalizers = sys.modules.get('multiprocessing.util')
    if finalizers is not None:  # workers of a pool leave without running what is registered with atexit
        finalizers.Finalize(None, _close, args=(interface._transport,), exitpriority=10)
    return interface


def _found_credentials(server: str, login: str, offline: bool = False) -> Any:
    """Credentials from the usual sources, for a session that has died in a process that was given none."""
    return configuration.resolve(server, login, prompt=False, offline=offline).credentials


def _account(session: Session, interface: Interface | None) -> str:
    """The account whose cache it is. One request for a token that was not used before."""
    credentials = session.credentials
    if credentials is None or not credentials.is_token:
        return session.login
    if interface is None:
        raise errors.InterfaceError('whose cache this is must be asked, and its Interface is gone: keep the Interface as long as the cache')
    return account_of(interface.cache.server_folder, credentials.login, interface.whoami)


def _close(transport: Transport) -> None:
    """End a session when its Interface goes, or the process does."""
    try:
        transport.close_session(timeout=_EXIT_TIMEOUT_S)
    except errors.DatabaseError as error:
        log.warning('a session was left open on %s: %s', transport.server, error)
