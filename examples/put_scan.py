"""Put the files of a folder into an archive, as one scan of an MR session.

::

    python put_scan.py FOLDER PROJECT SUBJECT SESSION SCAN

A missing subject, session or scan is created, a missing project is not. An existing file stops the
run: nothing is overwritten. Server and login as in brain_masks.py.
"""

import argparse
import sys
from pathlib import Path

import pyxnat


def main() -> int:
    """Check the project, create the scan, upload the files."""
    parser = argparse.ArgumentParser(
        description='Put the files of a folder into an archive, as one scan of an MR session.'
    )
    parser.add_argument('folder', type=Path)
    for name in ('project', 'subject', 'session', 'scan'):
        parser.add_argument(name)
    chosen = parser.parse_args()
    with pyxnat.Interface() as xnat, xnat.trace() as asked:
        project = xnat.select.project(chosen.project)
        if not project.exists():
            parser.error(f'no project {chosen.project} on this server, or not for this login')
        scan = project.subject(chosen.subject).experiment(chosen.session).scan(chosen.scan)
        if not scan.exists():
            scan.create(
                experiments='xnat:mrSessionData', scans='xnat:mrScanData', type=chosen.folder.name
            )
        files = sorted(path for path in chosen.folder.rglob('*') if path.is_file())
        for path in files:
            scan.resource('FILES').file(path.relative_to(chosen.folder).as_posix()).put(str(path))
    print(f'{len(files)} files put with {asked.requests} requests, {asked.bytes_sent:,} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
