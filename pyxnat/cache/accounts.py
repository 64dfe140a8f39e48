"""Which account an alias token stands for. The cache is the account's: tokens come and go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..files.disk import publish

__all__ = ['account_of']


def account_of(folder: Path, alias: str, ask: Callable[[], str]) -> str:
    """The account of an alias: as remembered below a folder, else as `ask` says, which is remembered."""
    name = hashlib.blake2b(alias.encode(), digest_size=16).hexdigest()
    path = folder / 'aliases' / name
    try:
        return path.read_text(encoding='utf-8')
    except FileNotFoundError:
        account = ask()
    with publish(path, mode=0o600, private=True) as file:
        file.write(account.encode())
    return account
