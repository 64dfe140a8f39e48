"""Containers: Python functions in place of the images of the Container Service.

XNAT's plug-in runs the command of a Docker image on an item, and records a workflow. This archive
has no images: a wrapper (the plug-in's word for a command that fits an item) is a function, which
runs in a thread::

    with serve('archive') as server:
        server.archive.containers.add('masks', 'xnat:mrSessionData', run=make_masks)

As long as no wrapper is added, the archive answers as a server without the plug-in. Workflows stay;
containers and their logs are forgotten when the archive is closed.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from ..db.store import Store, now, workflow
from ..db.types import Model
from .workflow_log import put_status, record

__all__ = ['Container', 'Containers', 'Wrapper']

_log = logging.getLogger(__name__)
_REASON = 'Container launch'
"""Justification of the workflows of containers, as the plug-in writes it."""
_THREADS = 2
_MOST_LOGGED = 2**20
_ENDS = ('Complete', 'Failed', 'Killed')
_ROOTS = {'xnat:projectData': 'project', 'xnat:subjectData': 'subject'}


@dataclass(frozen=True)
class Wrapper:
    """A command for items of a type."""

    id: int
    name: str
    datatype: str
    root: str
    """Name of the input that is the item: ``session``, ``scan``."""
    kind: str
    """Type of that input: ``Project``, ``Subject``, ``Session``, ``Scan``."""
    image: str
    description: str
    run: Callable[[Container], object]
    inputs: Mapping[str, str]
    """Names of further inputs -> their defaults; an empty one is required."""
    projects: frozenset[str] | None
    """IDs of the projects in which it is enabled; None for all."""


@dataclass
class Container:
    """Run of a wrapper on an item, the argument of its function."""

    id: int
    wrapper: Wrapper
    project: str
    item: str
    """ID of the item."""
    datatype: str
    login: str
    workflow: int
    """Key of the workflow."""
    inputs: Mapping[str, str]
    """All inputs, with the defaults; the root is a path such as ``/archive/experiments/E1``."""
    status: str = 'Created'
    history: list[dict[str, str]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=lambda: {'stdout': '', 'stderr': ''})
    killed: threading.Event = field(default_factory=threading.Event)
    """Set when a user kills the container; a function that runs long looks at it."""

    def log(self, line: str, stream: str = 'stdout') -> None:
        """Add a line to a log; the last mebibyte is kept.

        Parameters
        ----------
        line : str
            The line.
        stream : {'stdout', 'stderr'}
            The log.
        """
        self.logs[stream] = (self.logs[stream] + line + '\n')[-_MOST_LOGGED:]


class Containers:
    """The wrappers and containers of an archive."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store = store
        self._model = model
        self._wrappers: dict[int, Wrapper] = {}
        self._containers: dict[int, Container] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def is_installed(self) -> bool:
        """Whether there is a wrapper."""
        return bool(self._wrappers)

    def add(
        self,
        name: str,
        datatype: str,
        *,
        run: Callable[[Container], object],
        root: str = '',
        image: str = 'pyxnat/function',
        description: str = '',
        inputs: Mapping[str, str] | None = None,
        projects: Iterable[str] | None = None,
    ) -> Wrapper:
        """Add a wrapper.

        Parameters
        ----------
        name : str
            Name of the wrapper.
        datatype : str
            Type of its items, or one from which theirs derive.
        run : callable
            The function, called in a thread with a `Container`. An exception is a failure, and its
            traceback the log ``stderr``.
        root : str
            Name of the input for the item; by default after its type.
        image, description : str
            Shown in listings.
        inputs : mapping, optional
            Names of further inputs -> defaults; one with an empty default is required.
        projects : iterable of str, optional
            Projects in which it is enabled. Default: all.
        """
        with self._lock:
            wrapper = Wrapper(
                len(self._wrappers) + 1,
                name,
                datatype,
                root or self._root_of(datatype),
                self._root_of(datatype).title(),
                image,
                description,
                run,
                dict(inputs or {}),
                None if projects is None else frozenset(projects),
            )
            self._wrappers[wrapper.id] = wrapper
        return wrapper

    def _root_of(self, datatype: str) -> str:
        if datatype in _ROOTS:
            return _ROOTS[datatype]
        is_scan = self._model.registry.is_a(datatype, 'xnat:imageScanData')
        return 'scan' if is_scan else 'session'

    def wrappers(self) -> list[Wrapper]:
        """Return all wrappers."""
        return list(self._wrappers.values())

    def available(self, project: str, datatype: str) -> list[Wrapper]:
        """Return the wrappers for items of a type that a project has enabled.

        Parameters
        ----------
        project : str
            ID of the project.
        datatype : str
            Type of the item.
        """
        return [
            wrapper
            for wrapper in self._wrappers.values()
            if (wrapper.projects is None or project in wrapper.projects)
            and self._model.registry.is_a(datatype, wrapper.datatype)
        ]

    def wrapper(self, number: str) -> Wrapper | None:
        """Return a wrapper by its number, None if there is none."""
        return self._wrappers.get(int(number)) if number.isdecimal() else None

    def launch(
        self,
        connection: Connection,
        row: Any,
        wrapper: Wrapper,
        project: str,
        login: str,
        inputs: Mapping[str, str],
    ) -> Container:
        """Record a launch. Pass the result to `start` after the commit.

        Parameters
        ----------
        connection : Connection
            The database.
        row
            The item.
        wrapper : Wrapper
            The wrapper.
        project : str
            Project of the launch.
        login : str
            Login of the user.
        inputs : mapping
            Inputs of the launch, with the root.
        """
        merged = {**wrapper.inputs, **inputs}
        pk = record(
            connection,
            row,
            wrapper.name,
            login,
            'Queued',
            justification=_REASON,
        )
        with self._lock:
            number = len(self._containers) + 1001
            container = Container(number, wrapper, project, row.id, row.xsi_type, login, pk, merged)
            self._containers[number] = container
        return container

    def refuse(
        self, connection: Connection, row: Any, wrapper: Wrapper, login: str, problem: str
    ) -> int:
        """Record a launch that fails before it has a container; return its workflow.

        Parameters
        ----------
        connection : Connection
            The database.
        row
            The item.
        wrapper : Wrapper
            The wrapper.
        login : str
            Login of the user.
        problem : str
            The reason.
        """
        status = 'Failed (Command resolution)'
        return record(
            connection, row, wrapper.name, login, status, justification=_REASON, details=problem
        )

    def start(self, container: Container) -> None:
        """Run the function of a container in a thread."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, 'pyxnat.server.container')
        work = self._pool.submit(self._work, container)
        work.add_done_callback(partial(self._done, container))

    def _work(self, container: Container) -> None:
        if not container.killed.is_set():
            self._set(container, 'Running', comments=str(container.id))
            container.wrapper.run(container)

    def _done(self, container: Container, work: Future[None]) -> None:
        error = work.exception() if not work.cancelled() else None
        if error is not None:
            _log.warning('container %s of %s failed', container.id, container.wrapper.name)
            container.log(''.join(traceback.format_exception(error)).rstrip(), 'stderr')
        if container.killed.is_set():
            return
        if error is not None or work.cancelled():
            self._set(container, 'Failed')
        else:
            self._set(container, 'Complete', percentageComplete='100.0')

    def _set(self, container: Container, status: str, **fields: str) -> None:
        container.status = status
        container.history.append({'status': status, 'time-recorded': now()})
        with self._store.write() as connection:
            put_status(connection, container.workflow, status, **fields)

    def kill(self, container: Container, login: str) -> None:
        """Mark a container as killed; its function sees `Container.killed`.

        Parameters
        ----------
        container : Container
            The container; one that has ended stays as it is.
        login : str
            Login of the user.
        """
        if not container.status.startswith(_ENDS):
            container.killed.set()
            container.log(f'killed by {login}', 'stderr')
            about = {'comments': str(container.id), 'details': f'killed by {login}'}
            self._set(container, 'Failed (Killed)', **about)

    def all(self, project: str = '') -> list[Container]:
        """Return the containers, of one project if it is given, the latest first."""
        found = sorted(self._containers.values(), key=lambda one: one.id, reverse=True)
        return [one for one in found if project in ('', one.project)]

    def find(self, number: str) -> Container | None:
        """Return a container by its ID, None if there is none."""
        return self._containers.get(int(number)) if number.isdecimal() else None

    def resume(self, connection: Connection) -> None:
        """Mark the workflows of containers that a crash has ended as ``Failed``."""
        is_ours = workflow.c.fields.contains(f'"justification": "{_REASON}"', autoescape=True)
        query = select(workflow.c.pk).where(is_ours, workflow.c.status.in_(('Queued', 'Running')))
        for pk in connection.scalars(query).all():
            put_status(connection, pk, 'Failed', details='the server was stopped')

    def close(self) -> None:
        """Wait for running functions; cancel those not yet started."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
