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
from ...http.body import Payload
from ...model import uris
from ...resources.host import Host
from ...resources.imported import ARCHIVED, GONE, UNKNOWN, Imported, Source
from ...resources.prearchive import PrearchiveSession, path_of_session

__all__ = ['Importer']

_SERVICE = f'{uris.ENTRY}/services/import'
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
        **params: Any,
    ) -> list[Imported]:
        """Import files, and return the state of each session.

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
        **params
            Further parameters of the importer, such as ``SOURCE='scanner 2'``.
        """
        query = {
            'import-handler': handler,
            'inbody': True,
            'dest': _destination(dest, project, subject, session),
            'action': 'commit' if dest is None else None,  # else built after minutes of inactivity
            'project': project,
            'subject': subject,
            'session': session,
            'overwrite': _one_of('overwrite', overwrite, _OVERWRITE),
            'Ignore-Unparsable': ignore_unparsable or None,
            **params,
        }
        response = _send(self._host, source, uris.with_query(_SERVICE, query), timeout_s)
        paths = [path_of_session(line) for line in response.split('\n') if line.strip()]
        if not paths:
            raise errors.UnexpectedAnswer(
                'the response names no session',
                uri=self._host.connection.server + _SERVICE,
                method='POST',
                remedy='Look at manage.prearchive.get() and the project before you send it again.',
            )
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
    if not isinstance(source, (str, os.PathLike)):
        members = zips.named(_existing(location) for location in source)
    else:
        path = Path(source).expanduser()
        if path.name.lower().endswith(_PACKED) and path.is_file():
            yield path
            return
        members = _below(path) if path.is_dir() else zips.named([_existing(path)])
    if not members:
        raise errors.DataError(
            f'there are no files to import in {source!r}',
            remedy='Give a folder with DICOM files, a zip, or files.',
        )
    with zips.pack(members) as file:
        yield file


def _below(folder: Path) -> list[tuple[str, Path]]:
    """Return the files of a folder; warn of links to folders and of empty files.

    Raises
    ------
    DataError
        A file cannot be sent.
    """
    found = list(entries(folder))
    unsent = [entry for entry in found if entry.why_not]
    shown = ', '.join(f'{entry.name!r} ({entry.why_not})' for entry in unsent[:_SHOWN])
    if any(entry.is_data for entry in unsent):
        raise errors.DataError(
            f'the folder has {shown}', remedy='Rename or remove it; nothing was sent.'
        )
    if unsent:
        warnings.warn(f'not imported: {shown}', stacklevel=2)
    return [(entry.name, entry.path) for entry in found if not entry.why_not]


def _existing(location: str | os.PathLike[str]) -> Path:
    path = Path(location).expanduser()
    if not path.is_file():
        raise errors.DataError(
            f'there is no file {os.fspath(location)!r} to import', remedy='Correct the path.'
        )
    return path


def _send(interface: Host, source: Source, uri: str, timeout_s: float) -> str:
    """Send the files, without retries, and return the server's response.

    The server responds after it has read and sorted all files.
    """
    headers = {'content-type': 'application/octet-stream'}
    timeout = (interface.connection.transport.timeouts.connect_s, timeout_s)
    with _packed(source) as body:
        payload = Payload(body)
        try:
            with interface.connection.stream(
                'POST', uri, payload, headers, timeout=timeout
            ) as stream:
                return stream.read().decode('utf-8', 'replace')
        except errors.NetworkError as error:
            if not payload.untouched:
                error.remedy = (
                    'The server may have taken it all the same: look at manage.prearchive.get() '
                    'and the project before you send it again.'
                )
            raise
        except errors.ProgrammingError as error:
            if error.status == 400:
                error.remedy = (
                    'Skip files that are not DICOM with ignore_unparsable=True; earlier files may '
                    'be in the prearchive.'
                )
            raise


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
