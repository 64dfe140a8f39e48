"""Read recordings: JSON lines in either of two forms, as exchanges in the order of the requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

NOT_EVIDENCE = frozenset({'stub', 'unsure'})
"""Verdicts of facts whose responses came from parts that the recorded server did not have."""


MADE_AGAIN = {'observed': {'6-search': ('0-setup/022', '0-setup/023')}}
"""Recording -> exchanges that stand with others of their group, but were sent before a group."""


class Exchange(NamedTuple):
    """One request and its recorded response."""

    place: str
    """Its place: the number of the fact or the group, and the name of the exchange."""
    by: str
    method: str
    path: str
    headers: Mapping[str, str]
    send: bytes | None
    status: int
    answer_headers: Mapping[str, Any]
    body: bytes | None
    """None if the recording shortened it."""
    names: tuple[str, ...] | None
    """Names of the members, if the body was a zip."""
    guests: bool = False
    """Whether the server was open to guests."""
    evidence: bool = True
    """False if the response is no evidence about XNAT."""
    sent_whole: bool = True
    """False if the body of the request was not recorded byte by byte."""

    @property
    def content_type(self) -> str:
        """Return the media type of the response, without parameters."""
        return str(self.answer_headers.get('Content-Type') or '').partition(';')[0].strip().lower()


def read(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a file in the order of the requests, without requests that were not
    sent."""
    later: dict[str, Exchange] = {}
    made_again = MADE_AGAIN.get(path.stem, {})
    late = {place for places in made_again.values() for place in places}
    for exchange in _lines(path):
        group, _, name = exchange.place.partition('/')
        if (moved := f'{group}/{name[:3]}') in late:
            later[moved] = exchange
            continue
        for early in made_again.get(group, ()):
            if early in later:
                yield later.pop(early)
        yield exchange
    yield from later.values()


def _lines(path: Path) -> Iterator[Exchange]:
    with path.open(encoding='utf-8') as lines:
        for line in lines:
            found = json.loads(line)
            if 'exchanges' not in found:
                yield _exchange(found, f'{found["group"]}/{found["name"]}')
                continue
            for count, one in enumerate(found['exchanges'], 1):
                if 'status' in one:
                    evidence = found['verdict'] not in NOT_EVIDENCE
                    yield _exchange(one, f'{found["number"]}#{count}')._replace(
                        guests=found['guests'], evidence=evidence
                    )


def _exchange(found: Mapping[str, Any], place: str) -> Exchange:
    text = found.get('sent', found.get('send'))
    send = (
        base64.b64decode(found['sent_base64'])
        if found.get('sent_base64')
        else _bytes(text)
        if text is not None
        else None
    )
    body, names = _body(found)
    return Exchange(
        place=place,
        by=found['by'] or 'nobody',
        method=found['method'],
        path=found['path'],
        headers=found.get('sent_headers', found.get('headers') if 'answer_headers' in found else {})
        or {},
        send=send,
        status=found['status'],
        answer_headers=found.get('answer_headers', found['headers']),
        body=body,
        names=names,
        sent_whole=_is_whole(text or ''),
    )


def _is_whole(text: str) -> bool:
    """Whether a request body was recorded byte by byte.

    Long documents were shortened, and one that ends in a tag may be broken on purpose.
    """
    cut = text.lstrip().startswith('<') and len(text) > 1400 and not text.rstrip().endswith('>')
    return '\ufffd' not in text and not text.startswith('<chunks>') and not cut


def _bytes(text: str) -> bytes:
    """Return a request body; a packed file is recorded with a character for each byte."""
    return text.encode(
        'latin-1' if text.startswith(('PK\x03\x04', '\x1f\x8b')) else 'utf-8', 'replace'
    )


def _body(found: Mapping[str, Any]) -> tuple[bytes | None, tuple[str, ...] | None]:
    body = found.get('body')
    if isinstance(body, dict):
        return None, tuple(body['names'])
    names = tuple(found['zip_names']) if 'zip_names' in found else None
    if found.get('body_base64'):
        return base64.b64decode(found['body_base64']), names
    whole = (body or '').encode()
    if found.get('body_cut') or len(whole) < found.get('bytes', 0) or '\ufffd' in (body or ''):
        return None, names
    return whole, names
