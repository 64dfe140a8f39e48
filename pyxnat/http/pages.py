"""Recognize web pages that are sent in place of data.

Login forms, portals, error pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..patterns import pattern

__all__ = [
    'MOST_OF_A_PAGE',
    'PAGE_BYTES',
    'begins_page',
    'has_login_form',
    'is_page_name',
    'is_page_type',
]

MOST_OF_A_PAGE = 2**16
"""Bytes of a body that are searched for the begin of a page, and for its login form."""

_TYPES = ('text/html', 'application/xhtml')
_NAMES = ('.html', '.htm', '.xhtml', '.xht', '.shtml')
_MARKS = (b'\xef\xbb\xbf', b'\xff\xfe', b'\xfe\xff')
PAGE_BYTES = frozenset(b'<\x00\xef\xff\xfe \t\r\n\x0b\x0c')
"""First bytes that a page can have: ``<``, marks of UTF-8 and UTF-16, blanks."""
_BLANKS = b' \t\r\n\x0b\x0c'
_SKIPPED = ((b'<!--', b'-->'), (b'<?', b'?>'), (b'<!', b'>'))
"""Begin and end of comments, instructions and document types."""
_TAG = pattern(
    rb'<(?:html|head|body|script|meta|title|style|link|base|noscript|frameset|iframe)[\s/>]',
    re.IGNORECASE,
)
_ROOT = pattern(rb'<(?:\w+:)?html[\s/>]', re.IGNORECASE)
_DOCTYPE = pattern(rb'<!doctype\s+html\b', re.IGNORECASE)
_LOGIN_FORM = pattern(
    rb'<form\b.*?(?:\bj_username\b|<input\b[^>]*\btype\s*=\s*["\']?password)',
    re.IGNORECASE | re.DOTALL,
)


def begins_page(first: bytes) -> bool | None:
    """Return whether a body begins like an HTML page; `None` if more of it is needed.

    Blanks, comments, and marks of UTF-8, UTF-16 and UTF-32 before the first tag are skipped.

    >>> begins_page(b'<!-- proxy --><TITLE>Log in</TITLE>'), begins_page(b'{"ResultSet": 1}')
    (True, False)
    """
    if first and first[0] not in PAGE_BYTES:
        return False
    text = _without_marks(first).lstrip(_BLANKS)
    tag = _TAG
    while (end := _end_of_skipped(text)) is not None:
        if _DOCTYPE.match(text):
            return True
        if end < 0:
            return None
        tag = _ROOT if text.startswith(b'<?') else tag  # <meta> may be the root of other XML
        text = text[end:].lstrip(_BLANKS)
    if len(text) < 12 and b'<'.startswith(text[:1]) and b'>' not in text:
        return None
    return tag.match(text) is not None


def _without_marks(first: bytes) -> bytes:
    for mark in _MARKS:
        first = first.removeprefix(mark)
    return first.replace(b'\0', b'') if b'\0' in first[:64] else first


def _end_of_skipped(text: bytes) -> int | None:
    """Return where the comment or instruction at the begin ends; -1 if it does not."""
    for begin, end in _SKIPPED:
        if text.startswith(begin):
            found = text.find(end, len(begin))
            return found + len(end) if found >= 0 else -1
    return None


def has_login_form(page: bytes) -> bool:
    """Return whether a page asks for a password."""
    return _LOGIN_FORM.search(_without_marks(page)) is not None


def is_page_name(name: str) -> bool:
    """Return whether a file of this name can be a page.

    >>> is_page_name('report.HTML'), is_page_name('scan.nii')
    (True, False)
    """
    return name.lower().endswith(_NAMES)


def is_page_type(headers: Mapping[str, str]) -> bool:
    """Return whether ``Content-Type`` is that of a page."""
    return headers.get('content-type', '').lstrip().lower().startswith(_TYPES)
