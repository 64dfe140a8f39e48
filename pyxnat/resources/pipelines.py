"""Pipelines of a project: ``project.pipelines``.

A pipeline is a job that is installed on the server and added to a project under an alias, XNAT's
*step*. XNAT records each run on an experiment as a workflow.

Pipelines cannot be stopped and their status cannot be set here: only the pipeline's own process
and its server can do that. Pipelines are added to projects on the web site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import errors
from ..errors import PipelineNotFoundError
from ..model import uris
from ..model.item_xml import bundled
from ..model.xml import parse_xml
from ..tables.json_stream import parse_json
from ..tables.table import Row
from .base import Element, class_of
from .hosted import Hosted

__all__ = ['Pipeline', 'PipelineNotFoundError', 'Pipelines']

_ALL_TYPES = 'All Datatypes'
"""Type of a pipeline that accepts any."""


class Pipelines(Hosted):
    """The pipelines of a project.

    Examples
    --------
    ::

        project.pipelines.aliases()                            # {'DicomToNifti_1': 'DicomToNifti'}
        nifti = project.pipelines.pipeline('DicomToNifti')
        nifti.run('S01_MR', {'overwrite': 'Y'})
        nifti.status('S01_MR')['status']                       # 'Running'
    """

    def __init__(self, project: Element) -> None:
        self.project = project
        self.host = project.host

    def __repr__(self) -> str:
        return f'<Pipelines of {self.project.path_name}>'

    def info(self, pipeline_id: str | None = None) -> list[Row]:
        """Return the table of the project's pipelines. One request.

        Columns: ``Applies To``, ``Generates``, ``Name``, ``Description``, ``Path``, ``Datatype``.

        Parameters
        ----------
        pipeline_id : str, optional
            Name of a pipeline: return its rows only, one for each alias.

        Returns
        -------
        list of dict
            Empty if the project has no such pipeline.

        Raises
        ------
        PermissionDenied
            Only owners see pipelines.
        """
        rows = self.connection.rows(f'{self.project.uri}/pipelines')
        return [
            row
            for row in rows
            if pipeline_id in (None, row.get('Name'), _stem(row.get('Path', '')))
        ]

    def aliases(self) -> dict[str, str]:
        """Return the pipelines as a dict: alias -> name. One request.

        A project can have a pipeline under several aliases, with different parameters.
        """
        uri = f'{self.project.uri}/archive_spec'
        root = parse_xml(self.connection.request(uris.with_query(uri, {'format': 'xml'})))
        found: dict[str, str] = {}
        for pipeline in root.iterfind('.//{*}pipeline'):
            name = pipeline.findtext('{*}name') or _stem(pipeline.findtext('{*}location') or '')
            found[str(pipeline.get('stepId') or name)] = name
        return found

    def pipeline(self, pipeline_id: str) -> Pipeline:
        """Return a pipeline by name or alias, whether it exists or not.

        No request.
        """
        return Pipeline(pipeline_id, self)

    def missing(self, name: str, known: Iterable[str] | None = None) -> PipelineNotFoundError:
        """Return the error for a pipeline that the project does not have.

        Parameters
        ----------
        name : str
            Name or alias.
        known : iterable of str, optional
            The pipelines that the project has, for the message.
        """
        uri = f'{self.connection.server}{self.project.uri}/pipelines'
        remedy = (
            'pipelines.aliases() lists its pipelines'
            if known is None
            else f'The project has: {", ".join(filter(None, known)) or "none"}'
        )
        return PipelineNotFoundError(
            f'no pipeline {name!r}', uri=uri, remedy=f'{remedy}. Add others on its page.'
        )


class Pipeline(Hosted):
    """A pipeline of a project."""

    def __init__(self, pipeline_id: str, pipelines: Pipelines) -> None:
        self._id = pipeline_id
        self._pipelines = pipelines
        self.host = pipelines.host

    def __repr__(self) -> str:
        return f'<Pipeline {self._id}>'

    def exists(self) -> bool:
        """Whether the project has this name or alias. One request."""
        return any(self._id in pair for pair in self._pipelines.aliases().items())

    def info(self) -> dict[str, Any]:
        """Return the description. One request; one more if it fails.

        Keys: path, steps, inputParameters, appliesTo, authors, version, …

        Raises
        ------
        PipelineNotFoundError
            The project has no such pipeline.
        """
        uri = uris.join(self._pipelines.project.uri, 'pipelines', uris.quote(self._id))
        try:
            body = self.connection.request(uris.with_query(uri, {'format': 'json'}))
            details: dict[str, Any] = parse_json(body, dict, self.connection.server + uri)
        except errors.NotFoundError as error:
            raise self._pipelines.missing(self._id) from error
        except errors.InternalError:
            self._alias(self._pipelines.aliases())  # XNAT answers 500 for an unknown name
            raise
        return details

    def run(self, experiment_id: Any, params: Mapping[str, Any] | None = None) -> None:
        """Start the pipeline on an experiment. Four requests.

        The first three look up the alias, the type that the pipeline accepts and the experiment:
        XNAT queues the run of any, and answers 200 even if it cannot start.

        Parameters
        ----------
        experiment_id : Experiment or str
            The experiment, its accession ID, or its label in the project.
        params : dict, optional
            Parameters that replace the project's own; a list is a parameter with several values.

        Raises
        ------
        PipelineNotFoundError
            The project has no such pipeline.
        ExperimentNotFoundError
            The project has no such experiment.
        WrongTypeError
            The experiment is not of the type that the pipeline accepts.

        Notes
        -----
        `status` tells whether the run started.
        """
        aliases = self._pipelines.aliases()
        alias, target = self._alias(aliases), self._experiment(experiment_id)
        self._check_type(target, aliases)
        name = experiment_id if isinstance(experiment_id, str) else target.id()
        uri = uris.join(
            self._pipelines.project.uri,
            'pipelines',
            uris.quote(alias),
            'experiments',
            uris.quote(name),
        )
        query = {
            key: f'[{",".join(map(str, value))}]' if isinstance(value, (list, tuple)) else value
            for key, value in (params or {}).items()
        }
        try:
            self.connection.request(uris.with_query(uri, query), 'POST')
        except (errors.NotFoundError, errors.ProgrammingError) as error:
            error.remedy = (
                f'Check that the project has an experiment {name!r} of a type that the pipeline '
                'accepts.'
            )
            raise

    def _experiment(self, experiment: Any) -> Any:
        """Return an experiment of the project, with its row. One request if not known."""
        project = self._pipelines.project
        found = experiment
        if isinstance(experiment, str):
            found = class_of('experiments').element_at(
                uris.join(project.uri, 'experiments', uris.quote(experiment)), self.host
            )
        if not found.exists():
            raise errors.ExperimentNotFoundError(
                f'no experiment {found.path_name!r} in project {project.path_name}',
                uri=found.url,
                remedy='Check the spelling: give its label, or its accession ID.',
            )
        return found

    def _check_type(self, experiment: Any, aliases: Mapping[str, str]) -> None:
        """Raise an error if the pipeline does not accept an experiment's type.

        One request.
        """
        rows = self._pipelines.info(aliases.get(self._id, self._id))
        accepted = {row.get('Datatype', '') for row in rows} - {''}
        kind = experiment.datatype()
        registry = bundled()
        if (
            not accepted
            or _ALL_TYPES in accepted
            or any(kind == name or registry.is_a(kind, name) for name in accepted)
        ):
            return
        raise errors.WrongTypeError(
            f'pipeline {self._id} is for {", ".join(sorted(accepted))}, and '
            f'{experiment.path_name!r} is of type {kind}',
            uri=experiment.url,
            remedy='Choose another pipeline or experiment.',
        )

    def status(self, experiment_id: Any) -> Row | None:
        """Return the latest run on an experiment; None if there is none.

        Parameters
        ----------
        experiment_id : Experiment or str
            The experiment, its accession ID, or its label in the project.

        Returns
        -------
        dict or None
            As an item of `runs`.

        Raises
        ------
        PipelineNotFoundError, ExperimentNotFoundError
            There are no runs, and the project has no such pipeline or experiment.

        Notes
        -----
        One request; up to three more if there are no runs by this name.
        """
        return next(iter(self.runs(experiment_id)), None)

    def runs(self, experiment: Any) -> list[Row]:
        """Return the runs on an experiment, the latest first.

        Parameters
        ----------
        experiment : Experiment or str
            The experiment, its accession ID, or its label in the project.

        Returns
        -------
        list of dict
            Columns include ``launch_time`` and ``status``: ``Queued``, ``Running``, ``Complete``,
            ``Failed``, …

        Raises
        ------
        PipelineNotFoundError, ExperimentNotFoundError
            There are no runs, and the project has no such pipeline or experiment.

        Notes
        -----
        One request; up to three more if there are no runs by this name.
        """
        label = experiment if isinstance(experiment, str) else experiment.id()
        rows = self._runs(self._id, label)
        if rows:
            return rows
        aliases = self._pipelines.aliases()
        if self._id not in aliases and self._id not in aliases.values():
            raise self._pipelines.missing(self._id, aliases)
        name = aliases.get(self._id, self._id)
        rows = self._runs(name, label) if name != self._id else []
        if not rows:
            self._experiment(experiment)
        return rows

    def _runs(self, name: str, experiment: str) -> list[Row]:
        query = {
            'project': self._pipelines.project.path_name,
            'experiment': experiment,
            'display': 'ALL',
        }
        rows = self.connection.rows(
            uris.with_query(uris.join(uris.ENTRY, 'services/workflows', uris.quote(name)), query)
        )
        mine = [
            row for row in rows if _stem(row.get('pipeline_name', name)) == name
        ]  # XNAT also returns pipelines whose name contains this one
        return sorted(mine, key=_order, reverse=True)

    def _alias(self, aliases: Mapping[str, str]) -> str:
        alias = (
            self._id
            if self._id in aliases
            else next((alias for alias, name in aliases.items() if name == self._id), None)
        )
        if alias is None:
            raise self._pipelines.missing(self._id, aliases)
        return alias


def _order(run: Row) -> tuple[str, int]:
    """Return the time and number of a run, by which runs are sorted."""
    number = run.get('wrk_workflowData_id', '')
    return run.get('launch_time', ''), int(number) if number.isdecimal() else 0


def _stem(path: str) -> str:
    """Return the name of a pipeline from the path of its descriptor.

    >>> _stem('/data/xnat/pipeline/catalog/nifti/DicomToNifti.xml')
    'DicomToNifti'
    """
    return path.rpartition('/')[2].removesuffix('.xml')
