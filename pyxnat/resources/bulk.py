"""Bulk methods of elements and collections: download, upload, insert, map."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..query.layouts import LAYOUT
from .host import Host

__all__ = ['Downloadable', 'Lockable', 'Mappable', 'Uploadable']


class Lockable:
    """Mixin for elements and collections with files below them."""

    host: Host

    def lock(
        self,
        path: str | os.PathLike[str],
        *,
        fields: Iterable[str] = (),
        files: bool | str | Sequence[str] = True,
        layout: str = LAYOUT,
    ) -> Any:
        """Write a lock file: which items and files this selection has now.

        Parameters
        ----------
        path : path
            The file to write, such as ``study.xnatlock``.
        fields : iterable of str, optional
            Columns of the items to lock, as in `table`.
        files : bool, str or sequence of str
            Whether to lock the files below, or the labels of the resources whose files are.
        layout : str
            Layout of the folder that `Lock.fetch` fills, as in `download`.

        Returns
        -------
        Lock
            The lock file (:class:`pyxnat.Lock`): it verifies a server or a folder, and fetches.

        Notes
        -----
        The requests of ``table`` and of listing the files; no content is fetched.
        """
        return self.host.locks.create(self, path, fields=fields, files=files, layout=layout)


class Downloadable(Lockable):
    """Mixin for elements and collections with files below them."""

    host: Host

    def download(
        self,
        dest: str | os.PathLike[str],
        *,
        layout: str = LAYOUT,
        jobs: int = 4,
        existing: str = 'refresh',
        compression: int = 0,
        progress: bool | None = None,
        mapping: Any = None,
        converter: str | None = None,
    ) -> Any:
        """Download all files below into a folder.

        To complete an interrupted download, run it again: files that are present and correct are
        not fetched again. A file appears only when it is complete and verified.

        Parameters
        ----------
        dest : path
            A folder; created if needed. Beside the files it gets the manifest ``MD5SUMS``, which
            ``md5sum -c`` checks, and the folder ``.xnat`` with the documents of the items and the
            URI of each file, which `upload` reads.
        layout : str
            Path of each file in the folder, with fields in braces: ``project``, ``subject``,
            ``experiment``, ``scan`` (for files of an assessor or reconstruction its label, unless
            the layout has those fields), ``assessor``, ``reconstruction``, ``side`` (``in``,
            ``out``), ``resource``, ``path`` and ``name`` (the last part of the path), ``n`` (number
            of the file in its resource; ``{n:03}`` with three digits), ``type`` of the scan,
            ``date`` of the session, and columns of elements above, such as ``{scan/quality}`` or
            ``{xnat:mrSessionData/note}``. Parts without a value are left out. Names that could lead
            out of the folder are encoded. ``bids``: the images of scans as a BIDS data set.
        jobs : int
            Number of requests in parallel.
        existing : {'refresh', 'keep', 'replace', 'error'}
            How to treat files that are present. ``refresh``: fetch those whose size or digest
            differs from the listing; without digests on the server, compare the size, or the
            manifest of an earlier download. ``keep``: leave all. ``replace``: fetch all. ``error``:
            raise an error before the first download if any differs.
        compression : int
            Compression level of the server's zips, 0 to 9. 0 is fastest on most networks, because
            compressing takes the server longer than sending; 1 may help on a slow network with
            uncompressed files.
        progress : bool, optional
            Show a progress bar (needs the extra ``progress``). Default: if there is a terminal.
        mapping : path or dict, optional
            With ``layout='bids'``: a JSON file, or its content, with rules that say which scan is
            which image. Its rules come before the default ones.
        converter : {'dcm2niix'}, optional
            With ``layout='bids'``: the program that converts scans that have DICOM files alone.

        Returns
        -------
        Report
            Files downloaded (``ok``), already present (``skipped``) and ``failed``, with reasons.

        Raises
        ------
        DataError
            Two files would have the same path, or one has the path of a file of another element in
            the folder; nothing is fetched.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. Other failures are in the report.

        Notes
        -----
        Requests: those of listing the files (see ``explain()`` of the ``files`` collection): three
        for a session without assessors and reconstructions, one for a scan or resource. Up to two
        for labels that are missing there and in the document. One document for each subject of a
        project, or for each subject, session, scan, assessor or reconstruction that is selected
        itself (a collection of scans, assessors or reconstructions has none). One zip per 64 MB of
        small files; one request for each file of 16 MiB or more, and for each missing file if fewer
        than 50 are missing.
        """
        return self.host.bulk.download(
            self,
            dest,
            layout=layout,
            jobs=jobs,
            existing=existing,
            compression=compression,
            progress=progress,
            mapping=mapping,
            converter=converter,
        )


class Uploadable(Downloadable):
    """Mixin for elements that can hold files below them."""

    def upload(
        self,
        source: Any,
        *,
        layout: str | None = None,
        overwrite: bool = False,
        jobs: int = 4,
        compression: int = 0,
        progress: bool | None = None,
        dry_run: bool = False,
        resource: str | None = None,
        **params: Any,
    ) -> Any:
        """Upload files into the resources below, and verify them in listings.

        A folder that `download` made, or a part of it, is the way back: the element takes the place
        of the one that was downloaded, with its fields, custom variables and forms, and all items
        below it. Missing items are created from their documents; those that exist get the fields
        they lack. A project gets its accessibility and its shares with projects that exist, but no
        users.

        To complete an interrupted upload, run it again: files that are present with the same size
        and digest are not sent again.

        Parameters
        ----------
        source : path, mapping or iterable of pairs
            A folder; a manifest ``MD5SUMS`` of a download, whose digests the files must match; or a
            mapping (or pairs) from names in the layout to paths of local files.
        layout : str, optional
            Path of each file, from this element downwards, with fields as for `download`. Default:
            as the download has it; for other folders ``{scan}/{resource}/{path}`` for a session,
            ``{resource}/{path}`` for a scan, ``{path}`` for a resource. ``{resource}/{path}``
            uploads to resources of a session itself. With a layout, documents are not read.
            ``bids``: a folder of BIDS derivatives, whose files go to resources of the sessions,
            subjects and the project that their names have.
        overwrite : bool
            Replace files that are present with other content, and fields with other values. False
            reports each as a failure.
        jobs : int
            Number of resources in parallel; each resource takes one request at a time.
        compression : int
            Compression level of the zips, 0 to 9.
        progress : bool, optional
            Show a progress bar (needs the extra ``progress``). Default: if there is a terminal.
        dry_run : bool
            Send nothing; the report has the files that would be sent (``ok``).
        resource : str, optional
            With ``layout='bids'``: label of the resources. Default: the name of the program in
            ``dataset_description.json``, or the name of the folder.
        **params
            ``format``, ``content``, ``tags`` of all files; types of missing levels above
            (``experiments='xnat:petSessionData'``); ``params={…}`` for further query parameters.

        Returns
        -------
        Report
            Files uploaded (``ok``), already present (``skipped``) and ``failed``, with reasons;
            elements ``created``; ``notes`` about items left out, such as a share with a project
            that does not exist.

        Raises
        ------
        DataError
            A file does not match the layout or the download, or does not exist; nothing is sent.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached.

        Notes
        -----
        Requests: before and after sending, one listing for the scans of a session and one for each
        other resource; one zip per 64 MB of small files of a resource, and one request for each
        file of 16 MiB or more. Missing elements above are created: if scans have no files yet, one
        request lists the scans of their session, and one creates each missing scan or session, of
        the type that fits the session. A download folder: one document for each element that
        exists, one request for each that is created, one for the custom forms of each.
        """
        how: dict[str, Any] = {
            'overwrite': overwrite,
            'jobs': jobs,
            'compression': compression,
            'progress': progress,
            'dry_run': dry_run,
            'resource': resource,
        }
        return self.host.bulk.upload(self, source, layout=layout, **how, **params)


class Mappable(Downloadable):
    """Mixin for collections."""

    def insert(
        self, table: Any, *, existing: str = 'keep', jobs: int = 4, progress: bool | None = None
    ) -> Any:
        """Create elements from the rows of a table.

        Parameters
        ----------
        table : path, DataFrame or iterable of mappings
            One row per element. A CSV file has a header; :mod:`pyxnat.tables.csv_file` tells which
            encodings and delimiters are read. The columns ``subject``, ``experiment``, … (or
            ``label``, ``ID`` for the level itself) name the element and those above it, unless the
            selection does. All other columns are fields, by short name, full path or as
            ``form:TITLE/KEY``, and ``xsiType``. Names and short names are found in any case:
            ``Label``. Empty cells are skipped; whole numbers are sent as such, also from a column
            of floats.
        existing : {'keep', 'update', 'error'}
            How to treat elements that exist: leave them unchanged, set the fields of the row, or
            raise an error before the first request that writes.
        jobs : int
            Number of requests in parallel.
        progress : bool, optional
            Show a progress bar (needs the extra ``progress``). Default: if there is a terminal.

        Returns
        -------
        Report
            URIs inserted or updated (``ok``), unchanged (``skipped``) and ``failed``, with reasons.

        Raises
        ------
        DataError
            A row names no element, or two rows name the same one; nothing is sent.
        ProgrammingError
            A column is not a writable field; nothing is sent.
        DuplicateError
            Elements exist and ``existing='error'``; nothing is sent.

        Notes
        -----
        One request per row, after those of iterating the collection; up to two more if the server
        does not create missing elements above. New scans of one session are sent in one document,
        with the session and its subject if those are new: two requests for all of them. Sessions
        are sent one by one: XNAT takes new ones in the document of their subject only with
        accession IDs, which the server assigns. With several jobs, accession IDs are not in the
        order of the rows.

        Examples
        --------
        ::

            project.subjects().insert('people.csv')              # label, gender, yob
            row = {'subject': 'S1', 'label': 'S1_MR', 'date': '2020-01-02'}
            project.subjects().experiments().insert([row])
        """
        return self.host.bulk.insert(self, table, existing=existing, jobs=jobs, progress=progress)

    def map(
        self,
        function: Callable[[Any], Any],
        *,
        jobs: int = 4,
        processes: int | None = None,
        executor: Any = None,
        batch: int = 200,
        by: str | None = 'experiment',
        connect: Callable[[], Any] | None = None,
        log: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> Any:
        """Call a function with each element, in threads, processes or on a cluster.

        Parameters
        ----------
        function : callable
            Takes an element. For processes it must be picklable: defined at the top of a module.
        jobs : int
            Number of threads.
        processes : int, optional
            Use this number of processes instead of threads, for work done in Python itself. They
            share the session on the server.
        executor : Executor, optional
            Use this engine instead: any with the interface of `concurrent.futures.Executor`, such
            as dask's ``client.get_executor()``, or a ``submitit.AutoExecutor``. It is not shut
            down. The elements are sent in `partitions`.
        batch : int
            With an executor: number of elements in a task.
        by : str, optional
            With an executor: level whose elements are in one task, as in `partitions`.
        connect : callable, optional
            With an executor: returns the Interface of a worker, as in `partitions`.
        log : path, optional
            A file that gets one line of JSON per element: ``uri``, ``ok``, ``result`` or ``error``,
            ``seconds``. Elements that succeeded in an earlier run are skipped; failed ones are
            repeated.
        progress : bool, optional
            Show a progress bar (needs the extra ``progress``). Default: if there is a terminal.

        Returns
        -------
        Mapped
            A report. Iterating it yields, in order, the ``element``, ``result`` and ``error`` of
            each. With an executor it is kept in a temporary file.

        Raises
        ------
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. Other exceptions of the function
            are in the report.
        ConfigurationError
            A worker of the executor has no login.
        OperationalError
            The executor is broken; a new one and the same log continue.
        ProgrammingError
            The function is not callable, or not picklable.

        Notes
        -----
        Requests: those of iterating, and the function's own.

        If a worker of an executor dies, the elements of its task are run again one by one; one
        whose worker dies again is reported as failed. So the function may run twice for an element,
        and should do the same then. The log has one line for each element and run.
        """
        how: dict[str, Any] = {'executor': executor, 'batch': batch, 'by': by, 'connect': connect}
        return self.host.bulk.map(
            self, function, jobs=jobs, processes=processes, log=log, progress=progress, **how
        )

    def partitions(
        self,
        size: int = 200,
        by: str | None = 'experiment',
        *,
        connect: Callable[[], Any] | None = None,
    ) -> Iterator[Any]:
        """Yield the elements in parts, for tasks of other processes or machines.

        Parameters
        ----------
        size : int
            Number of elements in a part.
        by : str, optional
            Level whose elements are not divided: a part has all scans of an experiment, even if
            these are more than `size`.
        connect : callable, optional
            Picklable function that returns the Interface of a process, called once in each.
            Default: the same server and login; the password is found in the environment or
            ``~/.netrc`` of the process.

        Returns
        -------
        iterator of Partition
            Each has a length and yields elements. Its pickle has no password, token or cookie.

        Notes
        -----
        The requests of iterating. Each process opens one session on the server.

        Examples
        --------
        ::

            def count(part):
                return [(scan.id(), len(scan.resources().get())) for scan in part]

            futures = client.map(count, [*scans.partitions()])
        """
        parts: Iterator[Any] = self.host.bulk.partitions(self, size, by, connect=connect)
        return parts

    def to_dask_bag(
        self,
        size: int = 200,
        by: str | None = 'experiment',
        *,
        connect: Callable[[], Any] | None = None,
    ) -> Any:
        """Return the elements as a :class:`dask.bag.Bag`, with a task for each part.

        Parameters
        ----------
        size, by, connect
            As in `partitions`.

        Raises
        ------
        ImportError
            dask is not installed (extra ``engines``).

        Notes
        -----
        The requests of iterating. The graph has no secrets.
        """
        return self.host.bulk.dask_bag(self.partitions(size, by, connect=connect))
