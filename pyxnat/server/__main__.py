"""``python -m pyxnat.server DIR``: serve an archive until it is interrupted."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .db.access import Users, check_login
from .db.folder_locks import ArchiveBusy
from .db.migrations import ArchiveTooNew
from .db.store import Store
from .errors import Refusal
from .serving import Listener, Server, new_password
from .startup import ServedArchive
from .upkeep import command
from .web.descriptors import raise_limit
from .web.limits import Limits
from .web.tls import secured

__all__ = ['main']

PASSWORD_VARIABLE = 'PYXNAT_SERVER_PASSWORD'


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve an archive until SIGINT or SIGTERM, or reset a password.

    Returns the exit status: 0 after a signal, 1 if the archive could not be opened or the port is
    in use.
    """
    options = _parser().parse_args(arguments)
    if command.is_wanted(options):
        return command.run(options)
    raise_limit()
    try:
        password = _password(options.password_file)
        if options.reset_password is not None:
            _reset(options.folder, options.reset_password, password)
            return 0
        server, made = _start(options, password)
    except (ArchiveBusy, ArchiveTooNew, Refusal, LookupError, OSError, ValueError) as error:
        print(f'pyxnat.server: {error}', file=sys.stderr)
        return 1
    _greet(server, options, made, password is None)
    _wait()
    server.stop()
    return 0


def _start(options: argparse.Namespace, password: str | None) -> tuple[Server, bool]:
    """Start the server; also return whether a password was made for a new archive."""
    check_login(options.user)
    tls = secured(options.host, options.certificate, options.key, options.insecure)
    limits = Limits(entries=options.max_entries)
    try:
        listener = Listener(options.host, options.port, limits, tls, options.certificate)
    except OSError as error:
        raise OSError(f'cannot listen on {options.host}:{options.port}: {error}') from error
    with ExitStack() as undo:
        undo.callback(listener.close)
        archive = ServedArchive(
            options.folder,
            site=options.site,
            require_login=not options.guests,
            schemas=options.schemas,
            durable=not options.fast,
        )
        undo.callback(archive.close)
        made = password is None and not archive.users.any()
        password = new_password() if made else password
        if password is not None:
            archive.users.add(options.user, password, admin=True)
        server = Server(
            archive,
            listener,
            options.user,
            password or '',
            limits=limits,
            trust_proxy=options.trust_proxy,
        )
        undo.pop_all()
    return server, made


def _reset(folder: Path, login: str, password: str | None) -> None:
    """Give a user another password, and print it if it was made here."""
    check_login(login)
    if not (folder / 'archive.sqlite').is_file():
        raise FileNotFoundError(f'there is no archive in {folder}')
    store = Store(folder)
    try:
        users = Users(store)
        if not users.exists(login):
            raise LookupError(f'there is no user {login}')
        word = new_password() if password is None else password
        users.add(login, word)
        is_active = users.find(login) is not None
    finally:
        store.close()
    shown = f'  password: {word}   (shown only once)' if password is None else ' has the password'
    print(f'User: {login}{shown}')
    if not is_active:
        print(f'{login} is disabled: an administrator has to enable the user.', file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m pyxnat.server',
        description='Serve an XNAT-compatible archive from one folder.',
    )
    parser.add_argument(
        'folder', metavar='DIR', type=Path, help='folder of the archive; created if missing'
    )
    _add_network(parser)
    parser.add_argument(
        '--site',
        default='XNAT',
        help='site ID of a new archive; accession IDs start with it (default: %(default)s)',
    )
    parser.add_argument(
        '--schemas',
        type=Path,
        metavar='PATH',
        action='append',
        default=[],
        help='further XSD file or folder; may be repeated',
    )
    parser.add_argument(
        '--guests', action='store_true', help='let guests read public projects without a login'
    )
    parser.add_argument(
        '--max-entries',
        type=int,
        metavar='N',
        default=Limits().entries,
        help='most entries of an uploaded zip or tar (default: %(default)s)',
    )
    parser.add_argument(
        '--fast',
        action='store_true',
        help='answer before data are on disk: a power cut can lose the last seconds',
    )
    command.add_options(parser)
    _add_logins(parser)
    return parser


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen on (default: %(default)s, this machine only)',
    )
    parser.add_argument(
        '--port',
        type=int,
        default=8080,
        help='port to listen on, 0 for a free one (default: %(default)s)',
    )
    parser.add_argument(
        '--certificate',
        type=Path,
        metavar='FILE',
        help='certificate with its chain (PEM): serve https',
    )
    parser.add_argument(
        '--key', type=Path, metavar='FILE', help='its private key (default: in the same file)'
    )
    parser.add_argument(
        '--insecure',
        action='store_true',
        help='allow plain http on an address that other machines reach',
    )
    parser.add_argument(
        '--trust-proxy',
        action='store_true',
        help='believe the address and scheme that the proxy in front sends (X-Forwarded-For, '
        'X-Forwarded-Proto)',
    )


def _add_logins(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--user', default='admin', help='login of the administrator (default: %(default)s)'
    )
    parser.add_argument(
        '--password-file',
        type=Path,
        metavar='FILE',
        help=f"file with the administrator's password (default: ${PASSWORD_VARIABLE})",
    )
    parser.add_argument(
        '--reset-password',
        metavar='LOGIN',
        help='give this user a new password and print it, or take that of --password-file; no '
        'server may run on the folder',
    )


def _password(path: Path | None) -> str | None:
    """Return the password from the file or environment; None for neither."""
    if path is not None:
        found = path.read_text(encoding='utf-8').strip()
    else:
        found = os.environ.get(PASSWORD_VARIABLE, '')
        if not found:
            return None
    if not found:
        raise ValueError(f'{path} is empty; it must contain the password')
    return found


def _greet(server: Server, options: argparse.Namespace, made: bool, is_old: bool) -> None:
    if made:
        print(f'Administrator: {server.user}  password: {server.password}   (shown only once)')
    elif is_old:
        print(
            'All users keep their passwords. If one is lost, stop the server and run: '
            f'python -m pyxnat.server {options.folder} --reset-password {server.user}',
            file=sys.stderr,
        )
    print(f'Serving {options.folder} at {server.url}  (stop with Ctrl-C)', flush=True)


def _wait() -> None:
    """Wait for SIGINT or SIGTERM."""
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    while not stopped.wait(0.5):  # a timeout lets Windows deliver the signal
        pass


if __name__ == '__main__':
    sys.exit(main())
