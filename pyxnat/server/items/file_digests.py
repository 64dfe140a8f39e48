"""One digest of all files of a subject: tells whether any was changed, also by the same size."""

from __future__ import annotations

import hashlib
from itertools import groupby

from sqlalchemy import Connection, func, select

from ..db.store import file, item, resource

__all__ = ['file_digests']


def file_digests(
    connection: Connection, project: str, subject: str = ''
) -> dict[tuple[str, str], str]:
    """Return one digest of all files of each subject of a project, and of the project itself.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    subject : str
        ID of the only subject of interest.

    Returns
    -------
    dict
        Level and ID (``subject``, ``XNAT_S00001``) to the digest of the files of the item and, of
        subjects, of all below it. Those without files are missing.
    """
    is_top = (item.c.level == 'subject') & (item.c.project == project)
    if subject:
        is_top &= item.c.id == subject
    else:
        is_top |= (item.c.level == 'project') & (item.c.id == project)
    tops = select(item.c.pk, item.c.level, item.c.id).where(is_top)
    below = tops.cte('below', recursive=True)
    below = below.union_all(
        select(item.c.pk, below.c.level, below.c.id)
        .join(below, item.c.parent == below.c.pk)
        .where(below.c.level == 'subject')
    )
    files = (
        select(below.c.level, below.c.id, resource.c.pk, file.c.path, func.lower(file.c.digest))
        .join(resource, resource.c.item == below.c.pk)
        .join(file, file.c.resource == resource.c.pk)
        .order_by(below.c.level, below.c.id, resource.c.pk, file.c.path)
    )
    digests = {}
    for key, rows in groupby(connection.execute(files), lambda row: (row[0], row[1])):
        digest = hashlib.md5(usedforsecurity=False)
        for row in rows:
            digest.update(repr(tuple(row[2:])).encode())
        digests[key] = digest.hexdigest()
    return digests
