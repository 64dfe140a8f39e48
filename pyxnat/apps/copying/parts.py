"""Parts of a copy: the subjects or sessions of its source, each with its mark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ... import errors
from ...resources.base import Element
from .known_types import KnownTypes
from .marks import elements_with_marks, mark_of
from .state import CopiedId, CopyState, Unit

__all__ = ['Part', 'conflicts', 'gone', 'parts_of', 'project_part']

_PERSON = ('subject_ID', 'subject_label')
"""Columns of sessions that tell whose they are."""
_SHOWN = 5


class Part(NamedTuple):
    """An element of the source to copy, with its row in the state."""

    element: Any
    unit: Unit


def parts_of(source: Any, types: KnownTypes) -> Iterator[Part]:
    """Yield the units of a source, after a check of the types of its sessions.

    Parameters
    ----------
    source : Element or Collection
        The source.
    types : KnownTypes
        Data types of the destination.
    """
    if source.level.plural == 'projects':
        sessions = list(source.experiments().with_columns(*_PERSON))
        types.check(session.datatype() for session in sessions)
        subjects = elements_with_marks(source.subjects())
        yield from map(_marked, subjects)
        there = {subject.id() for subject, _ in subjects}
        alone = {one.id() for one in sessions if _person(one)[0] not in there}
        if alone:  # shared without their subjects
            marked = elements_with_marks(source.experiments().with_columns(*_PERSON))
            yield from (_marked(pair) for pair in marked if pair[0].id() in alone)
        return
    is_one, is_session = isinstance(source, Element), source.level.plural == 'experiments'
    if is_session and not is_one:
        source = source.with_columns(*_PERSON)
    elements = [(source, mark_of(source))] if is_one else elements_with_marks(source)
    sessions = [one for one, _ in elements] if is_session else source.experiments()
    types.check(session.datatype() for session in sessions)
    yield from map(_marked, elements)


def project_part(source: Any) -> Part | None:
    """Return the fields and the resources of a project; `None` for another source."""
    if source.level.plural != 'projects':
        return None
    return Part(source.resources(), Unit(source.uri, mark_of(source)))


def _marked(pair: tuple[Any, str]) -> Part:
    """Return an element and its mark as a part."""
    element, mark = pair
    return Part(element, Unit(element.uri, mark))


def conflicts(parts: list[Part], known: CopyState) -> dict[str, errors.DuplicateError]:
    """Return the units that would get the label of another, or of its subject.

    A label belongs to the subject or session whose copy has it already, else to a subject of a
    copied project; of several others none gets it.

    Parameters
    ----------
    parts : list of Part
        Units of the source.
    known : CopyState
        IDs of the copies.

    Returns
    -------
    dict
        URI of a unit -> the error.
    """
    bearers: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for part in parts:
        for level, source, label, rank in _names(part):
            is_copied = known.ids.get((level, source), ('', ''))[1] == label
            ranks = bearers[level, label]
            ranks[source] = max(ranks.get(source, 0), 2 if is_copied else rank)
    found = {}
    for part in parts:
        for level, source, label, _ in _names(part):
            ranks = bearers[level, label]
            others = sorted(ranks.keys() - {source})
            if others and max(ranks[other] for other in others) >= ranks[source]:
                found[part.unit.uri] = errors.DuplicateError(
                    f'{label} would be {level} {source} and {", ".join(others[:_SHOWN])}',
                    uri=part.element.url,
                    remedy='Copy them to different projects, or rename one of them.',
                )
    return found


def gone(parts: list[Part], source: Any, known: CopyState) -> Iterator[CopiedId]:
    """Yield the copied subjects or sessions that the source has no more.

    Parameters
    ----------
    parts : list of Part
        Units of the source now.
    source : Element or Collection
        The source.
    known : CopyState
        IDs of the copies.
    """
    is_of_sessions = source.level.plural == 'experiments'
    wanted = 'experiments' if is_of_sessions else 'subjects'
    rows = [row for (level, _), row in known.ids.items() if level == wanted]
    if not rows:
        return
    if is_of_sessions:
        present = {part.element.id() for part in parts}
    else:  # also the subjects of sessions that are shared without them
        names = (name for part in parts for name in _names(part))
        present = {identity for level, identity, *_ in names if level == wanted}
    yield from (row for row in rows if row.source not in present)


def _names(part: Part) -> Iterator[tuple[str, str, str, int]]:
    """Yield level, ID, label and rank of a unit, and of the subject of a session."""
    element = part.element
    is_subject = element.level.plural == 'subjects'
    yield element.level.plural, element.id(), element.label(), int(is_subject)
    if not is_subject:
        yield 'subjects', *_person(element), 0


def _person(session: Any) -> tuple[str, str]:
    """Return ID and label of a session's subject; no request if it is listed."""
    row = session.row
    identity, label = (str(row.get(name) or session.attrs.get(name)) for name in _PERSON)
    return identity, label
