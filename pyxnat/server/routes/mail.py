"""``services/mail/send``: refused, since the archive has no mail server."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..errors import BadRequest, ServiceUnavailable
from ..http.request import Call
from ..http.router import Route, guarded

__all__ = ['ROUTES']


def _send(call: Call) -> Response:
    """Refuse the mail; without address and subject with `BadRequest`, as XNAT."""
    form = dict(call.form()) if call.has_body and call.mimetype else {}
    if not form.get('to') or not form.get('subject'):
        raise BadRequest('Give an address in to, and a subject.')
    raise ServiceUnavailable('This archive has no mail server.')


ROUTES = guarded(
    Guard.NOTHING,
    (
        Route(
            'POST',
            '/data/services/mail/send',
            _send,
            'Refuse to send a mail: the archive has no mail server.',
        ),
    ),
)
