"""Routes below ``/data`` that are no data elements: workflows, the prearchive, lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from werkzeug.wrappers import Response

from ..http.request import Call
from . import (
    audit,
    config,
    dicom_import,
    dicomdump,
    favorites,
    features,
    invitations,
    mail,
    move_files,
    prearchive,
    prearchive_batches,
    progress,
    projects,
    refresh_catalogue,
    tokens,
    user_cache,
    workflows,
)

__all__ = ['find']

Handler = Callable[[Call], Response]


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is no data element."""
    plain = tuple(part for part in parts if part)
    data = plain[1:] if plain[:1] == ('archive',) else plain
    found = projects.handler(data)
    if found is not None:
        return found
    if len(data) == 1 and data[0] in _LISTS:
        return _LISTS[data[0]]
    return next((handler for path, more, handler in _ROUTES if plain[: len(path)] == path and len(plain) - len(path) <= more), None)


_LISTS: dict[str, Handler] = {'scan_types': projects.scan_types, 'scanners': projects.scanners, 'investigators': projects.investigators}
_ANY = 10_000
_ROUTES: tuple[tuple[tuple[str, ...], int, Handler], ...] = (
    (('services', 'tokens'), _ANY, tokens.answer),
    (('services', 'workflows'), 2, workflows.table),
    (('services', 'import'), 0, dicom_import.answer),
    (('services', 'audit'), 2, audit.answer),
    (('services', 'dicomdump'), 0, dicomdump.answer),
    (('services', 'features'), 0, features.answer),
    (('services', 'move-files'), 0, move_files.answer),
    (('services', 'mail', 'send'), 0, mail.answer),
    (('services', 'refresh', 'catalog'), 0, refresh_catalogue.answer),
    *((path, 0, handler) for path, handler in prearchive_batches.HANDLERS.items()),
    (('workflows',), 1, workflows.answer),
    (('prearchive',), _ANY, prearchive.answer),
    (('status',), 1, progress.answer),
    (('users', 'favorites'), 2, favorites.answer),
    (('config',), _ANY, config.answer),
    (('pars',), 1, invitations.answer),
    (('user', 'cache', 'resources'), _ANY, user_cache.answer),
)
"""Path, how many segments may follow it, and what answers."""
