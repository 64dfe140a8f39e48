"""Adapter for handlers of paths to items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response

from ..errors import NotFound
from ..http.request import Call
from ..items.history import Event
from ..items.uris import ItemPath, parse

__all__ = ['on_item']


def on_item(handler: Callable[[Call, ItemPath], Response]) -> Callable[..., Response]:
    """Return a route handler that calls `handler` with the levels of the path.

    It reads the segments as they were sent, since XNAT decodes few of them. If the site requires a
    reason for changes, all methods but GET must give one.
    """

    def handle(call: Call, **names: Any) -> Response:
        path = parse(call.raw_parts)
        if path is None:
            raise NotFound(f'There is nothing at /data/{"/".join(call.raw_parts)}.')
        if call.method != 'GET':
            Event.of(call)
        return handler(call, path)

    return handle
