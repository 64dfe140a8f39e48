"""Tests of the sources of server and credentials, with a separate home folder and environment."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from pyxnat.errors import ConfigurationError
from pyxnat.http import settings as config
from pyxnat.http.session import Credentials
from pyxnat.http.settings import (
    Settings,
    cache_folder,
    parse_xnat_pass,
    read_config,
    resolve,
    write_config,
)

URL = 'https://xnat.example.org'
posix = pytest.mark.skipif(os.name != 'posix', reason='permissions are those of POSIX')


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty home folder and no variable of the library; there is no terminal."""
    for name in list(os.environ):
        if name.startswith(('XNAT_', 'PYXNAT_', 'XDG_', 'LOCALAPPDATA')) or name in (
            'NETRC',
            'REQUESTS_CA_BUNDLE',
            'CURL_CA_BUNDLE',
            'SSL_CERT_FILE',
        ):
            monkeypatch.delenv(name)
    folder = tmp_path / 'home'
    folder.mkdir()
    monkeypatch.setenv('HOME', str(folder))
    monkeypatch.setenv('USERPROFILE', str(folder))
    monkeypatch.setattr(sys, 'stdin', io.StringIO())
    monkeypatch.delitem(sys.modules, 'ipykernel', raising=False)
    return folder


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding='utf-8')
    path.chmod(mode)
    return path


def login(settings: Settings) -> tuple[str, str, str]:
    assert settings.credentials is not None
    return settings.server, settings.credentials.login, settings.credentials.secret


# -- each source by itself -------------------------------------------------------------------------


def test_arguments_are_sufficient() -> None:
    settings = resolve(
        URL + '/', 'me', 'secret', provider='ldap', verify=__file__, proxy='http://proxy:3128'
    )
    assert settings == Settings(
        URL, Credentials('me', 'secret', 'ldap'), __file__, 'http://proxy:3128', prompted=False
    )


def test_certificates_are_verified_by_default() -> None:
    assert resolve(URL, 'me', 'secret').verify is True
    assert resolve(URL, 'me', 'secret', verify=False).verify is False


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {'XNAT_HOST': URL, 'XNAT_USER': 'me', 'XNAT_PASS': 'secret'}.items():
        monkeypatch.setenv(name, value)
    assert login(resolve()) == (URL, 'me', 'secret')


@pytest.mark.parametrize('given', [('alias', 'secret'), ['alias', 'secret'], 'alias:secret'])
def test_a_token_replaces_user_and_password(given: Any) -> None:
    assert login(resolve(URL, token=given)) == (URL, 'alias', 'secret')


def test_a_token_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XNAT_TOKEN', 'alias:se:cret')
    assert login(resolve(URL)) == (URL, 'alias', 'se:cret')


@pytest.mark.parametrize('wrong', ['alias', ('a',), ('a', 'b', 'c')])
def test_an_invalid_token_is_an_error_that_does_not_show_it(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match='pair of alias and secret') as caught:
        resolve(URL, token=wrong)
    assert repr(wrong) not in str(caught.value)


def test_netrc_is_read(home: Path) -> None:
    write(
        home / '.netrc',
        'machine other.org login you password theirs\nmachine xnat.example.org login me password '
        'secret\n',
    )
    assert login(resolve(URL + ':8443/xnat')) == (URL + ':8443/xnat', 'me', 'secret')


@pytest.mark.parametrize(
    ('server', 'user'),
    [
        ('http://xnat.example.org:8080', 'with_port'),
        ('http://xnat.example.org:8080/xnat', 'with_port'),
        ('https://xnat.example.org:8443', 'of_host'),
        ('https://xnat.example.org', 'of_host'),
        ('https://other.example.org:9000', 'other'),
    ],
)
def test_a_machine_in_netrc_may_have_a_port(home: Path, server: str, user: str) -> None:
    lines = [
        'machine xnat.example.org login of_host password 1',
        'machine xnat.example.org:8080 login with_port password 2',
        'machine other.example.org:9000 login other password 3',
        'default login nobody password 4',
    ]
    write(home / '.netrc', '\n'.join(lines) + '\n')
    assert login(resolve(server))[1] == user


def test_netrc_may_be_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        'NETRC',
        str(write(home / 'elsewhere', 'machine xnat.example.org login me password secret\n')),
    )
    assert login(resolve(URL)) == (URL, 'me', 'secret')


def test_an_unreadable_netrc_is_an_error_that_names_it(home: Path) -> None:
    path = write(home / '.netrc', 'nonsense here\n')
    with pytest.raises(ConfigurationError, match=str(path)):
        resolve(URL)


def test_xnat_pass_is_read(home: Path) -> None:
    write(
        home / '.xnatPass',
        '-old@xnat.example.org=x\n+me@xnat.example.org:8443/xnat=se=cret\n+you@other.org=y\n',
    )
    assert login(resolve()) == (URL + ':8443/xnat', 'me', 'se=cret')
    assert login(resolve(URL + ':8443/xnat')) == (URL + ':8443/xnat', 'me', 'se=cret')


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('', None),
        ('me@host=pw', None),
        ('+me@host', None),
        ('+me@host=pw', ('host', 'me', 'pw')),
        ('# comment\n\n  +me@host:80/x=p=w \n', ('host:80/x', 'me', 'p=w')),
        ('+a@b=1\n+c@d=2', ('b', 'a', '1')),
        ('+me@host=', ('host', 'me', '')),
        ('+me@host=p@w', ('host', 'me', 'p@w')),
        ('+me@example.org@host:80/x=p=w', ('host:80/x', 'me@example.org', 'p=w')),
        ('+me@example.org@host=p@w', ('host', 'me@example.org', 'p@w')),
        ('+@host=pw', None),
        ('+me@=pw', None),
    ],
)
def test_the_first_line_with_a_plus_counts(text: str, found: tuple[str, str, str] | None) -> None:
    assert parse_xnat_pass(text) == found


def test_a_user_at_a_terminal_is_prompted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, URL, 'me')
    settings = resolve()
    assert login(settings) == (URL, 'me', 'typed') and settings.prompted


def test_the_prompt_is_only_for_missing_items(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    assert login(resolve(URL, 'me')) == (URL, 'me', 'typed')
    assert not resolve(URL, 'me', 'secret').prompted


def test_a_notebook_counts_as_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    monkeypatch.setattr(sys, 'stdin', io.StringIO())
    monkeypatch.setitem(sys.modules, 'ipykernel', sys)
    assert login(resolve(URL, 'me'))[2] == 'typed'


def test_a_guest_is_prompted_only_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, URL)
    settings = resolve(anonymous=True)
    assert settings.server == URL and settings.credentials is None


def terminal(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Simulate a user who types these lines, and 'typed' for the password."""
    lines = iter(answers)
    stdin = io.StringIO()
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, 'stdin', stdin)
    monkeypatch.setattr('builtins.input', lambda prompt: next(lines))
    monkeypatch.setattr('getpass.getpass', lambda: 'typed')


# -- precedence, item by item ----------------------------------------------------------------------

SOURCES = ('arguments', 'environment', 'netrc', 'xnatPass')


@pytest.mark.parametrize('best', range(len(SOURCES)), ids=SOURCES)
def test_the_earlier_source_takes_precedence(
    best: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, str] = {'server': URL}
    for number in range(best, len(SOURCES)):
        user, password = f'user{number}', f'secret{number}'
        if number == 0:
            arguments.update(user=user, password=password)
        elif number == 1:
            monkeypatch.setenv('XNAT_USER', user)
            monkeypatch.setenv('XNAT_PASS', password)
        elif number == 2:
            write(home / '.netrc', f'machine xnat.example.org login {user} password {password}\n')
        else:
            write(home / '.xnatPass', f'+{user}@xnat.example.org={password}\n')
    assert login(resolve(**arguments)) == (URL, f'user{best}', f'secret{best}')  # type: ignore[arg-type]


def test_items_may_come_from_different_sources(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XNAT_HOST', URL)
    write(home / '.netrc', 'machine xnat.example.org login me password secret\n')
    assert login(resolve()) == (URL, 'me', 'secret')
    assert login(resolve(user='me')) == (URL, 'me', 'secret')
    assert login(resolve(password='mine')) == (URL, 'me', 'mine')


def test_a_password_is_used_only_with_its_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XNAT_USER', 'you')
    monkeypatch.setenv('XNAT_PASS', 'yours')
    write(home / '.netrc', 'machine xnat.example.org login she password hers\n')
    write(home / '.xnatPass', '+me@xnat.example.org=mine\n')
    assert login(resolve(URL, 'me')) == (URL, 'me', 'mine')
    assert login(resolve(URL, 'she')) == (URL, 'she', 'hers')
    with pytest.raises(ConfigurationError, match='password'):
        resolve(URL, 'he')


def test_a_password_is_used_only_for_its_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        'XNAT_HOST': 'https://other.org',
        'XNAT_USER': 'me',
        'XNAT_PASS': 'secret',
    }.items():
        monkeypatch.setenv(name, value)
    write(home / '.netrc', 'machine third.org login me password secret\n')
    write(home / '.xnatPass', '+me@fourth.org=secret\n')
    with pytest.raises(ConfigurationError, match='user, password'):
        resolve(URL)


def test_a_token_is_used_only_for_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XNAT_HOST', 'https://other.org')
    monkeypatch.setenv('XNAT_TOKEN', 'alias:secret')
    with pytest.raises(ConfigurationError):
        resolve(URL)


def test_other_spellings_of_the_same_server_match(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        'XNAT_HOST': 'XNAT.example.org/',
        'XNAT_USER': 'me',
        'XNAT_PASS': 'secret',
    }.items():
        monkeypatch.setenv(name, value)
    assert login(resolve(URL)) == (URL, 'me', 'secret')


def test_a_user_argument_takes_precedence_over_a_token_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('XNAT_TOKEN', 'alias:secret')
    assert login(resolve(URL, 'me', 'mine')) == (URL, 'me', 'mine')


def test_a_guest_has_no_credentials_whatever_the_sources_have(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_HOST', URL)
    monkeypatch.setenv('XNAT_USER', 'me')
    monkeypatch.setenv('XNAT_PASS', 'secret')
    monkeypatch.setenv('XNAT_TOKEN', 'alias:secret')
    settings = resolve(anonymous=True)
    assert settings.server == URL and settings.credentials is None


def test_files_are_not_read_if_all_arguments_are_given(home: Path) -> None:
    write(home / '.netrc', 'nonsense here\n')
    assert login(resolve(URL, 'me', 'secret')) == (URL, 'me', 'secret')


@pytest.mark.parametrize('name', ['XNAT_HOST', 'XNAT_USER', 'XNAT_PASS'])
def test_an_empty_variable_counts_as_not_set(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, '')
    write(home / '.netrc', 'machine xnat.example.org login me password secret\n')
    assert login(resolve(URL)) == (URL, 'me', 'secret')


# -- nothing found ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'missing'),
    [
        ({}, 'server, user, password'),
        ({'server': URL}, 'user, password'),
        ({'server': URL, 'user': 'me'}, 'password'),
        ({'user': 'me'}, 'server, password'),
    ],
)
def test_without_a_terminal_the_error_names_missing_items_and_all_sources(
    arguments: dict[str, str], missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=f'No {missing} to connect with') as caught:
        resolve(**arguments)  # type: ignore[arg-type]
    text = str(caught.value)
    for source in (
        'server=',
        'user=',
        'password=',
        'token=',
        'config=',
        'XNAT_HOST',
        'XNAT_USER',
        'XNAT_PASS',
        'XNAT_TOKEN',
        '.netrc',
        '.xnatPass',
        'terminal',
    ):
        assert source in text


def test_a_guest_without_a_server_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match='No server to connect with'):
        resolve(anonymous=True)


def test_there_is_no_prompt_if_prompting_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    with pytest.raises(ConfigurationError):
        resolve(URL, 'me', prompt=False)


# -- permissions and plain http --------------------------------------------------------------------


@posix
@pytest.mark.parametrize('name', ['.netrc', '.xnatPass', 'config.json'])
@pytest.mark.parametrize('mode', [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_gives_a_warning_with_the_remedy(
    name: str, mode: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ask = private_file(home, name, mode)
    with pytest.warns(UserWarning, match=f'chmod 600 {path}') as caught:
        assert login(ask()) == (URL, 'me', 'secret')
    assert len(caught) == 1 and 'secret' not in str(caught[0].message)
    monkeypatch.setenv('PYXNAT_STRICT', '1')
    with pytest.raises(ConfigurationError, match=f'chmod 600 {path}'):
        ask()


@posix
@pytest.mark.parametrize('name', ['.netrc', '.xnatPass', 'config.json'])
def test_a_file_that_only_its_owner_can_read_gives_no_warning(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ask = private_file(home, name, 0o600)
    monkeypatch.setenv('PYXNAT_STRICT', '1')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert login(ask()) == (URL, 'me', 'secret')


def private_file(home: Path, name: str, mode: int) -> tuple[Path, Any]:
    texts = {
        '.netrc': 'machine xnat.example.org login me password secret\n',
        '.xnatPass': '+me@xnat.example.org=secret\n',
        'config.json': json.dumps({'server': URL, 'user': 'me', 'password': 'secret'}),
    }
    path = write(home / name, texts[name], mode)
    return path, (lambda: read_config(path)) if name == 'config.json' else (lambda: resolve(URL))


@posix
def test_a_netrc_without_this_server_gives_no_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / '.netrc', 'machine other.org login you password theirs\n', 0o644)
    write(home / '.xnatPass', '+me@xnat.example.org=secret\n')
    monkeypatch.setenv('PYXNAT_STRICT', '1')
    assert login(resolve(URL)) == (URL, 'me', 'secret')


def test_plain_http_gives_a_warning_unless_it_is_local() -> None:
    with pytest.warns(UserWarning, match='not https'):
        resolve('http://xnat.example.org', 'me', 'secret')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for url in (
            'http://localhost:8080',
            'http://127.0.0.1:1',
            'http://127.0.0.9',
            'http://[::1]:8080',
            URL,
        ):
            resolve(url, 'me', 'secret')


# -- the configuration file ------------------------------------------------------------------------


@pytest.mark.parametrize(
    'settings',
    [
        Settings(URL, Credentials('me', 'secret')),
        Settings(URL, Credentials('me', 'ä:"\\', 'ldap'), __file__, 'http://proxy:3128'),
        Settings(URL, Credentials('me', 'secret'), False),
        Settings(URL),
    ],
)
def test_a_written_configuration_can_be_read(settings: Settings, tmp_path: Path) -> None:
    path = write_config(tmp_path / 'new' / 'folder' / 'xnat.json', settings)
    assert read_config(path) == read_config(str(path)) == settings
    assert [one.name for one in path.parent.iterdir()] == ['xnat.json'], (
        'nothing else is left beside it'
    )


@posix
def test_only_its_owner_can_read_a_written_file(tmp_path: Path) -> None:
    path = write(tmp_path / 'xnat.json', '{}', 0o666)
    write_config(path, Settings(URL, Credentials('me', 'secret')))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    assert write_config('~/xnat.json', Settings(URL)) == home / 'xnat.json'
    assert read_config('~/xnat.json').server == URL


def test_a_file_without_a_user_gives_a_guest_connection(home: Path) -> None:
    content = {'server': URL + '/', 'anonymous': True}
    assert read_config(write(home / 'c.json', json.dumps(content))) == Settings(URL)


@pytest.mark.parametrize(
    'content',
    [
        {'server': URL},
        {'server': URL, 'username': 'me', 'password': 'x'},
        {'server': URL, 'User': 'me', 'password': 'x'},
        {'server': URL, 'user': 'me', 'password': 'x', 'passwd': 'x'},
        {'server': URL, 'user': '', 'password': 'x'},
        {'server': URL, 'user': None, 'password': None},
        {'server': URL, 'user': 'me', 'password': None},
        {'server': URL, 'user': 5, 'password': 'x'},
        {'server': URL, 'password': 'x'},
        {'server': URL, 'anonymous': False},
        {'server': URL, 'anonymous': 'true'},
        {'server': URL, 'anonymous': True, 'user': 'me', 'password': 'x'},
        {'server': None, 'anonymous': True},
        {'server': 7, 'user': 'me', 'password': 'x'},
        {'user': 'me', 'password': 'x'},
        {'server': URL, 'user': 'me', 'password': 'x', 'verify': '/no/such.pem'},
        {'server': URL, 'user': 'me', 'password': 'x', 'verify': 0},
    ],
)
def test_a_configuration_with_other_keys_is_no_guest(content: dict[str, Any], home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'key|no server|no user|no password|login|verify'):
        read_config(write(home / 'c.json', json.dumps(content)))


def test_a_configuration_of_0_9_is_read(home: Path) -> None:
    content = {'server': URL, 'user': 'me', 'password': 'x', 'cachedir': '/tmp'}
    assert login(read_config(write(home / 'c.json', json.dumps(content)))) == (URL, 'me', 'x')


# -- authorities -----------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'SSL_CERT_FILE'])
@pytest.mark.parametrize('given', [None, True])
def test_the_bundle_of_the_environment_is_used(
    name: str, given: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = str(write(home / 'ca.pem', ''))
    monkeypatch.setenv(name, '~/ca.pem')
    assert resolve(URL, 'me', 'x', verify=given).verify == bundle
    assert resolve('http://localhost', 'me', 'x', verify=given).verify is True
    assert resolve(URL, 'me', 'x', verify=False).verify is False
    assert resolve(URL, 'me', 'x', verify=__file__).verify == __file__
    config = write_config(home / 'c.json', Settings(URL, Credentials('me', 'x')))
    assert read_config(config).verify == bundle
    monkeypatch.setenv(name, str(home / 'gone.pem'))
    with pytest.raises(ConfigurationError, match=rf'gone\.pem.*{name}'):
        resolve(URL, 'me', 'x')


@pytest.mark.parametrize('verify', ['/no/such.pem', '~/none', '', '.', 'false', 5, [True]])
def test_a_missing_bundle_is_an_error_at_once(verify: Any) -> None:
    with pytest.raises(ConfigurationError, match='verify='):
        resolve(URL, 'me', 'x', verify=verify)


def test_the_bundle_can_be_a_path_object(home: Path) -> None:
    bundle = write(home / 'ca.pem', '')
    assert resolve(URL, 'me', 'x', verify=bundle).verify == str(bundle)


def test_a_server_without_verification_is_warned_of_once() -> None:
    server = 'https://unverified.example.org'
    with pytest.warns(UserWarning, match='not checked'):
        resolve(server, 'me', 'x', verify=False)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        resolve(server, 'me', 'x', verify=False)
        resolve('http://localhost', 'me', 'x', verify=False)
    with pytest.warns(UserWarning, match='not checked'):
        resolve(f'{server}:8443', 'me', 'x', verify=False)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'nowhere\.json does not exist'):
        read_config(tmp_path / 'nowhere.json')


@pytest.mark.parametrize(
    'text',
    ['', 'server = x', '{"user": "me"}', '"text"', '[1]', 'null', '{"server": "ftp://host"}'],
)
def test_an_invalid_configuration_is_an_error(text: str, home: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_config(write(home / 'c.json', text))


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_config(tmp_path)


def test_a_user_without_a_password_is_an_error(home: Path) -> None:
    with pytest.raises(ConfigurationError, match='password'):
        read_config(write(home / 'c.json', json.dumps({'server': URL, 'user': 'me'})))


# -- secrets and the cache folder ------------------------------------------------------------------


def test_no_repr_or_message_shows_a_secret() -> None:
    credentials = Credentials('me', 'TOPSECRET', 'ldap')
    settings = Settings(URL, credentials)
    given = config._Given(URL, 'me', 'TOPSECRET')
    for thing in (credentials, settings, given):
        formatted = '%s %r' % (thing, [thing])  # noqa: UP031
        for text in (repr(thing), str(thing), f'{thing}', formatted, format(thing)):
            assert 'TOPSECRET' not in text and 'me' in text


def test_no_repr_or_message_shows_the_password_of_a_proxy() -> None:
    assert 'TOPSECRET' not in repr(Settings(URL, proxy='http://me:TOPSECRET@proxy:3128'))


def test_credentials_can_be_pickled_explicitly() -> None:
    assert pickle.loads(pickle.dumps(Credentials('me', 'secret'))) == Credentials('me', 'secret')


def test_the_cache_folder_is_the_argument_the_variable_or_the_default(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home in cache_folder().parents
    if sys.platform == 'linux':
        assert cache_folder() == home / '.cache' / 'pyxnat'
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
        assert cache_folder() == tmp_path / 'xdg' / 'pyxnat'
    monkeypatch.setenv('PYXNAT_CACHEDIR', str(tmp_path / 'variable'))
    assert cache_folder() == tmp_path / 'variable'
    assert (
        cache_folder(tmp_path / 'argument')
        == cache_folder(str(tmp_path / 'argument'))
        == tmp_path / 'argument'
    )
    assert cache_folder('~/x') == home / 'x'


def test_a_relative_cache_folder_does_not_change_with_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cache_folder('here') == tmp_path / 'here' and cache_folder('here').is_absolute()
