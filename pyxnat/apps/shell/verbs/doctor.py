"""The verb doctor: the steps of a connection, one after the other."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import click

from ....errors import AuthenticationError, Error, InvalidArgument
from ..exit_codes import Exit, exit_code
from ..session import Shell

__all__ = ['VERBS', 'Step', 'doctor']

_CLOCK_S = 300
"""Difference of clocks in seconds from which it is reported."""


@click.command('doctor')
@click.pass_obj
def doctor(shell: Shell) -> int:
    """Check the connection step by step.

    Name, port, certificate, login, rights, version, clock. Steps after a failed one that needs them
    are left out. Six requests at most.
    """
    rows = []
    status = Exit.DONE
    for name, outcome, text, code in _steps(shell):
        rows.append({'check': name, 'result': outcome, 'detail': text})
        status = status or code
    shell.output.rows(rows, ['check', 'result', 'detail'])
    return int(status)


Step = tuple[str, str, str, Exit]


def _steps(shell: Shell) -> Iterator[Step]:
    interface = shell.connect()
    server: str = interface.connection.server
    parts = urlsplit(server)
    host, port = parts.hostname or '', parts.port or (443 if parts.scheme == 'https' else 80)
    yield 'server', 'ok', server, Exit.DONE
    checks: list[tuple[str, Callable[[], str]]] = [
        (
            'name',
            lambda: ', '.join(sorted({str(row[4][0]) for row in socket.getaddrinfo(host, port)})),
        ),
        ('port', lambda: _open(host, port)),
    ]
    if parts.scheme == 'https':
        checks.append(('certificate', lambda: _certificate(host, port)))
    checks += [
        ('login', lambda: _login(interface)),
        ('version', lambda: str(interface.version().get('version', ''))),
        ('rights', lambda: _rights(interface)),
        ('clock', lambda: _clock(interface)),
    ]
    for name, check in checks:
        try:
            yield name, 'ok', check(), Exit.DONE
        except ssl.SSLError as error:
            yield name, 'failed', f'{error}; give its certificates with login --ca', Exit.NETWORK
            return
        except OSError as error:
            yield name, 'failed', f'{error}; check address, proxy and firewall', Exit.NETWORK
            return
        except Error as error:
            yield name, 'failed', str(error), exit_code(error)
            if name == 'login':
                return
    warning = '' if shell.server else _token_warning(shell)
    if warning:
        yield 'token', 'warning', warning, Exit.DONE


def _open(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=10):
        return f'{host}:{port} answers'


def _certificate(host: str, port: int) -> str:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        ends = str((secure.getpeercert() or {}).get('notAfter', ''))
        return f'{secure.version()}, valid until {ends}'


def _login(interface: Any) -> str:
    who: str = interface.whoami()
    if who == 'guest':
        raise AuthenticationError(
            'the server takes this login for a guest', remedy='Log in again: pyxnat login URL'
        )
    return f'logged in as {who}'


def _rights(interface: Any) -> str:
    projects = len(interface.select('/projects').get())
    if not projects:
        raise InvalidArgument(
            'this login sees no project', remedy='Ask an owner of a project for access.'
        )
    return f'{projects} projects are visible'


def _clock(interface: Any) -> str:
    sent = interface.get('/data/version').headers.get('date')
    parsed = email.utils.parsedate_to_datetime(sent) if sent else None
    if parsed is None:
        return 'the server names no time'
    apart = abs(parsed.timestamp() - time.time())
    return 'as here' if apart < _CLOCK_S else f'{apart:.0f} seconds apart (harmless to pyxnat)'


def _token_warning(shell: Shell) -> str:
    profile = shell.profiles.get(shell.profile)
    return profile.warning() if profile is not None else ''


VERBS: dict[str, click.Command] = {'doctor': doctor}
