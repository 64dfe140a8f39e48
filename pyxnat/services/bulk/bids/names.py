"""Names of BIDS: labels, entities in their order, the datatype of a suffix.

No I/O.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

__all__ = [
    'DATATYPES',
    'ECHOES',
    'ENTITIES',
    'SUFFIXES',
    'Name',
    'labels_of',
    'plain',
    'session_text',
]

ENTITIES = [
    'sub',
    'ses',
    'sample',
    'task',
    'tracksys',
    'acq',
    'nuc',
    'voi',
    'ce',
    'trc',
    'stain',
    'rec',
    'dir',
    'run',
    'mod',
    'echo',
    'flip',
    'inv',
    'mt',
    'part',
    'proc',
    'hemi',
    'space',
    'split',
    'recording',
    'chunk',
    'seg',
    'res',
    'den',
    'label',
    'desc',
]
"""Entities in the order in which they stand in names (BIDS 1.10)."""

SUFFIXES: Mapping[str, str] = {
    suffix: datatype
    for datatype, suffixes in {
        'anat': 'T1w T2w T2starw FLAIR PDw PDT2 inplaneT1 inplaneT2 angio defacemask UNIT1 MP2RAGE '
        'MPM MTS MTR MEGRE MESE VFA IRT1 T1map T2map T2starmap R1map R2map R2starmap PDmap',
        'func': 'bold cbv sbref',
        'dwi': 'dwi',
        'fmap': 'phasediff phase1 phase2 magnitude magnitude1 magnitude2 fieldmap epi TB1map',
        'perf': 'asl m0scan',
        'pet': 'pet',
    }.items()
    for suffix in suffixes.split()
}
"""Suffix -> datatype where a rule gives none."""

DATATYPES = frozenset(SUFFIXES.values())
ECHOES = frozenset({'bold', 'cbv', 'sbref', 'MEGRE', 'MESE', 'MPM'})
"""Suffixes of images that may have the entities ``echo`` and ``part``."""

_HASH_DIGITS = 6


class Name(NamedTuple):
    """Name of an image: datatype, entities and suffix."""

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...]

    def with_entities(self, **more: str) -> Name:
        """Return the name with further entities."""
        return self._replace(entities=tuple({**dict(self.entities), **more}.items()))

    @property
    def stem(self) -> str:
        """The name of the files, without extension: ``sub-01_ses-1_T1w``."""
        known = dict(self.entities)
        parts = [f'{key}-{known[key]}' for key in ENTITIES if known.get(key)]
        return '_'.join([*parts, self.suffix])

    @property
    def folder(self) -> str:
        """The folder of the files: ``sub-01/ses-1/anat``."""
        known = dict(self.entities)
        return f'sub-{known["sub"]}/ses-{known["ses"]}/{self.datatype}'


def plain(text: str) -> str:
    """Return the letters and digits of a text.

    A BIDS label may have no others.

    >>> plain('Müller_01-a')
    'Muller01a'
    """
    return re.sub('[^0-9A-Za-z]', '', unicodedata.normalize('NFKD', text))


def session_text(subject: str, session: str) -> str:
    """Return the label of a session without the label of its subject in front.

    Parameters
    ----------
    subject, session : str
        Labels on the server.

    Examples
    --------
    >>> session_text('S01', 'S01_MR1'), session_text('S01', 'S01B'), session_text('S01', 'S01')
    ('MR1', 'S01B', 'S01')
    """
    rest = session.removeprefix(subject)
    return rest.lstrip('_-. ') if rest[:1] in ('_', '-', '.', ' ') and plain(rest) else session


def labels_of(
    texts: Mapping[tuple[str, ...], str], known: Mapping[tuple[str, ...], str]
) -> dict[tuple[str, ...], str]:
    """Return a BIDS label for each key, different for different keys.

    A label that two would have stays with the one whose text it is; the others get six digits of a
    hash behind. Labels in capitals and in small letters count as equal, as on some disks.

    Parameters
    ----------
    texts : mapping
        Key, such as project and subject -> text to make the label of.
    known : mapping
        Key -> label that it has already, which it keeps.

    Examples
    --------
    >>> found = labels_of({('S_1',): 'S_1', ('S1',): 'S1', ('A-2',): 'A-2'}, {})
    >>> found['S1',], found['A-2',], found['S_1',]
    ('S1', 'A2', 'S1x9f15cd')
    """
    taken = {label.casefold() for label in known.values()}
    wanted: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key in sorted(texts.keys() - known.keys()):
        wanted[plain(texts[key]).casefold()].append(key)
    labels = {key: known[key] for key in texts if key in known}
    for folded, keys in wanted.items():
        exact = [key for key in keys if plain(texts[key]) == texts[key]]
        free = exact if len(exact) == 1 else keys if len(keys) == 1 else []
        for key in keys:
            label = plain(texts[key])
            if not folded or folded in taken or key not in free:
                digest = hashlib.md5('/'.join(key).encode(), usedforsecurity=False).hexdigest()
                label += f'x{digest[:_HASH_DIGITS]}'
            labels[key] = label
            taken.add(label.casefold())
    return labels
