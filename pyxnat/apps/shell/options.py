"""Options that several verbs have."""

from __future__ import annotations

from typing import Any

import click

__all__ = ['dry_run_option', 'planned']

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
