"""Tests of progress bars: when one appears, what it counts, and how it is switched off."""

from __future__ import annotations

import io
import random
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest

from pyxnat.http import progress
from tests.support import dicoms

pytest.importorskip('tqdm')

SIZE = 3_000_000


class Terminal(io.StringIO):
    """Standard error of a person, or of a program if `watched` is false."""

    def __init__(self, watched: bool = True) -> None:
        super().__init__()
        self._watched = watched

    def isatty(self) -> bool:
        return self._watched


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show bars at once, even for short transfers."""
    monkeypatch.setattr(progress, 'DELAY_S', 0.0)


@pytest.fixture
def resource(project: Any) -> Any:
    resource = project.subject('S').experiment('E').scan('1').resource('R')
    resource.file('big.bin').put(bytes(SIZE))
    return resource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / 'source').mkdir()
    (tmp_path / 'source/a.bin').write_bytes(random.Random(1).randbytes(SIZE))
    return tmp_path / 'source'


TRANSFERS: dict[str, Callable[[Any, Path, Path], Any]] = {
    'file.get': lambda resource, source, dest: resource.file('big.bin').get(dest / 'x'),
    'file.get to the cache': lambda resource, source, dest: resource.file('big.bin').get(),
    'resource.get': lambda resource, source, dest: resource.get(dest),
    'file.put': lambda resource, source, dest: resource.file('a.bin').put(source / 'a.bin'),
    'file.put of bytes': lambda resource, source, dest: resource.file('a.bin').put(bytes(SIZE)),
    'file.put of a pipe': lambda resource, source, dest: resource.file('a.bin').put(
        iter([bytes(SIZE // 2)] * 2)
    ),
    'resource.put': lambda resource, source, dest: resource.put([source / 'a.bin'], extract=False),
    'resource.put_dir': lambda resource, source, dest: resource.put_dir(source),
    'prefetch': lambda resource, source, dest: resource.host.prefetch(resource),
    'download': lambda resource, source, dest: resource.download(dest),
    'upload': lambda resource, source, dest: resource.upload(source),
    'copy': lambda resource, source, dest: resource.file('copy.bin').put(
        resource.file('big.bin').get(dest / 'x')
    ),
}


@pytest.mark.parametrize('name', TRANSFERS)
def test_every_transfer_shows_one_bar_to_a_person(
    name: str, resource: Any, folder: Path, tmp_path: Path
) -> None:
    with redirect_stderr(Terminal()) as terminal:
        TRANSFERS[name](resource, folder, tmp_path)
    shown = terminal.getvalue()
    assert re.search(r'B/s', shown), shown
    lines = [line for line in shown.split('\n') if line and not line.startswith('\rresources')]
    assert len(lines) == (2 if name == 'copy' else 1), lines
    if name not in ('resource.get', 'resource.put_dir', 'resource.put'):
        assert '100%' in shown


def test_an_import_shows_a_bar(project: Any, tmp_path: Path) -> None:
    for number, content in enumerate(dicoms.members().values()):
        (tmp_path / f'{number}.dcm').write_bytes(content)
    (tmp_path / 'more.bin').write_bytes(random.Random(1).randbytes(SIZE))
    with redirect_stderr(Terminal()) as terminal:
        project.import_dicom(tmp_path, wait=False, ignore_unparsable=True)
    assert re.search(r'B/s', terminal.getvalue())


@pytest.mark.parametrize('how', ['pipe', 'switch', 'quick', 'without tqdm', 'progress=False'])
def test_no_bar_where_nobody_wants_it(
    how: str,
    resource: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == 'switch':
        monkeypatch.setenv(progress.SWITCH, '0')
    elif how == 'quick':
        monkeypatch.setattr(progress, 'DELAY_S', 60.0)
    elif how == 'without tqdm':
        monkeypatch.setitem(sys.modules, 'tqdm.auto', None)
    with redirect_stderr(Terminal(watched=how != 'pipe')) as terminal:
        if how == 'progress=False':
            resource.download(tmp_path, progress=False)
        else:
            resource.file('big.bin').get(tmp_path / 'x')
            resource.file('new.bin').put(bytes(SIZE))
    assert terminal.getvalue() == ''


def test_a_notebook_is_a_place_for_bars() -> None:
    stream = type('OutStream', (io.StringIO,), {'__module__': 'ipykernel.iostream'})()
    with redirect_stderr(stream), progress.progress_bar(10) as bar:
        bar.update(10)
    assert '100%' in stream.getvalue()


@pytest.mark.parametrize(
    ('total', 'counts'), [(10, [10]), (10, [4, 6]), (10, [8, -8, 10]), (None, [3, 3]), (0, [0])]
)
@pytest.mark.parametrize('show', [None, True])
def test_a_bar_counts_and_gives_back_what_is_repeated(
    total: int | None, counts: list[int], show: bool | None
) -> None:
    with (
        redirect_stderr(Terminal()) as terminal,
        progress.progress_bar(total, 'file', show) as bar,
    ):
        for count in counts:
            bar.update(count)
    assert bar.count == sum(counts)
    shown = terminal.getvalue()
    assert bool(shown) == (total != 0) and ('100%' in shown) == (total == 10)


@pytest.mark.parametrize('takes_parts', [True, False])
def test_the_outermost_bar_is_the_one_that_is_shown(takes_parts: bool) -> None:
    with redirect_stderr(Terminal()) as terminal:
        with progress.progress_bar(10, takes_parts=takes_parts) as outer:
            with progress.progress_bar(5, name='inner') as inner:
                inner.update(5)
            assert outer.count == (5 if takes_parts else 0)
        with progress.progress_bar(5, name='next') as bar:
            bar.update(5)
    assert 'inner' not in terminal.getvalue() and 'next' in terminal.getvalue()


@pytest.mark.parametrize('kind', [bytes, io.BytesIO, lambda content: iter([content])])
def test_a_watched_body_is_sent_unchanged(kind: Any, resource: Any, tmp_path: Path) -> None:
    content = random.Random(2).randbytes(SIZE // 3)
    with redirect_stderr(Terminal()):
        resource.file('x.bin').put(kind(content))
        found = resource.file('x.bin').get(tmp_path / 'x')
    assert Path(found).read_bytes() == content
