"""Tests that a large file is never whole in memory, in either direction."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip('resource', reason='peak memory is read where the system tells it')

SIZE_MIB = 500 if os.environ.get('PYXNAT_DEEP') else 64

SERVER = """
import sys
from pyxnat.server import serve
with serve(sys.argv[1]) as server:
    print(server.url, server.user, server.password, flush=True)
    sys.stdin.read()
"""

PEAK = """
import hashlib, os, re, resource, sys
import pyxnat
url, user, password, folder = sys.argv[1:]
def peak_mib():  # on Linux, getrusage begins with the peak of the process that started this one
    if sys.platform == 'linux':
        with open('/proc/self/status') as file:
            return int(re.search(r'VmHWM:\\s+(\\d+)', file.read())[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == 'darwin' else 2**10)
"""

CLIENT = """
def digest(path):
    with open(path, 'rb') as file:
        if hasattr(hashlib, 'file_digest'):
            return hashlib.file_digest(file, 'md5').hexdigest()
        return hashlib.md5(file.read()).hexdigest()
pyxnat.Interface  # loads the client
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


IMAGES = """
import os, pathlib, pydicom, sys
files = pathlib.Path(pydicom.__file__).parent / 'data' / 'test_files'
image = pydicom.dcmread(files / 'MR_small.dcm')
image.PixelData = os.urandom(int(sys.argv[2]) * 2**20)
image.save_as(sys.argv[1])
"""

IMPORTER = """
pyxnat.Interface  # loads the client
imported = peak_mib()
with pyxnat.Interface(url, user, password, folder + '/cache') as interface:
    project = interface.select.project('SCANNER').create()
    [session] = project.import_dicom(folder + '/images', dest='archive')
    [file] = session.element.scans().resources().files()
print(imported, peak_mib(), int(file.size()) > os.path.getsize(folder + '/images/big.dcm') - 1)
"""


def run(client, tmp_path):
    """Return the output of a client of an archive; each is a process of its own."""
    with subprocess.Popen(
        [sys.executable, '-c', SERVER, str(tmp_path / 'archive')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout and server.stdin
        address = server.stdout.readline().split()
        command = [sys.executable, '-c', PEAK + client, *address, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        server.stdin.close()
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_large_file_is_never_whole_in_memory(tmp_path):
    with (tmp_path / 'big.bin').open('wb') as file:
        for _ in range(SIZE_MIB):
            file.write(os.urandom(2**20))
    imported, up, down, placed, intact = run(CLIENT, tmp_path)
    assert intact == 'True'
    assert max(float(up), float(down), float(placed)) < float(imported) + 16, (
        imported,
        up,
        down,
        placed,
    )


def test_images_are_never_whole_in_memory(tmp_path):
    pytest.importorskip('pydicom')
    (tmp_path / 'images').mkdir()
    subprocess.run(
        [sys.executable, '-c', IMAGES, str(tmp_path / 'images' / 'big.dcm'), str(SIZE_MIB // 2)],
        check=True,
    )
    imported, peak, intact = run(IMPORTER, tmp_path)
    assert intact == 'True'
    assert float(peak) < float(imported) + 16, (imported, peak)
