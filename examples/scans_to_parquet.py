"""The scans of a project as a Parquet file, typed, with two requests.

::

    python scans_to_parquet.py PROJECT scans.parquet
    python scans_to_parquet.py PROJECT scans type            # a folder for each type of scan

A column is one of the scans or of a level above. Server and login as in brain_masks.py; needs
``pip install 'pyxnat[arrow]'``.
"""

import sys

import pyxnat

COLUMNS = ['subject/label', 'experiment/label', 'experiment/date', 'ID', 'type', 'frames']


def main(project: str, path: str, *partition_by: str) -> int:
    """Write the file or folder, and print the number of rows."""
    with pyxnat.Interface() as xnat:
        scans = xnat.select.project(project).experiments().scans()
        rows = scans.to_parquet(path, COLUMNS, partition_by=partition_by)
    print(f'{rows} scans in {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
