"""Requests for single items use the indices of the database, whatever the size of the archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

import pyxnat

MR = 'xnat:mrSessionData'
SLOW = 'SCAN item', 'SEARCH item USING INDEX item_id (level=?)'
"""Steps of a plan that read all items, or all of a level."""


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Collect the statements of an archive of this process, with their parameters."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, text: str, values: Any, *_: Any) -> None:
        if text.startswith(('SELECT', 'WITH')) and 'FROM item' in text:
            found[text] = values

    event.listen(Engine, 'before_cursor_execute', note)
    try:
        yield found
    finally:
        event.remove(Engine, 'before_cursor_execute', note)


def plan_of(folder: Path, text: str, values: Any) -> list[str]:
    with closing(sqlite3.connect(folder / 'archive.sqlite')) as connection:
        rows = connection.execute(f'EXPLAIN QUERY PLAN {text}', values)
        return [row[3] for row in rows]


def test_a_label_is_found_by_an_index(tmp_path: Path) -> None:
    with pyxnat.open(tmp_path / 'archive', create=True) as xnat:
        project = xnat.select.project('P')
        other = xnat.select.project('Q')
        other.create()
        with statements() as found:
            session = project.subject('S').experiment('E')
            session.create(experiments=MR)
            session.scan('1').create(type='T1')
            session.attrs.set('label', 'F')
            project.subject('S').share('Q', label='T')
            assert other.subject('T').exists()
            project.experiment('F').scan('1').resource('R').file('a.txt').put(b'a')
            folder = xnat.connection.transport.folder
            assert folder is not None
            new = [('s', '', 'subject', 'S9', 'NEW', subject(), {})]
            with folder.comparing():
                folder.note_missing('subject', 'P', 'S9', 'NEW')
                folder.create_items('P', new)
            with folder.comparing():
                folder.document('subject', 'P', 'S9')
                key = 'subjects/S9'
                folder.free_label('subject', 'P', 'NEW')
                folder.set_shares('subject', 'S9', {'Q': 'N'})
                assert folder.unit_marks('P', 'S9') and folder.files_below('P', 'S9') == []
                folder.delete_item(key, folder.item_marks([key])[key])
        slow = [
            text
            for text, values in found.items()
            if 'project' not in values  # of all projects, which are few
            and not set(SLOW).isdisjoint(plan_of(tmp_path / 'archive', text, values))
        ]
        assert len(found) > 20
        assert slow == []


def subject() -> bytes:
    return b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"/>'
