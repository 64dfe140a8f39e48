"""Pipelines of the site and of projects, and runs of those in Python.

XNAT passes a launched pipeline to an external engine. This archive has none: a launch is recorded
as a workflow that stays ``Queued``, as on a server whose engine is down. Only a pipeline with a
Python function is run, in a thread::

    with serve('archive') as server:
        server.archive.pipelines.add('DicomToNifti.xml', 'xnat:mrSessionData', run=convert)
        server.archive.pipelines.enable('MYPROJECT', 'DicomToNifti.xml')
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from ..db.store import Store, pipeline, project_pipeline, workflow
from ..db.types import Model
from .workflow_log import put_status, record

__all__ = ['AUTO', 'Launch', 'Pipelines', 'stem']

_log = logging.getLogger(__name__)
AUTO = 'AUTO_ARCHIVE_'
"""Prefix of the alias of a pipeline that runs on every newly archived session."""
THREADS = 2


class Launch:
    """Run of a pipeline, the argument of its function."""

    def __init__(self, store: Store, pk: int, row: Any, parameters: Mapping[str, str]) -> None:
        self._store = store
        self.workflow = pk
        """Key of the workflow."""
        self.project: str = row.project
        self.experiment: str = row.id
        """Accession ID."""
        self.datatype: str = row.xsi_type
        self.parameters = dict(parameters)
        """Parameters of the project, overridden by those of the launch."""

    def tell(self, step: str, percentage: float | None = None) -> None:
        """Report progress in the workflow.

        Parameters
        ----------
        step : str
            Description of the current step.
        percentage : float or None
            Percentage complete; unchanged by default.
        """
        fields = {
            'step_description': step,
            **({'percentageComplete': f'{percentage:.1f}'} if percentage is not None else {}),
        }
        with self._store.write() as connection:
            put_status(connection, self.workflow, 'Running', **fields)


class Pipelines:
    """The pipelines of an archive."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store = store
        self._model = model
        self._run: dict[str, Callable[[Launch], object]] = {}
        self._pool: ThreadPoolExecutor | None = None

    # -- registration

    def add(
        self,
        path: str,
        datatype: str,
        *,
        name: str = '',
        description: str = '',
        steps: Mapping[str, str] | None = None,
        generates: Sequence[str] = (),
        run: Callable[[Launch], object] | None = None,
        **details: Any,
    ) -> None:
        """Add a pipeline to the site, or change one.

        Parameters
        ----------
        path : str
            Path of its descriptor. It identifies the pipeline, and the names of its workflows end
            with it.
        datatype : str
            Data type that it processes: ``xnat:mrSessionData``, ``xnat:imageSessionData``.
        name : str
            By default the last part of the path without ``.xml``.
        description : str
            Description of the pipeline.
        steps : Mapping[str, str] or None
            ID of each step to its description.
        generates : Sequence[str]
            Data types that it creates.
        run : Callable[[Launch], object] or None
            Called with a `Launch` in a thread. The workflow becomes ``Complete`` when it returns
            and ``Failed`` when it raises. It is not stored: pass it again after the archive is
            opened.
        **details
            Further properties: ``version``, ``website``, ``authors``, ``publications``,
            ``resourceRequirements``.

        Raises
        ------
        ValueError
            If the data type is unknown.
        """
        known = self._model.name(datatype)
        if known is None:
            raise ValueError(f'{datatype} is not a data type of this archive; add its schema')
        document = {
            **details,
            'generates': list(generates),
            'steps': [{'id': key, 'description': value} for key, value in (steps or {}).items()],
        }
        values = {
            'name': name or stem(path),
            'datatype': known,
            'description': description,
            'document': json.dumps(document),
        }
        with self._store.write() as connection:
            if (
                connection.execute(
                    pipeline.update().where(pipeline.c.path == path).values(**values)
                ).rowcount
                == 0
            ):
                connection.execute(pipeline.insert().values(path=path, **values))
        if run is not None:
            self._run[path] = run

    def enable(
        self,
        project: str,
        path: str,
        *,
        step: str = '',
        parameters: Sequence[Mapping[str, Any]] = (),
        auto: bool = False,
    ) -> None:
        """Enable a pipeline of the site in a project.

        Parameters
        ----------
        project : str
            ID of the project.
        path : str
            Path of its descriptor.
        step : str
            Alias in the project; by default the name of the pipeline. A project may have a pipeline
            under several aliases.
        parameters : Sequence[Mapping[str, Any]]
            Each with ``name``, ``csvValues`` or ``schemaLink``, ``description``.
        auto : bool
            Whether it runs on every newly archived session; its alias then begins with
            ``AUTO_ARCHIVE_``.

        Raises
        ------
        ValueError
            If the site has no such pipeline.
        """
        with self._store.write() as connection:
            row = connection.execute(select(pipeline).where(pipeline.c.path == path)).first()
            if row is None:
                raise ValueError(f'the site has no pipeline {path}; add it first')
            alias = step or row.name
            alias = AUTO + alias if auto and not alias.startswith(AUTO) else alias
            same = (project_pipeline.c.project == project) & (project_pipeline.c.step == alias)
            connection.execute(project_pipeline.delete().where(same))
            values = {
                'project': project,
                'step': alias,
                'path': path,
                'parameters': json.dumps([dict(parameter) for parameter in parameters]),
            }
            connection.execute(project_pipeline.insert().values(**values))

    def of(self, connection: Connection, project: str) -> list[Any]:
        """Return the pipelines of a project with step, parameters and columns.

        Parameters
        ----------
        connection : Connection
            The database.
        project : str
            ID of the project.
        """
        joined = project_pipeline.join(pipeline, pipeline.c.path == project_pipeline.c.path)
        columns = (project_pipeline.c.step, project_pipeline.c.parameters, pipeline)
        query = select(*columns).select_from(joined).where(project_pipeline.c.project == project)
        return list(connection.execute(query.order_by(project_pipeline.c.pk)))

    def of_site(self, connection: Connection) -> list[Any]:
        """Return all pipelines of the site, sorted by path."""
        return list(connection.execute(select(pipeline).order_by(pipeline.c.path)))

    def disable(self, connection: Connection, project: str, step: str) -> None:
        """Disable a pipeline in a project.

        Parameters
        ----------
        connection : Connection
            The database.
        project : str
            ID of the project.
        step : str
            Its alias there.
        """
        same = (project_pipeline.c.project == project) & (project_pipeline.c.step == step)
        connection.execute(project_pipeline.delete().where(same))

    def fits(self, row: Any, xsi_type: str) -> bool:
        """Whether a pipeline processes items of a type.

        Parameters
        ----------
        row
            The pipeline.
        xsi_type : str
            Data type of the item.
        """
        return self._model.registry.is_a(xsi_type, row.datatype)

    # -- running

    def launch(
        self,
        connection: Connection,
        row: Any,
        pipeline_row: Any,
        login: str,
        parameters: Mapping[str, str],
    ) -> Launch:
        """Record the launch of a project's pipeline on an item.

        Pass the result to `start` after the commit.

        Parameters
        ----------
        connection : Connection
            The database.
        row
            The item.
        pipeline_row
            The pipeline of the project.
        login : str
            Login of the user.
        parameters : Mapping[str, str]
            Parameters of the launch; they override those of the project.
        """
        defaults = {
            found['name']: str(found.get('csvValues', ''))
            for found in json.loads(pipeline_row.parameters)
            if found.get('csvValues')
        }
        merged = {**defaults, **parameters}
        pk = record(
            connection,
            row,
            pipeline_row.path,
            login,
            'Queued',
            details=json.dumps(merged, ensure_ascii=False)[:10_000],
        )
        return Launch(self._store, pk, row, merged)

    def launch_auto(self, connection: Connection, row: Any, login: str) -> list[tuple[str, Launch]]:
        """Record launches of the automatic pipelines of an item's project.

        Parameters
        ----------
        connection : Connection
            The database.
        row
            The item.
        login : str
            Login of the user.

        Returns
        -------
        list[tuple[str, Launch]]
            The path of each pipeline and its launch.
        """
        found = [
            one
            for one in self.of(connection, row.project)
            if one.step.startswith(AUTO) and self.fits(one, row.xsi_type)
        ]
        return [(one.path, self.launch(connection, row, one, login, {})) for one in found]

    def start(self, path: str, launch: Launch) -> None:
        """Run the function of a pipeline in a thread.

        Without a function the workflow stays queued.

        Parameters
        ----------
        path : str
            Path of the pipeline.
        launch : Launch
            The recorded launch.
        """
        run = self._run.get(path)
        if run is None:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix='pyxnat.server.pipeline')
        self._pool.submit(self._work, run, launch).add_done_callback(partial(self._done, launch))

    def _work(self, run: Callable[[Launch], object], launch: Launch) -> None:
        with self._store.write() as connection:
            put_status(connection, launch.workflow, 'Running')
        run(launch)

    def _done(self, launch: Launch, future: Future[None]) -> None:
        error = future.exception() if not future.cancelled() else None
        if error is not None:
            _log.error('the pipeline of workflow %s failed', launch.workflow, exc_info=error)
        failed = future.cancelled() or error is not None
        with self._store.write() as connection:
            fields = (
                {'details': str(error)[:10_000]}
                if error is not None
                else {'percentageComplete': '100.0'}
                if not failed
                else {}
            )
            put_status(connection, launch.workflow, 'Failed' if failed else 'Complete', **fields)

    def resume(self, connection: Connection) -> None:
        """Mark runs that a crash has ended as ``Failed``."""
        ours = select(pipeline.c.path)
        query = workflow.update().where(
            workflow.c.status == 'Running', workflow.c.pipeline_name.in_(ours)
        )
        connection.execute(query.values(status='Failed'))

    def close(self) -> None:
        """Wait for running functions; cancel those not yet started."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def stem(path: str) -> str:
    """Return the default name of a pipeline, from the path of its descriptor."""
    return path.rpartition('/')[2].removesuffix('.xml')
