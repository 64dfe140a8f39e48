"""Copy an imaging session from one archive to another.

Fields, scans, reconstructions, assessors, resources and files are copied. Files are streamed
through memory, without a temporary folder. Files that the destination has with the same size and
digest are not sent again, so running an interrupted copy once more completes it.

On the command line (``sessionmirror --help``), with two configuration files written by
`Interface.save_config`::

    sessionmirror --h1 source.cfg --h2 destination.cfg -e XNAT_E00001 -p PROJECT
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from ..errors import Error, NotFoundError, TransferError
from ..http.body import Payload
from ..interface import Interface
from ..model.levels import LEVELS, level, parts_of_session
from ..model.xml import parse_xml

__all__ = ['Copied', 'create_parser', 'main', 'mirror_session', 'portable']

log = logging.getLogger('pyxnat.apps.mirror')

_XNAT = '{http://nrg.wustl.edu/xnat}'
_COPIED_BY_THEMSELVES = {
    'sharing',
    *(row.path_in_parent.partition('/')[0] for row in LEVELS if row.path_in_parent),
    *(row.resource_path.partition('/')[0] for row in LEVELS if row.has_files),
    *(row.side for row in LEVELS if row.side),
}
_OF_THE_SERVER = {'prearchivePath', *(row.parent_field for row in LEVELS if row.parent_field)}


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
    skipped: int = 0
    """Number of empty files, which XNAT does not accept."""


def mirror_session(
    source: Interface,
    dest: Interface,
    experiment: str,
    project: str,
    *,
    subject: str | None = None,
    label: str | None = None,
    overwrite: bool = False,
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
        Whether to replace files that differ; otherwise they are an error.

    Returns
    -------
    Copied

    Raises
    ------
    NotFoundError
        There is no such session or project.
    DuplicateError
        The destination has a file with other content, or a reconstruction with the same ID, which
        XNAT requires to be unique on the site.
    TransferError
        After the copy, the listings of source and destination differ.

    Notes
    -----
    Requests: two for each item and resource, two for each file.
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
        _put_document(target_owner, owner)
    target = target_owner.experiment(label or row['label'])
    copied = Copied(target)
    _put_document(target, session)
    copy = _Copy(copied, overwrite)
    copy.resources_of(session, target)
    copy.items(session, target)
    return copied


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


class _Copy:
    """Copy of the items, resources and files below a session."""

    def __init__(self, copied: Copied, overwrite: bool) -> None:
        self._copied = copied
        self._overwrite = overwrite

    def items(self, session: Any, target: Any) -> None:
        """Copy scans, reconstructions and assessors.

        Parameters
        ----------
        session, target : Element
            Sessions at source and destination.
        """
        for row in parts_of_session():
            for item in getattr(session, row.plural)():
                name = _name_of(item) if row.has_label else str(item.id())
                log.info('%s %s', row.singular, name)
                twin = getattr(target, row.singular)(name)
                _put_document(twin, item)
                self._copied.items += 1
                self.resources_of(item, twin)

    def resources_of(self, item: Any, twin: Any) -> None:
        """Copy the resources of one item, including its input and output.

        Parameters
        ----------
        item, twin : Element
            Items at source and destination.
        """
        seen: set[str] = set()
        for row in sorted(map(level, item.level.resources), key=lambda row: not row.side):
            for resource in getattr(item, row.plural)():
                if resource.id() not in seen:  # one without a side is listed as output too
                    seen.add(resource.id())
                    self._resource(resource, getattr(twin, row.singular)(_name_of(resource)))

    def _resource(self, resource: Any, twin: Any) -> None:
        about = resource.attributes()
        # An input resource is created by its first file: XNAT creates an empty one as output.
        if twin.level.side != 'in' and not twin.exists():
            twin.create(
                params={
                    name: about[name] for name in ('format', 'content', 'tags') if about.get(name)
                }
            )
        self._copied.resources += 1
        there = _listed(twin)
        for name, row in _listed(resource).items():
            if row['Size'] == '0':
                log.warning('skipped: %s is empty', resource.file(name).uri)
                self._copied.skipped += 1
            elif name in there and _same(row, there[name]):
                self._copied.present += 1
            else:
                self._file(resource.file(name), row, twin.file(name))
        self._check(resource, twin)

    def _file(self, file: Any, row: dict[str, str], twin: Any) -> None:
        log.info('file %s, %s bytes', file.path_name, row['Size'])
        with file.host.get(file.uri, stream=True) as response:
            response.raise_for_status()
            labels = {
                name: row[f'file_{name}']
                for name in ('format', 'content', 'tags')
                if row.get(f'file_{name}')
            }
            twin.put(
                Payload(_counted(response.iter_content(None), row, file), int(row['Size'])),
                overwrite=self._overwrite,
                **labels,
            )
        self._copied.files += 1
        self._copied.bytes += int(row['Size'])

    @staticmethod
    def _check(resource: Any, twin: Any) -> None:
        there = _listed(twin)
        wrong = [
            name
            for name, row in _listed(resource).items()
            if row['Size'] != '0' and not (name in there and _same(row, there[name]))
        ]
        if wrong:
            raise TransferError(
                f'different from the source: {", ".join(wrong[:5])}',
                uri=twin.host.connection.server + twin.uri,
                remedy='Run the copy again.',
            )


def _counted(pieces: Iterator[bytes], row: dict[str, str], file: Any) -> Iterator[bytes]:
    """Yield the chunks; raise if their length is not the one in the listing.

    The error also aborts the upload.
    """
    received = 0
    for piece in pieces:
        received += len(piece)
        yield piece
    if received != int(row['Size']):
        raise TransferError(
            f'{received} of {row["Size"]} bytes received',
            uri=file.host.connection.server + file.uri,
            remedy='Run the copy again.',
        )


def _listed(resource: Any) -> dict[str, dict[str, str]]:
    return {row['path']: row for row in resource.host.connection.rows(f'{resource.uri}/files')}


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    digests = {one.get('digest', ''), other.get('digest', '')} - {''}
    return one['Size'] == other['Size'] and len(digests) < 2


def _name_of(item: Any) -> str:
    return str(item.label() or item.id())


def _put_document(target: Any, original: Any) -> None:
    """Create or update an element from the document of another."""
    label = target.path_name if target.level.has_label else None
    document = portable(original.get(), label)
    headers = {'Content-Type': 'text/xml; charset=UTF-8'}
    target.host.put(
        target.uri, document, params={'allowDataDeletion': False}, headers=headers
    ).raise_for_status()


def portable(document: bytes, label: str | None = None) -> bytes:
    """Remove from a document everything specific to its archive.

    These are accession IDs, project, sharing, comments, and the items and resources below, which
    are copied separately. Scans and reconstructions keep their IDs, which are names given by people
    or scanners.

    Parameters
    ----------
    document : bytes
        XML of an item.
    label : str, optional
        Label to write, for an item that has one.
    """
    root = parse_xml(document)
    etree.strip_elements(root, etree.Comment, with_tail=False)
    for child in list(root):
        if etree.QName(child).localname in _COPIED_BY_THEMSELVES | _OF_THE_SERVER:
            root.remove(child)
    etree.strip_attributes(root, 'project', *(['ID'] if label is not None else []))
    if label is not None:
        root.set('label', label)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')


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
