"""The verb api: any REST request with the login."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..exit_codes import Exit
from ..options import dry_run_option
from ..session import Shell

__all__ = ['VERBS', 'api']


@click.command('api')
@click.argument('method', type=click.Choice(['GET', 'PUT', 'POST', 'DELETE'], case_sensitive=False))
@click.argument('uri')
@click.option('-d', '--data', help='Body; @FILE reads a file, - standard input.')
@click.option('-t', '--type', 'type_', default='', help='Content type of the body.')
@click.option('-o', '--output', help='File for the answer.')
@dry_run_option
@click.pass_obj
def api(
    shell: Shell,
    method: str,
    uri: str,
    data: str | None,
    type_: str,
    output: str | None,
    dry_run: bool,
) -> int:
    """Send a request with the login, such as api GET /data/projects?format=json.

    The body of the answer goes to standard output, whatever its status; a status from 400 on gives
    the exit status of its error.
    """
    if dry_run:
        shell.would(f'send {method.upper()} {uri}')
        return int(Exit.DONE)
    options: dict[str, Any] = {'headers': {'Content-Type': type_}} if type_ else {}
    if data is not None:
        options['data'] = _body(data)
    interface = shell.connect()
    response = getattr(interface, method.lower())(uri if uri[:1] == '/' else f'/{uri}', **options)
    if output is None:
        shell.output.bytes(response.content)
    else:
        Path(output).write_bytes(response.content)
    if response.ok:
        return int(Exit.DONE)
    shell.output.error(f'\npyxnat: status {response.status_code}')
    response.raise_for_status()
    return int(Exit.SOME_FAILED)


def _body(data: str) -> Any:
    if data == '-':
        return sys.stdin.buffer.read()
    return Path(data[1:]).read_bytes() if data.startswith('@') else data.encode()


VERBS: dict[str, click.Command] = {'api': api}
