"""Tests of the services that an Interface loads on first access."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.services.deferred import service
from pyxnat.services.manage import Manager
from tests.conftest import ROOT

LAZY = sorted(name for name in vars(pyxnat.Interface) if name in pyxnat.Interface.__annotations__)
OF_MANAGER = sorted(name for name in vars(Manager) if name in Manager.__annotations__)

CONNECT = """
import json, sys
import pyxnat
interface = pyxnat.Interface('http://127.0.0.1:1', 'ann', 'secret')
interface.select.project('P').subject('S')
print(json.dumps(sorted(sys.modules)))
"""


def test_services_that_few_programs_use_are_not_loaded_by_connecting() -> None:
    done = subprocess.run(
        [sys.executable, '-c', CONNECT], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = json.loads(done.stdout)
    assert 'pyxnat.services.bulk.download' in loaded
    for name in ('bulk.bids.names', 'dicom', 'inspector', 'lock', 'manage.users', 'sheets'):
        assert f'pyxnat.services.{name}' not in loaded
    rare = {'sqlite3', 'pydicom', 'pyarrow', 'numpy', 'click', 'pyparsing', 'pyxnat.server'}
    assert rare & {*loaded} == set()


@pytest.mark.parametrize('name', LAZY)
def test_a_service_stays_the_same_until_another_connection(name: str, tmp_path: Path) -> None:
    interface = pyxnat.Interface('http://127.0.0.1:1', 'ann', 'secret', tmp_path)
    first = getattr(interface, name)
    assert getattr(interface, name) is first
    assert name in dir(interface)
    interface.save_config(tmp_path / 'login.json')
    interface.load_config(tmp_path / 'login.json')
    assert getattr(interface, name) is not first


@pytest.mark.parametrize('name', OF_MANAGER)
def test_a_part_of_the_manager_stays_the_same(name: str, tmp_path: Path) -> None:
    manage = pyxnat.Interface('http://127.0.0.1:1', 'ann', 'secret', tmp_path).manage
    assert getattr(manage, name) is getattr(manage, name)
    assert name in dir(manage)


def test_threads_get_one_service() -> None:
    together = threading.Barrier(8)

    class Client:
        manager = service('services.manage.Manager')

    client: Any = Client()

    def take(_number: int) -> Any:
        together.wait()
        return client.manager

    with ThreadPoolExecutor(8) as pool:
        assert len({id(one) for one in pool.map(take, range(8))}) == 1
