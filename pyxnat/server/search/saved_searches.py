"""Saved searches."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from ..db.store import search
from .search_xml import SearchDocument, parse_document, write_document

__all__ = [
    'all_saved',
    'delete_of_project',
    'delete_saved',
    'find_saved',
    'replaced_by',
    'save_search',
]


def all_saved(connection: Connection) -> Iterator[SearchDocument]:
    """Yield all saved searches, by ID."""
    for row in connection.execute(select(search).order_by(search.c.id)):
        yield parse_document(row.document)


def find_saved(connection: Connection, name: str) -> SearchDocument | None:
    """Return the saved search with an ID; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    name : str
        The ID.
    """
    found = connection.scalar(select(search.c.document).where(search.c.id == name))
    return None if found is None else parse_document(found)


def save_search(connection: Connection, login: str, document: SearchDocument) -> None:
    """Save a search under its ID, replacing an earlier one.

    The first user remains its owner.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    login : str
        The user.
    document : SearchDocument
        The search.
    """
    kept = connection.scalar(select(search.c.login).where(search.c.id == document.id))
    delete_saved(connection, document.id)
    text = write_document(document).decode('utf-8')
    connection.execute(search.insert().values(id=document.id, login=kept or login, document=text))


def delete_of_project(connection: Connection, project: str) -> None:
    """Delete the saved searches of a project: those with its tag.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    """
    for found in list(all_saved(connection)):
        if found.attributes.get('tag') == project:
            delete_saved(connection, found.id)


def delete_saved(connection: Connection, name: str) -> None:
    """Delete a saved search, if it exists.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    name : str
        The ID.
    """
    connection.execute(search.delete().where(search.c.id == name))


def replaced_by(connection: Connection, document: SearchDocument, name: str) -> str:
    """Return the ID of the search that a document replaces.

    That of a search with the same tag and title, or else the ID in the URI.

    Parameters
    ----------
    connection : Connection
        The database.
    document : SearchDocument
        The search.
    name : str
        ID in the URI.
    """
    tag, title = (document.attributes.get(one, '') for one in ('tag', 'brief-description'))
    if tag and connection.scalar(select(search.c.id).where(search.c.id == name)) is None:
        for found in all_saved(connection):
            if (found.attributes.get('tag', ''), found.attributes.get('brief-description', '')) == (
                tag,
                title,
            ):
                return found.id
    return name
