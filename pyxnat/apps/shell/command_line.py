"""The command's options, its table of verbs, and its errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from ...errors import Error, printable
from ...version import __version__
from .exit_codes import Exit, exit_code
from .options import respell
from .output import FORMATS, Output

__all__ = ['VERBS', 'cli', 'options_first', 'run']

VERBS: dict[str, tuple[str, str]] = {
    'login': ('login', 'Log in to a server and store the login as a profile.'),
    'logout': ('login', 'Remove a stored login.'),
    'profiles': ('login', 'List the stored logins, or choose one.'),
    'whoami': ('login', 'Show server, login and expiry of the token.'),
    'token': ('login', 'List, renew and revoke alias tokens.'),
    'doctor': ('doctor', 'Check the connection step by step.'),
    'ls': ('look', 'List the elements below a path.'),
    'tree': ('look', 'Show the levels below a path as a tree.'),
    'show': ('look', 'Show the fields of one element.'),
    'fields': ('look', 'List the fields of an element with their values.'),
    'du': ('look', 'Show sizes and numbers of files below a path.'),
    'cat': ('look', 'Write the content of a file to standard output.'),
    'get': ('transfer', 'Download files; complete and verify an earlier download.'),
    'put': ('transfer', 'Upload files and folders.'),
    'rm': ('change', 'Delete an element with everything below.'),
    'mv': ('change', 'Rename a subject, session or assessor.'),
    'cp': ('change', 'Copy an element to another place or server.'),
    'vars': ('change', 'Show or set fields and custom variables.'),
    'search': ('search', 'Search by criteria such as "xnat:subjectData/AGE > 60".'),
    'table': ('search', 'Write fields of all elements of a path as a table.'),
    'sheet': ('sheet', 'Write fields to a spreadsheet, and apply the edited one.'),
    'mirror': ('mirror', 'Work without a network on projects in a folder: pull, push.'),
    'import': ('imports', 'Send DICOM files.'),
    'prearchive': ('imports', 'List, archive, move or delete sessions of the prearchive.'),
    'share': ('project', 'Share an element into another project, or end a share.'),
    'access': ('project', 'Show or set who may read a project.'),
    'users': ('project', 'List, add or remove the users of a project.'),
    'run': ('project', 'Start a pipeline on a session.'),
    'jobs': ('project', 'List the pipeline jobs of a session.'),
    'cache': ('local', 'Show or clear the local cache.'),
    'serve': ('local', 'Serve an archive in a folder.'),
    'demo': ('local', 'Run the demo.'),
    'api': ('api', 'Send any REST request with the login.'),
    'completion': ('local', 'Print the completion script of a shell.'),
}
"""Verb -> module below ``verbs`` and one line of help. Modules are loaded on use."""


class _Verbs(click.Group):
    """The verbs of the table, each loaded on its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = import_module(f'.verbs.{VERBS[cmd_name][0]}', __package__)
        command: click.Command = module.VERBS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # from the table, without loading the verbs
        with formatter.section('Verbs'):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


_OF_VERBS = {'--user', '--version', '--help', '-h'}
"""Options that verbs have, too: they stay where they are."""
_WITHOUT_LOG = {'--version', '--help', '-h'}
_EXPLAINED = {Exit.DONE, Exit.USAGE, Exit.NOT_FOUND, Exit.INTERRUPTED}
"""Exit status of runs whose message says all."""
_PASSED_ON = ('serve', 'demo')
"""Verbs whose arguments are those of another program."""
_EPILOG = """Exit status: 0 done, 1 some items failed, 2 usage, 3 not found, 4 login, 5 rights,
6 network, 7 conflict, 8 integrity, 130 interrupted."""


@click.group(cls=_Verbs, epilog=_EPILOG, context_settings={'help_option_names': ['-h', '--help']})
@click.option('-p', '--profile', default='', help='Stored login (see: pyxnat profiles).')
@click.option('--server', help='Server, instead of a stored login.')
@click.option('--user', help='Login at that server; the password comes from $XNAT_PASS or netrc.')
@click.option(
    '-f', '--format', 'format_', type=click.Choice(FORMATS), default='human', help='Output format.'
)
@click.option('-q', '--quiet', is_flag=True, help='Names alone, and no messages but errors.')
@click.option('-y', '--yes', is_flag=True, help='Confirm everything.')
@click.option('-j', '--jobs', type=click.IntRange(1, 64), default=4, help='Parallel requests.')
@click.option('--offline', is_flag=True, help='Answer from the cache alone.')
@click.option('--no-color', is_flag=True, help='No colours (also: $NO_COLOR).')
@click.version_option(__version__, prog_name='pyxnat')
@click.pass_context
def cli(
    context: click.Context,
    profile: str,
    server: str | None,
    user: str | None,
    format_: str,
    quiet: bool,
    yes: bool,
    jobs: int,
    offline: bool,
    no_color: bool,
) -> None:
    """Work with an XNAT archive: verbs on paths, like those of a file system.

    A path is PROJECT/SUBJECT/SESSION/SCAN/RESOURCE/FILE, shorter for elements above, with * and ?
    as wildcards; or a path of the library such as /projects/P//files. PROFILE: before a path names
    another stored login.
    """
    colour = not (no_color or os.environ.get('NO_COLOR'))
    output = Output('quiet' if quiet else format_, colour)
    session = import_module('.session', __package__)  # loads the library: not for --help
    shell = session.Shell(output, profile, server, user, jobs, yes, offline)
    context.obj = shell
    context.call_on_close(shell.close)
    if quiet:
        context.with_resource(
            import_module('...http.progress', __package__).progress_bar(0, show=False)
        )


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ['--help']
    if not set(given) - _WITHOUT_LOG:
        return _status(given)
    log = import_module('.logs', __package__).RunLog()
    try:
        status = _status(given)
        if log.has_failure and status not in _EXPLAINED:
            click.echo(_written(log, given), err=True)
    finally:
        log.end()
    return status


def _written(log: Any, given: Sequence[str]) -> str:
    """Write the log, and return the line that names it."""
    try:
        return f'The log of this run: {log.write(given)}'
    except OSError as error:  # a home that cannot be written
        return f'There is no log of this run: {error}'


def _status(given: Sequence[str]) -> int:
    """Run the command, show its error, and return its exit status."""
    try:
        found = cli.main(options_first(given), 'pyxnat', standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return int(Exit.USAGE)
    except click.Abort as error:  # Ctrl-C at a prompt
        raise KeyboardInterrupt from error
    except SystemExit as error:  # of another program's options, such as serve --help
        return error.code if isinstance(error.code, int) else int(Exit.SOME_FAILED)
    except BrokenPipeError:
        return _broken_pipe()
    except (Error, OSError) as error:
        _log_error(error)
        message = respell(printable(str(error)), _verb(given).params)
        click.echo(f'pyxnat: {message}', err=True)
        return int(exit_code(error))
    return int(found or 0)


def _verb(given: Sequence[str]) -> click.Command:
    """Return the verb that a command line names, the whole command if none."""
    found: click.Command = cli
    for word in options_first(given):
        if isinstance(found, click.Group):
            found = found.get_command(click.Context(found), word) or found
    return found


def _log_error(error: BaseException) -> None:
    logging = import_module('logging')  # loaded with the log, and not for --version
    logging.getLogger('pyxnat.shell').info('failed', exc_info=error)


def options_first(arguments: Sequence[str]) -> list[str]:
    """Move the options of the command before the verb; they may stand anywhere.

    >>> options_first(['ls', 'P', '--format', 'json', '-q'])
    ['--format', 'json', '-q', 'ls', 'P']
    """
    flags = {name for one in cli.params if isinstance(one, click.Option) for name in one.opts}
    with_value = {
        name
        for one in cli.params
        if isinstance(one, click.Option) and not one.is_flag
        for name in one.opts
    }
    moved: list[str] = []
    left: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == '--' or (left and left[0] in _PASSED_ON):
            left += [word, *rest]
            break
        name = word.partition('=')[0]
        if name in flags - _OF_VERBS:
            moved.append(word)
            if name in with_value and '=' not in word and rest:
                moved.append(rest.pop(0))
        else:
            left.append(word)
    return [*moved, *left]


def _broken_pipe() -> int:
    """Close standard output quietly: its reader has gone, as ``head`` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(Exit.DONE)
