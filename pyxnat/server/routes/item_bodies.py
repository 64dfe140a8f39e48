"""Bodies of requests that create or change an item: XML, a form, or both."""

from __future__ import annotations

from typing import Any

from ..context import EXACT
from ..http.request import Call
from ..items.edit import Document, complete_document, parse_item

__all__ = ['document_of']

_FORM = 'application/x-www-form-urlencoded'
_XML = frozenset({'text/xml', 'application/xml'})


def document_of(call: Call, where: str, known: Any = None, short: bool = True) -> Document:
    """Return the document of a request for an item of a level.

    Parameters
    ----------
    call : Call
        The request.
    where : str
        The level.
    known
        The row of the existing item.
    short : bool
        Whether short names count in the query; not on routes of experiments without a subject.
    """
    document, form = _read_body(call)
    document.exact = EXACT in call.request.environ
    return complete_document(call, document, form, where, known, short)


def _read_body(call: Call) -> tuple[Document, list[tuple[str, str]]]:
    """Return the document of a body, and the fields of a form."""
    model = call.archive.model
    wanted = call.get('req_format').lower()
    if not call.has_body or wanted == 'qs':
        return Document(), []
    if call.mimetype == 'multipart/form-data':
        fields, parts = call.multipart()
        bodies = [
            data for name, kind, data in parts if name.lower().endswith('.xml') or kind in _XML
        ]
        return (parse_item(model, bodies[-1]) if bodies else Document()), fields
    if wanted == 'form':  # only a form counts
        return Document(), call.form() if call.mimetype == _FORM else []
    if call.mimetype in _XML or wanted == 'xml' or call.flag('inbody'):
        return parse_item(model, call.document()), []
    return Document(), []
