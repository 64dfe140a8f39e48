"""``--check``, ``--repair`` and ``--backup`` of ``python -m pyxnat.server``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..db.folder_locks import ArchiveBusy
from ..db.migrations import ArchiveTooNew
from .backup import CannotBackUp, backup
from .checking import Report, check
from .repair import repair

__all__ = ['add_options', 'is_wanted', 'run']


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of the command."""
    group = parser.add_argument_group('upkeep, instead of serving')
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        '--check',
        action='store_true',
        help='compare rows and files; exit status 1 if they disagree. Also beside a server',
    )
    one.add_argument(
        '--repair',
        action='store_true',
        help='mend what --check finds; files and rows that are removed go to DIR/recovered',
    )
    one.add_argument(
        '--backup',
        type=Path,
        metavar='FILE',
        help='write a consistent copy to a tar file, also beside a server; unpack to restore',
    )
    group.add_argument(
        '--deep', action='store_true', help='with --check or --repair: also compare MD5 digests'
    )
    group.add_argument(
        '--format',
        choices=('text', 'json'),
        default='text',
        help='format of the report (default: %(default)s)',
    )


def is_wanted(options: argparse.Namespace) -> bool:
    """Whether the command line asks for upkeep instead of serving."""
    return bool(options.check or options.repair or options.backup)


def run(options: argparse.Namespace) -> int:
    """Check, repair or back up an archive; return the exit status.

    0 if rows and files agree, or the copy is written; else 1.
    """
    folder = options.folder.resolve()
    try:
        if options.backup:
            count = backup(folder, options.backup)
            _print(options.format, f'{options.backup}: {count} files', {'files': count})
            return 0
        report: Report = (repair if options.repair else check)(folder, options.deep)
    except (ArchiveBusy, ArchiveTooNew, CannotBackUp, OSError, ValueError) as error:
        sys.stderr.write(f'pyxnat.server: {error}\n')
        return 1
    _print(options.format, report.as_text(), report.as_json())
    return 1 if report.findings else 0


def _print(kind: str, text: str, values: object) -> None:
    sys.stdout.write((json.dumps(values, indent=1) if kind == 'json' else text) + '\n')
