"""A search with nested criteria, as CSV on standard output.

::

    python search_to_csv.py > sessions.csv

Searches for the MR sessions of people over 60 who are left-handed, or women among the patients, in
all projects that the login can read. It is one request for any number of sessions. Server and login
as in brain_masks.py.
"""

import csv
import sys

import pyxnat

COLUMNS = [
    'xnat:mrSessionData/PROJECT',
    'xnat:mrSessionData/SUBJECT_LABEL',
    'xnat:mrSessionData/LABEL',
    'xnat:mrSessionData/AGE',
    'xnat:subjectData/GENDER',
    'xnat:subjectData/HANDEDNESS',
    'xnat:subjectData/SUB_GROUP',
]
CRITERIA = [
    ('xnat:mrSessionData/AGE', '>', '60'),
    [
        ('xnat:subjectData/HANDEDNESS', '=', 'left'),
        [
            ('xnat:subjectData/GENDER', '=', 'female'),
            ('xnat:subjectData/SUB_GROUP', '=', 'patient'),
            'AND',
        ],
        'OR',
    ],
    'AND',
]


def main() -> int:
    """Search, and write the table as it came."""
    with pyxnat.Interface() as xnat:
        table = xnat.select('xnat:mrSessionData', COLUMNS).where(CRITERIA)
        writer = csv.DictWriter(sys.stdout, table.headers(), lineterminator='\n')
        writer.writeheader()
        writer.writerows(table)
    return 0


if __name__ == '__main__':
    sys.exit(main())
