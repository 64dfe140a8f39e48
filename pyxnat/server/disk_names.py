"""Labels and IDs as names of folders."""

from __future__ import annotations

import re

__all__ = ['safe_name']

_RESERVED = re.compile(r'^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
_HOSTILE = re.compile(r'[<>:"/\\|?*%\x00-\x1f]')


def safe_name(text: str) -> str:
    """Return a label as a folder name that is valid on all systems.

    Invalid characters are written ``%XX``.
    """
    name = _HOSTILE.sub(lambda found: f'%{ord(found.group()):02X}', text)
    if name.endswith(('.', ' ')):
        name = f'{name[:-1]}%{ord(name[-1]):02X}'
    return (
        f'%{ord(name[0]):02X}{name[1:]}' if _RESERVED.match(name) or name.startswith('.') else name
    )
