"""Archive of a folder for programs of its owner, without a server.

The client calls `open_folder`; it imports nothing else of this package.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, DuplicateError, Error, from_status
from ..model.levels import level
from .app import App
from .context import EXACT, FILES, Context, OwnFiles
from .db.access import Caller
from .db.accessions import taken
from .db.folder_locks import ArchiveBusy
from .db.migrations import ArchiveTooNew
from .db.store import DATABASE_ERRORS, get_setting, put_setting
from .errors import NotFound, PreconditionFailed, Refusal
from .items.files_below import FileBelow, files_below, lost_files
from .items.find_files import resources_at, split
from .items.holders import holder_of
from .items.item_changes import levels_with_shared_ids
from .items.locate import find_project
from .items.new_items import NewItem, NewItems
from .items.represent import Representer
from .items.resources import write_notes
from .items.units import Compared, UnitMark, item_mark, row_of_key, unit_marks
from .items.uris import archived_parts, parse
from .items.writer import Writer
from .jobs import change_feed
from .presence import Presence, find
from .serving import new_password
from .startup import ServedArchive

__all__ = ['LocalArchive', 'create_folder', 'open_folder']

Fetch = Callable[[list[tuple[str, str, str, str]]], None]
_RUNS = 'mirror runs'
"""Name of the setting with the number of runs of a mirror."""


class LocalArchive:
    """Archive that this process has open, beside others of its owner.

    Parameters
    ----------
    folder : Path
        Its folder.
    fetch : callable
        Fetches files of a mirror that are listed without content, as `Archive.fetch`.

    Attributes
    ----------
    login : str
        Login of the owner: that of the first administrator who is enabled.
    """

    def __init__(self, folder: Path, fetch: Fetch) -> None:
        self._archive = ServedArchive(folder, require_login=None, shared=True)
        self._archive.fetch = self._fetch_files
        self._fetch = fetch
        self._failure = threading.local()
        self._app = App(self._archive)
        self._owner = self._archive.users.first_administrator()
        self._session = ''
        self.login = '' if self._owner is None else self._owner.login

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any], as_owner: bool
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI applications do.

        Parameters
        ----------
        environ : dict
            The request.
        start_response : callable
            Called with status and headers of the response.
        as_owner : bool
            Whether it is a request of the owner. Otherwise it needs a login.
        """
        if as_owner and self._owner is not None:
            environ['HTTP_COOKIE'] = f'JSESSIONID={self._open_session(self._owner)}'
        self._failure.error = None
        response = self._app(environ, start_response)
        if self._failure.error is not None:
            raise self._failure.error
        return response

    def _fetch_files(self, files: list[tuple[str, str, str, str]]) -> None:
        """Fetch files; an error is raised in the owner's program, and not answered."""
        try:
            self._fetch(files)
        except Error as error:
            self._failure.error = error
            raise NotFound(str(error)) from error

    def compared(self) -> Compared:
        """Return a new record of what a program reads to compare it."""
        return Compared()

    @contextmanager
    def only_if(self, compared: Compared | None) -> Iterator[None]:
        """Refuse writes of this thread once others have changed what it has compared."""
        try:
            with self._archive.store.only_if(compared):
                yield
        except Refusal as error:
            raise from_status(error.status, str(error)) from error

    def put_exact(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request of the owner whose document replaces all fields of its item.

        Parameters
        ----------
        environ : dict
            The request.
        start_response : callable
            Called with status and headers of the response.
        """
        return self({**environ, EXACT: True}, start_response, as_owner=True)

    def change_files(
        self,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        label: str,
        files: Sequence[tuple[str, Path | None, int, str]],
        compared: Mapping[str, str],
    ) -> Iterable[bytes]:
        """Answer an owner's request to store or delete exactly some files.

        Parameters
        ----------
        environ : dict
            The request, for the files of any resource of the item.
        start_response : callable
            Called with status and headers of the response.
        label : str
            Label of the resource.
        files : sequence of tuple
            As `OwnFiles.files`.
        compared : mapping
            As `OwnFiles.compared`.
        """
        own = OwnFiles(label, files, compared)
        return self({**environ, FILES: own}, start_response, as_owner=True)

    def create_items(self, project: str, items: Sequence[tuple[Any, ...]]) -> None:
        """Create items of the owner with all below them, in one transaction.

        Parameters
        ----------
        project : str
            ID of the project.
        items : sequence of tuple
            Fields of `NewItem`, outer items first.

        Raises
        ------
        DatabaseError
            The archive refuses one of them; none is created.
        """
        owner = self._need_owner()
        context = Context(self._archive, [], owner)
        with self._archive.store.write() as connection:
            above = find_project(connection, project)
            if above is None:
                raise NotFound(f'There is no project {project}.')
            writer = NewItems(self._archive, connection, owner)
            for row in writer.create_all(above, [NewItem(*one) for one in items]):
                if level(row.level).has_label:
                    change_feed.added(context, connection, row)

    def item_marks(self, keys: Iterable[str]) -> dict[str, str]:
        """Return a mark of each item, which changes with the item and all below it.

        Parameters
        ----------
        keys : iterable of str
            Levels and IDs, as for `row_of_key`.
        """
        with self._archive.store.read() as connection:
            return {key: item_mark(connection, row_of_key(connection, key)) for key in keys}

    def delete_item(self, key: str, mark: str) -> None:
        """Delete an item with all below it, of a subject also sessions of other projects.

        Parameters
        ----------
        key : str
            Level and ID, as for `row_of_key`; nothing if there is no such item.
        mark : str
            Mark that it must still have.
        """
        owner = self._need_owner()
        context = Context(self._archive, [], owner)
        with self._archive.store.write() as connection:
            row = row_of_key(connection, key)
            if row is None:
                return
            if item_mark(connection, row) != mark:
                raise PreconditionFailed(f'Another program has changed {key}.')
            writer = Writer(self._archive, connection, owner)
            for one in (*writer.sessions_of_others(row), row):
                change_feed.removed(context, connection, one)
                writer.delete(one)

    def _need_owner(self) -> Caller:
        if self._owner is None:
            raise ConfigurationError('the archive has no administrator')
        return self._owner

    def change_id(self, before: str, after: str) -> None:
        """Give an item the accession ID that it has at another server.

        Parameters
        ----------
        before, after : str
            The IDs.

        Raises
        ------
        DuplicateError
            Another item has the ID.
        """
        owner = self._need_owner()
        with self._archive.store.write() as connection:
            writer = Writer(self._archive, connection, owner)
            for where in ('subject', 'experiment'):
                levels = levels_with_shared_ids(where)
                row = taken(connection, levels, before)
                if row is None:
                    continue
                if taken(connection, levels, after) is not None:
                    raise DuplicateError(f'the folder has {after} already')
                writer.change_id(row, after)

    def set_shares(self, where: str, accession: str, labels: Mapping[str, str]) -> None:
        """Give an item exactly the shares that it has at another server.

        Parameters
        ----------
        where : str
            Level of the item.
        accession : str
            Its ID.
        labels : mapping
            Project -> label there; empty for none.
        """
        owner = self._need_owner()
        with self._archive.store.write() as connection:
            row = taken(connection, levels_with_shared_ids(where), accession)
            if row is not None:
                Writer(self._archive, connection, owner).set_shares(row, labels)

    def free_label(self, where: str, project: str, label: str, holder: str = '') -> str:
        """Return level and ID of the item that has a label; empty for none.

        Parameters
        ----------
        where : str
            Level of the items that share their labels.
        project : str
            ID of the project, which owns or shares it.
        label : str
            The label.
        holder : str
            ID of the item that gets its ID as label, if it has the label.

        Returns
        -------
        str
            Like ``experiments/XNAT_E00001``.
        """
        owner = self._need_owner()
        with self._archive.store.write() as connection:
            writer = Writer(self._archive, connection, owner)
            row = writer.bearing(where, project, label)
            if row is not None and row.id == holder:
                writer.free_label(row, project)
            return '' if row is None else f'{level(row.level).plural}/{row.id}'

    def set_notes(
        self,
        uri: str,
        label: str,
        notes: Mapping[str, str] | None,
        files: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Give a resource and files of it their format, content and tags; no others stay.

        XNAT changes those of a file with its content alone, and those of a resource never.

        Parameters
        ----------
        uri : str
            URI of the item's resources, by IDs.
        label : str
            Label of the resource.
        notes : mapping or None
            Those of the resource; None leaves them.
        files : mapping
            Path of each file -> its notes.
        """
        owner = self._need_owner()
        path = parse(archived_parts(uri))
        assert path is not None
        steps, step, _ = split(path)
        try:
            with self._archive.store.write() as connection:
                holder = holder_of(connection, owner, steps).row
                for row in resources_at(connection, holder, step):
                    if (row.label or str(row.pk)) == label:
                        write_notes(connection, row.pk, notes, files)
        except Refusal as error:
            raise from_status(error.status, str(error), method='PUT') from error

    def document(
        self, where: str, project: str, accession: str, compared: Compared | None
    ) -> bytes:
        """Return the document of a project or subject, with all items below it.

        Parameters
        ----------
        where : str
            Its level.
        project : str
            ID of the project.
        accession : str
            ID of the item.
        compared : Compared or None
            Record of what is compared, to which it is added.
        """
        archive, owner = self._archive, self._need_owner()
        with archive.store.read() as connection:
            if compared is not None:
                compared.add(connection, where, project, accession)
            row = taken(connection, (where,), accession)
            if row is None or row.project != project:
                message = f'{project} has no {where} {accession}'
                raise from_status(NotFound.status, message, method='GET')
            writer = Representer(connection, archive.model, owner, lambda *_: '', '')
            return writer.xml(row, conceal=True)

    def note_missing(
        self, where: str, project: str, accession: str, label: str, compared: Compared
    ) -> None:
        """Note that a project or subject is missing, and its label.

        Parameters
        ----------
        where : str
            Its level.
        project, accession, label : str
            ID of the project, its own ID and label.
        compared : Compared
            Record of what is compared.
        """
        with self._archive.store.read() as connection:
            compared.add(connection, where, project, accession, label)

    def runs(self) -> int:
        """Return how many runs of a mirror the archive has counted; 0 for none."""
        with self._archive.store.read() as connection:
            return int(get_setting(connection, _RUNS, '0'))

    def put_runs(self, number: int) -> None:
        """Store the number of runs of a mirror."""
        with self._archive.store.write() as connection:
            put_setting(connection, _RUNS, str(number))

    def unit_marks(self, project: str, subject: str = '') -> list[UnitMark]:
        """Return a project and its subjects, with marks of their last changes.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the only subject of interest.
        """
        with self._archive.store.read() as connection:
            return unit_marks(connection, project, subject)

    def files_below(self, project: str, subject: str = '') -> list[FileBelow]:
        """Return all files of a subject, or those of a project itself.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the subject; empty for the project.
        """
        with self._archive.store.read() as connection:
            return files_below(connection, project, subject)

    def lost_files(self, project: str, subject: str = '') -> list[FileBelow]:
        """Return those of `files_below` whose content is missing, or has another size.

        Parameters
        ----------
        project : str
            ID of the project.
        subject : str
            ID of the subject; empty for the project.
        """
        with self._archive.store.read() as connection:
            return lost_files(self._archive, connection, project, subject)

    def _open_session(self, owner: Caller) -> str:
        """Return the owner's session; a new one after a long pause."""
        sessions = self._archive.sessions
        if sessions.caller(self._session) is None:
            self._session = sessions.open(owner)
        return self._session

    def close(self) -> None:
        """Close the archive; the last process to do so leaves it as a server does."""
        self._archive.close()


def open_folder(folder: Path, fetch: Fetch) -> LocalArchive | Presence:
    """Open the archive in a folder, or return the server that has it.

    Parameters
    ----------
    folder : Path
        The folder.
    fetch : callable
        As for `LocalArchive`.

    Raises
    ------
    ConfigurationError
        It has no archive, belongs to another user, cannot be written, or cannot be opened.
    """
    if not (folder / 'archive.sqlite').is_file():
        raise ConfigurationError(
            f'{folder} has no archive. pyxnat.open(folder, create=True) makes one; so does '
            'pyxnat serve'
        )
    _check_owner(folder)
    try:
        return LocalArchive(folder, fetch)
    except ArchiveBusy as error:
        server = find(folder)
        if server is None:
            raise ConfigurationError(str(error)) from error
        if not server.is_here:
            raise ConfigurationError(
                f'{folder} is served on {server.host}: connect to {server.url}, with your login'
            ) from error
        return server
    except ArchiveTooNew as error:
        raise ConfigurationError(str(error)) from error
    except DATABASE_ERRORS as error:
        raise ConfigurationError(
            f'{folder} cannot be opened ({getattr(error, "orig", error)}): pyxnat serve {folder} '
            '--check lists the damage; if the database is lost, restore a backup'
        ) from error


def _check_owner(folder: Path) -> None:
    """Raise an error for a folder of another user: files of two users would mix."""
    if hasattr(os, 'geteuid') and os.geteuid() not in (0, folder.stat().st_uid):
        raise ConfigurationError(
            f'{folder} belongs to another user: ask them to serve it (pyxnat serve {folder})'
        )
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(
            f'{folder} cannot be written, which an open archive needs: copy it to another place'
        )


def create_folder(folder: Path, site: str) -> None:
    """Create an archive with an administrator ``admin``, unless there is one.

    No password is known: `open_folder` needs none, and ``--reset-password`` of the server gives
    one.

    Parameters
    ----------
    folder : Path
        The folder; it may exist.
    site : str
        Site ID; accession IDs start with it.

    Raises
    ------
    ConfigurationError
        The folder has other files, is a file, or cannot be written.
    """
    if (folder / 'archive.sqlite').is_file():
        return
    if any(one.exists() and not one.is_dir() for one in (folder, *folder.parents)):
        raise ConfigurationError(f'{folder} is a file, or below one: choose another folder')
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigurationError(f'{folder} has other files: choose an empty or a new folder')
    try:
        archive = ServedArchive(folder, site=site)
    except OSError as error:
        raise ConfigurationError(f'{folder} cannot be created: {error}') from error
    try:
        archive.users.add('admin', new_password(), admin=True)
    finally:
        archive.close()
