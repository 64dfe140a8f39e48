"""Tests for programs written for pyxnat 1.x: old module names, arguments and underscore names."""

from __future__ import annotations

import importlib
import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.compat import xpass
from pyxnat.core import OLD_NAMES
from pyxnat.services import arrays
from pyxnat.tables import JsonTable, csv_to_json
from tests.support.unreadable import make_unreadable

ROOT = Path(__file__).parents[2]

# -- module names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(('old', 'new'), OLD_NAMES.items())
def test_an_old_module_name_is_the_new_module(old: str, new: str) -> None:
    module = importlib.import_module(f'pyxnat.{new}')
    assert importlib.import_module(f'pyxnat.core.{old}') is module is getattr(pyxnat.core, old)
    assert importlib.import_module(f'pyxnat.{old}') is module is getattr(pyxnat, old)
    assert module.__name__ == f'pyxnat.{new}'


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    'statement',
    [
        'from pyxnat.core.errors import DatabaseError, DataError, OperationalError, Error',
        'from pyxnat.core.resources import Project, File, Scan, Subject, Experiment, Assessor, '
        'Reconstruction, Resource',
        'from pyxnat.core.jsonutil import JsonTable, csv_to_json',
        'from pyxnat.core.interfaces import Interface',
        'from pyxnat.core import Interface, Inspector, SearchManager, Select, Users',
        'from pyxnat import Users, users, schema, xpath_store; users.Users is Users',
        'from pyxnat.core import tags, users, schema, xpath_store, pipelines',
        'from pyxnat import Interface, Select, Inspector',
        'import pyxnat as px; px.jsonutil.JsonTable',
        'import pyxnat.jsonutil; pyxnat.jsonutil.csv_to_json',
        'import pyxnat; pyxnat.core.errors.DatabaseError; pyxnat.core.xpass.find_token; '
        'pyxnat.compat.xpass.path',
        'import pyxnat; pyxnat.__version__; pyxnat.interfaces.Interface; pyxnat.resources.Project; '
        'pyxnat.uriutil; pyxnat.attributes; pyxnat.help',
        'from pyxnat import core, jsonutil, interfaces, resources, select, help, xpass, uriutil, '
        'attributes, manage',
    ],
)
def test_an_old_import_works_in_a_fresh_interpreter(statement: str) -> None:
    subprocess.run([sys.executable, '-W', 'error', '-c', statement], check=True, cwd=ROOT)


def test_an_old_module_without_a_successor_fails_at_import() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('pyxnat.core.downloadutils')


def test_errors_caught_by_the_old_name_are_the_raised_ones(xnat: pyxnat.Interface) -> None:
    from pyxnat.core.errors import DatabaseError

    with pytest.raises(DatabaseError):
        xnat._exec('/data/projects/NOPE')


def test_a_pickle_with_the_old_name_can_be_read() -> None:
    old = pickle.dumps(JsonTable([{'a': '1'}])).replace(
        b'pyxnat.tables.table', b'pyxnat.core.jsonutil'
    )
    old = old.replace(b'\x8c\x13pyxnat.core.jsonutil', b'\x8c\x14pyxnat.core.jsonutil')
    frame = old.index(b'\x95')
    old = old[: frame + 1] + (len(old) - frame - 9).to_bytes(8, 'little') + old[frame + 9 :]
    assert pickle.loads(old).data == [{'a': '1'}]


# -- Interface -------------------------------------------------------------------------------------


@pytest.fixture
def config(server: Any, tmp_path: Path) -> Path:
    """Write a configuration file as pyxnat 1.x did."""
    path = tmp_path / 'xnat.cfg'
    path.write_text(
        json.dumps(
            {
                'server': server.url,
                'user': server.user,
                'password': server.password,
                'verify': True,
                'proxy': None,
            }
        )
    )
    path.chmod(0o600)
    return path


def test_arguments_can_be_positional(server: Any, tmp_path: Path, config: Path) -> None:
    with pyxnat.Interface(
        server.url, server.user, server.password, str(tmp_path / 'cache')
    ) as interface:
        assert interface.select.projects().get() is not None and interface._user == server.user
    with (
        pytest.warns(DeprecationWarning, match='config='),
        pyxnat.Interface(server.url, 'nobody', 'wrong', str(config)) as interface,
    ):
        assert interface._user == server.user and interface.head('/data/projects').ok


def test_a_configuration_in_the_home_folder_is_found(
    config: Path, monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
    monkeypatch.setenv('HOME', str(config.parent))
    monkeypatch.setenv('USERPROFILE', str(config.parent))
    with pyxnat.Interface(config='~/xnat.cfg') as interface:
        assert interface._server == server.url


def test_a_configuration_is_saved_and_loaded(
    xnat: pyxnat.Interface, tmp_path: Path, server: Any
) -> None:
    place = tmp_path / 'new' / 'saved.cfg'
    xnat.save_config(str(place))
    assert os.name != 'posix' or place.stat().st_mode & 0o777 == 0o600
    with pyxnat.Interface(server.url, anonymous=True) as guest:
        assert guest._anonymous
        guest.load_config(str(place))
        assert (guest._user, guest._anonymous) == (server.user, False)
        assert guest.select.projects().get() == xnat.select.projects().get()
    with pytest.raises(errors.ConfigurationError, match='does not exist'):
        xnat.load_config(tmp_path / 'nope.cfg')
    assert xnat.head('/data/projects').ok


def test_a_wrong_login_fails_in_head_and_exec_but_not_in_the_constructor(server: Any) -> None:
    wrong = pyxnat.Interface(user='admin', password='wrong', server=server.url, verify=True)
    assert not wrong.head('').ok
    with pytest.raises(errors.DatabaseError):
        wrong._exec('/data/JSESSION', method='DELETE')
    with pytest.raises(errors.AuthenticationError):
        wrong.select.projects().get()


def test_a_valid_login_passes_head(xnat: pyxnat.Interface) -> None:
    assert xnat.head('').ok


def test_a_wrong_password_with_a_colon_is_an_error(server: Any) -> None:
    answer = pyxnat.Interface(server.url, 'admin', 'wr:ong').head('/data/projects')
    assert (answer.ok, answer.status_code) == (False, 401)


class Subclass(pyxnat.Interface):
    """Subclass as in dax: attributes before ``__init__``, which is called again to reconnect."""

    def __init__(self, host: str, user: str, pwd: str) -> None:
        self.host, self.user, self.pwd = host, user, pwd
        self.asked: list[str] = []
        self.connect()
        self._exec('/data/JSESSION', method='DELETE')
        self.connect()

    def connect(self) -> None:
        super().__init__(server=self.host, user=self.user, password=self.pwd)

    def disconnect(self) -> None:
        super().disconnect()

    def _exec(
        self,
        uri: str,
        method: str = 'GET',
        body: Any = None,
        headers: Any = None,
        force_preemptive_auth: bool = False,
        **kwargs: Any,
    ) -> bytes:
        self.asked.append(f'{method} {uri}')
        return super()._exec(
            uri, method, body, headers, force_preemptive_auth, timeout=300, **kwargs
        )


def test_a_subclass_sees_all_requests_and_keeps_its_attributes(server: Any, project: Any) -> None:
    with Subclass(server.url, server.user, server.password) as interface:
        assert (interface.host, interface.user, interface.pwd) == (
            server.url,
            server.user,
            server.password,
        )
        interface.select.project(project.id()).subject('S1').create()
        assert project.id() in interface.select.projects().get()
        assert interface.select(f'/projects/{project.id()}/subjects/S1').attrs.get('label') == 'S1'
        interface.select('xnat:subjectData', ['xnat:subjectData/SUBJECT_ID']).all()
    methods = [asked.split()[0] for asked in interface.asked]
    assert methods[0] == 'DELETE' and {'PUT', 'GET', 'POST'} <= set(methods)


def test_connecting_again_leaves_no_session_behind(server: Any, tmp_path: Path) -> None:
    interface = pyxnat.Interface(server.url, server.user, server.password)
    interface.select.projects().get()
    first = interface._jsession
    interface.__init__(server=server.url, user=server.user, password=server.password)  # type: ignore[misc]
    assert interface._jsession == ''
    interface.select.projects().get()
    assert interface._jsession not in ('', first)
    guest = pyxnat.Interface(server.url, anonymous=True)
    guest._http.cookies.update({'JSESSIONID': first})
    assert guest.get('/xapi/users/username').text != server.user
    interface.disconnect()


def test_close_jsession_ends_the_session(server: Any) -> None:
    interface = pyxnat.Interface(server.url, server.user, server.password)
    with interface.trace() as trace:
        interface.close_jsession()
    assert trace.requests == 0
    interface.select.projects().get()
    with interface.trace() as trace:
        interface.close_jsession()
        interface.close_jsession()
    assert trace.requests == 1 and interface._jsession == ''


def test_a_session_opened_by_another_program_can_be_used(
    xnat: pyxnat.Interface, server: Any, project: Any
) -> None:
    guest = pyxnat.Interface(server=server.url, verify=True, anonymous=True)
    with pytest.raises(errors.AuthenticationError):
        guest.select.projects().get()
    guest._http.cookies.update(xnat._http.cookies)
    assert project.id() in guest.select.projects().get()


def test_underscore_names_still_exist(xnat: pyxnat.Interface, server: Any, scan: Any) -> None:
    assert (xnat._server, xnat._user, xnat._anonymous, xnat._verify, xnat._entry) == (
        server.url,
        server.user,
        False,
        True,
        '/data',
    )
    with xnat.trace() as trace:
        assert xnat._get_entry_point() == '/data'
    assert trace.requests == 0
    xnat._memtimeout = 5.0  # type: ignore[attr-defined]
    xnat._connect()
    assert (
        scan._intf is xnat
        and scan._urn == '1'
        and scan._uri.startswith('/data/projects/')
        and scan._uri.endswith('/experiments/S1_MR/scans/1')
    )
    file = scan.resource('R').file('a.txt').put(b'a')
    assert xnat._get_head(file._uri)['Last-Modified'] == xnat._get_head(file._uri)['last-modified']
    with pytest.raises(errors.NotFoundError):
        xnat._get_head(f'{file._uri}x')


def test_exec_takes_the_old_arguments(xnat: pyxnat.Interface, project: Any) -> None:
    assert isinstance(
        xnat._exec(
            '/data/projects', 'GET', {'format': 'csv'}, {'Accept': '*/*'}, False, timeout=300
        ),
        bytes,
    )
    assert json.loads(xnat._exec('/data/projects', 'GET'))['ResultSet']['Result']
    assert xnat._exec(uri='xapi/siteConfig/buildInfo', method='GET').decode('utf-8').startswith('{')
    with pytest.raises(TypeError, match='nope'):
        xnat._exec('/data/projects', nope=1)


def test_get_json_returns_rows_of_text(xnat: pyxnat.Interface, project: Any) -> None:
    project.subject('S1').create(yob='1960')
    for uri in (
        '/REST/projects/{}/subjects?columns=ID,label,yob',
        '/data/projects/{}/subjects?format=csv&columns=ID,label,yob',
    ):
        (row,) = xnat._get_json(uri.format(project.id()))
        assert (row['label'], row['yob']) == ('S1', '1960')


def test_the_version_is_that_of_the_server(xnat: pyxnat.Interface) -> None:
    assert isinstance(xnat.version(), (bytes, dict)) and xnat.version()


def test_logging_is_configured(caplog: pytest.LogCaptureFixture, xnat: pyxnat.Interface) -> None:
    logger = logging.getLogger('pyxnat')
    before = logger.level, list(logger.handlers)
    try:
        xnat.set_logging(2)
        xnat.select.projects().get()
        assert any('/data/projects' in record.getMessage() for record in caplog.records)
        assert not any('admin:' in record.getMessage() for record in caplog.records)
        xnat.set_logging()
        assert logger.level == logging.WARNING
    finally:
        logger.setLevel(before[0])
        logger.handlers[:] = before[1]


# -- ~/.xnatPass -----------------------------------------------------------------------------------


def test_the_old_functions_read_the_file_of_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    assert xpass.path() == str(tmp_path / '.xnatPass')
    assert xpass.read_xnat_pass(xpass.path()) is None
    (tmp_path / '.xnatPass').write_text('-off@a=b\n+me@host:8080/xnat=se=cr@et\n+other@b=c\n')
    assert xpass.read_xnat_pass(xpass.path()) == {
        'host': 'host:8080/xnat',
        'u': 'me',
        'p': 'se=cr@et',
    }


@pytest.mark.parametrize(
    ('lines', 'found'),
    [
        (['+u@h=p'], {'host': 'h', 'u': 'u', 'p': 'p'}),
        (['', '# x', '+u@h:80=p\n'], {'host': 'h:80', 'u': 'u', 'p': 'p'}),
        (['+u@h='], {'host': 'h', 'u': 'u', 'p': ''}),
        (['u@h=p'], None),
        (['+u=p'], None),
        (['+@h=p'], None),
        (['+u@=p'], None),
        ([], None),
    ],
)
def test_a_line_is_parsed(lines: list[str], found: Any) -> None:
    assert xpass.parse_xnat_pass(lines) == found


def test_tokens_of_a_line_are_found() -> None:
    assert xpass.find_token('@', ' a @ b@c ') == ('a', 'b@c')
    assert xpass.find_token('@', 'a') is None and xpass.find_token('@', '@b') is None
    assert xpass.find_plus_line(['a', '+b', '+c']) == 'b' and xpass.find_plus_line([]) is None


# -- tables and arrays -----------------------------------------------------------------------------


def test_csv_to_json_takes_text() -> None:
    assert csv_to_json('a,b\n1,"x, y"\n') == [{'a': '1', 'b': 'x, y'}] and csv_to_json('') == []


def test_values_of_an_array_are_escaped() -> None:
    uri = arrays.listing(
        'xnat:mrSessionData', ['ID', 'ID', 'label'], project_id='A&B=1', subject_label='ü %'
    )
    assert (
        uri == '/data/experiments?xsiType=xnat:mrSessionData&project=A%26B%3D1&xnat:subjectData/'
        'label=%C3%BC%20%25&columns=ID,label'
    )


@pytest.fixture
def sessions(project: Any) -> Any:
    """Create an MR session with two scans and a PET session, of two subjects."""
    session = (
        project.subject('S1')
        .experiment('MR')
        .create(experiments='xnat:mrSessionData', date='2020-01-01')
    )
    session.scan('1').create(type='T1', quality='usable')
    session.scan('2').create(type='T2', quality='unusable')
    project.subject('S2').experiment('PET').create(
        experiments='xnat:petSessionData', date='2021-01-01'
    )
    return project


@pytest.mark.parametrize(
    ('ask', 'labels'),
    [
        (
            lambda array, project: array.experiments(project_id=project, columns=['label']),
            ['MR', 'PET'],
        ),
        (lambda array, project: array.mrsessions(project_id=project, columns=['label']), ['MR']),
        (
            lambda array, project: array.experiments(
                project_id=project, subject_label='S2', columns=['label']
            ),
            ['PET'],
        ),
        (
            lambda array, project: array.experiments(
                project, experiment_label='MR', columns=['label']
            ),
            ['MR'],
        ),
        (
            lambda array, project: array.experiments(
                project, experiment_type='xnat:petSessionData', columns=['label']
            ),
            ['PET'],
        ),
        (
            lambda array, project: array.experiments(
                project, columns=['label'], constraints={'date': '2021*'}
            ),
            ['PET'],
        ),
        (
            lambda array, project: array.experiments(
                project, experiment_label='nope', columns=['label']
            ),
            [],
        ),
        (lambda array, project: array.scans(project, columns=['label']), ['MR', 'MR']),
        (lambda array, project: array.mrscans(project, columns=['label']), ['MR', 'MR']),
        (
            lambda array, project: array.mrscans(
                project, columns=['label'], constraints={'xnat:mrScanData/type': 'T2'}
            ),
            ['MR'],
        ),
        (
            lambda array, project: array.scans(
                project,
                experiment_type='xnat:petSessionData',
                scan_type='xnat:petScanData',
                columns=['label'],
            ),
            [],
        ),
    ],
)
def test_an_array_takes_one_request(
    xnat: pyxnat.Interface, sessions: Any, ask: Any, labels: list[str]
) -> None:
    name = sessions.id()
    with xnat.trace() as trace:
        table = ask(xnat.array, name)
    assert isinstance(table, JsonTable) and trace.requests == 1
    assert sorted(table.get('label', always_list=True)) == labels
    assert all(row['project'] == sessions.id() for row in table)


def test_an_array_of_one_subject_is_filtered_by_its_id(
    xnat: pyxnat.Interface, sessions: Any
) -> None:
    subject = sessions.subject('S1').id()
    (row,) = xnat.array.experiments(subject_id=subject).data
    assert row['subject_ID'] == subject
    (row,) = xnat.array.mrsessions(subject_id=subject).data
    assert row['xnat:mrsessiondata/subject_id'] == subject


def test_experiments_are_searched(xnat: pyxnat.Interface, sessions: Any) -> None:
    column = 'xnat:mrSessionData/LABEL'
    found = xnat.array.search_experiments(
        project_id=sessions.id(), subject_label='S1', columns=[column]
    )
    assert found.items() == [('MR',)]
    either = [('xnat:mrSessionData/LABEL', '=', 'MR'), ('xnat:mrSessionData/LABEL', '=', 'x'), 'OR']
    assert (
        len(xnat.array.search_experiments(sessions.id(), columns=[column], constraints=either)) == 1
    )
    assert (
        len(
            xnat.array.search_experiments(
                sessions.id(),
                columns=[column],
                constraints=[('xnat:mrSessionData/LABEL', '=', 'x')],
            )
        )
        == 0
    )


def test_values_are_inspected(xnat: pyxnat.Interface, sessions: Any) -> None:
    project = sessions.id()
    session = sessions.subject('S1').experiment('MR')
    assessor = session.assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    session.reconstruction(f'REC_{project}').create()
    assert project in xnat.inspect.project_values()
    assert xnat.inspect.subject_values(project) == sorted(sessions.subjects().get())
    assert xnat.inspect.experiment_values('xnat:mrSessionData', project) == [session.id()]
    assert len(xnat.inspect.experiment_values('xnat:imageSessionData', project)) == 2
    assert xnat.inspect.scan_values('xnat:mrSessionData', project) == ['1', '2']
    assert xnat.inspect.assessor_values('xnat:mrSessionData', project) == [assessor.id()]
    assert xnat.inspect.reconstruction_values('xnat:mrSessionData', project) == [f'REC_{project}']


# -- helpers of the old modules --------------------------------------------------------------------

SESSION = '/data/projects/P/subjects/S/experiments/E'


@pytest.mark.parametrize(
    ('function', 'arguments', 'result'),
    [
        ('uri_last', (SESSION,), 'E'),
        ('uri_nextlast', (SESSION,), 'experiments'),
        ('uri_nextlast', (f'{SESSION}/resources/1/files/a/b',), 'files'),
        ('uri_parent', (SESSION,), SESSION.removesuffix('/E')),
        ('uri_parent', (f'{SESSION}/resources/1/files/a/b',), f'{SESSION}/resources/1/files'),
        ('uri_grandparent', (SESSION,), '/data/projects/P/subjects/S'),
        ('uri_grandparent', (f'{SESSION}/resources/1/files/a/b',), f'{SESSION}/resources/1'),
        ('uri_split', (SESSION,), [SESSION.removesuffix('/E'), 'E']),
        ('uri_segment', (SESSION,), SESSION),
        ('uri_segment', (SESSION, -2), '/experiments/E'),
        ('uri_segment', (SESSION, 2, 4), '/projects/P'),
        ('join_uri', ('/data', '/projects', 'P/'), '/data/projects/P'),
        ('make_uri', ({'subjects': 'S', 'projects': 'P'},), '/projects/P/subjects/S'),
        ('extract_uri', (f'{SESSION}/scans',), ('P', 'S', 'E')),
        ('extract_uri', (SESSION,), None),
        ('translate_uri', ('/a/in_files',), '/a/in/files'),
        ('inv_translate_uri', ('/a/out/resources/1',), '/a/out_resources/1'),
    ],
)
def test_helpers_on_uris(function: str, arguments: tuple[Any, ...], result: Any) -> None:
    uriutil = importlib.import_module('pyxnat.core.uriutil')
    assert getattr(uriutil, function)(*arguments) == result


def test_helpers_on_rows() -> None:
    from pyxnat.core import jsonutil

    rows = [{'ID': '1', 'a': 'x'}, {'ID': '2', 'a': 'y'}]
    assert jsonutil.get_column(rows, 'a') == ['x', 'y'] == jsonutil.get_column(rows, 'a', '*')
    assert jsonutil.get_column(rows[0], 'a') == ['x'] and jsonutil.get_column([], 'a') == []
    assert jsonutil.get_column(rows, 'a', 'y*') == ['y']
    assert jsonutil.get_where(rows, a='x') == rows[:1] == jsonutil.get_where_not(rows, a='y')
    assert jsonutil.get_headers(rows) == ['ID', 'a'] and jsonutil.get_headers([]) == []
    assert jsonutil.get_selection(rows, ['a']) == [{'a': 'x'}, {'a': 'y'}]
    joined = jsonutil.join_tables('ID', rows, [{'ID': '1', 'b': 'z'}, {'ID': '2', 'b': 'w'}])
    assert joined == [{'ID': '1', 'a': 'x', 'b': 'z'}, {'ID': '2', 'a': 'y', 'b': 'w'}]


def test_classes_of_old_modules_can_be_created(xnat: pyxnat.Interface, P: str) -> None:
    from pyxnat.core import attributes, manage, pathutil, schema, select
    from pyxnat.core import help as old_help

    assert manage.ProjectManager(P, xnat).owners() == ['admin']
    assert isinstance(manage.PreArchive(xnat).get(), list)
    assert manage.GlobalManager(xnat).project(P).exists()
    assert manage.SchemaManager(xnat)() == [] and 'admin' in manage.Users(xnat)()
    assert old_help.SchemasInspector(xnat).look_for('gender', 'xnat:subjectData')
    assert repr(old_help.PaintGraph(xnat)) == repr(xnat.draw)
    assert select.compute('/projects') == xnat.select.compute('/projects') == ['/projects/*']
    assert isinstance(xnat.select.project(P).attrs, attributes.EAttrs)
    old = importlib.import_module('pyxnat.core.resources')
    assert isinstance(xnat.select.project(P), old.EObject)
    assert isinstance(xnat.select.projects(), old.CObject)
    assert schema.class_name(xnat.select.projects()) == 'Projects'
    assert 'resources' in schema.resources_tree['scans']
    assert schema.json['scans'] == ['ID', 'ID']
    assert pathutil.ensure_dir_exists(ROOT) and str(ROOT / 'README.rst') in pathutil.find_files(
        ROOT
    )


@pytest.mark.parametrize('depth', range(3))
@pytest.mark.parametrize('kind', ['none', 'above', 'itself', 'two that lead to each other'])
def test_files_of_linked_folders_are_found_once(tmp_path: Path, depth: int, kind: str) -> None:
    from pyxnat.core.pathutil import find_files

    root, other = tmp_path / 'root', tmp_path / 'other'
    deep = root.joinpath(*'abc'[:depth])
    for folder in (deep, other):
        folder.mkdir(parents=True)
        (folder / 'file').touch()
    (root / 'linked').symlink_to(other)
    (root / 'broken').symlink_to(tmp_path / 'missing')
    target = {'above': root, 'itself': deep, 'two that lead to each other': other}.get(kind)
    if target is not None:
        (deep / 'back').symlink_to(target)
    if kind.startswith('two'):
        (other / 'back').symlink_to(deep)
    found = find_files(root)
    expected = {deep / 'file', root / 'linked/file', root / 'broken'}
    if kind.startswith('two'):  # each is the first on its own way
        expected.add(deep / 'back/file')
    if kind.startswith('two') and depth:
        expected.add(root / 'linked/back/file')
    assert sorted(found) == sorted(map(str, expected))


@pytest.mark.parametrize('kind', ['missing', 'file', 'unreadable', 'one below'])
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, kind: str) -> None:
    from pyxnat.core.pathutil import find_files

    place = tmp_path / 'folder' / 'below' if kind == 'one below' else tmp_path / 'folder'
    if kind == 'file':
        place.touch()
    elif kind != 'missing':
        make_unreadable(place)
    with pytest.raises(OSError, match='folder'):
        find_files(tmp_path / 'folder')


def test_graphs_of_the_old_help(xnat: pyxnat.Interface, P: str) -> None:
    pytest.importorskip('networkx')
    from pyxnat.core.help import GraphData

    graphs = GraphData(xnat)
    assert {('datatypes', 'xnat'), ('xnat', 'xnat:mrSessionData')} <= set(graphs.datatypes().edges)
    assert ('xnat', 'xnat:mrScanData') in graphs.rest_resource('scans').edges
    values = graphs.field_values('xnat:subjectData/HANDEDNESS')
    assert values.has_edge('xnat:subjectData/HANDEDNESS', 'right') and values.weights['right'] >= 1
    assert 'projects_subjects_experiments' in graphs.architecture(with_datatypes=False)
    whole = graphs.architecture()
    assert ('projects_subjects_experiments_scans', 'xnat:mrScanData') in whole.edges
    assert set(whole) == set(whole.labels) == set(whole.weights)
