"""Tables in an empty SQLite database."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, MetaData, create_mock_engine

__all__ = ['create_tables']


def create_tables(connection: Connection, metadata: MetaData) -> None:
    """Create all tables, indexes and triggers in a database that has none of them.

    Parameters
    ----------
    connection : Connection
        The database.
    metadata : MetaData
        The tables. Their SQL is compiled once: that takes longer than to create them.
    """
    for statement in _statements(metadata):
        connection.exec_driver_sql(statement)


@lru_cache(maxsize=8)
def _statements(metadata: MetaData) -> tuple[str, ...]:
    found: list[str] = []

    def note(element: Any, *_: Any, **__: Any) -> None:
        found.append(str(element.compile(dialect=engine.dialect)))

    engine = create_mock_engine('sqlite://', note)
    metadata.create_all(engine, checkfirst=False)
    return tuple(found)
