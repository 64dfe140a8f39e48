"""File in an archive's folder by which the owner's processes find its server.

``serving.json`` has the URL of the server and a key for its administrator. Only the owner of the
folder can read it, who could read the archive itself as well. The key is in the server's memory
alone: it is of no use when the server has ended.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import NamedTuple

from .db.folder_locks import PRESENCE
from .private_files import open_private

__all__ = ['Presence', 'announce', 'find', 'withdraw']


class Presence(NamedTuple):
    """The server of an archive; ``repr`` hides its key."""

    url: str
    login: str
    alias: str
    secret: str
    certificate: str = ''
    """File with the certificate of an https server, which may be signed by nobody."""
    host: str = ''
    pid: int = 0

    def __repr__(self) -> str:
        return f'Presence(url={self.url!r}, login={self.login!r}, host={self.host!r})'

    @property
    def is_here(self) -> bool:
        """Whether the server runs on this machine."""
        return self.host == socket.gethostname()


def announce(folder: Path, presence: Presence) -> None:
    """Write the file; it appears complete.

    Parameters
    ----------
    folder : Path
        Folder of the archive, which this process has locked.
    presence : Presence
        The server; host and process are added.
    """
    here = presence._replace(host=socket.gethostname(), pid=os.getpid())
    part = folder / f'{PRESENCE}.part'
    part.unlink(missing_ok=True)
    with open_private(part, 'w') as file:
        json.dump(here._asdict(), file)
    os.replace(part, folder / PRESENCE)


def withdraw(folder: Path) -> None:
    """Remove the file."""
    (folder / PRESENCE).unlink(missing_ok=True)


def find(folder: Path) -> Presence | None:
    """Return the server of a folder that is locked; None if there is none.

    Without the lock, the file may be that of a server that was killed.
    """
    try:
        return Presence(**json.loads((folder / PRESENCE).read_text(encoding='utf-8')))
    except FileNotFoundError:
        return None
