"""Response body, made below HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ['Sending']


class Sending(NamedTuple):
    """Body of a file or an archive; `http.responses.send` makes a response."""

    body: bytes | Iterator[bytes]
    """The whole body, or its pieces; then its length is not known in advance."""
    content_type: str
    disposition: str = ''
    """Value of the header ``Content-Disposition``; empty for none."""
