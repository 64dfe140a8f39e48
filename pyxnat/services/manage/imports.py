"""Images from a scanner into an archive: ``project.import_dicom(…)``, ``interface.manage.import_dicom(…)``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ... import errors
from ...files import zips
from ...http.body import Payload
from ...model import uris
from ...resources.host import Host
from ...resources.imported import ARCHIVED, GONE, UNKNOWN, Imported, Source
from ...resources.prearchive import PrearchiveSession

__all__ = ['Importer']

_SERVICE = f'{uris.ENTRY}/services/import'
_PACKED = ('.zip', '.tar', '.tar.gz', '.tgz')
_PLACES = ('archive', 'prearchive')
_OVERWRITE = ('none', 'append', 'delete')


class Importer:
    """Sends DICOM files to the server, which sorts them into sessions and scans by their headers: ``interface.manage.import_dicom``.

    Returns
    -------
    list of Imported
        For each session its ``uri``, ``status`` and ``element``. One in CONFLICT or ERROR, or not built in time, is reported so, and not ``ok``.

    Raises
    ------
    DataError
        There are no such files; nothing is sent.
    ProgrammingError
        The server refuses the files.
    DuplicateError
        The session is in the archive.
    NetworkTimeout
        The server did not answer in time, and may be at it still.

    Notes
    -----
    One request, never sent twice; one, or a few while it is waited for, for each session. Files are packed into a temporary zip on disk.

    Examples
    --------
    ::

        for session in interface.manage.import_dicom('/scanner/monday', project='P', dest='archive'):
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
        """Import files; what became of each session.

        Parameters
        ----------
        source : path or list of paths
            A folder with all folders in it, a zip, tar or tar.gz (tars from XNAT 1.8.3 on), or files.
        project, subject, session : str, optional
            Where they belong; otherwise the server goes by the headers.
        dest : {'archive', 'prearchive'}, optional
            Where to put them; otherwise the project's setting decides (``project.prearchive_code()``). A path is passed on as it is.
        overwrite : {'none', 'append', 'delete'}
            What becomes of a session that is in the archive already: it is an error, or a conflict; gets what it has not; is replaced.
        ignore_unparsable : bool
            Pass over files that are no DICOM, rather than refuse all.
        handler : str
            The server's importer. ``DICOM-zip`` takes any number of sessions, and adds to one that waits in the prearchive; ``SI`` takes one
            session, always as a new one.
        wait : bool
            Whether to wait until sessions in the prearchive are built, or archived.
        timeout_s : float
            Seconds to wait for the server's answer, and then for each session.
        **params
            Further parameters of the importer, such as ``SOURCE='scanner 2'``.
        """
        query = {
            'import-handler': handler,
            'inbody': True,
            'dest': _destination(dest, project, subject, session),
            'action': 'commit' if dest is None else None,  # otherwise it is built only after nothing came for some minutes
            'project': project,
            'subject': subject,
            'session': session,
            'overwrite': _one_of('overwrite', overwrite, _OVERWRITE),
            'Ignore-Unparsable': ignore_unparsable or None,
            **params,
        }
        said = _send(self._host, source, uris.with_query(_SERVICE, query), timeout_s)
        return [_report(self._host, line, wait, timeout_s) for line in said.split('\n') if line.strip()]


def _destination(dest: str | None, project: str | None, subject: str | None, session: str | None) -> str | None:
    if dest is None or dest.startswith('/'):
        return dest
    place = _one_of('dest', dest, _PLACES)
    if project is None:
        return f'/{place}'
    below = ['subjects', subject, 'experiments', session] if place == 'archive' and subject and session else []
    return '/'.join(['', place, 'projects', project, *map(str, below)])


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise errors.ProgrammingError(f'{what}={value!r} is not known', remedy=f'There are: {", ".join(allowed)}.')
    return value


@contextmanager
def _packed(source: Source) -> Iterator[Any]:
    """The body to send: a zip or tar as it is, other files in a temporary zip."""
    if not isinstance(source, (str, os.PathLike)):
        members = zips.named(_existing(location) for location in source)
    else:
        path = Path(source).expanduser()
        if path.name.lower().endswith(_PACKED) and path.is_file():
            yield path
            return
        members = zips.below(path) if path.is_dir() else zips.named([_existing(path)])
    if not members:
        raise errors.DataError(f'there are no files to import in {source!r}', remedy='Give a folder with DICOM files, a zip, or files.')
    with zips.pack(members) as file:
        yield file


def _existing(location: str | os.PathLike[str]) -> Path:
    path = Path(location).expanduser()
    if not path.is_file():
        raise errors.DataError(f'there is no file {os.fspath(location)!r} to import', remedy='Correct the path.')
    return path


def _send(interface: Host, source: Source, uri: str, timeout_s: float) -> str:
    """Send it once; the server's answer, which comes when it has taken all of it in."""
    headers = {'content-type': 'application/octet-stream'}
    timeout = (interface.connection.transport.timeouts.connect_s, timeout_s)
    with _packed(source) as body:
        payload = Payload(body)
        try:
            with interface.connection.transport.stream('POST', uri, payload, headers, timeout=timeout) as stream:
                return stream.read().decode('utf-8', 'replace')
        except errors.NetworkError as error:
            if not payload.untouched:
                error.remedy = 'The server may have taken it all the same: look at manage.prearchive.get() and the project before sending it again.'
            raise
        except errors.ProgrammingError as error:
            if error.status == 400:
                error.remedy = 'Files that are no DICOM are passed over with ignore_unparsable=True; those before them may be in the prearchive.'
            raise


def _report(interface: Host, line: str, wait: bool, timeout_s: float) -> Imported:
    """What became of a session. The upload is done: whatever there is to say of it is said here, and no error stands in the way."""
    element = interface.select(uris.strip_entry(uris.unquote(line.strip())))
    if not isinstance(element, PrearchiveSession):
        return Imported(element.uri, ARCHIVED, element)
    try:
        status = element.wait(timeout_s if wait else 0)
    except (errors.NetworkError, errors.PermissionDenied):  # a wait that is over is one of the former
        status = element.row.get('status', UNKNOWN)
    archived = None if status else _archived(element)
    if archived is not None:
        return Imported(archived.uri, ARCHIVED, archived)
    return Imported(element.uri, status or GONE, element)


def _archived(session: PrearchiveSession) -> Any:
    """The experiment that a session of the prearchive became, as far as can be told; `None` where it cannot."""
    if 'name' not in session.row:
        return None
    experiment = session.host.select.project(session.project()).subject(session.subject()).experiment(session.name())
    return experiment if experiment.exists() else None
