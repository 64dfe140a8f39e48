"""Account of an alias token.

The cache belongs to the account, because tokens are replaced often.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ..files.disk import publish

__all__ = ['account_of']

_FOLDER = 'aliases%'
"""Beside the folders of logins; none of them has this name."""


def account_of(folder: Path, alias: str, ask: Callable[[], str]) -> str:
    """Return the account of an alias token, remembered on disk.

    Parameters
    ----------
    folder : Path
        Folder of the server; accounts are remembered in ``aliases%`` below it.
    alias : str
        Alias of the token.
    ask : callable
        Fetches the account's name if it is not remembered.
    """
    name = hashlib.blake2b(alias.encode(), digest_size=16).hexdigest()
    path = folder / _FOLDER / name
    account = _remembered(path, alias)
    if account is None:
        account = ask()
        with publish(path, mode=0o600, private=True) as file:
            file.write(_line(alias, account))
    return account


def _line(alias: str, account: str) -> bytes:
    """Return the content of the file that remembers an account, with a checksum."""
    both = json.dumps([alias, account]).encode('ascii')
    checksum = hashlib.blake2b(both, digest_size=16).hexdigest()
    return json.dumps([account, checksum]).encode('ascii')


def _remembered(path: Path, alias: str) -> str | None:
    """Return the account in a file; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
        account = json.loads(content)[0]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    is_sound = isinstance(account, str) and account and content == _line(alias, account)
    return account if is_sound else None
