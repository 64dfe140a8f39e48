"""Collection classes of single levels; see :mod:`pyxnat.resources.factory`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from .. import errors
from ..files.disk import alike, names_on, safe_name
from ..files.zips import same_places
from ..model import uris
from ..model.levels import Level
from ..query import paths
from ..tables.table import Row
from .base import class_of
from .collection import Collection

__all__ = [
    'AssessorCollection',
    'DownloadableCollection',
    'SharedCollection',
    'collection_base',
]


class SharedCollection(Collection[Any]):
    """Subjects, experiments or assessors."""

    def sharing(self, projects: str | Iterable[str] = ()) -> Collection[Any]:
        """Return a collection of the elements shared by all given projects.

        Without projects: the elements shared by any project other than their own. One request per
        element, after those of iterating.
        """
        wanted = {projects} if isinstance(projects, str) else set(projects)
        found = []
        for element in self:
            shares = set(element.shares().get())
            if wanted <= shares if wanted else len(shares) > 1:
                found.append(element)
        return self._of(found)

    def share(self, project: str) -> None:
        """Share each element into another project, with its present label.

        One request per element, after those of iterating.
        """
        for element in self:
            element.share(project)

    def unshare(self, project: str) -> None:
        """End the share of each element in a project.

        Two requests per element, after those of iterating. If the project owns one of them, an
        error is raised before anything is sent.
        """
        self.host.owners.invalidate()
        for element in [element for element in list(self) if element.is_shared_into(project)]:
            element.end_share(project)


class DownloadableCollection(Collection[Any]):
    """Scans, assessors or reconstructions of sessions."""

    def download(  # type: ignore[override]
        self,
        dest_dir: str | os.PathLike[str],
        type: str = 'ALL',  # noqa: A002 - the word scripts use
        name: str | None = None,
        extract: bool = False,
        safe: bool = False,
        removeZip: bool = False,  # noqa: N803 - the word scripts use
        **how: Any,
    ) -> Any:
        """Download their files, as one zip per session.

        Parameters
        ----------
        dest_dir : path
            A folder; created if needed.
        type : str
            ``ALL``, or IDs or types separated by commas, as XNAT takes them in a URI.
        name : str, optional
            Name of the zip without ``.zip``. Default: the project, subject, session and types:
            ``P_S01_S01_MR_scans_T1_T2``.
        extract : bool
            Unpack as XNAT does: ``<session>/scans/<ID>-<type>/resources/…``.
        safe : bool
            Raise an error if the zip exists.
        removeZip : bool
            Delete the zip after unpacking it.
        **how
            ``layout``, ``jobs``, ``existing``, ``compression``, ``progress`` of
            :meth:`pyxnat.resources.bulk.Downloadable.download`. With any of them the files are
            verified, files that are present are skipped, and the result is a `Report`. They can be
            combined with `type`, but not with the parameters for zips.

        Returns
        -------
        str, list or Report
            For one session, the path of the zip or the paths of its files; a list of these if the
            path has wildcards above, without sessions that have no such scans. Sessions with equal
            labels, of several projects, each get the folder of their project.

        Raises
        ------
        NotFoundError
            There are no such files.
        TransferError
            A zip lacks files of the listing, since they are gone from the server's disk; all others
            are kept.
        LocalFileExists
            The zip exists, and `safe` was given.
        DataError
            The files would replace those of another session.
        InvalidArgument
            ``ALL`` is combined with other types.
        OfflineError
            The cache is offline, and none of **how** is given: the server makes the zips.

        Notes
        -----
        Two requests per session (the zip and the listing), and those of iterating if the path has
        wildcards above. Up to two more for the project and subject in the name of the zip, if the
        path does not name them.
        """
        if how:
            if (name, extract, safe, removeZip) != (None, False, False, False):
                raise errors.ProgrammingError(
                    'name, extract, safe and removeZip are for zips only',
                    remedy=f'Omit {", ".join(how)}, or those.',
                )
            only = () if type == 'ALL' else tuple(_types(type))
            return self.host.bulk.download(self, dest_dir, only=only, **how)
        if self.host.cache.is_offline:
            raise errors.OfflineError(
                'the server makes the zips of this call',
                remedy='Offline, copy the files with download(folder, jobs=4).',
            )
        folder, which = FilePath(os.fsdecode(dest_dir)).expanduser(), _types(type)
        targets = self._targets(folder, which, name, extract)
        existing = [str(target) for target in targets.values() if target.exists()]
        if safe and existing:
            raise errors.LocalFileExists(
                f'{existing[0]} already exists', remedy='Give another name=, or safe=False.'
            )
        results = []
        for session, target in targets.items():
            try:
                results.append(self._download(session, target, which, extract, removeZip))
            except errors.NotFoundError:
                if self._is_below_one:
                    raise
        if not self._is_below_one and (results or which == ['ALL']):
            return results
        if not results:
            raise errors.NotFoundError(
                'there is nothing to download',
                remedy='No session matches the conditions and the type of the selection.',
            )
        return results[0]

    @property
    def _is_below_one(self) -> bool:
        """Whether the path names a single session."""
        return len(self.routes) == 1 and all(step.literal for step in self.routes[0][:-1])

    def _sessions(self, which: list[str]) -> list[Any]:
        """Return the sessions to download, without those that have no such scan."""
        if self._is_below_one and not self.conditions:
            above = self.routes[0][:-1]
            return [class_of(above[-1].level).element_at(paths.uri_of(above), self.host)]
        return list(
            dict.fromkeys(
                element.parent()
                for element in self
                if which == ['ALL'] or {*which} & {element.path_name, *_names_in(element.row)}
            )
        )

    def _targets(
        self, folder: FilePath, which: list[str], name: str | None, extract: bool
    ) -> dict[Any, FilePath]:
        """Return session -> path of its zip.

        Zips are unpacked beside their place, into a folder named by the label of the session. So
        sessions with equal labels, of several projects, each have the folder of their project.
        """
        sessions = self._sessions(which)
        if name and len(sessions) > 1:
            raise errors.ProgrammingError(
                f'name={name!r} is for the zip of one session, and there are {len(sessions)}',
                remedy='Leave out name=.',
            )
        above = {session: _names_above(session) for session in sessions if not name}
        files = {
            session: name or '_'.join([*above[session], session.label(), self.level.plural, *which])
            for session in sessions
        }
        folders = {session: session.label() for session in sessions} if extract else files
        count = Counter(map(alike, folders.values()))
        places = {
            session: [above[session][0]] if count[alike(folders[session])] > 1 else []
            for session in sessions
        }
        self._check_apart(folder, [[*places[one], folders[one]] for one in sessions])
        return {
            session: folder.joinpath(*map(safe_name, [*places[session], f'{files[session]}.zip']))
            for session in sessions
        }

    @staticmethod
    def _check_apart(folder: FilePath, places: list[list[str]]) -> None:
        """Check that no two sessions have one place on the disk."""
        names = ['/'.join(map(safe_name, place)) for place in places]
        if same_places(names, alike):
            folder.mkdir(parents=True, exist_ok=True)
            twice = same_places(names, names_on(folder))
            if twice:
                raise errors.DataError(
                    f'two sessions would have the place {folder / twice[0]}',
                    remedy='Download them into different folders.',
                )

    def _download(
        self, session: Any, target: FilePath, which: list[str], extract: bool, remove: bool
    ) -> Any:
        quoted = ','.join(map(uris.quote, which))
        child = getattr(session, self.level.singular)('ALL')
        uri = uris.join(uris.parent(child.uri), quoted, 'files')
        return self.host.transfer.zips.of_files(uri, target, extract, keep=not (extract and remove))


def _types(text: str) -> list[str]:
    """Return the IDs or types in a list separated by commas."""
    which = list(dict.fromkeys(filter(None, map(str.strip, text.split(',')))))
    if not which or ('ALL' in which and len(which) > 1):
        raise errors.InvalidArgument(
            f'{text!r} is no list of IDs or types', remedy="Give 'ALL', or names without it."
        )
    return which


def _names_above(session: Any) -> list[str]:
    """Return the ID of the project and the label of the subject of a session."""
    names = {step.level: step.name for step in session.steps[:-1]}
    project = names.get('projects') or session.value_of('project')
    label = session.above.get('subjects', {}).get('label') or names.get('subjects')
    return [project, label or session.parent().label()]


def _names_in(row: Row) -> set[str]:
    """Return the values of a row that a list of IDs or types may have."""
    return {row.get(name, '') for name in ('ID', 'label', 'type', 'xsiType')}


class AssessorCollection(SharedCollection, DownloadableCollection):
    """Assessors of sessions."""


def collection_base(row: Level) -> type[Collection[Any]]:
    """Return the base class of a level's collection class."""
    if row.zip_folder:
        return AssessorCollection if row.has_label else DownloadableCollection
    return SharedCollection if row.has_label else Collection
