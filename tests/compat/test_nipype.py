"""Tests of NiPyPE's XNATSource and XNATSink: all their calls, on an embedded archive."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pyxnat

CONTENT = b'n' * 5000


@pytest.fixture(scope='module')
def io(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Return ``nipype.interfaces.io``, without its check for updates and its files in the home
    folder."""
    os.environ['NO_ET'] = '1'
    os.environ['NIPYPE_CONFIG_DIR'] = str(tmp_path_factory.mktemp('nipype'))
    from nipype.interfaces import io

    return io


@pytest.fixture
def login(server: Any, tmp_path: Path) -> dict[str, str]:
    """Return server, user, password and cache folder, which NiPyPE passes by position."""
    return {
        'server': server.url,
        'user': server.user,
        'pwd': server.password,
        'cache_dir': str(tmp_path / 'nipype-cache'),
    }


@pytest.fixture
def config(server: Any, tmp_path: Path) -> str:
    """Write a configuration file."""
    path = tmp_path / 'xnat.cfg'
    path.write_text(
        json.dumps({'server': server.url, 'user': server.user, 'password': server.password})
    )
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / 'T1_brain.nii.gz'
    path.write_bytes(CONTENT)
    return str(path)


@pytest.fixture
def flow(project: Any) -> str:
    """Return a unique name for an experiment.

    The reconstruction has this name, and XNAT wants those unique on the whole site (fact 2.9.5).
    """
    return f'flow-{project.id()}'.replace('_', '-')


@pytest.fixture
def sink(io: ModuleType, login: dict[str, str], project: Any, flow: str) -> Callable[..., None]:
    """Return a function that runs an XNATSink into the project of the test."""

    def run(outputs: dict[str, Any], **inputs: Any) -> None:
        about = {
            'project_id': project.id(),
            'subject_id': 'SUBJ1',
            'experiment_id': flow,
            **({} if 'config' in inputs else login),
            **inputs,
        }
        node = io.XNATSink(**about)
        for name, value in outputs.items():
            setattr(node.inputs, name, value)
        node.run()

    return run


@pytest.fixture
def source(io: ModuleType, login: dict[str, str]) -> Callable[..., Any]:
    """Return a function that runs an XNATSource with one template and returns its output."""

    def run(template: str, **inputs: Any) -> Any:
        about = {} if 'config' in inputs else login
        config = {'config': inputs.pop('config')} if 'config' in inputs else {}
        node = io.XNATSource(infields=list(inputs), **about, **config)
        node.inputs.query_template = template
        node.inputs.trait_set(**inputs)
        return node.run().outputs.outfiles

    return run


@pytest.fixture
def anatomy(project: Any) -> Any:
    """Create two sessions of one subject, each with an assessor with two images under ``out``."""
    for session in ('SessionA', 'SessionB'):
        resource = (
            project.subject('SUBJ1')
            .experiment(session)
            .assessor(f'{session}_ADNI_nii')
            .out_resource('NIFTI')
        )
        resource.file('one.nii').put(CONTENT)
        resource.file('sub/two.nii').put(CONTENT * 2)
    return project


# -- source ----------------------------------------------------------------------------------------

TEMPLATE = '/projects/%s/subjects/%s/experiments/%s/assessors/%s/%s_resources/files'


def test_the_documented_template_finds_its_files(source: Callable[..., Any], anatomy: Any) -> None:
    project = anatomy.id()
    found = source(
        TEMPLATE,
        project=project,
        subject='SUBJ1',
        experiment='*SessionA*',
        assessor='*ADNI_nii',
        inout='out',
    )
    assert sorted(os.path.basename(path) for path in found) == ['one.nii', 'two.nii']
    assert {os.path.getsize(path) for path in found} == {len(CONTENT), 2 * len(CONTENT)}


def test_files_are_in_the_cache_folder_given_by_position(
    source: Callable[..., Any], anatomy: Any, login: dict[str, str]
) -> None:
    found = source(
        TEMPLATE, project=anatomy.id(), subject='SUBJ1', experiment='*', assessor='*', inout='out'
    )
    assert len(set(found)) == 4
    assert all(path.startswith(login['cache_dir']) for path in found)


@pytest.mark.parametrize(
    'resources', ['out/resources', 'out_resources', 'out/resource/NIFTI', 'out_resources/NIFTI']
)
def test_all_spellings_of_resources_are_equal(
    source: Callable[..., Any], anatomy: Any, resources: str
) -> None:
    found = source(
        f'/projects/%s/subjects/%s/experiments/*/assessors/*/{resources}/files',
        project=anatomy.id(),
        subject='SUBJ1',
    )
    assert len(found) == 4


def test_wildcards_are_possible_at_every_level(source: Callable[..., Any], anatomy: Any) -> None:
    found = source(
        f'/projects/{anatomy.id()}*/subjects/*/experiments/*%s/assessors/*/out_resources/*/files',
        which='B',
    )
    assert len(found) == 2


def test_one_file_is_a_path_and_not_a_list(source: Callable[..., Any], project: Any) -> None:
    project.subject('SUBJ1').experiment('E').scan('1').resource('NIFTI').file('T1.nii').put(CONTENT)
    found = source(
        '/projects/%s/subjects/%s/experiments/*/scans/*/resources/*/files',
        project=project.id(),
        subject='SUBJ1',
    )
    assert Path(found).read_bytes() == CONTENT


def test_lists_of_inputs_give_a_list_for_each(source: Callable[..., Any], anatomy: Any) -> None:
    template = (
        f'/projects/{anatomy.id()}/subjects/SUBJ1/experiments/%s/assessors/*/out_resources/files'
    )
    found = source(template, experiment=['SessionA', 'SessionB'])
    assert [len(one) for one in found] == [2, 2]


def test_no_result_is_the_error_that_nipype_raises_for_an_empty_list(
    source: Callable[..., Any], anatomy: Any
) -> None:
    with pytest.raises(OSError, match='returned no files'):
        source(
            TEMPLATE,
            project=anatomy.id(),
            subject='SUBJ1',
            experiment='*SessionC*',
            assessor='*',
            inout='out',
        )


def test_each_field_of_the_output_has_a_template(
    io: ModuleType, login: dict[str, str], anatomy: Any
) -> None:
    node = io.XNATSource(infields=['sid'], outfields=['struct', 'func'], **login)
    node.inputs.query_template = (
        f'/projects/{anatomy.id()}/subjects/%s/experiments/%s/assessors/*/out_resources/files'
    )
    node.inputs.query_template_args['struct'] = [['sid', 'SessionA']]
    node.inputs.query_template_args['func'] = [['sid', 'SessionB']]
    node.inputs.sid = 'SUBJ1'
    outputs = node.run().outputs
    assert len(outputs.struct) == len(outputs.func) == 2
    assert not set(outputs.struct) & set(outputs.func)


def test_a_template_without_arguments_is_used_unchanged(
    io: ModuleType, login: dict[str, str], anatomy: Any
) -> None:
    node = io.XNATSource(outfields=['all'], **login)
    node.inputs.query_template = f'/projects/{anatomy.id()}//files'
    assert len(node.run().outputs.all) == 4


def test_source_reads_a_configuration_file(
    source: Callable[..., Any], anatomy: Any, config: str, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv('PYXNAT_CACHEDIR', str(tmp_path / 'elsewhere'))
    found = source(
        TEMPLATE,
        config=config,
        project=anatomy.id(),
        subject='SUBJ1',
        experiment='SessionA',
        assessor='*',
        inout='out',
    )
    assert all(path.startswith(str(tmp_path / 'elsewhere')) for path in found) and len(found) == 2


def test_a_wrong_password_is_an_error(io: ModuleType, login: dict[str, str], anatomy: Any) -> None:
    node = io.XNATSource(infields=['project'], **{**login, 'pwd': 'wrong'})
    node.inputs.query_template = '/projects/%s//files'
    node.inputs.project = anatomy.id()
    with pytest.raises(pyxnat.errors.AuthenticationError):
        node.run()


# -- sink ------------------------------------------------------------------------------------------


def test_sink_creates_missing_levels_and_stores_the_file(
    sink: Callable[..., None], project: Any, image: str, flow: str
) -> None:
    sink({'brain': image})
    session = project.subject('SUBJ1').experiment(flow)
    stored = (
        session.reconstruction(f'{flow}_results')
        .out_resource(f'{flow}_results_brain')
        .file('T1_brain.nii.gz')
    )
    assert stored.size() == str(len(CONTENT))
    assert session.datatype() == 'xnat:imageSessionData'


def test_sink_creates_the_project(
    sink: Callable[..., None], xnat: pyxnat.Interface, project: Any, image: str
) -> None:
    name = f'{project.id()}_NEW'
    sink({'brain': image}, project_id=name)
    assert xnat.select.project(name).exists()


def test_underscores_in_names_are_kept(
    sink: Callable[..., None], project: Any, image: str, flow: str
) -> None:
    sink({'brain': image}, experiment_id='my_flow_1', reconstruction_id=f'{flow}_b')
    session = project.subject('SUBJ1').experiment('my_flow_1')
    assert session.reconstructions().get() == [f'{flow}_b']
    assert session.reconstruction(f'{flow}_b').out_resources().get('label') == [f'{flow}_b_brain']


@pytest.mark.parametrize('container', ['assessor', 'reconstruction'])
def test_sink_uses_the_given_container(
    sink: Callable[..., None], project: Any, image: str, container: str, flow: str
) -> None:
    sink({'brain': image}, **{f'{container}_id': 'QC1'})
    held = getattr(project.subject('SUBJ1').experiment(flow), container)('QC1')
    assert held.exists()
    assert held.out_resource('QC1_brain').files().get() == ['T1_brain.nii.gz']


def test_lists_and_lists_of_lists_are_stored(
    sink: Callable[..., None], project: Any, image: str, tmp_path: Path, flow: str
) -> None:
    other = tmp_path / 'other.nii'
    other.write_bytes(b'o')
    sink({'brain': [image, str(other)], 'parts': [[image, str(other)]]})
    resources = (
        project.subject('SUBJ1').experiment(flow).reconstruction(f'{flow}_results').out_resources()
    )
    found = {resource.label(): sorted(resource.files().get()) for resource in resources}
    assert found == {
        f'{flow}_results_brain': ['T1_brain.nii.gz', 'other.nii'],
        f'{flow}_results_0_parts': ['T1_brain.nii.gz'],
        f'{flow}_results_1_parts': ['other.nii'],
    }


def test_parameters_in_folder_names_give_the_container(
    sink: Callable[..., None], project: Any, tmp_path: Path, flow: str
) -> None:
    folder = tmp_path / '_fwhm_6'
    folder.mkdir()
    (folder / 'smooth.nii').write_bytes(b's')
    sink({'smoothed': str(folder / 'smooth.nii')})
    assert len(project.subject('SUBJ1').experiment(flow).reconstructions().get()) == 1


def test_sink_reads_a_configuration_file(
    sink: Callable[..., None], project: Any, image: str, config: str, flow: str
) -> None:
    sink({'brain': image}, config=config)
    assert (
        len(
            project.subject('SUBJ1')
            .experiment(flow)
            .reconstruction(f'{flow}_results')
            .out_resources()
        )
        == 1
    )


def test_a_second_run_does_not_overwrite_silently(sink: Callable[..., None], image: str) -> None:
    sink({'brain': image})
    with pytest.raises(pyxnat.errors.DuplicateError):
        sink({'brain': image})


def test_the_files_of_a_sink_can_be_read_by_a_source(
    sink: Callable[..., None], source: Callable[..., Any], project: Any, image: str, flow: str
) -> None:
    sink({'brain': image})
    template = '/projects/%s/subjects/%s/experiments/%s/reconstructions/*/out_resources/files'
    found = source(template, project=project.id(), subject='SUBJ1', experiment=flow)
    assert Path(found).read_bytes() == CONTENT


# -- share -----------------------------------------------------------------------------------------


def test_share_shares_the_subject_of_the_raw_data(
    sink: Callable[..., None], xnat: pyxnat.Interface, project: Any, image: str
) -> None:
    raw = xnat.select.project(f'{project.id()}_RAW').create()
    subject = raw.subject('SUBJ1').create()
    sink({'brain': image}, share=True, subject_id=subject.id())
    assert project.subjects().get() == [subject.id()]
    assert sorted(subject.shares().get()) == sorted([project.id(), raw.id()])


def test_share_creates_the_project_it_shares_into(
    sink: Callable[..., None], xnat: pyxnat.Interface, project: Any, image: str
) -> None:
    subject = project.subject('SUBJ1').create()
    sink({'brain': image}, share=True, subject_id=subject.id(), project_id=f'{project.id()}_DEST')
    assert xnat.select.project(f'{project.id()}_DEST').subjects().get() == [subject.id()]


def test_share_works_if_the_subject_is_already_there(
    sink: Callable[..., None], project: Any, image: str
) -> None:
    subject = project.subject('SUBJ1').create()
    sink({'brain': image}, share=True, subject_id=subject.id())
    assert project.subjects().get() == [subject.id()]
    assert len(project.experiments().get()) == 1
