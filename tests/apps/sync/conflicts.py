"""Conflicts of each kind, below a subject of their own, for tests of how they end."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from typing import Any, NamedTuple

from .test_pull import MR

__all__ = ['KINDS', 'Kind', 'create', 'session', 'texts']

WORDS = {md5(word.encode(), usedforsecurity=False).hexdigest(): word for word in ('here', 'there')}


class Kind(NamedTuple):
    """A kind of conflict: each side writes its own name, ``here`` or ``there``, into one place."""

    change: Callable[[Any, str], object]
    """Changes a subject of one side; it gets the name of the side."""
    local: str | None
    """The names that both sides have in the end, if the folder is right; None if that is refused.
    """
    remote: str
    both: str | None


def create(project: Any, name: str) -> None:
    """Create a subject with two sessions, a scan and a file."""
    subject = project.subject(name).create()
    for one in ('E', 'F'):
        session(subject, one).create(experiments=MR)
    session(subject).scan('1').create(scans='xnat:mrScanData')
    session(subject).resource('R').file('a.txt').put(b'before')


def session(subject: Any, name: str = 'E') -> Any:
    return subject.experiment(f'{name}-{subject.path_name}')


def texts(found: Any) -> dict[str, str]:
    """Return the names of sides that the content of a project has, by its subjects."""
    words: dict[str, list[str]] = {}
    for key, (items, files) in found.items():
        name = items[key].get('@label', '').partition('_')[0]
        for values in items.values():
            own = [text for text in values.values() if text in WORDS.values()]
            is_renamed = values.get('@label', '').startswith('L-') and '_local' in values['@label']
            words.setdefault(name, []).extend(own or ['here'] * is_renamed)
        words[name] += [WORDS[one['digest']] for one, _ in files.values() if one['digest'] in WORDS]
    return {name: ' '.join(sorted(some)) for name, some in words.items()}


# -- the kinds


def field(subject: Any, side: str) -> None:
    subject.attrs.set('group', side)


def scan(subject: Any, side: str) -> None:
    session(subject).scan('1').attrs.set('note', side)


def file(subject: Any, side: str) -> None:
    session(subject).resource('R').file('a.txt').put(side.encode(), overwrite=True)


def new_subject(subject: Any, side: str) -> None:
    subject.parent().subject(f'{subject.path_name}_new').create(group=side)


def new_session(subject: Any, side: str, kind: str = MR) -> None:
    session(subject, 'N').create(experiments=kind, **{f'{kind}/note': side})


def new_type(subject: Any, side: str) -> None:
    new_session(subject, side, MR if side == 'there' else 'xnat:petSessionData')


def scan_type(subject: Any, side: str) -> None:
    if side == 'there':
        session(subject).scan('1').delete()
        session(subject).scan('1').create(scans='xnat:otherDicomScanData')
    scan(subject, side)


def subject_gone(subject: Any, side: str) -> None:
    subject.delete() if side == 'there' else field(subject, side)


def session_gone(subject: Any, side: str) -> None:
    session(subject).delete() if side == 'there' else scan(subject, side)


def scan_gone(subject: Any, side: str) -> None:
    session(subject).scan('1').delete() if side == 'there' else scan(subject, side)


def session_gone_here(subject: Any, side: str) -> None:
    session(subject).delete() if side == 'here' else scan(subject, side)


def label_of_new(subject: Any, side: str) -> None:
    if side == 'here':
        session(subject, 'L').create(experiments=MR, **{f'{MR}/note': side})
    else:
        session(subject).attrs.set(f'{MR}/note', side)
        session(subject).attrs.set('label', f'L-{subject.path_name}')


def label_of_renamed(subject: Any, side: str) -> None:
    one = session(subject, 'F' if side == 'here' else 'E')
    one.attrs.set('label', f'L-{subject.path_name}')


KINDS = {
    'field': Kind(field, 'here', 'there', 'here there'),
    'scan': Kind(scan, 'here', 'there', 'here there'),
    'file': Kind(file, 'here', 'there', 'here there'),
    'new subject': Kind(new_subject, 'here', 'there', 'here there'),
    'new session': Kind(new_session, 'here', 'there', 'here there'),
    'new type': Kind(new_type, 'here', 'there', 'here there'),
    'scan type': Kind(scan_type, 'here', 'there', None),
    'subject gone': Kind(subject_gone, 'here', '', 'here'),
    'session gone': Kind(session_gone, 'here', '', 'here'),
    'scan gone': Kind(scan_gone, 'here', '', 'here'),
    'session gone here': Kind(session_gone_here, '', 'there', 'there'),
    'label of new': Kind(label_of_new, None, 'there', 'here there'),
    'label of renamed': Kind(label_of_renamed, None, '', 'here'),
}
