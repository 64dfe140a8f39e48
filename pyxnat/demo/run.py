"""Command line of the demo: serve a folder, run the story, print next steps."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, Error
from .printing import relative, say
from .story import READER, Story

if TYPE_CHECKING:
    from ..server import Server

__all__ = ['main']

PASSWORD = 'PYXNAT_SERVER_PASSWORD'
EXAMPLE = Path('examples', 'brain_masks.py')
EXTRAS = ('numpy', 'nibabel', 'PIL', 'pydicom', 'werkzeug', 'cheroot', 'sqlalchemy')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0, or 1 after printing an error to standard error."""
    chosen = _options(arguments)
    try:
        _check_extras()
        _run(chosen.folder, chosen.port, chosen.serve)
    except (Error, OSError, subprocess.CalledProcessError) as error:
        print(f'pyxnat.demo: {error}', file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        'python -m pyxnat.demo', description='Fill an archive in a folder and show pyxnat at work.'
    )
    parser.add_argument(
        'folder',
        nargs='?',
        default='demo-archive',
        type=Path,
        metavar='DIR',
        help='created if missing (default: demo-archive)',
    )
    parser.add_argument(
        '--serve', action='store_true', help='keep serving after the story, until Ctrl-C'
    )
    parser.add_argument(
        '--port',
        default=0,
        type=int,
        metavar='N',
        help='port of this machine (default: a free one)',
    )
    return parser.parse_args(arguments)


def _check_extras() -> None:
    missing = [name for name in EXTRAS if find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"the demo needs {', '.join(missing)}: pip install 'pyxnat[demo]'")


def _example() -> Path:
    """Return the script of the example, in an installed package or in a checkout."""
    here = Path(__file__).parent
    places = [here / EXAMPLE, here.parents[1] / EXAMPLE]
    for path in places:
        if path.is_file():
            return path
    raise ConfigurationError(f'{places[0]} is missing: install pyxnat again')


def _run(folder: Path, port: int, serving: bool) -> None:
    with _server(folder, port) as server:
        demo = Story(folder, _example(), server, _password(folder / 'reader-password'))
        demo.tell()
    demo.tell_offline()
    say(*_next_steps(folder, server.url, server.user))
    if serving:
        with _server(folder, port):
            _wait(server.url)


def _server(folder: Path, port: int) -> Server:
    """Serve the archive in threads of this process.

    The port of the last run is used again if it is free, so that the cache, which depends on the
    address, stays valid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    memo = folder / 'port'
    if not port and memo.exists():
        try:
            return _served(folder, int(memo.read_text(encoding='ascii')))
        except OSError:  # the port is in use: take a free one
            memo.unlink()
    server = _served(folder, port)
    memo.write_text(f'{server.port}\n', encoding='ascii')
    return server


def _served(folder: Path, port: int) -> Server:
    from ..server import ArchiveBusy, serve

    password = os.environ.get(PASSWORD) or _password(folder / 'password')
    users = {READER: _password(folder / 'reader-password')}
    try:
        return serve(folder / 'archive', port=port, password=password, users=users)
    except ArchiveBusy as error:
        raise ConfigurationError(f'{error}, or choose another folder') from error


def _password(path: Path) -> str:
    """Return the password in a file; created if missing, readable only by its owner."""
    if not path.exists():
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w', encoding='ascii'
        ) as file:
            file.write(secrets.token_urlsafe(12) + '\n')
    return path.read_text(encoding='ascii').strip()


def _next_steps(folder: Path, url: str, user: str) -> list[str]:
    """Return commands to try, valid in the current folder on this machine."""
    python = relative(Path(sys.executable))
    port = url.rstrip('/').rpartition(':')[2]
    secret = (
        f'os.environ[{PASSWORD!r}]'
        if os.environ.get(PASSWORD)
        else f'open({str(folder / "password")!r}).read().strip()'
    )
    code = (
        f'import {"os, " if os.environ.get(PASSWORD) else ""}pyxnat; x = pyxnat.Interface({url!r}, '
        f'{user!r}, {secret})'
    )
    ipython = find_spec('IPython') is not None
    return [
        '',
        f'The picture: {folder / "brain_masks.png"}',
        'To serve the archive again:',
        '  ' + _command(python, '-m', 'pyxnat.server', str(folder / 'archive'), '--port', port),
        f'To open it in {"IPython" if ipython else "Python"}:',
        '  ' + _command(python, *(['-m', 'IPython'] if ipython else []), '-i', '-c', code),
        'There, try for instance:',
        "  x.select('/projects/DEMO_AGING/subjects').get('label')",
        *_shell_steps(folder, url, user),
    ]


def _shell_steps(folder: Path, url: str, user: str) -> list[str]:
    """Return commands of the shell to try, if it is installed beside this Python."""
    command = Path(sys.executable).with_name('pyxnat')
    if os.environ.get(PASSWORD) or not command.exists():
        return []
    shell = relative(command)
    secret = str(folder / 'password')
    return [
        'On the command line, while it is served:',
        '  ' + _command(shell, 'login', url, '--user', user, '--secret-file', secret),
        '  ' + _command(shell, 'tree', 'DEMO_AGING/AG20'),
    ]


def _command(*words: str) -> str:
    """Join words into a command line for this system's shell."""
    return subprocess.list2cmdline(words) if os.name == 'nt' else ' '.join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Quote a word, with double quotes if it contains single ones.

    That is easier to read than the result of shlex.
    """
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def _wait(url: str) -> None:
    say('', f'Serving {url} until Ctrl-C.')
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        say('Stopped.')
