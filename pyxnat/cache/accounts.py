"""Account of an alias token.

The cache belongs to the account, because tokens are replaced often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..files.disk import publish

__all__ = ['account_of']


def account_of(folder: Path, alias: str, ask: Callable[[], str]) -> str:
    """Return the account of an alias token, remembered on disk.

    Parameters
    ----------
    folder : Path
        Folder of the server; accounts are remembered in ``aliases`` below it.
    alias : str
        Alias of the token.
    ask : callable
        Fetches the account's name if it is not remembered.
    """
    name = hashlib.blake2b(alias.encode(), digest_size=16).hexdigest()
    path = folder / 'aliases' / name
    try:
        return path.read_text(encoding='utf-8')
    except FileNotFoundError:
        account = ask()
    with publish(path, mode=0o600, private=True) as file:
        file.write(account.encode())
    return account
