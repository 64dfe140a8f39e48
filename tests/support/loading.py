"""Write items directly into an archive's tables: many at once, or with recorded IDs and dates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, func, select

from pyxnat.server.archive import Archive
from pyxnat.server.db.store import item, share

_BATCH = 5000
STAMP = '2023-09-27 17:31:21.352'


class Loader:
    """Collects rows of the item table and writes them in batches; `flush` writes the rest."""

    def __init__(self, archive: Archive, connection: Connection) -> None:
        self._archive = archive
        self._connection = connection
        self._rows: list[dict[str, Any]] = []
        self._pk = connection.scalar(select(func.max(item.c.pk))) or 0

    def add(
        self,
        kind: str,
        name: str,
        parent: int | None = None,
        *,
        project: str = '',
        label: str | None = None,
        insert_date: str = STAMP,
        access: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> int:
        """Add an item by its type, its ID and the number of its parent; return its number."""
        self._pk += 1
        values = {
            'pk': self._pk,
            'level': self._archive.model.level_of(kind),
            'xsi_type': kind,
            'id': name,
            'label': label,
            'parent': parent,
        }
        values |= {
            'project': project or name,
            'access': access,
            'status': 'active',
            'insert_user': 'admin',
            'fields': json.dumps(fields or {}),
        }
        self._rows.append({**values, 'insert_date': insert_date, 'last_modified': insert_date})
        if len(self._rows) >= _BATCH:
            self.flush()
        return self._pk

    def project(
        self, name: str, access: str = 'private', fields: Mapping[str, str] | None = None
    ) -> int:
        """Add a project."""
        return self.add(
            'xnat:projectData',
            name,
            access=access,
            fields=fields or {'name': name, 'secondary_ID': name},
        )

    def share(self, pk: int, project: str, label: str | None = None) -> None:
        """Share an item into another project."""
        self.flush()
        self._connection.execute(share.insert().values(item=pk, project=project, label=label))

    def flush(self) -> None:
        """Write the collected rows."""
        if self._rows:
            self._connection.execute(item.insert(), self._rows)
            self._rows.clear()


@contextmanager
def loading(archive: Archive) -> Iterator[Loader]:
    """Yield a loader whose rows are written at the end."""
    with archive.store.write() as connection:
        loader = Loader(archive, connection)
        yield loader
        loader.flush()
