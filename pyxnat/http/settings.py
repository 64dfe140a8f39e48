"""Connection settings: server, credentials, certificates and cache folder.

Each missing item is taken from the next source: arguments, environment, ``~/.netrc``,
``~/.xnatPass``, a prompt.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..files.disk import publish
from ..model.uris import normalise_server
from .folder import is_folder
from .session import Credentials

__all__ = [
    'XNAT_PASS_FILE',
    'Settings',
    'cache_folder',
    'parse_xnat_pass',
    'read_config',
    'resolve',
    'write_config',
]

XNAT_PASS_FILE = '~/.xnatPass'
_BUNDLES = ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'SSL_CERT_FILE')
"""Variables that name a CA bundle, in the order of precedence."""
_UNVERIFIED: set[str] = set()
"""Servers whose certificate is not checked, and which were warned of."""
_REQUIRED_KEYS = ('server', 'user', 'password')
_KEYS = frozenset((*_REQUIRED_KEYS, 'verify', 'proxy', 'cert', 'provider', 'anonymous', 'cachedir'))
"""Keys of a configuration file. pyxnat 0.9 wrote ``cachedir``, which is not used."""
_SOURCES = (
    'arguments (server=, user=, password= or token=), a file (config=), the environment '
    '(XNAT_HOST, XNAT_USER, XNAT_PASS, XNAT_TOKEN), '
    '~/.netrc, ~/.xnatPass, or a prompt on a terminal'
)


class Settings(NamedTuple):
    """Settings of a connection; ``repr`` hides the secret."""

    server: str
    credentials: Credentials | None = None
    verify: bool | str = True
    proxy: str | None = None
    cert: tuple[str, str] | None = None
    prompted: bool = False
    """A person typed them at a terminal; the login should be checked at once."""
    is_owner: bool = False
    """The server is a folder, whose owner needs no login."""

    def __repr__(self) -> str:
        return (
            f'Settings(server={self.server!r}, credentials={self.credentials!r}, '
            f'verify={self.verify!r})'
        )


class _Given(NamedTuple):
    """Settings known so far; `None` for unknown ones."""

    server: str | None = None
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f'_Given(server={self.server!r}, user={self.user!r})'

    def or_else(self, other: _Given) -> _Given:
        """Return the settings, completed from another source.

        Nothing is taken from a source for another server, and no password of another user.
        """
        if (
            other.server
            and self.server
            and normalise_server(other.server) != normalise_server(self.server)
        ):
            return self
        filled = self._replace(server=self.server or other.server, user=self.user or other.user)
        if self.password is None and other.user in (None, filled.user):
            filled = filled._replace(password=other.password)
        return filled

    @property
    def is_complete(self) -> bool:
        return bool(self.server and self.user and self.password is not None)


def resolve(
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    anonymous: bool = False,
    token: Any = None,
    provider: str | None = None,
    verify: bool | str | None = None,
    proxy: str | None = None,
    cert: Any = None,
    prompt: bool = True,
    offline: bool = False,
) -> Settings:
    """Return the settings of a connection, completed from all sources.

    Parameters
    ----------
    server : str, optional
        URL of the server, or of a folder (``file:///…``), which needs no login.
    user, password : str, optional
        Credentials.
    anonymous : bool
        Whether to connect as a guest.
    token : pair or str, optional
        Alias and secret, or ``alias:secret``, in place of user and password.
    provider : str, optional
        Name of the authentication provider, such as an LDAP server.
    verify : bool or str, optional
        Whether to check certificates (default: yes); a `str` is the path of a CA bundle (PEM).
        Default: the bundle that ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` or ``SSL_CERT_FILE``
        names, else the authorities that every browser trusts.
    proxy : str, optional
        URL of a proxy.
    cert : path or pair of paths, optional
        Files (PEM) of the client's certificate and key, or one file with both.
    prompt : bool
        Whether to ask at the terminal for missing items.
    offline : bool
        Whether the cache is offline, so that no password is needed.

    Raises
    ------
    ConfigurationError
        An item is missing and there is no terminal; the message names every source.
    """
    if token and (user or password or anonymous):
        raise ConfigurationError('Give a token or a user with a password, not both')
    if token:
        user, password = _token(token)
    given = _Given(server, user, password)
    given = given if is_folder(server or '') else _complete(given, anonymous)
    if is_folder(given.server or '') and given.user is None and not anonymous:
        return Settings(normalise_server(str(given.server)), is_owner=True)
    if offline and given.password is None:
        given = given._replace(password='')
    given, prompted = _prompt(given, anonymous, prompt)
    url = normalise_server(given.server or '')
    _warn_if_unencrypted(url)
    credentials = (
        None if anonymous else Credentials(given.user or '', given.password or '', provider)
    )
    return Settings(url, credentials, _verify(verify, url), proxy, _cert(cert), prompted)


def _complete(given: _Given, anonymous: bool) -> _Given:
    """Fill missing items from the environment and from files, in this order."""
    for source in (_from_environment, _from_netrc, _from_xnat_pass):
        if not given.is_complete and not (anonymous and given.server):
            given = given.or_else(source(given))
    return given


def _warn_if_unencrypted(url: str) -> None:
    scheme, host = urlsplit(url).scheme, str(urlsplit(url).hostname)
    if scheme == 'http' and host not in ('localhost', '::1') and not host.startswith('127.'):
        warnings.warn(f'{url} is not https: password and data are sent unencrypted', stacklevel=3)


def _verify(given: Any, url: str) -> bool | str:
    """Return whether certificates are checked, or the path of a CA bundle."""
    source = 'verify='
    if given is None or given is True:
        is_encrypted = url.startswith('https:')
        source = next((name for name in _BUNDLES if is_encrypted and os.environ.get(name)), '')
        if not source:
            return True
        given = os.environ[source]
    if given is False:
        _warn_of_unverified(url)
        return False
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigurationError(f'verify={given!r} is not True, False or the path of a CA bundle')
    path = os.path.expanduser(os.fspath(given))
    if not os.path.isfile(path):
        raise ConfigurationError(
            f'There is no file {path} with the certificates of authorities ({source}). Give the '
            'path of a CA bundle (PEM), or True for the authorities that every browser trusts'
        )
    return path


def _warn_of_unverified(url: str) -> None:
    """Warn once for each server that its certificate is not checked."""
    if url.startswith('https:') and url not in _UNVERIFIED:
        _UNVERIFIED.add(url)
        warnings.warn(
            f'the certificate of {url} is not checked (verify=False): others can read the password '
            'and change the data. Give verify= the CA bundle of the site instead',
            stacklevel=5,
        )


def _cert(cert: Any) -> tuple[str, str] | None:
    """Return the paths of certificate and key, from a pair or one file."""
    if cert is None:
        return None
    pair = (cert, cert) if isinstance(cert, (str, os.PathLike)) else tuple(cert)
    if len(pair) != 2:
        raise ConfigurationError(
            'A client certificate is a file, or a pair of the files of certificate and key'
        )
    paths = tuple(os.path.expanduser(path) for path in pair)
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise ConfigurationError(f'There is no file {missing[0]} with a client certificate or key')
    return paths[0], paths[1]


def _token(token: Any) -> tuple[str, str]:
    parts = (
        tuple(token.split(':', 1))
        if isinstance(token, str)
        else tuple(token)[: 2 if hasattr(token, 'alias') else None]
    )
    if len(parts) != 2:
        raise ConfigurationError(
            "A token is a pair of alias and secret, or the text 'alias:secret' (as in XNAT_TOKEN)"
        )
    return parts[0], parts[1]


def _from_environment(given: _Given) -> _Given:
    environ = os.environ
    if environ.get('XNAT_TOKEN') and given.user is None:
        return _Given(environ.get('XNAT_HOST'), *_token(environ['XNAT_TOKEN']))
    return _Given(
        environ.get('XNAT_HOST'), environ.get('XNAT_USER'), environ.get('XNAT_PASS') or None
    )


def _from_netrc(given: _Given) -> _Given:
    path = Path(os.environ.get('NETRC', Path.home() / '.netrc'))
    if not given.server or not path.is_file():
        return _Given()
    import netrc  # few programs need it

    parts = urlsplit(normalise_server(given.server))
    try:
        logins = netrc.netrc(str(path))
        with_port = f'{parts.hostname}:{parts.port}' if parts.port else ''
        host = with_port if with_port in logins.hosts else parts.hostname
        entry = logins.authenticators(host or '')
    except netrc.NetrcParseError as error:
        raise ConfigurationError(f'{path} cannot be read: {error}') from error
    if entry is None:
        return _Given()
    _check_private(path)
    return _Given(given.server, entry[0], entry[2])


def _from_xnat_pass(given: _Given) -> _Given:
    path = Path(XNAT_PASS_FILE).expanduser()
    if not path.is_file():
        return _Given()
    found = parse_xnat_pass(path.read_text(encoding='utf-8'))
    if found is None:
        return _Given()
    _check_private(path)
    return _Given(*found)


def parse_xnat_pass(text: str) -> tuple[str, str, str] | None:
    """Return server, user and password of the first login in ``~/.xnatPass``.

    A login is a line ``+user@host[:port][/path]=password``. The user may be an e-mail address. The
    password begins after the first ``=``, and may contain others. `None` if there is no such line.
    """
    for line in text.splitlines():
        entry = re.fullmatch(r'\+([^=]+)@([^@=]+)=(.*)', line.strip())
        if entry:
            user, server, password = entry.groups()
            return server, user, password
    return None


def _prompt(given: _Given, anonymous: bool, allowed: bool) -> tuple[_Given, bool]:
    complete = bool(given.server) if anonymous else given.is_complete
    if complete:
        return given, False
    has_terminal = 'ipykernel' in sys.modules or bool(sys.stdin and sys.stdin.isatty())
    if not (allowed and has_terminal):
        missing = [
            name
            for name in ('server', *(() if anonymous else ('user', 'password')))
            if getattr(given, name) in (None, '')
        ]
        raise ConfigurationError(
            f'No {", ".join(missing)} to connect with. It can come from {_SOURCES}; there is no '
            'terminal for a prompt'
        )
    server = given.server or input('Server: ')
    user = given.user if anonymous else given.user or input('User: ')
    password = given.password
    if password is None and not anonymous:
        from getpass import getpass

        password = getpass()
    return _Given(server, user, password), True


def read_config(location: str | os.PathLike[str]) -> Settings:
    """Read settings from a JSON file.

    Keys: ``server``, ``user``, ``password``, ``verify``, ``proxy``, ``cert``, ``provider``; the
    first three are required. With ``"anonymous": true`` in place of user and password, requests are
    made as a guest; a folder needs neither.

    Raises
    ------
    ConfigurationError
        The file does not exist or is not valid, has an unknown key, or lacks a required one.
    """
    path = Path(location).expanduser()
    try:
        content = dict(json.loads(path.read_text(encoding='utf-8')).items())
    except FileNotFoundError:
        raise ConfigurationError(
            f'The configuration {path} does not exist. Interface.save_config writes one'
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f'The configuration {path} is not a JSON object with server, user and password '
            f'({error})'
        ) from error
    credentials = None
    if _checked_keys(content, path):
        _check_private(path)
        credentials = Credentials(content['user'], content['password'], content.get('provider'))
    server = normalise_server(content['server'])
    return Settings(
        server,
        credentials,
        _verify(content.get('verify'), server),
        content.get('proxy'),
        _cert(content.get('cert')),
        is_owner=credentials is None and _is_of_owner(content),
    )


def _checked_keys(content: dict[str, Any], path: Path) -> bool:
    """Return whether a configuration has a login, after a check of its keys."""
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise ConfigurationError(
            f'The configuration {path} has unknown keys: {", ".join(unknown)}. There are: '
            f'{", ".join(sorted(_KEYS - {"cachedir"}))}'
        )
    is_guest = content.get('anonymous') is True
    required = _REQUIRED_KEYS[:1] if is_guest or _is_of_owner(content) else _REQUIRED_KEYS
    missing = [name for name in required if not isinstance(content.get(name), str)]
    empty = [name for name in required[:2] if content.get(name) == '']
    if missing or empty:
        raise ConfigurationError(
            f'The configuration {path} has no {", ".join([*missing, *empty])}. For a guest give '
            '"anonymous": true in place of user and password'
        )
    if is_guest and (content.get('user') or content.get('password')):
        raise ConfigurationError(f'The configuration {path} has "anonymous": true and a login')
    return 'user' in required


def _is_of_owner(content: dict[str, Any]) -> bool:
    """Whether a configuration is of a folder, without a login."""
    has_login = 'user' in content or content.get('anonymous') is True
    return is_folder(str(content.get('server'))) and not has_login


def write_config(location: str | os.PathLike[str], settings: Settings) -> Path:
    """Write settings, including the password, to a file of mode 0600.

    Parameters
    ----------
    location : path
        Path of the file; missing folders are created.
    settings : Settings
        Settings to write.

    Returns
    -------
    Path
        Path of the file.
    """
    path = Path(location).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        'server': settings.server,
        'verify': settings.verify,
        'proxy': settings.proxy,
        'cert': settings.cert,
    }
    if settings.credentials:
        content.update(
            user=settings.credentials.login,
            password=settings.credentials.secret,
            provider=settings.credentials.provider,
        )
    elif not settings.is_owner:
        content['anonymous'] = True
    given = {name: value for name, value in content.items() if value is not None}
    with publish(path, mode=0o600) as file:
        file.write(json.dumps(given, indent=2).encode())
    return path


def _check_private(path: Path) -> None:
    """Warn if others can read a file with a password, or raise.

    It raises if the environment has ``PYXNAT_STRICT=1``.
    """
    if os.name != 'posix' or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    warning = f'Others can read {path}, which holds a password. Close it with: chmod 600 {path}'
    if os.environ.get('PYXNAT_STRICT') == '1':
        raise ConfigurationError(warning)
    warnings.warn(warning, stacklevel=2)


def cache_folder(cachedir: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache folder.

    `cachedir` if given, else ``PYXNAT_CACHEDIR``, else the folder of the operating system.
    """
    given = cachedir or os.environ.get('PYXNAT_CACHEDIR')
    if given:
        return Path(given).expanduser().absolute()
    if os.name == 'nt':
        return (
            Path(os.environ.get('LOCALAPPDATA', Path.home() / 'AppData' / 'Local'))
            / 'pyxnat'
            / 'Cache'
        )
    if sys.platform == 'darwin':
        return Path.home() / 'Library' / 'Caches' / 'pyxnat'
    return Path(os.environ.get('XDG_CACHE_HOME', Path.home() / '.cache')) / 'pyxnat'
