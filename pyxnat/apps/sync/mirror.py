"""`Mirror`: projects of a server in a folder, pulled and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...http.folder import create
from ...interface import Interface
from ...model.wildcards import is_wildcard
from ...query.paths import Path as SelectPath
from ...query.paths import read
from ...resources.base import Element
from .decisions import decide
from .puller import Here, Puller, PullReport
from .push import PushPlan
from .pusher import Pusher
from .resolver import Resolver, Take, remove_versions
from .sides import Files, FolderSide, Side, always_fresh, version_path
from .state import Conflict, State, Unit

__all__ = ['Mirror', 'Status']

_MAX_DELETE = 0.1


class Status(NamedTuple):
    """Differences between a mirror and its remote."""

    ahead: list[str]
    """Items and units that were changed, created or deleted in the folder."""
    behind: list[str]
    """Units that the remote changed since the pull; empty if it was not asked."""
    conflicts: list[Conflict]

    def __str__(self) -> str:
        lines = [f'ahead {one}' for one in self.ahead] + [f'behind {one}' for one in self.behind]
        lines += [f'conflict {one.key}: {one.reason}' for one in self.conflicts]
        return '\n'.join(lines) or 'no differences'


class _Selected(NamedTuple):
    """A selection of a pull."""

    project: str
    path: str
    where: Any
    files: Files
    is_whole: bool


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
        self.local = Interface(self.folder.as_uri())
        self._own_folder = self.folder / 'mirror'
        self._state = State(self._own_folder)
        self._remote = remote
        if remote is not None:
            self._check_remote(remote)

    def _check_remote(self, remote: Interface) -> None:
        known, server = self._state.about.get('server'), remote.connection.server
        if known not in (None, server):
            raise errors.ConfigurationError(
                f'{self.folder} is a mirror of {known}, not of {server}: use another folder'
            )
        self._state.tell(server=server, login=remote.connection.user)

    def __repr__(self) -> str:
        return f'<Mirror {self.folder} of {self._state.about.get("server", "nothing yet")}>'

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder. The connection to the server stays open."""
        self.local.disconnect()

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
            self._remote = Interface(about['server'], about['login'] or None)
        return self._remote

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
    ) -> PullReport:
        """Bring the changes of the server into the folder.

        Subjects and sessions with scans, assessors and reconstructions, their fields, and files of
        resources. An item or file that was changed on both sides is a conflict, unless different
        fields were changed, which are merged; neither side is touched. Changes of the folder stay.

        Parameters
        ----------
        path : str, optional
            A project (``/projects/P``), or subjects of one (``/projects/P/subjects/A*``). By
            default all that were pulled before, with their `where` and `files`.
        where : list or str, optional
            Criteria; of subjects that the folder does not have, only those that match are pulled.
        files : str, list of str or callable
            ``all``, ``none``, labels of resources, or a function that is called with each row of
            the listing.
        max_delete : float
            Largest share of the subjects of a project that may have been deleted at the server.
        jobs : int
            Number of parallel downloads.
        dry_run : bool
            Whether to change nothing; ``ok`` and ``deleted`` are then the units that would be.

        Returns
        -------
        PullReport
            Units pulled, unchanged, deleted and failed, and conflicts.

        Raises
        ------
        NotFoundError
            The project does not exist, or the login can no longer read it.
        DataError
            More subjects are missing at the server than `max_delete` allows.
        ConfigurationError
            A server has the folder.

        Notes
        -----
        Requests: two listings with the marks of last change; for each changed subject its document
        and the listings of its files, and one for each changed file. An interrupted pull is
        finished by the next one. XNAT marks no change of a file that keeps its size.
        """
        report = PullReport()
        with always_fresh(self.remote, self.local):
            for selected in self._selected(path, where, files):
                self._pull(selected, report, max_delete, jobs, dry_run)
        remove_versions(self._own_folder, {one.key for one in self._state.conflicts()})
        report.finish()
        return report

    def _selected(self, path: str | None, where: Any, files: Any) -> Iterator[_Selected]:
        if path is None:
            for known, options in self._state.selections().items():
                if str(options['files']).startswith('function'):
                    raise errors.ProgrammingError(
                        f'{known} was pulled with a function for its files',
                        remedy='Name the path, and give files= again.',
                    )
                yield _selection(known, _criteria(options['where']), options['files'])
            return
        yield _selection(path, where, files)

    def _pull(
        self, selected: _Selected, report: PullReport, max_delete: float, jobs: int, dry_run: bool
    ) -> None:
        remote, folder = Side(self.remote), FolderSide(self.local)
        there = remote.units(selected.project)
        known = self._state.units(selected.project)
        here = self._units_here(selected.project)
        gone = [unit for key, unit in known.items() if key not in there]
        _check_deletions(gone, known, selected.project, max_delete)
        chosen = self._chosen(selected)
        todo: list[tuple[Unit, str]] = []
        for key, (unit, mark) in there.items():
            before = known.get(key)
            is_subject = unit.id != unit.project
            if before is None and is_subject and chosen is not None and unit.id not in chosen:
                continue
            is_same = before is not None and before.there == mark != ''
            if is_same and before is not None and before.files == selected.files.text:
                report.add_skipped(key)
            else:
                todo.append((unit, mark))
        if dry_run:
            report.ok += [unit.key for unit, _ in todo]
            report.deleted += [unit.key for unit in gone]
            return
        self._state.select(selected.path, {'where': selected.where, 'files': selected.files.text})
        for unit in gone:  # first: another subject may have the label now
            self._bury(unit, here, report)
        puller = Puller(remote, folder, self._state, self._own_folder / 'stage', report)
        puller.run(todo, Here(here, known), selected.files, jobs)

    def _units_here(self, project: str) -> dict[str, tuple[Unit, str]]:
        try:
            return FolderSide(self.local).units(project)
        except errors.NotFoundError:
            return {}

    def _chosen(self, selected: _Selected) -> set[str] | None:
        """Return the IDs of the subjects to pull; None for all."""
        if selected.is_whole and selected.where is None:
            return None
        path = f'{selected.path}/subjects' if selected.is_whole else selected.path
        found = self.remote.select(path)
        if isinstance(found, Element):
            found = [found]
        elif selected.where is not None:
            found = found.where(selected.where)
        return {subject.id() for subject in found}

    def _bury(self, unit: Unit, here: dict[str, tuple[Unit, str]], report: PullReport) -> None:
        """Delete a subject that the server deleted, unless it was changed here."""
        now = here.get(unit.key)
        if now is not None and now[1] != unit.here and not self._has_base(unit):
            conflict = Conflict(unit.key, 'item', unit.key, 'deleted there, changed here', {}, {})
            self._state.put(unit, {}, [conflict])
            report.conflicts.append(conflict)
            return
        if now is not None:
            subject = self.local.select.project(unit.project).subject(unit.id)
            subject.delete()
        self._state.bury(unit)
        report.deleted.append(unit.key)

    def _has_base(self, unit: Unit) -> bool:
        """Whether a unit of the folder has its base, and no other file."""
        side = FolderSide(self.local)
        ours = {key: part.values for key, part in side.parts(unit).items()}
        files = side.files(unit, Files.of('all'))
        base = self._state.base(unit.key, 'file')
        return ours == self._state.base(unit.key, 'item') and all(
            key in base and file.values(next(iter(base[key]))) == base[key]
            for key, file in files.items()
        )

    # -- pushing

    def push(
        self, plan: PushPlan | None = None, *, delete: bool = False, dry_run: bool = False
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
        dry_run : bool
            Whether to return the plan and send nothing.

        Returns
        -------
        PullReport or PushPlan
            ``ok`` are the steps that were carried out, as text; with `dry_run` a plan.

        Raises
        ------
        DataError
            The plan does not fit any more.

        Notes
        -----
        Requests: two listings with the marks; for each changed subject its document and listings of
        its files, before and after; and one for each item or file that is sent. They are sent one
        at a time: XNAT loses fields of parallel writes to one item. After a crash, the next push
        compares first, so nothing is sent twice.
        """
        delete = plan.delete if plan is not None else delete
        with always_fresh(self.remote, self.local):
            if plan is not None or dry_run:
                now = Pusher(self.remote, self.local, self._state, delete).plan()
                if dry_run:
                    return now
                if now != plan:
                    raise errors.DataError(
                        'the plan does not fit any more: one of the sides has changed',
                        remedy='Make a new one with push(dry_run=True).',
                    )
            pusher = Pusher(self.remote, self.local, self._state, delete)
            return pusher.run(self._own_folder / 'stage')

    def resolve(self, keys: str | Conflict | Iterable[str | Conflict], take: Take) -> None:
        """End conflicts, for one side or for both. No request.

        The other version is replaced by the next pull (``remote``) or push (``local``), unless it
        has changed again by then. With ``both``, the server's version gets the name, and the
        folder's is kept beside it: an item as a new one with the label ``S01_local``, a file as
        ``T1_local.nii.gz``. If one side deleted the item or file, the version of the other stays.

        Parameters
        ----------
        keys : str, Conflict, or iterable of them
            `Conflict.key` of one or more; `conflicts` returns all.
        take : {'local', 'remote', 'both'}
            The side whose version is right.

        Raises
        ------
        DataError
            There is no such conflict, or it is that of a project with ``both``. Of several
            conflicts, the others are ended.
        """
        if take not in ('local', 'remote', 'both'):
            raise errors.ProgrammingError(f'take={take!r} is neither local, remote nor both')
        several = [keys] if isinstance(keys, (str, Conflict)) else keys
        names = [one.key if isinstance(one, Conflict) else one for one in several]
        Resolver(self.local, self._state, self._own_folder).resolve(names, take)

    def their_file(self, conflict: str | Conflict) -> Path:
        """Return the server's version of a file in conflict, as of the last pull. No request.

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
        """Compare the folder with its last pull, and with the marks of the server.

        Parameters
        ----------
        ask_remote : bool
            Whether to ask the server; two requests for each project.
        """
        ahead: list[str] = []
        behind: list[str] = []
        projects = dict.fromkeys(unit.project for unit in self._state.units().values())
        with always_fresh(self.local, *([self.remote] if ask_remote else [])):
            for project in projects:
                known, here = self._state.units(project), self._units_here(project)
                ahead += self._ahead(known, here)
                if ask_remote:
                    there = Side(self.remote).units(project)
                    marks = {key: mark for key, (_, mark) in there.items()}
                    behind += [
                        key
                        for key in dict.fromkeys([*marks, *known])
                        if key in known and known[key].there != marks.get(key)
                    ]
        return Status(ahead, behind, self._state.conflicts())

    def _ahead(self, known: dict[str, Unit], here: dict[str, tuple[Unit, str]]) -> Iterator[str]:
        side = FolderSide(self.local)
        for key, (unit, mark) in here.items():
            if key not in known:
                yield key
            elif known[key].here != mark:
                base = self._state.base(key, 'item')
                ours = {name: part.values for name, part in side.parts(unit).items()}
                yield from _changed(base, ours)
                files = self._state.base(key, 'file')
                by = next((next(iter(one)) for one in files.values()), 'digest')
                wanted = Files.of('all')
                rows = side.files(unit, wanted)
                yield from _changed(files, {name: row.values(by) for name, row in rows.items()})
        yield from (key for key in known if key not in here)

    def conflicts(self) -> list[Conflict]:
        """Return the items and files that both sides changed. No request."""
        return self._state.conflicts()


def _changed(base: dict[str, dict[str, str]], ours: dict[str, dict[str, str]]) -> Iterator[str]:
    return (one.key for one in decide(base, ours, base) if one.action != 'same')


def _criteria(stored: Any) -> Any:
    """Return criteria as they were given: JSON has no tuples."""
    if not isinstance(stored, list):
        return stored
    if len(stored) == 3 and not any(isinstance(one, list) for one in stored):
        return tuple(stored)
    return [_criteria(one) for one in stored]


def _selection(path: str, where: Any, files: Any) -> _Selected:
    """Return a selection, after a check of its path."""
    steps: SelectPath = read(path)
    levels = [step.level for step in steps]
    if levels not in (['projects'], ['projects', 'subjects']) or is_wildcard(steps[0].name):
        raise errors.ProgrammingError(
            f'{path!r} cannot be pulled',
            remedy="Give a project, such as '/projects/P', or subjects of one.",
        )
    return _Selected(steps[0].name, path, where, Files.of(files), len(levels) == 1)


def _check_deletions(
    gone: list[Unit], known: dict[str, Unit], project: str, max_delete: float
) -> None:
    """Raise an error if so many subjects are missing that they were hardly deleted."""
    subjects = sum(1 for key in known if key.startswith('subjects/'))
    most = max(1, int(max_delete * subjects))
    if len(gone) > most or (gone and len(gone) == subjects and max_delete < 1):
        raise errors.DataError(
            f'{len(gone)} of {subjects} subjects of {project} are missing at the server',
            remedy='Check that the login can still read them. If they were deleted, pull with '
            'max_delete=1.',
        )
