"""``services/mail/send``: there as XNAT has it, but this archive has no mail server to send by."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..errors import BadRequest, ServiceUnavailable
from ..http.request import Call
from ..http.router import Route

__all__ = ['ROUTES']


def _send(call: Call) -> Response:
    """Refuse: `BadRequest` without an address and a subject, as XNAT does."""
    form = dict(call.form()) if call.has_body and call.mimetype else {}
    if not form.get('to') or not form.get('subject'):
        raise BadRequest('Name an address, to, and a subject.')
    raise ServiceUnavailable('This archive has no mail server.')


ROUTES = (Route('POST', '/data/services/mail/send', _send, 'Refuse to send a mail: the archive has no mail server.'),)
