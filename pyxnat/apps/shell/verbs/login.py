"""Verbs about logins: login, logout, profiles, whoami, token."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import urlsplit

import click

from ....errors import InvalidArgument
from ....interface import Interface
from ..options import dry_run_option
from ..profiles import Profile
from ..session import Shell

__all__ = [
    'VERBS',
    'login',
    'logout',
    'profiles',
    'token_group',
    'token_list',
    'token_renew',
    'token_revoke',
    'whoami',
]


def _name_of(server: str) -> str:
    """Return a profile name for a server: the host without ``www`` and ``xnat``."""
    parts = [part for part in (urlsplit(server).hostname or server).split('.') if part]
    chosen = [part for part in parts if part not in ('www', 'xnat')]
    return parts[0] if not chosen or parts[0].isdigit() else chosen[0]


def _ask(text: str, given: str | None, hidden: bool = False) -> str:
    if given:
        return given
    if not sys.stdin.isatty():
        raise InvalidArgument(
            f'{text} is missing',
            remedy='Without a terminal give --user, and the secret by --secret-file or - (stdin).',
        )
    answer: str = click.prompt(text, hide_input=hidden, err=True)
    return answer


def _secret(given: str | None, label: str) -> str:
    """Return the secret: from standard input (``-``), a file, or a prompt."""
    if given == '-':
        return sys.stdin.readline().rstrip('\r\n')
    if given:
        with open(given, encoding='utf-8') as file:
            return file.readline().rstrip('\r\n')
    return _ask(label, None, hidden=True)


@click.command('login')
@click.argument('server')
@click.option('--user', help='Login, or the alias of a token.')
@click.option('--secret-file', help='File with the password or secret; - reads standard input.')
@click.option('--token', is_flag=True, help='Log in with alias and secret of a token.')
@click.option('--issue', is_flag=True, help='Store a new token in place of the password.')
@click.option('--provider', help='Login provider of the server (LDAP and such).')
@click.option('--name', default='', help='Name of the profile. Default: from the server.')
@click.option('--no-verify', is_flag=True, help='Do not check the certificate.')
@click.option('--ca', help='File with the certificates to trust.')
@click.pass_obj
def login(
    shell: Shell,
    server: str,
    user: str | None,
    secret_file: str | None,
    token: bool,
    issue: bool,
    provider: str | None,
    name: str,
    no_verify: bool,
    ca: str | None,
) -> None:
    """Log in to SERVER and store the login as the current profile.

    The server is asked who one is; nothing is stored if it names a guest or nobody. The secret goes
    to the system's keyring, or else to a file that only its owner can read.
    """
    user = _ask('Alias' if token else 'User', user or shell.user)
    secret = _secret(secret_file, 'Secret' if token else 'Password')
    verify: bool | str = ca or not no_verify
    options: dict[str, Any] = {'token': (user, secret)} if token else {}
    if not token:
        options = {'user': user, 'password': secret, 'provider': provider}
    with Interface(server, verify=verify, **options) as interface:
        who = interface.whoami()
        address = interface.connection.server
        expires = None
        if issue and not token:
            made = interface.manage.tokens.issue()
            user, secret, token, expires = made.alias, made.secret, True, made.expires
        elif token:
            expires = _expiry(interface, user)
    profile = Profile(
        name or _name_of(address),
        address,
        user,
        secret,
        is_token=token,
        login=who,
        expires=expires,
        provider=None if token else provider,
        verify=verify,
    )
    place = shell.profiles.add(profile)
    shell.output.fields({'profile': profile.name, 'server': address, 'login': who})
    shell.output.note(f'The secret is stored in {place}.')
    if warning := profile.warning():
        shell.output.error(f'Warning: {warning}')


def _expiry(interface: Interface, alias: str) -> float | None:
    return next((one.expires for one in interface.manage.tokens() if one.alias == alias), None)


@click.command('logout')
@click.argument('name', default='')
@click.option('--revoke', is_flag=True, help='Revoke the token on the server, too.')
@click.pass_obj
def logout(shell: Shell, name: str, revoke: bool) -> None:
    """Remove a stored login (default: the current one)."""
    profile = shell.profiles.get(name or shell.profile)
    if profile is None:
        raise InvalidArgument('There is no stored login', remedy='List them with: pyxnat profiles')
    if revoke and profile.is_token:
        shell.connect(profile.name).manage.tokens.revoke((profile.user, profile.secret))
    shell.profiles.remove(profile.name)
    shell.output.note(f'Removed profile {profile.name}.')


@click.command('profiles')
@click.argument('name', default='')
@click.pass_obj
def profiles(shell: Shell, name: str) -> None:
    """List the stored logins; with NAME, make that one the current one."""
    if name:
        shell.profiles.use(name)
    rows = (
        {
            'name': one.name,
            'current': '*' if one.name == shell.profiles.current else '',
            'server': one.server,
            'login': one.login,
            'kind': 'token' if one.is_token else 'password',
            'expires': _date(one.expires),
        }
        for one in shell.profiles
    )
    shell.output.rows(rows, ['name', 'current', 'server', 'login', 'kind', 'expires'])


def _date(seconds: float | None) -> str:
    return '' if seconds is None else time.strftime('%Y-%m-%d %H:%M', time.localtime(seconds))


@click.command('whoami')
@click.pass_obj
def whoami(shell: Shell) -> None:
    """Show server, login and expiry of the token, as the server says. Two requests."""
    profile = None if shell.server else shell.profiles.get(shell.profile)
    interface = shell.connect()
    found = {
        'login': interface.whoami(),
        'server': interface.connection.server,
        'profile': profile.name if profile else '',
        'version': interface.version().get('version', ''),
    }
    if profile is not None and profile.expires is not None:
        found['expires'] = _date(profile.expires)
    shell.output.fields(found)


@click.group('token')
def token_group() -> None:
    """List, renew and revoke alias tokens."""


@token_group.command('list')
@click.pass_obj
def token_list(shell: Shell) -> None:
    """List the tokens of the login. One request."""
    rows = (
        {'alias': one.alias, 'login': one.login, 'expires': _date(one.expires)}
        for one in shell.connect().manage.tokens()
    )
    shell.output.rows(rows, ['alias', 'login', 'expires'])


@token_group.command('renew')
@dry_run_option
@click.pass_obj
def token_renew(shell: Shell, dry_run: bool) -> None:
    """Replace the token of the profile by a new one, and revoke the old one."""
    profile = shell.profiles.get(shell.profile)
    if profile is None or not profile.is_token:
        raise InvalidArgument(
            'The profile has no token', remedy='Get one with: pyxnat login URL --issue'
        )
    if dry_run:
        shell.would(f'replace the token of {profile.name}')
        return
    made = shell.connect(profile.name).manage.tokens.renew((profile.user, profile.secret))
    profile.user, profile.secret, profile.expires = made.alias, made.secret, made.expires
    shell.profiles.add(profile)
    shell.output.fields({'profile': profile.name, 'expires': _date(made.expires)})


@token_group.command('revoke')
@click.argument('alias')
@dry_run_option
@click.pass_obj
def token_revoke(shell: Shell, alias: str, dry_run: bool) -> None:
    """Revoke the token ALIAS of the login."""
    tokens = shell.connect().manage.tokens
    found = next((one for one in tokens() if one.alias == alias), None)
    if found is None:
        raise InvalidArgument(f'There is no token {alias!r}', remedy='See: pyxnat token list')
    if dry_run:
        shell.would(f'revoke {alias}')
        return
    tokens.revoke(found)
    shell.output.note(f'Revoked {alias}.')


VERBS: dict[str, click.Command] = {
    str(command.name): command for command in (login, logout, profiles, whoami, token_group)
}
