"""``/services/refresh/catalog``: make what the archive knows of the files of resources agree with what lies on the disk (fact 6.4)."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..errors import BadRequest
from ..http.request import Call, text
from ..http.router import Access, Route
from ..jobs.refresh_files import OPTIONS, refresh
from .prearchive_batches import read_form

__all__ = ['ROUTES']


def _answer(call: Call) -> Response:
    """Refresh the resources that each ``resource=`` names, or that the item it names has; of a session also those of its scans and so on.

    What ``options`` lists is done, or all of it without any: ``append`` takes in files that lie beside those that are known, ``checksum``
    computes all digests anew, ``delete`` forgets files that are gone. ``populateStats`` is for statistics that are
    kept; here they are counted when they are asked for. Where no resource is named there is nothing to do.
    """
    read_form(call)
    asked = {name.strip() for told in call.all('options') for name in told.split(',') if name.strip()}
    if asked - {*OPTIONS}:
        raise BadRequest(f'Unknown options: {", ".join(sorted(asked - {*OPTIONS}))}; there are {", ".join(OPTIONS)}.')
    asked |= {name for name in OPTIONS if call.flag(name)}
    is_all = not asked and not any(call.has(name) for name in OPTIONS)
    refresh(call, call.all('resource'), OPTIONS if is_all else asked)
    return text()


ROUTES = (Route('POST', '/data/services/refresh/catalog', _answer, 'Make rows and digests of resources agree with the files on disk.', Access.LOGIN),)
