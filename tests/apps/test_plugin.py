"""Tests of the pytest fixtures of this package, in separate runs of pytest.

They cover the example of the documentation, isolation, settings and start-up costs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ['pytester']
Run = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'howto' / 'testing.rst'


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest with the plug-in in a folder with these files, in a process of its own.

    In this process, what it is the first to import would be imported twice: pytest forgets it.
    """
    monkeypatch.setenv('PYTHONPATH', str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv(
        'PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1'
    )  # other plug-ins take longer to load than these tests to run

    def start(*options: str, **files: str) -> pytest.RunResult:
        for name, text in files.items():
            pytester.path.joinpath(f'{name}.py').write_text(textwrap.dedent(text), encoding='utf-8')
        words = ('-p', 'pyxnat.apps.pytest_plugin', '-p', 'no:cacheprovider', *options)
        return pytester.runpytest_subprocess(*words, timeout=120)

    return start


def files_of(page: Path) -> dict[str, str]:
    """Return the files that a page shows, by their names without ``.py``."""
    found = re.findall(
        r'^\.\. code-block:: python\n   :caption: (\w+)\.py\n\n((?:[ ]{3}.*\n|\n)+)',
        page.read_text(encoding='utf-8'),
        re.MULTILINE,
    )
    return {name: textwrap.dedent(text) for name, text in found}


def test_the_example_of_the_page_passes(run: Run) -> None:
    files = files_of(PAGE)
    assert set(files) == {'tidy', 'conftest', 'test_tidy'}
    run(**files).assert_outcomes(passed=files['test_tidy'].count('\ndef test_'))


ISOLATED = """
import pytest
from pyxnat import Interface

@pytest.mark.parametrize('time', [1, 2])
def test_it_is_empty(xnat_archive, xnat_archive_server, time):
    assert xnat_archive.select.projects().get() == []
    assert set(xnat_archive.manage.users()) == {xnat_archive_server.user, 'guest'}
    subject = xnat_archive.select.project('P').subject('S').create()
    assert subject.id() == 'XNAT_S00001'
    subject.resource('R').file('a.txt').put(b'content')
    xnat_archive_server.add_user('ann', 'secret')

def test_it_is_not_the_common_one(xnat_archive, xnat_archive_server, xnat_server):
    assert xnat_archive_server.url == xnat_archive._server != xnat_server.url

@pytest.mark.parametrize('time', [1, 2])
def test_the_common_one_stays(xnat_server, time):
    with Interface(xnat_server.url, xnat_server.user, xnat_server.password) as xnat:
        assert xnat.select.projects().get() == ['COMMON'] * (time - 1)
        xnat.select.project('COMMON').create()
"""


def test_a_test_sees_nothing_of_other_tests_and_leaves_nothing(
    run: Run, pytester: pytest.Pytester
) -> None:
    run('--basetemp=left', test_isolated=ISOLATED).assert_outcomes(passed=5)
    assert [path.parent.parent.name for path in pytester.path.glob('left/**/archive.sqlite')] == [
        'xnat-first0'
    ]


SEEDED = """
import os
import pytest

@pytest.fixture(scope='session')
def xnat_seed():
    def fill(xnat):
        with open('seeded', 'a') as log:
            log.write('once')
        xnat.select('/projects/P/subjects/S').resource('R').file('a.txt').put(b'content')
    return fill

@pytest.mark.parametrize('time', [1, 2])
def test_each_begins_with_a_copy(xnat_archive, time):
    [file] = xnat_archive.select('/projects/P/subjects/S/resources/R/files')
    assert open(file.get(), 'rb').read() == b'content'
    file.delete()
    assert open('seeded').read() == 'once'

def test_the_common_one_has_it_too(xnat_server, tmp_path):
    import pyxnat
    login = xnat_server.user, xnat_server.password
    with pyxnat.Interface(xnat_server.url, *login, tmp_path) as xnat:
        assert xnat.select('/projects/P//files').get() == ['a.txt']
"""


def test_archives_are_copies_of_one_filled_archive(run: Run) -> None:
    run(test_seeded=SEEDED).assert_outcomes(passed=3)


SETTINGS = """
[pytest]
xnat_site = A Hospital-1
xnat_users =
    ann: sec:ret
    bob:word
xnat_schemas = schemas
"""

SCHEMA = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
           xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:lab="http://lab.example/lab"
           targetNamespace="http://lab.example/lab" elementFormDefault="qualified">
  <xs:element name="Visit" type="lab:visitData"/>
  <xs:complexType name="visitData">
    <xs:complexContent><xs:extension base="xnat:subjectAssessorData">
      <xs:sequence><xs:element name="weather" type="xs:string" minOccurs="0"/></xs:sequence>
    </xs:extension></xs:complexContent>
  </xs:complexType>
</xs:schema>
"""

SET = """
import pytest
import pyxnat

def test_the_site(xnat_archive):
    assert xnat_archive.select.project('P').subject('S').create().id() == 'AHospital_1_S00001'

@pytest.mark.parametrize('login, password', [('ann', 'sec:ret'), ('bob', 'word')])
def test_the_users(xnat_archive_server, login, password):
    with pyxnat.Interface(xnat_archive_server.url, login, password) as xnat:
        assert xnat.whoami() == login and xnat.select.projects().get() == []

def test_the_types(xnat_archive):
    visit = xnat_archive.select.project('P').subject('S').experiment('V')
    visit.create(experiments='lab:visitData', **{'lab:visitData/weather': 'fair'})
    assert visit.attrs.get('lab:visitData/weather') == 'fair'
"""


def test_the_settings_take_effect(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath('pytest.ini').write_text(SETTINGS, encoding='utf-8')
    pytester.mkdir('schemas').joinpath('lab.xsd').write_text(SCHEMA, encoding='utf-8')
    run(test_set=SET).assert_outcomes(passed=4)


OPTIONS = """
import urllib.request
import pytest

@pytest.fixture(scope='session')
def xnat_options(xnat_options):
    login = {'require_login': False, 'user': 'root', 'password': 'given'}
    return {**xnat_options, **login, 'context': '/xnat'}

def test_options(xnat_archive, xnat_archive_server):
    assert xnat_archive.whoami() == 'root' and xnat_archive_server.password == 'given'
    assert xnat_archive_server.url.endswith('/xnat')
    with urllib.request.urlopen(f'{xnat_archive_server.url}/data/projects?format=csv') as answer:
        assert answer.status == 200
"""


def test_options_can_be_overridden(run: Run) -> None:
    run(test_options=OPTIONS).assert_outcomes(passed=1)


ENVIRONMENT = """
import os
import pyxnat

def test_a_program_finds_the_archive(xnat_archive, xnat_environment):
    with pyxnat.Interface() as xnat:
        assert xnat._server == xnat_archive._server == xnat_environment['XNAT_HOST']
        assert xnat.whoami() == xnat_archive.whoami()
        assert xnat.cache.folder is not None

def test_the_environment_is_as_it_was():
    assert os.environ['XNAT_TOKEN'] == 'a:b' and 'XNAT_HOST' not in os.environ
"""


def test_programs_find_the_archive_through_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs find it even if the environment has a token, a proxy or offline mode."""
    for name, value in {
        'XNAT_TOKEN': 'a:b',
        'PYXNAT_OFFLINE': '1',
        'http_proxy': 'http://127.0.0.1:9',
        'NO_PROXY': 'example.org',
    }.items():
        monkeypatch.setenv(name, value)
    for name in ('XNAT_HOST', 'XNAT_USER', 'XNAT_PASS', 'no_proxy'):
        monkeypatch.delenv(name, raising=False)
    run(test_environment=ENVIRONMENT).assert_outcomes(passed=2)


def test_a_user_without_a_password_is_an_error(run: Run) -> None:
    result = run('-o', 'xnat_users=ann', test_one='def test_one(xnat_archive): pass')
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*xnat_users: 'ann' has no password; write each line as LOGIN:PASSWORD"]
    )


def test_without_the_libraries_of_the_server_only_tests_with_archives_fail(run: Run) -> None:
    result = run(
        conftest="import sys\nsys.modules['werkzeug'] = None",
        test_them='def test_with(xnat_archive): pass\n\ndef test_with_the_common_one(xnat_server): '
        'pass\n\ndef test_without(): pass',
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*pyxnat.server needs werkzeug: pip install 'pyxnat[[]server]'*"])


def test_the_server_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, '-c', "import sys; sys.modules['cheroot'] = None; import pyxnat.server"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (
        done.stderr.splitlines()[-1]
        == "ModuleNotFoundError: pyxnat.server needs cheroot: pip install 'pyxnat[server]'"
    )


def test_the_plugin_costs_nothing_if_it_is_not_used() -> None:
    script = (
        'import sys, pytest; before = set(sys.modules); import pyxnat.apps.pytest_plugin; '
        'print(*sorted(set(sys.modules) - before))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {'pyxnat', 'pyxnat.apps', 'pyxnat.apps.pytest_plugin', 'pyxnat.core', 'pyxnat.version'}
    assert set(done.stdout.split()) == loaded


def test_pytest_loads_the_plugin() -> None:
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    assert "'pytest11': ['pytest_pyxnat=pyxnat.apps.pytest_plugin']" in text


def test_the_page_names_every_fixture_and_setting() -> None:
    page, source = (
        PAGE.read_text(encoding='utf-8'),
        (ROOT / 'pyxnat' / 'apps' / 'pytest_plugin.py').read_text(encoding='utf-8'),
    )
    names = re.findall(r'^def (xnat_\w+)\(', source, re.MULTILINE) + re.findall(
        r"addini\(\s*'(\w+)'", source
    )
    assert len(names) == 9 and [name for name in names if not re.search(rf'\b{name}\b', page)] == []


def test_a_run_ends_without_warnings_of_sessions(run: Run) -> None:
    """The archives end before the Interfaces that tests leave open."""
    result = run(
        test_open="""
        import pyxnat

        kept = []

        def test_shared(xnat_server, tmp_path):
            user = xnat_server.user, xnat_server.password
            kept.append(pyxnat.Interface(xnat_server.url, *user, tmp_path))
            kept[-1].select.projects().get()

        def test_own(xnat_archive_server, xnat_archive, tmp_path):
            user = xnat_archive_server.user, xnat_archive_server.password
            kept.append(pyxnat.Interface(xnat_archive_server.url, *user, tmp_path))
            kept[-1].select.projects().get()
            xnat_archive.select.projects().get()
            kept.append(xnat_archive)
        """
    )
    result.assert_outcomes(passed=2)
    assert str(result.stderr) == '' and 'was not ended' not in str(result.stdout)
