"""Tests of selections and searches as Arrow and Parquet: types, requests, memory."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import pyxnat
from pyxnat.server import serve
from tests.conftest import DEEP
from tests.server.test_plugins import FS
from tests.support.archive import put_each
from tests.support.many_scans import serve_scans

pyarrow = pytest.importorskip('pyarrow')
parquet = pytest.importorskip('pyarrow.parquet')

AGE = 'xnat:mrSessionData/age'
FIELD = 'xnat:subjectData/fields/field[name=visits]/field'
REGION = 'fs:fsData/measures/region[name=Left]/NVoxels'
DAY = datetime.date(2020, 1, 2)


@pytest.fixture(scope='module')
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve an archive with a type that not every XNAT has."""
    folder = tmp_path_factory.mktemp('study')
    (folder / 'xsd').mkdir()
    (folder / 'xsd' / 'fs.xsd').write_text(FS)
    with (
        serve(folder / 'archive', schemas=[folder / 'xsd'], durable=False) as server,
        pyxnat.Interface(server.url, server.user, server.password, folder / 'cache') as xnat,
    ):
        put_each(
            xnat,
            '/projects/P',
            {
                '': None,
                f'/subjects/001?yob=1980&gender=female&{quote(FIELD)}=7': None,
                '/subjects/001/experiments/E?xsiType=xnat:mrSessionData&date=2020-01-02'
                f'&time=08:05:09&{AGE}=40.5': None,
                '/subjects/001/experiments/E/scans/1?xsiType=xnat:mrScanData&type=T1'
                '&frames=176': None,
                '/subjects/001/experiments/E/scans/2?xsiType=xnat:mrScanData&type=T2': None,
                '/subjects/001/experiments/E/assessors/A?xsiType=fs:fsData&date=2020-01-02'
                f'&{quote(REGION)}=12': None,
            },
        )
        xnat.cache.clear()
        yield xnat


def test_a_selection_has_the_types_of_its_fields(study: Any) -> None:
    names = ['subject/label', 'date', 'time', 'insert_date', AGE, 'subject/yob', 'ID']
    types = 'xnat:mrSessionData/scans/scan/type'
    sessions = study.select('/projects/P/experiments')
    with study.trace() as trace:
        reader = sessions.to_arrow([*names, types])
        assert len(trace) == 0, 'nothing is requested before the first batch'
        (row,) = reader.read_all().to_pylist()
        before = trace.requests
    with study.trace() as trace:
        table = sessions.table([*names, types])
    assert before <= 3 and table.to_arrow().to_pylist() == [row]
    assert (row['subject/label'], row['date'], row['time']) == ('001', DAY, datetime.time(8, 5, 9))
    assert isinstance(row['insert_date'], datetime.datetime)
    assert (row['subject/yob'], row[AGE], sorted(row[types])) == (1980, 40.5, ['T1', 'T2'])


@pytest.mark.parametrize(
    ('path', 'columns', 'wanted'),
    [
        ('/projects/P/experiments/*/scans', ['ID', 'frames'], [('1', 176), ('2', None)]),
        ('/projects/P/subjects', ['label', 'yob', FIELD], [('001', 1980, '7')]),
        ('/projects/P/subjects/*/experiments/*/assessors', ['label', 'date'], [('A', DAY)]),
    ],
)
def test_other_levels(study: Any, path: str, columns: list[str], wanted: list[Any]) -> None:
    rows = study.select(path).to_arrow(columns).read_all().to_pylist()
    assert {tuple(row.values()) for row in rows} >= set(wanted)


def test_types_of_the_server_are_looked_up_once(study: Any) -> None:
    columns = ['label', 'fs:fsData/fs_version', 'fs:fsData/measures/region/NVoxels']
    assessors = study.select('/projects/P/subjects/*/experiments/*/assessors')
    schema = assessors.to_arrow(columns).schema
    assert schema.field(columns[2]).type == pyarrow.list_(pyarrow.float64())
    with study.trace() as trace:
        assert assessors.to_arrow(columns).schema == schema
    assert len(trace) == 0
    assert assessors.table(columns).to_arrow().schema.field(columns[2]).type == pyarrow.string()


def test_a_search_has_the_types_of_its_response(study: Any, tmp_path: Path) -> None:
    columns = [f'xnat:mrSessionData/{name}' for name in ('LABEL', 'AGE', 'DATE', 'INSERT_DATE')]
    search = study.select('xnat:mrSessionData', columns)
    with study.trace() as trace:
        rows = search.to_arrow().read_all()
    assert len(trace) == 1
    assert [str(field.type) for field in rows.schema][:3] == ['string', 'double', 'date32[day]']
    assert pyarrow.types.is_timestamp(rows.schema.field(3).type)
    assert (rows['label'].to_pylist(), rows['date'].to_pylist()) == (['E'], [DAY])
    assert search.all().to_arrow() == rows
    older = [('xnat:mrSessionData/AGE', '>', 50)]
    assert search.to_arrow(older).read_all().num_rows == 0
    assert search.to_parquet(tmp_path / 'all.parquet') == 1
    assert parquet.read_table(tmp_path / 'all.parquet').schema.equals(rows.schema)


CLIENT = """
import re, sys
import pyxnat
import pyarrow.parquet
def peak_mib():
    with open('/proc/self/status') as file:
        return int(re.search(r'VmHWM:\\s+(\\d+)', file.read())[1]) / 2**10
with pyxnat.Interface(sys.argv[1], 'me', 'secret', sys.argv[2] + '/cache') as xnat:
    scans = xnat.select('/projects/P/experiments/*/scans')
    columns = ['experiment/label', 'experiment/date', 'ID', 'type', 'frames', 'quality']
    print(scans.to_parquet(sys.argv[2] + '/scans.parquet', columns), peak_mib())
"""
SCANS = 1_000_000 if DEEP else 1_000


@pytest.mark.skipif(sys.platform != 'linux', reason='peak memory is read where the system tells it')
def test_a_million_scans_take_two_requests_and_little_memory(tmp_path: Path) -> None:
    with serve_scans(SCANS) as server:
        done = subprocess.run(
            [sys.executable, '-c', CLIENT, server.url, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, '')
        assert server.requests == {'/data/projects/P/experiments': 2}
    rows, peak = map(float, done.stdout.split())
    assert rows == SCANS and peak <= 200
    table = parquet.read_table(tmp_path / 'scans.parquet')
    assert table.num_rows == SCANS and table['frames'].to_pylist()[:3] == [0, 1, 2]
    assert table['experiment/label'][-1].as_py() == f'S{SCANS // 20 - 1:06}_MR'
