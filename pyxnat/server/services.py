"""Routes below ``/data`` that are no data elements: workflows, the prearchive, lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from werkzeug.wrappers import Response

from . import batches, imports, prearchive, progress, projects, tokens, usercache, workflows
from .calls import Call

__all__ = ['find']

Handler = Callable[[Call], Response]


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is no data element."""
    plain = [part for part in parts if part]
    data = plain[1:] if plain[:1] == ['archive'] else plain
    found = projects.handler(data)
    if found is not None:
        return found
    if plain[:2] == ['services', 'tokens']:
        return tokens.answer
    if plain[:2] == ['services', 'workflows']:
        return workflows.table
    if plain[:1] == ['workflows'] and len(plain) <= 2:
        return workflows.answer
    if plain[:1] == ['prearchive']:
        return prearchive.answer
    if tuple(plain) in batches.HANDLERS:
        return batches.HANDLERS[tuple(plain)]
    if plain == ['services', 'import']:
        return imports.answer
    if plain[:1] == ['status'] and len(plain) == 2:
        return progress.answer
    if plain[:3] == ['user', 'cache', 'resources']:
        return usercache.answer
    return _LISTS[data[0]] if len(data) == 1 and data[0] in _LISTS else None


_LISTS: dict[str, Handler] = {'scan_types': projects.scan_types, 'scanners': projects.scanners, 'investigators': projects.investigators}
