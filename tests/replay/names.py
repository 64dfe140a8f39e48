"""Match the names that servers give: what the recorded server called a thing, and what this one
calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator

UUID = r'(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'
GIVEN = re.compile(
    rf'XNAT_[SE]\d{{5,}}|{UUID}|(?<=resources/)\d+|(?<=downloads/)[\w-]+|\bxs\d{{10,}}\b|'
    rf'(?<![0-9A-Za-z])[0-9A-F]{{32}}(?![0-9A-Za-z])'
    r'|(?<![0-9A-Za-z])[0-9A-Za-z]{64}(?![0-9A-Za-z])|(?<!\w)_\w+_1[67]\d{11}\b|'
    r'\b\w+-20\d{6}_\d{6}\b'
)
"""Accession IDs, tokens, numbers of resources in URIs, IDs of searches, sessions and secrets: no
two servers give the same."""
MOMENT = re.compile(
    r'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?'
    r'|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \w+ \d{4}'
    r'|\b1[67]\d{11}\b|\b20\d{6}_\d{6,}\w*\b'
)
ROOT = re.compile(r'/[\w./-]+/archive/(?=[\w-]+/(?:arc\d+|resources|subjects)/\S*_catalog\.xml)')
HOST = re.compile(r'https?://[\w.:-]+(?=/|\b)')


class Names:
    """What is known so far. A name that was not met yet is an unknown one, on both sides."""

    def __init__(self) -> None:
        self._here: dict[str, str] = {}
        self._there: set[str] = set()

    def learn(self, recorded: str, here: str) -> None:
        """Pair the given names of two texts that are alike but for them."""
        theirs, ours = GIVEN.findall(recorded), GIVEN.findall(here)
        if len(theirs) == len(ours) and mask(recorded) == mask(here):
            for one, other in zip(theirs, ours, strict=True):
                if one not in self._here:
                    self._here[one] = other
                    self._there.add(other)

    @staticmethod
    def tells_one(text: str) -> bool:
        """Whether a text has one given name, however often: of several, in any order, it does not
        tell which is which."""
        return len(set(GIVEN.findall(text))) == 1

    def pair(self, recorded: str, here: str) -> None:
        """Pair two names that no pattern tells."""
        self._here.setdefault(recorded, here)
        self._there.add(here)

    def rename(self, recorded: str, here: str) -> None:
        """Pair two names, whatever the recorded one was before: downloads of one second have one
        ID, and the last counts."""
        self._here[recorded] = here
        self._there.add(here)

    def here(self, recorded: str) -> str:
        """A recorded text with the names of this server."""
        return GIVEN.sub(lambda found: self._ours(found.group()) or found.group(), recorded)

    def _ours(self, name: str) -> str:
        """The name of this server for a recorded one, empty where it is unknown.

        Search fields have the UUIDs of forms in capitals.
        """
        return self._here.get(name) or self._here.get(name.lower(), '').upper()

    def knows(self, text: str) -> bool:
        """Whether a recorded text has a name that was learned."""
        return any(found in self._here for found in GIVEN.findall(text))

    def gave(self, text: str) -> bool:
        """Whether a text of this server has a name that was learned."""
        return any(found in self._there for found in GIVEN.findall(text))

    def from_record(self, text: str) -> str:
        """A recorded text as it is compared."""
        return plain(GIVEN.sub(lambda found: self._ours(found.group()) or '<given>', text))

    def from_answer(self, text: str) -> str:
        """A text of this server as it is compared."""
        return plain(
            GIVEN.sub(
                lambda found: (
                    found.group()
                    if {found.group(), found.group().lower()} & self._there
                    else '<given>'
                ),
                text,
            )
        )

    def recorded(self) -> Iterator[str]:
        """All recorded names that are known."""
        return iter(self._here)


def mask(text: str) -> str:
    """A text without given names, moments and hosts."""
    return plain(GIVEN.sub('<given>', text))


def plain(text: str) -> str:
    """A text without moments, hosts, and the folder that the archive lies in."""
    return ROOT.sub('<archive>/', HOST.sub('<host>', MOMENT.sub('<moment>', text)))
