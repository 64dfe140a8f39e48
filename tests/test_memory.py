"""A big file goes up and down without ever being whole in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip('resource', reason='peak memory is read where the system tells it')

SIZE_MIB = 500 if os.environ.get('PYXNAT_DEEP') else 100

SERVER = """
import sys
from pyxnat.server import serve
with serve(sys.argv[1]) as server:
    print(server.url, server.user, server.password, flush=True)
    sys.stdin.read()
"""

CLIENT = """
import hashlib, os, resource, sys
import pyxnat
url, user, password, folder = sys.argv[1:]
def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)
def digest(path):
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'md5').hexdigest() if hasattr(hashlib, 'file_digest') else hashlib.md5(file.read()).hexdigest()
imported = peak_mib()
with pyxnat.Interface(url, user, password, folder + '/cache') as interface:
    file = interface.select.project('BIG').create().resource('R').file('big.bin')
    file.put(folder + '/big.bin')
    up = peak_mib()
    path = file.get()
    down = peak_mib()
    placed = file.get(folder + '/copy.bin')
print(imported, up, down, peak_mib(), digest(path) == digest(placed) == digest(folder + '/big.bin'))
"""


def test_a_big_file_is_never_whole_in_memory(tmp_path):
    with (tmp_path / 'big.bin').open('wb') as file:
        for _ in range(SIZE_MIB):
            file.write(os.urandom(2**20))
    with subprocess.Popen(
        [sys.executable, '-c', SERVER, str(tmp_path / 'archive')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout and server.stdin
        address = server.stdout.readline().split()
        done = subprocess.run([sys.executable, '-c', CLIENT, *address, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False)
        server.stdin.close()
    assert done.returncode == 0, done.stderr
    imported, up, down, placed, intact = done.stdout.split()
    assert intact == 'True'
    assert max(float(up), float(down), float(placed)) < float(imported) + 16, done.stdout
