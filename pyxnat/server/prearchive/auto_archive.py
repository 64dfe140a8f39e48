"""Automatic archiving: build idle sessions and archive them where set."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from ..archive import Archive
from ..db.store import arrival
from ..errors import Refusal
from .build import build
from .sessions import note
from .to_archive import Policy, archive_session

__all__ = ['Tender', 'tend']

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 10.0
_UPLOADER = 'uploader'


def tend(archive: Archive) -> None:
    """Build, and archive where set, the sessions whose upload is idle.

    A session is idle if it is RECEIVING and unchanged for the site's
    ``sessionXmlRebuilderInterval``, in minutes. Those whose upload prevents the automatic commit,
    or has the source ``uploader``, wait for a request (XNAT's SessionXMLRebuilder).
    """
    oldest = datetime.now() - timedelta(
        minutes=float(archive.preferences['sessionXmlRebuilderInterval'])
    )
    with archive.store.read() as connection:
        ripe = select(arrival.c.pk).where(
            arrival.c.status == 'RECEIVING', arrival.c.lastmod <= f'{oldest:%Y-%m-%d %H:%M:%S}.999'
        )
        ripe = ripe.where(
            func.lower(arrival.c.prevent_auto_commit) != 'true', arrival.c.source != _UPLOADER
        )
        found = connection.scalars(ripe.order_by(arrival.c.pk)).all()
    for pk in found:
        try:
            _finish(archive, build(archive, pk))
        except (
            Refusal
        ) as error:  # its log and status have the reason; another request may have been faster
            _log.info('a session stays in the prearchive: %s', error.description)


def _finish(archive: Archive, row: Any) -> None:
    """Archive a built session for its uploader, if it is set to auto-archive."""
    if row.status != 'READY' or row.autoarchive == 'Manual' or row.project is None:
        return
    caller = archive.users.find(row.login)
    if caller is None:
        with archive.store.write() as connection:
            note(
                connection, row.pk, f'Not archived: the uploader {row.login} can no longer log in.'
            )
        return
    archive_session(
        archive,
        caller,
        row.pk,
        Policy.of('delete' if row.autoarchive == 'AutoArchiveOverwrite' else 'none'),
    )


class Tender(threading.Thread):
    """Thread that calls `tend` regularly until it is stopped.

    Parameters
    ----------
    archive : Archive
        The archive.
    every_s : float
        Seconds between two calls.
    """

    def __init__(self, archive: Archive, every_s: float = LOOK_EVERY_S) -> None:
        super().__init__(name='pyxnat.server.prearchive.auto_archive', daemon=True)
        self._archive = archive
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Call `tend` in a loop; log failures and continue."""
        while not self._stopped.wait(self._every_s):
            try:
                tend(self._archive)
            except (OSError, SQLAlchemyError):
                _log.exception('the automatic archiving failed')

    def stop(self) -> None:
        """Stop the thread after the current call."""
        self._stopped.set()
        self.join()
