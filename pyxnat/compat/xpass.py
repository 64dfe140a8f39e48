"""Functions of pyxnat 1.x that read ``~/.xnatPass``, under their old names.

The first line ``+user@host[:port][/path]=password`` of the file is a login.
:mod:`pyxnat.http.settings` reads the file for an Interface created without arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..http.settings import XNAT_PASS_FILE

__all__ = ['find_plus_line', 'find_token', 'parse_xnat_pass', 'path', 'read_xnat_pass']


def path() -> str:
    """Return the path of the file, which need not exist."""
    return str(Path(XNAT_PASS_FILE).expanduser())


def read_xnat_pass(f: str | os.PathLike[str]) -> dict[str, str] | None:
    """Return the login in a file (``host``, ``u``, ``p``).

    `None` if there is no such file, or no login in it.
    """
    file = Path(f).expanduser()
    return (
        parse_xnat_pass(file.read_text(encoding='utf-8').splitlines()) if file.is_file() else None
    )


def parse_xnat_pass(lines: Iterable[str]) -> dict[str, str] | None:
    """Return the login in lines, or `None`.

    The password begins after the first ``=`` and may contain others.

    >>> parse_xnat_pass(['# mine', '+me@xnat.example.org:8080/x=a=b'])
    {'host': 'xnat.example.org:8080/x', 'u': 'me', 'p': 'a=b'}
    """
    line = find_plus_line(lines)
    user = find_token('@', line) if line else None
    host = find_token('=', user[1]) if user else None
    return {'host': host[0], 'u': user[0], 'p': host[1]} if user and host else None


def find_plus_line(lines: Iterable[str]) -> str | None:
    """Return the first line that begins with ``+``, without the ``+``."""
    return next((line.strip()[1:] for line in lines if line.startswith('+')), None)


def find_token(tok: str, line: str) -> tuple[str, str] | None:
    """Split a line at the first occurrence of a token.

    Parameters
    ----------
    tok : str
        Token.
    line : str
        Line.

    Returns
    -------
    tuple or None
        The stripped parts; `None` without the token, or with nothing before it.
    """
    before, found, behind = (part.strip() for part in line.partition(tok))
    return (before, behind) if found and before else None
