"""Options that several verbs have."""

from __future__ import annotations

from typing import Any

import click

__all__ = ['dry_run_option', 'planned']

dry_run_option = click.option(
    '-n', '--dry-run', is_flag=True, help='Say what would be done, and do nothing.'
)


def planned(command: Any) -> Any:
    """Add the options of plans."""
    for option in (
        click.option('--plan', help='Write to this file what would be done, and do nothing.'),
        click.option('--apply', help='Do exactly what this plan says, unless something changed.'),
    ):
        command = option(command)
    return command
