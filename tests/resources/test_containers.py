"""Containers: launches, waiting, logs; of the archive, and with responses as of XNAT's plug-in."""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.resources.containers import ContainerRun
from pyxnat.server import serve
from tests.support.scripted import Reply, Request, ScriptedServer
from tests.support.waiting import wait_until

MR = {'experiments': 'xnat:mrSessionData'}
TIMEOUT_S = 60


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve an archive with wrappers, and users of several roles."""

    def told(container: Any) -> None:
        container.log(f'{container.datatype} {json.dumps(dict(container.inputs), sort_keys=True)}')

    def fails(container: Any) -> None:
        raise ValueError('no such scan')

    def waits(container: Any) -> None:
        assert container.killed.wait(TIMEOUT_S)

    users = {'other': 'a password'}
    folder = tmp_path_factory.mktemp('archive')
    with serve(folder, durable=False, users=users) as running:
        containers = running.archive.containers
        containers.add('tells', 'xnat:imageSessionData', run=told, inputs={'level': '1'})
        containers.add('fails', 'xnat:mrSessionData', run=fails)
        containers.add('waits', 'xnat:mrSessionData', run=waits)
        containers.add('needs', 'xnat:mrSessionData', run=told, inputs={'level': ''})
        containers.add('elsewhere', 'xnat:mrSessionData', run=told, projects=['OTHER'])
        for kind in ('xnat:projectData', 'xnat:subjectData', 'xnat:mrScanData'):
            containers.add(f'of {kind}', kind, run=told)
        yield running


@pytest.fixture
def session(project: Any) -> Any:
    """Create a session with a scan."""
    found = project.subject('S').create().experiment('E').create(**MR)
    found.scan('2').create(type='T1')
    return found


def test_a_run_ends_with_its_logs(session: Any) -> None:
    run = session.run('tells', level=3).wait(TIMEOUT_S, 0.05)
    root = f'/archive/experiments/{session.id()}'
    assert run.status() == 'Complete'
    assert run.logs() == f'xnat:mrSessionData {{"level": "3", "session": "{root}"}}\n'
    assert run.logs('stderr') == ''
    again = ContainerRun(session, 'tells', run.workflow)
    assert again.container_id() == run.container_id() and 'tells on E' in repr(again)


def test_wrappers_are_those_for_the_type_in_the_project(session: Any) -> None:
    names = [wrapper['wrapper-name'] for wrapper in session.wrappers()]
    assert names == ['tells', 'fails', 'waits', 'needs']
    with pytest.raises(errors.NotFoundError, match=r'tells \(1\), fails \(2\)'):
        session.run('elsewhere')


def test_all_levels_have_a_root_of_their_own(session: Any) -> None:
    subject, scan = session.parent(), session.scan('2')
    found = []
    for element in (subject.parent(), subject, scan):
        (wrapper,) = element.wrappers()
        run = element.run(wrapper['wrapper-id']).wait(TIMEOUT_S, 0.05)
        found.append(json.loads(run.logs().split(' ', 1)[1]))
    assert found == [
        {'project': f'/archive/projects/{subject.parent().id()}'},
        {'subject': f'/archive/subjects/{subject.id()}'},
        {'scan': f'/archive/experiments/{session.id()}/scans/2'},
    ]


def test_failures_say_what_is_wrong(session: Any) -> None:
    message = r'Failed \(Command resolution\) \(Missing values for required inputs: level\)'
    with pytest.raises(errors.DataError, match=message):
        session.run('needs').wait(TIMEOUT_S, 0.05)
    run = session.run('fails')
    with pytest.raises(errors.DataError, match="fails on E: Failed.*logs\\('stderr'\\)"):
        run.wait(TIMEOUT_S, 0.05)
    assert run.logs('stderr').endswith('ValueError: no such scan\n')
    with pytest.raises(errors.ProgrammingError, match='stdout or stderr'):
        run.logs('both')


def test_a_run_that_goes_on_can_be_killed(session: Any) -> None:
    run = session.run('waits')
    with pytest.raises(errors.NetworkTimeout, match='Queued|Running'):
        run.wait(0)
    assert wait_until(lambda: run.status() == 'Running', 'the container to start')
    run.kill()
    with pytest.raises(errors.DataError, match=r'Failed \(Killed\) \(killed by'):
        run.wait(TIMEOUT_S, 0.05)


def test_a_crash_leaves_no_run_open(server: Any, session: Any) -> None:
    ended, run = session.run('tells').wait(TIMEOUT_S, 0.05), session.run('waits')
    assert wait_until(lambda: run.status() == 'Running', 'the container to start')
    with server.archive.store.write() as connection:
        server.archive.containers.resume(connection)  # as the next start after a crash does
    assert (ended.status(), run.status()) == ('Complete', 'Failed')
    run.kill()


def test_many_are_launched_and_waited_for(project: Any) -> None:
    for label in ('A', 'B', 'C'):
        kind = 'xnat:petSessionData' if label == 'C' else 'xnat:mrSessionData'
        project.subject('S').experiment(label).create(experiments=kind)
    runs = project.subjects().experiments().run('fails')
    assert repr(runs) == '<ContainerRuns: 2 launched, 1 failed>'
    report = runs.wait(TIMEOUT_S, 0.05)
    assert [type(failure.error) for failure in report.failed] == [errors.DataError] * 2
    runs = project.subjects().experiments().run('tells')
    assert len(runs) == 3 and runs.wait(TIMEOUT_S, 0.05).check().results == ['Complete'] * 3


def test_only_those_who_may_edit_launch_and_see(server: Any, session: Any, tmp_path: Path) -> None:
    run = session.run('tells').wait(TIMEOUT_S, 0.05)
    project = session.parent().parent()
    project.set_accessibility('public')
    with pyxnat.Interface(server.url, 'other', 'a password', tmp_path / 'other') as other:
        theirs = other.select(session.uri)
        with pytest.raises(errors.PermissionDenied, match='Insufficient privileges'):
            theirs.run('tells')
        with pytest.raises(errors.PermissionDenied):
            ContainerRun(theirs, 'tells', run.workflow).logs()
        assert json.loads(other.get('/xapi/containers').text) == []
    project.set_accessibility('private')
    with pyxnat.Interface(server.url, 'other', 'a password', tmp_path / 'again') as other:
        uri = f'/xapi/containers/{run.container_id()}'
        assert other.get(uri).status_code == 404


def test_bulk_launch_answers_as_the_plugin(xnat: Any, session: Any) -> None:
    uri = f'/xapi/projects/{session.parent().parent().id()}/wrappers/1/root/session/bulklaunch'
    targets = [f'/archive/experiments/{session.id()}', '/archive/experiments/NONE', 'nonsense']
    response = xnat.post(uri, json={'session': json.dumps(targets)})
    report = response.json()
    assert [one['workflow-id'] for one in report['successes']] == ['To be assigned']
    assert [one['status'] for one in report['failures']] == ['failure'] * 2


def test_a_server_without_the_service_is_named(tmp_path: Path) -> None:
    with (
        serve(tmp_path / 'archive', durable=False) as plain,
        pyxnat.Interface(plain.url, plain.user, plain.password, tmp_path / 'cache') as xnat,
    ):
        project = xnat.select.project('P').create()
        with pytest.raises(errors.NotSupportedError, match='has no Container Service.*plug-in'):
            project.run('anything')
        assert xnat.get('/xapi/containers').status_code == 404


def test_the_example_runs_all_sessions(
    server: Any, session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (('HOST', server.url), ('USER', server.user), ('PASS', server.password)):
        monkeypatch.setenv(f'XNAT_{name}', value)
    example = Path(__file__).parents[2] / 'examples' / 'run_containers.py'
    project = session.parent().parent().id()
    found = []
    for arguments in ([project], [project, 'tells', 'level=2'], [project, 'fails']):
        monkeypatch.setattr(sys, 'argv', ['run_containers.py', *arguments])
        found.append((runpy.run_path(str(example))['main'](), capsys.readouterr()))
    assert [status for status, _ in found] == [0, 0, 1]
    assert found[0][1].out == 'xnat:mrSessionData: tells, fails, waits, needs\n'
    assert found[1][1].out == 'E: Complete\n' and 'FAILED' in found[2][1].err


# -- responses as the source of the plug-in has them -----------------------------------------------

AVAILABLE = [
    {
        'command-id': 7,
        'command-name': 'nifti',
        'wrapper-id': 12,
        'wrapper-name': 'nifti-session',
        'wrapper-contexts': ['xnat:imageSessionData'],
        'enabled': True,
        'root-element-name': 'session',
    }
]


class Plugin:
    """Answers as the plug-in: a workflow in a queue, which has no container at first."""

    def __init__(self) -> None:
        self.statuses = ['_Queued', 'Staging', 'Running', 'Waiting (Complete)', 'Finalizing']
        self.end = 'Complete'
        self.refusal = ''
        self.comments = ''
        self.sent: list[dict[str, str]] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        path = request.uri.partition('?')[0]
        if path.endswith('/commands/available'):
            return self._json(AVAILABLE)
        if path.endswith('/launch'):
            self.sent.append(json.loads(request.body))
            return self._launched()
        if path.startswith('/data/workflows/'):
            with self._lock:
                status = self.statuses.pop(0) if self.statuses else self.end
            fields = {'status': status, 'comments': self.comments, 'details': 'no space'}
            return self._json({'items': [{'data_fields': fields}]})
        if path.endswith('/containers'):
            return self._json([{'id': 40, 'workflow-id': '98'}, {'id': 41, 'workflow-id': '99'}])
        if path.endswith('/containers/41/logs/stdout'):
            return Reply(body=b'done\n', headers={'Content-Type': 'text/plain'})
        return Reply(status=404)

    def _launched(self) -> Reply:
        report = {'params': {'session': 'x' * 900}, 'id': None, 'wrapper-id': 12}
        if self.refusal:
            return self._json({**report, 'status': 'failure', 'message': self.refusal}, 500)
        return self._json({**report, 'status': 'success', 'workflow-id': '99'})

    @staticmethod
    def _json(value: Any, status: int = 200) -> Reply:
        headers = {'Content-Type': 'application/json'}
        return Reply(status=status, body=json.dumps(value).encode(), headers=headers)


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


@pytest.fixture
def remote(plugin: Plugin, tmp_path: Path) -> Iterator[Any]:
    """Return a session of a server with the plug-in."""
    row = {'ID': 'X_E1', 'label': 'E', 'project': 'P', 'xsiType': 'xnat:mrSessionData'}
    with (
        ScriptedServer(plugin) as scripted,
        pyxnat.Interface(scripted.url, 'u', 'p', tmp_path / 'cache') as interface,
    ):
        session = interface.select('/projects/P/experiments/X_E1')
        session.row.update(row)
        yield session


def test_a_run_is_followed_through_all_statuses(remote: Any, plugin: Plugin) -> None:
    run = remote.run('nifti-session', overwrite=True, depth=2).wait(TIMEOUT_S, 0.01)
    assert plugin.sent == [
        {'overwrite': 'true', 'depth': '2', 'session': '/archive/experiments/X_E1'}
    ]
    assert (run.workflow, run.status(), run.logs()) == ('99', 'Complete', 'done\n')
    plugin.comments = '41'
    assert run.container_id() == '41'


def test_a_failure_before_the_container_has_its_reason(remote: Any, plugin: Plugin) -> None:
    plugin.end = 'Failed (Staging)'
    with pytest.raises(errors.DataError, match=r'Failed \(Staging\) \(no space\)'):
        remote.run('nifti').wait(TIMEOUT_S, 0.01)


def test_a_refused_launch_has_the_message_of_the_report(remote: Any, plugin: Plugin) -> None:
    plugin.refusal = 'Not enabled'
    with pytest.raises(errors.DataError, match='was not launched on X_E1: Not enabled'):
        remote.run(12)
    assert len(plugin.sent) == 1
