"""Match the names that servers generate: recorded name -> name of this server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

UUID = r'(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})'
GIVEN = re.compile(
    rf'XNAT_[SE]\d{{5,}}|{UUID}|(?<=resources/)\d+|(?<=downloads/)[\w-]+|\bxs\d{{10,}}\b|'
    rf'(?<![0-9A-Za-z])[0-9A-F]{{32}}(?![0-9A-Za-z])'
    r'|(?<![0-9A-Za-z])[0-9A-Za-z]{64}(?![0-9A-Za-z])|(?<!\w)_\w+_1[6-9]\d{11}\b|'
    r'\b\w+-20\d{6}_\d{6}\b'
)
"""Accession IDs, tokens, numbers of resources in URIs, IDs of searches, sessions and secrets.

They are different on any two servers.
"""
MOMENT = re.compile(
    r'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?'
    r'|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \w+ \d{4}'
    r'|\b1[6-9]\d{11}\b|\b20\d{6}_\d{6,}\w*\b'
)
ROOT = re.compile(r'/[\w./-]+/archive/(?=[\w-]+/(?:arc\d+|resources|subjects)/\S*_catalog\.xml)')
HOST = re.compile(r'https?://[\w.:-]+(?=/|\b)')


class Names:
    """The known pairs. A name without a pair counts as unknown, on both sides."""

    def __init__(self) -> None:
        self._here: dict[str, str] = {}
        self._there: set[str] = set()

    def learn(self, recorded: str, here: str) -> None:
        """Pair the generated names of two texts that are otherwise equal."""
        theirs, ours = given(recorded), given(here)
        if len(theirs) == len(ours) and mask(recorded) == mask(here):
            for one, other in zip(theirs, ours, strict=True):
                if one not in self._here:
                    self._here[one] = other
                    self._there.add(other)

    @staticmethod
    def tells_one(text: str) -> bool:
        """Whether a text has one generated name, however often.

        Several names, in any order, cannot be paired.
        """
        return len(set(given(text))) == 1

    def pair(self, recorded: str, here: str) -> None:
        """Pair two names that no pattern recognizes."""
        self._here.setdefault(recorded, here)
        self._there.add(here)

    def rename(self, recorded: str, here: str) -> None:
        """Pair two names, and replace an earlier pair.

        Downloads of one second have one ID, and the last one counts.
        """
        self._here[recorded] = here
        self._there.add(here)

    def here(self, recorded: str) -> str:
        """Return a recorded text with the names of this server."""
        return GIVEN.sub(lambda found: self._ours(found.group()) or found.group(), recorded)

    def _ours(self, name: str) -> str:
        """Return the name of this server for a recorded one; empty if it is unknown.

        Search fields have the UUIDs of forms in capitals.
        """
        return self._here.get(name) or self._here.get(name.lower(), '').upper()

    def knows(self, text: str) -> bool:
        """Whether a recorded text has a known name."""
        return any(found in self._here for found in given(text))

    def gave(self, text: str) -> bool:
        """Whether a text of this server has a known name."""
        return any(found in self._there for found in given(text))

    def from_record(self, text: str) -> str:
        """Return a recorded text in the form for comparing."""
        if not given(text):
            return plain(text)
        return plain(GIVEN.sub(lambda found: self._ours(found.group()) or '<given>', text))

    def from_answer(self, text: str) -> str:
        """Return a text of this server in the form for comparing."""
        if not given(text):
            return plain(text)
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
        """Return all known recorded names."""
        return iter(self._here)


@lru_cache(maxsize=20_000)  # the same cells are in many rows and responses
def given(text: str) -> tuple[str, ...]:
    """Return the generated names in a text."""
    return tuple(GIVEN.findall(text))


@lru_cache(maxsize=20_000)
def mask(text: str) -> str:
    """Return a text without generated names, times and hosts."""
    return plain(GIVEN.sub('<given>', text))


@lru_cache(maxsize=20_000)
def plain(text: str) -> str:
    """Return a text without times, hosts, and the folder of the archive."""
    return ROOT.sub('<archive>/', HOST.sub('<host>', MOMENT.sub('<moment>', text)))
