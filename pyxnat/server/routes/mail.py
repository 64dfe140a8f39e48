"""``services/mail/send``: there as XNAT has it, but this archive has no mail server to send by."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..errors import BadRequest, MethodNotAllowed, ServiceUnavailable
from ..http.request import Call

__all__ = ['answer']


def answer(call: Call) -> Response:
    """Refuse: `BadRequest` without an address and a subject, as XNAT does."""
    if call.method != 'POST':
        raise MethodNotAllowed(['POST'])
    form = dict(call.form()) if call.has_body and call.mimetype else {}
    if not form.get('to') or not form.get('subject'):
        raise BadRequest('Name an address, to, and a subject.')
    raise ServiceUnavailable('This archive has no mail server.')
