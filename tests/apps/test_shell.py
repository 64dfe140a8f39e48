"""Tests of the command: its verbs on a served archive, its output and its exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.apps.shell import main
from pyxnat.apps.shell.command_line import VERBS, cli, options_first
from pyxnat.apps.shell.exit_codes import TABLE, Exit, exit_code
from pyxnat.apps.shell.filters import Filter, Rule, read_rules
from pyxnat.apps.shell.id_lists import read_id_list
from pyxnat.apps.shell.output import FORMATS
from pyxnat.apps.shell.places import Place, place_of, select_path
from pyxnat.apps.shell.profiles import Profile, Profiles
from pyxnat.apps.shell.state import staging_folder, state_folder
from tests.support import dicoms
from tests.support.faults import FaultProxy, says
from tests.support.spreadsheet import edit, set_cell


class Result(NamedTuple):
    """Exit status and output of a run."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Run:
    """Return a function that runs the command without a login."""
    monkeypatch.setenv('PYXNAT_PROFILES', str(tmp_path / 'config' / 'profiles.json'))
    monkeypatch.setenv('PYXNAT_KEYRING', '0')
    monkeypatch.setenv('NETRC', str(tmp_path / 'none'))
    monkeypatch.setenv('HOME', str(tmp_path))
    for name in ('XNAT_HOST', 'XNAT_USER', 'XNAT_PASS', 'XNAT_TOKEN', 'PYXNAT_PROFILE'):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: str = '') -> Result:
        monkeypatch.setattr('sys.stdin', io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        status = main(arguments)
        return Result(status, *capfd.readouterr())

    return run


@pytest.fixture
def run(anybody: Run, server: Any) -> Run:
    """Return a function that runs the command as the administrator."""
    arguments = ('login', server.url, '--user', server.user, '--name', 'here')
    assert anybody(*arguments, '--secret-file', '-', stdin=f'{server.password}\n').status == 0
    return anybody


@pytest.fixture
def other(study: Any) -> Any:
    """Create a second project, named like the study with ``_B``."""
    return study.host.select.project(f'{study.id()}_B').create()


@pytest.fixture
def study(P: str, project: Any) -> Any:
    """Return the project of two subjects; S has a session E with files."""
    project.subject('S').experiment('E2').create(experiments='xnat:petSessionData')
    project.subject('T').create(group='patients')
    return project


# -- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('short', 'path'),
    [
        ('', '/projects'),
        ('/', '/projects'),
        ('P', '/projects/P'),
        ('P/', '/projects/P'),
        ('P/S', '/projects/P/subjects/S'),
        ('P/*/E*', '/projects/P/subjects/*/experiments/E*'),
        ('P/S/E/1', '/projects/P/subjects/S/experiments/E/scans/1'),
        ('P/S/E/1/R', '/projects/P/subjects/S/experiments/E/scans/1/resources/R'),
        ('P/S/E/1/R/a/b.c', '/projects/P/subjects/S/experiments/E/scans/1/resources/R/files/a/b.c'),
        ('/projects/P//files', '/projects/P//files'),
        ('/experiments/X_E1/', '/experiments/X_E1'),
    ],
)
def test_a_short_path_is_a_path_of_select(short: str, path: str) -> None:
    assert select_path(short) == path


@pytest.mark.parametrize('path', ['', 'P', 'P/S/E/1/R/a:b.txt'])
def test_text_before_the_first_colon_of_a_path_is_a_profile(path: str) -> None:
    assert Place.read(f'lab:{path}') == Place('lab', select_path(path))
    assert Place.read(path) == Place.read(f':{path}') == Place('', select_path(path))


@pytest.mark.parametrize(
    'words', ['ls', 'show', 'du', 'get', 'cp', 'cp {P}', 'rm', 'mirror pull {here}/mirror']
)
def test_an_unknown_profile_is_named(words: str, run: Run, study: Any, tmp_path: Path) -> None:
    given = words.format(P=study.id(), here=tmp_path).split()
    found = run(*given, 'nope:P', *(['Q'] if words == 'cp' else []))
    assert found.status == Exit.LOGIN and "no profile 'nope' (known: here)" in found.err, found


def test_the_place_of_an_element_selects_it_again(study: Any, xnat: pyxnat.Interface) -> None:
    found = [*xnat.select(f'/projects/{study.id()}//files'), *study.subjects(), study]
    assert len(found) > 5
    for element in found:
        assert xnat.select(select_path(place_of(element))).exists()


# -- verbs that read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('path', 'names'),
    [
        ('{P}', ['S', 'T']),
        ('{P}/S', ['E', 'E2']),
        ('{P}/S/E', ['1']),
        ('{P}/S/E/1', ['NIFTI']),
        ('{P}/S/E/1/NIFTI', ['T1.nii.gz', 'sub/dir/x.json']),
        ('{P}/*/*', ['E', 'E2']),
        ('{P}/S/E?', ['E2']),
        ('/projects/{P}/subjects/S/experiments/E/assessors', ['A']),
        ('/projects/{P}/subjects/S/experiments/E/assessors/A', ['DATA']),
    ],
)
def test_ls_lists_the_names_below_a_path(path: str, names: list[str], run: Run, study: Any) -> None:
    found = run('-q', 'ls', path.format(P=study.id()))
    assert found.status == 0 and found.out.split('\n')[:-1] == names


@pytest.mark.parametrize('size', [3, 30])
def test_ls_is_one_request(size: int, run: Run, project: Any, server: Any) -> None:
    project.subjects().insert([{'label': f'S{number}'} for number in range(size)]).check()
    server.clear_requests()
    assert len(run('ls', project.id()).out.splitlines()) == size
    listings = [uri for method, uri, _ in server.requests if '/subjects' in uri]
    assert len(listings) == 1


def test_names_are_in_their_natural_order(run: Run, project: Any) -> None:
    for name in ('S10', 'S9', 'S1'):
        project.subject(name).create()
    assert run('ls', '-q', project.id()).out.split() == ['S1', 'S9', 'S10']


@pytest.mark.parametrize('form', FORMATS)
def test_each_format_has_all_rows(form: str, run: Run, study: Any) -> None:
    out = run('ls', study.id(), '--format', form).out
    read = {
        'json': lambda: [row['label'] for row in json.loads(out)],
        'jsonl': lambda: [json.loads(line)['label'] for line in out.splitlines()],
        'csv': lambda: [row['label'] for row in csv.DictReader(io.StringIO(out))],
        'tsv': lambda: [row['label'] for row in csv.DictReader(io.StringIO(out), delimiter='\t')],
        'human': lambda: [line.split('\t')[0] for line in out.splitlines()],
        'quiet': lambda: out.splitlines(),
    }
    assert read[form]() == ['S', 'T']


def test_ls_all_has_each_kind(run: Run, study: Any) -> None:
    out = run('ls', '--all', f'{study.id()}/S/E', '-f', 'jsonl').out
    kinds = {json.loads(line)['kind'] for line in out.splitlines()}
    assert kinds == {'scan', 'assessor', 'resource'}


def test_tree_shows_the_levels(run: Run, study: Any) -> None:
    lines = run('tree', study.id(), '-d', '3').out.splitlines()
    assert lines == ['S', 'S/E', 'S/E/1', 'S/E2', 'T']


def test_show_fields_and_vars(run: Run, study: Any) -> None:
    path = f'{study.id()}/T'
    assert json.loads(run('show', path, '-f', 'json').out)['label'] == 'T'
    assert run('show', path, '--xml').out.startswith('<?xml')
    assert 'xnat:subjectData/group\tpatients' in run('fields', path).out
    assert run('vars', path, 'group=controls', 'height=1.8').status == 0
    assert run('vars', path, 'group', 'height').out == 'group\tcontrols\nheight\t1.8\n'


def test_du_counts_files(run: Run, study: Any) -> None:
    rows = json.loads(run('du', study.id(), '--bytes', '-f', 'json').out)
    assert rows[-1]['path'] == 'total' and rows[-1]['files'] == 5
    assert rows[-1]['size'] == sum(row['size'] for row in rows[:-1])


def test_search_and_table(run: Run, study: Any) -> None:
    criteria = f"xnat:subjectData/PROJECT = '{study.id()}'"
    found = run('search', criteria, '-c', 'xnat:subjectData/SUBJECT_LABEL', '-f', 'csv').out
    assert sorted(found.splitlines()[1:]) == ['S', 'T']
    rows = run('table', f'{study.id()}/*/*', '-c', 'label,subject/label', '-f', 'json').out
    assert {(row['label'], row['subject/label']) for row in json.loads(rows)} == {
        ('E', 'S'),
        ('E2', 'S'),
    }


@pytest.mark.parametrize('suffix', ['csv', 'tsv', 'json'])
def test_a_table_goes_to_a_file(suffix: str, run: Run, study: Any, tmp_path: Path) -> None:
    path = tmp_path / f'table.{suffix}'
    assert run('table', f'{study.id()}/*', '-o', str(path)).status == 0
    assert 'T' in path.read_text() and run('table', f'{study.id()}/*', '-o', 'x.doc').status == 2


# -- transfers -------------------------------------------------------------------------------------


def test_get_downloads_and_completes(run: Run, study: Any, tmp_path: Path, server: Any) -> None:
    path, folder = f'{study.id()}/S/E', tmp_path / 'images'
    assert run('get', path, str(folder)).status == 0
    place = folder / study.id() / 'S' / 'E' / '1' / 'NIFTI' / 'T1.nii.gz'
    assert place.read_bytes() == bytes(2000)
    place.unlink()
    server.clear_requests()
    again = run('get', path, str(folder))
    assert place.read_bytes() == bytes(2000) and '1 downloaded, 4 skipped' in again.err
    server.clear_requests()
    run('get', path, str(folder))
    assert not [uri for _, uri, _ in server.requests if 'format=zip' in uri or '/files/' in uri]


def test_a_dry_run_lists_files_and_fetches_none(run: Run, study: Any, tmp_path: Path) -> None:
    found = run('get', '-n', f'{study.id()}/S/E/1', str(tmp_path / 'images'), '-f', 'json')
    assert sorted(row['size'] for row in json.loads(found.out)) == [8, 2000]
    assert not (tmp_path / 'images').exists()


def test_filters_choose_files(run: Run, study: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'images'
    assert run('get', '--include', '*.json', f'{study.id()}/S/E/1', str(folder)).status == 0
    files = [path.name for path in folder.rglob('*') if path.suffix in ('.json', '.gz')]
    assert files == ['x.json']


def test_one_file_goes_into_a_folder_to_a_name_or_to_standard_output(
    run: Run, study: Any, tmp_path: Path
) -> None:
    path = f'{study.id()}/S/E/1/NIFTI/sub/dir/x.json'
    (tmp_path / 'in').mkdir()
    for dest, expected in ((tmp_path / 'in', 'in/x.json'), (tmp_path / 'x', 'x')):
        assert run('get', path, str(dest)).status == 0
        assert (tmp_path / expected).read_bytes() == b'{"a": 1}'
    assert run('get', path, '-').out == run('cat', path).out == '{"a": 1}'


def test_put_sends_files_folders_and_standard_input(run: Run, study: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'new'
    (folder / '7' / 'RAW' / 'deep').mkdir(parents=True)
    (folder / '7' / 'RAW' / 'deep' / 'a.bin').write_bytes(b'a')
    (tmp_path / 'b.txt').write_bytes(b'b')
    session = f'{study.id()}/NEW/SESSION'
    assert run('put', '-n', str(folder), session).out.split() == ['7/RAW/deep/a.bin', '1']
    assert run('put', str(folder), session).status == 0
    assert run('put', str(tmp_path / 'b.txt'), f'{session}/7/RAW').status == 0
    assert run('put', '-', f'{session}/7/RAW/c.txt', stdin='c').status == 0
    names = run('ls', '-q', f'{session}/7/RAW').out.split()
    assert names == ['b.txt', 'c.txt', 'deep/a.bin']
    assert '0 uploaded, 1 skipped' in run('put', str(folder), session).err


def test_what_was_got_is_put_back_elsewhere(run: Run, study: Any, tmp_path: Path) -> None:
    project, other = study.id(), f'{study.id()}_B'
    study.host.select.project(other).create()
    assert run('get', f'{project}/S/E', str(tmp_path)).status == 0
    assert run('put', str(tmp_path / project / 'S' / 'E'), f'{other}/U/COPY').status == 0
    assert run('tree', f'{other}/U').out.splitlines() == ['COPY', 'COPY/1']


def test_cp_copies_between_profiles(
    run: Run, study: Any, server: Any, tmp_path_factory: Any
) -> None:
    with pyxnat.server.serve(tmp_path_factory.mktemp('other')) as other:
        arguments = ('login', other.url, '--user', other.user, '--name', 'there')
        run(*arguments, '--secret-file', '-', stdin=other.password)
        with pyxnat.Interface(other.url, other.user, other.password) as far:
            far.select.project('Q').create()
            copied = run('cp', f'here:{study.id()}/S', 'there:Q/S')
            assert copied.status == 0 and run('du', 'there:Q', '-q').out.split() == ['Q/S', 'total']
            labels = far.select('/projects/Q/subjects/S').experiments().get('label')
            assert sorted(labels) == ['E', 'E2']
        assert run('cp', f'here:{study.id()}/S', 'there:Q/S/E').status == 2


@pytest.mark.parametrize('dest', ['S/E/1/NEW', 'NEW/NEW/2/NIFTI'])
def test_cp_copies_a_resource(run: Run, study: Any, other: Any, dest: str) -> None:
    copy = ('cp', f'{study.id()}/S/E/1/NIFTI', f'{other.id()}/{dest}')
    assert [run(*copy).status for _ in range(2)] == [0, 0]
    assert run('ls', '-q', copy[2]).out == run('ls', '-q', copy[1]).out != ''


@pytest.mark.parametrize('source', ['', '/S*', '/S/E*'])
def test_cp_copies_a_project_or_parts_of_it_by_subject(
    source: str, run: Run, study: Any, tmp_path: Path
) -> None:
    project = f'{study.id()}_BY_SUBJECT'
    if source:
        study.host.select.project(project).create()
    copy = ('cp', f'{study.id()}{source}', project, '--state', str(tmp_path / 'state'))
    planned = run(*copy, '--dry-run')
    assert planned.status == 0 and planned.out.startswith('/')
    first, again = run(*copy), run(*copy)
    assert (first.status, again.status) == (0, 0), (first, again)
    labels = study.host.select.project(project).subject('S').experiments().get('label')
    assert sorted(labels) == ['E', 'E2']
    assert 'E\t' in (tmp_path / 'state' / 'ids.tsv').read_text()
    if not source:
        assert '0 copied' in again.err
    assert run('cp', f'{study.id()}/S', f'{project}/S', '--state', 'x').status == 2


def test_equal_paths_of_two_servers_are_two_copies(
    run: Run, study: Any, other: Any, tmp_path_factory: Any
) -> None:
    with pyxnat.server.serve(tmp_path_factory.mktemp('third')) as third:
        arguments = ('login', third.url, '--user', third.user, '--name', 'third')
        run(*arguments, '--secret-file', '-', stdin=third.password)
        with pyxnat.Interface(third.url, third.user, third.password) as far:
            far.select.project(study.id()).create().subject('T2').create()
        other.subject('T').create(group='others')
        here, there, dest = f'here:{study.id()}/T*', f'third:{study.id()}/T*', f'here:{other.id()}'
        assert run('cp', here, dest).status == Exit.SOME_FAILED
        assert run('cp', here, dest, '--overwrite').status == Exit.SOME_FAILED
        assert run('cp', there, dest).status == 0
        assert run('cp', here, dest, '--merge', '--overwrite').status == 0
    assert other.subject('T').attrs.get('group') == 'patients' and other.subject('T2').exists()


# -- lists of IDs ----------------------------------------------------------------------------------


HEADERS = ['ID', 'Session ID', 'MR ID', 'label', 'XNAT_ID', 'Experiment ID']


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'latin-1'])
@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
@pytest.mark.parametrize('header', [*HEADERS, ''])
def test_lists_of_other_programs_are_read(
    header: str, delimiter: str, encoding: str, newline: str, tmp_path: Path
) -> None:
    rows = [['E1', 'Müller, A', '3'], ['E2', 'B "x"', '4']]
    if header:
        rows = [[header, 'name', 'n'], *rows]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(rows)
    path = tmp_path / 'ids.csv'
    path.write_bytes(text.getvalue().encode(encoding))
    found = read_id_list(path)
    assert found.names == ['E1', 'E2'] and bool(found.header) == bool(header)
    assert found.rows[0][1] == 'Müller, A'


@pytest.mark.parametrize('column', ['2', 'number', 'NUMBER'])
def test_a_column_is_named_or_numbered(column: str, tmp_path: Path) -> None:
    path = tmp_path / 'ids.csv'
    path.write_text('ID,number\nx,E1\n\ny,E2\n')
    assert read_id_list(path, column).names == ['E1', 'E2']
    with pytest.raises(errors.InvalidArgument, match='no column'):
        read_id_list(path, '3')


@given(st.lists(st.text(st.characters(blacklist_categories=['C', 'Z']), min_size=1), min_size=1))
def test_any_text_of_a_cell_is_kept(names: list[str]) -> None:
    path = Path(os.environ['PYXNAT_CACHEDIR']).with_suffix('.ids')
    with path.open('w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([['ID', 'other'], *([name, 'x'] for name in names)])
    found = read_id_list(path)
    assert found.names == names
    status = path.with_suffix('.status')
    found.write(status, [['complete', '1', '2', 'a, "b"']] * len(names))
    with status.open(encoding='utf-8', newline='') as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == names and rows[1][-1] == 'a, "b"'


def test_get_from_a_list_tells_of_each_row(
    run: Run, study: Any, server: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    hidden = xnat.select.project(f'{study.id()}_HIDDEN').create()
    secret = hidden.subject('S').experiment('SECRET').create()
    server.add_user('lister', 'pass')
    study.add_user('lister', 'collaborator')
    run('login', server.url, '--user', 'lister', '--secret-file', '-', stdin='pass')
    path, folder = tmp_path / 'ids.csv', tmp_path / 'images'
    names = ['E', study.subject('S').experiment('E').id(), secret.id(), 'NOPE', '', 'E2']
    path.write_bytes(b'\xef\xbb\xbfID,note\r\n' + '\r\n'.join(f'{n},x' for n in names).encode())
    found = run('get', '--from', str(path), str(folder))
    assert found.status == Exit.SOME_FAILED
    with (tmp_path / 'ids.status.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    states = [row['status'] for row in rows]
    assert states[:2] + states[3:] == ['complete', 'complete', 'not found', 'empty', 'no files']
    assert states[2] in ('no access', 'not found')  # a hidden session is the same to XNAT
    assert 'lister' in rows[2]['message'] and 'ask' in rows[2]['message']
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {study.id(), '.xnat'}
    assert run('get', '--from', str(path), study.id(), str(folder)).status == Exit.SOME_FAILED


# -- verbs that change -----------------------------------------------------------------------------


def test_rm_needs_a_confirmation(run: Run, study: Any) -> None:
    path = f'{study.id()}/T'
    assert run('rm', path).status == Exit.USAGE and run('show', path).status == 0
    assert run('rm', '-n', path).out == f'{path}\n' and run('show', path).status == 0
    assert run('rm', '--yes', path).status == 0 and run('show', path).status == Exit.NOT_FOUND
    assert run('-y', 'rm', f'{study.id()}/*/E*').status == 0
    assert run('ls', f'{study.id()}/*/*').out == ''


def test_mv_renames(run: Run, study: Any) -> None:
    project = study.id()
    assert run('mv', f'{project}/T', 'U').status == 0
    assert run('mv', f'{project}/U', f'{project}/V').status == 0
    assert run('ls', '-q', project).out.split() == ['S', 'V']
    assert run('mv', f'{project}/V', 'S').status == Exit.CONFLICT
    assert run('mv', f'{project}/V', 'other/V').status == Exit.USAGE


def test_projects_are_shared_and_opened(run: Run, study: Any, server: Any) -> None:
    project, other = study.id(), f'{study.id()}_B'
    study.host.select.project(other).create()
    server.add_user('ann', 'x')
    assert run('share', f'{project}/T', other, '--label', 'T2').status == 0
    assert sorted(run('share', f'{project}/T').out.split()) == [project, other]
    assert run('share', f'{project}/T', other, '--end').status == 0
    assert run('access', project, 'private').out == 'access\tprivate\n'
    assert 'ann\tmember' in run('users', project, '--add', 'ann').out
    assert 'ann' not in run('users', project, '--remove', 'ann').out


def test_a_container_is_run_on_a_session(run: Run, study: Any, server: Any) -> None:
    server.archive.containers.add('hello', 'xnat:mrSessionData', run=lambda one: one.log('hello'))
    shown = run('run', study.id(), 'hello', 'E', '--container', '--wait')
    assert shown.status == 0 and 'hello' in shown.err


def test_api_sends_any_request(run: Run, study: Any) -> None:
    uri = f'/data/projects/{study.id()}/subjects'
    assert len(json.loads(run('api', 'get', f'{uri}?format=json').out)['ResultSet']['Result']) == 2
    assert run('api', 'PUT', f'{uri}/NEW').status == 0
    assert run('api', 'GET', f'{uri}/NOPE?format=json').status == Exit.NOT_FOUND


# -- logins ----------------------------------------------------------------------------------------


def test_a_login_is_stored_for_its_owner_only(run: Run, server: Any) -> None:
    path = Path(os.environ['PYXNAT_PROFILES'])
    assert path.stat().st_mode & 0o777 == 0o600
    assert run('profiles', '-q').out == 'here\n'
    assert json.loads(run('whoami', '-f', 'json').out)['login'] == server.user
    assert run('logout').status == 0 and run('profiles').out == ''
    assert run('ls').status == Exit.LOGIN


def test_a_wrong_password_is_not_stored(anybody: Run, server: Any) -> None:
    found = anybody('login', server.url, '--user', server.user, '--secret-file', '-', stdin='wrong')
    assert found.status == Exit.LOGIN and anybody('profiles').out == ''


def test_tokens_are_issued_renewed_and_revoked(anybody: Run, server: Any) -> None:
    arguments = ('login', server.url, '--user', server.user, '--name', 'here', '--issue')
    assert anybody(*arguments, '--secret-file', '-', stdin=server.password).status == 0
    first = json.loads(Path(os.environ['PYXNAT_PROFILES']).read_text())['profiles']['here']
    assert first['is_token'] and server.password not in json.dumps(first)
    assert anybody('ls').status == 0 and anybody('token', 'renew').status == 0
    again = json.loads(Path(os.environ['PYXNAT_PROFILES']).read_text())['profiles']['here']
    assert again['secret'] != first['secret'] and anybody('ls').status == 0
    assert again['user'] in anybody('token', 'list', '-q').out.split()
    assert anybody('token', 'revoke', again['user']).status == 0
    assert anybody('whoami').status == Exit.LOGIN


@pytest.mark.parametrize(('days', 'warns'), [(4, False), (2, True), (-1, True)])
def test_a_token_warns_three_days_before_its_end(days: int, warns: bool) -> None:
    now = 1_700_000_000.0
    profile = Profile('here', 'http://x', 'a', 's', is_token=True, expires=now + days * 86400)
    assert bool(profile.warning(now)) == warns


@pytest.mark.parametrize('content', ['{', '[]', '{"profiles": 1}', 'null'])
def test_a_damaged_file_of_profiles_names_the_remedy(content: str, tmp_path: Path) -> None:
    path = tmp_path / 'profiles.json'
    path.write_text(content)
    with pytest.raises(errors.ConfigurationError, match=re.escape(str(path))):
        Profiles(path)


def test_doctor_names_the_first_failure(run: Run, anybody: Run, project: Any) -> None:
    rows = json.loads(run('doctor', '-f', 'json').out)
    assert {row['result'] for row in rows} == {'ok'} and len(rows) == 7
    away = anybody('--server', 'http://127.0.0.1:1', '--user', 'x', 'doctor', '-f', 'json')
    assert away.status == Exit.LOGIN  # no password


def test_doctor_without_a_server(anybody: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XNAT_PASS', 'x')
    found = anybody('--server', 'http://127.0.0.1:1', '--user', 'x', 'doctor', '-f', 'json')
    assert found.status == Exit.NETWORK
    assert json.loads(found.out)[-1]['result'] == 'failed'


# -- exit status and errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('status', 'code'),
    [(401, Exit.LOGIN), (403, Exit.RIGHTS), (404, Exit.NOT_FOUND), (409, Exit.CONFLICT)],
)
@pytest.mark.parametrize('form', ['human', 'json', 'quiet'])
def test_a_status_of_the_server_has_its_exit_status(
    status: int, code: Exit, form: str, anybody: Run, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_PASS', server.password)
    with FaultProxy(server.url) as proxy:
        proxy.applies = lambda method, uri: '/subjects' in uri
        proxy.faults = [says(status)] * 9
        found = anybody('--server', proxy.url, '--user', server.user, 'ls', 'P', '-f', form)
    assert found.status == code and found.err.startswith('pyxnat: ') and found.out == ''


def test_every_error_has_an_exit_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    known = [kind for kind in kinds if issubclass(kind, errors.DatabaseError)]
    assert {exit_code(kind('x')) for kind in known} <= set(Exit)
    assert len(TABLE) == len({kind for kind, _ in TABLE})


@pytest.mark.parametrize('verb', VERBS)
def test_each_verb_has_help(verb: str, anybody: Run) -> None:
    found = anybody(verb, '--help')
    assert found.status == 0 and 'usage' in found.out.lower()


def test_without_a_verb_the_verbs_are_shown(anybody: Run) -> None:
    found = anybody()
    assert found.status == 0 and all(verb in found.out for verb in VERBS)


@pytest.mark.parametrize('arguments', [('nope',), ('ls', '--nope'), ('get',), ('put', 'x')])
def test_wrong_usage_is_status_two(arguments: tuple[str, ...], anybody: Run) -> None:
    assert anybody(*arguments).status == (Exit.USAGE)


@given(st.lists(st.sampled_from(['-q', '--format', 'json', 'ls', 'P', '--', '-x', '--jobs=2'])))
def test_options_of_the_command_may_stand_anywhere(words: list[str]) -> None:
    moved = options_first(words)
    assert sorted(moved) == sorted(words)
    before_dashes = words[: words.index('--')] if '--' in words else words
    assert moved.count('-q') == words.count('-q') and len(before_dashes) <= len(moved)
    assert cli.params


# -- filters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('rules', 'path', 'passes'),
    [
        ('', 'a/b', True),
        ('- *.log', 'a/b.log', False),
        ('- *.log', 'a/b', True),
        ('+ *.json\n- *', 'a/b.json', True),
        ('+ *.json\n- *', 'a/b', False),
        ('+ *.json', 'a/b', False),
        ('- a/*', 'a/b', False),
        ('- a/*', 'a/b/c', True),
        ('- a/**', 'a/b/c', False),
        ('- tmp', 'a/tmp/c', False),
        ('- a?', 'ab/c', False),
        ('# comment\n\n- [x]', 'x', True),
        ('- [x]', '[x]', False),
    ],
)
def test_the_first_rule_that_matches_decides(
    rules: str, path: str, passes: bool, tmp_path: Path
) -> None:
    file = tmp_path / 'rules'
    file.write_text(rules)
    assert Filter(read_rules(file))(path) == passes


@pytest.mark.parametrize('line', ['x', '+', '* a', '+a'])
def test_a_line_that_is_no_rule_is_an_error(line: str, tmp_path: Path) -> None:
    file = tmp_path / 'rules'
    file.write_text(f'- a\n{line}\n')
    with pytest.raises(errors.InvalidArgument, match='line 2'):
        read_rules(file)


@given(st.text(min_size=1), st.booleans())
def test_a_pattern_without_wildcards_matches_itself(name: str, includes: bool) -> None:
    if any(char in name for char in '*?/'):
        return
    assert Rule(includes, name).matches(f'a/{name}/b')


# -- as a process ----------------------------------------------------------------------------------


@pytest.fixture
def process(run: Run) -> Iterator[list[str]]:
    """Return the words that start the command as a process."""
    assert run('whoami').status == 0
    yield [sys.executable, '-m', 'pyxnat.apps.shell']


def test_output_into_a_closed_pipe_is_quiet(process: list[str], study: Any) -> None:
    command = ' '.join([*process, 'fields', '--names', f'{study.id()}/S'])
    done = subprocess.run(
        f'{command} | head -1', shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == '' and len(done.stdout.splitlines()) == 1


def test_the_version_loads_neither_library_nor_tables(process: list[str]) -> None:
    code = (
        'import sys; sys.argv = ["pyxnat", "--version"]\n'
        'from pyxnat.apps.shell import main\n'
        'main()\n'
        'print(sorted({"httplib2", "lxml", "rich", "keyring"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == '[]'


@pytest.mark.skipif(os.name != 'posix', reason='pseudo-terminals')
def test_on_a_terminal_rows_are_a_table(process: list[str], study: Any) -> None:
    import pty

    leader, follower = pty.openpty()
    done = subprocess.Popen(
        [*process, 'ls', study.id()], stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b''
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    assert done.wait(60) == 0
    lines = re.sub(r'\x1b\[[0-9;]*m', '', seen.decode()).split('\r\n')
    assert lines[0].split() == ['label', 'ID', 'gender', 'group']
    assert lines[2].split()[0] == 'T'


# -- plans -----------------------------------------------------------------------------------------


def arguments_of(verb: str, project: str, folder: Path) -> list[str]:
    """Return the arguments of a verb on the study."""
    (folder / 'new').mkdir(exist_ok=True)
    (folder / 'new' / 'a.txt').write_bytes(b'a')
    return {
        'get': ['--exclude', '*.json', f'{project}/S/E/1', str(folder / 'images')],
        'put': [str(folder / 'new'), f'{project}/S/E/1/NIFTI'],
        'rm': [f'{project}/T', f'{project}/*/E'],
    }[verb]


@pytest.mark.parametrize('verb', ['get', 'put', 'rm'])
def test_a_plan_is_done_as_it_was_written(
    verb: str, run: Run, study: Any, server: Any, tmp_path: Path
) -> None:
    plan, arguments = str(tmp_path / 'plan'), arguments_of(verb, study.id(), tmp_path)
    server.clear_requests()
    assert run(verb, *arguments, '--plan', plan).status == 0
    assert {method for method, uri, _ in server.requests if 'JSESSION' not in uri} <= {'GET'}
    assert not (tmp_path / 'images').exists()
    assert run('--yes', verb, '--apply', plan).status == 0
    if verb == 'get':
        files = [path.name for path in (tmp_path / 'images').rglob('*.gz')]
        assert files == ['T1.nii.gz'] and not list((tmp_path / 'images').rglob('x.json'))
    elif verb == 'put':
        assert 'a.txt' in run('ls', '-q', f'{study.id()}/S/E/1/NIFTI').out.split()
    else:
        assert run('tree', study.id()).out.split() == ['S', 'S/E2']


@pytest.mark.parametrize('change', ['new', 'gone', 'changed'])
@pytest.mark.parametrize('verb', ['get', 'put', 'rm'])
def test_a_plan_is_refused_if_something_changed(
    verb: str, change: str, run: Run, study: Any, tmp_path: Path
) -> None:
    plan, arguments = str(tmp_path / 'plan'), arguments_of(verb, study.id(), tmp_path)
    run(verb, *arguments, '--plan', plan)
    resource = study.subject('S').experiment('E').scan('1').resource('NIFTI')
    if change == 'new':
        resource.file('other.nii').put(b'new')
    elif change == 'gone':
        resource.file('T1.nii.gz').delete()
    else:
        resource.file('T1.nii.gz').put(b'of other content', overwrite=True)
    before = resource.files().get()
    found = run('--yes', verb, '--apply', plan)
    assert found.status == Exit.CONFLICT and 'since the plan was written' in found.err
    assert resource.files().get() == before and not (tmp_path / 'images').exists()


PLANNED: dict[str, list[str]] = {
    'rm a subject': ['rm', '{P}/S'],
    'rm a project': ['rm', '{P}'],
    'cp a session': ['cp', '{P}/S/E', '{P}_B/S/COPY'],
    'cp a subject': ['cp', '{P}/S', '{P}_B/COPY'],
    'cp to a subject': ['cp', '{P}/T', '{P}/S'],
    'cp a project': ['cp', '{P}', '{P}_C', '--state', '{here}/state'],
    'cp subjects': ['cp', '{P}/*', '{P}_B'],
    'cp sessions': ['cp', '{P}/*/*', '{P}_B'],
    'put to a subject': ['put', '{here}/S', '{P}/S'],
    'put to a project': ['put', '{here}/P', '{P}'],
}
"""Use -> arguments with a plan, of which the session S/E and all below it are part."""

CHANGES: dict[str, Callable[[Any], object]] = {
    'a field': lambda session: session.attrs.set('note', 'new'),
    'a field of a scan': lambda session: session.scan('1').attrs.set('note', 'new'),
    'a new scan': lambda session: session.scan('NEW').create(),
    'a new assessor': lambda session: session.assessor('NEW').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    ),
    'a new resource': lambda session: session.resource('NEW').create(),
    'a deleted scan': lambda session: session.scan('1').delete(),
}
"""Changes of a session that change none of the listed files, except the last."""


@pytest.mark.parametrize('change', [None, *CHANGES])
@pytest.mark.parametrize('use', PLANNED)
@pytest.mark.sample(35)
def test_a_plan_knows_the_items_as_well_as_the_files(
    use: str, change: str | None, run: Run, study: Any, other: Any, tmp_path: Path
) -> None:
    if use.startswith('put'):
        for name, path in (('P', study.id()), ('S', f'{study.id()}/S')):
            assert run('get', path, str(tmp_path / name)).status == 0
    names = {'P': study.id(), 'here': str(tmp_path)}
    arguments = [word.format(**names) for word in PLANNED[use]]
    plan, select = str(tmp_path / 'plan'), study.host.select
    assert run(*arguments, '--plan', plan).status == 0
    if change is not None:
        CHANGES[change](study.subject('S').experiment('E'))
    before = [list(map(str, select(f'{one.uri}//scans'))) for one in (study, other)]
    done = run('--yes', arguments[0], '--apply', plan)
    assert done.status == (Exit.CONFLICT if change else Exit.DONE), done
    if change:
        assert 'since the plan was written' in done.err
        assert before == [list(map(str, select(f'{one.uri}//scans'))) for one in (study, other)]


@pytest.mark.parametrize('changed', ['documents/S.xml', 'files.jsonl'])
def test_a_plan_knows_the_notes_of_a_download(
    changed: str, run: Run, study: Any, tmp_path: Path
) -> None:
    folder, plan = tmp_path / 'down', str(tmp_path / 'plan')
    assert run('get', f'{study.id()}/S', str(folder)).status == 0
    assert run('put', str(folder), f'{study.id()}/S', '--plan', plan).status == 0
    path = next(folder.glob('.xnat/documents/*')) if '/' in changed else folder / '.xnat' / changed
    path.write_bytes(path.read_bytes() + b'\n')
    assert run('put', '--apply', plan).status == Exit.CONFLICT


def test_a_planned_copy_of_a_project_keeps_its_state(run: Run, study: Any, tmp_path: Path) -> None:
    plan, copy = str(tmp_path / 'plan'), ('cp', study.id(), f'{study.id()}_PLANNED')
    state = ('--state', str(tmp_path / 'state'))
    assert run(*copy, *state, '--plan', plan).status == 0 and not (tmp_path / 'state').exists()
    assert run('cp', '--apply', plan).status == 0
    assert (tmp_path / 'state' / 'ids.tsv').exists()
    assert '0 copied, 2 skipped' in run(*copy, *state).err


@pytest.mark.parametrize('content', ['', '{}', '[]', 'x', '{"plan": 1}\n{"path": "a"}', '1\n2'])
def test_what_is_no_plan_is_an_error(content: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / 'plan'
    path.write_text(content)
    found = run('get', '--apply', str(path))
    assert found.status == Exit.USAGE and 'no plan' in found.err


def test_a_plan_is_for_one_verb_and_server(run: Run, study: Any, tmp_path: Path) -> None:
    plan = str(tmp_path / 'plan')
    run('get', study.id(), str(tmp_path / 'images'), '--plan', plan)
    assert run('rm', '--apply', plan).status == Exit.USAGE
    text = Path(plan).read_text().replace(str(study.host.connection.server), 'http://elsewhere')
    Path(plan).write_text(text)
    assert 'http://elsewhere' in run('get', '--apply', plan).err


# -- spreadsheets ----------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['csv', 'xlsx'])
def test_fields_go_out_and_come_back(run: Run, study: Any, tmp_path: Path, suffix: str) -> None:
    project, file = study.id(), tmp_path / f'subjects.{suffix}'
    out = run('sheet', 'out', f'{project}/*', str(file), '-c', 'label,group,src')
    assert out.status == 0 and '2 rows' in out.err
    nothing = run('sheet', 'apply', str(file), project)
    assert (nothing.status, nothing.out) == (0, '') and '2 rows; cells: none edited' in nothing.err
    edit(file, lambda grid: set_cell(grid, 'T', 'group', ''))
    edit(file, lambda grid: set_cell(grid, 'S', 'src', 'scanner'))
    dry = run('sheet', 'apply', str(file), '--dry-run', '--format', 'json')
    assert dry.status == 0
    shown = [
        (row['label'], row['field'], row['server'], row['sheet']) for row in json.loads(dry.out)
    ]
    assert shown == [('S', 'src', '', 'scanner'), ('T', 'group', 'patients', '')]
    assert run('sheet', 'apply', str(file)).status == Exit.USAGE, 'no terminal to confirm on'
    assert study.subject('T').attrs.get('group') == 'patients'
    done = run('sheet', 'apply', str(file), '--yes')
    assert done.status == 0 and '2 changed' in done.err
    assert study.subject('S').attrs.mget(['src', 'group']) == ['scanner', '']
    assert study.subject('T').attrs.mget(['src', 'group']) == ['', '']
    status = (tmp_path / 'subjects.status.csv').read_text('utf-8-sig')
    assert status.count(',changed,') == 2


@pytest.mark.parametrize('files', ['A', 'A,B', 'A, B', 'lazy', 'none'])
@pytest.mark.sample(5)
def test_later_pulls_of_a_mirror_bring_the_same_files(
    run: Run, study: Any, tmp_path: Path, server: Any, files: str
) -> None:
    folder, name = str(tmp_path / 'study'), study.id()
    for option in ([name, '--files', files], []):
        for label in 'AB':
            study.subject('S').resource(label).file(f'{len(option)}.txt').put(b'1')
        assert run('-q', 'mirror', 'pull', folder, *option).status == 0
    with pyxnat.open(folder) as local:
        resources = local.select.project(name).subject('S').resources()
        found = {(one.label(), file.label()) for one in resources for file in one.files()}
    wanted = 'AB' if files == 'lazy' else [one for one in 'AB' if one in files]
    assert found == {(one, file) for one in wanted for file in ('0.txt', '3.txt')}


def test_a_mirror_is_pulled_pushed_and_resolved(
    run: Run, study: Any, tmp_path: Path, server: Any
) -> None:
    folder, plan, name = str(tmp_path / 'study'), str(tmp_path / 'the.plan'), study.id()
    missing = run('mirror', 'status', folder)
    assert missing.status == Exit.NOT_FOUND and 'no mirror' in missing.err
    done = run('-q', 'mirror', 'pull', folder, name, '--files', 'none')
    assert done.status == 0 and len(done.out.splitlines()) == 3, done
    with pyxnat.open(folder) as local:
        here = local.select.project(name)
        here.subject('S').attrs.mset({'group': 'mine', 'src': 'mine'})
        here.subject('T').attrs.set('src', 'mine')
    study.subject('S').attrs.set('group', 'theirs')
    states = run('--format', 'json', 'mirror', 'status', folder)
    assert [row['state'] for row in json.loads(states.out)] == ['ahead', 'ahead', 'behind']
    assert run('mirror', 'push', folder, '--plan', plan).status == 0
    assert study.subject('T').attrs.get('src') == ''
    done = run('--format', 'json', 'mirror', 'push', folder, '--apply', plan)
    assert [row['action'] for row in json.loads(done.out)] == ['change']
    assert done.status == Exit.CONFLICT, 'it has found the conflict'
    assert run('mirror', 'push', folder, '--apply', plan).status == Exit.CONFLICT
    assert run('mirror', 'pull', folder).status == Exit.CONFLICT
    assert run('mirror', 'status', folder, '--offline').status == Exit.CONFLICT
    rows = json.loads(run('--format', 'json', 'mirror', 'conflicts', folder).out)
    shown = {row['field']: (row['label'], row['local'], row['remote']) for row in rows}
    assert shown == {'/@group': ('S', 'mine', 'theirs'), '/@src': ('S', 'mine', '')}
    assert run('mirror', 'resolve', folder, '--take', 'both').status == Exit.USAGE
    assert run('mirror', 'resolve', folder, '--take', 'both', '--all', '--dry-run').status == 0
    unknown = run('mirror', 'resolve', folder, 'subjects/NONE', '--take', 'both')
    assert unknown.status == Exit.NOT_FOUND and 'pyxnat mirror conflicts' in unknown.err
    assert run('mirror', 'resolve', folder, rows[0]['path'], '--take', 'both').status == 0
    assert run('mirror', 'pull', folder).status == 0
    assert run('mirror', 'push', folder).status == 0
    assert study.subject('S').attrs.mget(['group', 'src']) == ['theirs', '']
    assert study.subject('S_local').attrs.mget(['group', 'src']) == ['mine', 'mine']
    assert run('mirror', 'forget', folder, name, '--dry-run').status == 0
    assert run('mirror', 'forget', folder, name).status == 0
    again = run('mirror', 'forget', folder, name)
    assert again.status != 0 and 'was not pulled' in again.err


def test_a_mirror_shows_what_was_deleted_checks_its_files_and_follows_its_server(
    run: Run, study: Any, tmp_path: Path, server: Any
) -> None:
    folder, name = str(tmp_path / 'study'), study.id()
    assert run('-q', 'mirror', 'pull', folder, name).status == 0
    for file in (tmp_path / 'study' / 'archive').rglob('*'):
        if file.is_file():
            file.unlink()
    assert 'missing on the disk' not in run('mirror', 'pull', folder).err
    assert 'missing on the disk' in run('mirror', 'pull', folder, '--check', 'files').err
    key = f'subjects/{study.subject("T").id()}'
    study.subject('T').delete()
    assert run('mirror', 'pull', folder).status == 0
    found = run('--format', 'json', 'mirror', 'deleted', folder)
    assert json.loads(found.out) == [{'path': key, 'label': 'T'}]
    url = server.url.replace('127.0.0.1', 'localhost')
    for command in ('deleted', 'move-to'):
        missing = run('mirror', command, f'{folder}_not', *[url] * (command == 'move-to'))
        assert missing.status == Exit.NOT_FOUND and 'no mirror' in missing.err
    assert run('mirror', 'move-to', folder, url, '--dry-run').status == 0
    with pyxnat.Mirror(folder) as mirror:
        assert mirror.server == server.url
    login = ('login', url, '--user', server.user, '--name', 'moved', '--secret-file', '-')
    assert run(*login, stdin=f'{server.password}\n').status == 0
    assert run('profiles', 'here').status == 0
    for place, there in ((url, url), ('here', server.url), ('moved', url)):
        moved = run('mirror', 'move-to', folder, place)
        assert moved.status == 0 and there in moved.out, moved
        with pyxnat.Mirror(folder) as mirror:
            assert mirror.server == there


def test_fields_of_forms_are_shown_and_set(run: Run, study: Any) -> None:
    form = f'Shell {study.id()}'
    types = {'n': 'number', 'tick': 'checkbox'}
    study.host.manage.forms.create(form, 'xnat:subjectData', types, [study.id()])
    assert run('vars', f'{study.id()}/S', f'form:{form}/n=3').status == 0
    assert run('vars', f'{study.id()}/S', f'form:{form}/n=three').status == Exit.USAGE
    assert f'form:{form}/n\t3\n' in run('fields', f'{study.id()}/S').out
    rows = run('table', f'{study.id()}/*', '-c', f'label,form:{form}/n', '-f', 'json')
    assert {row['label']: row[f'form:{form}/n'] for row in json.loads(rows.out)} == {
        'S': 3,
        'T': '',
    }


def test_conflicts_and_refusals_have_a_status_of_their_own(
    run: Run, study: Any, tmp_path: Path
) -> None:
    file = tmp_path / 'subjects.csv'
    run('sheet', 'out', f'{study.id()}/*', str(file), '-c', 'label,group')
    edit(file, lambda grid: set_cell(grid, 'S', 'label', 'R'))
    refused = run('sheet', 'apply', str(file), '--yes')
    assert refused.status == Exit.SOME_FAILED and 'read-only' in refused.out
    edit(file, lambda grid: set_cell(grid, 'T', 'group', 'mine'))
    study.subject('T').attrs.set('group', 'theirs')
    conflict = run('sheet', 'apply', str(file), '--yes')
    assert conflict.status == Exit.CONFLICT and 'theirs' in conflict.out
    assert study.subject('T').attrs.get('group') == 'theirs'
    assert run('sheet', 'apply', str(tmp_path / 'none.csv')).status == Exit.NOT_FOUND
    assert run('sheet', 'out', f'{study.id()}/S', str(file)).status == Exit.USAGE
    assert run('sheet', 'out', f'{study.id()}/*', str(tmp_path / 'a.ods')).status == Exit.USAGE


# -- dry runs, plans, logs -------------------------------------------------------------------------


WRITING: dict[str, list[str]] = {
    'get': ['get', '{P}/S', '{here}/images'],
    'put': ['put', '{here}/file.txt', '{P}/S/E/1/NIFTI'],
    'rm': ['rm', '{P}/T'],
    'mv': ['mv', '{P}/T', 'T2'],
    'cp': ['cp', '{P}/S', '{P}_B/COPY'],
    'vars': ['vars', '{P}/T', 'group=x'],
    'search': ['search', '--row', 'xnat:subjectData', '--save', 'mine'],
    'table': ['table', '{P}/*', '-o', '{here}/table.csv'],
    'sheet out': ['sheet', 'out', '{P}/*', '{here}/sheet.csv'],
    'sheet apply': [],
    'mirror pull': ['mirror', 'pull', '{here}/study', '{P}'],
    'mirror push': [],
    'mirror resolve': [],
    'mirror forget': [],
    'mirror move-to': [],
    'import': ['import', '--project', '{P}', '{here}/file.txt'],
    'prearchive archive': ['prearchive', 'archive', '{P}/1/E'],
    'prearchive move': ['prearchive', 'move', '{P}/1/E', '{P}'],
    'prearchive rebuild': ['prearchive', 'rebuild', '{P}/1/E'],
    'prearchive rm': ['prearchive', 'rm', '{P}/1/E'],
    'share': ['share', '{P}/T', 'OTHER'],
    'access': ['access', '{P}', 'public'],
    'users': ['users', '{P}', '--add', 'nobody'],
    'run': ['run', '{P}', 'PIPE', 'E'],
    'cache': ['cache', '--clear'],
    'api': ['api', 'DELETE', '/data/projects/{P}/subjects/T'],
    'token renew': [],
    'token revoke': [],
}
"""Verb that writes or transfers -> an example of its arguments."""
READING = {
    *('login', 'logout', 'profiles', 'whoami', 'token list', 'doctor', 'ls', 'tree', 'show'),
    *(
        'fields',
        'du',
        'cat',
        'prearchive ls',
        'jobs',
        'mirror status',
        'mirror conflicts',
        'mirror deleted',
        'serve',
        'demo',
        'completion',
    ),
}
"""Verbs that only read, change the local logins alone, or run another program."""


def commands() -> dict[str, Any]:
    """Return all verbs, those of groups by both names."""
    found = {}
    for name in VERBS:
        command: Any = cli.get_command(None, name)  # type: ignore[arg-type]
        inner = getattr(command, 'commands', None) or {'': command}
        found.update({f'{name} {word}'.strip(): each for word, each in inner.items()})
    return found


def test_every_verb_that_writes_has_a_dry_run() -> None:
    known = commands()
    assert READING | set(WRITING) == set(known) and not READING & set(WRITING)
    without = [
        name
        for name in WRITING
        if not any('--dry-run' in option.opts for option in known[name].params)
    ]
    assert without == []


@pytest.mark.parametrize('verb', [name for name, example in WRITING.items() if example])
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    verb: str, anybody: Run, server: Any, study: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/file.txt').write_text('content')
    monkeypatch.setenv('XNAT_PASS', server.password)
    names = {'P': study.id(), 'here': str(tmp_path / 'here')}
    arguments = [word.format(**names) for word in WRITING[verb]]
    with FaultProxy(server.url) as proxy:
        found = anybody('--server', proxy.url, '--user', server.user, *arguments, '--dry-run')
        reading = ('GET', 'HEAD', 'POST /data/search?')
        sent = [line for line in proxy.seen if not line.startswith(reading)]
    assert found.status == 0 and found.out.strip(), found
    assert [line for line in sent if '/data/JSESSION' not in line] == []
    assert [path.name for path in (tmp_path / 'here').iterdir()] == ['file.txt']


@pytest.mark.parametrize('verb', ['get', 'put', 'rm', 'cp', 'import'])
@pytest.mark.parametrize('changed', [False, True])
@pytest.mark.sample(2)
def test_a_plan_is_done_unless_something_changed(
    verb: str, changed: bool, run: Run, study: Any, other: Any, tmp_path: Path
) -> None:
    (tmp_path / 'here').mkdir()
    source = tmp_path / 'here/file.txt'
    source.write_bytes(dicoms.content('MR_small.dcm'))
    names = {'P': study.id(), 'here': str(tmp_path / 'here')}
    arguments = [word.format(**names) for word in WRITING[verb]]
    plan = str(tmp_path / 'the.plan')
    assert run(*arguments, '--plan', plan).status == 0
    if changed and verb in ('put', 'import'):
        source.write_bytes(b'other')
    elif changed:
        path = 'T' if verb == 'rm' else 'S'
        study.subject(path).resource('NEW').file('new.txt').put(b'new')
    done = run('--yes', verb, '--apply', plan)
    assert done.status == (Exit.CONFLICT if changed else Exit.DONE), done
    assert ('since the plan was written' in done.err) == changed


def test_a_failure_comes_last_with_the_log_of_the_run(
    run: Run, server: Any, study: Any, tmp_path: Path
) -> None:
    (lost,) = [
        path
        for path in server.archive.folder.rglob('T1.nii.gz')
        if f'/{study.id()}/' in path.as_posix()
    ]
    lost.unlink()
    found = run('get', f'{study.id()}/S', str(tmp_path / 'images'))
    assert found.status == Exit.SOME_FAILED
    *_, failure, last = found.err.splitlines()
    assert failure.startswith('failed: ') and 'T1.nii.gz' in failure
    path = Path(last.removeprefix('The log of this run: '))
    log = path.read_text()
    assert path.stat().st_mode & 0o77 == 0 and tmp_path in path.parents
    assert 'GET /data/' in log and 'Traceback' in log and server.password not in log


def test_a_home_that_cannot_be_written_costs_the_log_alone(
    run: Run, study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'state').write_text('a file')
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    found = run('mv', f'{study.id()}/S', 'T')
    assert found.status == Exit.CONFLICT and 'There is no log of this run' in found.err


@pytest.mark.parametrize('line', ['ls NOPE', 'ls', 'ls --nope', 'api -d secret GET /data/nope'])
def test_no_log_where_the_message_says_all(line: str, run: Run, tmp_path: Path) -> None:
    assert 'The log of this run' not in run(*line.split()).err
    assert not list(tmp_path.rglob('*.log'))


def test_logs_are_few_and_have_no_secrets(
    run: Run, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_PASS', 'y')
    logs = state_folder('logs')
    for number in range(25):
        (logs / f'20200101-0000{number:02}-1.log').touch()
    with FaultProxy(server.url) as proxy:
        proxy.applies, proxy.faults = (lambda method, uri: True), [says(500, b'broken')] * 99
        args = ('--server', proxy.url, '--user', 'x', 'api', '-d', 'topsecret', 'PUT', '/data/x')
        found = run(*args)
    assert 'The log of this run' in found.err
    kept = sorted(logs.glob('*.log'))
    assert len(kept) == 20 and 'topsecret' not in kept[-1].read_text()


def test_a_copy_goes_on_where_it_was_interrupted(
    anybody: Run, server: Any, study: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_PASS', server.password)
    folders = state_folder('copies')
    with FaultProxy(server.url) as proxy:
        proxy.applies = lambda method, uri: method == 'PUT' and '/files' in uri
        proxy.faults = [says(403, b'no')] * 99
        copy = ('--server', proxy.url, '--user', server.user, 'cp', f'{study.id()}/S')
        assert anybody(*copy, f'{other.id()}/C1').status != 0
        assert len(list(folders.iterdir())) == 1
        proxy.faults.clear()
        del proxy.seen[:]
        assert anybody(*copy, f'{other.id()}/C1').status == 0
        assert [line for line in proxy.seen if 'format=zip' in line] == []
    assert list(folders.iterdir()) == []
    found = study.host.select(f'{other.subject("C1").uri}//files')
    assert {file.path_name for file in found} >= {'T1.nii.gz', 'sub/dir/x.json', 'o.txt'}


def test_a_dry_run_of_a_copy_leaves_its_state_alone(run: Run, study: Any, other: Any) -> None:
    folders, copy = state_folder('copies'), ('cp', f'{study.id()}/*', other.id())
    assert run(*copy, '--dry-run').status == 0 and list(folders.iterdir()) == []
    other.subject('T').create()
    assert run(*copy).status == Exit.SOME_FAILED  # T may be another person
    before = sorted(path for path in folders.rglob('*') if path.name != 'lock.sqlite')
    planned = run(*copy, '--dry-run')
    assert planned.out.split() == [uri for uri in planned.out.split() if '/subjects/' in uri]
    assert before == sorted(path for path in folders.rglob('*') if path.name != 'lock.sqlite')
    assert '1 copied, 1 skipped' in run(*copy, '--merge').err


def test_each_copy_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path))
    places = [f'http://{host}/data/projects/{name}' for host in 'ab' for name in 'PQ']
    folders = {staging_folder(source, dest) for source in places for dest in places}
    assert len(folders) == 16 and all(tmp_path in folder.parents for folder in folders)
    assert staging_folder(*places[:2]) in folders


@pytest.mark.sample(2)
@pytest.mark.parametrize('jobs', ['1', '4'])
def test_a_folder_put_to_two_places_is_sent_twice(
    jobs: str, run: Run, study: Any, other: Any, xnat: Any, tmp_path: Path
) -> None:
    folder = tmp_path / 'images'
    assert run('get', f'{study.id()}/S', str(folder)).status == 0
    source = str(folder / study.id() / 'S')
    third = xnat.select.project(f'{other.id()}_C').create()
    for project in (other, third):
        first, again = (run('-j', jobs, 'put', source, f'{project.id()}/S') for _ in range(2))
        assert (first.status, again.status) == (0, 0), (first, again)
        assert first.err.startswith('5 uploaded') and again.err.startswith('0 uploaded, 5 skipped')
        assert len(xnat.select(f'{project.subject("S").uri}//files').get()) == 5


@pytest.mark.parametrize(
    ('words', 'option'),
    [
        (['put', '{here}/T1.nii.gz', '{P}/S/E/1/NIFTI'], 'with --overwrite'),
        (['cp', '{P}/*', '{P}_B'], 'with --merge'),
        (['get', '{P}/S/E', '{here}/x', '--mapping', '{here}/T1.nii.gz'], 'Give --layout bids'),
    ],
)
def test_a_remedy_names_options_of_the_command_and_not_arguments_of_methods(
    words: list[str], option: str, run: Run, study: Any, other: Any, tmp_path: Path
) -> None:
    (tmp_path / 'T1.nii.gz').write_bytes(b'of other content')
    other.subject('S').create()
    found = run(*(word.format(P=study.id(), here=tmp_path) for word in words))
    assert option in found.err and '=True' not in found.err, found.err
