"""Where server and credentials come from, item by item: arguments, environment, ``~/.netrc``, ``~/.xnatPass``, a prompt."""

from __future__ import annotations

import getpass
import json
import netrc
import os
import re
import stat
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..model.uris import normalise_server
from .session import Credentials

__all__ = ['XNAT_PASS_FILE', 'Settings', 'cache_folder', 'parse_xnat_pass', 'read_config', 'resolve', 'write_config']

XNAT_PASS_FILE = '~/.xnatPass'
_SOURCES = (
    'arguments (server=, user=, password= or token=), a file (config=), the environment (XNAT_HOST, XNAT_USER, XNAT_PASS, XNAT_TOKEN), '
    '~/.netrc, ~/.xnatPass, or a prompt on a terminal'
)


class Settings(NamedTuple):
    """What a connection needs to be made. No secret shows in a text."""

    server: str
    credentials: Credentials | None = None
    verify: bool | str = True
    proxy: str | None = None
    cert: tuple[str, str] | None = None
    prompted: bool = False
    """Somebody sat at the terminal and typed: they want to know at once whether it works."""

    def __repr__(self) -> str:
        return f'Settings(server={self.server!r}, credentials={self.credentials!r}, verify={self.verify!r})'


class _Given(NamedTuple):
    """What is known so far; `None` is not known."""

    server: str | None = None
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f'_Given(server={self.server!r}, user={self.user!r})'

    def or_else(self, other: _Given) -> _Given:
        """Filled up from a further source. A password only goes with the user, and a user with the server, it stands beside there."""
        if other.server and self.server and normalise_server(other.server) != normalise_server(self.server):
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
    """Settings from what was given and what can be found; `prompt` says whether a person may be asked, `offline` that no password is needed.

    Raises
    ------
    ConfigurationError
        When something is missing and there is no terminal to ask at; it names every source.
    """
    given = _Given(server, user, password)
    if token and (user or password or anonymous):
        raise ConfigurationError('Give a token or a user with a password, not both')
    if token:
        given = given._replace(user=_token(token)[0], password=_token(token)[1])
    for source in (_from_environment, _from_netrc, _from_xnat_pass):
        if not given.is_complete and not (anonymous and given.server):
            given = given.or_else(source(given))
    if offline and given.password is None:
        given = given._replace(password='')
    given, prompted = _prompt(given, anonymous, prompt)
    url = normalise_server(given.server or '')
    _warn_of_plain_http(url)
    credentials = None if anonymous else Credentials(given.user or '', given.password or '', provider)
    return Settings(url, credentials, True if verify is None else verify, proxy, _cert(cert), prompted)


def _cert(cert: Any) -> tuple[str, str] | None:
    """Certificate and key: two files, or one that holds both."""
    if cert is None:
        return None
    pair = (cert, cert) if isinstance(cert, (str, os.PathLike)) else tuple(cert)
    if len(pair) != 2:
        raise ConfigurationError('A client certificate is a file, or a pair of the files of certificate and key')
    found = tuple(os.path.expanduser(path) for path in pair)
    missing = [path for path in found if not os.path.isfile(path)]
    if missing:
        raise ConfigurationError(f'There is no file {missing[0]} with a client certificate or key')
    return found[0], found[1]


def _token(token: Any) -> tuple[str, str]:
    parts = tuple(token.split(':', 1)) if isinstance(token, str) else tuple(token)[: 2 if hasattr(token, 'alias') else None]
    if len(parts) != 2:
        raise ConfigurationError("A token is a pair of alias and secret, or the text 'alias:secret' (as in XNAT_TOKEN)")
    return parts[0], parts[1]


def _from_environment(given: _Given) -> _Given:
    environ = os.environ
    if environ.get('XNAT_TOKEN') and given.user is None:
        return _Given(environ.get('XNAT_HOST'), *_token(environ['XNAT_TOKEN']))
    return _Given(environ.get('XNAT_HOST'), environ.get('XNAT_USER'), environ.get('XNAT_PASS') or None)


def _from_netrc(given: _Given) -> _Given:
    path = Path(os.environ.get('NETRC', Path.home() / '.netrc'))
    if not given.server or not path.is_file():
        return _Given()
    try:
        entry = netrc.netrc(str(path)).authenticators(urlsplit(normalise_server(given.server)).hostname or '')
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
    """Server, user and password of the first line ``+user@host[:port][/path]=password``; `None` where there is none.

    The password begins behind the first ``=``, and may hold others.
    """
    for line in text.splitlines():
        entry = re.fullmatch(r'\+([^@]+)@([^=]+)=(.*)', line.strip())
        if entry:
            user, server, password = entry.groups()
            return server, user, password
    return None


def _prompt(given: _Given, anonymous: bool, allowed: bool) -> tuple[_Given, bool]:
    complete = bool(given.server) if anonymous else given.is_complete
    if complete:
        return given, False
    if not (allowed and _has_terminal()):
        missing = [name for name in ('server', *(() if anonymous else ('user', 'password'))) if getattr(given, name) in (None, '')]
        raise ConfigurationError(f'No {", ".join(missing)} to connect with. It can come from {_SOURCES}; there is no terminal here to ask at')
    server = given.server or input('Server: ')
    user = given.user if anonymous else given.user or input('User: ')
    password = given.password if anonymous or given.password is not None else getpass.getpass()
    return _Given(server, user, password), True


def _has_terminal() -> bool:
    return 'ipykernel' in sys.modules or bool(sys.stdin and sys.stdin.isatty())


def read_config(location: str | os.PathLike[str]) -> Settings:
    """Settings from a JSON file with ``server``, ``user``, ``password`` and, where needed, ``verify``, ``proxy``, ``cert``, ``provider``.

    Without a user the server is asked as a guest.
    """
    path = Path(location).expanduser()
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        server, user, password = content['server'], content.get('user'), content.get('password')
    except FileNotFoundError:
        raise ConfigurationError(f'The configuration {path} does not exist. Interface.save_config writes one') from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f'The configuration {path} is not a JSON object with server, user and password ({error})') from error
    if password is not None:
        _check_private(path)
    elif user:
        raise ConfigurationError(f'The configuration {path} has a user and no password')
    credentials = Credentials(user, password, content.get('provider')) if user and password is not None else None
    verify = content.get('verify')
    return Settings(normalise_server(server), credentials, True if verify is None else verify, content.get('proxy'), _cert(content.get('cert')))


def write_config(location: str | os.PathLike[str], settings: Settings) -> Path:
    """Write settings, the password too, to a file that its owner alone can read (0600)."""
    path = Path(location).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {'server': settings.server, 'verify': settings.verify, 'proxy': settings.proxy, 'cert': settings.cert}
    if settings.credentials:
        content.update(user=settings.credentials.login, password=settings.credentials.secret, provider=settings.credentials.provider)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    with os.fdopen(descriptor, 'w', encoding='utf-8') as file:
        json.dump({name: value for name, value in content.items() if value is not None}, file, indent=2)
    os.replace(temporary, path)
    return path


def _check_private(path: Path) -> None:
    """Others must not read a file that holds a password."""
    if os.name != 'posix' or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    text = f'Others can read {path}, which holds a password. Close it with: chmod 600 {path}'
    if os.environ.get('PYXNAT_STRICT') == '1':
        raise ConfigurationError(text)
    warnings.warn(text, stacklevel=2)


def _warn_of_plain_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == 'http' and parts.hostname not in ('localhost', '::1') and not str(parts.hostname).startswith('127.'):
        warnings.warn(f'{url} is not https: password and data go over the network as they are', stacklevel=2)


def cache_folder(cachedir: str | os.PathLike[str] | None = None) -> Path:
    """The cache folder: as given, or ``PYXNAT_CACHEDIR``, or the place that the system has for caches."""
    given = cachedir or os.environ.get('PYXNAT_CACHEDIR')
    if given:
        return Path(given).expanduser().absolute()
    if os.name == 'nt':
        return Path(os.environ.get('LOCALAPPDATA', Path.home() / 'AppData' / 'Local')) / 'pyxnat' / 'Cache'
    if sys.platform == 'darwin':
        return Path.home() / 'Library' / 'Caches' / 'pyxnat'
    return Path(os.environ.get('XDG_CACHE_HOME', Path.home() / '.cache')) / 'pyxnat'
