"""Bulk operations of one Interface: ``interface.bulk``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ... import errors
from ...query.layouts import LAYOUT
from ...resources import Element
from ...resources.base import class_of
from ...resources.host import Host
from ..deferred import function
from . import bids
from .arrangement import Arrangement
from .download import download, rehearse
from .listed import fetch_listed
from .manifest import Verification, verify
from .members import Source
from .report import Report

if TYPE_CHECKING:
    from .engines import map_on
    from .insert import insert
    from .mapping import Mapped, map_elements
    from .partitions import Connect, Partition, Recipe, partitions
    from .upload import upload
else:  # a program that downloads needs none of them
    insert = function('services.bulk.insert.insert')
    upload = function('services.bulk.upload.upload')
    map_elements = function('services.bulk.mapping.map_elements')
    map_on = function('services.bulk.engines.map_on')
    partitions = function('services.bulk.partitions.partitions')
    Partition = function('services.bulk.partitions.Partition')
    Recipe = function('services.bulk.partitions.Recipe')

__all__ = ['Bulk']

_BIDS = 'bids'
"""Name of the layout of a BIDS data set."""


class Bulk:
    """Downloads, uploads, inserts and maps selections of one Interface."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Bulk of {self._host.connection.server}>'

    def download(
        self,
        selection: Any,
        dest: str | os.PathLike[str],
        *,
        layout: str = LAYOUT,
        jobs: int = 4,
        existing: str = 'refresh',
        compression: int = 0,
        progress: bool | None = None,
        only: Sequence[str] = (),
        mapping: Any = None,
        converter: str | None = None,
    ) -> Report:
        """Download the files below an element or a collection.

        Parameters
        ----------
        selection : Element, Collection, path or list of these
            Parent of the files. Elements of a list belong to one level; paths are as for `select`.
        only : sequence of str
            IDs, labels or types of the elements of the collection to download; all if empty.
        dest, layout, jobs, existing, compression, progress, mapping, converter
            As in :meth:`pyxnat.resources.bulk.Downloadable.download`.
        """
        return download(
            self._host,
            self._selected(selection),
            dest,
            layout=self._arranged(layout, mapping, converter),
            jobs=jobs,
            existing=existing,
            compression=compression,
            progress=progress,
            only=only,
        )

    def _arranged(self, layout: str, mapping: Any, converter: str | None) -> str | Arrangement:
        """Return the arrangement that a layout names.

        Raises
        ------
        ProgrammingError
            Options of BIDS are given with another layout.
        """
        if layout == _BIDS:
            return bids.BidsArrangement(self._host.connection.server, mapping, converter)
        if mapping is not None or converter is not None:
            raise errors.ProgrammingError(
                "mapping and converter are for layout='bids'", remedy="Give layout='bids', too."
            )
        return layout

    def fetch(
        self,
        files: Mapping[str, Any],
        folder: str | os.PathLike[str],
        *,
        beside: Iterable[Any] = (),
        jobs: int = 4,
    ) -> Report:
        """Download listed files to chosen places, without further listings.

        Each has the size and digest of its listing, or is in ``failed``, by its place.

        Parameters
        ----------
        files : mapping of str to File
            Place of each file below the folder; the elements are those of a listing.
        folder : path
            Destination; created if missing.
        beside : iterable of File
            The other files of the same items, from their listings: zips have them, too.
        jobs : int
            Number of threads.
        """
        return fetch_listed(self._host, files, folder, beside=beside, jobs=jobs)

    def rehearse(self, selection: Any) -> None:
        """Make the requests of a download but those of files, for the cache."""
        rehearse(self._host, self._selected(selection))

    def _selected(self, selection: Any) -> Any:
        """Return one element or collection for a path, or a list of elements and paths.

        Raises
        ------
        ProgrammingError
            The list is empty, or has elements of several levels.
        """
        if isinstance(selection, str):
            return self._host.select(selection)
        if hasattr(selection, 'level'):
            return selection
        members = [self._selected(member) for member in selection]
        levels = {member.level.plural for member in members}
        if len(levels) != 1:
            raise errors.ProgrammingError(
                f'a list of {", ".join(sorted(levels)) or "nothing"} cannot be downloaded',
                remedy='Download the elements of each level on their own.',
            )
        routes = [
            route
            for member in members
            for route in ([member.steps] if isinstance(member, Element) else member.routes)
        ]
        if any(getattr(member, 'conditions', ()) for member in members):
            raise errors.ProgrammingError(
                'a list may not have collections with where', remedy='Download them singly.'
            )
        return class_of(levels.pop())(list(dict.fromkeys(routes)), self._host)

    def upload(
        self,
        target: Any,
        source: Source,
        *,
        layout: str | None = None,
        overwrite: bool = False,
        jobs: int = 4,
        compression: int = 0,
        progress: bool | None = None,
        dry_run: bool = False,
        resource: str | None = None,
        **params: Any,
    ) -> Report:
        """Upload files below an element.

        Parameters
        ----------
        target : Element
            Parent of the files.
        source, layout, overwrite, jobs, compression, progress, dry_run, resource, **params
            As in :meth:`pyxnat.resources.bulk.Uploadable.upload`.
        """
        how: dict[str, Any] = {
            'overwrite': overwrite,
            'jobs': jobs,
            'compression': compression,
            'progress': progress,
            'dry_run': dry_run,
        }
        if resource is not None and layout != _BIDS:
            raise errors.ProgrammingError(
                "resource is for layout='bids'",
                remedy='Upload to element.resource(…), or a layout.',
            )
        plan = bids.BidsGrouping(source, resource) if layout == _BIDS else layout
        with self._host.owners.reuse_lookups():
            return upload(self._host, target, source, layout=plan, params=params, **how)

    def insert(
        self,
        collection: Any,
        table: Any,
        *,
        existing: str = 'keep',
        jobs: int = 4,
        progress: bool | None = None,
    ) -> Report:
        """Create the elements that a table names.

        Parameters
        ----------
        collection : Collection
            Destination.
        table, existing, jobs, progress
            As in :meth:`pyxnat.resources.bulk.Mappable.insert`.
        """
        with self._host.owners.reuse_lookups():
            return insert(
                self._host, collection, table, existing=existing, jobs=jobs, progress=progress
            )

    def map(
        self,
        elements: Any,
        function: Callable[[Any], Any],
        *,
        jobs: int = 4,
        processes: int | None = None,
        executor: Any = None,
        batch: int = 200,
        by: str | None = 'experiment',
        connect: Connect | None = None,
        log: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> Mapped:
        """Call a function with each element.

        Parameters
        ----------
        elements : iterable of Element
            A collection, or any elements.
        function, jobs, processes, executor, batch, by, connect, log, progress
            As in :meth:`pyxnat.resources.bulk.Mappable.map`.
        """
        if executor is not None and processes is not None:
            raise errors.ProgrammingError(
                f'processes={processes!r} and an executor', remedy='Give one of them.'
            )
        if executor is not None:
            how: dict[str, Any] = {'batch': batch, 'by': by, 'connect': connect}
            return map_on(
                self._host, executor, elements, function, log=log, progress=progress, **how
            )
        return map_elements(
            list(iter(elements)),
            function,
            jobs=jobs,
            processes=processes,
            log=log,
            progress=progress,
        )

    def partitions(
        self,
        elements: Any,
        size: int = 200,
        by: str | None = 'experiment',
        *,
        connect: Connect | None = None,
    ) -> Iterator[Partition]:
        """Yield parts of a selection for tasks of other processes.

        Parameters
        ----------
        elements : iterable of Element
            A collection, or any elements.
        size, by, connect
            As in :meth:`pyxnat.resources.bulk.Mappable.partitions`.
        """
        recipe = Recipe(self._host, connect)
        return (Partition(group, recipe) for group in partitions(elements, size, by))

    def dask_bag(self, parts: Iterable[Partition]) -> Any:
        """Return a dask bag of the elements of partitions."""
        try:
            from dask import bag
        except ImportError as error:
            raise ImportError('to_dask_bag needs dask: pip install pyxnat[engines]') from error
        bags: Any = bag
        return bags.from_sequence(list(parts), partition_size=1).map(list).flatten()

    def verify(self, folder: str | os.PathLike[str]) -> Verification:
        """Compare a download folder with its manifest. No request."""
        return verify(folder)
