"""A body to send, as rooms below HTTP make it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ['Sending']


class Sending(NamedTuple):
    """A file or an archive of files; `http.responses.send` makes a response of it."""

    body: bytes | Iterator[bytes]
    """Whole, or in pieces: then its length is not known before."""
    content_type: str
    disposition: str = ''
    """Value of the header ``Content-Disposition``; empty for none."""
