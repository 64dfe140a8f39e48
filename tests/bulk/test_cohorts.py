"""Downloads of cohorts: sessions without such scans, fields of layouts, both sides of resources."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.query.layouts import LAYOUT, Layout
from pyxnat.services.bulk.wanted import RemoteFile, distinct_places
from tests.support.archive import new_project

TYPES = {'A': ['T1', 'T2'], 'B': ['T2'], 'C': ['T1', 'T1'], 'D': []}


@pytest.fixture(scope='module')
def filled(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_project(server, tmp_path_factory.mktemp('cache'), 'COHORTS', fill)


@pytest.fixture
def cohort(xnat: pyxnat.Interface, filled: str) -> Any:
    """Return a project that no test changes."""
    return xnat.select.project(filled)


def fill(project: Any) -> None:
    """Create sessions with different types of scans, some of them without files or scans."""
    for number, (label, types) in enumerate(TYPES.items(), 1):
        session = project.subject(f'S{label}').create(gender='female').experiment(label)
        session.create(
            experiments='xnat:mrSessionData', date=f'2020-01-0{number}', note=f'n{label}'
        )
        for at, kind in enumerate(types, 1):
            scan = session.scan(str(at)).create(type=kind, quality='usable')
            for name in ('x.dcm', 'y.dcm'):
                scan.resource('DICOM').file(name).put(f'{label}{at}{name}'.encode())
    project.subject('SD').experiment('D').resource('OWN').file('own.txt').put(b'own')
    project.subject('SC').experiment('C').scan('9').create(type='T9')


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file()
        and not path.name.endswith(('MD5SUMS', '.lock'))
        and '.xnat' not in path.parts
    }


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    'which, labels',
    [('T1', 'AC'), ('T2', 'AB'), ('T1,T2', 'ABC'), ('2', 'AC'), ('ALL', 'ABC'), ('T9', '')],
)
@pytest.mark.parametrize('extract', [True, False])
@pytest.mark.parametrize('path', ['/subjects/*/experiments/*/scans', '/experiments/*/scans'])
def test_a_cohort_passes_over_sessions_without_such_scans(
    xnat: pyxnat.Interface,
    cohort: Any,
    tmp_path: Path,
    which: str,
    labels: str,
    extract: bool,
    path: str,
) -> None:
    scans = xnat.select(f'/projects/{cohort.id()}{path}')
    if not labels:
        with pytest.raises(errors.NotFoundError):
            scans.download(tmp_path, type=which, extract=extract)
        return
    results = scans.download(tmp_path / 'd', type=which, extract=extract)
    assert len(results) == len(labels)
    if extract:
        assert {
            Path(one).relative_to(tmp_path / 'd').parts[0] for one in chain.from_iterable(results)
        } == {*labels}


def test_a_single_session_without_such_scans_is_an_error(cohort: Any, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFoundError):
        cohort.subject('SB').experiment('B').scans().download(tmp_path, type='T1')


@pytest.mark.parametrize(
    'which, places',
    [
        ('T1', {'A/1', 'C/1', 'C/2'}),
        ('T2', {'A/2', 'B/1'}),
        ('1', {'A/1', 'B/1', 'C/1'}),
        ('T2,2', {'A/2', 'B/1', 'C/2'}),
        ('ALL', {'A/1', 'A/2', 'B/1', 'C/1', 'C/2'}),
    ],
)
def test_types_and_layouts_work_together(
    xnat: pyxnat.Interface, cohort: Any, tmp_path: Path, which: str, places: set[str]
) -> None:
    scans = xnat.select(f'/projects/{cohort.id()}/experiments/*/scans')
    scans.download(tmp_path / 'd', type=which, layout='{experiment}/{scan}/{path}').check()
    expected = {f'{place}/{name}' for place in places for name in ('x.dcm', 'y.dcm')}
    assert files_in(tmp_path / 'd') == expected
    for place in expected:
        label, scan, name = place.split('/')
        assert (tmp_path / 'd' / place).read_text() == f'{label}{scan}{name}'


def test_where_types_and_layouts_work_together(
    xnat: pyxnat.Interface, cohort: Any, tmp_path: Path
) -> None:
    scans = xnat.select(f'/projects/{cohort.id()}/subjects/*/experiments/*/scans')
    late = scans.where([('xnat:mrSessionData/date', '>', '2020-01-01')], level='experiment')
    late.download(tmp_path / 'd', type='T1', layout='{experiment}-{type}/{scan}_{path}').check()
    assert files_in(tmp_path / 'd') == {
        f'C-T1/{scan}_{name}' for scan in '12' for name in ('x.dcm', 'y.dcm')
    }
    with pytest.raises(errors.NotFoundError, match='T7'):
        late.download(tmp_path / 'e', type='T7', layout='{path}')


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    'layout, places',
    [
        ('{scan}-{type}/{name}', {'1-T1/x.dcm', '2-T2/x.dcm', 'own.txt'}),
        ('{date}/{scan}/{path}', {'2020-01-01/1/x.dcm', '2020-01-01/2/x.dcm'}),
        ('{experiment}_{scan}_{n}.dcm', {'A_1_1.dcm', 'A_1_2.dcm', 'A_2_1.dcm'}),
        ('{experiment}_{scan}_{n:03}.dcm', {'A_1_001.dcm', 'A_1_002.dcm'}),
        ('{scan/quality}/{experiment}/{scan}/{path}', {'usable/A/1/x.dcm'}),
        ('{xnat:mrSessionData/note}/{scan}/{path}', {'nA/1/x.dcm', 'nA/2/y.dcm'}),
        ('{xnat:mrScanData/quality}/{scan}/{path}', {'usable/1/x.dcm'}),
        ('{subject/gender}/{experiment}/{scan}/{path}', {'female/A/1/x.dcm'}),
        ('{xnat:subjectData/demographics/gender}-{scan}-{name}', {'female-1-x.dcm'}),
    ],
)
@pytest.mark.parametrize('by', ['experiment', 'project'])
def test_layouts_know_columns_and_numbers(
    cohort: Any, tmp_path: Path, layout: str, places: set[str], by: str
) -> None:
    text = layout if by == 'experiment' or 'experiment' in layout else '{experiment}/' + layout
    selection = cohort.subject('SA').experiment('A') if by == 'experiment' else cohort
    if by == 'experiment':
        places = places - {'own.txt'}
    elif text != layout:
        places = {f'{"D" if place == "own.txt" else "A"}/{place}' for place in places}
    selection.download(tmp_path / 'd', layout=text).check()
    assert places <= files_in(tmp_path / 'd')


@pytest.mark.parametrize('field', ['nobody', 'n:x', 'nobody/x', 'xnat:', 'type!r', 'path:3'])
def test_an_unknown_field_is_an_error_before_any_request(
    xnat: pyxnat.Interface, cohort: Any, tmp_path: Path, field: str
) -> None:
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError):
        cohort.download(tmp_path / 'd', layout=f'{{{field}}}/{{path}}')
    assert trace.requests == 0 and not (tmp_path / 'd').exists()


def test_fields_with_slashes_are_read_back() -> None:
    layout = Layout('{xnat:mrSessionData/note}/{scan}-{type}/{path}')
    values = {'xnat:mrSessionData/note': 'n', 'scan': '1', 'type': 'T1', 'path': 'a/b'}
    assert layout.place(values) == 'n/1-T1/a/b'
    assert layout.values('n/1-T1/a/b') == values


@pytest.mark.parametrize('text', [LAYOUT, '{scan}/{resource}/{path}', '{scan}-{resource}-{name}'])
@pytest.mark.parametrize('holder', ['assessors/A', 'reconstructions/A'])
def test_both_sides_of_one_label_have_places(text: str, holder: str) -> None:
    layout, files = Layout(text), []
    for side, label in (('in', 'DATA'), ('out', 'DATA'), ('out', 'ALONE')):
        values = {'experiment': 'E', 'assessor': 'A', 'side': side, 'resource': label}
        resource = f'/data/experiments/E/{holder}/{side}/resources/{label}'
        files.append(
            RemoteFile(
                f'{resource}/files/f',
                layout.place({**values, 'path': 'f'}),
                1,
                '',
                resource,
                label=label,
                path='f',
                above={'assessor': 'A', 'side': side},
                sided=layout.with_side().place({**values, 'path': 'f'}),
            )
        )
    places = [file.place for file in distinct_places(files)]
    assert len(set(places)) == 3 and places[2] == files[2].place
    assert 'in/' in places[0] and 'out/' in places[1] and 'out/' not in places[2]
