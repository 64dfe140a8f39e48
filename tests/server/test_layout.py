"""Tests of archive folders of an earlier version: opening moves them, and their files are
served."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

import pyxnat
from pyxnat.server import serve
from pyxnat.server.archive import Archive
from pyxnat.server.db.migrations import STEPS
from pyxnat.server.db.store import item, resource, setting, task
from pyxnat.server.storage.file_area import FileArea, safe_name

HOLDERS = ('assessors/A', 'assessors/B', 'reconstructions/R')
SIDES = ('in/', 'out/', '')


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of the archive by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def filled(folder: Path) -> dict[str, bytes]:
    """Serve an archive with files on all sides; return their bodies by URI."""
    bodies = {}
    with (
        serve(folder) as running,
        pyxnat.Interface(
            running.url, running.user, running.password, folder.parent / 'cache'
        ) as xnat,
    ):
        session = xnat.select('/project/P/subject/S/experiment/E').create(
            experiments='xnat:mrSessionData'
        )
        session.scan('1').create(type='T1').resource('SCAN').file('s.txt').put(b'scan')
        for name in 'AB':
            session.assessor(name).create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
            )
        session.reconstruction('R').create()
        for (number, side), holder in itertools.product(enumerate(SIDES), HOLDERS):
            uri = (
                f'/data/projects/P/subjects/S/experiments/E/{holder}/{side}resources/L{number}/'
                'files/d/f.txt'
            )
            bodies[uri] = uri.encode()
            assert (
                xnat.put(
                    f'{uri}?inbody=true',
                    data=uri.encode(),
                    headers={'Content-Type': 'application/octet-stream'},
                ).status_code
                == 200
            )
    return bodies


@pytest.fixture
def older(tmp_path: Path) -> Iterator[tuple[Path, dict[str, bytes]]]:
    """Return an archive with folders of the earlier version.

    The label of one assessor is the ID of the other.
    """
    folder = tmp_path / 'archive'
    bodies = filled(folder)
    engine = create_engine(f'sqlite:///{folder / "archive.sqlite"}')
    area = FileArea(folder)
    with engine.begin() as connection:
        one = connection.execute(select(item).where(item.c.label == 'A')).one()
        other = connection.execute(select(item).where(item.c.label == 'B')).one()
        connection.execute(item.update().where(item.c.pk == one.pk).values(label=other.id))
        for holder in connection.execute(
            select(item).where(item.c.level.in_(('assessor', 'reconstruction')))
        ).all():
            for row in connection.execute(
                select(resource).where(resource.c.item == holder.pk)
            ).all():
                place = area.resource_folder(connection, row, holder)
                home = area.item_folder(connection, holder).with_name(
                    safe_name(holder.label or holder.id)
                )
                old = home / (row.side.upper() or 'RESOURCES') / row.label
                old.parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, old)
                area._prune(place.parent)
        connection.execute(setting.delete().where(setting.c.name == 'layout'))
    engine.dispose()
    yield (
        folder,
        {
            uri.replace('/assessors/A/', f'/assessors/{one.id}/'): body
            for uri, body in bodies.items()
        },
    )


def schedule(folder: Path) -> None:
    """Carry out the step of the migration that schedules the moves."""
    with closing(sqlite3.connect(folder / 'archive.sqlite')) as connection, connection:
        connection.row_factory = sqlite3.Row
        STEPS[1].run(connection)


def check(folder: Path, bodies: dict[str, bytes]) -> None:
    with (
        serve(folder) as running,
        pyxnat.Interface(
            running.url, running.user, running.password, folder.parent / 'cache'
        ) as xnat,
    ):
        assert {uri: xnat.get(uri).content for uri in bodies} == bodies
    assert not (folder / 'archive/.moving').exists() and not (folder / 'recovered').exists()
    laid = [path for path in files(folder / 'archive') if '/SCANS/' not in path]
    assert len(laid) == len(bodies)
    homes = {path.rpartition('/L')[0].split('/E/')[1] for path in laid}
    assert homes == {
        f'ASSESSORS/{name}/{side}'
        for name in ('XNAT_E00002', 'XNAT_E00003')
        for side in ('in', 'out')
    } | {'PROCESSED/R'}


def test_folders_of_an_earlier_version_are_moved(older: Any) -> None:
    folder, bodies = older
    before = files(folder / 'archive')
    assert any('/OUT/' in path for path in before) and any('/IN/' in path for path in before)
    schedule(folder)
    check(folder, bodies)
    after = files(folder / 'archive')
    assert sorted(after.values()) == sorted(before.values())
    check(folder, bodies)
    assert files(folder / 'archive') == after


@pytest.mark.parametrize('done', [0, 1, 4, 9, 13])
def test_an_interrupted_move_is_continued(
    older: Any, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, bodies = older
    schedule(folder)
    perform, count = FileArea.perform, itertools.count()

    def broken(area: FileArea, source: str, target: str | None) -> None:
        if next(count) == done:
            raise KeyboardInterrupt
        perform(area, source, target)

    with monkeypatch.context() as patched:
        patched.setattr(FileArea, 'perform', broken)
        with pytest.raises(KeyboardInterrupt):
            Archive(folder)
    check(folder, bodies)


def test_a_label_on_both_sides_keeps_both(older: Any) -> None:
    folder, bodies = older
    engine = create_engine(f'sqlite:///{folder / "archive.sqlite"}')
    with engine.begin() as connection:
        holder = connection.execute(select(item).where(item.c.level == 'reconstruction')).one()
        twin = connection.execute(
            select(resource).where(resource.c.item == holder.pk, resource.c.side == 'in')
        ).one()
        connection.execute(resource.update().where(resource.c.pk == twin.pk).values(label='L1'))
    engine.dispose()
    home = folder / 'archive/P/arc001/E/PROCESSED/R/IN'
    (home / 'L0').rename(home / 'L1')
    bodies = {
        uri.replace('R/in/resources/L0', 'R/in/resources/L1'): body for uri, body in bodies.items()
    }
    schedule(folder)
    check(folder, bodies)


def test_a_new_archive_has_nothing_to_move(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with archive.store.read() as connection:
        assert connection.execute(select(task)).all() == []
    archive.close()
