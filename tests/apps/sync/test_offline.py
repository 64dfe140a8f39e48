"""Random criteria and paths: a mirror without a network answers as its server."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyxnat
from tests.conftest import DEEP

from .offline_answers import answer
from .test_pull import ROOT, pulled

COUNT = 200 if DEEP else 5
XML = {'content-type': 'text/xml'}
SPACES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
DATES = ('2020-01-31', '2021-05-06')
WORDS = ('a', 'B c', '10', '9')
FIELDS: dict[str, tuple[Any, ...]] = {
    'xnat:subjectData/GENDER': ('male', 'female'),
    'xnat:subjectData/SUB_GROUP': WORDS,
    'xnat:subjectData/SUBJECT_LABEL': ('S0', 'S1', 'S%'),
    'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/education': (9, 10, 12),
    'xnat:mrSessionData/AGE': (20, 40, 60),
    'xnat:mrSessionData/operator': WORDS,
    'xnat:mrSessionData/date': DATES,
    'xnat:petSessionData/operator': WORDS,
}
TEXTS = ('=', '!=', 'LIKE')
NUMBERS = ('=', '<', '>=')


def fill(xnat: pyxnat.Interface, project: str, dice: random.Random, other: str) -> None:
    """Create subjects with sessions, scans and files; some are shared into another project."""
    xnat.put(f'/data/projects/{other}').raise_for_status()
    for number in range(6 if DEEP else 4):
        uri = f'/data/projects/{project}/subjects/S{number}'
        gender = dice.choice(['male', 'female'])
        document = (
            f'<xnat:Subject {SPACES} group="{dice.choice(WORDS)}"><xnat:demographics '
            f'xsi:type="xnat:demographicData"><xnat:gender>{gender}</xnat:gender>'
            f'<xnat:education>{dice.choice((9, 10, 12))}</xnat:education></xnat:demographics>'
            '</xnat:Subject>'
        )
        xnat.connection.request(uri, 'PUT', document.encode(), XML)
        for session in range(dice.randrange(3)):
            kind = dice.choice(['MR', 'PET'])
            scans = ''.join(
                f'<xnat:scan ID="{scan}" type="T{scan}" xsi:type="xnat:{kind.lower()}ScanData"/>'
                for scan in range(1, dice.randrange(1, 4))
            )
            document = (
                f'<xnat:{kind}Session {SPACES}><xnat:date>{dice.choice(DATES)}</xnat:date>'
                f'<xnat:age>{dice.choice((20, 40, 60))}</xnat:age>'
                f'<xnat:operator>{dice.choice(WORDS)}</xnat:operator><xnat:scans>{scans}'
                f'</xnat:scans></xnat:{kind}Session>'
            )
            place = f'{uri}/experiments/S{number}_{session}'
            xnat.connection.request(place, 'PUT', document.encode(), XML)
            for label in dice.sample(['DICOM', 'NIFTI'], dice.randrange(3)):
                file = f'{place}/resources/{label}/files/{dice.randrange(3)}.txt?inbody=true'
                xnat.connection.request(file, 'PUT', f'{label}{number}'.encode())
            if dice.random() < 0.6:
                xnat.put(f'{place}/projects/{other}?label=S{session}_{number}').raise_for_status()
        if number % 2:
            xnat.put(f'{uri}/projects/{other}?label=S{number - 1}').raise_for_status()


def criterion(dice: random.Random) -> tuple[str, str, str]:
    field = dice.choice(list(FIELDS))
    value = dice.choice(FIELDS[field])
    is_text = isinstance(value, str) and not field.endswith('date')
    operator = dice.choice(TEXTS if is_text else NUMBERS)
    return field, operator, f'%{value}%' if operator == 'LIKE' else str(value)


def question(dice: random.Random, project: str) -> tuple[str, Any]:
    """Return random criteria, or a random path."""
    if dice.random() < 0.5:
        criteria = [criterion(dice) for _ in range(dice.randrange(1, 4))]
        method = [dice.choice(['AND', 'OR'])] if len(criteria) > 1 else []
        place = dice.choice(['subjects', 'subjects/*/experiments'])
        return 'criteria', (f'/projects/{project}/{place}', [*criteria, *method])
    subject = dice.choice(['*', 'S1', 'S?', 'S[0-2]', 'NOPE'])
    session = dice.choice(['*', 'S1_*', '*_0', 'S1_0'])
    below = ('', f'/experiments/{session}', f'/experiments/{session}/scans/*')
    files = ('', '', '/resources/*', '/resources/*/files', '//files')
    return 'path', f'/projects/{project}/subjects/{subject}{dice.choice(below)}{dice.choice(files)}'


def test_random_questions_have_the_answers_of_the_server(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    dice, name = random.Random(17), project.id()
    other = f'{name}_2'
    fill(xnat, name, dice, other)
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        for project in (name, other):
            pulled(mirror, f'/projects/{project}')
    asked = [question(dice, dice.choice([name, other])) for _ in range(2 * COUNT)]
    questions = json.loads(json.dumps(asked))
    (tmp_path / 'questions').write_text(json.dumps(questions))
    unshare = ['unshare', '-rn'] if _has_namespaces() else []
    program = [sys.executable, '-m', 'tests.apps.sync.offline_answers']
    done = subprocess.run(
        [*unshare, *program, str(tmp_path / 'study'), str(tmp_path / 'questions')],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
    )
    assert not done.returncode, done.stderr.decode()
    found = json.loads(done.stdout)
    wrong = [
        (asked, offline, online)
        for asked, offline in zip(questions, found, strict=True)
        if offline != (online := answer(xnat, asked))
    ]
    assert not wrong
    assert sum(1 for one in found if one and isinstance(one, list)) > COUNT / 2


def _has_namespaces() -> bool:
    """Whether this user can make a network namespace without an interface."""
    tool = shutil.which('unshare')
    return (
        bool(tool)
        and not subprocess.run(['unshare', '-rn', 'true'], capture_output=True).returncode
    )
