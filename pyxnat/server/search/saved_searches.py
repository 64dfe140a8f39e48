"""Saved searches."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from ..context import Context
from ..db.access import rights
from ..db.guards import Guard, record
from ..db.store import search
from ..errors import Forbidden
from ..items.locate import find_project
from .query import may_query, root_of
from .search_xml import SearchDocument, parse_document, write_document

__all__ = [
    'delete_of_project',
    'delete_saved',
    'find_saved',
    'is_public',
    'may_read',
    'need_change',
    'replaced_by',
    'save_search',
    'seen_searches',
]


def _all_saved(connection: Connection) -> Iterator[SearchDocument]:
    """Yield all saved searches, by ID."""
    for row in connection.execute(select(search).order_by(search.c.id)):
        yield parse_document(row.document)


def is_public(found: SearchDocument) -> bool:
    """Whether a saved search is for all users."""
    return 'secure' in found.attributes and not found.flag('secure')


def may_read(context: Context, connection: Connection, found: SearchDocument) -> bool:
    """Whether the caller may read and run a saved search.

    Its users may, and administrators; if it is public or the listing of a project, all who may read
    that project.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    found : SearchDocument
        The search.
    """
    record(Guard.SEARCH)
    if context.caller.admin or context.caller.login in found.users:
        return True
    tag = found.attributes.get('tag', '')
    known = find_project(connection, tag) if tag else None
    if known is not None and 'read' not in rights(connection, context.caller, known.id):
        return False
    is_open = is_public(found) or (known is not None and _is_listing(context, found))
    return is_open and may_query(context, connection, root_of(context, found))


def _is_listing(context: Context, found: SearchDocument) -> bool:
    """Whether a search is the listing of a type in a project."""
    tag, root = found.attributes.get('tag', ''), root_of(context, found)
    title = found.attributes.get('brief-description')
    return found.id == f'{tag}_{root}' or title == context.archive.model.plural(root)


def need_change(
    context: Context,
    connection: Connection,
    known: SearchDocument | None,
    wanted: SearchDocument | None,
) -> None:
    """Check that the caller may save a search over another, or delete it.

    A search of one user is changed by that user, one of several by administrators alone. The
    listing of a project needs the right to edit the project, any other search of a project the
    right to read it.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    known : SearchDocument or None
        The search as it is saved.
    wanted : SearchDocument or None
        The new one; None to delete.

    Raises
    ------
    Forbidden
        Without the right.
    """
    record(Guard.SEARCH)
    caller = context.caller
    if caller.admin:
        return
    changed = [one for one in (known, wanted) if one is not None and one.attributes.get('tag')]
    for one in changed:
        tag, listing = one.attributes['tag'], _is_listing(context, one)
        if ('edit' if listing else 'read') not in rights(connection, caller, tag):
            raise Forbidden(f'You may not save or delete searches of {tag}.')
    is_listing = known is not None and bool(changed) and _is_listing(context, known)
    if known is not None and known.users != (caller.login,) and not is_listing:
        raise Forbidden(
            f'The saved search {known.id} is of other users, too: only an administrator may '
            'change it.'
        )


def seen_searches(context: Context, connection: Connection) -> list[tuple[int, SearchDocument]]:
    """Return the saved searches that the caller may read, by ID, with their numbers.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    """
    record(Guard.SEARCH)
    every = enumerate(_all_saved(connection), 1)
    return [(at, found) for at, found in every if may_read(context, connection, found)]


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
    for found in list(_all_saved(connection)):
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
        for found in _all_saved(connection):
            if (found.attributes.get('tag', ''), found.attributes.get('brief-description', '')) == (
                tag,
                title,
            ):
                return found.id
    return name
