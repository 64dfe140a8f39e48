"""Make a small archive with the server of an earlier commit, as test data.

``python -m tests.server.archives.make COMMIT…`` in a checkout: each commit is checked out into a
temporary folder, its server is started with this Python, a few items, files, users and searches
are stored, and the archive is packed into ``v<VERSION>-<COMMIT>.tar.xz`` beside this module. The
member ``expected.json`` has the answers of that server, which later versions must still give.
Owners of files and the names of folders of this computer are left out.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.dicoms import members, zipped

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
USERS = {'admin': 'p', 'ann': 'secret'}
START = """
import sys, time
from pyxnat.server import serve
with serve(sys.argv[1], user='admin', password='p', users={'ann': 'secret'}) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""
E = '/data/projects/P/subjects/S/experiments/E'
SEARCH = (
    '<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="mine" brief-description="mine">'
    '<xdat:root_element_name>xnat:subjectData</xdat:root_element_name><xdat:search_field>'
    '<xdat:element_name>xnat:subjectData</xdat:element_name><xdat:field_ID>SUBJECT_LABEL'
    '</xdat:field_ID><xdat:sequence>0</xdat:sequence><xdat:type>string</xdat:type><xdat:header>'
    'Subject</xdat:header></xdat:search_field></xdat:bundle>'
)
WRITES: tuple[tuple[str, str, bytes], ...] = (
    ('PUT', '/data/projects/P?description=a%20study', b''),
    ('PUT', '/data/projects/Q', b''),
    ('PUT', '/data/projects/P/users/Members/ann', b''),
    ('PUT', '/data/projects/P/subjects/S?gender=female', b''),
    ('PUT', '/data/projects/P/subjects/GONE', b''),
    ('PUT', f'{E}?xsiType=xnat:mrSessionData&date=2020-01-31', b''),
    ('PUT', f'{E}/scans/1?xsiType=xnat:mrScanData&type=T1', b''),
    (
        'PUT',
        f'{E}/assessors/A?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1',
        b'',
    ),
    ('PUT', f'{E}/reconstructions/R?type=bias', b''),
    ('PUT', f'{E}/scans/1/resources/NII/files/a%20b.txt?inbody=true', b'scan'),
    ('PUT', f'{E}/resources/DATA/files/sub/one.txt?inbody=true', b'session'),
    ('PUT', f'{E}/assessors/A/out/resources/OUT/files/o.txt?inbody=true', b'out'),
    ('PUT', f'{E}/assessors/A/in/resources/OUT/files/i.txt?inbody=true', b'in'),
    ('PUT', f'{E}/reconstructions/R/out/resources/SAME/files/o.txt?inbody=true', b'r out'),
    ('PUT', f'{E}/reconstructions/R/in/resources/SAME/files/i.txt?inbody=true', b'r in'),
    ('PUT', '/data/projects/P/subjects/S/projects/Q?label=OTHER', b''),
    ('DELETE', '/data/projects/P/subjects/GONE', b''),
    ('PUT', '/data/search/saved/mine', SEARCH.encode()),
    (
        'POST',
        '/data/services/import?inbody=true&dest=/prearchive/projects/P/20200131_120000/W',
        zipped(dict(list(members().items())[:1])),
    ),
    ('PUT', '/data/projects/P/config/tool/path?inbody=true', b'contents'),
)
READS = (
    '/data/prearchive/projects/P?format=json&columns=project,name,status',
    '/data/projects?format=json&columns=ID,description',
    '/data/projects/P/subjects?format=json&columns=ID,label,gender',
    '/data/projects/Q/subjects?format=json&columns=ID,label',
    '/data/projects/P/experiments?format=json&columns=ID,label,date',
    f'{E}/scans?format=json&columns=ID,type',
    f'{E}/assessors?format=json&columns=ID,label',
    f'{E}/reconstructions?format=json&columns=ID,type',
    *(path.partition('?')[0] for _, path, _ in WRITES if '/files/' in path),
)
"""What the old server answers, compared after each migration."""


def request(port: int, method: str, path: str, body: bytes = b'', user: str = 'admin') -> Any:
    """Send one request; return status and body.

    Parameters
    ----------
    port : int
        Port of the server on this computer.
    method, path : str
        The request.
    body : bytes
        Its body.
    user : str
        One of `USERS`.
    """
    word = base64.b64encode(f'{user}:{USERS[user]}'.encode()).decode()
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
    connection.request(method, path, body, {'Authorization': f'Basic {word}'})
    response = connection.getresponse()
    found = response.read()
    connection.close()
    return response.status, found


def seen(port: int, path: str) -> Any:
    """Return rows without URIs, or the MD5 of a file.

    Parameters
    ----------
    port : int
        Port of the server.
    path : str
        One of `READS`.
    """
    status, body = request(port, 'GET', path)
    if status != 200 or 'format=json' not in path:
        return [status, hashlib.md5(body).hexdigest()] if status == 200 else [status]
    names = path.rpartition('columns=')[2].split(',')
    rows = json.loads(body)['ResultSet']['Result']
    return sorted([row.get(name, '') for name in names] for row in rows)


def make(name: str) -> None:
    """Make the archive of one commit."""
    found = subprocess.run(
        ['git', '-C', str(ROOT), 'rev-parse', '--short=7', name],
        check=True,
        capture_output=True,
        text=True,
    )
    commit = found.stdout.strip()
    with tempfile.TemporaryDirectory() as above:
        source, folder = Path(above) / 'source', Path(above) / 'archive'
        source.mkdir()
        packed = subprocess.run(
            ['git', '-C', str(ROOT), 'archive', commit, 'pyxnat'], check=True, capture_output=True
        )
        subprocess.run(['tar', '-x', '-C', str(source)], input=packed.stdout, check=True)
        process = subprocess.Popen(
            [sys.executable, '-c', START, str(folder)],
            cwd=source,
            env={**os.environ, 'PYTHONPATH': str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for method, path, body in WRITES:
            status, text = request(port, method, path, body)
            if status >= 400:
                sys.stderr.write(f'{commit}: {method} {path}: {status} {text[:100]!r}\n')
        answers = {path: seen(port, path) for path in READS}
        process.communicate('')
        expected = folder / 'expected.json'
        expected.write_text(json.dumps(answers, indent=1))
        with closing(sqlite3.connect(folder / 'archive.sqlite')) as connection:
            version = connection.execute('PRAGMA user_version').fetchone()[0]
        pack(folder, HERE / f'v{version}-{commit}.tar.xz')


def pack(folder: Path, target: Path) -> None:
    """Pack an archive without the names of this computer's users.

    Parameters
    ----------
    folder : Path
        Folder of the archive.
    target : Path
        The tar file.
    """
    with tarfile.open(target, 'w:xz', format=tarfile.PAX_FORMAT, preset=9) as tar:
        for path in sorted(folder.rglob('*')):
            if path.is_file() and path.name not in ('serving.lock', 'searches.sqlite'):
                entry = tar.gettarinfo(path, path.relative_to(folder).as_posix())
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ''
                with path.open('rb') as content:
                    tar.addfile(entry, content)


if __name__ == '__main__':
    for name in sys.argv[1:]:
        make(name)
