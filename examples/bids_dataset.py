"""A project as a BIDS data set, and derivatives of it back to the archive.

::

    python bids_dataset.py PROJECT FOLDER                          # with the default rules
    python bids_dataset.py PROJECT FOLDER --mapping study.json --converter dcm2niix
    python bids_dataset.py PROJECT FOLDER --upload FOLDER/derivatives/fmriprep

Run it again to complete or renew the data set: only new files are fetched. Server and login as in
brain_masks.py.
"""

import argparse
import sys

import pyxnat


def main() -> int:
    """Download the data set, or upload derivatives; return 1 if something failed."""
    parser = argparse.ArgumentParser(description='A project as a BIDS data set.')
    parser.add_argument('project')
    parser.add_argument('folder')
    parser.add_argument('--mapping', help='JSON file with rules: which scan is which image')
    parser.add_argument('--converter', help='program for scans with DICOM files alone: dcm2niix')
    parser.add_argument('--upload', metavar='DERIVATIVES', help='send this folder, and no download')
    chosen = parser.parse_args()
    with pyxnat.Interface() as xnat:
        project = xnat.select.project(chosen.project)
        if not project.exists():
            parser.error(f'no project {chosen.project} on this server, or not for this login')
        if chosen.upload:
            report = project.upload(chosen.upload, layout='bids')
        else:
            report = project.download(
                chosen.folder,
                layout='bids',
                mapping=chosen.mapping,
                converter=chosen.converter,
            )
    print(report)
    return 0 if report.is_complete else 1


if __name__ == '__main__':
    sys.exit(main())
