"""Lock the files of a study, and fetch exactly those.

::

    python lock_study.py PROJECT study.xnatlock            # write the lock file
    python lock_study.py PROJECT study.xnatlock data       # verify it, and fetch its files

The lock file belongs beside the analysis in a version control system. The second call exits with 1
if the server has other files by now. Server and login as in brain_masks.py.
"""

import sys
from pathlib import Path

import pyxnat


def main(project, path, folder=None):
    """Write the lock file, or fetch what it locks."""
    with pyxnat.Interface() as xnat:
        if folder is None:
            lock = xnat.select.project(project).subjects().lock(path, files='NIFTI')
            print(f'{len(list(lock.files()))} files locked in {path}')
            return 0
        lock = pyxnat.Lock(path)
        difference = lock.verify(xnat)
        print(difference)
        report = lock.fetch(folder, xnat)
    print(report)
    return 0 if difference.is_clean and report.is_complete else 1


if __name__ == '__main__':
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    sys.exit(main(*sys.argv[1:]))
