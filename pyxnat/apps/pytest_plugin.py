"""Pytest fixtures for tests of programs that use an XNAT server.

The archives are those of `pyxnat.server`, on a socket of this machine. pytest finds the fixtures
wherever pyxnat is installed. It loads this module at every start, so the rest of the package is
imported only for a test that uses an archive.

Settings in pytest's configuration file: ``xnat_site``, ``xnat_users`` and ``xnat_schemas``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..interface import Interface
    from ..server import Server

__all__ = [
    'pytest_addoption',
    'xnat_archive',
    'xnat_archive_server',
    'xnat_environment',
    'xnat_options',
    'xnat_seed',
    'xnat_server',
]

_Open = Callable[[], AbstractContextManager['Server']]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the settings."""
    parser.addini(
        'xnat_site',
        'site ID of the test archives, with which their accession IDs begin',
        default='XNAT',
    )
    parser.addini(
        'xnat_users',
        'users of the test archives in addition to the administrator, one LOGIN:PASSWORD per line',
        type='linelist',
    )
    parser.addini(
        'xnat_schemas', 'XSD files of further data types, or folders of them', type='paths'
    )


@pytest.fixture(scope='session')
def xnat_options(pytestconfig: pytest.Config) -> dict[str, Any]:
    """Return the keyword arguments of `pyxnat.server.serve` for the archives.

    They come from pytest's settings. Override the fixture if these do not suffice; the override can
    use the original value::

        @pytest.fixture(scope='session')
        def xnat_options(xnat_options):
            return {**xnat_options, 'require_login': False}
    """
    users = [line.partition(':') for line in pytestconfig.getini('xnat_users')]
    wrong = [login for login, _, password in users if not (login.strip() and password.strip())]
    if wrong:
        raise pytest.UsageError(
            f'xnat_users: {wrong[0]!r} has no password; write each line as LOGIN:PASSWORD'
        )
    return {
        'site': pytestconfig.getini('xnat_site'),
        'users': {login.strip(): password.strip() for login, _, password in users},
        'schemas': pytestconfig.getini('xnat_schemas'),
        'durable': False,  # tests need not survive a power cut
    }


@pytest.fixture(scope='session')
def xnat_seed() -> Callable[[Interface], object] | None:
    """Return a function that fills an archive, or None for empty archives.

    Override it. The function receives the administrator's `pyxnat.Interface`. It is called once per
    run of pytest, and all archives start as copies of the result.
    """
    return None


@pytest.fixture(scope='session')
def _xnat_open(
    tmp_path_factory: pytest.TempPathFactory,
    xnat_options: dict[str, Any],
    xnat_seed: Callable[[Interface], object] | None,
) -> Iterator[_Open]:
    """Create the first archive; return a context manager that serves a copy."""
    interface, serve = _library()
    first = tmp_path_factory.mktemp('xnat-first')

    def create_first() -> dict[str, Any]:
        with serve(first / 'archive', **xnat_options) as server:
            if xnat_seed is not None:
                with interface(
                    server.url, server.user, server.password, first / 'cache', offline=False
                ) as xnat:
                    xnat_seed(xnat)
        return {
            **xnat_options,
            'password': server.password,
            'users': {},
        }  # the copies contain the users

    @contextmanager
    def copy() -> Iterator[Server]:
        folder = tmp_path_factory.mktemp('xnat')
        shutil.copytree(first / 'archive', folder / 'archive')
        with serve(folder / 'archive', **options) as server:
            yield server
        shutil.rmtree(folder, ignore_errors=True)  # saves space; pytest removes the rest later

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            'no_proxy',
            ','.join(
                filter(
                    None, (os.environ.get('no_proxy') or os.environ.get('NO_PROXY'), '127.0.0.1')
                )
            ),
        )
        options = create_first()
        yield copy


@pytest.fixture(scope='session')
def xnat_server(_xnat_open: _Open) -> Iterator[Server]:
    """Serve an archive that all tests of the run share.

    Use it for tests that only read, or that have projects of their own: changes by one test are
    visible to the others. The `pyxnat.server.Server` has ``url``, ``user`` and ``password``.
    """
    with _xnat_open() as server:
        yield server


@pytest.fixture
def xnat_archive_server(_xnat_open: _Open) -> Iterator[Server]:
    """Serve an archive for one test: the server behind `xnat_archive`.

    It has ``url``, ``user``, ``password``, ``add_user``, and ``requests``, which records all
    requests.
    """
    with _xnat_open() as server:
        yield server


@pytest.fixture
def xnat_archive(
    xnat_archive_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interface]:
    """Connect to an archive for one test as the administrator.

    The archive is empty, or filled by `xnat_seed`. The `pyxnat.Interface` has a cache of its own.

    Parameters
    ----------
    xnat_archive_server : Server
        The server.
    tmp_path_factory : pytest.TempPathFactory
        Gives the folder of the cache.
    """
    interface, _ = _library()
    server = xnat_archive_server
    with interface(
        server.url,
        server.user,
        server.password,
        tmp_path_factory.mktemp('xnat-cache'),
        offline=False,
    ) as xnat:
        yield xnat


@pytest.fixture
def xnat_environment(
    xnat_archive_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """Set the environment variables of programs that connect by themselves.

    The variables are ``XNAT_HOST``, ``XNAT_USER`` and ``XNAT_PASS`` for the archive of
    `xnat_archive_server`, and ``PYXNAT_CACHEDIR`` for a folder of the test. They apply to the
    test's process and those that it starts.

    Parameters
    ----------
    xnat_archive_server : Server
        The server.
    tmp_path_factory : pytest.TempPathFactory
        Gives the folder of the cache.
    monkeypatch : pytest.MonkeyPatch
        Restores the environment after the test.

    Returns
    -------
    dict
        The variables and their values.
    """
    server = xnat_archive_server
    values = {'XNAT_HOST': server.url, 'XNAT_USER': server.user, 'XNAT_PASS': server.password}
    values['PYXNAT_CACHEDIR'] = str(tmp_path_factory.mktemp('xnat-cache'))
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for name in ('XNAT_TOKEN', 'PYXNAT_OFFLINE'):
        monkeypatch.delenv(name, raising=False)
    return values


def _library() -> tuple[type[Interface], Callable[..., Server]]:
    """Import and return `Interface` and `serve`.

    Without the libraries of the server the test fails, with the command that installs them.
    """
    from ..interface import Interface

    try:
        from ..server import serve
    except ModuleNotFoundError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    return Interface, serve
