"""`Mirror`: projects of a server in a folder, pulled and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ... import errors
from ...files.folder_lock import locked
from ...http.folder import create
from ...interface import Interface
from ...services.bulk.workers import check_jobs
from . import lazy
from .behind import units_behind
from .decisions import Values, decide
from .file_rows import Files, version_path
from .folder_side import FolderSide, units_here
from .parts import known_base, values_of
from .project_pull import ProjectPull, PullOptions
from .puller import PullReport
from .push_plan import PushPlan
from .pusher import Pusher
from .resolver import Resolver, Take, remove_versions
from .runs import Runs
from .schemas import pull_schemas
from .selection import selected_projects, selection, stored_selections
from .sides import Side, always_fresh
from .state import Conflict, State, Unit

__all__ = ['Mirror', 'Status']

_MAX_DELETE = 0.1
_FORGOTTEN = 'forgotten '
"""Begins the name of a stored fact: that a project was forgotten."""


class Status(NamedTuple):
    """Differences between a mirror and its remote."""

    ahead: list[str]
    """Items and units that were changed, created or deleted in the folder; a project that was never
    pulled is one."""
    behind: list[str]
    """Units that the remote changed since the pull, and projects that the login cannot read any
    more; empty if it was not asked."""
    conflicts: list[Conflict]

    def __str__(self) -> str:
        lines = [f'ahead {one}' for one in self.ahead] + [f'behind {one}' for one in self.behind]
        lines += [f'conflict {one.key}: {one.reason}' for one in self.conflicts]
        return '\n'.join(lines) or 'no differences'


class Mirror:
    """Projects of a server in a folder.

    The folder is an archive: `local` works on it like on the server, without a network. Accession
    IDs are those of the server. `pull` brings changes of the server; what was changed in the folder
    is never overwritten.

    Parameters
    ----------
    folder : path
        The folder; created if missing.
    remote : Interface, optional
        Connection to the server. By default to the server of an earlier pull, with the login that
        the environment or ``~/.netrc`` has for it; it is made when it is needed.

    Attributes
    ----------
    local : Interface
        Connection to the folder.

    Raises
    ------
    ConfigurationError
        `remote` is another server than that of the mirror, or the folder cannot be opened.

    Examples
    --------
    ::

        mirror = pyxnat.Mirror('study', remote=xnat)
        print(mirror.pull('/projects/P'))
        mirror.local.select('/projects/P/subjects').where([...])
    """

    def __init__(self, folder: str | os.PathLike[str], remote: Interface | None = None) -> None:
        self.folder = Path(folder).expanduser().resolve()
        create(self.folder, 'LOCAL')
        self._own_folder = self.folder / 'mirror'
        self._state = State(self._own_folder)
        self._remote: Interface | None = None
        self._made: Interface | None = None
        if remote is not None:
            self.remote = remote
        self.local = Interface(self.folder.as_uri())
        lazy.register(self.folder, self)

    def __repr__(self) -> str:
        return f'<Mirror {self.folder} of {self.server or "nothing yet"}>'

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder. A connection to the server that was passed stays open."""
        self.local.disconnect()
        if self._made is not None:
            self._made.disconnect()

    def _alone(self) -> AbstractContextManager[None]:
        """Have the mirror alone while the block runs."""
        return locked(
            self._own_folder, f'{self.folder} is being pulled or pushed by another program'
        )

    @property
    def remote(self) -> Interface:
        """Connection to the server.

        Raises
        ------
        ConfigurationError
            The mirror has no server yet, or no login is known for it.
        """
        if self._remote is None:
            about = self._state.about
            if 'server' not in about:
                raise errors.ConfigurationError(
                    f'{self.folder} has no server yet: Mirror(folder, remote=Interface(…))'
                )
            login = about['login']
            self._remote = self._made = (
                Interface(about['server'], login)
                if login
                else Interface(about['server'], anonymous=True)
            )
        return self._remote

    @remote.setter
    def remote(self, remote: Interface) -> None:
        _check_type('remote', remote, Interface)
        known, server = self.server, remote.connection.server
        if known not in ('', server):
            raise errors.ConfigurationError(
                f'{self.folder} is a mirror of {known}, not of {server}: use another folder; if '
                'the server itself has another URL now, Mirror(folder).move_to(remote)'
            )
        self._state.tell(server=server, login=remote.connection.user)
        self._remote = remote

    @property
    def server(self) -> str:
        """URL of the server; empty before the first pull."""
        return self._state.about.get('server', '')

    def move_to(self, remote: Interface) -> None:
        """Record that the server of the mirror has another URL now.

        Two listings a project.

        Parameters
        ----------
        remote : Interface
            Connection to the server at its new URL, such as one with https.

        Raises
        ------
        DataError
            It is another server: less than half of the pulled subjects are there, with the same
            accession IDs and labels.
        BusyError
            Another program pulls or pushes the folder.
        """
        _check_type('remote', remote, Interface)
        with self._alone(), always_fresh(remote):
            units = self._state.units()
            labels = {key: unit.label for key, unit in units.items() if unit.id != unit.project}
            there: dict[str, str] = {}
            for project in dict.fromkeys(unit.project for unit in units.values()):
                with suppress(errors.NotFoundError, errors.PermissionDenied):
                    found = Side(remote).units(project)
                    there |= {key: unit.label for key, (unit, _) in found.items()}
            same = sum(there.get(key) == label for key, label in labels.items())
            if 2 * same < len(labels):
                server = remote.connection.server
                raise errors.DataError(
                    f'{server} has {same} of {len(labels)} subjects of {self.folder}',
                    remedy='Check the URL and the login. For another server, use another folder.',
                )
            self._state.tell(server='')
            self.remote = remote

    # -- pulling

    def pull(
        self,
        path: str | None = None,
        *,
        where: Any = None,
        files: str | Iterable[str] | Callable[[Any], bool] = 'all',
        max_delete: float = _MAX_DELETE,
        jobs: int = 4,
        dry_run: bool = False,
        check: Literal['marks', 'files'] = 'marks',
    ) -> PullReport:
        """Bring the changes of the server into the folder.

        Subjects and sessions with scans, assessors and reconstructions, their fields, and files of
        resources. An item or file that was changed on both sides is a conflict, unless different
        fields were changed, which are merged; neither side is touched. Changes of the folder stay.
        Subjects that other projects share into the pulled one, or that have sessions of it, are
        pulled with these projects' fields, as far as the login can read them.

        Parameters
        ----------
        path : str, optional
            A project (``/projects/P``), or subjects of one (``/projects/P/subjects/A*``). By
            default all that were pulled before, with their `where` and `files`.
        where : list or str, optional
            Criteria; of subjects that the folder does not have, only those that match are pulled.
        files : str, list of str or callable
            ``all``, ``none``, ``lazy`` (all are listed, and each is fetched from the server when it
            is read), labels of resources, or a function that is called with each row of
            the listing.
        max_delete : float
            Largest share of the subjects of a project that may have been deleted at the server, and
            of its sessions or assessors of one data type; one of these may always.
        jobs : int
            Number of parallel downloads.
        dry_run : bool
            Whether to change nothing; ``ok`` and ``deleted`` are then the units that would be.
        check : {'marks', 'files'}
            ``files`` lists the files of all units, also of those without a mark of a change, and
            fetches again what is missing on the folder's disk, or has another size there.

        Returns
        -------
        PullReport
            Units pulled, unchanged, deleted and failed, and conflicts.

        Raises
        ------
        NotFoundError
            The project does not exist, or the login can no longer read it.
        DataError
            More subjects are missing at the server than `max_delete` allows. Without `path`, these
            errors are failures of one selection, in the report: the others are pulled.
        ProgrammingError
            `where` or `files` without `path`: they are stored with each path.
        ConfigurationError
            A server has the folder.
        BusyError
            Another program pulls or pushes it.

        Notes
        -----
        Requests: two listings with the marks of last change, one of sessions, which tells those
        whose subjects are elsewhere, and one for the operations that the server recorded since the
        last pull, as XNAT marks no file that was overwritten by one of the same size; for each
        changed subject its document and the listings of its files, and one for each changed file.
        For each other project that owns shared subjects, two listings and one for its operations.
        For what is missing, one or two, and a listing of its data type. With the path of a project
        a listing of its assessors, which may be shared without their sessions.
        An interrupted pull is finished by the next one.
        """
        if check not in ('marks', 'files'):
            raise errors.ProgrammingError(f'check={check!r} is neither marks nor files')
        if path is None and not (where is None and files == 'all'):
            raise errors.ProgrammingError(
                'where and files are those of a path, and none was given',
                remedy="Name one: pull('/projects/P', …). pull() uses those of earlier pulls.",
            )
        check_jobs(jobs)
        _check_type('max_delete', max_delete, int, float)
        report, options = PullReport(), PullOptions(max_delete, jobs, dry_run, check)
        found = (
            stored_selections(self._state.selections())
            if path is None
            else [selection(path, where, files)]
        )
        state = self._state
        with self._alone(), always_fresh(self.remote, self.local), state.kept_open():
            self._note_copy(report)
            runs = self._runs()
            if runs.is_folder_older and not dry_run:
                report.add_note(f'{self._restored()}; what differs from the server is a conflict')
                state.forget_bases()
            self._pull_schemas(report, options)
            pull = ProjectPull(self.remote, self.local, self._state, self._own_folder, report)
            with runs.counting():
                for selected in found:
                    with nullcontext() if path else report.isolated(selected.path):
                        pull.run(selected, options)
                pull.run_shared(options, is_all=path is None)
            self._note_never_pulled(report)
            if report.failed:
                self._state.tell(schemas='')  # a failed item may be of a type that is new there
            remove_versions(self._own_folder, {one.key for one in self._state.conflicts()})
        report.finish()
        return report

    def forget(self, path: str) -> None:
        """Remove the selection of an earlier pull. No request.

        What it brought stays in the folder. If it was the last selection of its project, pulls,
        pushes and `status` leave the project alone from now on, and changes of the folder that were
        not pushed are not known as such any more.

        Parameters
        ----------
        path : str
            The path that was pulled; or a project that was pulled as others show its subjects,
            until the next pull of one of these.

        Raises
        ------
        DataError
            There was no such pull.
        BusyError
            Another program pulls or pushes the folder.
        """
        with self._alone(), self._state.kept_open():
            project, wanted, *_ = selection(path, None, 'none')
            stored = {one: selection(one, None, 'none').path for one in self._state.selections()}
            is_shown = wanted == f'/projects/{project}' and bool(self._state.units(project))
            is_shown = is_shown and project not in selected_projects(self._state)
            if wanted not in stored.values() and not is_shown:
                raise errors.DataError(
                    f'{wanted} was not pulled into {self.folder}',
                    remedy=f'Pulled were: {", ".join(dict.fromkeys(stored.values())) or "none"}.',
                )
            for spelling in (one for one, place in stored.items() if place == wanted):
                self._state.deselect(spelling)
            if project not in selected_projects(self._state):
                for key in self._state.units(project):
                    self._state.forget(key)
                self._state.tell(**{f'{_FORGOTTEN}{project}': 'true'})

    def _runs(self) -> Runs:
        return Runs(FolderSide(self.local), self._state)

    def _restored(self) -> str:
        return f'{self.folder} is older than its mirror/state.sqlite, as if restored without it'

    def _note_copy(self, report: PullReport) -> None:
        """Say once that the folder is a copy of another one."""
        if self._state.about.get('copy_of'):
            report.add_note(
                f'{self.folder} is a copy of another mirror. Both can be pulled and pushed: what '
                'both have created is taken for the same if its label and fields are equal'
            )
            self._state.tell(copy_of='')

    def _never_pulled(self) -> list[str]:
        """Return the projects of the folder that no pull has compared. One request to it.

        They were created there, or the state of the mirror is lost. Without those that were
        forgotten.
        """
        known = {unit.project for unit in self._state.units().values()}
        known |= {name.removeprefix(_FORGOTTEN) for name in self._state.about}
        return sorted(FolderSide(self.local).all_projects() - known)

    def _note_never_pulled(self, report: PullReport) -> None:
        """Say which projects of the folder are not compared with the server."""
        for project in self._never_pulled():
            report.add_note(
                f'{project} was never pulled, so its changes are not sent: '
                f"pull('/projects/{project}') compares it with the server, which has to have it"
            )
        if not (self._state.selections() or report.notes):
            report.add_note("nothing was pulled yet: name a project, pull('/projects/P')")

    def _pull_schemas(self, report: PullReport, options: PullOptions) -> None:
        """Fetch the schemas of the server, at the first pull and after one with failures."""
        if options.dry_run or self._state.about.get('schemas'):
            return
        refusal = pull_schemas(self.remote, self.local, self._own_folder / 'schemas')
        if refusal:
            report.add_note(f'data types of plug-ins may be missing: {refusal}')
        self._state.tell(schemas='refused' if refusal else 'pulled')

    # -- pushing

    def push(
        self,
        plan: PushPlan | None = None,
        *,
        delete: bool = False,
        max_delete: float = _MAX_DELETE,
        dry_run: bool = False,
    ) -> Any:
        """Send the changes of the folder to the server.

        Items that were created in the folder get their accession ID of the server. Fields are sent
        if only the folder changed them, files if the server still has the one that was pulled.
        Changes of both sides are conflicts, and are not sent.

        Parameters
        ----------
        plan : PushPlan, optional
            Plan of an earlier `dry_run`; it is carried out only if it would be the same now.
        delete : bool
            Whether deletions in the folder are made at the server, too.
        max_delete : float
            Largest share of the subjects of a project that may be deleted at the server; one may
            always. A plan has been checked when it was made.
        dry_run : bool
            Whether to return the plan and send nothing.

        Returns
        -------
        PullReport or PushPlan
            ``ok`` are the steps that were carried out, as text; with `dry_run` a plan.

        Raises
        ------
        DataError
            The plan does not fit any more, or more subjects are missing in the folder than
            `max_delete` allows.
        BusyError
            Another program pulls or pushes the folder.

        Notes
        -----
        Requests: two listings with the marks for each project that the folder changed; for each
        changed subject its document and listings of its files, before and after; one for each item
        or file that is sent, and one to look before a new item and before a file is replaced. They
        are sent one at a time: XNAT loses fields of parallel writes to one item. After a crash, the
        next push compares first, so nothing is sent twice.
        """
        _check_type('plan', plan, PushPlan, type(None))
        _check_type('max_delete', max_delete, int, float)
        if plan is not None:
            delete, max_delete = plan.delete, 1
        pusher = Pusher(self.remote, self.local, self._state, delete, max_delete)
        state = self._state
        with self._alone(), always_fresh(self.remote, self.local), state.kept_open():
            runs = self._runs()
            if runs.is_folder_older:
                raise errors.DataError(
                    self._restored(),
                    remedy='Pull first: what differs from the server is a conflict then.',
                )
            if dry_run:
                return pusher.plan()
            if plan is not None and pusher.plan() != plan:
                raise errors.DataError(
                    'the plan does not fit any more: one of the sides has changed',
                    remedy='Make a new one with dry_run=True.',
                )
            with runs.counting():
                report = pusher.run(self._own_folder)
            self._note_copy(report)
            self._note_never_pulled(report)
            return report

    def resolve(self, keys: str | Conflict | Iterable[str | Conflict], take: Take) -> None:
        """End conflicts, for one side or for both. No request.

        The other version is replaced by the next pull (``remote``) or push (``local``), unless it
        has changed again by then. With ``both``, the server's version gets the name, and the
        folder's is kept beside it: an item as a new one with the label ``S01_local``, a file as
        ``T1_local.nii.gz``. If one side deleted the item or file, the version of the other stays.

        If the server gave the label of an item to another one, the item of the folder is renamed
        (``both``), or, with ``remote``, gets its label of the server, and is deleted if it is new.

        Parameters
        ----------
        keys : str, Conflict, or iterable of them
            `Conflict.key` of one or more, or `Conflict.id`; `conflicts` returns all.
        take : {'local', 'remote', 'both'}
            The side whose version is right.

        Raises
        ------
        DataError
            There is no such conflict, or it is that of a project with ``both``, or that of a
            label of another item with ``local``; or the folder was changed since it was found. Of
            several conflicts, the others are ended.
        ConfigurationError
            A server has the folder.
        BusyError
            Another program pulls or pushes the folder.
        """
        if take not in ('local', 'remote', 'both'):
            raise errors.ProgrammingError(f'take={take!r} is neither local, remote nor both')
        _check_type('keys', keys, str, Iterable)
        several = [keys] if isinstance(keys, (str, Conflict)) else list(keys)
        for one in several:
            _check_type('keys', one, str, Conflict)
        names = [one.key if isinstance(one, Conflict) else one for one in several]
        with self._alone():
            Resolver(self.local, self._state, self._own_folder).resolve(names, take)

    def their_file(self, conflict: str | Conflict) -> Path:
        """Return the server's version of a file in conflict, as of the last pull.

        No request.

        Raises
        ------
        DataError
            The mirror has none: the file is not in conflict, or the server deleted it.
        """
        key = conflict.key if isinstance(conflict, Conflict) else conflict
        path = version_path(self._own_folder, key)
        if not path.exists():
            raise errors.DataError(
                f'no version of the server of {key}',
                remedy='mirror.conflicts() lists the files in conflict; pull first.',
            )
        return path

    # -- comparing

    def status(self, *, ask_remote: bool = True) -> Status:
        """Compare the folder with its last pull, and that with the server.

        Parameters
        ----------
        ask_remote : bool
            Whether to ask the server.

        Notes
        -----
        Requests for each project: two listings, and one for the operations that the server recorded
        since the pull, as XNAT marks no file that was replaced by one of the same size; the
        listings of the files of each subject that these name, and that has no other change. A login
        that may not read the operations does not see such files; the notes of a pull say so.
        """
        ahead: list[str] = []
        behind: list[str] = []
        projects = dict.fromkeys(unit.project for unit in self._state.units().values())
        fresh = always_fresh(self.local, *([self.remote] if ask_remote else []))
        with fresh, self._state.kept_open():
            for project in projects:
                here = units_here(FolderSide(self.local), project)
                ahead += self._ahead(self._state.units(project), here)
                if ask_remote:
                    try:
                        behind += units_behind(Side(self.remote), self._state, project)
                    except (errors.NotFoundError, errors.PermissionDenied):
                        if project in selected_projects(self._state):
                            behind.append(f'projects/{project}')
            ahead += [f'projects/{project}' for project in self._never_pulled()]
        return Status(ahead, behind, self._state.conflicts())

    def _ahead(self, known: dict[str, Unit], here: dict[str, tuple[Unit, str]]) -> Iterator[str]:
        side = FolderSide(self.local)
        projects = side.all_projects()
        for key, (unit, mark) in here.items():
            if key not in known:
                yield key
            elif known[key].here != mark:
                base = known_base(self._state.base(key, 'item'), projects)
                ours = values_of(side.parts(unit))
                yield from _changed(base, ours)
                files = self._state.base(key, 'file')
                rows = side.files(unit, Files.of('all'))
                now = {name: row.here(files.get(name)) for name, row in rows.items()}
                yield from _changed(files, now)
        yield from (key for key in known if key not in here and self._state.base(key, 'item'))

    def conflicts(self) -> list[Conflict]:
        """Return the items and files that both sides changed. No request."""
        return self._state.conflicts()

    def deleted(self) -> dict[str, str]:
        """Return the label of each subject that the server deleted, by its key.

        No request. Those that the server has again, and that were pulled, are not among them.
        """
        return self._state.tombstones()


def _check_type(name: str, value: object, *types: type) -> None:
    if not isinstance(value, types):
        names = ', '.join(one.__name__ for one in types)
        raise errors.InvalidArgument(f'{name}={value!r} is none of these: {names}')


def _changed(base: Mapping[str, Values], ours: Mapping[str, Values]) -> Iterator[str]:
    return (one.key for one in decide(base, ours, base) if one.action != 'same')
