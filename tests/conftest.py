"""Shared settings of all tests: sizes of property tests, cleaning up, recorded responses."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, Phase, settings

from pyxnat.http import session
from pyxnat.server.db import access
from tests.support.archive import (  # noqa: F401 - fixtures
    P,
    dest,
    local,
    login,
    other_server,
    project,
    scan,
    server,
    xnat,
)
from tests.support.quick import quick_folder

ROOT = Path(__file__).parents[1]
collect_ignore_glob = ['benchmarks/peers/*']
"""Programs of other clients, which need not be installed; the benchmarks run them."""
_NUMBERS = itertools.count(1)
DEEP = os.environ.get('PYXNAT_DEEP') == '1'
"""Whether long tests run at their full size (``make deep``)."""

_COMMON = {
    'deadline': None,
    'suppress_health_check': [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile(
    'small',
    max_examples=40,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # a failure is not worth minutes of shrinking
    **_COMMON,
)  # the same examples in every run
settings.register_profile('deep', max_examples=800, print_blob=True, **_COMMON)
settings.load_profile('deep' if DEEP else 'small')

access.HASH_METHOD = 'pbkdf2:sha256:1'  # fast: passwords of tests are not secret
os.environ.pop(
    'PYTHONDONTWRITEBYTECODE', None
)  # hundreds of processes are started, and each would compile all its imports
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    """Put temporary folders into memory if there is room, and pause garbage collection.

    pytest's PYTEST_DEBUG_TEMPROOT names another place. All that is created until the tests are
    collected stays, so each collection of garbage would check it in vain.
    """
    if not getattr(config.option, 'numprocesses', None):  # not in the process that deals out
        gc.disable()
    folder = None if DEEP else quick_folder()
    if folder is not None:
        os.environ.setdefault('PYTEST_DEBUG_TEMPROOT', str(folder))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take one of N cases of tests that are marked ``sample(N)``; `DEEP` takes all.

    Each test keeps one case at least. A case is chosen by a hash of its name, so every process and
    run takes the same.
    """
    tests: dict[str, list[pytest.Item]] = {}
    for item in items if not DEEP else ():
        if item.get_closest_marker('sample') is not None:
            tests.setdefault(item.nodeid.partition('[')[0], []).append(item)
    left: set[pytest.Item] = set()
    for cases in tests.values():
        step = cases[0].get_closest_marker('sample').args[0]  # type: ignore[union-attr]
        cases.sort(key=lambda item: (crc32(item.nodeid.encode()), item.nodeid))
        left.update(cases[-(-len(cases) // step) :])
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=list(left))


def pytest_collection_finish() -> None:
    """Resume garbage collection, without the objects that exist so far, and more seldom."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    gc.enable()


@pytest.fixture(scope='module', autouse=True)
def no_garbage_of_other_modules() -> None:
    """Exclude the objects that earlier modules left from garbage collection.

    After thousands of tests they are millions, and a collection takes seconds.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_session_left() -> Iterator[None]:
    """Close the sessions that a test left open.

    An Interface that was not closed is collected now, and not when another server has its port.
    """
    before = set(session._ALL)
    yield
    if any(one.is_ours for one in set(session._ALL) - before):
        gc.collect()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache folder of its own."""
    monkeypatch.setenv(
        'PYXNAT_CACHEDIR', str(tmp_path_factory.getbasetemp() / f'cache-{next(_NUMBERS)}')
    )


@pytest.fixture(scope='session')
def reference() -> Path:
    """Return the folder of facts and recorded responses of real servers.

    It is ``XNAT_REFERENCE``, or ``shared`` beside the checkout.
    """
    folder = Path(os.environ.get('XNAT_REFERENCE', ROOT.parent / 'shared'))
    if not (folder / 'recorded').is_dir():
        pytest.skip(f'no recorded answers in {folder}; XNAT_REFERENCE can name their folder')
    return folder
