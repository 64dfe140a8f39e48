"""DICOM import: ``project.import_dicom(…)``, ``manage.import_dicom(…)``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ... import errors
from ...files import zips
from ...files.local import entries
from ...resources.host import Host
from ...resources.imported import ARCHIVED, GONE, UNKNOWN, Imported, Source
from ...resources.prearchive import PrearchiveSession
from ..dicom.batches import Batches, Files, import_in_batches
from ..dicom.report import ImportReport
from ..dicom.request import import_archive
from ..dicom.sending import Order

__all__ = ['Importer', 'is_archive']

_SHOWN = 5
_PACKED = ('.zip', '.tar', '.tar.gz', '.tgz')
_PLACES = ('archive', 'prearchive')
_OVERWRITE = ('none', 'append', 'delete')


class Importer:
    """Sends DICOM files to the server: ``interface.manage.import_dicom``.

    The server sorts them into sessions and scans by their headers.

    Returns
    -------
    list of Imported
        The ``uri``, ``status`` and ``element`` of each session. A session in CONFLICT or ERROR, or
        not built within ``timeout_s``, is not ``ok``.

    Raises
    ------
    DataError
        If there are no such files; nothing is sent.
    ProgrammingError
        If the server refuses the files.
    DuplicateError
        If the session is in the archive already.
    NetworkTimeout
        If the server did not answer in time; it may still be working.

    Notes
    -----
    One request, which is not retried; one for each session, and several while waiting for it.
    Files are packed into a temporary zip on disk.

    Examples
    --------
    ::

        folder = '/scanner/monday'
        for session in interface.manage.import_dicom(folder, project='P', dest='archive'):
            print(session.status, session.element)
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Importer of {self._host.connection.server}>'

    def __call__(
        self,
        source: Source,
        project: str | None = None,
        subject: str | None = None,
        session: str | None = None,
        dest: str | None = None,
        overwrite: str = 'none',
        ignore_unparsable: bool = False,
        handler: str = 'DICOM-zip',
        wait: bool = True,
        timeout_s: float = 3600,
        jobs: int | None = None,
        state: str | os.PathLike[str] | None = None,
        batch: int = 500,
        **params: Any,
    ) -> list[Imported] | ImportReport:
        """Import files, and return the state of each session.

        With `jobs` or `state`, files are sent in batches, in parallel (extra ``dicom``): the UIDs
        of all files are read first, a study whose files would be mixed with another is refused,
        and each session is archived once the server lists all of its files. Files have their
        SOPInstanceUIDs as names there. The same call goes on after a break.

        Parameters
        ----------
        source : path or list of paths
            A folder, read recursively; a zip, tar or tar.gz (tars: XNAT 1.8.3 and later); or files.
        project, subject, session : str, optional
            Destination of the files. Default: the server reads it from the headers.
        dest : {'archive', 'prearchive'}, optional
            Default: the project's setting (``project.prearchive_code()``). A path is passed on
            unchanged.
        overwrite : {'none', 'append', 'delete'}
            Treatment of a session that is in the archive already: an error or a conflict; add the
            files that it lacks; or merge, and let new files overwrite (XNAT's ``delete`` keeps all
            other scans and files). To replace it: ``dest='prearchive'``, and then
            ``archive(overwrite='replace')`` of the session there.
        ignore_unparsable : bool
            Skip files that are not DICOM instead of refusing the import.
        handler : str
            The server's importer. ``DICOM-zip`` takes any number of sessions, and adds to a session
            waiting in the prearchive; ``SI`` takes one session, always as a new one.
        wait : bool
            Whether to wait until sessions in the prearchive are built or archived.
        timeout_s : float
            Seconds to wait for the server's response, and then for each session.
        jobs : int, optional
            Threads that send batches. Default: one request for all files; 4 with `state`.
        state : path, optional
            Folder for the journal of the import, created if missing. A later call with the same
            source and destination sends the rest. Default: none is kept.
        batch : int
            Most files of a batch, which are of one study.
        **params
            Further parameters of the importer, such as ``SOURCE='scanner 2'``.

        Returns
        -------
        list of Imported
            Or, of an import in batches, an :class:`pyxnat.services.dicom.report.ImportReport`.
        """
        overwrite = _one_of('overwrite', overwrite, _OVERWRITE)
        if jobs is not None or state is not None:
            if handler != 'DICOM-zip' or not wait or dest not in (None, *_PLACES):
                raise errors.ProgrammingError(
                    'an import in batches has no other handler, no path as dest, and waits',
                    remedy='Leave out jobs= and state=, or those.',
                )
            more = tuple(params.items())
            order = Order(project, subject, session, dest, overwrite, timeout_s, more)
            source = source if isinstance(source, (str, os.PathLike)) else list(source)
            files = Files(_names_of(source), (path for _, path in _files_of(source)))
            how = Batches(jobs, state, batch, ignore_unparsable)
            return import_in_batches(self._host, files, order, how)
        query = {
            'import-handler': handler,
            'dest': _destination(dest, project, subject, session),
            'action': 'commit' if dest is None else None,  # else built after minutes of inactivity
            'project': project,
            'subject': subject,
            'session': session,
            'overwrite': overwrite,
            'Ignore-Unparsable': ignore_unparsable or None,
            **params,
        }
        with _packed(source) as body:
            paths = import_archive(self._host, body, query, timeout_s)
        return [_report(self._host, path, wait, timeout_s) for path in paths]


def _destination(
    dest: str | None, project: str | None, subject: str | None, session: str | None
) -> str | None:
    if dest is None or dest.startswith('/'):
        return dest
    place = _one_of('dest', dest, _PLACES)
    if project is None:
        return f'/{place}'
    below = (
        ['subjects', subject, 'experiments', session]
        if place == 'archive' and subject and session
        else []
    )
    return '/'.join(['', place, 'projects', project, *map(str, below)])


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        remedy = f'Use one of: {", ".join(allowed)}.'
        if value == 'replace':
            remedy += " To replace a session: dest='prearchive', then archive(overwrite='replace')."
        raise errors.ProgrammingError(f'{name}={value!r} is not known', remedy=remedy)
    return value


@contextmanager
def _packed(source: Source) -> Iterator[Any]:
    """Yield the body to send: a zip or tar unchanged, other files zipped."""
    if is_archive(source):
        yield Path(str(source)).expanduser()
        return
    with zips.pack(list(_files_of(source))) as file:  # all are found before the first is packed
        yield file


def is_archive(source: Source) -> bool:
    """Whether a source is a zip or tar, which is sent as it is."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    path = Path(source).expanduser()
    return path.name.lower().endswith(_PACKED) and path.is_file()


def _names_of(source: Source) -> str:
    """Return the absolute paths of a source that is sent in batches."""
    if is_archive(source):
        raise errors.ProgrammingError(
            f'{source} is sent in one request', remedy='Leave out jobs= and state=, or unpack it.'
        )
    paths = [source] if isinstance(source, (str, os.PathLike)) else source
    return '\n'.join(str(Path(path).expanduser().resolve()) for path in paths)


def _files_of(source: Source) -> Iterator[tuple[str, Path]]:
    """Yield the files of a source with their names in a zip.

    Raises
    ------
    DataError
        There are none, or one cannot be sent.
    """
    if not isinstance(source, (str, os.PathLike)):
        members = iter(zips.named(_existing(location) for location in source))
    else:
        path = Path(source).expanduser()
        members = _below(path) if path.is_dir() else iter(zips.named([_existing(path)]))
    first = next(members, None)
    if first is None:
        raise errors.DataError(
            f'there are no files to import in {source!r}',
            remedy='Give a folder with DICOM files, a zip, or files.',
        )
    yield first
    yield from members


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder.

    At the end, warn of links to folders and of empty files.

    Raises
    ------
    DataError
        A file cannot be sent; raised at the end.
    """
    unsent = []
    for entry in entries(folder):
        if entry.why_not:
            unsent.append(entry)
        else:
            yield entry.name, entry.path
    shown = ', '.join(f'{entry.name!r} ({entry.why_not})' for entry in unsent[:_SHOWN])
    if any(entry.is_data for entry in unsent):
        raise errors.DataError(
            f'the folder has {shown}', remedy='Rename or remove it; nothing was sent.'
        )
    if unsent:
        warnings.warn(f'not imported: {shown}', stacklevel=2)


def _existing(location: str | os.PathLike[str]) -> Path:
    path = Path(location).expanduser()
    if not path.is_file():
        raise errors.DataError(
            f'there is no file {os.fspath(location)!r} to import', remedy='Correct the path.'
        )
    return path


def _report(interface: Host, path: str, wait: bool, timeout_s: float) -> Imported:
    """Return the state of one imported session.

    The files are on the server, so a failure while waiting becomes a status, not an error.
    """
    element = interface.select(path)
    if not isinstance(element, PrearchiveSession):
        return Imported(element.uri, ARCHIVED, element)
    try:
        status = element.wait(timeout_s if wait else 0)
    except (errors.NetworkError, errors.PermissionDenied):  # a timeout is a NetworkError
        status = element.row.get('status', UNKNOWN)
    archived = None if status else _archived(element)
    if archived is not None:
        return Imported(archived.uri, ARCHIVED, archived)
    return Imported(element.uri, status or GONE, element)


def _archived(session: PrearchiveSession) -> Any:
    """Return the experiment of an archived session, or `None` if unknown."""
    if 'name' not in session.row:
        return None
    experiment = (
        session.host.select.project(session.project())
        .subject(session.subject())
        .experiment(session.name())
    )
    return experiment if experiment.exists() else None
