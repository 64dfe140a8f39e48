"""Documents of sessions in the prearchive: those of the items that they become."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection

from ..context import Context
from ..errors import NotFound
from ..items.represent import Representer
from ..items.xml import write
from .sessions import images_of, scans_of
from .waiting import count_images

__all__ = ['document_of_session']


def document_of_session(context: Context, connection: Connection, row: Any, site: str) -> bytes:
    """Write the XML document of a waiting session.

    Parameters
    ----------
    context : Context
        The request context: its user and archive.
    connection : Connection
        The database.
    row
        The session.
    site : str
        URL of the site.

    Raises
    ------
    NotFound
        If the session has not been built yet.
    """
    if not row.xsi_type:
        raise NotFound(f'The session {row.folder} has not been built yet.')
    return write(
        _Waiting(context, connection, row, site),
        _as_item('experiment', row, '', row.project),
        conceal=True,
    )


class _Waiting(Representer):
    """Writes a waiting session as the item that it will become."""

    def __init__(self, context: Context, connection: Connection, row: Any, site: str) -> None:
        area = context.archive.files
        super().__init__(
            connection,
            context.archive.model,
            context.caller,
            lambda _, scan: str(images_of(area, row, scan.id)),
            site,
        )
        self._waiting = row

    def values(self, row: Any) -> dict[str, str]:
        values = super().values(row)
        if row.level == 'experiment':
            values |= {'subject_ID': self._waiting.subject, 'label': self._waiting.name}
        return {name: value for name, value in values.items() if value}

    def children(self, row: Any) -> list[tuple[str, list[Any]]]:
        if row.level != 'experiment':
            return []
        return [
            (
                'scans/scan',
                [
                    _as_item('scan', scan, scan.id, self._waiting.project)
                    for scan in scans_of(self._connection, self._waiting.pk)
                ],
            )
        ]

    def resources(self, row: Any, side: str = '') -> list[Any]:
        if row.level != 'scan' or side:
            return []
        counts = count_images(self._connection, row.pk)
        columns = {
            'file_count': counts.file_count,
            'file_size': counts.file_size,
            'format': 'DICOM',
            'content': 'RAW',
        }
        return [SimpleNamespace(pk=row.pk, label='DICOM', description=None, tags=None, **columns)]

    def shares(self, row: Any) -> list[Any]:
        return []


def _as_item(where: str, row: Any, name: str, project: str | None) -> Any:
    columns = {'label': None, 'project': project or '', 'told_project': None, 'parent': None}
    return SimpleNamespace(
        level=where, pk=row.pk, xsi_type=row.xsi_type, id=name, fields=row.fields, **columns
    )
