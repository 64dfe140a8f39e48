"""Tests of names and labels: those that XNAT keeps, those that it would change, and missing
files."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from pyxnat import errors


@pytest.fixture
def resource(scan):
    return scan.resource('NIFTI')


NAMES = [
    'a.txt',
    'd/e f.txt',
    'é.txt',
    'a b',
    'a+b',
    'é+b',
    'a&b',
    '(a)',
    "it's",
    'a,b',
    'a#b',
    'a?b',
    '[a]',
    'a=b',
    'a:b',
    'd/é x',
    'd/é.txt',
    'a"b',
    '日本',
]


@pytest.mark.sample(2)
@pytest.mark.parametrize('content', [b'', b'content'])
@pytest.mark.parametrize('name', NAMES)
def test_a_file_keeps_its_name_whatever_way_it_takes(resource, name, content):
    file = resource.file(name).put(content)
    assert (
        resource.files().get() == [name]
        and file.exists()
        and not resource.file(name + 'x').exists()
    )
    assert (
        Path(file.get()).read_bytes()
        == content
        == Path(resource.files().first().get()).read_bytes()
    )
    with pytest.raises(errors.DuplicateError):
        file.put(b'other')
    assert Path(file.put(b'other', overwrite=True).get()).read_bytes() == b'other'


@pytest.mark.parametrize('name', ['100%.txt', 'a;b', 'a\\b', 'a\nb', 'd/%41'])
def test_a_name_that_xnat_would_not_return_is_refused_before_a_request(
    xnat, resource, name, tmp_path
):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / name.rpartition('/')[2]).write_bytes(b'x')
    with xnat.trace() as trace:
        for send in (
            lambda: resource.file(name).put(b'x'),
            lambda: resource.put_dir(tmp_path / 'in'),
        ):
            with pytest.raises(errors.DataError, match='cannot be the name'):
                send()
    assert trace.requests == 0


def test_an_encoded_name_is_found_and_shown_decoded(xnat, resource, tmp_path):
    """Store it as other clients do: XNAT does not decode their quoted names."""
    resource.file('c d').put(b'plain')
    for name in ('a%28b%29.txt', 'x%26y', 'a(b).txt'):
        xnat.put(
            f'{resource._uri}/files/{quote(name)}?inbody=true',
            data=name.encode(),
            headers={'Content-Type': 'application/octet-stream'},
        )
    assert sorted(resource.files().get()) == ['a%28b%29.txt', 'a(b).txt', 'c d', 'x%26y']
    for file in resource.files():
        assert Path(file.get()).read_bytes() == (
            b'plain' if file.id() == 'c d' else file.id().encode()
        )
    paths = resource.get(tmp_path / 'zip', extract=True)
    assert sorted(os.path.basename(path) for path in paths) == [
        'a%2528b%2529.txt',
        'a(b).txt',
        'c d',
        'x&y',
    ]
    assert sorted(resource.download(tmp_path / 'bulk', layout='{path}').ok) == [
        'a%2528b%2529.txt',
        'a(b).txt',
        'c d',
        'x&y',
    ]


@pytest.mark.parametrize('label', ['my res', "it's", 'a&b', 'ü', '(1)', 'a,b', 'L' * 120])
def test_labels_that_xnat_would_change_are_not_created(scan, label):
    for make in (
        lambda: scan.resource(label).create(),
        lambda: scan.resource(label).file('f').put(b'x'),
    ):
        with pytest.raises(errors.DataError, match='label'):
            make()
    assert scan.resources().get() == []


@pytest.mark.parametrize(
    ('sent', 'label'),
    [('my%20res', 'my res'), ("it's", "it's"), ('a%26b', 'a&b'), ('%C3%BC', 'ü'), ('(1)', '(1)')],
)
def test_existing_labels_are_found_by_their_decoded_form(xnat, scan, sent, label, tmp_path):
    xnat.put(f'{scan._uri}/resources/{sent}')
    resource = scan.resource(label)
    assert resource.exists() and scan.resources().first().label() == label
    assert resource.file('f.txt').put(b'x').exists() and resource.files().get() == ['f.txt']
    assert scan.resources(label).files().get() == ['f.txt']
    assert [os.path.basename(path) for path in resource.get(tmp_path, extract=True)] == ['f.txt']
    assert scan.download(tmp_path / 'all').is_complete
    assert [path.parent.name for path in (tmp_path / 'all').rglob('f.txt')] == [label]


@pytest.mark.parametrize(
    'below',
    [
        'experiment/NOPE',
        'experiment/{E}/scan/NOPE',
        'experiment/{E}/assessor/NOPE',
        'experiment/{E}/reconstruction/NOPE',
    ],
)
def test_an_element_that_does_not_exist_has_no_files(xnat, scan, below, tmp_path):
    """XNAT returns those of the subject."""
    session = scan.parent()
    subject = session.parent()
    subject.resource('SUB').file('s.txt').put(b'subject')
    missing = xnat.select(f'{subject._uri}/{below.format(E=session._urn)}')
    assert (
        not missing.exists()
        and not missing.resource('SUB').exists()
        and not missing.resource('SUB').file('s.txt').exists()
    )
    for get in (
        lambda: missing.resource('SUB').file('s.txt').get(),
        lambda: missing.resource('SUB').get(tmp_path),
        lambda: missing.resources().get(),
        lambda: missing.resource('SUB').files().get(),
        lambda: missing.download(tmp_path / 'd'),
        lambda: xnat.select(f'{missing._uri}//files').get(),
    ):
        with pytest.raises(errors.NotFoundError):
            get()
    assert list(tmp_path.rglob('s.txt')) == [] and subject.resource('SUB').file('s.txt').exists()


def test_a_resource_without_a_side_is_below_out_and_listed_once(xnat, scan, tmp_path):
    session = scan.parent()
    for holder in (session.assessor('A').create(), session.reconstruction('R').create()):
        for resource in (
            holder.resource('PLAIN'),
            holder.out_resource('OUT'),
            holder.in_resource('IN'),
        ):
            resource.file('f.txt').put(b'x')
        assert (
            sorted(one.label() for one in holder.out_resources())
            == ['OUT', 'PLAIN']
            == sorted(one.label() for one in holder.resources())
        )
        report = holder.download(tmp_path / holder._urn)
        assert report.is_complete and len(report.ok) == 3
    assert len(xnat.select(f'{session._uri}//files').get()) == 6
    assert sorted(one.label() for one in xnat.select(f'{session._uri}//resources')) == [
        'OUT',
        'OUT',
        'PLAIN',
        'PLAIN',
    ]


def test_a_file_missing_on_the_disk_is_an_error_that_names_it(server, resource, tmp_path):
    for name in ('a.txt', 'b.txt'):
        resource.file(name).put(b'x')
    names = {step.name for step in resource.steps if step.level in ('projects', 'resources')}
    (path,) = (path for path in server.archive.folder.rglob('a.txt') if names <= set(path.parts))
    path.unlink()
    for extract in (True, False):
        with pytest.raises(errors.TransferError, match='a.txt'):
            resource.get(tmp_path / 'zip', extract=extract)
    label = resource.label()  # all other files are kept
    assert os.listdir(tmp_path / 'zip' / label) == ['b.txt']
    with zipfile.ZipFile(tmp_path / 'zip' / f'{label}.zip') as packed:
        assert packed.namelist() == ['b.txt']
    files = [path.name for path in (tmp_path / 'zip').rglob('*') if path.is_file()]
    assert sorted(files) == [f'{label}.zip', 'b.txt']
    report = resource.download(tmp_path / 'bulk', layout='{path}')
    assert report.ok == ['b.txt'] and 'a.txt' in str(report.failed)


def test_a_delete_removes_no_other_file(resource):
    for name in ('a.txt', 'a.txt.bak', 'é.txt', 'c d'):
        resource.file(name).put(b'x')
    for name in ('a.txt', 'é.txt'):
        with pytest.raises(errors.DataError):
            resource.file(name).delete()
    with pytest.raises(errors.NotFoundError):
        resource.file('a').delete()
    for name in ('a.txt.bak', 'a.txt', 'c d'):
        resource.file(name).delete()
    assert resource.files().get() == ['é.txt']


def test_uploads_into_one_resource_are_sequential(resource):
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda number: resource.file(f'{number}.txt').put(str(number).encode()), range(16)
            )
        )
    assert len(resource.files().get()) == 16
