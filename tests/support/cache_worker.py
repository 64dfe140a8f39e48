"""A process that reads, writes and prunes a shared cache until it is stopped or killed.

It prints a dot for each action. `tests.cache.test_many_processes` runs it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pyxnat
from pyxnat.cache import store

RESOURCE = '/projects/SHARED/resources/R'
NAMES = [f'{number:02}.bin' for number in range(12)]
KEPT_S = 1.0
"""Replaces a day, so that files in use are pruned while other processes want them."""


def content_of(name: str) -> bytes:
    """Return the content of a file of the archive, different for each file."""
    return random.Random(name).randbytes(1000 + 7919 * int(name[:2]))


def main(url: str, user: str, password: str, cachedir: str, stop: str) -> None:
    """Work until a file `stop` exists. A wrong result ends the process with an error."""
    store.HANDED_OUT_S = KEPT_S
    chance = random.Random()
    with pyxnat.Interface(url, user, password, cachedir) as interface:
        while not Path(stop).exists():
            task = chance.choice(('file', 'file', 'file', 'listing', 'write', 'prune'))
            if task == 'file':
                name = chance.choice(NAMES)
                asked = time.monotonic()
                path = Path(interface.select(f'{RESOURCE}/files/{name}').get())
                try:
                    content = path.read_bytes()
                except FileNotFoundError:
                    assert time.monotonic() - asked > KEPT_S / 2, (
                        f'{path} was pruned under its reader'
                    )
                else:
                    assert content == content_of(name), f'{path} holds something else'
            elif task == 'listing':
                names = [row['Name'] for row in interface._get_json(f'/data{RESOURCE}/files')]
                assert sorted(names) == NAMES, names
            elif task == 'write':
                interface.select.project('SHARED').attrs.set('description', str(chance.random()))
            else:
                interface.cache.prune(chance.choice((0, 20_000, 200_000)))
            os.write(1, b'.')


if __name__ == '__main__':
    main(*sys.argv[1:])
