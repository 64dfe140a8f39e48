"""Copy an imaging session from one archive to another.

Fields, custom variables and forms, scans, reconstructions, assessors, resources and files are
copied: the session is downloaded into a temporary folder, and uploaded from there. Files that the
destination has with the same size and digest are not sent again, so running an interrupted copy
once more completes it.

On the command line (``sessionmirror --help``), with two configuration files written by
`Interface.save_config`::

    sessionmirror --h1 source.cfg --h2 destination.cfg -e XNAT_E00001 -p PROJECT
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Error, NotFoundError
from ..interface import Interface
from ..model.copies import copy_document, read_item

__all__ = ['Copied', 'create_parser', 'main', 'mirror_session']

log = logging.getLogger('pyxnat.apps.session_mirror')


@dataclass
class Copied:
    """Result of a copy."""

    session: Any = None
    """The session at the destination."""
    items: int = 0
    """Scans, reconstructions and assessors."""
    resources: int = 0
    files: int = 0
    """Number of files sent."""
    bytes: int = 0
    """Bytes of the files sent."""
    present: int = 0
    """Number of files that the destination had already."""


def mirror_session(
    source: Interface,
    dest: Interface,
    experiment: str,
    project: str,
    *,
    subject: str | None = None,
    label: str | None = None,
    overwrite: bool = False,
    folder: str | os.PathLike[str] | None = None,
) -> Copied:
    """Copy a session.

    Parameters
    ----------
    source, dest : Interface
        The archives; they may be the same one.
    experiment : str
        Accession ID of the session at the source.
    project : str
        The project at the destination; it must exist.
    subject, label : str, optional
        Labels at the destination; by default those at the source. A missing subject is created.
    overwrite : bool
        Whether to replace files and fields that differ; otherwise they are an error.
    folder : path, optional
        Where to make the temporary folder, which needs room for all files. Default: the system's.

    Returns
    -------
    Copied

    Raises
    ------
    NotFoundError
        There is no such session or project.
    DuplicateError
        The destination has a file with other content, or a field with another value. All others
        are copied.
    IntegrityError
        A reconstruction with the same ID, which XNAT requires to be unique on the site.
    TransferError
        A file was not transferred as the listings have it.

    Notes
    -----
    Requests: those of :meth:`download` and :meth:`upload`, and five for session and subject.
    """
    session = source.select.experiment(experiment)
    row = _only_row(source, experiment)
    target_project = dest.select.project(project)
    if not target_project.exists():
        raise NotFoundError(
            f'no project {project!r} to copy to',
            uri=dest.connection.server,
            remedy='Create it first.',
        )
    owner = source.select.project(row['project']).subject(row['subject_ID'])
    target_owner = target_project.subject(subject or row['subject_label'])
    if not target_owner.exists():
        log.info('subject %s', target_owner.path_name)
        document = copy_document(read_item(owner.get(), 'subjects'))
        target_owner.create_with_parents({}, {}, document)
    target = target_owner.experiment(label or row['label'])
    item = read_item(session.get(), 'experiments')
    with tempfile.TemporaryDirectory(prefix='pyxnat-mirror-', dir=folder) as place:
        _check(session.download(place, progress=False))
        report = _check(target.upload(place, overwrite=overwrite, progress=False))
    return Copied(
        target,
        sum(1 for _ in item.all()) - 1,
        sum(len(below.resources) for below in item.all()),
        len(report.ok),
        report.bytes,
        len(report.skipped),
    )


def _check(report: Any) -> Any:
    """Return a report; raise its first failure."""
    for failure in report.failed:
        raise failure.error
    return report


def _only_row(source: Interface, experiment: str) -> dict[str, str]:
    rows = source.array.experiments(
        experiment_id=experiment, columns=['subject_label', 'label']
    ).data
    if len(rows) != 1:
        raise NotFoundError(
            f'no session {experiment!r}',
            uri=source.connection.server,
            remedy='Give its accession ID.',
        )
    return rows[0]


def create_parser() -> argparse.ArgumentParser:
    """Return the parser of the command ``sessionmirror``."""
    parser = argparse.ArgumentParser(
        prog='sessionmirror',
        description='Copy an imaging session, with its scans, assessors and files, from one XNAT '
        'archive to another.',
    )
    parser.add_argument(
        '--h1',
        '--source_config',
        dest='source_config',
        required=True,
        help='configuration file of the source',
    )
    parser.add_argument(
        '--h2',
        '--dest_config',
        dest='dest_config',
        required=True,
        help='configuration file of the destination',
    )
    parser.add_argument('-e', '--experiment_id', required=True, help='accession ID of the session')
    parser.add_argument('-p', '--project_id', required=True, help='project at the destination')
    parser.add_argument(
        '-s',
        '--subject',
        help='label of the subject at the destination; by default as at the source',
    )
    parser.add_argument(
        '-l', '--label', help='label of the session at the destination; by default as at the source'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace files that differ')
    parser.add_argument('-v', '--verbose', action='store_true', help='log each copied item')
    return parser


def main(
    arguments: Sequence[str] | None = None, write: Callable[[str], Any] = sys.stdout.write
) -> int:
    """Run the command ``sessionmirror``.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.
    write : callable
        Called with each line of output.

    Returns
    -------
    int
        0 on success, 1 after an error.
    """
    options = create_parser().parse_args(arguments)
    logging.basicConfig(format='%(message)s')
    logging.getLogger('pyxnat').setLevel(logging.INFO if options.verbose else logging.WARNING)
    try:
        with (
            Interface(config=options.source_config) as source,
            Interface(config=options.dest_config) as dest,
        ):
            names = {
                'subject': options.subject,
                'label': options.label,
                'overwrite': options.overwrite,
            }
            copied = mirror_session(
                source, dest, options.experiment_id, options.project_id, **names
            )
    except Error as error:
        write(f'sessionmirror: {error}\n')
        return 1
    write(
        f'{copied.items} items, {copied.resources} resources, {copied.files} files ({copied.bytes} '
        f'bytes) copied; {copied.present} existed\n'
    )
    return 0
