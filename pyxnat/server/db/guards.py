"""Guards: the functions that decide who may use an object, one for each kind.

A route names its guards (``Route.guard``). Each guard records that it was called, and the router
refuses to send a successful response for which a named guard was not called. A guard stands beside
the rows of its objects; all routes to them call it, whatever the format or method.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Flag, auto

__all__ = ['Guard', 'Record', 'record', 'recording']


class Guard(Flag):
    """Kinds of objects with a guard of their own."""

    NOTHING = 0
    """No object of a user or a project: the access in the row is all there is to decide."""
    ITEM = auto()
    """Projects, items, and all that follows them: `db.access.rights`, `readable`, `visible`."""
    SEARCH = auto()
    """Saved searches: `search.saved_searches.may_read`, `need_change`."""
    RESULT = auto()
    """Cached results of searches: `search.result_cache.Views.find`."""
    TOKEN = auto()
    """Alias tokens: `db.tokens.tokens_of`, `need_token`, `need_issue`."""
    WORKFLOW = auto()
    """Workflows: `db.workflow_access.seen_by`, `need_log`."""
    WAITING = auto()
    """Sessions in the prearchive: `prearchive.waiting.need_waiting`."""
    CONFIG = auto()
    """Configurations: `db.config_store.need_config`."""
    FORM = auto()
    """Custom forms: `db.custom_forms.seen_in`."""
    GROUP = auto()
    """Groups of a project and their members: `db.groups.need_groups`."""
    INVITATION = auto()
    """Invitations: `db.invitations.need_invitation`, `invitations_to`, `open_invitations`."""
    USER = auto()
    """Accounts of other users, and their addresses: `db.users.shown_email`."""
    FAVORITE = auto()
    """Favourites: `db.favorites.favorites`."""
    CACHE = auto()
    """Files of the user cache: `routes.user_cache.home_of`."""
    DOWNLOAD = auto()
    """Prepared downloads: `xapi.downloads.find_download`."""
    PROGRESS = auto()
    """Progress logs of a login session: `jobs.progress.Progress.tell`, `of`, `forget`."""


class Record:
    """The guards that were called in one request."""

    __slots__ = ('called',)

    def __init__(self) -> None:
        self.called = Guard.NOTHING


_record: ContextVar[Record | None] = ContextVar('record', default=None)


@contextmanager
def recording() -> Iterator[Record]:
    """Record the guards that are called in a block."""
    found = Record()
    token = _record.set(found)
    try:
        yield found
    finally:
        _record.reset(token)


def record(guard: Guard) -> None:
    """Record that a guard was called; nothing outside a request."""
    found = _record.get()
    if found is not None:
        found.called |= guard
