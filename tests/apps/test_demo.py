"""Tests of the demo: its people, its images, and the whole run from the command line."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.demo.cohort import AGING, PROJECTS, Session, Subject, cohort
from pyxnat.demo.fill import fill
from pyxnat.demo.images import KINDS, contents
from tests.conftest import DEEP
from tests.support.waiting import GENEROUS_S, wait_until

np = pytest.importorskip('numpy')
nibabel = pytest.importorskip('nibabel')
pydicom = pytest.importorskip('pydicom')

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / 'examples'
ALL_IMAGES = f'/projects/{AGING.id}/subjects/*/experiments/*/scans/*/resources/*/files'


def first(kind: str) -> tuple[Subject, Session]:
    """Return the first session that has a kind of image."""
    return next(
        (s, e) for s in cohort() for e in s.sessions for scan in e.scans if kind in scan.kinds
    )


def over_80(people: list[Subject]) -> list[Subject]:
    """Return the people of the aging cohort with an MR session above the age of 80."""
    return [s for s in people if s.project == AGING.id and any(e.age > 80 for e in s.sessions)]


# -- people ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('seed', [0, 1, 2012])
def test_every_seed_has_the_properties_that_the_story_needs(seed: int) -> None:
    people = cohort(seed)
    assert Counter(s.project for s in people) == {'DEMO_AGING': 44, 'DEMO_PET': 4, 'DEMO_CT': 3}
    assert len(over_80(people)) == 12
    twice = [s for s in people if {79, 82} <= {e.age for e in s.sessions}]
    assert len(twice) == 1 and twice[0].project == AGING.id
    assert any(e.age > 80 for s in people if s.project != AGING.id for e in s.sessions)
    assert {s.gender for s in people} == {'female', 'male'}
    assert {s.handedness for s in people} == {'right', 'left', 'ambidextrous'}
    assert all(s.age == s.sessions[0].age for s in people)


def test_the_same_seed_gives_the_same_people() -> None:
    assert cohort() == cohort()
    assert cohort(1) != cohort(2)


def test_labels_and_titles_are_unique() -> None:
    people = cohort()
    labels = [s.label for s in people] + [e.label for s in people for e in s.sessions]
    assert len(labels) == len(set(labels))
    assert (
        len({project.name for project in PROJECTS})
        == len({project.id for project in PROJECTS})
        == 3
    )


def test_every_kind_of_image_is_used_and_one_session_is_analyze() -> None:
    kinds = Counter(
        kind for s in cohort() for e in s.sessions for scan in e.scans for kind in scan.kinds
    )
    assert kinds.keys() == KINDS.keys()
    assert kinds['analyze'] == 1 and kinds['mr_series'] == 3


# -- images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', KINDS)
def test_images_have_their_labels_and_the_same_bytes_each_time(kind: str) -> None:
    files = contents(kind, *first(kind))
    assert tuple(files) == KINDS[kind].labels
    assert files == contents(kind, *first(kind))
    made = KINDS[kind].content != 'SAMPLE'
    assert all(('made' in label) == made for label in files)


@pytest.mark.parametrize(
    ('kind', 'image_class'),
    [('pair', nibabel.Nifti1Pair), ('analyze', nibabel.AnalyzeImage), ('gz', nibabel.Nifti1Image)],
)
def test_a_head_image_is_complete_and_nibabel_reads_it(
    kind: str, image_class: type, tmp_path: Path
) -> None:
    for label, body in contents(kind, *first(kind)).items():
        (tmp_path / label).write_bytes(body)
    image = nibabel.load(tmp_path / KINDS[kind].labels[-1])
    assert isinstance(image, image_class)
    assert image.header['descrip'].item().decode() == f'{first(kind)[1].label}, made from example4d'
    assert image.shape == (128, 96, 24)
    assert 700 < np.asarray(image.dataobj).max() < 2000


def test_heads_differ_between_sessions() -> None:
    bodies = {
        contents('pair', s, e)['head_made.img'] for s in over_80(cohort()) for e in s.sessions
    }
    assert len(bodies) == 13


@pytest.mark.parametrize(
    ('kind', 'modality', 'shape', 'spacing'),
    [
        ('mr_series', 'MR', (96, 128), 2.2),
        ('pt_series', 'PT', (54, 47), 3),
        ('ct_series', 'CT', (128, 128), 5),
    ],
)
def test_a_dicom_series_is_consistent(
    kind: str, modality: str, shape: tuple[int, int], spacing: float
) -> None:
    subject, session = first(kind)
    slices = [
        pydicom.dcmread(io.BytesIO(body)) for body in contents(kind, subject, session).values()
    ]
    assert {(d.Modality, d.pixel_array.shape, d.PatientID, d.StudyDate) for d in slices} == {
        (modality, shape, subject.label, session.date.replace('-', ''))
    }
    assert all('made' in d.SeriesDescription for d in slices)
    assert all(d.file_meta.MediaStorageSOPInstanceUID == d.SOPInstanceUID for d in slices)
    assert (
        len({d.SOPInstanceUID for d in slices}) == len(slices)
        and len({d.SeriesInstanceUID for d in slices}) == 1
    )
    row, column = np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float)
    heights = [float(np.dot(np.cross(row, column), d.ImagePositionPatient)) for d in slices]
    assert np.allclose(np.diff(heights), spacing, atol=1e-3)


def test_the_dicom_series_of_a_head_has_the_voxels_of_its_analyze_pair() -> None:
    subject, session = first('mr_series')
    slices = contents('mr_series', subject, session).values()
    pixels = [pydicom.dcmread(io.BytesIO(body)).pixel_array for body in slices]
    voxels = np.frombuffer(contents('pair', subject, session)['head_made.img'], '<i2')
    assert np.array_equal(np.sort(np.ravel(pixels)), np.sort(voxels))


def test_the_pet_map_is_recovered_from_its_series() -> None:
    slices = [
        pydicom.dcmread(io.BytesIO(body))
        for body in contents('pt_series', *first('pt_series')).values()
    ]
    assert len(slices) == 43
    assert 0.001 < max(float((d.pixel_array * d.RescaleSlope).max()) for d in slices) < 0.002


# -- the example -----------------------------------------------------------------------------------


def test_otsu_separates_two_classes_and_a_mask_has_no_holes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import brain_masks

    ball = (
        np.hypot.reduce(np.indices((40, 40, 20)) - np.array([20, 20, 10]).reshape(3, 1, 1, 1)) < 9
    )
    head = np.where(ball, 100.0, 5.0)
    head[19:22, 19:22, 9:12] = 0
    head[36:38, 36:38, :] = 100
    assert 5 < brain_masks.otsu(head) < 100
    mask = brain_masks.mask_of(head)
    assert not (mask & ~ball).any() and mask[20, 20, 10]
    assert mask.sum() > 0.98 * ball.sum()


# -- end to end ------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo in a new folder; return the folder and what it printed."""
    pytest.importorskip('pyxnat.server')
    folder = tmp_path_factory.mktemp('demo')
    done = run('-m', 'pyxnat.demo', cwd=folder, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert (done.returncode, done.stderr) == (0, '')
    return folder, done.stdout


@pytest.fixture(scope='module')
def archive(first_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve a copy of the archive that the demo filled, without the masks that it uploaded."""
    server = pytest.importorskip('pyxnat.server')
    copy = tmp_path_factory.mktemp('copy') / 'archive'
    shutil.copytree(first_run[0] / 'demo-archive' / 'archive', copy)
    with server.serve(copy) as running:
        with connect(running) as interface:
            masks = f'/projects/{AGING.id}/subjects/*/experiments/*/scans/*/resources/BRAIN_MASK'
            for resource in interface.select(masks):
                resource.delete()
        yield running


def connect(server: Any, cachedir: Path | None = None) -> pyxnat.Interface:
    return pyxnat.Interface(server.url, server.user, server.password, cachedir and str(cachedir))


def environment(server: Any) -> dict[str, str]:
    """Return the environment of a script: the login, and this copy of pyxnat."""
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    alone = {
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
    }  # many processes share few processors
    return {
        **os.environ,
        **alone,
        'PYTHONPATH': path,
        'XNAT_HOST': server.url,
        'XNAT_USER': server.user,
        'XNAT_PASS': server.password,
    }


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=10 * GENEROUS_S,
        **options,
    )


def test_a_second_run_adds_nothing_and_restores_only_lost_items(
    archive: Any, tmp_path: Path
) -> None:
    with connect(archive, tmp_path) as interface:
        assert fill(interface, cohort()) == 0
        interface.select.project('DEMO_CT').subject('CT01').delete()
        scan = interface.select('/projects/DEMO_AGING/subjects/AG02/experiments/AG02_MR1/scans/1')
        scan.resource('NIFTI').file('head_made.img').delete()
        assert fill(interface, cohort()) == 1 + 1 + 2 + 13 + 1
        assert fill(interface, cohort()) == 0


def test_the_archive_holds_the_cohort(archive: Any, tmp_path: Path) -> None:
    with connect(archive, tmp_path) as interface:
        sessions = interface.select(f'/projects/{AGING.id}/subjects/*/experiments')
        over = sessions.where([('xnat:mrSessionData/AGE', '>', '80'), 'AND'])
        assert sorted(over.get('label')) == sorted(
            e.label for s in over_80(cohort()) for e in s.sessions
        )
        assert len(sessions.get()) == 49
        both = [[('xnat:mrSessionData/AGE', '=', 79)], [('xnat:mrSessionData/AGE', '=', 82)], 'AND']
        subjects = interface.select(f'/projects/{AGING.id}/subjects').where(both)
        assert subjects.get('label') == [
            s.label for s in cohort() if {79, 82} <= {e.age for e in s.sessions}
        ]
        subject, session = first('analyze')
        scan = (
            interface.select.project(subject.project)
            .subject(subject.label)
            .experiment(session.label)
            .scan('1')
        )
        got = scan.resource('ANALYZE').file('head_made.img').get(str(tmp_path / 'head.img'))
        assert Path(got).read_bytes() == contents('analyze', subject, session)['head_made.img']


@pytest.mark.parametrize(
    ('method', 'workers', 'over', 'images'),
    [('fork', 8, 0, 49) if DEEP else ('fork', 8, 80, 13), ('spawn', 3, 80, 13)],
)
def test_the_example_transfers_each_image_once_in_one_session(
    archive: Any,
    tmp_path: Path,
    method: str,
    workers: int,
    over: int,
    images: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f'no {method} on this system')
    sessions, opened = archive.archive.sessions, []
    monkeypatch.setattr(
        sessions, 'open', lambda caller, open_=sessions.open: opened.append(caller) or open_(caller)
    )
    before, left_open = len(archive.requests), sessions.count()
    start = (
        f'import multiprocessing, sys; multiprocessing.set_start_method({method!r}); import '
        'brain_masks; sys.exit(brain_masks.main())'
    )
    done = run(
        '-c',
        start,
        '--over',
        str(over),
        '--workers',
        str(workers),
        '--cachedir',
        tmp_path,
        env=environment(archive),
    )
    assert (done.returncode, done.stderr) == (0, '')
    asked = archive.requests[before:]
    assert all(status < 400 for _, _, status in asked)
    assert (len(opened), sessions.count()) == (1, left_open)
    check_requests(Counter((verb, path) for verb, path, _ in asked), images)


def check_requests(asked: Counter[tuple[str, str]], images: int) -> None:
    """Check that each image is two downloads and one upload, and no listing is sent twice.

    The uploads may add one listing.
    """
    files = {call: count for call, count in asked.items() if re.search(r'/files/[^/]+$', call[1])}
    listings = [path for verb, path in asked.keys() - files.keys() if verb == 'GET']
    assert Counter(verb for verb, _ in files) == {'GET': 2 * images, 'PUT': images}
    assert all('/resources/BRAIN_MASK/files/' in path for verb, path in files if verb == 'PUT')
    assert set(asked.values()) == {1}
    assert sum('/resources/BRAIN_MASK/files' in path for path in listings) <= 1


def test_a_worker_gets_no_password(archive: Any, tmp_path: Path) -> None:
    with connect(archive, tmp_path) as interface:
        image = interface.select(ALL_IMAGES).first()
        assert archive.password.encode() not in pickle.dumps(image)


def test_the_example_names_an_image_that_fails(archive: Any, tmp_path: Path) -> None:
    with connect(archive, tmp_path) as interface:
        project = interface.select.project('DEMO_BROKEN').create(name='Demo: broken')
        scan = (
            project.subject('B1')
            .create()
            .experiment('B1_MR1')
            .create(experiments='xnat:mrSessionData', **{'xnat:mrSessionData/age': 90})
        )
        for label in ('head.img', 'head.hdr'):
            scan.scan('1').create(scans='xnat:mrScanData').resource('NIFTI').file(label).put(
                b'no image'
            )
    done = run(
        EXAMPLES / 'brain_masks.py', 'DEMO_BROKEN', '--cachedir', tmp_path, env=environment(archive)
    )
    assert done.returncode == 1
    assert re.search(r'^FAILED B1_MR1 \S+/head\.img: ImageFileError', done.stderr)


def test_the_short_examples(archive: Any, tmp_path: Path) -> None:
    done = run(EXAMPLES / 'search_to_csv.py', env=environment(archive))
    assert (done.returncode, done.stderr) == (0, '')
    wanted = [
        s
        for s in cohort()
        if s.handedness == 'left' or (s.gender, s.group) == ('female', 'patient')
    ]
    labels = sorted(
        e.label
        for s in wanted
        for e in s.sessions
        if e.age > 60 and e.datatype == 'xnat:mrSessionData'
    )
    assert sorted(line.split(',')[2] for line in done.stdout.splitlines()[1:]) == labels
    (tmp_path / 'T1' / 'sub').mkdir(parents=True)
    (tmp_path / 'T1' / 'sub' / 'note.txt').write_text('a note')
    done = run(
        EXAMPLES / 'put_scan.py',
        tmp_path / 'T1',
        'DEMO_AGING',
        'NEW1',
        'NEW1_MR1',
        '1',
        env=environment(archive),
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('1 files put')
    with connect(archive, tmp_path) as interface:
        interface.select.project('DEMO_AGING').subject('NEW1').delete()


def test_the_example_on_a_cluster(archive: Any, tmp_path: Path) -> None:
    pytest.importorskip('distributed')
    done = run(EXAMPLES / 'map_on_dask.py', 'DEMO_AGING', env=environment(archive))
    assert done.returncode == 0 and 'FAILED' not in done.stderr
    wanted = [
        session.label
        for subject in cohort()
        if subject.project == 'DEMO_AGING'
        for session in subject.sessions
    ]
    assert sorted(line.split('\t')[0] for line in done.stdout.splitlines()) == sorted(wanted)


def test_the_demo_prints_the_same_story_twice_and_its_commands_work(
    first_run: tuple[Path, str],
) -> None:
    folder, once = first_run
    options = {'cwd': folder, 'env': {**os.environ, 'PYTHONPATH': str(ROOT)}}
    check_offline(once, options)
    again = run('-m', 'pyxnat.demo', **options)
    assert (again.returncode, again.stderr) == (0, '')
    assert 'Nothing to add' not in once and 'Nothing to add' in again.stdout
    assert '26 files' in once and ' 0 bytes of content' in once
    password = folder / 'demo-archive' / 'password'
    assert password.read_text().strip() not in once + again.stdout
    if os.name == 'posix':
        assert password.stat().st_mode & 0o777 == 0o600
        check_commands(again.stdout, options)


def check_offline(story: str, options: dict[str, Any]) -> None:
    """Check the second run without a network: the same output and no request."""
    alone = (
        ['unshare', '-rn']
        if shutil.which('unshare')
        and not subprocess.run(['unshare', '-rn', 'true'], check=False).returncode
        else []
    )
    environment = {**options['env'], 'PYXNAT_OFFLINE': '1'}
    words = [*alone, sys.executable, '-m', 'pyxnat.demo']
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=10 * GENEROUS_S,
        check=False,
        **{**options, 'env': environment},
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert re.findall(r'AG\d\d .*', done.stdout) == re.findall(r'AG\d\d .*', story), (
        'the search and the images are those of the first run'
    )
    assert 'Nothing to add' in done.stdout and '13 masks were not uploaded' in done.stdout
    assert set(re.findall(r'(\d+) requests?\b', done.stdout)) == {'0'}


def check_commands(story: str, options: dict[str, Any]) -> None:
    """Serve the archive and open it with the printed lines."""
    serve, opened = (
        re.search(rf'{words}:\n +(\S.*)', story)[1]
        for words in ('serve the archive again', 'open it in I?Python')
    )
    with subprocess.Popen(
        f'exec {serve}', shell=True, stdout=subprocess.DEVNULL, **options
    ) as serving:
        try:
            wait_for(re.search(r'http://[\w.]+:\d+', opened)[0], serving)
            typed = "print(len(x.select('/projects/DEMO_AGING/subjects').get()), 'subjects')\n"
            done = subprocess.run(
                opened,
                shell=True,
                input=typed,
                capture_output=True,
                text=True,
                timeout=GENEROUS_S,
                **options,
            )
        finally:
            serving.terminate()
    assert '44 subjects' in done.stdout, done.stderr


def wait_for(url: str, serving: subprocess.Popen[Any]) -> None:
    """Wait until a server answers there."""
    host, port = url.removeprefix('http://').split(':')

    def answers() -> bool:
        assert serving.poll() is None, 'the server ended'
        with socket.socket() as client:
            client.settimeout(GENEROUS_S)
            return client.connect_ex((host, int(port))) == 0

    wait_until(answers, f'a server at {url}')


def test_the_demo_says_that_its_archive_is_already_served(tmp_path: Path) -> None:
    server = pytest.importorskip('pyxnat.server')
    with server.serve(tmp_path / 'demo-archive' / 'archive'):
        done = run('-m', 'pyxnat.demo', cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert done.returncode == 1
    assert (
        done.stderr.startswith('pyxnat.demo: ')
        and 'another folder' in done.stderr
        and 'Traceback' not in done.stderr
    )
