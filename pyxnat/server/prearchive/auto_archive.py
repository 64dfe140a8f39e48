"""What the server does by itself: sessions that nothing was added to for a while are built and, where their project wants it, archived."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ..archive import Archive
from ..db.store import arrival
from ..errors import Refusal
from .sessions import build, note
from .to_archive import Policy, archive_session

__all__ = ['Tender', 'tend']

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 10.0


def tend(archive: Archive) -> None:
    """Work on the sessions that are ripe: receiving, and untouched for the site's ``sessionXmlRebuilderInterval`` (minutes)."""
    oldest = datetime.now() - timedelta(minutes=float(archive.preferences['sessionXmlRebuilderInterval']))
    with archive.store.read() as connection:
        ripe = select(arrival.c.pk).where(arrival.c.status == 'RECEIVING', arrival.c.lastmod <= f'{oldest:%Y-%m-%d %H:%M:%S}.999')
        found = connection.scalars(ripe.order_by(arrival.c.pk)).all()
    for pk in found:
        try:
            _finish(archive, build(archive, pk))
        except Refusal as error:  # told in the session's log and status; another request may have been faster
            _log.info('a session of the prearchive stays there: %s', error.description)


def _finish(archive: Archive, row: Any) -> None:
    """Archive a session that was built, for the user who sent it, if it is to be archived by itself."""
    if row.status != 'READY' or row.autoarchive == 'Manual' or row.project is None or row.prevent_auto_commit.lower() == 'true':
        return
    caller = archive.users.find(row.login)
    if caller is None:
        with archive.store.write() as connection:
            note(connection, row.pk, f'Not archived: {row.login}, who sent it, cannot log in any more.')
        return
    archive_session(archive, caller, row.pk, Policy.of('delete' if row.autoarchive == 'AutoArchiveOverwrite' else 'none'))


class Tender(threading.Thread):
    """Tends an archive from time to time until it is stopped."""

    def __init__(self, archive: Archive, every_s: float = LOOK_EVERY_S) -> None:
        super().__init__(name='pyxnat.server.prearchive.auto_archive', daemon=True)
        self._archive = archive
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look, wait, look again; a failure is logged and the next look is not kept from happening."""
        while not self._stopped.wait(self._every_s):
            try:
                tend(self._archive)
            except (OSError, SQLAlchemyError):
                _log.exception('tending the prearchive failed')

    def stop(self) -> None:
        """Stop, after what is being done."""
        self._stopped.set()
        self.join()
