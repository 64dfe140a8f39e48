"""Tests of the demo: its people, its images, and the whole run from the command line."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pyxnat
from pyxnat.demo import by_hand
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
FEW_THREADS = {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1'}
"""For many processes on few processors."""
ALL_IMAGES = f'/projects/{AGING.id}/subjects/*/experiments/*/scans/*/resources/*/files'


def first(kind: str) -> tuple[Subject, Session]:
    """Return the first session that has a kind of image."""
    return next(
        (s, e) for s in cohort() for e in s.sessions for scan in e.scans if kind in scan.kinds
    )


def over_80(people: list[Subject]) -> list[Subject]:
    """Return the people of the aging cohort with an MR session above the age of 80."""
    return [s for s in people if s.project == AGING.id and any(e.age > 80 for e in s.sessions)]


def labels_of_the_search() -> list[str]:
    """Return the labels of the sessions that the nested criteria of the story match."""
    people = [s for s in cohort() if s.project == AGING.id]
    chosen = [
        s for s in people if s.handedness == 'left' or (s.gender, s.group) == ('female', 'patient')
    ]
    return sorted(e.label for s in chosen for e in s.sessions if e.age > 60)


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
    assert 400 < np.asarray(image.dataobj).max() < 2000


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


def test_an_epi_series_has_its_volumes_and_differs_from_the_sample(tmp_path: Path) -> None:
    path = tmp_path / 'bold_made.nii'
    path.write_bytes(contents('epi', *first('epi'))['bold_made.nii'])
    image = nibabel.load(path)
    assert image.shape == (17, 21, 3, 20)
    sample = nibabel.load(Path(nibabel.__file__).parent / 'tests' / 'data' / 'functional.nii')
    assert np.allclose(image.affine, sample.affine)
    assert not np.array_equal(image.get_fdata(), sample.get_fdata())


def test_every_mr_session_has_a_t1_and_an_epi_scan() -> None:
    sessions = [e for s in cohort() for e in s.sessions if e.datatype == 'xnat:mrSessionData']
    assert len(sessions) == 53
    assert {tuple(scan.type for scan in e.scans) for e in sessions} == {('T1', 'EPI')}


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


class Told(NamedTuple):
    """Two runs of the demo in one folder, and a program that its commands open afterwards.

    Without `DEEP` the second run is left out, and `again` is the first.
    """

    folder: Path
    once: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    typed: str


@pytest.fixture(scope='module')
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run the demo, with `DEEP` twice; all tests below share its archive."""
    pytest.importorskip('pyxnat.server')
    pytest.importorskip('PIL')
    folder = tmp_path_factory.mktemp('told')
    options = {'cwd': folder, 'env': {**os.environ, **FEW_THREADS, 'PYTHONPATH': str(ROOT)}}
    once = run('-m', 'pyxnat.demo', **options)
    again = run('-m', 'pyxnat.demo', **options) if DEEP else once
    typed = (
        use_commands(again.stdout, options) if os.name == 'posix' and not again.returncode else ''
    )
    return Told(folder / 'demo-archive', once, again, typed)


@pytest.fixture(scope='module')
def archive(told: Told) -> Iterator[Any]:
    """Serve the archive that the demo filled."""
    from pyxnat.server import serve

    password = (told.folder / 'password').read_text(encoding='ascii').strip()
    with serve(told.folder / 'archive', password=password, durable=False) as running:
        yield running


def connect(server: Any, cachedir: Path | None = None) -> pyxnat.Interface:
    return pyxnat.Interface(server.url, server.user, server.password, cachedir and str(cachedir))


def environment(server: Any) -> dict[str, str]:
    """Return the environment of a script: the login, and this copy of pyxnat."""
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    return {
        **os.environ,
        **FEW_THREADS,
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


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ('method', 'workers', 'over', 'images'),
    [('fork', 8, 0, 49) if DEEP else ('fork', 4, 90, 4), ('spawn', 2, 93, 3)],
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
            scan.scan('1').create(type='T1').resource('NIFTI').file(label).put(b'no image')
    done = run(
        EXAMPLES / 'brain_masks.py', 'DEMO_BROKEN', '--cachedir', tmp_path, env=environment(archive)
    )
    assert done.returncode == 1
    assert re.search(r'^FAILED B1_MR1 \S+/head\.img: ImageFileError', done.stderr)


def test_the_short_examples(archive: Any, tmp_path: Path) -> None:
    done = run(EXAMPLES / 'search_to_csv.py', env=environment(archive))
    assert (done.returncode, done.stderr) == (0, '')
    labels = [line.split(',')[2] for line in done.stdout.splitlines()[1:]]
    assert [label for label in sorted(labels) if label[:2] == 'AG'] == labels_of_the_search()
    if find_spec('pyarrow'):
        target = tmp_path / 'scans.parquet'
        done = run(EXAMPLES / 'scans_to_parquet.py', 'DEMO_AGING', target, env=environment(archive))
        assert (done.returncode, done.stderr) == (0, '') and target.stat().st_size
        assert re.match(r'[1-9]\d* scans in ', done.stdout)
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
    done = run(EXAMPLES / 'bids_dataset.py', 'DEMO_PET', tmp_path, env=environment(archive))
    assert (done.returncode, done.stderr) == (0, '')
    assert 'no rule of the mapping fits' in done.stdout


@pytest.mark.skipif(not DEEP, reason='starts a cluster')
def test_the_example_on_a_cluster(archive: Any, tmp_path: Path) -> None:
    pytest.importorskip('distributed')
    done = run(EXAMPLES / 'map_on_dask.py', 'DEMO_PET', env=environment(archive))
    assert done.returncode == 0 and 'FAILED' not in done.stderr
    wanted = [
        session.label
        for subject in cohort()
        if subject.project == 'DEMO_PET'
        for session in subject.sessions
    ]
    assert sorted(line.split('\t')[0] for line in done.stdout.splitlines()) == sorted(wanted)


@pytest.mark.skipif(not DEEP, reason='starts jobs in processes')
def test_the_example_on_slurm(
    archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('submitit')
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second run reads the log
        done = run(EXAMPLES / 'map_on_slurm.py', 'DEMO_PET', 'local', env=environment(archive))
        assert (done.returncode, 'FAILED' in done.stderr) == (0, False)
        assert len(done.stdout.splitlines()) == sum(
            len(subject.sessions) for subject in cohort() if subject.project == 'DEMO_PET'
        )


def test_the_demo_tells_the_same_story_twice_and_shows_no_password(told: Told) -> None:
    once, again = told.once, told.again
    assert (once.returncode, once.stderr) == (again.returncode, again.stderr) == (0, '')
    assert 'Nothing to add' not in once.stdout
    assert ('Nothing to add' in again.stdout) == DEEP
    line = re.compile(r'^(?:  AG\d\d .*|AG\d\d_MR\d .*? l\b)', re.MULTILINE)
    sessions = [line.findall(run.stdout) for run in (once, again)]
    assert sorted(sessions[0]) == sorted(sessions[1]) and len(sessions[0]) == 12 + 13
    for name in ('password', 'reader-password'):
        password = told.folder / name
        assert password.read_text().strip() not in once.stdout + again.stdout
        if os.name == 'posix':
            assert password.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    'shown',
    [
        'selected 13 images with',
        'uploaded 13 masks with',
        '12 sessions: 1 request,',
        '4 sessions: 3 requests,',
        'AG20_MR1 and AG20_MR2 and without a copy',
        ' 0 bytes of content',
        'its 26 files, and the search with its 12 rows: 0 requests',
    ],
)
def test_each_chapter_has_its_result(told: Told, shown: str) -> None:
    assert shown in ' '.join(told.once.stdout.split())


def test_the_table_of_costs_has_fewer_requests_in_each_row(told: Told) -> None:
    _, _, table = told.once.stdout.partition('8. Requests and time saved')
    rows = re.findall(
        r'^  (\D.*?)  +(\d+) +[\d.]+ +(\d+) +(?:[\d.]+|-) +[\d.]+ +[\d.]+$', table, re.M
    )
    assert len(rows) == 3
    assert all(int(requests) * 5 < int(one_by_one) for _, requests, one_by_one in rows)


def test_the_picture_has_outlines_and_is_in_the_archive(
    told: Told, archive: Any, tmp_path: Path
) -> None:
    from PIL import Image

    with connect(archive, tmp_path) as interface:
        file = interface.select.project(AGING.id).resource('FIGURES').file('brain_masks.png')
        path = Path(file.get())
    assert path.read_bytes() == (told.folder / 'brain_masks.png').read_bytes()
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    orange = (pixels[..., 0] > 200) & (pixels[..., 2] < 120)
    assert 0.005 < orange.mean() < 0.1
    assert len(path.read_bytes()) < 200_000


def test_requests_one_by_one_find_the_same(archive: Any, tmp_path: Path) -> None:
    with connect(archive, tmp_path) as interface:
        images = by_hand.find_images(interface, AGING.id, 80)
        sessions = by_hand.search(interface, AGING.id)
    assert len(images) == 13
    assert sorted(sessions) == labels_of_the_search()


def test_the_reader_may_read_and_not_write(told: Told, archive: Any, tmp_path: Path) -> None:
    password = (told.folder / 'reader-password').read_text(encoding='ascii').strip()
    with pyxnat.Interface(archive.url, 'reader', password, str(tmp_path)) as reader:
        assert len(reader.select('/projects/DEMO_AGING/subjects').get()) >= 44
        with pytest.raises(pyxnat.errors.PermissionDenied):
            reader.select('/projects/DEMO_PET/subjects').get()
        with pytest.raises(pyxnat.errors.PermissionDenied):
            reader.select('/projects/DEMO_AGING/subjects/AG01').attrs.set('group', 'none')


def use_commands(story: str, options: dict[str, Any]) -> str:
    """Serve the archive and open it with the printed lines; return what the program prints."""
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
            return run_text(opened, typed, options)
        finally:
            serving.terminate()


def run_text(command: str, typed: str, options: dict[str, Any]) -> str:
    """Run a line of a shell with a text on its standard input; return what it prints."""
    done = subprocess.run(
        command,
        shell=True,
        input=typed,
        capture_output=True,
        text=True,
        timeout=GENEROUS_S,
        **options,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(os.name == 'nt', reason='the commands are for a POSIX shell')
def test_the_commands_at_the_end_open_the_archive(told: Told) -> None:
    assert '44 subjects' in told.typed


def wait_for(url: str, serving: subprocess.Popen[Any]) -> None:
    """Wait until a server answers there."""
    host, port = url.removeprefix('http://').split(':')

    def answers() -> bool:
        assert serving.poll() is None, 'the server ended'
        with socket.socket() as client:
            client.settimeout(GENEROUS_S)
            return client.connect_ex((host, int(port))) == 0

    wait_until(answers, f'a server at {url}')


def test_the_demo_says_that_its_archive_is_already_served(told: Told, archive: Any) -> None:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = run('-m', 'pyxnat.demo', cwd=told.folder.parent, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith('pyxnat.demo: ') and 'another folder' in done.stderr
    assert 'Traceback' not in done.stderr
