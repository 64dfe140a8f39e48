"""Entry point of the client: connects to a server and assembles the services."""

from __future__ import annotations

import atexit
import logging
import math
import os
import re
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from . import errors
from .cache import Cache, account_of
from .compat.classic import Classic
from .compat.requests_errors import also_of_requests
from .http import settings as configuration
from .http.client import Connection
from .http.connection import Timeouts
from .http.folder import Folder, is_folder
from .http.proxies import without_credentials
from .http.session import Session, known_session
from .http.tracing import Trace
from .http.transport import Transport
from .model import uris
from .resources.owners import Owners
from .resources.sides import Sides
from .services.bulk import Bulk
from .services.deferred import forget, service
from .services.search import SearchEngine
from .services.select import Select
from .services.transfer import Transfer
from .services.walker import Walker
from .tables.table import Row

if TYPE_CHECKING:
    from .services.arrays import ArrayData
    from .services.arrow import ArrowTables
    from .services.draw import Draw
    from .services.inspector import Inspector
    from .services.lock import Locks
    from .services.manage import Manager
    from .services.sheets import Sheets
    from .services.xpath_store import XpathStore

__all__ = ['Interface']

log = logging.getLogger('pyxnat')


class Interface(Classic):
    """Connection to an XNAT server.

    Creating one sends no request; the first request logs in.

    Parameters
    ----------
    server : str, optional
        URL, with the context path if there is one: ``https://central.xnat.org``,
        ``https://example.org/xnat``. ``file:///data/study`` is the archive in a folder: it runs in
        this process, and its owner needs no login.
    user, password : str, optional
        The login.
    cachedir : path, optional
        Folder of the cache; by default ``PYXNAT_CACHEDIR``, or the system's folder for caches.
    config : path, optional
        JSON file written by `save_config`; it wins over every other argument.
    anonymous : bool
        Connect as a guest.
    proxy : str, optional
        URL of a proxy; by default the environment's.
    verify : bool or str, optional
        Whether to check certificates (default: yes); a `str` is the path of a CA bundle.
    token : pair of str, or str, optional
        Alias and secret of an alias token, in place of user and password.
    provider : str, optional
        Authentication provider of the user (LDAP, …).
    cert : path, or pair of paths, optional
        Client certificate: a PEM file that holds the key too, or the files of certificate and key.
    timeout : float or pair
        Seconds to wait for a connection, and for each next byte.
    retries : int
        How often to retry a repeatable request when the connection breaks or the server is busy.
    jobs : int
        Listings fetched in parallel when a whole selection is needed; 1 for one at a time. A
        subclass that overrides `_exec` gets 1, because its method may not be thread-safe, unless
        it sets ``walker.jobs``.
    offline : bool, optional
        Whether to use the cache only: no request is sent, and no password is needed. By default
        whether ``PYXNAT_OFFLINE`` is 1.
    share_session : bool
        Whether a pickle carries the session cookie. Without it, a process that unpickles needs
        credentials of its own.

    Attributes
    ----------
    connection : Connection
        Requests to the server; used by elements and services.
    owners : Owners
        Lookups of the owners of sessions, assessors and reconstructions before writes.
    sides : Sides
        Lookups of the labels of inputs and outputs before writes.
    cache : Cache
        Cached responses and files; its mode, expiration and size.
    select : Select
        Elements, collections and searches.
    array : ArrayData
        Tables of experiments and scans, one request each.
    inspect : Inspector
        Types, fields and values of the archive.
    draw : Draw
        Plots of types, fields and values; needs the extra ``draw``.
    search : SearchEngine
        Runs searches; used by `select` and `where`.
    manage : Manager
        Projects, users, schemas, tags, callbacks.
    xpath : XpathStore
        XPath over the documents of many subjects.
    transfer : Transfer
        Uploads and downloads of files; used by elements.
    bulk : Bulk
        Transfers of many files and elements in parallel; used by elements and collections.
    sheets : Sheets
        Fields of elements in spreadsheets; used by collections and projects.
    arrow : ArrowTables
        Typed tables as Arrow and Parquet; used by collections.
    locks : Locks
        Lock files of selections; used by elements and collections.
    walker : Walker
        Executes the plans of selections; used by collections.

    Raises
    ------
    ConfigurationError
        A setting is missing, and there is no terminal to prompt on.

    Notes
    -----
    Each missing setting is looked up in the environment (``XNAT_HOST``, ``XNAT_USER``,
    ``XNAT_PASS``, ``XNAT_TOKEN``), in ``~/.netrc`` and in ``~/.xnatPass``, and then prompted for
    on the terminal.

    Examples
    --------
    ::

        with pyxnat.Interface('https://central.xnat.org', 'me', 'secret') as central:
            for subject in central.select.project('OASIS3').subjects():
                print(subject.label())
    """

    # services that few programs use are loaded on first access
    inspect: Inspector = service('services.inspector.Inspector')
    array: ArrayData = service('services.arrays.ArrayData')
    arrow: ArrowTables = service('services.arrow.ArrowTables')
    draw: Draw = service('services.draw.Draw')
    locks: Locks = service('services.lock.Locks')
    sheets: Sheets = service('services.sheets.Sheets')
    manage: Manager = service('services.manage.Manager')
    xpath: XpathStore = service('services.xpath_store.XpathStore')

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
        self._share_session = share_session
        self._assemble(settings, None, Timeouts.of(timeout), retries, cachedir, jobs)
        self.cache.mode = 'offline' if offline else 'online'
        if settings.prompted:
            self._transport.open_session()

    def _assemble(
        self,
        settings: configuration.Settings,
        session: Session | None,
        timeouts: Timeouts,
        retries: int,
        cachedir: Any,
        jobs: int,
    ) -> None:
        self._settings = settings
        folder = None
        if is_folder(settings.server):
            folder = Folder(settings.server, settings.is_owner)
            folder.place()  # a wrong folder is an error now
        if session is None:
            login = folder.login if folder is not None and settings.is_owner else ''
            session = Session(settings.server, settings.credentials, login=login)
        this = weakref.ref(self)  # the finalizer must not keep the Interface alive
        self.cache = Cache(
            configuration.cache_folder(cachedir), settings.server, lambda: _account(session, this())
        )
        self._transport = Transport(
            session,
            self.cache,
            verify=settings.verify,
            proxy=settings.proxy,
            timeouts=timeouts,
            retries=retries,
            cert=settings.cert,
            folder=folder,
        )
        self.connection = Connection(
            self._transport, self.cache, None if self._exec_is_own else self._exec, also_of_requests
        )
        forget(self)
        self.select = Select(self)
        self.search = SearchEngine(self)
        self.owners = Owners(self)
        self.sides = Sides(self)
        self.transfer = Transfer(self)
        self.bulk = Bulk(self)
        self.walker = Walker(self, jobs if self._exec_is_own else 1)
        self._finalizer = weakref.finalize(self, _close_collected, self._transport)

    def _end_previous(self) -> None:
        """End the session of an earlier ``__init__`` of the same object.

        Subclasses reconnect by calling ``__init__`` again.
        """
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
        """Return the name of the login's account. One request.

        It is ``guest`` without a login, and the owner's name with an alias token.
        """
        body = self._exec(f'{uris.ENTRY}/auth').decode('utf-8', 'replace')
        match = re.search("User '(.*)' is logged in", body)
        if match is None:
            raise errors.UnexpectedAnswer(
                f'the server sent {body[:100]!r}',
                uri=f'{self._server}{uris.ENTRY}/auth',
                method='GET',
            )
        return match.group(1)

    def prefetch(self, selection: Any) -> int:
        """Fill the cache with an element or a collection, for offline work.

        Parameters
        ----------
        selection : Element, collection or str
            A `str` is a path of `select`. All descendants are fetched, files included.

        Returns
        -------
        int
            The number of files of the selection, all of which are now in the cache.

        Notes
        -----
        One request for each listing and document, and one for each file not cached yet.

        Examples
        --------
        ::

            interface.prefetch('/projects/P/subjects/S1')
            interface.cache.mode = 'offline'
        """
        return self.transfer.prefetch(
            self.select(selection) if isinstance(selection, str) else selection
        )

    def __repr__(self) -> str:
        return f'<Interface {self._user or "guest"}@{self._server}>'

    def __enter__(self) -> Interface:
        return self

    def __exit__(self, *exception: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Log out and close the connections. One request at most.

        The session is ended only if this process opened it. A later request opens another.
        """
        self._transport.close_session()

    def trace(self, path: str | os.PathLike[str] | None = None) -> AbstractContextManager[Trace]:
        """Record the requests and cache hits while a block runs.

        Parameters
        ----------
        path : path, optional
            File to which a line of JSON is appended for each: method, uri, status, bytes,
            milliseconds, attempt, whether from the cache. It contains no secrets.

        Returns
        -------
        context manager
            Gives the `Trace`.

        Examples
        --------
        ::

            with interface.trace() as trace:
                interface.select.projects().get()
            print(trace)
        """
        return self.connection.trace(path)

    def save_config(self, location: str | os.PathLike[str]) -> None:
        """Write server and login to a JSON file. No request.

        The file holds the password too, and only its owner can read it (mode 0600).
        """
        path = configuration.write_config(location, self._settings)
        log.info('wrote %s (mode 0600)', path)

    def load_config(self, location: str | os.PathLike[str]) -> None:
        """Connect with the settings of a file written by `save_config`.

        Elements selected earlier use the new server from now on.
        """
        settings = configuration.read_config(location)
        self._end_previous()
        self._assemble(
            settings,
            None,
            self._transport.timeouts,
            self._transport.retries,
            self.cache.cachedir,
            self.walker.jobs,
        )

    def _exec(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        force_preemptive_auth: bool = False,
        **kwargs: Any,
    ) -> bytes:
        """Send one request and return the small body of its response.

        All small requests of the library call this method, so a subclass can see and change them.

        Parameters
        ----------
        uri : str
            Percent-encoded, relative to the server's URL; the leading slash is optional.
        method : str
            HTTP method.
        body : Body or dict
            For GET, query parameters.
        headers : mapping, optional
            Additional headers.
        force_preemptive_auth : bool
            Accepted and ignored: the first request always carries the credentials.
        timeout : float or pair, optional
            Seconds for this request.
        expiration : float or None, optional
            Maximum age, in seconds, of a cached response; 0 always sends the request.
        **kwargs
            Other keyword arguments of ``requests.request``, such as ``files``; then the cache is
            not used.

        Returns
        -------
        bytes
            The body of the response.

        Raises
        ------
        DatabaseError
            For a status other than 2xx, and for an HTML page. If the program has imported
            requests, a network error is also an instance of the matching requests exception.
        """
        if kwargs.keys() <= {'timeout', 'expiration'}:
            return self.connection.send(uri, method, body, headers, **kwargs)
        kwargs.pop('expiration', None)
        return self._http.execute(uri, method, body, headers, **kwargs)

    @property
    def _exec_is_own(self) -> bool:
        """Whether `_exec` is this class's own, and need not see every request."""
        return getattr(self._exec, '__func__', None) is Interface._exec

    def _get_json(self, uri: str) -> list[Row]:
        """Return the rows of a table. One request.

        Rows of a listing of files have an additional column, ``path``.
        """
        return self.connection.rows(uri)

    def without_secrets(self) -> Callable[[], Interface]:
        """Return a function for another process that connects to the same server.

        No request. Its pickle has the name of the login, but neither password nor session. The
        Interface that it returns finds its password in the environment or ``~/.netrc``, when it is
        needed.
        """
        return partial(_restore, {**self._state(), 'share_session': False, 'proved': []})

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._share_session:
            return _restore, (self._state(),)
        self._transport.open_session()
        return _restore, ({**self._state(), 'cookies': self._transport.session.cookies()},)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Return its identity: server and login. No request."""
        return ('pyxnat', self._server, self._user)

    def _state(self) -> dict[str, Any]:
        """Return the settings in pickles, without secrets."""
        return {
            'class': type(self),
            'server': self._server,
            'login': self._transport.session.login,
            'cookies': {},
            'verify': self._settings.verify,
            'proxy': without_credentials(self._settings.proxy),
            'cert': self._settings.cert,
            'is_owner': self._settings.is_owner,
            'timeouts': self._transport.timeouts,
            'retries': self._transport.retries,
            'jobs': self.walker.jobs,
            'cachedir': str(self.cache.cachedir),
            'cache': (self.cache.mode, self.cache.expiration, self.cache.max_bytes),
            'share_session': self._share_session,
            'proved': sorted(self.transfer.proved),
        }


def _config_or_cachedir(config: Any, cachedir: Any) -> tuple[Any, Any]:
    """Take an existing file in the fourth argument for a configuration file.

    The fourth argument was a cache folder in pyxnat 0.9 and a configuration file in 1.x.
    """
    if config is None and cachedir is not None and os.path.isfile(os.path.expanduser(cachedir)):
        warnings.warn(
            'pass a configuration file as config=; the fourth argument is the cache folder',
            DeprecationWarning,
            stacklevel=3,
        )
        return cachedir, None
    return config, cachedir


_RESTORED: dict[tuple[Any, ...], Interface] = {}
"""Unpickled Interfaces, kept so that the tasks of a worker share connections and session."""

_EXIT_TIMEOUT_S = (2, 5)


def _restore(state: dict[str, Any]) -> Interface:
    """Return the Interface of a pickle, with a session.

    The session is that of this process if it has one, else the one in the pickle.
    """
    key = (
        state['class'],
        state['server'],
        state['login'],
        state['cachedir'],
        state['verify'],
        state['proxy'],
        state['cert'],
        state['is_owner'],
    )
    interface = _RESTORED.get(key)
    if interface is None:
        interface = _RESTORED[key] = _rebuild(state)
    session = interface.connection.transport.session
    if not session.is_open:
        session.add_cookies(state['cookies'])
    interface.transfer.proved.update(state['proved'])
    return interface


def _rebuild(state: dict[str, Any]) -> Interface:
    server, login = state['server'], state['login']
    session = None if state['is_owner'] else known_session(server, login)
    if session is None and not state['is_owner']:
        session = Session(
            server,
            login=login,
            cookies=state['cookies'],
            find_credentials=lambda: _find_credentials(server, login),
        )
        if login and not state['cookies']:
            session.credentials = _find_credentials(
                server, login, offline=state['cache'][0] == 'offline'
            )
    settings = configuration.Settings(
        server,
        None if session is None else session.credentials,
        state['verify'],
        state['proxy'],
        state['cert'],
        is_owner=state['is_owner'],
    )
    interface: Interface = state['class'].__new__(state['class'])
    interface._share_session = state['share_session']
    interface._assemble(
        settings, session, state['timeouts'], state['retries'], state['cachedir'], state['jobs']
    )
    interface.cache.mode, interface.cache.expiration, interface.cache.max_bytes = state['cache']
    finalizers = sys.modules.get('multiprocessing.util')
    if finalizers is not None:  # workers of a pool exit without running atexit handlers
        finalizers.Finalize(None, _close, args=(interface.connection.transport,), exitpriority=10)
    return interface


def _find_credentials(server: str, login: str, offline: bool = False) -> Any:
    """Look up credentials for an unpickled Interface without a session."""
    return configuration.resolve(server, login, prompt=False, offline=offline).credentials


def _account(session: Session, interface: Interface | None) -> str:
    """Return the account that owns the cache.

    One request for an alias token that is used for the first time.
    """
    credentials = session.credentials
    if credentials is None or not credentials.is_token:
        return session.login
    if interface is None:
        raise errors.InterfaceError(
            'the owner of the cache is unknown: keep its Interface as long as the cache'
        )
    return account_of(interface.cache.server_folder, credentials.login, interface.whoami)


_STALLED: dict[str, float] = {}
"""Server -> monotonic time at which it did not answer the end of a session."""
_STALLED_S = 60.0
_WAITING: deque[Transport] = deque()
"""Of Interfaces that were collected in threads that have not used them."""
_SOON_S = 1.0
"""Time after which a thread of its own ends their sessions."""


def _close_collected(transport: Transport) -> None:
    """End the session of an Interface that was deleted or collected.

    The garbage collector runs in any thread. One that has nothing to do with the Interface leaves
    it to others: it may be the one that has to answer, of a server in this process.
    """
    is_first = not _WAITING
    _WAITING.append(transport)
    if threading.current_thread() is threading.main_thread() or transport.is_used_here:
        _close_waiting()
    elif is_first:
        timer = threading.Timer(_SOON_S, _close_waiting)
        timer.daemon = True
        with suppress(RuntimeError):  # the interpreter exits, and the main thread ends them
            timer.start()


@atexit.register
def _close_waiting() -> None:
    while _WAITING:
        with suppress(IndexError):  # another thread was faster
            _close(_WAITING.popleft())


def _close(transport: Transport) -> None:
    """End the session when its Interface is deleted or the process exits.

    A server that did not answer is left alone for a minute, so that it is waited for once, however
    many sessions are open there.
    """
    since = time.monotonic() - _STALLED.get(transport.server, -math.inf)
    try:
        transport.close_session(timeout=_EXIT_TIMEOUT_S, request=since > _STALLED_S)
    except errors.DatabaseError as error:
        if isinstance(error, errors.NetworkError):
            _STALLED[transport.server] = time.monotonic()
        log.warning('the session on %s was not ended: %s', transport.server, error)
