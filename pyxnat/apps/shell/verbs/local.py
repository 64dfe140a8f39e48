"""Verbs without a server: cache, serve, demo, completion."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

import click
from click.shell_completion import get_completion_class

from ....errors import InvalidArgument
from ..options import dry_run_option
from ..output import size_text
from ..session import Shell

__all__ = ['VERBS', 'cache', 'completion', 'demo', 'serve']

_PASSED_ON = {'ignore_unknown_options': True, 'help_option_names': []}


@click.command('cache')
@click.option('--clear', is_flag=True, help='Remove all of it.')
@click.option('--verify', is_flag=True, help='Compare all files with their digests.')
@dry_run_option
@click.pass_obj
def cache(shell: Shell, clear: bool, verify: bool, dry_run: bool) -> None:
    """Show place and size of the cache of the current login, or clear it. No request."""
    found = shell.connect().cache
    if clear and dry_run:
        shell.would(f'remove {size_text(found.size())} in {found.folder}')
        return
    if clear and shell.confirm(f'Remove {found.folder}?'):
        found.clear()
    if verify:
        shell.output.fields({'clean': found.verify().is_clean})
    shell.output.fields({'folder': str(found.folder), 'size': size_text(found.size())})


@click.command('serve', context_settings=_PASSED_ON)
@click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> int:
    """Serve an archive in a folder: serve DIR [options].

    As python -m pyxnat.server does.
    """
    return _main_of('pyxnat.server.__main__', 'server')(list(arguments))


@click.command('demo', context_settings=_PASSED_ON)
@click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> int:
    """Fill an archive in a folder and show the library at work: demo [DIR] [options]."""
    return _main_of('pyxnat.demo.run', 'demo')(list(arguments))


def _main_of(module: str, extra: str) -> Callable[[list[str]], int]:
    """Return the function ``main`` of a program that needs an extra.

    Raises
    ------
    InvalidArgument
        The extra is not installed.
    """
    try:
        main: Callable[[list[str]], int] = import_module(module).main
    except ImportError as error:
        raise InvalidArgument(
            f'{error.name} is missing', remedy=f"pip install 'pyxnat[{extra}]'"
        ) from error
    return main


@click.command('completion')
@click.argument('shell', type=click.Choice(['bash', 'zsh', 'fish']))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL: eval "$(pyxnat completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:
        raise InvalidArgument(f'no completion for {shell}', remedy='Use bash, zsh or fish.')
    root = context.find_root().command
    sys.stdout.write(kind(root, {}, 'pyxnat', '_PYXNAT_COMPLETE').source() + '\n')


VERBS: dict[str, click.Command] = {
    str(command.name): command for command in (cache, serve, demo, completion)
}
