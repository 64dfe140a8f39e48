"""Options that several verbs have, and the spelling of options in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

__all__ = ['dry_run_option', 'planned', 'respell']

_ARGUMENT = re.compile(r"\b([a-z]\w*)=(?:'([^']*)'|(\w+))")

dry_run_option = click.option(
    '-n', '--dry-run', is_flag=True, help='Print the plan, and do nothing.'
)


def planned(command: Any) -> Any:
    """Add the options of plans."""
    for option in (
        click.option('--plan', help='Write the plan to this file, and do nothing.'),
        click.option('--apply', help='Carry out this plan, unless something changed.'),
    ):
        command = option(command)
    return command


def respell(message: str, parameters: Iterable[click.Parameter]) -> str:
    """Write the arguments in a message as options of a verb that has them.

    Messages of the library name arguments of its methods.

    >>> respell('Replace it with overwrite=True.', [click.Option(['--overwrite'], is_flag=True)])
    'Replace it with --overwrite.'
    >>> respell("Give layout='bids', too.", [click.Option(['--layout'])])
    'Give --layout bids, too.'

    Parameters
    ----------
    message : str
        The text.
    parameters : iterable of click.Parameter
        Options and arguments of the verb.
    """
    options = {one.name: one for one in parameters if isinstance(one, click.Option)}

    def spelled(found: re.Match[str]) -> str:
        option, value = options.get(found[1]), found[2] or found[3] or ''
        if option is None or (option.is_flag and value != 'True'):
            return found[0]
        return option.opts[-1] if option.is_flag else f'{option.opts[-1]} {value}'

    return _ARGUMENT.sub(spelled, message)
