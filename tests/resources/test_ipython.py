"""Tests of IPython, as in a terminal and in a notebook: errors, collections, pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

interactive = pytest.importorskip('IPython.core.interactiveshell')


class Prompt:
    """A session of IPython."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.shell = interactive.InteractiveShell(colors='nocolor')

    def __call__(self, line: str, **names: Any) -> str:
        """Return the output of a line, without the marks of the prompt."""
        self.shell.user_ns.update(names)
        self._capsys.readouterr()
        self.shell.run_cell(line, store_history=True)
        shown = self._capsys.readouterr()
        return re.sub(r'Out\[\d+\]: ?\n?', '', shown.out + shown.err).strip()


@pytest.fixture
def prompt(capsys: pytest.CaptureFixture[str]) -> Iterator[Prompt]:
    before = interactive.InteractiveShell._instance
    yield Prompt(capsys)
    assert interactive.InteractiveShell._instance is before


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        try:
            {}['a detail']
        except KeyError as detail:
            raise error from detail

    return fail


def error_classes() -> list[type[errors.Error]]:
    return sorted(
        (
            value
            for value in vars(errors).values()
            if isinstance(value, type) and issubclass(value, errors.Error)
        ),
        key=lambda cls: cls.__name__,
    )


@pytest.mark.parametrize('cls', error_classes(), ids=lambda cls: cls.__name__)
@pytest.mark.sample(3)
def test_an_error_is_its_message_and_percent_tb_has_the_rest(
    cls: type[errors.Error], prompt: Prompt
) -> None:
    shown = prompt('fail()', fail=raising(cls('no \x1b[2J such thing')))
    assert shown.splitlines()[-1] == '(%tb shows the traceback)'
    assert len(shown.splitlines()) == 2 and cls.__name__ in shown and 'such thing' in shown
    assert '\x1b' not in shown
    more = prompt('%tb')
    assert 'Traceback' in more and 'a detail' in more and 'test_ipython.py' in more


def test_other_errors_keep_their_traceback(prompt: Prompt) -> None:
    assert '----> 1 fail()' in prompt('fail()', fail=raising(ValueError('mine')))


@pytest.mark.parametrize('kind', ['wrong password', 'stopped server', 'unknown path'])
def test_what_goes_wrong_first_is_told_in_a_line(
    kind: str, server: Any, prompt: Prompt, tmp_path: Any
) -> None:
    url = 'http://127.0.0.1:9' if kind == 'stopped server' else server.url
    password = 'bad' if kind == 'wrong password' else server.password
    with pyxnat.Interface(url, server.user, password, tmp_path, retries=0) as x:
        line = "x.select('/nope/S')" if kind == 'unknown path' else 'x.select.projects().get()'
        shown = prompt(line, x=x)
    assert len(shown.splitlines()) == 2 and 'pyxnat.errors.' in shown


def test_collections_show_their_first_elements(xnat: Any, P: str, prompt: Prompt) -> None:
    project = xnat.select.project(P)
    session = project.subject('S').experiment('E')
    for collection, words in (
        (project.subjects(), ['<Subjects', 'S', 'xnat:subjectData']),
        (project.experiments(), ['E', '2020-01-02', 'xnat:mrSessionData']),
        (session.scans(), ['T1', 'usable', 'MPRAGE', 'xnat:mrScanData']),
        (session.scan('1').resources(), ['NIFTI', '2']),
        (session.scan('1').resource('NIFTI').files(), ['T1.nii.gz', '2000']),
        (project.subjects()['S'].experiments('Q*'), ['(none)']),
    ):
        shown = prompt('c', c=collection)
        assert all(word in shown for word in words), shown
        bundle = collection._repr_mimebundle_()
        assert bundle['text/html'] == collection._repr_html_()


@pytest.mark.parametrize('count', [0, 1, 20, 21, 30])
def test_a_collection_shows_twenty_and_makes_few_requests(
    count: int, xnat: Any, project: Any, prompt: Prompt
) -> None:
    if count:
        project.subjects().insert([{'label': f'S{number}'} for number in range(count)])
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        shown = prompt('c', c=project.subjects())
    assert trace.requests == 1
    assert shown.count('xnat:subjectData') == min(count, 20)
    assert ('The first 20.' in shown) == (count > 20)


def test_elements_show_labels_types_and_quality_without_a_request(xnat: Any, P: str) -> None:
    project = xnat.select.project(P)
    found = [
        project.subjects()[0],
        project.subjects().experiments()[0],
        project.subject('S').experiment('E').scans()[0],
        project.subject('S').experiment('E').assessors()[0],
    ]
    with xnat.trace() as trace:
        shown = list(map(repr, found))
    assert trace.requests == 0
    for text, ending in zip(shown, ['`S`', '`E`', '1 (`T1`) usable', '`A`'], strict=True):
        assert text.endswith(ending), text


def test_plans_and_reports_read_like_print(
    xnat: Any, P: str, prompt: Prompt, tmp_path: Any
) -> None:
    subjects = xnat.select.project(P).subjects()
    plan = subjects.explain()
    assert isinstance(plan, str) and prompt('p', p=plan) == str(plan) and '\n' in plan
    report = subjects.download(tmp_path)
    assert prompt('r', r=report) == str(report)


def test_a_failed_file_is_named_by_its_labels(
    xnat: Any, server: Any, P: str, tmp_path: Any
) -> None:
    (lost,) = [
        path for path in server.archive.folder.rglob('T1.nii.gz') if f'/{P}/' in path.as_posix()
    ]
    lost.unlink()
    report = xnat.select.project(P).subjects().download(tmp_path)
    assert [failure.what for failure in report.failed] == [f'{P}/S/E/1/NIFTI/T1.nii.gz']


def test_a_notebook_shows_pictures(xnat: Any, prompt: Prompt) -> None:
    pytest.importorskip('networkx')
    figure = xnat.draw.architecture(with_count=False)
    shown, _ = prompt.shell.display_formatter.format(figure)
    assert shown['image/png'].startswith(b'\x89PNG')


def test_the_prompt_offers_a_dozen_names_and_help_begins_with_usage() -> None:
    offered = [name for name in dir(pyxnat) if not name.startswith('_')]
    assert 6 <= len(offered) <= 14, offered
    assert 'pyxnat.Interface(' in (pyxnat.__doc__ or '')[:600]
