"""Pipelines of a project."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat


def test_a_project_without_pipelines(project: Any) -> None:
    pipelines = project.pipelines
    assert pipelines.info() == [] and pipelines.aliases() == {}
    assert not pipelines.pipeline('DicomToNifti').exists()


def test_a_pipeline_that_is_not_there_is_an_error_of_its_own(project: Any) -> None:
    project.subject('S').experiment('E').create()
    pipeline = project.pipelines.pipeline('DicomToNifti')
    for ask in (lambda: project.pipelines.info('DicomToNifti'), pipeline.info, lambda: pipeline.run('E')):
        with pytest.raises(pyxnat.errors.PipelineNotFoundError, match='DicomToNifti'):
            ask()
    assert pipeline.status('E') == []


def test_the_name_of_1_6_is_there() -> None:
    from pyxnat.core.pipelines import PipelineNotFoundError

    assert PipelineNotFoundError is pyxnat.errors.PipelineNotFoundError
