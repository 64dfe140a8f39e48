"""Send a folder of DICOM files to an archive, in batches, and go on after a break.

::

    python import_folder.py FOLDER PROJECT

Run it again after a break: the journal beside the folder says what the server has. Prints a line
for each session, and exits with 1 if one is not complete. Server and login as in brain_masks.py.
"""

import sys
from pathlib import Path

import pyxnat


def main(folder, project):
    """Send the files, then tell what became of each study."""
    state = Path(folder).absolute().with_name(f'{Path(folder).name}.import')
    with pyxnat.Interface() as xnat:
        report = xnat.select.project(project).import_dicom(
            folder, dest='archive', jobs=4, state=state, ignore_unparsable=True
        )
    print(report)
    for study in report:
        print(f'{study.status}\t{study.uri}\t{study.why}')
    for skipped in report.skipped:
        print(f'SKIPPED {skipped.path}: {skipped.why_not}', file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
