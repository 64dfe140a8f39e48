"""``/xapi``: what XNAT answers beside its data, as JSON, from a table of routes."""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..http.request import Call
from . import downloads, fields, forms, schemas, site, users
from .routing import answer_from
from .schemas import document as schema_document

__all__ = ['answer', 'schema_document']

ROUTES = (*site.ROUTES, *users.ROUTES, *schemas.ROUTES, *fields.ROUTES, *forms.ROUTES, *downloads.ROUTES)


def answer(call: Call) -> Response:
    """Any request below ``/xapi``."""
    return answer_from(ROUTES, call)
