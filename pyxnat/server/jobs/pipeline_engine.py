"""Pipelines that the site has, those of them that projects have, and the runs of those that are Python functions.

XNAT hands a launched pipeline to an engine of its own. There is none here: a launch is written down as a workflow that stays ``Queued``, as on
a server whose engine is down, unless the archive was given a function for the pipeline, which then is run in a thread::

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
"""Begins the alias of a pipeline that runs by itself on sessions that were archived."""
THREADS = 2


class Launch:
    """A run of a pipeline, as its function gets it."""

    def __init__(self, store: Store, pk: int, row: Any, parameters: Mapping[str, str]) -> None:
        self._store = store
        self.workflow = pk
        """Number of the workflow."""
        self.project: str = row.project
        self.experiment: str = row.id
        """Accession ID."""
        self.datatype: str = row.xsi_type
        self.parameters = dict(parameters)
        """What the project has for it, with what the launch told on top."""

    def tell(self, step: str, percentage: float | None = None) -> None:
        """Say how far it is, for those who look at the workflow."""
        told = {'step_description': step, **({'percentageComplete': f'{percentage:.1f}'} if percentage is not None else {})}
        with self._store.write() as connection:
            put_status(connection, self.workflow, 'Running', **told)


class Pipelines:
    """The pipelines of an archive."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store = store
        self._model = model
        self._run: dict[str, Callable[[Launch], object]] = {}
        self._pool: ThreadPoolExecutor | None = None

    # -- what there is

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
        """Let the site have a pipeline, or change one that it has.

        Parameters
        ----------
        path
            Of its descriptor; it tells pipelines apart, and ends their workflows' names.
        datatype
            That it is for: ``xnat:mrSessionData``, ``xnat:imageSessionData``.
        name
            By default the last part of the path without ``.xml``.
        steps
            ID of each step to its description.
        generates
            Data types that it makes.
        run
            What is called with a `Launch` when it is launched, in a thread; the workflow is ``Complete`` when that returns and
            ``Failed`` when it raises. It is not kept in the archive: give it anew when the archive is opened again.
        details
            More of what its details tell: ``version``, ``website``, ``authors``, ``publications``, ``resourceRequirements``.
        """
        known = self._model.name(datatype)
        if known is None:
            raise ValueError(f'{datatype} is not a data type of this archive')
        document = {**details, 'generates': list(generates), 'steps': [{'id': key, 'description': value} for key, value in (steps or {}).items()]}
        values = {'name': name or stem(path), 'datatype': known, 'description': description, 'document': json.dumps(document)}
        with self._store.write() as connection:
            if connection.execute(pipeline.update().where(pipeline.c.path == path).values(**values)).rowcount == 0:
                connection.execute(pipeline.insert().values(path=path, **values))
        if run is not None:
            self._run[path] = run

    def enable(self, project: str, path: str, *, step: str = '', parameters: Sequence[Mapping[str, Any]] = (), auto: bool = False) -> None:
        """Let a project have a pipeline of the site.

        Parameters
        ----------
        step
            Its alias in the project; by default its name. A project may have a pipeline under several.
        parameters
            Each with ``name``, ``csvValues`` or ``schemaLink``, ``description``.
        auto
            Whether it runs by itself on sessions that were archived: its alias then begins with ``AUTO_ARCHIVE_``.
        """
        with self._store.write() as connection:
            row = connection.execute(select(pipeline).where(pipeline.c.path == path)).first()
            if row is None:
                raise ValueError(f'the site has no pipeline {path}; add it first')
            alias = step or row.name
            alias = AUTO + alias if auto and not alias.startswith(AUTO) else alias
            same = (project_pipeline.c.project == project) & (project_pipeline.c.step == alias)
            connection.execute(project_pipeline.delete().where(same))
            values = {'project': project, 'step': alias, 'path': path, 'parameters': json.dumps([dict(one) for one in parameters])}
            connection.execute(project_pipeline.insert().values(**values))

    def of(self, connection: Connection, project: str) -> list[Any]:
        """The pipelines of a project: step, parameters, and what the site says of them."""
        joined = project_pipeline.join(pipeline, pipeline.c.path == project_pipeline.c.path)
        columns = (project_pipeline.c.step, project_pipeline.c.parameters, pipeline)
        query = select(*columns).select_from(joined).where(project_pipeline.c.project == project)
        return list(connection.execute(query.order_by(project_pipeline.c.pk)))

    def of_site(self, connection: Connection) -> list[Any]:
        """Return all pipelines of the site, by their paths."""
        return list(connection.execute(select(pipeline).order_by(pipeline.c.path)))

    def disable(self, connection: Connection, project: str, step: str) -> None:
        """Take a pipeline away from a project.

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
        """Whether a pipeline is for items of a type."""
        return self._model.registry.is_a(xsi_type, row.datatype)

    # -- running

    def launch(self, connection: Connection, row: Any, one: Any, login: str, told: Mapping[str, str]) -> Launch:
        """Write down the launch of a pipeline of a project on an item; hand it to `start` once that is committed."""
        defaults = {found['name']: str(found.get('csvValues', '')) for found in json.loads(one.parameters) if found.get('csvValues')}
        parameters = {**defaults, **told}
        pk = record(connection, row, one.path, login, 'Queued', details=json.dumps(parameters, ensure_ascii=False)[:10_000])
        return Launch(self._store, pk, row, parameters)

    def launch_auto(self, connection: Connection, row: Any, login: str) -> list[tuple[str, Launch]]:
        """Write down launches of those pipelines of an item's project that run by themselves, with their paths."""
        found = [one for one in self.of(connection, row.project) if one.step.startswith(AUTO) and self.fits(one, row.xsi_type)]
        return [(one.path, self.launch(connection, row, one, login, {})) for one in found]

    def start(self, path: str, launch: Launch) -> None:
        """Run the function that a pipeline has; without one its workflow stays in the queue."""
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
            told = {'details': str(error)[:10_000]} if error is not None else {'percentageComplete': '100.0'} if not failed else {}
            put_status(connection, launch.workflow, 'Failed' if failed else 'Complete', **told)

    def resume(self, connection: Connection) -> None:
        """After a crash: what was running is not any more."""
        ours = select(pipeline.c.path)
        query = workflow.update().where(workflow.c.status == 'Running', workflow.c.pipeline_name.in_(ours))
        connection.execute(query.values(status='Failed'))

    def close(self) -> None:
        """Let runs end, and start no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def stem(path: str) -> str:
    """The name of a pipeline by the path of its descriptor."""
    return path.rpartition('/')[2].removesuffix('.xml')
