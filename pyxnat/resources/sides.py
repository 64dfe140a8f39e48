"""Labels on the sides of an assessor or reconstruction, checked before a write.

A label exists once per assessor or reconstruction, over its inputs and its outputs. XNAT stores a
file sent to ``in/resources/QC`` in the output ``QC`` if there is one, and replaces a file of the
same name there; the other way round alike.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .. import errors
from ..model import uris
from ..model.levels import level
from ..query.paths import Step, uri_of
from ..query.row_owner import own_rows
from ..tables.json_stream import parse_result_set
from .host import Host
from .owners import FRESH_S

if TYPE_CHECKING:
    from .base import Element
    from .files import ResourceElement

__all__ = ['Sides']

_LEVELS = {'in': 'in_resources', 'out': 'out_resources'}
_OTHER = {'in': 'out', 'out': 'in'}


class _Labels:
    """Labels and numbers of the resources on one side, and the time of their listing."""

    def __init__(self, names: set[str], fetched_at: float) -> None:
        self.names = names
        self.fetched_at = fetched_at


class Sides:
    """Labels of inputs and outputs, for one login.

    A listing serves all writes below an assessor or reconstruction for a minute.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self._listed: dict[tuple[str, str], _Labels] = {}
        self._lock = threading.Lock()

    def check(self, resource: ResourceElement, fresh: bool = False) -> None:
        """Raise an error if the label of a resource is used on the other side.

        No request for a resource that came from a listing; otherwise one per holder and side within
        a minute.

        Parameters
        ----------
        resource : Resource
            The resource to write to or delete, of an assessor or reconstruction.
        fresh : bool
            List the other side in any case.

        Raises
        ------
        DuplicateError
            The other side has a resource of this label.
        """
        holder = resource.parent_on_path()
        if holder is None or ('xnat_abstractresource_id' in resource.row and not fresh):
            return
        side, key = resource.level.side or 'out', uri_of(holder.steps)
        other = _OTHER[side]
        with self._lock:
            labels = self._listed.get((key, other))
        if (
            labels is None
            or fresh
            or not _is_fresh(labels)
            or resource.path_name in labels.names  # it may have been deleted since
        ):
            labels = self._fetch(holder, other)
        if resource.path_name in labels.names:
            raise errors.DuplicateError(
                f'the label {resource.path_name!r} is used in {other}/resources: XNAT may change '
                'that resource',
                uri=resource.url,
                method='PUT',
                remedy=f'Choose another label: {holder.level.singular} {holder.path_name} can have '
                'each once, over its inputs and outputs.',
            )
        with self._lock:
            if (key, side) in self._listed:
                self._listed[key, side].names.add(resource.path_name)

    def _fetch(self, holder: Element, side: str) -> _Labels:
        """List a side, without the cache. One request."""
        plural, fetched_at = _LEVELS[side], time.monotonic()
        uri = uris.with_query(uris.join(holder.uri, level(plural).segment), {'format': 'json'})
        connection = self._host.connection
        rows: list[Any] = []
        try:
            body = connection.request(uri, 'GET', expiration=0)
            rows = parse_result_set(body, connection.server + uri)
        except errors.NotFoundError:  # a holder that does not exist
            pass
        except errors.InternalError:
            if holder.exists():
                raise
        found = own_rows((*holder.steps, Step(plural, '*', False)), rows)
        names = {uris.meaning(row.get('label', '')) for row in found}
        labels = _Labels(
            names | {row.get('xnat_abstractresource_id', '') for row in found}, fetched_at
        )
        with self._lock:
            self._listed = {key: old for key, old in self._listed.items() if _is_fresh(old)}
            self._listed[uri_of(holder.steps), side] = labels
        return labels


def _is_fresh(labels: _Labels) -> bool:
    return time.monotonic() - labels.fetched_at < FRESH_S
