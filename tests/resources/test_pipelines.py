"""Tests of pipelines of a project: of an archive without any, and with XNAT's responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import pyxnat
from tests.support.scripted import Reply, Request, ScriptedServer, table
from tests.support.waiting import wait_until

PATH = '/data/xnat/pipeline/catalog/mricron/DicomToNifti.xml'
ROW = {
    'Applies To': 'MR Session',
    'Generates': '',
    'Name': 'DicomToNifti',
    'Description': '',
    'Path': PATH,
    'Datatype': 'xnat:mrSessionData',
}
SPEC = f"""<?xml version="1.0" encoding="UTF-8"?>
<arc:project id="P" xmlns:arc="http://nrg.wustl.edu/arc"><arc:pipelines><arc:descendants>
<arc:descendant xsiType="xnat:mrSessionData">
<arc:pipeline stepId="nifti_once"><arc:name>DicomToNifti</arc:name>
<arc:location>{PATH}</arc:location></arc:pipeline>
<arc:pipeline stepId="nifti_twice"><arc:name>DicomToNifti</arc:name>
<arc:location>{PATH}</arc:location></arc:pipeline>
</arc:descendant></arc:descendants></arc:pipelines></arc:project>"""
DETAILS = {
    'path': PATH,
    'steps': [{'id': '1'}],
    'inputParameters': [{'name': 'overwrite', 'values': {'csv': 'N'}}],
}
RUNS = [
    {'pipeline_name': PATH, 'status': 'Complete', 'launch_time': '2024-01-31 12:00:00.0'},
    {'pipeline_name': PATH, 'status': 'Running', 'launch_time': '2024-02-01 12:00:00.0'},
    {
        'pipeline_name': '/data/xnat/pipeline/DicomToNiftiBIDS.xml',
        'status': 'Failed',
        'launch_time': '2024-03-01 12:00:00.0',
    },
]


def xnat_with_pipelines(request: Request) -> Reply:
    """Answer like XNAT: 500 for details of an unknown name, an empty 400 for an unknown
    experiment."""
    path = urlsplit(request.uri).path
    answers = {
        '/data/projects/P/pipelines': table(ROW),
        '/data/projects/P/archive_spec': SPEC.encode(),
        '/data/projects/P/pipelines/DicomToNifti': json.dumps(DETAILS).encode(),
        '/data/projects/P/pipelines/nifti_once/experiments/E': b'',
        '/data/services/workflows/DicomToNifti': table(*RUNS),
        '/data/projects/P/experiments': table(
            {
                'ID': 'X_E1',
                'label': 'E',
                'xsiType': 'xnat:mrSessionData',
                'URI': '/data/experiments/X_E1',
            }
        ),
    }
    if path in answers:
        return Reply(body=answers[path])
    return Reply(400 if request.method == 'POST' else 500 if '/pipelines/' in path else 404)


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer(xnat_with_pipelines) as running:
        yield running


@pytest.fixture
def pipelines(scripted: ScriptedServer, tmp_path: Any) -> Any:
    interface = pyxnat.Interface(scripted.url, 'me', 'x', tmp_path / 'cache')
    return interface.select.project('P').pipelines


def test_the_table_of_pipelines(pipelines: Any) -> None:
    assert pipelines.info() == [ROW] and pipelines.info('DicomToNifti') == [ROW]
    assert pipelines.info('nothing') == []


def test_aliases_can_replace_names(pipelines: Any) -> None:
    assert pipelines.aliases() == {'nifti_once': 'DicomToNifti', 'nifti_twice': 'DicomToNifti'}
    assert [
        pipelines.pipeline(name).exists() for name in ('DicomToNifti', 'nifti_twice', 'nothing')
    ] == [True, True, False]


def test_the_description_of_a_pipeline(pipelines: Any) -> None:
    assert pipelines.pipeline('DicomToNifti').info() == DETAILS
    with pytest.raises(pyxnat.errors.PipelineNotFoundError, match='nothing'):
        pipelines.pipeline('nothing').info()


def test_a_pipeline_is_started_under_its_alias(scripted: ScriptedServer, pipelines: Any) -> None:
    pipelines.pipeline('DicomToNifti').run('E', {'overwrite': 'Y & N', 'scans': [1, 2]})
    sent = scripted.requests[-1]
    assert (sent.method, urlsplit(sent.uri).path) == (
        'POST',
        '/data/projects/P/pipelines/nifti_once/experiments/E',
    )
    assert parse_qs(urlsplit(sent.uri).query) == {'overwrite': ['Y & N'], 'scans': ['[1,2]']}
    assert len(scripted.requests) == 4
    with pytest.raises(ValueError, match="no experiment 'nobody'"):
        pipelines.pipeline('nifti_once').run('nobody')
    with pytest.raises(pyxnat.errors.PipelineNotFoundError):
        pipelines.pipeline('nothing').run('E')


def test_runs_of_the_pipeline_are_listed_latest_first(
    scripted: ScriptedServer, pipelines: Any
) -> None:
    pipeline = pipelines.pipeline('DicomToNifti')
    assert [run['status'] for run in pipeline.runs('E')] == ['Running', 'Complete']
    assert pipeline.status('E') == pipeline.runs('E')[0]
    query = parse_qs(urlsplit(scripted.requests[-1].uri).query)
    assert (query['project'], query['experiment'], query['display']) == (['P'], ['E'], ['ALL'])


# -- an archive with pipelines of its own ----------------------------------------------------------


@pytest.fixture
def converting(server: Any, project: Any) -> Any:
    """Create a project with an MR session E, and with a pipeline under two aliases."""
    project.subject('S').experiment('E').create(experiments='xnat:mrSessionData')
    project.subject('S').experiment('PET').create(experiments='xnat:petSessionData')
    pipelines = server.archive.pipelines
    pipelines.add(
        PATH,
        'xnat:mrSessionData',
        steps={'1': 'Convert'},
        version='1.0',
        run=lambda launch: launch.tell('converting', 50),
    )
    pipelines.enable(project.id(), PATH, parameters=[{'name': 'overwrite', 'csvValues': 'N'}])
    pipelines.enable(project.id(), PATH, step='nifti_twice')
    return project


def test_pipelines_of_a_project(converting: Any) -> None:
    assert converting.pipelines.aliases() == {
        'DicomToNifti': 'DicomToNifti',
        'nifti_twice': 'DicomToNifti',
    }
    assert [row['Path'] for row in converting.pipelines.info()] == [PATH, PATH]
    details = converting.pipelines.pipeline('DicomToNifti').info()
    assert (details['path'], details['version'], details['steps']) == (
        PATH,
        '1.0',
        [{'id': '1', 'description': 'Convert'}],
    )
    assert details['inputParameters'] == [{'name': 'overwrite', 'values': {'csv': 'N'}}]


@pytest.mark.parametrize('name', ['DicomToNifti', 'nifti_twice'])
def test_a_pipeline_runs(converting: Any, name: str) -> None:
    pipeline = converting.pipelines.pipeline(name)
    assert pipeline.exists() and pipeline.status('E') is None and pipeline.runs('E') == []
    with pytest.raises(ValueError, match='nobody'):
        pipeline.status('nobody')
    pipeline.run(converting.subject('S').experiment('E'), {'overwrite': 'Y'})
    wait_until(
        lambda: (pipeline.status('E') or {}).get('status') == 'Complete',
        'the pipeline to have run',
    )
    assert pipeline.status('E')['pipeline_name'] == PATH


@pytest.mark.parametrize(
    ('experiment', 'error', 'name'),
    [('nobody', ValueError, 'ExperimentNotFoundError'), ('PET', TypeError, 'WrongTypeError')],
)
@pytest.mark.parametrize('pipeline', ['DicomToNifti', 'nifti_twice'])
def test_an_experiment_of_the_wrong_type_is_an_error(
    converting: Any, pipeline: str, experiment: str, error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=experiment) as raised:
        converting.pipelines.pipeline(pipeline).run(experiment)
    assert isinstance(raised.value, getattr(pyxnat.errors, name))
    assert isinstance(raised.value, pyxnat.errors.DatabaseError)


@pytest.mark.parametrize('accepted', ['xnat:imageSessionData', 'All Datatypes'])
def test_a_pipeline_for_a_base_type_accepts_its_subtypes(tmp_path: Any, accepted: str) -> None:

    def answer(request: Request) -> Reply:
        if urlsplit(request.uri).path == '/data/projects/P/pipelines':
            return Reply(body=table({**ROW, 'Datatype': accepted}))
        return xnat_with_pipelines(request)

    with ScriptedServer(answer) as running:
        interface = pyxnat.Interface(running.url, 'me', 'x', tmp_path / 'cache')
        interface.select.project('P').pipelines.pipeline('DicomToNifti').run('E')
        assert running.requests[-1].method == 'POST'


def test_a_project_without_pipelines(project: Any) -> None:
    session = project.subject('S').experiment('E').create()
    assert project.pipelines.info() == [] and project.pipelines.aliases() == {}
    pipeline = project.pipelines.pipeline('DicomToNifti')
    assert not pipeline.exists()
    for ask in (
        pipeline.info,
        lambda: pipeline.run('E'),
        lambda: pipeline.status(session),
    ):
        with pytest.raises(pyxnat.errors.PipelineNotFoundError, match='DicomToNifti'):
            ask()


def test_the_old_name_of_1_6_exists() -> None:
    from pyxnat.core.pipelines import PipelineNotFoundError

    assert PipelineNotFoundError is pyxnat.errors.PipelineNotFoundError
