"""Send DICOM files in batches, then build, archive and verify their sessions.

Order of the requests, from XNAT's source (``DicomZipImporter``, ``GradualDicomImporter``,
``PrearcDatabase``, ``SessionXMLRebuilder``):

- An import with ``dest`` or ``action=commit`` builds the session at its end, and archives it. One
  that arrives meanwhile sets the session back to RECEIVING, whatever its status, and writes into
  the folder that is being moved: files get lost. So batches have neither; a session is built and
  archived once the server has confirmed all batches of its study.
- A session without a new file for some minutes is built, and archived if the project says so; a
  break could be longer. ``prevent_auto_commit`` prevents that.
- The session of a study is found by project, StudyInstanceUID and label, or created. That is
  synchronized within one server, but not between several of one database: the first batch of a
  study goes alone.
- A file is locked by its name while it is written, but its name is chosen before: two different
  files of one name in one scan may overwrite each other. So each has its SOPInstanceUID as name,
  which also makes a batch that is sent twice replace its own files.
- Archiving creates a missing subject, so sessions are archived one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ... import errors
from ...files import zips
from ...http.progress import progress_bar
from ...resources.host import Host
from ...resources.imported import UNKNOWN
from ..bulk.report import Report
from ..bulk.workers import WorkerPool, is_fatal
from .finishing import Finisher
from .journal import Batch, Journal, name_of
from .report import INCOMPLETE, ImportedStudy, ImportReport
from .request import import_archive

__all__ = ['BatchImport', 'Order']

_PAUSES_S = (1.0, 5.0, 20.0)
"""Seconds before a batch is sent again."""
_CONCURRENT = 'Concurrent file sends'
"""Part of XNAT's refusal of a file that another request is writing, such as one of a killed run."""


class Order(NamedTuple):
    """Destination and options of an import."""

    project: str | None = None
    subject: str | None = None
    session: str | None = None
    dest: str | None = None
    """``archive``, ``prearchive``, or None for the setting of the project."""
    overwrite: str = 'none'
    timeout_s: float = 3600
    params: tuple[tuple[str, Any], ...] = ()


class BatchImport:
    """Import of the files in a journal.

    Parameters
    ----------
    interface : Interface
        The Interface that it makes its requests with.
    journal : Journal
        Files that were scanned.
    order : Order
        Destination and options.
    jobs : int
        Number of threads, and of studies that are sent at a time.
    size : int
        Most files of a request.
    """

    def __init__(
        self, interface: Host, journal: Journal, order: Order, jobs: int, size: int
    ) -> None:
        self._host = interface
        self._journal = journal
        self._order = order
        self._jobs, self._size = jobs, size
        self._pool = WorkerPool(Report('imported'), jobs, interface.connection.transport)
        self._failed: dict[str, BaseException] = {}
        self._finisher = Finisher(interface, journal, order.dest, order.overwrite, order.timeout_s)
        self._lock = threading.Lock()

    def run(self) -> ImportReport:
        """Send the unconfirmed files, finish each session, and return the results."""
        earlier = self._journal.count(is_sent=True)
        results = list(self._finisher.present(self._order.project, self._journal.studies()))
        done = {result.study for result in results}
        left = iter([study for study in self._journal.studies() if study not in done])
        total = self._journal.count(is_sent=False)
        with progress_bar(total, 'file', name='import') as self._bar:
            while studies := list(islice(left, self._jobs)):
                self._send(studies)
                for study in studies:
                    results += self._results(study)
        now = self._journal.count(is_sent=True)
        return ImportReport(results, self._journal.skipped(), now - earlier, earlier)

    def _results(self, study: str) -> list[ImportedStudy]:
        """Return the results of a study; one that fails leaves the others alone."""
        try:
            return list(self._finished(study))
        except errors.DatabaseError as error:
            if is_fatal(error):
                raise
            return list(self._finisher.unfinished(study, UNKNOWN, str(error)))

    def _finished(self, study: str) -> Iterator[ImportedStudy]:
        if study not in self._failed:
            lacking = self._finisher.build(study)
            if lacking:
                self._journal.send_again(study, lacking)
                self._send([study])
                lacking = () if study in self._failed else self._finisher.build(study)
        if study in self._failed:
            reason = str(self._failed[study])
            yield from self._finisher.unfinished(study, INCOMPLETE, reason)
        elif lacking:
            reason = f'the server lacks {len(lacking)} files that it confirmed'
            yield from self._finisher.unfinished(study, INCOMPLETE, reason, lacking)
        else:
            yield from self._finisher.finish(study)

    # -- sending

    def _send(self, studies: Sequence[str]) -> None:
        batches = self._journal.plan(studies, self._size)
        begun = {study for study in studies if self._journal.places(study)}
        first: list[Batch] = []
        rest: list[Batch] = []
        for batch in batches:
            (rest if batch.study in begun else first).append(batch)
            begun.add(batch.study)
        self._pool.each(self._send_batch, first)
        self._pool.each(self._send_batch, rest)

    def _send_batch(self, batch: Batch) -> None:
        if batch.study in self._failed:
            return
        try:
            places = self._post(batch)
        except errors.Error as error:
            with self._lock:
                self._failed.setdefault(batch.study, error)
            self._pool.add_failure(batch.study, error)
            return
        self._journal.confirm(batch, places)
        members = self._journal.members(batch)
        self._pool.add_success(batch.study, sum(member.size for member in members))
        self._bar.update(len(members))

    def _post(self, batch: Batch) -> list[str]:
        """Send a batch, and again if it may not have arrived.

        Its files replace themselves.
        """
        members = self._journal.members(batch)
        with zips.pack((name_of(member.instance), member.path) for member in members) as body:
            self._bar.update(0)  # shows it before the first response
            for pause_s in (*_PAUSES_S, None):
                try:
                    return import_archive(
                        self._host, body, self._query, self._order.timeout_s, may_be_empty=True
                    )
                except errors.DatabaseError as error:
                    if pause_s is None or is_fatal(error) or not _may_pass(error):
                        raise
                if self._pool.stopping.wait(pause_s):
                    break
                body.seek(0)
        raise errors.OperationalError('the import was stopped', remedy='Run it again.')

    @property
    def _query(self) -> dict[str, Any]:
        order = self._order
        return {
            'import-handler': 'DICOM-zip',
            'project': order.project,
            'subject': order.subject,
            'session': order.session,
            'prevent_auto_commit': True,
            **dict(order.params),
        }


def _may_pass(error: errors.DatabaseError) -> bool:
    """Whether a batch may be accepted when it is sent again."""
    return (
        isinstance(error, (errors.NetworkError, errors.BusyError))
        or error.status == 409
        or (error.status == 400 and _CONCURRENT in str(error))
    )
