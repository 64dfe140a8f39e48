"""``/services/refresh/catalog``: update resources to match the files on disk.

The format is fact 6.4.
"""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..errors import BadRequest
from ..http.request import Call, text
from ..http.router import Access, Route, guarded
from ..jobs.refresh_files import OPTIONS, refresh
from .prearchive_batches import read_form

__all__ = ['ROUTES']


def _refresh(call: Call) -> Response:
    """Refresh the resources of each ``resource=``, a resource or an item.

    A session includes its scans, reconstructions and assessors. ``options`` lists the steps, by
    default all: ``append`` adds new files, ``checksum`` computes all digests, ``delete`` removes
    the rows of missing files. ``populateStats`` has no effect, since statistics are computed on
    request. Without ``resource`` nothing is done.
    """
    read_form(call)
    asked = {
        name.strip() for value in call.all('options') for name in value.split(',') if name.strip()
    }
    if asked - {*OPTIONS}:
        raise BadRequest(
            f'Unknown options: {", ".join(sorted(asked - {*OPTIONS}))}; there are '
            f'{", ".join(OPTIONS)}.'
        )
    asked |= {name for name in OPTIONS if call.flag(name)}
    is_all = not asked and not any(call.has(name) for name in OPTIONS)
    refresh(call, call.all('resource'), OPTIONS if is_all else asked)
    return text()


ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'POST',
            '/data/services/refresh/catalog',
            _refresh,
            'Update rows and digests of resources to match the files.',
            Access.LOGIN,
        ),
    ),
)
