"""Fixtures for tests of programs that work on an XNAT: archives of `pyxnat.server`, on a socket of this machine.

pytest knows them wherever pyxnat is installed. It loads this module at every start, tests of XNAT or not; therefore the module stands beside the
package, and imports that only for a test that asks for an archive.

Of the files of settings it takes ``xnat_site``, ``xnat_users`` and ``xnat_schemas``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyxnat import Interface
    from pyxnat.server import Server

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
    """Tell pytest the names of the settings."""
    parser.addini('xnat_site', 'site ID of the test archives, with which their accession IDs begin', default='XNAT')
    parser.addini('xnat_users', 'users of the test archives besides the administrator, a line each: LOGIN:PASSWORD', type='linelist')
    parser.addini('xnat_schemas', 'XSD files of further data types, or folders of them', type='paths')


@pytest.fixture(scope='session')
def xnat_options(pytestconfig: pytest.Config) -> dict[str, Any]:
    """How the archives are served: keyword arguments of `pyxnat.server.serve`, from pytest's settings.

    Override it where the settings do not suffice; the fixture that is overridden can be asked for its value::

        @pytest.fixture(scope='session')
        def xnat_options(xnat_options):
            return {**xnat_options, 'require_login': False}
    """
    users = [line.partition(':') for line in pytestconfig.getini('xnat_users')]
    wrong = [login for login, _, password in users if not (login.strip() and password.strip())]
    if wrong:
        raise pytest.UsageError(f'xnat_users: {wrong[0]!r} stands without a password; a line is LOGIN:PASSWORD')
    return {
        'site': pytestconfig.getini('xnat_site'),
        'users': {login.strip(): password.strip() for login, _, password in users},
        'schemas': pytestconfig.getini('xnat_schemas'),
    }


@pytest.fixture(scope='session')
def xnat_seed() -> Callable[[Interface], object] | None:
    """What every archive holds from the start: a function that fills it, given the administrator's `pyxnat.Interface`; None for nothing.

    Override it. The function is called once in a run of pytest; all archives begin as copies of what it made.
    """
    return None


@pytest.fixture(scope='session')
def _xnat_open(
    tmp_path_factory: pytest.TempPathFactory, xnat_options: dict[str, Any], xnat_seed: Callable[[Interface], object] | None
) -> Iterator[_Open]:
    """Serves a new copy of the first archive, which is made here."""
    interface, serve = _library()
    first = tmp_path_factory.mktemp('xnat-first')

    def make() -> dict[str, Any]:
        with serve(first / 'archive', **xnat_options) as server:
            if xnat_seed is not None:
                with interface(server.url, server.user, server.password, first / 'cache', offline=False) as xnat:
                    xnat_seed(xnat)
        return {**xnat_options, 'password': server.password, 'users': {}}  # the users are in the copies, too

    @contextmanager
    def copy() -> Iterator[Server]:
        folder = tmp_path_factory.mktemp('xnat')
        shutil.copytree(first / 'archive', folder / 'archive')
        with serve(folder / 'archive', **options) as server:
            yield server
        shutil.rmtree(folder, ignore_errors=True)  # there may be many; what cannot go now is pytest's, which clears its folders

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('no_proxy', ','.join(filter(None, (os.environ.get('no_proxy') or os.environ.get('NO_PROXY'), '127.0.0.1'))))
        options = make()
        yield copy


@pytest.fixture(scope='session')
def xnat_server(_xnat_open: _Open) -> Iterator[Server]:
    """A running archive that all tests of the run share: a `pyxnat.server.Server` with ``url``, ``user`` and ``password``.

    For tests that only read, or that keep to projects of their own: what one of them stores, the others see.
    """
    with _xnat_open() as server:
        yield server


@pytest.fixture
def xnat_archive_server(_xnat_open: _Open) -> Iterator[Server]:
    """The server of `xnat_archive`: its ``url``, ``user`` and ``password``, ``requests`` for what was asked of it, ``add_user``."""
    with _xnat_open() as server:
        yield server


@pytest.fixture
def xnat_archive(xnat_archive_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    """The administrator's `pyxnat.Interface` to an archive of the test's own: empty, or as `xnat_seed` fills it. Its cache is its own, too."""
    interface, _ = _library()
    server = xnat_archive_server
    with interface(server.url, server.user, server.password, tmp_path_factory.mktemp('xnat-cache'), offline=False) as xnat:
        yield xnat


@pytest.fixture
def xnat_environment(xnat_archive_server: Server, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Has programs that connect by themselves find the archive of the test: sets, and gives, the variables of the environment that they read.

    ``XNAT_HOST``, ``XNAT_USER`` and ``XNAT_PASS`` for the test's process and those it starts, and ``PYXNAT_CACHEDIR``, a folder of the test.
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
    """`Interface` and `serve`, imported when a test needs them; without the libraries of the server the test fails and says what to install."""
    from pyxnat import Interface

    try:
        from pyxnat.server import serve
    except ModuleNotFoundError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    return Interface, serve
