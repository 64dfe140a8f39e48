"""The file ``~/.xnatPass``: its first line ``+user@host[:port][/path]=password`` is a login. Functions of pyxnat 1.x, under their old names.

:mod:`pyxnat.http.settings` reads it when an Interface is made without arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..http.settings import XNAT_PASS_FILE

__all__ = ['find_plus_line', 'find_token', 'parse_xnat_pass', 'path', 'read_xnat_pass']


def path() -> str:
    """Where the file is, whether it exists or not."""
    return str(Path(XNAT_PASS_FILE).expanduser())


def read_xnat_pass(f: str | os.PathLike[str]) -> dict[str, str] | None:
    """The login that a file holds (``host``, ``u``, ``p``); `None` where there is no file, or no login in it."""
    file = Path(f).expanduser()
    return parse_xnat_pass(file.read_text(encoding='utf-8').splitlines()) if file.is_file() else None


def parse_xnat_pass(lines: Iterable[str]) -> dict[str, str] | None:
    """The login in some lines. The password begins behind the first ``=`` and may hold others.

    >>> parse_xnat_pass(['# mine', '+me@xnat.example.org:8080/x=a=b'])
    {'host': 'xnat.example.org:8080/x', 'u': 'me', 'p': 'a=b'}
    """
    line = find_plus_line(lines)
    user = find_token('@', line) if line else None
    host = find_token('=', user[1]) if user else None
    return {'host': host[0], 'u': user[0], 'p': host[1]} if user and host else None


def find_plus_line(lines: Iterable[str]) -> str | None:
    """The first line that begins with ``+``, without it."""
    return next((line.strip()[1:] for line in lines if line.startswith('+')), None)


def find_token(tok: str, line: str) -> tuple[str, str] | None:
    """What stands before and behind the first `tok` of a line; `None` where there is none, or nothing before it."""
    before, found, behind = (part.strip() for part in line.partition(tok))
    return (before, behind) if found and before else None
