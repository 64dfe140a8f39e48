"""The differences that are meant: where, and why the archive does not answer as the recorded server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .comparing import Difference
from .recordings import Exchange


class Meant(NamedTuple):
    """A row: patterns of the recording, the place and the request (``METHOD path``), the kinds of difference, and the reason."""

    recording: str
    place: str
    request: str
    kinds: frozenset[str]
    reason: str


TABLE: tuple[Meant, ...] = ()


def reason(recording: str, exchange: Exchange, differences: Sequence[Difference]) -> str:
    """Why all these differences are meant; empty where one of them is not."""
    request = f'{exchange.method} {exchange.path}'
    kinds = {difference.kind for difference in differences}
    for row in TABLE:
        if kinds <= row.kinds and re.fullmatch(row.recording, recording) and re.match(row.place, exchange.place) and re.match(row.request, request):
            return row.reason
    return ''
