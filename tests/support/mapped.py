"""Functions that workers of other processes call with elements."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pyxnat


def name_of(element: Any) -> str:
    """Return the last name of a path, without a request."""
    return str(element.path_name)


def year_of(subject: Any) -> int:
    """Return a field."""
    return int(subject.attrs.get('yob'))


def process_and_session(subject: Any) -> tuple[int, str]:
    """Return the process, and the cookie of its session, after a request."""
    year_of(subject)
    time.sleep(0.05)  # so that others have work, too
    return os.getpid(), subject.connection.transport.session.cookies()['JSESSIONID']


def dies_once(subject: Any) -> str:
    """Return the label; kill the process the first time that it is called for two subjects."""
    mark = Path(os.environ['MARKS'], subject.label())
    if subject.label() in ('S3', 'S6') and not mark.exists():
        mark.touch()
        os._exit(9)
    return str(subject.label())


def connect_by_hand() -> pyxnat.Interface:
    """Connect with a login that only this function knows."""
    return pyxnat.Interface(
        os.environ['BY_HAND_SERVER'], os.environ['BY_HAND_USER'], os.environ['BY_HAND_PASS']
    )
