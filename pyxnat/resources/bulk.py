"""What elements and collections do with many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..query.layouts import LAYOUT
from .host import Host

__all__ = ['Downloadable', 'Mappable', 'Uploadable']


class Downloadable:
    """An element with files below it, or a collection of such."""

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
    ) -> Any:
        """Download all files below, into a folder.

        A run that was interrupted, at whatever byte, is completed by running it again: what is there and right is not asked for again. A file
        appears in its place whole and verified, or not at all.

        Parameters
        ----------
        dest : path
            A folder; made if needed. Nothing in it is touched but the places of the files, and the manifest ``MD5SUMS``, which ``md5sum -c`` reads.
        layout : str
            Where in it the files lie, in fields in braces: ``project``, ``subject``, ``experiment``, ``scan`` (of what belongs to an assessor or
            reconstruction its label, unless the layout names those), ``assessor``, ``reconstruction``, ``side`` (``in``, ``out``), ``resource``,
            ``path`` and ``name`` (its last part). A part without a value is left out. Names that could lead out of the folder are encoded.
        jobs : int
            How many requests at a time.
        existing : {'refresh', 'keep', 'replace', 'error'}
            Of what is there: fetch what differs from the listing by size or digest (where the site keeps no checksums: by size, or from what was
            downloaded); leave it, whatever it is; fetch all anew; or refuse to begin if something differs.
        compression : int
            How hard the server packs zips, from 0 to 9. Packing takes the server longer than most networks take to carry what it saves; over a slow
            one 1 may be worth while, for files that are not packed themselves.
        progress : bool, optional
            Whether to show a bar, which takes the extra ``progress``; by default if there is a terminal.

        Returns
        -------
        Report
            What was downloaded (``ok``), was there (``skipped``) and ``failed``, with reasons.

        Raises
        ------
        DataError
            Two files would have one place; nothing is fetched.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. What failed of single files is in the report.

        Notes
        -----
        Requests: those of listing the files (``explain()`` of the selection's ``files``), which for a session that has no assessors and no
        reconstructions are three, and for a scan or a resource one; up to two for labels that the listings do not tell; one zip for up to 64 MB of
        small files, one for each file of 16 MiB and more, and for each file that is missing where fewer than 50 are.
        """
        return self.host.bulk.download(self, dest, layout=layout, jobs=jobs, existing=existing, compression=compression, progress=progress)


class Uploadable(Downloadable):
    """An element, which may take files below it."""

    def upload(
        self,
        source: Any,
        *,
        layout: str | None = None,
        overwrite: bool = False,
        jobs: int = 4,
        compression: int = 0,
        progress: bool | None = None,
        **params: Any,
    ) -> Any:
        """Upload files into the resources below, and see by the listings that they are there.

        A run that was interrupted is completed by running it again: what is there with the same size and digest is not sent again.

        Parameters
        ----------
        source : path, or names with paths
            A folder; a manifest ``MD5SUMS`` that a download left, whose files must be as it says; or a mapping (or pairs) from the name in the layout
            to the path of a file.
        layout : str, optional
            Where the files lie, as for `download`, from this element downwards: by default ``{scan}/{resource}/{path}`` for a session,
            ``{resource}/{path}`` for a scan, ``{path}`` for a resource. ``{resource}/{path}`` puts files into resources of a session itself.
        overwrite : bool
            Whether files that are there with other content are replaced; otherwise each is a failure in the report.
        jobs : int
            How many resources at a time; into one resource one request at a time goes.
        compression : int
            How hard zips are packed, from 0 to 9.
        progress : bool, optional
            Whether to show a bar, which takes the extra ``progress``; by default if there is a terminal.
        **params
            ``format``, ``content``, ``tags`` of all files; types of missing levels above (``experiments='xnat:petSessionData'``);
            ``params={…}`` for further query parameters.

        Returns
        -------
        Report
            What was uploaded (``ok``), was there (``skipped``) and ``failed``, with reasons.

        Raises
        ------
        DataError
            A file has no place in the layout, or is not there; nothing is sent.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached.

        Notes
        -----
        Requests: before and after sending one listing for the scans of a session and one for each other resource; a zip for up to 64 MB of small
        files of a resource, and one for each file of 16 MiB and more. What is missing above is created: where scans have no files yet, their session
        is asked for its scans, and each that is missing is one more, as is the session.
        """
        how: dict[str, Any] = {'overwrite': overwrite, 'jobs': jobs, 'compression': compression, 'progress': progress}
        return self.host.bulk.upload(self, source, layout=layout, **how, **params)


class Mappable(Downloadable):
    """A collection."""

    def insert(self, table: Any, *, existing: str = 'keep', jobs: int = 4, progress: bool | None = None) -> Any:
        """Create the elements that a table names, with their fields.

        Parameters
        ----------
        table : path, DataFrame or iterable of mappings
            A row for each element. A CSV file is UTF-8 with a header. The columns ``subject``, ``experiment``, … (or ``label``, ``ID`` for the level
            itself) name it and what is above it, as far as the selection leaves that open; all others are fields, by short name or path, and
            ``xsiType``. Empty cells are left out; whole numbers are sent as such, also from a column of floats.
        existing : {'keep', 'update', 'error'}
            Of what is there: leave it as it is, set the fields that the row has, or refuse to begin.
        jobs : int
            How many requests at a time.
        progress : bool, optional
            Whether to show a bar, which takes the extra ``progress``; by default if there is a terminal.

        Returns
        -------
        Report
            URIs of what was inserted or updated (``ok``) and was left (``skipped``), and what ``failed``, with reasons.

        Raises
        ------
        DataError
            A row names no element, or two name the same; nothing is sent.
        ProgrammingError
            A column is no field that can be set; nothing is sent.
        DuplicateError
            With ``existing='error'``, when some are there; nothing is sent.

        Notes
        -----
        One request for each row, after those of iterating the collection; up to two more where the server does not make what is missing above.
        New scans of one session go in one document, with the session and its subject where they are new: two requests for all of them. Sessions go
        one by one: in the document of their subject XNAT takes new ones with accession IDs alone, and those are its own to give.
        With several jobs accession IDs are not given in the order of the rows.

        Examples
        --------
        ::

            project.subjects().insert('people.csv')              # label, gender, yob
            project.subjects().experiments().insert([{'subject': 'S1', 'label': 'S1_MR', 'date': '2020-01-02'}])
        """
        return self.host.bulk.insert(self, table, existing=existing, jobs=jobs, progress=progress)

    def map(
        self,
        function: Callable[[Any], Any],
        *,
        jobs: int = 4,
        processes: int | None = None,
        log: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> Any:
        """Call a function with each element, in threads or in processes.

        Parameters
        ----------
        function : callable
            Takes an element. For processes it must be one that pickles: defined in a module.
        jobs : int
            How many threads.
        processes : int, optional
            Use so many processes in place of threads: for work that Python itself does. They share the session.
        log : path, optional
            A file with a line of JSON for each element: ``uri``, ``ok``, ``result`` or ``error``, ``seconds``. Elements that succeeded by it are not
            done again; those that failed are.
        progress : bool, optional
            Whether to show a bar, which takes the extra ``progress``; by default if there is a terminal.

        Returns
        -------
        Mapped
            A report that gives, when iterated, for each element in order its ``element``, ``result`` and ``error``.

        Raises
        ------
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. Whatever else the function raises is in the report.
        ProgrammingError
            The function cannot be called, or not by other processes.

        Notes
        -----
        Requests: those of iterating, and the function's own.
        """
        return self.host.bulk.map(self, function, jobs=jobs, processes=processes, log=log, progress=progress)
