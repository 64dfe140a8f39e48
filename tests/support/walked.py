"""Selections walked independently of the library: listing after listing, with urllib alone."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode

__all__ = ['Refused', 'Seen', 'Step', 'Walker']

Step = tuple[str, str]
"""A level and a name or pattern."""

SEGMENTS = {'in_resources': 'in/resources', 'out_resources': 'out/resources'}
_COLUMNS = {'scans': ('ID', 'ID'), 'projects': ('ID', 'ID'), 'reconstructions': ('ID', 'ID')}
_PARTS = ('scans', 'assessors', 'reconstructions')
_TYPES = {
    'projects': 'xnat:projectData',
    'subjects': 'xnat:subjectData',
    'reconstructions': 'xnat:reconstructedImageData',
}


class Refused(LookupError):
    """The server refuses this listing."""


class Place(NamedTuple):
    """A level on the way: its listing and the element in it."""

    level: str
    listing: str
    name: str


class Seen(NamedTuple):
    """An element at the end of a walk."""

    uri: str
    identity: str
    label: str
    kind: str
    row: dict[str, str]
    way: tuple[Place, ...]
    """The levels on the way to it, its own last."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return the identity of the element, which does not depend on the selection."""
        return self[:4]


class Walker:
    """Walks the listings of one login."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self.url = url
        self.headers = {
            'Authorization': 'Basic ' + b64encode(f'{login}:{password}'.encode()).decode()
        }
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor()
        )  # one session for all requests: a server limits the sessions
        self._listed: dict[tuple[str, str], list[dict[str, str]]] = {}

    def rows(self, uri: str, **query: str) -> list[dict[str, str]] | None:
        """Return the rows of a listing; None if this login may not see them."""
        body = self.get(f'{uri}?{urlencode({"format": "json", **query}, safe=":/,")}')
        return body if body is None else json.loads(body)['ResultSet']['Result'] if body else []

    def get(self, uri: str) -> bytes | None:
        try:
            with self._opener.open(
                urllib.request.Request(f'{self.url}{uri}', headers=self.headers)
            ) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in (403, 404):
                return None
            raise Refused(f'{uri}: {error}') from error

    def walk(
        self,
        steps: list[Step],
        uri: str = '/data',
        guessed: bool = False,
        way: tuple[Place, ...] = (),
    ) -> list[Seen]:
        """Return all elements of some steps, in the order of the listings.

        Raises ------ LookupError A listing below a literal name cannot be seen.
        """
        (level, name), rest = steps[0], steps[1:]
        listing = f'{uri}/{SEGMENTS.get(level, level)}'
        literal = not set('*?') & set(name)
        has_gap = (
            level == 'experiments' and bool(rest) and rest[0][0] == 'scans' and uri.count('/') == 3
        )
        if literal and rest and not has_gap:
            if guessed and level in _PARTS and not self._lists(listing, level, name):
                return []  # XNAT answers with the resources of the session
            return self.walk(
                rest,
                f'{listing}/{quote(name, safe="")}',
                guessed,
                (*way, Place(level, listing, name)),
            )
        rows = self.rows(listing)
        if rows is None:
            if not guessed:
                raise LookupError(listing)
            return []
        meant = [row for row in rows if any(matches(name, one) for one in names(level, row))]
        if literal and rest and not meant and not guessed:
            raise LookupError(f'{name} in {listing}')
        found = []
        for row in meant:
            identity, label = names(level, row)
            here = (
                f'/data/experiments/{identity}'
                if has_gap
                else f'{listing}/{quote(identity, safe="/" if level == "files" else "")}'
            )
            so_far = (*way, Place(level, listing, identity))
            kind = (
                row['element_name']
                if level.endswith('resources')
                else row.get('xsiType') or _TYPES.get(level, '')
            )
            found += (
                self.walk(rest, here, guessed or not literal, so_far)
                if rest
                else [Seen(here, identity, label, kind, row, so_far)]
            )
        return found

    def _lists(self, listing: str, level: str, name: str) -> bool:
        """Return whether a listing has an element of a name."""
        return any(name in names(level, row) for row in self.rows(listing) or ())

    def forget(self) -> None:
        """Forget the columns of earlier listings."""
        self._listed.clear()

    def cell(self, seen: Seen, plural: str, name: str, subject: str) -> str | list[str]:
        """Return a column of an element, or of a level above it, from the listing that has it.

        `subject` is the ID of its subject.
        """
        place = next((place for place in seen.way if place.level == plural), None)
        if plural == 'files':
            return seen.identity if name == 'path' else seen.row[name]
        if place is not None:
            return self._values(place, name)
        if plural != 'subjects':
            return ''
        project = next(place.name for place in seen.way if place.level == 'projects')
        listing = f'/data/projects/{project}/subjects'
        return self._values(Place(plural, listing, subject), name) or self._values(
            Place(plural, '/data/subjects', subject), name
        )

    def _values(self, place: Place, name: str) -> str | list[str]:
        kind = name.partition('/')[0]
        typed = {'xsiType': kind} if kind.endswith(('SessionData', 'ScanData')) else {}
        if (place.listing, name) not in self._listed:
            self._listed[place.listing, name] = (
                self.rows(place.listing, columns=f'ID,label,{name}', **typed) or []
            )
        rows = self._listed[place.listing, name]
        meant = [row for row in rows if row['ID'] == place.name] or [
            row for row in rows if row.get('label') == place.name
        ]
        keys = (
            name.lower(),
            name,
            name.rpartition('/')[2],
        )  # a full path comes back in lower case, or under its short name
        values = sorted({row[next(key for key in keys if key in row)] for row in meant}) or ['']
        return values[0] if len(values) == 1 else values


def names(level: str, row: dict[str, str]) -> tuple[str, str]:
    """Return ID and label of a row."""
    if level == 'files':
        path = unquote(row['URI'].split('/resources/', 1)[1].split('/files/', 1)[1])
        return path, path
    default = (
        ('xnat_abstractresource_id', 'label') if level.endswith('resources') else ('ID', 'label')
    )
    identity, label = _COLUMNS.get(level, default)
    return row[identity], row[label]


def matches(pattern: str, name: str) -> bool:
    return (
        re.fullmatch(re.escape(pattern).replace(r'\*', '.*').replace(r'\?', '.'), name, re.DOTALL)
        is not None
    )
